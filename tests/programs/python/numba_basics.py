"""numba-cuda with its default settings: the programs of its documentation, each with its own check."""
import math

import numpy as np
from numba import cuda, float32, int32
from numba.cuda.random import create_xoroshiro128p_states, xoroshiro128p_uniform_float32


@cuda.jit
def add(a, b, c):
    i = cuda.grid(1)
    if i < c.size:
        c[i] = a[i] + b[i]


def vector_add():
    n = 100003
    a = np.arange(n, dtype=np.float32)
    b, c = a * 2, np.zeros_like(a)
    add[(n + 255) // 256, 256](a, b, c)
    assert (c == a + b).all()


TILE = 16


@cuda.jit
def matmul(a, b, c):
    sa = cuda.shared.array((TILE, TILE), float32)
    sb = cuda.shared.array((TILE, TILE), float32)
    x, y = cuda.grid(2)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    total = float32(0.0)
    for t in range(a.shape[1] // TILE):
        sa[ty, tx] = a[y, tx + t * TILE]
        sb[ty, tx] = b[ty + t * TILE, x]
        cuda.syncthreads()
        for k in range(TILE):
            total += sa[ty, k] * sb[k, tx]
        cuda.syncthreads()
    c[y, x] = total


def shared_matmul():
    n = 64
    rng = np.random.default_rng(1)
    a, b = (rng.integers(-4, 5, (n, n)).astype(np.float32) for _ in range(2))
    c = cuda.device_array((n, n), np.float32)
    matmul[(n // TILE, n // TILE), (TILE, TILE)](cuda.to_device(a), cuda.to_device(b), c)
    assert (c.copy_to_host() == a @ b).all()


@cuda.jit
def count(values, bins, largest):
    i = cuda.grid(1)
    if i < values.size:
        cuda.atomic.add(bins, values[i], 1)
        cuda.atomic.max(largest, 0, values[i])


def atomics():
    values = np.random.default_rng(2).integers(0, 100, 50000).astype(np.int32)
    bins, largest = np.zeros(100, np.int32), np.zeros(1, np.int32)
    count[200, 256](values, bins, largest)
    assert (bins == np.bincount(values, minlength=100)).all() and largest[0] == values.max()


@cuda.jit
def warp_sum(values, sums):
    i = cuda.grid(1)
    value = values[i]
    for step in (16, 8, 4, 2, 1):
        value += cuda.shfl_down_sync(0xFFFFFFFF, value, step)
    if i % 32 == 0:
        sums[i // 32] = value


def shuffles():
    values = np.arange(256, dtype=np.int32)
    sums = np.zeros(8, np.int32)
    warp_sum[2, 128](values, sums)
    assert (sums == values.reshape(8, 32).sum(1)).all()


@cuda.jit("void(int32[:,::1])")
def steps(table):
    column = cuda.grid(1)
    grid = cuda.cg.this_grid()
    for row in range(1, table.shape[0]):
        opposite = table.shape[1] - column - 1
        table[row, column] = table[row - 1, opposite] + 1
        grid.sync()


def grid_sync():
    table = np.zeros((20, 1024), np.int32)
    steps[4, 256](table)
    assert (table == np.arange(20)[:, None]).all()


@cuda.jit
def halves(a, b, c):
    i = cuda.grid(1)
    c[i] = cuda.fp16.hfma(a[i], b[i], a[i])


def half_precision():
    a = (np.arange(128) % 16).astype(np.float16)
    b = (np.arange(128) % 5).astype(np.float16)
    c = np.zeros_like(a)
    halves[1, 128](a, b, c)
    assert (c == a * b + a).all()


@cuda.jit
def monte_carlo(states, n, out):
    i = cuda.grid(1)
    inside = 0
    for _ in range(n):
        x = xoroshiro128p_uniform_float32(states, i)
        y = xoroshiro128p_uniform_float32(states, i)
        if x * x + y * y <= 1:
            inside += 1
    out[i] = 4 * inside / n


def random_numbers():
    out = np.zeros(512, np.float32)
    monte_carlo[4, 128](create_xoroshiro128p_states(512, seed=1), 500, out)
    # The standard error of the mean is 1.64 / sqrt(256000) = 0.0033.
    assert abs(out.mean() - math.pi) < 5 * 0.0033


def streams():
    stream = cuda.stream()
    host = cuda.pinned_array(4096, np.float32)
    host[:] = 1
    device = cuda.to_device(host, stream=stream)
    start, end = cuda.event(), cuda.event()
    start.record(stream)
    for _ in range(5):
        add[16, 256, stream](device, device, device)
    end.record(stream)
    device.copy_to_host(host, stream=stream)
    stream.synchronize()
    assert (host == 32).all() and cuda.event_elapsed_time(start, end) > 0


def managed_memory():
    data = cuda.managed_array(1000, np.float32)
    data[:] = 3
    add[4, 256](data, data, data)
    cuda.synchronize()
    assert (data == 6).all()


@cuda.jit
def scan(values):
    shared = cuda.shared.array(0, int32)
    i = cuda.threadIdx.x
    shared[i] = values[i]
    cuda.syncthreads()
    step = 1
    while step < cuda.blockDim.x:
        other = shared[i - step] if i >= step else 0
        cuda.syncthreads()
        shared[i] += other
        cuda.syncthreads()
        step *= 2
    values[i] = shared[i]


def dynamic_shared_memory():
    values = np.arange(512, dtype=np.int32)
    scan[1, 512, 0, 512 * 4](values)
    assert (values == np.cumsum(np.arange(512))).all()


for program in (
    vector_add, shared_matmul, atomics, shuffles, grid_sync, half_precision, random_numbers, streams, managed_memory,
    dynamic_shared_memory,
):
    program()
    print(program.__name__, flush=True)
print("ok")
