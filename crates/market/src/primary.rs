//! The primary market: once per epoch it turns budgets and wants into shares and prices.
//!
//! Every resource is a **trading post**: tenants put credits on it, and each gets the supply in proportion to its credits.
//! Tenants do not bid by hand; they declare what they want ([`Utility`], or it is measured), and an agent bids for each by
//! **proportional response**: it moves its credits towards the resources that served it best at the last prices. This
//! converges to a Fisher market's equilibrium, where nobody could do better with its budget at the posted prices
//! (Zhang, "Proportional response dynamics in the Fisher market"; Branzei, Gkatzelis and Mehta, "Nash social welfare
//! approximation for strategic agents", on why the trading post and not the Fisher market for Leontief utilities).
//!
//! The stages, in order ([`clear`]):
//! 1. `response` finds the bids, in floating point with nothing but `+ - * /`, so that every machine finds the same;
//! 2. `rounding` makes whole credits of them, none more or less than the budget;
//! 3. `post` sells each resource for these bids: all of it or as much as is wanted, in whole units, and nobody pays more
//!    than it bid or gets more than it can use; what is not needed is not paid;
//! 4. `certificate` says how far the outcome is from an equilibrium, and compares every tenant with the plain split of the
//!    supply in proportion to budgets. Should somebody be worse off than that, the plain split is used.
//!
//! The payments are handed back to all tenants in equal parts ([`rebate`]): the credit loop is closed, and who saves today
//! can bid more tomorrow. Bids start afresh at each clearing: warm starts were measured pathological for linear utilities.

mod certificate;
mod post;
mod response;
mod rounding;
mod utility;

pub use certificate::Certificate;
pub(crate) use rounding::largest_remainder;
pub use utility::Utility;

use crate::units::Credits;

/// How exactly to clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Precision {
    /// Distance from an equilibrium to aim for, in millionths of a tenant's utility.
    pub epsilon_ppm: u32,
    /// Rounds of bidding after which to stop anyway.
    pub max_rounds: u32,
}

/// An exact price: so many credits for so many units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    /// Credits paid.
    pub credits: Credits,
    /// Units they bought; above zero.
    pub units: u64,
}

impl Price {
    /// There is enough for all.
    pub const FREE: Self = Self { credits: Credits::ZERO, units: 1 };

    /// Price of one unit, rounded down.
    pub const fn per_unit(self) -> Credits {
        Credits(self.credits.0 / self.units as i64)
    }

    fn as_f64(self) -> f64 {
        self.credits.0 as f64 / self.units as f64
    }
}

/// What a clearing decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clearing {
    /// Units per tenant and resource, tenant-major.
    pub units: Vec<u32>,
    /// What each tenant pays; at most its budget.
    pub payments: Vec<Credits>,
    /// Price of each resource; free where there is enough for all.
    pub prices: Vec<Price>,
    /// How good it is.
    pub certificate: Certificate,
}

/// Clears the primary market: `budgets[i]` and `utilities[i]` belong to tenant `i`, `supply[j]` to resource `j`.
///
/// # Panics
/// The slices disagree about the number of tenants or resources, or a budget is negative: the caller's bug.
pub fn clear(supply: &[u32], budgets: &[Credits], utilities: &[&Utility], precision: Precision) -> Clearing {
    assert_eq!(budgets.len(), utilities.len(), "a budget and a utility per tenant");
    assert!(budgets.iter().all(|budget| *budget >= Credits::ZERO), "budgets are not negative");
    let response = response::bids(supply, budgets, utilities, precision);
    let outcome = sell(supply, budgets, utilities, &response.shares);
    let certificate = certificate::certify(supply, budgets, utilities, &outcome, response.rounds);
    if certificate.worst_against_split_ppm >= -i64::from(precision.epsilon_ppm) {
        return Clearing { certificate, ..outcome };
    }
    // Bids in the same proportions for all are the plain split, which is what everybody must at least get.
    let plain = response::plain_split(supply, utilities);
    let outcome = sell(supply, budgets, utilities, &plain);
    let certificate = certificate::certify(supply, budgets, utilities, &outcome, response.rounds);
    Clearing { certificate: Certificate { plain_split: true, ..certificate }, ..outcome }
}

/// Sells every resource for the budgets divided in these proportions.
fn sell(supply: &[u32], budgets: &[Credits], utilities: &[&Utility], shares: &[f64]) -> Clearing {
    let (n_tenants, n_resources) = (budgets.len(), supply.len());
    let bids = rounding::whole_bids(budgets, shares, n_resources);
    let mut units = vec![0; n_tenants * n_resources];
    let mut payments = vec![Credits::ZERO; n_tenants];
    let mut prices = Vec::with_capacity(n_resources);
    let mut lots = Vec::with_capacity(n_tenants);
    for (resource, supply) in supply.iter().enumerate() {
        lots.clear();
        lots.extend(utilities.iter().enumerate().map(|(tenant, utility)| post::Lot {
            tenant: tenant as u32,
            bid: bids[tenant * n_resources + resource],
            most: utility.most(resource),
            units: 0,
            paid: Credits::ZERO,
        }));
        prices.push(post::sell(*supply, &mut lots));
        for lot in &lots {
            assert!(lot.paid <= lot.bid, "tenant {} pays more than it bid", lot.tenant);
            units[lot.tenant as usize * n_resources + resource] = lot.units;
            payments[lot.tenant as usize] += lot.paid;
        }
    }
    Clearing { units, payments, prices, certificate: Certificate::default() }
}

/// Divides revenue into equal parts of whole credits' millionths; the odd ones go to the tenants from `first` on, so that
/// over many epochs everybody gets the same.
pub fn rebate(revenue: Credits, n_tenants: usize, first: usize) -> impl Iterator<Item = Credits> {
    let n = n_tenants.max(1) as i64;
    let (part, odd) = (revenue.0 / n, revenue.0 % n);
    (0..n).map(move |idx| Credits(part + i64::from((idx - first as i64).rem_euclid(n) < odd)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rebates_sum_up() {
        for n in 1..7 {
            for first in 0..9 {
                let parts: Vec<_> = rebate(Credits(1001), n, first).collect();
                assert_eq!(parts.len(), n);
                assert_eq!(parts.iter().copied().sum::<Credits>(), Credits(1001));
                let (min, max) = (parts.iter().min(), parts.iter().max());
                assert!(max.expect("one").0 - min.expect("one").0 <= 1);
            }
        }
    }
}
