//! What the market counts in: credits, ids, ticks. All integers, so that sums are exact and a replay gives the same bits.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};

/// Money, in millionths of a credit.
///
/// Amounts are far from the ends of `i64`: [`crate::Config::check`] bounds every product of price and quantity, and the
/// market refuses to hold more than [`Credits::MAX_TOTAL`] in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Credits(pub i64);

impl Credits {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// One credit.
    pub const ONE: Self = Self(1_000_000);
    /// The most that all tenants together may hold.
    pub const MAX_TOTAL: Self = Self(1 << 61);

    /// A whole number of credits.
    pub const fn whole(credits: i32) -> Self {
        Self(credits as i64 * Self::ONE.0)
    }

    /// This price for `quantity` units.
    #[must_use]
    pub const fn times(self, quantity: u32) -> Self {
        Self(self.0 * quantity as i64)
    }

    /// As a floating-point number of credits, for display and statistics only.
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / Self::ONE.0 as f64
    }
}

impl Add for Credits {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sub for Credits {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Neg for Credits {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl AddAssign for Credits {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl SubAssign for Credits {
    fn sub_assign(&mut self, other: Self) {
        self.0 -= other.0;
    }
}

impl Sum for Credits {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        Self(amounts.map(|amount| amount.0).sum())
    }
}

impl fmt::Display for Credits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, size) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        let (whole, part) = (size / 1_000_000, size % 1_000_000);
        if part == 0 {
            return write!(f, "{sign}{whole}");
        }
        let digits = format!("{part:06}");
        write!(f, "{sign}{whole}.{}", digits.trim_end_matches('0'))
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty), $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl $name {
            /// As an index.
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    };
}

id! {
    /// A tenant; numbers are given in order of opening and never used again.
    TenantId(u32), "tenant "
}
id! {
    /// A resource: its place in [`crate::Config::resources`].
    ResourceId(u16), "resource "
}
id! {
    /// A stretch of time for which shares are cleared. Epoch 0 runs until the first clearing.
    Epoch(u32), "epoch "
}
id! {
    /// An order that rests in a book or waits: slot number and generation, so that a stale id never means a newer order.
    OrderId(u64), "order "
}
id! {
    /// A step of a price ladder: 0 is the price floor, `N_TICKS - 1` the ceiling.
    Tick(u16), "tick "
}

/// Steps of every price ladder.
pub const N_TICKS: usize = 4096;

impl Tick {
    /// The price floor.
    pub const FLOOR: Self = Self(0);
    /// The price ceiling.
    pub const CEILING: Self = Self(N_TICKS as u16 - 1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credits_print_as_decimals() {
        assert_eq!(Credits(0).to_string(), "0");
        assert_eq!(Credits(5_000_000).to_string(), "5");
        assert_eq!(Credits(-1_250_000).to_string(), "-1.25");
        assert_eq!(Credits(1).to_string(), "0.000001");
        assert_eq!(Credits::whole(1000).times(3), Credits(3_000_000_000));
    }
}
