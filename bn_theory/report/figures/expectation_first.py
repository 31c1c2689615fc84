"""Why the expectation comes before the minimum: the mean, its minimum, and the mean of the replicas' minima."""

from __future__ import annotations

import numpy as np

from bn_theory.errors import InvalidInputError
from bn_theory.report.figures.style import (
    DPI,
    GREY,
    STYLES,
    checked_labels,
    heading,
    legend,
    need_matplotlib,
)


def expectation_first(panels, *, slope: float, title: str = "", evidence=()):
    """The gradient norm of several methods by three statistics, one panel for each method.

    Drawn are square roots: of the mean over replicas, of its running minimum over the steps that were recorded, and of
    the mean of the replicas' own minima over all steps, with the central 90 % of those as a band; beside them a line of
    the slope that a rate theorem has.

    Args:
        panels: ``{method: data set of bn.run}`` with dims ``(replica, step)`` and several replicas.
        slope: exponent of the norm, such as -1/4.
        title: shown above. evidence: pieces whose verdicts are shown below it.

    Returns:
        ``matplotlib.figure.Figure``.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InvalidInputError: no panels, other dims, a single replica, numbers that are not finite.
    """
    need_matplotlib()
    from matplotlib.figure import Figure

    labels = checked_labels(panels, len(panels))
    if not labels:
        raise InvalidInputError("expectation_first needs at least one run")
    figure = Figure(figsize=(max(4.2, 3.6 * len(labels)), 4.4), dpi=DPI, layout="constrained")
    grid = figure.subplots(1, len(labels), sharex=True, sharey=True, squeeze=False)[0]
    for axes, label, run in zip(grid, labels, panels.values(), strict=True):
        t, mean, minima = _statistics(label, run)
        low, high = np.sqrt(np.quantile(minima, [0.05, 0.95], axis=0))
        axes.fill_between(t, low, high, color=STYLES[2][0], alpha=0.2, linewidth=0)
        curves = {
            r"$(\mathrm{E}\,|\nabla L|^2)^{1/2}$": mean,
            "its running minimum": np.minimum.accumulate(mean),
            "each replica's minimum, then the mean": minima.mean(axis=0),
        }
        for (name, y), (color, dash) in zip(curves.items(), STYLES, strict=False):
            axes.plot(t, np.sqrt(y), color=color, linestyle=dash, linewidth=1.6, label=name)
        # through the end of the lowest curve, a little below it
        late = t[t >= t[-1] / 100]
        guide = 0.6 * np.sqrt(minima.mean(axis=0)[-1]) * (late / t[-1]) ** slope
        axes.plot(late, guide, color=GREY, linewidth=1.0, label=f"slope {slope:g}")
        axes.set(xscale="log", yscale="log", xlabel="step $t$")
        axes.set_title(label, fontsize=9)
        axes.grid(True, which="major", color="0.9")
    grid[0].set_ylabel("gradient norm (dimensionless)")
    note = f"band: central 90 % of {min(run.sizes['replica'] for run in panels.values())} replicas' minima"
    legend(figure, "outside lower center", grid[0].get_legend_handles_labels(), ncols=2, title=note)
    heading(figure, title, evidence)
    return figure


def _statistics(label, run):
    """Steps after the start, the mean over replicas, and the replicas' minima over all steps before."""
    if run.grad_norm2.dims != ("replica", "step") or run.sizes["replica"] < 2:
        raise InvalidInputError(f"{label!r} must be a run with dims (replica, step) and several replicas: {run.sizes}")
    t = run.step.values.astype(float)
    mean, minima = run.grad_norm2.values.mean(axis=0)[t > 0], run.min_grad_norm2.values[:, t > 0]
    if not (mean.size and np.all(np.isfinite(mean)) and np.all(np.isfinite(minima))):
        raise InvalidInputError(f"{label!r} must have finite records after step 0")
    return t[t > 0], mean, minima
