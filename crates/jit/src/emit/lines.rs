//! Runs of lanes in whole cache lines, where a plain access would straddle two of them at a price.
//!
//! * Loads from shared memory at a place whose phase in its line is known when code is made: two aligned loads and a shuffle. What
//!   other threads of the program have just stored is mostly still in the store buffer, line by line: an aligned load gets it
//!   from there, one that straddles two stores waits until both are in the cache, and so are all older stores, which may
//!   miss it.
//! * Masked stores whose phase shows when the code runs: the lanes are rotated to their places in the line, and a second
//!   store takes those that lie in the next one, if there are any. A masked store that crosses a line takes several times as long
//!   even when all its lanes lie on one side, and holds up loads from the other side.
//!
//! * What the next block will access, in kernels whose programs wait for each other: their blocks are many short pieces of rows
//!   far apart, which hardware does not foresee, and too long for the processor to look ahead to the next. Each access of a
//!   run prefetches the same run one block further ([`crate::middle::advance`]). Where a block is one program, hardware does
//!   as well by itself.
//!
//! Only for AVX-512, where a register is a line. No byte is touched that lies in a line without an active lane.

use super::Emitter;
use crate::Isa;
use crate::llvm::{IntOp, IntPredicate, Value};
use crate::middle::advance::Advance;
use crate::middle::prepare::suspends;
use vgpu_ptx::ir::{Access, Inst, Operand, Space};

/// Bytes of a line, and of a register.
pub(super) const LINE: u32 = 64;

impl<'c> Emitter<'c, '_> {
    /// `mask` as integers of `per` bits each, first lanes first.
    fn mask_pieces(&self, mask: Value<'c>, per: u32) -> Vec<Value<'c>> {
        let total = mask.ty().lanes();
        let piece = |first: u32| {
            let lanes = if total == per { mask } else { self.b.permute(mask, first..first + per) };
            self.b.reinterpret(lanes, self.context.int(per))
        };
        (0..total).step_by(per as usize).map(piece).collect()
    }

    /// `n` elements of `bytes` bytes at `pointer`, which is `phase` bytes behind the start of a line. `None` where a plain load
    /// does as well.
    pub(super) fn load_lines(
        &mut self,
        bytes: u32,
        n: u32,
        pointer: Value<'c>,
        phase: u32,
        mask: Option<Value<'c>>,
    ) -> Option<Value<'c>> {
        let per = LINE / bytes;
        let phase = phase % LINE;
        if self.input.target.isa != Isa::Avx512 || phase == 0 || !phase.is_multiple_of(bytes) || !n.is_multiple_of(per)
        {
            return None;
        }
        let shift = phase / bytes;
        let line = self.context.int(bytes * 8).vector(per);
        let start = self.b.offset_by(pointer, -i64::from(phase));
        let pieces = mask.map(|mask| self.mask_pieces(mask, per));
        let n_pieces = n / per;
        let lines: Vec<Value<'c>> = (0..=n_pieces)
            .map(|idx| {
                let at = self.b.offset_by(start, i64::from(idx * LINE));
                let Some(pieces) = &pieces else { return self.b.load(line, at, LINE) };
                let bits = self.context.int(per);
                let high =
                    |from: u32| self.b.int(IntOp::LShr, pieces[from as usize], bits.constant(u64::from(per - shift)));
                let low = |from: u32| self.b.int(IntOp::Shl, pieces[from as usize], bits.constant(u64::from(shift)));
                let taking_part = match idx {
                    0 => low(0),
                    _ if idx == n_pieces => high(idx - 1),
                    _ => self.b.or(high(idx - 1), low(idx)),
                };
                let taking_part = self.b.reinterpret(taking_part, self.context.int(1).vector(per));
                let align = self.i32(LINE);
                self.b.intrinsic("llvm.masked.load", &[line, at.ty()], &[at, align, taking_part, line.zero()])
            })
            .collect();
        let joined = lines.windows(2).map(|pair| (per, self.b.shuffle(pair[0], pair[1], shift..shift + per)));
        Some(self.concatenate(joined.collect()))
    }

    /// Bytes from what this block accesses with `inst` to what the next one will, where that is known and worth a prefetch.
    pub(super) fn step_ahead(&self, inst: &Inst, access: &Access) -> Option<i64> {
        let far = matches!(access.space, Space::Global | Space::Generic);
        let Operand::Reg(address) = inst.srcs[0] else { return None };
        match self.input.advances.as_ref()?[address] {
            Advance::By(bytes) if bytes != 0 && far && !self.walks_tiles() => Some(bytes),
            _ => None,
        }
    }

    /// Inside a loop with barriers, which walks on from tile to tile by itself.
    fn walks_tiles(&self) -> bool {
        let program = self.input.program;
        program.loops.iter().filter(|found| (found.first..=found.last).contains(&self.current)).any(|found| {
            let blocks = &program.blocks[found.first..=found.last];
            blocks.iter().flat_map(|block| &block.insts).any(|inst| suspends(&inst.op))
        })
    }

    /// Prefetches what the next block, `step` bytes further, will access where this one accesses `bytes` bytes at `pointer`.
    pub(super) fn prefetch_ahead(&mut self, step: Option<i64>, pointer: Value<'c>, bytes: u32, for_store: bool) {
        let Some(step) = step else { return };
        for line in 1..=i64::from(bytes.div_ceil(LINE)) {
            // The run's end rather than its start: the start is often in a line that this block loads.
            let at = self.b.offset_by(pointer, step + line * i64::from(LINE) - 1);
            let (for_store, near, data) = (self.i32(u32::from(for_store)), self.i32(3), self.i32(1));
            self.b.intrinsic("llvm.prefetch", &[at.ty()], &[at, for_store, near, data]);
        }
    }

    /// Stores the lanes of `run` that `mask` names, line by line. False where a plain store does as well.
    pub(super) fn store_lines(&mut self, run: Value<'c>, pointer: Value<'c>, mask: Value<'c>) -> bool {
        let bits = run.ty().scalar_bits();
        let rotate = match bits {
            32 => "llvm.x86.avx512.permvar.si.512",
            64 => "llvm.x86.avx512.permvar.di.512",
            _ => return false,
        };
        let per = LINE * 8 / bits;
        let n = run.ty().lanes();
        if self.input.target.isa != Isa::Avx512 || !n.is_multiple_of(per) {
            return false;
        }
        let (i64_type, element) = (self.context.int(64), run.ty().scalar());
        let address = self.b.ptr_to_int(pointer);
        let phase = self.b.and(address, self.i64(i64::from(LINE - 1)));
        let phase = self.b.int(IntOp::LShr, phase, self.i64(i64::from((bits / 8).trailing_zeros())));
        let start = self.b.and(address, self.i64(-i64::from(LINE)));
        let start = self.b.int_to_ptr(start);
        // Lane `l` goes to place `l + phase`: place `p` takes lane `p - phase`, modulo the places of a line.
        let back = self.b.splat(self.b.resize(phase, element, false), per);
        let source = self.b.sub(element.constant_vector(0..i64::from(per)), back);
        let places = self.context.int(1).vector(per);
        let align = self.i32(LINE);
        for (idx, piece) in self.mask_pieces(mask, per).into_iter().enumerate() {
            let first = idx as u32 * per;
            let lanes = if n == per { run } else { self.b.permute(run, first..first + per) };
            let rotated = self.b.intrinsic(rotate, &[], &[lanes, source]);
            let wide = self.b.int(IntOp::Shl, self.b.zext(piece, i64_type), phase);
            let here = self.b.reinterpret(self.b.trunc(wide, self.context.int(per)), places);
            let at = self.b.offset_by(start, i64::from(idx as u32 * LINE));
            self.b.intrinsic("llvm.masked.store", &[rotated.ty(), at.ty()], &[rotated, at, align, here]);
            let beyond = self.b.int(IntOp::LShr, wide, self.i64(i64::from(per)));
            let (next, stored) = (self.new_block("next_line"), self.new_block("in_line"));
            let any = self.b.icmp(IntPredicate::Ne, beyond, beyond.ty().zero());
            self.b.cond_branch(any, next, stored);
            self.b.position(next);
            let beyond = self.b.reinterpret(self.b.trunc(beyond, self.context.int(per)), places);
            let at = self.b.offset_by(at, i64::from(LINE));
            self.b.intrinsic("llvm.masked.store", &[rotated.ty(), at.ty()], &[rotated, at, align, beyond]);
            self.b.branch(stored);
            self.b.position(stored);
        }
        true
    }
}
