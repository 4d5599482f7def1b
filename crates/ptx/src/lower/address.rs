//! Memory operands: `[base + offset]` to a base operand, an offset and the space of the access.
//!
//! A named variable decides the space of a generic access. Offsets in parameters are checked against the parameter's
//! size; offsets in other variables are not, since a program may compute with addresses outside an array.

use super::Lowered;
use super::operand::{InstCx, describe, plain_cvt, space_name};
use super::scope::Entity;
use crate::ast::{Name, Operand as Ast};
use crate::ir::{Op, Operand, RegWidth, ScalarType, Space, SymbolRef};
use crate::parser::shorten;

/// A memory operand, resolved.
#[derive(Clone, Copy)]
pub(super) struct Address {
    /// What the access adds `offset` to.
    pub base: Operand,
    /// Bytes.
    pub offset: i64,
    /// The space of the access: a named variable makes a generic access specific.
    pub space: Space,
}

impl InstCx<'_, '_, '_> {
    /// Memory operand `idx` of an access to `space`; `bytes` are checked against parameters' sizes.
    pub(super) fn address(&mut self, idx: usize, space: Space, bytes: u32) -> Lowered<Address> {
        let operand = self.operand(idx)?;
        let Ast::Address(address) = operand else {
            let message = format!(
                "operand {} of `{}` is an address such as `[%rd1+4]`, found {}",
                idx + 1,
                self.mods.opcode(),
                describe(operand)
            );
            return self.error("bad-operand", operand.span(), message);
        };
        if let Some(extra) = address.extra.first() {
            return self.error("bad-operand", extra.span(), format!("`{}` takes one address", self.mods.opcode()));
        }
        let Some(name) = address.base else {
            return Ok(Address { base: Operand::Imm(address.offset as u64), offset: 0, space });
        };
        let entity = self.entity(name, None)?;
        let offset = address.offset;
        let (base, actual) = match entity {
            Some(Entity::Reg(reg)) => {
                let width = self.f.width(reg);
                let narrow = matches!(space, Space::Shared | Space::Local | Space::Param);
                let float = self.f.declared(reg).is_some_and(ScalarType::is_float);
                if matches!(width, RegWidth::Pred | RegWidth::B128) || float {
                    let message =
                        format!("address register `{}` is no integer register of up to 64 bits", shorten(name.text));
                    return self.error("operand-type", name.span, message);
                }
                if width == RegWidth::B64 || width == RegWidth::B32 && narrow {
                    return Ok(Address { base: Operand::Reg(reg), offset, space });
                }
                // A shorter register counts as an unsigned address.
                let from = match width {
                    RegWidth::B8 => ScalarType::U8,
                    RegWidth::B16 => ScalarType::U16,
                    _ => ScalarType::U32,
                };
                let whole = self.temp(RegWidth::B64);
                self.emit(Op::Cvt(plain_cvt(ScalarType::U64, from)), &[whole], &[Operand::Reg(reg)])?;
                return Ok(Address { base: Operand::Reg(whole), offset, space });
            }
            Some(Entity::Frame(id)) => {
                let var = self.f.frame_var(id);
                let (actual, size) = (var.space, var.size);
                if actual == Space::Param && (offset < 0 || offset.saturating_add(i64::from(bytes)) > i64::from(size)) {
                    let message = format!(
                        "bytes {offset} to {} of `{}`, which has {size}",
                        offset.saturating_add(i64::from(bytes)),
                        shorten(name.text)
                    );
                    return self.error("out-of-bounds", address.span, message);
                }
                (Operand::Frame(id, offset), actual)
            }
            Some(Entity::Param(idx)) => (Operand::Param(self.param_offset(idx, offset, bytes, name)?), Space::Param),
            Some(Entity::Return(idx)) => {
                let ret = &self.f.module.ir.functions[self.f.id].returns[idx as usize];
                let (at, size) = (ret.offset, ret.size);
                if offset < 0 || offset.saturating_add(i64::from(bytes)) > i64::from(size) {
                    let message = format!("offset {offset} of `{}`, which has {size} bytes", shorten(name.text));
                    return self.error("out-of-bounds", address.span, message);
                }
                (Operand::Return(at + offset as u32), Space::Param)
            }
            Some(Entity::Var(id)) => {
                (Operand::Symbol(SymbolRef::Var(id), offset), self.f.module.ir.variables[id].space)
            }
            None => match self.module_symbol(name)? {
                SymbolRef::Var(id) => {
                    (Operand::Symbol(SymbolRef::Var(id), offset), self.f.module.ir.variables[id].space)
                }
                SymbolRef::Func(_) => {
                    return self.error(
                        "bad-operand",
                        name.span,
                        format!("`{}` is a function, not memory", shorten(name.text)),
                    );
                }
            },
            Some(_) => {
                return self.error("bad-operand", name.span, format!("`{}` is not an address", shorten(name.text)));
            }
        };
        if space != actual && space != Space::Generic {
            let message = format!(
                "`{}` is in {}, the access is to {}",
                shorten(name.text),
                space_name(actual),
                space_name(space)
            );
            return self.error("bad-space", name.span, message);
        }
        Ok(Address { base, offset: 0, space: actual })
    }

    pub(super) fn param_offset(&self, idx: u32, offset: i64, bytes: u32, name: Name<'_>) -> Lowered<u32> {
        let param = &self.f.module.ir.functions[self.f.id].params[idx as usize];
        if offset < 0 || offset.saturating_add(i64::from(bytes)) > i64::from(param.size) {
            let message = format!(
                "bytes {offset} to {} of parameter `{}`, which has {}",
                offset.saturating_add(i64::from(bytes)),
                shorten(name.text),
                param.size
            );
            return self.error("out-of-bounds", name.span, message);
        }
        Ok(param.offset + offset as u32)
    }
}
