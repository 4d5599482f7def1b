//! The collection, one file per kernel.
//!
//! A file has one function that makes the workload: input of the size that `kernels/README.md` states, launches, and a check
//! whose reference is computed when the workload is made.

mod bfs;
mod bitonic;
mod blackscholes;
mod conv2d;
mod graph;
mod histogram;
mod hotspot;
mod mandel;
mod matmul;
mod nbody;
mod reduce;
mod saxpy;
mod scan;
mod sha256d;
mod softmax;
mod spmv;
mod stencil;
mod transpose;

pub use mandel::MAX_ITERATIONS as MANDEL_MAX_ITERATIONS;
pub use nbody::SOFTENING_SQUARED;

pub use crate::random::unit as unit_random;

use crate::Workload;

/// A row of the tables: made when it is its turn, because all inputs at once would not fit every machine.
pub struct Row {
    /// Name of the row.
    pub name: &'static str,
    /// Name of the kernel.
    pub kernel: &'static str,
    /// Makes the input and the reference.
    pub make: fn() -> Workload,
    /// Belongs to the set that other runtimes were measured on; the rest are our own additions.
    pub measured_elsewhere: bool,
}

const fn row(name: &'static str, kernel: &'static str, make: fn() -> Workload) -> Row {
    Row { name, kernel, make, measured_elsewhere: true }
}

const fn own(name: &'static str, make: fn() -> Workload) -> Row {
    Row { name, kernel: name, make, measured_elsewhere: false }
}

/// All rows, in the order of the tables.
pub const ROWS: &[Row] = &[
    row("saxpy", "saxpy", saxpy::make),
    row("mandel", "mandel", mandel::make),
    row("blackscholes", "blackscholes", blackscholes::make),
    row("nbody", "nbody", nbody::make),
    row("matmul16", "matmul16", matmul::make_16),
    row("matmul32", "matmul32", matmul::make_32),
    row("reduce_smem", "reduce_smem", reduce::make_smem),
    row("reduce_shfl", "reduce_shfl", reduce::make_shfl),
    row("histogram", "histogram", histogram::make),
    row("stencil", "stencil", stencil::make),
    row("hotspot", "hotspot", hotspot::make),
    row("transpose", "transpose", transpose::make),
    row("spmv", "spmv", spmv::make),
    row("bfs", "bfs", bfs::make),
    row("bitonic j=64", "bitonic", bitonic::make_64),
    row("bitonic j=4", "bitonic", bitonic::make_4),
    row("sha256d", "sha256d", sha256d::make),
    own("conv2d", conv2d::make),
    own("softmax", softmax::make),
    own("scan", scan::make),
];
