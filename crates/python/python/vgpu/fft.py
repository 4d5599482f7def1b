"""Fourier transforms: the Array API standard's extension."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from . import dtypes
from .array import Array, need
from .creation import arange, zeros
from .dtypes import COMPLEX, FLOATS, DType
from .elementwise import conj
from .manipulation import axes_of, concat, roll

_SWAPPED = {"backward": "forward", "ortho": "ortho", "forward": "backward"}


def _resized(x: Array, n: int, axis: int) -> Array:
    """Cut, or zeros appended, to ``n`` elements along an axis."""
    if n < 1:
        raise ValueError(f"n: found {n}, expected 1 or more")
    have = x.shape[axis]
    if n <= have:
        return x[(slice(None),) * axis + (slice(0, n),)]
    shape = [n - have if i == axis else extent for i, extent in enumerate(x.shape)]
    return concat([x, zeros(shape, dtype=x.dtype)], axis=axis)


def _axes_and_sizes(x: Array, s: Sequence[int] | None, axes: Any) -> tuple[list[int], list[int]]:
    if axes is None:
        found = list(range(x.ndim)) if s is None else list(range(x.ndim - len(s), x.ndim))
    else:
        found = axes_of(tuple(axes), x.ndim, "axes")
    sizes = [x.shape[i] for i in found] if s is None else [operator.index(n) for n in s]
    if len(sizes) != len(found):
        raise ValueError(f"s: found {len(sizes)} extents for {len(found)} axes")
    return found, [x.shape[i] if n == -1 else n for i, n in zip(found, sizes, strict=True)]


def _complex(name: str, x: Array) -> Array:
    need(name, x, FLOATS + COMPLEX)
    return Array(x.cast(dtypes.complex_of(x.dtype).number))


def _transform(name: str, x: Array, s: Any, axes: Any, norm: str, inverse: bool) -> Array:
    x = _complex(name, x)
    found, sizes = _axes_and_sizes(x, s, axes)
    for axis, n in zip(found, sizes, strict=True):
        x = _resized(x, n, axis)
    return Array(x.fft(found, inverse, norm))


def fft(x: Array, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Array:
    """Transform along an axis."""
    return _transform("fft", x, None if n is None else [n], [axis], norm, False)


def ifft(x: Array, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Array:
    """Inverse transform along an axis."""
    return _transform("ifft", x, None if n is None else [n], [axis], norm, True)


def fftn(x: Array, /, *, s: Sequence[int] | None = None, axes: Any = None, norm: str = "backward") -> Array:
    """Transform along axes, all by default."""
    return _transform("fftn", x, s, axes, norm, False)


def ifftn(x: Array, /, *, s: Sequence[int] | None = None, axes: Any = None, norm: str = "backward") -> Array:
    """Inverse transform along axes, all by default."""
    return _transform("ifftn", x, s, axes, norm, True)


def rfftn(x: Array, /, *, s: Sequence[int] | None = None, axes: Any = None, norm: str = "backward") -> Array:
    """Transform of real numbers along axes; the last of them has n/2 + 1 elements in the result."""
    need("rfftn", x, FLOATS)
    found, sizes = _axes_and_sizes(x, s, axes)
    if not found:
        raise ValueError("rfftn: expected at least one axis")
    for axis, n in zip(found, sizes, strict=True):
        x = _resized(x, n, axis)
    order, inner = _last(x.ndim, found)
    made = Array(x._permuted(order).rfft(inner, norm))
    return made._permuted([order.index(i) for i in range(x.ndim)])


def _last(ndim: int, axes: list[int]) -> tuple[list[int], list[int]]:
    """An order of axes in which the last of some is the last of all, and where they are then."""
    order = [i for i in range(ndim) if i != axes[-1]] + [axes[-1]]
    return order, [order.index(axis) for axis in axes]


def irfftn(x: Array, /, *, s: Sequence[int] | None = None, axes: Any = None, norm: str = "backward") -> Array:
    """The inverse of `rfftn`; the last axis gets 2 (n - 1) elements unless ``s`` says otherwise."""
    x = _complex("irfftn", x)
    found, sizes = _axes_and_sizes(x, s, axes)
    if not found:
        raise ValueError("irfftn: expected at least one axis")
    if s is None:
        sizes[-1] = 2 * (x.shape[found[-1]] - 1)
    if sizes[-1] < 1:
        raise ValueError(f"n: found {sizes[-1]}, expected 1 or more")
    for axis, n in zip(found[:-1], sizes[:-1], strict=True):
        x = _resized(x, n, axis)
    x = _resized(x, sizes[-1] // 2 + 1, found[-1])
    order, inner = _last(x.ndim, found)
    made = Array(x._permuted(order).irfft(inner, sizes[-1], norm))
    return made._permuted([order.index(i) for i in range(x.ndim)])


def rfft(x: Array, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Array:
    """Transform of real numbers along an axis, which has n/2 + 1 elements in the result."""
    return rfftn(x, s=None if n is None else [n], axes=[axis], norm=norm)


def irfft(x: Array, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Array:
    """The inverse of `rfft`."""
    return irfftn(x, s=None if n is None else [n], axes=[axis], norm=norm)


def hfft(x: Array, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Array:
    """Transform of a sequence that is its own reversed conjugate, of which the first half is given: real."""
    if norm not in _SWAPPED:
        raise ValueError(f"norm: found {norm!r}, expected 'backward', 'ortho' or 'forward'")
    return irfft(conj(_complex("hfft", x)), n=n, axis=axis, norm=_SWAPPED[norm])


def ihfft(x: Array, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Array:
    """The inverse of `hfft`."""
    if norm not in _SWAPPED:
        raise ValueError(f"norm: found {norm!r}, expected 'backward', 'ortho' or 'forward'")
    return conj(rfft(x, n=n, axis=axis, norm=_SWAPPED[norm]))


def _frequencies(numbers: Array, n: int, d: float, dtype: DType | None) -> Array:
    chosen = dtype or dtypes.float64
    if chosen not in FLOATS:
        raise TypeError(f"dtype: found {chosen!r}, expected a real floating-point type")
    made = Array(numbers.cast(dtypes.float64.number)) / (n * float(d))
    return Array(made.cast(chosen.number))


def fftfreq(n: int, /, *, d: float = 1.0, dtype: DType | None = None, device: Any = None) -> Array:
    """Frequencies of a transform's elements: 0 to the highest, then the negative ones."""
    del device
    numbers = concat([arange((n + 1) // 2), arange(-(n // 2), 0)])
    return _frequencies(numbers, n, d, dtype)


def rfftfreq(n: int, /, *, d: float = 1.0, dtype: DType | None = None, device: Any = None) -> Array:
    """Frequencies of a real transform's elements."""
    del device
    return _frequencies(arange(n // 2 + 1), n, d, dtype)


def fftshift(x: Array, /, *, axes: Any = None) -> Array:
    """Frequency 0 brought to the middle."""
    found = axes_of(tuple(axes) if isinstance(axes, list) else axes, x.ndim)
    return roll(x, [x.shape[i] // 2 for i in found], axis=found)


def ifftshift(x: Array, /, *, axes: Any = None) -> Array:
    """The inverse of `fftshift`."""
    found = axes_of(tuple(axes) if isinstance(axes, list) else axes, x.ndim)
    return roll(x, [-(x.shape[i] // 2) for i in found], axis=found)


