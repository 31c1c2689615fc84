"""When characteristics cross first.

Characteristics of ``v_s + v v_x = 0`` are ``x = y + s f'(y)``, and ``v_x = f''/(1 + s f'')`` along them. With
``kappa = -inf f'' > 0``, attained at ``y_0``, they cross first at ``s* = 1/kappa``, in ``x_c = y_0 + s* f'(y_0)``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bn_theory.errors import InvalidInputError
from bn_theory.local_entropy import checks
from bn_theory.local_entropy.potentials import ROUNDING, Potential, checked

GRID = 20_001
NEWTON = 60
SETTLED = 1e-9
"""``|f'''|`` over its largest on the grid: below it Newton's method has settled where ``f''`` is lowest."""


@dataclass(frozen=True)
class Shock:
    """The first crossing of characteristics; dimensionless.

    Attributes:
        time: ``s* = -1/inf f''``; infinite if ``f''`` is nowhere negative.
        start, place: ``y_0`` where ``f''`` is lowest, and ``x_c`` (NaN without a shock).
        kappa: ``-inf f''`` (0 or less without a shock).
        jets: derivatives of ``f`` of orders 0 to 8 at ``y_0``; the fourth is 0 where it is only rounding.
    """

    time: float
    start: float
    place: float
    kappa: float
    jets: tuple[float, ...]


def shock_time(potential: Potential) -> Shock:
    """When and where characteristics that start on the potential's interval cross first, ``s* = -1/inf f''``.

    The lowest ``f''`` of a grid over the interval, then Newton's method for ``f''' = 0``.

    Returns:
        :class:`Shock`.

    Raises:
        InvalidInputError: ``f''`` is lowest at an end of the interval and still falls there, so that its infimum is
            elsewhere; or no :class:`Potential`.

    Source: derived in this package (``shock2026.shock_time``).

    >>> import sympy
    >>> from bn_theory.local_entropy import line
    >>> y = sympy.Symbol("y", real=True)
    >>> shock_time(line((y**2 - 1) ** 2 / 4, lowest=0.0)).time
    1.0
    """
    grid = np.linspace(*checked(potential).interval, GRID)
    second = checks.values_of(lambda y: potential.derivative(y, 2), grid)
    at = int(np.argmin(second))
    if not second[at] < 0:
        return Shock(math.inf, math.nan, math.nan, -float(second[at]), ())
    start, step = float(grid[at]), float(grid[1] - grid[0])
    for _ in range(NEWTON):
        third, fourth = (float(potential.derivative(start, k)) for k in (3, 4))
        if third == 0 or not fourth > 0:
            break
        move = -third / fourth
        if abs(start + move - grid[at]) > 2 * step:
            break
        start += move
        if abs(move) < 1e-15 * max(1.0, abs(start)):
            break
    jets = [float(potential.derivative(start, k)) for k in range(9)]
    third, fourth = (float(np.max(np.abs(potential.derivative(grid, k)))) for k in (3, 4))
    if at in (0, GRID - 1) and abs(jets[3]) > SETTLED * third:
        raise InvalidInputError(
            f"{potential.name}: f'' is lowest at {grid[at]:g}, an end of {potential.interval}, and falls further "
            "beyond it; give an interval= around where it is lowest"
        )
    if abs(jets[4]) <= ROUNDING * fourth:
        jets[4] = 0.0
    kappa = -jets[2]
    return Shock(1 / kappa, start, start + jets[1] / kappa, kappa, tuple(jets))


def crossing_time(potential: Potential, cells: int = 4096) -> float:
    """The largest ``s`` up to which ``y + s f'(y)`` increases along a grid over the interval; infinite if always.

    At or above ``s*``, as a chord of ``f'`` is at least as steep as ``inf f''``; above by a share of at most
    ``sup|f''''| h^2/(2 kappa - sup|f''''| h^2)``, h the spacing, as some cell begins within h of the lowest ``f''``.

    Args:
        potential: ``f``. cells: of the grid over the potential's interval.

    Raises:
        InvalidInputError: fewer than 8 cells, or no :class:`Potential`.

    >>> from bn_theory.local_entropy import circle
    >>> bool(1 <= crossing_time(circle(np.cos)) < 1 + 1e-6)
    True
    """
    grid = np.linspace(*checked(potential).interval, checks.whole("cells", cells, 8) + 1)
    chord = np.diff(checks.values_of(lambda y: potential.derivative(y, 1), grid)) / np.diff(grid)
    steepest = -float(chord.min())
    return 1 / steepest if steepest > 0 else math.inf
