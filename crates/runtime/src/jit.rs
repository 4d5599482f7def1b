//! The device's compiler: `vgpu-jit`.

use crate::compiler::Compiler;
use crate::exec::os;
use vgpu_jit::{ObjectCode, Specialization, Target};
use vgpu_ptx::ir;

/// Compiles with `vgpu_jit`.
#[derive(Debug)]
pub(crate) struct JitCompiler {
    identity: String,
}

impl JitCompiler {
    pub(crate) fn new() -> Self {
        Self { identity: os::build_identity() }
    }
}

impl Compiler for JitCompiler {
    fn compile(
        &self,
        module: &ir::Module,
        kernel: ir::FuncId,
        specialization: &Specialization,
        target: &Target,
    ) -> Result<ObjectCode, String> {
        vgpu_jit::compile(module, kernel, specialization, target).map_err(|error| error.to_string())
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }
}
