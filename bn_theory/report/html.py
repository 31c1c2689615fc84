"""A report as one HTML file: no scripts, nothing loaded from elsewhere."""

from __future__ import annotations

import base64

from bn_theory.report.content import SIGNS, Report, pieces
from bn_theory.report.formulas import mathml
from bn_theory.report.publication import Publication

SHORT = 12
"""Rows of a table or steps of a proof that are shown at once; longer ones are folded away."""


def render(report: Report) -> Publication:
    """The page; every text of the report is escaped by the template."""
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("bn_theory.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def formula(latex, text):
        made = mathml(latex, text)
        return made and Markup(made)  # built from elements and attributes known to be harmless

    text = environment.get_template("report.html.j2").render(
        report=report,
        signs=SIGNS,
        short=SHORT,
        mathml=formula,
        pieces=pieces,
        data_uri=lambda picture: _uri("image/svg+xml", picture.file("svg")),
        document_uri=_uri("application/json", report.document),
    )
    return Publication(text.encode("utf-8", errors="replace"))


def _uri(kind, content):
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
