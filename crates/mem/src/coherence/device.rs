//! A device's side of the protocol: the state of its copy of one page, as a pure function of what happens to it.

use super::{ToDevice, ToHome, Unexpected};

/// What a device wants to do with a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// Read it.
    Read,
    /// Read and write it.
    Write,
}

/// A device's copy of a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum DeviceState {
    /// No copy.
    #[default]
    Invalid,
    /// A copy to read; others may have one.
    Shared,
    /// The only copy, same as the home's.
    Exclusive,
    /// The only copy, newer than the home's.
    Modified,
    /// No copy; asked for one to read.
    Reading,
    /// No copy; asked for one to write.
    Writing,
    /// A copy to read; asked for the right to write.
    Upgrading,
    /// Was shared; the eviction is on its way.
    EvictingShared,
    /// Was exclusive; the eviction is on its way.
    EvictingExclusive,
    /// Was modified; the eviction is on its way with the page.
    EvictingModified,
    /// The eviction is on its way, but the copy was asked back before it arrived.
    EvictingInvalid,
}

impl DeviceState {
    /// All states; the index of each is its discriminant.
    pub const ALL: [Self; 11] = [
        Self::Invalid,
        Self::Shared,
        Self::Exclusive,
        Self::Modified,
        Self::Reading,
        Self::Writing,
        Self::Upgrading,
        Self::EvictingShared,
        Self::EvictingExclusive,
        Self::EvictingModified,
        Self::EvictingInvalid,
    ];

    /// Whether the device may read its copy.
    pub const fn may_read(self) -> bool {
        matches!(self, Self::Shared | Self::Exclusive | Self::Modified | Self::Upgrading)
    }

    /// Whether the device may write its copy without a word to anybody but its own state.
    pub const fn may_write(self) -> bool {
        matches!(self, Self::Exclusive | Self::Modified)
    }

    /// Whether the device waits for nothing.
    pub const fn is_stable(self) -> bool {
        matches!(self, Self::Invalid | Self::Shared | Self::Exclusive | Self::Modified)
    }
}

/// What happens to a device's copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeviceEvent {
    /// The device wants to read or write.
    Access(Access),
    /// The device wants the copy's memory back.
    Evict,
    /// The home says something.
    Message(ToDevice),
}

/// What a device does about an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reaction {
    /// Nothing further: an access may proceed, an eviction had nothing to evict, a message is dealt with.
    Done,
    /// Send this to the home.
    Send(ToHome),
    /// The device already waits for the home: ask again when it has answered.
    Wait,
}

/// The next state of a device's copy, and what the device does.
///
/// # Errors
/// [`Unexpected`] for a message that the protocol does not produce in this state.
pub fn device_step(state: DeviceState, event: DeviceEvent) -> Result<(DeviceState, Reaction), Unexpected> {
    match event {
        DeviceEvent::Access(Access::Read) => Ok(read(state)),
        DeviceEvent::Access(Access::Write) => Ok(write(state)),
        DeviceEvent::Evict => Ok(evict(state)),
        DeviceEvent::Message(message) => hear(state, message).ok_or(Unexpected::AtDevice { state, message }),
    }
}

fn read(state: DeviceState) -> (DeviceState, Reaction) {
    match state {
        DeviceState::Shared | DeviceState::Exclusive | DeviceState::Modified => (state, Reaction::Done),
        DeviceState::Invalid => (DeviceState::Reading, Reaction::Send(ToHome::GetShared)),
        _ => (state, Reaction::Wait),
    }
}

fn write(state: DeviceState) -> (DeviceState, Reaction) {
    match state {
        DeviceState::Exclusive | DeviceState::Modified => (DeviceState::Modified, Reaction::Done),
        DeviceState::Shared => (DeviceState::Upgrading, Reaction::Send(ToHome::GetModified)),
        DeviceState::Invalid => (DeviceState::Writing, Reaction::Send(ToHome::GetModified)),
        _ => (state, Reaction::Wait),
    }
}

fn evict(state: DeviceState) -> (DeviceState, Reaction) {
    let clean = Reaction::Send(ToHome::Evict { dirty: false });
    match state {
        DeviceState::Invalid => (state, Reaction::Done),
        DeviceState::Shared => (DeviceState::EvictingShared, clean),
        DeviceState::Exclusive => (DeviceState::EvictingExclusive, clean),
        DeviceState::Modified => (DeviceState::EvictingModified, Reaction::Send(ToHome::Evict { dirty: true })),
        _ => (state, Reaction::Wait),
    }
}

fn hear(state: DeviceState, message: ToDevice) -> Option<(DeviceState, Reaction)> {
    use DeviceState as S;
    use ToDevice as M;
    let invalidated = |dirty| Reaction::Send(ToHome::Invalidated { dirty });
    let downgraded = |dirty| Reaction::Send(ToHome::Downgraded { dirty });
    let received = Reaction::Send(ToHome::Received);
    Some(match (state, message) {
        (S::Reading, M::GrantShared) => (S::Shared, received),
        (S::Reading, M::GrantExclusive) => (S::Exclusive, received),
        (S::Writing, M::GrantModified) | (S::Upgrading, M::GrantUpgrade) => (S::Modified, received),

        (S::Shared | S::Exclusive, M::Invalidate) => (S::Invalid, invalidated(false)),
        (S::Modified, M::Invalidate) => (S::Invalid, invalidated(true)),
        // Another device's write was served first; this device's own request goes on without a copy.
        (S::Upgrading, M::Invalidate) => (S::Writing, invalidated(false)),
        (S::EvictingShared | S::EvictingExclusive, M::Invalidate) => (S::EvictingInvalid, invalidated(false)),
        (S::EvictingModified, M::Invalidate) => (S::EvictingInvalid, invalidated(true)),

        (S::Exclusive, M::Downgrade) => (S::Shared, downgraded(false)),
        (S::Modified, M::Downgrade) => (S::Shared, downgraded(true)),
        (S::EvictingExclusive, M::Downgrade) => (S::EvictingShared, downgraded(false)),
        (S::EvictingModified, M::Downgrade) => (S::EvictingShared, downgraded(true)),

        (S::EvictingShared | S::EvictingExclusive | S::EvictingModified | S::EvictingInvalid, M::Evicted) => {
            (S::Invalid, Reaction::Done)
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_numbered_as_listed() {
        for (idx, state) in DeviceState::ALL.into_iter().enumerate() {
            assert_eq!(state as usize, idx);
        }
    }

    #[test]
    fn an_access_that_is_done_leaves_a_state_that_allows_it() {
        for state in DeviceState::ALL {
            let (next, reaction) = device_step(state, DeviceEvent::Access(Access::Read)).unwrap();
            assert!(reaction != Reaction::Done || next.may_read(), "{state:?}");
            let (next, reaction) = device_step(state, DeviceEvent::Access(Access::Write)).unwrap();
            assert!(reaction != Reaction::Done || next == DeviceState::Modified, "{state:?}");
        }
    }

    #[test]
    fn a_copy_that_was_not_granted_exclusively_cannot_be_downgraded() {
        let error = device_step(DeviceState::Shared, DeviceEvent::Message(ToDevice::Downgrade)).unwrap_err();
        assert_eq!(error.to_string(), "a device in state Shared got Downgrade");
    }
}
