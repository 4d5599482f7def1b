//! Proportional response: how the agents of the tenants find their bids.
//!
//! Each round, every agent sees the prices that the last bids made, and divides its budget anew:
//! * Cobb-Douglas: always in the proportions of its weights; that is its best answer to any prices.
//! * Linear: in proportion to the utility that each resource gave it at the last prices.
//! * Leontief: in proportion to what each resource's part of a bundle costs; and it spends no more than its last useful
//!   bundle costs, so that prices fall where nobody competes.
//!
//! The rounds stop when nobody could gain more than epsilon by answering the last prices in another way.
//! Floating point, but only `+ - * /` and comparisons: the same bits on every machine.

use super::{Precision, Utility};
use crate::units::Credits;

/// Where the rounds ended.
pub(super) struct Response {
    /// How each tenant divides its budget: `shares[tenant * n_resources + resource]`, summing to 1 per tenant that bids.
    pub shares: Vec<f64>,
    /// Rounds of bidding.
    pub rounds: u32,
}

/// The state of the rounds.
struct Rounds<'a> {
    supply: Vec<f64>,
    budgets: Vec<f64>,
    utilities: &'a [&'a Utility],
    /// Weights, tenant-major, as floating point; zeros where a tenant wants nothing.
    weights: Vec<f64>,
    /// Credits on each resource, tenant-major.
    bids: Vec<f64>,
    prices: Vec<f64>,
    /// No post is cheaper: bids on what is plentiful must not vanish below a millionth of a credit. All posts at their floor
    /// together cost a sixteenth of an epsilon of the budgets.
    floors: Vec<f64>,
}

/// Finds the bids.
pub(super) fn bids(supply: &[u32], budgets: &[Credits], utilities: &[&Utility], precision: Precision) -> Response {
    let epsilon = f64::from(precision.epsilon_ppm) * 1e-6;
    let mut rounds = Rounds::new(supply, budgets, utilities, epsilon);
    // One resource needs no search, and neither do fixed proportions: the first bids are the answer.
    let searches = supply.len() > 1
        && utilities.iter().any(|utility| matches!(utility, Utility::Leontief { .. } | Utility::Linear { .. }));
    let mut n = 1;
    while searches && n < precision.max_rounds {
        let gain = rounds.next();
        n += 1;
        // The other half is for the posts' floors and the rounding to whole units.
        if gain <= epsilon / 2.0 {
            break;
        }
    }
    Response { shares: rounds.shares(), rounds: n }
}

/// Everybody in the same proportions: each gets its budget's part of every resource.
pub(super) fn plain_split(supply: &[u32], utilities: &[&Utility]) -> Vec<f64> {
    vec![1.0 / supply.len() as f64; supply.len() * utilities.len()]
}

impl<'a> Rounds<'a> {
    fn new(supply: &[u32], budgets: &[Credits], utilities: &'a [&'a Utility], epsilon: f64) -> Self {
        let n = supply.len();
        let supply: Vec<f64> = supply.iter().map(|units| f64::from((*units).max(1))).collect();
        let budgets: Vec<f64> = budgets.iter().map(|credits| credits.0 as f64).collect();
        let (mut weights, mut bids) = (vec![0.0; n * budgets.len()], vec![0.0; n * budgets.len()]);
        let rows = weights.chunks_exact_mut(n).zip(bids.chunks_exact_mut(n)).zip(utilities).zip(&budgets);
        for (((weights, bids), utility), budget) in rows {
            if !utility.wants_something() {
                continue;
            }
            for (to, from) in weights.iter_mut().zip(utility.weights()) {
                *to = f64::from(*from);
            }
            // Cold start: a Leontief bundle counts relative to the supply, since a price is not known yet.
            let relative = matches!(utility, Utility::Leontief { .. });
            let mut total = 0.0;
            for ((bid, weight), supply) in bids.iter_mut().zip(weights.iter()).zip(&supply) {
                *bid = if relative { weight / supply } else { *weight };
                total += *bid;
            }
            for bid in bids.iter_mut() {
                *bid *= budget / total;
            }
        }
        let least = budgets.iter().sum::<f64>() * epsilon / (16.0 * n as f64);
        let floors = supply.iter().map(|supply| least / supply).collect();
        let mut rounds = Self { prices: vec![0.0; n], floors, supply, budgets, utilities, weights, bids };
        rounds.post_prices();
        rounds
    }

    fn post_prices(&mut self) {
        self.prices.fill(0.0);
        for row in self.bids.chunks_exact(self.supply.len()) {
            for (price, bid) in self.prices.iter_mut().zip(row) {
                *price += bid;
            }
        }
        for ((price, supply), floor) in self.prices.iter_mut().zip(&self.supply).zip(&self.floors) {
            *price = (*price / supply).max(*floor);
        }
    }

    /// One round; returns what the best-placed agent could still have gained at the prices that it answers, as a part of
    /// its utility.
    fn next(&mut self) -> f64 {
        let n = self.supply.len();
        let mut gain: f64 = 0.0;
        // Units that a credit buys at each post; a post without bids costs nothing.
        let per_credit: Vec<f64> =
            self.prices.iter().map(|price| if *price > 0.0 { 1.0 / price } else { 0.0 }).collect();
        let rows = self.bids.chunks_exact_mut(n).zip(self.weights.chunks_exact(n));
        for (tenant, (bids, weights)) in rows.enumerate() {
            let budget = self.budgets[tenant];
            if budget == 0.0 {
                continue;
            }
            match self.utilities[tenant] {
                Utility::Leontief { bundles, .. } => {
                    let (mut cost, mut had) = (0.0, f64::INFINITY);
                    for ((bid, weight), (price, per_credit)) in
                        bids.iter().zip(weights).zip(self.prices.iter().zip(&per_credit))
                    {
                        if *weight > 0.0 {
                            cost += weight * price;
                            had = had.min(if *price > 0.0 { bid * per_credit / weight } else { f64::INFINITY });
                        }
                    }
                    if *bundles == 0 {
                        continue;
                    }
                    let most = f64::from(*bundles);
                    let best = if cost > 0.0 { (budget / cost).min(most) } else { most };
                    gain = gain.max(1.0 - had.min(most) / best);
                    for ((bid, weight), price) in bids.iter_mut().zip(weights).zip(&self.prices) {
                        *bid = best * weight * price;
                    }
                }
                Utility::Linear { .. } => {
                    let (mut had, mut best) = (0.0, 0.0_f64);
                    for ((bid, weight), per_credit) in bids.iter_mut().zip(weights).zip(&per_credit) {
                        *bid *= weight * per_credit;
                        had += *bid;
                        best = best.max(weight * per_credit);
                    }
                    gain = gain.max(1.0 - had / (budget * best));
                    for bid in bids.iter_mut() {
                        *bid *= budget / had;
                    }
                }
                Utility::CobbDouglas { .. } | Utility::Idle => {}
            }
        }
        self.post_prices();
        gain
    }

    /// How the whole budgets are divided. An agent that needs only a part of its budget puts all of it up, in the same
    /// proportions: the post takes no more than the units cost.
    fn shares(mut self) -> Vec<f64> {
        for bids in self.bids.chunks_exact_mut(self.supply.len()) {
            let total: f64 = bids.iter().sum();
            if total > 0.0 {
                for bid in bids.iter_mut() {
                    *bid /= total;
                }
            }
        }
        self.bids
    }
}
