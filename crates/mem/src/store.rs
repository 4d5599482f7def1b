//! Bytes of pages that are not in the pool: compressed in memory, or in the spill file.
//!
//! Model. A page that leaves the pool becomes a [`Copy`]. A page of zeros is only remembered. One that compresses well may stay in
//! memory, *packed*; the rest goes to the disk, each page at its own offset in the spill file, so that neighbouring pages
//! are written and read in one call. Every copy carries the checksum of the page, which is checked when it comes back.
//!
//! What it does not do: know who needs the page or what is free (`pager` does). It has no lock but for the measured speeds.

use crate::codec::{self, CANDIDATES, Codec, Speeds};
use crate::error::Error;
use crate::os::{BLOCK_BYTES, Buffer, SpillFile};
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

/// Where a page's bytes are when they are not, or not only, in a frame.
#[derive(Debug, PartialEq)]
pub(crate) enum Copy {
    /// Nowhere else.
    None,
    /// All bytes are zero.
    Zero,
    /// In memory.
    Packed(Packed),
    /// In the spill file, at the page's offset.
    Disk(Stored),
}

#[derive(Debug, PartialEq)]
pub(crate) struct Packed {
    pub(crate) codec: Codec,
    pub(crate) bytes: Box<[u8]>,
    pub(crate) sum: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stored {
    pub(crate) codec: Codec,
    pub(crate) bytes: u32,
    pub(crate) sum: u64,
}

/// What [`Store::plan`] says about a page that leaves.
#[derive(Debug, PartialEq)]
pub(crate) enum Plan {
    /// Done: it is zero, or packed in memory.
    Keep(Copy),
    /// To be written as it is, with this checksum.
    WriteRaw(u64),
    /// To be written packed.
    WritePacked(Packed),
}

/// Bytes moved to and from the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskTraffic {
    /// Bytes written.
    pub written: u64,
    /// Bytes read.
    pub read: u64,
    /// Calls.
    pub transfers: u64,
}

#[derive(Debug)]
struct Measured {
    speeds: [Speeds; CANDIDATES.len()],
    write_bandwidth: f64,
    read_bandwidth: f64,
    /// Codecs found for groups of neighbouring pages, and how often they were used since.
    choices: HashMap<u32, (Option<Codec>, Codec, u32)>,
    traffic: DiskTraffic,
}

/// Neighbouring pages that share a choice of codec.
const GROUP: u32 = 16;
/// Pages of a group until its choice is made anew.
const CHOICE_USES: u32 = 32;

/// See the module header.
#[derive(Debug)]
pub(crate) struct Store {
    folder: PathBuf,
    file: OnceLock<SpillFile>,
    page_bytes: u64,
    measured: Mutex<Measured>,
}

thread_local! {
    static BUFFER: RefCell<Buffer> = RefCell::default();
}

fn blend(old: f64, bytes: u64, since: Instant) -> f64 {
    let seconds = since.elapsed().as_secs_f64();
    if seconds <= 0.0 { old } else { old * 0.9 + bytes as f64 / seconds * 0.1 }
}

impl Store {
    pub(crate) fn new(folder: PathBuf, page_bytes: u64) -> Self {
        let measured = Measured {
            speeds: CANDIDATES.map(Codec::usual_speeds),
            write_bandwidth: 1e9,
            read_bandwidth: 1e9,
            choices: HashMap::new(),
            traffic: DiskTraffic::default(),
        };
        Self { folder, file: OnceLock::new(), page_bytes, measured: Mutex::new(measured) }
    }

    fn measured(&self) -> MutexGuard<'_, Measured> {
        self.measured.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn traffic(&self) -> DiskTraffic {
        self.measured().traffic
    }

    fn file(&self) -> Result<&SpillFile, Error> {
        if let Some(file) = self.file.get() {
            return Ok(file);
        }
        let file = SpillFile::create(&self.folder)?;
        Ok(self.file.get_or_init(|| file))
    }

    /// Makes room in the spill file for pages.
    pub(crate) fn reserve(&self, page: u32, count: u32) -> Result<(), Error> {
        self.file()?.reserve(u64::from(page) * self.page_bytes, u64::from(count) * self.page_bytes)
    }

    /// The opposite of [`Self::reserve`].
    pub(crate) fn release(&self, page: u32, count: u32) {
        if let Some(file) = self.file.get() {
            file.release(u64::from(page) * self.page_bytes, u64::from(count) * self.page_bytes);
        }
    }

    fn choose(&self, page: u32, bytes: &[u8]) -> (Option<Codec>, Codec) {
        {
            let mut measured = self.measured();
            if let Some((memory, disk, uses)) = measured.choices.get_mut(&(page / GROUP))
                && *uses < CHOICE_USES
            {
                *uses += 1;
                return (*memory, *disk);
            }
        }
        let ratios = codec::ratios(bytes);
        let mut measured = self.measured();
        let Measured { speeds, write_bandwidth, read_bandwidth, .. } = *measured;
        let memory = codec::for_memory(&ratios, &speeds, write_bandwidth, read_bandwidth);
        let disk = codec::for_disk(&ratios, &speeds, write_bandwidth);
        measured.choices.insert(page / GROUP, (memory, disk, 0));
        (memory, disk)
    }

    /// Decides what becomes of a page that leaves; `in_memory` when the memory tier may take it.
    pub(crate) fn plan(&self, page: u32, bytes: &[u8], in_memory: bool) -> Plan {
        if codec::is_zero(bytes) {
            return Plan::Keep(Copy::Zero);
        }
        let sum = codec::checksum(bytes);
        let (memory, disk) = self.choose(page, bytes);
        let memory = memory.filter(|_| in_memory);
        let codec = memory.unwrap_or(disk);
        if codec == Codec::Raw {
            return Plan::WriteRaw(sum);
        }
        let start = Instant::now();
        let packed = codec.pack(bytes).into_boxed_slice();
        self.note_speed(codec, bytes.len(), start, true);
        let least = if memory.is_some() { codec::MIN_RATIO } else { 1.0 };
        if packed.len() as f64 * least >= bytes.len() as f64 {
            return Plan::WriteRaw(sum);
        }
        let packed = Packed { codec, bytes: packed, sum };
        if memory.is_some() { Plan::Keep(Copy::Packed(packed)) } else { Plan::WritePacked(packed) }
    }

    fn note_speed(&self, codec: Codec, bytes: usize, start: Instant, packing: bool) {
        let Some(idx) = CANDIDATES.iter().position(|known| *known == codec) else { return };
        let mut measured = self.measured();
        let speeds = &mut measured.speeds[idx];
        let speed = if packing { &mut speeds.pack } else { &mut speeds.unpack };
        *speed = blend(*speed, bytes as u64, start);
    }

    /// Writes neighbouring pages as they are.
    pub(crate) fn write_raw(&self, first: u32, pages: &[&[u8]]) -> Result<(), Error> {
        let start = Instant::now();
        self.file()?.write(u64::from(first) * self.page_bytes, pages)?;
        self.note_write(pages.len() as u64 * self.page_bytes, start);
        Ok(())
    }

    fn note_write(&self, bytes: u64, start: Instant) {
        let mut measured = self.measured();
        measured.write_bandwidth = blend(measured.write_bandwidth, bytes, start);
        measured.traffic.written += bytes;
        measured.traffic.transfers += 1;
    }

    /// Writes a packed page.
    pub(crate) fn write_packed(&self, page: u32, packed: &Packed) -> Result<Stored, Error> {
        let n = packed.bytes.len();
        let padded = n.next_multiple_of(BLOCK_BYTES as usize);
        BUFFER.with_borrow_mut(|buffer| {
            let block = buffer.slice(padded);
            block[..n].copy_from_slice(&packed.bytes);
            block[n..].fill(0);
            let start = Instant::now();
            self.file()?.write(u64::from(page) * self.page_bytes, &[block])?;
            self.note_write(padded as u64, start);
            Ok(Stored { codec: packed.codec, bytes: n as u32, sum: packed.sum })
        })
    }

    /// Brings neighbouring raw pages back; checks nothing.
    pub(crate) fn read_raw(&self, first: u32, pages: &mut [&mut [u8]]) -> Result<(), Error> {
        let start = Instant::now();
        self.file()?.read(u64::from(first) * self.page_bytes, pages)?;
        self.note_read(pages.len() as u64 * self.page_bytes, start);
        Ok(())
    }

    fn note_read(&self, bytes: u64, start: Instant) {
        let mut measured = self.measured();
        measured.read_bandwidth = blend(measured.read_bandwidth, bytes, start);
        measured.traffic.read += bytes;
        measured.traffic.transfers += 1;
    }

    /// Whether the bytes are those that were stored. `base` is the address of page 0.
    pub(crate) fn check(&self, base: u64, page: u32, bytes: &[u8], sum: u64, tier: &'static str) -> Result<(), Error> {
        let found = codec::checksum(bytes);
        if found == sum {
            return Ok(());
        }
        let address = base + u64::from(page) * self.page_bytes;
        Err(Error::Corrupt { address, tier, expected: sum, found })
    }

    /// Brings a page's bytes back into `bytes`.
    pub(crate) fn fill(&self, base: u64, page: u32, copy: &Copy, bytes: &mut [u8]) -> Result<(), Error> {
        let (codec, sum, tier) = match copy {
            Copy::None | Copy::Zero => {
                bytes.fill(0);
                return Ok(());
            }
            Copy::Packed(packed) => (packed.codec, packed.sum, "vVRAM"),
            Copy::Disk(stored) => (stored.codec, stored.sum, "vSSD"),
        };
        // Bytes that do not unpack are what the checksum then finds.
        let unpack = |packed: &[u8], bytes: &mut [u8]| {
            let start = Instant::now();
            if codec.unpack(packed, bytes).is_err() {
                bytes.fill(0);
            }
            self.note_speed(codec, bytes.len(), start, false);
        };
        match copy {
            Copy::Disk(Stored { codec: Codec::Raw, .. }) => self.read_raw(page, &mut [bytes])?,
            Copy::Disk(stored) => BUFFER.with_borrow_mut(|buffer| {
                let padded = (stored.bytes as usize).next_multiple_of(BLOCK_BYTES as usize);
                let start = Instant::now();
                let block = buffer.slice(padded);
                self.file()?.read(u64::from(page) * self.page_bytes, &mut [&mut *block])?;
                self.note_read(padded as u64, start);
                unpack(&block[..stored.bytes as usize], bytes);
                Ok(())
            })?,
            Copy::Packed(packed) => unpack(&packed.bytes, bytes),
            Copy::None | Copy::Zero => {}
        }
        self.check(base, page, bytes, sum, tier)
    }

    /// Overwrites what is stored of a page, for tests of damage.
    #[cfg(test)]
    pub(crate) fn damage(&self, page: u32) {
        let mut buffer = Buffer::default();
        let block = buffer.slice(BLOCK_BYTES as usize);
        let file = self.file().unwrap();
        file.read(u64::from(page) * self.page_bytes, &mut [&mut *block]).unwrap();
        block[100] ^= 1;
        file.write(u64::from(page) * self.page_bytes, &[block]).unwrap();
    }
}
