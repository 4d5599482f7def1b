//! Integer, bit-field, carry, permutation, dot-product, video and data-movement forms.

use super::harness::{Equal, Form, Source, check};
use vgpu_ptx::ir::*;

/// The width of a type's register.
pub(super) fn width(ty: ScalarType) -> RegWidth {
    RegWidth::from_bits(ty.bits()).expect("register types have register widths")
}

fn exact(op: Op, sources: Vec<Source>, results: Vec<RegWidth>) -> Form {
    Form { op, sources, results, equal: Equal::Bits }
}

fn same(op: Op, ty: ScalarType, n: usize) -> Form {
    exact(op, vec![Source::Of(ty); n], vec![width(ty)])
}

use ScalarType::{B16, B32, B64, Pred, S16, S16x2, S32, S64, U8, U16, U16x2, U32, U64};
const INTEGERS: [ScalarType; 6] = [U16, S16, U32, S32, U64, S64];

#[test]
fn arithmetic() {
    let mut forms = Vec::new();
    for ty in INTEGERS {
        for op in [
            IntBinary::Add,
            IntBinary::Sub,
            IntBinary::MulLo,
            IntBinary::MulHi,
            IntBinary::Div,
            IntBinary::Rem,
            IntBinary::Min,
            IntBinary::Max,
        ] {
            forms.push(same(Op::IntBinary(op, ty), ty, 2));
        }
        // Constant divisors take another way.
        for divisor in [0, 1, 3, 10, u64::MAX, 1 << (ty.bits() - 1)] {
            for op in [IntBinary::Div, IntBinary::Rem] {
                let sources = vec![Source::Of(ty), Source::Constant(ty, divisor)];
                forms.push(exact(Op::IntBinary(op, ty), sources, vec![width(ty)]));
            }
        }
        if ty.is_signed() {
            forms.push(same(Op::IntUnary(IntUnary::Abs, ty), ty, 1));
        }
        for op in [IntUnary::Neg, IntUnary::Cnot] {
            forms.push(same(Op::IntUnary(op, ty), ty, 1));
        }
        forms.push(same(Op::Sad(ty), ty, 3));
        for half in [MulHalf::Lo, MulHalf::Hi] {
            forms.push(same(Op::Mad { ty, half, saturate: false }, ty, 3));
        }
        if ty.bits() < 64 {
            let wide = RegWidth::from_bits(ty.bits() * 2).expect("32 or 64");
            forms.push(exact(Op::MulWide(ty), vec![Source::Of(ty); 2], vec![wide]));
            let addend = Source::Of(if ty.bits() == 16 { U32 } else { U64 });
            let op = Op::Mad { ty, half: MulHalf::Wide, saturate: false };
            forms.push(exact(op, vec![Source::Of(ty), Source::Of(ty), addend], vec![wide]));
        }
    }
    for op in [IntBinary::AddSat, IntBinary::SubSat, IntBinary::MinRelu, IntBinary::MaxRelu] {
        forms.push(same(Op::IntBinary(op, S32), S32, 2));
    }
    forms.push(same(Op::Mad { ty: S32, half: MulHalf::Hi, saturate: true }, S32, 3));
    for ty in [U16x2, S16x2] {
        for op in [IntBinary::Add, IntBinary::Min, IntBinary::Max] {
            forms.push(same(Op::IntBinary(op, ty), ty, 2));
        }
    }
    for op in [IntBinary::MinRelu, IntBinary::MaxRelu] {
        forms.push(same(Op::IntBinary(op, S16x2), S16x2, 2));
    }
    for ty in [U32, S32] {
        for high in [false, true] {
            forms.push(same(Op::Mul24 { ty, high, mad: false, saturate: false }, ty, 2));
            forms.push(same(Op::Mul24 { ty, high, mad: true, saturate: false }, ty, 3));
        }
    }
    forms.push(same(Op::Mul24 { ty: S32, high: true, mad: true, saturate: true }, S32, 3));
    check(&forms);
}

#[test]
fn carries() {
    let mut forms = Vec::new();
    for ty in [U32, S32, U64, S64] {
        for (op, n) in [(CarryOp::Add, 2), (CarryOp::Sub, 2), (CarryOp::MadLo, 3), (CarryOp::MadHi, 3)] {
            for carry_in in [false, true] {
                let mut sources = vec![Source::Of(ty); n];
                if carry_in {
                    sources.push(Source::Of(Pred));
                }
                let op = Op::Carry { op, ty, carry_in, carry_out: true };
                forms.push(exact(op, sources, vec![width(ty), RegWidth::Pred]));
            }
        }
    }
    check(&forms);
}

#[test]
fn logic_and_shifts() {
    let mut forms = Vec::new();
    for ty in [Pred, B16, B32, B64] {
        for op in [IntBinary::And, IntBinary::Or, IntBinary::Xor] {
            forms.push(same(Op::IntBinary(op, ty), ty, 2));
        }
        forms.push(same(Op::IntUnary(IntUnary::Not, ty), ty, 1));
    }
    for ty in [B16, B32, B64, S16, S32, S64, U16, U32, U64] {
        for op in [IntBinary::Shl, IntBinary::Shr] {
            forms.push(exact(Op::IntBinary(op, ty), vec![Source::Of(ty), Source::Amount], vec![width(ty)]));
            for amount in [5, 31, 40, 64] {
                let sources = vec![Source::Of(ty), Source::Constant(U32, amount)];
                forms.push(exact(Op::IntBinary(op, ty), sources, vec![width(ty)]));
            }
        }
    }
    for ty in [U32, U64, S32, S64] {
        for op in [IntUnary::Popc, IntUnary::Clz, IntUnary::Bfind, IntUnary::BfindShift] {
            forms.push(exact(Op::IntUnary(op, ty), vec![Source::Of(ty)], vec![RegWidth::B32]));
        }
        forms.push(same(Op::IntUnary(IntUnary::Brev, ty), ty, 1));
        let field = vec![Source::Of(ty), Source::Amount, Source::Amount];
        forms.push(exact(Op::Bfe(ty), field, vec![width(ty)]));
        let known = vec![Source::Of(ty), Source::Constant(U32, 7), Source::Constant(U32, 9)];
        forms.push(exact(Op::Bfe(ty), known, vec![width(ty)]));
        let field = vec![Source::Of(ty), Source::Of(ty), Source::Amount, Source::Amount];
        forms.push(exact(Op::Bfi(ty), field, vec![width(ty)]));
    }
    for clamp in [false, true] {
        forms.push(exact(Op::Bmsk { clamp }, vec![Source::Amount; 2], vec![RegWidth::B32]));
        for ty in [U32, S32] {
            forms.push(exact(Op::Szext { ty, clamp }, vec![Source::Of(ty), Source::Amount], vec![RegWidth::B32]));
        }
        for left in [false, true] {
            let sources = vec![Source::Of(B32), Source::Of(B32), Source::Amount];
            forms.push(exact(Op::Shf { left, clamp }, sources, vec![RegWidth::B32]));
            let sources = vec![Source::Of(B32), Source::Of(B32), Source::Constant(U32, 13)];
            forms.push(exact(Op::Shf { left, clamp }, sources, vec![RegWidth::B32]));
        }
    }
    check(&forms);
}

#[test]
fn nth_set_bit() {
    let mut forms = vec![same(Op::Fns, B32, 3)];
    for offset in [0, 1, 2, 5, 31, 32, u64::MAX, u64::MAX - 1, u64::MAX - 6, 0x8000_0000] {
        let sources = vec![Source::Of(B32), Source::Amount, Source::Constant(S32, offset)];
        forms.push(exact(Op::Fns, sources, vec![RegWidth::B32]));
    }
    check(&forms);
}

#[test]
fn permutations_and_tables() {
    let mut forms = Vec::new();
    use PrmtMode::{B4e, Default, Ecl, Ecr, F4e, Rc8, Rc16};
    for mode in [Default, F4e, B4e, Rc8, Ecl, Ecr, Rc16] {
        forms.push(same(Op::Prmt(mode), B32, 3));
        for selector in [0x3210, 0x7531, 0xba98, 0x0a81, 2, 3] {
            let sources = vec![Source::Of(B32), Source::Of(B32), Source::Constant(B32, selector)];
            forms.push(exact(Op::Prmt(mode), sources, vec![RegWidth::B32]));
        }
    }
    // All 256 are checked as expressions beside their search; here one in five, as code.
    for table in (1..=255).step_by(5) {
        forms.push(same(Op::Lop3 { table, predicate: None }, B32, 3));
    }
    for op in [BoolOp::And, BoolOp::Or] {
        let sources = vec![Source::Of(B32), Source::Of(B32), Source::Of(B32), Source::Of(Pred)];
        let op = Op::Lop3 { table: 0x80, predicate: Some(op) };
        forms.push(exact(op, sources, vec![RegWidth::B32, RegWidth::Pred]));
    }
    check(&forms);
}

#[test]
fn dot_products() {
    let mut forms = Vec::new();
    for a_signed in [false, true] {
        for b_signed in [false, true] {
            forms.push(same(Op::Dp4a { a_signed, b_signed }, B32, 3));
            for high in [false, true] {
                forms.push(same(Op::Dp2a { a_signed, b_signed, high }, B32, 3));
            }
        }
    }
    check(&forms);
}

#[test]
fn data_movement() {
    let mut forms = vec![same(Op::Mov(B32), B32, 1), same(Op::Mov(Pred), Pred, 1)];
    for (element, n, whole) in [(B16, 2, B32), (B32, 2, B64), (B16, 4, B64), (U8, 4, B32), (U8, 2, B16)] {
        forms.push(exact(Op::Pack { element }, vec![Source::Of(element); n], vec![width(whole)]));
        forms.push(exact(Op::Unpack { element }, vec![Source::Of(whole)], vec![width(element); n]));
    }
    for ty in [B16, B32, B64] {
        forms.push(exact(Op::Selp(ty), vec![Source::Of(ty), Source::Of(ty), Source::Of(Pred)], vec![width(ty)]));
        for condition in [S32, ScalarType::F32] {
            for ftz in [false, true] {
                let sources = vec![Source::Of(ty), Source::Of(ty), Source::Of(condition)];
                forms.push(exact(Op::Slct { ty, condition, ftz }, sources, vec![width(ty)]));
            }
        }
    }
    check(&forms);
}

#[test]
fn integer_comparisons() {
    let mut forms = Vec::new();
    for ty in INTEGERS {
        for op in [Compare::Eq, Compare::Ne, Compare::Lt, Compare::Le, Compare::Gt, Compare::Ge] {
            let compare = Comparison { op, ty, combine: None, ftz: false };
            forms.push(exact(Op::Setp(compare), vec![Source::Of(ty); 2], vec![RegWidth::Pred; 2]));
            forms.push(exact(Op::Set { compare, result: U32 }, vec![Source::Of(ty); 2], vec![RegWidth::B32]));
        }
        for combine in [BoolOp::And, BoolOp::Or, BoolOp::Xor] {
            let compare = Comparison { op: Compare::Lt, ty, combine: Some(combine), ftz: false };
            let sources = vec![Source::Of(ty), Source::Of(ty), Source::Of(Pred)];
            forms.push(exact(Op::Setp(compare), sources.clone(), vec![RegWidth::Pred; 2]));
            forms.push(exact(Op::Set { compare, result: ScalarType::F32 }, sources, vec![RegWidth::B32]));
        }
    }
    check(&forms);
}

fn video(op: VideoOp) -> Video {
    Video {
        op,
        d_signed: true,
        a_signed: true,
        b_signed: true,
        a_part: VideoPart::Whole,
        b_part: VideoPart::Whole,
        d_part: VideoPart::Whole,
        saturate: false,
        second: None,
        compare: None,
        clamp: true,
        plus_one: false,
        negate_product: false,
        negate_c: false,
        shift: 0,
    }
}

#[test]
fn scalar_video() {
    use VideoOp::{AbsDiff, Add, Mad, Max, Min, Set, Shl, Shr, Sub};
    let mut forms = Vec::new();
    let parts = [VideoPart::Whole, VideoPart::Byte(0), VideoPart::Byte(3), VideoPart::Half(1)];
    for (op_idx, op) in [Add, Sub, AbsDiff, Min, Max, Shl, Shr, Set].into_iter().enumerate() {
        for signs in 0..8_usize {
            for saturate in [false, true] {
                // Parts and second operations take turns instead of multiplying.
                let turn = signs + 3 * op_idx + usize::from(saturate);
                let second = [None, Some(VideoSecond::Add), Some(VideoSecond::Min), Some(VideoSecond::Max)][turn % 4];
                let form = Video {
                    d_signed: signs & 1 != 0,
                    a_signed: signs & 2 != 0,
                    b_signed: signs & 4 != 0 && !matches!(op, Shl | Shr),
                    a_part: parts[turn % 4],
                    b_part: parts[(turn / 2) % 4],
                    d_part: if second.is_some() { VideoPart::Whole } else { parts[(turn / 3) % 4] },
                    saturate,
                    second,
                    compare: (op == Set).then_some([Compare::Lt, Compare::Ge, Compare::Ne][turn % 3]),
                    clamp: turn % 2 == 0,
                    ..video(op)
                };
                let b = if matches!(op, Shl | Shr) { Source::Amount } else { Source::Of(B32) };
                forms.push(exact(Op::Video(form), vec![Source::Of(B32), b, Source::Of(B32)], vec![RegWidth::B32]));
            }
        }
    }
    for a_signed in [false, true] {
        for b_signed in [false, true] {
            for saturate in [false, true] {
                for shift in [0, 7, 15] {
                    for modifier in 0..4 {
                        let form = Video {
                            d_signed: a_signed || b_signed,
                            a_signed,
                            b_signed,
                            saturate,
                            shift,
                            plus_one: modifier == 1,
                            negate_product: modifier == 2,
                            negate_c: modifier == 3,
                            a_part: parts[shift as usize % 4],
                            ..video(Mad)
                        };
                        forms.push(same(Op::Video(form), B32, 3));
                    }
                }
            }
        }
    }
    check(&forms);
}

#[test]
fn simd_video() {
    use VideoOp::{AbsDiff, Add, Avrg, Max, Min, Set, Sub};
    let mut forms = Vec::new();
    for op in [Add, Sub, Avrg, AbsDiff, Min, Max, Set] {
        for lanes in [2, 4] {
            for signs in 0..8_u8 {
                for variant in [signs % 3, (signs + 1) % 3] {
                    let (a_select, b_select, mask) = match (lanes, variant) {
                        (2, 0) => ([0, 1, 0, 0], [2, 3, 0, 0], 3),
                        (2, _) => ([1, 3, 0, 0], [0, 2, 0, 0], 1 + signs % 2),
                        (_, 0) => ([0, 1, 2, 3], [4, 5, 6, 7], 15),
                        (_, _) => ([7, 0, 3, 5], [1, 4, 6, 2], 1 + signs),
                    };
                    let form = VideoSimd {
                        op,
                        lanes,
                        d_signed: signs & 1 != 0,
                        a_signed: signs & 2 != 0,
                        b_signed: signs & 4 != 0,
                        a_select,
                        b_select,
                        mask,
                        saturate: variant == 1 && op != Set,
                        accumulate: variant == 2,
                        compare: (op == Set).then_some(Compare::Le),
                    };
                    forms.push(same(Op::VideoSimd(form), B32, 3));
                }
            }
        }
    }
    check(&forms);
}

#[test]
fn cvt_pack() {
    let mut forms = Vec::new();
    for from_signed in [false, true] {
        for (to_bits, to_signed) in
            [(16, true), (16, false), (8, true), (8, false), (4, true), (4, false), (2, true), (2, false)]
        {
            for insert in [false, true] {
                if insert == (to_bits == 16) {
                    continue;
                }
                let op = Op::CvtPack { to_bits, to_signed, from_signed, insert };
                forms.push(same(op, B32, if insert { 3 } else { 2 }));
            }
        }
    }
    check(&forms);
}
