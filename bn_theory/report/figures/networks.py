"""Figures of the experiments on real networks: losses and accuracies by learning rate and epoch, rates by depth."""

from __future__ import annotations

import math

import numpy as np

from bn_theory.errors import InvalidInputError
from bn_theory.report.figures.style import (
    DPI,
    GREY,
    MARKERS,
    STYLES,
    checked_labels,
    few_numbers,
    legend,
    need_matplotlib,
    stack,
)

MOST_LOSS = 20.0
"""Loss up to which runs are drawn: guessing costs 2.3, what is far above carries no information but that."""
ROOM = 0.12
"""Part of the height that is kept above the data for runs without a finite number."""


def final_loss_by_rate(dataset, *, title: str = "", evidence=()):
    """The final training loss of each setting against the learning rate.

    Points are seeds, lines their mean, bars its 95 % interval where there is one. A cross at the upper edge stands in
    for the mean where a seed's loss did not stay finite, or is above ``MOST_LOSS``.

    Args:
        dataset: of the experiment ``learning_rate_sweep``.
        title: shown above. evidence: pieces whose verdicts are shown below it.

    Returns:
        ``matplotlib.figure.Figure``.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    need_matplotlib()
    figure, (axes,) = stack((1,), 4.2, title, evidence)
    _by_rate(axes, dataset, "final_loss", "setting", log=True, most=MOST_LOSS)
    _guessing(axes, math.log(10))
    axes.set_ylabel("training loss at the end")
    axes.set_xlabel(r"learning rate of what is scale-invariant   (dimensionless)")
    _legend_below(figure, axes)
    return figure


def effective_rates(dataset, *, title: str = ""):
    """Effective rates ``eta/|w|^2`` by epoch, for each learning rate: of SGD and of projected SGD, side by side.

    Shown is the median over kernels of the first seed; a run that ended early stops there.

    Args, returns and raises: as :func:`final_loss_by_rate`.
    """
    need_matplotlib()
    chosen = [setting for setting in dataset.setting.values if setting != "no normalisation"]
    if not np.isfinite(dataset.effective_rate.sel(setting=chosen).isel(seed=0)).any():
        raise InvalidInputError("no effective rate of the first seed is finite: there is nothing to draw")
    figure, grid = _beside(len(chosen), title)
    for axes, setting in zip(grid, chosen, strict=True):
        rates = dataset.effective_rate.sel(setting=setting).isel(seed=0).median("kernel", skipna=False)
        _by_epoch(axes, rates)
        axes.set_yscale("log")
        axes.set_title(setting, fontsize=9)
    grid[0].set_ylabel(r"effective rate $\eta/|w|^2$" "\n(dimensionless)")
    legend(figure, "outside lower center", grid[0].get_legend_handles_labels(), title="learning rate", ncols=5)
    return figure


def accuracy_by_rate(dataset, *, title: str = "", evidence=()):
    """Train accuracy above, test accuracy below, each against the learning rate, with and without normalisation.

    Args:
        dataset: of the experiment ``rate_and_generalisation``. Points, lines, bars and crosses, title, evidence,
            returns and raises: as :func:`final_loss_by_rate`.
    """
    need_matplotlib()
    figure, grid = stack((1, 1), 6.0, title, evidence)
    for axes, part in zip(grid, ("train", "test"), strict=True):
        _by_rate(axes, dataset, f"final_{part}_accuracy", "network")
        axes.set_ylabel(f"{part} accuracy at the end")
    _guessing(grid[-1], 0.1)
    grid[-1].set_xlabel("learning rate   (dimensionless)")
    _legend_below(figure, grid[-1])
    return figure


def accuracy_by_epoch(dataset, *, title: str = ""):
    """Test accuracy by epoch for each learning rate: with and without normalisation side by side.

    Shown is the median over seeds; where it is missing in one of them, the run has ended and so does the line.

    Args:
        dataset: of the experiment ``rate_and_generalisation``. Returns and raises: as :func:`final_loss_by_rate`.
    """
    need_matplotlib()
    networks = list(dataset.network.values)
    figure, grid = _beside(len(networks), title)
    for axes, network in zip(grid, networks, strict=True):
        _by_epoch(axes, dataset.test_accuracy.sel(network=network).median("seed", skipna=False))
        axes.set_title(network, fontsize=9)
    grid[0].set_ylabel("test accuracy")
    legend(figure, "outside lower center", grid[0].get_legend_handles_labels(), title="learning rate", ncols=5)
    return figure


def largest_rates(dataset, *, title: str = ""):
    """The largest learning rate of the grid that trains, against the depth, with and without normalisation.

    Points are seeds, beside each other where they coincide; the line is their median. Hollow points at the lower edge
    stand for seeds at which no rate trained; dotted lines are the ends of the grid. A point on the upper one is a lower
    bound ("or more"): nothing larger was tried.

    Args:
        dataset: of the experiment ``largest_rate_by_depth``. Returns and raises: as :func:`final_loss_by_rate`.
    """
    need_matplotlib()
    networks = checked_labels(dataset.network.values, dataset.sizes["network"])
    rates, depths = dataset.rate.values, dataset.depth.values
    floor = rates.min() / 3
    figure, (axes,) = stack((1,), 4.2, title)
    apart = np.diff(depths).min() if len(depths) > 1 else 1.0
    for i, (network, (color, dash), mark) in enumerate(zip(networks, STYLES, MARKERS, strict=False)):
        found = dataset.largest_rate.sel(network=network).transpose("depth", "seed").values
        seeds = found.shape[1]
        places = depths[:, None] + 0.06 * apart * ((np.arange(seeds) - (seeds - 1) / 2) / seeds + 2 * i - 1)
        axes.plot(places[found > 0], found[found > 0], mark, color=color, markersize=4, alpha=0.7)
        axes.plot(places[found <= 0], np.full(np.sum(found <= 0), floor), mark, color=color, mfc="none", markersize=4)
        middle = np.median(found, axis=1)
        line = np.where(middle > 0, middle, np.nan)
        axes.plot(depths, line, color=color, linestyle=dash, marker=mark, markersize=0, linewidth=1.6, label=network)
    axes.set_yscale("log")
    axes.set_ylim(floor / 1.6, rates.max() * 2)
    for end in (rates.min(), rates.max()):
        axes.axhline(end, color=GREY, linewidth=0.9, linestyle=(0, (1, 2)), zorder=0)
    none = {"transform": axes.get_yaxis_transform(), "fontsize": 8, "color": GREY, "va": "center"}
    axes.text(1.01, floor, "none", **none)
    if (dataset.largest_rate >= rates.max()).any():
        axes.text(1.01, rates.max(), "or more", **none)
    axes.set_xticks(depths)
    axes.set_xlabel("depth (layers with weights)")
    axes.set_ylabel("largest rate that trains\n(dimensionless)")
    _legend_below(figure, axes)
    return figure


def trained_grid(dataset, *, title: str = ""):
    """How many seeds trained, for each depth and learning rate: with and without normalisation side by side.

    Args:
        dataset: of the experiment ``largest_rate_by_depth``. Returns and raises: as :func:`final_loss_by_rate`.
    """
    need_matplotlib()
    networks = list(dataset.network.values)
    rates, depths, seeds = dataset.rate.values, dataset.depth.values, dataset.sizes["seed"]
    figure, grid = _beside(len(networks), title)
    for axes, network in zip(grid, networks, strict=True):
        count = dataset.trained.sel(network=network).sum("seed").transpose("rate", "depth").values
        axes.imshow(count, cmap="Blues", vmin=0, vmax=1.4 * seeds, aspect="auto", origin="lower")
        for row, column in np.ndindex(count.shape):
            axes.text(column, row, str(count[row, column]), ha="center", va="center", fontsize=7)
        axes.set_xticks(range(len(depths)), depths)
        axes.set_yticks(range(len(rates)), [f"{rate:.3g}" for rate in rates])
        axes.grid(False)
        axes.set_title(network, fontsize=9)
        axes.set_xlabel("depth")
    grid[0].set_ylabel("learning rate (dimensionless)")
    figure.supxlabel(f"number: seeds of {seeds} that trained", fontsize=8)
    return figure


def _beside(count, title):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.2), dpi=DPI, layout="constrained")
    grid = figure.subplots(1, count, sharex=True, sharey=True, squeeze=False)[0]
    for axes in grid:
        axes.grid(True, which="major", color="0.9")
    if title:
        figure.suptitle(title, fontsize=9)
    return figure, grid


def _by_rate(axes, dataset, name, dim, *, log=False, most=math.inf):
    """Seeds, mean and interval of a variable against the rate, one line for each value of a dim.

    What is not finite or above ``most`` is a cross at the upper edge; a mean with such a seed is left out.
    """
    labels = checked_labels(dataset[dim].values, dataset.sizes[dim])
    rates = dataset.rate.values
    values = dataset[name].transpose(dim, "rate", "seed").values
    inside = np.isfinite(values) & (values <= most) & ((values > 0) | (not log))
    if not inside.any():
        raise InvalidInputError(f"no {name} is finite and in the figure's range: there is nothing to draw")
    to, back = (np.log10, lambda y: 10.0**y) if log else (np.asarray, lambda y: y)
    low, high = to(values[inside]).min(), to(values[inside]).max()
    height = float(high - low) or 1.0
    axes.set_xscale("log")
    step = min(1.0, np.diff(np.log(rates)).min()) if len(rates) > 1 else 1.0  # far apart, beside means close by
    for i, (label, (color, dash), mark) in enumerate(zip(labels, STYLES, MARKERS, strict=False)):
        x = rates * math.exp(0.08 * step * (i - (len(labels) - 1) / 2))  # beside each other
        shown = inside[i].all(axis=1)
        mean, *ends = (dataset[f"{name}_{part}"].sel({dim: label}).values for part in ("mean", "low", "high"))
        points = np.where(inside[i], values[i], np.nan)
        axes.plot(np.repeat(x, points.shape[1]), points.ravel(), mark, color=color, markersize=2.5, alpha=0.5)
        axes.plot(x, np.where(shown, mean, np.nan), color=color, linestyle=dash, linewidth=1.5, label=label)
        known = shown & np.isfinite(ends[0])
        if known.any():
            lower = np.maximum(ends[0][known], back(low - height)) if log else ends[0][known]
            reach = [mean[known] - lower, ends[1][known] - mean[known]]
            axes.errorbar(x[known], mean[known], yerr=reach, fmt="none", ecolor=color, capsize=2, linewidth=1.0)
        outside = x[~shown]
        edge = back(high + (ROOM + 0.05 * i) * height)
        axes.plot(outside, np.full(len(outside), edge), "x", color=color, markersize=5)
    if log:
        axes.set_yscale("log")
        # over several decades their powers are enough, and a narrow range has room for every number
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("{x:g}" if height < 0.5 else "")
        if 0.5 <= height < 2.5:
            few_numbers(axes.yaxis)
    axes.set_ylim(back(low - 0.06 * height), back(high + (ROOM + 0.05 * len(labels)) * height))
    if not inside.all():
        words = "diverged" if math.isinf(most) else f"diverged\nor above {most:.3g}"
        where = {"transform": axes.get_yaxis_transform(), "fontsize": 8, "color": GREY, "va": "center"}
        axes.text(1.01, back(high + (ROOM + 0.025 * (len(labels) - 1)) * height), words, **where)


def _by_epoch(axes, lines):
    """One line for each rate, light for small ones, against the epoch."""
    from matplotlib import colormaps

    rates = lines.rate.values
    for place, rate in enumerate(rates):
        color = colormaps["viridis_r"](0.15 + 0.85 * place / max(len(rates) - 1, 1))
        y = lines.sel(rate=rate).values
        alive = np.isfinite(y)
        axes.plot(
            lines.epoch.values[alive], y[alive], color=color, linestyle=STYLES[place % 3][1], linewidth=1.4,
            marker=MARKERS[place % len(MARKERS)], markersize=3, markevery=max(1, len(y) // 8), label=f"{rate:.3g}",
        )  # fmt: skip
    axes.set_xlabel("epoch")
    axes.set_xlim(lines.epoch.values[0], lines.epoch.values[-1])
    axes.xaxis.get_major_locator().set_params(integer=True)


def _guessing(axes, height):
    low, high = axes.get_ylim()
    if low < height < high:
        axes.axhline(height, color=GREY, linewidth=0.9, linestyle=(0, (1, 2)), zorder=0, label="guessing")


def _legend_below(figure, axes):
    handles = axes.get_legend_handles_labels()
    legend(figure, "outside lower center", handles, ncols=len(handles[0]))
