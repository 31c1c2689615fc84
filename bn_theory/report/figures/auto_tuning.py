"""Auto rate-tuning: against the step for some learning rates, and at the end of the run against the learning rate."""

from __future__ import annotations

import numpy as np

from bn_theory.errors import InvalidInputError
from bn_theory.report.figures.style import GREY, STYLES, checked_labels, legend, median_line, need_matplotlib, stack


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
            median_line(axes, t, y, style, label)
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


def across_rates(
    rates,
    runs,
    *,
    infimum: float = 0.0,
    lowest=None,
    norms=None,
    predicted=None,
    threshold=None,
    title: str = "",
    evidence=(),
):
    """Loss, squared norm and effective rate at the end of runs, against the learning rate.

    Lines are medians over the replicas and bands their central 90 %. A learning rate at which some replica has left
    the finite numbers has no point on the line; it is marked by a cross at the upper edge.

    Args:
        rates: learning rates, shape ``(cases,)``, positive and increasing.
        runs: ``{label: data set of bn.run}`` with dims ``(case, replica, step)`` (one group of weights).
        infimum: of the loss; drawn is what is left above it.
        lowest: lower edge of that: what is less, or below the infimum by rounding, is drawn there. ``None`` for the
            smallest positive median.
        norms: labels of the runs whose norm and effective rate are drawn; ``None`` for all.
        predicted: effective rates at the end, shape ``(cases,)``, or ``None``.
        threshold: an effective rate to be marked (at the start of norm 1 also a learning rate), or ``None``.
        title: shown above. evidence: pieces whose verdicts are shown below it.

    Returns:
        ``matplotlib.figure.Figure``.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InvalidInputError: other dims, not one case for each rate, more runs than can be told apart, a label that is
            none of them, rates that are not positive and increasing, no loss above the infimum and no ``lowest``.
    """
    need_matplotlib()
    rates, labels = np.asarray(rates, dtype=float), checked_labels(runs, len(runs))
    if rates.ndim != 1 or not np.all(rates > 0) or np.any(np.diff(rates) <= 0):
        raise InvalidInputError(f"rates must be positive and increasing, of shape (cases,), not {rates}")
    norms = labels if norms is None else list(norms)
    if missing := [label for label in norms if label not in labels]:
        raise InvalidInputError(f"{missing} are none of the runs {labels}")
    if predicted is not None and np.shape(predicted) != rates.shape:
        raise InvalidInputError(
            f"predicted must be one number for each of {rates.size} rates, not {np.shape(predicted)}"
        )
    for label, run in runs.items():
        if run.norm2.dims != ("case", "replica", "step") or run.sizes["case"] != rates.size:
            raise InvalidInputError(f"{label!r} must have dims (case, replica, step), {rates.size} cases: {run.sizes}")
    left = [run.loss.isel(step=-1).values - infimum for run in runs.values()]
    medians = np.concatenate([np.median(values, axis=1) for values in left])
    positive = medians[np.isfinite(medians) & (medians > 0)]
    if lowest is None and not positive.size:
        raise InvalidInputError("no median loss lies above the infimum: give lowest, or an infimum that is one")
    edge = positive.min() if lowest is None else lowest
    figure, panels = stack((1.4, 1, 1), 7.4, title, evidence)
    top, middle, bottom = panels
    for label, run, loss, style in zip(labels, runs.values(), left, STYLES, strict=False):
        drawn = {top: np.maximum(loss, edge)}
        if label in norms:
            drawn |= {
                axes: run[name].isel(step=-1).values for axes, name in ((middle, "norm2"), (bottom, "effective_lr"))
            }
        for axes, values in drawn.items():
            alive = np.all(np.isfinite(values), axis=1)
            median_line(axes, rates, np.where(alive[:, None], values, np.nan).T, style, label)
            if not np.all(alive):
                look = {"color": style[0], "markersize": 5, "clip_on": False, "transform": axes.get_xaxis_transform()}
                axes.plot(rates[~alive], np.ones(np.sum(~alive)), "X", label=f"{label}: not finite", **look)
    if predicted is not None:
        bottom.plot(rates, predicted, "o", markerfacecolor="none", color="black", markersize=4, label="predicted")
    for axes in panels:
        axes.set(xscale="log", yscale="log", xlim=(rates[0], rates[-1]))
        if threshold is not None:
            axes.axvline(threshold, color=GREY, linewidth=0.9)
    if threshold is not None:
        bottom.axhline(threshold, color=GREY, linewidth=0.9)
        where = {"transform": bottom.get_yaxis_transform(), "ha": "left", "va": "bottom"}
        bottom.text(0.01, threshold, "threshold at fixed norm", fontsize=8, color=GREY, **where)
    top.set_ylabel(r"$L(w_T) - \inf L$")
    middle.set_ylabel(r"squared norm $|w_T|^2$")
    bottom.set_ylabel(r"effective rate $\eta/|w_T|^2$")
    bottom.set_xlabel(r"learning rate $\eta$   (all quantities dimensionless)")
    replicas, steps = (next(iter(runs.values())).sizes["replica"], int(next(iter(runs.values())).step[-1]))
    note = f"after {steps} steps" + (f"; median and central 90 % of {replicas} starts" if replicas > 1 else "")
    legend(figure, "outside lower center", _all_of(top, bottom), ncols=3, title=note)
    return figure


def _all_of(*panels):
    """Handles and labels of several panels, each label once."""
    found = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    return tuple(found.values()), tuple(found)
