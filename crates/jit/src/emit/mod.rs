//! From a [`Program`] to LLVM IR: one function that runs a block (straight kernels) or one program of it (resumable ones).
//!
//! Every program block may exist twice. The **full** copy runs when all lanes are active: no masks, uniform branches are
//! branches, and a divergent branch first asks whether the lanes happen to agree. The **masked** copy runs part of the
//! lanes: each block has a pending mask, and the pending block that comes first in schedule order runs next. Where all
//! lanes meet again, execution goes back to the full copy. Both share the variables ([`values::Slot`]) of values that
//! live across blocks; LLVM's `mem2reg` makes registers of them.
//!
//! * [`control`]: blocks, branches, masks; * [`values`]: variables and the parts of a value; * [`memory`], [`address`]: loads and
//!   stores; * [`neighbours`]: lanes that turn out to be neighbours; [`lines`]: whole cache lines; [`stride`]: lanes a small
//!   step apart; [`single`]: accesses that other threads see whole; * [`special`]: special registers and windows;
//! * [`suspend`]: barriers and frames; * [`call`]: device services; * [`exchange`]: operations between lanes and atomics;
//! * [`alignment`]: tests of addresses; [`gather`]: lanes that wait for their warp; * [`join`]: lanes of a warp that wait in different places;
//! * [`asynchronous`]: copies and `mbarrier` objects; [`choose`]: which of two programs runs a block.

mod address;
mod alignment;
mod asynchronous;
mod call;
pub(crate) mod choose;
mod control;
mod exchange;
mod gather;
mod join;
mod lines;
mod memory;
mod neighbours;
mod single;
mod special;
mod stride;
mod suspend;
mod values;

use crate::llvm::{Builder, Context, Function, Label, Type, Value};
use crate::middle::Program;
use crate::middle::advance::Advance;
use crate::middle::alignment::Alignment;
use crate::middle::divergence::{Addresses, Analysis};
use crate::middle::geometry::{Environment, Geometry};
use crate::middle::symbolic::Sym;
use crate::{JitError, Target};
use std::cell::Cell;
use std::collections::HashMap;
use values::Slot;
use vgpu_ptx::ir::{Reg, RegWidth};
use vgpu_types::{IndexVec, Span};

/// Name of the generated function.
pub(crate) const ENTRY_SYMBOL: &str = "vgpu_kernel";

/// Everything code generation is told.
pub(crate) struct Input<'i> {
    pub(crate) kernel_name: &'i str,
    pub(crate) program: &'i Program,
    pub(crate) analysis: &'i Analysis,
    /// How values move from block to block, where that is of use.
    pub(crate) advances: Option<IndexVec<Reg, Advance>>,
    /// Values live at the end of each block.
    pub(crate) live_out: &'i [crate::middle::bitset::BitSet],
    pub(crate) geometry: Geometry,
    pub(crate) addresses: &'i dyn Addresses,
    /// Which accesses are surely aligned.
    pub(crate) alignment: &'i Alignment,
    pub(crate) target: &'i Target,
    /// The kernel can suspend.
    pub(crate) resumable: bool,
    /// Where dynamic shared memory starts.
    pub(crate) shared_static_bytes: u32,
    /// This is one of two programs of the kernel. Frames of both lie equally far apart: a resumable one is told how far by a
    /// third argument, in bytes.
    pub(crate) is_one_of_two: bool,
}

/// Which copy of a block is being emitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Full,
    Masked,
}

/// Uniform facts that every block may read, loaded once at function entry.
struct Prologue<'c> {
    block_context: Value<'c>,
    launch: Value<'c>,
    params: Value<'c>,
    symbols: Value<'c>,
    shared: Value<'c>,
    local: Value<'c>,
    services: Value<'c>,
    environment: HashMap<Environment, Value<'c>>,
    /// Variable that holds the linear index of the program's first thread.
    first_thread: Value<'c>,
    /// Variable that holds the pointer to the program's frame (resumable kernels).
    frame: Value<'c>,
}

/// Labels of one program block.
#[derive(Clone, Copy)]
struct BlockLabels<'c> {
    full: Label<'c>,
    check: Label<'c>,
    body: Label<'c>,
}

/// Memory for the vectors that live across blocks in a kernel with very many blocks and values.
///
/// LLVM turns variables into registers by joining each of them in each block: work that grows with blocks times values. Beyond
/// [`Crowd::LIMIT`] of these the machine's registers would not hold the values anyway, and a kernel of some hundred
/// blocks would take a minute to compile. Kept in one piece of stack memory, nothing is joined.
struct Crowd<'c> {
    base: Value<'c>,
    next: Cell<u32>,
}

impl Crowd<'_> {
    /// Blocks times vector values from which on values are kept in memory.
    const LIMIT: usize = 16_384;
}

/// State of code generation.
struct Emitter<'c, 'i> {
    input: &'i Input<'i>,
    context: &'c Context,
    b: Builder<'c>,
    function: Function<'c>,
    lanes: u32,
    prologue: Prologue<'c>,
    labels: Vec<BlockLabels<'c>>,
    /// Pending mask of each block (masked copy).
    pending: Vec<Value<'c>>,
    /// Lanes that wait at the suspension that ends each partial block.
    waiting: HashMap<usize, Value<'c>>,
    /// Lanes that are held before the operation that begins a block.
    gathering: HashMap<usize, Value<'c>>,
    /// Number of threads of the program that have ended.
    exited: Value<'c>,
    /// Which threads have ended, or never were: kept where lanes are held for others.
    gone: Option<Value<'c>>,
    slots: IndexVec<Reg, Option<Slot<'c>>>,
    /// Values known in the block being emitted.
    known: HashMap<Reg, Sym<Value<'c>>>,
    /// Whether values read from variables go to `known`: not where code splits into separate paths.
    remember_reads: bool,
    mode: Mode,
    /// Active lanes in the masked copy.
    mask: Option<Value<'c>>,
    /// The block being emitted.
    current: usize,
    /// Where a program's execution ends.
    program_end: Label<'c>,
    /// Where the masked copy finds no pending block.
    chain_end: Label<'c>,
    /// Where the masked copy lets other programs run and then goes on with what is pending; made on first use.
    yield_point: Option<Label<'c>>,
    /// What the program reports there, in kernels whose lanes wait apart; set back to [`crate::abi::Status::Yield`] by it.
    yield_status: Value<'c>,
    /// Blocks whose masked copy is reachable.
    masked: Vec<bool>,
    /// Function return with a status.
    status_return: Label<'c>,
    status: Value<'c>,
    /// Entry block, for variables.
    entry: Label<'c>,
    /// Where vectors that live across blocks are kept in memory, when there are too many of them for registers.
    crowd: Option<Crowd<'c>>,
    /// Continuation points: state number (from 1) is the index plus one.
    resume_points: Vec<Label<'c>>,
    frame_layout: suspend::FrameLayout,
    /// Place in the text of the instruction being emitted.
    span: Span,
}

impl<'c> Emitter<'c, '_> {
    fn int(&self, width: RegWidth) -> Type<'c> {
        self.context.int(width.bits())
    }

    fn vector_of(&self, scalar: Type<'c>) -> Type<'c> {
        scalar.vector(self.lanes)
    }

    fn mask_type(&self) -> Type<'c> {
        self.context.int(1).vector(self.lanes)
    }

    fn i32(&self, value: u32) -> Value<'c> {
        self.context.int(32).constant(u64::from(value))
    }

    fn i64(&self, value: i64) -> Value<'c> {
        self.context.int(64).constant(value as u64)
    }

    fn new_block(&self, name: &str) -> Label<'c> {
        self.function.append(self.context, name)
    }

    /// A mask as one integer with a bit per lane.
    fn mask_bits(&self, mask: Value<'c>) -> Value<'c> {
        self.b.reinterpret(mask, self.context.int(self.lanes))
    }

    fn any(&self, mask: Value<'c>) -> Value<'c> {
        let bits = self.mask_bits(mask);
        self.b.icmp(crate::llvm::IntPredicate::Ne, bits, bits.ty().zero())
    }

    fn all(&self, mask: Value<'c>) -> Value<'c> {
        let bits = self.mask_bits(mask);
        self.b.icmp(crate::llvm::IntPredicate::Eq, bits, bits.ty().all_ones())
    }

    /// Number of set lanes, 32 bits.
    fn count(&self, mask: Value<'c>) -> Value<'c> {
        let bits = self.mask_bits(mask);
        let count = self.b.intrinsic("llvm.ctpop", &[bits.ty()], &[bits]);
        self.b.resize(count, self.context.int(32), false)
    }

    fn unsupported(&self, what: impl Into<String>) -> JitError {
        JitError::Unsupported { kernel: self.input.kernel_name.to_owned(), what: what.into(), span: self.span }
    }

    /// A variable on the machine stack, made in the function's entry block.
    fn variable(&self, ty: Type<'c>, name: &str) -> Value<'c> {
        let here = self.b.block();
        self.b.position(self.entry);
        let variable = self.b.alloca(self.storage(ty), name);
        self.b.position(here);
        variable
    }

    /// A variable for a value that lives across blocks; call while standing in the entry block.
    fn lasting_variable(&self, ty: Type<'c>, name: &str) -> Value<'c> {
        match &self.crowd {
            Some(crowd) if ty.is_vector() => {
                let at = crowd.next.get();
                crowd.next.set(at + storage_bytes(self.storage(ty)));
                self.b.offset_by(crowd.base, i64::from(at))
            }
            _ => self.b.alloca(self.storage(ty), name),
        }
    }

    /// The type that a value has in its variable: in memory, masks are integers with a bit per lane.
    fn storage(&self, ty: Type<'c>) -> Type<'c> {
        if self.crowd.is_some() && ty == self.mask_type() { self.context.int(self.lanes) } else { ty }
    }

    fn load_variable(&self, ty: Type<'c>, variable: Value<'c>) -> Value<'c> {
        let storage = self.storage(ty);
        let value = self.b.load(storage, variable, natural_align(storage));
        if storage == ty { value } else { self.b.reinterpret(value, ty) }
    }

    fn store_variable(&self, value: Value<'c>, variable: Value<'c>) {
        let storage = self.storage(value.ty());
        let value = if storage == value.ty() { value } else { self.b.reinterpret(value, storage) };
        self.b.store(value, variable, natural_align(storage));
    }
}

/// Bytes that a variable takes in a [`Crowd`].
fn storage_bytes(ty: Type<'_>) -> u32 {
    (ty.scalar_bits() * ty.lanes().max(1)).div_ceil(8).next_multiple_of(natural_align(ty)).next_multiple_of(64)
}

/// Alignment of a variable: LLVM's own for scalars, up to 64 bytes for vectors.
fn natural_align(ty: Type<'_>) -> u32 {
    let bytes = (ty.scalar_bits() * ty.lanes().max(1)).div_ceil(8);
    bytes.next_power_of_two().clamp(1, if ty.is_vector() { 64 } else { 8 })
}

/// What is known of a function when it is emitted.
pub(crate) struct Emitted {
    /// Bytes of a program's frame.
    pub(crate) frame_bytes: u32,
    /// Vectors that live across blocks are kept in memory.
    pub(crate) crowded: bool,
}

/// Emits the whole function into `context`'s module.
pub(crate) fn emit(context: &Context, input: &Input<'_>) -> Result<Emitted, JitError> {
    control::emit_function(context, input, ENTRY_SYMBOL)
}

/// Emits both programs of a kernel with inner blocks, and the function that chooses between them.
pub(crate) fn emit_both(
    context: &Context,
    whole: &Input<'_>,
    inner: &Input<'_>,
    check: &choose::Check<'_>,
) -> Result<Emitted, JitError> {
    let [whole_name, inner_name] = ["vgpu_whole", "vgpu_inner"];
    let whole = control::emit_function(context, whole, whole_name)?;
    let inner = control::emit_function(context, inner, inner_name)?;
    let frame_bytes = whole.frame_bytes.max(inner.frame_bytes);
    choose::emit_function(context, check, ENTRY_SYMBOL, [inner_name, whole_name], frame_bytes)?;
    Ok(Emitted { frame_bytes, crowded: whole.crowded || inner.crowded })
}
