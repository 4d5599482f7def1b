//! What compilation takes and gives.

use vgpu_types::Dim3;

/// What a kernel is compiled for. Part of the cache key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Specialization {
    /// Block shape.
    pub block: Dim3,
    /// `gridDim * blockDim` is below 2^31 in each dimension, as in nearly every launch: index arithmetic is then known
    /// not to wrap.
    pub grid_in_i32: bool,
    /// Threads per program; `None` lets the compiler choose.
    pub lanes: Option<u32>,
    /// Test also addresses that are aligned when the kernel's arguments are: for launches whose arguments are not
    /// ([`KernelLayout::aligned_params`]), and which are all right unless such an access is reached.
    pub test_arguments: bool,
}

/// The value at a place of the parameter buffer has so many trailing zero bits at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ParamAlignment {
    /// Offset in the parameter buffer.
    pub offset: u32,
    /// 1 to 8: they are in the byte at `offset`.
    pub zeros: u32,
}

/// How the entry point is called; see [`crate::abi`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// `unsafe extern "C" fn(*mut BlockContext) -> u32`.
    Straight,
    /// `unsafe extern "C" fn(*mut BlockContext, u32) -> u32`.
    Resumable,
}

/// What a runtime must provide to run the code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelLayout {
    /// How to call it.
    pub entry: EntryKind,
    /// Threads per program.
    pub lanes: u32,
    /// Programs per block.
    pub programs: u32,
    /// Bytes of static shared memory; dynamic shared memory starts here (a multiple of 16).
    pub shared_static_bytes: u32,
    /// Bytes of local memory per thread (a multiple of 16): frame variables and call stack.
    pub local_bytes: u32,
    /// Bytes of frame per program (a multiple of 64); 0 for straight kernels.
    pub frame_bytes: u32,
    /// Size of the parameter buffer.
    pub param_bytes: u32,
    /// Uses atomics whose effect depends on the order of blocks: of floats, or with a result that is used (so that sums by
    /// compare-and-swap, locks and tickets count too). A deterministic launch then runs the blocks in order on one worker.
    pub ordered_atomics: bool,
    /// What the code relies on: with other arguments it would not notice misaligned accesses. Empty with
    /// [`Specialization::test_arguments`].
    pub aligned_params: Vec<ParamAlignment>,
}

/// Relocatable machine code of one kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectCode {
    /// An ELF relocatable object. Undefined symbols are C library functions only (`memcpy`, `memset`, `memmove`, and
    /// `fmaf`/`fma` on machines without FMA).
    pub elf: Vec<u8>,
    /// Name of the entry point in it.
    pub entry_symbol: String,
    /// What it needs.
    pub layout: KernelLayout,
}
