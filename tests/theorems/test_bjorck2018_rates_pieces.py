"""What the statements on the largest rate and on accuracy by rate are built of, on inputs whose answer is known."""

import math

import numpy as np
import pytest

pytest.importorskip("torch", reason="bn_theory.networks needs torch: pip install '.[networks]'")

from bn_theory.networks.data import digits_split
from bn_theory.networks.threads import one_thread
from bn_theory.networks.trainable_rate import TrainableRate
from bn_theory.theorems.bjorck2018 import largest_rate, rate_and_generalisation
from bn_theory.theorems.bjorck2018.rate_and_generalisation import Run
from bn_theory.theorems.evidence import CONTRADICTED, INCONCLUSIVE, SUPPORTED

NONE = TrainableRate(math.nan, math.nan, ())


def bracket(rate):
    return TrainableRate(rate, rate * largest_rate.FACTOR, ((rate, True),))


@pytest.fixture(scope="module", autouse=True)
def single_thread():
    with one_thread():
        yield


@pytest.fixture(scope="module")
def data():
    return digits_split(seed=0)


@pytest.fixture(scope="module")
def doubles(data):
    return largest_rate.in_doubles(data)


def test_the_ratio_is_taken_at_its_lowest():
    found = largest_rate.larger_with(8, [bracket(2.0), bracket(2.2), bracket(1.8)], [bracket(0.5)] * 3)
    assert found.verdict == SUPPORTED and found.predicted == math.log(largest_rate.TIMES_LARGER)
    assert found.details["ratios_at_least"][0] == pytest.approx(2.0 / (0.5 * largest_rate.FACTOR))
    # the same rates for both: below the factor, whatever the brackets leave open
    same = largest_rate.larger_with(8, [bracket(2.0)] * 3, [bracket(2.0), bracket(2.1), bracket(1.9)])
    assert same.verdict == CONTRADICTED


def test_a_network_that_trains_nowhere_leaves_the_question_open():
    pairs = [bracket(2.0)] * 3, [bracket(0.5), NONE, bracket(0.5)]
    assert largest_rate.larger_with(8, *pairs).verdict == INCONCLUSIVE
    assert largest_rate.largest_rates(8, None, pairs[1]).verdict == INCONCLUSIVE


def test_the_interval_of_a_rate_holds_its_brackets():
    found = largest_rate.largest_rates(8, "batch", [bracket(2.0)] * 3)
    low, high = found.interval
    assert low == pytest.approx(math.log10(2)) and high == pytest.approx(math.log10(2 * largest_rate.FACTOR))


def test_the_exponent_of_the_depth():
    """Rates 3/depth^2 with and 5/depth^3 without normalisation, the last seed of the smaller depth left out."""
    found = {}
    for depth, count in ((8, 4), (14, 3), (20, 3)):
        found[depth, "batch"] = [bracket(3 * (1 + i / 10) / depth**2) for i in range(count)]
        found[depth, None] = [bracket(5 * (1 + i / 10) / depth**3) for i in range(count)]
    normalised, twin, difference = largest_rate.by_depth(found)
    for one, expected in ((normalised, -2), (twin, -3), (difference, 1)):
        assert one.measured == pytest.approx(expected) and one.interval[0] < expected < one.interval[1]
    # the largest change of a slope by brackets' halves, by trying all signs
    half = math.log(largest_rate.FACTOR) / 2
    signs = np.array(np.meshgrid(*[[-half, half]] * 3)).reshape(3, -1)
    loose = np.polyfit(np.log([8, 14, 20]), signs, 1)[0].max()
    assert normalised.interval[1] + 2 == pytest.approx(loose)
    assert difference.interval[1] - 1 == pytest.approx(2 * loose)


def test_runs_are_judged_by_the_seed_that_counts(data, monkeypatch):
    """A rate at which the twin trains and one at which it does not, in few steps of the smallest depth."""
    monkeypatch.setattr(largest_rate, "STEPS", 24)
    monkeypatch.setattr(largest_rate, "LAST", 4)
    rates = {0: 0.05, 1: 30.0}
    every = largest_rate.trains("", data, rates, 8, norm=None)
    some = largest_rate.trains("", data, rates, 8, norm=None, over=min)
    assert every.verdict == CONTRADICTED and some.verdict == SUPPORTED
    assert some.measured == pytest.approx(every.details["levels"][0] / largest_rate.FRACTION)


def test_the_loss_along_the_step_is_bounded_by_normalisation_only(doubles):
    multiples = (0.1, 10.0, 1e4)
    profiles = {
        norm: [largest_rate.profile(doubles, norm, seed, multiples) for seed in (0, 1)] for norm in ("batch", None)
    }
    assert largest_rate.bounded("", profiles["batch"]).verdict == SUPPORTED
    assert largest_rate.bounded("", profiles[None]).verdict == CONTRADICTED
    # the unit of length is the moved weights' own
    one = profiles["batch"][0]
    assert one.lr**2 * sum(one.slopes2.values()) == pytest.approx(sum(one.norms2.values()))


@pytest.mark.parametrize(("norm", "verdict"), [("batch", SUPPORTED), (None, CONTRADICTED)])
def test_the_far_end_of_a_step(doubles, norm, verdict):
    assert largest_rate.tends_to("", doubles, 0, norm).verdict == verdict


def test_what_is_moved_is_scale_invariant(doubles):
    model, _, _, names = largest_rate.network(doubles, "batch", 0)
    assert set(dict(model.named_parameters())) - set(names) == {"last_norm.weight", "last_norm.bias"}
    twin, _, _, every = largest_rate.network(doubles, None, 0)
    assert [n for n, p in twin.named_parameters() if p.ndim > 1] == every and len(every) == largest_rate.LAYERS


def test_the_effective_rate_after_one_step(doubles, monkeypatch):
    monkeypatch.setattr(largest_rate, "RATES", (1e-2, 1.0, 1e3))
    plain = largest_rate.effective_rate("", doubles, 0)
    assert plain.verdict == SUPPORTED and 0.5 < plain.measured <= 1 and plain.tolerance < 1e-6
    assert largest_rate.effective_rate("", doubles, 0, projected=True).verdict == CONTRADICTED


def runs(test, train=1.0, losses=(0.1, 0.2, 0.1, 0.3)):
    return [Run(0.1, train, x, loss) for x, loss in zip(test, losses, strict=True)]


def test_accuracies_are_compared_seed_by_seed():
    """Differences of 0.02 in every pair, among accuracies that scatter by ten times as much."""
    base = np.array([0.6, 0.8, 0.7, 0.9])
    found = {("batch", 0.1): runs(base + 0.02 + 1e-3 * np.arange(4)), (None, 0.1): runs(base)}
    better = rate_and_generalisation.better(found, ("batch", 0.1), (None, 0.1))
    assert better.verdict == SUPPORTED and better.measured == pytest.approx(0.0215)
    assert rate_and_generalisation.better(found, (None, 0.1), ("batch", 0.1)).verdict == CONTRADICTED
    assert rate_and_generalisation.better(found, ("batch", 0.1), ("batch", 0.1)).verdict == CONTRADICTED


def test_gains_are_told_apart():
    small, large = rate_and_generalisation.SMALL, rate_and_generalisation.LARGE
    noise = 1e-3 * np.array([1.0, -1.0, 2.0, -2.0])
    found = {
        ("batch", large): runs(0.95 + noise),
        ("batch", small): runs(0.91 + noise[::-1]),
        (None, small): runs(np.full(4, 0.90), train=0.98),
    }
    same = rate_and_generalisation.same_rate(found["batch", small], found[None, small])
    assert same.measured == pytest.approx(0.01) and same.details["training_accuracy"] == pytest.approx((0.02, 0.02))
    better, loss, apart = rate_and_generalisation.with_rate(found)
    assert better.verdict == SUPPORTED and better.measured == pytest.approx(0.04)
    assert loss.measured == 0 and "not lower by the interval" in loss.details["answer"]
    assert apart.measured == pytest.approx(0.03)
    # equal training accuracy, but a training loss ten times higher: further up the same hill
    found["batch", small] = runs(0.91 + noise, losses=(1.0, 2.0, 1.0, 3.0))
    _, loss, _ = rate_and_generalisation.with_rate(found)
    assert loss.measured == pytest.approx(-1) and "optimisation in part" in loss.details["answer"]


def test_a_run_that_leaves_the_finite_numbers_guesses(monkeypatch):
    """At a rate of 1e6 the twin overflows in a few steps."""
    monkeypatch.setattr(rate_and_generalisation, "DEPTH", 8)
    split = digits_split(test=rate_and_generalisation.TEST, seed=0)
    run = rate_and_generalisation.trained(split, None, 1e6, 0)
    assert run == Run(math.inf, 0.1, 0.1, math.inf)
    assert rate_and_generalisation.trains("", [run, Run(0.1, 1.0, 0.9, 0.01)]).verdict == CONTRADICTED
    assert rate_and_generalisation.trains("", [run, Run(0.1, 1.0, 0.9, 0.01)], over=min).verdict == SUPPORTED


def test_the_rate_falls_at_the_end(monkeypatch):
    """Three steps, the last at a tenth of the rate: the same weights as by hand."""
    import torch

    from bn_theory.networks import Trainer, evaluate, resnet, sgd

    for name, value in (("DEPTH", 8), ("STEPS", 3), ("SETTLING", 1), ("LAST", 1)):
        monkeypatch.setattr(rate_and_generalisation, name, value)
    split = digits_split(test=rate_and_generalisation.TEST, seed=0)
    run = rate_and_generalisation.trained(split, "batch", 0.05, 2)
    model = resnet(8, "batch", width=rate_and_generalisation.WIDTH, seed=2)
    optimizer = sgd(model, 0.05, momentum=rate_and_generalisation.MOMENTUM)
    by_hand = Trainer(model, optimizer, split.train_images, split.train_classes, batch=16, seed=2)
    by_hand.steps(2)
    optimizer.param_groups[0]["lr"] = 0.005
    by_hand.steps(1)
    _, test = evaluate(model, split.test_images, split.test_classes)
    assert run.test == test and torch.isfinite(model.last.weight).all()
