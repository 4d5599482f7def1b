//! What a workload is: buffers, launches, and the check of the result.

use crate::Data;

/// A device buffer.
pub struct Buffer {
    /// The kernel's name for it.
    pub name: &'static str,
    /// Contents before the first launch.
    pub data: Data,
    /// Kernels write it; a written buffer is put back before each run and read for the check.
    pub written: bool,
}

impl Buffer {
    /// A buffer that kernels only read.
    pub fn input(name: &'static str, data: impl Into<Data>) -> Self {
        Self { name, data: data.into(), written: false }
    }

    /// A buffer that kernels write.
    pub fn output(name: &'static str, data: impl Into<Data>) -> Self {
        Self { name, data: data.into(), written: true }
    }
}

/// A kernel argument.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arg {
    /// The address of the buffer with that index.
    Buffer(usize),
    /// `unsigned int`.
    U32(u32),
    /// `int`.
    I32(i32),
    /// `float`.
    F32(f32),
}

/// One launch.
#[derive(Clone, Debug)]
pub struct Launch {
    /// Blocks along x and y.
    pub grid: (u32, u32),
    /// Threads of a block along x and y.
    pub block: (u32, u32),
    /// Arguments in order.
    pub args: Vec<Arg>,
}

/// How far a result is from its reference.
#[derive(Clone, Copy, Debug)]
pub struct Verdict {
    /// The largest deviation found, in the measure that the workload states; 0 when exact.
    pub error: f64,
    /// The largest deviation that is accepted.
    pub tolerance: f64,
}

impl Verdict {
    /// Whether the result is accepted; a deviation that is not a number is not.
    pub fn correct(self) -> bool {
        self.error <= self.tolerance
    }
}

/// The check of a result: the buffers after one run, unwritten ones empty.
pub type Check = Box<dyn Fn(&[Data]) -> Verdict + Send + Sync>;

/// One kernel on one input.
pub struct Workload {
    /// The name of the row in tables.
    pub name: &'static str,
    /// The kernel's name, and the stem of its files.
    pub kernel: &'static str,
    /// The input, in words.
    pub size: &'static str,
    /// Buffers.
    pub buffers: Vec<Buffer>,
    /// The launches of one run, in order.
    pub launches: Vec<Launch>,
    /// The check.
    pub check: Check,
}
