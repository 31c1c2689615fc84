"""One run and its fit: gradient norm, bound, law and local exponents."""

from __future__ import annotations

import math

import numpy as np

from bn_theory.errors import InvalidInputError
from bn_theory.report.figures.style import BLUE, DPI, LETTERS, VERMILION, need_matplotlib, title_lines


def convergence(t, grad_norm2, fit=None, *, bound=None, band=None, title: str = "", evidence=()):
    """Gradient norm against the step on logarithmic axes, with the fitted law and the local exponents below.

    Drawn is ``sqrt(mean over replicas of |grad L|^2)``, with the central 90 % of the replicas as a band, the
    leading term ``sqrt(A) t^(p/2)`` of the fit (solid on its window, dashed elsewhere) and, below, the local
    exponents of the same square root with the fit's interval.

    Args:
        t: steps, shape ``(records,)``; those that are not positive are left out.
        grad_norm2: squared gradient norm, shape ``(records,)`` or ``(replicas, records)``, dimensionless.
        fit: the ``ExponentFit`` of ``grad_norm2``, or ``None`` for the data alone.
        bound: ``(t, values)``, what a theorem allows of ``grad_norm2`` (of its mean, or its running minimum), both of
            shape ``(points,)``; its square root is drawn. Or ``None``.
        band: where ``grad_norm2`` is already a mean over replicas, ``(low, high, replicas)``: the central 90 % of them,
            each of shape ``(records,)``, and their number. Or ``None``.
        title: shown above. evidence: pieces whose verdicts are shown below it.

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
    if band is None and len(y) > 1:
        band = (*np.quantile(y, [0.05, 0.95], axis=0), len(y))
    elif band is not None:
        band = _given(band, len(y), t)
    t, norm = t[shown], np.sqrt(mean[shown])
    allowed = None if bound is None else _bound(bound, t)

    figure = Figure(figsize=(6.0, 5.4 if fit is not None else 3.8), dpi=DPI, layout="constrained")
    panels = 1 if fit is None else 2
    axes = figure.subplots(panels, sharex=True, squeeze=False, height_ratios=[2, 1][:panels])
    top = axes[0, 0]
    if band is not None:
        low, high = np.sqrt(band[0][shown]), np.sqrt(band[1][shown])
        # a replica at exactly zero has no place on the axis; the band ends at the smallest norm shown
        low = np.maximum(low, 0.1 * norm.min())
        label = f"central 90 % of {band[2]} replicas"
        top.fill_between(t, low, high, color=BLUE, alpha=0.2, linewidth=0, label=label)
    top.plot(t, norm, "o", color=BLUE, markersize=3.5, label="run" if band is None else "square root of the mean")
    top.set(xscale="log", yscale="log")
    if allowed is not None:
        top.plot(*allowed, color="black", linestyle=(0, (1, 1.2)), linewidth=1.6, label="the theorem's bound")
    # The law may leave the data by many decades outside of its window: the data set the range.
    top.set_ylim(top.get_ylim())
    if fit is not None:
        _law(top, t, norm, fit)
        _local(axes[1, 0], fit)
    mean_of = r"|\nabla L|" if band is None else r"(\mathrm{E}\,|\nabla L|^2)^{1/2}"
    top.set_ylabel(f"gradient norm ${mean_of}$")
    top.set_title(title_lines(title, evidence, int(LETTERS * figure.get_figwidth())), fontsize=9)
    top.grid(True, which="major", color="0.9")
    top.legend(frameon=False, fontsize=9)
    axes[-1, 0].set_xlabel("step $t$")
    return figure


def _given(band, replicas, t):
    """A band that was made where the replicas were, checked."""
    low, high, count = np.asarray(band[0], dtype=float), np.asarray(band[1], dtype=float), int(band[2])
    if replicas != 1 or low.shape != t.shape or high.shape != t.shape or not (np.all(low >= 0) and np.all(high >= low)):
        raise InvalidInputError(
            f"a band needs one mean, and ends with 0 <= low <= high of shape {t.shape}, not {low.shape} and "
            f"{high.shape} for {replicas} replicas"
        )
    return low, high, count


def _bound(bound, t):
    """The bound's square root where there are data: a bound may start far above and before them."""
    at, allowed = (np.asarray(values, dtype=float) for values in bound)
    if at.ndim != 1 or allowed.shape != at.shape:
        raise InvalidInputError(f"bound must be steps and as many values, not of shapes {at.shape} and {allowed.shape}")
    shown = (at >= t[0]) & (at <= t[-1]) & np.isfinite(allowed) & (allowed > 0)
    if not np.any(shown):
        raise InvalidInputError(f"the bound has no positive value at the steps {t[0]:g} to {t[-1]:g} that are drawn")
    return at[shown], np.sqrt(allowed[shown])


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
