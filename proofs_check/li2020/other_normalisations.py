"""Which parameters are scale-invariant under batch, layer, group and instance normalisation.

Statement.  Numbers x_1 .. x_n, mean m, variance s2 > 0, normalised to ``(x_j - m)/sqrt(s2)``: multiplying all of
them by c > 0, or adding one k to all, changes nothing.

* Outputs of a linear layer are linear in its filters, so all the filters whose outputs share a statistic are
  scale-invariant together: one channel's for batch and instance normalisation, a group's for group
  normalisation, the layer's for layer normalisation.  A filter alone inside a shared group is not.
* With eps added to the variance, multiplying by c is the same as replacing eps by ``eps/c^2``; the output is
  ``sqrt(s2/(s2 + eps))`` of the exact one, which is below 1 by at most ``eps/(2 s2)``.
* ``(beta, gamma)`` of a normalisation that is followed by ReLU, a linear layer without bias and another
  normalisation is scale-invariant as one group; that of the last normalisation multiplies the output.

Source.  The architecture with batch normalisation: Arora, Li, Lyu, ICLR 2019, arXiv:1812.03981; other
normalisations with weight decay: Li and Arora, ICLR 2020, arXiv:1910.07454. The statements as written here are
derived in this package.
"""

from functools import lru_cache

import sympy as sp

from ..proof import Assumption, Definition, Identity, Inequality, Proof, Source, eq


@lru_cache(maxsize=1)
def prove() -> Proof:
    """The proof; see the module for the statement."""
    return Proof(
        "li2020.other_normalisations",
        "Scale-invariant groups under batch, layer, group and instance normalisation",
        "filters that share a statistic are scale-invariant together, and (beta, gamma) before another normalisation",
        (*_normalised(), *_groups(), *_epsilon(), *_affine()),
        Source("This package", "scale-invariant groups of normalised networks", "derived"),
    )


def _normalised():
    """Scaling and shifting n numbers that are normalised together."""
    n = sp.Symbol("n", integer=True, positive=True)
    i, j = sp.symbols("i j", integer=True)
    c = sp.Symbol("c", positive=True)
    k = sp.Symbol("k", real=True)
    m, s2 = sp.Symbol("m", real=True), sp.Symbol("s2", positive=True)
    x = sp.Function("x", real=True)
    over = (i, 1, n)

    mean = Definition("mean", m, sp.Sum(x(i), over) / n, "m is the mean of the n numbers x_i.")
    variance = Assumption(
        "variance", "s2 > 0 is their variance: they are not all equal.", eq(s2, sp.Sum((x(i) - m) ** 2, over) / n)
    )
    scaled_mean = Identity("mean, scaled", sp.Sum(c * x(i), over) / n, c * m, "The mean of the c x_i.", ((-c, mean),))
    scaled_variance = Identity(
        "variance, scaled",
        sp.Sum((c * x(i) - c * m) ** 2, over) / n,
        c**2 * s2,
        "The variance of the c x_i about their mean c m.",
        ((-(c**2), variance),),
    )
    scaled = Identity(
        "scaling",
        (c * x(j) - c * m) / sp.sqrt(c**2 * s2),
        (x(j) - m) / sp.sqrt(s2),
        "c > 0: the normalised numbers do not change.",
    )
    new_mean = Definition("mean of the shifted", sp.Symbol("m'", real=True), sp.Sum(x(i) + k, over) / n)
    shifted_mean = Identity(
        "mean, shifted", new_mean.symbol, m + k, "The mean of the x_i + k.", ((1, new_mean), (-1, mean))
    )
    shifted_variance = Identity(
        "variance, shifted",
        sp.Sum((x(i) + k - new_mean.symbol) ** 2, over) / n,
        s2,
        "One k for all: the deviations from the mean are the same.",
        ((-1, variance),),
        (shifted_mean,),
    )
    shifted = Identity(
        "shifting",
        (x(j) + k - new_mean.symbol) / sp.sqrt(s2),
        (x(j) - m) / sp.sqrt(s2),
        "The normalised numbers do not change.",
        (),
        (shifted_mean,),
    )
    return (
        mean,
        variance,
        scaled_mean,
        scaled_variance,
        scaled,
        new_mean,
        shifted_mean,
        shifted_variance,
        shifted,
    )


def _groups():
    """A filter alone inside a group that shares a statistic."""
    d = sp.Symbol("d", integer=True, positive=True)
    k, f = sp.symbols("k f", integer=True)
    c = sp.Symbol("c", positive=True)
    weight, feature = sp.Function("w", real=True), sp.Function("h", real=True)
    linear = Identity(
        "linear layer",
        sp.Sum(c * weight(f, k) * feature(k), (k, 1, d)),
        c * sp.Sum(weight(f, k) * feature(k), (k, 1, d)),
        "The output of every filter f: if all filters of a statistic are multiplied by c, so are all its numbers.",
    )
    groups = Assumption(
        "who shares a statistic",
        "Batch and instance normalisation: the outputs of one filter. Group normalisation: those of the filters of one "
        "group of channels. Layer normalisation: those of all filters of the layer. A bias of a channel is part of its "
        "filter; it drops out only where the statistic is the channel's own.",
        role="fact",
    )
    # Two channels of two numbers each, (c, 0) and (0, 1), under one statistic.
    numbers = (c, sp.S.Zero, sp.S.Zero, sp.S.One)
    mean = sum(numbers) / 4
    variance = sum((number - mean) ** 2 for number in numbers) / 4
    output = (c - mean) / sp.sqrt(variance)
    shared = Identity(
        "one filter in a shared group",
        output,
        (3 * c - 1) / sp.sqrt(3 * c**2 - 2 * c + 3),
        "Two channels with the outputs (c, 0) and (0, 1) under one statistic, the first filter multiplied by c: the "
        "first number, normalised.",
    )
    changes = Identity(
        "it is not scale-invariant",
        sp.Subs(sp.Derivative(output, c), c, 1),
        1,
        "The derivative in c at c = 1 is not 0.",
    )
    never = Identity(
        "nor for any other factor",
        output**2 - 1,
        2 * (3 * c + 1) * (c - 1) / (3 * c**2 - 2 * c + 3),
        "Its value at c = 1 is 1, and its square is not 1 for any other c > 0.",
    )
    return linear, groups, shared, changes, never


def _epsilon():
    """What a positive epsilon does."""
    c, s2 = sp.symbols("c s2", positive=True)
    eps = sp.Symbol("epsilon", nonnegative=True)
    deviation = sp.Symbol("z", real=True)  # x_j - m
    root = sp.sqrt(s2 / (s2 + eps))
    scaled = Identity(
        "scaling with epsilon",
        c * deviation / sp.sqrt(c**2 * s2 + eps),
        deviation / sp.sqrt(s2 + eps / c**2),
        "z = x_j - m: as if epsilon were divided by c^2, so the output changes with c.",
    )
    exact = Definition("exact output", sp.Symbol("y", real=True), deviation / sp.sqrt(s2))
    factor = Identity(
        "factor with epsilon",
        deviation / sp.sqrt(s2 + eps),
        root * exact.symbol,
        "Against the exact normalisation.",
        (),
        (exact,),
    )
    below = Inequality(
        "factor at most 1",
        0,
        1 - root,
        ((1, eps / (s2 + eps) / (1 + root)),),
        "1 - q = (1 - q^2)/(1 + q) for the factor q.",
    )
    close = Inequality(
        "factor close to 1",
        1 - root,
        eps / (2 * s2),
        ((1, (1 - root) ** 2 * (1 + 2 * root) / (2 * root**2)),),
        "The invariance is violated by a relative size of at most epsilon/(2 s2).",
    )
    return scaled, exact, factor, below, close


def _affine():
    """The learnable shift and scale behind a normalisation."""
    c = sp.Symbol("c", positive=True)
    beta, gamma, y, z, out = sp.symbols("beta gamma y z o", real=True)
    channels = sp.Symbol("d", integer=True, positive=True)
    k = sp.Symbol("k", integer=True)
    weight, signal = sp.Function("W", real=True), sp.Function("z", real=True)

    def relu(z):
        return (z + sp.Abs(z)) / 2

    together = Identity(
        "beta and gamma", (c * gamma) * y + c * beta, c * (gamma * y + beta), "As one group they scale the output."
    )
    rectified = Identity("ReLU", relu(c * z), c * relu(z), "relu(z) = (z + |z|)/2, and c > 0.")
    linear = Identity(
        "next layer",
        sp.Sum(weight(k) * relu(c * signal(k)), (k, 1, channels)),
        c * sp.Sum(weight(k) * relu(signal(k)), (k, 1, channels)),
        "A linear layer without bias: its outputs are multiplied by c, and the normalisation behind it undoes that, by "
        "'scaling'.",
    )
    last = Identity(
        "last normalisation",
        c * out - out,
        (c - 1) * out,
        "With no normalisation behind it the output is multiplied by c: its (beta, gamma) is not scale-invariant.",
    )
    slope = sp.Derivative(sp.log(1 + sp.exp(-c * out)), c)
    loss = Identity(
        "a loss of the last output",
        slope,
        -out / (1 + sp.exp(c * out)),
        "The logistic loss of c o depends on c unless o = 0.",
    )
    return together, rectified, linear, last, loss
