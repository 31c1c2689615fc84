"""Checks of what a user hands over, shared by losses, schedules and starts."""

from __future__ import annotations

import dataclasses
from numbers import Real

import numpy as np

from bn_theory.errors import InvalidInputError
from bn_theory.losses.facts import Facts


def real_array(what: str, value, error=InvalidInputError) -> np.ndarray:
    """``value`` as a fresh float64 array; NumPy by itself would also read text, drop imaginary parts and take ``True``.

    Args:
        what: how the message begins.
        value: numbers of any shape.
        error: the class to raise.

    Raises:
        InvalidInputError: (or ``error``) text, complex or logical values, rows of different lengths, other objects.
    """
    try:
        array = np.asarray(value)
        if array.dtype.kind == "O" and all(isinstance(x, Real) and not isinstance(x, bool) for x in array.flat):
            array = array.astype(np.float64)  # fractions, integers beyond 64 bits, numbers of sympy
        if array.dtype.kind in "iuf":
            return np.array(array, dtype=np.float64, order="C")
    except (TypeError, ValueError, OverflowError) as reason:
        raise error(f"{what} is not an array of numbers: {value!r}") from reason
    raise error(f"{what} is not an array of numbers: {value!r}")


def start_array(name: str, value) -> np.ndarray:
    """A start as finite float64 numbers.

    Raises:
        InvalidInputError: not an array of finite numbers, or an empty one.
    """
    array = real_array(f"start of {name!r}", value)
    if array.size == 0:
        raise InvalidInputError(f"start of {name!r} is empty, with shape {array.shape}; give at least one number")
    if not np.all(np.isfinite(array)):
        raise InvalidInputError(f"start of {name!r} must be finite, but an entry is {array[~np.isfinite(array)][0]}")
    return array


def own_start(loss, start) -> dict[str, np.ndarray]:
    """The start that a loss brings itself: groups ``(d,)`` or ``(cases, d)``, parameters numbers or ``(cases,)``.

    Raises:
        InvalidInputError: an unknown name, numbers that are not finite, a shape that does not fit.
    """
    unknown = start.keys() - set(loss.groups) - set(loss.parameters)
    if unknown:
        raise InvalidInputError(f"{sorted(unknown)} is no group or parameter of this loss")
    checked = {name: start_array(name, value) for name, value in start.items()}
    for name, array in checked.items():
        group = name in loss.groups
        if array.ndim not in ((1, 2) if group else (0, 1)):
            shape = "(d,) or (cases, d)" if group else "() or (cases,)"
            raise InvalidInputError(f"start of {name!r} has shape {array.shape}; it must be {shape}")
        if group and loss.dimensions[name] not in (None, array.shape[-1]):
            raise InvalidInputError(
                f"start of {name!r} has {array.shape[-1]} coordinates, but the loss has {loss.dimensions[name]}"
            )
    return checked


def more_facts(facts: Facts, changes) -> Facts:
    """``facts`` with changes.

    Raises:
        InvalidInputError: a name that is no fact.
    """
    known = [f.name for f in dataclasses.fields(Facts)]
    if unknown := changes.keys() - set(known):
        raise InvalidInputError(f"unknown facts {sorted(unknown)}; there are {', '.join(known)}")
    return dataclasses.replace(facts, **changes)
