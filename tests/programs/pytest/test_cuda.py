"""A CUDA user's test suite, as it stands in a project that is normally tested on a GPU."""

import numpy as np
import pytest
from numba import cuda


@cuda.jit
def double(x):
    i = cuda.grid(1)
    if i < x.size:
        x[i] *= 2


@pytest.mark.parametrize("n", [1, 100, 1000])
def test_double(n):
    x = np.arange(n, dtype=np.float32)
    on_device = cuda.to_device(x)
    double[(n + 127) // 128, 128](on_device)
    assert (on_device.copy_to_host() == 2 * x).all()


def test_devices():
    assert len(cuda.gpus) == 2


@pytest.mark.skipif(not cuda.is_available(), reason="needs a GPU")
def test_is_not_skipped(capsys):
    print("here")
    assert capsys.readouterr().out == "here\n"
