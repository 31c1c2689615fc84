"""``bn-theory bench``."""

from __future__ import annotations

from bn_theory.cli.output import progress, show
from bn_theory.files import writable_target, write_whole
from bn_theory.provenance import described, package


def run(options) -> int:
    """Measure, print the figures and, with ``--json``, write them with every repeat's raw seconds.

    Returns 0: figures are no verdict.

    Raises:
        InvalidInputError: nothing can run here, or the JSON file cannot be written (found before the run where that
            can be known).
    """
    target = None if options.json is None else writable_target(options.json)
    from bn_theory.bench import benchmark
    from bn_theory.report import bench as report
    from bn_theory.report.json_ import as_bytes

    settings = benchmark.Settings(
        tuple(options.engines), tuple(options.workloads), full=options.full, scale=options.scale
    )
    with progress() as (doing, done):
        found = benchmark.run(settings, doing, done)
    if target is not None:
        # First, so that a reader of the table who stops reading does not cost the file.
        write_whole(target, as_bytes(report.document(found, package())))
    show(report.rows(found), report.left_out(found))
    warning = report.disturbance(found)
    closing = f"{described()}, {found.seconds:.0f} s"
    lines = (report.NOTE, report.limits(found), *([warning] if warning else []), closing)
    print("", *lines, sep="\n")
    return 0
