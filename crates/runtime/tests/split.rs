//! One launch on several devices: right numbers wherever the blocks run, on plain memory and on memory of which each device has
//! a copy; limits, failures and refusals.

#![allow(clippy::unwrap_used, reason = "test support: a failure here is a failed test")]

mod native;

use native::{Fixture, config};
use std::time::Duration;
use vgpu_mem::coherence::trace;
use vgpu_runtime::{Context, Device, Error, LaunchConfig, Replicated, SplitDevice, SplitPart};

/// A context on a device with one worker, and further devices.
fn machines() -> (Fixture, Vec<Device>) {
    let fixture = Fixture::new(1);
    let further = [2, 1].map(|n_workers| Device::new(config(n_workers)).unwrap());
    let devices = [fixture.context.device()].into_iter().chain(further).collect();
    (fixture, devices)
}

fn all(devices: &[Device]) -> Vec<SplitDevice> {
    devices.iter().map(SplitDevice::new).collect()
}

fn split(
    fixture: &Fixture,
    kernel: &str,
    config: LaunchConfig,
    devices: &[SplitDevice],
    args: &[&[u8]],
    replicas: &[(usize, Replicated)],
) -> Result<Vec<SplitPart>, Error> {
    let stream = fixture.context.default_stream();
    let launch = fixture.kernel(kernel).launch_split_args(&stream, &config, devices, args, replicas)?;
    stream.synchronize()?;
    Ok(launch.parts())
}

#[test]
fn blocks_run_once_whoever_runs_them() {
    let (fixture, devices) = machines();
    let n = 40_000;
    for round in 1..=4u32 {
        let out = fixture.words(n);
        let args: [&[u8]; 2] = [&out.0.to_le_bytes(), &round.to_le_bytes()];
        let grid = LaunchConfig::new(n as u32 / 8, 8);
        let parts = split(&fixture, "number", grid, &all(&devices), &args, &[]).unwrap();
        assert_eq!(fixture.read(out, n), (0..n as u32).map(|idx| idx * round).collect::<Vec<_>>());
        assert_eq!(parts.iter().map(|part| part.blocks).sum::<u64>(), 5000);
        assert_eq!(parts.iter().map(|part| part.planned_blocks).sum::<u64>(), 5000);
        if round == 1 {
            let planned: Vec<u64> = parts.iter().map(|part| part.planned_blocks).collect();
            assert_eq!(planned, [1250, 2500, 1250], "by workers, before anything was measured");
        }
    }
}

#[test]
fn a_device_runs_no_more_than_its_limit() {
    let (fixture, devices) = machines();
    let n = 3000;
    let out = fixture.words(n);
    let args: [&[u8]; 2] = [&out.0.to_le_bytes(), &7u32.to_le_bytes()];
    let limited = [SplitDevice::new(&devices[0]).at_most(0.1), SplitDevice::new(&devices[1])];
    let parts = split(&fixture, "number", LaunchConfig::new(n as u32, 1), &limited, &args, &[]).unwrap();
    assert!(parts[0].blocks <= 300 && parts[0].blocks + parts[1].blocks == 3000, "{parts:?}");
    assert_eq!(fixture.read(out, n), (0..n as u32).map(|idx| idx * 7).collect::<Vec<_>>());
    // Not on the stream's own device at all.
    let parts = split(&fixture, "number", LaunchConfig::new(n as u32, 1), &limited[1..], &args, &[]).unwrap();
    assert_eq!(parts[0].blocks, 3000);
}

#[test]
fn blocks_that_wait_for_earlier_ones_end() {
    let (fixture, devices) = machines();
    let n = 3000;
    for _ in 0..3 {
        let flags = fixture.words(n);
        let grid = LaunchConfig::new(n as u32, 1);
        split(&fixture, "look_back", grid, &all(&devices), &[&flags.0.to_le_bytes()], &[]).unwrap();
        assert_eq!(fixture.read(flags, n), (1..=n as u32).collect::<Vec<_>>());
    }
}

fn words(memory: &Replicated) -> Vec<u32> {
    let mut bytes = vec![0; memory.bytes() as usize];
    memory.read(0, &mut bytes).unwrap();
    bytes.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect()
}

#[test]
fn copies_of_a_buffer_are_one_memory() {
    let (fixture, devices) = machines();
    // Small pages, and an odd length, so that neighbours share pages; then large pages.
    for n in [20_011usize, 400_003] {
        let new = || Replicated::new(&devices, 4 * n as u64).unwrap();
        let (a, b) = (new(), new());
        a.record(100_000);
        let start: Vec<u32> = (0..n as u32).map(|idx| idx.wrapping_mul(2_654_435_761) >> 8).collect();
        a.write(0, &start.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>()).unwrap();
        let mut expected = start;
        for round in 0..4 {
            let (from, to) = if round % 2 == 0 { (&a, &b) } else { (&b, &a) };
            let len = (n as u64).to_le_bytes();
            let grid = LaunchConfig::new((n as u32).div_ceil(64), 64);
            let replicas = [(0, from.clone()), (1, to.clone())];
            split(&fixture, "smooth", grid, &all(&devices), &[&[0; 8], &[0; 8], &len], &replicas).unwrap();
            let at = |idx: usize| expected.get(idx).copied().unwrap_or(0);
            let next = |idx: usize| at(idx.wrapping_sub(1)).wrapping_add(at(idx)).wrapping_add(at(idx + 1));
            expected = (0..n).map(next).collect();
            if round % 2 == 1 {
                assert!(words(&a) == expected, "round {round} of {n}");
            }
        }
        assert!(a.traffic().fills > 0 && a.traffic().write_backs > 0);
        let run = a.recorded().unwrap();
        assert!(run.len() as u64 >= a.traffic().fills + a.traffic().write_backs);
        trace::check(run).unwrap();
    }
}

#[test]
fn devices_that_fight_for_one_page_get_on() {
    let (fixture, devices) = machines();
    let n = 1000;
    let memory = Replicated::new(&devices, 4 * (n + 1)).unwrap();
    memory.record(100_000);
    // This kernel's text does not show its atomics: no caller's kernel could be given such memory.
    let replicas = [(0, memory.clone())];
    split(&fixture, "ticket", LaunchConfig::new(n as u32, 1), &all(&devices), &[&[0; 8]], &replicas).unwrap();
    let mut found = words(&memory);
    assert_eq!(found.remove(0), n as u32);
    found.sort_unstable();
    assert_eq!(found, (0..n as u32).collect::<Vec<_>>(), "each number once");
    trace::check(memory.recorded().unwrap()).unwrap();
}

#[test]
fn errors_of_any_device_end_the_launch_and_the_process_lives() {
    let (fixture, devices) = machines();
    let grid = LaunchConfig::new(500, 1);
    let wild = split(&fixture, "store", grid, &all(&devices), &[&0x40u64.to_le_bytes()], &[]).unwrap_err();
    assert!(matches!(wild, Error::IllegalAddress { address: 0x40, .. }), "{wild}");
    fixture.context.reset();
    // Behind the end of a copy.
    let memory = Replicated::new(&devices, 4096).unwrap();
    let beyond = memory.address(&devices[1]).unwrap().0 + 4096;
    let error = split(&fixture, "store", grid, &all(&devices[1..2]), &[&beyond.to_le_bytes()], &[]).unwrap_err();
    assert!(matches!(error, Error::IllegalAddress { address, .. } if address == beyond), "{error}");
    fixture.context.reset();
    let limit = grid.timeout(Duration::from_millis(50));
    let late = split(&fixture, "endless", limit, &all(&devices), &[], &[]).unwrap_err();
    assert!(matches!(late, Error::LaunchTimeout { .. }), "{late}");
    fixture.context.reset();
    let out = fixture.words(500);
    let args: [&[u8]; 2] = [&out.0.to_le_bytes(), &1u32.to_le_bytes()];
    split(&fixture, "number", grid, &all(&devices), &args, &[]).unwrap();
    assert_eq!(fixture.read(out, 500), (0..500).collect::<Vec<_>>());
}

#[test]
fn what_cannot_be_split_is_refused() {
    let (fixture, devices) = machines();
    let devices_of = all(&devices);
    let grid = LaunchConfig::new(4, 32);
    let memory = Replicated::new(&devices[..2], 64).unwrap();
    let refusal = |kernel: &str, config, devices: &[SplitDevice], replicas: &[(usize, Replicated)]| {
        split(&fixture, kernel, config, devices, &[&[0; 8]], replicas).unwrap_err().to_string()
    };
    let of_one = [(0, memory.clone())];
    let own = || devices_of[0].clone();
    for (message, part) in [
        (refusal("ticket", grid.cooperative(), &devices_of, &[]), "synchronise as a grid"),
        (refusal("ticket", grid.deterministic(), &devices_of, &[]), "one after the other"),
        (refusal("counts", grid, &devices_of[..2], &of_one), "its blocks exchange data through atomics"),
        (refusal("ticket", grid, &devices_of, &of_one), "has no copy of the replicated memory"),
        (refusal("ticket", grid, &[], &[]), "there is none"),
        (refusal("ticket", grid, &[own(), own()], &[]), "is named twice"),
        (refusal("ticket", grid, &[own().at_most(0.5)], &[]), "add up to 0.5"),
        (refusal("ticket", grid, &[own().at_most(f64::NAN)], &[]), "is limited to NaN"),
        (refusal("ticket", grid, &devices_of, &[(3, memory.clone())]), "parameter 3, which is no address"),
    ] {
        assert!(message.contains(part), "{message}");
    }
    assert!(Replicated::new(&[], 64).unwrap_err().to_string().contains("1 to 32 devices"));
    assert!(Replicated::new(&devices, u64::MAX).is_err());
    assert!(memory.read(60, &mut [0; 8]).is_err() && memory.write(u64::MAX, &[1]).is_err());
    fixture.context.synchronize().unwrap();
}

#[test]
fn contexts_of_several_devices_copy_from_each_other() {
    let (fixture, devices) = machines();
    let peer = Context::new(&devices[1]);
    let from = peer.alloc(4000).unwrap();
    let bytes: Vec<u8> = (0..4000u32).map(|idx| (idx % 251) as u8).collect();
    peer.copy_to_device(from, &bytes).unwrap();
    let to = fixture.context.alloc(4000).unwrap();
    fixture.context.copy_from_peer(to, &peer, from, 4000).unwrap();
    let mut found = vec![0; 4000];
    fixture.context.copy_to_host(&mut found, to).unwrap();
    assert_eq!(found, bytes);
    assert!(matches!(fixture.context.copy_from_peer(to, &peer, from, 4001), Err(Error::InvalidAddress { .. })));
}
