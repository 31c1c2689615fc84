"""A sweep of learning rates: final losses over seeds, and accuracies, from plain arrays."""

from __future__ import annotations

import numpy as np

from bn_theory.errors import InvalidInputError
from bn_theory.report.figures import networks
from bn_theory.report.figures.style import need_matplotlib


def learning_rate_sweep(rates, losses, *, title: str = "", evidence=()):
    """The final training loss of each setting against the learning rate, as of an experiment with such a sweep.

    Drawn by :func:`bn_theory.report.figures.networks.final_loss_by_rate`.

    Args:
        rates: shape ``(rates,)``, positive.
        losses: ``{setting: array of shape (seeds, rates)}``; infinite for a run that diverged.
        title: shown above. evidence: pieces whose verdicts are shown below it.

    Returns:
        ``matplotlib.figure.Figure``.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InvalidInputError: shapes that do not fit, rates that are not positive.
    """
    need_matplotlib()
    dataset = by_rate("setting", rates, final_loss=losses)
    return networks.final_loss_by_rate(dataset, title=title, evidence=evidence)


def accuracies(rates, train, test, *, title: str = "", evidence=()):
    """Training and test accuracy of each network against the learning rate, as of an experiment on both.

    Drawn by :func:`bn_theory.report.figures.networks.accuracy_by_rate`.

    Args:
        rates: shape ``(rates,)``, positive.
        train, test: ``{network: array of shape (seeds, rates)}``, shares of the images that are classified right.
        title: shown above. evidence: pieces whose verdicts are shown below it.

    Returns:
        ``matplotlib.figure.Figure``.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InvalidInputError: shapes that do not fit, rates that are not positive.
    """
    need_matplotlib()
    dataset = by_rate("network", rates, final_train_accuracy=train, final_test_accuracy=test)
    return networks.accuracy_by_rate(dataset, title=title, evidence=evidence)


def by_rate(dim, rates, **values):
    """A data set with ``NAME`` over the dims ``(dim, rate, seed)``, and ``NAME_mean``, ``NAME_low``, ``NAME_high``.

    Args:
        dim: what the labels are. rates: shape ``(rates,)``.
        values: for each name ``{label: array of shape (seeds, rates)}``, the same labels in each.
    """
    import xarray as xr

    from bn_theory.theorems.intervals import FEWEST, over_seeds

    rates = np.asarray(rates, dtype=float)
    if rates.ndim != 1 or not rates.size or not np.all(rates > 0):
        raise InvalidInputError(f"rates must be positive and of shape (rates,), not {rates!r:.80}")
    variables = {}
    for name, by_label in values.items():
        arrays = {label: np.asarray(y, dtype=float) for label, y in by_label.items()}
        shapes = {y.shape for y in arrays.values()}
        if len(shapes) != 1 or any(len(s) != 2 or s[1] != rates.size for s in shapes):
            raise InvalidInputError(
                f"{name} must have the shape (seeds, {rates.size}) for each label, not {sorted(shapes)}"
            )
        stacked = np.stack([y.T for y in arrays.values()])
        with np.errstate(invalid="ignore"):
            mean = stacked.mean(axis=-1)
        ends = np.full((2, *mean.shape), np.nan)
        if stacked.shape[-1] >= FEWEST:
            for place in np.ndindex(mean.shape):
                if np.all(np.isfinite(stacked[place])):
                    ends[:, *place] = over_seeds(stacked[place])
        variables[name] = ((dim, "rate", "seed"), stacked)
        parts = {"mean": mean, "low": ends[0], "high": ends[1]}
        variables |= {f"{name}_{part}": ((dim, "rate"), y) for part, y in parts.items()}
        labels = list(arrays)
    return xr.Dataset(variables, {dim: labels, "rate": rates})
