"""Seeds of independent runs, and 95 % intervals of means over them."""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import t as student_t

from bn_theory.errors import InvalidInputError

FEWEST = 3
"""Seeds of which an interval is made: of two, Student's is 9 times wider than of three."""


def seeds_of(settings, count: int) -> range:
    """Seeds of ``count`` runs, disjoint from those of any other base seed (as long as ``count`` is at most 1000).

    >>> from bn_theory.theorems.statement import Settings
    >>> list(seeds_of(Settings(seed=2), 3))
    [2000, 2001, 2002]
    """
    return range(1000 * settings.seed, 1000 * settings.seed + count)


def over_seeds(values) -> tuple[float, float]:
    """Student's 95 % interval of the mean of independent values; infinite where a value is not finite.

    ``mean +- t_{0.975, n-1} s/sqrt(n)``: exact for normal values, close to it for means of many. Differences of runs
    from one start, on the same data, are to be taken first: a pair is one value.

    Args:
        values: one number for each seed, shape ``(n,)``, ``n >= 3``.

    Returns:
        ``(low, high)``, of the values' own dimension.

    Raises:
        InvalidInputError: fewer than three values, or more than one axis.

    Source: Student's t distribution (scipy).

    >>> low, high = over_seeds([1.0, 2.0, 3.0])
    >>> round(low, 3), round(high, 3)
    (-0.484, 4.484)
    """
    x = np.asarray(values, dtype=float)
    if x.ndim != 1 or len(x) < FEWEST:
        raise InvalidInputError(f"an interval over seeds needs at least {FEWEST} numbers, not shape {x.shape}")
    if not np.all(np.isfinite(x)):
        return -math.inf, math.inf
    half = float(student_t.ppf(0.975, len(x) - 1) * np.std(x, ddof=1)) / math.sqrt(len(x))
    return float(np.mean(x)) - half, float(np.mean(x)) + half
