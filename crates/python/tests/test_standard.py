"""Every function of the Array API standard against array-api-strict on generated inputs."""

import contextlib
import warnings

import array_api_strict as strict
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import vgpu

strict.set_array_api_strict_flags(api_version="2024.12")
warnings.simplefilter("ignore")

BOOL = ["bool"]
SIGNED = ["int8", "int16", "int32", "int64"]
INTS = [*SIGNED, "uint8", "uint16", "uint32", "uint64"]
FLOATS = ["float32", "float64"]
COMPLEX = ["complex64", "complex128"]
REAL = [*INTS, *FLOATS]
NUMERIC = [*REAL, *COMPLEX]
FLOATING = [*FLOATS, *COMPLEX]
ALL = [*BOOL, *NUMERIC]
ODD = [0.0, -0.0, 1.0, -1.0, 0.5, np.inf, -np.inf, np.nan]

few = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def elements(dtype, odd=True):
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return st.booleans()
    if kind.kind in "iu":
        info = np.iinfo(kind)
        return st.integers(max(info.min, -100), min(info.max, 100)) | st.sampled_from([int(info.min), int(info.max)])
    width = 32 if dtype in ("float32", "complex64") else 64
    reals = st.floats(-8, 8, width=32)
    if odd and kind.kind == "f":
        reals = reals | st.sampled_from(ODD)
    if kind.kind == "f":
        return reals
    # Away from branch cuts and poles, where the sides differ by the sign of a zero.
    part = st.floats(0.125, 3, width=32) | st.floats(-3, -0.125, width=32)
    return st.builds(complex, part, part).map(np.complex64 if width == 32 else complex)


@st.composite
def arrays(draw, dtypes, shape=None, odd=True, min_dims=0):
    """An array of one of the types, as it is, transposed, or with negative steps."""
    dtype = draw(st.sampled_from(dtypes))
    shape = hnp.array_shapes(min_dims=min_dims, max_dims=3, min_side=0, max_side=4) if shape is None else shape
    made = draw(hnp.arrays(dtype, shape, elements=elements(dtype, odd)))
    change = draw(st.sampled_from(["none", "transposed", "reversed"]))
    if change == "transposed":
        return made.copy().T.copy().T
    if change == "reversed" and made.ndim:
        return made[::-1].copy()[::-1]
    return made


def ours(x):
    """A vgpu array on the same memory: strides and all."""
    return vgpu.asarray(x, copy=False) if x.size and x.flags.writeable else vgpu.asarray(x)


def theirs(x):
    return strict.asarray(x.copy())


def check(found, expected, rtol=None, ulps=16):
    if isinstance(expected, tuple):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            check(one, other, rtol, ulps)
        return
    assert found.dtype.name == str(expected.dtype).rsplit(".", 1)[-1], (found.dtype, expected.dtype)
    assert found.shape == expected.shape, (found.shape, expected.shape)
    a, b = np.asarray(found), np.asarray(expected._array)
    if a.dtype.kind in "fc":
        eps = np.finfo(a.dtype).eps
        np.testing.assert_allclose(a, b, rtol=ulps * eps if rtol is None else rtol, atol=ulps * eps)
    else:
        np.testing.assert_array_equal(a, b)


@contextlib.contextmanager
def kernels(fused):
    with vgpu.fusion_threshold(0 if fused else 1 << 20):
        yield


UNARY = {
    **dict.fromkeys(["abs", "negative", "positive", "square", "conj"], NUMERIC),
    **dict.fromkeys(["sign"], REAL),
    **dict.fromkeys(["ceil", "floor", "round", "trunc"], REAL),
    **dict.fromkeys(["isfinite", "isinf", "isnan"], NUMERIC),
    **dict.fromkeys(["bitwise_invert"], BOOL + INTS),
    **dict.fromkeys(["logical_not"], BOOL),
    **dict.fromkeys(["signbit", "reciprocal"], FLOATS),
    **dict.fromkeys(["real", "imag"], COMPLEX),
    **dict.fromkeys(
        ["acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh", "exp", "expm1", "log", "log1p", "log10",
         "sin", "sinh", "sqrt", "tan", "tanh"],
        FLOATING,
    ),
    "log2": FLOATS,
}


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("name", sorted(UNARY))
def test_unary(name, fused):
    @few
    @given(arrays(UNARY[name]))
    def compare(x):
        with kernels(fused):
            check(getattr(vgpu, name)(ours(x)), getattr(strict, name)(theirs(x)), ulps=64)

    compare()


BINARY = {
    **dict.fromkeys(["add", "subtract", "multiply"], NUMERIC),
    **dict.fromkeys(["equal", "not_equal"], ALL),
    **dict.fromkeys(["less", "less_equal", "greater", "greater_equal", "maximum", "minimum"], REAL),
    **dict.fromkeys(["bitwise_and", "bitwise_or", "bitwise_xor"], BOOL + INTS),
    **dict.fromkeys(["logical_and", "logical_or", "logical_xor"], BOOL),
    **dict.fromkeys(["atan2", "copysign", "hypot", "logaddexp", "nextafter"], FLOATS),
    "divide": FLOATING,
}


def same_type_pairs(dtypes, odd=True):
    shapes = hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=4)

    @st.composite
    def build(draw):
        dtype = draw(st.sampled_from(dtypes))
        a, b = draw(shapes).input_shapes
        return draw(arrays([dtype], a, odd)), draw(arrays([dtype], b, odd))

    return build()


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("name", sorted(BINARY))
def test_binary(name, fused):
    @few
    @given(same_type_pairs(BINARY[name]))
    def compare(pair):
        a, b = pair
        with kernels(fused):
            check(getattr(vgpu, name)(ours(a), ours(b)), getattr(strict, name)(theirs(a), theirs(b)))

    compare()


@few
@given(same_type_pairs(REAL, odd=False))
def test_division_with_remainder(pair):
    a, b = pair
    b = np.where(b == 0, np.ones_like(b), b)
    if a.dtype.kind == "i":
        # The one quotient that does not fit.
        a = np.where(a == np.iinfo(a.dtype).min, np.ones_like(a), a)
    for name in ("floor_divide", "remainder"):
        check(getattr(vgpu, name)(ours(a), ours(b)), getattr(strict, name)(theirs(a), theirs(b)))


@few
@given(st.data(), st.sampled_from(INTS))
def test_integer_powers_and_shifts(data, dtype):
    shape = data.draw(hnp.array_shapes(max_dims=2, max_side=4))
    a = data.draw(hnp.arrays(dtype, shape, elements=elements(dtype)))
    b = data.draw(hnp.arrays(dtype, shape, elements=st.integers(0, 7)))
    for name in ("pow", "bitwise_left_shift", "bitwise_right_shift"):
        check(getattr(vgpu, name)(ours(a), ours(b)), getattr(strict, name)(theirs(a), theirs(b)))


@few
@given(same_type_pairs(FLOATS, odd=False))
def test_float_powers(pair):
    a, b = np.abs(pair[0]), pair[1]
    check(vgpu.pow(ours(a), ours(b)), strict.pow(theirs(a), theirs(b)), ulps=64)


@few
@given(st.data())
def test_promotion(data):
    names = st.sampled_from(ALL)
    a, b = data.draw(names), data.draw(names)
    mine, other = [getattr(vgpu, n) for n in (a, b)], [getattr(strict, n) for n in (a, b)]
    try:
        expected = str(strict.result_type(*other)).rsplit(".", 1)[-1]
    except TypeError:
        with pytest.raises(TypeError, match="do not promote"):
            vgpu.result_type(*mine)
        return
    assert vgpu.result_type(*mine).name == expected
    assert vgpu.can_cast(mine[0], mine[1]) == (expected == b)


@pytest.mark.parametrize("to", ALL)
@pytest.mark.parametrize("fused", [False, True])
def test_astype(to, fused):
    @few
    @given(arrays(ALL, odd=False))
    def compare(x):
        if x.dtype.kind == "c" and np.dtype(to).kind != "c":
            with pytest.raises(TypeError, match="take real or imag"):
                vgpu.astype(ours(x), getattr(vgpu, to))
            return
        if x.dtype.kind == "f" and np.dtype(to).kind == "u":
            x = np.abs(x)
        with kernels(fused):
            found = vgpu.astype(ours(x), getattr(vgpu, to))
            check(found, strict.astype(theirs(x), getattr(strict, to)))

    compare()


@few
@given(arrays(REAL, odd=False), st.integers(-3, 3), st.integers(4, 9))
def test_clip(x, low, high):
    if x.dtype.kind == "u":
        low = abs(low)
    check(vgpu.clip(ours(x), low, high), strict.clip(theirs(x), low, high))
    assert vgpu.clip(ours(x)).shape == x.shape


@few
@given(same_type_pairs(ALL), st.booleans())
def test_where(pair, flag):
    a, b = pair
    condition = np.broadcast_to(a, np.broadcast_shapes(a.shape, b.shape)) != 0
    for fused in (False, True):
        with kernels(fused):
            found = vgpu.where(vgpu.asarray(condition), ours(a), ours(b))
            check(found, strict.where(theirs(condition), theirs(a), theirs(b)))


REDUCE = {
    "sum": (NUMERIC, {}),
    "prod": (FLOATING, {}),
    "mean": (FLOATS, {}),
    "var": (FLOATS, {"correction": 1.0}),
    "std": (FLOATS, {}),
    "any": (ALL, {}),
    "all": (ALL, {}),
    "max": (REAL, {}),
    "min": (REAL, {}),
    "count_nonzero": (ALL, {}),
}


@pytest.mark.parametrize("name", sorted(REDUCE))
def test_reductions(name):
    dtypes, options = REDUCE[name]

    @few
    @given(arrays(dtypes, odd=name in ("any", "all", "max", "min", "count_nonzero")), st.data())
    def compare(x, data):
        axes = list(range(-x.ndim, x.ndim))
        axis = data.draw(st.none() | st.sampled_from(axes) if axes else st.none())
        options_now = {**options, "axis": axis, "keepdims": data.draw(st.booleans())}
        if name in ("max", "min") and x.size == 0:
            if axis is None:
                with pytest.raises(ValueError, match="of no elements"):
                    getattr(vgpu, name)(ours(x))
            return
        expected = getattr(strict, name)(theirs(x), **options_now)
        check(getattr(vgpu, name)(ours(x), **options_now), expected, ulps=256)

    compare()


@few
@given(arrays(REAL, shape=hnp.array_shapes(max_dims=3, max_side=4)), st.data())
def test_argmax_and_argmin(x, data):
    axis = data.draw(st.none() | st.sampled_from(range(-x.ndim, x.ndim)))
    for name in ("argmax", "argmin"):
        options = {"axis": axis, "keepdims": data.draw(st.booleans())}
        check(getattr(vgpu, name)(ours(x), **options), getattr(strict, name)(theirs(x), **options))


@few
@given(arrays([*SIGNED, *FLOATS], shape=hnp.array_shapes(min_dims=1, max_dims=3, max_side=4), odd=False), st.data())
def test_scans_and_differences(x, data):
    axis = data.draw(st.sampled_from(range(-x.ndim, x.ndim)))
    initial = data.draw(st.booleans())
    for name in ("cumulative_sum", "cumulative_prod"):
        if name == "cumulative_prod" and x.dtype.kind == "f":
            x = np.clip(x, -2, 2)
        found = getattr(vgpu, name)(ours(x), axis=axis, include_initial=initial)
        check(found, getattr(strict, name)(theirs(x), axis=axis, include_initial=initial), ulps=64)
    check(vgpu.diff(ours(x), axis=axis), strict.diff(theirs(x), axis=axis))


@few
@given(arrays(REAL, shape=hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=5)), st.data())
def test_sorting(x, data):
    axis = data.draw(st.sampled_from(range(-x.ndim, x.ndim)))
    descending = data.draw(st.booleans())
    if descending and x.dtype.kind == "f":
        x = np.nan_to_num(x, nan=3.0)
    options = {"axis": axis, "descending": descending}
    check(vgpu.sort(ours(x), **options), strict.sort(theirs(x), **options))
    places = np.asarray(vgpu.argsort(ours(x), **options))
    np.testing.assert_array_equal(np.take_along_axis(x, places, axis), np.asarray(vgpu.sort(ours(x), **options)))


@few
@given(arrays(REAL, shape=hnp.array_shapes(max_dims=1, max_side=8), odd=False), arrays(INTS), st.sampled_from(["left", "right"]))
def test_searchsorted(x, values, side):
    x, values = np.sort(x), values.astype(x.dtype)
    check(vgpu.searchsorted(ours(x), ours(values), side=side), strict.searchsorted(theirs(x), theirs(values), side=side))


@few
@given(arrays(ALL, odd=False))
def test_sets_and_places(x):
    for name in ("unique_values", "unique_counts", "unique_inverse", "unique_all"):
        found, expected = getattr(vgpu, name)(ours(x)), getattr(strict, name)(theirs(x))
        check(tuple(found) if isinstance(found, tuple) else found, tuple(expected) if isinstance(expected, tuple) else expected)
    if x.ndim:
        check(vgpu.nonzero(ours(x)), strict.nonzero(theirs(x)))
    some = x.reshape(-1)[: x.size // 2]
    np.testing.assert_array_equal(np.asarray(vgpu.isin(ours(x), ours(some))), np.isin(x, some))


def test_nan_is_unique_each_time():
    found = vgpu.unique_all(vgpu.asarray([np.nan, 1.0, np.nan, 1.0]))
    assert found.values.shape == (3,) and found.counts.tolist() == [2, 1, 1]


@few
@given(arrays(ALL), st.data())
def test_shapes(x, data):
    n = x.ndim
    mine, other = ours(x), theirs(x)
    check(vgpu.reshape(mine, (-1,)) if x.size else vgpu.reshape(mine, (0,)), strict.reshape(other, (x.size,)))
    order = tuple(data.draw(st.permutations(range(n))))
    check(vgpu.permute_dims(mine, order), strict.permute_dims(other, order))
    check(vgpu.flip(mine), strict.flip(other))
    check(vgpu.roll(mine, 3), strict.roll(other, 3))
    check(vgpu.expand_dims(mine, axis=n), strict.expand_dims(other, axis=n))
    check(vgpu.squeeze(vgpu.expand_dims(mine, axis=0), 0), strict.squeeze(strict.expand_dims(other, axis=0), axis=0))
    check(vgpu.stack([mine, mine], axis=-1), strict.stack([other, other], axis=-1))
    check(vgpu.tile(mine, (2, 1)), strict.tile(other, (2, 1)))
    check(vgpu.repeat(mine, 2), strict.repeat(other, 2))
    check(vgpu.broadcast_to(mine, (2, *x.shape)), strict.broadcast_to(other, (2, *x.shape)))
    check(vgpu.concat([mine, mine], axis=None), strict.concat([other, other], axis=None))
    if n:
        axis = data.draw(st.sampled_from(range(-n, n)))
        check(vgpu.flip(mine, axis=axis), strict.flip(other, axis=axis))
        check(vgpu.roll(mine, -1, axis=axis), strict.roll(other, -1, axis=axis))
        check(vgpu.concat([mine, mine], axis=axis), strict.concat([other, other], axis=axis))
        check(vgpu.moveaxis(mine, axis, 0), strict.moveaxis(other, axis, 0))
        check(vgpu.unstack(mine, axis=axis), strict.unstack(other, axis=axis))
        if x.shape[axis]:
            places = np.array(data.draw(st.lists(st.integers(0, x.shape[axis] - 1), max_size=4)), dtype=np.int64)
            check(vgpu.take(mine, ours(places), axis=axis), strict.take(other, theirs(places), axis=axis))
            order = np.argsort(x, axis=axis)
            expected = strict.take_along_axis(other, theirs(order), axis=axis)
            check(vgpu.take_along_axis(mine, ours(order), axis=axis), expected)


@few
@given(arrays(ALL, shape=hnp.array_shapes(max_dims=3, max_side=4)), st.data())
def test_basic_indexing(x, data):
    key = data.draw(hnp.basic_indices(x.shape, allow_newaxis=True, allow_ellipsis=True))
    np.testing.assert_array_equal(np.asarray(vgpu.asarray(x)[key]), x[key])
    mine, copy = vgpu.asarray(x), x.copy()
    value = data.draw(elements(str(x.dtype), odd=False))
    mine[key] = value if not isinstance(value, np.complex64) else complex(value)
    copy[key] = value
    np.testing.assert_array_equal(np.asarray(mine), copy)


@few
@given(arrays(ALL, shape=hnp.array_shapes(max_dims=3, max_side=4)), st.data())
def test_indexing_by_arrays(x, data):
    mask = data.draw(hnp.arrays(bool, x.shape))
    mine = vgpu.asarray(x)
    np.testing.assert_array_equal(np.asarray(mine[vgpu.asarray(mask)]), x[mask])
    changed, copy = vgpu.asarray(x), x.copy()
    changed[vgpu.asarray(mask)] = 1 if x.dtype.kind != "b" else True
    copy[mask] = 1
    np.testing.assert_array_equal(np.asarray(changed), copy)
    shape = data.draw(hnp.array_shapes(max_dims=2, max_side=3))
    lists = [data.draw(hnp.arrays(np.int64, shape, elements=st.integers(-n, n - 1))) for n in x.shape]
    # All axes by arrays, some by arrays and some by slices, and an integer among them.
    keys = [tuple(lists), (lists[0],), (..., lists[-1])]
    if x.ndim == 3:
        keys += [(lists[0], slice(None), lists[2]), (slice(None), lists[1], 0), (0, slice(None), lists[2])]
    for key in keys:
        mine_key = tuple(vgpu.asarray(part) if isinstance(part, np.ndarray) else part for part in key)
        np.testing.assert_array_equal(np.asarray(mine[mine_key]), x[key])
    changed, copy = vgpu.asarray(x), x.copy()
    key = keys[-1]
    values = np.broadcast_to(x.reshape(-1)[0], x[key].shape)
    changed[tuple(vgpu.asarray(p) if isinstance(p, np.ndarray) else p for p in key)] = vgpu.asarray(values)
    copy[key] = values
    np.testing.assert_array_equal(np.asarray(changed), copy)


def test_wrong_indices():
    x = vgpu.zeros((2, 3))
    for key, text in [
        (5, "out of bounds for axis 0 with 2"),
        ((0, 0, 0), "3 indices for an array with 2"),
        ((..., ...), "one ellipsis"),
        ("a", "index of type str"),
        (vgpu.asarray([0.5]), "index array of float64"),
        (vgpu.asarray([7]), "index 7 is out of bounds"),
        (vgpu.asarray([True]), "mask of shape"),
    ]:
        with pytest.raises(IndexError, match=text):
            x[key]


@few
@given(st.data(), st.sampled_from(NUMERIC))
def test_products(data, dtype):
    m, k, n = (data.draw(st.integers(0, 5)) for _ in range(3))
    stack_a, stack_b = data.draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=2, max_side=3)).input_shapes
    a = data.draw(arrays([dtype], (*stack_a, m, k), odd=False))
    b = data.draw(arrays([dtype], (*stack_b, k, n), odd=False))
    scale = 1e-4 if dtype in ("float32", "complex64") else 1e-11
    found, expected = vgpu.matmul(ours(a), ours(b)), strict.matmul(theirs(a), theirs(b))
    assert found.dtype.name == dtype and found.shape == expected.shape
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected._array), rtol=scale, atol=scale * 64)
    v, w = a.reshape(-1)[:k], b.reshape(-1)[:k]
    if len(v) == len(w) == k and k:
        for name in ("matmul", "vecdot"):
            one, other = getattr(vgpu, name)(ours(v.copy()), ours(w.copy())), getattr(strict, name)(theirs(v), theirs(w))
            np.testing.assert_allclose(np.asarray(one), np.asarray(other._array), rtol=scale, atol=scale * 64)
    one = vgpu.tensordot(ours(a), ours(b), axes=((-1,), (-2,)))
    other = strict.tensordot(theirs(a), theirs(b), axes=((-1,), (-2,)))
    np.testing.assert_allclose(np.asarray(one), np.asarray(other._array), rtol=scale, atol=scale * 64)
    check(vgpu.matrix_transpose(ours(a)), strict.matrix_transpose(theirs(a)))


@few
@given(st.data(), st.sampled_from(FLOATING))
def test_linear_algebra(data, dtype):
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    stack, n = data.draw(hnp.array_shapes(min_dims=0, max_dims=1, min_side=0, max_side=3)), data.draw(st.integers(1, 5))
    m = data.draw(st.integers(1, 5))
    numbers = lambda *shape: (rng.standard_normal(shape) + (1j * rng.standard_normal(shape) if "c" in dtype else 0)).astype(dtype)  # noqa: E731
    tol = 2e-3 if dtype in ("float32", "complex64") else 1e-9
    close = lambda a, b: np.testing.assert_allclose(np.asarray(a), b, rtol=tol, atol=tol)  # noqa: E731
    a, b, wide = numbers(*stack, n, n), numbers(*stack, n, 2), numbers(*stack, m, n)
    a = a + 2 * n * np.eye(n, dtype=dtype)
    la = vgpu.linalg
    close(la.inv(ours(a)), np.linalg.inv(a))
    close(la.det(ours(a)) / float(4.0**n), np.linalg.det(a) / 4.0**n)
    sign, size = la.slogdet(ours(a))
    close(sign, np.linalg.slogdet(a)[0])
    close(size, np.linalg.slogdet(a)[1])
    close(la.solve(ours(a), ours(b)), np.linalg.solve(a, b))
    close(la.matrix_power(ours(a), 3) / 1000.0, np.linalg.matrix_power(a, 3) / 1000)
    close(la.matrix_power(ours(a), -2), np.linalg.matrix_power(a, -2))
    positive = a @ np.conj(np.swapaxes(a, -1, -2))
    close(la.cholesky(ours(positive)), np.linalg.cholesky(positive))
    close(la.eigvalsh(ours(positive)), np.linalg.eigvalsh(positive))
    values, vectors = (np.asarray(part) for part in la.eigh(ours(positive)))
    close(vgpu.asarray(vectors * values[..., None, :]), positive @ vectors)
    values, vectors = (np.asarray(part) for part in la.eig(ours(a)))
    np.testing.assert_allclose(vectors * values[..., None, :], a @ vectors, rtol=tol * 10, atol=tol * 10)
    close(la.svdvals(ours(wide)), np.linalg.svd(wide, compute_uv=False))
    for full in (False, True):
        u, s, vh = (np.asarray(part) for part in la.svd(ours(wide), full_matrices=full))
        k = min(m, n)
        close(vgpu.asarray((u[..., :k] * s[..., None, :]) @ vh[..., :k, :]), wide)
    for mode in ("reduced", "complete"):
        q, r = la.qr(ours(wide), mode=mode)
        close(vgpu.matmul(q, r), wide)
        assert q.shape == np.linalg.qr(wide, mode=mode)[0].shape
    close(la.pinv(ours(wide)), np.linalg.pinv(wide))
    np.testing.assert_array_equal(np.asarray(la.matrix_rank(ours(wide))), np.linalg.matrix_rank(wide))
    for kind in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf):
        close(la.matrix_norm(ours(wide), ord=kind), np.linalg.norm(wide, ord=kind, axis=(-2, -1)))
    flat = numbers(n)
    for kind in (0, 1, 2, 3, 0.5, np.inf, -np.inf):
        close(la.vector_norm(ours(flat), ord=kind), np.linalg.norm(flat, ord=kind))
    close(la.trace(ours(wide), offset=1), np.trace(wide, offset=1, axis1=-2, axis2=-1))
    close(la.outer(ours(flat), ours(flat)), np.outer(flat, flat))
    three = numbers(4, 3)
    close(la.cross(ours(three), ours(three[::-1])), np.cross(three, three[::-1]))


def test_linear_algebra_errors():
    la, nan = vgpu.linalg, vgpu.full((2, 2), vgpu.nan)
    singular = vgpu.ones((2, 2))
    for call in (lambda: la.inv(singular), lambda: la.solve(singular, vgpu.ones(2)), lambda: la.cholesky(-vgpu.eye(2))):
        with pytest.raises(ValueError, match="at index"):
            call()
    with pytest.raises(ValueError):
        la.svd(nan)
    with pytest.raises(ValueError, match="expected square matrices"):
        la.det(vgpu.ones((2, 3)))
    with pytest.raises(TypeError, match="not defined for int64"):
        la.inv(vgpu.asarray([[1]]))
    with pytest.raises(ValueError, match="3 columns and 2 rows"):
        vgpu.matmul(vgpu.ones((2, 3)), vgpu.ones((2, 3)))


@few
@given(arrays(COMPLEX, shape=hnp.array_shapes(max_dims=3, max_side=6)), st.data())
def test_fourier_transforms(x, data):
    axis = data.draw(st.sampled_from(range(-x.ndim, x.ndim)))
    n = data.draw(st.none() | st.integers(2, 8))
    norm = data.draw(st.sampled_from(["backward", "ortho", "forward"]))
    tol = 1e-4 if x.dtype == np.complex64 else 1e-11
    real = x.real.copy()

    def same(name, values, options):
        found, expected = getattr(vgpu.fft, name)(ours(values), **options), getattr(np.fft, name)(values, **options)
        assert found.shape == expected.shape and found.dtype.name == str(expected.dtype), name
        np.testing.assert_allclose(np.asarray(found), expected, rtol=tol, atol=tol * 10, err_msg=name)

    one = {"n": n, "axis": axis, "norm": norm}
    for name in ("fft", "ifft"):
        same(name, x, one)
    for name in ("rfft", "ihfft"):
        same(name, real, one)
    half = {**one, "n": n or max(2 * (x.shape[axis] - 1), 1)}
    for name in ("irfft", "hfft"):
        same(name, x, half)
    for name in ("fftn", "ifftn"):
        same(name, x, {"norm": norm})
    same("rfftn", real, {"norm": norm})
    same("irfftn", x, {"s": [*x.shape[:-1], n or 3], "axes": list(range(x.ndim)), "norm": norm})
    same("fftshift", x, {})
    same("ifftshift", x, {"axes": axis})
    for name in ("fftfreq", "rfftfreq"):
        expected = getattr(np.fft, name)(n or 5, d=0.5)
        np.testing.assert_allclose(np.asarray(getattr(vgpu.fft, name)(n or 5, d=0.5)), expected)


@few
@given(st.data())
def test_creation(data):
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    dtype = data.draw(st.sampled_from(NUMERIC))
    mine, other = getattr(vgpu, dtype), getattr(strict, dtype)
    for name in ("zeros", "ones"):
        check(getattr(vgpu, name)(shape, dtype=mine), getattr(strict, name)(shape, dtype=other))
    check(vgpu.full(shape, 7, dtype=mine), strict.full(shape, 7, dtype=other))
    assert vgpu.empty(shape, dtype=mine).shape == shape
    rows, cols, k = (data.draw(st.integers(0, 5)) for _ in range(3))
    check(vgpu.eye(rows, cols, k=k - 2, dtype=mine), strict.eye(rows, cols, k=k - 2, dtype=other))
    start, stop, step = (data.draw(st.integers(-20, 20)) for _ in range(3))
    check(vgpu.arange(start, stop, step or 1), strict.arange(start, stop, step or 1))
    check(vgpu.arange(0.5, 4.0, 0.25), strict.arange(0.5, 4.0, 0.25))
    check(vgpu.linspace(start, stop, rows), strict.linspace(start, stop, rows))
    check(vgpu.linspace(start, stop, rows, endpoint=False), strict.linspace(start, stop, rows, endpoint=False))
    x = data.draw(arrays([dtype], hnp.array_shapes(min_dims=2, max_dims=3, min_side=0, max_side=4)))
    for name in ("tril", "triu"):
        check(getattr(vgpu, name)(ours(x), k=k - 2), getattr(strict, name)(theirs(x), k=k - 2))
    axes = [np.arange(n) for n in (rows, cols)]
    for indexing in ("xy", "ij"):
        found = vgpu.meshgrid(*map(ours, axes), indexing=indexing)
        check(tuple(found), tuple(strict.meshgrid(*map(theirs, axes), indexing=indexing)))


def test_namespace():
    info = vgpu.__array_namespace_info__()
    assert info.default_dtypes()["real floating"] == vgpu.float64 and info.devices() == [info.default_device()]
    assert set(info.dtypes(kind="complex floating")) == {"complex64", "complex128"}
    assert vgpu.zeros(1).__array_namespace__() is vgpu
    for name in strict.__all__:
        # What the reference has beside the standard.
        if name.startswith(("set_", "get_", "reset_", "Array")):
            continue
        assert hasattr(vgpu, name), name
    for part in ("linalg", "fft"):
        for name in getattr(strict, part).__all__:
            assert hasattr(getattr(vgpu, part), name), (part, name)
    assert vgpu.finfo(vgpu.float32).eps == np.finfo(np.float32).eps
    assert vgpu.iinfo(vgpu.int8).min == -128 and vgpu.isdtype(vgpu.uint8, ("integral", vgpu.float32))
