//! `libnvrtc.so.13`: the functions of `vgpu_nvrtc` under this name, and nothing else.

/// Keeps the crate, which exports the functions, in the library.
#[used]
static KEEP: unsafe extern "C" fn(*mut i32, *mut i32) -> i32 = vgpu_nvrtc::nvrtcVersion;
