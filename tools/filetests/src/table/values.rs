//! Inputs of the table's kernels: edges of the type crossed with each other, then random bits.

use super::notation::{Kind, Operand};
use crate::element::Element;
use crate::init::{edge_values, hash};

/// Threads of a kernel.
pub const N_VALUES: usize = 1024;

/// The values of source number `idx` of `n_sources`.
pub fn values(operand: &Operand, idx: usize, n_sources: usize) -> Vec<u64> {
    let edges = edges(operand);
    let n = edges.len();
    let one = |i: usize| -> u64 {
        let random = hash(100 + idx as u64, i as u64);
        match n_sources {
            1 => edges.get(i).copied().unwrap_or_else(|| fit(operand, random)),
            // All pairs of edges, as far as there is room.
            2 if i < N_VALUES - 128 => edges[if idx == 0 { i % n } else { i / n % n }],
            // Edges against edges in a random pattern.
            _ if i < N_VALUES - 128 => edges[(random >> 32) as usize % n],
            _ => fit(operand, random),
        }
    };
    (0..N_VALUES).map(one).collect()
}

fn edges(operand: &Operand) -> Vec<u64> {
    match operand.values.as_str() {
        "shift" => return (0..71).collect(),
        "byte" => return (0..40).chain([63, 64, 65, 127, 128, 200, 255]).collect(),
        "small" => return (0..32).collect(),
        "offset" => return (-33i32..34).map(|value| u64::from(value as u32)).collect(),
        "selector" => {
            return vec![0x3210, 0x7654, 0x0123, 0x4567, 0x89ab, 0xfedc, 0x5173, 0x8888, 0xffff, 0x0000, 0xc480];
        }
        "angle" => {
            return floats(&[0.0, -0.0, 0.5, -1.0, 1.57, 3.125, -3.125, 1e-20, 1e-40, f32::NAN, f32::INFINITY]);
        }
        "moderate" => return floats(&[1.0, -1.0, 3.0, 0.1, -1e10, 1e-10, 7e30, -2e-30, 0.333, 1e37, 65536.0]),
        _ => {}
    }
    let pair = |element: Element| -> Vec<u64> {
        let halves = edge_values(element);
        (0..halves.len() * 2).map(|i| halves[i % halves.len()] | halves[(i * 7 + 3) % halves.len()] << 16).collect()
    };
    match operand.kind {
        Kind::Pred => vec![0, 1],
        Kind::Type("f16x2") => pair(Element::F16),
        Kind::Type("bf16x2") => pair(Element::BF16),
        Kind::Type("u16x2" | "s16x2") => pair(Element::U16),
        Kind::Type("tf32") => edge_values(Element::F32),
        Kind::Type("e4m3x2" | "e5m2x2") => edge_values(Element::U16),
        Kind::Type(name) => Element::from_name(name).map_or_else(|_| vec![0], edge_values),
    }
}

fn floats(values: &[f32]) -> Vec<u64> {
    values.iter().map(|value| u64::from(value.to_bits())).collect()
}

/// Random bits as a value of the operand; floats half of the time of moderate size.
fn fit(operand: &Operand, random: u64) -> u64 {
    let bits = operand.kind.bits();
    let masked = random & (u64::MAX >> (64 - bits));
    match (operand.values.as_str(), operand.kind) {
        ("shift", _) => random % 71,
        ("byte", _) => random & 255,
        ("small", _) => random & 31,
        ("offset", _) => u64::from((random % 67) as i32 as u32).wrapping_sub(33) & 0xffff_ffff,
        ("selector", _) => random & 0xffff,
        ("angle", _) => moderate(random, 6.25),
        ("moderate", _) => moderate(random, 1e6),
        (_, Kind::Type("f32")) if random >> 63 == 0 => moderate(random, 100.0),
        (_, Kind::Type("f64")) if random >> 63 == 0 => ((random >> 20) as f64 / 1e9 - 5000.0).to_bits(),
        _ => masked,
    }
}

fn moderate(random: u64, size: f32) -> u64 {
    let unit = (random & 0xff_ffff) as f32 / 8_388_608.0 - 1.0;
    u64::from((unit * size).to_bits())
}
