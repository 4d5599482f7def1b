//! The audit log: every decision of the gate as one line of text, in a file that is turned over at 16 MiB.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use vgpu_policy::{Guard, Record};

const MAX_BYTES: u64 = 16 << 20;

/// See the module header. A log that cannot be written is said so once on standard error, and the daemon goes on: decisions
/// are in memory as well.
#[derive(Debug)]
pub struct AuditLog {
    path: PathBuf,
    file: Option<BufWriter<File>>,
    bytes: u64,
    /// Number of the next decision to write.
    next: u64,
}

impl AuditLog {
    /// Appends to this file.
    pub fn open(path: &Path) -> Self {
        let mut log = Self { path: path.to_path_buf(), file: None, bytes: 0, next: 0 };
        log.start();
        log
    }

    fn start(&mut self) {
        match OpenOptions::new().create(true).append(true).open(&self.path) {
            Ok(file) => {
                self.bytes = file.metadata().map_or(0, |data| data.len());
                self.file = Some(BufWriter::new(file));
            }
            Err(error) => self.fail(&error),
        }
    }

    fn fail(&mut self, error: &std::io::Error) {
        eprintln!("vgpud: cannot write {}: {error}; decisions are kept in memory only", self.path.display());
        self.file = None;
    }

    /// Writes the decisions that are new.
    pub fn follow(&mut self, guard: &Guard) {
        let first = self.next;
        self.next = guard.n_decisions();
        let new: Vec<&Record> = guard.records().rev().take_while(|record| record.number >= first).collect();
        for record in new.into_iter().rev() {
            let line = format!("{record}\n");
            let Some(file) = &mut self.file else { return };
            if let Err(error) = file.write_all(line.as_bytes()) {
                self.fail(&error);
                return;
            }
            self.bytes += line.len() as u64;
        }
        if self.bytes > MAX_BYTES {
            self.flush();
            // If it cannot be renamed it simply grows on.
            let _ = std::fs::rename(&self.path, self.path.with_extension("log.1"));
            self.start();
        }
    }

    /// Hands what is buffered to the system.
    pub fn flush(&mut self) {
        if let Some(file) = &mut self.file
            && let Err(error) = file.flush()
        {
            self.fail(&error);
        }
    }
}
