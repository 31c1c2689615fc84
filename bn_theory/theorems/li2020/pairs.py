"""A run with weight decay and a run without it, step by step: equal up to rounding, or not.

How far rounding may carry two runs apart depends on how the dynamics amplifies it, so that is measured: a third run has
noise of known size ``J`` added to its gradient (at unit norm ``J (I - v v^T) y``, signs ``y``), which moves the
direction by about ``J sqrt(d-1) Phi_t`` a step, ``Phi_t = eta_t/|w_t|^2``. Rounding moves it by at most

    u (1 + (6 + 2 max|log p|) s_t + k Phi_t)

in a step of relative length ``s_t = |w_{t+1} - w_t|/|w_t|``: one rounding of the weights, six of the products and of
the coefficients (and those of ``log p`` in the rate), and ``k u`` of the gradient at unit norm
(``workbench.condition``). Without decay the weights grow by up to ``g = max p_t/p_{t+1}`` more a step: ``s_t`` is then
up to ``g (1 + s_t) - 1``. Both runs round. The bound is the third run's largest deviation so far, times the largest
ratio of the two, times 4, since the added noise is random where rounding might not be. Where the rate is near 0 (the
first steps of a warm-up, the last of a cosine) the added noise is nothing and so is all motion: what rounds there is
added up as it is. The bound is an estimate (amplification is sampled, not bounded); the deviations seen are a hundredth
of it and less, those of the controls a hundred thousand times it and more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import sympy

import bn_theory as bn
from bn_theory.dynamics.equivalent import EquivalentSchedule
from bn_theory.errors import DivergedError
from bn_theory.theorems import evidence as judge
from bn_theory.theorems import workbench
from bn_theory.theorems.evidence import Curves

JITTER = 2.0**-30
"""Size of the added noise: its deviation is far above rounding and small enough to be linear."""
SAFETY = 4.0
SLOW = 0.05
"""A step whose ``Phi_t`` is below this part of the run's largest one counts as one that moves nothing."""
FINITE = 60
"""Steps of a control without scale invariance, which leaves the finite numbers later on."""
GAMMA_RATE = 0.1
"""Learning rate of a scale-variant parameter, which neither decays nor has an equivalent rate."""


@dataclass(frozen=True)
class Schedules:
    """What a run with decay is given.

    Attributes:
        name: in words.
        lr, weight_decay, momentum: as ``bn.SGD`` takes them.
        steps: of the run.
    """

    name: str
    lr: object
    weight_decay: object
    momentum: object
    steps: int

    def decayed(self, loss, sampled=True, decay_all=False):
        """The method with decay; scale-variant parameters do not decay, but for a control."""
        rates = {None: self.lr} | dict.fromkeys(loss.parameters, GAMMA_RATE)
        decays = {None: self.weight_decay} | dict.fromkeys(() if decay_all else loss.parameters, 0.0)
        return (bn.SGD if sampled else bn.GD)(rates, weight_decay=decays, momentum=self.momentum)

    def equivalent(self) -> EquivalentSchedule:
        """The schedule without decay."""
        return bn.equivalent_schedule(self.lr, self.weight_decay, self.momentum, steps=self.steps)


def losses(settings) -> dict[str, bn.Loss]:
    """One group, two groups, and a batch-normalised unit on real data with a scale that is not scale-invariant."""
    found = {
        "rayleigh": bn.with_linear_noise(bn.rayleigh(np.linspace(0.0, 1.0, 16)), 0.3),
        "least squares BN, diabetes": bn.with_linear_noise(bn.least_squares_bn(*workbench.diabetes()), 0.2),
    }
    if settings.full:
        found["bilinear"] = bn.with_linear_noise(bn.bilinear(np.linspace(0.1, 1.0, 6)), 0.3)
    return found


def free(loss, schedule: EquivalentSchedule, sampled=True):
    """The method without decay."""
    return schedule.method(sampled=sampled, others=dict.fromkeys(loss.parameters, GAMMA_RATE))


def with_rate_exponent_2t(schedule: EquivalentSchedule) -> EquivalentSchedule:
    """A control: ``eta_t/p_t^2`` in place of ``eta_t/(p_t p_{t+1})``."""
    return replace(schedule, eta=schedule.eta * np.exp(np.diff(schedule.log_p)))


def jittered(loss: bn.Loss, size: float) -> bn.Loss:
    """The loss with further noise ``size <y, w>/|w|`` for every group; the noise that it has keeps its bits.

    For a loss without normalisation it is ``size <y, w>``.
    """
    expression = loss.expression
    for g in loss.groups:
        w = loss.symbols[g]
        # Streams are numbered by name: after all others.
        y = bn.noise(f"zz_{g}")
        norm = sympy.sqrt(bn.total(w**2)) if g in loss.scale_invariant_groups else 1
        expression += sympy.Float(size) * bn.total(y * w) / norm
    sizes = {g: loss.dimensions[g] for g in loss.groups}
    return bn.Loss(expression, **loss.data).sized(sizes).replace(start=loss.start, name=f"{loss.name}, jittered")


@dataclass(frozen=True, eq=False)
class Compared:
    """Two runs at the same records, and how far rounding may have carried them apart.

    Attributes:
        t: recorded steps, ``(records,)``.
        runs: ``{"loss": (first, second), "grad_norm2": ...}``, each ``(replicas, records)``.
        bounds: of their absolute differences, ``{name: (replicas, records)}``.
        distance: of the final directions, the largest of all replicas.
        distance_bound: of that.
        log_growth: by what the logarithm of the second one's rate has grown.
    """

    t: np.ndarray
    runs: dict[str, tuple[np.ndarray, np.ndarray]]
    bounds: dict[str, np.ndarray]
    distance: float
    distance_bound: float
    log_growth: float

    def difference(self, what: str) -> np.ndarray:
        """``|second - first|`` of ``"loss"`` or ``"grad_norm2"``, ``(replicas, records)``."""
        one, two = self.runs[what]
        return np.abs(two - one)


def compare(loss, decayed, other, log_p, settings, *, steps, replicas=8) -> Compared:
    """Loss and gradient norm at every record, and final directions, of two runs, with the bounds of the differences.

    Args:
        decayed, other: the two methods.
        log_p: ``log p_t`` of the second, for the rounding of its rates.

    Raises:
        DivergedError: one of the runs leaves the finite numbers.
    """
    records = "all" if steps <= 4000 else "log"
    options = {"steps": steps, "replicas": replicas, "record": records}
    runs = [
        workbench.run(settings, *arguments, start=_start(loss, settings, replicas), **options)
        for arguments in ((loss, decayed), (loss, other), (jittered(loss, JITTER), _sampled(decayed)))
    ]
    ratio, slow = _rounding(loss, runs[0], decayed, log_p, settings)
    values, bounds = {}, {}
    for what in ("loss", "grad_norm2"):
        one, two, third = (run[what].values for run in runs)
        # the largest so far, of all replicas
        amplified = np.maximum.accumulate(np.max(np.abs(third - one), axis=0))
        values[what] = one, two
        bounds[what] = SAFETY * (ratio * amplified + slow) + _evaluation(loss, runs[0], what)
    directions = [_directions(loss, run) for run in runs]
    distance = np.max(np.linalg.norm(directions[1] - directions[0], axis=-1))
    amplified = np.max(np.linalg.norm(directions[2] - directions[0], axis=-1))
    limit = SAFETY * (ratio * amplified + slow[-1]) + 4 * workbench.EPS
    return Compared(runs[0].step.values, values, bounds, float(distance), float(limit), float(-2 * log_p[-1]))


def judged(name, found: Compared, **details):
    """An ``identity``: the largest difference over its bound, of loss, gradient norm and final directions."""
    deviations = {what: judge.largest((found.difference(what) / bound).ravel()) for what, bound in found.bounds.items()}
    deviations["directions"] = judge.largest([found.distance / found.distance_bound])
    figures = {"distance_of_directions": found.distance, "bound_of_directions": found.distance_bound}
    figures |= {"steps": int(found.t[-1])} | {f"{what}_over_bound": value for what, value in deviations.items()}
    figures |= {"log_growth_of_rate": found.log_growth}
    worst = judge.largest(deviations.values())
    return judge.identity(name, worst, 1.0, unit="the rounding bound", **figures, **details)


def equal(name, loss, decayed, other, log_p, settings, *, steps, replicas=8, **details):
    """Two runs compared and judged; arguments as of :func:`compare`.

    Returns:
        an ``identity``, contradicted too where one of the runs leaves the finite numbers.
    """
    try:
        found = compare(loss, decayed, other, log_p, settings, steps=steps, replicas=replicas)
    except DivergedError as error:
        return judge.diverged(name, "identity", error)
    return judged(name, found, **details)


def curves(caption, schedule, supports, records=300) -> Curves:
    """The rates of a schedule and ``p_t`` by their logarithms to base 10, evenly thinned, with both sides of its jumps.

    Args:
        schedule: ``EquivalentSchedule``. supports: names of the evidence that the figure shows.
    """
    jumps = np.flatnonzero(np.diff(schedule.eta))
    even = np.linspace(0, schedule.length - 1, min(records, schedule.length)).round().astype(int)
    t = np.unique(np.r_[even, jumps, jumps + 1])
    with np.errstate(divide="ignore"):
        given = np.log10(schedule.eta[t])
    data = {"t": t, "given": given, "free": schedule.log_lr[t] / np.log(10), "p": schedule.log_p[t] / np.log(10)}
    return Curves("equivalent_schedule", caption, data | {"steps": schedule.length, "supports": supports})


def distance(loss, decayed, other, settings, *, steps, replicas):
    """Largest deviation of the loss over all steps, per replica."""
    runs = [
        workbench.run(settings, loss, m, _start(loss, settings, replicas), steps=steps, replicas=replicas, record="all")
        for m in (decayed, other)
    ]
    return np.max(np.abs(runs[1].loss.values - runs[0].loss.values), axis=-1)


def _start(loss, settings, replicas):
    """Unit norm, parameters in [-1, 1]."""
    return {n: v[0] for n, v in workbench.random_state(loss, settings.seed, replicas).items()}


def _sampled(method):
    """The jittered run is stochastic also where the other two follow the full loss."""
    return replace(method, sampled=True)


def _directions(loss, run):
    w = [run[f"final_{g}"].values for g in loss.groups]
    return np.concatenate([v / np.linalg.norm(v, axis=-1, keepdims=True) for v in w], axis=-1)


def _rounding(loss, run, method, log_p, settings):
    """What rounding does to a direction in a step over what the added noise does, the largest such ratio of the steps
    that move; and the sum of what it does in the others, up to every record."""
    k = workbench.condition(loss, settings.seed)
    growth, largest = float(np.exp(np.max(-np.diff(log_p)))), float(np.max(np.abs(log_p)))
    t = run.step.values
    ratio, slow = 0.0, np.zeros(len(t))
    for i, g in enumerate(loss.groups):
        norm2, path = (
            (run[name].isel(group=i) if "group" in run[name].dims else run[name]).values
            for name in ("norm2", "sum_step2")
        )
        rates = method.schedule(g).values(0, int(t[-1]) + 1)[0, t]
        phi = rates / norm2
        # between sparse records, the root mean square
        relative = growth * (1 + np.sqrt(np.diff(path, axis=-1) / np.diff(t) / norm2[:, :-1])) - 1
        phi = phi[:, :-1]
        moving = phi > SLOW * np.max(phi, axis=-1, keepdims=True)
        rounding = 2 * workbench.EPS / 2 * (1 + (6 + 2 * largest) * relative + k * phi)
        added = JITTER * np.sqrt(loss.dimensions[g] - 1) * phi
        ratio = max(ratio, float(np.max(rounding[moving] / added[moving], initial=0.0)))
        slow[1:] += np.max(np.cumsum(np.where(moving, 0.0, rounding * np.diff(t)), axis=-1), axis=0)
    return ratio, slow


def _evaluation(loss, run, what):
    """Rounding of two evaluations at equal directions, of numbers of size 1 and of the gradient's own size."""
    if what == "loss":
        return 2 * (max(loss.dimensions.values()) + 16) * workbench.EPS * (1 + np.abs(run.loss.values))
    grad2 = run.grad_norm2.values
    return 4 * (max(loss.dimensions.values()) + 16) * workbench.EPS * (grad2 + np.sqrt(grad2))
