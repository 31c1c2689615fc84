"""``bn-theory report``."""

from __future__ import annotations

from pathlib import Path

from bn_theory.cli.verify import EXIT, verify_all
from bn_theory.cli.verify import document as verify_document
from bn_theory.engines import require
from bn_theory.errors import InvalidInputError
from bn_theory.files import writable_target
from bn_theory.provenance import described
from bn_theory.report import html, latex, markdown
from bn_theory.report.content import contents
from bn_theory.report.json_ import as_bytes
from bn_theory.report.needs import need_libraries
from bn_theory.report.pictures import overall, pictures
from bn_theory.report.publication import folder_beside, write
from bn_theory.report.read import read_document
from bn_theory.theorems import registry
from bn_theory.theorems.statement import Settings

FORMATS = ("html", "latex", "markdown")


def run(options) -> int:
    """Write a report in the formats asked for and return the exit code of its verdict.

    Raises:
        UnknownNameError: a name that is neither a slug nor a paper.
        DeviceError: the engine needs a GPU and there is none.
        ReportError: the document given cannot be used.
        MissingExtraError: a library that a report needs is not installed.
        InvalidInputError: a file or folder cannot be written. All of these are found before the verification runs.
    """
    need_libraries()
    targets = _targets(options)
    document = _verified(options) if options.source is None else read_document(options.source, ("verify",))
    report = contents(document, pictures(document), as_bytes(document), overall(document))
    publications = [(target, folder, _render(kind, report, folder)) for kind, target, folder in targets]
    write(publications)
    print(f"{described()}: {report.counted}")
    for target, folder, _ in publications:
        print(f"wrote {target}" + ("" if folder is None else f" and {folder}"))
    print(f"{report.caveat}\nverdict: {report.verdict}")
    return EXIT[document["verdict"]]


def _targets(options):
    """``(format, file, folder or None)`` of all that is to be written, each checked."""
    found = []
    for kind in FORMATS:
        if (path := getattr(options, kind)) is None:
            continue
        target = writable_target(path)
        if target in (other for _, other, _ in found):
            raise InvalidInputError(f"cannot write {path}: two formats would go into one file")
        if options.source is not None and target == Path(options.source).resolve():
            raise InvalidInputError(f"cannot write {path}: that is the document of --from")
        if kind == "latex":
            latex.check_name(target)
        found.append((kind, target, None if kind == "html" else folder_beside(target, kind)))
    return found


def _verified(options):
    statements = [registry.statement(slug) for slug in registry.select(options.names)]
    require(options.engine)
    return verify_document(verify_all(statements, Settings(options.profile, options.seed, options.engine)))


def _render(kind, report, folder):
    if kind == "html":
        return html.render(report)
    return {"latex": latex, "markdown": markdown}[kind].render(report, folder.name)
