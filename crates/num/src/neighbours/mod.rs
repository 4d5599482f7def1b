//! Exact nearest neighbours, and what is estimated from them: transfer entropy.
//!
//! Points lie in a k-d tree ([`Tree`]); every answer is exact: pruning compares differences that are rounded the same way
//! as the distances themselves, and rounding keeps order. Results do not depend on the number of threads.

mod entropy;
#[cfg(test)]
mod tests;
mod tree;

pub use entropy::{History, MAX_DIMENSION, surrogates, transfer_entropy};
pub use tree::{Metric, Tree};

use crate::simd::parts;
use crate::{Error, Pool};

/// Queries that a task takes.
const TASK: usize = 256;

/// The `k` nearest of `points` to each of `queries`, both arrays of points of `D` coordinates; equal distances in the order
/// of their index. `found` gets, query by query, index and distance, nearest first.
///
/// # Errors
/// [`Error::Shape`] when there are fewer than `k` points or `found` does not have `k` places per query, [`Error::Singular`]
/// for a coordinate that is not finite.
pub fn nearest<const D: usize>(
    points: &[[f64; D]],
    queries: &[[f64; D]],
    k: usize,
    metric: Metric,
    found: &mut [(usize, f64)],
    pool: &dyn Pool,
) -> Result<(), Error> {
    if k > points.len() {
        return Err(Error::shape("number of neighbours", k, format!("at most {}, the number of points", points.len())));
    }
    if queries.len().checked_mul(k) != Some(found.len()) {
        return Err(Error::shape("places for neighbours", found.len(), format!("{k} for each of {}", queries.len())));
    }
    for list in [points, queries] {
        if let Some(index) = list.iter().position(|point| point.iter().any(|x| !x.is_finite())) {
            return Err(Error::Singular { what: "a coordinate that is not finite", index });
        }
    }
    if found.is_empty() {
        return Ok(());
    }
    let tree = Tree::new(points)?;
    parts::chunks(pool, found, TASK * k, &|task, part| {
        let mut best = Vec::with_capacity(k);
        for (i, found) in part.chunks_exact_mut(k).enumerate() {
            tree.nearest(&queries[task * TASK + i], None, k, metric, &mut best);
            found.copy_from_slice(&best);
        }
    });
    Ok(())
}
