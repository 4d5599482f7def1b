//! Speed: the book in memory, each command's latency, the book with its journal, a clearing.
//!
//! The command mix is the one that matching engines are measured with (exchange-core's): a tenth new orders, a few
//! immediate ones and cancellations, the rest moves. The commands are recorded once from a market that runs along, so that
//! every id in them exists, and then replayed on a fresh copy of the market against the clock. Risk limits, reservations,
//! trade history and all run-time assertions are on. Every figure is the median of several rounds.

use crate::figure;
use crate::random::Random;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;
use vgpu_daemon::Journal;
use vgpu_market::primary::{Precision, clear};
use vgpu_market::{
    Class, Command, Config, Credits, Epoch, Kind, Lifetime, Market, NewOrder, OrderId, Receipt, Resource, ResourceId,
    Side, TenantId, Tick, Utility,
};

const N_TENANTS: u32 = 1000;
const MIDDLE: u32 = 1900;
const ROUNDS: usize = 5;
/// Commands per commit of the durable figure.
const GROUP: usize = 16_384;
const GROUPS: [usize; 4] = [64, 1024, 4096, GROUP];

/// What was measured.
pub struct Speed {
    pub book_mops: f64,
    pub durable_mops: f64,
    pub p9999_us: f64,
    pub clear_ms: f64,
    pub table: Value,
}

/// Measures everything.
pub fn measure(n_commands: usize, folder: Option<&Path>) -> Result<Speed> {
    let (start, commands, n_trades) = record(n_commands)?;
    println!("book: {} commands, {n_trades} trades, {N_TENANTS} tenants", commands.len());
    let mut seconds = Vec::new();
    let mut hashes = Vec::new();
    for _ in 0..ROUNDS {
        let mut market = start.clone();
        let started = Instant::now();
        for (now_ns, command) in &commands {
            let _ = black_box(market.apply(*now_ns, command));
        }
        seconds.push(started.elapsed().as_secs_f64());
        hashes.push(market.hash());
    }
    anyhow::ensure!(hashes.iter().all(|hash| *hash == hashes[0]), "replays ended in different states");
    let book_mops = commands.len() as f64 / median(&mut seconds) / 1e6;
    println!("  in memory          {book_mops:8.1} M/s");
    let latency = latencies(&start, &commands);
    println!(
        "  latency            p50 {} ns, p99 {} ns, p99.9 {} ns, p99.99 {} ns, longest {} ns (with two clock readings)",
        latency[0], latency[1], latency[2], latency[3], latency[4]
    );
    let mut durable = Vec::new();
    for group in GROUPS {
        let (mops, commit_ms) = journaled(&commands, group, folder)?;
        println!("  durable, by {group:>6}  {mops:8.2} M/s, {commit_ms:.2} ms per commit");
        durable.push((group, mops, commit_ms));
    }
    let durable_mops = durable.iter().find(|row| row.0 == GROUP).map_or(0.0, |row| row.1);
    let (clear_ms, clearings) = clearings();
    let rows: Vec<_> = durable.iter().map(|(group, mops, ms)| json!([group, figure(*mops), figure(*ms)])).collect();
    let table = json!({
        "commands": commands.len(), "trades": n_trades, "book_mops": figure(book_mops),
        "latency_ns": { "p50": latency[0], "p99": latency[1], "p999": latency[2], "p9999": latency[3], "max": latency[4] },
        "durable_group_mops_ms": rows, "clearing": clearings,
    });
    Ok(Speed { book_mops, durable_mops, p9999_us: f64::from(latency[3]) / 1000.0, clear_ms, table })
}

/// A market in which everybody has credits and leases.
fn open_market() -> Result<Market> {
    let resource = Resource {
        name: "compute".to_owned(),
        class: Class::Compute,
        capacity: 100_000_000,
        floor: Credits(1000),
        step: Credits(10),
    };
    let mut market = Market::new(Config { resources: vec![resource], horizon: 1, ..Config::default() })?;
    for tenant in 0..N_TENANTS {
        market.apply(0, &Command::OpenTenant { budget: Credits::whole(10_000) })?;
        let utility = Utility::CobbDouglas { weights: vec![1] };
        market.apply(0, &Command::Declare { tenant: TenantId(tenant), utility })?;
    }
    market.apply(0, &Command::Clear)?;
    Ok(market)
}

type Timed = (u64, Command);

/// The market at the start, the commands, and how many trades they make.
fn record(n: usize) -> Result<(Market, Vec<Timed>, u64)> {
    let start = open_market()?;
    let mut market = start.clone();
    let mut random = Random::new(1);
    let mut live: Vec<(TenantId, OrderId, Side)> = Vec::new();
    let mut commands = Vec::with_capacity(n);
    let price = |random: &mut Random, side: Side| {
        // Sums of three: most prices lie close to the middle, bids a little below and asks above it.
        let spread = (0..3).map(|_| random.below(24)).sum::<u32>();
        Tick(if side == Side::Buy { MIDDLE + 14 - spread } else { MIDDLE - 14 + spread } as u16)
    };
    while commands.len() < n {
        let now_ns = commands.len() as u64 * 100;
        let pick = loop {
            if live.is_empty() {
                break None;
            }
            let idx = random.below(live.len() as u32) as usize;
            if market.open_quantity(live[idx].1).is_some() {
                break Some(idx);
            }
            live.swap_remove(idx);
        };
        let what = random.below(1000);
        let command = match pick {
            Some(idx) if what < 56 => {
                let (tenant, order, _) = live.swap_remove(idx);
                Command::Cancel { tenant, order }
            }
            Some(idx) if what < 846 && live.len() > 1000 => {
                let (tenant, order, side) = live[idx];
                Command::Move { tenant, order, tick: price(&mut random, side), quantity: 1 + random.below(100) }
            }
            _ => {
                let side = if random.below(2) == 0 { Side::Buy } else { Side::Sell };
                let lifetime = if what >= 970 { Lifetime::Immediate } else { Lifetime::Standing };
                Command::Place(NewOrder {
                    tenant: TenantId(random.below(N_TENANTS)),
                    resource: ResourceId(0),
                    epoch: Epoch(2),
                    side,
                    kind: Kind::Limit { tick: price(&mut random, side), lifetime },
                    quantity: 1 + random.below(100),
                })
            }
        };
        let outcome = market.apply(now_ns, &command);
        if let (Command::Place(order), Ok(Receipt::Order(execution))) = (&command, &outcome)
            && let Some(id) = execution.order
        {
            live.push((order.tenant, id, order.side));
        }
        commands.push((now_ns, command));
    }
    market.audit().context("the market after the commands")?;
    Ok((start, commands, market.history().n_trades()))
}

/// Percentiles 50, 99, 99.9, 99.99 and the longest, in nanoseconds: the median of the rounds for each.
fn latencies(start: &Market, commands: &[Timed]) -> [u32; 5] {
    let mut rounds: Vec<[u32; 5]> = Vec::new();
    for _ in 0..ROUNDS {
        let mut market = start.clone();
        let mut times = Vec::with_capacity(commands.len());
        for (now_ns, command) in commands {
            let started = Instant::now();
            let _ = black_box(market.apply(*now_ns, command));
            times.push(started.elapsed().as_nanos().min(u128::from(u32::MAX)) as u32);
        }
        times.sort_unstable();
        let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
        rounds.push([at(0.5), at(0.99), at(0.999), at(0.9999), at(1.0)]);
    }
    std::array::from_fn(|idx| {
        let mut column: Vec<u32> = rounds.iter().map(|round| round[idx]).collect();
        column.sort_unstable();
        column[column.len() / 2]
    })
}

/// The same commands, each on disk before its group is answered: M/s and milliseconds per commit.
fn journaled(commands: &[Timed], group: usize, folder: Option<&Path>) -> Result<(f64, f64)> {
    let folder = folder.map_or_else(std::env::temp_dir, Path::to_path_buf);
    let folder = folder.join(format!("vgpu-market-bench-{}", std::process::id()));
    // Small groups are slow: a part of the commands says enough.
    let commands = &commands[..commands.len().min(group * 500)];
    let measured = (|| -> Result<(f64, f64)> {
        let (mut journal, _) = Journal::open(&folder, Config::default())?;
        let mut market = open_market()?;
        let started = Instant::now();
        let mut n_commits = 0;
        for group in commands.chunks(group) {
            for (now_ns, command) in group {
                journal.append(*now_ns, command);
                let _ = black_box(market.apply(*now_ns, command));
            }
            journal.commit()?;
            n_commits += 1;
        }
        let seconds = started.elapsed().as_secs_f64();
        Ok((commands.len() as f64 / seconds / 1e6, seconds * 1e3 / f64::from(n_commits)))
    })();
    // A journal of the suite's own, in a folder of its own.
    let _ = std::fs::remove_dir_all(&folder);
    measured
}

/// Clearings of several sizes: milliseconds for 256 tenants and 12 resources, and the table.
fn clearings() -> (f64, Value) {
    let (mut rows, mut target) = (Vec::new(), 0.0);
    println!("clearing, 12 resources (60 % Leontief, 20 % Cobb-Douglas, 20 % linear):");
    for n in [16, 64, 256, 1024] {
        let (mut times, mut rounds, mut epsilon) = (Vec::new(), Vec::new(), Vec::new());
        for seed in 0..20 {
            let (supply, budgets, utilities) = population(n, 12, seed);
            let utilities: Vec<&Utility> = utilities.iter().collect();
            let started = Instant::now();
            let clearing =
                black_box(clear(&supply, &budgets, &utilities, Precision { epsilon_ppm: 10_000, max_rounds: 512 }));
            times.push(started.elapsed().as_secs_f64() * 1e3);
            rounds.push(f64::from(clearing.certificate.rounds));
            epsilon.push(f64::from(clearing.certificate.epsilon_ppm) / 1e6);
        }
        let row = (median(&mut times), median(&mut rounds), median(&mut epsilon));
        println!("  {n:>5} tenants  {:8.3} ms  {:>4} rounds  epsilon {:.4}", row.0, row.1, row.2);
        if n == 256 {
            target = row.0;
        }
        rows.push(json!({ "tenants": n, "ms": figure(row.0), "rounds": row.1, "epsilon": figure(row.2) }));
    }
    (target, Value::from(rows))
}

/// A random population.
pub fn population(n_tenants: usize, n_resources: usize, seed: u64) -> (Vec<u32>, Vec<Credits>, Vec<Utility>) {
    let mut random = Random::new(seed + 100);
    let budgets = vec![Credits::whole(1000); n_tenants];
    let utilities = (0..n_tenants)
        .map(|_| {
            let weights: Vec<u32> = (0..n_resources).map(|_| 1 + random.below(100)).collect();
            match random.below(10) {
                0..6 => Utility::Leontief { per_bundle: weights, bundles: 1 + random.below(200_000) },
                6..8 => Utility::CobbDouglas { weights },
                _ => Utility::Linear { values: weights },
            }
        })
        .collect();
    (vec![1_000_000; n_resources], budgets, utilities)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}
