"""Runs of direction and gain, plain runs, and how far rounding may carry two of them apart: one replica, in NumPy.

As in :mod:`bn_theory.theorems.li2020.pairs`, the amplification of rounding is measured by a third run with added noise
of known size ``J``, which moves the direction by about ``J sqrt(d-1) Phi`` a step; rounding moves it by at most
``u (1 + 8 s + k Phi)`` in a step of relative size s (one rounding of the direction, eight of the products, of the
retraction and of the gain, and ``k u`` of the gradient at unit norm). The bound is the third run's largest deviation so
far, times the largest ratio of the two, times 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bn_theory import decoupling
from bn_theory.theorems import evidence as judge
from bn_theory.theorems import workbench
from bn_theory.theorems.li2020 import pairs


@dataclass(frozen=True, eq=False)
class Run:
    """A run of all groups' directions.

    Attributes:
        v: unit vectors of all groups, one after the other, shape ``(steps + 1, sum of d)``.
        norm2: ``|w_t|^2`` of every group, ``(groups, steps + 1)``.
        gradient_norm2: ``|grad L_t|^2`` of every group at the weights, ``(groups, steps)``.
        rates: of every group's direction (or weights), ``(groups, steps)``.
    """

    v: np.ndarray
    norm2: np.ndarray
    gradient_norm2: np.ndarray
    rates: np.ndarray


def start(loss, settings) -> dict:
    """Unit norm, parameters in [-1, 1]; as :func:`bn_theory.theorems.li2020.pairs.compare` starts one replica."""
    return {n: v[0] for n, v in workbench.random_state(loss, settings.seed, 1).items()}


def on_sphere(loss, settings, rate, steps, *, gain=1.0, gain_rate=0.0, relative=False) -> Run:
    """Directions and gains of all groups; parameters are trained at ``pairs.GAMMA_RATE``.

    Args:
        rate: of the directions, a number; with ``relative`` the relative size of every step.
        gain, gain_rate: where the gains start, and their rate.
    """
    state = start(loss, settings)
    v, gains = {g: state[g] for g in loss.groups}, {g: np.full(1, gain) for g in loss.groups}

    def step(gradient, _):
        sizes = {}
        for g in loss.groups:
            by_direction, _ = decoupling.split_gradient(gradient[g], v[g], gains[g])
            size = float(np.linalg.norm(by_direction))
            sizes[g] = rate / size if relative else rate
            v[g], gains[g] = decoupling.decoupled_step(
                v[g], gains[g], gradient[g], rate=rate, gain_rate=gain_rate, relative=relative
            )
        return {g: gains[g][:, None] * v[g] for g in loss.groups}, sizes

    return _run(loss, settings, steps, {g: gains[g][:, None] * v[g] for g in loss.groups}, step)


def plain(loss, settings, rates, steps) -> Run:
    """SGD on the weights. Args: rates: shape ``(groups, steps)``."""
    state = start(loss, settings)
    w = {g: state[g] for g in loss.groups}

    def step(gradient, t):
        sizes = {g: float(rates[i, t]) for i, g in enumerate(loss.groups)}
        for g in loss.groups:
            w[g] = w[g] - sizes[g] * gradient[g]
        return dict(w), sizes

    return _run(loss, settings, steps, dict(w), step)


def _run(loss, settings, steps, w, step):
    parameters = {p: start(loss, settings)[p] for p in loss.parameters}
    v, norm2, slopes, rates = [], [], [], []
    for t in range(steps + 1):
        lengths = [np.linalg.norm(w[g]) for g in loss.groups]
        v.append(np.concatenate([w[g][0] / size for g, size in zip(loss.groups, lengths, strict=True)]))
        norm2.append([float(size**2) for size in lengths])
        if t == steps:
            break
        sample = loss.draw(settings.seed, np.arange(1), t) if loss.noises else None
        gradient = loss.gradient({**w, **parameters}, sample)
        slopes.append([float(np.sum(gradient[g] ** 2)) for g in loss.groups])
        w, sizes = step(gradient, t)
        rates.append([sizes[g] for g in loss.groups])
        parameters = {p: x - pairs.GAMMA_RATE * gradient[p] for p, x in parameters.items()}
    return Run(np.array(v), np.array(norm2).T, np.array(slopes).T, np.array(rates).T)


def same_directions(name, loss, settings, one: Run, other: Run, jittered: Run, **details):
    """An ``identity``: the largest distance of two runs' directions at any step, over its rounding bound.

    Args:
        one: of a plain run and one on the sphere the plain one, whose norm remembers deviations.
        jittered: that run with added noise of size ``pairs.JITTER``.
    """
    k = workbench.condition(loss, settings.seed)
    size = np.array([[loss.dimensions[g]] for g in loss.groups])
    effective = one.rates / one.norm2[:, :-1]
    relative = effective * np.sqrt(one.gradient_norm2) * np.sqrt(one.norm2[:, :-1])
    rounding = 2 * workbench.EPS / 2 * (1 + 8 * relative + k * effective)
    ratio = float(np.max(rounding / (pairs.JITTER * np.sqrt(size - 1) * effective)))
    amplified = np.maximum.accumulate(np.linalg.norm(jittered.v - one.v, axis=-1))
    # the start is the same but for the retraction of g v, and comparing rounds too
    bounds = pairs.SAFETY * (ratio * amplified + 2 * workbench.EPS)
    distance = np.linalg.norm(other.v - one.v, axis=-1)
    worst = judge.largest(distance / bounds)
    figures = {"distance": float(np.max(distance)), "bound_at_the_end": float(bounds[-1]), "steps": len(distance) - 1}
    return judge.identity(name, worst, 1.0, unit="the rounding bound", **figures, **details)
