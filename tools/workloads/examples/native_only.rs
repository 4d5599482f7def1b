//! Checks the native versions against the references, without vgpu: `cargo run --release -p workloads --example native_only`.
//! An argument names a Python with pyopencl, whose versions are then checked as well.

use std::path::Path;
use workloads::kernels::ROWS;
use workloads::{Native, OpenCl, Route, Workload};

fn check(route: &mut dyn Route, workload: &Workload) -> anyhow::Result<String> {
    route.load(workload)?;
    route.restore(workload)?;
    route.run(workload)?;
    let verdict = (workload.check)(&route.read(workload)?);
    route.restore(workload)?;
    let time = route.run(workload)?;
    route.unload();
    Ok(format!(
        "{:<9} {:>8.2} ms {:>9.1e} of {:>7.1e}",
        verdict.correct(),
        time.as_secs_f64() * 1e3,
        verdict.error,
        verdict.tolerance
    ))
}

fn main() -> anyhow::Result<()> {
    let scratch = std::env::temp_dir().join("vgpu-native-only");
    let mut routes: Vec<Box<dyn Route>> = vec![Box::new(Native::new(&scratch)?)];
    if let Some(python) = std::env::args_os().nth(1) {
        routes.push(Box::new(OpenCl::new(Path::new(&python), &scratch.join("opencl"))?));
    }
    for row in ROWS {
        let started = std::time::Instant::now();
        let workload = (row.make)();
        println!("{:<14} reference in {:.1} s", row.name, started.elapsed().as_secs_f64());
        for route in &mut routes {
            let outcome = check(&mut **route, &workload).unwrap_or_else(|error| format!("{error:#}"));
            println!("  {:<12} {outcome}", route.name());
        }
    }
    Ok(())
}
