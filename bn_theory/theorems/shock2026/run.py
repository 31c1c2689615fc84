"""Two scale-invariant losses of two weights, as functions of an angle: the local entropy by heat and by Monte Carlo.

The spectral solver errs by rounding, Monte Carlo by chance. Each angle has draws of its own, and the largest of their
deviations in standard errors is judged at Bonferroni's quantile of half the stated probability. By the central limit
theorem it is exceeded with at most that half. Skewness of the weights multiplies the two tails of a mean over its own
standard error by ``exp(+-z^3 skew/(3 sqrt n))``, whose exponent is 0.9 at most with the samples taken here: both
together by ``cosh(0.9) = 1.4``, and by less than 2.
Sampled are means of weights, which are unbiased; their logarithms are low on average, and an estimate of u high by
``nu relative_error^2``.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from bn_theory.errors import NotScaleInvariantError
from bn_theory.local_entropy import circle, gibbs, monte_carlo, on_circle, quotient, shock_time
from bn_theory.theorems import evidence as judge
from bn_theory.theorems import workbench
from bn_theory.theorems.evidence import Curves
from bn_theory.theorems.intervals import seeds_of
from bn_theory.theorems.shock2026 import cases, derived
from bn_theory.theorems.statement import Statement

POINTS, ANGLES = 256, 16
FALSE_ALARM = 2e-6
"""Of the largest of all deviations of one loss, one nu and one s; half of it for normal means, half for skewness."""
WITHIN = 0.02
"""Tolerance of sampled over spectral: wide enough for four standard errors and the interval's half-width, as long as a
standard error is below 2e-3. Half the variance or the other sign of nu change phi by more, as the controls show."""
STANDARD_ERROR = 2e-3
RADII = np.logspace(-3, 3, 13)


DRAWN = {"s = s*/2": 0.5, "s = s*": 1.0, "s = 2 s*": 2.0}
"""``s/s*`` of the curves in the figure, all at the first nu."""
NUS = (0.2, 0.5, 1.0)
"""``nu`` over ``max f - min f``."""


def configurations(settings) -> list[tuple[float, float]]:
    """``nu`` over ``max f - min f``, and ``s`` over that of the first shock."""
    found = [*((NUS[0], s) for s in DRAWN.values()), (NUS[1], 2.0)]
    return [*found, (NUS[2], 1.0)] if settings.full else found


def ray_claim(name, loss, seed, count=64):
    """``L(r cos t, r sin t) - L(cos t, sin t)`` over what rounding may make of it, for random t and many radii."""
    angle = np.random.default_rng((seed, 11)).uniform(0, 2 * np.pi, count)
    (group,) = loss.groups
    unit = np.stack([np.cos(angle), np.sin(angle)], axis=-1)[None]
    here, bound = loss.value({group: unit}), workbench.value_rounding(loss, {group: unit})
    ratios = []
    for r in RADII:
        state = {group: r * unit}
        # r w is rounded, each coordinate by a share u: that moves L by at most u |w| |grad L|
        moved = workbench.EPS * np.linalg.norm(r * unit, axis=-1) * np.linalg.norm(loss.gradient(state)[group], axis=-1)
        allowed = bound + workbench.value_rounding(loss, state) + moved
        ratios.append(np.max(np.abs(loss.value(state) - here) / allowed))
    return judge.identity(
        name, judge.largest(ratios), 1.0, unit="the bound of rounding", radii=[float(RADII[0]), float(RADII[-1])]
    )


def refusals(losses):
    """How many losses ``quotient`` takes, and what it said of the others."""
    said = []
    for loss in losses:
        try:
            quotient(loss)
        except NotScaleInvariantError as error:
            said.append(str(error))
    return len(losses) - len(said), said


def refusal_claim(name, losses):
    """No loss that is not scale-invariant is taken for a function of the angle."""
    taken, said = refusals(losses)
    return judge.identity(name, float(taken), 0.0, unit="losses that were taken", refused=said)


def samples_for(f, nu, s, seed) -> int:
    """Draws at each angle for a standard error of ``STANDARD_ERROR``, from a few thousand at the start."""
    trial = monte_carlo(f, _angles(), nu, s, 4000, (seed, 12))
    return int(np.ceil(1.5 * 4000 * (float(trial.relative_error.max()) / STANDARD_ERROR) ** 2 / 1000)) * 1000


def _angles():
    return 2 * np.pi * np.arange(ANGLES) / ANGLES


def sampled(f, nu, s, seed, samples, *, variance=1.0, sign=1.0):
    """Monte Carlo and the spectral solver at the same angles: ``(ratio of phi, its standard error, Sampled)``.

    Args:
        variance: of the draws, over ``2 nu s``. sign: of nu in the weights. Controls change them.
    """
    angles = _angles()
    found = monte_carlo(lambda y: sign * f(y), angles, nu, variance * s, samples, (seed, 13))
    u = on_circle(f, nu, s, POINTS).u[:: POINTS // ANGLES]
    # the constant exp(-shift/(2 nu)) cancels where the sign is right
    ratio = np.exp(found.log_phi + u / (2 * nu))
    return ratio, found.relative_error * ratio, found


def agreement(name, ratio, error, samples):
    """The largest deviation of all angles against its quantile, and the simultaneous 95 % interval of the ratio."""
    quantile = float(norm.isf(FALSE_ALARM / 2 / (2 * len(ratio))))
    z = np.abs(ratio - 1) / error
    half = float(norm.isf(0.025 / len(ratio))) * error
    details = {"samples": samples, "largest_standard_error": float(error.max()), "angles": len(ratio)}
    yield judge.bound(
        f"{name}: largest deviation in standard errors",
        judge.largest(z) / quantile,
        largest_z=judge.largest(z),
        allowed_z=quantile,
        false_alarm=FALSE_ALARM,
        **details,
    )
    yield judge.amplitude(
        f"{name}: sampled over spectral", (float((ratio - half).min()), float((ratio + half).max())), WITHIN, **details
    )


def solvers_claim(name, f, nu, s):
    """The spectral solver against quadrature in logarithms: u, its gradient and curvature, over the rounding bounds."""
    field, at = on_circle(f, nu, s, POINTS), slice(None, None, POINTS // ANGLES)
    found = gibbs(f, field.theta[at], nu, s)
    r = found.rounding
    allowed = [
        field.rounding[at] + 2 * nu * r + 8 * workbench.EPS * (1 + np.abs(found.u)),
        # phi' and phi'' err by n/2 and (n/2)^2 times the error of phi, and are divided by it
        field.rounding[at] * POINTS * (1 + np.abs(field.v[at]) / nu) + r * np.sqrt(found.variance) / s,
        field.rounding[at] * POINTS**2 * (1 + np.abs(field.v[at]) / nu) ** 2 + found.curvature_rounding,
    ]
    pairs = zip((field.u, field.v, field.curvature), (found.u, found.v, found.curvature), allowed, strict=True)
    return judge.identity(
        name, judge.largest(np.max(np.abs(a[at] - b) / c) for a, b, c in pairs), 1.0, unit="the bound of rounding"
    )


def smoothed(f, nu, s, points=POINTS):
    """``E f(t + sqrt(2 nu s) Z)`` on the grid: the heat semigroup applied to f itself."""
    k = np.arange(points // 2 + 1)
    return np.fft.irfft(np.exp(-nu * k**2 * s) * np.fft.rfft(f(2 * np.pi * np.arange(points) / points)), points)


def jensen_claims(name, f, nu, s):
    """``min f <= u <= E f``: distances from the minimum over those allowed, at every angle."""
    field, low = on_circle(f, nu, s, POINTS), -cases.highest(_negative(f), 0)
    heat = smoothed(f, nu, s)
    slack = float(np.max(field.rounding)) + 32 * workbench.EPS * (abs(low) + cases.swing(f))
    above = heat - low
    yield judge.bound(
        f"{name}: at most the smoothed loss", float(np.max((field.u - low) / above)), slack / float(above.min())
    )
    width = cases.swing(f)
    # 1 - (u - min f)/width <= 1: the share of the width that is left below u
    yield judge.bound(f"{name}: at least the minimum", float(np.max(1 - (field.u - low) / width)), slack / width)


def _negative(f):
    from dataclasses import replace

    return replace(f, derivative=lambda x, k: -f.derivative(x, k))


def evidence(settings):
    """Quotients, both solvers against each other and against samples, bounds; controls."""
    losses, twins = cases.losses(), cases.twins()
    for name, loss in losses.items():
        yield ray_claim(_angle(name), loss, settings.seed)
    for name, twin in twins.items():
        yield judge.control(ray_claim(f"{name} without its denominator: a function of the angle", twin, settings.seed))
    yield refusal_claim("losses that are not scale-invariant and yet taken", list(twins.values()))
    yield judge.control(refusal_claim("the two losses are refused", list(losses.values())))

    seeds = iter(seeds_of(settings, 100))  # no two runs share their draws
    for name, loss in losses.items():
        potential = circle(quotient(loss), name=name)
        time, swing = shock_time(potential).time, cases.swing(potential)
        drawn, supports = {}, []
        for number, (a, b) in enumerate(configurations(settings)):
            nu, s = a * swing, b * time
            where = f"{name}: nu {nu:.3g}, s {s:.3g}"
            yield solvers_claim(f"{where}: heat against quadrature", potential, nu, s)
            seed = next(seeds)
            count = samples_for(potential, nu, s, seed)
            ratio, error, found = sampled(potential, nu, s, seed, count)
            claims = list(agreement(where, ratio, error, count))
            yield from claims
            yield from jensen_claims(where, potential, nu, s)
            if a == NUS[0]:
                drawn[b] = found
                supports += [claim.name for claim in claims]
            if number == 0:
                yield from _controls(name, potential, nu, s, seeds, count)
        yield curves(name, potential, time, drawn, supports)


def _angle(name):
    return f"{name}: a function of the angle"


def _controls(name, f, nu, s, seeds, count):
    wrong = {"half the variance": {"variance": 0.5}, "-nu for nu": {"sign": -1.0}}
    for what, change in wrong.items():
        ratio, error, _ = sampled(f, nu, s, next(seeds), count, **change)
        # where f is largest phi has a minimum: it can only err to one side there
        top = [int(np.argmax(f(_angles())))]
        for claim in agreement(f"{name}, {what}, where f is largest", ratio[top], error[top], count):
            yield judge.control(claim)
    (above, _) = jensen_claims("", f, nu, s)
    flipped = judge.bound(f"{name}: local entropy is at least the smoothed loss", 1 / above.measured, above.tolerance)
    yield judge.control(flipped)


def curves(name, f, time, drawn, supports):
    """What the figure of one loss draws: u and v around the first shock, with samples and characteristics.

    Half the circle, as both losses are even in each weight; shocks form in its middle.

    Args:
        drawn: ``{s/s*: Sampled}`` at the first of ``NUS``, as judged. supports: names of the evidence on them.
    """
    nu, x = NUS[0] * cases.swing(f), np.linspace(-np.pi / 2, np.pi / 2, 129)
    found = {label: gibbs(f, x, nu, share * time) for label, share in DRAWN.items()}
    angles = np.remainder(_angles() + np.pi / 2, 2 * np.pi) - np.pi / 2  # from -pi/2 on
    half = np.argsort(angles)[: ANGLES // 2 + 1]
    draws = {
        label: {"u": drawn[share].u[half], "error": 3 * 2 * nu * drawn[share].relative_error[half]}
        for label, share in DRAWN.items()
    }
    samples = [drawn[share].samples for share in DRAWN.values()]
    xi, to = np.linspace(-np.pi / 2, np.pi / 2, 33), np.array([0.0, 2.0])
    return Curves(
        "local_entropy",
        f"Local entropy of the {name} loss of two weights as a function of the angle (nu = {nu:.3g}) with Monte Carlo "
        f"(three standard errors of {min(samples)} to {max(samples)} draws, smaller than the marks), its gradient, and "
        "the characteristics of the inviscid equation, which cross from s* on.",
        {
            "x": x,
            "u": {"s = 0": f(x), **{label: one.u for label, one in found.items()}},
            "v": {"s = 0": f.derivative(x, 1), **{label: one.v for label, one in found.items()}},
            "sampled": {"x": angles[half], "curves": draws},
            "characteristics": {"s": to, "x": xi[:, None] + to * time * f.derivative(xi, 1)[:, None]},
            "variable": "angle",
            "supports": supports,
        },
    )


STATEMENT = Statement(
    "shock2026.run",
    "The angle of a scale-invariant loss: local entropy by heat and by Monte Carlo, and its bounds",
    derived("scale invariance in two dimensions, and local entropy on the quotient"),
    evidence,
)
