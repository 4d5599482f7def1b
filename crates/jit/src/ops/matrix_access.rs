//! `ldmatrix`, `stmatrix`, `wmma.load` and `wmma.store`: fragments to and from memory.
//!
//! Model: memory is read in *lines*, runs of neighbouring elements as long as the fragment's registers need them; a
//! constant permutation takes the lines to the registers, and is no instruction at all where the layout of the
//! register is that of memory (which is why hardware has chosen these layouts). Stores do the same backwards.
//!
//! * `ldmatrix`, `stmatrix`: a line is a row of an 8x8 matrix, 16 bytes, at the address of one lane.
//! * `wmma`: registers whose elements fill a rectangle of the matrix together ([`Tile`]) share its lines, which are
//!   `stride` elements apart; all lanes of a warp name the same address and stride.
//!
//! Source: PTX ISA 9.x, "ldmatrix", "stmatrix", "wmma.load", "wmma.store".

use super::matrix::{collect, lanes_of, transposed, warp_lanes};
use super::warp::{LaneResults, LaneValue, Warps, join};
use super::warp_atomic::Addresses;
use crate::llvm::{Builder, Function, IntOp, IntPredicate, Type, Value};
use vgpu_ptx::ir::fragment::Fragment;
use vgpu_ptx::ir::{MatrixAccess, WmmaAccess};

/// One warp's share of an operation's operands.
struct Call<'c> {
    /// How the function gets its addresses.
    form: &'static str,
    /// Address operands first, then the others.
    arguments: Vec<Value<'c>>,
    /// Number of address operands.
    n_addresses: u32,
    /// The last argument is the warp's active lanes.
    masked: bool,
}

fn call<'c>(warps: &Warps<'_, 'c>, warp: u32, addresses: Addresses<'c>, others: &[Value<'c>]) -> Call<'c> {
    let lanes = |vector| lanes_of(warps.builder, vector, warp * 32, 32);
    let (form, mut arguments) = match addresses {
        Addresses::Uniform(pointer) => ("one", vec![pointer]),
        Addresses::Offsets { base, offsets } => ("offsets", vec![base, lanes(offsets)]),
        Addresses::Each(addresses) => ("each", vec![lanes(addresses)]),
    };
    let n_addresses = arguments.len() as u32;
    arguments.extend(others);
    if let Some(mask) = warps.mask {
        let bits = warps.bits_per_warp(mask);
        arguments.push(if warps.n_warps() == 1 { bits } else { warps.builder.extract_lane(bits, warp) });
    }
    Call { form, arguments, n_addresses, masked: warps.mask.is_some() }
}

/// The inside of a function that accesses one warp's matrix.
struct Body<'a, 'c> {
    builder: &'a Builder<'c>,
    function: Function<'c>,
    n_addresses: u32,
    bits: Option<Value<'c>>,
}

impl<'c> Body<'_, 'c> {
    /// Returns `nothing` at once when no lane is active; leaves the builder where some are.
    fn skip_inactive_warps(&self, nothing: Option<Value<'c>>) {
        let (builder, context) = (self.builder, self.builder.context());
        let Some(bits) = self.bits else { return };
        let (some, none) = (self.function.append(context, "some"), self.function.append(context, "none"));
        builder.cond_branch(builder.icmp(IntPredicate::Eq, bits, bits.ty().zero()), none, some);
        builder.position(none);
        match nothing {
            Some(value) => builder.ret(value),
            None => builder.ret_void(),
        }
        builder.position(some);
    }

    /// The addresses of the first `n` lanes. An inactive lane, whose address may be anything, gets that of an active one.
    fn pointers(&self, n: u32) -> Vec<Value<'c>> {
        let (builder, context) = (self.builder, self.builder.context());
        let first = self.function.argument(0);
        let (base, vector) = match (self.n_addresses, first.ty().is_vector()) {
            (1, false) => return vec![first; n as usize],
            (1, true) => (None, first),
            _ => (Some(first), self.function.argument(1)),
        };
        let slot = builder.alloca(vector.ty(), "addresses");
        builder.store(vector, slot, 16);
        let item = vector.ty().scalar();
        // Volatile: the lanes are to be read from memory, which is what the slot is for.
        let read = |lane: Value<'c>| {
            let load = builder.load(item, builder.element(item, slot, lane), item.scalar_bits() / 8);
            builder.set_volatile(load);
            load
        };
        if let Some(bits) = self.bits {
            let leader = builder.intrinsic("llvm.cttz", &[bits.ty()], &[bits, context.int(1).all_ones()]);
            let leader = builder.splat(read(builder.zext(leader, context.int(64))), 32);
            let active = builder.reinterpret(bits, context.int(1).vector(32));
            builder.store(builder.select(active, vector, leader), slot, 16);
        }
        let pointer = |lane: u32| {
            let item = read(context.int(64).constant(u64::from(lane)));
            match base {
                Some(base) => builder.offset(base, builder.zext(item, context.int(64))),
                None => builder.int_to_ptr(item),
            }
        };
        (0..n).map(pointer).collect()
    }
}

/// The function of that name for these operands, and its result type.
fn access_function<'c>(
    warps: &Warps<'_, 'c>,
    name: &str,
    call: &Call<'c>,
    result: Option<Type<'c>>,
    body: impl FnOnce(&Body<'_, 'c>),
) -> Function<'c> {
    let name = format!("{name}.{}{}", call.form, if call.masked { ".masked" } else { "" });
    let params: Vec<_> = call.arguments.iter().map(|argument| argument.ty()).collect();
    let returned = result.unwrap_or_else(|| warps.context().void());
    warps.function(&name, returned, &params, |builder, function| {
        let bits = call.masked.then(|| function.argument(params.len() as u32 - 1));
        let inside = Body { builder, function, n_addresses: call.n_addresses, bits };
        inside.skip_inactive_warps(result.map(Type::zero));
        body(&inside);
    })
}

/// `ldmatrix`: `count` registers.
pub(super) fn ldmatrix<'c>(warps: &Warps<'_, 'c>, form: &MatrixAccess, addresses: Addresses<'c>) -> LaneResults<'c> {
    let result = warps.context().int(32).vector(32 * form.count);
    let name = format!("vgpu.ldmatrix.x{}{}", form.count, if form.transposed { ".trans" } else { "" });
    let load = |warp| {
        let call = call(warps, warp, addresses, &[]);
        let function = access_function(warps, &name, &call, Some(result), |body| {
            let builder = body.builder;
            let row = builder.context().int(32).vector(4);
            let rows: Vec<_> =
                body.pointers(8 * form.count).iter().map(|pointer| builder.load(row, *pointer, 16)).collect();
            let matrices: Vec<_> = rows
                .chunks(8)
                .map(|rows| {
                    let matrix = join(builder, rows);
                    if form.transposed { transpose(builder, matrix) } else { matrix }
                })
                .collect();
            builder.ret(join(builder, &matrices));
        });
        warps.builder.call(function, &call.arguments)
    };
    let per_warp: Vec<_> = (0..warps.n_warps()).map(load).collect();
    collect(warps, &per_warp, form.count)
}

/// `stmatrix` of `count` registers.
pub(super) fn stmatrix<'c>(
    warps: &Warps<'_, 'c>,
    form: &MatrixAccess,
    addresses: Addresses<'c>,
    registers: &[LaneValue<'c>],
) {
    let name = format!("vgpu.stmatrix.x{}{}", form.count, if form.transposed { ".trans" } else { "" });
    for warp in 0..warps.n_warps() {
        let registers: Vec<_> = registers.iter().map(|register| warp_lanes(warps, *register, warp)).collect();
        let call = call(warps, warp, addresses, &registers);
        let function = access_function(warps, &name, &call, None, |body| {
            let builder = body.builder;
            let pointers = body.pointers(8 * form.count);
            for (idx, rows) in pointers.chunks(8).enumerate() {
                let matrix = body.function.argument(body.n_addresses + idx as u32);
                let matrix = if form.transposed { transpose(builder, matrix) } else { matrix };
                for (row, pointer) in rows.iter().enumerate() {
                    builder.store(lanes_of(builder, matrix, row as u32 * 4, 4), *pointer, 16);
                }
            }
            builder.ret_void();
        });
        warps.builder.call(function, &call.arguments);
    }
}

/// An 8x8 matrix of 16-bit elements, `<32 x i32>`, transposed.
fn transpose<'c>(builder: &Builder<'c>, matrix: Value<'c>) -> Value<'c> {
    let halves = builder.reinterpret(matrix, builder.context().int(16).vector(64));
    builder.reinterpret(builder.permute(halves, (0..64).map(transposed)), matrix.ty())
}

/// A rectangle of a `wmma` matrix that some registers fill together. Positions count units along and across lines;
/// a unit is an element, or the 32 bits of a register for elements below 8 bits.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tile {
    /// First line, number of lines.
    lines: (u32, u32),
    /// First unit in the line, number of units.
    units: (u32, u32),
    /// Registers in it; for each, where each of its units (lane by lane) lies in the rectangle, line after line.
    registers: Vec<(u32, Vec<u32>)>,
}

/// The layout of a `wmma` fragment in memory.
struct Plan {
    tiles: Vec<Tile>,
    unit_bits: u32,
    registers: u32,
    register_bits: u32,
    /// Elements from line to line when the instruction gives no stride.
    default_stride: u32,
}

fn plan(form: &WmmaAccess) -> Plan {
    let layout = Fragment { role: form.role, shape: form.shape, ty: form.ty, row: form.row, wmma: true };
    let (element_bits, per_register) = (form.ty.bits(), layout.per_register());
    // Elements per unit, units per register.
    let (per_unit, units) = if element_bits < 8 { (per_register, 1) } else { (1, per_register) };
    let mut tiles: Vec<Tile> = Vec::new();
    for register in 0..layout.registers() {
        let positions: Vec<(u32, u32)> = (0..32)
            .flat_map(|lane| (0..units).map(move |unit| (lane, unit)))
            .map(|(lane, unit)| {
                let (row, column) = layout.position(lane, register, unit * per_unit);
                let (line, along) = if form.row { (row, column) } else { (column, row) };
                (line, along / per_unit)
            })
            .collect();
        let range = |values: &dyn Fn(&(u32, u32)) -> u32| {
            let first = positions.iter().map(values).min().expect("32 lanes");
            (first, positions.iter().map(values).max().expect("32 lanes") - first + 1)
        };
        // A register fills a rectangle, or every other column of one.
        let (mut lines, mut along) = (range(&|position| position.0), range(&|position| position.1));
        if lines.1 * along.1 > 32 * units {
            // Registers 2i and 2i + 1 share an 8x8 rectangle, whose corner may belong to the other one.
            lines.0 -= lines.0 % 8;
            along.0 -= along.0 % 8;
            (lines.1, along.1) = (8, 8);
        }
        let place = |(line, unit): &(u32, u32)| (line - lines.0) * along.1 + unit - along.0;
        let entry = (register, positions.iter().map(place).collect());
        match tiles.iter_mut().find(|tile| tile.lines == lines && tile.units == along) {
            Some(tile) => tile.registers.push(entry),
            None => tiles.push(Tile { lines, units: along, registers: vec![entry] }),
        }
    }
    let (rows, columns) = layout.extent();
    Plan {
        tiles,
        unit_bits: element_bits * per_unit,
        registers: layout.registers(),
        register_bits: layout.register_bits(),
        default_stride: if form.row { columns } else { rows },
    }
}

impl Plan {
    /// Pointers to the tile's lines: `start` is the matrix, `stride` counts elements of `element_bits` bits.
    fn lines<'c>(
        &self,
        builder: &Builder<'c>,
        tile: &Tile,
        start: Value<'c>,
        stride: Value<'c>,
        element_bits: u32,
    ) -> Vec<Value<'c>> {
        let constant = |value: u32| stride.ty().constant(u64::from(value));
        let along = builder.offset_by(start, i64::from(tile.units.0 * self.unit_bits / 8));
        let line = |line: u32| {
            let elements = builder.mul(stride, constant(tile.lines.0 + line));
            let bits = builder.mul(elements, constant(element_bits));
            builder.offset(along, builder.int(IntOp::LShr, bits, constant(3)))
        };
        (0..tile.lines.1).map(line).collect()
    }
}

/// The address operand of one warp as a pointer, and its stride in elements as 64 bits.
fn start_and_stride<'c>(
    warps: &Warps<'_, 'c>,
    warp: u32,
    addresses: Addresses<'c>,
    stride: Option<LaneValue<'c>>,
    default_stride: u32,
) -> (Value<'c>, Value<'c>) {
    let (builder, context) = (warps.builder, warps.context());
    let first = warp_leader(warps, warp);
    let pointer = match addresses {
        Addresses::Uniform(pointer) => pointer,
        Addresses::Offsets { base, offsets } => {
            builder.offset(base, builder.zext(builder.extract(offsets, first), context.int(64)))
        }
        Addresses::Each(addresses) => builder.int_to_ptr(builder.extract(addresses, first)),
    };
    let stride = match stride {
        None => context.int(32).constant(u64::from(default_stride)),
        Some(LaneValue::Uniform(scalar)) => scalar,
        Some(LaneValue::Varying(vector)) => builder.extract(vector, first),
    };
    let stride = builder.resize(stride, context.int(32), false);
    (pointer, builder.zext(stride, context.int(64)))
}

/// The first active lane of a warp (any lane when none is).
fn warp_leader<'c>(warps: &Warps<'_, 'c>, warp: u32) -> Value<'c> {
    let (builder, int) = (warps.builder, warps.context().int(32));
    let start = int.constant(u64::from(warp * 32));
    if warps.mask.is_none() {
        return start;
    }
    let bits = warps.active_bits();
    let bits = if warps.n_warps() == 1 { bits } else { builder.extract_lane(bits, warp) };
    let first = builder.intrinsic("llvm.cttz", &[int], &[bits, warps.context().int(1).zero()]);
    builder.add(start, builder.and(first, int.constant(31)))
}

fn wmma_name(operation: &str, form: &WmmaAccess) -> String {
    let [m, n, k] = form.shape;
    let order = if form.row { "row" } else { "col" };
    format!("vgpu.wmma.{operation}.{:?}.m{m}n{n}k{k}.{order}.{}", form.role, form.ty)
}

/// `wmma.load`.
pub(super) fn wmma_load<'c>(
    warps: &Warps<'_, 'c>,
    form: &WmmaAccess,
    addresses: Addresses<'c>,
    stride: Option<LaneValue<'c>>,
) -> LaneResults<'c> {
    let plan = plan(form);
    let result = warps.context().int(plan.register_bits).vector(32 * plan.registers);
    let load = |warp| {
        let (pointer, stride) = start_and_stride(warps, warp, addresses, stride, plan.default_stride);
        let call = call(warps, warp, Addresses::Uniform(pointer), &[stride]);
        let function = access_function(warps, &wmma_name("load", form), &call, Some(result), |body| {
            let (builder, context) = (body.builder, body.builder.context());
            let unit = context.int(plan.unit_bits);
            let register_type = context.int(plan.register_bits).vector(32);
            let mut registers = vec![register_type.poison(); plan.registers as usize];
            for tile in &plan.tiles {
                let start = body.function.argument(0);
                let lines = plan.lines(builder, tile, start, body.function.argument(1), form.ty.bits());
                let align = form.ty.bytes();
                let lines: Vec<_> =
                    lines.iter().map(|line| builder.load(unit.vector(tile.units.1), *line, align)).collect();
                let all = join(builder, &lines);
                for (register, places) in &tile.registers {
                    let units = builder.permute(all, places.iter().copied());
                    registers[*register as usize] = builder.reinterpret(units, register_type);
                }
            }
            builder.ret(join(builder, &registers));
        });
        warps.builder.call(function, &call.arguments)
    };
    let per_warp: Vec<_> = (0..warps.n_warps()).map(load).collect();
    collect(warps, &per_warp, plan.registers)
}

/// `wmma.store`: `sources` are the registers, then the stride when the instruction has one.
pub(super) fn wmma_store<'c>(
    warps: &Warps<'_, 'c>,
    form: &WmmaAccess,
    addresses: Addresses<'c>,
    sources: &[LaneValue<'c>],
) {
    let plan = plan(form);
    let (registers, stride) = sources.split_at(plan.registers as usize);
    for warp in 0..warps.n_warps() {
        let (pointer, stride) = start_and_stride(warps, warp, addresses, stride.first().copied(), plan.default_stride);
        let mut others = vec![stride];
        others.extend(registers.iter().map(|register| warp_lanes(warps, *register, warp)));
        let call = call(warps, warp, Addresses::Uniform(pointer), &others);
        let function = access_function(warps, &wmma_name("store", form), &call, None, |body| {
            let (builder, context) = (body.builder, body.builder.context());
            let unit = context.int(plan.unit_bits);
            let units_per_register = 32 * plan.register_bits / plan.unit_bits;
            for tile in &plan.tiles {
                let parts: Vec<_> = tile
                    .registers
                    .iter()
                    .map(|(register, _)| {
                        builder.reinterpret(body.function.argument(2 + register), unit.vector(units_per_register))
                    })
                    .collect();
                let all = join(builder, &parts);
                // For each place in the rectangle the unit that belongs there.
                let mut order = vec![0; (tile.lines.1 * tile.units.1) as usize];
                for (idx, (_, places)) in tile.registers.iter().enumerate() {
                    for (at, place) in places.iter().enumerate() {
                        order[*place as usize] = idx as u32 * units_per_register + at as u32;
                    }
                }
                let start = body.function.argument(0);
                let lines = plan.lines(builder, tile, start, body.function.argument(1), form.ty.bits());
                for (pointer, order) in lines.iter().zip(order.chunks(tile.units.1 as usize)) {
                    builder.store(builder.permute(all, order.iter().copied()), *pointer, form.ty.bytes());
                }
            }
            builder.ret_void();
        });
        warps.builder.call(function, &call.arguments);
    }
}
