"""Both decays at zero gradient: one step of a matrix, many steps of its singular values."""

from __future__ import annotations

import numpy as np

from bn_theory.low_rank_decay.checks import floats, matrices, named, product, spectrum, whole_steps
from bn_theory.low_rank_decay.iterations import newton_schulz


def radial_step(W, rate, decay) -> np.ndarray:
    """Decoupled weight decay at zero gradient: ``W (1 - eta lambda)``.

    Args:
        W: shape ``(..., m, n)``, finite, none zero.
        rate: eta, finite, ``>= 0``. decay: lambda, finite, ``>= 0``; ``eta lambda < 1``.

    Returns:
        shape ``(..., m, n)``.

    Raises:
        InvalidInputError: as :func:`singular_values`; rates outside of these ranges.

    >>> radial_step([[2.0]], 0.5, 0.5).tolist()
    [[1.5]]
    """
    return matrices(W) * (1 - product(rate, decay, below=1))


def low_rank_step(W, rate, decay, iterations: int | None = None) -> np.ndarray:
    """Decoupled low-rank decay at zero gradient.

    Exactly: every singular value becomes ``max(s - eta lambda, 0)`` (a soft threshold, so that none overshoots 0). With
    ``iterations``: the bare step ``W - eta lambda p``, p that many Newton-Schulz iterations of ``W/|W|_F``; it takes
    less from small values, whose factor is not 1 yet, and turns them round where it takes more than there is.

    Args:
        W: shape ``(..., m, n)``, finite, none zero.
        rate: eta, finite, ``>= 0``. decay: lambda, finite, ``>= 0``.
        iterations: ``>= 0``, or ``None`` for the exact step.

    Returns:
        shape ``(..., m, n)``; zero where every singular value was at most ``eta lambda``.

    Raises:
        InvalidInputError: as :func:`singular_values`; rates or iterations outside of these ranges.

    >>> low_rank_step([[3.0, 0.0], [0.0, 1.0]], 0.5, 1.0).round(12).tolist()
    [[2.5, 0.0], [0.0, 0.5]]
    """
    W, amount = matrices(W), product(rate, decay)
    if iterations is not None:
        return W - amount * newton_schulz(W, iterations)
    u, s, vt = np.linalg.svd(W, full_matrices=False)
    return (u * np.maximum(s - amount, 0)[..., None, :]) @ vt


def radial_values(s, rate, decay, steps) -> np.ndarray:
    """``s (1 - eta lambda)^T``: singular values after T steps of radial decay at zero gradient.

    Args:
        s: shape ``(..., k)``. rate, decay: as in :func:`radial_step`. steps: T, whole and ``>= 0``, a number or shape
            ``(t,)``, which becomes the first axis.

    Returns:
        shape ``(..., k)``, or ``(t, ..., k)``.

    Raises:
        InvalidInputError: numbers outside of these ranges.

    >>> radial_values([2.0, 1.0], 0.5, 1.0, [0, 1]).tolist()
    [[2.0, 1.0], [1.0, 0.5]]
    """
    s, T = spectrum(s), whole_steps(steps)
    return s * (1 - product(rate, decay, below=1)) ** T.reshape(T.shape + (1,) * s.ndim)


def low_rank_values(s, rate, decay, steps) -> np.ndarray:
    """``max(s - T eta lambda, 0)``: singular values after T steps of exact low-rank decay at zero gradient.

    Args:
        s: shape ``(..., k)``. rate, decay: as in :func:`low_rank_step`. steps: as in :func:`radial_values`.

    Returns:
        shape ``(..., k)``, or ``(t, ..., k)``.

    Raises:
        InvalidInputError: numbers outside of these ranges.

    >>> low_rank_values([2.0, 1.0], 0.5, 1.0, [0, 1, 3]).tolist()
    [[2.0, 1.0], [1.5, 0.5], [0.5, 0.0]]
    """
    s, T = spectrum(s), whole_steps(steps)
    return np.maximum(s - product(rate, decay) * T.reshape(T.shape + (1,) * s.ndim), 0)


def overshoots_above(s_1, s_i):
    """``2 s_1 s_i/(s_1 + s_i)``: what a bare step may take before it raises ``|s_i - delta|/(s_1 - delta)``.

    Args:
        s_1, s_i: positive finite singular values, the largest and another one, numbers or arrays.

    Raises:
        InvalidInputError: values that are not.

    >>> float(overshoots_above(3.0, 1.0))
    1.5
    """
    s_1, s_i = np.broadcast_arrays(floats(s_1, "singular values"), floats(s_i, "singular values"))
    for values in (s_1, s_i):
        named(values, np.isfinite(values) & (values > 0), "singular values are finite and > 0 here", "leave zeros out")
    low, high = np.minimum(s_1, s_i), np.maximum(s_1, s_i)
    return low * (2 / (1 + low / high))  # no product that does not fit a float
