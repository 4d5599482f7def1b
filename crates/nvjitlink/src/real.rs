//! NVIDIA's own linker, asked for PTX: the only program that can read its intermediate code.
//!
//! Rules of access: 1. the signatures are those of `nvJitLink.h`; 2. a handle lives within one call of [`link`]; 3. buffers have
//! the size that the library stated.

use std::ffi::{CString, c_char, c_int, c_void};
use std::sync::OnceLock;

type Handle = *mut c_void;
type Create = unsafe extern "C" fn(*mut Handle, u32, *const *const c_char) -> u32;
type AddData = unsafe extern "C" fn(Handle, u32, *const c_void, usize, *const c_char) -> u32;
type OnHandle = unsafe extern "C" fn(Handle) -> u32;
type OnHandleAddress = unsafe extern "C" fn(*mut Handle) -> u32;
type Size = unsafe extern "C" fn(Handle, *mut usize) -> u32;
type Text = unsafe extern "C" fn(Handle, *mut c_char) -> u32;

/// An input for NVIDIA's linker.
pub struct Piece<'a> {
    /// `nvJitLinkInputType`.
    pub kind: u32,
    /// Its bytes.
    pub data: &'a [u8],
    /// Its name in messages.
    pub name: &'a str,
}

/// How it went wrong: NVIDIA's code and log, or `None` when the library is not installed.
pub type Failure = Option<(u32, String)>;

fn library() -> Option<&'static libloading::Library> {
    static REAL: OnceLock<Option<libloading::Library>> = OnceLock::new();
    let open = || {
        use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
        /// Its own names go first inside NVIDIA's library, not ours: we export the same ones.
        const RTLD_DEEPBIND: c_int = 8;
        vgpu_nvidia::find_libraries("libnvJitLink.so").iter().find_map(|path| {
            // SAFETY: the library's initialisers have no requirements; the file is NVIDIA's by its name and place.
            unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND) }.ok().map(Into::into)
        })
    };
    REAL.get_or_init(open).as_ref()
}

/// Version of the installed library.
pub fn version() -> Option<(u32, u32)> {
    // SAFETY: rule 1.
    let function = unsafe { library()?.get::<unsafe extern "C" fn(*mut u32, *mut u32) -> u32>(b"nvJitLinkVersion\0") };
    let (mut major, mut minor) = (0, 0);
    // SAFETY: rule 1; both addresses are of live integers.
    (unsafe { function.ok()?(&mut major, &mut minor) } == 0).then_some((major, minor))
}

/// Links the pieces to PTX.
///
/// # Errors
/// See [`Failure`].
pub fn link(options: &[String], pieces: &[Piece<'_>]) -> Result<String, Failure> {
    let library = library().ok_or(None)?;
    macro_rules! function {
        ($name:literal as $ty:ty) => {
            // SAFETY: rule 1.
            *unsafe { library.get::<$ty>(concat!($name, "\0").as_bytes()) }
                .map_err(|error| Some((crate::ERROR_INTERNAL, error.to_string())))?
        };
    }
    let create = function!("nvJitLinkCreate" as Create);
    let add = function!("nvJitLinkAddData" as AddData);
    let complete = function!("nvJitLinkComplete" as OnHandle);
    let destroy = function!("nvJitLinkDestroy" as OnHandleAddress);
    let log_size = function!("nvJitLinkGetErrorLogSize" as Size);
    let log = function!("nvJitLinkGetErrorLog" as Text);
    let ptx_size = function!("nvJitLinkGetLinkedPtxSize" as Size);
    let ptx = function!("nvJitLinkGetLinkedPtx" as Text);

    let strings: Vec<CString> = options.iter().filter_map(|option| CString::new(option.as_str()).ok()).collect();
    let pointers: Vec<_> = strings.iter().map(|option| option.as_ptr()).collect();
    let mut handle: Handle = std::ptr::null_mut();
    // SAFETY: rule 1; the strings outlive the call.
    let status = unsafe { create(&mut handle, pointers.len() as u32, pointers.as_ptr()) };
    if status != 0 {
        return Err(Some((status, format!("the installed nvJitLink does not take the options {}", options.join(" ")))));
    }
    let read = |size: Size, text: Text| -> Result<String, u32> {
        let mut n_bytes = 0;
        // SAFETY: rule 2.
        match unsafe { size(handle, &mut n_bytes) } {
            0 => {}
            status => return Err(status),
        }
        let mut bytes = vec![0u8; n_bytes + 1];
        // SAFETY: rule 3.
        match unsafe { text(handle, bytes.as_mut_ptr().cast()) } {
            0 => {}
            status => return Err(status),
        }
        let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
        Ok(String::from_utf8_lossy(&bytes[..end]).into_owned())
    };
    let work = || -> Result<String, u32> {
        for piece in pieces {
            let name = CString::new(piece.name).unwrap_or_default();
            // SAFETY: rule 2; the library copies the data or is done with it before this function returns.
            match unsafe { add(handle, piece.kind, piece.data.as_ptr().cast(), piece.data.len(), name.as_ptr()) } {
                0 => {}
                status => return Err(status),
            }
        }
        // SAFETY: rule 2.
        match unsafe { complete(handle) } {
            0 => read(ptx_size, ptx),
            status => Err(status),
        }
    };
    let result = work().map_err(|status| Some((status, read(log_size, log).unwrap_or_default())));
    // SAFETY: rule 2: the handle is not used again.
    unsafe { destroy(&mut handle) };
    result
}
