"""GD with a fixed learning rate of any size: the gradient norm falls like ``T^-1/2`` or faster.

The theorem is an upper bound. For one fixed loss the norm stays bounded, so ``sum_t |grad L(V_t)|^2`` is finite and
every single run is faster than ``T^-1/2`` in the end: a fit of one run against -1/2 proves nothing. What can be
measured honestly: the explicit bound and a one-sided exponent on every run; sharpness by the envelope over a
family of losses, whose exponent is exactly -1/2 with a known amplitude; and a family with known exponents
``-(1+s)/2``, the same at every learning rate.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import bn_theory as bn
from bn_theory import bounds
from bn_theory.errors import DivergedError, NoPowerLawError, TruncatedGridError
from bn_theory.rates import envelope, envelope_amplitude, fit_exponent
from bn_theory.theorems import evidence as judge
from bn_theory.theorems import workbench
from bn_theory.theorems.arora2019 import paper
from bn_theory.theorems.evidence import Curves
from bn_theory.theorems.statement import Statement

RATE = -0.5
PARAMETER_RATE = 0.5

ENVELOPE_STEPS = 10**5
ENVELOPE_TOLERANCE, AMPLITUDE_TOLERANCE = 0.002, 0.01
SHOWN = (1.0, 0.1)
"""Rate and angle of the envelope that is drawn."""
PER_DECADE = 40
"""Grid points per decade of lambda: the parabola through the top then errs by less than 1e-6 in the maximum."""

FAMILY_STEPS = 10**6
FAMILY_WINDOW = (2e4, 1e6)
"""Where ``1/largest << tau << 1/smallest`` (1 and 1e10) for every rate: before it the norm still grows at rate
100 and the top of the spectrum still shows, after it the run ends."""
FAMILY_S = (1.0, 0.5, 0.2, 0.1)


def family_tolerance(eta: float) -> float:
    """At rate 100 the norm is still settling at the window's start."""
    return 0.012 if eta > 10 else 0.003


def _by_group(dataset, loss, name):
    array = dataset[name]
    return {g: (array.sel(group=g) if "group" in array.dims else array).values for g in loss.groups}


def bound_claim(name, loss, lr, dataset, weaker=1.0):
    """All of the theorem's inequalities on one run, over all steps and not only at the records.

    ``norm2``         growth ``G_T - G_0`` over the bound's
    ``sum``           ``sum_t |grad|^2`` over the bound, which holds for every T: hence for every minimum too
    ``a_posteriori``  smallest ``|grad|^2`` over the bound with the measured norms
    ``restarted``     the same over the best a-priori bound restarted at a record

    Slack, for each by itself: a measured growth is a difference of numbers that carry ``(d + 16) u`` and ``2 u`` a
    step; it is used where it exceeds that a thousandfold, which leaves it a relative error of 1e-3, and what is
    computed from its square twice that. A sum of T terms errs by ``T u`` of itself, below 1e-9. ``weaker`` divides
    the curvatures, for controls.
    """
    start = {p: dataset.parameters.sel(parameter=p).isel(step=0).values for p in loss.parameters}
    blocks = loss.facts.need("blocks", start)
    if weaker != 1:
        blocks = replace(blocks, weights={k: v / weaker for k, v in blocks.weights.items()})
    infimum = bounds.per_case(loss.facts.need("infimum"))
    norm2 = _by_group(dataset, loss, "norm2")
    rates = {g: np.asarray(lr[g])[:, None] for g in loss.groups}
    lr_g = PARAMETER_RATE if loss.parameters else None
    losses, t = dataset.loss.values, dataset.step.values

    def bound_of(norm2_start, excess):
        return bounds.gd_bound(blocks, norm2_start, rates, excess, lr_g)

    found = bound_of({g: G[..., 0] for g, G in norm2.items()}, losses[..., 0] - infimum)
    T, smallest = t[1:], dataset.min_grad_norm2.values[..., 1:]
    late = {g: G[..., 1:] for g, G in norm2.items()}
    growth = {g: late[g] - norm2[g][..., :1] for g in loss.groups}
    noise = (max(loss.dimensions.values()) + 16 + 2 * T) * workbench.EPS / 2
    resolved = {g: growth[g] > 1e3 * noise * late[g] for g in loss.groups}
    allowed = {g: (found.norm2[g] - norm2[g][..., 0])[..., None] for g in loss.groups}
    everywhere = np.all(list(resolved.values()), axis=0)
    before = {g: G[..., :-1] for g, G in norm2.items()}
    rounding = (max(loss.dimensions.values()) + 16) * workbench.EPS * np.max(np.abs(losses))
    restarted, _ = bounds.restarted(bound_of, losses[..., :-1], before, infimum, t[:-1], t[-1], rounding)
    ratios = {
        "norm2": judge.largest(np.max(np.where(resolved[g], growth[g], 0.0) / allowed[g]) for g in loss.groups),
        "sum": judge.largest([np.max(dataset.sum_grad_norm2.values[..., -1] / found.numerator)]),
        "a_posteriori": judge.largest([np.max(smallest / np.where(everywhere, found.a_posteriori(late, T), np.inf))]),
        "restarted": judge.largest([np.max(smallest[..., -1] / restarted)]),
    }
    tightened = float(np.max(found.grad_norm2(t[-1:])[..., 0] / restarted))
    slack = {"norm2": 1e-3, "sum": 1e-9, "a_posteriori": 2e-3, "restarted": 1e-9}
    worst = judge.largest(ratios[k] / (1 + slack[k]) for k in ratios)
    return judge.bound(name, worst, **ratios, slacks=slack, steps=int(t[-1]), restart_tightens_by=tightened)


def one_sided_claim(name, dataset, case=None, window=None):
    """The exponent of the running minimum of the gradient norm is not above -1/2 (over a window fixed beforehand)."""
    y = (dataset.grad_norm2.values if case is None else dataset.grad_norm2.values[case])[0, 1:]
    t = dataset.step.values[1:]
    reached = np.flatnonzero(y == 0)  # a gradient of exactly 0: below every power law, and outside of a logarithm
    stop = reached[0] if reached.size else len(y)
    decades = 3.0 if window is None else np.log10(window[1] / window[0]) - 0.2
    try:
        fit = fit_exponent(t[:stop], y[:stop], statistic="running_min", window=window, min_decades=decades)
    except NoPowerLawError as error:
        return judge.no_power_law(name, RATE, error, one_sided=True)
    return judge.at_least_as_fast(name, tuple(x / 2 for x in fit.interval), RATE, ENVELOPE_TOLERANCE, law=fit.model)


def _bounds(settings):
    rates = np.array(workbench.rates(settings))
    steps = 10**5 if settings.full else 10**4
    for name, loss in workbench.separable_losses().items():
        if loss.noises:
            continue
        lr = workbench.rates_of(loss, rates, PARAMETER_RATE)
        run = workbench.run(settings, loss, bn.GD(lr), steps=steps, replicas=8)
        yield bound_claim(f"bound over all steps: {name}, all rates", loss, lr, run)


def envelope_run(eta, theta, settings, lowest=None):
    """``(loss, run, grid)`` of GD on ``(lambda/2) w_2^2/|w|^2``, lambda on a log grid, one case each."""
    lowest = 1 / (1000 * ENVELOPE_STEPS * max(1.0, eta)) if lowest is None else lowest
    grid = np.geomspace(lowest, 1.0, int(np.ceil(PER_DECADE * -np.log10(lowest))) + 1)
    loss = bn.rayleigh(np.stack([np.zeros_like(grid), grid], axis=1))
    run = workbench.run(settings, loss, bn.GD(eta), [np.cos(theta), np.sin(theta)], steps=ENVELOPE_STEPS)
    return loss, run, grid


def _envelope(eta, run, grid):
    """``(members, envelope)``: running minima over their excess, ``(members, records)``, and their supremum."""
    t = run.step.values[1:]
    values = run.min_grad_norm2.values[:, 0, 1:] / run.loss.values[:, 0, :1]  # Delta = L_0, as inf L = 0
    # At rate 100 the largest lambdas first outgrow their rate, so that the flow's law holds from step 1000 on.
    low = 100 * max(1.0, eta / 10)
    decades = np.log10(ENVELOPE_STEPS / low) - 0.1
    return values, envelope(values, grid, t, window=(low, ENVELOPE_STEPS), min_decades=decades)


def envelope_claims(name, eta, theta, run, grid, predicted=RATE, factor=1.0):
    """Exponent and amplitude of the envelope over its last decades (its maximiser must be interior)."""
    t = run.step.values[1:]
    _, found = _envelope(eta, run, grid)
    facts = {"law": found.fit.model, "maximiser_times_eta_T": float(found.argmax[-1] * eta * t[-1])}
    yield judge.exponent(
        f"{name}: exponent", found.interval, predicted, ENVELOPE_TOLERANCE, ENVELOPE_TOLERANCE, **facts
    )
    # The limit's next term is of relative order 1/(lambda eta T) at the start of the last two decades: 1e-3.
    ratio = found.amplitude * eta / (factor * envelope_amplitude(theta))
    yield judge.amplitude(f"{name}: amplitude", (ratio, ratio), AMPLITUDE_TOLERANCE, theta_0=theta)


def _envelopes(settings):
    for eta in workbench.rates(settings):
        for theta in (0.1, 0.7) if settings.full else (0.1,):
            name = f"rate {eta:g}, theta_0 {theta:g}"
            loss, run, grid = envelope_run(eta, theta, settings)
            yield from envelope_claims(f"envelope: {name}", eta, theta, run, grid)
            yield bound_claim(f"bound over all steps: envelope's family, {name}", loss, _same_rate(grid, eta), run)
            if (eta, theta) == SHOWN:
                yield _curves(eta, theta, run, grid)


def _curves(eta, theta, run, grid, members=12):
    """The envelope of one configuration, with some of its members."""
    values, found = _envelope(eta, run, grid)
    name = f"rate {eta:g}, theta_0 {theta:g}"
    return Curves(
        "envelope",
        f"Running minimum of the gradient norm over T steps of GD at {name}, over a family of {len(grid)} losses: no "
        "member stays at the envelope, which falls like T^-1/2.",
        {
            "values": values[:: -(-len(grid) // members)],
            "found": {name: found},
            "predicted": {name: envelope_amplitude(theta) / eta},
            "tolerance": (ENVELOPE_TOLERANCE, AMPLITUDE_TOLERANCE),
            "supports": [f"envelope: {name}: {what}" for what in ("exponent", "amplitude")],
        },
    )


def _same_rate(cases, eta):
    return {"w": np.full(len(cases), eta)}


def family_runs(settings, rates, steps=FAMILY_STEPS):
    """``{rate: run}`` of the families with known exponents, one case per s: all rates in one run of many cases."""
    loss = bn.power_law_rayleigh(np.tile(FAMILY_S, len(rates)))
    together = workbench.run(settings, loss, bn.GD(np.repeat(rates, len(FAMILY_S))), steps=steps)
    size = len(FAMILY_S)
    return {eta: together.isel(case=slice(k * size, (k + 1) * size)) for k, eta in enumerate(rates)}


def _families(settings):
    loss = bn.power_law_rayleigh(FAMILY_S)
    for eta, run in family_runs(settings, workbench.rates(settings)).items():
        name = f"bound over all steps: known exponents, rate {eta:g}"
        yield bound_claim(name, loss, _same_rate(FAMILY_S, eta), run)
        t, tolerance = run.step.values[1:], family_tolerance(eta)
        for case, s in enumerate(FAMILY_S):
            name = f"known exponent: s {s:g}, rate {eta:g}"
            y = run.grad_norm2.values[case, 0, 1:]
            try:
                fit = fit_exponent(t, y, window=FAMILY_WINDOW, min_decades=1.5)
            except NoPowerLawError as error:
                yield judge.no_power_law(name, -(1 + s) / 2, error)
                continue
            facts = {"law": fit.model, "norm2_end": float(run.norm2.values[case, 0, -1]), "window": FAMILY_WINDOW}
            interval = tuple(x / 2 for x in fit.interval)
            yield judge.exponent(name, interval, -(1 + s) / 2, tolerance, tolerance, **facts)
            yield one_sided_claim(f"not slower than -1/2: s {s:g}, rate {eta:g}", run, case, FAMILY_WINDOW)


def _controls(settings):
    _, run, grid = envelope_run(1.0, 0.1, settings)
    first, second = envelope_claims(
        "wrong exponent -1/3 and wrong amplitude x 1.05: rate 1", 1.0, 0.1, run, grid, predicted=-1 / 3, factor=1.05
    )
    yield judge.control(first)
    yield judge.control(second)
    label = "envelope on a grid cut at 1/(100 T): rate 100"
    cut = 1 / (100 * ENVELOPE_STEPS)  # the maximiser at the end is near 1/(2 * 100 * T)
    try:
        _, run, grid = envelope_run(100.0, 0.1, settings, lowest=cut)
        verdict = judge.worst(e.verdict for e in envelope_claims(label, 100.0, 0.1, run, grid))
        claim = judge.Evidence(label, "exponent", verdict)
    except TruncatedGridError as error:
        claim = judge.Evidence(label, "exponent", judge.CONTRADICTED, details={"refused": str(error)})
    yield judge.control(claim)
    quotient = bn.rayleigh(np.linspace(0.0, 1.0, 16))
    lr = {"w": np.array([1.0])}
    plain = workbench.run(settings, quotient, bn.GD(lr), steps=1000, replicas=64)
    yield judge.control(bound_claim("bound with curvature divided by 4, rate 1", quotient, lr, plain, weaker=4.0))
    # Threshold of the projected method: 2 |w_0|^2/largest tangent eigenvalue = 2.
    projected = workbench.run(settings, quotient, bn.GD(3.0, projected=True), steps=10**5)
    yield judge.control(one_sided_claim("projected GD, rate 3 (threshold 2): one-sided exponent", projected))
    lr = {"w": np.array([3.0])}
    as_cases = projected.expand_dims(case=1)
    yield judge.control(bound_claim("projected GD, rate 3 (threshold 2): bound", quotient, lr, as_cases))
    label = "un-normalised twin, rate 3 (threshold 2/lambda_max = 2)"
    try:
        twin = workbench.run(settings, quotient.unnormalised, bn.GD(3.0), steps=10**4)
        claim = one_sided_claim(label, twin)
    except DivergedError as error:
        claim = judge.diverged(label, "exponent", error)
    yield judge.control(claim)


def evidence(settings):
    """Bounds on every run, the envelope's sharpness, known exponents at every rate, controls."""
    yield from _bounds(settings)
    yield from _envelopes(settings)
    yield from _families(settings)
    yield from _controls(settings)


STATEMENT = Statement(
    "arora2019.gd_rate",
    "GD with any fixed learning rate approaches stationary points at T^-1/2",
    paper("rate for gradient descent; constants derived in this package"),
    evidence,
)
