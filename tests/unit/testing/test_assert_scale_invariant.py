"""``assert_scale_invariant`` on functions and losses: by how little a function may miss, and what is refused."""

import numpy as np
import pytest
import sympy

import bn_theory as bn
from bn_theory.errors import InvalidInputError
from bn_theory.testing import ClaimFailedError, assert_scale_invariant
from bn_theory.testing import scale_invariance as module

D = 20
A = np.linspace(0.0, 1.0, D)
W = np.random.default_rng(3).standard_normal(D)


def quotient(w):
    return (w * A) @ w / (w @ w) / 2


def slope(w):
    return (A * w - 2 * quotient(w) * w) / (w @ w)


def failed(*arguments, **options):
    with pytest.raises(ClaimFailedError) as caught:
        assert_scale_invariant(*arguments, **options)
    return caught.value


def test_holds():
    found = assert_scale_invariant(quotient, W, gradient=slope, name="mine")
    assert (found.name, found.kind, found.verdict) == ("mine", "identity", "supported")
    assert found.measured <= found.tolerance < 1e-13
    assert found.details["scales"] == list(module.SCALES)


@pytest.mark.parametrize(("power", "noticed"), [(1e-3, True), (1e-9, True), (1e-14, True), (1e-17, False)])
def test_by_how_little_a_power_may_miss(power, noticed):
    """|w|^p over twelve decades is p ln(1e12) = 28 p, against a rounding of some 1e-15."""

    def broken(w):
        return quotient(w) * (w @ w) ** (power / 2)

    if noticed:
        error = failed(broken, W)
        assert error.evidence.verdict == "contradicted"
        assert power > error.evidence.details["notices_power"]
    else:
        assert assert_scale_invariant(broken, W).details["notices_power"] > power


def test_the_message_names_values_and_what_to_look_at():
    error = failed(lambda w: w @ w, np.array([3.0, 4.0]))
    assert isinstance(error, AssertionError)
    text = str(error)
    assert text.startswith("f(c w) = f(w): contradicted\n")
    assert "|f(1e+06 w) - f(w)| is 2.5e+13, where rounding allows" in text
    assert "f(0.3 w) - f(w) = -22.8, f(w) = 25" in text
    assert "f(c w) goes like c^2" in text


def test_an_eps_and_a_penalty_are_told_apart_from_a_power():
    for broken in (lambda w: w[0] ** 2 / (w @ w + 1e-5), lambda w: quotient(w) + 1e-4 * (w @ w)):
        assert "eps of a normalisation, if it fails at small scales" in str(failed(broken, W))


@pytest.mark.parametrize("lean", [1e-3, 1e-9, 1e-14])
def test_a_gradient_that_is_not_the_functions(lean):
    """``lean`` times w of a unit share more: <w, grad> is lean |w|^2/|w|^2."""
    error = failed(quotient, W, gradient=lambda w: slope(w) + lean * w / (w @ w))
    assert error.evidence.measured == pytest.approx(lean, rel=0.2)
    assert "the values agree, so it is not that of f" in str(error)


@pytest.mark.parametrize(("low", "high"), [(1e5, 1e7), (0.9, 1.1)], ids=["far away", "at w alone"])
def test_a_gradient_that_leans_at_some_norms_only(low, high):
    def wrong(v):
        return slope(v) + 1e-9 * v / (v @ v) * (low < np.sqrt(v @ v) / np.linalg.norm(W) < high)

    error = failed(quotient, W, gradient=wrong)
    assert error.evidence.measured == pytest.approx(1e-9, rel=0.01)
    at = "|<w, grad f(w)>|" if low < 1 < high else "|<v, grad f(v)>| at v = 1e+06 w"
    assert error.evidence.details["worst"] == at


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("seed", range(20))
def test_no_false_alarm(kind, seed):
    """Functions that are scale-invariant and round in different ways: sums, cancelling means, logarithms, arrays."""
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(30, 200)), int(rng.integers(1, 25))
    X = (rng.standard_normal((n, d)) + rng.uniform(-5, 5)).astype(kind)
    y, w = rng.standard_normal(n).astype(kind), rng.standard_normal(d).astype(kind)

    def normalised(w):
        z = X @ w
        z = z - z.mean()
        return z / np.sqrt((z * z).mean())

    for f in (
        normalised,
        lambda w: ((normalised(w) - y) ** 2).mean(),
        lambda w: np.log1p(np.exp(-y * normalised(w))).mean(),
        lambda w: np.abs(w).max() / np.abs(w).sum(),
        lambda w: kind(7.0),
    ):
        assert assert_scale_invariant(f, w).verdict == "supported"


def test_float32_is_judged_by_its_own_rounding():
    w = W.astype(np.float32)
    found = assert_scale_invariant(lambda w: (w * A.astype(np.float32)) @ w / (w @ w), w)
    assert 1e-9 < found.tolerance < 1e-4
    assert found.details["scales"] == list(module.NARROW_SCALES)


def test_functions_without_a_number_at_a_scale():
    # the fourth power of 1e-100 W is 0: no division, no number
    with np.errstate(all="ignore"):
        error = failed(lambda w: np.sum(w**4) / np.sum(w**2) ** 2, W, scales=[1e-100, 1.0])
    assert error.evidence.verdict == "contradicted" and np.isnan(error.evidence.measured)
    assert "overflow at that scale" in str(error)


def test_rounding_that_hides_everything_decides_nothing():
    """1e15 + f - 1e15 keeps three bits of f: what is left moves by its own size with an ulp."""
    X = np.random.default_rng(0).standard_normal((500, D)) * 1e10

    def lost(w):
        return float(np.sum(X @ w) - np.sum(X.sum(axis=0) * w))  # 0 but for rounding

    error = failed(lost, W, scales=[0.999999, 1.0])
    assert error.evidence.verdict == "inconclusive"
    assert "nothing is seen" in str(error)


def test_a_rounding_of_ones_own():
    assert failed(quotient, W, rounding=0.0).evidence.tolerance == 0
    assert assert_scale_invariant(lambda w: quotient(w) * (w @ w) ** 1e-9, W, rounding=1e-6).tolerance == 1e-6


def test_w_is_not_touched_by_a_function_that_writes():
    w = W.copy()

    def writes(v):
        found = quotient(v)
        v[:] = 0
        return found

    assert_scale_invariant(writes, w)
    assert np.array_equal(w, W)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((quotient,), "w is missing"),
        ((quotient, np.zeros(3)), "not zero"),
        ((quotient, [1.0, np.inf]), "finite"),
        ((quotient, ["a"]), "real numbers"),
        ((quotient, []), "empty"),
        ((3.0, W), "must be a function"),
        ((lambda w: np.nan, W), "not finite"),
        ((lambda w: 1j, W), "real numbers"),
    ],
)
def test_what_cannot_be_used(arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        assert_scale_invariant(*arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scales": [1.0]}, "not all 1"),
        ({"scales": [0.0, 2.0]}, "positive"),
        ({"rounding": -1}, "rounding must be one number, finite and >= 0"),
        ({"gradient": 3}, "function of w"),
        ({"gradient": lambda w: w[:2]}, r"gradient\(w\) \(2,\)"),
        ({"eps": 1e-300}, "give the module as w"),
    ],
)
def test_options_that_cannot_be_used(options, message):
    with pytest.raises(InvalidInputError, match=message):
        assert_scale_invariant(quotient, W, **options)


def test_a_function_that_is_not_deterministic():
    rng = np.random.default_rng(0)
    with pytest.raises(InvalidInputError, match="not deterministic"):
        assert_scale_invariant(lambda w: quotient(w) + rng.random(), W)


# --- losses of the package ---


def test_a_loss_is_proved(zoo):
    found = assert_scale_invariant(zoo("bilinear_signs"))
    assert (found.kind, found.verdict, found.details["groups"]) == ("proof", "supported", ("u", "v"))
    assert found.details["checked_steps"] > 1


def test_a_loss_that_is_not_invariant_is_shown_by_numbers():
    w, a = bn.weights("w"), bn.data("a")
    power = 1 + sympy.Rational(1, 10**6)
    error = failed(bn.Loss(bn.total(a * w**2) / bn.total(w**2) ** power, a=np.linspace(1, 2, 5)))
    assert error.evidence.verdict == "contradicted"
    # c^(-2e-6) at c = 1e-6 is 1 + 2.8e-5, times the loss
    assert error.evidence.measured == pytest.approx(2e-6 * np.log(1e6) * error.evidence.details["size_of_f"], rel=0.5)
    assert "was not proved" in str(error) and "f(1e-06 w) - f(w)" in str(error)


def test_what_is_not_proved_and_does_not_fail_is_open(zoo, monkeypatch):
    loss = zoo("rayleigh")

    def not_proved(*groups):
        raise bn.NotScaleInvariantError("it was not proved")

    monkeypatch.setattr(loss, "prove", not_proved, raising=False)
    error = failed(loss)
    assert error.evidence.verdict == "inconclusive"
    assert "not proved, and not refuted" in str(error)


@pytest.mark.parametrize("name", ["rayleigh_dense_noise", "minibatch_least_squares_bn", "bn_neuron_logistic"])
def test_array_losses(zoo, name):
    loss = zoo(name)
    found = assert_scale_invariant(loss)
    assert (found.kind, found.verdict) == ("identity", "supported") and found.tolerance < 1e-11
    start = {"w": np.arange(1.0, 1 + loss.dimensions["w"])} | dict.fromkeys(loss.parameters, 0.5)
    assert_scale_invariant(loss, start)


def broken_array_loss(of_sample):
    """A quotient whose gradient leans along w, of the full loss or of the sample only."""

    def value(w, sample):
        return np.sum(A * w * w, axis=-1) / np.sum(w * w, axis=-1) / 2

    def grad(w, sample):
        norm2 = np.sum(w * w, axis=-1, keepdims=True)
        lean = 1e-9 if (sample is not None) == of_sample else 0.0
        return (A * w - 2 * value(w, sample)[..., None] * w) / norm2 + lean * w / norm2

    return bn.ArrayLoss((value, grad), {"w": D}, sampler=bn.Sampler("rademacher", D))


@pytest.mark.parametrize("of_sample", [True, False])
def test_an_array_loss_that_leans(of_sample):
    error = failed(broken_array_loss(of_sample))
    assert error.evidence.details["worst"].startswith("w of a sample:" if of_sample else "w:")
    assert error.evidence.measured == pytest.approx(1e-9, rel=0.01)


@pytest.mark.parametrize(
    ("w", "message"),
    [
        (np.ones(3), "give w={name: array}"),
        ({"w": np.ones(3)}, r"w has \['w'\]"),
        ({"w": np.ones(4), "gamma": 1.0, "beta": 0.0}, "of shape"),
        ({"w": np.zeros(3), "gamma": 1.0, "beta": 0.0}, "not zero"),
        ({"w": np.ones(3), "gamma": np.inf, "beta": 0.0}, "one finite number"),
    ],
)
def test_states_that_do_not_fit(zoo, w, message):
    with pytest.raises(InvalidInputError, match=message):
        assert_scale_invariant(zoo("bn_neuron_logistic"), w)


def test_a_loss_of_unknown_size_that_is_not_proved_needs_a_point():
    w = bn.weights("w")
    loss = bn.Loss(bn.total(w**2) + bn.total(w**4))
    with pytest.raises(InvalidInputError, match="give w="):
        assert_scale_invariant(loss)
    assert failed(loss, [1.0, 2.0]).evidence.verdict == "contradicted"
