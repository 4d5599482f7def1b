//! `vgpu mem`: where the device memory of running processes is; `vgpu mem map`: the same as a map of pages.
//!
//! A process whose device has a memory budget (`VGPU_MEMORY_BUDGET`) publishes the state of its tiers a few times per second, for
//! its own user to read. Other processes have all their device memory in one tier and do not appear.

use crate::failure::Failure;
use crate::output::out;
use anyhow::Context as _;
use serde_json::{Value, json};
use std::path::PathBuf;
use vgpu::MemorySnapshot;

/// Of what.
#[derive(clap::Args)]
pub struct Options {
    /// `map` draws the pages instead of listing the tiers.
    what: Option<What>,
    /// Only this process.
    #[arg(long, value_name = "PID")]
    process: Option<u32>,
    /// Write the map as a picture; of one process.
    #[arg(long, value_name = "FILE", requires = "what")]
    svg: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// A letter per stretch of pages, with the grid coordinate of each line.
    Map,
}

/// Shows it.
pub fn mem(options: &Options, json: bool) -> Result<(), Failure> {
    let mut all = MemorySnapshot::living();
    if let Some(process) = options.process {
        all.retain(|snapshot| snapshot.process == process);
        if all.is_empty() {
            return Err(anyhow::anyhow!("process {process} is not running with a memory budget").into());
        }
    }
    if let Some(path) = &options.svg {
        let [only] = all.as_slice() else {
            let n = all.len();
            return Err(Failure::usage(format!("a picture shows one device; {n} were found: choose with --process")));
        };
        return Ok(std::fs::write(path, only.map_svg()).with_context(|| format!("cannot write {}", path.display()))?);
    }
    if json {
        out!("{:#}", Value::from(all.iter().map(value).collect::<Vec<_>>()));
        return Ok(());
    }
    if all.is_empty() {
        out!("no process with a memory budget is running (VGPU_MEMORY_BUDGET sets one)");
    }
    for snapshot in &all {
        match options.what {
            None => out!("{}", snapshot.table().trim_end()),
            Some(What::Map) => out!("process {}\n{}", snapshot.process, snapshot.map_text().trim_end()),
        }
    }
    Ok(())
}

fn value(snapshot: &MemorySnapshot) -> Value {
    let tiers = snapshot.tiers.iter().map(|tier| {
        json!({
            "tier": tier.tier.name(),
            "pages": tier.pages,
            "used_bytes": tier.used_bytes,
            "capacity_bytes": tier.capacity_bytes,
        })
    });
    let runs = snapshot.runs.iter().map(|run| {
        json!({ "page": run.page, "count": run.count, "tier": run.tier.map(vgpu::MemoryTier::name), "place": run.index })
    });
    let counters = &snapshot.counters;
    json!({
        "process": snapshot.process,
        "page_bytes": snapshot.page_bytes,
        "committed_pages": snapshot.committed_pages,
        "zero_pages": snapshot.zero_pages,
        "tiers": tiers.collect::<Vec<_>>(),
        "faults": counters.faults,
        "evicted_pages": counters.evicted,
        "prefetch_hit_rate": counters.prefetch_hit_rate(),
        "compression_ratio": counters.compression_ratio(),
        "disk_written_bytes": snapshot.traffic.written,
        "disk_read_bytes": snapshot.traffic.read,
        "runs": runs.collect::<Vec<_>>(),
    })
}
