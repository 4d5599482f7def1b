/* The driver API's declarations that the tests use, as cuda.h has them, and checks that name what failed. */
#ifndef VGPU_TEST_DRIVER_H
#define VGPU_TEST_DRIVER_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int CUresult;
typedef int CUdevice;
typedef unsigned long long CUdeviceptr;
typedef struct CUctx_st *CUcontext;
typedef struct CUmod_st *CUmodule;
typedef struct CUfunc_st *CUfunction;
typedef struct CUlib_st *CUlibrary;
typedef struct CUkern_st *CUkernel;
typedef struct CUstream_st *CUstream;
typedef struct CUevent_st *CUevent;
typedef struct CUgraph_st *CUgraph;
typedef struct CUgraphNode_st *CUgraphNode;
typedef struct CUgraphExec_st *CUgraphExec;
typedef struct CUlinkState_st *CUlinkState;
typedef struct CUmemPool_st *CUmemoryPool;
typedef struct CUuserObject_st *CUuserObject;
typedef void (*CUhostFn)(void *);
typedef void (*CUstreamCallback)(CUstream, CUresult, void *);

typedef struct {
    size_t srcXInBytes, srcY;
    int srcMemoryType;
    const void *srcHost;
    CUdeviceptr srcDevice;
    void *srcArray;
    size_t srcPitch, dstXInBytes, dstY;
    int dstMemoryType;
    void *dstHost;
    CUdeviceptr dstDevice;
    void *dstArray;
    size_t dstPitch, WidthInBytes, Height;
} CUDA_MEMCPY2D;

typedef struct {
    size_t srcXInBytes, srcY, srcZ, srcLOD;
    int srcMemoryType;
    const void *srcHost;
    CUdeviceptr srcDevice;
    void *srcArray, *reserved0;
    size_t srcPitch, srcHeight;
    size_t dstXInBytes, dstY, dstZ, dstLOD;
    int dstMemoryType;
    void *dstHost;
    CUdeviceptr dstDevice;
    void *dstArray, *reserved1;
    size_t dstPitch, dstHeight, WidthInBytes, Height, Depth;
} CUDA_MEMCPY3D;

typedef struct {
    CUfunction func;
    unsigned gridDimX, gridDimY, gridDimZ, blockDimX, blockDimY, blockDimZ, sharedMemBytes;
    void **kernelParams, **extra;
    CUkernel kern;
    CUcontext ctx;
} CUDA_KERNEL_NODE_PARAMS;

typedef struct {
    CUdeviceptr dst;
    size_t pitch;
    unsigned value, elementSize;
    size_t width, height;
} CUDA_MEMSET_NODE_PARAMS;

typedef struct {
    CUhostFn fn;
    void *userData;
} CUDA_HOST_NODE_PARAMS;

typedef struct {
    int result;
    CUgraphNode errorNode, errorFromNode;
} CUgraphExecUpdateResultInfo;

typedef struct {
    int type, id;
} CUmemLocation;

typedef struct {
    int type, requestedHandleTypes;
    CUmemLocation location;
    void *win32HandleMetaData;
    unsigned char compressionType, gpuDirectRDMACapable;
    unsigned short usage;
    unsigned char reserved[4];
} CUmemAllocationProp;

typedef struct {
    CUmemLocation location;
    int flags;
} CUmemAccessDesc;

#define FUNCTIONS(F) \
    F(cuInit, (unsigned)) \
    F(cuDriverGetVersion, (int *)) \
    F(cuGetErrorName, (CUresult, const char **)) \
    F(cuGetErrorString, (CUresult, const char **)) \
    F(cuGetProcAddress_v2, (const char *, void **, int, unsigned long long, int *)) \
    F(cuGetExportTable, (const void **, const void *)) \
    F(cuDeviceGet, (CUdevice *, int)) \
    F(cuDeviceGetCount, (int *)) \
    F(cuDeviceGetName, (char *, int, CUdevice)) \
    F(cuDeviceGetAttribute, (int *, int, CUdevice)) \
    F(cuDeviceTotalMem_v2, (size_t *, CUdevice)) \
    F(cuDevicePrimaryCtxRetain, (CUcontext *, CUdevice)) \
    F(cuDevicePrimaryCtxRelease_v2, (CUdevice)) \
    F(cuDevicePrimaryCtxReset_v2, (CUdevice)) \
    F(cuDevicePrimaryCtxGetState, (CUdevice, unsigned *, int *)) \
    F(cuCtxCreate_v2, (CUcontext *, unsigned, CUdevice)) \
    F(cuCtxDestroy_v2, (CUcontext)) \
    F(cuCtxSetCurrent, (CUcontext)) \
    F(cuCtxGetCurrent, (CUcontext *)) \
    F(cuCtxPushCurrent_v2, (CUcontext)) \
    F(cuCtxPopCurrent_v2, (CUcontext *)) \
    F(cuCtxSynchronize, (void)) \
    F(cuModuleLoadData, (CUmodule *, const void *)) \
    F(cuModuleLoadDataEx, (CUmodule *, const void *, unsigned, int *, void **)) \
    F(cuModuleUnload, (CUmodule)) \
    F(cuModuleGetFunction, (CUfunction *, CUmodule, const char *)) \
    F(cuModuleGetGlobal_v2, (CUdeviceptr *, size_t *, CUmodule, const char *)) \
    F(cuLibraryLoadData, (CUlibrary *, const void *, int *, void **, unsigned, int *, void **, unsigned)) \
    F(cuLibraryUnload, (CUlibrary)) \
    F(cuLibraryGetKernel, (CUkernel *, CUlibrary, const char *)) \
    F(cuKernelGetFunction, (CUfunction *, CUkernel)) \
    F(cuLinkCreate_v2, (unsigned, int *, void **, CUlinkState *)) \
    F(cuLinkAddData_v2, (CUlinkState, int, void *, size_t, const char *, unsigned, int *, void **)) \
    F(cuLinkComplete, (CUlinkState, void **, size_t *)) \
    F(cuLinkDestroy, (CUlinkState)) \
    F(cuFuncGetAttribute, (int *, int, CUfunction)) \
    F(cuFuncSetAttribute, (CUfunction, int, int)) \
    F(cuOccupancyMaxActiveBlocksPerMultiprocessor, (int *, CUfunction, int, size_t)) \
    F(cuLaunchKernel, (CUfunction, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, CUstream, void **, void **)) \
    F(cuLaunchHostFunc, (CUstream, CUhostFn, void *)) \
    F(cuMemGetInfo_v2, (size_t *, size_t *)) \
    F(cuMemAlloc_v2, (CUdeviceptr *, size_t)) \
    F(cuMemAllocPitch_v2, (CUdeviceptr *, size_t *, size_t, size_t, unsigned)) \
    F(cuMemAllocManaged, (CUdeviceptr *, size_t, unsigned)) \
    F(cuMemFree_v2, (CUdeviceptr)) \
    F(cuMemHostAlloc, (void **, size_t, unsigned)) \
    F(cuMemFreeHost, (void *)) \
    F(cuMemHostRegister_v2, (void *, size_t, unsigned)) \
    F(cuMemHostUnregister, (void *)) \
    F(cuMemAllocAsync, (CUdeviceptr *, size_t, CUstream)) \
    F(cuMemFreeAsync, (CUdeviceptr, CUstream)) \
    F(cuMemcpy, (CUdeviceptr, CUdeviceptr, size_t)) \
    F(cuMemcpyHtoD_v2, (CUdeviceptr, const void *, size_t)) \
    F(cuMemcpyDtoH_v2, (void *, CUdeviceptr, size_t)) \
    F(cuMemcpyDtoD_v2, (CUdeviceptr, CUdeviceptr, size_t)) \
    F(cuMemcpyHtoDAsync_v2, (CUdeviceptr, const void *, size_t, CUstream)) \
    F(cuMemcpyDtoHAsync_v2, (void *, CUdeviceptr, size_t, CUstream)) \
    F(cuMemcpy2D_v2, (const CUDA_MEMCPY2D *)) \
    F(cuMemcpy3D_v2, (const CUDA_MEMCPY3D *)) \
    F(cuMemsetD8_v2, (CUdeviceptr, unsigned char, size_t)) \
    F(cuMemsetD16_v2, (CUdeviceptr, unsigned short, size_t)) \
    F(cuMemsetD32_v2, (CUdeviceptr, unsigned, size_t)) \
    F(cuMemsetD2D32_v2, (CUdeviceptr, size_t, unsigned, size_t, size_t)) \
    F(cuMemsetD32Async, (CUdeviceptr, unsigned, size_t, CUstream)) \
    F(cuPointerGetAttribute, (void *, int, CUdeviceptr)) \
    F(cuIpcGetMemHandle, (void *, CUdeviceptr)) \
    F(cuStreamCreate, (CUstream *, unsigned)) \
    F(cuStreamCreateWithPriority, (CUstream *, unsigned, int)) \
    F(cuStreamDestroy_v2, (CUstream)) \
    F(cuStreamSynchronize, (CUstream)) \
    F(cuStreamQuery, (CUstream)) \
    F(cuStreamWaitEvent, (CUstream, CUevent, unsigned)) \
    F(cuStreamAddCallback, (CUstream, CUstreamCallback, void *, unsigned)) \
    F(cuStreamGetPriority, (CUstream, int *)) \
    F(cuEventCreate, (CUevent *, unsigned)) \
    F(cuEventDestroy_v2, (CUevent)) \
    F(cuEventRecord, (CUevent, CUstream)) \
    F(cuEventQuery, (CUevent)) \
    F(cuEventSynchronize, (CUevent)) \
    F(cuEventElapsedTime, (float *, CUevent, CUevent)) \
    F(cuStreamBeginCapture_v2, (CUstream, int)) \
    F(cuStreamEndCapture, (CUstream, CUgraph *)) \
    F(cuStreamIsCapturing, (CUstream, int *)) \
    F(cuGraphCreate, (CUgraph *, unsigned)) \
    F(cuGraphDestroy, (CUgraph)) \
    F(cuGraphClone, (CUgraph *, CUgraph)) \
    F(cuGraphAddKernelNode_v2, (CUgraphNode *, CUgraph, const CUgraphNode *, size_t, const CUDA_KERNEL_NODE_PARAMS *)) \
    F(cuGraphAddMemsetNode, (CUgraphNode *, CUgraph, const CUgraphNode *, size_t, const CUDA_MEMSET_NODE_PARAMS *, CUcontext)) \
    F(cuGraphAddMemcpyNode, (CUgraphNode *, CUgraph, const CUgraphNode *, size_t, const CUDA_MEMCPY3D *, CUcontext)) \
    F(cuGraphAddHostNode, (CUgraphNode *, CUgraph, const CUgraphNode *, size_t, const CUDA_HOST_NODE_PARAMS *)) \
    F(cuGraphAddEmptyNode, (CUgraphNode *, CUgraph, const CUgraphNode *, size_t)) \
    F(cuGraphGetNodes, (CUgraph, CUgraphNode *, size_t *)) \
    F(cuGraphGetEdges, (CUgraph, CUgraphNode *, CUgraphNode *, size_t *)) \
    F(cuGraphNodeGetType, (CUgraphNode, int *)) \
    F(cuGraphInstantiateWithFlags, (CUgraphExec *, CUgraph, unsigned long long)) \
    F(cuGraphExecKernelNodeSetParams_v2, (CUgraphExec, CUgraphNode, const CUDA_KERNEL_NODE_PARAMS *)) \
    F(cuGraphExecUpdate_v2, (CUgraphExec, CUgraph, CUgraphExecUpdateResultInfo *)) \
    F(cuUserObjectCreate, (CUuserObject *, void *, CUhostFn, unsigned, unsigned)) \
    F(cuUserObjectRelease, (CUuserObject, unsigned)) \
    F(cuGraphRetainUserObject, (CUgraph, CUuserObject, unsigned, unsigned)) \
    F(cuGraphLaunch, (CUgraphExec, CUstream)) \
    F(cuGraphExecDestroy, (CUgraphExec)) \
    F(cuMemAddressReserve, (CUdeviceptr *, size_t, size_t, CUdeviceptr, unsigned long long)) \
    F(cuMemAddressFree, (CUdeviceptr, size_t)) \
    F(cuMemCreate, (unsigned long long *, size_t, const CUmemAllocationProp *, unsigned long long)) \
    F(cuMemRelease, (unsigned long long)) \
    F(cuMemMap, (CUdeviceptr, size_t, size_t, unsigned long long, unsigned long long)) \
    F(cuMemUnmap, (CUdeviceptr, size_t)) \
    F(cuMemSetAccess, (CUdeviceptr, size_t, const CUmemAccessDesc *, size_t)) \
    F(cuMemGetAllocationGranularity, (size_t *, const CUmemAllocationProp *, int))

#define DECLARE(name, params) CUresult name params;
FUNCTIONS(DECLARE)
#undef DECLARE

#define EXPECT(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: expected %s\n", __FILE__, __LINE__, #condition); \
            exit(1); \
        } \
    } while (0)

/* The call returns that code. */
#define STATUS(call, code) \
    do { \
        int status_ = (call); \
        if (status_ != (code)) { \
            fprintf(stderr, "%s:%d: %s returned %d, expected %d\n", __FILE__, __LINE__, #call, status_, (code)); \
            exit(1); \
        } \
    } while (0)

#define CHECK(call) STATUS(call, 0)

#endif
