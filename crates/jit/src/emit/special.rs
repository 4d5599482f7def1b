//! Special registers, and addresses between the windows and the generic space.

use super::Emitter;
use crate::JitError;
use crate::abi::{BlockContext, LaunchContext, Services};
use crate::llvm::{IntOp, IntPredicate, Value};
use crate::middle::divergence::window_shape;
use crate::middle::shape::Shape;
use crate::middle::symbolic::{Parts, Sym, transfer};
use std::mem::offset_of;
use vgpu_ptx::ir::{Inst, IntBinary, Op, RegWidth, ScalarType, Space, SpecialReg};

impl<'c> Emitter<'c, '_> {
    pub(super) fn read_special(&mut self, inst: &Inst, register: SpecialReg) -> Result<(), JitError> {
        let dst = inst.dsts[0];
        let geometry = self.input.geometry;
        if let Some(sym) = geometry.special(self, register) {
            self.define(dst, sym);
            return Ok(());
        }
        let value = self.other_special(register);
        self.define_either(dst, value);
        Ok(())
    }

    fn launch_field(&self, offset: usize, bits: u32) -> Value<'c> {
        let at = self.b.offset_by(self.prologue.launch, offset as i64);
        self.b.load_invariant(self.context.int(bits), at, bits / 8)
    }

    fn other_special(&mut self, register: SpecialReg) -> Value<'c> {
        use crate::middle::geometry::Environment;
        let i32_type = self.context.int(32);
        let half = |cx: &Self, value: Value<'c>, high: bool| {
            let value = if high { cx.b.int(IntOp::LShr, value, cx.i64(32)) } else { value };
            cx.b.trunc(value, i32_type)
        };
        match register {
            SpecialReg::Tid(axis) => self.thread_index(axis),
            SpecialReg::LaneId => self.lane_in_warp(),
            SpecialReg::WarpId => {
                let first = self.load_variable(i32_type, self.prologue.first_thread);
                self.b.int(IntOp::UDiv, first, self.i32(32))
            }
            SpecialReg::LaneMaskEq
            | SpecialReg::LaneMaskLe
            | SpecialReg::LaneMaskLt
            | SpecialReg::LaneMaskGe
            | SpecialReg::LaneMaskGt => self.lane_mask_register(register),
            SpecialReg::SmId => {
                let at = self.b.offset_by(self.prologue.block_context, offset_of!(BlockContext, worker) as i64);
                self.b.load_invariant(i32_type, at, 4)
            }
            SpecialReg::NSmId => self.launch_field(offset_of!(LaunchContext, n_workers), 32),
            SpecialReg::GridId => self.launch_field(offset_of!(LaunchContext, grid_id), 64),
            SpecialReg::Clock64 => self.b.intrinsic("llvm.readcyclecounter", &[], &[]),
            SpecialReg::Clock | SpecialReg::ClockHi => {
                let clock = self.b.intrinsic("llvm.readcyclecounter", &[], &[]);
                half(self, clock, register == SpecialReg::ClockHi)
            }
            SpecialReg::GlobalTimer | SpecialReg::GlobalTimerLo | SpecialReg::GlobalTimerHi => {
                let ty = self.context.function_type(self.context.int(64), &[]);
                let timer = self.service(offset_of!(Services, global_timer));
                let now = self.b.call_pointer(ty, timer, &[]);
                match register {
                    SpecialReg::GlobalTimer => now,
                    _ => half(self, now, register == SpecialReg::GlobalTimerHi),
                }
            }
            SpecialReg::EnvReg(number @ (1 | 2)) => {
                let workspace = self.launch_field(offset_of!(LaunchContext, grid_workspace), 64);
                half(self, workspace, number == 1)
            }
            SpecialReg::DynamicSmemSize => self.launch_field(offset_of!(LaunchContext, dynamic_shared_bytes), 32),
            SpecialReg::TotalSmemSize | SpecialReg::AggrSmemSize => self.shared_bytes(),
            SpecialReg::ClusterId(axis) => self.prologue.environment[&Environment::Ctaid(axis)],
            SpecialReg::NClusterId(axis) => self.prologue.environment[&Environment::Nctaid(axis)],
            SpecialReg::ClusterNctaid(_) | SpecialReg::ClusterNctaRank => self.i32(1),
            other => self.int(other.width()).zero(),
        }
    }

    fn shared_bytes(&self) -> Value<'c> {
        let dynamic = self.launch_field(offset_of!(LaunchContext, dynamic_shared_bytes), 32);
        self.b.add(dynamic, self.i32(self.input.shared_static_bytes))
    }

    /// Linear thread index per lane.
    fn thread_numbers(&self) -> Value<'c> {
        let i32_type = self.context.int(32);
        let first = self.load_variable(i32_type, self.prologue.first_thread);
        let lanes = i32_type.constant_vector(0..i64::from(self.lanes));
        self.b.add(self.b.splat(first, self.lanes), lanes)
    }

    /// `%tid` for block shapes whose rows do not fit the lanes.
    fn thread_index(&self, axis: u8) -> Value<'c> {
        let block = self.input.geometry.block;
        let (stride, extent) = match axis {
            0 => (1, block.x),
            1 => (block.x, block.y),
            _ => (block.x * block.y, block.z),
        };
        let vector = self.vector_of(self.context.int(32));
        let constant = |value: u32| vector.constant(u64::from(value));
        let quotient = self.b.int(IntOp::UDiv, self.thread_numbers(), constant(stride));
        self.b.int(IntOp::URem, quotient, constant(extent))
    }

    pub(super) fn lane_in_warp(&self) -> Value<'c> {
        let threads = self.thread_numbers();
        self.b.and(threads, threads.ty().constant(31))
    }

    fn lane_mask_register(&self, register: SpecialReg) -> Value<'c> {
        let lane = self.lane_in_warp();
        let one = lane.ty().constant(1);
        let eq = self.b.int(IntOp::Shl, one, lane);
        let lt = self.b.sub(eq, one);
        match register {
            SpecialReg::LaneMaskEq => eq,
            SpecialReg::LaneMaskLt => lt,
            SpecialReg::LaneMaskLe => self.b.or(lt, eq),
            SpecialReg::LaneMaskGe => self.b.not(lt),
            _ => self.b.not(self.b.or(lt, eq)),
        }
    }

    /// A function pointer of the service table.
    pub(super) fn service(&self, offset: usize) -> Value<'c> {
        let at = self.b.offset_by(self.prologue.services, offset as i64);
        self.b.load_invariant(self.context.ptr(), at, 8)
    }

    /// The generic address of a window, in parts.
    fn window(&mut self, space: Space) -> Option<Sym<Value<'c>>> {
        let shape = window_shape(space, &self.input.geometry, self.input.addresses)?;
        let base = match space {
            Space::Shared => self.b.ptr_to_int(self.prologue.shared),
            _ => {
                let local = self.program_local();
                self.b.ptr_to_int(local)
            }
        };
        let parts = if shape.is_uniform() { Parts::Uniform(base) } else { Parts::Affine { base, scale: None } };
        Some(Sym { shape, parts })
    }

    pub(super) fn convert_address(&mut self, inst: &Inst, space: Space, to_generic: bool) -> Result<(), JitError> {
        let address = self.source(inst, 0);
        if address.shape.width != RegWidth::B64 {
            return Err(self.unsupported("cvta of a 32-bit address"));
        }
        let Some(window) = self.window(space) else {
            if space == Space::Param {
                return Err(self.unsupported("the generic address of a kernel parameter"));
            }
            self.define(inst.dsts[0], address);
            return Ok(());
        };
        let op = Op::IntBinary(if to_generic { IntBinary::Add } else { IntBinary::Sub }, ScalarType::U64);
        let args = [address, window];
        let sum = transfer(self, &op, &args, RegWidth::B64, self.lanes).unwrap_or_else(|| {
            let (a, w) = (self.vector(&args[0]), self.vector(&args[1]));
            let sum = if to_generic { self.b.add(a, w) } else { self.b.sub(a, w) };
            Sym { shape: Shape::varying(RegWidth::B64), parts: Parts::Varying(sum) }
        });
        self.define(inst.dsts[0], sum);
        Ok(())
    }

    pub(super) fn is_space(&mut self, inst: &Inst, space: Space) -> Result<(), JitError> {
        let sym = self.source(inst, 0);
        let address = match self.scalar(&sym) {
            Some(value) => value,
            None => self.vector(&sym),
        };
        let ty = address.ty();
        let scalar_or_splat =
            |cx: &Self, value: Value<'c>| if ty.is_vector() { cx.b.splat(value, cx.lanes) } else { value };
        let within = |cx: &Self, base: Value<'c>, bytes: Value<'c>| {
            let offset = cx.b.sub(address, scalar_or_splat(cx, base));
            cx.b.icmp(IntPredicate::Ult, offset, scalar_or_splat(cx, bytes))
        };
        let bytes = self.b.zext(self.shared_bytes(), self.context.int(64));
        let in_shared = within(self, self.b.ptr_to_int(self.prologue.shared), bytes);
        let local_bytes = self.input.addresses.local_bytes() * u64::from(self.input.geometry.threads());
        let in_local = within(self, self.b.ptr_to_int(self.prologue.local), self.i64(local_bytes as i64));
        let result = match space {
            Space::Shared => in_shared,
            Space::Local => in_local,
            Space::Global => self.b.not(self.b.or(in_shared, in_local)),
            _ => in_shared.ty().zero(),
        };
        self.define_either(inst.dsts[0], result);
        Ok(())
    }
}
