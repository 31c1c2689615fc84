"""How many vector instructions a step needs per coordinate: the least that its program can be compiled to.

Products that are added count with their addition as one fused multiply-add. Making the noise, loading and storing are
not counted: with the throughput of fused multiply-adds this gives a limit that no engine can pass.
"""

from __future__ import annotations

from dataclasses import dataclass

from bn_theory.dynamics.methods import Kind
from bn_theory.engines.program import lower


@dataclass(frozen=True)
class Operations:
    """Floating-point instructions of one step.

    Attributes:
        per_coordinate: vector instructions per coordinate, the mean over all groups' coordinates if there are
            several (an axis with two groups counts each instruction once for two coordinates).
    """

    per_coordinate: float


def count(loss, kind: Kind) -> Operations:
    """Instructions per coordinate and step of a separable loss under a kind of method.

    Args:
        loss: a ``Loss`` whose sizes are known.
        kind: of method.

    Source: derived in this package.

    >>> import bn_theory as bn
    >>> kind = bn.GD(lr=0.1).kind
    >>> count(bn.rayleigh([0.0, 1.0]), kind).per_coordinate  # (h + a h') x; its square; step; x x, twice added
    7.0
    """
    program = lower(loss, kind)
    instructions = coordinates = 0
    for axis in program.axes:
        lines = [(e, False) for _, e in (*axis.gradients, *axis.common)] + [(e, True) for _, e in axis.sums]
        # Squares are summed and every weight moves by one multiply-add; decay and momentum are one each, projecting
        # scales and sums once more, a change of units scales the weight and its buffer.
        extra = (kind.decay, kind.momentum, *2 * (kind.projected,), *(1 + kind.momentum) * (kind.rescaling,))
        more = len(axis.groups) * (len(program.squares) + 1 + sum(extra))
        size = loss.dimensions[axis.groups[0]]
        instructions += size * (sum(_cost(e, added) for e, added in lines) + more)
        coordinates += size * len(axis.groups)
    return Operations(instructions / coordinates)


def _cost(e, added=False):
    """Instructions of an expression; ``added`` to something else."""
    if e.is_Add:
        products = sum(bool(a.is_Mul) and not _negated(a) for a in e.args)
        fused = min(products, len(e.args) - 1)
        return sum(map(_cost, e.args)) + len(e.args) - 1 - fused + added
    if e.is_Mul:
        factors = [a for a in e.args if a != -1]
        return sum(map(_cost, factors)) + (len(factors) - 1 if len(factors) > 1 or not added else 1)
    if e.is_Pow:
        return _power(e, added)
    # A function counts as one.
    return sum(map(_cost, e.args)) + bool(e.args) + added


def _negated(product):
    """A sign change alone is part of the addition."""
    return len([a for a in product.args if a != -1]) == 1


def _power(e, added):
    n, half = (abs(e.exp.p), e.exp.q == 2) if e.exp.is_Rational and e.exp.q in (1, 2) else (1, True)
    special = int(half) + int(bool(e.exp.is_negative))
    # A square that is added is a fused multiply-add.
    return _cost(e.base) + special + max(n - 1, 0) + (added if special or n == 1 else 0)
