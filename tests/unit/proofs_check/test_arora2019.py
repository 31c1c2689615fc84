"""Every proof builds, renders, is confirmed by z3 where it is polynomial; wrong statements do not build."""

import dataclasses
import re
import subprocess
import sys

import pytest
import sympy as sp

import proofs_check
from proofs_check.proof import Citation, Proof, ProofError, Summed
from proofs_check.z3_check import is_algebraic, recheck

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


def test_importing_the_package_loads_no_sympy():
    code = "import sys, proofs_check; proofs_check.slugs(); sys.exit('sympy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_library_never_imports_z3_by_itself():
    code = "import sys, proofs_check; proofs_check.prove('arora2019.gd_rate'); sys.exit('z3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_slugs():
    assert set(SLUGS) <= set(proofs_check.slugs())
    with pytest.raises(KeyError, match="gd_rate"):
        proofs_check.prove("arora2019.gd_rates")


@pytest.mark.parametrize("slug", SLUGS)
def test_a_proof_builds_and_renders(slug):
    proof = proofs_check.prove(slug)
    assert isinstance(proof, Proof) and proof.slug == slug
    assert len(proof.checked) >= 4
    text, latex = proof.as_text(), proof.as_latex()
    for step in proof.steps:
        assert step.name in text
    assert latex.count(r"\item") == len(proof.steps)
    assert latex.count(r"\begin{") == latex.count(r"\end{")
    assert latex.count(r"\[") == latex.count(r"\]") == sum(step.relation is not None for step in proof.steps)
    bare = re.sub(r"\\[{}]", "", latex)
    assert bare.count("{") == bare.count("}")
    assert all(ord(character) < 128 for character in latex)


@pytest.mark.parametrize("slug", SLUGS)
def test_z3_confirms_every_algebraic_step(slug):
    for step in proofs_check.prove(slug).checked:
        answer = recheck(step)
        assert answer is not False, step.name
        if is_algebraic(step):
            assert answer is True, step.name


def test_enough_steps_are_algebraic_for_that_to_mean_something():
    steps = [step for slug in SLUGS for step in proofs_check.prove(slug).checked]
    assert sum(map(is_algebraic, steps)) > 60


@pytest.mark.parametrize("slug", SLUGS)
def test_lemmas_are_proofs_themselves(slug):
    for step in proofs_check.prove(slug).steps:
        if isinstance(step, Citation):
            assert proofs_check.prove(step.proof.slug) is step.proof
            assert step.proof.step(step.step).checked


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


@pytest.mark.parametrize(("slug", "name", "field", "change"), WRONG, ids=[f"{s}-{n}" for s, n, *_ in WRONG])
def test_a_wrong_statement_is_rejected(slug, name, field, change):
    step = proofs_check.prove(slug).step(name)
    dataclasses.replace(step)  # the right one builds again
    with pytest.raises(ProofError) as caught:
        dataclasses.replace(step, **{field: change(getattr(step, field))})
    assert caught.value.step == name
    assert caught.value.residual != 0


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


def test_z3_refutes_what_is_false():
    """The second opinion is one: it disagrees when the facts are taken away."""
    i, m = sp.Symbol("i", integer=True), sp.Symbol("m", integer=True, positive=True)
    f = sp.Function("f", nonnegative=True)
    good = Summed("squares", 2 * f(i), f(i) ** 2 + 1, ((i, 1, m),), ((1, (f(i) - 1) ** 2),))
    assert recheck(good) is True
    bad = object.__new__(Summed)  # bypasses the checker on purpose
    for name, value in {
        "name": "bad",
        "lhs": 3 * f(i),
        "rhs": f(i) ** 2 + 1,
        "limits": ((i, 1, m),),
        "terms": (),
        "equality": False,
        "why": "",
    }.items():
        object.__setattr__(bad, name, value)
    assert recheck(bad) is False


def test_a_claim_with_logarithms_gets_no_wrong_answer_from_z3():
    assert recheck(proofs_check.prove("arora2019.gd_rate").step("tangent of log")) is None
    assert recheck(proofs_check.prove("arora2019.amplitude_law").step("one step of the covariance")) is None
