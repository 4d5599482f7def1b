//! `cudaDeviceProp`: a structure of eighty fields, nearly all of them device attributes. CUDA 12 and 13 have different ones.
//!
//! The tables are the offsets of `driver_types.h` of CUDA 12.9 and 13.4. Fields that are in no table (textures, surfaces) stay 0.

use crate::code::{INVALID_VALUE, Outcome};
use crate::{P, context, driver};
use std::ptr::from_mut;

/// How wide a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// `int`.
    Int,
    /// `size_t`.
    Size,
}

/// Where the fields of a version's structure are.
pub struct Layout {
    /// Bytes of the structure.
    pub size: usize,
    /// Offset of `uuid`.
    pub uuid: usize,
    /// Offset of `totalGlobalMem`.
    pub total_global_mem: usize,
    /// Offset, width, and number of the device attribute.
    pub fields: &'static [(usize, Width, i32)],
}

/// Fills a structure.
///
/// # Errors
/// No such device.
///
/// # Safety
/// `out` is null or has the layout's size.
pub unsafe fn fill(out: P, ordinal: i32, layout: &Layout) -> Outcome {
    /// Bytes of `name`, the first field.
    const NAME_BYTES: i32 = 256;
    if out.is_null() {
        return Err(INVALID_VALUE);
    }
    let device = context::device(ordinal)?;
    let at = |offset: usize| out.wrapping_byte_add(offset);
    // SAFETY: the caller's promise; the offsets are the layout's.
    unsafe {
        out.cast::<u8>().write_bytes(0, layout.size);
        driver::cuDeviceGetName(out, NAME_BYTES, device)?;
        driver::cuDeviceGetUuid_v2(at(layout.uuid), device)?;
        driver::cuDeviceTotalMem_v2(at(layout.total_global_mem), device)?;
    }
    for &(offset, width, attribute) in layout.fields {
        let mut value = 0i32;
        // SAFETY: the address of a live integer. An attribute that the driver does not know stays 0.
        let known = unsafe { driver::cuDeviceGetAttribute(from_mut(&mut value).cast(), attribute, device) };
        if known.is_err() {
            continue;
        }
        // SAFETY: as above.
        unsafe {
            match width {
                Width::Int => at(offset).cast::<i32>().write(value),
                Width::Size => at(offset).cast::<usize>().write(value as u32 as usize),
            }
        }
    }
    Ok(())
}

/// The structure of CUDA 13.
#[rustfmt::skip]
pub const CUDA_13: Layout = Layout {
    size: 1008,
    uuid: 256,
    total_global_mem: 288,
    fields: &[
        (296, Width::Size, 8),  // sharedMemPerBlock
        (304, Width::Int, 12),  // regsPerBlock
        (308, Width::Int, 10),  // warpSize
        (312, Width::Size, 11),  // memPitch
        (320, Width::Int, 1),  // maxThreadsPerBlock
        (324, Width::Int, 2),  // maxThreadsDim[0]
        (328, Width::Int, 3),  // maxThreadsDim[1]
        (332, Width::Int, 4),  // maxThreadsDim[2]
        (336, Width::Int, 5),  // maxGridSize[0]
        (340, Width::Int, 6),  // maxGridSize[1]
        (344, Width::Int, 7),  // maxGridSize[2]
        (352, Width::Size, 9),  // totalConstMem
        (360, Width::Int, 75),  // major
        (364, Width::Int, 76),  // minor
        (368, Width::Size, 14),  // textureAlignment
        (376, Width::Size, 51),  // texturePitchAlignment
        (384, Width::Int, 16),  // multiProcessorCount
        (388, Width::Int, 18),  // integrated
        (392, Width::Int, 19),  // canMapHostMemory
        (560, Width::Int, 31),  // concurrentKernels
        (564, Width::Int, 32),  // ECCEnabled
        (568, Width::Int, 33),  // pciBusID
        (572, Width::Int, 34),  // pciDeviceID
        (576, Width::Int, 50),  // pciDomainID
        (580, Width::Int, 35),  // tccDriver
        (584, Width::Int, 40),  // asyncEngineCount
        (588, Width::Int, 41),  // unifiedAddressing
        (592, Width::Int, 37),  // memoryBusWidth
        (596, Width::Int, 38),  // l2CacheSize
        (600, Width::Int, 108),  // persistingL2CacheMaxSize
        (604, Width::Int, 39),  // maxThreadsPerMultiProcessor
        (608, Width::Int, 78),  // streamPrioritiesSupported
        (612, Width::Int, 79),  // globalL1CacheSupported
        (616, Width::Int, 80),  // localL1CacheSupported
        (624, Width::Size, 81),  // sharedMemPerMultiprocessor
        (632, Width::Int, 82),  // regsPerMultiprocessor
        (636, Width::Int, 83),  // managedMemory
        (640, Width::Int, 84),  // isMultiGpuBoard
        (644, Width::Int, 85),  // multiGpuBoardGroupID
        (648, Width::Int, 86),  // hostNativeAtomicSupported
        (652, Width::Int, 88),  // pageableMemoryAccess
        (656, Width::Int, 89),  // concurrentManagedAccess
        (660, Width::Int, 90),  // computePreemptionSupported
        (664, Width::Int, 91),  // canUseHostPointerForRegisteredMem
        (668, Width::Int, 95),  // cooperativeLaunch
        (672, Width::Size, 97),  // sharedMemPerBlockOptin
        (680, Width::Int, 100),  // pageableMemoryAccessUsesHostPageTables
        (684, Width::Int, 101),  // directManagedMemAccessFromHost
        (688, Width::Int, 106),  // maxBlocksPerMultiProcessor
        (692, Width::Int, 109),  // accessPolicyMaxWindowSize
        (696, Width::Size, 111),  // reservedSharedMemPerBlock
        (704, Width::Int, 99),  // hostRegisterSupported
        (708, Width::Int, 112),  // sparseCudaArraySupported
        (712, Width::Int, 113),  // hostRegisterReadOnlySupported
        (716, Width::Int, 114),  // timelineSemaphoreInteropSupported
        (720, Width::Int, 115),  // memoryPoolsSupported
        (724, Width::Int, 116),  // gpuDirectRDMASupported
        (728, Width::Int, 117),  // gpuDirectRDMAFlushWritesOptions
        (732, Width::Int, 118),  // gpuDirectRDMAWritesOrdering
        (736, Width::Int, 119),  // memoryPoolSupportedHandleTypes
        (740, Width::Int, 121),  // deferredMappingCudaArraySupported
        (744, Width::Int, 125),  // ipcEventSupported
        (748, Width::Int, 120),  // clusterLaunch
        (752, Width::Int, 129),  // unifiedFunctionPointers
        (756, Width::Int, 130),  // deviceNumaConfig
        (760, Width::Int, 131),  // deviceNumaId
        (764, Width::Int, 133),  // mpsEnabled
        (768, Width::Int, 134),  // hostNumaId
    ],
};

/// The structure of CUDA 12.
#[rustfmt::skip]
pub const CUDA_12: Layout = Layout {
    size: 1032,
    uuid: 256,
    total_global_mem: 288,
    fields: &[
        (296, Width::Size, 8),  // sharedMemPerBlock
        (304, Width::Int, 12),  // regsPerBlock
        (308, Width::Int, 10),  // warpSize
        (312, Width::Size, 11),  // memPitch
        (320, Width::Int, 1),  // maxThreadsPerBlock
        (324, Width::Int, 2),  // maxThreadsDim[0]
        (328, Width::Int, 3),  // maxThreadsDim[1]
        (332, Width::Int, 4),  // maxThreadsDim[2]
        (336, Width::Int, 5),  // maxGridSize[0]
        (340, Width::Int, 6),  // maxGridSize[1]
        (344, Width::Int, 7),  // maxGridSize[2]
        (348, Width::Int, 13),  // clockRate
        (352, Width::Size, 9),  // totalConstMem
        (360, Width::Int, 75),  // major
        (364, Width::Int, 76),  // minor
        (368, Width::Size, 14),  // textureAlignment
        (376, Width::Size, 51),  // texturePitchAlignment
        (384, Width::Int, 15),  // deviceOverlap
        (388, Width::Int, 16),  // multiProcessorCount
        (392, Width::Int, 17),  // kernelExecTimeoutEnabled
        (396, Width::Int, 18),  // integrated
        (400, Width::Int, 19),  // canMapHostMemory
        (404, Width::Int, 20),  // computeMode
        (576, Width::Int, 31),  // concurrentKernels
        (580, Width::Int, 32),  // ECCEnabled
        (584, Width::Int, 33),  // pciBusID
        (588, Width::Int, 34),  // pciDeviceID
        (592, Width::Int, 50),  // pciDomainID
        (596, Width::Int, 35),  // tccDriver
        (600, Width::Int, 40),  // asyncEngineCount
        (604, Width::Int, 41),  // unifiedAddressing
        (608, Width::Int, 36),  // memoryClockRate
        (612, Width::Int, 37),  // memoryBusWidth
        (616, Width::Int, 38),  // l2CacheSize
        (620, Width::Int, 108),  // persistingL2CacheMaxSize
        (624, Width::Int, 39),  // maxThreadsPerMultiProcessor
        (628, Width::Int, 78),  // streamPrioritiesSupported
        (632, Width::Int, 79),  // globalL1CacheSupported
        (636, Width::Int, 80),  // localL1CacheSupported
        (640, Width::Size, 81),  // sharedMemPerMultiprocessor
        (648, Width::Int, 82),  // regsPerMultiprocessor
        (652, Width::Int, 83),  // managedMemory
        (656, Width::Int, 84),  // isMultiGpuBoard
        (660, Width::Int, 85),  // multiGpuBoardGroupID
        (664, Width::Int, 86),  // hostNativeAtomicSupported
        (668, Width::Int, 87),  // singleToDoublePrecisionPerfRatio
        (672, Width::Int, 88),  // pageableMemoryAccess
        (676, Width::Int, 89),  // concurrentManagedAccess
        (680, Width::Int, 90),  // computePreemptionSupported
        (684, Width::Int, 91),  // canUseHostPointerForRegisteredMem
        (688, Width::Int, 95),  // cooperativeLaunch
        (692, Width::Int, 96),  // cooperativeMultiDeviceLaunch
        (696, Width::Size, 97),  // sharedMemPerBlockOptin
        (704, Width::Int, 100),  // pageableMemoryAccessUsesHostPageTables
        (708, Width::Int, 101),  // directManagedMemAccessFromHost
        (712, Width::Int, 106),  // maxBlocksPerMultiProcessor
        (716, Width::Int, 109),  // accessPolicyMaxWindowSize
        (720, Width::Size, 111),  // reservedSharedMemPerBlock
        (728, Width::Int, 99),  // hostRegisterSupported
        (732, Width::Int, 112),  // sparseCudaArraySupported
        (736, Width::Int, 113),  // hostRegisterReadOnlySupported
        (740, Width::Int, 114),  // timelineSemaphoreInteropSupported
        (744, Width::Int, 115),  // memoryPoolsSupported
        (748, Width::Int, 116),  // gpuDirectRDMASupported
        (752, Width::Int, 117),  // gpuDirectRDMAFlushWritesOptions
        (756, Width::Int, 118),  // gpuDirectRDMAWritesOrdering
        (760, Width::Int, 119),  // memoryPoolSupportedHandleTypes
        (764, Width::Int, 121),  // deferredMappingCudaArraySupported
        (768, Width::Int, 125),  // ipcEventSupported
        (772, Width::Int, 120),  // clusterLaunch
        (776, Width::Int, 129),  // unifiedFunctionPointers
    ],
};
