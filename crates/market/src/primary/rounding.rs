//! Whole numbers by largest remainder: parts that sum to the total, none further than one from its exact value.

use crate::units::Credits;

/// Budgets divided in these proportions, in whole millionths of credits; each tenant's bids sum to its budget, or to
/// nothing when it puts nothing up.
pub(super) fn whole_bids(budgets: &[Credits], shares: &[f64], n_resources: usize) -> Vec<Credits> {
    let mut bids = Vec::with_capacity(shares.len());
    for (budget, shares) in budgets.iter().zip(shares.chunks_exact(n_resources)) {
        let first = bids.len();
        let mut left = budget.0;
        for share in shares {
            // The sum of the shares may exceed 1 by a rounding error: never hand out more than there is.
            let part = ((budget.0 as f64 * share) as i64).clamp(0, left);
            bids.push(Credits(part));
            left -= part;
        }
        // A few millionths are left; the largest bid takes them.
        let largest = (0..n_resources).max_by(|a, b| shares[*a].total_cmp(&shares[*b])).unwrap_or(0);
        if shares.get(largest).is_some_and(|share| *share > 0.0) {
            bids[first + largest] += Credits(left);
        } else {
            bids[first..].fill(Credits::ZERO);
        }
    }
    bids
}

/// Divides `total` in proportion to `weights` (not all zero): `parts[i]` is rounded down, then the largest remainders get
/// one more each until all is given; the earlier wins a tie.
pub(crate) fn largest_remainder(total: u64, weights: &[u64]) -> Vec<u64> {
    let sum: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    if sum == 0 {
        return vec![0; weights.len()];
    }
    let mut parts = Vec::with_capacity(weights.len());
    let mut remainders = Vec::with_capacity(weights.len());
    for (idx, weight) in weights.iter().enumerate() {
        let exact = u128::from(total) * u128::from(*weight);
        parts.push((exact / sum) as u64);
        remainders.push((exact % sum, idx));
    }
    let left = (total - parts.iter().sum::<u64>()) as usize;
    if left > 0 {
        let by_size = |a: &(u128, usize), b: &(u128, usize)| b.0.cmp(&a.0).then(a.1.cmp(&b.1));
        remainders.select_nth_unstable_by(left - 1, by_size);
        for (_, idx) in &remainders[..left] {
            parts[*idx] += 1;
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parts_sum_to_the_total(total in 0u64..1 << 40, weights in prop::collection::vec(0u64..1 << 50, 1..40)) {
            let parts = largest_remainder(total, &weights);
            let sum: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
            if sum > 0 {
                prop_assert_eq!(parts.iter().sum::<u64>(), total);
                for (part, weight) in parts.iter().zip(&weights) {
                    let exact = u128::from(total) * u128::from(*weight);
                    prop_assert!(u128::from(*part) * sum < exact + sum && exact < (u128::from(*part) + 1) * sum);
                }
            }
        }

        #[test]
        fn bids_sum_to_the_budget(budget in 0i64..1 << 50, weights in prop::collection::vec(0u32..1000, 1..12)) {
            let total: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
            let shares: Vec<f64> = weights.iter().map(|w| if total > 0.0 { f64::from(*w) / total } else { 0.0 }).collect();
            let bids = whole_bids(&[Credits(budget)], &shares, shares.len());
            prop_assert!(bids.iter().all(|bid| *bid >= Credits::ZERO));
            let expected = if total > 0.0 { budget } else { 0 };
            prop_assert_eq!(bids.iter().copied().sum::<Credits>(), Credits(expected));
        }
    }

    #[test]
    fn ties_go_to_the_earlier() {
        assert_eq!(largest_remainder(2, &[1, 1, 1]), [1, 1, 0]);
        assert_eq!(largest_remainder(7, &[0, 0]), [0, 0]);
    }
}
