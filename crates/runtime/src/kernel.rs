//! Kernels: arguments checked, code specialised on the block shape, launches made.
//!
//! Model. A kernel has one piece of code per block shape, made at its first launch and kept. Everything about
//! a launch is checked before it is enqueued; what goes wrong later is the kernel's fault.

use crate::context::ContextShared;
use crate::device::{self, DeviceShared};
use crate::error::Error;
use crate::exec::code::Code;
use crate::exec::frame::{LaunchFacts, LaunchFrame};
use crate::exec::resident::Residents;
use crate::launch::{Cooperation, Launch, LaunchConfig, LaunchParts};
use crate::memory::DevicePtr;
use crate::module::ModuleShared;
use crate::replicated::{self, Replicated};
use crate::split::{self, SpeedKey, Split, SplitDevice, SplitLaunch, Taker};
use crate::stream::{Operation, Stream};
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use vgpu_jit::{EntryKind, KernelLayout, ParamAlignment, Specialization};
use vgpu_ptx::ir;
use vgpu_types::Dim3;

/// What determines a kernel's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    block: Dim3,
    grid_in_i32: bool,
    /// For arguments that are less aligned than the code for others relies on.
    test_arguments: bool,
    /// Threads per program; `None` lets the compiler choose.
    lanes: Option<u32>,
}

impl Shape {
    /// The shape of a plain launch of ordinary size, to ask for a kernel's needs.
    const fn plain(block: Dim3) -> Self {
        Self { block, grid_in_i32: true, test_arguments: false, lanes: None }
    }

    fn of(config: &LaunchConfig) -> Self {
        let (grid, block) = (config.grid, config.block);
        let extents = [(grid.x, block.x), (grid.y, block.y), (grid.z, block.z)];
        let fits = |(blocks, threads): (u32, u32)| u64::from(blocks) * u64::from(threads) < 1 << 31;
        Self { block, grid_in_i32: extents.into_iter().all(fits), test_arguments: false, lanes: None }
    }

    fn specialization(self) -> Specialization {
        let Self { block, grid_in_i32, test_arguments, lanes } = self;
        Specialization { block, grid_in_i32, lanes, test_arguments }
    }
}

type Made = Arc<OnceLock<Result<Arc<Code>, Error>>>;

/// The part of a kernel that its launches keep alive.
pub(crate) struct KernelShared {
    id: ir::FuncId,
    name: Arc<str>,
    params: Vec<ir::Param>,
    param_bytes: u32,
    performance: ir::Performance,
    made: Mutex<Vec<(Shape, Made)>>,
}

impl KernelShared {
    pub(crate) fn new(id: ir::FuncId, function: &ir::Function) -> Self {
        Self {
            id,
            name: function.name.as_str().into(),
            params: function.params.clone(),
            param_bytes: function.param_bytes(),
            performance: function.performance.clone(),
            made: Mutex::default(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// The devices of a split launch, and the places in its parameters of memory of which each has a copy.
type SplitAmong<'a> = (&'a [SplitDevice], &'a [(usize, Replicated)]);

/// What a kernel needs at one block shape; the names follow CUDA's `cudaFuncAttributes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelAttributes {
    /// Threads per block, at most.
    pub max_threads_per_block: u32,
    /// Static shared memory.
    pub static_shared_bytes: u32,
    /// Local memory per thread.
    pub local_bytes: u32,
    /// Parameter buffer.
    pub param_bytes: u32,
    /// Threads that run as one vector program.
    pub lanes: u32,
    /// Threads of the block may wait for each other.
    pub resumable: bool,
}

/// See the module header. Clones are the same kernel.
#[derive(Clone)]
pub struct Kernel {
    module: Arc<ModuleShared>,
    shared: Arc<KernelShared>,
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kernel").field("name", &self.name()).finish_non_exhaustive()
    }
}

impl Kernel {
    pub(crate) const fn new(module: Arc<ModuleShared>, shared: Arc<KernelShared>) -> Self {
        Self { module, shared }
    }

    /// Name in the text.
    pub fn name(&self) -> &str {
        self.shared.name()
    }

    /// Parameters in order.
    pub fn params(&self) -> &[ir::Param] {
        &self.shared.params
    }

    /// Bytes of the parameter buffer.
    pub fn param_bytes(&self) -> usize {
        self.shared.param_bytes as usize
    }

    /// What its text says of block shapes and registers.
    pub fn performance(&self) -> &ir::Performance {
        &self.shared.performance
    }

    /// Bytes of static shared memory that it names in its text, at their natural alignment. Compiles nothing.
    pub fn named_shared_bytes(&self) -> u32 {
        let ir = self.module.ir();
        let mut used: Vec<_> = ir.functions[self.shared.id]
            .blocks
            .iter()
            .flat_map(|block| &block.insts)
            .flat_map(|inst| &inst.srcs)
            .filter_map(|src| match src {
                ir::Operand::Symbol(ir::SymbolRef::Var(var), _) => Some(*var),
                _ => None,
            })
            .filter(|var| ir.variables[*var].space == ir::Space::Shared)
            .filter(|var| ir.variables[*var].linkage != ir::Linkage::Extern)
            .collect();
        used.sort_unstable();
        used.dedup();
        let place = |end: u64, var: ir::VarId| {
            let variable = &ir.variables[var];
            end.next_multiple_of(u64::from(variable.align.max(1))) + variable.size
        };
        used.into_iter().fold(0, place).try_into().unwrap_or(u32::MAX)
    }

    /// Local memory per thread that its frame names. Compiles nothing.
    pub fn named_local_bytes(&self) -> u32 {
        self.module.ir().functions[self.shared.id].frame.iter().map(|var| var.size).sum()
    }

    /// What the kernel needs at a block shape. Compiles it if it was not yet.
    ///
    /// # Errors
    /// As [`Self::launch`].
    pub fn attributes(&self, block: impl Into<Dim3>) -> Result<KernelAttributes, Error> {
        let block = block.into();
        self.check_block(block)?;
        let code = self.code(Shape::plain(block))?;
        let layout = code.layout();
        Ok(KernelAttributes {
            max_threads_per_block: self.thread_limit().unwrap_or(device::MAX_THREADS_PER_BLOCK.into()) as u32,
            static_shared_bytes: layout.shared_static_bytes,
            local_bytes: layout.local_bytes,
            param_bytes: self.shared.param_bytes,
            lanes: layout.lanes,
            resumable: layout.entry == EntryKind::Resumable,
        })
    }

    /// How many blocks of that shape a multiprocessor holds, and so how large a cooperative launch may be per worker.
    ///
    /// # Errors
    /// As [`Self::launch`].
    pub fn max_blocks_per_multiprocessor(
        &self,
        block: impl Into<Dim3>,
        dynamic_shared_bytes: u32,
    ) -> Result<u32, Error> {
        let block = block.into();
        self.check_block(block)?;
        let code = self.code(Shape::plain(block))?;
        self.check_shared(code.layout(), dynamic_shared_bytes)?;
        Ok(occupancy(code.layout(), block, dynamic_shared_bytes))
    }

    /// Compiles the kernel for a block shape if it was not yet.
    ///
    /// # Errors
    /// As [`Self::launch`].
    pub fn prepare(&self, config: &LaunchConfig) -> Result<(), Error> {
        self.check_block(config.block)?;
        self.code(Shape::of(config)).map(drop)
    }

    /// Launches with one slice of bytes per parameter. Returns when the launch is enqueued.
    ///
    /// # Errors
    /// The sticky error, or what is wrong with the arguments, the shape or the kernel; then nothing was enqueued.
    pub fn launch(&self, stream: &Stream, config: &LaunchConfig, args: &[&[u8]]) -> Result<(), Error> {
        self.with_packed(args, |buffer| self.launch_packed(stream, config, buffer))
    }

    /// As [`Self::launch_split`], with one slice of bytes per parameter; `(idx, memory)` stands for parameter `idx`.
    ///
    /// # Errors
    /// As [`Self::launch_split`]; a replicated memory for a parameter that is not an address.
    pub fn launch_split_args(
        &self,
        stream: &Stream,
        config: &LaunchConfig,
        devices: &[SplitDevice],
        args: &[&[u8]],
        replicas: &[(usize, Replicated)],
    ) -> Result<SplitLaunch, Error> {
        let offset = |(idx, memory): &(usize, Replicated)| {
            let param = self.shared.params.get(*idx).filter(|param| param.size == 8);
            let param = param.ok_or_else(|| Error::SplitDevices {
                what: format!("replicated memory is given for parameter {idx}, which is no address of 8 bytes"),
            })?;
            Ok((param.offset as usize, memory.clone()))
        };
        let replicas = replicas.iter().map(offset).collect::<Result<Vec<_>, Error>>()?;
        self.with_packed(args, |buffer| self.launch_split(stream, config, devices, buffer, &replicas))
    }

    /// Packs arguments as the parameters' offsets say.
    fn with_packed<R>(&self, args: &[&[u8]], then: impl FnOnce(&[u8]) -> Result<R, Error>) -> Result<R, Error> {
        let params = &self.shared.params;
        if params.len() != args.len() {
            return Err(Error::ArgumentCount {
                kernel: self.name().to_owned(),
                expected: params.len(),
                found: args.len(),
            });
        }
        let mut inline = [0u8; 256];
        let mut heap = Vec::new();
        let n = self.shared.param_bytes as usize;
        let buffer = if n <= inline.len() {
            &mut inline[..n]
        } else {
            heap.resize(n, 0);
            &mut heap[..]
        };
        for (idx, (param, arg)) in params.iter().zip(args).enumerate() {
            if param.size as usize != arg.len() {
                return Err(Error::ArgumentSize {
                    kernel: self.name().to_owned(),
                    idx,
                    parameter: param.name.clone(),
                    expected: param.size as usize,
                    found: arg.len(),
                });
            }
            buffer[param.offset as usize..][..arg.len()].copy_from_slice(arg);
        }
        then(buffer)
    }

    /// Launches with a packed parameter buffer, laid out as the parameters' offsets say.
    ///
    /// # Errors
    /// As [`Self::launch`].
    pub fn launch_packed(&self, stream: &Stream, config: &LaunchConfig, params: &[u8]) -> Result<(), Error> {
        let context = stream.shared.context();
        self.check_packed(context, params)?;
        self.check_block(config.block)?;
        check_grid(config.grid)?;
        let code = self.code_for(config, params)?;
        self.check_shared(code.layout(), config.dynamic_shared_bytes)?;
        let launch = self.make_launch(stream, context, code, config, params, None)?;
        stream.shared.enqueue(Operation::Launch(launch));
        Ok(())
    }

    /// Launches with a packed parameter buffer, and lets the workers of `devices` run the blocks (docs/devices.md). The
    /// launch, its errors and what it prints belong to `stream`, whose own device takes part only when it is listed.
    /// Where `replicas` lie, each device is given its own address: `(offset, memory)` is an address in `params`.
    ///
    /// # Errors
    /// As [`Self::launch`]; [`Error::SplitDevices`]; [`Error::NotSplittable`].
    pub fn launch_split(
        &self,
        stream: &Stream,
        config: &LaunchConfig,
        devices: &[SplitDevice],
        params: &[u8],
        replicas: &[(usize, Replicated)],
    ) -> Result<SplitLaunch, Error> {
        let context = stream.shared.context();
        self.check_packed(context, params)?;
        self.check_block(config.block)?;
        check_grid(config.grid)?;
        split::check_devices(devices)?;
        self.check_splittable(config, !replicas.is_empty() && devices.len() > 1)?;
        // Addresses of replicated memory are those of pages; what stands in their places is aligned as well.
        let code = self.code_for(config, params)?;
        self.check_shared(code.layout(), config.dynamic_shared_bytes)?;
        if config.deterministic && code.layout().ordered_atomics {
            return Err(Error::NotSplittable {
                kernel: self.name().to_owned(),
                why: "a deterministic launch of a kernel with ordered atomics runs its blocks one after the other",
            });
        }
        let launch = self.make_launch(stream, context, code, config, params, Some((devices, replicas)))?;
        stream.shared.enqueue(Operation::Launch(Arc::clone(&launch)));
        Ok(SplitLaunch::new(launch))
    }

    /// Whether the blocks of this kernel may run on several devices.
    fn check_splittable(&self, config: &LaunchConfig, replicated: bool) -> Result<(), Error> {
        let refused = |why| Err(Error::NotSplittable { kernel: self.name().to_owned(), why });
        let blocks = split::check::blocks(self.module.ir(), self.shared.id);
        if config.cooperative || blocks.synchronise {
            return refused("its blocks synchronise as a grid, which only blocks of one device can");
        }
        if replicated && blocks.talk {
            return refused(
                "its blocks exchange data through atomics, volatile accesses or fences, and it is given memory of which each \
                 device has a copy; plain memory, which all devices reach, is accepted",
            );
        }
        Ok(())
    }

    fn check_packed(&self, context: &Arc<ContextShared>, params: &[u8]) -> Result<(), Error> {
        context.check()?;
        if !Arc::ptr_eq(context, self.module.context()) {
            return Err(Error::ForeignContext { what: "the kernel" });
        }
        if params.len() != self.shared.param_bytes as usize {
            return Err(Error::ParameterBytes {
                kernel: self.name().to_owned(),
                expected: self.shared.param_bytes as usize,
                found: params.len(),
            });
        }
        Ok(())
    }

    /// Code for a launch with these parameters.
    fn code_for(&self, config: &LaunchConfig, params: &[u8]) -> Result<Arc<Code>, Error> {
        self.code_of_shape(Shape::of(config), params)
    }

    fn code_of_shape(&self, shape: Shape, params: &[u8]) -> Result<Arc<Code>, Error> {
        let code = self.code(shape)?;
        if code.layout().aligned_params.iter().all(|wanted| is_aligned(params, *wanted)) {
            return Ok(code);
        }
        self.code(Shape { test_arguments: true, ..shape })
    }

    fn make_launch(
        &self,
        stream: &Stream,
        context: &ContextShared,
        code: Arc<Code>,
        config: &LaunchConfig,
        params: &[u8],
        split: Option<SplitAmong<'_>>,
    ) -> Result<Arc<Launch>, Error> {
        let device = context.device();
        let working_set = WorkingSet::of(device, params);
        let code = if working_set.is_too_large { self.code_that_stops_at_barriers(code, config, params) } else { code };
        let cooperation =
            if config.cooperative { Some(self.cooperation(device, code.layout(), config)?) } else { None };
        let facts = LaunchFacts {
            grid: config.grid,
            block: config.block,
            grid_id: device.new_grid_id(),
            grid_workspace: cooperation.as_ref().map_or(0, |cooperation| cooperation.workspace.as_ptr() as u64),
            dynamic_shared_bytes: config.dynamic_shared_bytes,
            n_workers: match split {
                None => device.properties().multiprocessor_count,
                Some((devices, _)) => devices.iter().map(|one| one.device.properties().multiprocessor_count).sum(),
            },
        };
        let symbols = Arc::clone(self.module.symbols());
        let frame = LaunchFrame::new(params, code.layout().param_bytes, symbols, facts);
        let split = match split {
            None => None,
            Some((devices, replicas)) => {
                let param_bytes = code.layout().param_bytes;
                let mut takers = Vec::with_capacity(devices.len());
                for one in devices {
                    let own = replicated::params_for(&one.device, params, replicas)?;
                    takers.push(Taker {
                        device: Arc::clone(&one.device.shared),
                        at_most: one.at_most,
                        frame: own.map(|params| frame.sibling(&params, param_bytes, facts)),
                    });
                }
                let key = SpeedKey {
                    kernel: Arc::clone(&self.shared.name),
                    module: *self.module.fingerprint(),
                    block: config.block,
                };
                let keep = replicas.iter().map(|(_, memory)| memory.keep()).collect();
                Some(Split::new(takers, config.grid.volume() as u64, key, keep))
            }
        };
        Ok(Launch::new(LaunchParts {
            kernel_name: Arc::clone(&self.shared.name),
            frame,
            module: Arc::clone(&self.module),
            stream: Arc::clone(&stream.shared),
            in_order: config.deterministic && code.layout().ordered_atomics,
            timeout: config.timeout.or(device.launch_timeout()),
            cooperation,
            split,
            in_step: working_set.is_too_large && code.layout().entry == EntryKind::Resumable,
            fetch: working_set.allocations,
            code,
        }))
    }

    /// Code whose blocks can be set aside at their barriers, if there is such code: a block that is one program passes
    /// barriers without stopping, which is faster where memory is not the limit.
    fn code_that_stops_at_barriers(&self, code: Arc<Code>, config: &LaunchConfig, params: &[u8]) -> Arc<Code> {
        let threads = config.block.volume();
        if code.layout().entry == EntryKind::Resumable || u128::from(code.layout().lanes) < threads || threads <= 32 {
            return code;
        }
        let shape = Shape { lanes: Some(if threads > 64 { 64 } else { 32 }), ..Shape::of(config) };
        match self.code_of_shape(shape, params) {
            Ok(narrow) if narrow.layout().entry == EntryKind::Resumable => narrow,
            // The width is a matter of speed alone: where it fails, the other code does.
            _ => code,
        }
    }

    fn cooperation(
        &self,
        device: &DeviceShared,
        layout: &KernelLayout,
        config: &LaunchConfig,
    ) -> Result<Cooperation, Error> {
        let per_worker = occupancy(layout, config.block, config.dynamic_shared_bytes);
        let limit = u64::from(per_worker) * u64::from(device.properties().multiprocessor_count);
        let blocks = config.grid.volume();
        if blocks > u128::from(limit) {
            return Err(Error::CooperativeTooLarge { kernel: self.name().to_owned(), blocks, limit });
        }
        let workspace = Box::new([AtomicU32::new(8), AtomicU32::new(0)]);
        Ok(Cooperation { residents: Residents::new(blocks as u64, Arc::clone(device.windows())), workspace })
    }

    /// Code for a shape; made by the first who asks, while others who ask for it wait.
    fn code(&self, shape: Shape) -> Result<Arc<Code>, Error> {
        let made = {
            let mut all = self.shared.made.lock().unwrap_or_else(PoisonError::into_inner);
            match all.iter().find(|(known, _)| *known == shape) {
                Some((_, made)) => Arc::clone(made),
                None => {
                    let made = Made::default();
                    all.push((shape, Arc::clone(&made)));
                    made
                }
            }
        };
        let maker = self.module.context().device().maker();
        let specialization = shape.specialization();
        let result = made
            .get_or_init(|| maker.make(self.module.ir(), self.module.fingerprint(), self.shared.id, &specialization));
        result.clone()
    }

    /// Threads that `.maxntid` allows.
    fn thread_limit(&self) -> Option<u64> {
        let [x, y, z] = self.shared.performance.maxntid?;
        // A zero stands for a dimension that was not given.
        Some(u64::from(x.max(1)) * u64::from(y.max(1)) * u64::from(z.max(1)))
    }

    fn check_block(&self, block: Dim3) -> Result<(), Error> {
        let [x, y, z] = device::MAX_BLOCK;
        let inside = (1..=x).contains(&block.x) && (1..=y).contains(&block.y) && (1..=z).contains(&block.z);
        if !inside || block.volume() > u128::from(device::MAX_THREADS_PER_BLOCK) {
            return Err(Error::BlockShape { block });
        }
        if let Some([x, y, z]) = self.shared.performance.reqntid {
            let required = Dim3::new(x.max(1), y.max(1), z.max(1));
            if required != block {
                return Err(Error::RequiredBlockShape { kernel: self.name().to_owned(), required, block });
            }
        }
        match self.thread_limit() {
            Some(limit) if block.volume() > u128::from(limit) => {
                Err(Error::TooManyThreads { kernel: self.name().to_owned(), limit, block })
            }
            _ => Ok(()),
        }
    }

    fn check_shared(&self, layout: &KernelLayout, dynamic_bytes: u32) -> Result<(), Error> {
        let static_bytes = layout.shared_static_bytes;
        let total = u64::from(static_bytes) + u64::from(dynamic_bytes);
        if static_bytes <= device::MAX_STATIC_SHARED_BYTES && total <= u64::from(device::MAX_SHARED_BYTES) {
            return Ok(());
        }
        Err(Error::SharedMemory {
            kernel: self.name().to_owned(),
            static_bytes: static_bytes.into(),
            dynamic_bytes: dynamic_bytes.into(),
            static_limit: device::MAX_STATIC_SHARED_BYTES.into(),
            total_limit: device::MAX_SHARED_BYTES.into(),
        })
    }
}

/// The argument has the zero bits that the code relies on.
fn is_aligned(params: &[u8], wanted: ParamAlignment) -> bool {
    params.get(wanted.offset as usize).is_some_and(|byte| byte.trailing_zeros() >= wanted.zeros)
}

/// The allocations that a launch's parameters point to, where a memory budget makes that matter.
#[derive(Debug, Default)]
struct WorkingSet {
    /// First addresses and sizes.
    allocations: Vec<(u64, u64)>,
    /// They do not fit into the budget together.
    is_too_large: bool,
}

impl WorkingSet {
    fn of(device: &DeviceShared, params: &[u8]) -> Self {
        let memory = device.memory();
        let Some(pager) = memory.pager() else { return Self::default() };
        let words = params.as_chunks::<8>().0.iter().map(|word| DevicePtr(u64::from_le_bytes(*word)));
        let found = words.filter(|word| memory.contains(word.0)).filter_map(|word| memory.lookup(word));
        let mut allocations: Vec<(u64, u64)> = found.map(|(start, bytes)| (start.0, bytes)).collect();
        allocations.sort_unstable();
        allocations.dedup();
        let bytes: u64 = allocations.iter().map(|(_, bytes)| bytes).sum();
        Self { allocations, is_too_large: bytes > pager.budget_bytes() }
    }
}

fn check_grid(grid: Dim3) -> Result<(), Error> {
    let [x, y, z] = device::MAX_GRID;
    let inside = (1..=x).contains(&grid.x) && (1..=y).contains(&grid.y) && (1..=z).contains(&grid.z);
    if inside { Ok(()) } else { Err(Error::GridShape { grid }) }
}

/// Blocks that a multiprocessor holds: the device claims CUDA's limits on threads, blocks and shared memory.
fn occupancy(layout: &KernelLayout, block: Dim3, dynamic_shared_bytes: u32) -> u32 {
    let threads = (block.volume() as u32).next_multiple_of(vgpu_types::WARP_SIZE);
    let shared = layout.shared_static_bytes + dynamic_shared_bytes;
    let by_shared = device::SHARED_BYTES_PER_MULTIPROCESSOR.checked_div(shared).unwrap_or(u32::MAX);
    (device::THREADS_PER_MULTIPROCESSOR / threads).min(by_shared).min(device::BLOCKS_PER_MULTIPROCESSOR)
}
