"""Where the norm and the angle of a step settle under SGD with constant rate, decay and momentum.

Statement.  ``x = lambda eta``, c = 1 + gamma.

* gamma = 0, a = 1 - x, the squared gradient at unit norm replaced by its mean L: the fixed point of the norm
  is ``r*^4 = eta L/(lambda (2 - x))``, the cosine of a step's angle there is exactly 1 - x, and the
  linearised map of r^4 (or r^2) has the slope ``2 a^2 - 1 = 1 - 4 x + 2 x^2``.
* With momentum, in stationarity and for gradients of mean zero given the last two iterates: ``E<w_t,
  w_{t-1}>/E|w|^2 = 1 - x/c`` and ``E|w|^2 = eta E|grad|^2/(lambda (1 - gamma)(2 - x/c))``, with the gradients
  at w.  If moreover |w|^2 is nearly constant, ``r*^4 = eta L/(lambda (1 - gamma)(2 - x/c))``, and the angle of
  a step obeys ``2 (1 - cos) = 2 x/c``.  (E|w|^4 itself is not that with momentum.)
* Relaxation: with ``d r^4/dt = -4 x/(1 - gamma) (r^4 - r*^4)``, after the rate was divided by k, r^4 is within
  the relative distance eps of its new value after ``(1 - gamma) log((k-1)/eps)/(4 x)`` steps, x with the new
  rate.

What is checked is the algebra; the mean field, the stationarity and the mean-zero gradients are assumptions.

Source.  Derived in this package (the first-order angle and norm with momentum are also in Wan et al.,
arXiv:2006.08419).
"""

from functools import lru_cache

import sympy as sp

from ..arora2019 import orthogonality
from ..proof import Assumption, Citation, Definition, Identity, Inequality, Proof, Source, eq
from ..vectors import dot, gram, vector
from . import effective_rate_recursion


@lru_cache(maxsize=1)
def prove() -> Proof:
    """The derivation; see the module for the statement."""
    eta, lam, a, R, L = sp.symbols("eta lambda a R L", positive=True)  # R = r*^2, L = E|grad at unit norm|^2
    gamma = sp.Symbol("gamma", nonnegative=True)
    x = eta * lam

    # Without momentum: G' = a^2 G + eta^2 L/G.
    def following(G):
        return a**2 * G + eta**2 * L / G

    mean_field = Assumption(
        "mean field",
        "gamma = 0. The squared gradient at unit norm is replaced by its mean L.",
    )
    decay = Assumption("decay below 1", "a = 1 - lambda eta > 0.", eq(a, 1 - x))
    growth = Citation(
        "growth",
        eq(sp.Symbol("G'", positive=True), following(sp.Symbol("G", positive=True))),
        effective_rate_recursion.prove(),
        "length",
    )
    fixed = Assumption("fixed point", "R = r*^2 is where the norm stands still.", eq(R, following(R)), role="case")
    norm = Identity(
        "norm at the fixed point",
        lam * (2 - x) * R**2,
        eta * L,
        "r*^4 = eta L/(lambda (2 - lambda eta)).",
        ((R / eta, fixed), ((a + 1 - x) * R**2 / eta, decay)),
    )
    explicit = Identity(
        "norm at the fixed point, solved",
        R**2,
        eta * L / (lam * (1 + a)),
        "1 + a = 2 - lambda eta.",
        ((1 / (lam * (1 + a)), norm), (R**2 / (1 + a), decay)),
    )
    stretch = Identity(
        "stretch at the fixed point",
        a**2 * (1 + (eta / (a * R)) ** 2 * L),
        1,
        "1 + tan^2 = a^-2 with Phi = eta/(a r^2): the cosine is 1/sqrt(1 + tan^2).",
        ((-1 / R, fixed),),
    )
    angle = Identity(
        "angle at the fixed point",
        1 / (1 + (eta / (a * R)) ** 2 * L),
        (1 - x) ** 2,
        "cos^2 = a^2, so the cosine is exactly 1 - lambda eta.",
        ((-1 / (1 + (eta / (a * R)) ** 2 * L), stretch), (a + 1 - x, decay)),
    )
    X = sp.Symbol("X", positive=True)  # r^4
    map_4 = a**4 * X + 2 * a**2 * eta**2 * L + eta**4 * L**2 / X
    squared = Identity(
        "map of r^4",
        following(sp.sqrt(X)) ** 2,
        map_4,
        "The square of a^2 r^2 + eta^2 L/r^2.",
    )
    slope_4 = Identity(
        "derivative of the map of r^4",
        sp.Derivative(map_4, X),
        a**4 - (eta**2 * L / X) ** 2,
    )
    at_fixed = Identity(
        "gradient term at the fixed point",
        eta**2 * L / R**2,
        1 - a**2,
        "From the fixed point, divided by r*^2.",
        ((-1 / R, fixed),),
    )
    slope = Identity(
        "slope at the fixed point",
        a**4 - (eta**2 * L / R**2) ** 2,
        2 * a**2 - 1,
        "a^4 - (1 - a^2)^2.",
        ((-(eta**2 * L / R**2 + 1 - a**2), at_fixed),),
    )
    first_order = Identity(
        "slope in lambda eta",
        2 * a**2 - 1,
        1 - 4 * x + 2 * x**2,
        "To first order 1 - 4 lambda eta.",
        ((2 * (a + 1 - x), decay),),
    )

    # With momentum: Gram numbers stand for expected inner products, w = w_t, u = w_{t-1}, g the gradient at w.
    w, u, g = vector("w"), vector("u"), vector("g")
    ww, uw = gram("w", "w"), gram("u", "w")
    turn = 1 + gamma - x
    after = turn * w - gamma * u - eta * g
    form = Assumption(
        "momentum",
        "w_{t+1} = (1 + gamma - lambda eta) w_t - gamma w_{t-1} - eta grad; from here on <.,.> is the expected inner "
        "product, which is bilinear too.",
    )
    orthogonal = Citation("<w, grad> = 0", eq(gram("g", "w"), 0), orthogonality.prove(), "orthogonality")
    noise = Assumption(
        "mean-zero gradients",
        "Given w_t and w_{t-1} the gradient has mean 0: the stationary regime is all noise.",
        eq(gram("g", "u"), 0),
    )
    steady = Assumption("stationary norm", "E|w_{t-1}|^2 = E|w_t|^2.", eq(gram("u", "u"), ww))
    steady_next = Assumption("stationary norm, next", "E|w_{t+1}|^2 = E|w_t|^2.", eq(dot(after, after), ww))
    steady_pair = Assumption("stationary correlation", "E<w_{t+1}, w_t> = E<w_t, w_{t-1}>.", eq(dot(after, w), uw))
    correlation = Identity(
        "correlation",
        uw,
        (1 - x / (1 + gamma)) * ww,
        "E<w_t, w_{t-1}>/E|w|^2 = 1 - lambda eta/(1 + gamma).",
        ((-1 / (1 + gamma), steady_pair), (-eta / (1 + gamma), orthogonal)),
    )
    second_moment = Identity(
        "mean squared norm",
        lam * (1 - gamma) * (2 - x / (1 + gamma)) * ww,
        eta * gram("g", "g"),
        "E|w|^2 = eta E|grad|^2/(lambda (1 - gamma)(2 - lambda eta/(1 + gamma))).",
        (
            (-1 / eta, steady_next),
            (-2 * turn, orthogonal),
            (2 * gamma, noise),
            (gamma**2 / eta, steady),
            (-2 * gamma * turn / eta, correlation),
        ),
    )
    concentrated = Assumption(
        "concentrated norm",
        "|w|^2 is nearly constant, R, so that E|w|^2 = R and E|grad|^2 = L/R.",
        eq(ww, R),
        role="case",
    )
    gradient = Assumption("squared gradient", "L is its mean at unit norm.", eq(gram("g", "g"), L / R), role="case")
    norm_momentum = Identity(
        "norm with momentum",
        lam * (1 - gamma) * (2 - x / (1 + gamma)) * R**2,
        eta * L,
        "r*^4 = eta L/(lambda (1 - gamma)(2 - lambda eta/(1 + gamma))).",
        (
            (R, second_moment),
            (-lam * (1 - gamma) * (2 - x / (1 + gamma)) * R, concentrated),
            (R * eta, gradient),
        ),
    )
    equal = Assumption("equal norms", "|w_t|^2 = |w_{t-1}|^2 = R.", eq(gram("u", "u"), R), role="case")
    chord = (1 / sp.sqrt(R)) * w - (1 / sp.sqrt(R)) * u
    turned = Identity(
        "angle with momentum",
        dot(chord, chord),
        2 * x / (1 + gamma),
        "|v_t - v_{t-1}|^2 = 2 (1 - cos) = 2 lambda eta/(1 + gamma): to first order the angle squared.",
        (
            (-2 / R, correlation),
            (1 / R - 2 * (1 - x / (1 + gamma)) / R, concentrated),
            (1 / R, equal),
        ),
    )
    phi = sp.Symbol("phi", real=True)
    half = Identity(
        "chord and angle",
        2 * (1 - sp.cos(phi)),
        (2 * sp.sin(phi / 2)) ** 2,
        "The chord of the angle phi is 2 sin(phi/2): exactly, phi = 2 arcsin(sqrt(lambda eta/(2 (1 + gamma)))).",
    )

    # Relaxation.
    time, start, excess, eps, kept = sp.symbols("t X_0 j epsilon m", positive=True)  # j = k - 1, m = 1 - gamma
    star, pace = sp.symbols("X_star nu", positive=True)
    ode = Assumption(
        "slow relaxation",
        "Slow against the momentum, r^2 follows the flow with the rate eta/(1 - gamma): d r^2/dt = -2 lambda eta/(1 - "
        "gamma) r^2 + (eta/(1 - gamma))^2 L/r^2. An approximation for small lambda eta.",
    )
    flow_star = Definition("X_star", star, eta * L / (2 * lam * kept), "m = 1 - gamma.")
    G = sp.Symbol("G", positive=True)
    linear = Identity(
        "flow of r^4",
        2 * G * (-2 * x / kept * G + (eta / kept) ** 2 * L / G),
        -4 * x / kept * (G**2 - star),
        "G = r^2, (r^4)' = 2 r^2 (r^2)': linear in r^4, and X_star is the fixed point of before to first order.",
        (),
        (flow_star,),
    )
    rate = Definition("pace", pace, 4 * x / kept)
    curve = star + (start - star) * sp.exp(-pace * time)
    solution = Identity("solution of the flow", sp.Derivative(curve, time), -pace * (curve - star), "It starts at X_0.")
    divided = Identity(
        "after a division of the rate by k",
        (curve.subs({start: (1 + excess) * star, time: sp.log(excess / eps) / pace}) - star) / star,
        eps,
        "X_0 = k X_star, k = 1 + j, as X_star is proportional to eta: (k - 1) e^(-nu t) = eps at t = log((k - 1)/eps)/"
        "nu.",
    )
    steps = Identity(
        "number of steps",
        sp.log(excess / eps) / pace,
        kept * sp.log(excess / eps) / (4 * eta * lam),
        "(1 - gamma) log((k - 1)/eps)/(4 eta_new lambda).",
        (),
        (rate,),
    )
    contracts = Inequality(
        "contraction without momentum",
        0,
        1 - (1 - 4 * x + 2 * x**2),
        ((2 * x, a), (2 * x, 1), (2 * x, decay)),
        "The slope is below 1 while lambda eta < 1 (and at least -1): the fixed point attracts.",
    )
    return Proof(
        "li2020.equilibrium",
        "Equilibrium of the norm and of the angle under weight decay",
        "r*^4 = eta L/(lambda (1-gamma)(2 - lambda eta/(1+gamma))), cos = 1 - lambda eta/(1+gamma); relaxation in "
        "(1-gamma) log((k-1)/eps)/(4 eta lambda) steps",
        (
            mean_field,
            decay,
            growth,
            fixed,
            norm,
            explicit,
            stretch,
            angle,
            squared,
            slope_4,
            at_fixed,
            slope,
            first_order,
            contracts,
            form,
            orthogonal,
            noise,
            steady,
            steady_next,
            steady_pair,
            correlation,
            second_moment,
            concentrated,
            gradient,
            norm_momentum,
            equal,
            turned,
            half,
            ode,
            flow_star,
            linear,
            rate,
            solution,
            divided,
            steps,
        ),
        Source("This package", "equilibrium and relaxation of the norm", "derived"),
    )
