//! A tenant's worker process, seen from the daemon: started, asked, killed.
//!
//! The process is this program again, with a socket as its standard input and next to nothing in its environment. It dies with
//! the daemon. Everything it holds can be made again from what the daemon keeps, so a worker that crashes, hangs or is not to
//! be trusted any more is killed and the next job starts another.

use crate::api::types::Measure;
use crate::device::{Arbiter, Process};
use crate::protocol::{Channel, Reply, Request, Setup};
use std::collections::HashSet;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use thiserror::Error;
use vgpu_turns::Gate;

/// How long a worker may take to start, or to load a module.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is needed to start workers.
#[derive(Clone, Debug)]
pub struct Launcher {
    /// The program and its arguments.
    pub command: Vec<PathBuf>,
    /// Threads that run blocks.
    pub workers: u32,
    /// Device memory for what kernels allocate themselves.
    pub memory_bytes: u64,
    /// Under it, each tenant has a folder for compiled kernels.
    pub cache: PathBuf,
    /// Whether workers give up their rights.
    pub confined: bool,
}

/// Why a worker did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Trouble {
    /// It said so.
    #[error("{message}")]
    Refused {
        /// A short name.
        error: String,
        /// For people.
        message: String,
        /// It must be replaced.
        fatal: bool,
    },
    /// It is gone, or must be.
    #[error("the worker process is gone: {0}")]
    Gone(String),
    /// It did not answer in time.
    #[error("the worker process did not answer within {0:?}")]
    Silent(Duration),
}

impl Trouble {
    /// The worker cannot be used any more.
    pub const fn is_fatal(&self) -> bool {
        !matches!(self, Self::Refused { fatal: false, .. })
    }
}

/// The process, which others may kill while its runner waits for it.
#[derive(Clone, Debug)]
pub struct Handle(Arc<Mutex<Child>>);

impl Handle {
    /// Ends the process now. It is reaped by its runner.
    pub fn kill(&self) {
        // One that is gone already needs no killing.
        let _ = self.0.lock().unwrap_or_else(PoisonError::into_inner).kill();
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).id()
    }
}

/// See the module header. Killed on drop.
#[derive(Debug)]
pub struct Worker {
    handle: Handle,
    channel: Channel,
    tenant: u32,
    arbiter: Option<Arc<Arbiter>>,
    /// What it has.
    pub modules: HashSet<String>,
    /// What it has.
    pub buffers: HashSet<u64>,
    /// How it is confined, as it found out itself.
    pub isolation: Vec<Measure>,
    /// What it calls its device.
    pub device: String,
}

impl Worker {
    /// Starts a worker for a tenant; without an arbiter its kernels take no turns.
    ///
    /// # Errors
    /// It cannot be started, or does not get ready.
    pub fn start(launcher: &Launcher, tenant: u32, arbiter: Option<Arc<Arbiter>>) -> Result<Self, Trouble> {
        let failed = |what: &str, error: &dyn std::fmt::Display| Trouble::Gone(format!("{what}: {error}"));
        let (ours, theirs) = UnixStream::pair().map_err(|error| failed("no sockets", &error))?;
        let cache = launcher.cache.join(format!("tenant-{tenant}"));
        std::fs::create_dir_all(&cache).map_err(|error| failed("no folder for compiled kernels", &error))?;
        let Some((program, arguments)) = launcher.command.split_first() else {
            return Err(Trouble::Gone("no program is set for workers".to_owned()));
        };
        let mut command = Command::new(program);
        command.args(arguments).env_clear().stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null());
        for name in ["LLVM_PROFILE_FILE", "VGPU_MAX_ISA", "RUST_BACKTRACE"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        let child = command.spawn().map_err(|error| failed("cannot start it", &error))?;
        let handle = Handle(Arc::new(Mutex::new(child)));
        let mut worker = Self {
            handle,
            channel: Channel::new(ours),
            tenant,
            arbiter: None,
            modules: HashSet::new(),
            buffers: HashSet::new(),
            isolation: Vec::new(),
            device: String::new(),
        };
        let gate = Gate::new(launcher.workers).map_err(|error| failed("no gate", &error))?;
        let setup = Setup {
            workers: launcher.workers,
            memory_bytes: launcher.memory_bytes,
            cache: Some(cache),
            confined: launcher.confined,
        };
        let reply = worker.ask(&Request::Setup(setup), &[gate.file()], PATIENCE)?;
        let Reply::Ready { isolation, device } = reply else { return Err(nonsense(&reply)) };
        (worker.isolation, worker.device) = (isolation, device);
        if let Some(arbiter) = arbiter {
            let process = Process { pid: worker.handle.pid(), gate: Arc::new(gate) };
            arbiter.attach(tenant, process).map_err(|error| failed("cannot watch it", &error))?;
            worker.arbiter = Some(arbiter);
        }
        Ok(worker)
    }

    /// To kill it from elsewhere.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Asks and waits for the answer.
    ///
    /// # Errors
    /// The worker refuses, is gone, or is silent for too long; then it is killed.
    pub fn ask(&mut self, request: &Request, files: &[BorrowedFd<'_>], patience: Duration) -> Result<Reply, Trouble> {
        let outcome = self.converse(request, files, patience);
        if outcome.as_ref().is_err_and(Trouble::is_fatal) {
            self.handle.kill();
        }
        outcome
    }

    fn converse(&mut self, request: &Request, files: &[BorrowedFd<'_>], patience: Duration) -> Result<Reply, Trouble> {
        let stream = self.channel.stream();
        let timed = stream.set_read_timeout(Some(patience)).and_then(|()| stream.set_write_timeout(Some(PATIENCE)));
        timed.map_err(|error| Trouble::Gone(error.to_string()))?;
        if let Err(error) = self.channel.send(request, files) {
            return Err(Trouble::Gone(self.epitaph(&error)));
        }
        match self.channel.receive::<Reply>() {
            Ok((Reply::Failed { error, message, fatal }, _)) => Err(Trouble::Refused { error, message, fatal }),
            Ok((reply, _)) => Ok(reply),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                Err(Trouble::Silent(patience))
            }
            Err(error) => Err(Trouble::Gone(self.epitaph(&error))),
        }
    }

    /// How it ended, if it did.
    fn epitaph(&self, error: &io::Error) -> String {
        if let Some(arbiter) = &self.arbiter {
            // Looking may reap it, and then its number may be somebody else's.
            arbiter.detach(self.tenant, self.handle.pid());
        }
        // Its socket closes a moment before it can be reaped; killing what is dying changes nothing about how it ended.
        let mut child = self.handle.0.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..50 {
            match child.try_wait() {
                Ok(Some(status)) => return status.to_string(),
                Ok(None) => std::thread::sleep(Duration::from_millis(2)),
                Err(_) => break,
            }
        }
        error.to_string()
    }

    /// Gives it a buffer if it does not have it.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn attach(&mut self, id: u64, buffer: &super::buffer::Buffer) -> Result<(), Trouble> {
        if self.buffers.contains(&id) {
            return Ok(());
        }
        let request = Request::Attach { buffer: id, bytes: buffer.bytes() };
        self.ask(&request, &[buffer.file().as_fd()], PATIENCE)?;
        self.buffers.insert(id);
        Ok(())
    }

    /// Takes buffers away that are not in `keep`.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn detach_all_but(&mut self, keep: impl Fn(u64) -> bool) -> Result<(), Trouble> {
        let gone: Vec<u64> = self.buffers.iter().copied().filter(|id| !keep(*id)).collect();
        for buffer in gone {
            self.ask(&Request::Detach { buffer }, &[], PATIENCE)?;
            self.buffers.remove(&buffer);
        }
        Ok(())
    }

    /// Gives it a module from this file.
    ///
    /// # Errors
    /// As [`Self::ask`]; the file cannot be opened.
    pub fn load(&mut self, module: &str, path: &std::path::Path) -> Result<Vec<crate::protocol::KernelFacts>, Trouble> {
        let file = std::fs::File::open(path).map_err(|error| Trouble::Refused {
            error: "module_missing".to_owned(),
            message: format!("cannot open the module's file: {error}"),
            fatal: false,
        })?;
        let reply = self.ask(&Request::Load { module: module.to_owned() }, &[file.as_fd()], PATIENCE)?;
        let Reply::Loaded { kernels } = reply else { return Err(nonsense(&reply)) };
        self.modules.insert(module.to_owned());
        Ok(kernels)
    }
}

/// An answer to another question.
pub fn nonsense(reply: &Reply) -> Trouble {
    Trouble::Gone(format!("it answered {reply:?}, which is no answer to what it was asked"))
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(arbiter) = &self.arbiter {
            arbiter.detach(self.tenant, self.handle.pid());
        }
        self.handle.kill();
        // Reaped here and nowhere else; it was killed, so this does not wait.
        let _ = self.handle.0.lock().unwrap_or_else(PoisonError::into_inner).wait();
    }
}
