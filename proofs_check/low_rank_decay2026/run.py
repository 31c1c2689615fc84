"""Many steps of both decays, the polar factor by Newton-Schulz iterations, and decay under Adam.

Statement.  Rate eta, decay lambda, zero gradient.

* After T steps the singular values are ``s (1 - eta lambda)^T`` under radial decay, and ``s - T eta lambda`` under
  low-rank decay as long as that is positive.
* ``X <- (3 X - X X^T X)/2`` maps every singular value by ``p(x) = x (3 - x^2)/2``.  With e = 1 - x the error is
  ``e' = (3/2) e^2 - e^3/2`` exactly: from x in (0, 1] (which X = W/|W|_F has) the values grow, never exceed 1, keep
  their order, and E = 3 e/2 has E' = E^2 - 2 E^3/9 <= E^2, so that E_k <= E_0^(2^k).  Below 1/2 a value grows at
  least by 11/8 an iteration, ``x_0 (11/8)^k <= x_k <= 1/2``: ``log(1/(2 x_0))/log(11/8)``, rounded up, iterations bring
  it to 1/2, where E = 3/4.
* A decay step by k iterations, ``W <- W - eta lambda p^k(W/|W|_F)``, takes ``eta lambda p^k(s/|s|)`` from each s in its
  own directions: the singular values become ``|s - eta lambda p^k(s/|s|)|``, p being odd where one changes its sign.
* Adam (no epsilon): with gradients divided by c all along, the first moment is divided by c, the second by c^2, and the
  step m/sqrt(v) stays.  On a scale-invariant loss AdamW with a constant a = 1 - eta lambda is therefore
  ``w_t = p_t W_t``, p_t = a^t, where W is Adam without decay with **beta_1 a for beta_1 and beta_2 a^2 for beta_2**
  (the weights 1 - beta_1 and 1 - beta_2 of a new gradient unchanged) at the rate eta/p_{t+1}.  With the betas
  themselves it is not, unless they are 0: the buffers mix gradients of different scales.
* At zero gradient AdamW's decay is radial.  Adam with the decay in its gradient steps along signs instead: its first
  step is -eta x/|x| of every entry x.  On ((2, 1), (1, 2)), whose singular values are 3 and 1, that
  makes 3 - 2 eta and 1.

Source.  Derived in this package, on the subject of Li, arXiv:2606.04405; the iteration is Newton's for the polar factor
in the form of Schulz.
"""

from functools import lru_cache

import sympy as sp

from ..arora2019 import orthogonality
from ..proof import Assumption, Definition, Identity, Induction, Inequality, Instance, Proof, Source, eq, instance, le

T = sp.Symbol("t", integer=True, nonnegative=True)
ETA, LAM, A = sp.symbols("eta lambda a", positive=True)


def schulz(x):
    """One Newton-Schulz iteration of a singular value."""
    return x * (3 - x**2) / 2


@lru_cache(maxsize=1)
def prove() -> Proof:
    """The proof; see the module for the statement."""
    return Proof(
        "low_rank_decay2026.run",
        "Singular values over many steps, Newton-Schulz iterations, and decay under Adam",
        "s (1 - eta lambda)^T against s - T eta lambda; e' = (3/2) e^2 - e^3/2; AdamW is Adam with betas beta_1 a and "
        "beta_2 a^2 at the rate eta/p_{t+1}",
        (*_closed_forms(), *_newton_schulz(), *_by_iterations(), *_adam(), *_zero_gradient()),
        Source("Li, arXiv:2606.04405", "decay over many steps, by iterations and under Adam", "derived"),
    )


def _closed_forms():
    radial, low, start = sp.Function("x", real=True), sp.Function("y", real=True), sp.Symbol("s", positive=True)
    radial_step = Assumption(
        "radial step",
        "Of every singular value, at zero gradient.",
        eq(radial(T + 1), (1 - ETA * LAM) * radial(T)),
        (T,),
    )
    radial_start = Assumption("radial start", "", eq(radial(0), start))
    low_step = Assumption(
        "low-rank step", "While y_t > eta lambda (what is smaller becomes 0).", eq(low(T + 1), low(T) - ETA * LAM), (T,)
    )
    low_start = Assumption("low-rank start", "", eq(low(0), start))
    yield from (radial_step, radial_start, low_step, low_start)
    yield Induction(
        "radial decay, T steps",
        radial(T),
        start * (1 - ETA * LAM) ** T,
        T,
        ((1, radial_start),),
        ((1, radial_step),),
    )
    yield Induction("low-rank decay, T steps", low(T), start - T * ETA * LAM, T, ((1, low_start),), ((1, low_step),))


def _newton_schulz():
    x, e = sp.Symbol("x", nonnegative=True), sp.Symbol("e", real=True)
    yield Assumption(
        "odd polynomials",
        "X = U D V^T with orthonormal columns: X X^T X = U D^3 V^T, so (3 X - X X^T X)/2 has the same singular vectors "
        "and the values p(x) = x (3 - x^2)/2; W/|W|_F has values in (0, 1], and 0.",
        role="fact",
    )
    below = Assumption("at most 1", "A singular value of W/|W|_F, or of what follows it.", le(x, 1), role="case")
    yield below
    yield Identity("error", 1 - schulz(1 - e), sp.Rational(3, 2) * e**2 - e**3 / 2, "Quadratic, with a cubic term.")
    yield Identity("fixed point", sp.Subs(schulz(x), x, 1), 1)
    yield Identity("1 minus the next value", 1 - schulz(x), (1 - x) ** 2 * (2 + x) / 2)
    yield Inequality("never above 1", schulz(x), sp.S.One, ((sp.Rational(1, 2), (1 - x) ** 2 * (2 + x)),))
    yield Inequality("the values grow", x, schulz(x), ((x * (1 + x) / 2, below),), "p(x) - x = x (1 - x)(1 + x)/2.")
    yield Inequality(
        "their order stays",
        sp.S.Zero,
        sp.Derivative(schulz(x), x),
        ((sp.Rational(3, 2) * (1 + x), below),),
        "p'(x) = 3 (1 - x)(1 + x)/2.",
    )
    half = Assumption("at most 1/2", "A value that is still small.", le(x, sp.Rational(1, 2)), role="case")
    yield half
    yield Inequality(
        "growth of small values",
        sp.Rational(11, 8) * x,
        schulz(x),
        ((x * (sp.Rational(1, 2) + x) / 2, half),),
        "p(x)/x = (3 - x^2)/2 is at least (3 - 1/4)/2.",
    )
    value, first = sp.Function("x", nonnegative=True), sp.Symbol("x_0", positive=True)
    iteration = Assumption("iteration", "Of one value.", eq(value(T + 1), schulz(value(T))), (T,))
    start = Assumption("iteration's start", "", eq(value(0), first))
    small = Assumption("still at most 1/2", "Until 1/2 is passed.", le(value(T), sp.Rational(1, 2)), (T,), role="case")
    yield from (iteration, start, small)
    rate = sp.Rational(8, 11)
    yield Induction(
        "small values after k iterations",
        first,
        rate**T * value(T),
        T,
        ((-1, start),),
        (
            (-(rate ** (T + 1)), iteration),
            (rate ** (T + 1) * value(T) * (sp.Rational(1, 2) + value(T)) / 2, small),
        ),
        equality=False,
        why="x_k >= (11/8)^k x_0, so that k is at most log(1/(2 x_0))/log(11/8).",
    )
    E = sp.Symbol("E", real=True)
    yield Identity(
        "scaled error",
        sp.Rational(3, 2) * (1 - schulz(1 - sp.Rational(2, 3) * E)),
        E**2 - sp.Rational(2, 9) * E**3,
        "E = 3 e/2: E' = E^2 - 2 E^3/9.",
    )
    small = sp.Symbol("E", nonnegative=True)
    yield Inequality(
        "quadratic", small**2 - sp.Rational(2, 9) * small**3, small**2, ((sp.Rational(2, 9), small**3),), "E' <= E^2."
    )
    log_e, log_first = sp.Function("l", real=True), sp.Symbol("l_0", real=True)
    step = Assumption(
        "logarithms",
        "l_k = log E_k, of E_k > 0 (an error of 0 stays 0): 'quadratic', as the logarithm is increasing.",
        le(log_e(T + 1), 2 * log_e(T)),
        (T,),
        role="fact",
    )
    start = Assumption("logarithm at first", "", eq(log_e(0), log_first))
    yield from (step, start)
    half_power = sp.Rational(1, 2) ** T
    yield Induction(
        "errors after k iterations",
        half_power * log_e(T),
        log_first,
        T,
        ((1, start),),
        ((half_power / 2, step),),
        equality=False,
        why="log E_k <= 2^k log E_0, which is E_k <= E_0^(2^k).",
    )


def _by_iterations():
    i, r = sp.Symbol("i", integer=True), sp.Symbol("r", integer=True, positive=True)
    s, after = sp.Function("s", positive=True), sp.Function("P", real=True)
    left, right = sp.Function("u", real=True), sp.Function("v", real=True)
    over, x = (i, 1, r), sp.Symbol("x", real=True)
    yield Identity(
        "decay by iterations",
        sp.Sum(s(i) * left(i) * right(i), over) - ETA * LAM * sp.Sum(after(i) * left(i) * right(i), over),
        sp.Sum((s(i) - ETA * LAM * after(i)) * left(i) * right(i), over),
        "An entry of W - eta lambda p^k(W/|W|_F), with u(i), v(i) those of the singular vectors, which by 'odd "
        "polynomials' are shared, and P(i) = p^k(s(i)/|s|): the singular values are |s - eta lambda P|.",
    )
    yield Identity(
        "iterations are odd",
        sp.Subs(schulz(x), x, -x),
        -schulz(x),
        "Where s - eta lambda P is negative one of its vectors is turned round, and the next step is as for its size.",
    )


def _adam():
    c, x = sp.Symbol("c", positive=True), sp.Symbol("x", real=True)
    b1, b2 = sp.symbols("beta_1 beta_2", nonnegative=True)
    f1, f2, d1, d2 = sp.symbols("f_1 f_2 d_1 d_2", positive=True)
    m, g = sp.symbols("m g", real=True)
    v = sp.Symbol("v", positive=True)
    new_m, new_v = b1 * m + f1 * g, b2 * v + f2 * g**2
    yield Identity("first moment, scaled", b1 * (m / c) + f1 * (g / c), new_m / c, "Of gradients g/c all along.")
    yield Identity("second moment, scaled", b2 * (v / c**2) + f2 * (g / c) ** 2, new_v / c**2)
    m_c, v_c = sp.Symbol("m_c", real=True), sp.Symbol("v_c", positive=True)
    scaled_m = Definition("scaled first moment", m_c, m / c)
    scaled_v = Definition("scaled second moment", v_c, v / c**2)
    yield from (scaled_m, scaled_v)
    yield Identity(
        "Adam's step does not scale",
        m_c / sp.sqrt(v_c),
        m / sp.sqrt(v),
        "Whatever the gradients are divided by: an SGD step would be divided by it.",
        rewrite=(scaled_m, scaled_v),
    )

    # The run without decay: weights W, moments M and V; that with decay by way of it. p(t + 1) = a p(t).
    field = sp.Function("grad_t", real=True)
    homogeneous = orthogonality.homogeneous_field(field, T, c, x)
    p, plain, big_m = sp.Function("p", positive=True), sp.Function("W", real=True), sp.Function("M", real=True)
    big_v, rate, w = sp.Function("V", positive=True), sp.Function("eta", real=True), sp.Function("w", real=True)
    moment, second = sp.Function("m", real=True), sp.Function("v", positive=True)
    slope = field(T, plain(T))
    p_step = Assumption("p", "The run without gradients.", eq(p(T + 1), A * p(T)), (T,))
    M_step = Assumption(
        "M", "Adam's buffer with beta_1 a for beta_1.", eq(big_m(T + 1), b1 * A * big_m(T) + f1 * slope), (T,)
    )
    V_step = Assumption(
        "V",
        "Adam's buffer with beta_2 a^2 for beta_2; used from its first step on, where it is positive.",
        eq(big_v(T + 1), b2 * A**2 * big_v(T) + f2 * slope**2),
        (T,),
    )
    W_step = Assumption(
        "W",
        "Adam without decay at the rate eta_t/p_{t+1}; d_1 and d_2 undo the buffers' start, as in the run with decay.",
        eq(plain(T + 1), plain(T) - rate(T) / p(T + 1) * (big_m(T + 1) / d1) / sp.sqrt(big_v(T + 1) / d2)),
        (T,),
    )
    # Buffers as they are used in step t, hence one step ahead of the weights: m(t) = a M(t)/p(t) = M(t)/p(t-1).
    w_named = Definition("w", w(T), p(T) * plain(T), "Shown to be AdamW's weights.")
    m_named = Definition("m", moment(T), A * big_m(T) / p(T), "Its first moment: M_t/p_{t-1}.")
    v_named = Definition("v", second(T), A**2 * big_v(T) / p(T) ** 2, "Its second moment: V_t/p_{t-1}^2.")
    scaled = Instance(homogeneous, ((c, p(T)), (x, plain(T))))
    names = (w_named, m_named, v_named)
    yield from (homogeneous, p_step, M_step, V_step, W_step, *names)
    next_w, next_m, next_v = (instance(one, t=T + 1) for one in names)
    yield Identity(
        "AdamW's first moment",
        moment(T + 1),
        b1 * moment(T) + f1 * field(T, w(T)),
        "With beta_1 itself: grad(p W) = grad(W)/p.",
        ((-f1, scaled),),
        (next_m, m_named, w_named, M_step, p_step),
    )
    slope_w = field(T, p(T) * plain(T))
    yield Identity(
        "AdamW's second moment",
        second(T + 1),
        b2 * second(T) + f2 * field(T, w(T)) ** 2,
        "With beta_2 itself.",
        ((-f2 * (slope_w + slope / p(T)), scaled),),
        (next_v, v_named, w_named, V_step, p_step),
    )
    yield Identity(
        "AdamW's step",
        w(T + 1),
        A * w(T) - rate(T) * (moment(T + 1) / d1) / sp.sqrt(second(T + 1) / d2),
        "a w - eta m/sqrt(v): AdamW with the betas as they are. Without decay betas beta_1 a, beta_2 a^2 do it.",
        (),
        (next_w, next_m, next_v, w_named, W_step, p_step),
    )
    yield Identity(
        "betas of 0",
        sp.Subs(b1 * A, b1, 0),
        0,
        "Only then beta_1 a = beta_1 for a != 1: steps along signs, at the rate eta/p_{t+1}.",
    )
    yield Identity(
        "what is missed otherwise",
        (b1 * big_m(T) + f1 * slope) - (b1 * A * big_m(T) + f1 * slope),
        b1 * (1 - A) * big_m(T),
        "By which the buffer with beta_1 itself differs after one step: of first order in eta lambda, not a factor.",
    )


def _zero_gradient():
    x, g = sp.symbols("x g", real=True, nonzero=True)
    first, second = sp.symbols("w_1 w_2", real=True)
    slope = Definition("decay as a gradient", g, LAM * x, "Zero task gradient; x is an entry of W, not 0.")
    yield slope
    yield Identity(
        "decay in Adam's gradient",
        g / sp.sqrt(g**2),
        x / sp.Abs(x),
        "The first step (the buffers' start undone by d_1, d_2): g/|g|, the sign of the entry.",
        rewrite=(slope,),
    )
    entries = ((first, second), (2, 1))
    yield Identity(
        "example: sum",
        sp.Subs((first - ETA) + (second - ETA), *entries),
        3 - 2 * ETA,
        "The singular value of the vector (1, 1), of ((2, 1), (1, 2)) minus eta ((1, 1), (1, 1)).",
    )
    yield Identity(
        "example: difference",
        sp.Subs((first - ETA) - (second - ETA), *entries),
        1,
        "That of (1, -1): 3 and 1 have become 3 - 2 eta and 1, another ratio.",
    )
