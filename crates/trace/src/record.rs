//! The records of a trace. Times are nanoseconds since 1970.

use serde::{Deserialize, Serialize};

/// Which interface a call belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Api {
    /// `cu...`
    Driver,
    /// `cuda...`
    Runtime,
}

/// Where work was submitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Of the call it came of; 0 when there was none.
    pub correlation: u64,
    /// The stream's number in its process.
    pub stream: u64,
    /// The context's number in its process.
    pub context: u64,
    /// The device's ordinal.
    pub device: i32,
}

/// A device as traces describe it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceFacts {
    /// Ordinal.
    pub id: i32,
    /// Name.
    pub name: String,
    /// Device memory in bytes.
    pub memory_bytes: u64,
    /// Compute capability.
    pub capability: (u32, u32),
    /// Multiprocessors, that is workers.
    pub multiprocessors: u32,
    /// Threads of a block, at most.
    pub block_threads: u32,
    /// Threads of a multiprocessor, at most.
    pub multiprocessor_threads: u32,
    /// Registers of a block.
    pub block_registers: u32,
    /// Shared memory of a block in bytes: without and with opting in.
    pub block_shared_bytes: (u32, u32),
    /// Shared memory of a multiprocessor in bytes.
    pub multiprocessor_shared_bytes: u32,
}

/// What a device did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// A kernel ran.
    Kernel {
        /// Its name.
        name: String,
        /// Blocks.
        grid: [u32; 3],
        /// Threads of a block.
        block: [u32; 3],
        /// Static and dynamic shared memory of a block in bytes.
        shared_bytes: u32,
    },
    /// Bytes were copied.
    Copy {
        /// The destination is device memory.
        to_device: bool,
        /// The source is device memory.
        from_device: bool,
        /// How many.
        bytes: u64,
    },
    /// Bytes were filled.
    Fill {
        /// How many.
        bytes: u64,
    },
}

/// A line of a trace file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// The process that writes this file; its first line.
    Process {
        /// Its number.
        pid: u32,
        /// Its command line.
        command: String,
    },
    /// A device that the process opened.
    Device(DeviceFacts),
    /// A call of an API function.
    Call {
        /// The interface.
        api: Api,
        /// Function.
        name: String,
        /// Arguments as text: `name=value, ..`.
        arguments: String,
        /// What it returned.
        result: i32,
        /// The result's name.
        answer: String,
        /// The calling thread's number.
        thread: u64,
        /// See [`Note::correlation`].
        correlation: u64,
        /// When it was called.
        start_ns: u64,
        /// How long it took.
        ns: u64,
    },
    /// Work of a device.
    Work {
        /// What.
        work: Work,
        /// Where it was submitted.
        note: Note,
        /// When it began.
        start_ns: u64,
        /// How long it took.
        ns: u64,
    },
}
