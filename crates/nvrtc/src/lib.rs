//! `libnvrtc` that answers with PTX where NVIDIA's answers with machine code.
//!
//! Every call goes to NVIDIA's own library, which must be installed (it is the compiler); only `nvrtcGetCUBIN` and
//! `nvrtcGetCUBINSize` are answered with the program's PTX, because PTX is what this device loads. NVRTC makes PTX on the
//! way to machine code in any case, so it is there whatever `-arch` says.
//!
//! Rules of access:
//! 1. The signatures are those of `nvrtc.h`; pointers are passed on as they came, so NVIDIA's rules for them hold.
//! 2. The library is opened once and never closed.
//!
//! Not here: a compiler. Without NVIDIA's library every call fails with `NVRTC_ERROR_INTERNAL_ERROR`, and one line on
//! standard error says what to install.
#![allow(non_snake_case, reason = "the names are NVRTC's")]

use std::ffi::{c_char, c_int, c_void};
use std::sync::OnceLock;

/// `nvrtcProgram`.
pub type Program = *mut c_void;

/// `NVRTC_ERROR_INTERNAL_ERROR`.
const INTERNAL_ERROR: c_int = 11;

/// NVIDIA's library; `None` when there is none.
fn real() -> Option<&'static libloading::Library> {
    static REAL: OnceLock<Option<libloading::Library>> = OnceLock::new();
    REAL.get_or_init(open).as_ref()
}

fn open() -> Option<libloading::Library> {
    use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
    /// Its own names go first inside NVIDIA's library, not ours: we export the same ones.
    const RTLD_DEEPBIND: c_int = 8;
    for path in vgpu_nvidia::find_libraries("libnvrtc.so") {
        // SAFETY: NVRTC's initialisers have no requirements; the file is NVIDIA's by its name and place.
        let opened = unsafe { Library::open(Some(&path), RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND) };
        if let Ok(library) = opened {
            return Some(library.into());
        }
    }
    eprintln!("vgpu: no NVRTC found: it is the compiler behind this call; pip install nvidia-cuda-nvrtc");
    None
}

/// Declares functions that are passed on under their own name, or under the name after `as`.
macro_rules! pass_on {
    ($($(#[$doc:meta])* $name:ident ( $($arg:ident : $ty:ty),* ) as $to:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// As `nvrtc.h` asks for this name.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($arg: $ty),*) -> c_int {
            static FOUND: OnceLock<Option<unsafe extern "C" fn($($ty),*) -> c_int>> = OnceLock::new();
            let find = || {
                // SAFETY: rule 1.
                unsafe { real()?.get(concat!(stringify!($to), "\0").as_bytes()) }.ok().map(|symbol| *symbol)
            };
            match FOUND.get_or_init(find) {
                // SAFETY: rule 1.
                Some(function) => unsafe { function($($arg),*) },
                None => INTERNAL_ERROR,
            }
        }
    )*};
}

pass_on! {
    /// Version of the compiler.
    nvrtcVersion(major: *mut c_int, minor: *mut c_int) as nvrtcVersion;
    /// Number of architectures.
    nvrtcGetNumSupportedArchs(n: *mut c_int) as nvrtcGetNumSupportedArchs;
    /// Architectures.
    nvrtcGetSupportedArchs(archs: *mut c_int) as nvrtcGetSupportedArchs;
    /// A program from a source.
    nvrtcCreateProgram(program: *mut Program, source: *const c_char, name: *const c_char, n_headers: c_int, headers: *const *const c_char, include_names: *const *const c_char) as nvrtcCreateProgram;
    /// Ends a program.
    nvrtcDestroyProgram(program: *mut Program) as nvrtcDestroyProgram;
    /// Compiles.
    nvrtcCompileProgram(program: Program, n_options: c_int, options: *const *const c_char) as nvrtcCompileProgram;
    /// Size of the PTX.
    nvrtcGetPTXSize(program: Program, size: *mut usize) as nvrtcGetPTXSize;
    /// The PTX.
    nvrtcGetPTX(program: Program, ptx: *mut c_char) as nvrtcGetPTX;
    /// Size of the PTX: it stands for machine code here.
    nvrtcGetCUBINSize(program: Program, size: *mut usize) as nvrtcGetPTXSize;
    /// The PTX: it stands for machine code here.
    nvrtcGetCUBIN(program: Program, cubin: *mut c_char) as nvrtcGetPTX;
    /// Size of the intermediate code for link-time optimisation.
    nvrtcGetLTOIRSize(program: Program, size: *mut usize) as nvrtcGetLTOIRSize;
    /// The intermediate code for link-time optimisation.
    nvrtcGetLTOIR(program: Program, code: *mut c_char) as nvrtcGetLTOIR;
    /// Size of the intermediate code, under its name of CUDA 12.
    nvrtcGetNVVMSize(program: Program, size: *mut usize) as nvrtcGetNVVMSize;
    /// The intermediate code, under its name of CUDA 12.
    nvrtcGetNVVM(program: Program, code: *mut c_char) as nvrtcGetNVVM;
    /// Size of the code for ray tracing.
    nvrtcGetOptiXIRSize(program: Program, size: *mut usize) as nvrtcGetOptiXIRSize;
    /// The code for ray tracing.
    nvrtcGetOptiXIR(program: Program, code: *mut c_char) as nvrtcGetOptiXIR;
    /// Size of the tile code.
    nvrtcGetTileIRSize(program: Program, size: *mut usize) as nvrtcGetTileIRSize;
    /// The tile code.
    nvrtcGetTileIR(program: Program, code: *mut c_char) as nvrtcGetTileIR;
    /// Size of the compiler's messages.
    nvrtcGetProgramLogSize(program: Program, size: *mut usize) as nvrtcGetProgramLogSize;
    /// The compiler's messages.
    nvrtcGetProgramLog(program: Program, log: *mut c_char) as nvrtcGetProgramLog;
    /// Asks for the symbol name of an expression.
    nvrtcAddNameExpression(program: Program, expression: *const c_char) as nvrtcAddNameExpression;
    /// The symbol name of an expression.
    nvrtcGetLoweredName(program: Program, expression: *const c_char, lowered: *mut *const c_char) as nvrtcGetLoweredName;
    /// Memory for precompiled headers.
    nvrtcGetPCHHeapSize(size: *mut usize) as nvrtcGetPCHHeapSize;
    /// Sets the memory for precompiled headers.
    nvrtcSetPCHHeapSize(size: usize) as nvrtcSetPCHHeapSize;
    /// How precompiling headers went.
    nvrtcGetPCHCreateStatus(program: Program) as nvrtcGetPCHCreateStatus;
    /// Memory that precompiling headers needs.
    nvrtcGetPCHHeapSizeRequired(program: Program, size: *mut usize) as nvrtcGetPCHHeapSizeRequired;
    /// A function that may end a compilation.
    nvrtcSetFlowCallback(program: Program, callback: *mut c_void, payload: *mut c_void) as nvrtcSetFlowCallback;
    /// Puts the bundled headers somewhere.
    nvrtcInstallBundledHeaders(path: *const c_char, flags: u32, log: *mut *const c_char) as nvrtcInstallBundledHeaders;
    /// What headers are bundled.
    nvrtcGetBundledHeadersInfo(info: *mut c_void, log: *mut *const c_char) as nvrtcGetBundledHeadersInfo;
    /// Removes the bundled headers.
    nvrtcRemoveBundledHeaders(path: *const c_char, log: *mut *const c_char) as nvrtcRemoveBundledHeaders;
}

/// The name of a result.
///
/// # Safety
/// None beyond a C call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvrtcGetErrorString(result: c_int) -> *const c_char {
    type ErrorText = unsafe extern "C" fn(c_int) -> *const c_char;
    if let Some(library) = real() {
        // SAFETY: rule 1.
        if let Ok(function) = unsafe { library.get::<ErrorText>(b"nvrtcGetErrorString\0") } {
            // SAFETY: rule 1.
            return unsafe { function(result) };
        }
    }
    let text = match result {
        0 => c"NVRTC_SUCCESS",
        INTERNAL_ERROR => c"NVRTC_ERROR_INTERNAL_ERROR",
        _ => c"NVRTC_ERROR unknown",
    };
    text.as_ptr()
}
