"""Figures: what is drawn is what was given."""

import sys

import numpy as np
import pytest

from bn_theory.errors import InvalidInputError, MissingExtraError
from bn_theory.rates import fit_exponent
from bn_theory.report import figures

T = np.geomspace(10, 1e5, 41)


def noisy():
    return 4 * T**-0.5 * np.random.default_rng(0).chisquare(15, size=(16, T.size)) / 15


def lines(figure):
    return {line.get_label(): line for line in figure.axes[0].lines}


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
    with pytest.raises(MissingExtraError, match=r"pip install 'bn_theory\[plots\]'"):
        figures.convergence(T, 1 / T)


def test_no_figure_needs_a_window_or_global_state():
    assert "matplotlib.pyplot" not in {name for name in vars(figures)}
    figures.as_png(figures.convergence(T, 1 / T))
    if "matplotlib.pyplot" in sys.modules:
        assert sys.modules["matplotlib.pyplot"].get_fignums() == []
