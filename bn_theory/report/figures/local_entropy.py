"""Local entropy around the first shock, and the blow-up of its gradient as the diffusivity tends to 0."""

from __future__ import annotations

import numpy as np

from bn_theory.errors import InvalidInputError
from bn_theory.report.figures.style import (
    GREY,
    MARKERS,
    STYLES,
    checked_labels,
    heading,
    legend,
    need_matplotlib,
    stack,
)


def local_entropy(x, u, v, characteristics, *, sampled, variable, title="", evidence=()):
    """The local entropy at several scales, its gradient below, and at the bottom the characteristics.

    Args:
        x: abscissae, shape ``(points,)``, dimensionless. u, v: by label, ``(points,)`` each, the same labels.
        characteristics: ``{"s": (times,), "x": (starts, times)}``: straight lines, s over that of the first shock.
        sampled: ``{"x": (angles,), "curves": {label: {"u": (angles,), "error": (angles,)}}}``, marks with bars; or
            ``None``.
        variable: name of x.
        title: shown above. evidence: pieces whose verdicts are shown below it.

    Returns:
        ``matplotlib.figure.Figure``.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InvalidInputError: shapes or labels that do not fit.
    """
    need_matplotlib()
    x, labels = np.asarray(x, dtype=float), checked_labels(u, len(u))
    curves = {label: tuple(np.asarray(y[label], dtype=float) for y in (u, v) if label in y) for label in labels}
    if (
        not labels
        or x.ndim != 1
        or len(v) != len(u)
        or any([y.shape for y in c] != [x.shape] * 2 for c in curves.values())
    ):
        raise InvalidInputError(f"u and v need the same labels, and a value of each for every x, shape {x.shape}")
    s, paths = (np.asarray(characteristics[part], dtype=float) for part in ("s", "x"))
    if s.ndim != 1 or paths.ndim != 2 or paths.shape[1:] != s.shape:
        raise InvalidInputError(
            f"characteristics need shapes (times,) and (starts, times), not {s.shape}, {paths.shape}"
        )
    figure, (top, middle, bottom) = stack((1.2, 1.0, 0.8), 7.4, title, evidence)
    for label, (color, dash) in zip(labels, STYLES, strict=False):
        for axes, y in zip((top, middle), curves[label], strict=True):
            axes.plot(x, y, color=color, linestyle=dash, linewidth=1.6, label=label)
    _samples(top, sampled, labels)
    bottom.plot(paths.T, s, color=GREY, linewidth=0.7)
    bottom.axhline(1.0, color="black", linewidth=1.2, linestyle=(0, (5, 1.5)))
    top.set_ylabel("local entropy u")
    middle.set_ylabel("its gradient v")
    bottom.set(ylabel="s/s*", xlim=(float(x[0]), float(x[-1])), ylim=(float(s.min()), float(s.max())))
    bottom.set_xlabel(f"{variable}   (dimensionless)")
    legend(top, "best")
    return figure


def _samples(axes, sampled, labels):
    if not sampled:
        return
    at = np.asarray(sampled["x"], dtype=float)
    for label, one in sampled["curves"].items():
        if label not in labels:
            raise InvalidInputError(f"samples of {label!r}, of which there is no curve; there are {', '.join(labels)}")
        y, error = (np.asarray(one[part], dtype=float) for part in ("u", "error"))
        if not at.shape == y.shape == error.shape:
            raise InvalidInputError(f"samples of {label!r} must have one value and error for each of {at.shape} points")
        number = labels.index(label)
        look = {"color": STYLES[number][0], "marker": MARKERS[number], "markerfacecolor": "white", "markersize": 5}
        axes.errorbar(at, y, yerr=error, linestyle="none", elinewidth=1.2, capsize=2, zorder=4, **look)


def blow_up(panels, *, title="", evidence=()):
    """Steepness of the gradient against nu, in several regimes, with the laws that are predicted; a panel a function.

    Args:
        panels: ``{name: {regime: {"nu", "steepness", "law": (records,), "exponent": number}}}``.
        title: shown above. evidence: pieces whose verdicts are shown below it.

    Returns:
        ``matplotlib.figure.Figure``.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InvalidInputError: nothing to draw, shapes that do not fit, values that are not above 0.
    """
    need_matplotlib()
    from matplotlib.figure import Figure

    if not panels or len(panels) > 3:
        raise InvalidInputError(f"blow_up draws one to three panels, not {len(panels)}")
    figure = Figure(figsize=(7.2, 3.9), dpi=200, layout="constrained")
    grid = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    heading(figure, title, evidence)
    for axes, (name, regimes) in zip(grid, panels.items(), strict=True):
        axes.grid(True, which="major", color="0.9")
        for regime, (color, dash), mark in zip(checked_labels(regimes, len(regimes)), STYLES, MARKERS, strict=False):
            one = regimes[regime]
            nu, steep, law = (np.asarray(one[part], dtype=float) for part in ("nu", "steepness", "law"))
            if nu.ndim != 1 or not nu.shape == steep.shape == law.shape:
                raise InvalidInputError(f"{name}, {regime}: one steepness and one law for each nu, shape {nu.shape}")
            if not all(np.all(y > 0) for y in (nu, steep, law)):
                raise InvalidInputError(f"{name}, {regime}: only positive values have a place on logarithmic axes")
            axes.plot(nu, law, color=color, linestyle=dash, linewidth=1.4)
            label = f"{regime}: exponent {float(one['exponent']):g}"
            axes.plot(nu, steep, mark, color=color, markerfacecolor="white", markersize=5.5, label=label)
        axes.set(xscale="log", yscale="log")
        axes.set_title(name, fontsize=9)
        axes.set_xlabel(r"$\nu$   (dimensionless)")
        legend(axes, "upper right")
    grid[0].set_ylabel(r"steepness $-u_{xx}$")
    return figure
