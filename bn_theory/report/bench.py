"""The benchmark as tables and as a JSON document; takes what ``bn_theory.bench`` returns, computes nothing."""

from __future__ import annotations

from collections.abc import Mapping

from bn_theory.report.json_ import plain
from bn_theory.report.tables import Table

SCHEMA = "bn-theory.bench/2"

BUSY = 0.5
"""Load average above which a run counts as disturbed; an idle machine has a few hundredths."""

NOTE = (
    "Medians over the repeats, ratios (smallest-largest) taken within one repeat. ns: for one coordinate and step.\n"
    "time and memory 10T, 10R: growth when the steps, the replicas are ten times as many (10: linear, 1: constant).\n"
    "*: an outside reference, which only steps; engines also record and accumulate all that run returns."
)


def rows(benchmark) -> Table:
    """One row per workload, replicas and contender."""
    columns = (
        *("workload", "engine", ">replicas", ">coordinate-steps/s", ">ns", ">x numpy", ">x fastest *", ">of limit"),
        *(">peak MiB", ">time 10T", ">time 10R", ">memory 10T", ">memory 10R"),
    )
    return Table("", columns, tuple(map(_row, benchmark.rows)))


def left_out(benchmark) -> Table:
    """What was not measured, with the reason."""
    found = tuple((o.engine, o.workload or "all", o.reason) for o in benchmark.left_out)
    return Table("Left out", ("engine", "workload", "reason"), found)


def limits(benchmark) -> str:
    """The measured limits of the machine, a line each for the cores and for the GPU."""
    cpu, gpu = benchmark.cpu_limits, benchmark.gpu_limits
    environment = benchmark.environment
    text = (
        f"limits measured here: {cpu.fma.per_second / 1e9:.1f} GFMA/s in float64 ({cpu.fma.threads} threads of "
        f"{cpu.fma.lanes} lanes), {cpu.triad.per_second / 1e9:.1f} GB/s ({environment['processor']})"
    )
    if gpu is not None:
        text += (
            f"\nlimits of the GPU: {gpu.fma.per_second / 1e9:.0f} GFMA/s in float64, "
            f"{gpu.triad.per_second / 1e9:.0f} GB/s ({benchmark.gpu['name']})"
        )
    return text


def disturbance(benchmark) -> str | None:
    """A warning, if other programs kept the machine busy; libraries whose threads wait for each other suffer most."""
    load = benchmark.environment["load_before"]
    if load is None or load <= BUSY:
        return None
    return (
        f"other programs were busy before this run (load average {load:.1f}): its figures are lower than they could be"
    )


def document(benchmark, package: Mapping) -> dict:
    """The document of ``bn-theory bench --json``, as ``schemas/bench.json`` describes it.

    Args:
        package: ``{"name": ..., "version": ..., "commit": ...}``.
    """
    settings = benchmark.settings
    return plain(
        {
            "schema": SCHEMA,
            "package": package,
            "environment": benchmark.environment,
            "gpu": benchmark.gpu,
            "engines": settings.engines,
            "workloads": settings.workloads,
            "full": settings.full,
            "scale": settings.scale,
            "seconds": benchmark.seconds,
            "limits": {"cpu": benchmark.cpu_limits, "gpu": benchmark.gpu_limits},
            "results": [_result(row) for row in benchmark.rows],
            "left_out": benchmark.left_out,
        }
    )


def _result(row):
    measured = row.measured
    return {
        "workload": measured.workload,
        "engine": measured.contender.name,
        "kind": measured.contender.kind,
        "coordinates": measured.coordinates,
        "runs": {"main": measured.main, "short": measured.short, "wide": measured.wide},
        "coordinate_steps_per_second": row.rate,
        "ns_per_coordinate_and_step": row.nanoseconds,
        "ratio_to_numpy": row.over_numpy,
        "ratio_to_fastest_reference": row.over_reference,
        "fastest_reference": row.reference,
        "limit_coordinate_steps_per_second": row.limit,
        "share_of_limit": row.share,
        "growth": {
            "time_steps": row.time_steps,
            "time_replicas": row.time_replicas,
            "memory_steps": row.memory_steps,
            "memory_replicas": row.memory_replicas,
        },
    }


def _row(row):
    measured = row.measured
    contender, peak = measured.contender, measured.main.peak.bytes
    return (
        measured.workload,
        contender.name + ("*" if contender.kind == "reference" else ""),
        str(measured.main.replicas),
        f"{row.rate.median:.3g}",
        _number(row.nanoseconds.median),
        _spread(row.over_numpy),
        _spread(row.over_reference),
        "-" if row.share is None else f"{100 * row.share.median:.3g} %",
        "-" if peak is None else f"{peak / 2**20:.1f}",
        _middle(row.time_steps),
        _middle(row.time_replicas),
        _number(row.memory_steps),
        _number(row.memory_replicas),
    )


def _number(value):
    return "-" if value is None else f"{value:.3g}"


def _middle(spread):
    return "-" if spread is None else _number(spread.median)


def _spread(spread):
    if spread is None:
        return "-"
    middle, low, high = map(_number, (spread.median, spread.low, spread.high))
    return middle if low == high else f"{middle} ({low}-{high})"
