"""What several experiments record of a training run, and how seeds are summarised."""

from __future__ import annotations

import math

import numpy as np

LAST = 5
"""Epochs whose mean loss is called final, or all where there are fewer."""


def epoch_loss(trainer, epoch: int) -> float:
    """Mean loss of an epoch's mini-batches, each before its step; not finite where the run ended in that epoch.

    Args:
        trainer: a ``Trainer`` after that epoch. epoch: from 1; before the first there is none (``nan``).
    """
    if epoch == 0:
        return math.nan
    losses = trainer.losses[(epoch - 1) * trainer.steps_per_epoch : epoch * trainer.steps_per_epoch]
    return math.fsum(losses) / len(losses) if losses and all(map(math.isfinite, losses)) else math.inf


def final(dataset, name: str):
    """Mean of a record over the last ``LAST`` epochs; not finite for a run that diverged, be it at its last step.

    Returns:
        ``xarray.DataArray`` without the dim ``epoch``.
    """
    epochs = dataset.sizes["epoch"] - 1
    values = dataset[name].isel(epoch=slice(-min(LAST, epochs), None)).mean("epoch", skipna=False)
    return values.where(dataset.diverged < 0)


def with_interval(dataset, name: str, values, meaning: str):
    """The data set with ``NAME`` over seeds, ``NAME_mean`` and, from three seeds on, ``NAME_low`` and ``NAME_high``.

    The interval is Student's at 95 %; there is none (``nan``) with fewer seeds or where a run did not end finite. All
    seeds are trained and tested on one split of the images: it says nothing of how the answer depends on the split.
    """
    from bn_theory.theorems.intervals import FEWEST, over_seeds

    mean = values.mean("seed", skipna=False)
    low, high = mean.copy(data=np.full(mean.shape, np.nan)), mean.copy(data=np.full(mean.shape, np.nan))
    if values.sizes["seed"] >= FEWEST:
        ordered = values.transpose(*mean.dims, "seed").values
        for place in np.ndindex(mean.shape):
            if np.all(np.isfinite(ordered[place])):
                low.values[place], high.values[place] = over_seeds(ordered[place])
    named = {"": values, "_mean": mean, "_low": low, "_high": high}
    over = "over seeds of start and order at one split of the images"
    words = {"": "", "_mean": f", mean {over}"}
    words |= {f"_{end}": f", 95 % interval {over}, {side}" for end, side in (("low", "lower"), ("high", "upper"))}
    return dataset.assign(
        {name + ending: value.assign_attrs(meaning=meaning + words[ending]) for ending, value in named.items()}
    )
