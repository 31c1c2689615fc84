"""How papers and this package are cited: as text and as BibTeX."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bn_theory.papers import SOFTWARE, Paper
from bn_theory.provenance import described
from bn_theory.theorems.statement import Statement
from proofs_check.rendering import escape


def text(paper: Paper) -> str:
    """A paper in one line.

    >>> from bn_theory.papers import PAPERS
    >>> text(PAPERS["li2020"]).startswith("Zhiyuan Li, Sanjeev Arora. An Exponential Learning Rate Schedule")
    True
    """
    authors = ", ".join(f"{given} {family}" for given, family in paper.authors)
    return f"{authors}. {paper.title}. {paper.venue}, {paper.year}. arXiv:{paper.arxiv}"


def bibtex(paper: Paper) -> str:
    """A paper's entry; its title keeps its capitals."""
    fields = {
        "author": " and ".join(f"{escape(family)}, {escape(given)}" for given, family in paper.authors),
        "title": f"{{{escape(paper.title)}}}",
        "booktitle": escape(paper.venue),
        "year": str(paper.year),
        "eprint": paper.arxiv,
        "archiveprefix": "arXiv",
    }
    return _entry(paper.kind, paper.key, fields)


def derived(statements: Iterable[Statement]) -> tuple[Statement, ...]:
    """Those that are derived in this package and are in none of the papers."""
    return tuple(s for s in statements if s.source.origin == "derived")


def software_text(package: Mapping) -> str:
    """This package in one line.

    Args:
        package: ``{"name": ..., "version": ..., "commit": ...}``.
    """
    return f"{SOFTWARE.author}. {SOFTWARE.title}. {described(package)}, {SOFTWARE.licence} licence, {SOFTWARE.year}."


def software_bibtex(package: Mapping, statements: Iterable[Statement]) -> str:
    """This package's entry, whose note says which of the statements are derived in it and not in the papers.

    Args:
        package: ``{"name": ..., "version": ..., "commit": ...}``.
    """
    fields = {
        "author": f"{{{escape(SOFTWARE.author)}}}",
        "title": f"{{{escape(SOFTWARE.title)}}}",
        "howpublished": escape(f"Python package {described(package)}, {SOFTWARE.licence} licence"),
        "year": str(SOFTWARE.year),
    }
    if own := derived(statements):
        fields["note"] = escape(f"Derived in the package, not in the papers: {', '.join(s.slug for s in own)}")
    return _entry("misc", SOFTWARE.key, fields)


def _entry(kind, key, fields):
    width = max(map(len, fields))
    lines = (f"  {name:{width}} = {{{value}}}," for name, value in fields.items())
    return "\n".join((f"@{kind}{{{key},", *lines, "}"))
