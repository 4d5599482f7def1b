"""Reductions, searching, sorting, sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from . import dtypes
from .array import Array, need, pair
from .creation import empty, full, scalar, zeros
from .dtypes import COMPLEX, FLOATS, INTEGERS, NUMERIC, REAL, DType
from .elementwise import sqrt
from .manipulation import axes_of, axis_of, concat, moveaxis, take

_Axes = int | Sequence[int] | None


def _kept(made: Any, x: Array, axes: list[int], keepdims: bool) -> Array:
    result = Array(made)
    return result._reshaped([1 if i in axes else n for i, n in enumerate(x.shape)]) if keepdims else result


def _reduce(name: str, x: Array, axis: _Axes, keepdims: bool, dtype: DType | None = None) -> Array:
    axes = axes_of(tuple(axis) if isinstance(axis, list) else axis, x.ndim)
    source = x if dtype is None or dtype == x.dtype else Array(x.cast(dtype.number))
    return _kept(source.reduce(name, axes), x, axes, keepdims)


def _wide(x: Array, dtype: DType | None) -> DType:
    """The type of sums: of integers the widest."""
    if dtype is not None:
        return dtypes.check(dtype)
    if x.dtype in dtypes.SIGNED:
        return dtypes.int64
    return dtypes.uint64 if x.dtype in dtypes.UNSIGNED else x.dtype


def sum(x: Array, /, *, axis: _Axes = None, dtype: DType | None = None, keepdims: bool = False) -> Array:  # noqa: A001
    """Sum along axes; single precision is added up in double, double in pairs."""
    return _reduce("sum", need("sum", x, NUMERIC), axis, keepdims, _wide(x, dtype))


def prod(x: Array, /, *, axis: _Axes = None, dtype: DType | None = None, keepdims: bool = False) -> Array:
    """Product along axes."""
    return _reduce("prod", need("prod", x, NUMERIC), axis, keepdims, _wide(x, dtype))


def max(x: Array, /, *, axis: _Axes = None, keepdims: bool = False) -> Array:  # noqa: A001
    """Largest element along axes; NaN when there is one."""
    return _reduce("max", need("max", x, REAL), axis, keepdims)


def min(x: Array, /, *, axis: _Axes = None, keepdims: bool = False) -> Array:  # noqa: A001
    """Smallest element along axes; NaN when there is one."""
    return _reduce("min", need("min", x, REAL), axis, keepdims)


def any(x: Array, /, *, axis: _Axes = None, keepdims: bool = False) -> Array:  # noqa: A001
    """Whether any element along axes is not 0."""
    return _reduce("any", need("any", x, dtypes.ALL), axis, keepdims)


def all(x: Array, /, *, axis: _Axes = None, keepdims: bool = False) -> Array:  # noqa: A001
    """Whether no element along axes is 0."""
    return _reduce("all", need("all", x, dtypes.ALL), axis, keepdims)


def count_nonzero(x: Array, /, *, axis: _Axes = None, keepdims: bool = False) -> Array:
    """How many elements along axes are not 0."""
    return _reduce("count_nonzero", need("count_nonzero", x, dtypes.ALL), axis, keepdims)


def _count(x: Array, axis: _Axes) -> int:
    n = 1
    for i in axes_of(tuple(axis) if isinstance(axis, list) else axis, x.ndim):
        n *= x.shape[i]
    return n


def _over(x: Array, n: float) -> Array:
    """A quotient by a number, NaN for nothing over nothing."""
    return Array(x.apply("divide", scalar(n, x.dtype)))


def mean(x: Array, /, *, axis: _Axes = None, keepdims: bool = False) -> Array:
    """Mean along axes; NaN of no elements."""
    need("mean", x, FLOATS + COMPLEX)
    return _over(_reduce("sum", x, axis, keepdims), float(_count(x, axis)))


def var(x: Array, /, *, axis: _Axes = None, correction: float = 0.0, keepdims: bool = False) -> Array:
    """Variance along axes: the sum of squared deviations over the number of elements less the correction."""
    need("var", x, FLOATS)
    deviation = Array(x.apply("subtract", mean(x, axis=axis, keepdims=True)))
    total = _reduce("sum", Array(deviation.apply("square")), axis, keepdims)
    left = _count(x, axis) - correction
    return _over(total, float(left if left > 0 else 0.0))


def std(x: Array, /, *, axis: _Axes = None, correction: float = 0.0, keepdims: bool = False) -> Array:
    """Standard deviation along axes: the root of `var`."""
    need("std", x, FLOATS)
    return sqrt(var(x, axis=axis, correction=correction, keepdims=keepdims))


def _scan(name: str, x: Array, axis: int | None, dtype: DType | None, include_initial: bool) -> Array:
    if axis is None:
        if x.ndim != 1:
            raise ValueError(f"an array with {x.ndim} dimensions needs an axis")
        axis = 0
    at = axis_of(axis, x.ndim)
    source = Array(need(f"cumulative_{name}", x, NUMERIC).cast(_wide(x, dtype).number))
    made = Array(source.scan(name, at))
    if include_initial:
        shape = [1 if i == at else n for i, n in enumerate(x.shape)]
        made = concat([full(shape, 0 if name == "sum" else 1, dtype=made.dtype), made], axis=at)
    return made


def cumulative_sum(
    x: Array, /, *, axis: int | None = None, dtype: DType | None = None, include_initial: bool = False
) -> Array:
    """Running sum along an axis."""
    return _scan("sum", x, axis, dtype, include_initial)


def cumulative_prod(
    x: Array, /, *, axis: int | None = None, dtype: DType | None = None, include_initial: bool = False
) -> Array:
    """Running product along an axis."""
    return _scan("prod", x, axis, dtype, include_initial)


def diff(x: Array, /, *, axis: int = -1, n: int = 1, prepend: Array | None = None, append: Array | None = None) -> Array:
    """Differences of neighbours along an axis, ``n`` times."""
    need("diff", x, (dtypes.bool_, *NUMERIC))
    at = axis_of(axis, x.ndim)
    if n < 0:
        raise ValueError(f"n: found {n}, expected 0 or more")
    parts = [part for part in (prepend, x, append) if part is not None]
    x = concat(parts, axis=at) if len(parts) > 1 else x
    before = (slice(None),) * at
    for _ in range(n):
        high, low = x[(*before, slice(1, None))], x[(*before, slice(None, -1))]
        x = Array(high.apply("not_equal" if x.dtype == dtypes.bool_ else "subtract", low))
    return x


def _place(name: str, x: Array, axis: int | None, keepdims: bool) -> Array:
    need(name, x, REAL)
    if axis is None:
        made = Array(x._reshaped((x.size,)).reduce(name, [0]))
        return made._reshaped([1] * x.ndim) if keepdims else made
    axes = [axis_of(axis, x.ndim)]
    return _kept(x.reduce(name, axes), x, axes, keepdims)


def argmax(x: Array, /, *, axis: int | None = None, keepdims: bool = False) -> Array:
    """Place of the largest element along an axis, or of all; the first of several."""
    return _place("argmax", x, axis, keepdims)


def argmin(x: Array, /, *, axis: int | None = None, keepdims: bool = False) -> Array:
    """Place of the smallest element along an axis, or of all; the first of several."""
    return _place("argmin", x, axis, keepdims)


def nonzero(x: Array, /) -> tuple[Array, ...]:
    """Places of the elements that are not 0: one array for each dimension."""
    if x.ndim == 0:
        raise ValueError("nonzero: expected at least one dimension")
    return tuple(Array(places) for places in x.nonzero())


def searchsorted(x1: Array, x2: Any, /, *, side: str = "left", sorter: Array | None = None) -> Array:
    """Where elements of ``x2`` would go into sorted ``x1``, before equal ones or after them."""
    if side not in ("left", "right"):
        raise ValueError(f"side: found {side!r}, expected 'left' or 'right'")
    if sorter is not None:
        x1 = take(x1, sorter)
    a, b = pair("searchsorted", x1, x2, REAL)
    return Array(a.search(b, side == "right"))


def sort(x: Array, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Array:
    """Elements in order along an axis; NaN last, or first when descending."""
    del stable
    at = axis_of(axis, need("sort", x, REAL).ndim)
    return moveaxis(Array(moveaxis(x, at, -1).sort(descending, False)), -1, at)


def argsort(x: Array, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Array:
    """Places from which elements come in order along an axis."""
    del stable
    at = axis_of(axis, need("argsort", x, REAL).ndim)
    return moveaxis(Array(moveaxis(x, at, -1).sort(descending, True)), -1, at)


class UniqueAll(NamedTuple):
    """Result of `unique_all`."""

    values: Array
    indices: Array
    inverse_indices: Array
    counts: Array


class UniqueCounts(NamedTuple):
    """Result of `unique_counts`."""

    values: Array
    counts: Array


class UniqueInverse(NamedTuple):
    """Result of `unique_inverse`."""

    values: Array
    inverse_indices: Array


def unique_all(x: Array, /) -> UniqueAll:
    """Different elements in order, the first place of each, which of them each element is, and how often each comes.

    NaN is different from everything, itself included.
    """
    need("unique_all", x, dtypes.ALL)
    flat = x._reshaped((x.size,))
    if not x.size:
        none = zeros(0, dtype=dtypes.int64)
        return UniqueAll(Array(flat.copy()), none, zeros(x.shape, dtype=dtypes.int64), none)
    order = Array(flat.sort(False, True))
    ordered = Array(flat.pick([order]))
    firsts = Array(ordered.firsts())
    starts = Array(firsts.nonzero()[0])
    groups = Array(Array(firsts.cast(dtypes.int64.number)).scan("sum", 0)) - 1
    inverse = empty(x.size, dtype=dtypes.int64)
    inverse.put([order], groups)
    counts = diff(starts, append=full(1, x.size, dtype=dtypes.int64))
    return UniqueAll(
        Array(ordered.pick([starts])), Array(order.pick([starts])), inverse._reshaped(x.shape), counts
    )


def unique_counts(x: Array, /) -> UniqueCounts:
    """Different elements in order, and how often each comes."""
    found = unique_all(x)
    return UniqueCounts(found.values, found.counts)


def unique_inverse(x: Array, /) -> UniqueInverse:
    """Different elements in order, and which of them each element is."""
    found = unique_all(x)
    return UniqueInverse(found.values, found.inverse_indices)


def unique_values(x: Array, /) -> Array:
    """Different elements in order."""
    need("unique_values", x, dtypes.ALL)
    ordered = Array(x._reshaped((x.size,)).sort(False, False))
    return Array(ordered.pick([Array(ordered.firsts()).nonzero()[0]]))


def isin(x1: Any, x2: Any, /, *, invert: bool = False) -> Array:
    """Whether each element of ``x1`` is among those of ``x2``."""
    a, b = pair("isin", x1, x2, (dtypes.bool_, *INTEGERS, *REAL, *COMPLEX))
    known = Array(b._reshaped((b.size,)).sort(False, False))
    if not known.size:
        return full(a.shape, invert, dtype=dtypes.bool_)
    place = Array(known.search(a._reshaped((a.size,)), False))
    last = scalar(known.size - 1, dtypes.int64)
    found = Array(known.pick([place.apply("minimum", last)]))
    return Array(found.apply("not_equal" if invert else "equal", a._reshaped((a.size,))))._reshaped(a.shape)


