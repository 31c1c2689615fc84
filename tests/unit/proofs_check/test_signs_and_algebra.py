"""The sign rules are sound, and the helpers of exact algebra do what they say."""

import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from proofs_check.algebra import Tr, collect_sums, residual, trace
from proofs_check.jets import Jet, plane
from proofs_check.signs import is_nonnegative, is_positive, is_smooth
from proofs_check.vectors import dot, vector

REAL = sp.Symbol("x", real=True)
NONNEGATIVE = sp.Symbol("y", nonnegative=True)
POSITIVE = sp.Symbol("z", positive=True)

expressions = st.recursive(
    st.sampled_from([REAL, NONNEGATIVE, POSITIVE, sp.S(2), sp.S(-1), sp.Rational(1, 2)]),
    lambda inner: st.one_of(
        st.builds(sp.Add, inner, inner),
        st.builds(sp.Mul, inner, inner),
        st.builds(lambda e: e**2, inner),
        st.builds(lambda e: 1 / (1 + e**2), inner),
        st.builds(lambda e: sp.log(1 + e), inner),
        st.builds(lambda e: sp.sqrt(e), inner),
        st.builds(sp.Abs, inner),
    ),
    max_leaves=6,
)


@given(expressions, st.integers(-9, 9), st.integers(0, 9), st.integers(1, 9))
def test_a_sign_that_is_claimed_holds(e, x, y, z):
    value = e.subs({REAL: sp.Rational(x, 3), NONNEGATIVE: sp.Rational(y, 3), POSITIVE: sp.Rational(z, 3)})
    if is_positive(e):
        assert sp.re(value.evalf(30)) > 0 and value.is_real is not False
    if is_nonnegative(e):
        # evalf at 30 digits: a true 0 may come out as a rounding error of that size
        assert sp.re(value.evalf(30)) >= -sp.Float("1e-25") and value.is_real is not False


@pytest.mark.parametrize(
    "e", [REAL, -NONNEGATIVE, REAL * NONNEGATIVE, NONNEGATIVE - POSITIVE, REAL**3, sp.log(POSITIVE)]
)
def test_a_sign_that_is_not_evident_is_not_claimed(e):
    assert not is_nonnegative(e)


def test_the_sign_of_a_sum_needs_a_range_that_is_not_turned_around():
    """Sum over 1 .. k is minus that over k+1 .. 0 for k < 0."""
    i, k = sp.symbols("i k", integer=True)
    n = sp.Symbol("n", integer=True, nonnegative=True)
    g = sp.Function("g", nonnegative=True)
    assert sp.Sum(i**2, (i, 1, k)).subs(k, -3).doit() == -5
    assert not is_nonnegative(sp.Sum(g(i), (i, 1, k)))
    assert not is_nonnegative(sp.Sum(g(i), (i, 0, n - 2)))
    assert not is_nonnegative(sp.Sum(g(i), (i, 1, n), (k, 1, k)))
    assert is_nonnegative(sp.Sum(g(i), (i, 1, n))) and is_nonnegative(sp.Sum(g(i), (i, 0, n - 1)))
    assert is_nonnegative(sp.Sum(g(i) * g(k), (i, 1, n), (k, 0, n)))


def test_the_index_of_a_sum_has_the_sign_of_its_range():
    """Not the one that its symbol was declared with: here the sums are -6 and more negative."""
    n, j = sp.symbols("n j", integer=True, nonnegative=True)
    i = sp.Symbol("i", integer=True)
    assert not is_nonnegative(sp.Sum(n, (n, -3, -1)))
    assert not is_nonnegative(sp.Sum(j, (j, n, 5), (n, -3, -1)))
    assert is_nonnegative(sp.Sum(i, (i, 0, n)))


def test_zero_is_not_positive():
    assert not is_positive(NONNEGATIVE) and not is_positive(REAL**2) and not is_positive(sp.S.Zero)


def test_smoothness():
    assert is_smooth(sp.log(1 + NONNEGATIVE) / POSITIVE + REAL**3)
    assert not is_smooth(1 / REAL)
    assert not is_smooth(sp.log(NONNEGATIVE))
    assert not is_smooth(sp.sqrt(NONNEGATIVE))
    assert not is_smooth(sp.Abs(REAL))


def test_the_residual_of_something_small_is_not_zero():
    assert residual(REAL * (1 + sp.Rational(1, 10**40)) - REAL) != 0


def test_nested_sums_merge_only_into_equal_ones():
    i, j = sp.symbols("i j", integer=True)
    m = sp.Symbol("m", integer=True, positive=True)
    f, g = sp.Function("f"), sp.Function("g")
    nested = sp.Sum(f(i) * sp.Sum(g(i, j), (j, 1, m)), (i, 1, m))
    flat = sp.Sum(f(i) * g(i, j), (i, 1, m), (j, 1, m))
    assert collect_sums(nested - flat) == 0
    assert collect_sums(nested - sp.Sum(f(j) * g(i, j), (i, 1, m), (j, 1, m))) != 0
    for m_value in (1, 2, 3):
        assert (
            sp.expand(
                collect_sums(nested + sp.Sum(3 * f(i) + 2, (i, 1, m))).subs(m, m_value).doit()
                - (nested + sp.Sum(3 * f(i) + 2, (i, 1, m))).subs(m, m_value).doit()
            )
            == 0
        )


def test_traces_are_cyclic_and_nothing_more():
    A, B, C = sp.symbols("A B C", commutative=False)
    assert trace(A * B * C - C * A * B) == 0
    assert trace(A * B * C - B * A * C) != 0
    assert residual(Tr(A * B) - Tr(B * A)) == 0


def test_gram_algebra_agrees_with_vectors():
    x, y = vector("x"), vector("y")
    xx, xy, yy = (
        sp.Symbol("<x,x>", nonnegative=True),
        sp.Symbol("<x,y>", real=True),
        sp.Symbol("<y,y>", nonnegative=True),
    )
    u, v = sp.Matrix([1, -2, 3]), sp.Matrix([2, 5, -1])
    value = dot(x - 2 * y, 3 * x + y).subs({xx: u.dot(u), xy: u.dot(v), yy: v.dot(v)})
    assert value == (u - 2 * v).dot(3 * u + v)


def test_the_abstract_function_obeys_the_chain_rule():
    s, r = sp.symbols("s r", real=True)
    f = plane("phi", s * r, s + r)
    derivative = sp.diff(f, s)
    # For phi(p, q) = p^2 q the partial derivatives are 2 p q and p^2.
    partial = {(1, 0): lambda p, q: 2 * p * q, (0, 1): lambda p, q: p**2}
    value = derivative.replace(Jet, lambda name, n, k, p, q: partial[int(n), int(k)](p, q))
    assert sp.expand(value - sp.diff((s * r) ** 2 * (s + r), s)) == 0
