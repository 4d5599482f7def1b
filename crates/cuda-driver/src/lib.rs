//! `libcuda.so.1`: every name of the CUDA driver API, as a jump into the process's engine.
//!
//! Model. Each exported function jumps through its slot of a table. At first every slot leads to code that keeps the
//! arguments, asks [`engine`] for the function's address, stores it in the slot and goes on there. So a call costs one indirect
//! jump, and loading this library costs nothing until the first call. All functions take their arguments as the engine's
//! functions do; no signature is repeated here.
//!
//! Rules of access:
//! 1. A slot holds the address of a function of the engine, of [`no_engine`], or of the code that fills the slot.
//! 2. Slots are words that are written whole; who reads an old value only looks up the address again.

mod engine;

use std::ffi::{CStr, c_int};
use std::sync::atomic::{AtomicUsize, Ordering};

/// `CUDA_ERROR_SYSTEM_NOT_READY`: what every call gives when there is no engine.
const NOT_READY: c_int = 802;

extern "C" fn no_engine() -> c_int {
    NOT_READY
}

/// Called by the first call of each function.
extern "C" fn fill(idx: usize) -> usize {
    let name = NAMES.get(idx).copied().unwrap_or(c"");
    let address = engine::find(name).unwrap_or(no_engine as *const () as usize);
    SLOTS[idx].store(address, Ordering::Release);
    address
}

/// Keeps the argument registers, fills slot `rax`, goes on at the function.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
unsafe extern "C" fn resolve() {
    std::arch::naked_asm!(
        "push rbp",
        "mov rbp, rsp",
        "push rdi",
        "push rsi",
        "push rdx",
        "push rcx",
        "push r8",
        "push r9",
        "sub rsp, 128",
        "and rsp, -16",
        "movups [rsp], xmm0",
        "movups [rsp + 16], xmm1",
        "movups [rsp + 32], xmm2",
        "movups [rsp + 48], xmm3",
        "movups [rsp + 64], xmm4",
        "movups [rsp + 80], xmm5",
        "movups [rsp + 96], xmm6",
        "movups [rsp + 112], xmm7",
        "mov rdi, rax",
        "call {fill}",
        "mov r11, rax",
        "movups xmm0, [rsp]",
        "movups xmm1, [rsp + 16]",
        "movups xmm2, [rsp + 32]",
        "movups xmm3, [rsp + 48]",
        "movups xmm4, [rsp + 64]",
        "movups xmm5, [rsp + 80]",
        "movups xmm6, [rsp + 96]",
        "movups xmm7, [rsp + 112]",
        "lea rsp, [rbp - 48]",
        "pop r9",
        "pop r8",
        "pop rcx",
        "pop rdx",
        "pop rsi",
        "pop rdi",
        "pop rbp",
        "jmp r11",
        fill = sym fill,
    )
}

/// Keeps the argument registers, fills slot `x16`, goes on at the function.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
unsafe extern "C" fn resolve() {
    std::arch::naked_asm!(
        "stp x29, x30, [sp, #-224]!",
        "mov x29, sp",
        "stp x0, x1, [sp, #16]",
        "stp x2, x3, [sp, #32]",
        "stp x4, x5, [sp, #48]",
        "stp x6, x7, [sp, #64]",
        "stp x8, x16, [sp, #80]",
        "stp q0, q1, [sp, #96]",
        "stp q2, q3, [sp, #128]",
        "stp q4, q5, [sp, #160]",
        "stp q6, q7, [sp, #192]",
        "mov x0, x16",
        "bl {fill}",
        "mov x17, x0",
        "ldp x0, x1, [sp, #16]",
        "ldp x2, x3, [sp, #32]",
        "ldp x4, x5, [sp, #48]",
        "ldp x6, x7, [sp, #64]",
        "ldr x8, [sp, #80]",
        "ldp q0, q1, [sp, #96]",
        "ldp q2, q3, [sp, #128]",
        "ldp q4, q5, [sp, #160]",
        "ldp q6, q7, [sp, #192]",
        "ldp x29, x30, [sp], #224",
        "br x17",
        fill = sym fill,
    )
}

/// Defines the exported functions. An empty slot is 0: then the code goes to [`resolve`] with the slot's number.
macro_rules! jumps {
    ($($idx:literal $name:ident)*) => {
        const N_SLOTS: usize = [$($idx),*].len();
        static SLOTS: [AtomicUsize; N_SLOTS] = [const { AtomicUsize::new(0) }; N_SLOTS];

        $(
            #[doc = concat!("Jumps to the engine's `", stringify!($name), "`.")]
            ///
            /// # Safety
            /// As the CUDA documentation says of that function.
            #[allow(non_snake_case, reason = "the names are CUDA's")]
            #[cfg(target_arch = "x86_64")]
            #[unsafe(no_mangle)]
            #[unsafe(naked)]
            pub unsafe extern "C" fn $name() {
                std::arch::naked_asm!(
                    "mov r11, [rip + {slots} + 8 * {idx}]",
                    "test r11, r11",
                    "je 2f",
                    "jmp r11",
                    "2:",
                    "mov eax, {idx}",
                    "jmp {resolve}",
                    slots = sym SLOTS,
                    idx = const $idx,
                    resolve = sym resolve,
                )
            }

            #[doc = concat!("Jumps to the engine's `", stringify!($name), "`.")]
            ///
            /// # Safety
            /// As the CUDA documentation says of that function.
            #[allow(non_snake_case, reason = "the names are CUDA's")]
            #[cfg(target_arch = "aarch64")]
            #[unsafe(no_mangle)]
            #[unsafe(naked)]
            pub unsafe extern "C" fn $name() {
                std::arch::naked_asm!(
                    "adrp x17, {slots} + 8 * {idx}",
                    "ldr x17, [x17, :lo12:{slots} + 8 * {idx}]",
                    "cbz x17, 2f",
                    "br x17",
                    "2:",
                    "mov x16, #{idx}",
                    "b {resolve}",
                    slots = sym SLOTS,
                    idx = const $idx,
                    resolve = sym resolve,
                )
            }
        )*
    };
}

include!(concat!(env!("OUT_DIR"), "/jumps.rs"));
