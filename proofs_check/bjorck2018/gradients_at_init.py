"""Gradients at the start of training: what a normalisation takes out of them, and how activations grow with depth.

Statement.  (1) Let ``y_j = (x_j - m)/s`` with mean m and standard deviation s of n numbers.  For every gradient u by
the outputs, ``dL/dx_j = (u_j - mean(u) - y_j mean(u y))/s``, so that ``sum_j dL/dx_j = sum_j dL/dx_j y_j = 0``; with
epsilon added to the variance v the first is still 0 and the second ``n mean(u y) epsilon/(v + epsilon)^(3/2)``.
(2) A kernel's gradient is a sum of ``d_b a_b`` over images and places.  Its part ``(sum_b d_b) abar``, which knows the
input by its mean only, vanishes behind a normalisation of each channel: exactly for a linear layer, a 1 x 1 kernel and
the middle tap of a kernel padded by zeros; for its other taps but for places where the kernel hangs over the border.
(3) ``|sum_b d_b a_b| <= sum_b |d_b a_b|``, with equality if and only if nothing cancels: with the sums P and Q of the
positive and the negative terms, the ratio's square is ``1 - 4 P Q/(P + Q)^2``.
(4) A residual block ``relu(x + f)`` that keeps the shape and whose branch f is as likely as -f, on x >= 0: the mean
square grows by at least half of that of f and at most all of it.  Without normalisation, f two convolutions that start
with mean 0 and variance ``2/fan_in``: that of f, given x, is between ``c = 2 r^2`` and 2 times that of x, with r the
least share of a kernel's taps through which a place of the image enters the output.  For 3 x 3 taps padded by zeros
r = 4/9, attained in the corners, and everywhere on 2 x 2 places, where f has exactly ``2 (4/9)^2`` times the mean
square of x.  What f has depends on where x is large, and so on the block; every block grows by ``1 + r^2`` to 3, and
k of them exponentially in k.  With a normalisation behind f its mean square is 1: growth by 1/2 to 1 a block, linear.
Means are over the start's weights and, in (4), over images, channels and places.

Source.  Derived in this package, on the subject of Bjorck, Gomes, Selman, Weinberger, NeurIPS 2018, arXiv:1806.02375.
"""

from functools import lru_cache

import sympy as sp

from ..proof import Assumption, Definition, Identity, Induction, Inequality, Proof, Source, Summed, eq, le

N = sp.Symbol("n", integer=True, positive=True)
I, J = sp.symbols("i j", integer=True)
OVER = (I, 1, N)


@lru_cache(maxsize=1)
def prove() -> Proof:
    """The proof; see the module for the statement."""
    return Proof(
        "bjorck2018.gradients_at_init",
        "Gradients at the start, with and without normalisation",
        "sum_b d_b = sum_b d_b y_b = 0 behind a normalisation; second moments grow linearly in the number of blocks "
        "with it and exponentially, by 1 + r^2 to 3 a block, without",
        (*_backward(), *_epsilon(), *_kernel(), *_cancellation(), *_branch(), *_block(), *_depth()),
        Source("This package", "gradients and moments at initialisation", "derived"),
    )


def _backward():
    """The gradient by the numbers that are normalised."""
    tau = sp.Symbol("tau", real=True)
    s = sp.Symbol("s", positive=True)
    m, h_mean, u_mean, p = sp.symbols("m hbar ubar p", real=True)
    x, h, u, y = (sp.Function(name, real=True) for name in "xhuy")

    mean = Definition("mean", m, sp.Sum(x(I), OVER) / N, "m is the mean of the n numbers x_i.")
    variance = Assumption("variance", "s^2 > 0 is their variance.", eq(s**2, sp.Sum((x(I) - m) ** 2, OVER) / N))
    output = Definition("y", y(J), (x(J) - m) / s)
    centred = Identity(
        "sum of y",
        sp.Sum((x(I) - m) / s, OVER),
        0,
        "The outputs have mean 0.",
        ((-N / s, mean),),
    )
    unit = Identity(
        "sum of y^2",
        sp.Sum(((x(I) - m) / s) ** 2, OVER),
        N,
        "Their mean square is 1, whatever x.",
        ((-N / s**2, variance),),
    )
    shift = Definition("mean of h", h_mean, sp.Sum(h(I), OVER) / N, "A direction h in which x is moved: x + tau h.")
    moved_mean = Identity(
        "mean, moved",
        sp.Sum(x(I) + tau * h(I), OVER) / N,
        m + tau * h_mean,
        "The mean moves with the mean of h.",
        ((-1, mean), (-tau, shift)),
    )
    deviations = sp.Sum((x(I) + tau * h(I) - m - tau * h_mean) ** 2, OVER) / N
    slope = Identity(
        "variance, moved",
        sp.Subs(sp.Derivative(deviations, tau), tau, 0),
        2 * sp.Sum((x(I) - m) * h(I), OVER) / N,
        "Its derivative along h; the term with hbar vanishes as the deviations add up to 0.",
        ((2 * h_mean, mean),),
    )
    q = sp.Symbol("q", real=True)
    along = Definition("q", q, sp.Sum(h(I) * (x(I) - m) / s, OVER) / N, "mean(y h).")
    deviation = Identity(
        "s, moved",
        sp.Sum((x(I) - m) * h(I), OVER) / N / s,
        q,
        "ds = d(s^2)/(2 s), by 'variance, moved'.",
        ((-1, along),),
    )
    quotient = Identity(
        "y, moved",
        sp.Subs(sp.Derivative((x(J) + tau * h(J) - m - tau * h_mean) / (s + tau * q), tau), tau, 0),
        (h(J) - h_mean - q * (x(J) - m) / s) / s,
        "The derivative of an output along h.",
    )
    upstream = Definition("mean of u", u_mean, sp.Sum(u(I), OVER) / N, "u_j = dL/dy_j, any numbers.")
    overlap = Definition("p", p, sp.Sum(u(I) * (x(I) - m) / s, OVER) / N, "mean(u y).")
    gradient = (u(I) - u_mean - p * (x(I) - m) / s) / s
    adjoint = Identity(
        "gradient",
        sp.Sum(u(I) * (h(I) - h_mean - q * (x(I) - m) / s) / s, OVER),
        sp.Sum(h(I) * gradient, OVER),
        "sum_j u_j dy_j = sum_j h_j dL/dx_j for every direction h, which says what dL/dx is.",
        ((N * h_mean / s, upstream), (N * q / s, overlap), (-N * u_mean / s, shift), (-N * p / s, along)),
    )
    plain = Identity(
        "sum of the gradient",
        sp.Sum(gradient, OVER),
        0,
        "Whatever u: the outputs do not change when one number is added to all x.",
        ((-N / s, upstream), (-p / s, centred)),
    )
    against = Identity(
        "sum of the gradient times y",
        sp.Sum(gradient * (x(I) - m) / s, OVER),
        0,
        "Whatever u: the outputs do not change when all deviations are multiplied by one number.",
        ((-N / s, overlap), (-u_mean / s, centred), (-p / s, unit)),
    )
    return (
        mean,
        variance,
        output,
        centred,
        unit,
        shift,
        moved_mean,
        slope,
        along,
        deviation,
        quotient,
        upstream,
        overlap,
        adjoint,
        plain,
        against,
    )


def _epsilon():
    """The same with epsilon added to the variance: ``y = (x - m)/sqrt(v + epsilon)``."""
    v = sp.Symbol("v", positive=True)
    eps = sp.Symbol("epsilon", nonnegative=True)
    u_mean, p = sp.symbols("ubar_eps p_eps", real=True)
    z, u = sp.Function("z", real=True), sp.Function("u_eps", real=True)  # z_j = x_j - m
    root = sp.sqrt(v + eps)
    centred = Assumption(
        "deviations", "z_j = x_j - m add up to 0, by 'sum of y'.", eq(sp.Sum(z(I), OVER), 0), role="conclusion"
    )
    variance = Assumption("variance v", "v is the variance.", eq(sp.Sum(z(I) ** 2, OVER), N * v))
    upstream = Definition("mean of u, epsilon", u_mean, sp.Sum(u(I), OVER) / N)
    overlap = Definition("p, epsilon", p, sp.Sum(u(I) * z(I) / root, OVER) / N)
    gradient = (u(I) - u_mean - p * z(I) / root) / root
    return (
        centred,
        variance,
        upstream,
        overlap,
        Identity(
            "sum of the gradient, epsilon",
            sp.Sum(gradient, OVER),
            0,
            "Still exact.",
            ((-N / root, upstream), (-p / (v + eps), centred)),
        ),
        Identity(
            "sum of the gradient times y, epsilon",
            sp.Sum(gradient * z(I) / root, OVER),
            N * p * eps / (root * (v + eps)),
            "No longer 0: with epsilon the scale is not quite taken out.",
            ((-N / root, overlap), (-u_mean / (v + eps), centred), (-p / (root * (v + eps)), variance)),
        ),
    )


def _kernel():
    """The gradient of a kernel, one pair of channels and one tap: the sum over images and places of d a."""
    a_mean = sp.Symbol("abar", real=True)
    d, a, inside = sp.Function("d", real=True), sp.Function("a", real=True), sp.Function("c", real=True)
    mean = Definition("abar", a_mean, sp.Sum(a(I), OVER) / N, "The mean of the input channel.")
    split = Identity(
        "split",
        sp.Sum(d(I) * a(I), OVER),
        a_mean * sp.Sum(d(I), OVER) + sp.Sum(d(I) * (a(I) - a_mean), OVER),
        "What knows the input by its mean only, and the rest.",
    )
    normalised = Assumption(
        "behind a normalisation",
        "By 'sum of the gradient', d being the gradient by what is normalised.",
        eq(sp.Sum(d(I), OVER), 0),
        role="conclusion",
    )
    vanishes = Identity(
        "it vanishes",
        sp.Sum(d(I) * a(I), OVER),
        sp.Sum(d(I) * (a(I) - a_mean), OVER),
        "Only the deviations of the input from its mean enter.",
        ((a_mean, normalised),),
    )
    border = Identity(
        "border",
        sp.Sum(d(I) * inside(I) * a_mean, OVER),
        -a_mean * sp.Sum(d(I) * (1 - inside(I)), OVER),
        "c_b is 1 where the tap lies inside the image and 0 where it hangs over the border: of the constant part only "
        "those places are left.",
        ((a_mean, normalised),),
    )
    return mean, split, normalised, vanishes, border


def _cancellation():
    """How much of a sum cancels."""
    plus, minus = sp.symbols("P Q", nonnegative=True)
    up, down = sp.Function("p_+", nonnegative=True), sp.Function("p_-", nonnegative=True)
    parts = Assumption(
        "positive and negative parts",
        "A term z is p_+ - p_-, its size |z| is p_+ + p_-, and one of the two is 0.",
        role="fact",
    )
    positive = Definition("P", plus, sp.Sum(up(I), OVER))
    negative = Definition("Q", minus, sp.Sum(down(I), OVER))
    total = Identity("sum", sp.Sum(up(I) - down(I), OVER), plus - minus, "", ((-1, positive), (1, negative)))
    sizes = Identity("sum of sizes", sp.Sum(up(I) + down(I), OVER), plus + minus, "", ((-1, positive), (-1, negative)))
    triangle = Inequality(
        "triangle inequality",
        (plus - minus) ** 2,
        (plus + minus) ** 2,
        ((4 * plus, minus),),
        "The ratio is at most 1; the gap is 4 P Q, which is 0 if and only if one sign is missing.",
    )
    some = sp.Symbol("P", positive=True)
    ratio = Identity(
        "ratio",
        1 - (some - minus) ** 2 / (some + minus) ** 2,
        4 * some * minus / (some + minus) ** 2,
        "For P > 0: with P = Q the ratio is 0.",
    )
    return parts, positive, negative, total, sizes, triangle, ratio


def _branch():
    """Second moments through a convolution and a ReLU, without normalisation."""
    t = sp.Symbol("t", integer=True, nonnegative=True)
    variance = sp.Symbol("v_w", positive=True)
    moment, squares = sp.Function("M", nonnegative=True), sp.Function("S", nonnegative=True)
    h = sp.Function("h", real=True)
    z = sp.Symbol("z", real=True)
    step = Assumption(
        "one more weight",
        "M(t) = E (sum_{k<t} w_k h_k)^2 over independent weights of mean 0 and variance v_w, inputs h given: the mixed "
        "term 2 h_t E[w_t] E[..] is 0.",
        eq(moment(t + 1), moment(t) + variance * h(t) ** 2),
        (t,),
    )
    total = Assumption(
        "sum of squares", "S(t) is the sum of h_k^2 over k < t.", eq(squares(t + 1), squares(t) + h(t) ** 2), (t,)
    )
    empty = Assumption("no weights", "An empty sum is 0.", eq(moment(0), 0), role="fact")
    empty_squares = Assumption("no squares", "An empty sum is 0.", eq(squares(0), 0), role="fact")
    output = Induction(
        "output of a layer",
        moment(t),
        variance * squares(t),
        t,
        ((1, empty), (-variance, empty_squares)),
        ((1, step), (-variance, total)),
        why="Taps that hang over the border have h = 0: an output there has less.",
    )
    halved = Identity(
        "ReLU halves",
        _relu(z) ** 2 + _relu(-z) ** 2,
        z**2,
        "An output as likely as its negative: of its mean square half is left.",
    )
    return (step, total, empty, empty_squares, output, halved, *_places(variance))


def _places(variance):
    """The mean over places: a place of the image enters as many outputs as there are taps that reach it."""
    taps, channels = sp.symbols("K C", positive=True)
    share, q, first, hidden, branch, seen = sp.symbols("r q_0 b_1 h_1 b R", nonnegative=True)
    at, reach = sp.Function("s", nonnegative=True), sp.Function("m", nonnegative=True)
    start = Assumption(
        "start", "Variance 2/fan_in, with C channels under each of K taps.", eq(variance, 2 / taps / channels)
    )
    entering = Definition(
        "input of the block",
        q,
        sp.Sum(at(I), OVER) / N / channels,
        "s_j is the sum over channels of the squares at place j, on average over images; there are n places.",
    )
    weighted = Definition("reached", seen, sp.Sum(reach(I) * at(I), OVER))
    outputs = Assumption(
        "first layer",
        "The mean of 'output of a layer' over the n places of its output: the term of place j is in m_j of the sums, "
        "as many as there are taps through which it enters without leaving the image.",
        eq(first, variance * seen / N),
        role="conclusion",
    )
    most_taps = Assumption(
        "at most all taps",
        "A place enters at most once through each of the K taps.",
        le(reach(I), taps),
        (I,),
        role="fact",
    )
    least_taps = Assumption(
        "at least r of the taps",
        "What r is: the least m_j over K.  For 3 x 3 taps, stride 1 and a border of one zero it is (2/3)^2 from 2 x 2 "
        "places on: on each axis a place is reached from itself and from a neighbour; on 2 x 2 places from no more.",
        le(share * taps, reach(I)),
        (I,),
    )
    most = Summed("reached at most", reach(I) * at(I), taps * at(I), (OVER,), ((at(I), most_taps),))
    least = Summed("reached at least", share * taps * at(I), reach(I) * at(I), (OVER,), ((at(I), least_taps),))
    per_sum = 2 / N / taps / channels
    first_most = Inequality(
        "first layer at most",
        first,
        2 * q,
        ((1, outputs), (seen / N, start), (per_sum, weighted), (-2, entering), (per_sum, most)),
        "Equality where no place with x > 0 is near the border.",
    )
    first_least = Inequality(
        "first layer at least",
        2 * share * q,
        first,
        ((-1, outputs), (-seen / N, start), (-per_sum, weighted), (2 * share, entering), (per_sum, least)),
        "Equality where all places are in corners.",
    )
    between = Assumption(
        "between the layers", "By 'ReLU halves', at every place.", eq(hidden, first / 2), role="conclusion"
    )
    second_most = Assumption(
        "second layer at most", "'first layer at most' of the hidden places.", le(branch, 2 * hidden), role="conclusion"
    )
    second_least = Assumption(
        "second layer at least",
        "'first layer at least' of the hidden places.",
        le(2 * share * hidden, branch),
        role="conclusion",
    )
    twice = Inequality(
        "branch without normalisation at most",
        branch,
        2 * q,
        ((1, second_most), (2, between), (1, first_most)),
    )
    some = Inequality(
        "branch without normalisation at least",
        2 * share**2 * q,
        branch,
        ((1, second_least), (-2 * share, between), (share, first_least)),
        "Between the two lies what depends on the block: where its input is large.",
    )
    everywhere = sp.Function("m_2", nonnegative=True)
    same = Assumption(
        "2 x 2 places", "Every place is reached by 4 of 9 taps.", eq(everywhere(I), 4 * taps / 9), (I,), role="case"
    )
    exact = Identity(
        "a layer on 2 x 2 places",
        per_sum * sp.Sum(everywhere(I) * at(I), OVER),
        sp.Rational(8, 9) * q,
        "2 r times the input's, r = 4/9.",
        ((-sp.Rational(8, 9), entering),),
        (same,),
    )
    small = sp.Symbol("b_2", nonnegative=True)
    both = Assumption(
        "both layers on 2 x 2 places",
        "'a layer on 2 x 2 places' twice, with 'ReLU halves' in between.",
        eq(small, sp.Rational(8, 9) * (sp.Rational(8, 9) * q) / 2),
        role="conclusion",
    )
    small_branch = Identity("branch on 2 x 2 places", small, 2 * sp.Rational(4, 9) ** 2 * q, "", ((1, both),))
    return (
        start,
        entering,
        weighted,
        outputs,
        most_taps,
        least_taps,
        most,
        least,
        first_most,
        first_least,
        between,
        second_most,
        second_least,
        twice,
        some,
        same,
        exact,
        both,
        small_branch,
    )


def _block():
    """One block: ``relu(x + f)`` on average over f and -f."""
    x, gap = sp.symbols("x e", nonnegative=True)
    f = sp.Symbol("f", real=True)
    both = (_relu(x + f) ** 2 + _relu(x - f) ** 2) / 2
    odd = Assumption(
        "sign of a filter",
        "The start's law does not change when a filter changes its sign; the branch's channel then changes its sign, "
        "with normalisation (gamma = 1, beta = 0) and without, while x stays: f and -f are equally likely.",
    )
    upper = Inequality(
        "at most all of it",
        both,
        x**2 + f**2,
        ((sp.Rational(1, 2), _relu(-x - f) ** 2), (sp.Rational(1, 2), _relu(f - x) ** 2)),
        "What the ReLU cuts off is a square.",
    )
    size = sp.Symbol("|f|", nonnegative=True)
    smaller = Inequality(
        "at least half, |f| = x - e",
        (x**2 + size**2 / 2).subs(x, size + gap),
        ((_relu(x + size) ** 2 + _relu(x - size) ** 2) / 2).subs(x, size + gap),
        ((sp.Rational(1, 2), size**2),),
        "Nothing is cut off: x^2 + f^2 on average.",
    )
    larger = Inequality(
        "at least half, |f| = x + e",
        (x**2 + size**2 / 2).subs(size, x + gap),
        ((_relu(x + size) ** 2 + _relu(x - size) ** 2) / 2).subs(size, x + gap),
        ((sp.Rational(1, 2), x**2), (x, gap)),
        "One of the two is cut off: (x + |f|)^2/2 on average.",
    )
    lower = Assumption(
        "at least half of it",
        "For every f: 'at least half, |f| = x - e' and 'at least half, |f| = x + e' are all cases, as f and -f "
        "exchange the two terms.",
        le(x**2 + f**2 / 2, both),
        (x, f),
        role="conclusion",
    )
    return odd, upper, smaller, larger, lower


def _depth():
    """Many blocks."""
    k = sp.Symbol("k", integer=True, nonnegative=True)
    share = sp.Symbol("r", nonnegative=True)
    q, b, unit = (sp.Function(name, nonnegative=True) for name in ("q", "b", "q_1"))
    factor = 1 + share**2
    grows = Assumption(
        "largest growth",
        "The mean of 'at most all of it': q(k) is the mean square before block k, b(k) that of its branch.",
        le(q(k + 1), q(k) + b(k)),
        (k,),
        role="conclusion",
    )
    least = Assumption(
        "least growth", "The mean of 'at least half of it'.", le(q(k) + b(k) / 2, q(k + 1)), (k,), role="conclusion"
    )
    branch_most = Assumption(
        "branch at most",
        "'branch without normalisation at most', whatever enters block k: its weights are independent of that.",
        le(b(k), 2 * q(k)),
        (k,),
        role="conclusion",
    )
    branch_least = Assumption(
        "branch at least",
        "'branch without normalisation at least', likewise.",
        le(2 * share**2 * q(k), b(k)),
        (k,),
        role="conclusion",
    )
    faster = Inequality(
        "one block at most",
        q(k + 1) / 3 ** (k + 1),
        q(k) / 3**k,
        ((sp.Integer(3) ** (-k - 1), grows), (sp.Integer(3) ** (-k - 1), branch_most)),
    )
    slower = Inequality(
        "one block at least",
        q(k) / factor**k,
        q(k + 1) / factor ** (k + 1),
        ((factor ** (-k - 1), least), (factor ** (-k - 1) / 2, branch_least)),
    )
    most = Induction(
        "exponential at most",
        q(k) / 3**k,
        q(0),
        k,
        (),
        ((1, faster),),
        equality=False,
        why="q(k) <= 3^k q(0).",
    )
    fewest = Induction(
        "exponential at least",
        q(0),
        q(k) / factor**k,
        k,
        (),
        ((1, slower),),
        equality=False,
        why="q(k) >= (1 + r^2)^k q(0); r^2 = 16/81 for 3 x 3 taps.",
    )
    normalised = Assumption(
        "largest growth, normalised",
        "'largest growth' with b(k) = 1: by 'sum of y^2' the branch has mean square 1 in every channel, exactly; "
        "q_1(k) is the mean square before block k.",
        le(unit(k + 1), unit(k) + 1),
        (k,),
        role="conclusion",
    )
    at_least = Assumption(
        "least growth, normalised",
        "'least growth' with b(k) = 1.",
        le(unit(k) + sp.Rational(1, 2), unit(k + 1)),
        (k,),
        role="conclusion",
    )
    linear = Induction(
        "linear at most", unit(k), unit(0) + k, k, (), ((1, normalised),), equality=False, why="k blocks add at most k."
    )
    linear_least = Induction(
        "linear at least",
        unit(0) + k / 2,
        unit(k),
        k,
        (),
        ((1, at_least),),
        equality=False,
        why="And at least k/2.",
    )
    return (
        grows,
        least,
        branch_most,
        branch_least,
        faster,
        slower,
        most,
        fewest,
        normalised,
        at_least,
        linear,
        linear_least,
    )


def _relu(z):
    return (z + sp.Abs(z)) / 2
