//! The kernel collection as data, and the routes that can run it.
//!
//! A [`Workload`] is one kernel on one input: buffers with their contents, launches with their arguments, and a check of what
//! comes out. It knows nothing of who runs it. A [`Route`] runs workloads: [`Device`] is vgpu, [`Native`] is C with OpenMP
//! built on the spot, [`OpenCl`] is a Python process with Intel's runtime. `demo` and `bench` put the two together.
//!
//! A reference never comes from vgpu: it is computed here in float64, or by another implementation.

mod workload;

mod data;
pub mod kernels;

mod route;

mod device;
mod native;
mod opencl;

mod compare;
mod random;

pub use data::Data;
pub use device::Device;
pub use native::{FLAGS as NATIVE_FLAGS, Native};
pub use opencl::OpenCl;
pub use route::{Route, median};
pub use workload::{Arg, Buffer, Launch, Verdict, Workload};

use std::path::{Path, PathBuf};

/// The folder of the kernel collection in the checkout this was built from.
pub fn kernel_folder() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).expect("lies in tools/workloads of the checkout").join("kernels")
}
