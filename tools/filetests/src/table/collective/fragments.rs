//! `ldmatrix`, `stmatrix`, `movmatrix`: 8x8 matrices of 16-bit elements between memory and the lanes of a warp.
//!
//! Lane `l` holds elements `(l / 4, 2 * (l % 4))` and the next of each matrix; lanes `8 * i ..` give the rows of matrix `i`.
//! Source: PTX ISA, "Warp-level matrix load instruction: ldmatrix" and the following sections.

use super::kernel::{Expect, Kernel, UNTOUCHED};
use crate::element::Element;
use crate::init::hash;
use crate::table::oracle::Instruction;

/// Where row `row` of the matrices lies in shared memory: rows are 16 bytes and here in no order.
fn row_offset(row: u32) -> u32 {
    row * 5 % 32 * 16
}

fn element(row: u32, column: u32) -> u64 {
    hash(31, u64::from(row * 8 + column)) & 0xffff
}

/// The word that lane `lane` holds of matrix `matrix`.
fn fragment(matrix: u32, lane: u32, transposed: bool) -> u64 {
    let at = |row: u32, column: u32| {
        if transposed { element(8 * matrix + column, row) } else { element(8 * matrix + row, column) }
    };
    at(lane / 4, lane % 4 * 2) | at(lane / 4, lane % 4 * 2 + 1) << 16
}

/// The kernel of a form.
pub fn kernel(target: &str, instruction: &Instruction<'_>) -> Option<Kernel> {
    let mut kernel = Kernel::new(target, 32);
    let opcode = format!("{}.{}", instruction.root, instruction.words.join("."));
    let transposed = instruction.has("trans");
    if instruction.root == "movmatrix" {
        kernel.input("a", Element::B32, (0..32).map(|lane| fragment(0, lane, false)).collect());
        kernel.body = format!("    {opcode} %d, %a;\n");
        kernel.output("d", Element::B32, (0..32).map(|lane| Expect::Bits(fragment(0, lane, true))).collect());
        return Some(kernel);
    }
    let count = match *instruction.words.iter().find(|word| word.starts_with('x'))? {
        "x1" => 1,
        "x2" => 2,
        _ => 4u32,
    };
    kernel.header = ".shared .align 128 .b8 tile[512];\n".to_string();
    let address = |row: u32| if row < 8 * count { u64::from(row_offset(row)) } else { u64::from(row % 16 * 4 + 1) };
    kernel.input("row", Element::B32, (0..32).map(address).collect());
    let generic = !instruction.words.iter().any(|word| word.starts_with("shared"));
    kernel.body = "    .reg .b64 %tile, %at;\n    .reg .b32 %w;\n    mov.u64 %tile, tile;\n".to_string();
    let convert = if generic { "    cvta.shared.u64 %at, %at;\n" } else { "" };
    let row = format!("    cvt.u64.u32 %at, %row;\n    add.u64 %at, %tile, %at;\n{convert}");
    let names = |prefix: char| (0..count).map(|i| format!("%{prefix}{i}")).collect::<Vec<_>>().join(", ");
    // Element `(row, column)` of the stack of matrices in shared memory.
    let in_memory = |row: u32, column: u32| (row_offset(row) / 2 + column) as usize;
    if instruction.root == "ldmatrix" {
        let mut words = vec![0u64; 128];
        for row in 0..32 {
            for column in 0..8 {
                let at = in_memory(row, column);
                words[at / 2] |= element(row, column) << (16 * (at % 2));
            }
        }
        for part in 0..4usize {
            kernel.input(format!("f{part}"), Element::B32, words[part * 32..][..32].to_vec());
            kernel.body.push_str(&format!(
                "    mul.wide.u32 %at, %lane, 4;\n    add.u64 %at, %tile, %at;\n    st.shared.b32 [%at+{}], %f{part};\n",
                128 * part
            ));
        }
        kernel.body.push_str(&format!("    bar.warp.sync 0xffffffff;\n{row}    {opcode} {{{}}}, [%at];\n", names('d')));
        for matrix in 0..count {
            let expected = (0..32).map(|lane| Expect::Bits(fragment(matrix, lane, transposed))).collect();
            kernel.output(format!("d{matrix}"), Element::B32, expected);
        }
        return Some(kernel);
    }
    for matrix in 0..count {
        kernel.input(
            format!("a{matrix}"),
            Element::B32,
            (0..32).map(|lane| fragment(matrix, lane, transposed)).collect(),
        );
    }
    for part in 0..4 {
        kernel.body.push_str(&format!(
            "    mul.wide.u32 %at, %lane, 4;\n    add.u64 %at, %tile, %at;\n    st.shared.b32 [%at+{}], {UNTOUCHED};\n",
            128 * part
        ));
    }
    kernel.body.push_str(&format!(
        "    bar.warp.sync 0xffffffff;\n{row}    {opcode} [%at], {{{}}};\n    bar.warp.sync 0xffffffff;\n",
        names('a')
    ));
    let mut halves = vec![UNTOUCHED & 0xffff; 256];
    for row in 0..8 * count {
        for column in 0..8 {
            halves[in_memory(row, column)] = element(row, column);
        }
    }
    for part in 0..4usize {
        kernel.body.push_str(&format!(
            "    mul.wide.u32 %at, %lane, 4;\n    add.u64 %at, %tile, %at;\n    ld.shared.b32 %d{part}, [%at+{}];\n",
            128 * part
        ));
        let word = |lane: usize| halves[part * 64 + 2 * lane] | halves[part * 64 + 2 * lane + 1] << 16;
        kernel.output(format!("d{part}"), Element::B32, (0..32).map(|lane| Expect::Bits(word(lane))).collect());
    }
    Some(kernel)
}
