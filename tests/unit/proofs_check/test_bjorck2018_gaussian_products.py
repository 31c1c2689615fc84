"""The law of products of Gaussian matrices is proved, and wrong variants of it do not build."""

import sympy as sp
from falsify import assert_rejected, falsified

import proofs_check

SLUG = "bjorck2018.gaussian_products"
M, k = sp.symbols("M k", integer=True, positive=True)
N = sp.Symbol("N", integer=True, positive=True)
u, s, t, w, rho = sp.symbols("u s t w rho", positive=True)

WRONG = [
    ("S-transform of one matrix", "rhs", lambda e: e / (1 + u)),
    ("equation of the generating function", "rhs", lambda e: e * (1 + u)),
    ("moments", "rhs", lambda e: sp.binomial(2 * k, k) / (k + 1)),
    ("moments", "rhs", lambda e: e * (M * k + 1)),
    ("moment 2 from the equation", "rhs", lambda e: e + 1),
    ("moment 4 from the equation", "rhs", lambda e: e * M),
    ("slope of z", "rhs", lambda e: e.subs(M, M + 1)),
    ("value where it turns", "rhs", lambda e: 4 ** (-M)),  # norms multiply
    ("square root", "rhs", lambda e: sp.S.Zero),
    ("imaginary part", "rhs", lambda e: e * rho),
    ("real part", "rhs", lambda e: -e),
    ("density", "rhs", lambda e: e * t),
    ("density", "rhs", lambda e: e * w),
    ("lambda falls", "rhs", lambda e: -e),
    ("part above", "rhs", lambda e: e / 2),
    ("moments of the density", "rhs", lambda e: e * (M * k + 1)),
    ("slope at the upper edge", "rhs", lambda e: M**2),
    ("square root at the upper edge", "rhs", lambda e: e / 2),
    ("constant of one matrix", "rhs", lambda e: e * 2),
    ("density and point", "rhs", lambda e: e * w),
    ("density towards 0", "rhs", lambda e: e / s),
    ("part below", "rhs", lambda e: e * (M + 1)),
    ("where one value is expected", "rhs", lambda e: e / N),
    ("step of the symmetric part", "rhs", lambda e: e * (1 + 1 / N) / (1 + 2 / N)),
    ("second moment at finite N", "rhs", lambda e: e + 1),
    ("moment 3 at finite N, limit", "rhs", lambda e: e + M),
    ("moment 3, matrices of one number", "rhs", lambda e: 14**M),
    ("variance of an entry", "rhs", lambda e: e * N),
    ("condition number 1", "rhs", lambda e: 2 * e),
]


@falsified([(SLUG, *rest) for rest in WRONG])
def test_a_false_statement_is_rejected(slug, name, field, change):
    assert_rejected(slug, name, field, change)


def test_only_the_size_of_the_smallest_value_is_assumed():
    """All else that is not checked is a standard fact or a conclusion, and what is assumed is not claimed."""
    proof = proofs_check.prove(SLUG)
    (heuristic,) = proof.assumptions
    assert heuristic.name == "smallest singular value" and heuristic.text.startswith("Heuristic")
    assert "smallest" not in proof.claim
    assert not any(heuristic in step.facts for step in proof.checked)
