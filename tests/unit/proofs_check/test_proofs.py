"""Every proof builds, renders, and is confirmed by z3 where it is polynomial."""

import re
import subprocess
import sys

import pytest
import sympy as sp

import proofs_check
from proofs_check.proof import Assumption, Citation, Identity, Proof, Summed, eq
from proofs_check.z3_check import is_algebraic, recheck

SLUGS = proofs_check.slugs()


def test_importing_the_package_loads_no_sympy():
    code = "import sys, proofs_check; proofs_check.slugs(); sys.exit('sympy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_library_never_imports_z3_by_itself():
    code = "import sys, proofs_check; proofs_check.prove('arora2019.gd_rate'); sys.exit('z3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_slugs():
    assert {slug.split(".")[0] for slug in SLUGS} >= {"arora2019", "li2020"}
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


def test_z3_knows_that_equal_arguments_give_equal_values():
    x, y = sp.symbols("x y", real=True)
    f, g = (sp.Function(name, real=True) for name in "fg")
    equal = Assumption("equal", "", eq(x, y))
    same = Identity("same", f(g(x), x), f(g(y), y), rewrite=(equal,))
    assert recheck(same) is True
    object.__setattr__(same, "rewrite", ())  # without the fact nothing makes them equal
    assert recheck(same) is False


def test_a_claim_with_logarithms_gets_no_wrong_answer_from_z3():
    assert recheck(proofs_check.prove("arora2019.gd_rate").step("tangent of log")) is None
    assert recheck(proofs_check.prove("arora2019.amplitude_law").step("one step of the covariance")) is None
