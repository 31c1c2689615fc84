"""What a verification found, as the tables and the JSON take it."""

from __future__ import annotations

from dataclasses import dataclass

from bn_theory.theorems.evidence import worst
from bn_theory.theorems.statement import Result, Settings, Statement

NOT_RUN = "not run"


@dataclass(frozen=True)
class NotRun:
    """A statement that could not be run here.

    Attributes:
        statement: which.
        reason: why, with the command that changes it.
    """

    statement: Statement
    reason: str

    verdict = NOT_RUN
    evidence = ()
    outside = ()
    curves = ()
    seconds = 0.0


@dataclass(frozen=True)
class Verification:
    """All outcomes of one verification, in registry order.

    Attributes:
        settings: profile, seed and engine.
        outcomes: one per statement asked for.
        seconds: wall time of it all.
    """

    settings: Settings
    outcomes: tuple[Result | NotRun, ...]
    seconds: float

    @property
    def verdict(self) -> str:
        """The worst verdict of what ran; ``"inconclusive"`` when nothing did."""
        return worst(o.verdict for o in self.outcomes if not isinstance(o, NotRun))
