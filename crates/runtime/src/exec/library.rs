//! The functions outside its own object that generated code may call: memory moves, and arithmetic for which the processor
//! has no instruction.
//!
//! The code contract allows few of them; the table holds all that LLVM's x86-64 and aarch64 back ends call on their own, so that
//! a change in the compiler's choice does not break loading.

use std::ffi::c_void;

macro_rules! unary {
    ($($name:ident: $float:ty, $method:ident;)*) => {
        $(extern "C" fn $name(x: $float) -> $float { x.$method() })*
    };
}

unary! {
    floor: f64, floor; floorf: f32, floor;
    ceil: f64, ceil; ceilf: f32, ceil;
    trunc: f64, trunc; truncf: f32, trunc;
    round: f64, round; roundf: f32, round;
    round_even: f64, round_ties_even; round_even_f: f32, round_ties_even;
    sqrt: f64, sqrt; sqrtf: f32, sqrt;
    exp: f64, exp; expf: f32, exp;
    exp2: f64, exp2; exp2f: f32, exp2;
    log: f64, ln; logf: f32, ln;
    log2: f64, log2; log2f: f32, log2;
    log10: f64, log10; log10f: f32, log10;
    sin: f64, sin; sinf: f32, sin;
    cos: f64, cos; cosf: f32, cos;
    tan: f64, tan; tanf: f32, tan;
    tanh: f64, tanh; tanhf: f32, tanh;
}

extern "C" fn fma(a: f64, b: f64, c: f64) -> f64 {
    a.mul_add(b, c)
}

extern "C" fn fmaf(a: f32, b: f32, c: f32) -> f32 {
    a.mul_add(b, c)
}

extern "C" fn fmod(a: f64, b: f64) -> f64 {
    a % b
}

extern "C" fn fmodf(a: f32, b: f32) -> f32 {
    a % b
}

extern "C" fn pow(a: f64, b: f64) -> f64 {
    a.powf(b)
}

extern "C" fn powf(a: f32, b: f32) -> f32 {
    a.powf(b)
}

extern "C" fn fmin(a: f64, b: f64) -> f64 {
    a.min(b)
}

extern "C" fn fminf(a: f32, b: f32) -> f32 {
    a.min(b)
}

extern "C" fn fmax(a: f64, b: f64) -> f64 {
    a.max(b)
}

extern "C" fn fmaxf(a: f32, b: f32) -> f32 {
    a.max(b)
}

// Division by zero cannot be left to Rust here, which would panic; PTX leaves the result undefined.
extern "C" fn unsigned_divide(a: u128, b: u128) -> u128 {
    a.checked_div(b).unwrap_or(u128::MAX)
}

extern "C" fn unsigned_remainder(a: u128, b: u128) -> u128 {
    a.checked_rem(b).unwrap_or(a)
}

extern "C" fn signed_divide(a: i128, b: i128) -> i128 {
    if b == 0 { -1 } else { a.wrapping_div(b) }
}

extern "C" fn signed_remainder(a: i128, b: i128) -> i128 {
    if b == 0 { a } else { a.wrapping_rem(b) }
}

// LLVM passes a half-precision value in the low 16 bits of a vector register, which is where a `float` argument's are.
extern "C" fn half_to_float(half: f32) -> f32 {
    f32::from_bits(widen_half(half.to_bits() as u16))
}

extern "C" fn float_to_half(x: f32) -> f32 {
    f32::from_bits(u32::from(narrow_to_half(f64::from(x))))
}

extern "C" fn double_to_half(x: f64) -> f32 {
    f32::from_bits(u32::from(narrow_to_half(x)))
}

/// Binary16 to binary32 bits; exact.
fn widen_half(half: u16) -> u32 {
    let sign = u32::from(half & 0x8000) << 16;
    let exponent = u32::from(half >> 10) & 31;
    let fraction = u32::from(half) & 0x3ff;
    match (exponent, fraction) {
        (0, _) => sign | (fraction as f32 * 2f32.powi(-24)).to_bits(),
        (31, 0) => sign | 0x7f80_0000,
        (31, _) => sign | 0x7fc0_0000 | fraction << 13,
        _ => sign | (exponent + 112) << 23 | fraction << 13,
    }
}

/// Binary64 to binary16 bits, to nearest even.
fn narrow_to_half(x: f64) -> u16 {
    let sign = if x.is_sign_negative() { 0x8000u16 } else { 0 };
    let magnitude = x.abs();
    if x.is_nan() {
        return sign | 0x7e00 | (x.to_bits() >> 42 & 0x3ff) as u16;
    }
    if magnitude >= 65_520.0 {
        return sign | 0x7c00;
    }
    if magnitude < 2f64.powi(-14) {
        // Subnormal: a multiple of 2^-24. The scaling is exact, the rounding happens once.
        return sign | (magnitude * 2f64.powi(24)).round_ties_even() as u16;
    }
    let exponent = (magnitude.to_bits() >> 52) as i32 - 1023;
    // 1024 to 2048 after scaling; 2048 carries into the exponent, which is right.
    let scaled = (magnitude * 2f64.powi(10 - exponent)).round_ties_even() as u16;
    sign | ((((exponent + 14) as u16) << 10) + scaled)
}

/// Address of the library function `name`, when generated code may call it.
pub(crate) fn address(name: &str) -> Option<u64> {
    let function: *const c_void = match name {
        "memcpy" => libc::memcpy as *const c_void,
        "memmove" => libc::memmove as *const c_void,
        "memset" => libc::memset as *const c_void,
        "memcmp" | "bcmp" => libc::memcmp as *const c_void,
        "fma" => fma as *const c_void,
        "fmaf" => fmaf as *const c_void,
        "floor" => floor as *const c_void,
        "floorf" => floorf as *const c_void,
        "ceil" => ceil as *const c_void,
        "ceilf" => ceilf as *const c_void,
        "trunc" => trunc as *const c_void,
        "truncf" => truncf as *const c_void,
        "round" => round as *const c_void,
        "roundf" => roundf as *const c_void,
        "rint" | "nearbyint" | "roundeven" => round_even as *const c_void,
        "rintf" | "nearbyintf" | "roundevenf" => round_even_f as *const c_void,
        "sqrt" => sqrt as *const c_void,
        "sqrtf" => sqrtf as *const c_void,
        "exp" => exp as *const c_void,
        "expf" => expf as *const c_void,
        "exp2" => exp2 as *const c_void,
        "exp2f" => exp2f as *const c_void,
        "log" => log as *const c_void,
        "logf" => logf as *const c_void,
        "log2" => log2 as *const c_void,
        "log2f" => log2f as *const c_void,
        "log10" => log10 as *const c_void,
        "log10f" => log10f as *const c_void,
        "sin" => sin as *const c_void,
        "sinf" => sinf as *const c_void,
        "cos" => cos as *const c_void,
        "cosf" => cosf as *const c_void,
        "tan" => tan as *const c_void,
        "tanf" => tanf as *const c_void,
        "tanh" => tanh as *const c_void,
        "tanhf" => tanhf as *const c_void,
        "fmod" => fmod as *const c_void,
        "fmodf" => fmodf as *const c_void,
        "pow" => pow as *const c_void,
        "powf" => powf as *const c_void,
        "fmin" => fmin as *const c_void,
        "fminf" => fminf as *const c_void,
        "fmax" => fmax as *const c_void,
        "fmaxf" => fmaxf as *const c_void,
        "__udivti3" => unsigned_divide as *const c_void,
        "__umodti3" => unsigned_remainder as *const c_void,
        "__divti3" => signed_divide as *const c_void,
        "__modti3" => signed_remainder as *const c_void,
        "__extendhfsf2" => half_to_float as *const c_void,
        "__truncsfhf2" => float_to_half as *const c_void,
        "__truncdfhf2" => double_to_half as *const c_void,
        _ => return None,
    };
    Some(function as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_survives_the_way_through_float() {
        for half in 0..=u16::MAX {
            let wide = f32::from_bits(widen_half(half));
            let is_nan = half & 0x7fff > 0x7c00;
            assert_eq!(wide.is_nan(), is_nan);
            let back = narrow_to_half(f64::from(wide));
            if is_nan { assert!(back & 0x7fff > 0x7c00) } else { assert_eq!(back, half, "{wide}") }
        }
    }

    #[test]
    fn halves_round_to_nearest_even_at_every_midpoint() {
        for half in 0..0x7bffu16 {
            let low = f64::from(f32::from_bits(widen_half(half)));
            let high = f64::from(f32::from_bits(widen_half(half + 1)));
            let middle = (low + high) / 2.0;
            let even = if half % 2 == 0 { half } else { half + 1 };
            assert_eq!(narrow_to_half(middle), even);
            assert_eq!(narrow_to_half(middle.next_up()), half + 1);
            assert_eq!(narrow_to_half(middle.next_down()), half);
        }
        assert_eq!(narrow_to_half(65_519.99), 0x7bff);
        assert_eq!(narrow_to_half(65_520.0), 0x7c00);
    }

    #[test]
    fn unknown_names_have_no_address() {
        assert!(address("memcpy").is_some());
        assert!(address("system").is_none());
        assert!(address("").is_none());
    }
}
