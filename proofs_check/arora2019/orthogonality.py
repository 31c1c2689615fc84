"""Orthogonality and homogeneity of a scale-invariant loss.

Statement.  Let L be twice differentiable and L(c w) = L(w) for every c > 0.  Then, in every dimension,
``<w, grad L(w)> = 0``, ``grad L(c w) = grad L(w)/c``, ``Hess L(c w) = Hess L(w)/c^2`` and ``Hess L(w) w =
-grad L(w)``; with several groups the block of (w_i, w_j) scales by ``1/(c_i c_j)`` and that of (w_i, g) by
``1/c_i``.  At unit norm ``|grad_i L| <= L_ii`` if ``|Hess_ii L| <= L_ii``.

Method.  L is restricted to a plane spanned by arbitrary directions, where it is an abstract function of two
real variables; since the directions are arbitrary this is the statement in generic dimension.

Source.  Orthogonality: Arora, Li, Lyu, ICLR 2019, arXiv:1812.03981; the homogeneity of the gradient also in
Li, Arora, ICLR 2020, arXiv:1910.07454.  The Hessian identities and the gradient bound are derived in this
package.
"""

from functools import lru_cache

import sympy as sp

from ..jets import plane
from ..proof import Assumption, Citation, Identity, Inequality, Proof, Source, eq, le


def homogeneous_field(field, t, c, x) -> Citation:
    """``grad_t(c x) = grad_t(x)/c`` for all t, c > 0 and x: the citation that proofs about whole runs start from.

    ``field`` is the gradient field of the sample of step t as a function of (t, x); ``x`` stands for a vector.
    """
    return Citation("homogeneity", eq(field(t, c * x), field(t, x) / c), prove(), "gradient homogeneity", (t, c, x))


@lru_cache(maxsize=1)
def prove() -> Proof:
    """The proof; see the module for the statement."""
    c, k = sp.symbols("c k", positive=True)
    s, r = sp.symbols("s r", real=True)
    n = sp.Symbol("n", positive=True)
    bound = sp.Symbol("L_ii", nonnegative=True)

    def at_origin(expression, *variables):
        return sp.Subs(sp.Derivative(expression, *variables), (s, r), (0, 0))

    # psi(s, 0) = L(w + s u), so L((1 + r) w + s u) = L(w + s/(1 + r) u) for r > -1: the plane of w and u.
    radial, along = plane("psi", s / (1 + r), 0), plane("psi", s, 0)
    # phi(s, r) = L(w + s u + r x), so L(c w + s u + r x) = phi(s/c, r/c).
    scaled, plain = plane("phi", s / c, r / c), plane("phi", s, r)
    # chi(s, r) = L(w_1 + s u, w_2 + r x), u in the first group, x in the second; the groups are scaled by
    # c and k.
    blocks, pair = plane("chi", s / c, r / k), plane("chi", s, r)
    # omega(s, r) = L(w + s u, g + r x): the rest g is not scaled.
    mixed, rest = plane("omega", s / c, r), plane("omega", s, r)

    hessian_along = Identity(
        "Hessian along w",
        at_origin(radial, r, s),
        -at_origin(along, s),
        "Differentiating L((1+r) w + s u) = psi(s/(1+r), 0) in r and s: u^T Hess L(w) w = -<u, grad L(w)>, "
        "for every u.",
    )
    steepest = Assumption(
        "direction of the gradient",
        "From here on |w| = 1, u = grad L(w) and n = |u| > 0 (n = 0 needs no bound), so <u, grad L(w)> = n^2.",
        eq(at_origin(along, s), n**2),
        role="fact",
    )
    operator_norm = Assumption(
        "block bound at unit norm",
        "|Hess L(w)| <= L_ii at |w| = 1, so -u^T Hess L(w) w <= L_ii |u| |w|.",
        le(-at_origin(radial, r, s), bound * n),
    )
    steps = (
        Assumption(
            "scale invariance",
            "L is twice differentiable and L(c w) = L(w) for every c > 0, away from w = 0. With arbitrary "
            "directions "
            "u, x, abstract smooth functions of (s, r): psi(s, 0) = L(w + s u), phi = L(w + s u + r x), "
            "chi = L(w_1 + s u, w_2 + r x), omega = L(w + s u, g + r x).",
        ),
        Identity(
            "orthogonality",
            at_origin(radial, r),
            0,
            "Differentiating L((1+r) w + s u) = psi(s/(1+r), 0) in r: <w, grad L(w)> = 0.",
        ),
        hessian_along,
        Identity("Hessian on w twice", at_origin(radial, r, r), 0, "w^T Hess L(w) w = 0."),
        Identity(
            "gradient homogeneity",
            at_origin(scaled, s),
            at_origin(plain, s) / c,
            "L(c w + s u + r x) = phi(s/c, r/c): <u, grad L(c w)> = <u, grad L(w)>/c, for every u.",
        ),
        Identity(
            "Hessian homogeneity",
            at_origin(scaled, s, r),
            at_origin(plain, s, r) / c**2,
            "u^T Hess L(c w) x = u^T Hess L(w) x / c^2, for every u and x.",
        ),
        Identity(
            "block homogeneity",
            at_origin(blocks, s, r),
            at_origin(pair, s, r) / (c * k),
            "The block of two groups is divided by c k when the groups are multiplied by c and k.",
        ),
        Identity(
            "mixed block homogeneity",
            at_origin(mixed, s, r),
            at_origin(rest, s, r) / c,
            "The block of a group and the scale-variant rest is divided by c.",
        ),
        steepest,
        operator_norm,
        Inequality(
            "gradient bound",
            n,
            bound,
            ((1 / n, operator_norm), (1 / n, hessian_along), (-1 / n, steepest)),
            "|grad L| <= L_ii at unit norm.",
        ),
    )
    return Proof(
        "arora2019.orthogonality",
        "Orthogonality and homogeneity of a scale-invariant loss",
        "<w, grad L(w)> = 0, grad L(c w) = grad L(w)/c, Hess L(c w) = Hess L(w)/c^2, Hess L(w) w = -grad L(w)",
        steps,
        Source(
            "Arora, Li, Lyu, ICLR 2019, arXiv:1812.03981",
            "orthogonality; Hessian identities derived here",
            "paper",
        ),
    )
