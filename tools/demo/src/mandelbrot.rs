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

/// Black inside; outside, a palette over the logarithm of the count.
fn color(count: i32) -> [f32; 3] {
    if count >= MANDEL_MAX_ITERATIONS {
        return [0.0; 3];
    }
    let t = (1.0 + count as f32).ln() / (1.0 + MANDEL_MAX_ITERATIONS as f32).ln();
    [(0.10, 0.55), (0.25, 0.70), (0.55, 0.95)].map(|(phase, height): (f32, f32)| {
        let wave = 0.5 - 0.5 * (std::f32::consts::TAU * (1.5 * t + phase)).cos();
        height * wave * t.sqrt() + (1.0 - height) * t
    })
}
