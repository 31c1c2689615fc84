"""Evidence and its verdicts at the edges, statements and how they are verified, the registry."""

import math

import pytest

import proofs_check
from bn_theory.errors import DivergedError, InvalidInputError, NoPowerLawError, UnknownNameError
from bn_theory.theorems import evidence as ev
from bn_theory.theorems import registry
from bn_theory.theorems.evidence import CONTRADICTED, INCONCLUSIVE, SUPPORTED, Evidence, Outside
from bn_theory.theorems.intervals import over_seeds, seeds_of
from bn_theory.theorems.statement import Result, Settings, Source, Statement, verify
from proofs_check.proof import ProofError

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (0.0, SUPPORTED),
        (1e-15, SUPPORTED),
        (math.nextafter(1e-15, 1), CONTRADICTED),
        (INF, CONTRADICTED),
        (NAN, CONTRADICTED),
    ],
)
def test_identity(error, verdict):
    found = ev.identity("x", error, 1e-15, worst_step=3)
    assert (found.kind, found.verdict) == ("identity", verdict)
    assert (found.predicted, found.tolerance, found.details) == (0.0, 1e-15, {"worst_step": 3})


@pytest.mark.parametrize(
    ("ratio", "slack", "verdict"),
    [
        (1.0, 0.0, SUPPORTED),
        (math.nextafter(1.0, 2), 0.0, CONTRADICTED),
        (1.5, 0.5, SUPPORTED),
        (math.nextafter(1.5, 2), 0.5, CONTRADICTED),
        (-1.0, 0.0, SUPPORTED),
        (INF, 0.0, CONTRADICTED),
        (NAN, 0.0, CONTRADICTED),
    ],
)
def test_bound(ratio, slack, verdict):
    found = ev.bound("x", ratio, slack)
    assert (found.kind, found.verdict, found.predicted) == ("bound", verdict, 1.0)


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        ((-0.5, -0.5), SUPPORTED),
        ((-0.75, -0.25), SUPPORTED),  # both ends on the tolerance, half-width exactly the largest
        ((-0.75, math.nextafter(-0.25, 0)), INCONCLUSIVE),
        ((math.nextafter(-0.75, -1), -0.25), INCONCLUSIVE),
        ((-0.25, 0.0), INCONCLUSIVE),  # touches the tolerance
        ((math.nextafter(-0.25, 0), 0.0), CONTRADICTED),
        ((-1.0, math.nextafter(-0.75, -1)), CONTRADICTED),
        ((-9.0, 9.0), INCONCLUSIVE),  # vacuous
        ((-INF, INF), INCONCLUSIVE),
        ((NAN, NAN), INCONCLUSIVE),
        ((NAN, -0.5), INCONCLUSIVE),
        ((5.0, 9.0), CONTRADICTED),  # wide, and wrong all the same
    ],
)
def test_exponent(interval, verdict):
    found = ev.exponent("x", interval, -0.5, 0.25, 0.25)
    assert (found.kind, found.verdict, found.interval[0] == interval[0] or interval[0] != interval[0]) == (
        "exponent",
        verdict,
        True,
    )


def test_a_vacuous_exponent_inside_the_tolerance_is_inconclusive():
    assert ev.exponent("x", (-0.6, -0.4), -0.5, 0.25, 0.05).verdict == INCONCLUSIVE
    assert ev.exponent("x", (-0.55, -0.45), -0.5, 0.25, 0.0625).verdict == SUPPORTED


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        ((-3.0, -2.0), SUPPORTED),
        ((-0.5, -0.25), SUPPORTED),  # within the tolerance to the last bit
        ((-0.5, math.nextafter(-0.25, 0)), INCONCLUSIVE),
        ((-0.25, -0.1), INCONCLUSIVE),  # cannot be told from -0.5 + 0.25
        ((math.nextafter(-0.25, 0), -0.1), CONTRADICTED),
        ((-1.0, 1.0), INCONCLUSIVE),
        ((NAN, NAN), INCONCLUSIVE),
    ],
)
def test_at_least_as_fast(interval, verdict):
    found = ev.at_least_as_fast("x", interval, -0.5, 0.25)
    assert (found.kind, found.verdict, found.details["sided"]) == ("exponent", verdict, "one")


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        ((1.0, 1.0), SUPPORTED),
        ((0.75, 1.25), SUPPORTED),
        ((0.75, math.nextafter(1.25, 2)), INCONCLUSIVE),
        ((math.nextafter(0.75, 0), 1.25), INCONCLUSIVE),
        ((1.25, 2.0), INCONCLUSIVE),
        ((math.nextafter(1.25, 2), 2.0), CONTRADICTED),
        ((0.5, math.nextafter(0.75, 0)), CONTRADICTED),
        ((0.5, 1.5), INCONCLUSIVE),
        ((NAN, 1.0), INCONCLUSIVE),
        ((0.9, INF), INCONCLUSIVE),
    ],
)
def test_amplitude(interval, verdict):
    found = ev.amplitude("x", interval, 0.25)
    assert (found.kind, found.verdict, found.predicted) == ("amplitude", verdict, 1.0)


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        ((0.6, 0.8), SUPPORTED),
        ((0.5, 0.8), INCONCLUSIVE),  # the end itself is not above
        ((0.4, 0.6), INCONCLUSIVE),
        ((0.3, 0.5), CONTRADICTED),
        ((0.5, 0.5), CONTRADICTED),  # as much is not more
        ((0.1, 0.2), CONTRADICTED),
        ((-math.inf, math.inf), INCONCLUSIVE),
        ((math.nan, math.nan), INCONCLUSIVE),
    ],
)
def test_comparison(interval, verdict):
    found = ev.comparison("x", interval, 0.5)
    assert (found.kind, found.verdict, found.predicted) == ("comparison", verdict, 0.5)
    assert ev.comparison("x", interval, 0.5, measured=0.7).measured == 0.7
    assert found.measured == sum(interval) / 2 or math.isnan(found.measured)


def test_seeds_of_two_base_seeds_are_disjoint_and_an_interval_needs_three():
    runs = [set(seeds_of(Settings(seed=s), 16)) for s in range(4)]
    assert all(len(r) == 16 for r in runs) and len(set().union(*runs)) == 64
    assert over_seeds([1.0, 2.0, math.nan]) == (-math.inf, math.inf)
    with pytest.raises(InvalidInputError, match="at least 3 numbers, not shape"):
        over_seeds([1.0, 2.0])


@pytest.mark.parametrize(
    ("reason", "verdict"),
    [
        ("plateau", INCONCLUSIVE),  # without a partial fit nobody knows how flat it is
        ("exponential", CONTRADICTED),
        ("rounding_floor", INCONCLUSIVE),
        ("too_few_decades", INCONCLUSIVE),
        ("too_few_records", INCONCLUSIVE),
        ("no_window", INCONCLUSIVE),
    ],
)
def test_refused_fits(reason, verdict):
    found = ev.no_power_law("x", -0.5, NoPowerLawError("because", reason=reason))
    assert (found.verdict, found.measured, found.predicted) == (verdict, None, -0.5)
    assert found.details == {"refused": reason, "why": "because"}


def test_divergence_contradicts_any_claim():
    found = ev.diverged("x", "exponent", DivergedError("no", step=7, replica=3))
    assert (found.kind, found.verdict, found.measured) == ("exponent", CONTRADICTED, INF)
    assert found.details == {"diverged_at_step": 7, "replica": 3}


@pytest.mark.parametrize(
    ("claim", "verdict"), [(CONTRADICTED, SUPPORTED), (SUPPORTED, CONTRADICTED), (INCONCLUSIVE, INCONCLUSIVE)]
)
def test_control_flips(claim, verdict):
    found = ev.control(Evidence("x", "bound", claim, 2.0, 1.0, details={"steps": 5}))
    assert (found.kind, found.verdict, found.name) == ("control", verdict, "x")
    assert (found.measured, found.predicted) == (2.0, 1.0)
    assert found.details == {"controlled_kind": "bound", "claim_verdict": claim, "steps": 5}


def test_a_control_needs_a_number():
    """0/0 contradicts an identity, as no agreement was found; a control is not passed by it."""
    claim = ev.identity("x", NAN, 1.0)
    assert claim.verdict == CONTRADICTED
    assert ev.control(claim).verdict == INCONCLUSIVE
    assert ev.control(ev.identity("x", INF, 1.0)).verdict == SUPPORTED


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([], INCONCLUSIVE),
        ([SUPPORTED], SUPPORTED),
        ([SUPPORTED, INCONCLUSIVE], INCONCLUSIVE),
        ([INCONCLUSIVE, CONTRADICTED, SUPPORTED], CONTRADICTED),
        (iter([SUPPORTED, SUPPORTED]), SUPPORTED),
    ],
)
def test_worst(verdicts, expected):
    assert ev.worst(verdicts) == expected


# --- statements ---


SLUG = "arora2019.orthogonality"  # a statement is proved by the proof of its slug
SOURCE = Source("nobody", "none", "derived")


def made(items):
    def evidence(settings):
        yield from items

    return Statement(SLUG, "A fake", SOURCE, evidence)


def test_verify_collects_what_a_statement_yields():
    items = [ev.bound("b", 0.5), Outside("rate 9", "too large"), ev.identity("i", 0.0, 1e-15)]
    seen = []
    result = verify(made(items), Settings(), progress=seen.append)
    assert [e.name for e in result.evidence] == ["proof", "b", "i"]
    assert result.outside == (items[1],)
    assert result.verdict == SUPPORTED
    assert [type(item) for item in seen] == [Evidence, Evidence, Outside, Evidence]
    assert seen[0].kind == "proof" and seen[0].details["checked_steps"] > 0
    assert all(e.seconds >= 0 for e in result.evidence)
    assert result.seconds >= sum(e.seconds for e in result.evidence)


@pytest.mark.parametrize(
    ("item", "verdict"),
    [
        (ev.bound("b", 2.0), CONTRADICTED),
        (ev.exponent("e", (-9, 9), -0.5, 0.1, 0.1), INCONCLUSIVE),
        (ev.control(ev.bound("c", 2.0)), SUPPORTED),
        (ev.control(ev.bound("c", 0.5)), CONTRADICTED),
        (Outside("rate 9", "too large"), SUPPORTED),
    ],
)
def test_the_worst_evidence_decides(item, verdict):
    assert verify(made([item]), Settings()).verdict == verdict


def test_a_statement_is_proved_by_its_slug(monkeypatch):
    asked = []
    monkeypatch.setattr(proofs_check, "prove", asked.append)
    made([]).prove()
    assert asked == [SLUG]


def test_a_proof_that_fails_contradicts(monkeypatch):
    def broken(slug):
        raise ProofError("does not check", step="two")

    monkeypatch.setattr(proofs_check, "prove", broken)
    result = verify(made([ev.bound("b", 0.5)]), Settings())
    assert result.verdict == CONTRADICTED
    assert "does not check" in result.evidence[0].details["failed"]
    assert result.evidence[1].verdict == SUPPORTED  # the rest still runs


def test_names_of_evidence_are_unique():
    with pytest.raises(AssertionError, match="'b'"):
        verify(made([ev.bound("b", 0.5), ev.bound("b", 0.6)]), Settings())
    with pytest.raises(AssertionError, match="'proof'"):
        verify(made([ev.bound("proof", 0.5)]), Settings())


def test_errors_of_a_statement_are_not_swallowed():
    def evidence(settings):
        raise ZeroDivisionError
        yield

    with pytest.raises(ZeroDivisionError):
        verify(Statement(SLUG, "t", SOURCE, evidence), Settings())


def test_settings_reach_the_statement():
    received = []

    def evidence(settings):
        received.append(settings)
        return iter(())

    settings = Settings("full", 7, "numpy")
    verify(Statement(SLUG, "t", SOURCE, evidence), settings)
    assert received == [settings]
    assert settings.full and not Settings().full


def test_evidence_is_found_with_one_thread_of_blas_and_taken_with_as_many_as_before():
    import numpy  # noqa: F401  (its BLAS is what is asked about)
    from threadpoolctl import threadpool_info, threadpool_limits

    def threads():
        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

    inside, outside = [], []

    def evidence(settings):
        for name in "ab":
            inside.append(threads())
            yield ev.bound(name, 0.5)

    with threadpool_limits(limits=2, user_api="blas"):
        before = threads()
        verify(Statement(SLUG, "t", SOURCE, evidence), Settings(), lambda item: outside.append(threads()))
        assert threads() == before
    assert inside == [{1}, {1}]
    assert outside == [before] * 3  # the proof and two pieces


def test_the_threads_that_a_statement_sets_for_torch_stay_set_from_piece_to_piece():
    torch = pytest.importorskip("torch", reason="needs torch: pip install '.[networks]'")
    before, found = torch.get_num_threads(), []

    def evidence(settings):
        torch.set_num_threads(1)
        for name in "abc":
            found.append(torch.get_num_threads())
            yield ev.bound(name, 0.5)
        torch.set_num_threads(2)

    try:
        torch.set_num_threads(2)
        verify(made([]), Settings())
        verify(Statement(SLUG, "t", SOURCE, evidence), Settings())
    finally:
        torch.set_num_threads(before)
    assert found == [1, 1, 1]


def test_curves_are_kept_and_not_judged():
    curves = ev.Curves("envelope", "what it shows", {"t": [1.0]})
    found = verify(made([curves, ev.bound("b", 0.5)]), Settings())
    assert found.curves == (curves,) and [e.name for e in found.evidence] == ["proof", "b"]


def test_a_result_without_evidence_is_inconclusive():
    assert Result(made([]), (), (), 0.0).verdict == INCONCLUSIVE


# --- registry ---


def test_selection():
    assert registry.select() == registry.SLUGS
    papers = ("arora2019", "li2020", "bjorck2018", "shock2026", "low_rank_decay2026", "md_decoupling2026")
    by_paper = [registry.select([paper]) for paper in papers]
    assert [len(slugs) for slugs in by_paper] == [8, 7, 6, 3, 3, 4]
    assert sum(by_paper, ()) == registry.SLUGS
    # registry order, each once, whatever was asked for
    asked = ["arora2019.gd_rate", "arora2019.orthogonality", "arora2019.gd_rate"]
    assert registry.select(asked) == ("arora2019.orthogonality", "arora2019.gd_rate")
    assert registry.papers() == papers
    assert len(set(registry.SLUGS)) == len(registry.SLUGS)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("arora2019.gd_rat", "arora2019.gd_rate"),
        ("arora2018", "arora2019"),
        ("zzz", "bn-theory list"),
        ("", "bn-theory list"),
    ],
)
def test_unknown_names_come_with_the_nearest(name, hint):
    for ask in (lambda: registry.select([name]), lambda: registry.statement(name)):
        with pytest.raises(UnknownNameError, match="unknown statement or paper") as caught:
            ask()
        assert hint in str(caught.value)
