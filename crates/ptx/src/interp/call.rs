//! Calls: direct, indirect, and the functions that the device itself provides.
//!
//! Source: PTX ISA, "Control Flow Instructions: call"; CUDA C++ programming guide, "Formatted Output", "Dynamic Global Memory
//! Allocation", "Assertion"; `cooperative_groups` headers for the grid functions.

use super::access::Target;
use super::execute::Lane;
use super::printf;
use super::thread::{State, Thread};
use super::{FaultKind, MemoryError};
use crate::ir::{Builtin, CallArgs, FrameVarId, FuncId, Function, FunctionKind, Module, Param, ProtoId, Space};

/// Most bytes that device code may have allocated.
const HEAP_BYTES: u64 = 256 << 20;
/// Handle of the whole grid in a cooperative launch.
const GRID_HANDLE: u64 = 1;
/// `cudaErrorInvalidValue`.
const INVALID_VALUE: u64 = 1;

/// Copies return values into the caller's frame variables. `thread` is back in the caller.
pub(super) fn deliver(module: &Module, thread: &mut Thread, bytes: &[u8], receivers: &[FrameVarId]) {
    let function = &module.functions[thread.frame().func];
    let mut at = 0usize;
    for &receiver in receivers {
        let var = &function.frame[receiver];
        let start = at.next_multiple_of(var.align.max(1) as usize);
        let size = (var.size as usize).min(bytes.len().saturating_sub(start));
        let to = thread.frame().vars[receiver] as usize;
        thread.local[to..to + size].copy_from_slice(&bytes[start..start + size]);
        at = start + var.size as usize;
    }
}

fn sizes(params: &[Param]) -> Vec<u32> {
    params.iter().map(|param| param.size).collect()
}

impl Lane<'_, '_> {
    fn caller(&self) -> &Function {
        &self.grid.module.functions[self.thread.frame().func]
    }

    /// The bytes of a frame variable.
    fn variable(&self, id: FrameVarId) -> &[u8] {
        let start = self.thread.frame().vars[id] as usize;
        &self.thread.local[start..start + self.caller().frame[id].size as usize]
    }

    pub fn call(&mut self, callee: FuncId, args: &CallArgs) -> Result<(), FaultKind> {
        let module = self.grid.module;
        let function = &module.functions[callee];
        if function.is_declaration() {
            return Err(FaultKind::BadCall(format!("{} is declared but not defined", function.name)));
        }
        let given = |ids: &[FrameVarId]| -> Vec<u32> { ids.iter().map(|&id| self.caller().frame[id].size).collect() };
        let (params, returns) = (given(&args.params), given(&args.returns));
        if params != sizes(&function.params) || returns != sizes(&function.returns) {
            return Err(FaultKind::BadCall(format!(
                "{} takes {:?} and returns {:?} bytes, the call passes {params:?} and expects {returns:?}",
                function.name,
                sizes(&function.params),
                sizes(&function.returns),
            )));
        }
        let mut area = vec![0; function.param_bytes() as usize];
        for (param, &id) in function.params.iter().zip(&args.params) {
            area[param.offset as usize..][..param.size as usize].copy_from_slice(self.variable(id));
        }
        if !self.thread.enter(module, callee, area, args.returns.clone()) {
            return Err(FaultKind::StackOverflow);
        }
        Ok(())
    }

    pub fn call_indirect(&mut self, prototype: ProtoId, args: &CallArgs, handle: u64) -> Result<(), FaultKind> {
        let module = self.grid.module;
        let prototype = &module.prototypes[prototype];
        let bad = || FaultKind::BadCall(format!("{handle:#x} is not the address of a function of that signature"));
        let index = handle.checked_sub(1).and_then(|index| u32::try_from(index).ok()).ok_or_else(bad)?;
        let function = module.functions.get(FuncId(index)).ok_or_else(bad)?;
        let matches = function.kind == FunctionKind::Device
            && sizes(&function.params) == sizes(&prototype.params)
            && sizes(&function.returns) == sizes(&prototype.returns);
        if matches { self.call(FuncId(index), args) } else { Err(bad()) }
    }

    /// Argument `i` of a builtin call, up to 8 bytes.
    fn argument(&self, args: &CallArgs, i: usize) -> Result<u64, FaultKind> {
        let id = *args.params.get(i).ok_or_else(|| FaultKind::BadCall(format!("argument {i} is missing")))?;
        let mut bytes = [0; 8];
        let given = self.variable(id);
        let n = given.len().min(8);
        bytes[..n].copy_from_slice(&given[..n]);
        Ok(u64::from_le_bytes(bytes))
    }

    pub fn call_builtin(&mut self, builtin: Builtin, args: &CallArgs) -> Result<(), FaultKind> {
        let argument = |i| self.argument(args, i);
        let result = match builtin {
            Builtin::Vprintf => {
                let (format, values) = (argument(0)?, argument(1)?);
                self.vprintf(format, values)? as u64
            }
            Builtin::Malloc => {
                let size = argument(0)?;
                self.malloc(size)
            }
            Builtin::Free => {
                let address = argument(0)?;
                if address != 0 && !(self.grid.heap.remove(&address) && self.grid.memory.free(address)) {
                    return Err(FaultKind::Undefined("free of an address that malloc did not give"));
                }
                0
            }
            Builtin::AssertFail => {
                return Err(FaultKind::Assert {
                    message: self.text(argument(0)?)?,
                    file: self.text(argument(1)?)?,
                    line: argument(2)? as u32,
                    function: self.text(argument(3)?)?,
                });
            }
            Builtin::CgGetIntrinsicHandle => {
                if self.grid.config.cooperative {
                    GRID_HANDLE
                } else {
                    0
                }
            }
            Builtin::CgSynchronize if argument(0)? != GRID_HANDLE => INVALID_VALUE,
            Builtin::CgSynchronize => {
                self.thread.state = State::AtGrid(self.grid.grid_phase);
                self.grid.at_grid_sync += 1;
                0
            }
            Builtin::CgGetSize => {
                let (out, grids) = (argument(0)?, argument(1)?);
                let n = (self.grid.config.grid.volume() * self.grid.config.block.volume()) as u32;
                self.write_generic(out, &n.to_le_bytes())?;
                self.write_generic(grids, &1u32.to_le_bytes())?;
                0
            }
            Builtin::CgGetRank => {
                let (thread_rank, grid_rank) = (argument(0)?, argument(1)?);
                let extent = self.grid.config.grid;
                let at = self.block_idx;
                let block =
                    (u64::from(at.z) * u64::from(extent.y) + u64::from(at.y)) * u64::from(extent.x) + u64::from(at.x);
                let rank = block * self.grid.config.block.volume() as u64 + u64::from(self.thread.linear);
                self.write_generic(thread_rank, &(rank as u32).to_le_bytes())?;
                self.write_generic(grid_rank, &0u32.to_le_bytes())?;
                0
            }
        };
        if let Some(&receiver) = args.returns.first() {
            let size = self.caller().frame[receiver].size;
            let to = u64::from(self.thread.frame().vars[receiver]);
            self.write(Target::Local(to), &result.to_le_bytes()[..size.min(8) as usize])?;
        }
        Ok(())
    }

    fn malloc(&mut self, size: u64) -> u64 {
        let used: u64 =
            self.grid.heap.iter().filter_map(|&at| self.grid.memory.allocation(at)).map(|(_, size)| size).sum();
        if size == 0 || used.saturating_add(size) > HEAP_BYTES {
            return 0;
        }
        let address = self.grid.memory.alloc(size);
        self.grid.heap.insert(address);
        address
    }

    /// A generic address as the target of an access.
    fn generic(&self, address: u64) -> Target {
        self.target(Space::Generic, &crate::ir::Operand::Imm(address), 0)
    }

    fn write_generic(&mut self, address: u64, bytes: &[u8]) -> Result<(), FaultKind> {
        // A null pointer means that the caller does not want the value.
        if address == 0 { Ok(()) } else { self.write(self.generic(address), bytes) }
    }

    /// The zero-terminated text at a generic address.
    fn text(&self, address: u64) -> Result<String, FaultKind> {
        let start = self.generic(address);
        if matches!(start, Target::Device(_)) {
            return self.grid.memory.c_string(address).map_err(|error: MemoryError| FaultKind::memory(error));
        }
        let mut bytes = Vec::new();
        loop {
            match self.read(start.plus(bytes.len() as u64), 1)?[0] {
                0 => return Ok(String::from_utf8_lossy(&bytes).into_owned()),
                byte => bytes.push(byte),
            }
        }
    }

    /// `vprintf`: the number of arguments, or -1 without a format string.
    fn vprintf(&mut self, format: u64, values: u64) -> Result<i32, FaultKind> {
        if format == 0 {
            return Ok(-1);
        }
        let format = self.text(format)?;
        let mut at = 0u64;
        let mut n_arguments = 0;
        let mut next = |size: u64| -> Result<u64, FaultKind> {
            at = at.next_multiple_of(size);
            let value = self.read_value(self.generic(values.wrapping_add(at)), size as u32)?;
            at += size;
            n_arguments += 1;
            Ok(value as u64)
        };
        let text = printf::format(&format, &mut next, |address| {
            if address == 0 { Ok("(null)".to_owned()) } else { self.text(address) }
        })?;
        self.grid.output.push_str(&text);
        Ok(n_arguments)
    }
}
