"""The first shock: when characteristics cross, and the gradient's blow-up there as nu tends to 0.

All by quadrature in logarithms over four decades of nu; laws with what they may leave over are judged in ``steepness``.
``-u_xx`` is the steepness of ``v = u_x``, taken at the place that the law is about.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from bn_theory.errors import OutsideAssumptionsError
from bn_theory.local_entropy import crossing_time, gibbs, jump_law, limit_before, shock_law, shock_time
from bn_theory.theorems import evidence as judge
from bn_theory.theorems import workbench
from bn_theory.theorems.evidence import Curves, Outside
from bn_theory.theorems.shock2026 import cases, derived
from bn_theory.theorems.shock2026.steepness import (
    exponent_claim,
    ladder,
    law_claim,
    measured,
    natural,
    regimes,
    without,
)
from bn_theory.theorems.statement import Statement

CELLS, LATE = 4096, 10.0


def cells_claim(name, potential, cells=CELLS, *, time=None):
    """The largest s with increasing characteristics on a grid against ``-1/inf f''``.

    Args:
        time: claimed instead, for controls.
    """
    shock = shock_time(potential)
    found, claimed = crossing_time(potential, cells), shock.time if time is None else time
    low, high = potential.interval
    h = (high - low) / cells
    grid = np.linspace(low, high, 4 * cells + 1)
    curved = float(np.max(np.abs(potential.derivative(grid, 4)))) * h**2
    # some cell begins within h of y_0; differences of f' round by a few u of its size, and are divided by h kappa
    size = float(np.max(np.abs(potential.derivative(grid, 1)))) + float(np.max(np.abs(grid)))
    allowed = curved / (2 * shock.kappa - curved) + 8 * workbench.EPS * size / (h * shock.kappa)
    return judge.identity(
        name, abs(found / claimed - 1), allowed, unit="relative", first_crossing=found, predicted_crossing=claimed
    )


def crossed_claim(name, potential, s=LATE, cells=CELLS):
    """Characteristics have crossed by ``s``: the smallest slope of ``y + s f'(y)`` along a grid is negative."""
    grid = np.linspace(*potential.interval, cells + 1)
    least = float(np.min(1 + s * np.diff(potential.derivative(grid, 1)) / np.diff(grid)))
    return judge.comparison(name, (-least, -least), 0.0, smallest_slope=least, s=s)


WORDS = {"before": "at s*/2", "at": "at s*", "after": "at 2 s*"}
SHOWN = ("rayleigh", "tilted double well")
"""Of which a figure is drawn."""


def bound_claim(name, potential, share, nus, *, scale=None, cells=48):
    """``-u_xx <= m/(1 - s m)`` at ``s = share s*``, for every x of a grid (``x_c``'s characteristic among them).

    Args:
        scale: ``s`` over ``s*`` of the quadrature, if not ``share``; for a control.
    """
    shock = shock_time(potential)
    s = shock.time * (share if scale is None else scale)
    x = np.r_[np.linspace(*potential.interval, cells + 1), shock.start + s * shock.jets[1]]
    limit, ratios, slack = limit_before(shock, share * shock.time), [], 0.0
    for nu in nus:
        found = gibbs(potential, x, float(nu), s)
        ratios.append(float(np.max(-found.curvature)) / limit)
        slack = max(slack, float(np.max(found.curvature_rounding)) / limit)
    return judge.bound(name, judge.largest(ratios), slack, nus=list(map(float, nus)), s=s)


def above_claim(name, potential, nus, scales, *, both=False, cells=48):
    """``u_xx <= sup f''`` on a grid of x, for every nu and s; with ``both`` also ``0 <= u_xx``, that is ``|u_xx|``."""
    x, top = np.linspace(*potential.interval, cells + 1), cases.highest(potential)
    ratios, slack = [], 0.0
    for nu in nus:
        for s in scales:
            found = gibbs(potential, x, float(nu), float(s))
            size = np.abs(found.curvature) if both else found.curvature
            ratios.append(float(np.max(size)) / top)
            slack = max(slack, float(np.max(found.curvature_rounding)) / top)
            if both:  # a negative one would be no larger in size: it is asked for by itself
                ratios.append(1 + float(np.max(-found.curvature)) / top)
    return judge.bound(name, judge.largest(ratios), slack, nus=list(map(float, nus)), scales=list(map(float, scales)))


def evidence(settings):
    """Crossing, three regimes and bounds for both losses and two functions on the line; convex ones; controls."""
    shapes = cases.circles() | cases.lines()
    found = {}
    for name, f in shapes.items():
        yield cells_claim(f"{name}: first crossing on a grid", f)
        yield crossed_claim(f"{name}: characteristics have crossed by s = {LATE:g}", f)
        found[name] = regimes(settings, f)
        for regime, one in found[name].items():
            yield exponent_claim(_exponent(name, regime), one)
            yield law_claim(_law(name, regime), one)
        nu_0 = natural(shock_time(f))
        for share in (0.5, 0.9):
            yield bound_claim(f"{name}: bounded by m/(1 - s m) at {share:g} s*", f, share, nu_0 * np.array([1e-3, 0.1]))
    for name, f in cases.circles().items():
        shock = shock_time(f)
        scales = shock.time * np.array([0.5, 1.0, 3.0])
        yield above_claim(f"{name}: u_xx is at most sup f''", f, natural(shock) * np.array([1e-2, 0.1]), scales)
    for name, f in cases.convex().items():
        yield above_claim(f"{name}: 0 <= u_xx <= sup f''", f, (1e-3, 0.1), (0.1, 1.0, LATE), both=True)
    yield from _uneven(settings)
    yield _flat()
    yield _curves(found)
    yield from _controls(shapes, found)


def _exponent(name, regime):
    return f"{name}: exponent of nu {WORDS[regime]}"


def _law(name, regime):
    return f"{name}: what the law {WORDS[regime]} leaves over"


def _uneven(settings):
    """The law at the shock with odd derivatives; after it that function has no symmetry."""
    name, f = "uneven well", cases.uneven()
    shock = shock_time(f)
    one = measured(f, shock_law(shock), ladder(settings, shock))
    yield exponent_claim(_exponent(name, "at"), one)
    yield law_claim(_law(name, "at"), one)
    even = shock_law(replace(shock, jets=(*shock.jets[:5], 0.0, *shock.jets[6:])))
    yield judge.control(law_claim(f"{name}: the law at s* without the fifth derivative", one, even(one.nus)))
    try:
        jump_law(f, shock, 2 * shock.time)
    except OutsideAssumptionsError as error:
        yield Outside(f"{name}: law at 2 s*", str(error))
    else:
        yield judge.identity("a function that is not symmetric is refused", math.inf, 0.0)


def _flat():
    """Where f'' is lowest with a vanishing fourth derivative the law is another one."""
    f = cases.flat()
    try:
        shock_law(shock_time(f))
    except OutsideAssumptionsError as error:
        return Outside(f"{f.name}: law at s*", str(error))
    return judge.identity("a vanishing fourth derivative is refused", math.inf, 0.0)


def panels(found, shown=SHOWN):
    """What the figure draws: steepness against nu in three regimes, and the laws, a panel a function."""
    return {
        name: {
            WORDS[regime]: {
                "nu": one.nus,
                "steepness": one.steepness,
                "law": one.law(one.nus),
                "exponent": one.exponent,
            }
            for regime, one in found[name].items()
        }
        for name in shown
    }


def _curves(found):
    return Curves(
        "blow_up",
        "Steepness of the gradient of the local entropy against nu: bounded before the first shock, nu^(-1/2) at it, "
        "1/nu after it. Lines are the laws with their constants; nothing is fitted.",
        {"panels": panels(found), "supports": [c(name, r) for name in SHOWN for r in WORDS for c in (_exponent, _law)]},
    )


def _controls(shapes, found):
    f, three = shapes["rayleigh"], found["rayleigh"]
    for regime, exponent in (("before", -0.5), ("after", -0.5), ("at", -1.0), ("at", 0.0)):
        yield judge.control(exponent_claim(f"exponent {exponent:g} {WORDS[regime]}", three[regime], exponent))
    for name, own in found.items():
        for regime, exponent, what in (
            ("before", 1.0, "its correction"),
            ("at", 0.0, "its constant"),
            ("after", 0.0, "its constant"),
        ):
            one = own[regime]
            yield judge.control(
                law_claim(f"{name}: the law {WORDS[regime]} without {what}", one, without(one, exponent))
            )
    one, kappa = three["at"], shock_time(f).kappa
    yield judge.control(law_claim("the law at s* with -kappa for its constant", one, without(one, 0.0) - kappa))
    one = three["after"]
    yield judge.control(law_claim("the law at 2 s* with J^2/(4 nu)", one, 2 * one.law(one.nus)))
    quartic = shapes["quartic"]
    wrong = cells_claim("first crossing at 1/sup f''", quartic, time=1 / cases.highest(quartic))
    yield judge.control(wrong)
    for name, convex in cases.convex().items():
        yield judge.control(crossed_claim(f"{name}: characteristics have crossed by s = {LATE:g}", convex))
    nu = natural(shock_time(f)) * np.array([1e-3])
    yield judge.control(bound_claim("at s* bounded as at s*/2", f, 0.5, nu, scale=1.0))
    yield judge.control(above_claim("rayleigh, not convex: 0 <= u_xx <= sup f''", f, nu, (0.5,), both=True))


STATEMENT = Statement(
    "shock2026.shock_time",
    "The first shock at -1/inf f'', and how the gradient blows up there as nu tends to 0",
    derived("shocks of the gradient in the inviscid limit"),
    evidence,
)
