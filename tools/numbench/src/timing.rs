//! Round robin: each contender once per round, so that a slow moment of the machine hits all.

use std::time::Instant;

/// One way to do the work.
pub struct Contender<'c> {
    /// Its name in the table.
    pub name: &'static str,
    /// Does the work once; `None` when it is not to be had.
    pub work: Option<Box<dyn FnMut() + 'c>>,
}

/// Seconds of a round are about this, per contender.
const ROUND_SECONDS: f64 = 0.02;
/// Rounds at least and at most; the time for all rounds together decides.
const ROUNDS: (usize, usize) = (5, 15);
/// Seconds that all rounds of one contender take at most, about.
const CONTENDER_SECONDS: f64 = 1.5;

/// Median seconds of each contender, in their order.
pub fn medians(contenders: &mut [Contender<'_>]) -> Vec<Option<f64>> {
    let mut times = vec![Vec::new(); contenders.len()];
    let mut repeats = vec![1_usize; contenders.len()];
    let mut n_rounds = ROUNDS.1;
    for (contender, repeats) in contenders.iter_mut().zip(&mut repeats) {
        if let Some(work) = &mut contender.work {
            // The first call makes plans and touches memory; the second one is timed.
            work();
            let started = Instant::now();
            work();
            let once = started.elapsed().as_secs_f64();
            *repeats = ((ROUND_SECONDS / once) as usize).max(1);
            n_rounds = n_rounds.min(((CONTENDER_SECONDS / (once * *repeats as f64)) as usize).max(ROUNDS.0));
        }
    }
    for _ in 0..n_rounds {
        for ((contender, times), repeats) in contenders.iter_mut().zip(&mut times).zip(&repeats) {
            if let Some(work) = &mut contender.work {
                let started = Instant::now();
                for _ in 0..*repeats {
                    work();
                }
                times.push(started.elapsed().as_secs_f64() / *repeats as f64);
            }
        }
    }
    times
        .into_iter()
        .map(|mut times| {
            times.sort_by(f64::total_cmp);
            times.get(times.len() / 2).copied()
        })
        .collect()
}

/// Geometric mean.
pub fn geomean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| (values.iter().map(|v| v.ln()).sum::<f64>() / values.len() as f64).exp())
}
