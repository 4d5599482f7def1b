//! Writing checkpoints: what the file has not got yet, then the index, then, when all that is on disk, the footer.

use super::format::{ALIGN, BLOCK, BlockRef, Entry, FileId, Footer, Hash, MAGIC, encode_index, hash, n_blocks};
use super::read::Checkpoint;
use super::{CheckpointError, system};
use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A file is written anew when it is larger than this and less than half of it is in use.
const COMPACT_FROM: u64 = 64 << 20;

/// Something to save.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its name, different from the others'.
    pub name: String,
    /// Its size.
    pub bytes: u64,
}

/// What saving took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// Number of the checkpoint.
    pub number: u64,
    /// Bytes of all sections.
    pub bytes: u64,
    /// Bytes of blocks that were written; the others were in the file already, or are zeros.
    pub written_bytes: u64,
    /// The file was written anew.
    pub compacted: bool,
}

/// A checkpoint file that is being written to.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    output: Output,
}

/// The file and what it holds.
#[derive(Debug)]
struct Output {
    file: File,
    id: FileId,
    /// Number of the next checkpoint.
    next_number: u64,
    /// One past the last footer.
    end: u64,
    /// Places of the blocks that the last checkpoint uses.
    known: HashMap<Hash, u64>,
}

impl Store {
    /// Opens a file for checkpoints: an existing one goes on after its newest, any other is made. Mode 0600: it holds what was
    /// in memory.
    ///
    /// # Errors
    /// [`CheckpointError::System`]; [`CheckpointError::Locked`]; [`CheckpointError::NoCheckpoint`] when there is a file that is
    /// none of ours; [`CheckpointError::Damaged`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, CheckpointError> {
        let path = path.as_ref().to_path_buf();
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).mode(0o600);
        let output = match options.open(&path) {
            Ok(file) => {
                lock(&path, &file)?;
                Self::go_on(&path, file)?
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let output = Output::create(&path, 0)?;
                lock(&path, &output.file)?;
                output
            }
            Err(error) => return Err(system("opening", &path)(error)),
        };
        Ok(Self { path, output })
    }

    fn go_on(path: &Path, file: File) -> Result<Output, CheckpointError> {
        let len = file.metadata().map_err(system("reading", path))?.len();
        let mut head = [0; 16];
        let begun = len > 0 && file.read_exact_at(&mut head, 0).is_ok() && head == MAGIC[..];
        if len == 0 {
            return Output::begin(path, file, 0);
        }
        let handle = file.try_clone().map_err(system("opening", path))?;
        match Checkpoint::find(path, handle) {
            Ok(newest) => {
                let blocks = newest.entries.iter().flat_map(|entry| &entry.blocks).filter(|block| block.at != 0);
                let known = blocks.map(|block| (block.hash, block.at)).collect();
                Ok(Output { file, id: newest.id, next_number: newest.number + 1, end: newest.end, known })
            }
            // One that was begun and never finished.
            Err(CheckpointError::NoCheckpoint { .. }) if begun => Output::begin(path, file, 0),
            Err(error) => Err(error),
        }
    }

    /// Saves sections as a checkpoint. `read(idx, at, to)` gives the bytes of section `idx` from `at` on. When this returns, the
    /// checkpoint is on disk; when it fails, the one before is the newest still.
    ///
    /// # Errors
    /// [`CheckpointError::System`], for example when the disk is full; [`CheckpointError::Source`] when `read` fails.
    pub fn save(
        &mut self,
        sections: &[Section],
        mut read: impl FnMut(usize, u64, &mut [u8]) -> Result<(), String>,
    ) -> Result<Saved, CheckpointError> {
        let in_use = self.output.known.len() as u64 * BLOCK as u64;
        if self.output.end <= COMPACT_FROM || in_use >= self.output.end / 2 {
            return self.output.append(&self.path, sections, &mut read);
        }
        let fresh = beside(&self.path, ".new");
        let result = Output::create(&fresh, self.output.next_number).and_then(|mut output| {
            lock(&fresh, &output.file)?;
            let saved = output.append(&fresh, sections, &mut read)?;
            let previous = beside(&self.path, ".previous");
            // A link to the old file first, so that there is a file of that name at every moment.
            let _ = std::fs::remove_file(&previous);
            std::fs::hard_link(&self.path, &previous).map_err(system("keeping the previous version of", &self.path))?;
            std::fs::rename(&fresh, &self.path).map_err(system("renaming", &fresh))?;
            sync_folder(&self.path)?;
            Ok((output, saved))
        });
        match result {
            Ok((output, saved)) => {
                self.output = output;
                Ok(Saved { compacted: true, ..saved })
            }
            Err(error) => {
                let _ = std::fs::remove_file(&fresh);
                Err(error)
            }
        }
    }
}

fn lock(path: &Path, file: &File) -> Result<(), CheckpointError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(CheckpointError::Locked { path: path.to_path_buf() }),
        Err(TryLockError::Error(error)) => Err(system("locking", path)(error)),
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Makes a file's name survive a crash.
fn sync_folder(path: &Path) -> Result<(), CheckpointError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(system("syncing the folder of", path))
}

impl Output {
    fn create(path: &Path, next_number: u64) -> Result<Self, CheckpointError> {
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(true).mode(0o600);
        let file = options.open(path).map_err(system("making", path))?;
        let output = Self::begin(path, file, next_number)?;
        sync_folder(path)?;
        Ok(output)
    }

    /// Writes the head of a file that holds nothing.
    fn begin(path: &Path, file: File, next_number: u64) -> Result<Self, CheckpointError> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        let seed = format!("{now} {} {}", std::process::id(), path.display());
        let id: FileId = hash(seed.as_bytes())[..16].try_into().expect("half of a hash");
        let mut head = MAGIC.to_vec();
        head.extend(id);
        head.resize(ALIGN as usize, 0);
        file.set_len(0).and_then(|()| file.write_all_at(&head, 0)).map_err(system("writing", path))?;
        Ok(Self { file, id, next_number, end: ALIGN, known: HashMap::new() })
    }

    fn append(
        &mut self,
        path: &Path,
        sections: &[Section],
        read: &mut impl FnMut(usize, u64, &mut [u8]) -> Result<(), String>,
    ) -> Result<Saved, CheckpointError> {
        let result = self.write(path, sections, read);
        if result.is_err() {
            // What was begun takes no room. Should this fail as well, the next checkpoint overwrites it.
            let _ = self.file.set_len(self.end);
        }
        result
    }

    fn write(
        &mut self,
        path: &Path,
        sections: &[Section],
        read: &mut impl FnMut(usize, u64, &mut [u8]) -> Result<(), String>,
    ) -> Result<Saved, CheckpointError> {
        // A footer that an attempt before this one left behind the newest must not be found when this one ends early.
        self.file.set_len(self.end).map_err(system("writing", path))?;
        let mut saved = Saved { number: self.next_number, ..Saved::default() };
        let mut at = self.end;
        let mut used = HashMap::new();
        let mut entries = Vec::with_capacity(sections.len());
        let mut buffer = vec![0; BLOCK];
        for (idx, section) in sections.iter().enumerate() {
            let mut entry = Entry { name: section.name.clone(), bytes: section.bytes, blocks: Vec::new() };
            for block in 0..n_blocks(section.bytes) as usize {
                let range = entry.range(block);
                let bytes = &mut buffer[..(range.end - range.start) as usize];
                read(idx, range.start, bytes)
                    .map_err(|reason| CheckpointError::Source { section: section.name.clone(), reason })?;
                let hash = hash(bytes);
                let place = if bytes.iter().all(|byte| *byte == 0) {
                    0
                } else if let Some(&place) = self.known.get(&hash).or_else(|| used.get(&hash)) {
                    place
                } else {
                    self.file.write_all_at(bytes, at).map_err(system("writing", path))?;
                    saved.written_bytes += bytes.len() as u64;
                    let place = at;
                    at = (at + bytes.len() as u64).next_multiple_of(ALIGN);
                    place
                };
                if place != 0 {
                    used.insert(hash, place);
                }
                entry.blocks.push(BlockRef { at: place, hash });
            }
            saved.bytes += section.bytes;
            entries.push(entry);
        }
        let index = encode_index(&entries);
        self.file.write_all_at(&index, at).map_err(system("writing", path))?;
        let footer = Footer {
            number: self.next_number,
            index_at: at,
            index_bytes: index.len() as u64,
            index_hash: hash(&index),
        };
        // The footer may be on disk only after what it speaks of.
        self.file.sync_all().map_err(system("syncing", path))?;
        let at = (at + index.len() as u64).next_multiple_of(ALIGN);
        self.file.write_all_at(&footer.encode(&self.id, at), at).map_err(system("writing", path))?;
        self.file.sync_all().map_err(system("syncing", path))?;
        (self.end, self.known, self.next_number) = (at + ALIGN, used, self.next_number + 1);
        Ok(saved)
    }
}
