//! NVIDIA's own software, used where it is installed: the NVRTC compiler, which makes PTX of CUDA C++.
//!
//! Everything is found and opened at run time; building needs nothing of NVIDIA's, and a machine without it gets an error
//! that says how to install it.
//!
//! ```no_run
//! let nvrtc = vgpu_nvidia::Nvrtc::find()?;
//! let ptx = nvrtc.compile("extern \"C\" __global__ void f() {}", "f.cu", &[])?;
//! assert!(ptx.contains(".entry f"));
//! # Ok::<(), vgpu_nvidia::NvrtcError>(())
//! ```

mod nvrtc;
mod places;

mod library;

pub use nvrtc::{Nvrtc, NvrtcError};
pub use places::{find_libraries, program_folders};
