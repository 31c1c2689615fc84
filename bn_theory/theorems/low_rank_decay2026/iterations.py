"""Polar factors by Newton-Schulz iterations, and low-rank decay by them, on matrices.

Everything is exact up to rounding. An iteration expands an error at most by ``(3 - x^2)/2``, x the smallest singular
value: the largest of the divided differences ``(p(x) +- p(y))/(x +- y)``. A step of decay: see :func:`expansion`.
"""

from __future__ import annotations

import numpy as np

from bn_theory import low_rank_decay as lrd
from bn_theory.theorems import evidence as judge
from bn_theory.theorems import workbench
from bn_theory.theorems.low_rank_decay2026.identity import in_units
from bn_theory.theorems.low_rank_decay2026.matrices import kept, rho

WITHIN = 1e-8
"""How near to 1 the iterations are to bring the singular values."""
FEW = 5
"""Iterations that are not enough for a small singular value."""
ITERATIONS, APPROXIMATE_STEPS = 6, 30
"""Of each step of decay by iterations, and such steps."""
ORDER, ORDER_TOLERANCE = 2.0, 0.01
"""``log E'/log E`` is 2 up to ``log(1 - 2 E/9)/log E``, below 0.01 for E <= 0.1. Errors e from 1e-5 on are looked at:
the next one, 1.5e-10 and more, rounds by some 1e-14, 1e-4 of itself, which moves the quotient by 1e-5."""
LARGEST_E, SMALLEST_E = 0.1, 1.5e-5


def evidence(cases):
    """Iterations, and decay by them; controls."""
    yield from _iterations(cases)
    yield from _approximate(cases)


def low_rank_run(W, amount, steps, iterations=None):
    """The matrix after steps of low-rank decay."""
    for _ in range(steps):
        W = lrd.low_rank_step(W, amount, 1.0, iterations)
    return W


def smallest(W) -> float:
    """The smallest non-zero singular value over the Frobenius norm."""
    return float(kept(lrd.singular_values(W))[-1] / np.linalg.norm(W))


def rounding_of_iterations(s, shape, iterations: int) -> float:
    """How far rounding may move the singular values of ``newton_schulz(W, iterations)``, and the matrix in norm.

    At first rho; an iteration adds that of its products, ``(m + n + 4) u |X|_F^3/2`` and ``4 u |X|_F``, and expands
    what there is by at most ``(3 - x^2)/2``, x the smallest of all min(m, n); at last comes a decomposition.

    Args:
        s: singular values of W, shape ``(min(m, n),)``. shape: of W.
    """
    x = s / np.linalg.norm(s)
    u, relative = workbench.EPS / 2, rho(np.empty(shape))
    error = relative
    for _ in range(iterations):
        norm = float(np.linalg.norm(x))
        products = (sum(shape) + 4) * u * norm**3 / 2 + 4 * u * norm
        error = (3 - float(x.min()) ** 2) / 2 * error + products
        x = lrd.newton_schulz_values(x, 1)
    return error + relative * float(np.linalg.norm(x))


def iterated(W, iterations: int) -> np.ndarray:
    """Singular values of a matrix after the iterations."""
    return np.linalg.svd(lrd.newton_schulz(W, iterations), compute_uv=False)


def iteration_error(W, iterations: int, ahead: int = 0) -> float:
    """Against ``x <- x (3 - x^2)/2``, over the bound.

    Args:
        ahead: for a control, by how many iterations the prediction is wrong.
    """
    form = lrd.newton_schulz_values(lrd.singular_values(W) / np.linalg.norm(W), iterations + ahead)
    return float(np.max(np.abs(iterated(W, iterations) - form))) / rounding_of_iterations(
        lrd.singular_values(W), W.shape, iterations
    )


def polar_distance(W, iterations: int) -> float:
    """``|X_k - P|_2`` against ``max (1 - x_k)`` over the non-zero values, over the bound.

    P moves by at most ``3 |E|_F/s_r`` where W moves by E: rho |W|_F, at full rank.
    """
    x = kept(lrd.singular_values(W)) / np.linalg.norm(W)
    found = np.linalg.norm(lrd.newton_schulz(W, iterations) - lrd.polar_factor(W), 2)
    predicted = 1 - float(lrd.newton_schulz_values(x, iterations).min())
    allowed = rounding_of_iterations(lrd.singular_values(W), W.shape, iterations) + 3 * rho(W) / smallest(W)
    return abs(float(found) - predicted) / allowed


def near(name, several) -> judge.Evidence:
    """The largest ``|1 - x|`` over the non-zero values after the iterations, at most ``WITHIN``.

    Args:
        several: pairs ``(matrix, iterations)``.
    """
    errors = []
    for W, iterations in several:
        x = iterated(W, iterations)[: len(kept(lrd.singular_values(W)))]
        errors.append(float(np.max(np.abs(1 - x))) / WITHIN)
    return judge.bound(
        name,
        judge.largest(errors),
        smallest_values=[smallest(W) for W, _ in several],
        iterations=[iterations for _, iterations in several],
    )


def orders(W) -> np.ndarray:
    """``log E_{k+1}/log E_k`` of the smallest singular value, of E = 3 (1 - x)/2 in ``SMALLEST_E .. LARGEST_E``."""
    rank = len(kept(lrd.singular_values(W)))
    count = lrd.iterations_needed(smallest(W), WITHIN)
    E = np.array([1.5 * (1 - iterated(W, k)[rank - 1]) for k in range(count + 1)])
    used = np.flatnonzero((E[:-1] <= LARGEST_E) & (E[:-1] >= SMALLEST_E))
    return np.log(E[used + 1]) / np.log(E[used])


def order_claim(name, cases, predicted) -> judge.Evidence:
    """The order of convergence: all quotients, from the smallest to the largest."""
    found = np.concatenate([orders(W) for W in cases])
    return judge.exponent(
        name, (found.min(), found.max()), predicted, ORDER_TOLERANCE, ORDER_TOLERANCE, quotients=len(found)
    )


def _iterations(cases):
    full = [W for W in cases.values() if len(kept(lrd.singular_values(W))) == min(W.shape)]
    counts = {name: lrd.iterations_needed(smallest(W), WITHIN) for name, W in cases.items()}
    errors = [iteration_error(W, k) for name, W in cases.items() for k in range(counts[name] + 1)]
    yield in_units("Newton-Schulz: singular values follow x (3 - x^2)/2", errors)
    wrong = [iteration_error(W, k, 1) for name, W in cases.items() for k in range(counts[name] - 2)]
    yield judge.control(in_units("Newton-Schulz: singular values are one iteration ahead", wrong))
    errors = [polar_distance(W, k) for W in full for k in (0, 3, 6, 9, 12)]
    yield in_units("Newton-Schulz: the distance to the polar factor is max (1 - x)", errors)
    name = f"Newton-Schulz: within {WITHIN:g} after as many iterations as are proved to be enough"
    yield near(name, [(W, counts[label]) for label, W in cases.items()])
    graded = [(W, FEW) for label, W in cases.items() if label.startswith("graded")]
    yield judge.control(near(f"Newton-Schulz: within {WITHIN:g} after {FEW} iterations", graded))
    yield order_claim("Newton-Schulz: order of convergence", cases.values(), ORDER)
    yield judge.control(order_claim("Newton-Schulz: linear convergence", cases.values(), 1.0))


def expansion(s, amount, iterations) -> float:
    """By how much a step by iterations expands an error E of W at most, with ``d = eta lambda``:

        max(1, d (3/2)^k/|W|_F - 1) + d sqrt(r)/|W|_F.

    At a fixed norm ``p(W/|W|_F)`` is the gradient of a convex function, as p increases, with a slope of at most
    ``(3/2)^k/|W|_F``; the norm's change by E moves it by at most ``|E|_F/|W|_F`` times the norm of the values ``x
    p'(x)``, none of which is above ``p(x) <= 1``, p being concave.

    Args:
        s: singular values of W, shape ``(min(m, n),)``. amount: eta lambda.
    """
    norm = float(np.linalg.norm(s))
    return max(1.0, amount * 1.5**iterations / norm - 1) + amount * float(np.sqrt(len(s))) / norm


def followed(s, shape, amount, steps, iterations):
    """Singular values by ``s <- |s - eta lambda p(s/|s|)|``, and how far rounding may move those of the matrix.

    By sizes, as p is odd: what is taken below 0 is turned round. A step adds what rounding moves the iterations by,
    times eta lambda, and two roundings of W, and expands an error by :func:`expansion`.

    Args:
        s: at first, shape ``(min(m, n),)``. shape: of W. amount: eta lambda.

    Returns:
        ``(values, error)``, both after the steps.
    """
    error, u = rho(np.empty(shape)) * float(np.linalg.norm(s)), workbench.EPS / 2
    for _ in range(steps):
        norm = float(np.linalg.norm(s))
        own = amount * rounding_of_iterations(s, shape, iterations) + 4 * u * norm
        error = expansion(s, amount, iterations) * error + own
        s = np.abs(s - amount * lrd.newton_schulz_values(s / norm, iterations))
    return s, float(error + rho(np.empty(shape)) * np.linalg.norm(s))


def approximate_error(W, amount, iterations, assumed=None) -> float:
    """Singular values after ``APPROXIMATE_STEPS`` steps by iterations against :func:`followed`, over its bound.

    Args:
        assumed: iterations of the prediction; by default those taken.
    """
    after = lrd.singular_values(low_rank_run(W, amount, APPROXIMATE_STEPS, iterations))
    s = lrd.singular_values(W)
    _, allowed = followed(s, W.shape, amount, APPROXIMATE_STEPS, iterations)
    form, _ = followed(s, W.shape, amount, APPROXIMATE_STEPS, iterations if assumed is None else assumed)
    return float(np.max(np.abs(after - np.sort(form)[::-1]))) / allowed


def _approximate(cases):
    runs = [(W, 0.8 * float(lrd.singular_values(W)[0]) / APPROXIMATE_STEPS) for W in cases.values()]
    name = f"{APPROXIMATE_STEPS} steps of decay by {ITERATIONS} iterations"
    yield in_units(f"{name} follow the scalar recursion", [approximate_error(*one, ITERATIONS) for one in runs])
    wrong = [approximate_error(*one, ITERATIONS, ITERATIONS + 1) for one in runs]
    yield judge.control(in_units(f"{name} are as by {ITERATIONS + 1}", wrong))
    exact = [(W, amount, ITERATIONS, 60) for W, amount in runs]  # 60: the polar factor, of any value above 1e-7
    yield judge.control(in_units(f"{name} are as by the polar factor", [approximate_error(*one) for one in exact]))
