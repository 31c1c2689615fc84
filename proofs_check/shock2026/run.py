"""A scale-invariant loss in the plane is a function of an angle; its local entropy by Monte Carlo and its bounds.

Statement.

* ``L(c w) = L(w)`` for c > 0 in the plane: ``L(r cos t, r sin t) = L(cos t, sin t)``, a function f of the angle t.
* ``t + sqrt(2 nu s) Z``, Z standard normal, has the heat kernel as its density. So the mean of n independent draws of
  ``W = exp(-f(t + sqrt(2 nu s) Z)/(2 nu))`` has the mean ``phi`` and the variance ``Var(W)/n``.
* With ``u = -2 nu log phi``: ``inf f <= u <= E f(t + sqrt(2 nu s) Z)``. Coarse-graining by local entropy never goes
  below the infimum and never above the loss smoothed by heat. For the same reason, Jensen's, the logarithm of a mean of
  draws is low on average: an estimate of u is high.

Means are written as finite sums with weights ``P(k) >= 0`` that add up to 1; others are their limits.

Source.  Derived in this package.
"""

from functools import lru_cache

import sympy as sp

from ..logarithm import bounds
from ..proof import Assumption, Citation, Definition, Identity, Inequality, Proof, Source, Summed, eq, instance, le
from . import identity

NU, S, R, C, PHI = sp.symbols("nu s r c phi", positive=True)
N, COUNT = sp.symbols("n N", integer=True, positive=True)
THETA, X, Y, Z = sp.symbols("theta x y z", real=True)
K, DRAW = sp.symbols("k a", integer=True)
WEIGHT, ENERGY = sp.Function("W", positive=True), sp.Function("f", real=True)
CHANCE = sp.Function("P", nonnegative=True)
OUTCOMES = (K, 1, COUNT)


@lru_cache(maxsize=1)
def prove() -> Proof:
    """The proof; see the module for the statement."""
    return Proof(
        "shock2026.run",
        "The angle of a scale-invariant loss: quotient, Monte Carlo, bounds of local entropy",
        "L(r cos t, r sin t) = f(t); E phi_MC = phi with variance Var(W)/n; inf f <= u <= E f(t + sqrt(2 nu s) Z)",
        (*_quotient(), *_draws(), *_jensen()),
        Source(identity.PAPER, "scale invariance in two dimensions", "derived"),
    )


def _quotient():
    """A function of the angle."""
    loss = sp.Function("L", real=True)
    invariant = Assumption(
        "scale invariance",
        "L(c w) = L(w) for all c > 0 and all w but 0.",
        eq(loss(C * X, C * Y), loss(X, Y)),
        (C, X, Y),
    )
    quotient = Identity(
        "function of the angle",
        loss(R * sp.cos(THETA), R * sp.sin(THETA)),
        loss(sp.cos(THETA), sp.sin(THETA)),
        "f(t) = L(cos t, sin t): take c = 1/r.",
        ((-1, instance(invariant, c=1 / R, x=R * sp.cos(THETA), y=R * sp.sin(THETA))),),
    )
    broken = Identity(
        "without scale invariance",
        (R * sp.cos(THETA)) ** 2 - sp.cos(THETA) ** 2,
        (R**2 - 1) * sp.cos(THETA) ** 2,
        "A quadratic form, for example, is no function of the angle: on a ray it changes with r.",
    )
    f_1, f_2, gradient2, laplacian = sp.symbols("f' f'' G2 Delta", real=True)
    cited = Citation("gradient", eq(gradient2, f_1**2 / R**2), identity.prove(), "gradient on the quotient")
    cited_2 = Citation("Laplacian", eq(laplacian, f_2 / R**2), identity.prove(), "Laplacian on the quotient")
    scaling = Identity(
        "diffusion at norm r",
        laplacian + gradient2,
        (f_2 + f_1**2) / R**2,
        "Both scale alike: heat on the circle of radius r (not in the plane, where norms diffuse too) is that on the "
        "circle of radius 1 with s over r^2.",
        ((1, cited), (1, cited_2)),
    )
    return invariant, quotient, broken, cited, cited_2, scaling


def _draws():
    """Mean and variance of the mean of draws."""
    width = sp.sqrt(2 * NU * S)
    density = Identity(
        "density of a draw",
        sp.Subs(sp.exp(-(Z**2) / 2) / sp.sqrt(2 * sp.pi), Z, (Y - THETA) / width) / width,
        sp.exp(-((Y - THETA) ** 2) / (4 * NU * S)) / sp.sqrt(4 * sp.pi * NU * S),
        "t + sqrt(2 nu s) Z has the heat kernel as its density, so E W = phi.",
    )
    variance = sp.Symbol("V", nonnegative=True)
    second, cross, square = sp.symbols("m_2 m_11 E2", real=True)
    unbiased = Identity("unbiased", sp.Sum(PHI, (DRAW, 1, N)) / N, PHI, "The mean of n draws, each of mean phi.")
    moment = Definition("second moment", second, variance + PHI**2, "E W_a^2; V = Var(W).")
    independent = Assumption("independent draws", "E W_a W_b = phi^2 for a and b different.", eq(cross, PHI**2))
    total = Definition(
        "mean square of the mean",
        square,
        sp.Sum(second + (N - 1) * cross, (DRAW, 1, N)) / N**2,
        "E phi_MC^2: for each draw a itself and the n - 1 others.",
    )
    spread = Identity(
        "variance of the mean",
        square - PHI**2,
        variance / N,
        "E (phi_MC - phi)^2 = Var(W)/n.",
        ((1, total), (1 / N, moment), ((N - 1) / N, independent)),
    )
    return density, unbiased, moment, independent, total, spread


def _jensen():
    """Bounds of the local entropy."""
    lowest, floor = sp.Symbol("f_inf", real=True), sp.Symbol("W_max", positive=True)
    steps = bounds()
    tangent = steps["tangent"]
    total = Assumption("weights", "They add up to 1.", eq(sp.Sum(CHANCE(K), OUTCOMES), 1))
    mean = Assumption("phi", "phi = E W.", eq(sp.Sum(CHANCE(K) * WEIGHT(K), OUTCOMES), PHI))
    exponential = Assumption(
        "W", "W = exp(-f/(2 nu)).", eq(sp.log(WEIGHT(K)), -ENERGY(K) / (2 * NU)), (K,), role="fact"
    )
    one = Inequality(
        "tangent at the mean",
        CHANCE(K) * (-ENERGY(K) / (2 * NU) - sp.log(PHI)),
        CHANCE(K) * (WEIGHT(K) / PHI - 1),
        ((CHANCE(K), instance(tangent, z=WEIGHT(K) / PHI)), (-CHANCE(K), exponential)),
        "log(W/phi) <= W/phi - 1.",
    )
    summed = Summed(
        "summed tangents",
        CHANCE(K) * (-ENERGY(K) / (2 * NU) - sp.log(PHI)),
        CHANCE(K) * (WEIGHT(K) / PHI - 1),
        (OUTCOMES,),
        ((1, one),),
        why="The mean of both sides.",
    )
    jensen = Inequality(
        "local entropy below the smoothed loss",
        -2 * NU * sp.log(PHI),
        sp.Sum(CHANCE(K) * ENERGY(K), OUTCOMES),
        (
            (2 * NU, summed),
            (2 * NU / PHI, mean),
            (-2 * NU * (1 - sp.log(PHI)), total),
        ),
        "u <= E f.",
    )
    bounded = Assumption(
        "lower bound",
        "f >= f_inf, so W <= W_max = exp(-f_inf/(2 nu)).",
        le(WEIGHT(K), floor),
        (K,),
    )
    of_floor = Assumption(
        "largest weight", "W_max = exp(-f_inf/(2 nu)).", eq(sp.log(floor), -lowest / (2 * NU)), role="fact"
    )
    below = Summed(
        "summed weights",
        CHANCE(K) * WEIGHT(K),
        CHANCE(K) * floor,
        (OUTCOMES,),
        ((CHANCE(K), bounded),),
    )
    largest = Inequality(
        "phi is at most the largest weight", PHI, floor, ((1, below), (-1, mean), (floor, total)), "A mean is."
    )
    above = Inequality(
        "local entropy above the infimum",
        lowest,
        -2 * NU * sp.log(PHI),
        (
            (2 * NU, instance(tangent, z=PHI / floor)),
            (2 * NU / floor, largest),
            (2 * NU, of_floor),
        ),
        "u >= inf f.",
    )
    logs = (steps["below"], steps["above"], tangent)
    return (*logs, total, mean, exponential, one, summed, jensen, bounded, of_floor, below, largest, above)
