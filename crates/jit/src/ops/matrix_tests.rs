//! Matrix operations against the interpreter: every shape and type of `mma`, `mma.sp` and `wmma`, loads and stores of
//! fragments in every address form, at every vector level, bit for bit.

use super::{Addresses, LaneValue, Warps, matrix};
use crate::llvm::Context;
use crate::loaded::{Loaded, targets, test_function};
use crate::{Isa, Target};
use vgpu_ptx::interp::{LaunchConfig, Machine};
use vgpu_ptx::ir::fragment::Fragment;
use vgpu_ptx::ir::*;
use vgpu_types::{IndexVec, Span};

/// Numbers that look random; fixed seed.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let x = (self.0 ^ self.0 >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
        x ^ x >> 29
    }

    /// Bits of an element. Formats whose products are exact in f32 get any bits (`wild`: infinities and NaN too); the
    /// others stay where a sum of products neither overflows nor loses subnormal bits.
    fn element(&mut self, ty: ScalarType, wild: bool) -> u64 {
        let bits = self.next();
        let sign_and = |exponent: u64, fraction: u32, width: u32| {
            (bits & 1) << (width - 1) | exponent << fraction | (bits >> 8 & ((1 << fraction) - 1))
        };
        let spread = bits >> 32;
        match ty {
            _ if wild && matches!(ty, ScalarType::F16 | ScalarType::E4M3 | ScalarType::E5M2) => bits,
            ScalarType::F16 => sign_and(10 + spread % 8, 10, 16),
            ScalarType::E4M3 => sign_and(4 + spread % 6, 3, 8),
            ScalarType::E5M2 => sign_and(12 + spread % 6, 2, 8),
            ScalarType::BF16 => sign_and(120 + spread % 12, 7, 16),
            ScalarType::TF32 | ScalarType::F32 => sign_and(120 + spread % 12, 23, 32),
            ScalarType::F64 => sign_and(1015 + spread % 16, 52, 64),
            _ => bits,
        }
    }

    fn register(&mut self, ty: ScalarType, wild: bool) -> u64 {
        let bits = ty.bits();
        if bits >= 32 {
            return self.element(ty, wild);
        }
        (0..32 / bits).fold(0, |all, _| all << bits | self.element(ty, wild) & ((1 << bits) - 1))
    }
}

/// One operation on registers and, for loads and stores, memory at `data` plus an offset per lane.
#[derive(Clone)]
struct Case {
    op: Op,
    lanes: usize,
    sources: Vec<(RegWidth, Vec<u64>)>,
    results: Vec<RegWidth>,
    /// Immediates that come after the registers.
    immediates: Vec<u64>,
    memory: Option<(Vec<u8>, Vec<u64>)>,
    /// `one`, `offsets` or `each`.
    form: &'static str,
    /// The second half of the lanes does nothing (64 lanes).
    second_warp_off: bool,
}

impl Case {
    fn new(op: Op, lanes: usize) -> Self {
        Self {
            op,
            lanes,
            sources: Vec::new(),
            results: Vec::new(),
            immediates: Vec::new(),
            memory: None,
            form: "each",
            second_warp_off: false,
        }
    }

    /// Registers: sources, offsets, then results; 8 bytes per lane.
    fn registers(&self) -> Vec<u8> {
        let none = vec![0; self.lanes];
        let offsets = self.memory.as_ref().map_or(&none, |(_, offsets)| offsets);
        let sources = self.sources.iter().map(|(_, lanes)| lanes).chain([offsets]);
        let mut bytes: Vec<u8> = sources.flatten().flat_map(|value| value.to_le_bytes()).collect();
        bytes.resize(bytes.len() + self.results.len() * self.lanes * 8, 0);
        bytes
    }

    fn data(&self) -> Vec<u8> {
        self.memory.as_ref().map_or(vec![0; 16], |(data, _)| data.clone())
    }

    /// Register and data memory after the operation, by the interpreter.
    fn interpret(&self) -> (Vec<u8>, Vec<u8>) {
        let n_sources = self.sources.len() as u32;
        // r0 lane, r1 registers, r2 data, r3.. sources, then the address, then results.
        let address = 3 + n_sources;
        let mut widths = vec![RegWidth::B32, RegWidth::B64, RegWidth::B64];
        widths.extend(self.sources.iter().map(|(width, _)| *width));
        widths.push(RegWidth::B64);
        widths.extend(&self.results);
        let inst = |op: Op, dsts: &[u32], srcs: &[Operand]| Inst {
            op,
            dsts: dsts.iter().map(|dst| Reg(*dst)).collect(),
            srcs: srcs.iter().copied().collect(),
            guard: None,
            span: Span::default(),
            line: None,
        };
        let reg = |idx: u32| Operand::Reg(Reg(idx));
        let access = |space, ty, offset: usize| Access {
            space,
            ty,
            vector: 1,
            offset: offset as i64,
            semantics: MemorySemantics::Weak,
            scope: Scope::Gpu,
            read_only: false,
            cache: CacheOp::Default,
        };
        let param =
            |dst, offset| inst(Op::Load(access(Space::Param, ScalarType::U64, 0)), &[dst], &[Operand::Param(offset)]);
        let index = Op::Mad { ty: ScalarType::U32, half: MulHalf::Wide, saturate: false };
        let mut code = vec![
            inst(Op::ReadSpecial(SpecialReg::Tid(0)), &[0], &[]),
            param(1, 0),
            param(2, 8),
            inst(index, &[1], &[reg(0), Operand::Imm(8), reg(1)]),
        ];
        let unsigned = |width: RegWidth| if width == RegWidth::B64 { ScalarType::B64 } else { ScalarType::B32 };
        for (idx, width) in widths[3..=address as usize].iter().enumerate() {
            let load = Op::Load(access(Space::Global, unsigned(*width), idx * self.lanes * 8));
            code.push(inst(load, &[3 + idx as u32], &[reg(1)]));
        }
        let mut operands: Vec<_> = (3..address).map(reg).collect();
        if self.memory.is_some() {
            let add = Op::IntBinary(IntBinary::Add, ScalarType::U64);
            code.push(inst(add, &[address], &[reg(2), reg(address)]));
            operands.insert(0, reg(address));
        }
        operands.extend(self.immediates.iter().map(|value| Operand::Imm(*value)));
        let results: Vec<_> = (0..self.results.len() as u32).map(|idx| address + 1 + idx).collect();
        code.push(inst(self.op.clone(), &results, &operands));
        for (idx, width) in self.results.iter().enumerate() {
            let offset = (self.sources.len() + 1 + idx) * self.lanes * 8;
            code.push(inst(
                Op::Store(access(Space::Global, unsigned(*width), offset)),
                &[],
                &[reg(1), reg(results[idx])],
            ));
        }
        let params = [0, 8].map(|offset| Param { name: String::new(), offset, size: 8, align: 8 });
        let block =
            Block { label: None, insts: code, terminator: Terminator::Return, terminator_span: Span::default() };
        let function = Function {
            name: "k".to_owned(),
            kind: FunctionKind::Kernel,
            linkage: Linkage::Visible,
            params: params.to_vec(),
            returns: Vec::new(),
            reg_names: widths.iter().map(|_| String::new()).collect(),
            regs: widths.into_iter().collect(),
            frame: IndexVec::new(),
            blocks: [block].into_iter().collect(),
            performance: Performance::default(),
            span: Span::default(),
        };
        let module = Module { functions: [function].into_iter().collect(), ..Module::default() };
        let mut machine = Machine::new(&module).expect("no variables");
        let (registers, data) = (self.registers(), self.data());
        let at = [machine.memory.alloc_bytes(&registers), machine.memory.alloc_bytes(&data)];
        let params: Vec<u8> = at.iter().flat_map(|address| address.to_le_bytes()).collect();
        let lanes = if self.second_warp_off { 32 } else { self.lanes as u32 };
        machine
            .launch("k", LaunchConfig::new(1, lanes), &params)
            .unwrap_or_else(|fault| panic!("{:?}: {fault}", self.op));
        let read = |address, len: usize| machine.memory.read(address, len as u64).expect("allocated").to_vec();
        (read(at[0], registers.len()), read(at[1], data.len()))
    }

    fn build(&self, context: &Context, target: &Target, name: &str) {
        test_function(context, name, 2, |builder, buffers| {
            let lanes = self.lanes as u32;
            let slot = |idx: usize| builder.offset_by(buffers[0], (idx * self.lanes * 8) as i64);
            let (int32, int64) = (context.int(32), context.int(64));
            let mask = self.second_warp_off.then(|| {
                // Not a constant, so that the masked forms are what is tested.
                let zero = builder.load(int64.vector(lanes), slot(self.sources.len()), 8);
                let zero = builder.trunc(builder.and(zero, zero.ty().zero()), context.int(1));
                let first = context.int(1).constant_vector((0..self.lanes).map(|lane| i64::from(lane < 32)));
                builder.or(first, zero)
            });
            let warps = Warps { builder, target, lanes, mask };
            let load = |idx: usize| builder.load(int64.vector(lanes), slot(idx), 8);
            let mut sources: Vec<_> = self
                .sources
                .iter()
                .enumerate()
                .map(|(idx, (width, _))| {
                    LaneValue::Varying(builder.resize(load(idx), context.int(width.bits()), false))
                })
                .collect();
            sources.extend(self.immediates.iter().map(|value| LaneValue::Uniform(int32.constant(*value))));
            let offsets = load(self.sources.len());
            let addresses = self.memory.as_ref().map(|_| match self.form {
                "one" => Addresses::Uniform(builder.offset(buffers[1], builder.extract_lane(offsets, 0))),
                "offsets" => Addresses::Offsets { base: buffers[1], offsets: builder.trunc(offsets, int32) },
                _ => {
                    let base = builder.splat(builder.ptr_to_int(buffers[1]), lanes);
                    Addresses::Each(builder.add(base, offsets))
                }
            });
            let results = matrix(&warps, &self.op, addresses, &sources).expect("a matrix operation");
            assert_eq!(results.len(), self.results.len(), "{:?}", self.op);
            for (idx, result) in results.iter().enumerate() {
                let value = builder.resize(result.vector(builder, lanes), int64, false);
                builder.store(value, slot(self.sources.len() + 1 + idx), 8);
            }
        });
    }
}

fn check(target: &Target, cases: &[Case]) {
    let context = Context::new("matrices");
    for (idx, case) in cases.iter().enumerate() {
        case.build(&context, target, &format!("case{idx}"));
    }
    let loaded = Loaded::new(&context, target);
    for (idx, case) in cases.iter().enumerate() {
        let (expected_registers, expected_data) = case.interpret();
        let (mut registers, mut data) = (case.registers(), case.data());
        loaded.call(&format!("case{idx}"), &mut [&mut registers, &mut data]);
        let lanes = |bytes: &[u8]| -> Vec<u64> {
            bytes.chunks(8).map(|word| u64::from_le_bytes(word.try_into().expect("8 bytes"))).collect()
        };
        let (found, expected) = (lanes(&registers), lanes(&expected_registers));
        for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let lane = at % case.lanes;
            if case.second_warp_off && lane >= 32 {
                continue;
            }
            let register = (at / case.lanes) as i64 - case.sources.len() as i64 - 1;
            assert!(
                found == expected,
                "{:?} result {register} lane {lane} {}: {found:#x}, expected {expected:#x}",
                case.op,
                target.isa
            );
        }
        assert!(data == expected_data, "{:?} memory {}", case.op, target.isa);
    }
}

/// Products at every vector level: all at the widest one, on narrower ones (where they become much code) a share.
fn check_products(cases: &[Case]) {
    let widest = targets().iter().map(|target| target.isa).max();
    for target in targets() {
        let step = match target.isa {
            isa if Some(isa) == widest => 1,
            Isa::Avx2 => 2,
            _ => 4,
        };
        let share: Vec<_> = cases.iter().skip(step / 4).step_by(step).cloned().collect();
        check(&target, &share);
    }
    // Without any vector instructions to count on: integers go another way.
    let baseline: Vec<_> = cases.iter().skip(1).step_by(9).cloned().collect();
    check(&Target::detect(Some(Isa::Baseline)), &baseline);
}

fn form(shape: [u32; 3], d: ScalarType, a: ScalarType, b: ScalarType, c: ScalarType) -> Mma {
    Mma {
        shape,
        a_row: true,
        b_row: false,
        d,
        a,
        b,
        c,
        wmma: false,
        satfinite: false,
        sparse: false,
        bit_op: None,
        rounding: Rounding::NearestEven,
    }
}

/// The operation with random fragments; `wild`: any bits.
fn product(numbers: &mut Numbers, form: Mma, selector: Option<u64>, lanes: usize, wild: bool) -> Case {
    let [m, n, k] = form.shape;
    let a_shape = [m, n, if form.sparse { k / 2 } else { k }];
    let fragment = |role, shape, ty, row| Fragment { role, shape, ty, row, wmma: form.wmma };
    let inputs = [
        fragment(MatrixRole::A, a_shape, form.a, form.a_row),
        fragment(MatrixRole::B, form.shape, form.b, form.b_row),
        fragment(MatrixRole::C, form.shape, form.c, true),
    ];
    let width = |fragment: &Fragment| RegWidth::from_bits(fragment.register_bits()).expect("32 or 64 bits");
    let mut case = Case::new(Op::Mma(form), lanes);
    for input in inputs {
        let distinct = input.extent().0 * input.extent().1 * input.ty.bits() / (32 * input.register_bits());
        for register in 0..input.registers() {
            // Registers past the distinct ones are copies.
            let copied = register.checked_sub(distinct).filter(|_| input.wmma).map(|idx| idx as usize);
            let first = case.sources.len() - register as usize;
            let values = match copied {
                Some(idx) => case.sources[first + idx].1.clone(),
                None => (0..lanes).map(|_| numbers.register(input.ty, wild)).collect(),
            };
            case.sources.push((width(&input), values));
        }
    }
    if let Some(selector) = selector {
        case.sources.push((RegWidth::B32, (0..lanes).map(|_| numbers.next() & 0xffff_ffff).collect()));
        case.immediates.push(selector);
    }
    let d = fragment(MatrixRole::D, form.shape, form.d, true);
    case.results = vec![width(&d); d.registers() as usize];
    case
}

#[test]
fn dense_products() {
    use ScalarType::*;
    let mut numbers = Numbers(1);
    let mut forms = Vec::new();
    for (a_row, b_row) in [(true, true), (true, false), (false, true), (false, false)] {
        for (d, c) in [(F16, F16), (F32, F32), (F32, F16)] {
            forms.push(Mma { a_row, b_row, ..form([8, 8, 4], d, F16, F16, c) });
        }
    }
    for k in [8, 16] {
        forms.extend([(F16, F16), (F32, F32)].map(|(d, c)| form([16, 8, k], d, F16, F16, c)));
        forms.push(form([16, 8, k], F32, BF16, BF16, F32));
        forms.push(form([16, 8, k / 2], F32, TF32, TF32, F32));
        forms.push(form([16, 8, k], F64, F64, F64, F64));
    }
    forms.push(form([16, 8, 4], F64, F64, F64, F64));
    forms.push(form([8, 8, 4], F64, F64, F64, F64));
    for (a, b) in [(E4M3, E4M3), (E4M3, E5M2), (E5M2, E4M3), (E5M2, E5M2)] {
        if a == b {
            forms.push(form([16, 8, 32], F32, a, b, F32));
        } else {
            forms.push(form([16, 8, 16], F16, a, b, F16));
        }
    }
    // Every shape, every pair of signs and both kinds of overflow, but not every combination of them.
    let signs = [(S8, S8), (U8, U8), (S8, U8), (U8, S8), (S4, S4), (U4, U4), (S4, U4), (U4, S4)];
    for (idx, (a, b)) in signs.into_iter().enumerate() {
        let shapes =
            if idx < 4 { [[8, 8, 16], [16, 8, 16], [16, 8, 32]] } else { [[8, 8, 32], [16, 8, 32], [16, 8, 64]] };
        forms.push(Mma { satfinite: idx % 2 == 1, ..form(shapes[(idx % 4).min(2)], S32, a, b, S32) });
    }
    for op in [BitMma::XorPopc, BitMma::AndPopc] {
        let shapes = if op == BitMma::AndPopc { [[8, 8, 128], [16, 8, 256]] } else { [[8, 8, 128], [16, 8, 128]] };
        forms.extend(shapes.map(|shape| Mma { bit_op: Some(op), ..form(shape, S32, B1, B1, S32) }));
    }
    let mut cases: Vec<_> = forms.iter().map(|form| product(&mut numbers, *form, None, 32, false)).collect();
    let wild = form([16, 8, 16], F32, F16, F16, F32);
    cases.push(product(&mut numbers, wild, None, 32, true));
    cases.push(product(&mut numbers, Mma { d: F16, c: F16, ..wild }, None, 64, true));
    cases.push(product(&mut numbers, form([16, 8, 32], F32, E4M3, E5M2, F32), None, 96, true));
    check_products(&cases);
}

#[test]
fn double_precision_products_round_as_told() {
    let mut numbers = Numbers(7);
    let f64_form = form([8, 8, 4], ScalarType::F64, ScalarType::F64, ScalarType::F64, ScalarType::F64);
    let modes = [Rounding::Zero, Rounding::Down, Rounding::Up];
    let cases = modes.map(|rounding| product(&mut numbers, Mma { rounding, ..f64_form }, None, 32, false));
    for target in targets() {
        check(&target, &cases);
    }
}

#[test]
fn sparse_products() {
    use ScalarType::*;
    let mut numbers = Numbers(2);
    let mut cases = Vec::new();
    let forms = [
        (16, F16, F16, vec![0, 3]),
        (32, F32, F16, vec![1]),
        (16, F32, BF16, vec![2]),
        (8, F32, TF32, vec![0, 3]),
        (16, F32, TF32, vec![1]),
        (32, S32, S8, vec![0, 1]),
        (64, S32, U8, vec![0]),
        (64, S32, S4, vec![1]),
        (128, S32, U4, vec![0]),
        (64, F32, E4M3, vec![0]),
    ];
    for (k, d, a, selectors) in forms {
        for selector in selectors {
            let form = Mma { sparse: true, ..form([16, 8, k], d, a, a, d) };
            cases.push(product(&mut numbers, form, Some(selector), 32, false));
        }
    }
    check_products(&cases);
}

#[test]
fn wmma_products() {
    use ScalarType::*;
    let mut numbers = Numbers(3);
    let mut forms = Vec::new();
    for shape in [[16, 16, 16], [32, 8, 16], [8, 32, 16]] {
        forms.extend([(F16, F16), (F32, F32), (F16, F32), (F32, F16)].map(|(d, c)| form(shape, d, F16, F16, c)));
        forms.push(form(shape, F32, BF16, BF16, F32));
        forms.push(form(shape, S32, S8, S8, S32));
        forms.push(Mma { satfinite: true, ..form(shape, S32, U8, U8, S32) });
    }
    forms.push(form([16, 16, 8], F32, TF32, TF32, F32));
    forms.push(form([8, 8, 4], F64, F64, F64, F64));
    forms.push(form([8, 8, 32], S32, S4, S4, S32));
    forms.push(Mma { bit_op: Some(BitMma::XorPopc), ..form([8, 8, 128], S32, B1, B1, S32) });
    let cases: Vec<_> =
        forms.into_iter().map(|form| product(&mut numbers, Mma { wmma: true, ..form }, None, 32, false)).collect();
    check_products(&cases);
}

#[test]
fn wmma_loads_and_stores() {
    use ScalarType::*;
    let mut numbers = Numbers(4);
    let mut layouts = Vec::new();
    for shape in [[16, 16, 16], [32, 8, 16], [8, 32, 16]] {
        for ty in [F16, BF16, S8, U8] {
            layouts.extend([(MatrixRole::A, shape, ty), (MatrixRole::B, shape, ty)]);
        }
        layouts.extend([F16, F32, S32].map(|ty| (MatrixRole::C, shape, ty)));
    }
    layouts.extend(
        [(MatrixRole::A, TF32), (MatrixRole::B, TF32), (MatrixRole::C, F32)].map(|(role, ty)| (role, [16, 16, 8], ty)),
    );
    layouts.extend([MatrixRole::A, MatrixRole::B, MatrixRole::C].map(|role| (role, [8, 8, 4], F64)));
    for (k, ty) in [(32, U4), (128, B1)] {
        layouts.extend(
            [(MatrixRole::A, ty), (MatrixRole::B, ty), (MatrixRole::C, S32)].map(|(role, ty)| (role, [8, 8, k], ty)),
        );
    }
    let mut cases = Vec::new();
    for (role, shape, ty) in layouts {
        for row in [true, false] {
            if ty.bits() < 8 && row != (role == MatrixRole::A) {
                continue;
            }
            for stride in [None, Some(256)] {
                let layout = Fragment { role, shape, ty, row, wmma: true };
                let width = RegWidth::from_bits(layout.register_bits()).expect("32 or 64 bits");
                let n = layout.registers() as usize;
                let access =
                    WmmaAccess { role, shape, row, ty, space: Space::Global, offset: 0, has_stride: stride.is_some() };
                let rotate = cases.len();
                let lanes = if rotate % 3 == 0 { 64 } else { 32 };
                let bytes: Vec<u8> = (0..33 * 256 * 8 + 64).map(|_| numbers.next() as u8).collect();
                let offsets = (0..lanes).map(|lane| lane as u64 / 32 * 64).collect();
                let mut case = Case::new(Op::WmmaLoad(access), lanes);
                case.form = ["one", "offsets", "each"][if lanes == 64 { 1 + rotate % 2 } else { rotate % 3 }];
                case.second_warp_off = lanes == 64 && rotate % 2 == 0;
                case.memory = Some((bytes, offsets));
                case.immediates.extend(stride);
                case.results = vec![width; n];
                cases.push(case.clone());
                if role == MatrixRole::C {
                    // The stores of two warps would overlap.
                    let mut case = case;
                    case.second_warp_off = lanes == 64;
                    case.op = Op::WmmaStore(WmmaAccess { role: MatrixRole::D, ..access });
                    case.results.clear();
                    case.sources =
                        (0..n).map(|_| (width, (0..lanes).map(|_| numbers.register(B64, true)).collect())).collect();
                    cases.push(case);
                }
            }
        }
    }
    // Registers are stored as 64 bits: keep what lies above 32 clear.
    for case in &mut cases {
        for (width, values) in &mut case.sources {
            if *width == RegWidth::B32 {
                values.iter_mut().for_each(|value| *value &= 0xffff_ffff);
            }
        }
    }
    for target in targets() {
        check(&target, &cases);
    }
}

#[test]
fn rows_of_small_matrices_and_their_transposition() {
    let mut numbers = Numbers(5);
    let mut cases = Vec::new();
    for count in [1, 2, 4] {
        for transposed in [false, true] {
            for (lanes, form, off) in
                [(32, "each", false), (32, "offsets", false), (64, "offsets", false), (64, "each", true)]
            {
                let access = MatrixAccess { count, transposed, space: Space::Generic, offset: 0 };
                let bytes: Vec<u8> = (0..lanes * 16).map(|_| numbers.next() as u8).collect();
                // Every lane has a row of its own, in a mixed order.
                let offsets: Vec<u64> = (0..lanes).map(|lane| (lane * 13 % lanes * 16) as u64).collect();
                let mut case = Case::new(Op::LdMatrix(access), lanes);
                case.form = form;
                case.second_warp_off = off;
                case.memory = Some((bytes, offsets));
                case.results = vec![RegWidth::B32; count as usize];
                cases.push(case.clone());
                case.op = Op::StMatrix(access);
                case.results.clear();
                let values = |numbers: &mut Numbers| (0..lanes).map(|_| numbers.next() & 0xffff_ffff).collect();
                case.sources = (0..count).map(|_| (RegWidth::B32, values(&mut numbers))).collect();
                cases.push(case);
            }
        }
    }
    let mut case = Case::new(Op::MovMatrix, 64);
    case.sources = vec![(RegWidth::B32, (0..64).map(|_| numbers.next() & 0xffff_ffff).collect())];
    case.results = vec![RegWidth::B32];
    cases.push(case);
    for target in targets() {
        check(&target, &cases);
    }
}
