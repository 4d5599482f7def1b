//! `vgpu info`: the device in the words of CUDA's deviceQuery, and what the processor brings.

use crate::failure::Failure;
use crate::output::out;
use serde_json::{Value, json};
use std::path::Path;
use vgpu::Device;
use vgpu_nvidia::Nvrtc;

/// Shows it.
pub fn info(json: bool) -> Result<(), Failure> {
    let devices = Device::all()?;
    let describe = |device: &Device| {
        let n = device.properties().multiprocessor_count;
        format!("{} with {n} {}", device.label(), if n == 1 { "worker" } else { "workers" })
    };
    let rows = rows(&Device::shared()?, devices.iter().map(describe).collect());
    if json {
        let object = rows.into_iter().map(|row| (row.key.to_owned(), row.value)).collect::<serde_json::Map<_, _>>();
        out!("{:#}", Value::from(object));
    } else {
        for row in rows {
            out!("{:<48} {}", row.label, row.text);
        }
    }
    Ok(())
}

struct Row {
    key: &'static str,
    label: &'static str,
    text: String,
    value: Value,
}

fn row(key: &'static str, label: &'static str, text: impl ToString, value: impl Into<Value>) -> Row {
    Row { key, label, text: text.to_string(), value: value.into() }
}

/// A number that is shown as it is.
fn number(key: &'static str, label: &'static str, value: impl Into<u64>) -> Row {
    let value = value.into();
    row(key, label, value, value)
}

fn bytes(key: &'static str, label: &'static str, value: impl Into<u64>) -> Row {
    let value = value.into();
    let text = match value {
        0..1024 => format!("{value} bytes"),
        1024..1_048_576 => format!("{} KiB ({value} bytes)", value >> 10),
        _ => format!("{} MiB ({value} bytes)", value >> 20),
    };
    row(key, label, text, value)
}

fn extents(key: &'static str, label: &'static str, value: [u32; 3]) -> Row {
    row(key, label, format!("({}, {}, {})", value[0], value[1], value[2]), json!(value))
}

fn rows(device: &Device, devices: Vec<String>) -> Vec<Row> {
    let properties = device.properties();
    let (major, minor) = properties.compute_capability;
    let memory = device.memory_info();
    let mut rows = vec![
        row("version", "vgpu version", env!("CARGO_PKG_VERSION"), env!("CARGO_PKG_VERSION")),
        row("name", "Device", &properties.name, properties.name.clone()),
        row("devices", "Devices (VGPU_DEVICES)", devices.join(", "), devices),
        row("compute_capability", "CUDA capability", format!("{major}.{minor}"), json!([major, minor])),
        bytes("total_global_mem", "Total amount of global memory", memory.total_bytes),
        bytes("used_global_mem", "Global memory in use", memory.used_bytes),
        number("multiprocessor_count", "Multiprocessors (worker threads)", properties.multiprocessor_count),
        row(
            "clock_rate_khz",
            "Clock rate",
            format!("{} MHz", properties.clock_rate_khz / 1000),
            properties.clock_rate_khz,
        ),
        bytes("l2_cache_size", "L2 cache size (last level of the processor)", properties.l2_cache_bytes),
        bytes("total_const_mem", "Total amount of constant memory", properties.total_const_mem_bytes),
        bytes("shared_mem_per_block", "Shared memory per block", properties.shared_bytes_per_block),
        bytes("shared_mem_per_block_optin", "Shared memory per block, opt-in", properties.shared_bytes_per_block_optin),
        bytes(
            "shared_mem_per_multiprocessor",
            "Shared memory per multiprocessor",
            properties.shared_bytes_per_multiprocessor,
        ),
        number("regs_per_block", "Registers per block (virtual)", properties.registers_per_block),
        number("warp_size", "Warp size", properties.warp_size),
        number(
            "max_threads_per_multiprocessor",
            "Maximum number of threads per multiprocessor",
            properties.max_threads_per_multiprocessor,
        ),
        number(
            "max_blocks_per_multiprocessor",
            "Maximum number of blocks per multiprocessor",
            properties.max_blocks_per_multiprocessor,
        ),
        number("max_threads_per_block", "Maximum number of threads per block", properties.max_threads_per_block),
        extents("max_threads_dim", "Max dimension size of a thread block (x,y,z)", properties.max_block),
        extents("max_grid_size", "Max dimension size of a grid (x,y,z)", properties.max_grid),
        row("isa", "Vector instructions in use", properties.isa, properties.isa),
        row("features", "Processor features in use", &device.target().features, device.target().features.clone()),
    ];
    let caches = caches(Path::new("/sys/devices/system/cpu/cpu0/cache"));
    let text = if caches.is_empty() { "unknown".to_owned() } else { caches.join(", ") };
    rows.push(row("caches", "Caches of the first processor", text, caches));
    let nvrtc = Nvrtc::find().map(|nvrtc| nvrtc.version()).map(|(major, minor)| format!("NVRTC {major}.{minor}"));
    let nvrtc = nvrtc.unwrap_or_else(|_| "none (pip install nvidia-cuda-nvrtc nvidia-cuda-runtime)".to_owned());
    rows.push(row("cuda_compiler", "Compiler for .cu files", &nvrtc, nvrtc.clone()));
    rows
}

/// Level, kind and size of each cache, in words.
fn caches(dir: &Path) -> Vec<String> {
    let read = |idx: u32, name: &str| std::fs::read_to_string(dir.join(format!("index{idx}")).join(name)).ok();
    let cache = |idx| {
        let (level, kind, size) = (read(idx, "level")?, read(idx, "type")?, read(idx, "size")?);
        Some(format!("L{} {} {}iB", level.trim(), kind.trim().to_lowercase(), size.trim()))
    };
    (0..16).map_while(cache).collect()
}
