"""The statements on low-rank decay are proved, wrong variants do not build, and numbers agree with the formulas."""

import dataclasses

import numpy as np
import pytest
import sympy as sp
from falsify import assert_rejected, falsified

import proofs_check
from proofs_check.low_rank_decay2026.identity import DELTA, TOP, VALUE, C, I, Q, R, S
from proofs_check.low_rank_decay2026.run import ETA, LAM, A, T, schulz

SLUGS = tuple(f"low_rank_decay2026.{name}" for name in ("identity", "run", "grokking"))

z = sp.Symbol("z", positive=True)
n = sp.Symbol("n", integer=True, positive=True)
whole = sp.Symbol("A", positive=True)
E = sp.Symbol("E", real=True)
x = sp.Symbol("x", nonnegative=True)
c = sp.Symbol("c", positive=True)
e = sp.Symbol("e", real=True)


def test_every_statement_has_a_proof():
    assert set(SLUGS) <= set(proofs_check.slugs())


WRONG = [
    # a norm that is not squared, a missing factor 1/2, the slope with the wrong sign or without its square
    ("identity", "radial: stable rank", "rhs", lambda rhs: C * rhs),
    ("identity", "radial: shares", "rhs", lambda rhs: C * rhs),
    ("identity", "<P, W>", "rhs", lambda rhs: rhs**2 / Q),
    ("identity", "<T, W> = 0", "lhs", lambda lhs: lhs.subs(Q, sp.sqrt(Q))),
    ("identity", "|T|^2", "rhs", lambda rhs: R - S**2 / sp.sqrt(Q)),
    ("identity", "|T|^2", "rhs", lambda rhs: rhs + 1),
    ("identity", "what a step is made of", "rhs", lambda rhs: rhs.subs(DELTA, 2 * DELTA)),
    ("identity", "squared differences from one value", "rhs", lambda rhs: rhs + S * VALUE(I)),
    ("identity", "squared differences of all pairs", "rhs", lambda rhs: rhs / 2),
    ("identity", "|T|^2 by pairs", "rhs", lambda rhs: 2 * rhs),
    ("identity", "relative singular values", "rhs", lambda rhs: rhs * TOP),
    ("identity", "the stable rank does not grow", "lhs", lambda lhs: sp.sqrt(lhs)),
    ("identity", "the stable rank does not grow", "lhs", lambda lhs: 2 * lhs),
    ("identity", "the bare step overshoots", "rhs", lambda rhs: rhs + TOP),
    ("identity", "entropy", "rhs", lambda rhs: -rhs),
    ("identity", "slope of the entropy", "rhs", lambda rhs: -rhs),
    ("identity", "slope of the entropy", "rhs", lambda rhs: whole * rhs),
    ("identity", "all pairs", "rhs", lambda rhs: rhs / 2),
    ("identity", "slope of the entropy, by pairs", "rhs", lambda rhs: 2 * rhs),
    ("identity", "a pair", "lhs", lambda lhs: 3 * lhs),
    ("identity", "the entropy does not grow", "lhs", lambda lhs: 3 * lhs),
    # factors of the iteration, a linear error, growth that is too fast
    ("run", "radial decay, T steps", "rhs", lambda rhs: (1 - ETA * LAM) * rhs),
    ("run", "low-rank decay, T steps", "rhs", lambda rhs: rhs + ETA * LAM),
    ("run", "error", "rhs", lambda rhs: rhs + e**3),
    ("run", "error", "rhs", lambda rhs: rhs * sp.Rational(3, 2)),
    ("run", "never above 1", "lhs", lambda lhs: 2 * lhs),
    ("run", "the values grow", "rhs", lambda rhs: rhs / 2),
    ("run", "their order stays", "lhs", lambda lhs: lhs + sp.Rational(1, 2)),
    ("run", "growth of small values", "lhs", lambda lhs: sp.Rational(3, 2) * x),
    ("run", "scaled error", "rhs", lambda rhs: rhs - E**2 / 3),
    ("run", "quadratic", "rhs", lambda rhs: rhs / 2),
    ("run", "small values after k iterations", "rhs", lambda rhs: rhs * sp.Rational(10, 11) ** T),
    ("run", "errors after k iterations", "rhs", lambda rhs: 2 * rhs),
    ("run", "errors after k iterations", "lhs", lambda lhs: 2**T * lhs),
    ("run", "decay by iterations", "rhs", lambda rhs: rhs.subs(ETA, 2 * ETA)),
    ("run", "iterations are odd", "rhs", lambda rhs: -rhs),
    ("run", "Adam's step does not scale", "rhs", lambda rhs: rhs / c),
    ("run", "AdamW's first moment", "rhs", lambda rhs: rhs.subs(sp.Symbol("beta_1", nonnegative=True), 0)),
    ("run", "AdamW's second moment", "rhs", lambda rhs: rhs * A),
    ("run", "AdamW's step", "rhs", lambda rhs: rhs / A),
    ("run", "decay in Adam's gradient", "rhs", lambda rhs: LAM * rhs),
    ("run", "example: sum", "rhs", lambda rhs: rhs + ETA),
    ("grokking", "a query is linear", "rhs", lambda rhs: c * rhs),
    ("grokking", "normalised query, scaled", "rhs", lambda rhs: c * rhs),
    ("grokking", "logit, scaled", "rhs", lambda rhs: c * rhs),
    ("grokking", "logit without normalisation", "rhs", lambda rhs: rhs / c),
    ("grokking", "length of a normalised query", "rhs", lambda rhs: rhs / n),
    ("grokking", "length of a normalised key", "rhs", lambda rhs: 2 * rhs),
    ("grokking", "inner product and lengths", "rhs", lambda rhs: rhs / 2),
    ("grokking", "no logit exceeds n", "rhs", lambda rhs: rhs / 2),
    ("grokking", "gradient in the logits", "rhs", lambda rhs: rhs / 2),
    ("grokking", "no larger than twice the loss", "rhs", lambda rhs: rhs / 2),
]
WRONG = [(f"low_rank_decay2026.{module}", *rest) for module, *rest in WRONG]


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


def test_adams_betas_must_be_smaller_and_not_larger():
    """With beta_1/a, or beta_1 itself, in the run without decay the first moment is not AdamW's."""
    step = proofs_check.prove("low_rank_decay2026.run").step("M")
    b1 = sp.Symbol("beta_1", nonnegative=True)
    for wrong in (b1, b1 / A):
        other = step.formula.subs(b1, wrong / A)
        assert other != step.formula
        assert_rejected(
            "low_rank_decay2026.run",
            "AdamW's first moment",
            "rewrite",
            lambda facts, other=other: tuple(saying(other, fact) if fact.name == "M" else fact for fact in facts),
        )


def saying(formula, fact):
    return dataclasses.replace(fact, formula=sp.Eq(*formula.args, evaluate=False))


# --- numbers: an outside check of the statements themselves ---

RNG = np.random.default_rng(0)


def entropy(a):
    q = a / a.sum()
    return -np.sum(q * np.log(q))


def test_the_slope_of_the_entropy_in_numbers():
    for size in (2, 5, 9):
        a, h = RNG.uniform(0.5, 3, size), 1e-5
        slope = (entropy(a - h) - entropy(a + h)) / (2 * h)
        logs = np.log(a)
        pairs = np.sum((a[:, None] - a) * (logs[:, None] - logs))
        # central differences err by h^2 times a third derivative, rounding by 1e-16/h: 1e-10 of numbers of size 1
        assert slope == pytest.approx(-pairs / (2 * a.sum() ** 2), abs=1e-8)
        assert slope <= -np.sum((a[:, None] - a) ** 2 / (a[:, None] + a)) / (2 * a.sum() ** 2) + 1e-8


def test_ranks_fall_in_numbers():
    for _ in range(200):
        s = np.sort(RNG.uniform(0.1, 3, RNG.integers(2, 7)))[::-1]
        deltas = np.linspace(0, 0.99 * s[-1], 20)
        stable = [np.sum((s - d) ** 2) / (s[0] - d) ** 2 for d in deltas]
        assert np.all(np.diff(stable) < 0) and np.all(np.diff([entropy(s - d) for d in deltas]) < 0)


def test_the_tangential_square_in_numbers():
    s = RNG.uniform(0.1, 3, 6)
    t = 1 - s.sum() / np.sum(s**2) * s
    assert np.sum(t**2) == pytest.approx(6 - s.sum() ** 2 / np.sum(s**2), rel=1e-12)
    assert np.sum(t**2) == pytest.approx(np.sum((s[:, None] - s) ** 2) / (2 * np.sum(s**2)), rel=1e-12)


def test_the_iteration_in_numbers():
    mapped = sp.lambdify(x, schulz(x))
    values = np.linspace(0, 1, 1001)
    after = mapped(values)
    assert np.all(after >= values - 1e-15) and after.max() == 1.0 and np.all(np.diff(after) >= 0)
    small = values[values <= 0.5]
    assert np.all(mapped(small) >= 11 / 8 * small)
    error = 1 - values
    np.testing.assert_allclose(1 - after, 1.5 * error**2 - error**3 / 2, atol=1e-15)


def test_adam_in_numbers():
    """AdamW on cos^2 against Adam without decay: with smaller betas the same directions, with the betas not."""
    target = np.array([1.0, -2.0, 0.5, 0.7])
    rate, decay, b1, b2, steps = 0.03, 1.0, 0.9, 0.95, 40
    a = 1 - rate * decay

    def gradient(w):
        return -2 * (target @ w) / (w @ w) * (target - (target @ w) / (w @ w) * w)

    def run(keep, rates, first, second):
        w, m, v, path = np.array([1.0, 1.0, -0.3, 0.4]), np.zeros(4), np.zeros(4), []
        for k in range(steps):
            g = gradient(w)
            m, v = first * m + (1 - b1) * g, second * v + (1 - b2) * g * g
            w = keep * w - rates[k] * (m / (1 - b1 ** (k + 1))) / np.sqrt(v / (1 - b2 ** (k + 1)))
            path.append(w / np.linalg.norm(w))
        return np.array(path)

    given = run(a, np.full(steps, rate), b1, b2)
    scheduled = rate / a ** np.arange(1, steps + 1)
    assert np.abs(run(1.0, scheduled, b1 * a, b2 * a**2) - given).max() < 1e-10
    assert np.abs(run(1.0, scheduled, b1, b2) - given).max() > 1e-3
    assert np.abs(run(1.0, scheduled, b1 / a, b2 / a**2) - given).max() > 1e-3


def test_the_gradient_of_cross_entropy_in_numbers():
    for _ in range(100):
        logits = RNG.normal(size=5) * 3
        p = np.exp(logits) / np.exp(logits).sum()
        gradient = p - np.eye(5)[2]
        assert np.abs(gradient).sum() == pytest.approx(2 * (1 - p[2]), rel=1e-9)
        assert np.abs(gradient).sum() <= -2 * np.log(p[2]) * (1 + 1e-12)
