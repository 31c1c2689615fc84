"""Figures: what is drawn is what was given."""

import sys

import numpy as np
import pytest

import bn_theory as bn
from bn_theory import rates
from bn_theory.errors import InvalidInputError, MissingExtraError
from bn_theory.rates import fit_exponent
from bn_theory.report import figures
from bn_theory.report.figures import gd_rate, style
from bn_theory.theorems import evidence as judge

T = np.geomspace(10, 1e5, 41)


def noisy():
    return 4 * T**-0.5 * np.random.default_rng(0).chisquare(15, size=(16, T.size)) / 15


def test_a_deterministic_run_with_its_law():
    fit = fit_exponent(T, 4 * T**-1.5)
    figure = figures.convergence(T, 4 * T**-1.5, fit, title="run")
    top, bottom = figure.axes
    data, dashed, solid = top.lines
    np.testing.assert_allclose(data.get_ydata(), 2 * T**-0.75, rtol=1e-12)
    # the exponent is fitted to about 1e-9, which over ln(1e5) = 12 e-folds moves the curve by 1e-8
    np.testing.assert_allclose(dashed.get_ydata(), data.get_ydata(), rtol=1e-6)
    assert set(solid.get_xdata()) <= set(T)
    assert "-0.75" in solid.get_label()
    assert (top.get_xscale(), top.get_yscale(), bottom.get_xscale()) == ("log", "log", "log")
    assert top.get_ylabel() and bottom.get_xlabel() and bottom.get_ylabel() and top.get_title() == "run"
    png = figures.as_png(figure)
    assert png.startswith(b"\x89PNG") and len(png) > 10_000


def test_replicas_show_the_root_of_the_mean_and_a_band():
    y = noisy()
    figure = figures.convergence(T, y, fit_exponent(T, y))
    (band,) = figure.axes[0].collections
    np.testing.assert_allclose(figure.axes[0].lines[0].get_ydata(), np.sqrt(y.mean(axis=0)))
    low, high = np.sqrt(np.quantile(y, [0.05, 0.95], axis=0))
    vertices = band.get_paths()[0].vertices
    assert vertices[:, 1].min() == pytest.approx(low.min()) and vertices[:, 1].max() == pytest.approx(high.max())
    assert "16 replicas" in band.get_label()


def test_without_a_fit_there_is_one_panel_and_zeros_are_left_out():
    y = np.where(T > 1e4, 0.0, 1 / T)
    figure = figures.convergence(np.r_[0, T], np.r_[1.0, y])
    (axes,) = figure.axes
    np.testing.assert_array_equal(axes.lines[0].get_xdata(), T[T <= 1e4])
    figures.as_png(figure)


def test_a_law_with_a_logarithm_is_drawn_through_the_data():
    y = 4 * (T * np.log(T)) ** -0.5
    fit = fit_exponent(T, y, log_power=-0.5)
    dashed = figures.convergence(T, y, fit).axes[0].lines[1]
    end = np.argmin(np.abs(T - fit.window[1]))
    assert dashed.get_ydata()[end] == pytest.approx(np.sqrt(y[end]))


@pytest.mark.parametrize("y", [np.ones(40), np.ones((2, 40)), np.ones((1, 1, 41)), np.zeros(41)])
def test_what_cannot_be_drawn_is_refused(y):
    with pytest.raises(InvalidInputError):
        figures.convergence(T, y)


def test_without_matplotlib_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match="pip install matplotlib"):
        figures.convergence(T, 1 / T)


def test_no_figure_needs_a_window_or_global_state():
    assert "matplotlib.pyplot" not in {name for name in vars(figures)}
    figures.as_png(figures.convergence(T, 1 / T))
    if "matplotlib.pyplot" in sys.modules:
        assert sys.modules["matplotlib.pyplot"].get_fignums() == []


# --- figures of several curves ---

HOLDS = judge.bound("holds", 0.5)


def drawn(axes):
    """``{label: (x, y)}`` of the lines that have a label."""
    return {k: line.get_data() for line in axes.lines if not (k := line.get_label()).startswith("_")}


def heading(figure):
    return figure.get_suptitle()


def test_verdicts_are_counted_by_kind():
    pieces = [HOLDS, judge.bound("fails", 2.0), judge.control(judge.bound("false claim", 2.0))]
    assert figures.verdicts(pieces) == "bound: 1 of 2 supported, 1 contradicted; control: 1 of 1 supported"
    assert figures.verdicts([]) == ""


def test_every_line_has_its_own_colour_and_its_own_dashes():
    colours, dashes = zip(*style.STYLES, strict=True)
    assert len(set(colours)) == len(set(dashes)) == style.MOST


@pytest.fixture(scope="module")
def tuned():
    loss = bn.rayleigh(np.linspace(0.0, 1.0, 4))
    return bn.run(loss, bn.GD({"w": np.array([0.1, 10.0])}), steps=200, replicas=3, engine="numpy")


def test_auto_tuning_shows_the_run(tuned):
    figure = figures.auto_tuning(tuned, ["small", "large"], threshold=2.0, title="run", evidence=[HOLDS])
    shown = np.sqrt(tuned.grad_norm2), tuned.norm2, tuned.effective_lr
    for axes, values in zip(figure.axes, shown, strict=True):
        for case, label in enumerate(("small", "large")):
            x, y = drawn(axes)[label]
            np.testing.assert_array_equal(x, tuned.step + 1)
            np.testing.assert_allclose(y, np.median(values[case], axis=0))
            low, high = np.quantile(values[case], [0.05, 0.95], axis=0)
            vertices = axes.collections[case].get_paths()[0].vertices
            assert vertices[:, 1].min() == pytest.approx(low.min())
            assert vertices[:, 1].max() == pytest.approx(high.max())
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log") and axes.get_ylabel()
    assert figure.axes[2].lines[-1].get_ydata()[0] == 2.0
    assert "3 starts" in figure.axes[0].get_legend().get_title().get_text()
    assert heading(figure) == "run\nverdict: bound: 1 of 1 supported"
    assert figures.as_png(figure, dpi=50).startswith(b"\x89PNG")


def test_auto_tuning_refuses_what_it_cannot_show(tuned):
    for run, labels in (
        (tuned.isel(case=0), ["one"]),
        (tuned, ["one"]),
        (tuned.isel(case=[0] * 7), list("abcdefg")),
        (bn.run(bn.bilinear([1.0, 0.5]), bn.GD([0.1]), steps=2, engine="numpy"), ["two groups"]),
    ):
        with pytest.raises(InvalidInputError):
            figures.auto_tuning(run, labels)


@pytest.mark.parametrize("cases", [1, 2, 4])
def test_running_minimum_shows_square_roots_in_one_panel_a_case(cases):
    smallest = (1.0 + np.arange(cases)[:, None, None]) * (1.0 + np.arange(3)[:, None]) / T
    figure = figures.running_minimum(T, smallest, {"bound": 4 * smallest}, list("abcd"[:cases]), evidence=[HOLDS])
    panels = [axes for axes in figure.axes if axes.axison]
    assert [axes.get_title() for axes in panels] == list("abcd"[:cases])
    for axes, values in zip(panels, smallest, strict=True):
        curves = drawn(axes)
        np.testing.assert_allclose(curves["running minimum"][1], np.sqrt(values[1]))
        np.testing.assert_allclose(curves["bound"][1], 2 * np.sqrt(values[1]))
        vertices = axes.collections[0].get_paths()[0].vertices
        assert vertices[:, 1].max() == pytest.approx(np.sqrt(values).max())
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["running minimum", "bound"]
    figures.as_png(figure, dpi=50)


def test_running_minimum_refuses_shapes_that_do_not_fit():
    y = np.ones((2, 1, T.size))
    for smallest, bounds, labels in (
        (y[0], {}, "ab"),
        (y[..., 1:], {}, "ab"),
        (y, {"bound": y[:1]}, "ab"),
        (y, {}, "abc"),
        (y, dict.fromkeys(range(6), y), "ab"),
    ):
        with pytest.raises(InvalidInputError):
            figures.running_minimum(T, smallest, bounds, labels)


def test_one_run_draws_tangents_of_the_local_slopes():
    y = np.exp(-T / 1e4)
    local = rates.local_exponents(T, y)
    figure = figures.one_run(T, y, local, [10, 30], -0.5, title="one", evidence=[HOLDS])
    top, bottom = figure.axes
    curves = drawn(top)
    np.testing.assert_allclose(curves["the run"][1], np.sqrt(y))
    for pick in (10, 30):
        slope = local.value[pick] / 2
        assert f"slope {slope:.2f}" in curves
        (tangent,) = [
            line
            for line in top.lines
            if len(line.get_xdata()) == 2
            and np.diff(np.log(line.get_ydata())) / np.diff(np.log(line.get_xdata())) == pytest.approx(slope)
        ]
        x, height = tangent.get_data()
        middle = np.sqrt(x[0] * x[1])
        assert middle == pytest.approx(local.t[pick])
        assert np.sqrt(height[0] * height[1]) == pytest.approx(np.exp(-middle / 2e4))
    np.testing.assert_allclose(drawn(bottom)["local exponent of the run"][1], local.value / 2)
    assert drawn(bottom)["exponent -0.5"][1][0] == -0.5
    figures.as_png(figure, dpi=50)
    with pytest.raises(InvalidInputError):
        figures.one_run(T, y[1:], local, [10], -0.5)
    with pytest.raises(InvalidInputError):
        figures.one_run(T, y, local, range(6), -0.5)


def test_envelope_shows_members_slope_and_amplitude():
    grid = np.geomspace(1e-8, 1.0, 161)
    members = grid[:, None] * np.exp(-2 * grid[:, None] * T)  # its supremum is 1/(2 e t)
    found = {"flat": rates.envelope(members, grid, T, min_decades=1)}
    figure = figures.envelope(members[::40], found, {"flat": 1 / (2 * np.e)}, (0.01, 0.02), evidence=[HOLDS])
    top, middle, bottom = figure.axes
    curves = drawn(top)
    np.testing.assert_allclose(curves["envelope, flat"][1], np.sqrt(found["flat"].sup))
    np.testing.assert_allclose(curves["predicted amplitude and slope"][1], np.sqrt(1 / (2 * np.e * T)))
    np.testing.assert_allclose(top.lines[1].get_ydata(), np.sqrt(members[40][members[40] > 0]))
    np.testing.assert_allclose(drawn(middle)["flat"][1], found["flat"].fit.local_exponents.value / 2)
    np.testing.assert_allclose(drawn(bottom)["flat"][1], 2 * np.e * T * found["flat"].sup)
    assert bottom.get_ylim() == pytest.approx((0.94, 1.06)) and middle.get_ylim() == pytest.approx((-0.53, -0.47))
    figures.as_png(figure, dpi=50)
    for values, predicted in ((members[:, 1:], {"flat": 1.0}), (members, {})):
        with pytest.raises(InvalidInputError):
            figures.envelope(values, found, predicted, (0.01, 0.02))


def test_known_exponents_share_a_colour_by_member_and_dashes_by_rate():
    y = T ** np.array([[[-1.0], [-2.0]]]) * np.array([1.0, 2.0, 3.0])[:, None, None]
    local = [[rates.local_exponents(T, z) for z in row] for row in y]
    arguments = T, y, local, [-0.5, -1.0], ["slow", "fast"], ["a", "b", "c"]
    figure = figures.known_exponents(*arguments, window=(100, 1e4), evidence=[HOLDS])
    top, bottom = figure.axes
    lines = [line for line in top.lines if len(line.get_xdata())]
    for line, z in zip(lines, y.reshape(6, -1), strict=True):
        np.testing.assert_allclose(line.get_ydata(), np.sqrt(z))
    assert [line.get_color() for line in lines[:2]] == [line.get_color() for line in lines[2:4]]
    assert lines[0].get_color() != lines[1].get_color()
    for curve in bottom.lines[:6:2]:
        np.testing.assert_allclose(curve.get_ydata(), -0.5)
    assert [text.get_text() for text in bottom.texts] == ["slow: -0.50", "fast: -1.00"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b", "c"]
    figures.as_png(figure, dpi=50)
    for change in ({1: y[:2]}, {1: y[..., 1:]}, {2: local[:2]}, {3: [-0.5]}):
        with pytest.raises(InvalidInputError):
            figures.known_exponents(*(change.get(k, value) for k, value in enumerate(arguments)))


def test_contrast_follows_a_diverging_curve_out_of_the_figure():
    calm = np.stack([1 / T, 4 / T])
    wild = np.stack([10.0 ** np.arange(T.size)] * 2)
    wild[1, 30:] = np.nan
    figure = figures.contrast({"below": {"a": (T, calm), "b": (T, calm)}, "above": {"a": (T, calm), "b": (T, wild)}})
    left, right = figure.axes
    assert (left.get_title(), right.get_title()) == ("below", "above") and not left.texts
    np.testing.assert_allclose(drawn(left)["a"][1], np.median(np.sqrt(calm), axis=0))
    x, y = drawn(right)["b"]
    np.testing.assert_array_equal(x, T[:30])  # as far as every replica is finite
    np.testing.assert_allclose(y, np.sqrt(wild[0, :30]))
    (word,) = right.texts
    # it starts at 1 and grows by sqrt(10) a record: record 7 is the first beyond the headroom
    assert word.get_text() == "diverges" and word.get_position()[0] == pytest.approx(2 * T[7])
    assert right.get_ylim()[1] == pytest.approx(2 * gd_rate.HEADROOM)
    figures.as_png(figure, dpi=50)


def test_contrast_marks_the_last_record_of_a_run_that_ends_early():
    figure = figures.contrast({"only": {"a": (T, np.where(T < 1e3, 1.0, np.inf)[None])}})
    (word,) = figure.axes[0].texts
    assert word.get_position()[0] == pytest.approx(2 * T[T < 1e3][-1])


@pytest.mark.parametrize(
    "panels",
    [
        {},
        {"a": {}},
        {"a": {"x": (T, np.ones(T.size))}},
        {"a": {"x": (T, np.full((1, T.size), np.nan))}},
        {"a": {"x": (T, np.zeros((1, T.size)))}},
        {"a": {"x": (T, np.ones((1, T.size)))}, "b": {"y": (T, np.ones((1, T.size)))}},
        {"a": dict.fromkeys("abcdefg", (T, np.ones((1, T.size))))},
    ],
)
def test_contrast_refuses_what_it_cannot_show(panels):
    with pytest.raises(InvalidInputError):
        figures.contrast(panels)


# --- files ---


@pytest.mark.parametrize("kind, start", [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_files_are_of_the_kind_of_their_name_and_have_no_date(kind, start):
    assert figures.format_of(f"a/b.c.{kind.upper()}") == kind
    content = figures.as_bytes(figures.convergence(T, 1 / T), kind, dpi=50)
    assert content.startswith(start) and b"CreationDate" not in content and b"dc:date" not in content


@pytest.mark.parametrize("path", ["out.gif", "out", "png", ".png/out", ""])
def test_other_endings_are_refused(path):
    with pytest.raises(InvalidInputError, match=r"must end in \.png, \.svg, \.pdf"):
        figures.format_of(path)
