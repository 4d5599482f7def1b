//! Tables for integer arithmetic. Expected values come from Rust's own fixed-width operations and from bit-by-bit definitions.

use crate::interp::arith::{int, video};
use crate::ir::*;

const EDGES: [u64; 20] = [
    0,
    1,
    2,
    7,
    31,
    32,
    63,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0x8000,
    0xffff,
    0x1234_5678,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_ffff_ffff,
];

macro_rules! check_width {
    ($unsigned:ident, $signed:ident, $wide:ident, $wide_signed:ident, $u_ty:expr, $s_ty:expr) => {
        for a in EDGES {
            for b in EDGES {
                let (ua, ub) = (a as $unsigned, b as $unsigned);
                let (sa, sb) = (a as $signed, b as $signed);
                let u = |op| int::binary(op, $u_ty, a, b).expect("exists") as $unsigned;
                let s = |op| int::binary(op, $s_ty, a, b).expect("exists") as $signed;
                assert_eq!(u(IntBinary::Add), ua.wrapping_add(ub));
                assert_eq!(s(IntBinary::AddSat), sa.saturating_add(sb));
                assert_eq!(u(IntBinary::Sub), ua.wrapping_sub(ub));
                assert_eq!(s(IntBinary::SubSat), sa.saturating_sub(sb));
                assert_eq!(u(IntBinary::MulLo), ua.wrapping_mul(ub));
                assert_eq!(s(IntBinary::MulLo), sa.wrapping_mul(sb));
                assert_eq!(u(IntBinary::MulHi), (ua as $wide * ub as $wide >> $unsigned::BITS) as $unsigned);
                assert_eq!(
                    s(IntBinary::MulHi),
                    (sa as $wide_signed * sb as $wide_signed >> $unsigned::BITS) as $signed
                );
                assert_eq!(u(IntBinary::Div), ua.checked_div(ub).unwrap_or($unsigned::MAX));
                assert_eq!(s(IntBinary::Div), if sb == 0 { -1 } else { sa.wrapping_div(sb) });
                assert_eq!(u(IntBinary::Rem), ua.checked_rem(ub).unwrap_or(ua));
                assert_eq!(s(IntBinary::Rem), if sb == 0 { sa } else { sa.wrapping_rem(sb) });
                assert_eq!((u(IntBinary::Min), u(IntBinary::Max)), (ua.min(ub), ua.max(ub)));
                assert_eq!((s(IntBinary::Min), s(IntBinary::Max)), (sa.min(sb), sa.max(sb)));
                assert_eq!(s(IntBinary::MinRelu), sa.min(sb).max(0));
                assert_eq!(s(IntBinary::MaxRelu), sa.max(sb).max(0));
                assert_eq!((u(IntBinary::And), u(IntBinary::Or), u(IntBinary::Xor)), (ua & ub, ua | ub, ua ^ ub));
                let amount = b as u32;
                assert_eq!(u(IntBinary::Shl), ua.checked_shl(amount).unwrap_or(0), "{a:#x} << {amount}");
                assert_eq!(u(IntBinary::Shr), ua.checked_shr(amount).unwrap_or(0), "{a:#x} >> {amount}");
                assert_eq!(s(IntBinary::Shr), sa >> amount.min($signed::BITS - 1), "{a:#x} >> {amount} signed");
                let sad = int::sad($s_ty, a, b, 5) as $unsigned;
                assert_eq!(sad, sa.abs_diff(sb).wrapping_add(5));
                for c in [0, 1, a] {
                    let uc = c as $unsigned;
                    for carry_in in [false, true] {
                        let (d, carry) = int::carry(CarryOp::Add, $u_ty, carry_in, a, b, 0);
                        let (sum, first) = ua.overflowing_add(ub);
                        let (sum, second) = sum.overflowing_add($unsigned::from(carry_in));
                        assert_eq!((d as $unsigned, carry), (sum, first | second));
                        let (d, borrow) = int::carry(CarryOp::Sub, $u_ty, carry_in, a, b, 0);
                        let (difference, first) = ua.overflowing_sub(ub);
                        let (difference, second) = difference.overflowing_sub($unsigned::from(carry_in));
                        assert_eq!((d as $unsigned, borrow), (difference, first | second));
                        let (d, carry) = int::carry(CarryOp::MadHi, $s_ty, carry_in, a, b, c);
                        let high = (sa as $wide_signed * sb as $wide_signed >> $unsigned::BITS) as $unsigned;
                        let (sum, first) = high.overflowing_add(uc);
                        let (sum, second) = sum.overflowing_add($unsigned::from(carry_in));
                        assert_eq!((d as $unsigned, carry), (sum, first | second));
                    }
                    let mad = int::mad($u_ty, MulHalf::Lo, false, a, b, c).expect("exists") as $unsigned;
                    assert_eq!(mad, ua.wrapping_mul(ub).wrapping_add(uc));
                    let mad = int::mad($s_ty, MulHalf::Hi, true, a, b, c).expect("exists") as $signed;
                    let high = (sa as $wide_signed * sb as $wide_signed >> $unsigned::BITS) as $signed;
                    assert_eq!(mad, high.saturating_add(c as $signed));
                }
            }
            let (ua, sa) = (a as $unsigned, a as $signed);
            let u = |op| int::unary(op, $u_ty, a).expect("exists");
            let s = |op| int::unary(op, $s_ty, a).expect("exists");
            assert_eq!(s(IntUnary::Abs) as $signed, sa.wrapping_abs());
            assert_eq!(s(IntUnary::Neg) as $signed, sa.wrapping_neg());
            assert_eq!(u(IntUnary::Not) as $unsigned, !ua);
            assert_eq!(u(IntUnary::Cnot), u64::from(ua == 0));
            assert_eq!(u(IntUnary::Popc), u64::from(ua.count_ones()));
            assert_eq!(u(IntUnary::Clz), u64::from(ua.leading_zeros()));
            assert_eq!(u(IntUnary::Brev) as $unsigned, ua.reverse_bits());
            let top = |value: $unsigned| (0..$unsigned::BITS).rev().find(|&i| value >> i & 1 == 1);
            let expect = |bit: Option<u32>| bit.map_or(0xffff_ffff, u64::from);
            assert_eq!(u(IntUnary::Bfind), expect(top(ua)));
            let magnitude = if sa < 0 { !ua } else { ua };
            assert_eq!(s(IntUnary::Bfind), expect(top(magnitude)));
            assert_eq!(u(IntUnary::BfindShift), expect(top(ua).map(|bit| $unsigned::BITS - 1 - bit)));
        }
    };
}

#[test]
fn fixed_width_arithmetic() {
    check_width!(u16, i16, u32, i32, ScalarType::U16, ScalarType::S16);
    check_width!(u32, i32, u64, i64, ScalarType::U32, ScalarType::S32);
    check_width!(u64, i64, u128, i128, ScalarType::U64, ScalarType::S64);
}

#[test]
fn products() {
    for a in EDGES {
        for b in EDGES {
            let (ua, ub, sa, sb) = (a as u32, b as u32, a as i32, b as i32);
            assert_eq!(int::mul_wide(ScalarType::U32, a, b), Ok(u64::from(ua) * u64::from(ub)));
            assert_eq!(int::mul_wide(ScalarType::S32, a, b), Ok((i64::from(sa) * i64::from(sb)) as u64));
            let short = i32::from(a as i16).wrapping_mul(i32::from(b as i16)) as u32;
            assert_eq!(int::mul_wide(ScalarType::S16, a, b), Ok(u64::from(short)));
            let (a24, b24) = (i64::from(sa << 8 >> 8), i64::from(sb << 8 >> 8));
            assert_eq!(int::mul24(ScalarType::S32, false, false, a, b, None) as u32, (a24 * b24) as u32);
            assert_eq!(int::mul24(ScalarType::S32, true, false, a, b, None) as u32, ((a24 * b24) >> 16) as u32);
            let (a24, b24) = (u64::from(ua & 0xff_ffff), u64::from(ub & 0xff_ffff));
            assert_eq!(
                int::mul24(ScalarType::U32, true, false, a, b, Some(1)) as u32,
                (((a24 * b24) >> 16) + 1) as u32
            );
        }
    }
    assert_eq!(int::mul24(ScalarType::S32, true, true, 0x80_0000, 0x80_0000, Some(0x7fff_ffff)), 0x7fff_ffff);
    assert!(int::mul_wide(ScalarType::U64, 1, 1).is_err());
    // Packed halves do not carry into each other.
    assert_eq!(int::binary(IntBinary::Add, ScalarType::U16x2, 0xffff_ffff, 0x0001_0001), Ok(0));
    assert_eq!(int::binary(IntBinary::Max, ScalarType::S16x2, 0x8000_0005, 0x0001_fffe), Ok(0x0001_0005));
}

#[test]
fn bit_fields() {
    // (a, position, length, unsigned, signed)
    let table = [
        (0xabcd_1234, 8, 8, 0x12, 0x12),
        (0xabcd_1234, 24, 8, 0xab, 0xffff_ffab),
        (0xabcd_1234, 24, 200, 0xab, 0xffff_ffab),
        (0xabcd_1234, 0, 0, 0, 0),
        (0xabcd_1234, 40, 4, 0, 0xffff_ffff),
        (0x7bcd_1234, 40, 4, 0, 0),
        (0xabcd_1234, 256, 4, 4, 4),
        (0xabcd_1234, 0, 32, 0xabcd_1234, 0xabcd_1234),
    ];
    for (a, position, length, unsigned, signed) in table {
        assert_eq!(int::bfe(ScalarType::U32, a, position, length), unsigned, "{a:#x} {position} {length}");
        assert_eq!(int::bfe(ScalarType::S32, a, position, length), signed, "{a:#x} {position} {length}");
    }
    assert_eq!(int::bfe(ScalarType::S64, 1 << 63, 60, 4), 0xffff_ffff_ffff_fff8);
    assert_eq!(int::bfi(ScalarType::B32, 0xf, 0, 4, 8), 0xf0);
    assert_eq!(int::bfi(ScalarType::B32, 0xffff_ffff, 0, 28, 8), 0xf000_0000);
    assert_eq!(int::bfi(ScalarType::B32, 0, 0xffff_ffff, 33, 8), 0xffff_ffff);
    assert_eq!(int::bfi(ScalarType::B64, 0x5, 0, 62, 255), 0x4000_0000_0000_0000);
    assert_eq!(int::bmsk(true, 4, 8), 0xff0);
    assert_eq!(int::bmsk(true, 40, 8), 0);
    assert_eq!(int::bmsk(false, 40, 8), 0xff00);
    assert_eq!(int::bmsk(true, 0, 32), 0xffff_ffff);
    assert_eq!(int::bmsk(true, 31, 32), 0x8000_0000);
    assert_eq!(int::szext(ScalarType::S32, true, 0x80, 8), 0xffff_ff80);
    assert_eq!(int::szext(ScalarType::U32, true, 0x1ff, 8), 0xff);
    assert_eq!(int::szext(ScalarType::S32, true, 0x1ff, 0), 0);
    assert_eq!(int::szext(ScalarType::S32, true, 0x8000_0001, 99), 0x8000_0001);
    assert_eq!(int::szext(ScalarType::S32, false, 0x3, 33), 0xffff_ffff);
    // fns: mask, base, offset.
    assert_eq!(int::fns(0b1011_0100, 0, 1), 2);
    assert_eq!(int::fns(0b1011_0100, 3, 2), 5);
    assert_eq!(int::fns(0b1011_0100, 7, (-2i32) as u32 as u64), 5);
    assert_eq!(int::fns(0b1011_0100, 4, 0), 4);
    assert_eq!(int::fns(0b1011_0100, 3, 0), 0xffff_ffff);
    assert_eq!(int::fns(0b1011_0100, 8, 1), 0xffff_ffff);
}

#[test]
fn shifts_permutations_and_logic() {
    let (low, high) = (0x89ab_cdef, 0x0123_4567);
    // (left, clamp, amount, result)
    let table = [
        (true, false, 8, 0x2345_6789),
        (true, false, 40, 0x2345_6789),
        (true, true, 40, 0x89ab_cdef),
        (true, true, 0, 0x0123_4567),
        (false, false, 8, 0x6789_abcd),
        (false, false, 32, 0x89ab_cdef),
        (false, true, 32, 0x0123_4567),
        (false, true, 0xffff_ffff, 0x0123_4567),
    ];
    for (left, clamp, amount, expected) in table {
        assert_eq!(int::shf(left, clamp, low, high, amount), expected, "{left} {clamp} {amount}");
    }
    // Bytes of a: 03 02 01 80; of b: 07 06 05 04.
    let (a, b) = (0x0302_0180, 0x0706_0504);
    let table = [
        (PrmtMode::Default, 0x3210, 0x0302_0180),
        (PrmtMode::Default, 0x7654, 0x0706_0504),
        (PrmtMode::Default, 0x8bf0, 0xff00_0080),
        (PrmtMode::F4e, 1, 0x0403_0201),
        (PrmtMode::B4e, 2, 0x0780_0102),
        (PrmtMode::Rc8, 2, 0x0202_0202),
        (PrmtMode::Ecl, 1, 0x0302_0101),
        (PrmtMode::Ecr, 2, 0x0202_0180),
        (PrmtMode::Rc16, 3, 0x0302_0302),
        (PrmtMode::Rc16, 6, 0x0180_0180),
    ];
    for (mode, selector, expected) in table {
        // b4e with selector 2 is bytes 7 0 1 2 for d.b3 .. d.b0.
        assert_eq!(int::prmt(mode, a, b, selector), expected, "{mode:?} {selector:#x}");
    }
    let (a, b, c) = (0xf0f0_1234, 0xcccc_5678, 0xaaaa_9abc);
    for (table, expected) in [
        (0x80, a & b & c),
        (0xfe, a | b | c),
        (0x96, a ^ b ^ c),
        (0x1a, (a & b | c) ^ a),
        (0xe8, a & b | a & c | b & c),
        (0x00, 0),
        (0xff, 0xffff_ffff),
    ] {
        assert_eq!(int::lop3(table, a, b, c), expected, "{table:#x}");
    }
}

#[test]
fn dot_products() {
    let (a, b) = (0x80ff_7f01, 0x80ff_ff02);
    assert_eq!(int::dp4a(true, true, a, b, 0), (16384 + 1 - 127 + 2) as u64);
    assert_eq!(int::dp4a(false, false, a, b, 1), 128 * 128 + 255 * 255 + 127 * 255 + 2 + 1);
    assert_eq!(int::dp4a(true, false, a, b, 0), (-128 * 128 - 255 + 127 * 255 + 2) as u32 as u64);
    assert_eq!(int::dp4a(true, true, 0, 0, 0xffff_ffff), 0xffff_ffff);
    assert_eq!(int::dp2a(true, true, false, 0x8000_0003, 0x0000_ff02, 0), (32768 + 6) as u64);
    assert_eq!(int::dp2a(false, false, true, 0x8000_0003, 0xff02_0000, 7), 32768 * 255 + 6 + 7);
}

#[test]
fn video_instructions() {
    let plain = Video {
        op: VideoOp::Add,
        d_signed: true,
        a_signed: true,
        b_signed: true,
        a_part: VideoPart::Whole,
        b_part: VideoPart::Whole,
        d_part: VideoPart::Whole,
        saturate: false,
        second: None,
        compare: None,
        clamp: false,
        plus_one: false,
        negate_product: false,
        negate_c: false,
        shift: 0,
    };
    // (form, a, b, c, result)
    let table = [
        (plain, 0x7fff_ffff, 1, 0, 0x8000_0000),
        (Video { saturate: true, ..plain }, 0x7fff_ffff, 1, 0, 0x7fff_ffff),
        (Video { a_part: VideoPart::Byte(1), ..plain }, 0x8000, 0, 0, 0xffff_ff80),
        (Video { a_part: VideoPart::Byte(1), a_signed: false, ..plain }, 0x8000, 0, 0, 0x80),
        (Video { d_part: VideoPart::Byte(2), saturate: true, ..plain }, 500, 0, 0x1122_3344, 0x117f_3344),
        (Video { d_part: VideoPart::Half(1), ..plain }, 0x1_2345, 0, 0x1122_3344, 0x2345_3344),
        (Video { second: Some(VideoSecond::Add), ..plain }, 3, 4, 10, 17),
        (Video { second: Some(VideoSecond::Min), ..plain }, 3, 4, 0xffff_ffff, 0xffff_ffff),
        (Video { second: Some(VideoSecond::Max), d_signed: false, ..plain }, 3, 4, 0xffff_ffff, 0xffff_ffff),
        (Video { op: VideoOp::AbsDiff, ..plain }, 0xffff_fffe, 5, 0, 7),
        (Video { op: VideoOp::Shl, b_signed: false, clamp: true, ..plain }, 1, 40, 0, 0),
        (Video { op: VideoOp::Shl, b_signed: false, ..plain }, 1, 40, 0, 256),
        (Video { op: VideoOp::Shr, b_signed: false, clamp: true, ..plain }, 0x8000_0000, 99, 0, 0xffff_ffff),
        (Video { op: VideoOp::Set, compare: Some(Compare::Lt), ..plain }, 0xffff_ffff, 0, 0, 1),
        (
            Video { op: VideoOp::Set, compare: Some(Compare::Lt), second: Some(VideoSecond::Min), ..plain },
            5,
            0,
            0xffff_ffff,
            0,
        ),
        (Video { op: VideoOp::Mad, shift: 7, ..plain }, 0x100, 0x100, 0x80, 0x201),
        (Video { op: VideoOp::Mad, negate_product: true, ..plain }, 3, 5, 20, 5),
        (Video { op: VideoOp::Mad, negate_c: true, ..plain }, 3, 5, 20, 0xffff_fffb),
        (Video { op: VideoOp::Mad, plus_one: true, ..plain }, 3, 5, 20, 36),
        (Video { op: VideoOp::Mad, saturate: true, ..plain }, 0x7fff_ffff, 2, 0, 0x7fff_ffff),
    ];
    for (form, a, b, c, expected) in table {
        assert_eq!(video::scalar(&form, a, b, c), Ok(expected), "{form:?}");
    }
    let simd = VideoSimd {
        op: VideoOp::Add,
        lanes: 4,
        d_signed: false,
        a_signed: false,
        b_signed: false,
        a_select: [0, 1, 2, 3],
        b_select: [4, 5, 6, 7],
        mask: 0xf,
        saturate: false,
        accumulate: false,
        compare: None,
    };
    let two = VideoSimd { lanes: 2, a_select: [0, 1, 0, 0], b_select: [2, 3, 0, 0], mask: 3, ..simd };
    let table = [
        (simd, 0xff01_0203, 0x0101_0101, 0, 0x0002_0304),
        (VideoSimd { saturate: true, ..simd }, 0xff01_0203, 0x0101_0101, 0, 0xff02_0304),
        (VideoSimd { mask: 0b0101, ..simd }, 0x0101_0101, 0x0101_0101, 0xaabb_ccdd, 0xaa02_cc02),
        (VideoSimd { accumulate: true, ..simd }, 0x0102_0304, 0, 100, 110),
        (VideoSimd { op: VideoOp::AbsDiff, accumulate: true, ..simd }, 0x0005_0000, 0x0200_0000, 0, 7),
        (VideoSimd { op: VideoOp::Avrg, ..simd }, 0x0001_02ff, 0x0101_01ff, 0, 0x0101_02ff),
        (VideoSimd { a_select: [3, 3, 7, 7], op: VideoOp::Max, ..simd }, 0x0900_0000, 0x0500_0004, 0, 0x0505_0909),
        (VideoSimd { op: VideoOp::Sub, accumulate: true, ..two }, 0x0000_0005, 0x0001_0006, 10, 8),
        (VideoSimd { accumulate: true, ..two }, 0xffff_ffff, 0x0001_0001, 0, 0x0002_0000),
        (VideoSimd { op: VideoOp::Sub, ..two }, 0x0000_0005, 0x0001_0003, 0, 0xffff_0002),
        (
            VideoSimd { op: VideoOp::Min, a_signed: true, b_signed: true, d_signed: true, ..two },
            0x8000_0005,
            1,
            0,
            0x8000_0001,
        ),
        (VideoSimd { op: VideoOp::Set, compare: Some(Compare::Gt), ..two }, 0x0002_0001, 0x0001_0001, 0, 0x0001_0000),
    ];
    for (form, a, b, c, expected) in table {
        assert_eq!(video::simd(&form, a, b, c), Ok(expected), "{form:?}");
    }
}
