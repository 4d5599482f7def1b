//! Convolution tiles: sums over a table of offsets instead of packed operands, and the loop over tiles.
//!
//! Two kernels share the innermost loop. One has neighbouring pixels in its vectors and multiplies with the weights of a few
//! channels in turn; the other has channels in its vectors and multiplies with a few pixels in turn. Both leave their
//! tile in a buffer, from which what exists of it is copied to the output.
#![allow(clippy::needless_range_loop, reason = "loops over registers unroll only with constant bounds")]

use super::isa::Isa;
use super::vector::{Lanes, PortableF32, PortableF64, prefetch};
use crate::Pool;

/// A kernel: number of terms, the table of the pixels' offsets, first pixel, distance of pixels, weights, tile.
type Run<T> = unsafe fn(usize, *const isize, *const T, isize, *const T, *mut T);

/// One way to compute a tile. Buffers hold `broadcast` lines of `vector` elements.
pub struct TileKernel<T> {
    /// Pixels (or channels) side by side in vectors.
    pub vector: usize,
    /// Channels (or pixels) taken in turn.
    pub broadcast: usize,
    run: Run<T>,
}

/// Both ways.
pub struct ConvKernels<T: 'static> {
    /// Vectors of pixels, which must lie side by side.
    pub pixels: TileKernel<T>,
    /// Vectors of channels.
    pub channels: TileKernel<T>,
}

/// f32 and f64.
pub trait Convolve: Copy + Default + Send + Sync + std::ops::Add<Output = Self> + PartialOrd + 'static {
    #[doc(hidden)]
    fn kernels(isa: Isa) -> &'static ConvKernels<Self>;
}

/// Largest tile in elements.
const MAX_TILE: usize = 32 * 12;

/// # Safety
/// `k` offsets lead to `NR` pixels `step` apart, or with `PIXELS` to `MV` vectors of pixels; weights are packed `k` times
/// `NR` or `MV` vectors; the tile has room for `MV * NR` vectors; rule 5.
#[inline(always)]
unsafe fn tile<L: Lanes<P = T, Acc = T>, T, const MV: usize, const NR: usize, const PIXELS: bool>(
    k: usize,
    mut offsets: *const isize,
    x: *const T,
    step: isize,
    mut weights: *const T,
    to: *mut T,
) {
    // SAFETY: the caller's promise; the pointers move past the end at most after the last term, and then wrap.
    unsafe {
        let mut acc = [[L::all(L::ZERO); NR]; MV];
        for _ in 0..k {
            let pixels = x.offset(*offsets);
            let (vectors, scalars, apart) = if PIXELS { (pixels, weights, 1) } else { (weights, pixels, step) };
            if !PIXELS {
                for i in 0..MV {
                    prefetch(vectors.wrapping_add((i + 12 * MV) * L::N));
                }
            }
            let rows: [L::V; MV] = std::array::from_fn(|i| L::load(vectors.add(i * L::N)));
            for j in 0..NR {
                let value = L::splat(scalars.offset(j as isize * apart));
                for i in 0..MV {
                    acc[i][j] = L::dot(acc[i][j], rows[i], value);
                }
            }
            offsets = offsets.wrapping_add(1);
            weights = weights.wrapping_add(if PIXELS { NR } else { MV * L::N });
        }
        for j in 0..NR {
            for i in 0..MV {
                L::store_c(to.add((j * MV + i) * L::N), L::N, acc[i][j]);
            }
        }
    }
}

macro_rules! kernels {
    ($name:ident, $feature:literal, $lanes:ty, $t:ty, $mvp:literal x $nrp:literal, $mvc:literal x $nrc:literal) => {
        mod $name {
            use super::*;
            /// # Safety
            /// As [`tile`].
            #[cfg_attr(target_arch = "x86_64", target_feature(enable = $feature))]
            unsafe fn pixels(k: usize, offsets: *const isize, x: *const $t, step: isize, w: *const $t, to: *mut $t) {
                // SAFETY: the caller's promise.
                unsafe { tile::<$lanes, $t, $mvp, $nrp, true>(k, offsets, x, step, w, to) }
            }
            /// # Safety
            /// As [`tile`].
            #[cfg_attr(target_arch = "x86_64", target_feature(enable = $feature))]
            unsafe fn channels(k: usize, offsets: *const isize, x: *const $t, step: isize, w: *const $t, to: *mut $t) {
                // SAFETY: the caller's promise. Neighbours have a copy of their own, with constant addresses.
                unsafe {
                    match step {
                        1 => tile::<$lanes, $t, $mvc, $nrc, false>(k, offsets, x, 1, w, to),
                        step => tile::<$lanes, $t, $mvc, $nrc, false>(k, offsets, x, step, w, to),
                    }
                }
            }
            pub static KERNELS: ConvKernels<$t> = ConvKernels {
                pixels: TileKernel { vector: $mvp * <$lanes>::N, broadcast: $nrp, run: pixels },
                channels: TileKernel { vector: $mvc * <$lanes>::N, broadcast: $nrc, run: channels },
            };
        }
    };
}

kernels!(portable_f32, "sse2", PortableF32, f32, 2 x 4, 2 x 4);
kernels!(portable_f64, "sse2", PortableF64, f64, 2 x 4, 2 x 4);
#[cfg(target_arch = "x86_64")]
use super::vector::x86::{Avx2F32, Avx2F64, Avx512F32, Avx512F64};
#[cfg(target_arch = "x86_64")]
kernels!(avx2_f32, "avx2,fma", Avx2F32, f32, 2 x 6, 2 x 6);
#[cfg(target_arch = "x86_64")]
kernels!(avx2_f64, "avx2,fma", Avx2F64, f64, 2 x 6, 2 x 6);
#[cfg(target_arch = "x86_64")]
kernels!(avx512_f32, "avx512f,avx512bw,avx512dq,avx512vl", Avx512F32, f32, 3 x 8, 2 x 12);
#[cfg(target_arch = "x86_64")]
kernels!(avx512_f64, "avx512f,avx512bw,avx512dq,avx512vl", Avx512F64, f64, 3 x 8, 2 x 12);

macro_rules! convolve {
    ($t:ty, $portable:ident, $avx2:ident, $avx512:ident) => {
        impl Convolve for $t {
            fn kernels(isa: Isa) -> &'static ConvKernels<Self> {
                #[cfg(target_arch = "x86_64")]
                match isa.at_most_detected() {
                    Isa::Avx512 | Isa::Avx512Bf16 => return &$avx512::KERNELS,
                    Isa::Avx2 => return &$avx2::KERNELS,
                    Isa::Portable => {}
                }
                let _ = isa;
                &$portable::KERNELS
            }
        }
    };
}
convolve!(f32, portable_f32, avx2_f32, avx512_f32);
convolve!(f64, portable_f64, avx2_f64, avx512_f64);

/// Where things lie, in elements. Images of the padded input and of the output lie one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    /// Images, groups, lines of pixels per image, pixels per line.
    pub images: usize,
    pub groups: usize,
    pub lines: usize,
    pub pixels: usize,
    /// Distances in the padded input.
    pub image_in: usize,
    pub group_in: usize,
    pub line_in: usize,
    pub pixel_in: usize,
    /// Pixels from one row of the output to the next on a line, and how many of them exist.
    pub row: usize,
    pub cols: usize,
    /// Distances in the output, whose rows have no gaps.
    pub image_out: usize,
    pub channel_out: usize,
    pub pixel_out: usize,
    /// Output channels of a group.
    pub channels: usize,
}

/// A convolution on a padded input with packed weights.
pub struct Job<'a, T> {
    pub places: Places,
    /// The input; behind its end come as many elements as a tile may reach.
    pub x: &'a [T],
    /// For each group and each panel of its channels: all terms, each with the panel's channels side by side.
    pub weights: &'a [T],
    /// From the first to the other pixels that an output pixel depends on.
    pub offsets: &'a [isize],
    pub bias: Option<&'a [T]>,
    /// Vectors are of pixels.
    pub by_pixels: bool,
}

/// The output, which tasks write to in disjoint places (rule 3).
struct Shared<T>(*mut T);
// SAFETY: rule 3.
unsafe impl<T: Send> Sync for Shared<T> {}
impl<T> Shared<T> {
    fn get(&self) -> *mut T {
        self.0
    }
}

/// Computes all tiles.
///
/// # Panics
/// A slice is shorter than the places say: the plan is wrong.
pub fn run<T: Convolve>(job: &Job<'_, T>, isa: Isa, out: &mut [T], pool: &dyn Pool) {
    let p = job.places;
    let kernels = T::kernels(isa);
    let kernel = if job.by_pixels { &kernels.pixels } else { &kernels.channels };
    let (pixels, channels) =
        if job.by_pixels { (kernel.vector, kernel.broadcast) } else { (kernel.broadcast, kernel.vector) };
    let (k, panels, tiles) = (job.offsets.len(), p.channels.div_ceil(channels), p.pixels.div_ceil(pixels));
    if p.images * p.groups * p.lines * tiles * panels == 0 {
        return;
    }
    let farthest = job.offsets.iter().copied().max().unwrap_or(0).unsigned_abs();
    let last = (p.images - 1) * p.image_in + (p.groups - 1) * p.group_in + (p.lines - 1) * p.line_in;
    assert!(!job.by_pixels || p.pixel_in == 1, "vectors of pixels need neighbours");
    assert!(job.offsets.iter().all(|offset| *offset >= 0), "offsets lead forwards");
    assert!(last + farthest + tiles * pixels * p.pixel_in <= job.x.len(), "the input reaches over its last tile");
    assert!(job.weights.len() >= p.groups * panels * k * channels, "weights for all panels");
    let rows = p.lines * ((p.pixels - 1) / p.row + 1);
    let last = (p.images - 1) * p.image_out + (p.groups * p.channels - 1) * p.channel_out;
    assert!(p.cols >= 1 && last + (rows * p.cols - 1) * p.pixel_out < out.len(), "an output for all pixels");
    assert!(job.bias.is_none_or(|bias| bias.len() >= p.groups * p.channels), "a bias for all channels");
    let shared = Shared(out.as_mut_ptr());
    let total = p.images * p.groups * p.lines * tiles;
    let n_tasks = if pool.workers() == 1 { 1 } else { total.min(16 * pool.workers()) };
    pool.run(n_tasks, &|task| {
        let mut buffer = [T::default(); MAX_TILE];
        for idx in task * total / n_tasks..(task + 1) * total / n_tasks {
            let (tile, rest) = (idx % tiles, idx / tiles);
            let (line, rest) = (rest % p.lines, rest / p.lines);
            let (group, image) = (rest % p.groups, rest / p.groups);
            let first = tile * pixels;
            let at = image * p.image_in + group * p.group_in + line * p.line_in + first * p.pixel_in;
            for panel in 0..panels {
                let weights = &job.weights[(group * panels + panel) * k * channels..];
                // SAFETY: rules 1, 2 and 5: the farthest reach in the input was asserted, the weights of a panel are
                // there, and the buffer holds the largest tile.
                unsafe {
                    let x = job.x.as_ptr().add(at);
                    let buffer = buffer.as_mut_ptr();
                    (kernel.run)(k, job.offsets.as_ptr(), x, p.pixel_in as isize, weights.as_ptr(), buffer);
                }
                let n = (pixels.min(p.pixels - first), channels.min(p.channels - panel * channels));
                let place = Place { image, channel: group * p.channels + panel * channels, line, first };
                // SAFETY: rules 2 and 3: the output's largest index was asserted; pixels and channels of different tiles
                // are different.
                unsafe { put(job, &buffer, kernel.vector, place, n, shared.get()) };
            }
        }
    });
}

/// Where a tile begins in the output.
#[derive(Clone, Copy)]
struct Place {
    image: usize,
    channel: usize,
    line: usize,
    first: usize,
}

/// Copies `n` pixels and channels of a tile to where they belong.
///
/// # Safety
/// The output has the pixels and channels that the place and `n` name, and nobody else writes to them.
unsafe fn put<T: Convolve>(
    job: &Job<'_, T>,
    buffer: &[T],
    vector: usize,
    at: Place,
    (pixels, channels): (usize, usize),
    out: *mut T,
) {
    let p = &job.places;
    let bias = |channel: usize| job.bias.map(|bias| bias[at.channel + channel]);
    let mut start = 0;
    while start < pixels {
        // One row of the output at a time; what lies beyond its columns exists on the line only.
        let (row, col) = ((at.first + start) / p.row, (at.first + start) % p.row);
        let end = pixels.min(start + p.row - col);
        let n = (end - start).min(p.cols.saturating_sub(col));
        let to = at.image * p.image_out + ((at.line + row) * p.cols + col) * p.pixel_out + at.channel * p.channel_out;
        // SAFETY: the caller's promise.
        unsafe {
            if job.by_pixels {
                for channel in 0..channels {
                    let from = &buffer[channel * vector + start..][..n];
                    let to = std::slice::from_raw_parts_mut(out.add(to + channel * p.channel_out), n);
                    match bias(channel) {
                        Some(bias) => to.iter_mut().zip(from).for_each(|(to, from)| *to = *from + bias),
                        None => to.copy_from_slice(from),
                    }
                }
            } else {
                for pixel in 0..n {
                    let from = &buffer[(start + pixel) * vector..][..channels];
                    let to = out.add(to + pixel * p.pixel_out);
                    for (channel, value) in from.iter().enumerate() {
                        to.add(channel * p.channel_out).write(bias(channel).map_or(*value, |bias| *value + bias));
                    }
                }
            }
        }
        start = end;
    }
}
