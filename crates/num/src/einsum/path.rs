//! The order of pairwise contractions.
//!
//! Up to ten operands all orders are compared, by dynamic programming over sets of operands. Beyond that a greedy search
//! runs several times: always the pair whose result is smallest compared with what it replaces, after the first time with
//! random noise (Gray and Kourtis, "Hyper-optimized tensor network contraction", Quantum 5, 2021, section 3). The noise has
//! a fixed seed, so a plan depends on the expression and the limits alone.

use super::Expression;
use crate::Error;

/// How hard to look for a good order.
#[derive(Clone, Copy, Debug)]
pub struct Search {
    /// Elements that no intermediate result may exceed.
    pub memory_limit: Option<f64>,
    /// All orders are compared up to so many operands; at most 14.
    pub optimal_up_to: usize,
    /// Greedy searches beyond.
    pub tries: usize,
}

impl Default for Search {
    /// No limit, all orders up to ten operands, 32 tries beyond.
    fn default() -> Self {
        Self { memory_limit: None, optimal_up_to: 10, tries: 32 }
    }
}

/// Most indices of an expression.
pub const MAX_LABELS: usize = 256;
/// More operands than this are not compared in all orders, whatever is asked for.
const MAX_OPTIMAL: usize = 14;

/// A set of indices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Set([u64; MAX_LABELS / 64]);

impl Set {
    fn of(labels: &[usize]) -> Self {
        let mut set = Self::default();
        for label in labels {
            set.0[label / 64] |= 1 << (label % 64);
        }
        set
    }
    fn with(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] | other.0[i]))
    }
    fn both(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] & other.0[i]))
    }
    fn is_empty(self) -> bool {
        self.0 == [0; MAX_LABELS / 64]
    }
    /// The product of the extents.
    fn size(self, extents: &[f64]) -> f64 {
        let mut size = 1.0;
        for (word, bits) in self.0.iter().enumerate() {
            let mut bits = *bits;
            while bits != 0 {
                size *= extents[word * 64 + bits.trailing_zeros() as usize];
                bits &= bits - 1;
            }
        }
        size
    }
}

/// An order and what it takes.
#[derive(Clone, Debug)]
pub struct Found {
    pub steps: Vec<(usize, usize)>,
    pub cost: f64,
    pub largest: f64,
}

/// The best order for the expression.
pub fn find(expression: &Expression, search: &Search) -> Result<Found, Error> {
    let extents: Vec<f64> = expression.extents().iter().map(|extent| *extent as f64).collect();
    let inputs: Vec<Set> = (0..expression.n_operands()).map(|idx| Set::of(&expression.labels(idx))).collect();
    let output = Set::of(expression.output());
    let limit = search.memory_limit.unwrap_or(f64::INFINITY);
    let n = inputs.len();
    let found = match n {
        0 | 1 => Some(Found { steps: Vec::new(), cost: 0.0, largest: 0.0 }),
        _ if n <= search.optimal_up_to.min(MAX_OPTIMAL) => optimal(&inputs, output, &extents, limit),
        _ => (0..search.tries.max(1))
            .filter_map(|round| greedy(&inputs, output, &extents, limit, round as u64))
            .min_by(|a, b| a.cost.total_cmp(&b.cost)),
    };
    found.ok_or_else(|| Error::TooLarge {
        what: "every order of this contraction",
        count: (limit as u128).saturating_add(1),
    })
}

fn optimal(inputs: &[Set], output: Set, extents: &[f64], limit: f64) -> Option<Found> {
    let n = inputs.len();
    let all = (1_usize << n) - 1;
    let union =
        |subset: usize| (0..n).filter(|i| subset >> i & 1 == 1).fold(Set::default(), |set, i| set.with(inputs[i]));
    let unions: Vec<Set> = (0..=all).map(union).collect();
    // What is left of a subset when it has been contracted: indices that something else or the output needs.
    let left: Vec<Set> = (0..=all)
        .map(|subset: usize| match subset.count_ones() {
            1 => unions[subset],
            _ => unions[subset].both(output.with(unions[all & !subset])),
        })
        .collect();
    let sizes: Vec<f64> = left.iter().map(|set| set.size(extents)).collect();
    let mut best = vec![(f64::INFINITY, 0_usize); all + 1];
    for i in 0..n {
        best[1 << i] = (0.0, 0);
    }
    // Parts have smaller numbers than their unions.
    for subset in 1..=all {
        if subset.count_ones() < 2 || (subset != all && sizes[subset] > limit) {
            continue;
        }
        let lowest = subset & subset.wrapping_neg();
        let rest = subset & !lowest;
        let mut other = rest;
        while other != 0 {
            let part = subset & !other;
            let before = best[part].0 + best[other].0;
            if before < best[subset].0 {
                let cost = before + left[part].with(left[other]).size(extents);
                if cost < best[subset].0 {
                    best[subset] = (cost, part);
                }
            }
            other = (other - 1) & rest;
        }
    }
    if best[all].0.is_infinite() && best[all].1 == 0 {
        return None;
    }
    let mut found = Found { steps: Vec::new(), cost: best[all].0, largest: 0.0 };
    let mut list: Vec<usize> = (0..n).map(|i| 1 << i).collect();
    unfold(all, &best, &mut list, &mut found, &sizes);
    Some(found)
}

/// Writes down the steps that make `subset`, parts first.
fn unfold(subset: usize, best: &[(f64, usize)], list: &mut Vec<usize>, found: &mut Found, sizes: &[f64]) {
    if subset.count_ones() < 2 {
        return;
    }
    let (part, other) = (best[subset].1, subset & !best[subset].1);
    unfold(part, best, list, found, sizes);
    unfold(other, best, list, found, sizes);
    let place = |wanted: usize| list.iter().position(|have| *have == wanted).expect("parts were made before");
    let step = (place(part), place(other));
    list.retain(|have| *have != part && *have != other);
    list.push(subset);
    found.steps.push(step);
    found.largest = found.largest.max(sizes[subset]);
}

fn greedy(inputs: &[Set], output: Set, extents: &[f64], limit: f64, round: u64) -> Option<Found> {
    let mut state = round.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut noise = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    let temperature = if round == 0 { 0.0 } else { 0.3 };
    let mut list = inputs.to_vec();
    let mut found = Found { steps: Vec::new(), cost: 0.0, largest: 0.0 };
    while list.len() > 1 {
        // How many operands have an index, so that what a pair leaves need not be looked up in all others.
        let mut uses = vec![0_usize; extents.len()];
        let count = |set: Set, uses: &mut [usize]| {
            for (label, uses) in uses.iter_mut().enumerate() {
                *uses += (set.0[label / 64] >> (label % 64) & 1) as usize;
            }
        };
        list.iter().chain([&output]).for_each(|set| count(*set, &mut uses));
        let (mut thrice, mut twice) = (Set::default(), Set::default());
        for (label, uses) in uses.iter().enumerate() {
            let target = if *uses > 2 { &mut thrice } else { &mut twice };
            if *uses > 1 {
                target.0[label / 64] |= 1 << (label % 64);
            }
        }
        let mut best: Option<(f64, usize, usize, Set)> = None;
        let connected = (0..list.len()).any(|i| (0..i).any(|j| !list[i].both(list[j]).is_empty()));
        let sizes: Vec<f64> = list.iter().map(|set| set.size(extents)).collect();
        for i in 0..list.len() {
            for j in 0..i {
                let common = list[i].both(list[j]);
                if connected && common.is_empty() {
                    continue;
                }
                let either = list[i].with(list[j]);
                let once = Set(std::array::from_fn(|w| either.0[w] & !common.0[w]));
                let result = once.both(thrice.with(twice)).with(common.both(thrice));
                let size = result.size(extents);
                if size > limit && list.len() > 2 {
                    continue;
                }
                let gain = size - sizes[i] - sizes[j];
                // Noise proportional to the sizes: order matters more than amount.
                let score = gain - temperature * noise().ln() * gain.abs();
                if best.is_none_or(|(known, ..)| score < known) {
                    best = Some((score, j, i, result));
                }
            }
        }
        let (_, low, high, result) = best?;
        let size = result.size(extents);
        found.cost += list[low].with(list[high]).size(extents);
        found.largest = found.largest.max(size);
        found.steps.push((low, high));
        list.remove(high);
        list.remove(low);
        list.push(result);
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str, shapes: &[&[usize]], search: &Search) -> Result<Found, Error> {
        find(&Expression::parse(text, shapes).expect("valid"), search)
    }

    #[test]
    fn chains() {
        let shapes: [&[usize]; 3] = [&[10, 100], &[100, 5], &[5, 50]];
        let found = plan("ij,jk,kl->il", &shapes, &Search::default()).expect("an order");
        assert_eq!((found.cost, found.largest), (5000.0 + 2500.0, 500.0));
        assert_eq!(found.steps.len(), 2);
        let greedy = Search { optimal_up_to: 0, ..Search::default() };
        assert_eq!(plan("ij,jk,kl->il", &shapes, &greedy).expect("an order").cost, 7500.0);
    }

    #[test]
    fn limits() {
        let shapes: [&[usize]; 3] = [&[10, 100], &[100, 5], &[5, 50]];
        for optimal_up_to in [0, 10] {
            let search = |limit| Search { memory_limit: Some(limit), optimal_up_to, tries: 4 };
            // Only the first pair's result fits 50 elements, then only nothing does; the output itself is not limited.
            assert_eq!(plan("ij,jk,kl->il", &shapes, &search(50.0)).expect("an order").cost, 7500.0);
            assert!(plan("ij,jk,kl->il", &shapes, &search(40.0)).is_err());
        }
    }

    #[test]
    fn greedy_is_near_the_optimum() {
        // A ring with chords.
        let text = "abi,bcj,cdk,del,efi,fgj,ghk,hal->";
        let shapes = vec![vec![6_usize, 6, 4]; 8];
        let shapes: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
        let best = plan(text, &shapes, &Search::default()).expect("an order").cost;
        let greedy = plan(text, &shapes, &Search { optimal_up_to: 0, ..Search::default() }).expect("an order").cost;
        assert!(best <= greedy && greedy <= 10.0 * best, "{best} {greedy}");
    }
}
