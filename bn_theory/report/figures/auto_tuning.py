"""Auto rate-tuning: gradient norm, squared norm and effective rate."""

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
