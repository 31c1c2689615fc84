"""``assert_norm_growth`` on arrays, data sets and logs: by how little a step may miss, and what is refused."""

import numpy as np
import pytest

import bn_theory as bn
from bn_theory.errors import InvalidInputError
from bn_theory.testing import ClaimFailedError, assert_norm_growth

D, STEPS, LR = 20, 200, 0.3
A = np.linspace(0.0, 1.0, D)


def gradient(w, z):
    """Of a Rayleigh quotient, with noise tangent to the sphere; both computed in the type of w."""
    tangent = z - (z @ w) / (w @ w) * w
    return (A.astype(w.dtype) * w - (w @ (A.astype(w.dtype) * w)) / (w @ w) * w) / (w @ w) + tangent / np.sqrt(w @ w)


def trajectory(lr=LR, *, momentum=0.0, decay=0.0, lean=0.0, kind=np.float64, steps=STEPS):
    rng = np.random.default_rng(7)
    w, b = rng.standard_normal(D).astype(kind), np.zeros(D, kind)
    weights, gradients = [w], []
    for _ in range(steps):
        g = gradient(w, rng.standard_normal(D).astype(kind)) + kind(lean) * w
        b = kind(momentum) * b + g + kind(decay) * w
        w = w - kind(lr) * b
        weights.append(w)
        gradients.append(g)
    return np.array(weights), lr, np.array(gradients)


def failed(*arguments, **options):
    with pytest.raises(ClaimFailedError) as caught:
        assert_norm_growth(*arguments, **options)
    return caught.value


@pytest.mark.parametrize("lr", [1e-3, 0.1, 1.0, 100.0])
def test_holds(lr):
    found = assert_norm_growth(*trajectory(lr))
    assert (found.kind, found.verdict) == ("identity", "supported")
    assert found.measured < 1 and found.details["notices"] < 1e-3


def test_holds_in_float32_for_steps_that_it_resolves():
    found = assert_norm_growth(*trajectory(1.0, kind=np.float32))
    # the bound is that of float32: in float64's the rounding of float32 would be 2^29 times too large
    assert 1e-9 * 2**-29 < 1e-6 < found.details["notices"] < 0.1


def test_rates_of_every_step_and_weights_of_any_shape():
    w, lr, g = trajectory()
    assert_norm_growth(w.reshape(STEPS + 1, 4, 5), np.full(STEPS, lr), g.reshape(STEPS, 4, 5))
    assert_norm_growth(w.tolist(), lr, g.tolist())


@pytest.mark.parametrize(
    ("wrong", "size"), [("momentum", 0.9), ("momentum", 1e-6), ("momentum", 1e-9), ("decay", 1e-4), ("decay", 1e-11)]
)
def test_momentum_and_decay(wrong, size):
    error = failed(*trajectory(**{wrong: size}))
    assert error.evidence.verdict == "contradicted" and error.evidence.measured > 10
    assert "the step is not -eta g" in str(error) and "|w|^2 grew by" in str(error)


@pytest.mark.parametrize("lean", [1e-3, 1e-8, 1e-11])
def test_a_gradient_that_is_not_orthogonal(lean):
    """|w| is 5 to 13: the growth misses 2 eta lean |w|^2, a rounding of the norm being 1e-13."""
    error = failed(*trajectory(lean=lean))
    assert "the step is -eta g, but g is not orthogonal to w" in str(error)


def test_another_rate():
    w, lr, g = trajectory()
    for factor in (2.0, 1 + 1e-9):
        assert "another rate" in str(failed(w, lr * factor, g))
    assert_norm_growth(w, lr * (1 + 1e-16), g)


def test_the_place_is_named():
    w, lr, g = trajectory()
    rates = np.full(STEPS, lr)
    rates[17] *= 1 + 1e-6
    assert failed(w, rates, g).evidence.details["worst"] == "step 17"
    w[31] = np.nan
    error = failed(w, lr, g)
    assert error.evidence.details["worst"] == "step 30" and np.isnan(error.evidence.measured)


def test_steps_below_rounding_decide_nothing():
    """eta^2 |g|^2 = 1e-20 |w|^2: any method would do."""
    w, lr, g = trajectory(1e-10, momentum=0.9, steps=20)
    error = failed(w, lr, g)
    assert error.evidence.verdict == "inconclusive" and "nothing is seen" in str(error)


def test_a_rounding_of_ones_own():
    lean = trajectory(lean=1e-11)
    failed(*lean)
    # <w, g> is lean |w|^2 < 2e-9: a gradient known to no better than that is fine with it
    assert_norm_growth(*lean, gradient_rounding=2e-9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.ones((3, 2)),), "learning_rates are missing"),
        ((np.ones((3, 2)), 0.1), "gradients are missing"),
        ((np.ones((3, 2)), 0.1, np.ones((3, 2))), r"\(T \+ 1, d\)"),
        ((np.ones((3, 2)), [0.1, 0.2, 0.3], np.ones((2, 2))), r"learning_rates \(3,\)"),
        ((np.ones(3), 0.1, np.ones(2)), r"\(T \+ 1, d\)"),
        ((np.ones((1, 2)), 0.1, np.ones((0, 2))), "gradients is empty"),
        ((np.ones((3, 2)), -0.1, np.ones((2, 2))), ">= 0, but one is -0.1"),
        ((np.ones((3, 2)), "fast", np.ones((2, 2))), "real numbers"),
    ],
)
def test_arrays_that_do_not_fit(arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        assert_norm_growth(*arguments)


# --- data sets of bn.run ---


@pytest.fixture(scope="module")
def loss(zoo):
    return zoo("rayleigh_signs")


@pytest.mark.parametrize("record", ["log", "all"])
@pytest.mark.parametrize("method", [bn.GD(0.5), bn.SGD([0.01, 1.0, 100.0])], ids=["GD", "SGD, three rates"])
def test_runs(loss, method, record):
    found = assert_norm_growth(bn.run(loss, method, steps=500, replicas=3, record=record))
    assert found.measured < 1 and found.details["notices"] < 1e-9


def test_runs_of_several_groups(zoo):
    run = bn.run(zoo("bilinear_signs"), bn.SGD(0.5), steps=200, replicas=2, record="all")
    assert "group" in assert_norm_growth(run).details["worst"]
    assert_norm_growth(run.sel(group="v"))


@pytest.mark.parametrize("record", [[0, 100], "all"])
@pytest.mark.parametrize(
    "options", [{"momentum": 1e-7}, {"weight_decay": 1e-10}, {"projected": True}], ids=lambda o: next(iter(o))
)
def test_runs_by_other_methods(loss, options, record):
    error = failed(bn.run(loss, bn.SGD(0.5, **options), steps=100, replicas=3, record=record))
    assert error.evidence.verdict == "contradicted" and "momentum, weight decay or projection" in str(error)


def test_runs_of_a_loss_that_is_not_invariant(zoo):
    assert failed(bn.run(zoo("quadratic"), bn.GD(0.3), steps=20)).evidence.measured > 1e6


def test_one_wrong_step_of_one_replica(loss):
    run = bn.run(loss, bn.SGD(0.5), steps=100, replicas=3, record="all").copy(deep=True)
    run.step_grad2.values[1, 40] *= 1 + 1e-9
    assert failed(run).evidence.details["worst"] == "step 40, replica 1"
    run.step_grad2.values[1, 40] = np.nan
    assert np.isnan(failed(run).evidence.measured)


def test_data_sets_that_do_not_do(loss):
    run = bn.run(loss, bn.SGD(0.5), steps=10, record="all")
    for given, message in ((run.drop_vars("norm2"), "lacks norm2"), (run.isel(step=[3]), "fewer than two")):
        with pytest.raises(InvalidInputError, match=message):
            assert_norm_growth(given)
    with pytest.raises(InvalidInputError, match="learning_rates belong to arrays"):
        assert_norm_growth(run, 0.5)
    with pytest.raises(InvalidInputError, match="gradient_rounding must be"):
        assert_norm_growth(run, gradient_rounding=np.nan)
