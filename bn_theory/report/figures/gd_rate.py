"""What the rate theorem for gradient descent says, and what it does not: bounds, envelope, known exponents."""

from __future__ import annotations

import math

import numpy as np

from bn_theory.errors import InvalidInputError
from bn_theory.report.figures.style import (
    BLUE,
    DPI,
    GREY,
    MOST,
    STYLES,
    VERMILION,
    checked_labels,
    heading,
    legend,
    median_line,
    need_matplotlib,
    stack,
)

HEADROOM = 1e3
"""How far above its start a diverging curve is followed."""


def running_minimum(t, smallest, bounds, labels, *, title: str = "", evidence=()):
    """The running minimum of the gradient norm under its bounds, one panel for each case.

    Drawn are square roots. Lines are medians over the replicas and bands go from the smallest to the largest.

    Args:
        t: numbers of steps, shape ``(records,)``, positive.
        smallest: ``min |grad L|^2`` over the steps before t, shape ``(cases, replicas, records)``.
        bounds: ``{name: array}`` of the same shape, what the minimum may not exceed.
        labels: one text for each case.
        title: shown above. evidence: pieces whose verdicts are shown above.

    Returns:
        ``matplotlib.figure.Figure``.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InvalidInputError: shapes that do not fit.
    """
    need_matplotlib()
    from matplotlib.figure import Figure

    t, measured = np.asarray(t, dtype=float), np.asarray(smallest, dtype=float)
    curves = {"running minimum": measured} | {name: np.asarray(y, dtype=float) for name, y in bounds.items()}
    if measured.ndim != 3 or measured.shape[2:] != t.shape:
        raise InvalidInputError(f"smallest must have shape (cases, replicas, {t.size}), not {measured.shape}")
    for name, y in curves.items():
        if y.shape != measured.shape:
            raise InvalidInputError(f"{name!r} has shape {y.shape}, but the minimum has {measured.shape}")
    checked_labels(curves, len(curves))
    labels = checked_labels(labels, len(measured), most=None)
    columns = min(3, len(labels))
    rows = math.ceil(len(labels) / columns)
    figure = Figure(figsize=(7.2, 1.1 + 2.1 * rows), dpi=DPI, layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for case, (axes, label) in enumerate(zip(grid, labels, strict=False)):
        for (name, y), style in zip(curves.items(), STYLES, strict=False):
            median_line(axes, t, np.sqrt(y[case]), style, name, ends=(0.0, 1.0))
        axes.set(xscale="log", yscale="log")
        axes.set_title(label, fontsize=9)
        axes.grid(True, which="major", color="0.9")
        last = case + columns >= len(labels)
        axes.tick_params(labelbottom=last)
        if last:
            axes.set_xlabel("steps $T$")
        if case % columns == 0:
            axes.set_ylabel(r"$\min_{t<T}\,|\nabla L(V_t)|$")
    for axes in grid[len(labels) :]:
        axes.set_axis_off()
    replicas = measured.shape[1]
    note = f"lines: median, bands: all {replicas} starts; dimensionless" if replicas > 1 else "dimensionless"
    legend(figure, "outside lower center", grid[0].get_legend_handles_labels(), title=note, ncols=len(curves))
    heading(figure, title, evidence)
    return figure


def one_run(t, grad_norm2, local, picks, predicted: float, *, title: str = "", evidence=()):
    """One run with its local exponents, and the straight lines that some of them stand for.

    Args:
        t: steps, shape ``(records,)``, positive.
        grad_norm2: squared gradient norm, shape ``(records,)``, positive.
        local: ``LocalExponents`` of ``grad_norm2``.
        picks: indices into ``local``: for each the line of that slope is drawn through the run.
        predicted: the exponent of the norm that a rate theorem has.
        title: shown above. evidence: pieces whose verdicts are shown above.

    Returns:
        ``matplotlib.figure.Figure``.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InvalidInputError: shapes that do not fit, more picks than can be told apart.
    """
    need_matplotlib()
    t, norm = np.asarray(t, dtype=float), np.sqrt(np.asarray(grad_norm2, dtype=float))
    if t.ndim != 1 or norm.shape != t.shape:
        raise InvalidInputError(f"grad_norm2 must have one value per step, but has {norm.shape} for {t.shape} steps")
    figure, (top, bottom) = stack((1.3, 1), 5.4, title, evidence)
    color, dash = STYLES[0]
    top.plot(t, norm, color=color, linestyle=dash, linewidth=1.6, label="the run")
    bottom.plot(local.t, local.value / 2, color=color, linestyle=dash, linewidth=1.6, label="local exponent of the run")
    checked_labels(picks, len(picks), most=MOST - 1)
    for pick, mark, (color, dash) in zip(picks, "os^Dv", STYLES[1:], strict=False):
        centre, slope = local.t[pick], local.value[pick] / 2
        height = np.exp(np.interp(np.log(centre), np.log(t), np.log(norm)))
        line = centre * np.geomspace(0.2, 5, 2)
        look = {"color": color, "linestyle": dash, "linewidth": 1.8}
        top.plot(line, height * (line / centre) ** slope, **look)
        top.plot(centre, height, mark, color=color, markersize=6)
        top.plot([], [], marker=mark, label=f"slope {slope:.2f}", **look)
        bottom.plot(centre, slope, mark, color=color, markersize=6)
    bottom.axhline(predicted, color=GREY, linewidth=1.0, linestyle=(0, (4, 2)), label=f"exponent {predicted:g}")
    top.set(xscale="log", yscale="log", xlim=(t[0], t[-1]), ylabel=r"gradient norm $|\nabla L(V_t)|$")
    bottom.set(ylabel="local exponent", xlabel="step $t$   (all quantities dimensionless)")
    legend(top, "lower left")
    legend(bottom, "lower left")
    return figure


def envelope(values, found, predicted, tolerance, *, exponent: float = -0.5, title: str = "", evidence=()):
    """A family of decays with its envelope, the envelope's local exponents and its amplitude.

    Args:
        values: squared quantities of the family whose envelope is the first of ``found``, shape
            ``(members, records)``: those members that are to be drawn.
        found: ``{label: Envelope}``.
        predicted: ``{label: c}``, what ``t * sup`` tends to.
        tolerance: ``(of the exponent, relative of the amplitude)``, drawn as bands.
        exponent: predicted, of the square root of the envelope.
        title: shown above. evidence: pieces whose verdicts are shown above.

    Returns:
        ``matplotlib.figure.Figure``.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InvalidInputError: shapes that do not fit, an envelope without its prediction.
    """
    need_matplotlib()
    labels = checked_labels(found, len(found))
    if missing := [label for label in labels if label not in predicted]:
        raise InvalidInputError(f"no predicted amplitude for {missing}")
    first, values = found[labels[0]], np.asarray(values, dtype=float)
    if values.ndim != 2 or values.shape[1:] != first.t.shape:
        raise InvalidInputError(f"values must have shape (members, {first.t.size}), not {values.shape}")
    figure, (top, middle, bottom) = stack((2, 1, 1), 7.2, title, evidence)
    for index, y in enumerate(values):
        shown = y > 0
        name = "members of the family" if index == 0 else None
        top.plot(first.t[shown], np.sqrt(y[shown]), color="0.65", linewidth=0.7, label=name)
    law = np.sqrt(predicted[labels[0]] / first.t)
    top.plot(first.t, np.sqrt(first.sup), color=BLUE, linewidth=2.2, label=f"envelope, {labels[0]}")
    # the dashes are short and lie on the envelope: both stay visible
    top.plot(first.t, law, color=VERMILION, linestyle=(0, (2, 2)), linewidth=1.4, label="predicted amplitude and slope")
    low, high = law.min(), max(np.sqrt(first.sup).max(), law.max())
    top.set(xscale="log", yscale="log", ylim=(low / 3, high * 2), xlim=(first.t[0], first.t[-1]))
    for label, (color, dash) in zip(labels, STYLES, strict=False):
        local = found[label].fit.local_exponents
        middle.plot(local.t, local.value / 2, color=color, linestyle=dash, linewidth=1.5, label=label)
        ratio = found[label].t * found[label].sup / predicted[label]
        bottom.plot(found[label].t, ratio, color=color, linestyle=dash, linewidth=1.5, label=label)
    for axes, centre, half in ((middle, exponent, tolerance[0]), (bottom, 1.0, tolerance[1])):
        axes.axhline(centre, color=GREY, linewidth=0.8, zorder=0)
        axes.axhspan(centre - half, centre + half, color=GREY, alpha=0.18, linewidth=0, label="tolerance")
        axes.set_ylim(centre - 3 * half, centre + 3 * half)
    top.set_ylabel(r"$\min_{t<T}\,|\nabla L_\lambda| \,/\, \sqrt{\Delta_\lambda}$")
    middle.set_ylabel("local exponent")
    bottom.set(ylabel="measured/predicted\nsquared amplitude", xlabel="steps $T$   (all quantities dimensionless)")
    legend(top, "lower left")
    legend(bottom, "lower right", ncols=2)
    return figure


def known_exponents(t, grad_norm2, local, predicted, labels, rates, *, window=None, title: str = "", evidence=()):
    """Members of a family with known exponents at several rates: gradient norms and local exponents.

    A member has one colour and one level in the lower panel, a rate one dash pattern.

    Args:
        t: steps, shape ``(records,)``, positive.
        grad_norm2: squared gradient norms, shape ``(rates, members, records)``.
        local: ``LocalExponents`` of each, ``local[rate][member]``.
        predicted: exponents of the norm, one for each member. labels: their names. rates: names of the rates.
        window: ``(t_low, t_high)`` that was fitted, shaded; or ``None``.
        title: shown above. evidence: pieces whose verdicts are shown above.

    Returns:
        ``matplotlib.figure.Figure``.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InvalidInputError: shapes that do not fit.
    """
    need_matplotlib()
    t, y = np.asarray(t, dtype=float), np.asarray(grad_norm2, dtype=float)
    shape = (len(rates), len(labels), t.size)
    if t.ndim != 1 or y.shape != shape:
        raise InvalidInputError(f"grad_norm2 must have shape (rates, members, records) = {shape}, not {y.shape}")
    labels, rates = checked_labels(labels, len(predicted)), checked_labels(rates, len(local))
    figure, (top, bottom) = stack((1, 1.3), 6.6, title, evidence)
    for k, rate in enumerate(rates):
        dash = STYLES[k][1]
        top.plot([], [], color=GREY, linestyle=dash, linewidth=1.4, label=rate)
        for j, (color, _) in enumerate(STYLES[: len(labels)]):
            top.plot(t, np.sqrt(y[k, j]), color=color, linestyle=dash, linewidth=1.2)
            found = local[k][j]
            bottom.plot(found.t, found.value / 2, color=color, linestyle=dash, linewidth=1.2)
    for value, label, (color, _) in zip(predicted, labels, STYLES, strict=False):
        bottom.axhline(value, color=color, alpha=0.25, linewidth=4)
        where = {"transform": bottom.get_yaxis_transform(), "fontsize": 8, "va": "center", "color": color}
        bottom.text(1.01, value, f"{label}: {value:.2f}", **where)
    if window is not None:
        for axes in (top, bottom):
            axes.axvspan(*window, color=GREY, alpha=0.1, linewidth=0)
    top.set(xscale="log", yscale="log", xlim=(t[0], t[-1]), ylabel=r"gradient norm $|\nabla L(V_t)|$")
    bottom.set(ylabel="local exponent", xlabel="step $t$   (all quantities dimensionless; shaded: the fitted window)")
    # before the norm has settled a local exponent can be anything: the levels set the range
    bottom.set_ylim(min(predicted) - 0.25, max(0.0, *predicted) + 0.05)
    legend(figure, "outside lower center", top.get_legend_handles_labels(), ncols=len(rates))
    return figure


def contrast(panels, *, title: str = "", evidence=()):
    """The same quantity of several methods side by side, one panel for each setting.

    Lines are medians over the replicas and bands go from the smallest to the largest. A curve that leaves the finite
    numbers leaves the figure, which then ends a few decades above the starts, and is marked there.

    Args:
        panels: ``{setting: {label: (t, grad_norm2)}}`` with ``t`` of shape ``(records,)``, positive, and
            ``grad_norm2`` of shape ``(replicas, records)``; not finite where a run has diverged.
        title: shown above. evidence: pieces whose verdicts are shown above.

    Returns:
        ``matplotlib.figure.Figure``.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InvalidInputError: shapes that do not fit, other curves in one setting than in another, nothing to be drawn.
    """
    need_matplotlib()
    from matplotlib.figure import Figure

    names = [checked_labels(curves, len(curves)) for curves in panels.values()]
    if not names or not names[0] or any(other != names[0] for other in names):
        raise InvalidInputError(f"contrast needs settings with the same curves in each, not {names}")
    figure = Figure(figsize=(7.2, 4.2), dpi=DPI, layout="constrained")
    grid = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False).ravel()
    low, high, largest = [], [], []
    for axes, (setting, curves) in zip(grid, panels.items(), strict=True):
        for (label, (t, y)), style in zip(curves.items(), STYLES, strict=False):
            t, y = np.asarray(t, dtype=float), np.asarray(y, dtype=float)
            if y.ndim != 2 or y.shape[1:] != t.shape:
                raise InvalidInputError(f"{label!r} must have shape (replicas, {t.size}), not {y.shape}")
            alive = np.all(np.isfinite(y), axis=0)
            norm = np.sqrt(y[:, alive])
            if not np.any(np.median(norm, axis=0) > 0):
                raise InvalidInputError(f"{label!r} is nowhere finite and positive")
            middle = median_line(axes, t[alive], norm, style, label, ends=(0.0, 1.0))
            low.append(middle[middle > 0].min())
            high.append(middle[middle > 0][0])
            largest.append(norm.max() if np.all(alive) else np.inf)
            if not np.all(alive):
                # beside the place where it leaves the figure, or where its last record is
                steep = t[alive][np.argmax(np.r_[middle[:-1] > HEADROOM * high[-1], True])]
                place = {"transform": axes.get_xaxis_transform(), "ha": "left", "va": "top", "fontsize": 8}
                axes.text(2 * steep, 0.97, "diverges", color=style[0], **place)
        axes.set(xscale="log", yscale="log")
        axes.set_title(setting, fontsize=9)
        axes.set_xlabel("step $t$")
        axes.grid(True, which="major", color="0.9")
    grid[0].set_ylim(min(low) / 3, 2 * min(HEADROOM * max(high), max(largest)))
    grid[0].set_ylabel(r"gradient norm $|\nabla L|$ (dimensionless)")
    handles = grid[0].get_legend_handles_labels()
    legend(figure, "outside lower center", handles, ncols=len(handles[0]))
    heading(figure, title, evidence)
    return figure
