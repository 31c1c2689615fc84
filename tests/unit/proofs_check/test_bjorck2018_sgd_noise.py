"""The noise of the SGD step is proved, and wrong variants of it do not build."""

import sympy as sp
from falsify import assert_rejected, falsified

import proofs_check

SLUG = "bjorck2018.sgd_noise"
n, b = sp.symbols("n b", integer=True, positive=True)
eta = sp.Symbol("eta", nonnegative=True)

WRONG = [
    ("deviations add up to 0", "rhs", lambda e: sp.S.One),
    ("two losses, without replacement", "rhs", lambda e: e * b / (b - 1)),  # independent draws of subsets
    ("two losses, without replacement", "rhs", lambda e: b**2 / n**2),
    ("two losses, with replacement", "rhs", lambda e: b**2 / n**2),
    ("difference without replacement", "rhs", lambda e: b / n),
    ("difference with replacement", "rhs", lambda e: e * (n - b) / n),
    ("only the squares stay", "rhs", lambda e: 2 * e),
    ("unbiased", "rhs", lambda e: e * b),
    # eta for eta^2, 1/b^2 for 1/b, n for n - 1
    ("with replacement", "rhs", lambda e: e / eta),
    ("with replacement", "rhs", lambda e: e / b),
    ("with replacement", "rhs", lambda e: e * (n - b) / (n - 1)),
    ("without replacement", "rhs", lambda e: e.subs(sp.Symbol("n_1", integer=True, positive=True), n)),
    ("without replacement", "rhs", lambda e: e * b),
    ("the full batch", "rhs", lambda e: sp.S.One),
    ("without replacement there is less", "lhs", lambda e: 2 * e),
    ("bound", "rhs", lambda e: e / 2),
    ("bound", "rhs", lambda e: e / b),
    ("bound without replacement", "rhs", lambda e: e / 2),
    ("rate against batch size", "rhs", lambda e: e * eta),
]


@falsified([(SLUG, *rest) for rest in WRONG])
def test_a_false_statement_is_rejected(slug, name, field, change):
    assert_rejected(slug, name, field, change)


def test_what_is_assumed():
    proof = proofs_check.prove(SLUG)
    names = {step.name for step in proof.assumptions}
    assert names == {
        "members of a batch",
        "indicator",
        "pairs without replacement",
        "two draws",
        "the same loss twice",
        "a bound on the covariance",
    }
