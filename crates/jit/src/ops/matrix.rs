//! Warp-level matrix operations: what they share, and the table that dispatches them.
//!
//! Model: each operation is an internal function of the module that handles one warp, made once per form and called for each
//! warp of the program: registers of 32 lanes go in, one long vector with the result registers side by side comes out.
//! The functions are `mma` (all of `mma.sync`, `mma.sp`, `wmma.mma`: [`super::matrix_mma`]), loads and stores of
//! fragments ([`super::matrix_access`]) and the transposition `movmatrix`, which is one permutation and needs no function.
//!
//! A warp takes part with all its lanes or with none, as PTX demands (`.aligned`); memory of warps without active lanes is
//! not touched.
//!
//! Source: PTX ISA 9.x, "Warp Level Matrix Instructions".

use super::warp::{LaneResults, LaneValue, Warps, join};
use super::warp_atomic::Addresses;
use super::{matrix_access, matrix_mma};
use crate::llvm::{Builder, Value};
use smallvec::smallvec;
use vgpu_ptx::ir::Op;

/// Emits a matrix operation. `None` when `op` is not one.
///
/// `addresses` are those of loads and stores, the instruction's constant offset included. `sources` are the other
/// operands in the order of [`Op`]: stored registers, the stride of `wmma`, fragments.
///
/// # Panics
/// The sparsity selector of `mma.sp` is not a constant; PTX has it as an immediate.
pub(crate) fn matrix<'c>(
    warps: &Warps<'_, 'c>,
    op: &Op,
    addresses: Option<Addresses<'c>>,
    sources: &[LaneValue<'c>],
) -> Option<LaneResults<'c>> {
    warps.check();
    let address = || addresses.expect("a load or store has an address");
    Some(match op {
        Op::Mma(form) => matrix_mma::mma(warps, form, sources),
        Op::WmmaLoad(form) => matrix_access::wmma_load(warps, form, address(), sources.first().copied()),
        Op::WmmaStore(form) => {
            matrix_access::wmma_store(warps, form, address(), sources);
            smallvec![]
        }
        Op::LdMatrix(form) => matrix_access::ldmatrix(warps, form, address()),
        Op::StMatrix(form) => {
            matrix_access::stmatrix(warps, form, address(), sources);
            smallvec![]
        }
        Op::MovMatrix => smallvec![transpose(warps, sources[0])],
        _ => return None,
    })
}

/// `movmatrix`: the 8x8 matrix of 16-bit elements transposed.
fn transpose<'c>(warps: &Warps<'_, 'c>, a: LaneValue<'c>) -> LaneValue<'c> {
    let builder = warps.builder;
    let a = a.vector(builder, warps.lanes);
    let halves = builder.reinterpret(a, warps.context().int(16).vector(warps.lanes * 2));
    let moved = builder.permute(halves, (0..warps.lanes * 2).map(|idx| idx & !63 | transposed(idx % 64)));
    LaneValue::Varying(builder.reinterpret(moved, a.ty()))
}

/// Where element `idx` of a row-major 8x8 matrix comes from when it is transposed.
pub(super) const fn transposed(idx: u32) -> u32 {
    idx % 8 * 8 + idx / 8
}

/// The 32 lanes of one warp.
pub(super) fn warp_lanes<'c>(warps: &Warps<'_, 'c>, value: LaneValue<'c>, warp: u32) -> Value<'c> {
    match value {
        LaneValue::Uniform(scalar) => warps.builder.splat(scalar, 32),
        LaneValue::Varying(vector) => lanes_of(warps.builder, vector, warp * 32, 32),
    }
}

/// `n` lanes of a vector from `start`.
pub(super) fn lanes_of<'c>(builder: &Builder<'c>, vector: Value<'c>, start: u32, n: u32) -> Value<'c> {
    if vector.ty().lanes() == n { vector } else { builder.permute(vector, start..start + n) }
}

/// Result registers of the program from each warp's long vector.
pub(super) fn collect<'c>(warps: &Warps<'_, 'c>, per_warp: &[Value<'c>], n_registers: u32) -> LaneResults<'c> {
    let register = |register: u32| {
        let parts: Vec<_> = per_warp.iter().map(|long| lanes_of(warps.builder, *long, register * 32, 32)).collect();
        LaneValue::Varying(join(warps.builder, &parts))
    };
    (0..n_registers).map(register).collect()
}

#[cfg(test)]
#[path = "matrix_tests.rs"]
mod tests;
