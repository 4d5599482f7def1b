//! Contexts: the memory, streams and error state of one user of a device.
//!
//! Model. A context is *healthy* or *failed*. A kernel that faults makes it failed: every later call returns that error, pending
//! launches are skipped, until [`Context::reset`]. Memory freed while operations are in flight goes back when the last of them is
//! done. Dropping the last handle of a context gives back all memory it still has.

use crate::device::{Device, DeviceShared};
use crate::error::Error;
use crate::exec::copy;
use crate::heap::DeviceHeap;
use crate::memory::{DevicePtr, MemoryInfo, Pinned};
use crate::module::ModuleShared;
use crate::stream::{Stream, StreamClass, StreamShared};
use std::collections::HashSet;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Device `malloc` heap until [`Context::set_heap_bytes`]: CUDA's default.
const HEAP_BYTES: u64 = 8 << 20;

/// Printed bytes that are held back until the next synchronisation.
const PRINT_BUFFER_BYTES: usize = 1 << 20;

/// Receives what kernels print.
pub type PrintSink = Box<dyn FnMut(&[u8]) + Send>;

struct Printer {
    buffer: Vec<u8>,
    sink: PrintSink,
}

/// The part of a context that its streams and launches keep alive.
pub(crate) struct ContextShared {
    device: Arc<DeviceShared>,
    failed: AtomicBool,
    error: Mutex<Option<Error>>,
    default_stream: Mutex<Weak<StreamShared>>,
    legacy_stream: Mutex<Weak<StreamShared>>,
    /// A blocking stream was made.
    has_blocking: AtomicBool,
    streams: Mutex<Vec<Weak<StreamShared>>>,
    /// Allocations that belong to this context.
    owned: Mutex<HashSet<DevicePtr>>,
    modules: Mutex<Vec<Weak<ModuleShared>>>,
    in_flight: AtomicUsize,
    /// Addresses to free when nothing is in flight.
    deferred: Mutex<Vec<DevicePtr>>,
    has_deferred: AtomicBool,
    printer: Mutex<Printer>,
    has_printed: AtomicBool,
    heap: Mutex<Option<DeviceHeap>>,
    heap_bytes: Mutex<u64>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ContextShared {
    fn new(device: Arc<DeviceShared>) -> Arc<Self> {
        let stdout: PrintSink = Box::new(|text| {
            let mut out = std::io::stdout().lock();
            // A closed standard output must not fail the kernel that printed.
            let _ = out.write_all(text).and_then(|()| out.flush());
        });
        Arc::new(Self {
            device,
            failed: AtomicBool::new(false),
            error: Mutex::new(None),
            default_stream: Mutex::default(),
            legacy_stream: Mutex::default(),
            has_blocking: AtomicBool::new(false),
            streams: Mutex::default(),
            owned: Mutex::default(),
            modules: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            deferred: Mutex::default(),
            has_deferred: AtomicBool::new(false),
            printer: Mutex::new(Printer { buffer: Vec::new(), sink: stdout }),
            has_printed: AtomicBool::new(false),
            heap: Mutex::default(),
            heap_bytes: Mutex::new(HEAP_BYTES),
        })
    }

    pub(crate) fn device(&self) -> &DeviceShared {
        &self.device
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// The sticky error, when there is one.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if !self.has_failed() {
            return Ok(());
        }
        lock(&self.error).clone().map_or(Ok(()), Err)
    }

    /// Makes `error` the context's error unless it has one.
    pub(crate) fn fail(&self, error: Error) {
        lock(&self.error).get_or_insert(error);
        self.failed.store(true, Ordering::Release);
    }

    pub(crate) fn operation_begun(&self) {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn operation_done(&self) {
        if self.in_flight.fetch_sub(1, Ordering::AcqRel) == 1 && self.has_deferred.load(Ordering::Acquire) {
            self.free_deferred();
        }
    }

    fn free_deferred(&self) {
        self.has_deferred.store(false, Ordering::Release);
        for address in std::mem::take(&mut *lock(&self.deferred)) {
            // Deferred addresses were live when they were deferred, and nobody else frees them.
            let _ = self.device.memory().free(address);
        }
    }

    pub(crate) fn alloc(&self, bytes: u64) -> Result<DevicePtr, Error> {
        let memory = self.device.memory();
        let address = match memory.alloc(bytes) {
            Err(Error::OutOfMemory { .. }) if self.has_deferred.load(Ordering::Acquire) => {
                self.wait_idle();
                self.free_deferred();
                memory.alloc(bytes)
            }
            result => result,
        }?;
        lock(&self.owned).insert(address);
        Ok(address)
    }

    /// Frees now if nothing is in flight, else when the last operation is done.
    pub(crate) fn release(&self, address: DevicePtr) -> Result<(), Error> {
        if address == DevicePtr::NULL {
            return Ok(());
        }
        if !lock(&self.owned).remove(&address) {
            return Err(Error::InvalidFree { address });
        }
        lock(&self.deferred).push(address);
        self.has_deferred.store(true, Ordering::Release);
        if self.in_flight.load(Ordering::Acquire) == 0 {
            self.free_deferred();
        }
        Ok(())
    }

    /// Notes a module, for checkpoints.
    pub(crate) fn add_module(&self, module: &Arc<ModuleShared>) {
        let mut modules = lock(&self.modules);
        modules.retain(|module| module.strong_count() > 0);
        modules.push(Arc::downgrade(module));
    }

    /// The modules that are alive, in the order in which they were loaded.
    pub(crate) fn modules(&self) -> Vec<Arc<ModuleShared>> {
        lock(&self.modules).iter().filter_map(Weak::upgrade).collect()
    }

    /// Addresses and sizes of its allocations, in rising order.
    pub(crate) fn owned_memory(&self) -> Vec<(u64, u64)> {
        let owned = lock(&self.owned).clone();
        let mut memory: Vec<(u64, u64)> =
            owned.iter().filter_map(|&address| self.device.memory().lookup(address)).map(|(at, n)| (at.0, n)).collect();
        memory.sort_unstable();
        memory
    }

    /// Allocates memory at given addresses.
    pub(crate) fn place(&self, memory: &[(u64, u64)]) -> Result<(), Error> {
        self.device.memory().place(memory)?;
        lock(&self.owned).extend(memory.iter().map(|&(address, _)| DevicePtr(address)));
        Ok(())
    }

    /// Whether an allocation begins at the address and belongs to this context.
    pub(crate) fn owns(&self, address: DevicePtr) -> bool {
        lock(&self.owned).contains(&address)
    }

    /// Whether kernels have used device `malloc`.
    pub(crate) fn has_heap(&self) -> bool {
        lock(&self.heap).is_some()
    }

    pub(crate) fn pin(&self, address: DevicePtr, bytes: u64) -> Result<Pinned, Error> {
        self.device.memory().pin(address, bytes)
    }

    pub(crate) fn streams(&self) -> Vec<Arc<StreamShared>> {
        let mut streams = lock(&self.streams);
        streams.retain(|stream| stream.strong_count() > 0);
        streams.iter().filter_map(Weak::upgrade).collect()
    }

    pub(crate) fn legacy_stream(&self) -> Option<Arc<StreamShared>> {
        lock(&self.legacy_stream).upgrade()
    }

    pub(crate) fn blocking_streams(&self) -> Vec<Arc<StreamShared>> {
        if !self.has_blocking.load(Ordering::Acquire) {
            return Vec::new();
        }
        let mut streams = self.streams();
        streams.retain(|stream| stream.class() == StreamClass::Blocking);
        streams
    }

    pub(crate) fn wait_idle(&self) {
        self.streams().iter().for_each(|stream| stream.wait_idle());
    }

    pub(crate) fn print(&self, text: &[u8]) {
        let mut printer = lock(&self.printer);
        printer.buffer.extend_from_slice(text);
        self.has_printed.store(true, Ordering::Release);
        if printer.buffer.len() > PRINT_BUFFER_BYTES {
            let Printer { buffer, sink } = &mut *printer;
            sink(buffer);
            buffer.clear();
        }
    }

    pub(crate) fn flush_print(&self) {
        if self.has_printed.swap(false, Ordering::AcqRel) {
            let Printer { buffer, sink } = &mut *lock(&self.printer);
            sink(buffer);
            buffer.clear();
        }
    }

    /// Device `malloc`. The heap is allocated at its first use.
    pub(crate) fn device_malloc(&self, bytes: u64) -> Option<DevicePtr> {
        let mut heap = lock(&self.heap);
        if heap.is_none() {
            let size = *lock(&self.heap_bytes);
            *heap = Some(DeviceHeap::new(self.device.memory().alloc(size).ok()?, size));
        }
        heap.as_mut()?.malloc(bytes)
    }

    /// Device `free`.
    pub(crate) fn device_free(&self, address: DevicePtr) {
        if let Some(heap) = lock(&self.heap).as_mut() {
            heap.free(address);
        }
    }
}

impl Drop for ContextShared {
    fn drop(&mut self) {
        let memory = self.device.memory();
        let heap = lock(&self.heap).take().map(|heap| heap.base());
        let owned = std::mem::take(&mut *lock(&self.owned));
        let deferred = std::mem::take(&mut *lock(&self.deferred));
        for address in owned.into_iter().chain(deferred).chain(heap) {
            // All of these are live allocations of this context, which ends here.
            let _ = memory.free(address);
        }
        let Printer { buffer, sink } = &mut *lock(&self.printer);
        if !buffer.is_empty() {
            sink(buffer);
        }
    }
}

/// See the module header. Clones are the same context.
#[derive(Clone)]
pub struct Context {
    pub(crate) shared: Arc<ContextShared>,
    default_stream: Arc<StreamShared>,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("error", &self.error()).finish_non_exhaustive()
    }
}

impl Context {
    /// A context of its own on `device`.
    pub fn new(device: &Device) -> Self {
        Self::from_shared(ContextShared::new(Arc::clone(&device.shared)))
    }

    pub(crate) fn from_shared(shared: Arc<ContextShared>) -> Self {
        let mut default_stream = lock(&shared.default_stream);
        let stream = default_stream.upgrade().unwrap_or_else(|| {
            let stream = StreamShared::new(Arc::clone(&shared), StreamClass::Free, 0);
            *default_stream = Arc::downgrade(&stream);
            lock(&shared.streams).push(Arc::downgrade(&stream));
            stream
        });
        drop(default_stream);
        Self { shared, default_stream: stream }
    }

    /// The device it works on.
    pub fn device(&self) -> Device {
        Device { shared: Arc::clone(&self.shared.device) }
    }

    /// The stream that exists in every context.
    pub fn default_stream(&self) -> Stream {
        Stream { shared: Arc::clone(&self.default_stream) }
    }

    /// A further stream.
    pub fn create_stream(&self) -> Stream {
        self.create_stream_with(StreamClass::Free, 0)
    }

    /// A further stream of a class, with a priority (smaller is more urgent). A context keeps its first legacy stream.
    pub fn create_stream_with(&self, class: StreamClass, priority: i32) -> Stream {
        let stream = StreamShared::new(Arc::clone(&self.shared), class, priority);
        match class {
            StreamClass::Free => {}
            StreamClass::Blocking => self.shared.has_blocking.store(true, Ordering::Release),
            StreamClass::Legacy => {
                let mut legacy = lock(&self.shared.legacy_stream);
                if let Some(first) = legacy.upgrade() {
                    return Stream { shared: first };
                }
                *legacy = Arc::downgrade(&stream);
            }
        }
        lock(&self.shared.streams).push(Arc::downgrade(&stream));
        Stream { shared: stream }
    }

    /// Sends what kernels have printed to the sink now.
    pub fn flush_output(&self) {
        self.shared.flush_print();
    }

    /// Allocates device memory, aligned to 512 bytes. Its contents are undefined.
    ///
    /// # Errors
    /// The sticky error; [`Error::OutOfMemory`].
    pub fn alloc(&self, bytes: u64) -> Result<DevicePtr, Error> {
        self.shared.check()?;
        self.shared.alloc(bytes)
    }

    /// Frees an allocation of this context; operations in flight may still use it. The null address is accepted.
    ///
    /// # Errors
    /// [`Error::InvalidFree`].
    pub fn free(&self, address: DevicePtr) -> Result<(), Error> {
        self.shared.release(address)
    }

    /// Start and size of the live allocation that contains `address`.
    pub fn allocation(&self, address: DevicePtr) -> Option<(DevicePtr, u64)> {
        self.shared.device.memory().lookup(address)
    }

    /// Asks for a range of device memory to be fetched where a memory budget has sent it elsewhere. Only a hint: nothing
    /// depends on it.
    pub fn prefetch(&self, address: DevicePtr, bytes: u64) {
        if let Some(pager) = self.shared.device.memory().pager() {
            pager.prefetch(address.0, bytes);
        }
    }

    /// How much device memory there is and how much is in use.
    pub fn memory_info(&self) -> MemoryInfo {
        self.shared.device.memory().info()
    }

    /// Waits for all streams, then copies host data to the device.
    ///
    /// # Errors
    /// The sticky error; [`Error::InvalidAddress`].
    pub fn copy_to_device(&self, to: DevicePtr, from: &[u8]) -> Result<(), Error> {
        self.synchronize()?;
        copy::to_device(&self.shared.pin(to, from.len() as u64)?, from)
    }

    /// Waits for all streams, then copies device memory to the host.
    ///
    /// # Errors
    /// The sticky error; [`Error::InvalidAddress`].
    pub fn copy_to_host(&self, to: &mut [u8], from: DevicePtr) -> Result<(), Error> {
        self.synchronize()?;
        copy::from_device(to, &self.shared.pin(from, to.len() as u64)?)
    }

    /// Waits for all streams, then copies within device memory; the ranges may overlap.
    ///
    /// # Errors
    /// The sticky error; [`Error::InvalidAddress`].
    pub fn copy_within_device(&self, to: DevicePtr, from: DevicePtr, bytes: u64) -> Result<(), Error> {
        self.synchronize()?;
        copy::within_device(&self.shared.pin(to, bytes)?, &self.shared.pin(from, bytes)?)
    }

    /// Waits for all streams, then fills device memory with a repeated pattern of 1, 2 or 4 bytes.
    ///
    /// # Errors
    /// The sticky error; [`Error::InvalidAddress`].
    pub fn fill(&self, to: DevicePtr, bytes: u64, pattern: &[u8]) -> Result<(), Error> {
        self.synchronize()?;
        copy::fill(&self.shared.pin(to, bytes)?, pattern)
    }

    /// Waits for all streams.
    ///
    /// # Errors
    /// The sticky error.
    pub fn synchronize(&self) -> Result<(), Error> {
        self.shared.wait_idle();
        self.shared.flush_print();
        self.shared.check()
    }

    /// The sticky error, when there is one.
    pub fn error(&self) -> Option<Error> {
        self.shared.check().err()
    }

    /// Waits for all streams and makes a failed context healthy again. Memory and modules stay.
    pub fn reset(&self) {
        self.shared.wait_idle();
        self.shared.flush_print();
        let mut error = lock(&self.shared.error);
        *error = None;
        self.shared.failed.store(false, Ordering::Release);
    }

    /// Sends what kernels print to `sink` instead of standard output. It is called when a stream or the context is synchronised, and
    /// earlier when much was printed.
    pub fn set_print_sink(&self, sink: PrintSink) {
        self.shared.flush_print();
        lock(&self.shared.printer).sink = sink;
    }

    /// Size of the heap behind device `malloc`. Takes effect if nothing was allocated from it yet.
    pub fn set_heap_bytes(&self, bytes: u64) {
        *lock(&self.shared.heap_bytes) = bytes;
    }

    /// Size of the heap behind device `malloc`.
    pub fn heap_bytes(&self) -> u64 {
        lock(&self.shared.heap).as_ref().map_or_else(|| *lock(&self.shared.heap_bytes), DeviceHeap::bytes)
    }
}
