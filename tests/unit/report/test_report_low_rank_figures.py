"""Figures of low-rank decay: what each curve and mark shows, read back from the axes."""

import math

import numpy as np
import pytest

from bn_theory import low_rank_decay as lrd
from bn_theory.errors import InvalidInputError
from bn_theory.report import figures
from bn_theory.theorems import evidence as judge

STEP = np.arange(4)
S = np.array([2.0, 1.0, 0.5])
RUNS = {
    "weight decay": {
        "found": lrd.radial_values(S, 0.2, 1.0, STEP) + 0.01,
        "predicted": lrd.radial_values(S, 0.2, 1.0, STEP),
    },
    "low-rank decay": {
        "found": lrd.low_rank_values(S, 0.2, 1.0, STEP) + 0.01,
        "predicted": lrd.low_rank_values(S, 0.2, 1.0, STEP),
    },
}
DECAYS = ("none", "radial", "low-rank")
RNG = np.random.default_rng(0)


def training(records=5, seeds=3):
    step = np.arange(records) * 10
    data = {name: {decay: RNG.uniform(0, 1, (seeds, records)) for decay in DECAYS} for name in ("train", "test")}
    return {"step": step, "width": 16} | data | {"effective": {d: RNG.uniform(1, 16, (seeds, records)) for d in DECAYS}}


def test_spectra_show_singular_values_forms_and_stable_ranks():
    figure = figures.decayed_spectra(STEP, RUNS, title="a title", evidence=[judge.bound("a", 0.5)])
    top_left, top_right, bottom_left, bottom_right = figure.axes
    for top, bottom, name in ((top_left, bottom_left, "weight decay"), (top_right, bottom_right, "low-rank decay")):
        assert top.get_title() == name
        lines, marks = top.lines[:3], top.lines[3:]
        for k in range(3):
            np.testing.assert_array_equal(lines[k].get_ydata(), RUNS[name]["predicted"][:, k])
            np.testing.assert_array_equal(marks[k].get_ydata(), RUNS[name]["found"][:, k])
            np.testing.assert_array_equal(marks[k].get_xdata(), STEP)
            assert lines[k].get_marker() == "None" and marks[k].get_linestyle() == "None"
        (rank,) = bottom.lines
        np.testing.assert_allclose(rank.get_ydata(), lrd.stable_rank_of(RUNS[name]["found"]))
        words = [text.get_text() for text in top.get_legend().get_texts()]
        assert words == ["closed form", "found"]
    assert "a title" in figure.get_suptitle() and "bound: 1 of 1 supported" in figure.get_suptitle()
    assert figures.as_png(figure, dpi=50).startswith(b"\x89PNG")


def changed(name, part, value):
    return RUNS | {name: RUNS[name] | {part: value}}


@pytest.mark.parametrize(
    "runs",
    [
        {},
        {"weight decay": RUNS["weight decay"]},
        RUNS | {"a third": RUNS["weight decay"]},
        changed("weight decay", "found", np.ones((3, 3))),
        changed("weight decay", "found", np.ones(4)),
        changed("low-rank decay", "predicted", -np.ones((4, 3))),
        changed("low-rank decay", "predicted", np.full((4, 3), math.nan)),
        changed("low-rank decay", "found", np.zeros((4, 3))),
    ],
)
def test_spectra_that_cannot_be_drawn(runs):
    with pytest.raises(InvalidInputError):
        figures.decayed_spectra(STEP, runs)


def test_training_shows_means_in_their_ranges():
    data = training()
    figure = figures.grokking(**data, title="a title", evidence=[judge.bound("a", 2.0)])
    above, below = figure.axes
    for k, decay in enumerate(DECAYS):
        (rank,) = [line for line in above.lines if line.get_label() == decay]
        np.testing.assert_allclose(rank.get_ydata(), data["effective"][decay].mean(axis=0))
        (right,) = [line for line in below.lines if line.get_label() == decay]
        np.testing.assert_allclose(right.get_ydata(), data["test"][decay].mean(axis=0))
        thin = below.lines[2 * k + 1]
        np.testing.assert_allclose(thin.get_ydata(), data["train"][decay].mean(axis=0))
        assert thin.get_color() == right.get_color() and thin.get_linewidth() < right.get_linewidth()
        for axes, part in ((above, "effective"), (below, "test")):
            band = axes.collections[k].get_paths()[0].vertices[:, 1]
            assert band.min() == pytest.approx(data[part][decay].min(axis=0).min())
            assert band.max() == pytest.approx(data[part][decay].max(axis=0).max())
    assert above.get_ylim()[1] >= 16 and below.get_ylim()[0] < 0 < 1 < below.get_ylim()[1]
    words = [text.get_text() for text in above.get_legend().get_texts()]
    assert words == list(DECAYS) and "1 contradicted" in figure.get_suptitle()
    assert figures.as_png(figure, dpi=50).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "change",
    [
        {"effective": {}},
        {"width": 0},
        {"step": np.arange(4)},
        {"step": np.zeros((2, 2))},
        {"test": {decay: np.full((3, 5), math.nan) for decay in DECAYS}},
        {"train": {decay: np.ones(5) for decay in DECAYS}},
        {"effective": {f"decay {k}": np.ones((3, 5)) for k in range(9)}},
    ],
)
def test_training_that_cannot_be_drawn(change):
    with pytest.raises(InvalidInputError):
        figures.grokking(**training() | change)
