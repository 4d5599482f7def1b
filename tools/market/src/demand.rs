//! Demand over time: a recorded trace where there is one, else a generated one.
//!
//! The recorded one is GenTD26 (Alibaba, cluster-trace-v2026-GenAI): how busy the GPU of each of 143 containers was, a
//! sample every 57 seconds for 22.8 hours. A container is a tenant; a duty cycle of 40 % is a demand of 0.4 GPU.

use crate::random::Random;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

/// Units of one GPU.
pub const UNITS_PER_GPU: u32 = 1000;

/// What each tenant wants at each step, in units.
pub struct Demand {
    pub n_tenants: usize,
    /// Step by step, tenant by tenant.
    pub steps: Vec<Vec<u32>>,
}

/// The archive within the folder of traces.
const ARCHIVE: &str = "alibaba-gentd26/pod_gpu_duty_cycle_anon.tar.gz";
const STEP_SECONDS: f64 = 57.0;

/// The trace, and in words where it is from.
pub fn load(folder: Option<&Path>) -> Result<(Demand, String)> {
    let Some(folder) = folder else {
        return Ok((generated(), "generated trace (no --traces): 128 tenants that come and go".to_owned()));
    };
    let path = folder.join(ARCHIVE);
    if !path.exists() {
        let words = format!("generated trace ({ARCHIVE} is not in the folder of traces): 128 tenants that come and go");
        return Ok((generated(), words));
    }
    let output = Command::new("tar").arg("xzOf").arg(&path).stdin(Stdio::null()).output().context("cannot run tar")?;
    if !output.status.success() {
        bail!("tar cannot read {}", path.display());
    }
    let text = String::from_utf8(output.stdout).context("the trace is not text")?;
    let demand = parse(&text)?;
    let words = format!("GenTD26 trace: {} tenants, {} steps", demand.n_tenants, demand.steps.len());
    Ok((demand, words))
}

/// Lines of `value,timestamp,container` after a header.
fn parse(text: &str) -> Result<Demand> {
    let mut tenants: BTreeMap<&str, usize> = BTreeMap::new();
    let mut samples = Vec::new();
    let mut first = f64::INFINITY;
    for (idx, line) in text.lines().enumerate().skip(1) {
        let mut fields = line.split(',');
        let (Some(value), Some(time), Some(name)) = (fields.next(), fields.next(), fields.next()) else {
            bail!("line {} of the trace has not three fields", idx + 1);
        };
        let number = |text: &str| text.parse::<f64>().with_context(|| format!("line {} of the trace", idx + 1));
        let (value, time) = (number(value)?, number(time)?);
        let n = tenants.len();
        let tenant = *tenants.entry(name).or_insert(n);
        first = first.min(time);
        samples.push((time, tenant, value));
    }
    let n_tenants = tenants.len();
    let mut steps: Vec<Vec<u32>> = Vec::new();
    for (time, tenant, value) in samples {
        let step = ((time - first) / STEP_SECONDS).round() as usize;
        if steps.len() <= step {
            steps.resize(step + 1, vec![0; n_tenants]);
        }
        steps[step][tenant] =
            (value / 100.0 * f64::from(UNITS_PER_GPU)).round().clamp(0.0, f64::from(UNITS_PER_GPU)) as u32;
    }
    Ok(Demand { n_tenants, steps })
}

/// Tenants that are busy now and then, some often and some rarely.
fn generated() -> Demand {
    let (n_tenants, mut random) = (128, Random::new(7));
    let profile: Vec<(f64, f64)> =
        (0..n_tenants).map(|_| (0.002 + 0.05 * random.part(), 0.05 + 0.3 * random.part())).collect();
    let mut busy = vec![false; n_tenants];
    let mut steps = Vec::new();
    for _ in 0..1440 {
        let mut row = Vec::new();
        for (tenant, (starts, stops)) in profile.iter().enumerate() {
            let change = if busy[tenant] { *stops } else { *starts };
            busy[tenant] ^= random.part() < change;
            let idle = random.below(UNITS_PER_GPU / 50);
            row.push(if busy[tenant] { UNITS_PER_GPU / 4 + random.below(UNITS_PER_GPU * 3 / 4) } else { idle });
        }
        steps.push(row);
    }
    Demand { n_tenants, steps }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_are_read() {
        let text = "value,timestamp_anon,container_ip\n50.0,100.0,a\n100.0,157.0,b\n25.0,214.0,a\n";
        let demand = parse(text).expect("well-formed");
        assert_eq!(demand.steps, [[500, 0], [0, 1000], [250, 0]]);
        assert!(parse("header\n1.0,2.0\n").is_err());
    }
}
