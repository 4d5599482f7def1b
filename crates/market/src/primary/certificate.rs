//! What a clearing proves about itself: how far it is from an equilibrium, and from the plain split.
//!
//! Both are computed from the final whole units and payments, after all rounding, and can be checked by anybody from the
//! posted prices. Cobb-Douglas agents answer every price in their best way by construction; only rounding to units stands
//! between them and their best, so they do not enter the figures.

use super::utility::bundles_of;
use super::{Clearing, Utility};
use crate::units::Credits;

/// How good a clearing is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    /// The most that any tenant could gain by spending its budget in another way at the final prices, in millionths of
    /// what it could have at best. Includes the rounding to whole units.
    pub epsilon_ppm: u32,
    /// The worst tenant's gain over the plain split of the supply in proportion to budgets, in millionths of that split's
    /// utility; negative when it is worse off. One unit of rounding per resource is not counted.
    pub worst_against_split_ppm: i64,
    /// Rounds of bidding.
    pub rounds: u32,
    /// Whether the plain split was used because bidding left somebody worse off.
    pub plain_split: bool,
}

/// Examines an outcome.
pub(super) fn certify(
    supply: &[u32],
    budgets: &[Credits],
    utilities: &[&Utility],
    outcome: &Clearing,
    rounds: u32,
) -> Certificate {
    let n = supply.len();
    let prices: Vec<f64> = outcome.prices.iter().map(|price| price.as_f64()).collect();
    let everything: Vec<f64> = supply.iter().map(|supply| f64::from(*supply)).collect();
    let total: f64 = budgets.iter().map(|budget| budget.0 as f64).sum();
    let (mut epsilon, mut worst) = (0.0_f64, f64::INFINITY);
    let mut units = vec![0.0; n];
    for (tenant, utility) in utilities.iter().enumerate() {
        let budget = budgets[tenant].0 as f64;
        if budget == 0.0 || !utility.wants_something() {
            continue;
        }
        for (to, from) in units.iter_mut().zip(&outcome.units[tenant * n..]) {
            *to = f64::from(*from);
        }
        let part = budget / total;
        let (had, best, split) = match utility {
            Utility::Leontief { per_bundle, bundles } => {
                let most = f64::from(*bundles);
                let cost: f64 = per_bundle.iter().zip(&prices).map(|(need, price)| f64::from(*need) * price).sum();
                let feasible = bundles_of(per_bundle, &everything);
                let best = if cost > 0.0 { (budget / cost).min(most) } else { most };
                let shares: Vec<f64> = everything.iter().map(|supply| (supply * part - 1.0).max(0.0)).collect();
                let had = bundles_of(per_bundle, &units).min(most);
                (had, best.min(feasible), bundles_of(per_bundle, &shares).min(most))
            }
            Utility::Linear { .. } => {
                let paying = |(value, price): (&f64, &f64)| if *price > 0.0 { value / price } else { 0.0 };
                let values: Vec<f64> = utility.weights().iter().map(|value| f64::from(*value)).collect();
                // What is free is had in any case.
                let free = values.iter().zip(&units).zip(&prices).filter(|(_, price)| **price == 0.0);
                let free: f64 = free.map(|((value, units), _)| value * units).sum();
                let best = free + budget * values.iter().zip(&prices).map(paying).fold(0.0, f64::max);
                let shares: Vec<f64> = everything.iter().map(|supply| (supply * part - 1.0).max(0.0)).collect();
                (utility.value(&units), best.min(utility.value(&everything)), utility.value(&shares))
            }
            Utility::CobbDouglas { .. } | Utility::Idle => continue,
        };
        if best > 0.0 {
            epsilon = epsilon.max(1.0 - had / best);
        }
        if split > 0.0 {
            worst = worst.min(had / split - 1.0);
        }
    }
    let worst = if worst.is_finite() { (worst * 1e6) as i64 } else { 0 };
    Certificate { epsilon_ppm: (epsilon * 1e6) as u32, worst_against_split_ppm: worst, rounds, plain_split: false }
}
