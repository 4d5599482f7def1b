"""Devices: what they are, their memory, and waiting for them."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from . import _vgpu
from .memory import Memory, place
from .stream import Event, Stream, copy_in, get_elapsed_time, stream_of


@dataclass(frozen=True)
class DeviceProperties:
    """What a device is; CUDA's names."""

    name: str
    totalGlobalMem: int  # noqa: N815
    multiProcessorCount: int  # noqa: N815
    major: int
    minor: int
    warpSize: int  # noqa: N815
    maxThreadsPerBlock: int  # noqa: N815
    maxThreadsPerMultiProcessor: int  # noqa: N815
    maxThreadsDim: tuple[int, int, int]  # noqa: N815
    maxGridSize: tuple[int, int, int]  # noqa: N815
    sharedMemPerBlock: int  # noqa: N815
    totalConstMem: int  # noqa: N815
    regsPerBlock: int  # noqa: N815
    clockRate: int  # noqa: N815
    l2CacheSize: int  # noqa: N815
    concurrentKernels: bool  # noqa: N815
    managedMemory: bool  # noqa: N815
    cooperativeLaunch: bool  # noqa: N815


_last_launch: dict[int, tuple[Event, Event]] = {}
_timing = threading.local()
_device_now = threading.local()


class Device:
    """A device of this process.

    As a context manager it is the device of the block.

    Parameters
    ----------
    id : int
        Its number, from 0 on.
    """

    __slots__ = ("_before", "id")

    def __init__(self, id: int = 0) -> None:
        if isinstance(id, bool) or not isinstance(id, int):
            raise TypeError(f"device: found {type(id).__name__}, expected an int")
        count = device_count()
        if not 0 <= id < count:
            raise ValueError(f"device: found {id}, expected 0 to {count - 1}")
        self.id = id
        self._before: list[tuple[int, int]] = []

    def properties(self) -> DeviceProperties:
        """What the device is."""
        name, total = _vgpu.device_name_and_memory(self.id)

        def attribute(number: int) -> int:
            return _vgpu.device_attribute(self.id, number)

        return DeviceProperties(
            name=name,
            totalGlobalMem=total,
            multiProcessorCount=attribute(16),
            major=attribute(75),
            minor=attribute(76),
            warpSize=attribute(10),
            maxThreadsPerBlock=attribute(1),
            maxThreadsPerMultiProcessor=attribute(39),
            maxThreadsDim=(attribute(2), attribute(3), attribute(4)),
            maxGridSize=(attribute(5), attribute(6), attribute(7)),
            sharedMemPerBlock=attribute(8),
            totalConstMem=attribute(9),
            regsPerBlock=attribute(12),
            clockRate=attribute(13),
            l2CacheSize=attribute(38),
            concurrentKernels=bool(attribute(31)),
            managedMemory=bool(attribute(83)),
            cooperativeLaunch=bool(attribute(95)),
        )

    @property
    def mem_info(self) -> tuple[int, int]:
        """Free and total bytes."""
        with self:
            return _vgpu.memory_info()

    @property
    def compute_capability(self) -> str:
        """Major and minor number as one text, for example ``"89"``."""
        return f"{_vgpu.device_attribute(self.id, 75)}{_vgpu.device_attribute(self.id, 76)}"

    def malloc(self, nbytes: int) -> Memory:
        """Allocate device memory, whose content is undefined.

        Raises
        ------
        MemoryError
            The device has not that much left.
        """
        with self:
            return Memory(nbytes)

    def free(self, memory: Memory) -> None:
        """Give memory back."""
        if not isinstance(memory, Memory):
            raise TypeError(f"memory: found {type(memory).__name__}, expected what malloc returned")
        memory.free()

    def memcpy(self, dst: Any, src: Any, nbytes: int | None = None, stream: Stream | None = None) -> None:
        """Copy between any two of memory, arrays, buffers and addresses, and wait for it.

        ``nbytes`` may be left out when both sides have the same size.
        """
        with self:
            copy_in(dst, src, nbytes, stream)

    def memcpy_host_to_device(self, dst: Memory | int, src: Any, nbytes: int | None = None) -> None:
        """Copy a buffer (``bytes``, a NumPy array) to device memory: all of it, when ``nbytes`` is left out."""
        if nbytes is None:
            nbytes = place(src, writable=False, what="source")[1]
        with self:
            copy_in(dst, src, nbytes, None)

    def memcpy_device_to_host(self, dst: Any, src: Memory | int, nbytes: int | None = None) -> None:
        """Copy device memory to a writable buffer: as much as the buffer has, when ``nbytes`` is left out."""
        if nbytes is None:
            nbytes = place(dst, writable=True, what="destination")[1]
        with self:
            copy_in(dst, src, nbytes, None)

    def matmul(self, a: Any, b: Any) -> Any:
        """The matrix product of two arrays (anything that ``vgpu.asarray`` takes)."""
        from .creation import asarray
        from .linalg import matmul

        return matmul(asarray(a), asarray(b))

    def memset(self, dst: Memory | int, value: int, nbytes: int | None = None, stream: Stream | None = None) -> None:
        """Fill with a byte and wait for it."""
        if not 0 <= value <= 255:
            raise ValueError(f"value: found {value}, expected 0 to 255")
        address, known = place(dst, writable=True, what="destination")
        if nbytes is None:
            nbytes = known
        if nbytes is None:
            raise TypeError("an address: say nbytes")
        if nbytes < 0 or (known is not None and nbytes > known):
            raise ValueError(f"nbytes: found {nbytes}, expected 0 to {known}")
        with self:
            if nbytes:
                _vgpu.memset(address, value, nbytes, stream_of(stream))

    def synchronize(self) -> None:
        """Wait for everything on the device; errors of kernels appear here."""
        with self:
            _vgpu.synchronize()

    def last_kernel_time(self) -> float:
        """Milliseconds that the last kernel launched through this package took; waits for it.

        Raises
        ------
        RuntimeError
            None was launched.
        """
        events = _last_launch.get(self.id)
        if events is None:
            raise RuntimeError(f"no kernel was launched on device {self.id}")
        events[1].synchronize()
        return get_elapsed_time(*events)

    def use(self) -> Device:
        """Make it this thread's device."""
        _vgpu.use_device(self.id)
        _device_now.id = self.id
        return self

    def __enter__(self) -> Device:
        self._before.append((_vgpu.use_device(self.id), getattr(_device_now, "id", 0)))
        _device_now.id = self.id
        return self

    def __exit__(self, *_: object) -> None:
        context, _device_now.id = self._before.pop()
        if context:
            _vgpu.use_context(context)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and other.id == self.id

    def __hash__(self) -> int:
        return hash(("vgpu.Device", self.id))

    def __repr__(self) -> str:
        return f"<vgpu.Device {self.id}: {_vgpu.device_name_and_memory(self.id)[0]}>"


def device_count() -> int:
    """How many devices there are."""
    return _vgpu.device_count()


def timed_launch(stream: int, start: Any) -> None:
    """Run ``start`` between two events, which are then the device's last launch."""
    device = getattr(_device_now, "id", 0)
    spare: list[tuple[Event, Event]] = getattr(_timing, "spare", [])
    events = spare.pop() if spare else (Event(), Event())
    _vgpu.event_record(events[0].ptr, stream)
    start()
    _vgpu.event_record(events[1].ptr, stream)
    before = _last_launch.get(device)
    _last_launch[device] = events
    if before is not None:
        _timing.spare = [before]
