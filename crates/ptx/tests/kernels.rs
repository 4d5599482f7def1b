//! Every kernel of `kernels/` from its PTX text through the parser and the interpreter, on small inputs, against plain Rust.

use vgpu_ptx::interp::{LaunchConfig, Machine};
use vgpu_ptx::ir::Module;
use vgpu_types::Dim3;

/// A kernel's argument.
#[derive(Clone, Copy)]
enum Arg {
    U32(u32),
    F32(f32),
    Pointer(u64),
}

fn load(name: &str) -> Module {
    let path = format!("{}/../../kernels/{name}.ptx", env!("CARGO_MANIFEST_DIR"));
    let source = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    vgpu_ptx::load(&source).unwrap_or_else(|diagnostics| panic!("{name}: {diagnostics:#?}"))
}

fn run(machine: &mut Machine<'_>, module: &Module, name: &str, grid: Dim3, block: Dim3, args: &[Arg]) {
    let kernel = &module.functions[module.function(name).expect("the kernel has the file's name")];
    assert_eq!(kernel.params.len(), args.len());
    let mut params = vec![0; kernel.param_bytes() as usize];
    for (param, arg) in kernel.params.iter().zip(args) {
        let bytes = match arg {
            Arg::U32(value) => value.to_le_bytes().to_vec(),
            Arg::F32(value) => value.to_le_bytes().to_vec(),
            Arg::Pointer(value) => value.to_le_bytes().to_vec(),
        };
        assert_eq!(param.size as usize, bytes.len(), "{name}");
        params[param.offset as usize..][..bytes.len()].copy_from_slice(&bytes);
    }
    machine.launch(name, LaunchConfig::new(grid, block), &params).unwrap_or_else(|fault| panic!("{name}: {fault}"));
}

fn put(machine: &mut Machine<'_>, words: impl IntoIterator<Item = u32>) -> u64 {
    let bytes: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
    machine.memory.alloc_bytes(&bytes)
}

fn put_f32(machine: &mut Machine<'_>, values: &[f32]) -> u64 {
    put(machine, values.iter().map(|value| value.to_bits()))
}

fn words(machine: &Machine<'_>, address: u64, n: usize) -> Vec<u32> {
    let bytes = machine.memory.read(address, 4 * n as u64).expect("allocated with that size");
    bytes.chunks(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect()
}

fn floats(machine: &Machine<'_>, address: u64, n: usize) -> Vec<f32> {
    words(machine, address, n).into_iter().map(f32::from_bits).collect()
}

/// A fixed stream of pseudo-random numbers.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32
    }

    fn uniform(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * (self.next() >> 7) as f32 / (1 << 24) as f32
    }

    fn vector(&mut self, n: usize, low: f32, high: f32) -> Vec<f32> {
        (0..n).map(|_| self.uniform(low, high)).collect()
    }
}

/// Every element within `tolerance`, relative to the larger of 1 and the expected magnitude.
fn assert_close(name: &str, got: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(got.len(), expected.len());
    for (i, (&got, &expected)) in got.iter().zip(expected).enumerate() {
        let error = (f64::from(got) - expected).abs() / expected.abs().max(1.0);
        assert!(error <= tolerance, "{name}[{i}]: {got} instead of {expected}");
    }
}

const ONE_D: fn(u32, u32) -> Dim3 = |n, block| Dim3::new(n.div_ceil(block), 1, 1);

#[test]
fn saxpy() {
    let module = load("saxpy");
    let mut machine = Machine::new(&module).expect("no extern variables");
    let mut random = Random(1);
    let n = 1000;
    let (x, y) = (random.vector(n, 0.0, 1.0), random.vector(n, 0.0, 1.0));
    let (px, py) = (put_f32(&mut machine, &x), put_f32(&mut machine, &y));
    let args = [Arg::U32(n as u32), Arg::F32(1.5), Arg::Pointer(px), Arg::Pointer(py)];
    run(&mut machine, &module, "saxpy", ONE_D(1000, 256), Dim3::from(256), &args);
    let expected: Vec<f32> = x.iter().zip(&y).map(|(x, y)| x.mul_add(1.5, *y)).collect();
    assert_eq!(floats(&machine, py, n), expected);
}

#[test]
fn mandel() {
    let module = load("mandel");
    let mut machine = Machine::new(&module).expect("no extern variables");
    let (w, h) = (64u32, 40u32);
    let (dx, dy) = (3.0 / w as f32, 3.0 / h as f32);
    let out = put(&mut machine, vec![0; (w * h) as usize]);
    let args = [
        Arg::Pointer(out),
        Arg::U32(w),
        Arg::U32(h),
        Arg::F32(-2.2),
        Arg::F32(-1.5),
        Arg::F32(dx),
        Arg::F32(dy),
        Arg::U32(64),
    ];
    run(&mut machine, &module, "mandel", Dim3::new(w / 32, h / 8, 1), Dim3::new(32, 8, 1), &args);
    let mut wrong = 0;
    for (i, &got) in words(&machine, out, (w * h) as usize).iter().enumerate() {
        let (px, py) = (i as u32 % w, i as u32 / w);
        let (cr, ci) = (-2.2 + px as f32 * dx, -1.5 + py as f32 * dy);
        let (mut zr, mut zi, mut n) = (0f32, 0f32, 0u32);
        while n < 64 && zr * zr + zi * zi <= 4.0 {
            (zr, zi) = (zr * zr - zi * zi + cr, 2.0 * zr * zi + ci);
            n += 1;
        }
        wrong += u32::from(n.abs_diff(got) > 8);
    }
    assert!(wrong * 100 <= w * h, "{wrong} of {} pixels", w * h);
}

#[test]
fn blackscholes() {
    let module = load("blackscholes");
    let mut machine = Machine::new(&module).expect("no extern variables");
    let mut random = Random(2);
    let n = 500;
    let stock = random.vector(n, 5.0, 30.0);
    let strike = random.vector(n, 1.0, 100.0);
    let time = random.vector(n, 0.25, 10.0);
    let (call, put_out) = (put(&mut machine, vec![0; n]), put(&mut machine, vec![0; n]));
    let (s, x, t) = (put_f32(&mut machine, &stock), put_f32(&mut machine, &strike), put_f32(&mut machine, &time));
    let args = [call, put_out, s, x, t].map(Arg::Pointer);
    let args = [&args[..], &[Arg::F32(0.02), Arg::F32(0.3), Arg::U32(n as u32)]].concat();
    run(&mut machine, &module, "blackscholes", ONE_D(n as u32, 256), Dim3::from(256), &args);
    // The same polynomial for the normal distribution, in f64.
    let cnd = |d: f64| {
        let k = 1.0 / (1.0 + 0.2316419 * d.abs());
        let series = k * (0.31938153 + k * (-0.356563782 + k * (1.781477937 + k * (-1.821255978 + k * 1.330274429))));
        let c = 0.398_942_280_401_432_7 * (-0.5 * d * d).exp() * series;
        if d > 0.0 { 1.0 - c } else { c }
    };
    let (mut calls, mut puts) = (Vec::new(), Vec::new());
    for i in 0..n {
        let (s, x, t) = (f64::from(stock[i]), f64::from(strike[i]), f64::from(time[i]));
        let (r, v) = (f64::from(0.02f32), f64::from(0.3f32));
        let d1 = ((s / x).ln() + (r + 0.5 * v * v) * t) / (v * t.sqrt());
        let d2 = d1 - v * t.sqrt();
        let discounted = x * (-r * t).exp();
        calls.push(s * cnd(d1) - discounted * cnd(d2));
        puts.push(discounted * (1.0 - cnd(d2)) - s * (1.0 - cnd(d1)));
    }
    // Prices up to 100, differences of products of that size.
    assert_close("call", &floats(&machine, call, n), &calls, 2e-5);
    assert_close("put", &floats(&machine, put_out, n), &puts, 2e-5);
}

#[test]
fn nbody() {
    let module = load("nbody");
    let mut machine = Machine::new(&module).expect("no extern variables");
    let n = 256;
    let bodies = Random(3).vector(4 * n, -1.0, 1.0);
    let (p, acc) = (put_f32(&mut machine, &bodies), put(&mut machine, vec![0; 4 * n]));
    let args = [Arg::Pointer(p), Arg::Pointer(acc), Arg::U32(n as u32), Arg::F32(1e-3)];
    run(&mut machine, &module, "nbody", Dim3::from(1), Dim3::from(256), &args);
    let mut expected = Vec::new();
    for me in bodies.chunks(4) {
        let mut sum = [0f64; 4];
        for other in bodies.chunks(4) {
            let d: Vec<f64> = (0..3).map(|i| f64::from(other[i]) - f64::from(me[i])).collect();
            let distance = (d.iter().map(|d| d * d).sum::<f64>() + f64::from(1e-3f32)).sqrt();
            for i in 0..3 {
                sum[i] += d[i] * f64::from(other[3]) / distance.powi(3);
            }
        }
        expected.extend(sum);
    }
    let largest = expected.iter().fold(0f64, |max, value| max.max(value.abs()));
    assert_close("nbody", &floats(&machine, acc, 4 * n), &expected, 1e-6 * largest);
}

#[test]
fn matmul() {
    for (name, tile) in [("matmul16", 16), ("matmul32", 32)] {
        let module = load(name);
        let mut machine = Machine::new(&module).expect("no extern variables");
        let n = 64usize;
        let mut random = Random(4);
        let (a, b) = (random.vector(n * n, -1.0, 1.0), random.vector(n * n, -1.0, 1.0));
        let (pa, pb, pc) = (put_f32(&mut machine, &a), put_f32(&mut machine, &b), put(&mut machine, vec![0; n * n]));
        let grid = Dim3::new(n as u32 / tile, n as u32 / tile, 1);
        let args = [Arg::Pointer(pa), Arg::Pointer(pb), Arg::Pointer(pc), Arg::U32(n as u32)];
        run(&mut machine, &module, name, grid, Dim3::new(tile, tile, 1), &args);
        let dot = |i: usize, j: usize| (0..n).map(|k| f64::from(a[i * n + k]) * f64::from(b[k * n + j])).sum();
        let expected: Vec<f64> = (0..n * n).map(|at| dot(at / n, at % n)).collect();
        assert_close(name, &floats(&machine, pc, n * n), &expected, n as f64 * f64::from(f32::EPSILON));
    }
}

#[test]
fn reductions() {
    for name in ["reduce_smem", "reduce_shfl"] {
        let module = load(name);
        let mut machine = Machine::new(&module).expect("no extern variables");
        let n = 5000;
        let x = Random(5).vector(n, 0.0, 1.0);
        let (px, out) = (put_f32(&mut machine, &x), put(&mut machine, [0]));
        let args = [Arg::Pointer(px), Arg::Pointer(out), Arg::U32(n as u32)];
        run(&mut machine, &module, name, Dim3::from(4), Dim3::from(256), &args);
        let sum = x.iter().map(|&x| f64::from(x)).sum();
        assert_close(name, &floats(&machine, out, 1), &[sum], (n as f64).sqrt() * f64::from(f32::EPSILON));
    }
}

#[test]
fn histogram() {
    let module = load("histogram");
    let mut machine = Machine::new(&module).expect("no extern variables");
    let mut random = Random(6);
    let data: Vec<u8> = (0..6000).map(|_| (random.next() >> 5) as u8).collect();
    let (d, h) = (machine.memory.alloc_bytes(&data), put(&mut machine, vec![0; 256]));
    let args = [Arg::Pointer(d), Arg::Pointer(h), Arg::U32(6000)];
    run(&mut machine, &module, "histogram", Dim3::from(4), Dim3::from(256), &args);
    let mut expected = vec![0; 256];
    data.iter().for_each(|&byte| expected[usize::from(byte)] += 1);
    assert_eq!(words(&machine, h, 256), expected);
}

#[test]
fn stencil_and_hotspot() {
    let (w, h) = (64usize, 24usize);
    let mut random = Random(7);
    let (a, power) = (random.vector(w * h, 20.0, 90.0), random.vector(w * h, 0.0, 1.0));
    let at = |x: usize, y: usize| f64::from(a[y * w + x]);

    let module = load("stencil");
    let mut machine = Machine::new(&module).expect("no extern variables");
    let (pa, pb) = (put_f32(&mut machine, &a), put_f32(&mut machine, &a));
    let args =
        [Arg::Pointer(pa), Arg::Pointer(pb), Arg::U32(w as u32), Arg::U32(h as u32), Arg::F32(0.5), Arg::F32(0.125)];
    run(&mut machine, &module, "stencil", Dim3::new(2, 3, 1), Dim3::new(32, 8, 1), &args);
    let step = |i: usize| {
        let (x, y) = (i % w, i / w);
        if x == 0 || y == 0 || x == w - 1 || y == h - 1 {
            return at(x, y);
        }
        0.5 * at(x, y) + 0.125 * (at(x - 1, y) + at(x + 1, y) + at(x, y - 1) + at(x, y + 1))
    };
    let expected: Vec<f64> = (0..w * h).map(step).collect();
    assert_close("stencil", &floats(&machine, pb, w * h), &expected, 1e-6);

    let module = load("hotspot");
    let mut machine = Machine::new(&module).expect("no extern variables");
    let (t_in, pw) = (put_f32(&mut machine, &a), put_f32(&mut machine, &power));
    let out = put(&mut machine, vec![0; w * h]);
    let args = [Arg::Pointer(t_in), Arg::Pointer(pw), Arg::Pointer(out), Arg::U32(w as u32), Arg::U32(h as u32)];
    let constants = [0.1, 0.1, 0.1, 0.05, 80.0].map(Arg::F32);
    let grid = Dim3::new((w as u32).div_ceil(14), (h as u32).div_ceil(14), 1);
    run(&mut machine, &module, "hotspot", grid, Dim3::new(16, 16, 1), &[&args[..], &constants].concat());
    let step = |i: usize| {
        let (x, y) = (i % w, i / w);
        let c = at(x, y);
        let across = at((x + 1).min(w - 1), y) + at(x.saturating_sub(1), y) - 2.0 * c;
        let down = at(x, (y + 1).min(h - 1)) + at(x, y.saturating_sub(1)) - 2.0 * c;
        c + 0.1 * (f64::from(power[i]) + down * 0.1 + across * 0.1 + (80.0 - c) * 0.05)
    };
    let expected: Vec<f64> = (0..w * h).map(step).collect();
    assert_close("hotspot", &floats(&machine, out, w * h), &expected, 1e-6);
}

#[test]
fn transpose() {
    let module = load("transpose");
    let mut machine = Machine::new(&module).expect("no extern variables");
    let (w, h) = (64u32, 96u32);
    let (a, b) = (put(&mut machine, 0..w * h), put(&mut machine, vec![0; (w * h) as usize]));
    let args = [Arg::Pointer(a), Arg::Pointer(b), Arg::U32(w), Arg::U32(h)];
    run(&mut machine, &module, "transpose", Dim3::new(w / 32, h / 32, 1), Dim3::new(32, 8, 1), &args);
    let expected: Vec<u32> = (0..w * h).map(|i| i % h * w + i / h).collect();
    assert_eq!(words(&machine, b, (w * h) as usize), expected);
}

/// Row starts and columns of a random graph with 2 to 9 neighbours per node.
fn graph(random: &mut Random, n: u32) -> (Vec<u32>, Vec<u32>) {
    let (mut starts, mut columns) = (vec![0], Vec::new());
    for _ in 0..n {
        let degree = 2 + random.next() % 8;
        columns.extend((0..degree).map(|_| random.next() % n));
        starts.push(columns.len() as u32);
    }
    (starts, columns)
}

#[test]
fn spmv() {
    let module = load("spmv");
    let mut machine = Machine::new(&module).expect("no extern variables");
    let mut random = Random(8);
    let n = 700;
    let (starts, columns) = graph(&mut random, n);
    let (values, x) = (random.vector(columns.len(), -1.0, 1.0), random.vector(n as usize, -1.0, 1.0));
    let rp = put(&mut machine, starts.iter().copied());
    let ci = put(&mut machine, columns.iter().copied());
    let (v, px) = (put_f32(&mut machine, &values), put_f32(&mut machine, &x));
    let y = put(&mut machine, vec![0; n as usize]);
    let args = [rp, ci, v, px, y].map(Arg::Pointer);
    run(&mut machine, &module, "spmv", ONE_D(n, 256), Dim3::from(256), &[&args[..], &[Arg::U32(n)]].concat());
    let row = |i: usize| -> f64 {
        let range = starts[i] as usize..starts[i + 1] as usize;
        range.map(|j| f64::from(values[j]) * f64::from(x[columns[j] as usize])).sum()
    };
    let expected: Vec<f64> = (0..n as usize).map(row).collect();
    assert_close("spmv", &floats(&machine, y, n as usize), &expected, 10.0 * f64::from(f32::EPSILON));
}

#[test]
fn bfs() {
    let module = load("bfs");
    let mut machine = Machine::new(&module).expect("no extern variables");
    let mut random = Random(9);
    let n = 900;
    let (starts, columns) = graph(&mut random, n);
    let level = |roll: u32| match roll % 20 {
        0 => 3,
        1..=3 => roll % 3,
        _ => u32::MAX,
    };
    let distances: Vec<u32> = (0..n).map(|_| level(random.next())).collect();
    let rp = put(&mut machine, starts.iter().copied());
    let ci = put(&mut machine, columns.iter().copied());
    let (dist, flag) = (put(&mut machine, distances.iter().copied()), put(&mut machine, [0]));
    let args = [rp, ci, dist, flag].map(Arg::Pointer);
    let args = [&args[..], &[Arg::U32(3), Arg::U32(n)]].concat();
    run(&mut machine, &module, "bfs", ONE_D(n, 256), Dim3::from(256), &args);
    let mut expected = distances.clone();
    for v in (0..n as usize).filter(|&v| distances[v] == 3) {
        for &u in &columns[starts[v] as usize..starts[v + 1] as usize] {
            if distances[u as usize] == u32::MAX {
                expected[u as usize] = 4;
            }
        }
    }
    assert_eq!(words(&machine, dist, n as usize), expected);
    assert_eq!(words(&machine, flag, 1), [1]);
}

#[test]
fn bitonic() {
    let module = load("bitonic");
    let mut machine = Machine::new(&module).expect("no extern variables");
    let mut random = Random(10);
    let n = 1024u32;
    let mut data: Vec<u32> = (0..n).map(|_| random.next()).collect();
    let d = put(&mut machine, data.iter().copied());
    // The whole sort.
    let mut k = 2;
    while k <= n {
        let mut j = k / 2;
        while j > 0 {
            let args = [Arg::Pointer(d), Arg::U32(j), Arg::U32(k)];
            run(&mut machine, &module, "bitonic", ONE_D(n, 256), Dim3::from(256), &args);
            j /= 2;
        }
        k *= 2;
    }
    data.sort_unstable();
    assert_eq!(words(&machine, d, n as usize), data);
}

/// SHA-256 of one padded message, from its definition.
fn sha256_block(state: [u32; 8], message: [u32; 16]) -> [u32; 8] {
    // Fractional parts of the cube roots of the first 64 primes.
    let primes = (2u64..).filter(|n| (2..*n).all(|d| n % d != 0)).take(64);
    let constants: Vec<u32> = primes
        .map(|p| {
            // floor(cbrt(p) * 2^32): the largest r with r^3 <= p * 2^96.
            let (mut low, mut high) = (0u128, 1u128 << 36);
            while high - low > 1 {
                let middle = (low + high) / 2;
                let cube_fits = middle.pow(3) <= u128::from(p) << 96;
                if cube_fits { low = middle } else { high = middle }
            }
            low as u32
        })
        .collect();
    let mut w = message.to_vec();
    for i in 16..64 {
        let s0 = w[i - 15].rotate_right(7) ^ w[i - 15].rotate_right(18) ^ w[i - 15] >> 3;
        let s1 = w[i - 2].rotate_right(17) ^ w[i - 2].rotate_right(19) ^ w[i - 2] >> 10;
        w.push(w[i - 16].wrapping_add(s0).wrapping_add(w[i - 7]).wrapping_add(s1));
    }
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = state;
    for i in 0..64 {
        let s1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let choice = e & f ^ !e & g;
        let t1 = h.wrapping_add(s1).wrapping_add(choice).wrapping_add(constants[i]).wrapping_add(w[i]);
        let s0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let majority = a & b ^ a & c ^ b & c;
        (h, g, f, e, d, c, b, a) = (g, f, e, d.wrapping_add(t1), c, b, a, t1.wrapping_add(s0).wrapping_add(majority));
    }
    let added = [a, b, c, d, e, f, g, h];
    std::array::from_fn(|i| state[i].wrapping_add(added[i]))
}

#[test]
fn sha256d() {
    let start =
        [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];
    // "abc", to know that the reference is right.
    let mut abc = [0; 16];
    (abc[0], abc[15]) = (0x6162_6380, 24);
    assert_eq!(sha256_block(start, abc)[0], 0xba78_16bf);

    let module = load("sha256d");
    let mut machine = Machine::new(&module).expect("no extern variables");
    let (middle, tail) = ([3, 1, 4, 1, 5, 9, 2, 6], [10, 20, 30]);
    let (n, first, target) = (256u32, 1000u32, 0x0400_0000u32);
    let (mid, found, n_found) = (put(&mut machine, middle), put(&mut machine, vec![0; 64]), put(&mut machine, [0]));
    let args = [
        Arg::Pointer(mid),
        Arg::U32(tail[0]),
        Arg::U32(tail[1]),
        Arg::U32(tail[2]),
        Arg::U32(first),
        Arg::U32(target),
        Arg::Pointer(found),
        Arg::Pointer(n_found),
    ];
    run(&mut machine, &module, "sha256d", ONE_D(n, 64), Dim3::from(64), &args);
    let hit = |nonce: &u32| {
        let mut block = [0; 16];
        block[..3].copy_from_slice(&tail);
        (block[3], block[4], block[15]) = (*nonce, 0x8000_0000, 640);
        let once = sha256_block(middle, block);
        let mut block = [0; 16];
        block[..8].copy_from_slice(&once);
        (block[8], block[15]) = (0x8000_0000, 256);
        sha256_block(start, block)[7] < target
    };
    let expected: Vec<u32> = (first..first + n).filter(hit).collect();
    assert!(!expected.is_empty(), "the target must be hit for the test to mean something");
    assert_eq!(words(&machine, n_found, 1), [expected.len() as u32]);
    let mut got = words(&machine, found, expected.len());
    got.sort_unstable();
    assert_eq!(got, expected);
}

#[test]
fn conv2d() {
    let module = load("conv2d");
    let mut machine = Machine::new(&module).expect("no extern variables");
    let mut random = Random(11);
    let (w, h) = (50usize, 40usize);
    let (image, filter) = (random.vector(w * h, -1.0, 1.0), random.vector(25, -1.0, 1.0));
    let (pi, pf) = (put_f32(&mut machine, &image), put_f32(&mut machine, &filter));
    let out = put(&mut machine, vec![0; w * h]);
    let args = [Arg::Pointer(pi), Arg::Pointer(pf), Arg::Pointer(out), Arg::U32(w as u32), Arg::U32(h as u32)];
    run(&mut machine, &module, "conv2d", Dim3::new(2, 2, 1), Dim3::new(32, 8, 1), &args);
    let pixel = |x: i32, y: i32| {
        let inside = (0..w as i32).contains(&x) && (0..h as i32).contains(&y);
        if inside { f64::from(image[y as usize * w + x as usize]) } else { 0.0 }
    };
    let sum = |i: usize| -> f64 {
        let (x, y) = ((i % w) as i32, (i / w) as i32);
        (0..25).map(|k| f64::from(filter[k as usize]) * pixel(x + k % 5 - 2, y + k / 5 - 2)).sum()
    };
    let expected: Vec<f64> = (0..w * h).map(sum).collect();
    assert_close("conv2d", &floats(&machine, out, w * h), &expected, 25.0 * f64::from(f32::EPSILON));
}

/// Blocks wait for earlier blocks.
#[test]
fn scan() {
    let module = load("scan");
    let mut machine = Machine::new(&module).expect("no extern variables");
    let mut random = Random(12);
    let n = 5 * 2048 + 77;
    let data: Vec<u32> = (0..n).map(|_| random.next() % 1000).collect();
    let n_blocks = (n as u32).div_ceil(2048);
    let (input, out) = (put(&mut machine, data.iter().copied()), put(&mut machine, vec![0; n]));
    let (state, ticket) = (put(&mut machine, vec![0; 2 * n_blocks as usize]), put(&mut machine, [0]));
    let args = [input, out, state, ticket].map(Arg::Pointer);
    let args = [&args[..], &[Arg::U32(n as u32)]].concat();
    run(&mut machine, &module, "scan", Dim3::from(n_blocks), Dim3::from(256), &args);
    let mut sum = 0;
    let expected: Vec<u32> = data
        .iter()
        .map(|value| {
            sum += value;
            sum
        })
        .collect();
    assert_eq!(words(&machine, out, n), expected);
}

#[test]
fn softmax() {
    let module = load("softmax");
    let mut machine = Machine::new(&module).expect("no extern variables");
    let (rows, columns) = (3usize, 300usize);
    let data = Random(13).vector(rows * columns, -5.0, 5.0);
    let (input, out) = (put_f32(&mut machine, &data), put(&mut machine, vec![0; rows * columns]));
    let args = [Arg::Pointer(input), Arg::Pointer(out), Arg::U32(columns as u32)];
    run(&mut machine, &module, "softmax", Dim3::from(rows as u32), Dim3::from(256), &args);
    let mut expected = Vec::new();
    for row in data.chunks(columns) {
        let sum: f64 = row.iter().map(|&x| f64::from(x).exp()).sum();
        expected.extend(row.iter().map(|&x| f64::from(x).exp() / sum));
    }
    assert_close("softmax", &floats(&machine, out, rows * columns), &expected, 1e-6);
}
