"""When characteristics cross first, and how steep the gradient of the local entropy is then.

Statement.  f smooth on the line, ``m > 0`` and ``-m <= f''`` with equality somewhere; characteristics of
``v_s + v v_x = 0`` are ``X = xi + s f'(xi)``.

* ``dX/dxi = 1 + s f''`` is positive for ``s < s* = 1/m`` and vanishes at s* where f'' is lowest: ``s* = -1/inf f''``.
  Along a characteristic ``v_x = f''/(1 + s f'')`` solves ``y' = -y^2``. For convex f no two characteristics ever cross.
* Y has the density proportional to ``exp(-(f(y) + (x - y)^2/(2 s))/(2 nu))``, at every nu > 0. Then ``u_x = (x - E Y)/s
  = E f'(Y)`` and ``u_xx = 1/s - Var(Y)/(2 nu s^2) = E f''(Y) - Var(f'(Y))/(2 nu)``. Hence ``u_xx <= sup f''``, and for
  ``s < 1/m`` also ``-u_xx <= m/(1 - s m)``, whatever nu is: no blow-up before s*.
* At s* and ``x_c = y_0 + s* f'(y_0)``, where ``f''(y_0) = -kappa``, ``kappa = m`` and ``c = f''''(y_0) > 0``, the
  exponent is quartic. With ``g = Gamma(3/4)/Gamma(1/4)`` and p, q the fifth and sixth derivatives, by Laplace's method,
  ``-u_xx = kappa^2 sqrt(12/c) g nu^(-1/2) + B + O(nu^(1/2))``, where ``B = -kappa
  - kappa^2 (4 q/(5 c^2)) (5/16 - 3 g^2/4) + kappa^2 (24 p^2/(25 c^3)) (45/128 - 39 g^2/32)``: the sixth derivative
  enters where -kappa does.
* For ``s > s*`` and two outer minimisers that weigh alike, ``-u_xx = J^2/(8 nu) + O(1)``, J the jump of v.

Source.  Derived in this package. Brascamp and Lieb's inequality (J. Funct. Anal. 1976) and Laplace's method are cited
as standard facts.
"""

from functools import lru_cache

import sympy as sp

from ..proof import Assumption, Definition, Identity, Inequality, Proof, Source, eq, le
from .identity import PAPER

NU, S, M = sp.symbols("nu s m", positive=True)
X, Y, XI = sp.symbols("x y xi", real=True)
F_2 = sp.Symbol("f''", real=True)
U_XX, VAR = sp.Symbol("u_xx", real=True), sp.Symbol("Var", nonnegative=True)
KAPPA, C, B = sp.symbols("kappa c b", positive=True)
G = sp.gamma(sp.Rational(3, 4)) / sp.gamma(sp.Rational(1, 4))
_Z = sp.Symbol("z", real=True)


@lru_cache(maxsize=1)
def prove() -> Proof:
    """The proof; see the module for the statement."""
    return Proof(
        "shock2026.shock_time",
        "The first shock: s* = -1/inf f'', and how the gradient blows up as nu tends to 0",
        "s* = -1/inf f''; -u_xx <= m/(1 - s m) before it, ~ kappa^2 sqrt(12/c) Gamma(3/4)/Gamma(1/4) nu^(-1/2) at it, "
        "~ J^2/(8 nu) after it",
        (*_characteristics(), *_moments(), *_parts(), *_quartic(), *_jump()),
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
    return slope, lowest, below, before, at, after, riccati, convex, flatter


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
    zero = sp.Symbol("M_0", positive=True)
    one, two, slope_0, slope_1 = sp.symbols("M_1 M_2 M_0' M_1'", real=True)
    of_zero = Assumption(
        "M_0'", "Differentiation under the integral, k = 0.", eq(slope_0, -(X * zero - one) / (2 * NU * S)), role="fact"
    )
    of_one = Assumption("M_1'", "The same, k = 1.", eq(slope_1, -(X * one - two) / (2 * NU * S)), role="fact")
    first = Identity(
        "gradient as a mean",
        -2 * NU * slope_0 / zero,
        (X - one / zero) / S,
        "u_x = -2 nu M_0'/M_0 = (x - E Y)/s.",
        ((-2 * NU / zero, of_zero),),
    )
    second = Identity(
        "curvature as a variance",
        (1 - (slope_1 * zero - one * slope_0) / zero**2) / S,
        1 / S - (two / zero - (one / zero) ** 2) / (2 * NU * S**2),
        "The derivative of (x - M_1/M_0)/s: u_xx = 1/s - Var(Y)/(2 nu s^2).",
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


def _moment(power):
    """``E z^power`` of the density proportional to ``exp(-b z^4)``."""
    over = (_Z, -sp.oo, sp.oo)
    return sp.Integral(_Z**power * sp.exp(-B * _Z**4), over) / sp.Integral(sp.exp(-B * _Z**4), over)


MOMENTS = {
    2: G / sp.sqrt(B),
    6: sp.Rational(3, 4) * G / B ** sp.Rational(3, 2),
    8: sp.Rational(5, 16) / B**2,
    10: sp.Rational(21, 16) * G / B ** sp.Rational(5, 2),
    12: sp.Rational(45, 64) / B**3,
}


def _quartic():
    """The law at s*."""
    slope = sp.Symbol("f'", real=True)
    p, q, a, h = sp.symbols("p q a h", real=True)
    eps = sp.Symbol("epsilon", real=True)
    place = Identity(
        "the critical point",
        sp.Subs(slope - (X - Y) / S, (X, S), (Y + slope / KAPPA, 1 / KAPPA)),
        0,
        "At s = 1/kappa and x = y_0 + s f'(y_0) the exponent has derivative 0 at y_0 ...",
    )
    flat = Identity(
        "no second derivative",
        sp.Subs(-KAPPA + 1 / S, S, 1 / KAPPA),
        0,
        "... and second derivative f'' + 1/s = 0 there.",
    )
    taylor = Assumption(
        "Laplace's method",
        "As f'' is lowest at y_0, f''' = 0 there. With z = y - y_0 the exponent is -(c z^4/24 + p z^5/120 + q z^6/720 "
        "+ ...)/(2 nu): z is of order nu^(1/4), and b = c/(48 nu), a = p/(240 nu), h = q/(1440 nu). What is left out "
        "is smaller by a further factor nu^(1/2) (nu^(1/4) at odd orders, whose means vanish).",
        role="fact",
    )
    moments = [Identity(f"moment {k}", _moment(k), value, "Of the density b z^4.") for k, value in MOMENTS.items()]
    m2, m6, m8, m10, m12 = (sp.Symbol(f"m_{k}", positive=True) for k in MOMENTS)
    series = (m2 + eps**2 * (a**2 * m12 / 2 - h * m8)) / (1 + eps**2 * (a**2 * m10 / 2 - h * m6)) - (eps * a * m6) ** 2
    second = Identity(
        "second order of the variance",
        sp.Subs(sp.Derivative(series, (eps, 2)), eps, 0) / 2,
        -h * (m8 - m2 * m6) + a**2 * ((m12 - m2 * m10) / 2 - m6**2),
        "exp(-eps a z^5 - eps^2 h z^6) to second order: what it adds to E z^2, and the square of E z.",
    )
    values = {m: value for m, value in zip((m2, m6, m8, m10, m12), MOMENTS.values(), strict=True)}
    scales = (B, a, h), (C / (48 * NU), p / (240 * NU), q / (1440 * NU))
    leading = Identity(
        "leading term at the shock",
        KAPPA**2 / (2 * NU) * sp.Subs(MOMENTS[2], *scales),
        KAPPA**2 * sp.sqrt(12 / C) * G / sp.sqrt(NU),
        "Var(Y)/(2 nu s^2) with s = 1/kappa: the exponent of nu is -1/2.",
    )
    constant = Identity(
        "constant at the shock",
        KAPPA**2 / (2 * NU) * sp.Subs(second.rhs.subs(values), *scales),
        -(KAPPA**2) * 4 * q / (5 * C**2) * (sp.Rational(5, 16) - 3 * G**2 / 4)
        + KAPPA**2 * 24 * p**2 / (25 * C**3) * (sp.Rational(45, 128) - 39 * G**2 / 32),
        "The next term is of order nu^0, as -1/s = -kappa is: -kappa alone is not the constant.",
    )
    return place, flat, taylor, *moments, second, leading, constant


def _jump():
    """The law after s*."""
    left, right, jump = sp.symbols("y_1 y_2 J", real=True)
    w = sp.Symbol("P", nonnegative=True)
    curve, third, shift = sp.symbols("f''_2 f'''_2 delta", real=True)
    size = Definition("jump", jump, (right - left) / S, "v = (x - y)/s on both sides, y the outer minimisers.")
    two = Identity(
        "variance of two points",
        w * right**2 + (1 - w) * left**2 - (w * right + (1 - w) * left) ** 2,
        w * (1 - w) * (right - left) ** 2,
        "Y is near one of two points, with weights P and 1 - P.",
    )
    most = Inequality(
        "most at the centre",
        w * (1 - w) * (right - left) ** 2,
        (right - left) ** 2 / 4,
        ((1, ((1 - 2 * w) * (right - left) / 2) ** 2),),
        "Largest where both weigh alike.",
    )
    law = Identity(
        "leading term after the shock",
        sp.Subs(w * (1 - w), w, sp.Rational(1, 2)) * (right - left) ** 2 / (2 * NU * S**2),
        jump**2 / (8 * NU),
        "The exponent of nu is -1.",
        ((-(jump + (right - left) / S) / (8 * NU), size),),
    )
    wells = Assumption(
        "two wells",
        "Laplace's method at the outer minimisers, f symmetric about the shock, spread = 1 + s f'' > 0: each well has "
        "the variance 2 nu s/spread; its mean is shifted by delta nu, delta = -f''' s^2/spread^2, at y_2, by -delta nu "
        "at y_1.",
        eq(shift, -third * S**2 / (1 + S * curve) ** 2),
        role="fact",
    )
    gap = sp.Symbol("h", real=True)  # y_2 - y_1
    constant = Identity(
        "constant after the shock",
        sp.Subs(sp.Derivative((gap + 2 * shift * NU) ** 2 / (8 * S**2), NU), NU, 0)
        + (2 * NU * S / (1 + S * curve)) / (2 * NU * S**2)
        - 1 / S,
        -curve / (1 + S * curve) - gap * third / (2 * (1 + S * curve) ** 2),
        "h = y_2 - y_1.",
        ((gap / (2 * S**2), wells),),
    )
    return size, two, most, law, wells, constant
