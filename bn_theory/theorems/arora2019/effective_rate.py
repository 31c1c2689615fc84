"""Only ``eta/|w|^2`` matters: ``(w, eta) -> (c w, c^2 eta)`` leaves every direction of the trajectory unchanged."""

from __future__ import annotations

import numpy as np

import bn_theory as bn
from bn_theory.theorems import evidence as judge
from bn_theory.theorems import workbench
from bn_theory.theorems.arora2019 import paper
from bn_theory.theorems.statement import Statement

STEPS = 500
REPLICAS = 4
NUDGE = 1e-9


def _directions(loss, method, start, settings):
    run = workbench.run(settings, loss, method, start, steps=STEPS, replicas=REPLICAS, record=[0])
    w = {g: run[f"final_{g}"].values for g in loss.groups}
    return np.concatenate([v / np.linalg.norm(v, axis=-1, keepdims=True) for v in w.values()], axis=-1)


def _method(loss, rates, factor):
    lr = workbench.rates_of(loss, factor * rates)
    return bn.SGD(lr, decay=0.25) if loss.noises else bn.GD(lr)


def _start(loss, settings):
    state = workbench.random_state(loss, settings.seed, REPLICAS)
    return {n: v[0] for n, v in state.items()}


def _scaled(loss, start, c):
    return start | {g: c * start[g] for g in loss.groups}


def exactly(name, loss, rates, c, settings, power=2):
    """c a power of two: every operation of both runs differs by an exact scaling only, so the directions are equal."""
    start = _start(loss, settings)
    base = _directions(loss, _method(loss, rates, 1.0), start, settings)
    other = _directions(loss, _method(loss, rates, c**power), _scaled(loss, start, c), settings)
    # Scaling is not exact below the smallest normal number, which one run may flush and the other keep; a lost term
    # that small is below the rounding of every weight above tiny/EPS.
    smallest = float(np.finfo(float).tiny) / workbench.EPS / min(1.0, c)
    return judge.identity(name, float(np.max(np.abs(base - other))), smallest, c=c, why="scaling by 2^k does not round")


def to_rounding(name, loss, rates, c, settings, power=2):
    """Any c: rounding of every step, amplified at most as a nudge of the start is.

    The start is moved by ``NUDGE`` in a random direction and the end's displacement gives the amplification, at
    least 1 (for later steps); the worst direction may be amplified ``sqrt(d)`` times as much as a random one. Each of T
    steps rounds the weights by ``u`` and their gradient by ``k u``, so the direction by ``(1 + k eta/|w|^2) u``; two
    runs. An estimate of the largest error rather than a bound, since k and the amplification are sampled.
    """
    start = _start(loss, settings)
    base = _directions(loss, _method(loss, rates, 1.0), start, settings)
    other = _directions(loss, _method(loss, rates, c**power), _scaled(loss, start, c), settings)
    nudge = workbench.random_state(loss, settings.seed + 7, REPLICAS)
    moved = start | {g: start[g] + NUDGE * nudge[g][0] for g in loss.groups}
    amplified = np.linalg.norm(_directions(loss, _method(loss, rates, 1.0), moved, settings) - base, axis=-1) / NUDGE
    largest = max(float(np.max(rates)), 0.5 if loss.parameters else 0.0)  # at the start the norm is 1 and only grows
    per_step = (1 + workbench.condition(loss, settings.seed) * largest) * workbench.EPS / 2
    worst = np.sqrt(sum(loss.dimensions[g] for g in loss.groups)) * amplified
    limit = 2 * STEPS * per_step * np.maximum(worst, 1.0)
    error = np.linalg.norm(base - other, axis=-1)
    return judge.identity(
        name, float(np.max(error / limit)), 1.0, c=c, unit="the rounding estimate", amplification=float(amplified.max())
    )


def evidence(settings):
    """Every family at all rates at once; controls with the wrong power of c and without normalisation."""
    rates = np.array(workbench.rates(settings))
    for name, loss in workbench.separable_losses().items():
        for c in (2.0**-10, 2.0**13):
            yield exactly(f"{name}: directions equal, c = {c:g}", loss, rates, c, settings)
        for c in (1e-3, 7.0):
            yield to_rounding(f"{name}: directions equal, c = {c:g}", loss, rates, c, settings)
    minibatch = workbench.minibatch_diabetes()
    yield exactly(
        "minibatch BN least squares, diabetes: directions equal, c = 8192", minibatch, rates, 2.0**13, settings
    )
    loss = bn.rayleigh(np.linspace(0, 1, 16))
    yield judge.control(to_rounding("rate scaled by c, not c^2, c = 7", loss, rates, 7.0, settings, power=1))
    twin = loss.unnormalised
    yield judge.control(exactly("un-normalised twin, c = 2, rate 0.1", twin, np.array([0.1]), 2.0, settings))
    yield judge.control(to_rounding("broken by 1e-6, c = 7", workbench.broken_rayleigh(1e-6), rates, 7.0, settings))


STATEMENT = Statement(
    "arora2019.effective_rate",
    "Only eta/|w|^2 matters: (w, eta) and (c w, c^2 eta) take the same directions",
    paper("effective learning rate (section 2)"),
    evidence,
)
