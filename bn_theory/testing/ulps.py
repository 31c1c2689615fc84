"""What rounding makes of a function, estimated from what the function itself makes of an ulp.

A computed ``f`` is ``f`` of slightly other arguments, plus the rounding of its own intermediate results. Both are seen
when the arguments move by an ulp: rounding errors are then drawn anew. So the values at

    w (1 + eps xi),    xi = -1, 0 or 1 in every entry, at random,    eps = 2 u the distance from 1 to the next number,

scatter as ``f(c w)`` scatters about ``f(w)`` when ``f(c w) = f(w)`` exactly: ``c w`` is rounded (by up to ``u`` in
every entry, half of what ``xi`` does), and what is computed from it rounds anew. The largest of ``SAMPLES`` deviations,
plus ``u |f|`` for the last rounding, times ``SAFETY``, is the bound. It is an estimate: a draw beyond 8 times the
largest of 32 would be needed to exceed it. It is blind to a function that computes in less precision than its argument
has (nothing changes with an ulp, or all at once): give such a function arguments of its own precision.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

SAMPLES = 32
SAFETY = 8.0


def perturbations(size: int, roundoff: float, count: int = SAMPLES, seed: int = 0) -> np.ndarray:
    """Factors ``1 + 2 u xi``, shape ``(count, size)``, the same for the same seed."""
    xi = np.random.default_rng(seed).integers(-1, 2, size=(count, size))
    return 1 + 2 * roundoff * xi


def rounding_of(values: np.ndarray, scattered: np.ndarray, roundoff: float) -> float:
    """The bound of the largest entry's difference between two evaluations.

    Args:
        values: of the function at the point, any shape.
        scattered: at the perturbed points, one more axis in front.
        roundoff: ``u``.
    """
    deviation = np.max(np.abs(scattered - values), initial=0.0)
    return float(SAFETY * (deviation + roundoff * np.max(np.abs(values), initial=0.0)))


def reach(evaluate: Callable[[np.ndarray], np.ndarray], size: int, values: np.ndarray, seed: int = 1) -> float:
    """What the function's values and their changes are of the size of: at the point and at 3 points 10 % away."""
    factors = 1 + 0.1 * np.random.default_rng(seed).choice([-1.0, 1.0], size=(3, size))
    moved = [float(np.max(np.abs(evaluate(f) - values), initial=0.0)) for f in factors]
    return max(float(np.max(np.abs(values), initial=0.0)), *(m for m in moved if np.isfinite(m)), 0.0)
