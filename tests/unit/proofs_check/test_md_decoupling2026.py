"""Magnitude and direction: the statements are proved, wrong variants do not build, numbers agree with the formulas."""

import math

import numpy as np
import pytest
import sympy as sp
from falsify import assert_rejected, falsified

import proofs_check

SLUGS = tuple(f"md_decoupling2026.{name}" for name in ("identity", "equivalent_schedule", "run", "networks"))

t = sp.Symbol("t", integer=True, nonnegative=True)
a, c, g, G, h, k, mu, eta_p, R = sp.symbols("a c g G h k mu eta R", positive=True)
eta, s2, n2 = sp.symbols("eta s2 n2", nonnegative=True)
N = sp.Function("N", positive=True)
run = sp.Function("w_1", real=True)


def test_every_statement_has_a_proof():
    assert set(SLUGS) <= set(proofs_check.slugs())


WRONG = [
    ("identity", "expansion", "rhs", lambda e: e - sp.Symbol("<d,w>", real=True)),
    ("identity", "length at a w", "rhs", lambda e: e / a),
    ("identity", "fixed update", "rhs", lambda e: e / a),
    # a^-2 without the square is a^-4 with it
    ("identity", "update of SGD", "rhs", lambda e: e * a**2),
    ("identity", "Adam's mean, scaled", "rhs", lambda e: c * e),
    ("identity", "Adam's square, scaled", "rhs", lambda e: e / c),
    ("identity", "Adam's step, scaled", "rhs", lambda e: e / c),
    ("identity", "with eps", "rhs", lambda e: e.subs(c, 1)),
    ("identity", "length of a tangential step", "rhs", lambda e: (1 + eta) * G),
    ("identity", "length of a tangential step", "terms", lambda terms: terms[1:]),
    ("identity", "cosine of a tangential step", "rhs", lambda e: e**2),
    ("identity", "cosine with a radial part", "rhs", lambda e: e.subs(sp.Symbol("q", positive=True), 1)),
    ("identity", "gradient on the sphere", "rhs", lambda e: e / g),
    ("identity", "tangential part", "terms", lambda terms: ()),
    ("identity", "the gain is inert", "terms", lambda terms: ()),
    ("identity", "gradient on the sphere, any gain", "rhs", lambda e: g * e),
    ("identity", "one entry: stuck", "lhs", lambda e: 2 * e),
    ("identity", "one entry: by the gain", "rhs", lambda e: e - 1),
    ("identity", "one entry: convergence", "rhs", lambda e: e.subs(eta_p, 2 * eta_p)),
    ("identity", "circle: one step", "rhs", lambda e: 1 / e),
    ("identity", "circle: near the minimiser", "rhs", lambda e: 1 - 2 * eta_p * mu),
    ("identity", "circle: u below the threshold", "rhs", lambda e: e / 4),
    ("identity", "circle: u above the threshold", "lhs", lambda e: 4 * e),
    # |w_t| in place of its square; a growth by (1 + eta^2) of the norm itself
    ("equivalent_schedule", "plain step", "rhs", lambda e: e.subs(N(t) ** 2, N(t))),
    ("equivalent_schedule", "squared norm", "rhs", lambda e: e / N(t)),
    ("equivalent_schedule", "length before the retraction", "terms", lambda terms: terms[:1]),
    ("equivalent_schedule", "exponential growth", "rhs", lambda e: N(0) * (1 + eta_p**2) ** t),
    ("equivalent_schedule", "exponential rate", "rhs", lambda e: e / (1 + eta_p**2)),
    ("equivalent_schedule", "as by weight decay", "rhs", lambda e: a * e),
    ("equivalent_schedule", "which decay", "rhs", lambda e: e**2),
    ("equivalent_schedule", "change of the norm with decay", "rhs", lambda e: e + G * n2),
    ("equivalent_schedule", "what decay leaves", "rhs", lambda e: e**2),
    ("equivalent_schedule", "the norm is kept", "terms", lambda terms: ()),
    ("equivalent_schedule", "the step on the sphere, times |w|", "rhs", lambda e: R * e),
    ("equivalent_schedule", "gradient by one group, others scaled", "rhs", lambda e: e / k),
    ("equivalent_schedule", "step of every group at its own rate", "terms", lambda terms: ()),
    ("equivalent_schedule", "step of every group at its own rate", "rhs", lambda e: 2 * e),
    ("run", "factor, at most", "lhs", lambda e: 2 * e + 1),
    ("run", "factor, negative", "rhs", lambda e: e / 2),
    ("run", "cycle: u changes sign", "rhs", lambda e: -e),
    ("run", "cycle: gradient", "rhs", lambda e: 4 * e),
    ("run", "cycle: where it is", "rhs", lambda e: 1 / e),
    ("run", "cycle: derivative of a step", "rhs", lambda e: -e),
    ("run", "cycle: factor of a deviation", "rhs", lambda e: 1 - 4 / k**2),
    ("run", "cycle: factor, at least", "terms", lambda terms: ()),
    ("run", "cycle: factor, at least", "lhs", lambda e: e / 2),
    ("run", "cycle: factor, at most", "rhs", lambda e: e / 2),
    ("run", "first step from a w_0", "rhs", lambda e: a * e),
    ("run", "at the rate a^2 eta", "rhs", lambda e: a * e),
    ("run", "tangent of a relative step", "rhs", lambda e: sp.sqrt(e)),
    ("run", "one entry: by the logarithm of the gain", "rhs", lambda e: e - 1),
    ("run", "one entry: the gradient stays", "lhs", lambda e: 2 * e),
    ("networks", "one row", "rhs", lambda e: e / c),
    ("networks", "derivative by the gain of a row", "terms", lambda terms: ()),
    ("networks", "norm of a row's direction", "terms", lambda terms: ()),
    ("networks", "a step of relative size eta", "rhs", lambda e: 1 + eta_p),
    ("networks", "last layer: by the gain", "rhs", lambda e: 0 * e),
]


@falsified([(f"md_decoupling2026.{module}", *rest) for module, *rest in WRONG])
def test_what_is_false_does_not_build(slug, name, field, change):
    assert_rejected(slug, name, field, change)


def claim(slug, name):
    """A claim's right side as a function of numbers by the names of its symbols."""
    rhs = proofs_check.prove(f"md_decoupling2026.{slug}").step(name).relation.rhs

    def at(**values):
        found = rhs.doit().subs({s: values[s.name] for s in rhs.free_symbols})
        return float(found)

    return at


@pytest.mark.parametrize("d", [2, 3, 50])
def test_the_cosines_in_numbers(d):
    rng = np.random.default_rng(d)
    w, x = rng.normal(size=(2, d))
    tangent = x - (x @ w) / (w @ w) * w
    tangent *= 0.7 * np.linalg.norm(w) / np.linalg.norm(tangent)
    for radial in (0.0, 0.5, -0.8):
        after = (1 + radial) * w + tangent
        cosine = after @ w / np.linalg.norm(after) / np.linalg.norm(w)
        # some d roundings of size 1e-16
        assert cosine == pytest.approx(claim("identity", "cosine with a radial part")(q=1 + radial, eta=0.7), rel=1e-13)
    assert claim("identity", "cosine of a tangential step")(eta=0.75) == pytest.approx(0.8, rel=1e-15)


@pytest.mark.parametrize("k", [0.5, 1.9, 2.1, 7.0])
def test_the_circle_in_numbers(k):
    """Steps on mu x^2/(2 r^2), by hand: below the threshold to 0, above to the cycle."""
    curvature = 1.6
    v = np.array([0.6, 0.8])
    for _ in range(3000):
        gradient = curvature * v[0] * v[1] * np.array([v[1], -v[0]])
        v = v - k / curvature * gradient
        v /= np.linalg.norm(v)
    last = curvature * abs(v[0] * v[1])
    if k < 2:
        assert last < 1e-12
    else:
        assert last == pytest.approx(math.sqrt(claim("run", "cycle: gradient")(mu=curvature, k=k)), rel=1e-12)


@pytest.mark.parametrize("k", [2.1, 3.0, 20.0])
def test_a_deviation_from_the_cycle_in_numbers(k):
    """One step from u off the cycle by 1e-6: what is left of it, up to that size."""

    def step(u):
        return u * (1 - k / (1 + u * u)) / (1 + k * u * u / (1 + u * u))

    on_cycle, off = math.sqrt(claim("run", "cycle: where it is")(k=k)), 1e-6
    assert step(on_cycle) == pytest.approx(-on_cycle, rel=1e-13)
    left = (step(on_cycle + off) + on_cycle) / off
    expected = claim("run", "cycle: factor of a deviation")(k=k)
    assert left == pytest.approx(expected, abs=1e-4) and -1 < expected < 1
    assert claim("run", "cycle: derivative of a step")(k=k, u=on_cycle) == pytest.approx(expected, rel=1e-12)


def test_a_decay_that_keeps_the_norm_in_numbers():
    w, p = np.array([3.0, 4.0]), np.array([-0.8, 0.6])  # <w, p> = 0
    norm2, slope, rate = 25.0, 2.0, 0.7
    root = math.sqrt(1 + rate**2 * slope**2)
    gradient = slope / 5.0 * p  # grad L(w) = grad L(v)/|w|
    step_rate, decay = norm2 * rate / root, (root - 1) / (norm2 * rate)
    after = (1 - step_rate * decay) * w - step_rate * gradient
    assert after @ after == pytest.approx(25.0, rel=1e-14)
    expected = (w / 5 - rate * slope * p) / root
    np.testing.assert_allclose(after / 5, expected, rtol=1e-14)
    assert 1 - step_rate * decay == pytest.approx(claim("equivalent_schedule", "what decay leaves")(R=root), rel=1e-14)


def test_the_one_entry_in_numbers():
    rho = 0.3
    for _ in range(500):
        gain = math.exp(rho)
        rho, before = rho - 0.05 * claim("run", "one entry: by the logarithm of the gain")(rho_0=rho), rho
        assert rho < before and gain + 1 > 1
    assert math.exp(rho) < 0.05  # dg/dt = -0.05 g^2 (g + 1): about 1/(0.05 * 500) after 500 steps
