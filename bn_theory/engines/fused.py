"""A separable loss on a device: one kernel runs all steps of a chunk, its records come back, the next chunk follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from bn_theory.engines.cuda_source import Kernel, kernel
from bn_theory.engines.memory import numbers, starts, tables, trajectory
from bn_theory.engines.problem import Problem, Trajectory
from bn_theory.engines.program import lower
from bn_theory.errors import DeviceError, DeviceMemoryError
from bn_theory.losses.philox import seed_words

_TABLE = 2**21  # learning rates held at once, so that memory does not grow with the steps
_RECORDED = 2**25  # numbers recorded by one launch (256 MiB)
_WORK = 2**34  # coordinate-steps of one launch: a fraction of a second between two calls of the progress bar
_STEPS = 2**18  # steps of one launch, for the same reason where few replicas leave the device waiting for itself


class Device(Protocol):
    """Where kernels run. Arrays are the device's own, contiguous, on one axis or two."""

    name: str

    def free_bytes(self) -> int:
        """Memory that can be had."""

    def upload(self, array: np.ndarray) -> Any:
        """A copy on the device."""

    def empty(self, count: int, dtype) -> Any:
        """Room for so many numbers."""

    def download(self, array) -> np.ndarray:
        """A copy on the host, of the same shape."""

    def launch(self, kernel: Kernel, blocks: int, arguments) -> None:
        """Run a kernel to its end; numbers among the arguments are Python's, arrays the device's."""


def run_fused(problem: Problem, device: Device, kind: str | None = None) -> Trajectory:
    """Run a problem on a device.

    Args:
        kind: ``"thread"`` or ``"block"`` kernel; ``None`` chooses by the number of coordinates alone, so that a
            replica's trajectory does not depend on how many run beside it.

    Raises:
        DeviceMemoryError: it does not fit; the message names the number of replicas that does.
        DeviceError: the device failed; ``trajectory`` holds the records of the chunks before.
        LoweringError: a function without a form in CUDA C++.
    """
    loss, method = problem.loss, problem.method
    program = lower(loss, method.kind)
    real = np.dtype(problem.dtype)
    code = kernel(program, [loss.dimensions[axis.groups[0]] for axis in program.axes], problem.dtype, kind)
    weights, slots = starts(program, problem)
    cases, replicas = numbers(problem)
    units, fields, last = len(cases), len(program.fields), int(problem.records[-1])
    schedules = [method.coefficient(*c) for c in program.coefficients]
    rows = sum(s.cases or 1 for s in schedules)
    data = tables(program, problem)
    width = sum(w.shape[1] for w in weights)
    held = width * (2 if program.kind.momentum else 1)
    chunk = int(max(64, min(_TABLE // rows, _STEPS, _WORK // (units * width))))
    memory = _Memory(
        per_unit=held * real.itemsize + 8 * len(slots) + 8,
        recorded=8 * fields,
        records=len(problem.records),
        shared=real.itemsize * (sum(t.size for t in data) + rows * min(chunk, last + 1)) + 8 * len(problem.records),
        free=device.free_bytes(),
    )
    if memory.need(units) > memory.free:
        raise _too_large(problem, width, memory)
    room = memory.room(units)
    out = np.full((units, len(problem.records), fields), np.nan)
    try:
        # Replica-fastest, (coordinate, replica): neighbouring threads read neighbouring numbers.
        on_device = [device.upload(np.ascontiguousarray(w.T, dtype=real)) for w in weights]
        buffers = [device.upload(np.zeros(w.T.shape, dtype=real)) for w in weights if program.kind.momentum]
        kept = device.upload(slots)
        fixed = [device.upload(cases.astype(np.int32)), device.upload(replicas.astype(np.uint32))]
        key = seed_words(problem.seed)
        records = device.upload(problem.records)
        given = [(device.upload(np.ascontiguousarray(table.T, dtype=real)), len(table)) for table in data]
        first = record = 0
        while True:
            end = min(first + chunk, last)
            if record + room < len(problem.records):
                # At least one step: the last record may then come with one more.
                end = min(end, max(int(problem.records[record + room]), first + 1))
            upto = int(np.searchsorted(problem.records, end)) if end < last else len(problem.records)
            rates = [s.values(first, max(end, first + 1)) for s in schedules]
            rates = [(device.upload(np.ascontiguousarray(r, dtype=real)), len(r)) for r in rates]
            fresh = None  # two of them at a time would not fit
            fresh = device.empty(max(upto - record, 1) * fields * units, np.float64)
            device.launch(
                code,
                code.blocks(units),
                [
                    *(units, first, end, int(end == last), record, len(problem.records), *fixed, *key, records, kept),
                    *(fresh, *on_device, *buffers, *(a for pair in (*given, *rates) for a in pair)),
                ],
            )
            if upto > record:
                found = device.download(fresh).reshape(-1, fields, units)[: upto - record]
                out[:, record:upto] = found.transpose(2, 0, 1)
            problem.advance(end - first)
            if end == last:
                break
            first, record = end, upto
        weights = [device.download(w).T.astype(float) for w in on_device]
        slots = device.download(kept)
    except DeviceError as error:
        weights = [np.full_like(w, np.nan) for w in weights]
        slots = np.full_like(slots, np.nan)
        for name in ("diverged", "swallowed"):
            slots[program.slots.index(name)] = -1
        error.trajectory = trajectory(program, problem, weights, slots, out)
        raise
    return trajectory(program, problem, weights, slots, out)


@dataclass(frozen=True)
class _Memory:
    """Bytes of a run on a device.

    Attributes:
        per_unit: of a replica's weights, slots and numbers.
        recorded: of one record of one replica.
        records: how many there are.
        shared: what all replicas share.
        free: what can be had before anything is allocated.
    """

    per_unit: int
    recorded: int
    records: int
    shared: int
    free: int

    def room(self, units):
        """Records that one launch may make."""
        return max(1, 8 * _RECORDED // (self.recorded * units))

    def need(self, units):
        """Everything, with one record more than the room of a launch (the last one)."""
        return self.shared + units * (self.per_unit + self.recorded * min(self.room(units) + 1, self.records))

    def fit(self, cases, replicas):
        """The largest number of replicas that fits, by bisection: more replicas never need less."""
        low, high = 0, replicas
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self._most(cases * middle) <= self.free else (low, middle - 1)
        return low

    def _most(self, units):
        """An increasing bound on what so many replicas need: rounding the room down may save a few bytes."""
        records = min(8 * _RECORDED + 2 * self.recorded * units, self.recorded * units * self.records)
        return self.shared + units * self.per_unit + records


def _too_large(problem, width, memory):
    cases, replicas = problem.shape
    fit = memory.fit(cases, replicas)
    times = f"{cases} cases x " if cases > 1 else ""
    way = f"{fit} replicas fit" if fit else "not even one replica fits; take fewer cases, coordinates or records"
    return DeviceMemoryError(
        f"{times}{replicas} replicas x {width} coordinates with {len(problem.records)} records need "
        f"{memory.need(cases * replicas) / 2**20:.1f} MiB of device memory, and {memory.free / 2**20:.1f} MiB are "
        f"free: {way} (replica numbers can be run in parts: replicas=range(a, b))"
    )
