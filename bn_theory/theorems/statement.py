"""What a statement is, and how it is verified."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from bn_theory.errors import DivergedError, InvalidInputError
from bn_theory.theorems.evidence import CONTRADICTED, SUPPORTED, Curves, Evidence, Outside, diverged, worst

PROFILES = ("quick", "full")


@dataclass(frozen=True)
class Source:
    """Where a statement comes from.

    Attributes:
        paper: short reference with its arXiv number.
        statement: which statement of the paper, in words; never a quotation.
        origin: ``"paper"``, or ``"derived"`` for statements of this package.
    """

    paper: str
    statement: str
    origin: str


@dataclass(frozen=True)
class Settings:
    """How to verify: profile (``quick`` has the same tolerances on fewer rates and alphas), seed, engine."""

    profile: str = "quick"
    seed: int = 0
    engine: str = "auto"

    def __post_init__(self):
        if self.profile not in PROFILES:
            raise InvalidInputError(f"unknown profile {self.profile!r}; there are {' and '.join(PROFILES)}")

    @property
    def full(self) -> bool:
        """Whether the long profile was asked for."""
        return self.profile == "full"


@dataclass(frozen=True)
class Statement:
    """One statement.

    Attributes:
        slug: ``paper.statement``; also names the proof, the module and the test.
        title: one line.
        source: where it comes from.
        evidence: ``evidence(settings)`` yields ``Evidence``, ``Outside`` and ``Curves`` as they are found.
        extra: the optional extra that its runs need, or ``None``.
    """

    slug: str
    title: str
    source: Source
    evidence: Callable[[Settings], Iterator[Evidence | Outside | Curves]]
    extra: str | None = None

    def prove(self):
        """Build, and so check, the proof of the same slug.

        Raises:
            proofs_check.proof.ProofError: a step does not check.
        """
        import proofs_check

        return proofs_check.prove(self.slug)


@dataclass(frozen=True)
class Result:
    """A statement's evidence; ``verdict`` is the worst of it."""

    statement: Statement
    evidence: tuple[Evidence, ...]
    outside: tuple[Outside, ...]
    seconds: float
    curves: tuple[Curves, ...] = ()

    @property
    def verdict(self) -> str:
        """The worst verdict of all evidence."""
        return worst(e.verdict for e in self.evidence)


def verify(statement: Statement, settings: Settings, progress=lambda item: None) -> Result:
    """Build the proof, run the evidence and the controls.

    Args:
        progress: called with every ``Evidence``, ``Outside`` and ``Curves`` when it is there.
    """
    started = mark = time.perf_counter()
    evidence, outside, curves = [], [], []
    for item in _alone(_items(statement, settings)):
        now = time.perf_counter()
        if isinstance(item, Outside):
            outside.append(item)
        elif isinstance(item, Curves):
            curves.append(item)
        else:
            if any(item.name == other.name for other in evidence):
                raise AssertionError(f"{statement.slug} names two pieces of evidence {item.name!r}")
            item = replace(item, seconds=now - mark)
            evidence.append(item)
        mark = now
        progress(item)
    return Result(statement, tuple(evidence), tuple(outside), time.perf_counter() - started, tuple(curves))


def _alone(items):
    """The items, each found with one thread of BLAS: its sums are then in one order, and results repeat bit for bit.

    (The engines' own threads do not share a sum; torch is limited where it is used.)
    """
    import scipy.linalg  # noqa: F401  (its BLAS and NumPy's must be loaded to be limited)
    from threadpoolctl import ThreadpoolController

    items = iter(items)
    end = object()
    while True:
        # Not around the yield: whoever takes the items keeps own threads. Selected first: the limit of all pools would
        # put back those of torch, too, which a statement may hold at one from item to item.
        with ThreadpoolController().select(user_api="blas").limit(limits=1):
            item = next(items, end)
        if item is end:
            return
        yield item


def _items(statement, settings):
    yield _proof(statement)
    try:
        yield from statement.evidence(settings)
    except DivergedError as error:
        # Where a statement expects finite numbers at every rate, a run that leaves them contradicts it; the
        # controls, which expect divergence, catch it themselves.
        yield diverged("a run left the finite numbers", "bound", error)


def _proof(statement):
    from proofs_check.proof import ProofError

    try:
        proof = statement.prove()
    except ProofError as error:
        return Evidence("proof", "proof", CONTRADICTED, details={"failed": str(error)})
    steps = {"checked_steps": len(proof.checked), "assumptions": len(proof.assumptions)}
    return Evidence("proof", "proof", SUPPORTED, details=steps)
