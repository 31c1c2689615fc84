"""Noise of the SGD step: ``E|eta grad L - eta g_B|^2 = eta^2 tr(Cov)/b``, times ``(n-b)/(n-1)`` without replacement.

Statement.  ``L`` is the mean of n losses with gradients ``g_i`` in d dimensions, ``m = grad L`` their mean,
``tr(Cov) = (1/n) sum_i |g_i - m|^2``, and ``g_B`` the mean of the gradients of a random batch of b of them.

* With replacement (b independent uniform draws): ``E g_B = m`` and ``E|eta m - eta g_B|^2 = eta^2 tr(Cov)/b``.
* Without (all subsets of b equally likely): the same times ``(n - b)/(n - 1)``; 0 for the full batch.
* Hence both are at most ``eta^2 C/b`` for every C that is at least ``tr(Cov)``.

The gradients of the n losses must not depend on the batch. Where a batch is normalised by its own statistics they do,
and ``g_B`` is no mean of n fixed vectors; a fixed partition whose parts keep their statistics is inside (its n losses
are the parts').

Source.  Bjorck, Gomes, Selman, Weinberger, NeurIPS 2018, arXiv:1806.02375: the bound. The equalities as written here
are derived in this package.
"""

from functools import lru_cache

import sympy as sp

from ..proof import Assumption, Definition, Identity, Inequality, Proof, Source, Summed, eq, instance, le

U = sp.Symbol("n_1", integer=True, positive=True)  # n - 1
A = sp.Symbol("b_1", integer=True, nonnegative=True)  # b - 1
N, D, SIZE = sp.symbols("n d b", integer=True, positive=True)
I, J, K = sp.symbols("i j k", integer=True)
ETA = sp.Symbol("eta", nonnegative=True)
GRADIENT, MEAN, X = (sp.Function(name, real=True) for name in ("g", "m", "x"))
TRACE = sp.Symbol("T", nonnegative=True)
ROWS, OTHERS = (I, 1, N), (J, 1, N)


@lru_cache(maxsize=1)
def prove() -> Proof:
    """The proof; see the module for the statement."""
    count = Definition("number of losses", N, 1 + U, "n >= 2; n_1 = n - 1.")
    size = Definition("batch size", SIZE, 1 + A, "b >= 1; b_1 = b - 1.")
    deviations, of_deviations = _deviations()
    times, excesses, moments = _second_moments(count)
    variance, noise = _noise(of_deviations, times, excesses)
    return Proof(
        "bjorck2018.sgd_noise",
        "Noise of the SGD step",
        "E|eta grad L - eta g_B|^2 = eta^2 tr(Cov)/b with replacement, times (n-b)/(n-1) without; at most eta^2 C/b",
        (count, size, *deviations, *moments, *variance, *_bounds(count, size, noise)),
        Source(
            "Bjorck, Gomes, Selman, Weinberger, NeurIPS 2018, arXiv:1806.02375", "noise of the SGD step, (2)", "paper"
        ),
    )


def _deviations():
    """Deviations of the gradients from their mean add up to zero in every coordinate k."""
    mean = Definition("mean gradient", MEAN(K), sp.Sum(GRADIENT(J, K), OTHERS) / N, "grad L, coordinate k = 1 .. d.")
    deviation = Definition("deviation", X(I, K), GRADIENT(I, K) - MEAN(K), "Of loss i from the mean.")
    written_out = Summed(
        "sum of deviations, written out",
        X(J, K),
        GRADIENT(J, K) - MEAN(K),
        (OTHERS,),
        ((1, instance(deviation, i=J)),),
        True,
    )
    zero = Identity(
        "deviations add up to 0", sp.Sum(X(J, K), OTHERS), 0, "sum_j g_j = n m.", ((1, written_out), (-N, mean))
    )
    products = Summed(
        "products with the sum",
        X(I, K) * sp.Sum(X(J, K), OTHERS),
        0,
        (ROWS,),
        ((X(I, K), zero),),
        True,
        "sum_ij x_i x_j = (sum_i x_i)^2 = 0.",
    )
    trace = Definition(
        "trace of the covariance",
        TRACE,
        sp.Sum(X(I, K) ** 2, ROWS, (K, 1, D)) / N,
        "T = tr(Cov) = (1/n) sum_i |g_i - m|^2.",
    )
    return (mean, deviation, written_out, zero, products, trace), (products, trace, mean)


def _second_moments(count):
    """``p = E s_i``, ``q = E s_i^2`` and ``r = E s_i s_j`` of how often the batch holds loss i, and i and j."""
    p, q, r = sp.symbols("p q r", real=True)
    again, both = sp.symbols("q' r'", real=True)
    draw = sp.Symbol("a", integer=True)
    members = Assumption(
        "members of a batch",
        "s_i is how often loss i is in the batch. All n are alike, and sum_i s_i = b: the mean of both sides.",
        eq(N * p, SIZE),
    )
    each = Identity("mean number of times", p, SIZE / N, "In both kinds of batch.", ((1 / N, members),))
    indicator = Assumption("indicator", "Without replacement s_i is 0 or 1: s_i^2 = s_i.", eq(q, p))
    pairs = Assumption(
        "pairs without replacement",
        "The mean of s_i (s_1 + ... + s_n) = b s_i, where all pairs of two losses are alike.",
        eq(q + U * r, SIZE * p),
    )
    without_pair = Identity(
        "two losses, without replacement",
        r,
        SIZE * (SIZE - 1) / (N * U),
        "Both in the batch.",
        ((1 / U, pairs), (-1 / U, indicator), ((SIZE - 1) / U / N, members)),
    )
    excess = Identity(
        "difference without replacement",
        q - r,
        SIZE * (N - SIZE) / (N * U),
        "E s_i^2 - E s_i s_j.",
        ((1, indicator), (1, each), (-1, without_pair), (-SIZE / (N * U), count)),
    )
    other = Assumption(
        "two draws",
        "With replacement s_i s_j is a sum over pairs of draws. Two different draws are independent: they are i and j "
        "with probability 1/n^2. For each draw there are b - 1 others; with itself it is i and i with probability 1/n, "
        "and never i and j.",
        eq(both, sp.Sum((SIZE - 1) / N**2, (draw, 1, SIZE))),
    )
    same = Assumption(
        "the same loss twice",
        "As in 'two draws', with each draw itself.",
        eq(again, sp.Sum(1 / N + (SIZE - 1) / N**2, (draw, 1, SIZE))),
    )
    again_pair = Identity("two losses, with replacement", both, SIZE * (SIZE - 1) / N**2, "E s_i s_j.", ((1, other),))
    again_excess = Identity(
        "difference with replacement", again - both, SIZE / N, "E s_i^2 - E s_i s_j.", ((1, same), (-1, other))
    )
    steps = (members, each, indicator, pairs, without_pair, excess, other, same, again_pair, again_excess)
    return (each, p), ((q, r, excess), (again, both, again_excess)), steps


def _noise(deviation_facts, each, pairs):
    """The mean squared distance of the two steps."""
    products, trace, mean = deviation_facts
    mean_count, p = each
    first, second = sp.symbols("Q R", real=True)
    square = sp.Function("V", real=True)
    unbiased = Identity(
        "unbiased",
        sp.Sum(p * GRADIENT(J, K), OTHERS) / SIZE,
        MEAN(K),
        "E g_B = m, as g_B = (1/b) sum_i s_i g_i.",
        ((-1, mean),),
        (mean_count,),
    )
    total = Assumption(
        "square of the deviation",
        "g_B - m = (1/b) sum_i s_i x_i, as sum_i s_i = b. V is the mean square of coordinate k of sum_i s_i x_i, "
        "a sum over i and j with the factor Q = E s_i^2 for j = i and R = E s_i s_j for all others.",
        eq(
            square(K, first, second),
            sp.Sum(
                first * X(I, K) ** 2 + second * (X(I, K) * sp.Sum(X(J, K), OTHERS) - X(I, K) ** 2),
                ROWS,
            ),
        ),
        (K, first, second),
        role="fact",
    )
    one = Identity(
        "only the squares stay",
        square(K, first, second),
        (first - second) * sp.Sum(X(I, K) ** 2, ROWS),
        "The products of all pairs add up to 0.",
        ((1, total), (second, products)),
    )
    whole = Summed(
        "all coordinates",
        square(K, first, second),
        (first - second) * sp.Sum(X(I, K) ** 2, ROWS),
        ((K, 1, D),),
        ((1, one),),
        True,
    )
    noise = sp.Function("S", real=True)
    step = Definition(
        "noise of the step",
        noise(SIZE, first, second),
        ETA**2 / SIZE**2 * sp.Sum(square(K, first, second), (K, 1, D)),
        "S = E|eta m - eta g_B|^2: the step is -eta g_B, so the square of eta comes out.",
    )
    general = Identity(
        "noise and trace",
        noise(SIZE, first, second),
        ETA**2 * (first - second) * N * TRACE / SIZE**2,
        "For either kind of batch.",
        ((1, step), (ETA**2 / SIZE**2, whole), (-(ETA**2) * (first - second) * N / SIZE**2, trace)),
    )
    return (unbiased, total, one, whole, step, general), (noise, pairs, general)


def _bounds(count, size, noise):
    """Both kinds of batches, and the bound."""
    noise, ((q, r, excess), (again, both, again_excess)), general = noise
    constant = sp.Symbol("C", nonnegative=True)
    ratio = sp.Symbol("c", positive=True)
    factor = ETA**2 * N * TRACE / SIZE**2
    with_value = ETA**2 * TRACE / SIZE
    without_value = ETA**2 * TRACE * (N - SIZE) / (SIZE * U)
    with_ = Identity(
        "with replacement",
        noise(SIZE, again, both),
        with_value,
        "E|eta grad L - eta g_B|^2 with Q = q' and R = r'.",
        ((1, instance(general, Q=again, R=both)), (factor, again_excess)),
    )
    without = Identity(
        "without replacement",
        noise(SIZE, q, r),
        without_value,
        "E|eta grad L - eta g_B|^2 with Q = q and R = r.",
        ((1, instance(general, Q=q, R=r)), (factor, excess)),
    )
    full = Identity("the full batch", sp.Subs(without_value, SIZE, N), 0, "Without replacement, b = n: no noise.")
    one = Identity(
        "a batch of one",
        sp.Subs(without_value - with_value, SIZE, 1),
        0,
        "Both kinds are the same.",
        ((ETA**2 * TRACE / U, count),),
    )
    between = Identity(
        "what replacement costs",
        with_value - without_value,
        ETA**2 * TRACE * A / (SIZE * U),
        "n - b = n_1 - b_1.",
        ((-(ETA**2) * TRACE / (SIZE * U), count), (ETA**2 * TRACE / (SIZE * U), size)),
    )
    less = Inequality(
        "without replacement there is less",
        without_value,
        with_value,
        ((-1, between), (1, ETA**2 * TRACE * A / (SIZE * U))),
        "As b >= 1.",
    )
    bounded = Assumption("a bound on the covariance", "C is any number that is at least tr(Cov).", le(TRACE, constant))
    corollary = Inequality(
        "bound",
        with_value,
        ETA**2 * constant / SIZE,
        ((ETA**2 / SIZE, bounded),),
        "With replacement; an equality for C = tr(Cov).",
    )
    corollary_without = Inequality(
        "bound without replacement", without_value, ETA**2 * constant / SIZE, ((1, less), (1, corollary))
    )
    scaling = Identity(
        "rate against batch size",
        sp.Subs(with_value, (ETA, SIZE), (ratio * ETA, ratio**2 * SIZE)),
        with_value,
        "A rate c times as large on batches c^2 times as large: the same noise, with replacement.",
    )
    return with_, without, full, one, between, less, bounded, corollary, corollary_without, scaling
