"""Figures of local entropy: what is drawn is what was given, and what does not fit is refused."""

import numpy as np
import pytest

from bn_theory.errors import InvalidInputError
from bn_theory.report import figures
from bn_theory.report.figures.style import MOST
from bn_theory.theorems import evidence as judge

X = np.linspace(-1, 1, 11)
LINES = {"s": [0.0, 2.0], "x": [[-1.0, 0.5], [0.0, 0.0], [1.0, -0.5]]}
SAMPLED = {"x": [-0.5, 0.5], "curves": {"later": {"u": [1.0, 2.0], "error": [0.1, 0.2]}}}


def entropy(**change):
    given = {
        "x": X,
        "u": {"start": X**2, "later": X**2 / 2},
        "v": {"start": 2 * X, "later": X},
        "characteristics": LINES,
        "sampled": SAMPLED,
        "variable": "angle",
    }
    return figures.local_entropy(**{**given, **change}, evidence=[judge.bound("holds", 0.5)])


def test_curves_samples_and_characteristics_are_drawn_as_given():
    figure = entropy(title="given")
    top, middle, bottom = figure.axes
    for axes, factor in ((top, X**2), (middle, 2 * X)):
        lines = {line.get_label(): line for line in axes.lines}
        np.testing.assert_array_equal(lines["start"].get_ydata(), factor)
        np.testing.assert_array_equal(lines["later"].get_ydata(), factor / 2)
        assert lines["start"].get_linestyle() != lines["later"].get_linestyle()
    (bars,) = top.containers
    marks, _, (segments,) = bars
    assert marks.get_xdata().tolist() == [-0.5, 0.5] and marks.get_ydata().tolist() == [1.0, 2.0]
    assert marks.get_color() == {line.get_label(): line.get_color() for line in top.lines}["later"]
    ends = [[end for _, end in segment] for segment in segments.get_segments()]
    np.testing.assert_allclose(ends, [[0.9, 1.1], [1.8, 2.2]])
    *paths, shock = bottom.lines
    np.testing.assert_array_equal([line.get_xdata() for line in paths], LINES["x"])
    assert all(line.get_ydata().tolist() == [0.0, 2.0] for line in paths)
    assert set(shock.get_ydata()) == {1.0} and bottom.get_ylim() == (0.0, 2.0)
    assert bottom.get_xlabel().startswith("angle") and [text.get_text() for text in top.get_legend().get_texts()] == [
        "start",
        "later",
    ]
    assert figure.get_suptitle() == "given\nverdict: bound: 1 of 1 supported"
    for kind, start in (("svg", b"<?xml"), ("pdf", b"%PDF")):
        assert figures.as_bytes(figure, kind).startswith(start)


def test_without_samples_there_are_none():
    assert not entropy(sampled=None).axes[0].containers


@pytest.mark.parametrize(
    "change",
    [
        {"u": {}, "v": {}},
        {"v": {"start": X}},
        {"v": {"start": X, "other": X}},
        {"v": {"start": X, "later": X, "other": X}},
        {"u": {"start": X, "later": X[:-1]}},
        {"u": dict.fromkeys(range(MOST + 1), X), "v": dict.fromkeys(range(MOST + 1), X)},
        {"x": X[:, None]},
        {"characteristics": {"s": [0.0], "x": [[1.0, 2.0]]}},
        {"characteristics": {"s": [0.0, 2.0], "x": [1.0, 2.0]}},
        {"sampled": {"x": [0.0], "curves": {"other": {"u": [0.0], "error": [0.0]}}}},
        {"sampled": {"x": [0.0], "curves": {"later": {"u": [0.0, 1.0], "error": [0.0]}}}},
        {"sampled": {"x": [0.0], "curves": {"later": {"u": [0.0], "error": [0.0, 1.0]}}}},
    ],
)
def test_what_does_not_fit_is_refused(change):
    with pytest.raises(InvalidInputError):
        entropy(**change)


NU = np.geomspace(1e-6, 1e-2, 5)


def regime(**change):
    return {"nu": NU, "steepness": 3 * NU**-0.5, "law": 2 * NU**-0.5, "exponent": -0.5, **change}


def test_steepness_is_drawn_with_its_law():
    figure = figures.blow_up({"one": {"at": regime()}, "two": {"at": regime(), "after": regime(exponent=-1.0)}})
    left, right = figure.axes
    law, marks = left.lines
    np.testing.assert_array_equal(law.get_ydata(), 2 * NU**-0.5)
    np.testing.assert_array_equal(marks.get_ydata(), 3 * NU**-0.5)
    np.testing.assert_array_equal(marks.get_xdata(), NU)
    assert law.get_marker() == "None" and marks.get_linestyle() == "None" and law.get_color() == marks.get_color()
    assert left.get_xscale() == left.get_yscale() == "log" and left.get_title() == "one"
    names = [text.get_text() for text in right.get_legend().get_texts()]
    assert names == ["at: exponent -0.5", "after: exponent -1"] and len(right.lines) == 4
    assert figures.as_png(figure, 50).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "panels",
    [
        {},
        {name: {"at": regime()} for name in "abcd"},
        {"one": {"at": regime(law=[1.0])}},
        {"one": {"at": regime(steepness=-(NU**-0.5))}},
        {"one": {"at": regime(law=np.full(5, np.nan))}},
        {"one": {"at": regime(nu=NU - NU[0])}},
        {"one": dict.fromkeys(map(str, range(MOST + 1)), regime())},
    ],
)
def test_steepness_that_cannot_be_drawn_is_refused(panels):
    with pytest.raises(InvalidInputError):
        figures.blow_up(panels)
