"""The limiting law of products of Gaussian matrices, against exact moments, quadrature and simple cases."""

import math
from fractions import Fraction

import numpy as np
import pytest
from scipy.integrate import quad

from bn_theory import fuss_catalan
from bn_theory.errors import InvalidInputError

ORDERS = (1, 2, 3, 4, 7)


@pytest.mark.parametrize("m", ORDERS)
def test_moments_solve_the_equation_of_the_generating_function(m):
    """``B = 1 + z B^(M+1)`` as power series in whole numbers."""
    terms = 9
    series = [fuss_catalan.moment(m, k) for k in range(terms)]
    power = [1] + [0] * (terms - 1)
    for _ in range(m + 1):
        power = [sum(power[i] * series[k - i] for i in range(k + 1)) for k in range(terms)]
    assert series[1:] == power[:-1]


@pytest.mark.parametrize("k", range(1, 8))
@pytest.mark.parametrize("m", ORDERS)
def test_exact_moments_of_matrices_of_one_number(m, k):
    assert fuss_catalan.finite_moment(m, k, 1) == math.prod(range(1, 2 * k, 2)) ** m


@pytest.mark.parametrize("m", ORDERS)
def test_exact_second_moment_by_wicks_rule(m):
    """``E tr P^2`` and ``E (tr P)^2`` matrix by matrix."""
    size = 5
    two, square = Fraction(size), Fraction(size**2)
    for _ in range(m):
        two, square = (1 + Fraction(1, size)) * two + square / size, square + 2 * two / size
    assert fuss_catalan.finite_moment(m, 2, size) == two / size


def test_exact_third_moment_of_one_real_wishart_matrix():
    """Against Gaussian quadrature over the four entries of a 2 x 2 matrix."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(8)  # exact to degree 15
    weights = weights / weights.sum()
    a, b, c, d = np.meshgrid(*[nodes / np.sqrt(2)] * 4, indexing="ij")
    w = np.einsum("a,b,c,d->abcd", *[weights] * 4)
    x = np.moveaxis(np.array([[a, b], [c, d]]), (0, 1), (-2, -1))
    h = np.swapaxes(x, -1, -2) @ x
    third = np.sum(w * np.trace(h @ h @ h, axis1=-2, axis2=-1)) / 2
    assert third == pytest.approx(float(fuss_catalan.finite_moment(1, 3, 2)), rel=1e-12)


@pytest.mark.parametrize("k", range(1, 7))
@pytest.mark.parametrize("m", ORDERS)
def test_exact_moments_tend_to_the_limit(m, k):
    """The next term is of order 1/N: ten times smaller at ten times the size."""
    limit = fuss_catalan.moment(m, k)
    near, far = (fuss_catalan.finite_moment(m, k, size) - limit for size in (10**8, 10**7))
    assert abs(near) < 1e-3 * limit
    assert float(near) * 10 == pytest.approx(float(far), rel=1e-4)


@pytest.mark.parametrize("m", ORDERS)
def test_the_density_has_these_moments(m):
    end = np.pi / (m + 1)

    def weight(phi, k):
        x, density, _ = fuss_catalan.curve(m, phi)
        slope = (m + 1) ** 2 / np.tan((m + 1) * phi) - 1 / np.tan(phi) - m**2 / np.tan(m * phi)
        return -density * x * slope * x**k

    for k in range(5):
        found = quad(weight, 0, end, args=(k,), epsabs=0, epsrel=1e-9)[0]
        assert found == pytest.approx(fuss_catalan.moment(m, k), rel=1e-7)


@pytest.mark.parametrize("m", ORDERS)
def test_the_part_above_belongs_to_the_density(m):
    phi = np.linspace(0.05, 0.95, 7) * np.pi / (m + 1)
    h = 1e-5
    (x1, _, above1), (x2, _, above2) = fuss_catalan.curve(m, phi - h), fuss_catalan.curve(m, phi + h)
    # central differences err by h^2 times third derivatives, which reach (M+1)^3 and more at the ends
    np.testing.assert_allclose((above1 - above2) / (x2 - x1), fuss_catalan.curve(m, phi)[1], rtol=1e-4)


@pytest.mark.parametrize("m", ORDERS)
def test_the_root_lies_on_the_curve(m):
    """``B = rho e^(i phi)`` solves ``lambda (B - 1) = B^(M+1)``."""
    phi = np.linspace(0.01, 0.99, 20) * np.pi / (m + 1)
    root = np.sin((m + 1) * phi) / np.sin(m * phi) * np.exp(1j * phi)
    x = fuss_catalan.curve(m, phi)[0]
    np.testing.assert_allclose(x * (root - 1), root ** (m + 1), rtol=1e-9, atol=1e-9)


def test_one_matrix_is_marchenko_and_pastur():
    x = np.linspace(0.01, 3.99, 50)
    phi = np.arccos(np.sqrt(x) / 2)
    found, density, above = fuss_catalan.curve(1, phi)
    np.testing.assert_allclose(found, x, rtol=1e-12)
    np.testing.assert_allclose(density, np.sqrt((4 - x) / x) / (2 * np.pi), rtol=1e-12)
    np.testing.assert_allclose(above, (2 * phi - np.sin(2 * phi)) / np.pi, rtol=1e-12)


@pytest.mark.parametrize("m", ORDERS)
def test_both_edges(m):
    edge = fuss_catalan.edge(m)
    assert fuss_catalan.curve(m, 1e-7)[0] == pytest.approx(edge, rel=1e-9)
    assert fuss_catalan.moment(m, 2001) / fuss_catalan.moment(m, 2000) == pytest.approx(edge, rel=1e-3)
    x, density, above = fuss_catalan.curve(m, np.pi / (m + 1) * (1 - 1e-4))
    sine = np.sin(np.pi / (m + 1))
    assert density * x ** (m / (m + 1)) == pytest.approx(sine / np.pi, rel=1e-3)
    assert 1 - above == pytest.approx((m + 1) * sine / np.pi * x ** (1 / (m + 1)), rel=1e-3)
    # at the upper edge the density is (a/pi) sqrt(edge - x), the a of the mean of the largest value
    shift = (edge - fuss_catalan.largest(m, 1)) / -fuss_catalan.TRACY_WIDOM_MEAN
    x, density, _ = fuss_catalan.curve(m, 1e-3 / m)
    assert density / np.sqrt(edge - x) * np.pi == pytest.approx(shift**-1.5, rel=1e-4)


@pytest.mark.parametrize("m", ORDERS)
def test_the_distribution_inverts_the_curve(m):
    phi = np.linspace(0.02, 0.98, 30) * np.pi / (m + 1)
    x, _, above = fuss_catalan.curve(m, phi)
    np.testing.assert_allclose(fuss_catalan.distribution(m, x), 1 - above, atol=1e-12)
    ends = fuss_catalan.distribution(m, [-1.0, 0.0, fuss_catalan.edge(m), 1e9])
    assert ends.tolist() == [0.0, 0.0, 1.0, 1.0]
    assert np.all(np.diff(fuss_catalan.distribution(m, np.linspace(0, fuss_catalan.edge(m), 500))) > 0)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: fuss_catalan.moment(0, 1), "matrices must be a whole number >= 1, not 0"),
        (lambda: fuss_catalan.moment(1.5, 1), "1.5"),
        (lambda: fuss_catalan.moment(True, 1), "True"),
        (lambda: fuss_catalan.moment(1, -1), "k must be"),
        (lambda: fuss_catalan.finite_moment(1, 0, 3), "k must be"),
        (lambda: fuss_catalan.finite_moment(1, 1, 0), "size must be"),
        (lambda: fuss_catalan.edge(-1), "-1"),
        (lambda: fuss_catalan.largest(1, 0), "size must be"),
        (lambda: fuss_catalan.smallest_exponent(0), "matrices"),
        (lambda: fuss_catalan.curve(2, [0.1, 2.0]), "angles must lie between 0"),
        (lambda: fuss_catalan.curve(2, np.nan), "angles"),
        (lambda: fuss_catalan.distribution(2, [1.0, np.inf]), "must be finite, not inf"),
    ],
)
def test_bad_input(call, words):
    with pytest.raises(InvalidInputError, match=words):
        call()
