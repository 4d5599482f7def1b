//! The table of kernels: for each element type and instruction set, how to pack and how to multiply a tile.
//!
//! Kernels are plain function pointers, so that the driver is compiled once per element type.

use super::accumulate::Accumulate;
use super::isa::Isa;
use super::pack::{self, Group, Panel};
use super::tile::{self, ComplexOut, Direct, Out};
use super::vector::{Lanes, PortableF32, PortableF64, PortableI32};
use half::{bf16, f16};
use num_complex::{Complex32, Complex64};

/// Packs a panel; the packed groups are passed as bytes.
type Pack<T> = unsafe fn(&Panel<T>, *mut u8);
/// Multiplies a tile of packed panels of so many groups.
type Packed<O> = unsafe fn(usize, *const u8, *const u8, &O);
/// Multiplies a tile from operands in place.
type InPlace<T, O> = unsafe fn(usize, &Direct<T>, &O);

/// One kernel. Rows and columns are counted in elements of the matrix.
pub struct Kernel<T, O> {
    /// Rows and columns of a tile.
    pub rows: usize,
    pub cols: usize,
    /// Elements of k in a packed group, bytes of a group, and whether right panels have a header of one group.
    pub group: usize,
    pub group_bytes: usize,
    pub header: bool,
    pub pack_left: Pack<T>,
    pub pack_right: Pack<T>,
    pub packed: Packed<O>,
    /// For operands that need no packing, when there is such a kernel.
    pub in_place: Option<InPlace<T, O>>,
}

/// Real kernels. `$mv` vectors of rows and `$nr` columns; `direct` lists all column counts up to `$nr`.
macro_rules! real_kernel {
    ($name:ident, $feature:literal, $lanes:ty, $left:ty, $right:ty, $t:ty, $acc:ty, $mv:literal, $nr:literal, $vector:literal
     $(, direct $($n:literal)*)?) => {
        pub(crate) mod $name {
            use super::*;
            const ROWS: usize = $mv * <$lanes>::N;
            /// # Safety
            /// As `pack::pack`, and the processor has the instruction set.
            #[cfg_attr(target_arch = "x86_64", target_feature(enable = $feature))]
            unsafe fn pack_left(panel: &Panel<$t>, to: *mut u8) {
                // SAFETY: the caller's promise.
                unsafe { pack::pack::<$left, ROWS, $vector>(panel, to.cast(), false) }
            }
            /// # Safety
            /// As `pack::pack`, and the processor has the instruction set.
            #[cfg_attr(target_arch = "x86_64", target_feature(enable = $feature))]
            unsafe fn pack_right(panel: &Panel<$t>, to: *mut u8) {
                // SAFETY: the caller's promise.
                unsafe { pack::pack::<$right, $nr, $vector>(panel, to.cast(), <$lanes>::HEADER) }
            }
            /// # Safety
            /// As `tile::packed`, and the processor has the instruction set.
            #[cfg_attr(target_arch = "x86_64", target_feature(enable = $feature))]
            unsafe fn packed(k: usize, a: *const u8, b: *const u8, out: &Out<$acc>) {
                // SAFETY: the caller's promise.
                unsafe { tile::packed::<$lanes, $mv, $nr>(k, a.cast(), b.cast(), out) }
            }
            $(
                /// # Safety
                /// As `tile::direct`, and the processor has the instruction set.
                #[cfg_attr(target_arch = "x86_64", target_feature(enable = $feature))]
                unsafe fn in_place(k: usize, from: &Direct<$t>, out: &Out<$acc>) {
                    // SAFETY: the caller's promise.
                    unsafe {
                        match (out.rows > <$lanes>::N, out.cols) {
                            $(
                                (false, $n) => tile::direct::<$lanes, 1, $n>(k, from, out),
                                (true, $n) => tile::direct::<$lanes, $mv, $n>(k, from, out),
                            )*
                            _ => unreachable!("tiles have 1 to {} columns", $nr),
                        }
                    }
                }
            )?
            pub(crate) static KERNEL: Kernel<$t, Out<$acc>> = Kernel {
                rows: ROWS,
                cols: $nr,
                group: <$left>::K,
                group_bytes: size_of::<<$left as Group>::P>(),
                header: <$lanes>::HEADER,
                pack_left,
                pack_right,
                packed,
                in_place: real_kernel!(@place $($($n)*)?),
            };
        }
    };
    (@place) => { None };
    (@place $($n:literal)+) => { Some(in_place) };
}

/// Complex kernels on real lanes.
macro_rules! complex_kernel {
    ($name:ident, $feature:literal, $lanes:ty, $group:ty, $t:ty, $real:ty, $mv:literal, $nr:literal, $vector:literal) => {
        pub(crate) mod $name {
            use super::*;
            const ROWS: usize = $mv * <$lanes>::N / 2;
            /// # Safety
            /// As `pack::pack`, and the processor has the instruction set.
            #[cfg_attr(target_arch = "x86_64", target_feature(enable = $feature))]
            unsafe fn pack_left(panel: &Panel<$t>, to: *mut u8) {
                // SAFETY: the caller's promise.
                unsafe { pack::pack::<$group, ROWS, $vector>(panel, to.cast(), false) }
            }
            /// # Safety
            /// As `pack::pack`, and the processor has the instruction set.
            #[cfg_attr(target_arch = "x86_64", target_feature(enable = $feature))]
            unsafe fn pack_right(panel: &Panel<$t>, to: *mut u8) {
                // SAFETY: the caller's promise.
                unsafe { pack::pack::<$group, { $nr / 2 }, $vector>(panel, to.cast(), false) }
            }
            /// # Safety
            /// As `tile::complex`, and the processor has the instruction set.
            #[cfg_attr(target_arch = "x86_64", target_feature(enable = $feature))]
            unsafe fn packed(k: usize, a: *const u8, b: *const u8, out: &ComplexOut<$real>) {
                // SAFETY: the caller's promise.
                unsafe { tile::complex::<$lanes, $mv, $nr>(k, a.cast(), b.cast(), out) }
            }
            pub(crate) static KERNEL: Kernel<$t, ComplexOut<$real>> = Kernel {
                rows: ROWS,
                cols: $nr / 2,
                group: 1,
                group_bytes: size_of::<$t>(),
                header: false,
                pack_left,
                pack_right,
                packed,
                in_place: None,
            };
        }
    };
}

real_kernel!(portable_f32, "sse2", PortableF32, pack::F32, pack::F32, f32, f32, 2, 4, false, direct 1 2 3 4);
real_kernel!(portable_f64, "sse2", PortableF64, pack::F64, pack::F64, f64, f64, 2, 4, false, direct 1 2 3 4);
real_kernel!(portable_i8, "sse2", PortableI32, pack::I8AsI32, pack::I8AsI32, i8, i32, 2, 4, false);
real_kernel!(portable_bf16, "sse2", PortableF32, pack::Bf16AsF32, pack::Bf16AsF32, bf16, f32, 2, 4, false);
real_kernel!(portable_f16, "sse2", PortableF32, pack::F16AsF32, pack::F16AsF32, f16, f32, 2, 4, false);
complex_kernel!(portable_c32, "sse2", PortableF32, pack::C32, Complex32, f32, 2, 4, false);
complex_kernel!(portable_c64, "sse2", PortableF64, pack::C64, Complex64, f64, 2, 4, false);

#[cfg(target_arch = "x86_64")]
pub(crate) mod x86 {
    //! The same for AVX2 (twelve accumulators of sixteen registers) and AVX-512 (24 of 32).
    use super::super::vector::x86::*;
    use super::*;

    real_kernel!(avx2_f32, "avx2,fma", Avx2F32, pack::F32, pack::F32, f32, f32, 2, 6, false, direct 1 2 3 4 5 6);
    real_kernel!(avx2_f64, "avx2,fma", Avx2F64, pack::F64, pack::F64, f64, f64, 2, 6, false, direct 1 2 3 4 5 6);
    real_kernel!(avx2_i8, "avx2,fma", Avx2I8, pack::I8Pair, pack::I8Pair, i8, i32, 2, 6, false);
    real_kernel!(avx2_bf16, "avx2,fma", Avx2F32, pack::Bf16AsF32, pack::Bf16AsF32, bf16, f32, 2, 6, false);
    real_kernel!(avx2_f16, "avx2,fma", Avx2F32, pack::F16AsF32, pack::F16AsF32, f16, f32, 2, 6, false);
    complex_kernel!(avx2_c32, "avx2,fma", Avx2F32, pack::C32, Complex32, f32, 2, 6, false);
    complex_kernel!(avx2_c64, "avx2,fma", Avx2F64, pack::C64, Complex64, f64, 2, 6, false);

    real_kernel!(avx512_f32, "avx512f,avx512bw,avx512dq,avx512vl", Avx512F32, pack::F32, pack::F32, f32, f32, 2, 12, true,
        direct 1 2 3 4 5 6 7 8 9 10 11 12);
    real_kernel!(avx512_f64, "avx512f,avx512bw,avx512dq,avx512vl", Avx512F64, pack::F64, pack::F64, f64, f64, 2, 12, true,
        direct 1 2 3 4 5 6 7 8 9 10 11 12);
    real_kernel!(
        avx512_i8,
        "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni",
        Avx512I8,
        pack::I8Left,
        pack::I8Right,
        i8,
        i32,
        2,
        12,
        true
    );
    real_kernel!(
        avx512_bf16,
        "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16",
        Avx512Bf16,
        pack::Bf16Pair,
        pack::Bf16Pair,
        bf16,
        f32,
        2,
        12,
        true
    );
    real_kernel!(
        avx512_bf16_as_f32,
        "avx512f,avx512bw,avx512dq,avx512vl",
        Avx512F32,
        pack::Bf16AsF32,
        pack::Bf16AsF32,
        bf16,
        f32,
        2,
        12,
        false
    );
    real_kernel!(
        avx512_f16,
        "avx512f,avx512bw,avx512dq,avx512vl",
        Avx512F32,
        pack::F16AsF32,
        pack::F16AsF32,
        f16,
        f32,
        2,
        12,
        false
    );
    complex_kernel!(
        avx512_c32,
        "avx512f,avx512bw,avx512dq,avx512vl",
        Avx512F32,
        pack::C32,
        Complex32,
        f32,
        2,
        12,
        true
    );
    complex_kernel!(
        avx512_c64,
        "avx512f,avx512bw,avx512dq,avx512vl",
        Avx512F64,
        pack::C64,
        Complex64,
        f64,
        2,
        12,
        true
    );
}

/// The kernel of an element type for an instruction set.
pub trait Kernels: Copy + Send + Sync + 'static {
    /// What products are summed in.
    type Acc: Accumulate;
    /// The kernel; `isa` is one that this processor has.
    fn kernel(isa: Isa) -> &'static Kernel<Self, <Self::Acc as Accumulate>::Out>;
}

macro_rules! kernels {
    ($t:ty, $out:ty, $portable:ident, $avx2:ident, $avx512:ident, $bf16:ident) => {
        impl Kernels for $t {
            type Acc = $out;
            fn kernel(isa: Isa) -> &'static Kernel<Self, <$out as Accumulate>::Out> {
                #[cfg(target_arch = "x86_64")]
                match isa.at_most_detected() {
                    Isa::Portable => {}
                    Isa::Avx2 => return &x86::$avx2::KERNEL,
                    Isa::Avx512 => return &x86::$avx512::KERNEL,
                    Isa::Avx512Bf16 => return &x86::$bf16::KERNEL,
                }
                let _ = isa;
                &$portable::KERNEL
            }
        }
    };
}
kernels!(f32, f32, portable_f32, avx2_f32, avx512_f32, avx512_f32);
kernels!(f64, f64, portable_f64, avx2_f64, avx512_f64, avx512_f64);
kernels!(i8, i32, portable_i8, avx2_i8, avx512_i8, avx512_i8);
kernels!(bf16, f32, portable_bf16, avx2_bf16, avx512_bf16_as_f32, avx512_bf16);
kernels!(f16, f32, portable_f16, avx2_f16, avx512_f16, avx512_f16);
kernels!(Complex32, Complex32, portable_c32, avx2_c32, avx512_c32, avx512_c32);
kernels!(Complex64, Complex64, portable_c64, avx2_c64, avx512_c64, avx512_c64);
