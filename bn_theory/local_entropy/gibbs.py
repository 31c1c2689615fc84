"""The local entropy and its derivatives as moments of a Gibbs density, by quadrature in logarithms."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bn_theory.errors import InvalidInputError
from bn_theory.local_entropy import checks
from bn_theory.local_entropy.potentials import Potential, checked

EPS = float(np.finfo(float).eps)
CUT = 40.0
"""Weights below ``exp(-40)``, about 4e-18 of the largest, are left out."""
PER_WIDTH = 2.0
"""Points a standard deviation of the narrowest Gaussian, at the start: the trapezoidal rule then errs by
``exp(-2 pi^2 4)``. Where nu is large the density is no Gaussian and needs more."""
MOST = 4_000_000
"""Points of one quadrature; more would be hundreds of megabytes."""


@dataclass(frozen=True)
class Gibbs:
    """The local entropy at points; all shape ``(points,)``, dimensionless.

    Attributes:
        u, v, curvature: ``u`` and its first two derivatives in ``x``.
        mean, variance: of ``Y`` under the Gibbs density.
        rounding: bound on the relative error of every weight by rounding.
        curvature_rounding: that on the error of ``curvature``, ``4 rounding variance/(2 nu s^2) + 8 eps/s``: a variance
            of weights that err by r relatively errs by 4 r, and is subtracted from ``1/s``.
    """

    u: np.ndarray
    v: np.ndarray
    curvature: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    rounding: np.ndarray
    curvature_rounding: np.ndarray


def gibbs(potential: Potential, x, nu: float, s: float) -> Gibbs:
    """Moments of ``Y`` with density proportional to ``exp(-(f(y) + (x - y)^2/(2 s))/(2 nu))``.

    ``u = -2 nu log(integral/sqrt(4 pi nu s))``, ``u_x = (x - E Y)/s`` and ``u_xx = 1/s - Var(Y)/(2 nu s^2)``. The
    trapezoidal rule converges faster than any power for smooth functions that vanish at the ends; points are doubled
    until nothing moves but by rounding. On the circle the integral over the line of the periodic ``f`` is meant.
    The first points are spaced by half the width of the sharpest Gaussian, of which 2001 points of ``f''`` are asked: a
    well that is narrower than their spacing may be missed, by all doublings alike.

    Args:
        potential: ``f``. x: a number or shape ``(points,)``. nu: diffusivity, > 0. s: scale, > 0.

    Returns:
        :class:`Gibbs`.

    Raises:
        InvalidInputError: no :class:`Potential`, nu <= 0, s <= 0, not finite, or a quadrature of too many points (the
            message says of which nu it has fewer).

    Source: derived in this package (``shock2026.shock_time``).

    >>> import sympy
    >>> from bn_theory.local_entropy import line
    >>> y = sympy.Symbol("y", real=True)
    >>> found = gibbs(line(y**2 / 2, lowest=0.0), 1.0, nu=0.3, s=1.0)
    >>> [round(float(z[0]), 12) for z in (found.v, found.curvature)]
    [0.5, 0.5]
    """
    nu, s, x = checks.positive("nu", nu), checks.positive("s", s), checks.points("x", x)
    found = np.array([_converged(checked(potential), float(one), nu, s) for one in x])
    u, mean, variance, rounding = found.T
    share = variance / (2 * nu * s**2)
    return Gibbs(u, (x - mean) / s, 1 / s - share, mean, variance, rounding, 4 * rounding * share + 8 * EPS / s)


def _converged(potential, x, nu, s):
    """Moments whose points were doubled until they stand."""
    reach, half = _first(potential, x, nu, s)
    before = None
    while 2 * half <= MOST:
        now = _moments(potential, x, nu, s, reach, half)
        if before is not None:
            u, mean, variance, rounding = now
            deviation = math.sqrt(variance)
            close = 4 * rounding + 64 * EPS
            moved = (abs(u - before[0]) / (2 * nu), abs(mean - before[1]) / deviation, abs(variance / before[2] - 1))
            if max(moved) <= close + 8 * EPS * (abs(u) / (2 * nu) + abs(mean) / deviation):
                return now
        before, half = now, 2 * half
    raise InvalidInputError(
        f"nu = {nu:g} at s = {s:g} needs {2 * half} points of quadrature, above {MOST}; take a "
        f"{_way_out(potential, x, nu, s)}"
    )


def _first(potential, x, nu, s):
    """How far the quadrature reaches, and half the points it begins with."""
    far = reach(potential, x, nu, s)
    grid = np.linspace(x - far, x + far, 2001)
    second = checks.values_of(lambda y: potential.derivative(y, 2), grid, "f''")
    sharpest = max(float(np.max(second)), 0.0) + 1 / s
    return far, math.ceil(PER_WIDTH * far / math.sqrt(2 * nu / sharpest))


def _way_out(potential, x, nu, s):
    """By which factor nu is to grow: three quadratures then fit, the first and two that are doubled.

    Points go as ``nu^(-1/2)``, but for how far they reach, which grows with nu: hence the loop.
    """
    factor = 2.0
    for _ in range(20):
        need = 8 * _first(potential, x, nu * factor, s)[1]
        if need <= MOST:
            return f"nu {factor:g} times as large"
        factor = checks.rounded_up(factor * max(1.1, (need / MOST) ** 2), 2)
    return "smaller s"


def _moments(potential, x, nu, s, reach, half):
    """``(u, mean, variance, rounding)`` by ``2 half + 1`` points within ``reach`` of ``x``."""
    z = reach * np.arange(-half, half + 1) / half  # y = x + z
    phi = checks.values_of(potential, x + z) + z**2 / (2 * s)
    low = float(phi.min())
    kept = phi <= low + 2 * nu * CUT
    z, weight = z[kept], np.exp(-(phi[kept] - low) / (2 * nu))
    total = float(weight.sum())
    mean = float((weight * z).sum()) / total
    variance = float((weight * (z - mean) ** 2).sum()) / total
    u = low - 2 * nu * math.log(total * reach / half / math.sqrt(4 * math.pi * nu * s))
    # f, the square, their sum, the difference to the lowest: some roundings of sizes in the whole window, since where
    # f is small it was computed from larger numbers
    size = float(np.max(np.abs(phi))) + abs(low)
    return u, x + mean, variance, 8 * EPS * size / (2 * nu)


def reach(potential, x, nu, s):
    """Beyond it a weight is below ``exp(-CUT)`` of the one at ``y = x``: by the lower bound of f, or that of its slope.

    ``f(y) - f(x) + R^2/(2 s) >= 2 nu CUT`` where ``f(y) - f(x)`` is at least ``lowest - f(x)``, or ``-slope R``.
    """
    far = [math.inf]
    if potential.lowest > -math.inf:
        drop = max(float(potential(x)) - potential.lowest, 0.0)
        far.append(math.sqrt(2 * s * (drop + 2 * nu * CUT)))
    if potential.slope < math.inf:
        a = s * potential.slope
        far.append(a + math.sqrt(a**2 + 4 * s * nu * CUT))
    return min(far)
