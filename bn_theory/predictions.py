"""Asymptotic predictions: the amplitude law of SGD at a constant or slowly decaying learning rate.

Near a non-degenerate minimum with tangent Hessian ``H`` and tangent noise covariance ``S`` on the sphere,
``eta_t = eta (t+1)^-alpha`` and ``E G_{t+1} = G_t + eta_t^2 tr(S)/G_t``:

    G_t^2 ~ 2 eta^2 tr(S) t^(1-2 alpha)/(1-2 alpha),   eta_t/G_t ~ sqrt((1-2 alpha)/(2 tr S)) t^(-1/2)
    E|grad L(V_t)|^2 ~ (eta_t/G_t) tr(H S)/2 = sqrt(1-2 alpha) tr(H S)/(2 sqrt(2 tr S)) t^(-1/2)

(the second line from the Lyapunov equation of the adiabatic Ornstein-Uhlenbeck process). No eta and no
fitted number. Not a theorem but an adiabatic asymptotic, derived in ``proofs_check.arora2019.amplitude_law``.
All quantities are dimensionless. Source: derived in this package.
"""

from __future__ import annotations

import numpy as np

from bn_theory.errors import InvalidInputError
from bn_theory.losses.facts import Minimum


def amplitude(minimum: Minimum, alpha: float) -> float:
    """The constant ``A`` in ``E|grad L(V_t)|^2 ~ A t^(-1/2)``, for ``0 <= alpha < 1/2``.

    Raises:
        InvalidInputError: alpha outside [0, 1/2).

    >>> import numpy as np
    >>> from bn_theory.losses.facts import Minimum
    >>> round(amplitude(Minimum(np.eye(2), 2 * np.eye(2)), 0.0), 10)  # tr S = tr(HS) = 4
    0.7071067812
    """
    if not 0 <= alpha < 0.5:
        raise InvalidInputError(f"the closed form needs 0 <= alpha < 1/2, not {alpha}; at 1/2 use effective_rates")
    trace = np.trace(minimum.noise)
    return float(np.sqrt(1 - 2 * alpha) * np.trace(minimum.hessian @ minimum.noise) / (2 * np.sqrt(2 * trace)))


def effective_rates(minimum: Minimum, schedule, norm2_start, first: int, last: int) -> np.ndarray:
    """``eta_t/G_t`` for ``t = first .. last - 1`` from ``G_{t+1} = G_t + eta_t^2 tr(S)/G_t``.

    Args:
        schedule: learning rates without a case axis.
        norm2_start: the (measured) ``G`` at step ``first``, a number or one per replica; the steps before
            it also carry ``|grad L|^2``, which the recursion leaves out.

    Returns:
        shape ``(last - first,)``, after an axis of replicas if there is one.
    """
    found = []
    for eta, push, squares in _blocks(minimum, schedule, norm2_start, first, last):
        growth = np.cumsum(2 * push + push**2 / squares, axis=-1)
        found.append(eta / np.sqrt(np.concatenate([squares, squares + growth[..., :-1]], axis=-1)))
    return np.concatenate(found, axis=-1)


def summed_rates(minimum: Minimum, schedule, norm2_start, first: int, last: int) -> np.ndarray:
    """``sum eta_t/G_t`` over ``t = first .. last - 1``, of the recursion of :func:`effective_rates`.

    Per block by the trapezoidal rule in ``1/G``, which changes by less than 0.5 % in a block: an error below
    1e-5 of the sum.
    """
    total = 0.0
    for eta, push, squares in _blocks(minimum, schedule, norm2_start, first, last):
        start = squares[..., 0]
        end = start + 2 * np.sum(push[:-1]) + np.sum(push[:-1] ** 2) / start
        total = total + np.sum(eta) * (start**-0.5 + end**-0.5) / 2
    return total


def _blocks(minimum, schedule, norm2_start, first, last):
    """Learning rates, ``a_t = eta_t^2 tr(S)`` and ``G^2`` at the start, of consecutive blocks of steps.

    Exactly ``G_{t+1}^2 = G_t^2 + 2 a_t + a_t^2/G_t^2``. In a block over which ``G^2`` grows by less than 1 % the last
    term may be taken at the block's start: that errs by 1 % of a term of relative size ``a/(2 G^2) < 0.25 %``.
    """
    eta = schedule.values(first, last)[0]
    push = eta**2 * np.trace(minimum.noise)
    squares = np.array(norm2_start, dtype=float)[..., None] ** 2
    k = 0
    while k < len(eta):
        n = max(1, int(1e-2 * np.min(squares) / (2 * push[k]))) if push[k] > 0 else len(eta)
        block = push[k : k + n]
        yield eta[k : k + n], block, squares
        squares = squares + 2 * np.sum(block) + np.sum(block**2) / squares
        k += n


def gradient(minimum: Minimum, rates) -> np.ndarray:
    """Finite-time form ``E|grad L(V_t)|^2 = (eta_t/G_t) tr(H S)/2`` for given effective rates."""
    return np.asarray(rates) * np.trace(minimum.hessian @ minimum.noise) / 2


def adiabatic_lag(minimum: Minimum, rates) -> float:
    """Relative first-order lag of the mean gradient over a window behind its adiabatic value.

    A direction of curvature ``l`` follows ``c' = -2 e l c + e^2 s`` with ``e = eta/G``, so that to first order in
    the rate of change ``c = (e s/(2 l)) (1 - e'/(2 l e^2))``. Summed over the window with the gradient's weights:

        tr(S)/(2 tr(H S)) * log(e_first/e_last) / sum e.
    """
    weight = np.trace(minimum.noise) / (2 * np.trace(minimum.hessian @ minimum.noise))
    return float(weight * np.log(rates[0] / rates[-1]) / np.sum(rates))


def relaxation(minimum: Minimum, rates) -> float:
    """``min eig(H) * sum eta_s/G_s``: how often the slowest direction has relaxed; adiabatic from about 10 on.

    Steps with ``eta_s/G_s > 1/max eig(H)`` overshoot instead of relaxing (the first steps at a large learning rate,
    before the norm has grown) and are left out.
    """
    eigenvalues, rates = np.linalg.eigvalsh(minimum.hessian), np.asarray(rates)
    return float(eigenvalues[0] * np.sum(rates[rates <= 1 / eigenvalues[-1]]))
