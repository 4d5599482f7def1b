//! Speed of what stands before every action: the signal queue, the gate, a set of rules.

use crate::figure;
use crate::random::Random;
use anyhow::{Result, anyhow};
use serde_json::{Value, json};
use std::hint::black_box;
use std::time::Instant;
use vgpu_policy::rules::{Facts, RuleText, Rules};
use vgpu_policy::{Change, Domain, Envelope, Gate, N_KINDS, Phase, Signal, SignalQueue};

const N: usize = 4_000_000;
const ROUNDS: usize = 5;

/// Millions of signals per second through the queue, and the table.
pub fn measure() -> Result<(f64, Value)> {
    let signals = signals();
    let gate = gate();
    let rules = rules()?;
    println!("policy:");
    println!("  signals            {signals:8.1} M/s through a full queue of 4096, in and out");
    println!("  gate               {gate:8.1} ns per decision");
    println!("  rules              {rules:8.2} us for 5 CEL rules, facts and context included");
    Ok((signals, json!({ "signals_mops": figure(signals), "gate_ns": figure(gate), "rules_us": figure(rules) })))
}

/// Bursts of 64 signals, then 32 are taken: the queue is full most of the time and drops the least important.
fn signals() -> f64 {
    let mut random = Random::new(3);
    let input: Vec<Signal> = (0..N)
        .map(|idx| Signal {
            domain: Domain::ALL[random.below(7) as usize],
            source: random.below(64) as u16,
            utility: random.below(256) as u8,
            value: random.part(),
            time_ns: idx as u64,
        })
        .collect();
    median_of(|| {
        let mut queue = SignalQueue::new(4096);
        let started = Instant::now();
        for burst in input.chunks(64) {
            for signal in burst {
                queue.push(*signal);
            }
            for _ in 0..32 {
                black_box(queue.pop());
            }
        }
        N as f64 / started.elapsed().as_secs_f64() / 1e6
    })
}

fn gate() -> f64 {
    let mut random = Random::new(4);
    let changes: Vec<Change> = (0..N / 4)
        .map(|_| Change::Share {
            tenant: random.below(256),
            resource: random.below(12) as u16,
            units: random.below(10_000),
        })
        .collect();
    let envelope = Envelope { max: 9000, max_step: 5000, min_step: 10, interval_ns: 100, ..Envelope::OPEN };
    let per_second = median_of(|| {
        let mut gate = Gate::new([envelope; N_KINDS], 256, 12, 4);
        let started = Instant::now();
        for (now_ns, change) in changes.iter().enumerate() {
            let _ = black_box(gate.admit(now_ns as u64 * 50, Phase::Normal, *change));
        }
        changes.len() as f64 / started.elapsed().as_secs_f64()
    });
    1e9 / per_second
}

fn rules() -> Result<f64> {
    let facts: Facts = ["temperature_c", "power_w", "pressure", "queue_delay_ms", "utilisation"]
        .into_iter()
        .zip([72.0, 180.0, 0.05, 4.0, 0.8])
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    let conditions = [
        "temperature_c > 80.0",
        "power_w > 250.0 && temperature_c > 60.0",
        "pressure > 0.1 || utilisation > 0.95",
        "queue_delay_ms > 10.0 && utilisation < 0.5",
        "temperature_c < 60.0 && queue_delay_ms < 1.0",
    ];
    let rule = |when: &&str| RuleText {
        name: (*when).to_owned(),
        when: (*when).to_owned(),
        propose: Change::Pace { permille: 900 },
    };
    let mut set = Rules::none();
    let texts: Vec<RuleText> = conditions.iter().map(rule).collect();
    set.reload(&texts, &facts).map_err(|errors| anyhow!("{errors:?}"))?;
    let per_second = median_of(|| {
        let started = Instant::now();
        for _ in 0..5000 {
            black_box(set.evaluate(&facts));
        }
        5000.0 / started.elapsed().as_secs_f64()
    });
    Ok(1e6 / per_second)
}

/// The median of several rounds.
fn median_of(mut round: impl FnMut() -> f64) -> f64 {
    let mut figures: Vec<f64> = (0..ROUNDS).map(|_| round()).collect();
    figures.sort_unstable_by(f64::total_cmp);
    figures[ROUNDS / 2]
}
