//! The loops around the kernels: packing into panels, blocks as tasks, tiles inside blocks.
//!
//! For each part of the result that a plan calls a super-block, and each range of k that fits its budget: first all
//! panels of both operands are packed, each by one task, then all blocks of the result are computed, each by one task.
//! A task takes its ranges of k in order, so the value of an element depends on the plan's ranges of k alone, and
//! those on the extents alone.

use super::accumulate::{Accumulate, Beta, Output, Place};
use super::kernel::{Kernel, Kernels};
use super::pack::Panel;
use super::tile::Direct;
use crate::gemm::plan::{Route, SERIAL_WORK, Task, Tile, plan, work};
use crate::{Error, Isa, Pool, Scratch, Serial};

/// A matrix whose extents are known from elsewhere.
#[derive(Clone, Copy)]
pub struct Strided<P> {
    pub ptr: P,
    pub row: isize,
    pub col: isize,
}

/// `c = epilogue(alpha * a * b + beta * c)` with extents m, n, k.
pub struct Job<'a, T: Kernels, O> {
    pub m: usize,
    pub n: usize,
    pub k: usize,
    pub a: Strided<*const T>,
    pub b: Strided<*const T>,
    pub c: Strided<*mut O>,
    pub alpha: T::Acc,
    pub beta: Beta<T::Acc>,
    pub conjugate: (bool, bool),
    /// Changes a run of finished elements: first row, column, values down the rows.
    pub epilogue: Option<&'a Epilogue<'a, T::Acc>>,
}

/// See [`Job::epilogue`].
pub type Epilogue<'a, Acc> = dyn Fn(usize, usize, &mut [Acc]) + Sync + 'a;

// SAFETY: the pointers stand for views, of which the input ones are shared and the output one is exclusive (rule 1).
unsafe impl<T: Kernels, O: Send> Sync for Job<'_, T, O> {}

/// Block sizes in elements, and where things lie in scratch, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks {
    /// Elements of k that are summed before the result is touched; a multiple of the group.
    pub k: usize,
    /// Ranges of k that are packed together.
    pub k_ranges: usize,
    /// Extents of a super-block.
    pub super_m: usize,
    pub super_n: usize,
    /// Extents of a task's block, multiples of the tile.
    pub m: usize,
    pub n: usize,
    /// Bytes of one packed left and right panel.
    pub left_panel: usize,
    pub right_panel: usize,
    /// Where right panels and sums of a super-block begin.
    pub right_at: usize,
    pub sums_at: usize,
    /// The left operand is read where it lies; the kernel must be able to.
    pub left_in_place: bool,
    /// Write results past the caches.
    pub stream: bool,
}

/// A pointer that tasks may share; what they write is disjoint (rule 3).
#[derive(Clone, Copy)]
struct Shared<P>(P);
// SAFETY: rule 3.
unsafe impl<P> Send for Shared<P> {}
// SAFETY: rule 3.
unsafe impl<P> Sync for Shared<P> {}
impl<P: Copy> Shared<P> {
    fn get(&self) -> P {
        self.0
    }
}

/// One super-block during one group of ranges of k.
struct Stage<'a, T: Kernels, O> {
    job: &'a Job<'a, T, O>,
    kernel: &'static Kernel<T, <T::Acc as Accumulate>::Out>,
    blocks: &'a Blocks,
    scratch: Shared<*mut u8>,
    /// Rows and columns of the super-block, ranges of k of the group: start and end.
    rows: (usize, usize),
    cols: (usize, usize),
    ranges: (usize, usize),
    last: bool,
}

/// Plans the product and computes it.
///
/// # Errors
/// There is no scratch.
pub(crate) fn run<T: Kernels, O: Output<T::Acc>>(
    job: &Job<'_, T, O>,
    isa: Isa,
    pool: &dyn Pool,
    scratch: &mut Scratch,
) -> Result<(), Error> {
    let kernel = T::kernel(isa.at_most_detected());
    let tile = Tile {
        rows: kernel.rows,
        cols: kernel.cols,
        group: kernel.group,
        group_bytes: kernel.group_bytes,
        header: kernel.header,
        sum_bytes: size_of::<T::Acc>(),
    };
    let aligned = |bytes: usize| bytes.is_multiple_of(64);
    let task = Task {
        m: job.m,
        n: job.n,
        k: job.k,
        direct: O::SAME && kernel.in_place.is_some() && job.a.row == 1 && job.c.row == 1,
        own_sums: !O::SAME,
        may_stream: job.c.row == 1
            && job.beta == Beta::Zero
            && job.epilogue.is_none()
            && aligned(job.c.ptr.addr())
            && aligned(job.c.col.unsigned_abs().wrapping_mul(size_of::<O>())),
        workers: pool.workers(),
    };
    let (route, bytes) = plan(&task, &tile)?;
    let memory = scratch.reserve(bytes)?;
    let serial = work(job.m, job.n, job.k) <= SERIAL_WORK;
    let pool: &dyn Pool = if serial { &Serial } else { pool };
    // SAFETY: the job comes from checked views (rule 1); scratch has what the plan asks for; the kernel's level was
    // detected (rule 5).
    unsafe {
        match route {
            Route::Scale => scale(job),
            Route::InPlace(range_k) => in_place(job, kernel, range_k),
            Route::Blocked(blocks) => blocked(job, kernel, &blocks, pool, memory),
        }
    }
    Ok(())
}

/// The product through packed panels.
///
/// # Safety
/// The job's matrices have its extents (rules 1 and 3); `scratch` is as large as the blocks say; `kernel` is of a level
/// that the processor has.
pub unsafe fn blocked<T: Kernels, O: Output<T::Acc>>(
    job: &Job<'_, T, O>,
    kernel: &'static Kernel<T, <T::Acc as Accumulate>::Out>,
    blocks: &Blocks,
    pool: &dyn Pool,
    scratch: *mut u8,
) {
    let n_ranges = job.k.div_ceil(blocks.k);
    for m in (0..job.m).step_by(blocks.super_m) {
        for n in (0..job.n).step_by(blocks.super_n) {
            for range in (0..n_ranges).step_by(blocks.k_ranges) {
                let ranges = (range, (range + blocks.k_ranges).min(n_ranges));
                let stage = Stage {
                    job,
                    kernel,
                    blocks,
                    scratch: Shared(scratch),
                    rows: (m, (m + blocks.super_m).min(job.m)),
                    cols: (n, (n + blocks.super_n).min(job.n)),
                    ranges,
                    last: ranges.1 == n_ranges,
                };
                // SAFETY: the caller's promise; the two steps do not overlap in time.
                unsafe {
                    stage.pack(pool);
                    stage.multiply(pool);
                }
            }
        }
    }
}

impl<T: Kernels, O: Output<T::Acc>> Stage<'_, T, O> {
    fn panels(&self) -> (usize, usize) {
        let (rows, cols) = (self.rows.1 - self.rows.0, self.cols.1 - self.cols.0);
        (rows.div_ceil(self.kernel.rows), cols.div_ceil(self.kernel.cols))
    }

    fn left_panel(&self, range: usize, panel: usize) -> *mut u8 {
        let idx = (range - self.ranges.0) * self.panels().0 + panel;
        self.scratch.get().wrapping_add(idx * self.blocks.left_panel)
    }

    fn right_panel(&self, range: usize, panel: usize) -> *mut u8 {
        let idx = (range - self.ranges.0) * self.panels().1 + panel;
        self.scratch.get().wrapping_add(self.blocks.right_at + idx * self.blocks.right_panel)
    }

    fn range(&self, range: usize) -> (usize, usize) {
        let start = range * self.blocks.k;
        (start, (start + self.blocks.k).min(self.job.k))
    }

    /// # Safety
    /// As [`blocked`].
    unsafe fn pack(&self, pool: &dyn Pool) {
        let (left, right) = self.panels();
        let left = if self.blocks.left_in_place { 0 } else { left };
        let n_ranges = self.ranges.1 - self.ranges.0;
        let total = (left + right) * n_ranges;
        let n_tasks = if pool.workers() == 1 { 1 } else { total.min(8 * pool.workers()) };
        let one = |idx: usize| {
            let job = self.job;
            let (range, idx) = (self.ranges.0 + idx / (left + right), idx % (left + right));
            let (start, end) = self.range(range);
            // SAFETY: rules 1 to 4; each panel is one index.
            unsafe {
                if idx < left {
                    let row = self.rows.0 + idx * self.kernel.rows;
                    let panel = Panel {
                        from: job.a.ptr.offset(row as isize * job.a.row + start as isize * job.a.col),
                        n: (self.rows.1 - row).min(self.kernel.rows),
                        step: job.a.row,
                        k: end - start,
                        step_k: job.a.col,
                    };
                    (self.kernel.pack_left)(&panel, self.left_panel(range, idx));
                } else {
                    let idx = idx - left;
                    let col = self.cols.0 + idx * self.kernel.cols;
                    let panel = Panel {
                        from: job.b.ptr.offset(col as isize * job.b.col + start as isize * job.b.row),
                        n: (self.cols.1 - col).min(self.kernel.cols),
                        step: job.b.col,
                        k: end - start,
                        step_k: job.b.row,
                    };
                    (self.kernel.pack_right)(&panel, self.right_panel(range, idx));
                }
            }
        };
        let this = Shared(&one);
        pool.run(n_tasks, &|task| {
            let one = this.get();
            (task * total / n_tasks..(task + 1) * total / n_tasks).for_each(one);
        });
    }

    /// # Safety
    /// As [`blocked`]; the panels are packed.
    unsafe fn multiply(&self, pool: &dyn Pool) {
        let down = (self.rows.1 - self.rows.0).div_ceil(self.blocks.m);
        let across = (self.cols.1 - self.cols.0).div_ceil(self.blocks.n);
        let this = Shared(self);
        pool.run(down * across, &|task| {
            let stage = this.get();
            let row = stage.rows.0 + task / across * stage.blocks.m;
            let col = stage.cols.0 + task % across * stage.blocks.n;
            let rows = (row, (row + stage.blocks.m).min(stage.rows.1));
            let cols = (col, (col + stage.blocks.n).min(stage.cols.1));
            // SAFETY: rules 1 to 4; blocks are disjoint.
            unsafe { stage.block(rows, cols) };
        });
    }

    /// Where sums of this super-block are kept, and the distance of their columns, when the output has another type.
    fn sums(&self) -> (*mut T::Acc, isize) {
        let at = self.scratch.get().wrapping_add(self.blocks.sums_at).cast();
        (at, (self.rows.1 - self.rows.0) as isize)
    }

    /// # Safety
    /// As [`blocked`]; no other task has this block.
    unsafe fn block(&self, rows: (usize, usize), cols: (usize, usize)) {
        let (kernel, job) = (self.kernel, self.job);
        for range in self.ranges.0..self.ranges.1 {
            let (start, end) = self.range(range);
            let groups = (end - start).div_ceil(kernel.group);
            for col in (cols.0..cols.1).step_by(kernel.cols) {
                let right = self.right_panel(range, (col - self.cols.0) / kernel.cols);
                for row in (rows.0..rows.1).step_by(kernel.rows) {
                    if let (true, Some(tile)) = (self.blocks.left_in_place, kernel.in_place) {
                        // SAFETY: rules 1 to 4.
                        unsafe {
                            let place = Place {
                                c: element(&job.c, row, col).cast::<T::Acc>(),
                                stride: job.c.col,
                                rows: (rows.1 - row).min(kernel.rows),
                                cols: (cols.1 - col).min(kernel.cols),
                                stream: self.blocks.stream,
                            };
                            let from = Direct {
                                a: job.a.ptr.offset(row as isize + start as isize * job.a.col),
                                a_k: job.a.col,
                                b: right.cast(),
                                b_k: kernel.cols as isize,
                                b_col: 1,
                            };
                            let beta = if range == 0 { job.beta } else { Beta::One };
                            tile(end - start, &from, &T::Acc::out(place, job.alpha, beta, job.conjugate));
                        }
                        continue;
                    }
                    let left = self.left_panel(range, (row - self.rows.0) / kernel.rows);
                    let extents = ((rows.1 - row).min(kernel.rows), (cols.1 - col).min(kernel.cols));
                    // SAFETY: rules 1 to 4.
                    unsafe { self.tile(range == 0, groups, (left, right), (row, col), extents) };
                }
            }
        }
        if self.last && (!O::SAME || job.epilogue.is_some()) {
            // SAFETY: rules 1 to 3.
            unsafe { self.finish(rows, cols) };
        }
        #[cfg(target_arch = "x86_64")]
        if self.blocks.stream {
            // SAFETY: SSE is part of the base target. Stores past the caches become visible before the task counts as done.
            unsafe {
                std::arch::x86_64::_mm_sfence();
            }
        }
    }

    /// # Safety
    /// As [`blocked`].
    unsafe fn tile(
        &self,
        first: bool,
        groups: usize,
        panels: (*const u8, *const u8),
        at: (usize, usize),
        (rows, cols): (usize, usize),
    ) {
        let (job, kernel) = (self.job, self.kernel);
        let later = |beta| if first { beta } else { Beta::One };
        // SAFETY: rules 1 to 4: the tile is inside the output, or in the super-block's sums, or on the stack.
        unsafe {
            if !O::SAME {
                let (sums, stride) = self.sums();
                let c = sums.offset((at.1 - self.cols.0) as isize * stride).add(at.0 - self.rows.0);
                let place = Place { c, stride, rows, cols, stream: false };
                let out = T::Acc::out(place, job.alpha, later(Beta::Zero), job.conjugate);
                return (kernel.packed)(groups, panels.0, panels.1, &out);
            }
            let c = element(&job.c, at.0, at.1).cast::<T::Acc>();
            let beta = later(job.beta);
            if job.c.row == 1 {
                let place = Place { c, stride: job.c.col, rows, cols, stream: self.blocks.stream };
                return (kernel.packed)(
                    groups,
                    panels.0,
                    panels.1,
                    &T::Acc::out(place, job.alpha, beta, job.conjugate),
                );
            }
            let mut sums = [std::mem::MaybeUninit::<T::Acc>::uninit(); MAX_TILE];
            let temporary = sums.as_mut_ptr().cast::<T::Acc>();
            let stride = kernel.rows as isize;
            let place = Place { c: temporary, stride, rows, cols, stream: false };
            (kernel.packed)(groups, panels.0, panels.1, &T::Acc::out(place, job.alpha, Beta::Zero, job.conjugate));
            for j in 0..cols {
                for i in 0..rows {
                    let to = c.offset(i as isize * job.c.row + j as isize * job.c.col);
                    let value = *temporary.offset(j as isize * stride).add(i);
                    to.write(match beta {
                        Beta::Zero => value,
                        beta => T::Acc::combine(beta, *to, value),
                    });
                }
            }
        }
    }

    /// The epilogue, and rounding to the output's type.
    ///
    /// # Safety
    /// As [`blocked`].
    unsafe fn finish(&self, rows: (usize, usize), cols: (usize, usize)) {
        for col in cols.0..cols.1 {
            let n = rows.1 - rows.0;
            // SAFETY: rules 1 to 3.
            unsafe {
                let sums = (!O::SAME).then(|| {
                    let (sums, stride) = self.sums();
                    sums.offset((col - self.cols.0) as isize * stride).add(rows.0 - self.rows.0)
                });
                finish_run(self.job, (rows.0, col), n, sums);
            }
        }
    }
}

/// Largest tile, in elements.
const MAX_TILE: usize = 32 * 12;

/// Elements that an epilogue sees at once where the output's rows are not side by side.
const RUN: usize = 256;

/// # Safety
/// The element is inside.
unsafe fn element<P>(of: &Strided<*mut P>, row: usize, col: usize) -> *mut P {
    // SAFETY: the caller's promise.
    unsafe { of.ptr.offset(row as isize * of.row + col as isize * of.col) }
}

/// Applies the epilogue to `n` rows of a column from `at` on; with `sums`, the values are there and are combined with the
/// output's first.
///
/// # Safety
/// As [`blocked`].
unsafe fn finish_run<T: Kernels, O: Output<T::Acc>>(
    job: &Job<'_, T, O>,
    at: (usize, usize),
    n: usize,
    sums: Option<*mut T::Acc>,
) {
    // SAFETY: rules 1 to 3.
    unsafe {
        if sums.is_none() && job.c.row == 1 {
            let run = std::slice::from_raw_parts_mut(element(&job.c, at.0, at.1).cast::<T::Acc>(), n);
            if let Some(epilogue) = job.epilogue {
                epilogue(at.0, at.1, run);
            }
            return;
        }
        let mut values = [T::Acc::ZERO; RUN];
        for start in (0..n).step_by(RUN) {
            let run = &mut values[..RUN.min(n - start)];
            for (i, value) in run.iter_mut().enumerate() {
                let old = element(&job.c, at.0 + start + i, at.1);
                *value = match (sums, job.beta) {
                    (None, _) => (*old).to_acc(),
                    (Some(sums), Beta::Zero) => *sums.add(start + i),
                    (Some(sums), beta) => T::Acc::combine(beta, (*old).to_acc(), *sums.add(start + i)),
                };
            }
            if let Some(epilogue) = job.epilogue {
                epilogue(at.0 + start, at.1, run);
            }
            for (i, value) in run.iter().enumerate() {
                element(&job.c, at.0 + start + i, at.1).write(O::from_acc(*value));
            }
        }
    }
}

/// No product: `c = epilogue(beta * c)`.
///
/// # Safety
/// As [`blocked`].
pub unsafe fn scale<T: Kernels, O: Output<T::Acc>>(job: &Job<'_, T, O>) {
    for col in 0..job.n {
        for row in 0..job.m {
            // SAFETY: rule 2.
            unsafe {
                let to = element(&job.c, row, col);
                match job.beta {
                    Beta::Zero => to.write(O::from_acc(T::Acc::ZERO)),
                    Beta::One => {}
                    beta => to.write(O::from_acc(T::Acc::combine(beta, (*to).to_acc(), T::Acc::ZERO))),
                }
            }
        }
        if job.epilogue.is_some() {
            // SAFETY: as here.
            unsafe { finish_run(job, (0, col), job.m, None) };
        }
    }
}

/// The product from operands in place, by one thread. The left operand's and the output's rows lie side by side.
///
/// # Safety
/// As [`blocked`]; the kernel is one that works in place.
pub unsafe fn in_place<T: Kernels, O: Output<T::Acc>>(
    job: &Job<'_, T, O>,
    kernel: &'static Kernel<T, <T::Acc as Accumulate>::Out>,
    range_k: usize,
) {
    let Some(tile) = kernel.in_place else { return };
    for start in (0..job.k).step_by(range_k) {
        let k = range_k.min(job.k - start);
        let beta = if start == 0 { job.beta } else { Beta::One };
        for row in (0..job.m).step_by(kernel.rows) {
            for col in (0..job.n).step_by(kernel.cols) {
                // SAFETY: rules 1 to 3.
                unsafe {
                    let place = Place {
                        c: element(&job.c, row, col).cast::<T::Acc>(),
                        stride: job.c.col,
                        rows: (job.m - row).min(kernel.rows),
                        cols: (job.n - col).min(kernel.cols),
                        stream: false,
                    };
                    let from = Direct {
                        a: job.a.ptr.offset(row as isize + start as isize * job.a.col),
                        a_k: job.a.col,
                        b: job.b.ptr.offset(start as isize * job.b.row + col as isize * job.b.col),
                        b_k: job.b.row,
                        b_col: job.b.col,
                    };
                    tile(k, &from, &T::Acc::out(place, job.alpha, beta, job.conjugate));
                }
            }
        }
    }
    if job.epilogue.is_some() {
        for col in 0..job.n {
            // SAFETY: as here.
            unsafe { finish_run(job, (0, col), job.m, None) };
        }
    }
}
