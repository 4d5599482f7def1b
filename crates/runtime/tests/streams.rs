//! Streams, events, memory and the code cache under many launches, with kernels written in C.

mod native;

use native::{CCompiler, Fixture};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use vgpu_runtime::{CachePolicy, Compiler, Error, Event, LaunchConfig};

#[test]
fn operations_of_a_stream_keep_their_order() {
    let fixture = Fixture::new(2);
    let stream = fixture.context.create_stream();
    let n = 4096;
    let out = fixture.words(n);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kernel = fixture.kernel("number");
    for scale in 1..=20u32 {
        kernel
            .launch(&stream, &LaunchConfig::new(n as u32 / 64, 64), &[&out.0.to_le_bytes(), &scale.to_le_bytes()])
            .unwrap();
        let seen = Arc::clone(&seen);
        stream.copy_to_host(out.offset(4000), 4, move |bytes| seen.lock().unwrap().push(bytes)).unwrap();
    }
    stream.synchronize().unwrap();
    let expected: Vec<Vec<u8>> = (1..=20u32).map(|scale| (1000 * scale).to_le_bytes().to_vec()).collect();
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[test]
fn copies_and_fills_in_a_stream_arrive_in_order() {
    let fixture = Fixture::new(1);
    let stream = fixture.context.create_stream();
    let (a, b) = (fixture.words(8), fixture.words(8));
    stream.copy_to_device(a, vec![1u8; 32]).unwrap();
    stream.copy_within_device(b, a, 32).unwrap();
    stream.fill(a, 16, &[9, 0, 0, 0]).unwrap();
    stream.synchronize().unwrap();
    assert_eq!(fixture.read(b, 8), [0x0101_0101; 8]);
    assert_eq!(fixture.read(a, 8), [9, 9, 9, 9, 0x0101_0101, 0x0101_0101, 0x0101_0101, 0x0101_0101]);
    assert!(matches!(stream.fill(a, 1 << 20, &[0]), Err(Error::InvalidAddress { .. })));
}

#[test]
fn a_stream_waits_for_an_event_of_another() {
    let fixture = Fixture::new(2);
    let (first, second) = (fixture.context.create_stream(), fixture.context.create_stream());
    let order = Arc::new(AtomicU32::new(0));
    let event = Event::new();
    assert!(event.is_complete());
    let started = Arc::clone(&order);
    let (open, gate) = std::sync::mpsc::channel::<()>();
    first
        .host_function(move || {
            gate.recv().unwrap();
            started.store(1, Ordering::SeqCst);
        })
        .unwrap();
    first.record(&event).unwrap();
    second.wait(&event).unwrap();
    let seen = Arc::clone(&order);
    second.host_function(move || assert_eq!(seen.swap(2, Ordering::SeqCst), 1)).unwrap();
    assert!(!event.is_complete());
    open.send(()).unwrap();
    second.synchronize().unwrap();
    event.synchronize();
    assert_eq!(order.load(Ordering::SeqCst), 2);
    // The event is complete a moment before its stream has nothing left to do.
    first.synchronize().unwrap();
    assert!(first.is_idle() && second.is_idle());
}

#[test]
fn elapsed_time_is_between_completed_records() {
    let fixture = Fixture::new(1);
    let stream = fixture.context.default_stream();
    let (start, end) = (Event::new(), Event::new());
    assert_eq!(end.elapsed_since(&start), Err(Error::EventNotReady { state: "not recorded" }));
    stream.record(&start).unwrap();
    stream.host_function(|| std::thread::sleep(Duration::from_millis(15))).unwrap();
    stream.record(&end).unwrap();
    stream.synchronize().unwrap();
    let elapsed = end.elapsed_since(&start).unwrap();
    assert!(elapsed >= Duration::from_millis(15), "{elapsed:?}");
}

#[test]
fn many_streams_and_threads_at_once() {
    let fixture = Fixture::new(3);
    let counter = fixture.module.variable("counter").unwrap().0;
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                let stream = fixture.context.create_stream();
                let kernel = fixture.kernel("variable");
                for launch in 0..200 {
                    kernel.launch(&stream, &LaunchConfig::new(7, 1), &[]).unwrap();
                    if launch % 50 == 0 {
                        stream.synchronize().unwrap();
                    }
                }
                stream.synchronize().unwrap();
            });
        }
    });
    assert_eq!(fixture.read(counter, 1), [5 + 4 * 200 * 7]);
}

#[test]
fn memory_freed_while_a_launch_uses_it_stays_until_the_launch_is_done() {
    let fixture = Fixture::new(1);
    let stream = fixture.context.create_stream();
    let before = fixture.context.memory_info().used_bytes;
    for _ in 0..100 {
        let out = fixture.context.alloc(1 << 20).unwrap();
        stream.host_function(|| std::thread::sleep(Duration::from_micros(200))).unwrap();
        let args: &[&[u8]] = &[&out.0.to_le_bytes(), &1u32.to_le_bytes()];
        fixture.kernel("number").launch(&stream, &LaunchConfig::new(1 << 10, 256), args).unwrap();
        fixture.context.free(out).unwrap();
        assert!(matches!(fixture.context.free(out), Err(Error::InvalidFree { .. })));
    }
    stream.synchronize().unwrap();
    assert_eq!(fixture.context.memory_info().used_bytes, before);
}

#[test]
fn after_a_fault_pending_launches_are_skipped_and_nobody_hangs() {
    let fixture = Fixture::new(2);
    let stream = fixture.context.create_stream();
    let (event, counter) = (Event::new(), fixture.module.variable("counter").unwrap().0);
    let (open, gate) = std::sync::mpsc::channel::<()>();
    stream.host_function(move || gate.recv().unwrap()).unwrap();
    fixture.kernel("store").launch(&stream, &LaunchConfig::new(1, 1), &[&8u64.to_le_bytes()]).unwrap();
    for _ in 0..10 {
        fixture.kernel("variable").launch(&stream, &LaunchConfig::new(1, 1), &[]).unwrap();
    }
    stream.record(&event).unwrap();
    open.send(()).unwrap();
    assert!(matches!(stream.synchronize(), Err(Error::IllegalAddress { .. })));
    event.synchronize();
    fixture.context.reset();
    assert_eq!(fixture.read(counter, 1), [5]);
}

#[test]
fn devices_and_contexts_come_and_go() {
    for _ in 0..20 {
        let fixture = Fixture::new(2);
        let stream = fixture.context.create_stream();
        fixture.kernel("empty").launch(&stream, &LaunchConfig::new(100, 32), &[]).unwrap();
        // Dropped with the launch perhaps still in flight.
    }
}

#[test]
fn compiled_kernels_are_found_on_disk_by_the_next_device() {
    let dir = std::env::temp_dir().join(format!("vgpu-streams-test-{}", std::process::id()));
    let config = || {
        let mut config = native::config(1);
        config.cache = CachePolicy::Directory(dir.clone(), 1 << 30);
        config
    };
    let counts = |expected: (u64, u64)| {
        let fixture = Fixture::with(config());
        let stream = fixture.context.default_stream();
        for _ in 0..3 {
            fixture.kernel("empty").launch(&stream, &LaunchConfig::new(1, 32), &[]).unwrap();
        }
        stream.synchronize().unwrap();
        let counts = fixture.context.device().compile_counts();
        assert_eq!((counts.compiled, counts.cached), expected);
    };
    counts((1, 0));
    counts((0, 1));
    for entry in std::fs::read_dir(&dir).unwrap() {
        std::fs::write(entry.unwrap().path(), b"rubbish").unwrap();
    }
    counts((1, 0));
    counts((0, 1));
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn damaged_objects_are_errors_and_never_panics() {
    static AT: AtomicU32 = AtomicU32::new(0);
    let compiler: Arc<dyn Compiler> = Arc::new(CCompiler {
        damage: |elf| {
            let at = AT.load(Ordering::Relaxed) as usize;
            if at < elf.len() * 8 {
                elf[at / 8] ^= 1 << (at % 8);
            } else {
                elf.truncate(at - elf.len() * 8);
            }
        },
    });
    let bits = native::object().len() as u32 * 8;
    let mut refused = 0;
    // Every header bit, a sample of the rest, and cuts.
    let places = (0..64 * 8).chain((64 * 8..bits).step_by(97)).chain((bits..bits + bits / 8).step_by(211));
    let mut config = native::config(1);
    config.compiler = compiler;
    let fixture = Fixture::with(config);
    for at in places {
        AT.store(at, Ordering::Relaxed);
        let module = vgpu_runtime::Module::load(&fixture.context, &native::ptx()).unwrap();
        match module.kernel("library").unwrap().prepare(&LaunchConfig::new(1, 1)) {
            Ok(()) => {}
            Err(Error::Code { .. }) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn a_compiler_that_panics_is_an_error() {
    struct Defective;
    impl Compiler for Defective {
        fn compile(
            &self,
            _module: &vgpu_ptx::ir::Module,
            _kernel: vgpu_ptx::ir::FuncId,
            _specialization: &vgpu_jit::Specialization,
            _target: &vgpu_jit::Target,
        ) -> Result<vgpu_jit::ObjectCode, String> {
            panic!("on purpose")
        }

        fn identity(&self) -> String {
            "defective".to_owned()
        }
    }
    let mut config = native::config(1);
    config.compiler = Arc::new(Defective);
    let fixture = Fixture::with(config);
    let error = fixture.kernel("empty").prepare(&LaunchConfig::new(1, 1)).unwrap_err();
    assert!(matches!(error, Error::Code { .. }), "{error}");
}
