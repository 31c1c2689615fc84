"""What all assertions share: reading numbers, and ending with recorded evidence or an error that shows it."""

from __future__ import annotations

import math

import numpy as np

from bn_theory.errors import ClaimFailedError, InvalidInputError
from bn_theory.theorems.evidence import SUPPORTED, Evidence
from bn_theory.theorems.recording import record


def conclude(found: Evidence, *lines: str) -> Evidence:
    """Record the evidence, and return it if it supports the claim.

    Args:
        lines: of the error's message: values, what is allowed, what to look at.

    Raises:
        ClaimFailedError: it does not; carries the evidence.
    """
    __tracebackhide__ = True
    record(found)
    if found.verdict != SUPPORTED:
        raise ClaimFailedError("\n".join([f"{found.name}: {found.verdict}", *lines]), evidence=found)
    return found


def array(name: str, value) -> np.ndarray:
    """Finite or not, real numbers as an array; float32 and float64 stay what they are, all else becomes float64.

    Raises:
        InvalidInputError: not numbers, complex ones, or none.
    """
    if hasattr(value, "detach"):  # a torch tensor, which may have a gradient and lie elsewhere
        value = value.detach().cpu()
    try:
        found = np.asarray(value)
        found = found if found.dtype in (np.float32, np.float64) else found.astype(np.float64, casting="same_kind")
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"{name} must be real numbers: {error}") from error
    if found.size == 0:
        raise InvalidInputError(f"{name} is empty, with shape {found.shape}; give at least one number")
    return found


def number(name: str, value, *, least: float = -math.inf, positive: bool = False) -> float:
    """One finite number.

    Raises:
        InvalidInputError: it is not one, or too small.
    """
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not math.isfinite(found) or found < least or (positive and found <= 0):
        wanted = " and > 0" if positive else "" if least == -math.inf else f" and >= {least:g}"
        raise InvalidInputError(f"{name} must be one number, finite{wanted}, not {value!r}")
    return found


def roundoff(values: np.ndarray) -> float:
    """Unit roundoff of an array's type: half the distance from 1 to the next number."""
    return float(np.finfo(values.dtype).eps) / 2


def ratio(error, bound) -> np.ndarray:
    """``error/bound``; 0 where both are 0, infinite where only the bound is, NaN where one is NaN."""
    error, bound = np.broadcast_arrays(np.asarray(error, dtype=float), np.asarray(bound, dtype=float))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((error == 0) & ~np.isnan(bound), 0.0, error / bound)


def first_worst(ratios: np.ndarray) -> tuple[int, ...]:
    """Index of the largest ratio, of the first NaN if there is one."""
    flat = int(np.argmax(ratios))  # numpy takes a NaN for the largest
    return tuple(int(i) for i in np.unravel_index(flat, ratios.shape))
