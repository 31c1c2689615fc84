"""All statements in one figure: every claim on one side of its limit, every control on the other."""

from __future__ import annotations

import math

from bn_theory.errors import InvalidInputError
from bn_theory.report.figures.margins import MARKS, RATIOS, group_of, place
from bn_theory.report.figures.pieces import evidence_of
from bn_theory.report.figures.style import DPI, GREY, heading, legend, need_matplotlib
from bn_theory.theorems.evidence import Evidence


def share(piece: Evidence) -> float | None:
    """The share of what is allowed that a piece uses up: at most 1 where a claim holds (dimensionless).

    ===========================  ====================================================================
    identity, bound              measured/allowed
    exponent, amplitude          the farther end of the interval from the prediction, over the tolerance
    comparison                   half of the interval's width over the distance from what is claimed below
    ===========================  ====================================================================

    ``None`` for a proof, for a measurement, of which nothing is predicted, and where there is no number.

    >>> from bn_theory.theorems import evidence as judge
    >>> share(judge.exponent("a", (-0.75, -0.5), -0.5, 0.5, 0.5)), share(judge.comparison("b", (1.0, 3.0), 0.0))
    (0.5, 0.5)
    """
    spot, group = place(piece), group_of(piece)
    if spot is None or group == "measurement":
        return None
    if group in ("identity", "bound"):
        return spot.middle
    if group == "comparison":
        return (spot.high - spot.low) / 2 / spot.middle if spot.middle > 0 else math.inf
    return max(spot.high, 0.0) if group == "one-sided exponent" else max(abs(spot.low), abs(spot.high))


def overview(statements, *, title: str = ""):
    """One row for each statement: how much of what is allowed its claims use up, and how far its controls are beyond.

    Args:
        statements: of a document ``bn-theory.verify/2``, each with ``slug`` and ``evidence``; those without a number
            have an empty row.
        title: shown above, with all verdicts.

    Returns:
        ``matplotlib.figure.Figure``.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InvalidInputError: no statement at all, damaged evidence.
    """
    need_matplotlib()
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    rows = {statement["slug"]: evidence_of(statement["evidence"]) for statement in statements}
    if not rows:
        raise InvalidInputError("there is no statement to be drawn")
    figure = Figure(figsize=(7.2, 1.7 + 0.23 * len(rows)), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    axes.set_xscale("log")
    axes.set_xlim(*RATIOS)
    axes.axvspan(RATIOS[0], 1.0, color=GREY, alpha=0.15, linewidth=0)
    axes.axvline(1.0, color="black", linewidth=1.2)
    handles = {}
    for height, pieces in enumerate(rows.values()):
        for piece in pieces:
            value = share(piece)
            if value is None:
                continue
            control = piece.kind == "control"
            color, mark = MARKS[piece.verdict]
            look = {"color": color, "linestyle": "none", "markersize": 5, "markeredgewidth": 0.9}
            look["markerfacecolor"] = "none" if control else color
            # claims a little above their row's middle, controls a little below: both can be seen where they meet
            at = height + (0.17 if control else -0.17)
            inside = min(max(value, RATIOS[0]), RATIOS[1])
            beyond = ">" if value > RATIOS[1] else "<" if value < RATIOS[0] else mark
            axes.plot(inside, at, marker=beyond, alpha=0.8, clip_on=False, zorder=3, **look)
            what = f"{'control' if control else 'claim'}, {piece.verdict}"
            handles[what] = Line2D([], [], marker=mark, **look)
            if beyond != mark:
                outer = look | {"color": GREY, "markerfacecolor": "none"}
                handles["beyond the axis, or 0"] = Line2D([], [], marker=">", **outer)
    axes.set_yticks(range(len(rows)), rows, fontsize=8)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    label = "share of what is allowed (dimensionless): claims hold up to 1, controls lie beyond"
    # longer than the axis where slugs are long: there is room to the left
    axes.set_xlabel(label, fontsize=9, loc="right")
    axes.grid(True, axis="x", which="major", color="0.9")
    axes.set_axisbelow(True)
    heading(figure, title, [piece for pieces in rows.values() for piece in pieces])
    if handles:
        legend(figure, "outside lower center", (handles.values(), handles), ncols=4)
    return figure
