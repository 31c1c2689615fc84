"""Losses given as array functions on a CUDA device: one step captured into a CUDA graph and launched for every step.

Everything that a step reads or writes lies in buffers on the device, at addresses that do not change: the graph reads
the step's number from a counter there, and with it the learning rates and the noise from tables that are refilled
between launches. Nothing returns to the host but full blocks of records.
"""

from __future__ import annotations

from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from bn_theory.engines.array_loop import (
    Carried,
    Measured,
    advance,
    begin,
    diverging,
    measure,
    recorded,
    records_of,
)
from bn_theory.engines.problem import Problem, Trajectory
from bn_theory.errors import InvalidInputError

# All lengths of tables are powers of two, so that a step's place in them is its number's last bits.
RATES = 1024
"""Steps of a table of learning rates."""
TILE = 256
"""Steps whose noise is drawn together at most: one draw is a few hundred launches."""
TILE_BYTES = 2**26
"""Size of that noise at most (but one step's)."""
BLOCK_BYTES = 2**26
"""Size of the records kept on the device at most (but one record's)."""


@dataclass(frozen=True)
class Buffers:
    """A run's arrays on the device, written in place.

    Attributes:
        xp: their namespace.
        problem: what is run.
        carried, measured: of the present step.
        diverged: first step whose numbers were not finite, or -1.
        t: the present step's number, shape ``()``.
        numbers: ``{(coefficient, name): table (cases or 1, RATES)}``.
        replicas: replica numbers.
        noise: samples of consecutive steps, a leading axis of steps; ``None`` for GD.
    """

    xp: Any
    problem: Problem
    carried: Carried
    measured: Measured
    diverged: Any
    t: Any
    numbers: dict[tuple[str, str], Any]
    replicas: Any
    noise: Any


def run_array_loss(problem: Problem, cupy) -> Trajectory:
    """Run a problem whose loss is given as array functions.

    Args:
        problem: its loss is an ``ArrayLoss``.
        cupy: the module.

    Returns:
        the trajectory; its notes have ``cuda_graph``: ``"captured"``, or why not.

    Raises:
        InvalidInputError: a function of the loss does not run on CuPy's arrays, or a precision other than float64.
    """
    if problem.dtype != "float64":
        raise InvalidInputError(
            f"{problem.loss.name} is given as array functions, which run in float64 only, not {problem.dtype}"
        )
    # What the loss's functions hold on the device may still be on its way there on the caller's stream.
    cupy.cuda.get_current_stream().synchronize()
    out = Trajectory.empty(problem)
    # Capture needs a stream that does not wait for the legacy default stream. The graph writes its temporary arrays
    # whenever it is launched: they come from a pool of their own, from which nothing else is given out afterwards.
    stream, pool = cupy.cuda.Stream(non_blocking=True), cupy.cuda.MemoryPool()
    with stream:
        _run(problem, cupy, stream, pool, out)
    return out


def _run(problem, cupy, stream, pool, out):
    last, records = int(problem.records[-1]), problem.records
    targets = records_of(problem.loss, out)
    size = max(1, min(len(records), BLOCK_BYTES // (8 * len(targets) * prod(problem.shape))))
    out.notes["cuda_graph"] = "not captured: the run has fewer than two steps"
    # Steps 0 and 1 by hand: they check the functions, compile the kernels, and fill the pool with what a step needs.
    with cupy.cuda.using_allocator(pool.malloc):
        block = cupy.asarray(np.zeros((size, len(targets), *problem.shape)))
        buffers = _start(problem, cupy)
    record = 0
    launch = partial(_step, buffers)
    for t in range(last + 1):
        if t > 0:
            _refill(buffers, t)
            with cupy.cuda.using_allocator(pool.malloc) if t <= 2 else nullcontext():
                if t == 2:
                    launch, out.notes["cuda_graph"] = _captured(stream, launch)
                launch()
            problem.advance(1)
        if t == records[record]:
            block[record % size, ...] = buffers.xp.stack(recorded(problem.loss, buffers.carried, buffers.measured))
            record += 1
            if record % size == 0 or record == len(records):
                first = (record - 1) // size * size
                stream.synchronize()
                filled = cupy.asnumpy(block)[: record - first]
                for i, target in enumerate(targets):
                    target[..., first:record] = np.moveaxis(filled[:, i], 0, -1)
    out.final.update({name: cupy.asnumpy(array) for name, array in buffers.carried.state.items()})
    out.diverged[...] = cupy.asnumpy(buffers.diverged)


def _start(problem, cupy) -> Buffers:
    """The buffers at step 0, measured."""
    loss, method = problem.loss, problem.method
    state = {name: cupy.asarray(array) for name, array in problem.start.items()}
    first = next(iter(state.values()))
    xp, device = array_namespace(first), first.device
    replicas, noise, sample = cupy.asarray(problem.replicas), None, None
    if method.sampled:
        sample = loss.draw(problem.seed, replicas, 0, xp=xp)
        tile = min(TILE, 2 ** max(0, (TILE_BYTES // (8 * prod(sample.shape))).bit_length() - 1))
        noise = xp.zeros((tile, *sample.shape), dtype=sample.dtype, device=device)
    loss.check(state, sample)
    measured = _map(lambda x: xp.asarray(x, copy=True), measure(xp, loss, method, state, sample))
    t = xp.zeros((), dtype=xp.int64, device=device)
    unmarked = xp.full(problem.shape, -1, dtype=xp.int64, device=device)
    shapes = {c: (schedule.cases or 1, RATES) for c, schedule in method.coefficients(loss).items()}
    numbers = {c: xp.zeros(shape, dtype=xp.float64, device=device) for c, shape in shapes.items()}
    carried, diverged = begin(xp, loss, method, state), diverging(xp, unmarked, measured, t)
    buffers = Buffers(xp, problem, carried, measured, diverged, t, numbers, replicas, noise)
    _refill(buffers, 0)
    return buffers


def _refill(buffers, t):
    """Before step ``t`` is measured: its noise, and the rate by which the step before leaves."""
    problem, last = buffers.problem, int(buffers.problem.records[-1])
    if buffers.noise is not None and t % buffers.noise.shape[0] == 0:
        steps = np.arange(t, t + buffers.noise.shape[0])
        buffers.noise[...] = problem.loss.draw(problem.seed, buffers.replicas, steps, xp=buffers.xp)
    if t % RATES == 1:
        until = min(t - 1 + RATES, last)
        for c, table in buffers.numbers.items():
            values = np.ascontiguousarray(problem.method.coefficient(*c).values(t - 1, until))
            table[:, : until - t + 1] = buffers.xp.asarray(values, device=table.device)


def _step(buffers):
    """Leave the present step and measure the next, all on the device: this is what the graph holds."""
    xp, loss, method, t = buffers.xp, buffers.problem.loss, buffers.problem.method, buffers.t
    now = {c: xp.take(table, _place(xp, t, RATES), axis=1) for c, table in buffers.numbers.items()}
    _store(buffers.carried, advance(xp, loss, method, buffers.carried, buffers.measured, now))
    t[...] = t + 1
    sample = None
    if buffers.noise is not None:
        sample = xp.take(buffers.noise, _place(xp, t, buffers.noise.shape[0]), axis=0)[0, ...]
    _store(buffers.measured, measure(xp, loss, method, buffers.carried.state, sample))
    buffers.diverged[...] = diverging(xp, buffers.diverged, buffers.measured, t)


def _place(xp, t, length):
    """Where step ``t`` is in a table whose length is a power of two, shape ``(1,)``."""
    return xp.reshape(t & (length - 1), (1,))


def _captured(stream, step):
    """``(launch, note)``: the step as a graph's launch, or itself where it cannot be captured."""
    try:
        stream.begin_capture()
        try:
            step()
        except BaseException:
            with suppress(Exception):  # the stream must leave the capture; the first error says why
                stream.end_capture()
            raise
        graph = stream.end_capture()
    except Exception as error:
        return step, f"not captured, every step launched by itself: {type(error).__name__}: {error}"
    return partial(graph.launch, stream), "captured"


def _map(function, values):
    """``function`` of every array of a ``Measured`` or ``Carried``."""
    return type(values)(
        *({n: function(x) for n, x in v.items()} if isinstance(v, dict) else function(v) for v in values)
    )


def _store(buffers, values):
    """Write every array in place."""
    for buffer, value in zip(buffers, values, strict=True):
        if isinstance(buffer, dict):
            for name, array in buffer.items():
                array[...] = value[name]
        else:
            buffer[...] = value
