//! Modules: PTX made ready to launch. Variables get device memory and their initial contents; kernels are found by name.

use crate::context::{Context, ContextShared};
use crate::error::Error;
use crate::exec::copy;
use crate::kernel::{Kernel, KernelShared};
use crate::memory::DevicePtr;
use std::fmt::{self, Write as _};
use std::sync::Arc;
use vgpu_ptx::ir::{self, InitPart, Linkage, Space, SymbolRef};
use vgpu_types::{IndexVec, LineMap};

/// The part of a module that its kernels and launches keep alive.
pub(crate) struct ModuleShared {
    context: Arc<ContextShared>,
    ir: ir::Module,
    fingerprint: [u8; 32],
    /// What it was loaded from; `None` when it was made from IR.
    texts: Option<Vec<Box<str>>>,
    /// Generic address of each variable by `VarId`; 0 for `.shared` ones.
    symbols: Arc<[u64]>,
    kernels: Vec<Arc<KernelShared>>,
    /// Lines of the text, where the module was made from one.
    lines: Option<LineMap>,
}

impl ModuleShared {
    pub(crate) const fn context(&self) -> &Arc<ContextShared> {
        &self.context
    }

    pub(crate) const fn ir(&self) -> &ir::Module {
        &self.ir
    }

    pub(crate) const fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// The texts it was loaded from; `None` when it was made from IR.
    pub(crate) fn texts(&self) -> Option<&[Box<str>]> {
        self.texts.as_deref()
    }

    pub(crate) const fn symbols(&self) -> &Arc<[u64]> {
        &self.symbols
    }

    /// The memory instruction that begins at `text_offset`, for a message: what it is, and its line in the source or else in the PTX.
    pub(crate) fn describe_access(&self, kernel: &str, text_offset: u32) -> String {
        let in_kernel = self.ir.functions.iter().filter(|function| function.name == kernel);
        let elsewhere = self.ir.functions.iter().filter(|function| function.name != kernel);
        let insts =
            in_kernel.chain(elsewhere).flat_map(|function| function.blocks.iter()).flat_map(|block| &block.insts);
        let mut found = insts.filter(|inst| inst.span.start == text_offset);
        let found = found.find_map(|inst| Some((inst, inst.op.access_name()?)));
        let Some((inst, mut text)) = found else { return "an access".to_owned() };
        let file = |line: &ir::LineLoc| self.ir.files.get(line.file_idx as usize);
        if let Some((line, file)) = inst.line.as_ref().and_then(|line| Some((line, file(line)?))) {
            let _ = write!(text, " at {}:{}", file.path, line.line);
        } else if let Some(lines) = &self.lines {
            let _ = write!(text, " at line {} of the PTX", lines.line(text_offset));
        }
        text
    }
}

impl Drop for ModuleShared {
    fn drop(&mut self) {
        for &address in self.symbols.iter().filter(|address| **address != 0) {
            // The module allocated these and nobody else may free them.
            let _ = self.context.release(DevicePtr(address));
        }
    }
}

/// See the module header. Clones are the same module.
#[derive(Clone)]
pub struct Module {
    shared: Arc<ModuleShared>,
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Module").field("kernels", &self.kernel_names()).finish()
    }
}

/// Feeds formatted text to a hash.
struct HashText(blake3::Hasher);

impl fmt::Write for HashText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}

/// What a module is made from.
struct Source {
    ir: ir::Module,
    fingerprint: [u8; 32],
    lines: Option<LineMap>,
    texts: Option<Vec<Box<str>>>,
}

impl Source {
    fn read_one(text: &str) -> Result<Self, Error> {
        let ir = vgpu_ptx::load(text).map_err(Error::Load)?;
        let fingerprint = blake3::hash(text.as_bytes()).into();
        Ok(Self { ir, fingerprint, lines: Some(LineMap::new(text)), texts: Some(vec![text.into()]) })
    }

    fn read_linked(texts: &[&str]) -> Result<Self, Error> {
        // One text goes through the linker only when it has names for it to find.
        if let [text] = texts
            && !text.contains(".extern .func")
        {
            return Self::read_one(text);
        }
        let kept = Some(texts.iter().map(|text| Box::from(*text)).collect());
        let mut hash = blake3::Hasher::new();
        let mut parts = Vec::with_capacity(texts.len());
        for text in texts {
            hash.update(&(text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
            parts.push(vgpu_ptx::load(text).map_err(Error::Load)?);
        }
        let ir = vgpu_ptx::link(parts).map_err(|error| Error::Link { message: error.to_string() })?;
        Ok(Self { ir, fingerprint: hash.finalize().into(), lines: None, texts: kept })
    }
}

impl Module {
    /// Loads PTX text.
    ///
    /// # Errors
    /// [`Error::Load`] with all diagnostics; [`Error::UndefinedVariable`]; [`Error::OutOfMemory`]; the sticky error.
    pub fn load(context: &Context, text: &str) -> Result<Self, Error> {
        Self::place(context, Source::read_one(text)?, None)
    }

    /// Loads several PTX texts as one module: extern names of one are found in the others.
    ///
    /// # Errors
    /// As [`Self::load`]; [`Error::Link`].
    pub fn load_linked(context: &Context, texts: &[&str]) -> Result<Self, Error> {
        Self::place(context, Source::read_linked(texts)?, None)
    }

    /// Loads the texts of a module that was saved, whose variables are in memory already, at `symbols`.
    pub(crate) fn restore(
        context: &Context,
        texts: &[impl AsRef<str>],
        fingerprint: &str,
        symbols: &[u64],
    ) -> Result<Self, Error> {
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        let hex = |hash: &[u8; 32]| hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let source = match texts[..] {
            [text] if hex(blake3::hash(text.as_bytes()).as_bytes()) == fingerprint => Source::read_one(text)?,
            _ => Source::read_linked(&texts)?,
        };
        let refused = |message: &str| Error::Checkpoint { message: message.to_owned() };
        if hex(&source.fingerprint) != fingerprint {
            return Err(refused("a module's text has another hash than was saved with it"));
        }
        let owned = |address: &u64| *address == 0 || context.shared.owns(DevicePtr(*address));
        if symbols.len() != source.ir.variables.len() || !symbols.iter().all(owned) {
            return Err(refused("a module's variables are not where they were saved"));
        }
        Self::place(context, source, Some(symbols.to_vec()))
    }

    /// Takes a module in IR form.
    ///
    /// # Errors
    /// [`Error::UndefinedVariable`]; [`Error::OutOfMemory`]; the sticky error.
    pub fn from_ir(context: &Context, ir: ir::Module) -> Result<Self, Error> {
        let mut hash = HashText(blake3::Hasher::new());
        // Hashing cannot fail.
        let _ = write!(hash, "{ir:?}");
        let source = Source { ir, fingerprint: hash.0.finalize().into(), lines: None, texts: None };
        Self::place(context, source, None)
    }

    /// Makes a module ready; its variables get memory and contents unless they have them.
    fn place(context: &Context, source: Source, placed: Option<Vec<u64>>) -> Result<Self, Error> {
        let Source { ir, fingerprint, lines, texts } = source;
        let shared = &context.shared;
        shared.check()?;
        let symbols = match placed {
            Some(symbols) => symbols,
            None => {
                let mut symbols = vec![0u64; ir.variables.len()];
                if let Err(error) = place_variables(shared, &ir, &mut symbols) {
                    for &address in symbols.iter().filter(|address| **address != 0) {
                        // Allocated above by this very call.
                        let _ = shared.release(DevicePtr(address));
                    }
                    return Err(error);
                }
                symbols
            }
        };
        let kernels = ir.functions.iter_enumerated();
        let kernels = kernels
            .filter(|(_, function)| function.kind == ir::FunctionKind::Kernel && !function.is_declaration())
            .map(|(id, function)| Arc::new(KernelShared::new(id, function)))
            .collect();
        let owner = Arc::clone(shared);
        let symbols = symbols.into();
        let module = Arc::new(ModuleShared { context: owner, ir, fingerprint, texts, symbols, kernels, lines });
        shared.add_module(&module);
        Ok(Self { shared: module })
    }

    /// The module's IR.
    pub fn ir(&self) -> &ir::Module {
        self.shared.ir()
    }

    /// Names of the kernels, in the text's order.
    pub fn kernel_names(&self) -> Vec<&str> {
        self.shared.kernels.iter().map(|kernel| kernel.name()).collect()
    }

    /// The kernel of that name.
    ///
    /// # Errors
    /// [`Error::UnknownKernel`].
    pub fn kernel(&self, name: &str) -> Result<Kernel, Error> {
        let found = self.shared.kernels.iter().find(|kernel| kernel.name() == name);
        found.map(|kernel| Kernel::new(Arc::clone(&self.shared), Arc::clone(kernel))).ok_or_else(|| {
            Error::UnknownKernel {
                name: name.to_owned(),
                available: self.kernel_names().into_iter().map(str::to_owned).collect(),
            }
        })
    }

    /// Address and size of a `.global` or `.const` variable.
    ///
    /// # Errors
    /// [`Error::UnknownVariable`].
    pub fn variable(&self, name: &str) -> Result<(DevicePtr, u64), Error> {
        let ir = self.shared.ir();
        let found = ir.variable(name).filter(|id| self.shared.symbols[id.idx()] != 0);
        found.map(|id| (DevicePtr(self.shared.symbols[id.idx()]), ir.variables[id].size)).ok_or_else(|| {
            let named =
                ir.variables.iter().filter(|variable| !variable.function_scoped && variable.space != Space::Shared);
            Error::UnknownVariable {
                name: name.to_owned(),
                available: named.map(|variable| variable.name.clone()).collect(),
            }
        })
    }
}

/// Allocates and initialises the `.global` and `.const` variables; fills `symbols` as far as it gets.
fn place_variables(context: &Arc<ContextShared>, ir: &ir::Module, symbols: &mut [u64]) -> Result<(), Error> {
    let in_memory = || ir.variables.iter_enumerated().filter(|(_, variable)| variable.space != Space::Shared);
    for (id, variable) in in_memory() {
        if variable.linkage == Linkage::Extern {
            return Err(Error::UndefinedVariable { name: variable.name.clone() });
        }
        symbols[id.idx()] = context.alloc(variable.size.max(1))?.0;
    }
    for (id, variable) in in_memory() {
        let pinned = context.pin(DevicePtr(symbols[id.idx()]), variable.size)?;
        if variable.init.is_empty() {
            copy::fill(&pinned, &[0])?;
        } else {
            copy::to_device(&pinned, &initial_contents(variable, symbols, &ir.variables))?;
        }
    }
    Ok(())
}

fn initial_contents(
    variable: &ir::Variable,
    symbols: &[u64],
    variables: &IndexVec<ir::VarId, ir::Variable>,
) -> Vec<u8> {
    let mut contents = vec![0u8; variable.size as usize];
    let mut write = |offset: u32, bytes: &[u8]| {
        // The verifier checked that initialisers fit; what does not is cut off rather than written elsewhere.
        let start = (offset as usize).min(contents.len());
        let n = bytes.len().min(contents.len() - start);
        contents[start..start + n].copy_from_slice(&bytes[..n]);
    };
    for part in &variable.init {
        match part {
            InitPart::Bytes { offset, bytes } => write(*offset, bytes),
            InitPart::Address { offset, size, symbol, addend, generic: _, shift } => {
                let address = match symbol {
                    SymbolRef::Var(id) if variables[*id].space == Space::Shared => 0,
                    SymbolRef::Var(id) => symbols[id.idx()],
                    SymbolRef::Func(id) => u64::from(id.0) + 1,
                };
                let value = address.wrapping_add_signed(*addend) >> shift.min(&63);
                write(*offset, &value.to_le_bytes()[..(*size as usize).min(8)]);
            }
        }
    }
    contents
}
