"""What a sweep of learning rates over widths and seeds says: the best rate, how it moves with the width, the basin.

All by seed, so that intervals are over seeds. Losses are positive and finite (a run that left the finite numbers is
given the loss of guessing by whoever ran it).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bn_theory.errors import InvalidInputError
from bn_theory.theorems import evidence as judge
from bn_theory.theorems.evidence import Curves
from bn_theory.theorems.intervals import over_seeds

FACTOR = 2.0
"""A rate is in the basin while its loss is at most this many times that of the best."""


@dataclass(frozen=True, eq=False)
class Sweep:
    """Final losses of one method.

    Attributes:
        method: its name.
        rates: ``(rates,)``, increasing.
        widths: ``(widths,)``.
        losses: ``(seeds, widths, rates)``, positive.
    """

    method: str
    rates: np.ndarray
    widths: np.ndarray
    losses: np.ndarray

    def __post_init__(self):
        losses, shape = np.asarray(self.losses), (len(self.widths), len(self.rates))
        if losses.ndim != 3 or losses.shape[1:] != shape:
            raise InvalidInputError(f"losses must have the shape (seeds, {shape[0]}, {shape[1]}), not {losses.shape}")
        if not np.all(np.isfinite(losses) & (losses > 0)):
            bad = losses[~(np.isfinite(losses) & (losses > 0))][0]
            raise InvalidInputError(f"losses must be finite and positive, but one is {bad}; cap those that diverged")
        if len(self.rates) < 3 or not np.all(np.diff(self.rates) > 0) or not self.rates[0] > 0:
            raise InvalidInputError(f"rates must be at least three, positive and increasing, not {self.rates!r:.80}")

    @property
    def best(self) -> np.ndarray:
        """``log10`` of the best rate, ``(seeds, widths)``: the vertex of the parabola through the least of the losses'
        logarithms and its neighbours; at the end of the grid the end itself."""
        return np.array([[_vertex(np.log10(self.rates), np.log10(row)) for row in seed] for seed in self.losses])

    @property
    def at_an_end(self) -> int:
        """For how many seeds and widths the least loss is at an end of the grid."""
        where = np.argmin(self.losses, axis=-1)
        return int(np.sum((where == 0) | (where == len(self.rates) - 1)))

    @property
    def slopes(self) -> np.ndarray:
        """Slope of ``log10`` of the best rate against ``log10`` of the width by least squares, ``(seeds,)``."""
        x = np.log10(self.widths) - np.mean(np.log10(self.widths))
        return self.best @ x / np.sum(x * x)

    @property
    def basins(self) -> np.ndarray:
        """Decades of rates around the best within ``FACTOR`` of its loss, within the grid, ``(seeds, widths)``."""
        return np.array([[_basin(np.log10(self.rates), np.log10(row)) for row in seed] for seed in self.losses])

    @property
    def excess(self) -> np.ndarray:
        """Mean over the grid of ``log10`` of the loss over the best one, ``(seeds, widths)``."""
        logs = np.log10(self.losses)
        return np.mean(logs, axis=-1) - np.min(logs, axis=-1)


def _vertex(x, y):
    i = int(np.argmin(y))
    if i in (0, len(y) - 1):
        return float(x[i])
    (a, b, c), (p, q) = y[i - 1 : i + 2], np.diff(x[i - 1 : i + 2])
    # where the parabola's slope is 0, between the middles of both intervals
    left, right = (b - a) / p, (c - b) / q
    return float(x[i] - p / 2 - left * (p + q) / 2 / (right - left)) if right > left else float(x[i])


def _basin(x, y):
    limit, i = np.min(y) + np.log10(FACTOR), int(np.argmin(y))
    ends = []
    for steps in (range(i, 0, -1), range(i, len(y) - 1)):
        end = x[0] if steps.step == -1 else x[-1]
        for j in steps:
            k = j + steps.step
            if y[k] > limit:
                end = x[j] + (x[k] - x[j]) * (limit - y[j]) / (y[k] - y[j])
                break
        ends.append(end)
    return float(ends[1] - ends[0])


def measurements(sweep: Sweep):
    """The three measurements of one method, each with its interval over seeds."""
    name, last = sweep.method, int(sweep.widths[-1])
    low, high = over_seeds(sweep.slopes)
    yield judge.measurement(
        slope_name(name),
        (low, high),
        best_rates=[float(f"{10**m:.4g}") for m in sweep.best.mean(axis=0)],
        widths=[int(w) for w in sweep.widths],
        least_loss_at_an_end_of_the_grid=sweep.at_an_end,
        answer=f"the best rate goes as the width to the power {low:+.2f} to {high:+.2f}",
    )
    basin = over_seeds(sweep.basins[:, -1])
    yield judge.measurement(
        f"{name}: decades of rates within a factor {FACTOR:g} of the best loss, width {last}",
        basin,
        by_width=sweep.basins.mean(axis=0).tolist(),
    )
    excess = over_seeds(sweep.excess.mean(axis=1))
    yield judge.measurement(
        f"{name}: log10 of the loss over the best one, mean over all rates and widths",
        excess,
        by_width=sweep.excess.mean(axis=0).tolist(),
    )


def slope_name(method: str) -> str:
    """The name of a method's measurement of how its best rate moves."""
    return f"{method}: slope of log10 best rate against log10 width"


def transfer(one: Sweep, other: Sweep):
    """By how much less the best rate moves with the width under the first method: ``|slope| - |slope|``, by seed.

    Returns:
        a ``measurement``; its answer is read off the interval.
    """
    difference = np.abs(other.slopes) - np.abs(one.slopes)
    low, high = over_seeds(difference)
    if low > 0:
        said = f"by the interval the best rate of {one.method} moves less with the width than that of {other.method}"
    elif high < 0:
        said = f"by the interval the best rate of {one.method} moves more with the width than that of {other.method}"
    else:
        said = f"the interval does not tell whose best rate moves less, that of {one.method} or of {other.method}"
    return judge.measurement(
        f"|slope| of {other.method} minus |slope| of {one.method}",
        (low, high),
        differences=difference.tolist(),
        answer=f"{said}, at widths {', '.join(str(int(w)) for w in one.widths)}",
    )


def curves(caption: str, sweeps, quantity: str) -> Curves:
    """All losses by method and width, and the best rates. Args: quantity: what the losses are, for the axis."""
    widths = [int(w) for w in sweeps[0].widths]
    return Curves(
        "rates_by_width",
        caption,
        {
            "widths": widths,
            "rates": {s.method: s.rates for s in sweeps},
            "losses": {s.method: _short(s.losses) for s in sweeps},
            "best": {s.method: _short(s.best) for s in sweeps},
            "quantity": quantity,
            "supports": [slope_name(s.method) for s in sweeps],
        },
    )


def _short(values):
    """To five digits: more than a line's width shows."""
    return np.vectorize(lambda x: float(f"{x:.5g}"))(values)
