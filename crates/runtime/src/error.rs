//! Everything that can go wrong between a caller and a finished launch: one variant per cause.
//!
//! [`Error::fault`] tells whose fault it is: the caller's, a limit, the kernel's (these are sticky: the context refuses
//! further work until it is reset, as on hardware), or ours.

use crate::memory::DevicePtr;
use vgpu_types::{Diagnostic, Dim3};

/// Whose fault an [`Error`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A wrong argument or order of calls.
    Caller,
    /// The module's text.
    Input,
    /// A limit of the device or the machine.
    Limit,
    /// The kernel did something wrong while it ran; the context keeps the error until it is reset.
    Kernel,
    /// A defect of vgpu.
    Ours,
}

/// Why a call of this crate failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The PTX text is not accepted; every diagnostic carries its place.
    #[error("the module was not accepted: {}", first_message(.0))]
    Load(Vec<Diagnostic>),
    /// Several modules do not link into one.
    #[error("the modules were not linked: {message}")]
    Link {
        /// What is undefined or defined twice.
        message: String,
    },
    /// The compiler refused a kernel.
    #[error("kernel \"{kernel}\" was not compiled: {message}")]
    Compile {
        /// Kernel name.
        kernel: String,
        /// What the compiler said.
        message: String,
    },
    /// The module has no kernel of that name.
    #[error("no kernel \"{name}\" in the module; it has {}", list(available))]
    UnknownKernel {
        /// Name asked for.
        name: String,
        /// Names the module has.
        available: Vec<String>,
    },
    /// The module has no variable of that name.
    #[error("no variable \"{name}\" in the module; it has {}", list(available))]
    UnknownVariable {
        /// Name asked for.
        name: String,
        /// Names the module has.
        available: Vec<String>,
    },
    /// A variable is declared `.extern` and no linked module defines it.
    #[error("variable \"{name}\" is declared .extern and not defined in the module")]
    UndefinedVariable {
        /// Name of the variable.
        name: String,
    },
    /// Wrong number of arguments.
    #[error("kernel \"{kernel}\" takes {expected} arguments, {found} were given")]
    ArgumentCount {
        /// Kernel name.
        kernel: String,
        /// Number of parameters.
        expected: usize,
        /// Number of arguments.
        found: usize,
    },
    /// An argument of the wrong size.
    #[error("argument {idx} of kernel \"{kernel}\" has {found} bytes; parameter \"{parameter}\" has {expected}")]
    ArgumentSize {
        /// Kernel name.
        kernel: String,
        /// Position, from 0.
        idx: usize,
        /// Parameter name in the text.
        parameter: String,
        /// Size of the parameter in bytes.
        expected: usize,
        /// Size of the argument in bytes.
        found: usize,
    },
    /// A packed parameter buffer of the wrong size.
    #[error("kernel \"{kernel}\" takes {expected} bytes of parameters, the buffer has {found}")]
    ParameterBytes {
        /// Kernel name.
        kernel: String,
        /// Size of the parameter area.
        expected: usize,
        /// Size of the buffer.
        found: usize,
    },
    /// The block shape is outside the device's limits.
    #[error("block {block} is outside the limits: 1 to (1024, 1024, 64) and at most 1024 threads")]
    BlockShape {
        /// Block shape of the launch.
        block: Dim3,
    },
    /// The kernel demands another block shape (`.reqntid`).
    #[error("kernel \"{kernel}\" is compiled for block {required} (.reqntid); the launch has {block}")]
    RequiredBlockShape {
        /// Kernel name.
        kernel: String,
        /// Shape the kernel demands.
        required: Dim3,
        /// Block shape of the launch.
        block: Dim3,
    },
    /// More threads than the kernel allows (`.maxntid`).
    #[error("kernel \"{kernel}\" allows {limit} threads per block (.maxntid); block {block} has more")]
    TooManyThreads {
        /// Kernel name.
        kernel: String,
        /// Largest number of threads.
        limit: u64,
        /// Block shape of the launch.
        block: Dim3,
    },
    /// The grid shape is outside the device's limits.
    #[error("grid {grid} is outside the limits: 1 to (2147483647, 65535, 65535)")]
    GridShape {
        /// Grid shape of the launch.
        grid: Dim3,
    },
    /// More shared memory than a block may have.
    #[error(
        "kernel \"{kernel}\" needs {static_bytes} bytes of static and {dynamic_bytes} of dynamic shared memory; accepted are \
         {static_limit} static and {total_limit} in all"
    )]
    SharedMemory {
        /// Kernel name.
        kernel: String,
        /// Static shared memory of the kernel.
        static_bytes: u64,
        /// Dynamic shared memory of the launch.
        dynamic_bytes: u64,
        /// Largest static size.
        static_limit: u64,
        /// Largest sum.
        total_limit: u64,
    },
    /// A cooperative launch with more blocks than can be resident.
    #[error(
        "cooperative launch of kernel \"{kernel}\" has {blocks} blocks; {limit} can be resident at this block shape"
    )]
    CooperativeTooLarge {
        /// Kernel name.
        kernel: String,
        /// Blocks of the launch.
        blocks: u128,
        /// Blocks that fit.
        limit: u64,
    },
    /// Device memory is used up.
    #[error("out of device memory: {requested} bytes asked for, {free} of {total} free")]
    OutOfMemory {
        /// Bytes asked for.
        requested: u64,
        /// Bytes free.
        free: u64,
        /// Bytes the device has.
        total: u64,
    },
    /// Device memory beyond its budget could not be kept or brought back.
    #[error("device memory: {0}")]
    Memory(vgpu_mem::Error),
    /// An address that is not inside a live allocation, or a range that leaves it.
    #[error("{bytes} bytes at {address} are not inside a live allocation")]
    InvalidAddress {
        /// First address.
        address: DevicePtr,
        /// Length of the range.
        bytes: u64,
    },
    /// A copy or fill whose host address is not mapped.
    #[error("a copy from {from:#x} to {to:#x} touched memory that is not mapped")]
    HostAddress {
        /// Destination.
        to: u64,
        /// Source.
        from: u64,
    },
    /// `free` of something that is not the start of a live allocation.
    #[error("{address} is not the start of a live allocation")]
    InvalidFree {
        /// The address.
        address: DevicePtr,
    },
    /// Objects of two contexts in one call.
    #[error("{what} belongs to another context than the stream")]
    ForeignContext {
        /// Which object.
        what: &'static str,
    },
    /// The devices of a split launch cannot be used so.
    #[error("a launch cannot be split over these devices: {what}")]
    SplitDevices {
        /// What is wrong with them.
        what: String,
    },
    /// A kernel whose blocks cannot run on several devices.
    #[error("kernel \"{kernel}\" cannot be split over devices: {why}")]
    NotSplittable {
        /// Kernel name.
        kernel: String,
        /// What its blocks do.
        why: &'static str,
    },
    /// A context could not be saved or restored.
    #[error("checkpoint: {message}")]
    Checkpoint {
        /// What is wrong: with the context, the file or the addresses.
        message: String,
    },
    /// Elapsed time between events of which one was never recorded or is not complete.
    #[error("the event is {state}; elapsed time needs two completed events")]
    EventNotReady {
        /// `not recorded` or `not complete`.
        state: &'static str,
    },
    /// An access outside device memory.
    #[error("illegal address {address:#x} in kernel \"{kernel}\", block {block}, code offset {code_offset:#x}")]
    IllegalAddress {
        /// Kernel name.
        kernel: String,
        /// The address, as far as the processor tells it.
        address: u64,
        /// Block that did it.
        block: Dim3,
        /// Offset of the instruction in the kernel's code; `u64::MAX` when it was outside.
        code_offset: u64,
    },
    /// An access at an address that is not a multiple of its size.
    #[error(
        "misaligned address {address:#x} in kernel \"{kernel}\", block {block}: {access} needs a multiple of {bytes}"
    )]
    MisalignedAddress {
        /// Kernel name.
        kernel: String,
        /// The address.
        address: u64,
        /// What it should be a multiple of.
        bytes: u32,
        /// The instruction, and its line as far as that is known.
        access: String,
        /// Block that did it.
        block: Dim3,
    },
    /// The processor refused an instruction of the kernel.
    #[error("illegal instruction in kernel \"{kernel}\", block {block}, code offset {code_offset:#x}")]
    IllegalInstruction {
        /// Kernel name.
        kernel: String,
        /// Block that did it.
        block: Dim3,
        /// Offset of the instruction in the kernel's code.
        code_offset: u64,
    },
    /// The kernel executed `trap`.
    #[error("trap in kernel \"{kernel}\", block {block}")]
    Trap {
        /// Kernel name.
        kernel: String,
        /// Block that did it.
        block: Dim3,
    },
    /// A device assertion failed.
    #[error("{message}")]
    Assert {
        /// Text in CUDA's form: `file:line: function: block: [x,y,z], thread: [x,y,z] Assertion ... failed.`
        message: String,
    },
    /// The launch took longer than its limit.
    #[error("kernel \"{kernel}\" was stopped: it ran longer than its limit of {limit_ms} ms")]
    LaunchTimeout {
        /// Kernel name.
        kernel: String,
        /// The limit.
        limit_ms: u64,
    },
    /// The local stack is used up.
    #[error("local stack overflow in kernel \"{kernel}\", block {block}")]
    StackOverflow {
        /// Kernel name.
        kernel: String,
        /// Block that did it.
        block: Dim3,
    },
    /// An indirect call of something that is not a matching function.
    #[error(
        "indirect call of something that is not a function of matching signature in kernel \"{kernel}\", block {block}"
    )]
    BadCall {
        /// Kernel name.
        kernel: String,
        /// Block that did it.
        block: Dim3,
    },
    /// All threads of a block (or of a cooperative grid) wait and no barrier can complete.
    #[error("deadlock in kernel \"{kernel}\", block {block}: {waiting}")]
    Deadlock {
        /// Kernel name.
        kernel: String,
        /// Block that did it.
        block: Dim3,
        /// Who waits for what.
        waiting: String,
    },
    /// A grid-wide synchronisation in a launch that is not cooperative.
    #[error("kernel \"{kernel}\" synchronises the grid, but the launch is not cooperative")]
    GridSyncOutsideCooperative {
        /// Kernel name.
        kernel: String,
    },
    /// Generated code or an object file that does not hold together.
    #[error("machine code of kernel \"{kernel}\" cannot be used: {message}")]
    Code {
        /// Kernel name.
        kernel: String,
        /// What is wrong with it.
        message: String,
    },
    /// An environment variable or setting with a value that is not accepted.
    #[error("{0}")]
    Setting(String),
    /// The operating system refused something.
    #[error("{what}: {reason}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// The system's answer.
        reason: String,
    },
}

impl Error {
    /// Whose fault it is.
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Load(_) | Self::Link { .. } | Self::Compile { .. } | Self::UndefinedVariable { .. } => Fault::Input,
            Self::UnknownKernel { .. }
            | Self::UnknownVariable { .. }
            | Self::ArgumentCount { .. }
            | Self::ArgumentSize { .. }
            | Self::ParameterBytes { .. }
            | Self::BlockShape { .. }
            | Self::RequiredBlockShape { .. }
            | Self::TooManyThreads { .. }
            | Self::GridShape { .. }
            | Self::SharedMemory { .. }
            | Self::InvalidAddress { .. }
            | Self::InvalidFree { .. }
            | Self::HostAddress { .. }
            | Self::ForeignContext { .. }
            | Self::EventNotReady { .. }
            | Self::SplitDevices { .. }
            | Self::NotSplittable { .. }
            | Self::Setting(_) => Fault::Caller,
            Self::CooperativeTooLarge { .. }
            | Self::OutOfMemory { .. }
            | Self::Memory(_)
            | Self::Checkpoint { .. }
            | Self::System { .. } => Fault::Limit,
            Self::IllegalAddress { .. }
            | Self::MisalignedAddress { .. }
            | Self::IllegalInstruction { .. }
            | Self::Trap { .. }
            | Self::Assert { .. }
            | Self::LaunchTimeout { .. }
            | Self::StackOverflow { .. }
            | Self::BadCall { .. }
            | Self::Deadlock { .. }
            | Self::GridSyncOutsideCooperative { .. } => Fault::Kernel,
            Self::Code { .. } => Fault::Ours,
        }
    }

    /// True when the context refuses further work after it.
    pub fn is_sticky(&self) -> bool {
        self.fault() == Fault::Kernel
    }
}

fn first_message(diagnostics: &[Diagnostic]) -> String {
    match diagnostics {
        [] => "no reason given".to_owned(),
        [only] => only.message.clone(),
        [first, rest @ ..] => format!("{} (and {} more)", first.message, rest.len()),
    }
}

fn list(names: &[String]) -> String {
    const SHOWN: usize = 8;
    if names.is_empty() {
        return "none".to_owned();
    }
    let mut text = names.iter().take(SHOWN).map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}
