"""Runs at zero gradient: singular values over many steps, decay by Newton-Schulz iterations, decay under Adam.

Everything is exact up to rounding, whose bounds are derived where they are used (of iterations: in ``.iterations``, of
Adam: in ``.adam``) and are the unit of the errors. The soft threshold does not expand distances of matrices (it is the
proximal map of the nuclear norm), so that roundings of steps add up.
"""

from __future__ import annotations

import numpy as np

from bn_theory import low_rank_decay as lrd
from bn_theory.theorems import evidence as judge
from bn_theory.theorems import workbench
from bn_theory.theorems.evidence import Curves
from bn_theory.theorems.low_rank_decay2026 import adam, derived, identity, iterations, matrices
from bn_theory.theorems.low_rank_decay2026.identity import in_units, lowers
from bn_theory.theorems.low_rank_decay2026.matrices import kept, rho
from bn_theory.theorems.statement import Statement

STEPS = 20
LENGTHS = {"up to the smallest singular value": (0.8, -1), "beyond it": (0.5, 0)}
"""What all steps together take, in units of the smallest non-zero singular value, or of the largest."""
DRAWN = 12


def evidence(settings):
    """Closed forms, iterations, decay by iterations, Adam; controls."""
    cases = matrices.cases(settings)
    yield from _closed_forms(cases)
    yield _curves(settings)
    yield from iterations.evidence(cases)
    yield from adam.evidence(settings)
    yield from _zero_gradient(cases)


# --- many steps ---


def taken(W, part, which) -> float:
    """``eta lambda`` of a step, so that all of them together take that part of a singular value."""
    return part * float(kept(lrd.singular_values(W))[which]) / STEPS


def low_rank_error(W, amount, expected=lrd.low_rank_values) -> float:
    """Singular values after all steps against a closed form, over the bound: 2 rho |W|_F a step (a decomposition, and
    the product of its parts), and two more decompositions.

    Args:
        expected: ``lrd.low_rank_values``, or another form for a control.
    """
    after = lrd.singular_values(iterations.low_rank_run(W, amount, STEPS))
    form = expected(lrd.singular_values(W), amount, 1.0, STEPS)
    return float(np.max(np.abs(after - form))) / (2 * (STEPS + 1) * rho(W) * float(np.linalg.norm(W)))


def radial_run(W, amount):
    """The matrix after all steps of radial decay."""
    for _ in range(STEPS):
        W = lrd.radial_step(W, amount, 1.0)
    return W


def radial_error(W, amount, expected=lrd.radial_values) -> float:
    """The same for radial decay: a step rounds each entry once and its factor twice, a power as much a factor.

    Args:
        expected: ``lrd.radial_values``, or another form for a control.
    """
    after = lrd.singular_values(radial_run(W, amount))
    form = expected(lrd.singular_values(W), amount, 1.0, STEPS)
    allowed = (2 * rho(W) + 6 * STEPS * workbench.EPS / 2) * float(np.linalg.norm(W))
    return float(np.max(np.abs(after - form))) / allowed


def _closed_forms(cases):
    for name, (part, which) in LENGTHS.items():
        runs = [(W, taken(W, part, which)) for W in cases.values()]
        yield in_units(f"{STEPS} steps of low-rank decay, {name}", [low_rank_error(*one) for one in runs])
        falls = [identity.fall(W, iterations.low_rank_run(W, amount, STEPS)) for W, amount in runs]
        yield lowers(f"{STEPS} steps of low-rank decay, {name}, lower the stable rank", falls)
    # the runs of the last length, in which eta lambda is larger
    yield in_units(f"{STEPS} steps of weight decay", [radial_error(*one) for one in runs])
    falls = [identity.fall(W, radial_run(W, amount)) for W, amount in runs]
    yield judge.control(lowers(f"{STEPS} steps of weight decay lower the stable rank", falls))
    wrong = [radial_error(W, amount, lrd.low_rank_values) for W, amount in runs]
    yield judge.control(in_units("weight decay by the closed form of low-rank decay", wrong))
    wrong = [low_rank_error(W, amount, lrd.radial_values) for W, amount in runs]
    yield judge.control(in_units("low-rank decay by the closed form of weight decay", wrong))


def spectra(W, amount, steps):
    """Singular values at every step of both decays and their closed forms, each of shape ``(steps + 1, k)``."""
    s, t = lrd.singular_values(W), np.arange(steps + 1)
    runs = {"weight decay": [W], "low-rank decay": [W]}
    for _ in range(steps):
        runs["weight decay"].append(lrd.radial_step(runs["weight decay"][-1], amount, 1.0))
        runs["low-rank decay"].append(lrd.low_rank_step(runs["low-rank decay"][-1], amount, 1.0))
    forms = (lrd.radial_values(s, amount, 1.0, t), lrd.low_rank_values(s, amount, 1.0, t))
    return {
        name: {"found": lrd.singular_values(np.array(run)), "predicted": form}
        for (name, run), form in zip(runs.items(), forms, strict=True)
    }


def _curves(settings):
    """Of one graded spectrum."""
    rng = np.random.default_rng((settings.seed, 36))
    W = matrices.with_values(rng, (9, 6), np.array([1.0, 0.8, 0.6, 0.42, 0.26, 0.12]))
    return Curves(
        "decayed_spectra",
        "Singular values at zero gradient under weight decay and under low-rank decay, with their closed forms, and "
        "the stable rank.",
        {"step": np.arange(DRAWN + 1), "runs": spectra(W, 0.06, DRAWN)}
        | {"supports": [f"{STEPS} steps of low-rank decay, beyond it", f"{STEPS} steps of weight decay"]},
    )


# --- Adam where the task has no gradient ---


def kept_rank(W, coupled: bool) -> float:
    """The change of the stable rank over ``STEPS`` steps of Adam with decay at zero task gradient, over rounding."""
    after = adam.at_zero_gradient(W, STEPS, coupled)
    change, rounding = identity.fall(W, after)
    # a step rounds each entry up to 8 times, which moves a stable rank as much as its singular values
    moved = 8 * STEPS * workbench.EPS / 2 * float(np.linalg.norm(W))
    return abs(change) / (rounding + matrices.stable_rank_rounding(lrd.singular_values(W), moved))


def _zero_gradient(cases):
    yield in_units(
        "zero task gradient: AdamW keeps the stable rank", [kept_rank(W, coupled=False) for W in cases.values()]
    )
    coupled = [kept_rank(W, coupled=True) for W in cases.values()]
    yield judge.control(in_units("zero task gradient: Adam with decay in its gradient keeps the stable rank", coupled))


STATEMENT = Statement(
    "low_rank_decay2026.run",
    "Singular values under both decays, polar factors by Newton-Schulz iterations, and decay under AdamW",
    derived("decay over many steps, by iterations and under Adam"),
    evidence,
)
