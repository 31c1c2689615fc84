"""The statements of Li and Arora are proved, wrong variants do not build, and runs agree with the formulas."""

import dataclasses

import numpy as np
import pytest
import sympy as sp
from falsify import assert_rejected, falsified

import proofs_check
from proofs_check.proof import Instance, eq

SLUGS = (
    "li2020.any_schedule",
    "li2020.constant_rate",
    "li2020.effective_rate_recursion",
    "li2020.equilibrium",
    "li2020.other_normalisations",
    "li2020.texp",
    "li2020.toy",
)

t = sp.Symbol("t", integer=True, nonnegative=True)
a, a_0, a_1, c, eta, eta_1, k, lam, mu, p, R = sp.symbols("a a_0 a_1 c eta eta_1 k lambda mu p R", positive=True)
a1, a2, Phi = sp.symbols("a1 a2 Phi", positive=True)
gamma, s, lam0 = sp.symbols("gamma s lambda", nonnegative=True)
ww = sp.Symbol("<w,w>", nonnegative=True)
kappa, any_gamma = sp.symbols("kappa gamma", real=True)
rate, p_of, W = sp.Function("eta", real=True), sp.Function("p", positive=True), sp.Function("W", real=True)
B, effective, X = sp.Function("B", real=True), sp.Function("Phi", positive=True), sp.Function("X", nonnegative=True)


def assuming(name, formula):
    """Changes a step's facts: the one called ``name`` says ``formula`` instead."""

    def other(fact):
        if isinstance(fact, tuple):
            return fact[0], other(fact[1])
        if fact.name != name:
            return fact
        assert not isinstance(fact, Instance)
        return dataclasses.replace(fact, formula=formula)

    return lambda facts: tuple(map(other, facts))


def test_every_statement_has_a_proof():
    assert set(SLUGS) <= set(proofs_check.slugs())


WRONG = [
    # a rate eta_t/p_t^2, and momentum that is not carried along
    ("any_schedule", "buffer", "rewrite", assuming("W", eq(W(t + 1), W(t) - rate(t) / p_of(t) ** 2 * B(t + 1)))),
    ("any_schedule", "buffer", "rhs", lambda e: e - W(t)),
    ("any_schedule", "step", "rewrite", assuming("p", eq(p_of(t + 1), p_of(t) - rate(t)))),
    ("any_schedule", "every step", "rhs", lambda e: 2 * e),
    ("any_schedule", "without the buffer", "rhs", lambda e: -e),
    ("any_schedule", "p in three terms", "rhs", lambda e: e + p_of(t)),
    ("any_schedule", "recurrence of the Casoratian", "rhs", lambda e: 2 * e),
    ("any_schedule", "step of W", "rhs", lambda e: e * p_of(t)),
    ("any_schedule", "rescaled step", "rhs", lambda e: k * e),
    ("any_schedule", "corrected buffer", "rhs", lambda e: e.subs(kappa, -kappa)),
    # wrong root polynomials, the exponent -2t instead of -2t-1, a buffer that starts the other way
    ("constant_rate", "q", "terms", assuming("root", eq(a**2 - (1 - any_gamma - eta * lam0) * a + any_gamma, 0))),
    ("constant_rate", "q", "terms", assuming("root", eq(a**2 - (1 + any_gamma - eta * lam0) * a - any_gamma, 0))),
    ("constant_rate", "equivalent rate", "rhs", lambda e: eta * a ** (-2 * t)),
    ("constant_rate", "the exponent -2t", "rhs", lambda e: e / a),
    ("constant_rate", "start of the buffer", "rhs", lambda e: -e),
    ("constant_rate", "without momentum", "rhs", lambda e: -e),
    ("constant_rate", "both roots are real", "rhs", lambda e: -e),
    ("constant_rate", "sign at sqrt gamma", "lhs", lambda e: e + s),
    ("constant_rate", "decay by the roots", "rhs", lambda e: 2 * e),
    ("constant_rate", "p is positive from a zero buffer", "lhs", lambda e: 2 * e),
    ("constant_rate", "next p", "rhs", lambda e: e.subs(a2, a1)),
    ("constant_rate", "double root, p", "rhs", lambda e: a * e),
    ("constant_rate", "oscillation", "rhs", lambda e: 2 * e),
    # a switch factor with each power wrong, a correction without the square or without the old phase
    ("texp", "growth within a phase", "rhs", lambda e: e * a_1),
    ("texp", "growth at the switch", "rhs", lambda e: e * a_0),
    ("texp", "growth at the switch", "rhs", lambda e: e * a_0 / a_1),
    ("texp", "growth at the switch", "rhs", lambda e: e * a_0 * a_1),
    ("texp", "correction of the buffer", "rhs", lambda e: e + sp.Symbol("W", real=True) * p**2),
    ("texp", "correction of the buffer", "rhs", lambda e: 2 * sp.Symbol("B", real=True) - e),
    ("texp", "equation for y", "rhs", lambda e: e + lam0 * eta_1),
    ("texp", "bracket", "rhs", lambda e: e + lam0 * eta_1),
    ("texp", "second order", "rhs", lambda e: e / 2),
    ("effective_rate_recursion", "growth", "rhs", lambda e: e * a),
    ("effective_rate_recursion", "cosine", "rhs", lambda e: sp.sqrt(e)),
    ("effective_rate_recursion", "tangent", "rhs", lambda e: e / Phi),
    ("effective_rate_recursion", "effective rate", "rhs", lambda e: e * a),
    ("effective_rate_recursion", "largest growth", "rhs", lambda e: e / 2),
    ("effective_rate_recursion", "Phi without weight decay", "lhs", lambda e: e * a),
    # 2 - lambda eta replaced by 2, 1 - lambda eta/(1 + gamma) by 1 - lambda eta
    ("equilibrium", "norm at the fixed point", "lhs", lambda e: 2 * lam * R**2),
    ("equilibrium", "angle at the fixed point", "rhs", lambda e: 1 - 2 * eta * lam),
    ("equilibrium", "slope in lambda eta", "rhs", lambda e: 1 - 4 * eta * lam),
    ("equilibrium", "correlation", "rhs", lambda e: (1 - lam * eta) * ww),
    ("equilibrium", "mean squared norm", "lhs", lambda e: lam * (1 - gamma) * (2 - lam * eta) * ww),
    ("equilibrium", "mean squared norm", "lhs", lambda e: lam * (2 - lam * eta / (1 + gamma)) * ww),
    ("equilibrium", "norm with momentum", "lhs", lambda e: 2 * lam * (1 - gamma) * R**2),
    ("equilibrium", "angle with momentum", "rhs", lambda e: e * (1 + gamma)),
    ("equilibrium", "after a division of the rate by k", "rhs", lambda e: 2 * e),
    ("equilibrium", "number of steps", "rhs", lambda e: 2 * e),
    ("toy", "effective rate grows", "lhs", lambda e: 2 * e),
    ("toy", "displacement", "lhs", lambda e: (effective(t) * mu - 1) * X(t)),
    ("toy", "away from v*", "lhs", lambda e: 2 * e),
    ("toy", "example: tangent Hessian", "rhs", lambda e: e / 2),
    ("toy", "example: one step", "rhs", lambda e: 1 / e),
    ("toy", "example: u without decay", "rhs", lambda e: e / 4),
    ("toy", "decay alone: convergence", "rhs", lambda e: 2 * e),
    ("toy", "decay alone: shift", "rhs", lambda e: 0 * e),
    ("other_normalisations", "variance, scaled", "rhs", lambda e: e / c),
    ("other_normalisations", "scaling", "rhs", lambda e: c * e),
    ("other_normalisations", "it is not scale-invariant", "rhs", lambda e: sp.S.Zero),
    ("other_normalisations", "scaling with epsilon", "rhs", lambda e: e.subs(c, 1)),
    ("other_normalisations", "factor close to 1", "rhs", lambda e: e / 2),
    ("other_normalisations", "ReLU", "rhs", lambda e: e / c),
]
WRONG = [(f"li2020.{module}", *rest) for module, *rest in WRONG]


@falsified(WRONG)
def test_a_wrong_statement_is_rejected(slug, name, field, change):
    assert_rejected(slug, name, field, change)


def test_each_proof_has_wrong_variants():
    for slug in SLUGS:
        assert sum(slug == wrong for wrong, *_ in WRONG) >= 3


@pytest.mark.parametrize("slug", SLUGS)
def test_no_checked_equation_is_empty(slug):
    """sympy shortens what it is given: both sides of a claim must still say something."""
    for step in proofs_check.prove(slug).checked:
        assert step.relation.lhs != step.relation.rhs, step.name


# --- runs in floating point: an outside check of the statements themselves ---


def gradient(matrix, w):
    """Of w^T A w/(2 |w|^2), A symmetric."""
    n2 = w @ w
    return (matrix @ w - (w @ matrix @ w) / n2 * w) / n2


def symmetric(rng, d=4):
    half = rng.normal(size=(d, d))
    return half + half.T


def run(samples, w, buffer, rates, decays, momenta):
    """Weights before every step and after the last."""
    path = [w]
    for A, rate, decay, momentum in zip(samples, rates, decays, momenta, strict=True):
        buffer = momentum * buffer + gradient(A, w) + decay * w
        w = w - rate * buffer
        path.append(w)
    return np.array(path)


def gradient_free(rates, decays, momenta, q=0.0):
    p, path = 1.0, [1.0]
    for rate, decay, momentum in zip(rates, decays, momenta, strict=True):
        q = momentum * q + decay * p
        p = p - rate * q
        path.append(p)
    return np.array(path)


# Some tens of steps with a few dozen roundings each, amplified by the dynamics: far above them, far below any mistake.
CLOSE = 1e-9


@pytest.mark.parametrize("q_0", [0.0, 0.3, -0.5])
def test_any_schedule_in_numbers(q_0):
    rng = np.random.default_rng(0)
    T = 60
    rates, decays, momenta = rng.uniform(0, 0.3, T), rng.uniform(-0.2, 0.2, T), rng.uniform(-0.5, 0.9, T)
    rates[[0, 7, 8, 30]] = 0.0
    samples = [symmetric(rng) for _ in range(T)]
    w, buffer = rng.normal(size=4), rng.normal(size=4)
    p = gradient_free(rates, decays, momenta, q_0)
    assert p.min() > 0
    decayed = run(samples, w, buffer, rates, decays, momenta)
    free = run(samples, w, buffer - q_0 * w, rates / (p[:-1] * p[1:]), np.zeros(T), momenta)
    np.testing.assert_allclose(decayed, p[:, None] * free, rtol=0, atol=CLOSE * np.abs(decayed).max())


def test_constant_rate_in_numbers():
    momentum, T = 0.81, 200
    for product in (1e-4, 5e-3, 0.00999):  # up to (1 - 0.9)^2
        p = gradient_free(np.full(T, 2.0), np.full(T, product / 2), np.full(T, momentum))
        a1, a2 = np.sort(np.roots([1, -(1 + momentum - product), momentum]).real)[::-1]
        assert 0.9 <= a1 <= 1 and a2 <= 0.9
        n = np.arange(T + 1)
        np.testing.assert_allclose(p, (a1 * (1 - a2) * a1**n - a2 * (1 - a1) * a2**n) / (a1 - a2), rtol=1e-10)
        assert np.all(p >= a1**n * (1 - 1e-12))
    for product in (0.012, 0.5, 3.0, 3.6):  # up to (1 + 0.9)^2
        assert gradient_free(np.full(T, 2.0), np.full(T, product / 2), np.full(T, momentum)).min() < 0


def test_texp_in_numbers():
    rng = np.random.default_rng(1)
    momentum, decay, length = 0.9, 5e-3, 40
    phases = (0.4, 0.1, 0.02)
    roots = [np.roots([1, -(1 + momentum - decay * rate), momentum]).real.max() for rate in phases]
    samples = [symmetric(rng) for _ in range(length * len(phases))]
    w = rng.normal(size=4)
    T = len(samples)
    decayed = run(samples, w, 0 * w, np.repeat(phases, length), np.full(T, decay), np.full(T, momentum))

    def directions(corrected):
        v, buffer = w, -(1 - roots[0]) / (phases[0] * roots[0]) * w
        p, rate, path = 1.0, phases[0] / roots[0], [w]
        for phase, (step, root) in enumerate(zip(phases, roots, strict=True)):
            if phase:
                old, before = phases[phase - 1], roots[phase - 1]
                rate *= before**2 * (step / old) / (root * before)
                if corrected:
                    buffer = buffer - p**2 / step * ((1 / root - 1) - step / old * (1 / before - 1)) * v
            for A in samples[phase * length : (phase + 1) * length]:
                buffer = momentum * buffer + gradient(A, v)
                v = v - rate * buffer
                p, rate = p * root, rate / root**2
                path.append(v)
        return np.array(path)

    def apart(u, v):
        return np.abs(u / np.linalg.norm(u, axis=1)[:, None] - v / np.linalg.norm(v, axis=1)[:, None]).max()

    assert apart(directions(True), decayed) < CLOSE
    assert apart(directions(False), decayed) > 1e3 * CLOSE


def test_effective_rate_recursion_in_numbers():
    rng = np.random.default_rng(2)
    rates, decays = rng.uniform(0.1, 1, 30), rng.uniform(0, 0.3, 30)
    a = 1 - rates * decays
    w = rng.normal(size=4)
    for step in range(29):
        g = gradient(symmetric(rng), w)
        r2 = w @ w
        phi, n2 = rates[step] / (a[step] * r2), r2 * (g @ g)
        after = a[step] * w - rates[step] * g
        cosine = after @ w / np.sqrt(r2 * (after @ after))
        assert after @ after == pytest.approx(a[step] ** 2 * r2 * (1 + phi**2 * n2), rel=1e-12)
        assert np.arccos(cosine) == pytest.approx(np.arctan(phi * np.sqrt(n2)), rel=1e-6)
        growth = rates[step + 1] / (rates[step] * a[step] * a[step + 1])
        assert rates[step + 1] / (a[step + 1] * (after @ after)) == pytest.approx(
            growth * phi / (1 + phi**2 * n2), rel=1e-12
        )
        w = after


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_second_moments_in_numbers(momentum):
    """The covariance of (w_t, w_{t-1}) driven by independent noise of variance 1, by repeated squaring."""
    rate, decay = 0.7, 0.02
    step = np.array([[1 + momentum - decay * rate, -momentum], [1.0, 0.0]])
    covariance = np.array([[rate**2, 0.0], [0.0, 0.0]])
    for _ in range(40):
        covariance = covariance + step @ covariance @ step.T
        step = step @ step
    second = rate / (decay * (1 - momentum) * (2 - decay * rate / (1 + momentum)))
    assert covariance[0, 0] == pytest.approx(second, rel=1e-10)
    assert covariance[0, 1] / covariance[0, 0] == pytest.approx(1 - decay * rate / (1 + momentum), rel=1e-10)


def test_relaxation_in_numbers():
    """gamma = 0: r^4 to within 1 % after the rate was divided by 10, to first order in lambda eta."""
    decay, rate, k, eps = 1e-3, 0.1, 10, 0.01
    start = rate * k / (decay * (2 - decay * rate * k))
    target = rate / (decay * (2 - decay * rate))
    squared, steps = np.sqrt(start), 0
    while abs(squared**2 / target - 1) > eps:
        squared = (1 - decay * rate) ** 2 * squared + rate**2 / squared
        steps += 1
    assert steps == pytest.approx(np.log((k - 1) / eps) / (4 * rate * decay), rel=1e-3)


def test_the_example_in_numbers():
    """x^2/(x^2 + y^2): u = x/y settles without weight decay and comes back again and again with it."""

    def path(decay, rate=0.5, T=4000):
        x, y, sizes = 0.5, 1.0, []
        for _ in range(T):
            r4 = (x * x + y * y) ** 2
            x, y = (
                (1 - rate * decay) * x - rate * 2 * x * y * y / r4,
                (1 - rate * decay) * y + rate * 2 * x * x * y / r4,
            )
            sizes.append(abs(x / y))
        return np.array(sizes)

    settled = path(0.0)
    assert np.all(np.diff(settled) <= 0) and settled[-1] < 1e-12
    restless = path(0.3)
    assert restless.min() > 0  # no underflow: a spurious convergence
    assert all(restless[start : start + 400].max() > 0.1 for start in range(0, 4000, 400))
