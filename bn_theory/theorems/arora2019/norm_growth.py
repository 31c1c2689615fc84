"""Norm growth: ``G_{t+1} = G_t + eta_t^2 |grad_w L_z(w_t)|^2`` in every step of GD and SGD, exactly."""

from __future__ import annotations

import numpy as np

import bn_theory as bn
from bn_theory.errors import DivergedError
from bn_theory.theorems import evidence as judge
from bn_theory.theorems import workbench
from bn_theory.theorems.arora2019 import paper
from bn_theory.theorems.evidence import Curves
from bn_theory.theorems.statement import Statement

STEPS = 2000
REPLICAS = 4


def _with_groups(dataset, name):
    array = dataset[name]
    return array if "group" in array.dims else array.expand_dims(group=1, axis=-1)


def claim(name, loss, method, settings, k, steps=STEPS):
    """``G_T - G_0`` against the summed squared steps, at every record, over the rounding bound.

    Per step ``G`` moves by rounding of the new weights (``2 u G``) and by what rounding leaves of
    ``2 eta <w, grad>``, at most ``2 (eta/G_0) k u`` for a gradient that rounding moves by ``k u`` at unit norm
    (``k`` by ``workbench.condition``, an estimate); sums of d squares add ``(d + 2) u`` of themselves.
    """
    try:
        run = workbench.run(settings, loss, method, steps=steps, replicas=REPLICAS)
    except DivergedError as error:
        return judge.diverged(name, "identity", error)
    norm2, growth = _with_groups(run, "norm2"), _with_groups(run, "sum_step2")
    start = norm2.isel(step=slice(0, 1)).values
    t = run.step.values[:, None]
    error = np.abs(norm2.values - start - growth.values)
    largest_rate = np.max(_with_groups(run, "effective_lr").values, axis=-2, keepdims=True)
    d = max(loss.dimensions.values())
    limit = workbench.EPS / 2 * (2 * (d + 2) * norm2.values + t * (2 * norm2.values + 2 * largest_rate * k))
    return judge.identity(name, float(np.max(error / limit)), 1.0, unit="the rounding bound", steps=steps)


def evidence(settings):
    """Every family, rates as one batch of cases; then the controls."""
    rates = np.array(workbench.rates(settings))
    for name, loss in workbench.separable_losses().items():
        k = workbench.condition(loss, settings.seed)
        lr = workbench.rates_of(loss, rates)
        yield claim(f"{name}, GD", loss, bn.GD(lr), settings, k)
        if loss.noises:
            for alpha in (0.0, 0.5) if settings.full else (0.25,):
                yield claim(f"{name}, SGD, alpha {alpha}", loss, bn.SGD(lr, decay=alpha), settings, k)
    minibatch = workbench.minibatch_diabetes()
    method = bn.SGD(workbench.rates_of(minibatch, rates), decay={"gamma": 0.5})
    k = workbench.condition(minibatch, settings.seed)
    yield claim("minibatch BN least squares, diabetes, SGD", minibatch, method, settings, k, steps=500)
    broken = workbench.broken_rayleigh(1e-6)
    k = workbench.condition(broken, settings.seed)
    yield judge.control(claim("broken by 1e-6, GD, rate 1", broken, bn.GD(1.0), settings, k))
    quotient = bn.rayleigh(np.linspace(0, 1, 16))
    yield judge.control(claim("projected GD, rate 1", quotient, bn.GD(1.0, projected=True), settings, k))
    twin = quotient.unnormalised
    yield judge.control(claim("un-normalised twin, GD, rate 0.3", twin, bn.GD(0.3), settings, k))
    yield from _curves(settings, quotient, rates)


def _curves(settings, quotient, rates):
    """Runs of the claims once more, which take milliseconds: where the norm grows, what becomes of the rate."""

    def run(method, loss=quotient):
        return workbench.run(settings, loss, method, steps=STEPS, replicas=REPLICAS)

    tuned = run(bn.GD(workbench.rates_of(quotient, rates)))
    names = ("grad_norm2", "norm2", "effective_lr")
    yield Curves(
        "auto_tuning",
        f"GD on a Rayleigh quotient in d = 16 at {len(rates)} learning rates: what a step adds to the squared norm "
        "takes from the effective rate.",
        {"step": tuned.step.values, "labels": [f"rate {rate:g}" for rate in rates], "supports": ["rayleigh, GD"]}
        | {name: tuned[name].values for name in names},
    )
    runs = {
        "GD": run(bn.GD(1.0)),
        "projected GD": run(bn.GD(1.0, projected=True)),
        "un-normalised": run(bn.GD(0.3), quotient.unnormalised),
    }
    yield Curves(
        "norm_growth",
        "Squared norm and squared steps of GD at rate 1 on the same loss, and of two controls: one takes the norm back "
        "after every step, the other is not scale-invariant.",
        {
            "runs": {
                label: {"step": one.step.values, "norm2": one.norm2.values, "sum_step2": one.sum_step2.values}
                for label, one in runs.items()
            },
            "controls": ["projected GD", "un-normalised"],
            "supports": ["rayleigh, GD", "projected GD, rate 1", "un-normalised twin, GD, rate 0.3"],
        },
    )


STATEMENT = Statement(
    "arora2019.norm_growth",
    "Every step of GD and SGD adds its squared length to the squared norm",
    paper("Lemma 2.4 (norm growth)"),
    evidence,
)
