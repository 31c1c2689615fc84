"""What an experiment is: axes of cases, a training run for each case and seed, and what each epoch's record holds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from bn_theory.errors import InvalidInputError

DIGITS, CIFAR = "digits", "CIFAR-10"
DEVICES = ("cpu", "cuda")

Case = dict[str, Any]
"""The value on each axis."""


@dataclass(frozen=True)
class Setup:
    """An experiment's sizes, complete; what it has no use for is ``None``.

    Args:
        experiment: its name. data: ``"digits"`` or ``"CIFAR-10"``. device: ``"cpu"`` or ``"cuda"``.
        seeds: one run of each case for each; of the start, the order of the images and the augmentation.
        epochs: of each run. batch: images a step. rates: learning rates (dimensionless), an axis.
        width: channels of the first convolution. depth: layers with weights, of residual networks.
        momentum, weight_decay: as in PyTorch's SGD. others_rate: the fixed learning rate of what is not swept.
    """

    experiment: str
    data: str
    device: str
    seeds: tuple[int, ...]
    epochs: int
    batch: int
    rates: tuple[float, ...]
    width: int
    depth: tuple[int, ...] | None = None
    momentum: float | None = None
    weight_decay: float | None = None
    others_rate: float | None = None


@dataclass(frozen=True)
class Record:
    """A quantity that is recorded after each epoch.

    Args:
        meaning: one line, with the unit.
        axis: name of a further axis, or ``None``.
    """

    meaning: str
    axis: str | None = None


@dataclass(frozen=True)
class Experiment:
    """An experiment by its parts.

    Args:
        name, title, source: for people; the source is a paper's section or "this package".
        defaults: sizes by the data's name; a size that is not there is none of this experiment.
        axes: ``axes(setup)`` gives the values on each axis; runs are made for all combinations and seeds.
        train: ``train(setup, case, seed, split)`` gives a ``Trainer`` before its first step.
        records: what ``measure`` returns, by name.
        measure: ``measure(trainer, setup, case, split, epoch)`` after an epoch, and for epoch 0 before the first.
        labels: ``labels(setup, split)`` gives the labels of the records' further axes, by the axes' names.
        conclude: ``conclude(dataset, setup)`` gives the data set with what follows from the records.
        headline: the variable that answers the experiment, and the axis along which it is told.
        figures: names of the functions of ``bn_theory.report.figures.networks`` that draw it, by the files' names.
    """

    name: str
    title: str
    source: str
    defaults: Mapping[str, Mapping[str, Any]]
    axes: Callable[[Setup], dict[str, tuple]]
    train: Callable
    records: Mapping[str, Record]
    measure: Callable
    conclude: Callable
    headline: tuple[str, str]
    figures: Mapping[str, str]
    labels: Callable = lambda setup, split: {}

    def setup(self, data: str = DIGITS, *, device: str = "cpu", seed: int = 0, seeds: int = 3, **sizes) -> Setup:
        """The defaults for that data with the sizes that are given; ``None`` is the default.

        Raises:
            InvalidInputError: a size that this experiment has no use for, or one that cannot be; data or a device of
                another name.
        """
        if data not in self.defaults:
            raise InvalidInputError(f"data must be {' or '.join(self.defaults)}, not {data!r}")
        if device not in DEVICES:
            raise InvalidInputError(f"device must be {' or '.join(DEVICES)}, not {device!r}")
        given = {name: value for name, value in sizes.items() if value is not None}
        known = self.defaults[data]
        if unknown := [name for name in given if name not in known]:
            raise InvalidInputError(f"{self.name} has no {unknown[0]}; its sizes are {', '.join(sorted(known))}")
        if seeds < 1 or seed < 0:
            raise InvalidInputError(f"seeds must be at least 1 and seed at least 0, not {seeds} and {seed}")
        chosen = {name: tuple(v) if isinstance(v, (list, tuple)) else v for name, v in (known | given).items()}
        made = Setup(self.name, data, device, tuple(range(seed, seed + seeds)), **chosen)
        _check(made)
        return made

    def runs(self, setup: Setup) -> list[tuple[int, Case]]:
        """Seed and case of every run, all cases of a seed before the next seed."""
        axes = self.axes(setup)
        cases = [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]
        return [(seed, case) for seed in setup.seeds for case in cases]


def _check(setup):
    for name in ("epochs", "batch", "width"):
        value = getattr(setup, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InvalidInputError(f"{name} must be a whole number of at least 1, not {value!r}")
    for name in ("rates", "depth"):
        values = getattr(setup, name)
        if values is None:
            continue
        if not values or len(set(values)) < len(values):
            raise InvalidInputError(f"{name} must be different numbers, at least one, not {values}")
        if tuple(sorted(values)) != values:
            raise InvalidInputError(f"{name} must rise, and {values} do not")
    for rate in (*setup.rates, *([] if setup.others_rate is None else [setup.others_rate])):
        if not (math.isfinite(rate) and rate > 0):
            raise InvalidInputError(f"learning rates must be finite and above 0, not {rate}")
    if setup.momentum is not None and not 0 <= setup.momentum < 1:
        raise InvalidInputError(f"momentum must be in [0, 1), not {setup.momentum}")
    if setup.weight_decay is not None and not (math.isfinite(setup.weight_decay) and setup.weight_decay >= 0):
        raise InvalidInputError(f"weight decay must be finite and at least 0, not {setup.weight_decay}")
