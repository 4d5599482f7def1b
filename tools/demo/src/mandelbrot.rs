//! The Mandelbrot picture, from the kernel's iteration counts.

use crate::picture::Picture;
use anyhow::Result;
use std::path::Path;
use workloads::Data;
use workloads::kernels::MANDEL_MAX_ITERATIONS;

/// Draws the buffers of the mandel workload: two pixels each way become one.
pub fn draw(after: &[Data], path: &Path) -> Result<()> {
    let counts = after[0].i32s();
    let side = counts.len().isqrt();
    let at = |x: usize, y: usize| counts[y * side + x];
    let picture = Picture::from_fn(side / 2, side / 2, |x, y| {
        let four = [at(2 * x, 2 * y), at(2 * x + 1, 2 * y), at(2 * x, 2 * y + 1), at(2 * x + 1, 2 * y + 1)].map(color);
        [0, 1, 2].map(|c| (four.iter().map(|color| color[c]).sum::<f32>() / 4.0 * 255.0) as u8)
    });
    picture.save(path)
}

/// Colours along the logarithm of the count: deep blue far outside, white and gold near the border.
const PALETTE: [[f32; 3]; 6] = [
    [0.01, 0.02, 0.10],
    [0.03, 0.10, 0.35],
    [0.12, 0.42, 0.80],
    [0.93, 0.97, 1.00],
    [1.00, 0.68, 0.05],
    [0.35, 0.08, 0.02],
];

/// Black inside; the palette outside.
fn color(count: i32) -> [f32; 3] {
    if count >= MANDEL_MAX_ITERATIONS {
        return [0.0; 3];
    }
    let t = (1.0 + count as f32).ln() / (1.0 + MANDEL_MAX_ITERATIONS as f32).ln();
    let at = t * (PALETTE.len() - 1) as f32;
    let (low, part) = (at as usize, at.fract());
    let high = (low + 1).min(PALETTE.len() - 1);
    [0, 1, 2].map(|c| PALETTE[low][c] * (1.0 - part) + PALETTE[high][c] * part)
}
