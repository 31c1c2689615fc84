"""The amplitude law's formulas against an exact covariance recursion."""

import numpy as np
import pytest

from bn_theory import predictions
from bn_theory.dynamics import Power
from bn_theory.errors import InvalidInputError
from bn_theory.losses.facts import Minimum

RNG = np.random.default_rng(5)
ROOT = RNG.normal(size=(4, 4))
MINIMUM = Minimum(np.diag([1.0, 1.3, 1.7, 2.0]), ROOT @ ROOT.T / 4)


def covariance_law(minimum, schedule, G, steps):
    """``E|H x|^2`` at the last step by iterating the exact second moment of ``x <- (I - e H) x + e noise``."""
    H, S = minimum.hessian, minimum.noise
    C, trace = np.zeros_like(H), np.trace(S)
    for eta in schedule.values(0, steps)[0]:
        e = eta / G
        A = np.eye(len(H)) - e * H
        C = A @ C @ A.T + e**2 * S
        G = G + eta**2 * trace / G
    return float(np.trace(H @ C @ H)), eta / G


@pytest.mark.parametrize("alpha", [0.0, 0.25])
def test_closed_form_is_the_limit_of_the_covariance_recursion(alpha):
    steps = 200_000
    found, rate = covariance_law(MINIMUM, Power(3.0, alpha), 6.0, steps)
    law = predictions.amplitude(MINIMUM, alpha) * steps**-0.5
    # corrections: discreteness e max(H)/2, the lag 1/(4 t e min H), and half of the share of G^2 that the start
    # and the first step (9 tr(S)/6) make
    share = (6.0 + 9 * np.trace(MINIMUM.noise) / 6) ** 2 / (3.0 * steps**-alpha / rate) ** 2
    slack = rate * 2 + 1 / (4 * steps * rate) + share / 2
    assert found == pytest.approx(law, rel=2 * slack)
    assert found != pytest.approx(1.05 * law, rel=2 * slack)
    assert found == pytest.approx(float(predictions.gradient(MINIMUM, rate)), rel=2 * slack)


def test_amplitude_by_hand_and_outside_its_range():
    minimum = Minimum(np.diag([1.0, 3.0]), np.diag([0.5, 0.25]))
    # tr S = 0.75, tr HS = 1.25, alpha = 1/4: sqrt(1/2) * 1.25/(2 sqrt(1.5))
    assert predictions.amplitude(minimum, 0.25) == pytest.approx(np.sqrt(0.5) * 1.25 / (2 * np.sqrt(1.5)))
    for alpha in (-0.1, 0.5, 0.7):
        with pytest.raises(InvalidInputError, match="alpha"):
            predictions.amplitude(minimum, alpha)


def test_effective_rates_follow_the_recursion_and_take_replicas():
    schedule = Power(2.0, 0.3)
    rates = predictions.effective_rates(MINIMUM, schedule, 1.5, 3, 8)
    G, trace = 1.5, np.trace(MINIMUM.noise)
    for k, t in enumerate(range(3, 8)):
        eta = 2.0 * (t + 1) ** -0.3
        assert rates[k] == pytest.approx(eta / G, rel=1e-14)
        G += eta**2 * trace / G
    many = predictions.effective_rates(MINIMUM, schedule, np.array([1.5, 4.0]), 3, 8)
    assert many.shape == (2, 5)
    assert many[0] == pytest.approx(rates, rel=1e-15)
    assert predictions.summed_rates(MINIMUM, schedule, np.array([1.5, 4.0]), 3, 8) == pytest.approx(many.sum(axis=1))


def test_the_sum_of_rates_is_that_of_the_recursion():
    schedule, starts = Power(3.0, 0.2), np.array([0.5, 2.0, 40.0])
    every = predictions.effective_rates(MINIMUM, schedule, starts, 10, 30_000)
    assert predictions.summed_rates(MINIMUM, schedule, starts, 10, 30_000) == pytest.approx(every.sum(axis=1), rel=1e-5)


def test_blocks_of_the_recursion_agree_with_single_steps():
    schedule, G, trace = Power(3.0, 0.2), 2.0, np.trace(MINIMUM.noise)
    rates = predictions.effective_rates(MINIMUM, schedule, G, 0, 30_000)
    for t, eta in enumerate(schedule.values(0, 30_000)[0]):
        if t % 2999 == 0:
            assert rates[t] == pytest.approx(eta / G, rel=2e-5)  # 1 % of 0.25 %
        G += eta**2 * trace / G


def test_relaxation_leaves_overshooting_steps_out():
    assert predictions.relaxation(MINIMUM, [0.1, 0.2]) == pytest.approx(0.3)
    assert predictions.relaxation(MINIMUM, [50.0, 0.1, 0.2]) == pytest.approx(0.3)


def test_lag_is_what_the_covariance_recursion_shows():
    # a slow process: e falls like t^-1/2 with few relaxations, so that the lag is the leading correction
    minimum = Minimum(np.diag([1.0, 1.0]), np.eye(2))
    t = np.arange(2000, 20000)
    rates = 0.2 * t**-0.5
    c, summed = rates[0] / 2, 0.0
    for e in rates:
        summed += c
        c = (1 - e) ** 2 * c + e**2
    adiabatic = np.sum(predictions.gradient(minimum, rates)) / 2  # tr(HS)/2 = 1 for two directions, one here
    lag = predictions.adiabatic_lag(minimum, rates)
    measured = summed / adiabatic - 1
    # the start is adiabatic, so at most the first relaxation lacks the lag; discreteness adds e/2
    assert 0.5 * lag <= measured <= 1.2 * lag + rates[0]
