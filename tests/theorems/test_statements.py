"""Every statement of the registry, by the code that ``bn-theory verify`` runs: nothing may be contradicted or open."""

from pathlib import Path

import pytest

import bn_theory.theorems as theorems
import proofs_check
from bn_theory.theorems.evidence import INCONCLUSIVE, KINDS, SUPPORTED
from bn_theory.theorems.registry import SLUGS, statement
from bn_theory.theorems.statement import Settings, verify


@pytest.fixture(scope="module", params=SLUGS)
def result(request):
    return verify(statement(request.param), Settings(profile="quick", seed=0))


def test_all_evidence_supports_the_statement(result):
    wrong = [e for e in result.evidence if e.verdict != SUPPORTED]
    assert not wrong, "\n".join(f"{e.name}: {e.verdict}, {e.measured} against {e.predicted}" for e in wrong)
    assert result.verdict == SUPPORTED


def test_there_is_a_proof_a_run_and_a_control(result):
    kinds = {e.kind for e in result.evidence}
    assert kinds <= set(KINDS)
    assert "proof" in kinds and "control" in kinds
    assert kinds & {"identity", "bound", "exponent", "amplitude"}


def test_every_control_was_contradicted_and_not_merely_open(result):
    for e in result.evidence:
        if e.kind == "control":
            assert e.details["claim_verdict"] not in (SUPPORTED, INCONCLUSIVE), e.name


def test_outside_cases_say_why_and_never_cover_the_core(result):
    for case in result.outside:
        assert len(case.reason) > 20
        core = any(f"rate {rate}, alpha 0," in case.case + "," for rate in ("0.1", "0.3", "1", "10"))
        assert not core, f"{case.case} must be inside: {case.reason}"


def test_proof_module_and_statement_share_the_slug():
    folder = Path(theorems.__file__).parent
    for slug in SLUGS:
        paper, name = slug.split(".")
        assert (folder / paper / f"{name}.py").is_file()
        assert slug in proofs_check.slugs()
        assert statement(slug).slug == slug
        assert proofs_check.prove(slug).slug == slug
