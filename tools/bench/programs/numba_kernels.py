"""The same tasks as Numba kernels for the device and as Numba loops for the processor (`prange`), in one process.

Prints JSON: for each task the median times in milliseconds, taken in turns. `simulator` runs the kernels on Numba's own
simulator instead, on sizes that it can do, and prints times per element.
"""

import json
import math
import sys
import time
import warnings

import numba
import numpy as np
from numba import cuda, njit, prange

warnings.simplefilter("ignore")
ROUNDS = 7


@cuda.jit
def saxpy_device(a, x, y):
    i = cuda.grid(1)
    if i < x.size:
        y[i] = a * x[i] + y[i]


@njit(parallel=True, fastmath=True)
def saxpy_host(a, x, y):
    for i in prange(x.size):
        y[i] = a * x[i] + y[i]


@cuda.jit(fastmath=True)
def option_device(spot, strike, years, call):
    i = cuda.grid(1)
    if i < spot.size:
        root = math.sqrt(years[i])
        d1 = (math.log(spot[i] / strike[i]) + np.float32(0.065) * years[i]) / (np.float32(0.3) * root)
        d2 = d1 - np.float32(0.3) * root
        half = np.float32(0.5)
        over = np.float32(0.70710678)
        n1 = half * (np.float32(1) + math.erf(d1 * over))
        n2 = half * (np.float32(1) + math.erf(d2 * over))
        call[i] = spot[i] * n1 - strike[i] * math.exp(np.float32(-0.02) * years[i]) * n2


@njit(parallel=True, fastmath=True)
def option_host(spot, strike, years, call):
    for i in prange(spot.size):
        root = math.sqrt(years[i])
        d1 = (math.log(spot[i] / strike[i]) + np.float32(0.065) * years[i]) / (np.float32(0.3) * root)
        d2 = d1 - np.float32(0.3) * root
        half = np.float32(0.5)
        over = np.float32(0.70710678)
        n1 = half * (np.float32(1) + math.erf(d1 * over))
        n2 = half * (np.float32(1) + math.erf(d2 * over))
        call[i] = spot[i] * n1 - strike[i] * math.exp(np.float32(-0.02) * years[i]) * n2


@cuda.jit
def mandelbrot_device(out, limit):
    x, y = cuda.grid(2)
    if x < out.shape[1] and y < out.shape[0]:
        re = np.float32(-2) + np.float32(3) * np.float32(x) / np.float32(out.shape[1])
        im = np.float32(-1) + np.float32(2) * np.float32(y) / np.float32(out.shape[0])
        a, b, n = np.float32(0), np.float32(0), 0
        while n < limit and a * a + b * b < np.float32(4):
            a, b = a * a - b * b + re, np.float32(2) * a * b + im
            n += 1
        out[y, x] = n


@njit(parallel=True, fastmath=True)
def mandelbrot_host(out, limit):
    for y in prange(out.shape[0]):
        for x in range(out.shape[1]):
            re = np.float32(-2) + np.float32(3) * np.float32(x) / np.float32(out.shape[1])
            im = np.float32(-1) + np.float32(2) * np.float32(y) / np.float32(out.shape[0])
            a, b, n = np.float32(0), np.float32(0), 0
            while n < limit and a * a + b * b < np.float32(4):
                a, b = a * a - b * b + re, np.float32(2) * a * b + im
                n += 1
            out[y, x] = n


TILE = 16


@cuda.jit
def matmul_device(a, b, c):
    left = cuda.shared.array((TILE, TILE), np.float32)
    right = cuda.shared.array((TILE, TILE), np.float32)
    x, y = cuda.grid(2)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    total = np.float32(0)
    for k in range(0, a.shape[1], TILE):
        left[ty, tx] = a[y, k + tx]
        right[ty, tx] = b[k + ty, x]
        cuda.syncthreads()
        for j in range(TILE):
            total += left[ty, j] * right[j, tx]
        cuda.syncthreads()
    c[y, x] = total


@njit(parallel=True, fastmath=True)
def matmul_host(a, b, c):
    for y in prange(c.shape[0]):
        for x in range(c.shape[1]):
            c[y, x] = 0
        for k in range(a.shape[1]):
            for x in range(c.shape[1]):
                c[y, x] += a[y, k] * b[k, x]


@cuda.jit
def bodies_device(position, force):
    i = cuda.grid(1)
    part = cuda.shared.array((3, 128), np.float32)
    t = cuda.threadIdx.x
    x, y, z = position[0, i], position[1, i], position[2, i]
    fx, fy, fz = np.float32(0), np.float32(0), np.float32(0)
    for tile in range(0, position.shape[1], 128):
        for axis in range(3):
            part[axis, t] = position[axis, tile + t]
        cuda.syncthreads()
        for j in range(128):
            dx, dy, dz = part[0, j] - x, part[1, j] - y, part[2, j] - z
            square = dx * dx + dy * dy + dz * dz + np.float32(0.01)
            weight = np.float32(1) / (square * math.sqrt(square))
            fx += dx * weight
            fy += dy * weight
            fz += dz * weight
        cuda.syncthreads()
    force[0, i], force[1, i], force[2, i] = fx, fy, fz


@njit(parallel=True, fastmath=True)
def bodies_host(position, force):
    for i in prange(position.shape[1]):
        x, y, z = position[0, i], position[1, i], position[2, i]
        fx, fy, fz = np.float32(0), np.float32(0), np.float32(0)
        for j in range(position.shape[1]):
            dx, dy, dz = position[0, j] - x, position[1, j] - y, position[2, j] - z
            square = dx * dx + dy * dy + dz * dz + np.float32(0.01)
            weight = np.float32(1) / (square * math.sqrt(square))
            fx += dx * weight
            fy += dy * weight
            fz += dz * weight
        force[0, i], force[1, i], force[2, i] = fx, fy, fz


@cuda.jit
def stencil_device(x, y):
    j, i = cuda.grid(2)
    if 0 < i < x.shape[0] - 1 and 0 < j < x.shape[1] - 1:
        y[i, j] = np.float32(0.25) * (x[i - 1, j] + x[i + 1, j] + x[i, j - 1] + x[i, j + 1])


@njit(parallel=True, fastmath=True)
def stencil_host(x, y):
    for i in prange(1, x.shape[0] - 1):
        for j in range(1, x.shape[1] - 1):
            y[i, j] = np.float32(0.25) * (x[i - 1, j] + x[i + 1, j] + x[i, j - 1] + x[i, j + 1])


def tasks(small):
    """Name, device kernel, host function, grid, block, arguments, index of the result, tolerance."""
    rng = np.random.default_rng(1)

    def random(*shape):
        return rng.random(shape, np.float32) + np.float32(0.5)

    def flat(n, block=256):
        return (n + block - 1) // block, block

    def square(n):
        return (n // 16, n // 16), (16, 16)

    n = 1 << 10 if small else 1 << 22
    yield "saxpy", saxpy_device, saxpy_host, *flat(n), [np.float32(2), random(n), random(n)], 2, 1e-5
    n = 1 << 10 if small else 1 << 21
    yield "black_scholes", option_device, option_host, *flat(n), [random(n), random(n), random(n), np.zeros(n, np.float32)], 3, 1e-3
    n = 32 if small else 1024
    yield "mandelbrot", mandelbrot_device, mandelbrot_host, *square(n), [np.zeros((n, n), np.int32), 64 if small else 256], 0, None
    n = 32 if small else 512
    yield "matmul", matmul_device, matmul_host, *square(n), [random(n, n), random(n, n), np.zeros((n, n), np.float32)], 2, 1e-4
    n = 128 if small else 8192
    yield "bodies", bodies_device, bodies_host, *flat(n, 128), [random(3, n), np.zeros((3, n), np.float32)], 1, 2e-3
    n = 32 if small else 2048
    yield "stencil", stencil_device, stencil_host, *square(n), [random(n, n), np.zeros((n, n), np.float32)], 1, 1e-5


def timed(run):
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1e3


def agree(name, got, wanted, tolerance):
    if tolerance is None:
        # Contracted and separate roundings leave the set one step apart at its border.
        good = (got != wanted).mean() < 0.01
    else:
        good = np.allclose(got, wanted, rtol=tolerance, atol=tolerance)
    if not good:
        sys.exit(f"{name}: the device's result is wrong")


def compare():
    results = []
    for name, device, host, grid, block, args, result, tolerance in tasks(small=False):
        on_device = [cuda.to_device(arg) if isinstance(arg, np.ndarray) else arg for arg in args]
        on_host = [arg.copy() if isinstance(arg, np.ndarray) else arg for arg in args]

        def run_device():
            device[grid, block](*on_device)
            cuda.synchronize()

        run_device()
        host(*on_host)
        agree(name, on_device[result].copy_to_host(), on_host[result], tolerance)
        pairs = [(timed(run_device), timed(lambda: host(*on_host))) for _ in range(ROUNDS)]
        ours, theirs = (float(np.median(times)) for times in zip(*pairs))
        results.append({"task": name, "vgpu_ms": ours, "prange_ms": theirs})
    print(json.dumps({"numba": numba.__version__, "threads": numba.get_num_threads(), "tasks": results}))


def per_element():
    results = {}
    for name, device, _host, grid, block, args, result, _tolerance in tasks(small=True):
        times = []
        for _ in range(3):
            on_device = [cuda.to_device(arg) if isinstance(arg, np.ndarray) else arg for arg in args]
            times.append(timed(lambda: (device[grid, block](*on_device), cuda.synchronize())))
        results[name] = min(times) / args[result].size
    print(json.dumps(results))


per_element() if sys.argv[1:] == ["small"] else compare()
