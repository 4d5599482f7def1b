//! What a program did with the device: records of its API calls and of the device's work, and the pictures made of them.
//!
//! Model. `vgpu trace` names a folder in the environment ([`DIRECTORY`]). Every library of vgpu in every process of the program
//! appends [`Record`]s to a file of its own there, one JSON value per line and one system call per record, so that a process
//! that crashes leaves all that it did. Afterwards [`read`] brings the files together, [`listing`] writes the calls as text, and
//! [`chrome`] makes a trace with the keys of PyTorch's Kineto, which Perfetto and Chrome show.
//!
//! A call has a *correlation*: a number unique in its process, which the device's work that came of it has too. Work is given
//! its [`Note`] (correlation, stream, device) where it is submitted, because it runs on another thread.
//!
//! What it does not do: decide when something began or ended (the faces and the runtime do), sample, or count instructions.
#![forbid(unsafe_code)]

mod record;

mod writer;

mod chrome;
mod listing;
mod reader;

pub use chrome::chrome;
pub use listing::listing;
pub use reader::{Process, Trace, read};
pub use record::{Api, DeviceFacts, Note, Record, Work};
pub use writer::{DIRECTORY, announce, arguments, call, is_on, note, now_ns, submit_to, work};
