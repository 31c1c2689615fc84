"""The statements on local entropy are proved, wrong variants do not build, and numbers agree with the formulas."""

import itertools

import numpy as np
import pytest
import sympy as sp
from falsify import assert_rejected, falsified

import proofs_check
from proofs_check.proof import le

SLUGS = ("shock2026.identity", "shock2026.run", "shock2026.shock_time")

nu, s, m, kappa, c, r = sp.symbols("nu s m kappa c r", positive=True)
f_2 = sp.Symbol("f''", real=True)
WRONG = [
    # a kernel of another variance, the other sign of nu, an equation without its factor 1/2 or without its Laplacian
    ("identity", "kernel in one coordinate", "rhs", lambda e: 2 * e),
    ("identity", "kernel in d coordinates", "rhs", lambda e: e / nu),
    ("identity", "total mass", "rhs", lambda e: 2 * e),
    ("identity", "gradient", "rhs", lambda e: -e),
    ("identity", "second derivative", "rhs", lambda e: e.subs(nu, 2 * nu)),
    ("identity", "squared gradient", "rhs", lambda e: e / 4),
    ("identity", "viscous Hamilton-Jacobi equation", "rhs", lambda e: -e),
    ("identity", "viscous Hamilton-Jacobi equation", "rhs", lambda e: 0 * e),
    ("identity", "viscous Hamilton-Jacobi equation", "rhs", lambda e: e / 2),
    ("identity", "with the wrong sign", "rhs", lambda e: -e),
    ("identity", "transport", "rhs", lambda e: 2 * e),
    ("identity", "viscous Burgers equation", "rhs", lambda e: -e),
    ("identity", "Fourier mode", "rhs", lambda e: -e),
    ("identity", "multiplier", "rhs", lambda e: sp.sqrt(e)),
    ("identity", "gradient on the quotient", "rhs", lambda e: e * sp.Symbol("x", positive=True)),
    ("identity", "Laplacian on the quotient", "rhs", lambda e: e + sp.Symbol("f'", real=True)),
    ("identity", "parabola: equation", "rhs", lambda e: 2 * e),
    ("identity", "parabola: integral", "rhs", lambda e: e**2),
    ("run", "function of the angle", "rhs", lambda e: 2 * e),
    ("run", "without scale invariance", "rhs", lambda e: e / (r + 1)),
    ("run", "density of a draw", "rhs", lambda e: e.subs(s, 2 * s)),
    ("run", "unbiased", "rhs", lambda e: 2 * e),
    ("run", "variance of the mean", "rhs", lambda e: e / sp.Symbol("n", integer=True, positive=True)),
    ("run", "local entropy below the smoothed loss", "rhs", lambda e: -e),
    ("run", "local entropy above the infimum", "lhs", lambda e: -e),
    ("run", "phi is at most the largest weight", "rhs", lambda e: e / 2),
    # the shock at 1/sup f'', slopes that grow the wrong way, half the variance, the constant -kappa alone
    ("shock_time", "slope of the map", "rhs", lambda e: e - 2),
    ("shock_time", "slope from below", "lhs", lambda e: 1 + s * m),
    ("shock_time", "at 1/m", "lhs", lambda e: sp.Subs(sp.Subs(1 + s * f_2, f_2, m), s, 1 / m)),
    ("shock_time", "after 1/m", "rhs", lambda e: -e),
    ("shock_time", "gradient along a characteristic", "rhs", lambda e: -e),
    ("shock_time", "convex", "lhs", lambda e: 2 * e),
    ("shock_time", "gradient as a mean", "rhs", lambda e: -e),
    ("shock_time", "curvature as a variance", "rhs", lambda e: e.subs(nu, 2 * nu)),
    ("shock_time", "curvature by parts", "rhs", lambda e: e.subs(nu, -nu)),
    ("shock_time", "curvature before the shock", "rhs", lambda e: e / 2),
    ("shock_time", "convex: curvature from below", "lhs", lambda e: e + 1),
    ("shock_time", "moment 2", "rhs", lambda e: 1 / e),
    ("shock_time", "moment 12", "rhs", lambda e: 2 * e),
    ("shock_time", "second order of the variance", "rhs", lambda e: -e),
    ("shock_time", "leading term at the shock", "rhs", lambda e: e / sp.sqrt(nu)),
    ("shock_time", "leading term at the shock", "rhs", lambda e: e / kappa),
    ("shock_time", "constant at the shock", "rhs", lambda e: 0 * e),
    ("shock_time", "leading term after the shock", "rhs", lambda e: 2 * e),
    ("shock_time", "constant after the shock", "rhs", lambda e: -e),
]
WRONG += [
    ("identity", "derivative in s", "rhs", lambda e: -e),
    ("identity", "Laplacian", "rhs", lambda e: e / 2),
    ("identity", "derivative of a square", "rhs", lambda e: 2 * e),
    ("identity", "parabola: start", "rhs", lambda e: 2 * e),
    ("run", "diffusion at norm r", "rhs", lambda e: e / r),
    ("run", "log from below", "lhs", lambda e: 2 * e),
    ("run", "log from above", "rhs", lambda e: e / 2),
    ("run", "tangent of log", "rhs", lambda e: e / 2),
    ("run", "tangent at the mean", "rhs", lambda e: e / 2),
    ("run", "summed tangents", "rhs", lambda e: e / 2),
    ("run", "summed weights", "rhs", lambda e: e / 2),
    # characteristics that cross earlier, a gradient that grows, half of the highest curvature
    ("shock_time", "before 1/m", "rhs", lambda e: -e),
    ("shock_time", "one minimiser up to s*", "rhs", lambda e: e - m),
    ("shock_time", "convex: the gradient falls", "rhs", lambda e: e / 2),
    ("shock_time", "derivative of the integrand", "rhs", lambda e: -e),
    ("shock_time", "curvature from above", "rhs", lambda e: e / 2),
    ("shock_time", "the critical point", "rhs", lambda e: e + 1),
    ("shock_time", "no second derivative", "rhs", lambda e: e + kappa),
    ("shock_time", "fourth order of the variance", "rhs", lambda e: -e),
    ("shock_time", "fourth order of the variance", "rhs", lambda e: e.subs(sp.Symbol("d", real=True), 0)),
    ("shock_time", "fourth order of the variance", "rhs", lambda e: e.subs(sp.Symbol("m_20", positive=True), 0)),
    ("shock_time", "next term at the shock", "rhs", lambda e: e / sp.sqrt(nu)),
    ("shock_time", "next term at the shock", "rhs", lambda e: e.subs(sp.Symbol("p", real=True), 0)),
    ("shock_time", "next term at the shock", "rhs", lambda e: e.subs(sp.Symbol("k", real=True), 0)),
    ("shock_time", "exponent in the scaled variable", "rhs", lambda e: 2 * e),
    ("shock_time", "mean: order 3", "rhs", lambda e: e.subs(sp.Symbol("a_5", real=True), 0)),
    ("shock_time", "variance: order 2", "rhs", lambda e: e.subs(sp.Symbol("a_4", real=True), 0)),
    ("shock_time", "variance: order 4, a_3 = 0", "rhs", lambda e: e.subs(sp.Symbol("a_6", real=True), 0)),
    ("shock_time", "limit before the shock", "rhs", lambda e: e * sp.Symbol("r", positive=True)),
    ("shock_time", "limit before the shock", "rhs", lambda e: e / 2),
    ("shock_time", "correction before the shock", "rhs", lambda e: -e),
    ("shock_time", "next term before the shock", "rhs", lambda e: e.subs(sp.Symbol("q", real=True), 0)),
    ("shock_time", "variance of two points", "rhs", lambda e: e / 2),
    ("shock_time", "most at the centre", "rhs", lambda e: e / 2),
    ("shock_time", "constant after the shock", "rhs", lambda e: e.subs(sp.Symbol("F_3", real=True), 0)),
    ("shock_time", "next term after the shock", "rhs", lambda e: e.subs(sp.Symbol("F_5", real=True), 0)),
    ("shock_time", "next term after the shock", "rhs", lambda e: 2 * e),
]
EXPANDED = [
    *(f"moment {k}" for k in (6, 8, 10, 14, 16, 18, 20, 22)),
    *(f"normal moment {k}" for k in (2, 4, 6, 8, 10)),
    *(f"five to eight: order {n}" for n in (1, 2, 3, 4)),
    *(f"three to six: order {n}" for n in (1, 2, 3)),
    *(f"four to six: order {n}" for n in (1, 2, 3, 4)),
    *("mean: order 1", "d_1", "d_2", "V_2", "V_3"),
]
WRONG += [("shock_time", name, "rhs", lambda e: 2 * e + 1) for name in EXPANDED]
WRONG = [(f"shock2026.{module}", *rest) for module, *rest in WRONG]


@falsified(WRONG)
def test_a_wrong_statement_is_rejected(slug, name, field, change):
    assert_rejected(slug, name, field, change)


def test_every_checked_step_has_a_wrong_variant():
    assert set(SLUGS) <= set(proofs_check.slugs())
    for slug in SLUGS:
        assert {step.name for step in proofs_check.prove(slug).checked} == {
            n for wrong, n, *_ in WRONG if wrong == slug
        }


@pytest.mark.parametrize("slug", SLUGS)
def test_no_checked_equation_is_empty(slug):
    for step in proofs_check.prove(slug).checked:
        assert step.relation.lhs != step.relation.rhs, step.name


def test_the_assumptions_are_few_and_named():
    assert [step.name for step in proofs_check.prove("shock2026.identity").assumptions] == []
    named = {step.name for step in proofs_check.prove("shock2026.shock_time").assumptions}
    assert named == {"lowest curvature", "highest curvature"}
    assert proofs_check.prove("shock2026.shock_time").step("lowest curvature").relation == le(-m, f_2)


# --- numbers: an outside check of the statements themselves ---

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(60)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


def energy(x):
    """Bounded, coupled, in any dimension; x has shape (..., d)."""
    return np.cos(x.sum(axis=-1)) + np.sin(x[..., 0]) * np.cos(2 * x[..., -1]) / 2


def u(x, s, nu):
    """Local entropy in d dimensions by Gauss-Hermite quadrature; x has shape (d,)."""
    total = 0.0
    for index in itertools.product(range(len(NODES)), repeat=len(x)):
        z = NODES[list(index)]
        total += np.prod(WEIGHTS[list(index)]) * np.exp(-energy(x + np.sqrt(2 * nu * s) * z) / (2 * nu))
    return -2 * nu * np.log(total)


@pytest.mark.parametrize("d", [1, 2])
def test_the_equation_in_numbers(d):
    x, s, nu, h = np.array([0.3, -0.8])[:d], 0.4, 0.5, 1e-3
    steps = h * np.eye(d)
    here = u(x, s, nu)
    # central differences: of order h^2 times fourth derivatives of some units
    time = (u(x, s + h, nu) - u(x, s - h, nu)) / (2 * h)
    gradient = np.array([(u(x + e, s, nu) - u(x - e, s, nu)) / (2 * h) for e in steps])
    laplacian = sum((u(x + e, s, nu) - 2 * here + u(x - e, s, nu)) / h**2 for e in steps)
    assert time + gradient @ gradient / 2 == pytest.approx(nu * laplacian, abs=1e-4)
    wrong = time + gradient @ gradient / 2 - (-nu) * laplacian
    assert wrong == pytest.approx(2 * nu * laplacian, abs=1e-4) and abs(wrong) > 0.1


def test_jensen_in_numbers():
    rng = np.random.default_rng(0)
    for _ in range(50):
        f, p, nu = rng.normal(size=7), rng.dirichlet(np.ones(7)), rng.uniform(0.05, 3)
        value = -2 * nu * np.log(p @ np.exp(-f / (2 * nu)))
        assert f.min() <= value <= p @ f


@pytest.fixture(scope="module")
def gibbs_means():
    """Means under the Gibbs density of a double well, by brute force on a fine grid."""

    def means(x, s, nu):
        y = np.linspace(-6, 6, 200_001)
        f, f_1, f_2 = (y**2 - 1) ** 2 / 4, y**3 - y, 3 * y**2 - 1
        phi = f + (x - y) ** 2 / (2 * s)
        weight = np.exp(-(phi - phi.min()) / (2 * nu))
        weight /= weight.sum()

        def mean(g):
            return float(weight @ g)

        return {
            "mean": mean(y),
            "variance": mean(y**2) - mean(y) ** 2,
            "f'": mean(f_1),
            "f''": mean(f_2),
            "var f'": mean(f_1**2) - mean(f_1) ** 2,
        }

    return means


@pytest.mark.parametrize(("x", "s", "nu"), [(0.2, 0.6, 0.1), (-0.5, 2.0, 0.3)])
def test_derivatives_are_moments_in_numbers(gibbs_means, x, s, nu):
    h = 1e-4
    here, left, right = (gibbs_means(z, s, nu) for z in (x, x - h, x + h))
    v = [(z - one["mean"]) / s for z, one in ((x - h, left), (x, here), (x + h, right))]
    curvature = 1 / s - here["variance"] / (2 * nu * s**2)
    assert v[1] == pytest.approx(here["f'"], rel=1e-9)
    assert curvature == pytest.approx(here["f''"] - here["var f'"] / (2 * nu), rel=1e-8)
    assert curvature == pytest.approx((v[2] - v[0]) / (2 * h), rel=1e-5)  # h^2 v'''/6


def test_brascamp_and_lieb_in_numbers(gibbs_means):
    """``m = 1``: the variance is at most ``2 nu s/(1 - s)`` for s < 1, and close to that for a small nu at the top."""
    for s, nu in itertools.product((0.3, 0.8), (1e-3, 0.1, 1.0)):
        for x in (0.0, 0.4, 1.5):
            assert gibbs_means(x, s, nu)["variance"] <= 2 * nu * s / (1 - s)
    assert gibbs_means(0.0, 0.3, 1e-3)["variance"] > 0.99 * 2e-3 * 0.3 / 0.7


def test_moments_of_the_quartic_density_in_numbers():
    from proofs_check.laplace import QUARTIC, B

    z = np.linspace(-4, 4, 100_001)
    weight = np.exp(-0.7 * z**4)
    for power, value in QUARTIC.items():
        found = (weight @ z**power) / weight.sum()
        assert float(value.subs(B, 0.7)) == pytest.approx(found, rel=1e-10)


def expanded(name, **values):
    """The right side of a step of the proof, in numbers."""
    rhs = proofs_check.prove("shock2026.shock_time").step(name).rhs
    return float(rhs.subs({symbol: values[symbol.name] for symbol in rhs.free_symbols}))


def moments_of(exponent, t, far):
    """Mean and variance of the density proportional to ``exp(-exponent(w)/t)``."""
    w = np.linspace(-far, far, 400_001)
    weight = np.exp(-exponent(w) / t)
    mean = weight @ w / weight.sum()
    return mean, weight @ (w - mean) ** 2 / weight.sum()


def test_mean_and_variance_of_a_well_in_numbers():
    """What is left over after d_1, d_2 and V_2 falls as the powers that follow."""
    f = {"F_2": 1.3, "F_3": 0.7, "F_4": 2.0, "F_5": -1.5, "F_6": 3.0}
    d_1, d_2, v_2 = (expanded(name, **f) for name in ("d_1", "d_2", "V_2"))
    left = []
    for t in (4e-3, 1e-3):
        mean, variance = moments_of(
            lambda w: sum(v * w**k / float(sp.factorial(k)) for k, v in enumerate(f.values(), 2)), t, 0.7
        )
        left.append((abs(mean - d_1 * t - d_2 * t**2), abs(variance - t / f["F_2"] - v_2 * t**2)))
    assert all(0 < small < large / 50 for large, small in zip(*left, strict=True))  # t^3: 64
    f["F_3"] = 0.0
    v_2, v_3, left = expanded("V_2", **f), expanded("V_3", **f), []
    for t in (1.6e-2, 4e-3):
        _, variance = moments_of(
            lambda w: sum(v * w**k / float(sp.factorial(k)) for k, v in enumerate(f.values(), 2)), t, 1.2
        )
        left.append(abs(variance - t / f["F_2"] - v_2 * t**2 - v_3 * t**3))
    assert left[1] < left[0] / 150  # t^4: 256


def test_variance_of_the_quartic_well_in_numbers():
    """``z^4`` with terms of orders 5 to 8, each smaller by delta: what is left after two orders falls as delta^6."""
    from proofs_check.laplace import QUARTIC, B

    m = {f"m_{k}": float(value.subs(B, 1)) for k, value in QUARTIC.items() if k}
    c, left = {"a": 0.4, "h": 0.3, "d": -0.5, "e": 0.6}, []
    second, fourth = (expanded(f"{name} order of the variance", **c, **m) for name in ("second", "fourth"))
    for delta in (0.2, 0.1):
        _, variance = moments_of(
            lambda z, delta=delta: z**4 + sum(v * delta**k * z ** (4 + k) for k, v in enumerate(c.values(), 1)),
            1.0,
            3.0,
        )
        left.append(abs(variance - m["m_2"] - second * delta**2 - fourth * delta**4))
    assert 0 < left[1] < left[0] / 40  # 64


def test_characteristics_in_numbers():
    """f = cos: they cross first at s = 1, in 0."""
    xi = np.linspace(-3, 3, 2001)

    def place(s):
        return xi - s * np.sin(xi)

    assert np.all(np.diff(place(0.999)) > 0) and not np.all(np.diff(place(1.001)) > 0)
    # v_x along a characteristic against differences of v over differences of the place
    s, i = 0.7, 1200
    slope = (-np.sin(xi[i + 1]) + np.sin(xi[i - 1])) / (place(s)[i + 1] - place(s)[i - 1])
    assert slope == pytest.approx(-np.cos(xi[i]) / (1 - s * np.cos(xi[i])), rel=1e-4)
