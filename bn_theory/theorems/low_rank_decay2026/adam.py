"""Weight decay of a scale-invariant loss under SGD, Adam and steps along signs: which runs without decay are the same?

A run with decoupled decay, ``w <- (1 - eta lambda) w - eta step``, is compared with one without it, by directions and
step by step. Proved: with ``p_t = (1 - eta lambda)^t`` they agree

    SGD       at the rate eta/(p_t p_{t+1})       a gradient is divided by the weights' scale
    Adam      at the rate eta/p_{t+1}             with beta_1 (1 - eta lambda) and beta_2 (1 - eta lambda)^2 for the
    betas,
                                                  the weights 1 - beta of a new gradient as they were
    signs     at the rate eta/p_{t+1}             Adam with betas of 0

and under Adam not with the betas themselves. Adam is without its epsilon here, which would break the scaling by itself.

How far rounding may carry two runs apart depends on how the dynamics amplifies it. That is measured: in further runs
all that rounds (weights, both moments, the gradient) is moved by a known relative size ``J`` in random directions,
each step. Rounding moves it by at most ``kappa u``: up to 8 roundings a step and those of ``log p`` in the rate, and
the gradient's ``k u`` at unit norm (``workbench.condition``). The bound is the largest deviation so far times ``kappa
u/J``, times 4 as the added noise is random where rounding might not be, and times 2 as both runs round: an estimate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import bn_theory as bn
from bn_theory.decoupling import adam_update
from bn_theory.theorems import evidence as judge
from bn_theory.theorems import workbench

RATE, DECAY, STEPS = 0.02, 1.0, 60
BETAS = (0.9, 0.99)
JITTER, DRAWS, SAFETY = 2.0**-30, 4, 8.0


@dataclass(frozen=True)
class Rule:
    """A step as a function of gradients.

    Attributes:
        betas: of the moments; ``None`` for the gradient itself.
        fresh: weights of a new gradient and of its square.
    """

    betas: tuple[float, float] | None
    fresh: tuple[float, float] = (1.0, 1.0)

    def with_betas(self, factor: float) -> Rule:
        """``beta_1 factor`` and ``beta_2 factor^2``, the weights of new gradients as they are."""
        return Rule((self.betas[0] * factor, self.betas[1] * factor**2), self.fresh)


SGD = Rule(None)
ADAM = Rule(BETAS, tuple(1 - beta for beta in BETAS))
SIGNS = Rule((0.0, 0.0))


def start(undo: Rule, steps: int) -> np.ndarray:
    """What undoes the zero start of the moments, ``1 - beta^(t+1)``, shape ``(steps, 2)``.

    Of the run with decay for both runs, so that only the buffers differ.
    """
    powers = 1 + np.arange(steps)[:, None]
    return 1 - np.array(undo.betas) ** powers if undo.betas else np.ones((steps, 2))


def directions(loss, w, rates, keep, rule: Rule, undo, jitter=None) -> np.ndarray:
    """``w_t/|w_t|`` at every step.

    Args:
        w: where it starts, shape ``(d,)``. rates: shape ``(steps,)``. keep: what weights are multiplied by in a step.
        undo: of :func:`start`. jitter: a generator of added noise, or ``None``.

    Returns:
        shape ``(steps + 1, d)``.
    """
    m, v, path = np.zeros_like(w), np.zeros_like(w), [w / np.linalg.norm(w)]

    def moved(x):
        return x if jitter is None else x * (1 + JITTER * jitter.choice([-1.0, 1.0], x.shape))

    for rate, corrections in zip(rates, undo, strict=True):
        step = loss.gradient({"w": w[None, None]})["w"][0, 0]
        if jitter is not None:
            noise = jitter.choice([-1.0, 1.0], w.shape) / np.sqrt(w.size)
            step = step + JITTER / np.linalg.norm(w) * noise
        if rule.betas:
            m = moved(rule.betas[0] * m + rule.fresh[0] * step)
            v = moved(rule.betas[1] * v + rule.fresh[1] * step**2)
            step = (m / corrections[0]) / np.sqrt(v / corrections[1])
        w = moved(keep * w - rate * step)
        path.append(w / np.linalg.norm(w))
    return np.array(path)


def same(name, loss, w, rule, free_rule, free_rates, seed) -> judge.Evidence:
    """The run with decay and one without it have the same directions: the largest difference over its bound.

    Args:
        rule: of the run with decay. free_rule, free_rates: of the one without.
        seed: of the added noise.
    """
    undo = start(rule, len(free_rates))
    keep = 1 - RATE * DECAY
    given = np.full(len(free_rates), RATE)
    decayed = directions(loss, w, given, keep, rule, undo)
    free = directions(loss, w, free_rates, 1.0, free_rule, undo)
    noisy = [
        directions(loss, w, given, keep, rule, undo, np.random.default_rng((seed, 35, draw))) for draw in range(DRAWS)
    ]
    deviation = np.maximum.accumulate(np.max(np.abs(np.array(noisy) - decayed), axis=(0, 2)))
    kappa = max(workbench.condition(loss, seed), 8 + 2 * abs(len(free_rates) * np.log(keep)))
    allowed = SAFETY * kappa * workbench.EPS / 2 * (deviation / JITTER + 1)
    difference = np.max(np.abs(free - decayed), axis=1)
    return judge.identity(
        name,
        float(np.max(difference / allowed)),
        1.0,
        unit="the estimated bound of rounding",
        largest_difference_of_directions=float(difference.max()),
        amplification=float(deviation[-1] / JITTER),
        weights_shrink_to=keep ** len(free_rates),
    )


def schedules(steps: int = STEPS):
    """Rates without decay: ``eta/(p_t p_{t+1})``, of ``bn.equivalent_schedule``, and ``eta/p_{t+1}``."""
    schedule = bn.equivalent_schedule(RATE, DECAY, 0.0, steps=steps)
    return schedule.lr, RATE * np.exp(-schedule.log_p[1:])


def losses(settings) -> dict[str, bn.Loss]:
    """Scale-invariant losses with one group of weights."""
    found = {"rayleigh": bn.rayleigh(np.linspace(0.0, 1.0, 16))}
    if settings.full:
        found["rayleigh, geometric"] = bn.rayleigh(np.geomspace(1e-2, 1.0, 24))
        w, a = bn.weights("w"), bn.data("a")
        found["cosine"] = bn.Loss(-(bn.total(a * w) ** 2) / bn.total(w**2), a=np.linspace(-1.0, 2.0, 12))
    return found


def evidence(settings):
    """The equivalences that hold and those that do not; decay at zero gradient."""
    for label, loss in losses(settings).items():
        w = workbench.random_state(loss, settings.seed, 1)["w"][0, 0]
        by_both, by_next = schedules()
        factor = 1 - RATE * DECAY

        def claim(name, rule, free_rule, rates, loss=loss, w=w, label=label):
            return same(f"{label}: {name}", loss, w, rule, free_rule, rates, settings.seed)

        yield claim("SGD, decay is a schedule of rates", SGD, SGD, by_both)
        yield judge.control(claim("AdamW, decay is a schedule of rates, eta/p_{t+1}", ADAM, ADAM, by_next))
        yield judge.control(claim("AdamW, decay is SGD's schedule of rates", ADAM, ADAM, by_both))
        yield claim("AdamW, decay is that schedule and smaller betas", ADAM, ADAM.with_betas(factor), by_next)
        wrong = ADAM.with_betas(1 / factor)
        yield judge.control(claim("AdamW, decay is that schedule and larger betas", ADAM, wrong, by_next))
        yield claim("signs, decay is the schedule eta/p_{t+1}", SIGNS, SIGNS, by_next)
        yield judge.control(claim("signs, decay is SGD's schedule", SIGNS, SIGNS, by_both))


def at_zero_gradient(W, steps, coupled: bool) -> np.ndarray:
    """A matrix after Adam's steps where the task has no gradient: decay decoupled, or in Adam's gradient.

    Args:
        W: shape ``(m, n)``. coupled: whether the gradient is ``lambda W``; else it is 0 and so is Adam's step.
    """
    mean = square = np.zeros_like(W)
    for t in range(1, steps + 1):
        gradient = DECAY * W if coupled else np.zeros_like(W)
        step, mean, square = adam_update(gradient, mean, square, t, betas=ADAM.betas)
        W = (W if coupled else W * (1 - RATE * DECAY)) - RATE * step
    return W
