"""Learning rates over four decades on a network in which every kernel is normalised: SGD, projected SGD, the bare twin.

Scale invariance makes SGD choose its own effective rate: the final loss should hardly depend on the learning rate of
the scale-invariant parameters. These are the kernels, and ``(gamma, beta)`` of every normalisation but the last,
jointly; the last one's keep a fixed rate. Projected SGD keeps every group at its start's norm and thereby loses the
choice; the twin without normalisation has nothing of it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bn_theory.experiments.experiment import CIFAR, DIGITS, Experiment, Record
from bn_theory.experiments.records import epoch_loss, final, with_interval

SETTINGS = ("SGD", "projected SGD", "no normalisation")
HALF_DECADES = tuple(float(f"{rate:.3g}") for rate in np.geomspace(1e-2, 1e2, 9))


def architecture(setup):
    """Channels and hidden layers of the VGG variant, by the data's size."""
    w = setup.width
    if setup.data == DIGITS:
        return {"channels": (w, "pool", 2 * w, 2 * w), "hidden": (4 * w,)}
    stages = (w, w), (2 * w, 2 * w), (4 * w, 4 * w, 4 * w), (8 * w, 8 * w, 8 * w), (8 * w, 8 * w, 8 * w)
    return {"channels": tuple(c for stage in stages for c in (*stage, "pool")), "hidden": (8 * w,)}


def axes(setup):
    """Settings and learning rates."""
    return {"setting": SETTINGS, "rate": setup.rates}


def network(setup, case, seed, split):
    """The VGG variant with ``eps = 0``, Glorot's start, ``beta = 0`` and ``gamma = 1``, or its twin without those."""
    import torch

    from bn_theory.networks import vgg

    norm = None if case["setting"] == "no normalisation" else "batch"
    model = vgg(norm, image=split.image, eps=0.0, init="glorot", seed=seed, dtype=torch.float32, **architecture(setup))
    return model.to(setup.device)


def train(setup, case, seed, split):
    """What is scale-invariant at the case's rate, the rest at ``others_rate``; no momentum, decay or augmentation.

    Of the twin, the kernels are.
    """
    from bn_theory.networks.rate_sweep import swept_trainer

    return swept_trainer(
        network(setup, case, seed, split),
        case["rate"],
        split.train_images,
        split.train_classes,
        others_lr=setup.others_rate,
        batch=setup.batch,
        seed=seed,
        projected=case["setting"] == "projected SGD",
    )


def measure(trainer, setup, case, split, epoch):
    """Training loss, and the squared norm of every kernel."""
    from bn_theory.networks.structure import kernels

    weights = [trainer.model.get_parameter(name) for name in kernels(trainer.model)]
    norms = [w.detach().double().square().sum().item() for w in weights]
    return {"loss": epoch_loss(trainer, epoch), "norm2": norms}


def labels(setup, split):
    """Names of the kernels."""
    from bn_theory.networks.structure import kernels

    case = {"setting": SETTINGS[0], "rate": setup.rates[0]}
    # names need no GPU: what one has made can be gathered where there is none
    return {"kernel": kernels(network(replace(setup, device="cpu"), case, setup.seeds[0], split))}


def conclude(dataset, setup):
    """Effective rates, and the loss of the last epochs with its interval."""
    effective = (dataset.rate / dataset.norm2).transpose(*dataset.norm2.dims)
    dataset = dataset.assign(effective_rate=effective.assign_attrs(meaning="rate/norm2 (dimensionless)"))
    meaning = "mean training loss of the last epochs (natural logarithms)"
    return with_interval(dataset, "final_loss", final(dataset, "loss"), meaning)


EXPERIMENT = Experiment(
    name="learning_rate_sweep",
    title="Final training loss against the learning rate: SGD, projected SGD, and without normalisation",
    source="Arora, Li and Lyu (ICLR 2019, arXiv:1812.03981), appendix D",
    defaults={
        DIGITS: {"epochs": 10, "batch": 32, "width": 8, "rates": HALF_DECADES, "others_rate": 0.1},
        CIFAR: {"epochs": 100, "batch": 128, "width": 64, "rates": HALF_DECADES, "others_rate": 0.1},
    },
    axes=axes,
    train=train,
    records={
        "loss": Record("mean loss of the epoch's mini-batches (natural logarithms)"),
        "norm2": Record("squared norm (dimensionless)", "kernel"),
    },
    measure=measure,
    labels=labels,
    conclude=conclude,
    headline=("final_loss", "rate"),
    figures={"final_loss": "final_loss_by_rate", "effective_rate": "effective_rates"},
)
