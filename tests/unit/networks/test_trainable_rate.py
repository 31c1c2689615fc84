"""What "trains" means, and the search for the largest rate against thresholds that are known."""

import math

import numpy as np
import pytest

pytest.importorskip("torch", reason="bn_theory.networks needs torch: pip install '.[networks]'")

from bn_theory.errors import InvalidInputError, NothingTrainsError
from bn_theory.networks.trainable_rate import TrainableRate, Trains, largest_trainable_rate


def test_what_trains_and_what_does_not():
    rule = Trains(steps=4, last=2, fraction=0.5, guessing=2.0)
    assert rule([2.0, 9.0, 0.6, 0.4]) and rule.level([2.0, 9.0, 0.6, 0.4]) == 0.25
    assert rule([2.0, 2.0, 1.0, 1.0]) and not rule([2.0, 2.0, 1.0, 1.01])
    # not finite anywhere, even where the last losses are low
    assert not rule([2.0, math.inf, 0.1, 0.1]) and not rule([2.0, math.nan]) and rule.level([]) == math.inf


def test_a_start_above_guessing_does_not_count():
    """A net that starts at 50 and dies, its output that of guessing, has fallen by a factor 25 and not trained."""
    dead = [50.0, 8.0, 2.0, 2.0]
    assert not Trains(steps=4, last=2, fraction=0.9, guessing=2.0)(dead)
    assert Trains(steps=4, last=2, fraction=0.9)(dead)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"last": 5}, "last must be from 1 to the 4 steps, not 5"),
        ({"last": 0}, "not 0"),
        ({"fraction": 0.0}, "fraction must be above 0"),
        ({"fraction": 1.5}, "at most 1, not 1.5"),
        ({"fraction": math.nan}, "fraction"),
        ({"guessing": 0.0}, "guessing must be above 0, not 0.0; leave it out"),
    ],
)
def test_rules_that_cannot_be(changed, message):
    with pytest.raises(InvalidInputError, match=message):
        Trains(**{"steps": 4, "last": 2, "fraction": 0.5} | changed)


def test_a_run_that_is_too_short_decides_nothing():
    with pytest.raises(InvalidInputError, match="the run has 2 steps, but the rule is about 4"):
        Trains(steps=4, last=2, fraction=0.5)([2.0, 0.1])


def linear_model(curvatures, seed=0):
    """Least squares with a Hessian of these eigenvalues: the data, and its eigenvectors."""
    rng = np.random.default_rng(seed)
    n, d = 20, len(curvatures)
    left, _ = np.linalg.qr(rng.normal(size=(n, d)))
    right, _ = np.linalg.qr(rng.normal(size=(d, d)))
    return left * np.sqrt(n * np.asarray(curvatures)) @ right.T, right


def descend(data, start, rate, steps, momentum=0.0):
    """Losses of GD on ``|X w|^2/(2 n)``."""
    w, buffer, found = start, np.zeros_like(start), []
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(steps):
            output = data @ w
            found.append(float(output @ output) / (2 * len(data)))
            buffer = momentum * buffer + data.T @ output / len(data)
            w = w - rate * buffer
    return found


@pytest.mark.parametrize("largest", [0.3, 4.0, 250.0])
def test_the_threshold_of_a_linear_model_is_two_over_its_largest_curvature(largest):
    data, vectors = linear_model([largest, largest / 3, largest / 50])
    rule = Trains(steps=60, last=1, fraction=1.0)
    found = largest_trainable_rate(
        lambda rate: rule(descend(data, vectors[:, 0], rate, 60)), 1e-4, 1e4, stretch=10.0, factor=1 + 1e-9
    )
    # along the top eigenvector the loss is multiplied by (1 - eta lambda)^2: 60 steps at 1e-9 beside the threshold
    # change it by 2e-7, some 60 roundings by 1e-14
    assert found.rate == pytest.approx(2 / largest, rel=2e-9)
    assert found.bracket == (found.rate, found.fails) and found.fails <= found.rate * (1 + 1e-9)


def test_a_wrong_threshold_is_told_apart():
    """With momentum the threshold is 2 (1 + gamma)/lambda: the search does not give 2/lambda for everything."""
    data, vectors = linear_model([4.0, 1.0, 0.1])
    steps = 800
    rule = Trains(steps=steps, last=1, fraction=1.0)
    found = largest_trainable_rate(
        lambda rate: rule(descend(data, vectors[:, 0], rate, steps, momentum=0.5)), 1e-2, 100.0, factor=1.01
    )
    # 1 % above it the fastest mode grows by e^(800 * 0.01) or so, 1 % below it falls by as much
    assert found.rate <= 2 * 1.5 / 4 * 1.01 and found.fails >= 2 * 1.5 / 4 * 0.99


def test_everything_that_was_tried_is_told():
    found = largest_trainable_rate(lambda rate: rate <= 1.0, 1e-3, 64.0, stretch=4.0, factor=2.0)
    assert found == TrainableRate(1.0, 2.0, ((64.0, False), (16.0, False), (4.0, False), (1.0, True), (2.0, False)))


def test_nothing_is_assumed_of_rates_above_the_answer():
    """Two windows of rates: the upper one is found if a step down lands in it, and the steps are the user's."""

    def trains(rate):
        return rate < 1 or 8 < rate < 20

    assert largest_trainable_rate(trains, 1e-3, 100.0, stretch=2.0, factor=1.1).rate == pytest.approx(20, rel=0.1)
    assert largest_trainable_rate(trains, 1e-3, 100.0, stretch=4.0, factor=1.1).rate == pytest.approx(1, rel=0.1)


def test_brackets_that_are_none_are_refused():
    with pytest.raises(InvalidInputError, match=r"still trains at the rate high=100, .* raise high"):
        largest_trainable_rate(lambda rate: True, 1e-3, 100.0)
    with pytest.raises(NothingTrainsError, match=r"none of the rates 100, 25, 10; lower low=10") as caught:
        largest_trainable_rate(lambda rate: False, 10.0, 100.0)
    assert caught.value.tried == ((100.0, False), (25.0, False), (10.0, False))


@pytest.mark.parametrize(
    "numbers",
    [
        {"low": 0.0},
        {"low": 200.0},
        {"high": math.inf},
        {"low": math.nan},
        {"factor": 1.0},
        {"factor": 5.0},
        {"stretch": math.inf},
    ],
)
def test_numbers_that_cannot_be_used_are_refused_before_any_run(numbers):
    def never(rate):
        raise AssertionError("a run was made")

    with pytest.raises(InvalidInputError, match=r"there must be|rates must be"):
        largest_trainable_rate(never, **{"low": 1.0, "high": 100.0} | numbers)
