"""The statements of Arora et al. are proved, and wrong variants of them do not build."""

import dataclasses

import pytest
import sympy as sp
from falsify import assert_rejected, falsified

import proofs_check
from proofs_check.proof import ProofError

SLUGS = (
    "arora2019.amplitude_law",
    "arora2019.descent",
    "arora2019.effective_rate",
    "arora2019.gd_rate",
    "arora2019.hessian_constants",
    "arora2019.norm_growth",
    "arora2019.orthogonality",
    "arora2019.sgd_rate",
)


def test_every_statement_has_a_proof():
    assert set(SLUGS) <= set(proofs_check.slugs())


# (slug, step, field, wrong value as a function of the right one): every one of these statements is false.
WRONG = [
    ("arora2019.orthogonality", "orthogonality", "rhs", lambda e: e + 1),
    ("arora2019.orthogonality", "Hessian along w", "rhs", lambda e: -e),
    ("arora2019.orthogonality", "gradient homogeneity", "rhs", lambda e: e * sp.Symbol("c", positive=True)),
    ("arora2019.orthogonality", "Hessian homogeneity", "rhs", lambda e: e * sp.Symbol("c", positive=True)),
    ("arora2019.orthogonality", "gradient bound", "rhs", lambda e: e / 2),
    ("arora2019.norm_growth", "growth", "rhs", lambda e: 2 * sp.Symbol("<w,w>", nonnegative=True) - e),
    ("arora2019.norm_growth", "segment", "lhs", lambda e: 2 * e),
    ("arora2019.norm_growth", "telescoped", "rhs", lambda e: -e),
    ("arora2019.effective_rate", "same effective rate", "rhs", lambda e: e**2),
    ("arora2019.descent", "Young for the blocks", "rhs", lambda e: e / 2),
    ("arora2019.descent", "Young for the mixed blocks", "rhs", lambda e: e / 2),
    ("arora2019.descent", "weight of the remainder", "rhs", lambda e: e / 2),
    ("arora2019.descent", "blocks on the segment", "rhs", lambda e: e / 2),
    ("arora2019.descent", "Taylor bound", "rhs", lambda e: e - sp.Symbol("Q", nonnegative=True) / 4),
    ("arora2019.gd_rate", "x <= rho log(1+x)", "rhs", lambda e: e / 2),
    ("arora2019.gd_rate", "value at the minimum", "rhs", lambda e: 2 * e),
    ("arora2019.gd_rate", "bracket minimum", "lhs", lambda e: e + sp.Symbol("a", positive=True)),
    ("arora2019.gd_rate", "what is left for g", "lhs", lambda e: 2 * e),
    ("arora2019.gd_rate", "equation of the root", "rhs", lambda e: 2 * e),
    ("arora2019.gd_rate", "closed bound of the root", "lhs", lambda e: e + 1),
    ("arora2019.gd_rate", "squared gradients of a group", "lhs", lambda e: 2 * e),
    ("arora2019.gd_rate", "minimum below the mean", "lhs", lambda e: 2 * e),
    ("arora2019.sgd_rate", "growth of G^2", "rhs", lambda e: e / 2),
    ("arora2019.sgd_rate", "harmonic sum", "rhs", lambda e: e - 1),
    ("arora2019.sgd_rate", "sum of inverse square roots", "lhs", lambda e: 2 * e),
    ("arora2019.sgd_rate", "power sum", "rhs", lambda e: e / 2),
    ("arora2019.sgd_rate", "Bernoulli", "lhs", lambda e: 1 / e),
    ("arora2019.amplitude_law", "stationary gradient", "rhs", lambda e: 2 * e),
    ("arora2019.amplitude_law", "growth of G^2", "rhs", lambda e: 2 * e),
    ("arora2019.amplitude_law", "effective rate", "rhs", lambda e: e * sp.sqrt(2)),
    ("arora2019.hessian_constants", "Rayleigh: Hessian by a reflection", "rhs", lambda e: -e),
    ("arora2019.hessian_constants", "Rayleigh: squared gradient", "rhs", lambda e: e / 2),
    ("arora2019.hessian_constants", "linear: curvature from above", "rhs", lambda e: e * sp.sqrt(3) / 2),
    ("arora2019.hessian_constants", "BN least squares: mixed curvature", "rhs", lambda e: e / 2),
    ("arora2019.hessian_constants", "noise: trace of the covariance", "rhs", lambda e: 2 * e),
]


@falsified(WRONG)
def test_a_wrong_statement_is_rejected(slug, name, field, change):
    assert_rejected(slug, name, field, change)


def test_descent_without_the_factor_two_is_rejected():
    step = proofs_check.prove("arora2019.descent").step("descent")
    i, m = sp.Symbol("i", integer=True), sp.Symbol("m", integer=True, positive=True)
    rate, slope, norm2 = (
        sp.Function("eta", positive=True),
        sp.Function("g", nonnegative=True),
        sp.Function("G", positive=True),
    )
    K = sp.Function("K", nonnegative=True)
    extra = sp.Sum(K(i) * rate(i) ** 2 * slope(i) ** 2 / norm2(i), (i, 1, m))
    dataclasses.replace(step, rhs=step.rhs)
    with pytest.raises(ProofError):
        dataclasses.replace(step, rhs=step.rhs - extra / 2)  # curvature term with K/2 removed
    with pytest.raises(ProofError):
        dataclasses.replace(step, rhs=step.rhs - extra / 4)
