"""Making arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from . import dtypes
from .array import Array, Tensor, check_device
from .dtypes import DType


def _extents(shape: Any) -> list[int]:
    extents = [shape] if isinstance(shape, int) else list(shape)
    for extent in extents:
        if isinstance(extent, bool) or not hasattr(extent, "__index__"):
            raise TypeError(f"shape: found {extent!r}, expected ints")
        if extent.__index__() < 0:
            raise ValueError(f"shape: found extent {extent}, expected 0 or more")
    return [extent.__index__() for extent in extents]


def _default(value: Any) -> DType:
    if isinstance(value, bool):
        return dtypes.bool_
    if isinstance(value, int):
        return dtypes.int64
    if isinstance(value, float):
        return dtypes.float64
    if isinstance(value, complex):
        return dtypes.complex128
    raise TypeError(f"found {type(value).__name__}, expected a Python number")


def scalar(value: Any, dtype: DType) -> Array:
    """A number as an array without dimensions."""
    if dtype in dtypes.INTEGERS and not isinstance(value, int):
        value = int(value)
    elif dtype in dtypes.FLOATS and isinstance(value, complex):
        raise TypeError(f"a complex number is no {dtype.name}")
    if dtype in dtypes.INTEGERS:
        dtypes.scalar_type(int(value), dtype)
    return Array(Tensor.scalar(value, dtype.number))


def _flatten(obj: Any, depth: int, shape: list[int], out: list[Any]) -> None:
    """Appends the numbers of nested sequences; all of one depth must have the same length."""
    if isinstance(obj, Array):
        if obj.ndim == 0:
            obj = obj.item()
        else:
            obj = obj.tolist()
    if isinstance(obj, (list, tuple)):
        if depth == len(shape):
            if out:
                raise ValueError("nested sequences of different depths")
            shape.append(len(obj))
        elif shape[depth] != len(obj):
            raise ValueError(f"nested sequences of lengths {shape[depth]} and {len(obj)} at depth {depth}")
        for item in obj:
            _flatten(item, depth + 1, shape, out)
        return
    if not isinstance(obj, (bool, int, float, complex)):
        # Scalars of other packages.
        item = getattr(obj, "item", None)
        if item is None:
            raise TypeError(f"found {type(obj).__name__} in a sequence, expected numbers")
        obj = item()
    if depth != len(shape):
        raise ValueError("nested sequences of different depths")
    out.append(obj)


def asarray(
    obj: Any, /, *, dtype: DType | None = None, device: Any = None, copy: bool | None = None
) -> Array:
    """An array of what an object holds.

    Parameters
    ----------
    obj : Array, number, nested sequence, or any object with a buffer or DLPack (NumPy's arrays have both)
        The elements. Arrays of vgpu are returned as they are. Memory of other packages is copied, unless ``copy=False``: then
        both share it, and functions of such an array are computed at once.
    dtype : DType, optional
        The type; by default that of the object. Python's numbers give int64, float64 and complex128.
    device : Device, optional
        None, or the one device.
    copy : bool, optional
        Always, never (an error where one is needed), or as above.

    Raises
    ------
    ValueError
        ``copy=False`` where a copy is needed.
    """
    check_device(device)
    if dtype is not None:
        dtypes.check(dtype)
    if isinstance(obj, Array):
        if dtype is not None and dtype != obj.dtype:
            if copy is False:
                raise ValueError(f"a copy is needed to make {dtype.name} of {obj.dtype.name}")
            return Array(obj.cast(dtype.number))
        return Array(obj.copy()) if copy else obj
    if isinstance(obj, (bool, int, float, complex)):
        if copy is False:
            raise ValueError("a copy is needed to make an array of a number")
        chosen = _default(obj) if dtype is None else dtype
        if dtype is None and isinstance(obj, int) and not isinstance(obj, bool) and obj >= 2**63:
            chosen = dtypes.uint64
        return scalar(obj, chosen)
    if isinstance(obj, (list, tuple)):
        if copy is False:
            raise ValueError("a copy is needed to make an array of a sequence")
        return _of_sequence(obj, dtype)
    try:
        shared = Array(Tensor.from_buffer(obj))
    except TypeError as error:
        if "format" in str(error):
            raise
        if not hasattr(obj, "__dlpack__"):
            raise TypeError(f"no array can be made of {type(obj).__name__}") from None
        shared = from_dlpack(obj)
    if dtype is not None and dtype != shared.dtype:
        if copy is False:
            raise ValueError(f"a copy is needed to make {dtype.name} of {shared.dtype.name}")
        return Array(shared.cast(dtype.number))
    return shared if copy is False else Array(shared.copy())


def _of_sequence(obj: Any, dtype: DType | None) -> Array:
    shape: list[int] = []
    flat: list[Any] = []
    _flatten(obj, 0, shape, flat)
    if dtype is None:
        kinds = {type(value) for value in flat}
        if not flat or float in kinds and complex not in kinds:
            dtype = dtypes.float64
        elif complex in kinds:
            dtype = dtypes.complex128
        elif kinds == {bool}:
            dtype = dtypes.bool_
        else:
            dtype = dtypes.int64
            if max(flat) >= 2**63 and min(flat) >= 0:
                dtype = dtypes.uint64
    if dtype in dtypes.INTEGERS:
        flat = [int(value) for value in flat]
        for value in (min(flat, default=0), max(flat, default=0)):
            dtypes.scalar_type(value, dtype)
    elif dtype in dtypes.FLOATS:
        flat = [float(value) for value in flat]
    return Array(Tensor.from_list(flat, dtype.number))._reshaped(shape)


def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> Array:
    """An array on the memory of another package's, through DLPack; without a copy, unless ``copy`` is true."""
    check_device(device)
    if not hasattr(x, "__dlpack__"):
        raise TypeError(f"{type(x).__name__} has no __dlpack__")
    try:
        capsule = x.__dlpack__(max_version=(1, 0))
    except TypeError:
        capsule = x.__dlpack__()
    made = Array(Tensor.from_capsule(capsule))
    return Array(made.copy()) if copy else made


def empty(shape: int | Sequence[int], *, dtype: DType | None = None, device: Any = None) -> Array:
    """Elements of undefined value."""
    check_device(device)
    return Array(Tensor.empty(_extents(shape), (dtypes.check(dtype) if dtype is not None else dtypes.float64).number))


def full(shape: int | Sequence[int], fill_value: Any, *, dtype: DType | None = None, device: Any = None) -> Array:
    """All elements the same."""
    chosen = _default(fill_value) if dtype is None else dtype
    made = empty(shape, dtype=chosen, device=device)
    made.assign(scalar(fill_value, chosen))
    return made


def zeros(shape: int | Sequence[int], *, dtype: DType | None = None, device: Any = None) -> Array:
    """All elements 0."""
    return full(shape, 0, dtype=dtype or dtypes.float64, device=device)


def ones(shape: int | Sequence[int], *, dtype: DType | None = None, device: Any = None) -> Array:
    """All elements 1."""
    return full(shape, 1, dtype=dtype or dtypes.float64, device=device)


def empty_like(x: Array, /, *, dtype: DType | None = None, device: Any = None) -> Array:
    """As `empty`, with another array's shape, and type if none is given."""
    return empty(x.shape, dtype=dtype or x.dtype, device=device)


def full_like(x: Array, /, fill_value: Any, *, dtype: DType | None = None, device: Any = None) -> Array:
    """As `full`, with another array's shape, and type if none is given."""
    return full(x.shape, fill_value, dtype=dtype or x.dtype, device=device)


def zeros_like(x: Array, /, *, dtype: DType | None = None, device: Any = None) -> Array:
    """As `zeros`, with another array's shape, and type if none is given."""
    return zeros(x.shape, dtype=dtype or x.dtype, device=device)


def ones_like(x: Array, /, *, dtype: DType | None = None, device: Any = None) -> Array:
    """As `ones`, with another array's shape, and type if none is given."""
    return ones(x.shape, dtype=dtype or x.dtype, device=device)


def arange(
    start: float, /, stop: float | None = None, step: float = 1, *, dtype: DType | None = None, device: Any = None
) -> Array:
    """Numbers from ``start`` (0 when only one limit is given) to before ``stop``, ``step`` apart."""
    check_device(device)
    if stop is None:
        start, stop = 0, start
    if step == 0:
        raise ValueError("step: found 0, expected another number")
    if isinstance(start, int) and isinstance(stop, int) and isinstance(step, int):
        chosen = dtypes.int64 if dtype is None else dtypes.check(dtype)
        n = len(range(start, stop, step))
        if all(-(2**63) <= value < 2**63 for value in (start, stop, step)):
            if chosen in dtypes.INTEGERS and n:
                dtypes.scalar_type(start, chosen)
                dtypes.scalar_type(start + (n - 1) * step, chosen)
            return Array(Tensor.arange_int(start, step, n, chosen.number))
        raise OverflowError("arange: limits that do not fit 64 bits")
    chosen = dtypes.float64 if dtype is None else dtypes.check(dtype)
    n = max(math.ceil((stop - start) / step), 0)
    return Array(Tensor.arange(float(start), float(step), n, chosen.number))


def linspace(
    start: complex,
    stop: complex,
    /,
    num: int,
    *,
    dtype: DType | None = None,
    device: Any = None,
    endpoint: bool = True,
) -> Array:
    """``num`` numbers at equal distances, the last being ``stop`` or the one before it."""
    check_device(device)
    if num < 0:
        raise ValueError(f"num: found {num}, expected 0 or more")
    is_complex = isinstance(start, complex) or isinstance(stop, complex)
    chosen = dtype or (dtypes.complex128 if is_complex else dtypes.float64)
    parts = num - 1 if endpoint else num
    if is_complex:
        a, b = complex(start), complex(stop)
        real = linspace(a.real, b.real, num, endpoint=endpoint)
        imag = linspace(a.imag, b.imag, num, endpoint=endpoint)
        unit = scalar(1j, dtypes.complex128)
        whole = Array(real.cast(dtypes.complex128.number)) + Array(imag.cast(dtypes.complex128.number)) * unit
        return Array(whole.cast(chosen.number))
    a, b = float(start), float(stop)  # type: ignore[arg-type]
    step = (b - a) / parts if parts > 0 else 0.0
    made = Array(Tensor.arange(a, step, num, dtypes.float64.number))
    if endpoint and num > 1:
        made[-1] = b
    return Array(made.cast(chosen.number))


def eye(n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: DType | None = None, device: Any = None) -> Array:
    """1 on a diagonal, 0 elsewhere."""
    n_cols = n_rows if n_cols is None else n_cols
    made = zeros((n_rows, n_cols), dtype=dtype, device=device)
    first_row, first_col = max(-k, 0), max(k, 0)
    n = max(min(n_rows - first_row, n_cols - first_col), 0)
    if n:
        size = made.dtype.itemsize
        line = made._view([n], [size * (n_cols + 1)], size * (first_row * n_cols + first_col))
        line.assign(scalar(1, made.dtype))
    return made


def _triangle(x: Array, k: int, lower: bool) -> Array:
    if not isinstance(x, Array) or x.ndim < 2:
        raise ValueError("expected an array with at least two dimensions")
    rows = arange(x.shape[-2])[:, None]
    cols = arange(x.shape[-1])
    keep = rows + k >= cols if lower else rows + k <= cols
    return Array(keep.apply("where", x, zeros((), dtype=x.dtype)))


def tril(x: Array, /, *, k: int = 0) -> Array:
    """Elements on and below a diagonal; 0 above."""
    return _triangle(x, k, True)


def triu(x: Array, /, *, k: int = 0) -> Array:
    """Elements on and above a diagonal; 0 below."""
    return _triangle(x, k, False)


def meshgrid(*arrays: Array, indexing: str = "xy") -> tuple[Array, ...]:
    """Coordinates of a grid from the coordinates of its axes."""
    if indexing not in ("xy", "ij"):
        raise ValueError(f"indexing: found {indexing!r}, expected 'xy' or 'ij'")
    if len({array.dtype for array in arrays}) > 1 or any(array.ndim > 1 for array in arrays):
        raise ValueError("meshgrid: expected arrays of one type with at most one dimension")
    n = len(arrays)
    shape = [array.size for array in arrays]
    made = []
    for i, array in enumerate(arrays):
        extents = [1] * n
        extents[i] = array.size
        whole = Array(array._reshaped(extents).broadcast(shape))
        if indexing == "xy" and n > 1:
            whole = whole._permuted([1, 0, *range(2, n)])
        made.append(Array(whole.copy()))
    return tuple(made)


def astype(x: Array, dtype: DType, /, *, copy: bool = True, device: Any = None) -> Array:
    """The elements in another type. Complex numbers do not become real ones."""
    check_device(device)
    dtypes.check(dtype)
    if not isinstance(x, Array):
        raise TypeError(f"astype: expected a vgpu array, found {type(x).__name__}")
    if x.dtype in dtypes.COMPLEX and dtype not in dtypes.COMPLEX:
        raise TypeError(f"astype: {x.dtype.name} does not become {dtype.name}: take real or imag")
    if x.dtype == dtype:
        return Array(x.copy()) if copy else x
    return Array(x.cast(dtype.number))


def result_type(*arrays_and_dtypes: Any) -> DType:
    """The type that arrays, types and numbers have together."""
    known = [dtypes.check(getattr(thing, "dtype", thing)) for thing in arrays_and_dtypes
             if not isinstance(thing, (bool, int, float, complex))]
    if not known:
        raise ValueError("result_type: expected at least one array or type")
    dtype = known[0]
    for other in known[1:]:
        dtype = dtypes.promote(dtype, other)
    for value in arrays_and_dtypes:
        if isinstance(value, (bool, int, float, complex)):
            dtypes.scalar_type(value, dtype)
    return dtype


def can_cast(from_: Any, to: DType, /) -> bool:
    """Whether a type (or an array's) becomes another by promotion."""
    source = dtypes.check(getattr(from_, "dtype", from_))
    return dtypes.promotes_to(source, dtypes.check(to))
