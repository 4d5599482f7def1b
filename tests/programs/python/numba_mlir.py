"""numba-cuda-mlir, the successor of numba-cuda: element-wise kernels, shared memory, atomics, streams."""

import warnings

import numpy as np
from numba_cuda_mlir import cuda

# The tests' grids are small.
warnings.simplefilter("ignore")


@cuda.jit
def add(a, b, c):
    i = cuda.grid(1)
    if i < c.size:
        c[i] = a[i] + b[i]


@cuda.jit
def block_sums(x, sums):
    part = cuda.shared.array(256, np.float32)
    t = cuda.threadIdx.x
    i = cuda.grid(1)
    part[t] = x[i] if i < x.size else np.float32(0)
    cuda.syncthreads()
    half = 128
    while half > 0:
        if t < half:
            part[t] += part[t + half]
        cuda.syncthreads()
        half //= 2
    if t == 0:
        sums[cuda.blockIdx.x] = part[0]


@cuda.jit
def histogram(x, bins):
    i = cuda.grid(1)
    if i < x.size:
        cuda.atomic.add(bins, x[i], 1)


def main():
    n = 10_000
    a = np.arange(n, dtype=np.float32)
    stream = cuda.stream()
    on_device = [cuda.to_device(a, stream=stream), cuda.to_device(2 * a, stream=stream)]
    result = cuda.device_array_like(on_device[0])
    add[(n + 255) // 256, 256, stream](*on_device, result)
    stream.synchronize()
    assert (result.copy_to_host() == 3 * a).all()

    blocks = (n + 255) // 256
    sums = cuda.device_array(blocks, np.float32)
    block_sums[blocks, 256](cuda.to_device(np.ones(n, np.float32)), sums)
    assert sums.copy_to_host().sum() == n

    keys = np.random.default_rng(1).integers(0, 16, n).astype(np.int32)
    bins = cuda.to_device(np.zeros(16, np.int32))
    histogram[blocks, 256](cuda.to_device(keys), bins)
    assert (bins.copy_to_host() == np.bincount(keys, minlength=16)).all()


main()
print("ok")
