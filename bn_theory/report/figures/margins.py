"""How far each piece of evidence is from its limit: one panel for each way of judging."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass

import numpy as np

from bn_theory.errors import InvalidInputError
from bn_theory.report.figures.pieces import evidence_of
from bn_theory.report.figures.style import BLUE, DPI, GREY, VERMILION, heading, legend, need_matplotlib, verdicts
from bn_theory.theorems.evidence import CONTRADICTED, INCONCLUSIVE, SUPPORTED, Evidence

MARKS = {SUPPORTED: (BLUE, "o"), CONTRADICTED: (VERMILION, "X"), INCONCLUSIVE: (GREY, "s")}
NAMED = 30
"""Up to so many pieces each has a row with its name; more are strips of points in the order of the table."""
LONGEST = 58
"""Letters of a name that are shown."""
RATIOS = 1e-6, 1e6
"""The axis of measured/allowed ends there; what lies beyond is an arrow at its end."""
FARTHEST = 1e3
"""The axis of distances in tolerances ends there, likewise."""


@dataclass(frozen=True)
class Place:
    """Where a piece lies on its panel's axis.

    Attributes:
        piece: the evidence.
        low, middle, high: in the panel's quantity; all the same where there is no interval.
    """

    piece: Evidence
    low: float
    middle: float
    high: float

    @property
    def control(self) -> bool:
        """Whether it is expected beyond the limit."""
        return self.piece.kind == "control"


@dataclass(frozen=True)
class Panel:
    """A way of judging: what its axis shows, and where on it a claim is supported (shaded).

    Attributes:
        title: which pieces. axis: the axis's name. scale: ``"log"``, ``"tolerances"`` or ``"own"``.
        inside: ends of the shaded part, or ``None`` where nothing is predicted.
    """

    title: str
    axis: str
    scale: str
    inside: tuple[float, float] | None


PANELS = {
    "identity": Panel("identities", "error/allowed by rounding", "log", (0.0, 1.0)),
    "bound": Panel("bounds", "measured/allowed", "log", (0.0, 1.0)),
    "exponent": Panel("exponents", "(exponent $-$ predicted)/tolerance", "tolerances", (-1.0, 1.0)),
    "one-sided exponent": Panel(
        "exponents, one-sided", "(exponent $-$ predicted)/tolerance", "tolerances", (-math.inf, 1.0)
    ),
    "amplitude": Panel(
        "amplitudes", "(measured/predicted $-$ 1)/tolerance", "tolerances", (-1.0, 1.0)
    ),
    "comparison": Panel("comparisons", "difference $-$ what is claimed to lie below it", "own", (0.0, math.inf)),
    "measurement": Panel("measurements, nothing predicted", "what was measured, in its own units", "own", None),
}  # fmt: skip


WORDS = {
    "identity": "of what is allowed",
    "bound": "of what is allowed",
    "exponent": "tolerances from what is predicted",
    "one-sided exponent": "tolerances from what is predicted",
    "amplitude": "tolerances from what is predicted",
    "comparison": "from what is claimed to lie below",
    "measurement": "",
}
"""What a place on the axis of a panel is measured in."""


def group_of(piece: Evidence) -> str | None:
    """The panel of a piece: its kind, or that of the claim that it controls; ``None`` for a proof."""
    kind = piece.details.get("controlled_kind") if piece.kind == "control" else piece.kind
    if kind == "exponent" and piece.details.get("sided") == "one":
        return "one-sided exponent"
    return kind if kind in PANELS else None


def place(piece: Evidence) -> Place | None:
    """A piece on its panel's axis, or ``None`` where it has no number: a proof, a fit that refused.

    ===========================  ==================================
    identity                     ``|measured - predicted|/tolerance``
    bound                        ``measured/(predicted + tolerance)``
    exponent, amplitude          ``(interval - predicted)/tolerance``
    comparison                   ``interval - predicted``
    measurement                  ``interval``
    ===========================  ==================================

    >>> from bn_theory.theorems import evidence as judge
    >>> place(judge.bound("a", 0.5)).middle, place(judge.exponent("b", (-0.75, -0.25), -0.5, 0.5, 0.5)).high
    (0.5, 0.5)
    """
    group = group_of(piece)
    if group is None or piece.measured is None or math.isnan(piece.measured):
        return None
    if math.isinf(piece.measured) and piece.interval is None:  # a run that left the finite numbers
        return Place(piece, *(3 * [piece.measured]))
    predicted, tolerance = piece.predicted or 0.0, piece.tolerance or 0.0
    low, high = piece.interval or (piece.measured, piece.measured)
    if group == "identity":
        values = 3 * [_over(abs(piece.measured - predicted), tolerance)]
    elif group == "bound":
        values = 3 * [_over(piece.measured, predicted + tolerance)]
    elif group == "measurement":
        values = [low, piece.measured, high]
    elif group == "comparison":
        values = [x - predicted for x in (low, piece.measured, high)]
    else:
        values = [_over(x - predicted, tolerance) for x in (low, piece.measured, high)]
    return None if any(map(math.isnan, values)) else Place(piece, *values)


def margins(evidence, *, title: str = ""):
    """How far each piece of evidence is from its limit, in one panel for each way of judging.

    The shaded part of a panel is where a claim is supported; controls are hollow and are expected outside. Marks say
    how a piece was judged. Few pieces have a row each, many are strips of points in the order of the table. Identities
    and bounds have a logarithmic axis; the others' is linear close to the limit and logarithmic beyond. What lies
    beyond an axis is an arrow at its end.

    Args:
        evidence: of one statement, ``Evidence`` or as a document has it; the proof has no margin and is not drawn.
        title: shown above, with the verdicts.

    Returns:
        ``matplotlib.figure.Figure``.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InvalidInputError: no piece has a number.
    """
    need_matplotlib()
    from matplotlib.figure import Figure

    pieces = evidence_of(evidence)
    groups, missing = placed(pieces)
    if not groups:
        raise InvalidInputError("no piece of evidence has a number: there are no margins to draw")
    named = sum(map(len, groups.values())) <= NAMED
    heights = [0.25 + _height(len(rows), named) for rows in groups.values()]
    note = _note(missing)
    figure = Figure(figsize=(7.2, 1.2 + 0.3 * len(heights) + sum(heights)), dpi=DPI, layout="constrained")
    grid = figure.subplots(len(groups), squeeze=False, height_ratios=heights)[:, 0]
    handles = {}
    for axes, (group, rows) in zip(grid, groups.items(), strict=True):
        handles |= _draw(axes, PANELS[group], rows, named)
    heading(figure, title, pieces)
    legend(figure, "outside lower center", (handles.values(), handles), title=note, ncols=3)
    return figure


def placed(pieces) -> tuple[dict[str, list[Place]], list[Evidence]]:
    """``({group: places}, pieces without a number)``, claims before controls, groups in the order of ``PANELS``."""
    found, missing = {group: [] for group in PANELS}, []
    for piece in pieces:
        if piece.kind == "proof":
            continue
        spot = place(piece)
        if spot is None:
            missing.append(piece)
        else:
            found[group_of(piece)].append(spot)
    ordered = {group: sorted(rows, key=lambda row: row.control) for group, rows in found.items() if rows}
    return ordered, missing


def _height(rows, named):
    return 0.17 * rows if named else min(0.17 * rows, 0.6 + 0.022 * rows)


def _note(missing):
    """What is not drawn."""
    if not missing:
        return None
    names = "; ".join(_shortened(piece.name, LONGEST) for piece in missing[:2])
    more = f"; and {len(missing) - 2} more" if len(missing) > 2 else ""
    note = f"not drawn, without a number (a refused fit, a disproved identity): {names}{more}"
    return "\n".join(textwrap.wrap(note, 110))


def _draw(axes, panel, rows, named):
    """One panel; returns ``{label: handle}`` for the legend."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    low, high, change = _ends(panel, rows)
    axes.set_xscale("log") if panel.scale == "log" else axes.set_xscale("symlog", linthresh=change)
    axes.xaxis.set_major_formatter(FuncFormatter(_number))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlim(low, high)
    handles = {}
    if panel.inside is not None:
        ends = [min(max(x, low), high) for x in panel.inside]
        handles["where a claim is supported"] = axes.axvspan(*ends, color=GREY, alpha=0.15, linewidth=0, zorder=0)
        for x in panel.inside:
            if low < x < high:
                axes.axvline(x, color="black", linewidth=1.2, zorder=2)
    for height, row in enumerate(rows):
        color, mark = MARKS[row.piece.verdict]
        inside = [min(max(x, low), high) for x in (row.low, row.middle, row.high)]
        if inside[2] > inside[0]:
            axes.plot([inside[0], inside[2]], [height, height], "-", color=color, linewidth=1.0, solid_capstyle="butt")
        if row.middle < low or row.middle > high or not row.middle:
            # beyond the axis, or a zero on a logarithmic one
            mark = (">" if row.middle > high else "<") if panel.scale == "log" or row.middle else mark
        what = f"{'control' if row.control else 'claim'}, {row.piece.verdict}"
        look = {
            "color": color,
            "marker": mark,
            "markersize": 5 if named else 3.5,
            "clip_on": False,
            "linestyle": "none",
        }
        look |= {"markerfacecolor": "white" if row.control else color, "markeredgewidth": 0.9, "zorder": 3}
        axes.plot(inside[1], height, **look)
        if what not in handles:
            handles[what] = _sample(what, color, MARKS[row.piece.verdict][1], row.control)
        if mark in "<>":
            handles["beyond the axis, or 0"] = _sample("beyond the axis, or 0", GREY, ">", False)
    controls = sum(row.control for row in rows)
    if 0 < controls < len(rows):
        axes.axhline(len(rows) - controls - 0.5, color=GREY, linewidth=0.5, linestyle=(0, (1, 2)))
    axes.set_ylim(len(rows) - 0.4, -0.6)
    count = f"{len(rows) - controls}" + (f" and {controls} controls" if controls else "")
    axes.set_title(f"{panel.title} ({count})", fontsize=8, loc="left", pad=3)
    axes.set_xlabel(panel.axis, fontsize=8)
    axes.tick_params(labelsize=7)
    axes.grid(True, axis="x", which="major", color="0.9")
    axes.set_axisbelow(True)
    if named:
        axes.set_yticks(range(len(rows)), [_shortened(row.piece.name, LONGEST) for row in rows], fontsize=6.5)
    else:
        axes.set_yticks([])
        axes.set_ylabel("pieces", fontsize=8)
    return handles


def _sample(label, color, mark, hollow):
    from matplotlib.lines import Line2D

    look = {"color": color, "marker": mark, "linestyle": "none", "markersize": 5}
    return Line2D([], [], markerfacecolor="white" if hollow else color, label=label, **look)


def _ends(panel, rows):
    """Ends of the axis, and where it changes from linear to logarithmic."""
    values = np.array([x for row in rows for x in (row.low, row.middle, row.high) if math.isfinite(x)])
    sizes = np.abs(values[values != 0])
    if panel.scale == "log":
        low = max(RATIOS[0], 10.0 ** math.floor(math.log10(sizes.min()))) if sizes.size else 0.1
        high = min(RATIOS[1], 10.0 ** math.ceil(math.log10(sizes.max()))) if sizes.size else 10.0
        return min(low, 0.1), max(high, 10.0), 0.0
    least, most = values.min(initial=0.0), values.max(initial=0.0)
    if panel.scale == "tolerances":
        return (
            (max(1.3 * least, -FARTHEST) if least < -2 else -2.0),
            (min(1.3 * most, FARTHEST) if most > 2 else 2.0),
            1.0,
        )
    # linear up to a decade that holds the smaller ones, but over no more than three decades
    largest = sizes.max(initial=0.0) or 1.0
    change = 10.0 ** math.floor(math.log10(max(largest / 1e3, np.median(sizes) if sizes.size else largest)))
    return 1.3 * least - 0.3 * change, 1.3 * most + 0.3 * change, change


def _number(x, _):
    """A tick's label: plain numbers near 1, powers of ten elsewhere."""
    if x == 0 or 1e-3 <= abs(x) < 1e4:
        return f"{x:g}".replace("-", "\N{MINUS SIGN}")
    return f"${'-' if x < 0 else ''}10^{{{math.log10(abs(x)):.0f}}}$"


def _shortened(text, most):
    """Names differ in how they begin and in how they end: what is left out is in the middle."""
    if len(text) <= most:
        return text
    end = (most - 2) // 3
    return f"{text[: most - 2 - end].rstrip()} … {text[-end:].lstrip()}"


def _over(part, whole):
    """``part/whole``, with ``0/0 = 0`` and otherwise infinite where nothing is allowed."""
    if whole:
        return part / whole
    return 0.0 if part == 0 else math.copysign(math.inf, part)


def margins_in_words(evidence) -> str:
    """What :func:`margins` draws, in words: of each way of judging, from where to where claims and controls lie.

    >>> from bn_theory.theorems import evidence as judge
    >>> margins_in_words([judge.bound("a", 0.5), judge.bound("b", 0.25)])
    'Margins of the evidence; bound: 2 of 2 supported. Bounds: 2 claimed, 0.25 to 0.5 of what is allowed.'
    """
    pieces = evidence_of(evidence)
    groups, missing = placed(pieces)
    said = [f"Margins of the evidence; {verdicts(pieces)}."]
    for group, rows in groups.items():
        parts = []
        for control, what in ((False, "claimed"), (True, "as controls")):
            values = [x for row in rows if row.control == control for x in (row.low, row.high)]
            if values:
                parts.append(f"{len(values) // 2} {what}, {_range(values)} {WORDS[group]}".rstrip())
        said.append(f"{PANELS[group].title.capitalize()}: {'; '.join(parts)}.")
    if missing:
        said.append(f"Without a number: {', '.join(piece.name for piece in missing)}.")
    return " ".join(said)


def _range(values):
    low, high = min(values), max(values)
    return f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"
