"""The constants of the families against numerical suprema, infima and covariances.

A closed-form bound may not be exceeded by the best that random search and local optimisation find; where it is
claimed to be sharp, they must come close.
"""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

import bn_theory as bn
from bn_theory.errors import MissingConstantError
from bn_theory.losses.facts import Blocks, Facts

EPS = np.finfo(float).eps
# Central differences of an analytic gradient at h = eps**(1/3): truncation h**2 and rounding eps/h are both of the
# order 4e-11 times third derivatives, which stay below 1e3 for these losses.
H = EPS ** (1 / 3)
SLACK = 1e-6


def state_of(loss, x, unit=True):
    """One state from a flat vector: groups first (put on the sphere), then parameters."""
    state, at = {}, 0
    for g in loss.groups:
        d = loss.dimensions[g]
        v = x[at : at + d]
        state[g] = (v / np.linalg.norm(v) if unit else v)[None, None]
        at += d
    return state | {p: x[at + i].reshape(1, 1) for i, p in enumerate(loss.parameters)}


def flat(loss, state):
    return np.concatenate([np.ravel(state[n]) for n in (*loss.groups, *loss.parameters)])


def gradient(loss, state, sample=None):
    if sample is None:
        return flat(loss, loss.gradient(state) if not hasattr(loss, "derivatives") else loss.evaluate(state)[1])
    return flat(loss, loss.evaluate(state, sample)[2])


def hessian(loss, x):
    """The full Hessian at the state's unit-norm point."""
    at = flat(loss, state_of(loss, x))
    columns = []
    for i in range(len(at)):
        step = np.zeros(len(at))
        step[i] = H
        high, low = (gradient(loss, state_of(loss, at + sign * step, unit=False)) for sign in (1, -1))
        columns.append((high - low) / (2 * H))
    return np.stack(columns, axis=1)


def slices(loss):
    edges = np.cumsum([0] + [loss.dimensions[g] for g in loss.groups] + [1] * len(loss.parameters))
    return {n: slice(a, b) for n, a, b in zip((*loss.groups, *loss.parameters), edges, edges[1:], strict=False)}


def supremum(function, n, top, seed, draws=400):
    """The largest value found: random points (parameters within ``+-top``), the best few polished."""
    rng = np.random.default_rng(seed)

    def boxed(x):
        return function(np.concatenate([x[: n - len(top)], np.clip(x[n - len(top) :], -np.array(top), top)]))

    xs = [
        np.concatenate([rng.standard_normal(n - len(top)), rng.choice([-1, 1], len(top)) * top]) for _ in range(draws)
    ]
    values = [function(x) for x in xs]
    best = max(values)
    for k in np.argsort(values)[-2:]:
        found = minimize(lambda x: -boxed(x), xs[k], method="Nelder-Mead", options={"maxiter": 150})
        best = max(best, -found.fun)
    return best


def regression(n, d, seed):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)) * np.array([1.0, 0.5, 2.0])[:d]
    return X, X @ rng.standard_normal(d) + 0.2 * rng.standard_normal(n)


def random_loss(family, seed):
    rng = np.random.default_rng(seed)
    if family == "rayleigh":
        return bn.rayleigh(rng.uniform(-1, 2, 3))
    if family == "bilinear":
        return bn.bilinear(rng.uniform(0, 2, 2))
    if family == "least_squares_bn":
        return bn.least_squares_bn(*regression(12, 2, seed))
    return bn.minibatch_least_squares_bn(*regression(24, 2, seed), parts=3)


SHARP = {"rayleigh": ("weights", "gradient"), "bilinear": ("weights", "gradient"), "least_squares_bn": ("parameter",)}


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("family", ["rayleigh", "bilinear", "least_squares_bn", "minibatch"])
def test_block_constants_are_suprema(family, seed):
    loss = random_loss(family, seed)
    start = {"gamma": np.array([[0.5]])}
    blocks = loss.facts.need("blocks", start)
    places = slices(loss)
    n = sum(loss.dimensions.values()) + len(loss.parameters)
    top = []
    if loss.parameters:
        beta = gamma_range(loss)
        top = [max(0.5, beta)]
    claims = {
        ("weights", i, j): blocks.between(i, j) for i, j in itertools.combinations_with_replacement(loss.groups, 2)
    }
    claims |= {("gradient", i): blocks.gradient_bound(i) for i in loss.groups}
    if loss.parameters:
        claims |= {("mixed", i, "gamma"): blocks.mixed[i] for i in loss.groups}
        claims[("parameter", "gamma", "gamma")] = blocks.parameter
    for (kind, *names), bound in claims.items():
        rows = places[names[0]]

        def measured(x, kind=kind, names=names, rows=rows):
            if kind == "gradient":
                return np.linalg.norm(gradient(loss, state_of(loss, x))[rows])
            return np.linalg.norm(hessian(loss, x)[rows, places[names[1]]], 2)

        found = supremum(measured, n, top, seed, draws=100)
        assert found <= bound * (1 + SLACK) + SLACK, (kind, names)
        if kind in SHARP.get(family, ()):
            assert found >= 0.98 * bound, (kind, names)


def gamma_range(loss):
    """sqrt(b^T S^-1 b), the largest |<correlation>| over directions, by its own definition as a supremum."""
    return supremum(
        lambda x: abs(float(loss.gradient(state_of(loss, np.append(x, 0.0)))["gamma"][0, 0])),
        loss.dimensions["w"],
        [],
        0,
    )


def minimum(loss, seed, starts=5):
    rng = np.random.default_rng(seed)
    n = sum(loss.dimensions.values()) + len(loss.parameters)

    def value(x):
        state = state_of(loss, x, unit=False)
        return float(np.ravel(loss.value(state))[0]), gradient(loss, state)

    return min(
        minimize(value, rng.standard_normal(n), jac=True, method="BFGS", options={"gtol": 1e-9}).fun
        for _ in range(starts)
    )


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("family", ["rayleigh", "bilinear", "least_squares_bn"])
def test_infimum_is_reached(family, seed):
    loss = random_loss(family, seed)
    # At gradient norm 1e-9 the value exceeds the minimum by about 1e-18/curvature: only rounding is left.
    assert abs(minimum(loss, seed) - loss.facts.infimum) <= 1e-10


@pytest.mark.parametrize("name", ["minibatch_least_squares_bn", "bn_neuron_logistic"])
def test_infimum_is_a_lower_bound(zoo, name):
    loss = zoo(name)
    assert minimum(loss, 0) >= loss.facts.infimum - 1e-12


def test_infimum_per_case(zoo):
    loss = zoo("rayleigh_cases")
    assert np.array_equal(loss.facts.infimum, loss.data["a"].min(axis=-1) / 2)
    assert np.array_equal(loss.facts.blocks.between("w", "w"), np.ptp(loss.data["a"], axis=-1))


def all_signs(d):
    return np.array(list(itertools.product([-1.0, 1.0], repeat=d)))


def largest_sample_gradient(loss, group, samples, top=(), seed=0):
    """Over all samples and 300 random directions (and both ends of the parameters)."""
    rng = np.random.default_rng(seed)
    largest = 0.0
    n = sum(loss.dimensions.values())
    for _ in range(300):
        x = np.concatenate([rng.standard_normal(n), rng.choice([-1.0, 1.0], len(top)) * top])
        count = len(next(iter(samples.values()))) if isinstance(samples, dict) else len(samples)
        state = {k: np.repeat(v, count, axis=1) for k, v in state_of(loss, x).items()}
        sampled = loss.evaluate(state, samples)[2][group]
        largest = max(largest, np.linalg.norm(sampled, axis=-1).max())
    return largest


@pytest.mark.parametrize("sigma", [0.0, 0.3, 3.0])
def test_sample_gradient_bound_over_all_signs(sigma):
    loss = bn.with_linear_noise(bn.rayleigh([0.0, 1.0, 0.4, 2.0]), sigma)
    bound = loss.facts.need("sample_gradient", {})["w"]
    found = largest_sample_gradient(loss, "w", {"z": all_signs(4)})
    assert 0.7 * bound <= found <= bound * (1 + 10 * EPS)


def test_sample_gradient_bound_of_two_groups():
    loss = bn.with_linear_noise(bn.bilinear([1.0, 0.5]), 0.4)
    signs = all_signs(4)
    for group in ("u", "v"):
        bound = loss.facts.need("sample_gradient", {})[group]
        found = largest_sample_gradient(loss, group, {"z_u": signs[:, :2], "z_v": signs[:, 2:]})
        assert 0.7 * bound <= found <= bound * (1 + 10 * EPS)


def test_sample_gradient_bound_of_dense_noise(zoo):
    loss = zoo("rayleigh_dense_noise")
    bound = loss.facts.need("sample_gradient")["w"]
    assert 0.5 * bound <= largest_sample_gradient(loss, "w", all_signs(5)) <= bound * (1 + 10 * EPS)


def test_sample_gradient_bounds_of_minibatches(zoo):
    loss = zoo("minibatch_least_squares_bn")
    start = {"gamma": np.array([[0.5, -2.0]])}
    parts = np.arange(4)
    betas = [
        max(
            abs(loss.gradient(state_of(loss, np.append(x, 0.0)), np.array([p]))["gamma"][0, 0])
            for x in directions(loss)
        )
        for p in parts
    ]
    top = max(2.0, *betas)
    found = largest_sample_gradient(loss, "w", parts, [top])
    assert found <= loss.facts.need("sample_gradient", start)["w"]
    assert top + max(betas) <= loss.facts.need("parameter_sample_gradient", start) * (1 + SLACK)


@pytest.mark.parametrize("name", ["least_squares_bn", "least_squares_bn_signs"])
def test_sample_gradient_bound_of_gamma(zoo, name):
    """(Gamma + beta)^2 bounds E|grad_gamma L|^2, with linear noise on w too, and is reached at gamma = -beta."""
    loss = zoo(name)
    b, s = loss.data["b"], loss.data["s"]
    beta = np.sqrt(b @ (b / s))
    assert loss.facts.need("parameter_sample_gradient", {"gamma": 0.0}) == pytest.approx(2 * beta, rel=4 * EPS)
    for gamma in (0.1, -3 * beta):
        bound = loss.facts.need("parameter_sample_gradient", {"gamma": np.array([[gamma, 0.0]])})
        largest = max(abs(gamma), beta)
        steepest = np.broadcast_to(b / s, (1, 64, len(b)))
        state = {"w": steepest, "gamma": np.full((1, 64), -largest)}
        sample = loss.draw(0, range(64), 0) if loss.noises else None
        _, full, sampled = loss.evaluate(state, sample)
        found = np.sqrt(np.mean((full if sampled is None else sampled)["gamma"] ** 2))
        assert 0.99 * bound <= found <= bound * (1 + 100 * EPS)


def directions(loss, count=400):
    return np.random.default_rng(0).standard_normal((count, loss.dimensions["w"]))


def test_gaussian_noise_has_no_almost_sure_bound(zoo):
    with pytest.raises(MissingConstantError, match="sample_gradient"):
        zoo("rayleigh_gaussian").facts.need("sample_gradient", {})


def test_minimum_of_the_rayleigh_quotient():
    """Tangent Hessian and noise covariance at the minimiser, by differences and over all signs."""
    loss = bn.with_linear_noise(bn.rayleigh([0.7, 0.1, 2.0]), 0.5)
    best = np.array([0.0, 1.0, 0.0])
    keep = [0, 2]
    full = hessian(loss, best)[np.ix_(keep, keep)]
    assert np.allclose(full, loss.facts.minimum.hessian, rtol=0, atol=SLACK)
    state = {"w": np.broadcast_to(best, (1, 8, 3))}
    noise = loss.evaluate(state, {"z": all_signs(3)})[2]["w"][0][:, keep]
    assert np.allclose(noise.T @ noise / 8, loss.facts.minimum.noise, rtol=0, atol=10 * EPS)


def test_minimum_with_dense_noise(zoo):
    loss = zoo("rayleigh_dense_noise")
    best = np.eye(5)[0]
    assert np.allclose(hessian(loss, best)[1:, 1:], loss.facts.minimum.hessian, rtol=0, atol=SLACK)
    state = {"w": np.broadcast_to(best, (1, 32, 5))}
    noise = loss.gradient(state, all_signs(5))["w"][0][:, 1:]
    assert np.allclose(noise.T @ noise / 32, loss.facts.minimum.noise, rtol=0, atol=50 * EPS)


def test_a_degenerate_minimum_is_not_called_non_degenerate():
    assert bn.rayleigh([0.0, 0.0, 1.0]).facts.minimum is None


@given(rate=st.floats(1e-3, 1.0), start=st.floats(-5.0, 5.0), seed=st.integers(0, 5))
def test_gamma_stays_in_its_range_under_gd(zoo, rate, start, seed):
    """|gamma_t| <= max(|gamma_0|, sqrt(b^T S^-1 b)) for parameter rates up to 1."""
    loss = zoo("least_squares_bn")
    beta = np.sqrt(loss.data["b"] @ (loss.data["b"] / loss.data["s"]))
    method = bn.GD(lr={"w": 0.5, "gamma": rate})
    result = bn.run(loss, method, start={"gamma": start}, steps=50, record="all", seed=seed, replicas=2)
    # A convex combination of numbers within the range, rounded once or twice a step.
    assert np.all(np.abs(result.parameters) <= max(abs(start), beta) * (1 + 50 * 8 * EPS))
    assert loss.facts.need("blocks", {"gamma": start}).largest_parameter_rate == 1.0


def test_gamma_stays_in_its_range_under_minibatches(zoo):
    loss = zoo("minibatch_least_squares_bn")
    method = bn.SGD(lr={"w": 0.5, "gamma": 1.0})
    result = bn.run(loss, method, start={"gamma": 0.1}, steps=200, record="all", replicas=4)
    largest = loss.facts.need("parameter_sample_gradient", {"gamma": np.array([0.1])}) / 2  # 2 max beta, as beta > 0.1
    assert np.all(np.abs(result.parameters) <= largest * (1 + 200 * 8 * EPS))
    assert np.abs(result.parameters).max() > 0.5 * largest


def test_missing_constants_are_named():
    with pytest.raises(MissingConstantError, match=r"infimum.*with_facts"):
        Facts().need("infimum")
    w = bn.weights("w")
    loss = bn.Loss(bn.total(w**4) / bn.total(w**2) ** 2)
    with pytest.raises(MissingConstantError, match="blocks"):
        loss.facts.need("blocks", {})
    assert loss.with_facts(blocks=lambda start: start["x"]).facts.need("blocks", {"x": 3}) == 3


def test_blocks_are_symmetric_and_sparse():
    blocks = Blocks({("u", "v"): 2.0, ("u", "u"): 3.0}, gradient={"v": 0.5})
    assert blocks.between("v", "u") == 2.0
    assert blocks.between("v", "v") == 0.0
    assert blocks.gradient_bound("u") == 3.0
    assert blocks.gradient_bound("v") == 0.5
