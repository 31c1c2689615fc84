"""``bn-theory calibrate``."""

from __future__ import annotations

from bn_theory.cli.output import progress
from bn_theory.files import writable_target, write_whole
from bn_theory.provenance import described, environment, package

ENOUGH = 1000
"""Repeats at which the limits of coverage are meant: its standard error is then 0.007."""


def run(options) -> int:
    """Print and write the coverage table.

    Returns 0 when every required regime is within its limits; else 1, or 3 when the repeats are too few to tell.

    Raises:
        InvalidInputError: the file cannot be written (found before the run where that can be known).
    """
    target = writable_target(options.output)
    from bn_theory.rates import calibration

    print(calibration.format_table([]), flush=True)

    # The table itself grows as the work goes on; a terminal also shows that something is going on.
    with progress() as (doing, _):
        doing(f"calibrating: {options.repeats} data sets per regime")
        rows = calibration.calibrate(
            repeats=options.repeats,
            seed=options.seed,
            progress=lambda row: print(calibration.format_table([row]).splitlines()[-1], flush=True),
        )
    from bn_theory.report.calibration import document
    from bn_theory.report.json_ import as_bytes

    write_whole(target, as_bytes(document(rows, options.repeats, options.seed, package(), environment())))
    print(f"\nwritten to {options.output} by {described()}")
    if all(row.accepted for row in rows if row.required):
        return 0
    if options.repeats < ENOUGH:
        print(f"{options.repeats} repeats are too few to judge coverage; {ENOUGH} are meant")
        return 3
    return 1
