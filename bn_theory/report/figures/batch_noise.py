"""The noise in a step of SGD against the batch size, with and without replacement."""

from __future__ import annotations

import numpy as np

from bn_theory.errors import InvalidInputError
from bn_theory.report.figures.style import MARKERS, STYLES, checked_labels, legend, need_matplotlib, stack


def batch_noise(sizes, measured, predicted, *, title: str = "", evidence=()):
    """``E|eta grad L - eta g_B|^2`` in units of ``eta^2 tr(Cov)``: marks are measured, lines are predicted.

    A noise of exactly 0, that of the full batch without replacement, has no place on the logarithmic axis; an arrow at
    the lower edge stands for it.

    Args:
        sizes: batch sizes b, shape ``(sizes,)``, positive.
        measured: ``{kind of batch: noises}``, each of shape ``(sizes,)``, dimensionless, not negative.
        predicted: the same kinds, of the same shape.
        title: shown above. evidence: pieces whose verdicts are shown below it.

    Returns:
        ``matplotlib.figure.Figure``.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InvalidInputError: other kinds or shapes, a negative number, or nothing above 0.
    """
    need_matplotlib()
    b = np.asarray(sizes, dtype=float)
    if b.ndim != 1 or not len(b) or not np.all(b > 0):
        raise InvalidInputError(f"batch sizes must be a list of positive numbers, not {sizes!r}")
    if measured.keys() != predicted.keys():
        raise InvalidInputError(f"measured are {list(measured)}, but predicted are {list(predicted)}")
    labels = checked_labels(measured, len(measured))
    found = [tuple(_noises(kind, y[kind], b) for y in (measured, predicted)) for kind in measured]
    positive = np.concatenate([y[y > 0] for pair in found for y in pair])
    if not len(positive):
        raise InvalidInputError("every noise is 0: there is nothing to draw")
    low, high = positive.min(), positive.max()
    figure, (axes,) = stack((1,), 3.6, title, evidence)
    axes.set(xscale="log", yscale="log", ylim=(low / 3, high * 2), xlabel="batch size $b$")
    axes.set_ylabel(r"noise of the step over $\eta^2\,\mathrm{tr}\,\mathrm{Cov}$" "\n(dimensionless)")
    for label, (points, line), (color, dash), mark in zip(labels, found, STYLES, MARKERS, strict=False):
        inside = line > 0
        axes.plot(b[inside], line[inside], color=color, linestyle=dash, linewidth=1.4, label=f"{label}: predicted")
        inside = points > 0
        axes.plot(b[inside], points[inside], mark, color=color, markersize=5, label=f"{label}: mean over all batches")
        for place in b[~inside]:
            axes.annotate(
                "exactly 0", (place, low / 3), (place, low * 1.3), color=color, fontsize=8, ha="center",
                arrowprops={"arrowstyle": "->", "color": color},
            )  # fmt: skip
    axes.set_xticks(b, [f"{size:g}" for size in b], minor=False)
    axes.set_xticks([], minor=True)
    legend(axes, "lower left")
    return figure


def _noises(kind, values, b):
    y = np.asarray(values, dtype=float)
    if y.shape != b.shape or not np.all(np.isfinite(y) & (y >= 0)):
        raise InvalidInputError(f"{kind!r} must have {len(b)} noises that are finite and not negative, not {values!r}")
    return y
