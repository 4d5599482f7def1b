//! The embedded store beside the market's journal: tenants, modules, jobs, rules, as JSON in one `redb` file.
//!
//! Writes go to one thread, which commits what has gathered in one transaction: a thousand clients that submit at once cost a few
//! disk syncs, not a thousand. A [`Ticket`] is redeemed when its write is on disk; only then may anybody be told.
//! The market's money is not here: a tenant's row names its account in the journal, and the two are compared at the start.

use redb::{Database, ReadableDatabase as _, TableDefinition};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use thiserror::Error;
use tokio::sync::oneshot;

/// Everything: kind and key to JSON.
const ROWS: TableDefinition<'_, (&str, &str), &[u8]> = TableDefinition::new("rows");

/// Writes that one transaction takes at most.
const GROUP: usize = 4096;

/// Why the store cannot be used.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The file.
    #[error("cannot use the store {path}: {why}")]
    File {
        /// Which.
        path: String,
        /// Why.
        why: String,
    },
    /// A row.
    #[error("the store's row {kind}/{key} is damaged: {why}")]
    Row {
        /// Its kind.
        kind: String,
        /// Its key.
        key: String,
        /// What is wrong.
        why: String,
    },
    /// A write was not made durable.
    #[error("the store cannot write: {0}")]
    Write(String),
}

struct Write {
    kind: &'static str,
    key: String,
    /// `None` removes the row.
    value: Option<Vec<u8>>,
    done: oneshot::Sender<Result<(), String>>,
}

/// A write under way.
#[derive(Debug)]
pub struct Ticket(oneshot::Receiver<Result<(), String>>);

impl Ticket {
    /// Waits until the write is on disk. For threads; not inside the async runtime.
    ///
    /// # Errors
    /// It could not be written.
    pub fn wait(self) -> Result<(), StoreError> {
        outcome(self.0.blocking_recv())
    }

    /// Waits until the write is on disk.
    ///
    /// # Errors
    /// It could not be written.
    pub async fn durable(self) -> Result<(), StoreError> {
        outcome(self.0.await)
    }
}

fn outcome(answer: Result<Result<(), String>, oneshot::error::RecvError>) -> Result<(), StoreError> {
    answer.unwrap_or_else(|_| Err("the store was closed".to_owned())).map_err(StoreError::Write)
}

/// See the module header. Clones are the same store.
#[derive(Clone)]
pub struct Store {
    database: Arc<Database>,
    writes: Sender<Write>,
    writer: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Store {
    /// Opens or makes the file.
    ///
    /// # Errors
    /// It cannot be used, or is in use.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let wrong =
            |why: &dyn std::fmt::Display| StoreError::File { path: path.display().to_string(), why: why.to_string() };
        let database = Arc::new(Database::create(path).map_err(|error| wrong(&error))?);
        // The table must be there before anybody reads.
        let make = || -> Result<(), redb::Error> {
            let transaction = database.begin_write()?;
            transaction.open_table(ROWS)?;
            Ok(transaction.commit()?)
        };
        make().map_err(|error| wrong(&error))?;
        let (writes, incoming) = channel();
        let own = Arc::clone(&database);
        let writer =
            std::thread::Builder::new().name("vgpud-store".to_owned()).spawn(move || write_all(&own, &incoming));
        let writer = writer.map_err(|error| wrong(&error))?;
        Ok(Self { database, writes, writer: Arc::new(Mutex::new(Some(writer))) })
    }

    /// Writes a row.
    pub fn put(&self, kind: &'static str, key: &str, value: &impl Serialize) -> Ticket {
        match serde_json::to_vec(value) {
            Ok(bytes) => self.write(kind, key, Some(bytes)),
            Err(error) => {
                let (sender, receiver) = oneshot::channel();
                // The receiver is right here.
                let _ = sender.send(Err(error.to_string()));
                Ticket(receiver)
            }
        }
    }

    /// Removes a row.
    pub fn remove(&self, kind: &'static str, key: &str) -> Ticket {
        self.write(kind, key, None)
    }

    fn write(&self, kind: &'static str, key: &str, value: Option<Vec<u8>>) -> Ticket {
        let (done, ticket) = oneshot::channel();
        // A writer that is gone drops `done`, which the ticket reports.
        let _ = self.writes.send(Write { kind, key: key.to_owned(), value, done });
        Ticket(ticket)
    }

    /// All rows of a kind, by key.
    ///
    /// # Errors
    /// The file cannot be read, or a row is damaged.
    pub fn all<T: DeserializeOwned>(&self, kind: &str) -> Result<Vec<(String, T)>, StoreError> {
        let read = || -> Result<Vec<(String, Vec<u8>)>, redb::Error> {
            let table = self.database.begin_read()?.open_table(ROWS)?;
            let mut rows = Vec::new();
            for row in table.range((kind, "")..)? {
                let (key, value) = row?;
                if key.value().0 != kind {
                    break;
                }
                rows.push((key.value().1.to_owned(), value.value().to_vec()));
            }
            Ok(rows)
        };
        let rows = read().map_err(|error| StoreError::File { path: "rows".to_owned(), why: error.to_string() })?;
        let parse = |(key, bytes): (String, Vec<u8>)| match serde_json::from_slice(&bytes) {
            Ok(value) => Ok((key, value)),
            Err(error) => Err(StoreError::Row { kind: kind.to_owned(), key, why: error.to_string() }),
        };
        rows.into_iter().map(parse).collect()
    }

    /// Ends the writer after everything that was given to it.
    pub fn close(self) {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(self.writes);
        if let Some(writer) = writer.filter(|_| Arc::strong_count(&self.writer) == 1) {
            // It has nothing to say.
            let _ = writer.join();
        }
    }
}

fn write_all(database: &Database, incoming: &Receiver<Write>) {
    while let Ok(first) = incoming.recv() {
        let mut group = vec![first];
        group.extend(incoming.try_iter().take(GROUP - 1));
        let commit = || -> Result<(), redb::Error> {
            let transaction = database.begin_write()?;
            {
                let mut table = transaction.open_table(ROWS)?;
                for write in &group {
                    let key = (write.kind, write.key.as_str());
                    match &write.value {
                        Some(value) => drop(table.insert(key, value.as_slice())?),
                        None => drop(table.remove(key)?),
                    }
                }
            }
            Ok(transaction.commit()?)
        };
        let outcome = commit().map_err(|error| error.to_string());
        for write in group {
            // Who does not wait does not want to know.
            let _ = write.done.send(outcome.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_survive_and_kinds_are_apart() {
        let folder = std::env::temp_dir().join(format!("vgpu-store-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("made");
        let path = folder.join("store.redb");
        let store = Store::open(&path).expect("opens");
        let tickets: Vec<_> = (0..100u32).map(|n| store.put("number", &format!("{n:03}"), &n)).collect();
        let other = store.put("word", "a", &"b");
        tickets.into_iter().for_each(|ticket| ticket.wait().expect("written"));
        other.wait().expect("written");
        store.remove("number", "007").wait().expect("removed");
        assert!(Store::open(&path).is_err(), "one daemon per folder");
        store.close();
        let store = Store::open(&path).expect("opens again");
        let numbers: Vec<(String, u32)> = store.all("number").expect("read");
        assert_eq!(numbers.len(), 99);
        assert!(numbers.iter().all(|(key, n)| *key == format!("{n:03}") && *n != 7));
        let damaged = store.all::<u32>("word").expect_err("not a number");
        assert!(damaged.to_string().starts_with("the store's row word/a is damaged"), "{damaged}");
        store.close();
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
