"""Decays at their common rate: multiplied by the power they should have they are flat, and their levels can be read."""

from __future__ import annotations

import numpy as np

from bn_theory.errors import InvalidInputError
from bn_theory.report.figures.style import GREY, STYLES, checked_labels, legend, need_matplotlib, stack


def compensated(curves, exponent: float, *, tolerance: float = 0.0, title: str = "", evidence=()):
    """The gradient norm times the step to minus the predicted exponent, and below the local exponents.

    Above: ``(E|grad L|^2)^(1/2) t^(-exponent)``, flat where the decay has that exponent, with the level that is
    predicted as open circles. Below: local exponents of the norm with their bands, the prediction and its tolerance.

    Args:
        curves: ``{label: (t, grad_norm2, predicted, local)}``: steps ``(records,)``, positive; the mean over replicas
            of the squared norm and its prediction, of the same shape (``None`` for no prediction), dimensionless; and
            the ``LocalExponents`` of the squared norm.
        exponent: predicted, of the norm. tolerance: around it.
        title: shown above. evidence: pieces whose verdicts are shown below it.

    Returns:
        ``matplotlib.figure.Figure``.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InvalidInputError: no curves or more than can be told apart, shapes that do not fit, values that are not
            positive.
    """
    need_matplotlib()
    labels = checked_labels(curves, len(curves))
    if not labels:
        raise InvalidInputError("compensated needs at least one curve")
    figure, (top, bottom) = stack((1.5, 1), 6.2, title, evidence)
    for label, curve, (color, dash) in zip(labels, curves.values(), STYLES, strict=False):
        t, y, predicted, local = curve
        t, y = _positive(label, t), _positive(label, y)
        expected = None if predicted is None else _positive(label, predicted)
        if y.shape != t.shape or (expected is not None and expected.shape != t.shape):
            raise InvalidInputError(f"{label!r} must have one value and one prediction for each of {t.shape} steps")
        top.plot(t, np.sqrt(y) * t**-exponent, color=color, linestyle=dash, linewidth=1.6, label=label)
        if expected is not None:
            some = slice(None, None, max(1, t.size // 12))
            look = {"markerfacecolor": "none", "color": color, "markersize": 5}
            top.plot(t[some], (np.sqrt(expected) * t**-exponent)[some], "o", **look)
        middle, half = np.asarray(local.value) / 2, np.asarray(local.band) / 2
        bottom.fill_between(local.t, middle - half, middle + half, color=color, alpha=0.2, linewidth=0)
        bottom.plot(local.t, middle, color=color, linestyle=dash, linewidth=1.4)
    if any(curve[2] is not None for curve in curves.values()):
        top.plot([], [], "o", markerfacecolor="none", color=GREY, markersize=5, label="predicted")
    bottom.axhline(exponent, color=GREY, linewidth=0.9)
    bottom.axhspan(exponent - tolerance, exponent + tolerance, color=GREY, alpha=0.25, linewidth=0)
    # before the window a local exponent can be anything: the prediction sets the range
    bottom.set_ylim(exponent - 0.25, exponent + 0.25)
    top.set(xscale="log", yscale="log")
    top.set_ylabel(rf"$(\mathrm{{E}}\,|\nabla L|^2)^{{1/2}}\; t^{{\,{-exponent:g}}}$")
    bottom.set(ylabel="local exponent", xlabel="step $t$   (all quantities dimensionless)")
    legend(figure, "outside lower center", top.get_legend_handles_labels(), ncols=3)
    return figure


def _positive(label, values):
    values = np.asarray(values, dtype=float)
    if values.ndim != 1 or not values.size or not np.all(np.isfinite(values) & (values > 0)):
        raise InvalidInputError(f"{label!r} must have positive, finite values of shape (records,), not {values}")
    return values
