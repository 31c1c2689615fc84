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


# longest chain of small_net("batch") on 32 images of 8 x 8, module by module: fan-in, fan-out, images times positions
# of a convolution; 4 times images times positions of a normalisation; 128 entries per sample of the pooling; fan-in,
# fan-out and samples of the last layer; 320 outputs
CONV_1, CONV = 9 + 72 + 32 * 64, 72 + 72 + 32 * 16
CHAIN = (CONV_1 + 4 * 32 * 64 + 1) + 128 + 2 * (CONV + 4 * 32 * 16 + 1) + 1 + (128 + 10 + 32) + 320


@pytest.mark.parametrize(("eta", "largest"), [((0.1, 0.3), 1), ((0.3, 0.01), 0)], ids=["second", "first"])
def test_roundings_of_two_steps_by_hand(eta, largest, batches):
    """``K = 2 + (n + 6 max|log p|) max eta |b|/|w|`` with the steps of SGD written out."""
    two = batches[:2]
    run = pair(two, "batch", lr=bn.Table(eta))
    net = small_net("batch")
    buffers, steps = {}, []
    for (x, y), rate in zip(two, eta, strict=True):
        w = {name: p for name, p in net.named_parameters() if p.requires_grad}
        grads = torch.autograd.grad(torch.nn.functional.cross_entropy(net(x), y), list(w.values()))
        for (name, p), g in zip(w.items(), grads, strict=True):
            buffers[name] = MOMENTUM * buffers.get(name, torch.zeros_like(p)) + g + DECAY * p.detach()
            with torch.no_grad():
                p -= rate * buffers[name]
            steps.append(rate * buffers[name].norm().item() / p.detach().norm().item())
    # log p comes from its recursion, which has tests of its own
    log_p = bn.equivalent_schedule(bn.Table(eta), DECAY, MOMENTUM, steps=2).log_p
    assert log_p[2] < log_p[1] < 0
    expected = 2 + (CHAIN + 6 * abs(log_p[2])) * max(steps)
    of_steps = [max(steps[:3]), max(steps[3:])]
    assert of_steps[largest] > 1.1 * of_steps[1 - largest]  # each of the two steps decides once
    # both are a few hundred roundings of 1e-16 away from exact
    assert run.roundings == pytest.approx(expected, rel=1e-12)


def test_a_parameter_that_stays_0_counts_as_a_whole_step(batches):
    """Its relative step is not defined."""

    def make():
        net = small_net("batch")
        net.register_parameter("zero", torch.nn.Parameter(torch.zeros(1, dtype=torch.float64)))
        net.register_forward_hook(lambda module, inputs, output: output + 0 * module.zero)
        return net

    run = train_pair(make, batches[:2], 1e-3, DECAY, variant=("zero",))
    log_p = bn.equivalent_schedule(1e-3, DECAY, steps=2).log_p
    # other steps are far smaller at this rate
    assert run.roundings == pytest.approx(2 + (CHAIN + 6 * abs(log_p[2])) * 1.0, rel=1e-12)


def test_decay_of_the_others_is_the_same_in_both_runs(batches):
    variant = ("last.weight", "last.bias")
    make = partial(small_net, "batch", trained_last=True)
    plain, found = (
        train_pair(make, batches, LR, DECAY, MOMENTUM, variant=variant, variant_decay=decay) for decay in (0.0, 0.05)
    )
    assert found.error <= 1 and float(found.bound.max()) < 1e-9
    assert np.max(np.abs(found.decayed - plain.decayed)) > 1e-3


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
