//! Numeric algorithms on slices: what cuBLAS, cuFFT and CuPy are to a GPU, for processors with vector units.
//!
//! A routine gets views of slices ([`MatRef`], [`MatMut`]), a [`Pool`] that runs its tasks and [`Scratch`] to work in;
//! it knows no streams and no devices. Every routine checks extents, strides and overlap first and returns an [`Error`]
//! before anything is written; results do not depend on the number of threads.
//!
//! ```
//! use vgpu_num::{MatMut, MatRef, Scratch, Serial, gemm};
//! let (a, b, mut c) = ([1.0_f32, 2.0, 3.0, 4.0], [1.0_f32, 0.0, 0.0, 1.0], [0.0_f32; 4]);
//! let (left, right) = (MatRef::row_major(&a, 2, 2)?, MatRef::row_major(&b, 2, 2)?);
//! let out = MatMut::row_major(&mut c, 2, 2)?;
//! gemm::gemm(&gemm::Options::default(), left, right, out, &Serial, &mut Scratch::new())?;
//! assert_eq!(c, a);
//! # Ok::<(), vgpu_num::Error>(())
//! ```

mod error;
mod nd;
mod pool;
mod simd;

pub mod conv;
pub mod einsum;
pub mod fft;
pub mod gemm;
pub mod linalg;
pub mod neighbours;
pub mod random;
pub mod rows;
pub mod scan;
pub mod sort;

pub use error::Error;
pub use nd::ArrayRef;
pub use pool::{Pool, Serial, Threads};
pub use simd::buffer::Scratch;
pub use simd::isa::Isa;
pub use simd::view::{Layout, MatMut, MatRef};
