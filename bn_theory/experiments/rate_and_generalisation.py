"""Train and test accuracy of a residual network with and without batch normalisation, over learning rates.

The question: how much of the gain comes from the larger learning rate that only the normalised network survives, and
how much from normalisation at equal rates.
"""

from __future__ import annotations

import math

import numpy as np

from bn_theory.errors import InvalidInputError
from bn_theory.experiments.experiment import CIFAR, DIGITS, Experiment, Record
from bn_theory.experiments.records import epoch_loss, final, with_interval

NETWORKS = ("batch normalisation", "no normalisation")
RATES = tuple(float(f"{rate:.3g}") for rate in np.geomspace(1e-4, 1e-1, 7))


def axes(setup):
    """Networks and learning rates."""
    if len(setup.depth) > 1:
        raise InvalidInputError(f"{setup.experiment} takes one depth, not {setup.depth}")
    return {"network": NETWORKS, "rate": setup.rates}


def train(setup, case, seed, split):
    """SGD at a constant rate; images of CIFAR-10 are shifted and mirrored."""
    return residual(setup, case, seed, split, setup.depth[0])


def residual(setup, case, seed, split, depth):
    """Training of a residual network, ``case["network"]`` being one of ``NETWORKS``."""
    from bn_theory.networks import Trainer, resnet, sgd
    from bn_theory.networks.data import augment

    norm = "batch" if case["network"] == NETWORKS[0] else None
    model = resnet(depth, norm, width=setup.width, image=split.image, seed=seed).to(setup.device)
    options = {"momentum": setup.momentum or 0.0, "weight_decay": setup.weight_decay or 0.0}
    return Trainer(
        model,
        sgd(model, case["rate"], **options),
        split.train_images,
        split.train_classes,
        batch=setup.batch,
        seed=seed,
        augment=augment if setup.data == CIFAR else None,
    )


def measure(trainer, setup, case, split, epoch):
    """Loss while training; loss and accuracy on all images in eval mode, none once the run has ended.

    Where that loss is not finite there is no accuracy: the place of the largest of numbers that are none says nothing.
    """
    from bn_theory.networks import evaluate

    found = {"loss": epoch_loss(trainer, epoch)}
    for part in ("train", "test"):
        values = (math.nan, math.nan)
        if trainer.diverged is None:
            values = evaluate(trainer.model, getattr(split, f"{part}_images"), getattr(split, f"{part}_classes"))
        loss, accuracy = values
        found |= {f"{part}_loss": loss, f"{part}_accuracy": accuracy if math.isfinite(loss) else math.nan}
    return found


def conclude(dataset, setup):
    """Accuracies of the last epochs with their intervals."""
    for part in ("train", "test"):
        name = f"{part}_accuracy"
        meaning = f"mean {part} accuracy of the last epochs"
        dataset = with_interval(dataset, f"final_{name}", final(dataset, name), meaning)
    return dataset


EXPERIMENT = Experiment(
    name="rate_and_generalisation",
    title="Train and test accuracy against the learning rate, with and without batch normalisation",
    source="Bjorck, Gomes, Selman and Weinberger (NeurIPS 2018, arXiv:1806.02375), section 3",
    defaults={
        DIGITS: {"epochs": 20, "batch": 64, "width": 8, "depth": (20,), "rates": RATES}
        | {"momentum": 0.9, "weight_decay": 5e-4},
        CIFAR: {"epochs": 100, "batch": 128, "width": 16, "depth": (110,), "rates": RATES}
        | {"momentum": 0.9, "weight_decay": 5e-4},
    },
    axes=axes,
    train=train,
    records={
        "loss": Record("mean loss of the epoch's mini-batches, as augmented (natural logarithms)"),
        "train_loss": Record("loss on the training images in eval mode (natural logarithms)"),
        "train_accuracy": Record("accuracy on the training images in eval mode"),
        "test_loss": Record("loss on the test images in eval mode (natural logarithms)"),
        "test_accuracy": Record("accuracy on the test images in eval mode"),
    },
    measure=measure,
    conclude=conclude,
    headline=("final_test_accuracy", "rate"),
    figures={"accuracy": "accuracy_by_rate", "training": "accuracy_by_epoch"},
)
