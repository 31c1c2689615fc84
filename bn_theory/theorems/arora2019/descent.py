"""Descent inequality: a bound on ``L_{t+1} - L_t`` for one step of any size, with explicit curvatures.

    L_{t+1} - L_t <= - sum_i eta_i |grad_{w_i}|^2 (1 - K_i eta_i/(2 G_i)) - eta_g |grad_g|^2 (1 - (1+c) L_g eta_g/2)

and in expectation over a step's noise with ``E|grad_{w_i} L_z|^2`` in the quadratic term.
"""

from __future__ import annotations

import itertools

import numpy as np

import bn_theory as bn
from bn_theory import bounds
from bn_theory.theorems import evidence as judge
from bn_theory.theorems import workbench
from bn_theory.theorems.arora2019 import paper
from bn_theory.theorems.statement import Statement

STATES = 2000
NORMS = (0.5, 1.0, 2.0)
PARAMETER_RATE = 0.5


def _square(x):
    return np.sum(x * x, axis=-1)


def _norm2(loss, state):
    return {g: _square(state[g]) for g in loss.groups}


def claim(name, loss, state, rates, settings, weaker=1.0):
    """One GD step from every state at every rate: the largest violation of the inequality, over its rounding.

    ``weaker`` divides the curvatures, for controls. Rounding: the two losses and the allowed change are sums of
    terms no larger than ``|L|`` and ``|allowed|``, each with at most ``d + 16`` roundings, and the step moves
    the loss by the gradient's own rounding, ``eta k u |grad|``.
    """
    start = {n: v[0] for n, v in state.items()}
    run = workbench.run(
        settings, loss, bn.GD(workbench.rates_of(loss, rates, PARAMETER_RATE)), start,
        steps=1, replicas=STATES,
    )  # fmt: skip
    before, after = run.loss.values[..., 0], run.loss.values[..., 1]
    gradient = loss.gradient(state)
    start = {p: state[p] for p in loss.parameters}
    blocks = loss.facts.need("blocks", start)
    K = {g: k / weaker for g, k in bounds.curvatures(blocks, loss.groups).items()}
    lr = {g: rates[:, None] for g in loss.groups}
    grad_w2 = {g: _square(gradient[g]) for g in loss.groups}
    grad_g2 = sum((gradient[p] ** 2 for p in loss.parameters), np.zeros(1))
    allowed = bounds.descent(grad_w2, _norm2(loss, state), grad_g2, lr, PARAMETER_RATE, K, blocks.parameter)
    linear = sum(lr[g] * grad_w2[g] for g in loss.groups)
    size = np.abs(before) + np.abs(after) + np.abs(allowed) + 2 * linear
    limit = (max(loss.dimensions.values()) + 16) * workbench.EPS / 2 * size
    excess = (after - before - allowed) / limit
    return judge.identity(
        name, float(np.maximum(np.max(excess), 0.0)), 1.0, unit="the rounding bound", one_sided=True,
        smallest_margin=float(np.max((after - before - allowed) / np.abs(allowed))),
    )  # fmt: skip


def _random(loss, settings):
    """States of all norms of ``NORMS``, shape ``(1, STATES, d)``."""
    state = workbench.random_state(loss, settings.seed, STATES)
    scale = np.resize(NORMS, STATES)[None, :, None]
    return state | {g: scale * state[g] for g in loss.groups}


def _along_run(loss, rates, settings):
    """States that GD visits, at log-spaced steps of runs from random starts; a third of STATES per rate."""
    visited = []
    for steps in (1, 3, 10, 30, 100, 300):
        run = workbench.run(
            settings, loss, bn.GD(workbench.rates_of(loss, rates, PARAMETER_RATE)), steps=steps, replicas=8, record=[0],
        )  # fmt: skip
        visited.append({n: run[f"final_{n}"].values for n in (*loss.groups, *loss.parameters)})
    joined = {n: np.concatenate([v[n].reshape(-1, *v[n].shape[2:]) for v in visited]) for n in visited[0]}
    chosen = np.resize(np.arange(len(next(iter(joined.values())))), STATES)
    return {n: v[chosen][None] for n, v in joined.items()}


def in_expectation(name, loss, settings, rates, weaker=1.0):
    """``E L_{t+1}`` enumerated over all ``2^d`` signs, against the bound with ``E|grad L_z|^2``, for 200 states.

    Largest ``(E L_{t+1} - L_t - allowed)/|allowed|`` plus 1; rounding as in ``claim``, averaged.
    """
    (g,), (z,) = loss.groups, loss.noises
    d = loss.dimensions[g]
    signs = np.array(list(itertools.product((-1.0, 1.0), repeat=d)))
    state = {g: workbench.random_state(loss, settings.seed, 200)[g][0][:, None]}  # (200, 1, d) against (2^d, d)
    noise = {z: signs}
    (K,) = bounds.curvatures(loss.facts.blocks, loss.groups).values()
    K = K / weaker
    sampled, full = loss.gradient(state, noise)[g], loss.gradient(state)[g]
    before = loss.value(state)[:, 0]
    worst = -np.inf
    for eta in rates:
        after = np.mean(loss.value({g: state[g] - eta * sampled}), axis=1)
        second = np.mean(_square(sampled), axis=1)
        allowed = -eta * _square(full)[:, 0] + K / 2 * eta**2 * second / _square(state[g])[:, 0]
        limit = (d + 16) * workbench.EPS / 2 * (np.abs(before) + np.abs(after) + np.abs(allowed) + eta * second)
        worst = max(worst, float(np.max((after - before - allowed) / limit)))
    return judge.identity(name, max(worst, 0.0), 1.0, unit="the rounding bound", one_sided=True, samples=len(signs))


def evidence(settings):
    """Random states and states along runs, every family, every rate; one-step expectations; controls."""
    rates = np.array(workbench.rates(settings))
    for name, loss in workbench.separable_losses().items():
        yield claim(f"{name}: random states", loss, _random(loss, settings), rates, settings)
        yield claim(f"{name}: states along GD", loss, _along_run(loss, rates, settings), rates, settings)
    small = bn.with_linear_noise(bn.rayleigh(np.linspace(0, 1, 8)), 0.5)
    yield in_expectation("rayleigh with noise: expectation over all signs", small, settings, rates)
    quotient = bn.rayleigh(np.linspace(0, 1, 16))
    state = _random(quotient, settings)
    yield judge.control(claim("curvatures divided by 4, rate 0.3", quotient, state, np.array([0.3]), settings, 4.0))
    yield judge.control(in_expectation("expectation, curvature divided by 4, rate 0.3", small, settings, [0.3], 4.0))
    twin = quotient.unnormalised.with_facts(blocks=quotient.facts.blocks)
    yield judge.control(claim("un-normalised twin, same constants, rate 10", twin, state, np.array([10.0]), settings))


STATEMENT = Statement(
    "arora2019.descent",
    "One step of any size changes the loss by no more than the descent inequality allows",
    paper("descent lemma for scale-invariant losses; constants derived in this package"),
    evidence,
)
