"""The effective rate under decay obeys a closed recursion, exactly at every finite step (no momentum).

    r_{t+1}^2 = a_t^2 r_t^2 (1 + Phi_t^2 |gbar_t|^2),    Phi_{t+1} = B_t Phi_t / (1 + Phi_t^2 |gbar_t|^2)

with ``a_t = 1 - eta_t lambda_t``, ``r_t = |w_t|``, ``Phi_t = eta_t/(a_t r_t^2)``, ``gbar_t = r_t grad L_t(w_t)`` and
``B_t = eta_{t+1}/(eta_t a_t a_{t+1})``: decay makes the rate grow, gradients make it fall.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import bn_theory as bn
from bn_theory.errors import DivergedError
from bn_theory.theorems import evidence as judge
from bn_theory.theorems import workbench
from bn_theory.theorems.li2020 import derived, pairs
from bn_theory.theorems.li2020.pairs import Schedules
from bn_theory.theorems.statement import Statement

STEPS = 1000
REPLICAS = 8


def schedules(settings) -> list[Schedules]:
    """Without momentum, decays up to a tenth of a step."""
    rng = np.random.default_rng(settings.seed)
    found = [
        Schedules("rate 0.3, decay 5e-3", 0.3, 5e-3, 0.0, STEPS),
        Schedules("cosine after warm-up, decay 0.05", bn.Warmup(bn.Cosine(1.0, 2 * STEPS), 50), 0.05, 0.0, STEPS),
    ]
    if settings.full:
        rates, decays = (bn.Table(rng.uniform(0.05, high, STEPS + 1)) for high in (2.0, 0.1))
        found += [
            Schedules("rate 10, decay 0.01", 10.0, 0.01, 0.0, STEPS),
            Schedules("rate and decay at random", rates, decays, 0.0, STEPS),
        ]
    return found


def claims(name, loss, given: Schedules, settings, **options):
    """Both recursions at every step over their rounding bounds.

    One step rounds every weight by at most ``4 u`` of itself and of the decay, the gradient by ``k u/r`` (at unit norm
    ``k u``, an estimate), which enters ``r^2`` along the weights and across them; sums of d squares add ``(d + 2) u``:

        |error of r_{t+1}^2 / r_{t+1}^2| <= 2 (d + 8) u + 2 k u Phi_t a_t (1 + Phi_t |gbar_t|)

    and the same again for every quotient of ``Phi``.
    """
    method = given.decayed(loss, **options)
    try:
        run = workbench.run(settings, loss, method, steps=given.steps, replicas=REPLICAS, record="all")
    except DivergedError as error:
        return [judge.diverged(f"{name}: length", "identity", error)]
    k, worst = workbench.condition(loss, settings.seed), {"length": [], "effective rate": []}
    for i, g in enumerate(loss.groups):
        r2, gradient2 = (
            (run[n].isel(group=i) if "group" in run[n].dims else run[n]).values for n in ("norm2", "step_grad2")
        )
        eta, decay = (method.coefficient(c, g).values(0, given.steps + 1)[0] for c in ("rate", "decay"))
        a = 1 - eta * decay
        phi = eta / (a * r2)
        turn = 1 + phi**2 * (r2 * gradient2)
        u = workbench.EPS / 2
        limit = 2 * (loss.dimensions[g] + 8) * u + 2 * k * u * phi * a * (1 + np.sqrt(turn - 1))
        length = a[:-1] ** 2 * r2[:, :-1] * turn[:, :-1]
        worst["length"].append(np.abs(r2[:, 1:] / length - 1) / limit[:, :-1])
        B = eta[1:] / (eta[:-1] * a[:-1] * a[1:])
        following = B * phi[:, :-1] / turn[:, :-1]
        worst["effective rate"].append(np.abs(phi[:, 1:] / following - 1) / (limit[:, :-1] + 16 * u))
    return [
        judge.identity(f"{name}: {what}", judge.largest(np.concatenate(found).ravel()), 1.0, unit="the rounding bound")
        for what, found in worst.items()
    ]


def evidence(settings):
    """Every schedule on every loss; with momentum, without invariance and with a wrong factor it must fail."""
    losses = pairs.losses(settings)
    for name, loss in losses.items():
        for given in schedules(settings):
            yield from claims(f"{name}: {given.name}", loss, given, settings)
    loss = losses["rayleigh"]
    plain = schedules(settings)[0]
    controls = (
        ("momentum 0.5", loss, Schedules("momentum 0.5", plain.lr, plain.weight_decay, 0.5, STEPS)),
        ("a loss that is not scale-invariant", loss.unnormalised, replace(plain, steps=pairs.FINITE)),
        ("broken by 1e-6", workbench.broken_rayleigh(1e-6), plain),
    )
    for name, other, given in controls:
        for found in claims(name, other, given, settings):
            yield judge.control(found)


STATEMENT = Statement(
    "li2020.effective_rate_recursion",
    "Without momentum the effective rate obeys a closed recursion, exactly at every step",
    derived("recursion of the effective learning rate under weight decay"),
    evidence,
)
