//! Pointers of C callers as types with checked uses. The rules are in the module's header.

use crate::status::{Result, Status};
use std::ffi::{CStr, c_char, c_int, c_void};
use vgpu_runtime::{HostPtr, Place};

/// An argument in the text of a trace: numbers that are handles or addresses are wide and stand there in hexadecimal.
#[derive(Clone, Copy)]
pub(crate) struct Shown<T>(pub(crate) T);

impl<T: std::fmt::Debug + std::any::Any> std::fmt::Debug for Shown<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.0 as &dyn std::any::Any).downcast_ref::<u64>() {
            Some(number) => write!(f, "{number:#x}"),
            None => self.0.fmt(f),
        }
    }
}

/// A place the caller wants a value written to.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Out<T>(*mut T);

impl<T> std::fmt::Debug for Out<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl<T> std::fmt::Debug for In<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: Copy> Out<T> {
    /// No place.
    pub(crate) const fn nowhere() -> Self {
        Self(std::ptr::null_mut())
    }

    /// A place whose address came as a number inside a structure.
    pub(crate) const fn at_address(address: u64) -> Self {
        Self(address as *mut T)
    }

    pub(crate) fn is_null(self) -> bool {
        self.0.is_null()
    }

    pub(crate) fn address(self) -> u64 {
        self.0 as u64
    }

    /// Null is `CUDA_ERROR_INVALID_VALUE`.
    pub(crate) fn check(self) -> Result<()> {
        if self.is_null() { Err(Status::INVALID_VALUE) } else { Ok(()) }
    }

    pub(crate) fn set(self, value: T) -> Result<()> {
        self.set_at(0, value)
    }

    /// Writes unless the caller passed null for "not wanted".
    pub(crate) fn set_if_wanted(self, value: T) {
        // Null is the only error, and here it is none.
        let _ = self.set(value);
    }

    /// Writes the element with that index.
    pub(crate) fn set_at(self, idx: usize, value: T) -> Result<()> {
        self.check()?;
        // SAFETY: rule 1; unaligned, because nobody promised alignment.
        unsafe { self.0.add(idx).write_unaligned(value) };
        Ok(())
    }

    /// What stands there, for parameters that go both ways.
    pub(crate) fn get(self) -> Result<T> {
        self.get_at(0)
    }

    pub(crate) fn get_at(self, idx: usize) -> Result<T> {
        self.check()?;
        // SAFETY: rule 1.
        Ok(unsafe { self.0.add(idx).read_unaligned() })
    }

    /// The same place as one for another type.
    pub(crate) const fn cast<U>(self) -> Out<U> {
        Out(self.0.cast())
    }
}

impl Out<u8> {
    /// Writes text with its zero byte, cut off to `room` bytes.
    pub(crate) fn set_text(self, text: &str, room: usize) -> Result<()> {
        if room == 0 {
            return Err(Status::INVALID_VALUE);
        }
        let n = text.len().min(room - 1);
        self.set_bytes(&text.as_bytes()[..n])?;
        self.set_at(n, 0)
    }

    pub(crate) fn set_bytes(self, bytes: &[u8]) -> Result<()> {
        self.check()?;
        // SAFETY: rule 1; the caller said that there is room.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.0, bytes.len()) };
        Ok(())
    }
}

/// A place the caller wants read.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct In<T>(*const T);

impl<T: Copy> In<T> {
    pub(crate) fn is_null(self) -> bool {
        self.0.is_null()
    }

    pub(crate) fn address(self) -> u64 {
        self.0 as u64
    }

    /// A place whose address came as a number inside a structure.
    pub(crate) const fn at_address(address: u64) -> Self {
        Self(address as *const T)
    }

    pub(crate) fn get(self) -> Result<T> {
        self.get_at(0)
    }

    pub(crate) fn get_at(self, idx: usize) -> Result<T> {
        if self.is_null() {
            return Err(Status::INVALID_VALUE);
        }
        // SAFETY: rule 1; unaligned, because nobody promised alignment.
        Ok(unsafe { self.0.add(idx).read_unaligned() })
    }

    /// The same place as one of another type.
    pub(crate) const fn cast<U>(self) -> In<U> {
        In(self.0.cast())
    }

    /// `n` elements; null is an error unless `n` is 0.
    pub(crate) fn list(self, n: usize) -> Result<Vec<T>> {
        (0..n).map(|idx| self.get_at(idx)).collect()
    }

    /// The bytes, `n` of them.
    pub(crate) fn bytes(self, n: usize) -> Result<Vec<u8>> {
        if n == 0 {
            return Ok(Vec::new());
        }
        if self.is_null() {
            return Err(Status::INVALID_VALUE);
        }
        // SAFETY: rule 1.
        Ok(unsafe { std::slice::from_raw_parts(self.0.cast::<u8>(), n) }.to_vec())
    }

    /// A zero-terminated text.
    pub(crate) fn text(self) -> Result<String> {
        if self.is_null() {
            return Err(Status::INVALID_VALUE);
        }
        // SAFETY: rule 1: parameters read this way are C strings.
        let text = unsafe { CStr::from_ptr(self.0.cast::<c_char>()) };
        Ok(text.to_string_lossy().into_owned())
    }
}

/// Host memory that an operation will use; the caller keeps it valid as CUDA demands.
pub(crate) fn host_place(address: u64) -> Place {
    // SAFETY: rule 3.
    Place::Host(unsafe { HostPtr::new(address) })
}

/// The parameter buffer of a launch from CUDA's array of pointers to arguments; `params` are offset and size of each.
pub(crate) fn read_packed_params(
    args: In<*const u8>,
    params: impl Iterator<Item = (usize, usize)>,
    buffer: &mut [u8],
) -> Result<()> {
    for (idx, (offset, size)) in params.enumerate() {
        let arg = args.get_at(idx)?;
        if arg.is_null() {
            return Err(Status::INVALID_VALUE);
        }
        let part = buffer.get_mut(offset..offset + size).ok_or(Status::INVALID_VALUE)?;
        // SAFETY: rule 1: each element points to an argument of its parameter's size.
        unsafe { std::ptr::copy_nonoverlapping(arg, part.as_mut_ptr(), size) };
    }
    Ok(())
}

macro_rules! callback {
    ($(#[$doc:meta])* $name:ident($($arg:ident: $type:ty),*) -> $result:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        #[repr(transparent)]
        pub(crate) struct $name(Option<unsafe extern "C" fn($($type),*) -> $result>);

        impl $name {
            #[allow(dead_code, reason = "not every kind of callback may be null")]
            pub(crate) const fn is_null(self) -> bool {
                self.0.is_none()
            }

            /// The function's address.
            #[allow(dead_code, reason = "only graph nodes are asked for it")]
            pub(crate) fn address(self) -> u64 {
                self.0.map_or(0, |function| function as usize as u64)
            }

            /// Calls it; a null one gives a zero.
            pub(crate) fn call(self, $($arg: $type),*) -> $result {
                match self.0 {
                    // SAFETY: rule 1: the caller passed a function of this type, to be called with its own data.
                    Some(function) => unsafe { function($($arg),*) },
                    None => Default::default(),
                }
            }
        }
    };
}

callback!(
    /// `CUhostFn`.
    HostCallback(data: *mut c_void) -> ()
);
callback!(
    /// `CUstreamCallback`.
    StreamCallback(stream: u64, status: c_int, data: *mut c_void) -> ()
);
callback!(
    /// `CUoccupancyB2DSize`.
    OccupancyCallback(block_threads: c_int) -> usize
);
impl HostCallback {
    /// From a function address inside a structure.
    pub(crate) fn at_address(address: u64) -> Self {
        if address == 0 {
            return Self(None);
        }
        // SAFETY: rule 1: the field of the structure is a function of this type.
        Self(Some(unsafe { std::mem::transmute::<usize, unsafe extern "C" fn(*mut c_void)>(address as usize) }))
    }
}
