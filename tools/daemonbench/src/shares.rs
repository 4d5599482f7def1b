//! Shares on running kernels: held to what they should be, and kept against a neighbour that hurts.

use crate::daemon::{Client, Daemon};
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};
use vgpu_turns::ProcessClock;

/// Shares are judged over windows of this length.
const WINDOW: Duration = Duration::from_millis(100);
/// The first clearing gives tenants memory; shares that are set by hand stand until the second.
const EPOCH: Duration = Duration::from_secs(30);
/// Shares in percent, with the iterations of a block: short blocks, long blocks.
const SHARES: [(u32, u32); 3] = [(50, 2_000), (30, 200_000), (20, 20_000)];

/// How exactly shares are held.
pub struct Held {
    pub error_percent: f64,
    pub table: Value,
}

struct Tenant {
    id: u64,
    client: Client,
    job: Value,
}

fn tenants(daemon: &Daemon, jobs: &[(u32, u32)]) -> Result<Vec<Tenant>> {
    let mut made = Vec::new();
    for idx in 0..jobs.len() {
        made.push(daemon.tenant(&format!("tenant-{idx}"))?);
    }
    let mut tenants = Vec::new();
    for ((id, token), (blocks, iterations)) in made.into_iter().zip(jobs) {
        let mut client = daemon.client(&token)?;
        client.wait_for("/api/v1/me", |me| me["memory_quota_bytes"].as_u64() > Some(0))?;
        let job = client.prepare(*blocks, *iterations)?;
        tenants.push(Tenant { id, client, job });
    }
    Ok(tenants)
}

/// Three tenants that want everything, watched from outside.
pub fn held(program: &Path, seconds: u64) -> Result<Held> {
    let daemon = Daemon::start(program, EPOCH)?;
    // Enough blocks for much longer than the measurement, whatever the machine.
    let jobs =
        SHARES.map(|(_, iterations)| (u32::try_from(4_000_000_000 / u64::from(iterations)).unwrap_or(1), iterations));
    let jobs = jobs.map(|(blocks, iterations)| (blocks.min(200_000), iterations));
    let mut tenants = tenants(&daemon, &jobs)?;
    let shares: Vec<(u64, u32)> =
        tenants.iter().zip(SHARES).map(|(tenant, (share, _))| (tenant.id, share * 100)).collect();
    daemon.set_shares(&shares)?;
    let mut clocks = Vec::new();
    for tenant in &mut tenants {
        // Short blocks end sooner: several jobs, one after the other.
        for _ in 0..20 {
            tenant.client.submit(&tenant.job)?;
        }
        let me = tenant
            .client
            .wait_for("/api/v1/me", |me| me["pid"].is_u64() && me["cpu_ns"].as_u64() > Some(300_000_000))?;
        clocks.push(ProcessClock::of(me["pid"].as_u64().context("no process")? as u32)?);
    }
    std::thread::sleep(Duration::from_millis(500));
    let read = || clocks.iter().map(|clock| clock.read().context("a worker ended")).collect::<Result<Vec<u64>>>();
    let mut before = read()?;
    let (mut worst, mut totals) = (Vec::new(), vec![0u64; clocks.len()]);
    let mut next = Instant::now();
    for _ in 0..seconds * 10 {
        next += WINDOW;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
        let now = read()?;
        let used: Vec<u64> = now.iter().zip(&before).map(|(now, before)| now - before).collect();
        before = now;
        let all: u64 = used.iter().sum();
        let error = |(used, (share, _)): (&u64, (u32, u32))| {
            (*used as f64 * 100.0 / all.max(1) as f64 - f64::from(share)).abs()
        };
        worst.push(used.iter().zip(SHARES).map(error).fold(0.0, f64::max));
        totals.iter_mut().zip(&used).for_each(|(total, used)| *total += used);
    }
    for tenant in &mut tenants {
        let state = tenant.client.json("GET", "/api/v1/me", &Value::Null)?;
        ensure!(state["running"] == 1, "a tenant ran out of work: {state}");
    }
    worst.sort_by(f64::total_cmp);
    let at = |permille: usize| worst[(worst.len() - 1) * permille / 1000];
    let all: u64 = totals.iter().sum();
    let overall: Vec<f64> = totals.iter().map(|total| *total as f64 * 100.0 / all as f64).collect();
    let daemon_says = daemon.client(&daemon.operator)?.json("GET", "/api/v1/status", &Value::Null)?;
    println!("shares 50/30/20 over {seconds} s: {overall:.2?} percent of processor time");
    println!(
        "error of the worst tenant per window of 100 ms, in points: median {:.2}, 95 % {:.2}, most {:.2}",
        at(500),
        at(950),
        at(1000)
    );
    let table = json!({ "overall_percent": overall, "p50": at(500), "p95": at(950), "max": at(1000),
        "windows": worst.len(), "isolation": daemon_says["isolation"] });
    Ok(Held { error_percent: at(950), table })
}

/// What a noisy neighbour costs.
pub struct Noisy {
    pub cost_percent: f64,
    pub table: Value,
}

/// A tenant with half of the device: alone, and beside one that wants everything. Beyond twice the time, it is the neighbour.
pub fn noisy(program: &Path) -> Result<Noisy> {
    let daemon = Daemon::start(program, EPOCH)?;
    let mut tenants = tenants(&daemon, &[(2_000, 20_000), (100_000, 50_000)])?;
    let shares: Vec<(u64, u32)> = tenants.iter().map(|tenant| (tenant.id, 5_000)).collect();
    daemon.set_shares(&shares)?;
    let mut noise = tenants.pop().context("two tenants")?;
    let mut victim = tenants.pop().context("two tenants")?;
    let mut time = || -> Result<f64> {
        let id = victim.client.submit(&victim.job)?;
        let job = victim.client.ended(id)?;
        ensure!(job["state"] == "done", "{job}");
        let at = |name: &str| job[name].as_u64().context("no time");
        Ok((at("ended_ns")? - at("started_ns")?) as f64 / 1e9)
    };
    // The first compiles.
    time()?;
    let mut alone: Vec<f64> = (0..3).map(|_| time()).collect::<Result<_>>()?;
    let id = noise.client.submit(&noise.job)?;
    noise.client.wait_for("/api/v1/me", |me| me["cpu_ns"].as_u64() > Some(300_000_000))?;
    let mut beside: Vec<f64> = (0..3).map(|_| time()).collect::<Result<_>>()?;
    noise.client.json("DELETE", &format!("/api/v1/jobs/{id}"), &Value::Null)?;
    alone.sort_by(f64::total_cmp);
    beside.sort_by(f64::total_cmp);
    let cost = (beside[1] / (2.0 * alone[1]) - 1.0) * 100.0;
    println!(
        "half of the device: {:.3} s alone, {:.3} s beside a noisy neighbour: {cost:.2} % beyond its due",
        alone[1], beside[1]
    );
    Ok(Noisy { cost_percent: cost, table: json!({ "alone_s": alone, "beside_s": beside, "cost_percent": cost }) })
}
