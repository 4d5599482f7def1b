//! Devices and sets of devices, small enough to live inside a directory word.

use std::fmt;

/// Devices that one directory can serve: the width of a [`DeviceSet`].
pub const MAX_DEVICES: usize = 32;

/// A device that may hold copies of pages; below [`MAX_DEVICES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(pub u8);

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "device {}", self.0)
    }
}

/// A set of devices, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceSet(pub u32);

impl DeviceSet {
    /// No device.
    pub const EMPTY: Self = Self(0);

    /// The set of one device.
    pub const fn of(device: DeviceId) -> Self {
        Self(1 << device.0)
    }

    /// Whether `device` is in the set.
    pub const fn contains(self, device: DeviceId) -> bool {
        self.0 & Self::of(device).0 != 0
    }

    /// The set with `device`.
    pub const fn with(self, device: DeviceId) -> Self {
        Self(self.0 | Self::of(device).0)
    }

    /// The set without `device`.
    pub const fn without(self, device: DeviceId) -> Self {
        Self(self.0 & !Self::of(device).0)
    }

    /// Whether no device is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The devices, lowest first.
    pub fn iter(self) -> impl Iterator<Item = DeviceId> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let lowest = rest.trailing_zeros();
            rest &= rest.wrapping_sub(1);
            u8::try_from(lowest).ok().filter(|&id| usize::from(id) < MAX_DEVICES).map(DeviceId)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in() {
        let set = DeviceSet::of(DeviceId(3)).with(DeviceId(31)).with(DeviceId(0)).without(DeviceId(3));
        assert_eq!(set.iter().collect::<Vec<_>>(), [DeviceId(0), DeviceId(31)]);
        assert!(set.contains(DeviceId(31)) && !set.contains(DeviceId(3)) && !set.is_empty());
        assert_eq!(DeviceSet::EMPTY.iter().count(), 0);
    }
}
