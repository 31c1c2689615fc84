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
UNIT = workbench.EPS / 2


def _square(x):
    return np.sum(x * x, axis=-1)


def _norm(x):
    return np.sqrt(_square(x))


def _excess(gap, limit):
    """The largest violation over its rounding bound; without rounding (a stationary state) any is infinite."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(limit > 0, gap / limit, np.where(gap > 0, np.inf, 0.0))
    return judge.largest([0.0, np.max(ratio)])


def _curvatures(loss, state, weaker):
    blocks = loss.facts.need("blocks", {p: state[p] for p in loss.parameters})
    return blocks, {g: K / weaker for g, K in bounds.curvatures(blocks, loss.groups).items()}


def claim(name, loss, state, rates, settings, weaker=1.0):
    """One GD step from every state at every rate: the largest violation of the inequality, over its rounding.

    Rounding, to first order: of the two losses; of the new weights, ``u |w|`` and eta times the gradient's
    rounding, times the gradient there; of the allowed change, twice the gradient's rounding times the gradient
    and the few operations on it. ``weaker`` divides the curvatures, for controls.
    """
    lr = workbench.rates_of(loss, rates, PARAMETER_RATE)
    start = {n: v[0] for n, v in state.items()}
    run = workbench.run(settings, loss, bn.GD(lr), start, steps=1, replicas=STATES)
    after = {n: run[f"final_{n}"].values for n in (*loss.groups, *loss.parameters)}
    gradient, later = loss.gradient(state), loss.gradient(after)
    rounding = workbench.gradient_rounding(loss, state)
    blocks, K = _curvatures(loss, state, weaker)
    column = {g: rates[:, None] for g in loss.groups}
    norm2 = {g: _square(state[g]) for g in loss.groups}
    grad_w2 = {g: _square(gradient[g]) for g in loss.groups}
    grad_g2 = sum((gradient[p] ** 2 for p in loss.parameters), np.zeros(1))
    allowed = bounds.descent(grad_w2, norm2, grad_g2, column, PARAMETER_RATE, K, blocks.parameter)
    gap = run.loss.values[..., 1] - run.loss.values[..., 0] - allowed
    limit = workbench.value_rounding(loss, state) + workbench.value_rounding(loss, after)
    for g in loss.groups:
        blur, quadratic = _norm(rounding[g]), 1 + K[g] * column[g] / norm2[g]
        limit = limit + _norm(later[g]) * (2 * UNIT * _norm(after[g]) + column[g] * blur)
        size = 2 * blur * np.sqrt(grad_w2[g]) + (loss.dimensions[g] + 16) * UNIT * grad_w2[g]
        limit = limit + column[g] * quadratic * size
    for p in loss.parameters:
        # The gradient of a parameter is a sum of terms like the loss's: its rounding is at most theirs.
        blur = workbench.value_rounding(loss, state)
        limit = limit + PARAMETER_RATE * (np.abs(later[p]) + 2 * np.abs(gradient[p])) * blur
        limit = limit + 2 * UNIT * np.abs(after[p] * later[p]) + 16 * UNIT * PARAMETER_RATE * gradient[p] ** 2
    return judge.identity(name, _excess(gap, limit), 1.0, unit="the rounding bound", one_sided=True, states=STATES)


def _random(loss, settings):
    """States of all norms of ``NORMS``, shape ``(1, STATES, d)``."""
    state = workbench.random_state(loss, settings.seed, STATES)
    scale = np.resize(NORMS, STATES)[None, :, None]
    return state | {g: scale * state[g] for g in loss.groups}


def _along_run(loss, rates, settings):
    """States that GD visits, at log-spaced steps of runs from random starts; a third of STATES per rate."""
    visited = []
    method = bn.GD(workbench.rates_of(loss, rates, PARAMETER_RATE))
    for steps in (1, 3, 10, 30, 100, 300):
        run = workbench.run(settings, loss, method, steps=steps, replicas=8, record=[0])
        visited.append({n: run[f"final_{n}"].values for n in (*loss.groups, *loss.parameters)})
    joined = {n: np.concatenate([v[n].reshape(-1, *v[n].shape[2:]) for v in visited]) for n in visited[0]}
    chosen = np.resize(np.arange(len(next(iter(joined.values())))), STATES)
    return {n: v[chosen][None] for n, v in joined.items()}


def _extreme_plane(loss):
    """Unit vectors between the two extreme eigenvectors of a Rayleigh quotient, where its curvature is attained."""
    a = loss.data["a"]
    angle = np.linspace(0.01, 1.56, STATES)
    w = np.zeros((STATES, len(a)))
    w[:, np.argmin(a)], w[:, np.argmax(a)] = np.cos(angle), np.sin(angle)
    return {"w": w[None]}


def in_expectation(name, loss, settings, rates, samples, weaker=1.0):
    """``E L_{t+1}`` enumerated over all samples of the noise, against the bound with ``E|grad L_z|^2``, 100 states.

    Args:
        samples: every sample with equal weight, what ``loss.gradient`` takes, its first axis the samples'.
    """
    state = workbench.random_state(loss, settings.seed, 100)
    state = {n: v[0][:, None] for n, v in state.items()}  # (100, 1, d) against (samples, d)
    blocks, K = _curvatures(loss, state, weaker)
    full, sampled = loss.gradient(state), loss.gradient(state, samples)
    before = loss.value(state)
    excesses = []
    for eta in rates:
        moved = {g: state[g] - eta * sampled[g] for g in loss.groups}
        moved |= {p: state[p] - PARAMETER_RATE * sampled[p] for p in loss.parameters}
        values = loss.value(moved)
        allowed, size = 0.0, np.abs(before) + np.max(np.abs(values), axis=1, keepdims=True)
        for g in loss.groups:
            second = np.mean(_square(sampled[g]), axis=1, keepdims=True)
            curved = K[g] / 2 * eta**2 * second / _square(state[g])
            allowed = allowed - eta * _square(full[g]) + curved
            size = size + eta * second + curved
        for p in loss.parameters:
            second = np.mean(sampled[p] ** 2, axis=1, keepdims=True)
            curved = (1 + bounds.SPLIT) * blocks.parameter * PARAMETER_RATE**2 / 2 * second
            allowed = allowed - PARAMETER_RATE * full[p] ** 2 + curved
            size = size + PARAMETER_RATE * second + curved
        gap = np.mean(values, axis=1, keepdims=True) - before - allowed
        # Sums of d (coordinates) and of as many samples, of terms that the sizes bound up to cancellation inside
        # the loss, for which the factor 16 d stands: an estimate, not a derivation; the control violates it by far.
        limit = (16 * max(loss.dimensions.values()) + values.shape[1]) * UNIT * size
        excesses.append(_excess(gap, limit))
    return judge.identity(
        name, judge.largest(excesses), 1.0, unit="the rounding estimate", one_sided=True, samples=values.shape[1]
    )


def _signs(*dimensions):
    """All sign vectors for groups of these sizes."""
    every = np.array(list(itertools.product((-1.0, 1.0), repeat=sum(dimensions))))
    return np.split(every, np.cumsum(dimensions)[:-1], axis=1)


def _expectations(settings, rates):
    small = bn.with_linear_noise(bn.rayleigh(np.linspace(0, 1, 8)), 0.5)
    samples = dict(zip(small.noises, _signs(8), strict=True))
    yield in_expectation("rayleigh with noise: expectation over all signs", small, settings, rates, samples)
    pair = bn.with_linear_noise(bn.bilinear([0.3, 0.7, 1.0]), 0.3)
    samples_of_two = dict(zip(pair.noises, _signs(3, 3), strict=True))
    yield in_expectation("bilinear with noise: expectation over all signs", pair, settings, rates, samples_of_two)
    minibatch = workbench.minibatch_diabetes()
    parts = np.arange(minibatch.sampler.size)
    yield in_expectation(
        "minibatch BN least squares, diabetes: expectation over the parts", minibatch, settings, rates, parts
    )
    yield judge.control(
        in_expectation("expectation, curvature divided by 4, rate 0.3", small, settings, [0.3], samples, 4.0)
    )


def evidence(settings):
    """Random, visited and extreme states, every family, every rate; one-step expectations; controls."""
    rates = np.array(workbench.rates(settings))
    for name, loss in workbench.separable_losses().items():
        yield claim(f"{name}: random states", loss, _random(loss, settings), rates, settings)
        yield claim(f"{name}: states along GD", loss, _along_run(loss, rates, settings), rates, settings)
    quotient = bn.rayleigh(np.linspace(0, 1, 16))
    extreme = _extreme_plane(quotient)
    yield claim("rayleigh: states where the curvature is attained", quotient, extreme, rates, settings)
    yield from _expectations(settings, rates)
    rate = np.array([0.3])
    yield judge.control(claim("curvature divided by 1.1, rate 0.3", quotient, extreme, rate, settings, 1.1))
    twin = quotient.unnormalised.with_facts(blocks=quotient.facts.blocks)
    state = _random(quotient, settings)
    yield judge.control(claim("un-normalised twin, same constants, rate 10", twin, state, np.array([10.0]), settings))


STATEMENT = Statement(
    "arora2019.descent",
    "One step of any size changes the loss by no more than the descent inequality allows",
    paper("descent lemma for scale-invariant losses; constants derived in this package"),
    evidence,
)
