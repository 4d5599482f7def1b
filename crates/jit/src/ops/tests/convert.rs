//! `cvt` between every two types with every modifier.

use super::harness::{Equal, Form, Source, check};
use super::integer::width;
use vgpu_ptx::ir::*;

use ScalarType::{
    BF16, BF16x2, E4M3, E4M3x2, E5M2, E5M2x2, F16, F16x2, F32, F64, S8, S16, S32, S64, TF32, U8, U16, U32, U64,
};
const INTEGERS: [ScalarType; 8] = [U8, S8, U16, S16, U32, S32, U64, S64];
const FLOATS: [ScalarType; 4] = [F16, BF16, F32, F64];
const DIRECTIONS: [Rounding; 4] = [Rounding::NearestEven, Rounding::Zero, Rounding::Down, Rounding::Up];

const fn plain(to: ScalarType, from: ScalarType, rounding: Option<Rounding>) -> Cvt {
    Cvt { to, from, rounding, integral: false, ftz: false, saturate: false, satfinite: false, relu: false }
}

fn form(cvt: Cvt, n: usize) -> Form {
    let equal = if matches!(cvt.to, F32 | F64) && !cvt.relu { Equal::AnyNan(cvt.to) } else { Equal::Bits };
    Form { op: Op::Cvt(cvt), sources: vec![Source::Of(cvt.from); n], results: vec![width(cvt.to)], equal }
}

#[test]
fn between_integers() {
    let mut forms = Vec::new();
    for from in INTEGERS {
        for to in INTEGERS {
            for saturate in [false, true] {
                let cvt = Cvt { saturate, ..plain(to, from, None) };
                forms.push(form(cvt, 1));
            }
            // From and to registers wider than the types.
            let sources = vec![Source::In(from, RegWidth::B64)];
            let op = Op::Cvt(plain(to, from, None));
            forms.push(Form { op, sources, results: vec![RegWidth::B64], equal: Equal::Bits });
        }
    }
    // A wide destination register is extended by the destination's sign.
    check(&forms);
}

#[test]
fn integers_to_floats() {
    let mut forms = Vec::new();
    for from in INTEGERS {
        for to in FLOATS {
            for rounding in DIRECTIONS {
                forms.push(form(plain(to, from, Some(rounding)), 1));
            }
        }
        let cvt = Cvt { saturate: true, ..plain(F32, from, Some(Rounding::NearestEven)) };
        forms.push(form(cvt, 1));
    }
    check(&forms);
}

#[test]
fn floats_to_integers() {
    let mut forms = Vec::new();
    for from in FLOATS {
        for to in INTEGERS {
            for rounding in DIRECTIONS {
                forms.push(form(plain(to, from, Some(rounding)), 1));
            }
        }
        for to in [U8, S8] {
            let op = Op::Cvt(plain(to, from, Some(Rounding::Zero)));
            let (sources, results) = (vec![Source::Of(from)], vec![RegWidth::B32]);
            forms.push(Form { op, sources, results, equal: Equal::Bits });
        }
    }
    for rounding in DIRECTIONS {
        let cvt = Cvt { ftz: true, ..plain(S32, F32, Some(rounding)) };
        forms.push(form(cvt, 1));
    }
    check(&forms);
}

#[test]
fn between_floats() {
    let mut forms = Vec::new();
    for from in FLOATS {
        for to in FLOATS {
            for rounding in DIRECTIONS {
                forms.push(form(plain(to, from, Some(rounding)), 1));
                if from == to {
                    forms.push(form(Cvt { integral: true, ..plain(to, from, Some(rounding)) }, 1));
                }
            }
            let nearest = plain(to, from, Some(Rounding::NearestEven));
            forms.push(form(Cvt { saturate: true, ..nearest }, 1));
            if from == F32 || to == F32 {
                forms.push(form(Cvt { ftz: true, ..nearest }, 1));
                forms.push(form(Cvt { ftz: true, saturate: true, ..nearest }, 1));
            }
        }
    }
    for to in [F16, BF16] {
        for rounding in DIRECTIONS {
            for (relu, satfinite) in [(true, false), (false, true), (true, true)] {
                forms.push(form(Cvt { relu, satfinite, ..plain(to, F32, Some(rounding)) }, 1));
            }
        }
    }
    for rounding in [Rounding::NearestEven, Rounding::NearestAway, Rounding::Zero] {
        for (relu, satfinite) in [(false, false), (true, false), (false, true), (true, true)] {
            forms.push(form(Cvt { relu, satfinite, ..plain(TF32, F32, Some(rounding)) }, 1));
        }
    }
    check(&forms);
}

#[test]
fn packed() {
    let mut forms = Vec::new();
    for (relu, satfinite) in [(false, false), (true, false), (false, true), (true, true)] {
        for to in [F16x2, BF16x2] {
            for rounding in [Rounding::NearestEven, Rounding::Zero] {
                forms.push(form(Cvt { relu, satfinite, ..plain(to, F32, Some(rounding)) }, 2));
            }
        }
        for to in [E4M3x2, E5M2x2] {
            let cvt = Cvt { relu, satfinite: true, ..plain(to, F32, Some(Rounding::NearestEven)) };
            forms.push(form(cvt, 2));
            let cvt = Cvt { relu, satfinite: true, ..plain(to, F16x2, Some(Rounding::NearestEven)) };
            forms.push(form(cvt, 1));
            forms.push(form(Cvt { relu, ..plain(F16x2, to, Some(Rounding::NearestEven)) }, 1));
        }
    }
    // One element at a time, every 8-bit number.
    for ty in [E4M3, E5M2] {
        forms.push(form(plain(F16, ty, Some(Rounding::NearestEven)), 1));
        forms.push(form(plain(F32, ty, Some(Rounding::NearestEven)), 1));
    }
    check(&forms);
}
