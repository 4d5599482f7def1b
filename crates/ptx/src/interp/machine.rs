//! A module made ready to run: variables laid out in device memory with their initial contents.

use super::memory::Memory;
use super::{Fault, LaunchConfig, LaunchStats, launch};
use crate::ir::{FuncId, InitPart, Module, Space, SymbolRef, VarId};
use std::collections::BTreeSet;
use vgpu_types::IndexVec;

/// Why a module cannot be made ready.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MachineError {
    /// A variable that no linked module defines.
    #[error("variable {0} is declared extern and defined nowhere")]
    Unresolved(String),
    /// An initial value outside the variable.
    #[error("initial value of {name} at byte {offset} lies outside its {size} bytes")]
    BadInitialiser {
        /// The variable.
        name: String,
        /// Where the value would go.
        offset: u32,
        /// Size of the variable.
        size: u64,
    },
    /// The address of a shared variable differs from block to block.
    #[error("initial value of {0} is the address of a shared variable, which is not a constant")]
    SharedAddress(String),
}

/// A kernel by name or by id.
#[derive(Clone, Copy, Debug)]
pub enum Kernel<'n> {
    /// By name.
    Name(&'n str),
    /// By id.
    Id(FuncId),
}

impl<'n> From<&'n str> for Kernel<'n> {
    fn from(name: &'n str) -> Self {
        Self::Name(name)
    }
}

impl From<FuncId> for Kernel<'_> {
    fn from(id: FuncId) -> Self {
        Self::Id(id)
    }
}

/// One module with its variables in device memory.
#[derive(Clone, Debug)]
pub struct Machine<'m> {
    pub(super) module: &'m Module,
    /// Device memory; the host side of a test allocates, writes and reads here.
    pub memory: Memory,
    /// Generic addresses of `.global` and `.const` variables; 0 for `.shared` ones.
    pub(super) symbols: IndexVec<VarId, u64>,
    /// What device code allocated with `malloc` and has not freed.
    pub(super) heap: BTreeSet<u64>,
    pub(super) output: String,
    pub(super) n_launches: u64,
}

/// The handle that stands for a function's address.
pub(super) const fn function_handle(id: FuncId) -> u64 {
    id.0 as u64 + 1
}

impl<'m> Machine<'m> {
    /// Lays out the variables of `module`.
    ///
    /// # Errors
    /// When a variable is undefined or its initial value makes no sense.
    pub fn new(module: &'m Module) -> Result<Self, MachineError> {
        let mut memory = Memory::new();
        let mut symbols = IndexVec::new();
        for variable in module.variables.iter() {
            symbols.push(match variable.space {
                Space::Shared => 0,
                _ if variable.linkage == crate::ir::Linkage::Extern => {
                    return Err(MachineError::Unresolved(variable.name.clone()));
                }
                _ => memory.alloc(variable.size),
            });
        }
        let mut machine = Self { module, memory, symbols, heap: BTreeSet::new(), output: String::new(), n_launches: 0 };
        for (id, variable) in module.variables.iter_enumerated() {
            for part in &variable.init {
                let (offset, bytes) = machine.initial_bytes(&variable.name, part)?;
                let outside = MachineError::BadInitialiser { name: variable.name.clone(), offset, size: variable.size };
                machine.memory.write(machine.symbols[id] + u64::from(offset), &bytes).map_err(|_| outside)?;
            }
        }
        Ok(machine)
    }

    fn initial_bytes(&self, name: &str, part: &InitPart) -> Result<(u32, Vec<u8>), MachineError> {
        Ok(match part {
            InitPart::Bytes { offset, bytes } => (*offset, bytes.clone()),
            InitPart::Address { offset, size, symbol, addend, shift, .. } => {
                let address = match *symbol {
                    SymbolRef::Func(id) => function_handle(id),
                    SymbolRef::Var(id) if self.module.variables[id].space == Space::Shared => {
                        return Err(MachineError::SharedAddress(name.to_owned()));
                    }
                    SymbolRef::Var(id) => self.symbols[id],
                };
                let value = address.wrapping_add_signed(*addend) >> shift;
                (*offset, value.to_le_bytes()[..(*size as usize).min(8)].to_vec())
            }
        })
    }

    /// Address and size of a module-level `.global` or `.const` variable.
    pub fn symbol(&self, name: &str) -> Option<(u64, u64)> {
        let id = self.module.variable(name)?;
        Some((self.symbols[id], self.module.variables[id].size)).filter(|&(address, _)| address != 0)
    }

    /// Runs a kernel. `params` is its parameter buffer, laid out as [`crate::ir::Param::offset`] says.
    ///
    /// # Errors
    /// The first fault. Memory keeps what was written until then.
    pub fn launch<'n>(
        &mut self,
        kernel: impl Into<Kernel<'n>>,
        config: LaunchConfig,
        params: &[u8],
    ) -> Result<LaunchStats, Box<Fault>> {
        launch::run(self, kernel.into(), config, params)
    }

    /// What device code printed so far.
    pub fn output(&self) -> &str {
        &self.output
    }

    /// Takes what device code printed so far.
    pub fn take_output(&mut self) -> String {
        std::mem::take(&mut self.output)
    }
}
