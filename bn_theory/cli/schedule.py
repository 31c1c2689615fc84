"""``bn-theory schedule``."""

from __future__ import annotations

import itertools
import math
import textwrap
from dataclasses import dataclass

import numpy as np

from bn_theory.cli.output import show
from bn_theory.dynamics import Constant, Cosine, StepDecay, Warmup, equivalent_schedule
from bn_theory.dynamics.equivalence import roots
from bn_theory.errors import InvalidInputError, NoEquivalentScheduleError
from bn_theory.files import writable_target, write_whole
from bn_theory.provenance import described
from bn_theory.report import figures
from bn_theory.report.tables import Table

COLUMNS = ("step", "epoch", "lr_with_decay", "log_lr", "lr", "rescaled_lr", "weight_factor")
"""Of the CSV file: step and epoch from 0; the given rate; the equivalent one's natural logarithm and itself (``inf``
beyond float64); the rate in changing units and what weights are multiplied by (momentum buffers divided by) after the
step."""
PIECES = 8
"""Rows of the table for a cosine."""
WIDTH = 110


@dataclass(frozen=True)
class Segment:
    """Steps ``first .. last`` (inclusive) that share a row; ``rate`` where it is constant there, else ``None``."""

    first: int
    last: int
    rate: float | None


def run(options) -> int:
    """Print the equivalent schedule and write its files; 0.

    Raises:
        InvalidInputError: there is no equivalent schedule, a file that cannot be written, two files of one name.
        MissingExtraError: ``--plot`` without matplotlib.
    """
    csv, plot, kind = None, None, None
    if options.plot is not None:
        figures.need_matplotlib()
        kind, plot = figures.format_of(options.plot), writable_target(options.plot)
    if options.csv is not None:
        csv = writable_target(options.csv)
    if csv is not None and csv == plot:
        raise InvalidInputError(f"--csv and --plot are both {options.csv}; give two names")
    schedule = equivalent_schedule(
        _given(options),
        options.weight_decay,
        options.momentum,
        options.epochs * options.steps_per_epoch,
        steps_per_epoch=options.steps_per_epoch,
    )
    segments = _segments(options, schedule.eta)
    print(f"by          {described()}")
    print(f"given       {_described(options)}")
    print(f"equivalent  no weight decay, {_momentum(options)}, learning rate eta_t/(p_t p_{{t+1}}): trains every loss")
    print("            that is invariant under positive scaling of the weights to the same function, step by step")
    print(f"first rate  {_rate(schedule.log_lr[0])}")
    print(f"last rate   {_rate(schedule.log_lr[-1])}\n")
    show(_growth(options, schedule, segments), _drops(options, schedule, segments))
    print()
    for line in (*_notes(options, schedule, segments), *_overflow(schedule)):
        print(textwrap.fill(line, WIDTH, break_long_words=False, break_on_hyphens=False))
    if csv is not None:
        write_whole(csv, as_csv(schedule))
        print(f"schedule written to {options.csv}")
    if plot is not None:
        title = "\n".join(textwrap.fill(part, 90) for part in _described(options).split("; ", 1))
        figure = figures.equivalent_schedule(schedule, title=title)
        write_whole(plot, figures.as_bytes(figure, kind))
        print(f"figure written to {options.plot}")
    return 0


def as_csv(schedule) -> bytes:
    """A line for every step under ``COLUMNS``; numbers in full precision.

    Args:
        schedule: ``EquivalentSchedule`` with ``steps_per_epoch``.
    """
    rescaled = schedule.rescaled()
    steps = range(schedule.length)
    columns = (schedule.eta, schedule.log_lr, schedule.lr, rescaled.lr, rescaled.factors)
    rows = zip(steps, (t // schedule.steps_per_epoch for t in steps), *(c.tolist() for c in columns), strict=True)
    # repr is the shortest text that reads back as the same number
    return "\n".join([",".join(COLUMNS), *(",".join(map(repr, row)) for row in rows), ""]).encode("ascii")


def _given(options):
    """The schedule of the rates that were asked for."""
    n = options.steps_per_epoch
    if options.cosine:
        shape = Cosine(options.lr, options.epochs * n)
    elif options.decay:
        shape = StepDecay(options.lr, tuple((epoch * n, factor) for epoch, factor in options.decay))
    else:
        shape = Constant(options.lr)
    return shape if options.warmup is None else Warmup(shape, options.warmup * n)


def _described(options):
    drops = "".join(f", times {factor:g} at epoch {epoch}" for epoch, factor in options.decay)
    shape = ", cosine to 0" if options.cosine else drops
    rise = "" if options.warmup is None else f", warm-up over {_count(options.warmup, 'epoch')}"
    run = f"{_count(options.epochs, 'epoch')} of {_count(options.steps_per_epoch, 'step')}"
    return f"rate {options.lr:g}{shape}{rise}; weight decay {options.weight_decay:g}, {_momentum(options)}; {run}"


def _momentum(options):
    return f"momentum {options.momentum:g}" if options.momentum else "no momentum"


def _count(number, noun):
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _rate(log):
    """A rate by its natural logarithm, as text.

    >>> _rate(math.log(0.25)), _rate(1000.0), _rate(-math.inf)
    ('0.25 (log10 -0.6021)', 'log10 434.2945, beyond float64', '0')
    """
    if log == -math.inf:
        return "0"
    exponent = f"log10 {log / math.log(10):.4f}"
    return f"{math.exp(log):.6g} ({exponent})" if log < 709 else f"{exponent}, beyond float64"


def _segments(options, eta) -> list[Segment]:
    """The run cut at the end of the warm-up and at every drop; a cosine into ``PIECES`` of whole epochs."""
    n, rising = options.steps_per_epoch, options.warmup or 0
    cuts = {epoch for epoch, _ in options.decay} | {rising}
    if options.cosine:
        left = options.epochs - rising
        cuts |= {rising + left * k // PIECES for k in range(PIECES)}
    edges = sorted(cut * n for cut in cuts | {0, options.epochs})
    flat = [not options.cosine and first >= rising * n for first in edges]
    return [
        Segment(first, end - 1, float(eta[first]) if constant else None)
        for first, end, constant in zip(edges, edges[1:], flat, strict=False)
    ]


def _settled(options, segment) -> float | None:
    """The larger root ``a`` of a segment with a constant rate: the equivalent rate grows by ``a^-2`` a step there once
    the momentum buffer has settled. ``None`` for other segments, and where the roots are complex."""
    if segment.rate is None:
        return None
    try:
        return roots(segment.rate, options.weight_decay, options.momentum)[0]
    except NoEquivalentScheduleError:  # in a phase too short for p_t to reach 0
        return None


def _growth(options, schedule, segments):
    """How the equivalent rate grows in every segment: settled value, and what happens in its last epoch."""
    n, log, rows = options.steps_per_epoch, schedule.log_lr, []
    for segment in segments:
        a = _settled(options, segment)
        settled = ("-", "-") if a is None else (f"{a**-2:.9g}", _factor(-2 * n * math.log(a)))
        start = segment.last - n
        last = _factor(log[segment.last] - log[start]) if start >= segment.first else "-"
        ends = schedule.eta[[segment.first, segment.last]]
        rate = f"{segment.rate:g}" if segment.rate is not None else f"{ends[0]:.4g} to {ends[1]:.4g}"
        exponents = (f"{log[t] / math.log(10):.4f}" for t in (segment.first, segment.last))
        rows.append((f"{segment.first // n} to {segment.last // n}", rate, *settled, last, *exponents))
    columns = ("epochs", ">given rate", ">a step, settled", ">an epoch, settled", ">its last epoch", ">log10 first")
    return Table("Growth of the equivalent rate", (*columns, ">last"), tuple(rows))


def _drops(options, schedule, segments):
    """What the equivalent rate does where the given one is multiplied by a factor."""
    log, rows, factors = schedule.log_lr, [], dict(options.decay)
    for before, after in itertools.pairwise(segments):
        epoch = after.first // options.steps_per_epoch
        if epoch not in factors:
            continue
        a, b = _settled(options, before), _settled(options, after)
        closed = spread = "-"
        if a is not None and b is not None:
            closed = f"{after.rate / before.rate / (a * b):.7g}"
            # from the last rate before the drop to the settled line after it, followed back to the drop
            total = log[after.last] - log[before.last] + 2 * math.log(b) * (after.last - after.first)
            spread = f"{math.exp(total):.7g}"
        at_once = f"{math.exp(log[after.first] - log[before.last]):.7g}"
        rows.append((str(epoch), str(after.first), f"{factors[epoch]:g}", at_once, spread, closed))
    columns = ("epoch", ">step", ">given", ">at once", ">in all", ">TEXP closed form")
    return Table("Drops: factor on the rate", columns, tuple(rows))


def _notes(options, schedule, segments):
    """What the numbers of the tables mean, where that needs words."""
    first = segments[0]
    a = _settled(options, first)
    if options.momentum and options.weight_decay and a is not None and first.last > 0:
        growth = np.diff(schedule.log_lr[first.first : first.last + 1])
        settled = -2 * math.log(a)
        near = np.flatnonzero(np.abs(growth - settled) <= 0.01 * settled)
        when = f"within 1 % of it after {_count(int(near[0]), 'step')}" if near.size else "not within 1 % of it yet"
        yield (
            f"From a zero momentum buffer the rate first grows by {math.exp(growth[0]):.9g} a step, not by the settled "
            f"{a**-2:.9g}: log growth is {when}."
        )
    if options.decay and options.momentum:
        yield (
            "At a drop, 'at once' is the equivalent rate over that one step before; decay then acts at the old pace "
            "for as long as the momentum buffer remembers, and 'in all' is the factor between the settled lines on "
            "both sides. The closed form (eta_I/eta_{I-1})/(a_I a_{I-1}) of TEXP is exact only with a corrected buffer."
        )


def _overflow(schedule):
    if not schedule.warnings:
        yield "float32 and float64 hold the whole schedule, for weights of size 1: no rescaling is needed."
    yield from (f"{warning}." for warning in schedule.warnings)


def _factor(log):
    """``exp(log)`` as text, also where it is beyond float64; ``-`` where there is none.

    >>> _factor(math.log(2)), _factor(1000.0), _factor(math.nan)
    ('2', '10^434.294', '-')
    """
    if not math.isfinite(log):
        return "-"
    return f"{math.exp(log):.6g}" if log < 709 else f"10^{log / math.log(10):.3f}"
