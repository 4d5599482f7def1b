"""Element types, promotion and their limits, as the Python Array API standard has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


class DType:
    """The type of an array's elements."""

    __slots__ = ("bits", "kind", "name", "number")

    def __init__(self, number: int, name: str, kind: str, bits: int) -> None:
        self.number = number
        self.name = name
        #: One of ``"bool"``, ``"signed integer"``, ``"unsigned integer"``, ``"real floating"``, ``"complex floating"``.
        self.kind = kind
        self.bits = bits

    @property
    def itemsize(self) -> int:
        """Bytes of an element."""
        return max(self.bits // 8, 1)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DType) and other.number == self.number

    def __hash__(self) -> int:
        return hash(("vgpu.DType", self.number))

    def __repr__(self) -> str:
        return f"vgpu.{self.name}"

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return by_name, (self.name,)


bool_ = DType(0, "bool", "bool", 8)
int8 = DType(1, "int8", "signed integer", 8)
int16 = DType(2, "int16", "signed integer", 16)
int32 = DType(3, "int32", "signed integer", 32)
int64 = DType(4, "int64", "signed integer", 64)
uint8 = DType(5, "uint8", "unsigned integer", 8)
uint16 = DType(6, "uint16", "unsigned integer", 16)
uint32 = DType(7, "uint32", "unsigned integer", 32)
uint64 = DType(8, "uint64", "unsigned integer", 64)
float32 = DType(9, "float32", "real floating", 32)
float64 = DType(10, "float64", "real floating", 64)
complex64 = DType(11, "complex64", "complex floating", 64)
complex128 = DType(12, "complex128", "complex floating", 128)

ALL = (
    bool_, int8, int16, int32, int64, uint8, uint16, uint32, uint64, float32, float64, complex64, complex128,
)
SIGNED = (int8, int16, int32, int64)
UNSIGNED = (uint8, uint16, uint32, uint64)
INTEGERS = SIGNED + UNSIGNED
FLOATS = (float32, float64)
COMPLEX = (complex64, complex128)
REAL = INTEGERS + FLOATS
NUMERIC = REAL + COMPLEX

_KINDS: dict[str, tuple[DType, ...]] = {
    "bool": (bool_,),
    "signed integer": SIGNED,
    "unsigned integer": UNSIGNED,
    "integral": INTEGERS,
    "real floating": FLOATS,
    "complex floating": COMPLEX,
    "numeric": NUMERIC,
}


def by_name(name: str) -> DType:
    """The type of that name."""
    for dtype in ALL:
        if dtype.name == name:
            return dtype
    raise ValueError(f"type: found {name!r}, expected one of {', '.join(known.name for known in ALL)}")


def check(dtype: Any) -> DType:
    """The type itself, or an error that says what was found."""
    if not isinstance(dtype, DType):
        raise TypeError(f"dtype: found {dtype!r}, expected a vgpu type such as vgpu.float32")
    return dtype


def real_of(dtype: DType) -> DType:
    """The type of a complex type's parts."""
    return {complex64: float32, complex128: float64}.get(dtype, dtype)


def complex_of(dtype: DType) -> DType:
    """The complex type with parts of a floating-point type."""
    return {float32: complex64, float64: complex128}.get(dtype, dtype)


def promote(a: DType, b: DType) -> DType:
    """The type of two together.

    Raises
    ------
    TypeError
        The standard has none: bools with numbers, integers with floats, uint64 with signed integers.
    """
    if a == b:
        return a
    wrong = TypeError(f"types {a.name} and {b.name} do not promote: convert one with astype")
    if "bool" in (a.kind, b.kind):
        raise wrong
    integers = (a in INTEGERS, b in INTEGERS)
    if all(integers):
        if a.kind == b.kind:
            return a if a.bits > b.bits else b
        signed, unsigned = (a, b) if a in SIGNED else (b, a)
        bits = max(signed.bits, 2 * unsigned.bits)
        if bits > 64:
            raise wrong
        return next(dtype for dtype in SIGNED if dtype.bits == bits)
    if any(integers):
        raise wrong
    bits = max(real_of(a).bits, real_of(b).bits)
    real = float32 if bits == 32 else float64
    return complex_of(real) if a in COMPLEX or b in COMPLEX else real


def promotes_to(a: DType, b: DType) -> bool:
    """Whether the two together have the second's type."""
    try:
        return promote(a, b) == b
    except TypeError:
        return False


def isdtype(dtype: DType, kind: DType | str | tuple[DType | str, ...]) -> bool:
    """Whether a type is of a kind, or is one of several."""
    check(dtype)
    if isinstance(kind, tuple):
        return any(isdtype(dtype, one) for one in kind)
    if isinstance(kind, DType):
        return dtype == kind
    if kind not in _KINDS:
        raise ValueError(f"kind: found {kind!r}, expected a type or one of {', '.join(_KINDS)}")
    return dtype in _KINDS[kind]


@dataclass(frozen=True)
class finfo_object:  # noqa: N801
    """Limits of a floating-point type."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: DType


@dataclass(frozen=True)
class iinfo_object:  # noqa: N801
    """Limits of an integer type."""

    bits: int
    max: int
    min: int
    dtype: DType


def _type_of(thing: Any) -> DType:
    return check(getattr(thing, "dtype", thing))


def finfo(type: Any) -> finfo_object:
    """Limits of a floating-point type, or of an array's."""
    dtype = real_of(_type_of(type))
    if dtype == float32:
        return finfo_object(32, 2.0**-23, (2 - 2.0**-23) * 2.0**127, -(2 - 2.0**-23) * 2.0**127, 2.0**-126, dtype)
    if dtype == float64:
        return finfo_object(64, 2.0**-52, (2 - 2.0**-52) * 2.0**1023, -(2 - 2.0**-52) * 2.0**1023, 2.0**-1022, dtype)
    raise TypeError(f"finfo: found {dtype.name}, expected a floating-point type")


def iinfo(type: Any) -> iinfo_object:
    """Limits of an integer type, or of an array's."""
    dtype = _type_of(type)
    if dtype in SIGNED:
        return iinfo_object(dtype.bits, 2 ** (dtype.bits - 1) - 1, -(2 ** (dtype.bits - 1)), dtype)
    if dtype in UNSIGNED:
        return iinfo_object(dtype.bits, 2**dtype.bits - 1, 0, dtype)
    raise TypeError(f"iinfo: found {dtype.name}, expected an integer type")


def scalar_type(value: Any, beside: DType) -> DType:
    """The type that a Python number takes beside an array of type ``beside``."""
    if isinstance(value, bool):
        fits = beside == bool_
    elif isinstance(value, int):
        fits = beside in NUMERIC
        if beside in INTEGERS:
            limits = iinfo(beside)
            if not limits.min <= value <= limits.max:
                raise OverflowError(f"{value} does not fit {beside.name}")
    elif isinstance(value, float):
        fits = beside in FLOATS + COMPLEX
    elif isinstance(value, complex):
        fits = beside in COMPLEX
    else:
        raise TypeError(f"found {type(value).__name__}, expected a vgpu array or a Python number")
    if not fits:
        raise TypeError(f"a Python {type(value).__name__} does not go with an array of {beside.name}")
    return beside
