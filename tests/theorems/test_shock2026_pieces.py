"""What the statements on local entropy are built of, on cases that are right and wrong."""

import math
from dataclasses import replace

import numpy as np
import pytest
import sympy

import bn_theory as bn
from bn_theory.errors import InvalidInputError, OutsideAssumptionsError
from bn_theory.local_entropy import Law, line, shock_law, shock_time
from bn_theory.theorems.evidence import CONTRADICTED, INCONCLUSIVE, SUPPORTED, Curves, Evidence, Outside
from bn_theory.theorems.shock2026 import cases, identity, run, steepness
from bn_theory.theorems.shock2026 import shock_time as shocks
from bn_theory.theorems.statement import Settings

SETTINGS = Settings()


@pytest.fixture(scope="module")
def circles():
    return cases.circles()


# --- the cases ---


def test_the_losses_are_scale_invariant_and_their_twins_are_not():
    for loss in cases.losses().values():
        assert loss.scale_invariant_groups == ("w",)
    for twin in cases.twins().values():
        assert twin.scale_invariant_groups == ()
    w = {"w": [0.3, -0.7]}
    for name, loss in cases.losses().items():
        denominator = np.linalg.norm(w["w"]) ** (2 if name == "rayleigh" else 4)
        assert float(loss.value(w)) == pytest.approx(float(cases.twins()[name].value(w)) / denominator, rel=1e-14)


def test_lower_bounds_are_lower_bounds_and_close():
    for f in (*cases.circles().values(), *cases.lines().values(), *cases.convex().values(), cases.flat()):
        x = np.linspace(*f.interval, 5001)
        assert np.min(f(x)) >= f.lowest and np.max(np.abs(f.derivative(x, 1))) <= f.slope * (1 + 1e-12)
    assert np.min(cases.lines()["tilted double well"](np.linspace(-2, 2, 5001))) < -0.3


def test_convex_functions_are_convex_and_the_others_are_not():
    for f in cases.convex().values():
        assert np.min(f.derivative(np.linspace(-10, 10, 500), 2)) >= 0 and cases.highest(f) == pytest.approx(1)
    assert all(shock_time(f).kappa > 0 for f in (*cases.circles().values(), *cases.lines().values()))


# --- the identity ---


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("change", [{}, {"sign": -1.0}, {"diffusion": 0.0}, {"diffusion": 1 + 1e-6}, {"sign": 0.5}])
def test_the_residual_sees_a_wrong_equation(circles, order, change):
    found = identity.residual_claim("", circles["rayleigh"], 1.0, (0.1, 0.25), order=order, **change)
    assert found.verdict == (CONTRADICTED if change else SUPPORTED)


def test_the_residual_sees_an_entropy_at_another_nu(circles, monkeypatch):
    """The solver is told another diffusivity than the equation."""
    right = identity.on_circle
    monkeypatch.setattr(identity, "on_circle", lambda f, nu, s, points: right(f, 1.0001 * nu, s, points))
    assert identity.residual_claim("", circles["rayleigh"], 1.0, (0.1,)).verdict == CONTRADICTED


def test_the_residual_with_the_wrong_sign_is_twice_the_laplacian(circles):
    wrong, _ = identity.residual(circles["rayleigh"], 0.1, 1.0, sign=-1.0)
    without, _ = identity.residual(circles["rayleigh"], 0.1, 1.0, diffusion=0.0)
    assert wrong == pytest.approx(2 * without, rel=1e-6)


@pytest.mark.parametrize("change", [{}, {"logarithm": 0.999}, {"variance": 0.999}, {"logarithm": 1.001}])
def test_the_closed_form_is_checked_to_three_digits_and_more(change):
    found = identity.parabola_claim("", (0.05,), **change)
    assert found.verdict == (CONTRADICTED if change else SUPPORTED)


@pytest.mark.parametrize("change", [{}, {"evolved": 0.1001}, {"transport": 0.5001}])
def test_the_direct_integration_is_told_from_others_near_by(circles, change):
    found = identity.integration_claim("", circles["rayleigh"], 0.1, 1.0, 60, **change)
    assert found.verdict == (CONTRADICTED if change else SUPPORTED)
    assert found.details["observed_order"] == pytest.approx(4, abs=0.3)


def test_pure_diffusion_is_integrated_exactly():
    """Without its square the equation is the heat equation, whose modes decay by themselves."""
    u = identity.integrated(lambda t: np.cos(3 * t), 0.2, 0.7, 1, transport=0.0)
    t = 2 * np.pi * np.arange(identity.POINTS) / identity.POINTS
    np.testing.assert_allclose(u, np.exp(-0.2 * 9 * 0.7) * np.cos(3 * t), atol=1e-14)


# --- the run ---


def test_a_ray_is_told_from_a_curve():
    loss = bn.rayleigh([2.0, 1.0])
    assert run.ray_claim("", loss, 0).verdict == SUPPORTED
    assert run.ray_claim("", loss.unnormalised, 0).verdict == CONTRADICTED
    w, a = bn.weights("w"), bn.data("a")
    almost = bn.Loss(bn.total(a * w**2) / bn.total(w**2) ** (1 + sympy.Rational(1, 10**9)), a=[2.0, 1.0])
    assert run.ray_claim("", almost, 0).verdict == CONTRADICTED


def test_refusals_are_counted():
    taken, said = run.refusals([*cases.losses().values(), *cases.twins().values()])
    assert taken == 2 and len(said) == 2 and all("was not proved" in text for text in said)
    assert run.refusal_claim("", list(cases.twins().values())).verdict == SUPPORTED
    assert run.refusal_claim("", [*cases.twins().values(), bn.rayleigh([1.0, 2.0])]).verdict == CONTRADICTED


def agreed(ratio, error):
    return [one.verdict for one in run.agreement("", np.array(ratio), np.array(error), 100)]


def test_agreement_by_deviations_and_by_interval():
    assert agreed([1.001, 0.999], [1e-3, 1e-3]) == [SUPPORTED, SUPPORTED]
    assert agreed([1.006, 1.0], [1e-3, 1e-3]) == [CONTRADICTED, SUPPORTED]  # six standard errors, yet within 2 %
    assert agreed([1.01, 0.99], [1e-2, 1e-2]) == [SUPPORTED, INCONCLUSIVE]  # too noisy to say
    assert agreed([1.5, 1.5], [1e-3, 1e-3]) == [CONTRADICTED, CONTRADICTED]
    assert agreed([math.nan, 1.0], [1e-3, 1e-3])[0] == CONTRADICTED


def test_the_quantile_is_bonferronis():
    one, many = (next(iter(run.agreement("", np.ones(n), np.ones(n), 2))).details["allowed_z"] for n in (1, 16))
    # P(|Z| > 4.892) = 1e-6 for one
    assert one == pytest.approx(4.8916, abs=1e-4) and many == pytest.approx(5.4115, abs=1e-4)


def test_enough_samples_are_taken(circles):
    f = circles["rayleigh"]
    count = run.samples_for(f, 0.1, 0.5, 0)
    _, error, _ = run.sampled(f, 0.1, 0.5, 0, count)
    assert error.max() < run.STANDARD_ERROR and count % 1000 == 0


@pytest.mark.parametrize(
    ("change", "verdict"), [({}, SUPPORTED), ({"variance": 0.95}, CONTRADICTED), ({"sign": -1.0}, CONTRADICTED)]
)
def test_samples_see_five_per_cent_of_the_variance(circles, change, verdict):
    ratio, error, _ = run.sampled(circles["rayleigh"], 0.1, 0.5, 1, 200_000, **change)
    z, _ = run.agreement("", ratio, error, 200_000)
    assert z.verdict == verdict


def test_the_solvers_are_told_apart(circles, monkeypatch):
    f = circles["quartic"]
    assert run.solvers_claim("", f, 0.3, 0.1).verdict == SUPPORTED
    right = run.gibbs
    monkeypatch.setattr(run, "gibbs", lambda f, x, nu, s: right(f, x, nu, s * (1 + 1e-8)))
    assert run.solvers_claim("", f, 0.3, 0.1).verdict == CONTRADICTED


def test_jensens_bounds_bite(circles, monkeypatch):
    f = circles["rayleigh"]
    assert [one.verdict for one in run.jensen_claims("", f, 0.1, 0.5)] == [SUPPORTED, SUPPORTED]
    right = run.on_circle

    def moved(by):
        def on_circle(*arguments):
            field = right(*arguments)
            return replace(field, u=field.u + by)

        return on_circle

    monkeypatch.setattr(run, "on_circle", moved(0.02))
    assert [one.verdict for one in run.jensen_claims("", f, 0.1, 0.5)] == [CONTRADICTED, SUPPORTED]
    monkeypatch.setattr(run, "on_circle", moved(-0.1))
    assert [one.verdict for one in run.jensen_claims("", f, 0.1, 0.5)] == [SUPPORTED, CONTRADICTED]


def test_heat_of_a_wave_is_its_decay():
    t = 2 * np.pi * np.arange(run.POINTS) / run.POINTS
    found = run.smoothed(lambda y: np.cos(3 * y), 0.2, 0.5)
    np.testing.assert_allclose(found, np.exp(-0.2 * 9 * 0.5) * np.cos(3 * t), atol=1e-14)


def test_the_figure_shows_what_was_judged():
    """Its samples are those of the claims, at that nu, and it carries their verdicts and no others."""
    found = list(run.evidence(SETTINGS))
    names = {one.name for one in found if isinstance(one, Evidence)}
    curves = [one for one in found if isinstance(one, Curves)]
    for one, (name, f) in zip(curves, cases.circles().items(), strict=True):
        supports, nu = one.data["supports"], run.NUS[0] * cases.swing(f)
        assert set(supports) < names and len(supports) == 2 * len(run.DRAWN)
        assert all(text.startswith(f"{name}: nu {nu:.3g},") for text in supports)
        x = one.data["sampled"]["x"]
        assert x[0] == -np.pi / 2 and x[-1] == pytest.approx(np.pi / 2) and len(x) == run.ANGLES // 2 + 1
        for label, share in run.DRAWN.items():
            drawn = one.data["sampled"]["curves"][label]
            exact = run.gibbs(f, x, nu, share * shock_time(f).time).u
            # bars of three standard errors; five of them a chance of 6e-7
            assert np.all(np.abs(drawn["u"] - exact) <= 5 / 3 * drawn["error"])
            # at most three times a standard error of STANDARD_ERROR, of a u = -2 nu log phi
            assert np.max(drawn["error"]) < 3 * 2 * nu * run.STANDARD_ERROR


def test_no_two_runs_share_their_draws(monkeypatch):
    seeds, right = [], run.monte_carlo

    def seen(f, x, nu, s, samples, seed):
        seeds.append(seed)
        return right(f, x, nu, s, 40, seed)

    monkeypatch.setattr(run, "monte_carlo", seen)
    list(run.evidence(Settings(seed=3)))
    assert len(seeds) == len(set(seeds)) > 10
    assert all(3000 <= seed < 4000 for seed, _ in seeds)


def drawn(f, samples=50):
    nu, time = run.NUS[0] * cases.swing(f), shock_time(f).time
    return {b: run.sampled(f, nu, b * time, 3, samples)[2] for b in run.DRAWN.values()}


def test_curves_of_the_run_repeat(circles):
    f = circles["rayleigh"]
    one, two = (run.curves("rayleigh", f, shock_time(f).time, drawn(f), []) for _ in range(2))
    label = "s = s*"
    assert isinstance(one, Curves) and one.data["sampled"]["curves"][label]["u"].tolist() == (
        two.data["sampled"]["curves"][label]["u"].tolist()
    )
    # u falls with s, as its equation has u_s = nu u_xx - u_x^2/2 < 0 where f is largest
    middle = [float(u[64]) for u in one.data["u"].values()]
    assert middle == sorted(middle, reverse=True)


# --- the first shock ---


def test_the_first_crossing_is_checked_to_its_grid(circles):
    f = circles["quartic"]
    assert shocks.cells_claim("", f).verdict == SUPPORTED
    assert shocks.cells_claim("", f, cells=200).verdict == SUPPORTED
    assert shocks.cells_claim("", f, time=1.0001 / 8).verdict == CONTRADICTED
    assert shocks.cells_claim("", f, time=1 / cases.highest(f)).verdict == CONTRADICTED


def test_crossing_by_a_time(circles):
    f = circles["rayleigh"]
    assert shocks.crossed_claim("", f, s=1.01).verdict == SUPPORTED
    assert shocks.crossed_claim("", f, s=0.99).verdict == CONTRADICTED


NUS = np.geomspace(1e-8, 1e-4, 9)
ROOT = Law(0.0, 1.0, ((-0.5, 3.0), (0.0, -1.0), (0.5, 2.0)))
"""``3 nu^(-1/2) - 1``, with ``2 nu^(1/2)`` to come."""


def regime(factor=1.0, error=0.0, law=ROOT, more=1.0):
    """A steepness that is the law and ``more`` of its next term, times a factor."""
    return steepness.Regime(law, NUS, factor * (law(NUS) + more * law.next(NUS)), np.full(9, error))


def test_an_exponent_is_the_slope():
    assert shocks.exponent_claim("", regime()).verdict == SUPPORTED
    assert shocks.exponent_claim("", regime(NUS**-0.02)).verdict == CONTRADICTED
    assert shocks.exponent_claim("", regime(NUS**0.005)).verdict != SUPPORTED
    assert shocks.exponent_claim("", regime(error=0.1)).verdict == INCONCLUSIVE
    assert shocks.exponent_claim("", regime(), -0.52).verdict == CONTRADICTED
    found = shocks.exponent_claim("", regime(law=Law(0.0, 1.0, ((-0.5, 1.0), (0.0, 1.0), (0.5, 0.0)))))
    # the slope of the constant: sqrt(nu)/2 at most at the two largest nu; it is allowed for, and no more
    assert found.interval[0] >= -0.5 and found.interval[1] == pytest.approx(-0.5 + 0.5 * np.sqrt(NUS[-1]), abs=2e-3)
    assert found.tolerance == pytest.approx(found.interval[1] + 0.5, rel=1e-9)


def test_a_law_leaves_its_next_term_over():
    right = shocks.law_claim("", regime())
    assert right.verdict == SUPPORTED and right.measured == pytest.approx(1 / steepness.NEXT, rel=1e-6)
    assert shocks.law_claim("", regime(more=1.6)).verdict == CONTRADICTED
    assert shocks.law_claim("", regime(more=-1.4)).verdict == SUPPORTED
    assert shocks.law_claim("", regime(1 + 1e-6)).verdict == CONTRADICTED
    assert shocks.law_claim("", regime(1 + 1e-6, error=2e-6)).verdict == SUPPORTED
    assert shocks.law_claim("", regime(), steepness.without(regime(), 0.0)).verdict == CONTRADICTED
    assert shocks.law_claim("", regime(math.nan)).verdict == CONTRADICTED
    np.testing.assert_allclose(steepness.without(regime(), 0.0), 3 * NUS**-0.5, rtol=1e-15)


@pytest.mark.parametrize("name", ["rayleigh", "quartic", "-log cosh", "tilted double well"])
def test_the_three_regimes(circles, name):
    f = (circles | cases.lines())[name]
    found = shocks.regimes(SETTINGS, f)
    assert [round(one.law.s / shock_time(f).time, 12) for one in found.values()] == [0.5, 1.0, 2.0]
    assert [one.exponent for one in found.values()] == [0.0, -0.5, -1.0]
    for what, one in found.items():
        assert one.nus[-1] / one.nus[0] == pytest.approx(1e4) and np.all(one.error < 1e-5)
        np.testing.assert_allclose(one.steepness, one.law(one.nus), rtol=3e-5)
        assert shocks.law_claim("", one).verdict == SUPPORTED
        lost = steepness.without(one, 1.0 if what == "before" else 0.0)
        assert shocks.law_claim("", one, lost).verdict == CONTRADICTED
        # half of that term, or one and a half, is seen as well
        for half in (0.5, 1.5):
            claimed = lost + half * (one.law(one.nus) - lost)
            assert shocks.law_claim("", one, claimed).verdict == CONTRADICTED


def test_rounding_of_the_steepness_is_not_smaller_than_it_is(circles):
    """Against the law where that is exact: the double well's, whose sixth and all further derivatives vanish."""
    f = cases.lines()["tilted double well"]
    law = shock_law(shock_time(f))
    assert law.next(1.0) == 0
    one = steepness.measured(f, law, steepness.natural(shock_time(f)) * np.array([1e-8, 1e-6]))
    assert np.all(np.abs(one.steepness / law(one.nus) - 1) <= one.error) and np.all(one.error < 1e-5)


def test_the_natural_unit_needs_no_constant():
    """B vanishes where the sixth derivative makes up for -kappa; A never does."""
    shock = shock_time(cases.lines()["tilted double well"])
    g = math.gamma(0.75) / math.gamma(0.25)
    sixth = -5 * shock.jets[4] ** 2 / (4 * shock.kappa * (5 / 16 - 3 * g**2 / 4))
    balanced = replace(shock, jets=(*shock.jets[:6], sixth, *shock.jets[7:]))
    assert dict(shock_law(balanced).terms)[0.0] == pytest.approx(0, abs=1e-15)
    assert steepness.natural(balanced) == steepness.natural(shock)


def test_an_uneven_function_is_judged_with_its_fifth_derivative():
    found = {one.name: one for one in shocks._uneven(SETTINGS) if isinstance(one, Evidence)}
    assert [one.kind for one in found.values()] == ["exponent", "bound", "control"]
    assert all(one.verdict == SUPPORTED for one in found.values())
    assert shock_time(cases.uneven()).jets[5] == pytest.approx(2.4)


def test_a_function_without_symmetry_is_outside_after_the_shock(monkeypatch):
    assert isinstance(list(shocks._uneven(SETTINGS))[-1], Outside)
    monkeypatch.setattr(shocks, "jump_law", lambda *_: None)
    assert list(shocks._uneven(SETTINGS))[-1].verdict == CONTRADICTED


def test_the_full_profile_has_more_of_the_same_range(circles):
    shock = shock_time(circles["rayleigh"])
    quick, full = (shocks.ladder(Settings(profile), shock) for profile in ("quick", "full"))
    assert len(full) > len(quick) and full[0] == quick[0] and full[-1] == pytest.approx(quick[-1])


def test_the_bound_before_the_shock_is_nearly_met_and_not_beyond_it(circles):
    f = circles["rayleigh"]
    nu = [1e-5]
    found = shocks.bound_claim("", f, 0.5, nu)
    assert found.verdict == SUPPORTED and found.measured > 0.999
    assert shocks.bound_claim("", f, 0.5, nu, scale=0.51).verdict == CONTRADICTED


@pytest.mark.parametrize(("name", "verdict"), [("parabola", SUPPORTED), ("log cosh", SUPPORTED)])
def test_convex_functions_stay_as_curved_as_they_were(name, verdict):
    found = shocks.above_claim("", cases.convex()[name], (1e-3,), (0.01, 5.0), both=True)
    assert found.verdict == verdict and found.measured > 0.9


def test_a_function_that_is_not_convex_is_seen(circles):
    f = circles["rayleigh"]
    assert shocks.above_claim("", f, (0.05,), (0.5,)).verdict == SUPPORTED
    assert shocks.above_claim("", f, (0.05,), (0.5,), both=True).verdict == CONTRADICTED


def test_so_is_one_that_is_hardly_concave_anywhere():
    """Its curvature, -0.1 to 1, is within its largest in size; that it is negative somewhere is asked for by itself."""
    y = cases.Y
    f = line(sympy.Rational(9, 40) * y**2 - sympy.Rational(11, 20) * sympy.cos(y), lowest=-0.55)
    assert shocks.above_claim("", f, (1e-3,), (0.01,)).verdict == SUPPORTED
    assert shocks.above_claim("", f, (1e-3,), (0.01,), both=True).verdict == CONTRADICTED


def test_the_flat_top_is_outside():
    found = shocks._flat()
    assert isinstance(found, Outside) and "positive fourth derivative" in found.reason


def test_a_law_that_took_the_flat_top_would_be_contradicted(monkeypatch):
    monkeypatch.setattr(shocks, "shock_law", lambda shock: ROOT)
    found = shocks._flat()
    assert isinstance(found, Evidence) and found.verdict == CONTRADICTED


# --- bad input ---


@pytest.mark.parametrize("nu", [0.0, -0.1, math.nan])
def test_a_claim_needs_a_positive_nu(circles, nu):
    f = circles["rayleigh"]
    for call in (
        lambda: identity.residual(f, nu, 1.0),
        lambda: run.samples_for(f, nu, 1.0, 0),
        lambda: run.jensen_claims("", f, nu, 1.0).__next__(),
        lambda: shocks.bound_claim("", f, 0.5, [nu]),
    ):
        with pytest.raises(InvalidInputError, match="nu must be"):
            call()


@pytest.mark.parametrize("nu", [0.0, -0.1, math.nan, "much"])
def test_a_law_needs_a_positive_nu(nu):
    for call in (ROOT, ROOT.next):
        with pytest.raises(InvalidInputError, match="nu must be"):
            call(nu)


def test_regimes_need_a_shock():
    with pytest.raises(OutsideAssumptionsError, match="needs inf f'' < 0"):
        shocks.regimes(SETTINGS, cases.convex()["parabola"])
