"""What a step does to magnitude and direction, in numbers: lengths, relative sizes, angles, an inert gain.

    |w + d|^2 = |w|^2 + 2 <w, d> + |d|^2                      any update d
    |step at a w|/|a w| = a^-1 |step at w|/|w|                a fixed update, Adam with eps = 0; SGD: a^-2
    cos = (1 + rho)/sqrt((1 + rho)^2 + eta^2)                 tangential size eta |w|, radial part rho w
    <v, grad L(g v)> = 0, g P grad L(g v) = grad L(v)         scale-invariant L
    u -> u (1 - eta mu c^2)/(1 + eta mu s^2), u = s/c         retracted step on mu x^2/(2 (x^2 + y^2))

Every error is given over a bound of its rounding to first order, u the unit roundoff.
"""

from __future__ import annotations

import numpy as np

import bn_theory as bn
from bn_theory import decoupling
from bn_theory.theorems import evidence as judge
from bn_theory.theorems import workbench
from bn_theory.theorems.md_decoupling2026 import derived
from bn_theory.theorems.statement import Statement

UNIT = workbench.EPS / 2
VECTORS = 64
DIMENSIONS_QUICK, DIMENSIONS_FULL = (2, 3, 16, 256, 4096), (2, 3, 5, 16, 64, 256, 1024, 4096)
SIZES = (1e-3, 0.1, 1.0, 10.0)
"""Relative sizes of tangential updates."""
RADIAL = (-0.5, 0.3, 1.0)
FACTORS = (0.1, 3.0, 1000.0)
"""What weights are multiplied by; no powers of two, which round nothing."""
SAMPLES = 5
"""Gradients that Adam has seen."""
RATES = (0.1, 0.9, 1.1, 10.0)
"""Rates times curvature on the circle, over 2: on both sides of the threshold."""


def dimensions(settings) -> tuple[int, ...]:
    """Of the profile."""
    return DIMENSIONS_FULL if settings.full else DIMENSIONS_QUICK


def vectors(settings, d: int, stream: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two times ``VECTORS`` Gaussian vectors, lengths from 0.01 to 100, shape ``(VECTORS, d)``."""
    rng = np.random.default_rng((settings.seed, stream, d))
    x, y = rng.normal(size=(2, VECTORS, d))
    return x * 10 ** rng.uniform(-2, 2, (VECTORS, 1)), y


def expansion_claim(name, settings, mixed=2.0):
    """Args: mixed: the factor of ``<w, d>``; 2, but for a control."""
    worst = []
    for d in dimensions(settings):
        w, step = vectors(settings, d)
        found = np.sum((w + step) ** 2, axis=-1)
        inner = np.sum(w * step, axis=-1)
        parts = np.sum(w * w, axis=-1) + mixed * inner + np.sum(step * step, axis=-1)
        # Both sides: sums of d terms, whose absolute values add up to (|w| + |d|)^2 at most, a few roundings a term.
        size = (np.linalg.norm(w, axis=-1) + np.linalg.norm(step, axis=-1)) ** 2
        worst.append(np.max(np.abs(found - parts) / ((2 * d + 16) * UNIT * size)))
    return judge.identity(name, judge.largest(worst), 1.0, unit="the rounding bound", dimensions=dimensions(settings))


def turn_claim(name, eta, settings, radial=0.0, predicted=None):
    """The cosine of an update of tangential size ``eta |w|`` and radial part ``radial w``, in all dimensions.

    Args:
        predicted: the radial part that the formula is told; the true one, but for controls.
    """
    worst = []
    for d in dimensions(settings):
        w, x = vectors(settings, d, 1)
        tangent = decoupling.tangential(x, w)
        size = np.linalg.norm(tangent, axis=-1, keepdims=True)
        after = (1 + radial) * w + eta * np.linalg.norm(w, axis=-1, keepdims=True) * tangent / size
        cosine = np.sum(after * w, axis=-1) / (np.linalg.norm(after, axis=-1) * np.linalg.norm(w, axis=-1))
        # The tangent keeps a part of some d u |x| along w: an angle of that over its own length. The rest: sums of d.
        limit = (4 * d + 32) * UNIT * (1 + np.linalg.norm(x, axis=-1) / size[:, 0])
        expected = decoupling.turned_cosine(eta, radial if predicted is None else predicted)
        worst.append(np.max(np.abs(cosine - expected) / limit))
    return judge.identity(
        name, judge.largest(worst), 1.0, unit="the rounding bound", dimensions=dimensions(settings), size=eta
    )


def sampled(settings, d: int = 64):
    """A noisy loss, states of unit norm ``(1, VECTORS, d)``, and ``SAMPLES`` samples of its noise."""
    loss = bn.with_linear_noise(bn.rayleigh(np.linspace(0.0, 1.0, d)), 0.3)
    state = workbench.random_state(loss, settings.seed, VECTORS)
    return loss, state, [loss.draw(settings.seed, np.arange(VECTORS), t) for t in range(SAMPLES)]


def fixed_update(loss, w, samples):
    """One update, wherever the weights are."""
    return np.ones(w.shape), 0.0


def sgd_update(loss, w, samples):
    """The last sample's gradient, and the part of its length that is rounding."""
    state = {"w": w}
    gradient = loss.gradient(state, samples[-1])["w"]
    error = workbench.gradient_rounding(loss, state, samples[-1])["w"]
    return gradient, np.linalg.norm(error, axis=-1) / np.linalg.norm(gradient, axis=-1)


def adam_update(loss, w, samples):
    """Adam's update from all the samples' gradients at one point, and the part of its length that is rounding.

    With errors e_t of the gradients, m errs by their mean and sqrt(V) by at most their root mean square.
    """
    mean = square = np.zeros(w.shape)
    errors = []
    for t, sample in enumerate(samples, start=1):
        gradient = loss.gradient({"w": w}, sample)["w"]
        update, mean, square = decoupling.adam_update(gradient, mean, square, t)
        errors.append(workbench.gradient_rounding(loss, {"w": w}, sample)["w"])
    first, second = (b ** np.arange(len(samples))[::-1] for b in decoupling.BETAS)
    error = np.tensordot(first / first.sum(), np.array(errors), axes=1)
    spread = np.sqrt(np.tensordot(second / second.sum(), np.array(errors) ** 2, axes=1))
    size = np.sqrt(square / (1 - decoupling.BETAS[1] ** len(samples)))
    relative = (error + np.abs(update) * spread) / size
    return update, np.linalg.norm(relative, axis=-1) / np.linalg.norm(update, axis=-1)


def relative_claim(name, update, power, settings):
    """The relative size at ``a w`` is ``a^-power`` of that at w.

    Args:
        update: one of the functions above. power: 1 or 2.
    """
    loss, state, samples = sampled(settings)
    w = state["w"]
    here, rounding = update(loss, w, samples)
    worst = []
    for a in FACTORS:
        there, other = update(loss, a * w, samples)
        ratio = decoupling.relative_update(there, a * w) / decoupling.relative_update(here, w)
        # two norms and the products, of d terms each
        limit = rounding + other + (2 * w.shape[-1] + 32) * UNIT
        worst.append(np.max(np.abs(ratio * a**power - 1) / limit))
    return judge.identity(name, judge.largest(worst), 1.0, unit="the rounding bound", factors=FACTORS)


def gain_claims(name, loss, settings):
    """``(dL/dg = 0, gradient on the sphere is that at v)`` at random directions and gains of every group."""
    state = workbench.random_state(loss, settings.seed, VECTORS)
    sample = loss.draw(settings.seed, np.arange(VECTORS), 0) if loss.noises else None
    rng = np.random.default_rng((settings.seed, 2))
    gains = {g: 10 ** rng.uniform(-1, 1, (1, VECTORS)) for g in loss.groups}
    scaled = state | {g: gains[g][..., None] * state[g] for g in loss.groups}
    there, here = (loss.gradient(s, sample) for s in (scaled, state))
    blur_there, blur_here = (workbench.gradient_rounding(loss, s, sample) for s in (scaled, state))
    by_gain, by_direction = [], []
    for g in loss.groups:
        v, d = state[g], loss.dimensions[g]
        sphere, slope = decoupling.split_gradient(there[g], v, gains[g])
        size = np.linalg.norm(there[g], axis=-1)
        # a sum of d products of numbers that err by the gradient's rounding, and v by its own
        limit = np.sum(np.abs(v) * blur_there[g], axis=-1) + (2 * d + 16) * UNIT * size
        by_gain.append(np.max(np.abs(slope) / limit))
        limit = gains[g] * np.linalg.norm(blur_there[g], axis=-1) + np.linalg.norm(blur_here[g], axis=-1)
        limit = limit + (2 * d + 16) * UNIT * gains[g] * size
        by_direction.append(np.max(np.linalg.norm(sphere - here[g], axis=-1) / limit))
    names = f"{name}: dL/dg = 0", f"{name}: gradient on the sphere whatever the gain"
    return tuple(
        judge.identity(n, judge.largest(worst), 1.0, unit="the rounding bound")
        for n, worst in zip(names, (by_gain, by_direction), strict=True)
    )


def circle_claim(name, product, settings, turned=None):
    """One retracted step on ``mu x^2/(2 (x^2 + y^2))`` from random angles, mu = 2, against the formula of ``u = x/y``.

    Args:
        product: ``eta mu``.
        turned: numerator and denominator of the factor as functions of ``(product, s2, c2)``, for controls.
    """
    loss, mu = bn.rayleigh([2.0, 0.0]), 2.0
    angle = np.random.default_rng((settings.seed, 3)).uniform(0.0, np.pi / 2, 1000)
    v = np.stack([np.sin(angle), np.cos(angle)], axis=-1)
    after, _ = decoupling.decoupled_step(v, 1.0, loss.gradient({"w": v})["w"], rate=product / mu)
    s2, c2 = v[:, 0] ** 2, v[:, 1] ** 2
    above, below = turned or (lambda k, s2, c2: 1 - k * c2, lambda k, s2, c2: 1 + k * s2)
    expected = v * np.stack([above(product, s2, c2) * np.ones(1000), below(product, s2, c2) * np.ones(1000)], axis=-1)
    expected /= np.linalg.norm(expected, axis=-1, keepdims=True)
    across = np.abs(after[:, 0] * expected[:, 1] - after[:, 1] * expected[:, 0])
    # The gradient, at most mu/2, errs by some tens of roundings, times eta; the step itself is at least of length 1.
    return judge.identity(name, float(np.max(across) / (32 * UNIT * (1 + product))), 1.0, unit="the rounding bound")


def one_entry_claim(name, settings):
    """The direction of a weight with one entry after a step at any rate and gradient: the very same bits."""
    rng = np.random.default_rng((settings.seed, 4))
    v = rng.choice([-1.0, 1.0], (VECTORS, 1))
    rates, gradient = 10 ** rng.uniform(-3, 3, VECTORS), rng.normal(size=(VECTORS, 1))
    after, _ = decoupling.decoupled_step(v, 1.0, gradient, rate=rates)
    return judge.identity(name, float(np.max(np.abs(after - v))), 0.0)


def evidence(settings):
    """Lengths and angles in all dimensions, relative sizes, the gain on every loss, the circle; controls of each."""
    yield expansion_claim("expansion of |w + d|^2", settings)
    yield judge.control(expansion_claim("expansion without the factor 2", settings, 1.0))
    for eta in SIZES:
        yield turn_claim(f"tangential update of relative size {eta:g}", eta, settings)
    for rho in RADIAL:
        yield turn_claim(f"relative size 0.1, radial part {rho:g}", 0.1, settings, rho)
    yield judge.control(turn_claim("radial part 0.3 by the tangential formula", 0.1, settings, 0.3, 0.0))

    yield relative_claim("fixed update: relative size a^-1", fixed_update, 1, settings)
    yield relative_claim("SGD: relative size a^-2", sgd_update, 2, settings)
    yield relative_claim("Adam, eps = 0: relative size a^-1", adam_update, 1, settings)
    yield judge.control(relative_claim("SGD: relative size a^-1", sgd_update, 1, settings))
    yield judge.control(relative_claim("Adam, eps = 0: relative size a^-2", adam_update, 2, settings))

    losses = workbench.separable_losses()
    for name, loss in losses.items():
        yield from gain_claims(name, loss, settings)
    for claim in gain_claims("un-normalised twin", losses["rayleigh with noise"].unnormalised, settings):
        yield judge.control(claim)

    for half in RATES:
        yield circle_claim(f"circle, eta mu = {2 * half:g}", 2 * half, settings)
    linear = (lambda k, s2, c2: 1 - k, lambda k, s2, c2: 1)
    yield judge.control(circle_claim("circle: the linear factor 1 - eta mu at every angle", 0.2, settings, linear))
    yield one_entry_claim("one entry: the direction never moves", settings)


STATEMENT = Statement(
    "md_decoupling2026.identity",
    "Magnitude and direction of a step: relative size, angle, and a gain that is inert on a scale-invariant loss",
    derived("magnitude and direction of an update"),
    evidence,
)
