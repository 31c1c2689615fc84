"""A second opinion on polynomial steps from the z3 solver, which shares no code with sympy.

``recheck(step)`` asks z3 for values that satisfy the signs and the facts a step uses but violate its claim.
``True``: there are none.  ``False``: there are.  ``None``: nothing to ask, or no answer.  Whatever is not
algebraic (a logarithm, a sum of generic length) is replaced by a free real number, which can only make the
claim harder. Needs ``z3-solver``, which is imported on the first call; nothing else in this package needs
it.
"""

import sympy as sp
from sympy.core.function import AppliedUndef

from . import proof as kinds

TIMEOUT_MS = 10_000  # a query; those of certificate size take milliseconds


def recheck(step) -> bool | None:
    """Re-check one step with z3; the module says what the answers mean."""
    answers = [_ask(facts, goal) for facts, goal in _queries(step)]
    if False in answers:
        return False
    return True if answers and None not in answers else None


def is_algebraic(step) -> bool:
    """Whether the step's claim has only polynomials, quotients and roots, so that z3 ought to decide it."""
    queries = _queries(step)
    return bool(queries) and all(_algebraic(expression) for facts, goal in queries for _, expression in (*facts, goal))


def _queries(step):
    """Pairs (facts, goal) of pairs (is it an equation, e): the claim ``e = 0`` or ``e >= 0``."""
    if step.relation is not None and any(not symbol.is_commutative for symbol in step.relation.free_symbols):
        return []  # z3 knows no noncommuting numbers
    facts = [
        (isinstance(relation, sp.Eq), relation.rhs - relation.lhs) for relation in (f.relation for f in step.facts)
    ]
    if isinstance(step, kinds.Identity | kinds.Inequality):
        return [(facts, (isinstance(step, kinds.Identity), sp.sympify(step.rhs) - step.lhs))]
    if isinstance(step, kinds.Increasing):
        return [(facts, (False, step.gap.subs(step.variable, 0))), (facts, (False, step.slope))]
    if isinstance(step, kinds.Summed):
        return [(facts, (step.equality, step.summand_gap))]
    if isinstance(step, kinds.Induction):
        n = step.variable
        before, after = (step.equality, step.gap(n)), (step.equality, step.gap(n + 1))
        return [(facts, (step.equality, step.gap(0))), ([*facts, before], after)]
    return []


def _algebraic(expression) -> bool:
    e = sp.sympify(expression)
    if isinstance(e, sp.Symbol | AppliedUndef | sp.Rational):
        return True
    if isinstance(e, sp.Pow):
        return isinstance(e.exp, sp.Rational) and _algebraic(e.base)
    return isinstance(e, sp.Add | sp.Mul | sp.Abs) and all(_algebraic(a) for a in e.args)


def _ask(facts, goal):
    import z3

    translator = _Translator(z3)
    solver = z3.Solver()
    solver.set("timeout", TIMEOUT_MS)
    for equation, expression in facts:
        numerator, denominator = translator.quotient(expression)
        solver.add(denominator != 0)
        solver.add(numerator == 0 if equation else numerator * denominator >= 0)
    equation, expression = goal
    numerator, denominator = translator.quotient(expression)
    solver.add(denominator != 0)
    solver.add(numerator != 0 if equation else numerator * denominator < 0)
    solver.add(*translator.constraints)
    answer = solver.check()
    if answer == z3.unsat:
        return True
    return None if answer == z3.unknown or translator.opaque else False


class _Translator:
    """Turns sympy expressions into quotients of z3 polynomials over one shared set of variables."""

    def __init__(self, z3):
        self.z3 = z3
        self.variables = {}
        self.applications = {}
        self.constraints = []
        self.opaque = False

    def _fresh(self, key):
        if key not in self.variables:
            variable = self.variables[key] = self.z3.Real(f"x{len(self.variables)}")
            if isinstance(key, AppliedUndef):
                self._congruent(key, variable)
            if key.is_positive:
                self.constraints.append(variable > 0)
            elif key.is_nonnegative:
                self.constraints.append(variable >= 0)
        return self.variables[key]

    def _congruent(self, key, variable):
        """Equal arguments give equal values.  (Functions of z3's own would keep it from its solver for polynomials.)"""
        arguments = [n / d for n, d in map(self.quotient, key.args)]
        known = self.applications.setdefault((key.func.__name__, len(arguments)), [])
        for others, value in known:
            differ = [self.z3.simplify(a != b) for a, b in zip(arguments, others, strict=True)]
            if not any(self.z3.is_true(d) for d in differ):
                self.constraints.append(self.z3.Or(*differ, variable == value))
        known.append((arguments, variable))

    def quotient(self, expression):
        """``(numerator, denominator)`` of ``expression``."""
        e, one = sp.sympify(expression), self.z3.RealVal(1)
        if isinstance(e, sp.Rational):
            return self.z3.RealVal(str(e)), one
        if isinstance(e, sp.Symbol | AppliedUndef):
            return self._fresh(e), one
        if isinstance(e, sp.Add):
            numerator, denominator = self.z3.RealVal(0), one
            for argument in e.args:
                n, d = self.quotient(argument)
                if d.eq(denominator):
                    numerator = numerator + n
                elif d.eq(one):
                    numerator = numerator + n * denominator
                else:
                    numerator, denominator = numerator * d + n * denominator, denominator * d
            return self._simple(numerator, denominator)
        if isinstance(e, sp.Mul):
            numerator, denominator = one, one
            for argument in e.args:
                n, d = self.quotient(argument)
                numerator, denominator = numerator * n, denominator * d
            return self._simple(numerator, denominator)
        if isinstance(e, sp.Pow) and isinstance(e.exp, sp.Rational):
            return self._power(e)
        if isinstance(e, sp.Abs):
            n, d = self.quotient(e.args[0])
            known, variable = e in self.variables, self._fresh(e)
            if not known:
                self.constraints.append(self.z3.Or(variable * d == n, variable * d == -n))
            return variable, one
        self.opaque = True
        return self._fresh(e), one

    def _power(self, e):
        n, d = self.quotient(e.base)
        one, power = self.z3.RealVal(1), e.exp
        if power.q != 1:  # a root is a new variable r >= 0 with r^q = base
            root = sp.Pow(e.base, sp.Rational(1, power.q), evaluate=False)
            known = root in self.variables
            if not known:
                self.variables[root] = self.z3.Real(f"x{len(self.variables)}")
                self.constraints += [
                    self.variables[root] >= 0,
                    self._times(self.variables[root], power.q) * d == n,
                ]
            n, d = self.variables[root], one
        n, d = self._times(n, abs(power.p)), self._times(d, abs(power.p))
        return (n, d) if power.p > 0 else (d, n)

    def _times(self, base, count):
        product = self.z3.RealVal(1)
        for _ in range(count):
            product = product * base
        return product

    def _simple(self, numerator, denominator):
        return self.z3.simplify(numerator), self.z3.simplify(denominator)
