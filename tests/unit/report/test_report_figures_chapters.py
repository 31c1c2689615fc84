"""The figures of the chapters: what is drawn is what was given, as arrays or as lists."""

import math

import numpy as np
import pytest

import bn_theory as bn
from bn_theory import fuss_catalan
from bn_theory.errors import InvalidInputError
from bn_theory.rates import fit_exponent
from bn_theory.report import figures
from bn_theory.report.figures.amplitude_law import amplitude_law
from bn_theory.report.figures.convergence import convergence
from bn_theory.report.figures.gradient_histograms import gradient_histograms
from bn_theory.report.figures.learning_rate_sweep import accuracies, learning_rate_sweep
from bn_theory.report.figures.relaxation import relaxation
from bn_theory.report.figures.schedules import equivalent_schedule, rates_and_factor
from bn_theory.report.figures.singular_values import singular_values
from bn_theory.report.figures.trainable_rates import trainable_rates
from bn_theory.theorems import evidence as judge
from bn_theory.theorems.intervals import over_seeds

T = np.geomspace(10, 1e5, 41)
HOLDS = judge.bound("holds", 0.5)


def drawn(axes):
    """``{label: (x, y)}`` of the lines that have a label."""
    return {k: line.get_data() for line in axes.lines if not (k := line.get_label()).startswith("_")}


def is_drawn(figure):
    """Every axis has a name, the verdict is shown, and files can be made of it."""
    assert "verdict: bound: 1 of 1 supported" in (figure.get_suptitle() or figure.axes[0].get_title())
    for axes in figure.axes:
        if axes.axison:
            assert axes.get_ylabel() or axes.get_subplotspec().colspan.start > 0
    assert figures.as_bytes(figure, "svg").rstrip().endswith(b"</svg>")


# --- convergence: bound and band ---


def test_the_bound_is_drawn_where_there_are_data():
    y = 4 * T**-1.5
    figure = convergence(T, y, fit_exponent(T, y), bound=([1.0, *T, 1e7], [9.0, *(100 * y), 1.0]), evidence=[HOLDS])
    x, bound = drawn(figure.axes[0])["the theorem's bound"]
    np.testing.assert_array_equal(x, T)
    np.testing.assert_allclose(bound, 10 * np.sqrt(y))
    low, high = figure.axes[0].get_ylim()
    assert low < np.sqrt(y.min()) and high > bound.max()
    is_drawn(figure)


def test_a_band_made_elsewhere_is_that_of_the_replicas():
    y = 4 * T**-0.5 * np.random.default_rng(0).chisquare(15, size=(16, T.size)) / 15
    mean, (low, high) = y.mean(axis=0), np.quantile(y, [0.05, 0.95], axis=0)
    one, other = (convergence(T, y).axes[0], convergence(T.tolist(), mean.tolist(), band=(low, high, 16)).axes[0])
    for a, b in zip(one.collections + one.lines, other.collections + other.lines, strict=True):
        assert a.get_label() == b.get_label()
    np.testing.assert_allclose(*(axes.collections[0].get_paths()[0].vertices for axes in (one, other)))
    assert one.get_ylabel() == other.get_ylabel()


@pytest.mark.parametrize(
    "options",
    [
        {"bound": (T, np.ones(3))},
        {"bound": ([1.0], [1.0])},  # before the data
        {"bound": (T, np.full(T.size, np.inf))},
        {"band": (np.ones(3), np.ones(3), 4)},
        {"band": (2 / T, 1 / T, 4)},
    ],
)
def test_bounds_and_bands_that_do_not_fit_are_refused(options):
    with pytest.raises(InvalidInputError):
        convergence(T, 1 / T, **options)


def test_a_band_needs_a_mean():
    with pytest.raises(InvalidInputError, match="one mean"):
        convergence(T, np.stack([1 / T, 2 / T]), band=(1 / T, 2 / T, 2))


# --- amplitude law ---

SERIES = {"rates": [0.1, 1.0, 10.0], "low": [0.99, 1.0, 0.98], "high": [1.01, 1.01, 1.0]}
FORMS = {
    "closed form": {"tolerance": 0.02, "series": {"alpha 0": SERIES}},
    "finite-time form": {"tolerance": 0.03, "series": {"alpha 0": SERIES, "alpha 0.5": SERIES}},
}


def test_amplitudes_with_their_intervals_and_the_tolerance():
    figure = amplitude_law(FORMS, title="law", evidence=[HOLDS])
    for axes, (name, form) in zip(figure.axes, FORMS.items(), strict=True):
        assert axes.get_title(loc="left") == name and axes.get_xscale() == "log"
        (band,) = [p for p in axes.patches if p.get_height() == pytest.approx(2 * form["tolerance"])]
        assert band.get_y() == pytest.approx(1 - form["tolerance"])
        assert len(axes.containers) == len(form["series"])
        for bar in axes.containers:
            points, _, (reach,) = bar
            np.testing.assert_allclose(points.get_ydata(), [1.0, 1.005, 0.99])
            np.testing.assert_allclose(
                [s[:, 1] for s in reach.get_segments()], list(zip(SERIES["low"], SERIES["high"], strict=True))
            )
    first, second = figure.axes[1].containers
    assert first[0].get_marker() != second[0].get_marker()
    assert np.all(first[0].get_xdata() < second[0].get_xdata())  # beside each other
    assert "rate" in figure.axes[1].get_xlabel()
    is_drawn(figure)


@pytest.mark.parametrize(
    "change", [{"low": [0.9]}, {"rates": [0.0, 1.0, 10.0]}, {"high": [1.0, "inf", 1.0]}, {"low": [2.0, 2.0, 2.0]}]
)
def test_amplitudes_that_cannot_be_drawn_are_refused(change):
    with pytest.raises(InvalidInputError, match="alpha 0"):
        amplitude_law({"closed form": {"tolerance": 0.02, "series": {"alpha 0": SERIES | change}}})


def test_no_amplitudes_are_refused():
    with pytest.raises(InvalidInputError, match="at least one form"):
        amplitude_law({})


# --- singular values ---


def exact_histogram(order):
    edges = np.geomspace(1e-3, 1.2 * fuss_catalan.edge(order), 31)
    return {"edges": edges, "density": np.diff(fuss_catalan.distribution(order, edges)) / np.diff(edges)}


@pytest.mark.parametrize("orders", [(1,), (1, 2, 3), (1, 2, 3, 4)])
def test_singular_values_lie_under_their_density(orders):
    figure = singular_values({str(order): exact_histogram(order) for order in orders}, evidence=[HOLDS])
    shown = [axes for axes in figure.axes if axes.axison]
    assert len(shown) == len(orders)
    for axes, order in zip(shown, orders, strict=True):
        stairs = axes.patches[0]
        np.testing.assert_allclose(stairs.get_data().values, exact_histogram(order)["density"])
        lines = drawn(axes)
        x, density = lines["Fuss-Catalan density"]
        # the law in a bin is its mean over the bin, which lies within its values at the ends
        edges = exact_histogram(order)["edges"]
        at = np.interp(edges, x[::-1], density[::-1])
        inside = edges[1:] < 0.9 * fuss_catalan.edge(order)
        assert np.all((exact_histogram(order)["density"] <= at[:-1])[inside])
        assert np.all((exact_histogram(order)["density"] >= at[1:])[inside])
        (edge,) = (x for label, (x, _) in lines.items() if label.startswith("upper edge"))
        assert edge[0] == fuss_catalan.edge(order) < axes.get_xlim()[1]
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log") and axes.get_xlabel()
    is_drawn(figure)


@pytest.mark.parametrize(
    "histograms",
    [
        {},
        {"three": exact_histogram(3)},
        {1: {"edges": [1.0, 2.0], "density": [1.0, 2.0]}},
        {1: {"edges": [0.0, 2.0], "density": [1.0]}},
        {1: {"edges": [1.0, 2.0], "density": [0.0]}},
        {0: {"edges": [1.0, 2.0], "density": [1.0]}},
    ],
)
def test_histograms_that_cannot_be_drawn_are_refused(histograms):
    with pytest.raises(InvalidInputError):
        singular_values(histograms)


# --- gradients ---

SIZES = np.geomspace(0.1, 10, 21)
SHARES = {"without": np.minimum(1, 0.05 * SIZES[None] ** -2.0) * [[1.0], [0.5]], "with": np.exp(-SIZES)}


def test_shares_of_entries_and_the_gaussian():
    figure = gradient_histograms(SIZES, SHARES, evidence=[HOLDS])
    (axes,) = figure.axes
    lines = drawn(axes)
    np.testing.assert_allclose(lines["without"][1], SHARES["without"].mean(axis=0))
    np.testing.assert_allclose(lines["with"][1], SHARES["with"])
    np.testing.assert_allclose(lines["Gaussian"][1], [math.erfc(x / math.sqrt(2)) for x in SIZES])
    (band,) = axes.collections  # of the one with seeds
    assert band.get_paths()[0].vertices[:, 1].max() == SHARES["without"].max()
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    is_drawn(figure)


def test_what_no_entry_exceeds_ends_the_line_and_the_figure():
    shares = np.where(SIZES < 3, 0.1, 0.0)
    (axes,) = gradient_histograms(SIZES, {"a": shares}).axes
    assert drawn(axes)["a"][0].max() < 3 and axes.get_xlim()[1] < 4


@pytest.mark.parametrize(
    "sizes, shares",
    [
        (SIZES, {}),
        (-SIZES, {"a": np.exp(-SIZES)}),
        (SIZES, {"a": np.ones(3)}),
        (SIZES, {"a": np.full(SIZES.size, 1.1)}),
        (SIZES, {"a": np.zeros(SIZES.size)}),
        (SIZES, {str(k): np.exp(-SIZES) for k in range(7)}),
    ],
)
def test_shares_that_cannot_be_drawn_are_refused(sizes, shares):
    with pytest.raises(InvalidInputError):
        gradient_histograms(sizes, shares)


# --- relaxation ---


def decay(predicted, offset=0.0):
    t = np.linspace(-10, 4 * predicted, 101)
    excess = np.where(t < 0, 9.0, 9 * (0.1 / 9) ** (t / predicted)) + offset
    return {"t": t, "excess": excess, "low": 0.9 * excess, "high": 1.1 * excess, "predicted": predicted}


def test_an_exact_relaxation_lies_on_the_prediction():
    figure = relaxation({"slow": decay(500.0)}, divided=10.0, within=0.1, evidence=[HOLDS])
    (axes,) = figure.axes
    lines = drawn(axes)
    x, y = lines["slow"]
    predicted = lines["predicted"]
    np.testing.assert_array_equal(predicted, [[0, 1], [9, 0.1]])
    np.testing.assert_allclose(np.log(y), np.interp(x, [0, 2], np.log([9, 0.1**2 / 9])), atol=1e-12)
    assert x.min() >= 0 and y.min() > 0.1 / 3  # neither the time before nor the noise after
    assert axes.get_yscale() == "log" and axes.get_xlabel()
    is_drawn(figure)


@pytest.mark.parametrize(
    "curves, options",
    [
        ({}, {}),
        ({"a": decay(500.0) | {"low": [1.0]}}, {}),
        ({"a": decay(500.0) | {"predicted": 0.0}}, {}),
        ({"a": decay(500.0, offset=-10.0)}, {}),
        ({"a": decay(500.0)}, {"within": 9.5}),
    ],
)
def test_relaxations_that_cannot_be_drawn_are_refused(curves, options):
    with pytest.raises(InvalidInputError):
        relaxation(curves, **{"divided": 10.0, "within": 0.1} | options)


# --- learning rates ---

NOTHING = float("nan")
BRACKETS = {
    "batch": [[(1.0, 1.5), (2.0, 3.0)], [(1.0, 1.5), (1.0, 1.5)]],
    "none": [[(0.1, 0.15), (0.2, 0.3)], [(0.01, 0.015), (NOTHING, NOTHING)]],
}


def test_every_seed_has_its_bracket_and_lines_join_the_medians():
    figure = trainable_rates([8, 14], BRACKETS, evidence=[HOLDS])
    (axes,) = figure.axes
    bars = [segment[:, 1] for group in axes.collections for segment in group.get_segments()]
    np.testing.assert_allclose(bars, [b for part in BRACKETS.values() for ones in part for b in ones][:-1])
    lines = [line.get_ydata() for line in axes.lines if line.get_linestyle() != "None" and len(line.get_ydata()) == 2]
    np.testing.assert_allclose(lines[0], [np.median([1.5**0.5, 6**0.5]), 1.5**0.5])
    assert axes.get_yscale() == "log"
    assert "none, depth 14: 1 of 2 seeds train at no rate" in axes.get_xlabel()
    is_drawn(figure)


@pytest.mark.parametrize(
    "depths, brackets",
    [
        ([8], BRACKETS),
        ([8], {"a": [[1.0, 2.0]]}),
        ([8], {"a": [[(0.0, 1.0)]]}),
        ([8], {"a": [[(NOTHING, NOTHING)]]}),
    ],
)
def test_brackets_that_cannot_be_drawn_are_refused(depths, brackets):
    with pytest.raises(InvalidInputError):
        trainable_rates(depths, brackets)


RATES = [0.01, 1.0, 100.0]
LOSSES = {"SGD": [[0.2, 0.1, 0.3], [0.3, 0.1, 0.2], [0.25, 0.1, 0.1]], "none": [[0.5, 2.3, math.inf]] * 3}


def test_a_sweep_has_means_intervals_and_what_diverged():
    figure = learning_rate_sweep(RATES, LOSSES, title="sweep", evidence=[HOLDS])
    (axes,) = figure.axes
    lines = drawn(axes)
    np.testing.assert_allclose(lines["SGD"][1], np.mean(LOSSES["SGD"], axis=0))
    np.testing.assert_allclose(lines["none"][1], [0.5, 2.3, math.nan])
    crosses = [line for line in axes.lines if line.get_marker() == "x"]
    assert [len(line.get_xdata()) for line in crosses] == [0, 1]
    ends = [s[:, 1] for s in axes.collections[0].get_segments()]
    np.testing.assert_allclose(ends[0], over_seeds([0.2, 0.3, 0.25]))
    is_drawn(figure)


def test_rates_far_apart_are_not_moved_far():
    """What is drawn beside each other stays within a tenth of the rate that it belongs to."""
    (axes,) = learning_rate_sweep(RATES, LOSSES).axes
    for label in LOSSES:
        np.testing.assert_allclose(drawn(axes)[label][0], RATES, rtol=0.1)


def test_accuracies_of_training_and_test():
    train, test = ({"batch": np.full((4, 2), y), "none": [[y, 0.1]] * 4} for y in (1.0, 0.9))
    figure = accuracies([0.003, 0.1], train, test, evidence=[HOLDS])
    for axes, y in zip(figure.axes, (1.0, 0.9), strict=True):
        np.testing.assert_allclose(drawn(axes)["batch"][1], [y, y])
        np.testing.assert_allclose(drawn(axes)["none"][1], [y, 0.1])
    is_drawn(figure)


@pytest.mark.parametrize("rates", [[0.0, 1.0, 2.0], [1.0], []])
def test_sweeps_that_do_not_fit_are_refused(rates):
    with pytest.raises(InvalidInputError):
        learning_rate_sweep(rates, LOSSES)


# --- schedules ---


def test_a_schedule_from_its_curves_is_the_schedule():
    schedule = bn.texp_schedule((0.5, 0.1), (60,), 4e-3, 0.9, steps=100)
    t = np.arange(100)
    curves = np.log10(schedule.eta), schedule.log_lr / math.log(10), schedule.log_p[:-1] / math.log(10)
    one = equivalent_schedule(schedule, title="a")
    other = rates_and_factor(t.tolist(), *(y.tolist() for y in curves), title="a")
    for a, b in zip(one.axes, other.axes, strict=True):
        assert a.get_ylabel() == b.get_ylabel()
        for first, second in zip(a.lines, b.lines, strict=True):
            np.testing.assert_allclose(first.get_data(), second.get_data())


def test_a_schedule_shows_its_verdict():
    is_drawn(rates_and_factor([0, 1], [0.0, 0.0], [0.0, 1.0], [0.0, -0.5], evidence=[HOLDS]))


@pytest.mark.parametrize("given", [[0.0], [-math.inf, -math.inf]])
def test_schedules_that_cannot_be_drawn_are_refused(given):
    with pytest.raises(InvalidInputError):
        rates_and_factor([0, 1], given, [0.0, 1.0], [0.0, -0.5])
