"""The whole benchmark: limits of the machine, then one workload after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bn_theory import engines
from bn_theory.bench import machine, references
from bn_theory.bench.measure import ENGINE, REFERENCE, Contender, LeftOut, Measured, Plan, measure
from bn_theory.bench.names import REFERENCE_WORKLOADS, REFERENCES, WORKLOADS, known
from bn_theory.bench.roofline import Roofline, faster, measure_fma, measure_roofline
from bn_theory.bench.summary import Row, arithmetic_limit, summarise
from bn_theory.bench.workloads import workload
from bn_theory.errors import InvalidInputError

REPLICAS = 64
ALL_REPLICAS = (1, 64, 10_000)
"""Of the reference workload under ``full``."""
QUICK = Plan(seconds=0.2, repeats=3, growth_of=(ENGINE,))
FULL = Plan(seconds=0.3, repeats=7, growth_of=(ENGINE, REFERENCE))


@dataclass(frozen=True)
class Settings:
    """What was asked for.

    Attributes:
        engines: names of engines and references.
        workloads: names.
        full: more replicas, repeats, and the growth of references too.
        scale: factor on the length of every call.
    """

    engines: tuple[str, ...]
    workloads: tuple[str, ...] = WORKLOADS
    full: bool = False
    scale: float = 1.0


@dataclass(frozen=True)
class Benchmark:
    """What was measured.

    Attributes:
        settings: what was asked for.
        environment: the machine and its software.
        gpu: the device that took part, or ``None``.
        cpu_limits, gpu_limits: the highest of those measured before, between and after the workloads.
        rows: one per workload, replicas and contender.
        left_out: what was asked for and not measured.
        seconds: all of it.
    """

    settings: Settings
    environment: dict
    gpu: dict | None
    cpu_limits: Roofline
    gpu_limits: Roofline | None
    rows: tuple[Row, ...]
    left_out: tuple[LeftOut, ...]
    seconds: float


def contenders(names: Sequence[str]) -> tuple[list[Contender], list[LeftOut]]:
    """The contenders that can run on this machine, and the others with their reasons.

    Raises:
        UnknownNameError: neither an engine nor a reference.
    """
    able, left = [], []
    for name in dict.fromkeys(names):
        known("engine or reference", name, (*engines.ENGINES, *engines.VARIANTS, *REFERENCES))
        own = name not in REFERENCES
        reason = (engines if own else references).unavailable(name)
        if reason is None:
            able.append(Contender(name, ENGINE if own else REFERENCE))
        else:
            left.append(LeftOut(name, None, reason))
    return able, left


def run(
    settings: Settings,
    doing: Callable[[str], None] = lambda text: None,
    done: Callable[[str], None] = lambda text: None,
) -> Benchmark:
    """Measure everything that was asked for and can run here.

    Args:
        doing, done: told what is being measured, and what was.

    Raises:
        UnknownNameError: an engine, reference or workload that there is not.
        InvalidInputError: nothing of what was asked for can run here.
    """
    began, load = time.perf_counter(), machine.load()
    for name in settings.workloads:
        known("workload", name, WORKLOADS)
    able, left = contenders(settings.engines)
    if not able:
        raise InvalidInputError("nothing to run: " + "; ".join(f"{item.engine}: {item.reason}" for item in left))
    doing("the machine's limits")
    cpu_limits = measure_roofline(settings.scale)
    gpu, gpu_limits = _gpu(able, settings.scale)
    plan = FULL if settings.full else QUICK
    plan = Plan(plan.seconds * settings.scale, plan.repeats, plan.growth_of)
    groups = []
    for name in settings.workloads:
        item, since = workload(name), time.perf_counter()
        many = ALL_REPLICAS if settings.full and name in REFERENCE_WORKLOADS else (REPLICAS,)
        for replicas in many:
            measured, not_run = measure(item, replicas, able, plan, doing)
            groups.append((item, measured))
            left += not_run
        # Again and again: the machine may have been busy with something else, which is no limit of it.
        cpu_limits = faster(cpu_limits, Roofline(measure_fma(settings.scale), cpu_limits.triad))
        done(f"{name}: {time.perf_counter() - since:.1f} s")
    doing("the machine's limits once more")
    cpu_limits = faster(cpu_limits, measure_roofline(settings.scale))
    if gpu_limits is not None:
        gpu_limits = faster(gpu_limits, _gpu(able, settings.scale)[1])
    rows = [row for item, measured in groups for row in summarise(measured, _limits(item, cpu_limits, gpu_limits))]
    seconds = time.perf_counter() - began
    return Benchmark(
        settings, machine.environment(load), gpu, cpu_limits, gpu_limits, tuple(rows), tuple(left), seconds
    )


def _gpu(able, scale):
    """The device and its limits, if anything that is to run lives there and CuPy can be asked."""
    if not any(c.on_gpu for c in able) or references.unavailable("eager_cupy") is not None:
        return None, None
    from bn_theory.bench.roofline_gpu import measure_gpu

    return machine.gpu(), measure_gpu(scale)


def _limits(item, cpu_limits, gpu_limits):
    def limit(measured: Measured):
        limits = gpu_limits if measured.contender.on_gpu else cpu_limits
        return None if limits is None else arithmetic_limit(limits.fma.per_second, item.loss, item.method)

    return limit
