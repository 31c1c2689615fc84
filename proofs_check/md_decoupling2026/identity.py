"""Magnitude and direction of a weight vector: what a step does to each.

Statement.  For vectors of any dimension, w not 0:

* ``|w + d|^2 = |w|^2 + 2 <w, d> + |d|^2``;
* a fixed update d has the relative size ``|d|/|a w| = a^-1 |d|/|w|`` at a w, a > 0; that of SGD on a scale-invariant
  loss is ``a^-2`` of that at w, as its gradient is ``a^-1`` times as long; that of Adam with eps = 0 again ``a^-1``, as
  its step does not change when all gradients are multiplied by one positive number;
* a tangential update of relative size eta lengthens to ``(1 + eta^2)|w|^2`` and turns by ``cos = 1/sqrt(1 + eta^2)``;
  with a radial part ``rho w``, rho > -1, by ``cos = (1 + rho)/sqrt((1 + rho)^2 + eta^2)``;
* with ``w = g v``, v a unit vector, ``dL/dg = <v, grad L(w)>`` and the gradient on the sphere is g times the tangential
  part of ``grad L(w)``; for a scale-invariant L the gain is inert: ``dL/dg = 0``, g stays what it is at any rate of its
  own, and the gradient on the sphere is ``grad L(v)`` whatever g > 0;
* a weight of one entry has no tangent: with ``L = (w + 1)^2/2`` and v = 1 a positive gain keeps ``|L'| = g + 1 >= 1``,
  while gradient descent on w goes to -1 linearly for every rate below 2;
* on the circle with ``L = mu x^2/(2 (x^2 + y^2))`` the retracted step multiplies ``u = x/y`` by
  ``(1 - eta mu c^2)/(1 + eta mu s^2)``, s and c sine and cosine of the angle to the minimiser: |u| never grows where
  ``eta mu <= 2``, and near the minimiser it does not fall where ``eta mu > 2``, unless a step hits u = 0 exactly.
  (Plain gradient descent brings the gradient down at every rate: ``arora2019.gd_rate``.)

Source.  The separation of magnitude and direction: Haegele, Hernandez-Cano, Kosson, Jaggi, arXiv:2606.25971. The
statements as written here are derived in this package.
"""

from functools import lru_cache

import sympy as sp

from ..arora2019 import orthogonality
from ..jets import plane
from ..proof import Assumption, Citation, Definition, Identity, Induction, Inequality, Proof, Source, eq, le
from ..vectors import dot, gram, vector

PAPER = "Haegele, Hernandez-Cano, Kosson, Jaggi, arXiv:2606.25971"


@lru_cache(maxsize=1)
def prove() -> Proof:
    """The proof; see the module for the statement."""
    return Proof(
        "md_decoupling2026.identity",
        "Magnitude and direction of a step",
        "|w+d|^2 = |w|^2 + 2<w,d> + |d|^2; a tangential step of relative size eta turns by cos = 1/sqrt(1+eta^2); for "
        "a scale-invariant loss the gain is inert",
        (*_relative(), *_adam(), *_turn(), *_gain(), *_one_entry(), *_threshold()),
        Source(PAPER, "magnitude and direction of an update", "derived"),
    )


def _relative():
    """The expansion, and relative updates at a w."""
    a, G, W, D = sp.symbols("a G W D", positive=True)  # G = |w|^2, W = |w|, D = |d|
    eta = sp.Symbol("eta", nonnegative=True)
    w, d = vector("w"), vector("d")
    expansion = Identity(
        "expansion",
        dot(w + d, w + d),
        gram("w", "w") + 2 * gram("d", "w") + gram("d", "d"),
        "|w + d|^2, by bilinearity.",
    )
    length = Identity("length at a w", dot(a * w, a * w), a**2 * gram("w", "w"), "|a w| = a |w|.")
    fixed = Identity("fixed update", D / (a * W), D / W / a, "One d at w and at a w: relative size a^-1.")
    norm2 = Assumption("squared norm", "w is not 0: G = |w|^2 > 0.", eq(gram("w", "w"), G))
    slope = Citation(
        "gradient at a w",
        eq(gram("h", "h"), gram("g", "g") / a**2),
        orthogonality.prove(),
        "gradient homogeneity",
    )
    sgd = Identity(
        "update of SGD",
        eta**2 * gram("h", "h") / (a**2 * G),
        eta**2 * gram("g", "g") / G / a**4,
        "Squared relative size at a w, h = grad L(a w): a^-4 of that at w, g = grad L(w); without the square a^-2.",
        ((eta**2 / (a**2 * G), slope),),
    )
    return expansion, length, fixed, norm2, slope, sgd


def _adam():
    """Adam's step of one entry, its gradients multiplied by c."""
    t = sp.Symbol("t", integer=True, nonnegative=True)
    c, first, second, size = sp.symbols("c k_1 k_2 V", positive=True)  # k_1, k_2: corrections of the bias
    eps = sp.Symbol("eps", nonnegative=True)
    m_ = sp.Symbol("m", real=True)
    beta_1, beta_2 = sp.symbols("beta_1 beta_2", real=True)
    g, m, v, M, V = (sp.Function(name, real=True) for name in ("g", "m", "v", "M_c", "V_c"))
    rows = []
    for mean, square, factor, text in ((m, v, 1, "g"), (M, V, c, "c g")):
        rows += [
            Assumption(
                f"mean of {text}",
                f"Adam's mean of the gradients {text}(t) of one entry.",
                eq(mean(t + 1), beta_1 * mean(t) + (1 - beta_1) * factor * g(t)),
                (t,),
            ),
            Assumption(
                f"square of {text}",
                f"Adam's mean of their squares, of {text}.",
                eq(square(t + 1), beta_2 * square(t) + (1 - beta_2) * (factor * g(t)) ** 2),
                (t,),
            ),
            Assumption(f"mean of {text} at the start", "It starts at 0.", eq(mean(0), 0)),
            Assumption(f"square of {text} at the start", "It starts at 0.", eq(square(0), 0)),
        ]
    (mean, square, mean_0, square_0), (mean_c, square_c, mean_c0, square_c0) = rows[:4], rows[4:]
    # An equation for f(t) in terms of f(t): Induction replaces it in what is left over.
    means = Induction(
        "Adam's mean, scaled",
        M(t),
        c * m(t),
        t,
        ((1, mean_c0), (-c, mean_0)),
        ((1, mean_c), (-c, mean)),
        why="The mean of c g is c times that of g.",
    )
    squares = Induction(
        "Adam's square, scaled",
        V(t),
        c**2 * v(t),
        t,
        ((1, square_c0), (-(c**2), square_0)),
        ((1, square_c), (-(c**2), square)),
        why="The mean of (c g)^2 is c^2 times that of g^2.",
    )
    step = Identity(
        "Adam's step, scaled",
        first * (c * m_) / sp.sqrt(second * c**2 * size),
        first * m_ / sp.sqrt(second * size),
        "m = m(t), V = v(t) > 0 and eps = 0; k_1 and k_2 correct the bias: the step does not change, so that its "
        "relative size at a w is that of a fixed update, a^-1.",
    )
    with_eps = Identity(
        "with eps",
        first * (c * m_) / (sp.sqrt(second * c**2 * size) + eps),
        first * m_ / (sp.sqrt(second * size) + eps / c),
        "With eps > 0 it is the step with eps/c: longer for larger gradients.",
    )
    return *rows, means, squares, step, with_eps


def _turn():
    """How far a step turns a direction."""
    G, after, mixed, q = sp.symbols("G G' G'' q", positive=True)
    eta = sp.Symbol("eta", nonnegative=True)
    w, d = vector("w"), vector("d")
    norm2 = Assumption("length of w", "G = |w|^2 > 0.", eq(gram("w", "w"), G))
    tangent = Assumption("tangential", "<w, d> = 0.", eq(gram("d", "w"), 0))
    relative = Assumption("relative size", "|d| = eta |w|.", eq(gram("d", "d"), eta**2 * G))
    length = Identity(
        "length of a tangential step",
        dot(w + d, w + d),
        (1 + eta**2) * G,
        "|w + d|^2.",
        ((2, tangent), (1, relative), (1, norm2)),
    )
    along = Identity("along w", dot(w + d, w), G, "<w + d, w>.", ((1, norm2), (1, tangent)))
    named = Definition("G'", after, (1 + eta**2) * G, "By 'length of a tangential step'.")
    cosine = Identity(
        "cosine of a tangential step",
        G / sp.sqrt(G * after),
        1 / sp.sqrt(1 + eta**2),
        "<w + d, w>/(|w + d||w|): no dimension in it, and no |w|. A retraction changes no direction.",
        (),
        (named,),
    )
    radial = Identity(
        "length with a radial part",
        dot(q * w + d, q * w + d),
        (q**2 + eta**2) * G,
        "The update rho w + d, q = 1 + rho > 0.",
        ((2 * q, tangent), (1, relative), (q**2, norm2)),
    )
    along_radial = Identity(
        "along w with a radial part", dot(q * w + d, w), q * G, "<q w + d, w>.", ((q, norm2), (1, tangent))
    )
    named_radial = Definition("G''", mixed, (q**2 + eta**2) * G, "By 'length with a radial part'.")
    cosine_radial = Identity(
        "cosine with a radial part",
        q * G / sp.sqrt(G * mixed),
        q / sp.sqrt(q**2 + eta**2),
        "rho > 0 turns less than the tangential part alone, rho < 0 more.",
        (),
        (named_radial,),
    )
    return norm2, tangent, relative, length, along, named, cosine, radial, along_radial, named_radial, cosine_radial


def _gain():
    """w = g v: derivatives by the gain and along the sphere; what scale invariance makes of them."""
    s, r = sp.symbols("s r", real=True)
    g = sp.Symbol("g", positive=True)
    t = sp.Symbol("t", integer=True, nonnegative=True)
    gain, rate, by_gain, slope = (sp.Function(name, real=True) for name in ("g", "eta_g", "D", "ell"))
    v, p = vector("v"), vector("p")

    def slope_at(expression, variable):
        return sp.Subs(sp.Derivative(expression, variable), (s, r), (0, 0))

    # phi(s, r) = L(w + s u + r v), w = g v, u any unit vector with <u, v> = 0.
    root = sp.sqrt(1 + s**2)
    along_v, along_u = slope_at(plane("phi", 0, r), r), slope_at(plane("phi", s, 0), s)
    derivative = Identity(
        "derivative by the gain",
        slope_at(plane("phi", 0, (g + r) - g), r),
        along_v,
        "phi(s, r) = L(w + s u + r v) with w = g v: L((g + r) v) is phi(0, r), so dL/dg = <v, grad L(w)>.",
    )
    sphere = Identity(
        "gradient on the sphere",
        slope_at(plane("phi", g * s / root, g / root - g), s),
        g * along_u,
        "g (v + s u)/|v + s u| is w + (g s/root) u + (g/root - g) v: the slope along a tangent u is g <u, grad L(w)>.",
    )
    unit = Assumption("unit vector", "<v, v> = 1.", eq(gram("v", "v"), 1))
    part = p - gram("p", "v") * v
    tangential = Identity(
        "tangential part",
        dot(part, v),
        0,
        "p - <p, v> v, with p = grad L(w), is orthogonal to v; its product with a tangent u is <u, p>.",
        ((-gram("p", "v"), unit),),
    )
    orthogonal = Citation("<w, grad> = 0", eq(g * gram("p", "v"), 0), orthogonality.prove(), "orthogonality")
    inert = Identity(
        "the gain is inert", gram("p", "v"), 0, "dL/dg for a scale-invariant L, w = g v.", ((1 / g, orthogonal),)
    )
    descends = Assumption(
        "step of the gain",
        "Gradient descent on the gain at a rate of its own; D(t) is dL/dg at step t.",
        eq(gain(t + 1), gain(t) - rate(t) * by_gain(t)),
        (t,),
    )
    zero = Assumption("no slope", "By 'the gain is inert', at every step.", eq(by_gain(t), 0), (t,), "conclusion")
    stays = Induction(
        "the gain stays",
        gain(t),
        gain(0),
        t,
        (),
        ((1, descends), (-rate(t), zero)),
        why="Whatever its rate.",
    )
    homogeneous = Citation(
        "gradient at g v",
        eq(slope(g), slope(1) / g),
        orthogonality.prove(),
        "gradient homogeneity",
    )
    free = Identity(
        "gradient on the sphere, any gain",
        g * slope(g),
        slope(1),
        "ell(g) = <u, grad L(g v)>: the gradient on the sphere is that at v whatever the gain.",
        ((g, homogeneous),),
    )
    return derivative, sphere, unit, tangential, orthogonal, inert, descends, zero, stays, homogeneous, free


def _one_entry():
    """L = (w + 1)^2/2 of a single number."""
    t = sp.Symbol("t", integer=True, nonnegative=True)
    x, p, v = sp.symbols("x p v", real=True)
    g = sp.Symbol("g", nonnegative=True)
    eta = sp.Symbol("eta", positive=True)
    run = sp.Function("w_1", real=True)
    sign = Assumption("direction of one entry", "v = 1 or v = -1.", eq(v**2, 1))
    nothing = Identity(
        "no tangent", p - p * v * v, 0, "The tangential part of any gradient p is 0: v never changes.", ((-p, sign),)
    )
    slope = Identity(
        "one entry: by the gain",
        sp.Derivative((g + 1) ** 2 / 2, g),
        g + 1,
        "v = 1, w = g: dL/dg and L'(w) are both g + 1.",
    )
    stuck = Inequality(
        "one entry: stuck", 1, g + 1, ((1, g),), "|L'| >= 1 for every gain g >= 0, with the sphere's norm kept exactly."
    )
    descent = Assumption(
        "one entry: gradient descent",
        "On w itself, for a rate 0 < eta < 2.",
        eq(run(t + 1), run(t) - eta * (run(t) + 1)),
        (t,),
    )
    linear = Induction(
        "one entry: convergence",
        run(t),
        -1 + (1 - eta) ** t * (run(0) + 1),
        t,
        (),
        ((1, descent),),
        why="|1 - eta| < 1: linear convergence to the minimiser -1.",
    )
    derivative = Identity("one entry: derivative", sp.Derivative((x + 1) ** 2 / 2, x), x + 1, "L'(w).")
    return sign, nothing, slope, stuck, derivative, descent, linear


def _threshold():
    """A retracted step on the circle, at a fixed rate."""
    x, y = sp.symbols("x y", real=True)
    eta, mu = sp.symbols("eta mu", positive=True)
    c2, s2 = sp.symbols("c2 s2", nonnegative=True)
    u = sp.Symbol("u", real=True)
    r2 = x**2 + y**2
    loss = mu * x**2 / (2 * r2)
    slope_x, slope_y = mu * x * y**2 / r2**2, -mu * x**2 * y / r2**2
    first = Identity("circle: gradient, x", sp.Derivative(loss, x), slope_x, "L = mu x^2/(2 (x^2 + y^2)).")
    second = Identity("circle: gradient, y", sp.Derivative(loss, y), slope_y)
    ratio = Identity(
        "circle: one step",
        (x - eta * slope_x) / (y - eta * slope_y),
        x / y * (1 - eta * mu * y**2 / r2**2) / (1 + eta * mu * x**2 / r2**2),
        "u = x/y after the step; the retraction does not change it. At r = 1, y^2 = c^2 and x^2 = s^2.",
    )
    near = Identity(
        "circle: near the minimiser",
        sp.Subs((1 - eta * mu * (1 - s2)) / (1 + eta * mu * s2), s2, 0),
        1 - eta * mu,
        "For small angles the offset is multiplied by 1 - eta mu.",
    )
    unit = Assumption("circle: unit norm", "c2 = c^2 and s2 = s^2 at unit norm.", eq(c2, 1 - s2))
    slow = Assumption("circle: below the threshold", "eta mu <= 2.", le(eta * mu, 2), role="case")
    shrinks = Inequality(
        "circle: u below the threshold",
        (u * (1 - eta * mu * c2)) ** 2,
        (u * (1 + eta * mu * s2)) ** 2,
        (
            (eta * mu * u**2, slow),
            (1, 2 * eta**2 * mu**2 * u**2 * s2),
            # c2 = 1 - s2 in the square on the left
            (u**2 * eta * mu * (eta * mu * (c2 + 1 - s2) - 2), unit),
        ),
        "|u_{t+1}| <= |u_t|.",
    )
    fast = Assumption(
        "circle: above the threshold, near the minimiser",
        "eta mu > 2, and s^2 is at most (eta mu - 2)/(2 eta mu).",
        le(2 + 2 * eta * mu * s2, eta * mu),
        role="case",
    )
    repels = Inequality(
        "circle: u above the threshold",
        (u * (1 + eta * mu * s2)) ** 2,
        (u * (1 - eta * mu * c2)) ** 2,
        (
            (eta * mu * u**2, fast),
            (-(u**2) * eta * mu * (eta * mu * (c2 + 1 - s2) - 2), unit),
        ),
        "|u_{t+1}| >= |u_t|, strictly where s^2 is smaller: the minimiser is never approached but by a step that hits "
        "it exactly (1 = eta mu c^2).",
    )
    return first, second, ratio, near, unit, slow, shrinks, fast, repels
