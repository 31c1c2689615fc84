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
STRIDE = 2.0**-10
"""Half of the distance of the two points of a central difference along w."""


def proof_claim(name, loss):
    """Scale invariance of a loss, in generic dimension."""
    try:
        proof = loss.prove()
    except NotScaleInvariantError as error:
        return judge.Evidence(name, "proof", judge.CONTRADICTED, details={"residual": str(error.residual)})
    return judge.Evidence(name, "proof", judge.SUPPORTED, details={"checked_steps": len(proof.checked)})


def orthogonality_claim(name, loss, seed, scales):
    """Largest ``|<w, grad>|`` over its own rounding bound, over points, scales and one sample of the noise."""
    ratios = []
    for scale in scales:
        state = workbench.random_state(loss, seed, POINTS, scale)
        sample = loss.draw(seed, np.arange(POINTS), 0) if loss.noises else None
        for noise in (None, sample) if loss.noises else (None,):
            gradient = loss.gradient(state, noise)
            inner = sum(np.sum(state[g] * gradient[g], axis=-1) for g in loss.groups)
            rounding = workbench.gradient_rounding(loss, state, noise)
            # The products and their sum round once more, by what gradient_rounding allows each coordinate.
            limit = 2 * sum(np.sum(np.abs(state[g]) * rounding[g], axis=-1) for g in loss.groups)
            ratios.append(np.max(np.abs(inner) / limit))
    return judge.identity(name, judge.largest(ratios), 1.0, unit="the rounding bound of <w, grad L>", scales=scales)


def homogeneity_claim(name, loss, seed, sample=None):
    """``c grad L(cw) = grad L(w)`` for c a power of two: every operation then scales without rounding."""
    state = workbench.random_state(loss, seed, POINTS)
    base = loss.gradient(state, sample)
    errors = []
    for exponent in (-24, -1, 1, 24):
        c = 2.0**exponent
        scaled = loss.gradient(state | {g: c * state[g] for g in loss.groups}, sample)
        errors += [np.max(np.abs(c * scaled[g] - base[g])) for g in loss.groups]
    return judge.identity(name, judge.largest(errors), 0.0, why="scaling by 2^k does not round")


def hessian_claim(name, loss, seed):
    """``Hess L(w) w = -grad L(w)`` by central differences along w, over the gradients' rounding.

    On a ray ``grad L((1+x)w) = grad L(w)/(1+x)``, so the difference quotient over ``+-h`` is exactly
    ``-grad L(w)/(1 - h^2)``: nothing but the rounding of the two gradients, divided by h, is left.
    """
    state = workbench.random_state(loss, seed, POINTS)
    base, rounding = loss.gradient(state), workbench.gradient_rounding(loss, state)
    ratios = []
    for g in loss.groups:  # one group at a time: the identity is about the group's own diagonal block
        ahead, behind = (loss.gradient(state | {g: (1 + s * STRIDE) * state[g]})[g] for s in (1, -1))
        error = np.linalg.norm((ahead - behind) / (2 * STRIDE) + base[g] / (1 - STRIDE**2), axis=-1)
        ratios.append(np.max(error / (2 * np.linalg.norm(rounding[g], axis=-1) / STRIDE)))
    return judge.identity(name, judge.largest(ratios), 1.0, unit="the rounding bound")


def array_claim(name, loss, seed, limit, lean=0.0):
    """``|<w, grad L_z>|`` of an array-function loss at unit norm; ``lean`` times w is added for the control."""
    state = workbench.random_state(loss, seed, POINTS)
    sample = loss.draw(seed, np.arange(POINTS), 0) if loss.noises else None
    gradient = loss.gradient(state, sample)["w"] + lean * state["w"]
    return judge.identity(name, judge.largest(np.abs(np.sum(state["w"] * gradient, axis=-1)).ravel()), limit)


def _arrays(settings):
    """Losses given as array functions; their limits are products of sizes and of the rounding of their sums."""
    minibatch, seed = workbench.minibatch_diabetes(), settings.seed
    bound = minibatch.facts.need("sample_gradient", {"gamma": np.ones(1)})["w"]
    # Three sums of d products in a row (covariance times w, deviation, <w, grad>); the two terms of the gradient,
    # which cancel along w, are each at most its almost-sure bound.
    limit = 3 * (minibatch.dimensions["w"] + 16) * workbench.EPS / 2 * 2 * bound
    yield array_claim("minibatch BN least squares, diabetes: <w, grad L_z> = 0", minibatch, seed, limit)
    sample = minibatch.draw(seed, np.arange(POINTS), 0)
    yield homogeneity_claim(
        "minibatch BN least squares, diabetes: c grad L_z(cw) = grad L_z(w), c = 2^k", minibatch, seed, sample
    )
    neuron = workbench.neuron_diabetes()
    X, _ = workbench.diabetes()
    spectrum = np.linalg.eigvalsh(np.cov(X.T, bias=True))
    # |grad_w| <= |gamma| sqrt(s_max/s_min) (slopes at most 1, unit output), for gamma in [-1, 1]; sums of n rows.
    limit = 3 * (len(X) + 16) * workbench.EPS / 2 * 2 * float(np.sqrt(spectrum[-1] / spectrum[0]))
    yield array_claim("BN neuron, logistic loss, diabetes: <w, grad L> = 0", neuron, seed, limit)
    yield homogeneity_claim("BN neuron, logistic loss, diabetes: c grad L(cw) = grad L(w), c = 2^k", neuron, seed)
    yield judge.control(array_claim("BN neuron with 1e-6 w added: <w, grad L> = 0", neuron, seed, limit, lean=1e-6))


def evidence(settings):
    """Proofs of every separable loss, then the identities in floating point, then what must fail them."""
    seed = settings.seed
    for name, loss in workbench.separable_losses().items():
        yield proof_claim(f"{name}: proved in generic dimension", loss)
        yield orthogonality_claim(f"{name}: <w, grad L> = 0", loss, seed, [1e-8, 1.0, 1e8])
        yield homogeneity_claim(f"{name}: c grad L(cw) = grad L(w), c = 2^k", loss, seed)
        yield hessian_claim(f"{name}: Hess L(w) w = -grad L(w)", loss, seed)
    yield from _arrays(settings)
    broken = workbench.broken_rayleigh(1e-6)
    yield judge.control(proof_claim("broken by 1e-6: proof", broken))
    yield judge.control(orthogonality_claim("broken by 1e-6: <w, grad L> = 0", broken, seed, [1.0]))
    yield judge.control(homogeneity_claim("broken by 1e-6: c grad L(cw) = grad L(w)", broken, seed))
    yield judge.control(hessian_claim("broken by 1e-6: Hess L(w) w = -grad L(w)", broken, seed))
    twin = bn.rayleigh(np.linspace(0.5, 1.0, 16)).unnormalised
    yield judge.control(orthogonality_claim("un-normalised twin: <w, grad L> = 0", twin, seed, [1.0]))


STATEMENT = Statement(
    "arora2019.orthogonality",
    "The gradient is orthogonal to scale-invariant weights and homogeneous of degree -1",
    paper("Lemma 2.4 (orthogonality); homogeneity of gradient and Hessian"),
    evidence,
)
