//! Names that exist so that programs link and load, and whose functions say that they are not supported.
//!
//! Each returns `cudaErrorNotSupported`, and names itself once on standard error. They are declared without parameters: a
//! caller's arguments are never looked at.

use crate::code::NOT_SUPPORTED;
use std::sync::atomic::{AtomicBool, Ordering};

/// The answer of an unsupported function.
pub fn refuse(name: &str, told: &AtomicBool) -> i32 {
    if !told.swap(true, Ordering::Relaxed) {
        eprintln!("vgpu: {name} is not supported; it returned cudaErrorNotSupported");
    }
    crate::call::note(NOT_SUPPORTED)
}

/// Exports unsupported functions.
#[macro_export]
macro_rules! unsupported {
    ($($name:ident;)*) => {$(
        #[doc = concat!("`", stringify!($name), "`: not supported.")]
        #[unsafe(no_mangle)]
        pub extern "C" fn $name() -> i32 {
            static TOLD: ::std::sync::atomic::AtomicBool = ::std::sync::atomic::AtomicBool::new(false);
            $crate::unsupported::refuse(stringify!($name), &TOLD)
        }
    )*};
}

/// `cudaChannelFormatDesc`.
#[repr(C)]
pub struct ChannelFormat {
    /// Bits of each component.
    pub bits: [i32; 4],
    /// `cudaChannelFormatKind`.
    pub kind: i32,
}

/// Describes an element of an array; a plain computation, which needs no support for arrays.
#[unsafe(no_mangle)]
pub extern "C" fn cudaCreateChannelDesc(x: i32, y: i32, z: i32, w: i32, kind: i32) -> ChannelFormat {
    ChannelFormat { bits: [x, y, z, w], kind }
}

unsupported! {
    cudaArrayGetInfo;
    cudaArrayGetMemoryRequirements;
    cudaArrayGetPlane;
    cudaArrayGetSparseProperties;
    cudaCreateSurfaceObject;
    cudaCreateTextureObject;
    cudaDestroyExternalMemory;
    cudaDestroyExternalSemaphore;
    cudaDestroySurfaceObject;
    cudaDestroyTextureObject;
    cudaDeviceFlushGPUDirectRDMAWrites;
    cudaDeviceGetNvSciSyncAttributes;
    cudaDeviceGetTexture1DLinearMaxWidth;
    cudaDeviceRegisterAsyncNotification;
    cudaDeviceUnregisterAsyncNotification;
    cudaEGLStreamConsumerAcquireFrame;
    cudaEGLStreamConsumerConnect;
    cudaEGLStreamConsumerConnectWithFlags;
    cudaEGLStreamConsumerDisconnect;
    cudaEGLStreamConsumerReleaseFrame;
    cudaEGLStreamProducerConnect;
    cudaEGLStreamProducerDisconnect;
    cudaEGLStreamProducerPresentFrame;
    cudaEGLStreamProducerReturnFrame;
    cudaEventCreateFromEGLSync;
    cudaExternalMemoryGetMappedBuffer;
    cudaExternalMemoryGetMappedMipmappedArray;
    cudaFreeArray;
    cudaFreeMipmappedArray;
    cudaGLGetDevices;
    cudaGLMapBufferObject;
    cudaGLMapBufferObjectAsync;
    cudaGLRegisterBufferObject;
    cudaGLSetBufferObjectMapFlags;
    cudaGLSetGLDevice;
    cudaGLUnmapBufferObject;
    cudaGLUnmapBufferObjectAsync;
    cudaGLUnregisterBufferObject;
    cudaGetChannelDesc;
    cudaGetMipmappedArrayLevel;
    cudaGetSurfaceObjectResourceDesc;
    cudaGetTextureObjectResourceDesc;
    cudaGetTextureObjectResourceViewDesc;
    cudaGetTextureObjectTextureDesc;
    cudaGraphAddExternalSemaphoresSignalNode;
    cudaGraphAddExternalSemaphoresWaitNode;
    cudaGraphConditionalHandleCreate;
    cudaGraphExecExternalSemaphoresSignalNodeSetParams;
    cudaGraphExecExternalSemaphoresWaitNodeSetParams;
    cudaGraphExecNodeSetParams;
    cudaGraphExternalSemaphoresSignalNodeGetParams;
    cudaGraphExternalSemaphoresSignalNodeSetParams;
    cudaGraphExternalSemaphoresWaitNodeGetParams;
    cudaGraphExternalSemaphoresWaitNodeSetParams;
    cudaGraphNodeSetParams;
    cudaGraphicsEGLRegisterImage;
    cudaGraphicsGLRegisterBuffer;
    cudaGraphicsGLRegisterImage;
    cudaGraphicsMapResources;
    cudaGraphicsResourceGetMappedEglFrame;
    cudaGraphicsResourceGetMappedMipmappedArray;
    cudaGraphicsResourceGetMappedPointer;
    cudaGraphicsResourceSetMapFlags;
    cudaGraphicsSubResourceGetMappedArray;
    cudaGraphicsUnmapResources;
    cudaGraphicsUnregisterResource;
    cudaGraphicsVDPAURegisterOutputSurface;
    cudaGraphicsVDPAURegisterVideoSurface;
    cudaImportExternalMemory;
    cudaImportExternalSemaphore;
    cudaMalloc3DArray;
    cudaMallocArray;
    cudaMallocMipmappedArray;
    cudaMemcpy2DArrayToArray;
    cudaMemcpy2DArrayToArray_ptds;
    cudaMemcpy2DFromArray;
    cudaMemcpy2DFromArrayAsync;
    cudaMemcpy2DFromArrayAsync_ptsz;
    cudaMemcpy2DFromArray_ptds;
    cudaMemcpy2DToArray;
    cudaMemcpy2DToArrayAsync;
    cudaMemcpy2DToArrayAsync_ptsz;
    cudaMemcpy2DToArray_ptds;
    cudaMemcpy3DBatchAsync;
    cudaMemcpy3DBatchAsync_ptsz;
    cudaMemcpy3DPeer;
    cudaMemcpy3DPeerAsync;
    cudaMemcpy3DPeerAsync_ptsz;
    cudaMemcpy3DPeer_ptds;
    cudaMemcpyArrayToArray;
    cudaMemcpyArrayToArray_ptds;
    cudaMemcpyBatchAsync;
    cudaMemcpyBatchAsync_ptsz;
    cudaMemcpyFromArray;
    cudaMemcpyFromArrayAsync;
    cudaMemcpyFromArrayAsync_ptsz;
    cudaMemcpyFromArray_ptds;
    cudaMemcpyToArray;
    cudaMemcpyToArrayAsync;
    cudaMemcpyToArrayAsync_ptsz;
    cudaMemcpyToArray_ptds;
    cudaMipmappedArrayGetMemoryRequirements;
    cudaMipmappedArrayGetSparseProperties;
    cudaOccupancyMaxActiveClusters;
    cudaOccupancyMaxPotentialClusterSize;
    cudaSignalExternalSemaphoresAsync;
    cudaSignalExternalSemaphoresAsync_ptsz;
    cudaVDPAUGetDevice;
    cudaVDPAUSetVDPAUDevice;
    cudaWaitExternalSemaphoresAsync;
    cudaWaitExternalSemaphoresAsync_ptsz;
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_answer_is_not_supported() {
        let result = std::thread::spawn(|| (super::cudaMallocArray(), crate::call::cudaGetLastError())).join();
        assert_eq!(result.expect("no panic"), (801, 801));
    }
}
