"""The largest rate that trains: bounded by the curvature without normalisation, by nothing with it.

Statement.  Let L be scale-invariant in w, G = |w|^2, v = w/|w|, n = |grad L(v)| > 0, w' = w - eta grad L(w).
(1) For every eta the effective rate after the step is ``eta/|w'|^2 <= 1/(2 n)``, and no later step at this rate
raises it.
(2) ``L(w - eta grad L(w)) = L(v - (eta/G) grad L(v))``: the step turns the direction by the angle
``arctan(eta |grad L(w)|/|w|)``, less than a right one for every eta, so that the loss along the step stays on the
sphere and tends to ``L(-grad L(w))``.  For outputs that batch normalisation makes, C classes, scale gamma, shift 0 and
cross-entropy, it is at most ``log C + gamma sqrt(2 C)``.
(3) Without normalisation: GD on curvature lambda multiplies the loss by ``(1 - eta lambda)^2`` a step and diverges if
and only if ``eta > 2/lambda``; along the step of M linear layers the outputs are ``eta^M`` times those of the layers
``W_i/eta - grad_i``, so that squared loss rises as ``eta^(2M)``.

Source.  Derived in this package, on the subject of Bjorck, Gomes, Selman, Weinberger, NeurIPS 2018, arXiv:1806.02375.
"""

from functools import lru_cache

import sympy as sp

from .. import logarithm
from ..arora2019 import norm_growth, orthogonality
from ..proof import (
    Assumption,
    Citation,
    Definition,
    Identity,
    Increasing,
    Induction,
    Inequality,
    Instance,
    Proof,
    Source,
    Summed,
    eq,
    instance,
    le,
)
from ..vectors import dot, gram, vector


@lru_cache(maxsize=1)
def prove() -> Proof:
    """The proof; see the module for the statement."""
    return Proof(
        "bjorck2018.largest_rate",
        "The largest rate that trains",
        "scale-invariant: eta/|w'|^2 <= 1/(2 |grad L(v)|) and L(w - eta grad L(w)) bounded, for every eta; "
        "not normalised: divergence for eta > 2/lambda, and a loss along the step that rises as eta^(2M)",
        (*_effective_rate(), *_direction(), *_outputs(), *_quadratic(), *_layers()),
        Source("This package", "the largest rate that trains", "derived"),
    )


def _effective_rate():
    """After one step, and later."""
    G, eta, n = sp.symbols("G eta n", positive=True)  # n = |grad L(v)|
    after = sp.Symbol("G'", positive=True)
    t = sp.Symbol("t", integer=True, nonnegative=True)
    squared = sp.Function("G", positive=True)
    growth = Citation("growth", eq(after, G + eta**2 * n**2 / G), norm_growth.prove(), "growth at unit norm")
    longer = Inequality(
        "length after a step",
        2 * eta * n,
        after,
        ((-1, growth), (1 / G, (G - eta * n) ** 2)),
        "G + (eta n)^2/G is at least twice the geometric mean of its terms, whatever G is.",
    )
    rate = Inequality(
        "effective rate after a step",
        eta / after,
        1 / (2 * n),
        ((1 / (2 * n * after), longer),),
        "The larger the rate, the longer the weights: eta/|w'|^2 is at most 1/(2 |grad L(v)|) for every eta.",
    )
    attained = Identity(
        "attained at eta = G/n",
        sp.Subs(eta / (G + eta**2 * n**2 / G), eta, G / n),
        1 / (2 * n),
        "The bound is the largest value: at this rate the step is as long as the weights.",
    )
    decades = Identity(
        "beyond it the rate falls",
        eta / (G + eta**2 * n**2 / G) * (eta * n**2 / G + G / eta),
        1,
        "eta/G' = 1/(eta n^2/G + G/eta): for large eta it is G/(eta n^2), for small eta it is eta/G.",
    )
    kept = Citation("never decreases", le(squared(0), squared(t)), norm_growth.prove(), "never decreases", (t,))
    later = Inequality(
        "never above it later",
        eta / squared(t),
        eta / squared(0),
        ((eta / (squared(0) * squared(t)), kept),),
        "Counted from the first step on, at a constant rate.",
    )
    return growth, longer, rate, attained, decades, kept, later


def _direction():
    """The loss along a step depends on the direction alone, which turns by less than a right angle."""
    G, eta, c = sp.symbols("G eta c", positive=True)
    n2 = sp.Symbol("n2", nonnegative=True)
    x, v, slope = sp.symbols("x v g", real=True)  # stand for vectors: only linear operations touch them
    loss = sp.Function("L", real=True)
    w, g = vector("w"), vector("g")
    invariant = Assumption(
        "scale invariance", "L(c x) = L(x) for every c > 0; x stands for a vector.", eq(loss(c * x), loss(x)), (c, x)
    )
    along = Identity(
        "loss along the step",
        loss(sp.sqrt(G) * v - eta * slope / sp.sqrt(G)),
        loss(v - eta / G * slope),
        "w = sqrt(G) v and grad L(w) = g/sqrt(G) with g = grad L(v), by homogeneity: only eta/G matters.",
        ((1, Instance(invariant, ((c, sp.sqrt(G)), (x, v - eta / G * slope)))),),
    )
    limit = Identity(
        "loss at a long step",
        loss(v - eta * slope),
        loss(v / eta - slope),
        "For eta -> infinity it tends to L(-grad L(v)), where L is continuous: finite, and on the sphere.",
        ((-1, Instance(invariant, ((c, 1 / eta), (x, v - eta * slope)))),),
    )
    orthogonal = Citation("<w, grad> = 0", eq(gram("g", "w"), 0), orthogonality.prove(), "orthogonality")
    at_unit = Citation(
        "gradient at unit norm", eq(gram("g", "g"), n2 / G), orthogonality.prove(), "gradient homogeneity"
    )
    norm = Assumption("squared norm", "w is not 0: G = |w|^2 > 0.", eq(gram("w", "w"), G))
    step = w - eta * g
    forward = Identity(
        "along the old direction",
        dot(step, w),
        G,
        "It is positive for every eta: the direction turns by less than a right angle.",
        ((1, norm), (-eta, orthogonal)),
    )
    tangent = Identity(
        "angle",
        dot(step, step) / G - 1,
        eta**2 * gram("g", "g") / G,
        "tan^2 = |w'|^2 |w|^2/<w', w>^2 - 1 = (eta |grad L(w)|/|w|)^2.",
        ((1 / G, norm), (-2 * eta / G, orthogonal)),
    )
    rate = Identity(
        "angle by the effective rate",
        eta**2 * gram("g", "g") / G,
        (eta / G) ** 2 * n2,
        "The tangent is (eta/G) |grad L(v)|.",
        ((eta**2 / G, at_unit),),
    )
    return invariant, along, limit, orthogonal, at_unit, norm, forward, tangent, rate


def _outputs():
    """Cross-entropy of outputs that a batch normalisation makes, whatever the weights before it."""
    n, C = sp.symbols("N C", integer=True, positive=True)  # images in the batch, classes
    i, j = sp.symbols("i j", integer=True)
    gamma, K = sp.symbols("gamma K", positive=True)
    a, b, d = sp.symbols("a b d", real=True)
    h, q = sp.symbols("h q", nonnegative=True)
    x, mean, difference = (sp.Function(s, real=True) for s in ("x", "m", "D"))
    spread, total = (sp.Function(s, positive=True) for s in ("s2", "S"))
    squares = sp.Function("r2", nonnegative=True)
    images, classes = (i, 1, n), (j, 1, C)
    output = gamma * (x(i, j) - mean(j)) / sp.sqrt(spread(j))

    variance = Assumption(
        "variance",
        "Of output j over the batch; it is not 0.",
        eq(spread(j), sp.Sum((x(i, j) - mean(j)) ** 2, images) / n),
        (j,),
    )
    one_output = Identity(
        "squares of one output",
        sp.Sum(output**2, images),
        n * gamma**2,
        "Over the batch a normalised output has mean square gamma^2, whatever made it (epsilon = 0; less with it).",
        ((-n * gamma**2 / spread(j), variance),),
    )
    all_outputs = Summed(
        "squares of all outputs",
        sp.Sum(output**2, images),
        n * gamma**2,
        (classes,),
        ((1, one_output),),
        equality=True,
    )
    of_image = Definition("r2", squares(i), sp.Sum(output**2, classes), "All outputs of image i.")
    over_batch = Summed(
        "r2 over the batch", squares(i), sp.Sum(output**2, classes), (images,), ((1, of_image),), equality=True
    )
    two = Inequality(
        "difference of two outputs",
        b - a,
        (a**2 + b**2 + q) / K + K / 2,
        ((1 / (2 * K), (b - a - K) ** 2), (1 / (2 * K), (a + b) ** 2), (1 / K, q)),
        "a of the label, b of another class, q the squares of all others: a^2 + b^2 + q = r2.",
    )
    differences = Assumption(
        "every difference",
        "D(i,j) = o_ij - o_iy, y the label of image i: 'difference of two outputs' for j other than y, 0 for j = y.",
        le(difference(i, j), squares(i) / K + K / 2),
        (i, j, K),
        role="conclusion",
    )
    increasing = Increasing(
        "exponentials increase", sp.exp(d), sp.exp(d + h), h, ((sp.exp(d + h), 1),), why="For every d and h >= 0."
    )
    top = squares(i) / K + K / 2
    summed = Summed(
        "sum of the exponentials",
        sp.exp(difference(i, j)),
        sp.exp(top),
        (classes,),
        ((1, instance(increasing, (differences,), d=difference(i, j), h=top - difference(i, j))),),
    )
    exponentials = Assumption(
        "S",
        "The sum of exponentials of image i; its loss, minus the logarithm of the label's softmax, is log S(i).",
        eq(total(i), sp.Sum(sp.exp(difference(i, j)), classes)),
        (i,),
        role="fact",
    )
    log = logarithm.bounds()
    tangent = log["tangent"]
    (variable,) = tangent.relation.free_symbols
    ratio = total(i) / (C * sp.exp(top))
    of_one = Inequality(
        "loss of an image",
        sp.log(total(i)),
        sp.log(C) + top,
        (
            (1, Instance(tangent, ((variable, ratio),))),
            (1 / (C * sp.exp(top)), summed),
            (1 / (C * sp.exp(top)), exponentials),
        ),
        "log S <= log C + r2/K + K/2, for every K > 0.",
    )
    of_batch = Summed("loss of the batch, any K", sp.log(total(i)), sp.log(C) + top, (images,), ((1, of_one),))
    best = gamma * sp.sqrt(2 * C)
    bounded = Inequality(
        "bounded loss",
        sp.Sum(sp.log(total(i)), images) / n,
        sp.log(C) + best,
        (
            (1 / n, Instance(of_batch, ((K, best),))),
            (1 / (n * best), over_batch),
            (1 / (n * best), all_outputs),
        ),
        "With K = gamma sqrt(2 C): the mean loss is at most log C + gamma sqrt(2 C), at every point and so all along "
        "every step of the weights before the last normalisation.",
    )
    return (
        variance,
        one_output,
        all_outputs,
        of_image,
        over_batch,
        two,
        differences,
        increasing,
        *(log[name] for name in ("below", "above", "tangent") if name in log),
        summed,
        exponentials,
        of_one,
        of_batch,
        bounded,
    )


def _quadratic():
    """GD without normalisation on curvature lambda: a threshold, and beyond it divergence."""
    eta, lam = sp.symbols("eta lambda", positive=True)
    excess, s = sp.symbols("delta s", nonnegative=True)
    t = sp.Symbol("t", integer=True, nonnegative=True)
    y, loss, power = sp.Function("y", real=True), sp.Function("f", nonnegative=True), sp.Function("p", positive=True)
    run = Assumption(
        "GD on curvature lambda",
        "The loss is f = lambda y^2/2, y the distance from the minimum along an eigenvector.",
        eq(y(t + 1), y(t) - eta * lam * y(t)),
        (t,),
    )
    value = Definition("f", loss(t), lam * y(t) ** 2 / 2)
    factor = Identity(
        "factor of a step",
        lam * y(t + 1) ** 2 / 2,
        (1 - eta * lam) ** 2 * lam * y(t) ** 2 / 2,
        "",
        (),
        (run,),
    )
    along = Identity(
        "loss along the step, quadratic",
        lam * (y(t) - s * eta * lam * y(t)) ** 2 / 2,
        (1 - s * eta * lam) ** 2 * loss(t),
        "At a fraction s of the step, or a multiple of it.",
        (),
        (value,),
    )
    every = Induction(
        "every step",
        y(t),
        (1 - eta * lam) ** t * y(0),
        t,
        (),
        ((1, run),),
    )
    threshold = Identity(
        "threshold",
        (1 - eta * lam) ** 2 - 1,
        eta * lam**2 * (eta - 2 / lam),
        "The factor of the loss exceeds 1 if and only if eta > 2/lambda.",
    )
    powers = Assumption("powers", "p(t) = (1 + delta)^t.", eq(power(t + 1), (1 + excess) * power(t)), (t,), role="fact")
    first = Assumption("power 0", "(1 + delta)^0 = 1.", eq(power(0), 1), role="fact")
    at_least_one = Induction(
        "powers are at least 1",
        1,
        power(t),
        t,
        ((-1, first),),
        ((-1, powers), (excess, power(t))),
        equality=False,
    )
    bernoulli = Induction(
        "divergence",
        1 + t * excess,
        power(t),
        t,
        ((-1, first),),
        ((-1, powers), (excess, at_least_one)),
        equality=False,
        why="With delta = (1 - eta lambda)^2 - 1 > 0 the loss grows beyond every number.",
    )
    return run, value, factor, along, every, threshold, powers, first, at_least_one, bernoulli


def _layers():
    """The outputs of M layers along a step, and two losses of them."""
    eta = sp.Symbol("eta", positive=True)
    m = sp.Symbol("m", real=True)
    rest = sp.Symbol("u", nonnegative=True)
    c = sp.Symbol("c", positive=True)
    M = sp.Symbol("M", integer=True, nonnegative=True)
    # matrices and vectors: their products are not commuted
    x = sp.Symbol("x", commutative=False)
    W, grad, signal, scaled, rho = (sp.Function(name, commutative=False) for name in ("W", "grad", "P", "Q", "rho"))
    homogeneous = Assumption(
        "homogeneity of what follows a layer",
        "rho(c x) = c rho(x) for c > 0: ReLU, pooling, or nothing. No biases.",
        eq(rho(c * x), c * rho(x)),
        (c, x),
    )
    along = Assumption(
        "layers along the step",
        "P(M) is the signal behind M layers with the weights W_i - eta grad_i.",
        eq(signal(M + 1), rho((W(M + 1) - eta * grad(M + 1)) * signal(M))),
        (M,),
    )
    far = Assumption(
        "layers at a distance",
        "Q(M) is the signal behind M layers with the weights W_i/eta - grad_i.",
        eq(scaled(M + 1), rho((W(M + 1) / eta - grad(M + 1)) * scaled(M))),
        (M,),
    )
    alike = Assumption("input", "Both start from the same input.", eq(signal(0), scaled(0)), role="fact")
    inside = eta ** (M + 1)
    degree = Induction(
        "degree",
        signal(M),
        eta**M * scaled(M),
        M,
        ((1, alike),),
        (
            (1, along),
            (-inside, far),
            (1, Instance(homogeneous, ((c, inside), (x, (W(M + 1) / eta - grad(M + 1)) * scaled(M))))),
        ),
        why="P(M) = eta^M Q(M), for any M and any sizes; Q tends to the signal behind the layers -grad_i.",
    )
    size = sp.Symbol("a", positive=True)
    q, y = vector("q"), vector("y")
    squared = Identity(
        "squared loss along the step",
        dot(size * q - y, size * q - y),
        size**2 * dot(q - 1 / size * y, q - 1 / size * y),
        "With a = eta^M: |P - y|^2 = eta^(2M) |Q - y/eta^M|^2 rises as eta^(2M) where Q does not vanish; M = 1 is the "
        "quadratic.",
    )
    above = Increasing(
        "cross-entropy along the step",
        m,
        sp.log(sp.exp(m) + rest),
        rest,
        ((1 / (sp.exp(m) + rest), 1),),
        why="log S >= m, the largest difference of an image, and log S <= log C + m as in 'loss of an image'. By "
        "'degree' m = eta^M times that of Q: the loss rises as eta^M unless all images are right at -grad.",
    )
    return homogeneous, along, far, alike, degree, squared, above
