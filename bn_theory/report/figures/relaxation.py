"""How the norm relaxes after the learning rate was divided, against the predicted time."""

from __future__ import annotations

import numpy as np

from bn_theory.errors import InvalidInputError
from bn_theory.report.figures.style import GREY, MARKERS, STYLES, checked_labels, legend, need_matplotlib, stack


def relaxation(curves, *, divided: float, within: float, title: str = "", evidence=()):
    """The excess of ``|w|^4`` over its new level after the rate was divided, against the steps over those predicted.

    The prediction is a straight line on the logarithmic axis, from ``divided - 1`` to ``within`` at 1; both ends are
    marked. Far below ``within`` the excess is noise, which is not drawn.

    Args:
        curves: ``{label: {"t": ..., "excess": ..., "low": ..., "high": ..., "predicted": steps}}``: steps since the
            rate was divided, ``(E|w|^2)^2`` over its new level minus 1 and the ends of its band, shape ``(records,)``.
        divided: by what the rate was divided, above 1.
        within: the excess that is reached after the predicted time, below ``divided - 1``.
        title: shown above. evidence: pieces whose verdicts are shown below it.

    Returns:
        ``matplotlib.figure.Figure``.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InvalidInputError: shapes that do not fit, numbers outside of these ranges, nothing to be drawn.
    """
    need_matplotlib()
    labels = checked_labels(curves, len(curves))
    if not labels or not 0 < within < divided - 1:
        raise InvalidInputError(f"relaxation needs curves and 0 < within < divided - 1, not {within!r}, {divided!r}")
    figure, (axes,) = stack((1,), 4.0, title, evidence)
    for label, (color, dash), mark in zip(labels, STYLES[1:] + STYLES[:1], MARKERS, strict=False):
        one = curves[label]
        t, excess, low, high = (np.asarray(one[part], dtype=float) for part in ("t", "excess", "low", "high"))
        if t.ndim != 1 or any(y.shape != t.shape for y in (excess, low, high)) or not float(one["predicted"]) > 0:
            raise InvalidInputError(f"{label!r} must have one value for each of {t.shape} steps, and a predicted time")
        x = t / float(one["predicted"])
        # up to the first record that is lost in the noise
        shown = (x >= 0) & (np.cumsum((x > 0) & ~(excess > within / 3)) == 0)
        if not np.any(shown):
            raise InvalidInputError(f"{label!r} has no excess above {within / 3:g}: there is nothing to draw")
        x, low, high = x[shown], np.maximum(low[shown], within / 10), high[shown]
        axes.fill_between(x, low, high, color=color, alpha=0.2, linewidth=0)
        look = {"color": color, "linestyle": dash, "linewidth": 1.6, "marker": mark, "markersize": 4}
        axes.plot(x, excess[shown], markevery=max(1, len(x) // 8), label=label, **look)
    ends = np.array([0.0, 1.0])
    line = (divided - 1) * (within / (divided - 1)) ** ends
    axes.plot(ends, line, color="black", linestyle=(0, (1, 1.2)), linewidth=1.6, label="predicted", zorder=3)
    axes.plot([1.0], [within], "D", color="black", markersize=6, markerfacecolor="white", zorder=4)
    axes.axhline(within, color=GREY, linewidth=0.9, zorder=0)
    axes.axvline(1.0, color=GREY, linewidth=0.9, zorder=0)
    axes.set(yscale="log", xlim=(-0.03, 1.4), ylim=(within / 3, 2 * (divided - 1)))
    axes.set_xlabel("steps since the rate was divided, over the predicted steps   (dimensionless)")
    axes.set_ylabel(r"excess of $|w|^4$ over its new level")
    legend(axes, "lower left")
    return figure
