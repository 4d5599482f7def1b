//! Who gets how much on recorded demand: the market against four other rules.
//!
//! A tenant's satisfaction is what it got over what it wanted, summed over the whole trace; `tight` is the worst tenant's when
//! only the steps count in which not everybody could have what they wanted. Efficiency is what was used over what could have
//! been used. All rules see the same demand, step by step, and none sees the future.
//! * static: an equal part each, used or not;
//! * max-min: the smallest demands first, the rest in equal parts;
//! * proportional: in proportion to demand, as time slicing without shares does;
//! * Karma (OSDI'23): half of the equal part guaranteed; what is left goes, unit by unit, to those with most credits, which
//!   are earned by leaving units to others;
//! * market: the primary market of this project, with its closed credit loop.

use crate::demand::{Demand, UNITS_PER_GPU};
use crate::figure;
use serde_json::{Value, json};
use std::collections::BinaryHeap;
use std::time::Instant;
use vgpu_market::primary::{self, Precision};
use vgpu_market::{Credits, Utility};

/// Supplies that are tried, in GPU: scarce, between, slack.
const SUPPLIES: [u32; 3] = [8, 12, 16];

/// The outcome.
pub struct Sharing {
    /// The worst-served tenant's satisfaction in the market, over the same of the best other rule, at the scarce supply.
    pub worst_tenant_gain: f64,
    pub table: Value,
}

/// A rule: from the demand of one step to what each tenant gets.
trait Rule {
    fn share(&mut self, demand: &[u32], supply: u32) -> Vec<u32>;
}

/// Runs every rule on every supply.
pub fn compare(demand: &Demand) -> Sharing {
    let (mut rows, mut worst_tenant_gain) = (Vec::new(), 0.0);
    for gpus in SUPPLIES {
        let supply = gpus * UNITS_PER_GPU;
        let contended = demand.steps.iter().filter(|step| step.iter().sum::<u32>() > supply).count();
        println!("supply {gpus} GPU, {contended} of {} steps contended", demand.steps.len());
        println!(
            "  {:<14} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6}",
            "rule", "eff", "Jain", "worst", "p10", "median", "geo"
        );
        let n = demand.n_tenants;
        let rules: [(&str, Box<dyn Rule>); 5] = [
            ("static", Box::new(Static)),
            ("max-min", Box::new(MaxMin)),
            ("proportional", Box::new(Proportional)),
            ("karma", Box::new(Karma { credits: vec![1_000_000; n] })),
            ("market", Box::new(MarketRule::new(n))),
        ];
        let (mut best_other, mut market) = (0.0_f64, 0.0);
        for (name, mut rule) in rules {
            let row = run(demand, supply, rule.as_mut());
            println!(
                "  {name:<14} {:>6.3} {:>6.3} {:>6.3} {:>6.3} {:>6.3} {:>6.3} {:>6.3}  {:.1} us per step",
                row.efficiency, row.jain, row.worst, row.p10, row.median, row.geo, row.tight, row.micros
            );
            if name == "market" {
                market = row.worst;
            } else {
                best_other = best_other.max(row.worst);
            }
            rows.push(json!({
                "gpus": gpus, "rule": name, "efficiency": figure(row.efficiency), "jain": figure(row.jain),
                "worst": figure(row.worst), "p10": figure(row.p10), "median": figure(row.median), "geo": figure(row.geo), "tight": figure(row.tight),
            }));
        }
        println!("  worst tenant, market over best other: {:.3}", market / best_other);
        if gpus == SUPPLIES[0] {
            worst_tenant_gain = market / best_other;
        }
    }
    Sharing { worst_tenant_gain, table: Value::from(rows) }
}

struct Row {
    efficiency: f64,
    jain: f64,
    worst: f64,
    p10: f64,
    median: f64,
    geo: f64,
    /// The worst in the contended steps alone.
    tight: f64,
    micros: f64,
}

fn run(demand: &Demand, supply: u32, rule: &mut dyn Rule) -> Row {
    // Over the whole trace, and over its contended steps.
    let mut all = vec![(0_u64, 0_u64); demand.n_tenants];
    let mut tight = all.clone();
    let (mut used, mut usable) = (0_u64, 0_u64);
    let started = Instant::now();
    for step in &demand.steps {
        let shares = rule.share(step, supply);
        let total: u64 = step.iter().map(|units| u64::from(*units)).sum();
        let taken: u64 = shares.iter().map(|units| u64::from(*units)).sum();
        assert!(taken <= u64::from(supply) && shares.iter().zip(step).all(|(share, wanted)| share <= wanted));
        used += taken;
        usable += total.min(u64::from(supply));
        for (tenant, (got, wanted)) in shares.iter().zip(step).enumerate() {
            let contended = total > u64::from(supply);
            for sums in [Some(&mut all), contended.then_some(&mut tight)].into_iter().flatten() {
                sums[tenant].0 += u64::from(*got);
                sums[tenant].1 += u64::from(*wanted);
            }
        }
    }
    let micros = started.elapsed().as_secs_f64() * 1e6 / demand.steps.len() as f64;
    let (satisfaction, tight) = (sorted_parts(&all), sorted_parts(&tight));
    let n = satisfaction.len() as f64;
    let (sum, squares): (f64, f64) = satisfaction.iter().fold((0.0, 0.0), |(s, q), x| (s + x, q + x * x));
    let at = |part: f64| satisfaction[((n - 1.0) * part) as usize];
    Row {
        efficiency: used as f64 / usable.max(1) as f64,
        jain: sum * sum / (n * squares),
        worst: at(0.0),
        p10: at(0.1),
        median: at(0.5),
        geo: (satisfaction.iter().map(|x| x.max(1e-9).ln()).sum::<f64>() / n).exp(),
        tight: tight.first().copied().unwrap_or(1.0),
        micros,
    }
}

/// What was got over what was wanted, of those who wanted something, smallest first.
fn sorted_parts(sums: &[(u64, u64)]) -> Vec<f64> {
    let wanting = sums.iter().filter(|(_, wanted)| *wanted > 0);
    let mut parts: Vec<f64> = wanting.map(|(got, wanted)| *got as f64 / *wanted as f64).collect();
    parts.sort_unstable_by(f64::total_cmp);
    parts
}

struct Static;

impl Rule for Static {
    fn share(&mut self, demand: &[u32], supply: u32) -> Vec<u32> {
        let part = supply / demand.len() as u32;
        demand.iter().map(|wanted| part.min(*wanted)).collect()
    }
}

struct MaxMin;

impl Rule for MaxMin {
    fn share(&mut self, demand: &[u32], supply: u32) -> Vec<u32> {
        let mut order: Vec<usize> = (0..demand.len()).collect();
        order.sort_unstable_by_key(|tenant| demand[*tenant]);
        let (mut left, mut shares) = (supply, vec![0; demand.len()]);
        for (idx, tenant) in order.iter().enumerate() {
            shares[*tenant] = demand[*tenant].min(left / (demand.len() - idx) as u32);
            left -= shares[*tenant];
        }
        shares
    }
}

struct Proportional;

impl Rule for Proportional {
    fn share(&mut self, demand: &[u32], supply: u32) -> Vec<u32> {
        let total: u64 = demand.iter().map(|wanted| u64::from(*wanted)).sum();
        let fits = total <= u64::from(supply);
        let part = |wanted: &u32| if fits { *wanted } else { (u64::from(*wanted) * u64::from(supply) / total) as u32 };
        demand.iter().map(part).collect()
    }
}

/// Karma with alpha 1/2 (Vuppalapati et al., "Karma: resource allocation for dynamic demands").
struct Karma {
    credits: Vec<i64>,
}

impl Rule for Karma {
    fn share(&mut self, demand: &[u32], supply: u32) -> Vec<u32> {
        let n = demand.len();
        let guaranteed = supply / n as u32 / 2;
        let mut shared = supply - guaranteed * n as u32;
        let income = i64::from(supply / n as u32 - guaranteed);
        let mut shares: Vec<u32> = demand.iter().map(|wanted| guaranteed.min(*wanted)).collect();
        self.credits.iter_mut().for_each(|credits| *credits += income);
        // Borrowers with most credits first; donors with fewest first.
        let mut borrowers: BinaryHeap<(i64, usize)> = (0..n)
            .filter(|tenant| demand[*tenant] > guaranteed && self.credits[*tenant] > 0)
            .map(|tenant| (self.credits[tenant], tenant))
            .collect();
        let mut donors: BinaryHeap<(i64, usize, u32)> = (0..n)
            .filter(|tenant| demand[*tenant] < guaranteed)
            .map(|tenant| (-self.credits[tenant], tenant, guaranteed - demand[tenant]))
            .collect();
        while let Some((credits, tenant)) = borrowers.pop() {
            if let Some((fewest, donor, units)) = donors.pop() {
                self.credits[donor] += 1;
                if units > 1 {
                    donors.push((fewest - 1, donor, units - 1));
                }
            } else if shared > 0 {
                shared -= 1;
            } else {
                break;
            }
            shares[tenant] += 1;
            self.credits[tenant] -= 1;
            if shares[tenant] < demand[tenant] && credits > 1 {
                borrowers.push((credits - 1, tenant));
            }
        }
        shares
    }
}

/// The primary market and its credit loop, as [`vgpu_market::Market`] runs it at each clearing.
struct MarketRule {
    balances: Vec<Credits>,
    epoch: usize,
}

impl MarketRule {
    fn new(n_tenants: usize) -> Self {
        Self { balances: vec![Credits::whole(5000); n_tenants], epoch: 0 }
    }
}

impl Rule for MarketRule {
    fn share(&mut self, demand: &[u32], supply: u32) -> Vec<u32> {
        let wants: Vec<Utility> =
            demand.iter().map(|d| Utility::Leontief { per_bundle: vec![1], bundles: *d }).collect();
        let wants: Vec<&Utility> = wants.iter().collect();
        let spends = |(balance, wanted): (&Credits, &u32)| Credits(if *wanted > 0 { balance.0 / 5 } else { 0 });
        let budgets: Vec<Credits> = self.balances.iter().zip(demand).map(spends).collect();
        let clearing = primary::clear(&[supply], &budgets, &wants, Precision { epsilon_ppm: 10_000, max_rounds: 512 });
        let revenue = clearing.payments.iter().copied().sum();
        let before: Credits = self.balances.iter().copied().sum();
        let back = primary::rebate(revenue, demand.len(), self.epoch % demand.len());
        for ((balance, paid), back) in self.balances.iter_mut().zip(&clearing.payments).zip(back) {
            *balance += back - *paid;
        }
        assert_eq!(before, self.balances.iter().copied().sum(), "credits are conserved");
        self.epoch += 1;
        clearing.units
    }
}
