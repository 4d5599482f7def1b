//! `ld`, `st`, `cp.async`, `cvta`, `isspacep`: addresses, windows and bytes.
//!
//! Source: PTX ISA, "Data Movement and Conversion Instructions" and "Generic Addressing".

use super::arith::integer;
use super::execute::Lane;
use super::{FaultKind, LOCAL_WINDOW, PARAM_WINDOW, SHARED_WINDOW, WINDOW_BYTES};
use crate::ir::{Access, Inst, Operand, ScalarType, Space};

/// Where an access goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Device memory at an address.
    Device(u64),
    /// An offset in the shared window.
    Shared(u64),
    /// An offset in the thread's local window.
    Local(u64),
    /// An offset in the function's own parameters.
    Param(u64),
    /// An offset in the kernel's parameters, reached by a generic address.
    KernelParam(u64),
    /// An offset in the function's return values.
    Return(u64),
}

impl Target {
    /// The next bytes.
    pub fn plus(self, bytes: u64) -> Self {
        match self {
            Self::Device(at) => Self::Device(at.wrapping_add(bytes)),
            Self::Shared(at) => Self::Shared(at + bytes),
            Self::Local(at) => Self::Local(at + bytes),
            Self::Param(at) => Self::Param(at + bytes),
            Self::KernelParam(at) => Self::KernelParam(at + bytes),
            Self::Return(at) => Self::Return(at + bytes),
        }
    }

    const fn address(self) -> u64 {
        match self {
            Self::Device(at)
            | Self::Shared(at)
            | Self::Local(at)
            | Self::Param(at)
            | Self::KernelParam(at)
            | Self::Return(at) => at,
        }
    }

    const fn space(self) -> &'static str {
        match self {
            Self::Device(_) => "global",
            Self::Shared(_) => "shared",
            Self::Local(_) => "local",
            Self::Param(_) | Self::KernelParam(_) => "parameter",
            Self::Return(_) => "return value",
        }
    }
}

/// The window that a generic address lies in, and the offset there.
fn window(address: u64) -> Option<(Space, u64)> {
    let windows = [(Space::Shared, SHARED_WINDOW), (Space::Local, LOCAL_WINDOW), (Space::Param, PARAM_WINDOW)];
    windows.into_iter().find_map(|(space, start)| {
        let offset = address.wrapping_sub(start);
        (offset < WINDOW_BYTES).then_some((space, offset))
    })
}

impl Lane<'_, '_> {
    /// Where the address operand `src` plus `offset` bytes points, in `space`.
    pub fn target(&self, space: Space, src: &Operand, offset: i64) -> Target {
        let address = (self.thread.operand(self.grid, src) as u64).wrapping_add_signed(offset);
        // Offsets in the small windows are 32 bits wide.
        let short = u64::from(address as u32);
        match (src, space) {
            (Operand::Frame(..), Space::Local | Space::Param) => Target::Local(short),
            (Operand::Param(_), Space::Param) => Target::Param(short),
            (Operand::Return(_), _) => Target::Return(short),
            (_, Space::Param) => Target::Param(short),
            (_, Space::Shared) => Target::Shared(short),
            (_, Space::Local) => Target::Local(short),
            (_, Space::Global | Space::Const) => Target::Device(address),
            (_, Space::Generic) => match window(address) {
                Some((Space::Shared, at)) => Target::Shared(at),
                Some((Space::Local, at)) => Target::Local(at),
                Some((_, at)) => Target::KernelParam(at),
                None => Target::Device(address),
            },
        }
    }

    /// The bytes at `target`.
    pub fn read(&self, target: Target, size: u64) -> Result<&[u8], FaultKind> {
        let (memory, at): (&[u8], u64) = match target {
            Target::Device(address) => return self.grid.memory.read(address, size).map_err(FaultKind::memory),
            Target::Shared(at) => (self.shared, at),
            Target::Local(at) => (&self.thread.local, at),
            Target::Param(at) if self.thread.frames.len() > 1 => (&self.thread.frame().params, at),
            Target::Param(at) | Target::KernelParam(at) => (self.grid.params, at),
            Target::Return(at) => (&self.thread.frame().returns, at),
        };
        memory.get(at as usize..(at + size) as usize).ok_or(FaultKind::OutOfBounds {
            space: target.space(),
            address: at,
            size,
        })
    }

    /// Writes bytes at `target`.
    pub fn write(&mut self, target: Target, bytes: &[u8]) -> Result<(), FaultKind> {
        let size = bytes.len() as u64;
        let (memory, at): (&mut [u8], u64) = match target {
            Target::Device(address) => return self.grid.memory.write(address, bytes).map_err(FaultKind::memory),
            Target::Shared(at) => (self.shared, at),
            Target::Local(at) => (&mut self.thread.local, at),
            Target::Return(at) => (&mut self.thread.frame_mut().returns, at),
            Target::Param(_) | Target::KernelParam(_) => {
                return Err(FaultKind::Undefined("a store to the function's own parameters"));
            }
        };
        let range = at as usize..(at + size) as usize;
        let outside = FaultKind::OutOfBounds { space: target.space(), address: at, size };
        memory.get_mut(range).ok_or(outside)?.copy_from_slice(bytes);
        Ok(())
    }

    /// Fails unless the address is a multiple of `size`.
    pub fn check_aligned(&self, target: Target, size: u64) -> Result<(), FaultKind> {
        let address = target.address();
        if address.is_multiple_of(size.max(1)) { Ok(()) } else { Err(FaultKind::Misaligned { address, size }) }
    }

    /// One value of `bytes` bytes.
    pub fn read_value(&self, target: Target, bytes: u32) -> Result<u128, FaultKind> {
        let mut value = [0; 16];
        value[..bytes as usize].copy_from_slice(self.read(target, u64::from(bytes))?);
        Ok(u128::from_le_bytes(value))
    }

    /// Stores the low `bytes` bytes of a value.
    pub fn write_value(&mut self, target: Target, bytes: u32, value: u128) -> Result<(), FaultKind> {
        self.write(target, &value.to_le_bytes()[..bytes as usize])
    }

    pub fn load(&mut self, inst: &Inst, form: &Access) -> Result<(), FaultKind> {
        let bytes = form.ty.bytes();
        let size = u64::from(bytes * form.vector);
        let target = self.target(form.space, &inst.srcs[0], form.offset);
        self.check_aligned(target, size)?;
        self.read(target, size)?;
        // All elements are read before a register is written: one of them may hold the address.
        let mut values = Vec::with_capacity(form.vector as usize);
        for i in 0..form.vector {
            values.push(self.read_value(target.plus(u64::from(i * bytes)), bytes)?);
        }
        for (i, value) in values.into_iter().enumerate() {
            self.set_dst(inst, i, extended(form.ty, value));
        }
        Ok(())
    }

    pub fn store(&mut self, inst: &Inst, form: &Access) -> Result<(), FaultKind> {
        let bytes = form.ty.bytes();
        let size = u64::from(bytes * form.vector);
        let target = self.target(form.space, &inst.srcs[0], form.offset);
        self.check_aligned(target, size)?;
        let values: Vec<u8> = (0..form.vector as usize)
            .flat_map(|i| self.src(inst, 1 + i).to_le_bytes().into_iter().take(bytes as usize))
            .collect();
        self.write(target, &values)
    }

    pub fn cp_async(&mut self, inst: &Inst, bytes: u32, has_src_size: bool, has_ignore: bool) -> Result<(), FaultKind> {
        let to = self.target(Space::Shared, &inst.srcs[0], 0);
        let from = self.target(Space::Global, &inst.srcs[1], 0);
        self.check_aligned(to, u64::from(bytes))?;
        self.check_aligned(from, u64::from(bytes))?;
        let ignore = has_ignore && self.src_pred(inst, inst.srcs.len() - 1);
        let n = if has_src_size { self.src64(inst, 2) as u32 } else { bytes };
        if n > bytes {
            return Err(FaultKind::Undefined("cp.async with a source size above the copy size"));
        }
        let n = if ignore { 0 } else { n };
        let mut data = if n == 0 { Vec::new() } else { self.read(from, u64::from(n))?.to_vec() };
        data.resize(bytes as usize, 0);
        self.write(to, &data)
    }

    pub fn cvta(&self, space: Space, to_generic: bool, address: u64) -> u64 {
        let start = match space {
            Space::Shared => SHARED_WINDOW,
            Space::Local => LOCAL_WINDOW,
            Space::Param => PARAM_WINDOW,
            Space::Generic | Space::Global | Space::Const => 0,
        };
        if to_generic { start.wrapping_add(address) } else { address.wrapping_sub(start) }
    }

    /// `isspacep`. The parameter window is contained in the global one, constant variables are not.
    pub fn is_in_space(&self, space: Space, address: u64) -> bool {
        let window = window(address).map(|(space, _)| space);
        let is_const = || {
            let variables = self.grid.module.variables.iter_enumerated();
            let mut constants = variables.filter(|(_, variable)| variable.space == Space::Const);
            constants.any(|(id, variable)| address.wrapping_sub(self.grid.symbols[id]) < variable.size)
        };
        match space {
            Space::Shared | Space::Local | Space::Param => window == Some(space),
            Space::Global => matches!(window, None | Some(Space::Param)) && !is_const(),
            Space::Const => is_const(),
            Space::Generic => true,
        }
    }
}

/// A loaded value as it goes to a register that may be wider.
fn extended(ty: ScalarType, value: u128) -> u128 {
    if ty.is_signed() && !ty.is_packed() { integer(ty, value as u64) as u128 } else { value }
}
