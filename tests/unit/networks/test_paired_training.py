"""Paired training: the losses agree within the bound, which is neither vacuous nor too narrow; controls do not."""

from functools import partial

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="bn_theory.networks needs torch: pip install '.[networks]'")

import bn_theory as bn  # noqa: E402
from bn_theory.errors import InvalidInputError, NoEquivalentScheduleError  # noqa: E402
from bn_theory.networks import NORMS, small_net, train_pair  # noqa: E402
from bn_theory.networks.digits import digits, mini_batches  # noqa: E402
from bn_theory.networks.paired_training import DELTA  # noqa: E402
from bn_theory.theorems.evidence import INCONCLUSIVE, SUPPORTED, measurement  # noqa: E402
from bn_theory.theorems.li2020.pairs import with_rate_exponent_2t  # noqa: E402

STEPS = 30
LR, DECAY, MOMENTUM = bn.Cosine(0.1, STEPS), 0.025, 0.9


@pytest.fixture(scope="module")
def batches():
    return mini_batches(*digits(), 32, STEPS)


def pair(batches, norm, *, lr=LR, schedule=None, variant=(), delta=DELTA, seed=0, momentum=MOMENTUM, **net):
    make = partial(small_net, norm, **net)
    return train_pair(make, batches, lr, DECAY, momentum, schedule=schedule, variant=variant, delta=delta, seed=seed)


@pytest.mark.parametrize("affine", ["fixed", "trained"])
@pytest.mark.parametrize("norm", NORMS)
def test_losses_agree_step_by_step(norm, affine, batches):
    run = pair(batches, norm, affine=affine)
    assert run.error <= 1 and float(run.bound.max()) < 1e-9
    assert len(run.decayed) == len(run.decay_free) == len(run.bound) == STEPS
    assert run.decayed[-1] < 0.7 * run.decayed[0]  # it has learnt something
    assert run.log_growth == pytest.approx(-bn.equivalent_schedule(LR, DECAY, MOMENTUM, steps=STEPS).log_p[-1])


@pytest.mark.parametrize(
    ("norm", "net"),
    [("batch", {"trained_last": True}), ("layer", {"eps": 1e-3}), ("group", {"eps": 1e-3}), (None, {})],
    ids=["last layer decayed", "layer eps", "group eps", "no normalisation"],
)
def test_what_breaks_invariance_breaks_the_agreement(norm, net, batches):
    run = pair(batches, norm, **net)
    assert run.error > 100 and float(run.bound.max()) < 1e-9


def test_wrong_rates_break_the_agreement(batches):
    schedule = bn.equivalent_schedule(LR, DECAY, MOMENTUM, steps=STEPS)
    np.testing.assert_allclose(with_rate_exponent_2t(schedule).lr, schedule.eta / schedule.p[:-1] ** 2, rtol=1e-13)
    for wrong in (with_rate_exponent_2t(schedule), bn.equivalent_schedule(LR, 0.0, MOMENTUM, steps=STEPS)):
        run = pair(batches, "batch", schedule=wrong)
        assert run.error > 100 and float(run.bound.max()) < 1e-9


def test_variant_parameters_in_a_group_of_their_own(batches):
    variant = ("last.weight", "last.bias")
    assert pair(batches, "batch", trained_last=True, variant=variant).error <= 1
    assert pair(batches, "batch", trained_last=True).error > 100


def test_without_momentum(batches):
    assert pair(batches, "batch", momentum=0.0).error <= 1


def test_amplification_is_linear_and_the_same_for_other_signs(batches):
    """The bound rests on it: twice delta gives twice the deviation, other random signs one of the same size."""

    def grown(**options):
        run = pair(batches, "batch", **options)
        return np.maximum.accumulate(np.abs(run.perturbed - run.decayed))[5:]

    base = grown()
    # second order is delta * 1e3 of the first, rounding 1e-15 of deviations above 1e-11: both below 1e-3
    assert base[0] > 1e-12
    np.testing.assert_allclose(grown(delta=2 * DELTA) / base, 2, rtol=1e-2)
    other = grown(seed=1)
    # a largest of some dozen sums of random signs: a factor of ten either way is many standard deviations
    assert np.all((other / base > 0.1) & (other / base < 10))


def test_a_bound_can_be_left_out(batches):
    run = train_pair(partial(small_net, "batch"), batches[:3], 0.1, 0.01, 0.9, bounded=False)
    assert run.bound is None and run.perturbed is None and len(run.decayed) == 3
    with pytest.raises(InvalidInputError, match="bounded=False"):
        _ = run.error


def test_single_precision_deviates_by_more_and_it_is_measured(batches):
    single = [(x.float(), y) for x, y in batches[:10]]
    double = train_pair(partial(small_net, "group"), batches[:10], 0.1, 0.02, 0.9)
    make = partial(small_net, "group", eps=1e-5, dtype=torch.float32)
    found = train_pair(make, single, 0.1, 0.02, 0.9, bounded=False)
    assert 1e-9 < found.deviation.max() < 1e-2 and double.deviation.max() < 1e-12


def test_refusals(batches):
    make = partial(small_net, "batch")
    with pytest.raises(InvalidInputError, match="there are no batches"):
        train_pair(make, [], 0.1, 0.01)
    with pytest.raises(InvalidInputError, match=r"variant has \['head'\], but the trained parameters are"):
        train_pair(make, batches[:1], 0.1, 0.01, variant=("head",))
    with pytest.raises(InvalidInputError, match="no trained parameter is left"):
        train_pair(lambda: small_net("batch").requires_grad_(False), batches[:1], 0.1, 0.01)
    with pytest.raises(NoEquivalentScheduleError):
        train_pair(make, batches[:1], 1.0, 2.0)


def test_measurements_are_judged_by_their_interval():
    found = measurement("m", (-2.0, -1.0), seeds=4)
    assert (found.kind, found.verdict, found.measured, found.predicted) == ("measurement", SUPPORTED, -1.5, None)
    assert found.interval == (-2.0, -1.0) and found.details == {"seeds": 4}
    for interval in ((float("nan"), 1.0), (0.0, float("inf"))):
        assert measurement("m", interval).verdict == INCONCLUSIVE
