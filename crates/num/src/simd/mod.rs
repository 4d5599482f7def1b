//! The only place of this crate with unsafe code: vector instructions and strided memory.
//!
//! The rules, which the `SAFETY` comments below refer to by number:
//! 1. A raw pointer comes from a view ([`view::MatRef`], [`view::MatMut`]) or a buffer ([`buffer::Scratch`]) that was
//!    checked when it was made, and lives no longer than the call that borrowed it.
//! 2. Indices stay inside the view's extents; a tile that reaches over the edge is loaded and stored in part.
//! 3. Tasks that run at once write to disjoint index ranges of a view whose elements are distinct (checked in
//!    [`view::MatMut::new`]), or to disjoint ranges of a buffer.
//! 4. Packed buffers are padded to whole panels, so kernels read whole vectors from them.
//! 5. A function with `target_feature` is called only on a level that [`isa::Isa::detect`] found.
//!
//! What is here makes no plans: it is given extents and block sizes that fit.

pub mod accumulate;
pub mod buffer;
pub mod conv;
pub mod driver;
pub mod isa;
pub mod kernel;
pub mod pack;
pub mod parts;
pub mod tile;
pub mod vector;
pub mod view;
pub mod wide;
