"""What a loop across replicas needs besides vector instructions."""

from numba import njit

from bn_theory.engines.simd import WIDTH, pick, splat, with_lane


@njit(nogil=True, cache=True)
def at_lanes(table, case_of, unit, i):
    """``table[case, i]`` for the case of every lane of a unit; a table of one case serves all."""
    v = splat(table[0, i])
    if table.shape[0] > 1:
        for k in range(WIDTH):
            v = with_lane(v, k, table[case_of[unit * WIDTH + k] % table.shape[0], i])
    return v


rates_of = at_lanes
"""The learning rates of a step, from a table ``(cases, steps)``."""


@njit(nogil=True, cache=True)
def signum(x):
    """The sign of every lane, 0 at 0."""
    return pick(x, 0.0, pick(0.0, x, 0.0, -1.0), 1.0)
