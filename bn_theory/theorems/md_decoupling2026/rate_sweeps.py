"""What a sweep of learning rates over widths and seeds says: the best rate, how it moves with the width, the basin.

There are two best rates. That of a seed's own run has the least loss of that run, noise and all: where the basin is
flat it wanders. That of all runs has the least mean logarithm of the loss: one number a width, its interval by
jackknife and bootstrap over seeds. Losses are positive and finite (a run that left the finite numbers is given the loss
of guessing by whoever ran it).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bn_theory.errors import InvalidInputError
from bn_theory.theorems import evidence as judge
from bn_theory.theorems.evidence import Curves, Outside
from bn_theory.theorems.intervals import over_seeds

RESAMPLES = 1000
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
        """``log10`` of the best rate of every seed's own run, ``(seeds, widths)``: the vertex of the parabola through
        the least of the losses' logarithms and its neighbours; at the end of the grid the end itself."""
        return np.array([[_vertex(np.log10(self.rates), np.log10(row)) for row in seed] for seed in self.losses])

    @property
    def at_an_end(self) -> int:
        """For how many seeds and widths the least loss is at an end of the grid."""
        where = np.argmin(self.losses, axis=-1)
        return int(np.sum((where == 0) | (where == len(self.rates) - 1)))

    @property
    def slopes(self) -> np.ndarray:
        """Slope of ``log10`` of the best rate of a seed's own run against ``log10`` of the width, ``(seeds,)``."""
        return self._slope(self.best)

    @property
    def of_mean(self) -> Sweep:
        """The one curve a width of the geometric mean of all seeds' losses: a sweep of one "seed"."""
        return replace(self, losses=10 ** np.log10(self.losses).mean(axis=0, keepdims=True))

    @property
    def slope_of_mean(self) -> tuple[float, tuple[float, float], int]:
        """Slope of ``log10`` of the rate with the least mean log loss, its interval, and how often it was at an end.

        The interval is the hull of two. The jackknife's, Student's of ``n s - (n - 1) s_i``, s_i the slope without one
        of n seeds, is right for few seeds where the slope is smooth in the losses; the bootstrap's, the middle 95 % of
        slopes of resampled seeds, sees where the least mean jumps from one rate to another.
        """
        n = len(self.losses)
        whole = self.of_mean
        left = [replace(self, losses=np.delete(self.losses, i, axis=0)).of_mean for i in range(n)]
        slope = float(whole.slopes[0])
        pseudo = n * slope - (n - 1) * np.array([one.slopes[0] for one in left])
        # always the same resamples: they are no part of the runs
        drawn = np.random.default_rng(0).integers(n, size=(RESAMPLES, n))
        shares = np.stack([np.sum(drawn == i, axis=1) for i in range(n)], axis=1) / n
        resampled = replace(self, losses=10 ** np.einsum("bn,nwr->bwr", shares, np.log10(self.losses)))
        ends = *over_seeds(pseudo), *np.quantile(resampled.slopes, (0.025, 0.975)).tolist()
        return slope, (min(ends), max(ends)), sum(one.at_an_end for one in (whole, *left, resampled))

    def _slope(self, best):
        x = np.log10(self.widths) - np.mean(np.log10(self.widths))
        return best @ x / np.sum(x * x)

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
    """The measurements of one method, each with its interval over seeds.

    Yields:
        four ``measurement``; an ``Outside`` for a slope of which a best rate is at an end of the grid, as it may lie
        beyond.
    """
    name, last = sweep.method, int(sweep.widths[-1])
    ends = f"{sweep.rates[0]:.3g} to {sweep.rates[-1]:.3g}"
    if sweep.at_an_end:
        yield _outside(slope_name(name), sweep.at_an_end, ends)
    else:
        low, high = over_seeds(sweep.slopes)
        yield judge.measurement(
            slope_name(name),
            (low, high),
            best_rates=[float(f"{10**m:.4g}") for m in sweep.best.mean(axis=0)],
            widths=[int(w) for w in sweep.widths],
            answer=f"the best rate of a run goes as the width to the power {low:+.2f} to {high:+.2f}",
        )
    slope, interval, at_an_end = sweep.slope_of_mean
    if at_an_end:
        yield _outside(mean_slope_name(name), at_an_end, ends)
    else:
        best = [float(f"{10**m:.4g}") for m in sweep.of_mean.best[0]]
        yield judge.measurement(
            mean_slope_name(name), interval, measured=slope, best_rates=best, interval_by="jackknife and bootstrap"
        )
    yield judge.measurement(
        basin_name(name, last), over_seeds(sweep.basins[:, -1]), by_width=sweep.basins.mean(axis=0).tolist()
    )
    yield judge.measurement(
        f"{name}: log10 of the loss over the best one, mean over its own grid of rates and all widths",
        over_seeds(sweep.excess.mean(axis=1)),
        by_width=sweep.excess.mean(axis=0).tolist(),
        grid=ends,
        not_comparable="rates of different methods mean different things, and so do means over their grids",
    )


def _outside(case, count, ends):
    return Outside(
        case, f"a best rate is at an end of the grid, {ends}, and may lie beyond: {count} times; widen the grid"
    )


def slope_name(method: str) -> str:
    """The name of a method's measurement of how the best rate of a run moves."""
    return f"{method}: slope of log10 best rate, run by run, against log10 width"


def mean_slope_name(method: str) -> str:
    """The name of that of the best rate of all runs together."""
    return f"{method}: slope of log10 rate of least mean log loss against log10 width"


def basin_name(method: str, width: int) -> str:
    """The name of the measurement of the basin."""
    return f"{method}: decades of rates within a factor {FACTOR:g} of the best loss, width {width}"


def moves_less(slopes, others) -> tuple[float, float]:
    """A 95 % interval of ``|mean of others| - |mean of slopes|``, values by seed and so in pairs.

    The mean of ``|slope|`` would not do: it grows with the noise of the slopes, also where their mean is 0. With the
    signs s of both means, ``s_b b - s_a a`` has the mean asked for; a sign that its own interval does not tell is taken
    both ways, and the interval is the hull of all.

    Args:
        slopes, others: shape ``(seeds,)``.

    >>> low, high = moves_less([0.1, -0.1, 0.05], [-0.9, -1.0, -1.1])
    >>> 0 < low < high
    True
    """
    a, b = np.asarray(slopes, dtype=float), np.asarray(others, dtype=float)
    found = [over_seeds(sb * b - sa * a) for sa in _signs(a) for sb in _signs(b)]
    return min(low for low, _ in found), max(high for _, high in found)


def _signs(slopes):
    low, high = over_seeds(slopes)
    return (1,) if low > 0 else (-1,) if high < 0 else (1, -1)


def transfer_name(one: str, other: str) -> str:
    """The name of the comparison of two methods."""
    return f"|slope| of {other} minus |slope| of {one}"


def transfer(one: Sweep, other: Sweep):
    """By how much less the best rate of a run moves with the width under the first method: :func:`moves_less`.

    Returns:
        a ``measurement``, its answer read off the interval; an ``Outside`` if a best rate is at an end of its grid.
    """
    name = transfer_name(one.method, other.method)
    if count := one.at_an_end + other.at_an_end:
        return _outside(name, count, "that of its method")
    low, high = moves_less(one.slopes, other.slopes)
    if low > 0:
        said = f"by the interval the best rate of {one.method} moves less with the width than that of {other.method}"
    elif high < 0:
        said = f"by the interval the best rate of {one.method} moves more with the width than that of {other.method}"
    else:
        said = f"the interval does not tell whose best rate moves less, that of {one.method} or of {other.method}"
    return judge.measurement(
        name,
        (low, high),
        measured=abs(np.mean(other.slopes)) - abs(np.mean(one.slopes)),
        answer=f"{said}, at widths {', '.join(str(int(w)) for w in one.widths)}",
    )


def transfers(sweeps):
    """Of every decoupled method (the last two of four) against both plain ones (the first two)."""
    plain, decoupled = sweeps[:2], sweeps[2:]
    return [transfer(one, other) for one in decoupled for other in plain]


def curves(caption: str, sweeps, quantity: str) -> Curves:
    """All losses by method and width, and the best rates. Args: quantity: what the losses are, for the axis."""
    widths = [int(w) for w in sweeps[0].widths]
    return Curves(
        "rates_by_width",
        f"{caption} Nothing is predicted here: a measurement is supported where it has an interval.".strip(),
        {
            "widths": widths,
            "rates": {s.method: s.rates for s in sweeps},
            "losses": {s.method: _short(s.losses) for s in sweeps},
            "best": {s.method: _short(s.best) for s in sweeps},
            "quantity": quantity,
            "supports": [slope_name(s.method) for s in sweeps if not s.at_an_end],
        },
    )


def _short(values):
    """To five digits: more than a line's width shows."""
    return np.vectorize(lambda x: float(f"{x:.5g}"))(values)
