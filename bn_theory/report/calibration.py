"""A calibration as a JSON document; takes its rows, computes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from bn_theory.rates.calibration import COVERAGE, WIDTH_RATIO
from bn_theory.report.json_ import plain

SCHEMA = "bn-theory.calibration/1"


def document(rows, repeats: int, seed: int, package: Mapping, environment: Mapping) -> dict:
    """The document of ``bn-theory calibrate --output``, as ``schemas/calibration.json`` describes it.

    Args:
        rows: list of ``CalibrationRow``.
        repeats: data sets in each regime.
        seed: of data and bootstrap.
        package: ``{"name": ..., "version": ..., "commit": ...}``.
        environment: versions, processor, ... by name.
    """
    return plain(
        {
            "schema": SCHEMA,
            "package": package,
            "environment": environment,
            "repeats": repeats,
            "seed": seed,
            "date": datetime.now(UTC).date().isoformat(),
            "coverage_limits": COVERAGE,
            "width_limit": WIDTH_RATIO,
            "rows": rows,
        }
    )
