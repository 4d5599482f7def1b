//! `atom` and `red`: read-modify-write operations of all active lanes.
//!
//! Model. Each operation is one internal function per form (operation, type, address form, strength, with or without
//! result), called with the lanes' addresses and values. It takes one of three ways:
//! * *combined*: all active lanes name one address and the operation is associative: the lanes' values are combined first,
//!   memory changes once, and each lane's old value follows from the combination of the lanes before it;
//! * *transaction*: one address, any other operation (float addition, `exch`, `cas`, `inc`): the lanes' steps are
//!   done in lane order on a register, then memory changes once;
//! * *lane by lane*, in lane order.
//!
//! All three give what lanes executing one after another in lane order would give, bit for bit.
//! An operation that only threads of the block can see (shared memory, `.cta` scope) is *plain*: one worker
//! runs a block, so nobody comes between its load and its store.
//!
//! Does not: check addresses, or reorder float additions.
//! Source: PTX ISA 9.x, "atom", "red".

use super::matrix_convert::{from_f32, to_f32};
use super::warp::{Associative, LaneResults, LaneValue, Warps};
use crate::Target;
use crate::llvm::{Builder, FloatOp, Function, IntOp, IntPredicate, Ordering, RmwOp, Type, Value};
use vgpu_ptx::ir::{Atomic, AtomicOp, MemorySemantics, ScalarType, Scope, Space};

/// Host addresses of an access, the instruction's constant offset included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Addresses<'c> {
    /// All lanes name one address (a pointer).
    Uniform(Value<'c>),
    /// `base` (a pointer) plus an offset per lane in bytes (`<lanes x i32>`, unsigned).
    Offsets {
        /// Common to all lanes.
        base: Value<'c>,
        /// Per lane.
        offsets: Value<'c>,
    },
    /// An address per lane (`<lanes x i64>`).
    Each(Value<'c>),
}

impl<'c> Addresses<'c> {
    /// The same addresses `bytes` further on.
    fn offset_by(self, builder: &Builder<'c>, bytes: u32) -> Self {
        let more = i64::from(bytes);
        match self {
            Self::Uniform(pointer) => Self::Uniform(builder.offset_by(pointer, more)),
            Self::Offsets { base, offsets } => Self::Offsets { base: builder.offset_by(base, more), offsets },
            Self::Each(addresses) if bytes == 0 => Self::Each(addresses),
            Self::Each(addresses) => Self::Each(builder.add(addresses, addresses.ty().constant(u64::from(bytes)))),
        }
    }

    const fn form(self) -> &'static str {
        match self {
            Self::Uniform(_) => "one",
            Self::Offsets { .. } => "offsets",
            Self::Each(_) => "each",
        }
    }
}

/// Emits `atom` (with `want_result`) or `red`. `values` are the operands after the address: for each element of a
/// vector form its value; for `cas` the expected and the new value. Results are the elements' old values.
pub(crate) fn atomic<'c>(
    warps: &Warps<'_, 'c>,
    spec: &Atomic,
    addresses: Addresses<'c>,
    values: &[LaneValue<'c>],
    want_result: bool,
) -> LaneResults<'c> {
    let per_element = if spec.op == AtomicOp::Cas { 2 } else { 1 };
    let mut results = LaneResults::new();
    for (idx, values) in values.chunks_exact(per_element).enumerate() {
        let addresses = addresses.offset_by(warps.builder, idx as u32 * spec.ty.bytes());
        let old = element(warps, spec, addresses, values, want_result);
        if want_result {
            results.push(LaneValue::Varying(old));
        }
    }
    results
}

/// How strong the memory operations are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strength {
    Plain,
    Atomic(Ordering),
}

const fn strength(spec: &Atomic) -> Strength {
    if matches!(spec.space, Space::Shared) || matches!(spec.scope, Scope::Cta) {
        return Strength::Plain;
    }
    Strength::Atomic(match spec.semantics {
        MemorySemantics::Acquire => Ordering::Acquire,
        MemorySemantics::Release => Ordering::Release,
        MemorySemantics::AcquireRelease => Ordering::AcqRel,
        MemorySemantics::SeqCst => Ordering::SeqCst,
        MemorySemantics::Weak | MemorySemantics::Volatile | MemorySemantics::Relaxed | MemorySemantics::Mmio => {
            Ordering::Relaxed
        }
    })
}

fn element<'c>(
    warps: &Warps<'_, 'c>,
    spec: &Atomic,
    addresses: Addresses<'c>,
    values: &[LaneValue<'c>],
    want_result: bool,
) -> Value<'c> {
    let (builder, context, lanes) = (warps.builder, warps.context(), warps.lanes);
    let item = context.int(spec.ty.bits());
    let strength = strength(spec);
    let mut arguments = Vec::new();
    match addresses {
        Addresses::Uniform(pointer) => arguments.push(pointer),
        Addresses::Offsets { base, offsets } => arguments.extend([base, offsets]),
        Addresses::Each(addresses) => arguments.push(addresses),
    }
    let n_addresses = arguments.len() as u32;
    arguments.extend(values.iter().map(|value| value.value()));
    arguments.extend(warps.mask.map(|mask| warps.bits_per_warp(mask)));
    let shapes: String =
        values.iter().map(|value| if matches!(value, LaneValue::Uniform(_)) { 'u' } else { 'v' }).collect();
    let name = format!(
        "vgpu.{}.{:?}.{}.{strength:?}.{}.{shapes}.{lanes}{}",
        if want_result { "atom" } else { "red" },
        spec.op,
        spec.ty,
        addresses.form(),
        if warps.mask.is_some() { ".masked" } else { "" },
    );
    let params: Vec<_> = arguments.iter().map(|argument| argument.ty()).collect();
    let result = if want_result { item.vector(lanes) } else { context.void() };
    let function = warps.function(&name, result, &params, |builder, function| {
        if cfg!(target_arch = "x86_64") && spec.ty.bits() == 128 {
            // CMPXCHG16B: in every processor that matters, but not in LLVM's baseline, which would call a library.
            let separator = if warps.target.features.is_empty() { "" } else { "," };
            let features = format!("{}{separator}+cx16", warps.target.features);
            function.add_attribute(context, "target-features", &features);
        }
        let argument = |idx| function.argument(idx);
        let addresses = match addresses {
            Addresses::Uniform(_) => Addresses::Uniform(argument(0)),
            Addresses::Offsets { .. } => Addresses::Offsets { base: argument(0), offsets: argument(1) },
            Addresses::Each(_) => Addresses::Each(argument(0)),
        };
        let received = values.iter().enumerate().map(|(idx, value)| match value {
            LaneValue::Uniform(_) => LaneValue::Uniform(argument(n_addresses + idx as u32)),
            LaneValue::Varying(_) => LaneValue::Varying(argument(n_addresses + idx as u32)),
        });
        let body = Body {
            builder,
            function,
            target: warps.target,
            lanes,
            op: spec.op,
            ty: spec.ty,
            item,
            strength,
            values: received.collect(),
            bits: warps.mask.map(|_| argument(n_addresses + values.len() as u32)),
            want_result,
        };
        body.emit(addresses);
    });
    builder.call(function, &arguments)
}

/// The inside of one atomic function.
struct Body<'a, 'c> {
    builder: &'a Builder<'c>,
    function: Function<'c>,
    target: &'a Target,
    lanes: u32,
    op: AtomicOp,
    ty: ScalarType,
    item: Type<'c>,
    strength: Strength,
    values: Vec<LaneValue<'c>>,
    /// Active lanes, 32 bits per warp (begun ones too); `None` when all are.
    bits: Option<Value<'c>>,
    want_result: bool,
}

/// Stack slots of the function, so that lanes can be addressed by number.
#[derive(Clone, Copy)]
struct Slots<'c> {
    /// Offsets or addresses.
    addresses: Option<Value<'c>>,
    /// Varying values.
    values: [Option<Value<'c>>; 2],
    /// Active lanes.
    bits: Option<Value<'c>>,
    /// Old values.
    results: Option<Value<'c>>,
}

impl<'c> Body<'_, 'c> {
    fn int(&self, bits: u32) -> Type<'c> {
        self.builder.context().int(bits)
    }

    /// The active lanes as an integer with a bit per lane; `None` when all are.
    fn lane_bits(&self) -> Option<Value<'c>> {
        let ty = self.int(self.lanes);
        self.bits
            .map(|bits| if self.lanes < 32 { self.builder.trunc(bits, ty) } else { self.builder.reinterpret(bits, ty) })
    }

    fn block(&self, name: &str) -> crate::llvm::Label<'c> {
        self.function.append(self.builder.context(), name)
    }

    /// The operation as one on whole vectors, when it is associative.
    const fn associative(&self) -> Option<Associative> {
        if self.ty.is_float() {
            return None;
        }
        let signed = self.ty.is_signed();
        Some(match self.op {
            AtomicOp::Add => Associative::Int(IntOp::Add),
            AtomicOp::And => Associative::Int(IntOp::And),
            AtomicOp::Or => Associative::Int(IntOp::Or),
            AtomicOp::Xor => Associative::Int(IntOp::Xor),
            AtomicOp::Min => Associative::MinMax { signed, max: false },
            AtomicOp::Max => Associative::MinMax { signed, max: true },
            AtomicOp::Exch | AtomicOp::Cas | AtomicOp::Inc | AtomicOp::Dec => return None,
        })
    }

    /// LLVM's own atomic instruction, when there is one.
    const fn native(&self) -> Option<RmwOp> {
        let signed = self.ty.is_signed();
        match self.op {
            AtomicOp::Exch => return Some(RmwOp::Xchg),
            _ if self.ty.is_float() => return None,
            _ => {}
        }
        Some(match self.op {
            AtomicOp::Add => RmwOp::Add,
            AtomicOp::And => RmwOp::And,
            AtomicOp::Or => RmwOp::Or,
            AtomicOp::Xor => RmwOp::Xor,
            AtomicOp::Min if signed => RmwOp::Min,
            AtomicOp::Max if signed => RmwOp::Max,
            AtomicOp::Min => RmwOp::UMin,
            AtomicOp::Max => RmwOp::UMax,
            AtomicOp::Exch => RmwOp::Xchg,
            AtomicOp::Cas | AtomicOp::Inc | AtomicOp::Dec => return None,
        })
    }

    fn emit(&self, addresses: Addresses<'c>) {
        let builder = self.builder;
        let slots = self.spill(addresses);
        let some_active = self.block("some");
        let none_active = self.block("none");
        match self.lane_bits() {
            None => builder.branch(some_active),
            Some(any) => {
                let none = builder.icmp(IntPredicate::Eq, any, any.ty().zero());
                builder.cond_branch(none, none_active, some_active);
            }
        }
        builder.position(none_active);
        self.leave(slots);
        builder.position(some_active);
        let first = match addresses {
            Addresses::Uniform(pointer) => pointer,
            Addresses::Offsets { .. } | Addresses::Each(_) => {
                let (pointer, same) = self.first_address(addresses, slots);
                let (together, apart) = (self.block("together"), self.block("apart"));
                builder.cond_branch(same, together, apart);
                builder.position(apart);
                self.lane_by_lane(addresses, slots);
                builder.position(together);
                pointer
            }
        };
        match self.associative() {
            Some(combine) => self.combined(combine, first),
            None => self.transaction(first, slots),
        }
    }

    /// Puts the arguments that lanes are looked up in on the stack.
    fn spill(&self, addresses: Addresses<'c>) -> Slots<'c> {
        let builder = self.builder;
        let slot = |vector: Value<'c>, name| {
            let slot = builder.alloca(vector.ty(), name);
            builder.store(vector, slot, 16);
            slot
        };
        let lanes = |value: LaneValue<'c>| match value {
            LaneValue::Uniform(_) => None,
            LaneValue::Varying(vector) => Some(slot(vector, "values")),
        };
        Slots {
            addresses: match addresses {
                Addresses::Uniform(_) => None,
                Addresses::Offsets { offsets, .. } => Some(slot(offsets, "offsets")),
                Addresses::Each(addresses) => Some(slot(addresses, "addresses")),
            },
            values: [lanes(self.values[0]), self.values.get(1).copied().and_then(lanes)],
            bits: self.bits.map(|bits| slot(bits, "bits")),
            results: self.want_result.then(|| builder.alloca(self.item.vector(self.lanes), "results")),
        }
    }

    /// Returns what stands in the result slot.
    fn leave(&self, slots: Slots<'c>) {
        match slots.results {
            None => self.builder.ret_void(),
            Some(results) => self.builder.ret(self.builder.load(self.item.vector(self.lanes), results, 16)),
        }
    }

    /// Lane `lane` (64-bit) of a stack slot. Volatile: the lane is to be read from memory, which is what the slot is
    /// for, and not extracted from the vector.
    fn read_lane(&self, slot: Value<'c>, item: Type<'c>, lane: Value<'c>) -> Value<'c> {
        let load = self.builder.load(item, self.builder.element(item, slot, lane), item.scalar_bits() / 8);
        self.builder.set_volatile(load);
        load
    }

    fn address_of(&self, addresses: Addresses<'c>, slots: Slots<'c>, lane: Value<'c>) -> Value<'c> {
        let slot = || slots.addresses.expect("varying addresses were spilled");
        match addresses {
            Addresses::Uniform(pointer) => pointer,
            Addresses::Offsets { base, .. } => {
                let offset = self.read_lane(slot(), self.int(32), lane);
                self.builder.offset(base, self.builder.zext(offset, self.int(64)))
            }
            Addresses::Each(_) => self.builder.int_to_ptr(self.read_lane(slot(), self.int(64), lane)),
        }
    }

    fn values_of(&self, slots: Slots<'c>, lane: Value<'c>) -> Vec<Value<'c>> {
        let pairs = self.values.iter().zip(slots.values);
        pairs.map(|(value, slot)| slot.map_or(value.value(), |slot| self.read_lane(slot, self.item, lane))).collect()
    }

    fn write_result(&self, slots: Slots<'c>, lane: Value<'c>, old: Value<'c>) {
        if let Some(results) = slots.results {
            let align = self.item.scalar_bits() / 8;
            self.builder.store(old, self.builder.element(self.item, results, lane), align);
        }
    }

    /// The first active lane's address, and whether all active lanes have the same.
    fn first_address(&self, addresses: Addresses<'c>, slots: Slots<'c>) -> (Value<'c>, Value<'c>) {
        let builder = self.builder;
        let first_lane = match self.lane_bits() {
            None => self.int(64).zero(),
            Some(bits) => {
                let is_poison = self.int(1).all_ones();
                let first = builder.intrinsic("llvm.cttz", &[bits.ty()], &[bits, is_poison]);
                builder.resize(first, self.int(64), false)
            }
        };
        let first = self.address_of(addresses, slots, first_lane);
        let vector = match addresses {
            Addresses::Offsets { offsets: vector, .. } | Addresses::Each(vector) => vector,
            Addresses::Uniform(_) => return (first, self.int(1).all_ones()),
        };
        let slot = slots.addresses.expect("varying addresses were spilled");
        let leader = self.read_lane(slot, vector.ty().scalar(), first_lane);
        let differs = builder.icmp(IntPredicate::Ne, vector, builder.splat(leader, self.lanes));
        let mut differs = builder.reinterpret(differs, self.int(self.lanes));
        if let Some(bits) = self.lane_bits() {
            differs = builder.and(differs, bits);
        }
        (first, builder.icmp(IntPredicate::Eq, differs, differs.ty().zero()))
    }

    /// One address, associative operation: returns from the function.
    fn combined(&self, combine: Associative, pointer: Value<'c>) {
        let builder = self.builder;
        let mut vector = self.values[0].vector(builder, self.lanes);
        if let Some(bits) = self.lane_bits() {
            let active = builder.reinterpret(bits, self.int(1).vector(self.lanes));
            vector = builder.select(active, vector, combine.identity(vector.ty()));
        }
        let total = combine.reduce(builder, vector);
        let old = match (self.strength, self.native()) {
            (Strength::Atomic(order), Some(op)) => builder.atomic_rmw(op, pointer, total, order),
            _ => {
                let align = self.item.scalar_bits() / 8;
                let old = builder.load(self.item, pointer, align);
                builder.store(combine.apply(builder, old, total), pointer, align);
                old
            }
        };
        if self.want_result {
            let before = combine.scan_before(builder, vector);
            builder.ret(combine.apply(builder, builder.splat(old, self.lanes), before));
        } else {
            builder.ret_void();
        }
    }

    /// One address, any operation: returns from the function.
    fn transaction(&self, pointer: Value<'c>, slots: Slots<'c>) {
        let builder = self.builder;
        let align = self.item.scalar_bits() / 8;
        let start = builder.load(self.item, pointer, align);
        let Strength::Atomic(order) = self.strength else {
            let new = self.steps(start, slots);
            builder.store(new, pointer, align);
            return self.leave(slots);
        };
        // 128 bits: the first guess may be torn, the exchange tells.
        if self.item.scalar_bits() <= 64 {
            builder.set_atomic(start, Ordering::Relaxed);
        }
        let (before, retry, done) = (builder.block(), self.block("retry"), self.block("done"));
        builder.branch(retry);
        builder.position(retry);
        let old = builder.phi(self.item);
        builder.add_incoming(old, start, before);
        let new = self.steps(old, slots);
        let (found, exchanged) = builder.compare_exchange(pointer, old, new, order);
        builder.add_incoming(old, found, builder.block());
        builder.cond_branch(exchanged, done, retry);
        builder.position(done);
        self.leave(slots);
    }

    /// The active lanes' steps on a register, in lane order.
    fn steps(&self, start: Value<'c>, slots: Slots<'c>) -> Value<'c> {
        self.for_each_lane(slots, false, Some(start), |lane, current| {
            let current = current.expect("a register was given");
            self.write_result(slots, lane, current);
            Some(self.apply(current, &self.values_of(slots, lane)))
        })
        .expect("a register was given")
    }

    /// Any addresses, any operation: returns from the function.
    fn lane_by_lane(&self, addresses: Addresses<'c>, slots: Slots<'c>) {
        self.for_each_lane(slots, self.strength == Strength::Plain, None, |lane, _| {
            let pointer = self.address_of(addresses, slots, lane);
            let old = self.one(pointer, &self.values_of(slots, lane));
            self.write_result(slots, lane, old);
            None
        });
        self.leave(slots);
    }

    /// One lane's operation on memory; gives the old value.
    fn one(&self, pointer: Value<'c>, values: &[Value<'c>]) -> Value<'c> {
        let builder = self.builder;
        let align = self.item.scalar_bits() / 8;
        let Strength::Atomic(order) = self.strength else {
            let old = builder.load(self.item, pointer, align);
            builder.store(self.apply(old, values), pointer, align);
            return old;
        };
        if self.op == AtomicOp::Cas {
            return builder.compare_exchange(pointer, values[0], values[1], order).0;
        }
        // A 128-bit exchange is left to the loop: LLVM would call a library for it.
        if let Some(op) = self.native().filter(|_| self.item.scalar_bits() <= 64) {
            return builder.atomic_rmw(op, pointer, values[0], order);
        }
        let start = builder.load(self.item, pointer, align);
        if self.item.scalar_bits() <= 64 {
            builder.set_atomic(start, Ordering::Relaxed);
        }
        let (before, retry, done) = (builder.block(), self.block("retry"), self.block("done"));
        builder.branch(retry);
        builder.position(retry);
        let old = builder.phi(self.item);
        builder.add_incoming(old, start, before);
        let (found, exchanged) = builder.compare_exchange(pointer, old, self.apply(old, values), order);
        builder.add_incoming(old, found, builder.block());
        builder.cond_branch(exchanged, done, retry);
        builder.position(done);
        old
    }

    /// Runs `step` for each active lane in order, carrying a register along when one is given. `unroll`: a warp whose
    /// lanes are all active runs straight through.
    fn for_each_lane(
        &self,
        slots: Slots<'c>,
        unroll: bool,
        carried: Option<Value<'c>>,
        step: impl Fn(Value<'c>, Option<Value<'c>>) -> Option<Value<'c>>,
    ) -> Option<Value<'c>> {
        let builder = self.builder;
        let (int32, int64) = (self.int(32), self.int(64));
        let before = builder.block();
        let (each_warp, next_warp, done) = (self.block("warp"), self.block("next_warp"), self.block("done_lanes"));
        builder.branch(each_warp);
        builder.position(each_warp);
        let (n_warps, per_warp) = (self.lanes.div_ceil(32), self.lanes.min(32));
        let everyone = int32.constant(u64::from(u32::MAX >> (32 - per_warp)));
        let phi = |start: Value<'c>, from| {
            let phi = builder.phi(start.ty());
            builder.add_incoming(phi, start, from);
            phi
        };
        // One warp needs no loop.
        let warp = if n_warps == 1 { int64.zero() } else { phi(int64.zero(), before) };
        let register = carried.map(|start| if n_warps == 1 { start } else { phi(start, before) });
        let base = builder.mul(warp, int64.constant(32));
        let bits = slots.bits.map_or(everyone, |slot| self.read_lane(slot, int32, warp));

        // What the register holds when a warp is done, from each way through it.
        let mut ends = Vec::new();
        let full = builder.icmp(IntPredicate::Eq, bits, everyone);
        let (straight, by_bit) = (self.block("straight"), self.block("by_bit"));
        if unroll {
            builder.cond_branch(full, straight, by_bit);
        } else {
            builder.branch(by_bit);
        }
        builder.position(straight);
        if unroll {
            let mut current = register;
            for lane in 0..per_warp {
                current = step(builder.add(base, int64.constant(u64::from(lane))), current);
            }
            ends.push((builder.block(), current));
            builder.branch(next_warp);
        } else {
            builder.unreachable();
        }

        builder.position(by_bit);
        let start = builder.block();
        let (loop_head, loop_body) = (self.block("lanes"), self.block("lane"));
        builder.branch(loop_head);
        builder.position(loop_head);
        let rest = phi(bits, start);
        let loop_register = register.map(|value| phi(value, start));
        let finished = builder.icmp(IntPredicate::Eq, rest, int32.zero());
        ends.push((loop_head, loop_register));
        builder.cond_branch(finished, next_warp, loop_body);
        builder.position(loop_body);
        let lane = builder.intrinsic("llvm.cttz", &[int32], &[rest, self.int(1).all_ones()]);
        let after = step(builder.add(base, builder.zext(lane, int64)), loop_register);
        let lower = builder.sub(rest, int32.constant(1));
        builder.add_incoming(rest, builder.and(rest, lower), builder.block());
        if let (Some(phi), Some(after)) = (loop_register, after) {
            builder.add_incoming(phi, after, builder.block());
        }
        builder.branch(loop_head);

        builder.position(next_warp);
        let result = carried.map(|start| {
            let phi = builder.phi(start.ty());
            for (block, value) in &ends {
                builder.add_incoming(phi, value.expect("a register was given"), *block);
            }
            phi
        });
        if n_warps == 1 {
            builder.branch(done);
            builder.position(done);
            return result;
        }
        let following = builder.add(warp, int64.constant(1));
        builder.add_incoming(warp, following, next_warp);
        if let (Some(phi), Some(result)) = (register, result) {
            builder.add_incoming(phi, result, next_warp);
        }
        let last = builder.icmp(IntPredicate::Eq, following, int64.constant(u64::from(n_warps)));
        builder.cond_branch(last, done, each_warp);
        builder.position(done);
        result
    }

    /// The new value of one element.
    fn apply(&self, old: Value<'c>, values: &[Value<'c>]) -> Value<'c> {
        let builder = self.builder;
        let value = values[0];
        if let Some(combine) = self.associative() {
            return combine.apply(builder, old, value);
        }
        let one = || self.item.constant(1);
        match self.op {
            AtomicOp::Exch => value,
            AtomicOp::Cas => builder.select(builder.icmp(IntPredicate::Eq, old, value), values[1], old),
            AtomicOp::Inc => {
                let wraps = builder.icmp(IntPredicate::Uge, old, value);
                builder.select(wraps, self.item.zero(), builder.add(old, one()))
            }
            AtomicOp::Dec => {
                let is_zero = builder.icmp(IntPredicate::Eq, old, self.item.zero());
                let wraps = builder.or(is_zero, builder.icmp(IntPredicate::Ugt, old, value));
                builder.select(wraps, value, builder.sub(old, one()))
            }
            _ if self.ty.is_packed() => {
                let half = self.int(16);
                let upper = |value| builder.trunc(builder.int(IntOp::LShr, value, self.item.constant(16)), half);
                let low = self.float(self.ty.element(), builder.trunc(old, half), builder.trunc(value, half));
                let high = self.float(self.ty.element(), upper(old), upper(value));
                let high = builder.int(IntOp::Shl, builder.zext(high, self.item), self.item.constant(16));
                builder.or(high, builder.zext(low, self.item))
            }
            _ => self.float(self.ty, old, value),
        }
    }

    /// Float addition (to nearest even, subnormals kept), minimum or maximum of scalars.
    fn float(&self, ty: ScalarType, a: Value<'c>, b: Value<'c>) -> Value<'c> {
        let (builder, context) = (self.builder, self.builder.context());
        if self.op != AtomicOp::Add {
            return self.float_min_max(ty, a, b);
        }
        if ty == ScalarType::F64 {
            let sum = builder.float(FloatOp::Add, builder.bitcast(a, context.f64()), builder.bitcast(b, context.f64()));
            return builder.bitcast(sum, context.int(64));
        }
        // The sum of two narrow numbers in f32, rounded again, is the sum rounded once.
        let widen = |bits| to_f32(builder, self.target, ty, bits);
        from_f32(builder, self.target, ty, builder.float(FloatOp::Add, widen(a), widen(b)))
    }

    /// The number wins over NaN; -0 is below +0.
    fn float_min_max(&self, ty: ScalarType, a: Value<'c>, b: Value<'c>) -> Value<'c> {
        let builder = self.builder;
        let top = 1u64 << (ty.bits() - 1);
        let constant = |value| a.ty().constant(value);
        let (infinity, nan) = match ty {
            ScalarType::F16 => (0x7c00, 0x7fff),
            ScalarType::BF16 => (0x7f80, 0x7fff),
            ScalarType::F64 => (0x7ff0_0000_0000_0000, 0xfff8_0000_0000_0000),
            _ => (0x7f80_0000, 0x7fff_ffff),
        };
        let is_nan = |value| {
            let magnitude = builder.and(value, constant(top - 1));
            builder.icmp(IntPredicate::Ugt, magnitude, constant(infinity))
        };
        // Sign and magnitude as a signed integer of the same order.
        let key = |value| {
            let sign = builder.int(IntOp::AShr, value, constant(u64::from(ty.bits() - 1)));
            builder.xor(value, builder.and(sign, constant(top - 1)))
        };
        let predicate = if self.op == AtomicOp::Max { IntPredicate::Slt } else { IntPredicate::Sgt };
        let ordered = builder.select(builder.icmp(predicate, key(a), key(b)), b, a);
        let no_b = builder.select(is_nan(b), a, ordered);
        let both = builder.and(is_nan(a), is_nan(b));
        builder.select(both, constant(nan), builder.select(is_nan(a), b, no_b))
    }
}

#[cfg(test)]
#[path = "warp_atomic_tests.rs"]
mod tests;
