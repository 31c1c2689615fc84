"""When characteristics cross first, and how steep the gradient of the local entropy is then.

Statement.  f smooth on the line, and bounded from below or with bounded f', so that the density of Y below exists;
``m > 0`` and ``-m <= f''`` with equality somewhere; characteristics of
``v_s + v v_x = 0`` are ``X = xi + s f'(xi)``.

* ``dX/dxi = 1 + s f''`` is positive for ``s < s* = 1/m`` and vanishes at s* where f'' is lowest: ``s* = -1/inf f''``.
  Along a characteristic ``v_x = f''/(1 + s f'')`` solves ``y' = -y^2``. For convex f no two characteristics ever cross.
* Y has the density proportional to ``exp(-(f(y) + (x - y)^2/(2 s))/(2 nu))``, at every nu > 0. Then ``u_x = (x - E Y)/s
  = E f'(Y)`` and ``u_xx = 1/s - Var(Y)/(2 nu s^2) = E f''(Y) - Var(f'(Y))/(2 nu)``. Hence ``u_xx <= sup f''``, and for
  ``s < 1/m`` also ``-u_xx <= m/(1 - s m)``, whatever nu is: no blow-up before s*.
* At ``y_0 + s f'(y_0)`` for ``s < s*``, ``r = 1 - s kappa``: ``-u_xx = kappa/r - (c s/r^3) nu + O(nu^2)``.
* At s* and ``x_c = y_0 + s* f'(y_0)``, where ``f''(y_0) = -kappa``, ``kappa = m`` and ``c = f''''(y_0) > 0``, the
  exponent is quartic and y_0 its global minimiser. With ``g = Gamma(3/4)/Gamma(1/4)`` and p, q, j, k the fifth to
  eighth derivatives, ``-u_xx = kappa^2 sqrt(12/c) g nu^(-1/2) + B + C nu^(1/2) + O(nu)``, where ``B = -kappa
  - kappa^2 (4 q/(5 c^2)) (5/16 - 3 g^2/4) + kappa^2 (24 p^2/(25 c^3)) (45/128 - 39 g^2/32)``: the sixth derivative
  enters where -kappa does. C is in the step 'next term at the shock'.
* For ``s > s*``, f symmetric about the shock and the exponent with just two global minimisers, ``-u_xx = J^2/(8 nu)
  - f''/(1 + s f'') - z f'''/(1 + s f'')^2 + D nu + O(nu^2)``, J the jump of v, the derivatives at the right minimiser,
  z half the distance of the two. D is in the step 'next term after the shock'.

Source.  Derived in this package. Brascamp and Lieb's inequality (J. Funct. Anal. 1976) and Laplace's method are cited
as standard facts.
"""

from functools import lru_cache

import sympy as sp

from .. import steepness
from ..proof import Assumption, Identity, Inequality, Proof, Source, eq, le
from .identity import PAPER

NU, S, M = sp.symbols("nu s m", positive=True)
X, Y, XI = sp.symbols("x y xi", real=True)
F_2 = sp.Symbol("f''", real=True)
U_XX, VAR = sp.Symbol("u_xx", real=True), sp.Symbol("Var", nonnegative=True)


@lru_cache(maxsize=1)
def prove() -> Proof:
    """The proof; see the module for the statement."""
    return Proof(
        "shock2026.shock_time",
        "The first shock: s* = -1/inf f'', and how the gradient blows up as nu tends to 0",
        "s* = -1/inf f''; -u_xx <= m/(1 - s m) before it, -> kappa/(1 - s kappa) where f'' is lowest, "
        "~ kappa^2 sqrt(12/c) Gamma(3/4)/Gamma(1/4) nu^(-1/2) at it, "
        "~ J^2/(8 nu) after it",
        (*_characteristics(), *_moments(), *_parts(), *steepness.at(), *steepness.before_and_after()),
        Source(PAPER, "shocks of the gradient in the inviscid limit", "derived"),
    )


def _characteristics():
    """The inviscid equation."""
    f, e = sp.Function("f", real=True)(XI), sp.Symbol("e", positive=True)
    slope = Identity(
        "slope of the map",
        sp.Derivative(XI + S * sp.Derivative(f, XI), XI),
        1 + S * sp.Derivative(f, (XI, 2)),
        "dX/dxi.",
    )
    lowest = Assumption("lowest curvature", "-m <= f'' everywhere, m > 0, with equality somewhere.", le(-M, F_2))
    below = Inequality("slope from below", 1 - S * M, 1 + S * F_2, ((S, lowest),), "dX/dxi >= 1 - s m.")
    before = Identity(
        "before 1/m",
        sp.Subs(1 - S * M, S, 1 / (M + e)),
        e / (M + e),
        "Positive: for s = 1/(m + e), e > 0, which is any s < 1/m, the map is invertible.",
    )
    at = Identity(
        "at 1/m", sp.Subs(sp.Subs(1 + S * F_2, F_2, -M), S, 1 / M), 0, "Where f'' = -m: s* = 1/m = -1/inf f''."
    )
    after = Identity(
        "after 1/m",
        sp.Subs(sp.Subs(1 + S * F_2, F_2, -M), S, 1 / M + e),
        -e * M,
        "Negative there, and so the map is not invertible.",
    )
    gradient = F_2 / (1 + S * F_2)
    riccati = Identity(
        "gradient along a characteristic",
        sp.Derivative(gradient, S),
        -(gradient**2),
        "v = f'(xi) stays, so v_x = f''/(1 + s f''): it solves y' = -y^2, y(0) = f''.",
    )
    minimiser = Inequality(
        "one minimiser up to s*",
        0,
        F_2 + M,
        ((1, lowest),),
        "The exponent f(y) + (x - y)^2/(2 s) has the second derivative f'' + 1/s >= f'' + m for s <= s*: it is convex, "
        "and where its derivative vanishes it is lowest of all.",
    )
    curvature = sp.Symbol("k", nonnegative=True)
    convex = Inequality(
        "convex", 1, 1 + S * curvature, ((S, curvature),), "For k = f'' >= 0: no crossing for any s > 0."
    )
    flatter = Inequality(
        "convex: the gradient falls",
        curvature / (1 + S * curvature),
        curvature,
        ((S * curvature**2 / (1 + S * curvature), 1),),
    )
    return slope, lowest, below, before, at, after, riccati, minimiser, convex, flatter


def _moments():
    """Derivatives of ``u`` as moments of Y."""
    k = sp.Symbol("k", integer=True, nonnegative=True)
    f = sp.Function("f", real=True)(Y)
    weight = sp.exp(-(f + (X - Y) ** 2 / (2 * S)) / (2 * NU))
    inside = Identity(
        "derivative of the integrand",
        sp.Derivative(Y**k * weight, X),
        -(X * Y**k - Y ** (k + 1)) * weight / (2 * NU * S),
        "Integrated over y: the integrals M_k of y^k times the weight have M_k' = -(x M_k - M_{k+1})/(2 nu s).",
    )
    zero = sp.Function("M_0", positive=True)(X)
    one, two = (sp.Function(name, real=True)(X) for name in ("M_1", "M_2"))
    of_zero, of_one = (
        Assumption(
            f"M_{order}'",
            f"Differentiation under the integral, k = {order}.",
            eq(sp.Derivative(low, X), -(X * low - high) / (2 * NU * S)),
            role="fact",
        )
        for order, (low, high) in enumerate(((zero, one), (one, two)))
    )
    first = Identity(
        "gradient as a mean",
        sp.Derivative(-2 * NU * sp.log(zero), X),
        (X - one / zero) / S,
        "u_x = (-2 nu log M_0)' = (x - E Y)/s.",
        ((-2 * NU / zero, of_zero),),
    )
    second = Identity(
        "curvature as a variance",
        sp.Derivative((X - one / zero) / S, X),
        1 / S - (two / zero - (one / zero) ** 2) / (2 * NU * S**2),
        "u_xx = 1/s - Var(Y)/(2 nu s^2).",
        ((-1 / (S * zero), of_one), (one / (S * zero**2), of_zero)),
    )
    return inside, of_zero, of_one, first, second


def _parts():
    """By parts: ``u_xx = E f'' - Var(f')/(2 nu)``, and what follows."""
    f_1, f_11, f_2, pull, mixed, slope = sp.symbols("E1 E11 E2 T T1 E1'", real=True)
    top = sp.Symbol("f''_sup", real=True)
    force = Assumption(
        "by parts",
        "The mean of the derivative of the exponent is 0: E f'(Y) = E1 is E (x - Y)/s = T, which is u_x.",
        eq(f_1, pull),
        role="fact",
    )
    product = Assumption(
        "by parts, with f'",
        "The mean of f' times that derivative is 2 nu E f'': E11 - T1 = 2 nu E2 with E11 = E f'^2, E2 = E f'' and "
        "T1 = E f' (x - Y)/s.",
        eq(f_11 - mixed, 2 * NU * f_2),
        role="fact",
    )
    change = Assumption(
        "derivative of a mean",
        "In x, as for M_0' and M_1': that of E f'(Y), which is u_xx, is minus the covariance of f' and (x - Y)/s, "
        "over 2 nu.",
        eq(slope, -(mixed - f_1 * pull) / (2 * NU)),
        role="fact",
    )
    curvature = Identity(
        "curvature by parts",
        slope,
        f_2 - (f_11 - f_1**2) / (2 * NU),
        "u_xx = E f'' - Var(f')/(2 nu).",
        ((1, change), (1 / (2 * NU), product), (-f_1 / (2 * NU), force)),
    )
    variance = sp.Symbol("V1", nonnegative=True)
    spread = Assumption("variance of f'", "V1 = Var(f'(Y)).", eq(variance, f_11 - f_1**2), role="fact")
    highest = Assumption("highest curvature", "f'' is at most f''_sup, and so is its mean E2.", le(f_2, top))
    above = Inequality(
        "curvature from above",
        slope,
        top,
        ((1, highest), (1, curvature), (1 / (2 * NU), spread), (1 / (2 * NU), variance)),
        "u_xx <= sup f'', at every s and nu.",
    )
    room = sp.Symbol("rho", positive=True)
    early = Assumption("before the shock", "s < 1/m: rho = 1 - s m > 0.", eq(room, 1 - S * M), role="case")
    lieb = Assumption(
        "Brascamp and Lieb",
        "The exponent's second derivative f''/(2 nu) + 1/(2 nu s) is at least (1/s - m)/(2 nu) = rho/(2 nu s) > 0, so "
        "that Var(Y) is at most the inverse of that.",
        le(VAR, 2 * NU * S / room),
        role="fact",
    )
    value = Assumption(
        "u_xx", "By 'curvature as a variance'.", eq(U_XX, 1 / S - VAR / (2 * NU * S**2)), role="conclusion"
    )
    bounded = Inequality(
        "curvature before the shock",
        -U_XX,
        M / room,
        ((1 / (2 * NU * S**2), lieb), (-1, value), (-1 / (S * room), early)),
        "-u_xx <= m/(1 - s m) for every nu > 0.",
    )
    lieb_convex = Assumption(
        "Brascamp and Lieb, convex f", "The same for f'' >= 0, at any s.", le(VAR, 2 * NU * S), role="fact"
    )
    convex = Inequality(
        "convex: curvature from below",
        0,
        U_XX,
        ((1 / (2 * NU * S**2), lieb_convex), (-1, value)),
        "u_xx >= 0: with the bound from above |u_xx| <= sup f'' for all s and nu.",
    )
    return force, product, change, curvature, spread, highest, above, early, lieb, value, bounded, lieb_convex, convex
