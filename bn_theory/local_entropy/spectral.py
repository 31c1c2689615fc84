"""The local entropy of a function of the angle by the heat semigroup in Fourier space."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bn_theory.errors import InvalidInputError
from bn_theory.local_entropy import checks
from bn_theory.local_entropy.potentials import periodic_samples

UNIT = float(np.finfo(float).eps) / 2
RESOLVED = math.log(1e8)
"""Largest ``osc(f)/(2 nu)``: ``exp(-f/(2 nu))`` then spans eight decades, half of what double precision has."""


@dataclass(frozen=True)
class Field:
    """The local entropy on a grid of angles at one ``s``; all shape ``(points,)``, dimensionless.

    Attributes:
        theta: ``2 pi j/points``.
        u, v, curvature: ``u`` and its first two derivatives in the angle.
        u_s: its derivative in ``s``, from that of the heat semigroup.
        phi: ``K_s * exp(-(f - min f)/(2 nu))``.
        rounding: bound on the error of each value of ``u`` by rounding.
    """

    theta: np.ndarray
    u: np.ndarray
    v: np.ndarray
    curvature: np.ndarray
    u_s: np.ndarray
    phi: np.ndarray
    rounding: np.ndarray


def spectral_rounding(points: int) -> float:
    """Error of a multiplier applied by two FFTs, relative in the 2-norm: ``(14 log2(n) + 8) u``.

    Each FFT of n points errs by at most ``7 u log2(n)``, multipliers of at most 1 and their product by some u more.

    Source: Higham, Accuracy and Stability of Numerical Algorithms, Theorem 24.2.

    >>> bool(spectral_rounding(256) < 1.4e-14)
    True
    """
    return (14 * math.log2(points) + 8) * UNIT


def derivative(values, order: int = 1) -> np.ndarray:
    """The spectral derivative of samples of a periodic function at ``2 pi j/n``, shape ``(n,)`` to ``(n,)``.

    >>> t = 2 * np.pi * np.arange(8) / 8
    >>> bool(np.max(np.abs(derivative(np.sin(t)) - np.cos(t))) < 1e-15)
    True
    """
    n = len(values)
    factor = (1j * np.arange(n // 2 + 1)) ** order
    if order % 2:
        factor[-1] = 0.0  # the highest mode is a cosine on the grid: its odd derivatives vanish there
    return np.fft.irfft(factor * np.fft.rfft(values), n)


def on_circle(f, nu: float, s: float, points: int = 256) -> Field:
    """The local entropy of ``f`` on the circle, ``u = -2 nu log(K_s * exp(-f/(2 nu)))``.

    The k-th Fourier coefficient of ``exp(-f/(2 nu))`` is multiplied by ``exp(-nu k^2 s)``.

    Args:
        f: function of angles, or ``points + 1`` values at ``2 pi j/points`` with both ends.
        nu: diffusivity, > 0. s: scale ("time"), >= 0. points: of the grid, even.

    Returns:
        :class:`Field`.

    Raises:
        InvalidInputError: nu <= 0, s < 0, not finite, not periodic, coefficients that have not decayed, or a nu so
            small that ``exp(-f/(2 nu))`` leaves what an FFT resolves (the message has one that works).

    Source: Cole-Hopf; proved in this package (``shock2026.identity``).

    >>> field = on_circle(lambda t: np.cos(2 * t) / 4, nu=0.1, s=0.5)
    >>> bool(field.u.min() > -0.25)  # coarse-graining never goes below the minimum
    True
    """
    nu, s = checks.positive("nu", nu), checks.number("s", s, least=0.0)
    y = periodic_samples(f, points)
    n, low, swing = len(y), float(y.min()), float(y.max() - y.min())
    if swing > 2 * nu * RESOLVED:
        enough = checks.rounded_up(swing / (2 * RESOLVED))
        raise InvalidInputError(
            f"nu = {nu:g} is too small for this solver: exp(-f/(2 nu)) spans exp({swing / (2 * nu):.0f}), of which an "
            f"FFT keeps {UNIT:.0e}; take nu >= {enough:g}, or gibbs(), which works in logarithms"
        )
    start = np.exp(-(y - low) / (2 * nu))
    k = np.arange(n // 2 + 1)
    c = np.exp(-nu * k**2 * s) * np.fft.rfft(start)
    error = spectral_rounding(n) * float(np.linalg.norm(start))  # largest error <= its 2-norm
    tail = 2 * float(np.sum(np.abs(c[3 * n // 8 :]))) / n
    if tail > error:
        raise InvalidInputError(
            f"the Fourier coefficients of exp(-f/(2 nu)) at s = {s:g} end at {tail:.3g}, above rounding "
            f"({error:.1g}): {n} points do not resolve it; take more points, a larger nu, or a function without corners"
        )
    phi, first, second = (np.fft.irfft((1j * k) ** order * c, n) for order in (0, 1, 2))
    ratio = first / phi
    return Field(
        theta=2 * np.pi * np.arange(n) / n,
        u=low - 2 * nu * np.log(phi),
        v=-2 * nu * ratio,
        curvature=-2 * nu * (second / phi - ratio**2),
        u_s=-2 * nu * nu * second / phi,
        phi=phi,
        # the logarithm turns a relative error into an absolute one; f itself and its difference to low are rounded too
        rounding=2 * nu * error / phi + 4 * UNIT * (abs(low) + swing),
    )
