"""Recognising data that are not a power law, before an exponent is reported for them."""

from __future__ import annotations

import numpy as np

from .averaging import LN10
from .local import local_slopes

# (500 ulp)^1: a squared norm at rounding is near 1e-32 of its start, a norm near 1e-16; both are far below
ROUNDING_LEVEL = 1e-13


def span_in_decades(t):
    """Decades covered by records that each stand for a cell one (median) spacing wide."""
    x = np.log10(t)
    return float(x[-1] - x[0] + np.median(np.diff(x))) if t.size > 1 else 0.0


def rounding_floor(t, z):
    """Index of the first record on a rounding floor, or None.

    A floor: the last records lie within a factor 100 of the smallest, for 0.3 decades and three records or
    more, below 1e-13 of the largest value, and they fall at less than a quarter of the slope that led there.
    """
    if z.max() - z.min() < -np.log(ROUNDING_LEVEL):
        return None
    k = int(np.argmax(z <= z.min() + np.log(100.0)))
    x = np.log(t)
    if t.size - k < 3 or x[-1] - x[k] < 0.3 * LN10:
        return None
    before = slice(max(k - 5, 0), k + 1)
    if k < 2:
        return None
    flat = np.polyfit(x[k:], z[k:], 1)[0]
    steep = np.polyfit(x[before], z[before], 1)[0]
    return k if abs(flat) < 0.25 * abs(steep) else None


def plateau(blocks, estimate):
    """Sentence that says why the data are a plateau, or None.

    One of: the exponent's own interval contains 0; a constant is more than 9/10 of the last value; the slope
    over the last decade is compatible with 0 and shallower than the fitted exponent.
    """
    fit = estimate.fit
    if fit.interval[0] <= 0.0 <= fit.interval[1]:
        return f"the interval {fit.interval[0]:.3g} .. {fit.interval[1]:.3g} of the exponent contains 0"
    if estimate.floor_share > 0.9:
        return f"a constant makes up {estimate.floor_share:.1%} of y at t = {blocks.t[-1]:.4g}"
    x = np.log(blocks.t)
    late = x >= x[-1] - LN10 * (1 + 1e-9)
    if late.sum() < 4:
        return None
    deviations = None if blocks.deviations is None else blocks.deviations[:, late]
    middle = 0.5 * (x[late][0] + x[-1])
    pick = int(np.argmin(np.abs(x[late] - middle)))
    value, band = local_slopes(x[late], blocks.z[late], blocks.noise.scale[late], deviations, width=4.0)
    slope, error = float(value[pick]), float(band[pick])
    if fit.exponent < 0 and slope + error >= 0 and slope - error > fit.exponent:
        return f"over the last decade the slope is {slope:.3g} +- {error:.2g}, while the exponent is "
        f"{fit.exponent:.3g}"
    return None


def too_rough(estimate):
    """Sentence that says why no window follows any law, or None: scatter that the noise does not explain."""
    # 0.35 = a factor 1.4 up and down about the best law; misfit 4 = twice the scatter that the replicas allow
    if estimate.scatter > 0.35 and (estimate.fit.n_replicas == 1 or estimate.misfit > 4.0):
        return f"log y scatters by {estimate.scatter:.2g} about the best law of the best window"
    return None
