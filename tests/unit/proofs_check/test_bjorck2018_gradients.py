"""The proof about gradients at the start: wrong variants do not build, and the formulas agree with numbers."""

import numpy as np
import pytest
import sympy as sp
from falsify import assert_rejected, falsified

import proofs_check

SLUG = "bjorck2018.gradients_at_init"

n = sp.Symbol("n", integer=True, positive=True)
s = sp.Symbol("s", positive=True)
eps = sp.Symbol("epsilon", nonnegative=True)
r = sp.Symbol("r", nonnegative=True)
k = sp.Symbol("k", integer=True, nonnegative=True)
f = sp.Symbol("f", real=True)
P, Q = sp.symbols("P Q", nonnegative=True)


def without(position):
    """A step that does not use one of its facts."""
    return lambda facts: facts[:position] + facts[position + 1 :]


WRONG = [
    ("sum of y", "rhs", lambda e: e + n),
    ("sum of y^2", "rhs", lambda e: e - 1),  # n - 1, the unbiased variance
    ("variance, moved", "rhs", lambda e: e / 2),
    ("s, moved", "rhs", lambda e: 2 * e),
    ("y, moved", "rhs", lambda e: e * s),
    ("gradient", "terms", without(3)),
    ("sum of the gradient", "rhs", lambda e: e + 1),
    ("sum of the gradient", "terms", without(1)),  # needs the outputs' mean to be 0
    ("sum of the gradient times y", "terms", without(2)),  # and their mean square to be 1
    ("sum of the gradient, epsilon", "rhs", lambda e: e + eps),
    ("sum of the gradient times y, epsilon", "rhs", lambda e: 0 * e),  # as if epsilon did nothing
    ("split", "rhs", lambda e: 2 * e),
    ("it vanishes", "terms", without(0)),  # without a normalisation the constant part stays
    ("border", "rhs", lambda e: 0 * e),  # as if nothing hung over the border
    ("triangle inequality", "rhs", lambda e: (P - Q) ** 2 - P * Q),
    ("ratio", "rhs", lambda e: e / 2),
    ("output of a layer", "rhs", lambda e: 2 * e),
    ("ReLU halves", "rhs", lambda e: e / 2),
    ("reached at most", "rhs", lambda e: e / 2),
    ("reached at least", "lhs", lambda e: 2 * e),
    ("reached at least", "terms", without(0)),
    ("first layer at most", "rhs", lambda e: e / 2),
    ("first layer at most", "terms", without(4)),  # m_j could be above K
    ("first layer at least", "lhs", lambda e: 2 * e),
    ("first layer at least", "lhs", lambda e: e / r),  # as if nothing hung over the border
    ("branch without normalisation at most", "rhs", lambda e: e * r),  # as if all places were in corners
    ("branch without normalisation at most", "terms", without(1)),  # without the ReLU's half
    ("branch without normalisation at least", "lhs", lambda e: e / r**2),  # one c for both ends
    ("branch without normalisation at least", "lhs", lambda e: e / r),  # the border counted in one layer only
    ("a layer on 2 x 2 places", "rhs", lambda e: e * sp.Rational(9, 4)),
    ("branch on 2 x 2 places", "rhs", lambda e: e * sp.Rational(9, 4)),
    ("at most all of it", "rhs", lambda e: e - f**2 / 2),
    ("at least half, |f| = x - e", "lhs", lambda e: 2 * e),
    ("at least half, |f| = x + e", "lhs", lambda e: e + sp.Symbol("x", nonnegative=True) ** 2),
    ("one block at most", "rhs", lambda e: e / 3),
    ("one block at most", "terms", without(1)),
    ("one block at least", "lhs", lambda e: e * (1 + r**2)),
    ("one block at least", "terms", without(1)),
    ("exponential at most", "rhs", lambda e: e / 2),
    ("exponential at least", "lhs", lambda e: 2 * e),
    ("linear at most", "rhs", lambda e: e - k / 2),
    ("linear at least", "lhs", lambda e: e + k),
]
WRONG = [(SLUG, *rest) for rest in WRONG]


@falsified(WRONG)
def test_a_wrong_statement_is_rejected(slug, name, field, change):
    assert_rejected(slug, name, field, change)


def test_no_checked_equation_is_empty():
    """sympy shortens what it is given: both sides of a claim must still say something."""
    for step in proofs_check.prove(SLUG).checked:
        assert step.relation.lhs != step.relation.rhs, step.name


# --- the statements themselves in floating point ---


@pytest.mark.parametrize("epsilon", [0.0, 0.3])
def test_the_gradient_against_differences(epsilon):
    rng = np.random.default_rng(0)
    x, u = rng.normal(size=7), rng.normal(size=7)

    def normalised(x):
        return (x - x.mean()) / np.sqrt(x.var() + epsilon)

    y, root = normalised(x), np.sqrt(x.var() + epsilon)
    p = np.mean(u * y)
    gradient = (u - u.mean() - y * p) / root
    h = 1e-6  # truncation h^2, rounding 1e-16/h: both below 1e-9
    steps = h * np.eye(7)
    differences = [(u @ normalised(x + step) - u @ normalised(x - step)) / (2 * h) for step in steps]
    np.testing.assert_allclose(gradient, differences, atol=1e-8)
    # seven terms of size 1 and a few roundings
    assert abs(gradient.sum()) < 1e-14
    assert gradient @ y == pytest.approx(7 * p * epsilon / root**3, abs=1e-14)


def test_a_block_over_both_signs():
    """relu(x + f) on average over the sign of f, on a grid on both sides of |f| = x: both ends are attained."""
    x = np.linspace(0, 2, 41)[:, None]
    size = np.linspace(0.05, 2, 40)[None, :]
    grown = (np.maximum(x + size, 0) ** 2 + np.maximum(x - size, 0) ** 2) / 2 - x**2
    kept = grown / size**2
    assert kept.min() >= 0.5 - 1e-12 and kept.max() <= 1 + 1e-12  # roundings against terms of at most 16/0.05^2 ulps
    assert kept[0] == pytest.approx(0.5) and kept[-1, :39] == pytest.approx(1.0)


def branches(x, draws, rng):
    """Mean squares of two convolutions of 3 x 3 taps with a ReLU in between, for inputs x of shape ``(C, L, L)``."""
    channels, side, _ = x.shape
    taps = range(3)

    def convolved(images):
        padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
        under = [padded[:, :, a : a + side, b : b + side] for a in taps for b in taps]
        weights = rng.normal(size=(draws, 9, channels, channels)) * np.sqrt(2 / (9 * channels))
        return np.einsum("dtoc,dtcpq->dopq", weights, np.stack(np.broadcast_arrays(*under), 1))

    hidden = np.maximum(convolved(np.broadcast_to(x, (draws, *x.shape))), 0)
    return (convolved(hidden) ** 2).mean((1, 2, 3))


PLACES = {
    "2 x 2": (2, lambda x: x, 2 * (4 / 9) ** 2),
    "a corner": (4, lambda x: x * np.pad([[1.0]], (0, 3)), None),
    "all places": (4, lambda x: x, None),
    "the middle": (5, lambda x: x * np.pad([[1.0]], 2), 2.0),
}


@pytest.mark.parametrize("where", PLACES)
def test_a_branch_without_normalisation(where):
    """Between 2 (4/9)^2 and 2 times the mean square of the input, and at the ends where the proof says."""
    side, masked, exact = PLACES[where]
    rng = np.random.default_rng(1)
    x = masked(np.abs(rng.normal(size=(4, side, side))))
    found = branches(x, 2000, rng) / np.mean(x**2)
    error = 4 * np.std(found) / np.sqrt(len(found))
    assert 2 * (4 / 9) ** 2 - error <= found.mean() <= 2 + error
    if exact is not None:
        assert found.mean() == pytest.approx(exact, abs=error)
    else:
        assert 2 * (4 / 9) ** 2 + error < found.mean() < 2 - error  # there is no one ratio


@pytest.mark.parametrize("side", [2, 3, 8])
def test_the_least_share_of_taps(side):
    padded = np.pad(np.ones((side, side)), 1)
    reached = sum(padded[a : a + side, b : b + side] for a in range(3) for b in range(3))
    assert reached.min() == 4 and reached.max() == (4 if side == 2 else 9)
