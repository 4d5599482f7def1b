//! From the kernel IR to a [`Program`]: SSA in schedule order, with loops, shapes and divergence known.
//!
//! Stages, in order: [`calls`] (one function without calls), [`promote`] (variables become registers), [`prepare`] (guards become selects, blocks end at suspension points, loops get one latch and
//! dedicated exits), [`graph`] (schedule order, loop nest, dominators), [`ssa`], [`shape`] (what lanes have in common),
//! [`divergence`] (where lanes part and meet), [`lanes`] (how many threads run together), [`advance`] (how addresses move
//! from block to block), [`inner`] (a second program for blocks that clamp nothing).

pub(crate) mod advance;
pub(crate) mod alignment;
pub(crate) mod bitset;
pub(crate) mod calls;
pub(crate) mod divergence;
pub(crate) mod geometry;
pub(crate) mod graph;
mod indirect;
mod inline;
pub(crate) mod inner;
pub(crate) mod lanes;
pub(crate) mod layout;
pub(crate) mod operands;
pub(crate) mod prepare;
pub(crate) mod promote;
pub(crate) mod results;
pub(crate) mod shape;
pub(crate) mod ssa;
mod stack;
pub(crate) mod symbolic;
mod waiting;

pub(crate) use ssa::Program;
