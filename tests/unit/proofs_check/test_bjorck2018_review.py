"""The proof behind the reviews' questions: wrong variants do not build, and numbers agree with the formulas."""

import numpy as np
import pytest
import sympy as sp
from falsify import assert_rejected, falsified

import proofs_check

SLUG = "bjorck2018.review_questions"
c, k, n = sp.Symbol("c", positive=True), sp.Symbol("k", real=True), sp.Symbol("n", integer=True, positive=True)
s2, factor = sp.Symbol("s2", positive=True), sp.Symbol("k", positive=True)
mean = sp.Symbol("abar", real=True)

WRONG = [
    ("radial coefficient", "rhs", lambda e: 2 * e),
    ("radial coefficient", "terms", lambda e: ()),
    ("Pythagoras", "rhs", lambda e: e / k),
    ("Pythagoras", "terms", lambda e: ()),
    ("radial share", "lhs", lambda e: 2 * e),
    ("radial part of a scale-invariant kernel", "rhs", lambda e: sp.S.One),
    ("input-independent part", "rhs", lambda e: e + mean),
    ("input-independent part", "rhs", lambda e: e.subs(mean, 2 * mean, simultaneous=True) - mean),
    ("deviations have mean 0", "rhs", lambda e: sp.S.One),
    ("deviations have mean 0", "terms", lambda e: ()),
    ("radial coefficient by outputs", "rhs", lambda e: 2 * e),
    ("variance of the moved", "rhs", lambda e: e - s2),
    ("derivative of a normalised output", "rhs", lambda e: e * s2),
    ("derivative of the loss along u", "rhs", lambda e: 2 * e),
    ("derivative of the loss along u", "terms", lambda terms: terms[:-1]),
    ("derivatives sum to 0", "rhs", lambda e: sp.S.One),
    ("derivatives sum to 0", "terms", lambda terms: terms[:1]),
    ("radial part of a filter", "rhs", lambda e: sp.S.One),
    ("radial part of a filter", "terms", lambda terms: terms[:3] + terms[4:]),
    ("input-independent part vanishes", "rhs", lambda e: mean),
    ("outputs of the network", "rhs", lambda e: c * e),
    ("radial derivative", "rhs", lambda e: e + 1),
    ("mean logits removed", "rhs", lambda e: sp.S.One),
    ("mean logits removed", "terms", lambda e: ()),
    ("differences between images", "rhs", lambda e: e + 1),
    ("noise per unit of time", "rhs", lambda e: factor * e),
    ("time of an epoch", "rhs", lambda e: e / factor),
]


@falsified([(SLUG, *rest) for rest in WRONG])
def test_wrong_variants_do_not_build(slug, name, field, change):
    assert_rejected(slug, name, field, change)


def test_every_identity_has_a_wrong_variant():
    assert {step.name for step in proofs_check.prove(SLUG).checked} == {name for name, *_ in WRONG}


@pytest.fixture(scope="module")
def channel():
    rng = np.random.default_rng(0)
    return {"x": rng.normal(2.0, 1.5, 7), "g": rng.normal(size=7), "gamma": 0.7}


def output(x, gamma):
    return gamma * (x - x.mean()) / x.std()


def derivatives(x, g, gamma):
    """The formula of 'derivatives in the outputs'."""
    z = x - x.mean()
    return gamma / x.std() * (g - g.mean() - z * np.mean(g * z) / x.var())


def test_derivatives_in_the_outputs_are_those_of_the_normalisation(channel):
    h = 1e-5  # central differences: errors of the order h^2 and u/h, both 1e-10
    x, g, gamma = channel["x"], channel["g"], channel["gamma"]
    steps = h * np.eye(7)
    numeric = [(g @ output(x + step, gamma) - g @ output(x - step, gamma)) / (2 * h) for step in steps]
    np.testing.assert_allclose(derivatives(**channel), numeric, atol=1e-8)


def test_they_sum_to_0_alone_and_against_the_outputs(channel):
    found = derivatives(**channel)
    # 7 terms of size 1
    assert abs(found.sum()) < 1e-14 and abs(found @ channel["x"]) < 1e-14
    assert np.abs(found).max() > 0.1


def test_the_radial_derivative_is_that_of_cross_entropy():
    step = proofs_check.prove(SLUG).step("radial derivative")
    z = [0.3, -1.2, 2.0]
    K, y = (next(s for s in step.relation.rhs.free_symbols if s.name == name) for name in ("K", "y"))
    outputs = sp.Function("z", real=True)
    right = step.relation.rhs.subs(K, 3).subs(y, 2).doit()
    value = float(right.subs({outputs(i): z[i - 1] for i in (1, 2, 3)}))

    def loss(scale):
        return np.log(np.sum(np.exp(scale * np.array(z)))) - scale * z[1]

    assert value == pytest.approx((loss(1 + 1e-6) - loss(1 - 1e-6)) / 2e-6, rel=1e-8)


def test_what_is_assumed_is_no_more_than_it_says():
    proof = proofs_check.prove(SLUG)
    assert {lemma.slug for lemma in proof.lemmas} == {"arora2019.orthogonality", "li2020.other_normalisations"}
    named = {step.name for step in proof.assumptions}
    assert named == {
        *("mean output", "variance", "direction", "covariance", "variance along u", "mean derivative"),
        *("derivative along x", "layers above", "signals", "signals, kernel scaled", "outputs, kernel scaled"),
        "mean logits",
    }
