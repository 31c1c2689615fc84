"""``bn-theory verify``."""

from __future__ import annotations

import time

from bn_theory.cli import extras
from bn_theory.cli.environment import environment_of
from bn_theory.cli.output import progress, show
from bn_theory.engines import require, resolved
from bn_theory.errors import BnTheoryError, MissingExtraError
from bn_theory.files import writable_target, write_whole
from bn_theory.provenance import described, package
from bn_theory.report import tables
from bn_theory.report.json_ import as_bytes, verify_document
from bn_theory.report.verification import NotRun, Verification
from bn_theory.theorems import registry
from bn_theory.theorems.evidence import CONTRADICTED, INCONCLUSIVE, SUPPORTED, Curves, Evidence, Outside
from bn_theory.theorems.statement import Result, Settings, verify

EXIT = {SUPPORTED: 0, CONTRADICTED: 1, INCONCLUSIVE: 3}


def run(options) -> int:
    """Verify what was asked for, print the verdicts and return the exit code of the overall one.

    Raises:
        UnknownNameError: a name that is neither a slug nor a paper.
        DeviceError: the engine needs a GPU and there is none.
        MissingExtraError: a statement asked for by its slug needs an extra that is not installed.
        InvalidInputError: the JSON file cannot be written (found before the run where that can be known).
    """
    slugs = registry.select(options.names)
    require(options.engine)
    target = None if options.json is None else writable_target(options.json)
    statements = [registry.statement(slug) for slug in slugs]
    for statement in statements:
        reason = lacking(statement)
        if reason and statement.slug in options.names:
            raise MissingExtraError(f"{statement.slug} cannot run: {reason}")
    verification = verify_all(statements, Settings(options.profile, options.seed, options.engine))
    try:
        # First, so that a reader of the table who stops reading does not cost the file.
        if target is not None:
            write_whole(target, as_bytes(document(verification)))
    finally:
        _print(verification)
    for outcome in verification.outcomes:
        # not known from the metadata: the statement itself found that something is missing
        if isinstance(outcome, NotRun) and outcome.statement.slug in options.names:
            raise MissingExtraError(f"{outcome.statement.slug} cannot run: {outcome.reason}")
    return EXIT[verification.verdict]


def verify_all(statements, settings: Settings) -> Verification:
    """Verify one statement after the other, showing progress on stderr.

    A statement that raises one of the package's errors keeps the evidence found so far and gets an inconclusive
    piece named ``error`` (kind ``measurement``): an error is no answer, and costs the other statements nothing.
    """
    started = time.perf_counter()
    outcomes = []
    with progress() as (doing, done):
        for statement in statements:
            doing(statement.slug)
            outcome = _outcome(statement, settings, doing)
            outcomes.append(outcome)
            done(f"{statement.slug}: {outcome.verdict} ({outcome.seconds:.1f} s)")
    return Verification(settings, tuple(outcomes), time.perf_counter() - started)


def _outcome(statement, settings, doing):
    reason = lacking(statement)
    if reason:
        return NotRun(statement, reason)
    started, found = time.perf_counter(), []

    def keep(item):
        found.append(item)
        if isinstance(item, Evidence):
            doing(f"{statement.slug}: {item.name} {item.verdict}")

    try:
        return verify(statement, settings, keep)
    except MissingExtraError as error:
        return NotRun(statement, str(error))
    except BnTheoryError as error:
        seconds = time.perf_counter() - started
        details = {"error": type(error).__name__, "message": str(error)}
        evidence = [item for item in found if isinstance(item, Evidence)]
        left = seconds - sum(item.seconds for item in evidence)
        evidence.append(Evidence("error", "measurement", INCONCLUSIVE, seconds=max(left, 0.0), details=details))
        outside, curves = (tuple(o for o in found if isinstance(o, kind)) for kind in (Outside, Curves))
        return Result(statement, tuple(evidence), outside, seconds, curves)


def lacking(statement) -> str | None:
    """Why a statement cannot run here, with the command that changes it, as far as the package's metadata tell."""
    absent = extras.missing(statement.extra)
    return f"needs {', '.join(absent)}: {extras.install_command(statement.extra)}" if absent else None


def document(verification) -> dict:
    """What ``--json`` writes of a verification, with this machine and this code as its origin."""
    engine = resolved(verification.settings.engine)
    return verify_document(verification, package(), environment_of(engine))


def _print(verification):
    settings = verification.settings
    print(f"{described()}: profile {settings.profile}, seed {settings.seed}, engine {settings.engine}\n")
    show(*(table(verification) for table in (tables.evidence, tables.reasons, tables.outside, tables.not_run)))
    print()
    show(tables.summary(verification))
    print(f"\n{tables.CAVEAT}")
    print(tables.closing(verification))
