"""The figures of a report as files, under names that no two of them share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bn_theory.report.figures.overview import overview, share
from bn_theory.report.figures.pieces import evidence_of
from bn_theory.report.figures.statements import drawn
from bn_theory.report.figures.style import as_bytes


@dataclass(frozen=True)
class Picture:
    """One figure.

    Attributes:
        name: of its files, without ending: small letters, digits, ``_`` and ``-``.
        caption: to print below it. alt: in words, for who cannot see it.
        figure: a ``matplotlib.figure.Figure``.
    """

    name: str
    caption: str
    alt: str
    figure: object

    def file(self, kind: str) -> bytes:
        """The figure as ``svg`` or ``pdf``; the same bytes for the same figure."""
        import matplotlib

        # matplotlib names the parts of an SVG at random otherwise
        with matplotlib.rc_context({"svg.hashsalt": self.name}):
            return as_bytes(self.figure, kind)


def pictures(document: Mapping) -> list[tuple[Picture, ...]]:
    """The figures of every statement of a document, in its order.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InvalidInputError: a figure's data are not what its function draws.
    """
    found = []
    for index, statement in enumerate(document["statements"], 1):
        # numbered first: a slug that comes twice has other figures
        stem = f"{index:02d}-{statement['slug'].replace('.', '-')}"
        found.append(
            tuple(
                Picture(f"{stem}-{number}", _unescaped(caption), _unescaped(alt), figure)
                for number, (figure, caption, alt) in enumerate(drawn(_escaped(statement)), 1)
            )
        )
    return found


def overall(document: Mapping) -> Picture | None:
    """The figure of all statements of a document; ``None`` where no evidence has a number.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InvalidInputError: damaged evidence.
    """
    statements = [_escaped(statement) for statement in document["statements"]]
    pieces = [piece for statement in statements for piece in evidence_of(statement["evidence"])]
    claims, controls = (
        [x for p in pieces if (p.kind == "control") == c and (x := share(p)) is not None] for c in (False, True)
    )
    if not claims and not controls:
        return None
    alt = (
        f"One row for each of {len(statements)} statements. Of {len(claims)} claims {sum(x <= 1 for x in claims)} lie "
        f"within what is allowed, of {len(controls)} controls {sum(x > 1 for x in controls)} lie beyond."
    )
    caption = (
        "How much of what is allowed every claim uses up, which must be at most 1, and how far beyond it the hollow "
        "controls lie, which they must. Measurements, of which nothing is predicted, have no place here."
    )
    return Picture("00-overview", caption, alt, overview(statements))


def _escaped(value):
    """All texts with their dollar signs as matplotlib takes them for signs, not for the ends of formulas."""
    if isinstance(value, str):
        # nor is a control character text: no SVG may hold one
        return "".join(c if c.isprintable() else " " for c in value).replace("$", r"\$")
    if isinstance(value, Mapping):
        return {name: _escaped(item) for name, item in value.items()}
    return [_escaped(item) for item in value] if isinstance(value, list) else value


def _unescaped(text):
    return text.replace(r"\$", "$")
