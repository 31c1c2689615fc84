"""Figures of experiments: what each curve and mark shows, read back from the axes."""

import math

import numpy as np
import pytest
import xarray as xr

from bn_theory.errors import InvalidInputError
from bn_theory.report.figures import as_png
from bn_theory.report.figures import networks as network_figures

RATES = [0.1, 1.0, 10.0]


def summarised(dims, values, name):
    """A variable over seeds with its mean and a made-up interval."""
    values = np.asarray(values, dtype=float)
    mean = values.mean(-1)
    low, high = mean - 0.1, mean + 0.2
    return {
        name: ((*dims, "seed"), values),
        f"{name}_mean": (dims, mean),
        f"{name}_low": (dims, low),
        f"{name}_high": (dims, high),
    }


@pytest.fixture
def sweep():
    loss = [
        [[1.0, 1.2, 1.1], [0.9, 1.0, 1.1], [1.0, 1.0, 1.3]],
        [[1.1, 1.2, 1.1], [2.0, 2.2, 2.1], [2.6, 2.5, 2.4]],
        [[2.0, 2.1, 2.2], [2.3, math.inf, 2.4], [1e9, math.nan, 1e27]],
    ]
    norms = np.full((3, 3, 3, 3, 2), 4.0)
    norms[0, :, :, 1:] = 16.0
    norms[2, 2, 0, 2] = math.nan
    dims = ("setting", "rate", "seed", "epoch", "kernel")
    rates = np.array(RATES)[:, None, None, None]
    variables = summarised(dims[:2], loss, "final_loss") | {"effective_rate": (dims, rates / norms)}
    coordinates = {"setting": ["SGD", "projected SGD", "no normalisation"], "rate": RATES, "epoch": [0, 1, 2]}
    return xr.Dataset(variables, coordinates | {"kernel": ["a", "b"]})


def line(axes, label):
    return next(found for found in axes.lines if found.get_label() == label)


def crosses(axes):
    return [tuple(found.get_xdata()) for found in axes.lines if found.get_marker() == "x"]


def texts(axes):
    return [found.get_text() for found in axes.texts]


def drawn(figure):
    content = as_png(figure, 60)
    assert content.startswith(b"\x89PNG")


def test_final_loss_shows_means_and_what_diverged(sweep):
    figure = network_figures.final_loss_by_rate(sweep, title="a title")
    (axes,) = figure.axes
    np.testing.assert_allclose(line(axes, "SGD").get_ydata(), sweep.final_loss_mean.sel(setting="SGD"))
    bare = line(axes, "no normalisation").get_ydata()
    assert bare[0] == pytest.approx(2.1) and np.isnan(bare[1:]).all()
    # settings lie beside each other by less than a tenth of a grid step
    assert [len(x) for x in crosses(axes)] == [0, 0, 2]
    np.testing.assert_allclose(crosses(axes)[2], RATES[1:], rtol=0.25)
    assert texts(axes) == ["diverged\nor above 20"]
    assert axes.get_ylim()[1] < 20 and line(axes, "guessing").get_ydata()[0] == math.log(10)
    drawn(figure)


def test_without_divergence_nothing_is_said_of_it(sweep):
    figure = network_figures.final_loss_by_rate(sweep.sel(setting=["SGD", "projected SGD"]))
    (axes,) = figure.axes
    assert texts(axes) == [] and all(len(x) == 0 for x in crosses(axes))


def test_no_finite_loss_is_refused(sweep):
    with pytest.raises(InvalidInputError, match="no final_loss is finite"):
        network_figures.final_loss_by_rate(sweep * math.nan)


def test_effective_rates_of_sgd_fall_and_of_projected_sgd_stay(sweep):
    figure = network_figures.effective_rates(sweep)
    first, second = figure.axes
    assert [axes.get_title() for axes in figure.axes] == ["SGD", "projected SGD"]
    np.testing.assert_allclose(line(first, "10").get_ydata(), [2.5, 0.625, 0.625])
    np.testing.assert_allclose(line(second, "0.1").get_ydata(), [0.025] * 3)
    drawn(figure)


def test_no_finite_effective_rate_is_refused(sweep):
    with pytest.raises(InvalidInputError, match="no effective rate of the first seed is finite"):
        network_figures.effective_rates(sweep * math.nan)


@pytest.fixture
def accuracy():
    test = [[[0.5, 0.6], [0.7, 0.8], [0.9, 0.9]], [[0.3, 0.2], [0.5, 0.6], [math.nan, 0.1]]]
    curve = np.broadcast_to(np.array([0.1, 0.4, 0.5])[:, None].T, (2, 3, 2, 3)).copy()
    curve[1, 2, 0, 2] = math.nan
    variables = summarised(("network", "rate"), test, "final_test_accuracy")
    variables |= summarised(("network", "rate"), test, "final_train_accuracy")
    variables["test_accuracy"] = (("network", "rate", "seed", "epoch"), curve)
    names = ["batch normalisation", "no normalisation"]
    return xr.Dataset(variables, {"network": names, "rate": RATES, "epoch": [0, 1, 2]})


def test_accuracy_by_rate(accuracy):
    figure = network_figures.accuracy_by_rate(accuracy)
    assert [axes.get_ylabel().split()[0] for axes in figure.axes] == ["train", "test"]
    for axes in figure.axes:
        np.testing.assert_allclose(line(axes, "batch normalisation").get_ydata(), [0.55, 0.75, 0.9])
        assert texts(axes) == ["diverged"] and [len(x) for x in crosses(axes)] == [0, 1]
    drawn(figure)


def test_accuracy_by_epoch_ends_where_a_run_does(accuracy):
    figure = network_figures.accuracy_by_epoch(accuracy)
    first, second = figure.axes
    assert len(line(first, "10").get_xdata()) == 3 and len(line(second, "10").get_xdata()) == 2
    drawn(figure)


@pytest.fixture
def depths():
    largest = [[[1.0, 1.0, 1.0], [10.0, 1.0, 1.0]], [[0.1, 1.0, 0.1], [0.0, 0.0, 0.1]]]
    trained = np.zeros((2, 2, 3, 3), dtype="int8")
    trained[0, :, :2] = 1
    trained[1, 0, 0] = [1, 0, 1]
    variables = {
        "largest_rate": (("network", "depth", "seed"), largest),
        "trained": (("network", "depth", "rate", "seed"), trained),
    }
    return xr.Dataset(variables, {"network": ["normalised", "bare"], "depth": [8, 14], "rate": RATES})


def test_largest_rates_shows_medians_and_where_none_trained(depths):
    figure = network_figures.largest_rates(depths)
    (axes,) = figure.axes
    np.testing.assert_allclose(line(axes, "normalised").get_ydata(), [1.0, 1.0])
    bare = line(axes, "bare").get_ydata()
    assert bare[0] == 0.1 and np.isnan(bare[1])
    hollow = [len(found.get_xdata()) for found in axes.lines if found.get_markerfacecolor() == "none"]
    assert hollow == [0, 2] and texts(axes) == ["none", "or more"]
    drawn(figure)


def test_below_the_grids_end_the_largest_rate_is_no_bound(depths):
    figure = network_figures.largest_rates(depths.sel(network=["bare"]))
    assert texts(figure.axes[0]) == ["none"]


def test_trained_grid_counts_seeds(depths):
    figure = network_figures.trained_grid(depths)
    first, second = figure.axes
    # rows from the lowest rate up, columns by depth
    assert texts(first) == ["3", "3", "3", "3", "0", "0"]
    assert texts(second) == ["2", "0", "0", "0", "0", "0"]
    assert [tick.get_text() for tick in first.get_yticklabels()] == ["0.1", "1", "10"]
    drawn(figure)
