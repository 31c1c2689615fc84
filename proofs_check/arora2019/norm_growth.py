"""Norm growth: a gradient step on a scale-invariant loss adds exactly its squared length to |w|^2.

Statement.  For w' = w - eta grad L_z(w), with L_z scale-invariant, and G = |w|^2, v = w/|w|:
``G' = G + eta^2 |grad L_z(w)|^2 = G + eta^2 |grad L_z(v)|^2 / G``.  Hence G never decreases and
``sum_{t<T} eta_t^2 |grad L_z(w_t)|^2 = G_T - G_0``, for every schedule and every sequence of samples.

Source.  Arora, Li, Lyu, ICLR 2019, arXiv:1812.03981.
"""

from functools import lru_cache

import sympy as sp

from ..proof import Assumption, Citation, Identity, Induction, Inequality, Proof, Source, eq
from ..vectors import dot, gram, vector
from . import orthogonality


@lru_cache(maxsize=1)
def prove() -> Proof:
    """The proof; see the module for the statement."""
    lemma = orthogonality.prove()
    eta, tau = sp.symbols("eta tau", nonnegative=True)
    w, g = vector("w"), vector("g")
    norm2, unit2 = sp.Symbol("G", positive=True), sp.Symbol("n2", nonnegative=True)  # n2 = |grad L_z(v)|^2
    t = sp.Symbol("t", integer=True, nonnegative=True)
    squared_norm = sp.Function("G", positive=True)
    added, spent = sp.Function("x", nonnegative=True), sp.Function("S", real=True)

    orthogonal = Citation("<w, grad> = 0", eq(gram("g", "w"), 0), lemma, "orthogonality")
    at_unit = Citation("gradient at unit norm", eq(gram("g", "g"), unit2 / norm2), lemma, "gradient homogeneity")
    step = w - eta * g
    growth = Identity(
        "growth",
        dot(step, step),
        gram("w", "w") + eta**2 * gram("g", "g"),
        "|w - eta g|^2 with g = grad L_z(w).",
        ((-2 * eta, orthogonal),),
    )
    part = w - tau * eta * g
    recurrence = Assumption(
        "recurrence",
        "By 'growth', with x(t) = eta_t^2 |grad L_z(w_t)|^2 >= 0, at every step.",
        eq(squared_norm(t + 1), squared_norm(t) + added(t)),
        (t,),
    )
    total = Assumption(
        "partial sums", "S(t) is the sum of x(s) over s < t.", eq(spent(t + 1), spent(t) + added(t)), (t,)
    )
    empty = Assumption("empty sum", "A sum without terms is 0.", eq(spent(0), 0), role="fact")
    return Proof(
        "arora2019.norm_growth",
        "Growth of the norm",
        "G_{t+1} = G_t + eta_t^2 |grad L_z(w_t)|^2 = G_t + eta_t^2 |grad L_z(v_t)|^2 / G_t",
        (
            orthogonal,
            growth,
            Inequality(
                "segment",
                gram("w", "w"),
                dot(part, part),
                ((2 * tau * eta, orthogonal), (tau**2 * eta**2, gram("g", "g"))),
                "Every point w - tau eta g of the step is at least as long as w.",
            ),
            at_unit,
            Identity(
                "growth at unit norm",
                eta**2 * gram("g", "g"),
                eta**2 * unit2 / norm2,
                "The same with the gradient at v = w/|w|.",
                ((eta**2, at_unit),),
            ),
            recurrence,
            total,
            empty,
            Induction(
                "telescoped",
                spent(t),
                squared_norm(t) - squared_norm(0),
                t,
                ((1, empty),),
                ((-1, recurrence), (1, total)),
                why="The squared steps add up to the growth of G.",
            ),
            Induction(
                "never decreases",
                squared_norm(0),
                squared_norm(t),
                t,
                (),
                ((-1, recurrence), (1, added(t))),
                equality=False,
            ),
        ),
        Source("Arora, Li, Lyu, ICLR 2019, arXiv:1812.03981", "growth of the squared norm", "paper"),
    )
