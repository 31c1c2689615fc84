"""Directions and gains in NumPy: each function against a formula written out, exact rationals, or a plain run."""

import math
from fractions import Fraction

import numpy as np
import pytest

import bn_theory as bn
from bn_theory import decoupling
from bn_theory.errors import InvalidInputError

RNG = np.random.default_rng(5)
UNIT = np.finfo(float).eps / 2


def test_retract_keeps_directions_and_brings_lengths():
    x = RNG.normal(size=(3, 4, 6))
    norm = np.array([0.5, 2.0, 3.0, 7.0])
    found = decoupling.retract(x, norm)
    # a norm of 6 squares and a division: some (6/2 + 3) roundings
    np.testing.assert_allclose(np.linalg.norm(found, axis=-1), np.broadcast_to(norm, (3, 4)), rtol=12 * UNIT)
    cosine = np.sum(found * x, axis=-1) / np.linalg.norm(found, axis=-1) / np.linalg.norm(x, axis=-1)
    np.testing.assert_allclose(cosine, 1.0, rtol=24 * UNIT)


def test_tangential_is_orthogonal_and_leaves_a_multiple_of_v():
    x, v = RNG.normal(size=(2, 50, 8))
    part = decoupling.tangential(x, 3 * v)
    # sums of 8 products of the size |x|
    assert (
        np.max(np.abs(np.sum(part * v, axis=-1)) / np.linalg.norm(x, axis=-1) / np.linalg.norm(v, axis=-1)) < 32 * UNIT
    )
    rest = x - part
    along = np.sum(x * v, axis=-1) / np.sum(v * v, axis=-1)
    np.testing.assert_allclose(rest, along[:, None] * v, atol=64 * UNIT * np.max(np.abs(x)))


def test_one_entry_has_no_tangent():
    assert decoupling.tangential([[3.0], [0.1]], [[0.7], [-1.0]]).tolist() == [[0.0], [0.0]]


@pytest.mark.parametrize(("eta", "rho", "cosine"), [("3/4", "0", "4/5"), ("12/5", "0", "5/13"), ("3/2", "1", "4/5")])
def test_turned_cosine_of_pythagorean_triangles(eta, rho, cosine):
    found = decoupling.turned_cosine(float(Fraction(eta)), float(Fraction(rho)))
    assert float(found) == pytest.approx(float(Fraction(cosine)), rel=4 * UNIT)


@pytest.mark.parametrize("relative", [False, True])
def test_a_step_turns_by_what_the_formula_says(relative):
    v = decoupling.retract(RNG.normal(size=(20, 5)))
    update, rate = RNG.normal(size=(20, 5)), 10 ** RNG.uniform(-2, 1, 20)
    after = decoupling.moved(v, update, rate, relative)
    size = rate if relative else rate * np.linalg.norm(decoupling.tangential(update, v), axis=-1)
    np.testing.assert_allclose(np.sum(after * v, axis=-1), 1 / np.sqrt(1 + size**2), atol=64 * UNIT)
    np.testing.assert_allclose(np.linalg.norm(after, axis=-1), 1.0, rtol=12 * UNIT)
    # against the update, within the plane of both
    assert np.all(np.sum(after * decoupling.tangential(update, v), axis=-1) < 0)


def test_a_relative_step_without_a_tangent_stays():
    v = np.array([[0.6, 0.8]])
    np.testing.assert_allclose(decoupling.moved(v, np.zeros((1, 2)), 0.5, relative=True), v, rtol=4 * UNIT)


def test_split_gradient_is_the_derivative_by_gain_and_along_the_sphere():
    """Central differences of ``L(g v)``, of error some h^2 = 1e-10."""
    loss = bn.Loss(bn.total(bn.data("a") * bn.weights("w") ** 4), a=[1.0, 2.0, -0.5])
    v, gain, h = decoupling.retract([0.3, -0.7, 0.5]), 1.7, 1e-5
    by_direction, by_gain = decoupling.split_gradient(loss.gradient({"w": gain * v})["w"], v, gain)

    def value(g, x):
        return float(loss.value({"w": g * decoupling.retract(x)}))

    assert float(by_gain) == pytest.approx((value(gain + h, v) - value(gain - h, v)) / (2 * h), abs=1e-8)
    for u in np.eye(3):
        slope = (value(gain, v + h * u) - value(gain, v - h * u)) / (2 * h)
        assert float(by_direction @ u) == pytest.approx(slope, abs=1e-8)


def test_decoupled_step_moves_both_at_their_rates():
    v, gradient = np.array([1.0, 0.0]), np.array([0.5, -2.0])
    after, gain = decoupling.decoupled_step(v, 3.0, gradient, rate=0.1, gain_rate=0.2)
    assert float(gain) == pytest.approx(3.0 - 0.2 * 0.5, rel=4 * UNIT)
    # 0.1 * 3 * 2 along the second axis
    np.testing.assert_allclose(after, np.array([1.0, 0.6]) / math.hypot(1.0, 0.6), rtol=8 * UNIT)


def test_adam_against_its_recurrences_in_fractions():
    gradients = [Fraction(1, 3), Fraction(-2, 7), Fraction(5, 2)]
    mean = square = np.zeros(1)
    m = s = Fraction(0)
    first, second = (Fraction(str(b)) for b in decoupling.BETAS)
    for t, g in enumerate(gradients, start=1):
        update, mean, square = decoupling.adam_update(np.array([float(g)]), mean, square, t)
        m, s = first * m + (1 - first) * g, second * s + (1 - second) * g**2
        expected = float(m / (1 - first**t)) / math.sqrt(s / (1 - second**t))
        # 1 - 0.999 and 1 - 0.999^t lose three digits each
        assert update[0] == pytest.approx(expected, rel=1e4 * UNIT)


def test_adam_does_not_see_the_scale_of_its_gradients():
    gradients = RNG.normal(size=(4, 30))
    for factor, eps, same in ((1e-6, 0.0, True), (1e-6, 1e-6, False)):
        updates = []
        for c in (1.0, factor):
            mean = square = 0.0
            for t, g in enumerate(gradients, start=1):
                update, mean, square = decoupling.adam_update(c * g, mean, square, t, eps)
            updates.append(update)
        assert np.allclose(*updates, rtol=1e-9, atol=0) == same


@pytest.mark.parametrize("rate", [0.3, 3.0])
def test_equivalent_rates_make_the_plain_run(rate):
    """In NumPy, twenty steps without noise: the directions of both runs and the norms of the plain one."""
    loss = bn.rayleigh([0.0, 0.4, 1.0])
    v = w = decoupling.retract([0.5, -0.7, 0.3])
    directions, slopes = [v], []
    for _ in range(20):
        gradient = loss.gradient({"w": v})["w"]
        slopes.append(np.sum(gradient**2))
        v, _ = decoupling.decoupled_step(v, 1.0, gradient, rate=rate)
        directions.append(v)
    w = 2.0 * w
    found = decoupling.equivalent_rates(np.full(20, rate), slopes, 4.0)
    for t in range(20):
        assert np.sum(w * w) == pytest.approx(found.norm2[t], rel=1e-9)  # rounding, amplified by some 1e4 at most
        w = w - found.rates[t] * loss.gradient({"w": w})["w"]
        np.testing.assert_allclose(w / np.linalg.norm(w), directions[t + 1], atol=1e-9)


@pytest.mark.parametrize("norm2", [1.0, 9.0])
def test_norm_keeping_decay_keeps_the_norm_and_the_directions(norm2):
    loss = bn.rayleigh([0.0, 0.4, 1.0])
    v = decoupling.retract([0.5, -0.7, 0.3])
    w = math.sqrt(norm2) * v
    for rate in (0.2, 1.0, 5.0, 0.0):
        gradient = loss.gradient({"w": v})["w"]
        (h,), (decay,) = decoupling.norm_keeping_decay([rate], [np.sum(gradient**2)], norm2)
        w = (1 - h * decay) * w - h * loss.gradient({"w": w})["w"]
        v = decoupling.moved(v, gradient, rate)
        assert np.sum(w * w) == pytest.approx(norm2, rel=1e-13)
        np.testing.assert_allclose(w / math.sqrt(norm2), v, atol=1e-13)
    assert decay == 0.0


def test_rows_of_cases_have_their_own_rates():
    rates, slopes = np.array([[0.1, 0.2], [1.0, 0.0]]), np.array([[1.0, 4.0], [2.0, 3.0]])
    found = decoupling.equivalent_rates(rates, slopes, [1.0, 4.0])
    np.testing.assert_allclose(found.norm2, [[1, 1.01, 1.01 * 1.16], [4, 12, 12]], rtol=8 * UNIT)
    np.testing.assert_allclose(found.rates, [[0.1, 0.202], [4.0, 0.0]], rtol=8 * UNIT)


def test_a_decay_is_found_where_a_square_would_leave_float64():
    (rate,), (decay,) = decoupling.norm_keeping_decay([1e200], [1.0])
    # R = eta n: the rate G eta/R = 1, and (R - 1)/(G eta) = 1 but for 1e-200
    assert rate == pytest.approx(1.0, rel=4 * UNIT) and decay == pytest.approx(1.0, rel=4 * UNIT)


def test_adam_of_other_betas_is_a_sign_without_any():
    gradients = RNG.normal(size=(3, 5))
    mean = square = 0.0
    for t, g in enumerate(gradients, start=1):
        update, mean, square = decoupling.adam_update(g, mean, square, t, betas=(0.0, 0.0))
        np.testing.assert_allclose(update, np.sign(g), rtol=4 * UNIT)
    m = s = 0.0
    for t, g in enumerate(gradients, start=1):
        update, m, s = decoupling.adam_update(g, m, s, t, betas=(0.5, 0.75))
    one, two, three = gradients
    mean, square = (one + 2 * two + 4 * three) / 7, (9 * one**2 + 12 * two**2 + 16 * three**2) / 37
    np.testing.assert_allclose(update, mean / np.sqrt(square), rtol=1e-14)


V = np.array([1.0, 0.0])


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: decoupling.retract([0.0, 0.0]), "no direction"),
        (lambda: decoupling.retract([[1.0, 0.0], [0.0, math.nan]]), "no direction"),
        (lambda: decoupling.retract([1e200, 0.0]), "within float64"),
        (lambda: decoupling.retract(V, 0.0), "norm must be finite and positive"),
        (lambda: decoupling.retract(1.0), "shape"),
        (lambda: decoupling.tangential(V, [0.0, 0.0]), "no direction"),
        (lambda: decoupling.relative_update(V, 0 * V), "no direction"),
        (lambda: decoupling.turned_cosine(-0.1), "eta must be finite and >= 0"),
        (lambda: decoupling.turned_cosine(0.1, -1.0), "above -1"),
        (lambda: decoupling.moved(V, V, math.inf), "rate must be finite and >= 0"),
        (lambda: decoupling.moved(V, V, "fast"), "rate must be numbers"),
        (lambda: decoupling.decoupled_step(V, 1.0, V, rate=math.nan), "rate must be finite"),
        (lambda: decoupling.decoupled_step(V, 1.0, V, rate=-1.0), "-1.0"),
        (lambda: decoupling.decoupled_step(V, 1.0, V, rate=1.0, gain_rate=-2.0), "gain_rate must be .*-2.0"),
        (lambda: decoupling.decoupled_step(0 * V, 1.0, V, rate=1.0), "no direction"),
        (lambda: decoupling.adam_update(V, 0.0, 0.0, 0), "step must be a whole number from 1"),
        (lambda: decoupling.adam_update(V, 0.0, 0.0, 1, -1.0), "eps must be"),
        (lambda: decoupling.equivalent_rates([0.1], [1.0, 2.0]), "one value a step"),
        (lambda: decoupling.equivalent_rates([0.1], [-1.0]), "gradient_norm2 must be"),
        (lambda: decoupling.equivalent_rates([0.1], [1.0], 0.0), "start_norm2"),
        (lambda: decoupling.equivalent_rates(np.full(400, 10.0), np.ones(400)), "at step 154"),
        (lambda: decoupling.norm_keeping_decay([0.1], [1.0], -1.0), "norm2 must be"),
        (lambda: decoupling.norm_keeping_decay([math.inf], [1.0]), "rates must be"),
        (
            lambda: decoupling.norm_keeping_decay([1e-200], [1e300], 1e-300),
            "a decay that keeps the norm must be finite",
        ),
        (lambda: decoupling.retract("abc"), "a weight vector must be numbers, not 'abc'"),
        (lambda: decoupling.retract(V, "long"), "norm must be numbers"),
        (lambda: decoupling.turned_cosine(0.1, "a"), "the radial part must be numbers"),
        (lambda: decoupling.tangential([math.nan, 0.0], V), "must be finite"),
        (lambda: decoupling.relative_update([math.inf, 0.0], V), "d must be finite"),
        (lambda: decoupling.split_gradient(V, V, math.nan), "gain must be finite"),
        (lambda: decoupling.split_gradient(V, V, "g"), "gain must be numbers"),
        (lambda: decoupling.split_gradient([math.nan, 0.0], V, 1.0), "gradient must be finite"),
        (lambda: decoupling.decoupled_step(V, math.inf, V, rate=0.1), "gain must be finite"),
        (lambda: decoupling.decoupled_step(2 * V, 1.0, V, rate=0.1), "length 1, not 2.0"),
        (lambda: decoupling.moved((1 + 1e-5) * V, V, 0.1), "length 1"),
        *(
            (lambda bad=bad, relative=relative: decoupling.moved(V, [bad, bad], 0.1, relative), "update must be finite")
            for bad in (math.nan, math.inf)
            for relative in (True, False)
        ),
        (lambda: decoupling.moved(V, [0.0, 1e200], 0.1, True), "the length of the update must be finite"),
        (lambda: decoupling.adam_update([math.nan], 0.0, 0.0, 1), "gradient must be finite"),
        (lambda: decoupling.adam_update([1e200], 0.0, 0.0, 1), "square must be finite, and squares within float64"),
        (lambda: decoupling.adam_update([1.0], [math.nan], 0.0, 1), "mean must be finite"),
        (lambda: decoupling.adam_update([1.0], 0.0, [-1.0], 1), "square must be"),
        (
            lambda: decoupling.adam_update([1.0], 0.0, 0.0, 1, betas=(0.9, 1.0)),
            r"betas must be two numbers in \[0, 1\)",
        ),
        (lambda: decoupling.adam_update([1.0], 0.0, 0.0, 1, betas=0.9), "betas must be two"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_value(call, said):
    with pytest.raises(InvalidInputError, match=said):
        call()
