//! ELF relocations, as arithmetic on bytes: which kinds there are and how each changes the place it applies to.
//!
//! Both architectures are always compiled, so that the arithmetic of one is tested on the other.
//! Source: System V ABI, AMD64 supplement, table 4.9; ELF for the Arm 64-bit Architecture, chapter 5.7.

use object::elf::{self, RelocationType};

/// Instruction set of an object file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Machine {
    /// x86-64.
    X86_64,
    /// aarch64.
    Aarch64,
}

impl Machine {
    /// The one this program runs on.
    pub(crate) const HOST: Self = if cfg!(target_arch = "aarch64") { Self::Aarch64 } else { Self::X86_64 };

    /// Bytes of a stub that jumps to any address.
    pub(crate) const STUB_BYTES: usize = 16;

    /// Code that jumps to `target`, wherever that is.
    pub(crate) fn stub(self, target: u64) -> [u8; Self::STUB_BYTES] {
        let mut stub = [0; Self::STUB_BYTES];
        let jump: &[u8] = match self {
            // jmp [rip+2]; two bytes of padding.
            Self::X86_64 => &[0xff, 0x25, 2, 0, 0, 0, 0x0f, 0x0b],
            // ldr x16, #8; br x16.
            Self::Aarch64 => &[0x50, 0, 0, 0x58, 0, 2, 0x1f, 0xd6],
        };
        stub[..8].copy_from_slice(jump);
        stub[8..].copy_from_slice(&target.to_le_bytes());
        stub
    }
}

/// What a relocation wants to know of its symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wants {
    /// The address itself.
    Address,
    /// Something within reach that leads there: for functions outside the object, a stub.
    Reachable,
    /// The address of a table slot that holds the address.
    Slot,
}

/// What relocations of kind `r_type` want, or `None` for a kind that is not supported.
pub(crate) fn wants(machine: Machine, r_type: RelocationType) -> Option<Wants> {
    Some(match (machine, r_type) {
        (Machine::X86_64, elf::R_X86_64_64 | elf::R_X86_64_32 | elf::R_X86_64_32S | elf::R_X86_64_PC64) => {
            Wants::Address
        }
        (Machine::X86_64, elf::R_X86_64_PC32 | elf::R_X86_64_PLT32) => Wants::Reachable,
        (Machine::X86_64, elf::R_X86_64_GOTPCREL | elf::R_X86_64_GOTPCRELX | elf::R_X86_64_REX_GOTPCRELX) => {
            Wants::Slot
        }
        (Machine::Aarch64, elf::R_AARCH64_ABS64 | elf::R_AARCH64_PREL64) => Wants::Address,
        (
            Machine::Aarch64,
            elf::R_AARCH64_CALL26
            | elf::R_AARCH64_JUMP26
            | elf::R_AARCH64_PREL32
            | elf::R_AARCH64_ADR_PREL_PG_HI21
            | elf::R_AARCH64_ADD_ABS_LO12_NC
            | elf::R_AARCH64_LDST8_ABS_LO12_NC
            | elf::R_AARCH64_LDST16_ABS_LO12_NC
            | elf::R_AARCH64_LDST32_ABS_LO12_NC
            | elf::R_AARCH64_LDST64_ABS_LO12_NC
            | elf::R_AARCH64_LDST128_ABS_LO12_NC,
        ) => Wants::Reachable,
        (Machine::Aarch64, elf::R_AARCH64_ADR_GOT_PAGE | elf::R_AARCH64_LD64_GOT_LO12_NC) => Wants::Slot,
        _ => return None,
    })
}

/// Applies one relocation to the bytes from its place on. `value` is what [`wants`] asked for, plus the addend; `place` the address
/// of the first byte.
pub(crate) fn apply(
    machine: Machine,
    r_type: RelocationType,
    bytes: &mut [u8],
    value: u64,
    place: u64,
) -> Result<(), String> {
    let short = || "relocation runs over the end of its section".to_owned();
    let far = || format!("relocation {} at {place:#x} cannot reach {value:#x}", r_type.0);
    let relative = value.wrapping_sub(place) as i64;
    let mut write = |data: &[u8]| bytes.get_mut(..data.len()).map(|to| to.copy_from_slice(data)).ok_or_else(short);
    match machine {
        Machine::X86_64 => match r_type {
            elf::R_X86_64_64 => write(&value.to_le_bytes()),
            elf::R_X86_64_PC64 => write(&relative.to_le_bytes()),
            elf::R_X86_64_32 => write(&u32::try_from(value).map_err(|_| far())?.to_le_bytes()),
            elf::R_X86_64_32S => write(&i32::try_from(value as i64).map_err(|_| far())?.to_le_bytes()),
            elf::R_X86_64_PC32
            | elf::R_X86_64_PLT32
            | elf::R_X86_64_GOTPCREL
            | elf::R_X86_64_GOTPCRELX
            | elf::R_X86_64_REX_GOTPCRELX => write(&i32::try_from(relative).map_err(|_| far())?.to_le_bytes()),
            _ => Err(format!("relocation kind {} is not supported", r_type.0)),
        },
        Machine::Aarch64 => {
            let word = bytes
                .get(..4)
                .map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
                .ok_or_else(short)?;
            let mut patch = |mask: u32, bits: u32| {
                bytes[..4].copy_from_slice(&((word & !mask) | (bits & mask)).to_le_bytes());
                Ok(())
            };
            let low = (value & 0xfff) as u32;
            match r_type {
                elf::R_AARCH64_ABS64 => {
                    bytes.get_mut(..8).map(|to| to.copy_from_slice(&value.to_le_bytes())).ok_or_else(short)
                }
                elf::R_AARCH64_PREL64 => {
                    bytes.get_mut(..8).map(|to| to.copy_from_slice(&relative.to_le_bytes())).ok_or_else(short)
                }
                elf::R_AARCH64_PREL32 => patch(u32::MAX, i32::try_from(relative).map_err(|_| far())? as u32),
                elf::R_AARCH64_CALL26 | elf::R_AARCH64_JUMP26 => {
                    if !(-(1 << 27)..1 << 27).contains(&relative) {
                        return Err(far());
                    }
                    patch(0x03ff_ffff, (relative >> 2) as u32)
                }
                elf::R_AARCH64_ADR_PREL_PG_HI21 | elf::R_AARCH64_ADR_GOT_PAGE => {
                    let pages = ((value & !0xfff).wrapping_sub(place & !0xfff) as i64) >> 12;
                    if !(-(1 << 20)..1 << 20).contains(&pages) {
                        return Err(far());
                    }
                    let pages = pages as u32;
                    patch(0x60ff_ffe0, ((pages & 3) << 29) | ((pages >> 2 & 0x7_ffff) << 5))
                }
                elf::R_AARCH64_ADD_ABS_LO12_NC | elf::R_AARCH64_LDST8_ABS_LO12_NC => patch(0xfff << 10, low << 10),
                elf::R_AARCH64_LDST16_ABS_LO12_NC => patch(0xfff << 10, (low >> 1) << 10),
                elf::R_AARCH64_LDST32_ABS_LO12_NC => patch(0xfff << 10, (low >> 2) << 10),
                elf::R_AARCH64_LDST64_ABS_LO12_NC | elf::R_AARCH64_LD64_GOT_LO12_NC => {
                    patch(0xfff << 10, (low >> 3) << 10)
                }
                elf::R_AARCH64_LDST128_ABS_LO12_NC => patch(0xfff << 10, (low >> 4) << 10),
                _ => Err(format!("relocation kind {} is not supported", r_type.0)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(machine: Machine, r_type: RelocationType, word: u32, value: u64, place: u64) -> Result<u32, String> {
        let mut bytes = word.to_le_bytes();
        apply(machine, r_type, &mut bytes, value, place)?;
        Ok(u32::from_le_bytes(bytes))
    }

    #[test]
    fn x86_64_relative_and_absolute() {
        assert_eq!(applied(Machine::X86_64, elf::R_X86_64_PC32, 0, 0x1000, 0x2000), Ok(-0x1000i32 as u32));
        assert!(applied(Machine::X86_64, elf::R_X86_64_PLT32, 0, 1 << 40, 0).is_err());
        assert!(applied(Machine::X86_64, elf::R_X86_64_32, 0, 1 << 32, 0).is_err());
        assert_eq!(applied(Machine::X86_64, elf::R_X86_64_32S, 0, u64::MAX, 0), Ok(u32::MAX));
        let mut bytes = [0; 8];
        apply(Machine::X86_64, elf::R_X86_64_64, &mut bytes, 0x1122_3344_5566_7788, 0).unwrap();
        assert_eq!(u64::from_le_bytes(bytes), 0x1122_3344_5566_7788);
        assert!(apply(Machine::X86_64, elf::R_X86_64_64, &mut bytes[..7], 0, 0).is_err());
    }

    #[test]
    fn aarch64_instruction_fields() {
        // Words as GNU as and ld make them: bl forward 0x1000; adrp x0 two pages on; add x0, x0, #0x678.
        assert_eq!(applied(Machine::Aarch64, elf::R_AARCH64_CALL26, 0x9400_0000, 0x3000, 0x2000), Ok(0x9400_0400));
        assert_eq!(
            applied(Machine::Aarch64, elf::R_AARCH64_ADR_PREL_PG_HI21, 0x9000_0000, 0x4678, 0x2010),
            Ok(0xd000_0000)
        );
        assert_eq!(applied(Machine::Aarch64, elf::R_AARCH64_ADD_ABS_LO12_NC, 0x9100_0000, 0x4678, 0), Ok(0x9119_e000));
        assert_eq!(
            applied(Machine::Aarch64, elf::R_AARCH64_LDST64_ABS_LO12_NC, 0xf940_0000, 0x4678, 0),
            Ok(0xf943_3c00)
        );
        assert!(applied(Machine::Aarch64, elf::R_AARCH64_JUMP26, 0x1400_0000, 1 << 28, 0).is_err());
    }

    #[test]
    fn unknown_kinds_are_refused() {
        for machine in [Machine::X86_64, Machine::Aarch64] {
            assert_eq!(wants(machine, RelocationType(9999)), None);
            assert!(applied(machine, RelocationType(9999), 0, 0, 0).is_err());
        }
    }
}
