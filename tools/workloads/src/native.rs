//! The native route: C with OpenMP, built by the machine's compiler for this very machine, and called in process.
//!
//! Rules of access: the library is opened once and stays open; a function of it is called with slots that are exactly the
//! kernel's arguments, whose addresses point into `buffers` of the loaded workload, which nobody else touches during the call.

use crate::workload::Arg;
use crate::{Data, Route, Workload};
use anyhow::{Context, Result, bail};
use libloading::Library;
use std::ffi::c_void;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// The flags of the native build, as shown beside results.
pub const FLAGS: &[&str] = &["-O3", "-march=native", "-ffast-math", "-fopenmp", "-std=gnu11", "-fPIC", "-shared"];

/// What an entry of `native.h` takes.
#[repr(C)]
struct Launch {
    grid: [u32; 3],
    block: [u32; 3],
    args: *const u64,
}

type Entry = unsafe extern "C" fn(*const Launch);

/// C with OpenMP.
pub struct Native {
    library: Library,
    buffers: Vec<Data>,
}

impl Native {
    /// Builds `kernels/native/*.c` into a library under `folder` and opens it.
    ///
    /// # Errors
    /// There is no C compiler, or it fails.
    pub fn new(folder: &Path) -> Result<Self> {
        let path = build(folder)?;
        // OpenMP's threads would otherwise spin between regions, on cores that the other routes need.
        if std::env::var_os("OMP_WAIT_POLICY").is_none() {
            // SAFETY: called from the main thread before a route starts threads; nothing reads the environment meanwhile.
            unsafe { std::env::set_var("OMP_WAIT_POLICY", "passive") };
        }
        // SAFETY: the library is the one just built from our sources; it has no initialisers beyond OpenMP's.
        let library = unsafe { Library::new(&path) }.with_context(|| format!("cannot open {}", path.display()))?;
        Ok(Self { library, buffers: Vec::new() })
    }

    /// The function of a kernel.
    fn entry(&self, kernel: &str) -> Result<Entry> {
        let name = format!("native_{kernel}");
        // SAFETY: every symbol of that prefix is declared by the `ENTRY` macro with the type of `Entry`.
        let symbol = unsafe { self.library.get::<Entry>(name.as_bytes()) };
        Ok(*symbol.with_context(|| format!("no native version of `{kernel}`"))?)
    }

    /// The 64-bit slots of the arguments.
    fn slots(&mut self, args: &[Arg]) -> Vec<u64> {
        args.iter()
            .map(|arg| match *arg {
                Arg::Buffer(idx) => address(&mut self.buffers[idx]),
                Arg::U32(value) => u64::from(value),
                Arg::I32(value) => u64::from(value as u32),
                Arg::F32(value) => u64::from(value.to_bits()),
            })
            .collect()
    }
}

fn address(data: &mut Data) -> u64 {
    let pointer: *mut c_void = match data {
        Data::F32(values) => values.as_mut_ptr().cast(),
        Data::I32(values) => values.as_mut_ptr().cast(),
        Data::U32(values) => values.as_mut_ptr().cast(),
        Data::U64(values) => values.as_mut_ptr().cast(),
        Data::U8(values) => values.as_mut_ptr().cast(),
    };
    pointer as u64
}

/// One library of all files.
fn build(folder: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let sources = crate::kernel_folder().join("native");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&sources).with_context(|| format!("cannot list {}", sources.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "c") {
            files.push(path);
        }
    }
    files.sort();
    // A name of its own per process: another one may have the library open.
    let path = folder.join(format!("libnative-{}.so", std::process::id()));
    let status = Command::new("cc").args(FLAGS).args(&files).arg("-lm").arg("-o").arg(&path).status();
    if !status.context("cannot start the C compiler `cc`")?.success() {
        bail!("the C compiler refuses {}", sources.display());
    }
    Ok(path)
}

impl Route for Native {
    fn name(&self) -> &'static str {
        "native"
    }

    fn load(&mut self, workload: &Workload) -> Result<()> {
        self.entry(workload.kernel)?;
        self.buffers = workload.buffers.iter().map(|buffer| buffer.data.clone()).collect();
        Ok(())
    }

    fn restore(&mut self, workload: &Workload) -> Result<()> {
        for (own, buffer) in self.buffers.iter_mut().zip(&workload.buffers).filter(|(_, buffer)| buffer.written) {
            own.clone_from(&buffer.data);
        }
        Ok(())
    }

    fn run(&mut self, workload: &Workload) -> Result<Duration> {
        let entry = self.entry(workload.kernel)?;
        let slots: Vec<_> = workload.launches.iter().map(|launch| self.slots(&launch.args)).collect();
        let started = Instant::now();
        for (launch, slots) in workload.launches.iter().zip(&slots) {
            let ((gx, gy), (bx, by)) = (launch.grid, launch.block);
            let call = Launch { grid: [gx, gy, 1], block: [bx, by, 1], args: slots.as_ptr() };
            // SAFETY: rules of access in the header; the workload's launches stay inside its buffers, which the check of the
            // same workload through vgpu relies on as well.
            unsafe { entry(&call) };
        }
        Ok(started.elapsed())
    }

    fn read(&mut self, workload: &Workload) -> Result<Vec<Data>> {
        let pairs = self.buffers.iter().zip(&workload.buffers);
        Ok(pairs.map(|(own, buffer)| if buffer.written { own.clone() } else { own.empty() }).collect())
    }

    fn unload(&mut self) {
        self.buffers.clear();
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        self.buffers.clear();
    }
}
