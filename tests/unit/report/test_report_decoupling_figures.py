"""The figure of rates by width: what is drawn are the means and intervals over seeds that it is given."""

import matplotlib
import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer

from bn_theory.errors import InvalidInputError
from bn_theory.report import figures
from bn_theory.theorems import evidence as judge
from bn_theory.theorems.intervals import over_seeds

matplotlib.use("Agg")

RATES = np.geomspace(1e-2, 10, 7)
WIDTHS = [8, 32]
RNG = np.random.default_rng(0)


def data(methods=("SGD", "decoupled SGD"), seeds=5):
    return {
        "widths": WIDTHS,
        "rates": dict.fromkeys(methods, RATES),
        "losses": {m: 10 ** RNG.normal(size=(seeds, 2, 7)) for m in methods},
        "best": {m: RNG.normal(size=(seeds, 2)) for m in methods},
        "quantity": "loss",
    }


def test_lines_are_means_of_logarithms_and_bands_their_intervals():
    given = data()
    first, second, last = figures.rates_by_width(**given, title="title", evidence=[judge.bound("a", 0.5)]).axes
    for axes, method in ((first, "SGD"), (second, "decoupled SGD")):
        assert axes.get_title() == method and axes.get_xscale() == axes.get_yscale() == "log"
        for i, (line, band) in enumerate(zip(axes.lines, axes.collections, strict=True)):
            logs = np.log10(given["losses"][method][:, i])
            np.testing.assert_allclose(line.get_xdata(), RATES)
            np.testing.assert_allclose(line.get_ydata(), 10 ** logs.mean(axis=0), rtol=1e-12)
            low, high = over_seeds(logs[:, 3])
            at = [y for x, y in band.get_paths()[0].vertices if x == RATES[3]]
            assert min(at) == pytest.approx(10**low, rel=1e-12) and max(at) == pytest.approx(10**high, rel=1e-12)
    bars = [c for c in last.containers if isinstance(c, ErrorbarContainer)]
    assert [bar.get_label() for bar in bars] == ["SGD", "decoupled SGD"]
    for bar, method in zip(bars, ("SGD", "decoupled SGD"), strict=True):
        line, _, (spread,) = bar.lines
        np.testing.assert_allclose(line.get_ydata(), 10 ** given["best"][method].mean(axis=0), rtol=1e-12)
        low, high = over_seeds(given["best"][method][:, 1])
        np.testing.assert_allclose(sorted(y for _, y in spread.get_segments()[1]), [10**low, 10**high], rtol=1e-12)
    assert [t.get_text() for t in last.get_xticklabels()] == ["8", "32"]


def test_one_legend_for_the_widths_and_one_for_the_methods():
    *panels, last = figures.rates_by_width(**data(("a", "b", "c", "d"))).axes
    legends = [axes.get_legend() for axes in panels]
    assert [legend is not None for legend in legends] == [False, True, False, False]
    assert [t.get_text() for t in legends[1].get_texts()] == ["width 8", "width 32"]
    assert [t.get_text() for t in last.get_legend().get_texts()] == ["a", "b", "c", "d"]


@pytest.mark.parametrize("methods", [("one",), ("a", "b", "c")])
@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_any_number_of_methods_and_seeds_is_drawn(methods, seeds):
    figure = figures.rates_by_width(**data(methods, seeds))
    assert len(figure.axes) == len(methods) + 1
    assert figures.as_bytes(figure, "svg").rstrip().endswith(b"</svg>")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"widths": [8]}, "shape"),
        ({"widths": []}, "positive widths"),
        ({"widths": [0, 8]}, "positive widths"),
        ({"rates": {}, "losses": {}, "best": {}}, "needs methods"),
        ({"rates": {"SGD": RATES}}, "labels"),
        ({"rates": {"SGD": RATES, "other": RATES}}, "'other'"),
        ({"rates": {"SGD": RATES, "decoupled SGD": -RATES}}, "must be positive"),
        ({"losses": {"SGD": np.ones((3, 2, 7)), "decoupled SGD": np.zeros((3, 2, 7))}}, "must be positive"),
        ({"losses": {"SGD": np.ones((3, 2, 7)), "decoupled SGD": np.full((3, 2, 7), np.nan)}}, "must be finite"),
        ({"best": {"SGD": np.ones((3, 2)), "decoupled SGD": np.ones((3, 3))}}, "shape"),
        ({"best": {"SGD": np.ones((0, 2)), "decoupled SGD": np.ones((3, 2))}}, "shape"),
    ],
)
def test_what_cannot_be_drawn_is_refused(change, said):
    with pytest.raises(InvalidInputError, match=said):
        figures.rates_by_width(**data() | change)
