"""Philox, array-function losses and the step of the loop in a namespace that knows the array-API standard only.

The arrays lie on a device of array_api_strict from which NumPy cannot read them: what leaves the namespace or forgets
the device fails here. Its arithmetic is NumPy's, so results are equal bit for bit.
"""

from types import SimpleNamespace

import array_api_strict as xp
import numpy as np
import pytest

import bn_theory as bn
from bn_theory.dynamics.methods import RATE
from bn_theory.engines.array_loop import advance, begin, diverging, measure, recorded
from bn_theory.engines.numpy_ import NumpyEngine
from bn_theory.engines.problem import Problem
from bn_theory.errors import InvalidInputError
from bn_theory.losses import philox
from bn_theory.losses.resident import Resident

AWAY = xp.Device("device1")
HOME = xp.Device("CPU_DEVICE")
SEED, REPLICAS = 2**32 + 3, np.array([0, 5, 2**31 + 3, 2**32 - 1])


def away(array):
    return xp.asarray(array, device=AWAY)


def home(array):
    assert array.device == AWAY
    return np.asarray(xp.asarray(array).to_device(HOME))


def test_the_device_keeps_its_arrays():
    with pytest.raises(RuntimeError, match="device"):
        np.asarray(away(np.ones(2)))


DRAWS = {
    "signs": lambda steps, replicas, **xp: philox.signs(SEED, replicas, steps, 70, 3, **xp),
    "normals": lambda steps, replicas, **xp: philox.normals(SEED, replicas, steps, 7, 3, **xp),
    "integers": lambda steps, replicas, **xp: philox.integers(SEED, replicas, steps, 7, 3, **xp),
    "uniform": lambda steps, replicas, **xp: philox.uniform_pairs(SEED, replicas, np.atleast_1d(steps), 5, 3, **xp)[0],
}


@pytest.mark.parametrize("name", DRAWS)
@pytest.mark.parametrize("steps", [0, 2**46 + 2, [5, 0, 4, 5, 2**34 + 1], np.arange(64, 96)], ids=str)
def test_philox_draws_the_same_bits(name, steps):
    found = DRAWS[name](steps, away(REPLICAS), xp=xp)
    assert np.array_equal(home(found), DRAWS[name](steps, REPLICAS))


def test_philox_words():
    counters = [np.arange(4) * 2**30 + 1, 5, 2**32 - 1, np.arange(3)[:, None]]
    expected = philox.philox(*counters, 2**32 - 1, 7)
    found = philox.philox(*map(xp.asarray, counters), 2**32 - 1, 7, xp=xp)
    assert all(np.array_equal(np.asarray(x), y) for x, y in zip(found, expected, strict=True))


def samples(loss):
    """No sample, and one where the loss has any: pairs of a sample at home and the same away."""
    pairs = [(None, None)]
    if loss.noises:
        pairs.append((loss.draw(SEED, REPLICAS, 3), loss.draw(SEED, away(REPLICAS), 3, xp=xp)))
    return pairs


def test_values_and_gradients(array_loss, points):
    state = points(array_loss, 2, len(REPLICAS))
    moved = {name: away(array) for name, array in state.items()}
    assert np.array_equal(home(array_loss.value(moved)), array_loss.value(state))
    for here, there in samples(array_loss):
        expected, found = array_loss.gradient(state, here), array_loss.gradient(moved, there)
        assert found.keys() == expected.keys()
        for name, gradient in found.items():
            assert np.array_equal(home(gradient), expected[name]), name
    array_loss.check(moved, samples(array_loss)[-1][1])


OPTIONS = {
    "plain": {},
    "projected": {"projected": True},
    "heavy": {"momentum": 0.8, "weight_decay": [0.0, 0.02], "rescaling": bn.Table([1, 1, 0.5, 1, 2, 1, 1, 0.25, 1])},
}


@pytest.mark.parametrize("options", OPTIONS)
def test_steps(array_loss, points, options):
    """The law of the loop, called step by step, against the NumPy engine's records."""
    make = bn.SGD if array_loss.noises else bn.GD
    method, steps = make(lr=[0.3, 2.0], **OPTIONS[options]), 9
    state = points(array_loss, 2, len(REPLICAS))
    expected = NumpyEngine().run(
        Problem(array_loss, method, state, REPLICAS, SEED, np.arange(steps + 1), lambda done: None)
    )
    carried = begin(xp, array_loss, method, {name: away(array) for name, array in state.items()})
    diverged = away(np.full((2, len(REPLICAS)), -1))
    for t in range(steps + 1):
        sample = array_loss.draw(SEED, away(REPLICAS), t, xp=xp) if method.sampled else None
        measured = measure(xp, array_loss, method, carried.state, sample)
        diverged = diverging(xp, diverged, measured, away(np.asarray(t)))
        record = [home(x) for x in recorded(array_loss, carried, measured)]
        names = ("loss", "grad_norm2", "min_grad_norm2", "sum_grad_norm2")
        for name, found in zip(names, record, strict=False):
            assert np.array_equal(found, getattr(expected, name)[..., t]), (name, t)
        others = np.stack(record[4:], axis=-1)
        kept = [getattr(expected, name)[..., t, :] for name in ("norm2", "sum_step2", "step_grad2", "parameters")]
        assert np.array_equal(others, np.concatenate(kept, axis=-1)), t
        if t < steps:
            now = {c: away(np.array(s.values(t, t + 1))) for c, s in method.coefficients(array_loss).items()}
            carried = advance(xp, array_loss, method, carried, measured, now)
    for name, array in carried.state.items():
        assert np.array_equal(home(array), expected.final[name])
    assert np.all(home(diverged) == -1)


def test_a_nan_enters_the_divergence_and_not_the_minimum():
    numbers = away(np.array([[1.0, np.nan, np.inf]]))
    fine = away(np.ones((1, 3)))
    loss = SimpleNamespace(groups=("w",), parameters=(), scale_invariant_groups=())
    carried = begin(xp, loss, bn.GD(lr=0.5), {"w": away(np.ones((1, 3, 2)))})
    measured = SimpleNamespace(
        value=fine, grad_norm2=numbers, norm2={"w": fine}, gradient={"w": away(np.ones((1, 3, 2)))}
    )
    found = diverging(xp, away(np.array([[-1, -1, 4]])), measured, away(np.asarray(7)))
    assert home(found).tolist() == [[-1, 7, 4]]
    after = advance(xp, loss, bn.GD(lr=0.5), carried, measured, {(RATE, "w"): away(np.array([[0.5]]))})
    assert home(after.smallest).tolist() == [[1.0, np.inf, np.inf]]


@pytest.mark.parametrize("k", [0, 1])
def test_a_function_that_leaves_its_namespace(zoo, k):
    """A NumPy array in it, a function that the standard does not have, a NumPy array returned."""
    functions = zoo("rayleigh_dense_noise").functions
    state = {"w": away(np.ones((1, 2, 5)))}
    wrong = (
        (lambda w, sample: w * np.ones(5), "TypeError"),
        (lambda w, sample: w.mean(), "AttributeError"),
        (lambda w, sample: np.ones(w.shape[: 2 + k]), "it returns ndarray"),
    )
    for function, reason in wrong:
        pair = (function, functions[1]) if k == 0 else (functions[0], function)
        loss = bn.ArrayLoss(pair, {"w": 5}, name="made up")
        message = rf"{('value', 'grad')[k]} of made up does not run on arrays of .*{reason}.*engine=\"numpy\" runs it"
        with pytest.raises(InvalidInputError, match=message):
            loss.check(state)


def test_the_users_own_errors_stay_what_they_are_on_numpy(zoo):
    """Nothing is explained away where there is no other namespace."""

    def value(w, sample):
        raise TypeError("mine")

    loss = bn.ArrayLoss((value, value), {"w": 5})
    with pytest.raises(TypeError, match=r"^mine$"):
        loss.value({"w": np.ones((1, 1, 5))})


def test_data_are_copied_once_to_each_device():
    data = Resident(np.arange(3.0))
    there, here = away(np.ones(3)), xp.asarray(np.ones(3))
    found = data.on(xp, there)
    assert home(found).tolist() == [0.0, 1.0, 2.0]
    assert data.on(xp, there) is found
    assert data.on(xp, here).device == HOME and data.on(xp, here) is not found


def test_no_copy_outlives_a_trace_of_jax():
    """What is made while JAX traces a function belongs to that trace."""
    made = []

    class Jax:
        __name__ = "jax.numpy"

        def asarray(self, x, device=None):
            made.append(x)
            return x

    data, jax = Resident(np.arange(3.0)), Jax()
    for _ in range(2):
        data.on(jax, np.ones(3))
    assert len(made) == 2
