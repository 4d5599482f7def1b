//! `wmma`: fragments are opaque, so a form is a whole product: load, multiply, store, with every layout.
//!
//! The matrices lie in memory with strides larger than their rows. `wmma.mma` with the layouts of A and B stands for the
//! loads too; the accumulators' layouts are `row` and `col` in turn, and the factors come from global and shared memory in turn.
//! Source: PTX ISA, "Warp-level Matrix Instructions using wmma".

use super::kernel::{Expect, Kernel, UNTOUCHED};
use super::mma::{bits_type, product, shape_of};
use super::numbers::{self, FILLINGS, Filling, bits_of};
use crate::element::Element;
use crate::table::oracle::Instruction;

/// A matrix in memory.
struct Stored {
    ty: &'static str,
    row_major: bool,
    /// In elements.
    stride: u32,
    lines: u32,
    elements: Vec<u64>,
}

impl Stored {
    fn new(ty: &'static str, rows: u32, columns: u32, row_major: bool, filling: Filling, seed: u64) -> Self {
        let (lines, length) = if row_major { (rows, columns) } else { (columns, rows) };
        // Lines begin at multiples of 16 bytes.
        let stride = length + 128 / bits_of(ty);
        let stride = stride.next_multiple_of(128 / bits_of(ty));
        let elements = (0..u64::from(lines * stride)).map(|i| numbers::element(ty, filling, seed, i)).collect();
        Self { ty, row_major, stride, lines, elements }
    }

    fn at(&self, row: u32, column: u32) -> u64 {
        let (line, place) = if self.row_major { (row, column) } else { (column, row) };
        self.elements[(line * self.stride + place) as usize]
    }

    /// As words of memory.
    fn words(&self) -> (Element, Vec<u64>) {
        let bits = bits_of(self.ty);
        let element = match bits {
            64 => Element::F64,
            16 => Element::B16,
            _ => Element::B32,
        };
        let per_word = (element.bytes() as u32 * 8 / bits) as usize;
        let word = |part: &[u64]| part.iter().rev().fold(0, |word, element| word << (bits % 64) | element);
        let words = self.elements.chunks(per_word);
        (element, words.map(|part| if per_word == 1 { part[0] } else { word(part) }).collect())
    }
}

/// Registers of a fragment.
fn registers(role: char, ty: &str, shape: [u32; 3]) -> u32 {
    let [m, n, k] = shape;
    match (role, ty) {
        ('a' | 'b', "f16") => 8,
        ('a', _) => m * k * bits_of(ty).min(32) / 32 / 32,
        ('b', _) => k * n * bits_of(ty).min(32) / 32 / 32,
        (_, "f16") => 4,
        _ => m * n / 32,
    }
}

fn list(prefix: char, n: u32) -> String {
    (0..n).map(|i| format!("%{prefix}{i}")).collect::<Vec<_>>().join(", ")
}

fn known(ty: &str) -> &'static str {
    const TYPES: [&str; 11] = ["f16", "bf16", "tf32", "f32", "f64", "u8", "s8", "u4", "s4", "b1", "s32"];
    TYPES.into_iter().find(|known| *known == ty).unwrap_or("b32")
}

/// The kernel of a form.
pub fn kernel(target: &str, instruction: &Instruction<'_>) -> Option<Kernel> {
    let shape = shape_of(instruction)?;
    let [m, n, k] = shape;
    let types: Vec<&str> = instruction.words.iter().copied().filter(|word| bits_type(word)).collect();
    let (d, a, b, c) = match *types.as_slice() {
        [d, c] => (d, "f16", "f16", c),
        [d, a, b, c] => (d, a, b, c),
        _ => return None,
    };
    let [d, a, b, c] = [d, a, b, c].map(known);
    let layouts: Vec<bool> =
        instruction.words.iter().filter(|word| matches!(**word, "row" | "col")).map(|word| *word == "row").collect();
    let &[a_row, b_row] = layouts.as_slice() else { return None };
    // Which of the fillings, and how accumulators lie: one launch has one warp, so each form takes one of them by its name.
    let turn = instruction.words.join(".").bytes().fold(0usize, |sum, byte| sum * 31 % 997 + usize::from(byte));
    let filling = FILLINGS[turn % 3];
    let (c_row, d_row, shared) = (turn & 4 == 0, turn & 8 == 0, turn & 16 == 0);
    let a_all = Stored::new(a, m, k, a_row, filling, 21);
    let b_all = Stored::new(b, k, n, b_row, filling, 22);
    let c_all = Stored::new(c, m, n, c_row, filling, 23);
    let d_all = Stored::new(d, m, n, d_row, filling, 24);
    let mut kernel = Kernel::new(target, 32);
    let register = |ty: &str| match ty {
        "f64" => "f64",
        "f32" => "f32",
        _ => "b32",
    };
    let counts = [('a', a), ('b', b), ('c', c), ('d', d)].map(|(role, ty)| registers(role, ty, shape));
    for ((prefix, ty), count) in [('a', a), ('b', b), ('c', c), ('d', d)].into_iter().zip(counts) {
        kernel.body.push_str(&format!("    .reg .{} %{prefix}<{count}>;\n", register(ty)));
    }
    let layout = |row: bool| if row { "row" } else { "col" };
    let shape_word = format!("m{m}n{n}k{k}");
    let factor_shape = shape_word.as_str();
    for (prefix, stored, count) in [('a', &a_all, counts[0]), ('b', &b_all, counts[1]), ('c', &c_all, counts[2])] {
        let (element, words) = stored.words();
        let bytes = words.len() * element.bytes();
        kernel.data(&format!("m{prefix}"), element, words);
        let (mut at, mut space) = (format!("%p_m{prefix}"), ".global");
        if shared && prefix != 'c' {
            // Copied word by word, by all lanes in turn.
            kernel.header.push_str(&format!(".shared .align 32 .b8 tile_{prefix}[{bytes}];\n"));
            kernel.body.push_str(&format!(
                "    .reg .b64 %s{prefix}, %from{prefix}, %to{prefix};\n    .reg .b32 %i{prefix}, %w{prefix};\n    .reg .pred %more{prefix};\n    \
                 mov.u64 %s{prefix}, tile_{prefix};\n    shl.b32 %i{prefix}, %lane, 2;\ncopy_{prefix}:\n    cvt.u64.u32 %to{prefix}, %i{prefix};\n    \
                 add.u64 %from{prefix}, %p_m{prefix}, %to{prefix};\n    add.u64 %to{prefix}, %s{prefix}, %to{prefix};\n    \
                 ld.global.b32 %w{prefix}, [%from{prefix}];\n    st.shared.b32 [%to{prefix}], %w{prefix};\n    \
                 add.u32 %i{prefix}, %i{prefix}, 128;\n    setp.lt.u32 %more{prefix}, %i{prefix}, {bytes};\n    \
                 @%more{prefix} bra copy_{prefix};\n    bar.warp.sync 0xffffffff;\n"
            ));
            at = format!("%s{prefix}");
            space = ".shared";
        }
        kernel.body.push_str(&format!(
            "    wmma.load.{prefix}.sync.aligned.{}.{factor_shape}{space}.{} {{{}}}, [{at}], {};\n",
            layout(stored.row_major),
            stored.ty,
            list(prefix, count),
            stored.stride
        ));
    }
    kernel.body.push_str(&format!(
        "    wmma.{} {{{}}}, {{{}}}, {{{}}}, {{{}}};\n",
        instruction.words.join("."),
        list('d', counts[3]),
        list('a', counts[0]),
        list('b', counts[1]),
        list('c', counts[2])
    ));
    kernel.body.push_str(&format!(
        "    wmma.store.d.sync.aligned.{}.{factor_shape}.global.{d} [%p_md], {{{}}}, {};\n",
        layout(d_row),
        list('d', counts[3]),
        d_all.stride
    ));
    let element = match d {
        "f16" => Element::F16,
        "f32" => Element::F32,
        "f64" => Element::F64,
        _ => Element::S32,
    };
    let untouched = UNTOUCHED << 32 | UNTOUCHED;
    let mut expected = vec![Expect::Bits(untouched); (d_all.lines * d_all.stride) as usize];
    for row in 0..m {
        for column in 0..n {
            let pairs: Vec<(u64, u64)> = (0..k).map(|k| (a_all.at(row, k), b_all.at(k, column))).collect();
            let (line, place) = if d_row { (row, column) } else { (column, row) };
            let at = (line * d_all.stride + place) as usize;
            expected[at] = product(instruction, [d, a, b, c], &pairs, c_all.at(row, column));
        }
    }
    kernel.filled("md", element, expected);
    Some(kernel)
}
