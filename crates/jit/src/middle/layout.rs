//! Where a kernel's shared and local variables stand in their windows.

use super::divergence::Addresses;
use std::collections::HashMap;
use vgpu_ptx::ir::{FrameVarId, Function, Linkage, Module, Operand, Space, SymbolRef, VarId};

/// Offsets of the shared and local variables of one kernel.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    shared: HashMap<VarId, u64>,
    frame: Vec<u64>,
    /// Static shared memory; dynamic shared memory starts here.
    pub(crate) shared_bytes: u32,
    /// Local memory per thread.
    pub(crate) local_bytes: u32,
}

impl Layout {
    /// Lays out the shared variables that `function` names, and its frame.
    pub(crate) fn new(module: &Module, function: &Function) -> Self {
        let mut used: Vec<VarId> = Vec::new();
        for src in function.blocks.iter().flat_map(|block| &block.insts).flat_map(|inst| &inst.srcs) {
            if let Operand::Symbol(SymbolRef::Var(var), _) = src
                && module.variables[*var].space == Space::Shared
                && !used.contains(var)
            {
                used.push(*var);
            }
        }
        used.sort_unstable();
        let is_dynamic = |var: &VarId| {
            let variable = &module.variables[*var];
            variable.linkage == Linkage::Extern || variable.size == 0
        };
        let (mut next, mut shared) = (0u64, HashMap::new());
        for &var in used.iter().filter(|var| !is_dynamic(var)) {
            let variable = &module.variables[var];
            // Vector accesses to shared arrays are faster when they do not cross cache lines.
            let align = u64::from(variable.align).max(if variable.size >= 64 { 64 } else { 1 });
            let at = next.next_multiple_of(align);
            shared.insert(var, at);
            next = at + variable.size;
        }
        let dynamic_align = used
            .iter()
            .filter(|var| is_dynamic(var))
            .map(|var| u64::from(module.variables[*var].align))
            .fold(16, u64::max);
        let shared_bytes = next.next_multiple_of(dynamic_align);
        for &var in used.iter().filter(|var| is_dynamic(var)) {
            shared.insert(var, shared_bytes);
        }
        let mut local = 0u64;
        let mut frame = Vec::with_capacity(function.frame.len());
        for var in function.frame.iter() {
            local = local.next_multiple_of(u64::from(var.align.max(1)));
            frame.push(local);
            local += u64::from(var.size);
        }
        Self { shared, frame, shared_bytes: shared_bytes as u32, local_bytes: local.next_multiple_of(16) as u32 }
    }
}

impl Addresses for Layout {
    fn shared_offset(&self, symbol: SymbolRef) -> Option<u64> {
        match symbol {
            SymbolRef::Var(var) => self.shared.get(&var).copied(),
            SymbolRef::Func(_) => None,
        }
    }

    fn frame_offset(&self, var: FrameVarId) -> u64 {
        self.frame[var.idx()]
    }

    fn local_bytes(&self) -> u64 {
        u64::from(self.local_bytes)
    }
}
