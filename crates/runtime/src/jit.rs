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
        let _ = (module, kernel, specialization, target);
        Err("the compiler is not linked into this build".to_owned())
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }
}
