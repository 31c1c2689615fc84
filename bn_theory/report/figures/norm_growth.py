"""Norm growth: the squared norm on the sum of the squared steps, and what is left between the two."""

from __future__ import annotations

import numpy as np

from bn_theory.errors import InvalidInputError
from bn_theory.report.figures.style import (
    BLUE,
    DPI,
    GREY,
    SKY,
    VERMILION,
    checked_labels,
    heading,
    legend,
    need_matplotlib,
)

LOWEST = 1e-17
"""Lower end of the relative differences: a difference of exactly 0 is drawn there."""


def norm_growth(runs, *, controls=(), title: str = "", evidence=()):
    """``|w_t|^2`` against ``|w_0|^2 + sum_{s<t} |w_{s+1} - w_s|^2``, one column for each run.

    Above: the squared norm as a wide pale line, start and squared steps as dashes on it; medians over the replicas.
    Below: the largest difference of the replicas relative to the larger of the two, and as a guide ``2 (t + 1) u``
    (``u`` the unit roundoff), two roundings of ``|w|^2`` a step; the bound that decides is the evidence's. A difference
    of exactly 0 is drawn at the lower edge. The abscissa is ``t + 1``, so that the start has a place on the axis.

    Args:
        runs: ``{label: data set of bn.run}`` with dims ``(replica, step)`` and one group of weights.
        controls: labels of the runs for which the two should differ.
        title: shown above. evidence: pieces whose verdicts are shown below it.

    Returns:
        ``matplotlib.figure.Figure``.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InvalidInputError: no runs, other dims, numbers that are not finite, a control that is none of the runs.
    """
    need_matplotlib()
    from matplotlib.figure import Figure

    labels = checked_labels(runs, len(runs), most=None)
    if not labels:
        raise InvalidInputError("norm_growth needs at least one run")
    if missing := [label for label in controls if label not in labels]:
        raise InvalidInputError(f"the controls {missing} are none of the runs {labels}")
    figure = Figure(figsize=(max(3.6, 1.9 * len(labels)), 4.6), dpi=DPI, layout="constrained")
    grid = figure.subplots(2, len(labels), sharex="col", sharey="row", squeeze=False, height_ratios=(1.3, 1))
    for (top, bottom), label, run in zip(grid.T, labels, runs.values(), strict=True):
        t, norm2, summed = _both(label, run)
        gap = np.max(np.abs(norm2 - summed) / np.maximum(norm2, summed), axis=0)
        look = {"color": "black", "linestyle": (0, (3, 2)), "linewidth": 1.3}
        top.plot(t + 1, np.median(norm2, axis=0), color=SKY, linewidth=4.5, label=r"$|w_t|^2$")
        top.plot(t + 1, np.median(summed, axis=0), label=r"$|w_0|^2 + \sum_{s<t} |w_{s+1}-w_s|^2$", **look)
        color, mark = (VERMILION, "X") if label in controls else (BLUE, "o")
        bottom.plot(t[1:] + 1, np.maximum(gap[1:], LOWEST), mark, color=color, markersize=3)
        guide = (t[1:] + 1) * np.finfo(float).eps
        bottom.plot(t[1:] + 1, guide, color=GREY, linewidth=1.2, label="two roundings a step")
        top.set_title(f"control:\n{label}" if label in controls else label, fontsize=9)
        bottom.set_xlabel("step $t + 1$")
        for axes in (top, bottom):
            axes.set(xscale="log", yscale="log")
            axes.grid(True, which="major", color="0.9")
    grid[1, 0].set_ylim(LOWEST / 2, 10)
    grid[0, 0].set_ylabel("squared norm")
    grid[1, 0].set_ylabel("largest relative\ndifference")
    handles = (a + b for a, b in zip(*(axes.get_legend_handles_labels() for axes in grid[:, 0]), strict=True))
    note = _note(min(run.sizes["replica"] for run in runs.values()))
    legend(figure, "outside lower center", tuple(handles), ncols=3, title=note)
    heading(figure, title, evidence)
    return figure


def _both(label, run):
    """Steps, ``|w_t|^2`` and ``|w_0|^2`` with the squared steps, the latter of shape ``(replicas, records)``."""
    if run.norm2.dims != ("replica", "step"):
        raise InvalidInputError(f"{label!r} must be a run with dims (replica, step), not {run.norm2.dims}")
    norm2 = run.norm2.values
    summed = norm2[:, :1] + run.sum_step2.values
    if run.step[0] != 0 or run.sizes["step"] < 2 or not (np.all(np.isfinite(norm2)) and np.all(np.isfinite(summed))):
        raise InvalidInputError(f"{label!r} must have a record at step 0 and later ones, all of them finite")
    return run.step.values.astype(float), norm2, summed


def _note(replicas):
    return f"medians of {replicas} starts; dimensionless" if replicas > 1 else "dimensionless"
