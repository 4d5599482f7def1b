//! The sparse matrix of spmv, which is the graph of bfs: 2^20 rows of 8 to 24 random columns.

use crate::random;

/// Number of rows.
pub(super) const N: usize = 1 << 20;

/// Where each row starts (one more than rows), and the columns.
pub(super) fn make() -> (Vec<i32>, Vec<i32>) {
    let mut starts = Vec::with_capacity(N + 1);
    let mut end = 0i32;
    for row in 0..N {
        starts.push(end);
        end += 8 + (random::bits(11, row as u64) % 17) as i32;
    }
    starts.push(end);
    let columns = random::fill(end as usize, |i| (random::bits(12, i as u64) % N as u64) as i32);
    (starts, columns)
}
