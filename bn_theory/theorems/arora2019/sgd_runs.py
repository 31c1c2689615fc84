"""The SGD runs that the rate and the amplitude law share, and which configurations lie outside of their assumptions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

import bn_theory as bn
from bn_theory import predictions
from bn_theory.dynamics import Power
from bn_theory.theorems import workbench
from bn_theory.theorems.statement import Settings

SIGMA = 0.21
"""Noise level: small enough to relax early, large enough to outgrow the start's norm early (see ``length``)."""

SIZE = 32
SHORT, LONG = 10**5, 10**6
REPLICAS = {SHORT: 192, LONG: 48}
"""Fewest replicas for an exponent, by length; the half-widths seen are 0.001 to 0.004, 0.005 is allowed."""

PRECISION = 0.01
"""Wanted half-width of a measured amplitude: half of the tightest tolerance."""

LAG = 0.01
"""Largest first-order lag behind the adiabatic value: a third of the finite-time tolerance. Ten relaxations
before a window alone leave the slowest direction a lag of up to 1/(2 * 10) = 5 %."""

TOLERANCE = 0.01
"""Allowed around -1/4: half of it for the interval's half-width, half for a window that is not yet asymptotic."""

RELAXED = 10.0
"""Relaxations of the slowest direction before a window counts as burnt in: a start 1e4 times above the
stationary level has then decayed to 1e4 exp(-2 * 10) = 2e-5 of it."""


def alphas(settings) -> tuple[float, ...]:
    """Decay exponents of the profile."""
    return (0.0, 0.1, 0.25, 0.4, 0.5) if settings.full else (0.0, 0.25, 0.5)


@lru_cache(maxsize=1)
def loss() -> bn.Loss:
    """A Rayleigh quotient with tangent Hessian eigenvalues 1 .. 2 and sign noise; tr S = 1.37."""
    return bn.with_linear_noise(bn.rayleigh(np.r_[0.0, np.linspace(1.0, 2.0, SIZE - 1)]), SIGMA)


def window(steps: int) -> tuple[int, int]:
    """The exponent's window: the last two decades."""
    return steps // 100, steps


@dataclass(frozen=True)
class Plan:
    """What the recursion ``G_{t+1} = G_t + eta_t^2 tr(S)/G_t`` from the start's norm predicts before any run.

    Attributes:
        ends: local exponent of ``sqrt(eta_t/G_t)``, logarithm divided out at alpha = 1/2, at the window's ends.
        relaxed, relaxed_late: relaxations of the slowest direction before the exponent's window and before the
            last decade, which is the amplitude's window.
        lag: first-order lag over the last decade.
        replicas: how many make the amplitude's half-width ``PRECISION``: a direction gives about as many
            independent squares, of relative variance 2, as it relaxes in the last decade.
        closed_form: predicted mean gradient over the last decade, divided by the closed form's (alpha < 1/2).
    """

    ends: tuple[float, float]
    relaxed: float
    relaxed_late: float
    lag: float
    replicas: int
    closed_form: float | None


@lru_cache(maxsize=64)
def plan(eta: float, alpha: float, steps: int) -> Plan:
    """Predictions for one configuration."""
    minimum = loss().facts.minimum
    rates = predictions.effective_rates(minimum, Power(eta, alpha), 1.0, 0, steps)
    low, high = window(steps)
    at = np.array([low, int(low * 1.1), int(high / 1.1), high - 1])
    level = np.log(rates[at])
    if alpha == 0.5:
        level = level + np.log(np.log(at)) / 2
    slopes = np.diff(level)[[0, 2]] / np.diff(np.log(at))[[0, 2]] / 2
    late = rates[steps // 10 :]
    closed = None
    if alpha < 0.5:
        law = predictions.amplitude(minimum, alpha) * np.arange(steps // 10, steps) ** -0.5
        closed = float(np.sum(predictions.gradient(minimum, late)) / np.sum(law))
    independent = (SIZE - 1) * max(1.0, predictions.relaxation(minimum, late))
    wanted = int(np.ceil(2 * (1.96 / PRECISION) ** 2 / independent))
    return Plan(
        tuple(slopes.tolist()),
        predictions.relaxation(minimum, rates[:low]),
        predictions.relaxation(minimum, rates[: steps // 10]),
        predictions.adiabatic_lag(minimum, late),
        max(wanted, 32),
        closed,
    )


def length(eta: float, alpha: float) -> tuple[int, str | None]:
    """The shorter run whose window is asymptotic, or the longer one with the reason why it is not."""
    for steps in (SHORT, LONG):
        found = plan(eta, alpha, steps)
        reason = None
        off = max(abs(slope + 0.25) for slope in found.ends)
        if found.relaxed < RELAXED:
            reason = (
                f"only {found.relaxed:.1f} relaxations before the window at step {window(steps)[0]}, {RELAXED:g} needed"
            )
        elif off > TOLERANCE / 2:
            reason = (
                f"the norm has not outgrown its start: the recursion for |w|^2 has local exponents "
                f"{found.ends[0]:.4f} and {found.ends[1]:.4f} at the ends of steps {window(steps)}, further than "
                f"{TOLERANCE / 2} from -1/4"
            )
        if reason is None:
            return steps, None
    return steps, reason


def not_adiabatic(relaxed: float, lag: float, steps: int) -> str | None:
    """Why the amplitude law does not apply over the last decade of a run, or ``None``."""
    if relaxed < RELAXED:
        return f"only {relaxed:.1f} relaxations before step {steps // 10}, {RELAXED:g} needed"
    if lag > LAG:
        return f"not adiabatic: a lag of {lag:.1%} is predicted up to step {steps}, more than {LAG:.0%}"
    return None


def adiabatic_length(eta: float, alpha: float) -> tuple[int, str | None]:
    """The run whose last decade is adiabatic (the rate's own run if possible), or the longer one and why it is not."""
    wanted, reason = length(eta, alpha)
    for steps in (SHORT, LONG) if reason else (wanted, LONG):
        found = plan(eta, alpha, steps)
        reason = not_adiabatic(found.relaxed_late, found.lag, steps)
        if reason is None:
            break
    return steps, reason


def wanted_replicas(eta: float, alpha: float, steps: int) -> int:
    """As many replicas as what is asked of a configuration needs."""
    wanted = plan(eta, alpha, steps).replicas
    exponent_is_fitted = length(eta, alpha) == (steps, None)
    return max(wanted, REPLICAS[steps]) if exponent_is_fitted else wanted


@lru_cache(maxsize=64)
def run(eta: float, alpha: float, steps: int, seed: int, engine: str):
    """One configuration with the replicas that it needs."""
    settings, wanted = Settings(seed=seed, engine=engine), wanted_replicas(eta, alpha, steps)
    if (eta, alpha) not in configurations(steps) or not workbench.on_gpu(settings, loss()):
        return workbench.run(settings, loss(), bn.SGD(eta, decay=alpha), steps=steps, replicas=wanted)
    return _together(steps, seed, engine)[eta, alpha].isel(replica=slice(wanted))


@lru_cache(maxsize=8)
def configurations(steps: int) -> tuple[tuple[float, float], ...]:
    """The pairs (eta, alpha) of the full profile that some statement runs for so many steps."""
    full = Settings(profile="full")
    grid = [(eta, alpha) for eta in workbench.rates(full) for alpha in alphas(full)]
    return tuple(c for c in grid if steps in (length(*c)[0], adiabatic_length(*c)[0]))


@lru_cache(maxsize=2)
def _together(steps, seed, engine):
    """``{(eta, alpha): run}`` of every configuration of a length in one launch, for a device that is idle with one.

    A case of a batch is, bit for bit, that case alone, and so is a replica.
    """
    chosen = configurations(steps)
    replicas = max(wanted_replicas(*c, steps) for c in chosen)
    eta, alpha = map(list, zip(*chosen, strict=True))
    settings = Settings(seed=seed, engine=engine)
    found = workbench.run(settings, loss(), bn.SGD(eta, decay=alpha), steps=steps, replicas=replicas)
    return {c: found.isel(case=k, drop=True) for k, c in enumerate(chosen)}


def bin_means(dataset, low: float):
    """Mean of ``grad_norm2`` over all steps between neighbouring records from step ``low`` on.

    For geometric bins the mean of ``t^-p`` is ``t_mid^-p`` times the same constant in every bin, so the exponent
    is that of the pointwise mean, with the noise of single steps averaged away.

    Returns:
        ``(t_mid, means)``, shapes ``(bins,)`` and ``(replicas, bins)``.
    """
    t = dataset.step.values
    keep = t >= low
    t, sums = t[keep], dataset.sum_grad_norm2.values[:, keep]
    return np.sqrt(t[1:] * t[:-1]), np.diff(sums, axis=1) / np.diff(t)
