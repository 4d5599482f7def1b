//! The calls of the operating system: address space, page frames, the spill file, and the way from a fault to its pager.
//!
//! Model. The device's addresses are one reserved [`Space`]. The memory of the budget is one file in memory, cut into
//! *frames* and mapped a second time where only this crate looks ([`Frames`]). A page of the space is backed by mapping a
//! frame there. So a page appears to kernels with all of its contents at once, and when it is taken away no store can be
//! lost: after the call returns no thread can reach the frame by the page's address, and its bytes are read by the second one.
//!
//! Rules of access:
//! 1. A [`Frame`] is the right to a frame's bytes. It cannot be copied. Mapping consumes it and gives a [`Mapped`];
//!    unmapping consumes that and gives the frame back. So nobody forms a slice over bytes that kernels can write.
//! 2. Parts of a `Space` are changed only through it, with offsets checked against its length.
//! 3. The spill file has no name and mode 0600: it is gone when the process is, however it ends.
//! 4. [`find`] runs in signal handlers: it only reads atomics.

#![allow(unsafe_code, reason = "the one module of this crate where it is allowed; the rules are above")]

use crate::error::Error;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// What O_DIRECT transfers are made of.
pub(crate) const BLOCK_BYTES: u64 = 4096;

fn failed(what: &'static str) -> Error {
    Error::System { what, reason: io::Error::last_os_error().to_string() }
}

/// What may be done with a mapped page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Nothing: the next access is a fault.
    None,
    /// Reading.
    Read,
    /// Reading and writing.
    Write,
}

impl Access {
    const fn flags(self) -> i32 {
        match self {
            Self::None => libc::PROT_NONE,
            Self::Read => libc::PROT_READ,
            Self::Write => libc::PROT_READ | libc::PROT_WRITE,
        }
    }
}

/// The right to the bytes of one frame.
#[derive(Debug)]
pub(crate) struct Frame {
    index: u32,
    owner: u64,
}

impl Frame {
    /// Its place in the pool.
    pub(crate) const fn index(&self) -> u32 {
        self.index
    }
}

/// A frame that is mapped in a space.
#[derive(Debug)]
pub(crate) struct Mapped(Frame);

impl Mapped {
    /// The frame's place in the pool.
    pub(crate) const fn index(&self) -> u32 {
        self.0.index
    }
}

/// The memory of the budget.
#[derive(Debug)]
pub(crate) struct Frames {
    file: OwnedFd,
    alias: u64,
    frame_bytes: u64,
    count: u32,
}

impl Frames {
    /// `count` frames, and the rights to them.
    pub(crate) fn new(count: u32, frame_bytes: u64) -> Result<(Self, Vec<Frame>), Error> {
        let bytes = u64::from(count) * frame_bytes;
        // SAFETY: the name is a C string; a descriptor that is not negative is new and ours.
        let file = unsafe {
            let file = libc::memfd_create(c"vgpu-pages".as_ptr(), libc::MFD_CLOEXEC);
            if file < 0 {
                return Err(failed("making memory for pages"));
            }
            OwnedFd::from_raw_fd(file)
        };
        // SAFETY: the descriptor is open; the mapping is new, at an address that the system chooses.
        let alias = unsafe {
            if libc::ftruncate(file.as_raw_fd(), bytes as libc::off_t) != 0 {
                return Err(failed("sizing memory for pages"));
            }
            let access = libc::PROT_READ | libc::PROT_WRITE;
            libc::mmap(ptr::null_mut(), bytes as usize, access, libc::MAP_SHARED, file.as_raw_fd(), 0)
        };
        if alias == libc::MAP_FAILED {
            return Err(failed("mapping memory for pages"));
        }
        let alias = alias as u64;
        let rights = (0..count).map(|index| Frame { index, owner: alias }).collect();
        Ok((Self { file, alias, frame_bytes, count }, rights))
    }

    /// A frame's bytes.
    pub(crate) fn bytes<'a>(&'a self, frame: &'a mut Frame) -> &'a mut [u8] {
        assert!(frame.owner == self.alias && frame.index < self.count, "the frame is one of this pool");
        let start = self.alias + u64::from(frame.index) * self.frame_bytes;
        // SAFETY: the range lies in the second mapping (checked). The right to a frame exists once, is borrowed here
        // exclusively, and exists only while the frame is mapped nowhere else (rule 1).
        unsafe { std::slice::from_raw_parts_mut(start as *mut u8, self.frame_bytes as usize) }
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and slices of it borrow `self`.
        unsafe { libc::munmap(self.alias as *mut libc::c_void, (u64::from(self.count) * self.frame_bytes) as usize) };
    }
}

/// Reserved address space, in pages of the size of a frame.
#[derive(Debug)]
pub(crate) struct Space {
    reserved: u64,
    reserved_bytes: u64,
    base: u64,
    bytes: u64,
}

impl Space {
    /// Reserves `bytes` bytes that start at a multiple of `align`, without access and without memory.
    pub(crate) fn reserve(bytes: u64, align: u64) -> Result<Self, Error> {
        let reserved_bytes = bytes.saturating_add(align);
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new anonymous mapping at an address the system chooses touches nothing that exists.
        let base = unsafe { libc::mmap(ptr::null_mut(), reserved_bytes as usize, libc::PROT_NONE, flags, -1, 0) };
        if base == libc::MAP_FAILED {
            return Err(failed("reserving address space"));
        }
        let reserved = base as u64;
        Ok(Self { reserved, reserved_bytes, base: reserved.next_multiple_of(align), bytes })
    }

    /// First address.
    pub(crate) const fn base(&self) -> u64 {
        self.base
    }

    /// Length in bytes.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    fn part(&self, offset: u64, bytes: u64) -> *mut libc::c_void {
        assert!(offset.checked_add(bytes).is_some_and(|end| end <= self.bytes), "part lies inside the space");
        (self.base + offset) as *mut libc::c_void
    }

    /// Backs the page at `offset` with a frame. On failure the frame comes back.
    pub(crate) fn map(
        &self,
        offset: u64,
        frames: &Frames,
        frame: Frame,
        access: Access,
    ) -> Result<Mapped, (Error, Frame)> {
        assert!(frame.owner == frames.alias && frame.index < frames.count, "the frame is one of this pool");
        let part = self.part(offset, frames.frame_bytes);
        let flags = libc::MAP_SHARED | libc::MAP_FIXED | libc::MAP_POPULATE;
        let at = (u64::from(frame.index) * frames.frame_bytes) as libc::off_t;
        let (bytes, file) = (frames.frame_bytes as usize, frames.file.as_raw_fd());
        // SAFETY: replaces pages of this space only (checked). The frame's right is given up, so no slice over its bytes exists.
        let mapped = unsafe { libc::mmap(part, bytes, access.flags(), flags, file, at) };
        if mapped == libc::MAP_FAILED { Err((failed("mapping a page"), frame)) } else { Ok(Mapped(frame)) }
    }

    /// Allows or forbids access to mapped pages.
    pub(crate) fn protect(&self, offset: u64, bytes: u64, access: Access) -> Result<(), Error> {
        // SAFETY: the part lies inside this space (checked).
        let status = unsafe { libc::mprotect(self.part(offset, bytes), bytes as usize, access.flags()) };
        if status == 0 { Ok(()) } else { Err(failed("changing memory protection")) }
    }

    /// Takes neighbouring pages away that start at `offset`. On failure nothing has changed for the kernel's eyes.
    pub(crate) fn unmap(
        &self,
        offset: u64,
        page_bytes: u64,
        pages: Vec<Mapped>,
    ) -> Result<Vec<Frame>, (Error, Vec<Mapped>)> {
        let bytes = page_bytes * pages.len() as u64;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED;
        // SAFETY: replaces pages of this space only (checked).
        let mapped = unsafe { libc::mmap(self.part(offset, bytes), bytes as usize, libc::PROT_NONE, flags, -1, 0) };
        if mapped == libc::MAP_FAILED {
            return Err((failed("unmapping pages"), pages));
        }
        Ok(pages.into_iter().map(|mapped| mapped.0).collect())
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        // SAFETY: the space is owned by this object, and whoever handed out addresses in it keeps it alive.
        unsafe { libc::munmap(self.reserved as *mut libc::c_void, self.reserved_bytes as usize) };
    }
}

/// A buffer for transfers past the page cache: aligned to [`BLOCK_BYTES`].
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    blocks: Vec<AlignedBlock>,
}

#[derive(Clone, Copy, Debug)]
#[repr(C, align(4096))]
struct AlignedBlock([u8; BLOCK_BYTES as usize]);

impl Buffer {
    /// The first `bytes` bytes; grown with zeros where it was shorter.
    pub(crate) fn slice(&mut self, bytes: usize) -> &mut [u8] {
        let blocks = bytes.div_ceil(BLOCK_BYTES as usize);
        if self.blocks.len() < blocks {
            self.blocks.resize(blocks, AlignedBlock([0; BLOCK_BYTES as usize]));
        }
        // SAFETY: the blocks are plain bytes without padding, one after the other, and borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.blocks.as_mut_ptr().cast::<u8>(), bytes) }
    }
}

/// The file of the disk tier.
#[derive(Debug)]
pub(crate) struct SpillFile {
    file: File,
    folder: PathBuf,
}

impl SpillFile {
    /// A file without a name in `folder`.
    pub(crate) fn create(folder: &Path) -> Result<Self, Error> {
        let disk = |what, error: io::Error| Error::Disk {
            folder: folder.display().to_string(),
            what,
            reason: error.to_string(),
        };
        std::fs::create_dir_all(folder).map_err(|error| disk("making the folder", error))?;
        let open = |flags: i32| {
            let mut options = File::options();
            options.read(true).write(true).mode(0o600).custom_flags(flags | libc::O_CLOEXEC);
            options.open(folder)
        };
        // Not every file system has O_DIRECT, and not every one has files without a name.
        let file = open(libc::O_TMPFILE | libc::O_DIRECT)
            .or_else(|_| open(libc::O_TMPFILE))
            .or_else(|_| Self::create_and_unlink(folder))
            .map_err(|error| disk("making it", error))?;
        Ok(Self { file, folder: folder.to_path_buf() })
    }

    fn create_and_unlink(folder: &Path) -> io::Result<File> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("vgpu-spill-{}-{number}", std::process::id()));
        let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        std::fs::remove_file(&path)?;
        Ok(file)
    }

    fn error(&self, what: &'static str, error: &io::Error) -> Error {
        Error::Disk { folder: self.folder.display().to_string(), what, reason: error.to_string() }
    }

    /// Makes sure that the range can be written later. Where the file system cannot promise that, writing may still fail.
    pub(crate) fn reserve(&self, offset: u64, bytes: u64) -> Result<(), Error> {
        let end = offset.saturating_add(bytes);
        // SAFETY: `rlimit` is plain data, filled by the call.
        let limit = unsafe {
            let mut limit: libc::rlimit = std::mem::zeroed();
            if libc::getrlimit(libc::RLIMIT_FSIZE, &raw mut limit) == 0 { limit.rlim_cur } else { libc::RLIM_INFINITY }
        };
        // Growing past the limit would raise a signal that ends the process.
        if limit != libc::RLIM_INFINITY && end > limit {
            let reason = format!("the process may write files of {limit} bytes, {end} are needed");
            return Err(Error::Disk { folder: self.folder.display().to_string(), what: "reserving space", reason });
        }
        // SAFETY: the descriptor is open.
        let status = unsafe { libc::fallocate(self.file.as_raw_fd(), 0, offset as libc::off_t, bytes as libc::off_t) };
        if status == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.raw_os_error() == Some(libc::EOPNOTSUPP) {
            return Ok(());
        }
        Err(self.error("reserving space", &error))
    }

    /// Gives the space of a range back. Only a hint.
    pub(crate) fn release(&self, offset: u64, bytes: u64) {
        let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
        // SAFETY: the descriptor is open.
        unsafe { libc::fallocate(self.file.as_raw_fd(), mode, offset as libc::off_t, bytes as libc::off_t) };
    }

    /// Writes pieces one after the other.
    pub(crate) fn write(&self, offset: u64, pieces: &[&[u8]]) -> Result<(), Error> {
        let vector: Vec<libc::iovec> = pieces
            .iter()
            .map(|piece| libc::iovec { iov_base: piece.as_ptr().cast_mut().cast(), iov_len: piece.len() })
            .collect();
        let total: usize = pieces.iter().map(|piece| piece.len()).sum();
        let what = "writing pages";
        // SAFETY: the vector's pieces are borrowed for the time of the call, and only read.
        self.transfer(total, what, |done| unsafe {
            let (first, vector) = (skip(&vector, done), offset + done as u64);
            libc::pwritev(self.file.as_raw_fd(), first.as_ptr(), first.len() as i32, vector as libc::off_t)
        })
    }

    /// Reads pieces one after the other.
    pub(crate) fn read(&self, offset: u64, pieces: &mut [&mut [u8]]) -> Result<(), Error> {
        let total: usize = pieces.iter().map(|piece| piece.len()).sum();
        let vector: Vec<libc::iovec> = pieces
            .iter_mut()
            .map(|piece| libc::iovec { iov_base: piece.as_mut_ptr().cast(), iov_len: piece.len() })
            .collect();
        // SAFETY: the vector's pieces are borrowed exclusively for the time of the call.
        self.transfer(total, "reading pages", |done| unsafe {
            let (first, at) = (skip(&vector, done), offset + done as u64);
            libc::preadv(self.file.as_raw_fd(), first.as_ptr(), first.len() as i32, at as libc::off_t)
        })
    }

    fn transfer(&self, total: usize, what: &'static str, mut step: impl FnMut(usize) -> isize) -> Result<(), Error> {
        let mut done = 0;
        while done < total {
            match step(done) {
                n if n > 0 => done += n as usize,
                0 => return Err(self.error(what, &io::Error::from(io::ErrorKind::UnexpectedEof))),
                _ => {
                    let error = io::Error::last_os_error();
                    if error.kind() != io::ErrorKind::Interrupted {
                        return Err(self.error(what, &error));
                    }
                }
            }
        }
        Ok(())
    }
}

/// What is left of a vector when `done` bytes have been moved.
fn skip(vector: &[libc::iovec], mut done: usize) -> Vec<libc::iovec> {
    let mut rest = Vec::with_capacity(vector.len());
    for piece in vector {
        let skipped = done.min(piece.iov_len);
        done -= skipped;
        if skipped < piece.iov_len {
            let iov_base = piece.iov_base.wrapping_byte_add(skipped);
            rest.push(libc::iovec { iov_base, iov_len: piece.iov_len - skipped });
        }
    }
    rest
}

/// Bytes free for this user on the file system of `folder` or of its nearest existing ancestor; 0 when that is unknown.
pub fn free_disk_bytes(folder: &Path) -> u64 {
    use std::os::unix::ffi::OsStrExt as _;
    let existing = folder.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    let Ok(path) = std::ffi::CString::new(existing.as_os_str().as_bytes()) else { return 0 };
    // SAFETY: the path is a C string; the result is plain data filled by the call.
    unsafe {
        let mut facts: libc::statvfs = std::mem::zeroed();
        if libc::statvfs(path.as_ptr(), &raw mut facts) != 0 {
            return 0;
        }
        facts.f_bavail.saturating_mul(facts.f_frsize)
    }
}

/// The user this process acts for.
pub fn user_id() -> u32 {
    // SAFETY: has no preconditions.
    unsafe { libc::geteuid() }
}

/// Somebody who resolves faults in a range of addresses.
pub(crate) type Pager = crate::pager::Shared;

struct Registered {
    base: AtomicU64,
    bytes: AtomicU64,
    pager: AtomicPtr<Pager>,
}

/// Pagers of one process at a time.
const MAX_PAGERS: usize = 256;

static REGISTRY: [Registered; MAX_PAGERS] = [const {
    Registered { base: AtomicU64::new(0), bytes: AtomicU64::new(0), pager: AtomicPtr::new(ptr::null_mut()) }
}; MAX_PAGERS];

/// A pager's place in the registry, given up on drop.
#[derive(Debug)]
pub(crate) struct Registration(usize);

/// Makes a pager findable by address. The owner keeps it alive as long as the registration lives.
pub(crate) fn register(pager: &std::sync::Arc<Pager>, base: u64, bytes: u64) -> Result<Registration, Error> {
    let pointer = std::sync::Arc::as_ptr(pager).cast_mut();
    for (idx, slot) in REGISTRY.iter().enumerate() {
        let order = Ordering::AcqRel;
        if slot.pager.compare_exchange(ptr::null_mut(), pointer, order, Ordering::Relaxed).is_ok() {
            slot.base.store(base, Ordering::Relaxed);
            slot.bytes.store(bytes, Ordering::Release);
            return Ok(Registration(idx));
        }
    }
    let reason = format!("{MAX_PAGERS} devices have a memory budget already");
    Err(Error::System { what: "registering a memory budget", reason })
}

impl Drop for Registration {
    fn drop(&mut self) {
        let slot = &REGISTRY[self.0];
        slot.bytes.store(0, Ordering::Release);
        slot.pager.store(ptr::null_mut(), Ordering::Release);
    }
}

/// The pager whose addresses contain `address`. Whoever touches memory of a pager keeps that pager alive, so the
/// reference is good as long as the access that faulted is under way.
pub(crate) fn find<'a>(address: u64) -> Option<&'a Pager> {
    let slot = REGISTRY.iter().find(|slot| {
        let bytes = slot.bytes.load(Ordering::Acquire);
        address.wrapping_sub(slot.base.load(Ordering::Relaxed)) < bytes
    })?;
    // SAFETY: a slot with a length has a pager, which its owner keeps alive while it is registered; see above.
    unsafe { slot.pager.load(Ordering::Acquire).as_ref() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: u64 = 64 << 10;

    #[test]
    fn a_frame_keeps_its_bytes_while_its_page_moves() {
        let (frames, mut rights) = Frames::new(4, PAGE).unwrap();
        let space = Space::reserve(1 << 30, 2 << 20).unwrap();
        assert_eq!(space.base() % (2 << 20), 0);
        let mut frame = rights.remove(2);
        frames.bytes(&mut frame).fill(7);
        let mapped = space.map(PAGE * 5, &frames, frame, Access::Write).unwrap();
        let address = (space.base() + PAGE * 5) as *mut u8;
        // SAFETY: the page was just mapped for writing.
        unsafe {
            assert_eq!(address.add(100).read_volatile(), 7);
            address.add(101).write_volatile(9);
        }
        let mut frame = space.unmap(PAGE * 5, PAGE, vec![mapped]).unwrap().remove(0);
        assert_eq!(frames.bytes(&mut frame)[100..103], [7, 9, 7]);
    }

    #[test]
    fn pieces_arrive_in_a_file_without_a_name() {
        let folder = std::env::temp_dir().join(format!("vgpu-os-test-{}", std::process::id()));
        let file = SpillFile::create(&folder).unwrap();
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
        file.reserve(0, 4 * PAGE).unwrap();
        let (mut a, mut b) = (Buffer::default(), Buffer::default());
        a.slice(PAGE as usize).fill(1);
        b.slice(PAGE as usize).fill(2);
        file.write(PAGE, &[a.slice(PAGE as usize), b.slice(PAGE as usize)]).unwrap();
        let mut back = Buffer::default();
        file.read(PAGE, &mut [back.slice(2 * PAGE as usize)]).unwrap();
        let back = back.slice(2 * PAGE as usize);
        assert!(back[..PAGE as usize].iter().all(|byte| *byte == 1));
        assert!(back[PAGE as usize..].iter().all(|byte| *byte == 2));
        assert!(file.read(8 * PAGE, &mut [a.slice(4096)]).is_err(), "nothing is there");
        std::fs::remove_dir(&folder).unwrap();
    }

    #[test]
    fn what_is_left_of_a_vector() {
        let bytes = [0u8; 10];
        let base = bytes.as_ptr().cast_mut().cast::<libc::c_void>();
        let piece = |iov_len| libc::iovec { iov_base: base, iov_len };
        let rest = skip(&[piece(4), piece(6)], 5);
        assert_eq!((rest.len(), rest[0].iov_len, rest[0].iov_base as usize), (1, 5, base as usize + 1));
    }

    #[test]
    fn free_space_of_a_folder_that_does_not_exist_is_its_ancestors() {
        assert!(free_disk_bytes(Path::new("/no/such/folder")) > 0);
    }
}

/// Access to held pages, for the tests of other modules.
#[cfg(test)]
pub(crate) mod raw {
    /// Stores a word.
    pub(crate) fn write(address: u64, value: u64) {
        // SAFETY: the tests hold the page for writing; other words of it may be written by other threads at the same time.
        unsafe { (address as *mut u64).write_volatile(value) }
    }

    /// Loads a word.
    pub(crate) fn read(address: u64) -> u64 {
        // SAFETY: as above, for reading.
        unsafe { (address as *const u64).read_volatile() }
    }
}
