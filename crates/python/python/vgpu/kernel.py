"""Kernels from PTX or CUDA C++, with checked arguments."""

from __future__ import annotations

import struct
import weakref
from collections.abc import Sequence
from typing import Any

from . import _vgpu
from .device import timed_launch
from .memory import Memory
from .stream import Stream, stream_of

#: Parameter types of PTX: struct code, and whether the value is an integer.
_TYPES = {
    "u8": ("B", True), "u16": ("H", True), "u32": ("I", True), "u64": ("Q", True),
    "s8": ("b", True), "s16": ("h", True), "s32": ("i", True), "s64": ("q", True),
    "f16": ("e", False), "f32": ("f", False), "f64": ("d", False),
}
#: Untyped words by their size.
_BITS = {"b8": "B", "b16": "H", "b32": "I", "b64": "Q"}
#: Attribute numbers of cuFuncGetAttribute.
_MAX_THREADS, _SHARED, _CONST, _LOCAL, _REGISTERS = 0, 1, 2, 3, 4


def _shape(value: int | Sequence[int], what: str) -> tuple[int, int, int]:
    extents = (value,) if isinstance(value, int) else tuple(value)
    if not 1 <= len(extents) <= 3:
        raise ValueError(f"{what}: found {len(extents)} extents, expected 1 to 3")
    whole = []
    for extent in extents:
        if isinstance(extent, bool) or not hasattr(extent, "__index__"):
            raise TypeError(f"{what}: found {extent!r}, expected ints")
        number = extent.__index__()
        if not 1 <= number < 2**32:
            raise ValueError(f"{what}: found extent {number}, expected 1 to 4294967295")
        whole.append(number)
    x, y, z = (*whole, 1, 1)[:3]
    return x, y, z


def _address(value: Any) -> int | None:
    """The device address in an argument; None when it is none."""
    if isinstance(value, Memory):
        if value.ptr == 0:
            raise ValueError("the memory was freed")
        return value.ptr
    device_place = getattr(value, "_device_place", None)
    if device_place is not None:
        return int(device_place(True)[0])
    interface = getattr(value, "__cuda_array_interface__", None)
    if interface is not None:
        return int(interface["data"][0])
    interface = getattr(value, "__array_interface__", None)
    # A NumPy scalar is a value, an array is memory, which kernels read and write where it is.
    if interface is not None and not (hasattr(value, "item") and not hasattr(value, "__setitem__")):
        address, read_only = interface["data"]
        if read_only:
            raise ValueError("the array is read-only: kernels may write")
        return int(address)
    return None


class RawKernel:
    """A kernel of a PTX text or CUDA C++ source.

    CUDA C++ needs NVIDIA's NVRTC (``pip install nvidia-cuda-nvrtc nvidia-cuda-runtime``), and the kernel's name as it is in
    the PTX: declare it ``extern "C"``.

    Parameters
    ----------
    code : str
        PTX, recognised by its ``.version`` line, or CUDA C++.
    name : str
        The kernel.
    options : sequence of str
        NVRTC's, for example ``("-DN=4",)``.

    Examples
    --------
    >>> import vgpu
    >>> kernel = vgpu.RawKernel('''
    ... .version 7.0
    ... .target sm_70
    ... .address_size 64
    ... .visible .entry store(.param .u64 out, .param .f32 value) {
    ...     .reg .b64 %rd<2>; .reg .f32 %f<2>;
    ...     ld.param.u64 %rd1, [out];
    ...     ld.param.f32 %f1, [value];
    ...     st.global.f32 [%rd1], %f1;
    ...     ret;
    ... }''', "store")
    >>> out = vgpu.Device(0).malloc(4)
    >>> kernel(1, 1, (out, 2.5))
    >>> host = bytearray(4)
    >>> vgpu.Device(0).memcpy_device_to_host(host, out)
    >>> memoryview(host).cast("f")[0]
    2.5
    """

    def __init__(self, code: str, name: str, options: Sequence[str] = ()) -> None:
        if not isinstance(code, str) or not isinstance(name, str):
            raise TypeError("code and name: expected str")
        self.name = name
        is_ptx = any(line.lstrip().startswith(".version") for line in code.splitlines())
        self.ptx = code if is_ptx else _vgpu.compile_cuda(code, f"{name}.cu", list(options))
        kernels = dict(_vgpu.kernels_of(self.ptx))
        if name not in kernels:
            there = ", ".join(kernels) or "none"
            hint = "" if is_ptx else ' (CUDA C++ changes names: declare the kernel extern "C")'
            raise ValueError(f"no kernel {name!r}; there are: {there}{hint}")
        self._parameters = kernels[name]
        self._module = _vgpu.module_load(self.ptx)
        self._finalizer = weakref.finalize(self, _vgpu.module_unload, self._module)
        self._finalizer.atexit = False
        self._function = _vgpu.module_function(self._module, name)

    @property
    def parameters(self) -> list[tuple[str, str]]:
        """Names and PTX types of the parameters."""
        return [(name, kind) for name, kind, _ in self._parameters]

    @property
    def max_threads_per_block(self) -> int:
        """Most threads that a block may have."""
        return _vgpu.function_attribute(self._function, _MAX_THREADS)

    @property
    def shared_size_bytes(self) -> int:
        """Shared memory that the kernel declares."""
        return _vgpu.function_attribute(self._function, _SHARED)

    @property
    def const_size_bytes(self) -> int:
        """Constant memory that the module declares."""
        return _vgpu.function_attribute(self._function, _CONST)

    @property
    def local_size_bytes(self) -> int:
        """Local memory of a thread."""
        return _vgpu.function_attribute(self._function, _LOCAL)

    @property
    def num_regs(self) -> int:
        """Registers of a thread."""
        return _vgpu.function_attribute(self._function, _REGISTERS)

    def _pack(self, idx: int, value: Any) -> bytes:
        name, kind, size = self._parameters[idx]
        where = f"{self.name}: argument {idx} ({name}, .{kind})"
        if kind == "bytes":
            try:
                data = bytes(value) if not isinstance(value, int) else None
            except TypeError:
                data = None
            if data is None or len(data) != size:
                raise TypeError(f"{where}: expected {size} bytes (a structure), found {value!r}")
            return data
        try:
            address = _address(value)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
        if address is not None:
            if size != 8:
                raise TypeError(f"{where}: found an array, expected a number")
            return struct.pack("=Q", address)
        if isinstance(value, (bytes, bytearray, memoryview)):
            raise TypeError(f"{where}: found {type(value).__name__}, expected a number or device memory")
        if value is None:
            if size != 8:
                raise TypeError(f"{where}: found None, expected a number")
            return struct.pack("=Q", 0)
        is_float = not hasattr(value, "__index__") and hasattr(value, "__float__")
        if kind in _BITS:
            # The text does not say: the value does.
            code = {4: "f", 8: "d", 2: "e"}.get(size, "") if is_float else _BITS[kind]
            integer = not is_float
        else:
            code, integer = _TYPES.get(kind, ("", False))
        if not code:
            raise TypeError(f"{where}: this type of parameter cannot be passed from Python")
        if integer:
            if is_float or not hasattr(value, "__index__"):
                raise TypeError(f"{where}: found {type(value).__name__}, expected an int")
            number = value.__index__()
            bits = 8 * size
            if not -(2 ** (bits - 1)) <= number < 2**bits:
                raise OverflowError(f"{where}: {number} does not fit {bits} bits")
            return int(number % 2**bits).to_bytes(size, "little")
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise TypeError(f"{where}: found {type(value).__name__}, expected a number") from None
        return struct.pack("=" + code, number)

    def __call__(
        self,
        grid: int | Sequence[int],
        block: int | Sequence[int],
        args: Sequence[Any],
        *,
        shared_mem: int = 0,
        stream: Stream | None = None,
    ) -> None:
        """Launch; returns when the launch is enqueued. Errors of the kernel appear at the next wait."""
        if len(args) != len(self._parameters):
            expected = ", ".join(f"{name}: .{kind}" for name, kind, _ in self._parameters)
            raise TypeError(f"{self.name}: found {len(args)} arguments, expected {len(self._parameters)} ({expected})")
        if not 0 <= shared_mem < 2**32:
            raise ValueError(f"shared_mem: found {shared_mem}, expected 0 to 4294967295")
        grid_shape, block_shape = _shape(grid, "grid"), _shape(block, "block")
        packed = [self._pack(idx, value) for idx, value in enumerate(args)]
        handle = stream_of(stream)

        def start() -> None:
            _vgpu.launch(self._function, grid_shape, block_shape, shared_mem, handle, packed)

        timed_launch(handle, start)

    def launch(
        self,
        grid: int | Sequence[int],
        block: int | Sequence[int],
        args: Sequence[Any] = (),
        shared_mem: int = 0,
        stream: Stream | None = None,
    ) -> None:
        """Launch, with everything by name: ``kernel.launch(grid=4, block=256, args=[x, 2.0])``."""
        self(grid, block, args, shared_mem=shared_mem, stream=stream)

    def __repr__(self) -> str:
        parameters = ", ".join(f"{name}: .{kind}" for name, kind in self.parameters)
        return f"<vgpu.RawKernel {self.name}({parameters})>"


class RawModule:
    """All kernels of a PTX text or CUDA C++ source.

    Parameters
    ----------
    code : str
        PTX or CUDA C++.
    options : sequence of str
        NVRTC's.
    """

    def __init__(self, code: str, options: Sequence[str] = ()) -> None:
        is_ptx = any(line.lstrip().startswith(".version") for line in code.splitlines())
        self.ptx = code if is_ptx else _vgpu.compile_cuda(code, "module.cu", list(options))
        self.names = [name for name, _ in _vgpu.kernels_of(self.ptx)]

    def get_function(self, name: str) -> RawKernel:
        """A kernel by its name."""
        return RawKernel(self.ptx, name)

    def __repr__(self) -> str:
        return f"<vgpu.RawModule with {', '.join(self.names) or 'no kernels'}>"
