"""Training a direction on the sphere is plain SGD at the rates ``eta_t |w_t|^2``: run both, step by step.

    |w_t|^2 = |w_0|^2 prod_{k<t} (1 + eta_k^2 |grad L_k(v_k)|^2)          the norms of the plain run
    |w_t|^2 = |w_0|^2 (1 + eta^2)^t                                       steps of one relative size eta
    rates G eta_t/R_t, decays (R_t - 1)/(G eta_t)                         the same directions at a kept norm |w|^2 = G

The run on the sphere records every step, its equivalent rates are computed from that record, and the plain run on the
same samples must have its losses, gradients and directions up to rounding (bounds as in
:mod:`bn_theory.theorems.li2020.pairs`). How rounding is amplified is measured on the plain run: its norm remembers
every deviation, where the run on the sphere forgets it, and at large rates it can be unstable where that one is not.
Rates above 2 over the curvature are among them: equality does not ask for convergence. Those runs are short, since the
norms grow exponentially; where ``|w|^4`` would leave float64 a configuration does not count.
"""

from __future__ import annotations

import numpy as np

import bn_theory as bn
from bn_theory import decoupling
from bn_theory.theorems import evidence as judge
from bn_theory.theorems import workbench
from bn_theory.theorems.evidence import Outside
from bn_theory.theorems.li2020 import pairs
from bn_theory.theorems.md_decoupling2026 import derived, sphere_runs
from bn_theory.theorems.statement import Statement

STEPS, SHORT, SHORTEST = 400, 50, 25
FEW = 5
"""Steps of the twin, whose norm grows faster than exponentially at such rates."""
RATES_QUICK, RATES_FULL = (0.3, 3.0), (0.03, 0.3, 1.0, 3.0, 30.0)
"""The losses' curvatures are about 1."""
LARGEST = 300.0
"""Largest ``log |w|^2`` of a plain run: losses and gradients hold powers of the norm up to the fourth, and float64 ends
at e^709."""
SIZE = 0.1
"""Relative size of the normalised steps."""
NORM2 = 4.0
"""``|w|^2`` that the decay keeps; the start is multiplied to have it."""


def losses(settings) -> dict[str, bn.Loss]:
    """With noise (run by SGD) and without (by GD), one and two groups, real data."""
    found = workbench.separable_losses()
    return found if settings.full else {n: found[n] for n in ("least_squares_bn, diabetes", *_NOISY)}


_NOISY = ("rayleigh with noise", "bilinear with noise")


def steps_of(rate: float) -> int:
    """How many steps a run has: fewer at rates at which the norm grows by a large factor a step."""
    return STEPS if rate < 1 else SHORT if rate < 10 else SHORTEST


def _method(loss, rates, **options):
    """GD for a loss without noise, SGD for one with it; parameters at a rate of their own."""
    return (bn.SGD if loss.noises else bn.GD)(rates | dict.fromkeys(loss.parameters, pairs.GAMMA_RATE), **options)


def on_sphere(loss, rate):
    """The direction's steps at one rate: ``bn.run`` rescales every group to its norm after a step."""
    return _method(loss, dict.fromkeys(loss.groups, rate), projected=True)


def recorded(loss, rate, settings, steps) -> dict[str, np.ndarray]:
    """``|grad L_t(v_t)|^2`` of every group along the run on the sphere, shape ``(steps,)`` each."""
    start = sphere_runs.start(loss, settings)
    run = workbench.run(settings, loss, on_sphere(loss, rate), start, steps=steps, replicas=1, record="all")
    return _slopes(loss, run, steps)


def _slopes(loss, run, steps) -> dict[str, np.ndarray]:
    slopes = run.step_grad2
    return {
        g: (slopes.isel(group=i) if "group" in slopes.dims else slopes).values[0, :steps]
        for i, g in enumerate(loss.groups)
    }


def overflows(loss, rate, settings) -> str | None:
    """Why the plain run leaves float64, or ``None``; found from the run on the sphere."""
    growth = max(float(np.log(one.norm2[-1])) for one in equivalent(loss, rate, settings).values())
    if growth <= LARGEST:
        return None
    return f"|w|^2 grows to e^{growth:.0f}, and |w|^4 leaves float64 (e^709): take fewer steps or a smaller rate"


def equivalent(loss, rate, settings) -> dict[str, decoupling.EquivalentRates]:
    """The plain run's rates and norms of every group."""
    steps = steps_of(rate)
    slopes = recorded(loss, rate, settings, steps)
    return {g: decoupling.equivalent_rates(np.full(steps, rate), n2) for g, n2 in slopes.items()}


def pair(loss, rate, settings, power=1.0):
    """``(plain method, method on the sphere, log p)``, as :func:`bn_theory.theorems.li2020.pairs.compare` takes them.

    Args:
        power: the plain rates are ``eta |w_t|^(2 power)``; 1, but for controls.
    """
    found = equivalent(loss, rate, settings)
    rates = {g: bn.Table(rate * one.norm2[:-1] ** power) for g, one in found.items()}
    # |w_t| = 1/p_t in the terms of that bound; with several groups all their growth together
    log_p = -sum(np.log(one.norm2) for one in found.values()) / 2
    return _method(loss, rates), on_sphere(loss, rate), log_p


def claim(name, loss, rate, settings, power=1.0):
    """The plain run and the run on the sphere; arguments as of :func:`pair`."""
    plain, sphere, log_p = pair(loss, rate, settings, power)
    return pairs.equal(name, loss, plain, sphere, log_p, settings, steps=steps_of(rate), replicas=1, rate=rate)


def kept_norm_claim(name, loss, rate, settings):
    """The run on the sphere and SGD with the decays that keep the norm, at unit norm."""
    steps = steps_of(rate)
    rates, decays = {}, dict.fromkeys(loss.parameters, 0.0)
    for g, slopes in recorded(loss, rate, settings, steps).items():
        given, decay = decoupling.norm_keeping_decay(np.full(steps, rate), slopes)
        rates[g], decays[g] = bn.Table(given), bn.Table(decay)
    other = _method(loss, rates, weight_decay=decays)
    return pairs.equal(
        name, loss, other, on_sphere(loss, rate), np.zeros(steps + 1), settings, steps=steps, replicas=1
    )  # fmt: skip


def norm_claim(name, loss, rate, settings, constant=None):
    """``|w|^2`` under the decays that keep ``G = NORM2``: the largest relative deviation over its rounding.

    Args:
        constant: a decay in place of the right ones, for a control.
    """
    steps = steps_of(rate)
    start = sphere_runs.start(loss, settings)
    start |= {g: np.sqrt(NORM2) * start[g] for g in loss.groups}
    slopes = recorded(loss, rate, settings, steps)
    found = {g: decoupling.norm_keeping_decay(np.full(steps, rate), n2, NORM2) for g, n2 in slopes.items()}
    decays = {g: bn.Table(decay if constant is None else np.full(steps, constant)) for g, (_, decay) in found.items()}
    method = _method(
        loss,
        {g: bn.Table(given) for g, (given, _) in found.items()},
        weight_decay=decays | dict.fromkeys(loss.parameters, 0.0),
    )
    run = workbench.run(settings, loss, method, start, steps=steps, replicas=1, record="all")
    # A step's norm errs by some d roundings and by those of the gradients, k u Phi of each run. Both runs' directions
    # differ by rounding, too, and so do their squared gradients: eta^2 times that difference, which both have recorded.
    # A deviation of |w|^2 is multiplied by at most 1 in size a step, so those of all steps add up at most.
    d = max(loss.dimensions.values())
    unit = workbench.EPS / 2 * (2 * d + 32 + 2 * workbench.condition(loss, settings.seed) * rate)
    apart = sum(np.sum(np.abs(NORM2 * n2 - slopes[g])) for g, n2 in _slopes(loss, run, steps).items())
    limit = unit * steps + (0.0 if constant else rate**2 * apart)
    return judge.identity(name, float(np.max(np.abs(run.norm2.values / NORM2 - 1)) / limit), 1.0)


def plain_pair(loss, settings, one):
    """The plain run at the rates that are equivalent to a run on the sphere, and the same with added noise."""
    rates = decoupling.equivalent_rates(one.rates, one.gradient_norm2).rates
    both = loss, pairs.jittered(loss, pairs.JITTER)
    return tuple(sphere_runs.plain(each, settings, rates, one.rates.shape[1]) for each in both)


def relative_claims(prefix, loss, settings):
    """Steps of one relative size: the plain run's directions, and its norm ``(1 + eta^2)^(t/2)``."""
    one = sphere_runs.on_sphere(loss, settings, SIZE, STEPS, relative=True)
    plain, jittered = plain_pair(loss, settings, one)
    yield sphere_runs.same_directions(f"{prefix}: directions", loss, settings, plain, one, jittered)
    growth = np.arange(STEPS + 1) * np.log1p(SIZE**2)
    # Every step rounds the norm by some d roundings, and by those of the gradient against the weights.
    unit = workbench.EPS / 2 * (2 * max(loss.dimensions.values()) + 32) * (1 + SIZE)
    error = np.max(np.abs(np.log(plain.norm2) - growth)) / (unit * STEPS)
    yield judge.identity(f"{prefix}: |w_t|^2 = (1 + eta^2)^t", float(error), 1.0, log_growth=float(growth[-1]))


def gain_claim(name, loss, settings, rate, gain, gain_rate, steps=STEPS):
    """Directions with a gain that is trained, against those without: from another start and at another rate."""
    one, jittered = (
        sphere_runs.on_sphere(each, settings, rate, steps) for each in (loss, pairs.jittered(loss, pairs.JITTER))
    )
    other = sphere_runs.on_sphere(loss, settings, rate, steps, gain=gain, gain_rate=gain_rate)
    moved = float(np.max(np.abs(np.sqrt(other.norm2) / gain - 1)))
    return sphere_runs.same_directions(name, loss, settings, one, other, jittered, gain_moved_by=moved)


def numpy_claim(name, loss, settings, rate, steps=SHORT):
    """The equivalence in NumPy, for losses whose groups ``bn.run`` does not project: a control's."""
    one = sphere_runs.on_sphere(loss, settings, rate, steps)
    plain, jittered = plain_pair(loss, settings, one)
    return sphere_runs.same_directions(name, loss, settings, plain, one, jittered)


def evidence(settings):
    """Every loss at every rate, the form with decay, one relative size, gains; controls."""
    found = losses(settings)
    for name, loss in found.items():
        for rate in RATES_FULL if settings.full else RATES_QUICK:
            case = f"{name}: plain run at eta |w|^2, rate {rate:g}"
            if reason := overflows(loss, rate, settings):
                yield Outside(case, reason)
            else:
                yield claim(case, loss, rate, settings)
    rayleigh = found["rayleigh with noise"]
    for rate in RATES_QUICK:
        where = f"rayleigh with noise, rate {rate:g}"
        yield kept_norm_claim(f"{where}: decay that keeps the norm", rayleigh, rate, settings)
        yield norm_claim(f"{where}: the norm is kept", rayleigh, rate, settings)
    yield from relative_claims(f"steps of relative size {SIZE:g}", rayleigh, settings)
    for name, loss in found.items():
        for gain, gain_rate in ((3.0, 0.1), (0.5, 10.0)):
            # in quick, one configuration for all but one loss
            if settings.full or loss is rayleigh or gain_rate > 1:
                where = f"{name}: gain from {gain:g} at rate {gain_rate:g}"
                yield gain_claim(f"{where} changes nothing", loss, settings, 0.3, gain, gain_rate)

    yield judge.control(claim("constant rate", rayleigh, 0.3, settings, 0.0))
    yield judge.control(claim("eta |w| in place of eta |w|^2", rayleigh, 0.3, settings, 0.5))
    yield judge.control(norm_claim("a constant decay keeps the norm", rayleigh, 0.3, settings, 0.1))
    twin = rayleigh.unnormalised
    yield judge.control(
        gain_claim("twin: a gain that is trained changes nothing", twin, settings, 0.3, 1.0, 0.1, SHORT)
    )
    yield numpy_claim("rayleigh with noise: plain run at eta |w|^2 in NumPy", rayleigh, settings, 0.3)
    yield judge.control(numpy_claim("twin: plain run at eta |w|^2 in NumPy", twin, settings, 0.3, FEW))


STATEMENT = Statement(
    "md_decoupling2026.equivalent_schedule",
    "Training direction and gain at separate rates is SGD at eta_t |w_t|^2, and SGD with a decay that keeps the norm",
    derived("which schedule of plain training it is"),
    evidence,
)
