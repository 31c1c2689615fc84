"""Lemma: the gradient of a scale-invariant loss is orthogonal to its weights, and homogeneous of degree -1."""

from __future__ import annotations

import numpy as np

import bn_theory as bn
from bn_theory.errors import NotScaleInvariantError
from bn_theory.theorems import evidence as judge
from bn_theory.theorems import workbench
from bn_theory.theorems.arora2019 import paper
from bn_theory.theorems.statement import Statement

POINTS = 64


def _orthogonality(name, loss, seed, scales):
    """Largest ``|<w, grad>|`` over its own rounding bound, over points, scales and one sample of the noise."""
    worst = 0.0
    for scale in scales:
        state = workbench.random_state(loss, seed, POINTS, scale)
        sample = loss.draw(seed, np.arange(POINTS), 0) if loss.noises else None
        for noise in (None, sample) if loss.noises else (None,):
            gradient = loss.gradient(state, noise)
            inner = sum(np.sum(state[g] * gradient[g], axis=-1) for g in loss.groups)
            rounding = workbench.gradient_rounding(loss, state, noise)
            # The products and their sum round once more, by what gradient_rounding allows each coordinate.
            limit = 2 * sum(np.sum(np.abs(state[g]) * rounding[g], axis=-1) for g in loss.groups)
            worst = max(worst, float(np.max(np.abs(inner) / limit)))
    return judge.identity(name, worst, 1.0, unit="the rounding bound of <w, grad L>", scales=list(scales))


def _homogeneity(loss, seed):
    """``c grad L(cw) - grad L(w)`` for c a power of two: every operation then scales without rounding."""
    state = workbench.random_state(loss, seed, POINTS)
    base = loss.gradient(state)
    worst = 0.0
    for exponent in (-24, -1, 1, 24):
        c = 2.0**exponent
        scaled = loss.gradient(state | {g: c * state[g] for g in loss.groups})
        worst = max(worst, *(float(np.max(np.abs(c * scaled[g] - base[g]))) for g in loss.groups))
    return worst


def _hessian_along(loss, seed, h=2.0**-10):
    """``|Hess L(w) w + grad L(w)|`` by central differences along w, over its error bound.

    On a ray ``grad L((1+x)w) = grad L(w)/(1+x)``, so the difference quotient is exactly ``-grad L/(1-h^2)``:
    a truncation of ``h^2 |grad| (1 + 2 h^2)``, plus the gradients' rounding divided by h.
    """
    state = workbench.random_state(loss, seed, POINTS)
    # One group at a time: the identity is about the group's own diagonal block.
    moved = [{g: loss.gradient(state | {g: (1 + s * h) * state[g]})[g] for g in loss.groups} for s in (1, -1)]
    base = loss.gradient(state)
    rounding = workbench.gradient_rounding(loss, state)
    worst = 0.0
    for g in loss.groups:
        error = np.linalg.norm((moved[0][g] - moved[1][g]) / (2 * h) + base[g], axis=-1)
        limit = h**2 * (1 + 2 * h**2) * np.linalg.norm(base[g], axis=-1) + 2 * np.linalg.norm(rounding[g], axis=-1) / h
        worst = max(worst, float(np.max(error / limit)))
    return worst


def evidence(settings):
    """Proofs of every separable loss, then the identities in floating point, then the broken loss."""
    scales = (1e-8, 1.0, 1e8)
    for name, loss in workbench.separable_losses().items():
        proof = loss.prove()
        steps = {"checked_steps": len(proof.checked)}
        yield judge.Evidence(f"{name}: proved in generic dimension", "proof", judge.SUPPORTED, details=steps)
        yield _orthogonality(f"{name}: <w, grad L> = 0", loss, settings.seed, scales)
        yield judge.identity(
            f"{name}: c grad L(cw) = grad L(w), c = 2^k", _homogeneity(loss, settings.seed), 0.0, why="exact for 2^k"
        )
        yield judge.identity(
            f"{name}: Hess L(w) w = -grad L(w)", _hessian_along(loss, settings.seed), 1.0, unit="the error bound"
        )
    minibatch = workbench.minibatch_diabetes()
    yield _array_orthogonality("minibatch BN least squares, diabetes: <w, grad L_z> = 0", minibatch, settings.seed)
    broken = workbench.broken_rayleigh(1e-6)
    try:
        broken.prove()
        refused = judge.SUPPORTED
    except NotScaleInvariantError:
        refused = judge.CONTRADICTED
    yield judge.control(judge.Evidence("broken by 1e-6: proof", "proof", refused))
    yield judge.control(_orthogonality("broken by 1e-6: <w, grad L> = 0", broken, settings.seed, (1.0,)))
    twin = bn.rayleigh(np.linspace(0.5, 1.0, 16)).unnormalised
    yield judge.control(_orthogonality("un-normalised twin: <w, grad L> = 0", twin, settings.seed, (1.0,)))


def _array_orthogonality(name, loss, seed):
    """``|<w, grad>|`` against the rounding of its terms: n products per sum, and the condition of the covariance."""
    state = workbench.random_state(loss, seed, POINTS)
    gradient = loss.gradient(state, loss.draw(seed, np.arange(POINTS), 0))["w"]
    inner = np.abs(np.sum(state["w"] * gradient, axis=-1))
    blocks = loss.facts.need("blocks", {"gamma": state["gamma"]})
    # |grad| <= Gamma M and its two terms, which cancel along w, are each at most that; d products in each of
    # the three sums that lead to it.
    d = loss.dimensions["w"]
    limit = 3 * (d + 16) * workbench.EPS / 2 * 2 * blocks.gradient_bound("w") * len(loss.groups)
    return judge.identity(name, float(np.max(inner)), limit)


STATEMENT = Statement(
    "arora2019.orthogonality",
    "The gradient is orthogonal to scale-invariant weights and homogeneous of degree -1",
    paper("Lemma 2.4 (orthogonality); homogeneity of gradient and Hessian"),
    evidence,
)
