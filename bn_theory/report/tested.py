"""What the pytest plugin shows of the evidence that tests have found: a table and a document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from bn_theory.report.tables import Table, number

SCHEMA = "bn-theory.pytest/1"
COLUMNS = ("statement", "evidence", "kind", "verdict", ">measured", ">allowed", "test")
"""The test comes last: its name is the longest cell, and a narrow terminal may break it."""


def document(
    tests: Sequence[Mapping], not_collected: Sequence[str], *, exit_code: int, settings, package, environment
) -> dict:
    """The document of ``pytest --theorem-report``, as ``schemas/pytest.json`` describes it.

    Args:
        tests: entries of that schema, already plain; in any order.
        not_collected: node ids of what could not be collected.
        exit_code: pytest's own; not 0 where something failed.
        settings: profile and seed that statements were verified with.
        package, environment: as in the other documents.
    """
    return {
        "schema": SCHEMA,
        "package": dict(package),
        "environment": dict(environment),
        "profile": settings.profile,
        "seed": settings.seed,
        "exit_code": int(exit_code),
        "not_collected": sorted(not_collected),
        "tests": sorted(tests, key=lambda test: test["nodeid"]),
    }


def table(tests: Sequence[Mapping]) -> Table:
    """A row for every piece of a test's own, and one for every statement that was verified, whatever its pieces."""
    rows = []
    for test in sorted(tests, key=lambda t: t["nodeid"]):
        about = ", ".join(test["statements"]) or ", ".join(test["claims"]) or "-"
        for piece in test["evidence"]:
            if not piece["verified"]:
                shown = piece["statement"] or about
                rows.append((shown, piece["name"], piece["kind"], piece["verdict"], *_numbers(piece), test["nodeid"]))
        for verified in test["verified"]:
            pieces = [e for e in test["evidence"] if e["verified"] and e["statement"] == verified["statement"]]
            if pieces:
                kinds = _counts(e["kind"] for e in pieces)
                verdicts = Counter(e["verdict"] for e in pieces)
                wrong = ", ".join(f"{n} {v}" for v, n in sorted(verdicts.items()) if v != verified["verdict"])
                verdict = verified["verdict"] + (f" ({wrong})" if wrong else "")
                cells = (f"{len(pieces)} pieces", kinds, verdict, "-", "-")
                rows.append((verified["statement"], *cells, test["nodeid"]))
    return Table("", COLUMNS, tuple(rows))


def _counts(names):
    return ", ".join(f"{count} {name}" for name, count in sorted(Counter(names).items()))


def _numbers(piece):
    measured, predicted, tolerance = (_read(piece[key]) for key in ("measured", "predicted", "tolerance"))
    if piece["kind"] == "bound" and predicted is not None:
        allowed = f"<= {number(predicted)}"
    elif piece["kind"] == "identity" and tolerance is not None:
        allowed = f"<= {number(tolerance)}"
    elif piece["kind"] == "comparison" and predicted is not None:
        allowed = f"> {number(predicted)}"
    elif predicted is not None and tolerance is not None:
        allowed = f"{number(predicted)} +- {number(tolerance)}"
    else:
        allowed = "-"
    return number(measured), allowed


def _read(value):
    """Numbers that JSON has no form for are there as text."""
    return None if value is None else float(value)
