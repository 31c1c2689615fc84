"""Local entropy by its three ways, against closed forms, many digits and each other; shocks; what is refused."""

import math
from dataclasses import replace

import mpmath
import numpy as np
import pytest
import sympy

import bn_theory as bn
from bn_theory.errors import InvalidInputError, NotScaleInvariantError, OutsideAssumptionsError
from bn_theory.local_entropy import (
    Potential,
    circle,
    crossing_time,
    gibbs,
    jump_law,
    line,
    monte_carlo,
    on_circle,
    quotient,
    shock_law,
    shock_time,
    spectral_rounding,
)
from bn_theory.local_entropy.spectral import derivative

Y = sympy.Symbol("y", real=True)
EPS = np.finfo(float).eps
WELL = line((Y**2 - 1) ** 2 / 4, lowest=0.0, interval=(-2.0, 2.0))
PARABOLA = line(Y**2 / 2, lowest=0.0)
NU = [0.0, -0.1, math.nan, math.inf, "much", None]


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


def test_a_nu_that_is_too_small_is_refused_with_one_that_works():
    with pytest.raises(InvalidInputError, match=r"take nu >= 0\.0136") as caught:
        on_circle(cosine, 0.01, 1.0)
    assert "gibbs()" in str(caught.value)
    on_circle(cosine, 0.0137, 1.0)


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
        ({"x": [[0.0]]}, "x must be a number or have shape"),
        ({"f": np.sqrt}, "f must be finite"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value")
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


def test_a_quadrature_that_is_too_large_is_refused():
    with pytest.raises(InvalidInputError, match="points of quadrature, above 4000000; take a nu"):
        gibbs(circle(cosine), 0.0, 1e-16, 1.0)


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
        shock_law(shock, 0.1)


def test_a_finer_grid_crosses_closer_to_the_first_shock():
    coarse, fine = (crossing_time(WELL, cells) - 1 for cells in (101, 303))
    # with an odd number of cells the one around 0 has the mean curvature -1 + h^2/4
    assert coarse == pytest.approx((4 / 101) ** 2 / 4, rel=1e-3)
    assert fine == pytest.approx(coarse / 9, rel=1e-3)
    with pytest.raises(InvalidInputError, match="cells"):
        crossing_time(WELL, 4)


def odd_well():
    """Its fifth derivative does not vanish where f'' is lowest, and neither does the sixth."""
    return line((Y**2 - 1) ** 2 / 4 + Y**5 / 50 * sympy.exp(-(Y**2)) + Y**6 / 90, lowest=-1.0, interval=(-2.0, 2.0))


@pytest.mark.parametrize("f", [WELL, odd_well(), circle(cosine), line(-sympy.log(sympy.cosh(Y)), slope=1.0)])
def test_the_law_at_the_shock_to_its_order(f):
    """What is left out is of order nu^(1/2): a tenth at a hundredth of nu, which no other constant would leave."""
    shock = shock_time(f)
    left = []
    for nu in (1e-5, 1e-7):
        steep = -gibbs(f, shock.place, nu, shock.time).curvature[0]
        left.append(abs(steep - shock_law(shock, nu)[0]))
    assert left[0] < 10 * math.sqrt(1e-5)
    # rounding of the weights, relative to the steepness of some 1e3
    rounding = 1e3 * 4 * gibbs(f, shock.place, 1e-7, shock.time).rounding[0]
    assert left[1] < 0.12 * left[0] + rounding


@pytest.mark.parametrize("s", [1.2, 2.0, 5.0])
@pytest.mark.parametrize("f", [WELL, line((Y**2 - 1) ** 2 / 4 + Y / 3, lowest=-0.4, interval=(-2.0, 2.0))])
def test_the_law_after_the_shock_to_its_order(f, s):
    """What is left out is of order nu: at a tenth of it a tenth."""
    shock, left = shock_time(f), []
    for nu in (1e-4, 1e-5):
        law, jump, _, x = jump_law(f, shock, s, nu)
        found = gibbs(f, x, nu, s)
        left.append(abs(-found.curvature[0] - law))
    assert left[1] < 0.15 * left[0] + 1e-6 * law
    # of the double well: the outer minimisers of (y^2-1)^2/4 + y^2/(2 s) are +-sqrt(1 - 1/s)
    assert jump == pytest.approx(2 * math.sqrt(1 - 1 / s) / s, rel=1e-12)
    # far from the layer the gradient is that of the two sides, jump/2 from its middle
    sides = gibbs(f, x + np.array([-0.02, 0.02]), 1e-5, s).v
    assert sides[0] - sides[1] == pytest.approx(jump, rel=0.1)


def test_laws_outside_their_assumptions_are_refused():
    shock = shock_time(WELL)
    with pytest.raises(OutsideAssumptionsError, match="not above s\\*"):
        jump_law(WELL, shock, 0.5, 0.1)
    f = odd_well()
    with pytest.raises(OutsideAssumptionsError, match="not symmetric"):
        jump_law(f, shock_time(f), 2.0, 0.1)
    flat = line(Y**6 / 30 - Y**2 / 2, lowest=-1.0, interval=(-2.0, 2.0))
    with pytest.raises(OutsideAssumptionsError, match="positive fourth derivative"):
        shock_law(shock_time(flat), 0.1)
    for nu in (0.0, [0.1, -1.0], math.nan):
        with pytest.raises(InvalidInputError, match="nu must be finite and above 0"):
            shock_law(shock, nu)
        with pytest.raises(InvalidInputError, match="nu must be finite and above 0"):
            jump_law(WELL, shock, 2.0, nu)


def test_laws_take_many_nu():
    law, amplitude, constant = shock_law(shock_time(WELL), np.array([0.01, 0.04]))
    np.testing.assert_allclose(law, amplitude * np.array([10.0, 5.0]) + constant, rtol=1e-14)
    # the double well has no sixth derivative: -kappa is all there is, and A = sqrt(2) Gamma(3/4)/Gamma(1/4)
    assert constant == -1.0 and amplitude == pytest.approx(0.4779887, rel=1e-6)
