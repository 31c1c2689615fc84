"""The pieces of evidence on gradients at the start can fail: each on numbers for which the answer is known."""

import math
from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="bn_theory.networks needs torch: pip install '.[networks]'")
pytest.importorskip("powerlaw", reason="tails need powerlaw: pip install '.[networks]'")

from bn_theory.theorems import evidence as judge
from bn_theory.theorems.bjorck2018 import gradients_at_init as piece
from bn_theory.theorems.bjorck2018 import starts
from bn_theory.theorems.statement import Settings

SETTINGS = Settings()


@pytest.fixture(scope="module")
def networks():
    """Three networks of depth 8 without and with batch normalisation."""
    return tuple([starts.start_of(starts.recorded(seed, 8, norm), 8) for seed in range(3)] for norm in (None, "batch"))


def test_every_ordering_has_an_answer_and_a_control(networks):
    claims = list(piece.orderings("here", piece.LONG, *networks))
    assert len(claims) == len(piece.ORDERINGS) and {c.kind for c in claims} == {"comparison"}
    assert all(c.details["answer"] for c in claims)
    exchanged = list(piece.exchanged(piece.LONG, *networks))
    for claim, control in zip(claims, exchanged, strict=True):
        low, high = claim.interval
        assert control.interval == pytest.approx((-high, -low))
        assert control.verdict == claim.verdict, claim.name


def test_growth_is_claimed_of_deep_networks_only(networks):
    kinds = [[c.kind for c in piece.orderings("here", depth, *networks)] for depth in (8, piece.LONG)]
    assert kinds[0].count("measurement") == 1 and kinds[1].count("measurement") == 0
    controls = list(piece.exchanged(8, *networks))
    assert len(controls) == len(piece.ORDERINGS) - 1


def test_an_ordering_that_is_not_there_is_not_supported(networks):
    off, on = networks
    for ordering, claim in zip(piece.ORDERINGS, piece.orderings("here", piece.LONG, off, off), strict=True):
        assert claim.verdict == judge.CONTRADICTED, ordering.what  # no difference at all
    mixed = [off[0], on[1], off[2]]
    other = [on[0], off[1], on[2]]
    assert judge.SUPPORTED not in {c.verdict for c in piece.orderings("here", piece.LONG, mixed, other)}


def test_measurements_carry_answers(networks):
    off, on = networks
    for found in (piece.tails, piece.class_bias, piece.cancellation, piece.ranks, piece.growth):
        for item in found(8, off, on):
            assert item.verdict == judge.SUPPORTED, item.name
            assert item.kind != "measurement" or "batch normalisation" in item.details["answer"]
    names = [i.name for found in (piece.tails, piece.class_bias, piece.growth) for i in found(8, off, on)]
    assert len(set(names)) == len(names)


def test_a_ratio_above_one_contradicts_the_triangle_inequality(networks):
    off, on = networks
    for ratio in (1.01, math.nan):
        wrong = [replace(off[0], largest_ratio=ratio), *off[1:]]
        (bound,) = [e for e in piece.cancellation(8, wrong, on) if e.kind == "bound"]
        assert bound.verdict == judge.CONTRADICTED


def growths(**values):
    right = starts.Growth(kept=0.75, branch=1.0, slope=0.5, mean_slope=0.3)
    return [replace(right, **{name: value + 0.001 * k for name, value in values.items()}) for k in range(4)]


@pytest.mark.parametrize(
    ("judged", "name", "inside", "outside"),
    [
        (piece.kept_inside, "kept", (0.51, 0.75, 0.98), (0.4, 1.1)),
        (piece.branch_below_two, "branch", (0.5, 1.9), (2.1,)),
        (piece.slope_below_three, "slope", (0.2, 1.0), (1.2,)),
    ],
)
def test_derived_bounds_on_growth(judged, name, inside, outside):
    assert all(judged("x", growths(**{name: value})).verdict == judge.SUPPORTED for value in inside)
    assert all(judged("x", growths(**{name: value})).verdict == judge.CONTRADICTED for value in outside)


def test_kept_over_both_ends_is_inconclusive():
    wide = [replace(growths()[0], kept=kept) for kept in (0.3, 0.7, 1.2)]
    assert piece.kept_inside("x", wide).verdict == judge.INCONCLUSIVE


def test_centred_sums_and_their_controls():
    exact, controls = list(piece.centred(SETTINGS, 8)), list(piece.centred_controls(SETTINGS))
    assert {e.verdict for e in exact} == {judge.SUPPORTED} and len(exact) == 3
    assert {e.verdict for e in controls} == {judge.SUPPORTED} and len(controls) == 4
    assert all(e.measured > 1e6 for e in controls)


def test_the_heavy_tail_test_tells_known_tails_apart(monkeypatch):
    monkeypatch.setattr(piece, "SAMPLES", 6)  # the fewest of which the exact interval can exclude one half
    found = list(piece.heavy_tail_test(SETTINGS))
    assert {e.verdict for e in found} == {judge.SUPPORTED}
    assert [e.kind for e in found] == ["comparison", "comparison", "amplitude", "control", "control"]


def test_the_statement():
    assert piece.STATEMENT.slug == "bjorck2018.gradients_at_init" and piece.STATEMENT.extra == "networks"
    assert piece.STATEMENT.prove().slug == piece.STATEMENT.slug
