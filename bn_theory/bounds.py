"""The rate theorems' explicit inequalities (Arora, Li, Lyu, ICLR 2019; all constants derived in this package).

Notation: ``G_i = |w_i|^2``, ``eta`` learning rates, ``Delta = L_0 - inf L``, ``C`` gradient bounds at unit
norm, and, with ``m`` groups and ``c`` in (0, 1),

    K_i = sum_j L_ij + m M_i^2 / (c L_g)          (no second term without scalar parameters).

Everything is dimensionless and broadcasts over leading axes ``(cases, replicas)``. The proofs are
``proofs_check.arora2019.descent``, ``gd_rate`` and ``sgd_rate``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bn_theory.errors import InvalidInputError, OutsideAssumptionsError
from bn_theory.losses.facts import Blocks

SPLIT = 0.25
"""Default of ``c`` and ``c_g``: it admits parameter rates up to ``2 (1 - 1/4)/((1 + 1/4) L_g) = 1.2/L_g``."""


def curvatures(blocks: Blocks, groups, c: float = SPLIT) -> dict:
    """``{i: K_i}`` of the descent inequality.

    Args:
        blocks: the loss's Hessian-block constants.
        groups: names of all groups of weights.
        c: how Young's inequality splits the mixed term, in (0, 1).

    Raises:
        InvalidInputError: c outside (0, 1).
    """
    if not 0 < c < 1:
        raise InvalidInputError(f"c must lie in (0, 1), not {c}")
    result = {}
    for i in groups:
        K = sum(per_case(blocks.between(i, j)) for j in groups)
        if blocks.parameter is not None:
            K = K + len(groups) * per_case(blocks.mixed.get(i, 0.0)) ** 2 / (c * blocks.parameter)
        result[i] = K
    return result


def per_case(x):
    """Constants of shape ``()`` or ``(cases,)``, ready to broadcast against ``(cases, replicas)``."""
    array = np.asarray(x, dtype=float)
    return array[:, None] if array.ndim == 1 else array


def descent(grad_w2, norm2, grad_g2, lr, lr_g, K, parameter_curvature, c: float = SPLIT):
    """The largest ``L_{t+1} - L_t`` that the descent inequality allows:

    ``- sum_i eta_i |grad_{w_i}|^2 (1 - K_i eta_i/(2 G_i)) - eta_g |grad_g|^2 (1 - (1 + c) L_g eta_g/2)``.

    It holds on the set of ``(V; g)`` for which the curvatures were taken (see ``Blocks.largest_parameter_rate``).

    Args:
        grad_w2: ``{i: |grad_{w_i} L(w)|^2}`` at the iterate itself (not at unit norm).
        norm2: ``{i: G_i}``. grad_g2: ``|grad_g L|^2`` (0 without parameters).
        lr: ``{i: eta_i}``. lr_g: rate of the parameters. K: from :func:`curvatures`.
        parameter_curvature: ``L_g``, or ``None`` without parameters.
    """
    total = 0.0
    for i, g2 in grad_w2.items():
        total = total - lr[i] * g2 * (1 - K[i] * lr[i] / (2 * norm2[i]))
    if parameter_curvature is not None:
        total = total - lr_g * grad_g2 * (1 - (1 + c) * parameter_curvature * lr_g / 2)
    return total


def log_ratio_factor(r):
    """``rho = r/log(1 + r)``, with which ``x <= rho log(1 + x)`` on ``[0, r]``; 1 at r = 0."""
    r = np.asarray(r, dtype=float)
    return np.where(r > 0, r / np.log1p(np.where(r > 0, r, 1.0)), 1.0)


def largest_growth(k, delta):
    """The larger root ``x >= 0`` of ``x - k log(1 + x) = delta`` for ``k > 0``, ``delta >= 0``.

    In closed form ``x = -k W_{-1}(-exp(-(1 + delta)/k)/k) - 1`` with Lambert's W; the exponential underflows for
    small learning rates and the final subtraction cancels for small ``delta``, so the root is found by Newton's
    method in this form. The function is convex, and with ``u = (1 + delta)/k + log k - 1`` the start
    ``k (1 + u + sqrt(2 u)) - 1`` lies above the root (Chatzigeorgiou, IEEE Commun. Lett. 17, 2013), so the iterates
    fall monotonically to it.

    >>> round(float(largest_growth(0.5, 1.0)), 10)
    1.4475421606
    """
    k, delta = np.broadcast_arrays(np.asarray(k, dtype=float), np.asarray(delta, dtype=float))
    # Without curvature k = 0 and x = delta; a larger k gives a larger root, so that it is still a bound.
    k = np.maximum(k, np.finfo(float).tiny ** 0.5)
    q = 1 / k - 1
    u = np.maximum(delta / k + (q - np.log1p(q)), 0.0)
    x = (k - 1) + k * (u + np.sqrt(2 * u))
    # For k < 1 also x <= delta/(1 - k), as log(1 + x) <= x: sharper where the line above cancels.
    with np.errstate(divide="ignore"):
        x = np.minimum(x, np.where(k < 1, delta / np.where(k < 1, 1 - k, 1.0), np.inf))
    floor = np.maximum(k - 1, 0.0)
    x = np.maximum(x, floor)
    for _ in range(64):  # quadratic; at a double root (delta = 0, k = 1) each step halves the distance: 53 bits
        slope = x - floor + np.where(k < 1, 1 - k, 0.0)  # (1 + x) f'(x), without cancellation
        safe = np.where(slope > 0, slope, 1.0)
        x = np.maximum(x - np.where(slope > 0, (1 + x) * (x - k * np.log1p(x) - delta) / safe, 0.0), floor)
    return x


@dataclass(frozen=True)
class GroupTerms:
    """One group's bracket ``phi(G) = (G - G_0)/eta - a log(G/G_0)`` with ``a = K rho/2``."""

    norm2_start: np.ndarray
    lr: np.ndarray
    a: np.ndarray

    def bracket(self, norm2):
        """The bracket at ``norm2``."""
        return (norm2 - self.norm2_start) / self.lr - self.a * np.log(norm2 / self.norm2_start)

    @property
    def minimum(self):
        """Its minimum over ``G >= G_0``, attained at ``max(G_0, a eta)``; never positive."""
        return self.bracket(np.maximum(self.norm2_start, self.a * self.lr))

    def largest_growth(self, budget):
        """``(Gbar - G_0)/G_0`` for the larger root ``Gbar`` of ``phi(Gbar) = budget``, ``budget >= 0``."""
        return largest_growth(self.a * self.lr / self.norm2_start, self.lr * budget / self.norm2_start)


@dataclass(frozen=True)
class GDBound:
    """The rate theorem for gradient descent with constant rates.

    Attributes:
        terms: ``{i: GroupTerms}``.
        excess: ``Delta``.
        norm2: ``{i: Gbar_i}``, bound on every ``G_{i,t}``, independent of t.
        numerator: ``sum_{t<T} |grad L(V_t; g_t)|^2 <= numerator`` for every T, so the minimum is at most
            ``numerator/T``.
        lr_g, c_g: parameter rate and split; ``None`` without parameters.
    """

    terms: dict
    excess: np.ndarray
    norm2: dict
    numerator: np.ndarray
    lr_g: np.ndarray | None
    c_g: float

    def grad_norm2(self, steps):
        """A-priori bound on the smallest ``|grad L(V_t; g_t)|^2`` over ``t < steps``."""
        return self.numerator[..., None] / np.asarray(steps, dtype=float)

    def a_posteriori(self, norm2_end, steps):
        """With the measured ``{i: G_{i,T}}`` (shape ``(..., records)``) in place of ``Gbar_i`` and of the minima:

        ``(1/T) [ sum_i (G_T^2 - G_0^2)/(2 eta^2) + (Delta - sum_i phi_i(G_T))/(c_g eta_g) ]``
        """
        total, budget = 0.0, self.excess[..., None]
        for i, term in self.terms.items():
            term = GroupTerms(*(np.asarray(x)[..., None] for x in (term.norm2_start, term.lr, term.a)))
            total = total + (norm2_end[i] - term.norm2_start) * (norm2_end[i] + term.norm2_start) / (2 * term.lr**2)
            budget = budget - term.bracket(norm2_end[i])
        if self.lr_g is not None:
            total = total + budget / (self.c_g * self.lr_g[..., None])
        return total / np.asarray(steps, dtype=float)


def gd_bound(blocks: Blocks, norm2_start, lr, excess, lr_g=None, c: float = SPLIT, c_g: float = SPLIT) -> GDBound:
    """The explicit a-priori bound for GD with constant rates of **any** size.

    With ``r_i = (C_i eta_i/G_{i,0})^2``, ``rho_i = r_i/log(1 + r_i)``, ``a_i = K_i rho_i/2`` and brackets
    ``phi_i(G) = (G - G_{i,0})/eta_i - a_i log(G/G_{i,0})``,

        sum_i phi_i(G_{i,T}) + c_g eta_g sum_t |grad_g|^2 <= Delta,

    so ``G_{i,T} <= Gbar_i``, the larger root of ``phi_i(G) = Delta - sum_{j != i} min phi_j``, and

        sum_{t<T} |grad L(V_t; g_t)|^2
            <= sum_i (Gbar_i^2 - G_{i,0}^2)/(2 eta_i^2) + (Delta - sum_i min phi_i)/(c_g eta_g)

    for every T, the right side being independent of it; the minimum over ``t < T`` is at most 1/T of that.

    Args:
        blocks: Hessian-block constants; ``C_i`` is its sharper gradient bound where given, else ``L_ii``.
        norm2_start: ``{i: G_{i,0}}``, broadcastable to ``(cases, replicas)``.
        lr: ``{i: eta_i}``, likewise. lr_g: parameter rate, or ``None`` without parameters.
        excess: ``Delta >= 0``.
        c, c_g: splits in (0, 1).

    Raises:
        OutsideAssumptionsError: ``eta_g`` above ``2 (1 - c_g)/((1 + c) L_g)`` or above the rate up to which the
            constants hold along a run.
        InvalidInputError: a split outside (0, 1), a negative excess, a norm or rate that is not positive, a group
            of the constants without its norm or rate.

    Source: Arora, Li, Lyu (ICLR 2019), rate for gradient descent; constants derived in this package.
    """
    groups = tuple(norm2_start)
    _check_groups(blocks, norm2_start, lr)
    excess = _excess(excess)
    if not 0 < c_g < 1:
        raise InvalidInputError(f"c_g must lie in (0, 1), not {c_g}")
    if blocks.parameter is not None:
        if lr_g is None:
            raise InvalidInputError("the loss has scalar parameters: give their rate lr_g")
        lr_g = np.asarray(lr_g, dtype=float)
        largest = largest_parameter_rate(blocks, c, c_g)
        if not np.all((lr_g > 0) & (lr_g <= largest)):
            raise OutsideAssumptionsError(f"parameter rate {lr_g} must be positive and at most {largest:.4g}")
    else:
        lr_g = None
    K = curvatures(blocks, groups, c)
    terms = {}
    for i in groups:
        G, eta = _positive(f"norm2_start[{i!r}]", norm2_start[i]), _positive(f"lr[{i!r}]", lr[i])
        rho = log_ratio_factor((per_case(blocks.gradient_bound(i)) * eta / G) ** 2)
        terms[i] = GroupTerms(G, eta, K[i] * rho / 2)
    slack = sum(t.minimum for t in terms.values())
    growth = {i: t.largest_growth(excess - (slack - t.minimum)) for i, t in terms.items()}
    norm2 = {i: t.norm2_start * (1 + growth[i]) for i, t in terms.items()}
    # Gbar^2 - G_0^2 = G_0^2 x (2 + x), without the cancellation
    numerator = sum(t.norm2_start**2 * growth[i] * (2 + growth[i]) / (2 * t.lr**2) for i, t in terms.items())
    if lr_g is not None:
        numerator = numerator + (excess - slack) / (c_g * lr_g)
        lr_g = np.broadcast_to(lr_g, np.shape(numerator))
    return GDBound(terms, np.broadcast_to(excess, np.shape(numerator)), norm2, np.asarray(numerator), lr_g, c_g)


def largest_parameter_rate(blocks: Blocks, c: float = SPLIT, c_g: float = SPLIT) -> float:
    """The parameter rates that the GD theorem admits: up to ``2 (1 - c_g)/((1 + c) L_g)``, and within the constants."""
    return min(2 * (1 - c_g) / ((1 + c) * blocks.parameter), blocks.largest_parameter_rate)


def _positive(name, value):
    array = np.asarray(value, dtype=float)
    if not np.all(np.isfinite(array) & (array > 0)):
        raise InvalidInputError(f"{name} must be finite and > 0, not {value}")
    return array


def _excess(value):
    array = np.asarray(value, dtype=float)
    if not np.all(array >= 0):
        raise InvalidInputError(f"L_0 - inf L must be >= 0, not {np.min(array)}; is the infimum right?")
    return array


def _check_groups(blocks, norm2_start, lr):
    """Every group of the constants takes part: leaving one out would give a wrong curvature silently."""
    wanted = {i for pair in blocks.weights for i in pair}
    for name, given in (("norm2_start", norm2_start), ("rates", lr)):
        if missing := sorted((wanted | set(norm2_start)) - set(given)):
            raise InvalidInputError(f"{name} lacks the groups {missing}; the constants are for {sorted(wanted)}")


def restarted(bound_of, losses, norm2, infimum, records, T, rounding=0.0):
    """The best a-priori bound on ``min_{t<T}`` over restarts at recorded steps k with the measured state.

    The theorem applies from any step on, and the minimum over ``[k, T)`` is at least the one over
    ``[0, T)``; later starts have a smaller excess and effective rate. (Tightening derived in this package.)

    Args:
        bound_of: ``(norm2 {i: array}, excess) -> GDBound``.
        losses: full loss at the records, shape ``(..., records)``. norm2: ``{i: (..., records)}``.
        infimum: ``inf L``. records: step numbers. T: the step to bound, larger than some record.
        rounding: error of ``losses``, added to every excess: a converged loss equals its infimum to rounding,
            and a bound from an excess of 0 would be a bound of 0.

    Returns:
        ``(bound on min_{t<T} |grad|^2, the best k)``, both of shape ``(...)``.
    """
    best, when = None, None
    for index, k in enumerate(records):
        if k >= T:
            break
        excess = np.maximum(losses[..., index] - infimum, 0.0) + rounding
        bound = bound_of({i: G[..., index] for i, G in norm2.items()}, excess).numerator / (T - k)
        if best is None:
            best, when = bound, np.full(np.shape(bound), k)
        else:
            better = bound < best
            best, when = np.where(better, bound, best), np.where(better, k, when)
    if best is None:
        raise InvalidInputError(f"no record before step {T} to restart from")
    return best, when


@dataclass(frozen=True)
class SGDBound:
    """The rate theorem for SGD at chosen steps ``T`` (shapes ``(cases, len(T))``).

    Attributes:
        steps: the steps T.
        norm2: ``{i: U_{i,T}}``, almost-sure bound on ``G_{i,T}``.
        budget: bound on ``sum_{t<T} E[sum_i eta_{i,t} |grad_{w_i}|^2 + eta_{g,t} |grad_g|^2]``.
        grad_norm2: bound on ``min_{t<T} E |grad L(V_t; g_t)|^2``.
    """

    steps: np.ndarray
    norm2: dict
    budget: np.ndarray
    grad_norm2: np.ndarray


def sgd_bound(
    blocks: Blocks, sample_gradient, norm2_start, schedules, excess, steps, *,
    schedule_g=None, parameter_gradient=None, log_growth=None, c: float = SPLIT,
) -> SGDBound:  # fmt: skip
    """The explicit bound for SGD with rates ``eta_t = eta (t+1)^-alpha``, alpha in [0, 1/2].

    With ``r_i = (C_i eta_{i,0}/G_{i,0})^2``, ``rho_i = r_i/log(1 + r_i)`` and, almost surely,
    ``G_{i,t}^2 <= U_{i,t}^2 = G_{i,0}^2 + sum_{s<t} (2 eta_s^2 C_i^2 + eta_s^4 C_i^4/G_{i,0}^2)``,

        B_T = Delta + sum_i (K_i rho_i/2) E log(G_{i,T}/G_{i,0}) + (1 + c) (L_g C_g^2/2) sum_{t<T} eta_{g,t}^2
        min_{t<T} E|grad L(V_t; g_t)|^2 <= B_T / sum_{t<T} min(min_i eta_{i,t}/U_{i,t}, eta_{g,t}).

    A priori ``E log(G_T/G_0)`` is bounded by ``log(U_T/G_0)``; a measured mean may be given instead.

    Args:
        blocks: Hessian-block constants.
        sample_gradient: ``{i: C_i}``, almost-sure bound at unit norm.
        norm2_start: ``{i: G_{i,0}}``, the same for all replicas: numbers or ``(cases,)``.
        schedules: ``{i: Schedule}`` (non-increasing). schedule_g: of the parameters.
        excess: ``Delta``, a number or ``(cases,)``.
        steps: the T at which to bound, >= 1, increasing.
        parameter_gradient: ``C_g`` with ``E|grad_g L_z|^2 <= C_g^2``.
        log_growth: ``{i: E log(G_{i,T}/G_{i,0})}``, shape ``(cases or 1, len(steps))``, for the a-posteriori form.

    Raises:
        InvalidInputError: parameters without their schedule or gradient bound, steps < 1, a group left out, values
            that are not positive.
        OutsideAssumptionsError: a parameter rate above the one up to which the constants hold.

    Source: Arora, Li, Lyu (ICLR 2019), rate for stochastic gradient descent; constants derived here.
    """
    steps = np.asarray(steps, dtype=np.int64)
    if steps.size == 0 or steps[0] < 1 or np.any(np.diff(steps) <= 0):
        raise InvalidInputError(f"steps must be increasing and >= 1, not {steps}")
    if blocks.parameter is not None:
        if schedule_g is None or parameter_gradient is None:
            raise InvalidInputError("the loss has scalar parameters: give schedule_g and parameter_gradient")
        if np.any(schedule_g.values(0, 1) > blocks.largest_parameter_rate):
            raise OutsideAssumptionsError(
                f"the parameters' rate starts at {schedule_g.values(0, 1)}, but the constants hold up to "
                f"{blocks.largest_parameter_rate}"
            )
    _check_groups(blocks, norm2_start, schedules)
    K = curvatures(blocks, tuple(norm2_start), c)
    column = {i: per_case(_positive(f"norm2_start[{i!r}]", G)) for i, G in norm2_start.items()}
    first = {i: schedules[i].values(0, 1) for i in column}
    C = {i: per_case(sample_gradient[i]) for i in column}
    a = {i: per_case(K[i]).reshape(-1, 1) / 2 * log_ratio_factor((C[i] * first[i] / column[i]) ** 2) for i in column}
    U2 = {i: column[i] ** 2 + 0 * first[i] for i in column}
    weight, squares = 0.0, 0.0
    norm2, weights, sums, done = {i: [] for i in column}, [], [], 0
    for T in steps:
        for low in range(done, int(T), _CHUNK):
            high = min(low + _CHUNK, int(T))
            smallest = None
            for i in column:
                eta = schedules[i].values(low, high)
                growth = 2 * (eta * C[i]) ** 2 + (eta * C[i]) ** 4 / column[i] ** 2
                before = U2[i] + np.cumsum(growth, axis=1) - growth
                effective = eta / np.sqrt(before)
                smallest = effective if smallest is None else np.minimum(smallest, effective)
                U2[i] = before[:, -1:] + growth[:, -1:]
            if blocks.parameter is not None:
                eta = schedule_g.values(low, high)
                smallest = np.minimum(smallest, eta)
                squares = squares + np.sum(eta**2, axis=1, keepdims=True)
            weight = weight + np.sum(smallest, axis=1, keepdims=True)
        done = int(T)
        for i in column:
            norm2[i].append(np.sqrt(U2[i]))
        weights.append(weight)
        sums.append(squares)
    norm2 = {i: np.concatenate(v, axis=1) for i, v in norm2.items()}
    budget = per_case(_excess(excess))
    for i in column:
        growth = np.log(norm2[i] / column[i]) if log_growth is None else log_growth[i]
        budget = budget + a[i] * growth
    if blocks.parameter is not None:
        squares = np.concatenate([np.broadcast_to(s, np.shape(weight)) for s in sums], axis=1)
        budget = budget + (1 + c) * blocks.parameter * per_case(parameter_gradient) ** 2 / 2 * squares
    return SGDBound(steps, norm2, budget, budget / np.concatenate(weights, axis=1))


_CHUNK = 2**16
