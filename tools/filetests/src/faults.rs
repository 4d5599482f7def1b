//! What the error of a misaligned access says: kernel, instruction, line, address, and what the address should be a multiple of.

use crate::harness::cases_folder;
use anyhow::{Context as _, Result, bail, ensure};
use libtest_mimic::{Failed, Trial};
use vgpu::{CachePolicy, Context, Device, DeviceConfig, Error, LaunchConfig, Module};
use vgpu_jit::Target;

/// The test.
pub fn trials() -> Vec<Trial> {
    let run = || check().map_err(|error| Failed::from(format!("{error:#}")));
    vec![Trial::test("faults/misaligned_access_is_named", run)]
}

fn check() -> Result<()> {
    let path = cases_folder().join("ptx/misaligned.ptx");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let mut config = DeviceConfig::from_environment()?;
    config.memory_bytes = 1 << 26;
    config.target = Target::from_environment().map_err(anyhow::Error::msg)?;
    config.cache = CachePolicy::Off;
    let device = Device::new(config)?;
    let context = Context::new(&device);
    let kernel = Module::load(&context, &text)?.kernel("vector")?;
    let data = context.alloc(4096)?;
    let stream = context.default_stream();
    let launch = |address: u64| -> Result<(), Error> {
        kernel.launch_bytes(&stream, &LaunchConfig::new(1, 32), &[&address.to_le_bytes()])?;
        stream.synchronize()
    };
    // The same kernel with good arguments, before and between.
    launch(data.0)?;
    launch(data.0 + 16)?;
    let Err(error) = launch(data.0 + 8) else { bail!("a misaligned access went well") };
    let Error::MisalignedAddress { kernel: name, address, bytes, access, .. } = &error else {
        bail!("a misaligned access gave \"{error}\"");
    };
    let lines = text.lines().zip(1..);
    let line = lines.filter(|(line, _)| line.contains("ld.global.v2.u64")).map(|(_, number)| number).next();
    let line = line.context("the kernel loads")?;
    ensure!(name == "vector" && *address == data.0 + 8 && *bytes == 16, "{error}");
    ensure!(*access == format!("ld.global at line {line} of the PTX"), "{error}");
    ensure!(launch(data.0).as_ref() == Err(&error), "the error is not sticky");
    Ok(())
}
