//! The process's engine: `libvgpu.so`, found as `libcuda.so.1` finds it, and its functions by name.
//!
//! Model. A process holds one engine, whichever library brought it. In this order: a library that is loaded already and has
//! `vgpu` in its file name, the file that `VGPU_LIBRARY` names, `libvgpu.so` beside this module (where the wheel has it), and
//! where the system looks. The engine is opened at the first call that needs it, and never closed.
//!
//! Rules of access:
//! 1. The signatures below are those of CUDA's `cuda.h`; a symbol of that name is a function of that type.
//! 2. Handles and device addresses are numbers; the engine looks them up and refuses what it does not know.
//! 3. Host addresses that are passed belong to objects that the caller keeps alive until the call, or the wait after it, returns.

use crate::error::{Fail, check};
use std::ffi::{CStr, CString, OsStr, c_char, c_int, c_uint, c_void};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The engine's function: name to address.
type Lookup = unsafe extern "C" fn(*const c_char) -> usize;

const SYMBOL: &CStr = c"vgpu_engine_1";

macro_rules! functions {
    ($($name:ident as $field:ident($($ty:ty),*);)*) => {
        /// Functions of the driver API; names without `cu`.
        pub struct Engine {
            $(pub $field: unsafe extern "C" fn($($ty),*) -> c_int,)*
        }

        impl Engine {
            fn new(lookup: Lookup) -> Result<Self, Fail> {
                Ok(Self {
                    $($field: {
                        let name = concat!(stringify!($name), "\0");
                        // SAFETY: the engine's contract: any zero-terminated name.
                        let address = unsafe { lookup(name.as_ptr().cast()) };
                        if address == 0 {
                            return Err(Fail::NoEngine(format!("the engine has no `{}`", stringify!($name))));
                        }
                        // SAFETY: rule 1.
                        unsafe { std::mem::transmute::<usize, unsafe extern "C" fn($($ty),*) -> c_int>(address) }
                    },)*
                })
            }
        }
    };
}

functions! {
    cuInit as init(c_uint);
    cuDriverGetVersion as driver_version(*mut c_int);
    cuDeviceGetCount as device_count(*mut c_int);
    cuDeviceGetName as device_name(*mut c_char, c_int, c_int);
    cuDeviceTotalMem_v2 as device_total_mem(*mut usize, c_int);
    cuDeviceGetAttribute as device_attribute(*mut c_int, c_int, c_int);
    cuDevicePrimaryCtxRetain as retain(*mut u64, c_int);
    cuCtxGetCurrent as current(*mut u64);
    cuCtxSetCurrent as set_current(u64);
    cuCtxSynchronize as synchronize();
    cuMemGetInfo_v2 as mem_info(*mut usize, *mut usize);
    cuMemAlloc_v2 as alloc(*mut u64, usize);
    cuMemAllocManaged as alloc_managed(*mut u64, usize, c_uint);
    cuMemFree_v2 as free(u64);
    cuMemcpyAsync as copy_async(u64, u64, usize, u64);
    cuMemsetD8Async as fill_async(u64, u8, usize, u64);
    cuStreamCreateWithPriority as stream_create(*mut u64, c_uint, c_int);
    cuStreamDestroy_v2 as stream_destroy(u64);
    cuStreamQuery as stream_query(u64);
    cuStreamSynchronize as stream_synchronize(u64);
    cuStreamWaitEvent as stream_wait_event(u64, u64, c_uint);
    cuEventCreate as event_create(*mut u64, c_uint);
    cuEventDestroy_v2 as event_destroy(u64);
    cuEventRecord as event_record(u64, u64);
    cuEventQuery as event_query(u64);
    cuEventSynchronize as event_synchronize(u64);
    cuEventElapsedTime as event_elapsed(*mut f32, u64, u64);
    cuModuleLoadData as module_load(*mut u64, *const c_void);
    cuModuleUnload as module_unload(u64);
    cuModuleGetFunction as module_function(*mut u64, u64, *const c_char);
    cuFuncGetAttribute as function_attribute(*mut c_int, c_int, u64);
    cuLaunchKernel as launch(
        u64, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, u64, *mut *mut c_void, *mut *mut c_void
    );
    cuGetErrorName as error_name(c_int, *mut *const c_char);
    cuGetErrorString as error_text(c_int, *mut *const c_char);
}

/// The engine, initialised.
pub fn engine() -> Result<&'static Engine, Fail> {
    static ENGINE: OnceLock<Result<Engine, String>> = OnceLock::new();
    let made = ENGINE.get_or_init(|| {
        let engine = open().and_then(Engine::new).map_err(|error| error.to_string())?;
        // SAFETY: rule 1; flags are 0.
        let code = unsafe { (engine.init)(0) };
        if code != 0 { Err(format!("the engine cannot start: error {code}")) } else { Ok(engine) }
    });
    made.as_ref().map_err(|text| Fail::NoEngine(text.clone()))
}

/// The engine with a context on this thread: the one that is current, else the primary one of device 0, which all faces share.
pub fn entered() -> Result<&'static Engine, Fail> {
    let engine = engine()?;
    let mut current = 0;
    // SAFETY: rule 1; the place is ours.
    check("cuCtxGetCurrent", unsafe { (engine.current)(&raw mut current) })?;
    if current == 0 {
        set_device(0)?;
    }
    Ok(engine)
}

/// Makes a device's primary context current; returns the context that was before.
pub fn set_device(device: i32) -> Result<u64, Fail> {
    let engine = engine()?;
    let (mut before, mut context) = (0, 0);
    // SAFETY: rule 1; the places are ours. The context stays retained until the process ends: other faces hold it too.
    unsafe {
        check("cuCtxGetCurrent", (engine.current)(&raw mut before))?;
        check("cuDevicePrimaryCtxRetain", (engine.retain)(&raw mut context, device))?;
        check("cuCtxSetCurrent", (engine.set_current)(context))?;
    }
    Ok(before)
}

fn open() -> Result<Lookup, Fail> {
    if let Some(lookup) = loaded().iter().find_map(|path| in_library(path, libc::RTLD_NOLOAD).ok()) {
        return Ok(lookup);
    }
    let named = std::env::var_os("VGPU_LIBRARY").map(|path| path.into_vec());
    let beside = own_path().map(|own| own.with_file_name("libvgpu.so").into_os_string().into_vec());
    let places = [named, beside, Some(b"libvgpu.so".to_vec()), Some(b"libvgpu.so.1".to_vec())];
    let mut tried = Vec::new();
    for place in places.into_iter().flatten() {
        let Ok(path) = CString::new(place) else { continue };
        match in_library(&path, libc::RTLD_NODELETE) {
            Ok(lookup) => return Ok(lookup),
            Err(reason) => tried.push(format!("{}: {reason}", path.to_string_lossy())),
        }
    }
    Err(Fail::NoEngine(format!("found no engine; VGPU_LIBRARY may name one\n  {}", tried.join("\n  "))))
}

/// Opens a library and finds the engine's symbol in it.
fn in_library(path: &CStr, flags: c_int) -> Result<Lookup, String> {
    // SAFETY: the path is zero-terminated; initialisers of engines have no requirements. A symbol of this name is a
    // function of this type by the engine's contract. The library stays loaded, so the address stays good. The text that
    // `dlerror` gives lives until this thread's next call of that family.
    unsafe {
        let library = libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL | flags);
        if library.is_null() {
            let text = libc::dlerror();
            return Err(if text.is_null() {
                "cannot open it".to_owned()
            } else {
                CStr::from_ptr(text).to_string_lossy().into_owned()
            });
        }
        let symbol = libc::dlsym(library, SYMBOL.as_ptr());
        if symbol.is_null() {
            return Err("it has no engine".to_owned());
        }
        Ok(std::mem::transmute::<*mut c_void, Lookup>(symbol))
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

/// Where this module was loaded from.
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
