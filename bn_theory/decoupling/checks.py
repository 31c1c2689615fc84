"""What cannot be used is refused: numbers, unit vectors, weights without a direction."""

from __future__ import annotations

import numpy as np

from bn_theory.errors import InvalidInputError


def checked_rates(name: str, value) -> np.ndarray:
    """Numbers as an array, all finite and >= 0.

    Raises:
        InvalidInputError: anything else; the message begins with the name.
    """
    found = numbers(name, value)
    bad = ~(np.isfinite(found) & (found >= 0))
    if np.any(bad):
        raise InvalidInputError(f"{name} must be finite and >= 0, but a value is {found[bad][0]}")
    return found


def numbers(name: str, value) -> np.ndarray:
    """As an array of float64; anything that is none raises ``InvalidInputError``, as in all functions here."""
    try:
        return np.asarray(value, dtype=float)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"{name} must be numbers, not {value!r:.80}") from error


def finite(name: str, value) -> np.ndarray:
    """Numbers that are all finite."""
    found = numbers(name, value)
    if not np.all(np.isfinite(found)):
        raise InvalidInputError(
            f"{name} must be finite, and squares within float64, but a value is {found[~np.isfinite(found)][0]}"
        )
    return found


def positive(name: str, value) -> np.ndarray:
    """Numbers that are all finite and above 0."""
    found = numbers(name, value)
    if not np.all(np.isfinite(found) & (found > 0)):
        raise InvalidInputError(f"{name} must be finite and positive, not {value!r:.80}")
    return found


def units(v) -> np.ndarray:
    """Unit vectors, refused where a length is off 1 by more than float32 and a sum of d squares explain."""
    v = numbers("a direction", v)
    size = lengths("a direction", v)
    bad = np.abs(size - 1) > (v.shape[-1] + 8) * np.finfo(np.float32).eps
    if np.any(bad):
        raise InvalidInputError(f"a direction must have length 1, not {size[bad][0]}; bring it there by retract")
    return v


def lengths(name: str, x) -> np.ndarray:
    """Euclidean lengths, refused where they are 0 or not finite."""
    if not x.ndim or not x.shape[-1]:
        raise InvalidInputError(f"{name} must have the shape (..., d) with d >= 1, not {x.shape}")
    with np.errstate(over="ignore", invalid="ignore"):
        found = np.sqrt(np.sum(x * x, axis=-1))
    bad = ~(np.isfinite(found) & (found > 0))
    if np.any(bad):
        raise InvalidInputError(
            f"{name} has no direction: its length comes out as {found[bad][0]}; it must not be zero, and its square "
            "must be within float64"
        )
    return found
