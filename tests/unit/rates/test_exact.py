"""Noise-free laws: recovered to rounding, whatever the units."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bn_theory.rates import fit_exponent, local_exponents

T = np.geomspace(10, 1e6, 51)

LAWS = {
    "pure": lambda t, p: 3 * t**-p,
    "corrected": lambda t, p: 3 * t**-p * (1 + 2 * t**-0.6),
    "floor": lambda t, p: 3 * t**-p + 0.3 * t[-1] ** -p,
    "log": lambda t, p: 3 * t**-p * np.log(t) ** -0.5,
}


@pytest.mark.parametrize("p", [0.05, 0.5, 1.0, 2.0, 3.0])
def test_pure_power_is_exact(p):
    fit = fit_exponent(T, 3 * T**-p)
    # log y carries 1 ulp of |log y| < 42, divided by the lever of 5 decades: far below 1e-10
    assert abs(fit.exponent + p) < 1e-12
    assert fit.half_width < 1e-10
    assert fit.interval[0] <= -p <= fit.interval[1]
    assert fit.amplitude == pytest.approx(3.0, rel=1e-10)
    assert fit.model == "pure"
    assert fit.stat == 0.0
    assert fit.window == (T[0], T[-1])


@pytest.mark.parametrize("forced", [False, True])
@pytest.mark.parametrize("name", list(LAWS))
def test_each_law_is_exact(name, forced):
    fit = fit_exponent(T, LAWS[name](T, 0.5), model=name if forced else "auto")
    # a fitted fourth parameter amplifies an ulp by the condition of the law, below 1e4 here
    assert abs(fit.exponent + 0.5) < 1e-10
    assert fit.half_width < 1e-9
    assert fit.amplitude == pytest.approx(3.0, rel=1e-8)
    assert fit.model == name
    assert sum(fit.models.values()) == pytest.approx(1.0)


@pytest.mark.parametrize("spell", [{"log_power": -0.5}, {"model": ("log", -0.5)}, {"model": "log", "log_power": -0.5}])
def test_known_power_of_the_logarithm(spell):
    fit = fit_exponent(T, 2 * (T * np.log(T)) ** -0.5, **spell)
    assert abs(fit.exponent + 0.5) < 1e-12
    assert fit.amplitude == pytest.approx(2.0, rel=1e-10)


def test_wrong_law_forced_does_not_reach_the_truth():
    fit = fit_exponent(T, LAWS["log"](T, 0.5), model="pure")
    # between t and 1e6 the logarithm adds q / log t > 0.5 / 13.8 = 0.036 to the slope
    assert fit.exponent < -0.53
    assert not fit.interval[0] <= -0.5 <= fit.interval[1]


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    log_c=st.floats(-8, 8),
    log_s=st.floats(-8, 8),
    p=st.floats(0.1, 2.5),
    name=st.sampled_from(["pure", "corrected"]),
)
def test_units_do_not_matter(log_c, log_s, p, name):
    y = LAWS[name](T, p)
    plain = fit_exponent(T, y)
    scaled = fit_exponent(T * 10**log_s, y * 10**log_c)
    # rounding of log t and log y grows with their size, |log| < 60: 60 eps, times the law's condition
    assert abs(scaled.exponent - plain.exponent) < 1e-9
    assert scaled.amplitude == pytest.approx(plain.amplitude * 10**log_c * 10 ** (p * log_s), rel=1e-6)


@pytest.mark.parametrize(
    "name, y, truth",
    [
        ("two corrections", 1 / T * (1 + 2 * T**-0.5 + 3 / T), -1.0),
        ("shifted", (1 + T / 50) ** -2.0, -2.0),
        ("log-periodic", T**-1.5 * (1 + 1e-2 * np.cos(3 * np.log(T) + 1)), -1.5),
        ("log-periodic and corrected", T**-1.02 * (1 + 3 / T) * (1 + 1e-4 * np.cos(4 * np.log(T))), -1.02),
    ],
)
def test_laws_outside_the_list_lie_inside_a_narrow_range(name, y, truth):
    fit = fit_exponent(T, y)
    assert fit.interval[0] <= truth <= fit.interval[1]
    assert fit.half_width < 0.01


@pytest.mark.parametrize("s", [1.0, 0.5, 0.2, 0.02])
def test_quadratic_spectrum_has_the_exponent_of_its_tail(s):
    """``sum_k lambda_k^(1+s) exp(-2 lambda_k eta t)`` with log-spaced ``lambda``: exponent ``-(1 + s)``."""
    lam = np.geomspace(1e-9, 1, 300)
    t = np.unique(np.round(np.geomspace(100, 1e6, 60)))
    y = np.array([np.sum(lam ** (1 + s) * np.exp(-0.6 * lam * x)) for x in t])
    fit = fit_exponent(t, y)
    assert fit.interval[0] <= -(1 + s) <= fit.interval[1]
    assert fit.half_width < 0.005


def test_steep_decay_down_to_1e_minus_12():
    t = np.geomspace(1, 1e6, 60)
    fit = fit_exponent(t, t**-2.0)
    assert abs(fit.exponent + 2) < 1e-12


def test_dense_deterministic_records():
    t = np.arange(1.0, 100001.0)
    fit = fit_exponent(t, 2 * t**-0.5)
    assert abs(fit.exponent + 0.5) < 1e-12
    assert fit.n_records == 100000
    assert fit.n_blocks < 60


def test_running_minimum_of_a_deterministic_run_is_exact():
    y = T**-0.5 * (1 + 0.2 * (np.arange(T.size) % 2))
    expected = fit_exponent(T, np.minimum.accumulate(y))
    assert fit_exponent(T, y, statistic="running_min").exponent == expected.exponent


def test_window_restricts():
    y = np.where(T < 100, 1.0, T**-0.7)
    fit = fit_exponent(T, y, window=(99.0, 1e6))
    assert abs(fit.exponent + 0.7) < 1e-12
    assert fit.window[0] >= 99.0


def test_local_exponents_of_a_corrected_law():
    y = T**-0.5 * (1 + 10 * T**-1.0)
    local = local_exponents(T, y)
    exact = -0.5 - (10 / T) / (1 + 10 / T)
    # a slope over half a decade at 5 records: error h^2/10 of a third derivative below 1, h = 0.58 -> 0.02;
    # at the ends the line is one-sided, first order
    inner = slice(3, -3)
    assert np.all(np.abs(local.value - exact)[inner] < 0.02)
    assert np.all(local.band >= 0)
