//! The pager against an oracle: several threads, few frames, pages evicted at random, and what goes wrong with disks.

use super::*;
use crate::os::raw;
use std::path::Path;
use std::process::Command;

const PAGE: u64 = MIN_PAGE_BYTES;

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % n
    }
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("vgpu-pager-{name}-{}", std::process::id())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn pager(folder: &Path, packed_bytes: u64) -> Pager {
    Pager::new(Config {
        budget_bytes: MIN_FRAMES * PAGE,
        packed_bytes,
        spill_folder: folder.to_path_buf(),
        spill_bytes: 1 << 30,
        n_workers: 2,
        reserve_bytes: 1 << 32,
        publish: None,
    })
    .unwrap()
}

/// Stores and loads words at random on several threads, each thread with words of its own in all pages.
fn torture(pager: &Pager, pages: u64, threads: u64, steps: u64, seed: u64) {
    pager.commit(0, pages * PAGE).unwrap();
    let words = PAGE / 8;
    std::thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || {
                let mut random = Random(seed * 1000 + thread);
                let mut oracle = std::collections::HashMap::new();
                for step in 0..steps {
                    let page = if step % 3 == 0 { step / 3 % pages } else { random.below(pages) };
                    let word = random.below(words / threads) * threads + thread;
                    let address = pager.base() + page * PAGE + word * 8;
                    if random.below(2) == 0 {
                        // Few values in some pages, so that these compress.
                        let value = if page % 3 == 0 { random.below(4) } else { random.below(u64::MAX) };
                        let _hold = pager.hold(address, Intent::Write).unwrap();
                        raw::write(address, value);
                        oracle.insert(address, value);
                    } else {
                        let _hold = pager.hold(address, Intent::Read).unwrap();
                        assert_eq!(raw::read(address), oracle.get(&address).copied().unwrap_or(0));
                    }
                    if random.below(50) == 0 {
                        pager.trim(random.below(20) as usize).unwrap();
                    }
                    if random.below(50) == 0 {
                        pager.prefetch(pager.base() + random.below(pages) * PAGE, 10 * PAGE);
                    }
                }
                for (address, value) in oracle {
                    let _hold = pager.hold(address, Intent::Read).unwrap();
                    assert_eq!(raw::read(address), value);
                }
            });
        }
    });
}

/// What must hold between operations.
fn audit(pager: &Pager) {
    let state = pager.shared.lock();
    let (mut here, mut packed, mut guessed, mut committed) = (0, 0, 0, 0);
    for entry in &state.pages {
        committed += u32::from(!matches!(entry.page, Page::Free));
        match &entry.page {
            Page::Here(page) => {
                here += 1;
                guessed += u32::from(page.guessed);
                assert!(!(page.dirty && page.copy != Copy::None), "a dirty page has no copy");
                assert!(page.dirty || page.copy != Copy::None, "a clean page has one");
                if let Copy::Packed(copy) = &page.copy {
                    packed += copy.bytes.len() as u64;
                }
            }
            Page::Away(Copy::Packed(copy)) => packed += copy.bytes.len() as u64,
            Page::Away(Copy::None) => panic!("a page has no bytes"),
            _ => {}
        }
    }
    assert_eq!(committed, state.committed);
    if state.busy == 0 {
        assert_eq!(here + state.places.free(), pager.shared.n_frames);
        assert_eq!(packed, state.packed_bytes);
        assert_eq!(guessed, state.guessed_unused);
    }
}

#[test]
fn no_store_is_lost_whatever_is_evicted() {
    let folder = Folder::new("torture");
    for (seed, packed_bytes) in [(1, 0), (2, 1 << 20), (3, 1 << 30)] {
        let pager = pager(&folder.0, packed_bytes);
        torture(&pager, 300, 3, 4000, seed);
        audit(&pager);
        let counters = pager.counters();
        assert!(counters.evicted > 1000, "{counters:?}");
        pager.decommit(0, 300 * PAGE);
        audit(&pager);
        assert_eq!(pager.snapshot().committed_pages, 0);
    }
}

#[test]
fn freed_pages_read_as_zero_when_allocated_again_and_as_nothing_before() {
    let folder = Folder::new("reuse");
    let pager = pager(&folder.0, 1 << 20);
    pager.commit(0, 200 * PAGE).unwrap();
    for page in 0..200 {
        let address = pager.base() + page * PAGE;
        let _hold = pager.hold(address, Intent::Overwrite).unwrap();
        (0..PAGE / 8).for_each(|word| raw::write(address + word * 8, page * word + 1));
    }
    pager.decommit(0, 100 * PAGE);
    let missing = pager.hold(pager.base(), Intent::Read).unwrap_err();
    assert_eq!(missing, Error::NotAllocated { address: pager.base(), bytes: PAGE });
    assert_eq!(pager.shared.fault(pager.base(), Some(true)), Outcome::Illegal);
    assert_eq!(pager.shared.fault(pager.base() + 500 * PAGE, None), Outcome::Illegal);
    assert_eq!(resolve(8, None), None);
    pager.commit(0, 100 * PAGE).unwrap();
    for page in 0..200 {
        let address = pager.base() + page * PAGE + 8 * 77;
        let _hold = pager.hold(address, Intent::Read).unwrap();
        assert_eq!(raw::read(address), if page < 100 { 0 } else { page * 77 + 1 });
    }
    audit(&pager);
}

#[test]
fn a_fault_brings_the_page_and_an_unknown_access_ends_as_a_store() {
    let folder = Folder::new("fault");
    let pager = pager(&folder.0, 0);
    pager.commit(0, 100 * PAGE).unwrap();
    let address = pager.base() + 3 * PAGE + 16;
    assert_eq!(resolve(address, None), Some(Outcome::Resolved));
    assert_eq!(raw::read(address), 0);
    assert_eq!(resolve(address, None), Some(Outcome::Resolved));
    raw::write(address, 5);
    pager.trim(100).unwrap();
    // The page stays, since this thread faulted on it last.
    assert_eq!(raw::read(address), 5);
    for page in 10..16 {
        assert_eq!(resolve(pager.base() + page * PAGE, Some(false)), Some(Outcome::Resolved));
    }
    pager.trim(100).unwrap();
    assert_eq!(resolve(address, Some(false)), Some(Outcome::Resolved));
    assert_eq!(raw::read(address), 5);
    audit(&pager);
}

#[test]
fn a_damaged_page_is_an_error_that_names_it_and_the_others_are_well() {
    let folder = Folder::new("damage");
    let pager = pager(&folder.0, 0);
    pager.commit(0, 200 * PAGE).unwrap();
    let mut random = Random(5);
    for page in 0..200 {
        let address = pager.base() + page * PAGE;
        let _hold = pager.hold(address, Intent::Overwrite).unwrap();
        (0..PAGE / 8).for_each(|word| raw::write(address + word * 8, random.below(u64::MAX)));
    }
    // Make sure that page 0 is stored and not in the pool.
    pager.trim(64).unwrap();
    pager.shared.store.damage(0);
    let error = pager.hold(pager.base(), Intent::Read).unwrap_err();
    assert!(matches!(error, Error::Corrupt { address, tier: "vSSD", .. } if address == pager.base()), "{error}");
    assert!(matches!(pager.shared.fault(pager.base(), Some(false)), Outcome::Failed(Error::Corrupt { .. })));
    assert!(matches!(pager.take_failure(), Some(Error::Corrupt { .. })));
    assert_eq!(pager.take_failure(), None);
    for page in 1..200 {
        drop(pager.hold(pager.base() + page * PAGE, Intent::Read).unwrap());
    }
    // Overwritten as a whole it is well again.
    drop(pager.hold(pager.base(), Intent::Overwrite).unwrap());
    audit(&pager);
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let folder = Folder::new("settings");
    let config = |budget_bytes, n_workers| Config {
        budget_bytes,
        packed_bytes: 0,
        spill_folder: folder.0.clone(),
        spill_bytes: 100 * PAGE,
        n_workers,
        reserve_bytes: 1 << 30,
        publish: None,
    };
    let error = Pager::new(config(1 << 20, 2)).unwrap_err();
    assert_eq!(error, Error::Budget { found: 1 << 20, least: MIN_FRAMES * PAGE });
    assert!(Pager::new(config(MIN_FRAMES * PAGE, 100)).is_err());
    let pager = Pager::new(config(MIN_FRAMES * PAGE, 2)).unwrap();
    let error = pager.commit(0, 101 * PAGE).unwrap_err();
    assert_eq!(error, Error::SpillLimit { needed: 101 * PAGE, limit: 100 * PAGE });
    pager.commit(0, 100 * PAGE).unwrap();
    audit(&pager);
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error_of_the_allocation() {
    let folder = Folder::new("nofolder");
    std::fs::write(&folder.0, "a file").unwrap();
    let pager = pager(&folder.0, 0);
    pager.commit(0, 64 * PAGE).unwrap();
    let error = pager.commit(64 * PAGE, PAGE).unwrap_err();
    assert!(matches!(&error, Error::Disk { what: "making the folder", .. }), "{error}");
    drop(pager);
    std::fs::remove_file(&folder.0).unwrap();
}

/// Runs a test of this file in a process of its own.
fn alone(test: &str, prelude: &str, folder: &Path) -> std::process::Child {
    let own = std::env::current_exe().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{prelude} exec \"$0\" --exact pager::tests::{test} --test-threads 1")]);
    command.arg(own).env("VGPU_PAGER_TEST", folder).stdout(std::process::Stdio::null()).spawn().unwrap()
}

#[test]
fn processes_share_a_folder() {
    if let Some(folder) = std::env::var_os("VGPU_PAGER_TEST") {
        let pager = pager(Path::new(&folder), 0);
        torture(&pager, 200, 2, 2000, u64::from(std::process::id()));
        return;
    }
    let folder = Folder::new("shared");
    let children: Vec<_> = (0..2).map(|_| alone("processes_share_a_folder", "", &folder.0)).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    // Files without a name leave nothing behind.
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 0);
}

#[test]
fn a_limit_on_file_sizes_fails_the_allocation_and_nothing_else() {
    if let Some(folder) = std::env::var_os("VGPU_PAGER_TEST") {
        let pager = pager(Path::new(&folder), 0);
        torture(&pager, 100, 2, 1000, 1);
        let error = pager.commit(100 * PAGE, 500 * PAGE).unwrap_err();
        assert!(matches!(&error, Error::Disk { what: "reserving space", .. }), "{error}");
        pager.commit(100 * PAGE, PAGE).unwrap();
        audit(&pager);
        return;
    }
    let folder = Folder::new("limit");
    // In blocks of 512 bytes: 16 MiB.
    let mut child = alone("a_limit_on_file_sizes_fails_the_allocation_and_nothing_else", "ulimit -f 32768;", &folder.0);
    assert!(child.wait().unwrap().success());
}
