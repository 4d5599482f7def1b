//! Device memory larger than the memory there is, and shared by several devices.
//!
//! * [`pager`]: pages of a fixed address range that come when they are touched and go, over compressed memory to a spill
//!   file, when a budget is used up. [`residency`] decides which, [`codec`] how small, [`grid`] where; [`snapshot`] shows it.
//! * [`coherence`]: the MESI protocol between the devices' page copies and the home copy. Its two step functions are
//!   pure; the tests check them exhaustively with a model checker, and [`coherence::Directory`] runs them in production.
//! * [`checkpoint`]: named bytes in one file that survives a crash at any moment and grows by what has changed.
//! * [`predict`]: which pages to fetch ahead of a kernel that walks its arrays in rows, strides or tiles.
//!
//! ```
//! use vgpu_mem::coherence::{Access, DeviceId, Directory, NoCopies};
//! let directory = Directory::new(2, 1024)?;
//! let (cpu, eco) = (DeviceId(0), DeviceId(1));
//! directory.access(cpu, 7, Access::Write, &NoCopies)?;
//! directory.access(eco, 7, Access::Read, &NoCopies)?; // the first device keeps a copy it may read
//! assert!(!directory.may_write(cpu, 7) && directory.may_read(cpu, 7));
//! # Ok::<(), vgpu_mem::coherence::CoherenceError<std::convert::Infallible>>(())
//! ```
#![deny(unsafe_code)]

pub mod checkpoint;
pub mod coherence;
pub mod pager;
pub mod predict;
pub mod snapshot;

pub mod codec;
pub mod grid;
pub mod residency;

mod store;

mod error;

mod os;

pub use error::Error;
pub use os::{Access, free_disk_bytes};
pub use store::DiskTraffic;
