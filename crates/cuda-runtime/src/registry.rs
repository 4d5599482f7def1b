//! What a program registers before `main`: fat binaries, and which host address stands for which kernel or variable.
//!
//! Registering only takes notes: no driver is touched before the program's first call. A fat binary is loaded as a library of
//! the driver when something of it is first used, and stays loaded: the program keeps kernel handles in static variables.

use crate::code::{INVALID_DEVICE_FUNCTION, INVALID_SYMBOL, INVALID_VALUE};
use crate::{P, context, driver};
use std::collections::HashMap;
use std::ffi::{c_char, c_int};
use std::ptr::{from_mut, null_mut};
use std::sync::{LazyLock, RwLock};

/// `__fatBinC_Wrapper_t`: magic, version, data, and for version 2 the fat binaries that are to be linked.
#[repr(C)]
struct Wrapper {
    magic: i32,
    version: i32,
    data: P,
    parts: *const P,
}

/// A registered fat binary. Addresses are kept as numbers: they are only given back to the driver or the caller.
#[derive(Default)]
struct Binary {
    wrapper: usize,
    /// The driver's library, or why it cannot be loaded.
    library: Option<Result<usize, i32>>,
    /// Host pointer and device name of managed variables.
    managed: Vec<(usize, usize)>,
    removed: bool,
}

#[derive(Clone, Copy)]
struct Function {
    binary: usize,
    name: usize,
    kernel: Option<usize>,
}

#[derive(Clone, Copy)]
struct Variable {
    binary: usize,
    name: usize,
    managed: bool,
}

#[derive(Default)]
struct Registry {
    binaries: Vec<Binary>,
    functions: HashMap<usize, Function>,
    variables: HashMap<usize, Variable>,
    hosts: HashMap<usize, usize>,
}

static REGISTRY: LazyLock<RwLock<Registry>> = LazyLock::new(RwLock::default);

fn read() -> std::sync::RwLockReadGuard<'static, Registry> {
    REGISTRY.read().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn write() -> std::sync::RwLockWriteGuard<'static, Registry> {
    REGISTRY.write().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Handles count from 1, so that none is null.
fn index(handle: P) -> Option<usize> {
    (handle as usize).checked_sub(1)
}

/// Notes a fat binary.
///
/// # Safety
/// Rule 3 of the crate.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __cudaRegisterFatBinary(wrapper: P) -> P {
    let mut registry = write();
    registry.binaries.push(Binary { wrapper: wrapper as usize, ..Binary::default() });
    std::ptr::without_provenance_mut(registry.binaries.len())
}

/// The fat binary is complete; nothing is done before it is used.
///
/// # Safety
/// Rule 3 of the crate.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __cudaRegisterFatBinaryEnd(_handle: P) {}

/// Forgets a fat binary, as the program ends or its library is closed.
///
/// # Safety
/// Rule 3 of the crate.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __cudaUnregisterFatBinary(handle: P) {
    let mut registry = write();
    let Some(binary) = index(handle) else { return };
    if let Some(known) = registry.binaries.get_mut(binary) {
        known.removed = true;
    }
    registry.functions.retain(|_, function| function.binary != binary);
    registry.variables.retain(|_, variable| variable.binary != binary);
}

/// Notes a kernel: the host function that stands for it, and its name.
///
/// # Safety
/// Rule 3 of the crate.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __cudaRegisterFunction(
    handle: P,
    host: *const c_char,
    _device: *mut c_char,
    name: *const c_char,
    _thread_limit: c_int,
    _tid: P,
    _bid: P,
    _block: P,
    _grid: P,
    _warp: P,
) {
    if let Some(binary) = index(handle) {
        write().functions.insert(host as usize, Function { binary, name: name as usize, kernel: None });
    }
}

/// Notes a variable.
///
/// # Safety
/// Rule 3 of the crate.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __cudaRegisterVar(
    handle: P,
    host: *mut c_char,
    _device: *mut c_char,
    name: *const c_char,
    _external: c_int,
    _size: usize,
    _constant: c_int,
    _global: c_int,
) {
    if let Some(binary) = index(handle) {
        write().variables.insert(host as usize, Variable { binary, name: name as usize, managed: false });
    }
}

/// Notes a managed variable; the host reads its address through `host` once the fat binary is loaded.
///
/// # Safety
/// Rule 3 of the crate.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __cudaRegisterManagedVar(
    handle: P,
    host: *mut P,
    _device: *mut c_char,
    name: *const c_char,
    _external: c_int,
    _size: usize,
    _constant: c_int,
    _global: c_int,
) {
    let Some(binary) = index(handle) else { return };
    let mut registry = write();
    registry.variables.insert(host as usize, Variable { binary, name: name as usize, managed: true });
    if let Some(known) = registry.binaries.get_mut(binary) {
        known.managed.push((host as usize, name as usize));
    }
}

/// Notes a host variable that device code refers to by name; device code cannot reach it here, as without NVIDIA's
/// heterogeneous memory support.
///
/// # Safety
/// Rule 3 of the crate.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __cudaRegisterHostVar(_handle: P, _name: *const c_char, _host: *mut c_char, _size: usize) {}

/// Unified function tables are for pointers shared with the host; nothing to note.
///
/// # Safety
/// Rule 3 of the crate.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __cudaRegisterUnifiedTable(_handle: P, _table: P) {}

/// Loads a fat binary now, because the host is about to read a managed variable. 0 says that it could not be loaded.
///
/// # Safety
/// Rule 3 of the crate.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __cudaInitModule(handle: P) -> c_char {
    let loaded = crate::call::run(|| {
        context::ensure()?;
        index(handle).map_or(Err(INVALID_VALUE), |binary| library(binary).map(drop))
    });
    c_char::from(loaded == 0)
}

/// The driver's library of a fat binary.
fn library(binary: usize) -> Result<P, i32> {
    if let Some(known) = read().binaries.get(binary).and_then(|known| known.library) {
        return known.map(|library| library as P);
    }
    let mut registry = write();
    let Some(known) = registry.binaries.get_mut(binary).filter(|known| !known.removed) else {
        return Err(INVALID_VALUE);
    };
    // Another thread may have been faster.
    if let Some(library) = known.library {
        return library.map(|library| library as P);
    }
    // SAFETY: rule 3 of the crate.
    let loaded = unsafe { load(known.wrapper as P) };
    known.library = Some(loaded.map(|library| library as usize));
    let managed = known.managed.clone();
    drop(registry);
    let library = loaded?;
    for (host, name) in managed {
        let (mut address, mut size): (P, usize) = (null_mut(), 0);
        // SAFETY: addresses of live variables; the name is the program's (rule 3).
        unsafe {
            driver::cuLibraryGetManaged(from_mut(&mut address).cast(), from_mut(&mut size).cast(), library, name as P)?;
            *(host as *mut P) = address;
        }
    }
    Ok(library)
}

/// Loads what a wrapper points to.
///
/// # Safety
/// `wrapper` is null or a `__fatBinC_Wrapper_t`.
unsafe fn load(wrapper: P) -> Result<P, i32> {
    /// A wrapper that was compiled with `-rdc=true`: its parts are linked when it is loaded.
    const LINKED: i32 = 2;
    if wrapper.is_null() {
        return Err(INVALID_VALUE);
    }
    // SAFETY: the caller's promise.
    let contents = unsafe { &*wrapper.cast::<Wrapper>() };
    if contents.version == LINKED && !contents.parts.is_null() {
        // SAFETY: the caller's promise: the parts end with null.
        return unsafe { link(contents.parts) };
    }
    // SAFETY: as above.
    unsafe { load_data(wrapper) }
}

/// # Safety
/// `data` is an image for the driver.
unsafe fn load_data(data: P) -> Result<P, i32> {
    let mut library: P = null_mut();
    let none = null_mut();
    // SAFETY: the address of a live pointer; no options.
    unsafe { driver::cuLibraryLoadData(from_mut(&mut library).cast(), data, none, none, 0, none, none, 0) }?;
    Ok(library)
}

/// Links fat binaries, then loads the result.
///
/// # Safety
/// `parts` ends with null, and each part is a fat binary.
unsafe fn link(parts: *const P) -> Result<P, i32> {
    /// `CU_JIT_INPUT_FATBINARY`.
    const FATBINARY: i32 = 2;
    let none = null_mut();
    let mut state: P = null_mut();
    // SAFETY: the address of a live pointer; no options.
    unsafe { driver::cuLinkCreate_v2(0, none, none, from_mut(&mut state).cast()) }?;
    let work = || {
        for idx in 0.. {
            // SAFETY: the caller's promise.
            let part = unsafe { *parts.add(idx) };
            if part.is_null() {
                break;
            }
            // SAFETY: the caller's promise; a fat binary's header (4 + 2 + 2 bytes, then 8) states the size of what follows it.
            let size = unsafe { 16 + part.cast::<u8>().add(8).cast::<u64>().read_unaligned() as usize };
            // SAFETY: as above.
            unsafe { driver::cuLinkAddData_v2(state, FATBINARY, part, size, c"part".as_ptr() as P, 0, none, none) }?;
        }
        let (mut image, mut size): (P, usize) = (null_mut(), 0);
        // SAFETY: addresses of live variables; the image lives as long as the link.
        unsafe {
            driver::cuLinkComplete(state, from_mut(&mut image).cast(), from_mut(&mut size).cast())?;
            load_data(image)
        }
    };
    let library = work();
    // SAFETY: the link is not used again.
    unsafe { driver::cuLinkDestroy(state) }?;
    library
}

/// The kernel that a host function stands for; a handle that is a kernel already is given back.
///
/// # Errors
/// It stands for none, or its fat binary cannot be loaded.
pub fn find_kernel(host: P) -> Result<P, i32> {
    let registry = read();
    let Some(function) = registry.functions.get(&(host as usize)).copied() else {
        let known = registry.hosts.contains_key(&(host as usize));
        return if known { Ok(host) } else { Err(INVALID_DEVICE_FUNCTION) };
    };
    drop(registry);
    if let Some(kernel) = function.kernel {
        return Ok(kernel as P);
    }
    let library = library(function.binary)?;
    let mut kernel: P = null_mut();
    // SAFETY: the address of a live pointer; the name is the program's.
    unsafe { driver::cuLibraryGetKernel(from_mut(&mut kernel).cast(), library, function.name as P) }
        .map_err(|_| INVALID_DEVICE_FUNCTION)?;
    let mut registry = write();
    if let Some(known) = registry.functions.get_mut(&(host as usize)) {
        known.kernel = Some(kernel as usize);
    }
    registry.hosts.insert(kernel as usize, host as usize);
    Ok(kernel)
}

/// Notes a kernel that did not come from a host function, so that it can be launched like one.
pub fn adopt(kernel: P) {
    write().hosts.entry(kernel as usize).or_insert(kernel as usize);
}

/// The host function that a kernel came from; the kernel itself when it came from none.
pub fn host_of(kernel: P) -> P {
    read().hosts.get(&(kernel as usize)).map_or(kernel, |&host| host as P)
}

/// The name of a kernel in its module.
pub fn name_of(host: P) -> Option<*const c_char> {
    read().functions.get(&(host as usize)).map(|function| function.name as *const c_char)
}

/// Address and size of the variable that a host address stands for.
///
/// # Errors
/// It stands for none, or its fat binary cannot be loaded.
pub fn variable(host: P) -> Result<(P, usize), i32> {
    context::ensure()?;
    let variable = read().variables.get(&(host as usize)).copied().ok_or(INVALID_SYMBOL)?;
    let library = library(variable.binary)?;
    let (mut address, mut size): (P, usize) = (null_mut(), 0);
    let (address_out, size_out) = (from_mut(&mut address).cast(), from_mut(&mut size).cast());
    // SAFETY: addresses of live variables; the name is the program's.
    unsafe {
        if variable.managed {
            driver::cuLibraryGetManaged(address_out, size_out, library, variable.name as P)
        } else {
            driver::cuLibraryGetGlobal(address_out, size_out, library, variable.name as P)
        }
    }
    .map_err(|_| INVALID_SYMBOL)?;
    Ok((address, size))
}

api! {
    __cudaGetKernel(kernel: P, host: P) {
        if kernel.is_null() {
            return Err(INVALID_VALUE);
        }
        let found = context::ensure().and_then(|()| find_kernel(host)).map_err(crate::launch::no_kernel)?;
        *kernel.cast::<P>() = found;
        Ok(())
    }

    cudaGetKernel(kernel: P, host: P) {
        if kernel.is_null() {
            return Err(INVALID_VALUE);
        }
        context::ensure()?;
        let found = find_kernel(host)?;
        *kernel.cast::<P>() = found;
        Ok(())
    }

    cudaGetFuncBySymbol(function: P, host: P) {
        if function.is_null() {
            return Err(INVALID_VALUE);
        }
        context::ensure()?;
        driver::cuKernelGetFunction(function, find_kernel(host)?)
    }
}
