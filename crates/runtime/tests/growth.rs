//! Resident memory over many launches. Alone in its process: other tests would be measured as well.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod native;

use native::Fixture;
use vgpu_runtime::LaunchConfig;

fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    status.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[test]
fn memory_does_not_grow_with_the_number_of_launches() {
    let fixture = Fixture::new(2);
    let stream = fixture.context.default_stream();
    let out = fixture.words(1 << 12);
    let launch_many = |n: u32| {
        for launch in 0..n {
            fixture.kernel("empty").launch(&stream, &LaunchConfig::new(4, 32), &[]).unwrap();
            fixture.kernel("tree_sum").launch(&stream, &LaunchConfig::new(4, 64), &[&out.0.to_le_bytes()]).unwrap();
            if launch % 100 == 0 {
                stream.synchronize().unwrap();
            }
        }
        stream.synchronize().unwrap();
    };
    launch_many(5_000);
    let before = resident_bytes();
    launch_many(150_000);
    let after = resident_bytes();
    assert!(after < before + (4 << 20), "{before} -> {after}");
}
