//! Checkpoint files: what was saved comes back, little is written when little changed, damage is found, and a process that is
//! killed at any moment, or has no room left, leaves the checkpoint before or the new one.

#![allow(clippy::unwrap_used, reason = "test support: a failure here is a failed test")]

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use vgpu_mem::checkpoint::{BLOCK, Checkpoint, CheckpointError, Saved, Section, Store};

/// A folder that goes when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("vgpu-checkpoint-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("state")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn save(store: &mut Store, parts: &[(&str, &[u8])]) -> Result<Saved, CheckpointError> {
    let sections: Vec<_> =
        parts.iter().map(|(name, data)| Section { name: (*name).to_owned(), bytes: data.len() as u64 }).collect();
    store.save(&sections, |idx, at, to| {
        to.copy_from_slice(&parts[idx].1[at as usize..at as usize + to.len()]);
        Ok(())
    })
}

/// Bytes that follow from a seed.
fn noise(seed: u64, n: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..n).map(|_| next()).collect()
}

#[test]
fn what_was_saved_comes_back_and_only_changes_are_written() {
    let folder = Folder::new("incremental");
    let mut data = noise(1, 10 * BLOCK + 777);
    let zeros = vec![0; 50 * BLOCK];
    let mut store = Store::open(folder.file()).unwrap();
    let first = save(&mut store, &[("a", &data), ("zeros", &zeros), ("none", &[])]).unwrap();
    assert_eq!((first.number, first.written_bytes), (0, data.len() as u64), "zeros take no room");
    data[3 * BLOCK + 5] ^= 1;
    let second = save(&mut store, &[("a", &data), ("zeros", &zeros), ("none", &[])]).unwrap();
    assert_eq!((second.number, second.written_bytes), (1, BLOCK as u64));
    drop(store);

    // Another process goes on with the same file.
    let mut store = Store::open(folder.file()).unwrap();
    let third = save(&mut store, &[("a", &data), ("copy", &data)]).unwrap();
    assert_eq!((third.number, third.written_bytes, third.bytes), (2, 0, 2 * data.len() as u64));
    let found = Checkpoint::open(folder.file()).unwrap();
    found.verify().unwrap();
    let sections: Vec<_> = found.sections().collect();
    assert_eq!(sections, [("a", data.len() as u64), ("copy", data.len() as u64)]);
    assert!(found.section("copy").unwrap() == data);
    let mut part = vec![0; BLOCK + 100];
    found.read("a", 2 * BLOCK as u64 - 50, &mut part).unwrap();
    assert_eq!(part, data[2 * BLOCK - 50..3 * BLOCK + 50]);
    let error = found.read("a", data.len() as u64 - 10, &mut [0; 11]).unwrap_err();
    assert!(error.to_string().contains("has no 11 bytes at 656127 of section \"a\""), "{error}");
}

#[test]
fn a_large_file_is_written_anew_and_the_previous_kept() {
    let folder = Folder::new("compact");
    let mut store = Store::open(folder.file()).unwrap();
    let mut compacted = 0;
    for seed in 0..12 {
        let data = noise(seed, 160 * BLOCK);
        compacted += usize::from(save(&mut store, &[("a", &data)]).unwrap().compacted);
        let found = Checkpoint::open(folder.file()).unwrap();
        assert!(found.number() == seed && found.section("a").unwrap() == data);
    }
    assert!(compacted > 0);
    assert!(std::fs::metadata(folder.file()).unwrap().len() < 100 << 20);
    let previous = Checkpoint::open(folder.0.join("state.previous")).unwrap();
    previous.verify().unwrap();
    assert!(previous.number() < 11);
}

#[test]
fn two_writers_are_one_too_many() {
    let folder = Folder::new("lock");
    let store = Store::open(folder.file()).unwrap();
    let error = Store::open(folder.file()).unwrap_err();
    assert!(error.to_string().contains("is being written by another process"), "{error}");
    drop(store);
    Store::open(folder.file()).unwrap();
}

#[test]
fn every_damaged_byte_is_found() {
    let folder = Folder::new("damage");
    let (old, new) = (noise(1, 3 * BLOCK), noise(2, 3 * BLOCK));
    let mut store = Store::open(folder.file()).unwrap();
    save(&mut store, &[("a", &old)]).unwrap();
    save(&mut store, &[("a", &new)]).unwrap();
    drop(store);
    let len = std::fs::metadata(folder.file()).unwrap().len();
    let file = OpenOptions::new().read(true).write(true).open(folder.file()).unwrap();
    let outcome = || match Checkpoint::open(folder.file()) {
        Err(error) => Err(error),
        Ok(found) => found.verify().map(|()| found.section("a").unwrap()),
    };
    let mut damaged = 0;
    for step in 0..len / 509 {
        let at = step * 509;
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
        match outcome() {
            // The gaps between blocks, and what only the checkpoint before uses; a damaged footer leaves that one.
            Ok(found) => assert!(found == new || found == old, "byte {at}"),
            Err(error) => {
                let told = matches!(error, CheckpointError::Damaged { .. } | CheckpointError::NoCheckpoint { .. });
                assert!(told, "byte {at}: {error}");
                damaged += 1;
            }
        }
        file.write_all_at(&byte, at).unwrap();
    }
    assert!(damaged > 300, "{damaged}");
    let byte = {
        let mut byte = [0];
        file.read_exact_at(&mut byte, len - 3 * 4096 - 100).unwrap();
        byte[0] ^ 1
    };
    file.write_all_at(&[byte], len - 3 * 4096 - 100).unwrap();
    let error = outcome().unwrap_err().to_string();
    assert!(error.contains("section \"a\", byte ") && error.contains("has another checksum"), "{error}");
    // Cut off anywhere, it is the checkpoint before, none, or damaged; never wrong.
    for cut in (0..len / 12_299).rev().map(|step| step * 12_299) {
        file.set_len(cut).unwrap();
        if let Ok(found) = outcome() {
            assert!(found == old, "cut at {cut}");
        }
    }
}

#[test]
fn files_of_others_are_left_alone() {
    let folder = Folder::new("foreign");
    let letter = vec![b'x'; 9000];
    std::fs::write(folder.file(), &letter).unwrap();
    let error = Store::open(folder.file()).unwrap_err();
    assert!(error.to_string().contains("holds no checkpoint: it does not begin like one"), "{error}");
    assert_eq!(std::fs::read(folder.file()).unwrap(), letter);
    assert!(matches!(Checkpoint::open(folder.0.join("absent")), Err(CheckpointError::System { .. })));
    let mut store = Store::open(folder.0.join("new")).unwrap();
    let sections = [Section { name: "a".into(), bytes: 10 }];
    let error = store.save(&sections, |_, _, _| Err("the device is gone".to_owned())).unwrap_err();
    assert!(error.to_string().contains("could not be read for a checkpoint: the device is gone"), "{error}");
}

/// What checkpoint `number` of a child holds.
fn of_child(number: u64) -> Vec<u8> {
    // Half of it stays the same, so that blocks are used again.
    let mut data = noise(7, 20 * BLOCK);
    data.extend(noise(100 + number, 20 * BLOCK));
    data
}

/// Not a test by itself: the other tests run this program again, as the process that is killed.
#[test]
fn child() {
    let Ok(path) = std::env::var("VGPU_TEST_CHECKPOINT") else { return };
    let mut store = Store::open(&path).unwrap();
    loop {
        let next = Checkpoint::open(&path).map_or(0, |newest| newest.number() + 1);
        match save(&mut store, &[("number", &next.to_le_bytes()), ("data", &of_child(next))]) {
            Ok(saved) => println!("saved {}", saved.number),
            Err(error) => {
                println!("failed {error}");
                return;
            }
        }
    }
}

fn restored(path: &Path) -> Option<u64> {
    let found = match Checkpoint::open(path) {
        Ok(found) => found,
        Err(CheckpointError::NoCheckpoint { .. } | CheckpointError::System { .. }) => return None,
        Err(error) => panic!("{error}"),
    };
    found.verify().unwrap();
    let number = u64::from_le_bytes(found.section("number").unwrap().try_into().unwrap());
    assert_eq!(number, found.number());
    assert!(found.section("data").unwrap() == of_child(number), "checkpoint {number}");
    Some(number)
}

fn spawn(path: &Path, shell: &str) -> std::process::Child {
    let program = std::env::current_exe().unwrap();
    let script = format!("{shell} exec \"$0\" --exact child --nocapture");
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).arg(program).env("VGPU_TEST_CHECKPOINT", path).stdout(Stdio::piped());
    command.spawn().unwrap()
}

/// The number in a line "saved 7".
fn saved(line: &str) -> Option<u64> {
    line.split_once("saved ")?.1.trim().parse().ok()
}

#[test]
fn a_process_killed_at_any_moment_leaves_the_old_or_the_new() {
    let folder = Folder::new("kill");
    let points: u64 = std::env::var("VGPU_TEST_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    let mut waits = noise(std::process::id().into(), 2 * points as usize).into_iter();
    let mut newest = None;
    for _ in 0..points {
        let mut child = spawn(&folder.file(), "");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Somewhere in its work: after so many checkpoints, and then so much of the next.
        let rounds = waits.next().unwrap() % 3 + 1;
        let mut told = None;
        for line in lines.by_ref() {
            let number = saved(&line.unwrap());
            told = number.or(told);
            if told.is_some() && number.is_some_and(|number| number % u64::from(rounds) == 0) {
                break;
            }
        }
        assert!(told.is_some(), "the child saved nothing");
        std::thread::sleep(Duration::from_micros(u64::from(waits.next().unwrap()) * 60));
        child.kill().unwrap();
        // The lines that it still had to say, so that the newest it told of is known.
        for line in lines.map_while(Result::ok) {
            told = saved(&line).or(told);
        }
        child.wait().unwrap();
        let found = restored(&folder.file());
        assert!(found >= told && found >= newest, "told {told:?}, found {found:?}, before {newest:?}");
        newest = found;
    }
}

#[test]
fn a_full_disk_leaves_the_checkpoint_before() {
    let folder = Folder::new("full");
    // A limit on the size of files, in blocks of 512 bytes, stands for a disk without room; the signal for it is ignored.
    let mut child = spawn(&folder.file(), "trap '' XFSZ; ulimit -f 12000;");
    let mut last = None;
    let mut failed = String::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
        last = saved(&line).or(last);
        if let Some((_, reason)) = line.split_once("failed ") {
            failed = reason.to_owned();
        }
    }
    child.wait().unwrap();
    assert!(failed.contains("writing the checkpoint"), "{failed}");
    assert!(last.is_some());
    assert_eq!(restored(&folder.file()), last);
    // What did not fit takes no room, and there is a way on.
    let len = std::fs::metadata(folder.file()).unwrap().len();
    assert!(len < 12000 * 512 * 2, "{len}");
    let mut store = Store::open(folder.file()).unwrap();
    save(&mut store, &[("a", &[1, 2, 3])]).unwrap();
    assert_eq!(Checkpoint::open(folder.file()).unwrap().section("a").unwrap(), [1, 2, 3]);
    assert_eq!(File::open(folder.file()).unwrap().metadata().unwrap().len() % 4096, 0);
}
