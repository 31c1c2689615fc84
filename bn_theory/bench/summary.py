"""From raw seconds to rates, ratios, shares and growth; a ratio is taken within one repeat."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from bn_theory.bench import memory
from bn_theory.bench.measure import ENGINE, REFERENCE, Measured

BASELINE = "numpy"


@dataclass(frozen=True)
class Spread:
    """Median, smallest and largest over the repeats."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Row:
    """Figures of one contender on one workload.

    Attributes:
        measured: what they come from.
        rate: coordinate-steps a second, all replicas together.
        nanoseconds: for one coordinate and step.
        over_numpy: how many times faster than this package's engine ``numpy``.
        over_reference: how many times faster than the fastest outside reference, called ``reference``.
        limit: coordinate-steps a second that the machine's arithmetic allows this workload; ``share`` of it.
        time_steps, time_replicas: growth of the time from T to 10 T steps, from R to 10 R replicas.
        memory_steps, memory_replicas: growth of the peak memory.

    ``None`` where there is nothing to compare with, or no limit is known.
    """

    measured: Measured
    rate: Spread
    nanoseconds: Spread
    over_numpy: Spread | None
    over_reference: Spread | None
    reference: str | None
    limit: float | None
    share: Spread | None
    time_steps: Spread | None
    time_replicas: Spread | None
    memory_steps: float | None
    memory_replicas: float | None


def spread(values: Sequence[float]) -> Spread:
    """Median, minimum and maximum.

    >>> spread([3.0, 1.0, 2.0])
    Spread(median=2.0, low=1.0, high=3.0)
    """
    return Spread(float(median(values)), float(min(values)), float(max(values)))


def ratios(seconds: Sequence[float], work: float, others: Sequence[float], other_work: float) -> Spread:
    """How many times faster the first is than the second: ``(work/seconds) / (other_work/others)``, repeat by repeat.

    >>> ratios([1.0, 2.0], 10.0, [4.0, 6.0], 10.0)
    Spread(median=3.5, low=3.0, high=4.0)
    """
    pairs = zip(seconds, others, strict=True)
    return spread([work / mine / (other_work / theirs) for mine, theirs in pairs])


def summarise(measured: Sequence[Measured], limit: Callable[[Measured], float | None]) -> list[Row]:
    """Figures of all contenders that ran one workload with the same number of replicas.

    Args:
        measured: one per contender, measured in the same repeats.
        limit: coordinate-steps a second that the machine allows, or ``None``.
    """
    baseline = next((m for m in measured if m.contender.kind == ENGINE and m.contender.name == BASELINE), None)
    outside = [m for m in measured if m.contender.kind == REFERENCE]
    fastest = max(outside, key=lambda m: spread(_rates(m)).median, default=None)
    return [_row(m, baseline, fastest, limit(m)) for m in measured]


def arithmetic_limit(per_second: float, loss, method) -> float | None:
    """Coordinate-steps a second when nothing but arithmetic takes time: multiply-adds a second over instructions.

    Every vector instruction of the loop over coordinates counts as one of the multiply-adds that the machine retires.
    ``None`` for losses given as array functions, whose instructions are not known.

    Args:
        per_second: fused multiply-adds of one double a second.
    """
    if not hasattr(loss, "derivatives"):
        return None
    from bn_theory.engines.operations import count

    return per_second / count(loss, method.kind).per_coordinate


def _work(measured):
    return float(measured.coordinates * measured.main.replicas * measured.main.steps)


def _rates(measured):
    return [_work(measured) / s for s in measured.main.seconds]


def _over(measured, other):
    if other is None:
        return None
    return ratios(measured.main.seconds, _work(measured), other.main.seconds, _work(other))


def _times(larger, smaller):
    if larger is None or smaller is None:
        return None
    return spread([a / b for a, b in zip(larger.seconds, smaller.seconds, strict=True)])


def _peak(run):
    return None if run is None else run.peak


def _row(measured, baseline, fastest, limit):
    rates, main, short, wide = _rates(measured), measured.main, measured.short, measured.wide
    return Row(
        measured,
        rate=spread(rates),
        nanoseconds=spread([1e9 / rate for rate in rates]),
        over_numpy=_over(measured, baseline),
        over_reference=_over(measured, fastest),
        reference=None if fastest is None else fastest.contender.name,
        limit=limit,
        share=None if limit is None else spread([rate / limit for rate in rates]),
        time_steps=_times(main, short),
        time_replicas=_times(wide, short),
        memory_steps=memory.growth(_peak(short), _peak(main)),
        memory_replicas=memory.growth(_peak(short), _peak(wide)),
    )
