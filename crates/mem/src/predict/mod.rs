//! Which pages will be wanted next: a predictor of page accesses for the pager.
//!
//! Model. A [`Nest`] explains a sequence of pages as nested loops with constant strides: one loop is a sequential or a strided
//! walk, two or more are tiles, and rows of tiles. It is a value; stepping it is a pure function of the value and the
//! page. A [`Predictor`] follows several such sequences at once, since the workers of a launch and the arrays of a kernel
//! take turns, and says which pages to fetch so that each sequence is [`Config::distance`] pages ahead. A sequence that
//! jumps is *forked*: the page may belong to another worker, or the loop may have ended; both are followed until one
//! proves right and the other grows old.
//!
//! [`replay`] runs a recorded trace through a predictor and a pool of limited size and tells how good it was
//! ([`Score`]).
//!
//! What it does not do: fetch, evict, or know what a page is; it is numbers in and numbers out. Data-dependent
//! sequences (lists, trees, random gathers) are not predicted, and nothing is fetched for them.
//!
//! Source: the idea of nested strides follows Y. Ishii et al., "Access map pattern matching", ICS 2009, and the offset tables
//! of K. J. Nesbit, J. E. Smith, "Data cache prefetching using a global history buffer", HPCA 2004.

mod nest;
mod predictor;
mod replay;

pub use nest::{LEVELS, Nest, Pattern};
pub use predictor::{Config, Predictor};
pub use replay::{Score, replay};
