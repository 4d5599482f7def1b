//! Modules, libraries and the functions in them.
//!
//! Model. A module belongs to a context. A library belongs to none: in each context that uses it, it is loaded as a module at
//! its first use. A function handle is a kernel of a module or of a library; launches take both.

use crate::context::{self, Context};
use crate::driver::lock;
use crate::handle::{Kind, Table};
use crate::status::{Result, Status};
use std::collections::HashMap;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use vgpu_runtime::Kernel;

pub(crate) static MODULES: Table<Module> = Table::new(Kind::Module);
pub(crate) static LIBRARIES: Table<Library> = Table::new(Kind::Library);
pub(crate) static FUNCTIONS: Table<Function> = Table::new(Kind::Function);

/// Shared memory of a block unless the function was set to take more.
pub(crate) const DEFAULT_SHARED_BYTES: u32 = 48 << 10;

/// A module in a context.
pub(crate) struct Module {
    pub(crate) handle: u64,
    pub(crate) runtime: vgpu_runtime::Module,
    pub(crate) context_id: u64,
    functions: Mutex<HashMap<String, u64>>,
}

/// A library: PTX texts, loaded per context.
pub(crate) struct Library {
    pub(crate) handle: u64,
    texts: Vec<String>,
    modules: Mutex<Vec<(u64, vgpu_runtime::Module)>>,
    kernels: Mutex<HashMap<String, u64>>,
    /// Module handles that were asked for, by context.
    handles: Mutex<Vec<(u64, u64)>>,
}

enum Source {
    Module { kernel: Kernel, module: u64, context_id: u64 },
    Library { library: Weak<Library>, kernels: Mutex<Vec<(u64, Kernel)>> },
}

/// A function or kernel handle's object.
pub(crate) struct Function {
    /// With a zero byte at its end.
    pub(crate) name_z: String,
    source: Source,
    pub(crate) handle: u64,
    /// Largest dynamic shared memory; `u32::MAX` until it is set.
    pub(crate) max_dynamic_shared: AtomicU32,
    pub(crate) carveout: AtomicI32,
}

impl Function {
    fn new(handle: u64, name: &str, source: Source) -> Arc<Self> {
        Arc::new(Self {
            name_z: format!("{name}\0"),
            source,
            handle,
            max_dynamic_shared: AtomicU32::new(u32::MAX),
            carveout: AtomicI32::new(-1),
        })
    }

    pub(crate) fn name(&self) -> &str {
        self.name_z.trim_end_matches('\0')
    }

    /// The kernel in a context.
    pub(crate) fn kernel(&self, context: &Arc<Context>) -> Result<Kernel> {
        match &self.source {
            Source::Module { kernel, context_id, .. } => {
                if *context_id == context.id {
                    Ok(kernel.clone())
                } else {
                    Err(Status::INVALID_HANDLE)
                }
            }
            Source::Library { library, kernels } => {
                let mut kernels = lock(kernels);
                if let Some((_, kernel)) = kernels.iter().find(|(id, _)| *id == context.id) {
                    return Ok(kernel.clone());
                }
                let library = library.upgrade().ok_or(Status::INVALID_HANDLE)?;
                let kernel = library.module(context)?.kernel(self.name())?;
                kernels.push((context.id, kernel.clone()));
                Ok(kernel)
            }
        }
    }

    /// The kernel wherever it is loaded; a library's in the current context.
    pub(crate) fn any_kernel(&self) -> Result<Kernel> {
        match &self.source {
            Source::Module { kernel, .. } => Ok(kernel.clone()),
            Source::Library { .. } => self.kernel(&context::current()?),
        }
    }

    /// Handle of its module; `None` for a library's kernel.
    pub(crate) fn module(&self) -> Option<u64> {
        match &self.source {
            Source::Module { module, .. } => Some(*module),
            Source::Library { .. } => None,
        }
    }

    /// Handle of its library.
    pub(crate) fn library(&self) -> Option<u64> {
        match &self.source {
            Source::Module { .. } => None,
            Source::Library { library, .. } => library.upgrade().map(|library| library.handle),
        }
    }

    /// Dynamic shared memory that a launch may ask for.
    pub(crate) fn dynamic_limit(&self, kernel: &Kernel) -> u32 {
        match self.max_dynamic_shared.load(Ordering::Relaxed) {
            u32::MAX => DEFAULT_SHARED_BYTES.saturating_sub(kernel.named_shared_bytes()),
            limit => limit,
        }
    }
}

/// Loads PTX texts as one module of the current context.
pub(crate) fn load(context: &Arc<Context>, texts: &[String]) -> std::result::Result<u64, LoadError> {
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let runtime = vgpu_runtime::Module::load_linked(&context.runtime, &texts).map_err(LoadError::Runtime)?;
    MODULES.insert_with(|handle| Module::new(handle, runtime, context)).map_err(LoadError::Status)
}

/// Why a module was not loaded.
pub(crate) enum LoadError {
    Runtime(vgpu_runtime::Error),
    Status(Status),
}

impl Module {
    fn new(handle: u64, runtime: vgpu_runtime::Module, context: &Arc<Context>) -> Arc<Self> {
        Arc::new(Self { handle, runtime, context_id: context.id, functions: Mutex::default() })
    }

    /// The function handle of a kernel, the same at every call.
    pub(crate) fn function(&self, name: &str) -> Result<u64> {
        let mut functions = lock(&self.functions);
        if let Some(handle) = functions.get(name) {
            return Ok(*handle);
        }
        let kernel = self.runtime.kernel(name)?;
        let (module, context_id) = (self.handle, self.context_id);
        let source = Source::Module { kernel, module, context_id };
        let handle = FUNCTIONS.insert_with(|handle| Function::new(handle, name, source))?;
        functions.insert(name.to_owned(), handle);
        Ok(handle)
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        for handle in lock(&self.functions).values() {
            // It may have been removed with its context.
            let _ = FUNCTIONS.remove(*handle);
        }
    }
}

/// Makes a library. Its texts are checked now, if a context is there to check them in.
pub(crate) fn new_library(texts: Vec<String>) -> std::result::Result<u64, LoadError> {
    let context = context::current().ok();
    let module = match &context {
        Some(context) => {
            let parts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let module = vgpu_runtime::Module::load_linked(&context.runtime, &parts).map_err(LoadError::Runtime)?;
            Some((context.id, module))
        }
        None => None,
    };
    let modules = Mutex::new(module.into_iter().collect());
    LIBRARIES
        .insert_with(|handle| {
            Arc::new(Library { handle, texts, modules, kernels: Mutex::default(), handles: Mutex::default() })
        })
        .map_err(LoadError::Status)
}

impl Library {
    /// The library as a module of a context.
    pub(crate) fn module(&self, context: &Arc<Context>) -> Result<vgpu_runtime::Module> {
        let mut modules = lock(&self.modules);
        if let Some((_, module)) = modules.iter().find(|(id, _)| *id == context.id) {
            return Ok(module.clone());
        }
        let parts: Vec<&str> = self.texts.iter().map(String::as_str).collect();
        let module = vgpu_runtime::Module::load_linked(&context.runtime, &parts)?;
        modules.push((context.id, module.clone()));
        Ok(module)
    }

    /// The library as a module handle of a context, the same at every call.
    pub(crate) fn module_handle(&self, context: &Arc<Context>) -> Result<u64> {
        let runtime = self.module(context)?;
        let mut handles = lock(&self.handles);
        if let Some((_, handle)) = handles.iter().find(|(id, handle)| *id == context.id && MODULES.get(*handle).is_ok())
        {
            return Ok(*handle);
        }
        let handle = MODULES.insert_with(|handle| Module::new(handle, runtime, context))?;
        handles.push((context.id, handle));
        Ok(handle)
    }

    /// The handle of a kernel, the same at every call.
    pub(crate) fn kernel(self: &Arc<Self>, name: &str) -> Result<u64> {
        let mut kernels = lock(&self.kernels);
        if let Some(handle) = kernels.get(name) {
            return Ok(*handle);
        }
        if let Ok(context) = context::current() {
            self.module(&context)?.kernel(name)?;
        }
        let source = Source::Library { library: Arc::downgrade(self), kernels: Mutex::default() };
        let handle = FUNCTIONS.insert_with(|handle| Function::new(handle, name, source))?;
        kernels.insert(name.to_owned(), handle);
        Ok(handle)
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        for handle in lock(&self.kernels).values() {
            // Only the library removes its kernels.
            let _ = FUNCTIONS.remove(*handle);
        }
        for (_, handle) in lock(&self.handles).iter() {
            // It may have ended with its context.
            let _ = MODULES.remove(*handle);
        }
    }
}

/// Modules of a context end, and what libraries loaded in it.
pub(crate) fn forget_context(id: u64) {
    MODULES.remove_all(|module| module.context_id == id);
    LIBRARIES.for_each(|library| lock(&library.modules).retain(|(context_id, _)| *context_id != id));
    FUNCTIONS.for_each(|function| {
        if let Source::Library { kernels, .. } = &function.source {
            lock(kernels).retain(|(context_id, _)| *context_id != id);
        }
    });
}
