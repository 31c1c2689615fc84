"""Figures of weight decay as a schedule: rates, the two runs, the three curves of the toy example, equilibrium."""

from __future__ import annotations

import math

import numpy as np

from bn_theory.dynamics.equivalent import LARGEST
from bn_theory.errors import InvalidInputError
from bn_theory.report.figures.style import (
    BLUE,
    GREY,
    SKY,
    STYLES,
    VERMILION,
    checked_labels,
    few_numbers,
    legend,
    need_matplotlib,
    stack,
)
from bn_theory.theorems.evidence import CONTRADICTED, SUPPORTED

NAMES = ("with weight decay", "without, equivalent rate")
MARKS = {SUPPORTED: (BLUE, "o"), CONTRADICTED: (VERMILION, "X")}


def equivalent_schedule(schedule, *, title: str = "", evidence=()):
    """A schedule with weight decay, the decay-free one that trains alike, and what keeps that one in range.

    Above: the two learning rates, with the largest float32 and float64 where the rate comes near. Middle, where weights
    grow enough for that: the rate in units that change on the way (``schedule.rescaled()``). Below: ``p_t``, the factor
    between the weights of both runs.
    Rates and ``p`` are drawn by their logarithms, so that they may lie beyond the floating-point numbers; long
    schedules are thinned, with every jump kept.

    Args:
        schedule: ``EquivalentSchedule``. Against epochs where it has ``steps_per_epoch``, else against steps.
        title: shown above. evidence: pieces whose verdicts are shown below it.

    Returns:
        ``matplotlib.figure.Figure``.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InvalidInputError: all rates are 0.
    """
    rescaled = schedule.rescaled()
    with np.errstate(divide="ignore"):
        given, scaled = np.log10(schedule.eta), np.log10(rescaled.lr)
    changes = rescaled.steps_with_rescaling
    shown = _thinned(given, changes)
    free, p = schedule.log_lr / math.log(10), schedule.log_p[:-1] / math.log(10)
    return rates_and_factor(
        shown,
        given[shown],
        free[shown],
        p[shown],
        rescaled=scaled[shown] if len(changes) else None,
        changes=len(changes),
        steps=schedule.length,
        steps_per_epoch=schedule.steps_per_epoch,
        title=title,
        evidence=evidence,
    )


def rates_and_factor(
    t, given, free, p, *, rescaled=None, changes=0, steps=None, steps_per_epoch=None, title: str = "", evidence=()
):
    """What :func:`equivalent_schedule` draws, from logarithms to base 10 at some of the steps.

    Args:
        t: steps, shape ``(records,)``.
        given, free: log10 of the rate with weight decay and of the equivalent one without, ``-inf`` for a rate of 0.
        p: log10 of ``p_t``. rescaled: log10 of the rate in units that change ``changes`` times, or ``None``.
        steps: of the whole schedule; by default to the last of ``t``. steps_per_epoch: for an axis of epochs.
        title: shown above. evidence: pieces whose verdicts are shown below it.

    Returns and raises: as :func:`equivalent_schedule`, and shapes that do not fit.
    """
    need_matplotlib()
    t, given, free, p = (np.asarray(y, dtype=float) for y in (t, given, free, p))
    rescaled = None if rescaled is None else np.asarray(rescaled, dtype=float)
    if t.ndim != 1 or any(y.shape != t.shape for y in (given, free, p, *([] if rescaled is None else [rescaled]))):
        raise InvalidInputError(f"rates and p must have one logarithm for each of {t.shape} steps")
    if not np.any(np.isfinite(given)):
        raise InvalidInputError("every learning rate is 0: there is nothing to draw on a logarithmic axis")
    x = t / (steps_per_epoch or 1)
    heights = (1.6, 1) if rescaled is None else (1.6, 1, 1)
    figure, (top, *middle, bottom) = stack(heights, 2.4 * len(heights), title, evidence)
    # the dashes lie on the line: without weight decay both stay visible
    curves = [(top, free, STYLES[0], "without, equivalent"), (top, given, STYLES[1], "with weight decay")]
    curves += [(bottom, p, STYLES[0], None)]
    curves += [(axes, rescaled, STYLES[0], None) for axes in middle]
    for axes, y, (color, dash), label in curves:
        y = np.where(np.isfinite(y), y, np.nan)  # a rate of 0 has no place on the axis
        width = 0.5 if axes in middle and changes > 40 else 1.6
        axes.plot(x, y, color=color, linestyle=dash, linewidth=width, label=label)
    for name, largest in LARGEST.items():
        height = math.log10(largest)
        if free.max() > 0.75 * height:
            top.axhline(height, color=GREY, linewidth=0.9, linestyle=(0, (4, 2)))
            where = {"transform": top.get_yaxis_transform(), "ha": "right", "va": "bottom"}
            top.text(0.99, height, f"largest {name}", fontsize=8, color=GREY, **where)
    for axes in figure.axes:
        _powers_of_ten(axes)
    top.set_xlim(0, (t[-1] if steps is None else steps) / (steps_per_epoch or 1))
    top.set_ylabel("learning rate")
    for axes in middle:
        axes.set_ylabel("rate in changing units")
    bottom.set_ylabel(r"$p_t = w_t/\widetilde{w}_t$")
    what = f"epoch ({steps_per_epoch} steps each)" if steps_per_epoch else "step $t$"
    bottom.set_xlabel(f"{what}   (all quantities dimensionless)")
    legend(top, "upper left")
    return figure


def two_runs(t, first, second, bound=None, *, names=NAMES, controls=None, title: str = "", evidence=()):
    """The loss of two runs that should coincide, and below their difference with what rounding allows.

    Above: medians over the replicas, the first run as a wide pale line, the second one dashed on it. Below: the largest
    absolute difference of all replicas, the smallest of their bounds, and the differences of runs that should not
    coincide with the first. Differences of exactly 0 have no place on the logarithmic axis.

    Args:
        t: steps, shape ``(records,)``.
        first, second: losses, shape ``(replicas, records)`` or ``(records,)`` (dimensionless).
        bound: of the absolute differences, of the same shape, or ``None``.
        names: of the two runs.
        controls: ``{label: loss}`` of further runs, of the same shape.
        title: shown above. evidence: pieces whose verdicts are shown above.

    Returns:
        ``matplotlib.figure.Figure``.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InvalidInputError: shapes that do not fit, more curves than can be told apart, nothing that a logarithmic axis
            can show.
    """
    need_matplotlib()
    t, names, controls = np.asarray(t, dtype=float), checked_labels(names, 2), dict(controls or {})
    losses = [np.atleast_2d(np.asarray(y, dtype=float)) for y in (first, second, *controls.values())]
    labels = checked_labels(["largest |difference|", *controls], len(losses) - 1)
    bounds = [] if bound is None else [np.atleast_2d(np.asarray(bound, dtype=float))]
    shape = losses[0].shape
    if t.ndim != 1 or shape[1:] != t.shape:
        raise InvalidInputError(f"losses must have shape (replicas, {t.size}), not {shape}")
    for what, y in zip((*names, *controls, "bound"), losses + bounds, strict=False):
        if y.shape != shape:
            raise InvalidInputError(f"{what!r} has shape {y.shape}, but {names[0]!r} has {shape}")
    medians = [_positive(np.median(y, axis=0)) for y in losses[:2]]
    if any(np.all(np.isnan(y)) for y in medians):
        raise InvalidInputError("no loss of a run is positive: there is nothing to draw on a logarithmic axis")
    figure, (top, bottom) = stack((1.2, 1), 5.8, title, evidence)
    looks = ({"color": SKY, "linewidth": 4.5}, {"color": "black", "linestyle": (0, (4, 3)), "linewidth": 1.2})
    for y, label, look in zip(medians, names, looks, strict=True):
        top.plot(t, y, label=label, **look)
    for y, label, (color, dash) in zip(losses[1:], labels, STYLES, strict=False):
        apart = _positive(np.max(np.abs(y - losses[0]), axis=0))
        bottom.plot(t, apart, color=color, linestyle=dash, linewidth=1.1, label=label)
    for y in bounds:
        bottom.plot(t, _positive(np.min(y, axis=0)), color=GREY, linewidth=1.8, label="bound from rounding")
    top.set(yscale="log", ylabel="loss $L(w_t)$")
    if any(np.any(line.get_ydata() > 0) for line in bottom.lines):
        bottom.set_yscale("log")
    else:
        where = {"transform": bottom.transAxes, "fontsize": 8, "ha": "center", "va": "center"}
        bottom.text(0.5, 0.5, "no difference", **where)
        bottom.set_yticks([])
    bottom.set_xlim(t[0], t[-1])
    bottom.set_ylabel("difference of the losses")
    bottom.set_xlabel("step $t$   (all quantities dimensionless)")
    legend(top, "best", title=f"median of {shape[0]} starts" if shape[0] > 1 else None)
    # outside of the panel: the differences are noisy and may lie anywhere in it
    legend(figure, "outside lower center", bottom.get_legend_handles_labels(), ncols=2 if controls else 3)
    return figure


def three_curves(runs, *, below=None, threshold=None, until=None, lowest=None, title: str = "", evidence=()):
    """The loss of several methods on one problem, and below the effective rates of some of them.

    A loss that has become exactly 0, and stays so, is marked where it does, unless it has left the figure before; other
    zeros have no place on the logarithmic axis.

    Args:
        runs: ``{label: data set of bn.run}`` with dims ``(replica, step)`` and one replica.
        below: labels of the runs whose effective rates are drawn; ``None`` for the last one.
        threshold: the effective rate above which the minimum repels, or ``None``.
        until: last step to be drawn; ``None`` for all of them.
        lowest: lower edge of the losses; ``None`` for the smallest positive one.
        title: shown above. evidence: pieces whose verdicts are shown above.

    Returns:
        ``matplotlib.figure.Figure``.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InvalidInputError: other dims, several replicas, more runs than can be told apart, a label that is none of
            them, nothing that a logarithmic axis can show.
    """
    need_matplotlib()
    labels = checked_labels(runs, len(runs))
    below = labels[-1:] if below is None else list(below)
    if missing := [label for label in below if label not in labels]:
        raise InvalidInputError(f"{missing} are none of the runs {labels}")
    curves = {}
    for label, run in zip(labels, runs.values(), strict=True):
        if run.loss.dims != ("replica", "step") or run.sizes["replica"] != 1:
            raise InvalidInputError(f"{label!r} must have dims (replica, step) and one replica, not {run.loss.sizes}")
        shown = run.step.values <= (np.inf if until is None else until)
        curves[label] = run.step.values[shown], run.loss.values[0, shown], run.effective_lr.values[0, shown]
    positive = np.concatenate([y[np.isfinite(y) & (y > 0)] for _, y, _ in curves.values()] or [[]])
    if not positive.size:
        raise InvalidInputError("no loss is positive: there is nothing to draw on a logarithmic axis")
    edge = positive.min() if lowest is None else lowest
    figure, (top, bottom) = stack((1.6, 1), 5.4, title, evidence)
    for (label, (t, y, phi)), (color, dash) in zip(curves.items(), STYLES, strict=False):
        height, rest = _positive(y), _rest(y)
        if rest is not None and y[rest - 1] >= edge:
            height[rest] = edge
            top.plot(t[rest], edge, "v", color=color, markersize=7, clip_on=False, zorder=3)
            words = {"xytext": (7, 5), "textcoords": "offset points", "fontsize": 8, "color": color}
            top.annotate(f"exactly 0 from step {t[rest]}", (t[rest], edge), **words)
        for axes, values in ((top, height), (bottom, phi))[: 1 + (label in below)]:
            axes.plot(t, values, color=color, linestyle=dash, linewidth=1.5, label=label if axes is top else None)
    if threshold is not None:
        look = {"color": GREY, "linewidth": 1.0, "zorder": 0}
        bottom.axhline(threshold, label=f"above {threshold:.4g} the minimum repels", **look)
    top.set(yscale="log", ylim=(edge, 3 * positive.max()), ylabel="loss $L(w_t)$")
    bottom.set(yscale="log", xlim=(0, max(t[-1] for t, _, _ in curves.values())))
    few_numbers(bottom.yaxis)
    bottom.set_ylabel("effective rate\n" + r"$\eta/|w_t|^2$")
    bottom.set_xlabel("step $t$   (all quantities dimensionless)")
    handles = (a + b for a, b in zip(*(axes.get_legend_handles_labels() for axes in (top, bottom)), strict=True))
    legend(figure, "outside lower center", tuple(handles), ncols=2)
    return figure


def ratios(pieces, *, title: str = ""):
    """Measured over predicted with intervals and tolerances, one line for each piece of evidence.

    Args:
        pieces: ``Evidence`` with an interval around a predicted 1, such as amplitudes.
        title: shown above, with the verdicts.

    Returns:
        ``matplotlib.figure.Figure``.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InvalidInputError: no pieces, or one without a prediction of 1.
    """
    need_matplotlib()
    pieces = list(pieces)
    if not pieces or any(piece.predicted != 1 or piece.interval is None for piece in pieces):
        raise InvalidInputError("ratios needs pieces of evidence with an interval around a predicted 1")
    figure, (axes,) = stack((1,), 1.5 + 0.27 * len(pieces), title, pieces)
    for row, piece in enumerate(pieces):
        wide = piece.tolerance
        axes.barh(row, 2 * wide, 0.9, 1 - wide, color=GREY, alpha=0.18, linewidth=0)
        low, high = piece.interval
        if not (math.isfinite(low) and math.isfinite(high)):
            axes.text(1, row, "no finite interval", fontsize=8, ha="center", va="center")
            continue
        color, mark = MARKS.get(piece.verdict, (GREY, "s"))
        axes.errorbar((low + high) / 2, row, xerr=(high - low) / 2, fmt=mark, color=color, markersize=4, capsize=3)
    axes.axvline(1, color=GREY, linewidth=0.8, zorder=0)
    axes.set_yticks(range(len(pieces)), [piece.name for piece in pieces], fontsize=8)
    axes.set_ylim(len(pieces) - 0.4, -0.6)
    ends = np.abs([end - 1 for piece in pieces for end in (*piece.interval, 1 + piece.tolerance)])
    reach = 1.1 * np.max(ends[np.isfinite(ends)])
    axes.set_xlim(1 - reach, 1 + reach)
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel("measured/predicted\n95 % intervals; shaded: tolerance")
    return figure


def _rest(y):
    """The first index from which on all values are exactly 0, or ``None``; a run that starts there has not fallen."""
    other = np.flatnonzero(y != 0)
    return int(other[-1]) + 1 if other.size and other[-1] + 1 < len(y) else None


def _positive(y):
    """What a logarithmic axis can show, gaps elsewhere."""
    return np.where(np.isfinite(y) & (y > 0), y, np.nan)


def _thinned(logs, jumps, most=4000):
    """Steps to be drawn: at most about ``most`` evenly, and both sides of every jump of a rate by more than 2 %."""
    steps = len(logs)
    with np.errstate(invalid="ignore"):
        moved = np.flatnonzero(np.abs(np.diff(logs)) > math.log10(1.02))
    sides = np.concatenate([moved, jumps])
    sides = sides if len(sides) <= most else sides[:: -(-len(sides) // most)]
    even = np.linspace(0, steps - 1, min(steps, most)).round()
    return np.unique(np.clip(np.concatenate([even, sides, sides + 1]), 0, steps - 1).astype(int))


def _powers_of_ten(axes):
    """Label a linear axis of logarithms as a logarithmic one; a narrow range is widened to a decade."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    low, high = axes.get_ylim()
    if high - low < 1:
        axes.set_ylim(math.floor(low), max(math.ceil(high), math.floor(low) + 1))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"$10^{{{y:.0f}}}$"))
