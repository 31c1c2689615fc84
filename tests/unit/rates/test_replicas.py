"""Replicated, fluctuating traces: generator, blocking, noise, running minimum, labelled arrays."""

import numpy as np
import pytest
import xarray as xr

from bn_theory.rates import fit_exponent, local_exponents
from bn_theory.rates.averaging import resample
from bn_theory.rates.blocks import block_means, measure_noise
from bn_theory.rates.data import _running_minimum
from bn_theory.rates.models import whiten, whiten_transposed
from bn_theory.rates.oracle import oracle_width
from bn_theory.rates.synthetic import correlation_to_previous, ou_traces, relative_covariance

T = np.geomspace(100, 1e6, 40)
LAW = 3 * T**-0.5


@pytest.fixture(scope="module")
def traces():
    return ou_traces(LAW, T, 64, np.random.default_rng(3))


def test_generator_has_the_mean_and_covariance_that_it_says():
    t = np.array([100.0, 110.0, 150.0, 400.0])
    law = np.array([4.0, 3.0, 2.0, 1.0])
    replicas = 20_000
    y = ou_traces(law, t, replicas, np.random.default_rng(0))
    exact = relative_covariance(t, 1)
    # standard error of a mean: sqrt(2 / 15 / replicas); 4 of them, four records
    assert np.all(np.abs(y.mean(axis=0) / law - 1) < 4 * np.sqrt(exact[0, 0] / replicas))
    seen = np.cov((y / law).T)
    # a covariance of near-Gaussian variables: (s_ii s_jj + s_ij^2) / replicas, twice for the tails
    allowed = 4 * np.sqrt(2 * (exact[0, 0] ** 2 + exact**2) / replicas)
    assert np.all(np.abs(seen - exact) < allowed)


def test_generator_is_markov_in_its_clock():
    t = np.array([1.0, 4.0, 9.0])
    rho = correlation_to_previous(t, 5.0)
    # sqrt(t) = 1, 2, 3: equal steps of the clock, and corr(1, 9)^2 = (rho_1 rho_2)^2
    assert rho[1] == rho[2] == np.exp(-2 / 5)
    assert relative_covariance(t, 1)[0, 2] == pytest.approx(2 / 15 * (rho[1] * rho[2]) ** 2, rel=1e-14)


def test_whitening_of_a_markov_covariance_is_exact():
    t = np.geomspace(100, 1e4, 12)
    exact = relative_covariance(t, 16)
    scale = np.sqrt(np.diag(exact))

    class Known:
        pass

    Known.scale, Known.rho = scale, np.r_[0.0, np.diag(exact, 1) / (scale[1:] * scale[:-1])]
    start, stop = np.array([0]), np.array([12])
    w = whiten(np.eye(12)[None], Known, start, stop)[0]
    assert np.allclose(w @ exact @ w.T, np.eye(12), atol=1e-12)
    assert np.allclose(whiten_transposed(np.eye(12)[None], Known, start, stop)[0], w.T, atol=1e-12)


def test_interval_covers_and_is_narrow(traces):
    fit = fit_exponent(T, traces)
    assert fit.interval[0] <= -0.5 <= fit.interval[1]
    assert fit.half_width < 0.012  # twice the Cramer-Rao half-width 0.0057
    assert fit.half_width == pytest.approx(np.hypot(fit.stat, fit.sys))
    assert (fit.n_replicas, fit.n_records, fit.statistic) == (64, 40, "mean")


def test_control_a_wrong_exponent_is_outside(traces):
    fit = fit_exponent(T, traces)
    for wrong in (-0.45, -0.55, -0.25, -1.0):
        assert not fit.interval[0] <= wrong <= fit.interval[1]


def test_same_seed_same_fit_other_seed_nearly(traces):
    one, two = fit_exponent(T, traces, seed=1), fit_exponent(T, traces, seed=1)
    assert (one.exponent, one.interval, one.stat) == (two.exponent, two.interval, two.stat)
    other = fit_exponent(T, traces, seed=2)
    assert other.exponent == one.exponent
    # standard deviation of 500 draws: 1 / sqrt(1000) = 3 %, 4 of them and a difference of two
    assert other.stat == pytest.approx(one.stat, rel=4 * np.sqrt(2) / np.sqrt(1000))


def test_order_of_replicas_does_not_matter(traces):
    assert fit_exponent(T, traces[::-1]).exponent == pytest.approx(fit_exponent(T, traces).exponent, abs=1e-10)


def test_units_do_not_matter_with_replicas(traces):
    plain, scaled = fit_exponent(T, traces), fit_exponent(T * 1e-8, traces * 1e8)
    # the polish stops when chi2 gains less than 1e-9 of itself
    assert scaled.exponent == pytest.approx(plain.exponent, abs=1e-5)
    assert scaled.half_width == pytest.approx(plain.half_width, rel=1e-2)


def test_confidence_scales_the_interval(traces):
    wide, narrow = fit_exponent(T, traces, confidence=0.99), fit_exponent(T, traces, confidence=0.68)
    assert wide.half_width > 2 * narrow.half_width


def test_known_and_forced_laws_with_noise(traces):
    for model in ("pure", "corrected", "floor"):
        fit = fit_exponent(T, traces, model=model)
        assert set(fit.models) == {model}
        assert fit.interval[0] <= -0.5 <= fit.interval[1]
    y = traces * np.log(T) ** -0.5
    fit = fit_exponent(T, y, log_power=-0.5)
    assert fit.interval[0] <= -0.5 <= fit.interval[1]
    # and without the logarithm the same data exclude -1/2
    assert fit_exponent(T, y, model="pure").interval[1] < -0.5


def test_burn_in_is_left_out_or_modelled():
    t = np.geomspace(10, 1e6, 50)
    law = t**-0.5 * (1 + 50 * (t / 10) ** -1.7)
    fit = fit_exponent(t, ou_traces(law, t, 128, np.random.default_rng(5)))
    assert fit.interval[0] <= -0.5 <= fit.interval[1]
    assert fit.half_width <= 0.01


def test_data_array_is_read_by_its_names(traces):
    array = xr.DataArray(traces.T, dims=("step", "replica"), coords={"step": T})
    labelled, plain = fit_exponent(array), fit_exponent(T, traces)
    assert labelled.exponent == plain.exponent
    assert labelled.interval == plain.interval
    one_case = array.expand_dims(case=["a"])
    assert fit_exponent(one_case).exponent == plain.exponent
    single = xr.DataArray(LAW, dims="step", coords={"step": T})
    assert abs(fit_exponent(single).exponent + 0.5) < 1e-12
    assert np.allclose(local_exponents(single).value, -0.5)


def test_data_array_without_step_or_with_more_is_refused(traces):
    from bn_theory.errors import InvalidInputError

    with pytest.raises(InvalidInputError, match="step"):
        fit_exponent(xr.DataArray(LAW, dims="t", coords={"t": T}))
    two = xr.DataArray(np.stack([traces, traces]), dims=("case", "replica", "step"), coords={"step": T})
    with pytest.raises(InvalidInputError, match="case"):
        fit_exponent(two)


def test_identical_replicas_are_one_run():
    fit = fit_exponent(T, np.tile(LAW, (4, 1)))
    assert fit.n_replicas == 1
    assert fit.stat == 0.0


def test_blocks_belong_to_their_centre():
    t = np.arange(10.0, 10_001.0)
    centre, mean = block_means(t, np.tile(5 * t**-1.5, (8, 1)))
    # the local slope of a pure law is exact, so is the transport to the centre
    assert np.allclose(mean[0] * centre**1.5, 5.0, rtol=1e-3)
    assert np.all(np.diff(np.log10(centre))[10:] < 0.11)


def test_dense_sampling_gains_nothing_from_more_records():
    t = np.arange(50.0, 1e5 + 1, 50.0)
    y = ou_traces(t**-0.5, t, 64, np.random.default_rng(2))
    dense, half = fit_exponent(t, y), fit_exponent(t[::2], y[:, ::2])
    assert dense.interval[0] <= -0.5 <= dense.interval[1]
    # the noise is correlated over 5 sqrt(t) > 50 steps: every second record holds nearly all there is to know
    assert 0.5 < half.half_width / dense.half_width < 2.0
    assert dense.n_blocks < 40


def test_noise_of_the_mean_is_measured():
    exact = relative_covariance(T, 4000)
    noise = measure_noise(ou_traces(np.ones(40), T, 4000, np.random.default_rng(1)) - 1)
    # seven neighbours, each known to sqrt(2 (1 + kurtosis) / 4000) < 4 %: 4 standard errors of half of that
    assert np.allclose(noise.scale, np.sqrt(np.diag(exact)), rtol=0.06)


def test_resampling_has_the_variance_of_the_mean():
    deviations = np.random.default_rng(0).standard_normal((12, 3))
    deviations -= deviations.mean(axis=0)
    draws = resample(deviations, 20_000, np.random.default_rng(1))
    exact = deviations.var(axis=0, ddof=1) / 12
    assert np.allclose(draws.var(axis=0), exact, rtol=4 * np.sqrt(2 / 20_000) * 1.5)


def naive_fit_of_a_running_minimum(t, y):
    """Least squares of log on log of the running minimum, with the textbook interval: what not to do."""
    x, z = np.log(t), np.log(np.minimum.accumulate(y.mean(axis=0)))
    x = x - x.mean()
    slope = x @ z / (x @ x)
    rest = z - z.mean() - slope * x
    return slope, 1.96 * np.sqrt(rest @ rest / (t.size - 2) / (x @ x))


def test_control_least_squares_on_a_running_minimum_does_not_cover_and_this_fit_does():
    t = np.arange(50.0, 1e5 + 1, 50.0)
    naive, ours, repeats = 0, 0, 20
    for seed in range(repeats):
        y = ou_traces(t**-0.5, t, 64, np.random.default_rng([seed, 11]))
        slope, half = naive_fit_of_a_running_minimum(t, y)
        naive += abs(slope + 0.5) <= half
        fit = fit_exponent(t, y, statistic="running_min", seed=seed)
        ours += fit.interval[0] <= -0.5 <= fit.interval[1]
    # 95 % of 20: fewer than 16 has probability 0.0026 (binomial); the naive one must be far from 95 %
    assert ours >= 16
    assert naive <= 8


def test_running_minimum_where_the_mean_rises_again():
    """A dip: the running minimum stays at the dip until the mean is below it again, and is not biased low."""
    z = np.log(np.array([4.0, 2.0, 1.0, 1.0, 3.0, 3.0, 0.5]))
    expected = np.minimum.accumulate(np.exp(z))
    scale = np.full(7, 0.05)
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(200):
        deviations = rng.standard_normal((64, 7)) * 0.4
        noisy = z + deviations.mean(axis=0)
        out, held = _running_minimum(noisy, deviations - deviations.mean(axis=0), scale)
        errors.append(out - np.log(expected))
        assert held.shape == (64, 7)
    bias = np.mean(errors, axis=0)
    # the smaller of two means of standard error 0.05 is low by 0.05 / sqrt(pi) = 0.028; what is left is
    # within a third of that and four standard errors 0.05 / sqrt(200)
    assert np.all(np.abs(bias) < 0.028 / 3 + 4 * 0.05 / np.sqrt(200))


def test_oracle_is_the_textbook_slope_for_white_noise():
    x = np.log(T)
    width = oracle_width(lambda q, t: q[0] - q[1] * np.log(t), (1.0, 0.5), T, 0.04 * np.eye(40))
    assert width == pytest.approx(2 * 1.959964 * 0.2 / np.sqrt(np.sum((x - x.mean()) ** 2)), rel=1e-6)
