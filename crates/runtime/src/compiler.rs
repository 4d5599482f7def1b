//! From a kernel's IR to loaded code: the compiler behind a trait, and the disk cache in front of it.

use crate::cache::{CacheKey, CodeCache};
use crate::error::Error;
use crate::exec::code::Code;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use vgpu_jit::{ObjectCode, Specialization, Target};
use vgpu_ptx::ir;

/// Makes machine code of kernels. The device's own is the JIT; tests bring others.
pub trait Compiler: Send + Sync {
    /// Compiles one kernel.
    ///
    /// # Errors
    /// Why it cannot be compiled, for a person to read.
    fn compile(
        &self,
        module: &ir::Module,
        kernel: ir::FuncId,
        specialization: &Specialization,
        target: &Target,
    ) -> Result<ObjectCode, String>;

    /// Part of the cache key: differs between compilers whose code differs.
    fn identity(&self) -> String;
}

/// How often kernels were compiled and found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompileCounts {
    /// Kernels compiled.
    pub compiled: u64,
    /// Kernels taken from the disk cache.
    pub cached: u64,
}

/// The compiler of a device with its cache.
pub(crate) struct CodeMaker {
    compiler: Arc<dyn Compiler>,
    target: Target,
    cache: Option<CodeCache>,
    compiled: AtomicU64,
    cached: AtomicU64,
}

impl fmt::Debug for CodeMaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodeMaker").field("target", &self.target).finish_non_exhaustive()
    }
}

impl CodeMaker {
    pub(crate) fn new(compiler: Arc<dyn Compiler>, target: Target, cache: Option<CodeCache>) -> Self {
        Self { compiler, target, cache, compiled: AtomicU64::new(0), cached: AtomicU64::new(0) }
    }

    pub(crate) const fn target(&self) -> &Target {
        &self.target
    }

    pub(crate) fn counts(&self) -> CompileCounts {
        CompileCounts { compiled: self.compiled.load(Ordering::Relaxed), cached: self.cached.load(Ordering::Relaxed) }
    }

    /// Loaded code of a kernel, from the cache or the compiler. `fingerprint` stands for the module's content.
    pub(crate) fn make(
        &self,
        module: &ir::Module,
        fingerprint: &[u8; 32],
        kernel: ir::FuncId,
        specialization: &Specialization,
    ) -> Result<Arc<Code>, Error> {
        let name = &module.functions[kernel].name;
        let key = CacheKey::new(fingerprint, name, specialization, &self.target, &self.compiler.identity());
        let found = self.cache.as_ref().and_then(|cache| Some((cache, cache.find(&key)?)));
        if let Some((cache, object)) = found {
            match Code::load(&object) {
                Ok(code) => {
                    self.cached.fetch_add(1, Ordering::Relaxed);
                    return Ok(Arc::new(code));
                }
                // Intact but not loadable: made by a defective version. Compile again.
                Err(_) => cache.discard(&key),
            }
        }
        let compile = || self.compiler.compile(module, kernel, specialization, &self.target);
        // A defect of the compiler must not take the process down: the caller can go on without this kernel.
        let object = std::panic::catch_unwind(std::panic::AssertUnwindSafe(compile))
            .map_err(|_| Error::Code {
                kernel: name.clone(),
                message: "the compiler failed, which is a defect of vgpu".to_owned(),
            })?
            .map_err(|message| Error::Compile { kernel: name.clone(), message })?;
        self.compiled.fetch_add(1, Ordering::Relaxed);
        let code = Code::load(&object).map_err(|message| Error::Code { kernel: name.clone(), message })?;
        if let Some(cache) = &self.cache {
            cache.store(&key, &object);
        }
        Ok(Arc::new(code))
    }
}
