"""Functions of one variable with their derivatives: of an angle, or on the line."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from bn_theory.errors import InvalidInputError
from bn_theory.local_entropy import checks
from bn_theory.losses.loss import Loss

ROUNDING = 64 * np.finfo(float).eps
"""Relative to the largest value: up to here a jump or a coefficient counts as rounding (some tens of operations)."""


@dataclass(frozen=True)
class Potential:
    """A smooth function ``f`` with its derivatives.

    Attributes:
        name: for messages.
        derivative: ``derivative(x, k)`` is the k-th derivative at ``x`` (any shape), k = 0 for ``f`` itself.
        lowest: a lower bound of ``f``; minus infinity where there is none.
        slope: an upper bound of ``|f'|``; infinite where there is none.
        interval: where extremes of ``f''`` are looked for.
    """

    name: str
    derivative: Callable
    lowest: float
    slope: float
    interval: tuple[float, float]

    def __post_init__(self):
        ends = checks.reals("interval", self.interval)
        if ends.shape != (2,) or not (np.all(np.isfinite(ends)) and ends[0] < ends[1]):
            raise InvalidInputError(f"interval must be two finite numbers that increase, not {self.interval!r}")
        lowest, slope = (checks.reals(name, getattr(self, name)) for name in ("lowest", "slope"))
        if lowest.shape or slope.shape or not lowest < math.inf or not slope >= 0:
            raise InvalidInputError(
                f"{self.name}: lowest must be a number below infinity and slope one of at least 0, not {self.lowest!r} "
                f"and {self.slope!r}"
            )
        if lowest == -math.inf and slope == math.inf:
            raise InvalidInputError(
                f"{self.name}: give a lower bound of f (lowest=) or an upper bound of |f'| (slope=), so that the tails "
                f"of exp(-f/(2 nu)) can be left out; there are {self.lowest:g} and {self.slope:g}"
            )

    def __call__(self, x):
        """``f(x)``, of the shape of ``x``."""
        return self.derivative(np.asarray(x, dtype=float), 0)


def checked(potential) -> Potential:
    """``potential`` itself.

    Raises:
        InvalidInputError: it is none.
    """
    if not isinstance(potential, Potential):
        raise InvalidInputError(f"{potential!r} is no Potential: make one of a function by circle() or line()")
    return potential


def quotient(loss) -> Callable:
    """The function of the angle that a scale-invariant loss in the plane is: ``f(t) = L(cos t, sin t)``.

    ``L(c w) = L(w)`` for c > 0 makes L a function of the angle of w alone. Then ``|grad L|^2 = f'^2/r^2`` and
    ``Laplace L = f''/r^2`` with ``r = |w|``.

    Args:
        loss: a ``bn.Loss`` in one group of two weights, without further parameters or cases. Of a noisy one the full
            loss is taken.

    Returns:
        ``f``: angles (any shape) to values of the loss, period ``2 pi``, dimensionless.

    Raises:
        NotScaleInvariantError: scale invariance is not proved, so that the loss is no function of the angle.
        InvalidInputError: not one group of two weights, or further parameters or cases.

    Source: derived in this package.

    >>> import bn_theory as bn
    >>> f = quotient(bn.rayleigh([2.0, 1.0]))
    >>> f(np.array([0.0, np.pi / 2])).tolist()
    [1.0, 0.5]
    """
    if not isinstance(loss, Loss):
        raise InvalidInputError(f"{loss!r} is no bn.Loss")
    loss.prove()
    sizes = [loss.dimensions[g] for g in loss.groups]
    if sizes != [2] or loss.parameters or loss.cases is not None:
        raise InvalidInputError(
            f"{loss.name} has groups of {sizes} weights, parameters {list(loss.parameters)} and cases {loss.cases}; "
            "an angle needs one group of two weights and nothing else"
        )
    (group,) = loss.groups

    def f(angle):
        angle = np.asarray(angle, dtype=float)
        return np.asarray(loss.value({group: np.stack([np.cos(angle), np.sin(angle)], axis=-1)}))

    return f


def periodic_samples(f, points: int) -> np.ndarray:
    """Values of ``f`` at ``2 pi j/points``, j = 0 .. points - 1.

    Args:
        f: a function of angles, or its values at j = 0 .. points, both ends of the circle included.
        points: an even number, at least 8.

    Raises:
        InvalidInputError: the two ends differ (the message has the jump), other numbers of values, not finite.

    >>> float(periodic_samples(np.cos, 8)[0])
    1.0
    """
    n = checks.whole("points", points, 8)
    if n % 2:
        raise InvalidInputError(f"points must be even, not {n}")
    if callable(f):
        y = checks.values_of(f, 2 * np.pi * np.arange(n + 1) / n)
    else:
        y = checks.points("values", f)
        if len(y) != n + 1:
            raise InvalidInputError(f"{len(y)} values for {n} points: give {n + 1}, at both ends of [0, 2 pi]")
    jump, size = abs(y[-1] - y[0]), float(np.max(np.abs(y)))
    # Angles near 2 pi are rounded by 2 pi u: a function that changes quickly (by its slope) moves by as much.
    slope = float(np.max(np.abs(np.diff(y)))) * n / (2 * np.pi)
    if jump > ROUNDING * (size + slope):
        raise InvalidInputError(
            f"not periodic: the values at 0 and 2 pi differ by {jump:.3g}; a function on the circle must agree there"
        )
    return y[:-1]


def circle(f, points: int = 64, name: str = "f on the circle") -> Potential:
    """The trigonometric interpolant of a function of the angle, with exact derivatives.

    Args:
        f: a function of angles, or ``points + 1`` values at both ends and in between; period ``2 pi``.
        points: of the interpolation, even. name: for messages.

    Returns:
        :class:`Potential`; bounds of ``f`` and ``f'`` are those of sums of its Fourier coefficients.

    Raises:
        InvalidInputError: not periodic, or its Fourier coefficients have not decayed (the message has their size).

    >>> one = circle(np.cos)
    >>> np.round(one.derivative(np.array([0.0]), 2), 12).tolist()
    [-1.0]
    """
    y = periodic_samples(f, points)
    n = len(y)
    c = np.fft.rfft(y) / n
    # The end of the spectrum, and all that rounding makes of zeros, must be below rounding of the values.
    floor = ROUNDING * max(float(np.max(np.abs(y))), np.finfo(float).tiny)
    tail = float(np.max(np.abs(c[3 * n // 8 :])))
    if tail > floor:
        raise InvalidInputError(
            f"{name}: its Fourier coefficients end at {tail:.3g}, above rounding ({floor:.1g}): {n} points do not "
            "resolve it; take more, or a function without corners"
        )
    modes = np.flatnonzero(np.abs(c) > floor)
    modes = modes[modes > 0]
    c, mean = 2 * c[modes], float(np.mean(y))

    def derivative(x, k):
        x = np.asarray(x, dtype=float)
        total = np.full(x.shape, mean if k == 0 else 0.0)
        for m, one in zip(modes.tolist(), (c * (1j * modes) ** k).tolist(), strict=True):
            total += one.real * np.cos(m * x) - one.imag * np.sin(m * x)
        return total

    sizes = np.abs(c)
    return Potential(name, derivative, mean - float(np.sum(sizes)), float(np.sum(modes * sizes)), (0.0, 2 * np.pi))


def line(expression, *, lowest: float = -math.inf, slope: float = math.inf, interval=(-4.0, 4.0)) -> Potential:
    """A function on the line given as a sympy expression of one symbol, with derivatives by sympy.

    Args:
        expression: of one real symbol.
        lowest: a lower bound of it. slope: an upper bound of its derivative's size. One of the two is needed.
        interval: where extremes of the second derivative are looked for.

    Returns:
        :class:`Potential`, named by the expression.

    Raises:
        InvalidInputError: no expression of one symbol, or neither bound.

    >>> import sympy
    >>> y = sympy.Symbol("y", real=True)
    >>> line(y**2 / 2, lowest=0.0).derivative(np.array([3.0]), 1).tolist()
    [3.0]
    """
    import sympy

    if not isinstance(expression, sympy.Expr) or len(expression.free_symbols) != 1:
        raise InvalidInputError(f"a function on the line is a sympy expression of one symbol, not {expression!r}")
    (symbol,) = expression.free_symbols

    @lru_cache(maxsize=16)
    def compiled(k):
        return sympy.lambdify(symbol, sympy.diff(expression, symbol, k) if k else expression, "numpy", cse=True)

    def derivative(x, k):
        x = np.asarray(x, dtype=float)
        return np.broadcast_to(checks.reals(f"values of {expression}", compiled(k)(x)), x.shape)

    return Potential(str(expression), derivative, lowest, slope, interval)
