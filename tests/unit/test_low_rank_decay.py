"""Ranks, polar factors and decays against values written out and exact oracles."""

import math
from fractions import Fraction

import numpy as np
import pytest

from bn_theory import low_rank_decay as lrd

RNG = np.random.default_rng(0)
SHAPES = [(5, 5), (7, 3), (2, 6), (1, 4), (4, 1)]
CLOSE = 1e-13
"""A few hundred roundings of numbers of size 1 at most: decompositions of matrices with up to 7 rows."""


def with_values(shape, values, seed=0):
    rng = np.random.default_rng(seed)
    u, v = (np.linalg.qr(rng.normal(size=(n, n)))[0] for n in shape)
    return (u[:, : len(values)] * values) @ v[:, : len(values)].T


# --- spectra ---


@pytest.mark.parametrize("shape", SHAPES)
def test_singular_values_are_those_that_were_put_in(shape):
    values = np.sort(RNG.uniform(0.5, 2, size=min(shape)))[::-1]
    np.testing.assert_allclose(lrd.singular_values(with_values(shape, values)), values, atol=CLOSE)


def test_singular_values_that_are_rounding_are_0():
    W = with_values((6, 5), np.array([2.0, 1.0]))
    assert np.all(lrd.singular_values(W)[2:] == 0) and np.linalg.svd(W, compute_uv=False)[2] > 0
    small = with_values((6, 5), np.array([2.0, 1.0, 1e-10]))
    assert np.count_nonzero(lrd.singular_values(small)) == 3


def test_ranks_by_hand():
    assert lrd.stable_rank(np.diag([3.0, 2.0, 1.0])) == pytest.approx(14 / 9, rel=1e-15)
    # shares 1/2, 1/4, 1/4 have the entropy 3/2 log 2
    assert lrd.effective_rank(np.diag([2.0, 1.0, 1.0])) == pytest.approx(2**1.5, rel=1e-14)


@pytest.mark.parametrize("rank", [1, 3])
def test_equal_singular_values_have_their_number_for_a_rank(rank):
    W = with_values((5, 4), np.full(rank, 7.0))
    assert lrd.stable_rank(W) == pytest.approx(rank, rel=CLOSE)
    assert lrd.effective_rank(W) == pytest.approx(rank, rel=CLOSE)


@pytest.mark.parametrize("scale", [1e-250, 1.0, 1e250])
def test_ranks_and_directions_do_not_depend_on_the_scale(scale):
    W = RNG.normal(size=(4, 3))
    for function in (lrd.stable_rank, lrd.effective_rank, lrd.polar_factor, lrd.tangential_part):
        np.testing.assert_allclose(function(scale * W), function(W), rtol=1e-12)
    np.testing.assert_allclose(lrd.newton_schulz(scale * W, 5), lrd.newton_schulz(W, 5), rtol=1e-12)


@pytest.mark.parametrize("function", [lrd.singular_values, lrd.stable_rank, lrd.effective_rank, lrd.polar_factor])
def test_stacks_are_matrices_one_by_one(function):
    stack = RNG.normal(size=(2, 3, 4, 5))
    expected = np.array([[function(W) for W in row] for row in stack])
    np.testing.assert_allclose(function(stack), expected, rtol=1e-12, atol=CLOSE)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_polar_factor_is_the_gradient_of_the_nuclear_norm(shape):
    W = with_values(shape, np.linspace(1.0, 2.0, min(shape)))
    direction, h = RNG.normal(size=shape), 1e-5

    def nuclear(t):
        return np.linalg.svd(W + t * direction, compute_uv=False).sum()

    # central differences err by h^2 times a third derivative, of order |direction|^3/s_r^2: some 1e-9
    slope = (nuclear(h) - nuclear(-h)) / (2 * h)
    assert np.sum(lrd.polar_factor(W) * direction) == pytest.approx(slope, abs=1e-7)


def test_the_polar_factor_of_a_matrix_of_low_rank_has_its_rank():
    P = lrd.polar_factor(with_values((6, 5), np.array([5.0, 1.0, 0.1])))
    np.testing.assert_allclose(np.linalg.svd(P, compute_uv=False), [1, 1, 1, 0, 0], atol=CLOSE)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_tangential_part(shape):
    W = RNG.normal(size=shape)
    T, s = lrd.tangential_part(W), lrd.singular_values(W)
    assert abs(np.sum(T * W)) < CLOSE * np.linalg.norm(W)
    ratio = s.sum() / np.sum(s**2)
    np.testing.assert_allclose(T, lrd.polar_factor(W) - ratio * W, atol=CLOSE)
    assert np.sum(T**2) == pytest.approx(float(lrd.tangential_square_of(s)), abs=CLOSE)
    D = RNG.normal(size=shape)
    np.testing.assert_allclose(
        lrd.tangential_part(W, D), D - np.sum(D * W) / np.sum(W * W) * W, atol=CLOSE * np.linalg.norm(D)
    )


def test_the_tangential_square_in_fractions():
    s = [Fraction(3), Fraction(2), Fraction(2), Fraction(1, 2)]
    exact = len(s) - sum(s) ** 2 / sum(x * x for x in s)
    found = lrd.tangential_square_of([*map(float, s), 0.0])
    assert float(found) == pytest.approx(float(exact), rel=1e-14)
    assert lrd.tangential_square_of([0.3, 0.3, 0.0]) == 0.0


@pytest.mark.parametrize("scale", [1e-200, 1e200, 1e-308, 5e307])
def test_the_tangential_square_does_not_depend_on_the_scale(scale):
    assert float(lrd.tangential_square_of([scale, 2 * scale])) == pytest.approx(0.2, rel=1e-13)


# --- decay ---


def test_a_radial_step_multiplies():
    W = RNG.normal(size=(3, 4))
    np.testing.assert_array_equal(lrd.radial_step(W, 0.5, 0.5), 0.75 * W)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("amount", [0.3, 1.2, 5.0])
def test_a_low_rank_step_is_a_soft_threshold(shape, amount):
    W = with_values(shape, np.linspace(1.0, 2.0, min(shape)))
    after = lrd.low_rank_step(W, amount / 2, 2.0)
    expected = np.maximum(np.linalg.svd(W, compute_uv=False) - amount, 0)
    np.testing.assert_allclose(np.linalg.svd(after, compute_uv=False), expected, atol=CLOSE)
    if amount < 1:
        np.testing.assert_allclose(after, W - amount * lrd.polar_factor(W), atol=CLOSE)


def test_the_soft_threshold_minimises_what_it_is_the_proximal_map_of():
    """``|X - W|^2/2 + delta |X|_*``: no neighbour is lower."""
    W, delta = RNG.normal(size=(4, 4)), 0.7
    X = lrd.low_rank_step(W, delta, 1.0)

    def cost(Y):
        return np.sum((Y - W) ** 2) / 2 + delta * np.linalg.svd(Y, compute_uv=False).sum()

    moves = 1e-3 * RNG.normal(size=(200, 4, 4))
    assert all(cost(X + move) > cost(X) for move in moves)


def test_a_step_by_iterations_is_the_bare_one():
    W = RNG.normal(size=(3, 5))
    np.testing.assert_array_equal(lrd.low_rank_step(W, 0.1, 2.0, 4), W - 0.2 * lrd.newton_schulz(W, 4))


def test_closed_forms_are_steps_repeated():
    s = np.array([[2.0, 1.0], [3.0, 0.25]])
    radial, low = s, s
    for _ in range(3):
        radial, low = radial * (1 - 0.2 * 0.5), np.maximum(low - 0.2 * 0.5, 0)
    np.testing.assert_allclose(lrd.radial_values(s, 0.2, 0.5, 3), radial, rtol=1e-14)
    np.testing.assert_allclose(lrd.low_rank_values(s, 0.2, 0.5, 3), low, atol=1e-15)
    assert lrd.low_rank_values(s, 0.2, 0.5, np.arange(5)).shape == (5, 2, 2)


@pytest.mark.parametrize(("part", "raised"), [(0.99, False), (1.01, True)])
def test_the_bare_step_raises_the_stable_rank_from_the_harmonic_mean_on(part, raised):
    s = np.array([3.0, 0.5])
    delta = part * lrd.overshoots_above(*s)
    after = np.abs(s - delta)
    assert (lrd.stable_rank_of(after) > lrd.stable_rank_of(s)) == raised


# --- iterations ---


@pytest.mark.parametrize("shape", SHAPES)
def test_newton_schulz_goes_to_the_polar_factor(shape):
    W = with_values(shape, np.linspace(1.0, 2.0, min(shape)))
    np.testing.assert_allclose(lrd.newton_schulz(W, 12), lrd.polar_factor(W), atol=CLOSE)


def test_newton_schulz_in_fractions():
    x = Fraction(1, 5)
    for k in range(5):
        assert float(lrd.newton_schulz_values(0.2, k)) == pytest.approx(float(x), rel=1e-14)
        x = x * (3 - x * x) / 2


def test_enough_iterations_are_enough_and_not_far_too_many():
    for smallest in (1.0, 0.5, 0.1, 1e-3, 1e-6):
        for within in (0.1, 1e-4, 1e-8, 1e-12):
            k = lrd.iterations_needed(smallest, within)
            assert 1 - float(lrd.newton_schulz_values(smallest, k)) <= within
            # growth by 3/2 instead of 11/8 below 1/2: a quarter more is spent at most, and up to 3 above
            fewer = math.floor((k - 3) * math.log(11 / 8) / math.log(3 / 2)) - 1
            if fewer > 0 and smallest <= 0.5:
                assert 1 - float(lrd.newton_schulz_values(smallest, fewer)) > within


def test_iterations_for_the_smallest_of_floats():
    assert lrd.iterations_needed(1e-320, 0.1) < lrd.iterations_needed(5e-324, 0.1) < 2400
