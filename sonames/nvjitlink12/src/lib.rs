//! `libnvJitLink.so.12`: the names that `nvJitLink.h` of CUDA 12 gives the functions of `vgpu_nvjitlink`, and nothing else.

vgpu_nvjitlink::export_versions!("12": "0" "1" "2" "3" "4" "5" "6" "7" "8" "9");

/// The functions without a version in their name are exported by the crate itself.
#[used]
static KEEP: unsafe extern "C" fn(*mut u32, *mut u32) -> u32 = vgpu_nvjitlink::nvJitLinkVersion;
