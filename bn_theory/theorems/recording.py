"""Where evidence goes while a test runs: to the recorder of that test, if the pytest plugin has set one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

from bn_theory.errors import InvalidInputError
from bn_theory.theorems.evidence import Evidence

_RECORDER: ContextVar[Recorder | None] = ContextVar("recorder of the running test", default=None)


@dataclass(frozen=True)
class Recorded:
    """A piece of evidence and where it comes from.

    Attributes:
        evidence: the judged piece.
        statement: slug of the statement that it is about, or ``None``.
        verified: whether it is one of a verification of that statement by the registry; else the test's own.
    """

    evidence: Evidence
    statement: str | None
    verified: bool


class Recorder:
    """The evidence of one test, in the order in which it was found.

    Args:
        statement: slug that own evidence is about where nothing else is said, or ``None``.
    """

    def __init__(self, statement: str | None = None):
        self._statement = statement
        self._pieces: list[Recorded] = []

    def add(self, evidence: Evidence, *, statement: str | None = None) -> Evidence:
        """Keep an own piece; of several with one name the later ones are kept as "name (2)" and so on.

        Args:
            statement: slug of what it is about; ``None`` is that of the test's marker, if it has one.

        Returns:
            the piece, as it was given.

        Raises:
            InvalidInputError: no ``Evidence``, or an unknown slug.
        """
        if not isinstance(evidence, Evidence):
            raise InvalidInputError(
                f"a recorder takes bn_theory.theorems.evidence.Evidence, not {evidence!r}; the functions of that "
                "module make it, as do those of bn_theory.testing"
            )
        if statement is not None:
            known(statement)
        about = self._statement if statement is None else statement
        self._pieces.append(Recorded(self._unique(evidence), about, False))
        return evidence

    def add_verified(self, evidence: Evidence, statement: str) -> None:
        """Keep a piece of a statement's verification."""
        self._pieces.append(Recorded(evidence, statement, True))

    @property
    def pieces(self) -> tuple[Recorded, ...]:
        """Everything so far."""
        return tuple(self._pieces)

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """Everything so far, without where it comes from."""
        return tuple(piece.evidence for piece in self._pieces)

    def _unique(self, evidence):
        names = {piece.evidence.name for piece in self._pieces}
        count, name = 1, evidence.name
        while name in names:
            count += 1
            name = f"{evidence.name} ({count})"
        return evidence if name == evidence.name else replace(evidence, name=name)


def known(slug: str) -> str:
    """The slug itself, if a statement of the registry has it.

    Raises:
        UnknownNameError: none has; the message has the nearest ones.
    """
    from bn_theory.theorems import registry

    if slug not in registry.SLUGS:
        registry.statement(slug)  # which raises with the nearest names, and imports nothing before
    return slug


def record(evidence: Evidence) -> None:
    """Give a piece to the running test's recorder; without one nothing happens.

    A thread that a test starts has no recorder (a thread does not see the context of the one that started it).
    """
    recorder = _RECORDER.get()
    if recorder is not None:
        recorder.add(evidence)


@contextmanager
def recording(recorder: Recorder) -> Iterator[Recorder]:
    """Make it the recorder of everything inside."""
    token = _RECORDER.set(recorder)
    try:
        yield recorder
    finally:
        _RECORDER.reset(token)
