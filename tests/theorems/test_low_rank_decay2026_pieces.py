"""What the statements on low-rank decay are built of, tried on cases that are right and wrong."""

import math

import mpmath
import numpy as np
import pytest

import bn_theory as bn
from bn_theory import low_rank_decay as lrd
from bn_theory.theorems.evidence import CONTRADICTED, SUPPORTED
from bn_theory.theorems.low_rank_decay2026 import adam, identity, iterations, matrices, run
from bn_theory.theorems.statement import Settings

SETTINGS = Settings()
CASES = matrices.cases(SETTINGS)
ONE = CASES["tall 15 x 6, no. 1"]


# --- rounding ---


def test_the_cases_are_what_their_names_say():
    for name, W in CASES.items():
        rank = np.count_nonzero(lrd.singular_values(W))
        assert rank == (3 if "rank 3" in name else min(W.shape)), name
        if name.startswith("graded"):
            s = lrd.singular_values(W)
            assert s[0] / s[-1] == pytest.approx(100, rel=1e-10)
    np.testing.assert_allclose(lrd.singular_values(matrices.orthogonal(SETTINGS)), 2.0, rtol=1e-13)
    full = matrices.cases(Settings("full"))
    assert set(CASES) < set(full) and len(full) == 4 * len(CASES)


def test_other_seeds_have_other_matrices():
    other = matrices.cases(Settings(seed=1))
    assert not any(np.array_equal(CASES[name], other[name]) for name in CASES)


def test_a_decomposition_errs_by_less_than_rho_and_not_by_nothing():
    """Against 40 digits."""
    with mpmath.workdps(40):
        for W in list(CASES.values())[:4]:
            exact = sorted((float(x) for x in mpmath.svd_r(mpmath.matrix(W.tolist()), compute_uv=False)), reverse=True)
            error = np.max(np.abs(np.linalg.svd(W, compute_uv=False) - exact))
            assert error <= matrices.rho(W) * np.linalg.norm(W) / 4


@pytest.mark.parametrize("rank", ["stable_rank", "effective_rank"])
def test_how_far_ranks_move(rank):
    """First order: a movement of all singular values at once that is as bad as it can be meets the bound."""
    function, bound = getattr(lrd, f"{rank}_of"), getattr(matrices, f"{rank}_rounding")
    rng, moved = np.random.default_rng(0), 1e-6
    for _ in range(50):
        s = np.sort(rng.uniform(0.2, 2, 5))[::-1]
        signs = np.array(np.meshgrid(*[[-1, 1]] * 5)).reshape(5, -1).T
        worst = max(abs(function(s + moved * sign) - function(s)) for sign in signs)
        # up to second order; the stable rank's bound takes all signs at their worst, which its largest value has twice
        assert worst <= bound(s, moved) * (1 + 1e-4)
        assert bound(s, moved) <= (1.01 if rank == "effective_rank" else 3) * worst


# --- the claims ---


def test_lowers_needs_a_fall_above_rounding():
    assert identity.lowers("", [(1e-3, 1e-9), (1e-6, 1e-9)]).verdict == SUPPORTED
    assert identity.lowers("", [(1e-3, 1e-9), (1e-10, 1e-9)]).verdict == CONTRADICTED
    assert identity.lowers("", [(1e-3, 1e-9), (0.0, 1e-9)]).verdict == CONTRADICTED
    assert identity.lowers("", [(-1e-3, 1e-9)]).measured == math.inf
    assert identity.lowers("", [(1e-3, math.nan), (1e-3, 1e-9)]).verdict == CONTRADICTED


@pytest.mark.parametrize("relative", [1e-10, -1e-10])
def test_radial_decay_is_told_from_a_factor_that_is_off_by_1e_10(relative):
    factor = 1 - identity.RATE * identity.DECAY
    assert max(identity.radial(ONE)) < 1
    assert identity.radial(ONE, factor * (1 + relative))[0] > 1


def test_the_tangential_part_is_told_from_one_that_is_not_orthogonal():
    assert identity.orthogonal_part(ONE) < 0.1
    assert identity.orthogonal_part(ONE, squared=False) > 1e6
    # of Frobenius norm 1 both are the same: the control would not see it
    assert identity.orthogonal_part(ONE / np.linalg.norm(ONE), squared=False) < 1


def test_the_square_of_the_tangential_part_is_told_from_one_that_is_off_by_1e_10():
    for W in CASES.values():
        assert max(identity.across_square(W)) < 0.1
        # the square is (sum s)^2/sum s^2 = 2 and more, and moves by 1e-10 of that
        assert identity.across_square(W, extra=1e-10)[0] > 1 and identity.across_square(W, power=2 + 1e-9)[0] > 1


def test_low_rank_steps_are_told_from_ones_of_another_size(monkeypatch):
    assert identity.low_rank_spectrum(ONE, 0.3) < 0.1
    right = lrd.low_rank_values
    monkeypatch.setattr(lrd, "low_rank_values", lambda s, rate, *rest: right(s, rate * (1 + 1e-10), *rest))
    assert identity.low_rank_spectrum(ONE, 0.3) > 1


def test_a_function_that_is_not_scale_invariant_is_seen():
    W = np.random.default_rng(0).normal(size=(2, 3))
    loss = bn.rayleigh(np.linspace(0, 1, 6))
    after = lrd.radial_step(W, identity.RATE, identity.DECAY)
    assert identity.change(loss, W, after) < 1
    assert identity.change(loss.unnormalised, W, after) > 1e6


# --- runs ---


@pytest.mark.parametrize("part", [0.8, 1.7])
def test_low_rank_runs_follow_their_form_and_no_other(part):
    amount = run.taken(ONE, part, -1)
    assert run.low_rank_error(ONE, amount) < 0.1
    assert run.low_rank_error(ONE, amount, lambda s, a, d, T: lrd.low_rank_values(s, a, d, T + 1)) > 1e6
    assert run.radial_error(ONE, amount) < 0.1
    assert run.radial_error(ONE, amount, lambda s, a, d, T: lrd.radial_values(s, a, d, T - 1)) > 1e6


def test_iterations_are_told_apart_at_ten_digits(monkeypatch):
    assert max(iterations.iteration_error(ONE, k) for k in range(12)) < 0.1
    assert iterations.iteration_error(ONE, 3, 1) > 1e6
    right = lrd.newton_schulz
    monkeypatch.setattr(lrd, "newton_schulz", lambda W, k: right(W, k) * (1 + 1e-10))
    assert iterations.iteration_error(ONE, 3) > 1


def test_the_rounding_of_iterations_grows_as_small_values_do():
    s = np.array([1.0, 1e-4])
    few, many = (iterations.rounding_of_iterations(s, (2, 2), k) for k in (1, 12))
    assert 1.4**11 < many / few < 1.6**12
    # and stops growing once the values have arrived
    assert iterations.rounding_of_iterations(s, (2, 2), 60) < 3 * iterations.rounding_of_iterations(s, (2, 2), 40)


def test_decay_by_iterations_is_told_from_decay_by_one_more():
    amount = 0.02 * float(lrd.singular_values(ONE)[0])
    assert iterations.approximate_error(ONE, amount, 6) < 0.1
    assert iterations.approximate_error(ONE, amount, 6, 7) > 1e4


def test_an_error_expands_by_no_more_than_is_allowed():
    """Two nearby matrices under the same steps by iterations: their distance against the recursion of the bound."""
    rng = np.random.default_rng(3)
    for shape, amount in (((4, 4), 0.03), ((5, 3), 0.1)):
        W = rng.normal(size=shape)
        other = W + 1e-7 * rng.normal(size=shape)
        allowed = np.linalg.norm(other - W)
        for _ in range(15):
            allowed *= iterations.expansion(lrd.singular_values(W), amount, 6)
            W, other = (lrd.low_rank_step(M, amount, 1.0, 6) for M in (W, other))
            assert np.linalg.norm(other - W) <= allowed * (1 + 1e-5)  # first order in 1e-7


def test_an_error_may_grow_by_what_the_norm_moves():
    """Of values one of which carries the norm: their steps expand, which the slope of p at a fixed norm does not."""
    s, amount, k, h = np.array([1.0, 0.05, 0.05, 0.05, 0.05]), 0.05, 6, 1e-6

    def step(values):
        return values - amount * lrd.newton_schulz_values(values / np.linalg.norm(values), k)

    jacobian = np.array([(step(s + h * e) - step(s - h * e)) / (2 * h) for e in np.eye(5)]).T
    at_fixed_norm = max(1.0, amount * 1.5**k / np.linalg.norm(s) - 1)
    assert at_fixed_norm * (1 + 1e-4) < np.linalg.norm(jacobian, 2) <= iterations.expansion(s, amount, k)


def test_enough_iterations_bring_every_value_near_1():
    other = CASES["graded 9 x 7, no. 1"]
    enough = [(W, lrd.iterations_needed(iterations.smallest(W), iterations.WITHIN)) for W in (ONE, other)]
    assert iterations.near("", enough).verdict == SUPPORTED
    assert iterations.near("", [enough[0], (other, enough[1][1] - 5)]).verdict == CONTRADICTED
    # zeros stay zeros and do not count
    low = CASES["10 x 8 of rank 3, no. 1"]
    assert (
        iterations.near("", [(low, lrd.iterations_needed(iterations.smallest(low), iterations.WITHIN))]).verdict
        == SUPPORTED
    )


def test_the_order_of_convergence_uses_what_it_says():
    found = iterations.orders(CASES["graded 9 x 7, no. 1"])
    assert len(found) >= 1 and np.all(np.abs(found - 2) < iterations.ORDER_TOLERANCE)
    assert iterations.order_claim("", [ONE], 2.0).verdict == SUPPORTED
    assert iterations.order_claim("", [ONE], 1.5).verdict == CONTRADICTED


# --- Adam ---


def claim(rule, free_rule, rates, steps=30):
    loss = bn.rayleigh(np.linspace(0.0, 1.0, 8))
    w = np.random.default_rng(5).normal(size=8)
    return adam.same("", loss, w / np.linalg.norm(w), rule, free_rule, rates[:steps], 0)


def test_which_runs_without_decay_are_the_same():
    by_both, by_next = adam.schedules(30)
    a = 1 - adam.RATE * adam.DECAY
    p = a ** np.arange(31)
    np.testing.assert_allclose(by_both, adam.RATE / (p[:-1] * p[1:]), rtol=1e-12)
    np.testing.assert_allclose(by_next, adam.RATE / p[1:], rtol=1e-12)
    assert claim(adam.SGD, adam.SGD, by_both).verdict == SUPPORTED
    assert claim(adam.SGD, adam.SGD, by_next).verdict == CONTRADICTED
    assert claim(adam.ADAM, adam.ADAM.with_betas(a), by_next).verdict == SUPPORTED
    assert claim(adam.ADAM, adam.ADAM, by_next).verdict == CONTRADICTED
    only_first = adam.Rule((adam.BETAS[0] * a, adam.BETAS[1]), adam.ADAM.fresh)
    assert claim(adam.ADAM, only_first, by_next).verdict == CONTRADICTED
    assert claim(adam.SIGNS, adam.SIGNS, by_next).verdict == SUPPORTED


def test_the_bound_on_directions_lets_little_through():
    by_both, by_next = adam.schedules(30)
    a = 1 - adam.RATE * adam.DECAY
    assert claim(adam.SGD, adam.SGD, by_both * (1 + 1e-9)).verdict == CONTRADICTED
    assert claim(adam.ADAM, adam.ADAM.with_betas(a * (1 + 1e-9)), by_next).verdict == CONTRADICTED


def test_adam_at_zero_task_gradient():
    decoupled = adam.at_zero_gradient(ONE, 5, coupled=False)
    np.testing.assert_allclose(decoupled, ONE * (1 - adam.RATE * adam.DECAY) ** 5, rtol=1e-14)
    first = adam.at_zero_gradient(ONE, 1, coupled=True)
    np.testing.assert_allclose(first, ONE - adam.RATE * np.sign(ONE), rtol=1e-12, atol=1e-14)
    assert run.kept_rank(ONE, coupled=False) < 1 < 1e6 < run.kept_rank(ONE, coupled=True)


def test_the_example_of_the_proof():
    after = adam.at_zero_gradient(np.array([[2.0, 1.0], [1.0, 2.0]]), 1, coupled=True)
    np.testing.assert_allclose(lrd.singular_values(after), [3 - 2 * adam.RATE, 1], rtol=1e-12)
