"""Workloads as the scheduler sees them: kept, ordered by priority, and run one after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .device import Device


@dataclass
class GPUWorkload:
    """Work with what a scheduler wants to know of it.

    Parameters
    ----------
    id : str
        Its name.
    type : str
        What kind of work it is.
    complexity_score : float
        How hard it is, 0 or more.
    memory_requirement_mb : float
        How much memory it needs.
    priority : int
        Higher goes first.
    """

    id: str
    type: str
    complexity_score: float
    memory_requirement_mb: float
    priority: int = 0
    work: Callable[[], Any] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for name in ("complexity_score", "memory_requirement_mb"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}: found {getattr(self, name)}, expected 0 or more")


def process_workload(workload: GPUWorkload, work: Callable[[], Any] | None = None) -> Any:
    """Run a workload on the device and wait for it; its result.

    Raises
    ------
    MemoryError
        The device has not as much memory left as the workload says it needs.
    NotImplementedError
        The workload has no function: shares and placement by type need the scheduler, which is missing.
    """
    function = work if work is not None else workload.work
    if function is None:
        raise NotImplementedError("process_workload without a function: placement by type needs the scheduler, which is missing")
    device = Device(0)
    free = device.mem_info[0]
    if workload.memory_requirement_mb * 1e6 > free:
        raise MemoryError(f"workload {workload.id!r} needs {workload.memory_requirement_mb:g} MB; {free / 1e6:.0f} MB are free")
    result = function()
    device.synchronize()
    return result
