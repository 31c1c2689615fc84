"""Outside check of the closed-form constants: numeric Hessians at random unit vectors."""

import numpy as np
import pytest

RNG = np.random.default_rng(11)
CASES = 300


def unit(d):
    x = RNG.normal(size=d)
    return x / np.linalg.norm(x)


def derivatives(f, x):
    """Gradient and Hessian of f at x by central differences.

    Steps 1e-5 (gradient: truncation 1e-10, rounding 1e-11) and 1e-4 (Hessian: truncation about 1e-8,
    rounding about 1e-16/1e-8 = 1e-8), so 1e-6 is a safe allowance for values of order one.
    """
    d = len(x)
    e = np.eye(d)
    gradient = np.array([(f(x + 1e-5 * k) - f(x - 1e-5 * k)) / 2e-5 for k in e])
    h = 1e-4
    hessian = np.array(
        [
            [
                (f(x + h * (i + j)) - f(x + h * (i - j)) - f(x - h * (i - j)) + f(x - h * (i + j))) / (4 * h * h)
                for j in e
            ]
            for i in e
        ]
    )
    return gradient, hessian


ALLOWANCE = 1e-6  # derived in `derivatives`


def norm2(matrix):
    return np.linalg.norm(matrix, 2)


def rayleigh(matrix):
    return lambda w: w @ matrix @ w / (2 * (w @ w))


def test_rayleigh_hessian_is_the_reflected_matrix():
    for _ in range(20):
        d = int(RNG.integers(2, 7))
        matrix = RNG.normal(size=(d, d))
        matrix = (matrix + matrix.T) / 2
        v = unit(d)
        gradient, hessian = derivatives(rayleigh(matrix), v)
        reflection = np.eye(d) - 2 * np.outer(v, v)
        rho = v @ matrix @ v
        size = 1 + norm2(matrix)
        assert np.allclose(hessian, reflection @ matrix @ reflection - rho * np.eye(d), atol=ALLOWANCE * size)
        assert np.allclose(gradient, matrix @ v - rho * v, atol=ALLOWANCE * size)
        assert np.allclose(hessian @ v, -gradient, atol=ALLOWANCE * size * d)


def test_rayleigh_bounds_hold_and_are_attained():
    eigenvalues = np.array([-0.3, 0.2, 0.5, 1.4])
    matrix = np.diag(eigenvalues)
    width = np.ptp(eigenvalues)
    curvature, slope = [], []
    for _ in range(CASES):
        v = unit(4)
        gradient, rho = matrix @ v - (v @ matrix @ v) * v, v @ matrix @ v
        hessian = matrix - rho * np.eye(4) - 2 * (np.outer(v, gradient) + np.outer(gradient, v))
        curvature.append(norm2(hessian))
        slope.append(np.linalg.norm(gradient))
    assert max(curvature) <= width * (1 + 1e-12) and max(slope) <= width / 2 * (1 + 1e-12)  # roundings: 1e-15
    _, at_end = derivatives(rayleigh(matrix), np.eye(4)[0])
    assert norm2(at_end) == pytest.approx(width, abs=ALLOWANCE)
    middle, _ = derivatives(rayleigh(matrix), (np.eye(4)[0] + np.eye(4)[3]) / np.sqrt(2))
    assert np.linalg.norm(middle) == pytest.approx(width / 2, abs=ALLOWANCE)


def test_bilinear_blocks():
    matrix = RNG.normal(size=(4, 3))
    largest = norm2(matrix)
    tops = {"11": 0.0, "12": 0.0, "22": 0.0, "g": 0.0}

    def loss(x):
        return -x[:4] @ matrix @ x[4:] / (np.linalg.norm(x[:4]) * np.linalg.norm(x[4:]))

    left, _, right = np.linalg.svd(matrix)
    points = [np.r_[unit(4), unit(3)] for _ in range(40)]
    a = left[:, 0] / np.sqrt(3) + left[:, 1] * np.sqrt(2 / 3)  # the angle at which the bound is attained
    points += [np.r_[a, right[0]], np.r_[left[:, 1], right[1]]]
    for x in points:
        gradient, hessian = derivatives(loss, x)
        blocks = {"11": hessian[:4, :4], "12": hessian[:4, 4:], "22": hessian[4:, 4:]}
        for key, block in blocks.items():
            tops[key] = max(tops[key], norm2(block))
        tops["g"] = max(tops["g"], np.linalg.norm(gradient[:4]), np.linalg.norm(gradient[4:]))
    own = 2 / np.sqrt(3) * largest
    slack = ALLOWANCE * (1 + largest)
    assert tops["11"] <= own + slack and tops["22"] <= own + slack
    assert tops["12"] <= largest + slack and tops["g"] <= largest + slack
    assert tops["11"] >= own - slack  # attained


def bn(b, s):
    def loss(x):
        w, gamma = x[:-1], x[-1]
        return gamma**2 / 2 - gamma * (b @ w) / np.sqrt(w @ (s * w))

    return loss


def test_bn_least_squares_blocks():
    for _ in range(40):
        d = 3
        b, s = RNG.normal(size=d), RNG.uniform(0.3, 3.0, size=d)
        gamma = RNG.normal() * 2
        beta = np.sqrt(np.sum(b**2 / s))
        gradient, hessian = derivatives(bn(b, s), np.r_[unit(d), gamma])
        mixed = beta * np.sqrt(s.max() / s.min())
        slack = ALLOWANCE * 10 * (1 + mixed) * (1 + abs(gamma))
        assert norm2(hessian[:d, :d]) <= 2 / np.sqrt(3) * abs(gamma) * beta * s.max() / s.min() + slack
        assert np.linalg.norm(hessian[:d, d]) <= mixed + slack
        assert hessian[d, d] == pytest.approx(1, abs=slack)
        assert np.linalg.norm(gradient[:d]) <= abs(gamma) * mixed + slack
        assert beta <= np.linalg.norm(b) / np.sqrt(s.min()) * (1 + 1e-12)


def test_bn_constants_are_attained_for_equal_variances():
    b, s = np.array([1.0, 0.0]), np.array([1.0, 1.0])
    w = np.array([1 / np.sqrt(3), np.sqrt(2 / 3)])
    _, hessian = derivatives(bn(b, s), np.r_[w, 1.0])
    assert norm2(hessian[:2, :2]) == pytest.approx(2 / np.sqrt(3), abs=ALLOWANCE)


def test_gamma_stays_bounded_under_gd():
    for rate in (0.1, 0.7, 1.0):
        b, s = RNG.normal(size=4), RNG.uniform(0.3, 3.0, size=4)
        beta = np.sqrt(np.sum(b**2 / s))
        w, gamma = RNG.normal(size=4), 3.0
        bound = max(abs(gamma), beta)
        for _ in range(200):
            size = np.sqrt(w @ (s * w))
            f = b @ w / size
            grad = -gamma * (b / size - f * s * w / size**2)
            w, gamma = w - 2.0 * grad, gamma - rate * (gamma - f)
            assert abs(gamma) <= bound * (1 + 1e-12)


def test_linear_noise():
    d, sigma = 5, 0.7
    v = unit(d)
    signs = np.array(np.meshgrid(*[[-1, 1]] * d)).reshape(d, -1).T  # every outcome
    noise = sigma * (signs - np.outer(signs @ v, v))
    assert np.linalg.norm(noise, axis=1).max() <= sigma * np.sqrt(d) * (1 + 1e-12)
    assert np.trace(noise.T @ noise / len(noise)) == pytest.approx(sigma**2 * (d - 1), rel=1e-12)
    gradient, _ = derivatives(lambda w: sigma * signs[3] @ w / np.linalg.norm(w), v)
    assert np.allclose(gradient, noise[3], atol=ALLOWANCE)
