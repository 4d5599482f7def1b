//! `mma.sync`, `mma.sp`, `wmma.mma`: multiply two fragments and add a third.
//!
//! Model: the accumulators stay in the layout of the D fragment, one vector per element that a lane holds. For each `k` the
//! vectors of A and B elements that each accumulator lane needs are permuted out of the fragments by constant
//! shuffles (in today's layouts A is a broadcast within groups of four lanes, B a pattern that all groups share), and one
//! multiply-add per accumulator follows. Vectors have the machine's width, so that no shuffle is legalised badly.
//!
//! Numerics, the same as the interpreter's: the sum starts from `c` and takes `k` upwards with one fused multiply-add each,
//! in f32 for all narrow formats, in f64 for f64; an f16 result is rounded once. Integer products are summed
//! exactly; `.satfinite` clamps the final sum. Machines without FMA round twice per step in f32, which only differs where a bf16 or
//! tf32 product leaves the range of f32 (the manual allows it).
//!
//! Integer operands on x86 are multiplied in pairs of 16-bit numbers, bytes in fours where the processor has that
//! ([`super::warp_x86`]). The latter takes an unsigned and a signed operand: where both are of one kind, 128 is added to A or
//! taken from B, and the sum begins with what makes up for it. There is no such way for bf16: `VDPBF16PS` sums in another
//! order, flushes subnormals, and is no faster than two multiply-adds.
//!
//! Source: PTX ISA 9.x, "mma", "mma.sp", "wmma.mma".

use super::matrix::{collect, lanes_of, warp_lanes};
use super::matrix_convert::{from_f32, to_f32};
use super::matrix_sparse::Sparsity;
use super::warp::{LaneResults, LaneValue, Warps, join};
use super::{elementwise, warp_x86};
use crate::llvm::{Builder, FloatOp, IntOp, Type, Value};
use crate::{Isa, Target};
use std::collections::HashMap;
use vgpu_ptx::ir::fragment::Fragment;
use vgpu_ptx::ir::{BitMma, FloatMode, MatrixRole, Mma, Op, RegWidth, Rounding, ScalarType};

/// Where a fragment holds an element: lane, register, element in the register.
pub(super) type Place = (u32, u32, u32);

/// The layouts of one operation's fragments.
#[derive(Clone, Copy, Debug)]
struct Layouts {
    a: Fragment,
    b: Fragment,
    c: Fragment,
    d: Fragment,
}

impl Layouts {
    fn new(form: &Mma) -> Self {
        let [m, n, k] = form.shape;
        let layout = |role, ty: ScalarType, row, shape| Fragment { role, shape, ty, row, wmma: form.wmma };
        Self {
            a: layout(MatrixRole::A, form.a, form.a_row, [m, n, if form.sparse { k / 2 } else { k }]),
            b: layout(MatrixRole::B, form.b, form.b_row, form.shape),
            c: layout(MatrixRole::C, form.c, true, form.shape),
            d: layout(MatrixRole::D, form.d, true, form.shape),
        }
    }
}

/// Emits the operation for all warps. Sources: A, B and C registers, then metadata and selector of a sparse A.
pub(super) fn mma<'c>(warps: &Warps<'_, 'c>, form: &Mma, sources: &[LaneValue<'c>]) -> LaneResults<'c> {
    let layouts = Layouts::new(form);
    let n_registers = layouts.d.registers();
    let selector = form.sparse.then(|| {
        let operand = sources.last().and_then(|selector| selector.as_constant());
        operand.expect("the sparsity selector is an immediate") as u32
    });
    let n_vectors = sources.len() - usize::from(form.sparse);
    let register = |fragment: &Fragment| warps.context().int(fragment.register_bits());
    let result = register(&layouts.d).vector(32 * n_registers);
    let per_warp: Vec<_> = (0..warps.n_warps())
        .map(|warp| {
            let arguments: Vec<_> =
                sources[..n_vectors].iter().map(|source| warp_lanes(warps, *source, warp)).collect();
            let params: Vec<_> = arguments.iter().map(|argument| argument.ty()).collect();
            let function = warps.function(&name(form, selector), result, &params, |builder, function| {
                let arguments: Vec<_> = (0..params.len()).map(|idx| function.argument(idx as u32)).collect();
                let product = Product::new(builder, warps.target, form, layouts, selector, arguments);
                builder.ret(join(builder, &product.emit()));
            });
            warps.builder.call(function, &arguments)
        })
        .collect();
    collect(warps, &per_warp, n_registers)
}

fn name(form: &Mma, selector: Option<u32>) -> String {
    let [m, n, k] = form.shape;
    let order = |row| if row { "row" } else { "col" };
    format!(
        "vgpu.{}.m{m}n{n}k{k}.{}.{}.{}.{}.{}.{}{}{}{}{}",
        if form.wmma { "wmma" } else { "mma" },
        order(form.a_row),
        order(form.b_row),
        form.d,
        form.a,
        form.b,
        form.c,
        if form.satfinite { ".satfinite" } else { "" },
        form.bit_op.map_or(String::new(), |op| format!(".{op:?}")),
        selector.map_or(String::new(), |selector| format!(".sp{selector}")),
        if form.rounding == Rounding::NearestEven { String::new() } else { format!(".{:?}", form.rounding) },
    )
}

/// Whether a fused multiply-add is an instruction (else it would be a call per lane).
const fn has_fma(target: &Target) -> bool {
    !cfg!(target_arch = "x86_64") || matches!(target.isa, Isa::Avx2 | Isa::Avx512)
}

/// How products are formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arithmetic {
    /// f32 multiply-adds of one element each.
    Single,
    /// f64 multiply-adds.
    Double,
    /// 32-bit integer multiply-adds of one element each.
    Integer,
    /// x86: registers of narrow integers as pairs of 16-bit numbers.
    Pairs,
    /// x86: registers of four bytes.
    Quads,
    /// Registers of bits.
    Bits(BitMma),
}

/// An operand's registers, and the parts of them that products take, in vectors of the machine's width.
struct Operand<'c> {
    registers: Vec<Value<'c>>,
    ty: ScalarType,
    /// Place of each element by group of lanes, row and column.
    places: HashMap<(u32, u32, u32), Place>,
    /// Converted parts by register and part: chunk after chunk.
    parts: HashMap<(u32, u32), Vec<Value<'c>>>,
    /// Permuted vectors made before.
    gathered: HashMap<Vec<Place>, Value<'c>>,
}

impl<'c> Operand<'c> {
    fn new(layout: &Fragment, registers: &[Value<'c>]) -> Self {
        let mut places = HashMap::new();
        for lane in 0..32 {
            for register in 0..layout.registers() {
                for j in 0..layout.per_register() {
                    let (row, column) = layout.position(lane, register, j);
                    // Where registers hold copies the last one counts, as in the interpreter.
                    places.insert((group_of(layout, lane), row, column), (lane, register, j));
                }
            }
        }
        let registers = registers.to_vec();
        Self { registers, ty: layout.ty, places, parts: HashMap::new(), gathered: HashMap::new() }
    }
}

/// Which of the independent products of the operation the lane belongs to.
const fn group_of(layout: &Fragment, lane: u32) -> u32 {
    if layout.is_four_products() { Fragment::quad_pair(lane) } else { 0 }
}

struct Product<'a, 'c> {
    builder: &'a Builder<'c>,
    target: &'a Target,
    form: &'a Mma,
    layouts: Layouts,
    arithmetic: Arithmetic,
    /// Lanes of one machine vector.
    width: u32,
    a: Operand<'c>,
    b: Operand<'c>,
    c: Operand<'c>,
    sparsity: Option<Sparsity<'c>>,
    /// Dense vectors of a sparse A by rows and column.
    expanded: HashMap<(Vec<u32>, u32), Value<'c>>,
    /// What sums of bytes of one kind start from, by the vectors of the operand that it depends on.
    offsets: HashMap<Vec<Value<'c>>, Value<'c>>,
}

impl<'a, 'c> Product<'a, 'c> {
    fn new(
        builder: &'a Builder<'c>,
        target: &'a Target,
        form: &'a Mma,
        layouts: Layouts,
        selector: Option<u32>,
        arguments: Vec<Value<'c>>,
    ) -> Self {
        let (b_first, c_first) = (layouts.a.registers(), layouts.a.registers() + layouts.b.registers());
        let end = c_first + layouts.c.registers();
        let part = |from: u32, to: u32| &arguments[from as usize..to as usize];
        let arithmetic = match form.bit_op {
            Some(op) => Arithmetic::Bits(op),
            None if form.d == ScalarType::F64 => Arithmetic::Double,
            None if form.a.is_float() => Arithmetic::Single,
            None if !form.sparse && form.a.bits() == 8 && warp_x86::has_quad_products(target) => Arithmetic::Quads,
            None if !form.sparse && warp_x86::has_pair_products(target) => Arithmetic::Pairs,
            None => Arithmetic::Integer,
        };
        let vector_bits = match target.isa {
            Isa::Avx512 => 512,
            Isa::Avx2 => 256,
            Isa::Sse42 | Isa::Baseline => 128,
        };
        Self {
            builder,
            target,
            form,
            layouts,
            arithmetic,
            width: vector_bits / layouts.d.register_bits(),
            a: Operand::new(&layouts.a, part(0, b_first)),
            b: Operand::new(&layouts.b, part(b_first, c_first)),
            c: Operand::new(&layouts.c, part(c_first, end)),
            sparsity: selector
                .map(|selector| Sparsity::new(form.a.bits(), form.shape[2], selector, arguments[end as usize])),
            expanded: HashMap::new(),
            offsets: HashMap::new(),
        }
    }

    fn int(&self) -> Type<'c> {
        self.builder.context().int(32)
    }

    /// The whole operation: D registers.
    fn emit(mut self) -> Vec<Value<'c>> {
        let d = self.layouts.d;
        let elements: Vec<(u32, u32)> =
            (0..d.registers()).flat_map(|register| (0..d.per_register()).map(move |j| (register, j))).collect();
        // Elements of one step of the sum, and what a step takes from a register.
        let (step, n_parts) = match self.arithmetic {
            Arithmetic::Single | Arithmetic::Double | Arithmetic::Integer => (1, 1),
            Arithmetic::Bits(_) => (32, 1),
            Arithmetic::Quads => (4, 1),
            Arithmetic::Pairs => (32 / self.form.a.bits(), 16 / self.form.a.bits()),
        };
        // Accumulators by element and chunk.
        let mut sums: Vec<Vec<Value<'c>>> = Vec::new();
        for element in &elements {
            let chunks = self.chunks(*element).into_iter();
            sums.push(chunks.map(|positions| self.start(&positions)).collect());
        }
        for k in (0..self.form.shape[2]).step_by(step as usize) {
            for part in 0..n_parts {
                for (element, sum) in elements.iter().zip(&mut sums) {
                    for (positions, sum) in self.chunks(*element).into_iter().zip(sum) {
                        let a = self.a_at(&positions, k, part);
                        let b_places = self.places(&self.b, positions.iter().map(|(q, _, column)| (*q, k, *column)));
                        let b = self.gather(MatrixRole::B, b_places, part);
                        *sum = self.multiply_add(a, b, *sum);
                    }
                }
            }
        }
        let finished: Vec<Vec<Value<'c>>> = elements
            .iter()
            .zip(sums)
            .map(|(element, sum)| {
                let chunks = self.chunks(*element).into_iter();
                chunks.zip(sum).map(|(positions, sum)| self.finish(&positions, sum)).collect()
            })
            .collect();
        let per_register = d.per_register() as usize;
        finished.chunks(per_register).map(|elements| self.pack(elements)).collect()
    }

    /// For each machine vector of an accumulator the positions (group, row, column) of its lanes.
    fn chunks(&self, (register, j): (u32, u32)) -> Vec<Vec<(u32, u32, u32)>> {
        let d = &self.layouts.d;
        let positions: Vec<_> = (0..32)
            .map(|lane| {
                let (row, column) = d.position(lane, register, j);
                (group_of(d, lane), row, column)
            })
            .collect();
        positions.chunks(self.width as usize).map(<[_]>::to_vec).collect()
    }

    fn places(&self, operand: &Operand<'c>, positions: impl Iterator<Item = (u32, u32, u32)>) -> Vec<Place> {
        positions.map(|position| operand.places[&position]).collect()
    }

    /// A's elements at these rows and column `k`.
    fn a_at(&mut self, positions: &[(u32, u32, u32)], k: u32, part: u32) -> Value<'c> {
        let Some(sparsity) = self.sparsity.take() else {
            let places = self.places(&self.a, positions.iter().map(|(q, row, _)| (*q, *row, k)));
            return self.gather(MatrixRole::A, places, part);
        };
        let key = (positions.iter().map(|position| position.1).collect::<Vec<_>>(), k);
        if let Some(found) = self.expanded.get(&key) {
            let found = *found;
            self.sparsity = Some(sparsity);
            return found;
        }
        let builder = self.builder;
        let row_of = |lane: usize| positions[lane].1;
        let mut result = None;
        for candidate in sparsity.candidates(k) {
            let places: Vec<_> =
                positions.iter().map(|(q, row, _)| self.a.places[&(*q, *row, candidate.stored)]).collect();
            let stored = self.gather(MatrixRole::A, places, part);
            let here = sparsity.is_at(builder, &candidate, positions.len(), row_of);
            let before = result.unwrap_or_else(|| stored.ty().zero());
            result = Some(builder.select(here, stored, before));
        }
        self.sparsity = Some(sparsity);
        let result = result.expect("each column has a stored element that may stand there");
        self.expanded.insert(key, result);
        result
    }

    /// The vector whose lanes are the named elements.
    fn gather(&mut self, role: MatrixRole, mut places: Vec<Place>, part: u32) -> Value<'c> {
        let (builder, width) = (self.builder, self.width);
        if matches!(self.arithmetic, Arithmetic::Pairs | Arithmetic::Quads | Arithmetic::Bits(_))
            && role != MatrixRole::C
        {
            // The step is a whole register; its parts are numbered.
            places.iter_mut().for_each(|place| place.2 = part);
        }
        let operand = match role {
            MatrixRole::A => &self.a,
            MatrixRole::B => &self.b,
            MatrixRole::C | MatrixRole::D => &self.c,
        };
        if let Some(found) = operand.gathered.get(&places) {
            return *found;
        }
        let mut chunks = Vec::new();
        for (lane, register, j) in &places {
            let source = self.part(role, *register, *j)[(lane / width) as usize];
            if !chunks.contains(&source) {
                chunks.push(source);
            }
        }
        // Where each lane comes from: chunk and lane in it.
        let origin: Vec<(Value<'c>, u32)> = places
            .iter()
            .map(|(lane, register, j)| (self.part(role, *register, *j)[(lane / width) as usize], lane % width))
            .collect();
        let mut result = chunks[0];
        for (idx, chunk) in chunks.iter().enumerate().skip(usize::from(chunks.len() > 1)) {
            let known = &chunks[..idx];
            let pick = |(lane, (source, at)): (usize, &(Value<'c>, u32))| {
                if source == chunk {
                    if idx == 0 { *at } else { width + at }
                } else if idx == 1 && *source == chunks[0] {
                    *at
                } else if known.contains(source) {
                    lane as u32
                } else {
                    0
                }
            };
            let mask: Vec<u32> = origin.iter().enumerate().map(pick).collect();
            let is_identity = idx == 0 && mask.iter().enumerate().all(|(lane, at)| lane as u32 == *at);
            if !is_identity {
                result = builder.shuffle(result, if idx == 0 { result } else { *chunk }, mask);
            }
        }
        let operand = match role {
            MatrixRole::A => &mut self.a,
            MatrixRole::B => &mut self.b,
            MatrixRole::C | MatrixRole::D => &mut self.c,
        };
        operand.gathered.insert(places, result);
        result
    }

    /// Part `j` of a register of all lanes, as the products take it.
    fn part(&mut self, role: MatrixRole, register: u32, j: u32) -> Vec<Value<'c>> {
        let operand = match role {
            MatrixRole::A => &self.a,
            MatrixRole::B => &self.b,
            MatrixRole::C | MatrixRole::D => &self.c,
        };
        if let Some(chunks) = operand.parts.get(&(register, j)) {
            return chunks.clone();
        }
        let (whole, ty) = (operand.registers[register as usize], operand.ty);
        let converted = match self.arithmetic {
            Arithmetic::Pairs if role != MatrixRole::C => self.pairs(whole, ty, j),
            Arithmetic::Quads if role == self.moved_operand() => {
                self.builder.xor(whole, whole.ty().constant(0x8080_8080))
            }
            Arithmetic::Quads if role != MatrixRole::C => whole,
            Arithmetic::Bits(_) => whole,
            _ => self.element(whole, ty, j),
        };
        let chunks: Vec<_> = (0..32)
            .step_by(self.width as usize)
            .map(|start| lanes_of(self.builder, converted, start, self.width))
            .collect();
        let operand = match role {
            MatrixRole::A => &mut self.a,
            MatrixRole::B => &mut self.b,
            MatrixRole::C | MatrixRole::D => &mut self.c,
        };
        operand.parts.insert((register, j), chunks.clone());
        chunks
    }

    /// Element `j` of each lane's register: f32, f64 or i32.
    fn element(&self, register: Value<'c>, ty: ScalarType, j: u32) -> Value<'c> {
        let (builder, bits) = (self.builder, ty.bits());
        let shift = |op, by: u32| {
            if by == 0 { register } else { builder.int(op, register, register.ty().constant(u64::from(by))) }
        };
        if ty == ScalarType::F64 {
            return builder.bitcast(register, builder.context().f64());
        }
        if ty.is_float() {
            let element = builder.trunc(shift(IntOp::LShr, j * bits), builder.context().int(bits));
            return to_f32(builder, self.target, ty, element);
        }
        let top = shift(IntOp::Shl, 32 - bits - j * bits);
        let down = if ty.is_signed() { IntOp::AShr } else { IntOp::LShr };
        if bits == 32 { top } else { builder.int(down, top, top.ty().constant(u64::from(32 - bits))) }
    }

    /// Two elements of each register as 16-bit numbers: element `part` of its lower and of its upper half.
    fn pairs(&self, register: Value<'c>, ty: ScalarType, part: u32) -> Value<'c> {
        let (builder, bits) = (self.builder, ty.bits());
        let halves = builder.reinterpret(register, builder.context().int(16).vector(64));
        let constant = |by: u32| halves.ty().constant(u64::from(by));
        let top = builder.int(IntOp::Shl, halves, constant(16 - bits - part * bits));
        let down = if ty.is_signed() { IntOp::AShr } else { IntOp::LShr };
        builder.reinterpret(builder.int(down, top, constant(16 - bits)), register.ty())
    }

    /// The sum before the first product.
    fn start(&mut self, positions: &[(u32, u32, u32)]) -> Value<'c> {
        // Integer sums take `c` at the end, so that the clamp sees the exact sum.
        match self.arithmetic {
            Arithmetic::Single | Arithmetic::Double => self.addend(positions),
            Arithmetic::Quads => self.offset(positions),
            _ => self.int().vector(self.width).zero(),
        }
    }

    /// Of bytes, the operand that is moved to the other kind: A by +128 where both are signed, B by -128 where none is.
    fn moved_operand(&self) -> MatrixRole {
        match (self.form.a.is_signed(), self.form.b.is_signed()) {
            (true, true) => MatrixRole::A,
            (false, false) => MatrixRole::B,
            // Neither is: no fragment of the product has this role.
            _ => MatrixRole::D,
        }
    }

    /// What makes up for the move: 128 times the sum of the other operand's elements, taken away or added.
    fn offset(&mut self, positions: &[(u32, u32, u32)]) -> Value<'c> {
        let builder = self.builder;
        let zero = self.int().vector(self.width).zero();
        let moved = self.moved_operand();
        let mut others = Vec::new();
        for k in (0..self.form.shape[2]).step_by(4) {
            others.push(match moved {
                MatrixRole::A => {
                    let places = self.places(&self.b, positions.iter().map(|(q, _, column)| (*q, k, *column)));
                    self.gather(MatrixRole::B, places, 0)
                }
                MatrixRole::B => {
                    let places = self.places(&self.a, positions.iter().map(|(q, row, _)| (*q, *row, k)));
                    self.gather(MatrixRole::A, places, 0)
                }
                _ => return zero,
            });
        }
        if let Some(found) = self.offsets.get(&others) {
            return *found;
        }
        // Bytes of 128: as an unsigned operand +128, as a signed one -128.
        let by = zero.ty().constant(0x8080_8080);
        let sum = others.iter().fold(zero, |sum, other| {
            let (unsigned, signed) = if moved == MatrixRole::A { (by, *other) } else { (*other, by) };
            warp_x86::quad_product(builder, unsigned, signed, sum)
        });
        let offset = builder.sub(zero, sum);
        self.offsets.insert(others, offset);
        offset
    }

    fn addend(&mut self, positions: &[(u32, u32, u32)]) -> Value<'c> {
        let places = self.places(&self.c, positions.iter().copied());
        self.gather(MatrixRole::C, places, 0)
    }

    fn multiply_add(&self, a: Value<'c>, b: Value<'c>, sum: Value<'c>) -> Value<'c> {
        let builder = self.builder;
        match self.arithmetic {
            Arithmetic::Single if !has_fma(self.target) => {
                builder.float(FloatOp::Add, builder.float(FloatOp::Mul, a, b), sum)
            }
            Arithmetic::Double if self.form.rounding != Rounding::NearestEven => {
                let int = builder.context().int(64);
                let mode = FloatMode { rounding: self.form.rounding, ..FloatMode::default() };
                let op = Op::Fma(ScalarType::F64, mode);
                let sources = [a, b, sum].map(|value| builder.bitcast(value, int));
                let results = elementwise(builder, self.target, &op, &sources, &[RegWidth::B64]);
                let result = results.expect("fma is an element-wise operation")[0];
                builder.bitcast(result, builder.context().f64())
            }
            Arithmetic::Single | Arithmetic::Double => builder.intrinsic("llvm.fma", &[sum.ty()], &[a, b, sum]),
            Arithmetic::Integer => builder.add(builder.mul(a, b), sum),
            Arithmetic::Pairs => warp_x86::pair_product(builder, self.target, a, b, sum),
            // A is the signed operand only where B is unsigned.
            Arithmetic::Quads if self.form.a.is_signed() && !self.form.b.is_signed() => {
                warp_x86::quad_product(builder, b, a, sum)
            }
            Arithmetic::Quads => warp_x86::quad_product(builder, a, b, sum),
            Arithmetic::Bits(op) => {
                let both = if op == BitMma::XorPopc { builder.xor(a, b) } else { builder.and(a, b) };
                builder.add(builder.intrinsic("llvm.ctpop", &[both.ty()], &[both]), sum)
            }
        }
    }

    /// The bits of the result element.
    fn finish(&mut self, positions: &[(u32, u32, u32)], sum: Value<'c>) -> Value<'c> {
        let builder = self.builder;
        match self.arithmetic {
            Arithmetic::Single => from_f32(builder, self.target, self.form.d, sum),
            Arithmetic::Double => builder.bitcast(sum, builder.context().int(64)),
            _ => {
                let c = self.addend(positions);
                if self.form.satfinite {
                    builder.intrinsic("llvm.sadd.sat", &[sum.ty()], &[c, sum])
                } else {
                    builder.add(c, sum)
                }
            }
        }
    }

    /// A register from its elements (each chunk by chunk).
    fn pack(&self, elements: &[Vec<Value<'c>>]) -> Value<'c> {
        let builder = self.builder;
        let chunks: Vec<_> = (0..elements[0].len())
            .map(|chunk| {
                let bits = self.form.d.bits();
                let shifted = |(j, element): (usize, &Vec<Value<'c>>)| {
                    let wide = builder.resize(element[chunk], builder.context().int(bits.max(32)), false);
                    if j == 0 {
                        wide
                    } else {
                        builder.int(IntOp::Shl, wide, wide.ty().constant(j as u64 * u64::from(bits)))
                    }
                };
                let parts: Vec<_> = elements.iter().enumerate().map(shifted).collect();
                parts[1..].iter().fold(parts[0], |all, part| builder.or(all, *part))
            })
            .collect();
        join(builder, &chunks)
    }
}
