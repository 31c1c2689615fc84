"""Every schedule by its formula, the same numbers however they are asked for, and what is refused."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bn_theory as bn
from bn_theory.dynamics import Schedule
from bn_theory.errors import InvalidInputError

TABLE = np.random.default_rng(3).uniform(0.0, 1.0, 400)

# name -> (the schedule, its value at step t written out)
FORMULAS = {
    "constant": (bn.Constant(0.3), lambda t: 0.3),
    "zero": (bn.Constant(0.0), lambda t: 0.0),
    "power": (bn.Power(0.3, 0.4), lambda t: 0.3 * (t + 1) ** -0.4),
    "step decay": (
        bn.StepDecay(0.3, ((7, 0.1), (20, 3.0))),
        lambda t: 0.3 * (0.1 if t >= 7 else 1) * (3.0 if t >= 20 else 1),
    ),
    "drops as a dict": (
        bn.StepDecay(0.3, {20: 3.0, 7: 0.1}),
        lambda t: 0.3 * (0.1 if t >= 7 else 1) * (3.0 if t >= 20 else 1),
    ),
    "no drops": (bn.StepDecay(0.3, ()), lambda t: 0.3),
    "cosine": (bn.Cosine(0.3, 31), lambda t: 0.3 * math.cos(math.pi * min(t, 31) / 62) ** 2),
    "cosine with a floor": (
        bn.Cosine(0.3, 31, 0.1),
        lambda t: 0.1 + 0.2 * math.cos(math.pi * min(t, 31) / 62) ** 2,
    ),
    "linear": (bn.Polynomial(0.3, 31), lambda t: 0.3 * max(1 - t / 31, 0)),
    "polynomial with a floor": (
        bn.Polynomial(0.3, 31, power=2.5, floor=0.1),
        lambda t: 0.1 + 0.2 * max(1 - t / 31, 0) ** 2.5,
    ),
    "growing": (bn.Exponential(0.3, 1.25), lambda t: 0.3 * 1.25**t),
    "shrinking": (bn.Exponential(0.3, 0.5), lambda t: 0.3 * 0.5**t),
    "warm-up": (bn.Warmup(0.3, 10), lambda t: 0.3 * min(1, (t + 1) / 10)),
    "table": (bn.Table(TABLE), lambda t: TABLE[t]),
}
# one schedule of every kind, and a warm-up of each
WITHOUT_CASES = {name: schedule for name, (schedule, _) in FORMULAS.items()}
WITH_CASES = {
    "constant": bn.Constant([0.3, 0.0]),
    "power": bn.Power([0.3, 1.0], 0.3),
    "decays": bn.Power(0.3, [0.3, 0.0]),
    "step decay": bn.StepDecay([0.3, 1.0], {7: 0.1}),
    "cosine": bn.Cosine([0.3, 1.0], 31, 0.2),
    "polynomial": bn.Polynomial([0.3, 1.0], 31, 0.7),
    "exponential": bn.Exponential([0.3, 1.0], [1.25, 0.5]),
    "factors": bn.Exponential(0.3, [1.25, 0.5]),
    "table": bn.Table(np.stack([TABLE, TABLE[::-1]])),
}
ALL = {
    **WITHOUT_CASES,
    **{f"{name}, cases": schedule for name, schedule in WITH_CASES.items()},
    **{f"warm-up of {name}": bn.Warmup(schedule, 10) for name, schedule in WITHOUT_CASES.items()},
    **{f"warm-up of {name}, cases": bn.Warmup(schedule, 10) for name, schedule in WITH_CASES.items()},
}


@pytest.mark.parametrize("name", FORMULAS)
def test_values_follow_the_formula(name):
    schedule, formula = FORMULAS[name]
    found = schedule.values(0, 60)
    expected = np.array([[formula(t) for t in range(60)]])
    assert found.shape == (1, 60) and schedule.cases is None
    # either side takes at most ten roundings; 1.25^60 as a power, t/31 under the 2.5th power and near the cosine's zero
    # are conditioned by at most 60: 600 u = 7e-14 of the value, or of the largest one where a floor or a zero is near
    np.testing.assert_allclose(found, expected, rtol=7e-14, atol=7e-14 * 0.3)


@pytest.mark.parametrize("name", WITHOUT_CASES)
def test_a_warm_up_rises_linearly_onto_any_schedule(name):
    schedule = WITHOUT_CASES[name]
    found, plain = bn.Warmup(schedule, 10).values(0, 60), schedule.values(0, 60)
    # one rounding of (t+1)/10 and one of the product, on either side
    np.testing.assert_allclose(found[0, :10], plain[0, :10] * np.arange(1, 11) / 10, rtol=4 * 2.0**-53, atol=0)
    np.testing.assert_array_equal(found[0, 9:], plain[0, 9:])


@pytest.mark.parametrize("name", WITH_CASES)
def test_cases_come_first_and_are_the_schedules_of_their_numbers(name):
    schedule = WITH_CASES[name]
    assert schedule.cases == 2
    whole = schedule.values(3, 50)
    assert whole.shape == (2, 47)
    for case in range(2):
        fields = {
            f.name: value[case] if isinstance(value, tuple) and f.name != "drops" else value
            for f in dataclasses.fields(schedule)
            for value in [getattr(schedule, f.name)]
        }
        one = bn.Table(schedule.table[case]) if name == "table" else type(schedule)(**fields)
        assert one.cases is None
        np.testing.assert_array_equal(one.values(3, 50)[0], whole[case])


def test_a_warm_up_has_the_cases_of_what_follows():
    assert bn.Warmup([0.3, 1.0], 4).cases == 2
    assert bn.Warmup([0.3, 1.0], 4).values(0, 2).tolist() == [[0.3 * 0.25, 0.3 * 0.5], [0.25, 0.5]]


@pytest.mark.parametrize("name", ALL)
@given(first=st.integers(0, 300), cut=st.integers(1, 50), count=st.integers(51, 100))
def test_values_do_not_depend_on_how_they_are_asked_for(name, first, cut, count):
    """Bit for bit: the engines ask for one step or for thousands at a time."""
    schedule = ALL[name]
    whole = schedule.values(first, first + count)
    parts = [schedule.values(first, first + cut), schedule.values(first + cut, first + count)]
    single = [schedule.values(t, t + 1) for t in range(first, first + count)]
    assert whole.shape == (schedule.cases or 1, count)
    assert np.array_equal(whole, np.concatenate(parts, axis=1))
    assert np.array_equal(whole, np.concatenate(single, axis=1))


@pytest.mark.parametrize("name", ALL)
def test_schedules_are_schedules_that_cannot_be_changed(name):
    schedule = ALL[name]
    assert isinstance(schedule, Schedule)
    field = dataclasses.fields(schedule)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(schedule, field, 1.0)


def test_cosine_and_polynomial_end_at_the_floor():
    for make in (bn.Cosine, bn.Polynomial):
        assert make(0.5, 10).values(0, 1).tolist() == [[0.5]]
        assert make(0.5, 10, floor=0.25).values(10, 13).tolist() == [[0.25] * 3]
        assert make(0.5, 10).values(10, 12).tolist() == [[0.0, 0.0]]


def test_a_table_has_a_length_and_keeps_its_last_value():
    table = bn.Table([0.3, 0.2, 0.1])
    assert (table.length, table.cases) == (3, None)
    assert table.values(1, 5).tolist() == [[0.2, 0.1, 0.1, 0.1]]
    assert bn.Table(np.ones((2, 5))).length == 5 and bn.Table(np.ones((2, 5))).cases == 2
    assert bn.Warmup(table, 2).length == 3 and bn.Warmup(0.1, 2).length is None
    assert str(table) == "Table(3 values, 0.1 to 0.3)"


def test_a_table_is_a_copy():
    array = np.array([0.3, 0.2])
    table = bn.Table(array)
    array[0] = 7.0
    assert table.values(0, 2).tolist() == [[0.3, 0.2]]
    with pytest.raises(ValueError, match="read-only"):
        table.table[0] = 7.0


def test_a_rate_beyond_float64_names_its_step():
    schedule = bn.Exponential(1.0, 2.0)
    assert schedule.values(1000, 1024)[0, -1] == 2.0**1023
    with pytest.raises(InvalidInputError, match="leaves the range of float64 at step 1024"):
        schedule.values(1000, 1030)
    with pytest.raises(InvalidInputError, match="at step 2000"):
        schedule.values(2000, 2001)
    with pytest.raises(InvalidInputError, match="at step 1024"):  # of the case that grows
        bn.Exponential(1.0, [0.5, 2.0]).values(0, 2000)
    assert bn.Exponential(1.0, 0.5).values(5000, 5001).tolist() == [[0.0]]  # underflow is no error


REFUSED = {
    "a negative constant": (lambda: bn.Constant(-0.1), r"finite and >= 0, but a value is -0\.1"),
    "a constant that is nan": (lambda: bn.Constant(math.nan), "finite"),
    "a constant of no cases": (lambda: bn.Constant([]), "must be a number"),
    "a constant in words": (lambda: bn.Constant("0.1"), "not an array of numbers"),
    "a zero rate": (lambda: bn.Power(0.0), "learning rate must be finite and > 0"),
    "a zero rate with drops": (lambda: bn.StepDecay(0.0, {}), "learning rate must be finite and > 0"),
    "a growing power": (lambda: bn.Power(0.1, -1), "decay must be finite and >= 0"),
    "cases of two lengths": (lambda: bn.Exponential([0.1, 0.2], [1.0, 2.0, 3.0]), "lr has 2 cases, factor has 3"),
    "a factor of zero": (lambda: bn.Exponential(0.1, 0.0), "factor must be finite and > 0"),
    "drops that are no pairs": (lambda: bn.StepDecay(0.1, [7, 0.1]), r"must be \(step, factor\) pairs"),
    "a number of drops": (lambda: bn.StepDecay(0.1, 7), r"must be \(step, factor\) pairs"),
    "a drop at the start": (lambda: bn.StepDecay(0.1, {0: 0.1}), "the step of a drop must be a whole number"),
    "half a step": (lambda: bn.StepDecay(0.1, {1.5: 0.1}), "whole number of at least 1, not 1.5"),
    "a negative drop": (lambda: bn.StepDecay(0.1, {7: -0.1}), "the factor of a drop must be finite and > 0"),
    "a factor per case": (lambda: bn.StepDecay(0.1, {7: [0.1, 0.2]}), "one number, not 2"),
    "two drops at one step": (lambda: bn.StepDecay(0.1, [(7, 0.1), (7, 0.5)]), "two drops at one step"),
    "a cosine of no steps": (lambda: bn.Cosine(0.1, 0), "steps must be a whole number of at least 1, not 0"),
    "a cosine of True steps": (lambda: bn.Cosine(0.1, True), "steps must be a whole number"),
    "a cosine below zero": (lambda: bn.Cosine(0.1, 5, -0.1), "floor must be finite and >= 0"),
    "floors per case": (lambda: bn.Cosine(0.1, 5, [0.1, 0.2]), "floor must be one number, not 2"),
    "a polynomial of power 0": (lambda: bn.Polynomial(0.1, 5, 0.0), "power must be finite and > 0"),
    "a polynomial of half a step": (lambda: bn.Polynomial(0.1, 0.5), "steps must be a whole number"),
    "a warm-up of no steps": (lambda: bn.Warmup(0.1, 0), "steps must be a whole number of at least 1"),
    "a warm-up of a word": (lambda: bn.Warmup("cosine", 5), "a constant is not an array of numbers"),
    "an empty table": (lambda: bn.Table([]), r"has shape \(steps,\) or \(cases, steps\), not \(0,\)"),
    "a number as a table": (lambda: bn.Table(0.1), r"not \(\)"),
    "a table of three dims": (lambda: bn.Table(np.ones((1, 1, 1))), r"not \(1, 1, 1\)"),
    "a hole in a table": (lambda: bn.Table([0.1, math.inf]), r"table\[1\] = inf is not finite"),
    "a hole in one case": (lambda: bn.Table([[0.1, 0.2], [math.nan, 0.1]]), r"table\[1, 0\] = nan"),
    "a ragged table": (lambda: bn.Table([[0.1, 0.2], [0.1]]), "not an array of numbers"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_used_is_refused_by_name_and_value(case):
    make, message = REFUSED[case]
    with pytest.raises(InvalidInputError, match=message):
        make()
