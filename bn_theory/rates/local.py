"""Local exponents of a decay curve, with the band that the replicas give them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

LN10 = np.log(10.0)


@dataclass(frozen=True)
class LocalExponents:
    """``value +- band`` of ``d log y / d log t`` at each ``t``; dimensionless."""

    t: np.ndarray
    value: np.ndarray
    band: np.ndarray


def local_slopes(x, z, scale, deviations=None, width=0.5, confidence=0.95):
    """Weighted least-squares slopes over ``width`` decades around each record, at least three records."""
    n = x.size
    half = 0.5 * width * LN10 * (1 + 1e-9)
    lo = np.searchsorted(x, x - half)
    hi = np.searchsorted(x, x + half, side="right")
    value, band = np.empty(n), np.empty(n)
    for k in range(n):
        a, b = lo[k], hi[k]
        if b - a < 3:
            a = min(max(k - 1, 0), max(n - 3, 0))
            b = min(a + 3, n)
        w = 1.0 / scale[a:b] ** 2
        u = x[a:b] - np.sum(w * x[a:b]) / np.sum(w)
        functional = w * u / np.sum(w * u * u)
        value[k] = functional @ z[a:b]
        if deviations is None:
            rest = z[a:b] - np.mean(z[a:b]) - value[k] * (x[a:b] - np.mean(x[a:b]))
            # no noise: the band is the slope that the largest departure from a line could hide here
            band[k] = 2.0 * np.max(np.abs(rest)) / (x[b - 1] - x[a])
        else:
            r = deviations.shape[0]
            spread = np.std(deviations[:, a:b] @ functional, ddof=1) / np.sqrt(r)
            band[k] = stats.t.ppf(0.5 + 0.5 * confidence, r - 1) * spread
    return value, band


def local_exponents(t, y=None, *, width=0.5, confidence=0.95):
    r"""Return the local exponent of a curve around each of its records.

    .. math:: e(t) = \frac{d \log y}{d \log t},

    by weighted least squares over ``width`` decades around ``t``; a decaying curve has negative ``e``.

    Args:
        t: record steps, shape ``(records,)``, positive and increasing, dimensionless; or a DataArray with
            dimension ``step`` (and ``replica``), and no ``y``.
        y: positive values, shape ``(records,)`` or ``(replicas, records)``, dimensionless.
        width: decades of ``t`` that each slope is taken over.
        confidence: coverage of the band when there are replicas. Without replicas the band is the
            slope that the departure from a straight line could hide.

    Returns:
        `LocalExponents`. Densely sampled records come back as cells of a tenth of a decade.

    Raises:
        InvalidInputError: for values that cannot be used.

    Source: derived in this package.

    Example:
        >>> import numpy as np
        >>> t = np.geomspace(1, 1000, 16)
        >>> print(np.round(local_exponents(t, 5 * t**-0.5).value[[0, 8, 15]], 6))
        [-0.5 -0.5 -0.5]
    """
    from .data import read, reduce_records

    blocks = reduce_records(read(t, y), statistic="mean")
    value, band = local_slopes(
        np.log(blocks.t), blocks.z, blocks.noise.scale, blocks.deviations, width=width, confidence=confidence
    )
    return LocalExponents(t=blocks.t, value=value, band=band)
