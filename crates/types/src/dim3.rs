//! A three-dimensional extent or position: grid, block, or an index in one of them.

use std::fmt;

/// Extent or index along x, y and z; x varies fastest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Dim3 {
    /// Fastest-varying dimension.
    pub x: u32,
    /// Middle dimension.
    pub y: u32,
    /// Slowest-varying dimension.
    pub z: u32,
}

impl Dim3 {
    /// An extent of `x` by `y` by `z`.
    pub const fn new(x: u32, y: u32, z: u32) -> Self {
        Self { x, y, z }
    }

    /// Number of points: `x * y * z`. Cannot overflow a `u128`; grids within CUDA's limits fit a `u64`.
    pub const fn volume(self) -> u128 {
        self.x as u128 * self.y as u128 * self.z as u128
    }

    /// The position with linear index `linear`, x fastest. `self` is the extent; all dimensions are at least 1.
    pub const fn position(self, linear: u64) -> Self {
        let x = self.x as u64;
        let y = self.y as u64;
        Self::new((linear % x) as u32, (linear / x % y) as u32, (linear / x / y) as u32)
    }
}

impl From<u32> for Dim3 {
    fn from(x: u32) -> Self {
        Self::new(x, 1, 1)
    }
}

impl From<(u32, u32)> for Dim3 {
    fn from((x, y): (u32, u32)) -> Self {
        Self::new(x, y, 1)
    }
}

impl From<(u32, u32, u32)> for Dim3 {
    fn from((x, y, z): (u32, u32, u32)) -> Self {
        Self::new(x, y, z)
    }
}

impl fmt::Display for Dim3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}, {}, {})", self.x, self.y, self.z)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn position_is_x_fastest() {
        let extent = Dim3::new(3, 4, 5);
        let mut linear = 0;
        for z in 0..5 {
            for y in 0..4 {
                for x in 0..3 {
                    assert_eq!(extent.position(linear), Dim3::new(x, y, z));
                    linear += 1;
                }
            }
        }
        assert_eq!(u128::from(linear), extent.volume());
    }
}
