//! Appending instructions. Integer and float operations work on scalars and vectors alike.

use super::value::c_name;
use super::{Context, Function, Label, Type, Value};
use llvm_sys::core::*;
use llvm_sys::prelude::*;
use llvm_sys::{LLVMAtomicOrdering, LLVMAtomicRMWBinOp, LLVMIntPredicate, LLVMOpcode, LLVMRealPredicate};

/// Two-operand integer instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are LLVM's instruction names")]
pub enum IntOp {
    Add,
    Sub,
    Mul,
    UDiv,
    SDiv,
    URem,
    SRem,
    And,
    Or,
    Xor,
    Shl,
    LShr,
    AShr,
}

/// Two-operand float instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are LLVM's instruction names")]
pub enum FloatOp {
    Add,
    Sub,
    Mul,
    Div,
}

/// Integer comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are LLVM's predicate names")]
pub enum IntPredicate {
    Eq,
    Ne,
    Ult,
    Ule,
    Ugt,
    Uge,
    Slt,
    Sle,
    Sgt,
    Sge,
}

/// Float comparisons: `O` false on NaN, `U` true on NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are LLVM's predicate names")]
pub enum FloatPredicate {
    Oeq,
    One,
    Olt,
    Ole,
    Ogt,
    Oge,
    Ord,
    Uno,
    Ueq,
    Une,
    Ult,
    Ule,
    Ugt,
    Uge,
}

/// Atomic read-modify-write operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are LLVM's operation names")]
pub enum RmwOp {
    Xchg,
    Add,
    And,
    Or,
    Xor,
    Max,
    Min,
    UMax,
    UMin,
}

/// Memory orderings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are the orderings' usual names")]
pub enum Ordering {
    Relaxed,
    Acquire,
    Release,
    AcqRel,
    SeqCst,
}

const fn ordering(order: Ordering) -> LLVMAtomicOrdering {
    match order {
        Ordering::Relaxed => LLVMAtomicOrdering::LLVMAtomicOrderingMonotonic,
        Ordering::Acquire => LLVMAtomicOrdering::LLVMAtomicOrderingAcquire,
        Ordering::Release => LLVMAtomicOrdering::LLVMAtomicOrderingRelease,
        Ordering::AcqRel => LLVMAtomicOrdering::LLVMAtomicOrderingAcquireRelease,
        Ordering::SeqCst => LLVMAtomicOrdering::LLVMAtomicOrderingSequentiallyConsistent,
    }
}

/// Appends instructions to one block at a time.
#[derive(Debug)]
pub struct Builder<'c> {
    raw: LLVMBuilderRef,
    context: &'c Context,
}

impl Drop for Builder<'_> {
    fn drop(&mut self) {
        // SAFETY: module rule 3; made in `new`, disposed once.
        unsafe { LLVMDisposeBuilder(self.raw) };
    }
}

const NO_NAME: *const std::ffi::c_char = c"".as_ptr();

impl<'c> Builder<'c> {
    /// A builder that stands nowhere yet.
    pub fn new(context: &'c Context) -> Self {
        // SAFETY: module rule 1.
        Self { raw: unsafe { LLVMCreateBuilderInContext(context.raw) }, context }
    }

    /// The context it builds in.
    pub const fn context(&self) -> &'c Context {
        self.context
    }

    /// Goes to the end of `block`.
    pub fn position(&self, block: Label<'c>) {
        // SAFETY: module rule 1.
        unsafe { LLVMPositionBuilderAtEnd(self.raw, block.0) };
    }

    /// The block it stands in.
    pub fn block(&self) -> Label<'c> {
        // SAFETY: module rule 1; the builder has been positioned.
        Label::wrap(unsafe { LLVMGetInsertBlock(self.raw) })
    }

    /// Two-operand integer instruction.
    pub fn int(&self, op: IntOp, a: Value<'c>, b: Value<'c>) -> Value<'c> {
        let opcode = match op {
            IntOp::Add => LLVMOpcode::LLVMAdd,
            IntOp::Sub => LLVMOpcode::LLVMSub,
            IntOp::Mul => LLVMOpcode::LLVMMul,
            IntOp::UDiv => LLVMOpcode::LLVMUDiv,
            IntOp::SDiv => LLVMOpcode::LLVMSDiv,
            IntOp::URem => LLVMOpcode::LLVMURem,
            IntOp::SRem => LLVMOpcode::LLVMSRem,
            IntOp::And => LLVMOpcode::LLVMAnd,
            IntOp::Or => LLVMOpcode::LLVMOr,
            IntOp::Xor => LLVMOpcode::LLVMXor,
            IntOp::Shl => LLVMOpcode::LLVMShl,
            IntOp::LShr => LLVMOpcode::LLVMLShr,
            IntOp::AShr => LLVMOpcode::LLVMAShr,
        };
        debug_assert_eq!(a.ty(), b.ty(), "operands of {op:?}");
        // SAFETY: module rules 1 and 4.
        Value::wrap(unsafe { LLVMBuildBinOp(self.raw, opcode, a.0, b.0, NO_NAME) })
    }

    /// `a + b`.
    pub fn add(&self, a: Value<'c>, b: Value<'c>) -> Value<'c> {
        self.int(IntOp::Add, a, b)
    }

    /// `a - b`.
    pub fn sub(&self, a: Value<'c>, b: Value<'c>) -> Value<'c> {
        self.int(IntOp::Sub, a, b)
    }

    /// `a * b`.
    pub fn mul(&self, a: Value<'c>, b: Value<'c>) -> Value<'c> {
        self.int(IntOp::Mul, a, b)
    }

    /// `a & b`.
    pub fn and(&self, a: Value<'c>, b: Value<'c>) -> Value<'c> {
        self.int(IntOp::And, a, b)
    }

    /// `a | b`.
    pub fn or(&self, a: Value<'c>, b: Value<'c>) -> Value<'c> {
        self.int(IntOp::Or, a, b)
    }

    /// `a ^ b`.
    pub fn xor(&self, a: Value<'c>, b: Value<'c>) -> Value<'c> {
        self.int(IntOp::Xor, a, b)
    }

    /// `~a`.
    pub fn not(&self, a: Value<'c>) -> Value<'c> {
        self.xor(a, a.ty().all_ones())
    }

    /// `-a`.
    pub fn neg(&self, a: Value<'c>) -> Value<'c> {
        self.sub(a.ty().zero(), a)
    }

    /// Two-operand float instruction, rounding to nearest.
    pub fn float(&self, op: FloatOp, a: Value<'c>, b: Value<'c>) -> Value<'c> {
        let opcode = match op {
            FloatOp::Add => LLVMOpcode::LLVMFAdd,
            FloatOp::Sub => LLVMOpcode::LLVMFSub,
            FloatOp::Mul => LLVMOpcode::LLVMFMul,
            FloatOp::Div => LLVMOpcode::LLVMFDiv,
        };
        debug_assert_eq!(a.ty(), b.ty(), "operands of f{op:?}");
        // SAFETY: module rules 1 and 4.
        Value::wrap(unsafe { LLVMBuildBinOp(self.raw, opcode, a.0, b.0, NO_NAME) })
    }

    /// `-a` (sign flip).
    pub fn fneg(&self, a: Value<'c>) -> Value<'c> {
        // SAFETY: module rules 1 and 4.
        Value::wrap(unsafe { LLVMBuildFNeg(self.raw, a.0, NO_NAME) })
    }

    /// Integer comparison.
    pub fn icmp(&self, predicate: IntPredicate, a: Value<'c>, b: Value<'c>) -> Value<'c> {
        let raw = match predicate {
            IntPredicate::Eq => LLVMIntPredicate::LLVMIntEQ,
            IntPredicate::Ne => LLVMIntPredicate::LLVMIntNE,
            IntPredicate::Ult => LLVMIntPredicate::LLVMIntULT,
            IntPredicate::Ule => LLVMIntPredicate::LLVMIntULE,
            IntPredicate::Ugt => LLVMIntPredicate::LLVMIntUGT,
            IntPredicate::Uge => LLVMIntPredicate::LLVMIntUGE,
            IntPredicate::Slt => LLVMIntPredicate::LLVMIntSLT,
            IntPredicate::Sle => LLVMIntPredicate::LLVMIntSLE,
            IntPredicate::Sgt => LLVMIntPredicate::LLVMIntSGT,
            IntPredicate::Sge => LLVMIntPredicate::LLVMIntSGE,
        };
        debug_assert_eq!(a.ty(), b.ty(), "operands of icmp {predicate:?}");
        // SAFETY: module rules 1 and 4.
        Value::wrap(unsafe { LLVMBuildICmp(self.raw, raw, a.0, b.0, NO_NAME) })
    }

    /// Float comparison.
    pub fn fcmp(&self, predicate: FloatPredicate, a: Value<'c>, b: Value<'c>) -> Value<'c> {
        let raw = match predicate {
            FloatPredicate::Oeq => LLVMRealPredicate::LLVMRealOEQ,
            FloatPredicate::One => LLVMRealPredicate::LLVMRealONE,
            FloatPredicate::Olt => LLVMRealPredicate::LLVMRealOLT,
            FloatPredicate::Ole => LLVMRealPredicate::LLVMRealOLE,
            FloatPredicate::Ogt => LLVMRealPredicate::LLVMRealOGT,
            FloatPredicate::Oge => LLVMRealPredicate::LLVMRealOGE,
            FloatPredicate::Ord => LLVMRealPredicate::LLVMRealORD,
            FloatPredicate::Uno => LLVMRealPredicate::LLVMRealUNO,
            FloatPredicate::Ueq => LLVMRealPredicate::LLVMRealUEQ,
            FloatPredicate::Une => LLVMRealPredicate::LLVMRealUNE,
            FloatPredicate::Ult => LLVMRealPredicate::LLVMRealULT,
            FloatPredicate::Ule => LLVMRealPredicate::LLVMRealULE,
            FloatPredicate::Ugt => LLVMRealPredicate::LLVMRealUGT,
            FloatPredicate::Uge => LLVMRealPredicate::LLVMRealUGE,
        };
        debug_assert_eq!(a.ty(), b.ty(), "operands of fcmp {predicate:?}");
        // SAFETY: module rules 1 and 4.
        Value::wrap(unsafe { LLVMBuildFCmp(self.raw, raw, a.0, b.0, NO_NAME) })
    }

    /// `condition ? a : b`, lane by lane for a vector condition.
    pub fn select(&self, condition: Value<'c>, a: Value<'c>, b: Value<'c>) -> Value<'c> {
        debug_assert_eq!(a.ty(), b.ty(), "operands of select");
        // SAFETY: module rules 1 and 4.
        Value::wrap(unsafe { LLVMBuildSelect(self.raw, condition.0, a.0, b.0, NO_NAME) })
    }

    fn cast(&self, opcode: LLVMOpcode, a: Value<'c>, scalar: Type<'c>) -> Value<'c> {
        let ty = a.ty().with_scalar(scalar);
        if ty == a.ty() {
            return a;
        }
        // SAFETY: module rules 1 and 4.
        Value::wrap(unsafe { LLVMBuildCast(self.raw, opcode, a.0, ty.0, NO_NAME) })
    }

    /// Zero-extends to `scalar` (in every lane); no-op when it is that type.
    pub fn zext(&self, a: Value<'c>, scalar: Type<'c>) -> Value<'c> {
        self.cast(LLVMOpcode::LLVMZExt, a, scalar)
    }

    /// Sign-extends.
    pub fn sext(&self, a: Value<'c>, scalar: Type<'c>) -> Value<'c> {
        self.cast(LLVMOpcode::LLVMSExt, a, scalar)
    }

    /// Truncates.
    pub fn trunc(&self, a: Value<'c>, scalar: Type<'c>) -> Value<'c> {
        self.cast(LLVMOpcode::LLVMTrunc, a, scalar)
    }

    /// Truncates or extends to `scalar`.
    pub fn resize(&self, a: Value<'c>, scalar: Type<'c>, signed: bool) -> Value<'c> {
        let (from, to) = (a.ty().scalar_bits(), scalar.scalar_bits());
        match (from.cmp(&to), signed) {
            (std::cmp::Ordering::Greater, _) => self.trunc(a, scalar),
            (std::cmp::Ordering::Less, true) => self.sext(a, scalar),
            (std::cmp::Ordering::Less, false) => self.zext(a, scalar),
            (std::cmp::Ordering::Equal, _) => a,
        }
    }

    /// Reinterprets each lane's bits as `scalar` of the same width.
    pub fn bitcast(&self, a: Value<'c>, scalar: Type<'c>) -> Value<'c> {
        self.cast(LLVMOpcode::LLVMBitCast, a, scalar)
    }

    /// Reinterprets the whole value as `ty` of the same total size.
    pub fn reinterpret(&self, a: Value<'c>, ty: Type<'c>) -> Value<'c> {
        if a.ty() == ty {
            return a;
        }
        // SAFETY: module rules 1 and 4.
        Value::wrap(unsafe { LLVMBuildBitCast(self.raw, a.0, ty.0, NO_NAME) })
    }

    /// Widens a float (exact).
    pub fn fpext(&self, a: Value<'c>, scalar: Type<'c>) -> Value<'c> {
        self.cast(LLVMOpcode::LLVMFPExt, a, scalar)
    }

    /// Narrows a float, to nearest even.
    pub fn fptrunc(&self, a: Value<'c>, scalar: Type<'c>) -> Value<'c> {
        self.cast(LLVMOpcode::LLVMFPTrunc, a, scalar)
    }

    /// Signed or unsigned integer to float, to nearest even.
    pub fn int_to_float(&self, a: Value<'c>, scalar: Type<'c>, signed: bool) -> Value<'c> {
        self.cast(if signed { LLVMOpcode::LLVMSIToFP } else { LLVMOpcode::LLVMUIToFP }, a, scalar)
    }

    /// Float to integer toward zero; poison when out of range.
    pub fn float_to_int(&self, a: Value<'c>, scalar: Type<'c>, signed: bool) -> Value<'c> {
        self.cast(if signed { LLVMOpcode::LLVMFPToSI } else { LLVMOpcode::LLVMFPToUI }, a, scalar)
    }

    /// 64-bit integer to pointer.
    pub fn int_to_ptr(&self, a: Value<'c>) -> Value<'c> {
        self.cast(LLVMOpcode::LLVMIntToPtr, a, self.context.ptr())
    }

    /// Pointer to 64-bit integer.
    pub fn ptr_to_int(&self, a: Value<'c>) -> Value<'c> {
        self.cast(LLVMOpcode::LLVMPtrToInt, a, self.context.int(64))
    }

    /// `pointer + offset` in bytes; either may be a vector.
    pub fn offset(&self, pointer: Value<'c>, offset: Value<'c>) -> Value<'c> {
        self.element(self.context.int(8), pointer, offset)
    }

    /// `pointer + index * size_of(ty)`; either may be a vector.
    pub fn element(&self, ty: Type<'c>, pointer: Value<'c>, index: Value<'c>) -> Value<'c> {
        let mut indices = [index.0];
        // SAFETY: module rules 1 and 4; plain (not inbounds) address arithmetic.
        Value::wrap(unsafe { LLVMBuildGEP2(self.raw, ty.0, pointer.0, indices.as_mut_ptr(), 1, NO_NAME) })
    }

    /// `pointer + bytes` for a constant.
    pub fn offset_by(&self, pointer: Value<'c>, bytes: i64) -> Value<'c> {
        if bytes == 0 { pointer } else { self.offset(pointer, self.context.int(64).constant(bytes as u64)) }
    }

    /// Loads; `align` in bytes.
    pub fn load(&self, ty: Type<'c>, pointer: Value<'c>, align: u32) -> Value<'c> {
        // SAFETY: module rules 1 and 4.
        unsafe {
            let load = LLVMBuildLoad2(self.raw, ty.0, pointer.0, NO_NAME);
            LLVMSetAlignment(load, align);
            Value::wrap(load)
        }
    }

    /// Loads something that never changes while the function runs.
    pub fn load_invariant(&self, ty: Type<'c>, pointer: Value<'c>, align: u32) -> Value<'c> {
        let load = self.load(ty, pointer, align);
        const NAME: &str = "invariant.load";
        // SAFETY: module rule 1; the metadata node is empty, as `!invariant.load` asks.
        unsafe {
            let kind = LLVMGetMDKindIDInContext(self.context.raw, NAME.as_ptr().cast(), NAME.len() as u32);
            let node = LLVMMDNodeInContext2(self.context.raw, std::ptr::null_mut(), 0);
            LLVMSetMetadata(load.0, kind, LLVMMetadataAsValue(self.context.raw, node));
        }
        load
    }

    /// Stores; `align` in bytes.
    pub fn store(&self, value: Value<'c>, pointer: Value<'c>, align: u32) -> Value<'c> {
        // SAFETY: module rules 1 and 4.
        unsafe {
            let store = LLVMBuildStore(self.raw, value.0, pointer.0);
            LLVMSetAlignment(store, align);
            Value::wrap(store)
        }
    }

    /// Marks a load or store as volatile.
    pub fn set_volatile(&self, access: Value<'c>) {
        // SAFETY: module rule 1; callers pass loads and stores.
        unsafe { LLVMSetVolatile(access.0, 1) };
    }

    /// Makes a scalar load or store atomic.
    pub fn set_atomic(&self, access: Value<'c>, order: Ordering) {
        // SAFETY: module rule 1; callers pass scalar loads and stores.
        unsafe { LLVMSetOrdering(access.0, ordering(order)) };
    }

    /// Atomic read-modify-write on a scalar integer; gives the old value.
    pub fn atomic_rmw(&self, op: RmwOp, pointer: Value<'c>, value: Value<'c>, order: Ordering) -> Value<'c> {
        let op = match op {
            RmwOp::Xchg => LLVMAtomicRMWBinOp::LLVMAtomicRMWBinOpXchg,
            RmwOp::Add => LLVMAtomicRMWBinOp::LLVMAtomicRMWBinOpAdd,
            RmwOp::And => LLVMAtomicRMWBinOp::LLVMAtomicRMWBinOpAnd,
            RmwOp::Or => LLVMAtomicRMWBinOp::LLVMAtomicRMWBinOpOr,
            RmwOp::Xor => LLVMAtomicRMWBinOp::LLVMAtomicRMWBinOpXor,
            RmwOp::Max => LLVMAtomicRMWBinOp::LLVMAtomicRMWBinOpMax,
            RmwOp::Min => LLVMAtomicRMWBinOp::LLVMAtomicRMWBinOpMin,
            RmwOp::UMax => LLVMAtomicRMWBinOp::LLVMAtomicRMWBinOpUMax,
            RmwOp::UMin => LLVMAtomicRMWBinOp::LLVMAtomicRMWBinOpUMin,
        };
        // SAFETY: module rules 1 and 4.
        Value::wrap(unsafe { LLVMBuildAtomicRMW(self.raw, op, pointer.0, value.0, ordering(order), 0) })
    }

    /// Compare and exchange on a scalar integer; gives the old value and whether it was exchanged.
    pub fn compare_exchange(
        &self,
        pointer: Value<'c>,
        expected: Value<'c>,
        new: Value<'c>,
        order: Ordering,
    ) -> (Value<'c>, Value<'c>) {
        let failure = match order {
            Ordering::Release => Ordering::Relaxed,
            Ordering::AcqRel => Ordering::Acquire,
            other => other,
        };
        // SAFETY: module rules 1 and 4; the result is a pair.
        unsafe {
            let (success, failure) = (ordering(order), ordering(failure));
            let pair = LLVMBuildAtomicCmpXchg(self.raw, pointer.0, expected.0, new.0, success, failure, 0);
            (
                Value::wrap(LLVMBuildExtractValue(self.raw, pair, 0, NO_NAME)),
                Value::wrap(LLVMBuildExtractValue(self.raw, pair, 1, NO_NAME)),
            )
        }
    }

    /// A fence between threads.
    pub fn fence(&self, order: Ordering) {
        // SAFETY: module rule 1.
        unsafe { LLVMBuildFence(self.raw, ordering(order), 0, NO_NAME) };
    }

    /// Lane `lane` of a vector (a constant or a 32-bit value).
    pub fn extract(&self, vector: Value<'c>, lane: Value<'c>) -> Value<'c> {
        // SAFETY: module rules 1 and 4.
        Value::wrap(unsafe { LLVMBuildExtractElement(self.raw, vector.0, lane.0, NO_NAME) })
    }

    /// Constant lane of a vector.
    pub fn extract_lane(&self, vector: Value<'c>, lane: u32) -> Value<'c> {
        self.extract(vector, self.context.int(32).constant(u64::from(lane)))
    }

    /// The vector with `lane` replaced.
    pub fn insert(&self, vector: Value<'c>, item: Value<'c>, lane: Value<'c>) -> Value<'c> {
        // SAFETY: module rules 1 and 4.
        Value::wrap(unsafe { LLVMBuildInsertElement(self.raw, vector.0, item.0, lane.0, NO_NAME) })
    }

    /// The vector with a constant lane replaced.
    pub fn insert_lane(&self, vector: Value<'c>, item: Value<'c>, lane: u32) -> Value<'c> {
        self.insert(vector, item, self.context.int(32).constant(u64::from(lane)))
    }

    /// The scalar in each of `lanes` lanes.
    pub fn splat(&self, scalar: Value<'c>, lanes: u32) -> Value<'c> {
        let vector = scalar.ty().vector(lanes);
        let first = self.insert_lane(vector.poison(), scalar, 0);
        let zeros = self.context.int(32).vector(lanes).zero();
        // SAFETY: module rules 1 and 4; the mask is a constant.
        Value::wrap(unsafe { LLVMBuildShuffleVector(self.raw, first.0, vector.poison().0, zeros.0, NO_NAME) })
    }

    /// Lanes of `a` (0..n) and `b` (n..2n) in the order of `lanes`.
    pub fn shuffle(&self, a: Value<'c>, b: Value<'c>, lanes: impl IntoIterator<Item = u32>) -> Value<'c> {
        let mask = self.context.int(32).constant_vector(lanes.into_iter().map(i64::from));
        // SAFETY: module rules 1 and 4; the mask is a constant.
        Value::wrap(unsafe { LLVMBuildShuffleVector(self.raw, a.0, b.0, mask.0, NO_NAME) })
    }

    /// Lanes of one vector in the order of `lanes`.
    pub fn permute(&self, a: Value<'c>, lanes: impl IntoIterator<Item = u32>) -> Value<'c> {
        self.shuffle(a, a.ty().poison(), lanes)
    }

    /// Memory for one value of `ty` on the machine stack; call only while standing in the function's first block.
    pub fn alloca(&self, ty: Type<'c>, name: &str) -> Value<'c> {
        let name = c_name(name);
        // SAFETY: module rule 1.
        Value::wrap(unsafe { LLVMBuildAlloca(self.raw, ty.0, name.as_ptr()) })
    }

    /// Memory of `bytes` bytes, aligned to 64, on the machine stack; call only while standing in the function's first block.
    pub fn alloca_bytes(&self, bytes: u32, name: &str) -> Value<'c> {
        let name = c_name(name);
        // SAFETY: module rule 1.
        unsafe {
            let ty = LLVMArrayType2(self.context.int(8).0, u64::from(bytes));
            let memory = LLVMBuildAlloca(self.raw, ty, name.as_ptr());
            LLVMSetAlignment(memory, 64);
            Value::wrap(memory)
        }
    }

    /// Calls an intrinsic by its full name without type suffix, such as `llvm.fma`, overloaded on `overloads`.
    pub fn intrinsic(&self, name: &str, overloads: &[Type<'c>], arguments: &[Value<'c>]) -> Value<'c> {
        let mut types: Vec<_> = overloads.iter().map(|ty| ty.0).collect();
        let mut args: Vec<_> = arguments.iter().map(|arg| arg.0).collect();
        // SAFETY: module rules 1 and 4; the names are those of LLVM 19's intrinsics (an unknown one has id 0 and is
        // caught here).
        unsafe {
            let id = LLVMLookupIntrinsicID(name.as_ptr().cast(), name.len());
            assert_ne!(id, 0, "{name} is an intrinsic of LLVM 19");
            let function = LLVMGetIntrinsicDeclaration(self.context.module, id, types.as_mut_ptr(), types.len());
            let ty = LLVMIntrinsicGetType(self.context.raw, id, types.as_mut_ptr(), types.len());
            Value::wrap(LLVMBuildCall2(self.raw, ty, function, args.as_mut_ptr(), args.len() as u32, NO_NAME))
        }
    }

    /// Calls an intrinsic that knows of rounding modes, inside a `strictfp` function; `modes` are its trailing metadata
    /// operands.
    pub fn strict_intrinsic(
        &self,
        name: &str,
        overloads: &[Type<'c>],
        arguments: &[Value<'c>],
        modes: &[&str],
    ) -> Value<'c> {
        const FLAG: &str = "strictfp";
        let mut arguments = arguments.to_vec();
        // SAFETY: module rule 1; strings are copied, and the call that gets the attribute was just made.
        unsafe {
            arguments.extend(modes.iter().map(|mode| {
                let text = LLVMMDStringInContext2(self.context.raw, mode.as_ptr().cast(), mode.len());
                Value::wrap(LLVMMetadataAsValue(self.context.raw, text))
            }));
            let call = self.intrinsic(name, overloads, &arguments);
            let kind = LLVMGetEnumAttributeKindForName(FLAG.as_ptr().cast(), FLAG.len());
            let attribute = LLVMCreateEnumAttribute(self.context.raw, kind, 0);
            LLVMAddCallSiteAttribute(call.0, llvm_sys::LLVMAttributeFunctionIndex, attribute);
            call
        }
    }

    /// Calls a function of the module.
    pub fn call(&self, function: Function<'c>, arguments: &[Value<'c>]) -> Value<'c> {
        self.call_pointer(function.function_type(), function.as_value(), arguments)
    }

    /// Calls through a pointer.
    pub fn call_pointer(&self, ty: Type<'c>, callee: Value<'c>, arguments: &[Value<'c>]) -> Value<'c> {
        let mut args: Vec<_> = arguments.iter().map(|arg| arg.0).collect();
        // SAFETY: module rules 1 and 4.
        Value::wrap(unsafe { LLVMBuildCall2(self.raw, ty.0, callee.0, args.as_mut_ptr(), args.len() as u32, NO_NAME) })
    }

    /// An empty phi of type `ty`.
    pub fn phi(&self, ty: Type<'c>) -> Value<'c> {
        // SAFETY: module rule 1.
        Value::wrap(unsafe { LLVMBuildPhi(self.raw, ty.0, NO_NAME) })
    }

    /// Adds an incoming value to a phi.
    pub fn add_incoming(&self, phi: Value<'c>, value: Value<'c>, from: Label<'c>) {
        let (mut value, mut block) = (value.0, from.0);
        // SAFETY: module rules 1 and 4; callers pass phis.
        unsafe { LLVMAddIncoming(phi.0, &mut value, &mut block, 1) };
    }

    /// Ends the block with a jump.
    pub fn branch(&self, target: Label<'c>) {
        // SAFETY: module rule 1.
        unsafe { LLVMBuildBr(self.raw, target.0) };
    }

    /// Ends the block with a conditional jump.
    pub fn cond_branch(&self, condition: Value<'c>, then: Label<'c>, otherwise: Label<'c>) {
        // SAFETY: module rules 1 and 4.
        unsafe { LLVMBuildCondBr(self.raw, condition.0, then.0, otherwise.0) };
    }

    /// Ends the block with a jump that is nearly always taken to `then`.
    pub fn likely_branch(&self, condition: Value<'c>, then: Label<'c>, otherwise: Label<'c>) {
        const KIND: &str = "prof";
        // SAFETY: module rules 1 and 4; the node is `!{!"branch_weights", i32 2000, i32 1}`.
        unsafe {
            let branch = LLVMBuildCondBr(self.raw, condition.0, then.0, otherwise.0);
            let kind = LLVMGetMDKindIDInContext(self.context.raw, KIND.as_ptr().cast(), KIND.len() as u32);
            let weight = |n| LLVMValueAsMetadata(self.context.int(32).constant(n).0);
            let mut parts = [
                LLVMMDStringInContext2(self.context.raw, c"branch_weights".as_ptr(), "branch_weights".len()),
                weight(2000),
                weight(1),
            ];
            let node = LLVMMDNodeInContext2(self.context.raw, parts.as_mut_ptr(), parts.len());
            LLVMSetMetadata(branch, kind, LLVMMetadataAsValue(self.context.raw, node));
        }
    }

    /// Ends the block with a jump by number.
    pub fn switch(&self, value: Value<'c>, default: Label<'c>, cases: &[(u64, Label<'c>)]) {
        // SAFETY: module rules 1 and 4.
        unsafe {
            let switch = LLVMBuildSwitch(self.raw, value.0, default.0, cases.len() as u32);
            for (case, target) in cases {
                LLVMAddCase(switch, value.ty().constant(*case).0, target.0);
            }
        }
    }

    /// Ends the block by returning a value.
    pub fn ret(&self, value: Value<'c>) {
        // SAFETY: module rules 1 and 4.
        unsafe { LLVMBuildRet(self.raw, value.0) };
    }

    /// Ends the block by returning nothing.
    pub fn ret_void(&self) {
        // SAFETY: module rule 1.
        unsafe { LLVMBuildRetVoid(self.raw) };
    }

    /// Ends a block that is never reached.
    pub fn unreachable(&self) {
        // SAFETY: module rule 1.
        unsafe { LLVMBuildUnreachable(self.raw) };
    }
}
