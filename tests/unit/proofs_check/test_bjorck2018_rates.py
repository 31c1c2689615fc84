"""The proofs about the largest rate and the noise at a rate: wrong variants do not build, numbers agree."""

import dataclasses

import numpy as np
import pytest
import sympy as sp
from falsify import assert_rejected, falsified

import proofs_check
from proofs_check.proof import Instance, eq, instance, le

SLUGS = ("bjorck2018.largest_rate", "bjorck2018.rate_and_generalisation")

eta, lam, G, n, c = sp.symbols("eta lambda G n c", positive=True)
C = sp.Symbol("C", integer=True, positive=True)
gamma, K, tau, b = sp.symbols("gamma K tau b", positive=True)
t, M = (sp.Symbol(name, integer=True, nonnegative=True) for name in ("t", "M"))
a_, b_ = sp.symbols("a b", real=True)
y = sp.Function("y", real=True)
W, gradient, P, rho = (sp.Function(name, commutative=False) for name in ("W", "grad", "P", "rho"))


def assuming(name, formula):
    """Changes a step's facts: the one called ``name`` says ``formula`` instead."""

    def other(fact):
        if isinstance(fact, tuple):
            return fact[0], other(fact[1])
        if getattr(fact, "name", None) != name:
            return fact
        assert not isinstance(fact, Instance)
        return dataclasses.replace(fact, formula=formula)

    return lambda facts: tuple(map(other, facts))


WRONG = [
    # the effective rate: half the bound, no division by the growth, other fixed points
    ("largest_rate", "length after a step", "lhs", lambda e: 3 * e / 2),
    ("largest_rate", "effective rate after a step", "rhs", lambda e: e / 2),
    ("largest_rate", "attained at eta = G/n", "rhs", lambda e: 2 * e),
    ("largest_rate", "beyond it the rate falls", "rhs", lambda e: 2 * e),
    ("largest_rate", "never above it later", "rhs", lambda e: e / 2),
    # the loss along the step of other rates; an angle that depends on the norm
    ("largest_rate", "loss along the step", "rhs", lambda e: e.subs(eta, 2 * eta)),
    ("largest_rate", "loss at a long step", "rhs", lambda e: e.subs(eta, 1)),
    ("largest_rate", "along the old direction", "rhs", lambda e: -e),
    ("largest_rate", "angle", "rhs", lambda e: e * G),
    ("largest_rate", "angle by the effective rate", "rhs", lambda e: e * G),
    # outputs: a mean square other than gamma^2, Young with half a constant, bounds without log C or the factor 2
    ("largest_rate", "squares of one output", "rhs", lambda e: e / 2),
    ("largest_rate", "squares of all outputs", "rhs", lambda e: gamma**2),
    ("largest_rate", "difference of two outputs", "rhs", lambda e: e - K / 4),
    ("largest_rate", "loss of an image", "rhs", lambda e: e - sp.log(C)),
    ("largest_rate", "bounded loss", "rhs", lambda e: sp.log(C) + gamma * sp.sqrt(C)),
    # the quadratic: thresholds 1/lambda and 4/lambda, a loss that does not square the factor
    ("largest_rate", "factor of a step", "rhs", lambda e: e / (1 - eta * lam)),
    ("largest_rate", "every step", "rhs", lambda e: (1 - eta * lam) ** (t + 1) * y(0)),
    ("largest_rate", "threshold", "rhs", lambda e: eta * lam**2 * (eta - 1 / lam)),
    ("largest_rate", "threshold", "rhs", lambda e: eta * lam**2 * (eta - 4 / lam)),
    ("largest_rate", "divergence", "lhs", lambda e: 1 + e),
    # layers: another degree, a nonlinearity that is homogeneous of degree 2
    ("largest_rate", "degree", "rhs", lambda e: eta * e),
    ("largest_rate", "squared loss along the step", "rhs", lambda e: e / sp.Symbol("a", positive=True)),
    ("largest_rate", "cross-entropy along the step", "lhs", lambda e: e + 1),
    # noise: the square of the rate kept over a fixed time, batches that grow, a level without the threshold
    ("rate_and_generalisation", "mean squares add up", "rhs", lambda e: 2 * e),
    ("rate_and_generalisation", "after k steps", "rhs", lambda e: e**2),
    ("rate_and_generalisation", "noise over the time tau", "rhs", lambda e: eta * e),
    ("rate_and_generalisation", "noise over the time tau", "rhs", lambda e: e / b),
    ("rate_and_generalisation", "rate against batch size", "rhs", lambda e: c * e),
    ("rate_and_generalisation", "mean square after a step", "rhs", lambda e: e / eta),
    ("rate_and_generalisation", "noise level", "lhs", lambda e: e / (2 - eta * lam)),
    ("rate_and_generalisation", "it increases with the rate", "rhs", lambda e: e / 2),
    ("rate_and_generalisation", "noise over the time tau, without normalisation", "rhs", lambda e: e / 2),
    ("rate_and_generalisation", "noise of a step of the direction", "rhs", lambda e: e * G),
    ("rate_and_generalisation", "effective rates never grow", "lhs", lambda e: 2 * e),
    ("rate_and_generalisation", "effective rates never grow", "terms", lambda terms: terms[::2]),
    ("rate_and_generalisation", "noise over the effective time", "rhs", lambda e: e / 2),
    ("rate_and_generalisation", "noise over the effective time", "terms", lambda terms: terms[:-1]),  # without T <= C
    ("rate_and_generalisation", "noise over the effective time tau, after the first step", "rhs", lambda e: e / 2),
    ("rate_and_generalisation", "noise over the effective time tau, after the first step", "terms", lambda t: t[:1]),
    ("rate_and_generalisation", "first batch without a gradient", "rhs", lambda e: e / 2),
]
WRONG = [(f"bjorck2018.{module}", *rest) for module, *rest in WRONG]


@falsified(WRONG)
def test_a_wrong_statement_is_rejected(slug, name, field, change):
    assert_rejected(slug, name, field, change)


def test_each_proof_has_wrong_variants():
    for slug in SLUGS:
        assert slug in proofs_check.slugs()
        assert sum(slug == wrong for wrong, *_ in WRONG) >= 8


def test_layers_whose_nonlinearity_is_a_square_are_rejected():
    step = proofs_check.prove("bjorck2018.largest_rate").step("degree")
    (fact,) = (fact for _, fact in step.terms if isinstance(fact, Instance))
    x = sp.Symbol("x", commutative=False)
    square = dataclasses.replace(fact.step, formula=eq(rho(c * x), c**2 * rho(x)))
    wrong = tuple((m, dataclasses.replace(f, step=square) if f is fact else f) for m, f in step.terms)
    with pytest.raises(proofs_check.proof.ProofError, match="degree"):
        dataclasses.replace(step, terms=wrong)


def test_an_effective_rate_that_decreases_too_slowly_is_rejected():
    """Norm growth by half the squared step would allow twice the effective rate."""
    step = proofs_check.prove("bjorck2018.largest_rate").step("length after a step")
    after = sp.Symbol("G'", positive=True)
    wrong = assuming("growth", eq(after, G + eta**2 * n**2 / (2 * G)))(step.terms)
    with pytest.raises(proofs_check.proof.ProofError, match="length after a step"):
        dataclasses.replace(step, terms=wrong)


def test_the_bound_on_a_loss_needs_its_factor_for_every_k():
    step = proofs_check.prove("bjorck2018.largest_rate").step("loss of the batch, any K")
    assert instance(step, K=gamma * sp.sqrt(2 * C)).relation.rhs.has(gamma)
    with pytest.raises(proofs_check.proof.ProofError, match="positive"):
        instance(step, K=-gamma)


@pytest.mark.parametrize("slug", SLUGS)
def test_no_checked_claim_is_empty(slug):
    """sympy shortens what it is given: both sides of a claim must still say something."""
    for step in proofs_check.prove(slug).checked:
        assert step.relation.lhs != step.relation.rhs, step.name
        assert step.relation not in (sp.true, le(0, 0))


# --- in floating point: an outside check of the statements themselves ---


def test_normalised_outputs_in_numbers():
    """Mean cross-entropy of normalised outputs, at its largest over many draws and a spiteful one."""
    rng = np.random.default_rng(0)
    worst = 0.0
    for images, classes, scale in ((8, 3, 0.5), (64, 10, 1.0), (1000, 10, 4.0)):
        for spite in (0.0, 1.0, 30.0):
            outputs = rng.normal(size=(images, classes)) * np.exp(3 * rng.normal(size=classes))
            labels = rng.integers(classes, size=images)
            outputs[np.arange(images), labels] -= spite * outputs.std()
            outputs = scale * (outputs - outputs.mean(0)) / outputs.std(0)
            chosen = outputs[np.arange(images), labels]
            loss = np.mean(np.log(np.exp(outputs - chosen[:, None]).sum(1)))
            worst = max(worst, loss / (np.log(classes) + scale * np.sqrt(2 * classes)))
    assert 0.3 < worst <= 1  # a bound that is far from every case would say little


def test_layers_in_numbers():
    """Random ReLU layers moved far along random directions: outputs eta^M times those of the far layers."""
    rng = np.random.default_rng(1)
    for depth in (1, 2, 5):
        weights, slopes = (rng.normal(size=(depth, 6, 6)) for _ in range(2))
        x = rng.normal(size=6)

        def signal(layers, x=x):
            for layer in layers:
                x = np.maximum(layer @ x, 0)
            return x

        for rate in (0.1, 3.0, 1e4):
            np.testing.assert_allclose(
                signal(weights - rate * slopes), rate**depth * signal(weights / rate - slopes), rtol=1e-10, atol=1e-300
            )


def test_the_first_batch_bounds_the_effective_rate_and_the_mean_gradient_does_not():
    """Two losses of the angle in a plane, batches of one; the first of them has no gradient at all in one case."""
    theta, rate = 0.7, 1e6
    direction, across = np.array([np.cos(theta), np.sin(theta)]), np.array([-np.sin(theta), np.cos(theta)])
    for scale, seen in ((0.0, 1.0), (1.0, 1.0), (1e-3, 1.0)):
        slopes = scale * np.cos(theta), seen * np.cos(3 * theta)  # of the first batch's loss and of the other one's
        after = direction - rate * slopes[0] * across
        effective, mean = rate / (after @ after), abs(sum(slopes)) / 2
        if scale:
            assert effective <= 1 / (2 * abs(slopes[0]))
        else:
            assert effective == pytest.approx(rate)
            assert effective * 2 * mean > 1e5  # 1 would be the bound


def test_noise_of_the_direction_is_of_first_order():
    """Directions after one step: their spread over all batches of one, over phi^2 T, leaves 1 as phi^2."""
    theta = 0.7
    direction, across = np.array([np.cos(theta), np.sin(theta)]), np.array([-np.sin(theta), np.cos(theta)])
    slopes = np.array([0.3, 1.1, -0.4, 2.0])
    errors = []
    for phi in (1e-2, 1e-3):
        moved = direction - phi * slopes[:, None] * across
        moved /= np.linalg.norm(moved, axis=1, keepdims=True)
        errors.append(abs(np.sum(moved.var(axis=0)) / (phi**2 * slopes.var()) - 1))
    # neglected is (phi |grad|)^2, at most 4e-4, times a number of order 1
    assert 1e-5 < errors[0] < 4e-3
    assert errors[0] / errors[1] == pytest.approx(100, rel=0.1)


def test_noise_along_a_run_in_numbers():
    """Effective rates that fall and covariances below C: the sum of squares against phi_1 tau C."""
    rng = np.random.default_rng(3)
    for rate, batch in ((0.1, 1), (10.0, 4)):
        steps, most = 200, 2.5
        slopes = rng.uniform(0.1, 1.5, size=steps + 1)  # |grad L_B(v)| of every batch
        squared = [1.0]
        for slope in slopes:
            squared.append(squared[-1] + rate**2 * slope**2 / squared[-1])
        effective = rate / np.array(squared[1:])
        noise = np.sum(effective**2 * rng.uniform(0, most, size=len(effective))) / batch
        assert noise <= effective[0] * effective.sum() * most / batch
        assert noise <= effective.sum() * most / (2 * slopes[0] * batch)


def test_noise_level_in_numbers():
    """Variance of the linear recursion, by iteration, and the noise over a fixed time by adding up."""
    curvature, sigma = 0.8, 0.3
    for rate in (0.01, 0.5, 2.4):
        variance = 0.0
        for _ in range(20_000):
            variance = (1 - rate * curvature) ** 2 * variance + rate**2 * sigma**2
        assert variance == pytest.approx(rate * sigma**2 / (curvature * (2 - rate * curvature)), rel=1e-9)
    rng = np.random.default_rng(2)
    spread, batch, duration = 1.7, 4, 2.0
    for rate in (0.01, 0.1):
        steps = round(duration / rate)
        draws = rng.normal(size=(4000, steps, batch)).mean(-1) * np.sqrt(spread)
        found = np.mean((rate * draws.sum(1)) ** 2)
        # the mean of 4000 squares of normal numbers has a standard error of sqrt(2/4000) = 2.2 %; five of them
        assert found == pytest.approx(rate * duration * spread / batch, rel=0.12)
