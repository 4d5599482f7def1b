//! Floating-point arithmetic from exact rational numbers: the definition of rounding, for all formats alike.

use super::integer::written;
use super::{Answer, Instruction, Lane, bits_of, mask};
use dashu::base::{BitTest, SquareRootRem};
use dashu::integer::{IBig, UBig};
use dashu::rational::RBig;

/// A binary format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// Bits of the exponent.
    pub exponent: u32,
    /// Bits of the fraction.
    pub fraction: u32,
    /// Unused bits below the fraction (tf32).
    pub below: u32,
    /// All exponents are of numbers; only the pattern of all ones is NaN (e4m3).
    pub finite: bool,
}

/// The format of a type, of one half for pairs.
pub fn format(ty: &str) -> Option<Format> {
    let new = |exponent, fraction| Format { exponent, fraction, below: 0, finite: false };
    Some(match ty.trim_end_matches("x2") {
        "f16" => new(5, 10),
        "bf16" => new(8, 7),
        "f32" => new(8, 23),
        "f64" => new(11, 52),
        "tf32" => Format { below: 13, ..new(8, 10) },
        "e5m2" => new(5, 2),
        "e4m3" => Format { finite: true, ..new(4, 3) },
        _ => return None,
    })
}

/// A value: a number keeps the sign of its zero.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Not a number.
    Nan,
    /// Infinity, negative or not.
    Infinite(bool),
    /// A number; the sign counts where it is zero.
    Number(RBig, bool),
}

/// A direction of rounding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the nearest, ties to even.
    Even,
    /// To the nearest, ties away from zero.
    Away,
    /// Towards zero.
    Zero,
    /// Towards minus infinity.
    Down,
    /// Towards infinity.
    Up,
}

impl Direction {
    /// The direction an opcode names.
    pub fn of(instruction: &Instruction<'_>) -> Self {
        let found = instruction.words.iter().find_map(|word| match *word {
            "rz" | "rzi" => Some(Self::Zero),
            "rm" | "rmi" => Some(Self::Down),
            "rp" | "rpi" => Some(Self::Up),
            "rna" => Some(Self::Away),
            _ => None,
        });
        found.unwrap_or(Self::Even)
    }
}

/// `2^exponent`.
pub fn power(exponent: i32) -> RBig {
    let one = UBig::ONE << exponent.unsigned_abs() as usize;
    if exponent >= 0 { RBig::from(one) } else { RBig::from_parts(IBig::ONE, one) }
}

fn absolute(value: &RBig) -> RBig {
    if *value < RBig::ZERO { -value.clone() } else { value.clone() }
}

impl Format {
    fn bits(self) -> u32 {
        1 + self.exponent + self.fraction + self.below
    }

    /// The bit of the sign.
    pub fn sign(self) -> u64 {
        1 << (self.bits() - 1)
    }

    /// The bits of infinity.
    pub fn infinity(self) -> u64 {
        mask(self.exponent) << (self.fraction + self.below)
    }

    /// The bits of the largest number.
    pub fn largest(self) -> u64 {
        if self.finite { self.sign() - 2 } else { self.infinity() - (1 << self.below) }
    }

    /// The value of bits.
    pub fn value(self, bits: u64) -> Value {
        let negative = bits & self.sign() != 0;
        let magnitude = bits & (self.sign() - 1);
        if self.finite {
            if magnitude == self.sign() - 1 {
                return Value::Nan;
            }
        } else if magnitude >= self.infinity() {
            return if magnitude == self.infinity() { Value::Infinite(negative) } else { Value::Nan };
        }
        let magnitude = magnitude >> self.below;
        let biased = magnitude >> self.fraction;
        let fraction = magnitude & mask(self.fraction);
        let significand = if biased == 0 { fraction } else { fraction | 1 << self.fraction };
        let exponent = biased.max(1) as i32 - (mask(self.exponent - 1) as i32) - self.fraction as i32;
        let number = RBig::from(significand) * power(exponent);
        Value::Number(if negative { -number } else { number }, negative)
    }

    /// True for subnormal numbers.
    pub fn is_subnormal(self, bits: u64) -> bool {
        let magnitude = bits & (self.sign() - 1);
        magnitude != 0 && magnitude < 1 << (self.fraction + self.below)
    }

    /// The bits with a subnormal number made a zero of its sign.
    pub fn flushed(self, bits: u64) -> u64 {
        if self.is_subnormal(bits) { bits & self.sign() } else { bits }
    }

    /// The bits of a number, correctly rounded; past the largest number infinity or that number, as the direction says.
    pub fn rounded(self, value: &RBig, negative_zero: bool, direction: Direction) -> u64 {
        if *value == RBig::ZERO {
            return if negative_zero { self.sign() } else { 0 };
        }
        let negative = *value < RBig::ZERO;
        let magnitude = absolute(value);
        let least = 1 - mask(self.exponent - 1) as i32;
        let length = |n: &IBig| n.bit_len() as i32;
        let mut exponent = length(magnitude.numerator()) - length(&IBig::from(magnitude.denominator().clone()));
        if power(exponent) > magnitude {
            exponent -= 1;
        }
        let exponent = exponent.max(least);
        let steps = whole(&(magnitude / power(exponent - self.fraction as i32)), negative, direction);
        let steps = i128::try_from(steps).unwrap_or(0);
        let encoded = ((i128::from(exponent - least) << self.fraction) + steps) << self.below;
        let to_infinity = match direction {
            Direction::Even | Direction::Away => true,
            Direction::Zero => false,
            Direction::Down => negative,
            Direction::Up => !negative,
        };
        let found = match encoded > i128::from(self.largest()) {
            true if to_infinity && !self.finite => self.infinity(),
            true => self.largest(),
            false => encoded as u64,
        };
        if negative { found | self.sign() } else { found }
    }
}

/// A number that is not negative, rounded to a whole one.
fn whole(magnitude: &RBig, negative: bool, direction: Direction) -> IBig {
    let floor = magnitude.floor();
    let rest = magnitude.clone() - RBig::from(floor.clone());
    if rest == RBig::ZERO {
        return floor;
    }
    let half = RBig::from_parts(IBig::ONE, UBig::from(2u8));
    let up = match direction {
        Direction::Zero => false,
        Direction::Down => negative,
        Direction::Up => !negative,
        Direction::Away => rest >= half,
        Direction::Even => rest > half || rest == half && &floor % IBig::from(2) != IBig::ZERO,
    };
    if up { floor + IBig::ONE } else { floor }
}

/// A number rounded to a whole one.
pub fn integral(value: &RBig, direction: Direction) -> IBig {
    let negative = *value < RBig::ZERO;
    let found = whole(&absolute(value), negative, direction);
    if negative { -found } else { found }
}

/// A number that rounds as the square root of a positive number does.
fn root(value: &RBig) -> Option<RBig> {
    let scaled = value * power(2400);
    let (root, rest) = UBig::try_from(scaled.numerator().clone()).ok()?.sqrt_rem();
    let sticky = if rest == UBig::ZERO { UBig::ZERO } else { UBig::ONE };
    Some(RBig::from((root << 1) + sticky) * power(-1201))
}

/// The sum of two values; an exact zero has the sign that the direction gives it.
pub fn sum_of(a: &Value, b: &Value, direction: Direction) -> Value {
    match (a, b) {
        (Value::Nan, _) | (_, Value::Nan) => Value::Nan,
        (Value::Infinite(x), Value::Infinite(y)) if x != y => Value::Nan,
        (Value::Infinite(x), _) | (_, Value::Infinite(x)) => Value::Infinite(*x),
        (Value::Number(x, x_negative), Value::Number(y, y_negative)) => {
            let zero = if x_negative == y_negative { *x_negative } else { direction == Direction::Down };
            Value::Number(x.clone() + y.clone(), zero)
        }
    }
}

fn negated(a: &Value) -> Value {
    match a {
        Value::Nan => Value::Nan,
        Value::Infinite(negative) => Value::Infinite(!negative),
        Value::Number(number, negative) => Value::Number(-number.clone(), !negative),
    }
}

fn is_negative(a: &Value) -> bool {
    matches!(a, Value::Infinite(true) | Value::Number(_, true))
}

fn is_not_positive(a: &Value) -> bool {
    match a {
        Value::Nan => false,
        Value::Infinite(negative) => *negative,
        Value::Number(number, _) => *number <= RBig::ZERO,
    }
}

fn is_zero(a: &Value) -> bool {
    matches!(a, Value::Number(number, _) if *number == RBig::ZERO)
}

fn product(a: &Value, b: &Value) -> Value {
    let negative = is_negative(a) != is_negative(b);
    match (a, b) {
        (Value::Nan, _) | (_, Value::Nan) => Value::Nan,
        (Value::Infinite(_), other) | (other, Value::Infinite(_)) => {
            if is_zero(other) {
                Value::Nan
            } else {
                Value::Infinite(negative)
            }
        }
        (Value::Number(x, _), Value::Number(y, _)) => Value::Number(x.clone() * y.clone(), negative),
    }
}

fn quotient(a: &Value, b: &Value) -> Value {
    let negative = is_negative(a) != is_negative(b);
    match (a, b) {
        (Value::Nan, _) | (_, Value::Nan) | (Value::Infinite(_), Value::Infinite(_)) => Value::Nan,
        (Value::Infinite(_), _) => Value::Infinite(negative),
        (_, Value::Infinite(_)) => Value::Number(RBig::ZERO, negative),
        (Value::Number(x, _), Value::Number(y, _)) if *y == RBig::ZERO => {
            if *x == RBig::ZERO {
                Value::Nan
            } else {
                Value::Infinite(negative)
            }
        }
        (Value::Number(x, _), Value::Number(y, _)) => Value::Number(x.clone() / y.clone(), negative),
    }
}

fn square_root(a: &Value) -> Option<Value> {
    Some(match a {
        Value::Number(number, negative) if *number == RBig::ZERO => Value::Number(RBig::ZERO, *negative),
        Value::Infinite(false) => Value::Infinite(false),
        Value::Number(number, false) => Value::Number(root(number)?, false),
        _ => Value::Nan,
    })
}

/// Bits of a value in a format after rounding, `.relu`, `.sat` and `.ftz`.
pub fn finished(instruction: &Instruction<'_>, format: Format, value: &Value) -> Lane {
    let saturate = instruction.has("sat");
    let bits = match value {
        Value::Nan if saturate => 0,
        Value::Nan => return Lane::Nan(format.infinity()),
        _ if (saturate || instruction.has("relu")) && is_not_positive(value) => 0,
        Value::Infinite(_) if saturate => format.rounded(&RBig::ONE, false, Direction::Even),
        Value::Infinite(negative) => format.infinity() | if *negative { format.sign() } else { 0 },
        Value::Number(number, _) if saturate && *number > RBig::ONE => {
            format.rounded(&RBig::ONE, false, Direction::Even)
        }
        Value::Number(number, negative) => format.rounded(number, *negative, Direction::of(instruction)),
    };
    Lane::Bits(if instruction.has("ftz") { format.flushed(bits) } else { bits })
}

/// The expected result; `None` for an instruction that is not known here.
pub fn expected(instruction: &Instruction<'_>, inputs: &[u64]) -> Option<Answer> {
    let ty = instruction.ty();
    let format = format(ty)?;
    let width = format.bits();
    let n_lanes = if ty.ends_with("x2") { 2 } else { 1 };
    let lanes = (0..n_lanes).map(|lane| {
        let part = |idx: usize| inputs.get(idx).map_or(0, |bits| bits >> (width * lane) & mask(width));
        one(instruction, format, [part(0), part(1), part(2)])
    });
    let lanes: Vec<Lane> = lanes.collect::<Option<_>>()?;
    let width = if instruction.root == "testp" { 32 } else { width };
    Some(Answer { width, lanes })
}

fn one(instruction: &Instruction<'_>, format: Format, raw: [u64; 3]) -> Option<Lane> {
    let ftz = instruction.has("ftz");
    let bits = raw.map(|bits| if ftz { format.flushed(bits) } else { bits });
    let [a, b, c] = bits.map(|bits| format.value(bits));
    let direction = Direction::of(instruction);
    let value = match instruction.root {
        "add" => sum_of(&a, &b, direction),
        "sub" => sum_of(&a, &negated(&b), direction),
        "mul" => product(&a, &b),
        "fma" | "mad" => sum_of(&product(&a, &b), &c, direction),
        "div" => quotient(&a, &b),
        "rcp" => quotient(&Value::Number(RBig::ONE, false), &a),
        "sqrt" => square_root(&a)?,
        // The manual does not say which NaN the negative of a NaN is.
        "neg" | "abs" if a == Value::Nan => return Some(Lane::Nan(format.infinity())),
        "neg" => return Some(Lane::Bits(bits[0] ^ format.sign())),
        "abs" => return Some(Lane::Bits(bits[0] & !format.sign())),
        "min" | "max" if instruction.operands.matches(',').count() == 3 => {
            // Of three: of the first two and the third.
            let first = match extreme(instruction, format, bits) {
                Lane::Bits(bits) => bits,
                _ => format.infinity() + 1,
            };
            return Some(extreme(instruction, format, [first, bits[2], 0]));
        }
        "min" | "max" => return Some(extreme(instruction, format, bits)),
        "copysign" => return Some(Lane::Bits(raw[1] & !format.sign() | raw[0] & format.sign())),
        "testp" => {
            let truth = match *instruction.words.first()? {
                "finite" => matches!(a, Value::Number(..)),
                "infinite" => matches!(a, Value::Infinite(_)),
                "number" => a != Value::Nan,
                "notanumber" => a == Value::Nan,
                "subnormal" => format.is_subnormal(bits[0]),
                "normal" => matches!(a, Value::Number(..)) && !format.is_subnormal(bits[0]),
                _ => return None,
            };
            return Some(Lane::Bits(u64::from(truth)));
        }
        _ => return None,
    };
    Some(finished(instruction, format, &value))
}

fn extreme(instruction: &Instruction<'_>, format: Format, bits: [u64; 3]) -> Lane {
    let xorsign = instruction.has("xorsign");
    let sign = (bits[0] ^ bits[1]) & format.sign();
    let [a, b, _] = bits.map(|bits| if xorsign { bits & !format.sign() } else { bits });
    let nan = |bits: u64| format.value(bits) == Value::Nan;
    let signed = |bits: u64| Lane::Bits(if xorsign { bits | sign } else { bits });
    // Encodings in order: negative numbers upside down, -0 below +0.
    let order = |bits: u64| {
        let magnitude = i128::from(bits & !format.sign());
        if bits & format.sign() == 0 { magnitude } else { -magnitude - 1 }
    };
    match (nan(a), nan(b)) {
        (true, true) => Lane::Nan(format.infinity()),
        (true, false) | (false, true) if instruction.has("NaN") => Lane::Nan(format.infinity()),
        (true, false) => signed(b),
        (false, true) => signed(a),
        (false, false) => signed(if (instruction.root == "min") == (order(a) < order(b)) { a } else { b }),
    }
}

fn holds(op: &str, a: &Value, b: &Value) -> Option<bool> {
    let order = match (a, b) {
        (Value::Nan, _) | (_, Value::Nan) => None,
        _ => Some(key(a).cmp(&key(b))),
    };
    let (unordered_too, op) = match op {
        "equ" | "neu" | "ltu" | "leu" | "gtu" | "geu" => (true, &op[..2]),
        _ => (false, op),
    };
    Some(match (op, order) {
        ("num", order) => order.is_some(),
        ("nan", order) => order.is_none(),
        (_, None) => unordered_too,
        ("eq", Some(order)) => order.is_eq(),
        ("ne", Some(order)) => order.is_ne(),
        ("lt", Some(order)) => order.is_lt(),
        ("le", Some(order)) => order.is_le(),
        ("gt", Some(order)) => order.is_gt(),
        ("ge", Some(order)) => order.is_ge(),
        _ => return None,
    })
}

/// Something that orders as the values do: infinities lie past every number of every format.
fn key(a: &Value) -> RBig {
    match a {
        Value::Infinite(false) => power(2000),
        Value::Infinite(true) => -power(2000),
        Value::Number(number, _) => number.clone(),
        Value::Nan => RBig::ZERO,
    }
}

/// `set` and `setp` on floating-point values.
pub fn compare(instruction: &Instruction<'_>, inputs: &[u64]) -> Option<Answer> {
    let ty = instruction.ty();
    let format = format(ty)?;
    let op = instruction.words.first()?;
    let width = format.bits();
    let truth = |lane: u32| {
        let value = |idx: usize| {
            let bits = inputs[idx] >> (width * lane) & mask(width);
            format.value(if instruction.has("ftz") { format.flushed(bits) } else { bits })
        };
        holds(op, &value(0), &value(1))
    };
    if ty.ends_with("x2") {
        let one = if *instruction.types().first()? == "f16x2" { 0x3c00 } else { 0x3f80 };
        let lane = |lane| truth(lane).map(|truth| Lane::Bits(if truth { one } else { 0 }));
        return Some(Answer { width: 16, lanes: vec![lane(0)?, lane(1)?] });
    }
    written(instruction, truth(0)?, inputs.get(2).copied().unwrap_or(0))
}

/// `selp` and `slct`: one of the first two, as it is.
pub fn select(instruction: &Instruction<'_>, inputs: &[u64]) -> Option<Answer> {
    let types = instruction.types();
    let first = match (instruction.root, instruction.ty()) {
        ("selp", _) => inputs[2] & 1 == 1,
        (_, "s32") => super::number("s32", inputs[2]) >= 0,
        _ => {
            let format = format("f32")?;
            let bits = if instruction.has("ftz") { format.flushed(inputs[2]) } else { inputs[2] };
            // -0 is not less than zero; NaN is not greater or equal.
            holds("ge", &format.value(bits), &Value::Number(RBig::ZERO, false))?
        }
    };
    let width = bits_of(types.first()?);
    Some(Answer::bits(width, if first { inputs[0] } else { inputs[1] }))
}
