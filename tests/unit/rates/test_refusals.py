"""What must not be given an exponent, and what must not be accepted at all."""

import numpy as np
import pytest

from bn_theory.errors import InvalidInputError, NoPowerLawError, UnknownNameError
from bn_theory.rates import ExponentFit, fit_exponent
from bn_theory.rates.synthetic import ou_traces

T = np.geomspace(10, 1e6, 51)
Y = T**-0.5


def refused(reason, t, y, **options):
    with pytest.raises(NoPowerLawError) as caught:
        fit_exponent(t, y, **options)
    assert caught.value.reason == reason, str(caught.value)
    return caught.value


def test_exponential_decay():
    t = np.geomspace(1, 1e3, 40)
    error = refused("exponential", t, np.exp(-0.05 * t))
    assert isinstance(error.partial, ExponentFit)


def test_power_law_with_exponential_end():
    refused("exponential", T, T**-1.0 * np.exp(-T / 1e5))


def test_noisy_exponential_decay():
    t = np.geomspace(1, 1e3, 40)
    refused("exponential", t, ou_traces(np.exp(-0.01 * t), t, 32, np.random.default_rng(0)))


@pytest.mark.parametrize("y", [np.full(51, 0.3), 1 + 1 / T, T**-0.5 + 0.1])
def test_plateau(y):
    error = refused("plateau", T, y)
    assert isinstance(error.partial, ExponentFit)


@pytest.mark.parametrize("seed", range(3))
def test_noise_floor_of_replicas_is_a_plateau(seed):
    law = T**-0.5 + 0.1
    refused("plateau", T, ou_traces(law, T, 64, np.random.default_rng(seed)))


@pytest.mark.parametrize("p", [0.05, 0.1])
def test_a_small_exponent_is_not_a_plateau(p):
    fit = fit_exponent(T, ou_traces(T**-p, T, 256, np.random.default_rng(1)))
    assert fit.interval[0] <= -p <= fit.interval[1] < 0


def test_rounding_floor_after_a_power_law():
    t = np.geomspace(1, 1e4, 60)
    error = refused("rounding_floor", t, np.maximum(t**-12.0, 1e-32 * (1.5 + np.sin(t))))
    assert abs(error.partial.exponent + 12) < 1e-8


def test_rounding_floor_after_an_exponential_has_no_partial_fit():
    t = np.geomspace(1, 1e4, 60)
    error = refused("rounding_floor", t, np.maximum(np.exp(-0.05 * t), 1e-32 * (1.5 + np.sin(t))))
    assert error.partial is None


def test_too_few_decades_unless_asked_for():
    t = np.geomspace(10, 1000, 30)
    error = refused("too_few_decades", t, t**-0.5)
    assert abs(error.partial.exponent + 0.5) < 1e-10
    assert abs(fit_exponent(t, t**-0.5, min_decades=2).exponent + 0.5) < 1e-10


def test_bin_centres_of_three_decades_are_three_decades():
    edges = np.geomspace(1e2, 1e5, 31)
    t = np.sqrt(edges[1:] * edges[:-1])
    assert abs(fit_exponent(t, t**-0.5).exponent + 0.5) < 1e-10


@pytest.mark.parametrize("count", [1, 2, 9])
def test_too_few_records(count):
    t = np.geomspace(1, 1e5, count)
    assert refused("too_few_records", t, t**-0.5).partial is None


def test_many_records_in_few_cells_are_too_few():
    t = np.arange(1e6, 1e6 + 500)
    refused("too_few_records", t, np.random.default_rng(0).random((16, 500)) + 0.5)


def test_no_window():
    error = refused("no_window", T, T**-1.0 * np.exp(np.cos(5 * np.log(T))))
    assert isinstance(error.partial, ExponentFit)


@pytest.mark.parametrize(
    "t, y, words",
    [
        (np.r_[0.0, T], np.r_[1.0, Y], "step 0"),
        (np.r_[-1.0, T], np.r_[1.0, Y], "positive"),
        (T[::-1], Y, "increase"),
        (np.r_[T, np.inf], np.r_[Y, 1.0], "finite"),
        (T, np.where(np.arange(51) == 7, 0.0, Y), "record 7"),
        (T, np.where(np.arange(51) == 7, -2.5, Y), "-2.5"),
        (T, np.where(np.arange(51) == 7, np.nan, Y), "nan"),
        (T, Y[:-1], r"\(50,\)"),
        (T, np.ones((2, 3, 51)), "shape"),
        (T[:, None], Y, "shape"),
        (T, np.random.default_rng(0).random((4, 51)), "8 replicas"),
        (np.array([]), np.array([]), "nothing"),
        (T, ["a"] * 51, "numbers"),
        (T, None, "DataArray"),
    ],
)
def test_bad_data_are_named(t, y, words):
    with pytest.raises(InvalidInputError, match=words):
        fit_exponent(t, y)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"window": (5,)}, "pair"),
        ({"window": (100, 10)}, "low < high"),
        ({"window": (1e7, 1e8)}, "no record"),
        ({"bootstrap": 3}, "bootstrap"),
        ({"bootstrap": 200.5}, "bootstrap"),
        ({"confidence": 1.0}, "confidence"),
        ({"min_decades": -1}, "min_decades"),
        ({"model": ("log",)}, "pair"),
        ({"model": ("log", 1.0), "log_power": 2.0}, "disagree"),
        ({"model": "pure", "log_power": 2.0}, "belongs"),
        ({"log_power": float("nan")}, "log_power"),
    ],
)
def test_bad_options_are_named(options, words):
    with pytest.raises(InvalidInputError, match=words):
        fit_exponent(T, Y, **options)


def test_logarithm_needs_t_above_one():
    t = np.geomspace(1, 1e5, 40)
    with pytest.raises(InvalidInputError, match="t > 1"):
        fit_exponent(t, t**-0.5, model="log")


def test_unknown_names_come_with_the_nearest():
    with pytest.raises(UnknownNameError, match="running_min"):
        fit_exponent(T, Y, statistic="runing_min")
    with pytest.raises(UnknownNameError, match="corrected"):
        fit_exponent(T, Y, model="corected")
    with pytest.raises(TypeError):
        fit_exponent(T, Y, windows=(1, 2))


@pytest.mark.parametrize("scale", [100.0, 10.0, 1.0])
def test_decay_over_hundreds_of_decades_is_refused_without_a_warning(scale):
    t = np.geomspace(1, 1e4, 60)
    y = np.exp(-t / scale) + 1e-300  # warnings are errors here
    with pytest.raises(NoPowerLawError) as caught:
        fit_exponent(t, y)
    assert caught.value.reason in ("exponential", "rounding_floor", "no_window")
