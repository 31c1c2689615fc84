"""Results as strictly valid JSON.

JSON has no infinity and no NaN: they are written as the strings ``"inf"``, ``"-inf"`` and ``"nan"`` (which
``float()`` reads back), because ``null`` already says that there is no such number.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping

from bn_theory.engines import resolved
from bn_theory.report.verification import NotRun, Verification

SCHEMA = "bn-theory.verify/2"


def plain(value):
    """The value in ``None``, booleans, whole numbers, finite floats, strings, lists and dictionaries alone.

    Dataclasses become dictionaries, arrays lists, keys strings; what has no JSON form at all becomes its text.

    >>> plain({"ratio": float("inf"), 3: (1.5, None)})
    {'ratio': 'inf', '3': [1.5, None]}
    """
    if value is None or isinstance(value, (bool, str)):
        # a subclass (numpy's str_) must not leave as itself
        return str(value) if isinstance(value, str) else value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return [plain(item) for item in sorted(value, key=str)]
    if isinstance(value, (list, tuple, range)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):  # numpy arrays and scalars, without importing numpy for it
        listed = value.tolist()
        return str(value) if type(listed) is type(value) else plain(listed)
    return str(value)


def as_bytes(document) -> bytes:
    """A document as UTF-8 text, readable and ending in a line break."""
    text = json.dumps(plain(document), allow_nan=False, indent=1, ensure_ascii=False) + "\n"
    # A lone surrogate (from an undecodable file name) has no UTF-8; its escape is JSON.
    return text.encode(errors="backslashreplace")


def verify_document(verification: Verification, package: Mapping, environment: Mapping) -> dict:
    """The document of ``bn-theory verify --json``, as ``schemas/verify.json`` describes it.

    Args:
        package: ``{"name": ..., "version": ..., "commit": ...}``.
        environment: versions, processor, ... by name.
    """
    settings = verification.settings
    return plain(
        {
            "schema": SCHEMA,
            "package": package,
            "environment": dict(environment) | {"engine": settings.engine, "engine_used": resolved(settings.engine)},
            "profile": settings.profile,
            "seed": settings.seed,
            "seconds": verification.seconds,
            "verdict": verification.verdict,
            "statements": [_statement(outcome) for outcome in verification.outcomes],
        }
    )


def _statement(outcome):
    document = {
        "slug": outcome.statement.slug,
        "title": outcome.statement.title,
        "source": outcome.statement.source,
        "verdict": outcome.verdict,
        "seconds": outcome.seconds,
        "proof": _proof(outcome.statement),
        "outside": outcome.outside,
        "evidence": outcome.evidence,
        "figures": outcome.curves,
    }
    return document | ({"not_run": outcome.reason} if isinstance(outcome, NotRun) else {})


def _proof(statement):
    """The steps, built and so checked once more: they are symbols and cost a second for all statements."""
    from proofs_check.proof import ProofError

    try:
        return statement.prove().as_plain()
    except ProofError:  # its evidence says so
        return None
