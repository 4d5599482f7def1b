//! Contexts, types and values.

use llvm_sys::core::*;
use llvm_sys::prelude::*;
use std::ffi::CString;
use std::marker::PhantomData;

/// Owns one module and everything in it.
#[derive(Debug)]
pub struct Context {
    pub(super) raw: LLVMContextRef,
    pub(super) module: LLVMModuleRef,
}

/// A type of some context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Type<'c>(pub(super) LLVMTypeRef, PhantomData<&'c Context>);

/// A value of some context: constant, instruction, argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Value<'c>(pub(super) LLVMValueRef, PhantomData<&'c Context>);

/// A basic block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Label<'c>(pub(super) LLVMBasicBlockRef, PhantomData<&'c Context>);

/// A function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Function<'c>(pub(super) LLVMValueRef, PhantomData<&'c Context>);

impl<'c> Type<'c> {
    pub(super) const fn wrap(raw: LLVMTypeRef) -> Self {
        Self(raw, PhantomData)
    }
}

impl<'c> Label<'c> {
    pub(super) const fn wrap(raw: LLVMBasicBlockRef) -> Self {
        Self(raw, PhantomData)
    }
}

/// A C string for a name; names come from this crate and hold no NUL.
pub(super) fn c_name(name: &str) -> CString {
    CString::new(name.replace('\0', "_")).expect("NUL bytes were replaced")
}

impl Context {
    /// An empty module called `name`.
    pub fn new(name: &str) -> Self {
        let name = c_name(name);
        // SAFETY: rule 1; the context lives until `Drop`.
        unsafe {
            let raw = LLVMContextCreate();
            Self { raw, module: LLVMModuleCreateWithNameInContext(name.as_ptr(), raw) }
        }
    }

    /// The integer type of `bits` bits.
    pub fn int(&self, bits: u32) -> Type<'_> {
        // SAFETY: rule 1.
        Type::wrap(unsafe { LLVMIntTypeInContext(self.raw, bits) })
    }

    /// `half`.
    pub fn f16(&self) -> Type<'_> {
        // SAFETY: rule 1.
        Type::wrap(unsafe { LLVMHalfTypeInContext(self.raw) })
    }

    /// `float`.
    pub fn f32(&self) -> Type<'_> {
        // SAFETY: rule 1.
        Type::wrap(unsafe { LLVMFloatTypeInContext(self.raw) })
    }

    /// `double`.
    pub fn f64(&self) -> Type<'_> {
        // SAFETY: rule 1.
        Type::wrap(unsafe { LLVMDoubleTypeInContext(self.raw) })
    }

    /// `ptr`.
    pub fn ptr(&self) -> Type<'_> {
        // SAFETY: rule 1.
        Type::wrap(unsafe { LLVMPointerTypeInContext(self.raw, 0) })
    }

    /// `void`.
    pub fn void(&self) -> Type<'_> {
        // SAFETY: rule 1.
        Type::wrap(unsafe { LLVMVoidTypeInContext(self.raw) })
    }

    /// A function type.
    pub fn function_type<'c>(&'c self, result: Type<'c>, params: &[Type<'c>]) -> Type<'c> {
        let mut raw: Vec<_> = params.iter().map(|ty| ty.0).collect();
        // SAFETY: rule 1; LLVM copies the parameter list.
        Type::wrap(unsafe { LLVMFunctionType(result.0, raw.as_mut_ptr(), raw.len() as u32, 0) })
    }

    /// Adds a function.
    pub fn add_function<'c>(&'c self, name: &str, ty: Type<'c>) -> Function<'c> {
        let name = c_name(name);
        // SAFETY: rule 1.
        Function(unsafe { LLVMAddFunction(self.module, name.as_ptr(), ty.0) }, PhantomData)
    }

    /// The function of that name, when the module has it.
    pub fn function(&self, name: &str) -> Option<Function<'_>> {
        let name = c_name(name);
        // SAFETY: rule 1; a missing function is null.
        let raw = unsafe { LLVMGetNamedFunction(self.module, name.as_ptr()) };
        (!raw.is_null()).then_some(Function(raw, PhantomData))
    }

    /// Text of the module.
    pub fn print(&self) -> String {
        // SAFETY: rule 1; the message is copied, then freed as the API asks.
        unsafe {
            let raw = LLVMPrintModuleToString(self.module);
            let text = std::ffi::CStr::from_ptr(raw).to_string_lossy().into_owned();
            LLVMDisposeMessage(raw);
            text
        }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: rule 3: the module goes first; no handle outlives `self`.
        unsafe {
            LLVMDisposeModule(self.module);
            LLVMContextDispose(self.raw);
        }
    }
}

impl<'c> Type<'c> {
    /// A vector of `lanes` of this scalar type.
    pub fn vector(self, lanes: u32) -> Self {
        // SAFETY: rule 1.
        Self::wrap(unsafe { LLVMVectorType(self.0, lanes) })
    }

    /// True for a vector type.
    pub fn is_vector(self) -> bool {
        // SAFETY: rule 1.
        unsafe { LLVMGetTypeKind(self.0) == llvm_sys::LLVMTypeKind::LLVMVectorTypeKind }
    }

    /// Number of lanes; 0 for a scalar.
    pub fn lanes(self) -> u32 {
        // SAFETY: rule 1; the size is asked of vector types only.
        if self.is_vector() { unsafe { LLVMGetVectorSize(self.0) } } else { 0 }
    }

    /// The scalar type: the element of a vector, else itself.
    pub fn scalar(self) -> Self {
        // SAFETY: rule 1; the element type is asked of vector types only.
        if self.is_vector() { Self::wrap(unsafe { LLVMGetElementType(self.0) }) } else { self }
    }

    /// Width in bits of the scalar type; 64 for a pointer.
    pub fn scalar_bits(self) -> u32 {
        use llvm_sys::LLVMTypeKind::*;
        let scalar = self.scalar().0;
        // SAFETY: rule 1; the width is asked of integer types only.
        unsafe {
            match LLVMGetTypeKind(scalar) {
                LLVMIntegerTypeKind => LLVMGetIntTypeWidth(scalar),
                LLVMHalfTypeKind | LLVMBFloatTypeKind => 16,
                LLVMFloatTypeKind => 32,
                _ => 64,
            }
        }
    }

    /// `scalar` with this type's lane count (scalar when this is one).
    pub fn with_scalar(self, scalar: Self) -> Self {
        match self.lanes() {
            0 => scalar,
            lanes => scalar.vector(lanes),
        }
    }

    /// The constant 0, 0.0 or null, in every lane.
    pub fn zero(self) -> Value<'c> {
        // SAFETY: rule 1.
        Value::wrap(unsafe { LLVMConstNull(self.0) })
    }

    /// All bits set; integer types only.
    pub fn all_ones(self) -> Value<'c> {
        // SAFETY: rule 1.
        Value::wrap(unsafe { LLVMConstAllOnes(self.0) })
    }

    /// An unspecified value.
    pub fn poison(self) -> Value<'c> {
        // SAFETY: rule 1.
        Value::wrap(unsafe { LLVMGetPoison(self.0) })
    }

    /// An integer constant (low bits of `bits`), in every lane. Up to 64 bits wide; wider types are zero-extended.
    pub fn constant(self, bits: u64) -> Value<'c> {
        // SAFETY: rule 1.
        let scalar = Value::wrap(unsafe { LLVMConstInt(self.scalar().0, truncate(bits, self.scalar_bits()), 0) });
        scalar.splat_constant(self.lanes())
    }

    /// A floating-point constant, in every lane; exact where the type can hold it.
    pub fn float_constant(self, value: f64) -> Value<'c> {
        // SAFETY: rule 1.
        let scalar = Value::wrap(unsafe { LLVMConstReal(self.scalar().0, value) });
        scalar.splat_constant(self.lanes())
    }

    /// A constant vector: this is the scalar integer type.
    pub fn constant_vector(self, items: impl IntoIterator<Item = i64>) -> Value<'c> {
        let bits = self.scalar_bits();
        // SAFETY: rule 1; LLVM copies the list.
        unsafe {
            let mut raw: Vec<_> =
                items.into_iter().map(|item| LLVMConstInt(self.0, truncate(item as u64, bits), 0)).collect();
            Value::wrap(LLVMConstVector(raw.as_mut_ptr(), raw.len() as u32))
        }
    }
}

const fn truncate(bits: u64, width: u32) -> u64 {
    if width >= 64 { bits } else { bits & ((1 << width) - 1) }
}

impl<'c> Value<'c> {
    pub(super) const fn wrap(raw: LLVMValueRef) -> Self {
        Self(raw, PhantomData)
    }

    /// Its type.
    pub fn ty(self) -> Type<'c> {
        // SAFETY: rule 1.
        Type::wrap(unsafe { LLVMTypeOf(self.0) })
    }

    /// True for constants.
    pub fn is_constant(self) -> bool {
        // SAFETY: rule 1.
        unsafe { LLVMIsConstant(self.0) != 0 }
    }

    /// The value of a scalar integer constant of up to 64 bits, zero-extended.
    pub fn as_constant(self) -> Option<u64> {
        // SAFETY: rule 1; the value is asked of scalar integer constants of at most 64 bits only.
        unsafe {
            let raw = LLVMIsAConstantInt(self.0);
            (!raw.is_null() && !self.ty().is_vector() && self.ty().scalar_bits() <= 64)
                .then(|| LLVMConstIntGetZExtValue(raw))
        }
    }

    fn operands<const N: usize>(self) -> [Self; N] {
        // SAFETY: rule 1; callers have checked that it is an instruction with that many operands.
        std::array::from_fn(|idx| Self::wrap(unsafe { LLVMGetOperand(self.0, idx as u32) }))
    }

    fn is_instruction(self, opcode: llvm_sys::LLVMOpcode) -> bool {
        // SAFETY: rule 1; the opcode is asked of instructions only.
        unsafe { !LLVMIsAInstruction(self.0).is_null() && LLVMGetInstructionOpcode(self.0) == opcode }
    }

    /// Condition and both values of a `select` instruction.
    pub fn as_select(self) -> Option<[Self; 3]> {
        self.is_instruction(llvm_sys::LLVMOpcode::LLVMSelect).then(|| self.operands())
    }

    /// Operands of an `icmp eq` instruction.
    pub fn as_equality(self) -> Option<[Self; 2]> {
        // SAFETY: rule 1; the predicate is asked of comparisons only.
        let is_equality = self.is_instruction(llvm_sys::LLVMOpcode::LLVMICmp)
            && unsafe { LLVMGetICmpPredicate(self.0) } == llvm_sys::LLVMIntPredicate::LLVMIntEQ;
        is_equality.then(|| self.operands())
    }

    /// Operands of an `and` instruction.
    pub fn as_and(self) -> Option<[Self; 2]> {
        self.is_instruction(llvm_sys::LLVMOpcode::LLVMAnd).then(|| self.operands())
    }

    /// The value of an integer constant that is the same in every lane (or scalar), zero-extended from at most 64 bits.
    pub fn constant_bits(self) -> Option<u64> {
        if !self.ty().is_vector() {
            return self.as_constant();
        }
        if !self.is_constant() {
            return None;
        }
        // SAFETY: rule 1; elements are asked of constant vectors within their length, and null is no constant.
        let lane = |idx| unsafe {
            let raw = LLVMGetAggregateElement(self.0, idx);
            if raw.is_null() { None } else { Self::wrap(raw).as_constant() }
        };
        let first = lane(0)?;
        (1..self.ty().lanes()).all(|idx| lane(idx) == Some(first)).then_some(first)
    }

    fn splat_constant(self, lanes: u32) -> Self {
        if lanes == 0 {
            return self;
        }
        // SAFETY: rule 1; LLVM copies the list.
        unsafe {
            let mut raw = vec![self.0; lanes as usize];
            Self::wrap(LLVMConstVector(raw.as_mut_ptr(), lanes))
        }
    }
}

impl<'c> Function<'c> {
    /// The argument at `idx`.
    pub fn argument(self, idx: u32) -> Value<'c> {
        // SAFETY: rule 1; callers name arguments that the function type has.
        Value::wrap(unsafe { LLVMGetParam(self.0, idx) })
    }

    /// The function as a callee.
    pub const fn as_value(self) -> Value<'c> {
        Value::wrap(self.0)
    }

    /// Its function type.
    pub fn function_type(self) -> Type<'c> {
        // SAFETY: rule 1.
        Type::wrap(unsafe { LLVMGlobalGetValueType(self.0) })
    }

    /// Gives it a string attribute such as `"target-features"`.
    pub fn add_attribute(self, context: &'c Context, key: &str, value: &str) {
        // SAFETY: rule 1; lengths are those of the strings.
        unsafe {
            let attribute = LLVMCreateStringAttribute(
                context.raw,
                key.as_ptr().cast(),
                key.len() as u32,
                value.as_ptr().cast(),
                value.len() as u32,
            );
            LLVMAddAttributeAtIndex(self.0, llvm_sys::LLVMAttributeFunctionIndex, attribute);
        }
    }

    /// Gives it (or, with `argument`, one of its arguments) an attribute without value, such as `nounwind`.
    pub fn add_flag(self, context: &'c Context, name: &str, argument: Option<u32>) {
        let index = argument.map_or(llvm_sys::LLVMAttributeFunctionIndex, |idx| idx + 1);
        // SAFETY: rule 1; an unknown name gives kind 0, which is not added.
        unsafe {
            let kind = LLVMGetEnumAttributeKindForName(name.as_ptr().cast(), name.len());
            if kind != 0 {
                LLVMAddAttributeAtIndex(self.0, index, LLVMCreateEnumAttribute(context.raw, kind, 0));
            }
        }
    }

    /// Makes it internal and always inlined.
    pub fn make_internal(self) {
        // SAFETY: rule 1.
        unsafe { LLVMSetLinkage(self.0, llvm_sys::LLVMLinkage::LLVMInternalLinkage) };
    }

    /// Appends a block.
    pub fn append(self, context: &'c Context, name: &str) -> Label<'c> {
        let name = c_name(name);
        // SAFETY: rule 1.
        Label(unsafe { LLVMAppendBasicBlockInContext(context.raw, self.0, name.as_ptr()) }, PhantomData)
    }
}
