"""SGD with weight decay: an exact recursion for the effective rate, and the angle of every step.

Statement.  Without momentum, for any schedules with ``a_t = 1 - eta_t lambda_t > 0`` and any scale-invariant
L_t, with ``r_t = |w_t|``, ``Phi_t = eta_t/(a_t r_t^2)`` and the gradient at unit norm ``gbar_t = r_t grad
L_t(w_t)``: ``r_{t+1}^2 = a_t^2 r_t^2 (1 + Phi_t^2 |gbar_t|^2)``, the step turns the direction by the angle
whose tangent is ``Phi_t |gbar_t|``, and ``Phi_{t+1} = B_t Phi_t/(1 + Phi_t^2 |gbar_t|^2)`` with ``B_t =
eta_{t+1}/(eta_t a_t a_{t+1})``.  Phi_t is the effective rate of the equivalent run without weight decay.

Source.  Derived in this package.
"""

from functools import lru_cache

import sympy as sp

from ..arora2019 import orthogonality
from ..proof import Assumption, Citation, Definition, Identity, Inequality, Proof, Source, eq
from ..vectors import dot, gram, vector
from . import any_schedule


@lru_cache(maxsize=1)
def prove() -> Proof:
    """The proof; see the module for the statement."""
    eta, eta_next, a, a_next, G, G_next, p = sp.symbols("eta eta' a a' G G' p", positive=True)  # G = r^2 = |w|^2
    lam, n2 = sp.symbols("lambda n2", nonnegative=True)  # n2 = |gbar|^2
    w, g = vector("w"), vector("g")
    step = a * w - eta * g

    orthogonal = Citation("<w, grad> = 0", eq(gram("g", "w"), 0), orthogonality.prove(), "orthogonality")
    at_unit = Citation(
        "gradient at unit norm", eq(gram("g", "g"), n2 / G), orthogonality.prove(), "gradient homogeneity"
    )
    squared = Assumption("squared norm", "w is not 0: G = r^2 = |w|^2 > 0.", eq(gram("w", "w"), G))
    small = Assumption("decay below 1", "eta_t lambda_t < 1 at every step: a_t > 0.", eq(a, 1 - eta * lam))
    phi = Definition("Phi", sp.Symbol("Phi", positive=True), eta / (a * G))
    Phi = phi.symbol
    decayed = Identity(
        "step",
        dot(w - eta * (g + lam * w), vector("x")),
        dot(step, vector("x")),
        "w - eta (grad L(w) + lambda w) = a w - eta grad L(w), against any vector x.",
        ((-gram("w", "x"), small),),
    )
    length = Identity(
        "length",
        dot(step, step),
        a**2 * G + eta**2 * n2 / G,
        "By orthogonality.",
        ((-2 * a * eta, orthogonal), (a**2, squared), (eta**2, at_unit)),
    )
    growth = Identity(
        "growth",
        dot(step, step),
        a**2 * G * (1 + Phi**2 * n2),
        "r_{t+1}^2 = a_t^2 r_t^2 (1 + Phi_t^2 |gbar_t|^2).",
        ((1, length), (-(a**2) * G * n2 * (Phi + eta / (a * G)), phi)),
    )
    following = Definition("next squared norm", G_next, a**2 * G * (1 + Phi**2 * n2), "By 'growth'.")
    along = Identity(
        "along the old direction",
        dot(step, w),
        a * G,
        "It is positive: the angle is below a right one.",
        ((a, squared), (-eta, orthogonal)),
    )
    cosine = Identity(
        "cosine",
        (a * G) ** 2 / (G * G_next),
        1 / (1 + Phi**2 * n2),
        "cos^2 = <w_{t+1}, w_t>^2/(|w_t|^2 |w_{t+1}|^2), by 'along the old direction' and 'growth'.",
        (),
        (following,),
    )
    tangent = Identity(
        "tangent",
        G * G_next / (a * G) ** 2 - 1,
        Phi**2 * n2,
        "tan^2 = 1/cos^2 - 1: the tangent is Phi |gbar|.",
        (),
        (following,),
    )
    balance = Identity(
        "length and angle",
        G_next / G,
        a**2 * (1 + Phi**2 * n2),
        "r_{t+1}/r_t = a_t/cos: the norm stands still where the cosine is a_t.",
        (),
        (following,),
    )
    recursion = Identity(
        "effective rate",
        eta_next / (a_next * G_next),
        eta_next / (eta * a * a_next) * Phi / (1 + Phi**2 * n2),
        "Phi_{t+1} = B_t Phi_t/(1 + Phi_t^2 |gbar_t|^2).",
        (),
        (following, phi),
    )
    constant = Identity(
        "effective rate, constant schedules",
        eta / (a * G_next),
        Phi / (a**2 * (1 + Phi**2 * n2)),
        "B = a^-2.",
        (),
        (following, phi),
    )
    at_most = Inequality(
        "largest growth",
        eta_next / (a_next * G_next),
        eta_next / (eta * a * a_next) * Phi,
        (
            (1, eta_next / (eta * a * a_next) * Phi * Phi**2 * n2 / (1 + Phi**2 * n2)),
            (1, recursion),
        ),
        "Phi_{t+1} <= B_t Phi_t, with equality where the gradient is 0.",
    )
    plain = sp.Symbol("|W|^2", positive=True)
    decay_free = Citation(
        "equivalent run",
        eq(G, p**2 * plain),
        any_schedule.prove(),
        "every step",
    )
    same = Identity(
        "Phi without weight decay",
        eta / (p * (a * p)) / plain,
        Phi,
        "With w_t = p_t W_t and p_{t+1} = a_t p_t (gamma = 0), the rate eta_t/(p_t p_{t+1}) over |W_t|^2 is Phi_t.",
        ((eta / (a * G * p**2 * plain), decay_free), (-1, phi)),
    )
    return Proof(
        "li2020.effective_rate_recursion",
        "Exact recursion of the effective rate with weight decay",
        "r'^2 = a^2 r^2 (1 + Phi^2 |gbar|^2), tan(angle) = Phi |gbar|, Phi' = B Phi/(1 + Phi^2 |gbar|^2)",
        (
            orthogonal,
            at_unit,
            squared,
            small,
            phi,
            decayed,
            length,
            growth,
            following,
            along,
            cosine,
            tangent,
            balance,
            recursion,
            constant,
            at_most,
            decay_free,
            same,
        ),
        Source("This package", "exact effective-rate recursion", "derived"),
    )
