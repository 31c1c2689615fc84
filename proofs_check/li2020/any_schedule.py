"""SGD with weight decay and momentum is SGD without weight decay at another rate, for any schedules.

Statement.  Let every L_t be scale-invariant and let the run be ``b_{t+1} = gamma_t b_t + grad L_t(w_t) +
lambda_t w_t``, ``w_{t+1} = w_t - eta_t b_{t+1}``, with any rates, decays and momenta.  Let p and q solve
the same recurrences with the gradient removed, ``q_{t+1} = gamma_t q_t + lambda_t p_t``, ``p_{t+1} = p_t -
eta_t q_{t+1}``, p_0 = 1, any q_0.  As long as every p_t > 0, ``w_t = p_t W_t`` and ``b_t = q_t W_t +
B_t/p_t`` for all t, where (W, B) is the run without weight decay, with the same momenta and samples and the
rate ``eta_t/(p_t p_{t+1})``, from W_0 = w_0 and B_0 = b_0 - q_0 w_0 (zero buffers: q_0 = 0).  So w_t and
W_t have the same direction and the same loss at every step.  A rate eta_t = 0 is allowed.

Also: the recurrences without the buffer; the Casoratian ``w_{t+1} p_t - w_t p_{t+1}``, through which the
step of W is seen directly; a rescaling ``(w, b, eta, lambda) -> (w/k, k b, eta/k^2, k^2 lambda)`` changes no
direction; subtracting ``kappa w_t`` from the buffer is one step of weight decay ``-gamma_t kappa``.

Why p_t > 0.  Scale invariance speaks of positive factors only; a factor p_t < 0 turns w_t round.  If every
L_t is even as well, p_t different from 0 is enough.

Source.  The form of the recurrence and the idea of trading weight decay for a growing rate: Li and Arora,
ICLR 2020, arXiv:1910.07454.  Any schedules, and the buffer, are derived in this package.
"""

from functools import lru_cache

import sympy as sp

from ..arora2019 import orthogonality
from ..proof import Assumption, Definition, Identity, Induction, Instance, Proof, Source, eq, instance


@lru_cache(maxsize=1)
def prove() -> Proof:
    """The proof; see the module for the statement."""
    t = sp.Symbol("t", integer=True, nonnegative=True)
    c, k = sp.symbols("c k", positive=True)
    kappa = sp.Symbol("kappa", real=True)
    x, w_0, b_0 = sp.symbols("x w_0 b_0", real=True)  # these and w, b, W, B stand for vectors: all is linear in them
    rate, decay, momentum, q = (sp.Function(name, real=True) for name in ("eta", "lambda", "gamma", "q"))
    p = sp.Function("p", positive=True)
    w, b, plain, buffer = (sp.Function(name, real=True) for name in ("w", "b", "W", "B"))
    field = sp.Function("grad_t", real=True)  # the gradient field of the sample of step t

    homogeneous = orthogonality.homogeneous_field(field, t, c, x)
    q_step = Assumption(
        "q", "The buffer of the run without gradients.", eq(q(t + 1), momentum(t) * q(t) + decay(t) * p(t)), (t,)
    )
    p_step = Assumption(
        "p",
        "The run without gradients. Every p(t) is positive: scale invariance speaks of positive factors only (for even "
        "losses it is enough that p(t) is not 0).",
        eq(p(t + 1), p(t) - rate(t) * q(t + 1)),
        (t,),
    )
    p_start = Assumption("p(0)", "Where it starts.", eq(p(0), 1))
    B_step = Assumption(
        "B",
        "The buffer of the run without weight decay.",
        eq(buffer(t + 1), momentum(t) * buffer(t) + field(t, plain(t))),
        (t,),
    )
    W_step = Assumption(
        "W",
        "The run without weight decay, at the rate eta_t/(p_t p_{t+1}).",
        eq(plain(t + 1), plain(t) - rate(t) / (p(t) * p(t + 1)) * buffer(t + 1)),
        (t,),
    )
    W_start = Assumption("W(0)", "It starts at w_0.", eq(plain(0), w_0))
    B_start = Assumption(
        "B(0)", "Its buffer starts at b_0 - q_0 w_0: at zero if b_0 = 0, q_0 = 0.", eq(buffer(0), b_0 - q(0) * w_0)
    )
    w_named = Definition("w", w(t), p(t) * plain(t), "Shown below to be the run with weight decay.")
    b_named = Definition("b", b(t), q(t) * plain(t) + buffer(t) / p(t), "Shown below to be its buffer.")
    scaled = Instance(homogeneous, ((c, p(t)), (x, plain(t))))
    here = (w_named, b_named)
    next_w, next_b = instance(w_named, t=t + 1), instance(b_named, t=t + 1)
    b_step = Identity(
        "buffer",
        b(t + 1),
        momentum(t) * b(t) + field(t, w(t)) + decay(t) * w(t),
        "b(t+1) = q_{t+1} W_{t+1} + B_{t+1}/p_{t+1} = q_{t+1} W_t + B_{t+1}/p_t as p_t - eta_t q_{t+1} = p_{t+1}; "
        "the rest is homogeneity, grad L_t(p_t W_t) = grad L_t(W_t)/p_t.",
        ((-1, scaled),),
        (next_b, *here, W_step, B_step, p_step, q_step),
    )
    w_step = Identity(
        "step",
        w(t + 1),
        w(t) - rate(t) * b(t + 1),
        "p_{t+1} W_{t+1} = p_{t+1} W_t - (eta_t/p_t) B_{t+1}.",
        (),
        (next_w, next_b, *here, W_step, p_step),
    )
    start_w = Identity("start", w(0), w_0, "", (), (instance(w_named, t=0), p_start, W_start))
    start_b = Identity("start of the buffer", b(0), b_0, "", (), (instance(b_named, t=0), p_start, W_start, B_start))

    # A recurrence has one solution: the pair (w, b) as one thing, only compared with another.
    given, found, one_step = sp.Function("S", real=True), sp.Function("R", real=True), sp.Function("step", real=True)
    the_run = Assumption(
        "run",
        "The given run: S(t) is its weights and buffer together, and step(t, .) one step of SGD with weight decay.",
        eq(given(t + 1), one_step(t, given(t))),
        (t,),
    )
    also = Assumption(
        "the same recurrence",
        "R(t) is (p_t W_t, q_t W_t + B_t/p_t): by 'buffer' and 'step' it takes the same steps.",
        eq(found(t + 1), one_step(t, found(t))),
        (t,),
        "conclusion",
    )
    same_start = Assumption(
        "the same start",
        "By 'start' and 'start of the buffer', with (w_0, b_0) where the given run starts.",
        eq(given(0), found(0)),
        role="conclusion",
    )
    equal = Induction(
        "every step",
        given(t),
        found(t),
        t,
        ((1, same_start),),
        ((1, the_run), (-1, also)),
        why="w_t = p_t W_t and b_t = q_t W_t + B_t/p_t at every t, also across steps with eta_t = 0.",
    )
    ratio = Identity(
        "growth of p",
        p(t + 1) / p(t),
        1 - rate(t) * (momentum(t) * q(t) / p(t) + decay(t)),
        "With q/p this gives log p, which does not underflow.",
        ((1 / p(t), p_step), (-rate(t) / p(t), q_step)),
    )

    # The recurrences of second order, multiplied by rates so that none needs to be divided by.
    now, then, after = t, t + 1, t + 2
    grad = field(then, w(then))
    second = Identity(
        "without the buffer",
        rate(now) * (w(after) - w(then)),
        momentum(then) * rate(then) * (w(then) - w(now)) - rate(now) * rate(then) * (grad + decay(then) * w(then)),
        "Where no rate is 0, divide by eta_t eta_{t+1}: (w_{t+2} - w_{t+1})/eta_{t+1} = gamma_{t+1} "
        "(w_{t+1} - w_t)/eta_t - (grad + lambda_{t+1} w_{t+1}).",
        (
            (rate(now), instance(w_step, t=then)),
            (-rate(now) * rate(then), instance(b_step, t=then)),
            (-momentum(then) * rate(then), w_step),
        ),
    )
    second_p = Identity(
        "p without q",
        rate(now) * (p(after) - p(then)),
        momentum(then) * rate(then) * (p(then) - p(now)) - rate(now) * rate(then) * decay(then) * p(then),
        "The same with the gradient removed.",
        (
            (rate(now), instance(p_step, t=then)),
            (-rate(now) * rate(then), instance(q_step, t=then)),
            (-momentum(then) * rate(then), p_step),
        ),
    )
    e = sp.Function("e", positive=True)
    nonzero = Assumption(
        "positive rates", "Where every rate is positive: eta_t = e_t > 0.", eq(rate(t), e(t)), (t,), "case"
    )
    next_rate = instance(nonzero, t=then)
    three_terms = Identity(
        "p in three terms",
        p(after),
        (1 + momentum(then) * e(then) / e(now) - decay(then) * e(then)) * p(then)
        - momentum(then) * e(then) / e(now) * p(now),
        "The recurrence of p divided by eta_t.",
        (
            (1 / e(now), second_p),
            (-(p(after) - p(then) + rate(then) * decay(then) * p(then)) / e(now), nonzero),
            (momentum(then) / e(now) * (p(then) - p(now)) - decay(then) * p(then), next_rate),
        ),
    )
    divided = Identity(
        "paper's form",
        (w(after) - w(then)) / e(then),
        momentum(then) * (w(then) - w(now)) / e(now) - (grad + decay(then) * w(then)),
        "The recurrence of w divided by eta_t eta_{t+1}.",
        (
            (1 / (e(now) * e(then)), second),
            (-(w(after) - w(then) + rate(then) * (grad + decay(then) * w(then))) / (e(now) * e(then)), nonzero),
            (
                (momentum(then) * (w(then) - w(now)) / e(now) - (grad + decay(then) * w(then))) / e(then),
                next_rate,
            ),
        ),
    )
    wedge = sp.Function("C", real=True)
    named = Definition(
        "Casoratian", wedge(t), w(t + 1) * p(t) - w(t) * p(t + 1), "Its recurrence has no weight decay in it."
    )
    casoratian = Identity(
        "recurrence of the Casoratian",
        rate(now) * wedge(then),
        momentum(then) * rate(then) * wedge(now) - rate(now) * rate(then) * p(then) * grad,
        "C_{t+1}/eta_{t+1} = gamma_{t+1} C_t/eta_t - p_{t+1} grad L_{t+1}(w_{t+1}).",
        (
            (p(then), second),
            (-w(then), second_p),
            (rate(now), instance(named, t=then)),
            (-momentum(then) * rate(then), named),
        ),
    )
    displaced = Identity(
        "step of W",
        plain(t + 1) - plain(t),
        wedge(t) / (p(t) * p(t + 1)),
        "Divided by eta_t/(p_t p_{t+1}) it is C_t/eta_t, and p grad L(w) = grad L(W): the recurrence of C is that of "
        "SGD without weight decay.",
        (
            (-1 / (p(t) * p(t + 1)), named),
            (-1 / p(t + 1), next_w),
            (1 / p(t), w_named),
        ),
    )

    # One step, with letters for what it starts from: weights x, buffer b, rate eta, decay lambda, momentum gamma.
    eta, lam, gamma, b_now = sp.symbols("eta lambda gamma b", real=True)
    shrunk = instance(homogeneous, c=1 / k)
    slope = field(t, x)
    new_buffer = gamma * b_now + slope + lam * x
    rescaled_buffer = Identity(
        "rescaled buffer",
        gamma * (k * b_now) + field(t, x / k) + k**2 * lam * (x / k),
        k * new_buffer,
        "From (w/k, k b) with the decay k^2 lambda the next buffer is k times what it was.",
        ((1, shrunk),),
    )
    rescaled_step = Identity(
        "rescaled step",
        x / k - eta / k**2 * (gamma * (k * b_now) + field(t, x / k) + k**2 * lam * (x / k)),
        (x - eta * new_buffer) / k,
        "With the rate eta/k^2 the next weights are 1/k times what they were: no direction changes.",
        ((-eta / k**2, rescaled_buffer),),
    )
    corrected = Identity(
        "corrected buffer",
        gamma * (b_now - kappa * x) + slope + lam * x,
        gamma * b_now + slope + (lam - gamma * kappa) * x,
        "Taking kappa w from the buffer is one step with the weight decay lambda - gamma kappa.",
    )
    return Proof(
        "li2020.any_schedule",
        "Weight decay and momentum with any schedules as a rate without weight decay",
        "w_t = p_t W_t and b_t = q_t W_t + B_t/p_t, W the run without weight decay at the rate eta_t/(p_t p_{t+1})",
        (
            homogeneous,
            q_step,
            p_step,
            p_start,
            B_step,
            W_step,
            W_start,
            B_start,
            w_named,
            b_named,
            b_step,
            w_step,
            start_w,
            start_b,
            the_run,
            also,
            same_start,
            equal,
            ratio,
            second,
            second_p,
            nonzero,
            three_terms,
            divided,
            named,
            casoratian,
            displaced,
            rescaled_buffer,
            rescaled_step,
            corrected,
        ),
        Source(
            "Li and Arora, ICLR 2020, arXiv:1910.07454",
            "weight decay as a growing rate; any schedules derived here",
            "derived",
        ),
    )
