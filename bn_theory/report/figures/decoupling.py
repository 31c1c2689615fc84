"""Final loss against the learning rate for several methods and widths, and how the best rate moves with the width."""

from __future__ import annotations

import numpy as np

from bn_theory.errors import InvalidInputError
from bn_theory.report.figures.style import DPI, MARKERS, MOST, STYLES, checked_labels, heading, legend, need_matplotlib


def rates_by_width(widths, rates, losses, best, quantity: str, *, title: str = "", evidence=()):
    """A panel for each method, loss against rate with a line for each width, and one with the best rates by width.

    Lines are means over seeds of the logarithm, bands its 95 % intervals (from three seeds on).

    Args:
        widths: shape ``(widths,)``, positive.
        rates: ``{method: (rates,)}``, positive.
        losses: ``{method: (seeds, widths, rates)}``, positive.
        best: ``{method: (seeds, widths)}``, ``log10`` of the best rate.
        quantity: what the losses are. title: shown above. evidence: pieces whose verdicts are shown below it.

    Returns:
        ``matplotlib.figure.Figure``.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InvalidInputError: shapes that do not fit, numbers that are not positive, too many methods or widths.
    """
    need_matplotlib()
    from matplotlib.figure import Figure

    widths = np.asarray(widths, dtype=float)
    methods = checked_labels(rates, len(losses))
    if not methods or widths.ndim != 1 or not 0 < len(widths) <= MOST or not np.all(widths > 0):
        raise InvalidInputError(f"rates_by_width needs methods and 1 to {MOST} positive widths, not {widths!r:.60}")
    for method in methods:
        if method not in losses or method not in best:
            raise InvalidInputError(f"{method!r} must be in rates, losses and best")
    lines = (len(methods) + 1) // 2
    figure = Figure(figsize=(7.2, 2.3 * lines + 2.9), dpi=DPI, layout="constrained")
    grid = figure.add_gridspec(lines + 1, 2, height_ratios=[2.3] * lines + [2.6])
    shared = None
    for k, method in enumerate(methods):
        axes = figure.add_subplot(grid[k // 2, k % 2], sharey=shared)
        shared = shared or axes
        _losses(axes, method, widths, rates[method], losses[method])
        axes.set_xlabel("learning rate" if k >= len(methods) - 2 else "")
        axes.set_ylabel(quantity if k % 2 == 0 else "")
        if k == min(1, len(methods) - 1):  # one for all panels, beside them: below it curves would be hidden
            legend(axes, "center left", bbox_to_anchor=(1.0, 0.5))
    last = figure.add_subplot(grid[lines, :])
    for method, style, mark in zip(methods, STYLES, MARKERS, strict=False):
        middle, low, high = _over(_array(f"best of {method!r}", best[method], (None, len(widths))))
        spread = np.stack([10**middle - 10**low, 10**high - 10**middle])
        look = {"color": style[0], "linestyle": style[1], "marker": mark, "markersize": 5, "linewidth": 1.4}
        last.errorbar(widths, 10**middle, spread, capsize=3, elinewidth=1.0, label=method, **look)
    last.set(xscale="log", yscale="log", xlabel="width", ylabel="best learning rate", xticks=widths)
    last.set_xticks([], minor=True)
    last.set_xticklabels([f"{width:g}" for width in widths])
    last.grid(True, which="major", color="0.9")
    legend(last, "center left", bbox_to_anchor=(1.0, 0.5))
    heading(figure, title, evidence)
    return figure


def _losses(axes, method, widths, rates, losses):
    rates = np.asarray(rates, dtype=float)
    if rates.ndim != 1 or not np.all(np.isfinite(rates) & (rates > 0)):
        raise InvalidInputError(f"the rates of {method!r} must be positive and of shape (rates,), not {rates!r:.60}")
    values = _array(f"losses of {method!r}", losses, (None, len(widths), len(rates)))
    if not np.all(values > 0):
        raise InvalidInputError(f"losses of {method!r} must be positive, but one is {values.min()}")
    for i, (width, (color, dash), mark) in enumerate(zip(widths, STYLES, MARKERS, strict=False)):
        middle, low, high = _over(np.log10(values[:, i]))
        axes.fill_between(rates, 10**low, 10**high, color=color, alpha=0.2, linewidth=0)
        look = {"color": color, "linestyle": dash, "marker": mark, "markersize": 3, "linewidth": 1.4}
        axes.plot(rates, 10**middle, label=f"width {width:g}", **look)
    axes.set(xscale="log", yscale="log")
    axes.set_title(method, fontsize=9)
    axes.grid(True, which="major", color="0.9")


def _over(values):
    """Mean over seeds and the ends of its interval; the mean itself where there are fewer than three seeds."""
    from bn_theory.theorems.intervals import FEWEST, over_seeds

    middle = values.mean(axis=0)
    if len(values) < FEWEST:
        return middle, middle, middle
    ends = np.array([over_seeds(column) for column in values.T])
    return middle, ends[:, 0], ends[:, 1]


def _array(name, values, shape):
    """Finite numbers of a shape, whose first length is free but not 0."""
    found = np.asarray(values, dtype=float)
    if found.ndim != len(shape) or found.shape[1:] != shape[1:] or not len(found):
        raise InvalidInputError(
            f"{name} must have the shape (seeds, {', '.join(map(str, shape[1:]))}), not {found.shape}"
        )
    if not np.all(np.isfinite(found)):
        raise InvalidInputError(f"{name} must be finite, but one is {found[~np.isfinite(found)][0]}")
    return found
