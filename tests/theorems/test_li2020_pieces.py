"""What the statements on exponential rates are built of: the comparison of two runs, the toy's trap, stationarity."""

from dataclasses import replace

import mpmath
import numpy as np
import pytest

import bn_theory as bn
from bn_theory.theorems.evidence import CONTRADICTED, INCONCLUSIVE, SUPPORTED
from bn_theory.theorems.li2020 import equilibrium, pairs, toy
from bn_theory.theorems.statement import Settings

SETTINGS = Settings()
STEPS = 400


@pytest.fixture(scope="module")
def loss():
    return pairs.losses(SETTINGS)["rayleigh"]


def compared(loss, factor):
    """A run against its equivalent one whose rates are wrong by a factor."""
    given = pairs.Schedules("", bn.Cosine(0.5, STEPS, floor=0.05), 4e-3, 0.9, STEPS)
    found = given.equivalent()
    wrong = replace(found, eta=found.eta * factor)
    return pairs.equal("", loss, given.decayed(loss), pairs.free(loss, wrong), found.log_p, SETTINGS, steps=STEPS)


def test_two_runs_are_told_apart_at_ten_digits(loss):
    """The bound is not so wide that it would take anything: rates off by 1e-10 are seen, off by a rounding are not."""
    assert compared(loss, 1.0).verdict == SUPPORTED
    assert compared(loss, 1.0 + np.finfo(float).eps).verdict == SUPPORTED
    assert compared(loss, 1.0 + 1e-10).verdict == CONTRADICTED
    assert compared(loss, 1.0 - 1e-10).verdict == CONTRADICTED


@pytest.mark.parametrize("what", ["loss_over_bound", "grad_norm2_over_bound", "directions_over_bound"])
def test_each_of_the_three_comparisons_sees_it_by_itself(loss, what):
    """Rates off by 1e-7: each moves by some 1e-8 of itself, against bounds of 1e-11 and less."""
    assert compared(loss, 1.0 + 1e-7).details[what] > 100
    assert compared(loss, 1.0).details[what] < 0.1


def test_slow_steps_are_few():
    """Only the start of a warm-up and the end of a cosine count as not moving: else nothing would be compared."""
    given = pairs.Schedules("", bn.Warmup(bn.Cosine(0.5, STEPS), 20), 4e-3, 0.9, STEPS)
    loss = pairs.losses(SETTINGS)["rayleigh"]
    run = bn.run(loss, given.decayed(loss), steps=STEPS, replicas=8, record="all")
    phi = run.effective_lr.values
    assert np.mean(phi < pairs.SLOW * phi.max(axis=-1, keepdims=True)) < 1 / 3


def test_what_is_compared_is_what_is_judged(loss):
    given = pairs.Schedules("", 0.3, 4e-3, 0.0, 50)
    schedule = given.equivalent()
    arguments = loss, given.decayed(loss), pairs.free(loss, schedule), schedule.log_p, SETTINGS
    found = pairs.compare(*arguments, steps=50, replicas=3)
    assert found.t.tolist() == list(range(51))
    one, two = found.runs["loss"]
    assert one.shape == two.shape == found.bounds["loss"].shape == (3, 51)
    np.testing.assert_array_equal(found.difference("loss"), np.abs(one - two))
    assert 0 < found.difference("loss").max() <= found.bounds["loss"].max() < 1e-9
    assert pairs.judged("x", found) == pairs.equal("x", *arguments, steps=50, replicas=3)
    # one record of one replica that is too far off is enough
    far = two + 2 * found.bounds["loss"] * (np.arange(51) == 7) * (np.arange(3) == 1)[:, None]
    wrong = replace(found, runs={**found.runs, "loss": (one, far)})
    assert pairs.judged("x", wrong).verdict == CONTRADICTED


def test_the_amplification_is_linear(loss):
    """Added noise of half the size: half the deviation, so that it may be scaled down to rounding."""
    method = bn.SGD(0.3, momentum=0.9, weight_decay=4e-3)
    runs = [
        bn.run(other, method, steps=STEPS, replicas=8).loss.values
        for other in (loss, *(pairs.jittered(loss, factor * pairs.JITTER) for factor in (1.0, 0.5)))
    ]
    whole, half = (np.max(np.abs(run - runs[0])) for run in runs[1:])
    # the second order is of the relative size of the deviation, 1e-9 times the amplification
    assert half == pytest.approx(whole / 2, rel=1e-4)


def test_the_added_noise_leaves_the_other_bits_alone(loss):
    method = bn.SGD(0.3, weight_decay=4e-3)
    one, other = (
        bn.run(x, method, start=np.ones(16), steps=50, replicas=4) for x in (loss, pairs.jittered(loss, 1e-300))
    )
    # what is added vanishes in rounding; the compiled sums are another loop's
    assert np.max(np.abs(one.final_w.values - other.final_w.values)) < 1e-12


@pytest.mark.parametrize(("eta", "decay"), [(0.5, 0.1), (0.5, 0.02), toy.TRAP])
def test_the_lowest_x_in_many_digits(eta, decay):
    """Against the plain recursion of (x, y) with a thousand digits, up to and beyond the first minimum."""
    steps = 2500
    with mpmath.workdps(1000):
        eta_, decay_ = mpmath.mpf(eta), mpmath.mpf(decay)
        x = y = mpmath.mpf(1)
        lowest = mpmath.mpf(1)
        for _ in range(600 if (eta, decay) != toy.TRAP else steps):
            r2 = x * x + y * y
            gx, gy = 2 * x * y * y / r2**2, -2 * x * x * y / r2**2
            x, y = x - eta_ * (gx + decay_ * x), y - eta_ * (gy + decay_ * y)
            lowest = min(lowest, abs(x))
        expected = float(mpmath.log(lowest))
    found = toy.lowest_log(eta, decay, steps=600 if (eta, decay) != toy.TRAP else steps)
    # the dynamics amplifies rounding of float64 after the first return; what is asked is an order of magnitude
    assert found == pytest.approx(expected, rel=0.05, abs=1.0)


@pytest.mark.parametrize(("factor", "repelled"), [(0.99, False), (1.01, True)])
def test_the_minimum_repels_above_an_effective_rate(factor, repelled):
    """One step beside it, at a norm whose effective rate is just below and just above."""
    x, y = 1e-9, np.sqrt(toy.RATE / (factor * toy.repels_above(toy.RATE, toy.DECAY)))
    after = toy.run(SETTINGS, toy.quotient(), toy.RATE, toy.DECAY, (x, y), 1).final_w.values[0]
    assert (abs(after[0] / after[1]) > x / y) == repelled


def test_the_trap_is_found_before_the_run_and_after():
    loss = toy.quotient()
    assert "falls to e^-1968" in toy.underflows(*toy.TRAP)
    run = toy.run(SETTINGS, loss, *toy.TRAP)
    stopped = toy.accident(run)
    assert 0 < stopped < toy.STEPS // 2 and run.loss.values[0, stopped - 1] > 0
    assert toy.settles("", run).verdict == INCONCLUSIVE
    assert toy.settles("", run, converges_from=0).verdict == SUPPORTED
    assert toy.underflows(toy.RATE, toy.DECAY) is None
    assert toy.accident(toy.run(SETTINGS, loss, toy.RATE, toy.DECAY)) is None


def test_a_run_too_short_for_its_autocorrelation_decides_nothing():
    c = equilibrium.Configuration(1.0, 0.1, 0.0)
    values = np.full(equilibrium.REPLICAS, 1.0)
    found = equilibrium.Stationary(values, values, values, values, values, time=100.0, length=10.0)
    assert equilibrium.norm_claim("", c, found).verdict == INCONCLUSIVE


def test_a_crossing():
    t = np.arange(0, 1000, 5)
    assert equilibrium._crossing(t, 9 * np.exp(-t / 100), 0.1) == pytest.approx(100 * np.log(90), rel=1e-10)


@pytest.mark.parametrize(("factor", "verdict"), [(1.0, SUPPORTED), (0.5, CONTRADICTED)])
def test_relaxation_is_the_mean_time_of_the_batches_over_the_predicted_one(factor, verdict):
    """Batches that relax as exp(-t/tau) from 9, at different speeds: each is within 0.1 after tau log 90."""
    t, tau = np.arange(0.0, 1000.0), np.array([98.0, 99.5, 100.0, 100.5, 102.0])
    predicted = factor * 100 * np.log(90)
    relaxed = equilibrium.Relaxed(t, 9 * np.exp(-t / tau[:, None]), predicted)
    found = equilibrium.relaxation_claim("", relaxed)
    # between records the crossing is interpolated, to the square of a step over tau
    assert found.details["measured_steps"] == pytest.approx(100 * np.log(90), rel=1e-4)
    assert found.measured == pytest.approx(1 / factor, rel=1e-4)
    assert found.verdict == verdict
