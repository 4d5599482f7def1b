//! Blocks, barriers, faults, services and limits of single launches, with kernels written in C.

mod native;

use native::Fixture;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use vgpu_runtime::{Error, LaunchConfig};
use vgpu_types::Dim3;

/// Launches with arguments and waits.
fn run(fixture: &Fixture, name: &str, config: LaunchConfig, args: &[&[u8]]) -> Result<(), Error> {
    let stream = fixture.context.default_stream();
    fixture.kernel(name).launch(&stream, &config, args)?;
    stream.synchronize()
}

#[test]
fn a_straight_kernel_runs_every_block_of_a_three_dimensional_grid() {
    for workers in [1, 2, 3] {
        let fixture = Fixture::new(workers);
        let n = 7 * 5 * 3 * 40;
        let out = fixture.words(n);
        let config = LaunchConfig::new((7, 5, 3), (10, 2, 2));
        run(&fixture, "number", config, &[&out.0.to_le_bytes(), &3u32.to_le_bytes()]).unwrap();
        assert_eq!(fixture.read(out, n), (0..n as u32).map(|x| x * 3).collect::<Vec<_>>());
    }
}

#[test]
fn library_functions_constants_and_local_windows_are_there() {
    let fixture = Fixture::new(1);
    let out = fixture.words(16);
    run(&fixture, "library", LaunchConfig::new(1, 4), &[&out.0.to_le_bytes()]).unwrap();
    let mut bytes = vec![0; 64];
    fixture.context.copy_to_host(&mut bytes, out).unwrap();
    let values: Vec<f64> = bytes.chunks_exact(8).map(|x| f64::from_le_bytes(x.try_into().unwrap())).collect();
    assert_eq!(values, [1.0, 5.0, 9.0, 13.0, 1.0, 5.0, 9.0, 13.0]);
}

#[test]
fn module_variables_have_their_initial_value_and_keep_changes() {
    let fixture = Fixture::new(2);
    run(&fixture, "variable", LaunchConfig::new(100, 1), &[]).unwrap();
    let (address, bytes) = fixture.module.variable("counter").unwrap();
    assert_eq!(bytes, 4);
    assert_eq!(fixture.read(address, 1), [105]);
    assert!(matches!(fixture.module.variable("nothing"), Err(Error::UnknownVariable { .. })));
}

#[test]
fn a_wild_store_is_a_sticky_error_and_the_context_can_be_reset() {
    let fixture = Fixture::new(2);
    let error = run(&fixture, "store", LaunchConfig::new(50, 1), &[&8u64.to_le_bytes()]).unwrap_err();
    let Error::IllegalAddress { kernel, address: 8, code_offset, .. } = &error else { panic!("{error}") };
    assert_eq!(kernel, "store");
    assert_ne!(*code_offset, u64::MAX);
    assert!(error.is_sticky());
    assert_eq!(run(&fixture, "empty", LaunchConfig::new(1, 1), &[]), Err(error.clone()));
    assert_eq!(fixture.context.alloc(4), Err(error));
    fixture.context.reset();
    run(&fixture, "empty", LaunchConfig::new(1, 1), &[]).unwrap();
}

#[test]
fn running_over_the_end_of_an_allocation_is_noticed() {
    let fixture = Fixture::new(1);
    let page = fixture.context.alloc(1 << 20).unwrap();
    run(&fixture, "store", LaunchConfig::new(1, 1), &[&page.offset((1 << 20) - 4).0.to_le_bytes()]).unwrap();
    let beyond = page.offset(1 << 20);
    let error = run(&fixture, "store", LaunchConfig::new(1, 1), &[&beyond.0.to_le_bytes()]).unwrap_err();
    assert!(matches!(error, Error::IllegalAddress { address, .. } if address == beyond.0), "{error}");
}

#[test]
fn running_over_the_end_of_shared_memory_is_noticed() {
    let fixture = Fixture::new(1);
    let error = run(&fixture, "over_shared", LaunchConfig::new(1, 1).shared(4096), &[]).unwrap_err();
    assert!(matches!(error, Error::IllegalAddress { .. }), "{error}");
}

#[test]
fn every_status_has_its_error() {
    let fixture = Fixture::new(2);
    let run_status = |code: u32| {
        fixture.context.reset();
        run(&fixture, "status", LaunchConfig::new((3, 2), 1), &[&code.to_le_bytes()])
    };
    assert_eq!(run_status(0), Ok(()));
    assert!(matches!(run_status(4), Err(Error::Trap { .. })));
    assert!(matches!(run_status(6), Err(Error::Assert { .. })));
    assert!(matches!(run_status(7), Err(Error::StackOverflow { .. })));
    assert!(matches!(run_status(8), Err(Error::BadCall { .. })));
    assert!(matches!(run_status(9), Err(Error::MisalignedAddress { .. })));
    assert!(matches!(run_status(77), Err(Error::Code { .. })));
    fixture.context.reset();
    let illegal = run(&fixture, "illegal", LaunchConfig::new(1, 1), &[]).unwrap_err();
    assert!(matches!(illegal, Error::IllegalInstruction { .. }), "{illegal}");
}

#[test]
fn an_endless_kernel_ends_with_a_timeout_and_the_device_goes_on() {
    let fixture = Fixture::new(2);
    let config = LaunchConfig::new(1000, 32).timeout(Duration::from_millis(30));
    let error = run(&fixture, "endless", config, &[]).unwrap_err();
    assert_eq!(error, Error::LaunchTimeout { kernel: "endless".to_owned(), limit_ms: 30 });
    fixture.context.reset();
    run(&fixture, "empty", LaunchConfig::new(10, 32).timeout(Duration::from_secs(60)), &[]).unwrap();
}

#[test]
fn code_that_never_looks_at_the_stop_flag_is_stopped_all_the_same() {
    let fixture = Fixture::new(2);
    for _ in 0..5 {
        let config = LaunchConfig::new(100, 32).timeout(Duration::from_millis(10));
        let error = run(&fixture, "runaway", config, &[]).unwrap_err();
        assert_eq!(error, Error::LaunchTimeout { kernel: "runaway".to_owned(), limit_ms: 10 });
        fixture.context.reset();
    }
    run(&fixture, "empty", LaunchConfig::new(10, 32), &[]).unwrap();
}

#[test]
fn blocks_that_wait_for_a_failed_one_are_stopped() {
    let fixture = Fixture::new(4);
    let error = run(&fixture, "trap_waits", LaunchConfig::new(4, 32), &[]).unwrap_err();
    assert!(matches!(error, Error::Trap { .. }), "{error}");
}

#[test]
fn barriers_in_a_loop_and_predicate_counts() {
    let fixture = Fixture::new(2);
    let out = fixture.words(64);
    run(&fixture, "tree_sum", LaunchConfig::new(64, 256), &[&out.0.to_le_bytes()]).unwrap();
    assert_eq!(fixture.read(out, 64), [36; 64]);
}

#[test]
fn threads_that_ended_do_not_hold_a_barrier_up() {
    let fixture = Fixture::new(1);
    let out = fixture.words(1);
    run(&fixture, "early_exit", LaunchConfig::new(1, 256), &[&out.0.to_le_bytes()]).unwrap();
    // Four programs of 16 threads that are left.
    assert_eq!(fixture.read(out, 1), [64]);
}

#[test]
fn arrivals_without_waiting_count_and_do_not_wait() {
    let fixture = Fixture::new(1);
    let out = fixture.words(1);
    run(&fixture, "producer", LaunchConfig::new(1, 128), &[&out.0.to_le_bytes()]).unwrap();
    assert_eq!(fixture.read(out, 1), [3 * 99]);
}

#[test]
fn a_deadlock_is_an_error_that_says_who_waits() {
    let fixture = Fixture::new(2);
    let error = run(&fixture, "dead", LaunchConfig::new(4, 96), &[]).unwrap_err();
    let Error::Deadlock { waiting, .. } = error else { panic!("{error}") };
    assert_eq!(waiting, "barrier 0 has 64 of 96 threads, barrier 1 has 32 of 96 threads");
}

#[test]
fn a_spinning_program_lets_the_others_run() {
    let fixture = Fixture::new(1);
    run(&fixture, "spins", LaunchConfig::new(20, 256), &[]).unwrap();
}

#[test]
fn frame_headers_start_as_zeroes_in_every_block() {
    let fixture = Fixture::new(1);
    run(&fixture, "fresh_frames", LaunchConfig::new(20, 128), &[]).unwrap();
}

#[test]
fn a_block_may_wait_for_an_earlier_one() {
    for workers in [1, 2, 4] {
        let fixture = Fixture::new(workers);
        let n = 20_000;
        let flags = fixture.words(n);
        run(&fixture, "look_back", LaunchConfig::new(n as u32, 32), &[&flags.0.to_le_bytes()]).unwrap();
        assert_eq!(fixture.read(flags, n), (1..=n as u32).collect::<Vec<_>>());
    }
}

#[test]
fn deterministic_launches_run_blocks_in_order() {
    let fixture = Fixture::new(4);
    let n = 5000;
    let out = fixture.words(n + 1);
    run(&fixture, "ticket", LaunchConfig::new(n as u32, 32).deterministic(), &[&out.0.to_le_bytes()]).unwrap();
    assert_eq!(fixture.read(out.offset(4), n), (0..n as u32).collect::<Vec<_>>());
}

#[test]
fn the_grid_synchronises_through_the_intrinsic() {
    for workers in [1, 3] {
        let fixture = Fixture::new(workers);
        let out = fixture.words(20);
        run(&fixture, "grid_sum", LaunchConfig::new(20, 64).cooperative(), &[&out.0.to_le_bytes()]).unwrap();
        assert_eq!(fixture.read(out, 20), [210; 20]);
    }
}

#[test]
fn the_grid_synchronises_through_the_workspace() {
    for workers in [1, 3] {
        let fixture = Fixture::new(workers);
        for _ in 0..10 {
            let out = fixture.words(40);
            run(&fixture, "grid_spin", LaunchConfig::new(20, 32).cooperative(), &[&out.0.to_le_bytes()]).unwrap();
            assert_eq!(fixture.read(out.offset(80), 20), [210; 20]);
        }
    }
}

#[test]
fn cooperative_launches_have_a_limit_and_plain_ones_cannot_synchronise() {
    let fixture = Fixture::new(2);
    let out = fixture.words(100);
    let args: &[&[u8]] = &[&out.0.to_le_bytes()];
    let per_worker = fixture.kernel("grid_sum").max_blocks_per_multiprocessor(64, 0).unwrap();
    assert_eq!(per_worker, 32);
    let error = run(&fixture, "grid_sum", LaunchConfig::new(65, 64).cooperative(), args).unwrap_err();
    assert_eq!(error, Error::CooperativeTooLarge { kernel: "grid_sum".to_owned(), blocks: 65, limit: 64 });
    let error = run(&fixture, "grid_sum", LaunchConfig::new(2, 64), args).unwrap_err();
    assert_eq!(error, Error::GridSyncOutsideCooperative { kernel: "grid_sum".to_owned() });
}

#[test]
fn printf_goes_to_the_sink_when_the_stream_is_synchronised() {
    let fixture = Fixture::new(1);
    let text = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&text);
    fixture.context.set_print_sink(Box::new(move |bytes| sink.lock().unwrap().extend_from_slice(bytes)));
    run(&fixture, "prints", LaunchConfig::new(3, 1), &[]).unwrap();
    assert_eq!(String::from_utf8(text.lock().unwrap().clone()).unwrap(), "42 1.50 text\n".repeat(3));
}

#[test]
fn a_failed_assertion_names_file_line_block_and_thread() {
    let fixture = Fixture::new(1);
    let error = run(&fixture, "asserts", LaunchConfig::new((1, 1), (8, 8)), &[]).unwrap_err();
    let message = "a.cu:7: void k(): block: [0,0,0], thread: [1,4,0] Assertion `x > 0` failed.";
    assert_eq!(error, Error::Assert { message: message.to_owned() });
}

#[test]
fn device_malloc_gives_memory_and_takes_it_back() {
    let fixture = Fixture::new(1);
    let out = fixture.words(2);
    run(&fixture, "allocates", LaunchConfig::new(1, 1), &[&out.0.to_le_bytes()]).unwrap();
    assert_eq!(fixture.read(out, 1), [1]);
}

#[test]
fn wrong_launches_are_refused_before_anything_runs() {
    let fixture = Fixture::new(1);
    let out = fixture.words(1).0.to_le_bytes();
    let launch = |name: &str, config: LaunchConfig, args: &[&[u8]]| run(&fixture, name, config, args).unwrap_err();
    let one = LaunchConfig::new(1, 1);
    assert!(matches!(launch("number", one, &[&out]), Error::ArgumentCount { expected: 2, found: 1, .. }));
    assert!(matches!(launch("number", one, &[&out, &out]), Error::ArgumentSize { idx: 1, expected: 4, found: 8, .. }));
    for block in [Dim3::new(0, 1, 1), Dim3::new(1025, 1, 1), Dim3::new(1, 1, 65), Dim3::new(32, 33, 1)] {
        assert_eq!(launch("empty", LaunchConfig::new(1, block), &[]), Error::BlockShape { block });
    }
    for grid in [Dim3::new(0, 1, 1), Dim3::new(1 << 31, 1, 1), Dim3::new(1, 65_536, 1), Dim3::new(1, 1, 65_536)] {
        assert_eq!(launch("empty", LaunchConfig::new(grid, 1), &[]), Error::GridShape { grid });
    }
    assert!(matches!(launch("empty", one.shared(227 << 10), &[]), Error::SharedMemory { static_bytes: 1024, .. }));
    assert!(matches!(launch("shaped", one, &[]), Error::RequiredBlockShape { .. }));
    assert!(matches!(launch("limited", LaunchConfig::new(1, 65), &[]), Error::TooManyThreads { limit: 64, .. }));
    assert!(matches!(fixture.module.kernel("nothing"), Err(Error::UnknownKernel { .. })));
    let other = Fixture::new(1);
    let foreign = fixture.kernel("empty").launch(&other.context.default_stream(), &one, &[]);
    assert_eq!(foreign, Err(Error::ForeignContext { what: "the kernel" }));
    run(&fixture, "empty", one, &[]).unwrap();
}

#[test]
fn the_largest_block_shape_and_dynamic_shared_memory_work() {
    let fixture = Fixture::new(1);
    let out = fixture.words(1);
    run(&fixture, "tree_sum", LaunchConfig::new(1, 1024).shared(226 << 10), &[&out.0.to_le_bytes()]).unwrap();
    assert_eq!(fixture.read(out, 1), [32 * 33 / 2]);
}
