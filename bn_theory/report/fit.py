"""What one run and its fit found, as a JSON document; takes results, computes none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bn_theory.errors import DivergedError, NoPowerLawError
from bn_theory.rates.result import ExponentFit
from bn_theory.report.json_ import plain

SCHEMA = "bn-theory.fit/1"
FITTED = "E|grad L|^2 at unit norm; the exponents of the gradient norm, its root, are half of these"
FIT, DIVERGED, NO_POWER_LAW = 0, 1, 3
"""Exit codes, of which :data:`MEANINGS` says what they mean."""
MEANINGS = {
    FIT: "a power law was fitted",
    DIVERGED: "the run left the finite numbers",
    NO_POWER_LAW: "what was recorded is no power law",
}
OPTIONS = (
    *("family", "csv", "target", "method", "rate", "alpha", "sigma", "d", "s", "parts", "gamma_rate", "steps"),
    *("replicas", "seed", "engine", "model", "log_power", "window", "min_decades"),
)
"""All that determines a run and its fit, by the names of ``bn-theory fit``'s options."""


@dataclass(frozen=True)
class FitRun:
    """One run with what the fit said: exactly one of ``fit``, ``refused`` and ``diverged`` is there.

    Attributes:
        loss: name of the loss.
        expression: its expression as text.
        engine: the one that ran.
        series: ``E|grad L|^2`` by replica and step, as far as it was fitted; ``None`` for a run that diverged.
        zero_from: first recorded step from which on the gradient is exactly 0 in every replica, or ``None``.
        fit: of the square of the gradient norm.
        refused: why there is no power law, with what could be fitted all the same.
        diverged: where the run left the finite numbers.
    """

    loss: str
    expression: str
    engine: str
    series: object = None
    zero_from: int | None = None
    fit: ExponentFit | None = None
    refused: NoPowerLawError | None = None
    diverged: DivergedError | None = None

    @property
    def code(self) -> int:
        """The exit code of ``bn-theory fit``."""
        return DIVERGED if self.diverged is not None else FIT if self.refused is None else NO_POWER_LAW


def document(run: FitRun, options: Mapping, package: Mapping, environment: Mapping) -> dict:
    """The document of ``bn-theory fit --json``, as ``schemas/fit.json`` describes it.

    Args:
        options: those of ``OPTIONS`` by name, ``csv`` as ``{"path": ..., "sha256": ...}``; ``None`` where one does not
            apply or was not given.
        package: ``{"name": ..., "version": ..., "commit": ...}``.
        environment: versions, processor, ... by name.
    """
    return plain(
        {
            "schema": SCHEMA,
            "package": package,
            "environment": dict(environment) | {"engine": run.engine},
            "options": {name: options[name] for name in OPTIONS},
            "loss": run.loss,
            "expression": run.expression,
            "fitted": FITTED,
            "zero_from": run.zero_from,
            "result": _result(run),
            "exit": {"code": run.code, "meaning": MEANINGS[run.code]},
        }
    )


def _result(run):
    if run.diverged is not None:
        error = run.diverged
        return {"outcome": "diverged", "message": str(error), "step": error.step, "replica": error.replica}
    if run.refused is not None:
        error = run.refused
        return {"outcome": "refused", "reason": error.reason, "message": str(error), "partial": error.partial}
    return {"outcome": "fit", "fit": run.fit}
