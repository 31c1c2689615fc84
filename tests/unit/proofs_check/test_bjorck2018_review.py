"""The proof behind the reviews' questions: wrong variants do not build, and numbers agree with the formulas."""

import numpy as np
import pytest
import sympy as sp
from falsify import assert_rejected, falsified

import proofs_check

SLUG = "bjorck2018.review_questions"
c, k, n = sp.Symbol("c", positive=True), sp.Symbol("k", real=True), sp.Symbol("n", integer=True, positive=True)
factor = sp.Symbol("k", positive=True)
mean = sp.Symbol("abar", real=True)
variance, epsilon = sp.Symbol("v", positive=True), sp.Symbol("epsilon", nonnegative=True)

WRONG = [
    ("radial coefficient", "rhs", lambda e: 2 * e),
    ("radial coefficient", "terms", lambda e: ()),
    ("Pythagoras", "rhs", lambda e: e / k),
    ("Pythagoras", "terms", lambda e: ()),
    ("radial share", "lhs", lambda e: 2 * e),
    ("radial part of a scale-invariant kernel", "rhs", lambda e: sp.S.One),
    ("deviations have mean 0", "rhs", lambda e: sp.S.One),
    ("deviations have mean 0", "terms", lambda e: ()),
    ("radial coefficient by outputs", "rhs", lambda e: 2 * e),
    ("radial part of a filter", "rhs", lambda e: sp.S.One),
    ("radial part of a filter", "terms", lambda terms: terms[:1]),
    ("input-independent part vanishes", "rhs", lambda e: mean),
    ("radial part of a filter, eps", "rhs", lambda e: 0 * e),
    ("radial part of a filter, eps", "rhs", lambda e: e / sp.sqrt(variance + epsilon)),
    ("radial part of a filter, eps", "terms", lambda terms: terms[:1]),
    ("input-independent part vanishes, eps", "rhs", lambda e: mean),
    ("outputs of the network", "rhs", lambda e: c * e),
    ("radial derivative", "rhs", lambda e: e + 1),
    ("mean logits removed", "rhs", lambda e: sp.S.One),
    ("mean logits removed", "terms", lambda e: ()),
    ("differences between images", "rhs", lambda e: e + 1),
    ("time of an epoch", "rhs", lambda e: e / factor),
]


@falsified([(SLUG, *rest) for rest in WRONG])
def test_wrong_variants_do_not_build(slug, name, field, change):
    assert_rejected(slug, name, field, change)


def test_every_identity_has_a_wrong_variant():
    assert {step.name for step in proofs_check.prove(SLUG).checked} == {name for name, *_ in WRONG}


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


@pytest.mark.parametrize("epsilon", [0.0, 1e-5, 0.3])
def test_the_radial_part_of_a_filter_before_a_normalisation(epsilon):
    """By central differences in the length of w: sum_i d_i x_i with eps, and 0 without."""
    rng = np.random.default_rng(0)
    x, slopes = 3 + 2 * rng.standard_normal(20), rng.standard_normal(20)

    def normalised(values):
        return (values - values.mean()) / np.sqrt(values.var() + epsilon)

    def loss(scale):
        return np.sum(slopes * normalised(scale * x))  # u = slopes, whatever the outputs

    found = (loss(1 + 1e-5) - loss(1 - 1e-5)) / 2e-5
    predicted = len(x) * np.mean(slopes * normalised(x)) * epsilon / (x.var() + epsilon)
    # the difference errs by the third derivative, of order 1, times 1e-10, and by rounding, some 1e-15/1e-5
    assert found == pytest.approx(predicted, rel=1e-6, abs=1e-8)
    assert (abs(predicted) > 1e-3) == (epsilon > 0.1)


def test_what_is_assumed_is_no_more_than_it_says():
    proof = proofs_check.prove(SLUG)
    lemmas = {"arora2019.orthogonality", "li2020.other_normalisations", "bjorck2018.gradients_at_init"}
    lemmas |= {"bjorck2018.rate_and_generalisation"}
    assert {lemma.slug for lemma in proof.lemmas} == lemmas
    named = {step.name for step in proof.assumptions}
    assert named == {
        *("layers above", "signals", "signals, kernel scaled", "outputs, kernel scaled"),
        "mean logits",
    }
