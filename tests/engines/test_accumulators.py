"""What is accumulated inside the loop, and the exact laws of single runs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import buffer, direction, numbers, with_buffers

import bn_theory as bn
from bn_theory.dynamics.methods import RATE, RESCALING

EPS = np.finfo(float).eps
STEPS = 120


def with_group(array):
    """The group axis put back where there is one group."""
    return array if "group" in array.dims else array.expand_dims(group=1, axis=-1)


def test_sum_step2_is_the_squared_length_of_the_steps(loss_and_method, engine, points):
    """Against states of runs that stop one step later each: ``|w_{t+1} - w_t|**2``, before any rescaling."""
    loss, make = loss_and_method
    method = make(0.3, 0.25)
    start = points(loss, loss.cases or 1, 2)
    result = bn.run(loss, method, start, steps=6, replicas=2, seed=4, record="all", engine=engine)
    total = {g: 0.0 for g in loss.groups}
    state, buffers = start, {n: b for n, b in with_buffers(loss, method, start).items() if n not in start}
    for t in range(6):
        sample = {n: z for n, z in loss.draw(4, np.arange(2), t).items()} if method.sampled else None
        _, full, sampled = loss.evaluate(state, sample)
        eta = {c: values[0] for c, values in numbers(loss, method, t, t + 1).items()}
        followed, new = direction(loss, method, state | buffers, sampled if method.sampled else full, eta)
        buffers = {buffer(n): b / eta.get((RESCALING, n), 1.0) for n, b in new.items()}
        for g in loss.groups:
            total[g] = total[g] + eta[RATE, g][..., 0] ** 2 * np.sum(followed[g] ** 2, axis=-1)
        after = bn.run(loss, method, start, steps=t + 1, replicas=2, seed=4, engine="numpy")
        state = {n: after[f"final_{n}"].values if loss.cases else after[f"final_{n}"].values[None] for n in state}
        for i, g in enumerate(loss.groups):
            found = with_group(result.sum_step2).isel(step=t + 1, group=i).values
            # t steps of the same formula: a few dozen roundings, conditioned to 1e3 at most over six steps
            assert np.allclose(found, total[g] if loss.cases else total[g][0], rtol=1e5 * EPS, atol=0)


def test_norm_growth(zoo, engine, rounding):
    """G_t = G_0 + sum of squared steps, for every group of every scale-invariant loss, at every record.

    One step errs by what the gradient's rounding adds along w (2 eta |w| |error|), and the norm itself by
    (d + 4) eps; both are summed over the steps.
    """
    for name, sampled in (
        ("rayleigh_signs", True),
        ("bilinear_signs", True),
        ("least_squares_bn_signs", True),
        ("rayleigh_gaussian", True),
        ("rayleigh", False),
        ("odd_powers", False),
        ("two_axes", False),
    ):
        loss = zoo(name)
        method = bn.SGD(lr=0.5, decay=0.25) if sampled else bn.GD(lr=0.5)
        result = bn.run(loss, method, steps=STEPS, replicas=2, record="all", engine=engine)
        norm2, steps2 = with_group(result.norm2), with_group(result.sum_step2)
        for i, g in enumerate(loss.groups):
            G, S = norm2.isel(group=i), steps2.isel(group=i)
            d = loss.dimensions[g]
            # |grad| <= 10 here, computed to about (d + 20) eps: along w it adds 2 * 0.5 * 10 (d + 20) eps a step
            per_step = (10 * (d + 20) + (d + 4)) * EPS * G.max()
            assert np.all(np.abs(G - G.isel(step=0) - S) <= STEPS * per_step), (name, g)
            assert np.all(G.diff("step") >= -per_step)
            assert float(G.isel(step=-1).min()) > 1.001  # it grew


def test_projected_methods_keep_the_norm(zoo, engine):
    for name in ("rayleigh_signs", "bilinear_signs", "least_squares_bn_signs"):
        loss = zoo(name)
        result = bn.run(loss, bn.SGD(lr=5.0, projected=True), steps=STEPS, replicas=2, record="all", engine=engine)
        drift = np.abs(result.norm2 - result.norm2.isel(step=0))
        # a scaling by a rounded ratio: (d + 4) eps a step, they add up at worst
        assert np.all(drift <= STEPS * 10 * EPS)
        assert np.all(result.sum_step2.isel(step=-1) > 0.1)
    for name in ("least_squares_bn", "two_axes"):
        loss = zoo(name)
        result = bn.run(loss, bn.GD(lr=5.0, projected=True), steps=STEPS, record="all", engine=engine)
        assert np.all(np.abs(result.norm2 - result.norm2.isel(step=0)) <= STEPS * 10 * EPS)


def test_projection_leaves_scale_variant_groups_alone(zoo, engine):
    """A loss without any invariant group runs projected as it runs plain."""
    loss = zoo("inside")
    one = bn.run(loss, bn.SGD(lr=0.1), steps=20, replicas=2, engine=engine)
    other = bn.run(loss, bn.SGD(lr=0.1, projected=True), steps=20, replicas=2, engine=engine)
    for name in one.data_vars:
        # two generated loops of the same law
        assert np.allclose(one[name], other[name], rtol=1e4 * EPS, atol=1e4 * EPS), name


@given(exponent=st.floats(-8, 8), rate=st.floats(1e-2, 1e2), seed=st.integers(0, 2**64 - 1))
def test_scaling_the_start_by_c_and_the_rate_by_c_squared(zoo, exponent, rate, seed):
    """Only eta/|w|**2 matters: directions, losses and gradient norms are the same."""
    c = 2.0 ** round(exponent / np.log10(2.0))  # a power of two scales without rounding
    loss = zoo("rayleigh_signs")
    start = np.array([0.3, -0.5, 0.1, 0.7, 0.2])
    one = bn.run(loss, bn.SGD(lr=rate), start=start, steps=60, seed=seed)
    other = bn.run(loss, bn.SGD(lr=rate * c**2), start=c * start, steps=60, seed=seed)
    # exact in every operation: nothing but exponents changes
    assert np.array_equal(one.loss, other.loss)
    assert np.array_equal(one.grad_norm2, other.grad_norm2)
    assert np.array_equal(one.final_w * c, other.final_w)
    assert np.allclose(one.effective_lr, other.effective_lr, rtol=4 * EPS, atol=0)


def test_gradient_norm_is_that_at_unit_norm(zoo, engine):
    """With parameters counted as they are, whatever the norm of the weights."""
    loss = zoo("least_squares_bn")
    w = np.array([0.3, -0.5, 0.8])
    reference = loss.gradient({"w": w / np.linalg.norm(w), "gamma": 0.7})
    expected = np.sum(reference["w"] ** 2) + reference["gamma"] ** 2
    for scale in (1e-6, 1.0, 1e6):
        result = bn.run(loss, bn.GD(lr=1e-3), {"w": scale * w, "gamma": 0.7}, steps=1, engine=engine)
        # some 50 operations
        assert np.allclose(result.grad_norm2[0, 0], expected, rtol=100 * EPS, atol=0)


def test_gradient_norm_of_a_scale_variant_group_is_plain(zoo, engine):
    loss = zoo("quadratic")
    w = np.array([3.0, -0.5, 0.8, 1.0, 2.0])
    result = bn.run(loss, bn.GD(lr=1e-3), w, steps=1, engine=engine)
    expected = np.sum((loss.data["a"] * w) ** 2)
    assert np.allclose(result.grad_norm2[0, 0], expected, rtol=20 * EPS, atol=0)


def test_gd_of_a_noisy_loss_follows_the_full_loss(zoo, engine):
    noisy = bn.run(zoo("rayleigh_signs"), bn.GD(lr=0.3), start=np.ones(5), steps=30, engine=engine)
    plain = bn.run(zoo("rayleigh"), bn.GD(lr=0.3), start=np.ones(5), steps=30, engine=engine)
    for name in plain.data_vars:
        # contraction: 30 steps of 50 roundings
        assert np.allclose(noisy[name], plain[name], rtol=30 * 50 * 100 * EPS, atol=30 * 50 * EPS), name


def test_sgd_without_noise_is_gd(zoo, engine):
    one = bn.run(zoo("rayleigh"), bn.SGD(lr=0.3), start=np.ones(5), steps=30, engine=engine)
    other = bn.run(zoo("rayleigh"), bn.GD(lr=0.3), start=np.ones(5), steps=30, engine=engine)
    for name in one.data_vars:
        assert np.allclose(one[name], other[name], rtol=30 * 50 * 100 * EPS, atol=30 * 50 * EPS), name


def test_effective_rate(zoo, engine):
    result = bn.run(zoo("rayleigh_signs"), bn.SGD(lr=[0.3, 2.0], decay=0.5), steps=50, engine=engine)
    for case, rate in enumerate((0.3, 2.0)):
        expected = rate / np.sqrt(result.step.values + 1) / result.norm2.isel(case=case, replica=0).values
        assert np.allclose(result.effective_lr.isel(case=case, replica=0), expected, rtol=8 * EPS, atol=0)


@pytest.mark.parametrize("rate", [1e-2, 1.0, 1e2])
def test_explicit_solution_in_two_dimensions(engine, rate):
    """Half a quotient with eigenvalues 0 and 1: one step in closed form, iterated."""
    result = bn.run(bn.rayleigh([0.0, 1.0]), bn.GD(lr=rate), start=[1.0, 1.0], steps=20, record="all", engine=engine)
    x, y = 1.0, 1.0
    for t in range(20):
        G = x * x + y * y
        assert np.allclose(result.norm2[0, t], G, rtol=1e3 * EPS, atol=0)
        quotient = y * y / G
        x, y = x + rate * quotient * x / G, y - rate * (1 - quotient) * y / G
