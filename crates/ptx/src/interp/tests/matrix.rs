//! Matrix operations on small whole numbers, which every format holds exactly, against the definition of a product.

use super::program::*;
use crate::interp::{LaunchConfig, Machine};
use crate::ir::fragment::Fragment;
use crate::ir::*;

/// The encoding of a small whole number.
fn encode(ty: ScalarType, value: i64) -> u64 {
    let float = value as f32;
    match ty {
        ScalarType::F64 => (value as f64).to_bits(),
        ScalarType::F32 | ScalarType::TF32 => u64::from(float.to_bits()),
        ScalarType::BF16 => u64::from(float.to_bits() >> 16),
        // 1 + fraction bits below the sign and exponent, exponent re-biased from f32; exact for these values.
        ScalarType::F16 => short(float, 5, 10),
        ScalarType::E5M2 => short(float, 5, 2),
        ScalarType::E4M3 => short(float, 4, 3),
        ty => value as u64 & (u64::MAX >> (64 - ty.bits())),
    }
}

fn short(value: f32, exponent_bits: u32, fraction_bits: u32) -> u64 {
    if value == 0.0 {
        return 0;
    }
    let bits = value.to_bits();
    let exponent = (bits >> 23 & 0xff) as i32 - 127 + (1 << (exponent_bits - 1)) - 1;
    let fraction = (bits & 0x7f_ffff) >> (23 - fraction_bits);
    u64::from(bits >> 31) << (exponent_bits + fraction_bits) | (exponent as u64) << fraction_bits | u64::from(fraction)
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 40
    }
}

/// A number that the type holds and whose products of 256 stay exact in its accumulator.
fn element(ty: ScalarType, random: &mut Random) -> i64 {
    let roll = random.next() as i64;
    match ty {
        ScalarType::B1 => roll & 1,
        ScalarType::U4 => roll & 15,
        ScalarType::S4 => (roll & 15) - 8,
        ScalarType::U8 => roll & 255,
        ScalarType::S8 => (roll & 255) - 128,
        _ => roll % 5 - 2,
    }
}

type Rows = Vec<Vec<i64>>;

fn matrix((rows, columns): (u32, u32), mut f: impl FnMut() -> i64) -> Rows {
    (0..rows).map(|_| (0..columns).map(|_| f()).collect()).collect()
}

/// Register contents of one lane.
fn registers(layout: &Fragment, rows: &Rows, lane: u32) -> Vec<u64> {
    let word = |register: u32| {
        (0..layout.per_register()).fold(0, |word, j| {
            let (row, column) = layout.position(lane, register, j);
            word | encode(layout.ty, rows[row as usize][column as usize]) << (j * layout.ty.bits())
        })
    };
    (0..layout.registers()).map(word).collect()
}

/// Runs one instruction on a warp: each lane loads its operands (8 bytes each) and stores its results.
fn run_on_warp(op: Op, operands: &[Vec<u64>], n_results: usize) -> Vec<Vec<u64>> {
    let n = operands[0].len();
    let width = |_| RegWidth::B64;
    let mut widths: Vec<RegWidth> = (0..2 + n + n_results).map(width).collect();
    widths[1] = RegWidth::B32;
    let mut kernel = Builder::new("k", FunctionKind::Kernel, &widths, &[8]);
    let slot = |i: usize| Access { offset: 8 * i as i64, ..access(Space::Global, ScalarType::U64) };
    let per_lane = 8 * (n + n_results) as u64;
    let mut code = vec![
        inst(Op::Load(access(Space::Param, ScalarType::U64)), &[r(0)], &[Operand::Param(0)]),
        inst(Op::ReadSpecial(SpecialReg::LaneId), &[r(1)], &[]),
        inst(
            Op::Mad { ty: ScalarType::U32, half: MulHalf::Wide, saturate: false },
            &[r(0)],
            &[reg(1), imm(per_lane), reg(0)],
        ),
    ];
    code.extend((0..n).map(|i| inst(Op::Load(slot(i)), &[r(2 + i as u32)], &[reg(0)])));
    let sources: Vec<Operand> = (0..n).map(|i| reg(2 + i as u32)).collect();
    let results: Vec<Reg> = (0..n_results).map(|i| r((2 + n + i) as u32)).collect();
    code.push(inst(op, &results, &sources));
    code.extend((0..n_results).map(|i| inst(Op::Store(slot(n + i)), &[], &[reg(0), reg((2 + n + i) as u32)])));
    kernel.block(code, Terminator::Return);
    let module = module(vec![kernel.function]);
    let mut machine = Machine::new(&module).expect("no variables");
    let memory = machine.memory.alloc(32 * per_lane);
    for (lane, values) in operands.iter().enumerate() {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        machine.memory.write(memory + per_lane * lane as u64, &bytes).expect("allocated");
    }
    machine.launch("k", LaunchConfig::new(1, 32), &memory.to_le_bytes()).unwrap_or_else(|fault| panic!("{fault}"));
    (0..32)
        .map(|lane| {
            let bytes = machine.memory.read(memory + per_lane * lane + 8 * n as u64, 8 * n_results as u64);
            let bytes = bytes.expect("allocated");
            bytes.chunks(8).map(|word| u64::from_le_bytes(word.try_into().expect("8 bytes"))).collect()
        })
        .collect()
}

const fn form(shape: [u32; 3], input: ScalarType, accumulator: ScalarType, wmma: bool) -> Mma {
    Mma {
        shape,
        a_row: true,
        b_row: false,
        d: accumulator,
        a: input,
        b: input,
        c: accumulator,
        wmma,
        satfinite: false,
        sparse: false,
        bit_op: None,
        rounding: Rounding::NearestEven,
    }
}

const fn layout(form: &Mma, role: MatrixRole, ty: ScalarType, row: bool) -> Fragment {
    Fragment { role, shape: form.shape, ty, row, wmma: form.wmma }
}

fn product(form: &Mma, a: &Rows, b: &Rows, c: &Rows) -> Rows {
    let term = |x: i64, y: i64| match form.bit_op {
        Some(BitMma::XorPopc) => x ^ y,
        Some(BitMma::AndPopc) => x & y,
        None => x * y,
    };
    let [m, n, k] = form.shape.map(|extent| extent as usize);
    let sum = |i: usize, j: usize| c[i][j] + (0..k).map(|k| term(a[i][k], b[k][j])).sum::<i64>();
    (0..m).map(|i| (0..n).map(|j| sum(i, j)).collect()).collect()
}

fn check(form: Mma) {
    let mut random = Random(7);
    let (a_layout, b_layout) =
        (layout(&form, MatrixRole::A, form.a, form.a_row), layout(&form, MatrixRole::B, form.b, form.b_row));
    let (c_layout, d_layout) = (layout(&form, MatrixRole::C, form.c, true), layout(&form, MatrixRole::D, form.d, true));
    // The oldest shape is four independent products, by groups of lanes.
    let n_products = if c_layout.is_four_products() { 4 } else { 1 };
    let problems: Vec<(Rows, Rows, Rows)> = (0..n_products)
        .map(|_| {
            (
                matrix(a_layout.extent(), || element(form.a, &mut random)),
                matrix(b_layout.extent(), || element(form.b, &mut random)),
                matrix(c_layout.extent(), || element(form.c, &mut random)),
            )
        })
        .collect();
    let problem_of = |lane: u32| if n_products == 1 { 0 } else { Fragment::quad_pair(lane) as usize };
    let operands: Vec<Vec<u64>> = (0..32)
        .map(|lane| {
            let (a, b, c) = &problems[problem_of(lane)];
            [registers(&a_layout, a, lane), registers(&b_layout, b, lane), registers(&c_layout, c, lane)].concat()
        })
        .collect();
    let results = run_on_warp(Op::Mma(form), &operands, d_layout.registers() as usize);
    for lane in 0..32 {
        let (a, b, c) = &problems[problem_of(lane)];
        let expected = registers(&d_layout, &product(&form, a, b, c), lane);
        assert_eq!(results[lane as usize], expected, "{form:?} lane {lane}");
    }
}

#[test]
fn dense_products_in_every_shape_and_type() {
    use ScalarType::{B1, BF16, E4M3, E5M2, F16, F32, F64, S4, S8, S32, TF32, U4, U8};
    let floats = [
        ([16, 8, 8], F16, F16),
        ([16, 8, 8], F16, F32),
        ([16, 8, 16], F16, F16),
        ([16, 8, 16], F16, F32),
        ([16, 8, 8], BF16, F32),
        ([16, 8, 16], BF16, F32),
        ([16, 8, 4], TF32, F32),
        ([16, 8, 8], TF32, F32),
        ([16, 8, 32], E4M3, F32),
        ([16, 8, 32], E5M2, F32),
        ([16, 8, 16], E4M3, F16),
        ([8, 8, 4], F64, F64),
        ([16, 8, 4], F64, F64),
        ([16, 8, 8], F64, F64),
        ([16, 8, 16], F64, F64),
        ([8, 8, 16], S8, S32),
        ([16, 8, 16], U8, S32),
        ([16, 8, 32], S8, S32),
        ([8, 8, 32], U4, S32),
        ([16, 8, 32], S4, S32),
        ([16, 8, 64], S4, S32),
    ];
    for (shape, input, accumulator) in floats {
        check(form(shape, input, accumulator, false));
    }
    check(Mma { b: U8, ..form([16, 8, 32], S8, S32, false) });
    check(Mma { a: E5M2, ..form([16, 8, 32], E4M3, F32, false) });
    for shape in [[8, 8, 128], [16, 8, 128], [16, 8, 256]] {
        for op in [BitMma::XorPopc, BitMma::AndPopc] {
            check(Mma { bit_op: Some(op), ..form(shape, B1, S32, false) });
        }
    }
    for (a_row, b_row) in [(false, false), (false, true), (true, false), (true, true)] {
        for (c, d) in [(F16, F16), (F16, F32), (F32, F16), (F32, F32)] {
            check(Mma { a_row, b_row, c, d, ..form([8, 8, 4], F16, F32, false) });
        }
    }
    for shape in [[16, 16, 16], [32, 8, 16], [8, 32, 16]] {
        for (c, d) in [(F16, F16), (F16, F32), (F32, F16), (F32, F32)] {
            check(Mma { c, d, ..form(shape, F16, F32, true) });
        }
        check(form(shape, BF16, F32, true));
        check(form(shape, S8, S32, true));
        check(form(shape, U8, S32, true));
    }
    check(form([16, 16, 8], TF32, F32, true));
    check(form([8, 8, 4], F64, F64, true));
    check(form([8, 8, 32], U4, S32, true));
    check(Mma { bit_op: Some(BitMma::XorPopc), ..form([8, 8, 128], B1, S32, true) });
}

/// A sparse product equals the dense product of the matrix that stored elements and metadata describe.
#[test]
fn sparse_products() {
    use ScalarType::{BF16, E4M3, F16, F32, S4, S8, S32, TF32, U8};
    // (shape, input, accumulator, number of selectors)
    let forms = [
        ([16, 8, 16], F16, F32, 4),
        ([16, 8, 32], F16, F16, 2),
        ([16, 8, 32], BF16, F32, 2),
        ([16, 8, 8], TF32, F32, 4),
        ([16, 8, 16], TF32, F32, 2),
        ([16, 8, 32], S8, S32, 2),
        ([16, 8, 64], U8, S32, 1),
        ([16, 8, 64], E4M3, F32, 1),
        ([16, 8, 64], S4, S32, 2),
        ([16, 8, 128], S4, S32, 1),
    ];
    for (shape, input, accumulator, selectors) in forms {
        for selector in 0..selectors {
            check_sparse(Mma { sparse: true, ..form(shape, input, accumulator, false) }, selector);
        }
    }
}

fn check_sparse(form: Mma, selector: u64) {
    let mut random = Random(selector + 3);
    let [m, n, k] = form.shape;
    let bits = form.a.bits();
    let span = match bits {
        32 => 2,
        4 => 8,
        _ => 4,
    };
    // For each row and span of columns: which units (elements, or pairs of 4-bit elements) are stored.
    let pairs = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)];
    let mut dense = vec![vec![0; k as usize]; m as usize];
    let mut stored = vec![Vec::new(); m as usize];
    // Metadata of a row: four bits per span.
    let mut metadata = vec![0u128; m as usize];
    for row in 0..m as usize {
        for group in 0..(k / span) as usize {
            let (first, second) = pairs[random.next() as usize % 6];
            let (code, kept): (u64, Vec<usize>) = match bits {
                32 if first % 2 == 0 => (0b0100, vec![0]),
                32 => (0b1110, vec![1]),
                4 => (
                    first | second << 2,
                    [first, second].iter().flat_map(|&p| [2 * p as usize, 2 * p as usize + 1]).collect(),
                ),
                _ => (first | second << 2, vec![first as usize, second as usize]),
            };
            metadata[row] |= u128::from(code) << (4 * group);
            for at in kept {
                let value = element(form.a, &mut random);
                dense[row][group * span as usize + at] = value;
                stored[row].push(value);
            }
        }
    }
    let a_layout = Fragment { shape: [m, n, k / 2], ..layout(&form, MatrixRole::A, form.a, true) };
    let b_layout = layout(&form, MatrixRole::B, form.b, false);
    let c_layout = layout(&form, MatrixRole::C, form.c, true);
    let b = matrix(b_layout.extent(), || element(form.b, &mut random));
    let c = matrix(c_layout.extent(), || element(form.c, &mut random));
    // Words of a row, 16 or 32 bits; lane `g * 4 + first + i` holds what the figures of the manual show.
    let word = |row: usize, at: u32, width: u32| (metadata[row] >> (at * width)) as u64 & ((1 << width) - 1);
    // Lanes of a group of four that hold metadata.
    let lanes_used = if bits >= 16 { k / (4 * span) } else { 2 * k / (8 * span) };
    let operands: Vec<Vec<u64>> = (0..32u32)
        .map(|lane| {
            let (g, t) = ((lane / 4) as usize, lane % 4);
            let own = t.checked_sub(selector as u32 * lanes_used).filter(|&i| i < lanes_used);
            let meta = match own {
                // Lanes that the selector does not name hold nonsense.
                None => 0xdead_beef,
                Some(i) if bits >= 16 => word(g, i, 16) | word(g + 8, i, 16) << 16,
                Some(i) => word(g + 8 * (i as usize % 2), i / 2, 32),
            };
            let mut values = registers(&a_layout, &stored, lane);
            values.extend(registers(&b_layout, &b, lane));
            values.extend(registers(&c_layout, &c, lane));
            values.extend([meta, selector]);
            values
        })
        .collect();
    let results = run_on_warp(Op::Mma(form), &operands, c_layout.registers() as usize);
    let expected = product(&form, &dense, &b, &c);
    for lane in 0..32 {
        assert_eq!(results[lane as usize], registers(&c_layout, &expected, lane), "{form:?} {selector} lane {lane}");
    }
}

#[test]
fn integer_overflow_wraps_or_clamps() {
    let wrapping = form([8, 8, 16], ScalarType::S8, ScalarType::S32, false);
    // 16 products of 127 * 127 on top of the largest number.
    let sum = 0x7fff_ffff + 16 * 127 * 127;
    for (form, expected) in [(wrapping, sum), (Mma { satfinite: true, ..wrapping }, 0x7fff_ffff)] {
        let operands = vec![vec![0x7f7f_7f7f, 0x7f7f_7f7f, 0x7fff_ffff, 0x7fff_ffff]; 32];
        assert_eq!(run_on_warp(Op::Mma(form), &operands, 2), vec![vec![expected; 2]; 32]);
    }
}

#[test]
fn movmatrix_transposes() {
    // Element (row, column) is 16 * row + column.
    let at = |row: u64, column: u64| 16 * row + column;
    let pair =
        |lane: u64, f: &dyn Fn(u64, u64) -> u64| f(lane / 4, 2 * (lane % 4)) | f(lane / 4, 2 * (lane % 4) + 1) << 16;
    let operands: Vec<Vec<u64>> = (0..32).map(|lane| vec![pair(lane, &at)]).collect();
    let expected: Vec<Vec<u64>> = (0..32).map(|lane| vec![pair(lane, &|row, column| at(column, row))]).collect();
    assert_eq!(run_on_warp(Op::MovMatrix, &operands, 1), expected);
}

/// Rows are written to shared memory with `stmatrix` and read back with `ldmatrix`, transposed or not.
#[test]
fn matrices_through_shared_memory() {
    for count in [1, 2, 4] {
        for (transposed_store, transposed_load) in [(false, false), (true, false), (false, true), (true, true)] {
            let access = |transposed| MatrixAccess { count, transposed, space: Space::Shared, offset: 0 };
            let mut kernel = Builder::new("k", FunctionKind::Kernel, &[RegWidth::B32; 12], &[8]);
            kernel.function.regs[r(11)] = RegWidth::B64;
            let n = count as usize;
            let values: Vec<Reg> = (2..2 + count).map(r).collect();
            let loaded: Vec<Reg> = (6..6 + count).map(r).collect();
            let mut code = vec![
                inst(Op::ReadSpecial(SpecialReg::LaneId), &[r(0)], &[]),
                inst(Op::IntBinary(IntBinary::MulLo, ScalarType::U32), &[r(1)], &[reg(0), imm(16)]),
                inst(Op::Load(super::program::access(Space::Param, ScalarType::U64)), &[r(11)], &[Operand::Param(0)]),
            ];
            // Lane l holds in register i the elements 2 l and 2 l + 1 of matrix i, numbered from 100 i.
            for (i, &value) in values.iter().enumerate() {
                let mul = Op::Mad { ty: ScalarType::U32, half: MulHalf::Lo, saturate: false };
                let base = 100 * i as u64;
                code.push(inst(mul, &[value], &[reg(0), imm(0x0002_0002), imm(base | (base + 1) << 16)]));
            }
            let sources: Vec<Operand> =
                std::iter::once(reg(1)).chain(values.iter().map(|&value| Operand::Reg(value))).collect();
            code.push(inst(Op::StMatrix(access(transposed_store)), &[], &sources));
            code.push(inst(Op::LdMatrix(access(transposed_load)), &loaded, &[reg(1)]));
            let mad = Op::Mad { ty: ScalarType::U32, half: MulHalf::Wide, saturate: false };
            code.push(inst(mad, &[r(11)], &[reg(0), imm(16), reg(11)]));
            for (i, &value) in loaded.iter().enumerate() {
                let slot = Access { offset: 4 * i as i64, ..super::program::access(Space::Global, ScalarType::U32) };
                code.push(inst(Op::Store(slot), &[], &[reg(11), Operand::Reg(value)]));
            }
            kernel.block(code, Terminator::Return);
            let module = module(vec![kernel.function]);
            let mut machine = Machine::new(&module).expect("no variables");
            let out = machine.memory.alloc(512);
            let config = LaunchConfig { dynamic_shared_bytes: 512, ..LaunchConfig::new(1, 32) };
            machine.launch("k", config, &out.to_le_bytes()).unwrap_or_else(|fault| panic!("{fault}"));
            for lane in 0..32u64 {
                for i in 0..n as u64 {
                    let element = |row: u64, column: u64| 100 * i + 8 * row + column;
                    let (row, column) = (lane / 4, 2 * (lane % 4));
                    let [low, high] = [column, column + 1].map(|column| {
                        if transposed_store == transposed_load { element(row, column) } else { element(column, row) }
                    });
                    let bytes = machine.memory.read(out + 16 * lane + 4 * i, 4).expect("allocated");
                    let got = u32::from_le_bytes(bytes.try_into().expect("4 bytes"));
                    assert_eq!(u64::from(got), low | high << 16, "{count} {transposed_store} {transposed_load} {lane}");
                }
            }
        }
    }
}

/// `wmma.load` of A, B, C, the product, `wmma.store`: row and column major, with strides.
#[test]
fn wmma_through_memory() {
    use ScalarType::{BF16, F16, F32, F64, S8, S32, TF32, U4};
    let forms = [
        form([16, 16, 16], F16, F32, true),
        form([32, 8, 16], F16, F16, true),
        form([8, 32, 16], BF16, F32, true),
        form([16, 16, 8], TF32, F32, true),
        form([8, 32, 16], S8, S32, true),
        form([8, 8, 32], U4, S32, true),
        form([8, 8, 4], F64, F64, true),
    ];
    for form in forms {
        for (a_row, b_row, c_row) in [(true, true, true), (true, false, false), (false, true, true)] {
            // Sub-byte operands exist only as row by column.
            if form.a == U4 && (!a_row || b_row) {
                continue;
            }
            check_wmma(Mma { a_row, b_row, ..form }, c_row);
        }
    }
}

fn check_wmma(form: Mma, c_row: bool) {
    let mut random = Random(11);
    let roles = [
        (MatrixRole::A, form.a, form.a_row),
        (MatrixRole::B, form.b, form.b_row),
        (MatrixRole::C, form.c, c_row),
        (MatrixRole::D, form.d, c_row),
    ];
    let layouts = roles.map(|(role, ty, row)| layout(&form, role, ty, row));
    let contents: Vec<Rows> =
        layouts.iter().map(|layout| matrix(layout.extent(), || element(layout.ty, &mut random))).collect();
    let stride = |layout: &Fragment, row: bool| {
        let (rows, columns) = layout.extent();
        (if row { columns } else { rows }) + 32
    };
    let encode_matrix = |layout: &Fragment, row: bool, rows: &Rows| -> Vec<u8> {
        let bits = layout.ty.bits() as usize;
        let stride = stride(layout, row) as usize;
        let mut bytes = vec![0u8; 64 * stride * bits / 8 + 64];
        for (i, line) in rows.iter().enumerate() {
            for (j, &value) in line.iter().enumerate() {
                let at = bits * if row { i * stride + j } else { j * stride + i };
                for bit in 0..bits {
                    bytes[(at + bit) / 8] |= ((encode(layout.ty, value) >> bit & 1) as u8) << ((at + bit) % 8);
                }
            }
        }
        bytes
    };
    // Registers: 0 to 3 addresses, then the fragments.
    let counts = layouts.map(|layout| layout.registers());
    let mut widths = vec![RegWidth::B64; 4];
    widths.extend((0..counts.iter().sum::<u32>()).map(|_| RegWidth::B64));
    let mut kernel = Builder::new("k", FunctionKind::Kernel, &widths, &[8, 8, 8, 8]);
    let mut code: Vec<Inst> = (0..4)
        .map(|i| inst(Op::Load(access(Space::Param, ScalarType::U64)), &[r(i)], &[Operand::Param(8 * i)]))
        .collect();
    let mut first = 4;
    let mut fragments: Vec<Vec<Reg>> = Vec::new();
    for count in counts {
        fragments.push((first..first + count).map(r).collect());
        first += count;
    }
    let accesses: Vec<WmmaAccess> = roles
        .iter()
        .map(|&(role, ty, row)| WmmaAccess {
            role,
            shape: form.shape,
            row,
            ty,
            space: Space::Global,
            offset: 0,
            has_stride: true,
        })
        .collect();
    for i in 0..3 {
        let stride = imm(u64::from(stride(&layouts[i], roles[i].2)));
        code.push(inst(Op::WmmaLoad(accesses[i]), &fragments[i], &[reg(i as u32), stride]));
    }
    let sources: Vec<Operand> = fragments[..3].iter().flatten().map(|&reg| Operand::Reg(reg)).collect();
    code.push(inst(Op::Mma(form), &fragments[3], &sources));
    let mut sources = vec![reg(3)];
    sources.extend(fragments[3].iter().map(|&reg| Operand::Reg(reg)));
    sources.push(imm(u64::from(stride(&layouts[3], c_row))));
    code.push(inst(Op::WmmaStore(accesses[3]), &[], &sources));
    kernel.block(code, Terminator::Return);
    let module = module(vec![kernel.function]);
    let mut machine = Machine::new(&module).expect("no variables");
    let d = product(&form, &contents[0], &contents[1], &contents[2]);
    let mut params = Vec::new();
    for i in 0..3 {
        let bytes = encode_matrix(&layouts[i], roles[i].2, &contents[i]);
        params.extend(machine.memory.alloc_bytes(&bytes).to_le_bytes());
    }
    let expected = encode_matrix(&layouts[3], c_row, &d);
    let out = machine.memory.alloc(expected.len() as u64);
    params.extend(out.to_le_bytes());
    machine.launch("k", LaunchConfig::new(1, 32), &params).unwrap_or_else(|fault| panic!("{form:?}: {fault}"));
    assert_eq!(machine.memory.read(out, expected.len() as u64), Ok(&expected[..]), "{form:?} {c_row}");
}
