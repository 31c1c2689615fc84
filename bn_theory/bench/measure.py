"""Times and memory of the contenders on one workload, all of them interleaved."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import bn_theory as bn
from bn_theory.bench import memory, references
from bn_theory.bench.memory import Peak
from bn_theory.engines import engine_named
from bn_theory.errors import BnTheoryError

ENGINE, REFERENCE = "engine", "reference"
FACTOR = 10
"""Growth is measured from T to 10 T steps and from R to 10 R replicas."""
LARGEST_STATE, LARGEST_FUSED = 2**23, 2**26
"""Coordinates of all replicas: an eager step holds half a dozen such arrays (64 MiB), a fused loop one (512 MiB)."""
_FUSED = ("numba", "cupy")
_PILOT = 10
_ENOUGH, _PATIENCE = 100, 5
_RUNS = ("main", "short", "wide")  # as in Measured


@dataclass(frozen=True)
class Contender:
    """An engine of this package (``kind`` ``"engine"``) or an outside reference (``"reference"``)."""

    name: str
    kind: str

    @property
    def on_gpu(self) -> bool:
        """Whether the work is done on a GPU."""
        return references.on_gpu(self.name) if self.kind == REFERENCE else self.name.startswith("cupy")


@dataclass(frozen=True)
class LeftOut:
    """Something that was not measured; ``workload`` is ``None`` where that holds for all of them."""

    engine: str
    workload: str | None
    reason: str


@dataclass(frozen=True)
class Run:
    """Repeats of one call: seconds of each, and the peak memory of one more that was not timed."""

    steps: int
    replicas: int
    seconds: tuple[float, ...]
    peak: Peak


@dataclass(frozen=True)
class Measured:
    """One contender on one workload: 10 T steps; T steps; and T steps with 10 times the replicas.

    Attributes:
        coordinates: of one replica.
        main: 10 T steps of R replicas.
        short: T steps of R replicas, or ``None`` where growth was not asked for.
        wide: T steps of 10 R replicas, or ``None`` as well where these are too many.
    """

    workload: str
    contender: Contender
    coordinates: int
    main: Run
    short: Run | None
    wide: Run | None


@dataclass(frozen=True)
class Plan:
    """How thoroughly to measure.

    Attributes:
        seconds: aimed length of the main call.
        repeats: times that every call is timed.
        growth_of: kinds of contenders whose growth is measured.
    """

    seconds: float
    repeats: int
    growth_of: tuple[str, ...]


def refuses(contender: Contender, workload) -> str | None:
    """Why a contender does not run a workload, or ``None``."""
    if contender.kind == REFERENCE:
        return references.refuses(contender.name, workload)
    return engine_named(contender.name).refuses(workload.loss)


def prepare(contender: Contender, workload, replicas: int) -> Callable[[int], object]:
    """``call(steps)``: everything that a user waits for, the start alone being made before."""
    if contender.kind == REFERENCE:
        return references.prepare(contender.name, workload, replicas)
    loss, method, start, name = workload.loss, workload.method, workload.start(replicas), contender.name
    return lambda steps: bn.run(loss, method, start, steps=steps, replicas=replicas, engine=name, progress=False)


def measure(
    workload, replicas: int, contenders, plan: Plan, doing: Callable[[str], None] = lambda text: None
) -> tuple[list[Measured], list[LeftOut]]:
    """Measure contenders on a workload: in every repeat one after the other, so that what slows one slows all.

    A warm-up call of the same shapes, which compiles, comes before. An outside reference that raises is left out
    with its error; so is an engine that raises one of the package's errors.
    """
    prepared, left = [], []
    for contender in contenders:
        doing(f"{workload.name}, {replicas} replicas: {contender.name} prepares")
        reason = refuses(contender, workload)
        if reason is None and workload.coordinates * replicas > _largest(contender):
            reason = f"{replicas} replicas have more than {_largest(contender)} coordinates"
        if reason is None:
            try:
                prepared.append((contender, _calls(contender, workload, replicas, plan)))
            except BnTheoryError as error:
                reason = str(error)
            except Exception as error:
                # What another library raises, or with which class, is not known here; a defect of ours is.
                if contender.kind != REFERENCE:
                    raise
                reason = f"{type(error).__name__}: {error}"
        if reason is not None:
            left.append(LeftOut(contender.name, workload.name, reason))
    for repeat in range(plan.repeats):
        doing(f"{workload.name}, {replicas} replicas: repeat {repeat + 1} of {plan.repeats}")
        # Runs of one kind side by side: it is they whose ratios are taken.
        for kind in _RUNS:
            for _, calls in prepared:
                if kind in calls:
                    calls[kind].time()
    return [
        Measured(
            workload.name, contender, workload.coordinates, *(c.done() if (c := calls.get(k)) else None for k in _RUNS)
        )
        for contender, calls in prepared
    ], left


class _Call:
    """A warmed-up call that collects its seconds."""

    def __init__(self, call, steps, replicas, peak):
        self.call, self.steps, self.replicas, self.seconds = call, steps, replicas, []
        call(steps)
        self.peak = peak(lambda: call(steps))

    def time(self):
        self.seconds.append(_seconds(self.call, self.steps))

    def done(self):
        return Run(self.steps, self.replicas, tuple(self.seconds), self.peak)


def _calls(contender, workload, replicas, plan):
    call = prepare(contender, workload, replicas)
    steps = planned_steps(call, plan.seconds)
    peak = _peak(contender)
    calls = {"main": _Call(call, steps, replicas, peak)}
    if contender.kind in plan.growth_of:
        short = steps // FACTOR
        calls["short"] = _Call(call, short, replicas, peak)
        if workload.coordinates * replicas * FACTOR <= _largest(contender):
            wide = prepare(contender, workload, FACTOR * replicas)
            calls["wide"] = _Call(wide, short, FACTOR * replicas, peak)
    return calls


def _largest(contender):
    return LARGEST_FUSED if contender.name.partition("-")[0] in _FUSED else LARGEST_STATE


def _peak(contender):
    if not contender.on_gpu:
        return memory.peak_resident
    if "jax" in contender.name:
        return lambda call: Peak(None, "JAX does not tell the peak of a single call on the device")
    return memory.peak_pool


def planned_steps(call: Callable[[int], object], seconds: float) -> int:
    """Steps, a multiple of 10, with which a call takes about that long; found by calls that grow.

    Slow steps get up to 5 times as long for 100 of them: a run of T steps evaluates its loss T + 1 times, which would
    pass for growth that is not linear if T were 1.
    """
    steps = _PILOT
    while True:
        call(steps)  # compiles, for those that compile for a number of steps
        taken = min(_seconds(call, steps) for _ in range(2))  # one that was disturbed would end the search too early
        wanted = steps * seconds / taken
        if wanted < _ENOUGH:
            wanted = min(_ENOUGH, _PATIENCE * wanted)
        if taken >= seconds / 2 or wanted <= _ENOUGH:
            return max(1, round(wanted / FACTOR)) * FACTOR
        # Mostly the set-up so far: what is wanted cannot be told from it.
        steps = 16 * steps if taken < seconds / 20 else round(wanted)


def _seconds(call, steps):
    began = time.perf_counter()
    call(steps)
    return time.perf_counter() - began
