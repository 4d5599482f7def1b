//! Reading a checkpoint, every block checked.

use super::format::{ALIGN, BLOCK, BlockRef, Entry, FileId, Footer, MAGIC, decode_index, hash};
use super::{CheckpointError, system};
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// The newest whole checkpoint of a file.
#[derive(Debug)]
pub struct Checkpoint {
    pub(super) path: PathBuf,
    pub(super) file: File,
    pub(super) id: FileId,
    pub(super) number: u64,
    pub(super) entries: Vec<Entry>,
    /// One past the footer.
    pub(super) end: u64,
}

impl Checkpoint {
    /// Opens the newest whole checkpoint of a file.
    ///
    /// # Errors
    /// [`CheckpointError::System`], [`CheckpointError::NoCheckpoint`], [`CheckpointError::Damaged`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, CheckpointError> {
        let path = path.as_ref();
        let file = File::open(path).map_err(system("opening", path))?;
        Self::find(path, file)
    }

    pub(super) fn find(path: &Path, file: File) -> Result<Self, CheckpointError> {
        let read = |at, bytes: &mut [u8]| file.read_exact_at(bytes, at).map_err(system("reading", path));
        let none = |reason| CheckpointError::NoCheckpoint { path: path.to_path_buf(), reason };
        let len = file.metadata().map_err(system("reading", path))?.len();
        if len < ALIGN {
            return Err(none("it is shorter than the head of one"));
        }
        let mut head = [0; 32];
        read(0, &mut head)?;
        if head[..16] != MAGIC[..] {
            return Err(none("it does not begin like one"));
        }
        let id: FileId = head[16..].try_into().expect("half of the head");
        let mut block = vec![0; ALIGN as usize];
        // From the end: what an unfinished checkpoint left there has no footer.
        let mut at = len / ALIGN * ALIGN;
        let footer = loop {
            at -= ALIGN;
            if at == 0 {
                return Err(none("none was ever finished in it"));
            }
            read(at, &mut block)?;
            if let Some(footer) = Footer::decode(&block, &id, at) {
                break footer;
            }
        };
        let damaged =
            || CheckpointError::Damaged { path: path.to_path_buf(), what: "its index".to_owned(), at: footer.index_at };
        if footer.index_at.checked_add(footer.index_bytes).is_none_or(|end| end > at) {
            return Err(damaged());
        }
        let mut index = vec![0; footer.index_bytes as usize];
        read(footer.index_at, &mut index)?;
        if hash(&index) != footer.index_hash {
            return Err(damaged());
        }
        let entries = decode_index(&index).ok_or_else(damaged)?;
        Ok(Self { path: path.to_path_buf(), file, id, number: footer.number, entries, end: at + ALIGN })
    }

    /// How many checkpoints were made before this one, since the file's history began.
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Names and sizes of the sections.
    pub fn sections(&self) -> impl Iterator<Item = (&str, u64)> {
        self.entries.iter().map(|entry| (entry.name.as_str(), entry.bytes))
    }

    /// Reads from a section.
    ///
    /// # Errors
    /// [`CheckpointError::Section`] when it has no such bytes; [`CheckpointError::Damaged`]; [`CheckpointError::System`].
    pub fn read(&self, section: &str, at: u64, to: &mut [u8]) -> Result<(), CheckpointError> {
        let missing = || CheckpointError::Section {
            path: self.path.clone(),
            section: section.to_owned(),
            at,
            bytes: to.len() as u64,
        };
        let entry = self.entries.iter().find(|entry| entry.name == section).ok_or_else(missing)?;
        let end = at.checked_add(to.len() as u64).filter(|end| *end <= entry.bytes).ok_or_else(missing)?;
        let mut block = vec![0; BLOCK];
        let mut from = at;
        while from < end {
            let idx = (from / BLOCK as u64) as usize;
            let range = entry.range(idx);
            let until = end.min(range.end);
            let bytes = &mut block[..(range.end - range.start) as usize];
            self.read_block(entry, idx, entry.blocks[idx], bytes)?;
            let part = &bytes[(from - range.start) as usize..(until - range.start) as usize];
            to[(from - at) as usize..(until - at) as usize].copy_from_slice(part);
            from = until;
        }
        Ok(())
    }

    /// All of a section.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn section(&self, section: &str) -> Result<Vec<u8>, CheckpointError> {
        let bytes = self.entries.iter().find(|entry| entry.name == section).map_or(0, |entry| entry.bytes);
        let mut data = vec![0; bytes as usize];
        self.read(section, 0, &mut data)?;
        Ok(data)
    }

    /// Reads everything and checks it.
    ///
    /// # Errors
    /// The first block that is damaged, or cannot be read.
    pub fn verify(&self) -> Result<(), CheckpointError> {
        let mut block = vec![0; BLOCK];
        for entry in &self.entries {
            for (idx, &place) in entry.blocks.iter().enumerate() {
                let range = entry.range(idx);
                self.read_block(entry, idx, place, &mut block[..(range.end - range.start) as usize])?;
            }
        }
        Ok(())
    }

    fn read_block(&self, entry: &Entry, idx: usize, place: BlockRef, to: &mut [u8]) -> Result<(), CheckpointError> {
        if place.at == 0 {
            to.fill(0);
            return Ok(());
        }
        // A file that was cut off is damaged as well: its index said that the block is there.
        let read = self.file.read_exact_at(to, place.at);
        let cut = read.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::UnexpectedEof);
        if !cut {
            read.map_err(system("reading", &self.path))?;
        }
        if cut || hash(to) != place.hash {
            let what = format!("section \"{}\", byte {},", entry.name, entry.range(idx).start);
            return Err(CheckpointError::Damaged { path: self.path.clone(), what, at: place.at });
        }
        Ok(())
    }
}
