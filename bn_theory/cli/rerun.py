"""``bn-theory rerun``."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from bn_theory.cli.output import show
from bn_theory.engines import require, resolved
from bn_theory.errors import DataFileError, InvalidInputError, MissingExtraError, ReportError
from bn_theory.files import writable_target, write_whole
from bn_theory.provenance import described
from bn_theory.report import compare
from bn_theory.report.json_ import as_bytes
from bn_theory.report.read import COMMANDS, kind_of, read_document
from bn_theory.report.tables import Table

IDENTICAL, DIFFERENT = 0, 1
REFUSED = {
    "bench": "times do not repeat",
    "calibration": "its times do not repeat; bn-theory calibrate itself does its data again",
    "pytest": "pytest itself runs those tests again",
}
OVERALL = "(overall)"
LONGEST = 60
"""Characters of a value that is shown."""


def run(options) -> int:
    """Do the work of a document once more and say whether all of its results are the same, bit for bit.

    Returns 0 if they are and 1 if they are not.

    Raises:
        ReportError: a document that cannot be read, or of another kind.
        MissingExtraError: a statement ran then and needs an extra that is not installed here.
        DeviceError: the engine that was used then needs a GPU and there is none.
        InvalidInputError: a statement or data file that is not there any more, a target that cannot be written.
    """
    before = read_document(options.path)
    if why := REFUSED.get(kind_of(before)):
        raise ReportError(
            f"{options.path}: a document of kind {kind_of(before)!r} cannot be done once more: {why}; give one of "
            f"{COMMANDS['verify']} or {COMMANDS['fit']}"
        )
    target = None
    if options.json is not None:
        target = writable_target(options.json)
        if target == Path(options.path).resolve():
            raise InvalidInputError(f"--json {options.json} is the document that is compared with; give another name")
    work, compared = (_verify, _verified) if kind_of(before) == "verify" else (_fit, _fitted)
    content = as_bytes(work(before, options.path))
    # First, so that a reader of the table who stops reading does not cost the file.
    if target is not None:
        write_whole(target, content)
    # Through the text, as the other one went.
    now = json.loads(content)
    print(f"{described()}: rerun of {options.path}, made by {described(before['package'])}\n")
    return _report(before, now, *compared(before, now))


def _verify(before, path):
    from bn_theory.cli import verify
    from bn_theory.theorems import registry
    from bn_theory.theorems.statement import Settings

    engine = _engine(before["environment"])
    require(engine)
    statements = [registry.statement(slug) for slug in _ran(before)]
    for statement in statements:
        if reason := verify.lacking(statement):
            raise MissingExtraError(f"{path} has results of {statement.slug}, which cannot run here: {reason}")
    settings = Settings(before["profile"], before["seed"], engine)
    return verify.document(verify.verify_all(statements, settings))


def _verified(before, now):
    """Rows of statements with what became of them, and ``(slug, differences)`` of those that differ."""
    rows, different = [], {}
    repeated = {statement["slug"]: statement for statement in now["statements"]}
    for old in before["statements"]:
        slug = old["slug"]
        if slug not in repeated:
            rows.append((slug, "not run then, nothing to compare", old["not_run"]))
            continue
        pieces = f"{len(old['evidence'])} pieces of evidence, proof, {len(old['figures'])} figures"
        if parts := compare.statements(old, repeated[slug]):
            different[slug] = parts
        rows.append((slug, "different" if parts else "identical", pieces))
    if rows and (parts := compare.verdicts(before, now)):
        different[OVERALL] = parts
        rows.append((OVERALL, "different", "verdict"))
    return rows, different


def _fit(before, path):
    from bn_theory.cli import fitting

    options = Namespace(**before["options"])
    options.engine = before["environment"]["engine"]
    require(options.engine)
    for name in ("rate", "alpha", "sigma", "s", "gamma_rate", "log_power", "min_decades"):
        value = getattr(options, name)
        setattr(options, name, None if value is None else float(value))  # JSON has inf as text
    options.window = None if options.window is None else tuple(map(float, options.window))
    csv = options.csv
    if csv is not None:
        options.csv = _data(csv, path)
    found = fitting.perform(options)
    # as asked for then, so that both documents name the same options
    return fitting.document(found, Namespace(**vars(options) | {"engine": before["options"]["engine"]}), csv)


def _data(csv, path):
    """The data file: where it was, or else beside the document; with the same content.

    Raises:
        DataFileError: it is in neither place, or its content is another one.
    """
    from bn_theory.cli.fitting import identity

    places = (Path(csv["path"]), Path(path).parent / Path(csv["path"]).name)
    found = next((place for place in places if place.exists()), None)
    if found is None:
        raise DataFileError(f"{path} fits the data in {csv['path']}, which is not there; put it beside the document")
    if identity(found)["sha256"] != csv["sha256"]:
        raise DataFileError(f"{found}: is not the file that {path} was made of: its SHA-256 is not {csv['sha256']}")
    return str(found)


def _fitted(before, now):
    parts = compare.fits(before, now)
    return [("fit", "different" if parts else "identical", before["loss"])], {"fit": parts} if parts else {}


def _engine(environment):
    """The engine asked for then, if it means the same one here; else the one that it meant."""
    asked, used = environment["engine"], environment["engine_used"]
    return asked if resolved(asked) == used else used


def _ran(document):
    from bn_theory.report.verification import NOT_RUN

    return [s["slug"] for s in document["statements"] if s["verdict"] != NOT_RUN]


def _report(before, now, rows, different):
    show(Table("", ("what", "rerun", "of"), tuple(rows)))
    if different:
        columns = ("what", "part", "place", ">then", ">now", ">relative", ">differ")
        lines = tuple(_line(name, part) for name, parts in different.items() for part in parts)
        print()
        show(Table("Differences: the largest one of every part", columns, lines))
    environment = compare.environments(before, now)
    if environment:
        print()
        shown = tuple((d.place.lstrip("."), _shown(d.before), _shown(d.now)) for d in environment)
        show(Table("The environment differs", ("", "then", "now"), shown))
    print()
    compared = sum(row[1] in ("identical", "different") for row in rows)
    if not compared:
        print("nothing to compare: nothing ran then")
    elif not different:
        print(f"identical: {compared} of {compared}, bit for bit")
    else:
        print(f"different: {len(different)} of {compared}; {_reason(before, now, environment)}")
    return DIFFERENT if different else IDENTICAL


def _reason(before, now, environment):
    if environment:
        return "the environment differs, which is the likely reason"
    if any((document["package"]["commit"] or "+changes").endswith("+changes") for document in (before, now)):
        return "no commit names the code of both, so the code may be the reason; else the document was changed"
    return "code and environment are the same, so the document was changed, or this is a defect of the program"


def _line(name, part):
    worst = part.worst
    relative = "-" if worst.relative is None else f"{worst.relative:.2g}"
    return name, part.name, worst.place, _shown(worst.before), _shown(worst.now), relative, str(part.count)


def _shown(value):
    if isinstance(value, (dict, list)):
        return f"({len(value)} entries)"
    text = " ".join(str(value).split())
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
