"""Singular values of products of Gaussian matrices against the density of the Fuss-Catalan law."""

from __future__ import annotations

import numpy as np

from bn_theory import fuss_catalan
from bn_theory.errors import InvalidInputError
from bn_theory.report.figures.style import BLUE, DPI, VERMILION, heading, legend, need_matplotlib

POINTS = 400
"""Of the density, evenly in the angle that parametrises it."""


def singular_values(histograms, *, title: str = "", evidence=()):
    """Histograms of squared singular values and the limiting density, one panel for each number of matrices.

    Both axes are logarithmic: the density grows like ``x^(-M/(M+1))`` towards 0 and falls to 0 at the upper edge
    ``(M+1)^(M+1)/M^M``, which is marked.

    Args:
        histograms: ``{M: {"edges": ..., "density": ...}}``: ends of the bins of the squared singular values, shape
            ``(bins + 1,)``, positive and increasing, and the density in them, shape ``(bins,)`` (dimensionless).
        title: shown above. evidence: pieces whose verdicts are shown below it.

    Returns:
        ``matplotlib.figure.Figure``.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InvalidInputError: no histograms, shapes that do not fit, bins that a logarithmic axis does not have.
    """
    need_matplotlib()
    from matplotlib.figure import Figure

    if not histograms:
        raise InvalidInputError("singular_values needs at least one histogram")
    columns = min(2, len(histograms))
    rows = -(-len(histograms) // columns)
    figure = Figure(figsize=(7.2, 1.1 + 2.3 * rows), dpi=DPI, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (order, histogram) in zip(grid, histograms.items(), strict=False):
        matrices = _order(order)
        edges, density = _checked(matrices, histogram)
        axes.stairs(density, edges, color=BLUE, fill=True, alpha=0.35, linewidth=0, label="measured")
        axes.stairs(density, edges, color=BLUE, linewidth=0.8)
        angles = np.pi / (matrices + 1) * (np.arange(POINTS) + 0.5) / POINTS
        x, law, _ = fuss_catalan.curve(matrices, angles)
        axes.plot(x, law, color=VERMILION, linewidth=1.6, label="Fuss-Catalan density")
        edge = fuss_catalan.edge(matrices)
        axes.axvline(edge, color="black", linewidth=1.1, linestyle=(0, (4, 2)), label="upper edge $(M+1)^{M+1}/M^M$")
        shown = density[density > 0]
        axes.set(xscale="log", yscale="log", xlim=(edges[0], max(edges[-1], 1.6 * edge)))
        axes.set_ylim(shown.min() / 3, 3 * shown.max())
        axes.set_title(f"$M = {matrices}$, edge {edge:.4g}", fontsize=9)
        axes.grid(True, which="major", color="0.9")
        axes.set_xlabel(r"squared singular value $\lambda$")
    for axes in grid[::columns]:
        axes.set_ylabel("density")
    for axes in grid[len(histograms) :]:
        axes.set_axis_off()
    legend(figure, "outside lower center", grid[0].get_legend_handles_labels(), title="dimensionless", ncols=3)
    heading(figure, title, evidence)
    return figure


def _order(order):
    try:
        matrices = int(order)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"a histogram is named by its number of matrices, not {order!r}") from error
    return matrices


def _checked(matrices, histogram):
    edges, density = (np.asarray(histogram[part], dtype=float) for part in ("edges", "density"))
    if edges.ndim != 1 or density.shape != (len(edges) - 1,):
        raise InvalidInputError(f"M = {matrices}: {density.shape} densities do not fit {edges.shape} ends of bins")
    if not (edges[0] > 0 and np.all(np.diff(edges) > 0) and np.all(np.isfinite(density)) and np.any(density > 0)):
        raise InvalidInputError(f"M = {matrices}: bins must be positive and increasing, densities finite and not all 0")
    return edges, density
