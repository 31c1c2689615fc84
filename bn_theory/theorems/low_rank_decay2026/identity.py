"""What weight decay and low-rank decay do to singular values, ranks and directions, on random matrices.

Everything is exact up to rounding, whose bounds are in ``.matrices``; errors are given in units of them. That a rank is
lowered is claimed by how much more than rounding it falls: rounding over the fall must be at most 1, so that equal
singular values, which keep their rank, contradict it, and so does weight decay. Low-rank decay is the soft threshold;
the bare step ``W - delta P`` is the same up to the smallest singular value, and beyond it outside of what is claimed.
"""

from __future__ import annotations

import math

import numpy as np

import bn_theory as bn
from bn_theory import low_rank_decay as lrd
from bn_theory.theorems import evidence as judge
from bn_theory.theorems import workbench
from bn_theory.theorems.evidence import Outside
from bn_theory.theorems.low_rank_decay2026 import derived, matrices
from bn_theory.theorems.low_rank_decay2026.matrices import kept, rho
from bn_theory.theorems.statement import Statement

RATE, DECAY = 0.3, 0.5
"""Of the radial step: ``1 - eta lambda = 0.85``."""
PARTS = (0.1, 0.5, 0.9)
"""What a low-rank step takes, in units of the smallest non-zero singular value."""
BEYOND = 0.5
"""What it takes beyond that one, in units of the largest."""
UNIT = "the bound of rounding"


def evidence(settings):
    """Radial decay, the polar direction, low-rank decay, the overshooting step, functions; controls."""
    cases = matrices.cases(settings)
    equal = matrices.orthogonal(settings)
    yield from _radial(cases)
    yield from _across(cases, equal)
    yield from _low_rank(cases, equal)
    yield from _overshooting(settings)
    yield from _functions(settings)


def in_units(name, errors) -> judge.Evidence:
    """The largest of errors that are in units of their rounding bounds."""
    return judge.identity(name, judge.largest(errors), 1.0, unit=UNIT, matrices=len(list(errors)))


def lowers(name, falls) -> judge.Evidence:
    """Rounding over the fall of a rank, the largest of all matrices: at most 1 where each fall is more than rounding.

    Args:
        falls: pairs ``(fall, rounding)``.
    """
    ratio = judge.largest(rounding / fall if fall > 0 else math.inf for fall, rounding in falls)
    return judge.bound(name, ratio, smallest_fall=min(fall for fall, _ in falls))


# --- one matrix ---


def radial(W, factor=1 - RATE * DECAY):
    """Errors of singular values, stable rank and effective rank after a radial step, each over its bound.

    Args:
        factor: what singular values are claimed to be multiplied by.
    """
    before, after = lrd.singular_values(W), lrd.singular_values(lrd.radial_step(W, RATE, DECAY))
    moved = 2 * rho(W) * np.linalg.norm(W)  # each decomposition its own; the product rounds by less
    return (
        float(np.max(np.abs(after - factor * before))) / moved,
        abs(fall(W, lrd.radial_step(W, RATE, DECAY))[0]) / rank_rounding(before, after, moved),
        abs(float(lrd.effective_rank_of(after) - lrd.effective_rank_of(before)))
        / sum(matrices.effective_rank_rounding(s, moved) for s in (before, after)),
    )


def rank_rounding(before, after, moved) -> float:
    """Of the difference of two stable ranks."""
    return sum(matrices.stable_rank_rounding(s, moved) for s in (before, after))


def fall(W, after, rank=lrd.stable_rank_of):
    """By how much a rank is lower after a step, and the rounding of that difference.

    Args:
        rank: ``lrd.stable_rank_of`` or ``lrd.effective_rank_of``.
    """
    rounding = {
        lrd.stable_rank_of: matrices.stable_rank_rounding,
        lrd.effective_rank_of: matrices.effective_rank_rounding,
    }[rank]
    s, t = lrd.singular_values(W), lrd.singular_values(after)
    moved = 2 * rho(W) * float(np.linalg.norm(W))
    return float(rank(s) - rank(t)), rounding(s, moved) + rounding(t, moved)


def along(W) -> float:
    """``<P, W> - sum s`` over its bound.

    With ``P = U V^T`` and W to rho, U and V orthonormal to rho: ``2 rho sum s + sqrt(r) rho |W|_F``, at most
    ``3 rho sqrt(r) |W|_F``; the sum of m n products adds less than one more.
    """
    s = kept(lrd.singular_values(W))
    error = abs(float(np.sum(lrd.polar_factor(W) * W) - np.sum(s)))
    return error / (4 * rho(W) * math.sqrt(len(s)) * float(np.linalg.norm(W)))


def orthogonal_part(W, squared=True) -> float:
    """``<T, W>`` over its bound, twice that of ``<P, W>``.

    Args:
        squared: whether ``T = P - (sum s/|W|_F^2) W``; not squared for a control.
    """
    s, norm = kept(lrd.singular_values(W)), float(np.linalg.norm(W))
    across = lrd.polar_factor(W) - np.sum(s) / norm ** (2 if squared else 1) * W
    return abs(float(np.sum(across * W))) / (8 * rho(W) * math.sqrt(len(s)) * norm)


def across_square(W, power=2.0, extra=0):
    """``|T|_F^2`` of the matrix T against ``r - (sum s)^2/sum s^2`` and the sum over pairs, each over its bound.

    ``|P|^2 = r`` errs by 2 rho r and its product with W/|W| as :func:`along`; what is left is a difference of numbers
    up to r: 16 rho r.

    Args:
        power: of ``sum s/sqrt(sum s^2)``. extra: added to r; both other than these for controls.
    """
    s = lrd.singular_values(W)
    found = float(np.sum(lrd.tangential_part(W) ** 2))
    rank = len(kept(s))
    allowed = 16 * rho(W) * rank
    by_ranks = rank + extra - float(np.sum(s) / np.sqrt(np.sum(s**2))) ** power
    return abs(found - by_ranks) / allowed, abs(found - float(lrd.tangential_square_of(s))) / allowed


def turns(W):
    """``(|T|_F^2, its rounding)``: whether low-rank decay turns W, as :func:`lowers` takes it."""
    return float(np.sum(lrd.tangential_part(W) ** 2)), 16 * rho(W) * len(kept(lrd.singular_values(W)))


def amount(W, part) -> float:
    """What a low-rank step takes: a part of the smallest non-zero singular value."""
    return part * float(kept(lrd.singular_values(W)).min())


def low_rank_spectrum(W, taken) -> float:
    """Singular values after a low-rank step against ``max(s - delta, 0)`` over their bound: two decompositions and the
    product of the first one's parts."""
    s = lrd.singular_values(W)
    after = lrd.singular_values(lrd.low_rank_step(W, taken, 1.0))
    expected = lrd.low_rank_values(s, taken, 1.0, 1)
    return float(np.max(np.abs(after - expected))) / (3 * rho(W) * float(np.linalg.norm(W)))


# --- over all matrices ---


def _radial(cases):
    errors = [radial(W) for W in cases.values()]
    names = ("singular values are (1 - eta lambda) s", "the stable rank stays", "the effective rank stays")
    for k, name in enumerate(names):
        yield in_units(f"radial decay: {name}", [one[k] for one in errors])
    falls = [fall(W, lrd.radial_step(W, RATE, DECAY)) for W in cases.values()]
    yield judge.control(lowers("weight decay lowers the stable rank", falls))
    wrong = [radial(W, 1 - RATE * DECAY**2)[0] for W in cases.values()]
    yield judge.control(in_units("radial decay: singular values are (1 - eta lambda^2) s", wrong))


def _across(cases, equal):
    yield in_units("<P, W> is the nuclear norm", [along(W) for W in cases.values()])
    yield in_units("<T, W> = 0", [orthogonal_part(W) for W in cases.values()])
    squares = [across_square(W) for W in cases.values()]
    yield in_units("|T|^2 = r - (sum s)^2/sum s^2", [one for one, _ in squares])
    yield in_units("|T|^2 = sum (s_i - s_j)^2/(2 sum s^2)", [two for _, two in squares])
    wrong = [across_square(W, power=1.0)[0] for W in cases.values()]
    yield judge.control(in_units("|T|^2 = r - sum s/sqrt(sum s^2), without the square", wrong))
    wrong = [across_square(W, extra=1)[0] for W in cases.values()]
    yield judge.control(in_units("|T|^2 = r + 1 - (sum s)^2/sum s^2", wrong))
    name = "the polar direction turns the matrix"
    yield lowers(name, [turns(W) for W in cases.values()])
    yield judge.control(lowers(f"{name}: all singular values equal", [turns(equal)]))
    wrong = [orthogonal_part(W, squared=False) for W in cases.values()]
    yield judge.control(in_units("<T, W> = 0 with sum s/|W|_F for sum s/|W|_F^2", wrong))


def _low_rank(cases, equal):
    steps = [(W, amount(W, part)) for W in cases.values() for part in PARTS]
    beyond = [(W, BEYOND * float(lrd.singular_values(W)[0])) for W in cases.values()]
    name = "low-rank decay: singular values are s - delta"
    yield in_units(name, [low_rank_spectrum(W, taken) for W, taken in steps])
    soft = "low-rank decay beyond the smallest singular value: they are max(s - delta, 0)"
    yield in_units(soft, [low_rank_spectrum(W, taken) for W, taken in beyond])
    for rank, what in ((lrd.stable_rank_of, "stable rank"), (lrd.effective_rank_of, "effective rank")):
        for name, several in (("", steps), (" beyond the smallest singular value", beyond)):
            falls = [fall(W, lrd.low_rank_step(W, taken, 1.0), rank) for W, taken in several]
            yield lowers(f"low-rank decay{name} lowers the {what}", falls)
        same = [fall(equal, lrd.low_rank_step(equal, amount(equal, part), 1.0), rank) for part in PARTS]
        yield judge.control(lowers(f"low-rank decay lowers the {what}: all singular values equal", same))


def _overshooting(settings):
    """Two singular values: the bare step raises the stable rank from their harmonic mean on."""
    rng = np.random.default_rng((settings.seed, 33))
    W = matrices.with_values(rng, (4, 3), np.array([3.0, 1.0]))
    limit = lrd.overshoots_above(3.0, 1.0)

    def bare(taken):
        return W - taken * lrd.polar_factor(W)

    yield lowers("bare step up to the harmonic mean lowers the stable rank", [fall(W, bare(0.95 * limit))])
    above = 1.05 * limit
    yield Outside(
        f"bare step W - delta P with delta = {above:g}",
        f"delta is above the smallest singular value 1, and above the harmonic mean {limit:g} of it and the largest: "
        "the step overshoots 0 and raises the stable rank; use the soft threshold",
    )
    yield judge.control(lowers("bare step beyond the harmonic mean lowers the stable rank", [fall(W, bare(above))]))
    yield lowers("soft threshold there lowers the stable rank", [fall(W, lrd.low_rank_step(W, above, 1.0))])


def _functions(settings):
    """A scale-invariant function of the entries: a Rayleigh quotient."""
    rng = np.random.default_rng((settings.seed, 34))
    W = rng.normal(size=(4, 5))
    loss = bn.rayleigh(np.linspace(0.0, 1.0, W.size))
    radial_change = change(loss, W, lrd.radial_step(W, RATE, DECAY))
    low_rank_change = change(loss, W, lrd.low_rank_step(W, amount(W, 0.5), 1.0))
    yield in_units("radial decay changes no scale-invariant function", [radial_change])
    yield judge.control(in_units("low-rank decay changes no scale-invariant function", [low_rank_change]))


def change(loss, W, after) -> float:
    """``|L(after) - L(W)|`` over the rounding of both values."""
    states = [{"w": M.reshape(1, 1, -1)} for M in (W, after)]
    one, two = (float(np.squeeze(loss.value(state))) for state in states)
    allowed = sum(float(np.max(workbench.value_rounding(loss, state))) for state in states)
    return abs(two - one) / allowed


STATEMENT = Statement(
    "low_rank_decay2026.identity",
    "Weight decay keeps the shape of the spectrum, low-rank decay lowers stable and effective rank",
    derived("radial and low-rank decay of scale-invariant matrices"),
    evidence,
)
