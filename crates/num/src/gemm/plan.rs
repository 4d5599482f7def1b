//! Which way a product goes and in which blocks: data, made from extents and strides, that tests can look at.

use crate::Error;
use crate::simd::driver::Blocks;

/// How a product is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Nothing to multiply: the output is only scaled.
    Scale,
    /// Operands are read where they lie, by one thread; the sum is cut into ranges of so many elements.
    InPlace(usize),
    /// Operands are packed.
    Blocked(Blocks),
}

/// A tile and its groups, as [`crate::simd::kernel::Kernel`] has them, and bytes of a sum.
#[derive(Clone, Copy, Debug)]
pub struct Tile {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub cols: usize,
    /// Elements of k in a group.
    pub group: usize,
    /// Bytes of a group.
    pub group_bytes: usize,
    /// Right panels have a header.
    pub header: bool,
    /// Bytes of a sum.
    pub sum_bytes: usize,
}

/// What is to be multiplied, as far as the plan depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Task {
    /// Rows of the result.
    pub m: usize,
    /// Columns of the result.
    pub n: usize,
    /// Extent of the sum.
    pub k: usize,
    /// A kernel can read the operands where they lie.
    pub direct: bool,
    /// Sums need memory of their own because the output has another type.
    pub own_sums: bool,
    /// Whole vectors of the output are aligned, and its old value does not count.
    pub may_stream: bool,
    /// Threads.
    pub workers: usize,
}

/// A right panel stays in the first-level cache while left panels of up to three times its size pass by.
const RIGHT_PANEL_BYTES: usize = 12 << 10;
/// A task's left panels stay in the second-level cache.
const LEFT_BLOCK_BYTES: usize = 512 << 10;
/// Packed operands of a super-block stay in the third-level cache, as far as that can be.
const PACKED_BYTES: usize = 16 << 20;
/// Ranges of k are packed together up to this: fewer steps for products with a small result.
const TOGETHER_BYTES: usize = 8 << 20;
/// A left operand whose rows lie side by side is not packed for fewer uses of each of its panels than this.
const USES_OF_A_PANEL: usize = 8;
/// Sums of a super-block, where they need memory of their own.
const SUM_EXTENT: usize = 2048;
/// Results larger than this are written past the caches.
const STREAM_BYTES: usize = 24 << 20;
/// Products of at most so many multiplications are not packed.
const DIRECT_WORK: u128 = 80 * 80 * 80;
/// Products of at most so many multiplications stay on one thread.
pub const SERIAL_WORK: u128 = 128 * 128 * 96;
/// Blocks per worker, so that one that is held up does not hold up all.
const BLOCKS_PER_WORKER: usize = 4;

/// The route of a product and the bytes of scratch it needs.
///
/// # Errors
/// [`Error::TooLarge`] when the scratch cannot be addressed.
pub fn plan(task: &Task, tile: &Tile) -> Result<(Route, usize), Error> {
    let &Task { m, n, k, .. } = task;
    if m == 0 || n == 0 || k == 0 {
        return Ok((Route::Scale, 0));
    }
    let range_k = range(k, tile);
    let multiplications = work(m, n, k);
    if task.direct && (multiplications <= DIRECT_WORK || n <= tile.cols / 2) {
        return Ok((Route::InPlace(range_k), 0));
    }
    let workers = if multiplications <= SERIAL_WORK { 1 } else { task.workers.max(1) };
    let groups = range_k.div_ceil(tile.group);
    let left_panel = groups * tile.rows * tile.group_bytes;
    let right_panel = (groups + usize::from(tile.header)) * tile.cols * tile.group_bytes;

    let most = |panel: usize, of: usize| (PACKED_BYTES / panel).max(1).saturating_mul(of);
    let mut super_m = m.min(most(left_panel, tile.rows));
    let mut super_n = n.min(most(right_panel, tile.cols));
    if task.own_sums {
        super_m = super_m.min(SUM_EXTENT / tile.rows * tile.rows);
        super_n = super_n.min(SUM_EXTENT / tile.cols * tile.cols);
    }
    let (down, across) = (super_m.div_ceil(tile.rows), super_n.div_ceil(tile.cols));
    let left_in_place = task.direct && n.div_ceil(tile.cols) < USES_OF_A_PANEL;
    let left_bytes = if left_in_place { 0 } else { down * left_panel };
    let range_bytes = left_bytes + across * right_panel;
    let k_ranges = (TOGETHER_BYTES / range_bytes).clamp(1, k.div_ceil(range_k));

    let mut block_m = evenly(down, (LEFT_BLOCK_BYTES / left_panel).max(1));
    let mut block_n = across;
    if workers > 1 {
        let wanted = BLOCKS_PER_WORKER * workers;
        let n_down = down.div_ceil(block_m);
        block_n = evenly(across, across.div_ceil(wanted.div_ceil(n_down)).max(4));
        let n_across = across.div_ceil(block_n);
        if n_down * n_across < wanted {
            block_m = block_m.min(down.div_ceil(wanted.div_ceil(n_across))).max(1);
        }
    }
    let right_at = k_ranges * left_bytes;
    let sums_at = (right_at + k_ranges * across * right_panel).next_multiple_of(64);
    let sums = if task.own_sums { super_m as u128 * super_n as u128 * tile.sum_bytes as u128 } else { 0 };
    let total = sums_at as u128 + sums;
    let bytes =
        usize::try_from(total).map_err(|_| Error::TooLarge { what: "scratch of a matrix product", count: total })?;
    let stream = task.may_stream && k <= range_k && work(m, n, tile.sum_bytes) > STREAM_BYTES as u128;
    let blocks = Blocks {
        k: range_k,
        k_ranges,
        super_m,
        super_n,
        m: block_m * tile.rows,
        n: block_n * tile.cols,
        left_panel,
        right_panel,
        right_at,
        sums_at,
        left_in_place,
        stream,
    };
    Ok((Route::Blocked(blocks), bytes))
}

/// Multiplications of a product.
pub fn work(m: usize, n: usize, k: usize) -> u128 {
    (m as u128 * n as u128).saturating_mul(k as u128)
}

/// Elements of k summed at a time: equal ranges, each a multiple of the group. Depends on nothing but `k` and the kernel.
fn range(k: usize, tile: &Tile) -> usize {
    let most = RIGHT_PANEL_BYTES / (tile.cols * tile.group_bytes) * tile.group;
    k.div_ceil(k.div_ceil(most)).next_multiple_of(tile.group)
}

/// `n` things in equal parts of at most `most`: the size of a part.
fn evenly(n: usize, most: usize) -> usize {
    n.div_ceil(n.div_ceil(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    const F32: Tile = Tile { rows: 32, cols: 12, group: 1, group_bytes: 4, header: false, sum_bytes: 4 };

    fn task(m: usize, n: usize, k: usize, workers: usize) -> Task {
        Task { m, n, k, direct: true, own_sums: false, may_stream: false, workers }
    }

    #[test]
    fn routes() {
        let route = |m, n, k| plan(&task(m, n, k, 2), &F32).expect("fits").0;
        assert_eq!(route(0, 5, 5), Route::Scale);
        assert_eq!(route(5, 5, 0), Route::Scale);
        assert_eq!(route(64, 64, 64), Route::InPlace(64));
        assert_eq!(route(4096, 2, 4096), Route::InPlace(range(4096, &F32)));
        assert!(matches!(route(256, 256, 256), Route::Blocked(_)));
    }

    #[test]
    fn ranges_of_k_do_not_depend_on_threads() {
        for (m, n, k) in [(64, 64, 4096), (1000, 1000, 1000), (3000, 17, 5000)] {
            let ranges = |workers| match plan(&task(m, n, k, workers), &F32).expect("fits").0 {
                Route::Blocked(blocks) => blocks.k,
                other => panic!("{other:?}"),
            };
            assert!((2..70).all(|workers| ranges(workers) == ranges(1)));
            assert!(ranges(1) * F32.cols * 4 <= RIGHT_PANEL_BYTES);
        }
    }

    #[test]
    fn few_columns_leave_the_left_operand_in_place() {
        let left_in_place = |m, n, k| match plan(&task(m, n, k, 1), &F32).expect("fits") {
            (Route::Blocked(blocks), bytes) => (blocks.left_in_place, blocks.right_at == 0 && bytes < m * k),
            other => panic!("{other:?}"),
        };
        assert_eq!(left_in_place(2000, 64, 2000), (true, true));
        assert_eq!(left_in_place(2000, 2000, 64), (false, false));
    }

    #[test]
    fn work_for_all() {
        for (m, n, k) in [(64, 64, 4096), (1024, 1024, 1024), (4096, 64, 512), (32, 4096, 512)] {
            for workers in [2, 4] {
                let Route::Blocked(blocks) = plan(&task(m, n, k, workers), &F32).expect("fits").0 else { panic!() };
                let n_blocks = m.div_ceil(blocks.m) * n.div_ceil(blocks.n);
                assert!(n_blocks >= 2, "{m}x{n}x{k} on {workers}: {n_blocks} blocks");
            }
        }
    }

    #[test]
    fn too_large() {
        let huge = Task { own_sums: true, ..task(usize::MAX / 2, usize::MAX / 2, 1 << 50, 2) };
        // Super-blocks keep scratch small whatever the extents.
        assert!(plan(&huge, &F32).expect("blocks").1 < 1 << 30);
    }
}
