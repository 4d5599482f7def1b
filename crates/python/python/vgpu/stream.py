"""Streams and events, with CuPy's names."""

from __future__ import annotations

import threading
import weakref
from typing import Any, ClassVar

from . import _vgpu, memory

_current = threading.local()


def get_current_stream() -> Stream:
    """The stream that launches of this thread go to."""
    stack = getattr(_current, "stack", None)
    return stack[-1] if stack else Stream.null


class Stream:
    """Work that runs in order, asynchronously to the host.

    As a context manager it is the stream of launches in the block; leaving the block does not wait.

    Parameters
    ----------
    null : bool
        The default stream, which is ordered with all blocking ones.
    non_blocking : bool
        Not ordered with the default stream.
    priority : int
        Lower numbers go first.
    """

    null: ClassVar[Stream]

    __slots__ = ("__weakref__", "_finalizer", "ptr")

    def __init__(self, null: bool = False, non_blocking: bool = False, priority: int = 0) -> None:
        self.ptr: int = 0 if null else _vgpu.stream_create(non_blocking, priority)
        if not null:
            self._finalizer = weakref.finalize(self, _vgpu.stream_destroy, self.ptr)
            self._finalizer.atexit = False

    def __enter__(self) -> Stream:
        if not hasattr(_current, "stack"):
            _current.stack = []
        _current.stack.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        _current.stack.pop()

    def use(self) -> Stream:
        """Make it this thread's stream until another is used."""
        _current.stack = [self]
        return self

    @property
    def done(self) -> bool:
        """Whether everything in it has ended."""
        return _vgpu.stream_done(self.ptr)

    def synchronize(self) -> None:
        """Wait until everything in it has ended."""
        _vgpu.stream_synchronize(self.ptr)

    def record(self, event: Event | None = None) -> Event:
        """Record an event, a new one when none is given."""
        event = Event() if event is None else event
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        """Let what comes later wait for the event."""
        _vgpu.stream_wait_event(self.ptr, event.ptr)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and other.ptr == self.ptr

    def __hash__(self) -> int:
        return hash(self.ptr)

    def __repr__(self) -> str:
        return "<vgpu.Stream null>" if self.ptr == 0 else f"<vgpu.Stream {self.ptr:#x}>"


Stream.null = Stream(null=True)


class Event:
    """A place in a stream, with its time.

    As a context manager it is recorded in the current stream at the end of the block.

    Parameters
    ----------
    block : bool
        Waiting threads sleep at once.
    disable_timing : bool
        No time is taken.
    """

    __slots__ = ("__weakref__", "_finalizer", "ptr")

    def __init__(self, block: bool = False, disable_timing: bool = False) -> None:
        self.ptr: int = _vgpu.event_create(int(block) | int(disable_timing) << 1)
        self._finalizer = weakref.finalize(self, _vgpu.event_destroy, self.ptr)
        self._finalizer.atexit = False

    def record(self, stream: Stream | None = None) -> None:
        """Record it in a stream, the current one when none is given."""
        _vgpu.event_record(self.ptr, (stream or get_current_stream()).ptr)

    def synchronize(self) -> None:
        """Wait for it."""
        _vgpu.event_synchronize(self.ptr)

    @property
    def done(self) -> bool:
        """Whether what came before it has ended."""
        return _vgpu.event_done(self.ptr)

    def __enter__(self) -> Event:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.record()

    def __repr__(self) -> str:
        return f"<vgpu.Event {self.ptr:#x}>"


def get_elapsed_time(start_event: Event, end_event: Event) -> float:
    """Milliseconds between two events that have ended."""
    return _vgpu.event_elapsed(start_event.ptr, end_event.ptr)


def stream_of(stream: Stream | None) -> int:
    """The handle of a stream, the current one's for None."""
    if stream is None:
        return get_current_stream().ptr
    if not isinstance(stream, Stream):
        raise TypeError(f"stream: found {type(stream).__name__}, expected vgpu.Stream or None")
    return stream.ptr


def copy_in(to: Any, source: Any, nbytes: int | None, stream: Stream | None) -> None:
    """Copy in a stream; waits for the end."""
    memory.copy(to, source, nbytes, stream_of(stream))
