"""Ratios, medians, shares and growth on timings that were made up."""

import sys
from types import SimpleNamespace

import pytest

import bn_theory as bn
from bn_theory.bench import summary
from bn_theory.bench.measure import ENGINE, REFERENCE, Contender, Measured, Run
from bn_theory.bench.memory import RESOLUTION, Peak
from bn_theory.bench.summary import Spread
from bn_theory.dynamics.methods import Kind

MIB = RESOLUTION


def measured(name, kind, seconds, steps=100, short=None, wide=None, peak=None):
    main = Run(steps, 4, seconds, Peak(peak))
    return Measured("made up", Contender(name, kind), 5, main, short, wide)


def rows(*items, limit=None):
    return {r.measured.contender.name: r for r in summary.summarise(items, lambda m: limit)}


def test_rates_are_coordinate_steps_of_all_replicas():
    row = rows(measured("numba", ENGINE, (1.0, 2.0, 4.0)))["numba"]
    # 5 coordinates x 4 replicas x 100 steps = 2000
    assert row.rate == Spread(1000.0, 500.0, 2000.0)
    assert row.nanoseconds == Spread(1e9 / 1000, 1e9 / 2000, 1e9 / 500)


def test_ratios_are_taken_within_a_repeat_and_for_equal_work():
    found = rows(
        measured("numpy", ENGINE, (1.0, 10.0, 2.0), steps=10),
        measured("numba", ENGINE, (1.0, 1.0, 1.0), steps=100),
    )
    # ten times the steps: ratios 10, 100, 20, although the ratio of the medians is 20 as well
    assert found["numba"].over_numpy == Spread(20.0, 10.0, 100.0)
    assert found["numpy"].over_numpy == Spread(1.0, 1.0, 1.0)


def test_the_fastest_reference_is_the_one_with_the_highest_median_rate():
    found = rows(
        measured("numba", ENGINE, (1.0, 1.0, 1.0)),
        measured("jax", REFERENCE, (0.1, 8.0, 8.0)),
        measured("eager", REFERENCE, (4.0, 4.0, 5.0)),
    )
    assert {row.reference for row in found.values()} == {"eager"}
    assert found["numba"].over_reference == Spread(4.0, 4.0, 5.0)
    assert found["eager"].over_reference == Spread(1.0, 1.0, 1.0)
    # a package engine is never the reference, and a reference named as one never the baseline
    assert found["numba"].over_numpy is None


def test_without_references_or_limit_there_is_nothing_to_compare_with():
    row = rows(measured("numba", ENGINE, (1.0,)))["numba"]
    assert row.over_numpy is row.over_reference is row.reference is row.share is row.limit is None
    assert row.time_steps is row.time_replicas is row.memory_steps is row.memory_replicas is None


def test_the_share_is_the_rate_over_the_limit():
    row = rows(measured("numba", ENGINE, (1.0, 2.0, 4.0)), limit=4000.0)["numba"]
    assert row.share == Spread(0.25, 0.125, 0.5) and row.limit == 4000.0


def test_growth_compares_the_runs_of_one_repeat():
    short = Run(10, 4, (0.1, 0.2), Peak(2 * MIB))
    wide = Run(10, 40, (1.2, 1.8), Peak(30 * MIB))
    row = rows(measured("numba", ENGINE, (1.0, 1.0), short=short, wide=wide, peak=3 * MIB))["numba"]
    assert row.time_steps == summary.spread([1.0 / 0.1, 1.0 / 0.2])
    assert row.time_replicas == summary.spread([1.2 / 0.1, 1.8 / 0.2])
    assert row.memory_steps == 1.5 and row.memory_replicas == 15.0


def test_memory_below_the_resolution_does_not_count_as_growth():
    short, wide = Run(1, 1, (1.0,), Peak(4096)), Run(1, 10, (1.0,), Peak(2 * MIB))
    row = rows(measured("numba", ENGINE, (1.0,), short=short, wide=wide, peak=400_000))["numba"]
    assert row.memory_steps == 1.0 and row.memory_replicas == 2.0


def test_the_limit_is_multiply_adds_over_instructions_of_the_method_s_kind(monkeypatch):
    asked = []

    def count(loss, kind):
        asked.append((loss, kind))
        return SimpleNamespace(per_coordinate=8.0)

    monkeypatch.setitem(sys.modules, "bn_theory.engines.operations", SimpleNamespace(count=count))
    loss = bn.with_linear_noise(bn.rayleigh([0.0, 1.0]), 0.1)
    assert summary.arithmetic_limit(4e9, loss, bn.SGD(lr=0.1)) == 5e8
    assert summary.arithmetic_limit(4e9, loss, bn.GD(lr=0.1, projected=True)) == 5e8
    assert asked == [(loss, Kind(sampled=True)), (loss, Kind(projected=True))]


def test_array_functions_have_no_known_limit(zoo):
    assert summary.arithmetic_limit(1e9, zoo("bn_neuron_logistic"), bn.GD(lr=0.1)) is None


def test_the_operations_of_a_real_loss_are_known():
    loss = bn.with_linear_noise(bn.rayleigh([0.0, 1.0]), 0.1)
    assert 1e9 / 50 < summary.arithmetic_limit(1e9, loss, bn.SGD(lr=0.1)) < 1e9 / 4


def test_repeats_must_match():
    with pytest.raises(ValueError, match="zip"):
        summary.ratios([1.0], 1.0, [1.0, 2.0], 1.0)
