"""SGD with any ``eta (t+1)^-alpha``, alpha in [0, 1/2]: the gradient norm falls like ``T^-1/4`` up to logarithms."""

from __future__ import annotations

import numpy as np

import bn_theory as bn
from bn_theory import bounds
from bn_theory.errors import DivergedError, InvalidInputError, NoPowerLawError
from bn_theory.rates import fit_exponent
from bn_theory.theorems import evidence as judge
from bn_theory.theorems import workbench
from bn_theory.theorems.arora2019 import paper, sgd_runs
from bn_theory.theorems.evidence import Curves, Outside
from bn_theory.theorems.statement import Statement

RATE = -0.25
SHOWN = (1.0, 0.0)
"""Rate and alpha of the run that is drawn."""
DECADES = 1.8
"""The window has two decades; a tenth of a decade is lost at each end to whole bins."""


def _fit(dataset, alpha, low=None, statistic="mean"):
    t, y = sgd_runs.bin_means(dataset, sgd_runs.window(int(dataset.step[-1]))[0] if low is None else low)
    log_power = -0.5 if alpha == 0.5 else None
    model = "log" if alpha == 0.5 else "auto"
    return fit_exponent(t, y, model=model, log_power=log_power, min_decades=DECADES, statistic=statistic)


def exponent_claim(name, dataset, alpha, predicted=RATE, low=None, statistic="mean"):
    """Exponent of ``sqrt(E grad_norm2)`` on the last two decades: half of the one of ``grad_norm2``."""
    try:
        fit = _fit(dataset, alpha, low, statistic)
    except NoPowerLawError as error:
        return judge.no_power_law(name, predicted, error, one_sided=statistic == "running_min")
    interval = tuple(x / 2 for x in fit.interval)
    facts = {"law": fit.model, "stat": fit.stat / 2, "sys": fit.sys / 2, "window": list(fit.window)}
    if statistic == "running_min":
        return judge.at_least_as_fast(name, interval, predicted, sgd_runs.TOLERANCE, **facts)
    return judge.exponent(name, interval, predicted, sgd_runs.TOLERANCE, sgd_runs.TOLERANCE / 2, **facts)


def bound_claims(name, loss, method, dataset):
    """``G_T <= U_T`` for every replica, and ``min_{t<T} E|grad|^2`` at every record against its explicit bound.

    E by replicas. The minimum over records is at least the one over all steps, and the mean's standard error,
    twice, is added: both make the test harder. The start's excess is the replicas' largest, which bounds its mean.
    The a-posteriori form takes the measured growth of ``log G``.
    """
    start = {p: dataset.parameters.sel(parameter=p).isel(step=0).values for p in loss.parameters}
    blocks = loss.facts.need("blocks", start)
    t = dataset.step.values
    norms = {g: dataset.norm2.sel(group=g) if "group" in dataset.dims else dataset.norm2 for g in loss.groups}
    norm2 = {g: float(norms[g].isel(step=0).max()) for g in loss.groups}
    for g in loss.groups:  # the bound is stated for one start norm; random starts have norm 1 to rounding
        if not np.allclose(norms[g].isel(step=0), norm2[g], rtol=1e-12):
            raise InvalidInputError(f"the replicas' starts of {g!r} differ in norm; the bound is for one norm")
    schedules = {g: method.schedule(g) for g in loss.groups}
    excess = float(dataset.loss.isel(step=0).max()) - loss.facts.need("infimum")
    extra = {}
    if loss.parameters:
        extra = {
            "schedule_g": method.schedule(loss.parameters[0]),
            "parameter_gradient": loss.facts.need("parameter_sample_gradient", start),
        }

    def bound(**more):
        limits = loss.facts.need("sample_gradient", start)
        return bounds.sgd_bound(blocks, limits, norm2, schedules, excess, t[1:], **extra, **more)

    found = bound()
    largest = {g: np.atleast_2d(norms[g].max("replica").transpose(..., "step").values)[:, 1:] for g in loss.groups}
    # U_T is nearly attained at the first step of a large rate; both sides carry (d + 16 + 2 T) roundings.
    slack = float((max(loss.dimensions.values()) + 16 + 2 * t[-1]) * np.finfo(float).eps)
    ratio = judge.largest(np.max(largest[g] / found.norm2[g]) for g in loss.groups)
    late = judge.largest(np.max(largest[g][:, -1] / found.norm2[g][:, -1]) for g in loss.groups)
    yield judge.bound(f"{name}: norm", ratio, slack, ratio_at_the_end=late, steps=int(t[-1]))
    y = dataset.grad_norm2.values
    upper = np.atleast_2d(y.mean(axis=-2) + 2 * y.std(axis=-2, ddof=1) / np.sqrt(y.shape[-2]))
    smallest = np.minimum.accumulate(upper[:, :-1], axis=-1)
    # E log(G_T/G_0) by replicas: its standard error is far below the looseness of the bound (see the ratios).
    growth = {g: np.log(norms[g] / norm2[g]).mean("replica").transpose(..., "step").values for g in loss.groups}
    measured = bound(log_growth={g: np.atleast_2d(v)[:, 1:] for g, v in growth.items()})
    for form, limit in (("a priori", found), ("a posteriori", measured)):
        ratios = smallest / limit.grad_norm2
        end = float(np.max(ratios[:, -1]))
        yield judge.bound(f"{name}: gradient, {form}", judge.largest(ratios.ravel()), ratio_at_the_end=end)


def _bounds(settings):
    rates = np.array(workbench.rates(settings))
    spectrum = np.linspace(0.0, 1.0, 16)
    pair = bn.with_linear_noise(bn.bilinear(np.linspace(0.1, 1.0, 6)), 0.3)
    for label, loss in (("rayleigh", bn.with_linear_noise(bn.rayleigh(spectrum), 0.5)), ("bilinear", pair)):
        for alpha in sgd_runs.alphas(settings):
            method = bn.SGD(rates, decay=alpha)
            run = workbench.run(settings, loss, method, steps=10**4, replicas=32)
            yield from bound_claims(f"bound: {label}, alpha {alpha:g}, all rates", loss, method, run)
    loss = workbench.minibatch_diabetes()
    lr = workbench.rates_of(loss, rates)
    method = bn.SGD(lr, decay={"gamma": 0.5})
    run = workbench.run(settings, loss, method, steps=1000, replicas=16)
    yield from bound_claims("bound: minibatch BN least squares, diabetes, alpha 0, all rates", loss, method, run)


def _exponents(settings):
    for alpha in sgd_runs.alphas(settings):
        for eta in workbench.rates(settings):
            steps, reason = sgd_runs.length(eta, alpha)
            name = f"exponent: rate {eta:g}, alpha {alpha:g}"
            if reason:
                yield Outside(name, reason)
                continue
            run = sgd_runs.run(eta, alpha, steps, settings.seed, settings.engine)
            yield exponent_claim(f"{name}, T = {steps:.0e}", run, alpha)
            yield exponent_claim(
                f"running minimum, one-sided: rate {eta:g}, alpha {alpha:g}", run, alpha, statistic="running_min"
            )
            if (eta, alpha) == SHOWN:
                yield _curves(f"{name}, T = {steps:.0e}", eta, alpha, run)


def _curves(name, eta, alpha, dataset):
    """Mean, central 90 % of the replicas, fit and a-priori bound of one configuration."""
    t, y = sgd_runs.bin_means(dataset, 1)
    try:
        fit = _fit(dataset, alpha)
    except NoPowerLawError:  # its evidence says so
        fit = None
    low, high = np.quantile(y, (0.05, 0.95), axis=0)
    loss = sgd_runs.loss()
    limit = bounds.sgd_bound(
        loss.facts.need("blocks", {}),
        loss.facts.need("sample_gradient", {}),
        {"w": float(dataset.norm2[:, 0].max())},
        {"w": bn.SGD(eta, decay=alpha).schedule("w")},
        float(dataset.loss[:, 0].max()) - loss.facts.need("infimum"),
        dataset.step.values[1:],
    )
    return Curves(
        "convergence",
        f"SGD at rate {eta:g}, alpha {alpha:g}: gradient norm averaged between neighbouring records, with the fitted "
        "law, its local exponents, and the explicit bound, which no choice of the rate voids.",
        {
            "t": t,
            "grad_norm2": y.mean(axis=0),
            "band": {"low": low, "high": high, "replicas": len(y)},
            "fit": fit,
            "bound": {"t": limit.steps, "grad_norm2": limit.grad_norm2[0]},
            "supports": [name, f"running minimum, one-sided: rate {eta:g}, alpha {alpha:g}"],
        },
    )


def _controls(settings):
    right = sgd_runs.run(1.0, 0.0, sgd_runs.SHORT, settings.seed, settings.engine)
    yield judge.control(exponent_claim("wrong exponent -1/3: rate 1, alpha 0", right, 0.0, predicted=-1 / 3))
    noisy = sgd_runs.loss()
    for label, loss, method in (
        ("un-normalised twin, rate 0.1, alpha 0", noisy.unnormalised, bn.SGD(0.1)),
        ("projected SGD, rate 0.1, alpha 0", noisy, bn.SGD(0.1, projected=True)),
    ):
        try:
            run = workbench.run(settings, loss, method, steps=10**4, replicas=64)
        except DivergedError as error:
            yield judge.control(judge.diverged(label, "exponent", error))
            continue
        yield judge.control(exponent_claim(label, run, 0.0))
    small = bn.with_linear_noise(bn.rayleigh([0.0, 1.0, 1.5, 2.0]), sgd_runs.SIGMA)
    slow = workbench.run(settings, small, bn.SGD(0.3, projected=True), steps=10**6, replicas=8)
    _, gradient, _ = bound_claims("bound, projected SGD, rate 0.3, alpha 0", small, bn.SGD(0.3), slow)
    yield judge.control(gradient)
    wrong = noisy.with_facts(sample_gradient={"w": 0.5})  # the full gradient's bound, without the noise
    growing = workbench.run(settings, noisy, bn.SGD(1.0), steps=2000, replicas=16)
    norm, *_ = bound_claims("bound without the noise, rate 1, alpha 0", wrong, bn.SGD(1.0), growing)
    yield judge.control(norm)


def evidence(settings):
    """Bounds on every run, exponents on the last decades, one-sided running minima, controls."""
    yield from _bounds(settings)
    yield from _exponents(settings)
    yield from _controls(settings)


STATEMENT = Statement(
    "arora2019.sgd_rate",
    "SGD approaches stationary points at T^-1/4 up to logarithms, for every learning rate",
    paper("rate for stochastic gradient descent; constants derived in this package"),
    evidence,
)
