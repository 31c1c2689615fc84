"""Constant rate, decay and momentum: the rate ``eta a^(-2t-1)`` without decay, for either root ``a``.

From the buffer that belongs to a root both runs agree at every step; from a zero buffer the rate's growth tends to
``a^-2`` a step, ``a`` the larger root.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import bn_theory as bn
from bn_theory.dynamics.equivalence import roots
from bn_theory.theorems import evidence as judge
from bn_theory.theorems import workbench
from bn_theory.theorems.li2020 import pairs, paper
from bn_theory.theorems.li2020.pairs import Schedules
from bn_theory.theorems.statement import Statement

STEPS = 1000
FEW = 200
"""Steps for the smaller root, whose rate grows by up to ``gamma^-2`` a step."""

SHOWN = (0.5, 4e-3, 0.9)
"""Rate, decay and momentum of the schedule that is drawn."""

PUBLISHED_GROWTH = 1.481
"""Of the equivalent rate over an epoch, as the paper prints it for the setting below."""
PUBLISHED_SETTING = {"lr": 0.1, "weight_decay": 5e-4, "momentum": 0.9}
STEPS_PER_EPOCH = 391


def settings_of_runs(settings) -> list[tuple[float, float, float]]:
    """``(eta, lambda, gamma)`` from far below ``(1 - sqrt gamma)^2`` to 0.998 of it."""
    found = [(0.3, 5e-3, 0.0), SHOWN, (0.5, 0.998 * 2 * (1 - np.sqrt(0.9)) ** 2, 0.9)]
    if settings.full:
        found += [(1.0, 0.05, 0.5), (0.1, 5e-4, 0.9), (3.0, 1e-3, 0.2), (0.05, 5e-4, 0.99)]
    return found


def claim(name, loss, eta, decay, momentum, settings, *, larger=True, steps=STEPS, schedule=None):
    """The run with decay against ``eta a^(-2t-1)`` from the root's buffer (or another schedule, for controls)."""
    if schedule is None:
        schedule = bn.texp_schedule(eta, [], decay, momentum, steps=steps, larger_root=larger)
    decayed = Schedules(name, eta, decay, momentum, steps).decayed(loss)
    return pairs.equal(name, loss, decayed, pairs.free(loss, schedule), schedule.log_p, settings, steps=steps)


def _growth():
    """The published figure, and that the exact schedule from a zero buffer comes to the root's growth."""
    a = roots(*PUBLISHED_SETTING.values())[0]
    growth = a ** (-2 * STEPS_PER_EPOCH)
    # printed to three decimals
    yield judge.identity(
        "growth an epoch against the published figure",
        abs(growth - PUBLISHED_GROWTH),
        0.0005,
        growth=growth,
        published=PUBLISHED_GROWTH,
        steps_per_epoch=STEPS_PER_EPOCH,
    )
    schedule = bn.equivalent_schedule(**PUBLISHED_SETTING, steps=20 * STEPS_PER_EPOCH, steps_per_epoch=STEPS_PER_EPOCH)
    # log p to a rounding of its size, at either end of an epoch; the ratio of the roots, 0.9, is 1e-17 after an epoch
    limit = 8 * workbench.EPS * (1 + np.max(np.abs(schedule.log_lr)))
    error = abs(float(schedule.growth_per_epoch[-1]) / growth - 1)
    yield judge.identity("growth an epoch from a zero buffer, late", error, limit)


def _where(name, eta, decay, momentum):
    return f"{name}: rate {eta:g}, decay {decay:.3g}, momentum {momentum:g}"


def _curves(losses):
    """The rates of one configuration of the runs."""
    eta, decay, momentum = SHOWN
    return pairs.curves(
        f"Rate {eta:g} with decay {decay:g} and momentum {momentum:g}, the rate without decay that trains alike, and "
        "the factor between the weights of both runs: what is constant with decay grows exponentially without it.",
        bn.texp_schedule(eta, [], decay, momentum, steps=STEPS),
        [f"{_where(name, *SHOWN)}, larger root" for name in losses],
    )


def evidence(settings):
    """The growth; both roots on every loss; controls."""
    yield from _growth()
    losses = pairs.losses(settings)
    yield _curves(losses)
    for name, loss in losses.items():
        for eta, decay, momentum in settings_of_runs(settings):
            where = _where(name, eta, decay, momentum)
            yield claim(f"{where}, larger root", loss, eta, decay, momentum, settings)
            if momentum:
                yield claim(f"{where}, smaller root", loss, eta, decay, momentum, settings, larger=False, steps=FEW)
    yield from _controls(losses, settings)


def _controls(losses, settings):
    loss = losses["rayleigh"]
    eta, decay, momentum = 0.5, 4e-3, 0.9
    right = bn.texp_schedule(eta, [], decay, momentum, steps=STEPS)
    wrong = {
        "exponent -2t, not -2t-1": pairs.with_rate_exponent_2t(right),
        "a zero buffer, not the root's": bn.texp_schedule(eta, [], decay, momentum, steps=STEPS, corrected=False),
        "the root 1 - lambda eta, momentum left out": replace(
            bn.texp_schedule(eta, [], decay, 0.0, steps=STEPS), momentum=right.momentum, correction=right.correction
        ),
    }
    smaller = bn.texp_schedule(eta, [], decay, momentum, steps=FEW, larger_root=False)
    larger = bn.texp_schedule(eta, [], decay, momentum, steps=FEW)
    mixed = replace(larger, correction=smaller.correction)
    for name, schedule in wrong.items():
        yield judge.control(claim(name, loss, eta, decay, momentum, settings, schedule=schedule))
    name = "the larger root's rate from the smaller root's buffer"
    yield judge.control(claim(name, loss, eta, decay, momentum, settings, schedule=mixed, steps=FEW))
    name = "a loss that is not scale-invariant"
    yield judge.control(claim(name, loss.unnormalised, eta, decay, momentum, settings, steps=pairs.FINITE))


STATEMENT = Statement(
    "li2020.constant_rate",
    "Constant rate with decay and momentum equals the rate eta a^(-2t-1) without decay",
    paper("equivalence of weight decay at a constant rate and an exponential rate"),
    evidence,
)
