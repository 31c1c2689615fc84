"""What is refused: matrices and singular values that have no ranks, rates and counts out of their ranges."""

from __future__ import annotations

import math

import numpy as np

from bn_theory.errors import InvalidInputError

MOST_ITERATIONS = 10_000
"""Of Newton-Schulz: values from 1e-300 on need some 2200."""


def floats(value, what):
    """An array of floats: no text, nothing missing, and no complex numbers, whose imaginary parts would be lost.

    Args:
        what: what the value should be, for the message.
    """
    try:
        found = np.asarray(value)
        # of objects, None would become NaN; complex numbers in an array of objects do not become floats, either
        if found.dtype.kind in "biuf" or (found.dtype.kind == "O" and not any(x is None for x in found.flat)):
            return found.astype(float)
    except (TypeError, ValueError, OverflowError):
        pass
    raise InvalidInputError(f"{what} must be real numbers, not {_short(value)}; convert them to floats first")


def matrices(W, zero=False):
    """A stack of finite matrices as floats; none of zeros, unless ``zero``."""
    W = floats(W, "the entries of a matrix")
    if W.ndim < 2 or W.size == 0:
        raise InvalidInputError(f"a matrix has two axes and entries, not shape {W.shape}; use W.reshape(m, n)")
    if not np.all(np.isfinite(W)):
        raise InvalidInputError(f"{np.sum(~np.isfinite(W))} entries of the matrix are not finite; leave that run out")
    if not zero and not np.all(np.any(W != 0, axis=(-2, -1))):
        raise InvalidInputError("a matrix of zeros has no singular vectors, polar factor or rank; leave it out")
    return W


def spectrum(s):
    """Singular values as floats, along the last axis; not all 0."""
    s = floats(s, "singular values")
    if s.ndim < 1 or s.size == 0:
        raise InvalidInputError(
            f"singular values have an axis and entries, not shape {s.shape}; use singular_values(W)"
        )
    named(s, np.isfinite(s) & (s >= 0), "singular values are finite and >= 0", "use singular_values(W)")
    if not np.all(np.any(s > 0, axis=-1)):
        raise InvalidInputError("the singular values are all 0: a matrix of zeros has no rank; leave it out")
    return s


def named(values, good, what, way_out):
    """Refuse values of which one is not good, by that one."""
    if not np.all(good):
        raise InvalidInputError(f"{what}, not {float(values[~good].flat[0])!r}; {way_out}")


def number(value, name) -> float:
    """One real number."""
    found = floats(value, name)
    if found.ndim:
        raise InvalidInputError(f"{name} must be one number, not shape {found.shape}")
    return float(found)


def product(rate, decay, below=math.inf):
    """``eta lambda``, of numbers that are finite and not negative."""
    rate, decay = number(rate, "the learning rate"), number(decay, "the decay lambda")
    for name, value in (("the learning rate", rate), ("the decay lambda", decay)):
        if not (math.isfinite(value) and value >= 0):
            raise InvalidInputError(f"{name} must be finite and >= 0, not {value!r}")
    amount = rate * decay
    if not math.isfinite(amount):
        raise InvalidInputError(
            f"eta lambda of {rate!r} and {decay!r} does not fit a float: lower the rate or the decay"
        )
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


def _short(value) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def cut(s, shape):
    """Singular values of matrices of a shape, 0 where rounding does not tell them from it."""
    return np.where(s > max(shape[-2:]) * np.finfo(float).eps * s[..., :1], s, 0.0)
