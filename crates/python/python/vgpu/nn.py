"""Functions of neural networks; the element-wise ones are fused with what is around them."""

from __future__ import annotations

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


def conv2d(*_args: Any, **_kwargs: Any) -> Array:
    """Convolution in two dimensions: not there yet.

    Raises
    ------
    NotImplementedError
        Always.
    """
    raise NotImplementedError("vgpu.nn.conv2d: the convolution routines of vgpu-num are missing")
