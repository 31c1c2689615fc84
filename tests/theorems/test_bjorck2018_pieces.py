"""What the statements on SGD noise and on products of matrices are built of, and what their judges refuse."""

import math
from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from bn_theory import fuss_catalan
from bn_theory.errors import InvalidInputError
from bn_theory.theorems.bjorck2018 import gaussian_products, products, sgd_noise
from bn_theory.theorems.bjorck2018.sgd_noise import WITH, WITHOUT, Gradients
from bn_theory.theorems.evidence import CONTRADICTED, INCONCLUSIVE, SUPPORTED
from bn_theory.theorems.statement import Settings

SETTINGS = Settings()


@pytest.fixture(scope="module")
def values():
    return np.random.default_rng(0).standard_normal((5, 3))


def test_gradients_are_kept_to_the_last_digit(values):
    values[0, 0] = 1e-30
    kept = Gradients.of(values)
    assert [[float(x * kept.unit) for x in row] for row in kept.counts] == values.tolist()
    assert float(kept.trace()) == pytest.approx(np.trace(np.cov(values.T, bias=True)), rel=1e-12)


def test_batches_are_all_batches():
    """Against ordered draws: every multiset with its number of orders, every subset once."""
    orders = [tuple(sorted(draw)) for draw in product(range(4), repeat=3)]
    assert dict(sgd_noise.batches(4, 3, WITH)) == {batch: orders.count(batch) for batch in set(orders)}
    subsets = dict(sgd_noise.batches(4, 3, WITHOUT))
    assert subsets == {batch: 1 for batch in set(orders) if len(set(batch)) == 3}


@pytest.mark.parametrize("size", [1, 2, 3])
def test_step_noise_is_the_mean_over_ordered_draws(values, size):
    mean = values.mean(axis=0)
    for kind in (WITH, WITHOUT):
        draws = [d for d in product(range(5), repeat=size) if kind == WITH or len(set(d)) == size]
        plain = np.mean([np.sum((0.5 * mean - 0.5 * values[list(d)].mean(axis=0)) ** 2) for d in draws])
        found = sgd_noise.step_noise(Gradients.of(values), size, Fraction(1, 2), kind)
        assert float(found) == pytest.approx(plain, rel=1e-12)


def test_noise_claims_see_the_last_digit(values):
    gradients, rates = Gradients.of(values), [Fraction(1, 3)]

    def nearly(*arguments):
        return sgd_noise.predicted(*arguments) * (1 + Fraction(1, 10**30))

    assert sgd_noise.noise_claim("", gradients, rates, WITH).verdict == SUPPORTED
    assert sgd_noise.noise_claim("", gradients, rates, WITH, nearly).verdict == CONTRADICTED


def test_the_bound_is_reached_and_no_smaller_one_holds(values):
    gradients, rates = Gradients.of(values), [Fraction(2)]
    assert sgd_noise.bound_claim("", gradients, rates).measured == 1.0
    less = sgd_noise.bound_claim(
        "", gradients, rates, lambda eta, trace, size: eta**2 * trace / size * Fraction(99, 100)
    )
    assert less.verdict == CONTRADICTED


def test_batches_of_their_own_statistics_are_another_matter():
    n, noises = sgd_noise.own_statistics(SETTINGS)
    assert sorted(noises) == [4, 5, 6, 7] and n == 8
    assert sgd_noise.sizes_claim("", noises, n, rounding=1e-9).measured > 0.05


def test_products_share_their_first_factors():
    one, two = products.gaussian(np.random.default_rng(0), 2, 6, 3)
    (again,) = products.gaussian(np.random.default_rng(0), 1, 6, 3)
    np.testing.assert_array_equal(one, again)
    rest = two @ np.linalg.inv(one)
    assert np.std(rest) == pytest.approx(1 / math.sqrt(6), rel=0.3)
    np.testing.assert_array_equal(products.last(iter((one, two))), two)


def test_orthogonal_products_are_orthogonal():
    for found in products.orthogonal(np.random.default_rng(0), 3, 6, 4):
        np.testing.assert_allclose(
            found @ np.swapaxes(found, -1, -2), np.broadcast_to(np.eye(6), (4, 6, 6)), atol=1e-13
        )


def test_the_dense_operator_is_a_circular_convolution():
    stack = products.kernels(np.random.default_rng(0), 1, 2, 3)
    image = np.random.default_rng(1).standard_normal((4, 4, 2))
    found = (products.dense_convolutions(stack, 4) @ image.ravel()).reshape(4, 4, 2)
    x, y = 1, 0
    expected = sum(stack[0, a, b] @ image[(x - a) % 4, (y - b) % 4] for a in range(3) for b in range(3))
    np.testing.assert_allclose(found[x, y], expected, rtol=1e-12)
    inside = (products.dense_convolutions(stack, 4, circular=False) @ image.ravel()).reshape(4, 4, 2)
    expected = sum(stack[0, a, b] @ image[x - a, y - b] for a in range(2) for b in range(1))
    np.testing.assert_allclose(inside[x, y], expected, rtol=1e-12)


def test_kernels_that_do_not_fit():
    with pytest.raises(InvalidInputError, match="kernels of 3 do not fit an image of side 2"):
        products.convolution_values(products.kernels(np.random.default_rng(0), 1, 2, 3), 2)


def test_distances():
    from scipy.stats import ks_2samp, kstest

    rng = np.random.default_rng(0)
    first, second = rng.uniform(0, 4, 50), rng.uniform(0, 4, 70)
    expected = kstest(first, lambda x: fuss_catalan.distribution(1, x)).statistic
    assert products.distance(first, 1) == pytest.approx(expected, rel=1e-12)
    assert products.distance_of_two(first, second) == pytest.approx(ks_2samp(first, second).statistic, rel=1e-12)


def drawn(order, size=48, count=300):
    return gaussian_products._squared(products.last(products.gaussian(np.random.default_rng(5), order, size, count)))


def test_traces_of_powers():
    product = products.last(products.gaussian(np.random.default_rng(0), 2, 5, 3))
    values = np.linalg.svd(product, compute_uv=False) ** 2
    expected = [np.mean(values**k, axis=-1) for k in gaussian_products.POWERS]
    np.testing.assert_allclose(gaussian_products.power_traces(product), expected, rtol=1e-12)


@pytest.mark.parametrize("order", [1, 2, 4])
def test_moment_claims_tell_the_exact_mean_from_its_neighbours(order):
    size = 8
    traces = gaussian_products.power_traces(
        products.last(products.gaussian(np.random.default_rng(5), order, size, 50_000))
    )
    for power, values in zip((1, 2), traces, strict=False):
        exact = float(fuss_catalan.finite_moment(order, power, size))
        apart = gaussian_products.apart(order, power, size)

        def claim(claimed=None, values=values, power=power):
            return gaussian_products.moment_claim("", values, order, power, size, claimed)

        assert claim().verdict == SUPPORTED
        assert claim().tolerance == pytest.approx(apart / 4, rel=1e-12)
        for wrong in (exact * (1 - apart / 2), exact * (1 + apart / 2)):
            assert claim(wrong).verdict == CONTRADICTED
        assert gaussian_products.moment_claim("", values[:30], order, power, size).verdict == INCONCLUSIVE
    limit = fuss_catalan.moment(order, 2)
    assert gaussian_products.moment_claim("", traces[1], order, 2, size, limit).verdict == CONTRADICTED


def test_limit_claims_know_the_order():
    traces = gaussian_products.power_traces(products.last(products.gaussian(np.random.default_rng(5), 2, 100, 80)))
    assert gaussian_products.limit_claim("", traces[2], 2, 3, 100).verdict == SUPPORTED
    for wrong in (1, 3):
        assert gaussian_products.limit_claim("", traces[2], wrong, 3, 100).verdict == CONTRADICTED


def test_edge_claims_know_the_order():
    squared = drawn(2)
    assert gaussian_products.largest_claim("", squared, 2).verdict == SUPPORTED
    assert gaussian_products.largest_claim("", squared, 3).verdict == CONTRADICTED


@pytest.mark.parametrize("scale", [0.8, 1.25])
def test_the_law_is_told_from_one_of_another_scale(scale):
    squared = drawn(2, size=400, count=1)[0]
    assert gaussian_products.law_claim("", squared, 2, 400).verdict == SUPPORTED
    # lambda f is at most 0.18: a fifth moves the law by some 0.04, against (1 + log 400)/400 = 0.017
    assert gaussian_products.law_claim("", scale * squared, 2, 400).verdict == CONTRADICTED


def test_slopes_of_medians():
    rng = np.random.default_rng(0)

    def logs(slope, count=2000):
        return {n: slope * math.log(n) + rng.standard_normal(count) for n in gaussian_products.SIZES}

    assert gaussian_products.smallest_claim("", logs(-2), 3, rng).verdict == SUPPORTED
    for wrong in (-1.5, -2.5):
        assert gaussian_products.smallest_claim("", logs(wrong), 3, rng).verdict == CONTRADICTED
    assert gaussian_products.smallest_claim("", logs(-2, 20), 3, rng).verdict == INCONCLUSIVE
    assert gaussian_products.collapse_claim("", logs(-2), 3).verdict == SUPPORTED
    assert gaussian_products.collapse_claim("", logs(-1.5), 3).verdict == CONTRADICTED


def test_growth_of_the_condition_number():
    rng = np.random.default_rng(0)
    first = np.exp(rng.standard_normal(50))
    assert gaussian_products.growth_claim("", [first, first * 3], 1).verdict == SUPPORTED
    assert gaussian_products.growth_claim("", [first, first * 1.5], 1).verdict == CONTRADICTED
    unsure = first * np.exp(math.log(2) + rng.standard_normal(50))
    assert gaussian_products.growth_claim("", [first, unsure], 1).verdict == INCONCLUSIVE
