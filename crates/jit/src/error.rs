//! What can go wrong in compilation, and whose fault it is.

use crate::llvm::CodegenError;
use vgpu_types::{Diagnostic, Span};

/// Compilation failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JitError {
    /// Input: the kernel uses something that cannot be compiled; where it stands.
    #[error("kernel {kernel} cannot be compiled: {what}")]
    Unsupported {
        /// Name of the kernel.
        kernel: String,
        /// What it uses.
        what: String,
        /// Where it stands in the PTX text.
        span: Span,
    },
    /// Limit: more registers, blocks or nested loops than any compiler emits.
    #[error("kernel {kernel} is too large: the limits are 4000000 registers, 400000 blocks and 200 nested loops")]
    TooLarge {
        /// Name of the kernel.
        kernel: String,
    },
    /// Caller: the function is not a kernel with code.
    #[error("{name} is not a kernel with code")]
    NotAKernel {
        /// Name of the function.
        name: String,
    },
    /// Caller: the block shape is outside the limits.
    #[error("block shape {shape} is outside the limits: 1 to 1024 threads")]
    BlockShape {
        /// The shape.
        shape: vgpu_types::Dim3,
    },
    /// Caller: no such dump stage.
    #[error("no stage named {name}; stages are {known}")]
    UnknownStage {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// Our bug: LLVM refused the code.
    #[error("internal error in the compiler: {0}")]
    Codegen(#[from] CodegenError),
}

impl JitError {
    /// The error as a diagnostic, when it is about a place in the text.
    pub fn diagnostic(&self) -> Option<Diagnostic> {
        match self {
            Self::Unsupported { span, .. } => Some(Diagnostic::error("unsupported", *span, self.to_string())),
            _ => None,
        }
    }
}
