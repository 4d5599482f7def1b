//! `vgpu ps`: the processes on the device.

use crate::failure::Failure;
use crate::output::out;
use serde_json::json;
use std::time::Duration;
use vgpu::ProcessUse;

/// Shows them.
pub fn ps(json: bool) -> Result<(), Failure> {
    let processes = vgpu::processes();
    if json {
        let list = processes.iter().map(|process| {
            json!({
                "pid": process.pid,
                "command": process.command,
                "workers": process.n_workers,
                "memory_used": process.memory_used_bytes,
                "memory_peak": process.memory_peak_bytes,
                "memory_total": process.memory_total_bytes,
                "launches": process.launches,
                "kernel_time_ns": u64::try_from(process.kernel_time.as_nanos()).unwrap_or(u64::MAX),
                "running_s": running(process).as_secs_f64(),
            })
        });
        out!("{:#}", serde_json::Value::from(list.collect::<Vec<_>>()));
        return Ok(());
    }
    out!("{:>8} {:>12} {:>12} {:>10} {:>12} {:>9}  COMMAND", "PID", "MEMORY", "PEAK", "LAUNCHES", "KERNELS", "OPEN");
    for process in &processes {
        out!(
            "{:>8} {:>12} {:>12} {:>10} {:>10.3} s {:>7.0} s  {}",
            process.pid,
            megabytes(process.memory_used_bytes),
            megabytes(process.memory_peak_bytes),
            process.launches,
            process.kernel_time.as_secs_f64(),
            running(process).as_secs_f64(),
            process.command
        );
    }
    Ok(())
}

fn running(process: &ProcessUse) -> Duration {
    process.started.elapsed().unwrap_or_default()
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
