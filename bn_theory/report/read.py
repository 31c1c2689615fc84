"""Documents of this package read back: whole, strictly as JSON, and of the version that this code understands."""

from __future__ import annotations

import json
import math
import re
from importlib.resources import files

from bn_theory.errors import MissingExtraError, ReportError

COMMANDS = {
    "verify": "bn-theory verify --json PATH",
    "fit": "bn-theory fit --json PATH",
    "bench": "bn-theory bench --json PATH",
    "calibration": "bn-theory calibrate --output PATH",
    "pytest": "pytest --theorem-report PATH",
}
"""Kinds of documents, and what writes each."""
LONGEST = 160
"""Characters of a finding of the schema; longer ones quote half of the document."""
_CHANGED = "it was changed or damaged; write it again, or take an undamaged copy"
_NAME = re.compile(r"bn-theory\.([a-z]+)/(\d+)")


def schema(kind: str) -> dict:
    """The schema of a kind of document, as shipped in ``bn_theory/schemas``.

    >>> schema("verify")["properties"]["schema"]["const"].startswith("bn-theory.verify/")
    True
    """
    return json.loads((files("bn_theory") / "schemas" / f"{kind}.json").read_text(encoding="utf-8"))


def read_document(path, kinds=tuple(COMMANDS)) -> dict:
    """A document that this package wrote, checked against the schema of its kind.

    Args:
        path: of the file.
        kinds: those that can be used, of ``COMMANDS``.

    Returns:
        The document; its ``"schema"`` says of which kind it is (:func:`kind_of`).

    Raises:
        ReportError: no such file, one that cannot be read, is no JSON, damaged, of another kind or version, or not as
            its schema says; the message names the file and the way out.
        MissingExtraError: jsonschema is not installed.

    Source: derived in this package.
    """
    document = _parsed(path, _content(path))
    name = document.get("schema") if isinstance(document, dict) else None
    found = _NAME.fullmatch(name) if isinstance(name, str) else None
    if found is None or found[1] not in COMMANDS:
        raise ReportError(f"{path}: is JSON, but no document of this package; {_ways(kinds)}")
    kind, version = found[1], int(found[2])
    if kind not in kinds:
        raise ReportError(f"{path}: is a document of kind {kind!r}, which is of no use here; {_ways(kinds)}")
    rules = schema(kind)
    _check_version(path, kind, version, name, rules["properties"]["schema"]["const"])
    _check(path, kind, document, rules)
    if kind == "verify":
        _check_verdicts(path, document)
    return document


def kind_of(document: dict) -> str:
    """Which of ``COMMANDS`` wrote a document.

    >>> kind_of({"schema": "bn-theory.fit/1"})
    'fit'
    """
    return _NAME.fullmatch(document["schema"])[1]


def _content(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError as error:
        raise ReportError(f"{path}: there is no such file") from error
    except OSError as error:
        raise ReportError(f"{path}: cannot be read: {error.strerror}; give a file that can be") from error
    except ValueError as error:  # a name with a zero byte
        raise ReportError(f"{path!r}: cannot be the name of a file: {error}") from error


def _parsed(path, content):
    again = "write it again, or take an undamaged copy"
    if not content.strip():
        raise ReportError(f"{path}: is empty; {again}")
    try:
        text = content.decode("utf-8")
        document = json.loads(text, parse_constant=_no_number, parse_float=_finite, parse_int=_whole)
        json.dumps(document, ensure_ascii=False).encode()  # half a character, which no output could hold
        return document
    except UnicodeEncodeError as error:
        raise ReportError(f"{path}: has a text with half of a character; {again}") from error
    except UnicodeDecodeError as error:
        raise ReportError(f"{path}: is not text in UTF-8 (byte {error.start}); {again}") from error
    except json.JSONDecodeError as error:
        # where the text ends early, the fault is at its very end, or in a string that does not end
        early = error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated string")
        kind = "ends in the middle" if early else "is not JSON"
        raise ReportError(f"{path}: {kind}, at line {error.lineno}: {error.msg}; {again}") from error
    except RecursionError as error:
        raise ReportError(f"{path}: is nested too deeply for a document of this package; {again}") from error
    except ValueError as error:  # a number that is none, or of thousands of digits
        raise ReportError(f"{path}: is not strict JSON: {error}; {again}") from error


def _no_number(text):
    raise ValueError(f"{text} is no number of JSON")


def _finite(text):
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is beyond float64")
    return number


def _whole(text):
    number = int(text)
    _finite(text)  # a seed may have more digits than a float, but none is beyond its range
    return number


def _check_version(path, kind, version, name, own):
    mine = int(own.rpartition("/")[2])
    if version < mine:
        raise ReportError(
            f"{path}: is of the older schema {name}, this version of bn_theory reads {own}; write it "
            f"again with this version: {COMMANDS[kind]}"
        )
    if version > mine:
        raise ReportError(
            f"{path}: is of the newer schema {name}, this version of bn_theory reads {own}; install a newer bn_theory, "
            f"or write it again with this version: {COMMANDS[kind]}"
        )


def _check(path, kind, document, rules):
    try:
        import jsonschema
    except ImportError as error:
        raise MissingExtraError("reading a document needs jsonschema: pip install jsonschema") from error
    # JSON Schema counts 1.0 among the whole numbers; a count or a seed of this package never is written so
    whole = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    )
    validator = jsonschema.validators.extend(jsonschema.Draft202012Validator, type_checker=whole)
    errors = validator(rules).iter_errors(document)
    if (worst := jsonschema.exceptions.best_match(errors)) is not None:
        raise ReportError(
            f"{path}: is not as the schema {document['schema']} says: {_short(worst)}; it was changed or damaged; "
            f"write it again ({COMMANDS[kind]}), or take an undamaged copy"
        )


def _check_verdicts(path, document):
    """The verdicts are those of the evidence, and no statement is there twice."""
    from bn_theory.report.verification import NOT_RUN
    from bn_theory.theorems.evidence import worst

    statements = document["statements"]
    slugs = [statement["slug"] for statement in statements]
    if repeated := [slug for slug in slugs if slugs.count(slug) > 1]:
        raise ReportError(f"{path}: has {repeated[0]} twice; {_CHANGED}")
    ran = [statement for statement in statements if statement["verdict"] != NOT_RUN]
    found = [(s["slug"], s["verdict"], worst(e["verdict"] for e in s["evidence"])) for s in ran]
    found.append(("the overall verdict", document["verdict"], worst(s["verdict"] for s in ran)))
    for what, said, follows in found:
        if said != follows:
            raise ReportError(f"{path}: {what} is {said!r}, but {follows!r} follows from the evidence; {_CHANGED}")


def _short(error):
    """Where in the document, and what is wrong there, in a line."""
    place = error.json_path.removeprefix("$").lstrip(".") or "the document"
    message = error.message
    if len(message) > LONGEST:  # it quotes all that lies there
        rule = json.dumps(error.validator_value)
        message = f"does not satisfy {error.validator} {rule if len(rule) <= LONGEST else rule[: LONGEST - 3] + '...'}"
    return f"{place}: {message}"


def _ways(kinds):
    return "give a file written by " + " or ".join(COMMANDS[kind] for kind in kinds)
