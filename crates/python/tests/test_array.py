"""The array object: sharing memory, putting work off, errors."""

import pickle

import numpy as np
import pytest

import vgpu


@pytest.fixture
def fused():
    with vgpu.fusion_threshold(0):
        yield


def test_memory_is_shared_with_numpy():
    x = vgpu.asarray([[1.0, 2.0], [3.0, 4.0]])
    view = np.asarray(x)
    view[0, 1] = 20.0
    assert x[0, 1] == 20.0 and np.asarray(x[:, 1]).tolist() == [20.0, 4.0]
    base = np.arange(12.0).reshape(3, 4)
    for shared in (vgpu.asarray(base[::-1, ::2], copy=False), vgpu.from_dlpack(base[::-1, ::2])):
        shared[0, 0] = -1.0
        assert base[2, 0] == -1.0
        base[2, 0] = 8.0
        assert shared.tolist() == base[::-1, ::2].tolist()
    copied = vgpu.asarray(base)
    base[0, 0] = 100.0
    assert copied[0, 0] == 0.0
    back = np.from_dlpack(x)
    back[1, 1] = 7.0
    assert x[1, 1] == 7.0
    assert memoryview(x).shape == (2, 2) and memoryview(x).format == "d"
    with pytest.raises(ValueError, match="a copy is needed"):
        vgpu.asarray([1, 2], copy=False)


def test_memory_outlives_its_makers():
    x = vgpu.from_dlpack(np.arange(1000.0))
    view = np.asarray(vgpu.arange(1000))
    assert float(vgpu.sum(x)) == 499500.0 and view.sum() == 499500
    kept = np.from_dlpack(vgpu.arange(5))
    assert kept.tolist() == [0, 1, 2, 3, 4]


def test_read_only_memory():
    x = vgpu.asarray(b"abc", copy=False)
    assert x.tolist() == [97, 98, 99] and x.dtype == vgpu.uint8
    with pytest.raises(ValueError, match="read-only"):
        x[0] = 1
    assert not memoryview(vgpu.asarray(np.arange(3), copy=False)).readonly
    with pytest.raises(TypeError, match="format"):
        vgpu.asarray(np.zeros(2, dtype=">f4"))


def test_numpy_types():
    for name in ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64",
                 "complex64", "complex128"):
        x = np.array([0, 1, 1], dtype=name)
        for made in (vgpu.asarray(x), vgpu.from_dlpack(x)):
            assert made.dtype.name == name
            for back in (np.asarray(made), np.from_dlpack(made)):
                assert back.dtype == x.dtype and (back == x).all()
    assert vgpu.asarray(np.float32(2.5)).dtype == vgpu.float32


def test_a_chain_is_one_kernel(fused):
    a, x, b = (vgpu.asarray(np.linspace(-3, 3, 1000, dtype=np.float32) + i) for i in range(3))
    before = vgpu.fused_launches()
    y = vgpu.tanh(a * x + b) * vgpu.nn.gelu(x)
    assert vgpu.fused_launches() == before and not y.is_ready
    found = np.asarray(y)
    assert vgpu.fused_launches() == before + 1
    a, x, b = (np.asarray(part).astype(np.float64) for part in (a, x, b))
    from math import erf

    expected = np.tanh(a * x + b) * x / 2 * (1 + np.array([erf(v / 2**0.5) for v in x]))
    # The argument of tanh is up to 17 and is rounded to single precision.
    np.testing.assert_allclose(found, expected, rtol=0, atol=5e-6)


def test_expressions_see_their_inputs_as_they_were(fused):
    x = vgpu.arange(10.0)
    y = x * 2.0 + 1.0
    part = x[2:5] + 10.0
    x[3] = 100.0
    assert y[3] == 7.0 and part.tolist() == [12.0, 13.0, 14.0]
    z = x + 1.0
    x += 5.0
    assert z[3] == 101.0 and x[3] == 105.0
    # Once NumPy can write the memory, nothing is put off.
    w = x + 1.0
    np.asarray(x)[3] = 0.0
    assert w[3] == 106.0
    later = x + 1.0
    assert later.is_ready
    np.asarray(x)[3] = 50.0
    assert later[3] == 1.0


def test_deep_graphs_are_cut(fused):
    x = vgpu.zeros(100)
    y = x
    for _ in range(1000):
        y = y + 1.0
    assert (np.asarray(y) == 1000).all()
    y = vgpu.ones(10)
    for _ in range(60):
        y = y + y
    assert float(y[0]) == 2.0**60
    total = vgpu.zeros(10)
    for i in range(40):
        total = total + vgpu.full(10, float(i))
    assert float(total[0]) == 780.0


def test_inputs_do_not_live_longer_than_needed(fused):
    before = vgpu.Device(0).mem_info[0]
    x = vgpu.zeros(1 << 20)
    # Ten gigabytes, if results held what they were made of.
    for i in range(1200):
        x = x + 1.0
        if i % 3 == 0:
            x[0]
    assert float(x[5]) == 1200.0
    assert before - vgpu.Device(0).mem_info[0] < 1 << 30


def test_eager():
    x = vgpu.ones(5)
    with vgpu.eager():
        assert (x + 1.0).is_ready
    assert not (x + 1.0).is_ready


@pytest.mark.parametrize("shape", [(300, 700), (3, 5, 700), (70000, 3), (1, 1, 4), (2, 3, 4, 5)])
def test_fused_layouts(fused, shape):
    """Rows, columns, transposed and reversed operands and ones that are repeated, in one expression."""
    rng = np.random.default_rng(5)
    x = rng.standard_normal(shape).astype(np.float32)
    row, column = x[..., :1, :].copy(), x[..., :1].copy()
    turned = np.ascontiguousarray(x.T).T
    flipped = x[..., ::-1]
    mine = [vgpu.from_dlpack(part) for part in (x, row, column, turned, flipped)]
    with vgpu.eager(False):
        a, b, c, d, e = (vgpu.asarray(part, copy=True) for part in (x, row, column, turned, flipped))
        found = a * b + c - vgpu.asarray(x)[..., ::-1] * 2.0
        np.testing.assert_allclose(np.asarray(found), x * row + column - flipped * 2, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(np.asarray(a + d + e), x + turned + flipped, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(np.asarray(c + 1.0 + b * 0.5), column + 1 + row * 0.5, rtol=1e-5)
    found = mine[0] * mine[1] + mine[2] - mine[4] + mine[3]
    np.testing.assert_allclose(np.asarray(found), x * row + column - flipped + turned, rtol=1e-5, atol=1e-5)


def test_many_rows(fused):
    x = vgpu.asarray(np.arange(70000 * 256, dtype=np.int32).reshape(70000, 256))
    y = vgpu.asarray(np.arange(256, dtype=np.int32))
    found = np.asarray(x + y)
    assert (found == np.arange(70000 * 256, dtype=np.int32).reshape(70000, 256) + np.arange(256, dtype=np.int32)).all()


def test_numbers_and_arrays():
    x = vgpu.asarray([1, 2], dtype=vgpu.int8)
    assert (x + 1).dtype == vgpu.int8 and (1 - x).tolist() == [0, -1]
    with pytest.raises(OverflowError, match="300 does not fit int8"):
        x + 300
    with pytest.raises(TypeError, match="a Python float does not go with an array of int8"):
        x * 0.5
    with pytest.raises(TypeError, match="int8 and float64 do not promote"):
        x + vgpu.zeros(2)
    with pytest.raises(TypeError, match="divide is not defined for int8"):
        x / x
    with pytest.raises(TypeError):
        x + np.ones(2)
    with pytest.raises(ValueError, match="cannot be broadcast together"):
        vgpu.zeros(2) + vgpu.zeros(3)
    assert bool(vgpu.asarray(True)) and int(vgpu.asarray(3)) == 3 and [1, 2, 3][vgpu.asarray(1)] == 2
    with pytest.raises(TypeError, match="without dimensions"):
        bool(vgpu.zeros(2))
    x = vgpu.arange(3)
    x *= 2
    assert x.tolist() == [0, 2, 4] and (x @ x).item() == 20
    with pytest.raises(TypeError, match="float64 cannot be put into an array of int64"):
        x[0] = vgpu.asarray(0.5)


def test_text():
    assert repr(vgpu.asarray([1, 2])) == "vgpu.Array([1, 2], shape=(2,), dtype=int64)"
    assert repr(vgpu.arange(100)) == "vgpu.Array([0, 1, 2, ..., 97, 98, 99], shape=(100,), dtype=int64)"
    assert repr(vgpu.float32) == "vgpu.float32" and "float64" in repr(vgpu.zeros((0, 3)))


def test_pickle():
    x = vgpu.asarray([[1.5, 2.5], [3.5, 4.5]]).T
    back = pickle.loads(pickle.dumps(x))
    assert back.tolist() == x.tolist() and back.dtype == x.dtype
    assert pickle.loads(pickle.dumps(vgpu.zeros((0, 2)))).shape == (0, 2)


def test_limits():
    with pytest.raises(MemoryError):
        vgpu.empty(1 << 58, dtype=vgpu.int8)
    with pytest.raises(ValueError, match="more elements than can be addressed"):
        vgpu.empty((1 << 40, 1 << 40))
    with pytest.raises(ValueError, match="more bytes than can be addressed"):
        vgpu.empty(1 << 61)
    with pytest.raises(ValueError, match="more elements than can be addressed"):
        vgpu.broadcast_to(vgpu.zeros(1), (1 << 40, 1 << 40))
    assert vgpu.zeros((0, 1 << 62)).size == 0
    with pytest.raises(ValueError, match="found extent -1"):
        vgpu.zeros(-1)
    with pytest.raises(TypeError, match="expected ints"):
        vgpu.zeros((1.5,))
    huge = vgpu.broadcast_to(vgpu.zeros(1), (1 << 50,))
    with pytest.raises(MemoryError):
        (huge + 1.0)[0]


def test_kernels_take_arrays(scale_text):
    x = vgpu.asarray(np.ones(256, dtype=np.float32))
    y = x + 1.0
    kernel = vgpu.RawKernel(scale_text, "scale")
    kernel(1, 256, (y, 3.0, 256))
    # Looking at an array waits for the kernels that may write it.
    assert (np.asarray(y) == 6).all()
    with pytest.raises(BufferError, match="not contiguous"):
        kernel(1, 1, (vgpu.zeros((2, 2)).T, 1.0, 1))
    device = vgpu.Device(0)
    memory = device.malloc(1024)
    device.memcpy(memory, y)
    assert device.matmul(vgpu.eye(2), vgpu.ones((2, 2))).tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_random():
    one, other = vgpu.random.Generator(7), vgpu.random.Generator(7)
    assert one.uniform(10).tolist() == other.uniform(10).tolist()
    assert one.uniform(10).tolist() != vgpu.random.Generator(8).uniform(10).tolist()
    big = np.asarray(vgpu.random.default_rng(1).uniform((100, 1000)))
    assert 0 < big.min() and big.max() <= 1 and abs(big.mean() - 0.5) < 0.01
    normal = np.asarray(vgpu.random.default_rng(2).normal(100001, mean=3.0, std=2.0))
    assert normal.shape == (100001,) and abs(normal.mean() - 3) < 0.05 and abs(normal.std() - 2) < 0.05
    doubles = np.asarray(vgpu.random.default_rng(3).uniform(10000, low=-1.0, high=1.0, dtype=vgpu.float64))
    assert doubles.dtype == np.float64 and abs(doubles.mean()) < 0.05 and doubles.min() > -1
    numbers = np.asarray(vgpu.random.default_rng(4).integers(-3, 4, 10000))
    assert set(numbers.tolist()) == set(range(-3, 4))
    vgpu.random.seed(9)
    first = vgpu.random.normal((3,)).tolist()
    vgpu.random.seed(9)
    assert vgpu.random.normal((3,)).tolist() == first


def test_einsum_and_networks():
    rng = np.random.default_rng(0)
    a, b, c = rng.standard_normal((3, 4)), rng.standard_normal((4, 5)), rng.standard_normal((5,))
    for text, parts in [("ij,jk->ik", (a, b)), ("ij,jk,k", (a, b, c)), ("ii->i", (a[:, :3],)), ("...j->j...", (a,)), ("ij->", (a,))]:
        found = vgpu.einsum(text, *map(vgpu.asarray, parts))
        np.testing.assert_allclose(np.asarray(found), np.einsum(text, *parts), rtol=1e-12, atol=1e-12)
    with pytest.raises(ValueError):
        vgpu.einsum("ij,jk->ik", vgpu.asarray(a), vgpu.asarray(a))
    for dtype, tol in ((np.float32, 1e-6), (np.float64, 1e-12)):
        x = a.astype(dtype)
        for axis in (0, -1):
            e = np.exp(x - x.max(axis=axis, keepdims=True))
            expected = e / e.sum(axis=axis, keepdims=True)
            np.testing.assert_allclose(np.asarray(vgpu.nn.softmax(vgpu.asarray(x), axis=axis)), expected, rtol=tol * 10)
        np.testing.assert_allclose(np.asarray(vgpu.nn.silu(vgpu.asarray(x))), x / (1 + np.exp(-x)), rtol=tol * 10)
        assert (np.asarray(vgpu.nn.relu(vgpu.asarray(x))) == np.maximum(x, 0)).all()


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_conv2d(layout, dtype):
    rng = np.random.default_rng(3)
    stride, padding, dilation, groups = (2, 1), [(1, 2), (0, 1)], (1, 2), 2
    x, w, b = (rng.standard_normal(n).astype(dtype) for n in [(2, 4, 9, 8), (6, 2, 3, 2), (6,)])
    padded = np.pad(x, [(0, 0), (0, 0), *padding])
    rows = (padded.shape[2] - 3) // 2 + 1
    cols = (padded.shape[3] - 3) // 1 + 1
    expected = np.zeros((2, 6, rows, cols))
    for o in range(6):
        for c in range(2):
            for i in range(3):
                for j in range(2):
                    part = padded[:, (o // 3) * 2 + c, i : i + 2 * rows : 2, 2 * j : 2 * j + cols]
                    expected[:, o] += part[:, :rows, :cols] * float(w[o, c, i, j])
    expected += b[None, :, None, None]
    images = x if layout == "NCHW" else x.transpose(0, 2, 3, 1)
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups, "layout": layout}
    found = np.asarray(vgpu.nn.conv2d(vgpu.asarray(images), vgpu.asarray(w), vgpu.asarray(b), **options))
    found = found if layout == "NCHW" else found.transpose(0, 3, 1, 2)
    np.testing.assert_allclose(found, expected, rtol=1e-4 if dtype == "float32" else 1e-12, atol=1e-5)


def test_conv2d_errors():
    x, w = vgpu.ones((1, 2, 4, 4)), vgpu.ones((1, 2, 3, 3))
    with pytest.raises(ValueError, match="layout"):
        vgpu.nn.conv2d(x, w, layout="CHWN")
    with pytest.raises(TypeError, match="weights of float32"):
        vgpu.nn.conv2d(x, vgpu.ones((1, 2, 3, 3), dtype=vgpu.float32))
    with pytest.raises(ValueError):
        vgpu.nn.conv2d(x, vgpu.ones((1, 3, 3, 3)))
    with pytest.raises(ValueError):
        vgpu.nn.conv2d(x, w, stride=0)
    with pytest.raises(ValueError, match="four dimensions"):
        vgpu.nn.conv2d(x[0, ...], w)
    assert vgpu.nn.conv2d(x, w).tolist() == [[[[18.0, 18.0], [18.0, 18.0]]]]


def test_transfer_entropy():
    rng = np.random.default_rng(1)
    x = rng.standard_normal(3000)
    y = np.zeros(3000)
    for t in range(1, 3000):
        y[t] = 0.5 * y[t - 1] + 0.8 * x[t - 1] + 0.3 * rng.standard_normal()
    forward, back = vgpu.signal.transfer_entropy(x, y), vgpu.signal.transfer_entropy(vgpu.asarray(y), x)
    # The exact value for Gaussian noise is ln(1 + (0.8 / 0.3)^2) / 2 = 1.046.
    assert abs(forward - 1.046) < 0.1 and abs(back) < 0.05
    found = vgpu.signal.transfer_entropy(x, y, surrogates=9, seed=2)
    assert found.value == forward and len(found.surrogates) == 9 and found.p_value == 0.1
    with pytest.raises(ValueError, match="k: found 0"):
        vgpu.signal.transfer_entropy(x, y, k=0)
    with pytest.raises(ValueError):
        vgpu.signal.transfer_entropy(x, y[:-1])


def test_workloads():
    workload = vgpu.GPUWorkload("a", "matmul", 1.0, 0.001, 2, work=lambda: vgpu.ones(3) + 1.0)
    assert vgpu.process_workload(workload).tolist() == [2.0, 2.0, 2.0]
    assert vgpu.process_workload(workload, lambda: 5) == 5
    with pytest.raises(MemoryError, match="needs 1e\\+15 MB"):
        vgpu.process_workload(vgpu.GPUWorkload("b", "any", 0.0, 1e15, work=lambda: 1))
    with pytest.raises(NotImplementedError, match="scheduler"):
        vgpu.process_workload(vgpu.GPUWorkload("c", "any", 0.0, 0.0))
    with pytest.raises(ValueError, match="complexity_score: found -1"):
        vgpu.GPUWorkload("d", "any", -1, 0)


def test_large_reductions():
    x = np.random.default_rng(0).standard_normal(3_000_001).astype(np.float32)
    mine = vgpu.asarray(x)
    assert abs(float(vgpu.sum(mine)) - x.astype(np.float64).sum()) < 1e-2
    assert int(vgpu.argmax(mine)) == x.argmax() and int(vgpu.argmin(mine)) == x.argmin()
    assert float(vgpu.max(mine)) == x.max()
    table = vgpu.asarray(x[:3_000_000].reshape(1000, 3000))
    for axis in (0, 1):
        np.testing.assert_allclose(
            np.asarray(vgpu.sum(table, axis=axis)), x[:3_000_000].reshape(1000, 3000).sum(axis=axis, dtype=np.float64), rtol=1e-4, atol=1e-3
        )
    x[1234567] = np.nan
    assert int(vgpu.argmax(vgpu.asarray(x))) == 1234567 and np.isnan(float(vgpu.max(vgpu.asarray(x))))
