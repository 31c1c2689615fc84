"""Decay and its equivalent schedule, run by the engines: every schedule x momentum x decay, and schedules at random."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bn_theory as bn
from bn_theory.theorems.evidence import CONTRADICTED, SUPPORTED
from bn_theory.theorems.li2020 import pairs
from bn_theory.theorems.statement import Settings

STEPS = 150
LR = 0.4
EPS = np.finfo(float).eps
SCHEDULES = {
    "constant": bn.Constant(LR),
    "power": bn.Power(LR, 0.3),
    "step decay": bn.StepDecay(LR, {50: 0.3, 100: 0.1}),
    "cosine": bn.Cosine(LR, STEPS),
    "warm-up": bn.Warmup(bn.Cosine(LR, STEPS, floor=0.01), 30),
    "polynomial": bn.Polynomial(LR, STEPS, 2.0),
    "exponential": bn.Exponential(LR, 0.99),
    "TEXP": bn.texp_schedule([LR / 4, LR / 10], [STEPS // 2], 1e-3, 0.5, steps=STEPS),
    "table": bn.Table(LR * (1 + np.sin(np.arange(STEPS) / 7)) / 2),
}


@pytest.fixture(scope="module")
def noisy():
    return bn.with_linear_noise(bn.rayleigh(np.linspace(0.0, 1.0, 16)), 0.3)


def pair(loss, given_, engine, equivalent=None):
    found = equivalent or given_.equivalent()
    options = Settings(engine=engine)
    decayed, free = given_.decayed(loss), pairs.free(loss, found)
    return pairs.equal(given_.name, loss, decayed, free, found.log_p, options, steps=given_.steps, replicas=3)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
@pytest.mark.parametrize(("engine", "decay"), [("numba", 1e-4), ("numba", 6e-3), ("numpy", 6e-3)])
def test_grid(noisy, engine, schedule, momentum, decay):
    """The bound is that of the statements: rounding times the run's own amplification. The wrong exponent breaks it."""
    one = pairs.Schedules(schedule, SCHEDULES[schedule], decay, momentum, STEPS)
    found = pair(noisy, one, engine)
    assert found.verdict == SUPPORTED, found
    assert found.details["bound_of_directions"] < 1e-9  # the bound says something
    wrong = pair(noisy, one, engine, pairs.with_rate_exponent_2t(one.equivalent()))
    assert wrong.verdict == CONTRADICTED


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_schedules_at_random(noisy, data):
    """Any rates, decays and momenta whose ``p_t`` stay positive, rates of 0 among them; others are refused."""
    steps = data.draw(st.integers(2, 40))
    values = {
        "lr": st.one_of(st.just(0.0), st.floats(1e-3, 1.0)),
        "weight_decay": st.floats(0.0, 0.02),
        "momentum": st.floats(0.0, 0.95),
    }
    drawn = {n: bn.Table(data.draw(st.lists(s, min_size=steps, max_size=steps))) for n, s in values.items()}
    one = pairs.Schedules("random", **drawn, steps=steps)
    try:
        equivalent = one.equivalent()
    except bn.InvalidInputError as error:
        assert "is not positive" in str(error)
        return
    found = pair(noisy, one, "numba", equivalent)
    assert found.verdict == SUPPORTED, found


def test_array_functions(zoo, points):
    """Losses given as functions: the same law in the readable engine, noise that mixes coordinates."""
    loss = zoo("rayleigh_dense_noise")
    one = pairs.Schedules("cosine", bn.Cosine(LR, STEPS), 5e-3, 0.9, STEPS)
    start = {n: x[0] for n, x in points(loss, 1, 3).items()}
    methods = [one.decayed(loss), pairs.free(loss, one.equivalent())]
    methods.append(pairs.free(loss, pairs.with_rate_exponent_2t(one.equivalent())))
    runs = [bn.run(loss, m, start, steps=STEPS, replicas=3) for m in methods]
    w = [r.final_w.values / np.linalg.norm(r.final_w.values, axis=-1, keepdims=True) for r in runs]
    # 150 steps of some 100 roundings, amplified by 10 at most (noise around a minimum contracts), two runs
    assert np.max(np.abs(w[1] - w[0])) <= 2 * STEPS * 100 * 10 * EPS
    assert np.max(np.abs(w[2] - w[0])) > 1e-5


def test_the_rounding_of_units_is_nothing(noisy, engine):
    """Units that change after every factor of 2: powers of two, so that every direction is that in fixed units."""
    found = bn.equivalent_schedule(bn.Constant(LR), 6e-3, 0.9, steps=STEPS)
    rescaled = found.rescaled(bits=1)
    assert len(rescaled.steps_with_rescaling) >= 5
    # the same rates but for the units, exactly
    rates = np.ldexp(rescaled.lr, 2 * rescaled.log2_scale[:-1])
    runs = [
        bn.run(noisy, m, steps=STEPS, replicas=3, engine=engine, record="all")
        for m in (
            bn.SGD(bn.Table(rates), momentum=0.9),
            bn.SGD(bn.Table(rescaled.lr), momentum=0.9, rescaling=bn.Table(rescaled.factors)),
        )
    ]
    for name in ("loss", "grad_norm2"):
        assert np.array_equal(runs[0][name], runs[1][name]), name
    assert np.array_equal(runs[0].norm2, np.ldexp(runs[1].norm2.values, 2 * rescaled.log2_scale))


def test_a_million_steps(noisy):
    """``log p`` goes to -10000: ``p`` and the rates are beyond float64, the directions those of the run with decay."""
    one = pairs.Schedules("long", 0.4, 2.5e-3, 0.9, 10**6)
    equivalent = one.equivalent()
    assert equivalent.p[-1] == 0 and np.isinf(equivalent.lr[-1]) and np.all(np.isfinite(equivalent.log_lr))
    found = pair(noisy, one, "numba", equivalent)
    assert found.verdict == SUPPORTED
    # the log of the rate is 22378 to a rounding, 4e-12: that much the rates, and what they do to a step, may be off
    assert found.details["distance_of_directions"] < 1e-11
    wrong = replace(equivalent, eta=equivalent.eta * (1 + 1e-3))
    assert pair(noisy, one, "numba", wrong).verdict == CONTRADICTED
