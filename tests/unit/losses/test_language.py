"""The loss language: what it accepts, what it refuses and how it expands ``total``."""

from fractions import Fraction

import numpy as np
import pytest
import sympy

import bn_theory as bn
from bn_theory.errors import InvalidInputError, LossError, NoiseError, UnknownNameError
from bn_theory.losses.language import reduce_expression

w, u, a, gamma = bn.weights("w"), bn.weights("u"), bn.data("a"), bn.parameter("gamma")
z, y = bn.noise("z"), bn.noise("y", "gaussian")
t = bn.total


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        (w * t(w**2), "w must stand inside total"),
        (t(w**2) + z, "z must stand inside total"),
        (t(w**2) + sympy.Symbol("x"), "plain symbols x have no meaning"),
        (t(sympy.Symbol("x") * w**2), "plain symbols x have no meaning"),
        (t(w**2 * sympy.sqrt(1 + t(a * w) * w**2)), "nested totals .* do not factor"),
        (t(sympy.exp(w * t(w**2))), "nested totals .* do not factor"),
        (t(w**2) * t(3), "sums a constant over the coordinates"),
        (t(w**2) * t(gamma), "sums a constant over the coordinates"),
        (t((w - 1) ** 2), "sums a constant over the coordinates"),
        (t(w**2) + t(a), "is a constant; compute it and pass it as scalar data"),
        (t(w**2) * a + t(a * w), "stand both inside and outside total"),
        (t(w**2) * t(bn.data("w")), "is a constant|used for two different symbols"),
        (t(w * bn.data("w")), "'w' is used for two different symbols"),
        (t(w**2) * bn.parameter("w"), "'w' is used for two different symbols"),
        (t(a * w) + t(bn.data("a", positive=True) * u), "'a' is used for two different symbols"),
        (t(bn.weights("S_0") ** 2), "'S_0' is reserved"),
        (t(bn.weights("self") ** 2), "'self' is reserved"),
        (gamma**2, "no weights"),
        (sympy.Integer(3), "no weights"),
        (bn.data("c") + t(z * a), "no weights"),
    ],
)
def test_refused_expressions(expression, message):
    with pytest.raises(LossError, match=message):
        reduce_expression(expression)


@pytest.mark.parametrize(
    "expression",
    [
        t(z**2 * w),
        t(z * w) ** 2,
        t(z * y * w),
        t(z * w) * t(y * w),
        t(sympy.exp(z) * w),
        t(sympy.sign(z) * w),
        t(w / (2 + z)),
        t(sympy.exp(z * w)),
        sympy.exp(t(z * w)),
        sympy.Abs(t(z * w)),
        sympy.Max(t(z * w), 0),
        1 / (2 + t(z * w)),
        sympy.sqrt(t(z * w) ** 2),
        sympy.Piecewise((t(z * w), t(z * w) > 0), (2 * t(z * w), True)),
    ],
    ids=str,
)
def test_noise_that_is_not_linear(expression):
    with pytest.raises(NoiseError, match="noise must enter linearly"):
        reduce_expression(t(w**2) + expression)


@pytest.mark.parametrize(
    "expression",
    [
        t(z * w) / sympy.sqrt(t(w**2)),
        gamma**2 * t(z * sympy.log(1 + w**2)),
        t(z * w) + t(y * a * w),
        sympy.exp(t(a * w)) * (1 + t(z * w)),
    ],
    ids=str,
)
def test_linear_noise_leaves_the_expression_without_it(expression):
    reduced = reduce_expression(t(w**2) + expression)
    assert reduced.noisy and not reduced.full.free_symbols & set(reduced.noisy)
    # The mean over z -> -z is the full loss exactly when phi is affine in the noisy sums.
    flipped = reduced.phi.subs({s: -s for s in reduced.noisy}, simultaneous=True)
    assert sympy.simplify((reduced.phi + flipped) / 2 - reduced.full) == 0


def test_noise_alone_in_a_total_has_no_size():
    with pytest.raises(LossError):
        bn.Loss(t(w**2) + t(z))


@pytest.mark.parametrize("make", [bn.Loss, bn.total, reduce_expression], ids=["Loss", "total", "reduce_expression"])
@pytest.mark.parametrize(
    "value",
    ["open('made_by_text', 'w')", "w**2", b"w", [1], (w,), {}, None, True, sympy.Le(w, 1), np.ones(2)],
    ids=repr,
)
def test_only_expressions_are_expressions(make, value, tmp_path, monkeypatch):
    """Text least of all: sympy would evaluate it as Python code, here to make a file."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LossError, match="is not an expression but of type"):
        make(value)
    assert not list(tmp_path.iterdir())


def test_numbers_are_expressions():
    for number in (2, 2.0, np.float64(2), np.int64(2), Fraction(2)):
        assert sums(t(number * w)) == sums(number * t(w)) == sympy.sympify(number) * named("w")
        with pytest.raises(LossError, match="no weights"):
            bn.Loss(number)


@pytest.mark.parametrize("make", [bn.weights, bn.data, bn.parameter, bn.noise])
@pytest.mark.parametrize("name", ["2w", "", "w w", None, 3])
def test_names_must_be_identifiers(make, name):
    with pytest.raises(LossError, match="identifier"):
        make(name)


@pytest.mark.parametrize("kind", ["cauchy", ["rademacher"], None])
def test_unknown_kind_of_noise(kind):
    with pytest.raises(UnknownNameError, match=r"rademacher.*gaussian"):
        bn.noise("z", kind)


def sums(expression):
    """The reduced expression with every reduction replaced by its summand in square brackets."""
    reduced = reduce_expression(expression)
    return reduced.phi.subs({s: sympy.Symbol(f"[{e}]") for s, e in (reduced.clean | reduced.noisy).items()})


def named(text):
    return sympy.Symbol(f"[{text}]")


def test_total_is_linear():
    assert sums(t(3 * a * w**2 - w)) == 3 * named("a*w**2") - named("w")
    assert sums(t((w + a) * w)) == named("w**2") + named("a*w")
    assert sums(t(gamma * w)) == gamma * named("w")


def test_equal_summands_are_one_reduction():
    reduced = reduce_expression(t(a * w**2) / t(w**2) + t(w * w * a))
    assert len(reduced.clean) == 2


def test_nested_totals_that_factor():
    assert sums(t(w * t(a * w))) == named("w") * named("a*w")
    nested = t(w**2 * (1 + t(a * t(u * w) * w)))
    assert sympy.expand(sums(nested) - named("w**2") * (1 + named("a*w") * named("u*w"))) == 0


def test_axes_are_the_totals_that_share_coordinates():
    v, b = bn.weights("v"), bn.data("b")
    assert reduce_expression(t(a * u) * t(b * v)).axes == (("a", "u"), ("b", "v"))
    assert reduce_expression(t(a * u) * t(b * v) + t(u * v)).axes == (("a", "b", "u", "v"),)


def test_parameter_inside_a_total_that_does_not_factor():
    loss = bn.Loss(t(sympy.log(1 + gamma**2 * w**2)))
    value = loss.value({"w": [1.0, 2.0], "gamma": 3.0})
    # log(1 + 9) + log(1 + 36): two libraries' logarithms, 1 ulp each, and a sum
    assert abs(value - (np.log(10.0) + np.log(37.0))) <= 4 * np.spacing(value)
    assert loss.parameters == ("gamma",)


def test_groups_of_different_length(zoo):
    loss = zoo("two_axes")
    assert loss.dimensions == {"u": 3, "v": 4}
    assert loss.cases == 2


def test_scalar_data_with_a_case_axis():
    loss = bn.Loss(bn.data("c") * t(a * w), a=[1.0, 2.0], c=[1.0, 10.0, 100.0])
    assert loss.cases == 3
    value, full, _ = loss.evaluate({"w": np.array([[[1.0, 1.0]]])})
    assert value[:, 0].tolist() == [3.0, 30.0, 300.0]
    assert full["w"][:, 0].tolist() == [[1.0, 2.0], [10.0, 20.0], [100.0, 200.0]]


def test_one_number_inside_total_stands_for_every_coordinate():
    b = bn.data("b")
    loss = bn.Loss(t(a * b * w), a=2.0, b=[1.0, 3.0])
    assert loss.value({"w": [1.0, 1.0]}) == 8.0
    with pytest.raises(LossError, match="is one number but stands inside total"):
        bn.Loss(t(a * w), a=2.0)


c = bn.data("c")
positive = bn.data("a", positive=True)


@pytest.mark.parametrize(
    ("expression", "data", "message"),
    [
        (t(a * w), {}, "data a missing"),
        (t(a * w), {"a": [1.0], "b": 1.0}, "data b not in the expression"),
        (t(a * w), {"a": [1.0], "w": [1.0]}, "data w not in the expression"),
        (t(a * w), {"a": [1.0, np.nan]}, r"data 'a' must be finite; entry \(1,\) is nan"),
        (t(a * w), {"a": [[1.0, 2.0], [-np.inf, 1.0]]}, r"entry \(1, 0\) is -inf"),
        (t(positive * w), {"a": [1.0, 0.0]}, "declared positive but has an entry 0.0"),
        (t(a * w), {"a": np.ones((2, 3, 4))}, r"shape \(2, 3, 4\): at most a case axis"),
        (c * t(a * w), {"a": [1.0], "c": np.ones((2, 2))}, r"data 'c' has shape \(2, 2\)"),
        (t(a * w), {"a": []}, "data 'a' is empty"),
        (t(a * w), {"a": np.ones((0, 3))}, r"data 'a' is empty, with shape \(0, 3\)"),
        (c * t(w**2), {"c": []}, "data 'c' is empty"),
        (t(a * w), {"a": ["1", "2"]}, "data 'a' is not an array of numbers"),
        (t(a * w), {"a": [1.0, 1j]}, "data 'a' is not an array of numbers"),
        (t(a * w), {"a": [True, False]}, "data 'a' is not an array of numbers"),
        (t(a * w) + t(bn.data("b") * w), {"a": [1.0], "b": [1.0, 2.0]}, "share their coordinates"),
        (c * t(a * w), {"a": np.ones((2, 3)), "c": [1.0, 2.0, 3.0]}, "case axes differ in length"),
        (t(a * w), {"a": "text"}, "'a'"),
        (t(a * w), {"a": [[1.0, 2.0], [3.0]]}, "'a'"),
    ],
)
def test_refused_data(expression, data, message):
    with pytest.raises(LossError, match=message):
        bn.Loss(expression, **data)


def test_data_are_copied():
    values = np.array([1.0, 2.0])
    loss = bn.Loss(t(a * w), a=values)
    values[0] = 7.0
    assert loss.data["a"].tolist() == [1.0, 2.0]


def test_copies_with_facts_and_starts():
    loss = bn.Loss(t(a * w**2) * gamma, a=[1.0, 2.0])
    assert loss.with_facts(infimum=1.5).facts.infimum == 1.5
    assert loss.facts.infimum is None
    assert loss.with_start(gamma=2.0, w=[1.0, 1.0]).start["gamma"] == 2.0
    assert loss.start == {}
    with pytest.raises(InvalidInputError, match="unknown facts"):
        loss.with_facts(minimal=0.0)
    with pytest.raises(InvalidInputError, match="no group or parameter"):
        loss.with_start(x=0.0)
    with pytest.raises(LossError, match="no un-normalised twin"):
        _ = loss.unnormalised


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ({"w": [1.0, np.nan]}, "start of 'w' must be finite, but an entry is nan"),
        ({"w": [1.0, np.inf]}, "start of 'w' must be finite, but an entry is inf"),
        ({"gamma": -np.inf}, "start of 'gamma' must be finite"),
        ({"w": "abc"}, "start of 'w' is not an array of numbers: 'abc'"),
        ({"gamma": "1.0"}, "start of 'gamma' is not an array of numbers"),
        ({"w": [1.0, 1j]}, "start of 'w' is not an array of numbers"),
        ({"gamma": True}, "start of 'gamma' is not an array of numbers"),
        ({"w": []}, "start of 'w' is empty"),
        ({"w": 1.0}, r"start of 'w' has shape \(\); it must be \(d,\) or \(cases, d\)"),
        ({"w": np.ones((2, 2, 2))}, r"it must be \(d,\) or \(cases, d\)"),
        ({"gamma": [[1.0]]}, r"start of 'gamma' has shape \(1, 1\); it must be \(\) or \(cases,\)"),
        ({"w": [1.0, 2.0, 3.0]}, "start of 'w' has 3 coordinates, but the loss has 2"),
    ],
)
def test_refused_starts(start, message):
    with pytest.raises(InvalidInputError, match=message):
        bn.Loss(t(a * w**2) * gamma, a=[1.0, 2.0]).with_start(**start)


def test_sizes_must_fit_the_data():
    loss = bn.Loss(t(a * w), a=[1.0, 2.0])
    with pytest.raises(InvalidInputError, match="coordinates"):
        loss.sized({"w": 3})
    assert bn.Loss(t(w**2)).sized({"w": 3}).dimensions == {"w": 3}


def test_state_must_be_complete():
    with pytest.raises(InvalidInputError, match="lacks 'gamma'"):
        bn.Loss(t(a * w) * gamma, a=[1.0]).value({"w": [1.0]})
