"""Evidence as a document has it, back as the objects that figures take."""

from __future__ import annotations

from collections.abc import Mapping

from bn_theory.errors import InvalidInputError
from bn_theory.theorems.evidence import KINDS, Evidence


def evidence_of(documents) -> list[Evidence]:
    """The pieces of a ``bn-theory.verify/2`` document's list; what is ``Evidence`` already stays as it is.

    Args:
        documents: mappings as in ``schemas/verify.json``, numbers or the strings ``"inf"``, ``"-inf"``, ``"nan"``.

    Raises:
        InvalidInputError: no piece of evidence: a part is missing, or no number where there should be one.

    >>> plain = {"name": "a", "kind": "bound", "verdict": "supported", "measured": "inf", "predicted": 1.0,
    ...          "interval": None, "tolerance": 0.0, "seconds": 0.1, "details": {}}
    >>> evidence_of([plain])[0].measured
    inf
    """
    return [one if isinstance(one, Evidence) else _evidence(one) for one in documents]


def _evidence(document):
    if not isinstance(document, Mapping):
        raise InvalidInputError(f"a piece of evidence must be an object with names, not {document!r:.60}")
    try:
        interval = document["interval"]
        found = Evidence(
            str(document["name"]),
            document["kind"],
            document["verdict"],
            _number(document["measured"]),
            _number(document["predicted"]),
            None if interval is None else tuple(map(_number, interval)),
            _number(document["tolerance"]),
            _number(document["seconds"]),
            dict(document["details"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        name = document.get("name", "without a name")
        raise InvalidInputError(f"the piece of evidence {name!r:.80} cannot be read: {error!r}") from error
    if found.kind not in KINDS or (found.interval is not None and len(found.interval) != 2):
        raise InvalidInputError(
            f"the piece of evidence {found.name!r:.80} is of no known kind, or has no interval's ends"
        )
    return found


def _number(value):
    return None if value is None else float(value)
