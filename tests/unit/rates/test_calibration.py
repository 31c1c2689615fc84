"""Coverage and width on a few repeats, and the committed table of a thousand."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from scipy import stats

from bn_theory.errors import UnknownNameError
from bn_theory.rates import calibrate, format_table
from bn_theory.rates.calibration import COVERAGE, WIDTH_RATIO, synthetic_data
from bn_theory.rates.regimes import regimes

REPEATS = 40
# At a true coverage of 0.95 fewer than this many of 40 has probability below 1e-3 for each regime.
FEWEST = int(stats.binom.ppf(1e-3, REPEATS, 0.95))
REQUIRED = [name for name, regime in regimes().items() if regime.required]
TABLE = Path(__file__).parents[2] / "benchmarks" / "results" / "calibration.json"


@pytest.mark.parametrize("name", REQUIRED)
def test_coverage_and_width(name):
    row = calibrate(repeats=REPEATS, seed=1, regimes=[name])[0]
    assert row.refused == 0.0
    assert row.coverage * REPEATS >= FEWEST
    # the median width of 60 is known to a few per cent; the limit itself is checked on the committed table
    assert 0.8 < row.ratio < WIDTH_RATIO * 1.1


def test_control_a_wrong_truth_is_not_covered(monkeypatch):
    known = regimes()["pure"]
    shifted = replace(known, name="pure")
    monkeypatch.setattr(type(shifted), "truth", property(lambda self: -0.55))
    row = calibrate(repeats=20, regimes=["pure"])[0]
    assert row.coverage == 0.0
    assert not row.accepted


def test_control_the_logarithm_is_not_found_without_being_named():
    """Over four decades a logarithm cannot be told from other laws, and the table says so."""
    auto, named = (calibrate(repeats=20, regimes=[n])[0] for n in ("logarithm, model='auto'", "logarithm, model='log'"))
    assert auto.coverage < 0.5
    assert named.coverage >= 0.75  # fewer than 15 of 20 at 0.95: probability 3e-4
    assert not auto.required


def test_data_are_a_function_of_seed_and_repeat():
    regime = regimes()["pure"]
    assert (synthetic_data(regime, 1, 2) == synthetic_data(regime, 1, 2)).all()
    assert (synthetic_data(regime, 1, 2) != synthetic_data(regime, 1, 3)).any()
    assert (synthetic_data(regime, 1, 2) != synthetic_data(regime, 2, 2)).any()


def test_rows_are_reproducible():
    rows = [calibrate(repeats=3, regimes=["pure"], seed=4)[0] for _ in range(2)]
    first, second = (asdict(replace(r, seconds=0.0)) for r in rows)
    assert first == second
    seen = []
    calibrate(repeats=1, regimes=["pure", "floor"], progress=seen.append)
    assert [r.regime for r in seen] == ["pure", "floor"]
    assert format_table(seen).count("\n") == 3


def test_unknown_regime():
    with pytest.raises(UnknownNameError, match="pure"):
        calibrate(repeats=1, regimes=["plain"])


def test_committed_table_meets_the_limits():
    document = json.loads(TABLE.read_text(encoding="utf-8"))
    assert document["repeats"] == 1000
    rows = {row["regime"]: row for row in document["rows"]}
    assert set(rows) == set(regimes())
    for name in REQUIRED:
        row = rows[name]
        assert COVERAGE[0] <= row["coverage"] <= COVERAGE[1], name
        assert row["ratio"] <= WIDTH_RATIO, name
        assert row["refused"] <= 0.001, name
