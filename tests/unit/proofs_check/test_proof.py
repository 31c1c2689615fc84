"""The checker itself: what is wrong cannot be built, and nothing can be passed off as checked."""

import dataclasses

import pytest
import sympy as sp

from proofs_check.proof import (
    AroundOne,
    Assumption,
    Citation,
    Definition,
    Identity,
    Increasing,
    Induction,
    Inequality,
    Instance,
    Proof,
    ProofError,
    Source,
    Step,
    Summed,
    eq,
    instance,
    le,
)

a, b = sp.symbols("a b", real=True)
L, x, y = sp.symbols("L x y", nonnegative=True)
p = sp.Symbol("p", positive=True)
t = sp.Symbol("t", integer=True, nonnegative=True)
i, j = sp.symbols("i j", integer=True)
m = sp.Symbol("m", integer=True, positive=True)
SOURCE = Source("A paper", "a statement", "derived")


HALF = sp.Rational(1, 2)


def young(factor=HALF):
    return Inequality("Young", L * a * b, L * (a**2 + b**2) * factor, ((L / 2, (a - b) ** 2),))


def proof_of(*steps):
    return Proof("slug", "Title", "claim", steps, SOURCE)


def test_a_true_inequality_builds_and_a_false_one_does_not():
    assert young().checked
    with pytest.raises(ProofError) as caught:
        young(sp.Rational(1, 3))
    assert caught.value.step == "Young" and caught.value.residual != 0


def test_replacing_a_field_checks_again():
    with pytest.raises(ProofError):
        dataclasses.replace(young(), rhs=0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        young().rhs = 0


def test_an_identity_must_vanish_exactly():
    Identity("square", (a + b) ** 2, a**2 + 2 * a * b + b**2)
    with pytest.raises(ProofError) as caught:
        Identity("square", (a + b) ** 2, a**2 + 2 * a * b + b**2 * (1 + sp.Rational(1, 10**30)))
    assert sp.simplify(caught.value.residual * 10**30 - b**2) == 0


@pytest.mark.parametrize(
    "terms",
    [
        ((1, a * b),),  # no sign
        ((-1, (a - b) ** 2),),  # negative multiplier
        ((a, (a - b) ** 2),),  # multiplier without a sign
        ((1 / a, a**2),),  # a pole
    ],
)
def test_a_certificate_needs_evident_signs(terms):
    gap = sum(multiplier * term for multiplier, term in terms)
    with pytest.raises(ProofError):
        Inequality("unsigned", 0, gap, terms)


def test_an_equation_has_no_slack():
    with pytest.raises(ProofError):
        Identity("slack", 0, a**2, terms=((1, a**2),))
    with pytest.raises(ProofError):
        Identity("slack", L * a * b, L * (a**2 + b**2) / 2, terms=((1, young()),))


def test_a_step_of_ones_own_is_not_a_step():
    class Believe(Step):
        def _check(self):
            pass

    with pytest.raises(ProofError):
        Believe("trust me")
    with pytest.raises(ProofError):
        Step("nothing")

    @dataclasses.dataclass(frozen=True, eq=False)
    class Lax(Identity):
        def _check(self):
            pass

    with pytest.raises(ProofError):
        Lax("1 = 0", sp.S.One, sp.S.Zero)


def test_text_alone_is_no_proof():
    with pytest.raises(ProofError):
        proof_of(Assumption("everything", "Everything holds."))
    with pytest.raises(ProofError):
        proof_of("a step")


def test_assumptions_are_never_counted_as_checked():
    assumed = Assumption("x <= p", "x is small.", le(x, p))
    used = Inequality("2x <= 2p", 2 * x, 2 * p, ((2, assumed),))
    proof = proof_of(assumed, used)
    assert proof.assumptions == (assumed,)
    assert proof.checked == (used,)
    with pytest.raises(ProofError):
        Inequality("3x <= 2p", 3 * x, 2 * p, ((2, assumed),))


def test_a_step_may_use_only_earlier_steps():
    assumed = Assumption("x <= p", "x is small.", le(x, p))
    used = Inequality("2x <= 2p", 2 * x, 2 * p, ((2, assumed),))
    with pytest.raises(ProofError, match="does not come earlier"):
        proof_of(used)
    with pytest.raises(ProofError, match="does not come earlier"):
        proof_of(used, assumed)
    with pytest.raises(ProofError, match="this name"):
        proof_of(assumed, used, used)


def test_an_assumption_without_formula_cannot_be_used():
    vague = Assumption("vague", "x is small.")
    with pytest.raises(ProofError, match="no formula"):
        Inequality("x <= p", x, p, ((1, vague),))


def test_an_instance_keeps_the_signs():
    step = Inequality("x <= x + y", x, x + y, ((1, y),))
    assert instance(step, x=p).relation == le(p, p + y)
    with pytest.raises(ProofError):
        instance(step, y=a)
    with pytest.raises(ProofError):
        instance(step, y=-p)
    with pytest.raises(ProofError):
        instance(step, z=p)
    shown = Assumption("x <= p", "x is small.", le(x, p))
    assert instance(step, because=(shown,), y=p - x).relation.rhs == p
    with pytest.raises(ProofError):
        instance(step, because=(shown,), y=x - p)


def test_an_instance_does_not_move_a_fixed_symbol():
    fixed = Assumption("x <= p", "For this x.", le(x, p))
    derived = Inequality("2x <= 2p", 2 * x, 2 * p, ((2, fixed),))
    with pytest.raises(ProofError, match="fixed"):
        instance(derived, x=y)
    free = Assumption("f(i) <= p", "For all i.", le(sp.Function("f")(i), p), (i,))
    assert instance(free, i=j).relation == le(sp.Function("f")(j), p)
    with pytest.raises(ProofError):
        Instance(free, ((i, a),))  # not an integer


def test_a_definition_is_new_and_has_the_right_sign():
    z = sp.Symbol("z", positive=True)
    with pytest.raises(ProofError):
        Definition("z", z, a)
    with pytest.raises(ProofError):
        Definition("z", z, z + 1)
    late = Definition("z", z, p + 1)
    early = Identity("uses z", (z + 1) ** 2, z**2 + 2 * z + 1)
    with pytest.raises(ProofError, match="already in use"):
        proof_of(early, late)
    proof_of(late, early)


def test_increasing_needs_start_slope_and_smoothness():
    Increasing("log(1+x) <= x", sp.log(1 + x), x, x, ((x / (1 + x), 1),))
    with pytest.raises(ProofError):  # x <= log(1+x) is false
        Increasing("x <= log(1+x)", x, sp.log(1 + x), x, ((x / (1 + x), 1),))
    with pytest.raises(ProofError):  # wrong at 0
        Increasing("log(2+x) <= x", sp.log(2 + x), x, x, (((1 + x) / (2 + x), 1),))
    with pytest.raises(ProofError):  # not shown to be smooth: 1/(x - 1) jumps from -inf to inf at 1
        Increasing("pole", -1 / (x - 1), 1, x, ((1 / (x - 1) ** 2, 1),))
    with pytest.raises(ProofError):  # the variable must start at 0
        Increasing("real", 0, a**2, a, ((2 * a, 1),))


def test_an_assumption_may_not_fix_the_running_variable():
    small = Assumption("x <= 1", "For this x only.", le(x, 1))
    with pytest.raises(ProofError, match="fixes"):
        Increasing("x^2/2 <= x", x**2 / 2, x, x, ((1, small),))


def test_induction_checks_base_and_step():
    S = sp.Function("S")
    start, step = eq(S(0), 0), eq(S(t + 1), S(t) + t + 1)
    base = Assumption("base", "S(0) = 0.", start)
    rule = Assumption("rule", "S adds t + 1.", step, (t,))
    Induction("triangular", S(t), t * (t + 1) / 2, t, ((1, base),), ((1, rule),))
    with pytest.raises(ProofError):  # wrong step
        Induction("triangular", S(t), t**2 / 2, t, ((1, base),), ((1, rule),))
    with pytest.raises(ProofError):  # wrong base
        Induction("triangular", S(t), t * (t + 1) / 2 + 1, t, ((1, base),), ((1, rule),))
    once = Assumption("once", "For one t only.", step)
    with pytest.raises(ProofError, match="fixes"):
        Induction("triangular", S(t), t * (t + 1) / 2, t, ((1, base),), ((1, once),))


def test_a_double_sum_may_exchange_its_indices_and_a_single_one_not():
    block, f = sp.Function("L", nonnegative=True), sp.Function("f", nonnegative=True)
    symmetric = Assumption("symmetric", "L_ij = L_ji.", eq(block(i, j), block(j, i)), (i, j))
    square, ranges = f(i) ** 2, ((i, 1, m), (j, 1, m))
    good = ((f(j) ** 2 - f(i) * f(j)) / 2, symmetric), (block(i, j) / 2, (f(i) - f(j)) ** 2)
    Summed("Young", block(i, j) * f(i) * f(j), block(i, j) * square, ranges, good)
    with pytest.raises(ProofError):  # without the symmetry of L it is false
        Summed("Young", block(i, j) * f(i) * f(j), block(i, j) * square, ranges, good[1:])
    with pytest.raises(ProofError):  # half of it is false
        Summed("Young", block(i, j) * f(i) * f(j), block(i, j) * square / 2, ranges, good)
    with pytest.raises(ProofError):  # different ranges may not be exchanged
        Summed("swap", f(i), f(j), ((i, 1, m), (j, 1, 2 * m)), equality=True)
    with pytest.raises(ProofError):
        Summed("swap", f(i), f(i + 1), ((i, 1, m),), equality=True)


def test_two_sided_cases_need_both_sides():
    h, z = sp.Symbol("h", nonnegative=True), sp.Symbol("z", positive=True)
    above = Increasing("above", sp.log(1 + h), h, h, ((h / (1 + h), 1),))
    below = Increasing("below", h / (1 + h), sp.log(1 + h), h, ((h / (1 + h) ** 2, 1),))
    AroundOne("tangent", sp.log(z), z - 1, z, above, below, h)
    with pytest.raises(ProofError):
        AroundOne("tangent", sp.log(z), z - 1, z, above, above, h)
    with pytest.raises(ProofError):
        AroundOne("chord", z - 1, sp.log(z), z, above, below, h)


def test_a_citation_names_a_checked_step():
    step = young()
    proof = proof_of(Assumption("x <= p", "x is small.", le(x, p)), step)
    assert not Citation("as above", step.relation, proof, "Young").checked
    with pytest.raises(ProofError):
        Citation("as above", step.relation, proof, "Old")
    with pytest.raises(ProofError):
        Citation("as above", le(x, p), proof, "x <= p")


def test_rewriting_is_by_equations_for_a_name_only():
    z = sp.Symbol("z", positive=True)
    named = Definition("z", z, p**2)
    Identity("log", sp.log(z), 2 * sp.log(p), rewrite=(named,))
    with pytest.raises(ProofError):
        Identity("log", sp.log(z), 3 * sp.log(p), rewrite=(named,))
    with pytest.raises(ProofError):
        Identity("log", sp.log(z), 2 * sp.log(p), rewrite=(Assumption("z <= p^2", "", le(z, p**2)),))


def test_origin_is_one_of_two():
    with pytest.raises(ValueError):
        Source("A paper", "a statement", "folklore")


def test_text_and_latex_name_every_step_and_escape_text():
    assumed = Assumption("50% & more_", "x^2 is < p, {x}.", le(x**2, p))
    proof = proof_of(assumed, Inequality("twice", 2 * x**2, 2 * p, ((2, assumed),)))
    text, latex = str(proof), proof.as_latex()
    assert "50% & more_" in text and "1 of 2 steps checked" in text and "2*x**2 <= 2*p" in text
    assert (
        r"50\% \& more\_" in latex and r"x\textasciicircum{}2 is $<$ p, \{x\}." in latex and r"2 x^{2} \le 2 p" in latex
    )
    assert proof.step("twice").facts == (assumed,)
    with pytest.raises(KeyError):
        proof.step("thrice")
