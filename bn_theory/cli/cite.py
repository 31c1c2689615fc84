"""``bn-theory cite``."""

from __future__ import annotations

from bn_theory.papers import PAPERS
from bn_theory.provenance import described, package
from bn_theory.report import citing
from bn_theory.report.tables import Table, as_plain
from bn_theory.theorems import registry

DERIVED = "derived here: cite the package"


def run(options) -> int:
    """Print what to cite for the statements asked for: their papers and this package, each once; 0.

    Raises:
        UnknownNameError: a name that is neither a slug nor a paper.
    """
    statements = [registry.statement(slug) for slug in registry.select(options.names)]
    print(_bibtex(statements) if options.bibtex else _text(statements))
    return 0


def _bibtex(statements):
    entries = (citing.bibtex(PAPERS[key]) for key in _keys(statements))
    # outside of an entry everything is a comment to BibTeX; the sign makes it one to a reader, too
    return "\n\n".join((f"% {described()}", *entries, citing.software_bibtex(package(), statements)))


def _text(statements):
    blocks, own = [], citing.derived(statements)
    for key in _keys(statements):
        rows = [(s.slug, s.source.statement, DERIVED if s in own else "") for s in statements if _key(s) == key]
        blocks.append(_block(citing.text(PAPERS[key]), ("statement", "of the paper", ""), rows))
    note = "The constants, runs and verdicts are this package's"
    note += "; so are these statements, which are in none of the papers:" if own else "."
    head = f"{citing.software_text(package())}\n{note}"
    return "\n\n".join((*blocks, _block(head, ("statement", "title"), [(s.slug, s.title) for s in own])))


def _block(head, columns, rows):
    if not rows:
        return head
    return "\n".join((head, *(f"  {line}" for line in as_plain(Table("", columns, tuple(rows))).splitlines())))


def _keys(statements):
    return tuple(dict.fromkeys(map(_key, statements)))


def _key(statement):
    return statement.slug.split(".")[0]
