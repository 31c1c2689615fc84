"""A function at scaled weights, for ``assert_scale_invariant``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bn_theory.errors import InvalidInputError
from bn_theory.testing.conclude import array, roundoff


@dataclass(frozen=True)
class Point:
    """A function at scaled weights, whatever they are.

    Attributes:
        at: ``at(factors)`` gives ``(values, <w, gradient>, sum |w_i g_i|)`` at weights times a number, or times an
            array with one per entry; the last two ``None`` where there is no gradient.
        size: number of entries.
        roundoff: unit roundoff of the weights.
        label: in words, what is evaluated; empty where there is one function only.
    """

    at: Callable
    size: int
    roundoff: float
    label: str = ""


def point_of_function(f, w, gradient) -> Point:
    """A function of an array at multiples of ``w``.

    Raises:
        InvalidInputError: weights at which it cannot be evaluated, values or gradients of a wrong shape.
    """
    if w is None:
        raise InvalidInputError(
            "w is missing: a function has to be evaluated somewhere; give an array that is not zero"
        )
    start = array("w", w)
    if not np.all(np.isfinite(start)) or not np.any(start):
        raise InvalidInputError("w must be finite and not zero: a scale-invariant function has no value at 0")
    if gradient is not None and not callable(gradient):
        raise InvalidInputError(f"gradient must be a function of w, not {gradient!r}")

    def at(factors):
        scaled = (start.ravel() * factors).astype(start.dtype).reshape(start.shape)
        values = array("f(w)", f(scaled.copy())).astype(float)
        if gradient is None:
            return values, None, None
        slope = array("gradient(w)", gradient(scaled.copy())).astype(float)
        if values.size != 1 or slope.shape != start.shape:
            raise InvalidInputError(
                f"f(w) has shape {values.shape} and gradient(w) {slope.shape}; with gradient= they must be one number "
                f"and the shape of w, {start.shape}"
            )
        terms = (scaled.astype(float) * slope).ravel()
        return values, float(np.sum(terms)), float(np.sum(np.abs(terms)))

    return Point(at, start.size, roundoff(start))
