"""Linear algebra: the Array API standard's extension, and the products of its main namespace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from . import _vgpu, dtypes
from .array import Array, need, pair
from .creation import eye, full, scalar, zeros
from .dtypes import COMPLEX, FLOATS, NUMERIC, DType
from .elementwise import abs, conj, sqrt  # noqa: A004
from .manipulation import axes_of, axis_of, broadcast_arrays, broadcast_to, moveaxis, stack
from .reductions import max, min, sum  # noqa: A004

_FLOATING = FLOATS + COMPLEX


class EigResult(NamedTuple):
    """Result of `eig`."""

    eigenvalues: Array
    eigenvectors: Array


class EighResult(NamedTuple):
    """Result of `eigh`."""

    eigenvalues: Array
    eigenvectors: Array


class QRResult(NamedTuple):
    """Result of `qr`."""

    Q: Array
    R: Array


class SlogdetResult(NamedTuple):
    """Result of `slogdet`."""

    sign: Array
    logabsdet: Array


class SVDResult(NamedTuple):
    """Result of `svd`."""

    U: Array
    S: Array
    Vh: Array


def _matrices(name: str, x: Any, kinds: Sequence[DType] = _FLOATING, square: bool = False) -> Array:
    need(name, x, kinds)
    if x.ndim < 2:
        raise ValueError(f"{name}: found shape {x.shape}, expected at least two dimensions")
    if square and x.shape[-1] != x.shape[-2]:
        raise ValueError(f"{name}: found shape {x.shape}, expected square matrices")
    return x


def matmul(x1: Array, x2: Array, /) -> Array:
    """Matrix product; of stacks of matrices, and of vectors, which are rows on the left and columns on the right."""
    a, b = pair("matmul", x1, x2, NUMERIC)
    if not isinstance(x1, Array) or not isinstance(x2, Array):
        raise TypeError("matmul: expected two arrays")
    if a.ndim == 0 or b.ndim == 0:
        raise ValueError(f"matmul: shapes {a.shape} and {b.shape}: expected at least one dimension each")
    left = a[None, :] if a.ndim == 1 else a
    right = b[:, None] if b.ndim == 1 else b
    made = Array(left.matmul(right))
    shape = list(made.shape)
    if b.ndim == 1:
        shape.pop()
    if a.ndim == 1:
        shape.pop(-1 if b.ndim == 1 else -2)
    return made._reshaped(shape) if len(shape) != made.ndim else made


def matrix_transpose(x: Array, /) -> Array:
    """Transposed matrices of the last two dimensions: a view."""
    return x.mT


def tensordot(x1: Array, x2: Array, /, *, axes: int | tuple[Sequence[int], Sequence[int]] = 2) -> Array:
    """Products summed over pairs of axes: the last of one and the first of the other, or as named."""
    a, b = pair("tensordot", x1, x2, NUMERIC)
    if isinstance(axes, int):
        if not 0 <= axes <= (a.ndim if a.ndim < b.ndim else b.ndim):
            raise ValueError(f"axes: found {axes} for {a.ndim} and {b.ndim} dimensions")
        of_a, of_b = list(range(a.ndim - axes, a.ndim)), list(range(axes))
    else:
        of_a, of_b = axes_of(tuple(axes[0]), a.ndim), axes_of(tuple(axes[1]), b.ndim)
    if [a.shape[i] for i in of_a] != [b.shape[i] for i in of_b]:
        raise ValueError(f"tensordot: shapes {a.shape} and {b.shape} along axes {of_a} and {of_b} differ")
    left = [i for i in range(a.ndim) if i not in of_a]
    right = [i for i in range(b.ndim) if i not in of_b]
    size = lambda x, which: _product(x.shape[i] for i in which)  # noqa: E731
    m, k, n = size(a, left), size(a, of_a), size(b, right)
    first = a._permuted(left + of_a)._reshaped((m, k))
    second = b._permuted(of_b + right)._reshaped((k, n))
    return Array(first.matmul(second))._reshaped([a.shape[i] for i in left] + [b.shape[i] for i in right])


def _product(extents: Any) -> int:
    product = 1
    for extent in extents:
        product *= extent
    return product


def vecdot(x1: Array, x2: Array, /, *, axis: int = -1) -> Array:
    """Sum over an axis of the first's conjugate times the second."""
    a, b = pair("vecdot", x1, x2, NUMERIC)
    if not -min_ndim(a, b) <= axis < 0 and axis >= min_ndim(a, b):
        raise ValueError(f"axis: found {axis} for shapes {a.shape} and {b.shape}")
    if a.shape[axis] != b.shape[axis]:
        raise ValueError(f"vecdot: extents {a.shape[axis]} and {b.shape[axis]} differ")
    a, b = broadcast_arrays(a, b)
    at = axis_of(axis, a.ndim)
    left, right = moveaxis(conj(a), at, -1), moveaxis(b, at, -1)
    return matmul(left[..., None, :], right[..., :, None])[..., 0, 0]


def min_ndim(a: Array, b: Array) -> int:
    """The smaller number of dimensions."""
    return a.ndim if a.ndim < b.ndim else b.ndim


def cholesky(x: Array, /, *, upper: bool = False) -> Array:
    """The lower factor L of x = L L^H, or the upper one.

    Raises
    ------
    ValueError
        A matrix is not positive definite.
    """
    lower = Array(_matrices("cholesky", x, square=True).cholesky())
    return conj(lower.mT) if upper else lower


def cross(x1: Array, x2: Array, /, *, axis: int = -1) -> Array:
    """Vector product of vectors of three elements along an axis."""
    a, b = pair("cross", x1, x2, NUMERIC)
    if a.shape[axis] != 3 or b.shape[axis] != 3:
        raise ValueError(f"cross: shapes {a.shape} and {b.shape}: expected 3 elements along axis {axis}")
    a, b = broadcast_arrays(a, b)
    at = axis_of(axis, a.ndim)
    (a0, a1, a2), (b0, b1, b2) = moveaxis(a, at, 0), moveaxis(b, at, 0)
    return stack([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0], axis=at)


def det(x: Array, /) -> Array:
    """Determinants."""
    return Array(_matrices("det", x, square=True).determinant())


def diagonal(x: Array, /, *, offset: int = 0) -> Array:
    """Diagonals of matrices: a view."""
    if x.ndim < 2:
        raise ValueError(f"diagonal: found shape {x.shape}, expected at least two dimensions")
    *stacked, rows, cols = x.shape
    *outer, down, right = x.strides()
    row, col = (-offset, 0) if offset < 0 else (0, offset)
    n = rows - row if rows - row < cols - col else cols - col
    if n <= 0:
        return zeros((*stacked, 0), dtype=x.dtype)
    return x._view([*stacked, n], [*outer, down + right], row * down + col * right)


def eig(x: Array, /) -> EigResult:
    """Eigenvalues of any square matrices, complex, and their vectors as columns."""
    values, vectors = _matrices("eig", x, square=True).eigen()
    return EigResult(Array(values), Array(vectors))


def eigvals(x: Array, /) -> Array:
    """Eigenvalues of any square matrices, complex."""
    return eig(x).eigenvalues


def eigh(x: Array, /) -> EighResult:
    """Eigenvalues of Hermitian matrices in ascending order, and their vectors as columns; the lower triangle is used."""
    values, vectors = _matrices("eigh", x, square=True).eigen_hermitian()
    return EighResult(Array(values), Array(vectors))


def eigvalsh(x: Array, /) -> Array:
    """Eigenvalues of Hermitian matrices in ascending order."""
    return eigh(x).eigenvalues


def inv(x: Array, /) -> Array:
    """Inverse matrices.

    Raises
    ------
    ValueError
        A matrix is singular.
    """
    return Array(_matrices("inv", x, square=True).inverse())


def matrix_norm(x: Array, /, *, keepdims: bool = False, ord: Any = "fro") -> Array:
    """Norms of matrices: ``"fro"``, ``"nuc"``, 1, -1, 2, -2, inf, -inf."""
    _matrices("matrix_norm", x)
    axes = (-2, -1)
    if ord == "fro":
        made = sqrt(sum(Array(abs(x).apply("square")), axis=axes, keepdims=True))
    elif ord in ("nuc", 2, -2):
        values = svdvals(x)
        made = {"nuc": sum, 2: max, -2: min}[ord](values, axis=-1, keepdims=True)[..., None]
    elif ord in (1, -1):
        made = (max if ord == 1 else min)(sum(abs(x), axis=-2, keepdims=True), axis=-1, keepdims=True)
    elif ord in (float("inf"), float("-inf")):
        made = (max if ord > 0 else min)(sum(abs(x), axis=-1, keepdims=True), axis=-2, keepdims=True)
    else:
        raise ValueError(f"ord: found {ord!r}, expected 'fro', 'nuc', 1, -1, 2, -2, inf or -inf")
    return made if keepdims else made[..., 0, 0]


def matrix_power(x: Array, n: int, /) -> Array:
    """Powers of matrices, of the inverse for negative ones."""
    _matrices("matrix_power", x, square=True)
    base, left = (inv(x), -n) if n < 0 else (x, n)
    made = broadcast_to(eye(x.shape[-1], dtype=x.dtype), x.shape)
    while left:
        if left & 1:
            made = matmul(made, base)
        left >>= 1
        if left:
            base = matmul(base, base)
    return Array(made.copy())


def matrix_rank(x: Array, /, *, rtol: Any = None) -> Array:
    """How many singular values exceed ``rtol`` times the largest; by default eps times the larger extent."""
    values = svdvals(x)
    if rtol is None:
        rtol = dtypes.finfo(values.dtype).eps * (x.shape[-1] if x.shape[-1] > x.shape[-2] else x.shape[-2])
    if not values.shape[-1]:
        return zeros(x.shape[:-2], dtype=dtypes.int64)
    limit = max(values, axis=-1, keepdims=True)
    limit = limit * (rtol[..., None] if isinstance(rtol, Array) else rtol)
    return sum(Array(Array(values > limit).cast(dtypes.int64.number)), axis=-1)


def outer(x1: Array, x2: Array, /) -> Array:
    """All products of two vectors' elements."""
    if x1.ndim != 1 or x2.ndim != 1:
        raise ValueError(f"outer: shapes {x1.shape} and {x2.shape}, expected one dimension each")
    a, b = pair("outer", x1, x2, NUMERIC)
    return a[:, None] * b


def pinv(x: Array, /, *, rtol: Any = None) -> Array:
    """Pseudo-inverses; singular values up to ``rtol`` times the largest count as 0."""
    _matrices("pinv", x)
    u, s, vh = svd(x, full_matrices=False)
    if rtol is None:
        rtol = dtypes.finfo(s.dtype).eps * (x.shape[-1] if x.shape[-1] > x.shape[-2] else x.shape[-2])
    if not s.shape[-1]:
        return zeros((*x.shape[:-2], x.shape[-1], x.shape[-2]), dtype=x.dtype)
    limit = max(s, axis=-1, keepdims=True) * (rtol[..., None] if isinstance(rtol, Array) else rtol)
    keep = s > limit
    one = scalar(1.0, s.dtype)
    scale = Array(keep.apply("where", Array(one.apply("divide", Array(keep.apply("where", s, one)))), scalar(0.0, s.dtype)))
    scaled = Array(Array(conj(vh.mT)).apply("multiply", Array(scale.cast(x.dtype.number))[..., None, :]))
    return matmul(scaled, conj(u.mT))


def qr(x: Array, /, *, mode: str = "reduced") -> QRResult:
    """Q with orthonormal columns and upper triangular R with Q R = x; ``mode`` is ``"reduced"`` or ``"complete"``."""
    if mode not in ("reduced", "complete"):
        raise ValueError(f"mode: found {mode!r}, expected 'reduced' or 'complete'")
    q, r = _matrices("qr", x).qr(mode == "complete")
    return QRResult(Array(q), Array(r))


def slogdet(x: Array, /) -> SlogdetResult:
    """Signs of the determinants and logarithms of their absolute values."""
    sign, size = _matrices("slogdet", x, square=True).log_determinant()
    return SlogdetResult(Array(sign), Array(size))


def solve(x1: Array, x2: Array, /) -> Array:
    """The solution of x1 x = x2; a vector ``x2`` is one right side for all matrices.

    Raises
    ------
    ValueError
        A matrix is singular.
    """
    _matrices("solve", x1, square=True)
    a, b = pair("solve", x1, x2, _FLOATING)
    vector = b.ndim == 1
    right = b[:, None] if vector else b
    if right.shape[-2] != a.shape[-1]:
        raise ValueError(f"solve: shapes {a.shape} and {b.shape} do not go together")
    from .array import broadcast_extents

    stacked = broadcast_extents(a.shape[:-2], right.shape[:-2])
    a = broadcast_to(a, (*stacked, *a.shape[-2:]))
    right = broadcast_to(right, (*stacked, *right.shape[-2:]))
    made = Array(a.solve(right))
    return made[..., 0] if vector else made


def svd(x: Array, /, *, full_matrices: bool = True) -> SVDResult:
    """U, singular values in descending order, and V^H with U S V^H = x."""
    u, s, vh = _matrices("svd", x).svd(full_matrices)
    return SVDResult(Array(u), Array(s), Array(vh))


def svdvals(x: Array, /) -> Array:
    """Singular values in descending order."""
    return svd(x, full_matrices=False).S


def trace(x: Array, /, *, offset: int = 0, dtype: DType | None = None) -> Array:
    """Sums of diagonals."""
    return sum(diagonal(need("trace", x, NUMERIC), offset=offset), axis=-1, dtype=dtype)


def vector_norm(x: Array, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Array:
    """Norms of vectors along axes: any number, inf, -inf, or 0 for the number of elements that are not 0."""
    need("vector_norm", x, _FLOATING)
    size = abs(x)
    if ord == float("inf") or ord == float("-inf"):
        return (max if ord > 0 else min)(size, axis=axis, keepdims=keepdims)
    if ord == 0:
        flags = Array(Array(size.apply("not_equal", scalar(0.0, size.dtype))).cast(size.dtype.number))
        return sum(flags, axis=axis, keepdims=keepdims)
    if ord == 1:
        return sum(size, axis=axis, keepdims=keepdims)
    if ord == 2:
        return sqrt(sum(Array(size.apply("square")), axis=axis, keepdims=keepdims))
    total = sum(Array(size.apply("pow", full((), float(ord), dtype=size.dtype))), axis=axis, keepdims=keepdims)
    return Array(total.apply("pow", full((), 1.0 / ord, dtype=size.dtype)))


def einsum(subscripts: str, /, *operands: Array) -> Array:
    """Einstein's sums: ``einsum("ij,jk->ik", a, b)``; the cheapest order of products is searched for.

    Arrays of floating-point types, of which the types are promoted.
    """
    if not operands:
        raise ValueError("einsum: expected at least one array")
    from .creation import result_type

    dtype = result_type(*(need("einsum", operand, _FLOATING) for operand in operands))
    return Array(_vgpu.einsum(subscripts, [operand.cast(dtype.number) for operand in operands]))
