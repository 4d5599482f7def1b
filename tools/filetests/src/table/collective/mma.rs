//! `mma.sync`: who holds what, from the pictures of the manual, and products by the definition.
//!
//! One warp per filling. Source: PTX ISA, "Matrix Fragments for mma.m8n8k4 with .f16", "... .f64", "mma.m16n8k8" and so on.

use super::kernel::{Expect, Kernel};
use super::numbers::{self, FILLINGS, Filling, bits_of, is_integer};
use crate::element::Element;
use crate::table::oracle::Instruction;

/// Rows, columns and depth.
type Shape = [u32; 3];

/// An operand of the product.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    A,
    B,
    C,
}

/// Which of the four products of the oldest shape a lane works on.
const fn quad(lane: u32) -> u32 {
    lane % 16 / 4
}

/// Row and column of element `i` of a lane's fragment.
fn place(role: Role, shape: Shape, ty: &str, row_major: bool, lane: u32, i: u32) -> (u32, u32) {
    let (group, t) = (lane / 4, lane % 4);
    if shape == [8, 8, 4] && ty != "f64" {
        let lower = if lane < 16 { 0 } else { 4 };
        return match (role, row_major) {
            (Role::A, true) => (lane % 4 + lower, i),
            (Role::A, false) => (i % 4 + lower, lane % 4),
            (Role::B, true) => (lane % 4, i + lower),
            (Role::B, false) => (i, lane % 4 + lower),
            (Role::C, _) if ty == "f32" => ((lane & 1) + (i & 2) + lower, (i & 4) + (lane & 2) + (i & 1)),
            (Role::C, _) => (lane % 4 + lower, i),
        };
    }
    // Elements that stand side by side in a register.
    let w = if ty == "f64" { 1 } else { 32 / bits_of(ty) };
    let (register, j) = (i / w, i % w);
    match role {
        Role::A if shape[0] == 8 => (group, t * w + j),
        Role::A => (group + 8 * (register % 2), t * w + j + register / 2 * 4 * w),
        Role::B => (t * w + j + register * 4 * w, group),
        Role::C => (group + 8 * (i / 2), 2 * t + i % 2),
    }
}

/// Elements of a lane's fragment.
fn count(role: Role, shape: Shape, ty: &str) -> u32 {
    let [m, n, k] = shape;
    let elements = match role {
        Role::A => m * k,
        Role::B => k * n,
        Role::C => m * n,
    };
    if shape == [8, 8, 4] && ty != "f64" { elements * 4 / 32 } else { elements / 32 }
}

/// A matrix of bits.
struct Matrix {
    columns: u32,
    elements: Vec<u64>,
}

impl Matrix {
    fn new(rows: u32, columns: u32, ty: &str, filling: Filling, seed: u64) -> Self {
        let elements = (0..u64::from(rows * columns)).map(|i| numbers::element(ty, filling, seed, i)).collect();
        Self { columns, elements }
    }

    fn at(&self, (row, column): (u32, u32)) -> u64 {
        self.elements[(row * self.columns + column) as usize]
    }
}

/// The registers of a fragment as inputs: for each register a word per thread.
fn registers(role: Role, shape: Shape, ty: &str, row_major: bool, matrices: &[Vec<Matrix>]) -> Vec<Vec<u64>> {
    let per_register = if ty == "f64" { 1 } else { 32 / bits_of(ty) };
    let n = count(role, shape, ty) / per_register;
    (0..n)
        .map(|register| {
            let threads = matrices.iter().flat_map(|warp| (0..32u32).map(move |lane| (warp, lane)));
            let word = |(warp, lane): (&Vec<Matrix>, u32)| {
                let matrix = if warp.len() == 4 { &warp[quad(lane) as usize] } else { &warp[0] };
                (0..per_register).fold(0, |word, j| {
                    let at = place(role, shape, ty, row_major, lane, register * per_register + j);
                    word | matrix.at(at) << (j * bits_of(ty))
                })
            };
            threads.map(word).collect()
        })
        .collect()
}

fn register_element(ty: &str) -> Element {
    match ty {
        "f64" => Element::F64,
        "f32" => Element::F32,
        _ => Element::B32,
    }
}

/// The shape that an opcode names.
pub fn shape_of(instruction: &Instruction<'_>) -> Option<Shape> {
    let word = instruction.words.iter().find(|word| word.starts_with('m') && word.contains('n'))?;
    let mut numbers = word.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty());
    let mut next = || numbers.next()?.parse().ok();
    Some([next()?, next()?, next()?])
}

/// The sum of products at a place; bits for integers.
pub fn product(instruction: &Instruction<'_>, types: [&str; 4], pairs: &[(u64, u64)], c: u64) -> Expect {
    let [d, a, b, c_type] = types;
    if a == "b1" {
        let of = |(x, y): &(u64, u64)| if instruction.has("and") { x & y } else { x ^ y };
        let ones: u64 = pairs.iter().map(of).sum();
        return Expect::Bits(c.wrapping_add(ones) & 0xffff_ffff);
    }
    if is_integer(a) {
        let value = |ty: &str, bits| i128::from(numbers::integer_value(ty, bits));
        let sum = pairs.iter().fold(value("s32", c), |sum, (x, y)| sum + value(a, *x) * value(b, *y));
        let kept = if instruction.has("satfinite") { sum.clamp(i32::MIN.into(), i32::MAX.into()) } else { sum };
        return Expect::Bits(kept as u32 as u64);
    }
    let pairs: Vec<(f64, f64)> =
        pairs.iter().map(|(x, y)| (numbers::float_value(a, *x), numbers::float_value(b, *y))).collect();
    let (sum, error) = numbers::dot(d, &pairs, numbers::float_value(c_type, c));
    Expect::Near(sum, error)
}

/// The kernel of a form.
pub fn kernel(target: &str, instruction: &Instruction<'_>) -> Option<Kernel> {
    let shape = shape_of(instruction)?;
    let [m, n, k] = shape;
    let is_type = |word: &&&str| bits_type(word);
    let types: Vec<&str> = instruction.words.iter().filter(is_type).copied().collect();
    let &[d, a, b, c] = types.as_slice() else { return None };
    let layouts: Vec<bool> =
        instruction.words.iter().filter(|word| matches!(**word, "row" | "col")).map(|word| *word == "row").collect();
    let &[a_row, b_row] = layouts.as_slice() else { return None };
    let products = if shape == [8, 8, 4] && a != "f64" { 4 } else { 1 };
    let make = |rows, columns, ty: &str, salt: u64| -> Vec<Vec<Matrix>> {
        let warp = |(idx, filling): (u64, Filling)| {
            (0..products).map(|p| Matrix::new(rows, columns, ty, filling, salt * 1000 + idx * 10 + p)).collect()
        };
        (0..).zip(FILLINGS).map(warp).collect()
    };
    let (a_all, b_all, c_all) = (make(m, k, a, 1), make(k, n, b, 2), make(m, n, c, 3));
    let mut kernel = Kernel::new(target, 32 * FILLINGS.len() as u32);
    let mut lists = Vec::new();
    let operands =
        [("a", Role::A, a, a_row, &a_all), ("b", Role::B, b, b_row, &b_all), ("c", Role::C, c, true, &c_all)];
    for (name, role, ty, row_major, matrices) in operands {
        let words = registers(role, shape, ty, row_major, matrices);
        let names: Vec<String> = (0..words.len()).map(|idx| format!("{name}{idx}")).collect();
        lists.push(names.iter().map(|name| format!("%{name}")).collect::<Vec<_>>().join(", "));
        for (name, values) in names.into_iter().zip(words) {
            kernel.input(name, register_element(ty), values);
        }
    }
    let result = |warp: usize, lane: u32, i: u32| -> Expect {
        let idx = if products == 4 { quad(lane) as usize } else { 0 };
        let (row, column) = place(Role::C, shape, d, true, lane, i);
        let (a_one, b_one) = (&a_all[warp][idx], &b_all[warp][idx]);
        let pairs: Vec<(u64, u64)> = (0..k).map(|k| (a_one.at((row, k)), b_one.at((k, column)))).collect();
        product(instruction, [d, a, b, c], &pairs, c_all[warp][idx].at((row, column)))
    };
    let threads = || (0..FILLINGS.len()).flat_map(|warp| (0..32u32).map(move |lane| (warp, lane)));
    let mut names = Vec::new();
    let mut halves = String::new();
    let elements = count(Role::C, shape, d);
    if d == "f16" {
        // Halves are stored one by one.
        for register in 0..elements / 2 {
            names.push(format!("%h{register}"));
            halves.push_str(&format!("    mov.b32 {{%d{}, %d{}}}, %h{register};\n", 2 * register, 2 * register + 1));
        }
    } else {
        names.extend((0..elements).map(|i| format!("%d{i}")));
    }
    for i in 0..elements {
        let expected = threads().map(|(warp, lane)| result(warp, lane, i)).collect();
        let element = if d == "f16" { Element::F16 } else { register_element(d) };
        kernel.output(format!("d{i}"), element, expected);
    }
    let opcode = format!("mma.{}", instruction.words.join("."));
    kernel.body = format!(
        "    .reg .b32 %h<4>;\n    {opcode} {{{}}}, {{{}}}, {{{}}}, {{{}}};\n{halves}",
        names.join(", "),
        lists[0],
        lists[1],
        lists[2]
    );
    Some(kernel)
}

/// A type that matrices are of.
pub fn bits_type(word: &str) -> bool {
    matches!(word, "f16" | "bf16" | "tf32" | "f32" | "f64" | "e4m3" | "e5m2" | "u8" | "s8" | "u4" | "s4" | "b1" | "s32")
}
