"""Which expressions are provably nonnegative or positive, by structure alone.

The rules are few and each is a line of arithmetic (a sum of nonnegative terms is nonnegative, an even power
of a real is nonnegative, the logarithm of something that is at least one is nonnegative, ...).  They are
written out here, rather than taken from a general assumption system, because every inequality of this
package rests on them.  ``False`` always means "not shown", never "shown to be false".
"""

import sympy as sp
from sympy.core.function import AppliedUndef


def is_nonnegative(expression) -> bool:
    """Whether ``expression >= 0`` follows from the signs of its symbols.

    >>> x, y = sp.symbols("x y", real=True)
    >>> is_nonnegative(x**2 + y**2), is_nonnegative(x*y)
    (True, False)
    """
    e = sp.sympify(expression)
    if e.is_number and not e.has(sp.Sum):  # a sum is a number to sympy, by the declared sign of its index
        return bool(e.is_nonnegative)
    if isinstance(e, sp.Symbol | AppliedUndef):
        return bool(e.is_nonnegative)
    if isinstance(e, sp.Add):
        return all(is_nonnegative(a) for a in e.args)
    if isinstance(e, sp.Mul):
        return all(is_nonnegative(a) for a in e.args)
    if isinstance(e, sp.Pow):
        if e.exp.is_nonnegative and e.exp.is_integer and e.exp.is_even and e.base.is_real:
            return True
        if e.exp.is_nonnegative and is_nonnegative(e.base):
            return True
        return is_positive(e) or bool(e.exp.is_even and e.base.is_real and e.base.is_nonzero)
    if isinstance(e, sp.exp):
        return bool(e.args[0].is_real)
    if isinstance(e, sp.Abs):
        return True
    if isinstance(e, sp.log):
        return is_nonnegative(sp.expand(e.args[0] - 1))
    if isinstance(e, sp.Max):
        return any(is_nonnegative(a) for a in e.args) and all(a.is_real for a in e.args)
    if isinstance(e, sp.Sum):
        return _is_nonnegative_sum(e)
    return False


def _is_nonnegative_sum(e) -> bool:
    signed = {}
    for index, *ends in reversed(e.limits):  # the outermost first: the ends of the others may hold its index
        ends = [end.xreplace(signed) for end in ends]
        # sympy's sum from 1 to -2 is minus that over -1 and 0, so a range may be empty but no shorter.
        if len(ends) != 2 or not is_nonnegative(ends[1] - ends[0] + 1):
            return False
        # The index has the sign of the range's lower end, whatever its symbol was declared to have.
        signs = {"nonnegative": True} if is_nonnegative(ends[0]) else {"real": True}
        signed[index] = sp.Dummy(index.name, integer=ends[0].is_integer, **signs)
    return is_nonnegative(e.function.xreplace(signed))


def is_positive(expression) -> bool:
    """Whether ``expression > 0`` follows from the signs of its symbols.

    >>> a = sp.Symbol("a", positive=True)
    >>> is_positive(1 + a**2), is_positive(a - 1)
    (True, False)
    """
    e = sp.sympify(expression)
    if e.is_number and not e.has(sp.Sum):
        return bool(e.is_positive)
    if isinstance(e, sp.Symbol | AppliedUndef):
        return bool(e.is_positive)
    if isinstance(e, sp.Add):
        return is_nonnegative(e) and any(is_positive(a) for a in e.args)
    if isinstance(e, sp.Mul):
        return all(is_positive(a) for a in e.args)
    if isinstance(e, sp.Pow):
        return bool(e.exp.is_real) and is_positive(e.base)
    if isinstance(e, sp.exp):
        return bool(e.args[0].is_real)
    if isinstance(e, sp.log):
        return is_positive(sp.expand(e.args[0] - 1))
    return False


def is_smooth(expression) -> bool:
    """Whether ``expression`` is smooth wherever its symbols have their declared signs.

    True for sums, products, exponentials, sines and cosines, and for powers and logarithms of arguments
    that are provably positive.
    """
    for e in sp.preorder_traversal(sp.sympify(expression)):
        if e.is_number or isinstance(e, sp.Symbol | AppliedUndef | sp.Add | sp.Mul | sp.exp | sp.sin | sp.cos):
            continue
        if isinstance(e, sp.Pow):
            if e.exp.is_integer and e.exp.is_nonnegative:
                continue
            if is_positive(e.base) or (e.exp.is_integer and e.base.is_real and e.base.is_nonzero):
                continue
        if isinstance(e, sp.log) and is_positive(e.args[0]):
            continue
        return False
    return True
