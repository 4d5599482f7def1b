//! Element-wise functions by name, on the host: every type and function that the fused kernels do not have, and small arrays.
//!
//! Complex functions, and real ones that Rust's library lacks or has less accurately, are the C library's, which NumPy uses too.

use super::dtype::{Bool, DType, Element, with_type};
use super::storage::{View, broadcast_shapes};
use super::walk::{converted, map, one, two};
use crate::error::Fail;
use num_complex::Complex;

type C = Complex<f64>;

// SAFETY: signatures of the C library's <math.h> and <complex.h>. Complex numbers are passed as a structure of two doubles is,
// on x86-64 and aarch64; `Complex` is one.
unsafe extern "C" {
    safe fn acosh(x: f64) -> f64;
    safe fn asinh(x: f64) -> f64;
    safe fn atanh(x: f64) -> f64;
    safe fn erf(x: f64) -> f64;
    safe fn nextafter(x: f64, y: f64) -> f64;
    safe fn nextafterf(x: f32, y: f32) -> f32;
    safe fn cexp(z: Pair) -> Pair;
    safe fn clog(z: Pair) -> Pair;
    safe fn csqrt(z: Pair) -> Pair;
    safe fn csin(z: Pair) -> Pair;
    safe fn ccos(z: Pair) -> Pair;
    safe fn ctan(z: Pair) -> Pair;
    safe fn csinh(z: Pair) -> Pair;
    safe fn ccosh(z: Pair) -> Pair;
    safe fn ctanh(z: Pair) -> Pair;
    safe fn casin(z: Pair) -> Pair;
    safe fn cacos(z: Pair) -> Pair;
    safe fn catan(z: Pair) -> Pair;
    safe fn casinh(z: Pair) -> Pair;
    safe fn cacosh(z: Pair) -> Pair;
    safe fn catanh(z: Pair) -> Pair;
    safe fn cpow(z: Pair, w: Pair) -> Pair;
}

/// A complex number as C passes it.
#[derive(Clone, Copy)]
#[repr(C)]
struct Pair {
    re: f64,
    im: f64,
}

fn through(f: extern "C" fn(Pair) -> Pair, z: C) -> C {
    let w = f(Pair { re: z.re, im: z.im });
    C::new(w.re, w.im)
}

fn none(name: &str, dtype: DType) -> Fail {
    Fail::Value(format!("{name} is not defined for {}", dtype.name()))
}

/// A function of one array.
pub fn unary(name: &str, a: &View) -> Result<View, Fail> {
    use DType as T;
    let shape = &a.shape;
    macro_rules! go {
        ($f:expr => $to:expr) => {
            map(&[a], shape, $to, &one($f))
        };
    }
    match name {
        "isnan" | "isinf" | "isfinite" => {
            let test: fn(f64) -> bool = match name {
                "isnan" => f64::is_nan,
                "isinf" => f64::is_infinite,
                _ => f64::is_finite,
            };
            let all = name == "isfinite";
            return with_type!(a.dtype, E => go!(move |x: E| {
                let (re, im) = (test(x.re()), test(x.im()));
                Bool::new(if all { re && im } else { re || im && E::DTYPE != E::DTYPE.part() })
            } => T::Bool));
        }
        "logical_not" => return with_type!(a.dtype, E => go!(|x: E| Bool::new(!x.truth()) => T::Bool)),
        "real" | "imag" if a.dtype == T::C64 => {
            let re = name == "real";
            return go!(move |x: Complex<f32>| if re { x.re } else { x.im } => T::F32);
        }
        "real" | "imag" if a.dtype == T::C128 => {
            let re = name == "real";
            return go!(move |x: C| if re { x.re } else { x.im } => T::F64);
        }
        "abs" if a.dtype == T::C64 => return go!(|x: Complex<f32>| x.re.hypot(x.im) => T::F32),
        "abs" if a.dtype == T::C128 => return go!(|x: C| x.re.hypot(x.im) => T::F64),
        "signbit" if a.dtype == T::F32 => return go!(|x: f32| Bool::new(x.is_sign_negative()) => T::Bool),
        "signbit" if a.dtype == T::F64 => return go!(|x: f64| Bool::new(x.is_sign_negative()) => T::Bool),
        _ => {}
    }
    macro_rules! integer {
        ($t:ty) => {{
            let f: fn($t) -> $t = match name {
                "negative" => |x| x.wrapping_neg(),
                "abs" => |x| if x < <$t>::default() { x.wrapping_neg() } else { x },
                "square" => |x| x.wrapping_mul(x),
                "sign" => |x| if x > 0 { 1 } else { (<$t>::default()).wrapping_sub((x != 0) as $t) },
                "invert" => |x| !x,
                "floor" | "ceil" | "trunc" | "round" | "positive" | "conj" | "real" => |x| x,
                _ => return Err(none(name, a.dtype)),
            };
            go!(f => a.dtype)
        }};
    }
    macro_rules! float {
        ($t:ty) => {{
            // Functions that are computed in double precision round once.
            let f: fn($t) -> $t = match name {
                "negative" => |x| -x,
                "abs" => <$t>::abs,
                "square" => |x| x * x,
                "reciprocal" => |x| 1.0 / x,
                "sqrt" => <$t>::sqrt,
                "exp" => <$t>::exp,
                "expm1" => <$t>::exp_m1,
                "log" => <$t>::ln,
                "log1p" => <$t>::ln_1p,
                "log2" => <$t>::log2,
                "log10" => <$t>::log10,
                "sin" => <$t>::sin,
                "cos" => <$t>::cos,
                "tan" => <$t>::tan,
                "asin" => <$t>::asin,
                "acos" => <$t>::acos,
                "atan" => <$t>::atan,
                "sinh" => <$t>::sinh,
                "cosh" => <$t>::cosh,
                "tanh" => <$t>::tanh,
                "asinh" => |x| asinh(f64::from(x)) as $t,
                "acosh" => |x| acosh(f64::from(x)) as $t,
                "atanh" => |x| atanh(f64::from(x)) as $t,
                "erf" => |x| erf(f64::from(x)) as $t,
                "sigmoid" => |x| {
                    let power = (-f64::from(x).abs()).exp();
                    ((if x < 0.0 { power } else { 1.0 }) / (1.0 + power)) as $t
                },
                "gelu" => |x| {
                    let x = f64::from(x);
                    (x / 2.0 * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2))) as $t
                },
                "floor" => <$t>::floor,
                "ceil" => <$t>::ceil,
                "trunc" => <$t>::trunc,
                "round" => <$t>::round_ties_even,
                "sign" => |x| if x > 0.0 { 1.0 } else if x < 0.0 { -1.0 } else { x },
                "positive" | "conj" | "real" => |x| x,
                _ => return Err(none(name, a.dtype)),
            };
            go!(f => a.dtype)
        }};
    }
    macro_rules! complex {
        ($t:ty) => {{
            let f: fn(C) -> C = match name {
                "negative" => |z| -z,
                "square" => |z| z * z,
                "reciprocal" => |z| quotient(C::new(1.0, 0.0), z),
                "conj" => |z| z.conj(),
                "positive" => |z| z,
                "sign" => |z| if z == C::default() { z } else { z / z.re.hypot(z.im) },
                "exp" => |z| through(cexp_, z),
                "log" => |z| through(clog_, z),
                "log2" => |z| through(clog_, z) / std::f64::consts::LN_2,
                "log10" => |z| through(clog_, z) / std::f64::consts::LN_10,
                "log1p" => log1p,
                "expm1" => expm1,
                "sqrt" => |z| through(csqrt_, z),
                "sin" => |z| through(csin_, z),
                "cos" => |z| through(ccos_, z),
                "tan" => |z| through(ctan_, z),
                "sinh" => |z| through(csinh_, z),
                "cosh" => |z| through(ccosh_, z),
                "tanh" => |z| through(ctanh_, z),
                "asin" => |z| through(casin_, z),
                "acos" => |z| through(cacos_, z),
                "atan" => |z| through(catan_, z),
                "asinh" => |z| through(casinh_, z),
                "acosh" => |z| through(cacosh_, z),
                "atanh" => |z| through(catanh_, z),
                "round" => |z| C::new(z.re.round_ties_even(), z.im.round_ties_even()),
                _ => return Err(none(name, a.dtype)),
            };
            go!(move |z: $t| <$t>::of(f(C::new(z.re(), z.im()))) => a.dtype)
        }};
    }
    match a.dtype {
        T::Bool => match name {
            "invert" => go!(|x: Bool| Bool(1 - x.0) => T::Bool),
            "positive" | "real" | "conj" => converted(a, T::Bool),
            _ => Err(none(name, a.dtype)),
        },
        T::I8 => integer!(i8),
        T::I16 => integer!(i16),
        T::I32 => integer!(i32),
        T::I64 => integer!(i64),
        T::U8 => integer!(u8),
        T::U16 => integer!(u16),
        T::U32 => integer!(u32),
        T::U64 => integer!(u64),
        T::F32 => float!(f32),
        T::F64 => float!(f64),
        T::C64 => complex!(Complex<f32>),
        T::C128 => complex!(C),
    }
}

// Functions of C with Rust's way of being pointed to.
macro_rules! pointers {
    ($($name:ident = $c:ident),*) => { $(extern "C" fn $name(z: Pair) -> Pair { $c(z) })* };
}
pointers!(
    cexp_ = cexp,
    clog_ = clog,
    csqrt_ = csqrt,
    csin_ = csin,
    ccos_ = ccos,
    ctan_ = ctan,
    csinh_ = csinh,
    ccosh_ = ccosh,
    ctanh_ = ctanh,
    casin_ = casin,
    cacos_ = cacos,
    catan_ = catan,
    casinh_ = casinh,
    cacosh_ = cacosh,
    catanh_ = catanh
);

/// log(1 + z) without the loss near zero: |1+z|^2 - 1 = 2 re + re^2 + im^2.
fn log1p(z: C) -> C {
    if z.re.abs() < 0.5 && z.im.abs() < 0.5 {
        return C::new(0.5 * (2.0 * z.re + z.re * z.re + z.im * z.im).ln_1p(), z.im.atan2(1.0 + z.re));
    }
    through(clog_, C::new(1.0 + z.re, z.im))
}

/// e^z - 1 without the loss near zero: e^x cos y - 1 = (e^x - 1) cos y - 2 sin^2(y/2).
fn expm1(z: C) -> C {
    if !(z.re.is_finite() && z.im.is_finite()) {
        let w = through(cexp_, z);
        return C::new(w.re - 1.0, w.im);
    }
    let half = (z.im / 2.0).sin();
    C::new(z.re.exp_m1() * z.im.cos() - 2.0 * half * half, z.re.exp() * z.im.sin())
}

/// Smith's division: no overflow in between.
fn quotient(a: C, b: C) -> C {
    if b.re.abs() >= b.im.abs() {
        if b.re == 0.0 && b.im == 0.0 {
            return C::new(a.re / b.re.abs(), a.im / b.re.abs());
        }
        let ratio = b.im / b.re;
        let scale = 1.0 / (b.re + b.im * ratio);
        return C::new((a.re + a.im * ratio) * scale, (a.im - a.re * ratio) * scale);
    }
    let ratio = b.re / b.im;
    let scale = 1.0 / (b.im + b.re * ratio);
    C::new((a.re * ratio + a.im) * scale, (a.im * ratio - a.re) * scale)
}

/// Quotient toward minus infinity and remainder with the divisor's sign, as Python's.
fn divmod(a: f64, b: f64) -> (f64, f64) {
    let mut rest = a % b;
    if b == 0.0 || rest.is_nan() {
        return (if b == 0.0 { a / b } else { rest }, rest);
    }
    let mut quotient = (a - rest) / b;
    if rest == 0.0 {
        rest = 0.0_f64.copysign(b);
    } else if (b < 0.0) != (rest < 0.0) {
        rest += b;
        quotient -= 1.0;
    }
    if quotient == 0.0 {
        return (0.0_f64.copysign(a / b), rest);
    }
    let floor = quotient.floor();
    (if quotient - floor > 0.5 { floor + 1.0 } else { floor }, rest)
}

fn logaddexp(a: f64, b: f64) -> f64 {
    if a == b {
        return a + std::f64::consts::LN_2;
    }
    let (high, low) = if a > b { (a, b) } else { (b, a) };
    if a.is_nan() || b.is_nan() { f64::NAN } else { high + (low - high).exp().ln_1p() }
}

/// A function of two arrays of one type.
pub fn binary(name: &str, a: &View, b: &View) -> Result<View, Fail> {
    use DType as T;
    if a.dtype != b.dtype {
        return Err(Fail::Value(format!("{name}: types {} and {} differ", a.dtype.name(), b.dtype.name())));
    }
    let shape = broadcast_shapes(&[&a.shape, &b.shape])?;
    macro_rules! go {
        ($f:expr => $to:expr) => {
            map(&[a, b], &shape, $to, &two($f))
        };
    }
    if matches!(name, "logical_and" | "logical_or" | "logical_xor") {
        let f: fn(bool, bool) -> bool = match name {
            "logical_and" => |a, b| a && b,
            "logical_or" => |a, b| a || b,
            _ => |a, b| a != b,
        };
        return with_type!(a.dtype, E => go!(move |x: E, y: E| Bool::new(f(x.truth(), y.truth())) => T::Bool));
    }
    if matches!(name, "equal" | "not_equal") {
        let equal = name == "equal";
        return with_type!(a.dtype, E => go!(move |x: E, y: E| Bool::new((x == y) == equal) => T::Bool));
    }
    macro_rules! compare {
        ($t:ty) => {
            match name {
                "less" => return go!(|x: $t, y: $t| Bool::new(x < y) => T::Bool),
                "less_equal" => return go!(|x: $t, y: $t| Bool::new(x <= y) => T::Bool),
                "greater" => return go!(|x: $t, y: $t| Bool::new(x > y) => T::Bool),
                "greater_equal" => return go!(|x: $t, y: $t| Bool::new(x >= y) => T::Bool),
                _ => {}
            }
        };
    }
    macro_rules! integer {
        ($t:ty) => {{
            compare!($t);
            const BITS: $t = <$t>::BITS as $t;
            let f: fn($t, $t) -> $t = match name {
                "add" => <$t>::wrapping_add,
                "subtract" => <$t>::wrapping_sub,
                "multiply" => <$t>::wrapping_mul,
                "maximum" => |x, y| x.max(y),
                "minimum" => |x, y| x.min(y),
                "bitwise_and" => |x, y| x & y,
                "bitwise_or" => |x, y| x | y,
                "bitwise_xor" => |x, y| x ^ y,
                "bitwise_left_shift" => |x, y| if (0..BITS).contains(&y) { x << y } else { 0 },
                "bitwise_right_shift" => |x, y| if (0..BITS).contains(&y) { x >> y } else { (x >> (BITS - 2)) >> 1 >> 1 },
                "floor_divide" => |x, y| {
                    if y == 0 { return 0; }
                    let (quotient, rest) = (x.wrapping_div(y), x.wrapping_rem(y));
                    if rest != 0 && (rest < <$t>::default()) != (y < <$t>::default()) { quotient.wrapping_sub(1) } else { quotient }
                },
                "remainder" => |x, y| {
                    if y == 0 { return 0; }
                    let rest = x.wrapping_rem(y);
                    if rest != 0 && (rest < <$t>::default()) != (y < <$t>::default()) { rest.wrapping_add(y) } else { rest }
                },
                "pow" => |x, y| {
                    if y < <$t>::default() {
                        // 1 / x^n, toward zero.
                        return match x { 1 => 1, _ if x == <$t>::default().wrapping_sub(1) => if y & 1 == 0 { 1 } else { x }, _ => 0 };
                    }
                    let (mut power, mut base, mut rest): ($t, $t, $t) = (1, x, y);
                    while rest > 0 {
                        if rest & 1 == 1 { power = power.wrapping_mul(base); }
                        base = base.wrapping_mul(base);
                        rest >>= 1;
                    }
                    power
                },
                _ => return Err(none(name, a.dtype)),
            };
            go!(f => a.dtype)
        }};
    }
    macro_rules! float {
        ($t:ty, $next:ident) => {{
            compare!($t);
            let f: fn($t, $t) -> $t = match name {
                "add" => |x, y| x + y,
                "subtract" => |x, y| x - y,
                "multiply" => |x, y| x * y,
                "divide" => |x, y| x / y,
                "maximum" => |x, y| if x > y || x.is_nan() { x } else { y },
                "minimum" => |x, y| if x < y || x.is_nan() { x } else { y },
                "pow" => <$t>::powf,
                "atan2" => <$t>::atan2,
                "hypot" => <$t>::hypot,
                "copysign" => <$t>::copysign,
                "nextafter" => |x, y| $next(x, y),
                "floor_divide" => |x, y| divmod(f64::from(x), f64::from(y)).0 as $t,
                "remainder" => |x, y| divmod(f64::from(x), f64::from(y)).1 as $t,
                "logaddexp" => |x, y| logaddexp(f64::from(x), f64::from(y)) as $t,
                _ => return Err(none(name, a.dtype)),
            };
            go!(f => a.dtype)
        }};
    }
    macro_rules! complex {
        ($t:ty) => {{
            let f: fn($t, $t) -> $t = match name {
                "add" => |x, y| x + y,
                "subtract" => |x, y| x - y,
                "multiply" => |x, y| x * y,
                "divide" => |x, y| <$t>::of(quotient(C::new(x.re(), x.im()), C::new(y.re(), y.im()))),
                "pow" => |x, y| {
                    let w = cpow(Pair { re: x.re(), im: x.im() }, Pair { re: y.re(), im: y.im() });
                    <$t>::of(C::new(w.re, w.im))
                },
                _ => return Err(none(name, a.dtype)),
            };
            go!(f => a.dtype)
        }};
    }
    match a.dtype {
        T::Bool => match name {
            "bitwise_and" => go!(|x: Bool, y: Bool| Bool(x.0 & y.0) => T::Bool),
            "bitwise_or" => go!(|x: Bool, y: Bool| Bool(x.0 | y.0) => T::Bool),
            "bitwise_xor" => go!(|x: Bool, y: Bool| Bool(x.0 ^ y.0) => T::Bool),
            _ => Err(none(name, a.dtype)),
        },
        T::I8 => integer!(i8),
        T::I16 => integer!(i16),
        T::I32 => integer!(i32),
        T::I64 => integer!(i64),
        T::U8 => integer!(u8),
        T::U16 => integer!(u16),
        T::U32 => integer!(u32),
        T::U64 => integer!(u64),
        T::F32 => float!(f32, nextafterf),
        T::F64 => float!(f64, nextafter),
        T::C64 => complex!(Complex<f32>),
        T::C128 => complex!(C),
    }
}

/// Elements of `a` where `condition` is true, else of `b`.
pub fn select(condition: &View, a: &View, b: &View) -> Result<View, Fail> {
    if condition.dtype != DType::Bool || a.dtype != b.dtype {
        return Err(Fail::Value("where: expected a bool condition and two arrays of one type".to_owned()));
    }
    let shape = broadcast_shapes(&[&condition.shape, &a.shape, &b.shape])?;
    with_type!(a.dtype, E => map(&[condition, a, b], &shape, a.dtype, &|from, to, n| {
        // SAFETY: `map` gives aligned places of n elements of these types; the output overlaps no input.
        let (condition, a, b, out) = unsafe {
            (
                std::slice::from_raw_parts(from[0].cast::<Bool>(), n),
                std::slice::from_raw_parts(from[1].cast::<E>(), n),
                std::slice::from_raw_parts(from[2].cast::<E>(), n),
                std::slice::from_raw_parts_mut(to.cast::<E>(), n),
            )
        };
        for i in 0..n {
            out[i] = if condition[i].truth() { a[i] } else { b[i] };
        }
    }))
}
