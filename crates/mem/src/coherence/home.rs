//! The home's side of the protocol: the directory entry of one page, as a pure function of the messages it gets.
//!
//! Between a request and the requester's `Received` the entry is in one of the busy states, which say what the home
//! still waits for. A busy home defers requests; answers are always served.

use super::{DeviceId, DeviceSet, ToDevice, ToHome, Unexpected};

/// The directory entry of a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HomeState {
    /// No device has a copy.
    #[default]
    Idle,
    /// These devices have copies to read; never empty.
    Shared(DeviceSet),
    /// One device has the only copy and may have written it.
    Owned(DeviceId),
    /// Busy: `requester` wants to read, and `owner` was asked to downgrade.
    Reading {
        /// Whom the copy is for.
        requester: DeviceId,
        /// Who has the page.
        owner: DeviceId,
    },
    /// Busy: `requester` wants to write, and `waiting` were asked to give up their copies; never empty.
    Writing {
        /// Whom the copy is for.
        requester: DeviceId,
        /// Who has not answered yet.
        waiting: DeviceSet,
        /// The requester has a valid copy and needs only the right to write.
        upgrade: bool,
    },
    /// Busy: `requester` was granted a copy and has not confirmed it. Then `sharers` have copies to read, or, when
    /// empty, the requester owns the page.
    Granting {
        /// Who has to confirm.
        requester: DeviceId,
        /// Who shares the page afterwards; empty: the requester owns it.
        sharers: DeviceSet,
    },
}

impl HomeState {
    /// Whether no transaction is under way.
    pub const fn is_stable(self) -> bool {
        matches!(self, Self::Idle | Self::Shared(_) | Self::Owned(_))
    }
}

/// Messages the home sends in one step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Outbox {
    /// [`ToDevice::Invalidate`] to each of these.
    pub invalidate: DeviceSet,
    /// This to that device.
    pub one: Option<(DeviceId, ToDevice)>,
}

/// What the home does about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// The message is served.
    Served {
        /// The entry's next state.
        state: HomeState,
        /// What to send.
        outbox: Outbox,
        /// Whether the page that came with the message becomes the home's copy.
        keep_page: bool,
    },
    /// A transaction is under way: serve the message later.
    Deferred,
}

/// The home's answer to `message` from `from`.
///
/// # Errors
/// [`Unexpected`] for a message that the protocol does not produce in this state.
pub fn home_step(state: HomeState, from: DeviceId, message: ToHome) -> Result<Answer, Unexpected> {
    if message.is_request() && !state.is_stable() {
        return Ok(Answer::Deferred);
    }
    let served = match message {
        ToHome::GetShared => get_shared(state, from),
        ToHome::GetModified => get_modified(state, from),
        ToHome::Evict { dirty } => Some(evict(state, from, dirty)),
        ToHome::Invalidated { dirty } => invalidated(state, from, dirty),
        ToHome::Downgraded { dirty } => downgraded(state, from, dirty),
        ToHome::Received => received(state, from),
    };
    served.ok_or(Unexpected::AtHome { state, from, message })
}

fn reply(state: HomeState, to: DeviceId, message: ToDevice) -> Answer {
    Answer::Served { state, outbox: Outbox { one: Some((to, message)), ..Outbox::default() }, keep_page: false }
}

fn get_shared(state: HomeState, from: DeviceId) -> Option<Answer> {
    Some(match state {
        HomeState::Idle => {
            let granting = HomeState::Granting { requester: from, sharers: DeviceSet::EMPTY };
            reply(granting, from, ToDevice::GrantExclusive)
        }
        HomeState::Shared(sharers) if !sharers.contains(from) => {
            reply(HomeState::Granting { requester: from, sharers: sharers.with(from) }, from, ToDevice::GrantShared)
        }
        HomeState::Owned(owner) if owner != from => {
            reply(HomeState::Reading { requester: from, owner }, owner, ToDevice::Downgrade)
        }
        _ => return None,
    })
}

fn get_modified(state: HomeState, from: DeviceId) -> Option<Answer> {
    let (waiting, upgrade) = match state {
        HomeState::Idle => (DeviceSet::EMPTY, false),
        HomeState::Shared(sharers) => (sharers.without(from), sharers.contains(from)),
        HomeState::Owned(owner) if owner != from => (DeviceSet::of(owner), false),
        _ => return None,
    };
    if waiting.is_empty() {
        return Some(grant_write(from, upgrade));
    }
    let state = HomeState::Writing { requester: from, waiting, upgrade };
    Some(Answer::Served { state, outbox: Outbox { invalidate: waiting, one: None }, keep_page: false })
}

fn grant_write(requester: DeviceId, upgrade: bool) -> Answer {
    let message = if upgrade { ToDevice::GrantUpgrade } else { ToDevice::GrantModified };
    reply(HomeState::Granting { requester, sharers: DeviceSet::EMPTY }, requester, message)
}

fn evict(state: HomeState, from: DeviceId, dirty: bool) -> Answer {
    let (state, keep_page) = match state {
        HomeState::Owned(owner) if owner == from => (HomeState::Idle, dirty),
        // Downgraded while the eviction was under way: the page came back with that answer already.
        HomeState::Shared(sharers) if sharers.without(from).is_empty() => (HomeState::Idle, false),
        HomeState::Shared(sharers) => (HomeState::Shared(sharers.without(from)), false),
        // Invalidated while the eviction was under way.
        _ => (state, false),
    };
    let outbox = Outbox { one: Some((from, ToDevice::Evicted)), ..Outbox::default() };
    Answer::Served { state, outbox, keep_page }
}

fn invalidated(state: HomeState, from: DeviceId, dirty: bool) -> Option<Answer> {
    let HomeState::Writing { requester, waiting, upgrade } = state else { return None };
    if !waiting.contains(from) {
        return None;
    }
    let waiting = waiting.without(from);
    let answer = if waiting.is_empty() {
        grant_write(requester, upgrade)
    } else {
        let state = HomeState::Writing { requester, waiting, upgrade };
        Answer::Served { state, outbox: Outbox::default(), keep_page: false }
    };
    Some(keeping(answer, dirty))
}

fn downgraded(state: HomeState, from: DeviceId, dirty: bool) -> Option<Answer> {
    match state {
        HomeState::Reading { requester, owner } if owner == from => {
            let sharers = DeviceSet::of(owner).with(requester);
            Some(keeping(reply(HomeState::Granting { requester, sharers }, requester, ToDevice::GrantShared), dirty))
        }
        _ => None,
    }
}

fn received(state: HomeState, from: DeviceId) -> Option<Answer> {
    match state {
        HomeState::Granting { requester, sharers } if requester == from => {
            let state = if sharers.is_empty() { HomeState::Owned(requester) } else { HomeState::Shared(sharers) };
            Some(Answer::Served { state, outbox: Outbox::default(), keep_page: false })
        }
        _ => None,
    }
}

fn keeping(answer: Answer, page: bool) -> Answer {
    match answer {
        Answer::Served { state, outbox, .. } => Answer::Served { state, outbox, keep_page: page },
        Answer::Deferred => Answer::Deferred,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: DeviceId = DeviceId(0);
    const B: DeviceId = DeviceId(1);

    #[test]
    fn a_lone_reader_gets_the_page_exclusively() {
        let answer = home_step(HomeState::Idle, A, ToHome::GetShared).unwrap();
        let granting = HomeState::Granting { requester: A, sharers: DeviceSet::EMPTY };
        assert_eq!(answer, reply(granting, A, ToDevice::GrantExclusive));
    }

    #[test]
    fn a_busy_home_defers_requests_and_refuses_answers_it_did_not_ask_for() {
        let busy = HomeState::Granting { requester: A, sharers: DeviceSet::EMPTY };
        assert_eq!(home_step(busy, B, ToHome::GetModified).unwrap(), Answer::Deferred);
        assert!(home_step(busy, B, ToHome::Received).is_err());
        assert!(home_step(HomeState::Idle, B, ToHome::Invalidated { dirty: true }).is_err());
    }

    #[test]
    fn the_page_of_a_late_eviction_is_not_kept() {
        let answer = home_step(HomeState::Owned(B), A, ToHome::Evict { dirty: true }).unwrap();
        let Answer::Served { state, keep_page, .. } = answer else { panic!("an eviction was deferred") };
        assert_eq!((state, keep_page), (HomeState::Owned(B), false));
    }
}
