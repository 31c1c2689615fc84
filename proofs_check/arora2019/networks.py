"""Normalised networks: growth by group, the effective rate of SGD and of projected SGD, what breaks either.

Statement.  A network's loss L is scale-invariant in groups w_i (kernels; filters; the (gamma, beta) of a
normalisation that is followed by another) and not in the rest.  With ``G_i = |w_i|^2``:

* a kernel whose every filter is scale-invariant is scale-invariant; its squared norms, squared gradients and
  growths are the sums of its filters';
* under one SGD step with rates of their own, ``G_i' = G_i + eta_i^2 |grad_i L|^2`` for every group, whatever the
  others do; parameters that are invariant only jointly need one rate together;
* the effective rate ``eta_i/G_i`` of SGD never grows under rates that do not, and is at most ``1/(2 |grad_i L(V)|)``
  after one step at a rate of any size; that of projected SGD is ``eta_i/G_{i,0}`` for ever, in proportion to the
  rate;
* with fixed rates ``sum_{t<T} |grad_i L(V_t; g_t)|^2 <= (G_{i,T}^2 - G_{i,0}^2)/(2 eta_i^2)``, by the growth alone;
* a bias before a normalisation of its own channel has gradient 0;
* with weight decay ``G' = (1 - eta lambda)^2 G + eta^2 |grad|^2``, and with momentum or any other step p the growth
  has a term ``-2 eta <w, p>``;
* with eps in the normalisation behind w, ``<w, grad L(w)> = -2 eps dL/deps``, so at ``w = r v`` it falls as r^-2.

Source.  Scale-invariant parameters and the effective rate: Arora, Li, Lyu, ICLR 2019, arXiv:1812.03981; the
statements as written here are derived in this package.
"""

from functools import lru_cache

import sympy as sp

from ..jets import plane
from ..li2020 import other_normalisations
from ..proof import Assumption, Citation, Definition, Identity, Induction, Inequality, Proof, Source, Summed, eq, le
from ..vectors import dot, gram, vector
from . import gd_rate, norm_growth, orthogonality


@lru_cache(maxsize=1)
def prove() -> Proof:
    """The proof; see the module for the statement."""
    return Proof(
        "arora2019.networks",
        "Auto rate-tuning of normalised networks, by group",
        "G_i' = G_i + eta_i^2 |grad_i L|^2 for every group; eta_i/G_i never grows and is at most 1/(2 |grad_i L(V)|) "
        "after one step of any rate",
        (*_filters(), *_pairs(), *_effective_rates(), *_bias(), *_other_steps(), *_epsilon()),
        Source("Arora, Li, Lyu, ICLR 2019, arXiv:1812.03981", "scale-invariant parameters of networks", "derived"),
    )


def _filters():
    """A kernel of scale-invariant filters, and groups with rates of their own."""
    filters = sp.Symbol("K", integer=True, positive=True)
    j = sp.Symbol("j", integer=True)
    k, t = sp.symbols("k t", integer=True, nonnegative=True)
    eta = sp.Symbol("eta", positive=True)
    over = (j, 1, filters)
    scaled, inner = sp.Function("ell", real=True), sp.Function("<f,g>", real=True)
    norm2, slope2 = sp.Function("G", positive=True), sp.Function("q", nonnegative=True)

    every = Assumption(
        "every filter",
        "L is scale-invariant in every filter; ell(k) is its value with the first k filters multiplied by c > 0.",
        eq(scaled(k + 1), scaled(k)),
        (k,),
    )
    kernel = Induction(
        "whole kernel",
        scaled(k),
        scaled(0),
        k,
        (),
        ((1, every),),
        why="One filter after the other: with all K of them the kernel is multiplied by c.",
    )
    orthogonal = Citation("orthogonality of a filter", eq(inner(j), 0), orthogonality.prove(), "orthogonality", (j,))
    together = Identity(
        "orthogonality of the kernel",
        sp.Sum(inner(j), over),
        0,
        "<w, grad L> is the sum of its filters'.",
        (),
        (orthogonal,),
    )
    growth = Citation(
        "growth of a filter",
        eq(norm2(j, t + 1), norm2(j, t) + eta**2 * slope2(j, t)),
        norm_growth.prove(),
        "growth",
        (j, t),
    )
    grown = Summed(
        "growth of the kernel",
        norm2(j, t + 1),
        norm2(j, t) + eta**2 * slope2(j, t),
        (over,),
        ((1, growth),),
        equality=True,
        why="q(j,t) = |grad L|^2 of filter j: squared norms and squared gradients are the sums of the filters'.",
    )

    groups = sp.Symbol("m", integer=True, positive=True)
    i = sp.Symbol("i", integer=True)
    rate = sp.Function("eta", positive=True)
    size, square = sp.Function("G_w", positive=True), sp.Function("n2", nonnegative=True)
    own = Citation(
        "growth of a group",
        eq(size(i, t + 1), size(i, t) + rate(i, t) ** 2 * square(i, t) / size(i, t)),
        norm_growth.prove(),
        "growth at unit norm",
        (i, t),
    )
    all_groups = Summed(
        "growth of all groups",
        (size(i, t + 1) - size(i, t)) / rate(i, t) ** 2,
        square(i, t) / size(i, t),
        ((i, 1, groups),),
        ((1 / rate(i, t) ** 2, own),),
        equality=True,
        why="n2(i,t) = |grad_i L(V_t; g_t)|^2. All groups step from one point: each grows by its own rate alone.",
    )
    fixed, spent = sp.Function("eta_w", positive=True), sp.Function("Q", nonnegative=True)
    summed = Citation(
        "a posteriori, by group",
        le(2 * fixed(i) ** 2 * spent(i, t), size(i, t) ** 2 - size(i, 0) ** 2),
        gd_rate.prove(),
        "squared gradients of a group",
        (i, t),
    )
    stationary = Inequality(
        "squared gradients at unit norm",
        spent(i, t),
        (size(i, t) ** 2 - size(i, 0) ** 2) / (2 * fixed(i) ** 2),
        ((1 / (2 * fixed(i) ** 2), summed),),
        "Q(i,t) is the sum of |grad_i L(V;g)|^2 over the steps before t, at fixed rates: by the growth alone, for SGD "
        "with the gradients of its samples.",
    )
    return every, kernel, orthogonal, together, growth, grown, own, all_groups, summed, stationary


def _pairs():
    """(gamma, beta), scale-invariant as one group only."""
    eta = sp.Symbol("eta", nonnegative=True)
    eta_1, eta_2 = sp.symbols("eta_1 eta_2", nonnegative=True)
    gamma, beta, a, b = (vector(name) for name in ("gamma", "beta", "a", "b"))
    affine = other_normalisations.prove()

    onward = Citation("next layer", affine.step("next layer").relation, affine, "next layer")
    last = Citation("last normalisation", affine.step("last normalisation").relation, affine, "last normalisation")
    joint = Assumption(
        "joint group",
        "By 'next layer' the vector (gamma, beta) of a normalisation before another one is scale-invariant; by 'last "
        "normalisation' that of the last one is not.",
        role="conclusion",
    )
    orthogonal = Citation(
        "joint orthogonality",
        eq(gram("gamma", "a") + gram("beta", "b"), 0),
        orthogonality.prove(),
        "orthogonality",
    )
    step, other = gamma - eta * a, beta - eta * b
    growth = Identity(
        "joint growth",
        dot(step, step) + dot(other, other),
        gram("gamma", "gamma") + gram("beta", "beta") + eta**2 * (gram("a", "a") + gram("b", "b")),
        "a and b are the gradients by gamma and beta, the rate is one for both.",
        ((-2 * eta, orthogonal),),
    )
    unequal, rest = gamma - eta_1 * a, beta - eta_2 * b
    rates = Identity(
        "two rates",
        dot(unequal, unequal) + dot(rest, rest),
        gram("gamma", "gamma")
        + gram("beta", "beta")
        + eta_1**2 * gram("a", "a")
        + eta_2**2 * gram("b", "b")
        - 2 * (eta_1 - eta_2) * gram("gamma", "a"),
        "With a rate each the growth has a term of first order.",
        ((-2 * eta_2, orthogonal),),
    )
    alone = Identity(
        "one of the two",
        dot(other, other),
        gram("beta", "beta") + eta**2 * gram("b", "b") + 2 * eta * gram("gamma", "a"),
        "And |gamma|^2 has -2 eta <gamma, a>: by itself neither obeys the growth law: what gamma gains, beta loses.",
        ((-2 * eta, orthogonal),),
    )
    return onward, last, joint, orthogonal, growth, rates, alone


def _effective_rates():
    """eta/G under SGD and under SGD with projection."""
    t = sp.Symbol("t", integer=True, nonnegative=True)
    eta, size, slope = sp.symbols("eta G s", positive=True)  # s = |grad L(V)|
    added = sp.Symbol("x", nonnegative=True)
    norm2, kept = sp.Function("G", positive=True), sp.Function("G_P", positive=True)
    longer = Citation("norms never decrease", le(norm2(0), norm2(t)), norm_growth.prove(), "never decreases", (t,))
    falls = Inequality(
        "effective rate of a step",
        eta / (size + added),
        eta / size,
        ((1, eta * added / (size * (size + added))),),
        "x is what the step adds to G.",
    )
    below = Inequality(
        "effective rate of a run",
        eta / norm2(t),
        eta / norm2(0),
        ((eta / (norm2(0) * norm2(t)), longer),),
    )
    after = size + eta**2 * slope**2 / size
    tuned = Inequality(
        "after one step",
        eta / after,
        1 / (2 * slope),
        ((1, (size - eta * slope) ** 2 / (2 * slope * (size**2 + eta**2 * slope**2))),),
        "Whatever the rate: the arithmetic mean of G and (eta s)^2/G is at least the geometric one.",
    )
    large = Inequality(
        "after one large step",
        eta / after,
        size / (eta * slope**2),
        ((1, size**3 / (eta * slope**2 * (size**2 + eta**2 * slope**2))),),
        "A rate that is k times too large leaves an effective rate that is k times too small.",
    )
    factor = Definition(
        "projection",
        sp.Symbol("r", positive=True),
        sp.sqrt(size / (size + added)),
        "After its step a projected group is multiplied by r.",
    )
    back = Identity(
        "norm after the projection",
        factor.symbol**2 * (size + added),
        size,
        "It has the norm that it had before.",
        (),
        (factor,),
    )
    steady = Assumption(
        "norm of a projected group", "By 'norm after the projection'.", eq(kept(t + 1), kept(t)), (t,), "conclusion"
    )
    constant = Induction("norm of a projected run", kept(t), kept(0), t, (), ((1, steady),))
    frozen = Identity(
        "effective rate of a projected run",
        eta / kept(t),
        eta / kept(0),
        "In proportion to the rate for ever: too small a rate stays too small, too large a one too large.",
        (),
        (constant,),
    )
    return longer, falls, below, tuned, large, factor, back, steady, constant, frozen


def _bias():
    """A constant added to all numbers that share a statistic."""
    k = sp.Symbol("k", nonzero=True, real=True)
    m, x = sp.symbols("m x", real=True)
    s2 = sp.Symbol("s2", positive=True)
    shifted = sp.Symbol("m'", real=True)
    affine = other_normalisations.prove()
    mean = Citation("mean with a bias", eq(shifted, m + k), affine, "mean, shifted")
    with_bias, without = (plane("psi", z / sp.sqrt(s2), 0) for z in (x + k - shifted, x - m))
    same = Identity(
        "loss with a bias",
        with_bias,
        without,
        "The variance is the same by 'variance, shifted'; psi is the loss as a function of the normalised number.",
        (),
        (mean,),
    )
    zero = Identity(
        "gradient of a bias",
        (with_bias - without) / k,
        0,
        "For every k, so the derivative by the bias is 0 and no step moves it.",
        ((1 / k, same),),
    )
    return mean, same, zero


def _other_steps():
    """Weight decay, momentum, and any other step."""
    eta, decay, mu = sp.symbols("eta lambda mu", nonnegative=True)
    w, g, b, p = (vector(name) for name in "wgbp")
    orthogonal = Citation("<w, grad> = 0", eq(gram("g", "w"), 0), orthogonality.prove(), "orthogonality")
    shrunk = (1 - eta * decay) * w - eta * g
    decayed = Identity(
        "weight decay",
        dot(shrunk, shrunk),
        (1 - eta * decay) ** 2 * gram("w", "w") + eta**2 * gram("g", "g"),
        "w' = w - eta (g + lambda w).",
        ((-2 * eta * (1 - eta * decay), orthogonal),),
    )
    missing = Identity(
        "what decay takes",
        dot(shrunk, shrunk) - gram("w", "w") - eta**2 * gram("g", "g"),
        -eta * decay * (2 - eta * decay) * gram("w", "w"),
        "The growth law misses by this much.",
        ((1, decayed),),
    )
    rolling = w - eta * (mu * b + g)
    momentum = Identity(
        "momentum",
        dot(rolling, rolling) - gram("w", "w") - eta**2 * gram("g", "g"),
        -2 * eta * mu * gram("b", "w") + eta**2 * (2 * mu * gram("b", "g") + mu**2 * gram("b", "b")),
        "b is the old buffer: a gradient at earlier weights, not orthogonal to these.",
        ((-2 * eta, orthogonal),),
    )
    step = w - eta * p
    adaptive = Identity(
        "any other step",
        dot(step, step) - gram("w", "w") - eta**2 * gram("g", "g"),
        eta**2 * (gram("p", "p") - gram("g", "g")) - 2 * eta * gram("p", "w"),
        "p as Adam's: not along the gradient, hence not orthogonal to w.",
    )
    return orthogonal, decayed, missing, momentum, adaptive


def _epsilon():
    """What eps in the normalisation behind a group leaves of orthogonality."""
    c, r = sp.symbols("c r", positive=True)
    eps, e = sp.symbols("epsilon e", positive=True)
    affine = other_normalisations.prove()
    scaling = Citation(
        "scaling with epsilon", affine.step("scaling with epsilon").relation, affine, "scaling with epsilon"
    )
    loss = Assumption(
        "loss and epsilon",
        "psi(e, 0) is the loss at v, |v| = 1, with e in the normalisation behind v; by 'scaling with epsilon' the loss "
        "at r v with epsilon there is psi(epsilon/r^2, 0).",
        role="conclusion",
    )
    slope = sp.Subs(sp.Derivative(plane("psi", e, 0), e), e, eps / r**2)
    radial = Identity(
        "radial derivative with epsilon",
        sp.Subs(sp.Derivative(plane("psi", eps / (c * r) ** 2, 0), c), c, 1),
        -2 * eps / r**2 * slope,
        "<w, grad L(w)> at w = r v, by the chain rule.",
    )
    derivative = sp.Subs(sp.Derivative(plane("psi", e, 0), e), e, eps)
    own = Identity(
        "orthogonality with epsilon",
        sp.Subs(sp.Derivative(plane("psi", eps / c**2, 0), c), c, 1),
        -2 * eps * derivative,
        "The same without naming the norm: <w, grad L(w)> = -2 epsilon dL/d(epsilon). As r grows, the derivative by e "
        "tends to that at 0, so that <w, grad L(w)> falls as r^-2.",
    )
    return scaling, loss, radial, own
