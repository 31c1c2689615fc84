"""Weight decay under any schedule equals an exponential-like rate without it: ``eta_t/(p_t p_{t+1})``."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import bn_theory as bn
from bn_theory.theorems import evidence as judge
from bn_theory.theorems import workbench
from bn_theory.theorems.li2020 import derived, pairs
from bn_theory.theorems.li2020.pairs import Schedules
from bn_theory.theorems.statement import Statement

STEPS = 1500
LONG_QUICK, LONG_FULL = 10**5, 10**6
"""Steps after which ``p`` is far below the smallest float64, ``e^-745``: see ``long``."""


def schedules(settings) -> list[Schedules]:
    """Rates, decays and momenta of every shape; all keep ``lambda eta`` below ``(1 - sqrt gamma)^2``."""
    rng = np.random.default_rng(settings.seed)
    short = [
        Schedules("constant, no momentum", 0.3, 5e-3, 0.0, STEPS),
        Schedules("cosine after warm-up, momentum 0.9", bn.Warmup(bn.Cosine(0.5, STEPS), 20), 4e-3, 0.9, STEPS),
        Schedules(
            "rate, decay and momentum at random",
            bn.Table(rng.uniform(0.05, 0.5, STEPS)),
            bn.Table(rng.uniform(0.0, 4e-3, STEPS)),
            bn.Table(rng.uniform(0.0, 0.9, STEPS)),
            STEPS,
        ),
    ]
    if settings.full:
        drops = {STEPS // 2: 0.1, 3 * STEPS // 4: 0.1}
        short += [
            Schedules("step decay, momentum 0.9", bn.StepDecay(0.5, drops), 4e-3, 0.9, STEPS),
            Schedules("polynomial, momentum 0.5", bn.Polynomial(0.5, STEPS, 2.0), 5e-3, 0.5, STEPS),
            Schedules("exponential, momentum 0.7", bn.Exponential(0.5, 0.998), 5e-3, 0.7, STEPS),
            Schedules("decay that grows, momentum 0.9", 0.2, bn.Table(np.linspace(0.0, 0.01, STEPS)), 0.9, STEPS),
        ]
    return short


def claim(name, loss, given: Schedules, settings, schedule=None, **options):
    """The run with decay against that with a schedule without it (the equivalent one, but for controls)."""
    schedule = schedule or given.equivalent()
    return pairs.equal(
        name,
        loss,
        given.decayed(loss, **options),
        pairs.free(loss, schedule),
        schedule.log_p,
        settings,
        steps=given.steps,
    )


def long(settings) -> Schedules:
    """So long that the rate grows by more than float64 holds, squared: ``log p`` falls to -1000 or -10000."""
    steps = LONG_FULL if settings.full else LONG_QUICK
    return Schedules(f"{steps} steps, p underflows", 0.4, 2.5e-3, 0.9, steps)


def evidence(settings):
    """Every schedule on every loss; a run through many changes of units; controls."""
    losses = pairs.losses(settings)
    for name, loss in losses.items():
        for given in schedules(settings):
            yield claim(f"{name}: {given.name}", loss, given, settings)
    loss, given = losses["rayleigh"], long(settings)
    yield claim(f"rayleigh: {given.name}", loss, given, settings)
    yield units_claim(loss, settings)
    yield from _controls(losses, settings)


def units_claim(loss, settings):
    """The same decay-free run in units that change after every factor of 2^4, and in none: the same directions."""
    given = schedules(settings)[1]
    schedule = given.equivalent()
    found = schedule.rescaled(bits=4)
    method = bn.SGD(bn.Table(found.lr), momentum=0.9, rescaling=bn.Table(found.factors))
    return pairs.equal(
        f"rayleigh: {given.name}, in changing units",
        loss,
        given.decayed(loss),
        method,
        schedule.log_p,
        settings,
        steps=given.steps,
        changes_of_units=len(found.steps_with_rescaling),
    )


def _controls(losses, settings):
    given = schedules(settings)[1]
    rayleigh, scaled = losses["rayleigh"], losses["least squares BN, diabetes"]
    wrong = pairs.with_rate_exponent_2t(given.equivalent())
    yield judge.control(claim("eta/p_t^2, not eta/(p_t p_{t+1})", rayleigh, given, settings, wrong))
    without = Schedules("", given.lr, given.weight_decay, 0.0, given.steps).equivalent()
    ignoring = bn.equivalent_schedule(given.lr, 0.0, given.momentum, steps=given.steps)
    yield judge.control(claim("the rate as it is, decay left out", rayleigh, given, settings, ignoring))
    alone = replace(without, momentum=given.equivalent().momentum)
    yield judge.control(claim("p computed without the momentum", rayleigh, given, settings, alone))
    # so few steps that both runs stay finite: what is seen is a difference
    short = replace(given, steps=pairs.FINITE)
    yield judge.control(claim("a loss that is not scale-invariant", rayleigh.unnormalised, short, settings))
    yield judge.control(
        claim("broken by 1e-6", workbench.broken_rayleigh(1e-6), schedules(settings)[0], settings, sampled=False)
    )
    yield judge.control(claim("a trainable scale that decays too", scaled, given, settings, decay_all=True))


STATEMENT = Statement(
    "li2020.any_schedule",
    "SGD with any rates, decays and momenta equals SGD without decay at rate eta_t/(p_t p_{t+1})",
    derived("equivalence of weight decay and an exponential learning rate, for any schedule"),
    evidence,
)
