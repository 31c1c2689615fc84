"""The descent inequality for several scale-invariant groups and a scale-variant rest.

Statement.  L(w_1..w_m; g), scale-invariant in every w_i.  On a set that contains the unit-norm version of
every point of the step's segment let ``|d2L/dw_i dw_j| <= L_ij`` (symmetric), ``|d2L/dw_i dg| <= M_i``,
``|d2L/dg2| <= L_g`` at unit norm.  For c > 0 put ``K_i = sum_j L_ij + m M_i^2/(c L_g)`` (without the second
term when there is no g, or M_i = 0).  A gradient step with rates eta_i, eta_g gives, with G_i = |w_i|^2 and
g_i = |grad_{w_i} L|, ``L' - L <= - sum_i eta_i g_i^2 (1 - K_i eta_i/(2 G_i)) - eta_g |grad_g L|^2 (1 - (1 +
c) L_g eta_g/2)``.

For a sample step (SGD) step 'sample step' is the same before the first-order term is inserted.

Source.  Arora, Li, Lyu, ICLR 2019, arXiv:1812.03981, for the shape; constants derived in this package.
"""

from functools import lru_cache

import sympy as sp

from ..jets import plane
from ..proof import (
    Assumption,
    Citation,
    Definition,
    Identity,
    Inequality,
    Proof,
    Source,
    Summed,
    eq,
    instance,
    le,
)
from . import norm_growth, orthogonality


@lru_cache(maxsize=1)
def prove() -> Proof:
    """The proof; see the module for the statement."""
    i, j = sp.symbols("i j", integer=True)
    m = sp.Symbol("m", integer=True, positive=True)
    over, pairs = ((i, 1, m),), ((i, 1, m), (j, 1, m))
    block, mixed = sp.Function("L", nonnegative=True), sp.Function("M", nonnegative=True)
    total, rate = sp.Function("K", nonnegative=True), sp.Function("eta", positive=True)
    slope, norm2 = sp.Function("g", nonnegative=True), sp.Function("G", positive=True)
    c, rest = sp.symbols("c L_g", positive=True)
    rate_g, slope_g = sp.symbols("eta_g g_g", nonnegative=True)
    half = sp.Rational(1, 2)

    # The step, relative to the norms: a_i = eta_i g_i/|w_i| and b = eta_g g_g.
    a, b = sp.Function("a", nonnegative=True), sp.Symbol("b", nonnegative=True)
    norm = sp.sqrt(norm2(i))
    lengths = Definition("relative length", a(i), rate(i) * slope(i) / norm)
    length_g = Definition("length in g", b, rate_g * slope_g)

    # The segment, and what it does to the block bounds.
    far = sp.Function("N", positive=True)
    here, unit = sp.Function("H", nonnegative=True), sp.Function("U", nonnegative=True)
    here_g, unit_g = sp.Function("H_g", nonnegative=True), sp.Function("U_g", nonnegative=True)
    segment = Citation("segment", le(norm2(i), far(i) ** 2), norm_growth.prove(), "segment", (i,))
    longer = Inequality(
        "norms on the segment",
        norm,
        far(i),
        ((1 / (norm + far(i)), segment),),
        "N(i), the norm of w_i at any point of the segment, is at least |w_i|.",
    )
    scaled = Citation(
        "blocks off the sphere",
        eq(here(i, j), unit(i, j) / (far(i) * far(j))),
        orthogonality.prove(),
        "block homogeneity",
        (i, j),
    )
    scaled_g = Citation(
        "mixed blocks off the sphere",
        eq(here_g(i), unit_g(i) / far(i)),
        orthogonality.prove(),
        "mixed block homogeneity",
        (i,),
    )
    bound = Assumption(
        "block bounds",
        "|d2L/dw_i dw_j| <= L_ij at unit norm, on a set that contains the unit-norm version of the segment.",
        le(unit(i, j), block(i, j)),
        (i, j),
    )
    bound_g = Assumption("mixed block bounds", "|d2L/dw_i dg| <= M_i, there too.", le(unit_g(i), mixed(i)), (i,))
    norm_j = norm.subs(i, j)
    shrunk = Inequality(
        "blocks on the segment",
        here(i, j),
        block(i, j) / (norm * norm_j),
        (
            (1, scaled),
            (1 / (far(i) * far(j)), bound),
            (block(i, j) / (norm * norm_j * far(i)), longer),
            (block(i, j) / (norm_j * far(i) * far(j)), instance(longer, i=j)),
        ),
        "By homogeneity a block shrinks as the norms grow.",
    )
    shrunk_g = Inequality(
        "mixed blocks on the segment",
        here_g(i),
        mixed(i) / norm,
        ((1, scaled_g), (1 / far(i), bound_g), (mixed(i) / (norm * far(i)), longer)),
    )

    # Curvature along the segment: a quadratic form in the a_i and b.
    curvature, quadratic = sp.Symbol("phi2", real=True), sp.Symbol("Q", nonnegative=True)
    move = rate(i) * slope(i)
    blockwise = Assumption(
        "curvature block by block",
        "phi'' = <step, Hess L step> at a point of the segment is at most the sum over "
        "blocks of their norms times the lengths eta_i g_i and eta_g g_g (for a sample step, the sample's "
        "gradients); "
        "|d2L/dg2| <= L_g.",
        le(
            curvature,
            sp.Sum(here(i, j) * move * move.subs(i, j), *pairs) + sp.Sum(2 * here_g(i) * move * b, *over) + rest * b**2,
        ),
    )
    form = Definition(
        "Q",
        quadratic,
        sp.Sum(block(i, j) * a(i) * a(j), *pairs) + sp.Sum(2 * mixed(i) * a(i) * b, *over) + rest * b**2,
    )
    pair_terms = Summed(
        "blocks in relative lengths",
        here(i, j) * move * move.subs(i, j),
        block(i, j) * a(i) * a(j),
        pairs,
        (
            (half * move * move.subs(i, j), shrunk),
            (half * move * move.subs(i, j), instance(shrunk, i=j, j=i)),
            (-half * (block(i, j) + block(j, i)) * a(j), lengths),
            (-half * (block(i, j) + block(j, i)) * move / norm, instance(lengths, i=j)),
        ),
    )
    mixed_terms = Summed(
        "mixed blocks in relative lengths",
        2 * here_g(i) * move * b,
        2 * mixed(i) * a(i) * b,
        over,
        ((2 * move * b, shrunk_g), (-2 * mixed(i) * b, lengths)),
    )
    along = Inequality(
        "curvature on the segment",
        curvature,
        quadratic,
        ((1, blockwise), (1, pair_terms), (1, mixed_terms), (-1, form)),
        "At every point of it.",
    )

    # The two Young inequalities and the constants K_i.
    symmetric = Assumption(
        "symmetric blocks", "L_ij = L_ji: the Hessian is symmetric.", eq(block(i, j), block(j, i)), (i, j)
    )
    young = Summed(
        "Young for the blocks",
        block(i, j) * a(i) * a(j),
        block(i, j) * a(i) ** 2,
        pairs,
        (((a(j) ** 2 - a(i) * a(j)) / 2, symmetric), (block(i, j) / 2, (a(i) - a(j)) ** 2)),
        why="L_ij a_i a_j <= L_ij (a_i^2 + a_j^2)/2, summed; L is symmetric.",
    )
    weight = c * rest / m
    young_mixed = Summed(
        "Young for the mixed blocks",
        2 * mixed(i) * a(i) * b,
        mixed(i) ** 2 / weight * a(i) ** 2 + weight * b**2,
        over,
        ((weight, (b - mixed(i) * a(i) / weight) ** 2),),
        why="M_i a_i b <= (m M_i^2/(c L_g)) a_i^2/2 + (c L_g/m) b^2/2.",
    )
    constant = Definition("K", total(i), sp.Sum(block(i, j), (j, 1, m)) + m * mixed(i) ** 2 / (c * rest))
    collected = Summed(
        "collected",
        a(i) ** 2 * sp.Sum(block(i, j), (j, 1, m)) + mixed(i) ** 2 / weight * a(i) ** 2,
        total(i) * a(i) ** 2,
        over,
        ((-(a(i) ** 2), constant),),
        equality=True,
    )
    bounded = Inequality(
        "curvature bound",
        quadratic,
        sp.Sum(total(i) * a(i) ** 2, *over) + (1 + c) * rest * b**2,
        ((1, form), (1, young), (1, young_mixed), (1, collected)),
        "Q <= sum_i K_i a_i^2 + (1 + c) L_g b^2.",
    )

    # Taylor with integral remainder: phi(tau) is L at the point tau of the segment.
    tau = sp.Symbol("tau", real=True)
    phi = plane("phi", tau, 0)
    taylor = Identity(
        "Taylor",
        sp.Derivative(phi + (1 - tau) * sp.diff(phi, tau), tau),
        (1 - tau) * sp.diff(phi, tau, 2),
        "so phi(1) - phi(0) = phi'(0) + integral of (1-tau) phi''.",
    )
    weigh = Identity("weight of the remainder", sp.Integral(1 - tau, (tau, 0, 1)), half)
    before, after, remainder, start = sp.symbols("L_t L_{t+1} R D", real=True)
    integrated = Assumption(
        "calculus",
        "Fundamental theorem of calculus on 'Taylor': D = phi'(0), R the remainder.",
        eq(after - before, start + remainder),
        role="fact",
    )
    monotone = Assumption(
        "monotone integral",
        "(1 - tau) phi'' <= (1 - tau) Q on [0, 1] by 'curvature on the segment', integrated.",
        le(remainder, quadratic * sp.Integral(1 - tau, (tau, 0, 1))),
        role="fact",
    )
    taylor_bound = Inequality(
        "Taylor bound",
        after - before,
        start + quadratic / 2,
        ((1, integrated), (1, monotone), (quadratic, weigh)),
        "L' - L <= phi'(0) + Q/2.",
    )

    # Together.
    first_order = Assumption(
        "gradient step",
        "phi'(0) = <grad L, step>, and the step is -eta_i grad_i L, -eta_g grad_g L.",
        eq(start, -sp.Sum(rate(i) * slope(i) ** 2, *over) - rate_g * slope_g**2),
    )
    per_group = Summed(
        "curvature in the step",
        total(i) * a(i) ** 2,
        total(i) * rate(i) ** 2 * slope(i) ** 2 / norm2(i),
        over,
        ((total(i) * (a(i) + move / norm), lengths),),
        equality=True,
    )
    claim = Inequality(
        "descent",
        after - before,
        -sp.Sum(rate(i) * slope(i) ** 2 * (1 - total(i) * rate(i) / (2 * norm2(i))), *over)
        - rate_g * slope_g**2 * (1 - (1 + c) * rest * rate_g / 2),
        (
            (1, taylor_bound),
            (1, first_order),
            (half, bounded),
            (half, per_group),
            (half * (1 + c) * rest * (b + rate_g * slope_g), length_g),
        ),
    )
    sample = Inequality(
        "sample step",
        after - before,
        start
        + sp.Sum(total(i) * rate(i) ** 2 * slope(i) ** 2 / norm2(i), *over) / 2
        + (1 + c) * rest * rate_g**2 * slope_g**2 / 2,
        (
            (1, taylor_bound),
            (half, bounded),
            (half, per_group),
            (half * (1 + c) * rest * (b + rate_g * slope_g), length_g),
        ),
        "For a step along a sample's gradients g_i, g_g the first-order term D stays as it is.",
    )
    return Proof(
        "arora2019.descent",
        "Descent inequality",
        "L_{t+1} - L_t <= - sum_i eta_i g_i^2 (1 - K_i eta_i/(2 G_i)) - eta_g g_g^2 (1 - (1+c) L_g eta_g/2), "
        "K_i = sum_j L_ij + m M_i^2/(c L_g)",
        (
            lengths,
            length_g,
            segment,
            longer,
            scaled,
            scaled_g,
            bound,
            bound_g,
            shrunk,
            shrunk_g,
            blockwise,
            form,
            pair_terms,
            mixed_terms,
            along,
            symmetric,
            young,
            young_mixed,
            constant,
            collected,
            bounded,
            taylor,
            weigh,
            integrated,
            monotone,
            taylor_bound,
            per_group,
            sample,
            first_order,
            claim,
        ),
        Source(
            "Arora, Li, Lyu, ICLR 2019, arXiv:1812.03981",
            "descent of the loss; constants derived here",
            "paper",
        ),
    )
