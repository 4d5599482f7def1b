"""What the Array API standard asks of a namespace about itself."""

from __future__ import annotations

from typing import Any

from . import dtypes
from .array import check_device, the_device
from .device import Device
from .dtypes import DType


class Info:
    """What the namespace can do."""

    def capabilities(self) -> dict[str, Any]:
        """Boolean indexing, shapes that depend on data, and the largest number of dimensions."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> Device:
        """The one device."""
        return the_device()

    def default_dtypes(self, *, device: Any = None) -> dict[str, DType]:
        """Types that are used where none is named."""
        check_device(device)
        return {
            "real floating": dtypes.float64,
            "complex floating": dtypes.complex128,
            "integral": dtypes.int64,
            "indexing": dtypes.int64,
        }

    def devices(self) -> list[Device]:
        """All devices."""
        return [the_device()]

    def dtypes(self, *, device: Any = None, kind: Any = None) -> dict[str, DType]:
        """Types by name, of one kind or several."""
        check_device(device)
        return {dtype.name: dtype for dtype in dtypes.ALL if kind is None or dtypes.isdtype(dtype, kind)}


def __array_namespace_info__() -> Info:
    """What the namespace can do."""
    return Info()
