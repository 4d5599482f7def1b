//! Modules with typed kernels.

use crate::Kernel;
use vgpu_ptx::ir;
use vgpu_runtime::{Context, DevicePtr, Error};

/// PTX made ready to launch. Clones are the same module; kernels keep it alive.
#[derive(Clone, Debug)]
pub struct Module {
    inner: vgpu_runtime::Module,
}

impl From<vgpu_runtime::Module> for Module {
    /// A module that was restored with its context ([`crate::Restored`]).
    fn from(inner: vgpu_runtime::Module) -> Self {
        Self { inner }
    }
}

impl Module {
    /// Loads PTX text.
    ///
    /// # Errors
    /// [`Error::Load`] with all diagnostics; [`Error::UndefinedVariable`]; [`Error::OutOfMemory`]; the sticky error.
    pub fn load(context: &Context, text: &str) -> Result<Self, Error> {
        Ok(Self { inner: vgpu_runtime::Module::load(context, text)? })
    }

    /// Takes a module in IR form.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn from_ir(context: &Context, module: ir::Module) -> Result<Self, Error> {
        Ok(Self { inner: vgpu_runtime::Module::from_ir(context, module)? })
    }

    /// The module's IR.
    pub fn ir(&self) -> &ir::Module {
        self.inner.ir()
    }

    /// Names of the kernels, in the text's order.
    pub fn kernel_names(&self) -> Vec<&str> {
        self.inner.kernel_names()
    }

    /// The kernel of that name.
    ///
    /// # Errors
    /// [`Error::UnknownKernel`].
    pub fn kernel(&self, name: &str) -> Result<Kernel, Error> {
        self.inner.kernel(name).map(Kernel::new)
    }

    /// Address and size in bytes of a `.global` or `.const` variable.
    ///
    /// # Errors
    /// [`Error::UnknownVariable`].
    pub fn variable(&self, name: &str) -> Result<(DevicePtr, u64), Error> {
        self.inner.variable(name)
    }
}
