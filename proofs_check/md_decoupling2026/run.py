"""What runs at a fixed rate on the sphere do, and why a kept norm alone does not make them converge.

Statement.

* On the circle with ``L = mu x^2/(2 (x^2 + y^2))`` and k = eta mu a retracted step multiplies ``u = x/y`` by
  ``(1 - k c^2)/(1 + k s^2)``. For k < 2 the factor is at most ``max(1 - k c_0^2, k - 1) < 1`` in size, c_0 the cosine
  at the start: u converges linearly from every start with c_0 > 0. For k > 2 the minimiser repels, and there is a cycle
  of two directions with ``c^2 - s^2 = 2/k``, where ``|grad|^2 = mu^2 (1 - 4/k^2)/4`` does not fall. The cycle attracts:
  near it a step multiplies the deviation of u by about ``1 - 8/k^2``, which is between -1 and 1.
* Plain SGD from ``a w_0`` at the rate ``a^2 eta`` has the directions of SGD from ``w_0`` at the rate eta: what rate is
  best depends on the start's norm as its square. The first step turns by ``tan = eta |grad L(w_0/|w_0|)|/|w_0|^2``. On
  the sphere a step of relative size eta turns by ``tan = eta`` in every dimension.
* One entry, ``L = (w + 1)^2/2``, with a gain ``g = exp(rho)`` and v = 1: gradient descent on rho makes g fall in every
  step while ``|L'| = g + 1`` stays above 1. The norm of v is kept exactly, and nothing converges to a stationary point.

What best rates and widths of their basins are is not predicted: it is measured.

Source.  The separation of magnitude and direction: Haegele, Hernandez-Cano, Kosson, Jaggi, arXiv:2606.25971. The
statements as written here are derived in this package.
"""

from functools import lru_cache

import sympy as sp

from ..li2020 import any_schedule, effective_rate_recursion
from ..proof import Assumption, Citation, Identity, Induction, Inequality, Proof, Source, eq, le
from . import identity


@lru_cache(maxsize=1)
def prove() -> Proof:
    """The proof; see the module for the statement."""
    return Proof(
        "md_decoupling2026.run",
        "Fixed rates on the sphere: below and above a threshold, and where a kept norm does not help",
        "below eta mu = 2 a retracted run converges linearly on the circle, above it there is a cycle with gradient "
        "mu sqrt(1 - 4/(eta mu)^2)/2; with one entry and a positive gain |L'| stays above 1",
        (*_circle(), *_cycle(), *_scales(), *_one_entry()),
        Source(identity.PAPER, "runs at a fixed rate on the sphere", "derived"),
    )


def _circle():
    """Linear convergence below the threshold."""
    c2, c2_0, k = sp.symbols("c2 c2_0 k", nonnegative=True)
    step = Citation(
        "retracted step",
        identity.prove().step("circle: one step").relation,
        identity.prove(),
        "circle: one step",
    )
    never = Citation(
        "u never grows below the threshold",
        identity.prove().step("circle: u below the threshold").relation,
        identity.prove(),
        "circle: u below the threshold",
    )
    cosine = Assumption(
        "cosine from the start", "As |u| does not grow, c^2 >= c_0^2 at every step.", le(c2_0, c2), role="conclusion"
    )
    most = Assumption("cosine", "c^2 <= 1.", le(c2, 1), role="fact")
    at_most = Inequality("factor, at most", 1 - k * c2, 1 - k * c2_0, ((k, cosine),), "Over 1 + k s^2 >= 1.")
    below = Inequality("factor, negative", k * c2 - 1, k - 1, ((k, most),), "The factor is above -(k - 1).")
    linear = Assumption(
        "linear convergence",
        "For 0 < k < 2 and c_0 > 0, |u_{t+1}| <= max(1 - k c_0^2, k - 1) |u_t| by 'factor, at most' and 'factor, "
        "negative', with a factor below 1; where it is 0 or less, u = 0 after a step.",
        role="conclusion",
    )
    return step, never, cosine, most, at_most, below, linear


def _cycle():
    """Two directions in turn, above the threshold."""
    k, mu = sp.symbols("k mu", positive=True)
    s2 = (1 - 2 / k) / 2
    c2 = (1 + 2 / k) / 2
    repels = Citation(
        "repelled above the threshold",
        identity.prove().step("circle: u above the threshold").relation,
        identity.prove(),
        "circle: u above the threshold",
    )
    one = Identity("cycle: unit norm", s2 + c2, 1, "c^2 - s^2 = 2/k, for k > 2.")
    turns = Identity("cycle: u changes sign", 1 - k * c2, -(1 + k * s2), "The factor is -1: two directions in turn.")
    slope = Identity(
        "cycle: gradient",
        mu**2 * s2 * c2,
        mu**2 * (1 - 4 / k**2) / 4,
        "|grad|^2 = mu^2 s^2 c^2 at unit norm.",
    )
    u = sp.Symbol("u", nonnegative=True)
    ratio = Identity(
        "cycle: where it is", s2 / c2, (k - 2) / (k + 2), "u^2 = s^2/c^2 on the cycle, u = x/y; c^2 = 1/(1 + u^2)."
    )
    step = u * (1 - k / (1 + u**2)) / (1 + k * u**2 / (1 + u**2))
    above = (1 + u**2 - k) + 2 * u**2  # derivatives by u of u times numerator, and of the denominator
    below = 1 + (1 + k) * u**2
    slope_u = Identity(
        "cycle: derivative of a step",
        sp.Derivative(step, u),
        (above * below - u * (1 + u**2 - k) * 2 * (1 + k) * u) / below**2,
        "u -> u (1 - k c^2)/(1 + k s^2), of the step of 'repelled above the threshold'.",
    )
    U = sp.Symbol("U", real=True)  # u^2
    there = (k - 2) / (k + 2)
    at_cycle = sp.Subs(
        ((1 + U - k + 2 * U) * (1 + (1 + k) * U) - 2 * (1 + k) * U * (1 + U - k)) / (1 + (1 + k) * U) ** 2, U, there
    )
    factor = Identity(
        "cycle: factor of a deviation",
        at_cycle,
        1 - 8 / k**2,
        "That derivative at U = u^2 of the cycle, at both points.",
    )
    threshold = Assumption("cycle: above the threshold", "k >= 2.", le(2, k), role="case")
    least = Inequality(
        "cycle: factor, at least", -1, 1 - 8 / k**2, ((2 / k, threshold), (4 / k**2, threshold)), "Above -1 for k > 2."
    )
    most = Inequality("cycle: factor, at most", 1 - 8 / k**2, 1, ((1, 8 / k**2),), "Below 1 at every k.")
    return repels, one, turns, slope, ratio, slope_u, factor, threshold, least, most


def _scales():
    """What depends on the norm of the start."""
    same = Citation(
        "in other units",
        any_schedule.prove().step("rescaled step").relation,
        any_schedule.prove(),
        "rescaled step",
    )
    turn = Citation(
        "turn of a plain step",
        effective_rate_recursion.prove().step("tangent").relation,
        effective_rate_recursion.prove(),
        "tangent",
    )
    sphere = Citation(
        "turn of a relative step",
        identity.prove().step("cosine of a tangential step").relation,
        identity.prove(),
        "cosine of a tangential step",
    )
    a, eta, n, W = sp.symbols("a eta n W", positive=True)
    first = Identity(
        "first step from a w_0",
        eta * n / (a * W) ** 2,
        eta * n / W**2 / a**2,
        "tan = eta |grad L(w_0/|w_0|)|/|w_0|^2, n the gradient at unit norm, W = |w_0|: a^-2.",
    )
    best = Identity("at the rate a^2 eta", a**2 * eta * n / (a * W) ** 2, eta * n / W**2, "The same turn.")
    relative = Identity(
        "tangent of a relative step",
        1 / (1 / sp.sqrt(1 + eta**2)) ** 2 - 1,
        eta**2,
        "tan^2 = 1/cos^2 - 1: neither the norm nor the dimension is in it.",
    )
    return same, turn, sphere, first, best, relative


def _one_entry():
    """A gain g = exp(rho) on L = (w + 1)^2/2, v = 1."""
    t = sp.Symbol("t", integer=True, nonnegative=True)
    rho, eta = sp.Symbol("rho_0", real=True), sp.Symbol("eta_g", nonnegative=True)
    log_gain, slope = sp.Function("rho", real=True), sp.Function("D", nonnegative=True)
    derivative = Identity(
        "one entry: by the logarithm of the gain",
        sp.Derivative((sp.exp(rho) + 1) ** 2 / 2, rho),
        sp.exp(rho) * (sp.exp(rho) + 1),
        "L(g v) = (g + 1)^2/2, g = exp(rho): positive.",
    )
    descends = Assumption(
        "one entry: descent on rho",
        "D(t) = g_t (g_t + 1) >= 0 by 'one entry: by the logarithm of the gain'.",
        eq(log_gain(t + 1), log_gain(t) - eta * slope(t)),
        (t,),
    )
    falls = Induction(
        "one entry: the gain falls",
        log_gain(t),
        log_gain(0),
        t,
        (),
        ((1, descends), (1, eta * slope(t))),
        equality=False,
        why="The loss falls with it, towards 1/2.",
    )
    stays = Inequality(
        "one entry: the gradient stays",
        1,
        sp.exp(log_gain(t)) + 1,
        ((1, sp.exp(log_gain(t))),),
        "|L'(w_t)| = g_t + 1 at every step.",
    )
    return derivative, descends, falls, stays
