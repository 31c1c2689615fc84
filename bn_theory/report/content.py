"""What a report says, once for all formats: texts in order, made from a document of ``bn-theory verify --json``.

Nothing here knows of HTML, LaTeX or Markdown, and nothing is escaped: all texts may hold anything.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bn_theory.report import tables
from bn_theory.report.verification import NOT_RUN
from bn_theory.theorems.evidence import CONTRADICTED, INCONCLUSIVE, SUPPORTED

TITLE = "Do the theorems about batch normalisation and scale invariance hold?"
SIGNS = {SUPPORTED: "✓", CONTRADICTED: "✗", INCONCLUSIVE: "?", NOT_RUN: "–"}
"""One sign a verdict, so that it is known without colour."""

_ORIGINS = {"paper": "stated in the paper", "derived": "derived in this package"}
_CONTROL = "control"
_IN_COLUMNS = ("unit", "controlled_kind", "claim_verdict")


@dataclass(frozen=True)
class Step:
    """One step of a proof.

    Attributes:
        name, why: in words. method: how it was checked, or what it is where it was not.
        checked: whether algebra established it.
        using: names of the steps it uses.
        latex, text: the formula for amsmath and as plain text; ``None`` for a step in words.
    """

    name: str
    method: str
    checked: bool
    why: str
    using: tuple[str, ...]
    latex: str | None
    text: str | None


@dataclass(frozen=True)
class Proof:
    """A proof with its parts (whole proofs that make the claim together)."""

    title: str
    claim: str
    source: str
    origin: str
    steps: tuple[Step, ...]
    parts: tuple[Proof, ...]

    @property
    def counted(self) -> str:
        """How many steps there are and how many of them were checked, those of the parts apart."""
        checked = sum(step.checked for step in self.steps)
        taken = len(self.steps) - checked
        unchecked = f", {taken} taken without a check (assumed, defined, cited or in words)" if taken else ""
        return f"{_count(len(self.steps), 'step')}: {checked} checked by algebra{unchecked}"


@dataclass(frozen=True)
class Row:
    """One piece of evidence as the cells of a table.

    Attributes:
        name, kind, verdict: as in the document.
        measured, predicted, interval, tolerance: numbers as texts, ``-`` for none.
        unit: what the numbers count in, or empty.
        answer: what was found in words, or empty.
        controlled, claim_verdict: of a control, the kind of claim and how it came out; else empty.
        details: everything else that is known, in one line.
    """

    name: str
    kind: str
    verdict: str
    measured: str
    predicted: str
    interval: str
    tolerance: str
    unit: str
    answer: str
    controlled: str
    claim_verdict: str
    details: str


@dataclass(frozen=True)
class Section:
    """One statement.

    Attributes:
        anchor: its slug; where a document has it twice, with a number.
        kinds: ``(kind, "3 of 3", all supported)`` of its evidence; controls are not among them.
        controlled: the same of its controls in words.
        evidence, controls: their rows. answers: evidence with an answer in words.
        failing: rows that are not supported, controls too.
        outside: ``(case, reason)``. not_run: why, or ``None``.
        figures: as ``pictures.pictures`` makes them.
    """

    anchor: str
    slug: str
    title: str
    verdict: str
    source: str
    origin: str
    seconds: str
    not_run: str | None
    kinds: tuple[tuple[str, str, bool], ...]
    controlled: str
    proof: Proof | None
    evidence: tuple[Row, ...]
    controls: tuple[Row, ...]
    outside: tuple[tuple[str, str], ...]
    figures: tuple

    @property
    def failing(self) -> tuple[Row, ...]:
        return tuple(row for row in (*self.evidence, *self.controls) if row.verdict != SUPPORTED)

    @property
    def answers(self) -> tuple[Row, ...]:
        return tuple(row for row in self.evidence if row.answer)


@dataclass(frozen=True)
class Report:
    """All of a report.

    Attributes:
        title, verdict, caveat: of the heading. counted: how many statements came out how.
        sections: one a statement, in the document's order.
        provenance: ``(name, value)`` of what made it.
        again: the command that makes the same results.
        document: the JSON that all of this is from.
        overview: the figure of all statements, as ``pictures.overall`` makes it, or ``None``.
    """

    title: str
    verdict: str
    caveat: str
    counted: str
    sections: tuple[Section, ...]
    provenance: tuple[tuple[str, str], ...]
    again: str
    document: bytes
    overview: object | None = None

    @property
    def figures(self) -> tuple:
        """All figures, the one of all statements first."""
        own = tuple(picture for section in self.sections for picture in section.figures)
        return own if self.overview is None else (self.overview, *own)

    @property
    def papers(self) -> tuple[tuple[str, tuple[Section, ...]], ...]:
        """Sections by the papers' short names."""
        found = {}
        for section in self.sections:
            found.setdefault(section.slug.split(".")[0], []).append(section)
        return tuple((paper, tuple(sections)) for paper, sections in found.items())


def contents(document: Mapping, figures: Sequence[Sequence], written: bytes, overview=None) -> Report:
    """The texts of a report.

    Args:
        document: of ``bn-theory verify --json``, as ``read.read_document`` returns it.
        figures: for each of its statements the figures to show there.
        written: the document as the bytes of a file.
        overview: the figure of all statements, or ``None``.
    """
    anchors = _anchors([statement["slug"] for statement in document["statements"]])
    sections = tuple(
        _section(statement, anchor, tuple(shown))
        for statement, anchor, shown in zip(document["statements"], anchors, figures, strict=True)
    )
    return Report(
        TITLE,
        document["verdict"],
        tables.CAVEAT,
        _counted(sections, document["seconds"]),
        sections,
        _provenance(document),
        _again(document),
        written,
        overview,
    )


def number(value) -> str:
    """A number of the document as a cell; the strings ``inf``, ``-inf`` and ``nan`` are numbers there.

    >>> number("-inf"), number(None), number(0.5)
    ('-inf', '-', '0.5')
    """
    return tables.number(None if value is None else float(value))


def pieces(rows: Sequence[Row], noun: str) -> str:
    """How many rows a folded table has and whether one of them needs attention."""
    failing = sum(row.verdict != SUPPORTED for row in rows)
    return f"{_count(len(rows), noun)}: {f'{failing} not supported' if failing else 'all supported'}"


def _anchors(slugs):
    seen = {}
    for slug in slugs:
        seen[slug] = seen.get(slug, 0) + 1
        yield slug if seen[slug] == 1 else f"{slug}-{seen[slug]}"


def _section(statement, anchor, figures):
    rows = [_row(piece) for piece in statement["evidence"]]
    evidence = tuple(row for row in rows if row.kind != _CONTROL)
    controls = tuple(row for row in rows if row.kind == _CONTROL)
    source = statement["source"]
    return Section(
        anchor,
        statement["slug"],
        statement["title"],
        statement["verdict"],
        f"{source['paper']}; {source['statement']}",
        _ORIGINS[source["origin"]],
        f"{statement['seconds']:.1f}",
        statement.get("not_run"),
        tuple(_kinds(evidence)),
        f"{sum(row.verdict == SUPPORTED for row in controls)} of {len(controls)}" if controls else "-",
        None if statement["proof"] is None else _proof(statement["proof"]),
        evidence,
        controls,
        tuple((item["case"], item["reason"]) for item in statement["outside"]),
        figures,
    )


def _kinds(rows):
    for kind in dict.fromkeys(row.kind for row in rows):
        verdicts = [row.verdict for row in rows if row.kind == kind]
        supported = verdicts.count(SUPPORTED)
        yield kind, f"{supported} of {len(verdicts)}", supported == len(verdicts)


def _row(piece):
    details = piece["details"]
    ends = piece["interval"]
    others = {key: value for key, value in details.items() if key not in (*_IN_COLUMNS, "answer")}
    return Row(
        piece["name"],
        piece["kind"],
        piece["verdict"],
        number(piece["measured"]),
        number(piece["predicted"]),
        tables.interval(None if ends is None else [float(end) for end in ends]),
        number(piece["tolerance"]),
        *(str(details.get(key, "")) for key in ("unit", "answer", "controlled_kind", "claim_verdict")),
        tables.details(others),
    )


def _proof(proof):
    return Proof(
        proof["title"],
        proof["claim"],
        proof["source"],
        _ORIGINS[proof["origin"]],
        tuple(Step(**step | {"using": tuple(step["using"])}) for step in proof["steps"]),
        tuple(_proof(part) for part in proof["parts"]),
    )


def _counted(sections, seconds):
    verdicts = [section.verdict for section in sections]
    found = ", ".join(f"{verdicts.count(v)} {v}" for v in SIGNS if v in verdicts)
    evidence, controls = (sum(len(getattr(s, kind)) for s in sections) for kind in ("evidence", "controls"))
    return (
        f"{_count(len(sections), 'statement')}{': ' if found else ''}{found}. {_count(evidence, 'piece')} of evidence "
        f"and {_count(controls, 'control')} in {seconds:.1f} s."
    )


def _provenance(document):
    package, environment = document["package"], document["environment"]
    return (
        ("package", f"{package['name']} {package['version']}"),
        ("commit", package["commit"] or "unknown"),
        ("profile", document["profile"]),
        ("seed", str(document["seed"])),
        ("engine", environment["engine"]),
        ("seconds", f"{document['seconds']:.1f}"),
        *((name.replace("_", " "), value) for name, value in environment.items() if name not in ("engine", "commit")),
    )


def _again(document):
    """The command of the same verification; all statements need no names."""
    from bn_theory.theorems.registry import SLUGS

    slugs = [statement["slug"] for statement in document["statements"]]
    names = () if set(slugs) == set(SLUGS) else slugs
    words = (
        "bn-theory", "verify", *names, "--profile", document["profile"], "--seed", str(document["seed"]),
        "--engine", document["environment"]["engine"], "--json", "again.json",
    )  # fmt: skip
    # one line, whatever a document calls its engine
    return " ".join(shlex.join(words).split())


def _count(n, noun):
    return f"{n} {noun}{'' if n == 1 else 's'}"
