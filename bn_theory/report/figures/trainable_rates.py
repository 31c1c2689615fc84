"""The largest learning rate that trains by depth, seed by seed, with what the search leaves open."""

from __future__ import annotations

import numpy as np

from bn_theory.errors import InvalidInputError
from bn_theory.report.figures.style import MARKERS, STYLES, checked_labels, legend, need_matplotlib, stack


def trainable_rates(depths, brackets, *, title: str = "", evidence=()):
    """For each seed a bar from the largest rate that trained to the next that was tried and did not, against depth.

    Lines join the medians of the bars' middles. Seeds at which no rate trained have no bar; how many is written below.

    Args:
        depths: shape ``(depths,)``.
        brackets: ``{label: one list for each depth}`` of ``(trains, fails)`` for each seed, rates (dimensionless); not
            a number where nothing trained.
        title: shown above. evidence: pieces whose verdicts are shown below it.

    Returns:
        ``matplotlib.figure.Figure``.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InvalidInputError: shapes that do not fit, rates that are not positive, nothing to be drawn.
    """
    need_matplotlib()
    depths, labels = np.asarray(depths, dtype=float), checked_labels(brackets, len(brackets))
    figure, (axes,) = stack((1,), 4.0, title, evidence)
    apart = float(np.min(np.diff(np.sort(depths)), initial=np.inf)) if depths.size > 1 else 1.0
    none = []
    for i, (label, (color, dash), mark) in enumerate(zip(labels, STYLES, MARKERS, strict=False)):
        if len(brackets[label]) != depths.size:
            raise InvalidInputError(f"{label!r} must have a list for each of {depths.size} depths")
        middles = []
        for depth, found in zip(depths, brackets[label], strict=True):
            ends = np.asarray(found, dtype=float)
            if ends.ndim != 2 or ends.shape[1] != 2 or np.any(ends <= 0):
                raise InvalidInputError(
                    f"{label!r}, depth {depth:g}: must be pairs of positive rates, not {found!r:.60}"
                )
            known = ends[np.all(np.isfinite(ends), axis=1)]
            if len(known) < len(ends):
                none.append(f"{label}, depth {depth:g}: {len(ends) - len(known)} of {len(ends)} seeds train at no rate")
            seeds = len(known)
            places = depth + apart * (
                0.16 * (i - (len(labels) - 1) / 2) + 0.1 * (np.arange(seeds) - (seeds - 1) / 2) / max(seeds, 1)
            )
            axes.vlines(places, known[:, 0], known[:, 1], color=color, linewidth=2.2)
            axes.plot(places, known[:, 0], mark, color=color, markersize=4)
            middles.append((places.mean(), np.median(np.sqrt(known.prod(axis=1)))) if seeds else (depth, np.nan))
        x, y = zip(*middles, strict=True)
        axes.plot(x, y, color=color, linestyle=dash, linewidth=1.4)
        axes.plot([], [], color=color, linestyle=dash, marker=mark, markersize=4, linewidth=1.4, label=label)
    if not any(len(line.get_segments()) for line in axes.collections):
        raise InvalidInputError("no rate trained at any depth: there is nothing to draw")
    axes.set(yscale="log", xticks=depths)
    axes.set_xticklabels([f"{depth:g}" for depth in depths])
    axes.set_xlabel("depth (layers with weights)" + "".join(f"\n{line}" for line in none))
    axes.set_ylabel("largest rate that trains, to the next tried\n(dimensionless)")
    legend(figure, "outside lower center", axes.get_legend_handles_labels(), ncols=len(labels))
    return figure
