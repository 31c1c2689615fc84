"""The product of a matrix with every vector of a stack, as array functions need it on every namespace."""

from __future__ import annotations

from math import prod

import numpy as np
from array_api_compat import is_cupy_namespace

CUPY_BYTES = 2**26
"""Up to this size of all products together CuPy adds them itself; beyond, one step is long enough to launch by hand."""


def matvec(xp, matrix, x):
    """``matrix @ x`` for every leading axis by itself: one product for all of them would round by their number.

    CuPy refuses cuBLAS while a CUDA graph is captured, so that there the products are formed and added instead, as
    long as they fit into ``CUPY_BYTES``.

    Args:
        xp: the arrays' namespace.
        matrix: shape ``(..., m, n)``.
        x: shape ``(..., n)``; leading axes broadcast.

    Returns:
        shape ``(..., m)``.
    """
    if is_cupy_namespace(xp):
        leading = np.broadcast_shapes(matrix.shape[:-2], x.shape[:-1])
        if 8 * prod((*leading, *matrix.shape[-2:])) <= CUPY_BYTES:
            return xp.sum(matrix * x[..., None, :], axis=-1)
    return (matrix @ x[..., None])[..., 0]
