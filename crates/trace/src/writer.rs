//! Writing records, from the libraries inside a traced process.
//!
//! Model. Whether anything is written is decided once, at the first question, by the environment; without it a call costs one
//! load. A record is one line written by one system call to a file opened for appending, so threads need no lock. A trace that
//! cannot be written must not disturb the program: it says so once and stops.

use crate::record::{Api, DeviceFacts, Note, Record, Work};
use std::cell::Cell;
use std::fmt::{Debug, Write as _};
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Environment variable that names the folder for trace files.
pub const DIRECTORY: &str = "VGPU_TRACE_DIR";

/// Calls of the two interfaces are counted by two copies of this crate in one process: theirs are even and odd.
static NEXT_CORRELATION: AtomicU64 = AtomicU64::new(1);
/// Copies of this crate in one process write to files of their own.
static NEXT_FILE: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static NOTE: Cell<Note> = const { Cell::new(Note { correlation: 0, stream: 0, context: 0, device: 0 }) };
    static THREAD: Cell<u64> = const { Cell::new(0) };
}

/// A trace file.
struct Sink {
    file: File,
    broken: AtomicBool,
}

impl Sink {
    /// The file that the environment asks for.
    fn open() -> Option<Self> {
        let dir = PathBuf::from(std::env::var_os(DIRECTORY).filter(|dir| !dir.is_empty())?);
        let pid = std::process::id();
        let file = loop {
            let number = NEXT_FILE.fetch_add(1, Ordering::Relaxed);
            let path = dir.join(format!("{pid}-{number}.jsonl"));
            // A process may hold several copies of this crate, and a process number comes back.
            match OpenOptions::new().append(true).create_new(true).open(&path) {
                Ok(file) => break file,
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    eprintln!("vgpu: no trace: cannot make {}: {error}", path.display());
                    return None;
                }
            }
        };
        let sink = Self { file, broken: AtomicBool::new(false) };
        let words: Vec<_> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
        sink.put(&Record::Process { pid, command: words.join(" ") });
        Some(sink)
    }

    fn put(&self, record: &Record) {
        // Records are plain data, of which every value has a JSON form.
        let Ok(mut line) = serde_json::to_vec(record) else { return };
        line.push(b'\n');
        if let Err(error) = (&self.file).write_all(&line)
            && !self.broken.swap(true, Ordering::Relaxed)
        {
            eprintln!("vgpu: the trace is incomplete: {error}");
        }
    }
}

fn sink() -> Option<&'static Sink> {
    static SINK: OnceLock<Option<Sink>> = OnceLock::new();
    SINK.get_or_init(Sink::open).as_ref()
}

/// Whether this process is traced.
#[inline]
pub fn is_on() -> bool {
    sink().is_some()
}

/// The clock of all records, in nanoseconds since 1970.
pub fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

/// The calling thread's number, as the system knows it.
fn thread() -> u64 {
    let known = THREAD.try_with(Cell::get).unwrap_or(0);
    if known != 0 {
        return known;
    }
    let link = std::fs::read_link("/proc/thread-self").ok();
    let number = link.and_then(|link| link.file_name()?.to_str()?.parse().ok()).unwrap_or(1);
    // A thread that is ending keeps no number.
    let _ = THREAD.try_with(|thread| thread.set(number));
    number
}

/// Arguments as a record has them.
pub fn arguments(list: &[(&str, &dyn Debug)]) -> String {
    let mut text = String::new();
    for (idx, (name, value)) in list.iter().enumerate() {
        let comma = if idx == 0 { "" } else { ", " };
        // Writing to a string does not fail; a value whose text cannot be made is left out.
        let _ = write!(text, "{comma}{name}={value:?}");
    }
    text
}

/// Runs a call and records it. `arguments` and `answer` (the name of a result) are asked only when the process is traced.
pub fn call(
    api: Api,
    name: &str,
    arguments: &dyn Fn() -> String,
    answer: &dyn Fn(i32) -> String,
    body: impl FnOnce() -> i32,
) -> i32 {
    let Some(sink) = sink() else { return body() };
    let number = NEXT_CORRELATION.fetch_add(1, Ordering::Relaxed);
    let correlation = 2 * number + u64::from(api == Api::Runtime);
    // Before the call: it may end what they name.
    let arguments = arguments();
    let before = NOTE.try_with(|note| note.replace(Note { correlation, ..note.get() })).unwrap_or_default();
    let start_ns = now_ns();
    let result = body();
    let ns = now_ns().saturating_sub(start_ns);
    let _ = NOTE.try_with(|note| note.set(Note { correlation: before.correlation, ..note.get() }));
    let (name, answer, thread) = (name.to_owned(), answer(result), thread());
    sink.put(&Record::Call { api, name, arguments, result, answer, thread, correlation, start_ns, ns });
    result
}

/// From now on, this thread submits to that stream.
pub fn submit_to(stream: u64, context: u64, device: i32) {
    let _ = NOTE.try_with(|note| note.set(Note { correlation: note.get().correlation, stream, context, device }));
}

/// What is submitted now came of; `None` when the process is not traced.
pub fn note() -> Option<Note> {
    sink()?;
    NOTE.try_with(Cell::get).ok()
}

/// Records work of a device that began at `start_ns` and ends now.
pub fn work(note: Note, start_ns: u64, work: impl FnOnce() -> Work) {
    if let Some(sink) = sink() {
        let ns = now_ns().saturating_sub(start_ns);
        sink.put(&Record::Work { work: work(), note, start_ns, ns });
    }
}

/// Describes a device to the reader of the trace.
pub fn announce(facts: impl FnOnce() -> DeviceFacts) {
    if let Some(sink) = sink() {
        sink.put(&Record::Device(facts()));
    }
}
