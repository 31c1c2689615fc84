"""Constant rate, decay and momentum: the equivalent rate without weight decay grows geometrically.

Statement.  Let a be a root of ``x^2 - (1 + gamma - lambda eta) x + gamma``.  Then ``p_t = a^t`` and ``q_t =
a^(t-1) (1 - a)/eta`` solve the recurrences of the run without gradients, so for a > 0 weight decay is the
rate ``eta a^(-2t-1)`` from a buffer that starts at ``-(1 - a) w_0/(eta a)`` if the given one is zero
(``eta a^(-2t)`` is another rate: a times that).  For 0 < gamma < 1:

* ``0 < lambda eta <= (1 - sqrt gamma)^2``: both roots are real, the larger one lies between sqrt gamma and 1
  and the smaller one below sqrt gamma.  From a zero buffer ``p_t = (a1 (1-a2) a1^t - a2 (1-a1) a2^t)/(a1 -
  a2)``, which is at least a1^t, and ``p_{t+1}/p_t -> a1``;
* ``(1 - sqrt gamma)^2 < lambda eta < (1 + sqrt gamma)^2``: the roots are ``sqrt(gamma) e^(+-i theta)`` and
  every solution oscillates through zero: there is no equivalent positive rate.

For gamma = 0 the root is ``a = 1 - lambda eta``, positive if ``lambda eta < 1``.

Source.  Li and Arora, ICLR 2020, arXiv:1910.07454, for the growing rate; the buffer, the solution from a zero
buffer and the two regimes as written here are derived in this package.
"""

from functools import lru_cache

import sympy as sp

from ..proof import Assumption, Citation, Definition, Identity, Induction, Inequality, Proof, Source, eq, instance, le
from . import any_schedule


@lru_cache(maxsize=1)
def prove() -> Proof:
    """The proof; see the module for the statement."""
    a, eta = sp.symbols("a eta", positive=True)
    lam, s = sp.symbols("lambda s", nonnegative=True)  # s = sqrt(gamma)
    gamma, w_0, z = sp.symbols("gamma w_0 z", real=True)
    t = sp.Symbol("t", integer=True, nonnegative=True)
    x = eta * lam

    def characteristic(root, momentum=gamma, product=x):
        return root**2 - (1 + momentum - product) * root + momentum

    root = Assumption(
        "root",
        "a > 0 is a root of the characteristic polynomial; gamma may have any sign here.",
        eq(characteristic(a), 0),
    )
    p, q = a**t, a ** (t - 1) * (1 - a) / eta
    p_step = Identity("p", p.subs(t, t + 1), p - eta * q.subs(t, t + 1), "p_{t+1} = p_t - eta q_{t+1}, p_0 = 1.")
    q_step = Identity(
        "q",
        q.subs(t, t + 1),
        gamma * q + lam * p,
        "q_{t+1} = gamma q_t + lambda p_t: this is where a must be a root.",
        ((-(a ** (t - 1)) / eta, root),),
    )
    B_0, b_0, q_0 = sp.symbols("B_0 b_0 q_0", real=True)
    in_buffer = Citation(
        "buffer of an equivalent run", eq(b_0, q_0 * w_0 + B_0), any_schedule.prove(), "start of the buffer"
    )
    no_buffer = Assumption("zero buffer", "The given run starts from a zero buffer.", eq(b_0, 0))
    q_start = Assumption("q_0", "q_t at t = 0.", eq(q_0, q.subs(t, 0)), role="fact")
    start = Identity(
        "start of the buffer",
        B_0,
        -(1 - a) / (eta * a) * w_0,
        "A zero buffer with weight decay is not a zero buffer without.",
        ((-1, in_buffer), (1, no_buffer), (-w_0, q_start)),
    )
    rate = Identity(
        "equivalent rate",
        eta / (p * p.subs(t, t + 1)),
        eta * a ** (-2 * t - 1),
        "eta/(p_t p_{t+1}); it grows by a^-2 a step.",
    )
    wrong = Identity(
        "the exponent -2t",
        eta * a ** (-2 * t),
        a * (eta * a ** (-2 * t - 1)),
        "eta a^(-2t) is not the equivalent rate: it is a times that.",
    )
    plain = Identity(
        "without momentum",
        characteristic(z, 0),
        z * (z - (1 - x)),
        "gamma = 0: the root other than 0 is 1 - lambda eta.",
    )

    # Real roots: s = sqrt(gamma).
    gap = (1 - s) ** 2 - x
    slow = Assumption("slow enough", "lambda eta <= (1 - sqrt gamma)^2.", le(x, (1 - s) ** 2))
    discriminant = Identity(
        "discriminant",
        (1 + s**2 - x) ** 2 - 4 * s**2,
        gap * ((1 + s) ** 2 - x),
        "Of the characteristic polynomial, with gamma = s^2.",
    )
    real = Inequality(
        "both roots are real",
        0,
        (1 + s**2 - x) ** 2 - 4 * s**2,
        ((1, gap**2), (4 * s, slow)),
        "With d = (1 - s)^2 - lambda eta >= 0 it is d^2 + 4 s d.",
    )
    below = Inequality(
        "sign at sqrt gamma",
        characteristic(s, s**2),
        0,
        ((s, slow),),
        "The polynomial is -s d at x = s.",
    )
    above = Inequality("sign at 1", 0, characteristic(1, s**2), ((1, x),), "It is lambda eta at x = 1.")
    larger_root = Assumption(
        "larger root",
        "By 'sign at sqrt gamma' and 'sign at 1' (and sqrt gamma < 1) a root lies between sqrt gamma and 1, the "
        "polynomial being continuous: from here on a is that root.",
        eq(characteristic(a, s**2), 0),
        role="conclusion",
    )
    at_least = Assumption("larger root, from below", "It is at least sqrt gamma.", le(s, a), role="conclusion")
    at_most = Assumption("larger root, from above", "It is at most 1.", le(a, 1), role="conclusion")
    other = Identity(
        "other root",
        characteristic(s**2 / a, s**2),
        0,
        "The product of the roots is gamma, so the other one is gamma/a.",
        ((s**2 / a**2, larger_root),),
    )
    smaller = Inequality(
        "other root, from above",
        s**2 / a,
        s,
        ((s / a, at_least),),
        "The other root is at most sqrt gamma, hence a is the larger one.",
    )

    # From a zero buffer, with two different roots a1 > a2 > 0 (gamma = 0, a2 = 0 is p_t = a^t).
    h, y = sp.Symbol("h", positive=True), sp.Symbol("y", nonnegative=True)
    a1, a2 = sp.symbols("a1 a2", positive=True)
    product = Assumption("product of the roots", "By 'other root'.", eq(gamma, a1 * a2), role="conclusion")
    first = Assumption("a1", "a1 is a root.", eq(characteristic(a1), 0), role="conclusion")
    decay = Identity(
        "decay by the roots",
        lam,
        (1 - a1) * (1 - a2) / eta,
        "The polynomial at 1 is lambda eta, and it is (1 - a1)(1 - a2).",
        ((1 / (eta * a1), first), (-(1 - a1) / (eta * a1), product)),
    )
    P, Q = sp.Function("p", real=True), sp.Function("q", real=True)
    mixed = a1 * (1 - a2) * a1**t - a2 * (1 - a1) * a2**t
    zero_p = Definition("p from a zero buffer", P(t), mixed / (a1 - a2), "a1 and a2 are different.")
    zero_q = Definition("q from a zero buffer", Q(t), lam * (a1**t - a2**t) / (a1 - a2))
    next_p, next_q = instance(zero_p, t=t + 1), instance(zero_q, t=t + 1)
    at_0 = Identity("start of p", P(0), 1, "", (), (instance(zero_p, t=0),))
    q_at_0 = Identity("start of q", Q(0), 0, "", (), (instance(zero_q, t=0),))
    steps_p = Identity(
        "step of p from a zero buffer", P(t + 1), P(t) - eta * Q(t + 1), "", (), (next_p, zero_p, next_q, decay)
    )
    steps_q = Identity(
        "step of q from a zero buffer",
        Q(t + 1),
        gamma * Q(t) + lam * P(t),
        "q_{t+1} = gamma q_t + lambda p_t.",
        (),
        (next_q, zero_q, zero_p, product),
    )
    longer = Induction(
        "powers",
        1,
        (1 + h) ** t,
        t,
        (),
        ((1, h * (1 + h) ** t),),
        equality=False,
        why="h = a1/a2 - 1: the powers of the larger root are the larger ones.",
    )
    below_one = Assumption(
        "roots in order",
        "a1 = a2 (1 + h) and a1 = 1 - y with h > 0 and y >= 0, by 'larger root, from above'.",
        eq(a2 * (1 + h), 1 - y),
        role="conclusion",
    )
    in_order = (a2 * (1 + h)) * (1 - a2) * (a2 * (1 + h)) ** t - a2 * y * a2**t
    positive = Inequality(
        "p is positive from a zero buffer",
        (a2 * (1 + h)) ** t,
        in_order / (a2 * h),
        (
            (y * a2**t / h, longer),
            ((a2 * (1 + h)) ** t / h, below_one),
        ),
        "The right side is p_t with a1 = a2 (1 + h) and 1 - a1 = y: p_t >= a1^t > 0.",
    )
    ratio = Identity(
        "next p",
        P(t + 1),
        a1 * P(t) + (1 - a1) * a2 ** (t + 1),
        "p_{t+1}/p_t = a1 + (1 - a1) a2^(t+1)/p_t.",
        (),
        (next_p, zero_p),
    )
    value = sp.Symbol("P", positive=True)
    at_least_power = Assumption(
        "p by its bound",
        "P > 0 stands for p_t, by 'p is positive from a zero buffer'.",
        le(a1**t, value),
        role="conclusion",
    )
    closer = Inequality(
        "ratio",
        y * a2 ** (t + 1) / value,
        y * a2 ** (t + 1) / a1**t,
        ((y * a2 ** (t + 1) / (value * a1**t), at_least_power),),
        "With y = 1 - a1 >= 0: 0 <= p_{t+1}/p_t - a1 <= (1 - a1) a2 (a2/a1)^t.",
    )
    limit = Assumption(
        "limit of the ratio",
        "By 'next p' and 'ratio' p_{t+1}/p_t tends to a1, as a2 < a1: in the end the rate grows by a1^-2 a step.",
        role="conclusion",
    )
    double_p, double_q = a**t * (1 + t * (1 - a)), t * (1 - a) ** 2 * a ** (t - 1) / eta
    twice_p = Identity(
        "double root, p",
        double_p.subs(t, t + 1),
        double_p - eta * double_q.subs(t, t + 1),
        "lambda eta = (1 - sqrt gamma)^2: from a zero buffer p_t = a^t (1 + t (1 - a)) > 0, a = sqrt gamma.",
    )
    twice_q = Identity(
        "double root, q",
        double_q.subs(t, t + 1),
        a**2 * double_q + (1 - a) ** 2 / eta * double_p,
        "gamma = a^2 and lambda = (1 - a)^2/eta.",
    )

    # Complex roots.
    phase, theta, A, B = sp.symbols("phi theta A B", real=True)
    fast = Identity(
        "negative discriminant",
        4 * s**2 - (1 + s**2 - x) ** 2,
        (x - (1 - s) ** 2) * ((1 + s) ** 2 - x),
        "Positive for lambda eta between (1 - sqrt gamma)^2 and (1 + sqrt gamma)^2: 1 + gamma - lambda eta = 2 s cos "
        "theta with 0 < theta < pi.",
    )

    def wave(angle):
        return A * sp.cos(angle) + B * sp.sin(angle)

    angle = Assumption("angle", "s e^(i theta) is a root.", eq(1 + s**2 - x, 2 * s * sp.cos(theta)), role="case")
    oscillates = Identity(
        "oscillation",
        s**2 * wave(phase + theta),
        (1 + s**2 - x) * s * wave(phase) - s**2 * wave(phase - theta),
        "With phi = (t + 1) theta, times s^t: p_t = s^t (A cos(t theta) + B sin(t theta)) solves the recurrence, and "
        "every solution is of this form.",
        ((-s * wave(phase), angle),),
    )
    turns = Assumption(
        "sign changes",
        "A cos + B sin, unless it is 0 throughout, is positive on an open arc of length pi and not on the rest of the "
        "circle; an angle that advances by theta, 0 < theta < pi, cannot jump over the rest: no p stays positive.",
        role="conclusion",
    )
    return Proof(
        "li2020.constant_rate",
        "Constant rate, weight decay and momentum as a geometric rate",
        "p_t = a^t for a root a of x^2 - (1 + gamma - lambda eta) x + gamma: weight decay is the rate eta a^(-2t-1)",
        (
            root,
            p_step,
            q_step,
            in_buffer,
            no_buffer,
            q_start,
            start,
            rate,
            wrong,
            plain,
            slow,
            discriminant,
            real,
            below,
            above,
            larger_root,
            at_least,
            at_most,
            other,
            smaller,
            product,
            first,
            decay,
            zero_p,
            zero_q,
            at_0,
            q_at_0,
            steps_p,
            steps_q,
            longer,
            below_one,
            positive,
            ratio,
            at_least_power,
            closer,
            limit,
            twice_p,
            twice_q,
            fast,
            angle,
            oscillates,
            turns,
        ),
        Source(
            "Li and Arora, ICLR 2020, arXiv:1910.07454",
            "geometric rate; buffer, zero-buffer solution and regimes derived here",
            "paper",
        ),
    )
