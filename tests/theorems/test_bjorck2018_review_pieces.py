"""What the answers to the reviews' questions are built of, on small networks and made-up numbers."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from bn_theory.networks.data import digits_split
from bn_theory.networks.gradient_split import split_gradients
from bn_theory.theorems.bjorck2018 import review_gradients as gradients
from bn_theory.theorems.bjorck2018 import review_training as training
from bn_theory.theorems.bjorck2018.review_questions import STATEMENT
from bn_theory.theorems.evidence import CONTRADICTED, INCONCLUSIVE, SUPPORTED

SEEDS = (0, 1, 2)


@pytest.fixture(scope="module")
def points():
    data = digits_split(torch.float64)
    return {norm: [gradients.point(data, norm, seed, epochs=0) for seed in SEEDS] for norm in ("batch", None)}


def changed(points, **parts):
    """The points with every split changed by functions of it."""
    return [
        replace(p, splits={n: replace(s, **{k: f(s) for k, f in parts.items()}) for n, s in p.splits.items()})
        for p in points
    ]


def test_a_radial_part_of_1e_8_is_seen(points):
    normalised = points["batch"]
    off = changed(normalised, gradient=lambda s: s.gradient + 1e-8 * s.gradient.norm() * s.weight / s.weight.norm())
    for part, found, verdict in (
        (gradients.radial, normalised, SUPPORTED),
        (gradients.radial, off, CONTRADICTED),
        (gradients.independent, off, SUPPORTED),
        (gradients.independent, changed(off, independent=lambda s: 1e-8 * s.gradient), CONTRADICTED),
    ):
        assert gradients.vanishes("", found, part, normalised).verdict == verdict


def test_a_wide_rounding_decides_nothing(points):
    wide = changed(points["batch"], radial_rounding=lambda s: s.gradient.norm().expand(1))
    assert gradients.vanishes("", points["batch"], gradients.radial, wide).verdict == INCONCLUSIVE


def test_nan_is_no_agreement(points):
    lost = changed(points["batch"], gradient=lambda s: s.gradient * math.nan)
    assert gradients.vanishes("", lost, gradients.radial, points["batch"]).verdict != SUPPORTED


def test_shares_of_made_up_gradients(points):
    """A gradient 3 w + 4 t with |t| = |w| orthogonal to w, filter by filter: 9/25 of it is radial."""

    def mixed(s, radial, across):
        drawn = torch.randn(s.weight.shape, generator=torch.Generator().manual_seed(5), dtype=s.weight.dtype)
        w, t = s.weight.flatten(1), drawn.flatten(1)
        t = t - (t * w).sum(1, keepdim=True) / (w * w).sum(1, keepdim=True) * w
        t = t * (w.norm(dim=1, keepdim=True) / t.norm(dim=1, keepdim=True))
        return (radial * w + across * t).reshape(s.weight.shape)

    for radial, across, verdict in ((3, 4, SUPPORTED), (4, 3, CONTRADICTED)):
        made = changed(points[None], gradient=lambda s, r=radial, a=across: mixed(s, r, a))
        found = gradients.mostly_tangential("", made, gradients.gradient)
        assert found.details["radial_shares"] == pytest.approx([radial**2 / 25] * 3)
        assert found.verdict == verdict
        assert gradients.by_layer(made, gradients.radial, gradients.gradient) == pytest.approx(
            dict.fromkeys(made[0].splits, radial**2 / 25)
        )


def test_the_rounding_of_radial_derivatives_tells_a_bias(points):
    assert gradients.same_for_every_layer("", points[None]).verdict == SUPPORTED
    biased = [gradients.with_biases(p) for p in points[None]]
    assert gradients.same_for_every_layer("", biased).verdict == CONTRADICTED
    # the same weights, so that nothing but the biases differs
    assert torch.equal(biased[0].model.conv1.weight, points[None][0].model.conv1.weight)


def test_random_directions_are_a_function_of_the_seed(points):
    first, other = points[None][:2]
    for make in (gradients.random_like_independent, gradients.along_mean_inputs):
        made, again, next_draw = make(first, 0), make(first, 0), make(first, 1)
        assert all(torch.equal(made[n], again[n]) and not torch.equal(made[n], next_draw[n]) for n in made)
        assert not torch.equal(made["conv1.weight"], make(other, 0)["conv1.weight"])
    mean_inputs = gradients.along_mean_inputs(first, 0)
    for name, split in first.splits.items():
        assert torch.linalg.matrix_rank(mean_inputs[name].flatten(1)) == 1
        assert float(mean_inputs[name].norm()) == pytest.approx(float(split.weight.norm()))


@pytest.mark.parametrize(("logs", "verdict"), [((2.9, 3.0, 3.1), SUPPORTED), ((-0.1, 0.0, 0.1), CONTRADICTED)])
def test_farther(logs, verdict):
    assert gradients.farther("", logs, 4.0).verdict == verdict
    assert gradients.farther("", (0.0, 1.5, 3.0), 4.0).verdict == INCONCLUSIVE


@pytest.mark.parametrize(
    ("ratios", "verdict"),
    [
        ((1.0, 1.01, 0.99), SUPPORTED),
        ((2.0, 2.02, 1.98), CONTRADICTED),
        ((0.5, 0.51, 0.49), CONTRADICTED),
        ((1.0, 2.0, 0.5), INCONCLUSIVE),
    ],
)
def test_largest_rates_alike(monkeypatch, ratios, verdict):
    rates = iter([value for ratio in ratios for value in (ratio, 1.0)])
    monkeypatch.setattr(gradients, "largest_rate", lambda p, part: next(rates))
    assert gradients.largest_rates("", ratios).verdict == verdict


def test_the_largest_rate_is_that_of_the_step():
    """On the way to the rate the step lowers the loss, beyond it no more."""
    data = digits_split(torch.float64)
    p = gradients.point(data, None, 1, epochs=0)
    rate = gradients.largest_rate(p, gradients.gradient)
    from bn_theory.networks.rays import batch_loss

    def after(lr):
        moved = {n: s.weight - lr * s.gradient for n, s in p.splits.items()}
        return float(batch_loss(p.model, p.images, p.classes, moved).detach())

    start = after(0.0)
    # the search is right to a factor 2^(1/32)
    assert after(rate / 2 ** (1 / 16)) < start <= after(rate * 2 ** (1 / 16))


def test_runs_that_fail_count_as_guessing():
    data = digits_split(torch.float32)
    lost = training.train(training.Setup(lr=1e6, epochs=1), 0, data)
    assert (lost.loss, lost.accuracy) == (math.log(10), 0.1)
    fine = training.train(training.Setup(norm="batch", epochs=1), 0, data)
    assert fine.loss < 1.5 and fine.accuracy > 0.5
    assert math.isnan(training.train(training.Setup(epochs=0), 0, data).loss)


def test_a_setup_is_trained_once_and_both_twins_start_alike():
    runs = training.Runs(SEEDS[:1])
    start = training.Setup(epochs=0)
    assert runs(start) is runs(replace(start))
    twin = runs(replace(start, norm="batch"))[0].model
    assert torch.equal(runs(start)[0].model.conv1.weight, twin.conv1.weight)
    centred = runs(replace(start, centred=True))[0].model
    assert torch.any(centred.last.bias != 0) and torch.equal(centred.last.weight, twin.last.weight)


class MadeUp:
    """Losses and accuracies without training."""

    def __init__(self, losses):
        self.table = losses

    def losses(self, setup):
        return np.array(self.table[setup.norm])

    accuracies = losses


@pytest.mark.parametrize(
    ("others", "verdict"),
    [((1.0, 1.1, 1.2), SUPPORTED), ((0.1, 0.2, 0.3), CONTRADICTED), ((0.3, 0.5, 0.9), INCONCLUSIVE)],
)
def test_lower_loss(others, verdict):
    runs = MadeUp({"batch": (0.4, 0.5, 0.6), None: others})
    found = training.lower_loss("", runs, 0.1, training.BN, training.NONE)
    assert found.verdict == verdict
    assert found.details["losses"] == pytest.approx({"BN": 0.5, "other": np.mean(others)})


def test_directions_in_words():
    table = {"a": {"x": (0.1, 0.2)}, "b": {"x": (-0.2, -0.1)}, "c": {"x": (-0.1, 0.1)}, "d": {"x": (0.3, 0.4)}}
    assert training._directions(table, "x") == "raised in a and d; lowered in b; open in c"


def test_intervals_in_words():
    assert gradients.shown((1.0, 2.0)) == "1.5 (95 %: 1 to 2)"
    assert gradients.factor((0.0, math.log(4))) == "2 (95 %: 1 to 4)"


def test_the_split_is_that_of_the_batch(points):
    p = points["batch"][0]
    again = split_gradients(p.model, p.images, p.classes)
    assert all(torch.equal(again[n].gradient, s.gradient) for n, s in p.splits.items())


def test_the_statement_can_be_listed_and_proved_without_torch():
    assert STATEMENT.extra == "networks" and STATEMENT.source.origin == "derived"
    assert STATEMENT.prove().slug == STATEMENT.slug
