//! Judges a recorded run: whether what devices saw could have come from one memory.
//!
//! A run is the list of what happened to pages in the order in which it took effect (the recorder numbers events while
//! the page's transaction is under way, so per page the order is exact; across pages it does not matter). The checker
//! knows nothing of the protocol: it keeps, per page, the newest version and what version each device holds, so it finds
//! a wrong protocol as well as a wrong recorder.

use super::{DeviceId, DeviceSet};
use std::collections::BTreeMap;

/// Something that took effect on a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The device got a copy from the home.
    Filled,
    /// The device read its copy.
    Read,
    /// The device wrote its copy.
    Wrote,
    /// The device's copy was copied to the home.
    WroteBack,
    /// The device lost its copy.
    Dropped,
}

/// One line of a recorded run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The page.
    pub page: usize,
    /// The device.
    pub device: DeviceId,
    /// What took effect.
    pub event: Event,
}

/// Why a run is not coherent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A device used a copy it does not have.
    #[error("entry {at}: {device} has no copy of page {page}")]
    NoCopy {
        /// Index of the entry.
        at: usize,
        /// The device.
        device: DeviceId,
        /// The page.
        page: usize,
    },
    /// A device read or wrote a version that is not the newest.
    #[error("entry {at}: {device} uses version {found} of page {page}, the newest is {newest}")]
    Stale {
        /// Index of the entry.
        at: usize,
        /// The device.
        device: DeviceId,
        /// The page.
        page: usize,
        /// Version the device has.
        found: u64,
        /// Version it should have.
        newest: u64,
    },
    /// A device wrote while another had a copy.
    #[error("entry {at}: {device} writes page {page}, of which {other} has a copy")]
    SharedWrite {
        /// Index of the entry.
        at: usize,
        /// The writer.
        device: DeviceId,
        /// Who else has a copy.
        other: DeviceId,
        /// The page.
        page: usize,
    },
    /// The last copy of the newest version was dropped.
    #[error("entry {at}: {device} drops the only copy of version {newest} of page {page}")]
    Lost {
        /// Index of the entry.
        at: usize,
        /// The device.
        device: DeviceId,
        /// The page.
        page: usize,
        /// The version.
        newest: u64,
    },
}

#[derive(Debug, Default)]
struct Page {
    newest: u64,
    home: u64,
    holders: DeviceSet,
    versions: BTreeMap<DeviceId, u64>,
}

/// Checks a run from its start, when all pages are at home.
///
/// # Errors
/// The first entry that no coherent memory could have produced.
pub fn check(run: impl IntoIterator<Item = Entry>) -> Result<(), Violation> {
    let mut pages: BTreeMap<usize, Page> = BTreeMap::new();
    for (at, Entry { page, device, event }) in run.into_iter().enumerate() {
        let entry = pages.entry(page).or_default();
        if event == Event::Filled {
            entry.holders = entry.holders.with(device);
            entry.versions.insert(device, entry.home);
            continue;
        }
        let Some(&found) = entry.versions.get(&device) else {
            return Err(Violation::NoCopy { at, device, page });
        };
        let newest = entry.newest;
        match event {
            Event::Filled => {}
            Event::Read | Event::Wrote if found != newest => {
                return Err(Violation::Stale { at, device, page, found, newest });
            }
            Event::Read => {}
            Event::Wrote => {
                if let Some(other) = entry.holders.without(device).iter().next() {
                    return Err(Violation::SharedWrite { at, device, other, page });
                }
                entry.newest += 1;
                entry.versions.insert(device, entry.newest);
            }
            Event::WroteBack => entry.home = found,
            Event::Dropped => {
                entry.holders = entry.holders.without(device);
                entry.versions.remove(&device);
                if entry.home != newest && !entry.versions.values().any(|&version| version == newest) {
                    return Err(Violation::Lost { at, device, page, newest });
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{Access, Copies, Directory};
    use super::*;
    use std::convert::Infallible;
    use std::sync::Mutex;

    const A: DeviceId = DeviceId(0);
    const B: DeviceId = DeviceId(1);

    fn run(events: &[(DeviceId, Event)]) -> Result<(), Violation> {
        check(events.iter().map(|&(device, event)| Entry { page: 9, device, event }))
    }

    #[test]
    fn each_kind_of_violation_is_named() {
        use Event::{Dropped, Filled, Read, Wrote, WroteBack};
        assert_eq!(run(&[(A, Filled), (A, Wrote), (A, WroteBack), (A, Dropped), (B, Filled), (B, Read)]), Ok(()));
        let message = |events: &[(DeviceId, Event)]| run(events).unwrap_err().to_string();
        assert_eq!(message(&[(A, Read)]), "entry 0: device 0 has no copy of page 9");
        let stale = [(A, Filled), (A, Wrote), (B, Filled), (B, Read)];
        assert_eq!(message(&stale), "entry 3: device 1 uses version 0 of page 9, the newest is 1");
        let shared = [(A, Filled), (B, Filled), (A, Wrote)];
        assert_eq!(message(&shared), "entry 2: device 0 writes page 9, of which device 1 has a copy");
        let lost = [(A, Filled), (A, Wrote), (A, Dropped)];
        assert_eq!(message(&lost), "entry 2: device 0 drops the only copy of version 1 of page 9");
    }

    /// Records what the directory does to copies.
    #[derive(Default)]
    struct Recorder {
        run: Mutex<Vec<Entry>>,
        revoked: Mutex<Vec<(usize, DeviceId)>>,
    }

    impl Recorder {
        fn note(&self, page: usize, device: DeviceId, event: Event) {
            let mut run = self.run.lock().unwrap();
            if event != Event::WroteBack {
                let dropped = self.revoked.lock().unwrap().drain(..).collect::<Vec<_>>();
                run.extend(dropped.into_iter().map(|(page, device)| Entry { page, device, event: Event::Dropped }));
            }
            run.push(Entry { page, device, event });
        }
    }

    impl Copies for Recorder {
        type Error = Infallible;

        fn revoke(&self, page: usize, device: DeviceId, keep_reading: bool) -> Result<(), Infallible> {
            // Access ends here; the bytes stay until they are written back, so the entry stands after that one.
            self.revoked.lock().unwrap().extend((!keep_reading).then_some((page, device)));
            Ok(())
        }

        fn write_back(&self, page: usize, device: DeviceId) -> Result<(), Infallible> {
            self.note(page, device, Event::WroteBack);
            Ok(())
        }

        fn fill(&self, page: usize, device: DeviceId) -> Result<(), Infallible> {
            self.note(page, device, Event::Filled);
            Ok(())
        }
    }

    #[test]
    fn a_recorded_run_of_the_directory_is_coherent() {
        let recorder = Recorder::default();
        let directory = Directory::new::<Infallible>(3, 4).unwrap();
        let mut seed = 7u64;
        for _ in 0..5_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (device, page) = (DeviceId((seed >> 33) as u8 % 3), (seed >> 40) as usize % 4);
            match seed >> 61 {
                0..4 => {
                    directory.access(device, page, Access::Read, &recorder).unwrap();
                    recorder.note(page, device, Event::Read);
                }
                4..7 => {
                    directory.access(device, page, Access::Write, &recorder).unwrap();
                    recorder.note(page, device, Event::Wrote);
                }
                _ => directory.evict(device, page, &recorder).unwrap(),
            }
        }
        let run = recorder.run.into_inner().unwrap();
        assert!(run.len() > 5_000);
        check(run).unwrap();
    }
}
