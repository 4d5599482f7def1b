//! Which thread is in which lane: the shapes of `%tid`, `%laneid` and their kin for one block shape.
//!
//! Program `p` runs the threads `p * lanes ..` of the block, in x-fastest order; lanes past the block's end are never active.

use super::shape::{Form, Shape};
use super::symbolic::{Parts, ScalarOp, Scalars, Sym};
use vgpu_ptx::ir::{RegWidth, SpecialReg};
use vgpu_types::Dim3;

/// The block shape a kernel is specialised on, and how it is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub(crate) block: Dim3,
    /// Threads per program; a power of two.
    pub(crate) lanes: u32,
    /// `gridDim * blockDim` is below 2^31 in each dimension.
    pub(crate) grid_in_i32: bool,
}

/// Uniform values that come from the launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Environment {
    /// Linear index of the program's first thread in the block.
    FirstThread,
    Ctaid(u8),
    Nctaid(u8),
}

/// Source of the uniform values.
pub(crate) trait EnvironmentScalars: Scalars {
    fn environment(&mut self, which: Environment) -> Self::V;
}

impl EnvironmentScalars for super::symbolic::NoScalars {
    fn environment(&mut self, _: Environment) {}
}

impl Geometry {
    pub(crate) fn threads(&self) -> u32 {
        self.block.volume() as u32
    }

    pub(crate) fn programs(&self) -> u32 {
        self.threads().div_ceil(self.lanes)
    }

    fn extent(&self, axis: u8) -> u32 {
        match axis {
            0 => self.block.x,
            1 => self.block.y,
            _ => self.block.z,
        }
    }

    /// The special register in parts; `None` when it has no better form than varying, or is not a matter of geometry.
    pub(crate) fn special<S: EnvironmentScalars>(&self, s: &mut S, register: SpecialReg) -> Option<Sym<S::V>> {
        let width = RegWidth::B32;
        match register {
            SpecialReg::Tid(axis) => self.thread_index(s, axis),
            SpecialReg::Ntid(axis) => Some(self.number(s, i64::from(self.extent(axis)))),
            SpecialReg::Ctaid(axis) => {
                let limit = self.grid_limit(axis) - 1;
                let value = s.environment(Environment::Ctaid(axis));
                Some(Sym::uniform(value, Shape::uniform(width).with_range(0, limit)))
            }
            SpecialReg::Nctaid(axis) => {
                let value = s.environment(Environment::Nctaid(axis));
                Some(Sym::uniform(value, Shape::uniform(width).with_range(1, self.grid_limit(axis))))
            }
            SpecialReg::LaneId if self.lanes >= 32 => Some(self.pattern(s, |lane| lane % 32)),
            SpecialReg::WarpId if self.lanes >= 32 => {
                let first = s.environment(Environment::FirstThread);
                let base = self.divide(s, first, 32);
                let align = (self.lanes / 32).trailing_zeros();
                Some(self.linear(base, |lane| lane / 32, i64::from(self.threads() / 32), align))
            }
            SpecialReg::NWarpId => Some(self.number(s, i64::from(self.threads().div_ceil(32)))),
            SpecialReg::LaneMaskEq if self.lanes >= 32 => Some(self.pattern(s, |lane| 1 << (lane % 32))),
            SpecialReg::LaneMaskLt if self.lanes >= 32 => Some(self.pattern(s, |lane| (1 << (lane % 32)) - 1)),
            SpecialReg::LaneMaskLe if self.lanes >= 32 => Some(self.pattern(s, |lane| (2 << (lane % 32)) - 1)),
            SpecialReg::LaneMaskGt if self.lanes >= 32 => Some(self.pattern(s, |lane| !((2 << (lane % 32)) - 1))),
            SpecialReg::LaneMaskGe if self.lanes >= 32 => Some(self.pattern(s, |lane| !((1 << (lane % 32)) - 1))),
            _ => None,
        }
    }

    fn grid_limit(&self, axis: u8) -> i64 {
        let most = if axis == 0 { i64::from(i32::MAX) } else { 65_535 };
        if self.grid_in_i32 { most.min(i64::from(i32::MAX) / i64::from(self.extent(axis))) } else { most }
    }

    fn thread_index<S: EnvironmentScalars>(&self, s: &mut S, axis: u8) -> Option<Sym<S::V>> {
        let (lanes, threads) = (self.lanes, self.threads());
        let stride = match axis {
            0 => 1,
            1 => self.block.x,
            _ => self.block.x * self.block.y,
        };
        let extent = self.extent(axis);
        if extent == 1 {
            return Some(self.number(s, 0));
        }
        let is_outermost = stride * extent == threads;
        let greatest = i64::from(extent - 1);
        let first = s.environment(Environment::FirstThread);
        if stride % lanes == 0 {
            // The index changes only between programs.
            let quotient = self.divide(s, first, stride);
            let value = if is_outermost { quotient } else { self.remainder(s, quotient, extent) };
            return Some(Sym::uniform(value, Shape::uniform(RegWidth::B32).with_range(0, greatest)));
        }
        if stride > 1 && lanes % stride != 0 {
            return None;
        }
        // Lane `l` is `l / stride` past the program's first.
        let step = lanes / stride;
        if (stride * extent).is_multiple_of(lanes) || is_outermost {
            let quotient = self.divide(s, first, stride);
            let base = if is_outermost { quotient } else { self.remainder(s, quotient, extent) };
            let greatest = greatest.max(i64::from(threads.next_multiple_of(lanes) / stride));
            return Some(self.linear(base, |lane| lane / i64::from(stride), greatest, step.trailing_zeros()));
        }
        if step % extent == 0 {
            return Some(self.pattern(s, |lane| lane / i64::from(stride) % i64::from(extent)));
        }
        None
    }

    fn number<S: Scalars>(&self, s: &mut S, value: i64) -> Sym<S::V> {
        Sym::uniform(s.constant(value, RegWidth::B32), Shape::constant(value, RegWidth::B32))
    }

    /// A constant per lane.
    fn pattern<S: Scalars>(&self, s: &mut S, f: impl Fn(i64) -> i64) -> Sym<S::V> {
        let base = s.constant(0, RegWidth::B32);
        let c: Vec<i64> = (0..i64::from(self.lanes)).map(|lane| i64::from(f(lane) as i32)).collect();
        let (lo, hi) = (c.iter().min().copied().unwrap_or(0), c.iter().max().copied().unwrap_or(0));
        let form = Form::Affine { c: c.into(), d: None };
        let shape = Shape { form, width: RegWidth::B32, lo, hi, align: 31 };
        Sym { shape, parts: Parts::Affine { base, scale: None } }
    }

    fn linear<V: Copy>(&self, base: V, f: impl Fn(i64) -> i64, greatest: i64, align: u32) -> Sym<V> {
        let c: Vec<i64> = (0..i64::from(self.lanes)).map(f).collect();
        if c.iter().all(|&c| c == 0) {
            return Sym::uniform(base, Shape::uniform(RegWidth::B32).with_range(0, greatest).with_align(align));
        }
        let form = Form::Affine { c: c.into(), d: None };
        let shape = Shape { form, width: RegWidth::B32, lo: 0, hi: greatest, align };
        Sym { shape, parts: Parts::Affine { base, scale: None } }
    }

    fn divide<S: Scalars>(&self, s: &mut S, a: S::V, divisor: u32) -> S::V {
        if divisor == 1 {
            return a;
        }
        let divisor = s.constant(i64::from(divisor), RegWidth::B32);
        s.arithmetic(ScalarOp::UDiv, a, divisor)
    }

    fn remainder<S: Scalars>(&self, s: &mut S, a: S::V, divisor: u32) -> S::V {
        let divisor = s.constant(i64::from(divisor), RegWidth::B32);
        s.arithmetic(ScalarOp::URem, a, divisor)
    }
}
