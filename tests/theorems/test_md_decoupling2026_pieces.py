"""What the statements on magnitude and direction are built of, on cases that are right and wrong."""

from dataclasses import replace

import numpy as np
import pytest

import bn_theory as bn
from bn_theory.errors import InvalidInputError
from bn_theory.theorems import workbench
from bn_theory.theorems.evidence import CONTRADICTED, INCONCLUSIVE, SUPPORTED
from bn_theory.theorems.li2020 import pairs, toy
from bn_theory.theorems.md_decoupling2026 import equivalent_schedule, identity, rate_sweeps, run, sphere_runs
from bn_theory.theorems.md_decoupling2026.rate_sweeps import Sweep
from bn_theory.theorems.statement import Settings

SETTINGS = Settings(engine="numpy")
LONG = Settings()
"""For runs of many steps, which NumPy by itself would take seconds over."""
RATES = 10 ** np.linspace(-3, 2, 11)


@pytest.fixture(scope="module")
def noisy():
    return workbench.separable_losses()["rayleigh with noise"]


# --- identities ---


@pytest.mark.parametrize(
    ("told", "verdict"), [(0.3, SUPPORTED), (0.3 + 1e-8, CONTRADICTED), (0.3 - 1e-8, CONTRADICTED)]
)
def test_the_angle_is_told_apart_at_eight_digits(told, verdict):
    """Half a unit in the ninth digit of the cosine, in the dimensions whose bound of rounding is smaller."""
    assert identity.turn_claim("", 1.0, SETTINGS, 0.3, told).verdict == verdict


@pytest.mark.parametrize(("power", "verdict"), [(1, CONTRADICTED), (2, SUPPORTED), (2 + 1e-9, CONTRADICTED)])
def test_the_power_of_the_norm_is_told_apart(power, verdict):
    assert identity.relative_claim("", identity.sgd_update, power, SETTINGS).verdict == verdict


def test_a_loss_broken_by_1e_6_is_seen_in_both_claims_on_the_gain():
    whole = identity.gain_claims("", bn.rayleigh(np.linspace(1.0, 2.0, 16)), SETTINGS)
    broken = identity.gain_claims("", workbench.broken_rayleigh(1e-6), SETTINGS)
    assert [e.verdict for e in whole] == [SUPPORTED] * 2
    assert [e.verdict for e in broken] == [CONTRADICTED] * 2


@pytest.mark.parametrize("wrong", [1 + 1e-12, 1 - 1e-12])
def test_the_factor_on_the_circle_is_told_apart_at_twelve_digits(wrong):
    factor = (lambda k, s2, c2: wrong * (1 - k * c2), lambda k, s2, c2: 1 + k * s2)
    assert identity.circle_claim("", 0.7, SETTINGS).verdict == SUPPORTED
    assert identity.circle_claim("", 0.7, SETTINGS, factor).verdict == CONTRADICTED


def test_vectors_are_of_the_seed_and_repeat():
    one, again, other = (identity.vectors(Settings(seed=s), 5)[0] for s in (3, 3, 4))
    assert np.array_equal(one, again) and not np.array_equal(one, other)


# --- the equivalent schedule ---


@pytest.mark.parametrize("rate", [0.3, 3.0])
def test_rates_off_in_the_tenth_digit_are_seen(noisy, rate):
    """``|w|^2`` to the power ``1 + 1e-10``: rates off by up to some 1e-8."""
    assert equivalent_schedule.claim("", noisy, rate, SETTINGS).verdict == SUPPORTED
    assert equivalent_schedule.claim("", noisy, rate, SETTINGS, 1 + 1e-10).verdict == CONTRADICTED


def test_the_bound_is_small_where_it_supports(noisy):
    """No claim is supported because rounding was amplified up to the size of what is compared."""
    for rate in equivalent_schedule.RATES_FULL:
        found = equivalent_schedule.claim("", noisy, rate, SETTINGS)
        assert found.verdict == SUPPORTED and found.details["bound_of_directions"] < 1e-7


def test_what_leaves_float64_is_recognised_before_the_run(noisy, monkeypatch):
    assert equivalent_schedule.overflows(noisy, 1.0, SETTINGS) is None
    monkeypatch.setattr(equivalent_schedule, "steps_of", lambda rate: 300)
    reason = equivalent_schedule.overflows(noisy, 1.0, SETTINGS)
    assert "leaves float64" in reason and "fewer steps" in reason


def test_a_decay_that_is_off_does_not_keep_the_norm(noisy):
    assert equivalent_schedule.norm_claim("", noisy, 0.3, SETTINGS).verdict == SUPPORTED
    assert equivalent_schedule.norm_claim("", noisy, 0.3, SETTINGS, 0.1).verdict == CONTRADICTED


def test_numpy_and_the_engine_take_the_same_steps_on_the_sphere(noisy):
    start = sphere_runs.start(noisy, SETTINGS)
    method = equivalent_schedule.on_sphere(noisy, 0.3)
    engine = workbench.run(SETTINGS, noisy, method, start, steps=50, replicas=1, record="all")
    found = sphere_runs.on_sphere(noisy, SETTINGS, 0.3, 50)
    # a contracting map: rounding stays some tens of units
    np.testing.assert_allclose(found.v[-1], engine.final_w.values[0], atol=1e-13)
    np.testing.assert_allclose(found.gradient_norm2[0], engine.step_grad2.values[0, :50], rtol=1e-12)


def test_runs_of_numpy_that_differ_are_told_apart(noisy):
    one, jittered = (
        sphere_runs.on_sphere(each, SETTINGS, 0.3, 40) for each in (noisy, pairs.jittered(noisy, pairs.JITTER))
    )
    assert sphere_runs.same_directions("", noisy, SETTINGS, one, one, jittered).measured == 0
    late = one.v.copy()
    late[-1] += 1e-10
    off = sphere_runs.same_directions("", noisy, SETTINGS, one, replace(one, v=late), jittered)
    assert off.verdict == CONTRADICTED and off.details["distance"] == pytest.approx(4e-10, rel=1e-3)


def test_relative_steps_have_one_size(noisy):
    found = sphere_runs.on_sphere(noisy, SETTINGS, 0.1, 30, relative=True)
    np.testing.assert_allclose(found.rates**2 * found.gradient_norm2, 0.01, rtol=1e-12)


# --- sweeps ---


def synthetic(slope=-0.5, curvature=1.0, seeds=4, widths=(8, 32, 128)):
    """Parabolas of ``log10`` of the loss whose vertex goes as the width to a power."""
    x = np.log10(RATES)
    best = slope * np.log10(np.array(widths) / 8) + 0.03 * np.arange(seeds)[:, None]
    return Sweep("SGD", RATES, np.array(widths), 10 ** (curvature * (x - best[..., None]) ** 2 - 2)), best


def test_vertex_slope_and_basin_of_parabolas():
    sweep, best = synthetic()
    np.testing.assert_allclose(sweep.best, best, atol=1e-12)
    np.testing.assert_allclose(sweep.slopes, -0.5, atol=1e-12)
    assert sweep.at_an_end == 0
    # within a factor 2: |x - best| <= sqrt(log10 2), but for the distance of the grid's least value from the vertex
    # (up to a quarter decade, 0.06 of the logarithm) and chords that lie above the parabola
    assert np.all(np.abs(sweep.basins - 2 * np.sqrt(np.log10(2))) < 0.2)


def test_a_flat_sweep_is_all_basin_and_has_no_excess():
    sweep = Sweep("flat", RATES, np.array([8, 32]), np.full((3, 2, len(RATES)), 0.3))
    assert np.all(sweep.basins == np.log10(RATES[-1] / RATES[0])) and np.max(np.abs(sweep.excess)) < 1e-12


def test_a_basin_ends_where_the_loss_has_doubled():
    losses = np.array([8.0, 4.0, 1.0, 1.0, 4.0, 8.0])
    sweep = Sweep("v", 10.0 ** np.arange(6), np.array([1]), losses[None, None])
    # half-way in logarithms from 1 to 4 on both sides
    assert sweep.basins.item() == pytest.approx(2.0, abs=1e-12)
    assert sweep.excess.item() == pytest.approx(np.mean(np.log10(losses)), abs=1e-12)


def test_a_best_rate_at_the_end_of_the_grid_is_counted():
    sweep = Sweep("end", RATES, np.array([8]), np.linspace(1, 2, len(RATES))[None, None])
    assert sweep.at_an_end == 1 and sweep.best.item() == np.log10(RATES[0])


@pytest.mark.parametrize(
    ("slopes", "said"),
    [((-0.1, -0.9), "moves less"), ((-0.9, 0.1), "moves more"), ((-0.5, 0.5), "does not tell")],
)
def test_what_is_said_of_the_transfer_is_read_off_the_interval(slopes, said):
    rng = np.random.default_rng(0)
    one, other = (synthetic(slope)[0] for slope in slopes)
    # seeds must differ, or an interval has no width; by some 1e-3 of a slope
    one, other = (replace(s, losses=s.losses * 10 ** rng.normal(scale=1e-3, size=s.losses.shape)) for s in (one, other))
    found = rate_sweeps.transfer(one, other)
    assert said in found.details["answer"]
    assert found.measured == pytest.approx(abs(slopes[1]) - abs(slopes[0]), abs=0.02)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"losses": np.ones((3, 2, 4))}, "shape"),
        ({"losses": np.full((3, 1, 11), np.inf)}, "cap those that diverged"),
        ({"losses": np.zeros((3, 1, 11))}, "positive"),
        ({"rates": RATES[::-1]}, "increasing"),
        ({"rates": RATES[:2], "losses": np.ones((3, 1, 2))}, "at least three"),
    ],
)
def test_sweeps_that_cannot_be_judged_are_refused(change, said):
    arguments = {"method": "x", "rates": RATES, "widths": np.array([8]), "losses": np.ones((3, 1, 11))} | change
    with pytest.raises(InvalidInputError, match=said):
        Sweep(**arguments)


def test_measurements_have_intervals_and_curves_name_them():
    sweep, _ = synthetic()
    found = list(rate_sweeps.measurements(sweep))
    assert [e.kind for e in found] == ["measurement"] * 3 and len({e.name for e in found}) == 3
    assert found[0].interval[0] <= -0.5 <= found[0].interval[1] + 1e-12
    curves = rate_sweeps.curves("caption.", [sweep], "loss")
    assert curves.data["supports"] == [found[0].name]
    np.testing.assert_allclose(curves.data["losses"]["SGD"], sweep.losses, rtol=1e-4)


# --- runs on losses ---


@pytest.mark.parametrize("make", run.FAMILIES.values(), ids=["rayleigh", "bilinear"])
def test_the_numpy_loop_is_the_engines_projected_sgd(make):
    """One method, two implementations, rates that fall to 0: up to rounding."""
    loss, grid = make(8), np.array([0.1, 1.0])
    method = bn.SGD(bn.Polynomial(tuple(grid), run.STEPS, 1.0), projected=True)
    start = {g: v[0] for g, v in workbench.random_state(loss, 0, run.SEEDS).items()}
    engine = workbench.run(SETTINGS, loss, method, start, steps=run.STEPS, replicas=run.SEEDS, record=[run.STEPS])
    found = run.final_losses(SETTINGS, run.SPHERE, loss, grid) + loss.facts.infimum
    np.testing.assert_allclose(found, engine.loss.values[..., -1].T, rtol=1e-9)


@pytest.mark.parametrize(("method", "power", "verdict"), [(run.SGD, 2, SUPPORTED), (run.SGD, 1, CONTRADICTED)])
def test_plain_rates_go_with_the_square_of_the_start(method, power, verdict):
    assert run.start_claim("", SETTINGS, method, power).verdict == verdict


@pytest.mark.parametrize(("product", "settles"), [(1.99, SUPPORTED), (2.01, CONTRADICTED), (20.0, CONTRADICTED)])
def test_the_threshold_is_at_2(product, settles):
    assert run.settles("", LONG, product / run.MU, True).verdict == settles


def test_the_gradient_of_the_cycle_is_not_that_of_another_rate():
    assert run.cycle_claim("", LONG, 3.0).verdict == SUPPORTED
    assert run.cycle_claim("", LONG, 3.0).details["gradient"] == pytest.approx(np.sqrt(5) / 3, rel=1e-12)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "MU", run.MU * (1 + 1e-9))
        assert run.cycle_claim("", LONG, 3.0).verdict == CONTRADICTED


def test_the_sphere_alone_does_not_reach_a_small_gradient():
    steps = np.full(500, 0.25)
    good = run.reaches("", toy.quotient(), [0.6, 0.8], SETTINGS, steps)
    stuck = run.reaches("", run.one_entry(), [1.0], SETTINGS, steps)
    assert good.verdict == SUPPORTED and stuck.verdict == CONTRADICTED
    assert stuck.details["norm_of_v"] == 1.0 and stuck.details["gradient"] == 1 + stuck.details["gain"] > 1
    # from the other side, w = -g, the same loop reaches the minimiser -1
    other = run.reaches("", run.one_entry(), [-1.0], SETTINGS, steps)
    assert other.verdict == SUPPORTED
    above = run.reaches("", toy.quotient(), [0.6, 0.8], SETTINGS, np.full(500, 1.5))
    assert above.verdict == CONTRADICTED


def test_one_entry_is_its_loss():
    loss = run.one_entry()
    assert float(loss.gradient({"w": np.array([0.5])})["w"][0]) == 1.5
    assert float(loss.value({"w": np.array([-1.0])})) == -0.5  # (w + 1)^2/2 but for 1/2


def test_steps_of_another_size_turn_otherwise(monkeypatch):
    assert run.turn_claim("", SETTINGS, 16, 0.1).verdict == SUPPORTED
    true = run.decoupling.turned_cosine
    monkeypatch.setattr(run.decoupling, "turned_cosine", lambda size: true(size * (1 + 1e-9)))
    assert run.turn_claim("", SETTINGS, 16, 0.1).verdict == CONTRADICTED


def test_an_interval_without_an_end_decides_nothing():
    sweep, _ = synthetic(seeds=3)
    found = next(iter(rate_sweeps.measurements(sweep)))
    assert found.verdict == SUPPORTED
    assert run.judge.measurement("", (-np.inf, np.inf)).verdict == INCONCLUSIVE
