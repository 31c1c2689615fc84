"""How papers and this package are cited: as text and as BibTeX."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from bn_theory.papers import SOFTWARE, Paper
from bn_theory.provenance import described
from bn_theory.report.latex_text import latex_text
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
    """A paper's entry, in ASCII; its title keeps its capitals.

    >>> from bn_theory.papers import PAPERS
    >>> print(bibtex(PAPERS["md_decoupling2026"]).splitlines()[1].strip())
    author        = {H{\\"{a}}gele, Alexander and Hern{\\'{a}}ndez-Cano, Alejandro and Kosson, Atli and Jaggi, Martin},
    """
    fields = {
        "author": " and ".join(f"{_accented(family)}, {_accented(given)}" for given, family in paper.authors),
        "title": f"{{{_accented(paper.title)}}}",
        "booktitle" if paper.kind == "inproceedings" else "howpublished": escape(paper.venue),
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


def _accented(text):
    """A text for BibTeX, which takes a letter with its accent as one letter if both are in braces of their own."""
    return re.sub(r"(\\[`'^~=.\"uHvr]\{\w\})", r"{\1}", latex_text(text))


def _entry(kind, key, fields):
    width = max(map(len, fields))
    lines = (f"  {name:{width}} = {{{value}}}," for name, value in fields.items())
    return "\n".join((f"@{kind}{{{key},", *lines, "}"))
