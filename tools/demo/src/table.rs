//! The table: kernel, time, ratio to native code, error.

use crate::mandelbrot;
use anyhow::Result;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use workloads::kernels::{ROWS, Row};
use workloads::{Device, Native, Route, Verdict, Workload, median};

/// How many kernels were run, and how many gave the right numbers.
pub struct Outcome {
    /// Distinct kernels.
    pub kernels: usize,
    /// Of those, correct in all their rows.
    pub correct: usize,
}

/// Runs all rows and prints each as it is done.
pub fn run(device: &mut Device, pictures: &Path, rounds: u32, only: Option<&str>) -> Result<Outcome> {
    let mut native = match Native::new(&pictures.join("native")) {
        Ok(native) => Some(native),
        Err(error) => {
            println!("no native code to compare with: {error:#}");
            None
        }
    };
    println!("{:<14} {:<16} {:>10} {:>10} {:>9} {:>10}  result", "kernel", "size", "time", "native", "ratio", "error");
    let mut correct: BTreeMap<&str, bool> = BTreeMap::new();
    for row in ROWS.iter().filter(|row| only.is_none_or(|only| row.name.contains(only))) {
        let workload = (row.make)();
        let good = match measure(device, native.as_mut(), &workload, rounds) {
            Ok(measured) => {
                measured.print(row, &workload);
                if row.kernel == "mandel" {
                    mandelbrot::draw(&device.read(&workload)?, &pictures.join("mandelbrot.png"))?;
                }
                measured.verdict.correct()
            }
            Err(error) => {
                println!("{:<14} {:<16} {error:#}", row.name, workload.size);
                false
            }
        };
        *correct.entry(row.kernel).or_insert(true) &= good;
        device.unload();
    }
    Ok(Outcome { kernels: correct.len(), correct: correct.values().filter(|good| **good).count() })
}

/// What one row shows.
struct Measured {
    device: Duration,
    native: Option<Duration>,
    verdict: Verdict,
    native_verdict: Option<Verdict>,
}

fn measure(device: &mut Device, native: Option<&mut Native>, workload: &Workload, rounds: u32) -> Result<Measured> {
    let verdict = first_run(device, workload)?;
    let mut native = native;
    let mut native_verdict = None;
    if let Some(native) = native.as_deref_mut() {
        native_verdict = Some(first_run(native, workload)?);
    }
    let (mut device_times, mut native_times) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        device.restore(workload)?;
        device_times.push(device.run(workload)?);
        if let Some(native) = native.as_deref_mut() {
            native.restore(workload)?;
            native_times.push(native.run(workload)?);
        }
    }
    if let Some(native) = native {
        native.unload();
    }
    let native = (!native_times.is_empty()).then(|| median(&mut native_times));
    Ok(Measured { device: median(&mut device_times), native, verdict, native_verdict })
}

/// Takes up the workload, runs it once and checks the result.
fn first_run(route: &mut impl Route, workload: &Workload) -> Result<Verdict> {
    route.load(workload)?;
    route.restore(workload)?;
    route.run(workload)?;
    Ok((workload.check)(&route.read(workload)?))
}

impl Measured {
    fn print(&self, row: &Row, workload: &Workload) {
        let milliseconds = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1e3);
        let native = self.native.map_or("na".to_owned(), milliseconds);
        let ratio = |native: Duration| format!("{:.2}", self.device.as_secs_f64() / native.as_secs_f64());
        let ratio = self.native.map_or("na".to_owned(), ratio);
        let error = if self.verdict.error == 0.0 { "0".to_owned() } else { format!("{:.1e}", self.verdict.error) };
        let mut result = if self.verdict.correct() {
            "correct".to_owned()
        } else {
            format!("WRONG: at most {:.1e} is accepted", self.verdict.tolerance)
        };
        if let Some(verdict) = self.native_verdict.filter(|verdict| !verdict.correct()) {
            result += &format!(" (native code is off by {:.1e})", verdict.error);
        }
        let time = milliseconds(self.device);
        println!("{:<14} {:<16} {time:>10} {native:>10} {ratio:>9} {error:>10}  {result}", row.name, workload.size);
    }
}
