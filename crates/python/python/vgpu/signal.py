"""Signals: who drives whom."""

from __future__ import annotations

from typing import Any, NamedTuple

from . import _vgpu, dtypes
from .array import Array
from .creation import asarray


class TransferEntropy(NamedTuple):
    """Result of `transfer_entropy` with surrogates."""

    value: float
    surrogates: tuple[float, ...]
    p_value: float


def _series(name: str, x: Any) -> Array:
    made = asarray(x)
    if made.ndim != 1 or made.dtype not in dtypes.REAL:
        raise ValueError(f"{name}: found {made.dtype.name} of shape {made.shape}, expected real numbers of one dimension")
    return Array(made.cast(dtypes.float64.number))


def transfer_entropy(
    source: Any,
    target: Any,
    /,
    *,
    k: int = 4,
    source_history: int = 1,
    target_history: int = 1,
    step: int = 1,
    surrogates: int = 0,
    seed: int = 0,
) -> float | TransferEntropy:
    """What a source's past says of a target beyond the target's own past, in nats (Kraskov, Stoegbauer and Grassberger).

    Parameters
    ----------
    source, target : Array or anything that ``asarray`` takes
        Series of the same length.
    k : int
        Neighbours, which are found exactly.
    source_history, target_history : int
        How many past values count.
    step : int
        Steps between past values.
    surrogates : int
        How many shuffled sources to estimate as well; then the result has them, and the share of values at least as large as
        the real one, which counts as one of them.
    seed : int
        Of the shuffling.
    """
    for name, number in (("k", k), ("source_history", source_history), ("target_history", target_history), ("step", step)):
        if number < 1:
            raise ValueError(f"{name}: found {number}, expected 1 or more")
    a, b = _series("source", source), _series("target", target)
    value, others = _vgpu.entropy_of_transfer(a, b, k, (source_history, target_history), step, surrogates, seed)
    if not surrogates:
        return value
    larger = sum(other >= value for other in others)
    return TransferEntropy(value, tuple(others), (larger + 1) / (surrogates + 1))
