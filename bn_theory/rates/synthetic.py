"""Replicated traces with a known mean law and the fluctuations of stochastic gradient descent."""

from __future__ import annotations

import numpy as np


def ou_traces(law, t, replicas, rng, *, coordinates=15, memory=5.0, dtype=np.float64):
    r"""Traces whose mean is exactly ``law`` and whose fluctuation is that of a squared gradient norm.

    Each replica is ``y_k = law_k (1/d) sum_i x_i(t_k)^2`` where the ``x_i`` are ``d`` independent stationary
    Gaussian processes of unit variance and correlation time ``tau(t) = memory sqrt(t)``,

    .. math:: \mathrm{corr}(x(s), x(t)) = \exp\bigl(-2 (\sqrt t - \sqrt s) / \mathrm{memory}\bigr),

    an Ornstein-Uhlenbeck process run in the clock of a learning rate that decays as ``t^-1/2``. The relative
    variance of a single ``y_k`` is ``2 / d``.

    Args:
        law: mean of each record, shape ``(records,)``, dimensionless and positive.
        t: record steps, shape ``(records,)``, increasing and positive, dimensionless.
        replicas: number of independent traces.
        rng: a ``numpy.random.Generator``.
        coordinates: ``d``, the number of squared coordinates.
        memory: correlation time at ``t = 1``, dimensionless.

    Returns:
        Array ``(replicas, records)``.

    Raises:
        Nothing of its own.

    Source: derived in this package; the clock is that of the amplitude law for SGD on scale-invariant losses.

    Example:
        >>> import numpy as np
        >>> y = ou_traces(np.ones(3), np.array([1.0, 10.0, 100.0]), 4, np.random.default_rng(0))
        >>> y.shape
        (4, 3)
    """
    t = np.asarray(t, dtype=float)
    rho = correlation_to_previous(t, memory)
    noise = rng.standard_normal((t.size, replicas * coordinates), dtype=np.float32 if t.size > 200 else np.float64)
    keep = np.sqrt(1.0 - rho**2).astype(noise.dtype)
    rho = rho.astype(noise.dtype)
    noise *= keep[:, None]
    for k in range(1, t.size):
        noise[k] += rho[k] * noise[k - 1]
    noise *= noise
    power = noise.reshape(t.size, replicas, coordinates).mean(axis=2, dtype=np.float64)
    return (np.asarray(law, dtype=float)[:, None] * power).T


def correlation_to_previous(t, memory):
    """Correlation of the underlying Gaussian process between each record and the one before it."""
    root = np.sqrt(np.asarray(t, dtype=float))
    return np.r_[0.0, np.exp(-2.0 * np.diff(root) / memory)]


def relative_covariance(t, replicas, *, coordinates=15, memory=5.0):
    """Covariance of ``mean_r y / law``: ``(2 / (d R)) corr(s, t)^2``, shape ``(records, records)``."""
    root = np.sqrt(np.asarray(t, dtype=float))
    gap = np.abs(root[:, None] - root[None, :])
    return 2.0 / (coordinates * replicas) * np.exp(-4.0 * gap / memory)
