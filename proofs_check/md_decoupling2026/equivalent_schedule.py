"""Training a direction and a gain at separate rates is SGD on the weights at another rate.

Statement.  Let every L_t be scale-invariant in w, and let ``v_{t+1} = (v_t - eta_t grad L_t(v_t))/R_t``, |v_0| = 1,
``R_t = sqrt(1 + eta_t^2 |grad L_t(v_t)|^2)``: training the direction on the sphere, w = g v, at rates eta_t of any
size. Then

* the gain is inert (``md_decoupling2026.identity``): whatever its start g > 0 and its rates, v_t is the same;
* ``w_t = N_t v_t``, ``N_{t+1} = N_t R_t``, is SGD on w at the rates ``eta_t |w_t|^2`` on the same samples, and
  ``|w_t|^2 = |w_0|^2 prod_{k<t} (1 + eta_k^2 |grad L_k(v_k)|^2)``: one direction and one loss at every step;
* for steps of one relative size, ``eta_t |grad L_t(v_t)| = eta``, ``|w_t|^2 = |w_0|^2 (1 + eta^2)^t``: the factor
  ``|w_t|^2`` of the rate grows exponentially, by as much a step as the rate ``eta/(p_t p_{t+1})`` that stands for a
  constant weight decay with ``1 - eta lambda = 1/sqrt(1 + eta^2)`` (``li2020.any_schedule``);
* it is also SGD with a weight decay that keeps the norm, G = |w_0|^2: rates ``G eta_t/R_t`` and decays
  ``(R_t - 1)/(G eta_t)``. In general a step with rate h and decay lambda keeps |w|^2 = G exactly where
  ``(1 - h lambda)^2 + (h/G)^2 |grad L_t(v_t)|^2 = 1``.

With several groups every group has its own N: multiplying the others by positive numbers does not change a group's
gradient, and the step of every group at its own rate ``eta_t N_t^2`` is N_t times that on its sphere.

Source.  The separation of magnitude and direction: Haegele, Hernandez-Cano, Kosson, Jaggi, arXiv:2606.25971. The
equivalences are derived in this package; weight decay as a growing rate: Li and Arora, ICLR 2020, arXiv:1910.07454.
"""

from functools import lru_cache

import sympy as sp

from ..arora2019 import orthogonality
from ..jets import plane
from ..li2020 import any_schedule
from ..proof import Assumption, Citation, Definition, Identity, Induction, Instance, Proof, Source, eq, instance
from ..vectors import dot, gram, vector
from . import identity

T = sp.Symbol("t", integer=True, nonnegative=True)
RATE = sp.Function("eta", real=True)
N2 = sp.Function("n2", nonnegative=True)  # |grad L_t(v_t)|^2
R, N = sp.Function("R", positive=True), sp.Function("N", positive=True)
V, W, FIELD = (sp.Function(name, real=True) for name in ("v", "w", "grad_t"))  # vectors: all is linear in them


@lru_cache(maxsize=1)
def prove() -> Proof:
    """The proof; see the module for the statement."""
    directions, facts = _directions()
    return Proof(
        "md_decoupling2026.equivalent_schedule",
        "Direction and gain at separate rates as SGD at another rate",
        "w_t = N_t v_t is SGD at the rates eta_t |w_t|^2, |w_{t+1}|^2 = |w_t|^2 (1 + eta_t^2 |grad L_t(v_t)|^2)",
        (*directions, *_groups(), *_exponential(*facts), *_decay()),
        Source(identity.PAPER, "which schedule of plain training it is", "derived"),
    )


def _directions():
    """The two runs."""
    c = sp.Symbol("c", positive=True)
    x, w_0 = sp.symbols("x w_0", real=True)
    eta = sp.Symbol("eta", nonnegative=True)
    v, g = vector("v"), vector("g")
    homogeneous = orthogonality.homogeneous_field(FIELD, T, c, x)
    unit = Assumption("unit vector", "|v_t| = 1.", eq(gram("v", "v"), 1))
    orthogonal = Citation("<v, grad> = 0", eq(gram("g", "v"), 0), orthogonality.prove(), "orthogonality")
    length = Identity(
        "length before the retraction",
        dot(v - eta * g, v - eta * g),
        1 + eta**2 * gram("g", "g"),
        "g = grad L_t(v_t) is tangential by itself.",
        ((1, unit), (-2 * eta, orthogonal)),
    )
    factor = Definition(
        "R", R(T), sp.sqrt(1 + RATE(T) ** 2 * N2(T)), "That length, n2(t) = |grad L_t(v_t)|^2: what a step divides by."
    )
    on_sphere = Assumption(
        "step on the sphere",
        "The step of the direction. The gain is inert and does not enter.",
        eq(V(T + 1), (V(T) - RATE(T) * FIELD(T, V(T))) / R(T)),
        (T,),
    )
    inert = Citation("gain", eq(gram("p", "v"), 0), identity.prove(), "the gain is inert")
    grows = Assumption("N", "The norm of the plain run's weights, by definition.", eq(N(T + 1), N(T) * R(T)), (T,))
    start = Assumption("start", "It starts at w_0.", eq(N(0) * V(0), w_0))
    named = Definition("w", W(T), N(T) * V(T), "Shown below to be the plain run.")
    scaled = Instance(homogeneous, ((c, N(T)), (x, V(T))))
    step = Identity(
        "plain step",
        W(T + 1),
        W(T) - RATE(T) * N(T) ** 2 * FIELD(T, W(T)),
        "N_{t+1} v_{t+1} = N_t (v_t - eta_t grad L_t(v_t)), and grad L_t(v_t) = N_t grad L_t(w_t).",
        ((RATE(T) * N(T) ** 2, scaled),),
        (instance(named, t=T + 1), named, on_sphere, grows),
    )
    norm = Identity(
        "squared norm",
        N(T + 1) ** 2,
        N(T) ** 2 * (1 + RATE(T) ** 2 * N2(T)),
        "|w_{t+1}|^2 = |w_t|^2 (1 + eta_t^2 |grad L_t(v_t)|^2): the product over all steps before.",
        (),
        (grows, factor),
    )
    given, found, one_step = sp.Function("S", real=True), sp.Function("Q", real=True), sp.Function("step", real=True)
    the_run = Assumption(
        "plain run",
        "S(t) is SGD on w at the rates eta_t N_t^2 on the same samples; step(t, .) is one step of it.",
        eq(given(T + 1), one_step(T, given(T))),
        (T,),
    )
    also = Assumption(
        "the same recurrence", "Q(t) = N_t v_t; by 'plain step'.", eq(found(T + 1), one_step(T, found(T))), (T,),
        "conclusion",
    )  # fmt: skip
    same = Assumption("the same start", "By 'start'.", eq(given(0), found(0)), role="conclusion")
    equal = Induction(
        "every step",
        given(T),
        found(T),
        T,
        ((1, same),),
        ((1, the_run), (-1, also)),
        why="w_t = N_t v_t at every t: the plain run has the direction v_t, for rates of any size.",
    )
    steps = (
        homogeneous,
        unit,
        orthogonal,
        length,
        factor,
        on_sphere,
        inert,
        grows,
        start,
        named,
        step,
        norm,
        the_run,
        also,
        same,
        equal,
    )
    return steps, (factor, grows)


def _groups():
    """Every group at a rate of its own, all in one step."""
    c, k, n = sp.symbols("c k N_g", positive=True)
    s, r = sp.symbols("s r", real=True)
    eta = sp.Symbol("eta", nonnegative=True)
    v, h, p, x = (vector(name) for name in "vhpx")

    def at_origin(expression):
        return sp.Subs(sp.Derivative(expression, s), (s, r), (0, 0))

    others = Identity(
        "gradient by one group, others scaled",
        at_origin(plane("chi", s / c, r / k)),
        at_origin(plane("chi", s, r)) / c,
        "chi(s, r) = L(w_1 + s u, w_2 + r x): with groups multiplied by c and k, the gradient by the first is divided "
        "by c alone.",
    )
    there = Assumption(
        "gradient by a group at its norm",
        "p, by the group's weights N_g v, is h/N_g, h that at v: 'gradient by one group, others scaled', along any x.",
        eq(gram("p", "x"), gram("h", "x") / n),
        role="conclusion",
    )
    step = Identity(
        "step of every group at its own rate",
        dot(n * v - eta * n**2 * p, x),
        n * dot(v - eta * h, x),
        "Against any x: the plain step at the rate eta N_g^2 is N_g times that on the sphere before its retraction.",
        ((-eta * n**2, there),),
    )
    return others, there, step


def _exponential(factor, grows):
    """Steps of one relative size."""
    eta, p, a = sp.symbols("eta p a", positive=True)
    n = sp.Function("n", positive=True)
    relative = Assumption(
        "one relative size",
        "eta_t = eta/|grad L_t(v_t)|: every step has the relative size eta, n(t) = |grad L_t(v_t)|.",
        eq(RATE(T), eta / n(T)),
        (T,),
        "case",
    )
    square = Assumption("its square", "n2 = n^2.", eq(N2(T), n(T) ** 2), (T,), "fact")
    every = Identity("R of one relative size", R(T), sp.sqrt(1 + eta**2), "One number.", (), (factor, relative, square))
    growth = Induction(
        "exponential growth",
        N(T),
        N(0) * sp.sqrt(1 + eta**2) ** T,
        T,
        (),
        ((1, grows), (N(T), every)),
        why="|w_t|^2 = |w_0|^2 (1 + eta^2)^t.",
    )
    rate = Identity(
        "exponential rate",
        RATE(T) * N(T) ** 2,
        eta / n(T) * N(0) ** 2 * (1 + eta**2) ** T,
        "The rate of the plain run.",
        (),
        (growth, relative),
    )
    kept = sp.Function("p", positive=True)
    shrinks = Assumption(
        "constant decay",
        "Without gradients, decay with 1 - eta lambda = a multiplies the weights by a in every step.",
        eq(kept(T + 1), a * kept(T)),
        (T,),
        "case",
    )
    decayed = Citation("growth of p", eq(kept(T + 1) / kept(T), a), any_schedule.prove(), "growth of p", (T,))
    same = Identity(
        "as by weight decay",
        (p * (a * p)) / ((a * p) * (a * (a * p))),
        1 / a**2,
        "The rate eta/(p_t p_{t+1}) grows by a^-2 a step (p = p_t).",
    )
    matched = Identity(
        "which decay",
        sp.Subs(1 / a**2, a, 1 / sp.sqrt(1 + eta**2)),
        1 + eta**2,
        "For 1 - eta lambda = 1/sqrt(1 + eta^2) by as much as |w_t|^2 grows here.",
    )
    return relative, square, every, growth, rate, shrinks, decayed, same, matched


def _decay():
    """A decay that keeps the norm."""
    G, h, eta, root = sp.symbols("G h eta R", positive=True)
    lam, n2 = sp.symbols("lambda n2", nonnegative=True)
    w, g, x = vector("w"), vector("g"), vector("x")
    norm2 = Assumption("squared norm of w", "G = |w|^2.", eq(gram("w", "w"), G))
    orthogonal = Citation("<w, grad> = 0", eq(gram("g", "w"), 0), orthogonality.prove(), "orthogonality")
    at_unit = Citation(
        "gradient at unit norm", eq(gram("g", "g"), n2 / G), orthogonality.prove(), "gradient homogeneity"
    )
    step = (1 - h * lam) * w - h * g
    change = Identity(
        "change of the norm with decay",
        dot(step, step) - G,
        G * ((1 - h * lam) ** 2 + (h / G) ** 2 * n2 - 1),
        "0 exactly where (1 - h lambda)^2 + (h/G)^2 n2 = 1, n2 = |grad L(w/|w|)|^2.",
        (((1 - h * lam) ** 2, norm2), (-2 * h * (1 - h * lam), orthogonal), (h**2, at_unit)),
    )
    size = Assumption("R^2", "R^2 = 1 + eta^2 n2, as for the step on the sphere.", eq(root**2, 1 + eta**2 * n2))
    rate, decay = G * eta / root, (root - 1) / (G * eta)
    left = Identity("what decay leaves", 1 - rate * decay, 1 / root, "1 - h lambda = 1/R for h = G eta/R.")
    kept = Identity(
        "the norm is kept",
        (1 - rate * decay) ** 2 + (rate / G) ** 2 * n2,
        1,
        "With the rate G eta/R and the decay (R - 1)/(G eta).",
        ((-1 / root**2, size),),
    )
    direction = Identity(
        "the step on the sphere, times |w|",
        dot((1 - rate * decay) * w - rate * g, x),
        dot(w - eta * G * g, x) / root,
        "Against any x: (w - eta G grad L(w))/R = |w| (v - eta grad L(v))/R, as G grad L(w) = |w| grad L(v).",
    )
    return norm2, orthogonal, at_unit, change, size, left, kept, direction
