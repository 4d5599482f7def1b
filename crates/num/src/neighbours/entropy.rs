//! Transfer entropy by nearest neighbours.
//!
//! `T = I(y_next; x_past | y_past)`, estimated as Frenzel and Pompe do (Phys. Rev. Lett. 99, 204101, 2007), after Kraskov,
//! Stoegbauer and Grassberger (Phys. Rev. E 69, 066138, 2004), estimator 1: with e_i the distance of point i to its kth
//! neighbour in the joint space of (y_next, x_past, y_past), in the maximum metric, and n the numbers of other points nearer
//! than e_i in the subspaces,
//! `T = psi(k) + mean(psi(n_y + 1) - psi(n_next,y + 1) - psi(n_x,y + 1))`, in nats. No noise is added: a series with many
//! equal values is for another estimator.

use super::tree::{Metric, Tree};
use crate::random::Philox;
use crate::simd::parts;
use crate::{Error, Pool};

/// Most coordinates of the joint space: 1 + both histories.
pub const MAX_DIMENSION: usize = 5;
/// Points that a task takes.
const TASK: usize = 512;

/// How much of the past counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// Neighbours.
    pub k: usize,
    /// Past values of the target.
    pub target: usize,
    /// Past values of the source.
    pub source: usize,
    /// Steps between past values.
    pub step: usize,
}

impl Default for History {
    /// Four neighbours, one past value of each.
    fn default() -> Self {
        Self { k: 4, target: 1, source: 1, step: 1 }
    }
}

/// The transfer entropy from `source` to `target` in nats; slightly negative where there is none.
///
/// # Errors
/// [`Error::Shape`] for series of different lengths, too short for the history and the neighbours, or a history that is empty
/// or longer than [`MAX_DIMENSION`] allows; [`Error::Singular`] for a value that is not finite.
pub fn transfer_entropy(source: &[f64], target: &[f64], history: &History, pool: &dyn Pool) -> Result<f64, Error> {
    let first = check(source, target, history)?;
    let joint = 1 + history.source + history.target;
    let estimate = match (joint, history.source, history.target) {
        (3, 1, 1) => estimate::<3, 2, 2, 1>,
        (4, 1, 2) => estimate::<4, 3, 3, 2>,
        (4, 2, 1) => estimate::<4, 2, 3, 1>,
        (5, 1, 3) => estimate::<5, 4, 4, 3>,
        (5, 2, 2) => estimate::<5, 3, 4, 2>,
        _ => estimate::<5, 2, 4, 1>,
    };
    estimate(source, target, history, first, pool)
}

/// The first time with a whole past.
fn check(source: &[f64], target: &[f64], history: &History) -> Result<usize, Error> {
    if source.len() != target.len() {
        return Err(Error::shape(
            "length of the source",
            source.len(),
            format!("{}, that of the target", target.len()),
        ));
    }
    let joint = history.source.saturating_add(history.target).saturating_add(1);
    if history.source == 0 || history.target == 0 || joint > MAX_DIMENSION {
        let found = format!("{} and {}", history.source, history.target);
        return Err(Error::shape("past values of source and target", found, "at least 1 each and at most 4 together"));
    }
    if history.step == 0 || history.k == 0 {
        let found = format!("step {} and {} neighbours", history.step, history.k);
        return Err(Error::shape("history", found, "at least 1 each"));
    }
    let first = history.step.saturating_mul(history.source.max(history.target) - 1).saturating_add(1);
    let needed = first.saturating_add(history.k).saturating_add(1);
    if source.len() < needed {
        return Err(Error::shape("length of the series", source.len(), format!("at least {needed}")));
    }
    for series in [source, target] {
        if let Some(index) = series.iter().position(|x| !x.is_finite()) {
            return Err(Error::Singular { what: "a value that is not finite", index });
        }
    }
    Ok(first)
}

/// `J` coordinates in all, `N` of the next value and the target's past, `S` of both pasts, `P` of the target's past.
fn estimate<const J: usize, const N: usize, const S: usize, const P: usize>(
    source: &[f64],
    target: &[f64],
    history: &History,
    first: usize,
    pool: &dyn Pool,
) -> Result<f64, Error> {
    let step = history.step;
    let n = target.len() - first;
    // Order of coordinates: the target's past, its next value, the source's past.
    let joint: Vec<[f64; J]> = (0..n)
        .map(|i| {
            let now = first + i - 1;
            std::array::from_fn(|axis| match axis {
                _ if axis < P => target[now - axis * step],
                _ if axis == P => target[now + 1],
                _ => source[now - (axis - P - 1) * step],
            })
        })
        .collect();
    let next: Vec<[f64; N]> = joint.iter().map(|point| std::array::from_fn(|axis| point[axis])).collect();
    let pasts: Vec<[f64; S]> = joint.iter().map(|point| pasts_of(point, P)).collect();
    let past: Vec<[f64; P]> = joint.iter().map(|point| std::array::from_fn(|axis| point[axis])).collect();
    let (joint, next, pasts) = (Tree::new(&joint)?, Tree::new(&next)?, Tree::new(&pasts)?);
    let past = Past::new(&past)?;
    let psi = digammas(n + 1);
    let mut terms = vec![0.0; n];
    parts::chunks(pool, &mut terms, TASK, &|task, part| {
        let mut best = Vec::with_capacity(history.k);
        for (i, term) in part.iter_mut().enumerate() {
            let (place, point) = joint.point(task * TASK + i);
            joint.nearest(point, Some(place), history.k, Metric::Maximum, &mut best);
            let limit = best.last().map_or(0.0, |last| last.1);
            // Counts include the point itself, unless the distance is 0.
            let others = |count: usize| count.saturating_sub(1);
            let n_next = others(next.count_nearer(&std::array::from_fn(|axis| point[axis]), limit));
            let n_pasts = others(pasts.count_nearer(&pasts_of(point, P), limit));
            let n_past = others(past.count_nearer(&std::array::from_fn(|axis| point[axis]), limit));
            *term = psi[n_past + 1] - psi[n_next + 1] - psi[n_pasts + 1];
        }
    });
    Ok(psi[history.k] + crate::scan::sum(&terms, pool) / n as f64)
}

/// A point without the target's next value.
fn pasts_of<const J: usize, const S: usize>(point: &[f64; J], next: usize) -> [f64; S] {
    std::array::from_fn(|axis| point[if axis < next { axis } else { axis + 1 }])
}

/// The target's past: a sorted list where it is one value, else a tree.
enum Past<const P: usize> {
    Sorted(Vec<f64>),
    Tree(Tree<P>),
}

impl<const P: usize> Past<P> {
    fn new(points: &[[f64; P]]) -> Result<Self, Error> {
        if P == 1 {
            let mut values: Vec<f64> = points.iter().map(|point| point[0]).collect();
            values.sort_unstable_by(f64::total_cmp);
            return Ok(Self::Sorted(values));
        }
        Tree::new(points).map(Self::Tree)
    }

    fn count_nearer(&self, query: &[f64; P], limit: f64) -> usize {
        match self {
            Self::Sorted(values) => {
                let at = query[0];
                let start = values.partition_point(|v| *v < at && at - *v >= limit);
                let end = values.partition_point(|v| *v <= at || *v - at < limit);
                // With limit 0 nothing is nearer; equal values are between the two all the same.
                if limit > 0.0 { end - start } else { 0 }
            }
            Self::Tree(tree) => tree.count_nearer(query, limit),
        }
    }
}

/// psi(1) to psi(n), at their index.
fn digammas(n: usize) -> Vec<f64> {
    const EULER: f64 = 0.577_215_664_901_532_9;
    let mut psi = vec![f64::NAN, -EULER];
    let mut harmonic = 0.0;
    for i in 1..n {
        harmonic += 1.0 / i as f64;
        psi.push(harmonic - EULER);
    }
    psi
}

/// The transfer entropies of `count` surrogates, whose source is shuffled and so has no influence; the share of them that is
/// at least the real one's is a p-value. Surrogate i depends on `seed` and i alone.
///
/// # Errors
/// As [`transfer_entropy`].
pub fn surrogates(
    source: &[f64],
    target: &[f64],
    history: &History,
    count: usize,
    seed: u64,
    pool: &dyn Pool,
) -> Result<Vec<f64>, Error> {
    check(source, target, history)?;
    (0..count)
        .map(|i| {
            let mut shuffled = source.to_vec();
            let random = Philox::new(seed, i as u64);
            for (draw, last) in (1..shuffled.len()).rev().enumerate() {
                // 64 bits by the multiply-and-shift method: the bias is below 2^-32 for any series that fits memory.
                let word = |at: usize| u64::from(random.word(at as u64));
                let bits = word(2 * draw) << 32 | word(2 * draw + 1);
                let other = (u128::from(bits) * (last as u128 + 1)) >> 64;
                shuffled.swap(last, other as usize);
            }
            transfer_entropy(&shuffled, target, history, pool)
        })
        .collect()
}
