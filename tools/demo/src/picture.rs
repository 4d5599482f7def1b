//! An RGB image and its PNG file.

use anyhow::{Context, Result};
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

/// An image, row by row from the top.
pub struct Picture {
    width: usize,
    pixels: Vec<[u8; 3]>,
}

impl Picture {
    /// An image of `width` by `height` pixels, each the value of `color` at x and y.
    pub fn from_fn(width: usize, height: usize, color: impl Fn(usize, usize) -> [u8; 3]) -> Self {
        let pixels = (0..width * height).map(|i| color(i % width, i / width)).collect();
        Self { width, pixels }
    }

    /// Writes the PNG file and says so.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        let height = self.pixels.len() / self.width;
        let mut encoder = png::Encoder::new(BufWriter::new(file), self.width as u32, height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header().context("cannot write the picture's header")?;
        writer.write_image_data(self.pixels.as_flattened()).context("cannot write the picture")?;
        writer.finish().context("cannot finish the picture")?;
        println!("wrote {}", path.display());
        Ok(())
    }
}
