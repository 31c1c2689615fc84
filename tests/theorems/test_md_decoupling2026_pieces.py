"""What the statements on magnitude and direction are built of, on cases that are right and wrong."""

from dataclasses import replace

import numpy as np
import pytest

import bn_theory as bn
from bn_theory import decoupling
from bn_theory.errors import InvalidInputError
from bn_theory.theorems import workbench
from bn_theory.theorems.evidence import CONTRADICTED, INCONCLUSIVE, SUPPORTED, Outside
from bn_theory.theorems.intervals import over_seeds
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


def test_of_parabolas_the_best_of_the_mean_is_the_mean_of_the_best():
    """The vertex of a mean of parabolas of one curvature is the mean vertex; the jackknife of a mean is Student's."""
    sweep, best = synthetic(seeds=5)
    rng = np.random.default_rng(1)
    best = best + 0.1 * rng.normal(size=best.shape)
    x = np.log10(RATES)
    sweep = replace(sweep, losses=10 ** ((x - best[..., None]) ** 2 - 2))
    np.testing.assert_allclose(sweep.of_mean.best, best.mean(axis=0, keepdims=True), atol=1e-12)
    slope, interval, at_an_end = sweep.slope_of_mean
    assert slope == pytest.approx(sweep.slopes.mean(), abs=1e-12) and at_an_end == 0
    # the bootstrap's lies within: 1.96 sqrt(4/5) standard errors against 2.78
    np.testing.assert_allclose(interval, over_seeds(sweep.slopes), atol=1e-12)


def test_a_least_mean_that_may_jump_has_an_interval_that_says_so():
    """Two dips at the widest, equal on average and far apart: without any one seed the left one is the least."""
    losses = np.ones((16, 2, 11))
    losses[:, 0, 3] = 0.1
    losses[:, 1, 3], losses[:, 1, 8] = 0.1, 0.11
    losses[:8, 1, 8] = 0.03
    losses[8:, 1, 8] = 0.03**-1 * 0.0105  # geometric mean 0.1025: the left dip wins by little
    sweep = Sweep("x", RATES, np.array([8, 128]), losses)
    slope, (low, high), _ = sweep.slope_of_mean
    jump = (np.log10(RATES[8]) - np.log10(RATES[3])) / np.log10(16)
    assert abs(slope) < 0.1 and low < 0.1 and high > jump - 0.1


def test_one_noisy_run_moves_the_best_of_the_runs_but_not_that_of_the_mean():
    sweep, _ = synthetic(slope=0.0, seeds=8)
    lucky = sweep.losses.copy()
    lucky[0, 2, -2] = 0.5 * lucky[0, 2].min()  # by chance, at the widest, far off
    off = replace(sweep, losses=lucky)
    assert abs(off.slopes[0] - sweep.slopes[0]) > 1
    assert abs(off.slope_of_mean[0] - sweep.slope_of_mean[0]) < 0.2


def test_the_noise_of_slopes_alone_does_not_make_a_method_move_less():
    """Nothing moves, one method is noisier: an answer is wrong, and 5 % of 95 % intervals may give one."""
    rng = np.random.default_rng(0)
    trials, wrong, of_sizes = 1000, 0, 0
    for _ in range(trials):
        a, b = rng.normal(scale=0.25, size=16), rng.normal(scale=0.8, size=16)
        low, high = rate_sweeps.moves_less(a, b)
        wrong += low > 0 or high < 0
        low, high = over_seeds(np.abs(b) - np.abs(a))
        of_sizes += low > 0
    # 50 expected at most, standard deviation 7; the mean of |slope| would have said so nearly always
    assert wrong < 50 + 3 * 7 and of_sizes > 900


def test_a_sign_that_is_not_told_is_taken_both_ways():
    a, b = np.array([0.3, -0.2, 0.1, -0.1]), np.array([0.9, -0.7, 0.4, -0.2])
    low, high = rate_sweeps.moves_less(a, b)
    assert low == -high  # nothing distinguishes them from their negatives
    assert high == pytest.approx(max(over_seeds(b - a)[1], over_seeds(b + a)[1]), rel=1e-12)
    told = b - 5
    expected = [over_seeds(-told - sign * a) for sign in (1, -1)]
    found = rate_sweeps.moves_less(a, told)
    assert found == (min(low for low, _ in expected), max(high for _, high in expected))


def test_what_is_true_of_the_slopes_is_mostly_found_and_rarely_denied():
    rng = np.random.default_rng(0)
    for means, noise in (((0.1, -0.9), (0.25, 0.5)), ((-0.1, 0.9), (0.25, 0.5)), ((0.0, -0.9), (0.25, 0.25))):
        found = np.array(
            [
                rate_sweeps.moves_less(*(rng.normal(m, s, 16) for m, s in zip(means, noise, strict=True)))
                for _ in range(300)
            ]
        )
        true = abs(means[1]) - abs(means[0])
        assert np.mean(found[:, 0] > 0) > 0.9 and np.mean(found[:, 1] < 0) == 0
        covered = np.mean((found[:, 0] <= true) & (true <= found[:, 1]))
        assert covered > 0.95 - 3 * np.sqrt(0.05 * 0.95 / 300)


def test_noise_of_the_runs_leaves_the_transfer_open():
    """The same through sweeps: vertices that scatter about one place, far more under the second method."""
    rng = np.random.default_rng(3)
    sweeps = []
    for scatter in (0.05, 0.6):
        sweep, _ = synthetic(slope=0.0, seeds=16)
        best = scatter * rng.normal(size=(16, 3))
        sweeps.append(replace(sweep, losses=10 ** ((np.log10(RATES) - best[..., None]) ** 2)))
    assert np.mean(np.abs(sweeps[1].slopes)) > 3 * np.mean(np.abs(sweeps[0].slopes))
    assert "does not tell" in rate_sweeps.transfer(*sweeps).details["answer"]


def test_a_best_rate_at_an_end_is_outside():
    sweep, _ = synthetic()
    cut = replace(sweep, rates=RATES[:7], losses=sweep.losses[..., :7] * np.where(np.arange(7) == 6, 0.1, 1.0))
    assert cut.at_an_end == cut.losses.shape[0] * 3
    found = list(rate_sweeps.measurements(cut))
    outside = [one for one in found if isinstance(one, Outside)]
    assert [one.case for one in outside] == [rate_sweeps.slope_name("SGD"), rate_sweeps.mean_slope_name("SGD")]
    assert all("widen the grid" in one.reason and "0.001 to 1" in one.reason for one in outside) and len(found) == 4
    for pair in ((cut, sweep), (sweep, cut)):
        assert isinstance(rate_sweeps.transfer(*pair), Outside)


def test_every_decoupled_method_is_compared_with_both_plain_ones():
    sweeps = [replace(synthetic()[0], method=method) for method in run.METHODS]
    names = [e.name for e in rate_sweeps.transfers(sweeps)]
    assert names == [
        rate_sweeps.transfer_name(one, other) for one in (run.SPHERE, run.ADAM) for other in (run.SGD, run.DECAYED)
    ]


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
    assert [e.kind for e in found] == ["measurement"] * 4 and len({e.name for e in found}) == 4
    assert found[0].interval[0] <= -0.5 <= found[0].interval[1] + 1e-12
    curves = rate_sweeps.curves("caption.", [sweep], "loss")
    assert curves.data["supports"] == [found[0].name] and "Nothing is predicted" in curves.caption
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


def by_hand(loss, grid, step):
    """Losses of a loop over ``(state, gradient, rate, t, memory)``, all seeds of every rate; rates fall to 0."""
    start = workbench.random_state(loss, SETTINGS.seed, run.SEEDS)
    losses = []
    for rate in grid:
        w, memory = {g: start[g][0] for g in loss.groups}, {}
        for t in range(run.STEPS):
            gradient = loss.gradient(w, loss.draw(SETTINGS.seed, np.arange(run.SEEDS), t))
            w = {g: step(w[g], gradient[g], rate * (1 - t / run.STEPS), t, memory.setdefault(g, [0.0, 0.0])) for g in w}
        losses.append(loss.value(w) - loss.facts.infimum)
    return np.array(losses).T


def plain_step(decay):
    return lambda w, gradient, rate, t, memory: (1 - rate * decay) * w - rate * gradient


def adam_step(v, gradient, rate, t, memory):
    """Adam written out, no eps, brought to the relative size."""
    gradient = gradient - np.sum(gradient * v, axis=-1, keepdims=True) * v
    memory[0] = 0.9 * memory[0] + 0.1 * gradient
    memory[1] = 0.999 * memory[1] + 0.001 * gradient**2
    update = memory[0] / (1 - 0.9 ** (t + 1)) / np.sqrt(memory[1] / (1 - 0.999 ** (t + 1)))
    update = update - np.sum(update * v, axis=-1, keepdims=True) * v
    after = v - rate * update / np.linalg.norm(update, axis=-1, keepdims=True)
    return after / np.linalg.norm(after, axis=-1, keepdims=True)


@pytest.mark.parametrize("make", run.FAMILIES.values(), ids=["rayleigh", "bilinear"])
@pytest.mark.parametrize(
    ("method", "step"),
    [(run.SGD, plain_step(0.0)), (run.DECAYED, plain_step(run.DECAY)), (run.ADAM, adam_step)],
    ids=["SGD", "decay", "Adam"],
)
def test_every_methods_losses_are_those_of_a_loop_by_hand(make, method, step):
    loss, grid = make(6), np.array([0.05, 1.0])
    expected = by_hand(loss, grid, step)
    # rounding amplified over 300 steps; the methods differ by far more
    np.testing.assert_allclose(run.final_losses(SETTINGS, method, loss, grid), expected, rtol=1e-7)
    for other in set(run.METHODS) - {method}:
        apart = np.abs(np.log10(run.final_losses(SETTINGS, other, loss, grid) / expected))
        assert np.max(apart[:, 1]) > 1e-3


class Watched:
    """A loss that keeps the norms of the weights at which its gradient is asked for."""

    def __init__(self, loss):
        self.loss, self.norms = loss, []

    def __getattr__(self, name):
        return getattr(self.loss, name)

    def gradient(self, state, noise=None):
        self.norms.append({g: np.linalg.norm(w, axis=-1) for g, w in state.items()})
        return self.loss.gradient(state, noise)


@pytest.mark.parametrize("method", [run.SPHERE, run.ADAM])
def test_decoupled_gradients_are_taken_at_the_gain(method):
    loss = Watched(run.quotient(6))
    run.final_losses(SETTINGS, method, loss, np.array([0.1]), 3.0)
    # inert: all of the run, as a gain of rounding moves by rounding
    assert len(loss.norms) == run.STEPS
    for norms in loss.norms:
        np.testing.assert_allclose(norms["w"], 3.0, rtol=1e-12)


def test_a_gain_that_is_not_inert_is_trained_at_its_rate():
    """On the twin, of which <v, grad L> is not 0: two steps by hand."""
    loss, rate = run.quotient(5).unnormalised, 0.1
    start = {"w": workbench.random_state(loss, 0, run.SEEDS)["w"][0]}
    start = {"w": decoupling.retract(start["w"])}
    watched = Watched(loss)
    run.decoupled(SETTINGS, watched, start, np.full((1, 2), rate), False, 2.0)
    gradient = loss.gradient({"w": 2.0 * start["w"]}, loss.draw(0, np.arange(run.SEEDS), 0))["w"]
    gain = 2.0 - run.GAIN_RATE * np.sum(gradient * start["w"], axis=-1)
    np.testing.assert_allclose(watched.norms[1]["w"][0], np.abs(gain), rtol=1e-12)
    assert np.min(np.abs(gain - 2.0)) > 1e-6


def test_grids_hold_the_best_rates_and_a_decay_that_is_none_beyond_one():
    for settings in (Settings(), Settings(profile="full")):
        grids = {method: run.rates(settings, method) for method in run.METHODS}
        assert all(np.allclose(np.diff(np.log10(g)), 0.25 if settings.full else 0.5) for g in grids.values())
        assert grids[run.DECAYED][-1] * run.DECAY <= 1 + 1e-12
        assert grids[run.SGD][-1] > 1e3 and grids[run.SGD][0] == grids[run.ADAM][0]


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
