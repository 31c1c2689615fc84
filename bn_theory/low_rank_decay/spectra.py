"""Singular values, ranks, polar factors, and the part of a direction across a matrix."""

from __future__ import annotations

import numpy as np

from bn_theory.errors import InvalidInputError
from bn_theory.low_rank_decay.checks import cut, matrices, spectrum


def singular_values(W) -> np.ndarray:
    """Singular values, descending; those that rounding does not tell from 0 are 0.

    They are those up to ``max(m, n) 2^-52 s_1``, as for NumPy's ``matrix_rank``.

    Args:
        W: shape ``(..., m, n)``, finite, none of the matrices zero.

    Returns:
        shape ``(..., min(m, n))``.

    Raises:
        InvalidInputError: no matrix, entries that are not finite, a matrix of zeros.

    >>> singular_values([[3.0, 0.0], [0.0, 4.0]]).tolist()
    [4.0, 3.0]
    """
    return cut(np.linalg.svd(matrices(W), compute_uv=False), np.shape(W))


def stable_rank(W) -> np.ndarray:
    """``|W|_F^2/|W|_2^2``, in [1, r]: r for equal singular values.

    Args:
        W: shape ``(..., m, n)``, finite, none zero.

    Returns:
        shape ``(...)``.

    Raises:
        InvalidInputError: as :func:`singular_values`.

    >>> float(stable_rank([[2.0, 0.0], [0.0, 1.0]]))
    1.25
    """
    return stable_rank_of(singular_values(W))


def effective_rank(W) -> np.ndarray:
    """``exp(-sum q_i log q_i)``, ``q_i = s_i/sum s``, in [1, r]: r for equal singular values.

    Args:
        W: shape ``(..., m, n)``, finite, none zero.

    Returns:
        shape ``(...)``.

    Raises:
        InvalidInputError: as :func:`singular_values`.

    >>> round(float(effective_rank([[1.0, 0.0], [0.0, -1.0]])), 12)
    2.0
    """
    return effective_rank_of(singular_values(W))


def stable_rank_of(s) -> np.ndarray:
    """``sum s^2/max s^2``.

    Args:
        s: singular values, shape ``(..., k)``, not negative, not all 0.

    Returns:
        shape ``(...)``.

    Raises:
        InvalidInputError: no such values.

    >>> float(stable_rank_of([2.0, 1.0, 0.0]))
    1.25
    """
    s = spectrum(s)
    return np.sum((s / s.max(axis=-1, keepdims=True)) ** 2, axis=-1)


def effective_rank_of(s) -> np.ndarray:
    """``exp`` of the entropy of ``s_i/sum s``, with ``0 log 0 = 0``.

    Args:
        s: singular values, shape ``(..., k)``, not negative, not all 0.

    Returns:
        shape ``(...)``.

    Raises:
        InvalidInputError: no such values.

    >>> float(effective_rank_of([5.0, 0.0]))
    1.0
    """
    s = spectrum(s)
    s = s / s.max(axis=-1, keepdims=True)
    q = s / s.sum(axis=-1, keepdims=True)
    return np.exp(-np.sum(q * np.log(np.where(q > 0, q, 1.0)), axis=-1))


def polar_factor(W) -> np.ndarray:
    """``P = sum u_i v_i^T`` over the non-zero singular values: the gradient of the nuclear norm at full rank.

    Args:
        W: shape ``(..., m, n)``, finite, none zero.

    Returns:
        shape ``(..., m, n)``, singular values 1 (and 0, where those of W are).

    Raises:
        InvalidInputError: as :func:`singular_values`.

    >>> polar_factor([[0.0, -3.0], [2.0, 0.0]]).tolist()
    [[0.0, -1.0], [1.0, 0.0]]
    """
    W = matrices(W)
    u, s, vt = np.linalg.svd(W, full_matrices=False)
    kept = cut(s, W.shape) > 0
    # adding 0 turns -0.0 into 0.0
    return (u * kept[..., None, :]) @ vt + 0.0


def tangential_part(W, direction=None) -> np.ndarray:
    """The part of a direction that is orthogonal to W: ``D - <D, W>/|W|_F^2 W``.

    Args:
        W: shape ``(..., m, n)``, finite, none zero.
        direction: D, of the same shape; by default the polar factor, for which ``<D, W>`` is the nuclear norm.

    Returns:
        shape ``(..., m, n)``.

    Raises:
        InvalidInputError: as :func:`singular_values`, or shapes that differ.

    >>> tangential_part([[3.0, 0.0], [0.0, 1.0]]).round(12).tolist()
    [[-0.2, 0.0], [0.0, 0.6]]
    """
    W = matrices(W)
    D = polar_factor(W) if direction is None else matrices(direction, zero=True)
    if D.shape != W.shape:
        raise InvalidInputError(f"a direction of shape {D.shape} is not one of matrices of shape {W.shape}")
    unit = W / np.max(np.abs(W), axis=(-2, -1), keepdims=True)  # squares of tiny or huge entries do not fit floats
    along = np.sum(D * unit, axis=(-2, -1), keepdims=True) / np.sum(unit * unit, axis=(-2, -1), keepdims=True)
    return D - along * unit


def tangential_square_of(s) -> np.ndarray:
    """``|T|_F^2 = sum_ij (s_i - s_j)^2/(2 sum s^2)`` over the r non-zero values, which is ``r - (sum s)^2/sum s^2``.

    The sum of squares has no cancellation: it is exactly 0 for equal values.

    Args:
        s: singular values, shape ``(..., k)``, not negative, not all 0.

    Returns:
        shape ``(...)``.

    Raises:
        InvalidInputError: no such values.

    >>> round(float(tangential_square_of([3.0, 1.0, 0.0])), 12), float(tangential_square_of([2.0, 2.0]))
    (0.4, 0.0)
    """
    s = spectrum(s)
    s = s / s.max(axis=-1, keepdims=True)  # squares of tiny or huge values do not fit floats
    both = (s[..., :, None] > 0) & (s[..., None, :] > 0)
    squares = np.sum(np.where(both, (s[..., :, None] - s[..., None, :]) ** 2, 0.0), axis=(-2, -1))
    return squares / (2 * np.sum(s**2, axis=-1))
