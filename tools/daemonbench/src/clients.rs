//! Many clients at a time: each has its own connection, submits small jobs and waits for them.

use crate::daemon::Daemon;
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long they work.
const TIME: Duration = Duration::from_secs(8);

/// How it went.
pub struct Served {
    pub clients: usize,
    pub table: Value,
}

/// All clients share three tenants.
pub fn serve(program: &Path, clients: usize) -> Result<Served> {
    let daemon = Daemon::start(program, Duration::from_secs(2))?;
    let mut tenants = Vec::new();
    for idx in 0..3 {
        let (_, token) = daemon.tenant(&format!("tenant-{idx}"))?;
        let mut client = daemon.client(&token)?;
        client.wait_for("/api/v1/me", |me| me["memory_quota_bytes"].as_u64() > Some(0))?;
        let job = client.prepare(1, 1)?;
        let id = client.submit(&job)?;
        ensure!(client.ended(id)?["state"] == "done", "the first job failed");
        tenants.push((token, job));
    }
    let (connected, jobs) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let (times, errors) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| -> Result<()> {
        for number in 0..clients {
            let (token, job) = &tenants[number % tenants.len()];
            let (daemon, connected, jobs, times, errors) = (&daemon, &connected, &jobs, &times, &errors);
            let work = move || {
                let one = || -> Result<()> {
                    let mut client = daemon.client(token)?;
                    client.json("GET", "/api/v1/me", &Value::Null)?;
                    connected.fetch_add(1, Ordering::SeqCst);
                    // All of them at once.
                    while connected.load(Ordering::SeqCst) < clients {
                        std::thread::sleep(Duration::from_millis(5));
                        ensure!(
                            errors.lock().is_ok_and(|errors: std::sync::MutexGuard<'_, Vec<String>>| errors.is_empty()),
                            "another client failed"
                        );
                    }
                    let end = Instant::now() + TIME;
                    while Instant::now() < end {
                        let start = Instant::now();
                        let id = client.submit(job)?;
                        let path = format!("/api/v1/jobs/{id}");
                        loop {
                            let state = client.json("GET", &path, &Value::Null)?;
                            match state["state"].as_str().unwrap_or("") {
                                "done" => break,
                                "failed" | "cancelled" => anyhow::bail!("{state}"),
                                _ => std::thread::sleep(Duration::from_millis(50)),
                            }
                        }
                        jobs.fetch_add(1, Ordering::Relaxed);
                        if let Ok(mut times) = times.lock() {
                            times.push(start.elapsed().as_secs_f64());
                        }
                    }
                    Ok(())
                };
                if let (Err(error), Ok(mut errors)) = (one(), errors.lock()) {
                    errors.push(format!("{error:#}"));
                }
            };
            std::thread::Builder::new().stack_size(256 << 10).spawn_scoped(scope, work).context("too many threads")?;
        }
        Ok(())
    })?;
    let errors = errors.into_inner().unwrap_or_default();
    ensure!(errors.is_empty(), "{} of {clients} clients failed, the first: {}", errors.len(), errors[0]);
    let mut times = times.into_inner().unwrap_or_default();
    times.sort_by(f64::total_cmp);
    let jobs = jobs.into_inner();
    let at = |permille: usize| times.get(times.len().saturating_sub(1) * permille / 1000).copied().unwrap_or(0.0);
    let per_second = jobs as f64 / TIME.as_secs_f64();
    println!(
        "{clients} clients: {per_second:.0} jobs/s, from submission to result p50 {:.3} s, p99 {:.3} s, no errors",
        at(500),
        at(990)
    );
    let table = json!({ "clients": clients, "jobs_per_s": per_second, "p50_s": at(500), "p99_s": at(990) });
    Ok(Served { clients, table })
}
