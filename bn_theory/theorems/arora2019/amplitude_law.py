"""Amplitude law: ``E|grad L(V_t)|^2 -> sqrt(1-2 alpha) tr(HS)/(2 sqrt(2 tr S)) t^-1/2``, whatever eta."""

from __future__ import annotations

import numpy as np

import bn_theory as bn
from bn_theory import predictions
from bn_theory.dynamics import Power
from bn_theory.theorems import evidence as judge
from bn_theory.theorems import workbench
from bn_theory.theorems.arora2019 import derived, sgd_runs
from bn_theory.theorems.evidence import Curves, Evidence, Outside
from bn_theory.theorems.intervals import over_seeds
from bn_theory.theorems.statement import Statement

CLOSED_FORM, FINITE_TIME = 0.02, 0.03
"""Tolerances of the two forms; the next terms of the expansion are of relative order eta_t/G_t, below 1 %."""


def _last_decade(dataset):
    """Sum of ``grad_norm2`` over all steps of the last decade, per replica, and the decade's first step."""
    t = dataset.step.values
    first = int(np.searchsorted(t, t[-1] / 10))
    sums = dataset.sum_grad_norm2.values
    return sums[:, -1] - sums[:, first], first


def _ratio(name, measured, predicted, tolerance, **details):
    """Mean over replicas with its 95 % interval (Student's t; each replica is a sum over a decade, nearly normal)."""
    return judge.amplitude(name, over_seeds(measured / predicted), tolerance, **details)


def closed_form_claim(name, dataset, minimum, alpha, factor=1.0):
    """Against the constant of the law, times ``factor`` for controls."""
    measured, first = _last_decade(dataset)
    t = np.arange(int(dataset.step[first]), int(dataset.step[-1]))
    law = factor * predictions.amplitude(minimum, alpha) * float(np.sum(t**-0.5))
    return _ratio(name, measured, law, CLOSED_FORM, factor=factor)


def finite_time_claim(name, dataset, minimum, eta, alpha):
    """Against ``(eta_t/G_t) tr(HS)/2`` with the recursion for G restarted from its measured mean."""
    measured, first = _last_decade(dataset)
    start, end = int(dataset.step[first]), int(dataset.step[-1])
    # Every replica from its own norm: the mean of 1/G is not 1 over the mean of G.
    rates = predictions.summed_rates(minimum, Power(eta, alpha), dataset.norm2.values[:, first], start, end)
    law = predictions.gradient(minimum, rates)
    return _ratio(name, measured, law, FINITE_TIME, restarted_at=start)


def _where(eta, alpha):
    return f"rate {eta:g}, alpha {alpha:g}"


def _separable(settings):
    minimum = sgd_runs.loss().facts.minimum
    for alpha in sgd_runs.alphas(settings):
        for eta in workbench.rates(settings):
            where = _where(eta, alpha)
            steps, reason = sgd_runs.adiabatic_length(eta, alpha)
            if reason:
                yield Outside(f"amplitude: {where}", reason)
                continue
            plan = sgd_runs.plan(eta, alpha, steps)
            run = sgd_runs.run(eta, alpha, steps, settings.seed, settings.engine)
            if alpha <= 0.25 and abs(plan.closed_form - 1) <= CLOSED_FORM / 2:
                yield closed_form_claim(f"closed form: {where}", run, minimum, alpha)
            elif alpha <= 0.25:
                reason = (
                    f"the norm has not outgrown its start: the recursion for |w|^2 predicts {plan.closed_form:.3f} "
                    f"of the asymptotic value up to step {steps}"
                )
                yield Outside(f"closed form: {where}", reason)
            yield finite_time_claim(f"finite-time form: {where}", run, minimum, eta, alpha)


def dense_loss(seed: int):
    """Rayleigh quotient, d = 8, with a random noise covariance that does not commute with the Hessian."""
    from bn_theory.losses import philox

    d = 8
    root = philox.normals(seed, np.arange(d), 0, d, philox.START_STREAM + 0x1000)
    return bn.rayleigh_dense_noise(np.r_[0.0, np.linspace(1.0, 2.0, d - 1)], 0.1 * root @ root.T / d)


def _dense(settings):
    steps, replicas = (3 * 10**4, 256) if settings.full else (5000, 192)
    loss = dense_loss(settings.seed)
    minimum = loss.facts.minimum
    commutator = minimum.hessian @ minimum.noise - minimum.noise @ minimum.hessian
    for eta, alpha in ((1.0, 0.0), (1.0, 0.4)) if settings.full else ((1.0, 0.0),):
        name = f"finite-time form: dense noise covariance, rate {eta:g}, alpha {alpha:g}"
        rates = predictions.effective_rates(minimum, Power(eta, alpha), 1.0, 0, steps)
        reason = sgd_runs.not_adiabatic(
            predictions.relaxation(minimum, rates[: steps // 10]),
            predictions.adiabatic_lag(minimum, rates[steps // 10 :]),
            steps,
        )
        if reason:
            yield Outside(name, reason)
            continue
        run = workbench.run(settings, loss, bn.SGD(eta, decay=alpha), steps=steps, replicas=replicas)
        claim = finite_time_claim(name, run, minimum, eta, alpha)
        claim.details["commutator_norm"] = float(np.linalg.norm(commutator))
        yield claim


def _controls(settings):
    minimum = sgd_runs.loss().facts.minimum
    run = sgd_runs.run(1.0, 0.0, sgd_runs.SHORT, settings.seed, settings.engine)
    yield judge.control(closed_form_claim("wrong amplitude, x 1.05: rate 1, alpha 0", run, minimum, 0.0, factor=1.05))
    projected = workbench.run(settings, sgd_runs.loss(), bn.SGD(0.1, projected=True), steps=10**4, replicas=64,
    )  # fmt: skip
    yield judge.control(closed_form_claim("projected SGD, rate 0.1, alpha 0", projected, minimum, 0.0))


def _curves(settings, found):
    """Measured over predicted of both forms at every configuration, from the pieces of evidence."""
    pieces = {item.name: item for item in found if isinstance(item, Evidence)}
    forms, names = {}, []
    for form, tolerance in (("closed form", CLOSED_FORM), ("finite-time form", FINITE_TIME)):
        series = {}
        for alpha in sgd_runs.alphas(settings):
            by_rate = {eta: pieces.get(f"{form}: {_where(eta, alpha)}") for eta in workbench.rates(settings)}
            inside = {eta: piece for eta, piece in by_rate.items() if piece is not None}
            if inside:
                low, high = zip(*(piece.interval for piece in inside.values()), strict=True)
                series[f"alpha {alpha:g}"] = {"rates": list(inside), "low": low, "high": high}
                names += [piece.name for piece in inside.values()]
        if series:
            forms[form] = {"tolerance": tolerance, "series": series}
    return Curves(
        "amplitude_law",
        "Mean squared gradient of SGD over the last decade of steps, over its prediction: the learning rate, varied by "
        "orders of magnitude, is in none of the predicted amplitudes.",
        {"forms": forms, "supports": names},
    )


def evidence(settings):
    """Closed form and finite-time form at every configuration inside the assumptions; controls."""
    found = []
    for item in _separable(settings):
        found.append(item)
        yield item
    yield _curves(settings, found)
    yield from _dense(settings)
    yield from _controls(settings)


STATEMENT = Statement(
    "arora2019.amplitude_law",
    "The stationary gradient of SGD has the amplitude of an adiabatic process, without eta (derivation, not a theorem)",
    derived("amplitude of the rate for stochastic gradient descent"),
    evidence,
)
