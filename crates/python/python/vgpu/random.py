"""Random numbers from Philox4x32-10, in the order of cuRAND's generator of that name.

Numbers depend on seed, sequence and place alone, not on the number of threads.
"""

from __future__ import annotations

import threading
from typing import Any

from . import _vgpu, dtypes
from .array import Array
from .creation import _extents
from .dtypes import DType


class Generator:
    """A sequence of random numbers.

    Parameters
    ----------
    seed : int
        0 to 2**64 - 1.
    sequence : int
        Which of the seed's sequences.
    """

    def __init__(self, seed: int = 0, sequence: int = 0) -> None:
        for name, value in (("seed", seed), ("sequence", sequence)):
            if not 0 <= value < 2**64:
                raise ValueError(f"{name}: found {value}, expected 0 to 2**64 - 1")
        self.seed, self.sequence, self._at = seed, sequence, 0
        self._lock = threading.Lock()

    def _draw(self, kind: str, shape: Any, words: int) -> Array:
        extents = _extents(shape)
        n = 1
        for extent in extents:
            n *= extent
        with self._lock:
            # Draws begin at whole groups of four words, so that pairs are never cut.
            at, self._at = self._at, self._at + -(-n * words // 4) * 4
        return Array(_vgpu.philox(kind, self.seed, self.sequence, at, n * words))

    def uniform(self, shape: Any = (), *, low: float = 0.0, high: float = 1.0, dtype: DType = dtypes.float32) -> Array:
        """Uniform in (low, high]."""
        extents = _extents(shape)
        if dtype == dtypes.float32:
            made = self._draw("uniform", extents, 1)
        elif dtype == dtypes.float64:
            # Fifty-three bits of two words.
            words = self._draw("words", extents, 2)._reshaped((_product(extents), 2))
            high_bits = Array((words[:, 0] >> 5).cast(dtypes.float64.number))
            low_bits = Array((words[:, 1] >> 6).cast(dtypes.float64.number))
            made = (high_bits * 67108864.0 + low_bits + 1.0) * 2.0**-53
        else:
            raise TypeError(f"dtype: found {dtype!r}, expected vgpu.float32 or vgpu.float64")
        if (low, high) != (0.0, 1.0):
            made = made * (float(high) - float(low)) + float(low)
        return Array(made)._reshaped(extents)

    def normal(self, shape: Any = (), *, mean: float = 0.0, std: float = 1.0) -> Array:
        """Normal with a mean and a deviation, float32."""
        extents = _extents(shape)
        made = self._draw("normal", extents, 1)
        if (mean, std) != (0.0, 1.0):
            made = made * float(std) + float(mean)
        return Array(made)._reshaped(extents)

    def integers(self, low: int, high: int, shape: Any = ()) -> Array:
        """Integers from ``low`` to before ``high``, int64; the range has at most 2**32 numbers."""
        if not 0 < high - low <= 2**32:
            raise ValueError(f"integers: found {low} to {high}, expected 1 to 2**32 numbers")
        extents = _extents(shape)
        words = Array(self._draw("words", extents, 1).cast(dtypes.int64.number))
        # The upper half of word times range: every number within 2**-32 of equally likely.
        scaled = (words * (high - low)) >> 32 if high - low < 2**31 else words % (high - low)
        return Array(scaled + low)._reshaped(extents)

    def __repr__(self) -> str:
        return f"<vgpu.random.Generator seed={self.seed} sequence={self.sequence} at word {self._at}>"


def _product(extents: list[int]) -> int:
    n = 1
    for extent in extents:
        n *= extent
    return n


_shared = Generator()


def seed(value: int) -> None:
    """Begin the shared sequence anew with a seed."""
    global _shared
    _shared = Generator(value)


def default_rng(seed: int = 0) -> Generator:
    """A sequence of its own."""
    return Generator(seed)


def uniform(shape: Any = (), *, low: float = 0.0, high: float = 1.0, dtype: DType = dtypes.float32) -> Array:
    """Uniform numbers of the shared sequence in (low, high]."""
    return _shared.uniform(shape, low=low, high=high, dtype=dtype)


def normal(shape: Any = (), *, mean: float = 0.0, std: float = 1.0) -> Array:
    """Normal numbers of the shared sequence."""
    return _shared.normal(shape, mean=mean, std=std)


def integers(low: int, high: int, shape: Any = ()) -> Array:
    """Integers of the shared sequence from ``low`` to before ``high``."""
    return _shared.integers(low, high, shape)
