"""The name that `vgpu` has in CUDA-like programs: ``import vgpu_runtime as vgpu``."""

import sys

import vgpu

# The same module, not a copy: its state (devices, current stream) is one.
sys.modules[__name__] = vgpu
