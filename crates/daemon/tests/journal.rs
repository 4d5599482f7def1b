//! A crash at any byte loses nothing that was acknowledged; damage is reported; snapshots and logs agree.

use std::fs;
use std::path::{Path, PathBuf};
use vgpu_daemon::{Durable, Journal, JournalError};
use vgpu_market::*;

/// A folder that is removed when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("vgpu-journal-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("temporary folder");
        Self(path)
    }

    fn file(&self, prefix: &str) -> PathBuf {
        let names = fs::read_dir(&self.0).expect("listed").map(|entry| entry.expect("listed").path());
        let starts = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix));
        let mut found: Vec<_> = names.filter(starts).collect();
        assert_eq!(found.len(), 1, "{prefix}: {found:?}");
        found.remove(0)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn config() -> Config {
    Config { resources: vec![Resource::share("compute", Class::Compute)], history: 50, ..Config::default() }
}

/// Tenants, clearings, and orders of all kinds; some are refused.
fn commands(n: usize) -> Vec<(u64, Command)> {
    let mut commands = Vec::new();
    for tenant in 0..3 {
        commands.push((0, Command::OpenTenant { budget: Credits::whole(5000) }));
        let utility = Utility::Leontief { per_bundle: vec![1], bundles: 5000 + tenant };
        commands.push((0, Command::Declare { tenant: TenantId(tenant), utility }));
    }
    commands.push((0, Command::Clear));
    let mut random = 12345_u32;
    let mut next = |below: u32| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 8) % below
    };
    for step in 0..n {
        let tenant = TenantId(next(3));
        let tick = Tick(80 + next(40) as u16);
        let kind = match next(5) {
            0 => Kind::Market,
            1 => Kind::Stop { trigger: tick },
            2 => Kind::Limit { tick, lifetime: Lifetime::Auction },
            _ => Kind::Limit { tick, lifetime: Lifetime::Standing },
        };
        let side = if next(2) == 0 { Side::Buy } else { Side::Sell };
        let order = NewOrder { tenant, resource: ResourceId(0), epoch: Epoch(2), side, kind, quantity: 1 + next(60) };
        commands.push((step as u64 * 9_000_000, Command::Place(order)));
    }
    commands
}

fn open(folder: &Path) -> (Journal, Market) {
    Journal::open(folder, config()).expect("opens")
}

/// Runs commands with a commit after every few, and notes the state at each commit: length of the log, hash.
fn write(folder: &Folder, commands: &[(u64, Command)]) -> Vec<(u64, u64, [u8; 32])> {
    let (mut journal, mut market) = open(&folder.0);
    let log = folder.file("log-");
    let mut commits = vec![(0, journal.n_durable(), market.hash())];
    for (idx, (now_ns, command)) in commands.iter().enumerate() {
        journal.append(*now_ns, command);
        let _ = market.apply(*now_ns, command);
        if idx % 5 == 4 {
            journal.commit().expect("written");
            commits.push((fs::metadata(&log).expect("there").len(), journal.n_durable(), market.hash()));
        }
    }
    commits
}

#[test]
fn a_crash_at_any_byte_loses_nothing_acknowledged() {
    let folder = Folder::new("cut");
    let commits = write(&folder, &commands(35));
    let (log, snapshot) = (folder.file("log-"), folder.file("snapshot-"));
    let whole = fs::read(&log).expect("read");
    assert_eq!(whole.len() as u64, commits.last().expect("some").0);
    assert!(commits.len() > 7);
    let crashed = Folder::new("crashed");
    fs::copy(&snapshot, crashed.0.join(snapshot.file_name().expect("a name"))).expect("copied");
    let cut_log = crashed.0.join(log.file_name().expect("a name"));
    for length in 0..=whole.len() {
        fs::write(&cut_log, &whole[..length]).expect("written");
        let (journal, market) = open(&crashed.0);
        let last = commits.iter().rev().find(|commit| commit.0 <= length as u64).expect("the first is at 0");
        assert_eq!((journal.n_durable(), market.hash()), (last.1, last.2), "cut at {length}");
        assert_eq!(fs::metadata(&cut_log).expect("there").len(), last.0, "the torn frame is gone");
    }
}

#[test]
fn the_journal_goes_on_after_a_crash() {
    let folder = Folder::new("on");
    let commands = commands(40);
    let (first, second) = commands.split_at(25);
    write(&folder, first);
    let log = folder.file("log-");
    let whole = fs::read(&log).expect("read");
    // A torn frame: half of one, then nothing.
    fs::write(&log, [&whole[..], &whole[..20]].concat()).expect("written");
    let (mut journal, mut market) = open(&folder.0);
    for (now_ns, command) in second {
        journal.append(*now_ns, command);
        let _ = market.apply(*now_ns, command);
    }
    journal.commit().expect("written");
    drop(journal);
    let (journal, again) = open(&folder.0);
    assert_eq!(again.hash(), market.hash());
    assert_eq!(journal.n_durable(), commands.len() as u64);
    let mut straight = Market::new(config()).expect("valid");
    for (now_ns, command) in &commands {
        let _ = straight.apply(*now_ns, command);
    }
    assert_eq!(straight.hash(), market.hash());
}

#[test]
fn damage_before_the_end_is_reported() {
    let folder = Folder::new("damage");
    let commits = write(&folder, &commands(30));
    let log = folder.file("log-");
    let whole = fs::read(&log).expect("read");
    let last_frame = commits[commits.len() - 2].0 as usize;
    for at in (0..last_frame).step_by(7) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(&log, &bytes).expect("written");
        let opened = Journal::open(&folder.0, config());
        assert!(matches!(opened, Err(JournalError::Damaged { .. })), "byte {at}");
        assert_eq!(fs::read(&log).expect("read"), bytes, "a damaged log is left alone");
        fs::write(&log, &whole).expect("written");
    }
    fs::write(folder.file("snapshot-"), b"nonsense").expect("written");
    assert!(matches!(Journal::open(&folder.0, config()), Err(JournalError::Damaged { at: 0, .. })));
}

#[test]
fn snapshots_replace_logs() {
    let folder = Folder::new("snapshots");
    let commands = commands(50);
    let (mut journal, mut market) = open(&folder.0);
    for (idx, (now_ns, command)) in commands.iter().enumerate() {
        journal.append(*now_ns, command);
        let _ = market.apply(*now_ns, command);
        if idx == 20 {
            journal.snapshot(&market).expect("written");
        }
    }
    journal.commit().expect("written");
    assert!(folder.file("snapshot-").ends_with("snapshot-00000000000000000021"));
    assert!(folder.file("log-").ends_with("log-00000000000000000021"));
    drop(journal);
    let (journal, again) = open(&folder.0);
    assert_eq!((journal.n_durable(), again.hash()), (commands.len() as u64, market.hash()));
    drop(journal);
    // The crash came before the old files were removed, and before the new log was made.
    fs::remove_file(folder.file("log-")).expect("removed");
    fs::write(folder.0.join("log-00000000000000000000"), b"old").expect("written");
    fs::write(folder.0.join("snapshot.new"), b"half").expect("written");
    let (journal, again) = open(&folder.0);
    assert_eq!(journal.n_durable(), 21);
    assert_eq!(again.audit(), Ok(()));
    assert!(folder.file("log-").ends_with("log-00000000000000000021"));
}

#[test]
fn one_writer() {
    let folder = Folder::new("lock");
    let (journal, _) = open(&folder.0);
    let second = Journal::open(&folder.0, config());
    assert!(matches!(second, Err(JournalError::InUse(_))), "{second:?}");
    drop(journal);
    open(&folder.0);
}

/// A refused command is logged as well, however large it is.
#[test]
fn long_commands_are_read_back() {
    let folder = Folder::new("long");
    let (mut journal, mut market) = open(&folder.0);
    let utility = Utility::Linear { values: vec![1; 40_000] };
    let mut commands = commands(3);
    commands.insert(4, (0, Command::Declare { tenant: TenantId(0), utility }));
    for (now_ns, command) in &commands {
        journal.append(*now_ns, command);
        let _ = market.apply(*now_ns, command);
    }
    journal.commit().expect("written");
    drop(journal);
    let (journal, again) = open(&folder.0);
    assert_eq!((journal.n_durable(), again.hash()), (commands.len() as u64, market.hash()));
}

#[test]
fn answers_wait_for_the_disk_and_logs_stay_short() {
    let folder = Folder::new("durable");
    let commands = commands(60);
    let mut durable = Durable::open(&folder.0, config(), 20).expect("opens");
    let mut straight = Market::new(config()).expect("valid");
    let mut n_answers = 0;
    for group in commands.chunks(9) {
        let mut expected = Vec::new();
        for (now_ns, command) in group {
            durable.submit(*now_ns, command).expect("accepted");
            expected.push((straight.apply(*now_ns, command), straight.events().to_vec()));
        }
        assert_eq!(durable.n_held_back(), group.len());
        let answers = durable.flush().expect("written");
        n_answers += answers.len();
        let answers: Vec<_> = answers.into_iter().map(|answer| (answer.outcome, answer.events)).collect();
        assert_eq!(answers, expected);
    }
    assert_eq!(n_answers, commands.len());
    // Snapshots came with the first flush at or after every twenty commands.
    assert!(folder.file("snapshot-").ends_with("snapshot-00000000000000000054"), "{:?}", folder.file("snapshot-"));
    // What was not flushed was not answered, and is gone.
    durable.submit(u64::MAX / 2, &Command::Clear).expect("accepted");
    drop(durable);
    let durable = Durable::open(&folder.0, config(), 20).expect("opens");
    assert_eq!(durable.market().hash(), straight.hash());
}
