"""The largest learning rate of a grid at which a residual network trains, by depth: normalised, and not."""

from __future__ import annotations

import math

import numpy as np

from bn_theory.experiments.experiment import CIFAR, DIGITS, Experiment, Record
from bn_theory.experiments.rate_and_generalisation import NETWORKS, residual
from bn_theory.experiments.records import epoch_loss

RATES = tuple(float(f"{rate:.3g}") for rate in np.geomspace(1e-4, 10, 11))
DEPTHS = (8, 14, 20, 32, 44, 56)
TRAINS = 0.9
"""Fraction of the start's loss at which a run trains; see :class:`bn_theory.networks.trainable_rate.Trains`."""
CLASSES = 10


def axes(setup):
    """Networks, depths and learning rates."""
    return {"network": NETWORKS, "depth": setup.depth, "rate": setup.rates}


def train(setup, case, seed, split):
    """Plain SGD; images of CIFAR-10 are shifted and mirrored."""
    return residual(setup, case, seed, split, case["depth"])


def measure(trainer, setup, case, split, epoch):
    """Training loss, and its level against that of the start."""
    from bn_theory.networks.trainable_rate import Trains

    level = math.nan
    if epoch:
        steps = len(trainer.losses)
        rule = Trains(steps, min(steps, trainer.steps_per_epoch), TRAINS, guessing=math.log(CLASSES))
        level = rule.level(trainer.losses)
    return {"loss": epoch_loss(trainer, epoch), "level": level}


def conclude(dataset, setup):
    """Which runs trained, and the largest rate that did for each network, depth and seed.

    The grid's largest is a lower bound where it trained, which the attribute ``lower_bound_from`` says.
    """
    # false for what is not finite; the last step may have destroyed the weights after the last loss
    trained = (dataset.level.isel(epoch=-1) <= TRAINS) & (dataset.diverged < 0)
    largest = trained * dataset.rate
    return dataset.assign(
        trained=trained.astype("int8").assign_attrs(meaning=f"1 where the last epoch's level is at most {TRAINS}"),
        largest_rate=largest.max("rate").assign_attrs(
            meaning="largest learning rate of the grid that trained, 0 where none did (dimensionless)",
            lower_bound_from=float(dataset.rate.max()),  # nothing larger was tried
        ),
    )


EXPERIMENT = Experiment(
    name="largest_rate_by_depth",
    title="Largest learning rate that trains, by depth, with and without batch normalisation",
    source="Bjorck, Gomes, Selman and Weinberger (NeurIPS 2018, arXiv:1806.02375), section 3; grid of this package",
    defaults={
        DIGITS: {"epochs": 3, "batch": 64, "width": 4, "depth": DEPTHS, "rates": RATES},
        CIFAR: {"epochs": 3, "batch": 128, "width": 16, "depth": DEPTHS, "rates": RATES},
    },
    axes=axes,
    train=train,
    records={
        "loss": Record("mean loss of the epoch's mini-batches (natural logarithms)"),
        "level": Record(f"that over the first mini-batch's loss, or over guessing's, log {CLASSES}, if that is less"),
    },
    measure=measure,
    conclude=conclude,
    headline=("largest_rate", "depth"),
    figures={"largest_rate": "largest_rates", "trained": "trained_grid"},
)
