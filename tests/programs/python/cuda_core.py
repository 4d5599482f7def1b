"""cuda.core and cuda.bindings: C++ compiled at run time to what would be machine code, launched, timed."""
import numpy as np
from cuda.bindings import driver as cu
from cuda.core import Device, EventOptions, LaunchConfig, Program, ProgramOptions, launch

SOURCE = """
template<typename T>
__global__ void saxpy(const T a, const T* x, const T* y, T* out, size_t n) {
    for (size_t i = threadIdx.x + blockIdx.x * (size_t)blockDim.x; i < n; i += (size_t)gridDim.x * blockDim.x)
        out[i] = a * x[i] + y[i];
}
"""


def checked(result):
    assert result[0] == cu.CUresult.CUDA_SUCCESS, result[0]
    return result[1] if len(result) == 2 else result[1:]


device = Device(0)
device.set_current()
stream = device.create_stream()
arch = "".join(str(part) for part in device.compute_capability)
program = Program(SOURCE, code_type="c++", options=ProgramOptions(std="c++17", arch=f"sm_{arch}"))
module = program.compile("cubin", name_expressions=("saxpy<float>", "saxpy<double>"))
for dtype, name in ((np.float32, "saxpy<float>"), (np.float64, "saxpy<double>")):
    kernel = module.get_kernel(name)
    n = 10001
    x, y = np.arange(n).astype(dtype), np.ones(n, dtype)
    dx, dy, out = (device.allocate(x.nbytes, stream=stream) for _ in range(3))
    checked(cu.cuMemcpyHtoDAsync(int(dx.handle), x.ctypes.data, x.nbytes, stream.handle))
    checked(cu.cuMemcpyHtoDAsync(int(dy.handle), y.ctypes.data, y.nbytes, stream.handle))
    launch(stream, LaunchConfig(grid=32, block=128), kernel, dtype(2), dx, dy, out, np.uint64(n))
    result = np.empty_like(x)
    checked(cu.cuMemcpyDtoHAsync(result.ctypes.data, int(out.handle), x.nbytes, stream.handle))
    stream.sync()
    assert (result == 2 * x + y).all()
start, end = (device.create_event(options=EventOptions(timing_enabled=True)) for _ in range(2))
stream.record(start)
stream.record(end)
end.sync()
assert end - start >= 0
print("ok")
