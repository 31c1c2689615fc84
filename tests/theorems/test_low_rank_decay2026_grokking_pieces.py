"""What the statement on grokking is built of, on made-up records and matrices that are right and wrong."""

from types import SimpleNamespace

import numpy as np
import pytest

from bn_theory import low_rank_decay as lrd
from bn_theory.theorems.evidence import CONTRADICTED, INCONCLUSIVE, SUPPORTED
from bn_theory.theorems.intervals import over_seeds
from bn_theory.theorems.low_rank_decay2026 import grokking, identity, matrices, measured, records
from bn_theory.theorems.statement import Settings

ONE = matrices.cases(Settings())["tall 15 x 6, no. 1"]
SHARES = (0.4, 0.6, 0.8)
SETTING = records.Setting(11, 120, SHARES, 3)
OTHER = 0.77
"""What all records but the last ones have, so that none of them is taken for the end."""


def made(test, **others):
    """Runs of which only the end is known: ``test[decay][share] = one number a seed``."""
    keys = [(decay, share) for decay in test for share in test[decay]]
    rows = {key: np.arange(3) + 3 * k for k, key in enumerate(keys)}

    def ending(values):
        last = np.concatenate([np.asarray(values[decay][share], float) for decay, share in keys])[:, None]
        return np.hstack([np.full((len(last), 4), OTHER), last])

    found = {name: ending(others.get(name, test)) for name in ("test", "train", "loss", "effective", "stable")}
    return SimpleNamespace(of=lambda *key: rows[key], step=np.array([0, 30, 60, 90, 120]), **found)


def accuracies(*by_share):
    return dict(zip(SHARES, by_share, strict=True))


# --- the share from which on a run generalises ---


@pytest.mark.parametrize(
    ("by_share", "bounds"),
    [
        ((0.1, 0.9, 0.9), (0.5, 0.5)),
        ((0.1, 0.3, 0.7), (0.7, 0.7)),
        ((0.4, 0.6, 0.9), (0.5, 0.5)),
        # just reached; crossed twice, of which the last counts
        ((0.1, 0.5, 0.9), (0.6, 0.6)),
        ((0.9, 0.2, 0.8), (0.7, 0.7)),
        # outside of the shares tried
        ((0.5, 0.6, 0.9), (0.0, 0.4)),
        ((0.1, 0.9, 0.4), (0.8, 1.0)),
        ((0.1, 0.1, 0.1), (0.8, 1.0)),
    ],
)
def test_where_the_threshold_is_crossed(by_share, bounds):
    assert measured.crossing(SHARES, by_share, 0.5) == pytest.approx(bounds)


def test_crossings_are_of_the_last_record():
    found = made({"radial": accuracies([0.1, 0.1, 0.9], [0.9, 0.3, 0.9], [0.9, 0.7, 0.9])})
    np.testing.assert_allclose(measured.crossings(found, "radial", SHARES, 0.5), [[0.5, 0.5], [0.7, 0.7], [0.0, 0.4]])
    assert measured.end(found, "test", "radial", 0.6).tolist() == [0.9, 0.3, 0.9]


def from_share(*by_seed, spread=0.4):
    """Accuracies that cross 0.5 at these shares, one of each seed, in lines of the same slope."""
    return accuracies(*(0.5 + (share - np.array(by_seed)) * spread for share in SHARES))


OPEN = accuracies([0.1] * 3, *[[0.9, 0.9, 0.1]] * 2)


@pytest.mark.parametrize(
    ("radial", "low_rank", "words"),
    [
        # less than what lies between two shares tried, in every seed
        (from_share(0.55, 0.56, 0.57), from_share(0.45, 0.46, 0.48), "widening ("),
        (from_share(0.45, 0.46, 0.48), from_share(0.55, 0.56, 0.57), "narrowing ("),
        (from_share(0.55, 0.50, 0.52), from_share(0.52, 0.52, 0.52), "undecided: a widening of up to 0.06"),
        (from_share(0.55, 0.50, 0.52), from_share(0.55, 0.50, 0.52), "undecided: a widening of up to 0.000"),
        # two of three seeds by much, the third the other way round
        (from_share(0.7, 0.7, 0.5), from_share(0.5, 0.5, 0.51), "undecided"),
        # never within the shares tried, under one decay and under both: any value from 0.8 to 1 for each
        (accuracies(*[[0.1] * 3] * 3), from_share(0.5, 0.51, 0.52), "widening ("),
        (accuracies(*[[0.1] * 3] * 3), accuracies(*[[0.1] * 3] * 3), "undecided: a widening of up to 0.640"),
        (from_share(0.5, 0.51, 0.52), accuracies(*[[0.1] * 3] * 3), "narrowing ("),
        # one seed open under both, the others clear
        (OPEN, accuracies([0.4, 0.4, 0.1], *[[0.9, 0.9, 0.1]] * 2), "undecided"),
    ],
)  # fmt: skip
def test_what_is_said_of_a_widening(radial, low_rank, words):
    found = measured.widening(made({"radial": radial, "low-rank": low_rank}), SETTING, "radial", 0.5)
    answer, (low, high) = found.details["answer"], found.interval
    assert answer.startswith(words)
    assert (low > 0) == words.startswith("w") and (high < 0) == words.startswith("n")
    assert "after 120 steps" in answer and "accuracy of 0.5" in answer and "modulo 11" in answer
    assert found.details["half_width"] == pytest.approx((high - low) / 2)


def test_a_widening_is_seen_seed_by_seed():
    """All seeds cross 0.03 to 0.05 later, starts that differ by far more: only the difference is looked at."""
    found = made({"radial": from_share(0.48, 0.63, 0.74), "low-rank": from_share(0.45, 0.59, 0.69)})
    one = measured.widening(found, SETTING, "radial", 0.5)
    assert one.interval == pytest.approx(over_seeds([0.03, 0.04, 0.05]))
    assert one.details["censored"] == 0 and set(one.details["verdicts"]) == {"0.3", "0.4", "0.5"}
    assert one.details["verdicts"]["0.5"] == "widening"
    assert measured.differences(found, SHARES, "radial", 0.5) == pytest.approx(
        np.array([[x, x] for x in (0.03, 0.04, 0.05)])
    )


def test_verdicts_of_other_thresholds_are_told():
    radial = accuracies([0.1, 0.1, 0.1], [0.35, 0.35, 0.35], [0.9, 0.91, 0.92])
    low_rank = accuracies([0.1, 0.1, 0.1], [0.35, 0.35, 0.35], [0.6, 0.61, 0.62])
    found = made({"radial": radial, "low-rank": low_rank})
    for threshold in measured.THRESHOLDS:
        verdicts = measured.widening(found, SETTING, "radial", threshold).details["verdicts"]
        assert verdicts["0.3"].startswith("undecided") and verdicts["0.5"] == "narrowing"


def test_bounds_count_by_all_they_allow():
    exact = np.array([[0.1, 0.1], [0.2, 0.2], [0.4, 0.4]])
    assert measured.hull(exact) == over_seeds(exact[:, 0])
    open_one = np.array([[0.1, 0.1], [0.2, 0.2], [0.1, 0.9]])
    low, high = measured.hull(open_one)
    inner = [over_seeds([0.1, 0.2, x]) for x in np.linspace(0.1, 0.9, 9)]
    assert low == pytest.approx(min(a for a, _ in inner)) and high == pytest.approx(max(b for _, b in inner))
    # the mean is clear of 0, but the sign of one censored seed is not
    bounds = np.array([[0.30, 0.30], [0.31, 0.31], [0.29, 0.29], [0.30, 0.30], [-0.01, 0.30]])
    assert over_seeds(bounds.mean(axis=1))[0] > 0 and measured.decided(bounds)[0] <= 0


def test_intervals_do_not_leave_what_is_possible():
    found = made({"radial": accuracies([0.0, 0.0, 0.9], [0.9, 1.0, 1.0], [1.0, 0.97, 1.0])})
    for share in SHARES:
        low, high = measured.accuracy(found, "radial", share).interval
        assert 0 <= low < high <= 1
    assert over_seeds([0.0, 0.0, 0.9])[0] < 0 < 1 < over_seeds([1.0, 0.97, 1.0])[1]
    low, high = measured.smallest_share(found, SETTING, "radial").interval
    assert 0 <= low < high <= 1
    assert measured.within((-3.0, 2.0), -1.0) == (-1.0, 1.0)


# --- accuracy, delay, gain ---


def test_accuracies_say_after_how_many_steps_and_whether_they_rise():
    found = measured.accuracy(made({"radial": accuracies(*[[0.8, 0.9, 1.0]] * 3)}), "radial", 0.6)
    assert found.measured == pytest.approx(0.9)
    # three quarters of 120 steps: the record before the last
    np.testing.assert_allclose(found.details["rises"], np.array([0.8, 0.9, 1.0]) - OTHER)
    assert "after 120 steps" in found.details["answer"] and "+13.0%" in found.details["answer"]


def test_delays_are_from_fitting_to_generalising():
    step = np.array([0, 30, 60, 90, 120])
    train = np.array([[0, 0.98, 1, 1, 1], [0, 1, 1, 1, 1], [0, 1, 1, 1, 1.0]])
    test = np.array([[0, 0, 0, 0.4, 0.5], [0, 0.5, 0.5, 0.5, 0.5], [0, 0, 0, 0, 0.39]])
    runs = SimpleNamespace(of=lambda *key: np.arange(3), step=step, train=train, test=test)
    found = measured.delay(runs, "radial", 0.8, 0.4)
    assert found.details["delays"] == [30, 0, 90] and found.details["not_generalised"] == 1
    low, high = over_seeds([30, 0, 90])
    assert found.measured == pytest.approx(40) and found.interval == pytest.approx((low, 120)) and high > 120
    assert "1 of 3 had not by the end" in found.details["answer"]
    assert found.details["records_are_apart"] == 30 and found.details["not_fitted"] == 0
    runs.train = 0.5 * train
    assert measured.delay(runs, "radial", 0.8, 0.4).details["not_fitted"] == 3


def test_gains_are_means_over_shares():
    radial = accuracies([0.1, 0.2, 0.3], [0.1, 0.2, 0.3], [0.1, 0.2, 0.3])
    other = accuracies([0.2, 0.3, 0.4], [0.1, 0.2, 0.3], [0.3, 0.4, 0.5])
    found = measured.gain(made({"radial": radial, "low-rank": other}), SETTING, "radial")
    assert found.measured == pytest.approx(0.1) and found.verdict == SUPPORTED
    np.testing.assert_allclose(found.details["differences"], 0.1)
    assert not found.details["answer"].startswith("no difference")
    other = accuracies(*[[0.1, 0.25, 0.25]] * 3)
    found = measured.gain(made({"radial": radial, "low-rank": other}), SETTING, "radial")
    assert found.details["answer"].startswith("no difference is established")


# --- ranks ---


def test_ranks_are_compared_seed_by_seed():
    test = {decay: {0.4: [1.0] * 3} for decay in ("radial", "low-rank")}
    start = np.array([5.0, 10.0, 20.0])

    def compared(low_rank):
        effective = {"radial": {0.4: start}, "low-rank": {0.4: low_rank}}
        return grokking.narrower(made(test, effective=effective), 0.4)

    assert compared(start / 1.2).verdict == SUPPORTED
    # lower, but by less than a tenth; not at all; higher
    assert {compared(start / by).verdict for by in (1.05, 1.0, 0.8)} == {CONTRADICTED}
    assert compared(start * [0.5, 1.5, 1.0]).verdict == INCONCLUSIVE
    assert "eta lambda 0.005" in compared(start).name


def test_ranks_kept_and_lowered_by_hand():
    pytest.importorskip("torch", reason="bn_theory.networks needs torch: pip install '.[networks]'")
    W = ONE / lrd.singular_values(ONE)[0]
    radial = W * (1 - records.RATE * records.DECAY) ** grokking.OFF
    assert grokking.kept_rank(W, radial) < 1 < 1e6 < grokking.kept_rank(W, W - 0.1 * lrd.polar_factor(W))
    after = W
    for _ in range(grokking.OFF):
        after = lrd.low_rank_step(after, records.RATE, records.DECAY, 10)
    assert grokking.follows(W, after) < 1 < grokking.follows(W, after * (1 + 1e-6))
    change, rounding = grokking.fall(W, after)
    assert change > 1e3 * rounding > 0
    assert identity.lowers("", [grokking.fall(W, radial)]).verdict == CONTRADICTED


def test_with_the_loss_switched_off_all_is_in_float64():
    torch = pytest.importorskip("torch", reason="bn_theory.networks needs torch: pip install '.[networks]'")
    from bn_theory.networks.attention import AttentionRuns

    model = AttentionRuns(5, [0, 1], width=8, heads=2, hidden=16)
    assert model.W_Q.dtype == torch.float32
    for decay in ("radial", "low-rank"):
        found = grokking.switched_off(model, decay, [1])
        assert len(found) == 2 and all(M.dtype == np.float64 for pair in found for M in pair)
        assert all(np.linalg.norm(before, 2) == pytest.approx(1, rel=1e-12) for before, _ in found)
