"""Two documents of the same work, compared bit for bit; takes them as read, computes nothing anew.

Not compared are the times that the work took and the environment, in which a reason may lie.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bn_theory.report.verification import NOT_RUN

ABSENT = "(absent)"
"""Stands for what only the other document has."""
RESULTS_OF_FIT = ("options", "loss", "expression", "fitted", "zero_from", "result", "exit")
_TIME = "seconds"


@dataclass(frozen=True)
class Difference:
    """One place where two documents differ.

    Attributes:
        part: piece of the document: a piece of evidence with its field, the proof, a figure, ...
        place: where in that piece, as in ``.rates[2]``.
        before, now: the values, or ``ABSENT``.
    """

    part: str
    place: str
    before: object
    now: object

    @property
    def relative(self) -> float | None:
        """``|now - before|/max(|now|, |before|)``, dimensionless; ``None`` where one of them is no finite number."""
        if not all(_is_number(value) for value in (self.before, self.now)):
            return None
        largest = max(abs(self.before), abs(self.now))
        return abs(self.now - self.before) / largest if largest > 0 else 0.0


@dataclass(frozen=True)
class Part:
    """All differences in one part; ``worst`` is the one with the largest relative difference, or one that has none."""

    name: str
    worst: Difference
    count: int


def statements(before: Mapping, now: Mapping) -> tuple[Part, ...]:
    """Where two entries of a statement in documents of ``bn-theory verify`` differ."""
    differences = [d for name in ("verdict", "not_run") for d in _field(name, name, before, now)]
    if NOT_RUN in (before["verdict"], now["verdict"]):  # then there is nothing else to compare
        return _parts(differences)
    differences += [d for name in ("title", "source") for d in _field(name, name, before, now)]
    differences += _field("proof", "proof", before, now)
    differences += _field("outside", "outside", before, now)
    for name, old, new in _paired(before["evidence"], now["evidence"], "name"):
        for key in dict.fromkeys((*old, *new)):
            if key == "details":
                both = (old.get(key, {}), new.get(key, {}))
                for detail in dict.fromkeys((*both[0], *both[1])):
                    differences += _field(f"{name}: {detail}", detail, *both)
            elif key != _TIME:
                differences += _field(f"{name}: {key}", key, old, new)
    for part, key in (("evidence", "name"), ("figures", "figure")):
        names = [[item[key] for item in document[part]] for document in (before, now)]
        if sorted(names[0]) == sorted(names[1]):  # else what is absent is said above or below
            differences += _leaves(f"order of {part}", "", *names)
    for name, old, new in _paired(before["figures"], now["figures"], "figure"):
        differences += _leaves(f"figure {name}", "", old, new)
    return _parts(differences)


def verdicts(before: Mapping, now: Mapping) -> tuple[Part, ...]:
    """Where the overall verdicts of two documents of ``bn-theory verify`` differ."""
    return _parts(list(_field("verdict", "verdict", before, now)))


def fits(before: Mapping, now: Mapping) -> tuple[Part, ...]:
    """Where the results of two documents of ``bn-theory fit`` differ."""
    return _parts([d for name in RESULTS_OF_FIT for d in _field(name, name, before, now)])


def environments(before: Mapping, now: Mapping) -> tuple[Difference, ...]:
    """In what two documents' package and environment differ; versions of libraries one by one."""
    return tuple(_leaves("environment", "", _flat(before), _flat(now)))


def same(before, now) -> bool:
    """Whether two plain values are the same, bit for bit (0.0 is not -0.0, 1 is not 1.0).

    >>> same([1.0, "nan"], [1.0, "nan"]), same(0.0, -0.0), same({"a": 1}, {"a": 1.0})
    (True, False, False)
    """
    return not any(_leaves("", "", before, now))


def _field(part, key, before, now) -> Iterator[Difference]:
    return _leaves(part, "", before.get(key, ABSENT), now.get(key, ABSENT))


def _leaves(part, place, before, now) -> Iterator[Difference]:
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys((*before, *now)):
            yield from _leaves(part, f"{place}.{key}", before.get(key, ABSENT), now.get(key, ABSENT))
    elif isinstance(before, list) and isinstance(now, list):
        if len(before) != len(now):
            yield Difference(part, f"length of {place or 'it'}", len(before), len(now))
        for k, (old, new) in enumerate(zip(before, now, strict=False)):
            yield from _leaves(part, f"{place}[{k}]", old, new)
    # the text of a plain value is its type and its bits: it tells 0.0 from -0.0, and 1.0 from 1, True and "1.0"
    elif repr(before) != repr(now):
        yield Difference(part, place, before, now)


def _paired(before, now, key):
    """``(name, old, new)`` for every name in either list; what is absent is an empty mapping."""
    old, new = (_named(items, key) for items in (before, now))
    for name in dict.fromkeys((*old, *new)):
        yield name, old.get(name, {}), new.get(name, {})


def _named(items, key):
    """By name; a repeated one gets a number, so that none is lost."""
    names = [item[key] for item in items]
    counts = (names[:k].count(name) for k, name in enumerate(names))
    return {
        f"{name} ({count + 1})" if count else name: item for name, count, item in zip(names, counts, items, strict=True)
    }


def _parts(differences):
    grouped = {}
    for difference in differences:
        grouped.setdefault(difference.part, []).append(difference)
    return tuple(Part(name, max(found, key=_size), len(found)) for name, found in grouped.items())


def _size(difference):
    # what is no number at all weighs more than any number
    return math.inf if difference.relative is None else difference.relative


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _flat(document):
    package, environment = document["package"], dict(document["environment"])
    environment.pop("commit", None)  # the package has it
    words = environment.pop("versions", "")
    versions = dict(part.rsplit(" ", 1) for part in words.split(", ") if " " in part)
    return versions | environment | {package["name"]: package["version"], "commit": package["commit"] or "unknown"}
