"""The explicit inequalities: their algebra against independent evaluations, and on small runs."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize
from scipy.special import lambertw

import bn_theory as bn
from bn_theory import bounds
from bn_theory.dynamics import Constant, Power
from bn_theory.errors import InvalidInputError, OutsideAssumptionsError
from bn_theory.losses.facts import Blocks
from bn_theory.theorems import workbench

ONE = Blocks({("w", "w"): 2.0}, gradient={"w": 1.0})
PAIR = Blocks({("u", "u"): 1.0, ("v", "v"): 3.0, ("u", "v"): 0.5}, mixed={"u": 0.2, "v": 0.4}, parameter=2.0)


def test_curvatures_by_hand():
    assert bounds.curvatures(ONE, ("w",)) == {"w": 2.0}
    # K_u = L_uu + L_uv + m M_u^2/(c L_g) with m = 2, c = 1/2, L_g = 2
    K = bounds.curvatures(PAIR, ("u", "v"), c=0.5)
    assert K["u"] == pytest.approx(1.0 + 0.5 + 2 * 0.04 / 1.0, rel=1e-15)
    assert K["v"] == pytest.approx(3.0 + 0.5 + 2 * 0.16 / 1.0, rel=1e-15)
    with pytest.raises(InvalidInputError, match="c must lie"):
        bounds.curvatures(PAIR, ("u", "v"), c=1.0)


@given(st.floats(1e-3, 50), st.floats(0, 100))
def test_largest_growth_is_the_larger_root(k, delta):
    x = float(bounds.largest_growth(k, delta))
    # Residual: x and k log1p(x) carry a few roundings each; subnormal deltas carry fewer digits.
    assert abs(x - k * math.log1p(x) - delta) <= 8 * np.finfo(float).eps * (x + k * math.log1p(x) + delta) + 1e-300
    assert x >= max(k - 1, 0) * (1 - 1e-12)


def test_largest_growth_agrees_with_lambert_where_that_does_not_underflow():
    for k in (0.3, 1.5, 20.0):
        for delta in (0.5, 3.0, 30.0):
            closed = float((-k * lambertw(-math.exp(-(1 + delta) / k) / k, -1) - 1).real)
            assert float(bounds.largest_growth(k, delta)) == pytest.approx(closed, rel=1e-12)


def test_largest_growth_where_the_exponential_underflows():
    # k = 1e-4: exp(-(1 + delta)/k) = 0 in floating point; the root is near delta/(1 - k) + O(delta^2)
    x = float(bounds.largest_growth(1e-4, 1e-6))
    assert x == pytest.approx(1e-6 / (1 - 1e-4), rel=1e-6)


@given(st.floats(0, 1), st.floats(1e-6, 1e3))
def test_log_ratio_factor_dominates(fraction, r):
    x = fraction * r
    assert x <= float(bounds.log_ratio_factor(r)) * math.log1p(x) * (1 + 1e-12)
    assert float(bounds.log_ratio_factor(0.0)) == 1.0


def test_bracket_minimum_is_the_minimum():
    term = bounds.GroupTerms(np.asarray(1.3), np.asarray(2.0), np.asarray(1.7))
    found = optimize.minimize_scalar(lambda G: float(term.bracket(G)), bounds=(1.3, 50), method="bounded")
    # A minimum is located to sqrt(eps) by function values; its value is then right to eps.
    assert float(term.minimum) == pytest.approx(found.fun, abs=1e-10)
    lazy = bounds.GroupTerms(np.asarray(5.0), np.asarray(0.1), np.asarray(1.0))
    assert float(lazy.minimum) == 0.0


def test_gd_bound_by_hand_for_one_group():
    G, eta, excess = 1.5, 0.7, 0.4
    rho = (eta / G) ** 2 / math.log1p((eta / G) ** 2)
    a = 2.0 * rho / 2

    def phi(x):
        return (x - G) / eta - a * math.log(x / G) - excess

    Gbar = optimize.brentq(phi, max(G, a * eta) + 1e-9, 1e3, xtol=1e-14, rtol=1e-14)
    found = bounds.gd_bound(ONE, {"w": G}, {"w": eta}, excess)
    assert float(found.norm2["w"]) == pytest.approx(Gbar, rel=1e-10)
    assert float(found.numerator) == pytest.approx((Gbar**2 - G**2) / (2 * eta**2), rel=1e-9)
    assert found.grad_norm2([10, 100]) == pytest.approx([float(found.numerator) / 10, float(found.numerator) / 100])


def test_gd_bound_with_groups_and_a_parameter_by_hand():
    G, lr, lr_g, excess = {"u": 1.0, "v": 2.0}, {"u": 5.0, "v": 0.3}, 0.4, 0.9
    c, c_g = 0.25, 0.25
    K = {"u": 1.5 + 2 * 0.04 / (c * 2), "v": 3.5 + 2 * 0.16 / (c * 2)}
    L = {"u": 1.0, "v": 3.0}
    a, low = {}, {}
    for i in G:
        r = (L[i] * lr[i] / G[i]) ** 2
        a[i] = K[i] * r / math.log1p(r) / 2
        top = max(G[i], a[i] * lr[i])
        low[i] = (top - G[i]) / lr[i] - a[i] * math.log(top / G[i])
    assert low["u"] < 0  # so that the other group's budget is not just Delta
    Gbar = {}
    for i in G:
        other = low["v" if i == "u" else "u"]

        def phi(x, i=i, other=other):
            return (x - G[i]) / lr[i] - a[i] * math.log(x / G[i]) - (excess - other)

        Gbar[i] = optimize.brentq(phi, max(G[i], a[i] * lr[i]) * (1 + 1e-12), 1e4, xtol=1e-13, rtol=1e-14)
    expected = sum((Gbar[i] ** 2 - G[i] ** 2) / (2 * lr[i] ** 2) for i in G) + (excess - sum(low.values())) / (
        c_g * lr_g
    )
    found = bounds.gd_bound(PAIR, G, lr, excess, lr_g, c, c_g)
    for i in G:
        assert float(found.norm2[i]) == pytest.approx(Gbar[i], rel=1e-10)
    assert float(found.numerator) == pytest.approx(expected, rel=1e-9)
    # a posteriori at the bound itself: the same norms, and for g what the brackets leave
    measured = {i: np.array([Gbar[i]]) for i in G}
    left = excess - sum((Gbar[i] - G[i]) / lr[i] - a[i] * math.log(Gbar[i] / G[i]) for i in G)
    by_hand = sum((Gbar[i] ** 2 - G[i] ** 2) / (2 * lr[i] ** 2) for i in G) + left / (c_g * lr_g)
    assert found.a_posteriori(measured, [7]) == pytest.approx([by_hand / 7], rel=1e-9)


def test_parameter_rates_above_the_limit_are_outside():
    limit = bounds.largest_parameter_rate(PAIR)
    assert limit == pytest.approx(2 * 0.75 / (1.25 * 2.0))
    with pytest.raises(OutsideAssumptionsError, match="parameter rate"):
        bounds.gd_bound(PAIR, {"u": 1.0, "v": 1.0}, {"u": 1.0, "v": 1.0}, 1.0, lr_g=1.01 * limit)
    with pytest.raises(InvalidInputError, match="lr_g"):
        bounds.gd_bound(PAIR, {"u": 1.0, "v": 1.0}, {"u": 1.0, "v": 1.0}, 1.0)
    with pytest.raises(InvalidInputError, match="inf L"):
        bounds.gd_bound(ONE, {"w": 1.0}, {"w": 1.0}, -1e-3)
    with pytest.raises(InvalidInputError, match="c_g"):
        bounds.gd_bound(ONE, {"w": 1.0}, {"w": 1.0}, 1.0, c_g=0.0)


@pytest.mark.parametrize("eta", [0.01, 0.3, 3.0, 100.0])
def test_gd_bounds_hold_and_restarting_tightens(eta):
    loss = bn.rayleigh(np.linspace(0, 1, 8))
    run = bn.run(loss, bn.GD(eta), steps=2000, replicas=8, seed=3, engine="numpy")
    losses, G, t = run.loss.values, run.norm2.values, run.step.values

    def bound_of(norm2, excess):
        return bounds.gd_bound(loss.facts.blocks, norm2, {"w": np.asarray(eta)}, excess)

    found = bound_of({"w": G[:, 0]}, losses[:, 0])
    smallest = run.min_grad_norm2.values[:, 1:]
    assert np.all(smallest <= found.grad_norm2(t[1:]))
    assert np.all(found.norm2["w"][:, None] * (1 + 1e-9) >= G)
    best, when = bounds.restarted(bound_of, losses[:, :-1], {"w": G[:, :-1]}, 0.0, t[:-1], t[-1], rounding=1e-14)
    assert np.all(smallest[:, -1] <= best) and np.all(best <= found.grad_norm2(t[-1:])[:, 0] * (1 + 1e-9))
    if eta > 1:
        assert np.all(best < found.grad_norm2(t[-1:])[:, 0] / 2) and np.all(when > 0)
    with pytest.raises(InvalidInputError, match="restart"):
        bounds.restarted(bound_of, losses[:, :1], {"w": G[:, :1]}, 0.0, [5], 5)


def test_published_figures_of_the_norm_bound_have_their_size():
    # d = 8, eigenvalues 0 .. 1, |w_0| = 1, start at the worst norm growth: bounds for 0.01, 0.3, 3 grow with eta
    loss = bn.rayleigh(np.linspace(0, 1, 8))
    bars = [
        float(bounds.gd_bound(loss.facts.blocks, {"w": 1.0}, {"w": eta}, 0.25).norm2["w"]) for eta in (0.01, 0.3, 3.0)
    ]
    assert bars[0] < 1.01 and 1.05 < bars[1] < 1.5 and 5 < bars[2] < 30


def test_sgd_bound_by_hand_and_in_chunks(monkeypatch):
    schedule, C, G, excess = Power(0.5, 0.25), 1.5, 1.2, 0.3
    steps = np.array([1, 2, 50])
    U2, weight, expected = G**2, 0.0, []
    rho_r = (C * 0.5 / G) ** 2
    rho = rho_r / math.log1p(rho_r)
    for s in range(50):
        eta = 0.5 * (s + 1) ** -0.25
        weight += eta / math.sqrt(U2)
        U2 += 2 * (eta * C) ** 2 + (eta * C) ** 4 / G**2
        if s + 1 in steps:
            expected.append((excess + 2.0 * rho / 2 * 0.5 * math.log(U2 / G**2)) / weight)
    for chunk in (2**16, 7):
        monkeypatch.setattr(bounds, "_CHUNK", chunk)
        found = bounds.sgd_bound(ONE, {"w": C}, {"w": G}, {"w": schedule}, excess, steps)
        assert found.grad_norm2[0] == pytest.approx(expected, rel=1e-12)
        assert found.norm2["w"][0, -1] == pytest.approx(math.sqrt(U2), rel=1e-12)


def test_sgd_bound_with_a_parameter_by_hand():
    G, excess, C, C_g, c = {"u": 1.0, "v": 2.0}, 0.3, {"u": 1.0, "v": 3.0}, 0.7, 0.25
    K = bounds.curvatures(PAIR, ("u", "v"), c)
    schedules, schedule_g = {"u": Constant(0.5), "v": Constant(2.0)}, Power(0.4, 0.5)
    U2, weight, squares = {i: G[i] ** 2 for i in G}, 0.0, 0.0
    for s in range(30):
        eta_g = 0.4 * (s + 1) ** -0.5
        weight += min(0.5 / math.sqrt(U2["u"]), 2.0 / math.sqrt(U2["v"]), eta_g)
        squares += eta_g**2
        for i, eta in (("u", 0.5), ("v", 2.0)):
            U2[i] += 2 * (eta * C[i]) ** 2 + (eta * C[i]) ** 4 / G[i] ** 2
    budget = excess + (1 + c) * 2.0 * C_g**2 / 2 * squares
    for i, eta in (("u", 0.5), ("v", 2.0)):
        r = (C[i] * eta / G[i]) ** 2
        budget += K[i] * r / math.log1p(r) / 2 * 0.5 * math.log(U2[i] / G[i] ** 2)
    found = bounds.sgd_bound(PAIR, C, G, schedules, excess, [30], schedule_g=schedule_g, parameter_gradient=C_g, c=c)
    assert found.grad_norm2[0, 0] == pytest.approx(budget / weight, rel=1e-12)
    with pytest.raises(InvalidInputError, match="schedule_g"):
        bounds.sgd_bound(PAIR, C, G, schedules, excess, [30])


@pytest.mark.parametrize(("alpha", "power"), [(0.0, -0.5), (0.25, -0.5), (0.5, -0.5)])
def test_sgd_bound_decays_at_the_theorem_rate(alpha, power):
    steps = np.array([10**4, 10**6])
    found = bounds.sgd_bound(ONE, {"w": 1.0}, {"w": 1.0}, {"w": Power(1.0, alpha)}, 1.0, steps)
    low, high = found.grad_norm2[0]
    slope = math.log(high / low) / math.log(100)
    # T^-1/2 up to (log T)^(3/2), whose local exponent is at most 1.5/log(1e4) = 0.16
    assert power - 0.02 <= slope <= power + 0.17


def test_sgd_bound_refuses_bad_steps():
    for steps in ([], [0, 5], [5, 5]):
        with pytest.raises(InvalidInputError, match="steps"):
            bounds.sgd_bound(ONE, {"w": 1.0}, {"w": 1.0}, {"w": Constant(1.0)}, 1.0, steps)


def test_descent_by_hand():
    allowed = bounds.descent({"w": 0.5}, {"w": 2.0}, 0.3, {"w": 0.7}, 0.4, {"w": 3.0}, 2.0, c=0.25)
    assert allowed == pytest.approx(-0.7 * 0.5 * (1 - 3 * 0.7 / 4) - 0.4 * 0.3 * (1 - 1.25 * 2 * 0.4 / 2))
    without = bounds.descent({"w": 0.5}, {"w": 2.0}, 0.0, {"w": 0.7}, None, {"w": 3.0}, None)
    assert without == pytest.approx(-0.7 * 0.5 * (1 - 3 * 0.7 / 4))


def test_rates_beyond_the_set_of_the_constants_are_outside():
    loss = bn.least_squares_bn(*workbench.diabetes())
    blocks = loss.facts.need("blocks", {"gamma": 1.0})
    assert bounds.largest_parameter_rate(blocks) == 1.0
    for lr_g in (1.1, 0.0, -1.0, math.nan):
        with pytest.raises(OutsideAssumptionsError, match="parameter rate"):
            bounds.gd_bound(blocks, {"w": 1.0}, {"w": 1.0}, 1.0, lr_g)
    with pytest.raises(OutsideAssumptionsError, match="hold up to"):
        bounds.sgd_bound(
            blocks,
            {"w": 1.0},
            {"w": 1.0},
            {"w": Constant(1.0)},
            1.0,
            [5],
            schedule_g=Constant(1.1),
            parameter_gradient=1.0,
        )


def test_without_curvature_the_norm_cannot_grow_beyond_the_excess():
    flat = bounds.gd_bound(bn.rayleigh([1.0, 1.0]).facts.blocks, {"w": 1.0}, {"w": 0.1}, 0.5)
    assert float(flat.norm2["w"]) == pytest.approx(1.05, rel=1e-12)  # (G - G_0)/eta = Delta


@pytest.mark.parametrize(
    ("norm2", "lr", "match"),
    [
        ({"u": 1.0}, {"u": 1.0, "v": 1.0}, "norm2_start lacks"),
        ({"u": 1.0, "v": 1.0}, {"u": 1.0}, "rates lacks"),
        ({"u": 0.0, "v": 1.0}, {"u": 1.0, "v": 1.0}, "norm2_start"),
        ({"u": 1.0, "v": 1.0}, {"u": -1.0, "v": 1.0}, "lr"),
        ({"u": 1.0, "v": 1.0}, {"u": math.nan, "v": 1.0}, "lr"),
    ],
)
def test_bad_input_is_named(norm2, lr, match):
    with pytest.raises(InvalidInputError, match=match):
        bounds.gd_bound(PAIR, norm2, lr, 1.0, 0.1)
    with pytest.raises(InvalidInputError, match="L_0 - inf L"):
        bounds.gd_bound(PAIR, {"u": 1.0, "v": 1.0}, {"u": 1.0, "v": 1.0}, math.nan, 0.1)
    with pytest.raises(InvalidInputError, match="L_0 - inf L"):
        bounds.sgd_bound(ONE, {"w": 1.0}, {"w": 1.0}, {"w": Constant(1.0)}, -5.0, [5])


def test_the_sum_of_squared_gradients_stays_below_the_numerator():
    loss = bn.rayleigh(np.linspace(0, 1, 8))
    for eta in (0.01, 1.0, 30.0):
        run = bn.run(loss, bn.GD(eta), steps=5000, replicas=4, seed=1, engine="numpy")
        found = bounds.gd_bound(loss.facts.blocks, {"w": run.norm2.values[:, 0]}, {"w": eta}, run.loss.values[:, 0])
        assert np.all(run.sum_grad_norm2.values[:, -1] <= found.numerator)


def test_sgd_bound_a_posteriori_takes_the_measured_growth():
    arguments = (ONE, {"w": 1.5}, {"w": 1.2}, {"w": Power(0.5, 0.25)}, 0.3, [1, 50])
    prior = bounds.sgd_bound(*arguments)
    r = (1.5 * 0.5 / 1.2) ** 2
    a = 2.0 * r / math.log1p(r) / 2
    weights = prior.budget / prior.grad_norm2
    growth = np.array([[0.01, 0.2]])
    later = bounds.sgd_bound(*arguments, log_growth={"w": growth})
    assert later.grad_norm2 == pytest.approx((0.3 + a * growth) / weights, rel=1e-12)
    assert np.all(later.grad_norm2 < prior.grad_norm2)
