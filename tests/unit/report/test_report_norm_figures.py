"""Figures of norm growth, of runs across learning rates, and of paths in the plane: what is drawn is what was run."""

import numpy as np
import pytest

import bn_theory as bn
from bn_theory.errors import DivergedError, InvalidInputError
from bn_theory.report import figures
from bn_theory.report.figures import gd_rate
from bn_theory.report.figures.style import BLUE, VERMILION
from bn_theory.theorems import evidence as judge

HOLDS = judge.bound("holds", 0.5)
SPECTRUM = np.linspace(0.5, 2.5, 4)
RATES = np.array([0.1, 1.0, 10.0])


def run(loss, method, **options):
    return bn.run(loss, method, engine="numpy", progress=False, **({"steps": 60, "replicas": 3} | options))


def lines(axes):
    """``{label: (x, y)}`` of the lines that have a label."""
    return {k: line.get_data() for line in axes.lines if not (k := line.get_label()).startswith("_")}


# --- norm growth ---


@pytest.fixture(scope="module")
def growing():
    loss = bn.rayleigh(SPECTRUM)
    others = {"momentum": bn.GD(1.0, momentum=0.9), "decay": bn.GD(1.0, weight_decay=0.1)}
    return {"GD": run(loss, bn.GD(1.0))} | {label: run(loss, method) for label, method in others.items()}


def test_norm_growth_shows_both_sides_and_their_difference(growing):
    figure = figures.norm_growth(growing, controls=["momentum", "decay"], title="grows", evidence=[HOLDS])
    assert figure.get_suptitle() == "grows\nverdict: bound: 1 of 1 supported"
    grid = np.reshape(figure.axes, (2, 3))
    for column, (label, one) in zip(grid.T, growing.items(), strict=True):
        top, bottom = column
        assert top.get_title() == ("GD" if label == "GD" else f"control:\n{label}")
        norm2 = one.norm2.values
        summed = norm2[:, :1] + one.sum_step2.values
        x, y = lines(top)["$|w_t|^2$"]
        np.testing.assert_array_equal(x, one.step + 1)
        np.testing.assert_allclose(y, np.median(norm2, axis=0))
        np.testing.assert_allclose(top.lines[1].get_ydata(), np.median(summed, axis=0))
        gap = np.max(abs(norm2 - summed) / np.maximum(norm2, summed), axis=0)[1:]
        marks, guide = bottom.lines
        np.testing.assert_allclose(marks.get_ydata(), np.maximum(gap, 1e-17))
        # two roundings of half an eps a step, and the start's
        np.testing.assert_allclose(guide.get_ydata(), (one.step[1:] + 1) * np.finfo(float).eps)
        assert (gap[-1] > 0.1) == (label != "GD")
        assert (marks.get_marker(), marks.get_color()) == (("o", BLUE) if label == "GD" else ("X", VERMILION))
    assert "3 starts" in figure.legends[0].get_title().get_text()
    figures.as_png(figure, dpi=50)


def test_a_difference_of_zero_is_drawn_at_the_edge(growing):
    one = growing["GD"]
    exact = one.assign(norm2=one.norm2[:, :1].values + one.sum_step2)
    marks = figures.norm_growth({"exact": exact}).axes[1].lines[0]
    assert set(marks.get_ydata()) == {1e-17}


def test_norm_growth_refuses_what_it_cannot_show(growing):
    one = growing["GD"]
    for runs, controls in (
        ({}, []),
        (growing, ["SGD"]),
        ({"cases": run(bn.rayleigh(SPECTRUM), bn.GD({"w": RATES}))}, []),
        ({"no start": one.isel(step=slice(1, None))}, []),
        ({"start alone": one.isel(step=[0])}, []),
        ({"not finite": one.assign(norm2=one.norm2 * np.nan)}, []),
    ):
        with pytest.raises(InvalidInputError):
            figures.norm_growth(runs, controls=controls)


# --- across learning rates ---


@pytest.fixture(scope="module")
def swept():
    loss = bn.rayleigh(SPECTRUM)
    with pytest.raises(DivergedError) as caught:
        run(loss.unnormalised, bn.GD({"w": RATES}), steps=1000)
    return {"GD": run(loss, bn.GD({"w": RATES}), steps=1000), "twin": caught.value.dataset}


def test_across_rates_shows_the_end_of_the_runs(swept):
    predicted = [1.0, 2.0, 3.0]
    figure = figures.across_rates(
        RATES, swept, infimum=-1.0, norms=["GD"], predicted=predicted, threshold=0.5, title="rates", evidence=[HOLDS]
    )
    top, middle, bottom = figure.axes
    last = swept["GD"].isel(step=-1)
    for axes, values in ((top, last.loss + 1), (middle, last.norm2), (bottom, last.effective_lr)):
        x, y = lines(axes)["GD"]
        np.testing.assert_array_equal(x, RATES)
        np.testing.assert_allclose(y, np.median(values, axis=1))
        low, high = np.quantile(values, [0.05, 0.95], axis=1)
        vertices = axes.collections[0].get_paths()[0].vertices
        assert (vertices[:, 1].min(), vertices[:, 1].max()) == (pytest.approx(low.min()), pytest.approx(high.max()))
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log") and axes.get_ylabel()
    # the twin's loss at rate 10 is not finite: it has a cross at the edge and no point; its norm is not drawn
    assert np.isfinite(lines(top)["twin"][1]).tolist() == [True, False, False]
    np.testing.assert_array_equal(lines(top)["twin: not finite"][0], RATES[1:])
    assert "twin" not in lines(middle) and "twin" not in lines(bottom)
    np.testing.assert_array_equal(lines(bottom)["predicted"][1], predicted)
    assert bottom.texts[0].get_position()[1] == 0.5
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["GD", "twin", "twin: not finite", "predicted"]
    assert "1000 steps" in figure.legends[0].get_title().get_text()
    figures.as_png(figure, dpi=50)


def test_what_is_at_the_infimum_is_drawn_at_the_lower_edge(swept):
    last = float(swept["GD"].loss[1, :, -1].median())
    (top, *_) = figures.across_rates(RATES, {"GD": swept["GD"]}, infimum=last + 1e-12, lowest=1e-9).axes
    assert lines(top)["GD"][1][1] == 1e-9
    with pytest.raises(InvalidInputError, match="give lowest"):
        figures.across_rates(RATES, {"GD": swept["GD"]}, infimum=1e9)
    figures.across_rates(RATES, {"GD": swept["GD"]}, infimum=1e9, lowest=1e-9)


def test_across_rates_refuses_what_it_cannot_show(swept):
    one = swept["GD"]
    for rates, runs, options in (
        (RATES, {}, {"norms": ["GD"]}),
        (RATES[::-1], {"GD": one}, {}),
        (RATES - 0.1, {"GD": one}, {}),
        (RATES[:2], {"GD": one}, {}),
        (RATES, {"GD": one.isel(case=0)}, {}),
        (RATES, {"GD": one}, {"norms": ["SGD"]}),
        (RATES, {"GD": one}, {"predicted": [1.0]}),
        (RATES, {str(k): one for k in range(7)}, {}),
    ):
        with pytest.raises(InvalidInputError):
            figures.across_rates(rates, runs, **options)


# --- paths in the plane ---


def paths(loss, eta, steps=5):
    """GD by hand, from two starts: shape ``(2, steps + 1, 2)``."""
    w = [np.array([[0.6, 0.8], [-1.0, 0.1]])]
    for _ in range(steps):
        w.append(w[-1] - eta * loss.gradient({"w": w[-1][None]})["w"][0])
    return np.stack(w, axis=1)


def test_phase_portrait_draws_paths_angles_and_norms():
    loss = bn.rayleigh([0.5, 1.5])
    panels = {"slow": (loss, paths(loss, 0.5)), "fast": (loss, paths(loss, 20.0, steps=3))}
    figure = figures.phase_portrait(panels, title="plane", evidence=[HOLDS])
    upper, lower = figure.subfigs
    for axes, (label, (_, w)) in zip(upper.axes, panels.items(), strict=True):
        assert axes.get_title() == label and axes.get_aspect() == 1
        drawn = [line.get_xydata() for line in axes.lines if len(line.get_xdata()) == w.shape[1]]
        np.testing.assert_array_equal(drawn, w)
        reach = np.max(np.linalg.norm(w, axis=-1))
        assert axes.get_xlim()[1] == pytest.approx(1.12 * reach)
        starts = [line.get_xydata()[0] for line in axes.lines if len(line.get_xdata()) == 1]
        np.testing.assert_array_equal(starts, np.stack([w[:, 0], w[:, -1]], axis=1).reshape(-1, 2))
    left, right = lower.axes
    angles = [line.get_ydata() for line in left.lines]
    for angle, w in zip(angles, [*panels["slow"][1], *panels["fast"][1]], strict=True):
        np.testing.assert_allclose(np.exp(1j * np.radians(angle)), (w @ [1, 1j]) / np.linalg.norm(w, axis=-1))
        assert np.max(np.abs(np.diff(angle))) < 180  # no jumps from one side of the cut to the other
    norms = [line.get_ydata() for line in right.lines]
    np.testing.assert_allclose(norms[2], np.linalg.norm(panels["fast"][1][0], axis=-1))
    assert [text.get_text() for text in lower.legends[0].get_texts()] == ["slow", "fast"]
    assert figure.get_suptitle() == "plane\nverdict: bound: 1 of 1 supported"
    figures.as_png(figure, dpi=50)


def test_arrows_point_down_the_loss_and_level_sets_are_its_own():
    loss = bn.rayleigh([0.5, 1.5])
    axes = figures.phase_portrait({"a": (loss, paths(loss, 0.5))}).subfigs[0].axes[0]
    (arrows,) = [c for c in axes.collections if type(c).__name__ == "Quiver"]
    at, way = arrows.get_offsets(), np.stack([arrows.U, arrows.V], axis=-1)
    gradient = loss.gradient({"w": np.asarray(at)[None]})["w"][0]
    np.testing.assert_allclose(way, -gradient / np.linalg.norm(gradient, axis=-1, keepdims=True), atol=1e-12)
    filled, edges = (c for c in axes.collections if type(c).__name__ == "QuadContourSet")
    for one in (filled, edges):  # half of the eigenvalues are all of its values, up to the grid
        assert (one.zmin, one.zmax) == (pytest.approx(0.25, abs=0.01), pytest.approx(0.75, abs=0.01))


def test_phase_portrait_refuses_what_it_cannot_show():
    loss, w = bn.rayleigh([0.5, 1.5]), np.ones((1, 3, 2))
    for panels in (
        {},
        {"three weights": (bn.rayleigh([0.0, 1.0, 2.0]), w)},
        {"two groups": (bn.bilinear([1.0, 0.5]), w)},
        {"noise": (bn.with_linear_noise(loss, 0.1), w)},
        {"one start, no axis": (loss, w[0])},
        {"no steps": (loss, w[:, :1])},
        {"not finite": (loss, w * np.nan)},
        {"many starts": (loss, np.ones((7, 3, 2)))},
        {"no starts": (loss, w[:0])},
        {str(k): (loss, w) for k in range(7)},
    ):
        with pytest.raises(InvalidInputError):
            figures.phase_portrait(panels)


# --- side by side ---


def test_contrast_has_no_headroom_where_nothing_diverges():
    t = np.geomspace(1, 100, 5)
    calm = {"a": (t, np.stack([1 / t, 4 / t]))}
    assert figures.contrast({"x": calm}).axes[0].get_ylim()[1] == pytest.approx(2 * 2)  # twice the root of the largest
    wild = {"a": (t, np.array([[1.0, 1e4, 1e8, 1e12, 1e16]]))}
    assert figures.contrast({"x": wild}).axes[0].get_ylim()[1] == pytest.approx(2 * gd_rate.HEADROOM)
