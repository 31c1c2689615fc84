"""The arrays that a kernel works on: a problem laid out for it, and its records read back as a ``Trajectory``."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from bn_theory.engines.problem import Problem, Trajectory
from bn_theory.engines.program import Program
from bn_theory.engines.simd import WIDTH


def starts(program: Program, problem: Problem) -> tuple[list[np.ndarray], np.ndarray]:
    """Weights ``(units, d)`` per group and slots ``(slots, units)`` before the first step.

    A unit is a replica of a case, the replicas of the first case first.
    """
    units = problem.shape[0] * problem.shape[1]
    weights = [problem.start[g].reshape(units, -1) for g in program.groups]
    first = {"lowest": np.inf, "diverged": -1.0, "swallowed": -1.0} | {
        f"p_{p}": problem.start[p].reshape(units) for p in program.parameters
    }
    slots = np.stack([np.broadcast_to(first.get(name, 0.0), (units,)) for name in program.slots])
    return weights, slots


def numbers(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """The case and the replica number of every unit."""
    cases, replicas = problem.shape
    return np.repeat(np.arange(cases), replicas), np.tile(np.asarray(problem.replicas, dtype=np.uint64), cases)


def tables(program: Program, problem: Problem) -> list[np.ndarray]:
    """Data of shape ``(cases or 1, d)``, scalars with ``d = 1``, in the order of ``program.data``."""
    loss = problem.loss
    found = []
    for name in program.data:
        array = loss.data[name]
        array = array if array.ndim == loss.case_ndim(name) else array[None]
        found.append(np.ascontiguousarray(array if array.ndim == 2 else array[:, None]))
    return found


def trajectory(program: Program, problem: Problem, weights, slots, out) -> Trajectory:
    """From records ``(units, records, fields)``, final weights ``(units, d)`` and slots ``(slots, units)``."""
    shape, groups = problem.shape, len(program.groups)
    ends = [4 + k * groups for k in range(4)]
    out = out.reshape(*shape, *out.shape[1:])
    final = {g: np.ascontiguousarray(w).reshape(*shape, -1) for g, w in zip(program.groups, weights, strict=True)}
    final |= {p: slots[program.slots.index(f"p_{p}")].reshape(shape).copy() for p in program.parameters}
    diverged, swallowed = (
        slots[program.slots.index(name)].reshape(shape).astype(np.int64) for name in ("diverged", "swallowed")
    )
    return Trajectory(
        *(out[..., i] for i in range(4)),
        *(out[..., low:high] for low, high in pairwise(ends)),
        out[..., ends[-1] :],
        final,
        diverged,
        swallowed=swallowed,
    )


class Rows:
    """A replica's coordinates side by side, filled up with copies of the last one to whole vectors."""

    def __init__(self, program: Program, problem: Problem):
        self.program = program
        weights, slots = starts(program, problem)
        self.cases, self.replicas = numbers(problem)
        self.units = len(self.cases)
        self.sizes = [w.shape[1] for w in weights]
        self.weights = [_padded(w).reshape(-1) for w in weights]
        self.velocities = [np.zeros_like(w) for w in self.weights if program.kind.momentum]
        scalars = set(program.scalars)
        pairs = zip(program.data, tables(program, problem), strict=True)
        self.data = [table if name in scalars else _padded(table) for name, table in pairs]
        self.slots = np.ascontiguousarray(slots.T).reshape(-1)
        self.records = len(problem.records)
        self.out = np.full(self.units * self.records * len(program.fields), np.nan)

    def read(self):
        """``(weights, slots, out)`` as :func:`trajectory` takes them."""
        weights = [w.reshape(self.units, -1)[:, :d] for w, d in zip(self.weights, self.sizes, strict=True)]
        return weights, self.slots.reshape(self.units, -1).T, self.out.reshape(self.units, self.records, -1)


class Vectors:
    """``WIDTH`` replicas side by side, filled up with copies of the last one to whole vectors."""

    def __init__(self, program: Program, problem: Problem):
        weights, slots = starts(program, problem)
        cases, replicas = numbers(problem)
        self.count = len(cases)
        self.cases, self.replicas = _padded(cases), _padded(replicas)
        self.units = len(self.cases) // WIDTH
        self.weights = [_lanes(w.T) for w in weights]
        self.velocities = [np.zeros_like(w) for w in self.weights if program.kind.momentum]
        self.data = tables(program, problem)
        self.slots = _lanes(slots)
        self.records = len(problem.records)
        self.out = np.full(self.units * self.records * len(program.fields) * WIDTH, np.nan)

    def read(self):
        """``(weights, slots, out)`` as :func:`trajectory` takes them."""
        weights, slots = [self._units_last(w) for w in self.weights], self._units_last(self.slots)
        out = self.out.reshape(self.units, self.records, -1, WIDTH).transpose(0, 3, 1, 2)
        return [w.T for w in weights], slots, out.reshape(-1, *out.shape[2:])[: self.count]

    def _units_last(self, array):
        turned = array.reshape(self.units, -1, WIDTH).transpose(1, 0, 2)
        return turned.reshape(turned.shape[0], -1)[:, : self.count]


def _padded(array):
    """Copies of the last entry up to a multiple of ``WIDTH`` along the last axis."""
    missing = -array.shape[-1] % WIDTH
    return np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, missing)], mode="edge")


def _lanes(array):
    """``(rows, units)`` as vectors of units, ``(units / WIDTH, rows, WIDTH)``, on one axis."""
    array = _padded(array)
    return np.ascontiguousarray(array.reshape(len(array), -1, WIDTH).transpose(1, 0, 2)).reshape(-1)
