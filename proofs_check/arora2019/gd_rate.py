"""Gradient descent with a fixed rate of any size: bounded norms, gradient of order T^-1/2.

Statement.  L(w_1..w_m; g) scale-invariant in every w_i and bounded below, ``Delta = L_0 - inf L``; rates
eta_i > 0 of any size, ``0 < eta_g <= 2 (1 - c_g)/((1 + c) L_g)`` with c > 0, 0 < c_g < 1; K_i as in the
descent inequality; C_i any bound of ``|grad_i L|`` at unit norm (L_ii always is one).  With ``G_i =
|w_i|^2`` at the start, ``r_i = (C_i eta_i/G_i)^2``, ``rho_i = r_i/log(1 + r_i)``, ``a_i = K_i rho_i/2``,
``f_i = 0`` if ``a_i eta_i <= G_i`` and else ``a_i - G_i/eta_i - a_i log(a_i eta_i/G_i)`` (f_i <= 0):

* every ``G_{i,T} <= Gbar_i := a_i eta_i y_i`` for every T, where ``y_i >= 1`` solves ``y - log y = l_i``,
  ``l_i = D_i/a_i + q_i - log q_i``, ``q_i = G_i/(a_i eta_i)``, ``D_i = Delta - sum_{j != i} f_j``; that is
  ``y_i = -W_{-1}(-exp(-l_i))``, and ``y_i <= l_i + sqrt(2 (l_i - 1))``;
* a priori, ``min_{t<T} (sum_i |grad_i L(V_t; g_t)|^2 + |grad_g L|^2) <= (1/T) [ sum_i (Gbar_i^2 - G_i^2)/(2
  eta_i^2) + (Delta - sum_i f_i)/(c_g eta_g) ]``;
* a posteriori, the same with the measured ``G_{i,T}`` for ``Gbar_i``;
* without g the last term is absent (and M_i = 0 in K_i): then the a posteriori form needs no bound on
  curvature.

The run may be restarted at any step k with the measured state in place of the initial one; the best k may
be taken. If a constant K_i is 0 any positive number may be used for it.

Source.  Arora, Li, Lyu, ICLR 2019, arXiv:1812.03981, for the rate; constants derived in this package.
"""

from functools import lru_cache

import sympy as sp

from ..logarithm import bounds
from ..proof import (
    Assumption,
    Citation,
    Definition,
    Identity,
    Induction,
    Inequality,
    Proof,
    Source,
    Summed,
    eq,
    instance,
    le,
)
from ..relative_growth import steps
from . import descent, norm_growth, orthogonality


@lru_cache(maxsize=1)
def prove() -> Proof:
    """The proof; see the module for the statement."""
    i = sp.Symbol("i", integer=True)
    t = sp.Symbol("t", integer=True, nonnegative=True)
    m = sp.Symbol("m", integer=True, positive=True)
    over = (i, 1, m)
    norm2, rate, total = (sp.Function(name, positive=True) for name in ("G", "eta", "K"))
    limit, rho, a = (sp.Function(name, positive=True) for name in ("C", "rho", "a"))
    n, x, q = (sp.Function(name, nonnegative=True) for name in ("n", "x", "q"))  # q(t) = |grad_g|^2
    loss, bracket, floor = (sp.Function(name, real=True) for name in ("L", "B", "f"))
    c, c_g, rate_g, rest = sp.symbols("c c_g eta_g L_g", positive=True)
    now, then, first = norm2(i, t), norm2(i, t + 1), norm2(i, 0)
    log = bounds()

    # One step, written through the growth of the norm.
    growth = Citation(
        "growth",
        eq(then, now + rate(i) ** 2 * n(i, t) ** 2 / now),
        norm_growth.prove(),
        "growth at unit norm",
        (i, t),
    )
    gradient = Citation("gradient bound", le(n(i, t), limit(i)), orthogonality.prove(), "gradient bound", (i, t))
    longer = Citation("norms never decrease", le(first, now), norm_growth.prove(), "never decreases", (i, t))
    growing = steps(log["slower"], growth, gradient, longer, rate=rate(i))
    relative, concave, logs = (growing[name] for name in ("relative", "concave", "logs"))
    weight = Definition("a", a(i), total(i) * rho(i) / 2)

    # The descent inequality, summed over the steps.
    curved = 1 - (1 + c) * rest * rate_g / 2
    allowed = Assumption(
        "rate of g",
        "The rate of the scale-variant part is at most 2 (1 - c_g)/((1 + c) L_g).",
        le(rate_g, 2 * (1 - c_g) / ((1 + c) * rest)),
    )
    kept = Inequality("what is left for g", c_g, curved, (((1 + c) * rest / 2, allowed),))
    fall = rate(i) * n(i, t) ** 2 / now * (1 - total(i) * rate(i) / (2 * now))
    step = Citation(
        "descent",
        le(loss(t + 1) - loss(t), -sp.Sum(fall, over) - rate_g * q(t) * curved),
        descent.prove(),
        "descent",
        (t,),
    )
    rewritten = Summed(
        "descent through growth",
        fall,
        (then - now) / rate(i) - total(i) / 2 * x(i, t),
        (over,),
        ((-1 / rate(i), growth), (total(i) / 2, relative)),
        equality=True,
    )
    curvature = Summed(
        "curvature through the logarithm",
        total(i) / 2 * x(i, t),
        a(i) * (sp.log(then) - sp.log(now)),
        (over,),
        ((total(i) / 2, concave), (-sp.log(1 + x(i, t)), weight), (a(i), logs)),
    )
    spent, spent_g = sp.Function("Q", real=True), sp.Function("N", nonnegative=True)

    def sums(name, function, added, text, indices):
        at = (i,) if i in indices else ()
        return (
            Assumption(name, text, eq(function(*at, t + 1), function(*at, t) + added), indices, "fact"),
            Assumption(f"{name}, empty", "An empty sum is 0.", eq(function(*at, 0), 0), at, "fact"),
        )

    sum_g, zero_g = sums("sum for g", spent_g, q(t), "N(t) is the sum of |grad_g L|^2 over the steps before t.", (t,))
    sum_i, zero_i = sums(
        "sum for w",
        spent,
        n(i, t) ** 2,
        "Q(i,t) is the sum of |grad_i L(V;g)|^2 over the steps before t.",
        (i, t),
    )
    written = (now - first) / rate(i) - a(i) * (sp.log(now) - sp.log(first))
    energy = Induction(
        "summed descent",
        loss(t) + sp.Sum(written, over) + c_g * rate_g * spent_g(t),
        loss(0),
        t,
        ((c_g * rate_g, zero_g),),
        ((1, step), (-1, rewritten), (1, curvature), (rate_g * q(t), kept), (c_g * rate_g, sum_g)),
        equality=False,
    )
    named = Definition("bracket", bracket(i, t), written)
    named_sum = Summed("brackets", written, bracket(i, t), (over,), ((-1, named),), equality=True)
    delta, infimum = sp.symbols("Delta inf_L", real=True)
    gap = Definition("Delta", delta, loss(0) - infimum)
    below = Assumption("bounded below", "inf L is finite.", le(infimum, loss(t)), (t,))
    brackets = Inequality(
        "sum of the brackets",
        sp.Sum(bracket(i, t), over) + c_g * rate_g * spent_g(t),
        delta,
        ((1, energy), (1, below), (-1, gap), (-1, named_sum)),
    )

    # A single bracket B(G) = (G - G0)/eta - a log(G/G0) as a function of G.
    A, E, G0 = sp.symbols("a eta G0", positive=True)
    z, y, p = sp.Symbol("z", positive=True), *sp.symbols("y p", nonnegative=True)

    def value(size):
        return (size - G0) / E - A * (sp.log(size) - sp.log(G0))

    minimum = Inequality(
        "bracket minimum",
        value(A * E),
        value(A * E * z),
        ((A, log["tangent"]),),
        "B is smallest at G = a eta; every G > 0 is a eta z.",
    )
    at_minimum = Identity("value at the minimum", value(A * E), A - G0 / E - A * sp.log(A * E / G0))
    negative = Inequality(
        "the minimum is not positive", value(A * E), 0, ((A, instance(log["tangent"], z=G0 / A / E)),)
    )
    beyond = Inequality(
        "bracket beyond its minimum",
        value(A * E * (1 + p)) + A * y**2 / (2 * (1 + y)),
        value(A * E * (1 + p) * (1 + y)),
        ((A, log["gap"]), (A, p * y)),
        "From any G >= a eta on, B increases strictly: with G = G0 > a eta, B >= 0 = B(G0), and beyond a "
        "root of "
        "B = D every value exceeds D.",
    )
    level = sp.Symbol("D", nonnegative=True)
    ell = level / A + G0 / (A * E) - sp.log(G0 / (A * E))
    root = Identity(
        "equation of the root",
        value(A * E * z) - level,
        A * (z - sp.log(z) - ell),
        "B(a eta z) = D exactly when z - log z = l.",
    )
    at_least_one = Inequality(
        "l >= 1",
        1,
        ell,
        ((1, instance(log["tangent"], z=G0 / A / E)), (1, level / A)),
        "z - log z increases from 1 at z = 1 without bound: one root z >= 1.",
    )
    exponent = sp.Symbol("l", real=True)
    level_of_z = Definition("l", exponent, z - sp.log(z), "Named for the next step only.")
    lambert = Identity(
        "Lambert W",
        -z * sp.exp(-z),
        -sp.exp(-exponent),
        "-z solves W e^W = -e^-l; z >= 1 means W <= -1, the branch W_{-1}.",
        rewrite=(level_of_z,),
    )
    closed = Inequality(
        "closed bound of the root",
        1 + y**2 / 2,
        1 + y + y**2 / 2 - sp.log(1 + y + y**2 / 2),
        ((1, log["root"]),),
        "With y = sqrt(2 (l - 1)): z - log z >= l at z = l + sqrt(2 (l - 1)), so the root is at most that.",
    )

    at_root = Assumption(
        "root",
        "Gbar = a eta (1 + p) is the root: B(Gbar) = D.",
        eq(value(A * E * (1 + p)), level),
        role="case",
    )
    reached = Assumption(
        "norm beyond the root",
        "Suppose some G = Gbar (1 + y) is reached.",
        le(value(A * E * (1 + p) * (1 + y)), level),
        role="case",
    )
    nothing = Inequality(
        "nothing beyond the root",
        A * y**2 / (2 * (1 + y)),
        0,
        ((1, beyond), (1, reached), (-1, at_root)),
        "so y = 0: no G above Gbar has B(G) <= D.",
    )

    # Back to the groups.
    here = {"a": a(i), "eta": rate(i), "G0": first}
    unlikely = Inequality(
        "floor when a eta > G",
        a(i) - first / rate(i) - a(i) * sp.log(a(i) * rate(i) / first),
        bracket(i, t),
        ((1, instance(minimum, z=now / (a(i) * rate(i)), **here)), (-1, named)),
    )
    usual = Assumption("case a eta <= G", "The case a_i eta_i <= G_i.", le(1, first / (a(i) * rate(i))), role="case")
    grown = Inequality("relative norm", 1, now / first, ((1 / first, longer),))
    ordinary = Inequality(
        "floor when a eta <= G",
        a(i) * (now / first - 1) ** 2 / (2 * now / first),
        bracket(i, t),
        (
            (1, instance(beyond, (usual, grown), p=first / (a(i) * rate(i)) - 1, y=now / first - 1, **here)),
            (-1, named),
        ),
        "The left side is nonnegative: B >= 0.",
    )
    floors = Assumption(
        "lower bound of the brackets",
        "f(i) = 0 if a_i eta_i <= G_i, else a_i - G_i/eta_i - a_i log(a_i eta_i/G_i), by "
        "'floor when a eta <= G' and 'floor when a eta > G'.",
        le(floor(i), bracket(i, t)),
        (i, t),
        "conclusion",
    )
    all_floors = Summed("lower bound of their sum", floor(i), bracket(i, t), (over,), ((1, floors),))
    one, others, least = sp.symbols("B_1 B_others f_others", real=True)
    split = Assumption(
        "one bracket and the others",
        "The sum of the brackets, one group set apart.",
        eq(sp.Sum(bracket(i, t), over), one + others),
        role="fact",
    )
    rest_floor = Assumption(
        "the others",
        "The sum of the f of the other groups, by 'lower bound of the brackets'.",
        le(least, others),
        role="conclusion",
    )
    single = Inequality(
        "one bracket",
        one,
        delta - least,
        ((1, brackets), (-1, split), (1, rest_floor), (c_g * rate_g, spent_g(t))),
        "B <= D for one group, D = Delta minus the other floors; D >= 0 as every f <= 0.",
    )
    top = sp.Function("Gbar", positive=True)
    bounded = Assumption(
        "bounded norms",
        "Gbar_i = a_i eta_i y_i is the root of B = D_i: by 'one bracket' and 'nothing beyond the "
        "root' G_{i,t} cannot exceed it.",
        le(now, top(i)),
        (i, t),
        "conclusion",
    )

    # Stationarity.
    squares = Induction(
        "squared gradients of a group",
        2 * rate(i) ** 2 * spent(i, t),
        now**2 - first**2,
        t,
        ((2 * rate(i) ** 2, zero_i),),
        (
            (-(then + now + rate(i) ** 2 * n(i, t) ** 2 / now), growth),
            (2 * rate(i) ** 2, sum_i),
            (1, rate(i) ** 4 * n(i, t) ** 4 / now**2),
        ),
        equality=False,
        why="2 eta^2 |grad_i L(V_t)|^2 = 2 G_t (G_{t+1} - G_t) <= G_{t+1}^2 - G_t^2.",
    )
    squares_g = Inequality(
        "squared gradients of g",
        c_g * rate_g * spent_g(t),
        delta - sp.Sum(floor(i), over),
        ((1, brackets), (1, all_floors)),
    )
    # best(t) is the running minimum over the steps before t; best(0) is any number that is large enough.
    best, best_w, steps_sum = (sp.Function(name, real=True) for name in ("best", "best_w", "P"))
    everything = sp.Sum(n(i, t) ** 2, over) + q(t)
    best_of = Assumption(
        "minimum",
        "best(t) is the minimum over the steps before t of sum_i |grad_i L|^2 + |grad_g L|^2.",
        le(best(t + 1), everything),
        (t,),
        "fact",
    )
    falls = Assumption("minimum falls", "A running minimum does not increase.", le(best(t + 1), best(t)), (t,), "fact")
    sum_all, zero_all = sums(
        "sum for all",
        steps_sum,
        everything,
        "P(t) is the sum of sum_i |grad_i|^2 + |grad_g|^2 over the steps before t.",
        (t,),
    )
    mean = Induction(
        "minimum below the mean",
        t * best(t),
        steps_sum(t),
        t,
        ((-1, zero_all),),
        ((-1, sum_all), (1, best_of), (t, falls)),
        equality=False,
    )
    sum_w = Summed(
        "sums of the groups",
        spent(i, t + 1),
        spent(i, t) + n(i, t) ** 2,
        (over,),
        ((1, sum_i),),
        equality=True,
    )
    sum_w0 = Summed("sums of the groups, empty", spent(i, 0), 0, (over,), ((1, zero_i),), equality=True)
    parts = Induction(
        "sum by groups",
        steps_sum(t) - sp.Sum(spent(i, t), over) - spent_g(t),
        0,
        t,
        ((1, zero_all), (-1, sum_w0), (-1, zero_g)),
        ((1, sum_all), (-1, sum_w), (-1, sum_g)),
    )
    per_group = Summed(
        "squared gradients of the groups",
        spent(i, t),
        (now**2 - first**2) / (2 * rate(i) ** 2),
        (over,),
        ((1 / (2 * rate(i) ** 2), squares),),
    )
    last = (delta - sp.Sum(floor(i), over)) / (c_g * rate_g)
    measured = Inequality(
        "a posteriori",
        t * best(t),
        sp.Sum((now**2 - first**2) / (2 * rate(i) ** 2), over) + last,
        ((1, mean), (1, parts), (1, per_group), (1 / (c_g * rate_g), squares_g)),
        "t steps, norms as measured.",
    )
    norms = Summed(
        "norms",
        (now**2 - first**2) / (2 * rate(i) ** 2),
        (top(i) ** 2 - first**2) / (2 * rate(i) ** 2),
        (over,),
        (((now + top(i)) / (2 * rate(i) ** 2), bounded),),
    )
    claim = Inequality(
        "a priori",
        t * best(t),
        sp.Sum((top(i) ** 2 - first**2) / (2 * rate(i) ** 2), over) + last,
        ((1, measured), (1, norms)),
        "The right side does not depend on the number t of steps.",
    )
    only = Assumption(
        "minimum without g",
        "best_w(t) is that minimum for one group and no g.",
        le(best_w(t + 1), n(i, t) ** 2),
        (i, t),
        "fact",
    )
    only_falls = Assumption(
        "minimum without g falls",
        "A running minimum does not increase.",
        le(best_w(t + 1), best_w(t)),
        (t,),
        "fact",
    )
    alone_mean = Induction(
        "minimum below the mean without g",
        t * best_w(t),
        spent(i, t),
        t,
        ((-1, zero_i),),
        ((-1, sum_i), (1, only), (t, only_falls)),
        equality=False,
    )
    alone = Inequality(
        "a posteriori without g",
        t * best_w(t),
        (now**2 - first**2) / (2 * rate(i) ** 2),
        ((1, alone_mean), (1 / (2 * rate(i) ** 2), squares)),
        "From the growth of the norm alone.",
    )
    return Proof(
        "arora2019.gd_rate",
        "Gradient descent: rate T^-1/2 for fixed rates of any size",
        "min_{t<T} (sum_i |grad_i L(V_t;g_t)|^2 + |grad_g L|^2) <= (1/T) [ sum_i (Gbar_i^2 - G_i^2)/(2 "
        "eta_i^2) "
        "+ (Delta - sum_i f_i)/(c_g eta_g) ]",
        (
            *log.values(),
            growth,
            gradient,
            longer,
            *growing.values(),
            weight,
            allowed,
            kept,
            step,
            rewritten,
            curvature,
            sum_g,
            zero_g,
            sum_i,
            zero_i,
            energy,
            named,
            named_sum,
            gap,
            below,
            brackets,
            minimum,
            at_minimum,
            negative,
            beyond,
            root,
            at_least_one,
            level_of_z,
            lambert,
            closed,
            at_root,
            reached,
            nothing,
            unlikely,
            usual,
            grown,
            ordinary,
            floors,
            all_floors,
            split,
            rest_floor,
            single,
            bounded,
            squares,
            squares_g,
            best_of,
            falls,
            sum_all,
            zero_all,
            mean,
            sum_w,
            sum_w0,
            parts,
            per_group,
            measured,
            norms,
            claim,
            only,
            only_falls,
            alone_mean,
            alone,
        ),
        Source("Arora, Li, Lyu, ICLR 2019, arXiv:1812.03981", "rate of GD; constants derived here", "paper"),
    )
