"""The readable law: every engine must agree with this loop to rounding."""

from __future__ import annotations

import numpy as np

from bn_theory.engines.array_loop import advance, begin, diverging, measure, recorded, records_of
from bn_theory.engines.problem import Problem, Trajectory

TILE = 32
"""Steps whose noise and rates are made together: NumPy's cost is per call, and one draw makes hundreds of calls."""


class NumpyEngine:
    """All cases and replicas at once, one step after the other, in plain NumPy."""

    name = "numpy"
    dtypes = ("float64",)

    def refuses(self, loss):
        """Runs every loss."""
        return None

    def run(self, problem: Problem) -> Trajectory:
        """Run the problem; see :class:`bn_theory.engines.problem.Trajectory`."""
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # divergence is recorded, not warned of
            return _run(problem)


def _run(problem):
    loss, method, out = problem.loss, problem.method, Trajectory.empty(problem)
    carried = begin(np, loss, method, {name: array.copy() for name, array in problem.start.items()})
    schedules = method.coefficients(loss)
    targets, diverged = records_of(loss, out), out.diverged
    last = int(problem.records[-1])
    record = 0
    for t in range(last + 1):
        k = t % TILE
        if k == 0:
            numbers = {c: schedule.values(t, min(t + TILE, last + 1)) for c, schedule in schedules.items()}
            if method.sampled:
                tile = loss.draw(problem.seed, problem.replicas, np.arange(t, t + TILE))
        measured = measure(np, loss, method, carried.state, _at(tile, k) if method.sampled else None)
        if t == problem.records[record]:
            for target, found in zip(targets, recorded(loss, carried, measured), strict=True):
                target[..., record] = found
            record += 1
        diverged = diverging(np, diverged, measured, t)
        if t == last:
            break
        now = {c: table[:, k : k + 1] for c, table in numbers.items()}  # (cases or 1, 1)
        carried = advance(np, loss, method, carried, measured, now)
        problem.advance(1)
    out.final.update(carried.state)
    out.diverged[...] = diverged
    return out


def _at(tile, k):
    return {name: z[k] for name, z in tile.items()} if isinstance(tile, dict) else tile[k]
