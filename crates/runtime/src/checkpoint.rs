//! A context in a file: its memory at its addresses, its modules with their texts, how far its streams are, and what the
//! caller adds (the states of random generators, say).
//!
//! Model. A checkpoint is taken when all streams have ended what they were given, so there is nothing under way to save. Memory
//! is saved allocation by allocation; modules as the texts they were loaded from, found again by content, with the addresses of
//! their variables, whose contents are memory like any other. Restoring puts every allocation at the address it had, so
//! that pointers in memory stay right; the device's address space begins at the same place in every process as far as the
//! system allows (`exec::os`), and restoring says so when an address is taken.
//!
//! The file, its increments and its safety are `vgpu_mem::checkpoint`'s.
//!
//! What it does not do: contexts with a device heap (`malloc` in kernels), modules made from IR, events, graphs.

use crate::context::{Context, ContextShared};
use crate::device::Device;
use crate::error::Error;
use crate::exec::copy;
use crate::memory::DevicePtr;
use crate::module::Module;
use crate::stream::{Stream, StreamClass};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};
use vgpu_mem::checkpoint::{Checkpoint, Saved, Section, Store};

/// First line of the section that describes the others.
const HEADER: &str = "vgpu context 1";

/// What the caller adds to a checkpoint: bytes by name.
pub type Extra = BTreeMap<String, Vec<u8>>;

/// A context that was restored, with what it had.
#[derive(Debug)]
pub struct Restored {
    /// The context; its memory is at its addresses.
    pub context: Context,
    /// Its modules, in the order in which they were loaded.
    pub modules: Vec<Module>,
    /// Its streams with their positions, the default stream first.
    pub streams: Vec<Stream>,
    /// What the caller had added.
    pub extra: Extra,
}

/// Takes a checkpoint when so much time has passed since the last.
#[derive(Debug)]
pub struct Periodic {
    store: Store,
    every: Duration,
    last: Option<Instant>,
}

impl Periodic {
    /// Checkpoints to `store`, at most one in the time `every`. The first boundary takes one.
    pub const fn new(store: Store, every: Duration) -> Self {
        Self { store, every, last: None }
    }

    /// Called between two steps of a computation: takes a checkpoint if it is time. `extra` is asked only then.
    ///
    /// # Errors
    /// As [`Context::checkpoint`]; the next boundary tries again.
    pub fn at_boundary(&mut self, context: &Context, extra: impl FnOnce() -> Extra) -> Result<Option<Saved>, Error> {
        if self.last.is_some_and(|last| last.elapsed() < self.every) {
            return Ok(None);
        }
        let saved = context.checkpoint(&mut self.store, &extra())?;
        self.last = Some(Instant::now());
        Ok(Some(saved))
    }
}

fn refused(message: impl Into<String>) -> Error {
    Error::Checkpoint { message: message.into() }
}

const fn class_name(class: StreamClass) -> &'static str {
    match class {
        StreamClass::Free => "free",
        StreamClass::Blocking => "blocking",
        StreamClass::Legacy => "legacy",
    }
}

fn class_of(name: &str) -> Option<StreamClass> {
    [StreamClass::Free, StreamClass::Blocking, StreamClass::Legacy].into_iter().find(|class| class_name(*class) == name)
}

fn memory_section(address: u64) -> String {
    format!("memory {address:#x}")
}

impl Context {
    /// Waits for all streams, then saves the context. No other thread may use it meanwhile. Only what has changed since
    /// the store's last checkpoint is written; when it fails, that one is the newest still.
    ///
    /// # Errors
    /// The sticky error; [`Error::Checkpoint`] when the context has what cannot be saved, or the file cannot be written.
    pub fn checkpoint(&self, store: &mut Store, extra: &Extra) -> Result<Saved, Error> {
        self.synchronize()?;
        let shared = &self.shared;
        if shared.has_heap() {
            return Err(refused("the context has a device heap, which kernels' malloc made; it is not supported"));
        }
        let mut about = format!("{HEADER}\n");
        let mut parts: Vec<(String, Part<'_>)> = Vec::new();
        for (address, bytes) in shared.owned_memory() {
            let _ = writeln!(about, "memory {address:#x} {bytes}");
            parts.push((memory_section(address), Part::Memory(DevicePtr(address), bytes)));
        }
        let modules = shared.modules();
        for (idx, module) in modules.iter().enumerate() {
            let Some(texts) = module.texts() else {
                return Err(refused("a module of the context was made from IR and has no text; it is not supported"));
            };
            let symbols: Vec<String> = module.symbols().iter().map(|address| format!("{address:#x}")).collect();
            let hash: String = module.fingerprint().iter().map(|byte| format!("{byte:02x}")).collect();
            let _ = writeln!(about, "module {hash} {} {}", texts.len(), symbols.join(","));
            for (number, text) in texts.iter().enumerate() {
                parts.push((format!("module {idx} {number}"), Part::Bytes(text.as_bytes())));
            }
        }
        for stream in shared.streams() {
            let class = class_name(stream.class());
            let _ = writeln!(about, "stream {class} {} {}", stream.priority(), stream.position());
        }
        for (name, bytes) in extra {
            parts.push((format!("extra {name}"), Part::Bytes(bytes)));
        }
        parts.push(("context".to_owned(), Part::Bytes(about.as_bytes())));
        let section = |(name, part): &(String, Part<'_>)| Section { name: name.clone(), bytes: part.bytes() };
        let sections: Vec<Section> = parts.iter().map(section).collect();
        let saved = store.save(&sections, |idx, at, to| parts[idx].1.read(shared, at, to));
        saved.map_err(|error| refused(error.to_string()))
    }

    /// Makes a context as it was when the checkpoint was taken, on a device whose memory has the same addresses free: the
    /// first device of a new process has, when the first one of the old process was saved.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] when the file is damaged, is none of a context, or an address is taken; [`Error::Load`].
    pub fn restore(device: &Device, from: &Checkpoint) -> Result<Restored, Error> {
        let read = |section: &str| from.section(section).map_err(|error| refused(error.to_string()));
        let about = String::from_utf8(read("context")?).unwrap_or_default();
        let plan =
            Plan::parse(&about).ok_or_else(|| refused("the file holds no context, or one of another version"))?;
        let context = Self::new(device);
        context.shared.place(&plan.memory)?;
        let mut block = vec![0; 1 << 20];
        for &(address, bytes) in &plan.memory {
            let mut at = 0;
            while at < bytes {
                let n = (bytes - at).min(block.len() as u64);
                let data = &mut block[..n as usize];
                from.read(&memory_section(address), at, data).map_err(|error| refused(error.to_string()))?;
                copy::to_device(&context.shared.pin(DevicePtr(address + at), n)?, data)?;
                at += n;
            }
        }
        let mut modules = Vec::new();
        for (idx, (hash, n_texts, symbols)) in plan.modules.iter().enumerate() {
            let text = |number| {
                String::from_utf8(read(&format!("module {idx} {number}"))?)
                    .map_err(|_| refused("a module's text is no text"))
            };
            let texts = (0..*n_texts).map(text).collect::<Result<Vec<String>, Error>>()?;
            modules.push(Module::restore(&context, &texts, hash, symbols)?);
        }
        let mut streams = Vec::new();
        for (idx, &(class, priority, position)) in plan.streams.iter().enumerate() {
            let stream = if idx == 0 { context.default_stream() } else { context.create_stream_with(class, priority) };
            stream.shared.set_position(position);
            streams.push(stream);
        }
        let names = from.sections().filter_map(|(name, _)| name.strip_prefix("extra "));
        let extra = names.map(|name| Ok((name.to_owned(), read(&format!("extra {name}"))?)));
        let extra = extra.collect::<Result<Extra, Error>>()?;
        Ok(Restored { context, modules, streams, extra })
    }
}

/// Where the bytes of a section come from.
enum Part<'a> {
    Memory(DevicePtr, u64),
    Bytes(&'a [u8]),
}

impl Part<'_> {
    const fn bytes(&self) -> u64 {
        match self {
            Self::Memory(_, bytes) => *bytes,
            Self::Bytes(bytes) => bytes.len() as u64,
        }
    }

    fn read(&self, context: &ContextShared, at: u64, to: &mut [u8]) -> Result<(), String> {
        match self {
            Self::Memory(address, _) => {
                let pinned = context.pin(address.offset(at), to.len() as u64).map_err(|error| error.to_string())?;
                copy::from_device(to, &pinned).map_err(|error| error.to_string())?;
            }
            Self::Bytes(bytes) => to.copy_from_slice(&bytes[at as usize..at as usize + to.len()]),
        }
        Ok(())
    }
}

/// The section that describes the others, read.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    memory: Vec<(u64, u64)>,
    modules: Vec<(String, usize, Vec<u64>)>,
    streams: Vec<(StreamClass, i32, u64)>,
}

fn address(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

impl Plan {
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next()? != HEADER {
            return None;
        }
        let mut plan = Self::default();
        for line in lines {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["memory", at, bytes] => plan.memory.push((address(at)?, bytes.parse().ok()?)),
                ["module", hash, n_texts, symbols] => {
                    let symbols = symbols.split(',').filter(|symbol| !symbol.is_empty()).map(address);
                    let symbols = symbols.collect::<Option<Vec<u64>>>()?;
                    plan.modules.push((hash.to_owned(), n_texts.parse().ok()?, symbols));
                }
                ["stream", class, priority, position] => {
                    plan.streams.push((class_of(class)?, priority.parse().ok()?, position.parse().ok()?));
                }
                _ => return None,
            }
        }
        Some(plan)
    }
}
