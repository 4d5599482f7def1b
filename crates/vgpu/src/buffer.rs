//! Typed device memory.

use bytemuck::Pod;
use std::marker::PhantomData;
use vgpu_runtime::{Context, DevicePtr, Error, Stream};

/// `n` values of `T` in device memory. Dropping it frees the memory when the operations in flight are done.
#[derive(Debug)]
pub struct Buffer<T> {
    context: Context,
    address: DevicePtr,
    len: usize,
    element: PhantomData<T>,
}

impl<T: Pod> Buffer<T> {
    /// A buffer whose contents are undefined.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; the context's sticky error.
    pub fn uninitialized(context: &Context, len: usize) -> Result<Self, Error> {
        let bytes = (len as u64).checked_mul(size_of::<T>() as u64);
        let address = context.alloc(bytes.unwrap_or(u64::MAX))?;
        Ok(Self { context: context.clone(), address, len, element: PhantomData })
    }

    /// A buffer of zero bytes.
    ///
    /// # Errors
    /// As [`Self::uninitialized`].
    pub fn zeroed(context: &Context, len: usize) -> Result<Self, Error> {
        let buffer = Self::uninitialized(context, len)?;
        context.fill(buffer.address, buffer.bytes(), &[0])?;
        Ok(buffer)
    }

    /// A buffer with a copy of `data`.
    ///
    /// # Errors
    /// As [`Self::uninitialized`].
    pub fn from_slice(context: &Context, data: &[T]) -> Result<Self, Error> {
        let buffer = Self::uninitialized(context, data.len())?;
        context.copy_to_device(buffer.address, bytemuck::cast_slice(data))?;
        Ok(buffer)
    }

    /// Number of values.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// True when it holds nothing.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Size in bytes.
    pub const fn bytes(&self) -> u64 {
        self.len as u64 * size_of::<T>() as u64
    }

    /// Address of the first value, the same on host and device.
    pub const fn address(&self) -> DevicePtr {
        self.address
    }

    /// The context it belongs to.
    pub const fn context(&self) -> &Context {
        &self.context
    }

    /// Waits for the context, then copies `data` to the start of the buffer.
    ///
    /// # Errors
    /// [`Error::InvalidAddress`] when `data` is longer; the context's sticky error.
    pub fn write(&mut self, data: &[T]) -> Result<(), Error> {
        self.context.copy_to_device(self.address, bytemuck::cast_slice(data))
    }

    /// Waits for the context, then copies the start of the buffer to `data`.
    ///
    /// # Errors
    /// [`Error::InvalidAddress`] when `data` is longer; the context's sticky error.
    pub fn read(&self, data: &mut [T]) -> Result<(), Error> {
        self.context.copy_to_host(bytemuck::cast_slice_mut(data), self.address)
    }

    /// Waits for the context and returns a copy of the contents.
    ///
    /// # Errors
    /// The context's sticky error.
    pub fn to_vec(&self) -> Result<Vec<T>, Error> {
        let mut data = vec![T::zeroed(); self.len];
        self.read(&mut data)?;
        Ok(data)
    }

    /// Sets every value, in order with the stream's other operations.
    ///
    /// # Errors
    /// The context's sticky error.
    pub fn fill(&mut self, stream: &Stream, value: T) -> Result<(), Error> {
        stream.fill(self.address, self.bytes(), bytemuck::bytes_of(&value))
    }
}

impl<T> Drop for Buffer<T> {
    fn drop(&mut self) {
        // The address is this buffer's own; the only failure would be that somebody freed it behind our back.
        let _ = self.context.free(self.address);
    }
}
