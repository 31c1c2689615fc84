"""Expressions as text: Python for compiled loops, C for kernels."""

from __future__ import annotations

import sympy
from sympy.printing.c import C99CodePrinter
from sympy.printing.codeprinter import PrintMethodNotImplementedError
from sympy.printing.pycode import PythonCodePrinter

from bn_theory.errors import LoweringError


def cheap_power(exponent) -> bool:
    """Whether a power is a few products, with a root or a reciprocal: everything but the slow ``pow``."""
    return exponent.is_Rational and exponent.q in (1, 2) and 0 < abs(exponent.p) <= 8


class _Scalars:
    """What both languages share."""

    _root = "sqrt"
    _one = "1.0"

    def _print_Pow(self, expr, **kwargs):
        base, exponent = expr.as_base_exp()
        if cheap_power(exponent):
            factor = self._print(base)
            factor = f"{self._root}({factor})" if exponent.q == 2 else factor
            product = "*".join([f"({factor})"] * abs(exponent.p))
            # 1/0 gives inf, which ends the run as diverged.
            return f"({product})" if exponent.p > 0 else f"({self._one}/({product}))"
        return super()._print_Pow(expr, **kwargs)

    def _print_Rational(self, expr):
        return f"({self._number(expr.p)}/{self._number(expr.q)})"

    def _print_Integer(self, expr):
        return f"({self._number(expr.p)})"

    def _number(self, value):
        return repr(float(value))


class PythonPrinter(_Scalars, PythonCodePrinter):
    """Scalar Python inside a compiled loop."""

    _root = "math.sqrt"

    def _print_sign(self, expr):
        x = self._print(expr.args[0])
        return f"(1.0 if {x} > 0 else (-1.0 if {x} < 0 else 0.0))"


class _Signs:
    """Noise of signs is linear, so it only ever changes a sign: ``flip(number, bits)``.

    Attributes:
        signs: ``{noise symbol: name of its bits}``.
    """

    def _print_Symbol(self, expr):
        return f"flip({self._one}, {self.signs[expr]})" if expr in self.signs else super()._print_Symbol(expr)

    def _print_Mul(self, expr):
        noise = next((a for a in expr.args if a in self.signs), None)
        if noise is None:
            return super()._print_Mul(expr)
        rest = sympy.Mul(*(a for a in expr.args if a != noise), evaluate=False)
        return f"flip({self._print(rest)}, {self.signs[noise]})"


class VectorPrinter(_Signs, PythonPrinter):
    """The same on vectors, with fused multiply-adds; what vectors cannot do has been replaced before printing."""

    _root = "root"

    def __init__(self, signs):
        super().__init__({"fully_qualified_modules": True})
        self.signs = signs

    def _print_sign(self, expr):
        return f"signum({self._print(expr.args[0])})"

    def _fusable(self, term):
        """The two factors of a product that can be added while it is made, or ``None``."""
        if term.is_Pow and term.exp == 2:
            return self._print(term.base), self._print(term.base)
        if not term.is_Mul or any(a in self.signs for a in term.args):
            return None
        sign, *factors = term.args if term.args[0] == -1 else (None, *term.args)
        if len(factors) < 2:
            return None
        first = self._print(sympy.Mul(*factors[:-1], evaluate=False))
        return (first if sign is None else f"-({first})"), self._print(factors[-1])

    def _print_Add(self, expr, order=None):
        terms = sorted(expr.args, key=lambda term: (self._fusable(term) is not None, term.sort_key()))
        text = f"({self._print(terms[0])})"
        for term in terms[1:]:
            pair = self._fusable(term)
            text = f"fused({pair[0]}, {pair[1]}, {text})" if pair else f"({text} + {self._print(term)})"
        return text


class CPrinter(_Signs, _Scalars, C99CodePrinter):
    """C++ in a kernel whose numbers are of type ``real``."""

    _one = "real(1.0)"

    def __init__(self, signs):
        # No macros (M_PI): a kernel includes no header.
        super().__init__({"math_macros": {}})
        self.signs = signs

    def _number(self, value):
        return f"real({float(value)!r})"

    def _print_Float(self, expr):
        return self._number(expr)

    def _print_NumberSymbol(self, expr):
        return self._number(expr)

    _print_Exp1 = _print_Pi = _print_NumberSymbol

    def _print_Pow(self, expr, **kwargs):
        base, exponent = expr.as_base_exp()
        if cheap_power(exponent):
            return super()._print_Pow(expr, **kwargs)
        return f"pow({self._print(base)}, {self._print(sympy.sympify(exponent))})"

    def _print_sign(self, expr):
        x = self._print(expr.args[0])
        return f"real(({x} > 0) - ({x} < 0))"

    def _print_Abs(self, expr):
        return f"fabs({self._print(expr.args[0])})"


def text_of(printer, expression, engine: str) -> str:
    """An expression in a printer's language.

    Raises:
        LoweringError: the printer does not know one of its functions; the message names it.
    """
    try:
        text = printer.doprint(sympy.sympify(expression))
    except PrintMethodNotImplementedError as error:
        raise _unknown(printer, expression, engine) from error
    if "Not supported" in text:
        raise _unknown(printer, expression, engine)
    return text


def _unknown(printer, expression, engine):
    for node in sympy.preorder_traversal(expression):
        if isinstance(node, sympy.Function):
            plain = node.func(*(sympy.Symbol(f"v{i}", real=True) for i in range(len(node.args))))
            try:
                bad = "Not supported" in printer.doprint(plain)
            except PrintMethodNotImplementedError:
                bad = True
            if bad:
                return LoweringError(
                    f"the function {node.func.__name__} has no form in the kernels of engine {engine!r}; "
                    "engine='numpy' can run what scipy knows"
                )
    return LoweringError(f"engine {engine!r} cannot lower {expression}; engine='numpy' may run it")
