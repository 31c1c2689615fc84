"""The loss language: symbols, ``total`` and the reduction of an expression to finitely many sums.

A *separable* loss is an expression ``Phi(S_1, ..., S_J; parameters)`` in reductions
``S_j = total(e_j) = sum_i e_j(w_i, data_i, noise_i)``. Its gradient per coordinate is
``sum_j dPhi/dS_j * de_j/dw_i``, so one expression is enough to prove, differentiate and run the loss in
any dimension.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real

import sympy

from bn_theory.errors import LossError, NoiseError, UnknownNameError


class Weights(sympy.Symbol):
    """One group of weights ``w``: a vector of which the expression names one coordinate."""


class Data(sympy.Symbol):
    """Given numbers: one per coordinate inside ``total``, a single one outside of it."""


class Parameter(sympy.Symbol):
    """A trainable scalar, such as the learnable scale ``gamma`` of batch normalisation."""


class RademacherNoise(sympy.Symbol):
    """One fair sign (-1 or +1) per coordinate and step."""


class GaussianNoise(sympy.Symbol):
    """One standard normal number per coordinate and step; unbounded, so no almost-sure gradient bound."""


NOISE_KINDS = {"rademacher": RademacherNoise, "gaussian": GaussianNoise}
NOISE_TYPES = (RademacherNoise, GaussianNoise)


def _symbol(kind, name, **assumptions):
    if not isinstance(name, str) or not name.isidentifier():
        raise LossError(f"a symbol needs a Python identifier as its name, not {name!r}")
    return kind(name, real=True, **assumptions)


def weights(name: str) -> Weights:
    """A group of trainable weights, written as one coordinate.

    Args:
        name: identifier; the key of the group's start and learning rate.

    Raises:
        LossError: the name is not an identifier.

    >>> import bn_theory as bn
    >>> w = bn.weights("w")
    >>> bn.total(w**2)
    total(w**2)
    """
    return _symbol(Weights, name)


def data(name: str, positive: bool = False) -> Data:
    """Given numbers: per coordinate (shape ``(d,)`` or ``(cases, d)``) if used inside ``total``, else scalar.

    Args:
        name: identifier; the keyword under which ``Loss`` receives the array.
        positive: declare every entry positive, which proofs may use; ``Loss`` checks the array.

    Raises:
        LossError: the name is not an identifier.
    """
    return _symbol(Data, name, **({"positive": True} if positive else {}))


def parameter(name: str) -> Parameter:
    """A trainable scalar (one number per replica), started at 1 unless a start is given.

    Raises:
        LossError: the name is not an identifier.
    """
    return _symbol(Parameter, name)


def noise(name: str, kind: str = "rademacher"):
    """Mean-zero, unit-variance noise, fresh in every step, one number per coordinate.

    Args:
        name: identifier.
        kind: ``"rademacher"`` (fair signs) or ``"gaussian"`` (standard normal; breaks the almost-sure
            bound of the SGD theorem).

    Raises:
        UnknownNameError: another kind.
        LossError: the name is not an identifier.
    """
    if not isinstance(kind, str) or kind not in NOISE_KINDS:
        raise UnknownNameError(f"unknown kind of noise {kind!r}; there are {', '.join(map(repr, NOISE_KINDS))}")
    return _symbol(NOISE_KINDS[kind], name)


def checked_expression(value) -> sympy.Expr:
    """``value`` as a sympy expression; text is refused, because ``sympify`` would run it as Python code.

    Raises:
        LossError: anything but a sympy expression or a real number.
    """
    if isinstance(value, sympy.Expr) or (isinstance(value, Real) and not isinstance(value, bool)):
        return sympy.sympify(value, strict=True)
    raise LossError(
        f"{value!r} is not an expression but of type {type(value).__name__}; build it from bn.weights, bn.data, "
        "bn.parameter, bn.noise, bn.total, numbers and sympy functions"
    )


class total(sympy.Function):
    """The sum of a per-coordinate expression over the coordinates.

    Raises:
        LossError: the argument is not an expression or a number.

    >>> import bn_theory as bn
    >>> w, a = bn.weights("w"), bn.data("a")
    >>> bn.total(a * w**2) / (2 * bn.total(w**2))
    total(a*w**2)/(2*total(w**2))
    """

    nargs = 1
    is_real = True

    def __new__(cls, *arguments, **options):
        """Check before sympy sees the arguments: it would evaluate text."""
        return super().__new__(cls, *map(checked_expression, arguments), **options)


@dataclass(frozen=True)
class Reduced:
    """An expression as ``phi`` in reductions.

    Attributes:
        phi: sympy expression in the symbols ``S``, the parameters and the scalar data.
        clean: ``{S_j: e_j}`` without noise.
        noisy: ``{S_j: e_j}`` with ``e_j = z * f_j``; ``phi`` is affine in these, jointly.
        axes: tuples of names of the per-coordinate symbols that share coordinates.
    """

    phi: sympy.Expr
    clean: dict
    noisy: dict
    axes: tuple

    @property
    def full(self) -> sympy.Expr:
        """The full loss: the expectation over the noise, i.e. ``phi`` with every noisy sum at 0."""
        return self.phi.subs(dict.fromkeys(self.noisy, 0))


def reduce_expression(expression) -> Reduced:
    """Expand every ``total`` linearly and name what remains.

    Raises:
        LossError: not an expression, per-coordinate symbols outside ``total``, nested totals that do not factor, no
            weights.
        NoiseError: noise that is not linear.
    """
    expression = checked_expression(expression)
    names: dict[sympy.Expr, sympy.Symbol] = {}
    while True:
        # In sympy's order, not the set's: the names of the sums, and with them the generated code, must not
        # change from process to process.
        innermost = [
            t for t in sorted(expression.atoms(total), key=sympy.default_sort_key) if not t.args[0].atoms(total)
        ]
        if not innermost:
            break
        expression = expression.subs({t: _expand_total(t.args[0], names) for t in innermost})
    reductions = {symbol: e for e, symbol in names.items() if expression.has(symbol)}
    _check_places(expression, reductions)
    moving = {s.name for e in reductions.values() for s in e.atoms(Weights)}
    if weightless := [axis for axis in _axes(reductions) if not moving.intersection(axis)]:
        raise LossError(f"{', '.join(weightless[0])} share their coordinates with no weights; noise must act on some")
    clean = {s: e for s, e in reductions.items() if not e.atoms(*NOISE_TYPES)}
    noisy = {s: e for s, e in reductions.items() if s not in clean}
    _check_noise(expression, noisy)
    return Reduced(expression, clean, noisy, _axes(reductions))


def _per_coordinate(e) -> set:
    return e.atoms(Weights, *NOISE_TYPES) | e.atoms(Data)


def _expand_total(argument, names):
    """``total(argument)`` as a linear combination of named reductions."""
    result = sympy.Integer(0)
    for term in sympy.Add.make_args(sympy.expand(argument, power_base=False, power_exp=False, log=False)):
        outside, inside = term.as_independent(Weights, Data, *NOISE_TYPES, as_Add=False)
        if not _per_coordinate(inside):
            raise LossError(
                f"total({argument}) sums a constant over the coordinates; pass the sum as scalar data, for "
                "instance bn.data('n') outside of total"
            )
        if inside.atoms(_Reduction):
            raise LossError(
                f"nested totals in total({argument}) do not factor; multiply the inner sum out so that it "
                "stands outside of the outer one"
            )
        if inside not in names:
            names[inside] = _Reduction(f"S_{len(names)}", real=True)
        result += outside * names[inside]
    return result


class _Reduction(sympy.Symbol):
    """The value of one total."""


def _check_places(phi, reductions):
    stray = phi.atoms(Weights, *NOISE_TYPES)
    if stray:
        raise LossError(f"{_names(stray)} must stand inside total(...): outside of it there is no coordinate")
    inside = set().union(*(e.atoms(Data) for e in reductions.values()))
    both = inside & phi.atoms(Data)
    if both:
        raise LossError(f"data {_names(both)} stand both inside and outside total; use two names")
    if not any(e.atoms(Weights) for e in reductions.values()):
        raise LossError(f"no weights in {phi}: a loss needs bn.weights('w') inside a total")
    known = (Weights, Data, Parameter, _Reduction, *NOISE_TYPES)
    loose = {s for e in (phi, *reductions.values()) for s in e.free_symbols if not isinstance(s, known)}
    if loose:
        raise LossError(
            f"plain symbols {_names(loose)} have no meaning here; make them with bn.weights, bn.data, "
            "bn.parameter or bn.noise"
        )
    for e in reductions.values():
        if not e.atoms(Weights, *NOISE_TYPES):
            raise LossError(f"total({e}) is a constant; compute it and pass it as scalar data")
    seen: dict[str, sympy.Symbol] = {}
    for symbol in sorted(set().union(phi.free_symbols, *(e.free_symbols for e in reductions.values())), key=str):
        if isinstance(symbol, _Reduction):
            continue
        if symbol.name in seen and seen[symbol.name] != symbol:
            raise LossError(f"the name {symbol.name!r} is used for two different symbols")
        if symbol.name in ("S", "self", "group") or symbol.name.startswith(("S_", "k_")):
            raise LossError(f"the name {symbol.name!r} is reserved; choose another")
        seen[symbol.name] = symbol


def _check_noise(phi, noisy):
    """Noise must be linear: then its mean is zero and the full loss is the expression without it."""
    for e in noisy.values():
        factors = [f for f in sympy.Mul.make_args(e) if f.atoms(*NOISE_TYPES)]
        if len(factors) != 1 or not isinstance(factors[0], NOISE_TYPES):
            raise NoiseError(f"noise must enter linearly, but a total contains {e}")
    # Affine exactly: a kink has no second derivative where sympy looks for one.
    silent = dict.fromkeys(noisy, 0)
    affine = phi.subs(silent) + sum(s * sympy.diff(phi, s).subs(silent) for s in noisy)
    if sympy.simplify(phi - affine) != 0:
        raise NoiseError(
            "noise must enter linearly, so that its mean is zero and the full loss is the expression without it; "
            f"here the loss is curved in {', '.join(f'total({e})' for e in noisy.values())}"
        )


def _axes(reductions):
    """Symbols that meet in one total share their coordinates (a partition into axes)."""
    axes: list[set[str]] = []
    for e in reductions.values():
        members = {s.name for s in _per_coordinate(e)}
        touching = [axis for axis in axes if axis & members]
        axes = [axis for axis in axes if not axis & members] + [members.union(*touching)]
    return tuple(tuple(sorted(axis)) for axis in sorted(axes, key=lambda axis: sorted(axis)))


def _names(symbols) -> str:
    return ", ".join(sorted(str(s) for s in symbols))
