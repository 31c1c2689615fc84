"""What all figures share: colours and dashes, panels, legends, the line of verdicts, files."""

from __future__ import annotations

import io
import textwrap
from pathlib import PurePath

import numpy as np

from bn_theory.errors import InvalidInputError, MissingExtraError
from bn_theory.theorems.evidence import SUPPORTED

# Okabe and Ito's palette: told apart with every common colour vision and, with marks and dashes, in grey.
BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "#555555"
SKY = "#56B4E9"
"""Of the same palette, but pale: for a wide line under another one."""
DPI = 200

# Okabe and Ito's other colours that are dark enough for a line on white, each with a dash pattern of its own: what is
# one line among several is known by either.
STYLES = (
    (BLUE, "-"),
    (VERMILION, (0, (5, 1.5))),
    ("#009E73", (0, (5, 1.5, 1, 1.5))),
    ("#000000", (0, (1, 1.2))),
    ("#CC79A7", (0, (7, 1.5, 1, 1.5, 1, 1.5))),
    ("#E69F00", (0, (3, 3))),
)
MOST = len(STYLES)
MARKERS = ("o", "s", "^", "D", "v", "P")
"""One for each of ``STYLES``."""


def need_matplotlib() -> None:
    """Do nothing where figures can be drawn.

    Raises:
        MissingExtraError: matplotlib is not installed; the message has the command that installs it.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            "a figure needs matplotlib: pip install matplotlib (or pip install '.[plots]' in the source folder)"
        ) from error


def verdicts(evidence) -> str:
    """How many pieces of each kind came out how, in one line.

    >>> from bn_theory.theorems import evidence as judge
    >>> verdicts([judge.bound("a", 0.5), judge.bound("b", 2.0), judge.control(judge.bound("c", 2.0))])
    'bound: 1 of 2 supported, 1 contradicted; control: 1 of 1 supported'
    """
    kinds = {}
    for piece in evidence:
        kinds.setdefault(piece.kind, []).append(piece.verdict)
    lines = []
    for kind, found in kinds.items():
        others = "".join(f", {found.count(v)} {v}" for v in dict.fromkeys(found) if v != SUPPORTED)
        lines.append(f"{kind}: {found.count(SUPPORTED)} of {len(found)} {SUPPORTED}{others}")
    return "; ".join(lines)


def checked_labels(labels, count, most: int | None = MOST) -> list[str]:
    """Labels as texts: one for each curve, and no more curves than can be told apart.

    Args:
        count: of the curves. most: of them, or ``None`` where they need not be told apart.

    Raises:
        InvalidInputError: another number of labels, too many curves.
    """
    labels = [str(label) for label in labels]
    if len(labels) != count:
        raise InvalidInputError(f"{len(labels)} labels for {count} curves")
    if most is not None and count > most:
        raise InvalidInputError(f"{count} curves cannot be told apart in one figure; draw at most {most}")
    return labels


def stack(heights, height, title="", evidence=()):
    """A figure with panels above each other that share their abscissa.

    Args:
        heights: of the panels, relative to each other.
        height: of the figure in inches.
        title: shown above. evidence: pieces whose verdicts are shown below the title.

    Returns:
        ``(matplotlib.figure.Figure, array of its axes)``, the uppermost first.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, height), dpi=DPI, layout="constrained")
    grid = figure.subplots(len(heights), sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for axes in grid:
        axes.grid(True, which="major", color="0.9")
    heading(figure, title, evidence)
    return figure, grid


def legend(where, loc, handles=(), **options):
    """A legend whose dashes can be read and whose background hides the curves that it lies on.

    Args:
        where: axes, or a figure. loc: as matplotlib's ``legend`` takes it.
        handles: ``(handles, labels)``, or nothing for those of ``where``.
        options: further ones of matplotlib's ``legend``.
    """
    look = {"fontsize": 8, "title_fontsize": 8, "handlelength": 3.5, "edgecolor": "none", "framealpha": 0.9}
    found = where.legend(*handles, loc=loc, **look, **options)
    found.set_alignment("left")
    return found


LETTERS = 13.5
"""Of a line above a figure, for each inch of its width."""


def title_lines(title, evidence, letters: int) -> str:
    """The title, and below it the line of verdicts, each broken into lines of ``letters``; either may be missing."""
    found = verdicts(evidence)
    lines = [title, f"verdict: {found}" if found else ""]
    return "\n".join(part for line in lines for part in textwrap.wrap(line, letters, break_on_hyphens=False))


def heading(figure, title, evidence):
    if lines := title_lines(title, evidence, int(LETTERS * figure.get_figwidth())):
        figure.suptitle(lines, fontsize=9)


def median_line(axes, t, y, style, label, ends=(0.05, 0.95)):
    """The median of the replicas, in a band where there are several; what is not positive has no place."""
    color, dash = style
    if len(y) > 1:
        low, high = np.quantile(y, ends, axis=0)
        axes.fill_between(t, low, high, color=color, alpha=0.2, linewidth=0)
    middle = np.median(y, axis=0)
    axes.plot(t, middle, color=color, linestyle=dash, linewidth=1.6, label=label)
    return middle


def few_numbers(axis):
    """Label a logarithmic axis of few decades by plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
    axis.set_minor_formatter(NullFormatter())


FORMATS = ("png", "svg", "pdf")


def format_of(path) -> str:
    """The format of a figure's file by its name's ending: one of ``FORMATS``.

    Raises:
        InvalidInputError: another ending.
    """
    ending = PurePath(path).suffix.lstrip(".").lower()
    if ending not in FORMATS:
        raise InvalidInputError(f"cannot draw {path}: its name must end in {', '.join(f'.{f}' for f in FORMATS)}")
    return ending


def as_bytes(figure, kind: str, dpi: int = DPI) -> bytes:
    """A figure as the bytes of a file, without a date in it.

    Args:
        figure: of any function here.
        kind: one of ``FORMATS``.
        dpi: dots an inch, of a png.
    """
    stream = io.BytesIO()
    undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    figure.savefig(stream, format=kind, dpi=dpi, metadata=undated)
    return stream.getvalue()


def as_png(figure, dpi: int = DPI) -> bytes:
    """A figure as the bytes of a PNG file.

    Args:
        figure: of any function here.
        dpi: dots an inch.
    """
    return as_bytes(figure, "png", dpi)
