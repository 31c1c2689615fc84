"""Amplitude law: the stationary gradient over its prediction, against the learning rate."""

from __future__ import annotations

import numpy as np

from bn_theory.errors import InvalidInputError
from bn_theory.report.figures.style import GREY, MARKERS, STYLES, checked_labels, legend, need_matplotlib, stack


def amplitude_law(forms, *, title: str = "", evidence=()):
    """Measured over predicted amplitude with its interval against the learning rate, one panel for each form.

    The law has no learning rate in it: the points of a panel lie on the line at 1, inside of the shaded tolerance.

    Args:
        forms: ``{form: {"tolerance": number, "series": {label: {"rates": ..., "low": ..., "high": ...}}}}``: for each
            label the learning rates and the ends of the intervals of measured/predicted, of shape ``(points,)``.
        title: shown above. evidence: pieces whose verdicts are shown below it.

    Returns:
        ``matplotlib.figure.Figure``.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InvalidInputError: no forms, shapes that do not fit, rates or intervals that cannot be drawn, more labels than
            can be told apart.
    """
    need_matplotlib()
    if not forms:
        raise InvalidInputError("amplitude_law needs at least one form with its tolerance and its series")
    labels = list(dict.fromkeys(label for form in forms.values() for label in form["series"]))
    checked_labels(labels, len(labels))
    figure, grid = stack([1] * len(forms), 1.3 + 2.1 * len(forms), title, evidence)
    handles = {}
    for axes, (name, form) in zip(grid, forms.items(), strict=True):
        wide = float(form["tolerance"])
        handles["tolerance"] = axes.axhspan(1 - wide, 1 + wide, color=GREY, alpha=0.18, linewidth=0)
        axes.axhline(1, color=GREY, linewidth=0.9)
        reach = wide
        for label, series in form["series"].items():
            place = labels.index(label)
            rates, middle, half = _points(label, series)
            x = rates * np.exp(0.1 * (place - (len(labels) - 1) / 2))  # beside each other
            look = {"fmt": MARKERS[place], "color": STYLES[place][0], "markersize": 5, "capsize": 2.5, "linewidth": 1.1}
            handles[label] = axes.errorbar(x, middle, yerr=half, **look)
            reach = max(reach, float(np.max(np.abs(middle - 1) + half)))
        axes.set(xscale="log", ylim=(1 - 1.25 * reach, 1 + 1.25 * reach), ylabel="measured/predicted")
        axes.set_title(name, fontsize=9, loc="left")
    grid[-1].set_xlabel(r"learning rate $\eta$   (dimensionless; bars: 95 % intervals)")
    legend(figure, "outside lower center", (handles.values(), handles), ncols=min(6, len(handles)))
    return figure


def _points(label, series):
    rates, low, high = (np.asarray(series[part], dtype=float) for part in ("rates", "low", "high"))
    if rates.ndim != 1 or not rates.size or low.shape != rates.shape or high.shape != rates.shape:
        shapes = f"{rates.shape}, {low.shape} and {high.shape}"
        raise InvalidInputError(f"{label!r} must have as many ends of intervals as rates, not the shapes {shapes}")
    if not (np.all(rates > 0) and np.all(np.isfinite(low)) and np.all(np.isfinite(high)) and np.all(low <= high)):
        raise InvalidInputError(f"{label!r} must have positive rates and finite intervals, not {rates}, {low}, {high}")
    return rates, (low + high) / 2, (high - low) / 2
