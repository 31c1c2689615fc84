"""Step decay with weight decay equals tapered exponential rates, exactly where the momentum buffer is corrected."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

import bn_theory as bn
from bn_theory.dynamics.equivalence import roots
from bn_theory.theorems import evidence as judge
from bn_theory.theorems import workbench
from bn_theory.theorems.li2020 import pairs, paper
from bn_theory.theorems.li2020.pairs import Schedules
from bn_theory.theorems.statement import Statement

DECAY = 4e-3
REPLICAS = 16


@dataclass(frozen=True)
class Phases:
    """Rates of the phases, first steps of all but the first, and the length of the run."""

    rates: tuple[float, ...] = (0.5, 0.1, 0.02)
    switches: tuple[int, ...] = (600, 1100)
    steps: int = 1500

    @property
    def drops(self):
        """``(first step, rate before, rate after)`` of every switch."""
        return list(zip(self.switches, self.rates[:-1], self.rates[1:], strict=True))

    def given(self, momentum):
        """Step decay with weight decay."""
        decay = bn.StepDecay(self.rates[0], {t: new / old for t, old, new in self.drops})
        return Schedules(f"momentum {momentum:g}", decay, DECAY, momentum, self.steps)

    def schedule(self, momentum, **options):
        """TEXP without weight decay."""
        return bn.texp_schedule(self.rates, self.switches, DECAY, momentum, steps=self.steps, **options)


PHASES = Phases()


def claim(name, loss, momentum, settings, found=None, phases=PHASES):
    """The run with decay and step decay against the TEXP schedule (or another one, for controls)."""
    found = phases.schedule(momentum) if found is None else found
    decayed = phases.given(momentum).decayed(loss)
    return pairs.equal(name, loss, decayed, pairs.free(loss, found), found.log_p, settings, steps=phases.steps)


def at_switches_only(momentum):
    """The corrections at the switches left out, the one at the start kept: what the paper's schedule leaves over."""
    found = PHASES.schedule(momentum)
    log, sign = found.correction
    return replace(found, correction=(log, np.where(np.arange(PHASES.steps) == 0, sign, 0.0)))


def _switch_claim(momentum):
    """The factor at a switch against ``(eta_I/eta_{I-1})/(a_I a_{I-1})``."""
    found = PHASES.schedule(momentum)
    errors = []
    for t, old, new in PHASES.drops:
        a, b = (roots(rate, DECAY, momentum)[0] for rate in (old, new))
        errors.append(abs(found.growth_per_step[t - 1] * a * b * old / new - 1))
    # two rates with log p to a rounding of its size each
    limit = 8 * workbench.EPS * (1 + np.max(np.abs(found.log_lr)))
    return judge.identity(f"factor at the switches, momentum {momentum:g}", judge.largest(errors), limit)


def _corrected(name, momentum):
    return f"{name}: momentum {momentum:g}, buffer corrected"


def _curves(losses, momentum):
    """The rates of the runs with one momentum."""
    return pairs.curves(
        f"Step decay with weight decay {DECAY:g} and momentum {momentum:g}, and the tapered exponential rates that "
        "train alike without weight decay: every phase of a constant rate becomes one of exponential growth.",
        PHASES.schedule(momentum),
        [_corrected(name, momentum) for name in losses],
    )


def evidence(settings):
    """Corrected runs are equal; without the corrections they are not, and by how much is measured; controls."""
    losses = pairs.losses(settings)
    momenta = (0.0, 0.5, 0.9) if settings.full else (0.0, 0.9)
    for momentum in momenta:
        yield _switch_claim(momentum)
        for name, loss in losses.items():
            yield claim(_corrected(name, momentum), loss, momentum, settings)
    yield _curves(losses, momenta[-1])
    loss = losses["rayleigh"]
    for momentum in momenta[1:]:
        for name, found in (
            ("buffer not corrected at the switches", at_switches_only(momentum)),
            ("buffer not corrected at all", PHASES.schedule(momentum, corrected=False)),
        ):
            yield judge.control(claim(f"{name}, momentum {momentum:g}", loss, momentum, settings, found))
            yield _distance(f"distance, {name}, momentum {momentum:g}", loss, momentum, found, settings)
    wrong = PHASES.schedule(0.9)
    wrong = replace(wrong, eta=np.where(np.arange(PHASES.steps) >= PHASES.switches[0], 0.99, 1.0) * wrong.eta)
    yield judge.control(claim("a factor at the first switch 1 % too small", loss, 0.9, settings, wrong))
    short = Phases((0.5, 0.1), (pairs.FINITE // 2,), pairs.FINITE)
    yield judge.control(claim("a loss that is not scale-invariant", loss.unnormalised, 0.9, settings, phases=short))


def _distance(name, loss, momentum, found, settings):
    """Largest deviation of the loss, its median over replicas with a 95 % interval by order statistics."""
    decayed, steps = PHASES.given(momentum).decayed(loss), PHASES.steps
    far = np.sort(pairs.distance(loss, decayed, pairs.free(loss, found), settings, steps=steps, replicas=REPLICAS))
    # between the k-th smallest and the k-th largest lies the median but for 2 P(Binomial(n, 1/2) < k) <= 5 %
    k = int(stats.binom.ppf(0.025, REPLICAS, 0.5))
    return judge.measurement(name, (far[k - 1], far[-k]), what="largest |difference of the loss| over the run")


STATEMENT = Statement(
    "li2020.texp",
    "Step decay with weight decay equals tapered exponential rates (with a corrected momentum buffer: exactly)",
    paper("tapered exponential learning rates"),
    evidence,
)
