/* vgpu: run CUDA kernels (PTX) on the processor. C and C++.
 *
 * Every function returns a vgpuError_t; the numbers and names are those of the CUDA driver API. The first call makes device 0
 * current. Launches and the functions with "Async" return when the work is enqueued; errors of kernels appear at the next
 * call that waits. Link with -lvgpu.
 */
#ifndef VGPU_RUNTIME_H
#define VGPU_RUNTIME_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Codes that programs ask for by name; vgpuGetErrorName knows all. */
typedef enum vgpuError {
    vgpuSuccess = 0,
    vgpuErrorInvalidValue = 1,
    vgpuErrorMemoryAllocation = 2,
    vgpuErrorInvalidDevice = 101,
    vgpuErrorInvalidImage = 200,
    vgpuErrorNoBinaryForGpu = 209,
    vgpuErrorInvalidPtx = 218,
    vgpuErrorFileNotFound = 301,
    vgpuErrorInvalidHandle = 400,
    vgpuErrorNotFound = 500,
    vgpuErrorNotReady = 600,
    vgpuErrorIllegalAddress = 700,
    vgpuErrorLaunchTimeout = 702,
    vgpuErrorAssert = 710,
    vgpuErrorLaunchFailure = 719,
    vgpuErrorNotSupported = 801,
    vgpuErrorUnknown = 999
} vgpuError_t;

typedef enum vgpuMemcpyKind {
    vgpuMemcpyHostToHost = 0,
    vgpuMemcpyHostToDevice = 1,
    vgpuMemcpyDeviceToHost = 2,
    vgpuMemcpyDeviceToDevice = 3,
    vgpuMemcpyDefault = 4
} vgpuMemcpyKind;

typedef struct vgpuStream_st *vgpuStream_t;
typedef struct vgpuEvent_st *vgpuEvent_t;
typedef struct vgpuModule_st *vgpuModule_t;
typedef struct vgpuKernel_st *vgpuKernel_t;

/* A shape. In C++ missing extents are 1, as in CUDA. */
#if defined(__VECTOR_TYPES_H__)
typedef dim3 vgpuDim3;
#else
typedef struct vgpuDim3 {
    unsigned x, y, z;
#ifdef __cplusplus
    vgpuDim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
#endif
} vgpuDim3;
#ifndef VGPU_NO_DIM3
typedef vgpuDim3 dim3;
#endif
#endif

typedef struct vgpuDeviceProp {
    char name[256];
    size_t totalGlobalMem;
    size_t sharedMemPerBlock;
    size_t totalConstMem;
    int major, minor;
    int multiProcessorCount;
    int maxThreadsPerBlock;
    int maxThreadsPerMultiProcessor;
    int maxThreadsDim[3];
    int maxGridSize[3];
    int warpSize;
    int clockRate;
    int l2CacheSize;
} vgpuDeviceProp;

/* Devices. vgpuInit is optional: every call initialises. */
vgpuError_t vgpuInit(unsigned flags);
vgpuError_t vgpuRuntimeGetVersion(int *version);
vgpuError_t vgpuGetDeviceCount(int *count);
vgpuError_t vgpuSetDevice(int device);
vgpuError_t vgpuGetDevice(int *device);
vgpuError_t vgpuGetDeviceProperties(vgpuDeviceProp *properties, int device);
vgpuError_t vgpuDeviceSynchronize(void);
/* Ends everything the process has on the current device, errors of kernels included. */
vgpuError_t vgpuDeviceReset(void);

/* Errors. The last error is per thread; GetLastError clears it. */
vgpuError_t vgpuGetLastError(void);
vgpuError_t vgpuPeekAtLastError(void);
const char *vgpuGetErrorName(vgpuError_t error);
const char *vgpuGetErrorString(vgpuError_t error);

/* Memory. Managed memory has the same address for the host. */
vgpuError_t vgpuMalloc(void **pointer, size_t bytes);
vgpuError_t vgpuMallocManaged(void **pointer, size_t bytes);
vgpuError_t vgpuFree(void *pointer);
vgpuError_t vgpuMallocHost(void **pointer, size_t bytes);
vgpuError_t vgpuFreeHost(void *pointer);
vgpuError_t vgpuMemGetInfo(size_t *free_bytes, size_t *total_bytes);
vgpuError_t vgpuMemcpy(void *to, const void *from, size_t bytes, vgpuMemcpyKind kind);
vgpuError_t vgpuMemcpyAsync(void *to, const void *from, size_t bytes, vgpuMemcpyKind kind, vgpuStream_t stream);
vgpuError_t vgpuMemset(void *to, int value, size_t bytes);
vgpuError_t vgpuMemsetAsync(void *to, int value, size_t bytes, vgpuStream_t stream);

/* Streams and events. Stream 0 is ordered with all others. */
vgpuError_t vgpuStreamCreate(vgpuStream_t *stream);
vgpuError_t vgpuStreamDestroy(vgpuStream_t stream);
vgpuError_t vgpuStreamSynchronize(vgpuStream_t stream);
vgpuError_t vgpuStreamQuery(vgpuStream_t stream);
vgpuError_t vgpuStreamWaitEvent(vgpuStream_t stream, vgpuEvent_t event, unsigned flags);
vgpuError_t vgpuLaunchHostFunc(vgpuStream_t stream, void (*function)(void *), void *data);
vgpuError_t vgpuEventCreate(vgpuEvent_t *event);
vgpuError_t vgpuEventDestroy(vgpuEvent_t event);
vgpuError_t vgpuEventRecord(vgpuEvent_t event, vgpuStream_t stream);
vgpuError_t vgpuEventSynchronize(vgpuEvent_t event);
vgpuError_t vgpuEventQuery(vgpuEvent_t event);
vgpuError_t vgpuEventElapsedTime(float *milliseconds, vgpuEvent_t start, vgpuEvent_t end);

/* Modules: PTX text or a file with it. */
vgpuError_t vgpuModuleLoad(vgpuModule_t *module, const char *path);
vgpuError_t vgpuModuleLoadData(vgpuModule_t *module, const char *ptx);
vgpuError_t vgpuModuleUnload(vgpuModule_t module);
vgpuError_t vgpuModuleGetKernel(vgpuKernel_t *kernel, vgpuModule_t module, const char *name);
vgpuError_t vgpuModuleGetGlobal(void **pointer, size_t *bytes, vgpuModule_t module, const char *name);

/* Launches; args points to one pointer per parameter. */
vgpuError_t vgpuLaunchKernel(vgpuKernel_t kernel, vgpuDim3 grid, vgpuDim3 block, void **args);
vgpuError_t vgpuLaunchKernelEx(vgpuKernel_t kernel, vgpuDim3 grid, vgpuDim3 block, void **args, size_t shared_bytes,
                               vgpuStream_t stream);
vgpuError_t vgpuLaunchCooperativeKernel(vgpuKernel_t kernel, vgpuDim3 grid, vgpuDim3 block, void **args,
                                        size_t shared_bytes, vgpuStream_t stream);

#ifdef __cplusplus
}
#endif

#endif
