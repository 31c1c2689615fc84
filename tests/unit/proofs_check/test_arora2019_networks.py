"""The statement on networks is proved, wrong variants do not build, and small runs agree with the formulas."""

import dataclasses

import numpy as np
import pytest
import sympy as sp
from falsify import assert_rejected, falsified

import proofs_check
from proofs_check.proof import ProofError, eq

SLUG = "arora2019.networks"

eta, G, s, r, c = sp.symbols("eta G s r c", positive=True)
lam = sp.Symbol("lambda", nonnegative=True)
ww = sp.Symbol("<w,w>", nonnegative=True)
gw = sp.Symbol("<g,w>", real=True)
a_gamma = sp.Symbol("<a,gamma>", real=True)
shifted, m, k = sp.Symbol("m'", real=True), sp.Symbol("m", real=True), sp.Symbol("k", nonzero=True, real=True)


def assuming(name, formula):
    """Changes a step's facts: the one called ``name`` says ``formula`` instead."""

    def other(fact):
        if isinstance(fact, tuple):
            return fact[0], other(fact[1])
        return dataclasses.replace(fact, formula=formula) if fact.name == name else fact

    return lambda facts: tuple(map(other, facts))


WRONG = [
    # filters that are not orthogonal one by one, a kernel that changes with its filters
    ("orthogonality of the kernel", "rhs", lambda e: sp.S.One),
    ("whole kernel", "rhs", lambda e: c * e),
    ("growth of the kernel", "rhs", lambda e: e / eta),
    ("growth of all groups", "rhs", lambda e: 2 * e),
    # the sum of squares without the 2, or of norms without squares
    ("squared gradients at unit norm", "rhs", lambda e: e / 2),
    ("squared gradients at unit norm", "lhs", lambda e: 2 * e),
    # gamma alone; two rates; a rate each without the cross term
    ("joint growth", "terms", assuming("joint orthogonality", eq(a_gamma, 0))),
    ("joint growth", "rhs", lambda e: e + eta * a_gamma),
    ("two rates", "rhs", lambda e: e.subs(a_gamma, 0)),
    ("one of the two", "rhs", lambda e: e.subs(a_gamma, 0)),
    # an effective rate below 1/(3 s), or one that SGD lets grow
    ("after one step", "rhs", lambda e: sp.Rational(2, 3) * e),
    ("after one large step", "rhs", lambda e: e * G),
    ("effective rate of a step", "lhs", lambda e: 2 * e),
    ("effective rate of a run", "rhs", lambda e: e / 2),
    ("norm after the projection", "rhs", lambda e: 2 * e),
    ("norm of a projected run", "rhs", lambda e: 2 * e),
    ("effective rate of a projected run", "rhs", lambda e: 2 * e),
    # a mean that does not follow the bias
    ("loss with a bias", "rewrite", assuming("mean with a bias", eq(shifted, m))),
    ("loss with a bias", "rewrite", assuming("mean with a bias", eq(shifted, m - k))),
    ("gradient of a bias", "rhs", lambda e: 1 / k),
    # growth law under weight decay, and its miss with the wrong factor
    ("weight decay", "rhs", lambda e: e.subs(lam, 0)),
    ("what decay takes", "rhs", lambda e: e * 2),
    ("momentum", "rhs", lambda e: sp.S.Zero),
    ("any other step", "rhs", lambda e: sp.S.Zero),
    # exponent -1 and +2 in the norm
    ("radial derivative with epsilon", "rhs", lambda e: e * r),
    ("radial derivative with epsilon", "rhs", lambda e: e * r**4),
    ("orthogonality with epsilon", "rhs", lambda e: e / 2),
]


@falsified([(SLUG, *wrong) for wrong in WRONG])
def test_a_wrong_statement_is_rejected(slug, name, field, change):
    assert_rejected(slug, name, field, change)


def test_every_checked_step_has_a_wrong_variant():
    assert {step.name for step in proofs_check.prove(SLUG).checked} == {name for name, *_ in WRONG}


def test_no_checked_equation_is_empty():
    for step in proofs_check.prove(SLUG).checked:
        assert step.relation.lhs != step.relation.rhs, step.name


def test_what_it_rests_on():
    lemmas = {lemma.slug for lemma in proofs_check.prove(SLUG).lemmas}
    assert lemmas == {
        "arora2019.gd_rate",
        "arora2019.norm_growth",
        "arora2019.orthogonality",
        "li2020.other_normalisations",
    }


def test_a_citation_of_a_step_that_is_not_there_is_rejected():
    step = proofs_check.prove(SLUG).step("growth of a group")
    with pytest.raises(ProofError, match="cites"):
        dataclasses.replace(step, step="growth of the loss")


# --- in floating point: an outside check of the statements themselves ---

# A few operations on numbers of size 1.
CLOSE = 1e-13


def gradients(f, v, A):
    """Of ``f^T A v/(|f| |v|)``, scale-invariant in either filter."""
    u, w = f / np.linalg.norm(f), v / np.linalg.norm(v)
    return (A @ w - (u @ A @ w) * u) / np.linalg.norm(f), (A.T @ u - (u @ A @ w) * w) / np.linalg.norm(v)


def test_filters_and_rates_in_numbers():
    rng = np.random.default_rng(0)
    f, v, A = rng.normal(size=4), rng.normal(size=4), rng.normal(size=(4, 4))
    g, h = gradients(f, v, A)
    assert abs(f @ g) < CLOSE and abs(v @ h) < CLOSE
    for one, two in ((0.3, 0.3), (0.1, 7.0)):
        assert (f - one * g) @ (f - one * g) == pytest.approx(f @ f + one**2 * g @ g, rel=CLOSE)
        assert (v - two * h) @ (v - two * h) == pytest.approx(v @ v + two**2 * h @ h, rel=CLOSE)


@pytest.mark.parametrize("rate", [1e-3, 0.5, 1.0, 2.0, 1e3])
def test_the_effective_rate_after_one_step_in_numbers(rate):
    G0, slope = 2.0, 2.0
    after = rate / (G0 + rate**2 * slope**2 / G0)
    assert after <= 1 / (2 * slope) * (1 + CLOSE)
    # equality where eta s = G
    assert (rate == 1.0) == (after == pytest.approx(1 / (2 * slope), rel=1e-9))


def test_gamma_and_beta_in_numbers():
    """``L = <a, gamma>/sqrt(|gamma|^2 + |beta|^2)``: together scale-invariant, neither alone."""
    rng = np.random.default_rng(1)
    gamma, beta, a = rng.normal(size=3), rng.normal(size=3), rng.normal(size=3)
    n2 = gamma @ gamma + beta @ beta
    by_gamma = a / np.sqrt(n2) - (a @ gamma) / n2**1.5 * gamma
    by_beta = -(a @ gamma) / n2**1.5 * beta
    assert gamma @ by_gamma + beta @ by_beta == pytest.approx(0, abs=CLOSE)
    one, two = 0.3, 0.7
    grown = np.sum((gamma - one * by_gamma) ** 2) + np.sum((beta - two * by_beta) ** 2) - n2
    first_order = -2 * (one - two) * gamma @ by_gamma
    assert grown == pytest.approx(one**2 * by_gamma @ by_gamma + two**2 * by_beta @ by_beta + first_order, rel=1e-10)
    assert abs(first_order) > 0.01


def test_epsilon_in_numbers():
    """``L(w) = x(w)`` with one normalised number ``x = z/sqrt(|z|^2 + eps)``, linear in w: exponent -2."""
    eps, z = 1e-3, 1.7

    def radial(size):
        # <w, grad L> = d/dc x(c z) at c = 1
        return size * z * eps / ((size * z) ** 2 + eps) ** 1.5

    def by_eps(size):
        return -0.5 * size * z / ((size * z) ** 2 + eps) ** 1.5

    for size in (0.1, 1.0, 10.0):
        assert radial(size) == pytest.approx(-2 * eps * by_eps(size), rel=CLOSE)
    assert np.log10(radial(100.0) / radial(10.0)) == pytest.approx(-2, abs=1e-4)
