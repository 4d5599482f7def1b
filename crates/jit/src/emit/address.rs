//! From an address in parts to what a load or store can use: one place, runs of neighbouring lanes, or one pointer per lane.

use super::Emitter;
use super::lines::LINE;
use crate::llvm::{IntPredicate, Value};
use crate::middle::shape::{Form, LaneConstants};
use crate::middle::symbolic::{Parts, Sym};
use vgpu_ptx::ir::{Operand, RegWidth, Space};

/// Where the lanes access memory.
#[derive(Clone, Debug)]
pub(super) enum Place<'c> {
    /// All lanes at one pointer.
    Same(Value<'c>),
    /// Lane `l` at `base + c[l] + scale * d[l]` bytes.
    Strided(Strided<'c>),
    /// Strided where the 32-bit index does not wrap (`fits`), else at the pointers that `per_lane` gives.
    Checked { fits: Value<'c>, strided: Strided<'c>, exact: Box<Sym<Value<'c>>> },
    /// A pointer per lane.
    PerLane(PerLane<'c>),
}

/// `base + factor * extend(index)` with an index per lane.
#[derive(Clone, Copy, Debug)]
pub(super) struct PerLane<'c> {
    /// A pointer.
    pub(super) base: Value<'c>,
    /// 32 or 64 bits per lane.
    pub(super) index: Value<'c>,
    pub(super) factor: i64,
    pub(super) signed: bool,
}

/// Lane offsets that are constants, or constants times one run-time stride.
#[derive(Clone, Debug)]
pub(super) struct Strided<'c> {
    /// A pointer.
    pub(super) base: Value<'c>,
    pub(super) c: LaneConstants,
    /// A 64-bit stride in bytes and how often each lane takes it.
    pub(super) scaled: Option<(Value<'c>, LaneConstants)>,
    /// Where `base` lies in its cache line, in shared memory and where it is known.
    pub(super) phase: Option<u32>,
}

/// A run of lanes with one simple pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) first: u32,
    pub(super) len: u32,
    pub(super) kind: SegmentKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SegmentKind {
    /// Each lane right behind the one before.
    Contiguous,
    /// All lanes at one place.
    Broadcast,
}

impl Strided<'_> {
    /// Divides the lanes into segments of `bytes` per lane; `None` when some run is too short to pay.
    pub(super) fn segments(&self, bytes: i64) -> Option<Vec<Segment>> {
        let mut out = Vec::new();
        self.divide(0, self.c.len(), bytes, &mut out).then_some(out)
    }

    /// `len` lanes from `first` on access consecutive memory, `bytes` each.
    pub(super) fn is_run(&self, first: u32, len: u32, bytes: i64) -> bool {
        let lanes = first as usize..(first + len) as usize;
        let c = &self.c[lanes.clone()];
        let one_step = self.scaled.as_ref().is_none_or(|(_, d)| d[lanes].iter().all(|&x| x == d[first as usize]));
        one_step && c.iter().enumerate().all(|(lane, &at)| at == c[0] + lane as i64 * bytes)
    }

    fn divide(&self, first: usize, len: usize, bytes: i64, out: &mut Vec<Segment>) -> bool {
        const SHORTEST: usize = 4;
        let c = &self.c[first..first + len];
        let one_step = self.scaled.as_ref().is_none_or(|(_, d)| d[first..first + len].iter().all(|&x| x == d[first]));
        let kind = if !one_step {
            None
        } else if c.iter().enumerate().all(|(l, &x)| x == c[0] + l as i64 * bytes) {
            Some(SegmentKind::Contiguous)
        } else if c.iter().all(|&x| x == c[0]) {
            Some(SegmentKind::Broadcast)
        } else {
            None
        };
        if let Some(kind) = kind {
            out.push(Segment { first: first as u32, len: len as u32, kind });
            return true;
        }
        let half = len / 2;
        half >= SHORTEST && self.divide(first, half, bytes, out) && self.divide(first + half, half, bytes, out)
    }
}

/// Where the base of an affine address lies in its cache line, in a window that begins with one.
fn phase(address: &Sym<Value<'_>>, offset: i64) -> Option<u32> {
    let line = i64::from(LINE);
    let base = match address.parts {
        Parts::Affine { base, .. } => base.as_constant().map(|base| base as i64),
        _ => None,
    };
    let base = base.or_else(|| (1i64 << address.shape.align.min(62) >= line).then_some(0))?;
    Some(base.wrapping_add(offset).rem_euclid(line) as u32)
}

impl<'c> Emitter<'c, '_> {
    /// Where an access in `space` at `address + offset` takes place.
    pub(super) fn place(&mut self, space: Space, operand: &Operand, offset: i64) -> Place<'c> {
        let window = match (space, operand) {
            (Space::Param, Operand::Frame(..)) | (Space::Local, _) => Space::Local,
            (space, _) => space,
        };
        let address = self.operand(operand, RegWidth::B64);
        match window {
            Space::Shared => {
                let mut place = self.place_in(self.prologue.shared, &address, offset);
                if let Place::Strided(strided) = &mut place {
                    strided.phase = phase(&address, offset);
                }
                place
            }
            Space::Param => self.place_in(self.prologue.params, &address, offset),
            Space::Local => self.place_in_local(&address, offset),
            _ => {
                let null = self.b.int_to_ptr(self.i64(0));
                self.place_in(null, &address, offset)
            }
        }
    }

    /// The address as a place relative to a pointer. Addresses of 32 bits are offsets in a window smaller than 2 GiB.
    fn place_in(&mut self, window: Value<'c>, address: &Sym<Value<'c>>, offset: i64) -> Place<'c> {
        let i64_type = self.context.int(64);
        let pointer = |cx: &Self, base: Value<'c>| {
            let base = cx.b.sext(base, i64_type);
            let at = if window.is_constant() { cx.b.int_to_ptr(base) } else { cx.b.offset(window, base) };
            cx.b.offset_by(at, offset)
        };
        match (&address.parts, &address.shape.form) {
            (Parts::Uniform(base), _) => Place::Same(pointer(self, *base)),
            (Parts::Affine { base, scale }, Form::Affine { c, d }) => {
                let scaled = match (scale, d) {
                    (Some(scale), Some(d)) => Some((self.b.sext(*scale, i64_type), d.clone())),
                    _ => None,
                };
                Place::Strided(Strided { base: pointer(self, *base), c: c.clone(), scaled, phase: None })
            }
            (Parts::Indexed { base, index }, Form::Indexed { factor, signed, .. }) => {
                let base = pointer(self, *base);
                if let Parts::Varying(index) = index.parts {
                    return Place::PerLane(PerLane { base, index, factor: *factor, signed: *signed });
                }
                let (fits, strided) = self.checked_index(base, index, *factor, *signed);
                if fits.as_constant() == Some(1) {
                    return Place::Strided(strided);
                }
                let exact = Sym { shape: address.shape.clone(), parts: address.parts.clone() };
                let exact = self.with_offset(exact, window, offset);
                Place::Checked { fits, strided, exact: Box::new(exact) }
            }
            _ => {
                let index = self.vector(address);
                let base = self.b.offset_by(window, offset);
                Place::PerLane(PerLane { base, index, factor: 1, signed: true })
            }
        }
    }

    /// `base + index * factor` bytes per lane, as an address computation that gathers can use directly.
    fn scaled_pointers(&self, base: Value<'c>, index: Value<'c>, factor: i64) -> Value<'c> {
        match factor {
            1 => self.b.offset(base, index),
            2 | 4 | 8 => self.b.element(self.context.int(factor as u32 * 8), base, index),
            _ => self.b.offset(base, self.b.mul(index, index.ty().constant(factor as u64))),
        }
    }

    /// The exact value of an indexed address, moved by a window's base and an offset.
    fn with_offset(&self, mut sym: Sym<Value<'c>>, window: Value<'c>, offset: i64) -> Sym<Value<'c>> {
        if let Parts::Indexed { base, .. } = &mut sym.parts {
            let window = self.b.ptr_to_int(window);
            *base = self.b.add(self.b.add(*base, window), self.i64(offset));
        }
        sym
    }

    /// `base + factor * extend(index)` as a strided place, and whether that is exact for all lanes.
    fn checked_index(
        &mut self,
        base: Value<'c>,
        index: &Sym<Value<'c>>,
        factor: i64,
        signed: bool,
    ) -> (Value<'c>, Strided<'c>) {
        let i64_type = self.context.int(64);
        let (Parts::Affine { base: start, scale }, Form::Affine { c, d }) = (&index.parts, &index.shape.form) else {
            unreachable!("an index is varying or affine: a uniform one extends to a uniform value");
        };
        let (least, greatest) =
            (c.iter().min().copied().unwrap_or_default(), c.iter().max().copied().unwrap_or_default());
        let wide = self.b.resize(*start, i64_type, signed);
        let (lowest, highest) =
            if signed { (i64::from(i32::MIN), i64::from(i32::MAX)) } else { (0, i64::from(u32::MAX)) };
        let mut low = self.b.add(wide, self.i64(least));
        let mut high = self.b.add(wide, self.i64(greatest));
        let mut scaled = None;
        if let (Some(scale), Some(d)) = (scale, d) {
            let stride = self.b.sext(*scale, i64_type);
            let (few, many) =
                (d.iter().min().copied().unwrap_or_default(), d.iter().max().copied().unwrap_or_default());
            let (a, b) = (self.b.mul(stride, self.i64(few)), self.b.mul(stride, self.i64(many)));
            let a_first = self.b.icmp(IntPredicate::Slt, a, b);
            low = self.b.add(low, self.b.select(a_first, a, b));
            high = self.b.add(high, self.b.select(a_first, b, a));
            scaled = Some((self.b.mul(stride, self.i64(factor)), d.clone()));
        }
        // Without a stride one of the two tests is decided by the sign of the constants.
        let mut fits = self.context.int(1).constant(1);
        if scaled.is_some() || least < 0 {
            fits = self.b.and(fits, self.b.icmp(IntPredicate::Sge, low, self.i64(lowest)));
        }
        if scaled.is_some() || greatest > 0 {
            fits = self.b.and(fits, self.b.icmp(IntPredicate::Sle, high, self.i64(highest)));
        }
        let moved = self.b.mul(wide, self.i64(factor));
        let base = self.b.offset(base, moved);
        let c = c.iter().map(|&c| c.wrapping_mul(factor)).collect();
        (fits, Strided { base, c, scaled, phase: None })
    }

    /// An offset in each thread's local window: windows of neighbouring threads follow each other.
    fn place_in_local(&mut self, address: &Sym<Value<'c>>, offset: i64) -> Place<'c> {
        let i64_type = self.context.int(64);
        let stride = self.input.addresses.local_bytes() as i64;
        let windows: LaneConstants = (0..i64::from(self.lanes)).map(|lane| lane * stride).collect();
        let local = self.program_local();
        if let Some(base) = self.scalar(address) {
            let base = self.b.sext(base, i64_type);
            let base = self.b.offset_by(self.b.offset(local, base), offset);
            if self.lanes == 1 {
                return Place::Same(base);
            }
            return Place::Strided(Strided { base, c: windows, scaled: None, phase: None });
        }
        let vector = self.vector(address);
        let vector = self.b.sext(vector, i64_type);
        let windows = i64_type.constant_vector(windows.iter().map(|&window| window + offset));
        let index = self.b.add(vector, windows);
        Place::PerLane(PerLane { base: local, index, factor: 1, signed: true })
    }

    /// Local window of the program's first thread.
    pub(super) fn program_local(&mut self) -> Value<'c> {
        let first = self.load_variable(self.context.int(32), self.prologue.first_thread);
        let first = self.b.zext(first, self.context.int(64));
        let bytes = self.b.mul(first, self.i64(self.input.addresses.local_bytes() as i64));
        self.b.offset(self.prologue.local, bytes)
    }

    /// A pointer per lane, whatever the place.
    pub(super) fn pointers(&mut self, place: &Place<'c>) -> Value<'c> {
        match place {
            Place::Same(pointer) => self.b.splat(*pointer, self.lanes),
            Place::Strided(strided) => {
                let i64_type = self.context.int(64);
                let mut offsets = i64_type.constant_vector(strided.c.iter().copied());
                if let Some((stride, d)) = &strided.scaled {
                    let steps = i64_type.constant_vector(d.iter().copied());
                    offsets = self.b.add(offsets, self.b.mul(self.b.splat(*stride, self.lanes), steps));
                }
                self.b.offset(strided.base, offsets)
            }
            Place::Checked { exact, .. } => {
                let exact = self.vector(exact);
                self.b.int_to_ptr(exact)
            }
            Place::PerLane(PerLane { base, index, factor, signed }) => {
                let index = self.b.resize(*index, self.context.int(64), *signed);
                self.scaled_pointers(*base, index, *factor)
            }
        }
    }

    /// Where a segment's first lane lies in its cache line.
    pub(super) fn segment_phase(strided: &Strided<'c>, segment: Segment) -> Option<u32> {
        let lane = segment.first as usize;
        let is_scaled = strided.scaled.as_ref().is_some_and(|(_, d)| d[lane] != 0);
        let moved = i64::from(strided.phase.filter(|_| !is_scaled)?) + strided.c[lane];
        Some(moved.rem_euclid(i64::from(LINE)) as u32)
    }

    /// The pointer of a segment's first lane.
    pub(super) fn segment_pointer(&self, strided: &Strided<'c>, segment: Segment) -> Value<'c> {
        self.lane_pointer(strided, segment.first)
    }

    /// One lane's pointer.
    pub(super) fn lane_pointer(&self, strided: &Strided<'c>, lane: u32) -> Value<'c> {
        let lane = lane as usize;
        let base = self.b.offset_by(strided.base, strided.c[lane]);
        match &strided.scaled {
            Some((stride, d)) if d[lane] != 0 => self.b.offset(base, self.b.mul(*stride, self.i64(d[lane]))),
            _ => base,
        }
    }

    /// Each lane's offset in the block's shared memory, 32 bits: the window is smaller than that.
    pub(super) fn shared_offsets(&mut self, operand: &Operand, offset: i64) -> Value<'c> {
        let address = self.operand(operand, RegWidth::B64);
        let address = self.vector(&address);
        let address = self.b.resize(address, self.context.int(32), false);
        self.b.add(address, address.ty().constant(offset as u64))
    }

    /// Pointers for an operation that takes any address (`atom`, `cp.async`, matrices).
    pub(super) fn pointers_of(&mut self, space: Space, operand: &Operand, offset: i64) -> Value<'c> {
        let place = self.place(space, operand, offset);
        self.pointers(&place)
    }
}
