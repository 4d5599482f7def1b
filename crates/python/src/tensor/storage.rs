//! Memory of arrays and strided views of it.
//!
//! Model. A [`Storage`] is a range of bytes with an owner: the engine's managed memory, or an object of Python's that exported a
//! buffer or a DLPack capsule. A [`View`] is a storage with type, extents and strides in bytes; every element of a view lies inside
//! its storage, which is checked when a view is made. A storage is *shared* once anybody outside can write it without this
//! module's knowledge; then nothing is put off that reads it ([`super::lazy`]).
//!
//! Rules of access (for all of `tensor`):
//! 1. Reads and writes go through raw pointers to elements of views; no Rust reference to a storage's bytes is kept across calls.
//! 2. A new storage is written by the routine that made it alone; other writes are what Python asked for. Two Python threads
//!    that write the same array at once get some mixture of both, as with NumPy.
//! 3. Before the host touches elements, [`crate::wait::settle`] has waited for kernels that may use them.

use super::dtype::DType;
use super::lazy::Node;
use crate::engine::entered;
use crate::error::{Fail, check};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Who keeps the bytes.
pub enum Owner {
    /// The engine.
    Engine,
    /// Dropping it gives the bytes back; the object is never looked at.
    Foreign(#[expect(dead_code, reason = "held for its drop")] Box<dyn std::any::Any + Send + Sync>),
}

/// A range of bytes.
pub struct Storage {
    address: usize,
    bytes: usize,
    owner: Owner,
    writable: bool,
    shared: AtomicBool,
    /// Expressions that are to read it.
    readers: Mutex<Vec<Weak<Node>>>,
}

impl Storage {
    /// New memory of the engine; its content is undefined.
    pub fn new(bytes: usize) -> Result<Arc<Self>, Fail> {
        const ATTACH_GLOBAL: u32 = 1;
        let mut address = 0;
        // SAFETY: rule 1 of `engine`; the place is ours.
        let code = unsafe { (entered()?.alloc_managed)(&raw mut address, bytes.max(1), ATTACH_GLOBAL) };
        check("cuMemAllocManaged", code).map_err(|_| Fail::Memory(bytes as u128))?;
        Ok(Arc::new(Self {
            address: address as usize,
            bytes,
            owner: Owner::Engine,
            writable: true,
            shared: AtomicBool::new(false),
            readers: Mutex::default(),
        }))
    }

    /// Memory of somebody else, who keeps it as long as `owner` lives.
    pub fn foreign(
        address: usize,
        bytes: usize,
        writable: bool,
        owner: Box<dyn std::any::Any + Send + Sync>,
    ) -> Arc<Self> {
        Arc::new(Self {
            address,
            bytes,
            owner: Owner::Foreign(owner),
            writable,
            shared: AtomicBool::new(true),
            readers: Mutex::default(),
        })
    }

    pub fn writable(&self) -> bool {
        self.writable
    }

    pub fn is_shared(&self) -> bool {
        self.shared.load(Ordering::Acquire)
    }

    /// Notes that others can write it from now on; expressions that read it are the caller's to evaluate first.
    pub fn share(&self) {
        self.shared.store(true, Ordering::Release);
    }

    /// Notes an expression that will read it.
    pub fn add_reader(&self, node: &Arc<Node>) {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() == readers.capacity() {
            readers.retain(|reader| reader.upgrade().is_some_and(|node| !node.is_ready()));
        }
        readers.push(Arc::downgrade(node));
    }

    /// Takes the expressions that are to read it.
    pub fn take_readers(&self) -> Vec<Arc<Node>> {
        let readers = std::mem::take(&mut *self.readers.lock().unwrap_or_else(PoisonError::into_inner));
        readers.iter().filter_map(Weak::upgrade).filter(|node| !node.is_ready()).collect()
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        if matches!(self.owner, Owner::Engine)
            && let Ok(engine) = entered()
        {
            // A context that a kernel broke refuses: the memory goes with the process.
            // SAFETY: rules 1 and 2 of `engine`; this storage had the only right to the address.
            _ = unsafe { (engine.free)(self.address as u64) };
        }
    }
}

/// A strided view.
#[derive(Clone)]
pub struct View {
    pub storage: Arc<Storage>,
    pub dtype: DType,
    pub shape: Vec<usize>,
    /// In bytes.
    pub strides: Vec<isize>,
    /// In bytes from the storage's start.
    pub offset: usize,
}

/// Elements of an array of these extents.
pub fn count(shape: &[usize]) -> Result<usize, Fail> {
    // An extent of 0 makes any others harmless.
    if shape.contains(&0) {
        return Ok(0);
    }
    let total = shape.iter().try_fold(1_usize, |total, extent| total.checked_mul(*extent));
    total
        .filter(|total| isize::try_from(*total).is_ok())
        .ok_or_else(|| Fail::Value(format!("shape {shape:?}: more elements than can be addressed")))
}

/// Strides of a contiguous array.
pub fn contiguous_strides(shape: &[usize], size: usize) -> Vec<isize> {
    let mut strides = vec![0; shape.len()];
    let mut step = size as isize;
    for (stride, extent) in strides.iter_mut().zip(shape).rev() {
        *stride = step;
        step = step.wrapping_mul((*extent).max(1) as isize);
    }
    strides
}

impl View {
    /// A new contiguous array; its content is undefined.
    pub fn new(dtype: DType, shape: &[usize]) -> Result<Self, Fail> {
        let bytes =
            count(shape)?.checked_mul(dtype.size()).filter(|bytes| isize::try_from(*bytes).is_ok()).ok_or_else(
                || Fail::Value(format!("shape {shape:?} of {}: more bytes than can be addressed", dtype.name())),
            )?;
        Ok(Self {
            storage: Storage::new(bytes)?,
            dtype,
            shape: shape.to_vec(),
            strides: contiguous_strides(shape, dtype.size()),
            offset: 0,
        })
    }

    /// A view of a storage, checked against its range.
    pub fn of(
        storage: Arc<Storage>,
        dtype: DType,
        shape: Vec<usize>,
        strides: Vec<isize>,
        offset: usize,
    ) -> Result<Self, Fail> {
        if shape.len() != strides.len() {
            return Err(Fail::Value(format!("{} strides for {} dimensions", strides.len(), shape.len())));
        }
        if count(&shape)? > 0 {
            let (mut low, mut high) = (offset as i128, offset as i128 + dtype.size() as i128);
            for (extent, stride) in shape.iter().zip(&strides) {
                let reach = (*extent as i128 - 1) * *stride as i128;
                low += reach.min(0);
                high += reach.max(0);
            }
            if low < 0 || high > storage.bytes as i128 {
                let bytes = storage.bytes;
                return Err(Fail::Value(format!("view reaches bytes {low} to {high} of an array of {bytes}")));
            }
        }
        Ok(Self { storage, dtype, shape, strides, offset })
    }

    pub fn len(&self) -> usize {
        // Checked when the view was made.
        if self.shape.contains(&0) { 0 } else { self.shape.iter().product() }
    }

    /// Address of the first element.
    pub fn address(&self) -> usize {
        if self.len() == 0 { self.storage.address } else { self.storage.address + self.offset }
    }

    pub fn pointer<T>(&self) -> *mut T {
        self.address() as *mut T
    }

    /// Elements side by side in order, at an address that suits their type.
    pub fn is_plain(&self) -> bool {
        self.is_contiguous() && self.address().is_multiple_of(self.dtype.align())
    }

    pub fn is_contiguous(&self) -> bool {
        let mut step = self.dtype.size() as isize;
        for (extent, stride) in self.shape.iter().zip(&self.strides).rev() {
            if *extent != 1 {
                if *stride != step && self.len() != 0 {
                    return false;
                }
                step = step.wrapping_mul(*extent as isize);
            }
        }
        true
    }

    /// The same elements repeated along new or single extents.
    pub fn broadcast(&self, shape: &[usize]) -> Result<Self, Fail> {
        let wrong = || Fail::Value(format!("shape {:?} cannot be broadcast to {shape:?}", self.shape));
        let new = shape.len().checked_sub(self.shape.len()).ok_or_else(wrong)?;
        let mut strides = vec![0; new];
        for ((extent, stride), to) in self.shape.iter().zip(&self.strides).zip(&shape[new..]) {
            if extent != to && *extent != 1 {
                return Err(wrong());
            }
            strides.push(if extent == to { *stride } else { 0 });
        }
        count(shape)?;
        Ok(Self { shape: shape.to_vec(), strides, ..self.clone() })
    }

    /// The elements as a slice.
    ///
    /// # Safety
    /// The view is plain, `T` is its type, and nobody writes the elements while the slice lives.
    pub unsafe fn slice<T>(&self) -> &[T] {
        // SAFETY: the caller's promise; a view lies inside its storage.
        unsafe { std::slice::from_raw_parts(self.pointer(), self.len()) }
    }

    /// The elements as a slice to write.
    ///
    /// # Safety
    /// As [`View::slice`], and nobody reads them either.
    #[expect(clippy::mut_from_ref, reason = "a view is a handle; who may write is rule 2")]
    pub unsafe fn slice_mut<T>(&self) -> &mut [T] {
        // SAFETY: the caller's promise; a view lies inside its storage.
        unsafe { std::slice::from_raw_parts_mut(self.pointer(), self.len()) }
    }
}

/// The extents that arrays of these extents have together.
pub fn broadcast_shapes(shapes: &[&[usize]]) -> Result<Vec<usize>, Fail> {
    let n = shapes.iter().map(|shape| shape.len()).max().unwrap_or(0);
    let mut out = vec![1; n];
    for shape in shapes {
        for (to, extent) in out[n - shape.len()..].iter_mut().zip(*shape) {
            if *to == 1 {
                *to = *extent;
            } else if *extent != 1 && extent != to {
                let list: Vec<_> = shapes.iter().map(|shape| format!("{shape:?}")).collect();
                return Err(Fail::Value(format!("shapes {} cannot be broadcast together", list.join(", "))));
            }
        }
    }
    count(&out)?;
    Ok(out)
}
