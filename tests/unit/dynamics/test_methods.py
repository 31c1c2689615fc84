"""Methods and schedules: their rates, their names, and what they refuse."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bn_theory as bn
from bn_theory.dynamics import Constant, Power, Schedule
from bn_theory.dynamics.methods import DECAY, MOMENTUM, RATE, RESCALING, Kind
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


# --- momentum, weight decay, changes of units ---

MAKERS = pytest.mark.parametrize("make", [bn.GD, bn.SGD], ids=["GD", "SGD"])


@MAKERS
def test_the_kind_says_what_a_step_consists_of(make):
    sampled = make is bn.SGD
    assert make(0.1).kind == Kind(sampled)
    assert make(0.1, momentum=0.9).kind == Kind(sampled, momentum=True)
    assert make(0.1, weight_decay=5e-4).kind == Kind(sampled, decay=True)
    assert make(0.1, rescaling=2.0).kind == Kind(sampled, rescaling=True)
    everything = make(0.1, momentum=[0.0, 0.9], weight_decay={"w": 0.1}, rescaling=bn.Table([1.0, 0.5]))
    assert everything.kind == Kind(sampled, momentum=True, decay=True, rescaling=True)
    assert make(0.1, projected=True).kind == Kind(sampled, projected=True)
    assert Kind().plain and Kind(rescaling=True).plain
    assert not Kind(momentum=True).plain and not Kind(decay=True).plain


@MAKERS
def test_what_has_no_effect_is_left_out(make):
    assert make(0.1, momentum=0.0, weight_decay=0, rescaling=1.0) == make(0.1)
    assert make(0.1, momentum=bn.Constant(0.0), weight_decay={"w": 0.0, "v": 0.0}) == make(0.1)
    assert make(0.1, momentum=0.0, projected=True) == make(0.1, projected=True)
    # one group is enough
    assert make(0.1, weight_decay={"w": 0.0, "v": 0.1}).kind.decay


@MAKERS
def test_coefficients_by_target(make):
    method = make(
        0.1,
        momentum={"w": 0.9, None: 0.5},
        weight_decay={"w": bn.Cosine(0.1, 10), "gamma": [0.0, 0.2]},
        rescaling={"w": 2.0},
    )
    assert method.coefficient(RATE, "w") == method.schedule("w")
    assert method.coefficient(MOMENTUM, "w") == Constant(0.9)
    assert method.coefficient(MOMENTUM, "gamma") == Constant(0.5)
    assert method.coefficient(DECAY, "w") == bn.Cosine(0.1, 10)
    assert method.coefficient(DECAY, "gamma") == Constant((0.0, 0.2))
    assert method.coefficient(DECAY, "v") == Constant(0.0)
    assert method.coefficient(RESCALING, "w") == Constant(2.0)
    assert method.coefficient(RESCALING, "v") == Constant(1.0)
    plain = make(0.1)
    assert [plain.coefficient(name, "w") for name in (MOMENTUM, DECAY, RESCALING)] == [
        Constant(0.0),
        Constant(0.0),
        Constant(1.0),
    ]
    assert {(name, target) for name, target, _ in method.given} == {
        (RATE, None),
        (MOMENTUM, "w"),
        (MOMENTUM, None),
        (DECAY, "w"),
        (DECAY, "gamma"),
        (RESCALING, "w"),
    }


@MAKERS
@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"momentum": 1.0}, "momentum must be below 1, not 1.0"),
        ({"momentum": [0.5, 1.5]}, "momentum must be below 1, not"),
        ({"momentum": -0.1}, "momentum must be finite and >= 0"),
        ({"momentum": np.nan}, "momentum must be finite and >= 0"),
        ({"momentum": "0.9"}, "momentum is not an array of numbers"),
        ({"momentum": True}, "momentum is not an array of numbers"),
        ({"momentum": None}, "momentum is not an array of numbers"),
        ({"momentum": {}}, "gives no momentum"),
        ({"momentum": {"w": 2.0}}, "momentum must be below 1"),
        ({"weight_decay": -1e-4}, "weight decay must be finite and >= 0, but a value is -0.0001"),
        ({"weight_decay": np.inf}, "weight decay must be finite and >= 0"),
        ({"weight_decay": [[0.1]]}, r"weight decay must be a number or have shape \(cases,\)"),
        ({"weight_decay": {}}, "gives no weight decay"),
        ({"rescaling": 0.0}, "rescaling must be finite and > 0"),
        ({"rescaling": {"w": -1.0}}, "rescaling must be finite and > 0"),
        ({"rescaling": {}}, "gives no rescaling"),
        ({"momentum": 0.9, "projected": True}, "projected=True together with momentum is not defined"),
        ({"weight_decay": 0.1, "rescaling": 2.0, "projected": True}, "together with weight_decay and rescaling"),
    ],
)
def test_bad_momentum_decay_and_rescaling(make, arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        make(0.1, **arguments)


@MAKERS
def test_a_schedule_of_weight_decay_may_have_any_sign(make):
    assert make(0.1, weight_decay=bn.Table([0.1, -0.1])).coefficient(DECAY, "w").values(0, 2).tolist() == [[0.1, -0.1]]


def test_names_tell_what_was_given():
    names = [
        method.name
        for method in (
            bn.GD(0.1),
            bn.GD(0.1, momentum=0.9),
            bn.GD(0.1, weight_decay=0.9),
            bn.GD(0.1, rescaling=0.9),
            bn.SGD(0.1, momentum=0.9, weight_decay=5e-4),
            bn.SGD(0.1, momentum=np.array([0.5, 0.9])),
            bn.SGD(bn.Table([0.1, 0.2]), momentum=0.9),
        )
    ]
    assert len(set(names)) == 7
    assert names[4] == "SGD(lr=0.1, decay=0.0, momentum=0.9, weight_decay=0.0005)"
    assert names[5] == "SGD(lr=0.1, decay=0.0, momentum=[0.5, 0.9])"
    assert bn.GD(0.1, momentum=0.0).name == "GD(lr=0.1)"


def test_coefficients_that_do_not_fit_the_loss_or_the_run_are_refused_before_it():
    loss = bn.rayleigh(np.array([0.0, 1.0]))
    for method, message in (
        (bn.GD({"w": 0.1, "v": 0.1}), r"learning rates for \['v'\], but the loss has \['w'\]"),
        (bn.GD(0.1, momentum={"v": 0.9}), r"momentum for \['v'\], but the loss has \['w'\]"),
        (bn.GD(0.1, weight_decay={"v": 0.1}), r"weight decay for \['v'\]"),
        (bn.GD(0.1, rescaling={"v": 0.5}), r"rescaling for \['v'\], but scale-invariant groups \['w'\]"),
        (bn.GD(bn.Table([0.1, 0.2])), r"learning rates: Table\(2 values.*ends after 2 steps, but the run has 3"),
        (bn.GD(0.1, momentum=bn.Table([0.1, 0.2])), "momentum: .* ends after 2 steps, but the run has 3"),
        (bn.GD(0.1, weight_decay={"w": bn.Warmup(bn.Table([0.1, 0.2]), 2)}), "weight decay: .* ends after 2 steps"),
        (bn.GD(0.1, rescaling=bn.Table([0.5, 0.2])), "rescaling: .* ends after 2 steps"),
        (bn.GD(bn.equivalent_schedule(0.1, 0.1, steps=2)), "learning rates: equivalent schedule of 2 steps ends after"),
    ):
        with pytest.raises(InvalidInputError, match=message):
            bn.run(loss, method, steps=3, engine="numpy")


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"lr": 0.1, "momentum": bn.Constant(2.0)}, r"momentum must be in \[0, 1\), but .* has 2.0 at step 0"),
        ({"lr": 0.1, "momentum": bn.Table([0.5, 0.5, 1.5, 0.5, 0.5])}, "momentum .* has 1.5 at step 2"),
        ({"lr": 0.1, "momentum": bn.Table([-0.5] * 5)}, "momentum .* has -0.5 at step 0"),
        ({"lr": bn.Table([0.1, 0.1, 0.1, -0.1, 0.1])}, "learning rates must be >= 0, but .* has -0.1 at step 3"),
        ({"lr": 0.1, "rescaling": bn.Table([1.0, -1.0, 1.0, 1.0, 1.0])}, "rescaling must be > 0, but .* has -1.0 at"),
        ({"lr": 0.1, "rescaling": bn.Table([0.0] * 5)}, "rescaling must be > 0"),
        ({"lr": 0.1, "momentum": bn.Exponential(0.5, 2.0)}, "momentum .* has 2.0 at step 2"),
    ],
)
def test_values_of_schedules_are_checked_by_the_run(given, match):
    with pytest.raises(InvalidInputError, match=match):
        bn.run(bn.rayleigh([0.0, 1.0]), bn.GD(**given), [1.0, 1.0], steps=5)


def test_a_decay_schedule_may_have_any_sign():
    """At a minimum there is nothing but the decay: times ``1 + 0.5 * 0.25``, then times ``1 - 0.5 * 0.25``, exactly."""
    method = bn.GD(0.5, weight_decay=bn.Table([-0.25, 0.25]))
    found = bn.run(bn.rayleigh([0.0, 1.0]), method, [1.0, 0.0], steps=2, record="all")
    assert found.norm2.values.tolist() == [[1.0, 1.125**2, (1.125 * 0.875) ** 2]]
