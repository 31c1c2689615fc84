"""``assert_bound``: an inequality at every place, with the places where it fails."""

from __future__ import annotations

import numpy as np

from bn_theory.errors import InvalidInputError
from bn_theory.testing.conclude import array, conclude, first_worst, number, ratio
from bn_theory.theorems.evidence import CONTRADICTED, SUPPORTED, Evidence


def assert_bound(measured, bound, *, slack: float = 0.0, name: str = "measured <= bound") -> Evidence:
    """Assert ``measured <= bound + slack |bound|`` everywhere; a NaN on either side fails.

    Args:
        measured, bound: arrays that broadcast, such as ``(replicas, steps)`` and ``(steps,)``; or two DataArrays, which
            are aligned by name and must have the same coordinates.
        slack: relative rounding error of the two sides, >= 0.
        name: of the evidence.

    Returns:
        Evidence: of kind ``bound``; ``measured`` and ``predicted`` are both sides at the worst place, where measured is
        furthest beyond the bound or nearest to it, relative to the bound's size; ``details`` name it.

    Raises:
        ClaimFailedError: it fails somewhere; the message has the first and the worst place.
        InvalidInputError: shapes that do not fit, nothing to compare, a slack that cannot be used.

    Source: derived in this package.

    >>> assert_bound([0.5, 1.0], [1.0, 1.0]).details["worst"]
    '[1]'
    """
    __tracebackhide__ = True
    slack = number("slack", slack, least=0.0)
    left, right, place = _sides(measured, bound)
    with np.errstate(invalid="ignore"):
        # an infinite bound allows everything, with any slack
        allowed = np.where(np.isinf(right), right, right + slack * np.abs(right))
        fails = ~(left <= allowed)  # True for NaN
        over = np.where(left == right, 0.0, left - right)
    beyond = ratio(over, np.abs(right))
    # among places that hold a NaN cannot be; among those that fail it is the worst
    worst = first_worst(
        np.where(fails, np.where(np.isnan(beyond), np.inf, beyond), np.where(fails.any(), -np.inf, beyond))
    )
    details = {"worst": place(worst), "places": int(fails.size), "failing": int(fails.sum())}
    if fails.any():
        first = first_worst(fails)
        details["first"] = place(first)
    verdict = CONTRADICTED if fails.any() else SUPPORTED
    found = Evidence(name, "bound", verdict, float(left[worst]), float(right[worst]), None, slack, details=details)
    if verdict == SUPPORTED:
        return conclude(found)
    return conclude(
        found,
        f"  fails at {fails.sum()} of {fails.size} places (slack {slack:g})",
        f"  first at {place(first)}: measured {left[first]:.8g}, bound {right[first]:.8g}",
        f"  worst at {place(worst)}: measured {left[worst]:.8g}, bound {right[worst]:.8g} ({_beyond(beyond[worst])})",
        "  look at: the bound's assumptions at that place, and slack= where only rounding is beyond it",
    )


def _beyond(value):
    return "beyond it by infinitely much of it" if not np.isfinite(value) else f"beyond it by {value:.2g} of it"


def _sides(measured, bound):
    """Both sides as float64 arrays of one shape, and a function that puts an index into words."""
    if hasattr(measured, "dims") and hasattr(bound, "dims"):
        import xarray as xr

        try:
            measured, bound = xr.broadcast(*xr.align(measured, bound, join="exact"))
        except ValueError as error:
            raise InvalidInputError(f"the coordinates of measured and bound differ: {error}") from error
    named = measured if hasattr(measured, "dims") else None
    left, right = array("measured", measured).astype(float), array("bound", bound).astype(float)
    try:
        left, right = np.broadcast_arrays(left, right)
    except ValueError as error:
        raise InvalidInputError(
            f"measured has shape {left.shape} and bound {right.shape}, which do not fit; give a bound for every place"
        ) from error
    if named is None or named.shape != left.shape:
        return left, right, lambda index: f"[{', '.join(map(str, index))}]"
    return (
        left,
        right,
        lambda index: ", ".join(_at(named, d, i) for d, i in zip(named.dims, index, strict=True)) or "[]",
    )


def _at(named, dimension, i):
    return f"{dimension} {named[dimension].values[i]}" if dimension in named.coords else f"{dimension} number {i}"
