//! Arrays of others without copies: the buffer protocol and DLPack.
//!
//! Source: DLPack 1.0 (`dlpack.h`). A capsule named `dltensor` or `dltensor_versioned` owns its structure until a consumer renames
//! it; who takes it calls the structure's deleter once. Only memory of the host (`kDLCPU`) is exchanged, which is all there is.

use super::dtype::DType;
use super::storage::{Storage, View, count};
use crate::error::Fail;
use pyo3::exceptions::{PyBufferError, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
use std::ffi::{CStr, c_void};

#[repr(C)]
#[derive(Clone, Copy)]
struct DlTensor {
    data: *mut c_void,
    device_type: i32,
    device_id: i32,
    ndim: i32,
    code: u8,
    bits: u8,
    lanes: u16,
    shape: *mut i64,
    strides: *mut i64,
    byte_offset: u64,
}

#[repr(C)]
struct Managed {
    tensor: DlTensor,
    context: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut Managed)>,
}

#[repr(C)]
struct ManagedVersioned {
    version: [u32; 2],
    context: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut ManagedVersioned)>,
    flags: u64,
    tensor: DlTensor,
}

const CPU: i32 = 1;
const READ_ONLY: u64 = 1;
const PLAIN: &CStr = c"dltensor";
const PLAIN_USED: &CStr = c"used_dltensor";
const VERSIONED: &CStr = c"dltensor_versioned";
const VERSIONED_USED: &CStr = c"used_dltensor_versioned";

/// What an exported structure keeps alive; the structure is its first field.
#[repr(C)]
struct Export<M> {
    managed: M,
    view: View,
    shape: Vec<i64>,
    strides: Vec<i64>,
}

unsafe extern "C" fn delete<M>(managed: *mut M) {
    // SAFETY: `managed` is the first field of an `Export` that `capsule` gave away; its new owner calls this once.
    drop(unsafe { Box::from_raw(managed.cast::<Export<M>>()) });
}

/// Ends a capsule that nobody took.
unsafe extern "C" fn forget_plain(capsule: *mut ffi::PyObject) {
    // SAFETY: the interpreter passes a capsule of ours; the name says whether it still owns its structure.
    unsafe {
        if ffi::PyCapsule_IsValid(capsule, PLAIN.as_ptr()) == 1 {
            delete::<Managed>(ffi::PyCapsule_GetPointer(capsule, PLAIN.as_ptr()).cast());
        }
    }
}

unsafe extern "C" fn forget_versioned(capsule: *mut ffi::PyObject) {
    // SAFETY: as above.
    unsafe {
        if ffi::PyCapsule_IsValid(capsule, VERSIONED.as_ptr()) == 1 {
            delete::<ManagedVersioned>(ffi::PyCapsule_GetPointer(capsule, VERSIONED.as_ptr()).cast());
        }
    }
}

const fn code_of(dtype: DType) -> u8 {
    match dtype {
        DType::I8 | DType::I16 | DType::I32 | DType::I64 => 0,
        DType::U8 | DType::U16 | DType::U32 | DType::U64 => 1,
        DType::F32 | DType::F64 => 2,
        DType::C64 | DType::C128 => 5,
        DType::Bool => 6,
    }
}

/// A DLPack capsule of a view.
pub fn capsule(py: Python<'_>, view: View, versioned: bool, copied: bool) -> PyResult<Py<PyAny>> {
    const IS_COPIED: u64 = 2;
    let size = view.dtype.size() as isize;
    if view.strides.iter().any(|stride| stride % size != 0) {
        return Err(PyBufferError::new_err("strides are no whole elements: copy the array first"));
    }
    if !view.storage.writable() && !versioned {
        return Err(PyBufferError::new_err("a read-only array needs DLPack 1.0: ask with max_version=(1, 0)"));
    }
    let mut shape: Vec<i64> = view.shape.iter().map(|extent| *extent as i64).collect();
    let mut strides: Vec<i64> = view.strides.iter().map(|stride| (stride / size) as i64).collect();
    let tensor = DlTensor {
        data: view.pointer(),
        device_type: CPU,
        device_id: 0,
        ndim: shape.len() as i32,
        code: code_of(view.dtype),
        bits: (size * 8) as u8,
        lanes: 1,
        shape: shape.as_mut_ptr(),
        strides: strides.as_mut_ptr(),
        byte_offset: 0,
    };
    let read_only = if view.storage.writable() { 0 } else { READ_ONLY };
    // SAFETY: the interpreter's lock is held; the structure is on the heap and is freed by whoever the name says owns it.
    unsafe {
        let object = if versioned {
            let flags = read_only | if copied { IS_COPIED } else { 0 };
            let managed = ManagedVersioned {
                version: [1, 0],
                context: std::ptr::null_mut(),
                deleter: Some(delete::<ManagedVersioned>),
                flags,
                tensor,
            };
            let export = Box::into_raw(Box::new(Export { managed, view, shape, strides }));
            ffi::PyCapsule_New(export.cast(), VERSIONED.as_ptr(), Some(forget_versioned))
        } else {
            let managed = Managed { tensor, context: std::ptr::null_mut(), deleter: Some(delete::<Managed>) };
            let export = Box::into_raw(Box::new(Export { managed, view, shape, strides }));
            ffi::PyCapsule_New(export.cast(), PLAIN.as_ptr(), Some(forget_plain))
        };
        Ok(Bound::from_owned_ptr_or_err(py, object)?.unbind())
    }
}

/// A structure that was taken; its deleter runs at the end.
enum Taken {
    Plain(*mut Managed),
    Versioned(*mut ManagedVersioned),
}

// SAFETY: DLPack requires that the deleter may be called on any thread; ours takes the interpreter's lock first, which
// producers of Python may count on.
unsafe impl Send for Taken {}
// SAFETY: nothing is reached through a shared reference.
unsafe impl Sync for Taken {}

impl Drop for Taken {
    fn drop(&mut self) {
        // At the interpreter's end there is no lock to be had, and the memory goes with the process.
        _ = Python::try_attach(|_| {
            // SAFETY: the structure is ours since its capsule was renamed; this is the only call of its deleter.
            unsafe {
                match *self {
                    Self::Plain(managed) => {
                        if let Some(deleter) = (*managed).deleter {
                            deleter(managed);
                        }
                    }
                    Self::Versioned(managed) => {
                        if let Some(deleter) = (*managed).deleter {
                            deleter(managed);
                        }
                    }
                }
            }
        });
    }
}

/// The array in a DLPack capsule, which is used up.
pub fn from_capsule(capsule: &Bound<'_, PyAny>) -> PyResult<View> {
    let object = capsule.as_ptr();
    // SAFETY: the interpreter's lock is held; a valid capsule of these names holds a structure that lives until its deleter
    // is called, and renaming it makes it ours.
    let (taken, tensor, writable) = unsafe {
        if ffi::PyCapsule_IsValid(object, VERSIONED.as_ptr()) == 1 {
            let managed: *mut ManagedVersioned = ffi::PyCapsule_GetPointer(object, VERSIONED.as_ptr()).cast();
            if (*managed).version[0] != 1 {
                let [major, minor] = (*managed).version;
                return Err(PyBufferError::new_err(format!("DLPack {major}.{minor}: expected 1.x")));
            }
            if ffi::PyCapsule_SetName(object, VERSIONED_USED.as_ptr()) != 0 {
                return Err(PyErr::fetch(capsule.py()));
            }
            (Taken::Versioned(managed), (*managed).tensor, (*managed).flags & READ_ONLY == 0)
        } else if ffi::PyCapsule_IsValid(object, PLAIN.as_ptr()) == 1 {
            let managed: *mut Managed = ffi::PyCapsule_GetPointer(object, PLAIN.as_ptr()).cast();
            if ffi::PyCapsule_SetName(object, PLAIN_USED.as_ptr()) != 0 {
                return Err(PyErr::fetch(capsule.py()));
            }
            (Taken::Plain(managed), (*managed).tensor, true)
        } else {
            return Err(PyTypeError::new_err("expected a DLPack capsule that nobody has used"));
        }
    };
    if tensor.device_type != CPU {
        let kind = tensor.device_type;
        return Err(PyBufferError::new_err(format!("memory of DLPack device type {kind}: expected the host's (1)")));
    }
    let dtype = (0..13).filter_map(DType::from_number).find(|dtype| {
        code_of(*dtype) == tensor.code && dtype.size() * 8 == usize::from(tensor.bits) && tensor.lanes == 1
    });
    let Some(dtype) = dtype else {
        let DlTensor { code, bits, lanes, .. } = tensor;
        return Err(PyBufferError::new_err(format!(
            "DLPack type {code} of {bits} bits times {lanes} is not supported"
        )));
    };
    let n = usize::try_from(tensor.ndim).map_err(|_| PyBufferError::new_err("a negative number of dimensions"))?;
    let list = |from: *mut i64| -> Vec<i64> {
        if n == 0 || from.is_null() {
            return Vec::new();
        }
        // SAFETY: the structure has `ndim` numbers there.
        unsafe { std::slice::from_raw_parts(from, n) }.to_vec()
    };
    let shape: Option<Vec<usize>> = list(tensor.shape).into_iter().map(|extent| usize::try_from(extent).ok()).collect();
    let shape = shape.ok_or_else(|| PyBufferError::new_err("a negative extent"))?;
    let size = dtype.size() as isize;
    let strides = if tensor.strides.is_null() {
        super::storage::contiguous_strides(&shape, dtype.size())
    } else {
        list(tensor.strides).into_iter().map(|stride| stride as isize * size).collect()
    };
    let address = (tensor.data as usize).wrapping_add(tensor.byte_offset as usize);
    Ok(foreign(address, dtype, shape, strides, writable, Box::new(taken))?)
}

/// A view of somebody else's memory that starts at its lowest element.
fn foreign(
    address: usize,
    dtype: DType,
    shape: Vec<usize>,
    strides: Vec<isize>,
    writable: bool,
    owner: Box<dyn std::any::Any + Send + Sync>,
) -> Result<View, Fail> {
    let (mut below, mut above) = (0_usize, dtype.size());
    if count(&shape)? > 0 {
        for (extent, stride) in shape.iter().zip(&strides) {
            let reach = (extent - 1).checked_mul(stride.unsigned_abs());
            let side = if *stride < 0 { &mut below } else { &mut above };
            *side = reach
                .and_then(|reach| side.checked_add(reach))
                .filter(|side| *side <= isize::MAX as usize)
                .ok_or_else(|| Fail::Value(format!("shape {shape:?}: more bytes than can be addressed")))?;
        }
    }
    let storage = Storage::foreign(address.wrapping_sub(below), below + above, writable, owner);
    View::of(storage, dtype, shape, strides, below)
}

/// A buffer that an object exported; it is given back at the end.
pub struct Held(Box<ffi::Py_buffer>);

// SAFETY: the structure is only read, and given back under the interpreter's lock.
unsafe impl Send for Held {}
// SAFETY: as above.
unsafe impl Sync for Held {}

impl Held {
    /// An object's buffer with format, extents and strides.
    pub fn of(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let mut buffer = Box::new(ffi::Py_buffer::new());
        // SAFETY: the interpreter's lock is held; the structure stays where it is until it is given back.
        if unsafe { ffi::PyObject_GetBuffer(object.as_ptr(), &raw mut *buffer, ffi::PyBUF_FULL_RO) } != 0 {
            return Err(PyErr::fetch(object.py()));
        }
        Ok(Self(buffer))
    }

    pub fn address(&self) -> usize {
        self.0.buf as usize
    }

    pub fn bytes(&self) -> usize {
        self.0.len as usize
    }

    pub fn writable(&self) -> bool {
        self.0.readonly == 0
    }

    /// `ndim` numbers; none where the exporter gave none.
    fn list(&self, from: *const ffi::Py_ssize_t) -> Option<Vec<isize>> {
        let n = self.0.ndim as usize;
        // SAFETY: the protocol: `ndim` numbers, or null.
        (!from.is_null() && n > 0).then(|| unsafe { std::slice::from_raw_parts(from, n) }.to_vec())
    }

    pub fn shape(&self) -> Vec<usize> {
        self.list(self.0.shape).unwrap_or_default().into_iter().map(|extent| extent as usize).collect()
    }

    pub fn strides(&self) -> Vec<isize> {
        let strides = self.list(self.0.strides);
        strides.unwrap_or_else(|| super::storage::contiguous_strides(&self.shape(), self.0.itemsize as usize))
    }

    pub fn is_contiguous(&self) -> bool {
        let (shape, strides) = (self.shape(), self.strides());
        let plain = super::storage::contiguous_strides(&shape, self.0.itemsize as usize);
        shape.contains(&0) || shape.iter().zip(strides.iter().zip(&plain)).all(|(n, (a, b))| *n == 1 || a == b)
    }

    fn format(&self) -> String {
        if self.0.format.is_null() {
            return "B".to_owned();
        }
        // SAFETY: the protocol: a zero-terminated text that lives as long as the buffer.
        unsafe { CStr::from_ptr(self.0.format) }.to_string_lossy().into_owned()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // At the interpreter's end there is no lock to be had, and the memory goes with the process.
        // SAFETY: the buffer was exported once and is given back once.
        _ = Python::try_attach(|_| unsafe { ffi::PyBuffer_Release(&raw mut *self.0) });
    }
}

/// The array in an object's buffer, which the view keeps.
pub fn from_buffer(object: &Bound<'_, PyAny>) -> PyResult<View> {
    let buffer = Held::of(object)?;
    let format = buffer.format();
    let Some(dtype) = DType::from_format(&format).filter(|dtype| dtype.size() as isize == buffer.0.itemsize) else {
        return Err(PyTypeError::new_err(format!("a buffer of format \"{format}\" has no array type")));
    };
    if !buffer.0.suboffsets.is_null() {
        return Err(PyBufferError::new_err("a buffer of pointers"));
    }
    let (address, writable) = (buffer.address(), buffer.writable());
    let (shape, strides) = (buffer.shape(), buffer.strides());
    Ok(foreign(address, dtype, shape, strides, writable, Box::new(buffer))?)
}
