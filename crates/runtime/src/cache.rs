//! Compiled kernels on disk: content-addressed, shared by processes, safe to delete at any time.
//!
//! Model. An entry's name is the hash of all that determines the code: module, kernel, specialisation, target and build of
//! vgpu. It is written to a temporary file and renamed, so readers see all of it or nothing; its header carries the key and a
//! checksum, and an entry that does not match is removed and counts as absent. When the directory is over its bound, the entries used least
//! recently go. No failure of the cache is an error: the kernel is compiled again.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use vgpu_jit::{EntryKind, KernelLayout, ObjectCode, ParamAlignment, Specialization, Target};

const MAGIC: &[u8; 8] = b"vgpucode";
const FORMAT: u32 = 2;
const HEADER_BYTES: usize = 8 + 4 + 32 + 32;
const SUFFIX: &str = "vgpucode";

/// Entries are kept up to this many bytes unless set otherwise.
pub const DEFAULT_CACHE_BYTES: u64 = 512 << 20;

/// An entry used today is not marked again.
const TOUCH_AFTER: Duration = Duration::from_secs(24 * 3600);

/// The size of the directory is checked once per this many stores.
const STORES_PER_CHECK: u64 = 32;

/// Stands for everything that determines a kernel's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CacheKey([u8; 32]);

impl CacheKey {
    pub(crate) fn new(
        fingerprint: &[u8; 32],
        kernel: &str,
        specialization: &Specialization,
        target: &Target,
        identity: &str,
    ) -> Self {
        let mut hash = blake3::Hasher::new();
        hash.update(fingerprint);
        // Lengths keep neighbouring strings apart.
        for text in [kernel, target.isa.name(), &target.features, identity, &format!("{specialization:?}")] {
            hash.update(&(text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        }
        Self(hash.finalize().into())
    }
}

/// A cache directory.
#[derive(Debug)]
pub(crate) struct CodeCache {
    dir: PathBuf,
    max_bytes: u64,
    stores: AtomicU64,
}

impl CodeCache {
    /// The cache in `dir`, which is made when the first entry is stored.
    pub(crate) const fn new(dir: PathBuf, max_bytes: u64) -> Self {
        Self { dir, max_bytes, stores: AtomicU64::new(0) }
    }

    fn path(&self, key: &CacheKey) -> PathBuf {
        self.dir.join(format!("{}.{SUFFIX}", blake3::Hash::from(key.0).to_hex()))
    }

    /// The entry under `key`, when there is an intact one.
    pub(crate) fn find(&self, key: &CacheKey) -> Option<ObjectCode> {
        let path = self.path(key);
        let bytes = fs::read(&path).ok()?;
        let object = decode(key, &bytes);
        if object.is_none() {
            self.discard(key);
        } else {
            mark_used(&path);
        }
        object
    }

    /// Removes the entry under `key`.
    pub(crate) fn discard(&self, key: &CacheKey) {
        // Somebody else may have removed it first.
        let _ = fs::remove_file(self.path(key));
    }

    /// Stores an entry. Failures are silent: a read-only or full disk must not stop a launch.
    pub(crate) fn store(&self, key: &CacheKey, object: &ObjectCode) {
        let n = self.stores.fetch_add(1, Ordering::Relaxed);
        if self.write(key, object).is_ok() && n.is_multiple_of(STORES_PER_CHECK) {
            self.evict();
        }
    }

    fn write(&self, key: &CacheKey, object: &ObjectCode) -> std::io::Result<()> {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        fs::create_dir_all(&self.dir)?;
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let temporary = self.dir.join(format!("{}-{serial}.tmp", std::process::id()));
        let result = fs::File::create(&temporary)
            .and_then(|mut file| file.write_all(&encode(key, object)))
            .and_then(|()| fs::rename(&temporary, self.path(key)));
        if result.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        result
    }

    /// Removes entries used least recently until three quarters of the bound are left, if the bound is exceeded; also temporary
    /// files that a crashed process left.
    fn evict(&self) {
        let Ok(listing) = fs::read_dir(&self.dir) else { return };
        let mut entries = Vec::new();
        for entry in listing.flatten() {
            let path = entry.path();
            let Ok(meta) = entry.metadata() else { continue };
            let used = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            let extension = path.extension().and_then(|extension| extension.to_str());
            if extension == Some(SUFFIX) {
                entries.push((used, meta.len(), path));
            } else if extension == Some("tmp") && used.elapsed().is_ok_and(|age| age > TOUCH_AFTER) {
                let _ = fs::remove_file(path);
            }
        }
        let mut total: u64 = entries.iter().map(|(_, bytes, _)| bytes).sum();
        if total <= self.max_bytes {
            return;
        }
        entries.sort();
        for (_, bytes, path) in entries {
            if total <= self.max_bytes / 4 * 3 {
                break;
            }
            if fs::remove_file(path).is_ok() {
                total -= bytes;
            }
        }
    }
}

fn mark_used(path: &Path) {
    let old = fs::metadata(path).and_then(|meta| meta.modified()).ok();
    if old.and_then(|at| at.elapsed().ok()).is_some_and(|age| age > TOUCH_AFTER)
        && let Ok(file) = fs::File::options().append(true).open(path)
    {
        let _ = file.set_modified(SystemTime::now());
    }
}

fn encode(key: &CacheKey, object: &ObjectCode) -> Vec<u8> {
    let layout = &object.layout;
    let mut payload = Vec::with_capacity(object.elf.len() + 128);
    payload.push(match layout.entry {
        EntryKind::Straight => 0,
        EntryKind::Resumable => 1,
    });
    payload.push(u8::from(layout.ordered_atomics));
    let numbers = [
        layout.lanes,
        layout.programs,
        layout.shared_static_bytes,
        layout.local_bytes,
        layout.frame_bytes,
        layout.param_bytes,
        object.entry_symbol.len() as u32,
        layout.aligned_params.len() as u32,
    ];
    payload.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    let aligned = layout.aligned_params.iter().flat_map(|param| [param.offset, param.zeros]);
    payload.extend(aligned.flat_map(u32::to_le_bytes));
    payload.extend_from_slice(object.entry_symbol.as_bytes());
    payload.extend_from_slice(&object.elf);
    let mut bytes = Vec::with_capacity(HEADER_BYTES + payload.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&FORMAT.to_le_bytes());
    bytes.extend_from_slice(&key.0);
    bytes.extend_from_slice(blake3::hash(&payload).as_bytes());
    bytes.extend_from_slice(&payload);
    bytes
}

/// The object in an entry; `None` unless everything about it is as [`encode`] makes it.
fn decode(key: &CacheKey, bytes: &[u8]) -> Option<ObjectCode> {
    let (header, payload) = bytes.split_at_checked(HEADER_BYTES)?;
    let expected = [MAGIC.as_slice(), &FORMAT.to_le_bytes(), &key.0, blake3::hash(payload).as_bytes()].concat();
    if header != expected {
        return None;
    }
    let (&[entry, ordered], rest) = payload.split_first_chunk()?;
    let (numbers, rest) = rest.split_at_checked(8 * 4)?;
    let number = |idx: usize| u32::from_le_bytes([0, 1, 2, 3].map(|byte| numbers[idx * 4 + byte]));
    let (aligned, rest) = rest.split_at_checked((number(7) as usize).checked_mul(8)?)?;
    let word = |bytes: &[u8]| bytes.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte));
    let aligned = aligned.chunks_exact(8).map(|pair| {
        let (offset, zeros) = pair.split_at(4);
        ParamAlignment { offset: word(offset), zeros: word(zeros) }
    });
    let (symbol, elf) = rest.split_at_checked(number(6) as usize)?;
    let entry = match entry {
        0 => EntryKind::Straight,
        1 => EntryKind::Resumable,
        _ => return None,
    };
    let layout = KernelLayout {
        entry,
        lanes: number(0),
        programs: number(1),
        shared_static_bytes: number(2),
        local_bytes: number(3),
        frame_bytes: number(4),
        param_bytes: number(5),
        ordered_atomics: ordered != 0,
        aligned_params: aligned.collect(),
    };
    Some(ObjectCode { elf: elf.to_vec(), entry_symbol: String::from_utf8(symbol.to_vec()).ok()?, layout })
}

#[cfg(test)]
mod tests {
    use super::*;
    use vgpu_types::Dim3;

    fn object(bytes: usize) -> ObjectCode {
        ObjectCode {
            elf: (0..bytes).map(|x| x as u8).collect(),
            entry_symbol: "kernel".to_owned(),
            layout: KernelLayout {
                entry: EntryKind::Resumable,
                lanes: 32,
                programs: 8,
                shared_static_bytes: 1024,
                local_bytes: 64,
                frame_bytes: 256,
                param_bytes: 20,
                ordered_atomics: true,
                aligned_params: vec![ParamAlignment { offset: 8, zeros: 4 }, ParamAlignment { offset: 300, zeros: 2 }],
            },
        }
    }

    fn key(kernel: &str) -> CacheKey {
        let specialization =
            Specialization { block: Dim3::new(32, 1, 1), grid_in_i32: true, lanes: None, test_arguments: false };
        CacheKey::new(&[7; 32], kernel, &specialization, &Target::detect(None), "test")
    }

    fn directory(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("vgpu-cache-test-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        dir
    }

    #[test]
    fn what_is_stored_is_found_under_its_key_only() {
        let dir = directory("found");
        let cache = CodeCache::new(dir.clone(), 1 << 20);
        assert_eq!(cache.find(&key("a")), None);
        cache.store(&key("a"), &object(1000));
        assert_eq!(cache.find(&key("a")), Some(object(1000)));
        assert_eq!(cache.find(&key("b")), None);
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn damage_anywhere_is_noticed_and_the_entry_removed() {
        let dir = directory("damage");
        let cache = CodeCache::new(dir.clone(), 1 << 20);
        let intact = encode(&key("a"), &object(100));
        fs::create_dir_all(&dir).unwrap();
        for at in 0..intact.len() {
            let mut damaged = intact.clone();
            damaged[at] ^= 0x10;
            assert_eq!(decode(&key("a"), &damaged), None, "byte {at}");
            assert_eq!(decode(&key("a"), &intact[..at]), None, "cut at {at}");
        }
        fs::write(cache.path(&key("a")), &intact[..50]).unwrap();
        assert_eq!(cache.find(&key("a")), None);
        assert!(!cache.path(&key("a")).exists());
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn an_entry_under_another_name_is_not_believed() {
        let dir = directory("renamed");
        let cache = CodeCache::new(dir.clone(), 1 << 20);
        cache.store(&key("a"), &object(10));
        fs::rename(cache.path(&key("a")), cache.path(&key("b"))).unwrap();
        assert_eq!(cache.find(&key("b")), None);
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn the_bound_holds_and_concurrent_writers_leave_intact_entries() {
        let dir = directory("bound");
        let caches: Vec<_> = (0..4).map(|_| CodeCache::new(dir.clone(), 100_000)).collect();
        std::thread::scope(|threads| {
            for cache in &caches {
                threads.spawn(move || {
                    for idx in 0..100 {
                        let key = key(&format!("kernel {}", idx % 40));
                        cache.store(&key, &object(5_000));
                        if let Some(found) = cache.find(&key) {
                            assert_eq!(found, object(5_000));
                        }
                    }
                });
            }
        });
        caches[0].evict();
        let total: u64 = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
        assert!(total <= 100_000, "{total}");
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_no_error() {
        let cache = CodeCache::new(PathBuf::from("/proc/no/such/place"), 1 << 20);
        cache.store(&key("a"), &object(10));
        assert_eq!(cache.find(&key("a")), None);
    }
}
