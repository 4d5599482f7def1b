//! What devices and the home of a page say to each other, and the error of a message that the protocol cannot produce.

use super::{DeviceId, DeviceState, HomeState};

/// From a device to the page's home.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ToHome {
    /// Asks for a copy to read.
    GetShared,
    /// Asks for the right to write, and for a copy unless the device still has one.
    GetModified,
    /// Gives a copy up. `dirty`: the message carries the page, which the device has written.
    Evict {
        /// The device has written the page.
        dirty: bool,
    },
    /// Answers [`ToDevice::Invalidate`]. `dirty`: the message carries the page.
    Invalidated {
        /// The device has written the page.
        dirty: bool,
    },
    /// Answers [`ToDevice::Downgrade`]. `dirty`: the message carries the page.
    Downgraded {
        /// The device has written the page.
        dirty: bool,
    },
    /// The grant has arrived: the transaction is over.
    Received,
}

impl ToHome {
    /// Whether the sender's page travels with the message.
    pub const fn carries_page(self) -> bool {
        matches!(
            self,
            Self::Evict { dirty: true } | Self::Invalidated { dirty: true } | Self::Downgraded { dirty: true }
        )
    }

    /// Whether the message starts a transaction, so that a busy home defers it.
    pub const fn is_request(self) -> bool {
        matches!(self, Self::GetShared | Self::GetModified | Self::Evict { .. })
    }
}

/// From the page's home to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ToDevice {
    /// A copy to read, with the page.
    GrantShared,
    /// The only copy, clean, with the page.
    GrantExclusive,
    /// The only copy, to write, with the page.
    GrantModified,
    /// The right to write the copy that the device has.
    GrantUpgrade,
    /// Give up your copy.
    Invalidate,
    /// Keep your copy but only read it.
    Downgrade,
    /// The eviction is recorded.
    Evicted,
}

impl ToDevice {
    /// Whether the home's page travels with the message.
    pub const fn carries_page(self) -> bool {
        matches!(self, Self::GrantShared | Self::GrantExclusive | Self::GrantModified)
    }
}

/// A message in a state in which the protocol never produces it: our bug, or a corrupted directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unexpected {
    /// The home got it.
    #[error("the home in state {state:?} got {message:?} from {from}")]
    AtHome {
        /// State of the home.
        state: HomeState,
        /// Sender.
        from: DeviceId,
        /// The message.
        message: ToHome,
    },
    /// A device got it.
    #[error("a device in state {state:?} got {message:?}")]
    AtDevice {
        /// State of the device.
        state: DeviceState,
        /// The message.
        message: ToDevice,
    },
}
