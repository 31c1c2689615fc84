"""Inner-product algebra in generic dimension: vectors are formal combinations, only their Gram numbers
appear.

An identity between Gram symbols holds for all vectors of every inner-product space, so nothing here depends
on a dimension.  ``dot(x, y, "A")`` is the form ``x^T A y`` of a symmetric matrix named A.
"""

from dataclasses import dataclass

import sympy as sp


@dataclass(frozen=True)
class Vector:
    """A formal linear combination of named vectors with scalar coefficients."""

    parts: tuple[tuple[str, sp.Expr], ...]

    def __add__(self, other):
        merged = dict(self.parts)
        for name, coefficient in other.parts:
            merged[name] = merged.get(name, 0) + coefficient
        return Vector(tuple(merged.items()))

    def __sub__(self, other):
        return self + (-1) * other

    def __rmul__(self, scalar):
        return Vector(tuple((name, scalar * coefficient) for name, coefficient in self.parts))


def vector(name: str) -> Vector:
    """The vector called ``name``."""
    return Vector(((name, sp.S.One),))


def gram(first: str, second: str, matrix: str = "") -> sp.Symbol:
    """The symbol for ``<first, matrix second>``; nonnegative when it is a squared norm."""
    first, second = sorted((first, second))
    middle = f" {matrix} " if matrix else ","
    if first == second and not matrix:
        return sp.Symbol(f"<{first},{second}>", nonnegative=True)
    return sp.Symbol(f"<{first}{middle}{second}>", real=True)


def dot(x: Vector, y: Vector, matrix: str = "") -> sp.Expr:
    """``x^T matrix y`` expanded by bilinearity (``matrix`` symmetric; the identity when empty).

    >>> w, g = vector("w"), vector("g")
    >>> dot(w + g, w + g)
    <g,g> + 2*<g,w> + <w,w>
    """
    return sp.expand(sum(a * b * gram(p, q, matrix) for p, a in x.parts for q, b in y.parts))
