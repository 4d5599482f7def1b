#!/usr/bin/env python3
"""PTX of Numba kernels (compiled here without a GPU) as case files: `python3 tests/cases/numba/make.py`.

Needs `pip install numba-cuda nvidia-nvvm nvidia-cuda-nvcc nvidia-cuda-nvrtc numpy`. An array parameter is seven PTX
parameters: meminfo, parent, item count, item size, data, shape, strides (shape and strides once per dimension).
"""
import math
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numba import cuda, float32, float64, int32, int64, uint8, uint32, types

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent))
from make_cases import case_header, strip_banner  # noqa: E402


def axpy(a, x, y):
    i = cuda.grid(1)
    if i < x.size:
        y[i] = a * x[i] + y[i]


def matmul(a, b, c):
    ta = cuda.shared.array((8, 8), float32)
    tb = cuda.shared.array((8, 8), float32)
    x, y = cuda.grid(2)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    s = float32(0)
    for k in range(0, a.shape[1], 8):
        ta[ty, tx] = a[y, k + tx] if y < a.shape[0] and k + tx < a.shape[1] else 0
        tb[ty, tx] = b[k + ty, x] if x < b.shape[1] and k + ty < b.shape[0] else 0
        cuda.syncthreads()
        for j in range(8):
            s += ta[ty, j] * tb[j, tx]
        cuda.syncthreads()
    if y < c.shape[0] and x < c.shape[1]:
        c[y, x] = s


def collatz(x, out):
    i = cuda.grid(1)
    if i >= x.size:
        return
    v = x[i]
    n = 0
    while v != 1:
        v = v // 2 if v % 2 == 0 else 3 * v + 1
        n += 1
        if n > 150:
            break
    out[i] = n


def reduce_max(x, out):
    s = cuda.shared.array(64, float64)
    t = cuda.threadIdx.x
    best = -np.inf
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        best = max(best, x[i])
    s[t] = best
    cuda.syncthreads()
    k = 32
    while k > 0:
        if t < k:
            s[t] = max(s[t], s[t + k])
        cuda.syncthreads()
        k //= 2
    if t == 0:
        cuda.atomic.max(out, 0, s[0])


def local_histogram(x, out):
    bins = cuda.local.array(10, int32)
    for k in range(10):
        bins[k] = 0
    t = cuda.threadIdx.x
    for i in range(t, x.size, cuda.blockDim.x):
        bins[x[i] % 10] += 1
    for k in range(10):
        cuda.atomic.add(out, k, bins[k])


def mathematics(x, out):
    i = cuda.grid(1)
    if i < x.size:
        v = x[i]
        out[i, 0] = math.sin(v) + math.cos(v)
        out[i, 1] = math.exp(v)
        out[i, 2] = math.log(v + 2)
        out[i, 3] = math.pow(v + 2, 1.5)
        out[i, 4] = math.floor(v * 10) % 3
        out[i, 5] = math.atan2(v, 1.0)


def warp_sum(x, out):
    v = x[cuda.grid(1)]
    for k in (16, 8, 4, 2, 1):
        v += cuda.shfl_down_sync(0xFFFFFFFF, v, k)
    if cuda.laneid == 0:
        out[cuda.grid(1) // 32] = v


def integers(x, out):
    i = cuda.grid(1)
    v = x[i]
    out[i, 0] = v // 7
    out[i, 1] = v % 7
    out[i, 2] = v >> 3
    out[i, 3] = (v * v) ^ 0x55
    out[i, 4] = cuda.popc(v) + cuda.clz(v)
    out[i, 5] = abs(v)


def array(name, direction, ty, shape, init=""):
    """Directives for an array parameter."""
    size = {"f32": 4, "f64": 8, "s32": 4, "u32": 4, "s64": 8, "u8": 1}[ty]
    n = math.prod(shape)
    strides = [size * math.prod(shape[k + 1:]) for k in range(len(shape))]
    lines = ["arg: u64 0", "arg: u64 0", f"arg: s64 {n}", f"arg: s64 {size}", f"arg: {direction} {name}: {ty}[{n}]" + (f" = {init}" if init else "")]
    return lines + [f"arg: s64 {extent}" for extent in shape] + [f"arg: s64 {stride}" for stride in strides]


f32, f64, s32, s64, u8 = float32, float64, int32, int64, uint8
CASES = [
    (axpy, (f32, f32[::1], f32[::1]), "grid=3 block=64", [
        ["arg: f32 2.5"], array("x", "in", "f32", [150], "random(1)"), array("y", "inout", "f32", [150], "random(2)"),
        ["compare: y rel(1e-6)", "numpy: y = 2.5 * x.astype(np.float64) + y"]]),
    (matmul, (f32[:, ::1], f32[:, ::1], f32[:, ::1]), "grid=3,3 block=8,8", [
        array("a", "in", "f32", [20, 30], "random(3)"), array("b", "in", "f32", [30, 19], "random(4)"),
        array("c", "out", "f32", [20, 19]),
        ["compare: c rel(1e-5)", "numpy: c = a.astype(np.float64).reshape(20, 30) @ b.astype(np.float64).reshape(30, 19)"]]),
    (collatz, (s64[::1], s32[::1]), "grid=2 block=96", [
        array("x", "in", "s64", [170], "iota(1, 1)"), array("out", "out", "s32", [170])]),
    (reduce_max, (f64[::1], f64[::1]), "grid=3 block=64", [
        array("x", "in", "f64", [1000], "random(5, -10, 10)"), array("out", "inout", "f64", [1], "-100"),
        ["numpy: out = np.array([x.max()])"]]),
    (local_histogram, (s32[::1], s32[::1]), "grid=1 block=48", [
        array("x", "in", "s32", [500], "random(6, 0, 1000)"), array("out", "inout", "s32", [10], "zeros"),
        ["numpy: out = np.bincount(x % 10, minlength=10)"]]),
    (mathematics, (f64[::1], f64[:, ::1]), "grid=2 block=40", [
        array("x", "in", "f64", [70], "random(7, -1, 3)"), array("out", "out", "f64", [70, 6]),
        ["compare: out tolerance(1e-13, 1e-14)",
         "numpy: out = np.stack([np.sin(x) + np.cos(x), np.exp(x), np.log(x + 2), (x + 2) ** 1.5, np.floor(x * 10) % 3, np.arctan2(x, 1)], axis=1)"]]),
    (warp_sum, (f32[::1], f32[::1]), "grid=2 block=64", [
        array("x", "in", "f32", [128], "random(8)"), array("out", "out", "f32", [4]),
        ["compare: out rel(1e-5)", "numpy: out = x.astype(np.float64).reshape(4, 32).sum(axis=1)"]]),
    (integers, (s32[::1], s32[:, ::1]), "grid=1 block=64", [
        array("x", "in", "s32", [64], "random(9)"), array("out", "out", "s32", [64, 6]),
        ["numpy: v = x.astype(np.int64); u = x.view(np.uint32)",
         "numpy: b = np.array([bin(k).count('1') + 32 - int(k).bit_length() for k in u])",
         "numpy: out = (np.stack([v // 7, v % 7, v >> 3, (v * v) ^ 0x55, b, np.abs(v)], axis=1) & 0xffffffff).astype(np.uint32).view(np.int32)"]]),
]


def main():
    for function, signature, launch, parts in CASES:
        ptx, _ = cuda.compile_ptx(function, signature, cc=(8, 0))
        kernel = ptx[ptx.index(".entry ") + 7:].split("(")[0].strip()
        lines = [f"//@ run: kernel={kernel} {launch}"] + [f"//@ {line}" for part in parts for line in part]
        out = HERE / f"{function.__name__}.ptx"
        header = case_header("make.py", lines, f"numba-cuda {version('numba-cuda')} sm_80", out)
        out.write_text(header + strip_banner(ptx))
        print(out.name)


if __name__ == "__main__":
    main()
