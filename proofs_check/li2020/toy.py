"""Normalisation and weight decay together: gradient descent does not settle where either alone does.

Statement.  Gradient descent with constant rate and weight decay, ``0 < eta lambda < 1``, on a twice
continuously differentiable scale-invariant loss: the directions ``v_t = w_t/|w_t|`` do not converge to a
stationary direction v* with invertible tangent Hessian unless they hit it exactly at some step.  (No more is
claimed: along the way the gradient may become small again and again.)

Idea of the proof.  If v_t converged, the angle of the steps would tend to 0, hence ``|w_{t+1}|/|w_t| -> a = 1
- eta lambda < 1`` and the effective rate Phi_t would grow without bound; but from ``Phi >= 4/mu`` on, mu the
smallest modulus of an eigenvalue of the tangent Hessian, every step moves away from v*.

Example: ``L(x, y) = x^2/(x^2 + y^2)``, with the tangent Hessian 2 at its minimisers x = 0; without weight decay
the norm never decreases and u = x/y shrinks while ``eta y^2 <= r^4`` (that the gradient tends to 0 at any rate
is arora2019.gd_rate).  Weight decay alone, on ``h |w -
w*|^2/2``, converges linearly to the minimiser ``h w*/(h + lambda)`` of ``L + lambda |w|^2/2``; that is the
minimiser of L only if w* = 0 or by design.

Source.  The idea, an example that fails only with both, is that of Li and Arora, ICLR 2020, arXiv:1910.07454;
statement, proof and examples are derived in this package.
"""

from functools import lru_cache

import sympy as sp

from ..proof import Assumption, Citation, Identity, Induction, Inequality, Proof, Source, eq, le
from . import effective_rate_recursion


@lru_cache(maxsize=1)
def prove() -> Proof:
    """The proof; see the module for the statement."""
    return Proof(
        "li2020.toy",
        "Normalisation with weight decay does not settle",
        "with both, v_t converges to no non-degenerate stationary direction unless it hits it exactly",
        (*_both(), *_example(), *_decay_alone()),
        Source(
            "Li and Arora, ICLR 2020, arXiv:1910.07454",
            "an example that fails only with both; statement, proof and examples derived here",
            "derived",
        ),
    )


def _both():
    """No convergence with weight decay and scale invariance together."""
    t = sp.Symbol("t", integer=True, nonnegative=True)
    a, kappa, mu = sp.symbols("a kappa mu", positive=True)
    rate, turn = sp.Function("Phi", positive=True), sp.Function("n", positive=True)
    off, slope = sp.Function("X", nonnegative=True), sp.Function("g", nonnegative=True)

    supposed = Assumption(
        "convergence",
        "Suppose v_t converges to v*, stationary with invertible tangent Hessian, and v_t is never v*. Time is counted "
        "from a step after which all that follows holds; n(t) = sqrt(1 + tan^2) of the angle of step t.",
        role="case",
    )
    below = Assumption("decay", "0 < eta lambda < 1, constant; kappa is any number between a^2 and 1.")
    recursion = Citation(
        "effective rate",
        eq(rate(t + 1), rate(t) / (a**2 * turn(t) ** 2)),
        effective_rate_recursion.prove(),
        "effective rate, constant schedules",
        (t,),
    )
    small_turn = Assumption(
        "small angles",
        "v_t converges, so the angle tends to 0 and n(t) to 1: in the end a^2 n^2 <= kappa and n <= 3/2.",
        le(a**2 * turn(t) ** 2, kappa),
        (t,),
        "conclusion",
    )
    turn_bound = Assumption(
        "small angles, n", "The second of these.", le(turn(t), sp.Rational(3, 2)), (t,), "conclusion"
    )
    grows = Inequality(
        "effective rate grows",
        rate(t),
        kappa * rate(t + 1),
        ((rate(t) / (a**2 * turn(t) ** 2), small_turn), (-kappa, recursion)),
        "Phi_{t+1} >= Phi_t/kappa.",
    )
    unbounded = Induction(
        "effective rate without bound",
        rate(0),
        kappa**t * rate(t),
        t,
        (),
        ((kappa**t, grows),),
        equality=False,
        why="Phi_t >= Phi_0 kappa^-t.",
    )
    large = Assumption(
        "large effective rate",
        "By 'effective rate without bound', as kappa < 1: in the end Phi >= 4/mu, mu > 0 the smallest modulus of an "
        "eigenvalue of the tangent Hessian at v*.",
        le(4 / mu, rate(t)),
        (t,),
        "conclusion",
    )
    expansion = Assumption(
        "gradient near v*",
        "X(t) is the length of the part of v_t tangent at v*, g(t) that of the gradient at v_t. The gradient is "
        "differentiable with the tangent Hessian as its derivative: g >= (3/4) mu X near v*.",
        le(sp.Rational(3, 4) * mu * off(t), slope(t)),
        (t,),
        "fact",
    )
    triangle = Assumption(
        "triangle inequality",
        "v_{t+1} = (v_t - Phi gbar)/n, so the tangent parts obey n x_{t+1} = x_t - Phi g_t as vectors.",
        le(rate(t) * slope(t), off(t) + turn(t) * off(t + 1)),
        (t,),
        "fact",
    )
    pushed = Inequality(
        "displacement",
        (rate(t) * mu / 2 - 1) * off(t),
        off(t + 1),
        (
            (sp.Rational(2, 3), triangle),
            (sp.Rational(2, 3) * rate(t), expansion),
            (sp.Rational(2, 3) * off(t + 1), turn_bound),
            (sp.Rational(1, 3), off(t)),
        ),
        "|x_{t+1}| >= (Phi mu/2 - 1) |x_t|.",
    )
    away = Inequality(
        "away from v*",
        off(t),
        off(t + 1),
        ((1, pushed), (mu * off(t) / 2, large)),
        "Phi mu/2 - 1 >= 1.",
    )
    stays = Induction(
        "never closer",
        off(0),
        off(t),
        t,
        (),
        ((1, away),),
        equality=False,
        why="X(0) > 0 as v_0 is not v*, nor -v*.",
    )
    contradiction = Assumption(
        "contradiction",
        "v_t -> v* means X(t) -> 0, but X(t) >= X(0) > 0 by 'never closer': v_t does not converge to v*.",
        role="conclusion",
    )
    return (
        supposed,
        below,
        recursion,
        small_turn,
        turn_bound,
        grows,
        unbounded,
        large,
        expansion,
        triangle,
        pushed,
        away,
        stays,
        contradiction,
    )


def _example():
    """The loss x^2/(x^2 + y^2)."""
    x, y, theta = sp.symbols("x y theta", real=True)
    c, eta, a = sp.symbols("c eta a", positive=True)
    u, s, Phi = sp.Symbol("u", real=True), *sp.symbols("s Phi", nonnegative=True)

    def loss(x, y):
        return x**2 / (x**2 + y**2)

    r2 = x**2 + y**2
    slope_x, slope_y = 2 * x * y**2 / r2**2, -2 * x**2 * y / r2**2
    first = Identity("example: gradient, x", sp.Derivative(loss(x, y), x), slope_x, "L = x^2/(x^2 + y^2).")
    second = Identity("example: gradient, y", sp.Derivative(loss(x, y), y), slope_y)
    invariant = Identity("example: scale invariance", loss(c * x, c * y), loss(x, y))
    orthogonal = Identity(
        "example: orthogonality",
        x * sp.Derivative(loss(x, y), x) + y * sp.Derivative(loss(x, y), y),
        0,
    )
    hessian = Identity(
        "example: tangent Hessian",
        sp.Subs(sp.Derivative(loss(sp.sin(theta), sp.cos(theta)), (theta, 2)), theta, 0),
        2,
        "Along the unit circle at the minimiser x = 0: mu = 2.",
    )
    step = Identity(
        "example: one step",
        (a * x - eta * slope_x) / (a * y - eta * slope_y),
        x / y * (a - 2 * eta * y**2 / r2**2) / (a + 2 * eta * x**2 / r2**2),
        "u = x/y; a = 1 - eta lambda with weight decay, 1 without.",
    )
    angle = Identity(
        "example: one step by the effective rate",
        (a - 2 * (Phi * a * r2) * y**2 / r2**2) / (a + 2 * (Phi * a * r2) * x**2 / r2**2),
        (1 - 2 * Phi * y**2 / r2) / (1 + 2 * Phi * x**2 / r2),
        "eta = Phi a r^2. Near x = 0 it is 1 - 2 Phi: beyond Phi = 1 u grows.",
    )
    length = Identity(
        "example: norm without decay",
        (x - eta * slope_x) ** 2 + (y - eta * slope_y) ** 2,
        r2 + eta**2 * 4 * x**2 * y**2 / r2**3,
        "a = 1: the norm never decreases, as for every scale-invariant loss.",
    )
    slow = Assumption("small effective rate", "s = 2 eta y^2/r^4 <= 2.", le(s, 2), role="case")
    q = sp.Symbol("q", nonnegative=True)
    shrinks = Inequality(
        "example: u without decay",
        (u * (1 - s)) ** 2,
        (u * (1 + q)) ** 2,
        ((u**2 * (q + s), slow), (u**2 * (q + s), q)),
        "q = 2 eta x^2/r^4: |u_{t+1}| = |u_t| |1 - s|/(1 + q) <= |u_t| while eta y^2 <= r^4, and the norm only grows.",
    )
    return first, second, invariant, orthogonal, hessian, step, angle, length, slow, shrinks


def _decay_alone():
    """Weight decay without normalisation, on a quadratic."""
    t = sp.Symbol("t", integer=True, nonnegative=True)
    h, lam, eta = sp.symbols("h lambda eta", positive=True)
    w, target = sp.symbols("w w_star", real=True)
    run = sp.Function("w", real=True)
    centre = h * target / (h + lam)

    def step(w):
        return w - eta * (h * (w - target) + lam * w)

    one = Identity(
        "decay alone: one step",
        step(w) - centre,
        (1 - eta * (h + lam)) * (w - centre),
        "On L = h |w - w_star|^2/2, for every coordinate.",
    )
    descends = Assumption("decay alone", "Gradient descent with weight decay.", eq(run(t + 1), step(run(t))), (t,))
    linear = Induction(
        "decay alone: convergence",
        run(t),
        centre + (1 - eta * (h + lam)) ** t * (run(0) - centre),
        t,
        (),
        ((1, descends),),
        why="Linear for eta (h + lambda) < 2, to h w_star/(h + lambda).",
    )
    minimum = Identity(
        "decay alone: what it minimises",
        sp.Derivative(h * (w - target) ** 2 / 2 + lam * w**2 / 2, w),
        (h + lam) * (w - centre),
        "The limit is the minimiser of L + lambda |w|^2/2.",
    )
    shift = Identity(
        "decay alone: shift",
        target - centre,
        lam * target / (h + lam),
        "It is the minimiser of L itself only if w_star = 0.",
    )
    design = Identity(
        "decay alone: by design",
        h * ((1 + lam / h) * target) / (h + lam),
        target,
        "Or one asks for a given limit w_star, by putting the minimiser of L at (1 + lambda/h) w_star.",
    )
    return one, descends, linear, minimum, shift, design
