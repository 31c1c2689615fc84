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
STATES = 64


def _directions(loss, method, start, settings, steps=STEPS, replicas=REPLICAS):
    run = workbench.run(settings, loss, method, start, steps=steps, replicas=replicas, record=[0])
    w = {g: run[f"final_{g}"].values for g in loss.groups}
    return np.concatenate([v / np.linalg.norm(v, axis=-1, keepdims=True) for v in w.values()], axis=-1)


def _method(loss, rates, factor):
    lr = workbench.rates_of(loss, factor * rates)
    return bn.SGD(lr, decay=0.25) if loss.noises else bn.GD(lr)


def _start(loss, settings, replicas=REPLICAS):
    state = workbench.random_state(loss, settings.seed, replicas)
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
    """Any c, one step from many states: the statement's own induction step, over its rounding.

    One step only, because a transient at a large rate amplifies rounding by more than could be bounded beforehand;
    whole trajectories are compared exactly, for c a power of two. With ``|w| = 1`` a step rounds the weights by ``u``
    and their gradient by ``k u`` (``workbench.condition``, an estimate), so the direction by ``(1 + k eta) u`` at most,
    as the norm only grows: in either run, and once more for the rounding of ``c w``.
    """
    start = _start(loss, settings, STATES)
    sizes = {"steps": 1, "replicas": STATES}
    base = _directions(loss, _method(loss, rates, 1.0), start, settings, **sizes)
    other = _directions(loss, _method(loss, rates, c**power), _scaled(loss, start, c), settings, **sizes)
    limit = 3 * (1 + workbench.condition(loss, settings.seed) * rates[:, None]) * workbench.EPS / 2
    error = np.linalg.norm(base - other, axis=-1)
    return judge.identity(name, judge.largest((error / limit).ravel()), 1.0, c=c, unit="the rounding bound")


def evidence(settings):
    """Every family at all rates at once; controls with the wrong power of c and without normalisation."""
    rates = np.array(workbench.rates(settings))
    for name, loss in workbench.separable_losses().items():
        for c in (2.0**-10, 2.0**13):
            yield exactly(f"{name}: directions equal, c = {c:g}", loss, rates, c, settings)
        for c in (1e-3, 7.0):
            yield to_rounding(f"{name}: one step, directions equal, c = {c:g}", loss, rates, c, settings)
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
