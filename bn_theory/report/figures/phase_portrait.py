"""Phase portrait: paths in the plane of two weights, over the level sets of the loss and the direction of descent."""

from __future__ import annotations

import numpy as np

from bn_theory.errors import InvalidInputError
from bn_theory.report.figures.style import (
    DPI,
    GREY,
    MARKERS,
    MOST,
    STYLES,
    checked_labels,
    heading,
    legend,
    need_matplotlib,
)

GRID, ARROWS, LEVELS = 122, 12, 12
"""Points a side for the level sets, arrows a side, level sets. Even: the origin, where a scale-invariant loss has no
value, is none of them."""


def phase_portrait(panels, *, title: str = "", evidence=()):
    """Paths of a method in the plane of two weights, and below the angle and the norm along them.

    Above: one panel for each setting, with the level sets of its loss (pale where it is small), arrows along
    ``-grad L`` (directions only), circles of constant norm, and one path for each start; a large mark is the start, a
    cross the end. Below: the angle of ``w_t`` in degrees (followed over full turns) and its norm, against ``t + 1``.

    Args:
        panels: ``{setting: (loss, paths)}``: a ``bn.Loss`` of two weights and nothing else, and paths of shape
            ``(starts, steps + 1, 2)``, which may differ in length from panel to panel.
        title: shown above. evidence: pieces whose verdicts are shown below it.

    Returns:
        ``matplotlib.figure.Figure``.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InvalidInputError: no panels, a loss that is not of two weights, paths of another shape or not finite, more
            panels or starts than can be told apart.
    """
    need_matplotlib()
    from matplotlib.figure import Figure
    from matplotlib.ticker import MultipleLocator

    labels = checked_labels(panels, len(panels))
    if not labels:
        raise InvalidInputError("phase_portrait needs at least one panel")
    checked = [_checked(label, *panel) for label, panel in zip(labels, panels.values(), strict=True)]
    columns = len(labels)
    figure = Figure(figsize=(max(5.0, 2.1 * columns), 5.0), dpi=DPI, layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=(1, 1.05))
    for axes, label, (loss, paths) in zip(upper.subplots(1, columns, squeeze=False)[0], labels, checked, strict=True):
        reach = 1.12 * np.max(np.linalg.norm(paths, axis=-1))
        _background(axes, loss, reach)
        for path, mark, (color, _) in zip(paths, MARKERS, STYLES, strict=False):
            axes.plot(*path.T, color=color, marker=mark, markersize=2.5, linewidth=1.0, zorder=3)
            axes.plot(*path[0], mark, color=color, markeredgecolor="white", markersize=7, zorder=4)
            axes.plot(*path[-1], "X", color=color, markeredgecolor="white", markersize=7, zorder=4)
        axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xlabel="$w_1$")
        axes.set_title(label, fontsize=9)
        axes.tick_params(labelsize=8)
    upper.axes[0].set_ylabel("$w_2$")
    left, right = lower.subplots(1, 2)
    for label, (_, paths), (color, dash) in zip(labels, checked, STYLES, strict=False):
        for k, path in enumerate(paths):
            look = {"color": color, "linestyle": dash, "linewidth": 1.4, "label": label if k == 0 else None}
            t = np.arange(1, len(path) + 1)
            left.plot(t, np.degrees(np.unwrap(np.arctan2(path[:, 1], path[:, 0]))), **look)
            right.plot(t, np.linalg.norm(path, axis=-1), **look)
    left.set(xscale="log", ylabel="angle of $w_t$ (degrees)")
    left.yaxis.set_major_locator(MultipleLocator(90))
    right.set(xscale="log", yscale="log", ylabel="norm $|w_t|$ (dimensionless)")
    for axes in (left, right):
        axes.set_xlabel("step $t + 1$")
        axes.grid(True, which="major", color="0.9")
    legend(lower, "outside lower center", left.get_legend_handles_labels(), ncols=columns)
    heading(figure, title, evidence)
    return figure


def _checked(label, loss, paths):
    paths = np.asarray(paths, dtype=float)
    if len(loss.groups) != 1 or loss.dimensions[loss.groups[0]] not in (None, 2) or loss.parameters or loss.noises:
        raise InvalidInputError(
            f"{label!r}: a phase portrait is of a loss of two weights and nothing else, not {loss!r}"
        )
    if paths.ndim != 3 or paths.shape[2] != 2 or paths.shape[1] < 2 or not np.all(np.isfinite(paths)):
        raise InvalidInputError(f"{label!r}: paths must be finite, of shape (starts, steps + 1, 2), not {paths.shape}")
    if not 0 < len(paths) <= MOST:
        raise InvalidInputError(f"{label!r}: {len(paths)} paths; draw at least one and at most {MOST}")
    return loss, paths


def _background(axes, loss, reach):
    """Level sets, directions of descent and circles on the square ``[-reach, reach]^2``."""
    (group,) = loss.groups
    x, y = np.meshgrid(*2 * [np.linspace(-reach, reach, GRID)])
    value = loss.value({group: np.stack([x, y], axis=-1)[None]})[0]
    axes.contourf(x, y, value, LEVELS, cmap="Blues", alpha=0.5)
    axes.contour(x, y, value, LEVELS, colors="0.55", linewidths=0.4)
    x, y = np.meshgrid(*2 * [np.linspace(-reach, reach, ARROWS + 2)[1:-1]])
    gradient = loss.gradient({group: np.stack([x, y], axis=-1)[None]})[group][0]
    size = np.linalg.norm(gradient, axis=-1, keepdims=True)
    u, v = np.moveaxis(np.divide(-gradient, size, out=np.zeros_like(gradient), where=size > 0), -1, 0)
    axes.quiver(x, y, u, v, color=GREY, pivot="mid", angles="xy", scale=18, width=0.006, headwidth=4)
    angle = np.linspace(0, 2 * np.pi, 181)
    for radius in np.linspace(0, reach, 5)[1:]:
        axes.plot(radius * np.cos(angle), radius * np.sin(angle), color="0.35", linestyle=(0, (1, 2)), linewidth=0.7)
