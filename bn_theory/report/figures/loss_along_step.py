"""The loss along a gradient step of any length, with and without normalisation."""

from __future__ import annotations

import numpy as np

from bn_theory.errors import InvalidInputError
from bn_theory.report.figures.style import GREY, MARKERS, STYLES, checked_labels, legend, need_matplotlib, stack


def loss_along_step(profiles, *, limit: float | None = None, most: float = 1e12, title: str = "", evidence=()):
    """The loss against the length of the step, one line for each network.

    Args:
        profiles: ``{label: several StepProfile}`` (:func:`bn_theory.networks.step_profile.step_profile`), at most six
            labels; those of one label share its look.
        limit: what no loss of a normalised network may exceed, a dashed line; ``None`` for none.
        most: losses above this are not drawn; the line leaves the figure.
        title: shown above. evidence: pieces whose verdicts are shown below it.

    Returns:
        ``matplotlib.figure.Figure``.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InvalidInputError: no profiles, or no loss that can be drawn.
    """
    need_matplotlib()
    labels = checked_labels(profiles, len(profiles))
    lines = [(one.multiples, np.asarray(one.losses, dtype=float)) for several in profiles.values() for one in several]
    inside = [y[(y > 0) & (y <= most)] for _, y in lines]
    if not any(map(len, inside)):
        raise InvalidInputError(f"there is no loss above 0 and up to {most:g} to be drawn")
    low, high = (pick(pick(y) for y in inside if len(y)) for pick in (min, max))
    figure, (axes,) = stack((1,), 3.8, title, evidence)
    axes.set(xscale="log", yscale="log", ylim=(low / 1.6, 3 * max(high, limit or 0)))
    for label, (color, dash), mark, several in zip(labels, STYLES, MARKERS, profiles.values(), strict=False):
        for place, one in enumerate(several):
            # what is not finite lies beyond every axis, and so does the next point's line towards it
            y = np.where(np.isfinite(one.losses), one.losses, np.finfo(float).max)
            axes.plot(
                one.multiples, y, color=color, linestyle=dash, marker=mark, markersize=3, linewidth=1.2,
                label=None if place else f"{label}, {len(several)} starts" if len(several) > 1 else label,
            )  # fmt: skip
    if limit is not None:
        axes.axhline(limit, color=GREY, linewidth=1.2, linestyle=(0, (1, 2)), label=f"bound with it, {limit:.3g}")
    axes.set_xlabel("length of the step in units of the weights that it moves")
    axes.set_ylabel("loss of the batch\n(natural logarithms)")
    legend(axes, "upper left")
    return figure
