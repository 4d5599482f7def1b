//! `lop3`: any function of three bits, as few and/or/xor/not as there are.
//!
//! Model: a truth table has bit `a << 2 | b << 1 | c` set where the function is true, so the operands themselves are the tables
//! `0xf0`, `0xcc`, `0xaa`. A search over all 256 functions, once per process, gives each its cheapest expression tree. On
//! AVX-512 the table is the immediate of one instruction.
//!
//! Source: PTX ISA, "lop3".

use super::emit::Emit;
use super::x86;
use crate::llvm::Value;
use std::sync::OnceLock;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tree {
    Leaf,
    Not(u8),
    And(u8, u8),
    Or(u8, u8),
    Xor(u8, u8),
}

/// `d <- a, b, c`, 32-bit values.
pub(super) fn logic<'c>(e: &Emit<'_, 'c>, table: u8, operands: [Value<'c>; 3]) -> Value<'c> {
    let (_, n_steps) = trees()[usize::from(table)];
    if n_steps > 1
        && let Some(result) = x86::ternary_logic(e, table, &operands)
    {
        return result;
    }
    build(e, table, operands)
}

fn build<'c>(e: &Emit<'_, 'c>, table: u8, operands: [Value<'c>; 3]) -> Value<'c> {
    let part = |table| build(e, table, operands);
    match trees()[usize::from(table)].0 {
        Tree::Leaf => match table {
            0xf0 => operands[0],
            0xcc => operands[1],
            0xaa => operands[2],
            0 => operands[0].ty().zero(),
            _ => operands[0].ty().all_ones(),
        },
        Tree::Not(a) => e.not(part(a)),
        Tree::And(a, b) => e.and(part(a), part(b)),
        Tree::Or(a, b) => e.or(part(a), part(b)),
        Tree::Xor(a, b) => e.xor(part(a), part(b)),
    }
}

/// For every table the root of its cheapest tree and the number of operations in it.
fn trees() -> &'static [(Tree, u32); 256] {
    static TREES: OnceLock<[(Tree, u32); 256]> = OnceLock::new();
    TREES.get_or_init(|| {
        const UNKNOWN: u32 = 1000;
        let mut trees = [(Tree::Leaf, UNKNOWN); 256];
        for leaf in [0, 0xff, 0xf0, 0xcc, 0xaa] {
            trees[leaf].1 = 0;
        }
        loop {
            let mut improved = false;
            let mut offer = |trees: &mut [(Tree, u32); 256], table: u8, tree: Tree, cost: u32| {
                if cost < trees[usize::from(table)].1 {
                    trees[usize::from(table)] = (tree, cost);
                    improved = true;
                }
            };
            for a in 0..=255_u8 {
                let cost = trees[usize::from(a)].1;
                if cost == UNKNOWN {
                    continue;
                }
                offer(&mut trees, !a, Tree::Not(a), cost + 1);
                for b in 0..a {
                    let cost = cost + trees[usize::from(b)].1 + 1;
                    offer(&mut trees, a & b, Tree::And(a, b), cost);
                    offer(&mut trees, a | b, Tree::Or(a, b), cost);
                    offer(&mut trees, a ^ b, Tree::Xor(a, b), cost);
                }
            }
            if !improved {
                return trees;
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluate(table: u8) -> u8 {
        match trees()[usize::from(table)].0 {
            Tree::Leaf => table,
            Tree::Not(a) => !evaluate(a),
            Tree::And(a, b) => evaluate(a) & evaluate(b),
            Tree::Or(a, b) => evaluate(a) | evaluate(b),
            Tree::Xor(a, b) => evaluate(a) ^ evaluate(b),
        }
    }

    #[test]
    fn every_table_has_a_short_tree() {
        for table in 0..=255 {
            assert_eq!(evaluate(table), table);
            assert!(trees()[usize::from(table)].1 <= 6, "{table:#x}: {:?}", trees()[usize::from(table)]);
        }
        // Choice (a ? b : c) and majority, the two that hash functions use.
        assert_eq!(trees()[0xca].1, 3);
        assert_eq!(trees()[0xe8].1, 4);
    }
}
