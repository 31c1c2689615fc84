"""Singular values of a product of M independent Gaussian matrices ``X_M ... X_1``, each N x N with entries N(0, 1/N).

The squared singular values follow, as N grows, the Fuss-Catalan law of order M, whose moments are
``binom(Mk+k, k)/(Mk+1)``; M = 1 is the Marchenko-Pastur law. With an angle ``phi`` in (0, pi/(M+1)):

    lambda(phi) = sin((M+1) phi)^(M+1) / (sin(phi) sin(M phi)^M)             from the upper edge down to 0
    density     = sin(phi)^2 sin(M phi)^(M-1) / (pi sin((M+1) phi)^M)
    part above  = ((M+1) phi - M sin(phi) sin((M+1) phi)/sin(M phi)) / pi

Proved in ``proofs_check.bjorck2018.gaussian_products``. All quantities are dimensionless.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from bn_theory.errors import InvalidInputError

TRACY_WIDOM_MEAN = -1.2065335745820
"""Mean of the Tracy-Widom law of real symmetric matrices (Bornemann, arXiv:0904.1581)."""
HALVINGS = 50  # of the interval of the angle: to its last digits, short of its ends


def moment(matrices: int, k: int) -> int:
    """The Fuss-Catalan number ``binom(Mk+k, k)/(Mk+1)``, the k-th moment of the law.

    Args:
        matrices: ``M >= 1``.
        k: ``>= 0``.

    Raises:
        InvalidInputError: not whole numbers in these ranges.

    Source: moments of free products of Marchenko-Pastur laws; proved in this package.

    >>> [moment(1, k) for k in range(5)], [moment(2, k) for k in range(5)]
    ([1, 1, 2, 5, 14], [1, 1, 3, 12, 55])
    """
    _whole("matrices", matrices, 1)
    _whole("k", k, 0)
    return math.comb(matrices * k + k, k) // (matrices * k + 1)


def finite_moment(matrices: int, k: int, size: int) -> Fraction:
    """The exact ``E tr((W^T W)^k)/N`` of real N x N matrices, ``W = X_M ... X_1``, at finite N.

    ``N^(k-1) sum_kappa c_kappa prod_{(i,j) in kappa} (1 + (2(j-1) - (i-1))/N)^(M+1)`` over the partitions kappa of k:
    the trace of a power is a sum of zonal polynomials, and each matrix multiplies the mean of a zonal polynomial by a
    number. ``c_kappa = 2k prod_{(i,j) != (1,1)} (2(j-1) - (i-1)) / prod_boxes (2a + l + 1)(2a + l + 2)`` with arm a and
    leg l of the box.

    Args:
        matrices: ``M >= 1``.
        k: ``>= 1``.
        size: ``N >= 1``.

    Raises:
        InvalidInputError: not whole numbers in these ranges.

    Source: means of zonal polynomials, James (1964); norms of Jack polynomials, Stanley (1989).

    >>> finite_moment(1, 2, 1), finite_moment(3, 4, 1) == 105**3  # one number: E x^4 = 3, (E x^8)^3
    (Fraction(3, 1), True)
    >>> finite_moment(3, 1, 10)
    Fraction(1, 1)
    """
    _whole("matrices", matrices, 1)
    _whole("k", k, 1)
    _whole("size", size, 1)
    total = Fraction(0)
    for kappa in _partitions(k):
        factor = math.prod(1 + Fraction(content, size) for content in _contents(kappa))
        total += _coefficient(kappa) * factor ** (matrices + 1)
    return total * size ** (k - 1)


def edge(matrices: int) -> float:
    """The upper edge ``(M+1)^(M+1)/M^M``: the limit of the largest squared singular value.

    Raises:
        InvalidInputError: M is not a whole number >= 1.

    Source: branch point of the moments' generating function; proved in this package.

    >>> edge(1), edge(2), round(edge(4), 4)
    (4.0, 6.75, 12.207)
    """
    _whole("matrices", matrices, 1)
    return (matrices + 1) ** (matrices + 1) / matrices**matrices


def largest(matrices: int, size: int) -> float:
    """The mean of the largest squared singular value of real matrices, to order ``N^(-2/3)``.

    ``x + E[TW_1] (a N)^(-2/3)``, where the density falls to 0 at the edge x like ``(a/pi) sqrt(x - lambda)``,
    ``a = M^(M-1)/(M+1)^M sqrt(2/(M (M+1) x))``. The next term is of relative order M/N.

    Args:
        matrices: ``M >= 1``.
        size: ``N >= 1``.

    Raises:
        InvalidInputError: not whole numbers in these ranges.

    Source: Tracy-Widom fluctuations at a square-root edge; the constant ``a`` is derived in this package.

    >>> round((4 - largest(1, 1000)) / 1.2065335745820 * (1000 / 4) ** (2 / 3), 12)  # a = 1/4 for one matrix
    1.0
    """
    _whole("size", size, 1)
    x = edge(matrices)
    falls = matrices ** (matrices - 1) / (matrices + 1) ** matrices * math.sqrt(2 / (matrices * (matrices + 1) * x))
    return x + TRACY_WIDOM_MEAN * (falls * size) ** (-2 / 3)


def smallest_exponent(matrices: int) -> float:
    """The exponent of N of the smallest singular value, ``-(M+1)/2``.

    The density grows like ``lambda^(-M/(M+1))`` towards 0, so that the part below x is 1/N at ``x ~ N^-(M+1)``.

    Raises:
        InvalidInputError: M is not a whole number >= 1.

    Source: a heuristic of this package, known at M = 1 (Edelman, SIAM J. Matrix Anal. Appl. 1988): the limit's density
    is taken to count values down to a single one, which weak convergence does not say.

    >>> smallest_exponent(1), smallest_exponent(3)
    (-1.0, -2.0)
    """
    _whole("matrices", matrices, 1)
    return -(matrices + 1) / 2


def curve(matrices: int, phi):
    """``(lambda, density, part of the law above lambda)`` at angles ``phi``.

    Args:
        matrices: ``M >= 1``.
        phi: angles strictly between 0 (upper edge) and ``pi/(M+1)`` (0), any shape.

    Returns:
        three arrays of the shape of ``phi``.

    Raises:
        InvalidInputError: an angle outside.

    Source: the parametrised root of ``lambda (B - 1) = B^(M+1)``; derived in this package, the density also in
    Haagerup, Moller (2013) and Forrester, Liu (2015).

    >>> x, density, above = curve(1, np.pi / 4)  # Marchenko-Pastur at 2
    >>> bool(abs(x - 2) < 1e-15), bool(abs(density - 1 / (2 * np.pi)) < 1e-15), round(float(above), 4)
    (True, True, 0.1817)
    """
    _whole("matrices", matrices, 1)
    phi = np.asarray(phi, dtype=float)
    if not np.all((phi > 0) & (phi < np.pi / (matrices + 1))):
        raise InvalidInputError(f"angles must lie between 0 and pi/(M+1) = {np.pi / (matrices + 1):g}")
    m = matrices
    one, before, after = np.sin(phi), np.sin(m * phi), np.sin((m + 1) * phi)
    x = after / one * (after / before) ** m
    return x, one**2 * before ** (m - 1) / (np.pi * after**m), ((m + 1) * phi - m * one * after / before) / np.pi


def distribution(matrices: int, x) -> np.ndarray:
    """The part of the law at or below x, by halving the interval of the angle (``lambda`` falls in ``phi``).

    Args:
        matrices: ``M >= 1``.
        x: squared singular values, any shape.

    Returns:
        array of the shape of ``x``, in [0, 1].

    Raises:
        InvalidInputError: x is not finite, or M no whole number >= 1.

    >>> np.round(distribution(1, [-1.0, 2.0, 4.0, 5.0]), 4).tolist()
    [0.0, 0.8183, 1.0, 1.0]
    """
    _whole("matrices", matrices, 1)
    x = np.asarray(x, dtype=float)
    if not np.all(np.isfinite(x)):
        raise InvalidInputError(f"squared singular values must be finite, not {x[~np.isfinite(x)].ravel()[0]}")
    low, high = np.zeros(x.shape), np.full(x.shape, np.pi / (matrices + 1))
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        above = curve(matrices, middle)[0] > x
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    part = 1 - curve(matrices, (low + high) / 2)[2]
    return np.where(x <= 0, 0.0, np.where(x >= edge(matrices), 1.0, part))


def _partitions(k, largest_part=None):
    if k == 0:
        yield ()
        return
    for part in range(min(k, largest_part or k), 0, -1):
        for rest in _partitions(k - part, part):
            yield (part, *rest)


def _contents(kappa):
    return [2 * j - i for i, row in enumerate(kappa) for j in range(row)]


def _coefficient(kappa) -> Fraction:
    """Of the Jack polynomial (alpha = 2) of kappa in the power sum of degree k, both over the number of units."""
    columns = [sum(row > j for row in kappa) for j in range(kappa[0])]
    hooks = 1
    for i, row in enumerate(kappa):
        for j in range(row):
            arm, leg = row - j - 1, columns[j] - i - 1
            hooks *= (2 * arm + leg + 1) * (2 * arm + leg + 2)
    return Fraction(2 * sum(kappa) * math.prod(_contents(kappa)[1:]), hooks)


def _whole(name, value, least):
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise InvalidInputError(f"{name} must be a whole number >= {least}, not {value!r}")
