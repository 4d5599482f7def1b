"""Functions of neural networks; the element-wise ones are fused with what is around them."""

from __future__ import annotations

import operator
from typing import Any

from . import _vgpu, dtypes
from .array import Array, need
from .dtypes import FLOATS
from .elementwise import exp, maximum
from .manipulation import axis_of, moveaxis
from .reductions import max, sum  # noqa: A004


def relu(x: Array, /) -> Array:
    """max(x, 0)."""
    need("relu", x, FLOATS)
    return maximum(x, 0.0)


def sigmoid(x: Array, /) -> Array:
    """1 / (1 + e^-x)."""
    return Array(need("sigmoid", x, FLOATS).apply("sigmoid"))


def silu(x: Array, /) -> Array:
    """x sigmoid(x)."""
    return x * sigmoid(x)


def erf(x: Array, /) -> Array:
    """The error function."""
    return Array(need("erf", x, FLOATS).apply("erf"))


def gelu(x: Array, /) -> Array:
    """x/2 (1 + erf(x / sqrt 2))."""
    return Array(need("gelu", x, FLOATS).apply("gelu"))


def softmax(x: Array, /, *, axis: int = -1) -> Array:
    """exp(x) over its sum along an axis, without overflow."""
    at = axis_of(axis, need("softmax", x, FLOATS).ndim)
    if x.dtype == dtypes.float32 and x.ndim:
        return moveaxis(Array(_vgpu.softmax_rows(moveaxis(x, at, -1))), -1, at)
    powers = exp(x - max(x, axis=at, keepdims=True))
    return powers / sum(powers, axis=at, keepdims=True)


def _pair(value: Any, what: str) -> list[int]:
    pair = [value, value] if isinstance(value, int) else [operator.index(one) for one in value]
    if len(pair) != 2 or any(one < 0 for one in pair):
        raise ValueError(f"{what}: found {value!r}, expected a number or two, 0 or more")
    return pair


def conv2d(
    x: Array,
    weights: Array,
    /,
    bias: Array | None = None,
    *,
    stride: int | tuple[int, int] = 1,
    padding: Any = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
    layout: str = "NCHW",
) -> Array:
    """Convolution (cross-correlation, as networks have it) of images.

    Parameters
    ----------
    x : Array
        float32 or float64, of shape (images, channels, rows, columns), or channels last with ``layout="NHWC"``.
    weights : Array
        (output channels, channels / groups, rows, columns), of the type of ``x``.
    bias : Array, optional
        One number for each output channel.
    stride, dilation : int or two of them
        By rows and columns.
    padding : int, two, or two pairs
        Zeros around the image: everywhere, by rows and columns, or before and after by rows and columns.
    groups : int
        How many groups of channels there are, each of which is convolved by itself.
    layout : str
        ``"NCHW"`` or ``"NHWC"``.
    """
    if layout not in ("NCHW", "NHWC"):
        raise ValueError(f"layout: found {layout!r}, expected 'NCHW' or 'NHWC'")
    for name, array in (("x", x), ("weights", weights), ("bias", bias)):
        if array is not None and need("conv2d", array, FLOATS).dtype != x.dtype:
            raise TypeError(f"conv2d: {name} of {array.dtype.name} for images of {x.dtype.name}")
    if not isinstance(padding, int) and len(padding) == 2 and not isinstance(padding[0], int):
        sides = [_pair(tuple(padding[0]), "padding"), _pair(tuple(padding[1]), "padding")]
    else:
        rows, cols = _pair(padding, "padding")
        sides = [[rows, rows], [cols, cols]]
    if groups < 1:
        raise ValueError(f"groups: found {groups}, expected 1 or more")
    made = _vgpu.conv2d(
        x, weights, bias, layout == "NHWC", _pair(stride, "stride"), sides, _pair(dilation, "dilation"), groups
    )
    return Array(made)
