//! Kernels with typed launches: arguments are a tuple, each checked against its parameter's size.

use crate::{Buffer, SharedBuffer};
use bytemuck::Pod;
use smallvec::SmallVec;
use vgpu_ptx::ir;
use vgpu_runtime::{DevicePtr, Error, KernelAttributes, LaunchConfig, Replicated, SplitDevice, SplitLaunch, Stream};
use vgpu_types::Dim3;

/// The bytes of a launch's arguments.
#[derive(Debug, Default)]
pub struct ArgumentList {
    bytes: SmallVec<[u8; 128]>,
    /// End of each argument in `bytes`.
    ends: SmallVec<[usize; 16]>,
    /// Arguments whose address depends on the device that runs the kernel.
    replicas: Vec<(usize, Replicated)>,
}

impl ArgumentList {
    /// Appends one argument.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.ends.push(self.bytes.len());
    }

    /// Appends the address of memory of which every device has its own copy: it is filled in when the device is known.
    pub fn push_replicated(&mut self, memory: &Replicated) {
        self.replicas.push((self.ends.len(), memory.clone()));
        self.push(&[0; 8]);
    }

    /// The arguments in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |&end| &self.bytes[std::mem::replace(&mut start, end)..end])
    }
}

/// One kernel argument: a number, a buffer, an address, or a [`Value`].
pub trait KernelArg {
    /// Appends the argument's bytes.
    fn append(self, list: &mut ArgumentList);
}

/// A structure passed by value, laid out as the kernel's parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value<T>(pub T);

impl<T: Pod> KernelArg for Value<T> {
    fn append(self, list: &mut ArgumentList) {
        list.push(bytemuck::bytes_of(&self.0));
    }
}

macro_rules! numbers {
    ($($number:ty)*) => {
        $(impl KernelArg for $number {
            fn append(self, list: &mut ArgumentList) {
                list.push(&self.to_le_bytes());
            }
        })*
    };
}

numbers!(u8 u16 u32 u64 i8 i16 i32 i64 f32 f64);

impl KernelArg for bool {
    fn append(self, list: &mut ArgumentList) {
        list.push(&[u8::from(self)]);
    }
}

impl KernelArg for DevicePtr {
    fn append(self, list: &mut ArgumentList) {
        self.0.append(list);
    }
}

impl<T: Pod> KernelArg for &Buffer<T> {
    fn append(self, list: &mut ArgumentList) {
        self.address().append(list);
    }
}

impl<T: Pod> KernelArg for &mut Buffer<T> {
    fn append(self, list: &mut ArgumentList) {
        self.address().append(list);
    }
}

impl<T: Pod> KernelArg for &SharedBuffer<T> {
    fn append(self, list: &mut ArgumentList) {
        list.push_replicated(self.memory());
    }
}

impl<T: Pod> KernelArg for &mut SharedBuffer<T> {
    fn append(self, list: &mut ArgumentList) {
        list.push_replicated(self.memory());
    }
}

/// All arguments of a launch: a tuple of [`KernelArg`]s.
pub trait KernelArgs {
    /// Appends all arguments in order.
    fn append_all(self, list: &mut ArgumentList);
}

impl KernelArgs for () {
    fn append_all(self, _list: &mut ArgumentList) {}
}

macro_rules! tuples {
    ($($first:ident $($rest:ident)*)?) => {
        $(
            impl<$first: KernelArg, $($rest: KernelArg),*> KernelArgs for ($first, $($rest,)*) {
                #[allow(non_snake_case, reason = "the type parameters name the fields as well")]
                fn append_all(self, list: &mut ArgumentList) {
                    let ($first, $($rest,)*) = self;
                    $first.append(list);
                    $($rest.append(list);)*
                }
            }
            tuples!($($rest)*);
        )?
    };
}

tuples!(A B C D E F G H I J K L M N O P Q R S T U V W X);

/// A kernel of a [`crate::Module`]. Clones are the same kernel.
#[derive(Clone, Debug)]
pub struct Kernel {
    inner: vgpu_runtime::Kernel,
}

impl Kernel {
    pub(crate) const fn new(inner: vgpu_runtime::Kernel) -> Self {
        Self { inner }
    }

    /// Name in the text.
    pub fn name(&self) -> &str {
        self.inner.name()
    }

    /// Parameters in order.
    pub fn params(&self) -> &[ir::Param] {
        self.inner.params()
    }

    /// Launches over `grid` blocks of `block` threads. Returns when the launch is enqueued.
    ///
    /// # Errors
    /// The sticky error, or what is wrong with the arguments, the shape or the kernel; then nothing was enqueued.
    pub fn launch(
        &self,
        stream: &Stream,
        grid: impl Into<Dim3>,
        block: impl Into<Dim3>,
        args: impl KernelArgs,
    ) -> Result<(), Error> {
        self.launch_with(stream, &LaunchConfig::new(grid, block), args)
    }

    /// Launches with shared memory, cooperation, determinism or a time limit.
    ///
    /// # Errors
    /// As [`Self::launch`].
    pub fn launch_with(&self, stream: &Stream, config: &LaunchConfig, args: impl KernelArgs) -> Result<(), Error> {
        let mut list = ArgumentList::default();
        args.append_all(&mut list);
        let slices: SmallVec<[&[u8]; 16]> = list.iter().collect();
        if list.replicas.is_empty() {
            return self.inner.launch(stream, config, &slices);
        }
        let device = [SplitDevice::new(&stream.context().device())];
        self.inner.launch_split_args(stream, config, &device, &slices, &list.replicas).map(drop)
    }

    /// Launches one grid on several devices: each runs blocks in proportion to its speed, and one that has none left takes
    /// some of another's. The launch is an operation of `stream`; the kernel's module and plain buffers exist once, and every
    /// device reaches them; of a [`SharedBuffer`] each device uses its own copy.
    ///
    /// # Errors
    /// As [`Self::launch`]; [`Error::SplitDevices`]; [`Error::NotSplittable`] for kernels whose blocks synchronise as a grid, or
    /// exchange data in a [`SharedBuffer`].
    pub fn launch_split(
        &self,
        stream: &Stream,
        devices: &[SplitDevice],
        config: &LaunchConfig,
        args: impl KernelArgs,
    ) -> Result<SplitLaunch, Error> {
        let mut list = ArgumentList::default();
        args.append_all(&mut list);
        let slices: SmallVec<[&[u8]; 16]> = list.iter().collect();
        self.inner.launch_split_args(stream, config, devices, &slices, &list.replicas)
    }

    /// Launches with one slice of bytes per parameter, for arguments whose types are known only at run time.
    ///
    /// # Errors
    /// As [`Self::launch`].
    pub fn launch_bytes(&self, stream: &Stream, config: &LaunchConfig, args: &[&[u8]]) -> Result<(), Error> {
        self.inner.launch(stream, config, args)
    }

    /// What the kernel needs at a block shape. Compiles it if it was not yet.
    ///
    /// # Errors
    /// As [`Self::launch`].
    pub fn attributes(&self, block: impl Into<Dim3>) -> Result<KernelAttributes, Error> {
        self.inner.attributes(block)
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
        self.inner.max_blocks_per_multiprocessor(block, dynamic_shared_bytes)
    }

    /// Compiles the kernel for a launch if it was not yet.
    ///
    /// # Errors
    /// As [`Self::launch`].
    pub fn prepare(&self, config: &LaunchConfig) -> Result<(), Error> {
        self.inner.prepare(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_keep_their_sizes_and_order() {
        let mut list = ArgumentList::default();
        (1u8, 2.0f32, -3i64, DevicePtr(0x1234), Value([1u16, 2, 3]), true).append_all(&mut list);
        let args: Vec<&[u8]> = list.iter().collect();
        let expected: Vec<Vec<u8>> = vec![
            vec![1],
            2.0f32.to_le_bytes().to_vec(),
            (-3i64).to_le_bytes().to_vec(),
            0x1234u64.to_le_bytes().to_vec(),
            vec![1, 0, 2, 0, 3, 0],
            vec![1],
        ];
        assert_eq!(args, expected);
    }
}
