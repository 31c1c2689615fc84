"""The local entropy by Monte Carlo: the mean of ``exp(-f/(2 nu))`` over Gaussian draws around a point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bn_theory.errors import InvalidInputError
from bn_theory.local_entropy import checks


@dataclass(frozen=True)
class Sampled:
    """Estimates at every point; shape ``(points,)``, dimensionless.

    Attributes:
        log_phi: logarithm of the mean of ``exp(-f/(2 nu))``.
        relative_error: standard error of that mean over it.
        u: ``-2 nu log_phi``. By Jensen it is high on average, by ``nu relative_error^2`` to second order.
        samples: how many at each point.
    """

    log_phi: np.ndarray
    relative_error: np.ndarray
    u: np.ndarray
    samples: int


def monte_carlo(f, x, nu: float, s: float, samples: int = 100_000, seed=0) -> Sampled:
    """The local entropy at points, ``phi = E exp(-f(x + sqrt(2 nu s) Z)/(2 nu))``, Z standard normal.

    ``x + sqrt(2 nu s) Z`` has the heat kernel as its density, so the mean of n draws is unbiased for ``phi`` with the
    variance of one draw over n. Every point has draws of its own. Weights are scaled by the largest, so none overflows.

    Args:
        f: function, array to array of the same shape. x: points, a number or shape ``(points,)``.
        nu: diffusivity, > 0. s: scale, >= 0. samples: n >= 2, at each point. seed: a whole number or a tuple of them.

    Returns:
        :class:`Sampled`.

    Raises:
        InvalidInputError: nu <= 0, s < 0, fewer than two samples, not finite, no seed.

    Source: Cole-Hopf; proved in this package (``shock2026.run``).

    >>> found = monte_carlo(lambda y: y**2 / 2, 0.0, nu=1.0, s=1.0, samples=1000, seed=1)
    >>> bool(abs(found.u[0] - np.log(2)) < 6 * 2 * found.relative_error[0])  # u(0, s) = nu log(1 + s)
    True
    """
    nu, s = checks.positive("nu", nu), checks.number("s", s, least=0.0)
    x, n = checks.points("x", x), checks.whole("samples", samples, 2)
    parts = seed if isinstance(seed, tuple) else (seed,)
    whole = (isinstance(k, (int, np.integer)) and not isinstance(k, bool) and k >= 0 for k in parts)
    if not parts or not all(whole):  # None would draw others every time
        raise InvalidInputError(f"seed must be a whole number >= 0 or a tuple of them, not {seed!r}")
    rng = np.random.default_rng(seed)
    log_phi, relative = np.empty(len(x)), np.empty(len(x))
    for i, one in enumerate(x):
        exponent = -checks.values_of(f, one + np.sqrt(2 * nu * s) * rng.standard_normal(n)) / (2 * nu)
        top = exponent.max()
        weight = np.exp(exponent - top)
        mean = weight.mean()
        log_phi[i] = top + np.log(mean)
        relative[i] = weight.std(ddof=1) / (mean * np.sqrt(n))
    return Sampled(log_phi, relative, -2 * nu * log_phi, n)
