"""Figures, drawn by matplotlib when they are asked for; no global state, no window."""

from __future__ import annotations

import io
import math
from pathlib import PurePath

import numpy as np

from bn_theory.errors import InvalidInputError, MissingExtraError
from bn_theory.theorems.evidence import SUPPORTED

# Okabe and Ito's palette: told apart with every common colour vision and, with marks and dashes, in grey.
BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "#555555"
DPI = 200

# Okabe and Ito's other colours that are dark enough for a line on white, each with a dash pattern of its own: what is
# one line among several is known by either.
STYLES = (
    (BLUE, "-"),
    (VERMILION, (0, (5, 1.5))),
    ("#009E73", (0, (5, 1.5, 1, 1.5))),
    ("#000000", (0, (1, 1.2))),
    ("#CC79A7", (0, (7, 1.5, 1, 1.5, 1, 1.5))),
    ("#E69F00", (0, (3, 3))),
)
MOST = len(STYLES)
HEADROOM = 1e3
"""How far above its start a diverging curve is followed."""


def need_matplotlib() -> None:
    """Do nothing where figures can be drawn.

    Raises:
        MissingExtraError: matplotlib is not installed; the message has the command that installs it.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            "a figure needs matplotlib: pip install matplotlib (or pip install '.[plots]' in the source folder)"
        ) from error


def convergence(t, grad_norm2, fit=None, *, title: str = ""):
    """Gradient norm against the step on logarithmic axes, with the fitted law and the local exponents below.

    Drawn is ``sqrt(mean over replicas of |grad L|^2)``, with the central 90 % of the replicas as a band, the
    leading term ``sqrt(A) t^(p/2)`` of the fit (solid on its window, dashed elsewhere) and, below, the local
    exponents of the same square root with the fit's interval.

    Args:
        t: steps, shape ``(records,)``; those that are not positive are left out.
        grad_norm2: squared gradient norm, shape ``(records,)`` or ``(replicas, records)``, dimensionless.
        fit: the ``ExponentFit`` of ``grad_norm2``, or ``None`` for the data alone.
        title: shown above.

    Returns:
        ``matplotlib.figure.Figure``; ``as_png`` turns it into bytes.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InvalidInputError: shapes that do not fit, or nothing that a logarithmic axis can show.
    """
    need_matplotlib()
    from matplotlib.figure import Figure

    t, y = np.asarray(t, dtype=float), np.atleast_2d(np.asarray(grad_norm2, dtype=float))
    if t.ndim != 1 or y.ndim != 2 or y.shape[1] != t.size:
        raise InvalidInputError(f"grad_norm2 must have one value per step, but has shape {y.shape} for {t.shape} steps")
    mean = y.mean(axis=0)
    shown = (t > 0) & np.isfinite(mean) & (mean > 0)
    if not np.any(shown):
        raise InvalidInputError("there is no positive gradient norm at a positive step to be drawn")
    t, y, norm = t[shown], y[:, shown], np.sqrt(mean[shown])

    figure = Figure(figsize=(6.0, 5.4 if fit is not None else 3.8), dpi=DPI, layout="constrained")
    panels = 1 if fit is None else 2
    axes = figure.subplots(panels, sharex=True, squeeze=False, height_ratios=[2, 1][:panels])
    top = axes[0, 0]
    if y.shape[0] > 1:
        low, high = np.sqrt(np.quantile(y, [0.05, 0.95], axis=0))
        # a replica at exactly zero has no place on the axis; the band ends at the smallest norm shown
        top.fill_between(
            t,
            np.maximum(low, 0.1 * norm.min()),
            high,
            color=BLUE,
            alpha=0.2,
            linewidth=0,
            label=f"central 90 % of {y.shape[0]} replicas",
        )
    top.plot(t, norm, "o", color=BLUE, markersize=3.5, label="square root of the mean" if y.shape[0] > 1 else "run")
    top.set(xscale="log", yscale="log")
    # The law may leave the data by many decades outside of its window: the data set the range.
    top.set_ylim(top.get_ylim())
    if fit is not None:
        _law(top, t, norm, fit)
        _local(axes[1, 0], fit)
    mean_of = r"(\mathrm{E}\,|\nabla L|^2)^{1/2}" if y.shape[0] > 1 else r"|\nabla L|"
    top.set_ylabel(f"gradient norm ${mean_of}$")
    top.set_title(title, fontsize=9)
    top.grid(True, which="major", color="0.9")
    top.legend(frameon=False, fontsize=9)
    axes[-1, 0].set_xlabel("step $t$")
    return figure


def _law(axes, t, norm, fit):
    """The leading term: where the law has a correction the data leave it at small t."""
    curve = np.sqrt(fit.amplitude) * t ** (fit.exponent / 2)
    if fit.model == "log":
        # The power of the logarithm is not part of the fit's result: the slope alone, through the window's end.
        end = int(np.argmin(np.abs(t - fit.window[1])))
        curve = norm[end] * (t / t[end]) ** (fit.exponent / 2)
    half = 0.25 * (fit.interval[1] - fit.interval[0])  # of the norm: half of the half-width
    digits = min(max(4, math.ceil(1 - math.log10(half))), 7) if half > 0 else 7
    label = rf"$t^{{\,{fit.exponent / 2:.{digits}f} \pm {half:.{digits}f}}}$"
    label += "" if fit.model == "pure" else ", leading term"
    inside = (t >= fit.window[0]) & (t <= fit.window[1])
    axes.plot(t, curve, "--", color=VERMILION, linewidth=0.9)
    axes.plot(t[inside], curve[inside], "-", color=VERMILION, linewidth=1.8, label=label)


def _local(axes, fit):
    local = fit.local_exponents
    axes.errorbar(local.t, local.value / 2, local.band / 2, fmt="o", color=BLUE, markersize=2.5, elinewidth=0.8)
    axes.axhspan(fit.interval[0] / 2, fit.interval[1] / 2, color=VERMILION, alpha=0.25, linewidth=0)
    axes.axhline(fit.exponent / 2, color=VERMILION, linewidth=1.2)
    axes.set(xscale="log", ylabel="local exponent")
    axes.grid(True, which="major", color="0.9")


def verdicts(evidence) -> str:
    """How many pieces of each kind came out how, in one line.

    >>> from bn_theory.theorems import evidence as judge
    >>> verdicts([judge.bound("a", 0.5), judge.bound("b", 2.0), judge.control(judge.bound("c", 2.0))])
    'bound: 1 of 2 supported, 1 contradicted; control: 1 of 1 supported'
    """
    kinds = {}
    for piece in evidence:
        kinds.setdefault(piece.kind, []).append(piece.verdict)
    lines = []
    for kind, found in kinds.items():
        others = "".join(f", {found.count(v)} {v}" for v in dict.fromkeys(found) if v != SUPPORTED)
        lines.append(f"{kind}: {found.count(SUPPORTED)} of {len(found)} {SUPPORTED}{others}")
    return "; ".join(lines)


def auto_tuning(run, labels, *, threshold=None, title: str = "", evidence=()):
    """Gradient norm, squared norm and effective rate against the step, one curve for each case.

    Lines are medians over the replicas and bands their central 90 %. The abscissa is ``t + 1``, so that the start
    has a place on the logarithmic axis.

    Args:
        run: data set of ``bn_theory.run`` with dims ``(case, replica, step)`` (one group of weights).
        labels: one text for each case.
        threshold: an effective rate to be marked, or ``None``.
        title: shown above. evidence: pieces whose verdicts are shown above.

    Returns:
        ``matplotlib.figure.Figure``.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InvalidInputError: other dims, not one label for each case, more cases than can be told apart.
    """
    need_matplotlib()
    if run.norm2.dims != ("case", "replica", "step"):
        raise InvalidInputError(f"auto_tuning needs a run with dims (case, replica, step), not {run.norm2.dims}")
    labels = checked_labels(labels, run.sizes["case"])
    figure, (top, middle, bottom) = stack((1.4, 1, 1), 7.2, title, evidence)
    t = run.step.values + 1.0
    panels = ((top, np.sqrt(run.grad_norm2.values)), (middle, run.norm2.values), (bottom, run.effective_lr.values))
    for axes, values in panels:
        for y, label, style in zip(values, labels, STYLES, strict=False):
            _median(axes, t, y, style, label)
        axes.set(xscale="log", yscale="log", xlim=(t[0], t[-1]))
    if threshold is not None:
        bottom.axhline(threshold, color=GREY, linewidth=0.9)
        where = {"transform": bottom.get_yaxis_transform(), "ha": "right", "va": "bottom"}
        bottom.text(0.99, threshold, "threshold at fixed norm", fontsize=8, color=GREY, **where)
    top.set_ylabel(r"gradient norm $|\nabla L(V_t)|$")
    middle.set_ylabel(r"squared norm $|w_t|^2$")
    bottom.set_ylabel(r"effective rate $\eta/|w_t|^2$")
    bottom.set_xlabel("step $t + 1$   (all quantities dimensionless)")
    replicas = run.sizes["replica"]
    note = f"median and central 90 % of {replicas} starts" if replicas > 1 else None
    legend(top, "lower left", title=note)
    return figure


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
            _median(axes, t, np.sqrt(y[case]), style, name, ends=(0.0, 1.0))
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
    _heading(figure, title, evidence)
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
    numbers leaves the figure, which ends a few decades above the starts, and is marked there.

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
    low, high = [], []
    for axes, (setting, curves) in zip(grid, panels.items(), strict=True):
        for (label, (t, y)), style in zip(curves.items(), STYLES, strict=False):
            t, y = np.asarray(t, dtype=float), np.asarray(y, dtype=float)
            if y.ndim != 2 or y.shape[1:] != t.shape:
                raise InvalidInputError(f"{label!r} must have shape (replicas, {t.size}), not {y.shape}")
            alive = np.all(np.isfinite(y), axis=0)
            norm = np.sqrt(y[:, alive])
            if not np.any(np.median(norm, axis=0) > 0):
                raise InvalidInputError(f"{label!r} is nowhere finite and positive")
            middle = _median(axes, t[alive], norm, style, label, ends=(0.0, 1.0))
            low.append(middle[middle > 0].min())
            high.append(middle[middle > 0][0])
            if not np.all(alive):
                # beside the place where it leaves the figure, or where its last record is
                steep = t[alive][np.argmax(np.r_[middle[:-1] > HEADROOM * high[-1], True])]
                place = {"transform": axes.get_xaxis_transform(), "ha": "left", "va": "top", "fontsize": 8}
                axes.text(2 * steep, 0.97, "diverges", color=style[0], **place)
        axes.set(xscale="log", yscale="log")
        axes.set_title(setting, fontsize=9)
        axes.set_xlabel("step $t$")
        axes.grid(True, which="major", color="0.9")
    grid[0].set_ylim(min(low) / 3, 2 * HEADROOM * max(high))
    grid[0].set_ylabel(r"gradient norm $|\nabla L|$ (dimensionless)")
    handles = grid[0].get_legend_handles_labels()
    legend(figure, "outside lower center", handles, ncols=len(handles[0]))
    _heading(figure, title, evidence)
    return figure


def checked_labels(labels, count, most: int | None = MOST) -> list[str]:
    """Labels as texts: one for each curve, and no more curves than can be told apart.

    Args:
        count: of the curves. most: of them, or ``None`` where they need not be told apart.

    Raises:
        InvalidInputError: another number of labels, too many curves.
    """
    labels = [str(label) for label in labels]
    if len(labels) != count:
        raise InvalidInputError(f"{len(labels)} labels for {count} curves")
    if most is not None and count > most:
        raise InvalidInputError(f"{count} curves cannot be told apart in one figure; draw at most {most}")
    return labels


def stack(heights, height, title="", evidence=()):
    """A figure with panels above each other that share their abscissa.

    Args:
        heights: of the panels, relative to each other.
        height: of the figure in inches.
        title: shown above. evidence: pieces whose verdicts are shown below the title.

    Returns:
        ``(matplotlib.figure.Figure, array of its axes)``, the uppermost first.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, height), dpi=DPI, layout="constrained")
    grid = figure.subplots(len(heights), sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for axes in grid:
        axes.grid(True, which="major", color="0.9")
    _heading(figure, title, evidence)
    return figure, grid


def legend(where, loc, handles=(), **options):
    """A legend whose dashes can be read and whose background hides the curves that it lies on.

    Args:
        where: axes, or a figure. loc: as matplotlib's ``legend`` takes it.
        handles: ``(handles, labels)``, or nothing for those of ``where``.
        options: further ones of matplotlib's ``legend``.
    """
    look = {"fontsize": 8, "title_fontsize": 8, "handlelength": 3.5, "edgecolor": "none", "framealpha": 0.9}
    found = where.legend(*handles, loc=loc, **look, **options)
    found.set_alignment("left")
    return found


def _heading(figure, title, evidence):
    found = verdicts(evidence)
    lines = [line for line in (title, f"verdict: {found}" if found else "") if line]
    if lines:
        figure.suptitle("\n".join(lines), fontsize=9)


def _median(axes, t, y, style, label, ends=(0.05, 0.95)):
    """The median of the replicas, in a band where there are several; what is not positive has no place."""
    color, dash = style
    if len(y) > 1:
        low, high = np.quantile(y, ends, axis=0)
        axes.fill_between(t, low, high, color=color, alpha=0.2, linewidth=0)
    middle = np.median(y, axis=0)
    axes.plot(t, middle, color=color, linestyle=dash, linewidth=1.6, label=label)
    return middle


FORMATS = ("png", "svg", "pdf")


def format_of(path) -> str:
    """The format of a figure's file by its name's ending: one of ``FORMATS``.

    Raises:
        InvalidInputError: another ending.
    """
    ending = PurePath(path).suffix.lstrip(".").lower()
    if ending not in FORMATS:
        raise InvalidInputError(f"cannot draw {path}: its name must end in {', '.join(f'.{f}' for f in FORMATS)}")
    return ending


def as_bytes(figure, kind: str, dpi: int = DPI) -> bytes:
    """A figure as the bytes of a file, without a date in it.

    Args:
        figure: of any function here.
        kind: one of ``FORMATS``.
        dpi: dots an inch, of a png.
    """
    stream = io.BytesIO()
    undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    figure.savefig(stream, format=kind, dpi=dpi, metadata=undated)
    return stream.getvalue()


def as_png(figure, dpi: int = DPI) -> bytes:
    """A figure as the bytes of a PNG file.

    Args:
        figure: of any function here.
        dpi: dots an inch.
    """
    return as_bytes(figure, "png", dpi)
