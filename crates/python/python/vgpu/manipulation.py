"""Shapes: views where they can be, copies where they must."""

from __future__ import annotations

import builtins
import operator
from collections.abc import Sequence
from typing import Any

from . import dtypes
from .array import Array, Tensor, broadcast_extents
from .creation import arange, empty, result_type


def axis_of(axis: Any, n: int, what: str = "axis") -> int:
    """An axis counted from 0."""
    number = operator.index(axis)
    if not -n <= number < n:
        raise IndexError(f"{what}: found {number} for {n} dimensions")
    return number % n if n else 0


def axes_of(axes: Any, n: int, what: str = "axis") -> list[int]:
    """Axes counted from 0, each once; all for None."""
    if axes is None:
        return list(range(n))
    found = [axis_of(axis, n, what) for axis in (axes if isinstance(axes, (tuple, list)) else (axes,))]
    if len(set(found)) != len(found):
        raise ValueError(f"{what}: {axes} names an axis twice")
    return found


def broadcast_shapes(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of arrays of these shapes together."""
    return broadcast_extents(*shapes)


def broadcast_to(x: Array, /, shape: Sequence[int]) -> Array:
    """The elements repeated along new or single extents: a view."""
    return Array(x.broadcast(list(shape)))


def broadcast_arrays(*arrays: Array) -> tuple[Array, ...]:
    """Arrays repeated to one shape."""
    shape = broadcast_extents(*(array.shape for array in arrays))
    return tuple(Array(array.broadcast(list(shape))) for array in arrays)


def concat(arrays: Sequence[Array], /, *, axis: int | None = 0) -> Array:
    """Arrays one after the other along an axis; of all elements in order for None."""
    arrays = list(arrays)
    if not arrays:
        raise ValueError("concat: expected at least one array")
    if axis is None:
        arrays = [array._reshaped((array.size,)) for array in arrays]
        axis = 0
    n = arrays[0].ndim
    if n == 0:
        raise ValueError("concat: arrays without dimensions need axis=None")
    at = axis_of(axis, n)
    for array in arrays:
        if array.ndim != n or any(i != at and array.shape[i] != arrays[0].shape[i] for i in range(n)):
            shapes = ", ".join(str(array.shape) for array in arrays)
            raise ValueError(f"concat along axis {at}: shapes {shapes} do not fit")
    shape = list(arrays[0].shape)
    shape[at] = builtins.sum(array.shape[at] for array in arrays)
    made = empty(shape, dtype=result_type(*arrays))
    start = 0
    for array in arrays:
        stop = start + array.shape[at]
        made[(slice(None),) * at + (slice(start, stop),)].assign(array)
        start = stop
    return made


def expand_dims(x: Array, /, axis: int | Sequence[int] = 0) -> Array:
    """New dimensions of one element."""
    wanted = list(axis) if isinstance(axis, (tuple, list)) else [axis]
    n = x.ndim + len(wanted)
    axes = axes_of(tuple(wanted), n)
    old = iter(zip(x.extents, x.strides(), strict=True))
    both = [(1, 0) if i in axes else next(old) for i in range(n)]
    return x._view([extent for extent, _ in both], [stride for _, stride in both])


def flip(x: Array, /, *, axis: int | Sequence[int] | None = None) -> Array:
    """Elements in reverse order along axes: a view."""
    axes = axes_of(tuple(axis) if isinstance(axis, list) else axis, x.ndim)
    return x[tuple(slice(None, None, -1) if i in axes else slice(None) for i in range(x.ndim))]


def moveaxis(x: Array, source: int | Sequence[int], destination: int | Sequence[int], /) -> Array:
    """Axes brought to other places, the rest staying in order."""
    sources, destinations = axes_of(source, x.ndim, "source"), axes_of(destination, x.ndim, "destination")
    if len(sources) != len(destinations):
        raise ValueError(f"moveaxis: {len(sources)} sources and {len(destinations)} destinations")
    order = [axis for axis in range(x.ndim) if axis not in sources]
    for to, axis in sorted(zip(destinations, sources, strict=True)):
        order.insert(to, axis)
    return x._permuted(order)


def permute_dims(x: Array, /, axes: Sequence[int]) -> Array:
    """Axes in another order: a view."""
    found = axes_of(tuple(axes), x.ndim, "axes")
    if len(found) != x.ndim:
        raise ValueError(f"axes: found {len(found)}, expected all {x.ndim}")
    return x._permuted(found)


def repeat(x: Array, repeats: int | Array, /, *, axis: int | None = None) -> Array:
    """Each element some times, in place of the one."""
    if axis is None:
        x, axis = x._reshaped((x.size,)), 0
    at = axis_of(axis, x.ndim)
    n = x.shape[at]
    if isinstance(repeats, Array):
        if repeats.dtype not in dtypes.INTEGERS:
            raise TypeError(f"repeats: found {repeats.dtype.name}, expected integers")
        counts = repeats._reshaped((repeats.size,)).tolist()
        counts = counts * n if len(counts) == 1 else counts
    else:
        counts = [operator.index(repeats)] * n
    if len(counts) != n or any(count < 0 for count in counts):
        raise ValueError(f"repeats: expected one number, 0 or more, or {n} of them")
    places = [i for i, count in enumerate(counts) for _ in range(count)]
    index = Array(Tensor.from_list(places, dtypes.int64.number))
    return take(x, index, axis=at)


def reshape(x: Array, /, shape: Sequence[int], *, copy: bool | None = None) -> Array:
    """The same elements in another shape, of which one extent may be -1: a view where it can be."""
    extents = [operator.index(extent) for extent in ((shape,) if isinstance(shape, int) else shape)]
    if extents.count(-1) > 1 or any(extent < -1 for extent in extents):
        raise ValueError(f"shape: found {shape}, expected extents of 0 or more, and -1 once at most")
    if -1 in extents:
        known = 1
        for extent in extents:
            known *= extent if extent != -1 else 1
        if known == 0 or x.size % known:
            raise ValueError(f"an array of {x.size} elements cannot have shape {tuple(extents)}")
        extents[extents.index(-1)] = x.size // known
    size = 1
    for extent in extents:
        size *= extent
    if size != x.size:
        raise ValueError(f"an array of {x.size} elements cannot have shape {tuple(extents)}")
    if copy is False and not x.is_contiguous():
        raise ValueError("a copy is needed for this shape")
    return (Array(x.copy()) if copy else x)._reshaped(extents)


def roll(x: Array, /, shift: int | Sequence[int], *, axis: int | Sequence[int] | None = None) -> Array:
    """Elements moved along axes, those that fall out coming in at the other end."""
    if axis is None:
        flat = x._reshaped((x.size,))
        return roll(flat, shift, axis=0)._reshaped(x.shape)
    axes = list(axis) if isinstance(axis, (tuple, list)) else [axis]
    shifts = list(shift) if isinstance(shift, (tuple, list)) else [shift] * len(axes)
    if len(shifts) != len(axes):
        raise ValueError(f"roll: {len(shifts)} shifts for {len(axes)} axes")
    one: Any
    for one, at in zip(shifts, axes, strict=True):
        at = axis_of(at, x.ndim)
        n = x.shape[at]
        if n:
            cut = -operator.index(one) % n
            before = (slice(None),) * at
            x = concat([x[(*before, slice(cut, None))], x[(*before, slice(0, cut))]], axis=at)
    return Array(x.copy())


def squeeze(x: Array, /, axis: int | Sequence[int] | None = None) -> Array:
    """Dimensions of one element left out."""
    if axis is None:
        axes = [i for i, extent in enumerate(x.shape) if extent == 1]
    else:
        axes = axes_of(tuple(axis) if isinstance(axis, list) else axis, x.ndim)
    if any(x.shape[i] != 1 for i in axes):
        raise ValueError(f"squeeze: axes {axes} of shape {x.shape} have more than one element")
    keep = [i for i in range(x.ndim) if i not in axes]
    strides = x.strides()
    return x._view([x.shape[i] for i in keep], [strides[i] for i in keep])


def stack(arrays: Sequence[Array], /, *, axis: int = 0) -> Array:
    """Arrays of one shape along a new axis."""
    arrays = list(arrays)
    if not arrays:
        raise ValueError("stack: expected at least one array")
    if any(array.shape != arrays[0].shape for array in arrays):
        raise ValueError(f"stack: shapes {', '.join(str(array.shape) for array in arrays)} differ")
    at = axis_of(axis, arrays[0].ndim + 1)
    return concat([expand_dims(array, axis=at) for array in arrays], axis=at)


def tile(x: Array, repetitions: Sequence[int], /) -> Array:
    """The whole array some times along each axis."""
    counts = [operator.index(count) for count in repetitions]
    n = max(x.ndim, len(counts))
    counts = [1] * (n - len(counts)) + counts
    shape = [1] * (n - x.ndim) + list(x.shape)
    source = x._reshaped(shape)
    wide = [extent for pair in zip(counts, shape, strict=True) for extent in pair]
    single = [extent for extent in shape for extent in (1, extent)]
    return Array(source._reshaped(single).broadcast(wide))._reshaped(
        [count * extent for count, extent in zip(counts, shape, strict=True)]
    )


def unstack(x: Array, /, *, axis: int = 0) -> tuple[Array, ...]:
    """The parts along an axis, each without it."""
    at = axis_of(axis, x.ndim)
    return tuple(x[(slice(None),) * at + (i,)] for i in range(x.shape[at]))


def take(x: Array, indices: Array, /, *, axis: int | None = None) -> Array:
    """Elements at places along an axis."""
    if axis is None:
        if x.ndim != 1:
            raise ValueError(f"take: an array with {x.ndim} dimensions needs an axis")
        axis = 0
    if indices.ndim > 1:
        raise ValueError(f"indices: found {indices.ndim} dimensions, expected at most 1")
    at = axis_of(axis, x.ndim)
    return x[(slice(None),) * at + (indices,)]


def take_along_axis(x: Array, indices: Array, /, *, axis: int = -1) -> Array:
    """Elements at places along an axis, which differ from line to line."""
    if indices.ndim != x.ndim:
        raise ValueError(f"indices: found {indices.ndim} dimensions, expected {x.ndim}")
    at = axis_of(axis, x.ndim)
    shape = [1 if i == at else extent for i, extent in enumerate(x.shape)]
    others = [1 if i == at else extent for i, extent in enumerate(indices.shape)]
    whole = list(broadcast_extents(tuple(shape), tuple(others)))
    source = Array(x.broadcast([x.shape[at] if i == at else extent for i, extent in enumerate(whole)]))
    index = Array(indices.broadcast([indices.shape[at] if i == at else extent for i, extent in enumerate(whole)]))
    key: list[Any] = []
    for i, extent in enumerate(index.shape):
        if i == at:
            key.append(index)
        else:
            line = [1] * x.ndim
            line[i] = extent
            key.append(arange(extent)._reshaped(line))
    return source[tuple(key)]
