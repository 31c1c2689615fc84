"""Where decay and gradients balance: norm, angle of a step, and how long it takes to get there.

With ``x = lambda eta``, noise whose mean given the last two iterates is 0, and ``L = E|grad L_z|^2`` at unit norm:

    E|w|^2 = eta E|grad L_z(w)|^2 / (lambda (1 - gamma)(2 - x/(1+gamma)))         exact in stationarity
    E|w_{t+1} - w_t|^2 / (2 E|w|^2) = x/(1+gamma)                                 exact in stationarity
    r*^4 = eta L/(lambda (2 - x)), cos(angle) = 1 - x                             gamma = 0, mean field's fixed point
    cos(angle) = 1 - x/(1+gamma), angle^2 about 2 x/(1+gamma)                     small x/(1-gamma)
    (1-gamma) log((k-1)/eps)/(4 x) steps until |w|^4 is within eps after the rate was divided by k    first order in x

Averages are over time and replicas; their intervals come from replicas, which are independent. That a run is long
enough for its averages is checked by the integrated autocorrelation time of ``|w|^2`` (emcee).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from emcee import autocorr

import bn_theory as bn
from bn_theory.errors import DivergedError
from bn_theory.theorems import evidence as judge
from bn_theory.theorems import workbench
from bn_theory.theorems.evidence import Curves
from bn_theory.theorems.intervals import over_seeds
from bn_theory.theorems.li2020 import derived
from bn_theory.theorems.statement import Statement

SIZE, SIGMA = 16, 1.0
GRADIENT2 = SIGMA**2 * (SIZE - 1)
"""``E|grad L_z|^2`` at unit norm of the noise alone, ``sigma^2 (d - 1)``."""
REPLICAS = 64
RECORDS = 2000
"""Pairs of neighbouring steps recorded a run."""
EXACT, MEAN_FIELD = 0.01, 0.01
"""Tolerances. The exact forms are tested to 1 % since each of their factors changes them by more than twice that in
some configuration (the controls leave one out at a time). The mean field at gamma = 0 neglects the variance of the
squared gradient, a relative effect of order ``x Var/L^2``: 0.3 % at x = 0.3 (it is ``d - <v, z>^2``, variance 2)."""
RELAXATION = 0.02
"""Terms of relative order x (0.1 % and less), the buffer's own transient of some ``1/(1-gamma)`` steps (10 of 5600,
0.2 %), the level, a mean over the run's end (0.2 %), and the interval itself, whose half-width is below 1 %."""
DIVIDED, WITHIN = 10.0, 0.1
"""By what the rate is divided, and the distance from the new level, in units of it, up to which time is counted."""
SLOW = 2e-3
"""With momentum the mean angle is that of the second moments, ``E<w, w'>/E|w|^2``, up to the norm's fluctuations, of
relative order ``x/(1 - gamma)``: below 0.2 % where that is below this."""
LENGTHS = 50.0
"""Autocorrelation times that a run must be long; fewer, and their estimate is biased (emcee's own criterion)."""


@dataclass(frozen=True)
class Configuration:
    """A constant rate, decay and momentum."""

    eta: float
    decay: float
    momentum: float

    @property
    def name(self):
        """In words."""
        return f"rate {self.eta:g}, decay {self.decay:g}, momentum {self.momentum:g}"

    @property
    def x(self):
        """``lambda eta``."""
        return self.decay * self.eta

    @property
    def tilted(self):
        """``2 - x/(1 + gamma)``."""
        return 2 - self.x / (1 + self.momentum)

    @property
    def norm4(self):
        """``r*^4`` of the mean field, with momentum too."""
        return self.eta * GRADIENT2 / (self.decay * (1 - self.momentum) * self.tilted)

    def method(self):
        """For ``bn.run``."""
        return bn.SGD(self.eta, weight_decay=self.decay, momentum=self.momentum)


def configurations(settings) -> list[Configuration]:
    """Effective decays a step from 1e-4 to 0.3, with and without momentum."""
    found = [(1.0, 0.1, 0.0), (1.0, 1e-3, 0.0), (1.0, 0.05, 0.9), (1.0, 1e-4, 0.9), (1.0, 0.3, 0.5)]
    if settings.full:
        found += [(1.0, 0.3, 0.0), (10.0, 0.01, 0.0), (1.0, 1e-3, 0.5)]
    return [Configuration(*c) for c in found]


def noise_loss() -> bn.Loss:
    """Nothing but noise: the full loss is 1/2 everywhere and its gradient 0, so that gradients have mean 0."""
    return bn.with_linear_noise(bn.rayleigh(np.ones(SIZE)), SIGMA)


@dataclass(frozen=True)
class Stationary:
    """Averages over time of every replica, shape ``(replicas,)``, with records' autocorrelation time in steps."""

    norm2: np.ndarray
    norm4: np.ndarray
    gradient2: np.ndarray
    step2: np.ndarray
    one_minus_cos: np.ndarray
    time: float
    length: float


def stationary(loss, c: Configuration, settings) -> Stationary:
    """Run from twice the mean field's norm, forget that, average over pairs of neighbouring steps.

    After 20 relaxations the start's excess of 15 in ``|w|^4`` is ``15 e^-20``. (It is there so that a start that is not
    forgotten shows.)
    """
    # Relaxation takes (1 - gamma)/(4 x) steps; x = 1e-3 asks for the longest run.
    relaxation = max(1.0, (1 - c.momentum) / (4 * c.x))
    burn = int(20 * relaxation + 10 / (1 - c.momentum))
    # The autocorrelation time is about 1.6 relaxations (seen): twice the wanted length and more.
    stride = max(2, int(4 * relaxation * LENGTHS / RECORDS), 20 if settings.full else 10)
    at = burn + stride * np.arange(RECORDS)
    start = workbench.random_state(loss, settings.seed, REPLICAS, 2 * c.norm4**0.25)["w"][0]
    records = np.unique(np.r_[at, at + 1])
    run = workbench.run(settings, loss, c.method(), start, steps=int(records[-1]), replicas=REPLICAS, record=records)
    first = np.searchsorted(run.step.values, at)
    norm2, path = run.norm2.values, run.sum_step2.values
    now, then, step2 = norm2[:, first], norm2[:, first + 1], path[:, first + 1] - path[:, first]
    inner = (now + then - step2) / 2
    time = float(autocorr.integrated_time(now.T, quiet=True)[0]) * stride
    return Stationary(
        norm2=now.mean(axis=1),
        norm4=(now**2).mean(axis=1),
        gradient2=run.step_grad2.values[:, first].mean(axis=1),
        step2=step2.mean(axis=1),
        one_minus_cos=(1 - inner / np.sqrt(now * then)).mean(axis=1),
        time=time,
        length=stride * RECORDS / time,
    )


def _over_replicas(name, ratio, tolerance, found: Stationary, **details):
    """Mean over replicas, 95 % by Student's t: each replica is an average over many autocorrelation times.

    Where it is not, nothing is decided.
    """
    interval = over_seeds(ratio) if found.length >= LENGTHS else (-np.inf, np.inf)
    details |= {"autocorrelation_steps": found.time, "autocorrelation_times_a_replica": found.length}
    return judge.amplitude(name, interval, tolerance, **details)


def norm_claim(name, c, found, momentum_factor=True, tilted=None):
    """``E|w|^2 lambda (1-gamma)(2 - x/(1+gamma)) / (eta E|grad|^2)``; controls leave out or replace a factor."""
    factor = (1 - c.momentum if momentum_factor else 1.0) * (c.tilted if tilted is None else tilted)
    return _over_replicas(name, found.norm2 * c.decay * factor / (c.eta * found.gradient2), EXACT, found)


def step_claim(name, c, found, momentum_factor=True):
    """``E|w_{t+1} - w_t|^2 (1 + gamma)/(2 x E|w|^2)``."""
    factor = 1 + c.momentum if momentum_factor else 1.0
    return _over_replicas(name, found.step2 * factor / (2 * c.x * found.norm2), EXACT, found)


def fourth_power_claim(name, c, found):
    """``E|w|^4/r*^4``: the mean field's, at gamma = 0."""
    return _over_replicas(name, found.norm4 / c.norm4, MEAN_FIELD, found)


def angle_claim(name, c, found):
    """``E(1 - cos(angle)) (1 + gamma)/x``: of the mean field at gamma = 0, with momentum where x is small."""
    return _over_replicas(name, found.one_minus_cos * (1 + c.momentum) / c.x, MEAN_FIELD, found)


@dataclass(frozen=True)
class Relaxed:
    """A run after its rate was divided.

    Attributes:
        t: records, steps since then, ``(records,)``.
        excess: ``(E|w|^2)^2`` over its new level minus 1, of batches of replicas, ``(batches, records)``.
        predicted: steps until it is ``WITHIN``.
    """

    t: np.ndarray
    excess: np.ndarray
    predicted: float


def relaxed(c: Configuration, settings, factor=1.0, divided=DIVIDED) -> Relaxed:
    """From the stationary state at the larger rate; ``c`` has the new one. Sixteen batches of sixteen replicas."""
    loss, batches = noise_loss(), 16
    predicted = factor * (1 - c.momentum) * np.log((divided - 1) / WITHIN) / (4 * c.x)
    old = Configuration(divided * c.eta, c.decay, c.momentum)
    settle = int(10 * (1 - c.momentum) / (4 * old.x) + 10 / (1 - c.momentum))
    steps = settle + int(4 * predicted)
    records = np.unique(np.r_[settle + np.linspace(0, 4 * predicted, 400).astype(int), steps])
    start = workbench.random_state(loss, settings.seed, 16 * batches, old.norm4**0.25)["w"][0]
    method = bn.SGD(bn.StepDecay(old.eta, {settle: 1 / divided}), weight_decay=c.decay, momentum=c.momentum)
    run = workbench.run(settings, loss, method, start, steps=steps, replicas=16 * batches, record=records)
    square = run.norm2.values.reshape(batches, 16, -1).mean(axis=1) ** 2
    t = run.step.values - settle
    # The last quarter is past three of the predicted times: (eps/(k-1))^3 of the old level is left.
    level = square[:, t > 3 * predicted].mean()
    return Relaxed(t, square / level - 1, float(predicted))


def relaxation_claim(name, found: Relaxed):
    """Steps until ``(E|w|^2)^2`` is ``WITHIN`` of its new level after the rate was divided, over the prediction.

    Every batch of replicas gives a time.
    """
    times = [_crossing(found.t, y, WITHIN) for y in found.excess]
    steps = {"predicted_steps": found.predicted, "measured_steps": float(np.mean(times))}
    return judge.amplitude(name, over_seeds(np.array(times) / found.predicted), RELAXATION, **steps)


def _crossing(t, excess, eps):
    """Where ``log(excess)`` falls through ``log(eps)``: a line through the records between 3 eps and eps/3."""
    near = (excess < 3 * eps) & (excess > eps / 3) & (np.cumsum(excess <= eps / 3) == 0)
    slope, offset = np.polyfit(t[near], np.log(excess[near]), 1)
    return (np.log(eps) - offset) / slope


def evidence(settings):
    """Exact and mean-field forms at every configuration, on pure noise and (gamma = 0) with a drift; controls."""
    losses = {"noise": noise_loss()}
    losses["noise and drift"] = bn.with_linear_noise(bn.rayleigh(np.linspace(0.0, 1.0, SIZE)), SIGMA)
    kept = {}
    for c in configurations(settings):
        for name, loss in losses.items():
            if name != "noise" and c.momentum:
                # E<w_{t-1}, grad_t> is then not 0: the drift remembers the buffer.
                continue
            found = kept[c, name] = stationary(loss, c, settings)
            where = f"{name}: {c.name}"
            yield norm_claim(f"{where}: E|w|^2", c, found)
            yield step_claim(f"{where}: E<w, w'>", c, found)
            if name == "noise" and not c.momentum:
                yield fourth_power_claim(f"{where}: E|w|^4", c, found)
            if name == "noise" and (not c.momentum or c.x <= SLOW * (1 - c.momentum)):
                yield angle_claim(f"{where}: angle", c, found)
    runs = {c: relaxed(c, settings) for c in (Configuration(0.1, 0.01, 0.0), Configuration(0.02, 1e-3, 0.9))}
    for c, found in runs.items():
        yield relaxation_claim(_relaxation(c), found)
    yield from _curves(runs, kept)
    yield from _controls(kept, settings)


def _relaxation(c):
    return f"relaxation after the rate fell by 10: {c.name}"


def _curves(runs, kept):
    """The norm on its way to the new level; measured over predicted norms of all stationary runs."""
    yield Curves(
        "relaxation",
        f"The norm after the learning rate was divided by {DIVIDED:g}: mean of sixteen batches of sixteen replicas, "
        "and their range. It takes the predicted number of steps.",
        {
            "curves": {
                c.name: {
                    "t": found.t,
                    "excess": found.excess.mean(axis=0),
                    "low": np.min(found.excess, axis=0),
                    "high": np.max(found.excess, axis=0),
                    "predicted": found.predicted,
                }
                for c, found in runs.items()
            },
            "divided": DIVIDED,
            "within": WITHIN,
            "supports": [_relaxation(c) for c in runs],
        },
    )
    yield Curves(
        "ratios",
        "Stationary mean squared norm over its prediction, a row for each configuration that was run.",
        {"supports": [f"{name}: {c.name}: E|w|^2" for c, name in kept]},
    )


def _controls(kept, settings):
    plain, heavy, strong = (Configuration(1.0, *c) for c in ((0.1, 0.0), (0.05, 0.9), (0.3, 0.5)))
    found = kept[heavy, "noise"]
    yield judge.control(fourth_power_claim("E|w|^4 is the mean field's, momentum 0.9", heavy, found))
    yield judge.control(norm_claim("E|w|^2 without (1 - gamma)", heavy, found, momentum_factor=False))
    yield judge.control(norm_claim("E|w|^2 with 2 for 2 - x", plain, kept[plain, "noise"], tilted=2.0))
    wrong = norm_claim("E|w|^2 with 2 - x for 2 - x/(1 + gamma)", strong, kept[strong, "noise"], tilted=2 - strong.x)
    yield judge.control(wrong)
    yield judge.control(step_claim("E<w, w'> without 1/(1 + gamma)", heavy, found, momentum_factor=False))
    slow = Configuration(0.1, 0.01, 0.0)
    yield judge.control(relaxation_claim("relaxation twice as slow", relaxed(slow, settings, factor=2.0)))
    try:
        twin = stationary(noise_loss().unnormalised, plain, settings)
    except DivergedError as error:
        yield judge.control(judge.diverged("a loss that is not scale-invariant", "amplitude", error))
    else:
        yield judge.control(norm_claim("a loss that is not scale-invariant", plain, twin))


STATEMENT = Statement(
    "li2020.equilibrium",
    "Decay and gradients balance: norm, angle of a step and relaxation time, with and without momentum",
    derived("equilibrium under weight decay (momentum: also Wan et al., arXiv:2006.08419, to first order)"),
    evidence,
)
