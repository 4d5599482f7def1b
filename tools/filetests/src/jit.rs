//! The JIT as a backend: one software device per vector level and program width, driven through the facade.
//!
//! The width is forced by a compiler of our own that hands every kernel to the JIT with `Specialization::lanes` set. Code is
//! never cached on disk, so that a test always runs what this build compiles.

use crate::backend::{Backend, DeviceMemory, arg_bytes, collect, prepare};
use crate::case::{Fault, Run};
use crate::outcome::Outcome;
use anyhow::{Context as _, Result, anyhow, bail};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use vgpu::{CachePolicy, Compiler, Context, Device, DeviceConfig, DevicePtr, Error, LaunchConfig, Module, ir};
use vgpu_jit::{Isa, ObjectCode, Specialization, Target};

/// Worker threads of each device: more than one, so that blocks really run at the same time.
const WORKERS: u32 = 2;
/// Program widths tested beside the one the compiler chooses.
const WIDTHS: &[u32] = &[64];
/// Device memory of each device.
const MEMORY_BYTES: u64 = 1 << 28;
/// Limit of a launch whose case sets none.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A device with a vector level and a program width.
pub struct Jit {
    name: String,
    device: Device,
}

struct FixedWidth {
    lanes: Option<u32>,
}

impl Compiler for FixedWidth {
    fn compile(
        &self,
        module: &ir::Module,
        kernel: ir::FuncId,
        specialization: &Specialization,
        target: &Target,
    ) -> Result<ObjectCode, String> {
        let specialization = Specialization { lanes: self.lanes, ..specialization.clone() };
        vgpu_jit::compile(module, kernel, &specialization, target).map_err(|error| error.to_string())
    }

    fn identity(&self) -> String {
        format!("filetests lanes {:?}", self.lanes)
    }
}

impl Jit {
    /// A device of at most `isa` whose programs have `lanes` threads, or as many as the compiler chooses.
    ///
    /// # Errors
    /// The device cannot be made.
    pub fn new(isa: Isa, lanes: Option<u32>) -> Result<Self> {
        let mut config = DeviceConfig::from_environment()?;
        config.n_workers = WORKERS;
        config.memory_bytes = MEMORY_BYTES;
        config.target = Target::detect(Some(isa));
        config.cache = CachePolicy::Off;
        config.compiler = Arc::new(FixedWidth { lanes });
        let width = lanes.map_or_else(String::new, |lanes| format!(" lanes={lanes}"));
        let name = format!("jit {}{width}", config.target.isa);
        Ok(Self { name, device: Device::new(config)? })
    }
}

/// Environment variable that chooses backends.
const BACKENDS: &str = "VGPU_TEST_BACKENDS";

/// Every level this machine has, and on the highest one every program width worth testing. With `VGPU_TEST_BACKENDS` only
/// those whose name contains one of its words; `interpreter` is always there.
///
/// # Errors
/// A device cannot be made, or a word of the variable fits no backend.
pub fn backends() -> Result<Vec<Box<dyn Backend>>> {
    let all = all_backends()?;
    let Ok(words) = std::env::var(BACKENDS) else { return Ok(all) };
    let names: Vec<String> = all.iter().map(|backend| backend.name()).collect();
    let words: Vec<&str> = words.split(',').map(str::trim).filter(|word| *word != "interpreter").collect();
    if let Some(unknown) = words.iter().find(|word| !names.iter().any(|name| name.contains(**word))) {
        bail!("{BACKENDS} has \"{unknown}\"; the backends are interpreter, {}", names.join(", "));
    }
    Ok(all.into_iter().filter(|backend| words.iter().any(|word| backend.name().contains(word))).collect())
}

fn all_backends() -> Result<Vec<Box<dyn Backend>>> {
    let highest = Target::from_environment().map_err(|message| anyhow!(message))?.isa;
    let mut out: Vec<Box<dyn Backend>> = Vec::new();
    for isa in [Isa::Avx512, Isa::Avx2, Isa::Sse42, Isa::Baseline] {
        if isa <= highest {
            out.push(Box::new(Jit::new(isa, None)?));
        }
    }
    for lanes in WIDTHS {
        out.push(Box::new(Jit::new(highest, Some(*lanes))?));
    }
    Ok(out)
}

struct Memory<'a> {
    context: &'a Context,
    module: &'a Module,
}

impl DeviceMemory for Memory<'_> {
    fn alloc(&mut self, bytes: usize) -> Result<u64> {
        Ok(self.context.alloc(bytes as u64)?.0)
    }

    fn variable(&mut self, name: &str) -> Result<(u64, u64)> {
        let (address, bytes) = self.module.variable(name)?;
        Ok((address.0, bytes))
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<()> {
        Ok(self.context.copy_to_device(DevicePtr(address), bytes)?)
    }

    fn read(&mut self, address: u64, bytes: usize) -> Result<Vec<u8>> {
        let mut out = vec![0; bytes];
        self.context.copy_to_host(&mut out, DevicePtr(address))?;
        Ok(out)
    }
}

impl Backend for Jit {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn launch(&self, module: &ir::Module, run: &Run) -> Result<Outcome> {
        let context = Context::new(&self.device);
        let printed = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&printed);
        context.set_print_sink(Box::new(move |text| {
            sink.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(text);
        }));
        let module = Module::from_ir(&context, module.clone())?;
        let kernel = module.kernel(&run.kernel)?;
        let mut memory = Memory { context: &context, module: &module };
        let addresses = prepare(run, &mut memory)?;
        let args: Vec<Vec<u8>> = run.args.iter().map(|arg| arg_bytes(arg, &addresses)).collect();
        let slices: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        let config = LaunchConfig {
            dynamic_shared_bytes: run.shared_bytes,
            cooperative: run.cooperative,
            timeout: Some(run.timeout_ms.map_or(TIMEOUT, Duration::from_millis)),
            ..LaunchConfig::new(run.grid, run.block)
        };
        let stream = context.default_stream();
        let result = kernel.launch_bytes(&stream, &config, &slices).and_then(|()| stream.synchronize());
        // Reading flushes what was printed.
        let text = || -> Result<String> {
            let bytes = printed.lock().unwrap_or_else(PoisonError::into_inner).clone();
            String::from_utf8(bytes).context("the kernel printed something that is not UTF-8")
        };
        match result {
            Ok(()) => {
                let mut outcome = collect(run, &mut memory, &addresses, String::new())?;
                outcome.printed = text()?;
                Ok(outcome)
            }
            Err(error) => {
                let fault = fault_kind(&error)?;
                Ok(Outcome { buffers: Vec::new(), printed: text()?, fault: Some((fault, error.to_string())) })
            }
        }
    }
}

fn fault_kind(error: &Error) -> Result<Fault> {
    Ok(match error {
        Error::IllegalAddress { .. } => Fault::IllegalAddress,
        Error::MisalignedAddress { .. } => Fault::Misaligned,
        Error::Trap { .. } => Fault::Trap,
        Error::Assert { .. } => Fault::Assert,
        Error::LaunchTimeout { .. } | Error::Deadlock { .. } => Fault::Timeout,
        Error::StackOverflow { .. } => Fault::StackOverflow,
        Error::BadCall { .. } => Fault::BadCall,
        other => bail!("{other}"),
    })
}
