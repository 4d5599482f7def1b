//! `mma.sync`, `mma.sp`, `wmma.*`, `ldmatrix`, `stmatrix`, `movmatrix`.
//!
//! Fragments are gathered into plain matrices, multiplied by the definition, and scattered again. Order of summation, which the manual
//! leaves open: `d = c`, then one fused multiply-add per `k`, upwards. f16, bf16, tf32 and 8-bit products are accumulated in f32
//! (the least the manual allows) and rounded once at the end to an f16 result; f64 is accumulated in f64 with the
//! instruction's rounding; integers exactly, then wrapped or clamped.
//!
//! Source: PTX ISA, "Warp Level Matrix Instructions"; metadata of sparse operands: "mma.sp" with the figures of its shapes.

use super::FaultKind;
use super::arith::{cvt, float, integer, mask};
use super::block::Block;
use super::execute::Lane;
use super::launch::Grid;
use crate::ir::fragment::Fragment;
use crate::ir::{BitMma, Cvt, FloatMode, Inst, MatrixAccess, MatrixRole, Mma, Op, Rounding, ScalarType, WmmaAccess};

/// A dense matrix of element bits.
#[derive(Clone, Debug)]
struct Matrix {
    columns: usize,
    elements: Vec<u64>,
}

impl Matrix {
    fn zero((rows, columns): (u32, u32)) -> Self {
        Self { columns: columns as usize, elements: vec![0; (rows * columns) as usize] }
    }

    fn at(&self, row: usize, column: usize) -> u64 {
        self.elements[row * self.columns + column]
    }

    fn at_mut(&mut self, row: usize, column: usize) -> &mut u64 {
        &mut self.elements[row * self.columns + column]
    }
}

/// A conversion that only rounds to nearest.
const fn conversion(to: ScalarType, from: ScalarType) -> Cvt {
    Cvt {
        to,
        from,
        rounding: Some(Rounding::NearestEven),
        integral: false,
        ftz: false,
        saturate: false,
        satfinite: false,
        relu: false,
    }
}

impl Block {
    fn lane<'l, 'g>(&'l mut self, grid: &'l mut Grid<'g>, t: usize) -> Lane<'l, 'g> {
        Lane {
            grid,
            thread: &mut self.threads[t],
            shared: &mut self.shared,
            block_idx: self.idx,
            active_mask: u32::MAX,
        }
    }

    pub(super) fn matrix_operation(
        &mut self,
        grid: &mut Grid<'_>,
        lanes: &[usize],
        insts: &[&Inst],
        op: &Op,
    ) -> Result<(), FaultKind> {
        match op {
            Op::Mma(form) => self.mma(grid, lanes, insts, form),
            Op::WmmaLoad(form) => {
                lanes.iter().zip(insts).try_for_each(|(&t, inst)| self.lane(grid, t).wmma_load(inst, form))
            }
            Op::WmmaStore(form) => {
                lanes.iter().zip(insts).try_for_each(|(&t, inst)| self.lane(grid, t).wmma_store(inst, form))
            }
            Op::LdMatrix(form) => self.ldmatrix(grid, lanes, insts, form),
            Op::StMatrix(form) => self.stmatrix(grid, lanes, insts, form),
            Op::MovMatrix => {
                self.movmatrix(grid, lanes, insts);
                Ok(())
            }
            _ => unreachable!("the other warp-wide operations are in warp.rs"),
        }
    }

    /// The matrix whose fragments start at source operand `first`, of the lanes for which `takes` holds.
    fn gather(
        &self,
        grid: &Grid<'_>,
        lanes: &[usize],
        insts: &[&Inst],
        first: u32,
        layout: &Fragment,
        takes: impl Fn(u32) -> bool,
    ) -> Matrix {
        let mut matrix = Matrix::zero(layout.extent());
        let bits = layout.ty.bits();
        for (&t, inst) in lanes.iter().zip(insts) {
            let lane = self.threads[t].lane;
            if !takes(lane) {
                continue;
            }
            for register in 0..layout.registers() {
                let value = self.lane_src(grid, t, inst, (first + register) as usize);
                for j in 0..layout.per_register() {
                    let (row, column) = layout.position(lane, register, j);
                    *matrix.at_mut(row as usize, column as usize) = value >> (j * bits) & mask(bits);
                }
            }
        }
        matrix
    }

    fn mma(&mut self, grid: &Grid<'_>, lanes: &[usize], insts: &[&Inst], form: &Mma) -> Result<(), FaultKind> {
        let [m, n, k] = form.shape;
        let layout = |role, ty, row| Fragment { role, shape: form.shape, ty, row, wmma: form.wmma };
        let stored_k = if form.sparse { k / 2 } else { k };
        let a_layout = Fragment { shape: [m, n, stored_k], ..layout(MatrixRole::A, form.a, form.a_row) };
        let b_layout = layout(MatrixRole::B, form.b, form.b_row);
        let c_layout = layout(MatrixRole::C, form.c, true);
        let d_layout = layout(MatrixRole::D, form.d, true);
        let b_first = a_layout.registers();
        let c_first = b_first + b_layout.registers();
        let last = c_first + c_layout.registers();
        let groups: u32 = if c_layout.is_four_products() { 4 } else { 1 };
        for group in 0..groups {
            let takes = |lane: u32| groups == 1 || Fragment::quad_pair(lane) == group;
            let mut a = self.gather(grid, lanes, insts, 0, &a_layout, takes);
            let b = self.gather(grid, lanes, insts, b_first, &b_layout, takes);
            let c = self.gather(grid, lanes, insts, c_first, &c_layout, takes);
            if form.sparse {
                a = self.expand_sparse(grid, lanes, insts, form, &a, last as usize)?;
            }
            let mut d = Matrix::zero((m, n));
            for row in 0..m as usize {
                for column in 0..n as usize {
                    let pairs = (0..k as usize).map(|k| (a.at(row, k), b.at(k, column)));
                    *d.at_mut(row, column) = dot(form, pairs, c.at(row, column))?;
                }
            }
            for (&t, inst) in lanes.iter().zip(insts) {
                let lane = self.threads[t].lane;
                if !takes(lane) {
                    continue;
                }
                for register in 0..d_layout.registers() {
                    let mut value = 0;
                    for j in 0..d_layout.per_register() {
                        let (row, column) = d_layout.position(lane, register, j);
                        value |= d.at(row as usize, column as usize) << (j * d_layout.ty.bits());
                    }
                    self.lane_set(grid.module, t, inst, register as usize, value);
                }
            }
        }
        Ok(())
    }

    /// The dense A of a sparse one. Each row stores half of its elements; metadata says which, two bits per stored element (or per
    /// stored pair for 4-bit elements, or per half of a stored tf32).
    ///
    /// Words of metadata: with 16-bit and larger elements a word holds, for a chunk of columns, row `group` in its low and row
    /// `group + 8` in its high half; chunks go to consecutive lanes of the four. With smaller elements a word holds one row of a
    /// chunk; lanes hold (row `group`, chunk 0), (`group + 8`, chunk 0), (`group`, chunk 1), (`group + 8`, chunk 1). The
    /// selector counts in units of as many lanes as are needed.
    fn expand_sparse(
        &self,
        grid: &Grid<'_>,
        lanes: &[usize],
        insts: &[&Inst],
        form: &Mma,
        stored: &Matrix,
        first: usize,
    ) -> Result<Matrix, FaultKind> {
        let [m, _, k] = form.shape;
        let bits = form.a.bits();
        // Columns of the dense matrix that four bits of metadata speak of.
        let span = match bits {
            32 => 2,
            4 => 8,
            _ => 4,
        };
        let word_bits_per_row = if bits >= 16 { 16 } else { 32 };
        let chunk = word_bits_per_row / 4 * span;
        let chunks = k / chunk;
        let lanes_used = if bits >= 16 { chunks } else { 2 * chunks };
        let selector = self.lane_src(grid, lanes[0], insts[0], first + 1) as u32;
        if selector * lanes_used >= 4 {
            return Err(FaultKind::Undefined("an mma.sp selector that names no lanes of a group of four"));
        }
        let word = |lane: u32| {
            let n = lanes.iter().position(|&t| self.threads[t].lane == lane);
            n.map_or(0, |n| self.lane_src(grid, lanes[n], insts[n], first) as u32)
        };
        let mut dense = Matrix::zero((m, k));
        for row in 0..m {
            let (group, lower) = (row % 8, row / 8);
            for column in (0..k).step_by(span as usize) {
                let (chunk_idx, within) = (column / chunk, column % chunk / span);
                let in_group = if bits >= 16 { chunk_idx } else { 2 * chunk_idx + lower };
                let half = if bits >= 16 { 16 * lower } else { 0 };
                let code = word(group * 4 + selector * lanes_used + in_group) >> (half + 4 * within) & 0xf;
                for i in 0..span / 2 {
                    let value = stored.at(row as usize, (column / 2 + i) as usize);
                    let to = match bits {
                        32 => (code & 3) / 2,
                        4 => 2 * (code >> (2 * (i / 2)) & 3) + i % 2,
                        _ => code >> (2 * i) & 3,
                    };
                    *dense.at_mut(row as usize, (column + to) as usize) = value;
                }
            }
        }
        Ok(dense)
    }

    /// Rows of `count` matrices, at the addresses that lanes 0 to 8 * count - 1 give.
    fn row_addresses(
        &mut self,
        lanes: &[usize],
        insts: &[&Inst],
        form: &MatrixAccess,
        grid: &mut Grid<'_>,
    ) -> Result<Vec<super::access::Target>, FaultKind> {
        let mut rows = Vec::new();
        for (&t, inst) in lanes.iter().zip(insts).take(8 * form.count as usize) {
            let lane = self.lane(grid, t);
            let target = lane.target(form.space, &inst.srcs[0], form.offset);
            lane.check_aligned(target, 16)?;
            rows.push(target);
        }
        if rows.len() < 8 * form.count as usize {
            return Err(FaultKind::Undefined("a matrix load or store by an incomplete warp"));
        }
        Ok(rows)
    }

    fn ldmatrix(
        &mut self,
        grid: &mut Grid<'_>,
        lanes: &[usize],
        insts: &[&Inst],
        form: &MatrixAccess,
    ) -> Result<(), FaultKind> {
        let rows = self.row_addresses(lanes, insts, form, grid)?;
        let mut matrices = Vec::new();
        for target in rows {
            let bytes = self.lane(grid, lanes[0]).read(target, 16)?.to_vec();
            matrices.extend(bytes.chunks(2).map(|pair| u64::from(u16::from_le_bytes([pair[0], pair[1]]))));
        }
        for (&t, inst) in lanes.iter().zip(insts) {
            let (group, pair) = (self.threads[t].lane as usize / 4, 2 * (self.threads[t].lane as usize % 4));
            for i in 0..form.count as usize {
                let element = |row: usize, column: usize| matrices[64 * i + 8 * row + column];
                let (low, high) = if form.transposed {
                    (element(pair, group), element(pair + 1, group))
                } else {
                    (element(group, pair), element(group, pair + 1))
                };
                self.lane_set(grid.module, t, inst, i, low | high << 16);
            }
        }
        Ok(())
    }

    fn stmatrix(
        &mut self,
        grid: &mut Grid<'_>,
        lanes: &[usize],
        insts: &[&Inst],
        form: &MatrixAccess,
    ) -> Result<(), FaultKind> {
        let rows = self.row_addresses(lanes, insts, form, grid)?;
        let mut matrices = vec![0u16; 64 * form.count as usize];
        for (&t, inst) in lanes.iter().zip(insts) {
            let (group, pair) = (self.threads[t].lane as usize / 4, 2 * (self.threads[t].lane as usize % 4));
            for i in 0..form.count as usize {
                let value = self.lane_src(grid, t, inst, 1 + i);
                for j in 0..2 {
                    let (row, column) = if form.transposed { (pair + j, group) } else { (group, pair + j) };
                    matrices[64 * i + 8 * row + column] = (value >> (16 * j)) as u16;
                }
            }
        }
        for (target, row) in rows.into_iter().zip(matrices.chunks(8)) {
            let bytes: Vec<u8> = row.iter().flat_map(|element| element.to_le_bytes()).collect();
            self.lane(grid, lanes[0]).write(target, &bytes)?;
        }
        Ok(())
    }

    fn movmatrix(&mut self, grid: &Grid<'_>, lanes: &[usize], insts: &[&Inst]) {
        let mut matrix = [[0u64; 8]; 8];
        for (&t, inst) in lanes.iter().zip(insts) {
            let lane = self.threads[t].lane as usize;
            let value = self.lane_src(grid, t, inst, 0);
            for j in 0..2 {
                matrix[lane / 4][2 * (lane % 4) + j] = value >> (16 * j) & 0xffff;
            }
        }
        for (&t, inst) in lanes.iter().zip(insts) {
            let lane = self.threads[t].lane as usize;
            let (row, column) = (lane / 4, 2 * (lane % 4));
            self.lane_set(grid.module, t, inst, 0, matrix[column][row] | matrix[column + 1][row] << 16);
        }
    }
}

/// One element of the result.
fn dot(form: &Mma, pairs: impl Iterator<Item = (u64, u64)>, c: u64) -> Result<u64, FaultKind> {
    if let Some(op) = form.bit_op {
        let ones: u64 = pairs.map(|(a, b)| if op == BitMma::XorPopc { a ^ b } else { a & b }).sum();
        return Ok(c.wrapping_add(ones) & mask(32));
    }
    if !form.a.is_float() {
        let sum = pairs.fold(integer(ScalarType::S32, c), |sum, (a, b)| sum + integer(form.a, a) * integer(form.b, b));
        let clamped = sum.clamp(i128::from(i32::MIN), i128::from(i32::MAX));
        return Ok(if form.satfinite { clamped } else { sum } as u64 & mask(32));
    }
    if form.d == ScalarType::F64 {
        let mode = FloatMode { rounding: form.rounding, ..FloatMode::default() };
        let mut sum = c;
        for (a, b) in pairs {
            sum = float::fma(ScalarType::F64, mode, a, b, sum)?;
        }
        return Ok(sum);
    }
    let single = |ty: ScalarType, bits: u64| cvt::cvt(&conversion(ScalarType::F32, ty), bits, None);
    let mut sum = single(form.c, c)?;
    for (a, b) in pairs {
        sum = float::fma(ScalarType::F32, FloatMode::default(), single(form.a, a)?, single(form.b, b)?, sum)?;
    }
    Ok(cvt::cvt(&conversion(form.d, ScalarType::F32), sum, None)?)
}

impl Lane<'_, '_> {
    /// Bit offset of element (row, column) of a `wmma` matrix in memory.
    fn wmma_bit(&self, inst: &Inst, form: &WmmaAccess, layout: &Fragment, stride_at: usize, at: (u32, u32)) -> u64 {
        let (rows, columns) = layout.extent();
        let default = if form.row { columns } else { rows };
        let stride = if form.has_stride { self.src64(inst, stride_at) as u32 } else { default };
        let (row, column) = (u64::from(at.0), u64::from(at.1));
        let stride = u64::from(stride);
        let element = if form.row { row * stride + column } else { column * stride + row };
        element * u64::from(form.ty.bits())
    }

    fn wmma_load(&mut self, inst: &Inst, form: &WmmaAccess) -> Result<(), FaultKind> {
        let layout = Fragment { role: form.role, shape: form.shape, ty: form.ty, row: form.row, wmma: true };
        let start = self.target(form.space, &inst.srcs[0], form.offset);
        let bits = form.ty.bits();
        for register in 0..layout.registers() {
            let mut value = 0;
            for j in 0..layout.per_register() {
                let at = self.wmma_bit(inst, form, &layout, 1, layout.position(self.thread.lane, register, j));
                let bytes = self.read_value(start.plus(at / 8), form.ty.bytes())? as u64;
                value |= (bytes >> (at % 8) & mask(bits)) << (j * bits);
            }
            self.set_dst(inst, register as usize, u128::from(value));
        }
        Ok(())
    }

    fn wmma_store(&mut self, inst: &Inst, form: &WmmaAccess) -> Result<(), FaultKind> {
        let layout = Fragment { role: form.role, shape: form.shape, ty: form.ty, row: form.row, wmma: true };
        let start = self.target(form.space, &inst.srcs[0], form.offset);
        let stride_at = 1 + layout.registers() as usize;
        let bits = form.ty.bits();
        for register in 0..layout.registers() {
            let value = self.src64(inst, 1 + register as usize);
            for j in 0..layout.per_register() {
                let position = layout.position(self.thread.lane, register, j);
                let at = self.wmma_bit(inst, form, &layout, stride_at, position);
                let element = value >> (j * bits) & mask(bits);
                self.write_value(start.plus(at / 8), form.ty.bytes(), u128::from(element))?;
            }
        }
        Ok(())
    }
}
