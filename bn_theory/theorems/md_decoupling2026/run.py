"""Learning rates against width for plain and decoupled training on losses; what a kept norm alone does not give.

Measured, with intervals over seeds: how the best rate moves with the width (here the dimension), that of a seed's own
run and that of the mean log loss of all runs, and how wide its basin is.
Four methods on noisy Rayleigh and bilinear quotients, all with rates that fall linearly to 0, on the same samples from
the same unit starts: SGD, SGD with weight decay, decoupled SGD and decoupled Adam (whose rate is a step's relative
size). The noise has one size a coordinate whatever the dimension; another scaling would move the best rates otherwise.

Checked, as theory derives it: plain gradient descent settles at every rate, decoupled at a fixed rate below a threshold
only, and above it a cycle has the predicted gradient; a start a times as long has a best rate a^2 times as large under
plain SGD, and the same one when decoupled; the sphere and a gain reach a small gradient where the loss is
scale-invariant, and do not on ``(w + 1)^2/2`` with one entry and a positive gain ``g = exp(rho)``.
"""

from __future__ import annotations

import numpy as np

import bn_theory as bn
from bn_theory import decoupling
from bn_theory.theorems import evidence as judge
from bn_theory.theorems import workbench
from bn_theory.theorems.intervals import over_seeds
from bn_theory.theorems.li2020 import toy
from bn_theory.theorems.md_decoupling2026 import derived, rate_sweeps
from bn_theory.theorems.md_decoupling2026.rate_sweeps import Sweep
from bn_theory.theorems.statement import Statement

SGD, DECAYED, SPHERE, ADAM = "SGD", "SGD with weight decay", "decoupled SGD", "decoupled Adam"
METHODS = (SGD, DECAYED, SPHERE, ADAM)
WIDTHS_QUICK, WIDTHS_FULL = (8, 32, 128), (8, 32, 128, 512)
NOISE = 0.1
STEPS, SEEDS = 300, 16
DECAY = 0.01
"""Weight decay lambda: ``eta lambda <= 1`` at the largest rate of its grid."""
GAIN_RATE = 0.1
UNIT = workbench.EPS / 2
MU = 2.0
"""Curvature of ``x^2/(x^2 + y^2)`` at its minimum on the circle."""
SMALL = float(np.sqrt(workbench.EPS))
"""A small gradient: half-way, in logarithms, from the 1 that holds a stuck run to what rounds away next to it."""
LONG = 2000
LOWEST = -3.5
HIGHEST = {SGD: 3.5}
"""``log10`` of the ends of the grids of rates, 2 for all methods but this one, whose basin is long: no best rate is to
lie at an end."""


def rates(settings, method: str) -> np.ndarray:
    """Two or four rates in every decade."""
    decades = HIGHEST.get(method, 2.0) - LOWEST
    return 10 ** (LOWEST + np.linspace(0.0, decades, round(decades * (4 if settings.full else 2)) + 1))


def widths(settings) -> tuple[int, ...]:
    """Of the profile."""
    return WIDTHS_FULL if settings.full else WIDTHS_QUICK


def quotient(d: int) -> bn.Loss:
    """A Rayleigh quotient of spectrum [0, 1], infimum 0, with linear noise."""
    return bn.with_linear_noise(bn.rayleigh(np.linspace(0.0, 1.0, d)), NOISE)


def pair(d: int) -> bn.Loss:
    """A bilinear quotient of two groups, singular values in [0.1, 1], with linear noise."""
    return bn.with_linear_noise(bn.bilinear(np.linspace(0.1, 1.0, d)), NOISE)


FAMILIES = {"": quotient, " (bilinear)": pair}
"""By what is added to a method's name."""


def final_losses(settings, method: str, loss, grid, norm: float = 1.0) -> np.ndarray:
    """The full loss above its infimum after ``STEPS`` steps at every rate, shape ``(seeds, rates)``.

    Args:
        norm: of the start of every group; for the decoupled methods the gains' start.
    """
    start = {g: v[0] for g, v in workbench.random_state(loss, settings.seed, SEEDS).items()}
    schedule = bn.Polynomial(tuple(float(rate) for rate in grid), STEPS, 1.0)
    if method in (SGD, DECAYED):
        found = bn.SGD(schedule, weight_decay=DECAY if method == DECAYED else 0.0)
        start = {g: norm * v for g, v in start.items()}
        run = workbench.run(settings, loss, found, start, steps=STEPS, replicas=SEEDS, record=[STEPS])
        return run.loss.values[..., -1].T - loss.facts.infimum
    v = decoupled(settings, loss, start, schedule.values(0, STEPS), method == ADAM, norm)
    return loss.value(v).T - loss.facts.infimum


def decoupled(settings, loss, start, by_step, adam: bool, gain: float = 1.0) -> dict[str, np.ndarray]:
    """Directions after a run, shape ``(rates, seeds, d)`` for each group; gains are trained at ``GAIN_RATE``.

    Args:
        start: unit vectors, ``(seeds, d)`` for each group. by_step: rates, ``(rates, steps)``.
        adam: whether Adam's update, brought to the step's relative size, takes the place of the gradient.
    """
    replicas = np.arange(SEEDS)
    v = {g: np.broadcast_to(x, (len(by_step), *x.shape)) for g, x in start.items()}
    gains = {g: np.full(x.shape[:2], gain) for g, x in v.items()}
    means = {g: (np.zeros(x.shape), np.zeros(x.shape)) for g, x in v.items()}
    for t in range(by_step.shape[1]):
        noise = loss.draw(settings.seed, replicas, t)
        gradient = loss.gradient({g: gains[g][..., None] * v[g] for g in v}, noise)
        for g in v:
            update, by_gain = decoupling.split_gradient(gradient[g], v[g], gains[g])
            if adam:
                update, *means[g] = decoupling.adam_update(update, *means[g], t + 1)
            v[g] = decoupling.moved(v[g], update, by_step[:, t, None], relative=adam)
            gains[g] = gains[g] - GAIN_RATE * by_gain
    return v


def swept(settings, method: str, family: str = "") -> Sweep:
    """One method at every width and rate. Args: family: one of ``FAMILIES``."""
    grid, sizes = rates(settings, method), widths(settings)
    losses = [final_losses(settings, method, FAMILIES[family](d), grid) for d in sizes]
    return Sweep(method + family, grid, np.array(sizes), np.stack(losses, axis=1))


def start_claim(name, settings, method: str, power: float, factor=3.0):
    """The best rate from a start (or gain) ``factor`` times as long is ``factor^power`` times as large.

    It is claimed to a thousandth of the power: a shift that is off by less than ``log10(factor)/1000``. Both grids are
    alike but for that factor, so that no interpolation enters where the claim holds; what is left is the rounding of
    two runs, far below. The losses there must be the same as closely.
    """
    d = WIDTHS_QUICK[1]
    grid = 10 ** np.linspace(-2.5, 1.5, 9)
    loss, moved_grid = quotient(d), grid * factor**power
    base = Sweep(method, grid, np.array([d]), final_losses(settings, method, loss, grid)[:, None])
    moved = Sweep(method, moved_grid, np.array([d]), final_losses(settings, method, loss, moved_grid, factor)[:, None])
    shift = (moved.best - base.best)[:, 0]
    # and the losses there, which a shift of the grid alone would not give
    apart = np.max(np.abs(np.log10(moved.losses / base.losses)), axis=(1, 2))
    close = np.log10(factor) / 1000
    low, high = over_seeds(close - np.maximum(np.abs(shift - power * np.log10(factor)), apart))
    return judge.comparison(name, (low, high), shift_in_decades=shift.tolist(), largest_log10_of_losses=apart.tolist())


def turn_claim(name, settings, d: int, size: float, steps=40):
    """Every step of decoupled Adam turns by ``1/sqrt(1 + eta^2)``: the largest error over its rounding bound."""
    loss = quotient(d)
    v = workbench.random_state(loss, settings.seed, SEEDS)["w"]
    mean = square = np.zeros(v.shape)
    worst = []
    for t in range(steps):
        gradient = loss.gradient({"w": v}, loss.draw(settings.seed, np.arange(SEEDS), t))["w"]
        update, mean, square = decoupling.adam_update(decoupling.tangential(gradient, v), mean, square, t + 1)
        after = decoupling.moved(v, update, size, relative=True)
        cosine = np.sum(after * v, axis=-1)
        # as in md_decoupling2026.identity: what the tangential part keeps along v, and sums of d products
        part = np.linalg.norm(decoupling.tangential(update, v), axis=-1)
        limit = (4 * d + 32) * UNIT * (1 + np.linalg.norm(update, axis=-1) / part)
        worst.append(np.max(np.abs(cosine - decoupling.turned_cosine(size)) / limit))
        v = after
    return judge.identity(name, judge.largest(worst), 1.0, unit="the rounding bound", width=d, size=size)


def descent(settings, rate, projected: bool):
    """Gradient descent on ``x^2/(x^2 + y^2)``, on the sphere if projected; every step recorded."""
    method = bn.GD(rate, projected=projected)
    return workbench.run(settings, toy.quotient(), method, [0.6, 0.8], steps=toy.STEPS, record="all")


def settles(name, settings, rate, projected: bool):
    """It settles: judged as in ``li2020.toy``, exactly 0 being no accident here."""
    return toy.settles(name, descent(settings, rate, projected), 0)


def cycle_claim(name, settings, product: float):
    """Above the threshold, ``k = eta mu > 2``: the gradient ends at that of the cycle, ``mu sqrt(1 - 4/k^2)/2``."""
    found = np.sqrt(descent(settings, product / MU, True).grad_norm2.values[0, -100:])
    expected = MU * np.sqrt(1 - 4 / product**2) / 2
    # On the cycle a deviation is multiplied by less than 1 a step: the rounding of a few steps' gradients.
    limit = 64 * UNIT * (1 + product)
    return judge.identity(name, float(np.max(np.abs(found / expected - 1)) / limit), 1.0, gradient=float(found[-1]))


def reaches(name, loss, v, settings, by_step):
    """Gradient descent on the direction and ``rho = log g`` reaches a gradient of at most ``SMALL`` by the last step.

    Args:
        v: the direction's start, ``(d,)``. by_step: the direction's rates, ``(steps,)``; rho has ``GAIN_RATE``.
    """
    v, rho = np.asarray(v, dtype=float), 0.0
    for rate in by_step:
        gain = np.exp(rho)
        gradient = loss.gradient({"w": gain * v})["w"]
        by_direction, by_gain = decoupling.split_gradient(gradient, v, gain)
        v, rho = decoupling.moved(v, by_direction, rate), rho - GAIN_RATE * gain * by_gain
    last = float(np.linalg.norm(loss.gradient({"w": np.exp(rho) * v})["w"]))
    return judge.bound(name, last / SMALL, gradient=last, gain=float(np.exp(rho)), norm_of_v=float(np.linalg.norm(v)))


def one_entry() -> bn.Loss:
    """``(w + 1)^2/2`` of a single number, up to the constant."""
    w = bn.weights("w")
    return bn.Loss(bn.total(w**2 / 2 + w)).sized({"w": 1})


def plain_one_entry(name, settings, rate):
    """Gradient descent on the number itself reaches that gradient."""
    run = workbench.run(settings, one_entry(), bn.GD(rate), [1.0], steps=LONG, record=[LONG])
    last = float(np.sqrt(run.grad_norm2.values[0, -1]))
    return judge.bound(name, last / SMALL, gradient=last, w=float(run.final_w.values[0, 0]))


def evidence(settings):
    """The sweeps, then what theory derives, with its controls."""
    for family, what in (("", "noisy Rayleigh quotient"), (" (bilinear)", "noisy bilinear quotient")):
        sweeps = [swept(settings, method, family) for method in METHODS]
        for sweep in sweeps:
            yield from rate_sweeps.measurements(sweep)
        yield from rate_sweeps.transfers(sweeps)
        yield rate_sweeps.curves(
            f"Loss of a {what} after {STEPS} steps against the learning rate, by method and dimension, and the best "
            f"rate of a seed's own run against the dimension; mean and 95 % over {SEEDS} seeds.",
            sweeps,
            "loss above infimum",
        )

    yield start_claim("SGD: a start 3 times as long has a best rate 9 times as large", settings, SGD, 2)
    yield start_claim("decoupled SGD: a gain from 3 has the same best rate", settings, SPHERE, 0)
    yield judge.control(start_claim("decoupled SGD: a gain from 3, 9 times as large", settings, SPHERE, 2))
    for d in (*widths(settings), 1024):
        yield turn_claim(f"decoupled Adam: steps of relative size 0.1, width {d}", settings, d, 0.1)

    for rate in (0.1, 1.0, 10.0, 100.0):
        yield settles(f"plain GD settles, rate {rate:g}", settings, rate, False)
    for product in (0.5, 1.8):
        yield settles(f"decoupled GD settles, eta mu = {product:g}", settings, product / MU, True)
    for product in (2.2, 3.0, 20.0):
        name = f"decoupled GD settles, eta mu = {product:g}, above 2"
        yield judge.control(settles(name, settings, product / MU, True))
        yield cycle_claim(f"decoupled GD: gradient of the cycle, eta mu = {product:g}", settings, product)

    fixed, falling = np.full(LONG, 0.25), 3 / np.sqrt(np.arange(1, LONG + 1))
    name = "direction and gain reach a small gradient"
    yield reaches(f"{name}: x^2/(x^2 + y^2), eta mu = 0.5", toy.quotient(), [0.6, 0.8], settings, fixed)
    yield reaches(f"{name}: from eta mu = 6, falling", toy.quotient(), [0.6, 0.8], settings, falling)
    yield judge.control(reaches(f"{name}: one entry, (w + 1)^2/2", one_entry(), [1.0], settings, fixed))
    for rate in (0.1, 1.9):
        yield plain_one_entry(f"gradient descent on one entry itself reaches it, rate {rate:g}", settings, rate)
    yield judge.control(plain_one_entry("gradient descent on one entry at the rate 2", settings, 2.0))


STATEMENT = Statement(
    "md_decoupling2026.run",
    "Best rates against width for plain and decoupled training, and a kept norm that alone does not make it converge",
    derived("learning-rate sensitivity on losses; runs at a fixed rate on the sphere"),
    evidence,
)
