//! The process of one tenant: confined, then told what to load, attach and run.
//!
//! One conversation over standard input ([`Channel`]), answered in order. Before anything of a tenant's comes in, the process has
//! given up what it does not need ([`confine`]). Buffers are memory files of the daemon's, mapped with an inaccessible page behind
//! each; launches run on a device of their own, whose threads take turns with other tenants' through the gate. A kernel that goes
//! wrong makes this process unreliable, because it may have written anywhere: it says so, and the daemon replaces it.

mod benchmark;
mod confine;
mod counts;

use anyhow::{Context as _, Result, bail};
use std::collections::HashMap;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use vgpu::{CachePolicy, Context, Device, DeviceConfig, Dim3, Error, LaunchConfig};
use vgpu_daemon::api::types::Argument;
use vgpu_daemon::protocol::{Channel, Reply, Request, Run, Setup};
use vgpu_runtime::{Access, DEFAULT_CACHE_BYTES, Module, Physical, Reservation};
use vgpu_turns::Gate;

/// Bytes of output that are kept.
const OUTPUT_BYTES: usize = 64 << 10;
/// Pages.
const PAGE: u64 = 4096;
/// The largest module, as the daemon takes it.
const MODULE_BYTES: u64 = 64 << 20;

/// A mapped buffer.
struct Mapped {
    range: Reservation,
    /// Keeps the file's length in view.
    _memory: Physical,
}

struct Worker {
    context: Context,
    modules: HashMap<String, Module>,
    buffers: HashMap<u64, Mapped>,
    output: Arc<Mutex<Vec<u8>>>,
    capability: (u32, u32),
}

/// The worker's life: until the daemon closes the socket.
///
/// # Errors
/// The conversation breaks.
pub fn run() -> Result<()> {
    // The daemon's death is this process's: nothing of it is of use to anybody else.
    let signal = Some(rustix::process::Signal::KILL);
    rustix::process::set_parent_process_death_signal(signal).context("cannot be tied to the daemon")?;
    let socket = std::io::stdin().as_fd().try_clone_to_owned().context("standard input cannot be used")?;
    let mut channel = Channel::new(UnixStream::from(socket));
    let (request, mut files) = channel.receive::<Request>().context("this is started by the daemon, with a socket")?;
    let (Request::Setup(setup), Some(gate)) = (request, files.pop()) else {
        bail!("the daemon must set the worker up first");
    };
    let isolation = confine::confine(&setup);
    let mut worker = Worker::new(&setup, gate)?;
    let device = worker.context.device().properties().name.clone();
    channel.send(&Reply::Ready { isolation, device }, &[])?;
    loop {
        let (request, files) = match channel.receive::<Request>() {
            Ok(received) => received,
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error).context("cannot understand the daemon"),
        };
        let reply = worker.answer(request, files).unwrap_or_else(|refusal| refusal);
        channel.send(&reply, &[])?;
    }
}

fn failed(error: &str, message: impl ToString, fatal: bool) -> Reply {
    Reply::Failed { error: error.to_owned(), message: message.to_string(), fatal }
}

/// A runtime error as an answer; one that came from inside a kernel spoils the process.
fn runtime_failure(error: &Error) -> Reply {
    let name = match error {
        Error::IllegalAddress { .. } => "illegal_address",
        Error::IllegalInstruction { .. } => "illegal_instruction",
        Error::MisalignedAddress { .. } => "misaligned_address",
        Error::Trap { .. } => "trap",
        Error::Assert { .. } => "assert",
        Error::LaunchTimeout { .. } => "launch_timeout",
        Error::Deadlock { .. } => "deadlock",
        Error::OutOfMemory { .. } => "out_of_memory",
        Error::Load { .. } => "load",
        _ => "launch",
    };
    failed(name, error, false)
}

impl Worker {
    fn new(setup: &Setup, gate: OwnedFd) -> Result<Self> {
        let mut config = DeviceConfig::from_environment().context("cannot set the device up")?;
        config.n_workers = setup.workers.max(1);
        config.memory_bytes = setup.memory_bytes;
        config.cache = match &setup.cache {
            Some(folder) => CachePolicy::Directory(folder.clone(), DEFAULT_CACHE_BYTES),
            None => CachePolicy::Off,
        };
        config.turns = Some(Arc::new(Gate::open(gate).context("the gate cannot be used")?));
        let capability = config.compute_capability;
        let context = Context::new(&Device::new(config).context("cannot make the device")?);
        let output = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&output);
        context.set_print_sink(Box::new(move |text: &[u8]| {
            let mut output = sink.lock().unwrap_or_else(PoisonError::into_inner);
            let room = OUTPUT_BYTES.saturating_sub(output.len());
            output.extend_from_slice(&text[..text.len().min(room)]);
        }));
        Ok(Self { context, modules: HashMap::new(), buffers: HashMap::new(), output, capability })
    }

    fn answer(&mut self, request: Request, mut files: Vec<OwnedFd>) -> Result<Reply, Reply> {
        match request {
            Request::Setup(_) => Err(failed("protocol", "the worker is set up already", true)),
            Request::Load { module } => self.load(module, files.pop()),
            Request::Unload { module } => {
                self.modules.remove(&module);
                Ok(Reply::Done)
            }
            Request::Attach { buffer, bytes } => self.attach(buffer, bytes, files.pop()),
            Request::Detach { buffer } => {
                self.buffers.remove(&buffer);
                Ok(Reply::Done)
            }
            Request::Run(run) => self.launch(&run),
            Request::Benchmark => {
                let figures = benchmark::run(&self.context);
                figures.map(Reply::Benchmark).map_err(|error| failed("benchmark", format!("{error:#}"), true))
            }
        }
    }

    fn load(&mut self, name: String, file: Option<OwnedFd>) -> Result<Reply, Reply> {
        let file = file.ok_or_else(|| failed("protocol", "no file came with the module", true))?;
        let mut bytes = Vec::new();
        let mut limited = std::io::Read::take(std::fs::File::from(file), MODULE_BYTES);
        std::io::Read::read_to_end(&mut limited, &mut bytes).map_err(|error| failed("read", error, true))?;
        let texts = vgpu_cuda::ptx_of_image(&bytes, self.capability).map_err(|error| failed("image", error, false))?;
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let module = Module::load_linked(&self.context, &texts).map_err(|error| runtime_failure(&error))?;
        let kernels = counts::kernels(module.ir());
        self.modules.insert(name, module);
        Ok(Reply::Loaded { kernels })
    }

    fn attach(&mut self, id: u64, bytes: u64, file: Option<OwnedFd>) -> Result<Reply, Reply> {
        let file = file.ok_or_else(|| failed("protocol", "no file came with the buffer", true))?;
        let wrong = |error: Error| failed("memory", error, false);
        let memory = Physical::from_file(file, bytes).map_err(wrong)?;
        let length = memory.bytes();
        // The page behind stays inaccessible.
        let range = Reservation::new(length + PAGE, PAGE).map_err(wrong)?;
        range.map(0, length, &memory, 0).map_err(wrong)?;
        range.protect(0, length, Access::ReadWrite).map_err(wrong)?;
        self.buffers.insert(id, Mapped { range, _memory: memory });
        Ok(Reply::Done)
    }

    fn launch(&mut self, run: &Run) -> Result<Reply, Reply> {
        let unknown = || failed("protocol", format!("the worker has no module {}", run.module), false);
        let module = self.modules.get(&run.module).ok_or_else(unknown)?;
        let kernel = module.kernel(&run.kernel).map_err(|error| runtime_failure(&error))?;
        let mut bytes: Vec<Vec<u8>> = Vec::with_capacity(run.args.len());
        for argument in &run.args {
            bytes.push(match argument {
                Argument::Buffer(id) => {
                    let unknown = || failed("protocol", format!("the worker has no buffer {id}"), false);
                    self.buffers.get(id).ok_or_else(unknown)?.range.start().to_le_bytes().to_vec()
                }
                Argument::U32(number) => number.to_le_bytes().to_vec(),
                Argument::I32(number) => number.to_le_bytes().to_vec(),
                Argument::U64(number) => number.to_le_bytes().to_vec(),
                Argument::I64(number) => number.to_le_bytes().to_vec(),
                Argument::F32(number) => number.to_le_bytes().to_vec(),
                Argument::F64(number) => number.to_le_bytes().to_vec(),
                Argument::Bytes(bytes) => bytes.clone(),
            });
        }
        let slices: Vec<&[u8]> = bytes.iter().map(Vec::as_slice).collect();
        let three = |[x, y, z]: [u32; 3]| Dim3::new(x, y, z);
        let mut config = LaunchConfig::new(three(run.grid), three(run.block)).shared(run.shared_bytes);
        config.cooperative = run.cooperative;
        config.timeout = Some(Duration::from_millis(run.timeout_ms));
        self.output.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let stream = self.context.default_stream();
        kernel.launch(&stream, &config, &slices).map_err(|error| runtime_failure(&error))?;
        let ended = self.context.synchronize();
        if let Err(error) = ended {
            // Something inside the kernel: what it wrote before is anybody's guess.
            let Reply::Failed { error, message, .. } = runtime_failure(&error) else {
                return Err(failed("launch", error, true));
            };
            return Err(Reply::Failed { error, message, fatal: true });
        }
        let output = std::mem::take(&mut *self.output.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(Reply::Ran { output: String::from_utf8_lossy(&output).into_owned() })
    }
}
