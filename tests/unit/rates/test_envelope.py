"""The envelope over a family of losses in two dimensions, against its closed form."""

import numpy as np
import pytest

from bn_theory.errors import InvalidInputError, TruncatedGridError
from bn_theory.rates import envelope, envelope_amplitude

T = np.geomspace(100, 1e5, 40)


def flow(grid, t, theta_0):
    """``|grad|^2 / Delta`` along gradient flow with ``tan theta = tau exp(-lambda t)``, ``eta / G_0 = 1``."""
    tau = np.tan(theta_0) * np.exp(-grid[:, None] * t)
    return 2 * grid[:, None] * tau**2 / ((1 + tau**2) ** 2 * np.sin(theta_0) ** 2)


@pytest.mark.parametrize("theta_0", [0.01, 0.1, 0.7])
def test_exponent_amplitude_and_maximiser(theta_0):
    grid = np.geomspace(1e-8, 1, 400)
    env = envelope(flow(grid, T, theta_0), grid, T)
    # a parabola over cells of h = 0.046 in log lambda: f''' h^3 / 16 < 1.3e-5 in log f at every t
    assert abs(env.exponent + 0.5) < 1e-6
    assert env.half_width < 1e-5
    assert env.amplitude == pytest.approx(envelope_amplitude(theta_0), rel=2e-5)
    assert np.allclose(env.sup * T, envelope_amplitude(theta_0), rtol=2e-5)
    assert env.interval[0] == env.fit.interval[0] / 2
    # lambda t at the maximum is a constant: 1/2 in the flat limit
    assert np.ptp(env.argmax * T) < 1e-2
    if theta_0 == 0.01:
        assert env.argmax[0] * T[0] == pytest.approx(0.5, abs=1e-2)


def test_discrete_steps_approach_the_same_constant():
    """Correction ``1 / t`` of a discrete clock: the amplitude is a limit, not the last value."""
    grid = np.geomspace(1e-8, 1, 400)
    env = envelope(flow(grid, T + 20.0, 0.1), grid, T)
    assert env.amplitude == pytest.approx(envelope_amplitude(0.1), rel=1e-3)
    assert abs(env.exponent + 0.5) < 1e-3
    assert abs(env.sup[0] * T[0] / envelope_amplitude(0.1) - 1) > 0.1


def test_constants():
    assert f"{envelope_amplitude(0.1):.5f}" == "0.36886"
    assert f"{envelope_amplitude(0.7):.5f}" == "0.42754"
    assert envelope_amplitude(0.0) == pytest.approx(np.exp(-1), rel=1e-14)
    x = np.linspace(0.3, 0.9, 200_001)
    tau2 = np.tan(0.7) ** 2
    brute = np.max(2 * x * tau2 * np.exp(-2 * x) / (1 + tau2 * np.exp(-2 * x)) ** 2) / np.sin(0.7) ** 2
    # a grid of step h misses a maximum by at most f'' h^2 / 8 ~ 1e-11
    assert envelope_amplitude(0.7) == pytest.approx(brute, abs=1e-10)


@pytest.mark.parametrize("theta_0", [-0.1, np.pi / 4, 2.0, np.nan])
def test_constant_outside_its_range(theta_0):
    with pytest.raises(InvalidInputError, match="theta_0"):
        envelope_amplitude(theta_0)


@pytest.mark.parametrize("theta_0", [0.1, 0.7])
def test_control_a_grid_cut_below_is_refused(theta_0):
    horizon = T[-1]
    grid = np.geomspace(1 / (1.5 * horizon), 1, 200)
    with pytest.raises(TruncatedGridError) as caught:
        envelope(flow(grid, T, theta_0), grid, T)
    assert caught.value.edge == "low"
    assert T[0] < caught.value.t <= horizon


def test_control_the_cut_of_a_hundredth_at_a_large_rate_is_refused():
    """With a rate of 100 the maximiser moves down by 100 and a grid from 1 / (100 T) no longer holds it."""
    grid = np.geomspace(1 / (100 * T[-1]), 1, 300)
    with pytest.raises(TruncatedGridError) as caught:
        envelope(flow(100 * grid, T, 0.1) / 100, grid, T)
    assert caught.value.edge == "low"


def test_control_a_grid_cut_above_is_refused_and_the_window_can_save_it():
    grid = np.geomspace(1e-9, 1e-3, 300)
    with pytest.raises(TruncatedGridError) as caught:
        envelope(flow(grid, T, 0.1), grid, T)
    assert caught.value.edge == "high"
    assert caught.value.t == pytest.approx(T[0])
    env = envelope(flow(grid, T, 0.1), grid, T, window=(1e3, 1e5), min_decades=1.9)
    assert abs(env.exponent + 0.5) < 1e-6


@pytest.mark.parametrize(
    "values, grid, t, words",
    [
        (np.ones((5, 4)), np.ones(5), np.ones(3), "shape"),
        (np.ones((9, 4)), np.arange(9.0), np.arange(1.0, 5), "grid"),
        (np.ones((3, 4)), np.arange(1.0, 4), np.arange(1.0, 5), "at least 7"),
        (-np.ones((9, 4)), np.arange(1.0, 10), np.arange(1.0, 5), "-1.0"),
        (np.zeros((9, 4)), np.arange(1.0, 10), np.arange(1.0, 5), "no envelope"),
    ],
)
def test_bad_input_is_named(values, grid, t, words):
    with pytest.raises(InvalidInputError, match=words):
        envelope(values, grid, t)
