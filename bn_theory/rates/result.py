"""What a fit returns."""

from __future__ import annotations

from dataclasses import dataclass

from .local import LocalExponents


@dataclass(frozen=True)
class ExponentFit:
    """A fitted decay exponent ``y ~ amplitude * t**exponent``; a decaying curve has a negative exponent.

    Attributes:
        exponent: average over windows and laws, dimensionless.
        interval: ``(low, high)``, the total interval at ``confidence``.
        stat: half-width, at ``confidence``, from resampling replicas and refitting every law on every window,
            the weights held; 0 for a deterministic run.
        sys: half-width from windows and laws that the data do not tell apart. With replicas the
            weighted mean absolute deviation of the candidates' exponents, scaled to ``confidence``;
            for a deterministic run twice the largest departure of a candidate that fits. The half-width of
            ``interval`` is ``hypot(stat, sys)``.
        amplitude: ``A`` of the leading term ``A t^exponent`` (for the law with a logarithm ``A t^-p (log
        t)^q``). model: name of the law with the largest weight.
        models: weight of each law tried, summed over windows.
        window: ``(t_low, t_high)`` of the candidate with the largest weight.
        local_exponents: `LocalExponents`, the exponent around each record.
        statistic: ``"mean"`` or ``"running_min"``.
        confidence: the coverage that ``interval`` is meant to have.
        n_records: records given, within the window asked for.
        n_blocks: log-spaced cells that were fitted.
        n_replicas: 1 for a deterministic run.
    """

    exponent: float
    interval: tuple[float, float]
    stat: float
    sys: float
    amplitude: float
    model: str
    models: dict[str, float]
    window: tuple[float, float]
    local_exponents: LocalExponents
    statistic: str
    confidence: float
    n_records: int
    n_blocks: int
    n_replicas: int

    @property
    def half_width(self):
        """Half of the width of ``interval``."""
        return 0.5 * (self.interval[1] - self.interval[0])

    def __str__(self):
        return (
            f"{self.exponent:.5g} +- {self.stat:.2g} (stat) +- {self.sys:.2g} (sys) at "
            f"{self.confidence:.0%}, "
            f"law {self.model}, t = {self.window[0]:.4g} .. {self.window[1]:.4g}"
        )
