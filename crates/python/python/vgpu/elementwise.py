"""Element-wise functions of the Array API standard; put off and fused where they can be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from . import dtypes
from .array import Array, need, pair
from .dtypes import COMPLEX, FLOATS, INTEGERS, NUMERIC, REAL, DType

_FLOATING = FLOATS + COMPLEX
_BITS = (dtypes.bool_, *INTEGERS)


def _one(name: str, kinds: Sequence[DType], text: str, inner: str | None = None) -> Callable[[Array], Array]:
    function = inner or name

    def apply(x: Array, /) -> Array:
        return Array(need(name, x, kinds).apply(function))

    apply.__name__ = apply.__qualname__ = name
    apply.__doc__ = text
    return apply


def _two(name: str, kinds: Sequence[DType], text: str) -> Callable[[Any, Any], Array]:
    def apply(x1: Any, x2: Any, /) -> Array:
        a, b = pair(name, x1, x2, kinds)
        return Array(a.apply(name, b))

    apply.__name__ = apply.__qualname__ = name
    apply.__doc__ = text
    return apply


abs = _one("abs", NUMERIC, "Absolute value.")  # noqa: A001
acos = _one("acos", _FLOATING, "Inverse cosine.")
acosh = _one("acosh", _FLOATING, "Inverse hyperbolic cosine.")
asin = _one("asin", _FLOATING, "Inverse sine.")
asinh = _one("asinh", _FLOATING, "Inverse hyperbolic sine.")
atan = _one("atan", _FLOATING, "Inverse tangent.")
atanh = _one("atanh", _FLOATING, "Inverse hyperbolic tangent.")
bitwise_invert = _one("bitwise_invert", _BITS, "Complement of bits, or of bools.", "invert")
ceil = _one("ceil", REAL, "Toward plus infinity.")
conj = _one("conj", NUMERIC, "Complex conjugate.")
cos = _one("cos", _FLOATING, "Cosine.")
cosh = _one("cosh", _FLOATING, "Hyperbolic cosine.")
exp = _one("exp", _FLOATING, "e to the power.")
expm1 = _one("expm1", _FLOATING, "e to the power, minus 1, accurate near 0.")
floor = _one("floor", REAL, "Toward minus infinity.")
isfinite = _one("isfinite", NUMERIC, "Neither infinite nor NaN.")
isinf = _one("isinf", NUMERIC, "Infinite.")
isnan = _one("isnan", NUMERIC, "Not a number.")
log = _one("log", _FLOATING, "Natural logarithm.")
log1p = _one("log1p", _FLOATING, "log(1 + x), accurate near 0.")
log2 = _one("log2", _FLOATING, "Logarithm to base 2.")
log10 = _one("log10", _FLOATING, "Logarithm to base 10.")
negative = _one("negative", NUMERIC, "Sign changed.")
positive = _one("positive", NUMERIC, "The array itself.")
reciprocal = _one("reciprocal", _FLOATING, "1 / x.")
round = _one("round", NUMERIC, "To the nearest integer, halves to even.")  # noqa: A001
sign = _one("sign", NUMERIC, "-1, 0 or 1; for complex numbers z / |z|.")
signbit = _one("signbit", FLOATS, "Whether the sign bit is set.")
sin = _one("sin", _FLOATING, "Sine.")
sinh = _one("sinh", _FLOATING, "Hyperbolic sine.")
square = _one("square", NUMERIC, "x x.")
sqrt = _one("sqrt", _FLOATING, "Square root.")
tan = _one("tan", _FLOATING, "Tangent.")
tanh = _one("tanh", _FLOATING, "Hyperbolic tangent.")
trunc = _one("trunc", REAL, "Toward zero.")
imag = _one("imag", COMPLEX, "Imaginary part.")
real = _one("real", NUMERIC, "Real part.")
logical_not = _one("logical_not", (dtypes.bool_,), "Not.")

add = _two("add", NUMERIC, "Sum.")
atan2 = _two("atan2", FLOATS, "Angle of the point (x2, x1).")
bitwise_and = _two("bitwise_and", _BITS, "Conjunction of bits.")
bitwise_left_shift = _two("bitwise_left_shift", INTEGERS, "Bits shifted to the left.")
bitwise_or = _two("bitwise_or", _BITS, "Disjunction of bits.")
bitwise_right_shift = _two("bitwise_right_shift", INTEGERS, "Bits shifted to the right, with the sign.")
bitwise_xor = _two("bitwise_xor", _BITS, "Exclusive disjunction of bits.")
copysign = _two("copysign", FLOATS, "The first's size with the second's sign.")
divide = _two("divide", _FLOATING, "Quotient.")
equal = _two("equal", dtypes.ALL, "Equal.")
floor_divide = _two("floor_divide", REAL, "Quotient toward minus infinity.")
greater = _two("greater", REAL, "Greater.")
greater_equal = _two("greater_equal", REAL, "Greater or equal.")
hypot = _two("hypot", FLOATS, "sqrt(x1 x1 + x2 x2) without overflow in between.")
less = _two("less", REAL, "Less.")
less_equal = _two("less_equal", REAL, "Less or equal.")
logaddexp = _two("logaddexp", FLOATS, "log(exp(x1) + exp(x2)).")
logical_and = _two("logical_and", (dtypes.bool_,), "And.")
logical_or = _two("logical_or", (dtypes.bool_,), "Or.")
logical_xor = _two("logical_xor", (dtypes.bool_,), "Either, not both.")
maximum = _two("maximum", REAL, "The larger; NaN when there is one.")
minimum = _two("minimum", REAL, "The smaller; NaN when there is one.")
multiply = _two("multiply", NUMERIC, "Product.")
nextafter = _two("nextafter", FLOATS, "The next number toward the second.")
not_equal = _two("not_equal", dtypes.ALL, "Not equal.")
pow = _two("pow", NUMERIC, "Power.")  # noqa: A001
remainder = _two("remainder", REAL, "Remainder with the divisor's sign.")
subtract = _two("subtract", NUMERIC, "Difference.")


def clip(x: Array, /, min: Any = None, max: Any = None) -> Array:  # noqa: A002
    """Elements brought between two limits, each of which may be left out.

    Parameters
    ----------
    x : Array
        Real numbers.
    min, max : number or Array, optional
        The limits, in types that promote to that of ``x``.
    """
    need("clip", x, REAL)
    result = x
    for name, limit in (("maximum", min), ("minimum", max)):
        if limit is not None:
            a, b = pair("clip", result, limit, REAL)
            if a.dtype != x.dtype:
                raise TypeError(f"clip: limits of {b.dtype.name} for an array of {x.dtype.name}")
            result = Array(a.apply(name, b))
    return Array(result)


def where(condition: Array, x1: Any, x2: Any, /) -> Array:
    """Elements of ``x1`` where the condition is true, else of ``x2``."""
    need("where", condition, (dtypes.bool_,))
    a, b = pair("where", x1, x2, dtypes.ALL)
    return Array(condition.apply("where", a, b))
