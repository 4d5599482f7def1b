//! Kernels that NVRTC 13 compiled from `data/*.cu` with CUDA's own headers: tensor fragments and grid synchronisation.

use vgpu_ptx::interp::{LaunchConfig, Machine};
use vgpu_ptx::ir::Module;

fn load(name: &str) -> Module {
    let path = format!("{}/tests/data/{name}.ptx", env!("CARGO_MANIFEST_DIR"));
    let source = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    vgpu_ptx::load(&source).unwrap_or_else(|diagnostics| panic!("{name}: {diagnostics:#?}"))
}

fn params(values: &[u64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

#[test]
fn wmma_gemm() {
    let module = load("wmma_gemm");
    let mut machine = Machine::new(&module).expect("no extern variables");
    let n = 48usize;
    // Whole numbers from -3 to 3: f16 bits of each, exact sums.
    let half = |value: i32| [0xc200u16, 0xc000, 0xbc00, 0, 0x3c00, 0x4000, 0x4200][(value + 3) as usize];
    let element = |i: usize, salt: usize| ((i * 31 + i / 7 + salt) % 7) as i32 - 3;
    let matrix = |salt| (0..n * n).map(|i| element(i, salt)).collect::<Vec<i32>>();
    let (a, b) = (matrix(1), matrix(4));
    let bytes = |m: &[i32]| m.iter().flat_map(|&value| half(value).to_le_bytes()).collect::<Vec<u8>>();
    let (pa, pb) = (machine.memory.alloc_bytes(&bytes(&a)), machine.memory.alloc_bytes(&bytes(&b)));
    let pc = machine.memory.alloc(4 * (n * n) as u64);
    let config = LaunchConfig::new((n as u32 / 16, n as u32 / 16), 32);
    machine.launch("wmma_gemm", config, &params(&[pa, pb, pc, n as u64])).unwrap_or_else(|fault| panic!("{fault}"));
    let got = machine.memory.read(pc, 4 * (n * n) as u64).expect("allocated");
    for i in 0..n {
        for j in 0..n {
            let sum: i32 = (0..n).map(|k| a[i * n + k] * b[k * n + j]).sum();
            let at = 4 * (i * n + j);
            let value = f32::from_le_bytes(got[at..at + 4].try_into().expect("4 bytes"));
            assert_eq!(value, 0.5 * sum as f32, "row {i} column {j}");
        }
    }
}

#[test]
fn grid_sync() {
    let module = load("grid_sync");
    let mut machine = Machine::new(&module).expect("no extern variables");
    let n = 24 * 64u32;
    let x: Vec<u8> = (0..n).flat_map(u32::to_le_bytes).collect();
    let (px, py) = (machine.memory.alloc_bytes(&x), machine.memory.alloc(4 * u64::from(n)));
    let config = LaunchConfig { cooperative: true, ..LaunchConfig::new(24, 64) };
    machine.launch("grid_sync", config, &params(&[px, py])).unwrap_or_else(|fault| panic!("{fault}"));
    let expected: Vec<u8> = (0..n).flat_map(|i| (2 * (n - 1 - i)).to_le_bytes()).collect();
    assert_eq!(machine.memory.read(py, 4 * u64::from(n)).expect("allocated"), expected);
}
