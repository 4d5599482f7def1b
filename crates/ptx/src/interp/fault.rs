//! How a launch can end badly.

use super::memory::MemoryError;
use crate::interp::arith::NoSuchForm;
use crate::ir::LineLoc;
use vgpu_types::{Dim3, Span};

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultKind {
    /// An access outside every allocation, or outside the shared, local or parameter memory of the accessing thread.
    #[error("{space} access of {size} bytes at {address:#x} is out of bounds")]
    OutOfBounds {
        /// Which memory.
        space: &'static str,
        /// Generic address, or the offset in the space.
        address: u64,
        /// Bytes accessed.
        size: u64,
    },
    /// An address that is not a multiple of the access size.
    #[error("access of {size} bytes at {address:#x} is misaligned")]
    Misaligned {
        /// Generic address, or the offset in the space.
        address: u64,
        /// Bytes accessed.
        size: u64,
    },
    /// `trap`.
    #[error("trap")]
    Trap,
    /// `brx.idx` with an index past the target list.
    #[error("branch index {index} is outside the list of {targets} targets")]
    BadBranch {
        /// The index.
        index: u32,
        /// Length of the list.
        targets: usize,
    },
    /// A device assertion.
    #[error("{file}:{line}: {function}: assertion `{message}` failed")]
    Assert {
        /// The condition's text.
        message: String,
        /// Source file.
        file: String,
        /// Source line.
        line: u32,
        /// Enclosing function.
        function: String,
    },
    /// Threads wait for each other, and nobody can go on.
    #[error("deadlock: {0}")]
    Deadlock(String),
    /// More steps than the launch allows.
    #[error("the launch did not end within {0} steps")]
    StepLimit(u64),
    /// A call through something that is not a function of the expected signature, or of an undefined function.
    #[error("bad call: {0}")]
    BadCall(String),
    /// Calls nested too deep, or too much local memory.
    #[error("the thread's stack is used up")]
    StackOverflow,
    /// The program did something for which the manual gives no meaning.
    #[error("undefined behaviour: {0}")]
    Undefined(&'static str),
    /// An instruction form that does not exist; the verifier should have refused it.
    #[error(transparent)]
    NoSuchForm(#[from] NoSuchForm),
    /// The launch itself is wrong: unknown kernel, too few parameter bytes, block shape over the limit.
    #[error("bad launch: {0}")]
    BadLaunch(String),
}

impl FaultKind {
    /// The fault for a failed access to device memory.
    pub(super) fn memory(error: MemoryError) -> Self {
        match error {
            MemoryError::OutOfBounds { address, size } => Self::OutOfBounds { space: "global", address, size },
            MemoryError::Misaligned { address, size } => Self::Misaligned { address, size },
        }
    }
}

/// What went wrong, in which thread, at which instruction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} in {function}, block {block}, thread {thread}")]
pub struct Fault {
    /// What.
    pub kind: FaultKind,
    /// The function the thread was in.
    pub function: String,
    /// `%ctaid`.
    pub block: Dim3,
    /// `%tid`.
    pub thread: Dim3,
    /// The instruction in the PTX text.
    pub span: Span,
    /// The source line, when the PTX says.
    pub line: Option<LineLoc>,
}
