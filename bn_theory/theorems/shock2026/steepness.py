"""Steepness of the gradient against nu at the place of a law, and the claims on it.

A natural unit of nu is ``nu_0 = (A/kappa)^2``, where the first term of the law at the shock is as large as ``kappa``.
Every law comes with the term that it leaves out; what is left over may be that, one and a half times, and rounding.
Exponents are slopes between neighbouring nu. Nothing is random: their interval is their range, widened by rounding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bn_theory.local_entropy import Law, before_law, gibbs, jump_law, shock_law, shock_time
from bn_theory.theorems import evidence as judge

LOWEST, HIGHEST = 1e-8, 1e-4
"""``nu/nu_0``."""
NEXT = 1.5
"""How much of the next term may be left over. The one after it is smaller by ``sqrt(nu/nu_0)`` twice (at s*, where odd
orders vanish for an even f) or by ``nu/nu_0``, at most 1e-2 of it in any case, times a constant; 50 is allowed for."""
NARROW = 0.05
"""An interval of exponents that is wider on either side decides nothing: a tenth of the distance between regimes."""


def natural(shock) -> float:
    """``nu_0 = (A/kappa)^2``."""
    (_, amplitude), *_ = shock_law(shock).terms
    return (amplitude / shock.kappa) ** 2


def ladder(settings, shock) -> np.ndarray:
    """``nu`` over four decades."""
    return natural(shock) * np.geomspace(LOWEST, HIGHEST, 17 if settings.full else 9)


@dataclass(frozen=True)
class Regime:
    """What was measured at the place of a law; arrays have shape ``(nus,)``.

    Attributes:
        law: the law. nus: diffusivities, increasing.
        steepness: ``-u_xx``. error: bound on its relative error by rounding.
    """

    law: Law
    nus: np.ndarray
    steepness: np.ndarray
    error: np.ndarray

    @property
    def exponent(self) -> float:
        """Of the law's first term."""
        return self.law.terms[0][0]

    @property
    def allowed(self) -> np.ndarray:
        """What the law may leave over, relative to it, without rounding."""
        return NEXT * np.abs(self.law.next(self.nus) / self.law(self.nus))


def measured(potential, law, nus) -> Regime:
    """``-u_xx`` at the law's place for every nu."""
    found = [gibbs(potential, law.x, float(nu), law.s) for nu in nus]
    steep = -np.array([one.curvature[0] for one in found])
    return Regime(law, nus, steep, np.array([one.curvature_rounding[0] for one in found]) / np.abs(steep))


def exponent_claim(name, one: Regime, predicted=None):
    """The slopes of ``log(-u_xx)`` against ``log nu`` between neighbours.

    Allowed are the slopes of the law itself, of which the first term's exponent is the limit, and what it may leave
    over at two neighbours, with rounding.

    Args:
        predicted: another exponent than that of the law, for controls.
    """
    step = np.diff(np.log(one.nus))
    slopes, own = np.diff(np.log(one.steepness)) / step, np.diff(np.log(one.law(one.nus))) / step
    wide = float(np.max(2 * one.error)) / float(np.min(step))
    left = float(np.max(2 * one.allowed)) / float(np.min(step))
    tolerance = float(np.max(np.abs(own - one.exponent))) + left + 2 * wide
    return judge.exponent(
        name,
        (float(slopes.min()) - wide, float(slopes.max()) + wide),
        one.exponent if predicted is None else predicted,
        tolerance,
        NARROW,
        smallest_nu=float(one.nus[0]),
        largest_nu=float(one.nus[-1]),
    )


def law_claim(name, one: Regime, law=None):
    """What a law leaves over at every nu, over one and a half next terms and rounding.

    Args:
        law: values that are claimed instead, shape ``(nus,)``, for controls. Allowed is the same.
    """
    claimed = one.law(one.nus) if law is None else law
    allowed = one.allowed * np.abs(one.law(one.nus)) + one.error * np.abs(one.steepness)
    ratio = one.steepness / claimed
    return judge.bound(
        name,
        judge.largest(np.abs(one.steepness - claimed) / allowed),
        lowest_over_law=float(ratio.min()),
        highest_over_law=float(ratio.max()),
        largest_allowed=float(np.max(allowed / np.abs(claimed))),
        smallest_nu=float(one.nus[0]),
        largest_nu=float(one.nus[-1]),
    )


def without(one: Regime, exponent: float) -> np.ndarray:
    """Values of the law without its term of one exponent."""
    return one.law(one.nus) - dict(one.law.terms)[exponent] * one.nus**exponent


def regimes(settings, potential) -> dict[str, Regime]:
    """Before, at and after the first shock."""
    shock = shock_time(potential)
    nus = ladder(settings, shock)
    laws = {
        "before": before_law(shock, shock.time / 2),
        "at": shock_law(shock),
        "after": jump_law(potential, shock, 2 * shock.time),
    }
    return {name: measured(potential, law, nus) for name, law in laws.items()}
