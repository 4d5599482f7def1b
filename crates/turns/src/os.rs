//! What the operating system does for turns: a shared page of words, futexes, processor clocks, stop and continue.
//!
//! Rules of access:
//! 1. A [`SharedWords`] maps one page of a sealed memory file: nobody can shrink it, so touching it cannot fault.
//! 2. The page is only ever read and written as atomic words, from either process; the other side may write anything at any
//!    time, so a value that is read decides about speed and waiting, never about memory.
//! 3. Signals go to process ids whose owner has not reaped them yet; the caller sees to that.

use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::AtomicU32;
use std::time::Duration;

/// Bytes of the page.
const PAGE: usize = 4096;
/// Words that are used.
pub(crate) const N_WORDS: usize = 16;

/// A page of atomic words that two processes see.
#[derive(Debug)]
pub(crate) struct SharedWords {
    words: NonNull<AtomicU32>,
    file: OwnedFd,
}

// SAFETY: the page is only reached as `&AtomicU32`, and unmapped when nobody has a reference any more.
unsafe impl Send for SharedWords {}
// SAFETY: as above.
unsafe impl Sync for SharedWords {}

fn checked(status: libc::c_int) -> io::Result<libc::c_int> {
    if status < 0 { Err(io::Error::last_os_error()) } else { Ok(status) }
}

impl SharedWords {
    /// A new page of zeros.
    pub(crate) fn new() -> io::Result<Self> {
        let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
        // SAFETY: the name is a C string; a descriptor that is not negative is new and ours.
        let file = unsafe { OwnedFd::from_raw_fd(checked(libc::memfd_create(c"vgpu-turns".as_ptr(), flags))?) };
        // SAFETY: the descriptor is open.
        checked(unsafe { libc::ftruncate(file.as_raw_fd(), PAGE as libc::off_t) })?;
        let seals = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;
        // SAFETY: the descriptor is open; sealing changes no memory.
        checked(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) })?;
        Self::map(file)
    }

    /// The page that another process made.
    pub(crate) fn open(file: OwnedFd) -> io::Result<Self> {
        // SAFETY: the descriptor is open; reading seals changes nothing.
        let seals = checked(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GET_SEALS) })?;
        if seals & libc::F_SEAL_SHRINK == 0 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the page of turns is not sealed against shrinking",
            ));
        }
        // SAFETY: `stat` is plain data for which zero is valid, and is written by the call only.
        let size = unsafe {
            let mut stat: libc::stat = std::mem::zeroed();
            checked(libc::fstat(file.as_raw_fd(), &raw mut stat))?;
            stat.st_size
        };
        if size < PAGE as libc::off_t {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("a page of turns has {size} bytes, not {PAGE}"),
            ));
        }
        Self::map(file)
    }

    fn map(file: OwnedFd) -> io::Result<Self> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping at an address the system chooses; the file has a page and cannot shrink (rule 1).
        let page = unsafe { libc::mmap(ptr::null_mut(), PAGE, access, libc::MAP_SHARED, file.as_raw_fd(), 0) };
        if page == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let words = NonNull::new(page.cast()).expect("the system maps nothing at address 0 unasked");
        Ok(Self { words, file })
    }

    pub(crate) fn word(&self, idx: usize) -> &AtomicU32 {
        assert!(idx < N_WORDS, "word {idx} is used");
        // SAFETY: the page is mapped as long as `self` lives, aligned to a page, and has more than `N_WORDS` words.
        unsafe { self.words.add(idx).as_ref() }
    }

    pub(crate) fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for SharedWords {
    fn drop(&mut self) {
        // SAFETY: mapped by `map` with this length, and no reference outlives `self`.
        unsafe { libc::munmap(self.words.as_ptr().cast(), PAGE) };
    }
}

/// Sleeps while `word` is `value`, at most this long. May return early for no reason.
pub(crate) fn wait(word: &AtomicU32, value: u32, at_most: Duration) {
    let time = libc::timespec {
        tv_sec: at_most.as_secs().try_into().unwrap_or(libc::time_t::MAX),
        tv_nsec: at_most.subsec_nanos().into(),
    };
    // SAFETY: the word and the time live for the call; the futex is shared between processes, so not PRIVATE.
    unsafe {
        libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAIT, value, &raw const time, ptr::null::<u32>(), 0)
    };
}

/// Wakes up to `n` sleepers of a word, in any process.
pub(crate) fn wake(word: &AtomicU32, n: i32) {
    // SAFETY: the word lives for the call.
    unsafe {
        libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, n, ptr::null::<()>(), ptr::null::<u32>(), 0)
    };
}

/// Processor time of a process: all of its threads, those that ended included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessClock {
    clock: libc::clockid_t,
}

impl ProcessClock {
    /// The clock of a process.
    ///
    /// # Errors
    /// There is no such process, or it may not be looked at.
    pub fn of(pid: u32) -> io::Result<Self> {
        let mut clock = 0;
        let pid = libc::pid_t::try_from(pid).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        // SAFETY: writes the clock's number only.
        match unsafe { libc::clock_getcpuclockid(pid, &raw mut clock) } {
            0 => Ok(Self { clock }),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }

    /// Nanoseconds used so far; `None` when the process is gone.
    pub fn read(self) -> Option<u64> {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: writes the time only.
        let status = unsafe { libc::clock_gettime(self.clock, &raw mut time) };
        let seconds = u64::try_from(time.tv_sec).ok()?;
        (status == 0).then(|| seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0))
    }
}

/// Asks the system to run the calling thread at once whenever it wakes. Returns what it got: `"real-time"` or `"nice"`.
///
/// # Errors
/// The system allows neither.
pub fn be_urgent() -> io::Result<&'static str> {
    // SAFETY: plain data; both calls concern the calling thread's scheduling only.
    unsafe {
        let mut parameters: libc::sched_param = std::mem::zeroed();
        parameters.sched_priority = 1;
        if libc::sched_setscheduler(0, libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, &raw const parameters) == 0 {
            return Ok("real-time");
        }
        checked(libc::setpriority(libc::PRIO_PROCESS, 0, -10)).map(|_| "nice")
    }
}

fn signal(pid: u32, signal: libc::c_int) -> io::Result<()> {
    // 0 and negative numbers mean groups of processes.
    let pid = libc::pid_t::try_from(pid).ok().filter(|pid| *pid > 1);
    let pid = pid.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    // SAFETY: sends a signal; touches no memory of ours.
    checked(unsafe { libc::kill(pid, signal) }).map(|_| ())
}

/// Stops a process wherever it is. The process must be an unreaped child of this one.
///
/// # Errors
/// There is no such process.
pub fn stop(pid: u32) -> io::Result<()> {
    signal(pid, libc::SIGSTOP)
}

/// Lets a stopped process go on. The process must be an unreaped child of this one.
///
/// # Errors
/// There is no such process.
pub fn resume(pid: u32) -> io::Result<()> {
    signal(pid, libc::SIGCONT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;

    #[test]
    fn one_page_at_two_addresses() {
        let page = SharedWords::new().expect("memory");
        let again = SharedWords::open(page.file().try_clone_to_owned().expect("descriptor")).expect("sealed");
        page.word(3).store(7, Ordering::Relaxed);
        assert_eq!(again.word(3).load(Ordering::Relaxed), 7);
        let plain = std::fs::File::open("/proc/self/exe").expect("this program");
        assert!(SharedWords::open(plain.into()).is_err());
    }

    #[test]
    fn a_clock_runs_with_the_work() {
        let clock = ProcessClock::of(std::process::id()).expect("this process");
        let before = clock.read().expect("alive");
        let mut sum = 0u64;
        while clock.read().expect("alive") < before + 2_000_000 {
            sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(1));
        }
        assert!(ProcessClock::of(u32::MAX).is_err());
        assert!(stop(0).is_err() && stop(1).is_err() && resume(u32::MAX).is_err(), "never a group, never init");
    }
}
