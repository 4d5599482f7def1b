//! What a tenant gains by declaring something else than what it wants: a search, so a lower bound on the true gain.
//!
//! One tenant of a random population tries misreports: every weight scaled at random, needs hidden or invented, and the
//! best of them refined step by step. Its gain is the utility of the shares that it gets, by its true wants, over that of
//! telling the truth. Theory bounds it by 2 for Leontief and linear wants (Chen, Deng, Tang and Zhang).

use crate::figure;
use crate::random::Random;
use crate::speed::population;
use serde_json::{Value, json};
use vgpu_market::Utility;
use vgpu_market::primary::{Precision, clear};

const N_RESOURCES: usize = 12;
const POPULATIONS: u64 = 12;
const TRIES: u32 = 40;

/// Searches in populations of several sizes; the worst gains.
pub fn search() -> Value {
    println!("\nmisreporting: best of {TRIES} misreports by one tenant, worst of {POPULATIONS} populations");
    let mut rows = Vec::new();
    for n in [2, 4, 16, 64] {
        let mut worst: f64 = 1.0;
        for seed in 0..POPULATIONS {
            worst = worst.max(gain(n, seed));
        }
        println!("  {n:>3} tenants  {worst:.4}");
        rows.push(json!({ "tenants": n, "worst_gain": figure(worst) }));
    }
    Value::from(rows)
}

fn gain(n_tenants: usize, seed: u64) -> f64 {
    let (supply, budgets, truth) = population(n_tenants, N_RESOURCES, 1000 + seed);
    let had = |report: &Utility| {
        let mut reports: Vec<&Utility> = truth.iter().collect();
        reports[0] = report;
        let clearing = clear(&supply, &budgets, &reports, Precision { epsilon_ppm: 1_000, max_rounds: 2000 });
        let units: Vec<f64> = clearing.units[..N_RESOURCES].iter().map(|units| f64::from(*units)).collect();
        truth[0].value(&units)
    };
    let honest = had(&truth[0]);
    let mut random = Random::new(seed);
    let (mut best, mut best_report) = (honest, truth[0].clone());
    for attempt in 0..TRIES {
        // Half of them start from the truth, half from the best so far.
        let report = misreport(if attempt % 2 == 0 { &truth[0] } else { &best_report }, &mut random);
        let value = had(&report);
        if value > best {
            (best, best_report) = (value, report);
        }
    }
    best / honest
}

fn misreport(from: &Utility, random: &mut Random) -> Utility {
    let all = random.below(2) == 0;
    let mut change = |weight: u32| {
        let factor = (random.part() * 3.0 - 1.5).exp();
        let keep = !all && random.below(4) > 0;
        if keep { weight } else { ((f64::from(weight) * 8.0 * factor) as u32 / 8).max(1) }
    };
    match from {
        Utility::Leontief { per_bundle, bundles } => {
            Utility::Leontief { per_bundle: per_bundle.iter().map(|w| change(*w)).collect(), bundles: *bundles }
        }
        Utility::CobbDouglas { weights } => {
            Utility::CobbDouglas { weights: weights.iter().map(|w| change(*w)).collect() }
        }
        Utility::Linear { values } => Utility::Linear { values: values.iter().map(|w| change(*w)).collect() },
        Utility::Idle => Utility::Idle,
    }
}
