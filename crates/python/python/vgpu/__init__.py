"""vgpu: a GPU made of software.

Runs CUDA kernels (PTX) at SIMD speed on the processor: ``vgpu.Device(0)`` is the device, ``vgpu.RawKernel`` a kernel; ``libcuda``
and ``libcudart`` of the same process share the device and its memory. ``vgpu.Array`` is its array: this module is a namespace of
the Python Array API standard 2025.12. Element-wise functions are put off, and a chain of them runs as one kernel.
"""

import math as _math

from . import fft, linalg, nn, random, signal
from ._vgpu import Error, fused_launches
from .array import Array, eager, fusion_threshold
from .creation import (
    arange,
    asarray,
    astype,
    can_cast,
    empty,
    empty_like,
    eye,
    from_dlpack,
    full,
    full_like,
    linspace,
    meshgrid,
    ones,
    ones_like,
    result_type,
    tril,
    triu,
    zeros,
    zeros_like,
)
from .device import Device, DeviceProperties, device_count
from .dtypes import (
    DType,
    complex64,
    complex128,
    finfo,
    float32,
    float64,
    iinfo,
    int8,
    int16,
    int32,
    int64,
    isdtype,
    uint8,
    uint16,
    uint32,
    uint64,
)
from .dtypes import bool_ as bool  # noqa: A004
from .elementwise import (
    abs,  # noqa: A004
    acos,
    acosh,
    add,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    bitwise_and,
    bitwise_invert,
    bitwise_left_shift,
    bitwise_or,
    bitwise_right_shift,
    bitwise_xor,
    ceil,
    clip,
    conj,
    copysign,
    cos,
    cosh,
    divide,
    equal,
    exp,
    expm1,
    floor,
    floor_divide,
    greater,
    greater_equal,
    hypot,
    imag,
    isfinite,
    isinf,
    isnan,
    less,
    less_equal,
    log,
    log1p,
    log2,
    log10,
    logaddexp,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    maximum,
    minimum,
    multiply,
    negative,
    nextafter,
    not_equal,
    positive,
    pow,  # noqa: A004
    real,
    reciprocal,
    remainder,
    round,  # noqa: A004
    sign,
    signbit,
    sin,
    sinh,
    sqrt,
    square,
    subtract,
    tan,
    tanh,
    trunc,
    where,
)
from .kernel import RawKernel, RawModule
from .linalg import einsum, matmul, matrix_transpose, tensordot, vecdot
from .manipulation import (
    broadcast_arrays,
    broadcast_shapes,
    broadcast_to,
    concat,
    expand_dims,
    flip,
    moveaxis,
    permute_dims,
    repeat,
    reshape,
    roll,
    squeeze,
    stack,
    take,
    take_along_axis,
    tile,
    unstack,
)
from .memory import Memory, UnifiedMemoryManager
from .namespace import __array_namespace_info__
from .reductions import (
    all,  # noqa: A004
    any,  # noqa: A004
    argmax,
    argmin,
    argsort,
    count_nonzero,
    cumulative_prod,
    cumulative_sum,
    diff,
    isin,
    max,  # noqa: A004
    mean,
    min,  # noqa: A004
    nonzero,
    prod,
    searchsorted,
    sort,
    std,
    sum,  # noqa: A004
    unique_all,
    unique_counts,
    unique_inverse,
    unique_values,
    var,
)
from .stream import Event, Stream, get_current_stream, get_elapsed_time
from .workload import GPUWorkload, process_workload

__version__ = "0.1.0"
__array_api_version__ = "2025.12"

e = _math.e
inf = _math.inf
nan = _math.nan
newaxis = None
pi = _math.pi
