//! Frame variables become registers where every access is at a constant place.
//!
//! A variable is promoted when its address goes nowhere but into loads and stores, and their pieces (offset, size) are equal or
//! disjoint: then each piece is a register. Addresses are followed through registers that are set once, as compilers
//! write `mov.u64 %SPL, depot; add.u64 %rd1, %SPL, 8; ld.local [%rd1]`. Argument variables of inlined calls go this way.

use super::prepare::{bits_type, new_reg};
use smallvec::smallvec;
use std::collections::{BTreeMap, HashMap};
use vgpu_ptx::ir::{Access, Cvt, FrameVarId, Function, Inst, IntBinary, Op, Operand, Reg, RegWidth, ScalarType, Space};
use vgpu_types::IndexVec;

/// Runs the pass.
pub(crate) fn promote(function: &mut Function) {
    if function.frame.is_empty() {
        return;
    }
    let addresses = constant_addresses(function);
    let pieces = find_pieces(function, &addresses);
    let mut registers: HashMap<(FrameVarId, i64), Reg> = HashMap::new();
    for (var, pieces) in pieces.iter_enumerated() {
        let Some(pieces) = pieces else { continue };
        for (&offset, &bytes) in pieces {
            let width = RegWidth::from_bits(bytes * 8).expect("pieces have the size of an element");
            registers.insert((var, offset), new_reg(function, width));
        }
        function.frame[var].size = 0;
    }
    let is_promoted = |var: FrameVarId| pieces[var].is_some();
    for block in function.blocks.indices() {
        let insts = std::mem::take(&mut function.blocks[block].insts);
        let mut out = Vec::with_capacity(insts.len());
        for mut inst in insts {
            resolve_address(&mut inst, &addresses);
            let place = access_of(&inst).and_then(|access| match inst.srcs[0] {
                Operand::Frame(var, offset) => Some((access, var, offset.wrapping_add(access.offset))),
                _ => None,
            });
            match place {
                Some((access, var, offset)) if is_promoted(var) => {
                    expand(function, &inst, &access, |idx| registers[&(var, offset + idx)], &mut out);
                }
                _ if defines_dead_address(&inst, &addresses, &is_promoted) => {}
                _ => out.push(inst),
            }
        }
        function.blocks[block].insts = out;
    }
}

fn access_of(inst: &Inst) -> Option<Access> {
    match inst.op {
        Op::Load(access) | Op::Store(access) => Some(access),
        _ => None,
    }
}

/// Registers that always hold the address of a frame variable plus a constant.
type Constants = HashMap<Reg, (FrameVarId, i64)>;

fn constant_addresses(function: &Function) -> Constants {
    let mut n_defs: IndexVec<Reg, u32> = IndexVec::filled(0, function.regs.len());
    let insts = || function.blocks.iter().flat_map(|block| &block.insts);
    insts().flat_map(|inst| &inst.dsts).for_each(|dst| n_defs[*dst] += 1);
    let mut known = Constants::new();
    loop {
        let before = known.len();
        for inst in insts() {
            let [dst] = inst.dsts.as_slice() else { continue };
            if n_defs[*dst] == 1
                && inst.guard.is_none()
                && function.regs[*dst] == RegWidth::B64
                && let Some(address) = derived_address(inst, &known)
            {
                known.insert(*dst, address);
            }
        }
        if known.len() == before {
            return known;
        }
    }
}

/// The address that an instruction computes, when it is a frame variable's plus a constant.
fn derived_address(inst: &Inst, known: &Constants) -> Option<(FrameVarId, i64)> {
    let of = |operand: Operand| match operand {
        Operand::Frame(var, offset) => Some((var, offset)),
        Operand::Reg(reg) => known.get(&reg).copied(),
        _ => None,
    };
    match (&inst.op, inst.srcs.as_slice()) {
        (Op::Mov(_), [a]) => of(*a),
        (Op::IntBinary(IntBinary::Add, _), [a, Operand::Imm(bits)] | [Operand::Imm(bits), a]) => {
            of(*a).map(|(var, offset)| (var, offset.wrapping_add(*bits as i64)))
        }
        _ => None,
    }
}

fn resolve_address(inst: &mut Inst, addresses: &Constants) {
    if let Some(access) = access_of(inst)
        && matches!(access.space, Space::Local | Space::Param)
        && let Operand::Reg(reg) = inst.srcs[0]
        && let Some(&(var, offset)) = addresses.get(&reg)
    {
        inst.srcs[0] = Operand::Frame(var, offset);
    }
}

/// An address computation that nobody needs once the accesses are gone.
fn defines_dead_address(inst: &Inst, addresses: &Constants, is_promoted: &impl Fn(FrameVarId) -> bool) -> bool {
    let [dst] = inst.dsts.as_slice() else { return false };
    addresses.get(dst).is_some_and(|&(var, _)| is_promoted(var)) && derived_address(inst, addresses).is_some()
}

/// Pieces of each variable by offset; `None` where it must stay in memory.
fn find_pieces(function: &Function, addresses: &Constants) -> IndexVec<FrameVarId, Option<BTreeMap<i64, u32>>> {
    let mut pieces: IndexVec<FrameVarId, Option<BTreeMap<i64, u32>>> =
        IndexVec::filled(Some(BTreeMap::new()), function.frame.len());
    for inst in function.blocks.iter().flat_map(|block| &block.insts) {
        if let Op::Call(_, args) | Op::CallIndirect(_, args) | Op::CallBuiltin(_, args) = &inst.op {
            args.params.iter().chain(&args.returns).for_each(|var| pieces[*var] = None);
        }
        let is_address = derived_address(inst, addresses).is_some()
            && inst.dsts.first().is_some_and(|dst| addresses.contains_key(dst));
        for (idx, src) in inst.srcs.iter().enumerate() {
            let (var, offset) = match *src {
                Operand::Frame(var, offset) => (var, offset),
                Operand::Reg(reg) => match addresses.get(&reg) {
                    Some(&found) => found,
                    None => continue,
                },
                _ => continue,
            };
            match access_of(inst) {
                Some(access) if idx == 0 && matches!(access.space, Space::Local | Space::Param) => {
                    let size = function.frame[var].size;
                    add_pieces(&mut pieces[var], &access, offset.wrapping_add(access.offset), size);
                }
                _ if is_address => {}
                _ => pieces[var] = None,
            }
        }
    }
    pieces
}

fn add_pieces(pieces: &mut Option<BTreeMap<i64, u32>>, access: &Access, offset: i64, size: u32) {
    let Some(found) = pieces else { return };
    let bytes = access.ty.bytes();
    for idx in 0..access.vector {
        let at = offset + i64::from(idx * bytes);
        let inside = at >= 0 && at + i64::from(bytes) <= i64::from(size);
        let clear = found.range(..at).next_back().is_none_or(|(start, len)| start + i64::from(*len) <= at)
            && found.range(at + 1..at + i64::from(bytes)).next().is_none();
        let agrees = found.get(&at).is_none_or(|len| *len == bytes);
        if !(inside && clear && agrees) {
            *pieces = None;
            return;
        }
        found.insert(at, bytes);
    }
}

/// A load or store as moves from or to the pieces' registers.
fn expand(function: &Function, inst: &Inst, access: &Access, piece: impl Fn(i64) -> Reg, out: &mut Vec<Inst>) {
    let bytes = i64::from(access.ty.bytes());
    let is_load = matches!(inst.op, Op::Load(_));
    for idx in 0..access.vector as usize {
        let piece = piece(idx as i64 * bytes);
        let width = function.regs[piece];
        let (dst, src, op) = if is_load {
            let dst = inst.dsts[idx];
            (dst, Operand::Reg(piece), conversion(width, function.regs[dst], access.ty.is_signed()))
        } else {
            let src = inst.srcs[1 + idx];
            let from = src.reg().map_or(width, |reg| function.regs[reg]);
            (piece, src, conversion(from, width, false))
        };
        out.push(Inst { op, dsts: smallvec![dst], srcs: smallvec![src], ..inst.clone() });
    }
}

/// Extends or truncates between register widths.
fn conversion(from: RegWidth, to: RegWidth, signed: bool) -> Op {
    if from == to {
        return Op::Mov(bits_type(to));
    }
    let integer = |width: RegWidth| match (width, signed) {
        (RegWidth::B8, false) => ScalarType::U8,
        (RegWidth::B8, true) => ScalarType::S8,
        (RegWidth::B16, false) => ScalarType::U16,
        (RegWidth::B16, true) => ScalarType::S16,
        (RegWidth::B32, false) => ScalarType::U32,
        (RegWidth::B32, true) => ScalarType::S32,
        (RegWidth::B64, false) => ScalarType::U64,
        (RegWidth::B64, true) => ScalarType::S64,
        (width, _) => bits_type(width),
    };
    Op::Cvt(Cvt {
        to: integer(to),
        from: integer(from),
        rounding: None,
        integral: false,
        ftz: false,
        saturate: false,
        satfinite: false,
        relu: false,
    })
}
