//! Element types and conversions between them.

use num_complex::Complex;

/// A bool as arrays hold it: a byte that is 0 or 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Bool(pub u8);

impl Bool {
    /// From Rust's.
    pub const fn new(value: bool) -> Self {
        Self(value as u8)
    }
}

/// The type of an array's elements; the numbers are those that Python passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum DType {
    Bool = 0,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    F32,
    F64,
    C64,
    C128,
}

impl DType {
    const ALL: [Self; 13] = [
        Self::Bool,
        Self::I8,
        Self::I16,
        Self::I32,
        Self::I64,
        Self::U8,
        Self::U16,
        Self::U32,
        Self::U64,
        Self::F32,
        Self::F64,
        Self::C64,
        Self::C128,
    ];

    /// By its number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// Bytes of an element.
    pub const fn size(self) -> usize {
        match self {
            Self::Bool | Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::F64 | Self::C64 => 8,
            Self::C128 => 16,
        }
    }

    /// The standard's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::I8 => "int8",
            Self::I16 => "int16",
            Self::I32 => "int32",
            Self::I64 => "int64",
            Self::U8 => "uint8",
            Self::U16 => "uint16",
            Self::U32 => "uint32",
            Self::U64 => "uint64",
            Self::F32 => "float32",
            Self::F64 => "float64",
            Self::C64 => "complex64",
            Self::C128 => "complex128",
        }
    }

    /// What an address of an element is a multiple of.
    pub const fn align(self) -> usize {
        match self {
            Self::C64 => 4,
            Self::C128 => 8,
            other => other.size(),
        }
    }

    /// The letter of Python's buffer protocol.
    pub const fn format(self) -> &'static std::ffi::CStr {
        match self {
            Self::Bool => c"?",
            Self::I8 => c"b",
            Self::I16 => c"h",
            Self::I32 => c"i",
            Self::I64 => c"l",
            Self::U8 => c"B",
            Self::U16 => c"H",
            Self::U32 => c"I",
            Self::U64 => c"L",
            Self::F32 => c"f",
            Self::F64 => c"d",
            Self::C64 => c"Zf",
            Self::C128 => c"Zd",
        }
    }

    /// From a format of the buffer protocol, in this machine's byte order.
    pub fn from_format(format: &str) -> Option<Self> {
        let native = if cfg!(target_endian = "little") { ['@', '=', '<'] } else { ['@', '=', '>'] };
        let standard = format.starts_with(['=', '<', '>']);
        Some(match format.strip_prefix(native).unwrap_or(format) {
            "?" => Self::Bool,
            "b" => Self::I8,
            "h" => Self::I16,
            "i" => Self::I32,
            "l" if standard => Self::I32,
            "l" | "q" => Self::I64,
            "B" => Self::U8,
            "H" => Self::U16,
            "I" => Self::U32,
            "L" if standard => Self::U32,
            "L" | "Q" => Self::U64,
            "f" => Self::F32,
            "d" => Self::F64,
            "Zf" => Self::C64,
            "Zd" => Self::C128,
            _ => return None,
        })
    }

    /// Real or imaginary part's type; itself when it is real.
    pub const fn part(self) -> Self {
        match self {
            Self::C64 => Self::F32,
            Self::C128 => Self::F64,
            other => other,
        }
    }
}

/// A type that arrays hold.
pub trait Element: Copy + Default + PartialEq + Send + Sync + 'static {
    /// Its number.
    const DTYPE: DType;
    /// Real part.
    fn re(self) -> f64;
    /// Imaginary part.
    fn im(self) -> f64;
    /// Toward zero; what does not fit 64 bits saturates, NaN is 0.
    fn int(self) -> i128;
    /// Not zero.
    fn truth(self) -> bool;
    /// From any other.
    fn of<S: Element>(value: S) -> Self;
    /// An order: NaN last, complex numbers by real part, then imaginary.
    fn order(&self, other: &Self) -> std::cmp::Ordering;
}

macro_rules! integers {
    ($($ty:ty => $dtype:ident),*) => {$(
        impl Element for $ty {
            const DTYPE: DType = DType::$dtype;
            fn re(self) -> f64 { self as f64 }
            fn im(self) -> f64 { 0.0 }
            fn int(self) -> i128 { i128::from(self) }
            fn truth(self) -> bool { self != 0 }
            fn of<S: Element>(value: S) -> Self { value.int() as Self }
            fn order(&self, other: &Self) -> std::cmp::Ordering { self.cmp(other) }
        }
    )*};
}
integers!(i8 => I8, i16 => I16, i32 => I32, i64 => I64, u8 => U8, u16 => U16, u32 => U32, u64 => U64);

impl Element for Bool {
    const DTYPE: DType = DType::Bool;
    fn re(self) -> f64 {
        f64::from(self.0)
    }
    fn im(self) -> f64 {
        0.0
    }
    fn int(self) -> i128 {
        i128::from(self.0)
    }
    fn truth(self) -> bool {
        self.0 != 0
    }
    fn of<S: Element>(value: S) -> Self {
        Self::new(value.truth())
    }
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        self.cmp(other)
    }
}

fn whole(value: f64) -> i128 {
    if value < 0.0 { i128::from(value as i64) } else { i128::from(value as u64) }
}

fn float_order(a: f64, b: f64) -> std::cmp::Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

macro_rules! floats {
    ($($ty:ty => $dtype:ident, $complex:ident),*) => {$(
        impl Element for $ty {
            const DTYPE: DType = DType::$dtype;
            fn re(self) -> f64 { f64::from(self) }
            fn im(self) -> f64 { 0.0 }
            fn int(self) -> i128 { whole(f64::from(self)) }
            fn truth(self) -> bool { self != 0.0 }
            fn of<S: Element>(value: S) -> Self { value.re() as Self }
            fn order(&self, other: &Self) -> std::cmp::Ordering { float_order(f64::from(*self), f64::from(*other)) }
        }

        impl Element for Complex<$ty> {
            const DTYPE: DType = DType::$complex;
            fn re(self) -> f64 { f64::from(self.re) }
            fn im(self) -> f64 { f64::from(self.im) }
            fn int(self) -> i128 { whole(f64::from(self.re)) }
            fn truth(self) -> bool { self.re != 0.0 || self.im != 0.0 }
            fn of<S: Element>(value: S) -> Self { Self::new(value.re() as $ty, value.im() as $ty) }
            fn order(&self, other: &Self) -> std::cmp::Ordering {
                float_order(Element::re(*self), Element::re(*other))
                    .then_with(|| float_order(Element::im(*self), Element::im(*other)))
            }
        }
    )*};
}
floats!(f32 => F32, C64, f64 => F64, C128);

/// Runs code with `$t` as the Rust type of a [`DType`].
macro_rules! with_type {
    ($dtype:expr, $t:ident => $body:expr) => {
        match $dtype {
            $crate::tensor::dtype::DType::Bool => {
                type $t = $crate::tensor::dtype::Bool;
                $body
            }
            $crate::tensor::dtype::DType::I8 => {
                type $t = i8;
                $body
            }
            $crate::tensor::dtype::DType::I16 => {
                type $t = i16;
                $body
            }
            $crate::tensor::dtype::DType::I32 => {
                type $t = i32;
                $body
            }
            $crate::tensor::dtype::DType::I64 => {
                type $t = i64;
                $body
            }
            $crate::tensor::dtype::DType::U8 => {
                type $t = u8;
                $body
            }
            $crate::tensor::dtype::DType::U16 => {
                type $t = u16;
                $body
            }
            $crate::tensor::dtype::DType::U32 => {
                type $t = u32;
                $body
            }
            $crate::tensor::dtype::DType::U64 => {
                type $t = u64;
                $body
            }
            $crate::tensor::dtype::DType::F32 => {
                type $t = f32;
                $body
            }
            $crate::tensor::dtype::DType::F64 => {
                type $t = f64;
                $body
            }
            $crate::tensor::dtype::DType::C64 => {
                type $t = num_complex::Complex<f32>;
                $body
            }
            $crate::tensor::dtype::DType::C128 => {
                type $t = num_complex::Complex<f64>;
                $body
            }
        }
    };
}
pub(crate) use with_type;
