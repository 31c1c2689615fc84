"""What the functions here refuse."""

from __future__ import annotations

import math

import numpy as np

from bn_theory.errors import InvalidInputError


def number(name: str, value, *, above: float | None = None, least: float | None = None) -> float:
    """``value`` as a finite float above, or at least, a number.

    Raises:
        InvalidInputError: it is not; the message has the value.
    """
    try:
        if isinstance(value, (bool, np.bool_, str)):
            raise TypeError
        x = float(value)
    except (TypeError, ValueError):
        raise InvalidInputError(f"{name} must be one real number, not {value!r}") from None
    if not math.isfinite(x):
        raise InvalidInputError(f"{name} must be finite, not {x}")
    if above is not None and not x > above:
        raise InvalidInputError(f"{name} must be above {above:g}, not {x:g}")
    if least is not None and not x >= least:
        raise InvalidInputError(f"{name} must be at least {least:g}, not {x:g}")
    return x


def positive(name: str, value) -> float:
    """``value`` as a finite float above 0.

    >>> positive("nu", 0.5)
    0.5
    """
    return number(name, value, above=0.0)


def whole(name: str, value, least: int) -> int:
    """``value`` as an int that is at least ``least``.

    Raises:
        InvalidInputError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise InvalidInputError(f"{name} must be a whole number of at least {least}, not {value!r}")
    return int(value)


def points(name: str, value) -> np.ndarray:
    """``value`` as a finite array of at most one axis, made into one of shape ``(points,)``.

    Raises:
        InvalidInputError: it is not.
    """
    x = np.atleast_1d(reals(name, value))
    if x.ndim != 1 or x.size == 0:
        raise InvalidInputError(f"{name} must be a number or have shape (points,), not {x.shape}")
    if not np.all(np.isfinite(x)):
        raise InvalidInputError(f"{name} must be finite; there is {x[~np.isfinite(x)][0]}")
    return x


def reals(name: str, value) -> np.ndarray:
    """``value`` as an array of real numbers, of any shape.

    Raises:
        InvalidInputError: it is not: text, complex numbers, rows of different lengths.
    """
    try:
        x = np.asarray(value)
        if x.dtype.kind not in "iufO":  # objects: such as sympy's numbers
            raise TypeError
        return x.astype(float)
    except (TypeError, ValueError):
        raise InvalidInputError(f"{name} must be real numbers, not {str(value)[:60]!r}") from None


def positive_array(name: str, value) -> np.ndarray:
    """``value`` as an array of finite numbers above 0, of any shape.

    Raises:
        InvalidInputError: it is not.
    """
    x = reals(name, value)
    if not (np.all(np.isfinite(x)) and np.all(x > 0)):
        raise InvalidInputError(f"{name} must be finite and above 0, not {x.min() if x.size else x}")
    return x


def values_of(f, x, name: str = "f") -> np.ndarray:
    """``f(x)`` with the shape of ``x``.

    Raises:
        InvalidInputError: it has another shape, is not real, or is not finite somewhere; the message says where.
    """
    with np.errstate(all="ignore"):  # what overflows is refused below
        y = reals(f"values of {name}", f(x))
    if y.shape != x.shape:
        raise InvalidInputError(f"{name} must give one value a point, shape {x.shape}, not {y.shape}")
    if not np.all(np.isfinite(y)):
        at = x[~np.isfinite(y)].ravel()[0]
        raise InvalidInputError(f"{name} must be finite, but is {y[~np.isfinite(y)].ravel()[0]} at {at:g}")
    return y


def rounded_up(x: float, digits: int = 3) -> float:
    """The smallest number of so many digits that is at least ``x > 0``, so that what a message names works.

    >>> rounded_up(0.0271434), rounded_up(2.0, 2)
    (0.0272, 2.0)
    """
    unit = 10.0 ** (math.floor(math.log10(x)) - digits + 1)
    return float(f"{math.ceil(x / unit * (1 - 1e-15)) * unit:.{digits}g}")
