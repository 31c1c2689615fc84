"""The amplitude of the gradient of SGD late in a run: an adiabatic asymptotic, not a theorem.

Statement.  Near a non-degenerate minimum with tangent Hessian H and tangent noise covariance S on the
sphere (they need not commute), with rates ``eta_t = eta t^-alpha``, alpha < 1/2: ``G_t^2 -> 2 eta^2 tr(S)
t^{1-2 alpha}/(1-2 alpha)``, ``eta_t/G_t -> sqrt((1-2 alpha)/(2 tr S)) t^-1/2`` and ``E|grad L(V_t)|^2 ->
sqrt(1-2 alpha) tr(H S)/(2 sqrt(2 tr S)) t^-1/2``: no eta and no fitted parameter. At alpha = 1/2 the
effective rate is ``1/sqrt(2 tr(S) t log t)``.  At finite time ``E|grad L(V_t)|^2 = (eta_t/G_t) tr(H S)/2``
with ``G_{t+1} = G_t + eta_t^2 tr(S)/G_t``.

What is checked is the algebra; the approximations are the assumptions listed, and a run to which they do
not apply neither supports nor contradicts the law.

Source.  Derived in this package.
"""

from functools import lru_cache

import sympy as sp

from ..algebra import Tr
from ..proof import Assumption, Definition, Identity, Proof, Source, eq


@lru_cache(maxsize=1)
def prove() -> Proof:
    """The derivation; see the module for the statement."""
    H, C, S = sp.symbols("H C S", commutative=False)
    e, eta, t, b, trace_s, norm, rate, relax = sp.symbols("epsilon eta t b trS G eta_t lambda", positive=True)
    trace_hs = sp.Symbol("trHS", nonnegative=True)
    alpha = (1 - b) / 2  # b = 1 - 2 alpha > 0
    half = sp.Rational(1, 2)

    linear = Assumption(
        "linearisation",
        "Near the minimum the tangent step is x' = x - epsilon (H x + noise), epsilon = eta_t/G_t, with "
        "noise of mean 0 and covariance S independent of x; C is the covariance of x.",
    )
    adiabatic = Assumption(
        "adiabatic",
        "epsilon changes so slowly, and is so small, that C stays stationary: H C + C H = epsilon S "
        "(multiplied "
        "by H and traced below). Needs the relaxation time to be short against t.",
        eq(Tr(H * (H * C + C * H)), Tr(H * e * S)),
    )
    mean_field = Assumption(
        "mean field",
        "The sum of the squared tangent gradients is replaced by its mean: tr S a step, |grad L|^2 being "
        "negligible beside it, and G_0^2 beside G_t^2.",
    )
    one_step = Identity(
        "one step of the covariance",
        (C - (1 - e * H) * C * (1 - e * H) - e**2 * S) / e,
        H * C + C * H - e * S - e * H * C * H,
        "Stationarity C' = C: H C + C H = epsilon S up to epsilon H C H.",
    )
    cyclic = Identity("trace", Tr(H * (H * C + C * H)), 2 * Tr(H * H * C), "tr(H C H) = tr(H H C), in every dimension.")
    stationary = Identity(
        "stationary gradient",
        Tr(H * H * C),
        e * Tr(H * S) / 2,
        "E|grad L|^2 = E|H x|^2 = tr(H^2 C), whether or not H and S commute.",
        ((half, adiabatic), (-half, cyclic)),
    )
    correction = Identity(
        "next order in epsilon",
        Tr(H * (H * C + C * H - e * S - e * H * C * H)),
        2 * Tr(H * H * C) - e * Tr(H * S) - e * Tr(H * H * H * C),
        "Without dropping it: tr(H^2 C) = (epsilon/2) (tr(H S) + tr(H^3 C)).",
    )
    squared = 2 * eta**2 * trace_s * t**b / b
    growth = Identity(
        "growth of G^2",
        sp.Derivative(squared, t),
        2 * (eta * t**-alpha) ** 2 * trace_s,
        "G' = eta_t^2 tr(S)/G means (G^2)' = 2 eta_t^2 tr(S).",
    )
    effective = Identity(
        "effective rate",
        eta * t**-alpha / sp.sqrt(squared),
        sp.sqrt(b / (2 * trace_s)) / sp.sqrt(t),
        "Neither eta nor alpha changes the exponent, and eta not even the factor.",
    )
    amplitude = Identity(
        "amplitude",
        eta * t**-alpha / sp.sqrt(squared) * trace_hs / 2,
        sp.sqrt(b) * trace_hs / (2 * sp.sqrt(2 * trace_s)) / sp.sqrt(t),
        "epsilon tr(H S)/2.",
    )
    log_squared = 2 * eta**2 * trace_s * sp.log(t)
    growth_half = Identity(
        "growth of G^2, alpha = 1/2", sp.Derivative(log_squared, t), 2 * (eta / sp.sqrt(t)) ** 2 * trace_s
    )
    ell = sp.Symbol("l", positive=True)
    log_t = Assumption("late times", "t > 1, and l = log t.", eq(ell, sp.log(t)))
    effective_half = Identity(
        "effective rate, alpha = 1/2",
        eta / sp.sqrt(t) / sp.sqrt(2 * eta**2 * trace_s * ell),
        1 / sp.sqrt(2 * trace_s * t * ell),
        "A fit without the logarithm misses it.",
    )
    finite = Identity(
        "finite-time recursion",
        (norm + rate**2 * trace_s / norm) ** 2,
        norm**2 + 2 * rate**2 * trace_s + rate**4 * trace_s**2 / norm**2,
        "G_{t+1} = G_t + eta_t^2 tr(S)/G_t is the growth equation up to the last, higher-order term.",
    )
    slow = Definition("epsilon(t)", sp.Symbol("epsilon_t", positive=True), sp.sqrt(b / (2 * trace_s)) / sp.sqrt(t))
    condition = Identity(
        "adiabatic condition",
        -sp.Derivative(sp.log(slow.value), t) / (2 * relax * slow.value),
        sp.sqrt(2 * trace_s / b) / (4 * relax * sp.sqrt(t)),
        "The rate of change of epsilon against the relaxation rate 2 lambda epsilon, lambda the smallest "
        "eigenvalue "
        "of H: small when sqrt(t) is large against sqrt(2 tr S/(1 - 2 alpha))/lambda.",
    )
    return Proof(
        "arora2019.amplitude_law",
        "Amplitude of the gradient late in a run (adiabatic asymptotic)",
        "E|grad L(V_t)|^2 -> sqrt(1-2 alpha) tr(H S)/(2 sqrt(2 tr S)) t^-1/2, whatever eta",
        (
            linear,
            adiabatic,
            mean_field,
            one_step,
            cyclic,
            stationary,
            correction,
            growth,
            effective,
            amplitude,
            growth_half,
            log_t,
            effective_half,
            finite,
            slow,
            condition,
        ),
        Source("This package", "amplitude law", "derived"),
    )
