"""Local entropy by its three ways, against closed forms, many digits and each other; shocks; what is refused."""

import math
import re
from dataclasses import replace

import mpmath
import numpy as np
import pytest
import sympy

import bn_theory as bn
import proofs_check
from bn_theory.errors import InvalidInputError, NotScaleInvariantError, OutsideAssumptionsError
from bn_theory.local_entropy import (
    Potential,
    Shock,
    before_law,
    circle,
    crossing_time,
    gibbs,
    jump_law,
    limit_before,
    line,
    monte_carlo,
    on_circle,
    quotient,
    shock_law,
    shock_time,
    spectral_rounding,
)
from bn_theory.local_entropy.checks import rounded_up
from bn_theory.local_entropy.spectral import derivative
from bn_theory.theorems.shock2026 import cases

Y = sympy.Symbol("y", real=True)
EPS = np.finfo(float).eps
WELL = line((Y**2 - 1) ** 2 / 4, lowest=0.0, interval=(-2.0, 2.0))
PARABOLA = line(Y**2 / 2, lowest=0.0)
NU = [0.0, -0.1, math.nan, math.inf, "much", "1", None, True, 1j]


def quartic(**data):
    w, a = bn.weights("w"), bn.data("a")
    return bn.Loss(bn.total(a * w**4) / bn.total(w**2) ** 2, **data)


def cosine(t):
    return np.cos(2 * t) / 4


# --- the quotient ---


@pytest.mark.parametrize("r", [1e-3, 1.0, 7.0])
def test_the_quotient_is_the_loss_on_every_ray(r):
    angle = np.linspace(0, 6, 20)
    w = r * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    for loss in (bn.rayleigh([2.0, 1.0]), quartic(a=[2.0, 1.0])):
        # some tens of roundings of values of at most 2
        np.testing.assert_allclose(quotient(loss)(angle), loss.value({"w": w}), rtol=0, atol=64 * EPS)


def test_the_quotient_of_a_rayleigh_quotient_is_a_cosine():
    t = np.linspace(-3, 9, 50)
    np.testing.assert_allclose(quotient(bn.rayleigh([2.0, 1.0]))(t), 0.75 + np.cos(2 * t) / 4, atol=8 * EPS)
    assert quotient(bn.rayleigh([2.0, 1.0]))(0.0).shape == ()


def test_without_scale_invariance_there_is_no_quotient():
    w, a = bn.weights("w"), bn.data("a")
    quadratic, total = bn.rayleigh([2.0, 1.0]).unnormalised, bn.total(a * w**4)
    for loss in (quadratic, bn.Loss(total, a=[2.0, 1.0]), bn.Loss(total / bn.total(w**2), a=[2.0, 1.0])):
        with pytest.raises(NotScaleInvariantError, match="was not proved"):
            quotient(loss)


@pytest.mark.parametrize("loss", [bn.rayleigh([1.0, 2.0, 3.0]), bn.rayleigh([[1.0, 2.0]]), bn.bilinear([1.0, 2.0])])
def test_an_angle_needs_one_group_of_two_weights(loss):
    with pytest.raises(InvalidInputError, match="an angle needs one group of two weights"):
        quotient(loss)


# --- functions with their derivatives ---


def test_the_interpolant_has_all_derivatives():
    f = circle(lambda t: np.exp(np.sin(t)))
    t = np.linspace(-5, 5, 23)
    expression = sympy.exp(sympy.sin(Y))
    for k in range(7):
        exact = sympy.lambdify(Y, sympy.diff(expression, Y, k), "numpy")(t)
        # coefficients down to 64 eps are kept, 20 of them at most, the k-th derivative multiplies by at most 15^k
        np.testing.assert_allclose(f.derivative(t, k), exact, atol=20 * 64 * EPS * 15.0**k)
    assert f.lowest <= math.exp(-1) and f.slope >= np.max(np.abs(f.derivative(t, 1)))


def test_a_circle_from_values_is_that_from_the_function():
    t = 2 * np.pi * np.arange(65) / 64
    values = circle(cosine(t))
    assert float(values(0.3)) == float(circle(cosine)(0.3))


def test_the_name_and_bounds_of_a_line():
    assert PARABOLA.name == "y**2/2" and PARABOLA.lowest == 0 and math.isinf(PARABOLA.slope)
    assert WELL.derivative(np.zeros(3), 6).tolist() == [0.0, 0.0, 0.0]  # a constant has the shape of x too


def jump(t):
    return t / (2 * np.pi)


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (jump, "values at 0 and 2 pi differ by 1;"),
        (jump(2 * np.pi * np.arange(65) / 64), "values at 0 and 2 pi differ by 1;"),
        (np.zeros(64), "64 values for 64 points: give 65"),
        (lambda t: np.abs(np.sin(t)), "do not resolve it"),
        (lambda t: np.where(t > 3, np.nan, 0.0), "f must be finite, but is nan at"),
        (lambda t: 0.0, "f must give one value a point"),
        (np.zeros((65, 2)), "shape"),
    ],
)
def test_what_is_no_smooth_function_on_the_circle_is_refused(f, message):
    for call in (lambda: circle(f), lambda: on_circle(f, 1.0, 0.0, points=64)):
        with pytest.raises(InvalidInputError, match=message):
            call()


def test_a_periodic_function_may_be_steep_at_its_ends():
    """Rounding of 2 pi times the slope is no jump."""
    f = circle(lambda t: 1e3 * np.sin(20 * t), points=64)
    assert abs(float(f(0.1)) - 1e3 * math.sin(2.0)) < 1e-9


def test_a_line_needs_an_expression_and_a_bound():
    with pytest.raises(InvalidInputError, match="one symbol"):
        line("y**2", lowest=0.0)
    with pytest.raises(InvalidInputError, match="one symbol"):
        line(Y * sympy.Symbol("z"), lowest=0.0)
    with pytest.raises(InvalidInputError, match="give a lower bound"):
        line(Y**2)
    with pytest.raises(InvalidInputError, match="interval must be two finite numbers"):
        line(Y**2, lowest=0.0, interval=(1.0, -1.0))
    with pytest.raises(InvalidInputError, match="give a lower bound"):
        Potential("f", lambda x, k: x, -math.inf, math.inf, (0.0, 1.0))


# --- the spectral solver ---


def exact(f, x, nu, s):
    """``u`` at one point in 30 digits, by quadrature over the line."""
    with mpmath.workdps(30):
        x, nu, s = map(mpmath.mpf, (x, nu, s))

        def weight(z):
            return mpmath.exp(-f(x + z) / (2 * nu) - z**2 / (4 * nu * s))

        width = mpmath.sqrt(2 * nu * s)
        ends = [k * width for k in (-14, -6, -2, 0, 2, 6, 14)]
        return float(-2 * nu * mpmath.log(mpmath.quad(weight, ends) / mpmath.sqrt(4 * mpmath.pi * nu * s)))


@pytest.mark.parametrize(("nu", "s"), [(0.05, 0.5), (0.3, 2.0)])
def test_all_three_against_many_digits(nu, s):
    field = on_circle(cosine, nu, s)
    at = [0, 17, 40]
    expected = [exact(lambda y: mpmath.cos(2 * y) / 4, field.theta[i], nu, s) for i in at]
    assert np.all(np.abs(field.u[at] - expected) <= field.rounding[at])
    found = gibbs(circle(cosine), field.theta[at], nu, s)
    np.testing.assert_allclose(found.u, expected, atol=1e-13)  # 2 nu times the rounding of weights
    assert np.max(2 * nu * found.rounding) < 1e-13
    sampled = monte_carlo(cosine, field.theta[at], nu, s, samples=40_000, seed=3)
    # five standard errors: a chance of 6e-7 each
    assert np.all(np.abs(sampled.u - expected) < 5 * 2 * nu * sampled.relative_error)


def test_rounding_of_the_spectral_solver_is_bounded_and_not_by_far():
    """Smaller than single precision by six digits, larger than what is seen by at most five."""
    field = on_circle(cosine, 0.05, 0.1)
    assert np.all(field.rounding < 1e-12 / field.phi)
    assert spectral_rounding(256) == pytest.approx(120 * EPS / 2)


def test_the_fields_derivatives_are_those_of_u():
    field = on_circle(cosine, 0.1, 0.7)
    # FFTs amplify rounding of u, 1e-14, to (n/2)^2 of it at most
    np.testing.assert_allclose(derivative(field.u), field.v, atol=1e-11)
    np.testing.assert_allclose(derivative(field.u, 2), field.curvature, atol=1e-9)
    h = 1e-4
    difference = (on_circle(cosine, 0.1, 0.7 + h).u - on_circle(cosine, 0.1, 0.7 - h).u) / (2 * h)
    np.testing.assert_allclose(field.u_s, difference, atol=1e-7)  # h^2 u_sss/6, and rounding over h


def test_no_time_is_no_change_and_long_time_is_a_mean():
    # from f in double precision through exp and log: a relative error e^(osc f/(2 nu)) of some eps
    start = on_circle(cosine, 0.1, 0.0)
    assert np.all(np.abs(start.u - cosine(start.theta)) <= start.rounding)
    late = on_circle(cosine, 0.1, 100.0)
    phi = np.mean(np.exp(-cosine(late.theta) / 0.2))
    np.testing.assert_allclose(late.u, -0.2 * np.log(phi), atol=1e-13)


@pytest.mark.parametrize("f", [cosine, lambda t: np.cos(t) / 2, lambda t: np.cos(t) * 3.3, lambda t: np.sin(t) / 77])
def test_a_nu_that_is_too_small_is_refused_with_one_that_works(f):
    with pytest.raises(InvalidInputError, match=r"take nu >= ") as caught:
        on_circle(f, 1e-4, 1.0)
    assert "gibbs()" in str(caught.value)
    named = float(re.search(r"take nu >= ([0-9.e-]+)", str(caught.value))[1])
    on_circle(f, named, 1.0)
    with pytest.raises(InvalidInputError, match="too small"):  # and not much more than is needed
        on_circle(f, 0.99 * named, 1.0)


def test_rounding_up_does():
    for x in (0.0271434, 2.0, 9.999, 0.0271, 1.0000001e-7, 999.6, 28000.0):
        up = rounded_up(x)
        assert x <= up <= 1.0101 * x and float(f"{up:.3g}") == up


def test_too_few_points_are_refused():
    with pytest.raises(InvalidInputError, match="8 points do not resolve it"):
        on_circle(cosine, 0.1, 0.01, points=8)
    for points in (7, 9, 6, 8.0, True):
        with pytest.raises(InvalidInputError, match="points"):
            on_circle(cosine, 0.1, 0.01, points=points)


@pytest.mark.parametrize("nu", NU)
def test_nu_must_be_a_positive_number(nu):
    for call in (
        lambda: on_circle(cosine, nu, 1.0),
        lambda: gibbs(PARABOLA, 0.0, nu, 1.0),
        lambda: monte_carlo(cosine, 0.0, nu, 1.0, samples=10),
    ):
        with pytest.raises(InvalidInputError, match="nu must be"):
            call()


@pytest.mark.parametrize("s", [-0.1, math.nan, math.inf, [1.0, 2.0]])
def test_s_must_be_a_number_that_is_not_negative(s):
    for call in (
        lambda: on_circle(cosine, 0.1, s),
        lambda: gibbs(PARABOLA, 0.0, 0.1, s),
        lambda: monte_carlo(cosine, 0.0, 0.1, s, samples=10),
    ):
        with pytest.raises(InvalidInputError, match="s must be"):
            call()


def test_quadrature_needs_a_positive_s():
    with pytest.raises(InvalidInputError, match="s must be above 0"):
        gibbs(PARABOLA, 0.0, 0.1, 0.0)


# --- Monte Carlo ---


def test_draws_have_the_variance_of_heat():
    """At a linear f the mean is a lognormal's: ``u = f - s/2 |slope|^2`` whatever nu is."""
    found = monte_carlo(lambda y: 0.5 * y, [0.0, 2.0], nu=0.7, s=1.5, samples=50_000, seed=1)
    expected = np.array([0.0, 1.0]) - 1.5 * 0.25 / 2
    assert np.all(np.abs(found.u - expected) < 5 * 2 * 0.7 * found.relative_error)
    assert np.all(found.relative_error < 0.01)


def test_standard_errors_are_right():
    """The spread of 200 repetitions over their standard error: chi^2, 1 within 5/sqrt(400)."""
    runs = [monte_carlo(cosine, [0.4], 0.2, 1.0, 500, seed=(0, k)) for k in range(200)]
    phi = np.exp(np.array([r.log_phi[0] for r in runs]))
    claimed = np.mean([r.relative_error[0] for r in runs]) * phi.mean()
    assert np.std(phi, ddof=1) / claimed == pytest.approx(1, abs=0.25)


def test_draws_repeat_and_differ_by_seed_and_point():
    one, same, other = (monte_carlo(cosine, [0.3, 0.3], 0.2, 1.0, 100, seed=k) for k in (0, 0, 1))
    assert one.u.tolist() == same.u.tolist() and one.u[0] != other.u[0] and one.u[0] != one.u[1]


def test_weights_do_not_overflow():
    found = monte_carlo(lambda y: -1e6 + y**2, 0.0, nu=1e-3, s=1.0, samples=100)
    assert np.isfinite(found.u[0]) and found.u[0] == pytest.approx(-1e6, rel=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"samples": 1}, "samples must be a whole number of at least 2"),
        ({"x": math.nan}, "x must be finite"),
        ({"seed": -1}, "seed must be a whole number >= 0 or a tuple of them, not -1"),
        ({"seed": "one"}, "seed must be"),
        ({"seed": None}, "seed must be a whole number >= 0 or a tuple of them, not None"),
        ({"seed": True}, "seed must be"),
        ({"seed": (0, -1)}, "seed must be"),
        ({"seed": (0, None)}, "seed must be"),
        ({"seed": ()}, "seed must be"),
        ({"seed": 1.0}, "seed must be"),
        ({"x": [[0.0]]}, "x must be a number or have shape"),
        ({"f": np.sqrt}, "f must be finite"),
    ],
)
def test_sampling_refuses(change, message):
    with pytest.raises(InvalidInputError, match=message):
        monte_carlo(**{"f": cosine, "x": 0.0, "nu": 0.1, "s": 1.0, "samples": 10, **change})


# --- quadrature ---


@pytest.mark.parametrize("nu", [1e-7, 1e-3, 10.0])
def test_a_parabola_has_its_closed_form(nu):
    x, s = np.array([-2.0, 0.0, 0.5]), 3.0
    found = gibbs(PARABOLA, x, nu, s)
    slack = 4 * found.rounding.max() + 1e-14
    np.testing.assert_allclose(found.u, x**2 / (2 * (1 + s)) + nu * math.log(1 + s), atol=2 * nu * slack + 1e-15)
    np.testing.assert_allclose(found.v, x / (1 + s), atol=slack * math.sqrt(2 * nu) + 1e-15)
    np.testing.assert_allclose(found.curvature, 1 / (1 + s), atol=slack)
    assert found.variance == pytest.approx(2 * nu * s / (1 + s), rel=max(slack, 1e-12))


def test_curvature_is_the_derivative_of_v():
    h, x = 1e-4, np.array([-0.7, 0.0, 0.2])
    left, right = (gibbs(WELL, x + d, 0.05, 0.8).v for d in (-h, h))
    # h^2 v'''/6 with v''' of some hundred, and rounding over h
    np.testing.assert_allclose(gibbs(WELL, x, 0.05, 0.8).curvature, (right - left) / (2 * h), atol=1e-5)


def test_bounds_of_f_and_of_its_slope_give_the_same():
    f = circle(cosine)
    one, two = replace(f, slope=math.inf), replace(f, lowest=-math.inf)
    for nu in (1e-5, 1.0):
        a, b = (gibbs(g, [0.1, 1.0], nu, 2.0) for g in (one, two))
        np.testing.assert_allclose(a.u, b.u, rtol=1e-12)
        np.testing.assert_allclose(a.curvature, b.curvature, rtol=1e-9)


def test_large_nu_needs_more_points_and_gets_them():
    """The weight is no Gaussian there; two points a standard deviation would err by 1e-9."""
    f = circle(quotient(quartic(a=[2.0, 1.0])))
    field = on_circle(f, 2.0, 0.125)
    found = gibbs(f, field.theta[::32], 2.0, 0.125)
    np.testing.assert_allclose(found.curvature, field.curvature[::32], atol=1e-12)


@pytest.mark.parametrize(("nu", "s"), [(1e-16, 1.0), (1e-13, 1.0), (1e-16, 1e-3), (1e-14, 100.0)])
def test_a_quadrature_that_is_too_large_is_refused_with_a_nu_that_works(nu, s):
    f = circle(cosine)
    with pytest.raises(InvalidInputError, match="points of quadrature, above 4000000; take a nu") as caught:
        gibbs(f, 0.0, nu, s)
    factor = float(re.search(r"take a nu ([0-9.e+]+) times", str(caught.value))[1])
    assert np.isfinite(gibbs(f, 0.0, factor * nu, s).u[0])


def test_where_no_nu_is_enough_s_is_to_be_smaller():
    with pytest.raises(InvalidInputError, match="take a smaller s"):
        gibbs(circle(cosine), 0.0, 0.1, 1e13)


@pytest.mark.filterwarnings("error")
def test_what_overflows_on_the_way_is_refused():
    with pytest.raises(InvalidInputError, match="f'' must be finite"):
        gibbs(line(-sympy.log(sympy.cosh(Y)), slope=1.0), 0.0, nu=1.0, s=1000.0)


def test_rounding_of_the_curvature_is_that_of_the_variance():
    found = gibbs(WELL, 0.1, 1e-3, 0.7)
    expected = 4 * found.rounding * found.variance / (2 * 1e-3 * 0.7**2) + 8 * EPS / 0.7
    np.testing.assert_allclose(found.curvature_rounding, expected, rtol=1e-14)


# --- shocks ---


@pytest.mark.parametrize(
    ("potential", "time", "kappa", "fourth"),
    [
        (circle(quotient(bn.rayleigh([2.0, 1.0]))), 1.0, 1.0, 4.0),
        (circle(quotient(quartic(a=[2.0, 1.0]))), 1 / 8, 8.0, 104.0),  # kappa = 4 a_1, c = 40 a_1 + 24 a_2
        (WELL, 1.0, 1.0, 6.0),
        (line(-sympy.log(sympy.cosh(2 * Y)), slope=2.0), 1 / 4, 4.0, 32.0),
    ],
)
def test_the_first_shock(potential, time, kappa, fourth):
    shock = shock_time(potential)
    # derivatives of trigonometric sums: coefficients with errors of some eps, times 2^k or 4^k
    assert shock.time == pytest.approx(time, rel=1e-13) and shock.kappa == pytest.approx(kappa, rel=1e-13)
    assert shock.jets[4] == pytest.approx(fourth, rel=1e-12) and abs(shock.jets[3]) < 1e-9
    assert shock.place == pytest.approx(shock.start + time * shock.jets[1])
    assert 0 <= crossing_time(potential) / time - 1 < 1e-4


def test_the_lowest_curvature_is_found_between_the_points_of_the_grid():
    shock = shock_time(line(-sympy.cos(Y - 1 / sympy.sqrt(3)) - Y**2 / 8, slope=3.0, interval=(-2.0, 5.0)))
    # f'' = cos(y - y_0) - 1/4: lowest at y_0 + pi
    assert shock.start == pytest.approx(1 / math.sqrt(3) + math.pi, abs=1e-14)
    assert shock.time == pytest.approx(0.8, rel=1e-14)


def test_a_tilt_moves_the_shock_and_nothing_else():
    tilted = shock_time(line((Y**2 - 1) ** 2 / 4 + Y, lowest=-2.0, interval=(-2.0, 2.0)))
    plain = shock_time(WELL)
    assert (tilted.time, tilted.start) == (plain.time, plain.start) and tilted.place == 1.0


@pytest.mark.parametrize("f", [PARABOLA, line(sympy.log(sympy.cosh(Y)), slope=1.0)])
def test_convex_functions_have_no_shock(f):
    shock = shock_time(f)
    assert math.isinf(shock.time) and math.isnan(shock.place) and math.isinf(crossing_time(f))
    with pytest.raises(OutsideAssumptionsError, match="needs inf f'' < 0"):
        shock_law(shock)
    with pytest.raises(OutsideAssumptionsError, match="not below a first shock"):
        before_law(shock, 1.0)


@pytest.mark.parametrize(("interval", "end"), [((-4.0, 4.0), 4), ((-4.0, 9.9), 9.9), ((10.2, 14.0), 10.2)])
def test_a_curvature_that_falls_beyond_the_interval_is_refused(interval, end):
    f = -sympy.log(sympy.cosh(Y - 10))
    with pytest.raises(InvalidInputError, match=rf"lowest at {end:g}, an end of .* give an interval="):
        shock_time(line(f, slope=1.0, interval=interval))
    assert shock_time(line(f, slope=1.0, interval=(8.0, 11.0))).time == pytest.approx(1, rel=1e-13)


@pytest.mark.parametrize("shift", [0.0, 1e-5, -1e-5, math.pi])
def test_the_circles_end_may_be_where_the_curvature_is_lowest(shift):
    shock = shock_time(circle(lambda t: np.cos(t - shift)))
    assert shock.time == pytest.approx(1, rel=1e-13)
    assert math.remainder(shock.start - shift, 2 * math.pi) == pytest.approx(0, abs=1e-12)


def test_a_fourth_derivative_of_rounding_is_none():
    shock = shock_time(circle(lambda t: np.cos(t) - np.cos(2 * t) / 16))
    assert shock.jets[4] == 0 and shock.kappa == pytest.approx(0.75)
    with pytest.raises(OutsideAssumptionsError, match="positive fourth derivative"):
        shock_law(shock)


def test_a_finer_grid_crosses_closer_to_the_first_shock():
    coarse, fine = (crossing_time(WELL, cells) - 1 for cells in (101, 303))
    # with an odd number of cells the one around 0 has the mean curvature -1 + h^2/4
    assert coarse == pytest.approx((4 / 101) ** 2 / 4, rel=1e-3)
    assert fine == pytest.approx(coarse / 9, rel=1e-3)
    with pytest.raises(InvalidInputError, match="cells"):
        crossing_time(WELL, 4)


FOUR = [WELL, circle(cosine), circle(quotient(quartic(a=[2.0, 1.0]))), line(-sympy.log(sympy.cosh(Y)), slope=1.0)]


def unit(shock):
    """The nu at which the first term of the law at the shock is kappa."""
    return (shock_law(shock).terms[0][1] / shock.kappa) ** 2


def left_over(f, law, nu):
    """What a law leaves over, less rounding, and the rounding of that."""
    found = gibbs(f, law.x, nu, law.s)
    return -found.curvature[0] - law(nu), found.curvature_rounding[0]


def assert_next(f, law, nu, within=0.05):
    """What is left over is the next term, to a share and rounding."""
    left, rounding = left_over(f, law, nu)
    assert abs(left - law.next(nu)) <= within * abs(law.next(nu)) + rounding
    assert abs(law.next(nu)) > 3 * rounding or law.next(nu) == 0


@pytest.mark.parametrize("f", [*FOUR, cases.uneven()])
def test_the_law_at_the_shock_leaves_its_next_term_over(f):
    shock = shock_time(f)
    for share in (1e-4, 1e-5):
        assert_next(f, shock_law(shock), share * unit(shock))


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
@pytest.mark.parametrize("f", [*FOUR, cases.uneven()])
def test_the_law_before_the_shock_leaves_its_next_term_over(f, share):
    shock = shock_time(f)
    law = before_law(shock, share * shock.time)
    assert law.terms[0] == (0.0, limit_before(shock, law.s))
    assert law.terms[0][1] == pytest.approx(shock.kappa / (1 - share), rel=1e-12)
    # powers of nu/(1 - s kappa)^2
    assert_next(f, law, 5e-4 * (1 - share) ** 2 * unit(shock))


@pytest.mark.parametrize("s", [1.5, 2.0, 3.0])
@pytest.mark.parametrize("f", [*FOUR, line((Y**2 - 1) ** 2 / 4 + Y / 3, lowest=-0.4, interval=(-2.0, 2.0))])
def test_the_law_after_the_shock_leaves_its_next_term_over(f, s):
    shock = shock_time(f)
    law = jump_law(f, shock, s * shock.time)
    for share in (3e-4, 1e-3):
        assert_next(f, law, share * unit(shock))


def proved(name, **values):
    """The right side of a step of the proof, in numbers."""
    rhs = proofs_check.prove("shock2026.shock_time").step(name).rhs
    return float(rhs.subs({symbol: values[symbol.name] for symbol in rhs.free_symbols}))


def test_laws_are_the_proved_ones():
    """At derivatives by chance, so that no term of theirs is small."""
    rng = np.random.default_rng(2)
    for _ in range(5):
        kappa, c, *rest = [*rng.uniform(0.5, 2, 2), *rng.normal(size=4)]
        shock = Shock(1 / kappa, 0.0, 0.0, kappa, (0.0, 0.0, -kappa, 0.0, c, *rest))
        at = {"kappa": kappa, "c": c, "nu": 1.0, **dict(zip("pqjk", rest, strict=True))}
        words = ("leading term at the shock", "constant at the shock", "next term at the shock")
        expected = np.array([proved(name, **at) for name in words]) - [0, kappa, 0]
        np.testing.assert_allclose([one for _, one in shock_law(shock).terms], expected, rtol=1e-12)
        s = rng.uniform(0.2, 0.9) / kappa
        words = ("limit before the shock", "correction before the shock", "next term before the shock")
        expected = [proved(name, **at, s=s, r=1 - s * kappa) for name in words]
        np.testing.assert_allclose([one for _, one in before_law(shock, s).terms], expected, rtol=1e-12)


@pytest.mark.parametrize("s", [1.2, 2.0, 5.0])
def test_the_jump_is_that_of_the_two_sides(s):
    shock = shock_time(WELL)
    law = jump_law(WELL, shock, s)
    jump = math.sqrt(8 * law.terms[0][1])
    # of the double well: the outer minimisers of (y^2-1)^2/4 + y^2/(2 s) are +-sqrt(1 - 1/s)
    assert jump == pytest.approx(2 * math.sqrt(1 - 1 / s) / s, rel=1e-12)
    # far from the layer the gradient is that of the two sides, jump/2 from its middle
    sides = gibbs(WELL, law.x + np.array([-0.02, 0.02]), 1e-5, s).v
    assert sides[0] - sides[1] == pytest.approx(jump, rel=0.1)


def test_laws_outside_their_assumptions_are_refused():
    shock = shock_time(WELL)
    with pytest.raises(OutsideAssumptionsError, match="not above s\\*"):
        jump_law(WELL, shock, 0.5)
    for s in (1.0, 2.0):
        with pytest.raises(OutsideAssumptionsError, match="not below a first shock"):
            before_law(shock, s)
    f = cases.uneven()
    with pytest.raises(OutsideAssumptionsError, match="not symmetric"):
        jump_law(f, shock_time(f), 2.0)
    flat = cases.flat()
    for call in (lambda: shock_law(shock_time(flat)), lambda: jump_law(flat, shock_time(flat), 2.0)):
        with pytest.raises(OutsideAssumptionsError, match="positive fourth derivative"):
            call()
    with pytest.raises(OutsideAssumptionsError, match="no jump yet"):
        jump_law(PARABOLA, shock_time(PARABOLA), 2.0)
    for s in (0.0, -1.0, math.nan, "late"):
        for call in (lambda s=s: jump_law(WELL, shock, s), lambda s=s: before_law(shock, s)):
            with pytest.raises(InvalidInputError, match="s must be"):
                call()


def test_the_shock_of_another_function_is_refused():
    tilted = line((Y**2 - 1) ** 2 / 4 + Y / 3, lowest=-0.4, interval=(-2.0, 2.0))
    for other in (circle(cosine), tilted, PARABOLA):
        with pytest.raises(InvalidInputError, match="the shock is that of another function"):
            jump_law(other, shock_time(WELL), 2.0)


@pytest.mark.parametrize(
    "odd",
    [
        sympy.tanh((2.2 * Y) ** 9) / 1000,  # flat at the outer minimisers: only the values differ there
        sympy.tanh((2.2 * Y) ** 9) / 10**12,
        (Y**2 - sympy.Rational(1, 2)) ** 4 * Y**7 / 10,  # flat to the third order there, and the value differs not
        Y**9 / 1000,
    ],
)
def test_an_odd_part_anywhere_that_counts_is_no_symmetry(odd):
    f = line((Y**2 - 1) ** 2 / 4 + odd, lowest=-1.0, interval=(-0.5, 0.5))
    even = line((Y**2 - 1) ** 2 / 4, lowest=-1.0, interval=(-0.5, 0.5))
    assert shock_time(f).jets[:5] == pytest.approx(shock_time(even).jets[:5], abs=1e-12)
    jump_law(even, shock_time(even), 2.0)  # whose outer minimisers are at +-1/sqrt(2)
    with pytest.raises(OutsideAssumptionsError, match="not symmetric"):
        jump_law(f, shock_time(f), 2.0)


@pytest.mark.parametrize("depth", [12, 8.5])
def test_lower_wells_further_out_are_seen(depth):
    wells = sum(sympy.exp(-((Y - at) ** 2)) for at in (-5, 5))
    f = line((Y**2 - 1) ** 2 / 4 * sympy.exp(-(Y**2) / 8) - depth * wells, lowest=-2.0 * depth, interval=(-0.7, 0.7))
    shock = shock_time(f)
    with pytest.raises(OutsideAssumptionsError, match="is as low as at the two outer minimisers"):
        jump_law(f, shock, 10 * shock.time)


def test_wells_as_deep_are_seen_and_higher_ones_are_no_matter():
    f, shock = circle(np.cos), shock_time(circle(np.cos))
    for s in (2.0, 30.0):
        assert_next(f, jump_law(f, shock, s), 1e-3)
    wells = (Y**2 - 1) ** 2 * (Y**2 - 4) ** 2 / 64  # at +-1 and +-2, all of the same depth, but for the square
    four = line(wells - Y**2 / 4, lowest=-2.0, interval=(-0.5, 0.5))
    with pytest.raises(OutsideAssumptionsError, match="is as low as"):
        jump_law(four, shock_time(four), 2.0)


def test_laws_take_many_nu():
    law = shock_law(shock_time(WELL))
    (_, amplitude), (_, constant), last = law.terms
    nu = np.array([0.01, 0.04])
    np.testing.assert_allclose(law(nu), amplitude * np.array([10.0, 5.0]) + constant, rtol=1e-14)
    # the double well has no sixth derivative: -kappa is all there is, and A = sqrt(2) Gamma(3/4)/Gamma(1/4)
    assert constant == -1.0 and amplitude == pytest.approx(0.4779887, rel=1e-6) and last == (0.5, 0.0)
    for wrong in (0.0, [0.1, -1.0], math.nan, "a", 1j):
        for call in (law, law.next):
            with pytest.raises(InvalidInputError, match="nu must be"):
                call(wrong)


# --- what is no number and no function ---


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gibbs(PARABOLA, "a", 1.0, 1.0), "x must be real numbers, not 'a'"),
        (lambda: gibbs(PARABOLA, 1j, 1.0, 1.0), "x must be real numbers"),
        (lambda: gibbs(PARABOLA, [[0.0], [1.0, 2.0]], 1.0, 1.0), "x must be real numbers"),
        (lambda: circle(["a"] * 65), "values must be real numbers"),
        (lambda: circle(lambda t: np.exp(1j * t)), "values of f must be real numbers"),
        (lambda: line(Y**2, lowest=0.0, interval="ab"), "interval must be"),
        (lambda: line(Y**2, lowest=0.0, interval=(1, 2, 3)), "interval must be two finite numbers"),
        (lambda: line(Y**2, lowest=0.0, interval=(0, math.inf)), "interval must be two finite numbers"),
        (lambda: line(Y**2, lowest="x"), "lowest must be real numbers"),
        (lambda: line(Y**2, lowest=math.inf), "lowest must be a number below infinity"),
        (lambda: line(Y**2, lowest=math.nan), "lowest must be a number below infinity"),
        (lambda: line(Y**2, slope=-1.0), "slope one of at least 0"),
        (lambda: line(sympy.I * Y, lowest=0.0).derivative(0.0, 0), "must be real numbers"),
        (lambda: gibbs(cosine, 0.0, 1.0, 1.0), "is no Potential"),
        (lambda: shock_time("f"), "is no Potential"),
        (lambda: crossing_time(np.cos), "is no Potential"),
        (lambda: jump_law(np.cos, shock_time(WELL), 2.0), "is no Potential"),
        (lambda: quotient(np.cos), r"is no bn\.Loss"),
        (lambda: monte_carlo(lambda y: y * 1j, 0.0, 1.0, 1.0), "values of f must be real numbers"),
    ],
)
def test_what_is_no_number_or_function_is_refused(call, message):
    with pytest.raises(InvalidInputError, match=message):
        call()


def test_numbers_of_sympy_are_numbers():
    f = line(Y**2, lowest=sympy.Rational(-1, 3), interval=(sympy.Integer(-1), 2))
    assert gibbs(f, sympy.Rational(1, 2), 0.1, 1.0).u.shape == (1,)
