"""Weight decay alone settles, normalisation alone settles, both together do not.

The loss is ``L(x, y) = x^2/(x^2 + y^2)``, run by GD. With both, near the minimum a step multiplies ``x/y`` by about
``1 - 2 Phi``, while decay lets ``Phi = eta/(a |w|^2)`` grow by ``a^-2`` a step until that leaves [-1, 1] and throws the
direction out; the gradient then restores the norm, and so on. The claim is that the direction does not converge, no
more. Alone each converges: decay to the minimiser of ``L + lambda |w|^2/2``, which is that of L here by design only.

In floating point the direction can come to rest by accident: while ``Phi`` is small ``x`` falls, and where decay is
slow it falls to exactly 0, a stationary point that exact arithmetic never reaches. Where that will happen is found
before the run, by following ``log(x/y)``, and such a configuration does not count.
"""

from __future__ import annotations

import math

import numpy as np

import bn_theory as bn
from bn_theory.theorems import evidence as judge
from bn_theory.theorems import workbench
from bn_theory.theorems.evidence import INCONCLUSIVE, Evidence, Outside
from bn_theory.theorems.li2020 import derived
from bn_theory.theorems.statement import Statement

STEPS = 20_000
START = (1.0, 1.0)
TENTHS = 10
SETTLED = 1e-6
"""The largest gradient of the last tenth of a run over that of the whole run, for a run that has settled. What settles
does so exponentially and is at rounding by then; what does not returns to 1 in every tenth."""
RATE, DECAY = 0.5, 0.1
TRAP = (0.5, 1e-3)
"""A rate and decay of product 5e-4: the norm needs 1/(2 * 5e-4) steps to fall by e, in which x underflows."""


def quotient() -> bn.Loss:
    """``x^2/(x^2 + y^2)``: the Rayleigh quotient of diag(2, 0); its twin without normalisation is ``x^2``."""
    return bn.rayleigh([2.0, 0.0])


def pairs_of_rates(settings) -> list[tuple[float, float]]:
    """``(eta, lambda)``: decay fast enough for floating point to follow, rates below 1 at which the twin is stable."""
    found = [(RATE, DECAY), (RATE, 0.02), TRAP]
    return [*found, (0.1, 0.5), (0.3, 0.3), (0.5, 0.2)] if settings.full else found


def repels_above(eta, decay) -> float:
    """The effective rate ``eta/|w|^2`` above which a step near the minimum carries the direction away from it.

    There ``x/y`` is multiplied by about ``1 - 2 eta/(a |w|^2)``, ``a = 1 - eta lambda``.
    """
    return 1 - eta * decay


def run(settings, loss, eta, decay, start=START, steps=STEPS):
    """GD with every step recorded."""
    return workbench.run(settings, loss, bn.GD(eta, weight_decay=decay), list(start), steps=steps, record="all")


def lowest_log(eta, decay, start=START, steps=STEPS) -> float:
    """The smallest ``log|x|`` on the way, where no number underflows: by the recursion of ``log|x/y|`` and ``r^2``.

    With ``s = x/r`` and ``c = y/r`` a step multiplies ``x/y`` by ``(a - 2 eta c^2/r^2)/(a + 2 eta s^2/r^2)`` and makes
    ``r^2`` into ``a^2 r^2 + 4 eta^2 s^2 c^2/r^2``.
    """
    x, y = start
    log_u, r2, a, lowest = math.log(x / y), x * x + y * y, 1 - eta * decay, math.inf
    for _ in range(steps):
        u2 = math.exp(2 * min(log_u, 300.0))
        sine2, cosine2 = u2 / (1 + u2), 1 / (1 + u2)
        factor = abs(a - 2 * eta * cosine2 / r2) / (a + 2 * eta * sine2 / r2)
        lowest = min(lowest, log_u + math.log(r2) / 2)
        if factor == 0:
            return -math.inf
        log_u += math.log(factor)
        r2 = a * a * r2 + 4 * eta * eta * sine2 * cosine2 / r2
    return lowest


def underflows(eta, decay) -> str | None:
    """Why floating point cannot follow a configuration with both, or ``None``."""
    lowest, smallest = lowest_log(eta, decay), math.log(np.finfo(float).tiny)
    if lowest > smallest:
        return None
    return (
        f"x falls to e^{lowest:.0f}, below the smallest float64 (e^{smallest:.0f}), before decay has made the "
        "direction unstable: the run would come to rest at 0, which it never reaches in exact arithmetic; take a "
        "larger rate or decay"
    )


def accident(dataset) -> int | None:
    """From which step on the loss is 0, where ``x`` ends at exactly 0 without having started there: rounding has ended
    the run. (The loss, of size ``x^2``, is 0 before ``x`` is; where ``x`` is not, it returns.)"""
    values = dataset.loss.values[0]
    if values[0] == 0 or dataset.final_w.values[0, 0] != 0:
        return None
    return int(np.flatnonzero(values)[-1]) + 1


def largest_gradients(dataset) -> np.ndarray:
    """Of every tenth of the run."""
    gradient = np.sqrt(dataset.grad_norm2.values[0, 1:])
    return gradient.reshape(TENTHS, -1).max(axis=1)


def settles(name, dataset, converges_from=STEPS):
    """The gradient of the last tenth is at most ``SETTLED`` of the run's largest, and the loss as near its infimum 0.

    Args:
        converges_from: from this step on, exactly 0 is where exponential convergence ends; before, it is an accident.

    Returns:
        a ``bound``; inconclusive where rounding has ended the run.
    """
    stopped = accident(dataset)
    if stopped is not None and stopped < converges_from:
        return Evidence(name, "bound", INCONCLUSIVE, details={"x_underflowed_to_0_at_step": stopped})
    gradients = largest_gradients(dataset)
    last = dataset.loss.values[0, -(dataset.sizes["step"] - 1) // TENTHS :].max()
    ratio = max(gradients[-1] / max(gradients.max(), 1e-300), last / max(dataset.loss.values[0].max(), 1e-300))
    return judge.bound(name, float(ratio / SETTLED), largest_gradients=gradients.tolist())


def evidence(settings):
    """The three curves at several rates, decay that is switched off, the exact hit; the trap is recognised."""
    loss = quotient()
    for eta, decay in pairs_of_rates(settings):
        where = f"rate {eta:g}, decay {decay:g}"
        yield settles(f"decay alone: {where}", run(settings, loss.unnormalised, eta, decay), 0)
        yield settles(f"normalisation alone: rate {eta:g} ({where})", run(settings, loss, eta, 0.0), 0)
        if reason := underflows(eta, decay):
            yield Outside(f"both together: {where}", reason)
            continue
        both = run(settings, loss, eta, decay)
        yield judge.control(settles(f"both together settle: {where}", both))
        highest = largest_gradients(both)
        yield judge.measurement(
            f"both together: largest |grad| of every tenth of the run, {where}", (highest.min(), highest.max())
        )
    off = bn.Table(np.where(np.arange(STEPS) < STEPS // 2, DECAY, 0.0))
    yield settles("decay switched off half-way", run(settings, loss, RATE, off), STEPS // 2)
    # So few steps that |w|^2 stays a normal number: nothing restores the norm there.
    exact = run(settings, loss, RATE, DECAY, (0.0, 1.0), steps=1000)
    yield settles("started on the minimum exactly, both together", exact)
    yield minimiser_with_decay(settings)


def minimiser_with_decay(settings):
    """``L = |w - a|^2/2`` with decay goes to ``a/(1 + lambda)``, not to the minimiser ``a`` of L."""
    w, a = bn.weights("w"), bn.data("a")
    target = np.array([1.0, -2.0])
    loss = bn.Loss(bn.total(w**2 / 2 - a * w), a=target)  # up to the constant |a|^2/2
    found = run(settings, loss, RATE, DECAY, (0.0, 0.0)).final_w.values[0]
    # The map contracts by 1 - eta (1 + lambda) < 1/2 and rounds by at most 4 u of its result a step: 8 u at the end.
    limit = 8 * workbench.EPS / 2 * np.max(np.abs(target))
    shifted = target / (1 + DECAY)
    return judge.identity(
        "decay alone goes to the minimiser of L + lambda |w|^2/2",
        float(np.max(np.abs(found - shifted))),
        float(limit),
        distance_to_the_minimiser_of_the_loss=float(np.linalg.norm(found - target)),
    )


STATEMENT = Statement(
    "li2020.toy",
    "Decay alone settles, normalisation alone settles, both together do not",
    derived("example in which decay and normalisation together do not converge"),
    evidence,
)
