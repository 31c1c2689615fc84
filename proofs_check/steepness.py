"""How steep the gradient of the local entropy is for a small diffusivity, by Laplace's method.

``-u_xx = Var(Y)/(2 nu s^2) - 1/s`` with Y of the density proportional to ``exp(-(f(y) + (x - y)^2/(2 s))/(2 nu))``; the
expansions of that variance are those of ``laplace``.
"""

import sympy as sp

from . import laplace
from .laplace import B, G
from .proof import Assumption, Definition, Identity, Inequality, eq

NU, S, KAPPA, C = sp.symbols("nu s kappa c", positive=True)
X, Y = sp.symbols("x y", real=True)


def at():
    """Steps of the law at s*."""
    slope = sp.Symbol("f'", real=True)
    p, q, seventh, eighth = sp.symbols("p q j k", real=True)
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
    scaled = Assumption(
        "orders at the shock",
        "As f'' is lowest at y_0, f''' = 0 there. With z = y - y_0 the exponent is -(c z^4/24 + p z^5/120 + q z^6/720 "
        "+ j z^7/5040 + k z^8/40320 + ...)/(2 nu): b = c/(48 nu), and z is of order nu^(1/4). With epsilon = 1 for the "
        "bookkeeping a = p/(240 nu), h = q/(1440 nu), d = j/(10080 nu), e = k/(80640 nu): each further order is one of "
        "nu^(1/4), and odd orders of the variance vanish.",
        role="fact",
    )
    small, values, steps = laplace.quartic()
    scales = (
        (B, *small),
        (C / (48 * NU), p / (240 * NU), q / (1440 * NU), seventh / (10080 * NU), eighth / (80640 * NU)),
    )
    second, fourth = (sp.Subs(step.rhs.subs(values), *scales) for step in steps[-2:])
    leading = Identity(
        "leading term at the shock",
        KAPPA**2 / (2 * NU) * sp.Subs(laplace.QUARTIC[2], *scales),
        KAPPA**2 * sp.sqrt(12 / C) * G / sp.sqrt(NU),
        "Var(Y)/(2 nu s^2) with s = 1/kappa: the exponent of nu is -1/2.",
    )
    constant = Identity(
        "constant at the shock",
        KAPPA**2 / (2 * NU) * second,
        -(KAPPA**2) * 4 * q / (5 * C**2) * (sp.Rational(5, 16) - 3 * G**2 / 4)
        + KAPPA**2 * 24 * p**2 / (25 * C**3) * (sp.Rational(45, 128) - 39 * G**2 / 32),
        "The next term is of order nu^0, as -1/s = -kappa is: -kappa alone is not the constant.",
    )
    following = Identity(
        "next term at the shock",
        KAPPA**2 / (2 * NU) * fourth,
        sp.sqrt(3 * NU)
        * KAPPA**2
        * G
        / C ** sp.Rational(5, 2)
        * (
            -2 * eighth / 35
            + (39 * p * seventh / 175 + q**2 * (sp.Rational(13, 100) + 3 * G**2 / 50)) / C
            - p**2 * q / C**2 * (sp.Rational(21, 40) + 117 * G**2 / 500)
            + p**4 / C**3 * (sp.Rational(1809, 8000) + 3591 * G**2 / 20000)
        ),
        "C nu^(1/2).",
    )
    return place, flat, laplace.method(), scaled, *steps, leading, constant, following


def before_and_after():
    """Steps of the laws before s* and after it."""
    (two, three, four, _, six), steps = laplace.minimum()
    named = {step.name: step for step in steps}
    q, half, jump = sp.symbols("q z J", real=True)
    t, r = sp.Symbol("t", nonnegative=True), sp.Symbol("r", positive=True)
    room = Assumption("r", "r = 1 - s kappa, s < s*.", eq(r, 1 - S * KAPPA), role="case")
    curved = (two, r / S)
    limit = Identity(
        "limit before the shock",
        sp.Subs(1 / (two * S**2), *curved) - 1 / S,
        KAPPA / r,
        "Y is near y_0 with the variance 2 nu/F_2, F_2 = 1/s - kappa = r/s: -u_xx tends to kappa/(1 - s kappa).",
        ((-1 / (S * r), room),),
    )
    first = named["V_2"].rhs.subs({three: 0, four: C})
    correction = Identity(
        "correction before the shock",
        sp.Subs(2 * NU * first / S**2, *curved),
        -C * S / r**3 * NU,
        "V_2 t^2/(t s^2) with t = 2 nu, F_3 = f''' = 0 and F_4 = c.",
    )
    third = named["V_3"].rhs.subs({four: C, six: q})
    beyond = Identity(
        "next term before the shock",
        sp.Subs((2 * NU) ** 2 * third / S**2, *curved),
        4 * S**2 / r**4 * (2 * C**2 * S / (3 * r) - q / 8) * NU**2,
        "V_3 t^3/(t s^2).",
    )
    w, left, right = sp.Symbol("P", nonnegative=True), *sp.symbols("y_1 y_2", real=True)
    size = Definition("jump", jump, (right - left) / S, "v = (x - y)/s on both sides, y the global minimisers.")
    points = Identity(
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
        "f symmetric about the shock, y_2 - y_1 = 2 z: both weigh alike at every nu, and Y has the mean of the two. So "
        "its variance is that of one well, t/F_2 + V_2 t^2, and the square of the distance z + d_1 t + d_2 t^2 of that "
        "well's mean from the middle, t = 2 nu, up to further powers. F_2 = f'' + 1/s, and F_k = f^(k) beyond, at y_2.",
        role="fact",
    )
    d_1, d_2 = named["d_1"].rhs, named["d_2"].rhs
    v_2 = named["V_2"].rhs
    variance = (half + d_1 * t + d_2 * t**2) ** 2 + t / two + v_2 * t**2
    curve = sp.Symbol("f''_2", real=True)
    width = Assumption("spread", "F_2 = f'' + 1/s at y_2.", eq(curve, two - 1 / S), role="fact")
    constant = Identity(
        "constant after the shock",
        sp.Subs(sp.Derivative(variance, t), t, 0) / S**2 - 1 / S,
        -curve / (S * two) - half * three / (S * two) ** 2,
        "By t/(t s^2): -f''/(1 + s f'') - z f'''/(1 + s f'')^2, as s F_2 = 1 + s f''.",
        ((1 / (S * two), width),),
    )
    following = Identity(
        "next term after the shock",
        2 * NU * sp.Subs(sp.Derivative(variance, (t, 2)), t, 0) / (2 * S**2),
        2 / S**2 * (2 * half * d_2 + d_1**2 + v_2) * NU,
        "D nu, by t^2/(t s^2).",
    )
    before = (room, *steps, limit, correction, beyond)
    return (*before, size, points, most, law, wells, width, constant, following)
