"""Tables: built once as text cells, shown by rich on a terminal and as aligned plain text in a pipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bn_theory.report.verification import NotRun, Verification
from bn_theory.theorems.evidence import SUPPORTED

CAVEAT = "A finite run supports an asymptotic statement; it never proves it."
LONGEST_DETAIL = 300
_STYLES = {"supported": "green", "contradicted": "bold red", "inconclusive": "yellow", "not run": "dim"}


@dataclass(frozen=True)
class Table:
    """Text cells under column names.

    Attributes:
        title: one line.
        columns: names; one that begins with ``>`` is aligned to the right (the ``>`` is not shown).
        rows: as many cells as columns in each.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def as_plain(table: Table) -> str:
    """Columns aligned by spaces, at least two between them: no boxes, no colours.

    >>> print(as_plain(Table("", ("name", ">value"), (("a", "1"), ("bc", "10")))))
    name  value
    a         1
    bc       10
    """
    names = tuple(name.lstrip(">") for name in table.columns)
    widths = [max(map(len, column)) for column in zip(names, *table.rows, strict=True)]
    lines = [table.title] if table.title else []
    for row in (names, *table.rows):
        cells = [
            cell.rjust(width) if column.startswith(">") else cell.ljust(width)
            for cell, width, column in zip(row, widths, table.columns, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def as_rich(table: Table):
    """A ``rich.table.Table`` with the verdicts in colour (and still readable without).

    Where the first column repeats itself it becomes headings, which leaves a narrow terminal to the other columns.
    """
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    title = Text(table.title) if table.title else None
    shown = RichTable(
        title=title, title_justify="left", box=box.SIMPLE, pad_edge=False, collapse_padding=True, padding=(0, 1, 0, 0)
    )
    firsts = [row[0] for row in table.rows]
    skip = int(len(set(firsts)) < len(firsts))
    for position, name in enumerate(table.columns[skip:]):
        justify = "right" if name.startswith(">") else "left"
        # slugs are there to be copied: their column is the last to be folded
        whole = position == 0 and not skip
        shown.add_column(Text(name.lstrip(">")), justify=justify, overflow="fold", no_wrap=whole)
    for index, row in enumerate(table.rows):
        if skip and (index == 0 or firsts[index - 1] != row[0]):
            shown.add_section()
            shown.add_row(Text(row[0], style="bold"))
        # Text, not str: brackets of an interval are no markup
        shown.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row[skip:]))
    return shown


def number(value) -> str:
    """A number as shown in a table; ``-`` for none.

    >>> number(-0.25000012), number(None), number(float("inf"))
    ('-0.25', '-', 'inf')
    """
    return "-" if value is None else f"{value:.6g}"


def interval(ends: Sequence[float] | None) -> str:
    """``low .. high``, or ``-`` for none."""
    return "-" if ends is None else f"{number(ends[0])} .. {number(ends[1])}"


def statements(items) -> Table:
    """All statements that there are, with their papers."""
    rows = tuple((s.slug, s.title, s.source.paper, s.source.statement, s.source.origin) for s in items)
    return Table("", ("slug", "title", "paper", "statement", "origin"), rows)


def evidence(verification: Verification) -> Table:
    """One row per piece of evidence."""
    rows = tuple(
        (
            outcome.statement.slug,
            e.name,
            e.kind,
            e.verdict,
            number(e.measured),
            number(e.predicted),
            interval(e.interval),
            number(e.tolerance),
        )
        for outcome in verification.outcomes
        for e in outcome.evidence
    )
    columns = ("statement", "name", "kind", "verdict", ">measured", ">predicted", ">interval", ">tolerance")
    return Table("", columns, rows)


def reasons(verification: Verification) -> Table:
    """What is known about every piece of evidence that is not supported."""
    rows = tuple(
        (outcome.statement.slug, e.name, e.verdict, details(e.details))
        for outcome in verification.outcomes
        for e in outcome.evidence
        if e.verdict != SUPPORTED
    )
    return Table("Not supported, in detail", ("statement", "name", "verdict", "details"), rows)


def outside(verification: Verification) -> Table:
    """Configurations that were left out, each with its reason."""
    rows = tuple((r.statement.slug, o.case, o.reason) for r in verification.outcomes for o in r.outside)
    title = "Outside of the assumptions (recognised before the run, not counted)"
    return Table(title, ("statement", "case", "reason"), rows)


def not_run(verification: Verification) -> Table:
    """Statements that could not be run here."""
    rows = tuple((o.statement.slug, o.reason) for o in verification.outcomes if isinstance(o, NotRun))
    return Table("Not run", ("statement", "reason"), rows)


def summary(verification: Verification) -> Table:
    """One row per statement."""
    rows = tuple(
        (
            o.statement.slug,
            o.statement.title,
            o.verdict,
            str(len(o.evidence)),
            str(len(o.outside)),
            f"{o.seconds:.1f}",
        )
        for o in verification.outcomes
    )
    return Table("Summary", ("statement", "title", "verdict", ">evidence", ">outside", ">seconds"), rows)


def closing(verification: Verification) -> str:
    """The last line: the verdict over all statements."""
    ran = sum(not isinstance(o, NotRun) for o in verification.outcomes)
    pieces = sum(len(o.evidence) for o in verification.outcomes)
    idle = len(verification.outcomes) - ran
    left = f", {idle} not run" if idle else ""
    return (
        f"verdict: {verification.verdict} ({_count(ran, 'statement')}{left}, {_count(pieces, 'piece')} of evidence, "
        f"{verification.seconds:.1f} s)"
    )


def local_exponents(fit, factor: float = 1.0) -> Table:
    """Local exponents every half decade, which is the width that each one is taken over.

    Args:
        fit: an ``ExponentFit``.
        factor: what exponents are multiplied by; 1/2 for the norm where its square was fitted.
    """
    local, rows, due = fit.local_exponents, [], 0.0
    for t, value, band in zip(local.t, local.value, local.band, strict=True):
        if t >= due:
            rows.append((f"{t:.4g}", f"{factor * value:.4f}", f"{factor * band:.2g}"))
            due = t * 10**0.5 * (1 - 1e-9)
    return Table("Local exponents", (">t", ">exponent", ">+-"), tuple(rows))


def details(known) -> str:
    """Facts by name in one line, shortened where it is long."""
    text = "; ".join(f"{key} = {number(v) if isinstance(v, float) else v}" for key, v in known.items())
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_DETAIL else text[: LONGEST_DETAIL - 3] + "..."


def _count(n, noun):
    return f"{n} {noun}{'' if n == 1 else 's'}"
