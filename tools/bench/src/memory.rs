//! The memory suite: allocation against mimalloc, and kernels whose data is four times larger than the memory for it.
//!
//! * `alloc_pair_ns`: one allocation and its release from a warm pool, on one thread; `alloc_mops_t2`: pairs per second on two
//!   threads, in millions. The peer is mimalloc, which hands out host memory, in the same run.
//! * out of core: each kernel with all data in memory, and with a budget of a quarter of its data. The peer is `numpy.memmap`, the
//!   system's own paging on a file, in a control group with as much memory; it does the same work with its own, blocked
//!   routines. Where control groups cannot be made, the peer is left out and the row says so.
//! * `triad_vs_ssd`: time of the triad over the time that its bytes to and from the disk take at the bandwidth measured in the run.

use crate::record;
use anyhow::{Context as _, Result, ensure};
use mimalloc::MiMalloc;
use serde_json::{Value, json};
use std::alloc::{GlobalAlloc as _, Layout};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use vgpu::{Buffer, Context, Device, DeviceConfig, MemoryBudget, MemorySnapshot, Module};
use workloads::median;
