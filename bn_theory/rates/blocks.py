"""From records to log-spaced blocks, and the noise of those blocks as the replicas show it.

Densely sampled records repeat one another; a fit that counts each of them believes it has far more data than
it has. Records are therefore averaged over cells of equal width in ``log t`` before anything is fitted, and
what correlation is left between neighbouring cells is measured over the replicas.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# A mean over a cell of width w = 0.23 is off its centre's value by (w p)^2 / 24 < 1 %, taken out.
BLOCKS_PER_DECADE = 10


@dataclass(frozen=True)
class Noise:
    """Relative standard error of each block's mean and the correlation with the block before it."""

    scale: np.ndarray  # (blocks,) standard error of log y; ones for a deterministic run
    rho: np.ndarray  # (blocks,) correlation with the previous block, rho[0] = 0


@dataclass(frozen=True)
class Blocks:
    """The data as fitted: ``z`` estimates ``log E[y]`` at ``t``; ``deviations`` are relative, by replica."""

    t: np.ndarray  # (blocks,)
    z: np.ndarray  # (blocks,)
    deviations: np.ndarray | None  # (replicas, blocks) y / mean - 1, None when deterministic
    noise: Noise
    n_records: int


def cells(t, per_decade=BLOCKS_PER_DECADE):
    """Return the cell index of each record: whole cells of equal width in ``log10 t``, empty ones left out.

    The width is rounded so that the last cell is as wide as the others: a remnant with one record in it would
    be far noisier than its neighbours, from which its weight is estimated.
    """
    x = np.log10(t)
    span = x[-1] - x[0]
    n = max(round(float(span) * per_decade), 1)
    position = np.minimum((x - x[0]) / max(span, 1e-300) * n + 1e-9, n - 0.5).astype(int)
    return np.unique(position, return_inverse=True)[1]


def is_dense(t, per_decade=BLOCKS_PER_DECADE):
    """Whether two neighbouring records ever come closer than half a cell."""
    # snapshots at up to 2 records a cell are left alone: blocking would gain nothing
    return bool(np.any(np.diff(np.log10(t)) < 0.5 / per_decade * (1 - 1e-9)))


def thin(t, y):
    """Keep, of a deterministic run, the last record of each cell and the first record of all."""
    if not is_dense(t):
        return t, y
    cell = cells(t)
    keep = np.r_[np.flatnonzero(np.diff(cell)), t.size - 1]
    return t[keep], y[keep]


def _pilot_slope(t, mean):
    """Local exponent of a curve at each record, from a least-squares line over a window of half a decade."""
    x, z = np.log(t), np.log(mean)
    half = 0.25 * np.log(10.0)
    lo = np.maximum(np.searchsorted(x, x - half), 0)
    hi = np.searchsorted(x, x + half, side="right")
    lo = np.maximum(np.minimum(lo, hi - 3), 0)
    hi = np.minimum(np.maximum(hi, lo + 3), x.size)

    def window_sum(values):
        c = np.r_[0.0, np.cumsum(values)]
        return c[hi] - c[lo]

    x0 = x - x.mean()
    n, sx, sz = hi - lo, window_sum(x0), window_sum(z)
    sxx, sxz = window_sum(x0 * x0), window_sum(x0 * z)
    return (n * sxz - sx * sz) / np.maximum(n * sxx - sx * sx, 1e-300)


def block_means(t, y):
    """Average the records of each cell for every replica, each carried to the cell's centre.

    ``Y_b = mean_k y_k (t_b / t_k)^s`` with the local slope ``s``: a plain mean of ``y`` would belong to no
    particular ``t``. An error ``d`` of the slope leaves ``d^2 w^2 / 24`` in ``log Y``, ``w = 0.23`` the width
    of a cell: 2e-5 for ``d = 0.1``.
    """
    if not is_dense(t):
        return t, y
    cell = cells(t)
    count = np.bincount(cell)
    x = np.log(t)
    centre = np.bincount(cell, weights=x) / count
    mean = y.mean(axis=0)
    edges = np.r_[0, np.flatnonzero(np.diff(cell)) + 1]
    rough = np.add.reduceat(mean, edges) / count
    slope = _pilot_slope(np.exp(centre), rough) if count.size >= 3 else np.zeros(count.size)
    lever = np.exp(slope[cell] * (centre[cell] - x))
    return np.exp(centre), np.add.reduceat(y * lever, edges, axis=1) / count


def _smooth(values, weight, half=3):
    """Weighted moving average over ``2 half + 1`` neighbours, shortened at the ends."""
    kernel = np.ones(2 * half + 1)
    return np.convolve(values * weight, kernel, "same") / np.convolve(weight, kernel, "same")


def measure_noise(deviations):
    """Return the `Noise` of the mean over replicas, smoothed over neighbouring blocks.

    The variance of 16 replicas is itself uncertain by 40 %, and for a positive ``y`` a low mean comes with a
    low variance: weights taken block by block would pull the fit down. Seven neighbours together are
    uncertain by 15 % and know nothing of a single block's mean.
    """
    r, k = deviations.shape
    variance = np.sum(deviations**2, axis=0) / (r - 1)
    log_level = np.log(np.maximum(variance, 1e-300))
    # geometric mean over neighbours: burn-in may change the variance by orders of magnitude within a decade
    smooth = np.exp(_smooth(log_level, np.ones(k)))
    scale = np.sqrt(smooth / r)
    unit = deviations / np.sqrt(np.maximum(variance, 1e-300))
    lag = np.sum(unit[:, 1:] * unit[:, :-1], axis=0) / (r - 1)
    rho = np.zeros(k)
    if k > 2:
        rho[1:] = np.clip(_smooth(lag, np.ones(k - 1), half=2), 0.0, 0.95)
    return Noise(scale=scale, rho=rho)
