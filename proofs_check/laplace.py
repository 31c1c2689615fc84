"""Laplace's method to the orders that follow the first: mean and variance of a density concentrated at one point.

A density proportional to ``exp(-(exponent)/t)`` for a small t > 0 is, in a variable scaled by its width, one that is
known (``exp(-b z^4)`` or the standard normal one) times ``exp(-W)``, where W is a power series in a small number
epsilon. That its means are, to any order, those of the expanded exponential is the fact that is cited; the expansion,
the moments and what they make of the variance are checked here.
"""

import sympy as sp

from .proof import Assumption, Identity

EPS = sp.Symbol("epsilon", real=True)
B = sp.Symbol("b", positive=True)
G = sp.gamma(sp.Rational(3, 4)) / sp.gamma(sp.Rational(1, 4))
_Z = sp.Symbol("z", real=True)


def _moments(density, highest):
    """``E z^k`` for even k, by ``k``: each an integral over the line."""
    over = (_Z, -sp.oo, sp.oo)
    for k in range(2, highest + 1, 2):
        yield k, sp.Integral(_Z**k * density, over) / sp.Integral(density, over)


def _quartic_moments():
    found = {0: sp.S.One, 2: G / sp.sqrt(B)}
    for k in range(4, 24, 2):
        found[k] = sp.Rational(k - 3, 4) / B * found[k - 4]
    return found


QUARTIC = _quartic_moments()
"""``E z^k`` of the density proportional to ``exp(-b z^4)``."""
NORMAL = {k: sp.factorial2(k - 1) for k in range(0, 12, 2)}
"""``E z^k`` of the standard normal density."""


def _expanded(name, exponent, order, moments):
    """``exp(-W)`` to an order in epsilon, term by term.

    Returns:
        ``(steps, mean)``: the steps check its coefficients, ``mean(k)`` is ``E z^k exp(-W)``; odd moments vanish.
    """
    whole = sp.Poly(sum((-exponent) ** k / sp.factorial(k) for k in range(order + 1)), _Z, EPS)
    terms = [(i, j, c) for (i, j), c in whole.terms() if j <= order]
    steps = tuple(
        Identity(
            f"{name}: order {n}",
            coefficient(sp.exp(-exponent), n),
            sum(c * _Z**i for i, j, c in terms if j == n),
            "Of exp(-W) in epsilon.",
        )
        for n in range(1, order + 1)
    )

    def mean(k):
        return sum(c * moments[i + k] * EPS**j for i, j, c in terms if (i + k) % 2 == 0)

    return steps, mean


def _variance(mean):
    """``E z^2 - (E z)^2``, to the order of the expansion."""
    return mean(2) / mean(0) - (mean(1) / mean(0)) ** 2


def coefficient(expression, order):
    """Of ``epsilon^order``, as a claim that a step can check."""
    return sp.Subs(sp.Derivative(expression, (EPS, order)), EPS, 0) / sp.factorial(order)


def method():
    """The fact that is cited."""
    return Assumption(
        "Laplace's method",
        "Integrals over y of a smooth function times exp(-(exponent)/(2 nu)) have asymptotic series in powers of nu as "
        " nu tends to 0: those of the expanded exponential around the global minimisers, integrated term by term.",
        role="fact",
    )


def quartic():
    """Variance around a minimum where the second and third derivative vanish, to the fourth order."""
    a, h, d, e = sp.symbols("a h d e", real=True)
    known = [
        Identity(f"moment {k}", claim, QUARTIC[k], "Of the density b z^4.")
        for k, claim in _moments(sp.exp(-B * _Z**4), 22)
        if k != 4
    ]
    symbols = {k: sp.Symbol(f"m_{k}", positive=True) for k in QUARTIC if k}
    exponent = EPS * a * _Z**5 + EPS**2 * h * _Z**6 + EPS**3 * d * _Z**7 + EPS**4 * e * _Z**8
    steps, mean = _expanded("five to eight", exponent, 4, {0: 1, **symbols})
    m = symbols
    second = Identity(
        "second order of the variance",
        coefficient(_variance(mean), 2),
        -h * (m[8] - m[2] * m[6]) + a**2 * ((m[12] - m[2] * m[10]) / 2 - m[6] ** 2),
        "W = epsilon a z^5 + epsilon^2 h z^6 + epsilon^3 d z^7 + epsilon^4 e z^8.",
    )
    fourth = Identity(
        "fourth order of the variance",
        coefficient(_variance(mean), 4),
        -e * (m[10] - m[2] * m[8])
        + h**2 * ((m[14] - m[2] * m[12]) / 2 - m[6] * (m[8] - m[2] * m[6]))
        + a * d * (m[14] - m[2] * m[12] - 2 * m[6] * m[8])
        - a**2
        * h
        * (
            (m[18] - m[2] * m[16]) / 2
            - m[10] * (m[8] - m[2] * m[6]) / 2
            - m[6] * (m[12] - m[2] * m[10]) / 2
            - 2 * m[6] * (m[12] - m[6] ** 2)
        )
        + a**4
        * ((m[22] - m[2] * m[20]) / 24 - m[10] * (m[12] - m[2] * m[10]) / 4 - m[6] * m[16] / 3 + m[6] ** 2 * m[10]),
        "Where odd orders vanish, a = d = 0, its first two terms are left.",
    )
    values = {symbol: QUARTIC[k] for k, symbol in symbols.items()}
    return (a, h, d, e), values, (*known, *steps, second, fourth)


def minimum():
    """Mean and variance around a minimum with ``F_2 > 0``, in ``w = sqrt(t/F_2) x`` and ``epsilon = sqrt(t)``.

    Returns:
        ``(F, steps)`` with F the symbols ``F_2 .. F_6``.
    """
    two = sp.Symbol("F_2", positive=True)
    rest = sp.symbols("F_3:7", real=True)
    known = [
        Identity(f"normal moment {k}", claim, NORMAL[k], "Of the standard normal density.")
        for k, claim in _moments(sp.exp(-(_Z**2) / 2), 10)
    ]
    scaled = sp.symbols("a_3:7", real=True)
    width, w = 1 / sp.sqrt(two), sp.Symbol("w", real=True)
    values = tuple(f * width**k / sp.factorial(k) for k, f in enumerate(rest, 3))
    exponent = sum(a * _Z**k * EPS ** (k - 2) for k, a in enumerate(scaled, 3))
    substituted = Identity(
        "exponent in the scaled variable",
        sp.Subs(
            (two * w**2 / 2 + sum(f * w**k / sp.factorial(k) for k, f in enumerate(rest, 3))) / EPS**2,
            w,
            EPS * width * _Z,
        ),
        _Z**2 / 2 + sp.Subs(exponent, scaled, values),
        "w = epsilon z/sqrt(F_2) in (F_2 w^2/2 + F_3 w^3/6 + ... + F_6 w^6/720)/t with t = epsilon^2: "
        "a_k = F_k/(k! F_2^(k/2)).",
    )
    a_3, a_4, a_5, a_6 = scaled
    three, four, five, six = rest
    cubic, mean = _expanded("three to six", exponent, 3, NORMAL)
    even, mean_even = _expanded("four to six", exponent.subs(a_3, 0), 4, NORMAL)
    found = [
        Identity("mean: order 1", coefficient(mean(1) / mean(0), 1), -3 * a_3),
        Identity("mean: order 3", coefficient(mean(1) / mean(0), 3), -15 * a_5 + 96 * a_3 * a_4 - 135 * a_3**3),
        Identity("variance: order 2", coefficient(_variance(mean), 2), 36 * a_3**2 - 12 * a_4),
        Identity(
            "variance: order 4, a_3 = 0",
            coefficient(_variance(mean_even), 4),
            384 * a_4**2 - 90 * a_6,
            "a_5 enters later.",
        ),
    ]
    claims = (
        ("d_1", width, -three / (2 * two**2), "The mean of w is d_1 t + d_2 t^2 + ..."),
        (
            "d_2",
            width,
            -five / (8 * two**3) + 2 * three * four / (3 * two**4) - 5 * three**3 / (8 * two**5),
            "",
        ),
        (
            "V_2",
            1 / two,
            three**2 / two**4 - four / (2 * two**3),
            "The variance of w is t/F_2 + V_2 t^2 + V_3 t^3 + ...",
        ),
        ("V_3", 1 / two, 2 * four**2 / (3 * two**5) - six / (8 * two**4), "For F_3 = 0."),
    )
    named = [
        Identity(name, factor * sp.Subs(step.rhs, scaled, values), right, why)
        for (name, factor, right, why), step in zip(claims, found, strict=True)
    ]
    return (two, *rest), (*known, substituted, *cubic, *even, *found, *named)
