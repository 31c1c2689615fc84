"""Polar factors by Newton-Schulz iterations, and how many of them it takes."""

from __future__ import annotations

import math

import numpy as np

from bn_theory.errors import InvalidInputError
from bn_theory.low_rank_decay.checks import count, floats, matrices, named, number


def newton_schulz(W, iterations: int) -> np.ndarray:
    """``X <- (3 X - X X^T X)/2`` from ``W/|W|_F``: towards the polar factor, quadratically once a value is near 1.

    Args:
        W: shape ``(..., m, n)``, finite, none zero.
        iterations: ``>= 0``.

    Returns:
        shape ``(..., m, n)``.

    Raises:
        InvalidInputError: as :func:`singular_values`; a number of iterations that is no such.

    >>> newton_schulz([[3.0, 0.0], [0.0, 4.0]], 8).round(9).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    W = matrices(W)
    W = W / np.max(np.abs(W), axis=(-2, -1), keepdims=True)  # squares of tiny or huge entries do not fit floats
    X = W / np.sqrt(np.sum(W * W, axis=(-2, -1), keepdims=True))
    for _ in range(count(iterations)):
        X = (3 * X - X @ (np.swapaxes(X, -1, -2) @ X)) / 2
    return X


def newton_schulz_values(x, iterations: int) -> np.ndarray:
    """``x <- x (3 - x^2)/2``: what the iterations do to singular values of ``W/|W|_F``.

    Args:
        x: in [0, 1], any shape. iterations: ``>= 0``.

    Raises:
        InvalidInputError: values outside of [0, 1]; a number of iterations that is no such.

    >>> newton_schulz_values([0.0, 0.5, 1.0], 1).tolist()
    [0.0, 0.6875, 1.0]
    """
    x = floats(x, "singular values")
    good = (x >= 0) & (x <= 1 + 1e-12)  # 1e-12: a quotient by a norm rounds
    named(x, good, "Newton-Schulz iterations take singular values in [0, 1]", "divide by the Frobenius norm")
    for _ in range(count(iterations)):
        x = x * (3 - x * x) / 2
    return x


def iterations_needed(smallest: float, within: float) -> int:
    """Enough Newton-Schulz iterations to bring a value from ``smallest`` to ``1 - within``, by proved bounds.

    ``log(1/(2 x_0))/log(11/8)``, rounded up, to pass 1/2 (from then on ``E = 3 e/2 <= 3/4`` squares itself), and the
    smallest k with ``(3/4)^(2^k) <= 3 within/2``.

    Args:
        smallest: ``x_0`` in (0, 1], of ``W/|W|_F``. within: in (0, 1).

    Raises:
        InvalidInputError: numbers outside of these ranges.

    >>> iterations_needed(0.01, 1e-8)
    19
    """
    smallest, within = number(smallest, "the smallest value"), number(within, "the distance from 1")
    if not (0 < smallest <= 1 and 0 < within < 1):
        raise InvalidInputError(f"need 0 < smallest <= 1 and 0 < within < 1, not {smallest!r} and {within!r}")
    first = max(0, math.ceil((math.log(0.5) - math.log(smallest)) / math.log(11 / 8)))
    target = min(1.5 * within, 0.75)
    return first + math.ceil(max(0.0, math.log2(math.log(target) / math.log(0.75))))
