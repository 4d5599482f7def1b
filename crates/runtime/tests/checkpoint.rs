//! A context that is saved comes back in another process: memory at its addresses, modules, streams, what the caller added.

#![allow(clippy::unwrap_used, reason = "test support: a failure here is a failed test")]

mod native;

use native::{Fixture, config, ptx};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use vgpu_mem::checkpoint::{Checkpoint, Store};
use vgpu_runtime::{Context, Device, DevicePtr, Error, Extra, LaunchConfig, Module, Periodic};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("vgpu-context-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("state")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn launch(module: &Module, kernel: &str, context: &Context, blocks: u32, args: &[&[u8]]) {
    let stream = context.default_stream();
    module.kernel(kernel).unwrap().launch(&stream, &LaunchConfig::new(blocks, 8), args).unwrap();
    stream.synchronize().unwrap();
}

fn read(context: &Context, at: u64, n: usize) -> Vec<u32> {
    let mut bytes = vec![0; 4 * n];
    context.copy_to_host(&mut bytes, DevicePtr(at)).unwrap();
    bytes.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect()
}

const LARGE: usize = 300_000;

/// The first process: makes a context, lets kernels write to it, and saves it.
fn save(path: &Path) {
    let fixture = Fixture::new(2);
    let context = &fixture.context;
    let (large, small, gone) = (fixture.words(LARGE), fixture.words(10), fixture.words(500_000));
    let behind = fixture.words(40_000);
    context.free(gone).unwrap();
    launch(&fixture.module, "number", context, LARGE as u32 / 8, &[&large.0.to_le_bytes(), &3u32.to_le_bytes()]);
    // A pointer in memory.
    context.copy_to_device(small, &large.0.to_le_bytes()).unwrap();
    // The module's variable, which this kernel counts up from 5.
    launch(&fixture.module, "variable", context, 4, &[]);
    let position = context.default_stream().position();
    let addresses: Vec<u8> = [large.0, small.0, behind.0, position].iter().flat_map(|at| at.to_le_bytes()).collect();
    let extra = Extra::from([("addresses".to_owned(), addresses), ("generator".to_owned(), vec![1, 2, 3])]);
    let mut store = Store::open(path).unwrap();
    let first = context.checkpoint(&mut store, &extra).unwrap();
    assert!(first.bytes >= 4 * LARGE as u64);
    // A small change is a small checkpoint.
    context.copy_to_device(behind, &77u32.to_le_bytes()).unwrap();
    let second = context.checkpoint(&mut store, &extra).unwrap();
    assert!(second.written_bytes <= 2 * 65_536, "{second:?}");
}

/// The second process: restores it and goes on.
fn restore(path: &Path) {
    let device = Device::new(config(2)).unwrap();
    let restored = Context::restore(&device, &Checkpoint::open(path).unwrap()).unwrap();
    let context = &restored.context;
    let words: Vec<u64> =
        restored.extra["addresses"].chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap())).collect();
    let [large, small, behind, position] = words[..] else { panic!("four words") };
    assert_eq!(restored.extra["generator"], [1, 2, 3]);
    assert_eq!(restored.streams[0].position(), position);
    assert_eq!(read(context, large, LARGE), (0..LARGE as u32).map(|idx| idx * 3).collect::<Vec<_>>());
    assert_eq!(read(context, behind, 1), [77]);
    let pointer = read(context, small, 2);
    assert_eq!(u64::from(pointer[0]) | u64::from(pointer[1]) << 32, large);
    // The module and its variable: kernels go on where they were.
    let module = &restored.modules[0];
    let (counter, bytes) = module.variable("counter").unwrap();
    assert_eq!(bytes, 4);
    let before = read(context, counter.0, 1)[0];
    assert_ne!(before, 5, "kernels had changed it");
    launch(module, "number", context, 10, &[&large.to_le_bytes(), &9u32.to_le_bytes()]);
    assert_eq!(read(context, large, 80), (0..80).map(|idx| idx * 9).collect::<Vec<_>>());
    // Memory goes on as well: new allocations lie elsewhere, restored ones can be freed.
    let fresh = context.alloc(4 << 20).unwrap();
    context.fill(fresh, 4 << 20, &[0xff]).unwrap();
    assert_eq!(read(context, behind, 1), [77]);
    context.free(DevicePtr(large)).unwrap();
    context.free(DevicePtr(small)).unwrap();
    let used = context.memory_info().used_bytes;
    drop(restored);
    assert!(device.memory_info().used_bytes < used);
    assert_eq!(device.memory_info().used_bytes, 0);
}

/// Not a test by itself: the others run this program again, as another process.
#[test]
fn child() {
    let Ok(path) = std::env::var("VGPU_TEST_CONTEXT") else { return };
    match std::env::var("VGPU_TEST_ROLE").as_deref() {
        Ok("save") => save(Path::new(&path)),
        _ => restore(Path::new(&path)),
    }
}

fn run(role: &str, path: &Path) {
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new(program);
    command.args(["--exact", "child"]).env("VGPU_TEST_CONTEXT", path).env("VGPU_TEST_ROLE", role);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{role}: {}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn a_context_goes_on_in_another_process() {
    let folder = Folder::new("process");
    run("save", &folder.file());
    run("restore", &folder.file());
}

#[test]
fn what_cannot_be_saved_or_restored_is_said() {
    let folder = Folder::new("refused");
    let fixture = Fixture::new(1);
    let context = &fixture.context;
    let words = fixture.words(100_000);
    context.copy_to_device(words, &[7; 400_000]).unwrap();
    let mut store = Store::open(folder.file()).unwrap();
    context.checkpoint(&mut store, &Extra::new()).unwrap();
    let restore = |device: &Device| {
        Context::restore(device, &Checkpoint::open(folder.file()).unwrap()).map(drop).unwrap_err().to_string()
    };
    // The addresses are taken, in this device and in this process.
    assert!(restore(&context.device()).contains("it is in use"), "{}", restore(&context.device()));
    let other = Device::new(config(1)).unwrap();
    assert!(restore(&other).contains("device memory begins at"), "{}", restore(&other));
    assert_eq!(other.memory_info().used_bytes, 0);
    // Damage in the memory's bytes.
    let mut bytes = std::fs::read(folder.file()).unwrap();
    let at = bytes.windows(64).position(|window| window == [7; 64]).unwrap();
    bytes[at] = 8;
    std::fs::write(folder.file(), &bytes).unwrap();
    let found = Checkpoint::open(folder.file()).unwrap();
    assert!(found.verify().unwrap_err().to_string().contains("is damaged: section \"memory 0x"));
    // Kernels' heap, and modules without a text.
    let ir = vgpu_ptx::load(&ptx()).unwrap();
    let module = Module::from_ir(context, ir).unwrap();
    let error = context.checkpoint(&mut store, &Extra::new()).unwrap_err();
    assert!(matches!(&error, Error::Checkpoint { message } if message.contains("made from IR")), "{error}");
    drop(module);
    let out = fixture.words(64);
    launch(&fixture.module, "allocates", context, 1, &[&out.0.to_le_bytes()]);
    let error = context.checkpoint(&mut store, &Extra::new()).unwrap_err().to_string();
    assert!(error.contains("device heap"), "{error}");
}

#[test]
fn a_checkpoint_is_due_when_the_time_has_passed() {
    let folder = Folder::new("periodic");
    let context = Context::new(&Device::new(config(1)).unwrap());
    let mut rare = Periodic::new(Store::open(folder.file()).unwrap(), Duration::from_secs(86_400));
    assert!(rare.at_boundary(&context, Extra::new).unwrap().is_some());
    assert!(rare.at_boundary(&context, || unreachable!("it is not time")).unwrap().is_none());
    drop(rare);
    let mut always = Periodic::new(Store::open(folder.file()).unwrap(), Duration::ZERO);
    for number in 1..4 {
        assert_eq!(always.at_boundary(&context, Extra::new).unwrap().unwrap().number, number);
    }
}
