//! The 120-job trace of Shockwave (NSDI'23): the market beside seven schedulers' recorded results.
//!
//! The recorded results come from Shockwave's own simulator, and the trace has each job's arrival, gang size and duration
//! when it runs alone. Here a job is its duration on its gang of GPUs, with rounds of two minutes and free pre-emption; the
//! change of batch sizes during a job, which Shockwave predicts, is within the duration. Two rules run in this simulation,
//! so that it can be judged: **max-min**, which is also among the recorded ones, and the **market**.
//!
//! Under both a job collects an entitlement in GPU seconds each round, and the jobs with most of it per GPU run, as far as
//! their gangs fit. Max-min gives every job the same entitlement, up to its gang; in the market every job starts with the
//! same credits, bids for its gang, and the revenue is shared out among the jobs that are there.
//!
//! Finish-time fairness of a job: its completion time over its duration times the mean contention during its life (GPUs
//! asked for over GPUs there are, at least 1). Above 1.05 it counts as unfair, as in the paper.

use crate::figure;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::Path;
use vgpu_market::primary::{self, Precision};
use vgpu_market::{Credits, Utility};

const GPUS: u32 = 32;
const ROUND_SECONDS: f64 = 120.0;
/// Units that one GPU is sold in.
const UNITS: u32 = 1000;
/// Recorded results that are shown, with the names they have in the paper.
const RECORDED: [(&str, &str); 7] = [
    ("shockwave", "Shockwave"),
    ("min_total_duration", "OSSP"),
    ("finish_time_fairness", "Themis"),
    ("max_min_fairness", "Gavel"),
    ("allox", "AlloX"),
    ("max_sum_throughput_perf", "MST"),
    ("gandiva_fair", "Gandiva-fair"),
];

/// One job.
#[derive(Clone, Copy)]
struct Job {
    gpus: u32,
    seconds: f64,
    arrival: f64,
}

/// A job while it is there.
struct Active {
    job: usize,
    left: f64,
    entitled: f64,
    balance: Credits,
    contention: f64,
    rounds: u32,
}

struct Outcome {
    makespan: f64,
    mean_completion: f64,
    worst_rho: f64,
    unfair: f64,
    utilisation: f64,
}

/// Compares, when the trace is there.
pub fn compare(folder: Option<&Path>) -> Result<Value> {
    let folder = folder.map(|folder| folder.join("shockwave-tacc32"));
    let Some(folder) = folder.filter(|folder| folder.join("120_jobs_32gpu.trace").exists()) else {
        println!("\njobs: the 120-job trace is not there; nothing to compare with");
        return Ok(Value::Null);
    };
    let text = std::fs::read_to_string(folder.join("120_jobs_32gpu.trace")).context("cannot read the job trace")?;
    let jobs = parse(&text)?;
    let recorded = std::fs::read_to_string(folder.join("recorded_results.json")).context("cannot read the results")?;
    let recorded: Value = serde_json::from_str(&recorded).context("cannot read the results")?;
    println!("\njobs: {} jobs on {GPUS} GPUs", jobs.len());
    println!("  {:<28} {:>9} {:>9} {:>6} {:>7} {:>5}", "rule", "makespan", "mean JCT", "worst", "unfair", "util");
    let mut rows = Vec::new();
    let mut row = |name: String, outcome: &Outcome| {
        let Outcome { makespan, mean_completion, worst_rho, unfair, utilisation } = outcome;
        println!(
            "  {name:<28} {makespan:>9.0} {mean_completion:>9.0} {worst_rho:>6.2} {unfair:>6.1}% {utilisation:>5.2}"
        );
        rows.push(json!({
            "rule": name, "makespan_s": figure(*makespan), "mean_jct_s": figure(*mean_completion),
            "worst_rho": figure(*worst_rho), "unfair_percent": figure(*unfair), "utilisation": figure(*utilisation),
        }));
    };
    for (key, name) in RECORDED {
        let field = |field: &str| recorded[key][field].as_f64().with_context(|| format!("no {field} of {key}"));
        let outcome = Outcome {
            makespan: field("makespan")?,
            mean_completion: field("avg_jct")?,
            worst_rho: field("worst_ftf")?,
            unfair: field("unfair_pct")?,
            utilisation: field("util")?,
        };
        row(format!("{name} (recorded)"), &outcome);
    }
    row("max-min (simulated here)".to_owned(), &simulate(&jobs, max_min));
    row("market (simulated here)".to_owned(), &simulate(&jobs, market));
    Ok(Value::from(rows))
}

/// Tab-separated: the 7th field is the gang, the 11th the duration, the 12th the arrival.
fn parse(text: &str) -> Result<Vec<Job>> {
    let job = |(idx, line): (usize, &str)| {
        let fields: Vec<&str> = line.split('\t').collect();
        let number = |at: usize| {
            let field = fields.get(at).with_context(|| format!("line {} has no field {}", idx + 1, at + 1))?;
            field.trim().parse::<f64>().with_context(|| format!("line {}, field {}", idx + 1, at + 1))
        };
        Ok(Job { gpus: number(6)? as u32, seconds: number(10)?, arrival: number(11)? })
    };
    text.lines().filter(|line| !line.trim().is_empty()).enumerate().map(job).collect()
}

/// What every active job is entitled to in this round, in GPUs.
type Rule = fn(&[Job], &mut [Active], u32) -> Vec<f64>;

fn max_min(jobs: &[Job], active: &mut [Active], _round: u32) -> Vec<f64> {
    let mut order: Vec<usize> = (0..active.len()).collect();
    order.sort_by_key(|idx| jobs[active[*idx].job].gpus);
    let (mut left, mut shares) = (f64::from(GPUS), vec![0.0; active.len()]);
    for (served, idx) in order.iter().enumerate() {
        shares[*idx] = f64::from(jobs[active[*idx].job].gpus).min(left / (active.len() - served) as f64);
        left -= shares[*idx];
    }
    shares
}

fn market(jobs: &[Job], active: &mut [Active], round: u32) -> Vec<f64> {
    let wants: Vec<Utility> = active
        .iter()
        .map(|active| Utility::Leontief { per_bundle: vec![1], bundles: jobs[active.job].gpus * UNITS })
        .collect();
    let wants: Vec<&Utility> = wants.iter().collect();
    let budgets: Vec<Credits> = active.iter().map(|active| Credits(active.balance.0 / 5)).collect();
    let precision = Precision { epsilon_ppm: 10_000, max_rounds: 512 };
    let clearing = primary::clear(&[GPUS * UNITS], &budgets, &wants, precision);
    let revenue = clearing.payments.iter().copied().sum();
    let back = primary::rebate(revenue, active.len(), round as usize % active.len().max(1));
    for ((active, paid), back) in active.iter_mut().zip(&clearing.payments).zip(back) {
        active.balance += back - *paid;
    }
    clearing.units.iter().map(|units| f64::from(*units) / f64::from(UNITS)).collect()
}

fn simulate(jobs: &[Job], rule: Rule) -> Outcome {
    let mut waiting: Vec<usize> = (0..jobs.len()).collect();
    waiting.sort_by(|a, b| jobs[*b].arrival.total_cmp(&jobs[*a].arrival));
    let mut active: Vec<Active> = Vec::new();
    let (mut completions, mut rhos) = (Vec::new(), Vec::new());
    let (mut now, mut round, mut makespan, mut busy) = (0.0, 0, 0.0_f64, 0.0);
    while completions.len() < jobs.len() {
        while let Some(job) = waiting.pop_if(|job| jobs[*job].arrival <= now) {
            let (left, balance) = (jobs[job].seconds, Credits::whole(5000));
            active.push(Active { job, left, entitled: 0.0, balance, contention: 0.0, rounds: 0 });
        }
        let asked: u32 = active.iter().map(|active| jobs[active.job].gpus).sum();
        let contention = (f64::from(asked) / f64::from(GPUS)).max(1.0);
        let shares = rule(jobs, &mut active, round);
        for (active, share) in active.iter_mut().zip(shares) {
            active.entitled += share;
            active.contention += contention;
            active.rounds += 1;
        }
        // Who is owed most, per GPU of its gang, goes first.
        active.sort_by(|a, b| {
            let owed = |active: &Active| active.entitled / f64::from(jobs[active.job].gpus);
            owed(b).total_cmp(&owed(a)).then(a.job.cmp(&b.job))
        });
        let mut free = GPUS;
        for active in &mut active {
            let job = &jobs[active.job];
            if job.gpus > free {
                continue;
            }
            free -= job.gpus;
            active.entitled -= f64::from(job.gpus);
            let ran = active.left.min(ROUND_SECONDS);
            active.left -= ran;
            busy += ran * f64::from(job.gpus);
            if active.left <= 0.0 {
                let completion = now + ran - job.arrival;
                makespan = makespan.max(now + ran);
                completions.push(completion);
                rhos.push(completion / (job.seconds * active.contention / f64::from(active.rounds)));
            }
        }
        active.retain(|active| active.left > 0.0);
        now += ROUND_SECONDS;
        round += 1;
    }
    let n = jobs.len() as f64;
    Outcome {
        makespan,
        mean_completion: completions.iter().sum::<f64>() / n,
        worst_rho: rhos.iter().copied().fold(0.0, f64::max),
        unfair: rhos.iter().filter(|rho| **rho > 1.05).count() as f64 / n * 100.0,
        utilisation: busy / (f64::from(GPUS) * makespan),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lonely_jobs_take_their_duration() {
        let line = |gpus: u32, seconds: u32, arrival: u32| {
            format!("LM\tcmd\tdir\tsteps\t1\t99\t{gpus}\tgns\t1\t-1.0\t{seconds}\t{arrival}\n")
        };
        let jobs = parse(&(line(1, 300, 0) + &line(32, 240, 1200))).expect("well-formed");
        for rule in [max_min as Rule, market] {
            let outcome = simulate(&jobs, rule);
            assert_eq!((outcome.makespan, outcome.mean_completion, outcome.worst_rho), (1440.0, 270.0, 1.0));
        }
        assert!(parse("one field\n").is_err());
    }
}
