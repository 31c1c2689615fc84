"""What holds for every statement; collected by the files that import it, each with its own share of the registry.

(A file's tests run in one process: statements on networks have a file of their own, so that two processes share them.)
"""

from bn_theory.theorems.evidence import INCONCLUSIVE, KINDS, SUPPORTED


def test_all_evidence_supports_the_statement(theorem_result):
    wrong = [e for e in theorem_result.evidence if e.verdict != SUPPORTED]
    assert not wrong, "\n".join(f"{e.name}: {e.verdict}, {e.measured} against {e.predicted}" for e in wrong)
    assert theorem_result.verdict == SUPPORTED


def test_there_is_a_proof_a_run_and_a_control(theorem_result):
    kinds = {e.kind for e in theorem_result.evidence}
    assert kinds <= set(KINDS)
    assert "proof" in kinds and "control" in kinds
    assert kinds & {"identity", "bound", "exponent", "amplitude", "comparison"}


def test_every_control_was_contradicted_and_not_merely_open(theorem_result):
    for e in theorem_result.evidence:
        if e.kind == "control":
            assert e.details["claim_verdict"] not in (SUPPORTED, INCONCLUSIVE), e.name


def test_outside_cases_say_why_and_never_cover_the_core(theorem_result):
    for case in theorem_result.outside:
        assert len(case.reason) > 20
        core = any(f"rate {rate}, alpha 0," in case.case + "," for rate in ("0.1", "0.3", "1", "10"))
        assert not core, f"{case.case} must be inside: {case.reason}"


def test_questions_are_answered_in_a_sentence_with_an_interval(theorem_result):
    for e in theorem_result.evidence:
        if e.kind in ("comparison", "measurement") and theorem_result.statement.slug == "bjorck2018.review_questions":
            assert e.details["answer"].endswith(".") and e.interval is not None, e.name
