"""Figures of steps: noise of a batch, loss along a step, logged training; what each curve and mark shows."""

from types import SimpleNamespace

import numpy as np
import pytest

from bn_theory.errors import InvalidInputError
from bn_theory.report.figures import as_png
from bn_theory.report.figures.batch_noise import batch_noise
from bn_theory.report.figures.logged_steps import logged_steps
from bn_theory.report.figures.loss_along_step import loss_along_step
from bn_theory.theorems import evidence as judge

EVIDENCE = [judge.bound("a", 0.5)]


def line(axes, label):
    return next(found for found in axes.lines if found.get_label() == label)


def drawn(figure):
    assert as_png(figure, 60).startswith(b"\x89PNG")
    assert "bound: 1 of 1 supported" in figure.get_suptitle()
    return figure.axes


# --- batch_noise ---

NOISE = {"with": [1.0, 0.5, 0.25], "without": [1.0, 0.25, 0.0]}


def test_noise_is_drawn_by_marks_and_its_prediction_by_lines():
    measured = {"with": [1.1, 0.6, 0.2], "without": [1.2, 0.3, 0.0]}
    (axes,) = drawn(batch_noise([1, 2, 4], measured, NOISE, title="t", evidence=EVIDENCE))
    marks, predicted = line(axes, "with: mean over all batches"), line(axes, "with: predicted")
    assert marks.get_linestyle() == "None" and predicted.get_marker() == "None"
    assert marks.get_ydata().tolist() == [1.1, 0.6, 0.2]
    assert predicted.get_ydata().tolist() == NOISE["with"]
    assert predicted.get_xdata().tolist() == [1, 2, 4]
    assert axes.get_xscale() == axes.get_yscale() == "log"


def test_a_noise_of_0_is_an_arrow_at_its_batch_size_and_not_on_the_line():
    (axes,) = drawn(batch_noise([1, 2, 4], NOISE, NOISE, evidence=EVIDENCE))
    assert line(axes, "without: predicted").get_xdata().tolist() == [1, 2]
    assert line(axes, "without: mean over all batches").get_xdata().tolist() == [1, 2]
    (arrow,) = axes.texts
    assert arrow.get_text() == "exactly 0" and arrow.xy[0] == 4
    assert arrow.xy[1] == axes.get_ylim()[0] < 0.25


@pytest.mark.parametrize(
    ("sizes", "measured", "words"),
    [
        ([1, 2], NOISE, "2 noises"),
        ([0, 1, 2], NOISE, "positive"),
        ([1, 2, 4], {"with": [1.0, 0.5, 0.25]}, "predicted are"),
        ([1, 2, 4], NOISE | {"with": [1.0, -0.5, 0.25]}, "not negative"),
        ([1, 2, 4], NOISE | {"with": [np.inf, 0.5, 0.25]}, "finite"),
    ],
)
def test_noises_that_cannot_be_drawn_are_refused(sizes, measured, words):
    with pytest.raises(InvalidInputError, match=words):
        batch_noise(sizes, measured, NOISE)


def test_noises_that_are_all_0_are_refused():
    nothing = {"without": [0.0]}
    with pytest.raises(InvalidInputError, match="every noise is 0"):
        batch_noise([4], nothing, nothing)


# --- loss_along_step ---


def profile(*losses):
    return SimpleNamespace(multiples=np.geomspace(0.1, 10, len(losses)), losses=np.array(losses))


def test_each_start_is_a_line_and_starts_of_one_network_share_a_label():
    profiles = {"with": [profile(2.0, 1.0, 3.0), profile(2.1, 1.1, 3.1)], "without": [profile(2.0, 9.0, 4e3)]}
    (axes,) = drawn(loss_along_step(profiles, limit=6.0, title="t", evidence=EVIDENCE))
    first, second, third, bound = axes.lines
    assert [first.get_label(), third.get_label(), bound.get_label()] == [
        "with, 2 starts",
        "without",
        "bound with it, 6",
    ]
    assert first.get_color() == second.get_color() != third.get_color()
    assert second.get_label().startswith("_")
    assert second.get_ydata().tolist() == [2.1, 1.1, 3.1] and third.get_xdata().tolist() == [0.1, 1.0, 10.0]
    assert set(bound.get_ydata()) == {6.0}


def test_a_loss_that_is_too_large_or_infinite_leaves_the_figure_upwards():
    (axes,) = drawn(loss_along_step({"a": [profile(1.0, 1e20, np.inf)]}, most=1e3, evidence=EVIDENCE))
    low, high = axes.get_ylim()
    assert low < 1.0 < high < 1e4
    assert axes.lines[0].get_ydata()[1] == 1e20 and axes.lines[0].get_ydata()[2] > 1e300


def test_without_a_loss_in_range_there_is_nothing_to_draw():
    with pytest.raises(InvalidInputError, match="no loss above 0 and up to 10"):
        loss_along_step({"a": [profile(1e3, np.inf)]}, most=10)
    with pytest.raises(InvalidInputError, match="no loss"):
        loss_along_step({})


# --- logged_steps ---


def log_of(growth_error=0.5, sensitivity=1.0):
    """Two groups over two steps: squared norms 4 to 16 and 1 to 2, at rates 0.1 and 0.2."""
    error = np.array([[growth_error, 0.0], [0.25, 2.0]])
    return SimpleNamespace(
        groups=("a", "(b, c)"),
        norm2=np.array([[4.0, 1.0], [8.0, 1.5], [16.0, 2.0]]),
        growth_error=error,
        growth_bound=np.ones((2, 2)),
        effective_lr=np.array([[0.1 / 4, 0.2], [0.1 / 8, 0.2 / 1.5]]),
        sensitivity=np.full((2, 2), sensitivity),
    )


def test_panels_show_norms_over_their_start_errors_over_their_bound_and_effective_rates():
    top, middle, bottom = drawn(logged_steps(log_of(), title="t", evidence=EVIDENCE))
    assert line(top, "a").get_ydata().tolist() == [1.0, 2.0, 4.0]
    assert line(top, "(b, c)").get_ydata().tolist() == [1.0, 1.5, 2.0]
    assert middle.lines[0].get_ydata().tolist() == [0.5, 0.25]
    assert np.isnan(middle.lines[1].get_ydata()[0]) and middle.lines[1].get_ydata()[1] == 2.0
    assert set(middle.lines[2].get_ydata()) == {1}
    assert bottom.lines[1].get_ydata().tolist() == [0.2, 0.2 / 1.5]
    assert {axes.get_yscale() for axes in (top, middle, bottom)} == {"log"}


def test_chosen_groups_are_drawn_under_their_texts():
    top, _, bottom = drawn(logged_steps(log_of(), {"(b, c)": "second"}, evidence=EVIDENCE))
    assert [found.get_label() for found in top.lines] == ["second"]
    assert bottom.lines[0].get_ydata()[0] == 0.2


def test_unknown_groups_and_logs_without_bounds_are_refused():
    with pytest.raises(InvalidInputError, match=r"no \['d'\]"):
        logged_steps(log_of(), {"d": "d"})
    with pytest.raises(InvalidInputError, match="sampled=True"):
        logged_steps(log_of(sensitivity=np.inf))
