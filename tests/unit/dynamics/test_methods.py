"""Methods and schedules: their rates, their names, and what they refuse."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bn_theory as bn
from bn_theory.dynamics import Constant, Power, Schedule
from bn_theory.errors import InvalidInputError

BAD_RATES = [
    0.0,
    -1.0,
    np.nan,
    np.inf,
    -np.inf,
    [0.1, 0.0],
    [0.1, np.nan],
    [],
    [[0.1]],
    None,
    "text",
    "0.1",
    ["0.1"],
    True,
    0.1 + 0j,
    [[1.0, 2.0], [3.0]],
]


@pytest.mark.parametrize("rate", BAD_RATES, ids=repr)
@pytest.mark.parametrize("make", [bn.GD, bn.SGD], ids=["GD", "SGD"])
def test_bad_rates(make, rate):
    with pytest.raises(InvalidInputError, match="learning rate"):
        make(lr=rate)
    with pytest.raises(InvalidInputError, match="learning rate"):
        make(lr={"w": 0.1, "v": rate})


@pytest.mark.parametrize("decay", [-0.1, np.nan, np.inf, [0.1, -0.1], [], "text", "0.5", False, 0.5j], ids=repr)
def test_bad_decays(decay):
    with pytest.raises(InvalidInputError, match="decay"):
        bn.SGD(lr=0.1, decay=decay)


def test_other_bad_arguments():
    with pytest.raises(InvalidInputError, match="no learning rate"):
        bn.GD(lr={})
    with pytest.raises(InvalidInputError, match="2 cases, decay has 3"):
        bn.SGD(lr=[0.1, 0.2], decay=[0.0, 0.1, 0.2])
    with pytest.raises(TypeError):
        bn.GD(lr=0.1, decay=0.5)
    with pytest.raises(TypeError):
        bn.SGD(lr=0.1, nesterov=True)


def test_a_decay_is_never_dropped_silently():
    """A decay for a target without a rate, or on top of a schedule, is an error and not ignored."""
    with pytest.raises(InvalidInputError, match=r"decay.*typo"):
        bn.SGD(lr={"w": 0.1}, decay={"typo": 0.5})
    with pytest.raises(InvalidInputError, match="decay"):
        bn.SGD(lr=Constant(0.1), decay=0.5)


@given(
    lr=st.floats(1e-8, 1e8),
    decay=st.floats(0, 2),
    first=st.integers(0, 10**9),
    count=st.integers(1, 20),
)
def test_power_schedule(lr, decay, first, count):
    found = Power(lr, decay).values(first, first + count)
    assert found.shape == (1, count)
    for i in range(count):
        expected = lr * (first + i + 1) ** -decay
        # two implementations of pow and one product
        assert abs(found[0, i] - expected) <= 8 * np.spacing(expected)


@given(first=st.integers(0, 10**6), cut=st.integers(1, 50), count=st.integers(51, 100), decay=st.floats(0, 1))
def test_rates_do_not_depend_on_how_they_are_asked_for(first, cut, count, decay):
    """Bit for bit: the engines ask for one step or for thousands at a time."""
    schedule = Power([0.3, 2.0], decay)
    whole = schedule.values(first, first + count)
    parts = [schedule.values(first, first + cut), schedule.values(first + cut, first + count)]
    single = [schedule.values(t, t + 1) for t in range(first, first + count)]
    assert np.array_equal(whole, np.concatenate(parts, axis=1))
    assert np.array_equal(whole, np.concatenate(single, axis=1))


def test_constant_schedule():
    assert Constant(0.5).values(7, 9).tolist() == [[0.5, 0.5]]
    assert Constant(0.5).cases is None
    assert Constant([0.5, 1.0]).values(0, 2).tolist() == [[0.5, 0.5], [1.0, 1.0]]
    assert Constant([0.5, 1.0]).cases == 2
    assert isinstance(Constant(0.5), Schedule) and isinstance(Power(0.5), Schedule)


def test_cases_of_rate_and_decay_combine():
    grid = Power([1.0, 2.0], [0.0, 1.0])
    assert grid.values(0, 2).tolist() == [[1.0, 1.0], [2.0, 1.0]]
    assert Power(1.0, [0.0, 1.0]).cases == 2
    assert Power([1.0, 2.0], 0.5).cases == 2


def test_rates_by_target():
    method = bn.SGD(lr={"w": 0.1, "gamma": 0.2}, decay={"gamma": 0.5})
    assert method.schedule("w") == Power(0.1, 0.0)
    assert method.schedule("gamma") == Power(0.2, 0.5)
    with pytest.raises(InvalidInputError, match="no learning rate for 'v'"):
        method.schedule("v")
    method = bn.SGD(lr=0.1, decay={"gamma": 0.5})
    assert method.schedule("w") == Power(0.1, 0.0)
    assert method.schedule("gamma") == Power(0.1, 0.5)
    assert bn.GD(lr={"w": Power(0.1, 0.3)}).schedule("w") == Power(0.1, 0.3)
    assert bn.GD(lr=Power(0.1, 0.3)).schedule("anything") == Power(0.1, 0.3)


def test_methods_are_immutable_values():
    method = bn.SGD(lr=[0.1, 0.2], decay=0.25)
    assert method == bn.SGD(lr=[0.1, 0.2], decay=0.25)
    assert method != bn.SGD(lr=[0.1, 0.2], decay=0.5)
    assert hash(method) == hash(bn.SGD(lr=[0.1, 0.2], decay=0.25))
    with pytest.raises(dataclasses.FrozenInstanceError):
        method.sampled = False


def test_names_tell_methods_apart():
    names = {
        method.name
        for method in (
            bn.GD(lr=0.1),
            bn.GD(lr=0.1, projected=True),
            bn.SGD(lr=0.1),
            bn.SGD(lr=0.1, decay=0.25),
            bn.SGD(lr=0.1, decay=0.25, projected=True),
            bn.SGD(lr=np.array([0.1, 1.0])),
            bn.GD(lr={"w": 0.1}),
        )
    }
    assert len(names) == 7
    assert (bn.GD(lr=0.1).sampled, bn.SGD(lr=0.1).sampled) == (False, True)
    assert (bn.GD(lr=0.1).projected, bn.GD(lr=0.1, projected=True).projected) == (False, True)
