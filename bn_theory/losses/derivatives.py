"""The gradient of a separable loss, differentiated once by sympy and shared by every engine.

For ``L = Phi(S; p)`` with ``S_j = total(e_j)``:

    dL/dw_i = sum_j (dPhi/dS_j) (de_j/dw_i)          (a coefficient times a slope, per coordinate)
    dL/dp   = dPhi/dp + sum_j (dPhi/dS_j) total(de_j/dp)

Each is needed twice: for the *full* loss (its expectation over the noise), by which the theorems measure
stationarity, and for the *sample* that the step follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import sympy

from bn_theory.losses.language import Parameter, Reduced, Weights


@dataclass(frozen=True)
class Derivatives:
    """Everything that a step needs, as sympy expressions.

    Attributes:
        sums: every reduction ``{S: e}`` that must be known before the gradient (noisy ones included).
        value: the full loss in the clean sums, parameters and scalar data.
        coefficients: ``{symbol: expression}`` for ``dPhi/dS_j``, full (``F_j``) and sample (``C_j``).
        full: ``{group name: per-coordinate gradient of the full loss}`` in coefficient symbols.
        sample: the same for the sampled loss.
        parameter_full, parameter_sample: ``{parameter name: gradient}`` in sums and coefficients.
    """

    sums: dict
    value: sympy.Expr
    coefficients: dict
    full: dict
    sample: dict
    parameter_full: dict
    parameter_sample: dict


def _slope(expression, symbol):
    """The derivative away from kinks, where that of a sign is 0."""
    return sympy.diff(expression, symbol).replace(sympy.DiracDelta, lambda *_: sympy.Integer(0))


@lru_cache(maxsize=256)
def _differentiate(phi, full, clean, noisy, groups, parameters):
    sums = dict(clean + noisy)
    coefficients, gradients, parameter_gradients = {}, [], []
    for letter, outer, terms in (("F", full, clean), ("C", phi, clean + noisy)):
        names = {}
        for s, _ in terms:
            derivative = _slope(outer, s)
            if derivative != 0:
                names[s] = sympy.Symbol(f"{letter}_{s.name}", real=True)
                coefficients[names[s]] = derivative
        # An expression even without terms: the full loss of noise alone is zero.
        zero = sympy.Integer(0)
        gradients.append({w.name: sum((names[s] * _slope(e, w) for s, e in terms if s in names), zero) for w in groups})
        per_parameter = {}
        for p in parameters:
            gradient = _slope(outer, p)
            for s, e in terms:
                slope = _slope(e, p)
                if s in names and slope != 0:
                    extra = sympy.Symbol(f"T_{s.name}_{p.name}", real=True)
                    sums[extra] = slope
                    gradient += names[s] * extra
            per_parameter[p.name] = gradient
        parameter_gradients.append(per_parameter)
    return Derivatives(sums, full, coefficients, *gradients, *parameter_gradients)


def differentiate(reduced: Reduced, groups: tuple[Weights, ...], parameters: tuple[Parameter, ...]) -> Derivatives:
    """Differentiate a reduced expression in every group and parameter (cached by expression)."""
    return _differentiate(
        reduced.phi,
        reduced.full,
        tuple(reduced.clean.items()),
        tuple(reduced.noisy.items()),
        groups,
        parameters,
    )


@lru_cache(maxsize=1024)
def _function(arguments, expressions):
    # Names of our own: a weight may be called exp or x0, which the generated code needs for itself. Not lambdify's
    # dummies, whose numbers, and with them the order of the terms, change from process to process.
    own = {s: sympy.Symbol(f"v{i:04d}", real=True) for i, s in enumerate(arguments)}
    renamed = [sympy.sympify(e).xreplace(own) for e in expressions]
    return sympy.lambdify(list(own.values()), renamed, modules="scipy", cse=True)


def apply(expressions, values):
    """Evaluate ``{key: expression}`` with ``{symbol: array}``."""
    used = tuple(sorted({s for e in expressions.values() for s in e.free_symbols}, key=str))
    results = _function(used, tuple(expressions.values()))(*(values[s] for s in used))
    return dict(zip(expressions, results, strict=True))


def _widened(array, shape):
    """``array`` with at least the axes of ``shape``."""
    shape = np.broadcast_shapes(np.shape(array), shape)
    return array if np.shape(array) == shape else np.broadcast_to(array, shape)


def evaluate(derivatives: Derivatives, symbols, arrays, sampled=True):
    """Value and gradients in NumPy, over any leading axes.

    Args:
        derivatives: from :func:`differentiate`.
        symbols: ``{name: symbol}``.
        arrays: ``{name: array}``; per-coordinate arrays ``(..., d)``, scalars ``(...,)``.
        sampled: also the gradient of the sample (needs the noise arrays).

    Returns:
        ``(value, full gradients, sample gradients or None)``, the gradients as ``{name: array}``.
    """
    wide = {}  # scalars inside a per-coordinate expression need a trailing axis
    values = {}
    for name, symbol in symbols.items():
        array = np.asarray(arrays[name]) if name in arrays else None
        if array is None:
            continue
        values[symbol] = array
        wide[symbol] = array[..., None] if isinstance(symbol, Parameter) else array
    available = {s: e for s, e in derivatives.sums.items() if all(symbol in values for symbol in e.free_symbols)}
    for s, e in zip(available, apply(available, wide).values(), strict=True):
        values[s] = np.sum(e, axis=-1)
    known = {c: e for c, e in derivatives.coefficients.items() if e.free_symbols <= set(values)}
    for c, coefficient in apply(known, values).items():
        values[c] = coefficient
        wide[c] = np.asarray(coefficient)[..., None]
    value = apply({"value": derivatives.value}, values)["value"]
    # What is constant, or zero, comes without the axes of the state.
    groups = [name for name, symbol in symbols.items() if isinstance(symbol, Weights)]
    scalars = [np.shape(arrays[name]) for name, symbol in symbols.items() if isinstance(symbol, Parameter)]
    shape = np.broadcast_shapes(np.shape(value), *scalars, *(np.shape(arrays[g])[:-1] for g in groups))
    value = _widened(value, shape)
    gradients = []
    for per_group, per_parameter in (
        (derivatives.full, derivatives.parameter_full),
        (derivatives.sample, derivatives.parameter_sample),
    )[: 2 if sampled else 1]:
        found = apply(per_group, wide)
        found = {name: _widened(slope, (*shape, *np.shape(arrays[name])[-1:])) for name, slope in found.items()}
        gradients.append(found | {p: _widened(slope, shape) for p, slope in apply(per_parameter, values).items()})
    return value, gradients[0], gradients[1] if sampled else None
