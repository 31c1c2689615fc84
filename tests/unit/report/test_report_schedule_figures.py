"""Figures of weight decay as a schedule: what is drawn is what was given."""

import numpy as np
import pytest

import bn_theory as bn
from bn_theory.errors import InvalidInputError
from bn_theory.report import figures
from bn_theory.theorems import evidence as judge

HOLDS = judge.bound("holds", 0.5)
T = np.arange(5)


def lines(axes):
    """``{label: line}`` of the lines that have a label."""
    return {label: line for line in axes.lines if not (label := line.get_label()).startswith("_")}


def in_legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def as_bytes(figure):
    """Every format can be written; the png is returned."""
    vector = [figures.as_bytes(figure, kind) for kind in ("svg", "pdf")]
    assert vector[0].startswith(b"<?xml") and vector[1].startswith(b"%PDF")
    return figures.as_png(figure, dpi=50)


# --- schedules ---


@pytest.fixture(scope="module")
def equivalent():
    """A step decay without momentum whose rate leaves float32 and whose units change on the way."""
    return bn.equivalent_schedule(bn.StepDecay(1.0, {150: 0.1}), 0.2, steps=300, steps_per_epoch=10)


def test_a_schedule_is_drawn_with_its_equivalent_in_logarithms(equivalent):
    figure = figures.equivalent_schedule(equivalent, title="given")
    top, middle, bottom = figure.axes
    epochs = np.arange(300) / 10
    given, free = (lines(top)[name] for name in ("with weight decay", "without, equivalent"))
    for line, y in (
        (given, np.log10(equivalent.eta)),
        (free, equivalent.log_lr / np.log(10)),
        (middle.lines[0], np.log10(equivalent.rescaled().lr)),
        (bottom.lines[0], equivalent.log_p[:-1] / np.log(10)),
    ):
        np.testing.assert_array_equal(line.get_xdata(), epochs)
        np.testing.assert_array_equal(line.get_ydata(), y)
    assert given.get_color() != free.get_color() and given.get_linestyle() != free.get_linestyle()
    (word,) = top.texts
    assert word.get_text() == "largest float32" and word.get_position()[1] == pytest.approx(38.53, abs=0.01)
    assert figure.get_suptitle() == "given" and all(axes.get_ylabel() for axes in figure.axes)
    assert bottom.get_xlabel().startswith("epoch (10 steps each)")
    figure.canvas.draw()
    labels = [text.get_text() for text in bottom.get_yticklabels()]
    assert "$10^{0}$" in labels and all(label.startswith("$10^{") for label in labels)
    assert as_bytes(figure).startswith(b"\x89PNG")


def test_a_schedule_in_range_needs_no_changing_units_and_zero_rates_no_place():
    found = bn.equivalent_schedule(np.r_[0.0, np.full(20, 0.1)], 0.01)
    figure = figures.equivalent_schedule(found)
    top, bottom = figure.axes
    y = lines(top)["without, equivalent"].get_ydata()
    assert np.isnan(y[0]) and np.all(np.isfinite(y[1:])) and not top.texts
    assert bottom.get_xlabel().startswith("step") and bottom.get_xlim()[1] == 21
    # less than a decade is widened to one, so that powers of ten can be read
    assert np.ptp(bottom.get_ylim()) >= 1
    figures.as_png(figure, dpi=50)
    with pytest.raises(InvalidInputError, match="every learning rate is 0"):
        figures.equivalent_schedule(bn.equivalent_schedule(0.0, 0.1, steps=3))


def test_a_long_schedule_is_thinned_but_keeps_both_sides_of_its_jumps():
    found = bn.equivalent_schedule(bn.StepDecay(0.5, {33_333: 0.1}), 0.02, steps=100_000)
    top = figures.equivalent_schedule(found).axes[0]
    x = set(lines(top)["with weight decay"].get_xdata())
    changes = found.rescaled().steps_with_rescaling
    assert changes.size > 10 and len(x) < 6000
    assert {0, 33_332, 33_333, 99_999} | set(changes) | set(changes + 1) <= x
    assert [text.get_text() for text in top.texts] == ["largest float32", "largest float64"]


# --- two runs ---

ONE = np.array([[1.0, 0.5, 0.25, 0.0, 0.1], [3.0, 1.5, 0.75, 0.0, 0.1]])


def test_two_runs_show_medians_on_top_of_each_other_and_the_largest_difference():
    two = ONE + np.array([[0.0, 1e-15, -3e-15, 0.0, 0.0], [0.0, -2e-15, 0.0, 0.0, 0.0]])
    bound = np.array([[1e-12], [1e-13]]) * np.ones(5)
    off = {"off": ONE + np.array([[1e-3], [1e-2]])}
    figure = figures.two_runs(T, ONE, two, bound, controls=off, title="two", evidence=[HOLDS])
    top, bottom = figure.axes
    wide, dashed = top.lines
    for line, values in ((wide, ONE), (dashed, two)):
        np.testing.assert_array_equal(line.get_xdata(), T)
        middle = np.median(values, axis=0)
        np.testing.assert_array_equal(line.get_ydata(), np.where(middle > 0, middle, np.nan))
    assert wide.get_linewidth() > 2 * dashed.get_linewidth() and wide.get_linestyle() != dashed.get_linestyle()
    assert "2 starts" in top.get_legend().get_title().get_text()
    drawn = lines(bottom)
    apart = drawn["largest |difference|"].get_ydata()
    np.testing.assert_array_equal(np.isnan(apart), [True, False, False, True, True])
    np.testing.assert_allclose(apart[1:3], np.max(np.abs(two - ONE), axis=0)[1:3])
    np.testing.assert_allclose(drawn["off"].get_ydata(), 1e-2)
    np.testing.assert_array_equal(drawn["bound from rounding"].get_ydata(), 1e-13)
    looks = [(line.get_color(), line.get_linestyle(), line.get_linewidth()) for line in drawn.values()]
    assert len(set(looks)) == 3
    assert in_legend(figure) == ["largest |difference|", "off", "bound from rounding"]
    assert [axes.get_yscale() for axes in figure.axes] == ["log", "log"]
    assert top.get_ylabel() and bottom.get_ylabel() and bottom.get_xlabel()
    assert figure.get_suptitle() == "two\nverdict: bound: 1 of 1 supported"
    assert as_bytes(figure).startswith(b"\x89PNG")


def test_two_runs_that_are_the_same_bits_and_have_no_bound():
    figure = figures.two_runs(T, ONE[0], ONE[0], names=("a", "b"))
    top, bottom = figure.axes
    assert list(lines(top)) == ["a", "b"] and np.all(np.isnan(bottom.lines[0].get_ydata()))
    assert [text.get_text() for text in bottom.texts] == ["no difference"]
    assert not top.get_legend().get_title().get_text() and in_legend(figure) == ["largest |difference|"]
    figures.as_png(figure, dpi=50)


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ((T[1:], ONE, ONE), {}),
        ((T, ONE, ONE[:1]), {}),
        ((T, ONE, ONE, ONE[:, 1:]), {}),
        ((T, ONE, ONE), {"controls": {"x": ONE[0]}}),
        ((T, ONE, ONE), {"controls": dict.fromkeys("abcdef", ONE)}),
        ((T, ONE, ONE), {"names": ["one"]}),
        ((T, ONE, -ONE), {}),
    ],
)
def test_two_runs_refuse_what_does_not_fit(arguments, options):
    with pytest.raises(InvalidInputError):
        figures.two_runs(*arguments, **options)


# --- three curves ---

QUOTIENT = bn.rayleigh([2.0, 0.0])


def run(loss, decay, **options):
    options = {"start": [1.0, 1.0], "steps": 200, "record": "all", "engine": "numpy"} | options
    return bn.run(loss, bn.GD(0.5, weight_decay=decay), **options)


@pytest.fixture(scope="module")
def three():
    return {"decay": run(QUOTIENT.unnormalised, 0.1), "norm": run(QUOTIENT, 0.0), "both": run(QUOTIENT, 0.1)}


def test_three_curves_show_losses_and_the_effective_rate_of_the_last(three):
    figure = figures.three_curves(three, threshold=0.95, until=150, lowest=1e-20, title="three", evidence=[HOLDS])
    top, bottom = figure.axes
    for label, data in three.items():
        x, y = lines(top)[label].get_data()
        np.testing.assert_array_equal(x, np.arange(151))
        np.testing.assert_array_equal(y[y > 0], data.loss.values[0, :151][data.loss.values[0, :151] > 0])
    assert len({line.get_color() for line in lines(top).values()}) == 3
    phi, threshold = bottom.lines
    np.testing.assert_array_equal(phi.get_ydata(), three["both"].effective_lr.values[0, :151])
    assert phi.get_color() == lines(top)["both"].get_color() and threshold.get_ydata()[0] == 0.95
    assert (top.get_yscale(), bottom.get_yscale()) == ("log", "log") and top.get_ylim()[0] == 1e-20
    assert in_legend(figure) == ["decay", "norm", "both", "above 0.95 the minimum repels"]
    # it is exactly 0 in the end, but has left the figure before
    assert three["decay"].loss.values[0, 150] == 0 and not top.texts
    assert figure.get_suptitle() == "three\nverdict: bound: 1 of 1 supported"
    figure.canvas.draw()
    assert {text.get_text() for text in bottom.get_yticklabels()} >= {"0.5", "1", "2"}
    assert as_bytes(figure).startswith(b"\x89PNG")


def test_a_loss_that_becomes_exactly_0_is_marked_at_the_edge(three):
    data = three["decay"]
    first = int(np.argmax(data.loss.values[0] == 0))
    assert 0 < first < 200
    figure = figures.three_curves({"decay": data}, below=[])
    top, bottom = figure.axes
    (word,) = top.texts
    edge = data.loss.values[0, first - 1]
    assert word.get_text() == f"exactly 0 from step {first}" and word.xy == (first, edge)
    x, y = lines(top)["decay"].get_data()
    assert x[first] == first and y[first] == edge and np.all(np.isnan(y[first + 1 :])) and not bottom.lines
    figures.as_png(figure, dpi=50)


def test_zeros_that_do_not_last_are_gaps(three):
    data = three["both"].copy(deep=True)
    data.loss[0, 10] = 0.0
    (top, _) = figures.three_curves({"both": data}).axes
    assert np.flatnonzero(np.isnan(lines(top)["both"].get_ydata())).tolist() == [10] and not top.texts


def test_three_curves_refuse_what_they_cannot_show(three):
    on_minimum = run(QUOTIENT, 0.1, start=[0.0, 1.0], steps=5)
    for runs, options in (
        ({}, {}),
        (three, {"below": ["other"]}),
        ({"two starts": run(QUOTIENT, 0.1, replicas=2, steps=5)}, {}),
        ({"cases": run(QUOTIENT, np.array([0.1, 0.2]), steps=5)}, {}),
        ({"on the minimum": on_minimum}, {}),
        (dict.fromkeys("abcdefg", on_minimum), {}),
    ):
        with pytest.raises(InvalidInputError):
            figures.three_curves(runs, **options)


# --- ratios ---


def test_ratios_show_intervals_in_their_tolerances():
    pieces = [
        judge.amplitude("holds", (0.99, 1.005), 0.02),
        judge.amplitude("fails", (1.2, 1.3), 0.1),
        judge.amplitude("too wide", (0.9, 1.2), 0.1),
        judge.amplitude("unknown", (-np.inf, np.inf), 0.02),
    ]
    figure = figures.ratios(pieces, title="ratios")
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_yticklabels()] == [piece.name for piece in pieces]
    marks = [line for line in axes.lines if len(line.get_xdata()) == 1]
    centres = [line for line in marks if line.get_marker() in "oXs"]
    np.testing.assert_allclose([line.get_xdata()[0] for line in centres], [0.9975, 1.25, 1.05])
    assert [line.get_marker() for line in centres] == ["o", "X", "s"]  # one for each verdict
    ends = sorted(line.get_xdata()[0] for line in marks if line.get_marker() == "|")
    np.testing.assert_allclose(ends, [0.9, 0.99, 1.005, 1.2, 1.2, 1.3])
    bars = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in axes.patches]
    np.testing.assert_allclose(bars, [(0.98, 1.02), (0.9, 1.1), (0.9, 1.1), (0.98, 1.02)])
    assert [word.get_text() for word in axes.texts] == ["no finite interval"]
    assert axes.get_xlim() == pytest.approx((0.67, 1.33))
    assert "amplitude: 1 of 4 supported, 1 contradicted, 2 inconclusive" in figure.get_suptitle()
    assert as_bytes(figure).startswith(b"\x89PNG")


@pytest.mark.parametrize("pieces", [[], [HOLDS], [judge.exponent("x", (-1.0, -0.9), -1.0, 0.1, 0.1)]])
def test_ratios_need_an_interval_around_1(pieces):
    with pytest.raises(InvalidInputError):
        figures.ratios(pieces)
