"""What the statement on networks is built of: its judgements on made-up runs and logs, and its networks."""

import math
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the statement on networks needs torch: pip install '.[networks]'")

from bn_theory.networks.step_log import StepLog  # noqa: E402
from bn_theory.theorems.arora2019 import network_runs as runs  # noqa: E402
from bn_theory.theorems.arora2019 import networks  # noqa: E402
from bn_theory.theorems.evidence import CONTRADICTED, INCONCLUSIVE, SUPPORTED  # noqa: E402
from bn_theory.theorems.statement import Settings  # noqa: E402

SETTINGS = Settings()
RATES = (1e-2, 1.0, 1e2)


def swept(losses, setting=runs.SGD, rates=RATES, peak=1.0):
    losses = np.array(losses, dtype=float)
    return runs.Swept(setting, np.array(rates), losses, np.ones_like(losses), np.full_like(losses, peak))


def made_log(steps=4, lr=2.0, slope=0.5, **changes):
    """A log of one group that grows by the law exactly."""
    norm2 = [3.0]
    for _ in range(steps):
        norm2.append(norm2[-1] + (lr * slope) ** 2 / norm2[-1])
    norm2 = np.array(norm2)[:, None]
    unit_grad = np.full((steps, 1), slope)
    log = StepLog(
        groups=("w",),
        sizes=np.array([9]),
        losses=np.ones(steps),
        lr=np.full((steps, 1), lr),
        norm2=norm2,
        grad_norm=unit_grad / np.sqrt(norm2[:-1]),
        inner=np.zeros((steps, 1)),
        sensitivity=np.full((steps, 1), 10 * slope),
        chain=100,
        unit=2.0**-53,
    )
    return replace(log, **changes)


def test_flatness_and_ranges_in_numbers():
    log10 = math.log(10)
    one = swept([[0.1 * log10, 0.0, 0.2 * log10], [0.5 * log10, 0.0, log10]])
    np.testing.assert_allclose(one.learned, [[0.9, 1.0, 0.8], [0.5, 1.0, 0.0]])
    np.testing.assert_allclose(one.flatness, [0.8, 0.0])
    np.testing.assert_allclose(one.decades(0.85), [2.0, 0.0])
    np.testing.assert_allclose(one.decades(0.5), [4.0, 2.0])
    np.testing.assert_allclose(
        one.decades(0.85, outer=True), [4.0, 4.0]
    )  # up to the next tried rates, if there are any
    # diverged, and worse than guessing
    other = swept([[math.inf, 5.0, math.inf]] * 3, runs.TWIN)
    assert np.all(other.learned == 0) and np.all(other.flatness == 0) and np.all(other.decades(0.9) == 0)
    facts = networks.flat("x", other).details
    assert facts["diverged_by_rate"] == [3, 0, 3] and facts["loss_by_rate"] == [None, 5.0, None]


def test_divergence_is_a_rise_on_every_seed():
    one = swept([[0.2, 0.1, 0.3]] * 3, peak=3.0)
    assert networks.diverges("x", one).verdict == CONTRADICTED
    assert networks.diverges("x", swept([[0.2, 0.1, math.inf]] * 3, peak=math.inf)).verdict == SUPPORTED
    one.peaks[:, -1] = [1e9, math.inf, 9.0]
    assert networks.diverges("x", one).verdict == CONTRADICTED  # one seed does not


@pytest.mark.parametrize(
    ("losses", "verdict"),
    [
        ([[0.2, 0.1, 0.2], [0.21, 0.1, 0.2], [0.2, 0.1, 0.21]], SUPPORTED),
        ([[0.2, 0.1, 2.2], [0.21, 0.1, 2.3], [0.2, 0.1, 2.4]], CONTRADICTED),
        ([[0.2, 0.1, 0.1], [0.5, 0.1, 0.2], [0.2, 0.1, 0.1]], INCONCLUSIVE),  # one start of three is worse
        ([[0.2, 0.1, math.inf]] * 3, CONTRADICTED),
    ],
)
def test_flat_is_judged_over_seeds(losses, verdict):
    assert networks.flat("x", swept(losses)).verdict == verdict


def test_more_is_judged_at_the_largest_rate_and_wider_in_decades():
    good, bad = swept([[0.2, 0.1, 0.3]] * 3), swept([[0.2, 0.1, 2.3]] * 3, runs.PROJECTED)
    assert networks.learns_more("x", good, bad).verdict == SUPPORTED
    assert networks.learns_more("x", bad, good).verdict == CONTRADICTED
    assert networks.learns_more("x", good, good).verdict == CONTRADICTED
    # the other's range is counted up to the rate that fails: nothing is left between these three
    assert networks.wider("x", good, bad).verdict == CONTRADICTED
    decades = (1e-2, 1e-1, 1.0, 1e1, 1e2)
    all_work = swept([[0.2, 0.1, 0.1, 0.1, 0.3]] * 3, rates=decades)
    three_work = swept([[0.2, 0.1, 0.1, 2.2, 2.3]] * 3, runs.PROJECTED, decades)
    assert networks.wider("x", all_work, three_work).verdict == SUPPORTED
    assert networks.wider("x", all_work, all_work).verdict == CONTRADICTED
    for e in (networks.flat("x", good), networks.learns_more("x", good, bad), networks.wider("x", good, bad)):
        assert e.details["answer"].endswith(".") and len(e.details["answer"].split()) > 8


def test_a_log_that_obeys_the_laws_is_supported_and_one_that_misses_by_little_is_not():
    log = made_log()
    for claim in (networks.orthogonal, networks.grows, networks.never_faster):
        assert claim("x", log).verdict == SUPPORTED
    # a hundred additions of a condition of ten: 1e-13
    off = 1e-11 * log.unit_grad_norm
    assert networks.orthogonal("x", replace(log, inner=off)).verdict == CONTRADICTED
    assert networks.orthogonal("x", replace(log, inner=1e-14 * log.unit_grad_norm)).verdict == SUPPORTED
    longer = log.norm2 * (1 + 1e-11 * np.arange(5)[:, None])
    assert networks.grows("x", replace(log, norm2=longer)).verdict == CONTRADICTED
    # one step in which the effective rate grows
    shorter = log.norm2.copy()
    shorter[3:] *= 0.5
    assert networks.never_faster("x", replace(log, norm2=shorter)).verdict == CONTRADICTED
    nothing = replace(log, inner=np.full((4, 1), math.nan))
    assert networks.orthogonal("x", nothing).verdict == CONTRADICTED


def test_a_bound_wider_than_the_growth_decides_nothing():
    wide = made_log(sensitivity=np.full((4, 1), 1e12))
    assert networks.grows("x", wide).verdict == INCONCLUSIVE
    assert networks.probable(wide).chain == 80.0
    assert networks.probable(made_log()).growth_bound[0, 0] < made_log().growth_bound[0, 0]


@pytest.mark.parametrize("lr", [0.1, 6.0, 1e3])
def test_the_rate_after_one_step(lr):
    """``eta s = G`` at 6: there it is 1/(2 s), elsewhere less; a growth that is too small is seen there."""
    log = made_log(1, lr)
    found = networks.tuned_at_once("x", {lr: log})
    assert found.verdict == SUPPORTED
    assert (found.measured == pytest.approx(1.0)) == (lr == 6.0)
    less = log.norm2[:1] + 0.99 * np.diff(log.norm2, axis=0)
    if lr == 6.0:
        assert networks.tuned_at_once("x", {lr: replace(log, norm2=np.vstack([log.norm2[:1], less]))}).verdict == (
            CONTRADICTED
        )


def test_projected_norms():
    still = made_log(norm2=np.full((5, 1), 3.0))
    assert networks.keeps_norms("x", still).verdict == SUPPORTED
    assert networks.keeps_norms("x", made_log()).verdict == CONTRADICTED


def test_the_a_posteriori_inequality():
    assert networks.a_posteriori("x", made_log(), 1).verdict == SUPPORTED
    assert networks.a_posteriori("x", made_log(norm2=np.full((5, 1), 3.0)), 1).verdict == CONTRADICTED
    # close to an equality for small steps, so that squares twice as large are seen
    slow = made_log(lr=1e-3)
    assert networks.a_posteriori("x", slow, 1).measured == pytest.approx(1, abs=1e-6)
    assert networks.a_posteriori("x", replace(slow, grad_norm=1.1 * slow.grad_norm), 1).verdict == CONTRADICTED


@pytest.mark.parametrize(
    ("exponent", "verdict"), [(-0.25, CONTRADICTED), (-0.5, SUPPORTED), (-1.0, SUPPORTED), (0.0, CONTRADICTED)]
)
def test_a_one_sided_exponent(exponent, verdict):
    t = np.arange(1, 3001.0)
    log = made_log(3000)
    log = replace(log, grad_norm=(t**exponent)[:, None] / np.sqrt(log.norm2[:-1]))
    assert networks.not_slower("x", log, 1, 1).verdict == verdict


def test_the_squared_gradient_is_at_unit_norm_for_invariant_groups_only():
    log = made_log(2)
    two = replace(
        log,
        norm2=np.hstack([log.norm2, log.norm2]),
        grad_norm=np.hstack([log.grad_norm, np.full((2, 1), 7.0)]),
        lr=np.hstack([log.lr, log.lr]),
    )
    np.testing.assert_allclose(runs.squared_gradient(two, 1), 0.25 + 49.0)


def test_groups_of_a_claim():
    """A group too many is contradicted by its own violation, one too few by what was found."""
    from bn_theory.networks.architectures import vgg
    from bn_theory.networks.structure import expected_groups

    model = vgg(**runs.SMALLEST)
    expected = expected_groups(model)
    assert networks.groups_found("x", SETTINGS, model).verdict == SUPPORTED
    more = replace(expected, invariant=(*expected.invariant, "last_norm.weight"))
    found = networks.groups_found("x", SETTINGS, model, more)
    assert found.verdict == CONTRADICTED and 1e6 < found.measured < math.inf
    assert found.details["claimed_but_not_found"] == ["last_norm.weight"]
    fewer = replace(expected, invariant=expected.invariant[:-1])
    found = networks.groups_found("x", SETTINGS, model, fewer)
    assert found.verdict == CONTRADICTED and found.measured == math.inf


def test_sweep_of_a_few_steps():
    found = runs.sweep(SETTINGS, runs.TWIN, (1e-2, 1e6), seeds=3, steps=8)
    assert found.losses.shape == found.growth.shape == (3, 2)
    assert np.all(np.isfinite(found.losses[:, 0]))
    assert not np.any(np.isfinite(found.losses[:, 1]))
    again = runs.sweep(SETTINGS, runs.TWIN, (1e-2,), seeds=1, steps=8)
    assert again.losses[0, 0] == found.losses[0, 0]
    other = runs.sweep(Settings(seed=1), runs.TWIN, (1e-2,), seeds=3, steps=8)
    assert not set(other.losses[:, 0]) & set(found.losses[:, 0])  # no run is shared
    projected = runs.sweep(SETTINGS, runs.PROJECTED, (1.0,), seeds=1, steps=8)
    assert projected.growth[0, 0] == pytest.approx(1, abs=1e-5)
    assert runs.sweep(SETTINGS, runs.SGD, (10.0,), seeds=1, steps=8).growth[0, 0] > 1.5
