"""The families: their values against the formula written on the data, their proofs, their refusals."""

import numpy as np
import pytest
import sympy

import bn_theory as bn
from bn_theory.errors import InvalidInputError, LossError, NotScaleInvariantError, UnknownNameError

EPS = np.finfo(float).eps
RNG_SEED = 11


def data_set(n=30, d=3, offset=0.0):
    rng = np.random.default_rng(RNG_SEED)
    X = rng.standard_normal((n, d)) @ np.array([[1.0, 0.4, 0.0], [0.0, 2.0, -0.3], [0.0, 0.0, 0.5]]) + offset
    return X, X @ [1.0, -0.5, 2.0] + 0.5 * rng.standard_normal(n)


def close(x, y, operations=200):
    """Equal up to the rounding of a few hundred operations on numbers of the results' size."""
    scale = np.maximum(1.0, np.abs(y))
    return np.all(np.abs(np.asarray(x) - y) <= operations * EPS * scale)


# --- values ---


def test_rayleigh_is_half_the_quotient_of_its_matrix():
    a, w = np.array([0.5, 1.0, -2.0]), np.array([1.0, 2.0, -3.0])
    assert close(bn.rayleigh(a).value({"w": w}), w @ np.diag(a) @ w / (2 * w @ w))
    assert close(bn.rayleigh(a).unnormalised.value({"w": w}), w @ np.diag(a) @ w / 2)


def test_bilinear_and_its_twin():
    a, u, v = np.array([2.0, 0.5]), np.array([1.0, -1.0]), np.array([0.3, 0.7])
    cosine = -(a * u) @ v / (np.linalg.norm(u) * np.linalg.norm(v))
    assert close(bn.bilinear(a).value({"u": u, "v": v}), cosine)
    assert close(bn.bilinear(a).unnormalised.value({"u": u, "v": v}), u @ u + v @ v - (a * u) @ v)


def batch_normalised(X, y, w, gamma):
    output = X @ w
    output = gamma * (output - output.mean()) / output.std()
    return np.mean((output - (y - y.mean())) ** 2) / 2


def test_least_squares_bn_is_the_loss_on_the_data():
    X, y = data_set(offset=5.0)
    loss = bn.least_squares_bn(X, y)
    _, basis = np.linalg.eigh(np.cov(X.T, bias=True))
    for w, gamma in (([1.0, 0.0, 0.0], 1.0), ([0.3, -2.0, 1.0], -1.5)):
        turned = basis.T @ w
        # centring an offset of 5 costs its square against the variance in ulps: below 1e3
        assert close(loss.value({"w": turned, "gamma": gamma}), batch_normalised(X, y, np.array(w), gamma), 5000)
        plain = np.mean(((X - X.mean(0)) @ w - (y - y.mean())) ** 2) / 2
        assert close(loss.unnormalised.value({"w": turned}), plain, 5000)
    assert loss.start["gamma"] == 1.0


def test_least_squares_bn_reaches_ordinary_least_squares():
    X, y = data_set()
    design = np.column_stack([X, np.ones(len(X))])
    residual = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    assert close(bn.least_squares_bn(X, y).facts.infimum, np.mean(residual**2) / 2, 2000)


def test_minibatch_parts_partition_the_rows():
    """Every part's loss is that of its rows, the full loss their mean, and every row has its place in one part."""
    X, y = data_set(n=40)
    loss = bn.minibatch_least_squares_bn(X, y, parts=4)
    state = {"w": np.array([[[0.3, -2.0, 1.0]] * 4]), "gamma": np.full((1, 4), 0.8)}
    each = loss.value(state, np.arange(4))
    assert close(loss.value(state), each.mean())
    # Half the variance of y within the parts is what is left at gamma = 0: identify the parts by it.
    constants = loss.value(state | {"gamma": np.zeros((1, 4))}, np.arange(4))[0]
    from bn_theory.losses import philox

    order = np.argsort(philox.normals(0, [0], 0, 40, philox.SHUFFLE_STREAM)[0])
    assert sorted(order) == list(range(40))
    for part, rows in enumerate(np.array_split(order, 4)):
        assert close(constants[part], y[rows].var() / 2, 2000)
        assert close(each[0, part], batch_normalised(X[rows], y[rows], state["w"][0, 0], 0.8), 5000)


def test_minibatch_samples_every_part_alike():
    X, y = data_set(n=40)
    loss = bn.minibatch_least_squares_bn(X, y, parts=4)
    counts = np.bincount(loss.draw(3, range(100_000), 5), minlength=4)
    # binomial(1e5, 1/4) has standard deviation 137; 5 of them: two-sided probability 6e-7 per part
    assert np.all(np.abs(counts - 25_000) < 5 * 137)


def test_bn_neuron_is_the_loss_on_the_data():
    X, y = data_set()
    labels = np.where(y > np.median(y), 1.0, -1.0)
    loss = bn.bn_neuron_logistic(X, labels)
    w = np.array([0.3, -2.0, 1.0])
    unit = (X @ w - (X @ w).mean()) / (X @ w).std()
    for gamma, beta in ((1.0, 0.0), (-2.0, 0.7), (1e4, 0.0)):
        state = {"w": w[None, None], "gamma": np.array([[gamma]]), "beta": np.array([[beta]])}
        expected = np.mean(np.logaddexp(0.0, -labels * (gamma * unit + beta)))
        assert close(loss.value(state)[0, 0], expected, 5000 * max(1, abs(gamma)))


def test_dense_noise_has_the_covariance_asked_for():
    a = np.array([0.0, 1.0, 0.5])
    B = np.array([[1.0, 0.0, 0.0], [0.5, 0.3, 0.0], [-0.2, 0.1, 0.4]])
    loss = bn.rayleigh_dense_noise(a, B @ B.T)
    signs = np.array(np.meshgrid(*[[-1.0, 1.0]] * 3)).reshape(3, -1).T
    w = np.array([0.2, 0.7, -0.4])
    state = {"w": np.broadcast_to(w, (1, 8, 3))}
    noise = loss.gradient(state, signs)["w"][0] - loss.gradient(state)["w"][0]
    project = (np.eye(3) - np.outer(w, w) / (w @ w)) / np.linalg.norm(w)
    assert close(noise.mean(axis=0), 0.0)
    assert close(noise.T @ noise / 8, project @ B @ B.T @ project)
    values = loss.value(state, signs)[0]
    assert close(values.mean(), bn.rayleigh(a).value({"w": w}))


@pytest.mark.parametrize("kind", ["rademacher", "gaussian"])
def test_linear_noise_is_tangent_and_of_size_sigma(kind):
    loss = bn.with_linear_noise(bn.rayleigh([0.0, 1.0, 2.0]), 0.25, kind)
    z = np.array([1.0, -2.0, 3.0])
    w = np.array([3.0, 0.0, 4.0])
    noise = loss.gradient({"w": w}, {"z": z})["w"] - loss.gradient({"w": w})["w"]
    assert close(noise, 0.25 * (z - (z @ w / 25) * w) / 5)
    twin = loss.unnormalised
    assert close(twin.gradient({"w": w}, {"z": z})["w"], np.array([0.0, 1.0, 2.0]) * w + 0.25 * z)


def test_linear_noise_for_every_group_and_case():
    loss = bn.with_linear_noise(bn.bilinear([1.0, 0.5]), [0.0, 0.3])
    assert loss.noises == ("z_u", "z_v")
    assert loss.cases == 2
    draw = loss.draw(0, [0, 1], 0)
    assert not np.array_equal(np.array(draw["z_u"]), np.array(draw["z_v"]))  # seed 0: the streams differ
    state = {g: np.ones((2, 2, 2)) for g in "uv"}
    _, full, sampled = loss.evaluate(state, draw)
    assert np.array_equal(full["u"][0], sampled["u"][0])  # sigma = 0
    assert not np.allclose(full["u"][1], sampled["u"][1])


def test_power_law_start():
    loss = bn.power_law_rayleigh([0.2, 1.0], d=40, smallest=1e-6, largest=2.0, mass=0.01)
    v2 = loss.start["w"] ** 2
    assert close(v2.sum(axis=-1), 1.0)
    assert close(v2[:, 1:].sum(axis=-1), 0.01)
    a = loss.data["a"][0]
    assert a[0] == 0 and close(a[1], 1e-6) and close(a[-1], 2.0)
    slopes = np.diff(np.log(v2[:, 1:])) / np.diff(np.log(a[1:]))
    assert np.allclose(slopes, [[-0.8], [0.0]], rtol=0, atol=1e-10)  # logs of 39 ratios, each to about 1e-14
    assert close(np.diff(np.log(a[1:])), np.log(2e6) / 38, 1000)


# --- refusals ---

X, y = data_set()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: bn.rayleigh([1.0]), "at least two"),
        (lambda: bn.rayleigh(1.0), r"shape \(\)"),
        (lambda: bn.rayleigh([0.0, np.nan]), "must be finite.*nan"),
        (lambda: bn.rayleigh("text"), "not an array of numbers"),
        (lambda: bn.rayleigh([]), "shape"),
        (lambda: bn.bilinear([1.0, -0.5]), ">= 0"),
        (lambda: bn.bilinear([0.0, 0.0]), "not all 0"),
        (lambda: bn.bilinear([1.0]), "at least two"),
        (lambda: bn.power_law_rayleigh(0.0), r"\(0, 1\]"),
        (lambda: bn.power_law_rayleigh([0.5, 1.5]), r"\(0, 1\]"),
        (lambda: bn.power_law_rayleigh(d=2), "d must be"),
        (lambda: bn.power_law_rayleigh(d=10.0), "d must be"),
        (lambda: bn.power_law_rayleigh(smallest=0.0), "spectrum"),
        (lambda: bn.power_law_rayleigh(smallest=2.0), "spectrum"),
        (lambda: bn.power_law_rayleigh(largest=np.inf), "largest must be finite"),
        (lambda: bn.power_law_rayleigh(smallest="a"), "smallest is not an array of numbers: 'a'"),
        (lambda: bn.power_law_rayleigh(largest=[1.0, 2.0]), "largest has shape"),
        (lambda: bn.power_law_rayleigh(mass=None), "mass is not an array of numbers"),
        (lambda: bn.rayleigh(["0.0", "1.0"]), "eigenvalues is not an array of numbers"),
        (lambda: bn.rayleigh(np.array([0.0, 1j])), "eigenvalues is not an array of numbers"),
        (lambda: bn.power_law_rayleigh(mass=1.0), "mass"),
        (lambda: bn.with_linear_noise(bn.rayleigh([0.0, 1.0]), -0.1), ">= 0"),
        (lambda: bn.with_linear_noise(bn.rayleigh([0.0, 1.0]), np.inf), "finite"),
        (lambda: bn.least_squares_bn(X, y[:-1]), "30 rows but y has 29"),
        (lambda: bn.least_squares_bn(X[:4], y[:4]), "too few"),
        (lambda: bn.least_squares_bn(np.column_stack([X, np.ones(30)]), y), "column 3 of X is constant"),
        (lambda: bn.least_squares_bn(np.column_stack([X, np.full(30, 0.1)]), y), "column 3 of X is constant"),
        (lambda: bn.least_squares_bn(X, np.full(30, 0.1)), "y is constant"),
        (lambda: bn.least_squares_bn(np.column_stack([X, X @ [1.0, 2.0, 3.0]]), y), "depend on each other"),
        (lambda: bn.least_squares_bn(np.column_stack([X, 1e-9 * X[:, 0]]), y), "depend on each other"),
        (lambda: bn.least_squares_bn(np.where(X[0, 0] == X, np.nan, X), y), "finite"),
        (lambda: bn.minibatch_least_squares_bn(X, y, parts=6), "need 6 or more"),
        (lambda: bn.minibatch_least_squares_bn(X, y, parts=0), "parts"),
        (lambda: bn.bn_neuron_logistic(X, y), "labels must be -1 or \\+1"),
        (lambda: bn.rayleigh_dense_noise([0.0, 1.0], np.eye(3)), "shape"),
        (lambda: bn.rayleigh_dense_noise([0.0, 1.0], [[1.0, 0.0], [1.0, 1.0]]), "symmetric"),
        (lambda: bn.rayleigh_dense_noise([0.0, 1.0], [[1.0, 2.0], [2.0, 1.0]]), "positive semidefinite"),
        (lambda: bn.rayleigh_dense_noise([1.0], [[1.0]]), "shape|at least two"),
        (lambda: bn.Sampler("uniform", 3), "unknown sampler"),
        (lambda: bn.Sampler("parts", 0), "size"),
        (lambda: bn.ArrayLoss((None, None), {}), "at least one group"),
        (lambda: bn.ArrayLoss((None, None), {"w": 2}, scale_invariant_groups=("v",)), "no groups"),
        (lambda: bn.ArrayLoss((None, None), {"w": 2}), "pair .* of functions"),
        (lambda: bn.ArrayLoss(3, {"w": 2}), "pair .* of functions, not 3"),
        (lambda: bn.ArrayLoss((abs,), {"w": 2}), "pair .* of functions"),
        (lambda: bn.ArrayLoss((abs, abs), {"w": 0}), "size of 'w' must be a whole number >= 1, not 0"),
        (lambda: bn.ArrayLoss((abs, abs), {"w": 2.5}), "size of 'w' must be"),
        (lambda: bn.ArrayLoss((abs, abs), {"w": True}), "size of 'w' must be"),
        (lambda: bn.ArrayLoss((abs, abs), 3), "at least one group"),
        (lambda: bn.ArrayLoss((abs, abs), {"w": 2}, "gamma"), "tuple of distinct names"),
        (lambda: bn.ArrayLoss((abs, abs), {"w": 2}, ("w",)), "tuple of distinct names"),
        (lambda: bn.ArrayLoss((abs, abs), {"w": 2}, sampler="parts"), "bn.Sampler or None"),
        (lambda: bn.ArrayLoss((abs, abs), {"w": 2}, start={"v": [1.0, 1.0]}), "no group or parameter"),
        (lambda: bn.ArrayLoss((abs, abs), {"w": 2}, start={"w": [1.0, np.nan]}), "must be finite"),
        (lambda: bn.ArrayLoss((abs, abs), {"w": 2}).with_facts(foo=1), r"unknown facts \['foo'\]; there are infimum"),
    ],
)
def test_refused_inputs(make, message):
    with pytest.raises(InvalidInputError, match=message):
        make()


def test_noise_is_added_once_and_to_known_sizes():
    noisy = bn.with_linear_noise(bn.rayleigh([0.0, 1.0]), 0.1)
    with pytest.raises(LossError, match="noise already"):
        bn.with_linear_noise(noisy, 0.1)
    w = bn.weights("w")
    with pytest.raises(LossError, match="unknown size"):
        bn.with_linear_noise(bn.Loss(bn.total(w**4) / bn.total(w**2) ** 2), 0.1)
    with pytest.raises(UnknownNameError, match="cauchy"):
        bn.with_linear_noise(bn.rayleigh([0.0, 1.0]), 0.1, kind="cauchy")
    a, sigma = bn.data("a"), bn.data("sigma")
    taken = bn.Loss(sigma * bn.total(a * w**2) / bn.total(w**2), a=[0.0, 1.0], sigma=2.0)
    with pytest.raises(LossError, match="sigma"):
        bn.with_linear_noise(taken, 0.1)


def test_the_units_of_the_columns_do_not_matter():
    """Least squares is invariant; eigenvalues spread over (1e3)**4 = 1e12 leave 1e12 eps of relative accuracy."""
    scaled = bn.least_squares_bn(X * [1e3, 1.0, 1e-3], y).facts.infimum
    assert abs(scaled - bn.least_squares_bn(X, y).facts.infimum) <= 1e12 * 10 * EPS


def test_units_too_far_apart_are_refused():
    """The covariance's eigenvalues would spread beyond float64: a clear refusal, not an error about the data 's'."""
    with pytest.raises(InvalidInputError, match=r"scale|unit|standardi"):
        bn.least_squares_bn(X * [1e9, 1.0, 1e-9], y)


# --- proofs ---


def test_every_invariant_family_is_proved(invariant_loss):
    assert invariant_loss.scale_invariant_groups == invariant_loss.groups
    assert invariant_loss.prove() is not None


@pytest.mark.parametrize("name", ["quadratic", "quadratic_signs", "convex_bilinear", "least_squares", "inside"])
def test_twins_are_not_proved(zoo, name):
    loss = zoo(name)
    assert loss.scale_invariant_groups == ()
    with pytest.raises(NotScaleInvariantError) as caught:
        loss.prove()
    assert caught.value.residual != 0
    assert caught.value.group == (loss.groups[0],)


def test_a_loss_broken_by_a_millionth_is_not_proved():
    w, a = bn.weights("w"), bn.data("a")
    whole = bn.total(a * w**2) / (2 * bn.total(w**2))
    loss = bn.Loss(whole + sympy.Rational(1, 10**6) * bn.total(w**2), a=[0.0, 1.0])
    with pytest.raises(NotScaleInvariantError) as caught:
        loss.prove()
    assert caught.value.residual.free_symbols


def test_partial_invariance():
    w, u, a = bn.weights("w"), bn.weights("u"), bn.data("a")
    loss = bn.Loss(bn.total(a * u * w) / sympy.sqrt(bn.total(w**2)), a=[1.0, 2.0])
    assert loss.scale_invariant_groups == ("w",)
    assert loss.prove("w") is not None
    with pytest.raises(NotScaleInvariantError):
        loss.prove("u")
    with pytest.raises(InvalidInputError, match="no group or parameter"):
        loss.prove("v")


def test_joint_invariance_with_a_parameter():
    """gamma and w scaled together: their ratio does not change."""
    w, a, gamma = bn.weights("w"), bn.data("a"), bn.parameter("gamma")
    loss = bn.Loss(gamma * bn.total(a * w) / bn.total(w**2), a=[1.0, 2.0])
    assert loss.scale_invariant_groups == ()
    assert loss.prove("w", "gamma") is not None


def test_noise_can_break_invariance():
    w, a, z = bn.weights("w"), bn.data("a"), bn.noise("z")
    loss = bn.Loss(bn.total(a * w**2) / bn.total(w**2) + bn.total(z * w), a=[0.0, 1.0])
    assert loss.scale_invariant_groups == ()
