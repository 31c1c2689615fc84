"""Every loss, every method, both engines: one step in ulps, and hundreds of steps within propagated rounding.

The oracle is the plain loop of ``oracle.py``.
"""

import numpy as np
import pytest
import sympy
from oracle import (
    REPLICAS,
    SEED,
    accumulated,
    bounded,
    by_case,
    check,
    draws,
    names,
    numbers,
    one_step_bounds,
    run,
    with_buffers,
)

import bn_theory as bn
from bn_theory.engines import numba_source

EPS = np.finfo(float).eps
RATE = 0.4


def both_layouts(monkeypatch):
    """The readable engine, then the compiled one with its vectors across replicas and along coordinates."""
    yield "numpy"
    for few in (numba_source.FEW_COORDINATES, 0):
        with monkeypatch.context() as patch:
            patch.setattr(numba_source, "FEW_COORDINATES", few)
            yield "numba"


@pytest.mark.parametrize("decay", [0.0, 0.25, 0.5])
def test_trajectories(loss_and_method, points, rounding, decay, monkeypatch):
    loss, make = loss_and_method
    method = make(RATE, decay)
    if decay and not method.sampled:
        method = make(decay * RATE, 0.0)  # GD has no decay: two other rates in its place
    steps = 150
    start = points(loss, loss.cases or 1, len(REPLICAS))
    states, value, slope, bound = bounded(loss, method, start, steps, rounding)
    assert bound.max() < 1e-9  # the bound says something
    for engine in both_layouts(monkeypatch):
        found = run(loss, method, start, engine, steps)
        check(loss, found, states, value, slope, bound)
        accumulated(loss, method, found, states, value, slope, bound)


def test_one_step_in_ulps(loss_and_method, points, rounding, monkeypatch):
    """One step from the same state: nothing but that step's own rounding between the engines."""
    loss, make = loss_and_method
    cases = loss.cases or 1
    for rate in (1e-2, 1.0, 1e2):
        method = make(rate, 0.25)
        start = points(loss, cases, len(REPLICAS), seed=int(rate * 100))
        samples = draws(loss, method, 0, 1)
        eta = numbers(loss, method, 0, 1)
        states = {n: x[None] for n, x in with_buffers(loss, method, start).items()}
        value, full, gradient, local = one_step_bounds(loss, method, states, samples, eta, rounding)
        plain, *loops = [run(loss, method, start, engine, 1) for engine in both_layouts(monkeypatch)]
        for results in ((plain, loop) for loop in loops):
            agree(loss, states, value, full, gradient, local, results, rounding)


def agree(loss, states, value, full, gradient, local, results, rounding):
    """Two results of one step differ by no more than that step's rounding."""
    for n in names(loss):
        one, other = (by_case(loss, r[f"final_{n}"], loss.cases) for r in results)
        assert np.all(np.abs(one - other) <= local[n][0]), n
    assert np.all(np.abs(difference(results, "loss", loss)) <= value.error[0])
    squares = rounding.number(np.zeros(value.value.shape))
    for n in names(loss):
        if n in loss.parameters:
            squares = squares + full[n] * full[n]
            continue
        norm2 = rounding.number(states[n])
        norm2 = (norm2 * norm2).sum() if n in loss.scale_invariant_groups else rounding.number(1.0)
        squares = squares + (full[n] * full[n]).sum() * norm2
    assert np.all(np.abs(difference(results, "grad_norm2", loss)) <= squares.error[0])
    for i, g in enumerate(loss.groups):
        squares = (gradient[g] * gradient[g]).sum()
        one, other = (by_case(loss, of_group(r.step_grad2, i).isel(step=0), loss.cases) for r in results)
        assert np.all(np.abs(one - other) <= squares.error[0])
        assert np.all(np.abs(one - squares.value[0]) <= squares.error[0])


def of_group(array, i):
    return array.isel(group=i) if "group" in array.dims else array


def difference(results, variable, loss):
    """The engines' difference at the start."""
    one, other = (by_case(loss, r[variable].isel(step=0), loss.cases) for r in results)
    return one - other


def test_rates_per_group_and_parameter(zoo, points):
    """A rate per target, one of them with a case axis: each moves by its own rate."""
    loss = zoo("two_axes")
    method = bn.GD(lr={"u": [0.1, 0.2], "v": 0.5})
    start = points(loss, 2, len(REPLICAS))
    gradient = loss.evaluate(start)[1]
    for engine in ("numpy", "numba"):
        result = run(loss, method, start, engine, 1)
        for g, rate in (("u", np.array([0.1, 0.2])[:, None, None]), ("v", 0.5)):
            expected = start[g] - rate * gradient[g]
            # a gradient of size 1 with at most 50 operations
            assert np.all(np.abs(result[f"final_{g}"].values - expected) <= 50 * EPS)
        assert result.effective_lr.isel(step=0, group=1, case=1).values == pytest.approx(
            0.5 / result.norm2.isel(step=0, group=1, case=1).values, rel=4 * EPS
        )


def test_case_axis_of_rates_and_decays(zoo, engine):
    """Case k of a grid is the run with rate k and decay k alone, bit for bit."""
    loss = zoo("rayleigh_signs")
    lr, decay = [0.1, 1.0, 10.0], [0.0, 0.25, 0.5]
    grid = bn.run(loss, bn.SGD(lr=lr, decay=decay), steps=40, replicas=2, engine=engine)
    for k in range(3):
        alone = bn.run(loss, bn.SGD(lr=lr[k], decay=decay[k]), steps=40, replicas=2, engine=engine)
        for name in alone.data_vars:
            assert np.array_equal(grid[name].isel(case=k), alone[name]), name


def test_case_axis_of_every_coefficient(zoo, engine):
    """Case k of a grid is the run with that case's momentum, decay, change of units and rate alone, bit for bit."""
    loss = zoo("rayleigh_signs")
    factors = np.where(np.arange(40) % 5 == 2, [[0.5], [2.0], [1.0]], 1.0)
    given = {"lr": [0.1, 0.3, 1.0], "momentum": [0.0, 0.5, 0.9], "weight_decay": [0.01, 0.0, 0.02]}
    grid = bn.run(loss, bn.SGD(**given, rescaling=bn.Table(factors)), steps=40, replicas=2, engine=engine)
    for k in range(3):
        # momentum 0 and decay 0 as tables: as numbers they would take them out of the loop, another order of rounding
        one = {name: bn.Table([values[k]] * 40) for name, values in given.items()}
        alone = bn.run(loss, bn.SGD(**one, rescaling=bn.Table(factors[k])), steps=40, replicas=2, engine=engine)
        for name in alone.data_vars:
            assert np.array_equal(grid[name].isel(case=k), alone[name]), name


def test_momentum_and_decay_per_target(zoo, points):
    """What a dict does not name has none: its first two steps are those of the plain method."""
    loss = zoo("two_axes")
    start = points(loss, 2, len(REPLICAS))
    method = bn.GD(lr=0.3, momentum={"u": 0.9}, weight_decay={"v": 0.5})
    for engine in ("numpy", "numba"):
        first = run(loss, method, start, engine, 1)
        gradient = loss.evaluate(start)[1]
        # gradients of size 1 with at most 50 operations
        assert np.all(np.abs(first.final_u.values - (start["u"] - 0.3 * gradient["u"])) <= 50 * EPS)
        moved = start["v"] - 0.3 * (gradient["v"] + 0.5 * start["v"])
        assert np.all(np.abs(first.final_v.values - moved) <= 50 * EPS)
        second = run(loss, method, start, engine, 2)
        then = loss.evaluate({"u": first.final_u.values, "v": first.final_v.values})[1]
        heavy = first.final_u.values - 0.3 * (0.9 * gradient["u"] + then["u"])
        # two steps, the second gradient at weights that differ by the first step's rounding
        assert np.all(np.abs(second.final_u.values - heavy) <= 500 * EPS)


def test_case_axis_of_data(zoo, engine):
    loss = zoo("rayleigh_cases")
    grid = bn.run(loss, bn.GD(lr=0.3), steps=40, replicas=2, engine=engine)
    for k in range(2):
        alone = bn.run(bn.rayleigh(loss.data["a"][k]), bn.GD(lr=0.3), steps=40, replicas=2, engine=engine)
        for name in alone.data_vars:
            assert np.array_equal(grid[name].isel(case=k), alone[name]), name


@pytest.mark.parametrize("heavy", [False, True])
def test_array_losses_follow_their_functions(array_loss, points, heavy):
    """The readable engine on array functions: the update written out, bit for bit."""
    heavy = {"momentum": 0.7, "weight_decay": 0.01} if heavy else {}
    method = bn.SGD(lr=0.3, decay=0.5, **heavy) if array_loss.noises else bn.GD(lr=0.3, **heavy)
    state = points(array_loss, 1, len(REPLICAS))
    buffer = {n: np.zeros_like(x) for n, x in state.items()}
    result = run(array_loss, method, state, "auto", 30)
    assert result.attrs["engine"] == "numpy"
    for t in range(30):
        sample = array_loss.draw(SEED, np.array(REPLICAS), t) if method.sampled else None
        assert np.array_equal(result.loss.isel(step=t), array_loss.value(state)[0])
        gradient = array_loss.gradient(state, sample)
        rate = method.schedule("w").values(t, t + 1)
        if heavy:
            buffer = {n: 0.7 * b + (gradient[n] + 0.01 * state[n]) for n, b in buffer.items()}
            gradient = buffer
        state = {n: x - (rate[..., None] if n == "w" else rate) * gradient[n] for n, x in state.items()}
    for n, x in state.items():
        assert np.array_equal(result[f"final_{n}"], x[0])


def test_array_loss_agrees_with_its_separable_twin(zoo, points):
    """BN least squares of one part is the separable loss on the same rows, by another engine."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20, 3))
    y = X @ [1.0, 2.0, -1.0] + rng.standard_normal(20)
    parts, separable = bn.minibatch_least_squares_bn(X, y, parts=1), bn.least_squares_bn(X, y)
    _, basis = np.linalg.eigh(np.cov(X.T, bias=True))
    w = np.array([1.0, 0.5, -0.2])
    one = bn.run(parts, bn.SGD(lr=0.2), {"w": w}, steps=50)
    other = bn.run(separable, bn.GD(lr=0.2), {"w": basis.T @ w}, steps=50)
    # Descent towards a minimum contracts: 50 steps of some 100 roundings of numbers of size 1, conditioned to 100.
    for name in ("loss", "grad_norm2", "norm2"):
        assert np.allclose(one[name], other[name], rtol=0, atol=50 * 100 * 100 * EPS), name


@pytest.mark.parametrize("function", ["erf", "tanh", "exp", "cos", "Max", "atan"])
def test_functions_of_the_language_run_on_both_engines(function):
    """Ordinary sympy functions mean the same on both engines, or are refused when the loss is run on one."""
    w = bn.weights("w")
    f = (lambda x: sympy.Max(x, 0)) if function == "Max" else getattr(sympy, function)
    loss = bn.Loss(bn.total(f(w) ** 2) + bn.total(w**2))
    results = [
        bn.run(loss, bn.GD(lr=0.05), start=[0.5, -0.25, 1.5], steps=5, engine=engine) for engine in ("numpy", "numba")
    ]
    # contraction towards 0 from size 1; 5 steps of a dozen operations, functions within 4 ulp
    assert np.allclose(results[0].final_w, results[1].final_w, rtol=0, atol=5 * 50 * EPS)


def test_names_that_the_generated_code_uses_itself(engine):
    """No name of a user can collide with a variable of the generated loop."""
    w, a = bn.weights("first"), bn.data("out")
    loss = bn.Loss(bn.total(a * w**2) * bn.parameter("sum") ** 2 + bn.parameter("record") ** 2, out=[1.0, 2.0])
    result = bn.run(loss, bn.GD(lr=0.01), start={"first": [1.0, 1.0]}, steps=3, engine=engine)
    assert np.isfinite(result.loss).all()


def test_slopes_that_are_constant_over_the_coordinates():
    """Slopes that are constant over the coordinates count once per coordinate."""
    w = bn.weights("w")
    loss = bn.Loss(sympy.exp(bn.total(w)))
    results = [bn.run(loss, bn.GD(lr=0.01), start=[0.1, 0.2, 0.3], steps=2, engine=e) for e in ("numpy", "numba")]
    for result in results:
        # |grad|^2 = 3 exp(2 * 0.6)
        assert np.allclose(result.grad_norm2[0, 0], 3 * np.exp(1.2), rtol=20 * EPS, atol=0)
        assert np.allclose(result.sum_step2[0, 1], 3e-4 * np.exp(1.2), rtol=20 * EPS, atol=0)


def test_underflow():
    """What falls below the normal numbers may become 0; nothing above them changes, nor does the calling thread."""
    tiny = np.finfo(float).tiny
    twin = bn.rayleigh([0.0, 1.0]).unnormalised
    one, other = (bn.run(twin, bn.GD(lr=0.5), [1.0, 1.0], steps=1040, engine=e) for e in ("numpy", "numba"))
    assert 0 < one.final_w[0, 1] < tiny  # 2**-1040: halving is exact
    assert np.array_equal(one.final_w[0, 0], other.final_w[0, 0])
    for name in one.data_vars:
        larger = np.abs(one[name].values) >= tiny
        assert np.allclose(one[name].values[larger], other[name].values[larger], rtol=1100 * EPS, atol=0), name
        assert np.all(np.abs(other[name].values[~larger]) < tiny), name
    assert np.float64(tiny) * np.float64(0.5) > 0
