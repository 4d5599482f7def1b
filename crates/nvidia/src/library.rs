//! The calls into NVRTC's library.
//!
//! Rules of access:
//! 1. The signatures are those of `nvrtc.h`, which NVIDIA keeps stable across versions.
//! 2. A program handle is made and destroyed within one call of [`Library::compile`]; strings passed in outlive the call.
//! 3. Output buffers have the size that NVRTC stated for them.

use crate::NvrtcError;
use std::error::Error as _;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;
use std::ptr;

type Program = *mut c_void;
type VersionFn = unsafe extern "C" fn(*mut c_int, *mut c_int) -> c_int;
type ErrorTextFn = unsafe extern "C" fn(c_int) -> *const c_char;
type CreateFn = unsafe extern "C" fn(
    *mut Program,
    *const c_char,
    *const c_char,
    c_int,
    *const *const c_char,
    *const *const c_char,
) -> c_int;
type CompileFn = unsafe extern "C" fn(Program, c_int, *const *const c_char) -> c_int;
type DestroyFn = unsafe extern "C" fn(*mut Program) -> c_int;
type SizeFn = unsafe extern "C" fn(Program, *mut usize) -> c_int;
type TextFn = unsafe extern "C" fn(Program, *mut c_char) -> c_int;

/// `NVRTC_ERROR_COMPILATION`.
const COMPILATION: c_int = 6;

/// Why a library was not opened.
pub enum OpenError {
    /// There is no such file.
    Missing,
    /// It is there, and the loader's words why it cannot be used.
    Refused(String),
}

/// NVRTC's functions. The library stays open as long as this lives.
pub struct Library {
    version: VersionFn,
    error_text: ErrorTextFn,
    create: CreateFn,
    compile: CompileFn,
    destroy: DestroyFn,
    ptx_size: SizeFn,
    ptx: TextFn,
    log_size: SizeFn,
    log: TextFn,
    _library: libloading::Library,
}

impl Library {
    /// Opens the library and finds its functions.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        // SAFETY: NVRTC's initialisers have no requirements; the file is NVIDIA's by its name and place.
        let library = unsafe { libloading::Library::new(path) }.map_err(|error| {
            let reason = error.source().map_or_else(|| error.to_string(), |source| source.to_string());
            let missing = path.components().count() == 1 && reason.contains("cannot open shared object");
            if missing { OpenError::Missing } else { OpenError::Refused(reason) }
        })?;
        macro_rules! function {
            ($name:literal) => {
                // SAFETY: rule 1.
                *unsafe { library.get($name) }.map_err(|error| OpenError::Refused(error.to_string()))?
            };
        }
        Ok(Self {
            version: function!(b"nvrtcVersion"),
            error_text: function!(b"nvrtcGetErrorString"),
            create: function!(b"nvrtcCreateProgram"),
            compile: function!(b"nvrtcCompileProgram"),
            destroy: function!(b"nvrtcDestroyProgram"),
            ptx_size: function!(b"nvrtcGetPTXSize"),
            ptx: function!(b"nvrtcGetPTX"),
            log_size: function!(b"nvrtcGetProgramLogSize"),
            log: function!(b"nvrtcGetProgramLog"),
            _library: library,
        })
    }

    /// Major and minor version; zeros when NVRTC does not say.
    pub fn version(&self) -> (i32, i32) {
        let (mut major, mut minor) = (0, 0);
        // SAFETY: both addresses are of live integers.
        unsafe { (self.version)(&mut major, &mut minor) };
        (major, minor)
    }

    /// Compiles one source.
    pub fn compile(&self, source: &CStr, name: &CStr, options: &[CString]) -> Result<String, NvrtcError> {
        let mut program: Program = ptr::null_mut();
        // SAFETY: rule 2; no headers are passed, so their arrays may be null.
        let status =
            unsafe { (self.create)(&mut program, source.as_ptr(), name.as_ptr(), 0, ptr::null(), ptr::null()) };
        self.accept("nvrtcCreateProgram", status)?;
        let result = self.compile_program(program, options);
        // SAFETY: rule 2: the handle is live and not used again.
        unsafe { (self.destroy)(&mut program) };
        result
    }

    fn compile_program(&self, program: Program, options: &[CString]) -> Result<String, NvrtcError> {
        let pointers: Vec<_> = options.iter().map(|option| option.as_ptr()).collect();
        // SAFETY: rule 2.
        let status = unsafe { (self.compile)(program, pointers.len() as c_int, pointers.as_ptr()) };
        if status == COMPILATION {
            let log = self.text("nvrtcGetProgramLog", program, self.log_size, self.log)?;
            return Err(NvrtcError::Source { log: log.trim_end().to_owned() });
        }
        self.accept("nvrtcCompileProgram", status)?;
        self.text("nvrtcGetPTX", program, self.ptx_size, self.ptx)
    }

    fn text(&self, call: &'static str, program: Program, size: SizeFn, read: TextFn) -> Result<String, NvrtcError> {
        let mut n_bytes = 0;
        // SAFETY: rule 2.
        self.accept(call, unsafe { size(program, &mut n_bytes) })?;
        let mut bytes = vec![0u8; n_bytes];
        // SAFETY: rule 3.
        self.accept(call, unsafe { read(program, bytes.as_mut_ptr().cast()) })?;
        while bytes.last() == Some(&0) {
            bytes.pop();
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn accept(&self, call: &'static str, status: c_int) -> Result<(), NvrtcError> {
        if status == 0 {
            return Ok(());
        }
        // SAFETY: NVRTC returns a static string for every number.
        let text = unsafe { CStr::from_ptr((self.error_text)(status)) };
        Err(NvrtcError::Failed { call, text: text.to_string_lossy().into_owned() })
    }
}
