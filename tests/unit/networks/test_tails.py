"""Tails of samples whose tail is known: the index, what is called heavy and what is not, and refused input."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy import integrate, stats

from bn_theory.errors import InvalidInputError, MissingExtraError

pytest.importorskip("torch", reason="bn_theory.networks needs torch: pip install '.[networks]'")
pytest.importorskip("powerlaw", reason="tails need powerlaw: pip install '.[networks]'")

from bn_theory.networks import tails

SIZE = 9216


def sample(distribution, seed=0, size=SIZE):
    return distribution.rvs(size=size, random_state=np.random.default_rng(seed))


def expected_index(distribution, fraction):
    """Of the power law closest to a tail (in likelihood): one over the mean of log(|x|/r) beyond the quantile r."""
    r = distribution.isf(fraction / 2)  # symmetric distributions: both sides together
    mean, _ = integrate.quad(lambda x: np.log(x / r) * distribution.pdf(x), r, np.inf)
    return fraction / 2 / mean


@pytest.mark.parametrize("index", [1.0, 2.0, 3.0, 6.0])
def test_pareto_gives_its_index_whatever_it_is(index):
    """Above an index of 2 too, where the library's own range of alpha ends."""
    x = sample(stats.pareto(index))
    found = tails.fit_tail(x, (0.1,))
    assert found.entries == 921 and found.fraction == 0.1
    assert found.error == pytest.approx(found.index / np.sqrt(921))
    assert abs(found.index - index) < 3 * found.error
    # the two agree to the tolerance of the library's search for the maximum, in alpha
    assert tails.tail_index(x, 0.1) == pytest.approx(found.index, abs=1e-3)
    low, high = found.interval
    assert high - low == pytest.approx(2 * 1.96 * found.error)


@pytest.mark.parametrize(
    "distribution", [stats.norm(), stats.laplace(), stats.t(3), stats.t(5)], ids=["normal", "laplace", "t3", "t5"]
)
def test_an_index_at_a_fixed_fraction_is_that_of_the_closest_power_law(distribution):
    wanted = expected_index(distribution, 0.05)
    # the mean of the logs has a standard error below its own size over the square root of the entries
    assert tails.tail_index(sample(distribution), 0.05) == pytest.approx(wanted, rel=3 / np.sqrt(0.05 * SIZE))


def test_the_indices_that_are_quoted():
    assert round(expected_index(stats.norm(), 0.05), 1) == 6.0
    assert round(expected_index(stats.laplace(), 0.05), 1) == 3.8


@pytest.mark.parametrize("distribution", [stats.pareto(2), stats.t(2), stats.t(3)], ids=["pareto", "t2", "t3"])
def test_heavy_tails_are_found(distribution):
    found = tails.fit_tail(sample(distribution))
    assert found.heavy and found.heavier_than_exponential and not found.power_law_rejected
    assert found.stretching < 0.5
    assert found.interval[1] < tails.HEAVY


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("distribution", [stats.norm(), stats.laplace()], ids=["normal", "laplace"])
def test_light_tails_are_not_heavy(distribution, seed):
    found = tails.fit_tail(sample(distribution, seed))
    assert not found.heavy
    assert not found.heavier_than_exponential


def test_entries_of_low_rank_are_not_independent():
    """Of rank 2 every entry is Laplace's; shared factors spread the index far beyond the error that is claimed."""
    rngs = [np.random.default_rng(seed) for seed in range(8)]
    found = [tails.fit_tail(rng.normal(size=(32, 2)) @ rng.normal(size=(2, 288)), (0.05,)) for rng in rngs]
    independent = [tails.fit_tail(rng.laplace(size=SIZE), (0.05,)) for rng in rngs]
    spread, fair = (np.std([f.index for f in fits], ddof=1) for fits in (found, independent))
    error = np.mean([f.error for f in found])
    # of 8 values a standard deviation errs by 1/sqrt(14), 27 %: 3 of that
    assert fair < 1.8 * error < spread


def test_a_power_law_is_rejected_where_an_exponential_is_true():
    found = tails.fit_tail(sample(stats.expon()), (0.2,))
    assert "exponential" in found.power_law_rejected and not found.heavy
    assert found.ratios["exponential"] < 0
    assert found.stretching == pytest.approx(1, abs=0.2)


def test_an_exponential_is_rejected_where_a_power_law_is_true():
    found = tails.fit_tail(sample(stats.pareto(2)), (0.2,))
    assert found.ratios["exponential"] > 0 and found.significances["exponential"] < tails.SIGNIFICANT


def test_a_lognormal_is_told_from_a_power_law_where_the_tail_is_large_enough():
    found = tails.fit_tail(sample(stats.lognorm(1)), (0.5,))
    assert "lognormal" in found.power_law_rejected
    assert found.heavier_than_exponential and not found.heavy


def test_scale_sign_and_zeros_do_not_matter():
    x = sample(stats.t(3), size=3000)
    found = tails.fit_tail(x)
    scaled = tails.fit_tail(-8 * x)  # a power of two: the same digits
    assert (scaled.index, scaled.fraction, scaled.ratios) == (found.index, found.fraction, found.ratios)
    with_zeros = tails.fit_tail(np.concatenate([x, np.zeros(5000)]).reshape(80, 100))
    assert (with_zeros.index, with_zeros.entries) == (found.index, found.entries)


@pytest.mark.parametrize(
    ("values", "fractions", "said"),
    [
        ([1.0, np.nan] * 500, (0.5,), "finite"),
        ([1.0, np.inf] * 500, (0.5,), "finite"),
        (np.zeros(1000), (0.5,), "0 values"),
        (np.arange(1.0, 101.0), (0.4,), "leave 40"),
        (np.arange(1.0, 1001.0), (), "fractions"),
        (np.arange(1.0, 1001.0), (0.0,), "fractions"),
        (np.arange(1.0, 1001.0), (0.2, 1.5), "fractions"),
    ],
)
def test_bad_input_is_refused(values, fractions, said):
    with pytest.raises(InvalidInputError, match=said):
        tails.fit_tail(values, fractions)


def test_what_to_install_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "powerlaw", None)
    with pytest.raises(MissingExtraError, match="powerlaw"):
        tails.fit_tail(np.arange(1.0, 1001.0))


def test_kurtosis():
    assert tails.kurtosis([2.0, -2.0, 0.0, 0.0]) == 1.0
    assert tails.kurtosis([1e200, -1e200]) == 1.0  # squares would overflow
    # the fourth power of a normal variable has variance 96: standard error of the ratio below 10/sqrt(n)
    assert tails.kurtosis(sample(stats.norm())) == pytest.approx(3, abs=3 * 10 / np.sqrt(SIZE))
    for bad in ([], [0.0], [1.0, np.nan]):
        with pytest.raises(InvalidInputError, match="kurtosis"):
            tails.kurtosis(bad)


@pytest.mark.parametrize(("index", "heavy"), [(2.0, True), (3.9, False), (4.5, False)])
def test_heavy_means_that_the_whole_interval_of_the_index_is(index, heavy):
    signs = dict.fromkeys(tails.ALTERNATIVES, 1.0)
    found = tails.Tail(index, 0.3, 0.1, 200, 0.02, signs, dict.fromkeys(signs, 0.5), 0.5, 1e-4)
    assert found.heavy == heavy
    assert not replace(found, stretched_significance=0.5).heavy  # the exponential is not rejected
    assert not replace(found, stretching=1.5).heavy  # it is, for something lighter
    rejected = replace(found, ratios=signs | {"lognormal": -1.0}, significances=dict.fromkeys(signs, 1e-4))
    assert not rejected.heavy and rejected.power_law_rejected == ("lognormal",)
