"""How the entries of a gradient are distributed, with and without batch normalisation, next to a Gaussian."""

from __future__ import annotations

import math

import numpy as np

from bn_theory.errors import InvalidInputError
from bn_theory.report.figures.style import GREY, STYLES, checked_labels, legend, need_matplotlib, stack


def gradient_histograms(sizes, shares, *, title: str = "", evidence=()):
    """The share of a gradient's entries that are larger than a size, on logarithmic axes, and a Gaussian's.

    A power law is a straight line here, whose slope is the tail's index; a Gaussian bends down. Lines are means over
    seeds, bands go from the smallest to the largest. What no entry exceeds has no place on the logarithmic axis.

    Args:
        sizes: of an entry in units of the root mean square of all, shape ``(points,)``, positive (dimensionless).
        shares: ``{label: array}`` of shape ``(seeds, points)`` or ``(points,)``, in [0, 1].
        title: shown above. evidence: pieces whose verdicts are shown below it.

    Returns:
        ``matplotlib.figure.Figure``.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InvalidInputError: shapes that do not fit, sizes or shares outside of these ranges, nothing to be drawn.
    """
    need_matplotlib()
    sizes = np.asarray(sizes, dtype=float)
    labels = checked_labels(shares, len(shares))
    if sizes.ndim != 1 or not np.all(sizes > 0) or not labels:
        raise InvalidInputError("gradient_histograms needs positive sizes of shape (points,) and shares by label")
    figure, (axes,) = stack((1,), 4.2, title, evidence)
    lowest, largest = 1.0, 0.0
    for label, (color, dash), mark in zip(labels, STYLES, "osD^vP", strict=False):
        part = np.atleast_2d(np.asarray(shares[label], dtype=float))
        if part.ndim != 2 or part.shape[1] != sizes.size or not np.all((part >= 0) & (part <= 1)):
            raise InvalidInputError(f"{label!r} must have shares in [0, 1] of shape (seeds, {sizes.size})")
        mean = part.mean(axis=0)
        shown = mean > 0
        if not np.any(shown):
            raise InvalidInputError(f"no entry of {label!r} is larger than {sizes.min():g}: there is nothing to draw")
        floor = mean[shown].min()
        lowest, largest = min(lowest, floor), max(largest, sizes[shown].max())
        if len(part) > 1:
            # a seed without entries there has no place on the axis; the band ends below the figure
            low, high = np.maximum(part.min(axis=0), floor / 10), part.max(axis=0)
            axes.fill_between(sizes[shown], low[shown], high[shown], color=color, alpha=0.18, linewidth=0)
        every = max(1, shown.sum() // 10)
        look = {
            "color": color,
            "linestyle": dash,
            "linewidth": 1.6,
            "marker": mark,
            "markersize": 4,
            "markevery": every,
        }
        axes.plot(sizes[shown], mean[shown], label=label, **look)
    gaussian = np.array([math.erfc(x / math.sqrt(2)) for x in sizes])
    axes.plot(sizes, gaussian, color=GREY, linestyle=(0, (1, 1.2)), linewidth=1.6, label="Gaussian")
    axes.set(xscale="log", yscale="log", xlim=(sizes.min(), 1.2 * largest), ylim=(lowest / 2, 1.5))
    axes.set_xlabel("size of an entry over the root mean square of all   (dimensionless)")
    axes.set_ylabel("share of entries that are larger")
    seeds = max(np.atleast_2d(np.asarray(part)).shape[0] for part in shares.values())
    note = f"mean, smallest and largest of {seeds} seeds" if seeds > 1 else None
    legend(axes, "lower left", title=note)
    return figure
