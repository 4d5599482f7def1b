//! A GPU made of software: load PTX, launch its kernels, get the numbers, on any CPU.
//!
//! A [`Device`] is the machine's cores as a GPU. A [`Context`] on it owns memory and streams; a [`Buffer`] is typed device
//! memory; a [`Module`] is PTX made ready and a [`Kernel`] one of its entry points, launched into a [`Stream`]:
//!
//! ```
//! use vgpu::{Buffer, Context, Device, Module};
//!
//! let saxpy = r#"
//! .version 7.0
//! .target sm_50
//! .address_size 64
//! .visible .entry saxpy(.param .u32 n, .param .f32 a, .param .u64 x, .param .u64 y)
//! {
//!     .reg .pred %p<2>; .reg .b32 %r<6>; .reg .f32 %f<5>; .reg .b64 %rd<6>;
//!     mov.u32 %r1, %ctaid.x;  mov.u32 %r2, %ntid.x;  mov.u32 %r3, %tid.x;
//!     mad.lo.s32 %r4, %r1, %r2, %r3;
//!     ld.param.u32 %r5, [n];
//!     setp.ge.u32 %p1, %r4, %r5;
//!     @%p1 ret;
//!     ld.param.u64 %rd1, [x];  ld.param.u64 %rd2, [y];  ld.param.f32 %f1, [a];
//!     mul.wide.u32 %rd3, %r4, 4;
//!     add.s64 %rd4, %rd1, %rd3;  add.s64 %rd5, %rd2, %rd3;
//!     ld.global.f32 %f2, [%rd4];  ld.global.f32 %f3, [%rd5];
//!     fma.rn.f32 %f4, %f1, %f2, %f3;
//!     st.global.f32 [%rd5], %f4;
//!     ret;
//! }"#;
//!
//! let context = Context::new(&Device::shared()?);
//! let n = 1000u32;
//! let x = Buffer::from_slice(&context, &vec![2.0f32; n as usize])?;
//! let mut y = Buffer::from_slice(&context, &vec![1.0f32; n as usize])?;
//!
//! let kernel = Module::load(&context, saxpy)?.kernel("saxpy")?;
//! let stream = context.default_stream();
//! kernel.launch(&stream, n.div_ceil(256), 256, (n, 3.0f32, &x, &mut y))?;
//! stream.synchronize()?;
//!
//! assert_eq!(y.to_vec()?, vec![7.0; n as usize]);
//! # Ok::<(), vgpu::Error>(())
//! ```
//!
//! Launches are asynchronous; reading a buffer waits for them. A kernel that goes wrong (a wild address, a trap, an endless loop
//! with a time limit set) leaves its error in the context, and the process lives on.
#![forbid(unsafe_code)]

mod buffer;
mod kernel;
mod module;
mod shared_buffer;

pub use buffer::Buffer;
pub use bytemuck::Pod;
pub use kernel::{ArgumentList, Kernel, KernelArg, KernelArgs, Value};
pub use module::Module;
pub use shared_buffer::SharedBuffer;
pub use vgpu_mem::checkpoint;
pub use vgpu_ptx::ir;
pub use vgpu_runtime::{
    CachePolicy, CompileCounts, Compiler, Context, Device, DeviceConfig, DeviceProperties, DevicePtr, Error, Event,
    Extra, Fault, KernelAttributes, LaunchConfig, MemoryBudget, MemoryInfo, MemorySnapshot, MemoryTier, Periodic,
    PrintSink, ProcessUse, Replicated, Restored, SplitDevice, SplitLaunch, SplitPart, Stream, Traffic, processes,
};
pub use vgpu_types::{Diagnostic, Dim3, LineMap, Severity, Span};

/// The README's examples, run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
mod readme {}
