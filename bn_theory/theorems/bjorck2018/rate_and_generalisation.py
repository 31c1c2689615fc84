"""Training and test accuracy by learning rate, with batch normalisation and without.

A residual network on a few of scikit-learn's digits, tested on all the others; SGD with momentum, the same start, split
and order of images with and without normalisation. Differences are taken seed by seed. All runs have equally many
steps, the last of them at a tenth of the rate, so that what is evaluated is not the noise of the last steps. A rate
that is merely small shows as a low training accuracy: training accuracies stand next to the test accuracies throughout.
Where they are saturated the training loss still tells how far a run has come; optimisation and generalisation are not
told apart here. The rates that are compared are fixed beforehand: none is chosen by its test accuracy.

Torch is imported when the evidence is asked for, so that the statement can be listed and proved without it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bn_theory.theorems import evidence as judge
from bn_theory.theorems.bjorck2018 import derived
from bn_theory.theorems.evidence import Curves
from bn_theory.theorems.intervals import over_seeds, seeds_of
from bn_theory.theorems.statement import Statement

DEPTH, WIDTH, MOMENTUM = 14, 8, 0.9
TEST = 1497
"""Of 1797 images: 300 are left to train on, so that test accuracies do not saturate."""
BATCH, STEPS, LAST = 16, 200, 20
SETTLING = 50
"""Steps at the end, at a tenth of the rate."""
FRACTION = 0.5
"""It trains if the last losses' mean is at most this fraction of the first one's, or of guessing's if that is less."""
SMALL, LARGE = 3e-3, 1e-1
"""A rate at which the network trains with and without normalisation, and one at which it does only with it."""
RATES_QUICK, RATES_FULL = (SMALL, LARGE), (1e-4, 1e-3, SMALL, 1e-2, 3e-2, LARGE)
SEEDS = 4


def evidence(settings):
    """Accuracies by rate; which of them train; normalisation at one rate; the gain with the rate; controls."""
    import bn_theory.networks  # noqa: F401  (first of all, as it says what to install where torch is missing)
    from bn_theory.networks.data import digits_split
    from bn_theory.networks.threads import one_thread

    seeds = seeds_of(settings, SEEDS)
    runs = {}
    with one_thread():
        data = {seed: digits_split(test=TEST, seed=seed) for seed in seeds}
        for rate in RATES_FULL if settings.full else RATES_QUICK:
            for norm in ("batch", None):
                runs[norm, rate] = [trained(data[seed], norm, rate, seed) for seed in seeds]
                yield accuracies(norm, rate, runs[norm, rate])
    yield _curves(runs)
    for norm, rate in (("batch", SMALL), (None, SMALL), ("batch", LARGE)):
        yield trains(f"{what(norm, rate)}: trains", runs[norm, rate])
    name = f"{what(None, LARGE)}: trains, for some seed"
    yield judge.control(trains(name, runs[None, LARGE], over=min))

    yield same_rate(runs["batch", SMALL], runs[None, SMALL])
    yield from with_rate(runs)
    yield better(runs, ("batch", LARGE), (None, SMALL))
    yield judge.control(better(runs, (None, LARGE), (None, SMALL)))


def _curves(runs):
    """Both accuracies of all runs."""
    rates = sorted({rate for _, rate in runs})

    def by_seed(part, norm):
        return np.array([[getattr(one, part) for one in runs[norm, rate]] for rate in rates]).T

    both = {norm or "no normalisation": norm for norm in ("batch", None)}
    return Curves(
        "accuracies",
        f"Training and test accuracy after {STEPS} steps against the learning rate, {SEEDS} seeds, with batch "
        "normalisation and without.",
        {"rates": rates}
        | {part: {label: by_seed(part, norm) for label, norm in both.items()} for part in ("train", "test")}
        | {"supports": [_better(("batch", LARGE), (None, SMALL)), _better(("batch", LARGE), ("batch", SMALL))]},
    )


@dataclass(frozen=True)
class Run:
    """How a run ended.

    Attributes:
        level: last losses' mean over the start's, or guessing's (:class:`bn_theory.networks.trainable_rate.Trains`).
        train, test: shares of images that are classified right; 0.1, as by guessing, where the run left the finite
            numbers.
        loss: on the training images at the end; infinite there.
    """

    level: float
    train: float
    test: float
    loss: float


def trained(data, norm, rate, seed):
    """One run, evaluated at its end."""
    from bn_theory.networks import Trainer, evaluate, resnet, sgd
    from bn_theory.networks.trainable_rate import Trains

    model = resnet(DEPTH, norm, width=WIDTH, seed=seed)
    optimizer = sgd(model, rate, momentum=MOMENTUM)
    run = Trainer(model, optimizer, data.train_images, data.train_classes, batch=BATCH, seed=seed)
    run.steps(STEPS - SETTLING)
    for group in optimizer.param_groups:
        group["lr"] = rate / 10
    run.steps(SETTLING)
    level = Trains(STEPS, LAST, FRACTION, guessing=math.log(10)).level(run.losses)
    if not math.isfinite(level):
        return Run(level, 0.1, 0.1, math.inf)
    loss, train = evaluate(model, data.train_images, data.train_classes)
    _, test = evaluate(model, data.test_images, data.test_classes)
    return Run(level, train, test, loss)


def what(norm, rate):
    """A network and its rate in words."""
    return f"{norm or 'no normalisation'}, rate {rate:g}"


def accuracies(norm, rate, found):
    """Test accuracy over seeds, the training accuracy next to it."""
    low, high = over_seeds([one.test for one in found])
    train = float(np.mean([one.train for one in found]))
    return judge.measurement(
        f"{what(norm, rate)}: test accuracy",
        (low, high),
        training_accuracy=train,
        test_accuracies=[one.test for one in found],
        training_accuracies=[one.train for one in found],
        training_losses=[one.loss for one in found],
        steps=STEPS,
        answer=f"after {STEPS} steps {train:.1%} of the training images are right, and {low:.1%} to {high:.1%} of the "
        "test images",
    )


def trains(name, found, over=judge.largest):
    """Last losses over what "trains" allows.

    Args:
        over: which seed counts; ``min`` makes the claim one about some seed instead of all.
    """
    levels = [one.level for one in found]
    return judge.bound(name, over(levels) / FRACTION, levels=levels, training_accuracies=[one.train for one in found])


def differences(first, second):
    """Of test and of training accuracies, seed by seed."""
    return tuple(
        np.array([getattr(a, which) - getattr(b, which) for a, b in zip(first, second, strict=True)])
        for which in ("test", "train")
    )


def same_rate(normalised, twins):
    """What normalisation by itself does, at a rate at which both train."""
    test, train = differences(normalised, twins)
    low, high = over_seeds(test)
    return judge.measurement(
        f"batch minus no normalisation, both at rate {SMALL:g}: test accuracy",
        (low, high),
        training_accuracy=over_seeds(train),
        answer=f"at the same small rate batch normalisation changes the test accuracy by {low:+.1%} to {high:+.1%}, "
        f"the training accuracy by {float(np.mean(train)):+.1%}",
    )


def with_rate(runs):
    """The gain with the rate that only normalisation survives, next to what it does to the training accuracy."""
    large, small = runs["batch", LARGE], runs["batch", SMALL]
    yield better(runs, ("batch", LARGE), ("batch", SMALL))
    gain, train = differences(large, small)
    low, high = over_seeds([math.log10(a.loss / b.loss) for a, b in zip(large, small, strict=True)])
    apart = "and so the gain may be one of optimisation in part" if high < 0 else "which is not lower by the interval"
    yield judge.measurement(
        f"batch, rate {LARGE:g} over rate {SMALL:g}: log10 of the training loss",
        (low, high),
        training_accuracy=float(np.mean(train)),
        answer=f"with the rate the training accuracy changes by {float(np.mean(train)):+.1%}, the training loss by a "
        f"factor of {10**low:.2g} to {10**high:.2g}, {apart}",
    )
    by_itself, _ = differences(small, runs[None, SMALL])
    low, high = over_seeds(gain - by_itself)
    yield judge.measurement(
        "gain in test accuracy with the rate minus that by normalisation at the small rate",
        (low, high),
        with_the_rate=float(np.mean(gain)),
        by_normalisation=float(np.mean(by_itself)),
        answer=f"the larger rate is worth {float(np.mean(gain)):+.1%} of test accuracy, normalisation at the small "
        f"rate {float(np.mean(by_itself)):+.1%}, and the difference of the two is {low:+.1%} to {high:+.1%}",
    )


def _better(first, second):
    return f"{what(*first)} minus {what(*second)}: test accuracy"


def better(runs, first, second):
    """The first network's test accuracy is above the second's."""
    test, train = differences(runs[first], runs[second])
    low, high = over_seeds(test)
    return judge.comparison(
        _better(first, second),
        (low, high),
        differences=test.tolist(),
        training_accuracy=float(np.mean(train)),
        answer=f"{what(*first)}: test accuracy {low:+.1%} to {high:+.1%} from that of {what(*second)}, training "
        f"accuracy {float(np.mean(train)):+.1%}",
    )


STATEMENT = Statement(
    "bjorck2018.rate_and_generalisation",
    "Batch normalisation survives larger rates, and these raise its test accuracy",
    derived("accuracy with and without normalisation by learning rate"),
    evidence,
    extra="networks",
)
