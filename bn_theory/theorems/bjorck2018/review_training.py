"""Questions 4 to 7: substitutes for batch normalisation, other normalisations, and the noise of SGD."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from bn_theory.theorems import evidence as judge
from bn_theory.theorems.bjorck2018.review_gradients import shown
from bn_theory.theorems.intervals import over_seeds

EPOCHS = 2
MODERATE, LARGE = 0.1, 1.0
RATES_FULL = (MODERATE, 0.3, LARGE)
CLASSES = 10
EPS = 1e-5
APART = 0.5
"""By what batch normalisation is claimed, for a control, to be ahead of batch renormalisation in loss (nats)."""
NOISE_BATCH, NOISE_BATCHES = 32, 16
MATCHED = 4
"""By how much the small batch and the small rate of question 7 are smaller."""


@dataclass(frozen=True)
class Setup:
    """One way to train, but for the seed.

    Attributes:
        network: ``"vgg"``, or ``"resnet D"`` with its depth.
        norm: a normalisation, or ``None``.
        lr, batch: of SGD without momentum.
        init: start of the weights.
        centred: whether class biases centre the outputs at the start.
        width: channels of a residual network's first stage.
        epochs: 0 leaves the network at its start.
    """

    network: str = "vgg"
    norm: str | None = None
    lr: float = MODERATE
    batch: int = 64
    init: str = "he"
    centred: bool = False
    width: int = 8
    epochs: int = EPOCHS


BN = Setup(norm="batch")
NONE = Setup()


@dataclass(frozen=True, eq=False)
class Trained:
    """What came of one run.

    Attributes:
        model: the network.
        loss: mean training loss over the last half epoch; that of guessing, ``log 10``, where it is higher or the run
            left the finite numbers.
        accuracy: on the test images; by guessing if the run left the finite numbers.
    """

    model: object
    loss: float
    accuracy: float


class Runs:
    """Every setup trained on all seeds, once."""

    def __init__(self, seeds):
        """See the class."""
        import torch

        from bn_theory.networks.data import digits_split

        self.seeds, self.data, self.done = list(seeds), digits_split(torch.float32), {}

    def __call__(self, setup: Setup) -> list[Trained]:
        """One for each seed."""
        if setup not in self.done:
            self.done[setup] = [train(setup, seed, self.data) for seed in self.seeds]
        return self.done[setup]

    def losses(self, setup: Setup) -> np.ndarray:
        """Training losses, one for each seed."""
        return np.array([run.loss for run in self(setup)])

    def accuracies(self, setup: Setup) -> np.ndarray:
        """Test accuracies, one for each seed."""
        return np.array([run.accuracy for run in self(setup)])

    def noise(self, setup: Setup, batch=NOISE_BATCH) -> list:
        """Gradient noise where each run ended."""
        from bn_theory.networks.gradient_noise import gradient_noise

        images, classes = self.data.train_images, self.data.train_classes
        return [
            gradient_noise(run.model, images, classes, batch=batch, batches=NOISE_BATCHES, seed=seed)
            for run, seed in zip(self(setup), self.seeds, strict=True)
        ]


def train(setup: Setup, seed: int, data) -> Trained:
    """Train one network in float32; the same seed is the same start of all weights and the same order of images."""
    import torch

    from bn_theory.networks import Trainer, evaluate, resnet, sgd, vgg
    from bn_theory.networks.substitutes import centre_classes

    options = {"eps": EPS, "init": setup.init, "seed": seed, "dtype": torch.float32, "bias": True}
    if setup.network == "vgg":
        model = vgg(setup.norm, **options)
    else:
        model = resnet(int(setup.network.split()[1]), setup.norm, width=setup.width, **options)
    if setup.centred:
        centre_classes(model, data.train_images)
    run = Trainer(model, sgd(model, setup.lr), data.train_images, data.train_classes, batch=setup.batch, seed=seed)
    run.steps(setup.epochs * run.steps_per_epoch)
    if run.diverged is not None:
        return Trained(model, math.log(CLASSES), 1 / CLASSES)
    last = run.losses[-(run.steps_per_epoch // 2) :]
    accuracy = evaluate(model, data.test_images, data.test_classes)[1]
    return Trained(model, min(float(np.mean(last)), math.log(CLASSES)) if last else math.nan, accuracy)


# Question 4


def substitutes(runs, settings):
    """Whether an orthogonal start or centred class biases let a network without BN train as one with it."""
    ways = {"orthogonal start": replace(NONE, init="orthogonal"), "centred classes": replace(NONE, centred=True)}
    if settings.full:
        ways["orthogonal start and centred classes"] = replace(NONE, init="orthogonal", centred=True)
    for lr in RATES_FULL if settings.full else (MODERATE, LARGE):
        for name, way in ways.items():
            if lr == LARGE:
                yield lower_loss(f"4. rate {lr:g}: loss with BN is lower than without it, {name}", runs, lr, BN, way)
            else:
                gained = runs.losses(replace(NONE, lr=lr)) - runs.losses(replace(way, lr=lr))
                missing = over_seeds(runs.losses(replace(way, lr=lr)) - runs.losses(replace(BN, lr=lr)))
                yield judge.measurement(
                    f"4. rate {lr:g}, no BN: loss that is gained by {name}",
                    over_seeds(gained),
                    loss_minus_that_of_bn=missing,
                    **means(runs, {"none": NONE, name: way, "BN": BN}, lr),
                    answer=f"Without BN, {name} lowers the loss by {shown(over_seeds(gained))}; it is then above BN's "
                    f"by {shown(missing)}.",
                )
    name = f"4. rate {LARGE:g}: loss with BN is lower by {APART:g} than with batch renormalisation"
    yield judge.control(lower_loss(name, runs, LARGE, BN, replace(BN, norm="renorm"), APART))


def lower_loss(name, runs, lr, better, worse, by=0.0):
    """A comparison of training losses at one rate, seed by seed; losses are capped at that of guessing."""
    better, worse = replace(better, lr=lr), replace(worse, lr=lr)
    interval = over_seeds(runs.losses(worse) - runs.losses(better))
    both = means(runs, {"BN": better, "other": worse}, lr)
    return judge.comparison(
        name,
        interval,
        by,
        **both,
        answer=f"At rate {lr:g} {learned(runs.losses(worse))} learn anything, with BN {learned(runs.losses(better))}; "
        f"the loss, that of guessing where nothing is learned, is higher by {shown(interval)} than with BN.",
    )


def learned(losses):
    """How many of the runs end below guessing, by 5 % of its loss, in words."""
    return f"{int(np.sum(losses < 0.95 * math.log(CLASSES)))} of {len(losses)} runs"


def means(runs, setups, lr):
    """Mean losses and accuracies by name, for the details."""
    return {
        "losses": {name: float(runs.losses(replace(setup, lr=lr)).mean()) for name, setup in setups.items()},
        "test_accuracies": {
            name: float(runs.accuracies(replace(setup, lr=lr)).mean()) for name, setup in setups.items()
        },
    }


# Question 5


def other_normalisations(runs, settings):
    """Training loss and test accuracy of other normalisations minus those of BN, at equal rates."""
    for lr in (MODERATE, LARGE) if settings.full else (LARGE,):
        for norm in ("group", "layer", "renorm", *(("instance",) if settings.full else ())):
            other = replace(BN, norm=norm, lr=lr)
            interval = over_seeds(runs.losses(other) - runs.losses(replace(BN, lr=lr)))
            accuracy = over_seeds(runs.accuracies(other) - runs.accuracies(replace(BN, lr=lr)))
            yield judge.measurement(
                f"5. rate {lr:g}: training loss of {norm} normalisation minus that of BN",
                interval,
                accuracy_minus_that_of_bn=accuracy,
                **means(runs, {"BN": BN, norm: replace(BN, norm=norm)}, lr),
                answer=f"{norm}: {learned(runs.losses(other))} learn anything; training loss, at most of guessing, "
                f"minus BN's is {shown(interval)}, test accuracy minus BN's {shown(accuracy)}.",
            )


# Question 6


def noise(runs, settings):
    """The noise of a mini-batch's gradient with BN against without: networks, starts and rates."""
    starts = [Setup(epochs=0), Setup(epochs=0, init="glorot"), Setup("resnet 8", epochs=0)]
    trained = [Setup(lr=0.01), Setup(lr=MODERATE), Setup("resnet 8", lr=MODERATE, width=4)]
    if settings.full:
        starts += [Setup("resnet 8", epochs=0, init="glorot"), Setup("resnet 20", epochs=0)]
        trained += [
            *(Setup(lr=0.01, init="glorot"), Setup("resnet 8", lr=0.01, width=4), Setup("resnet 8", lr=MODERATE)),
            *(Setup("resnet 8", lr=0.01), Setup("resnet 14", lr=0.01)),
        ]
    yield noise_shares(f"6. at the start, |B| = {NOISE_BATCH}: share of noise with BN minus without", runs, starts)
    yield noise_shares(f"6. trained, |B| = {NOISE_BATCH}: share of noise with BN minus without", runs, trained)


def noise_shares(name, runs, setups):
    """The difference ``BN - none`` of ``tr Cov(g_B)/E|g_B|^2``, averaged over setups; a table has each of them.

    The share does not depend on the scale of the weights, ``tr Cov`` does: it is in the table, as BN's over the twin's.
    Trained networks are compared after equal epochs at equal rates, not at equal losses: whichever is further trained
    has the smaller mean gradient, which alone raises its share. Their losses are in the table.
    """
    table, by_setup = {}, []
    for setup in setups:
        with_bn, without = (runs.noise(replace(setup, norm=norm)) for norm in ("batch", None))
        differences = np.array([a.share - b.share for a, b in zip(with_bn, without, strict=True)])
        logs = [math.log10(a.covariance / b.covariance) for a, b in zip(with_bn, without, strict=True)]
        by_setup.append(differences)
        table[_described(setup)] = {
            "share_with_bn": float(np.mean([one.share for one in with_bn])),
            "share_without": float(np.mean([one.share for one in without])),
            "difference": over_seeds(differences),
            "log10_of_the_ratio_of_tr_cov": over_seeds(logs),
        }
        if setup.epochs:
            losses = (float(runs.losses(replace(setup, norm=norm)).mean()) for norm in ("batch", None))
            table[_described(setup)] |= dict(zip(("loss_with_bn", "loss_without"), losses, strict=True))
    interval = over_seeds(np.mean(by_setup, axis=0))
    return judge.measurement(
        name,
        interval,
        table=table,
        answer=f"In the mean over {len(setups)} setups BN changes the share of noise by {shown(interval)}: "
        f"{_directions(table, 'difference')}. The noise itself, tr Cov: "
        f"{_directions(table, 'log10_of_the_ratio_of_tr_cov')}.",
    )


def _described(setup):
    network = setup.network if setup.network == "vgg" else f"{setup.network} of width {setup.width}"
    return f"{network}, {setup.init}" + (f", rate {setup.lr:g}" if setup.epochs else "")


def _directions(table, what):
    """In which rows the interval lies above 0, below it, or on both sides."""
    found = {"raised": [], "lowered": [], "open": []}
    for row, numbers in table.items():
        low, high = numbers[what]
        found["raised" if low > 0 else "lowered" if high < 0 else "open"].append(row)
    return "; ".join(f"{direction} in {' and '.join(rows)}" for direction, rows in found.items() if rows)


# Question 7


def small_batches(runs, settings):
    """Without BN at a rate and a batch divided by the same number, against BN, after as many epochs.

    That leaves ``lr/|B|``, and with it the noise per unit of time of a given covariance, as it was; the two networks'
    covariances differ, and what the noise is then is in the details.
    """
    for by in (MATCHED, 2 * MATCHED) if settings.full else (MATCHED,):
        small = replace(NONE, lr=NONE.lr / by, batch=NONE.batch // by)
        accuracy = over_seeds(runs.accuracies(BN) - runs.accuracies(small))
        loss = over_seeds(runs.losses(small) - runs.losses(BN))
        gained = over_seeds(runs.accuracies(small) - runs.accuracies(NONE))
        rates = {
            name: float(np.mean([one.per_time(setup.lr) for one in runs.noise(setup, setup.batch)]))
            for name, setup in (("BN", BN), ("small", small), ("none", NONE))
        }
        yield judge.measurement(
            f"7. test accuracy with BN minus that without it at rate and batch divided by {by}",
            accuracy,
            loss_minus_that_of_bn=loss,
            accuracy_gained_by_the_small_batch=gained,
            noise_per_time=rates,
            answer=f"Test accuracy with BN (rate {BN.lr:g}, batch {BN.batch}) minus without (rate {small.lr:g}, batch "
            f"{small.batch}) is {shown(accuracy)}; training loss without minus with is {shown(loss)}; the small batch "
            f"and rate change accuracy without BN by {shown(gained)}.",
        )
