"""Scale invariance of a loss written in reductions, in generic dimension, as finite algebra.

A loss ``Phi(S_1, .., S_n, p)`` where ``S_j`` is the sum over the coordinates of a per-coordinate expression
``e_j``.  If every ``e_j`` is homogeneous of a degree ``k_j`` in the group that is scaled, then ``S_j`` is
multiplied by ``c^{k_j}`` in every dimension, and the loss is scale-invariant if ``Phi(c^{k_j} S_j, c p) =
Phi(S_j, p)`` for all c > 0 (p: the scalar parameters in the group).  That identity for finite c is the
proof; the derivative at c = 1 alone would miss jumps. It is sufficient and not necessary: a failure means
"not proved".

Reductions are real, and positive only where that is evident from ``e_j``; weights may have either sign
whatever they were declared to be.  Absolute values, signs and maxima are treated away from their kinks,
where they are smooth.

Source.  Derived in this package.
"""

import sympy as sp

from .proof import Assumption, Identity, Proof, ProofError, Source
from .signs import is_nonnegative


class NotProvedError(Exception):
    """Scale invariance was not proved: ``residual`` is what should have vanished, ``group`` what was
    scaled."""

    def __init__(self, message, *, residual, group):
        names = ", ".join(symbol.name for symbol in group)
        super().__init__(f"scale invariance in ({names}) is not proved: {message}; left over: {residual}")
        self.residual = residual
        self.group = group


def prove(phi, reductions, group, name="loss") -> Proof:
    """Prove that ``phi`` does not change when the symbols of ``group`` are multiplied by any c > 0.

    ``phi`` is an expression in the keys of ``reductions`` and in scalars; ``reductions`` maps a symbol to
    the per-coordinate expression it sums; ``group`` lists the symbols that are scaled together:
    per-coordinate weights and scalar parameters.  Returns the :class:`Proof`, with the consequences for
    gradient and Hessian as steps; raises :class:`NotProvedError` when an identity does not simplify to zero
    and ``ValueError`` for input that makes no sense.

    >>> w, a, x, y = sp.symbols("w a x y", real=True)
    >>> prove(x/y, {x: a*w**2, y: w**2}, (w,)).slug
    'scale_invariance'
    >>> prove(x, {x: a*w**2}, (w,))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    proofs_check.scale_invariance.NotProvedError: scale invariance in (w) is not proved: ...
    """
    loss = _Loss(sp.sympify(phi), {key: sp.sympify(e) for key, e in reductions.items()}, tuple(group))
    try:
        return loss.proof(name)
    except ProofError as error:
        if error.residual is None:
            raise
        raise NotProvedError(str(error), residual=error.residual, group=loss.given_group) from error


def degree(expression, group):
    """The degree in which ``expression`` is homogeneous in ``group`` for positive factors, or None if not
    evident.

    >>> w, a = sp.symbols("w a", real=True)
    >>> degree(a*w*sp.Abs(w), [w]), degree(w + 1, [w])
    (2, None)
    """
    e, group = sp.sympify(expression), set(group)
    if not e.free_symbols & group:
        return sp.S.Zero
    if e in group:
        return sp.S.One
    inner = [degree(a, group) for a in e.args]
    if None in inner:
        return None
    if isinstance(e, sp.Mul):
        return sp.Add(*inner)
    if isinstance(e, sp.Pow):
        return inner[0] * e.exp if inner[1] == 0 and (inner[0] == 0 or not e.exp.free_symbols & group) else None
    if isinstance(e, sp.Add | sp.Max | sp.Min):
        return inner[0] if len(set(inner)) == 1 else None
    if isinstance(e, sp.Abs):
        return inner[0]
    if isinstance(e, sp.sign):
        return sp.S.Zero
    return sp.S.Zero if not any(inner) else None


def _smooth_form(expression):
    """Exact numbers, and signs, steps and maxima written with Abs: equal away from their kinks."""
    e = expression.xreplace({x: sp.Rational(x) for x in expression.atoms(sp.Float)})
    e = e.replace(lambda x: isinstance(x, sp.Max | sp.Min) and len(x.args) == 2, lambda x: x.rewrite(sp.Abs))
    e = e.replace(sp.DiracDelta, lambda *args: sp.S.Zero)
    e = e.replace(sp.Heaviside, lambda u, *at_zero: (1 + sp.Abs(u) / u) / 2)
    return e.replace(sp.sign, lambda u: sp.Abs(u) / u)


def _factored(expression):
    """``expression`` with common factors pulled to the front of every sum that a function or a power is
    applied to."""
    return expression.replace(lambda x: isinstance(x, sp.Add), sp.factor_terms)


def _derivative(expression, *variables):
    return _smooth_form(sp.diff(expression, *variables))


class _Loss:
    """A loss in plain symbols with the signs that are justified, and the steps about it."""

    def __init__(self, phi, reductions, group):
        self.given_group = group
        reductions = {key: e for key, e in reductions.items() if key in phi.free_symbols}
        occurring = (phi.free_symbols - set(reductions)).union(*(e.free_symbols for e in reductions.values()))
        if not group:
            raise ValueError("the group is empty")
        for symbol in group:
            if symbol in reductions:
                raise ValueError(f"{symbol} is a reduction; a group lists weights and parameters")
            if symbol not in occurring:
                raise ValueError(f"{symbol} of the group does not occur in the loss (same name, other assumptions?)")
            if any(other.name == symbol.name and other != symbol for other in occurring):
                raise ValueError(f"two different symbols are called {symbol}")

        taken = set()
        rename = {}
        for symbol in sorted(occurring, key=lambda s: s.name):
            # Scaled symbols are real and nothing more; the others keep the sign they were declared with.
            signs = (
                {}
                if symbol in group
                else {sign: True for sign in ("positive", "nonnegative", "integer") if getattr(symbol, f"is_{sign}")}
            )
            rename[symbol] = _fresh(symbol.name, taken, **{"real": True, **signs})
        self.group = tuple(rename[symbol] for symbol in group)
        self.reductions = {}
        for key, e in reductions.items():
            e = _smooth_form(e.xreplace(rename))
            sign = {"positive": True} if is_nonnegative(e) else {"real": True}
            rename[key] = _fresh(key.name, taken, **sign)
            self.reductions[rename[key]] = e
        self.phi = _smooth_form(phi.xreplace(rename))
        self.scalars = tuple(symbol for symbol in self.group if symbol in self.phi.free_symbols)
        self.c = _fresh("c", taken, positive=True)

    def proof(self, name):
        self.degrees = {key: self._degree(e) for key, e in self.reductions.items()}
        steps = [
            *self._assumptions(),
            *self._invariance(),
            *self._euler(),
            *self._gradient(),
            *self._hessian(),
        ]
        scaled = ", ".join(symbol.name for symbol in self.group)
        return Proof(
            "scale_invariance",
            f"Scale invariance of {name} in ({scaled})",
            f"{name} does not change when ({scaled}) is multiplied by any c > 0, in every dimension; hence "
            "<w, grad> = 0, grad(c w) = grad(w)/c, Hess(c w) = Hess(w)/c^2 and Hess(w) w = -grad(w)",
            tuple(steps),
            Source("This package", "scale invariance by reductions", "derived"),
        )

    def _degree(self, e):
        found = degree(e, self.group)
        if found is None:
            found = degree(sp.factor_terms(sp.simplify(sp.expand(e))), self.group)
        if found is None:
            euler = sp.Add(*(x * _derivative(e, x) for x in self.group))
            raise NotProvedError(
                f"{e} is not homogeneous in the group (its degree would be what is left over)",
                residual=sp.simplify(euler / e),
                group=self.given_group,
            )
        return found

    def _scaled(self, expression):
        c = self.c
        factors = {x: c * x for x in self.group}
        factors |= {key: c**k * key for key, k in self.degrees.items()}
        return _factored(expression.xreplace(factors))

    def _assumptions(self):
        yield Assumption(
            "domain",
            "All symbols are real; the loss is considered where it is defined and twice "
            "differentiable, away from the kinks of absolute values, signs and maxima.",
        )
        for key, e in self.reductions.items():
            if key.is_positive:
                yield Assumption(
                    f"{key} > 0",
                    f"{key}, the sum of {e}, is nonnegative, evidently; points at which it vanishes are left out.",
                )

    def _invariance(self):
        for key, e in self.reductions.items():
            k = self.degrees[key]
            yield Identity(
                f"degree of {key}",
                self._scaled(e),
                self.c**k * e,
                f"Summed over the coordinates, in any number of them: {key} is multiplied by c^({k}).",
            )
        yield Identity("invariance", self._scaled(self.phi), self.phi, "For every c > 0, not only near 1.")

    def _radial(self, expression):
        """The derivative of an expression in reductions and parameters along the group."""
        parts = [k * key * _derivative(expression, key) for key, k in self.degrees.items()]
        return sp.Add(*parts, *(p * _derivative(expression, p) for p in self.scalars))

    def _euler(self):
        for key, e in self.reductions.items():
            yield Identity(
                f"Euler for {key}",
                sp.Add(*(x * _derivative(e, x) for x in self.group)),
                self.degrees[key] * e,
            )
        yield Identity(
            "orthogonality",
            self._radial(self.phi),
            0,
            "<w, grad> is the sum of k_j S_j dPhi/dS_j and of p dPhi/dp, by Euler for every e_j.",
        )

    def _variables(self):
        """Arguments of Phi with the degree by which a derivative in them lowers: k_j for S_j, 1 for a
        parameter."""
        return [*self.degrees.items(), *((p, sp.S.One) for p in self.scalars)]

    def _gradient(self):
        for variable, k in self._variables():
            slope = _derivative(self.phi, variable)
            yield Identity(f"dPhi/d{variable}", self._scaled(slope), self.c**-k * slope)
        for key, e in self.reductions.items():
            for x in self._inside(e):
                slope = _derivative(e, x)
                yield Identity(
                    f"de/d{x} in {key}",
                    self._scaled(slope),
                    self.c ** (self.degrees[key] - 1) * slope,
                    "With dPhi/dS_j of degree -k_j the gradient has degree -1.",
                )

    def _hessian(self):
        variables = self._variables()
        for a, (first, k) in enumerate(variables):
            slope = _derivative(self.phi, first)
            for second, j in variables[a:]:
                curve = _derivative(slope, second)
                yield Identity(f"d2Phi/d{first} d{second}", self._scaled(curve), self.c ** (-k - j) * curve)
            yield Identity(f"dPhi/d{first} along w", self._radial(slope), -k * slope, "Euler, differentiated.")
        for key, e in self.reductions.items():
            inside = self._inside(e)
            for a, x in enumerate(inside):
                slope = _derivative(e, x)
                for y in inside[a:]:
                    curve = _derivative(slope, y)
                    yield Identity(
                        f"d2e/d{x} d{y} in {key}",
                        self._scaled(curve),
                        self.c ** (self.degrees[key] - 2) * curve,
                        "With the degrees above the Hessian has degree -2.",
                    )
                yield Identity(
                    f"de/d{x} along w in {key}",
                    sp.Add(*(y * _derivative(slope, y) for y in inside)),
                    (self.degrees[key] - 1) * slope,
                )
        phi_j, slope, k = sp.symbols("Phi_j e_j k_j", real=True)
        yield Identity(
            "Hess w = -grad",
            slope * (-k * phi_j) + phi_j * (k - 1) * slope,
            -phi_j * slope,
            "One summand S_j of a row of Hess w: its outer part is -k_j Phi_j times de_j/dx, its inner part "
            "Phi_j (k_j - 1) times de_j/dx.",
        )

    def _inside(self, e):
        return [x for x in self.group if x in e.free_symbols]


def _fresh(name, taken, **assumptions):
    while name in taken:
        name += "_"
    taken.add(name)
    return sp.Symbol(name, **assumptions)
