"""Scale invariance of losses in reductions: what is invariant is proved, what is not is refused."""

import time

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from proofs_check.scale_invariance import NotProvedError, degree, prove

w, u, v, a, b, z, gamma, sigma = sp.symbols("w u v a b z gamma sigma", real=True)
s, q = sp.symbols("s q", positive=True)
A, B, C = sp.symbols("A B C")

INVARIANT = {
    "rayleigh": (A / (2 * B), {A: a * w**2, B: w**2}, (w,)),
    "linear noise": (A / (2 * B) + sigma * C / sp.sqrt(B), {A: a * w**2, B: w**2, C: z * w}, (w,)),
    "floats": (0.5 * A / B + 0.1 * C / B**0.5, {A: a * w**2, B: w**2, C: z * w}, (w,)),
    "bilinear, first": (-A / sp.sqrt(B * C), {A: a * u * v, B: u**2, C: v**2}, (u,)),
    "bilinear, second": (-A / sp.sqrt(B * C), {A: a * u * v, B: u**2, C: v**2}, (v,)),
    "bilinear, together": (-A / sp.sqrt(B * C), {A: a * u * v, B: u**2, C: v**2}, (u, v)),
    "bn least squares": (gamma**2 / 2 - gamma * A / sp.sqrt(B) + 1, {A: b * w, B: s * w**2}, (w,)),
    "parameter in the group": (gamma * A / (B + gamma**2), {A: a * w, B: w**2}, (w, gamma)),
    "absolute values": (A / B, {A: sp.Abs(w) * a, B: sp.Abs(w)}, (w,)),
    "odd and negative powers": (
        A * B + C / B ** sp.Rational(3, 2),
        {A: s / w**2, B: w**2, C: a * w**3},
        (w,),
    ),
    "logarithms": (sp.log(A) - sp.log(B), {A: s * w**2, B: w**2}, (w,)),
    "maximum": (A / sp.sqrt(B), {A: sp.Max(w * z, 0), B: w**2}, (w,)),
    "sign of a ratio": (sp.sign(A - B), {A: a * w**2, B: w**2}, (w,)),
    "functions of ratios": (sp.exp(A / B) + sp.tanh(C / sp.sqrt(B)), {A: a * w**2, B: w**2, C: z * w}, (w,)),
    "p-norm": (A / B ** (1 / q), {A: a * w, B: sp.Abs(w) ** q}, (w,)),
    "absolute difference": (sp.Abs(A - B) / B, {A: a * w**2, B: w**2}, (w,)),
    "hidden square": (A / B, {A: (w + 1) ** 2 - 2 * w - 1, B: w**2}, (w,)),
    "root of a square": ((sp.sqrt(A**2) - A) / sp.sqrt(B), {A: a * w, B: w**2}, (w,)),
}

BROKEN = {
    "twin without normalisation": (A / 2, {A: a * w**2}, (w,)),
    "broken by 1e-6": (A / (2 * B) + 1e-6 * B, {A: a * w**2, B: w**2}, (w,)),
    "epsilon in the denominator": (A / (B + 1e-6), {A: a * w**2, B: w**2}, (w,)),
    "broken by 1e-30": (A / B * (1 + sp.Rational(1, 10**30) * B), {A: a * w**2, B: w**2}, (w,)),
    "jump that a derivative does not see": (sp.sign(B - 1), {B: w**2}, (w,)),
    "step that a derivative does not see": (sp.floor(B), {B: w**2}, (w,)),
    "root of a square": (sp.sqrt(A**2) - A, {A: a * w}, (w,)),
    "wrong power": (A / B, {A: a * w, B: w**2}, (w,)),
    "logarithm": (sp.log(B), {B: w**2}, (w,)),
    "not homogeneous": (A / B, {A: a * w**2 + w, B: w**2}, (w,)),
    "parameter left out": (gamma * A / (B + gamma**2), {A: a * w, B: w**2}, (w,)),
    "one of two groups": (A / B, {A: a * u * v, B: u**2}, (u,)),
}


@pytest.mark.parametrize("name", INVARIANT)
def test_an_invariant_loss_is_proved(name):
    phi, reductions, group = INVARIANT[name]
    proof = prove(phi, reductions, group, name=name)
    names = {step.name for step in proof.checked}
    assert {"invariance", "orthogonality", "Hess w = -grad"} <= names
    assert name in proof.as_text() and r"\begin{enumerate}" in proof.as_latex()


@pytest.mark.parametrize("name", BROKEN)
def test_a_loss_that_is_not_invariant_is_refused(name):
    phi, reductions, group = BROKEN[name]
    with pytest.raises(NotProvedError) as caught:
        prove(phi, reductions, group)
    assert caught.value.residual != 0
    assert caught.value.group == group


@pytest.mark.parametrize("name", ["rayleigh", "linear noise", "bilinear, first", "bn least squares"])
def test_proving_is_fast(name):
    began = time.perf_counter()
    prove(*INVARIANT[name])
    assert time.perf_counter() - began < 0.5  # the promise to callers; about 0.05 s here


def _value(phi, reductions, values, scale, group):
    """The loss with three coordinates, each per-coordinate symbol taking its three values."""
    totals = {}
    for key, e in reductions.items():
        names = sorted(e.free_symbols, key=str)
        rows = [(scale if n in group else 1.0) * values[n] for n in names]
        f = sp.lambdify(names, e, "numpy")
        totals[key] = float(np.sum(np.broadcast_to(f(*rows), 3)))
    scalars = {n: (scale if n in group else 1.0) * float(values[n][0]) for n in phi.free_symbols - set(reductions)}
    return float(sp.lambdify(list(phi.free_symbols), phi, "numpy")(*[(totals | scalars)[n] for n in phi.free_symbols]))


@pytest.mark.parametrize("name", sorted(set(INVARIANT) | set(BROKEN)))
def test_the_verdict_agrees_with_numbers(name):
    """Outside check in three coordinates: proved losses do not change when scaled, refused ones do."""
    rng = np.random.default_rng(3)
    for cases, invariant in ((INVARIANT, True), (BROKEN, False)):
        if name not in cases or name == "broken by 1e-30":  # the latter is below what doubles can see
            continue
        phi, reductions, group = cases[name]
        phi = sp.sympify(phi)
        changes = []
        for _ in range(5):
            symbols = phi.free_symbols.union(*(e.free_symbols for e in reductions.values())) - set(reductions)
            values = {n: np.abs(rng.normal(size=3)) + 0.1 for n in sorted(symbols, key=str)}
            values |= {n: row - 0.7 for n, row in values.items() if not n.is_positive and n.name in "wuvb"}
            if q in symbols:  # an exponent, the same for every coordinate
                values[q] = np.full(3, values[q][0])
            before, after = (_value(phi, reductions, values, c, group) for c in (1.0, 37.0))
            changes.append(abs(after - before) / (1 + abs(before)))
        # a few hundred roundings at most: 1e-12 is far above them and far below any of the violations
        assert (max(changes) < 1e-12) is invariant


@given(
    st.sampled_from([-3, -2, -1, 1, 2, 3]),
    st.integers(1, 3),
    st.sampled_from([sp.Rational(1, 2), sp.S(1), sp.S(2)]),
)
def test_exactly_one_power_makes_a_ratio_invariant(m, k, root):
    """|w|^m against (w^(2k))^(power): invariant for power = m/(2k) and for no other."""
    reductions = {A: sp.Abs(w) ** m * s, B: w ** (2 * k)}
    right = sp.Rational(m, 2 * k)
    prove(A / B**right, reductions, (w,))
    with pytest.raises(NotProvedError):
        prove(A / B ** (right + root), reductions, (w,))


def test_positive_weights_are_not_believed():
    """A weight declared positive may change sign along a run: the sum of a*w has no sign."""
    positive = sp.Symbol("w", positive=True)
    proof = prove(A / sp.sqrt(B), {A: s * positive, B: positive**2}, (positive,))
    assert "A > 0" not in {step.name for step in proof.assumptions}
    assert "B > 0" in {step.name for step in proof.assumptions}


def test_subclasses_of_symbol_are_accepted():
    class Weight(sp.Symbol):
        pass

    class Total(sp.Symbol):
        pass

    weight, top, bottom = Weight("w", real=True), Total("S1", real=True), Total("S2", real=True)
    proof = prove(top / bottom, {top: a * weight**2, bottom: weight**2}, (weight,))
    assert "S1/S2" in str(proof)
    with pytest.raises(NotProvedError) as caught:
        prove(top, {top: a * weight**2}, (weight,))
    assert caught.value.group == (weight,)


@pytest.mark.parametrize(
    ("phi", "reductions", "group", "message"),
    [
        (A / B, {A: a * w**2, B: w**2}, (), "empty"),
        (A / B, {A: a * w**2, B: w**2}, (sp.Symbol("w"),), "does not occur"),
        (A / B, {A: a * w**2, B: w**2}, (A,), "reduction"),
        (A / B, {A: sp.Symbol("w") * w, B: w**2}, (w,), "two different"),
    ],
)
def test_input_that_makes_no_sense(phi, reductions, group, message):
    with pytest.raises(ValueError, match=message):
        prove(phi, reductions, group)


def test_degree():
    assert degree(a * w**3 / sp.Abs(w), [w]) == 2
    assert degree(sp.exp(w), [w]) is None
    assert degree(sp.exp(w / sp.Abs(w)), [w]) == 0
    assert degree(w**w, [w]) is None
    assert degree(2**w, [w]) is None
    assert degree((1 + w) * w, [w]) is None
