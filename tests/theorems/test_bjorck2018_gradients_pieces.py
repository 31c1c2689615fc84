"""The pieces of evidence on gradients at the start can fail: each on numbers for which the answer is known."""

import math
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="bn_theory.networks needs torch: pip install '.[networks]'")
pytest.importorskip("powerlaw", reason="tails need powerlaw: pip install '.[networks]'")

import torch

from bn_theory.theorems import evidence as judge
from bn_theory.theorems.bjorck2018 import gradients_at_init as piece
from bn_theory.theorems.bjorck2018 import starts
from bn_theory.theorems.statement import Settings

SETTINGS = Settings()


@pytest.fixture(scope="module")
def networks():
    """Three networks of depth 8 without and with batch normalisation."""
    return tuple([starts.start_of(starts.recorded(seed, 8, norm), 8) for seed in range(3)] for norm in (None, "batch"))


@pytest.fixture(autouse=True)
def three_seeds(monkeypatch):
    monkeypatch.setattr(piece, "SEEDS_QUICK", 3)


def test_every_ordering_has_an_answer_and_a_control(networks):
    claims = list(piece.orderings("here", piece.LONG, *networks))
    assert len(claims) == len(piece.ORDERINGS) and {c.kind for c in claims} == {"comparison"}
    assert all(c.details["answer"] for c in claims)
    controls = list(piece.ordering_controls(SETTINGS, 8, *networks))
    steady = [o for o in piece.ORDERINGS if o.steady and o.since == 0]
    assert len(controls) == len(steady) + len(piece.ORDERINGS) - 1  # growth is not claimed at this depth
    assert all(c.predicted > 0 for c in controls)
    assert {c.verdict for c in controls if "eval" in c.name} == {judge.SUPPORTED}


def test_controls_of_orderings_can_fail(networks, monkeypatch):
    """Where the very networks that were compared stand in their places, the difference is found again."""
    off, on = ([found[0]] * 3 for found in networks)  # one pair three times: intervals of no width
    monkeypatch.setattr(piece, "recorded", lambda seed, depth, norm, training=True: off if training else on)
    monkeypatch.setattr(piece, "start_of", lambda recording, depth, fitted: recording[0])
    controls = list(piece.ordering_controls(SETTINGS, piece.LONG, off, on))
    found = [c for c in controls if c.predicted > 0]
    assert len(found) > len(piece.ORDERINGS) and {c.verdict for c in found} == {judge.CONTRADICTED}


def test_growth_is_claimed_of_deep_networks_only(networks):
    kinds = [[c.kind for c in piece.orderings("here", depth, *networks)] for depth in (8, piece.LONG)]
    assert kinds[0].count("measurement") == 1 and kinds[1].count("measurement") == 0


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
    right = starts.Growth(
        kept=0.75,
        branch=1.0,
        by_block={0: 1.0},
        expected=1.0,
        expected_error=0.1,
        layers=1.0,
        layers_error=0.1,
        factor=1.8,
        slope=0.5,
        mean_slope=0.3,
    )
    return [replace(right, **{name: value + 0.001 * k for name, value in values.items()}) for k in range(4)]


@pytest.mark.parametrize(
    ("judged", "name", "inside", "outside"),
    [
        (piece.kept_inside, "kept", (0.51, 0.75, 0.98), (0.4, 1.1)),
        (piece.branch_inside, "branch", (0.4, 1.9), (0.38, 2.1)),
        (piece.factor_inside, "factor", (1.2, 2.9), (1.19, 3.1)),
        # a tolerance of 5.4 * 0.1/sqrt(4) = 0.27
        (piece.branch_as_expected, "expected", (0.75, 1.0, 1.25), (0.7, 1.3, 1.5)),
        (piece.layers_as_expected, "layers", (0.75, 1.0, 1.25), (0.7, 1.3, 1.5)),
    ],
)
def test_derived_bounds_on_growth(judged, name, inside, outside):
    assert all(judged("x", growths(**{name: value})).verdict == judge.SUPPORTED for value in inside)
    assert all(judged("x", growths(**{name: value})).verdict == judge.CONTRADICTED for value in outside)


def test_kept_over_both_ends_is_inconclusive():
    wide = [replace(growths()[0], kept=kept) for kept in (0.3, 0.7, 1.2)]
    assert piece.kept_inside("x", wide).verdict == judge.INCONCLUSIVE


def test_the_estimate_of_a_distance_is_that_of_the_mean():
    found = [replace(growths()[0], kept=kept) for kept in (0.6, 0.7, 0.71)]
    claim = piece.kept_inside("x", found)
    assert claim.measured == pytest.approx(0.67 - 0.5) and claim.interval[1] == 0.25


def test_a_branch_varies_no_more_than_the_bound():
    """Gaussian weights on one place, where the second factor of the bound is attained."""
    rng = np.random.default_rng(0)
    channels, draws = 8, 20_000
    hidden = np.maximum(rng.normal(size=(draws, channels)), 0)
    branch = ((rng.normal(size=(draws, channels, channels)) @ hidden[..., None])[..., 0] ** 2).mean(1)
    found = branch.var() / branch.mean() ** 2
    # the relative variance of a relative variance, of a law with tails of a chi-squared squared, is below 100/draws
    assert found == pytest.approx(starts.branch_variance(channels), rel=3 * math.sqrt(100 / draws))


def test_controls_of_growth(monkeypatch):
    monkeypatch.setattr(piece, "DEPTHS_QUICK", (14,))
    found = list(piece.growth_controls(SETTINGS))
    assert len(found) == 7 and len({e.name for e in found}) == 7
    # of three seeds and few blocks intervals are wide: some decide nothing, none the wrong way
    assert judge.CONTRADICTED not in {e.verdict for e in found}
    assert {e.verdict for e in found if "convolution" in e.name} == {judge.SUPPORTED}


def test_shares_are_measured_and_not_the_middle_of_an_interval(networks):
    heavy = [e for e in piece.tails(8, *networks) if "heavy" in e.name]
    assert len(heavy) == 2 and all(round(3 * e.measured, 9).is_integer() for e in heavy)
    assert all("independent" in e.details["answer"] for e in heavy)


def test_matrices_of_low_rank():
    found = piece.low_rank(1, range(4))
    assert found.kind == "measurement" and 4 * found.measured == round(4 * found.measured)
    # the finding: the claimed error, of independent entries, is far too small
    assert found.details["standard_deviation_of_index"] > 2 * found.details["mean_error_for_independent_entries"]


def test_one_heavy_tail_is_enough():
    light, heavy = np.random.default_rng(0).normal(size=9216), 1 + np.random.default_rng(0).pareto(2.0, 9216)
    assert piece.some_heavy("x", [light, light]).verdict == judge.CONTRADICTED
    assert piece.some_heavy("x", [light, heavy], by_chance=1).verdict == judge.CONTRADICTED
    assert piece.some_heavy("x", [heavy, heavy], by_chance=1).verdict == judge.SUPPORTED
    found = piece.some_heavy("x", [light, heavy])
    assert found.verdict == judge.SUPPORTED and found.measured == 1


def test_centred_sums_and_their_controls():
    exact, controls = list(piece.centred(SETTINGS, 8)), list(piece.centred_controls(SETTINGS))
    assert {e.verdict for e in exact} == {judge.SUPPORTED} and len(exact) == 3
    assert {e.verdict for e in controls} == {judge.SUPPORTED} and len(controls) == 4
    assert all(e.measured > 1e6 for e in controls)


def test_the_heavy_tail_test_tells_known_tails_apart(monkeypatch):
    monkeypatch.setattr(piece, "SAMPLES", 6)  # the fewest of which the exact interval can exclude one half
    monkeypatch.setattr(piece, "RANKS", (2,))
    found = list(piece.heavy_tail_test(SETTINGS))
    assert {e.verdict for e in found} == {judge.SUPPORTED}
    assert [e.kind for e in found] == [
        "comparison",
        "comparison",
        "amplitude",
        "control",
        "control",
        "measurement",
    ]
    assert [e.measured for e in found[:2]] == [1.0, 1.0]


def test_the_statement():
    assert piece.STATEMENT.slug == "bjorck2018.gradients_at_init" and piece.STATEMENT.extra == "networks"
    assert piece.STATEMENT.prove().slug == piece.STATEMENT.slug


def test_a_channel_without_gradient_says_nothing_and_one_with_an_impossible_sum_does():
    sums, rounding = torch.tensor([0.0, -2.0]), torch.tensor([0.0, 0.5])
    assert piece._in_roundings(sums, rounding) == 4.0
    assert piece._in_roundings(sums[:1], rounding[:1]) == 0.0
    assert piece._in_roundings(sums.flip(0), rounding) == math.inf
    assert math.isnan(piece._in_roundings(sums * math.nan, rounding))
