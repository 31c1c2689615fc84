"""Outside check of the explicit rate bounds: the formulas of the statements, evaluated on small runs."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import lambertw


def gd_bound(delta, G0, eta, K, C):
    """Gbar_i and the floors f_i of the statement about GD."""
    r = (C * eta / G0) ** 2
    a = K * r / np.log1p(r) / 2
    floors = np.where(a * eta <= G0, 0.0, a - G0 / eta - a * np.log(a * eta / G0))
    q = G0 / (a * eta)
    ell = (delta - (floors.sum() - floors)) / a + q - np.log(q)
    y = np.array([brentq(lambda z, e=e: z - np.log(z) - e, 1, e + np.sqrt(2 * (e - 1)) + 1e-9) for e in ell])
    assert np.all(y <= ell + np.sqrt(2 * (ell - 1)) + 1e-9)
    inside = ell < 700
    assert np.allclose(y[inside], -lambertw(-np.exp(-ell[inside]), -1).real, rtol=1e-9)
    return a * eta * y, floors


@pytest.mark.parametrize("eta", [0.01, 0.3, 3.0, 50.0])
def test_gd_on_a_bilinear_loss_with_two_groups(eta):
    rng = np.random.default_rng(1)
    S = rng.normal(size=(5, 5))
    s = np.linalg.norm(S, 2)
    w = [rng.normal(size=5), 2 * rng.normal(size=5)]
    rates = np.array([eta, eta / 3])
    G0 = np.array([x @ x for x in w])
    K, C = np.full(2, (1 + 2 / np.sqrt(3)) * s), np.full(2, s)
    loss = -w[0] @ S @ w[1] / np.sqrt(G0.prod())
    top, floors = gd_bound(loss + s, G0, rates, K, C)
    smallest, T = np.inf, 400
    for t in range(1, T + 1):
        n = [np.linalg.norm(x) for x in w]
        v = [x / k for x, k in zip(w, n, strict=True)]
        mu = v[0] @ S @ v[1]
        g = [-(S @ v[1] - mu * v[0]), -(S.T @ v[0] - mu * v[1])]
        smallest = min(smallest, sum(x @ x for x in g))
        w = [x - r * k / m for x, r, k, m in zip(w, rates, g, n, strict=True)]
        G = np.array([x @ x for x in w])
        assert np.all(top * (1 + 1e-12) >= G)
        after = np.sum((G**2 - G0**2) / (2 * rates**2)) / t
        assert smallest <= after * (1 + 1e-9) + 1e-15  # G^2 - G0^2 cancels: relative 1e-16 G0^2 per step
        assert smallest <= np.sum((top**2 - G0**2) / (2 * rates**2)) / t * (1 + 1e-9)
    assert np.all(floors <= 0)


@pytest.mark.parametrize("rate", [0.1, 0.66])
def test_gd_on_bn_least_squares_with_a_scale_variant_part(rate):
    rng = np.random.default_rng(2)
    b, s = rng.normal(size=4), rng.uniform(0.5, 2, size=4)
    beta = np.sqrt(np.sum(b**2 / s))
    w, gamma, eta, c, c_g = rng.normal(size=4), 2.0, 0.5, 0.5, 0.5
    gbar = max(abs(gamma), beta)
    M = beta * np.sqrt(s.max() / s.min())
    K = 2 / np.sqrt(3) * gbar * beta * s.max() / s.min() + M**2 / c
    assert rate <= 2 * (1 - c_g) / (1 + c)
    loss = gamma**2 / 2 - gamma * (b @ w) / np.sqrt(w @ (s * w))
    delta = loss + beta**2 / 2  # the infimum is -beta^2/2
    G0 = np.array([w @ w])
    top, floors = gd_bound(delta, G0, np.array([eta]), np.array([K]), np.array([gbar * M]))
    smallest = np.inf
    for t in range(1, 500):
        size = np.sqrt(w @ (s * w))
        f = b @ w / size
        grad = -gamma * (b / size - f * s * w / size**2)
        smallest = min(smallest, (grad @ grad) * (w @ w) + (gamma - f) ** 2)
        w, gamma = w - eta * grad, gamma - rate * (gamma - f)
        assert w @ w <= top[0]
        bound = (top[0] ** 2 - G0[0] ** 2) / (2 * eta**2) + (delta - floors.sum()) / (c_g * rate)
        measured = ((w @ w) ** 2 - G0[0] ** 2) / (2 * eta**2) + (delta - floors.sum()) / (c_g * rate)
        assert smallest <= measured / t * (1 + 1e-9) <= bound / t * (1 + 1e-9)


@pytest.mark.parametrize("alpha", [0.0, 0.25, 0.5])
def test_sgd_on_a_rayleigh_quotient(alpha):
    rng = np.random.default_rng(4)
    d, replicas, T, eta, sigma = 4, 200, 300, 0.5, 0.3
    eigenvalues = np.linspace(0, 1, d)
    w = np.tile(rng.normal(size=d), (replicas, 1))
    G0 = w[0] @ w[0]
    C = 0.5 + sigma * np.sqrt(d)
    r = (C * eta / G0) ** 2
    K = 1.0
    loss = np.sum(eigenvalues * w[0] ** 2) / (2 * G0)
    A, H, smallest = 0.0, 0.0, np.inf
    for t in range(T):
        step = eta * (t + 1.0) ** -alpha
        G = np.sum(w**2, axis=1)
        assert np.all(G**2 <= (G0**2 + A) * (1 + 1e-12))
        v = w / np.sqrt(G)[:, None]
        full = eigenvalues * v - np.sum(eigenvalues * v**2, axis=1)[:, None] * v
        z = rng.choice([-1.0, 1.0], size=w.shape)
        noise = sigma * (z - np.sum(z * v, axis=1)[:, None] * v)
        smallest = min(smallest, np.mean(np.sum(full**2, axis=1)))
        H += step / np.sqrt(G0**2 + A)
        A += 2 * step**2 * C**2 + step**4 * C**4 / G0**2
        w = w - step * (full + noise) / np.sqrt(G)[:, None]
        R = loss + K * r / np.log1p(r) / 4 * np.log1p(A / G0**2)
        assert smallest <= R / H
    k = 2 * eta**2 * C**2 + eta**4 * C**4 / G0**2
    theta = 1 - 2 * alpha
    s = 1 + np.log(T) if alpha == 0.5 else T**theta / theta
    assert k * s >= A
    h = eta / np.sqrt(G0**2 + k * (1 + np.log(T))) if alpha == 0.5 else eta / np.sqrt(G0**2 + k / theta)
    assert h * 2 * (np.sqrt(T + 1) - 1) <= H
