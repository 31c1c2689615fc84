"""The noise of SGD per unit of training time grows with the rate, and with it what only large rates can do.

Statement.  A step of rate eta on a batch of b deviates from the mean step by eta^2 T/b in mean square, T = tr(Cov) of
single gradients (bjorck2018.sgd_noise, for gradients that do not depend on the rest of the batch).  Deviations of
different steps are uncorrelated, so that k of them, at the same T, add up to ``eta tau T/b`` over the time
``tau = k eta``: linear in the rate, and the same as at a rate c times smaller on batches c times smaller.  On curvature
lambda the mean square of the distance from the minimum settles at ``eta sigma^2/(lambda (2 - eta lambda))``, which
increases with the rate up to the threshold 2/lambda; below it the noise per time is at most ``2 T/(lambda b)``.

For scale-invariant weights, a constant rate and to first order in eta/G, G = |w|^2: a step of the direction deviates by
``phi^2 T/b`` with the effective rate ``phi = eta/G`` and T at unit norm, not above C along the run.  Effective rates
never grow, so that the mean squares of the steps, each given what came before it, add up to at most ``phi_1 tau C/b``
over the effective time ``tau = sum phi_t``.  Whatever the rate, after the first step that is at most ``tau C/(2 n b)``,
n = |grad L_B(v)| > 0 the gradient of the batch of that first step.  If it is 0, the step does not lengthen the weights
and no such bound holds, whatever |grad L(v)| is.  Nothing is proved about generalisation.

Source.  Derived in this package, on the subject of Bjorck, Gomes, Selman, Weinberger, NeurIPS 2018, arXiv:1806.02375.
"""

from functools import lru_cache

import sympy as sp

from ..arora2019 import orthogonality
from ..proof import Assumption, Citation, Definition, Identity, Induction, Inequality, Proof, Source, eq, instance, le
from ..vectors import dot, gram, vector
from . import largest_rate, sgd_noise


@lru_cache(maxsize=1)
def prove() -> Proof:
    """The proof; see the module for the statement."""
    return Proof(
        "bjorck2018.rate_and_generalisation",
        "Noise of SGD per unit of training time",
        "over the time tau = k eta deviations add up to eta tau T/b at constant T = tr(Cov): linear in the rate",
        (*_over_time(), *_settled(), *_direction()),
        Source("This package", "noise of SGD at a given rate, per time", "derived"),
    )


def _over_time():
    """The sum of the deviations of k steps."""
    eta, b, c, tau = sp.symbols("eta b c tau", positive=True)
    trace = sp.Symbol("T", nonnegative=True)
    k = sp.Symbol("k", integer=True, nonnegative=True)
    size = sp.Symbol("s", nonnegative=True)
    summed = sp.Function("A", nonnegative=True)
    total, deviation = vector("S"), vector("x")

    noise = Citation(
        "noise of a step",
        eq(size, eta**2 * trace / b),
        sgd_noise.prove(),
        "with replacement",
    )
    unbiased = Assumption(
        "uncorrelated deviations",
        "Grams are means. S is the sum of the earlier deviations, x that of this step, whose mean is 0 whatever came "
        "before, the batch being drawn anew: E <S, x> = 0.",
        eq(gram("S", "x"), 0),
    )
    adds = Identity(
        "mean squares add up",
        dot(total + deviation, total + deviation),
        gram("S", "S") + gram("x", "x"),
        "E|S + x|^2 = E|S|^2 + E|x|^2.",
        ((2, unbiased),),
    )
    steps = Assumption(
        "recurrence",
        "By 'mean squares add up', A(k) = E|sum of the first k deviations|^2; tr(Cov) = T at every step.",
        eq(summed(k + 1), summed(k) + size),
        (k,),
    )
    empty = Assumption("no step", "A sum without terms is 0.", eq(summed(0), 0), role="fact")
    after = Induction("after k steps", summed(k), k * size, k, ((1, empty),), ((1, steps),))
    by_rate = Identity("after k steps, by the rate", summed(k), k * eta**2 * trace / b, "", ((1, after), (k, noise)))
    duration = Assumption("time", "k steps of rate eta take the time tau = k eta.", eq(tau, k * eta))
    over_time = Identity(
        "noise over the time tau",
        summed(k),
        eta * tau * trace / b,
        "Linear in the rate at the same tau: fewer steps, each noisier.",
        ((1, by_rate), (-eta * trace / b, duration)),
    )
    batches = Identity(
        "rate against batch size",
        sp.Subs(eta * tau * trace / b, (eta, b), (eta / c, b / c)),
        eta * tau * trace / b,
        "A rate c times smaller on batches c times smaller: the same noise over the same time.",
    )
    return noise, unbiased, adds, steps, empty, after, by_rate, duration, over_time, batches


def _settled():
    """Where noise and curvature balance, without normalisation."""
    eta, lam, sigma, tau, b = sp.symbols("eta lambda sigma tau b", positive=True)
    trace = sp.Symbol("T", nonnegative=True)
    second = sp.Symbol("V", nonnegative=True)
    y, x = vector("y"), vector("x")
    independent = Assumption(
        "noise on curvature lambda",
        "Grams are means. y is the distance from the minimum, x the noise of the gradient, of mean 0 whatever y is.",
        eq(gram("x", "y"), 0),
    )
    step = (1 - eta * lam) * y - eta * x
    one = Identity(
        "mean square after a step",
        dot(step, step),
        (1 - eta * lam) ** 2 * gram("y", "y") + eta**2 * gram("x", "x"),
        "y' = y - eta (lambda y + x).",
        ((-2 * eta * (1 - eta * lam), independent),),
    )
    stationary = Assumption(
        "stationary",
        "V = E|y|^2 before the step and after it, E|x|^2 = sigma^2.",
        eq(second, (1 - eta * lam) ** 2 * second + eta**2 * sigma**2),
    )
    level = Identity(
        "noise level",
        lam * (2 - eta * lam) * second,
        eta * sigma**2,
        "V = eta sigma^2/(lambda (2 - eta lambda)), for eta < 2/lambda.",
        ((1 / eta, stationary),),
    )
    slope = Identity(
        "it increases with the rate",
        sp.Derivative(eta / (lam * (2 - eta * lam)), eta),
        2 / (lam * (2 - eta * lam) ** 2),
        "Positive up to the threshold, where the level is infinite.",
    )
    threshold = Citation(
        "threshold",
        eq((1 - eta * lam) ** 2 - 1, eta * lam**2 * (eta - 2 / lam)),
        largest_rate.prove(),
        "threshold",
    )
    below = Assumption("rate below the threshold", "By 'threshold' no other rate settles.", le(eta, 2 / lam))
    limited = Inequality(
        "noise over the time tau, without normalisation",
        eta * tau * trace / b,
        2 * tau * trace / (lam * b),
        ((tau * trace / b, below),),
        "The curvature bounds the rate, and with it the noise.",
    )
    return independent, one, stationary, level, slope, threshold, below, limited


def _direction():
    """The same of the direction of scale-invariant weights, to first order in the effective rate."""
    eta, b, n = sp.symbols("eta b n", positive=True)
    most = sp.Symbol("C", nonnegative=True)
    t = sp.Symbol("t", integer=True, nonnegative=True)
    squared, rate = sp.Function("G", positive=True), sp.Function("phi", positive=True)
    at_w, at_v = sp.Function("T_w", nonnegative=True), sp.Function("T", nonnegative=True)
    time, summed = sp.Function("tau", nonnegative=True), sp.Function("A", nonnegative=True)
    lemma = largest_rate.prove()
    homogeneous = Citation(
        "covariance at unit norm",
        eq(at_w(t), at_v(t) / squared(t)),
        orthogonality.prove(),
        "gradient homogeneity",
        (t,),
    )
    effective = Definition(
        "effective rate", rate(t), eta / squared(t), "What takes the rate's place in a step of the direction."
    )
    of_step = Identity(
        "noise of a step of the direction",
        eta**2 * at_w(t) / b / squared(t),
        rate(t) ** 2 * at_v(t) / b,
        "To first order in eta/G, where the direction moves by the step over |w|; its angle is an arctangent "
        "(bjorck2018.largest_rate). As without normalisation, with the effective rate and the covariance at unit norm.",
        ((eta**2 / (b * squared(t)), homogeneous),),
        (effective,),
    )
    trace = Assumption(
        "covariance along the run", "The trace at unit norm is at most C at every step.", le(at_v(t), most), (t,)
    )
    adds = Assumption(
        "steps of the direction",
        "A(t) is the sum over the steps before t, counted from the first one on, of 'noise of a step of the direction',"
        " each the mean over its batch given what came before: deviations of different steps are uncorrelated.",
        eq(summed(t + 1), summed(t) + rate(t) ** 2 * at_v(t) / b),
        (t,),
    )
    clock = Assumption(
        "effective time", "tau(t) is the sum of the effective rates.", eq(time(t + 1), time(t) + rate(t)), (t,)
    )
    empty = Assumption("no step of the direction", "A sum without terms is 0.", eq(summed(0), 0), role="fact")
    empty_time = Assumption("no time", "A sum without terms is 0.", eq(time(0), 0), role="fact")
    kept = Citation("constant rate", le(eta / squared(t), eta / squared(0)), lemma, "never above it later", (t,))
    falls = Inequality(
        "effective rates never grow",
        rate(t),
        rate(0),
        ((1, effective), (1, kept), (-1, instance(effective, t=0))),
    )
    over_time = Induction(
        "noise over the effective time",
        summed(t),
        rate(0) * most / b * time(t),
        t,
        ((1, empty), (-rate(0) * most / b, empty_time)),
        (
            (1, adds),
            (-rate(0) * most / b, clock),
            (rate(t) * most / b, falls),
            (rate(t) ** 2 / b, trace),
        ),
        equality=False,
        why="The sum of phi_t^2 is at most phi_1 times the sum of phi_t.",
    )
    first = Assumption(
        "first batch",
        "n = |grad L_B(v)| > 0 is the gradient that the first step takes; the loss L_B of its batch is scale-invariant "
        "as L is. phi(0) is the effective rate after that step.",
    )
    bounded = Citation("effective rate after a step", le(rate(0), 1 / (2 * n)), lemma, "effective rate after a step")
    after = Inequality(
        "noise over the effective time tau, after the first step",
        summed(t),
        time(t) * most / (2 * n * b),
        ((1, over_time), (time(t) * most / b, bounded)),
        "Bounded for every rate: one that is too large makes the weights long, and no more noise than this.",
    )
    size, slope = sp.Symbol("G", positive=True), sp.Symbol("n", nonnegative=True)
    unbounded = Identity(
        "first batch without a gradient",
        sp.Subs(eta / (size + eta**2 * slope**2 / size), slope, 0),
        eta / size,
        "The weights stay as long as they are, and the effective rate is as large as the rate. With L = (L_1 + L_2)/2, "
        "L_1 constant, batches of one and the first of them L_1, no bound by |grad L(v)| = |grad L_2(v)|/2 holds.",
    )
    return (
        homogeneous,
        effective,
        of_step,
        trace,
        adds,
        clock,
        empty,
        empty_time,
        kept,
        falls,
        over_time,
        first,
        bounded,
        after,
        unbounded,
    )
