"""Gradients of every loss: against finite differences, against sums written out, and their exact laws."""

from fractions import Fraction

import array_api_compat.numpy
import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

import bn_theory as bn
from bn_theory.losses import array_families

EPS = np.finfo(float).eps


def samples(loss, replicas):
    """A sample for the gradient of SGD, or ``None`` for a loss without noise."""
    return loss.draw(7, range(replicas), 3) if loss.noises else None


def evaluations(loss):
    """``value(state, sample)`` and ``gradient(state, sample)``; the noisy value of a separable loss by hand."""
    if not hasattr(loss, "derivatives"):
        return loss.value, loss.gradient

    reduced = loss.reduced
    sums = {s: sympy.lambdify(list(e.free_symbols), e) for s, e in (reduced.clean | reduced.noisy).items()}
    outer = sympy.lambdify(list(reduced.phi.free_symbols), reduced.phi)

    def value(state, sample):
        given = {n: a[:, None] if a.ndim == loss.case_ndim(n) else a for n, a in loss.data.items()} | state
        noise = sample or {n: np.zeros(loss.dimensions[n]) for n in loss.noises}
        inner = {n: a[..., None] if n in loss.parameters else a for n, a in (given | noise).items()}
        totals = {
            s: np.sum(f(*(inner[x.name] for x in e.free_symbols)), axis=-1)
            for (s, e), f in zip((reduced.clean | reduced.noisy).items(), sums.values(), strict=True)
        }
        return outer(*(totals[x] if x in totals else given[x.name] for x in reduced.phi.free_symbols))

    def gradient(state, sample):
        _, full, sampled = loss.evaluate(state, sample)
        return full if sample is None else sampled

    return value, gradient


def differences(value, state, name, h):
    """Central differences of the fourth order in every coordinate of one entry of the state."""

    def at(i, shift):
        moved = state[name].copy()
        moved[(..., i) if i is not None else ...] += shift
        return value(state | {name: moved}, None)

    def quotient(i):
        near, far = at(i, h) - at(i, -h), at(i, 2 * h) - at(i, -2 * h)
        return (8 * near - far) / (12 * h)

    if state[name].ndim == 2:  # a parameter
        return quotient(None)
    return np.stack([quotient(i) for i in range(state[name].shape[-1])], axis=-1)


@pytest.mark.parametrize("sampled", [False, True], ids=["full", "sample"])
def test_gradient_against_finite_differences(any_loss, points, sampled):
    """The step h = eps**(1/5) balances the truncation h**4 and the rounding eps/h of the fourth order formula.

    Halving the order of the remaining doubt is left to the formula itself: its truncation falls by 16 from 2 h
    to h, so the difference of the two estimates bounds the truncation left at h (15 times over); the rounding
    is at most 18 evaluations' error over 12 h, each of a few d eps |L|.
    """
    sample = samples(any_loss, 3)
    if sampled and sample is None:
        sample = {} if hasattr(any_loss, "derivatives") else None
    state = points(any_loss, any_loss.cases or 1)
    value, gradient = evaluations(any_loss)
    chosen = sample if sampled else None
    found = gradient(state, chosen)
    h = EPS**0.2
    size = 10 + np.max(np.abs(value(state, chosen)))
    rounding = 18 * 50 * EPS * size / (12 * h)
    for name in (*any_loss.groups, *any_loss.parameters):
        fine = differences(lambda s, _: value(s, chosen), state, name, h)
        coarse = differences(lambda s, _: value(s, chosen), state, name, 2 * h)
        tolerance = np.abs(fine - coarse) + rounding
        assert np.max(tolerance) < 1e-6 * size  # the oracle is sharp
        assert np.all(np.abs(found[name] - fine) <= tolerance), name
        assert found[name].shape == np.broadcast_shapes(state[name].shape, found[name].shape)


RATIONALS = [Fraction(n, d) for n, d in [(3, 2), (-2, 5), (7, 4), (1, 3), (-5, 3), (9, 7), (-1, 6), (4, 9), (2, 7)]]


def written_out(expression, indexed):
    """An expression with every total replaced by the sum over its coordinates, innermost first."""
    while totals := [t for t in expression.atoms(bn.total) if not t.args[0].atoms(bn.total)]:
        expression = expression.xreplace(
            {t: sum(t.args[0].subs(i, simultaneous=True) for i in indexed(t)) for t in totals}
        )
    return expression


def test_gradient_against_sums_written_out(separable_loss, rounding):
    """At d = 3, every total written out, differentiated by sympy and evaluated at rationals with 30 digits."""
    d, numbers = 3, iter(RATIONALS * 5)
    axis_of = {name: axis for axis in separable_loss.reduced.axes for name in axis}
    exact, data, state, sample = {}, {}, {}, {}
    for name, symbol in separable_loss.symbols.items():
        count = d if name in axis_of else 1
        values = [next(numbers) for _ in range(count)]
        if name in separable_loss.data:
            values = [abs(v) for v in values]
        letters = [sympy.Symbol(f"{name}_{i}", real=True) for i in range(count)]
        exact[symbol] = (letters, [sympy.Rational(v.numerator, v.denominator) for v in values])
        array = np.array([float(v) for v in values]) if name in axis_of else np.float64(values[0])
        home = data if name in separable_loss.data else sample if name in separable_loss.noises else state
        home[name] = array if home is data else array[None, None]
    loss = bn.Loss(separable_loss.expression, **data).sized({g: d for g in separable_loss.groups})

    def indexed(t):
        inside = [s for s in t.args[0].free_symbols if s.name in axis_of]
        return [{s: exact[s][0][i] for s in inside} for i in range(d)]

    scalars = {s: letters[0] for s, (letters, _) in exact.items() if s.name not in axis_of}
    explicit = written_out(separable_loss.expression, indexed).subs(scalars, simultaneous=True)
    numbers_at = {x: v for letters, values in exact.values() for x, v in zip(letters, values, strict=True)}
    value, full, sampled = loss.evaluate(state, sample)
    silent = explicit.subs({x: 0 for n in loss.noises for x in exact[loss.symbols[n]][0]})
    bound_value, bound_full, bound_sample = rounding.gradient(loss, state, sample)
    # One evaluation against the exact number, and the rationals' own rounding: within the bound on two evaluations
    # and as much again for the inputs.
    assert abs(value - float(silent.evalf(30, subs=numbers_at))) <= 2 * bound_value.error + 4 * EPS * bound_value.size
    for expression, gradient, bounds in ((silent, full, bound_full), (explicit, sampled, bound_sample)):
        for name in (*loss.groups, *loss.parameters):
            letters = exact[loss.symbols[name]][0]
            expected = [float(sympy.diff(expression, x).evalf(30, subs=numbers_at)) for x in letters]
            error = np.abs(np.ravel(gradient[name]) - expected)
            assert np.all(error <= 2 * np.ravel(bounds[name].error) + 1e-13 * np.abs(expected).max()), name
            assert np.all(np.ravel(bounds[name].error) < 1e-12)


def stationarity(loss, state, sample):
    value, full, sampled = loss.evaluate(state, sample)
    return value, full, sampled if sample is not None else full


def test_gradient_is_orthogonal_to_scale_invariant_groups(invariant_loss, points, rounding):
    state = points(invariant_loss, invariant_loss.cases or 1, replicas=20)
    sample = samples(invariant_loss, 20)
    _, full, sampled = stationarity(invariant_loss, state, sample)
    wide = None if sample is None else {n: z[None] for n, z in sample.items()}
    _, full_bound, sample_bound = rounding.gradient(invariant_loss, state, wide)
    for gradient, bound in ((full, full_bound), (sampled, sample_bound)):
        for g in invariant_loss.groups:
            along = np.abs(np.sum(state[g] * gradient[g], axis=-1))
            d = invariant_loss.dimensions[g]
            terms = np.sum(np.abs(state[g] * gradient[g]), axis=-1)
            limit = np.sum(np.abs(state[g]) * bound[g].error, axis=-1) + (d + 1) * EPS * terms
            assert np.all(along <= limit)
            assert np.max(limit) < 1e-12


@given(exponent=st.floats(-8, 8))
def test_homogeneity(zoo, points, rounding, exponent):
    """L(c w) = L(w) and grad L(c w) = grad L(w)/c for factors from 1e-8 to 1e8."""
    c = 10.0**exponent
    for name in ("rayleigh_signs", "bilinear_signs", "least_squares_bn_signs", "two_axes", "odd_powers"):
        loss = zoo(name)
        state = points(loss, loss.cases or 1, replicas=2)
        for scaled in loss.groups:
            moved = state | {scaled: c * state[scaled]}
            sample = samples(loss, 2)
            value, full, sampled = stationarity(loss, state, sample)
            value_c, full_c, sampled_c = stationarity(loss, moved, sample)
            wide = None if sample is None else {n: z[None] for n, z in sample.items()}
            bounds = [rounding.gradient(loss, at, wide) for at in (state, moved)]
            # Either evaluation errs by its bound; c w is rounded once per coordinate, which is in the reserve of 2.
            assert np.all(np.abs(value_c - value) <= 2 * (bounds[0][0].error + bounds[1][0].error))
            for g in loss.groups:
                factor = c if g == scaled else 1.0
                for k, (at_w, at_cw) in ((1, (full, full_c)), (2, (sampled, sampled_c))):
                    limit = bounds[0][k][g].error + factor * bounds[1][k][g].error
                    assert np.all(np.abs(factor * at_cw[g] - at_w[g]) <= 2 * limit)


@given(exponent=st.floats(-8, 8))
def test_homogeneity_of_array_losses(zoo, points, exponent):
    c = 10.0**exponent
    for name in ("rayleigh_dense_noise", "minibatch_least_squares_bn", "bn_neuron_logistic"):
        loss = zoo(name)
        state = points(loss, replicas=2)
        moved = state | {"w": c * state["w"]}
        sample = samples(loss, 2)
        # Ill-conditioned by at most |L| + |grad| times the covariance's condition number (below 1e4) and d.
        limit = 1e4 * 10 * EPS * (1 + np.abs(loss.value(state)))
        assert np.all(np.abs(loss.value(moved) - loss.value(state)) <= limit)
        for chosen in (None, sample):
            one, other = loss.gradient(state, chosen)["w"], c * loss.gradient(moved, chosen)["w"]
            size = 1 + np.abs(one).max()
            assert np.all(np.abs(one - other) <= 1e4 * 10 * EPS * size)
            assert np.all(np.abs(np.sum(one * state["w"], axis=-1)) <= 1e4 * 10 * EPS * size)


def test_array_losses_use_the_arrays_own_namespace(array_loss, points, monkeypatch):
    """The families look functions up in the array's namespace: a second one, which counts its calls, agrees."""
    used = []

    class Counting:
        def __getattr__(self, name):
            used.append(name)
            return getattr(array_api_compat.numpy, name)

    state = points(array_loss, replicas=3)
    sample = samples(array_loss, 3)
    expected = [array_loss.value(state), array_loss.gradient(state), array_loss.gradient(state, sample)]
    monkeypatch.setattr(array_families, "array_namespace", lambda *arrays: Counting())
    assert np.array_equal(array_loss.value(state), expected[0])
    for chosen, gradients in ((None, expected[1]), (sample, expected[2])):
        for name, gradient in array_loss.gradient(state, chosen).items():
            assert np.array_equal(gradient, gradients[name])
    assert {"asarray", "sum"} <= set(used)


def test_gradient_has_the_shape_of_the_state():
    """Also where a slope is constant over the coordinates or zero."""
    w, u, z = bn.weights("w"), bn.weights("u"), bn.noise("z")
    loss = bn.Loss(sympy.exp(bn.total(w)) + bn.total(z * u) / sympy.sqrt(bn.total(u**2))).sized({"w": 3, "u": 2})
    state = {"w": np.full((1, 2, 3), 0.5), "u": np.ones((1, 2, 2))}
    _, full, sampled = loss.evaluate(state, loss.draw(0, range(2), 0))
    for gradient in (full, sampled, loss.gradient(state)):
        assert {n: np.shape(g) for n, g in gradient.items()} == {"w": (1, 2, 3), "u": (1, 2, 2)}
    # exp(3/2) per coordinate: one function evaluation and a sum of 3
    assert np.all(np.abs(full["w"] - np.exp(1.5)) <= 8 * EPS * np.exp(1.5))
    assert np.all(full["u"] == 0)


def test_derivatives_away_from_kinks(engine):
    """The derivative of a sign is 0 where it has one: w sign(w) is |w|, on every engine."""
    w, a = bn.weights("w"), bn.data("a")
    norm = sympy.sqrt(bn.total(w**2))
    with_sign = bn.Loss(bn.total(a * w * sympy.sign(w)) / norm, a=[1.0, 2.0, 0.5])
    with_abs = bn.Loss(bn.total(a * sympy.Abs(w)) / norm, a=[1.0, 2.0, 0.5])
    start = [1.0, -2.0, 0.5]
    one, other = (bn.run(loss, bn.GD(lr=0.1), start, steps=1, engine=engine) for loss in (with_sign, with_abs))
    # one step of some 20 operations on numbers of size 2
    assert np.allclose(one.final_w, other.final_w, rtol=0, atol=20 * 2 * EPS)
    assert np.allclose(one.loss, other.loss, rtol=20 * EPS, atol=0)


def test_noise_alone(engine):
    """The full loss is zero, and a step is that of the noise."""
    w, z = bn.weights("w"), bn.noise("z")
    loss = bn.Loss(bn.total(z * w) / sympy.sqrt(bn.total(w**2))).sized({"w": 3})
    start = np.array([[3.0, 0.0, 4.0], [0.0, 5.0, 0.0]])
    result = bn.run(loss, bn.SGD(lr=0.5), start, steps=1, replicas=2, engine=engine)
    assert np.all(result.loss == 0) and np.all(result.grad_norm2 == 0)
    signs = loss.draw(0, range(2), 0)["z"]
    unit = start / 5
    step = (signs - np.sum(signs * unit, axis=-1, keepdims=True) * unit) / 5
    # a few roundings of numbers of size up to 5
    assert np.all(np.abs(result.final_w - (start - 0.5 * step)) <= 8 * EPS * 5)
    still = bn.run(loss, bn.GD(lr=[0.5, 1.0]), start, steps=1, replicas=2, engine=engine)
    assert np.array_equal(still.final_w, [start, start])


def test_what_is_constant_has_the_axes_of_the_state():
    w, z, gamma = bn.weights("w"), bn.noise("z"), bn.parameter("gamma")
    loss = bn.Loss(gamma * bn.total(z * w)).sized({"w": 3})
    state = {"w": np.ones((2, 4, 3)), "gamma": np.ones((2, 4))}
    assert loss.value(state).shape == (2, 4)
    for noise in (None, {"z": np.ones((4, 3))}):
        gradient = loss.gradient(state, noise)
        assert gradient["w"].shape == (2, 4, 3) and gradient["gamma"].shape == (2, 4)


def test_names_of_functions_are_free(engine):
    """A weight called exp and data called x0: neither is what the generated code calls so."""
    losses = []
    for names in (("exp", "sqrt", "x0"), ("w", "gamma", "a")):
        w, gamma, a = bn.weights(names[0]), bn.parameter(names[1]), bn.data(names[2])
        total = bn.total(a * sympy.exp(a * w))
        expression = sympy.exp(-(bn.total(sympy.exp(a * w)) ** 2)) + sympy.sqrt(gamma**2 + total**2)
        loss = bn.Loss(expression, **{names[2]: [0.5, -0.25]}).with_start(**{names[0]: [0.1, 0.2], names[1]: 0.5})
        losses.append(bn.run(loss, bn.GD(lr=0.1), steps=3, engine=engine).loss.values)
    # The order of terms may follow the names: the two may differ by rounding, of a dozen operations a step.
    assert np.allclose(*losses, rtol=3 * 12 * EPS, atol=0)
