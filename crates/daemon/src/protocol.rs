//! What the daemon and a tenant's worker process say to each other, over the socket that is the worker's standard input.
//!
//! The daemon asks, the worker answers, one at a time. A message is its length in four bytes and JSON; descriptors (the gate, a
//! module's file, a buffer's memory) travel with the length. The daemon believes nothing that a worker says about anybody
//! else: replies concern that worker's own job only, and have a bounded length.

use crate::api::types::{Argument, Counts, KernelView, Measure};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

/// The longest message.
const MAX_BYTES: u32 = 16 << 20;
/// Descriptors in one message.
const MAX_FILES: usize = 4;

/// What the daemon asks of a worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Request {
    /// First of all; with the gate's file. Answer: [`Reply::Ready`].
    Setup(Setup),
    /// A module, in the file that comes along. Answer: [`Reply::Loaded`].
    Load {
        /// Its name from now on.
        module: String,
    },
    /// A module is not needed any more. Answer: [`Reply::Done`].
    Unload {
        /// Which.
        module: String,
    },
    /// A buffer, in the memory file that comes along. Answer: [`Reply::Done`].
    Attach {
        /// Its number from now on.
        buffer: u64,
        /// Its size.
        bytes: u64,
    },
    /// A buffer is not needed any more. Answer: [`Reply::Done`].
    Detach {
        /// Which.
        buffer: u64,
    },
    /// A launch. Answer: [`Reply::Ran`].
    Run(Run),
    /// The software device's benchmark. Answer: [`Reply::Benchmark`].
    Benchmark,
}

/// How a worker is to be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Setup {
    /// Threads that run blocks.
    pub workers: u32,
    /// Device memory for what kernels allocate themselves.
    pub memory_bytes: u64,
    /// Where compiled kernels are kept.
    pub cache: Option<PathBuf>,
    /// Give up all rights that a worker does not need.
    pub confined: bool,
}

/// A launch, all of whose module and buffers the worker has.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// Which module.
    pub module: String,
    /// Which kernel.
    pub kernel: String,
    /// Blocks.
    pub grid: [u32; 3],
    /// Threads per block.
    pub block: [u32; 3],
    /// Bytes of dynamic shared memory.
    pub shared_bytes: u32,
    /// Arguments.
    pub args: Vec<Argument>,
    /// How long it may run.
    pub timeout_ms: u64,
    /// All blocks are resident.
    pub cooperative: bool,
}

/// What a worker answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Reply {
    /// Ready for work.
    Ready {
        /// How it is confined.
        isolation: Vec<Measure>,
        /// Name of the device.
        device: String,
    },
    /// A module's kernels.
    Loaded {
        /// Them.
        kernels: Vec<KernelFacts>,
    },
    /// Done; nothing to say.
    Done,
    /// A launch ended well.
    Ran {
        /// What it printed.
        output: String,
    },
    /// Figures of the benchmark.
    Benchmark(serde_json::Value),
    /// It could not be done.
    Failed {
        /// A short name.
        error: String,
        /// For people.
        message: String,
        /// The worker's state is no longer to be relied on: it is to be replaced.
        fatal: bool,
    },
}

/// A kernel as its text shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KernelFacts {
    /// Its name.
    pub name: String,
    /// Sizes of its parameters.
    pub params: Vec<u64>,
    /// Instructions by what they do.
    pub counts: Counts,
}

impl KernelFacts {
    /// As the API shows it.
    pub fn view(self) -> KernelView {
        let class = crate::jobs::classify::static_class(&self.counts).to_owned();
        KernelView { name: self.name, params: self.params, counts: self.counts, class }
    }
}

/// One end of the conversation.
#[derive(Debug)]
pub struct Channel {
    stream: UnixStream,
}

impl Channel {
    /// On this socket.
    pub const fn new(stream: UnixStream) -> Self {
        Self { stream }
    }

    /// The socket.
    pub const fn stream(&self) -> &UnixStream {
        &self.stream
    }

    /// Sends a message with descriptors.
    ///
    /// # Errors
    /// The other side is gone, or the message is too long.
    pub fn send(&mut self, message: &impl Serialize, files: &[BorrowedFd<'_>]) -> io::Result<()> {
        let body = serde_json::to_vec(message)?;
        let length = u32::try_from(body.len()).ok().filter(|length| *length <= MAX_BYTES);
        let length = length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the message is too long"))?;
        let length = length.to_le_bytes();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FILES))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !files.is_empty() && !control.push(SendAncillaryMessage::ScmRights(files)) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "too many descriptors in one message"));
        }
        let sent = rustix::net::sendmsg(&self.stream, &[IoSlice::new(&length)], &mut control, SendFlags::NOSIGNAL)?;
        self.stream.write_all(&length[sent..])?;
        self.stream.write_all(&body)
    }

    /// Waits for a message.
    ///
    /// # Errors
    /// The other side is gone, silent for longer than the socket's timeout, or talks nonsense.
    pub fn receive<T: DeserializeOwned>(&mut self) -> io::Result<(T, Vec<OwnedFd>)> {
        let mut length = [0; 4];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FILES))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let got = {
            let mut parts = [IoSliceMut::new(&mut length)];
            rustix::net::recvmsg(&self.stream, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC)?.bytes
        };
        if got == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut files = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(found) = message {
                files.extend(found);
            }
        }
        self.stream.read_exact(&mut length[got..])?;
        let length = u32::from_le_bytes(length);
        if length > MAX_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a message of {length} bytes is too long")));
        }
        let mut body = vec![0; length as usize];
        self.stream.read_exact(&mut body)?;
        Ok((serde_json::from_slice(&body)?, files))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd as _;

    #[test]
    fn messages_and_descriptors_arrive() {
        let (one, other) = UnixStream::pair().expect("sockets");
        let (mut one, mut other) = (Channel::new(one), Channel::new(other));
        let file = std::fs::File::open("/proc/self/status").expect("a file");
        one.send(&Request::Load { module: "m".to_owned() }, &[file.as_fd()]).expect("sent");
        one.send(&Request::Benchmark, &[]).expect("sent");
        let (request, files) = other.receive::<Request>().expect("received");
        assert!(matches!(request, Request::Load { module } if module == "m"));
        let mut text = String::new();
        std::fs::File::from(files.into_iter().next().expect("one file")).read_to_string(&mut text).expect("text");
        assert!(text.starts_with("Name:"));
        let (request, files) = other.receive::<Request>().expect("received");
        assert!(matches!(request, Request::Benchmark) && files.is_empty());
        drop(one);
        assert_eq!(other.receive::<Request>().expect_err("gone").kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn nonsense_is_refused() {
        for bytes in [&[255u8, 255, 255, 255][..], &[3, 0, 0, 0, b'{', b'}', b'{'], &[9, 0, 0, 0, 1], &[1, 0]] {
            let (mut one, other) = UnixStream::pair().expect("sockets");
            one.write_all(bytes).expect("sent");
            drop(one);
            assert!(Channel::new(other).receive::<Reply>().is_err(), "{bytes:?}");
        }
    }
}
