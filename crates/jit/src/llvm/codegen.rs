//! Verification, optimisation and machine code.

use super::Context;
use super::value::c_name;
use crate::Target;
use llvm_sys::analysis::{LLVMVerifierFailureAction, LLVMVerifyModule};
use llvm_sys::core::*;
use llvm_sys::error::{LLVMDisposeErrorMessage, LLVMGetErrorMessage};
use llvm_sys::support::LLVMParseCommandLineOptions;
use llvm_sys::target_machine::*;
use llvm_sys::transforms::pass_builder::*;
use std::ffi::{CStr, c_char};
use std::ptr::null_mut;
use std::sync::Once;

/// Machine-code output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// An ELF relocatable object.
    Object,
    /// Assembly text.
    Assembly,
}

/// LLVM refused; always a defect of this crate (or an LLVM without the target).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("LLVM: {0}")]
pub struct CodegenError(pub String);

static INITIALISE: Once = Once::new();

fn initialise() {
    INITIALISE.call_once(|| {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: registration functions of the linked LLVM, called once; so are its options, which are a valid array of
        // strings.
        unsafe {
            llvm_sys::target::LLVMInitializeX86TargetInfo();
            llvm_sys::target::LLVMInitializeX86Target();
            llvm_sys::target::LLVMInitializeX86TargetMC();
            llvm_sys::target::LLVMInitializeX86AsmPrinter();
            // Moves values between general and mask registers where that saves instructions. It changes nothing in code
            // like ours, but its time grows with the square of a large kernel's size.
            let arguments = [c"vgpu".as_ptr(), c"-disable-x86-domain-reassignment".as_ptr()];
            LLVMParseCommandLineOptions(arguments.len() as i32, arguments.as_ptr(), c"".as_ptr());
        }
        #[cfg(target_arch = "aarch64")]
        // SAFETY: registration functions of the linked LLVM, called once.
        unsafe {
            llvm_sys::target::LLVMInitializeAArch64TargetInfo();
            llvm_sys::target::LLVMInitializeAArch64Target();
            llvm_sys::target::LLVMInitializeAArch64TargetMC();
            llvm_sys::target::LLVMInitializeAArch64AsmPrinter();
        }
    });
}

/// Copies and frees a message that LLVM allocated.
///
/// # Safety
/// `raw` is null or a message of LLVM's that nobody else frees.
unsafe fn take_message(raw: *mut c_char) -> String {
    if raw.is_null() {
        return String::from("no message");
    }
    // SAFETY: a NUL-terminated string by this function's contract.
    unsafe {
        let text = CStr::from_ptr(raw).to_string_lossy().into_owned();
        LLVMDisposeMessage(raw);
        text
    }
}

/// A target machine that disposes of itself.
struct Machine(LLVMTargetMachineRef);

impl Drop for Machine {
    fn drop(&mut self) {
        // SAFETY: module rule 3.
        unsafe { LLVMDisposeTargetMachine(self.0) };
    }
}

impl Machine {
    fn new(target: &Target) -> Result<Self, CodegenError> {
        initialise();
        let features = c_name(&target.features);
        // SAFETY: module rule 1; strings outlive the calls; messages are taken once.
        unsafe {
            let triple = LLVMGetDefaultTargetTriple();
            let mut found = null_mut();
            let mut message = null_mut();
            let failed = LLVMGetTargetFromTriple(triple, &mut found, &mut message) != 0;
            let machine = if failed {
                Err(CodegenError(take_message(message)))
            } else {
                let cpu = if cfg!(target_arch = "x86_64") { c"x86-64" } else { c"generic" };
                Ok(Self(LLVMCreateTargetMachine(
                    found,
                    triple,
                    cpu.as_ptr(),
                    features.as_ptr(),
                    LLVMCodeGenOptLevel::LLVMCodeGenLevelDefault,
                    LLVMRelocMode::LLVMRelocPIC,
                    LLVMCodeModel::LLVMCodeModelSmall,
                )))
            };
            LLVMDisposeMessage(triple);
            machine
        }
    }
}

impl Context {
    /// Checks the module against LLVM's rules.
    ///
    /// # Errors
    /// What the verifier says.
    pub fn verify(&self) -> Result<(), CodegenError> {
        let mut message = null_mut();
        // SAFETY: module rule 1; the message is taken once.
        unsafe {
            let action = LLVMVerifierFailureAction::LLVMReturnStatusAction;
            let failed = LLVMVerifyModule(self.module, action, &mut message) != 0;
            let text = take_message(message);
            if failed { Err(CodegenError(text)) } else { Ok(()) }
        }
    }

    /// Runs a pass pipeline in LLVM's textual form.
    ///
    /// # Errors
    /// The pipeline does not parse or a pass fails.
    pub fn run_passes(&self, pipeline: &str, target: &Target) -> Result<(), CodegenError> {
        let machine = Machine::new(target)?;
        let passes = c_name(pipeline);
        // SAFETY: module rules 1 and 3; the options are disposed after the run.
        unsafe {
            self.set_layout(&machine);
            let options = LLVMCreatePassBuilderOptions();
            let error = LLVMRunPasses(self.module, passes.as_ptr(), machine.0, options);
            LLVMDisposePassBuilderOptions(options);
            if error.is_null() {
                return Ok(());
            }
            let raw = LLVMGetErrorMessage(error);
            let text = CStr::from_ptr(raw).to_string_lossy().into_owned();
            LLVMDisposeErrorMessage(raw);
            Err(CodegenError(text))
        }
    }

    /// Sets triple and data layout; passes and code generation need them.
    ///
    /// # Safety
    /// Module rule 1.
    unsafe fn set_layout(&self, machine: &Machine) {
        // SAFETY: module rule 1; the strings are freed after LLVM has copied them.
        unsafe {
            let layout = LLVMCreateTargetDataLayout(machine.0);
            llvm_sys::target::LLVMSetModuleDataLayout(self.module, layout);
            llvm_sys::target::LLVMDisposeTargetData(layout);
            let triple = LLVMGetTargetMachineTriple(machine.0);
            LLVMSetTarget(self.module, triple);
            LLVMDisposeMessage(triple);
        }
    }

    /// Machine code of the module.
    ///
    /// # Errors
    /// LLVM cannot make code for the target.
    pub fn generate(&self, level: Level, target: &Target) -> Result<Vec<u8>, CodegenError> {
        let machine = Machine::new(target)?;
        if target.isa == crate::Isa::Avx512 {
            self.part_blends_from_logic();
        }
        let kind = match level {
            Level::Object => LLVMCodeGenFileType::LLVMObjectFile,
            Level::Assembly => LLVMCodeGenFileType::LLVMAssemblyFile,
        };
        let mut message = null_mut();
        let mut buffer = null_mut();
        // SAFETY: module rules 1 and 3; the buffer is copied, then disposed.
        unsafe {
            self.set_layout(&machine);
            if LLVMTargetMachineEmitToMemoryBuffer(machine.0, self.module, kind, &mut message, &mut buffer) != 0 {
                return Err(CodegenError(take_message(message)));
            }
            let start = LLVMGetBufferStart(buffer).cast::<u8>();
            let bytes = std::slice::from_raw_parts(start, LLVMGetBufferSize(buffer)).to_vec();
            LLVMDisposeMemoryBuffer(buffer);
            Ok(bytes)
        }
    }
}
