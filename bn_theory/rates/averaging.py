"""Windows, information weights over windows and laws, and the resampling of replicas.

Every candidate is one law on the records from ``start`` on. Its weight is ``exp(-IC / 2)`` with

    IC = chi2 + log(records) k + 2 n_cut,

``k`` the number of fitted parameters and ``n_cut`` the records left out. A record cut from a fit costs 2, as Jay and
Neil (arXiv:2008.01069) derive: it may be thought of as fitted perfectly by a parameter of its own, at Akaike's
price. A parameter of a law acts on all records and has Schwarz's price: at 2 a needless correction keeps so
much weight that dense data of a pure power law have intervals 1.6 times the optimal width. Dearer cuts were tried
as well: at ``log(replicas x records)`` a transient that none of the laws describes stays in the window, fitted
by a wrong correction, and the interval covers half of the time.
"""

from __future__ import annotations

import numpy as np

from .models import CORRECTED, CORRECTION_POWERS, FLOOR, fit_family, join, take

LN10 = np.log(10.0)
CUT_PRICE = 2.0  # Akaike's, of a record left out
CELL = LN10 / 10  # starts closer than a cell of the blocking differ by nothing


def window_starts(x):
    """First records to try: one a tenth of a decade, as long as half of the data remain, and two decades."""
    span = x[-1] - x[0]
    # three decades or fewer keep two thirds: from less, a correction cannot be told from an exponent
    room = max(0.5 * span, min(2.0 * LN10, 2.0 / 3.0 * span))
    starts = [0]
    for k in range(1, x.size):
        if x[-1] - x[k] < room - 1e-9 or x.size - k < 8:
            break
        if x[k] - x[starts[-1]] >= CELL * (1 - 1e-6):
            starts.append(k)
    return np.array(starts)


def exponent_grid(x, z):
    """Exponents on which the variable projection starts: what the curve shows locally, and a margin."""
    width = max(4, x.size // 5)
    slopes = [-np.polyfit(x[a : a + width], z[a : a + width], 1)[0] for a in range(0, x.size - width + 1, width // 2)]
    slopes.append(-np.polyfit(x[-width:], z[-width:], 1)[0])
    lo, hi = min(slopes), max(slopes)
    margin = 0.3 * (hi - lo) + 0.3
    return np.linspace(lo - margin, hi + margin, 48)


def residual_variance(candidates, n, rounding):
    """Mean square residual of each candidate of a run without noise, at least ``rounding``."""
    count = n - candidates.start
    return (candidates.chi2 + count * rounding**2) / np.maximum(count - candidates.n_parameters, 1)


def fit_candidates(x, z, noise, families, log_log, log_power=None, powers=CORRECTION_POWERS, rounding=None):
    """Fit every law of ``families`` on every window; ``rounding`` is None where there are replicas."""
    starts = window_starts(x)
    grid = exponent_grid(x, z)
    parts = []
    for name in families:
        q = np.array(powers) if name == CORRECTED else np.array([np.nan if log_power is None else log_power])
        start, power = np.repeat(starts, q.size), np.tile(q, starts.size)
        stop = np.full(start.size, x.size)
        fitted = fit_family(name, x, z, noise, log_log, power, start, stop, grid)
        parts.append(_resolve_power(x, z, noise, log_log, fitted, grid, rounding) if name == CORRECTED else fitted)
    candidates = join(parts)
    keep = ~_not_leading(candidates, x, rounding, FLOOR in families)
    return take(candidates, keep) if np.any(keep) else candidates


def _not_leading(candidates, x, rounding, floor_is_tried):
    """Corrected laws whose leading term does not lead.

    Left out are those whose second term is still more than half of the leading one at the last record: their
    exponent is that of a term which the data have not reached. With ``p = 0`` the corrected law *is* the law
    with a floor, ``E (1 + (A / E) t^-q)``; where that is tried as well, those whose ``p`` is compatible with
    0 (within two standard errors, or within a fiftieth of ``q``) are left to it.
    """
    p, beta = candidates.theta[:, 1], candidates.theta[:, 2]
    q = np.where(np.isfinite(candidates.power), candidates.power, np.exp(candidates.theta[:, 3]))
    second = np.expm1(np.minimum(beta, 600.0)) * np.exp(-q * (x[-1] - x[candidates.start]))
    error = candidates.error
    if rounding is not None:
        error = error * np.sqrt(residual_variance(candidates, x.size, rounding))
    flat = np.abs(p) < np.maximum(2.0 * error, 0.02 * q)
    return (candidates.name == CORRECTED) & ((second > 0.5) | (floor_is_tried & flat))


def _resolve_power(x, z, noise, log_log, gridded, grid, rounding):
    """Replace the grid of ``q`` by a fitted ``q`` on windows whose data resolve it better than the grid."""
    powers = np.unique(gridded.power)
    best = np.argmin(gridded.chi2.reshape(-1, powers.size), axis=1) + powers.size * np.arange(
        gridded.start.size // powers.size
    )
    begin = gridded.theta[best]
    begin[:, 3] = np.log(gridded.power[best])
    none = np.full(best.size, np.nan)
    fitted = fit_family(CORRECTED, x, z, noise, log_log, none, gridded.start[best], gridded.stop[best], grid, begin)
    kappa = fitted.theta[:, 3]
    step = 0.5 * np.log(2.0)
    # one step beyond the ends of the grid is still a correction; further out the fit has run away
    inside = (kappa > np.log(powers[0]) - step) & (kappa < np.log(powers[-1]) + step)
    spread = fitted.spread
    if rounding is not None:
        spread = spread * np.sqrt(residual_variance(fitted, x.size, rounding))
    resolved = inside & (spread < step)
    return join([take(gridded, np.repeat(~resolved, powers.size)), take(fitted, resolved)])


def log_prior(candidates, price, cut_price, powers=CORRECTION_POWERS):
    """Minus half of everything in IC that is not chi2; the grid of ``q`` shares the weight of one law."""
    gridded = (candidates.name == CORRECTED) & np.isfinite(candidates.power)
    share = np.where(gridded, -np.log(len(powers)), 0.0)
    return share - 0.5 * (price * candidates.n_parameters + cut_price * candidates.start)


def weights(chi2, prior):
    """Normalised information weights along the last axis."""
    exponent = -0.5 * chi2 + prior
    weight = np.exp(exponent - exponent.max(axis=-1, keepdims=True))
    return weight / weight.sum(axis=-1, keepdims=True)


def resample(deviations, draws, rng):
    """Relative deviations of the mean over resampled replicas, shape ``(draws, records)``.

    The factor ``sqrt(R / (R - 1))`` undoes the bootstrap's own variance deficit.
    """
    r = deviations.shape[0]
    share = rng.multinomial(r, np.full(r, 1.0 / r), size=draws) / r
    return (share @ deviations) * np.sqrt(r / (r - 1.0))
