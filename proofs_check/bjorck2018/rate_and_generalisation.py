"""The noise of SGD per unit of training time grows with the rate, and with it what only large rates can do.

Statement.  A step of rate eta on a batch of b deviates from the mean step by eta^2 tr(Cov)/b in mean square
(bjorck2018.sgd_noise, for gradients that do not depend on the rest of the batch).  Deviations of different steps are
uncorrelated, so that k of them add up to ``eta tau tr(Cov)/b`` over the time ``tau = k eta``: linear in the rate, and
the same as at a rate c times smaller on batches c times smaller.  On curvature lambda the mean square of the distance
from the minimum settles at ``eta sigma^2/(lambda (2 - eta lambda))``, which increases with the rate up to the threshold
2/lambda; below it the noise per time is at most ``2 tr(Cov)/(lambda b)``.  For scale-invariant weights the same holds
of the direction, with the effective rate ``eta/|w|^2`` and the covariance at unit norm; whatever the rate, after the
first step it is at most ``tr(Cov)/(2 |grad L(v)| b)``.  Nothing is proved about generalisation.

Source.  Derived in this package, on the subject of Bjorck, Gomes, Selman, Weinberger, NeurIPS 2018, arXiv:1806.02375.
"""

from functools import lru_cache

import sympy as sp

from ..arora2019 import orthogonality
from ..proof import Assumption, Citation, Definition, Identity, Induction, Inequality, Proof, Source, eq, le
from ..vectors import dot, gram, vector
from . import largest_rate, sgd_noise


@lru_cache(maxsize=1)
def prove() -> Proof:
    """The proof; see the module for the statement."""
    return Proof(
        "bjorck2018.rate_and_generalisation",
        "Noise of SGD per unit of training time",
        "over the time tau = k eta deviations add up to eta tau tr(Cov)/b: linear in the rate",
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
    """The same of the direction of scale-invariant weights."""
    eta, G, b, phi, tau, n, after = sp.symbols("eta G b phi tau n G'", positive=True)  # n = |grad L(v)|
    at_w, at_v = sp.symbols("T_w T_v", nonnegative=True)
    homogeneous = Citation(
        "covariance at unit norm",
        eq(at_w, at_v / G),
        orthogonality.prove(),
        "gradient homogeneity",
    )
    effective = Definition("effective rate", phi, eta / G, "What takes the rate's place in a step of the direction.")
    of_step = Identity(
        "noise of a step of the direction",
        eta**2 * at_w / b / G,
        phi**2 * at_v / b,
        "In units of |w|^2: as without normalisation, with the effective rate and the covariance at unit norm.",
        ((eta**2 / (b * G), homogeneous),),
        (effective,),
    )
    bounded = Citation(
        "effective rate after a step",
        le(eta / after, 1 / (2 * n)),
        largest_rate.prove(),
        "effective rate after a step",
    )
    over_time = Inequality(
        "noise over the effective time tau, after the first step",
        eta / after * tau * at_v / b,
        tau * at_v / (2 * n * b),
        ((tau * at_v / b, bounded),),
        "Bounded for every rate: a rate that is too large makes the weights long, and no more noise than this.",
    )
    return homogeneous, effective, of_step, bounded, over_time
