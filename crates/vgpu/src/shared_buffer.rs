//! Typed memory of which every device has its own copy.

use bytemuck::Pod;
use std::marker::PhantomData;
use vgpu_runtime::{Device, Error, Replicated, Traffic};

/// `n` values of `T`, with a copy for each of several devices, kept coherent page by page while kernels run.
///
/// A kernel finds it at an address that depends on the device, so its address must not be stored in memory. The host reads
/// and writes it between launches.
///
/// ```
/// use vgpu::{Context, Device, DeviceConfig, LaunchConfig, Module, SharedBuffer, SplitDevice};
///
/// # let double = ".version 7.0\n.target sm_50\n.address_size 64\n.visible .entry twice(.param .u64 x, .param .u32 n)
/// # { .reg .pred %p<2>; .reg .b32 %r<7>; .reg .b64 %rd<4>;
/// # mov.u32 %r1, %ctaid.x; mov.u32 %r2, %ntid.x; mov.u32 %r3, %tid.x; mad.lo.s32 %r4, %r1, %r2, %r3;
/// # ld.param.u32 %r5, [n]; setp.ge.u32 %p1, %r4, %r5; @%p1 ret;
/// # ld.param.u64 %rd1, [x]; mul.wide.u32 %rd2, %r4, 4; add.s64 %rd3, %rd1, %rd2;
/// # ld.global.u32 %r6, [%rd3]; add.u32 %r6, %r6, %r6; st.global.u32 [%rd3], %r6; ret; }";
/// let config = DeviceConfig { n_workers: 1, ..DeviceConfig::from_environment()? };
/// let (full, eco) = (Device::new(config.clone())?, Device::new(config)?);
/// let context = Context::new(&full);
/// let kernel = Module::load(&context, double)?.kernel("twice")?;
///
/// let n = 100_000u32;
/// let mut x = SharedBuffer::from_slice(&[full.clone(), eco.clone()], &(0..n).collect::<Vec<_>>())?;
/// let stream = context.default_stream();
/// let devices = [SplitDevice::new(&full), SplitDevice::new(&eco).at_most(0.5)];
/// let launch = kernel.launch_split(&stream, &devices, &LaunchConfig::new(n.div_ceil(256), 256), (&mut x, n))?;
/// stream.synchronize()?;
/// assert_eq!(launch.parts().iter().map(|part| part.blocks).sum::<u64>(), u64::from(n.div_ceil(256)));
/// assert_eq!(x.to_vec()?, (0..n).map(|idx| 2 * idx).collect::<Vec<_>>());
/// # Ok::<(), vgpu::Error>(())
/// ```
#[derive(Debug)]
pub struct SharedBuffer<T> {
    memory: Replicated,
    len: usize,
    element: PhantomData<T>,
}

impl<T: Pod> SharedBuffer<T> {
    /// A buffer of zero bytes for `devices`.
    ///
    /// # Errors
    /// [`Error::SplitDevices`]; [`Error::OutOfMemory`]; [`Error::System`].
    pub fn zeroed(devices: &[Device], len: usize) -> Result<Self, Error> {
        let bytes = (len as u64).saturating_mul(size_of::<T>() as u64);
        Ok(Self { memory: Replicated::new(devices, bytes)?, len, element: PhantomData })
    }

    /// A buffer with a copy of `data`.
    ///
    /// # Errors
    /// As [`Self::zeroed`].
    pub fn from_slice(devices: &[Device], data: &[T]) -> Result<Self, Error> {
        let mut buffer = Self::zeroed(devices, data.len())?;
        buffer.write(data)?;
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

    /// Copies `data` to the start of the buffer. No launch may use it meanwhile.
    ///
    /// # Errors
    /// [`Error::InvalidAddress`] when `data` is longer; [`Error::System`].
    pub fn write(&mut self, data: &[T]) -> Result<(), Error> {
        self.memory.write(0, bytemuck::cast_slice(data))
    }

    /// A copy of the contents. No launch may use it meanwhile.
    ///
    /// # Errors
    /// [`Error::System`].
    pub fn to_vec(&self) -> Result<Vec<T>, Error> {
        let mut data = vec![T::zeroed(); self.len];
        self.memory.read(0, bytemuck::cast_slice_mut(&mut data))?;
        Ok(data)
    }

    /// How often pages moved between home and devices.
    pub fn traffic(&self) -> Traffic {
        self.memory.traffic()
    }

    /// The memory behind it.
    pub const fn memory(&self) -> &Replicated {
        &self.memory
    }
}
