//! Where the elements of matrix fragments lie: (lane, register, element in the register) -> (row, column).
//!
//! This is data that the interpreter and the JIT share. For `mma.sync` the manual fixes the layout; except for the oldest shape
//! (`m8n8k4` with f16) all of its pictures are one pattern. With `group = lane / 4`, `t = lane % 4`, `w` elements in a
//! register and element `j` of a register:
//! * A, register `r`: row `group + 8 * (r % 2)`, column `t * w + j + 4 * w * (r / 2)`; with 8 rows: row `group`, column
//!   `t * w + j + 4 * w * r`;
//! * B, register `r`: row `t * w + j + 4 * w * r`, column `group`;
//! * C and D, element `i`: row `group + 8 * (i / 2)`, column `2 * t + i % 2`.
//!
//! For `wmma` the manual leaves the layout open. Here a fragment is the sequence of the `mma` fragments of its tiles (A: 16 or 8
//! rows; B: 8 columns; C and D: 16 or 8 rows by 8 columns; tiles row by row), which is what current hardware does, and where
//! PTX's fragment has more registers than that (f16), the sequence is repeated: such registers hold copies.
//!
//! Source: PTX ISA, "Matrix Fragments for mma.m8n8k4 ..." to "... mma.m16n8k256".

use super::{MatrixRole, ScalarType};

/// One fragment's layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fragment {
    /// Which matrix.
    pub role: MatrixRole,
    /// `m`, `n`, `k` of the instruction; for a sparse A with the stored (halved) `k`.
    pub shape: [u32; 3],
    /// Element type.
    pub ty: ScalarType,
    /// Row-major operand: matters only for `mma.m8n8k4` with f16.
    pub row: bool,
    /// A `wmma` fragment.
    pub wmma: bool,
}

impl Fragment {
    /// Rows and columns of the matrix.
    pub const fn extent(&self) -> (u32, u32) {
        let [m, n, k] = self.shape;
        match self.role {
            MatrixRole::A => (m, k),
            MatrixRole::B => (k, n),
            MatrixRole::C | MatrixRole::D => (m, n),
        }
    }

    /// Bits of a register: 64 for f64, else 32.
    pub const fn register_bits(&self) -> u32 {
        if matches!(self.ty, ScalarType::F64) { 64 } else { 32 }
    }

    /// Elements in a register.
    pub const fn per_register(&self) -> u32 {
        self.register_bits() / self.ty.bits()
    }

    /// The `mma.m8n8k4` shape for f16, which works on four groups of eight lanes.
    const fn is_quad_pair(&self) -> bool {
        // Its accumulators may be f32; no other shape has 8 rows and f32 or f16 accumulators.
        !self.wmma
            && self.shape[0] == 8
            && self.shape[1] == 8
            && self.shape[2] == 4
            && !matches!(self.ty, ScalarType::F64)
    }

    /// Registers that hold different elements.
    const fn distinct_registers(&self) -> u32 {
        if self.is_quad_pair() {
            return match (self.role, self.ty) {
                (MatrixRole::A | MatrixRole::B, _) => 2,
                (_, ScalarType::F32) => 8,
                _ => 4,
            };
        }
        let (rows, columns) = self.extent();
        rows * columns / (32 * self.per_register())
    }

    /// Registers of the fragment in PTX.
    pub const fn registers(&self) -> u32 {
        let half_inputs = matches!(self.ty, ScalarType::F16 | ScalarType::F16x2);
        if self.wmma && half_inputs && matches!(self.role, MatrixRole::A | MatrixRole::B) {
            8
        } else {
            self.distinct_registers()
        }
    }

    /// Row and column of element `j` of register `register` in `lane`.
    pub const fn position(&self, lane: u32, register: u32, j: u32) -> (u32, u32) {
        let w = self.per_register();
        let (group, t) = (lane / 4, lane % 4);
        if self.is_quad_pair() {
            return self.quad_pair_position(lane, register * w + j);
        }
        let r = register % self.distinct_registers();
        let [m, n, k] = self.shape;
        match self.role {
            MatrixRole::A => {
                // Registers of a tile of 8 or 16 rows.
                let tile_rows = if m < 16 { 8 } else { 16 };
                let per_tile = tile_rows * k / (32 * w);
                let (tile, r) = (r / per_tile, r % per_tile);
                let (down, right) = if tile_rows == 8 { (0, r) } else { (r % 2, r / 2) };
                (tile * 16 + group + 8 * down, t * w + j + 4 * w * right)
            }
            MatrixRole::B => {
                let per_tile = k * 8 / (32 * w);
                let (tile, r) = (r / per_tile, r % per_tile);
                (t * w + j + 4 * w * r, tile * 8 + group)
            }
            MatrixRole::C | MatrixRole::D => {
                let per_tile = if m < 16 { 2 } else { 4 };
                let element = r * w + j;
                let (tile, i) = (element / per_tile, element % per_tile);
                let tiles_across = n / 8;
                let (tile_row, tile_column) = (tile / tiles_across, tile % tiles_across);
                (tile_row * 16 + group + 8 * (i / 2), tile_column * 8 + 2 * t + i % 2)
            }
        }
    }

    /// Which of the four independent products of `mma.m8n8k4` (f16) a lane belongs to.
    pub const fn quad_pair(lane: u32) -> u32 {
        lane % 16 / 4
    }

    const fn quad_pair_position(&self, lane: u32, i: u32) -> (u32, u32) {
        let upper = if lane >= 16 { 4 } else { 0 };
        let t = lane % 4;
        match (self.role, self.row, self.ty) {
            (MatrixRole::A, true, _) => (t + upper, i),
            (MatrixRole::A, false, _) => (i + upper, t),
            (MatrixRole::B, true, _) => (t, i + upper),
            (MatrixRole::B, false, _) => (i, t + upper),
            (_, _, ScalarType::F32) => ((lane & 1) + (i & 2) + upper, (i & 4) + (lane & 2) + (i & 1)),
            _ => (t + upper, i),
        }
    }

    /// Whether the instruction consists of four independent products by lane group ([`Self::quad_pair`]).
    pub const fn is_four_products(&self) -> bool {
        self.is_quad_pair()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const fn fragment(role: MatrixRole, shape: [u32; 3], ty: ScalarType, wmma: bool) -> Fragment {
        Fragment { role, shape, ty, row: true, wmma }
    }

    #[test]
    fn every_element_lies_somewhere_and_inside() {
        use ScalarType::{B1, BF16, E4M3, F16, F32, F64, S4, S8, S32, TF32};
        // Shape, operand type, accumulator type, wmma.
        let forms = [
            ([8, 8, 4], F64, F64, false),
            ([16, 8, 4], F64, F64, false),
            ([16, 8, 8], F64, F64, false),
            ([16, 8, 16], F64, F64, false),
            ([16, 8, 8], F16, F16, false),
            ([16, 8, 16], F16, F32, false),
            ([16, 8, 8], BF16, F32, false),
            ([16, 8, 4], TF32, F32, false),
            ([16, 8, 8], TF32, F32, false),
            ([8, 8, 16], S8, S32, false),
            ([16, 8, 16], S8, S32, false),
            ([16, 8, 32], S8, S32, false),
            ([16, 8, 32], E4M3, F32, false),
            ([8, 8, 32], S4, S32, false),
            ([16, 8, 32], S4, S32, false),
            ([16, 8, 64], S4, S32, false),
            ([8, 8, 128], B1, S32, false),
            ([16, 8, 128], B1, S32, false),
            ([16, 8, 256], B1, S32, false),
            ([16, 16, 16], F16, F32, true),
            ([32, 8, 16], F16, F16, true),
            ([8, 32, 16], BF16, F32, true),
            ([16, 16, 8], TF32, F32, true),
            ([32, 8, 16], S8, S32, true),
            ([8, 32, 16], S8, S32, true),
            ([8, 8, 32], S4, S32, true),
            ([8, 8, 128], B1, S32, true),
            ([8, 8, 4], F64, F64, true),
        ];
        for (shape, input, accumulator, wmma) in forms {
            for (role, ty) in [(MatrixRole::A, input), (MatrixRole::B, input), (MatrixRole::C, accumulator)] {
                let layout = fragment(role, shape, ty, wmma);
                let (rows, columns) = layout.extent();
                let mut seen = BTreeSet::new();
                for lane in 0..32 {
                    for register in 0..layout.registers() {
                        for j in 0..layout.per_register() {
                            let (row, column) = layout.position(lane, register, j);
                            assert!(row < rows && column < columns, "{layout:?} {lane} {register} {j}");
                            seen.insert((row, column));
                        }
                    }
                }
                assert_eq!(seen.len() as u32, rows * columns, "{layout:?}");
            }
        }
    }

    #[test]
    fn the_manuals_pictures() {
        let a = fragment(MatrixRole::A, [16, 8, 16], ScalarType::F16, false);
        // "row = groupID for a0 a1 a4 a5, else groupID + 8; column = t * 2 + (i & 1), + 8 for i >= 4".
        assert_eq!(a.registers(), 4);
        assert_eq!(a.position(5, 0, 1), (1, 3));
        assert_eq!(a.position(5, 1, 0), (9, 2));
        assert_eq!(a.position(5, 2, 0), (1, 10));
        assert_eq!(a.position(5, 3, 1), (9, 11));
        let b = fragment(MatrixRole::B, [16, 8, 32], ScalarType::S8, false);
        assert_eq!(b.position(6, 1, 3), (8 + 3 + 16, 1));
        let c = fragment(MatrixRole::C, [16, 8, 8], ScalarType::F32, false);
        assert_eq!(c.position(31, 3, 0), (15, 7));
        let wide = fragment(MatrixRole::C, [16, 16, 16], ScalarType::F32, true);
        assert_eq!((wide.registers(), wide.position(4, 6, 0)), (8, (9, 8)));
        let old = fragment(MatrixRole::C, [8, 8, 4], ScalarType::F32, false);
        assert_eq!(old.position(17, 3, 0), (1 + 2 + 4, 1));
    }
}
