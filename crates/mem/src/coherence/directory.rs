//! The protocol in production: a directory of packed atomic words, one per page, and one state byte per page and device.
//!
//! Model. The thread that makes a request drives its transaction to the end: it takes the page's entry into a busy state
//! with one compare-and-swap, takes the steps of the devices that must answer (their states are bytes in the same
//! directory), lets a [`Copies`] move the bytes, and leaves the entry stable. Between the two, every other request for
//! the page waits, as the protocol wants it ("deferred"). Threads of different pages never meet.
//!
//! Order of the bytes: a device's state changes first, so that no new access of it finds its copy usable; then the copy
//! is *revoked*, which waits for accesses under way; then it is written back, before anyone else is granted the page.
//!
//! When a [`Copies`] fails (a disk, say), the transaction goes back: the requester gets nothing, and no copy that was
//! valid is lost.

use super::{
    Access, Answer, DeviceEvent, DeviceId, DeviceSet, DeviceState, HomeState, MAX_DEVICES, Outbox, Reaction, ToDevice,
    ToHome, Unexpected, device_step, home_step,
};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// What moves the bytes of pages and closes devices' access to them. All calls for one page come one after another.
pub trait Copies {
    /// Why bytes could not be moved.
    type Error;

    /// Takes away `device`'s access to its copy, or only its right to write when `keep_reading`; returns when no access is
    /// under way any more.
    ///
    /// # Errors
    /// When the access cannot be taken away; nothing has changed then.
    fn revoke(&self, page: usize, device: DeviceId, keep_reading: bool) -> Result<(), Self::Error>;

    /// Copies `device`'s page to the home.
    ///
    /// # Errors
    /// When the page could not be copied; the device's copy is still the newest.
    fn write_back(&self, page: usize, device: DeviceId) -> Result<(), Self::Error>;

    /// Copies the home's page to `device`.
    ///
    /// # Errors
    /// When the page could not be copied.
    fn fill(&self, page: usize, device: DeviceId) -> Result<(), Self::Error>;

    /// Called when `device` has lost its copy for good: its access was revoked, and its bytes are home if they were newer.
    fn lost(&self, page: usize, device: DeviceId) {
        let _ = (page, device);
    }
}

/// Devices that share one copy, so that there is nothing to move: the directory alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCopies;

impl Copies for NoCopies {
    type Error = std::convert::Infallible;

    fn revoke(&self, _: usize, _: DeviceId, _: bool) -> Result<(), Self::Error> {
        Ok(())
    }

    fn write_back(&self, _: usize, _: DeviceId) -> Result<(), Self::Error> {
        Ok(())
    }

    fn fill(&self, _: usize, _: DeviceId) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// Why an access or an eviction did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CoherenceError<E> {
    /// The caller's fault: no such page.
    #[error("page {page} is outside the directory of {pages} pages")]
    Page {
        /// The page asked for.
        page: usize,
        /// Pages there are.
        pages: usize,
    },
    /// The caller's fault: no such device.
    #[error("{device} is not one of the {devices} devices of the directory")]
    Device {
        /// The device asked for.
        device: DeviceId,
        /// Devices there are.
        devices: usize,
    },
    /// A limit: the directory cannot serve so many devices.
    #[error("a directory serves 1 to {MAX_DEVICES} devices, not {0}")]
    DeviceCount(usize),
    /// The bytes could not be moved.
    #[error("a page could not be moved")]
    Copies(E),
    /// Our bug: see [`Unexpected`].
    #[error(transparent)]
    Protocol(#[from] Unexpected),
}

/// What an access cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The device had what it needed.
    Hit,
    /// The device got the right to write the copy it had.
    Upgraded,
    /// The device got the page.
    Filled,
}

/// The coherence state of a range of pages.
#[derive(Debug)]
pub struct Directory {
    homes: Box<[AtomicU64]>,
    /// By device, then by page.
    copies: Box<[Box<[AtomicU8]>]>,
}

impl Directory {
    /// A directory of `n_pages` pages of which no device has a copy.
    ///
    /// # Errors
    /// When there are no devices or more than [`MAX_DEVICES`].
    pub fn new<E>(n_devices: usize, n_pages: usize) -> Result<Self, CoherenceError<E>> {
        if n_devices == 0 || n_devices > MAX_DEVICES {
            return Err(CoherenceError::DeviceCount(n_devices));
        }
        let idle = pack(HomeState::Idle);
        let homes = (0..n_pages).map(|_| AtomicU64::new(idle)).collect();
        let copies = (0..n_devices).map(|_| (0..n_pages).map(|_| AtomicU8::new(0)).collect()).collect();
        Ok(Self { homes, copies })
    }

    /// Pages in the directory.
    pub fn n_pages(&self) -> usize {
        self.homes.len()
    }

    /// The state of `device`'s copy of `page`; `Invalid` for what the directory does not have.
    pub fn state(&self, device: DeviceId, page: usize) -> DeviceState {
        let byte = self.copies.get(usize::from(device.0)).and_then(|pages| pages.get(page));
        byte.map_or(DeviceState::Invalid, |byte| decode(byte.load(Ordering::Acquire)))
    }

    /// Whether `device` may read `page` now.
    pub fn may_read(&self, device: DeviceId, page: usize) -> bool {
        self.state(device, page).may_read()
    }

    /// Whether `device` may write `page` now.
    pub fn may_write(&self, device: DeviceId, page: usize) -> bool {
        self.state(device, page).may_write()
    }

    /// The directory entry of `page`.
    ///
    /// # Errors
    /// When there is no such page.
    pub fn home<E>(&self, page: usize) -> Result<HomeState, CoherenceError<E>> {
        let word = self.homes.get(page).ok_or(CoherenceError::Page { page, pages: self.n_pages() })?;
        Ok(unpack(word.load(Ordering::Acquire)))
    }

    /// Gets `device` the right to read or write `page`, and the page with it where it has no copy.
    ///
    /// # Errors
    /// When page or device do not exist, or when `copies` fails; then the device has what it had before, or nothing.
    pub fn access<C: Copies>(
        &self,
        device: DeviceId,
        page: usize,
        access: Access,
        copies: &C,
    ) -> Result<Outcome, CoherenceError<C::Error>> {
        let (home, mine) = self.entry(device, page)?;
        loop {
            match step(mine, DeviceEvent::Access(access))? {
                (_, Reaction::Done) => return Ok(Outcome::Hit),
                (_, Reaction::Wait) => pause(),
                (_, Reaction::Send(request)) => {
                    return self.transaction(home, mine, device, page, request, copies);
                }
            }
        }
    }

    /// Takes `device`'s copy of `page` away, bringing it home if the device has written it. Without a copy nothing happens.
    ///
    /// # Errors
    /// When page or device do not exist, or when `copies` fails; then the copy is still there.
    pub fn evict<C: Copies>(&self, device: DeviceId, page: usize, copies: &C) -> Result<(), CoherenceError<C::Error>> {
        let (home, mine) = self.entry(device, page)?;
        // The page's entry is taken first, so that no other transaction asks this device in between: an eviction that
        // crosses an invalidation is legal in the protocol, but here there is no reason to let it happen.
        let before = take(home);
        let put_back = |error| {
            home.store(pack(before), Ordering::Release);
            error
        };
        let (held, message) = match step(mine, DeviceEvent::Evict) {
            Ok((held, Reaction::Send(message))) => (held, message),
            // Nothing to evict, or another thread of the device asks for the page just now: its answer comes after this.
            Ok((_, Reaction::Done | Reaction::Wait)) => {
                home.store(pack(before), Ordering::Release);
                return Ok(());
            }
            Err(error) => return Err(put_back(error.into())),
        };
        if let Err(error) = bring_home(page, device, false, message, copies) {
            mine.store(held as u8, Ordering::Release);
            return Err(put_back(error));
        }
        let state = match home_step(before, device, message) {
            Ok(Answer::Served { state, .. }) => state,
            Ok(Answer::Deferred) => {
                return Err(put_back(Unexpected::AtHome { state: before, from: device, message }.into()));
            }
            Err(error) => return Err(put_back(error.into())),
        };
        let told = step(mine, DeviceEvent::Message(ToDevice::Evicted));
        home.store(pack(state), Ordering::Release);
        told?;
        Ok(())
    }

    fn entry<E>(&self, device: DeviceId, page: usize) -> Result<(&AtomicU64, &AtomicU8), CoherenceError<E>> {
        let devices = self.copies.len();
        let pages = self.n_pages();
        let copies = self.copies.get(usize::from(device.0)).ok_or(CoherenceError::Device { device, devices })?;
        let home = self.homes.get(page).ok_or(CoherenceError::Page { page, pages })?;
        let mine = copies.get(page).ok_or(CoherenceError::Page { page, pages })?;
        Ok((home, mine))
    }

    /// Drives a read or write request from its first message to `Received`.
    fn transaction<C: Copies>(
        &self,
        home: &AtomicU64,
        mine: &AtomicU8,
        device: DeviceId,
        page: usize,
        request: ToHome,
        copies: &C,
    ) -> Result<Outcome, CoherenceError<C::Error>> {
        let (mut state, outbox) = match admit(home, device, request)? {
            Admission::Begun(state, outbox) => (state, outbox),
            Admission::Held(held) => {
                mine.store(held as u8, Ordering::Release);
                return Ok(Outcome::Hit);
            }
        };
        // Whatever goes wrong on the way, the entry must not stay busy: everybody else would wait for ever.
        self.drive((home, mine), (device, page), request, copies, &mut state, outbox)
            .inspect_err(|_| give_up(home, mine, state, device))
    }

    /// The steps of a transaction that has begun; `state` is the entry's, which nobody else changes meanwhile.
    fn drive<C: Copies>(
        &self,
        (home, mine): (&AtomicU64, &AtomicU8),
        (device, page): (DeviceId, usize),
        request: ToHome,
        copies: &C,
        state: &mut HomeState,
        mut outbox: Outbox,
    ) -> Result<Outcome, CoherenceError<C::Error>> {
        loop {
            let (target, grant) = match outbox {
                Outbox { one: Some((to, message)), .. } if to == device => (to, Some(message)),
                Outbox { one: Some((to, _)), .. } => (to, None),
                Outbox { invalidate, .. } => match invalidate.iter().next() {
                    Some(to) => (to, None),
                    // Answers to come are all taken here, one after the other: there is nobody to wait for.
                    None => return Err(Unexpected::AtHome { state: *state, from: device, message: request }.into()),
                },
            };
            if let Some(message) = grant {
                if message.carries_page() {
                    copies.fill(page, device).map_err(CoherenceError::Copies)?;
                }
                step(mine, DeviceEvent::Message(message))?;
                let Answer::Served { state: stable, .. } = home_step(*state, device, ToHome::Received)? else {
                    return Err(Unexpected::AtHome { state: *state, from: device, message: ToHome::Received }.into());
                };
                home.store(pack(stable), Ordering::Release);
                let filled = message.carries_page();
                return Ok(if filled { Outcome::Filled } else { Outcome::Upgraded });
            }
            let command = outbox.one.map_or(ToDevice::Invalidate, |(_, message)| message);
            let answer = self.command(target, page, command, copies)?;
            let rest = outbox.invalidate.without(target);
            let Answer::Served { state: next, outbox: mut more, .. } = home_step(*state, target, answer)? else {
                return Err(Unexpected::AtHome { state: *state, from: target, message: answer }.into());
            };
            more.invalidate = DeviceSet(more.invalidate.0 | rest.0);
            (*state, outbox) = (next, more);
        }
    }

    /// Lets `target` answer a command of the home, its bytes included.
    fn command<C: Copies>(
        &self,
        target: DeviceId,
        page: usize,
        command: ToDevice,
        copies: &C,
    ) -> Result<ToHome, CoherenceError<C::Error>> {
        let (_, theirs) = self.entry(target, page)?;
        let (held, answer) = match step(theirs, DeviceEvent::Message(command))? {
            (held, Reaction::Send(answer)) => (held, answer),
            (state, _) => return Err(Unexpected::AtDevice { state, message: command }.into()),
        };
        bring_home(page, target, command == ToDevice::Downgrade, answer, copies).inspect_err(|_| {
            // The copy stays, unless its device asks for the page already: then it is told that it has it (`admit`).
            let next = device_step(held, DeviceEvent::Message(command)).map_or(held, |(next, _)| next);
            let _ = theirs.compare_exchange(next as u8, held as u8, Ordering::AcqRel, Ordering::Acquire);
        })?;
        Ok(answer)
    }
}

/// Closes a device's access to its copy and copies the page home when the device's `message` says that it is dirty.
fn bring_home<C: Copies>(
    page: usize,
    device: DeviceId,
    keep_reading: bool,
    message: ToHome,
    copies: &C,
) -> Result<(), CoherenceError<C::Error>> {
    copies.revoke(page, device, keep_reading).map_err(CoherenceError::Copies)?;
    if message.carries_page() {
        copies.write_back(page, device).map_err(CoherenceError::Copies)?;
    }
    if !keep_reading {
        copies.lost(page, device);
    }
    Ok(())
}

/// Ends a transaction that cannot be finished: the home keeps those devices that still have valid copies.
fn give_up(home: &AtomicU64, mine: &AtomicU8, state: HomeState, device: DeviceId) {
    let stable = match state {
        HomeState::Reading { owner, .. } => HomeState::Owned(owner),
        // An owner that was asked in vain is still the owner, and the only one that could be asked.
        HomeState::Writing { waiting, upgrade: false, .. } if waiting.0.count_ones() == 1 => {
            waiting.iter().next().map_or(HomeState::Idle, HomeState::Owned)
        }
        HomeState::Writing { waiting, upgrade, requester } => {
            HomeState::Shared(if upgrade { waiting.with(requester) } else { waiting })
        }
        HomeState::Granting { sharers, .. } if !sharers.without(device).is_empty() => {
            HomeState::Shared(sharers.without(device))
        }
        HomeState::Granting { .. } => HomeState::Idle,
        stable => stable,
    };
    let keeps = matches!(stable, HomeState::Shared(sharers) if sharers.contains(device));
    mine.store(if keeps { DeviceState::Shared } else { DeviceState::Invalid } as u8, Ordering::Release);
    home.store(pack(stable), Ordering::Release);
}

/// Takes one step of a device: the state before, and the reaction.
fn step(byte: &AtomicU8, event: DeviceEvent) -> Result<(DeviceState, Reaction), Unexpected> {
    let mut current = byte.load(Ordering::Acquire);
    loop {
        let state = decode(current);
        let (next, reaction) = device_step(state, event)?;
        if next == state {
            return Ok((state, reaction));
        }
        match byte.compare_exchange_weak(current, next as u8, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return Ok((state, reaction)),
            Err(seen) => current = seen,
        }
    }
}

/// How a request begins.
enum Admission {
    /// The home is busy with it, and sends this.
    Begun(HomeState, Outbox),
    /// The home never lost sight of the device's copy: bringing it home failed after the device had given it up.
    Held(DeviceState),
}

/// Takes the home's first step for a request, waiting while another transaction is under way.
fn admit(home: &AtomicU64, from: DeviceId, request: ToHome) -> Result<Admission, Unexpected> {
    let mut current = home.load(Ordering::Acquire);
    loop {
        match unpack(current) {
            HomeState::Owned(owner) if owner == from => return Ok(Admission::Held(DeviceState::Modified)),
            HomeState::Shared(sharers) if sharers.contains(from) && request == ToHome::GetShared => {
                return Ok(Admission::Held(DeviceState::Shared));
            }
            _ => {}
        }
        match home_step(unpack(current), from, request)? {
            Answer::Deferred => {
                pause();
                current = home.load(Ordering::Acquire);
            }
            Answer::Served { state, outbox, .. } => {
                match home.compare_exchange_weak(current, pack(state), Ordering::AcqRel, Ordering::Acquire) {
                    Ok(_) => return Ok(Admission::Begun(state, outbox)),
                    Err(seen) => current = seen,
                }
            }
        }
    }
}

/// Takes a stable entry for a moment: a word that unpacks to a busy state. Returns what it was.
fn take(home: &AtomicU64) -> HomeState {
    loop {
        let current = home.load(Ordering::Acquire);
        let state = unpack(current);
        if state.is_stable() && home.compare_exchange_weak(current, TAKEN, Ordering::AcqRel, Ordering::Acquire).is_ok()
        {
            return state;
        }
        pause();
    }
}

fn pause() {
    std::thread::yield_now();
}

const DEVICE_BITS: u32 = 5;
const DEVICE_MASK: u64 = (1 << DEVICE_BITS) - 1;
const REQUESTER_SHIFT: u32 = 3;
const UPGRADE_SHIFT: u32 = REQUESTER_SHIFT + DEVICE_BITS;
const SET_SHIFT: u32 = 32;
const IDLE: u64 = 0;
const SHARED: u64 = 1;
const OWNED: u64 = 2;
const READING: u64 = 3;
const WRITING: u64 = 4;
const GRANTING: u64 = 5;
/// The word of an entry that an eviction has taken: a grant to a device that will never confirm it.
const TAKEN: u64 = GRANTING | (1 << (UPGRADE_SHIFT + 1));

fn pack(state: HomeState) -> u64 {
    let word = |kind: u64, requester: DeviceId, set: DeviceSet| {
        kind | (u64::from(requester.0) & DEVICE_MASK) << REQUESTER_SHIFT | u64::from(set.0) << SET_SHIFT
    };
    match state {
        HomeState::Idle => IDLE,
        HomeState::Shared(sharers) => word(SHARED, DeviceId(0), sharers),
        HomeState::Owned(owner) => word(OWNED, owner, DeviceSet::EMPTY),
        HomeState::Reading { requester, owner } => word(READING, requester, DeviceSet::of(owner)),
        HomeState::Writing { requester, waiting, upgrade } => {
            word(WRITING, requester, waiting) | u64::from(upgrade) << UPGRADE_SHIFT
        }
        HomeState::Granting { requester, sharers } => word(GRANTING, requester, sharers),
    }
}

fn unpack(word: u64) -> HomeState {
    let requester = DeviceId((word >> REQUESTER_SHIFT & DEVICE_MASK) as u8);
    let set = DeviceSet((word >> SET_SHIFT) as u32);
    match word & 7 {
        SHARED => HomeState::Shared(set),
        OWNED => HomeState::Owned(requester),
        READING => HomeState::Reading { requester, owner: set.iter().next().unwrap_or(requester) },
        WRITING => HomeState::Writing { requester, waiting: set, upgrade: word >> UPGRADE_SHIFT & 1 == 1 },
        GRANTING => HomeState::Granting { requester, sharers: set },
        _ => HomeState::Idle,
    }
}

fn decode(byte: u8) -> DeviceState {
    DeviceState::ALL.get(usize::from(byte)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cell::RefCell;
    use std::sync::Mutex;

    #[test]
    fn every_entry_survives_packing() {
        let (a, b) = (DeviceId(31), DeviceId(7));
        let set = DeviceSet::of(a).with(DeviceId(0));
        for state in [
            HomeState::Idle,
            HomeState::Shared(set),
            HomeState::Owned(a),
            HomeState::Reading { requester: b, owner: a },
            HomeState::Writing { requester: a, waiting: set, upgrade: true },
            HomeState::Writing { requester: b, waiting: set, upgrade: false },
            HomeState::Granting { requester: a, sharers: set },
            HomeState::Granting { requester: a, sharers: DeviceSet::EMPTY },
        ] {
            assert_eq!(unpack(pack(state)), state);
        }
        assert!(!unpack(TAKEN).is_stable());
    }

    #[test]
    fn pages_devices_and_counts_out_of_range_are_refused() {
        type Error = CoherenceError<std::convert::Infallible>;
        assert_eq!(Directory::new(33, 1).unwrap_err(), Error::DeviceCount(33));
        let directory = Directory::new::<std::convert::Infallible>(2, 4).unwrap();
        let error = directory.access(DeviceId(0), 4, Access::Read, &NoCopies).unwrap_err();
        assert_eq!(error.to_string(), "page 4 is outside the directory of 4 pages");
        let error = directory.evict(DeviceId(2), 0, &NoCopies).unwrap_err();
        assert_eq!(error.to_string(), "device 2 is not one of the 2 devices of the directory");
    }

    /// Pages of one number each, with a copy that can be made to fail.
    struct Numbers {
        home: RefCell<Vec<u64>>,
        copies: RefCell<Vec<Vec<u64>>>,
        fails: RefCell<bool>,
    }

    impl Copies for Numbers {
        type Error = &'static str;

        fn revoke(&self, _: usize, _: DeviceId, _: bool) -> Result<(), Self::Error> {
            Ok(())
        }

        fn write_back(&self, page: usize, device: DeviceId) -> Result<(), Self::Error> {
            if *self.fails.borrow() {
                return Err("the disk is gone");
            }
            self.home.borrow_mut()[page] = self.copies.borrow()[usize::from(device.0)][page];
            Ok(())
        }

        fn fill(&self, page: usize, device: DeviceId) -> Result<(), Self::Error> {
            if *self.fails.borrow() {
                return Err("the disk is gone");
            }
            self.copies.borrow_mut()[usize::from(device.0)][page] = self.home.borrow()[page];
            Ok(())
        }
    }

    proptest! {
        /// Reads see the last write, whatever devices do, and with moves that fail now and then.
        #[test]
        fn reads_see_the_last_write(script in prop::collection::vec((0u8..4, 0usize..3, 0u8..3, prop::bool::weighted(0.1)), 1..200)) {
            let numbers = Numbers {
                home: RefCell::new(vec![0; 3]),
                copies: RefCell::new(vec![vec![u64::MAX; 3]; 4]),
                fails: RefCell::new(false),
            };
            let directory = Directory::new::<&str>(4, 3).unwrap();
            let mut expected = [0u64; 3];
            for (time, (device, page, what, fails)) in script.into_iter().enumerate() {
                *numbers.fails.borrow_mut() = fails;
                let device = DeviceId(device);
                match what {
                    0 => if directory.access(device, page, Access::Read, &numbers).is_ok() {
                        prop_assert_eq!(numbers.copies.borrow()[usize::from(device.0)][page], expected[page]);
                    } else {
                        prop_assert!(fails);
                    },
                    1 => if directory.access(device, page, Access::Write, &numbers).is_ok() {
                        prop_assert_eq!(numbers.copies.borrow()[usize::from(device.0)][page], expected[page]);
                        expected[page] = time as u64 + 1;
                        numbers.copies.borrow_mut()[usize::from(device.0)][page] = expected[page];
                    } else {
                        prop_assert!(fails);
                    },
                    _ => prop_assert!(directory.evict(device, page, &numbers).is_ok() || fails),
                }
                for page in 0..3 {
                    prop_assert!(directory.home::<&str>(page).unwrap().is_stable());
                    let readers = (0..4).filter(|&id| directory.may_read(DeviceId(id), page)).count();
                    let writers = (0..4).filter(|&id| directory.may_write(DeviceId(id), page)).count();
                    prop_assert!(writers == 0 || readers == 1);
                }
            }
        }
    }

    /// A page of real bytes per device behind locks: what a device may do is checked at every access.
    struct Locked {
        home: Vec<Mutex<u64>>,
        copies: Vec<Vec<Mutex<u64>>>,
    }

    impl Copies for Locked {
        type Error = std::convert::Infallible;

        fn revoke(&self, _: usize, _: DeviceId, _: bool) -> Result<(), Self::Error> {
            Ok(())
        }

        fn write_back(&self, page: usize, device: DeviceId) -> Result<(), Self::Error> {
            *self.home[page].lock().unwrap() = *self.copies[usize::from(device.0)][page].lock().unwrap();
            Ok(())
        }

        fn fill(&self, page: usize, device: DeviceId) -> Result<(), Self::Error> {
            *self.copies[usize::from(device.0)][page].lock().unwrap() = *self.home[page].lock().unwrap();
            Ok(())
        }
    }

    #[test]
    fn threads_of_four_devices_leave_every_page_consistent() {
        let locked = Locked {
            home: (0..8).map(|_| Mutex::new(5)).collect(),
            copies: (0..4).map(|_| (0..8).map(|_| Mutex::new(0)).collect()).collect(),
        };
        let directory = Directory::new::<std::convert::Infallible>(4, 8).unwrap();
        std::thread::scope(|scope| {
            for id in 0..4u8 {
                let (directory, locked) = (&directory, &locked);
                scope.spawn(move || {
                    let mut seed = u64::from(id) + 1;
                    for _ in 0..20_000 {
                        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                        let page = (seed >> 40) as usize % 8;
                        match seed >> 60 {
                            0..6 => drop(directory.access(DeviceId(id), page, Access::Read, locked).unwrap()),
                            6..12 => drop(directory.access(DeviceId(id), page, Access::Write, locked).unwrap()),
                            _ => directory.evict(DeviceId(id), page, locked).unwrap(),
                        }
                    }
                });
            }
        });
        for page in 0..8 {
            let home = directory.home::<std::convert::Infallible>(page).unwrap();
            let valid: Vec<_> = (0..4).filter(|&id| directory.may_read(DeviceId(id), page)).collect();
            match home {
                HomeState::Idle => assert!(valid.is_empty()),
                HomeState::Owned(owner) => assert_eq!(valid, [owner.0]),
                HomeState::Shared(sharers) => {
                    assert_eq!(valid, sharers.iter().map(|device| device.0).collect::<Vec<_>>());
                }
                busy => panic!("page {page} was left {busy:?}"),
            }
            for id in valid {
                assert_eq!(*locked.copies[usize::from(id)][page].lock().unwrap(), 5, "nobody wrote another value");
            }
        }
    }
}
