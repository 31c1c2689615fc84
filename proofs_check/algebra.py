"""Exact algebra the steps share: the zero test, finite sums of generic length, traces of words."""

import sympy as sp


def residual(expression) -> sp.Expr:
    """``expression`` simplified; exactly ``0`` when it was shown to vanish.

    The passes go from cheap to dear and stop at the first that gives zero; each only rewrites, so a zero is
    exact.

    >>> x = sp.Symbol("x", positive=True)
    >>> residual((x + 1)**2 - x**2 - 2*x - 1), residual(sp.log(2*x) - sp.log(2) - sp.log(x))
    (0, 0)
    """
    e = sp.sympify(expression)
    if e.has(sp.Derivative, sp.Subs, sp.Integral, Tr):  # claims keep them unevaluated so that they can be read
        e = e.doit()
    if e.has(sp.Sum):
        e = collect_sums(e)
    for rewrite in (sp.expand, sp.expand_log, _over_one_denominator, sp.simplify):
        if e == 0:
            break
        e = rewrite(e)
    return e


def _over_one_denominator(e):
    numerator, denominator = sp.fraction(sp.together(sp.powsimp(e)))
    numerator = sp.expand(sp.powsimp(sp.expand(numerator)))
    return sp.S.Zero if numerator == 0 else numerator / denominator


def collect_sums(expression) -> sp.Expr:
    """A linear normal form for finite sums: one monomial a sum, constants outside, nested sums merged.

    >>> i, m, a = sp.Symbol("i", integer=True), sp.Symbol("m", integer=True, positive=True), sp.Function("a")
    >>> collect_sums(sp.Sum(2*a(i) + 1, (i, 1, m)))
    m + 2*Sum(a(i), (i, 1, m))
    """
    e = sp.expand(sp.sympify(expression))
    if not e.has(sp.Sum):
        return e
    if isinstance(e, sp.Add):
        return sp.Add(*(collect_sums(a) for a in e.args))
    if isinstance(e, sp.Mul):
        sums = [a for a in e.args if isinstance(a, sp.Sum)]
        if len(sums) != 1:  # nothing to merge inside, and products of sums are left as they are
            return e
        rest = e / sums[0]
        inner = collect_sums(sums[0])
        return sp.expand(rest * inner)
    if isinstance(e, sp.Sum):
        *outer, (index, lower, upper) = e.limits
        body = sp.Sum(e.function, *outer) if outer else e.function
        body = sp.expand(sp.expand_log(sp.expand(collect_sums(body))))
        return sp.Add(*(_sum_of_monomial(term, index, lower, upper) for term in sp.Add.make_args(body)))
    return e


def _sum_of_monomial(term, index, lower, upper):
    constant, varying = term.as_independent(index, as_Add=False)
    if varying == 1:
        return constant * (upper - lower + 1)
    if constant.has(sp.Sum):  # keep one sum a monomial: an outer constant sum would make a product of sums
        constant, varying = sp.S.One, term
    limits = [(index, lower, upper)]
    for factor in sp.Mul.make_args(varying):
        if isinstance(factor, sp.Sum):
            varying = varying / factor * factor.function
            limits += [tuple(limit) for limit in factor.limits]
    return constant * sp.Sum(varying, *sorted(limits, key=lambda limit: limit[0].name))


class Tr(sp.Function):
    """The trace of a polynomial in noncommuting matrices, unevaluated; ``doit`` applies :func:`trace`."""

    nargs = 1
    is_commutative = True
    is_real = True

    def doit(self, **hints):
        return trace(self.args[0])


def trace(expression) -> sp.Expr:
    """The trace of a polynomial in noncommuting matrices, as a polynomial in commuting trace symbols.

    Words that are cyclic rotations of one another get the same symbol: ``tr(AB) = tr(BA)`` in every
    dimension.

    >>> a, b = sp.symbols("A B", commutative=False)
    >>> trace(a*b - b*a)
    0
    """
    total = sp.S.Zero
    for term in sp.Add.make_args(sp.expand(expression)):
        scalar, word = term.args_cnc()
        letters = []
        for factor in word:
            base, power = factor.as_base_exp()
            letters += [base.name] * int(power)
        rotations = [tuple(letters[k:] + letters[:k]) for k in range(len(letters))]
        total += sp.Mul(*scalar) * sp.Symbol("tr(" + " ".join(min(rotations)) + ")", real=True)
    return total
