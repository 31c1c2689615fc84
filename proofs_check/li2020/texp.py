"""Step decay with weight decay: the equivalent rate is exponential in phases, with a jump at each switch.

Statement.  Rates eta_0, eta_1, .. in phases, one gamma in [0, 1) and one lambda, a_I > 0 the larger root of
``x^2 - (1 + gamma - lambda eta_I) x + gamma``, p_t the product of the a's of the steps before t.  The
equivalent rate without weight decay grows by ``a_I^-2`` a step within phase I and is multiplied by
``(eta_I/eta_{I-1})/(a_I a_{I-1})`` at the switch to it.  The runs agree exactly if before the first step T
of phase I the buffer B_T of the run without weight decay is corrected to ``B_T - (p_T^2/eta_I) [(1/a_I - 1)
- (eta_I/eta_{I-1}) (1/a_{I-1} - 1)] W_T``.  With ``y_I = 1/a_I - 1``, ``(1 - gamma) y_I - lambda eta_I = y_I
(gamma y_I + lambda eta_I)``: the first-order terms of the bracket cancel, and it is of order (lambda eta)^2.

Source.  Li and Arora, ICLR 2020, arXiv:1910.07454, for rates that grow exponentially in phases; the correction
and the identities as written here are derived in this package.
"""

from functools import lru_cache

import sympy as sp

from ..proof import Assumption, Citation, Definition, Identity, Inequality, Proof, Source, eq, instance, le
from . import any_schedule, constant_rate


@lru_cache(maxsize=1)
def prove() -> Proof:
    """The proof; see the module for the statement."""
    a, b, eta, old, p = sp.symbols("a_1 a_0 eta_1 eta_0 p", positive=True)  # this phase (1) and the one before (0)
    s = sp.Symbol("s", positive=True)
    lam, gamma, c = sp.symbols("lambda gamma c", nonnegative=True)
    W, B, fixed, q, q_old, b_T = sp.symbols("W B B' q q_0 b_T", real=True)
    y, z = sp.symbols("y_1 y_0", real=True)

    def characteristic(root, rate):
        return root**2 - (1 + gamma - lam * rate) * root + gamma

    # The rate eta_t/(p_t p_{t+1}); p is multiplied by the phase's a at every step.
    t = sp.Symbol("t", integer=True, nonnegative=True)
    product, (p_1, p_2) = sp.Function("p", positive=True), sp.symbols("p_1 p_2", positive=True)
    inside_phase = Assumption("inside phase 1", "p_{t+1} = a_1 p_t.", eq(product(t + 1), a * product(t)), (t,))
    last = Assumption("last step of phase 0", "p_{T-1} = p and p_T = p_1.", eq(p_1, b * p))
    begun = Assumption("first step of phase 1", "p_{T+1} = p_2.", eq(p_2, a * p_1))
    inside = Identity(
        "growth within a phase",
        eta / (product(t + 1) * product(t + 2)),
        eta / (product(t) * product(t + 1)) * a**-2,
        "From eta/(p_t p_{t+1}) to eta/(p_{t+1} p_{t+2}).",
        (),
        (instance(inside_phase, t=t + 1), inside_phase),
    )
    switch = Identity(
        "growth at the switch",
        eta / (p_1 * p_2),
        old / (p * p_1) * (eta / old) / (a * b),
        "From the last step of phase 0 to the first of phase 1.",
        (),
        (begun, last),
    )
    steps = sp.Symbol("n", integer=True, nonnegative=True)
    phase = Identity(
        "rate in a phase",
        eta / (p * a**steps * p * a ** (steps + 1)),
        eta / p**2 * a ** (-2 * steps - 1),
        "n steps after the start of a phase, p being the p_T there.",
    )

    # The buffer: p = p_T from here on.
    before = Assumption(
        "old phase",
        "In the old phase q_T = a_0^(T-1) (1 - a_0)/eta_0 times a constant, that is p_T (1/a_0 - 1)/eta_0.",
        eq(q_old, p * (1 / b - 1) / old),
    )
    after = Assumption(
        "new phase",
        "The new phase starts from q_T = p_T (1/a_1 - 1)/eta_1, so that p goes on as p_T a_1^n.",
        eq(q, p * (1 / a - 1) / eta),
    )
    solves = Citation(
        "p in a phase",
        eq(p * a ** (steps + 1), p * a**steps - eta * (p * a**steps * (1 - a) / eta)),
        constant_rate.prove(),
        "p",
        (steps,),
    )
    ended = Citation("buffer before", eq(b_T, q_old * W + B / p), any_schedule.prove(), "every step")
    begins = Citation("buffer after", eq(b_T, q * W + fixed / p), any_schedule.prove(), "every step")
    bracket = (1 / a - 1) - eta / old * (1 / b - 1)
    correction = Identity(
        "correction of the buffer",
        fixed,
        B - p**2 / eta * bracket * W,
        "The given run's weights p_T W_T and buffer b_T are what they are; the buffer of W changes with q_T.",
        ((-p, begins), (p, ended), (-p * W, after), (p * W, before)),
    )

    # The size of the bracket.
    root_new = Assumption("root", "a_1 is a root.", eq(characteristic(a, eta), 0))
    root_old = Assumption("root before", "a_0 is a root, of the old phase's polynomial.", eq(characteristic(b, old), 0))
    y_new = Definition("y_1", y, 1 / a - 1)
    y_old = Definition("y_0", z, 1 / b - 1)
    quadratic = Identity(
        "equation for y",
        gamma * (1 / a - 1) ** 2 - (1 - gamma - lam * eta) * (1 / a - 1) + lam * eta,
        0,
        "The characteristic polynomial at 1/(1 + y), times (1 + y)^2.",
        ((1 / a**2, root_new),),
    )
    second = Identity(
        "what y is up to second order",
        (1 - gamma) * y - lam * eta,
        y * (gamma * y + lam * eta),
        "y = lambda eta/(1 - gamma) and terms of second order.",
        ((-1, quadratic),),
        (y_new,),
    )
    second_old = Identity(
        "the same in the old phase",
        (1 - gamma) * z - lam * old,
        z * (gamma * z + lam * old),
        "",
        ((-1 / b**2, root_old),),
        (y_old,),
    )
    small = Identity(
        "bracket",
        (1 - gamma) * (y - eta / old * z),
        y * (gamma * y + lam * eta) - eta / old * z * (gamma * z + lam * old),
        "lambda eta_1 - (eta_1/eta_0) lambda eta_0 = 0: the first order cancels. Divide by 1 - gamma.",
        ((1, second), (-eta / old, second_old)),
    )
    u, x = sp.symbols("y x", nonnegative=True)
    size = Assumption(
        "larger root at most 1",
        "Now y = y_1 >= 0: the larger root is at most 1 (constant_rate, 'sign at 1').",
        eq(u, 1 / a - 1),
        role="conclusion",
    )
    momentum = Assumption(
        "momentum", "0 < gamma = s^2 < 1 (for gamma = 0, y = x/(1 - x)).", eq(gamma, s**2), role="case"
    )
    decay = Assumption("x", "x = lambda eta_1.", eq(x, lam * eta), role="case")
    by_roots = Identity(
        "y by the roots",
        u * (a - s**2),
        x,
        "The polynomial at 1 is (1 - a)(1 - gamma/a) = lambda eta.",
        ((-1 / a, root_new), (-1, decay), (a - gamma, size), (u, momentum)),
    )
    above = Citation("other root", le(s**2 / a, s), constant_rate.prove(), "other root, from above")
    first = Inequality(
        "y is of first order",
        u * s * (1 - s),
        x,
        ((1, by_roots), (u * a / s, above)),
        "0 <= y <= x/(s (1 - s)), as a >= s.",
    )
    linear = Assumption("c", "0 <= y <= c x, as just shown for c = 1/(s (1 - s)).", le(u, c * x), role="conclusion")
    order = Inequality(
        "second order",
        u * (gamma * u + x),
        c * (gamma * c + 1) * x**2,
        ((gamma * (u + c * x) + x, linear),),
        "So the bracket is of order (lambda eta)^2.",
    )
    return Proof(
        "li2020.texp",
        "Step decay as a rate that is exponential in phases",
        "the rate grows by a_I^-2 a step in phase I and by (eta_I/eta_{I-1})/(a_I a_{I-1}) at the switch; the "
        "buffer needs a correction of second order",
        (
            inside_phase,
            last,
            begun,
            inside,
            switch,
            phase,
            solves,
            before,
            after,
            ended,
            begins,
            correction,
            root_new,
            root_old,
            y_new,
            y_old,
            quadratic,
            second,
            second_old,
            small,
            size,
            momentum,
            decay,
            by_roots,
            above,
            first,
            linear,
            order,
        ),
        Source(
            "Li and Arora, ICLR 2020, arXiv:1910.07454",
            "exponential rates in phases; the correction derived here",
            "paper",
        ),
    )
