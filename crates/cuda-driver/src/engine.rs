//! Finding the process's engine: a library that exports `vgpu_engine_1`.
//!
//! In this order: a library that is loaded already and has `vgpu` in its file name (the Python module, `libvgpu.so`), the
//! file that `VGPU_LIBRARY` names, `libvgpu.so` beside this library, `libvgpu.so` where the system looks.

use std::ffi::{CStr, CString, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The engine's function: name to address.
type Lookup = unsafe extern "C" fn(*const c_char) -> usize;

const SYMBOL: &CStr = c"vgpu_engine_1";

/// Address of an engine's function.
pub(crate) fn find(name: &CStr) -> Option<usize> {
    static ENGINE: OnceLock<Option<Lookup>> = OnceLock::new();
    let lookup = (*ENGINE.get_or_init(open))?;
    // SAFETY: the engine's contract: any zero-terminated name.
    let address = unsafe { lookup(name.as_ptr()) };
    (address != 0).then_some(address)
}

fn open() -> Option<Lookup> {
    if let Some(lookup) = loaded().iter().find_map(|path| in_library(path, libc::RTLD_NOLOAD)) {
        return Some(lookup);
    }
    let named = std::env::var_os("VGPU_LIBRARY").map(|path| path.into_vec());
    let beside = own_path().map(|own| own.with_file_name("libvgpu.so").into_os_string().into_vec());
    let places = [named, beside, Some(b"libvgpu.so".to_vec()), Some(b"libvgpu.so.1".to_vec())];
    let mut tried = Vec::new();
    for place in places.into_iter().flatten() {
        let Ok(path) = CString::new(place) else { continue };
        if let Some(lookup) = in_library(&path, libc::RTLD_NODELETE) {
            return Some(lookup);
        }
        tried.push(path.to_string_lossy().into_owned());
    }
    eprintln!("vgpu: libcuda.so.1 found no engine: tried {}; VGPU_LIBRARY may name one", tried.join(", "));
    None
}

/// Opens a library and finds the engine's symbol in it.
fn in_library(path: &CStr, flags: c_int) -> Option<Lookup> {
    // SAFETY: the path is zero-terminated; initialisers of engines have no requirements. A symbol of this name is a
    // function of this type by the engine's contract. The library stays loaded, so the address stays good.
    unsafe {
        let library = libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL | flags);
        if library.is_null() {
            return None;
        }
        let symbol = libc::dlsym(library, SYMBOL.as_ptr());
        (!symbol.is_null()).then(|| std::mem::transmute::<*mut c_void, Lookup>(symbol))
    }
}

unsafe extern "C" fn note(info: *mut libc::dl_phdr_info, _size: usize, list: *mut c_void) -> c_int {
    // SAFETY: the system passes a valid record; `list` is what `loaded` passed.
    unsafe {
        let name = (*info).dlpi_name;
        if !name.is_null() {
            let name = CStr::from_ptr(name);
            let file = Path::new(OsStr::from_bytes(name.to_bytes())).file_name();
            if file.is_some_and(|file| file.to_string_lossy().contains("vgpu")) {
                (*list.cast::<Vec<CString>>()).push(name.to_owned());
            }
        }
    }
    0
}

/// Libraries in the process that may hold an engine.
fn loaded() -> Vec<CString> {
    let mut list: Vec<CString> = Vec::new();
    // SAFETY: `note` takes the list as its data, and it lives through the call.
    unsafe { libc::dl_iterate_phdr(Some(note), (&raw mut list).cast()) };
    list
}

/// Where this library was loaded from.
fn own_path() -> Option<PathBuf> {
    // SAFETY: `Dl_info` is plain data, which `dladdr` fills for an address in this library; the name lives as long as it.
    unsafe {
        let mut info: libc::Dl_info = std::mem::zeroed();
        let own = own_path as *const () as *const c_void;
        if libc::dladdr(own, &raw mut info) == 0 || info.dli_fname.is_null() {
            return None;
        }
        Some(PathBuf::from(OsStr::from_bytes(CStr::from_ptr(info.dli_fname).to_bytes())))
    }
}
