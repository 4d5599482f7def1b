"""Triton without torch: vector addition, softmax, a product with tl.dot, atomics."""
import numpy as np
import triton
import triton.language as tl
from cuda.bindings import driver as cu


def checked(result):
    assert result[0] == cu.CUresult.CUDA_SUCCESS, result[0]
    return result[1] if len(result) == 2 else result[1:]


class Array:
    """A NumPy array on the device, as Triton wants to see one: an address and an element type."""

    def __init__(self, host):
        self.host = np.ascontiguousarray(host)
        self.dtype = self.host.dtype.name
        self.address = checked(cu.cuMemAlloc(self.host.nbytes))
        checked(cu.cuMemcpyHtoD(self.address, self.host.ctypes.data, self.host.nbytes))

    def data_ptr(self):
        return int(self.address)

    def get(self):
        out = np.empty_like(self.host)
        checked(cu.cuMemcpyDtoH(out.ctypes.data, self.address, out.nbytes))
        return out


@triton.jit
def add(x, y, out, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = i < n
    tl.store(out + i, tl.load(x + i, mask=mask) + tl.load(y + i, mask=mask), mask=mask)


@triton.jit
def softmax(out, x, columns, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    i = tl.arange(0, BLOCK)
    values = tl.load(x + row * columns + i, mask=i < columns, other=-float("inf"))
    values = tl.exp(values - tl.max(values, axis=0))
    tl.store(out + row * columns + i, values / tl.sum(values, axis=0), mask=i < columns)


@triton.jit
def matmul(a, b, c, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    rm = tl.program_id(0) * BM + tl.arange(0, BM)
    rn = tl.program_id(1) * BN + tl.arange(0, BN)
    total = tl.zeros((BM, BN), dtype=tl.float32)
    for k in range(0, K, BK):
        rk = k + tl.arange(0, BK)
        left = tl.load(a + rm[:, None] * K + rk[None, :])
        right = tl.load(b + rk[:, None] * N + rn[None, :])
        total += tl.dot(left, right)
    tl.store(c + rm[:, None] * N + rn[None, :], total)


@triton.jit
def histogram(x, bins, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = i < n
    tl.atomic_add(bins + tl.load(x + i, mask=mask, other=0), 1, mask=mask)


checked(cu.cuInit(0))
checked(cu.cuCtxSetCurrent(checked(cu.cuDevicePrimaryCtxRetain(0))))
rng = np.random.default_rng(1)

n = 98432
x, y = rng.random(n, np.float32), rng.random(n, np.float32)
out = Array(np.zeros_like(x))
add[(triton.cdiv(n, 1024),)](Array(x), Array(y), out, n, BLOCK=1024)
assert (out.get() == x + y).all()
print("add", flush=True)

x = rng.standard_normal((50, 781)).astype(np.float32)
out = Array(np.zeros_like(x))
softmax[(50,)](out, Array(x), 781, BLOCK=1024)
e = np.exp(x.astype(np.float64) - x.max(1, keepdims=True))
assert np.allclose(out.get(), e / e.sum(1, keepdims=True), rtol=1e-5, atol=1e-7)
print("softmax", flush=True)

a, b = (rng.integers(-4, 5, (128, 128)).astype(np.float16) for _ in range(2))
out = Array(np.zeros((128, 128), np.float32))
matmul[(2, 2)](Array(a), Array(b), out, 128, 128, BM=64, BN=64, BK=32)
assert (out.get() == a.astype(np.float32) @ b.astype(np.float32)).all()
print("matmul", flush=True)

x = rng.integers(0, 64, 10000).astype(np.int32)
bins = Array(np.zeros(64, np.int32))
histogram[(10,)](Array(x), bins, 10000, BLOCK=1024)
assert (bins.get() == np.bincount(x, minlength=64)).all()
print("ok")
