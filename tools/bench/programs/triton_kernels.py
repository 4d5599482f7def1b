"""Triton kernels on the device against NumPy on the same task. Prints JSON: median times in milliseconds, taken in turns."""

import json
import sys
import time

import numpy as np
import triton
import triton.language as tl
from cuda.bindings import driver as cu
from triton.language.extra import libdevice

ROUNDS = 7


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
def gelu(x, out, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = i < n
    v = tl.load(x + i, mask=mask)
    inner = 0.7978845608 * (v + 0.044715 * v * v * v)
    tl.store(out + i, 0.5 * v * (1 + libdevice.tanh(inner)), mask=mask)


@triton.jit
def softmax(out, x, columns, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    i = tl.arange(0, BLOCK)
    values = tl.load(x + row * columns + i, mask=i < columns, other=-float("inf"))
    values = tl.exp(values - tl.max(values, axis=0))
    tl.store(out + row * columns + i, values / tl.sum(values, axis=0), mask=i < columns)


@triton.jit
def layer_norm(out, x, columns, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    i = tl.arange(0, BLOCK)
    mask = i < columns
    v = tl.load(x + row * columns + i, mask=mask, other=0.0)
    mean = tl.sum(v, axis=0) / columns
    centred = tl.where(mask, v - mean, 0.0)
    variance = tl.sum(centred * centred, axis=0) / columns
    tl.store(out + row * columns + i, centred / tl.sqrt(variance + 1e-5), mask=mask)


@triton.jit
def matmul(a, b, c, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    rm = tl.program_id(0) * BM + tl.arange(0, BM)
    rn = tl.program_id(1) * BN + tl.arange(0, BN)
    total = tl.zeros((BM, BN), dtype=tl.float32)
    for k in range(0, K, BK):
        rk = k + tl.arange(0, BK)
        left = tl.load(a + rm[:, None] * K + rk[None, :])
        right = tl.load(b + rk[:, None] * N + rn[None, :])
        total += tl.dot(left, right, input_precision="ieee")
    tl.store(c + rm[:, None] * N + rn[None, :], total)


def numpy_gelu(v):
    return 0.5 * v * (1 + np.tanh(np.float32(0.7978845608) * (v + np.float32(0.044715) * v * v * v)))


def numpy_softmax(v):
    e = np.exp(v - v.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def numpy_layer_norm(v):
    centred = v - v.mean(1, keepdims=True)
    return centred / np.sqrt((centred * centred).mean(1, keepdims=True) + np.float32(1e-5))


def tasks():
    """Name, a launch, its output, NumPy's way, tolerance."""
    rng = np.random.default_rng(1)
    n = 1 << 22
    x, y = rng.random(n, np.float32), rng.random(n, np.float32)
    dx, dy, out = Array(x), Array(y), Array(np.zeros_like(x))
    blocks = (triton.cdiv(n, 1024),)
    yield "add", lambda: add[blocks](dx, dy, out, n, BLOCK=1024), out, lambda: x + y, 1e-6
    yield "gelu", lambda: gelu[blocks](dx, out, n, BLOCK=1024), out, lambda: numpy_gelu(x), 1e-4
    rows = rng.standard_normal((2048, 1000), np.float32)
    d_rows, d_out = Array(rows), Array(np.zeros_like(rows))
    yield "softmax", lambda: softmax[(2048,)](d_out, d_rows, 1000, BLOCK=1024), d_out, lambda: numpy_softmax(rows), 1e-4
    normed = Array(np.zeros_like(rows))
    yield "layer_norm", lambda: layer_norm[(2048,)](normed, d_rows, 1000, BLOCK=1024), normed, lambda: numpy_layer_norm(rows), 1e-3
    m = 512
    a, b = rng.random((m, m), np.float32), rng.random((m, m), np.float32)
    da, db, dc = Array(a), Array(b), Array(np.zeros((m, m), np.float32))
    grid = (m // 64, m // 64)
    yield "matmul", lambda: matmul[grid](da, db, dc, m, m, BM=64, BN=64, BK=32), dc, lambda: a @ b, 1e-4


def timed(run):
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1e3


checked(cu.cuInit(0))
checked(cu.cuCtxSetCurrent(checked(cu.cuDevicePrimaryCtxRetain(0))))
results = []
for name, launch, out, reference, tolerance in tasks():

    def run():
        launch()
        checked(cu.cuCtxSynchronize())

    run()
    if not np.allclose(out.get(), reference(), rtol=tolerance, atol=tolerance):
        sys.exit(f"{name}: the device's result is wrong")
    pairs = [(timed(run), timed(reference)) for _ in range(ROUNDS)]
    ours, theirs = (float(np.median(times)) for times in zip(*pairs))
    results.append({"task": name, "vgpu_ms": ours, "numpy_ms": theirs})
print(json.dumps({"triton": triton.__version__, "numpy": np.__version__, "tasks": results}))
