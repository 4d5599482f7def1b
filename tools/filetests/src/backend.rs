//! What can run a launch: the interpreter, and the JIT in several configurations.
//!
//! A backend gets the loaded module and one run of a case, builds fresh buffers and variables from the directives, launches, and
//! reads everything back.

use crate::case::{Arg, Fault, Run};
use crate::outcome::Outcome;
use anyhow::{Context, Result, anyhow, bail};
use std::collections::BTreeMap;
use vgpu_ptx::interp::{Fault as InterpFault, FaultKind, LaunchConfig, Machine};
use vgpu_ptx::ir::Module;

/// Steps (instructions counted per thread) the interpreter may take; a case that needs more is too large.
const STEP_LIMIT: u64 = 400_000_000;
/// The same where the case expects the launch to time out.
const TIMEOUT_STEP_LIMIT: u64 = 3_000_000;

/// Runs launches.
pub trait Backend: Send + Sync {
    /// Shown in messages, such as `jit avx2 lanes=32`.
    fn name(&self) -> String;

    /// Runs one launch on fresh memory.
    ///
    /// # Errors
    /// The launch could not be made; a launch that faults is an [`Outcome`].
    fn launch(&self, module: &Module, run: &Run) -> Result<Outcome>;
}

/// The kernel's parameter buffer.
///
/// # Errors
/// A wrong number of parameters, or one of the wrong size.
pub fn parameter_buffer(module: &Module, run: &Run, addresses: &BTreeMap<String, u64>) -> Result<Vec<u8>> {
    let kernel = module.function(&run.kernel).ok_or_else(|| {
        let known: Vec<_> = module.functions.iter().map(|function| function.name.as_str()).collect();
        anyhow!("no kernel \"{}\"; the module has {}", run.kernel, known.join(", "))
    })?;
    let params = &module.functions[kernel].params;
    if params.len() != run.args.len() {
        bail!("{} args are given, kernel \"{}\" has {} parameters", run.args.len(), run.kernel, params.len());
    }
    let mut out = vec![0; module.functions[kernel].param_bytes() as usize];
    for (idx, (param, arg)) in params.iter().zip(&run.args).enumerate() {
        let bytes = arg_bytes(arg, addresses);
        if bytes.len() != param.size as usize {
            bail!("arg {idx} has {} bytes, the parameter \"{}\" has {}", bytes.len(), param.name, param.size);
        }
        let start = param.offset as usize;
        out[start..start + bytes.len()].copy_from_slice(&bytes);
    }
    Ok(out)
}

/// The bytes of one parameter, with buffers at `addresses`.
pub fn arg_bytes(arg: &Arg, addresses: &BTreeMap<String, u64>) -> Vec<u8> {
    arg.bytes(&|name| addresses.get(name).copied().unwrap_or_default())
}

/// Memory that a backend fills and reads through device addresses.
pub trait DeviceMemory {
    /// Allocates `bytes` bytes.
    ///
    /// # Errors
    /// Out of memory.
    fn alloc(&mut self, bytes: usize) -> Result<u64>;
    /// Address and size of a module variable.
    ///
    /// # Errors
    /// No such variable.
    fn variable(&mut self, name: &str) -> Result<(u64, u64)>;
    /// Writes bytes.
    ///
    /// # Errors
    /// Not inside one allocation.
    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<()>;
    /// Reads bytes.
    ///
    /// # Errors
    /// Not inside one allocation.
    fn read(&mut self, address: u64, bytes: usize) -> Result<Vec<u8>>;
}

/// Allocates and fills the run's buffers; their device addresses by name.
///
/// # Errors
/// Memory cannot be had, an unknown variable, or initial contents that do not fit.
pub fn prepare(run: &Run, memory: &mut dyn DeviceMemory) -> Result<BTreeMap<String, u64>> {
    let mut addresses = BTreeMap::new();
    for buffer in &run.buffers {
        let bytes = buffer.n * buffer.element.bytes();
        let address = if buffer.variable {
            let (address, size) = memory.variable(&buffer.name)?;
            if size < bytes as u64 {
                bail!("variable \"{}\" has {size} bytes, the directive says {bytes}", buffer.name);
            }
            address
        } else {
            memory.alloc(bytes)?
        };
        addresses.insert(buffer.name.clone(), address);
    }
    for buffer in &run.buffers {
        let Some(init) = &buffer.init else { continue };
        let address = |name: &str| addresses.get(name).copied().ok_or_else(|| anyhow!("unknown buffer \"{name}\""));
        let bytes = init
            .bytes(buffer.element, buffer.n, &address)
            .with_context(|| format!("initial contents of \"{}\"", buffer.name))?;
        memory.write(addresses[&buffer.name], &bytes)?;
    }
    Ok(addresses)
}

/// Reads the run's buffers back.
///
/// # Errors
/// A buffer cannot be read.
pub fn collect(
    run: &Run,
    memory: &mut dyn DeviceMemory,
    addresses: &BTreeMap<String, u64>,
    printed: String,
) -> Result<Outcome> {
    let buffers = run
        .buffers
        .iter()
        .map(|buffer| memory.read(addresses[&buffer.name], buffer.n * buffer.element.bytes()))
        .collect::<Result<_>>()?;
    Ok(Outcome { buffers, printed, fault: None })
}

/// The interpreter.
#[derive(Clone, Copy, Debug)]
pub struct Interpreter;

impl DeviceMemory for Machine<'_> {
    fn alloc(&mut self, bytes: usize) -> Result<u64> {
        Ok(self.memory.alloc(bytes as u64))
    }

    fn variable(&mut self, name: &str) -> Result<(u64, u64)> {
        self.symbol(name).ok_or_else(|| anyhow!("no module variable \"{name}\""))
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<()> {
        Ok(self.memory.write(address, bytes)?)
    }

    fn read(&mut self, address: u64, bytes: usize) -> Result<Vec<u8>> {
        Ok(self.memory.read(address, bytes as u64)?.to_vec())
    }
}

impl Backend for Interpreter {
    fn name(&self) -> String {
        "interpreter".to_string()
    }

    fn launch(&self, module: &Module, run: &Run) -> Result<Outcome> {
        let mut machine = Machine::new(module)?;
        let addresses = prepare(run, &mut machine)?;
        let params = parameter_buffer(module, run, &addresses)?;
        let config = LaunchConfig {
            grid: run.grid,
            block: run.block,
            dynamic_shared_bytes: run.shared_bytes,
            cooperative: run.cooperative,
            step_limit: if run.fault == Some(Fault::Timeout) { TIMEOUT_STEP_LIMIT } else { STEP_LIMIT },
        };
        match machine.launch(run.kernel.as_str(), config, &params) {
            Ok(_) => {
                let printed = machine.take_output();
                collect(run, &mut machine, &addresses, printed)
            }
            Err(fault) => Ok(Outcome {
                buffers: Vec::new(),
                printed: machine.take_output(),
                fault: Some((fault_kind(&fault)?, fault.to_string())),
            }),
        }
    }
}

fn fault_kind(fault: &InterpFault) -> Result<Fault> {
    Ok(match fault.kind {
        FaultKind::OutOfBounds { .. } => Fault::IllegalAddress,
        FaultKind::Misaligned { .. } => Fault::Misaligned,
        FaultKind::Trap => Fault::Trap,
        FaultKind::Assert { .. } => Fault::Assert,
        FaultKind::StepLimit(_) | FaultKind::Deadlock(_) => Fault::Timeout,
        FaultKind::BadCall(_) | FaultKind::BadBranch { .. } => Fault::BadCall,
        FaultKind::StackOverflow => Fault::StackOverflow,
        FaultKind::Undefined(_) | FaultKind::NoSuchForm(_) | FaultKind::BadLaunch(_) => bail!("{fault}"),
    })
}
