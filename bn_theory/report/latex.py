"""A report as a LaTeX document whose body and figures lie in a folder beside it, for the appendix of a paper."""

from __future__ import annotations

from pathlib import Path

from bn_theory.errors import InvalidInputError
from bn_theory.report.content import Report
from bn_theory.report.formulas import is_formula
from bn_theory.report.latex_text import breakable, latex_text
from bn_theory.report.publication import Publication
from bn_theory.report.templating import Raw, environment

SPECIAL = frozenset("\\{}$&#%^~\"' \t\n")
"""Characters that TeX does not take in the name of a file as they are."""


def check_name(target: Path) -> None:
    """Do nothing where TeX can read a document of this name and its folder.

    Raises:
        InvalidInputError: another ending than ``.tex``, or a character that means something to TeX.
    """
    if target.suffix != ".tex":
        raise InvalidInputError(f"cannot write LaTeX to {target.name}: its name must end in .tex")
    if found := sorted(SPECIAL & set(target.name)):
        raise InvalidInputError(
            f"cannot write LaTeX to {target.name}: TeX does not read a name with {found[0]!r}; give another PATH"
        )


def render(report: Report, folder: str) -> Publication:
    """The document, and ``body.tex``, the figures as PDF and the JSON document for the folder beside it.

    Args:
        folder: the folder's name (:func:`check_name`).
    """
    templates = _environment()
    names = {
        "report": report,
        "folder": folder,
        "is_formula": is_formula,
        "left": lambda width: Raw(rf">{{\raggedright\arraybackslash}}p{{{width}\linewidth}}"),
    }
    main, body = (templates.get_template(f"{name}.tex.j2").render(names).encode() for name in ("report", "body"))
    figures = {f"{picture.name}.pdf": picture.file("pdf") for picture in report.figures}
    return Publication(main, {"body.tex": body, "verify.json": report.document, **figures})


def _environment():
    made = environment(
        latex_text,
        # braces belong to LaTeX
        block_start_string="<%",
        block_end_string="%>",
        variable_start_string="<<",
        variable_end_string=">>",
        comment_start_string="<#",
        comment_end_string="#>",
    )
    made.filters["breakable"] = lambda text: Raw(breakable(text))
    return made
