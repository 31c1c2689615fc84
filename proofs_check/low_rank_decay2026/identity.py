"""Weight decay is radial, low-rank decay is not: what either does to singular values, ranks and the direction.

Statement.  Let W have rank r and the non-zero singular values s_1 >= s_2 >= .. >= s_r, with singular vectors u_i, v_i;
P = sum u_i v_i^T is its polar factor, S = sum s_i the nuclear norm and Q = sum s_i^2 = |W|_F^2.

* Radial decay W -> c W, c > 0, multiplies all s_i by c: ratios, the stable rank Q/s_1^2 and the effective rank
  (the exponential of the entropy H of s_i/S) stay, and so does every scale-invariant function.
* <P, W> = S and |P|_F^2 = r.  The part of P across W, T = P - (S/Q) W, has <T, W> = 0 and
  ``|T|_F^2 = r - S^2/Q = sum_ij (s_i - s_j)^2/(2 Q)``: it vanishes exactly where all s_i are equal.
* Low-rank decay W -> W - delta P, 0 < delta < s_r, takes delta from every s_i.  Then
  ``s_i/s_1 - (s_i - delta)/(s_1 - delta) = delta (s_1 - s_i)/(s_1 (s_1 - delta)) >= 0``: the stable rank does not grow,
  and falls unless all s_i are equal.  ``dH/d delta = -sum_ij (s_i - s_j)(log s_i - log s_j)/(2 S^2)``, which is at most
  ``-sum_ij (s_i - s_j)^2/(s_i + s_j)/(2 S^2)``: the effective rank does not grow either, with the same exception.
* Beyond the smallest singular value.  The soft threshold max(s_i - delta, 0) is what is meant by low-rank decay here:
  both ranks still do not grow, for every delta < s_1.  The bare step W - delta P makes |s_i - delta| of s_i, and raises
  the share of s_i as soon as delta exceeds the harmonic mean 2 s_1 s_i/(s_1 + s_i).

That matrices with the same singular vectors multiply as their singular values do, and that a sum of positive numbers is
positive, is taken as a fact; the rest is algebra in generic r.

Source.  Derived in this package, on the subject of Li, arXiv:2606.04405.
"""

from functools import lru_cache

import sympy as sp

from .. import logarithm
from ..proof import AroundOne, Assumption, Definition, Identity, Inequality, Proof, Source, Summed, eq, instance

I, J, K = sp.symbols("i j k", integer=True)
R = sp.Symbol("r", integer=True, positive=True)
C, DELTA, S, Q, TOP = sp.symbols("c delta S Q s_1", positive=True)
VALUE = sp.Function("s", positive=True)
INDEX = (I, 1, R)


def over(term):
    """The sum of a term in i over all singular values."""
    return sp.Sum(term, INDEX)


@lru_cache(maxsize=1)
def prove() -> Proof:
    """The proof; see the module for the statement."""
    vectors = Assumption(
        "the same singular vectors",
        "The r matrices u_i v_i^T are orthonormal: <u_i v_i^T, u_j v_j^T> = <u_i, u_j><v_i, v_j>. So the inner product "
        "of sum a_i u_i v_i^T and sum b_i u_i v_i^T is sum a_i b_i. W has the coordinates s_i, P has 1.",
        role="fact",
    )
    nuclear = Assumption(
        "S", "A name for the nuclear norm; positive as every s_i is.", eq(S, over(VALUE(I))), role="fact"
    )
    frobenius = Assumption("Q", "A name for the squared Frobenius norm.", eq(Q, over(VALUE(I) ** 2)), role="fact")
    named = (vectors, nuclear, frobenius)
    return Proof(
        "low_rank_decay2026.identity",
        "Radial decay keeps the shape of the spectrum, low-rank decay narrows it",
        "weight decay keeps stable and effective rank, low-rank decay lowers both unless all singular values are "
        "equal; |T|_F^2 = r - S^2/Q = sum_ij (s_i - s_j)^2/(2 Q) is what it does across W",
        (*named, *_radial(nuclear, frobenius), *_tangential(nuclear, frobenius), *_stable_rank(), *_entropy()),
        Source("Li, arXiv:2606.04405", "radial and low-rank decay of scale-invariant matrices", "derived"),
    )


def _radial(nuclear, frobenius):
    after, total_after = sp.Function("x", positive=True), sp.Symbol("S_c", positive=True)
    step = Definition("radial step", after(I), C * VALUE(I), "A singular value of c W.")
    total = Definition("nuclear norm of c W", total_after, C * S)
    yield from (step, total)
    yield Identity("radial: ratios", after(I) / after(J), VALUE(I) / VALUE(J), rewrite=(step, instance(step, i=J)))
    yield Identity(
        "radial: stable rank",
        over((C * VALUE(I)) ** 2) / (C * TOP) ** 2,
        Q / TOP**2,
        "|c W|_F^2/|c W|_2^2.",
        ((-1 / TOP**2, frobenius),),
    )
    yield Identity("radial: nuclear norm", over(C * VALUE(I)), total_after, "", ((-C, nuclear), (-1, total)))
    yield Identity(
        "radial: shares",
        after(I) / total_after,
        VALUE(I) / S,
        "The shares s_i/S stay, and with them their entropy and the effective rank.",
        rewrite=(step, total),
    )
    loss, w = sp.Function("L", real=True), sp.Symbol("w", real=True)
    yield Assumption(
        "no function is changed",
        "Where L is scale-invariant: radial decay, with a factor c = 1 - eta lambda > 0, is one of its rescalings. (w "
        "stands for a matrix.)",
        eq(loss(C * w), loss(w)),
        (C, w),
    )


def _tangential(nuclear, frobenius):
    part = 1 - S / Q * VALUE(I)  # the coordinates of T
    yield Identity("<P, W>", over(1 * VALUE(I)), S, "The coordinates of P are 1.", ((-1, nuclear),))
    yield Identity("|P|^2", over(sp.S.One), R)
    yield Identity(
        "<T, W> = 0",
        over(part * VALUE(I)),
        0,
        "T = P - (S/Q) W is orthogonal to W.",
        ((-1, nuclear), (S / Q, frobenius)),
    )
    square = Identity(
        "|T|^2",
        over(part**2),
        R - S**2 / Q,
        "r - 2 S^2/Q + (S/Q)^2 Q.",
        ((2 * S / Q, nuclear), (-(S**2) / Q**2, frobenius)),
    )
    yield square
    yield Identity(
        "what a step is made of",
        VALUE(I) - DELTA,
        (1 - DELTA * S / Q) * VALUE(I) - DELTA * part,
        "W - delta P = (1 - delta S/Q) W - delta T: a radial part, which changes no function, and one across W.",
    )
    inner = Identity(
        "squared differences from one value",
        over((VALUE(I) - VALUE(K)) ** 2),
        Q - 2 * S * VALUE(K) + R * VALUE(K) ** 2,
        "For every k.",
        ((-1, frobenius), (2 * VALUE(K), nuclear)),
    )
    pairs = Identity(
        "squared differences of all pairs",
        over(Q - 2 * S * VALUE(I) + R * VALUE(I) ** 2),
        2 * (R * Q - S**2),
        "The step before, summed over k (called i here): sum_ij (s_i - s_j)^2.",
        ((2 * S, nuclear), (-R, frobenius)),
    )
    yield from (inner, pairs)
    yield Identity(
        "|T|^2 by pairs",
        over(part**2),
        over(Q - 2 * S * VALUE(I) + R * VALUE(I) ** 2) / (2 * Q),
        "|T|^2 = sum_ij (s_i - s_j)^2/(2 Q).",
        ((1, square), (-1 / (2 * Q), pairs)),
    )
    yield Summed(
        "|T|^2 is not negative",
        sp.S.Zero,
        (VALUE(I) - VALUE(J)) ** 2 / (2 * Q),
        (INDEX, (J, 1, R)),
        ((1 / (2 * Q), (VALUE(I) - VALUE(J)) ** 2),),
    )
    yield Assumption(
        "T = 0",
        "By '|T|^2 by pairs' T is 0 if and only if s_i = s_j for all pairs: then low-rank decay is radial, too.",
        role="conclusion",
    )


def _stable_rank():
    s, top = VALUE(I), TOP
    yield Identity(
        "relative singular values",
        s / top - (s - DELTA) / (top - DELTA),
        DELTA * (top - s) / (top * (top - DELTA)),
        "For every delta but s_1. By how much a step lowers s_i/s_1: by nothing where s_i = s_1.",
    )
    # After a step, so that what is positive is seen to be: a_i = s_i - delta > 0, a_1 = a_i + g_i the largest.
    a, gap = sp.Function("a", positive=True)(I), sp.Function("g", nonnegative=True)(I)
    first = sp.Symbol("a_1", positive=True)
    largest = Assumption(
        "a_1 is the largest",
        "a_i = s_i - delta > 0 after a step of 0 < delta < s_r; g_i >= 0 is what a_i lacks of the largest, a_1.",
        eq(first, a + gap),
        (I,),
    )
    weight = (a * (first + DELTA) + (a + DELTA) * first) / (first**2 * (first + DELTA) ** 2)
    yield largest
    yield Summed(
        "the stable rank does not grow",
        (a / first) ** 2,
        ((a + DELTA) / (first + DELTA)) ** 2,
        (INDEX,),
        ((DELTA * weight, gap), (-DELTA * weight, largest)),
        why="Summand by summand the fall is delta g_i times a positive number: strict where some g_i > 0.",
    )
    share = sp.Symbol("s", positive=True)
    yield Inequality(
        "what the soft threshold cuts off",
        sp.S.Zero,
        (share / top) ** 2,
        ((1, (share / top) ** 2),),
        "Where delta >= s_i the value becomes 0: that share of the stable rank does not grow either.",
    )
    yield Identity(
        "the bare step overshoots",
        (DELTA - s) / (top - DELTA) - s / top,
        (DELTA * (top + s) - 2 * top * s) / (top * (top - DELTA)),
        "W - delta P turns s_i < delta into delta - s_i. Between s_i and s_1 that raises its share as soon as delta is "
        "above the harmonic mean 2 s_1 s_i/(s_1 + s_i).",
    )


def _entropy():
    a, other = (sp.Function("a", positive=True)(index) for index in (I, J))
    x = sp.Symbol("x", real=True)
    logs, mixed = sp.symbols("l m", real=True)
    whole, z = sp.symbols("A z", positive=True)
    bounds = logarithm.bounds()
    below = bounds["below"]
    y = below.variable
    sum_a = Assumption("A", "A name for the nuclear norm after the step.", eq(whole, over(a)), role="fact")
    sum_log = Assumption("l", "A name.", eq(logs, over(sp.log(a))), role="fact")
    sum_mixed = Assumption("m", "A name.", eq(mixed, over(a * sp.log(a))), role="fact")
    yield from (sum_a, sum_log, sum_mixed)
    yield Identity(
        "entropy",
        over(-a / whole * sp.log(a / whole)),
        sp.log(whole) - mixed / whole,
        "H = -sum q_i log q_i, q_i = a_i/A.",
        ((1 / whole, sum_mixed), (-sp.log(whole) / whole, sum_a)),
    )
    after = over(a - x)
    yield Identity(
        "slope of the entropy",
        sp.Subs(sp.Derivative(sp.log(after) - over((a - x) * sp.log(a - x)) / after, x), x, 0),
        (whole * logs - R * mixed) / whole**2,
        "dH/dx at x = 0, all a_i lowered by x: (A l - r m)/A^2.",
        rewrite=(sum_a, sum_log, sum_mixed),
    )
    at = sp.Function("a", positive=True)(K)
    yield Identity(
        "one row of pairs",
        over((a - at) * (sp.log(a) - sp.log(at))),
        mixed - sp.log(at) * whole - at * logs + R * at * sp.log(at),
        "For every k.",
        ((-1, sum_mixed), (sp.log(at), sum_a), (at, sum_log)),
    )
    pairs = Identity(
        "all pairs",
        over(mixed - sp.log(a) * whole - a * logs + R * a * sp.log(a)),
        2 * (R * mixed - whole * logs),
        "The step before, summed over k (called i here): sum_ij (a_i - a_j)(log a_i - log a_j).",
        ((whole, sum_log), (logs, sum_a), (-R, sum_mixed)),
    )
    yield pairs
    yield Identity(
        "slope of the entropy, by pairs",
        (whole * logs - R * mixed) / whole**2,
        -over(mixed - sp.log(a) * whole - a * logs + R * a * sp.log(a)) / (2 * whole**2),
        "dH/d delta = -sum_ij (a_i - a_j)(log a_i - log a_j)/(2 A^2).",
        ((1 / (2 * whole**2), pairs),),
    )
    above_one = Inequality(
        "a pair, above 1",
        y**2 / (2 + y),
        y * sp.log(1 + y),
        ((y, below), (1, y**2 / ((1 + y) * (2 + y)))),
    )
    below_one = Inequality(
        "a pair, below 1",
        y**2 / ((1 + y) * (2 + y)),
        y / (1 + y) * sp.log(1 + y),
        ((y / (1 + y), below), (1, y**2 / ((1 + y) ** 2 * (2 + y)))),
    )
    pair = AroundOne(
        "a pair", (z - 1) ** 2 / (1 + z), (z - 1) * sp.log(z), z, above_one, below_one, y, "For every z > 0."
    )
    yield from (below, above_one, below_one, pair)
    yield Summed(
        "the entropy does not grow",
        (a - other) ** 2 / (a + other),
        (a - other) * (sp.log(a) - sp.log(other)),
        (INDEX, (J, 1, R)),
        ((other, instance(pair, z=a / other)),),
        why="So -2 A^2 dH/d delta >= sum_ij (a_i - a_j)^2/(a_i + a_j), strictly positive unless all are equal.",
    )
    yield Assumption(
        "several steps, and the soft threshold",
        "By 'slope of the entropy, by pairs' and 'the entropy does not grow' H falls along delta in (0, s_r) unless "
        "all are equal. Where a value reaches 0 it drops out of all sums, H being continuous (x log x -> 0): the same "
        "holds for those left, up to delta = s_1.",
        role="conclusion",
    )
