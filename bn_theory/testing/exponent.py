"""``assert_exponent``: a decay has the exponent that is expected of it."""

from __future__ import annotations

from dataclasses import replace

from bn_theory.errors import NoPowerLawError
from bn_theory.rates import fit_exponent
from bn_theory.testing.conclude import conclude, number
from bn_theory.theorems import evidence as judge
from bn_theory.theorems.evidence import Evidence


def assert_exponent(
    t,
    y,
    expected: float,
    tolerance: float,
    *,
    statistic: str = "mean",
    model="auto",
    log_power: float | None = None,
    window: tuple[float, float] | None = None,
    min_decades: float = 3.0,
    seed: int = 0,
    name: str | None = None,
) -> Evidence:
    """Assert that ``y`` decays as ``t**expected``: with its whole 95 % interval, which must be narrow enough.

    The exponent is that of ``y`` as given. Squared gradients of a rate ``T^-1/2`` of the gradient norm have -1, so
    give the norm with -0.5 or its square with -1.

    Args:
        t: steps, shape ``(records,)``, positive and increasing; or a DataArray with coordinate ``step``, and
        ``y=None``.
        y: shape ``(records,)``, or ``(replicas, records)`` of at least 8 independent runs (dimensionless).
        expected: the exponent, negative for a decay.
        tolerance: > 0; the interval must lie inside ``expected +- tolerance``, so that its half-width is at most this.
        statistic, model, log_power, window, min_decades, seed: as for :func:`bn_theory.fit_exponent`.
        name: of the evidence.

    Returns:
        Evidence: of kind ``exponent``; ``measured`` is the middle of the interval.

    Raises:
        ClaimFailedError: the interval lies elsewhere (contradicted), reaches beyond the tolerance or is too wide
            (inconclusive), or there is no power law; then ``.evidence.details["refused"]`` is the reason in a word.
        InvalidInputError, UnknownNameError: what :func:`bn_theory.fit_exponent` refuses, or a tolerance that is not >
            0.

    Source: the fit of this package; the rule is that of its statements (``theorems.evidence.exponent``).

    >>> import numpy as np
    >>> t = np.geomspace(100, 1e6, 40)
    >>> assert_exponent(t, 3 * t**-0.5, -0.5, 0.01).verdict
    'supported'
    """
    __tracebackhide__ = True
    expected, tolerance = number("expected", expected), number("tolerance", tolerance, positive=True)
    name = f"y ~ t^{expected:g}" if name is None else name
    try:
        fit = fit_exponent(
            t,
            y,
            statistic=statistic,
            model=model,
            log_power=log_power,
            window=window,
            min_decades=min_decades,
            seed=seed,
        )
    except NoPowerLawError as error:
        return conclude(
            _no_power_law(name, expected, tolerance, error),
            f"  no power law ({error.reason}): {error}",
            f"  expected was the exponent {expected:g} +- {tolerance:g}",
        )
    facts = {"law": fit.model, "amplitude": fit.amplitude, "window": fit.window, "replicas": fit.n_replicas}
    found = judge.exponent(name, fit.interval, expected, tolerance, tolerance, **facts)
    return conclude(
        found,
        f"  exponent of y: {fit.exponent:.5g}, 95 % interval {fit.interval[0]:.5g} to {fit.interval[1]:.5g} "
        f"(half-width {fit.half_width:.2g}); allowed is {expected:g} +- {tolerance:g}, half-width at most "
        f"{tolerance:g}",
        f"  law {fit.model}, t = {fit.window[0]:.4g} to {fit.window[1]:.4g}, {fit.n_replicas} replicas",
        f"  {_advice(found, fit, expected)}",
    )


def _advice(found, fit, expected):
    for factor, what in (
        (2, "y looks like the square of what expected is about"),
        (0.5, "expected looks like that of y^2"),
    ):
        if abs(fit.exponent - factor * expected) <= max(found.tolerance, fit.half_width):
            return f"look at: {what}; expected must be the exponent of y as given"
    if found.verdict == judge.CONTRADICTED:
        return "look at: window= (an early transient has an exponent of its own), model= (a logarithm has to be named)"
    return "look at: more replicas or a longer run make the interval narrower; tolerance= says how narrow it has to be"


def _no_power_law(name, expected, tolerance, error) -> Evidence:
    """The judge's rule is one of norms whose squares were fitted: it halves the fit's exponents, so halve the claim."""
    found = judge.no_power_law(name, expected / 2, error)
    details = {key: 2 * value if key == "local_exponent_at_least" else value for key, value in found.details.items()}
    return replace(found, predicted=expected, tolerance=tolerance, details=details)
