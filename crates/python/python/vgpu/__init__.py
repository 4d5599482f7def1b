"""vgpu: a GPU made of software.

Runs CUDA kernels (PTX) at SIMD speed on the processor. ``vgpu.Device(0)`` is the device, ``vgpu.RawKernel`` a kernel; ``libcuda``
and ``libcudart`` of the same process share the device and its memory.
"""

from ._vgpu import Error
from .device import Device, DeviceProperties, device_count
from .kernel import RawKernel, RawModule
from .memory import Memory, UnifiedMemoryManager
from .stream import Event, Stream, get_current_stream, get_elapsed_time

__version__ = "0.1.0"

__all__ = [
    "Device",
    "DeviceProperties",
    "Error",
    "Event",
    "Memory",
    "RawKernel",
    "RawModule",
    "Stream",
    "UnifiedMemoryManager",
    "__version__",
    "device_count",
    "get_current_stream",
    "get_elapsed_time",
]
