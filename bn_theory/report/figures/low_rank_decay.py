"""Singular values under weight decay and low-rank decay, and what both do to a small model in training."""

from __future__ import annotations

import numpy as np

from bn_theory import low_rank_decay as lrd
from bn_theory.errors import InvalidInputError
from bn_theory.report.figures.style import (
    BLUE,
    DPI,
    MARKERS,
    STYLES,
    VERMILION,
    checked_labels,
    heading,
    legend,
    need_matplotlib,
    stack,
)

DECAYED = (("weight decay", BLUE, "o"), ("low-rank decay", VERMILION, "s"))


def decayed_spectra(step, runs, *, title: str = "", evidence=()):
    """Singular values at every step of both decays with their closed forms, and the stable rank below.

    Args:
        step: shape ``(records,)``.
        runs: ``{"weight decay": ..., "low-rank decay": ...}``, each ``{"found": ..., "predicted": ...}`` of shape
            ``(records, k)``: singular values, not negative, those of a record not all 0.
        title: shown above. evidence: pieces whose verdicts are shown below it.

    Returns:
        ``matplotlib.figure.Figure``.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InvalidInputError: other runs, shapes that do not fit, singular values that are none.
    """
    need_matplotlib()
    from matplotlib.figure import Figure

    t = np.asarray(step, dtype=float)
    spectra = {name: _spectra(name, t, runs) for name, *_ in DECAYED}
    figure = Figure(figsize=(7.2, 4.8), dpi=DPI, layout="constrained")
    grid = figure.subplots(2, 2, sharex=True, sharey="row", height_ratios=(2, 1))
    for column, (name, color, mark) in enumerate(DECAYED):
        found, predicted = spectra[name]
        values, rank = grid[:, column]
        values.plot(t, predicted, color=color, linewidth=1.2)
        values.plot(t, found, mark, color=color, markersize=3.5, markerfacecolor="white")
        values.lines[0].set_label("closed form")
        values.lines[-1].set_label("found")
        values.set_title(name, fontsize=9)
        rank.plot(t, lrd.stable_rank_of(found), color=color, marker=mark, markersize=3.5, linewidth=1.2)
        rank.set_xlabel("step")
        legend(values, "upper right")
        for axes in (values, rank):
            axes.grid(True, which="major", color="0.9")
    grid[0, 0].set_ylabel("singular values")
    grid[1, 0].set_ylabel("stable rank")
    heading(figure, title, evidence)
    return figure


def grokking(step, width, effective, train, test, *, title: str = "", evidence=()):
    """Effective rank of W_Q and W_K above, accuracy below, over training: means over seeds in bands from least to most.

    Args:
        step: shape ``(records,)``. width: the largest possible rank.
        effective, train, test: ``{decay: ...}``, shape ``(seeds, records)``: ranks, and shares classified right.
        title: shown above. evidence: pieces whose verdicts are shown below it.

    Returns:
        ``matplotlib.figure.Figure``.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InvalidInputError: no decays or too many, shapes that do not fit, numbers that are not finite.
    """
    need_matplotlib()
    t = np.asarray(step, dtype=float)
    labels = checked_labels(effective, len(effective))
    if not labels or not float(width) >= 1:
        raise InvalidInputError(f"grokking needs runs of at least one decay, and a width >= 1, not {width!r}")
    figure, (above, below) = stack((1, 1), 5.4, title, evidence)
    for label, (color, dash), mark in zip(labels, STYLES, MARKERS, strict=False):
        ranks, fitted, right = (_runs(label, t, part) for part in (effective, train, test))
        every = max(1, len(t) // 8)
        look = {"color": color, "marker": mark, "markersize": 4, "markevery": every, "linewidth": 1.6}
        for axes, y in ((above, ranks), (below, right)):
            axes.fill_between(t, y.min(axis=0), y.max(axis=0), color=color, alpha=0.15, linewidth=0)
            axes.plot(t, y.mean(axis=0), linestyle=dash, label=label, **look)
        below.plot(t, fitted.mean(axis=0), color=color, linestyle=dash, linewidth=0.8, alpha=0.7)
    above.set_ylabel("effective rank of $W_Q$, $W_K$")
    above.set_ylim(0, 1.3 * float(width))  # the legend has its place above the largest possible rank
    below.set_ylabel("accuracy: test (thin: training)")
    below.set_ylim(-0.03, 1.03)
    below.set_xlabel("step")
    legend(above, "upper right", title="decay of $W_Q$, $W_K$: mean and range of seeds", ncols=3)
    return figure


def _spectra(name, t, runs):
    if set(runs) != {known for known, *_ in DECAYED}:
        raise InvalidInputError(f"decayed_spectra takes {' and '.join(n for n, *_ in DECAYED)}, not {sorted(runs)}")
    found, predicted = (np.asarray(runs[name][part], dtype=float) for part in ("found", "predicted"))
    if t.ndim != 1 or found.ndim != 2 or found.shape != predicted.shape or len(found) != len(t):
        raise InvalidInputError(f"{name!r}: spectra of shape {found.shape} and {predicted.shape} for {t.shape} steps")
    if not all(np.all(np.isfinite(s) & (s >= 0)) and np.all(s.max(axis=1) > 0) for s in (found, predicted)):
        raise InvalidInputError(f"{name!r}: singular values are finite and >= 0, and not all of a step are 0")
    return found, predicted


def _runs(label, t, part):
    y = np.asarray(part[label], dtype=float)
    if t.ndim != 1 or y.ndim != 2 or y.shape[1] != len(t) or not len(y):
        raise InvalidInputError(f"{label!r} has shape {y.shape}, not one row a seed of {t.shape} records")
    if not np.all(np.isfinite(y)):
        raise InvalidInputError(f"{label!r} has {np.sum(~np.isfinite(y))} numbers that are not finite")
    return y
