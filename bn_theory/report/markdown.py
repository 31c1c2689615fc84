"""A report as GitHub flavoured Markdown, with the figures in a folder beside it."""

from __future__ import annotations

from urllib.parse import quote

from bn_theory.report.content import SIGNS, Report, pieces
from bn_theory.report.formulas import is_formula
from bn_theory.report.markdown_text import markdown_text
from bn_theory.report.publication import Publication
from bn_theory.report.templating import environment


def render(report: Report, folder: str) -> Publication:
    """The page, and the figures as SVG and the JSON document for the folder beside it.

    Formulas are blocks ``math``, not ``$$``: in the latter GitHub takes a double backslash for one.

    Args:
        folder: the folder's name.
    """
    templates = environment(markdown_text)
    text = templates.get_template("report.md.j2").render(
        report=report, folder=quote(folder), signs=SIGNS, pieces=pieces, is_formula=is_formula
    )
    figures = {f"{picture.name}.svg": picture.file("svg") for picture in report.figures}
    return Publication(text.encode("utf-8", errors="replace"), {"verify.json": report.document, **figures})
