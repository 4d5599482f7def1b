//! The coherence protocol under a model checker: every interleaving of accesses, evictions and messages, which may
//! arrive in any order, on one page (pages do not influence each other).
//!
//! The model runs the production step functions and adds only what they act on: a network, and for each copy of the page
//! one bit, whether it is the newest version. That bit loses nothing: a write makes the writer's copy the newest and
//! every other one old, and the property asks only whether an old one is ever read or lost.
//!
//! Properties: a single writer or several readers; a device that may read has the newest version; when all is quiet the
//! newest version exists; no message arrives where it is not expected; no state in which devices wait and nothing can
//! move. Device counts above three use the symmetry between devices.

use stateright::{Checker, Model, Property};
use vgpu_mem::coherence::{
    Access, Answer, DeviceEvent, DeviceId, DeviceState, HomeState, Reaction, ToDevice, ToHome, Unexpected, device_step,
    home_step,
};
use vgpu_mem::coherence::{DeviceSet, Outbox};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Envelope {
    Home { from: DeviceId, message: ToHome, newest: bool },
    Device { to: DeviceId, message: ToDevice, newest: bool },
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Copy {
    state: DeviceState,
    newest: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct System {
    home: HomeState,
    home_newest: bool,
    devices: Vec<Copy>,
    /// A multiset: kept sorted, delivered in any order.
    network: Vec<Envelope>,
    unexpected: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Action {
    Local(DeviceId, DeviceEvent),
    Deliver(Envelope),
}

struct Protocol {
    devices: u8,
}

impl System {
    fn copy(&mut self, device: DeviceId) -> &mut Copy {
        &mut self.devices[usize::from(device.0)]
    }

    fn send(&mut self, envelope: Envelope) {
        let at = self.network.binary_search(&envelope).unwrap_or_else(|at| at);
        self.network.insert(at, envelope);
    }

    fn note(&mut self, error: &Unexpected) {
        println!("{error}");
        self.unexpected = true;
    }

    fn device(&mut self, device: DeviceId, event: DeviceEvent, newest: bool) {
        let before = self.copy(device).clone();
        let (state, reaction) = match device_step(before.state, event) {
            Ok(next) => next,
            Err(error) => return self.note(&error),
        };
        self.copy(device).state = state;
        if matches!(event, DeviceEvent::Message(message) if message.carries_page()) {
            self.copy(device).newest = newest;
        }
        if let Reaction::Send(message) = reaction {
            self.send(Envelope::Home { from: device, message, newest: message.carries_page() && before.newest });
        }
        if reaction == Reaction::Done && event == DeviceEvent::Access(Access::Write) {
            self.home_newest = false;
            for copy in &mut self.devices {
                copy.newest = false;
            }
            for envelope in &mut self.network {
                match envelope {
                    Envelope::Home { newest, .. } | Envelope::Device { newest, .. } => *newest = false,
                }
            }
            self.network.sort();
            self.copy(device).newest = true;
        }
        if state == DeviceState::Invalid || state == DeviceState::EvictingInvalid || state == DeviceState::Writing {
            self.copy(device).newest = false;
        }
    }

    fn home(&mut self, from: DeviceId, message: ToHome, newest: bool) {
        match home_step(self.home, from, message) {
            Err(error) => self.note(&error),
            Ok(Answer::Deferred) => panic!("a deferred message was delivered"),
            Ok(Answer::Served { state, outbox: Outbox { invalidate, one }, keep_page }) => {
                self.home = state;
                if keep_page {
                    self.home_newest = newest;
                }
                for to in invalidate.iter() {
                    self.send(Envelope::Device { to, message: ToDevice::Invalidate, newest: false });
                }
                if let Some((to, message)) = one {
                    let newest = message.carries_page() && self.home_newest;
                    self.send(Envelope::Device { to, message, newest });
                }
            }
        }
    }

    fn deliverable(&self, envelope: &Envelope) -> bool {
        match envelope {
            Envelope::Home { from, message, .. } => {
                !matches!(home_step(self.home, *from, *message), Ok(Answer::Deferred))
            }
            Envelope::Device { .. } => true,
        }
    }

    /// The same system with its devices renamed so that equivalent systems become equal.
    fn representative(&self) -> Self {
        let mut order: Vec<u8> = (0..self.devices.len() as u8).collect();
        let key = |id: u8| {
            let device = DeviceId(id);
            let mine: Vec<_> = self
                .network
                .iter()
                .filter_map(|envelope| match envelope {
                    Envelope::Home { from, message, newest } if *from == device => {
                        Some((Some(*message), None, *newest))
                    }
                    Envelope::Device { to, message, newest } if *to == device => Some((None, Some(*message), *newest)),
                    _ => None,
                })
                .collect();
            let role = match self.home {
                HomeState::Idle => [false; 3],
                HomeState::Shared(set) => [set.contains(device), false, false],
                HomeState::Owned(owner) => [owner == device, false, false],
                HomeState::Reading { requester, owner } => [owner == device, requester == device, false],
                HomeState::Writing { requester, waiting, .. } => [waiting.contains(device), requester == device, false],
                HomeState::Granting { requester, sharers } => [sharers.contains(device), requester == device, true],
            };
            (self.devices[usize::from(id)].clone(), role, mine)
        };
        order.sort_by_cached_key(|&id| key(id));
        let mut names = vec![DeviceId(0); order.len()];
        for (new, &old) in order.iter().enumerate() {
            names[usize::from(old)] = DeviceId(new as u8);
        }
        let name = |device: DeviceId| names[usize::from(device.0)];
        let set = |old: DeviceSet| old.iter().fold(DeviceSet::EMPTY, |set, device| set.with(name(device)));
        let home = match self.home {
            HomeState::Idle => HomeState::Idle,
            HomeState::Shared(sharers) => HomeState::Shared(set(sharers)),
            HomeState::Owned(owner) => HomeState::Owned(name(owner)),
            HomeState::Reading { requester, owner } => {
                HomeState::Reading { requester: name(requester), owner: name(owner) }
            }
            HomeState::Writing { requester, waiting, upgrade } => {
                HomeState::Writing { requester: name(requester), waiting: set(waiting), upgrade }
            }
            HomeState::Granting { requester, sharers } => {
                HomeState::Granting { requester: name(requester), sharers: set(sharers) }
            }
        };
        let mut network: Vec<Envelope> = self
            .network
            .iter()
            .map(|envelope| match *envelope {
                Envelope::Home { from, message, newest } => Envelope::Home { from: name(from), message, newest },
                Envelope::Device { to, message, newest } => Envelope::Device { to: name(to), message, newest },
            })
            .collect();
        network.sort();
        let devices = order.iter().map(|&old| self.devices[usize::from(old)].clone()).collect();
        Self { home, home_newest: self.home_newest, devices, network, unexpected: self.unexpected }
    }
}

impl Model for Protocol {
    type State = System;
    type Action = Action;

    fn init_states(&self) -> Vec<System> {
        let copy = Copy { state: DeviceState::Invalid, newest: false };
        let devices = vec![copy; usize::from(self.devices)];
        vec![System { home: HomeState::Idle, home_newest: true, devices, network: Vec::new(), unexpected: false }]
    }

    fn actions(&self, system: &System, actions: &mut Vec<Action>) {
        for id in 0..self.devices {
            if system.devices[usize::from(id)].state.is_stable() {
                for event in [DeviceEvent::Access(Access::Read), DeviceEvent::Access(Access::Write), DeviceEvent::Evict]
                {
                    actions.push(Action::Local(DeviceId(id), event));
                }
            }
        }
        let mut last = None;
        for envelope in &system.network {
            if last != Some(envelope) && system.deliverable(envelope) {
                actions.push(Action::Deliver(envelope.clone()));
            }
            last = Some(envelope);
        }
    }

    fn next_state(&self, system: &System, action: Action) -> Option<System> {
        let mut next = system.clone();
        match action {
            Action::Local(device, event) => next.device(device, event, false),
            Action::Deliver(envelope) => {
                let at = next.network.binary_search(&envelope).expect("a message in the network");
                next.network.remove(at);
                match envelope {
                    Envelope::Home { from, message, newest } => next.home(from, message, newest),
                    Envelope::Device { to, message, newest } => {
                        next.device(to, DeviceEvent::Message(message), newest);
                    }
                }
            }
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("single writer or several readers", |_, system: &System| {
                let readers = system.devices.iter().filter(|copy| copy.state.may_read()).count();
                let writers = system.devices.iter().filter(|copy| copy.state.may_write()).count();
                writers == 0 || (writers == 1 && readers == 1)
            }),
            Property::always("what may be read is the newest version", |_, system: &System| {
                system.devices.iter().all(|copy| copy.newest || !copy.state.may_read())
            }),
            Property::always("the newest version is never lost", |_, system: &System| {
                let travels = |envelope: &Envelope| match envelope {
                    Envelope::Home { newest, .. } | Envelope::Device { newest, .. } => *newest,
                };
                system.home_newest
                    || system.devices.iter().any(|copy| copy.newest)
                    || system.network.iter().any(travels)
            }),
            Property::always("no message arrives unexpectedly", |_, system: &System| !system.unexpected),
            Property::always("who waits is answered", |_, system: &System| {
                let waits = !system.home.is_stable() || system.devices.iter().any(|copy| !copy.state.is_stable());
                let moves = system.network.iter().any(|envelope| system.deliverable(envelope));
                moves || (!waits && system.network.is_empty())
            }),
            Property::sometimes("a dirty page is fetched from its owner", |_, system: &System| {
                system.network.iter().any(|envelope| {
                    matches!(envelope, Envelope::Home { message: ToHome::Downgraded { dirty: true }, .. })
                })
            }),
            Property::sometimes("an eviction crosses an invalidation", |_, system: &System| {
                system.devices.iter().any(|copy| copy.state == DeviceState::EvictingInvalid)
            }),
            Property::sometimes("an upgrade loses against another write", |_, system: &System| {
                let invalidating =
                    |to: u8| Envelope::Device { to: DeviceId(to), message: ToDevice::Invalidate, newest: false };
                (0..system.devices.len() as u8).any(|id| {
                    system.devices[usize::from(id)].state == DeviceState::Upgrading
                        && system.network.contains(&invalidating(id))
                })
            }),
        ]
    }
}

fn check(devices: u8, symmetric: bool) -> usize {
    let builder = Protocol { devices }.checker().threads(2);
    let checked = if symmetric { builder.symmetry_fn(System::representative) } else { builder }.spawn_dfs().join();
    checked.assert_properties();
    println!("{devices} devices: {} states", checked.unique_state_count());
    checked.unique_state_count()
}

#[test]
fn every_interleaving_of_two_and_three_devices_is_coherent() {
    let two = check(2, false);
    let three = check(3, false);
    assert!(two > 50 && three > two, "the model explored only {two} and {three} states");
}

#[test]
fn symmetry_loses_no_state_and_four_devices_are_coherent() {
    let whole = check(3, false);
    let symmetric = check(3, true);
    assert!(symmetric < whole && symmetric * 6 >= whole, "{whole} states, {symmetric} up to renaming");
    check(4, true);
}

/// `VGPU_MODEL_DEVICES=6` (or more) takes a while and asks for more than every run of the tests checks.
#[test]
fn as_many_devices_as_asked_for_are_coherent() {
    let devices = std::env::var("VGPU_MODEL_DEVICES").ok().and_then(|text| text.parse().ok()).unwrap_or(5);
    check(devices, true);
}
