"""A logged training run of a network: squared norms, how exactly they grow, and effective rates."""

from __future__ import annotations

import numpy as np

from bn_theory.errors import InvalidInputError
from bn_theory.report.figures.style import GREY, STYLES, checked_labels, legend, need_matplotlib, stack


def logged_steps(log, labels=None, *, title: str = "", evidence=()):
    """Squared norm over its start, error of the growth over its rounding bound, effective rate; one line each group.

    In the middle panel a group that is scale-invariant and trained by plain SGD stays below the dotted line at 1. An
    error of exactly 0 leaves a gap.

    Args:
        log: ``bn_theory.networks.StepLog`` of at most six groups.
        labels: ``{group of the log: text}``, in the order of drawing; ``None`` for all groups by their names.
        title: shown above. evidence: pieces whose verdicts are shown below it.

    Returns:
        ``matplotlib.figure.Figure``.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InvalidInputError: too many groups, one that the log does not have, a log without bounds (``sampled=False``).
    """
    need_matplotlib()
    labels = dict(zip(log.groups, log.groups, strict=True)) if labels is None else dict(labels)
    if missing := [group for group in labels if group not in log.groups]:
        raise InvalidInputError(f"the log has no {missing}; its groups are {list(log.groups)}")
    if not np.all(np.isfinite(log.sensitivity)):
        raise InvalidInputError("the log has no rounding bounds: make it by LoggedTrainer(..., sampled=True)")
    checked_labels(labels.values(), len(labels))
    figure, (top, middle, bottom) = stack((1.2, 1, 1), 6.6, title, evidence)
    error = log.growth_error / log.growth_bound
    t = np.arange(len(error))
    for (group, label), (color, dash) in zip(labels.items(), STYLES, strict=False):
        i = log.groups.index(group)
        look = {"color": color, "linestyle": dash, "linewidth": 1.4}
        top.plot(np.arange(len(t) + 1), log.norm2[:, i] / log.norm2[0, i], label=label, **look)
        middle.plot(t, np.where(error[:, i] > 0, error[:, i], np.nan), **look)
        bottom.plot(t, log.effective_lr[:, i], **look)
    middle.axhline(1, color=GREY, linewidth=1.2, linestyle=(0, (1, 2)))
    for axes in (top, middle, bottom):
        axes.set_yscale("log")
    top.set_ylabel(r"$|w_t|^2 / |w_0|^2$" "\n(dimensionless)")
    middle.set_ylabel("error of the growth\nover its rounding bound")
    bottom.set_ylabel(r"effective rate $\eta/|w_t|^2$" "\n(dimensionless)")
    bottom.set_xlabel("step $t$")
    legend(figure, "outside lower center", top.get_legend_handles_labels(), ncols=min(3, len(labels)))
    return figure
