"""The losses and functions that the statements share."""

from __future__ import annotations

import numpy as np
import sympy

import bn_theory as bn
from bn_theory.local_entropy import Potential, circle, line, quotient

COEFFICIENTS = (2.0, 1.0)
Y = sympy.Symbol("y", real=True)


def losses() -> dict[str, bn.Loss]:
    """Scale-invariant losses of two weights: a Rayleigh quotient and a ratio of fourth powers."""
    w, a = bn.weights("w"), bn.data("a")
    quartic = bn.Loss(bn.total(a * w**4) / bn.total(w**2) ** 2, a=COEFFICIENTS)
    return {"rayleigh": bn.rayleigh(COEFFICIENTS), "quartic": quartic.replace(name="sum a w^4/|w|^4")}


def twins() -> dict[str, bn.Loss]:
    """The same without their denominators: not scale-invariant."""
    w, a = bn.weights("w"), bn.data("a")
    quartic = bn.Loss(bn.total(a * w**4), a=COEFFICIENTS)
    return {"rayleigh": bn.rayleigh(COEFFICIENTS).unnormalised, "quartic": quartic.replace(name="sum a w^4")}


def circles() -> dict[str, Potential]:
    """Both losses as functions of the angle."""
    return {name: circle(quotient(loss), name=name) for name, loss in losses().items()}


def lines() -> dict[str, Potential]:
    """Functions on the line with a shock: concave with bounded slope, and a double well that is tilted."""
    return {
        "-log cosh": line(-sympy.log(sympy.cosh(Y)), slope=1.0),
        # (y^2 - 1)^2/4 + 3 y/10 has its minimum, about -0.32, near y = -1.13
        "tilted double well": line((Y**2 - 1) ** 2 / 4 + sympy.Rational(3, 10) * Y, lowest=-0.33, interval=(-2.0, 2.0)),
    }


def convex() -> dict[str, Potential]:
    """Convex functions on the line."""
    return {
        "parabola": line(Y**2 / 2, lowest=0.0),
        "log cosh": line(sympy.log(sympy.cosh(Y)), lowest=0.0, slope=1.0),
    }


def flat() -> Potential:
    """Its second derivative is lowest at 0, and the fourth vanishes there."""
    return line(Y**6 / 30 - Y**2 / 2, lowest=-1.0, interval=(-2.0, 2.0))


def uneven() -> Potential:
    """A well with odd derivatives where f'' is lowest, at 0: the fifth is 12/5, and the sixth and seventh are not 0."""
    odd = Y**5 / 50 * sympy.exp(-(Y**2))
    return line((Y**2 - 1) ** 2 / 4 + odd + Y**6 / 90, lowest=-1.0, interval=(-2.0, 2.0))


def highest(potential: Potential, order: int = 2) -> float:
    """The largest derivative of an order on a grid over the potential's interval."""
    return float(np.max(potential.derivative(np.linspace(*potential.interval, 20_001), order)))


def swing(potential: Potential) -> float:
    """``max f - min f`` on a grid over the potential's interval."""
    return float(np.ptp(potential(np.linspace(*potential.interval, 20_001))))
