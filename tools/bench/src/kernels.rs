//! The kernel suite: vgpu, native C with OpenMP, and Intel's OpenCL runtime for CPUs, round robin.
//!
//! The routes take turns within each round, so that a slow moment of the machine hits all of them; medians are compared.
//! Results of every route are checked. A vgpu result that is wrong is an error; a peer that is wrong gets a remark.

use crate::record;
use anyhow::{Result, bail};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;
use workloads::kernels::{ROWS, Row};
use workloads::{Device, Native, OpenCl, Route, Workload, median};

/// What to run.
#[derive(clap::Args)]
pub struct Options {
    /// Timed runs of each row and route.
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Only rows whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// Also our own additions, which were not measured on other runtimes before.
    #[arg(long)]
    all: bool,
    /// A Python that has pyopencl and Intel's runtime.
    #[arg(long)]
    opencl_python: Option<PathBuf>,
    /// Why there is no such Python.
    #[arg(long, conflicts_with = "opencl_python")]
    opencl_missing: Option<String>,
}

/// One route's part of a row: its times, or why there are none.
struct Part {
    times: Vec<Duration>,
    remark: Option<String>,
}

impl Part {
    fn median(&self) -> Option<Duration> {
        (!self.times.is_empty()).then(|| median(&mut self.times.clone()))
    }
}

/// Runs the suite.
///
/// # Errors
/// A kernel fails or is wrong on vgpu; the record cannot be written.
pub fn run(options: &Options) -> Result<()> {
    let mut device = Device::new()?;
    let description = device.description();
    println!("{description}");
    let scratch = std::env::temp_dir().join(format!("vgpu-bench-{}", std::process::id()));
    let mut native = optional("native C", Native::new(&scratch.join("native")));
    let mut opencl = match (&options.opencl_python, &options.opencl_missing) {
        (Some(python), _) => optional("Intel OpenCL", OpenCl::new(python, &scratch.join("opencl"))),
        (None, Some(reason)) => optional("Intel OpenCL", Err(anyhow::anyhow!("{reason}"))),
        (None, None) => optional("Intel OpenCL", Err(anyhow::anyhow!("no --opencl-python was given"))),
    };
    if let Some(opencl) = &opencl {
        println!("{}", opencl.platform);
    }
    println!(
        "{:<14} {:<16} {:>10} {:>10} {:>10} {:>10} {:>10}",
        "kernel", "size", "vgpu ms", "native ms", "intel ms", "vs native", "vs intel"
    );
    let mut rows = Vec::new();
    let mut wrong = Vec::new();
    let chosen = |row: &&Row| {
        (options.all || row.measured_elsewhere) && options.only.as_ref().is_none_or(|only| row.name.contains(only))
    };
    for row in ROWS.iter().filter(chosen) {
        let workload = (row.make)();
        let mut routes: Vec<&mut dyn Route> = vec![&mut device];
        routes.extend(native.as_mut().map(|native| native as &mut dyn Route));
        routes.extend(opencl.as_mut().map(|opencl| opencl as &mut dyn Route));
        let names: Vec<_> = routes.iter().map(|route| route.name()).collect();
        let parts = measure(&mut routes, &workload, options.rounds);
        if let Some(remark) = &parts[0].remark {
            wrong.push(format!("{}: {remark}", row.name));
        }
        let part = |name: &str| names.iter().position(|own| *own == name).map(|idx| &parts[idx]);
        rows.push(show(row, &workload, &parts[0], part("native"), part("intel opencl")));
    }
    let _ = std::fs::remove_dir_all(&scratch);
    let results = json!({
        "rounds": options.rounds,
        "opencl": opencl.as_ref().map(|opencl| opencl.platform.clone()),
        "rows": rows.iter().map(|row| row.record.clone()).collect::<Vec<_>>(),
    });
    record::save("kernels", &description, &results)?;
    let native: Vec<_> = rows.iter().filter_map(|row| row.vs_native).collect();
    let intel: Vec<_> = rows.iter().filter_map(|row| row.vs_intel).collect();
    println!(
        "RESULT geomean_vs_native={} geomean_vs_intel={} worst_vs_native={}",
        figure(geomean(&native)),
        figure(geomean(&intel)),
        figure(native.iter().copied().reduce(f64::max))
    );
    if !wrong.is_empty() {
        bail!("vgpu fails on {} rows: {}", wrong.len(), wrong.join("; "));
    }
    Ok(())
}

fn optional<T>(name: &str, route: Result<T>) -> Option<T> {
    route.map_err(|error| println!("{name}: na ({error:#})")).ok()
}

/// One part per route, in their order.
fn measure(routes: &mut [&mut dyn Route], workload: &Workload, rounds: u32) -> Vec<Part> {
    let mut parts: Vec<_> = routes
        .iter_mut()
        .map(|route| {
            let remark = first_run(&mut **route, workload).map_err(|error| format!("{error:#}")).err();
            Part { times: Vec::new(), remark }
        })
        .collect();
    for _ in 0..rounds {
        for (route, part) in routes.iter_mut().zip(&mut parts).filter(|(_, part)| part.remark.is_none()) {
            match route.restore(workload).and_then(|()| route.run(workload)) {
                Ok(time) => part.times.push(time),
                Err(error) => part.remark = Some(format!("{error:#}")),
            }
        }
    }
    routes.iter_mut().for_each(|route| route.unload());
    parts
}

fn first_run(route: &mut dyn Route, workload: &Workload) -> Result<()> {
    route.load(workload)?;
    route.restore(workload)?;
    route.run(workload)?;
    let verdict = (workload.check)(&route.read(workload)?);
    if !verdict.correct() {
        bail!("wrong result: off by {:.1e}, accepted is {:.1e}", verdict.error, verdict.tolerance);
    }
    Ok(())
}

struct Shown {
    vs_native: Option<f64>,
    vs_intel: Option<f64>,
    record: Value,
}

fn show(row: &Row, workload: &Workload, vgpu: &Part, native: Option<&Part>, intel: Option<&Part>) -> Shown {
    let time = |part: Option<&Part>| part.and_then(Part::median).map(|time| time.as_secs_f64() * 1e3);
    let (own, native_ms, intel_ms) = (time(Some(vgpu)), time(native), time(intel));
    let ratio = |other: Option<f64>| Some(own? / other?);
    let (vs_native, vs_intel) = (ratio(native_ms), ratio(intel_ms));
    let line = [own, native_ms, intel_ms, vs_native, vs_intel].map(|value| format!("{:>10}", figure(value)));
    println!("{:<14} {:<16} {}", row.name, workload.size, line.join(" "));
    for (name, part) in [("vgpu", Some(vgpu)), ("native", native), ("intel", intel)] {
        if let Some(remark) = part.and_then(|part| part.remark.as_ref()) {
            println!("  {name}: na ({})", remark.lines().next().unwrap_or(""));
        }
    }
    let raw = |part: Option<&Part>| {
        part.map(|part| {
            let ms: Vec<_> = part.times.iter().map(|time| time.as_secs_f64() * 1e3).collect();
            json!({ "ms": ms, "remark": part.remark })
        })
    };
    let record = json!({
        "row": row.name, "kernel": row.kernel, "size": workload.size,
        "vgpu": raw(Some(vgpu)), "native": raw(native), "intel": raw(intel),
    });
    Shown { vs_native, vs_intel, record }
}

fn figure(value: Option<f64>) -> String {
    value.map_or("na".to_owned(), |value| format!("{value:.2}"))
}

/// Nothing when there are no values.
fn geomean(values: &[f64]) -> Option<f64> {
    let sum: f64 = values.iter().map(|value| value.ln()).sum();
    (!values.is_empty()).then(|| (sum / values.len() as f64).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn geomean_of_ratios() {
        assert_eq!(figure(geomean(&[0.5, 2.0])), "1.00");
        assert_eq!(figure(geomean(&[])), "na");
        assert_eq!(figure(geomean(&[4.0, 1.0, 2.0])), "2.00");
    }
}
