//! Which addresses are surely multiples of what their accesses need, and which are if the kernel's arguments are.
//!
//! Model. Of each value is known that its trailing zero bits are at least the least of a constant and of those of some of the
//! kernel's parameters, each moved by a shift ([`Known`]): sums keep the least, products add constants, so that
//! `pointer + 16 * i` is aligned to 16 bytes exactly when the argument is. From that an access needs nothing, something of the
//! arguments, which a launch looks at before it starts ([`Requirement::Arguments`]), or a test when it runs. Values begin with all
//! bits zero and lose them until nothing changes.
//!
//! What it does not do: follow values through memory. A pointer that was loaded needs a test.
//! Source: PTX ISA, "Operands: Alignment": an address is a multiple of the size of the access, vectors as a whole.

use super::Program;
use super::divergence::Addresses;
use crate::object_code::ParamAlignment;
use smallvec::{SmallVec, smallvec};
use vgpu_ptx::ir::{
    CarryOp, Inst, IntBinary, IntUnary, MbarrierOp, MulHalf, Op, Operand, Reg, RegWidth, ScalarType, Space,
};
use vgpu_types::IndexVec;

/// Zero bits that are followed; accesses need 5 at most.
const MOST_ZEROS: i32 = 8;

/// Parameters that a value may depend on before nothing is known of it.
const MOST_PARAMS: usize = 8;

/// The trailing zero bits of a value are at least the least of `zeros` and, for each parameter, of its own plus a shift.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    zeros: i32,
    /// Offset in the parameter buffer, and shift; by offset.
    params: SmallVec<[(u32, i32); 2]>,
}

impl Known {
    fn of(zeros: i32) -> Self {
        Self { zeros, params: SmallVec::new() }
    }

    fn constant(value: u64) -> Self {
        Self::of((value.trailing_zeros() as i32).min(MOST_ZEROS))
    }

    fn param(offset: u32) -> Self {
        Self { zeros: MOST_ZEROS, params: smallvec![(offset, 0)] }
    }

    /// What holds of both.
    fn join(mut self, other: &Self) -> Self {
        self.zeros = self.zeros.min(other.zeros);
        for &(offset, shift) in &other.params {
            match self.params.iter_mut().find(|(known, _)| *known == offset) {
                Some((_, least)) => *least = shift.min(*least),
                None => self.params.push((offset, shift)),
            }
        }
        self.params.sort_unstable();
        self.normal()
    }

    /// The value times `2^by`, or divided, rounding down.
    fn shifted(mut self, by: i32) -> Self {
        self.zeros = (self.zeros + by).min(MOST_ZEROS);
        for (_, shift) in &mut self.params {
            *shift += by;
        }
        self.normal()
    }

    fn product(a: &Self, b: &Self) -> Self {
        // Of two sums of unknowns only one can be kept.
        let (kept, other) = if a.zeros >= b.zeros { (a, b) } else { (b, a) };
        let by = if other.params.is_empty() { other.zeros } else { 0 };
        kept.clone().shifted(by)
    }

    fn masked(self, other: &Self) -> Self {
        // `and` has the zeros of both; keep the side that promises more, where a promise without conditions is worth most.
        let worth = |known: &Self| if known.params.is_empty() { known.zeros * 3 } else { known.zeros };
        if worth(other) > worth(&self) { other.clone() } else { self }
    }

    fn normal(mut self) -> Self {
        let zeros = self.zeros;
        self.params.retain(|(_, shift)| *shift < zeros);
        let followed = self.params.len() <= MOST_PARAMS && self.params.iter().all(|(_, shift)| *shift > -MOST_ZEROS);
        if zeros <= 0 || !followed { Self::of(0) } else { self }
    }
}

/// One address that an instruction accesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Touch {
    /// The source that is the address.
    pub(crate) idx: usize,
    pub(crate) space: Space,
    pub(crate) offset: i64,
    /// What the address must be a multiple of: a power of two.
    pub(crate) bytes: u32,
    /// Lanes of each warp that name an address, from the first; 32 except for matrices.
    pub(crate) lanes: u32,
}

/// The addresses that an instruction accesses.
pub(crate) fn touches(inst: &Inst) -> SmallVec<[Touch; 2]> {
    let touch = |idx, space, offset, bytes: u32| Touch { idx, space, offset, bytes, lanes: 32 };
    match &inst.op {
        Op::Load(access) | Op::Store(access) => {
            // A call's parameter is the thread's own memory.
            let frame = matches!(inst.srcs[0], Operand::Frame(..));
            let space = if frame { Space::Local } else { access.space };
            smallvec![touch(0, space, access.offset, access.ty.bytes() * access.vector)]
        }
        Op::Atomic(atomic) | Op::Reduce(atomic) => {
            smallvec![touch(0, atomic.space, atomic.offset, atomic.ty.bytes() * atomic.vector)]
        }
        Op::CpAsync { bytes, .. } => smallvec![touch(0, Space::Shared, 0, *bytes), touch(1, Space::Global, 0, *bytes)],
        Op::Mbarrier(form) if form.op != MbarrierOp::PendingCount => {
            smallvec![touch(0, form.space, form.offset, 8)]
        }
        Op::LdMatrix(form) | Op::StMatrix(form) => {
            smallvec![Touch { lanes: 8 * form.count, ..touch(0, form.space, form.offset, 16) }]
        }
        _ => SmallVec::new(),
    }
}

/// What makes sure that an access is aligned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Requirement {
    Nothing,
    /// That these arguments are.
    Arguments(SmallVec<[ParamAlignment; 2]>),
    /// Only a look at the address.
    Test,
}

/// What is known of a program's values.
pub(crate) struct Alignment {
    known: IndexVec<Reg, Known>,
    /// Accesses that depend on arguments are tested as well.
    distrust_arguments: bool,
}

impl Alignment {
    pub(crate) fn new(program: &Program, addresses: &dyn Addresses, distrust_arguments: bool) -> Self {
        let mut known: IndexVec<Reg, Known> = program.values.iter().map(|_| Known::of(MOST_ZEROS)).collect();
        loop {
            let mut changed = false;
            let mut set = |known: &mut IndexVec<Reg, Known>, dst: Reg, value: Known| {
                // Only ever less: that ends, whatever order blocks are visited in.
                let value = value.join(&known[dst]);
                if value != known[dst] {
                    known[dst] = value;
                    changed = true;
                }
            };
            for block in &program.blocks {
                for phi in &block.phis {
                    let of = |arg: &Operand| of_operand(arg, addresses, &known);
                    let mut args = phi.args.iter().map(of);
                    let first = args.next().unwrap_or(Known::of(0));
                    let value = args.fold(first, |all, arg| all.join(&arg));
                    set(&mut known, phi.dst, value);
                }
                for inst in &block.insts {
                    for (idx, dst) in inst.dsts.iter().enumerate() {
                        let value = of_result(inst, idx, program.values[*dst], addresses, &known);
                        set(&mut known, *dst, value);
                    }
                }
            }
            if !changed {
                return Self { known, distrust_arguments };
            }
        }
    }

    /// What makes sure that the address is aligned.
    fn requirement(&self, inst: &Inst, touch: &Touch, addresses: &dyn Addresses) -> Requirement {
        let needed = touch.bytes.trailing_zeros() as i32;
        let known =
            of_operand(&inst.srcs[touch.idx], addresses, &self.known).join(&Known::constant(touch.offset as u64));
        if known.zeros < needed {
            return Requirement::Test;
        }
        let arguments: SmallVec<[ParamAlignment; 2]> = known
            .params
            .iter()
            .filter(|(_, shift)| *shift < needed)
            .map(|&(offset, shift)| ParamAlignment { offset, zeros: (needed - shift) as u32 })
            .collect();
        match arguments.iter().map(|argument| argument.zeros).max() {
            None => Requirement::Nothing,
            // A launch looks at one byte of an argument.
            Some(zeros) if zeros > 8 => Requirement::Test,
            Some(_) => Requirement::Arguments(arguments),
        }
    }

    /// Whether the code must look at the address.
    pub(crate) fn needs_test(&self, inst: &Inst, touch: &Touch, addresses: &dyn Addresses) -> bool {
        match self.requirement(inst, touch, addresses) {
            Requirement::Nothing => false,
            Requirement::Arguments(_) => self.distrust_arguments,
            Requirement::Test => true,
        }
    }

    /// What the code relies on: the zero bits that arguments must have. By offset, each once.
    pub(crate) fn relies_on(&self, program: &Program, addresses: &dyn Addresses) -> Vec<ParamAlignment> {
        let mut all: Vec<ParamAlignment> = Vec::new();
        if self.distrust_arguments {
            return all;
        }
        for inst in program.blocks.iter().flat_map(|block| &block.insts) {
            for touch in touches(inst) {
                let Requirement::Arguments(arguments) = self.requirement(inst, &touch, addresses) else { continue };
                for argument in arguments {
                    match all.iter_mut().find(|known| known.offset == argument.offset) {
                        Some(known) => known.zeros = known.zeros.max(argument.zeros),
                        None => all.push(argument),
                    }
                }
            }
        }
        all.sort_unstable_by_key(|argument| argument.offset);
        all
    }
}

fn of_operand(operand: &Operand, addresses: &dyn Addresses, known: &IndexVec<Reg, Known>) -> Known {
    match operand {
        Operand::Reg(reg) => known[*reg].clone(),
        Operand::Imm(bits) => Known::constant(*bits),
        Operand::Symbol(symbol, addend) => {
            // Variables in device memory are allocations of their own, more aligned than anything needs.
            let offset = addresses.shared_offset(*symbol).unwrap_or(0);
            Known::constant(offset.wrapping_add_signed(*addend))
        }
        Operand::Frame(var, addend) => Known::constant(addresses.frame_offset(*var).wrapping_add_signed(*addend)),
        Operand::Param(offset) | Operand::Return(offset) => Known::constant(u64::from(*offset)),
    }
}

/// The value of an operand that is the same number always.
fn constant(operand: &Operand) -> Option<u64> {
    match operand {
        Operand::Imm(bits) => Some(*bits),
        _ => None,
    }
}

const fn is_integer(ty: ScalarType) -> bool {
    !ty.is_float() && !ty.is_packed() && !matches!(ty, ScalarType::Pred)
}

fn of_result(
    inst: &Inst,
    idx: usize,
    width: RegWidth,
    addresses: &dyn Addresses,
    known: &IndexVec<Reg, Known>,
) -> Known {
    let nothing = Known::of(0);
    let arg = |idx: usize| of_operand(&inst.srcs[idx], addresses, known);
    let both = || arg(0).join(&arg(1));
    match &inst.op {
        // A predicate has no bits to follow.
        _ if width == RegWidth::Pred => nothing,
        Op::Mov(_) => arg(0),
        Op::Cvta { space, .. } => {
            let window = match space {
                Space::Local => Known::constant(addresses.local_bytes()),
                Space::Param => Known::of(4),
                _ => Known::of(MOST_ZEROS),
            };
            arg(0).join(&window)
        }
        Op::Selp(_) | Op::Slct { .. } => both(),
        Op::Pack { .. } => arg(0),
        Op::Unpack { .. } if idx == 0 => arg(0),
        Op::Cvt(cvt) if is_integer(cvt.to) && is_integer(cvt.from) && !cvt.saturate => arg(0),
        Op::IntUnary(IntUnary::Neg | IntUnary::Abs, ty) if !ty.is_packed() => arg(0),
        Op::IntBinary(int, ty) if !ty.is_packed() => match int {
            IntBinary::Add | IntBinary::Sub | IntBinary::Or | IntBinary::Xor | IntBinary::Min | IntBinary::Max => {
                both()
            }
            IntBinary::And => arg(0).masked(&arg(1)),
            IntBinary::MulLo => Known::product(&arg(0), &arg(1)),
            // A shift to the left by anything takes no zeros away.
            IntBinary::Shl => arg(0).shifted(constant(&inst.srcs[1]).map_or(0, |by| by.min(64) as i32)),
            IntBinary::Shr => match constant(&inst.srcs[1]) {
                Some(by) if by < 64 => arg(0).shifted(-(by as i32)),
                _ => nothing,
            },
            IntBinary::Div if !ty.is_signed() => match constant(&inst.srcs[1]) {
                Some(divisor) if divisor.is_power_of_two() => arg(0).shifted(-(divisor.trailing_zeros() as i32)),
                _ => nothing,
            },
            // What is left of `a` is `a` less a multiple of `b`, and all of `a` where `b` is zero.
            IntBinary::Rem => both(),
            _ => nothing,
        },
        Op::MulWide(_) => Known::product(&arg(0), &arg(1)),
        Op::Mad { half: MulHalf::Lo | MulHalf::Wide, saturate: false, ty } if !ty.is_packed() => {
            Known::product(&arg(0), &arg(1)).join(&arg(2))
        }
        Op::Mul24 { high: false, mad, .. } => {
            let product = Known::product(&arg(0), &arg(1));
            if *mad { product.join(&arg(2)) } else { product }
        }
        Op::Carry { op: CarryOp::Add | CarryOp::Sub, carry_in: false, .. } if idx == 0 => both(),
        Op::Bfi(_) => match constant(&inst.srcs[2]) {
            Some(at) if at < 64 => arg(0).shifted(at as i32).join(&arg(1)),
            _ => nothing,
        },
        Op::Lop3 { table, predicate: None } if table & 1 == 0 => both().join(&arg(2)),
        Op::Alloca { align } => Known::constant(u64::from(*align)),
        Op::Load(access) if access.space == Space::Param => match inst.srcs[0] {
            Operand::Param(offset) if access.ty.bytes() > 1 => {
                let at = i64::from(offset) + access.offset + (idx as i64) * i64::from(access.ty.bytes());
                u32::try_from(at).map_or(nothing, Known::param)
            }
            _ => nothing,
        },
        _ => nothing,
    }
}

#[cfg(test)]
mod tests {
    use crate::{Specialization, Target};
    use vgpu_types::Dim3;

    /// The arguments that the code of a kernel relies on, and the number of addresses it tests.
    fn check(body: &str, expected: &[(u32, u32)], n_tests: usize) {
        let text = format!(
            ".version 8.0\n.target sm_80\n.address_size 64\n.shared .align 16 .b8 tile[64];\n\
             .visible .entry k(.param .u64 p, .param .u64 q, .param .u32 n)\n{{\n.reg .b64 %rd<16>;\n.reg .b32 %r<16>;\n\
             .reg .f32 %f<8>;\nld.param.u64 %rd0, [p];\nld.param.u64 %rd1, [q];\nld.param.u32 %r0, [n];\n\
             mov.u32 %r1, %tid.x;\n{body}\nret;\n}}\n"
        );
        let module = vgpu_ptx::load(&text).expect("the text is good");
        let kernel = module.function("k").expect("the text has it");
        let spec = Specialization { block: Dim3::new(32, 1, 1), grid_in_i32: true, lanes: None, test_arguments: false };
        let found = crate::pipeline::alignment_of(&module, kernel, &spec, &Target::detect(None)).expect("it compiles");
        let relied: Vec<(u32, u32)> = found.0.iter().map(|argument| (argument.offset, argument.zeros)).collect();
        assert_eq!((relied.as_slice(), found.1), (expected, n_tests), "{body}");
    }

    #[test]
    fn indexed_accesses_rely_on_the_pointer() {
        check("mul.wide.u32 %rd2, %r1, 4;\nadd.s64 %rd3, %rd0, %rd2;\nst.global.u32 [%rd3], %r1;", &[(0, 2)], 0);
        check(
            "mad.wide.u32 %rd3, %r1, 16, %rd0;\nld.global.v4.f32 {%f0, %f1, %f2, %f3}, [%rd3+32];\n\
             st.global.f32 [%rd1+4], %f0;",
            &[(0, 4), (8, 2)],
            0,
        );
        // A pitch in bytes is an argument like any other.
        check(
            "mul.wide.u32 %rd2, %r1, %r0;\nadd.s64 %rd3, %rd0, %rd2;\nst.global.u32 [%rd3], %r1;",
            &[(0, 2), (16, 2)],
            0,
        );
    }

    #[test]
    fn loops_keep_what_each_step_keeps() {
        let body = "mov.u64 %rd2, %rd0;\nL:\nst.global.u32 [%rd2], %r1;\nadd.s64 %rd2, %rd2, 12;\nadd.s32 %r1, %r1, 1;\n\
                    .reg .pred %p;\nsetp.lt.u32 %p, %r1, %r0;\n@%p bra L;";
        check(body, &[(0, 2)], 0);
        check(&body.replace("12", "2"), &[], 1);
    }

    #[test]
    fn constants_and_masks_need_nothing() {
        check("shl.b32 %r2, %r1, 2;\nmov.u32 %r3, tile;\nadd.s32 %r4, %r3, %r2;\nst.shared.u32 [%r4], %r1;", &[], 0);
        check("and.b64 %rd2, %rd0, -16;\nst.global.u64 [%rd2+8], %rd1;", &[], 0);
        check("st.global.u8 [%rd0+1], %r1;", &[], 0);
    }

    #[test]
    fn what_comes_from_memory_is_tested() {
        check(
            "ld.global.u64 %rd2, [%rd0];\nst.global.u32 [%rd2], %r1;\natom.global.add.u32 %r2, [%rd2], 1;",
            &[(0, 3)],
            2,
        );
        // Half of what an element needs, and an offset that is none.
        check("mad.wide.u32 %rd3, %r1, 2, %rd0;\nst.global.u32 [%rd3], %r1;", &[], 1);
        check("mad.wide.u32 %rd3, %r1, 4, %rd0;\nst.global.u32 [%rd3+2], %r1;", &[], 1);
    }
}
