"""An abstract smooth function of two real variables, with its partial derivatives as values.

A loss on R^d, restricted to the plane through a point spanned by two arbitrary directions, is such a
function.  The directions and the dimension are arbitrary, so what is shown for it is shown for the gradient
and the Hessian in every dimension: ``d/ds`` at the origin is ``<u, grad L>``, ``d^2/ds dr`` is ``u^T (Hess
L) x``.
"""

import sympy as sp
from sympy.core.symbol import Str


class Jet(sp.Function):
    """``Jet(name, n, m, s, r)``: the partial derivative of order (n, m) of the function called ``name`` at
    (s, r)."""

    nargs = 5

    def _eval_derivative(self, symbol):
        # The chain rule over the two real arguments; the name and the orders are not variables.
        name, n, m, s, r = self.args
        return Jet(name, n + 1, m, s, r) * s.diff(symbol) + Jet(name, n, m + 1, s, r) * r.diff(symbol)

    def _eval_is_real(self):
        return True

    @property
    def _label(self):
        name, n, m, *_ = self.args
        return f"{name}" + ("" if n == m == 0 else "_" + "s" * int(n) + "r" * int(m))

    def _sympystr(self, printer):
        return f"{self._label}({printer.doprint(self.args[3])}, {printer.doprint(self.args[4])})"

    def _latex(self, printer):
        name, n, m, s, r = self.args
        subscript = "" if n == m == 0 else "_{" + "s" * int(n) + "r" * int(m) + "}"
        return rf"\{name}{subscript}\left({printer.doprint(s)}, {printer.doprint(r)}\right)"


def plane(name: str, s, r) -> Jet:
    """The abstract function ``name`` (a Greek letter's name) at ``(s, r)``.

    >>> s, r, c = sp.symbols("s r c")
    >>> sp.diff(plane("phi", s/c, r), s)
    phi_s(s/c, r)/c
    """
    return Jet(Str(name), sp.S.Zero, sp.S.Zero, sp.sympify(s), sp.sympify(r))
