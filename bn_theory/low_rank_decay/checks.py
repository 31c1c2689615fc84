"""What is refused: matrices and singular values that have no ranks, rates and counts out of their ranges."""

from __future__ import annotations

import math

import numpy as np

from bn_theory.errors import InvalidInputError

MOST_ITERATIONS = 10_000
"""Of Newton-Schulz: values from 1e-300 on need some 2200."""


def matrices(W, zero=False):
    """A stack of finite matrices as floats; none of zeros, unless ``zero``."""
    W = np.asarray(W, dtype=float)
    if W.ndim < 2 or W.size == 0:
        raise InvalidInputError(f"a matrix has two axes and entries, not shape {W.shape}; use W.reshape(m, n)")
    if not np.all(np.isfinite(W)):
        raise InvalidInputError(f"{np.sum(~np.isfinite(W))} entries of the matrix are not finite; leave that run out")
    if not zero and not np.all(np.any(W != 0, axis=(-2, -1))):
        raise InvalidInputError("a matrix of zeros has no singular vectors, polar factor or rank; leave it out")
    return W


def spectrum(s):
    """Singular values as floats, along the last axis; not all 0."""
    s = np.asarray(s, dtype=float)
    if s.ndim < 1 or s.size == 0 or not np.all(np.isfinite(s) & (s >= 0)):
        raise InvalidInputError("singular values are finite and >= 0, at least one; use singular_values(W)")
    if not np.all(np.any(s > 0, axis=-1)):
        raise InvalidInputError("the singular values are all 0: a matrix of zeros has no rank; leave it out")
    return s


def product(rate, decay, below=math.inf):
    """``eta lambda``, of numbers that are finite and not negative."""
    for name, value in (("the learning rate", rate), ("the decay lambda", decay)):
        if not (math.isfinite(value) and value >= 0):
            raise InvalidInputError(f"{name} must be finite and >= 0, not {value!r}")
    amount = rate * decay
    if not amount < below:
        raise InvalidInputError(f"eta lambda = {amount:g} must be below {below:g}: lower the rate or the decay")
    return amount


def whole_steps(steps):
    """Numbers of steps as an array without axes or with one."""
    T = np.asarray(steps)
    if T.ndim > 1 or T.dtype.kind not in "iu" or not np.all(T >= 0):
        raise InvalidInputError(f"steps must be whole numbers >= 0, not {steps!r}")
    return T


def count(iterations):
    """A number of iterations."""
    if isinstance(iterations, bool) or not isinstance(iterations, int | np.integer):
        raise InvalidInputError(f"iterations must be a whole number, not {iterations!r}")
    if not 0 <= iterations <= MOST_ITERATIONS:
        raise InvalidInputError(f"iterations must be in 0 .. {MOST_ITERATIONS}, not {iterations!r}")
    return int(iterations)


def cut(s, shape):
    """Singular values of matrices of a shape, 0 where rounding does not tell them from it."""
    return np.where(s > max(shape[-2:]) * np.finfo(float).eps * s[..., :1], s, 0.0)
