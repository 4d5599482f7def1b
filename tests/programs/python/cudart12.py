"""The runtime library of CUDA 12 through ctypes, as tools do that bring no bindings: properties, memory, streams, events,
a library of PTX and its kernel, error codes."""

import array
import ctypes

RUNTIME = ctypes.CDLL("libcudart.so.12")
PTX = b"""
.version 7.8
.target sm_80
.address_size 64
.visible .entry scale(.param .u64 x, .param .u32 factor, .param .u32 n)
{
    .reg .pred %p<2>;
    .reg .b32 %r<9>;
    .reg .b64 %rd<4>;
    ld.param.u64 %rd1, [x];
    ld.param.u32 %r1, [factor];
    ld.param.u32 %r2, [n];
    mov.u32 %r3, %ctaid.x;
    mov.u32 %r4, %ntid.x;
    mov.u32 %r5, %tid.x;
    mad.lo.s32 %r6, %r3, %r4, %r5;
    setp.ge.u32 %p1, %r6, %r2;
    @%p1 bra DONE;
    mul.wide.u32 %rd2, %r6, 4;
    add.s64 %rd3, %rd1, %rd2;
    ld.global.u32 %r7, [%rd3];
    mul.lo.u32 %r8, %r7, %r1;
    st.global.u32 [%rd3], %r8;
DONE:
    ret;
}
"""
HOST_TO_DEVICE, DEVICE_TO_HOST = 1, 2
INVALID_VALUE = 1


class Dim3(ctypes.Structure):
    _fields_ = [("x", ctypes.c_uint), ("y", ctypes.c_uint), ("z", ctypes.c_uint)]


RUNTIME.cudaGetErrorName.restype = ctypes.c_char_p


def call(name, *args):
    code = getattr(RUNTIME, name)(*args)
    assert code == 0, f"{name}: {RUNTIME.cudaGetErrorName(code).decode()}"


def main():
    version, count = ctypes.c_int(), ctypes.c_int()
    call("cudaRuntimeGetVersion", ctypes.byref(version))
    assert 12000 <= version.value < 13000, version.value
    call("cudaGetDeviceCount", ctypes.byref(count))
    assert count.value >= 1

    # cudaDeviceProp of CUDA 12 has 1032 bytes; name, uuid and luid come first, then the size of the memory.
    properties = ctypes.create_string_buffer(2048)
    call("cudaGetDeviceProperties_v2", properties, 0)
    assert properties.value.startswith(b"vgpu"), properties.value
    assert int.from_bytes(properties.raw[288:296], "little") > 1 << 20
    assert not any(properties.raw[1032:]), "more was written than the structure holds"

    n = 10_000
    host = array.array("I", range(n))
    device, stream = ctypes.c_void_p(), ctypes.c_void_p()
    start, end = ctypes.c_void_p(), ctypes.c_void_p()
    call("cudaMalloc", ctypes.byref(device), ctypes.c_size_t(4 * n))
    call("cudaStreamCreate", ctypes.byref(stream))
    call("cudaEventCreate", ctypes.byref(start))
    call("cudaEventCreate", ctypes.byref(end))
    address = ctypes.c_void_p(host.buffer_info()[0])
    call("cudaMemcpyAsync", device, address, ctypes.c_size_t(4 * n), HOST_TO_DEVICE, stream)

    library, kernel = ctypes.c_void_p(), ctypes.c_void_p()
    call("cudaLibraryLoadData", ctypes.byref(library), PTX, None, None, 0, None, None, 0)
    call("cudaLibraryGetKernel", ctypes.byref(kernel), library, b"scale")
    factor, length = ctypes.c_uint(3), ctypes.c_uint(n)
    params = (ctypes.c_void_p * 3)(*(ctypes.cast(ctypes.byref(p), ctypes.c_void_p) for p in (device, factor, length)))
    call("cudaEventRecord", start, stream)
    call("cudaLaunchKernel", kernel, Dim3(40, 1, 1), Dim3(256, 1, 1), params, ctypes.c_size_t(0), stream)
    call("cudaEventRecord", end, stream)
    call("cudaMemcpyAsync", address, device, ctypes.c_size_t(4 * n), DEVICE_TO_HOST, stream)
    call("cudaStreamSynchronize", stream)
    assert list(host) == [3 * i for i in range(n)]
    milliseconds = ctypes.c_float(-1)
    call("cudaEventElapsedTime", ctypes.byref(milliseconds), start, end)
    assert milliseconds.value >= 0

    assert RUNTIME.cudaFree(ctypes.c_void_p(12345)) == INVALID_VALUE
    assert RUNTIME.cudaPeekAtLastError() == INVALID_VALUE
    assert RUNTIME.cudaGetLastError() == INVALID_VALUE and RUNTIME.cudaGetLastError() == 0
    call("cudaFree", device)
    call("cudaLibraryUnload", library)


main()
print("ok")
