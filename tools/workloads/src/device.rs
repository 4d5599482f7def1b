//! The vgpu route.

use crate::workload::Arg;
use crate::{Data, Route, Workload};
use anyhow::{Context as _, Result};
use std::time::{Duration, Instant};
use vgpu::{Context, DevicePtr, Kernel, LaunchConfig, Module, Stream};

/// vgpu's software device.
pub struct Device {
    context: Context,
    stream: Stream,
    loaded: Option<Loaded>,
}

struct Loaded {
    kernel: Kernel,
    addresses: Vec<DevicePtr>,
    launches: Vec<(LaunchConfig, Vec<Vec<u8>>)>,
}

impl Device {
    /// The process's device, with a context of its own.
    ///
    /// # Errors
    /// The device cannot be made.
    pub fn new() -> Result<Self> {
        let context = Context::new(&vgpu::Device::shared()?);
        let stream = context.default_stream();
        Ok(Self { context, stream, loaded: None })
    }

    /// One line: the name, the workers and the vector instructions.
    pub fn description(&self) -> String {
        let device = self.context.device();
        let properties = device.properties();
        let n_workers = properties.multiprocessor_count;
        format!("{}, {n_workers} workers, {}", properties.name, properties.isa)
    }

    fn loaded(&self) -> Result<&Loaded> {
        self.loaded.as_ref().context("no workload is loaded")
    }
}

impl Route for Device {
    fn name(&self) -> &'static str {
        "vgpu"
    }

    fn load(&mut self, workload: &Workload) -> Result<()> {
        self.unload();
        let path = crate::kernel_folder().join(format!("{}.ptx", workload.kernel));
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let kernel = Module::load(&self.context, &text)?.kernel(workload.kernel)?;
        let mut addresses = Vec::new();
        for buffer in &workload.buffers {
            let address = self.context.alloc(buffer.data.size_bytes() as u64)?;
            self.context.copy_to_device(address, buffer.data.as_bytes())?;
            addresses.push(address);
        }
        let argument = |arg: &Arg| match *arg {
            Arg::Buffer(idx) => addresses[idx].0.to_le_bytes().to_vec(),
            Arg::U32(value) => value.to_le_bytes().to_vec(),
            Arg::I32(value) => value.to_le_bytes().to_vec(),
            Arg::F32(value) => value.to_le_bytes().to_vec(),
        };
        let launches = workload.launches.iter();
        let launches = launches.map(|l| (LaunchConfig::new(l.grid, l.block), l.args.iter().map(argument).collect()));
        let launches = launches.collect();
        self.loaded = Some(Loaded { kernel, addresses, launches });
        Ok(())
    }

    fn restore(&mut self, workload: &Workload) -> Result<()> {
        let loaded = self.loaded()?;
        for (address, buffer) in loaded.addresses.iter().zip(&workload.buffers).filter(|(_, buffer)| buffer.written) {
            self.context.copy_to_device(*address, buffer.data.as_bytes())?;
        }
        Ok(())
    }

    fn run(&mut self, _workload: &Workload) -> Result<Duration> {
        let loaded = self.loaded()?;
        let started = Instant::now();
        for (config, args) in &loaded.launches {
            let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
            loaded.kernel.launch_bytes(&self.stream, config, &args)?;
        }
        self.stream.synchronize()?;
        Ok(started.elapsed())
    }

    fn read(&mut self, workload: &Workload) -> Result<Vec<Data>> {
        let loaded = self.loaded()?;
        let mut after = Vec::new();
        for (address, buffer) in loaded.addresses.iter().zip(&workload.buffers) {
            after.push(if buffer.written {
                let mut bytes = vec![0; buffer.data.size_bytes()];
                self.context.copy_to_host(&mut bytes, *address)?;
                buffer.data.from_bytes(&bytes)?
            } else {
                buffer.data.empty()
            });
        }
        Ok(after)
    }

    fn unload(&mut self) {
        if let Some(loaded) = self.loaded.take() {
            // A context that failed keeps its memory until it is reset; the error was reported by the launch.
            self.context.reset();
            for address in loaded.addresses {
                let _ = self.context.free(address);
            }
        }
    }
}
