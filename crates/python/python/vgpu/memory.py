"""Device memory as CUDA programs hold it: allocations by address, copied explicitly."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable
from typing import Any

from . import _vgpu


class Memory:
    """An allocation of device memory; freed when nothing holds it, or by ``free``.

    ``int(memory)`` is its address. As a context manager it is freed at the end of the block.

    Attributes
    ----------
    ptr : int
        The address, 0 once freed.
    nbytes : int
        How many bytes there are.
    """

    __slots__ = ("__weakref__", "_finalizer", "nbytes", "ptr")

    def __init__(self, nbytes: int, *, managed: bool = False) -> None:
        if nbytes < 0:
            raise ValueError(f"nbytes: found {nbytes}, expected 0 or more")
        self.nbytes: int = nbytes
        self.ptr: int = _vgpu.malloc(max(nbytes, 1), managed)
        self._finalizer = weakref.finalize(self, _vgpu.free, self.ptr)
        # At the end of the process all memory goes back at once.
        self._finalizer.atexit = False

    def free(self) -> None:
        """Give the memory back; a second time does nothing."""
        self.ptr = 0
        self.nbytes = 0
        self._finalizer()

    def __int__(self) -> int:
        return self.ptr

    __index__ = __int__

    def __enter__(self) -> Memory:
        return self

    def __exit__(self, *_: object) -> None:
        self.free()

    def __repr__(self) -> str:
        if self.ptr == 0:
            return "<vgpu.Memory freed>"
        return f"<vgpu.Memory of {self.nbytes} bytes at {self.ptr:#x}>"


def place(thing: Any, *, writable: bool, what: str) -> tuple[int, int | None]:
    """Address of something that can be copied from or to, and its bytes when they are known."""
    if isinstance(thing, Memory):
        if thing.ptr == 0:
            raise ValueError(f"{what}: the memory was freed")
        return thing.ptr, thing.nbytes
    if isinstance(thing, bool):
        raise TypeError(f"{what}: found a bool, expected memory, an array or an address")
    if isinstance(thing, int):
        if thing <= 0:
            raise ValueError(f"{what}: found address {thing}, expected a positive number")
        return thing, None
    device_place = getattr(thing, "_device_place", None)
    if device_place is not None:
        address, nbytes = device_place(writable)
        return address, nbytes
    try:
        return _vgpu.buffer_address(thing, writable)
    except TypeError:
        found = type(thing).__name__
        raise TypeError(f"{what}: found {found}, expected memory, an array, a buffer or an address") from None


def copy(to: Any, source: Any, nbytes: int | None, stream: int) -> None:
    """Copy after checking that both sides have as many bytes; waits for the end."""
    to_at, to_bytes = place(to, writable=True, what="destination")
    source_at, source_bytes = place(source, writable=False, what="source")
    if nbytes is None:
        if source_bytes is not None and to_bytes is not None and source_bytes != to_bytes:
            raise ValueError(f"the source has {source_bytes} bytes and the destination {to_bytes}: say nbytes")
        nbytes = source_bytes if source_bytes is not None else to_bytes
        if nbytes is None:
            raise TypeError("two addresses: say nbytes")
    if nbytes < 0:
        raise ValueError(f"nbytes: found {nbytes}, expected 0 or more")
    for name, known in (("destination", to_bytes), ("source", source_bytes)):
        if known is not None and nbytes > known:
            raise ValueError(f"{name}: has {known} bytes, fewer than the {nbytes} to copy")
    if nbytes:
        _vgpu.memcpy(to_at, source_at, nbytes, stream)


class UnifiedMemoryManager:
    """Memory that kernels and the host use under the same addresses, allocated by name.

    Parameters
    ----------
    limit_bytes : int, optional
        How much may be allocated at once; the device's memory when left out.
    """

    def __init__(self, limit_bytes: int | None = None) -> None:
        if limit_bytes is not None and limit_bytes < 0:
            raise ValueError(f"limit_bytes: found {limit_bytes}, expected 0 or more")
        self._lock = threading.Lock()
        self._named: dict[str, Memory] = {}
        self._used = 0
        self._peak = 0
        self.limit_bytes = _vgpu.memory_info()[1] if limit_bytes is None else limit_bytes

    def allocate(self, name: str, nbytes: int) -> Memory:
        """Allocate ``nbytes`` under a name that is not in use."""
        with self._lock:
            if name in self._named:
                raise ValueError(f"{name!r} is allocated already")
            if self._used + nbytes > self.limit_bytes:
                raise MemoryError(
                    f"{name!r} needs {nbytes} bytes; {self.limit_bytes - self._used} of {self.limit_bytes} are left"
                )
            memory = Memory(nbytes, managed=True)
            self._named[name] = memory
            self._used += nbytes
            self._peak = max(self._peak, self._used)
            return memory

    def get(self, name: str) -> Memory:
        """The memory of that name."""
        with self._lock:
            try:
                return self._named[name]
            except KeyError:
                raise KeyError(f"nothing is allocated as {name!r}; there are: {self._names()}") from None

    def free(self, name: str) -> None:
        """Give back what has that name."""
        with self._lock:
            try:
                memory = self._named.pop(name)
            except KeyError:
                raise KeyError(f"nothing is allocated as {name!r}; there are: {self._names()}") from None
            self._used -= memory.nbytes
            memory.free()

    def _names(self) -> str:
        return ", ".join(sorted(self._named)) or "none"

    def statistics(self) -> dict[str, int]:
        """Bytes in use, their peak, the limit, and how many allocations there are."""
        with self._lock:
            return {
                "used_bytes": self._used,
                "peak_bytes": self._peak,
                "limit_bytes": self.limit_bytes,
                "allocations": len(self._named),
            }

    def names(self) -> Iterable[str]:
        """The names in use."""
        with self._lock:
            return sorted(self._named)

    def __repr__(self) -> str:
        return f"<vgpu.UnifiedMemoryManager {self._used} of {self.limit_bytes} bytes in {len(self._named)} allocations>"
