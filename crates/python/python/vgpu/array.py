"""The array object: elements in the engine's memory, or an expression that will give them."""

from __future__ import annotations

import builtins
import operator
from collections.abc import Sequence
from contextlib import contextmanager
from typing import Any

from . import _vgpu, dtypes
from .device import Device
from .dtypes import DType

Tensor = _vgpu.Tensor
_devices: list[Device] = []


def the_device() -> Device:
    """The device that arrays live on."""
    if not _devices:
        _devices.append(Device(0))
    return _devices[0]


def check_device(device: Any) -> None:
    """Refuse any other device than None and the arrays' own."""
    if device is not None and device != the_device():
        raise ValueError(f"device: found {device!r}, expected None or {the_device()!r}")


class _Eager:
    """What `eager` returns: puts things back at the end of a block."""

    def __init__(self, before: bool) -> None:
        self._before = before

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        _vgpu.set_lazy(self._before)


def eager(on: bool = True) -> _Eager:
    """Compute at once (or, with ``False``, put element-wise work off again, as is the default).

    As a context manager it holds for the block, for all threads.
    """
    return _Eager(_vgpu.set_lazy(not on))


@contextmanager
def fusion_threshold(elements: int):  # type: ignore[no-untyped-def]
    """For a block: expressions with fewer elements are computed step by step, without a kernel of their own."""
    before = _vgpu.set_fusion_threshold(elements)
    try:
        yield
    finally:
        _vgpu.set_fusion_threshold(before)


class Array(Tensor):
    """An array of numbers; made by `asarray`, `zeros` and the like.

    Element-wise functions are put off until somebody looks at the elements; a chain of them then runs as one kernel.
    """

    __slots__ = ()
    #: NumPy leaves operators with its arrays to this class.
    __array_ufunc__ = None

    @property
    def dtype(self) -> DType:
        """The type of the elements."""
        return dtypes.ALL[self.dtype_number]

    @property
    def shape(self) -> tuple[int, ...]:
        """The extents."""
        return tuple(self.extents)

    @property
    def ndim(self) -> int:
        """How many dimensions there are."""
        return len(self.extents)

    @property
    def size(self) -> int:
        """How many elements there are."""
        size = 1
        for extent in self.extents:
            size *= extent
        return size

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.size * self.dtype.itemsize

    @property
    def device(self) -> Device:
        """Where the elements are."""
        return the_device()

    @property
    def T(self) -> Array:  # noqa: N802
        """The transposed matrix."""
        if self.ndim != 2:
            raise ValueError(f"T: found {self.ndim} dimensions, expected 2")
        return self._permuted([1, 0])

    @property
    def mT(self) -> Array:  # noqa: N802
        """The transposed matrices of the last two dimensions."""
        if self.ndim < 2:
            raise ValueError(f"mT: found {self.ndim} dimensions, expected at least 2")
        return self._permuted([*range(self.ndim - 2), self.ndim - 1, self.ndim - 2])

    def to_device(self, device: Any, /, *, stream: Any = None) -> Array:
        """The array itself: there is one device."""
        check_device(device)
        if stream is not None:
            raise ValueError("stream: expected None")
        return self

    def tolist(self) -> Any:
        """The elements as Python numbers in nested lists."""
        return super().tolist()

    # Views.

    def _view(self, shape: Sequence[int], strides: Sequence[int], offset: int = 0) -> Array:
        return Array(self.restride(list(shape), list(strides), offset))

    def _permuted(self, axes: Sequence[int]) -> Array:
        strides, extents = self.strides(), self.extents
        return self._view([extents[axis] for axis in axes], [strides[axis] for axis in axes])

    def _reshaped(self, shape: Sequence[int]) -> Array:
        """The same number of elements in another shape; a view where the elements lie side by side."""
        source = self if self.is_contiguous() else Array(self.copy())
        strides, step = [], source.dtype.itemsize
        for extent in reversed(shape):
            strides.append(step)
            step *= max(extent, 1)
        return source._view(shape, strides[::-1])

    def _expanded(self, key: Any) -> list[Any]:
        """The key with one item for each axis, and None for new ones."""
        items = list(key) if isinstance(key, tuple) else [key]
        used = 0
        for item in items:
            if isinstance(item, Array) and item.dtype == dtypes.bool_:
                used += item.ndim
            elif item is not None and item is not ...:
                used += 1
        dots = builtins.sum(item is ... for item in items)
        if dots > 1:
            raise IndexError("an index can have one ellipsis")
        if used > self.ndim:
            raise IndexError(f"{used} indices for an array with {self.ndim} dimensions")
        if not dots:
            items.append(...)
        at = next(i for i, item in enumerate(items) if item is ...)
        items[at : at + 1] = [slice(None)] * (self.ndim - used)
        return items

    def _index(self, key: Any) -> tuple[Array, list[Array] | None, int]:
        """A view with everything but arrays applied, the arrays of places for its first axes, and where they stood."""
        items = self._expanded(key)
        has_arrays = any(isinstance(item, Array) for item in items)
        strides_in, extents = self.strides(), self.extents
        shape: list[int] = []
        strides: list[int] = []
        places: list[Array] = []
        advanced: list[int] = []
        # Where the arrays stand among the items decides where their dimensions go, as in NumPy.
        order: list[int] = []
        offset, axis = 0, 0
        for at, item in enumerate(items):
            if item is None:
                shape.append(1)
                strides.append(0)
                continue
            if isinstance(item, Array) and item.dtype == dtypes.bool_:
                if tuple(extents[axis : axis + item.ndim]) != item.shape:
                    expected = tuple(extents[axis : axis + item.ndim])
                    raise IndexError(f"mask of shape {item.shape} for axes of shape {expected}")
                if item.ndim == 0:
                    shape.append(1)
                    strides.append(0)
                    advanced.append(len(shape) - 1)
                    order.append(at)
                    places.append(Array(item._reshaped((1,)).nonzero()[0]))
                    continue
                for found in item.nonzero():
                    shape.append(extents[axis])
                    strides.append(strides_in[axis])
                    advanced.append(len(shape) - 1)
                    order.append(at)
                    places.append(Array(found))
                    axis += 1
                continue
            extent, stride = extents[axis], strides_in[axis]
            if isinstance(item, slice):
                start, stop, step = item.indices(extent)
                length = len(range(start, stop, step))
                shape.append(length)
                strides.append(stride * step)
                if length:
                    offset += start * stride
            elif isinstance(item, Array):
                if item.dtype not in dtypes.INTEGERS:
                    raise IndexError(f"index array of {item.dtype.name}: expected integers or a bool mask")
                shape.append(extent)
                strides.append(stride)
                advanced.append(len(shape) - 1)
                order.append(at)
                places.append(Array(item.cast(dtypes.int64.number)))
            else:
                try:
                    number = operator.index(item)
                except TypeError:
                    kind = type(item).__name__
                    raise IndexError(f"index of type {kind}: expected integers, slices, ..., None or arrays") from None
                if not -extent <= number < extent:
                    raise IndexError(f"index {number} is out of bounds for axis {axis} with {extent} elements")
                if has_arrays:
                    shape.append(extent)
                    strides.append(stride)
                    advanced.append(len(shape) - 1)
                    order.append(at)
                    places.append(Array(Tensor.scalar(number, dtypes.int64.number)))
                else:
                    offset += (number % extent) * stride
            axis += 1
        view = self._view(shape, strides, offset)
        if not has_arrays:
            return view, None, 0
        rest = [i for i in range(len(shape)) if i not in advanced]
        view = view._permuted(advanced + rest)
        together = order[-1] - order[0] == len(set(order)) - 1
        return view, _broadcast(places), advanced[0] if together else 0

    def __getitem__(self, key: Any, /) -> Array:
        view, places, at = self._index(key)
        if places is None:
            return view
        result = Array(view.pick(places))
        n = places[0].ndim
        if at:
            axes = list(range(n))
            rest = list(range(n, result.ndim))
            result = result._permuted(rest[:at] + axes + rest[at:])
        return result

    def __setitem__(self, key: Any, value: Any, /) -> None:
        view, places, at = self._index(key)
        if not isinstance(value, Array):
            if not isinstance(value, (bool, int, float, complex)):
                from .creation import asarray

                value = asarray(value)
            else:
                value = _number(value, self.dtype)
        if not dtypes.promotes_to(value.dtype, self.dtype):
            raise TypeError(f"elements of {value.dtype.name} cannot be put into an array of {self.dtype.name}")
        if places is None:
            view.assign(value)
            return
        if at and value.ndim:
            # The value's dimensions are in the order of the result; the arrays' go first here.
            n, rest = places[0].ndim, view.ndim - len(places)
            value = Array(value.broadcast([*view.extents[len(places) : len(places) + at], *places[0].extents,
                                           *view.extents[len(places) + at :]]))
            value = value._permuted([*range(at, at + n), *range(at), *range(at + n, n + rest)])
        view.put(places, value)

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("an array without dimensions has no length")
        return self.extents[0]

    def __iter__(self) -> Any:
        if not self.ndim:
            raise TypeError("an array without dimensions cannot be gone through")
        return (self[i] for i in range(self.extents[0]))

    # Numbers.

    def _single(self, what: str) -> Any:
        if self.ndim:
            raise TypeError(f"{what}: expected an array without dimensions, found shape {self.shape}")
        return self.item()

    def __bool__(self) -> bool:
        return bool(self._single("bool"))

    def __float__(self) -> float:
        return float(self._single("float"))

    def __int__(self) -> int:
        return int(self._single("int"))

    def __complex__(self) -> complex:
        return complex(self._single("complex"))

    def __index__(self) -> int:
        if self.dtype not in dtypes.INTEGERS:
            raise TypeError(f"index: expected integers, found {self.dtype.name}")
        return int(self._single("index"))

    # Operators.

    def __add__(self, other: Any, /) -> Array:
        return _binary("add", dtypes.NUMERIC, self, other)

    def __radd__(self, other: Any, /) -> Array:
        return _binary("add", dtypes.NUMERIC, other, self)

    def __iadd__(self, other: Any, /) -> Array:
        return _in_place("add", dtypes.NUMERIC, self, other)

    def __sub__(self, other: Any, /) -> Array:
        return _binary("subtract", dtypes.NUMERIC, self, other)

    def __rsub__(self, other: Any, /) -> Array:
        return _binary("subtract", dtypes.NUMERIC, other, self)

    def __isub__(self, other: Any, /) -> Array:
        return _in_place("subtract", dtypes.NUMERIC, self, other)

    def __mul__(self, other: Any, /) -> Array:
        return _binary("multiply", dtypes.NUMERIC, self, other)

    def __rmul__(self, other: Any, /) -> Array:
        return _binary("multiply", dtypes.NUMERIC, other, self)

    def __imul__(self, other: Any, /) -> Array:
        return _in_place("multiply", dtypes.NUMERIC, self, other)

    def __truediv__(self, other: Any, /) -> Array:
        return _binary("divide", _FLOATING, self, other)

    def __rtruediv__(self, other: Any, /) -> Array:
        return _binary("divide", _FLOATING, other, self)

    def __itruediv__(self, other: Any, /) -> Array:
        return _in_place("divide", _FLOATING, self, other)

    def __floordiv__(self, other: Any, /) -> Array:
        return _binary("floor_divide", dtypes.REAL, self, other)

    def __rfloordiv__(self, other: Any, /) -> Array:
        return _binary("floor_divide", dtypes.REAL, other, self)

    def __ifloordiv__(self, other: Any, /) -> Array:
        return _in_place("floor_divide", dtypes.REAL, self, other)

    def __mod__(self, other: Any, /) -> Array:
        return _binary("remainder", dtypes.REAL, self, other)

    def __rmod__(self, other: Any, /) -> Array:
        return _binary("remainder", dtypes.REAL, other, self)

    def __imod__(self, other: Any, /) -> Array:
        return _in_place("remainder", dtypes.REAL, self, other)

    def __pow__(self, other: Any, /) -> Array:
        return _binary("pow", dtypes.NUMERIC, self, other)

    def __rpow__(self, other: Any, /) -> Array:
        return _binary("pow", dtypes.NUMERIC, other, self)

    def __ipow__(self, other: Any, /) -> Array:
        return _in_place("pow", dtypes.NUMERIC, self, other)

    def __and__(self, other: Any, /) -> Array:
        return _binary("bitwise_and", _BITS, self, other)

    def __rand__(self, other: Any, /) -> Array:
        return _binary("bitwise_and", _BITS, other, self)

    def __iand__(self, other: Any, /) -> Array:
        return _in_place("bitwise_and", _BITS, self, other)

    def __or__(self, other: Any, /) -> Array:
        return _binary("bitwise_or", _BITS, self, other)

    def __ror__(self, other: Any, /) -> Array:
        return _binary("bitwise_or", _BITS, other, self)

    def __ior__(self, other: Any, /) -> Array:
        return _in_place("bitwise_or", _BITS, self, other)

    def __xor__(self, other: Any, /) -> Array:
        return _binary("bitwise_xor", _BITS, self, other)

    def __rxor__(self, other: Any, /) -> Array:
        return _binary("bitwise_xor", _BITS, other, self)

    def __ixor__(self, other: Any, /) -> Array:
        return _in_place("bitwise_xor", _BITS, self, other)

    def __lshift__(self, other: Any, /) -> Array:
        return _binary("bitwise_left_shift", dtypes.INTEGERS, self, other)

    def __rlshift__(self, other: Any, /) -> Array:
        return _binary("bitwise_left_shift", dtypes.INTEGERS, other, self)

    def __ilshift__(self, other: Any, /) -> Array:
        return _in_place("bitwise_left_shift", dtypes.INTEGERS, self, other)

    def __rshift__(self, other: Any, /) -> Array:
        return _binary("bitwise_right_shift", dtypes.INTEGERS, self, other)

    def __rrshift__(self, other: Any, /) -> Array:
        return _binary("bitwise_right_shift", dtypes.INTEGERS, other, self)

    def __irshift__(self, other: Any, /) -> Array:
        return _in_place("bitwise_right_shift", dtypes.INTEGERS, self, other)

    def __eq__(self, other: Any, /) -> Array:  # type: ignore[override]
        return _binary("equal", dtypes.ALL, self, other)

    def __ne__(self, other: Any, /) -> Array:  # type: ignore[override]
        return _binary("not_equal", dtypes.ALL, self, other)

    def __lt__(self, other: Any, /) -> Array:
        return _binary("less", dtypes.REAL, self, other)

    def __le__(self, other: Any, /) -> Array:
        return _binary("less_equal", dtypes.REAL, self, other)

    def __gt__(self, other: Any, /) -> Array:
        return _binary("greater", dtypes.REAL, self, other)

    def __ge__(self, other: Any, /) -> Array:
        return _binary("greater_equal", dtypes.REAL, self, other)

    def __neg__(self) -> Array:
        return Array(need("negative", self, dtypes.NUMERIC).apply("negative"))

    def __pos__(self) -> Array:
        return Array(need("positive", self, dtypes.NUMERIC).apply("positive"))

    def __abs__(self) -> Array:
        return Array(need("abs", self, dtypes.NUMERIC).apply("abs"))

    def __invert__(self) -> Array:
        return Array(need("invert", self, _BITS).apply("invert"))

    def __matmul__(self, other: Any, /) -> Array:
        if not isinstance(other, Array):
            return NotImplemented
        from .linalg import matmul

        return matmul(self, other)

    def __rmatmul__(self, other: Any, /) -> Array:
        return NotImplemented

    def __imatmul__(self, other: Any, /) -> Array:
        if not isinstance(other, Array):
            return NotImplemented
        from .linalg import matmul

        result = matmul(self, other)
        if result.dtype != self.dtype:
            raise TypeError(f"matmul in place: the result's type {result.dtype.name} is not {self.dtype.name}")
        return _written("matmul", self, result)

    # Exchange.

    def __array_namespace__(self, /, *, api_version: str | None = None) -> Any:
        if api_version not in (None, "2021.12", "2022.12", "2023.12", "2024.12", "2025.12"):
            raise ValueError(f"api_version: found {api_version!r}, expected up to '2025.12'")
        import vgpu

        return vgpu

    def __dlpack__(
        self,
        /,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        if stream is not None:
            raise ValueError("stream: expected None for memory of the host")
        if dl_device is not None and tuple(dl_device) != self.__dlpack_device__():
            raise BufferError(f"dl_device: found {dl_device}, expected (1, 0), the host")
        source = Array(self.copy()) if copy else self
        return source.to_capsule(max_version is not None and max_version[0] >= 1, bool(copy))

    def __dlpack_device__(self, /) -> tuple[int, int]:
        return (1, 0)

    @property
    def __array_interface__(self) -> dict[str, Any]:
        address, strides, writable = self.expose()
        kind = {"bool": "b", "signed integer": "i", "unsigned integer": "u", "real floating": "f"}.get(self.dtype.kind, "c")
        return {
            "version": 3,
            "shape": self.shape,
            "strides": tuple(strides),
            "typestr": f"{'|' if self.dtype.itemsize == 1 else '<'}{kind}{self.dtype.itemsize}",
            "data": (address, not writable),
        }

    def _device_place(self, writable: bool) -> tuple[int, int]:
        """Address and bytes for kernels and copies."""
        address, _, can_write = self.expose()
        if not self.is_contiguous():
            raise BufferError("the array is not contiguous: copy it first")
        if writable and not can_write:
            raise BufferError("the array is read-only")
        return address, self.nbytes

    def __reduce__(self) -> Any:
        plain: Any = self.copy()
        data = bytes(memoryview(plain).cast("B")) if self.size else b""
        return _restored, (data, self.shape, self.dtype)

    def __repr__(self) -> str:
        return f"vgpu.Array({_text(self)}, shape={self.shape}, dtype={self.dtype.name})"

    __hash__ = None  # type: ignore[assignment]


def _restored(data: bytes, shape: tuple[int, ...], dtype: DType) -> Array:
    made = Array(Tensor.empty(list(shape), dtype.number))
    if data:
        flat: Any = made._reshaped((made.size,))
        memoryview(flat).cast("B")[:] = data
    return made


def _text(array: Array, most: int = 6) -> str:
    """Elements as text, with dots for the middle of long dimensions."""
    if array.ndim == 0:
        return str(array.item())
    if len(array) <= most:
        return "[" + ", ".join(_text(part, most) for part in array) + "]"
    first = [_text(array[i], most) for i in range(most // 2)]
    last = [_text(array[len(array) - i], most) for i in range(most // 2, 0, -1)]
    return "[" + ", ".join([*first, "...", *last]) + "]"


def _number(value: Any, beside: DType) -> Array:
    """A Python number as an array of the type it takes beside another."""
    dtype = dtypes.scalar_type(value, beside)
    if dtype in dtypes.FLOATS and isinstance(value, int):
        value = float(value)
    return Array(Tensor.scalar(value, dtype.number))


def _broadcast(arrays: Sequence[Array]) -> list[Array]:
    shape = broadcast_extents(*(array.shape for array in arrays))
    return [array if array.shape == shape else Array(array.broadcast(list(shape))) for array in arrays]


def broadcast_extents(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The extents of arrays of these extents together."""
    n = max((len(shape) for shape in shapes), default=0)
    out = [1] * n
    for shape in shapes:
        for i, extent in enumerate(shape, n - len(shape)):
            if out[i] == 1:
                out[i] = extent
            elif extent not in (1, out[i]):
                raise ValueError(f"shapes {', '.join(map(str, shapes))} cannot be broadcast together")
    return tuple(out)


def pair(name: str, a: Any, b: Any, kinds: Sequence[DType]) -> tuple[Array, Array]:
    """Two operands brought to one type, which must be one of ``kinds``."""
    if isinstance(a, Array) and isinstance(b, Array):
        dtype = dtypes.promote(a.dtype, b.dtype)
        if dtype != a.dtype:
            a = Array(a.cast(dtype.number))
        if dtype != b.dtype:
            b = Array(b.cast(dtype.number))
    elif isinstance(a, Array):
        b = _number(b, a.dtype)
    elif isinstance(b, Array):
        a = _number(a, b.dtype)
    else:
        raise TypeError(f"{name}: expected at least one vgpu array, found {type(a).__name__} and {type(b).__name__}")
    if a.dtype not in kinds:
        raise TypeError(f"{name} is not defined for {a.dtype.name}")
    return a, b


def need(name: str, x: Any, kinds: Sequence[DType]) -> Array:
    """An operand that must be an array of one of these types."""
    if not isinstance(x, Array):
        raise TypeError(f"{name}: expected a vgpu array, found {type(x).__name__}")
    if x.dtype not in kinds:
        raise TypeError(f"{name} is not defined for {x.dtype.name}")
    return x


_BITS = (dtypes.bool_, *dtypes.INTEGERS)
_FLOATING = dtypes.FLOATS + dtypes.COMPLEX
_OPERANDS = (Tensor, bool, int, float, complex)


def _binary(function: str, kinds: Sequence[DType], a: Any, b: Any) -> Any:
    if not (isinstance(a, _OPERANDS) and isinstance(b, _OPERANDS)):
        return NotImplemented
    a, b = pair(function, a, b, kinds)
    return Array(a.apply(function, b))


def _in_place(function: str, kinds: Sequence[DType], a: Array, b: Any) -> Any:
    if not isinstance(b, _OPERANDS):
        return NotImplemented
    left, right = pair(function, a, b, kinds)
    if left.dtype != a.dtype:
        raise TypeError(f"{function} in place: the result's type {left.dtype.name} is not {a.dtype.name}")
    return _written(function, a, left.apply(function, right))


def _written(function: str, to: Array, result: Tensor) -> Array:
    if result.extents != to.extents:
        raise ValueError(f"{function} in place: the result's shape {tuple(result.extents)} is not {to.shape}")
    to.assign(result)
    return to

