"""Directions and gains of a network's rows: what is exact there, and what the best rate does when the width changes.

A network for digits with two batch-normalised hidden layers and a last layer without. Checked in float64, nothing added
to variances: every row's direction keeps its norm, every step of relative size eta turns it by ``cos = 1/sqrt(1 +
eta^2)`` at every width, hidden rows' gradients at 3 times the row are a third, their gains are inert, and hidden rows
trained plainly at ``eta |w_t|^2``, each row its own, take the very directions of training on the spheres. The last
layer, treated alike, does none of the last two; a network that adds 1e-3 to its variances none of the last three.

Measured, intervals over seeds: how the best rate moves with the width under plain SGD, with weight decay, decoupled SGD
and decoupled Adam, how wide its basin is, and the test accuracy there. Whether decoupling transfers the best rate
better is read off the interval of a difference, at these widths, this number of steps and one split of the data (the
intervals are over starts and batches). Plain training
has one rate for all parameters, decoupled training a fixed one for gains and bias: what is compared are these two ways,
and the last layer's part in it is not told apart.

Torch is imported when the evidence is asked for.
"""

from __future__ import annotations

import numpy as np

from bn_theory import decoupling
from bn_theory.theorems import evidence as judge
from bn_theory.theorems import workbench
from bn_theory.theorems.intervals import over_seeds
from bn_theory.theorems.md_decoupling2026 import derived, network_runs, rate_sweeps
from bn_theory.theorems.md_decoupling2026.rate_sweeps import Sweep
from bn_theory.theorems.md_decoupling2026.run import ADAM, METHODS
from bn_theory.theorems.statement import Statement

WIDTHS_QUICK, WIDTHS_FULL = (8, 32, 128), (8, 16, 32, 64, 128)
STEPS_QUICK, STEPS_FULL = 120, 300
SEEDS = 4
HIDDEN = ("first", "second")
WITH_LAST = (*HIDDEN, "last")
CHECKED = 60
"""Steps of the checked runs."""
RATE = 0.1
ADDED = 1e-3
"""To variances, in a network whose rows are not scale-invariant."""
FACTOR = 3.0
"""What rows are multiplied by; no power of two, which rounds nothing."""
SAFETY = 4.0
"""Errors of a known size are random where rounding might not be."""
JITTER, UNIT = network_runs.JITTER, network_runs.UNIT


def rates(settings) -> np.ndarray:
    """Four decades and a half, two or three rates in each."""
    return 10 ** np.linspace(-3.0, 1.5, 14 if settings.full else 10)


def swept(settings, method: str, widths=None) -> tuple[Sweep, np.ndarray]:
    """One method at every width and rate, and the test accuracies, ``(seeds, widths, rates)``.

    Args:
        widths: of the hidden layers; those of the profile by default.
    """
    grid = rates(settings)
    widths = widths or (WIDTHS_FULL if settings.full else WIDTHS_QUICK)
    steps = STEPS_FULL if settings.full else STEPS_QUICK
    found = [network_runs.trained(settings, method, width, grid, steps, SEEDS) for width in widths]
    losses, test = (np.stack([getattr(one, part) for one in found], axis=1) for part in ("losses", "test"))
    return Sweep(method, grid, np.array(widths), losses), test


def accuracy(sweep: Sweep, test):
    """Test accuracy at the rate with the least training loss, mean over widths."""
    best = np.take_along_axis(test, np.argmin(sweep.losses, axis=-1)[..., None], axis=-1)[..., 0]
    return judge.measurement(
        f"{sweep.method}: test accuracy at the rate of least training loss",
        over_seeds(best.mean(axis=1)),
        by_width=best.mean(axis=0).tolist(),
    )


def norm_claim(name, run: network_runs.Followed, layers=WITH_LAST):
    """Norms of all directions at all steps: 1 but for the rounding of a sum of d squares and a division."""
    worst = [
        np.max(np.abs(np.linalg.norm(run.v[layer], axis=-1) - 1)) / ((run.v[layer].shape[-1] + 8) * UNIT)
        for layer in layers
    ]
    return judge.identity(name, judge.largest(worst), 1.0, unit="the rounding bound")


def turn_claim(name, run: network_runs.Followed, size: float, told: float | None = None, layers=WITH_LAST):
    """Cosines of all rows' steps against ``1/sqrt(1 + eta^2)``, over their rounding.

    Args:
        told: the relative size that the formula is told; the true one, but for a control.
    """
    worst = []
    for layer in layers:
        v = run.v[layer]
        cosine = np.sum(v[1:] * v[:-1], axis=-1)
        # Sums of d products, in the step and here; and what the tangential part of Adam's update, whose entries are of
        # size 1 and which has at least a tenth of its length along the tangent, keeps along the row.
        limit = 16 * (v.shape[-1] + 8) * UNIT
        worst.append(np.max(np.abs(cosine - decoupling.turned_cosine(size if told is None else told))) / limit)
    return judge.identity(name, judge.largest(worst), 1.0, unit="the rounding bound", size=size)


def gain_claim(name, run: network_runs.Followed, layers, blur: float, gain_rate: float):
    """Gains stay at their start: each step adds the gain's rate times a gradient that is rounding.

    Args:
        blur: bound of the rounding of a row's gradient at unit norm, ``network_runs.gradient_rounding``.
    """
    steps = run.gains[layers[0]].shape[-1] - 1
    # gains are 1 here; <p, v> errs by the rounding of p and of a sum of d products
    worst = []
    for layer in layers:
        d, slope = run.v[layer].shape[-1], np.sqrt(np.max(run.slopes[layer]))
        limit = SAFETY * steps * (gain_rate * (blur + (d + 8) * UNIT * slope) + UNIT)
        worst.append(np.max(np.abs(run.gains[layer] - run.gains[layer][:, :1])) / limit)
    return judge.identity(name, judge.largest(worst), 1.0, unit="the rounding bound")


def homogeneous_claim(name, settings, width: int, blur: float, added=0.0):
    """Gradients by the hidden rows, all 3 times as long, times 3: those at unit norm, up to the blur of both."""
    here = network_runs.row_gradients(settings, width, added=added)
    there = [FACTOR * g for g in network_runs.row_gradients(settings, width, FACTOR, added)]
    found = network_runs.distance(there, here)
    limit = 2 * SAFETY * blur
    return judge.identity(
        name, found / limit, 1.0, unit="the rounding bound", distance=found, rounding_bound=limit, width=width
    )


def equivalence_claim(name, settings, width: int, blur: float, layers=HIDDEN, power=1.0, gain_rate=0.1, added=0.0):
    """Rows on the sphere, and rows trained plainly at ``RATE |w_t|^(2 power)``: directions at every step.

    How rounding is amplified is seen from a third run, plain with every row displaced by ``JITTER`` of its norm after
    every step; rounding displaces it by at most ``u (1 + 8 s)`` and RATE times the gradient's blur (times 4: it is that
    of the start). An estimate, as in ``li2020.pairs``, and so has the same factor 4.

    Args:
        blur: ``network_runs.gradient_rounding``. layers: taken to be scale-invariant.
        power: 1; others are for controls, and so is what is ``added`` to variances.
    """
    sphere = network_runs.followed(settings, width, CHECKED, layers, lr=RATE, gain_lr=gain_rate, added=added)
    rates_of = {}
    for layer, slopes in sphere.slopes.items():
        found = decoupling.equivalent_rates(np.full(slopes.shape, RATE), slopes)
        rates_of[layer] = RATE * found.norm2[:, :-1] ** power
    plain, moved = (
        network_runs.followed(settings, width, CHECKED, layers, rates=rates_of, jitter=jitter, added=added)
        for jitter in (0.0, JITTER)
    )
    largest = RATE * max(float(np.sqrt(np.max(s))) for s in sphere.slopes.values())
    rounding = 2 * (UNIT * (1 + 8 * largest) + SAFETY * RATE * blur)

    def apart(one, other):
        return np.sqrt(sum(np.sum((one.v[n] - other.v[n]) ** 2, axis=(1, 2)) for n in layers))

    count = sum(len(s) for s in sphere.slopes.values())
    bound = SAFETY * (rounding / JITTER * np.maximum.accumulate(apart(plain, moved)) + 2 * count * workbench.EPS)
    distance = apart(sphere, plain)
    return judge.identity(
        name,
        judge.largest(distance / bound),
        1.0,
        unit="the rounding estimate",
        distance=float(distance.max()),
        bound_at_the_end=float(bound[-1]),
        largest_difference_of_losses=float(np.max(np.abs(sphere.losses - plain.losses))),
        largest_norm_of_a_row=float(max(np.max(g) for g in plain.gains.values())),
        width=width,
        steps=CHECKED,
    )


def evidence(settings):
    """The exact claims at every width with their controls, then the sweeps."""
    import torch

    import bn_theory.networks  # noqa: F401  (first of all, as it says what to install where torch is missing)
    from bn_theory.networks.threads import one_thread

    with one_thread():
        yield from _exact(settings, torch.optim.Adam)
        sweeps = []
        for method in METHODS:
            sweep, test = swept(settings, method)
            sweeps.append(sweep)
            yield from rate_sweeps.measurements(sweep)
            yield accuracy(sweep, test)
    yield from rate_sweeps.transfers(sweeps)
    steps = STEPS_FULL if settings.full else STEPS_QUICK
    yield rate_sweeps.curves(
        f"Training loss on digits after {steps} steps against the learning rate, by method and width, and the best "
        f"rate of a seed's own run against the width; mean and 95 % over {SEEDS} seeds of starts and batches, all on "
        "one split of the data, which the intervals do not cover.",
        sweeps,
        "final training loss",
    )


def _exact(settings, adam):
    for width in WIDTHS_QUICK:
        run = network_runs.followed(
            settings, width, CHECKED, WITH_LAST, lr=RATE, gain_lr=0.1, base=adam, relative=True, eps=0.0
        )
        yield norm_claim(f"{ADAM}, width {width}: every direction keeps its norm", run)
        yield turn_claim(f"{ADAM}, width {width}: every row turns by 1/sqrt(1 + eta^2)", run, RATE)
        blur = network_runs.gradient_rounding(settings, width)
        name = f"width {width}: gradients of hidden rows at 3 times the rows are a third"
        yield homogeneous_claim(name, settings, width, blur)
        yield gain_claim(f"width {width}: gains of hidden rows stay", run, HIDDEN, blur, 0.1)
        yield equivalence_claim(f"width {width}: hidden rows plainly at eta |w|^2", settings, width, blur)
    yield judge.control(turn_claim("turn of a step of 1.001 times the size", run, RATE, 1.001 * RATE))
    yield judge.control(gain_claim("gains of the last layer's rows stay", run, ("last",), blur, 0.1))
    width = WIDTHS_QUICK[1]
    blur = network_runs.gradient_rounding(settings, width)
    name = "last layer's rows, too, plainly at eta |w|^2"
    yield judge.control(equivalence_claim(name, settings, width, blur, WITH_LAST))
    yield judge.control(equivalence_claim("hidden rows plainly at eta", settings, width, blur, power=0.0))
    where = f"{ADDED:g} added to variances"
    name = f"{where}: gradients of hidden rows at 3 times the rows are a third"
    yield judge.control(homogeneous_claim(name, settings, width, blur, ADDED))
    run = network_runs.followed(settings, width, CHECKED, HIDDEN, lr=RATE, gain_lr=0.1, added=ADDED)
    yield judge.control(gain_claim(f"{where}: gains of hidden rows stay", run, HIDDEN, blur, 0.1))
    name = f"{where}: hidden rows plainly at eta |w|^2"
    yield judge.control(equivalence_claim(name, settings, width, blur, added=ADDED))


STATEMENT = Statement(
    "md_decoupling2026.networks",
    "Rows of a batch-normalised network as directions and gains; the best rate against width, plain and decoupled",
    derived("directions and gains of a network's rows; learning-rate sensitivity against width"),
    evidence,
    extra="networks",
)
