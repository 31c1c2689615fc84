"""pytest plugin: tests tied to statements, their evidence in a table and in a report.

Loading it imports nothing else of the package, nor anything that the package needs: a project that does not use it does
not pay for it. Hooks and fixtures import what they need when they need it.

``@pytest.mark.theorem("arora2019.gd_rate")``
    ties a test to a statement of the package, ``theorem(claim="...")`` to a claim of your own; both may be given.
``theorem_result``
    fixture: the marked statement, verified by the package (once in a process).
``theorem_evidence``
    fixture: recorder of the running test, ``.add(evidence)``. What the functions of :mod:`bn_theory.testing` find is
    recorded without it.
``theorem_settings``, ``theorem_slug``
    fixtures: profile and seed of the options; slug of the nearest marker.
``--theorem-report PATH``, ``--theorem-profile``, ``--theorem-seed``
    JSON of all evidence (``bn_theory/schemas/pytest.json``); how statements are verified.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

MARKER = (
    "theorem(slug, *, claim=None): the test is about the statement of the package with that slug (see bn-theory list), "
    "or about a claim of your own in words"
)
_ATTRIBUTE = "bn_theory_evidence"
"""Of test reports, as text: that is what travels between processes as it is."""


@dataclass
class _Kept:
    """What belongs to one test while it runs.

    Attributes:
        statements, claims: of its markers, nearest first.
        recorder: its evidence.
        verified: statements verified for it, as the document has them.
        sent: how many pieces and verified statements have left with earlier reports.
        wrong: why a marker cannot be used that was added after collection, or ``None``.
    """

    statements: list[str]
    claims: list[str]
    recorder: object
    verified: list[dict] = field(default_factory=list)
    sent: tuple[int, int] = (0, 0)
    wrong: str | None = None


_KEPT = pytest.StashKey[_Kept]()
_RESULTS = pytest.StashKey[dict]()


def pytest_addoption(parser):
    group = parser.getgroup("bn_theory", "theorems")
    group.addoption("--theorem-report", metavar="PATH", help="write all theorem evidence of the run to a JSON file")
    group.addoption(
        "--theorem-profile",
        choices=("quick", "full"),
        default="quick",
        help="how the statements of theorem_result are verified: same tolerances, fewer or all rates (default: quick)",
    )
    group.addoption(
        "--theorem-seed", type=int, default=0, metavar="N", help="seed of the statements' verification (default: 0)"
    )


def pytest_configure(config):
    config.addinivalue_line("markers", MARKER)
    if config.getoption("--theorem-seed") < 0:
        raise pytest.UsageError(f"--theorem-seed must be >= 0, not {config.getoption('--theorem-seed')}")
    if hasattr(config, "workerinput"):  # a process of xdist: what it finds is collected by the one that started it
        return
    target = config.getoption("--theorem-report")
    if target is not None:
        from bn_theory.errors import InvalidInputError
        from bn_theory.files import writable_target

        try:
            target = writable_target(target)
        except InvalidInputError as error:
            raise pytest.UsageError(f"--theorem-report: {error}") from error
    config.pluginmanager.register(_Collector(config, target), "bn_theory collector")


# --- markers ---


def _named(marker) -> tuple[str | None, str | None]:
    """Slug and claim of a marker.

    Raises:
        InvalidInputError: neither, an unknown slug, or an argument that it does not take.
    """
    from bn_theory.errors import InvalidInputError
    from bn_theory.theorems.recording import known

    slug, claim = (*marker.args, None)[0], marker.kwargs.get("claim")
    usable = len(marker.args) <= 1 and set(marker.kwargs) <= {"claim"} and (slug, claim) != (None, None)
    if not usable or not all(isinstance(given, str | None) for given in (slug, claim)):
        raise InvalidInputError(
            f"pytest.mark.theorem takes the slug of one statement, claim= in words, or both, not {marker.args} and "
            f"{marker.kwargs}; several statements take several markers"
        )
    return (None if slug is None else known(slug)), claim


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    """A test whose marker names no statement is an error of collection, with the nearest names."""
    report = yield
    if report.passed:
        wrong = [line for node in report.result if isinstance(node, pytest.Item) for line in _wrong_markers(node)]
        if wrong:
            report.outcome, report.longrepr, report.result = "failed", "\n".join(wrong), []
    return report


def _wrong_markers(item):
    for marker in item.iter_markers("theorem"):
        from bn_theory.errors import InvalidInputError

        try:
            _named(marker)
        except InvalidInputError as error:
            yield f"{item.nodeid}: {error}"


# --- while a test runs ---


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    from bn_theory.theorems.recording import Recorder, recording

    wrong = "\n".join(_wrong_markers(item)) or None
    named = [] if wrong else [_named(marker) for marker in item.iter_markers("theorem")]
    slugs = [slug for slug, _ in named if slug is not None]
    recorder = Recorder(slugs[0] if slugs else None)
    item.stash[_KEPT] = _Kept(slugs, [claim for _, claim in named if claim is not None], recorder, wrong=wrong)
    with recording(recorder):
        return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    wrong = item.stash[_KEPT].wrong
    if wrong is not None:
        pytest.fail(wrong, pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """What has been found since the last report of the test leaves with this one."""
    report = yield
    kept = item.stash.get(_KEPT, None)
    if kept is not None:
        pieces, verified = kept.recorder.pieces[kept.sent[0] :], kept.verified[kept.sent[1] :]
        kept.sent = len(kept.recorder.pieces), len(kept.verified)
        if kept.statements or kept.claims or pieces or verified:
            found = {"statements": kept.statements, "claims": kept.claims, "verified": verified}
            setattr(report, _ATTRIBUTE, json.dumps(found | {"evidence": [_as_plain(piece) for piece in pieces]}))
    return report


def _as_plain(piece):
    from bn_theory.report.json_ import plain

    return plain(piece.evidence) | {"statement": piece.statement, "verified": piece.verified}


@pytest.fixture(scope="session")
def theorem_settings(pytestconfig):
    """Profile and seed of the options, as ``bn_theory.theorems.statement.Settings``."""
    from bn_theory.theorems.statement import Settings

    return Settings(pytestconfig.getoption("--theorem-profile"), pytestconfig.getoption("--theorem-seed"))


@pytest.fixture
def theorem_slug(request):
    """Slug of the nearest ``theorem`` marker that has one; it may be parametrised instead."""
    kept = request.node.stash[_KEPT]
    if not kept.statements:
        pytest.fail(f'{request.node.nodeid} needs a marker: @pytest.mark.theorem("arora2019.gd_rate")', pytrace=False)
    return kept.statements[0]


@pytest.fixture
def theorem_evidence(request):
    """Recorder of this test's evidence: ``theorem_evidence.add(evidence)``."""
    return request.node.stash[_KEPT].recorder


@pytest.fixture
def theorem_result(request, theorem_slug, theorem_settings):
    """The statement that the test is marked with, verified: proof, runs and controls (``theorems.statement.Result``).

    Each statement is verified once in a process, and its evidence is recorded in the test that asked first. The test is
    skipped where a statement needs an extra that is not installed.
    """
    from bn_theory.errors import MissingExtraError

    kept = request.node.stash[_KEPT]
    results = request.config.stash.setdefault(_RESULTS, {})
    if theorem_slug not in results:
        results[theorem_slug] = request.node.nodeid, _verified(theorem_slug, theorem_settings, kept.recorder)
    where, found = results[theorem_slug]
    if isinstance(found, MissingExtraError):
        pytest.skip(f"{theorem_slug} cannot run: {found}")
    if isinstance(found, Exception):
        raise found
    verdict = {"statement": theorem_slug, "verdict": found.verdict, "seconds": found.seconds, "evidence_in": where}
    kept.verified.append(verdict)
    return found


def _verified(slug, settings, recorder):
    """The result, or the error, which is as long in coming and the same for the next test."""
    from bn_theory.theorems.evidence import Evidence
    from bn_theory.theorems.registry import statement
    from bn_theory.theorems.statement import verify

    def keep(item):
        if isinstance(item, Evidence):
            recorder.add_verified(item, slug)

    try:
        return verify(statement(slug), settings, keep)
    except Exception as error:
        return error


# --- afterwards, in the process that was started ---


class _Collector:
    """Takes what the reports of all processes bring, shows it and writes it."""

    def __init__(self, config, target):
        self._config, self._target = config, target
        self._tests: dict[str, dict] = {}
        self._not_collected: list[str] = []
        self._written = None

    def pytest_collectreport(self, report):
        if report.failed:
            self._not_collected.append(report.nodeid)

    def pytest_runtest_logreport(self, report):
        crashed = report.when not in ("setup", "call", "teardown")  # said by xdist of a process that ended
        # of a test that a plugin runs once more the last attempt counts
        if report.when == "setup" or (crashed and report.nodeid not in self._tests):
            self._tests[report.nodeid] = {
                "nodeid": report.nodeid,
                "outcome": "unfinished",
                "seconds": 0.0,
                "statements": [],
                "claims": [],
                "verified": [],
                "evidence": [],
            }
        test = self._tests.get(report.nodeid)
        if test is None:
            return
        test["outcome"] = "crashed" if crashed else _outcome(test["outcome"], report)
        test["seconds"] += getattr(report, "duration", 0.0)
        found = json.loads(getattr(report, _ATTRIBUTE, "{}"))
        test.update({key: found[key] for key in ("statements", "claims") if key in found})
        for key in ("verified", "evidence"):
            test[key] += found.get(key, [])

    @property
    def _kept(self) -> list[Mapping]:
        """Tests with a marker or with evidence, and those that took a process with them before they could say."""
        return [
            test
            for test in self._tests.values()
            if test["statements"] or test["claims"] or test["evidence"] or test["outcome"] == "crashed"
        ]

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session, exitstatus):
        error = None
        if self._target is not None and not self._config.option.collectonly:
            from bn_theory.errors import InvalidInputError

            try:
                self._write(exitstatus)
            except InvalidInputError as problem:
                error = f"--theorem-report: {problem}"
        result = yield
        if error is not None:
            pytest.exit(error, returncode=pytest.ExitCode.USAGE_ERROR)
        return result

    def _write(self, exitstatus):
        from bn_theory.files import write_whole
        from bn_theory.provenance import environment, package
        from bn_theory.report.json_ import as_bytes
        from bn_theory.report.tested import document
        from bn_theory.theorems.statement import Settings

        option = self._config.getoption
        made = document(
            self._kept,
            self._not_collected,
            exit_code=exitstatus,
            settings=Settings(option("--theorem-profile"), option("--theorem-seed")),
            package=package(),
            environment=environment() | {"pytest": pytest.__version__},
        )
        write_whole(self._target, as_bytes(made))
        self._written = self._target

    def pytest_terminal_summary(self, terminalreporter):
        kept = [test for test in self._kept if test["evidence"]]
        if kept:
            from bn_theory.report.tables import CAVEAT, as_plain
            from bn_theory.report.tested import table

            terminalreporter.section("theorem evidence")
            terminalreporter.write_line(as_plain(table(kept)))
            terminalreporter.write_line(CAVEAT)
        if self._written is not None:
            terminalreporter.write_line(f"theorem report written to {self._written}")


def _outcome(before, report):
    if before in ("failed", "error"):
        return before
    if report.failed:
        return "failed" if report.when == "call" else "error"
    if report.skipped:
        return "xfailed" if hasattr(report, "wasxfail") else "skipped"
    if report.when == "call":
        return "xpassed" if hasattr(report, "wasxfail") else "passed"
    return before
