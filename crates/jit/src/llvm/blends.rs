//! Keeps bitwise logic apart from the masked selections that use it, round a defect of LLVM 19.
//!
//! For AVX-512, LLVM makes one `vpternlog` of a bitwise select (a `copysign`, or `(a & c) | (b & ~c)`), and merges a selection of
//! its result by a mask into the same instruction. Where one of its operands is also folded from memory, the two patterns
//! that rotate the operands have each other's truth table, and the instruction computes something else (tests/cases:
//! `ptx/select_of_copysign`). Nothing in the intermediate language is wrong with such code, so nothing there can be avoided
//! for good; an `llvm.arithmetic.fence` between logic and selection is what instruction selection does not look through.
//! The price is one instruction where the two would have been one.

use super::Context;
use llvm_sys::core::*;
use llvm_sys::prelude::*;
use llvm_sys::{LLVMOpcode, LLVMTypeKind};

impl Context {
    /// Puts a fence between bitwise logic and the vector selections that use it. Call after optimisation.
    pub fn part_blends_from_logic(&self) {
        // SAFETY: module rule 1: instructions are walked while nothing else changes the module, and what is inserted stands before
        // the instruction at hand.
        unsafe {
            let builder = LLVMCreateBuilderInContext(LLVMGetModuleContext(self.module));
            let mut function = LLVMGetFirstFunction(self.module);
            while !function.is_null() {
                let mut block = LLVMGetFirstBasicBlock(function);
                while !block.is_null() {
                    let mut inst = LLVMGetFirstInstruction(block);
                    while !inst.is_null() {
                        if LLVMGetInstructionOpcode(inst) == LLVMOpcode::LLVMSelect {
                            for arm in [1, 2] {
                                self.part(builder, inst, arm);
                            }
                        }
                        inst = LLVMGetNextInstruction(inst);
                    }
                    block = LLVMGetNextBasicBlock(block);
                }
                function = LLVMGetNextFunction(function);
            }
            LLVMDisposeBuilder(builder);
        }
    }

    /// Fences one arm of a selection if it is the result of bitwise logic.
    ///
    /// # Safety
    /// Module rule 1; `select` is a `select` instruction.
    unsafe fn part(&self, builder: LLVMBuilderRef, select: LLVMValueRef, arm: u32) {
        // SAFETY: the caller's promise; a vector of integers or floats has elements of a width.
        unsafe {
            let by_mask = LLVMGetTypeKind(LLVMTypeOf(LLVMGetOperand(select, 0))) == LLVMTypeKind::LLVMVectorTypeKind;
            let value = LLVMGetOperand(select, arm);
            let ty = LLVMTypeOf(value);
            if !by_mask || LLVMGetTypeKind(ty) != LLVMTypeKind::LLVMVectorTypeKind || !is_logic(value) {
                return;
            }
            let context = LLVMGetModuleContext(self.module);
            let bits = LLVMGetVectorSize(ty) * element_bits(LLVMGetElementType(ty));
            if !bits.is_multiple_of(32) || element_bits(LLVMGetElementType(ty)) == 1 || bits == 0 {
                // Masks themselves: their logic is not the one that goes wrong.
                return;
            }
            let floats = LLVMVectorType(LLVMFloatTypeInContext(context), bits / 32);
            let name = "llvm.arithmetic.fence";
            let id = LLVMLookupIntrinsicID(name.as_ptr().cast(), name.len());
            let mut overload = floats;
            let fence = LLVMGetIntrinsicDeclaration(self.module, id, &raw mut overload, 1);
            let fence_type = LLVMIntrinsicGetType(context, id, &raw mut overload, 1);
            LLVMPositionBuilderBefore(builder, select);
            let mut plain = LLVMBuildBitCast(builder, value, floats, c"".as_ptr());
            let fenced = LLVMBuildCall2(builder, fence_type, fence, &raw mut plain, 1, c"".as_ptr());
            LLVMSetOperand(select, arm, LLVMBuildBitCast(builder, fenced, ty, c"".as_ptr()));
        }
    }
}

/// Whether a value is the result of bitwise logic, seen through bit casts and the putting together of halves.
///
/// # Safety
/// `value` is a value of a live module.
unsafe fn is_logic(value: LLVMValueRef) -> bool {
    // SAFETY: the caller's promise; operands of live instructions are live values. Instructions that are no phis do not
    // use themselves, so the search ends.
    unsafe {
        if LLVMIsAInstruction(value).is_null() {
            return false;
        }
        match LLVMGetInstructionOpcode(value) {
            LLVMOpcode::LLVMBitCast => is_logic(LLVMGetOperand(value, 0)),
            LLVMOpcode::LLVMShuffleVector => is_logic(LLVMGetOperand(value, 0)) || is_logic(LLVMGetOperand(value, 1)),
            LLVMOpcode::LLVMAnd | LLVMOpcode::LLVMOr | LLVMOpcode::LLVMXor | LLVMOpcode::LLVMFNeg => true,
            LLVMOpcode::LLVMCall => {
                let mut len = 0;
                let name = LLVMGetValueName2(LLVMGetCalledValue(value), &raw mut len);
                let name = std::slice::from_raw_parts(name.cast::<u8>(), len);
                let logic: [&[u8]; 3] = [b"llvm.copysign.", b"llvm.fabs.", b"llvm.x86.avx512.pternlog"];
                logic.iter().any(|prefix| name.starts_with(prefix))
            }
            _ => false,
        }
    }
}

/// Bits of an integer or floating-point type; 0 for others.
///
/// # Safety
/// `ty` is a type of a live context.
unsafe fn element_bits(ty: LLVMTypeRef) -> u32 {
    // SAFETY: the caller's promise.
    unsafe {
        match LLVMGetTypeKind(ty) {
            LLVMTypeKind::LLVMIntegerTypeKind => LLVMGetIntTypeWidth(ty),
            LLVMTypeKind::LLVMHalfTypeKind | LLVMTypeKind::LLVMBFloatTypeKind => 16,
            LLVMTypeKind::LLVMFloatTypeKind => 32,
            LLVMTypeKind::LLVMDoubleTypeKind => 64,
            _ => 0,
        }
    }
}
