"""Stochastic gradient descent: the gradient decays like T^-1/4 up to logarithms, at constant rates too.

Statement.  Unbiased samples L_z, each scale-invariant in every w_i, with ``|grad_i L_z(V; g)| <= C_i``
almost surely and ``E|grad_g L_z|^2 <= C_g^2``; K_i and L_g as in the descent inequality, for L, with any c
> 0; rates ``eta_{i,t} = eta_i (t+1)^-alpha``, 0 <= alpha <= 1/2, and ``eta_{g,t} = eta_g (t+1)^-1/2`` of
any size; G_i = |w_i|^2 at the start; ``r_i = (C_i eta_i/G_i)^2``, ``rho_i = r_i/log(1 + r_i)``, and
``A_{i,t} = sum_{s<t} (2 eta_{i,s}^2 C_i^2 + eta_{i,s}^4 C_i^4/G_i^2)``.  Then, for every T,

* ``G_{i,t}^2 <= G_i^2 + A_{i,t}`` almost surely;
* ``min_{t<T} E(sum_i |grad_i L(V_t; g_t)|^2 + |grad_g L|^2) <= R_T / sum_{t<T} h_t`` with ``h_t = min(min_i
  eta_{i,t}/sqrt(G_i^2 + A_{i,t}), eta_{g,t})`` and ``R_T = Delta + sum_i (K_i rho_i/4) log(1 +
  A_{i,T}/G_i^2) + ((1+c)/2) L_g C_g^2 sum_{t<T} eta_{g,t}^2``.

Both need only ``eta_{i,t} <= eta_i``: other schedules are covered.  In closed form, ``A_{i,t} <= k_i s_t``
with ``k_i = 2 eta_i^2 C_i^2 + eta_i^4 C_i^4/G_i^2`` and ``s_t = sum_{s<t} (s+1)^{-2 alpha}``; for alpha <
1/2, ``s_t <= t^{1-2 alpha}/(1-2 alpha)`` and so ``h_t >= h (t+1)^-1/2`` with ``h = min(min_i
eta_i/sqrt(G_i^2 + k_i/(1-2 alpha)), eta_g)``; for alpha = 1/2, ``s_t <= 1 + log t`` (t >= 1) and, for t <
T, ``h_t >= h (t+1)^-1/2`` with ``h = min(min_i eta_i/sqrt(G_i^2 + k_i (1 + log T)), eta_g)``.  Always
``sum_{t<T} (t+1)^-1/2 >= 2 (sqrt(T+1) - 1)`` and ``sum_{t<T} eta_{g,t}^2 <= eta_g^2 (1 + log T)``.  So the
minimum is O(log T/sqrt T) for alpha < 1/2 and O((log T)^{3/2}/sqrt T) for alpha = 1/2.  Without g drop
eta_g from h_t and put C_g = 0.

The minimum is outside the expectation.  Gaussian noise has no bound C_i and is outside this statement.

Source.  Arora, Li, Lyu, ICLR 2019, arXiv:1812.03981, for the rate; constants derived in this package.
"""

from functools import lru_cache

import sympy as sp

from .. import relative_growth
from ..logarithm import bounds
from ..proof import (
    Assumption,
    Citation,
    Definition,
    Increasing,
    Induction,
    Inequality,
    Proof,
    Source,
    Summed,
    eq,
    instance,
    le,
)
from . import descent, norm_growth


@lru_cache(maxsize=1)
def prove() -> Proof:
    """The proof; see the module for the statement."""
    i, z = sp.symbols("i z", integer=True)
    t = sp.Symbol("t", integer=True, nonnegative=True)
    m, outcomes = sp.symbols("m Z", integer=True, positive=True)
    over, samples = (i, 1, m), (z, 1, outcomes)
    norm2, rate, rate_g, eta, total, limit, a = (
        sp.Function(name, positive=True) for name in ("G", "s", "s_g", "eta", "K", "C", "a")
    )
    n, chance, added = (sp.Function(name, nonnegative=True) for name in ("n", "p", "A"))
    c, rest, second = sp.symbols("c L_g C_g", positive=True)
    half = sp.Rational(1, 2)
    now, then, first, s, C = norm2(i, t), norm2(i, t + 1), norm2(i, 0), rate(i, t), limit(i)
    log = bounds()

    # Along every path: the growth of the norms.
    growth = Citation(
        "growth",
        eq(then, now + s**2 * n(i, t) ** 2 / now),
        norm_growth.prove(),
        "growth at unit norm",
        (i, t),
    )
    gradient = Assumption("almost sure bound", "|grad_i L_z(V; g)| <= C_i for every sample.", le(n(i, t), C), (i, t))
    longer = Citation("norms never decrease", le(first, now), norm_growth.prove(), "never decreases", (i, t))
    peak = Assumption("rates", "eta_{i,t} <= eta_i.", le(s, eta(i)), (i, t))
    growing = relative_growth.steps(log["slower"], growth, gradient, longer, rate=s, peak=peak)
    weight = Definition("a", a(i), total(i) * growing["constant"].symbol / 2)
    target = now + s**2 * n(i, t) ** 2 / now
    more = Assumption(
        "A",
        "A(i,t) is the sum of 2 s^2 C^2 + s^4 C^4/G_0^2 over the steps before t.",
        eq(added(i, t + 1), added(i, t) + 2 * s**2 * C**2 + s**4 * C**4 / first**2),
        (i, t),
        "fact",
    )
    more0 = Assumption("A, empty", "An empty sum is 0.", eq(added(i, 0), 0), (i,), "fact")
    squares = Induction(
        "growth of G^2",
        now**2,
        first**2 + added(i, t),
        t,
        ((-1, more0),),
        (
            (then + target, growth),
            (2 * s**2 * (C + n(i, t)), gradient),
            (s**4 * (C + n(i, t)) * (C**2 + n(i, t) ** 2) / first**2, gradient),
            (s**4 * n(i, t) ** 4 * (now + first) / (first**2 * now**2), longer),
            (-1, more),
        ),
        equality=False,
    )
    top = sp.sqrt(first**2 + added(i, t))
    bounded = Inequality("bounded norms", now, top, ((1 / (now + top), squares),), "Almost surely.")
    log_bounded = Inequality(
        "logarithm of the norms",
        sp.log(now),
        sp.log(first) + sp.log(1 + added(i, t) / first**2) / 2,
        (
            (half, instance(log["tangent"], z=now**2 / (first**2 + added(i, t)))),
            (half / (first**2 + added(i, t)), squares),
        ),
    )

    rough = Inequality(
        "terms of A",
        2 * s**2 * C**2 + s**4 * C**4 / first**2,
        s**2 * (2 * C**2 + eta(i) ** 2 * C**4 / first**2),
        ((s**2 * C**4 * (eta(i) + s) / first**2, peak),),
        "so A(i,t) is at most k_i times the sum of (s(i,t)/eta_i)^2, k_i = 2 eta^2 C^2 + eta^4 C^4/G_0^2.",
    )

    # One step, in expectation over its sample z (finitely many outcomes; the integral in general).
    before = sp.Symbol("L_t", real=True)
    step_g = sp.Symbol("eta_g", positive=True)
    after, first_order, norm_z = (sp.Function(name, real=True) for name in ("L_next", "D", "q"))
    x_z, full = sp.Function("x_z", nonnegative=True), sp.Function("w2", nonnegative=True)
    full_g = sp.Symbol("g2", nonnegative=True)
    curved = sp.Sum(total(i) * x_z(i, z), over) / 2 + (1 + c) * rest * step_g**2 * norm_z(z) / 2
    pathwise = Citation(
        "descent on a sample",
        le(after(z) - before, first_order(z) + curved),
        descent.prove(),
        "sample step",
        (z,),
    )
    averaged = Summed(
        "averaged",
        chance(z) * (after(z) - before),
        chance(z) * (first_order(z) + curved),
        (samples,),
        ((chance(z), pathwise),),
        why="p(z) is the probability of the sample z, given the past.",
    )
    unbiased = Assumption(
        "unbiased samples",
        "E grad L_z = grad L: the first-order term has mean -sum_i s_i |grad_{w_i} L|^2 "
        "- s_g |grad_g L|^2, w2(i) and g2 being these squares.",
        eq(sp.Sum(chance(z) * first_order(z), samples), -sp.Sum(rate(i, t) * full(i), over) - step_g * full_g),
    )
    moment = Assumption(
        "second moment", "E|grad_g L_z|^2 <= C_g^2.", le(sp.Sum(chance(z) * norm_z(z), samples), second**2)
    )
    expected = Inequality(
        "descent in expectation",
        sp.Sum(chance(z) * (after(z) - before), samples),
        -sp.Sum(rate(i, t) * full(i), over)
        - step_g * full_g
        + sp.Sum(chance(z) * sp.Sum(total(i) * x_z(i, z), over) / 2, samples)
        + (1 + c) * rest * step_g**2 * second**2 / 2,
        ((1, averaged), (1, unbiased), ((1 + c) * rest * step_g**2 / 2, moment)),
    )
    through_log = Inequality(
        "curvature through the logarithm",
        total(i) / 2 * growing["relative"].symbol,
        a(i) * (sp.log(then) - sp.log(now)),
        (
            (total(i) / 2, growing["concave"]),
            (-sp.log(1 + growing["relative"].symbol), weight),
            (a(i), growing["logs"]),
        ),
        "Along every path; x(i,t) of the recorded sample is x_z(i,z).",
    )

    # All steps, in full expectation: EL, Elog, EW, EV, Eq are E of L, log G_i, |grad_{w_i} L|^2, |grad_i
    # L(V)|^2,
    # |grad_g L|^2 at step t.
    EL, Elog = sp.Function("EL", real=True), sp.Function("Elog", real=True)
    EW, EV, Eq_g = (sp.Function(name, nonnegative=True) for name in ("EW", "EV", "Eq"))
    noise = (1 + c) * rest * second**2 / 2
    tower = Assumption(
        "tower rule",
        "The expectation over the past of 'descent in expectation' with 'curvature through the logarithm'.",
        le(
            EL(t + 1) - EL(t),
            -sp.Sum(s * EW(i, t), over)
            - rate_g(t) * Eq_g(t)
            + sp.Sum(a(i) * (Elog(i, t + 1) - Elog(i, t)), over)
            + noise * rate_g(t) ** 2,
        ),
        (t,),
        "conclusion",
    )
    path_w, path_v = sp.symbols("W2 V2", nonnegative=True)
    homogeneous = Citation(
        "gradient at unit norm",
        eq(path_w, path_v / now),
        norm_growth.prove(),
        "growth at unit norm",
        (path_w, path_v, i, t),
    )
    gradient_below = Inequality(
        "gradient from below",
        path_v / top,
        path_w,
        ((path_v / (now * top), bounded), (-1, homogeneous)),
        "|grad_{w_i} L|^2 = |grad_i L(V)|^2/G_i >= |grad_i L(V)|^2/sqrt(G_0^2 + A), on every path.",
    )
    expected_below = Assumption(
        "gradient from below, expected",
        "The expectation of 'gradient from below'.",
        le(EV(i, t) / top, EW(i, t)),
        (i, t),
        "conclusion",
    )
    h = sp.Function("h", positive=True)
    h_w = Assumption(
        "h",
        "h(t) is the smallest of s(i,t)/sqrt(G_0^2 + A(i,t)) and s_g(t).",
        le(h(t), s / top),
        (i, t),
        "fact",
    )
    h_g = Assumption("h for g", "The same.", le(h(t), rate_g(t)), (t,), "fact")
    groups = Summed("groups", h(t) * EV(i, t), s * EW(i, t), (over,), ((EV(i, t), h_w), (s, expected_below)))
    total_h, squares_g, weighted = (sp.Function(name, nonnegative=True) for name in ("H", "Z", "P"))
    everything = sp.Sum(EV(i, t), over) + Eq_g(t)

    def sums(name, function, term):
        return (
            Assumption(
                f"sum {name}",
                f"{name}(t) is the sum of {term} over the steps before t.",
                eq(function(t + 1), function(t) + term),
                (t,),
                "fact",
            ),
            Assumption(f"sum {name}, empty", "An empty sum is 0.", eq(function(0), 0), role="fact"),
        )

    H, H0 = sums("H", total_h, h(t))
    Z, Z0 = sums("Z", squares_g, rate_g(t) ** 2)
    P, P0 = sums("P", weighted, h(t) * everything)
    logs = sp.Sum(a(i) * (Elog(i, t) - Elog(i, 0)), over)
    energy = Induction(
        "summed descent",
        EL(t) + weighted(t),
        EL(0) + logs + noise * squares_g(t),
        t,
        ((1, P0), (-noise, Z0)),
        ((1, tower), (1, groups), (Eq_g(t), h_g), (1, P), (-noise, Z)),
        equality=False,
    )
    delta, infimum = sp.symbols("Delta inf_L", real=True)
    gap = Definition("Delta", delta, EL(0) - infimum, "The start is not random: EL(0) = L_0.")
    below = Assumption("bounded below", "inf L is finite.", le(infimum, EL(t)), (t,))
    expected_log = Assumption(
        "logarithm of the norms, expected",
        "The expectation of 'logarithm of the norms'; the start is not random.",
        le(Elog(i, t), Elog(i, 0) + sp.log(1 + added(i, t) / first**2) / 2),
        (i, t),
        "conclusion",
    )
    all_logs = Summed(
        "logarithms",
        a(i) * (Elog(i, t) - Elog(i, 0)),
        a(i) * sp.log(1 + added(i, t) / first**2) / 2,
        (over,),
        ((a(i), expected_log),),
    )
    best = sp.Function("best", real=True)
    best_of = Assumption(
        "minimum",
        "best(t) is the minimum over the steps before t of the expected squared gradient.",
        le(best(t + 1), everything),
        (t,),
        "fact",
    )
    falls = Assumption("minimum falls", "A running minimum does not increase.", le(best(t + 1), best(t)), (t,), "fact")
    mean = Induction(
        "minimum below the weighted mean",
        best(t) * total_h(t),
        weighted(t),
        t,
        ((-1, P0), (best(0), H0)),
        ((-1, P), (best(t + 1), H), (h(t), best_of), (total_h(t), falls)),
        equality=False,
    )
    claim = Inequality(
        "rate",
        best(t) * total_h(t),
        delta + sp.Sum(a(i) * sp.log(1 + added(i, t) / first**2) / 2, over) + noise * squares_g(t),
        ((1, mean), (1, energy), (1, below), (-1, gap), (1, all_logs)),
    )
    return Proof(
        "arora2019.sgd_rate",
        "Stochastic gradient descent: rate T^-1/4 up to logarithms",
        "min_{t<T} E(sum_i |grad_i L(V_t;g_t)|^2 + |grad_g L|^2) <= R_T / sum_{t<T} h_t, R_T = Delta + "
        "sum_i (K_i rho_i/4) log(1 + A_{i,T}/G_i^2) + ((1+c)/2) L_g C_g^2 sum_{t<T} eta_{g,t}^2, "
        "h_t = min(min_i eta_{i,t}/sqrt(G_i^2 + A_{i,t}), eta_{g,t})",
        (
            *log.values(),
            growth,
            gradient,
            longer,
            peak,
            *growing.values(),
            weight,
            more,
            more0,
            squares,
            bounded,
            log_bounded,
            rough,
            pathwise,
            averaged,
            unbiased,
            moment,
            expected,
            through_log,
            tower,
            homogeneous,
            gradient_below,
            expected_below,
            h_w,
            h_g,
            groups,
            H,
            H0,
            Z,
            Z0,
            P,
            P0,
            energy,
            gap,
            below,
            expected_log,
            all_logs,
            best_of,
            falls,
            mean,
            claim,
            *_sums(log),
        ),
        Source("Arora, Li, Lyu, ICLR 2019, arXiv:1812.03981", "rate of SGD; constants derived here", "paper"),
    )


def _sums(log):
    """Steps: the sums of (t+1)^-p that turn the rate into a closed form."""
    t = sp.Symbol("t", integer=True, nonnegative=True)
    harmonic, roots = sp.Function("h_1", nonnegative=True), sp.Function("h_half", nonnegative=True)

    def sums(name, function, term):
        return (
            Assumption(
                name,
                f"{name} of {term} over the steps before t.",
                eq(function(t + 1), function(t) + term),
                (t,),
                "fact",
            ),
            Assumption(f"{name}, empty", "An empty sum is 0.", eq(function(0), 0), role="fact"),
        )

    H, H0 = sums("the sum h_1(t)", harmonic, 1 / (t + 1))
    R, R0 = sums("the sum h_half(t)", roots, 1 / sp.sqrt(t + 1))
    logs = Induction(
        "harmonic sum",
        harmonic(t + 1),
        1 + sp.log(t + 1),
        t,
        ((1, instance(H, t=0)), (1, H0)),
        ((1, instance(log["below"], y=1 / (t + 1))), (1, instance(H, t=t + 1))),
        equality=False,
        why="The sum over s < T of 1/(s+1) is at most 1 + log T, T = t + 1.",
    )
    square_roots = Induction(
        "sum of inverse square roots",
        2 * (sp.sqrt(t + 1) - 1),
        roots(t),
        t,
        ((-1, R0),),
        ((-1, R), (1 / sp.sqrt(t + 1), (sp.sqrt(t + 2) - sp.sqrt(t + 1)) ** 2)),
        equality=False,
    )
    # theta = 1 - 2 alpha in (0, 1], written 1/(1 + k) with k >= 0.
    y, k = sp.symbols("y k", nonnegative=True)
    theta, power = 1 / (1 + k), sp.Function("h_p", nonnegative=True)
    at_least_one = Increasing(
        "powers exceed one", 1, (1 + y) ** (k / (1 + k)), y, ((k / (1 + k), (1 + y) ** (k / (1 + k) - 1)),)
    )
    bernoulli = Increasing(
        "Bernoulli",
        (1 + y) ** (-theta),
        1 - theta * y / (1 + y),
        y,
        ((theta / (1 + y) ** 2, at_least_one),),
        why="(1 - u)^theta <= 1 - theta u, u = y/(1+y).",
    )
    S, S0 = sums("the sum h_p(t)", power, (t + 1) ** (theta - 1))
    powers = Induction(
        "power sum",
        power(t + 1),
        (t + 1) ** theta / theta,
        t,
        ((1, instance(S, t=0)), (1, S0), (1, k)),
        (((t + 2) ** theta / theta, instance(bernoulli, y=1 / (t + 1))), (1, instance(S, t=t + 1))),
        equality=False,
        why="The sum over s < T of (s+1)^(theta-1) is at most T^theta/theta, T = t + 1, theta = 1 - 2 alpha.",
    )
    G2, gain = sp.symbols("G_0^2 k_i", positive=True)
    above = Increasing("theta-th powers exceed one", 1, (1 + y) ** theta, y, ((theta * (1 + y) ** (theta - 1), 1),))
    norm = Inequality(
        "norm in closed form",
        G2 + gain * (1 + y) ** theta / theta,
        (G2 + gain / theta) * (1 + y) ** theta,
        ((G2, above),),
        "With y = t: G_t^2 <= (G_0^2 + k_i/(1 - 2 alpha)) (t+1)^(1 - 2 alpha).",
    )
    return above, norm, H, H0, logs, R, R0, square_roots, at_least_one, bernoulli, S, S0, powers
