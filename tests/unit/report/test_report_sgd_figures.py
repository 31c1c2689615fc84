"""Figures of the rate of SGD: which statistic is drawn, and what decays at the predicted rate is flat."""

import numpy as np
import pytest

import bn_theory as bn
from bn_theory import rates
from bn_theory.errors import InvalidInputError
from bn_theory.report import figures
from bn_theory.theorems import evidence as judge

HOLDS = judge.bound("holds", 0.5)
T = np.geomspace(10, 1e5, 41)


def lines(axes):
    """``{label: (x, y)}`` of the lines that have a label."""
    return {k: line.get_data() for line in axes.lines if not (k := line.get_label()).startswith("_")}


# --- expectation before minimum ---


@pytest.fixture(scope="module")
def noisy():
    loss = bn.with_linear_noise(bn.rayleigh([0.0, 1.0, 2.0]), 0.3)
    return bn.run(loss, bn.SGD(0.5), steps=300, replicas=8, engine="numpy", progress=False)


def test_expectation_first_tells_three_statistics_apart(noisy):
    figure = figures.expectation_first({"SGD": noisy}, slope=-0.25, title="first", evidence=[HOLDS])
    (axes,) = figure.axes
    curves = lines(axes)
    mean = noisy.grad_norm2.mean("replica").values[1:]
    minima = noisy.min_grad_norm2.values[:, 1:]
    for label, y in (
        (r"$(\mathrm{E}\,|\nabla L|^2)^{1/2}$", mean),
        ("its running minimum", [mean[: k + 1].min() for k in range(mean.size)]),
        ("each replica's minimum, then the mean", minima.mean(axis=0)),
    ):
        np.testing.assert_array_equal(curves[label][0], noisy.step[1:])
        np.testing.assert_allclose(curves[label][1], np.sqrt(y))
    x, y = curves["slope -0.25"]
    np.testing.assert_allclose(np.diff(np.log(y)) / np.diff(np.log(x)), -0.25)
    vertices = axes.collections[0].get_paths()[0].vertices[:, 1]
    low, high = np.sqrt(np.quantile(minima, [0.05, 0.95], axis=0))
    assert (vertices.min(), vertices.max()) == (pytest.approx(low.min()), pytest.approx(high.max()))
    assert axes.get_title() == "SGD" and "8 replicas" in figure.legends[0].get_title().get_text()
    assert figure.get_suptitle() == "first\nverdict: bound: 1 of 1 supported"
    figures.as_png(figure, dpi=50)


def test_expectation_first_refuses_what_it_cannot_show(noisy):
    for panels in (
        {},
        {"one replica": noisy.isel(replica=[0])},
        {"no replicas": noisy.isel(replica=0)},
        {"start alone": noisy.isel(step=[0])},
        {"not finite": noisy.assign(grad_norm2=noisy.grad_norm2 * np.nan)},
    ):
        with pytest.raises(InvalidInputError):
            figures.expectation_first(panels, slope=-0.25)


# --- compensated ---


def curve(level, exponent, predicted=None):
    y = level * T ** (2 * exponent)
    return T, y, predicted, rates.local_exponents(T, y)


def test_compensated_is_flat_where_the_exponent_is_right():
    curves = {"right": curve(4.0, -0.25, 4.0 * T**-0.5), "wrong": curve(1.0, -0.5)}
    figure = figures.compensated(curves, -0.25, tolerance=0.02, title="flat", evidence=[HOLDS])
    top, bottom = figure.axes
    np.testing.assert_allclose(lines(top)["right"][1], 2.0)
    np.testing.assert_allclose(lines(top)["wrong"][1], T**-0.25)
    (marks,) = [line for line in top.lines if line.get_marker() == "o" and len(line.get_xdata())]
    np.testing.assert_allclose(marks.get_ydata(), 2.0)
    assert set(marks.get_xdata()) <= set(T)
    for line, slope in zip(bottom.lines, (-0.25, -0.5), strict=False):
        np.testing.assert_allclose(line.get_ydata(), slope)
    assert bottom.lines[2].get_ydata()[0] == -0.25
    span = bottom.patches[0].get_extents().transformed(bottom.transData.inverted())
    assert (span.y0, span.y1) == (pytest.approx(-0.27), pytest.approx(-0.23))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["right", "wrong", "predicted"]
    figures.as_png(figure, dpi=50)


def test_without_predictions_none_are_named():
    figure = figures.compensated({"a": curve(4.0, -0.25)}, -0.25)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a"]


def test_compensated_refuses_what_it_cannot_show():
    t, y, _, local = curve(1.0, -0.25)
    for curves in (
        {},
        {"shapes": (t, y[1:], None, local)},
        {"prediction": (t, y, y[1:], local)},
        {"zero": (t, 0 * y, None, local)},
        {"steps": (t - t[0], y, None, local)},
        {"replicas": (t, y[None], None, local)},
        {str(k): (t, y, None, local) for k in range(7)},
    ):
        with pytest.raises(InvalidInputError):
            figures.compensated(curves, -0.25)
