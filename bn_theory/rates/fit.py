"""The public fit: check, reduce, estimate, and refuse where there is no power law."""

from __future__ import annotations

import difflib

import numpy as np

from ..errors import InvalidInputError, NoPowerLawError, UnknownNameError
from .blocks import Blocks, Noise
from .data import MIN_RECORDS, read, reduce_records
from .estimate import estimate
from .models import CORRECTED, FLOOR, LOG, MODELS, PURE
from .refuse import plateau, rounding_floor, span_in_decades, too_rough

STATISTICS = ("mean", "running_min")
AUTO = (PURE, CORRECTED, FLOOR)


def _known(kind, name, names):
    if name not in names:
        near = difflib.get_close_matches(str(name), names, n=3, cutoff=0.0)
        raise UnknownNameError(f"unknown {kind} {name!r}; nearest: {', '.join(near)}")


def _families(model, log_power):
    if isinstance(model, tuple):
        if len(model) != 2 or model[0] != LOG:
            raise InvalidInputError(f"a pair as model must be ('log', q), got {model!r}")
        if log_power is not None and log_power != model[1]:
            raise InvalidInputError(f"model={model!r} and log_power={log_power!r} disagree; give one of them")
        model, log_power = model
    _known("model", model, ("auto", *MODELS))
    if log_power is not None:
        if model not in ("auto", LOG):
            raise InvalidInputError(f"log_power={log_power!r} belongs to model='log', not to model={model!r}")
        log_power = float(log_power)
        if not abs(log_power) < 100:
            raise InvalidInputError(f"log_power must be a finite number of modest size, got {log_power!r}")
        return (LOG,), log_power
    return (AUTO if model == "auto" else (model,)), None


def _number(name, value, low, high, kind=float):
    try:
        number = kind(value)
        usable = low <= number <= high and number == value
    except (TypeError, ValueError, OverflowError):
        usable = False
    if not usable:
        raise InvalidInputError(f"{name} must be between {low} and {high}, got {value!r}")
    return number


def _cut(blocks, stop):
    noise = Noise(scale=blocks.noise.scale[:stop], rho=blocks.noise.rho[:stop])
    deviations = None if blocks.deviations is None else blocks.deviations[:, :stop]
    return Blocks(t=blocks.t[:stop], z=blocks.z[:stop], deviations=deviations, noise=noise, n_records=blocks.n_records)


def fit_exponent(
    t,
    y=None,
    *,
    statistic="mean",
    model="auto",
    log_power=None,
    window=None,
    min_decades=3.0,
    seed=0,
    bootstrap=500,
    confidence=0.95,
):
    r"""Fit the exponent of a decay ``y ~ amplitude * t**exponent`` with an interval that means what it says.

    .. math:: E[y] = A t^{-p}, \quad A t^{-p} (1 + B t^{-q}), \quad A t^{-p} + E, \quad A t^{-p} (\log t)^q ,

    each fitted by variable projection on every window that drops a number of early records, averaged with
    information weights in which a dropped record costs as much as a parameter. Records are first
    averaged over cells of a tenth of a decade, weighted by the variance that the replicas show, and
    decorrelated. With replicas the interval is from resampling replicas and refitting every law on every
    window, with the spread over windows and laws added in quadrature. A deterministic run has no statistical
    error: its interval is the range over windows and laws.

    With replicas the law with a logarithm is never tried by ``model="auto"``: over four decades it differs
    from a pure power by 0.03 in the shape of ``log y`` and by 0.1 in the exponent for each unit of ``q``, so
    that no data of usual precision choose between them, and averaging over it would make every interval many
    times wider. Name it when the theory has one. (A deterministic run shows it: ``"auto"`` takes it where it
    fits ten times better.) In the same way a correction too weak to be seen in the data is not in the
    interval of ``"auto"``; ``model="corrected"`` allows for one always and is several times wider.

    Args:
        t: record steps, shape ``(records,)``, positive, increasing, dimensionless; or a DataArray with
            dimension and coordinate ``step``, and ``replica`` if there are several, and then no ``y``.
        y: non-negative values, shape ``(records,)`` for a deterministic run or ``(replicas, records)``,
            dimensionless.
        statistic: ``"mean"`` over replicas, or ``"running_min"``, the running minimum over steps of
            that mean. The minimum of a noisy mean is low; it is not what is fitted. Where the mean still
            falls the running minimum of the expectation equals the expectation and the mean is used; where it
            has risen significantly the earlier minimum is used, its bias estimated by resampling and added.
        model: ``"auto"`` (pure, corrected, floor), or one of ``"pure"``, ``"corrected"``, ``"floor"``,
            ``"log"``, or ``("log", q)`` with the power of the logarithm known.
        log_power: the power ``q`` of the logarithm, where it is known: ``-0.5`` for ``(t log t)^-1/2``.
        window: ``(t_low, t_high)``; records outside are not used. Default all.
        min_decades: refuse when ``t`` covers fewer decades; a record stands for a cell one spacing wide.
        seed: of the bootstrap.
        bootstrap: number of bootstrap draws, at least 100.
        confidence: coverage of the interval.

    Returns:
        `ExponentFit`.

    Raises:
        InvalidInputError: for values that cannot be used.
        UnknownNameError: for an unknown statistic or model.
        NoPowerLawError: when the data are exponential, a plateau, on a rounding floor, too short, too few or
            too rough; ``partial`` then holds what could be fitted, or None.

    Source: model averaging and the price of a dropped record after Jay and Neil, arXiv:2008.01069; the rest
    derived in this package and calibrated by `calibrate`.

    Example:
        >>> import numpy as np
        >>> t = np.geomspace(100, 1e6, 40)
        >>> fit = fit_exponent(t, 3 * t**-0.5)
        >>> print(f"{fit.exponent:.6f} {fit.amplitude:.6f} {fit.model}")
        -0.500000 3.000000 pure
        >>> rng = np.random.default_rng(1)
        >>> y = 3 * t**-0.5 * rng.chisquare(15, size=(64, 40)) / 15
        >>> fit = fit_exponent(t, y)
        >>> fit.interval[0] < -0.5 < fit.interval[1] and fit.half_width < 0.01
        True
    """
    _known("statistic", statistic, STATISTICS)
    families, log_power = _families(model, log_power)
    draws = _number("bootstrap", bootstrap, 100, 1_000_000, int)
    confidence = _number("confidence", confidence, 0.5, 0.999)
    min_decades = _number("min_decades", min_decades, 0.5, 300.0)
    records = read(t, y, window)
    if LOG in families and records.t[0] <= 1.0:
        raise InvalidInputError(
            f"a logarithm needs t > 1, got t = {float(records.t[0])!r}; pass window=(low, high) with low > 1"
        )

    def run(blocks):
        # A law that is far from data that fall by hundreds of decades overflows; it then has infinite misfit and
        # no weight, which is all that is asked of it.
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            return estimate(
                blocks,
                families,
                statistic=statistic,
                log_power=log_power,
                seed=seed,
                draws=draws,
                confidence=confidence,
            )

    count = records.t.size
    blocks = reduce_records(records, statistic, seed) if count >= 3 else None
    if blocks is None or min(count, blocks.t.size) < MIN_RECORDS:
        seen = count if blocks is None else blocks.t.size
        raise NoPowerLawError(
            f"{seen} records (cells of a tenth of a decade) are too few for an exponent, {MIN_RECORDS} are "
            "needed; record more steps, spaced evenly in log t",
            reason="too_few_records",
        )

    # looked for before anything is fitted: a law that fits the part before a floor says nothing about the end
    floor_at = rounding_floor(blocks.t, blocks.z)
    if floor_at is not None:
        usable = _cut(blocks, floor_at)
        partial = None
        if usable.t.size >= MIN_RECORDS:
            before = run(usable)
            partial = None if before.exponential else before.fit
        raise NoPowerLawError(
            f"from t = {blocks.t[floor_at]:.4g} on y stays at the rounding floor, "
            f"{_ratio(blocks, floor_at):.1e} of its largest value; fit window=({blocks.t[0]:.4g}, "
            f"{blocks.t[floor_at - 1]:.4g})",
            reason="rounding_floor",
            partial=partial,
        )
    found = run(blocks)
    decades = span_in_decades(blocks.t)
    if decades < min_decades * (1 - 1e-9):
        raise NoPowerLawError(
            f"t covers {np.floor(100 * decades) / 100:.2f} decades ({blocks.t[0]:.4g} .. {blocks.t[-1]:.4g}), fewer "
            f"than min_decades={min_decades:g}; run longer, or lower min_decades knowing that a slow "
            "correction then reads as a change of exponent",
            reason="too_few_decades",
            partial=found.fit,
        )
    if found.exponential:
        raise NoPowerLawError(
            f"y decays exponentially, or a transient has not ended: the local exponent still steepens, to "
            f"{found.fit.local_exponents.value[-1]:.3g} at t = {blocks.t[-1]:.4g}",
            reason="exponential",
            partial=found.fit,
        )
    why = plateau(blocks, found)
    if why is not None:
        raise NoPowerLawError(f"y has reached a plateau: {why}", reason="plateau", partial=found.fit)
    why = too_rough(found)
    if why is not None:
        raise NoPowerLawError(f"no window follows a power law: {why}", reason="no_window", partial=found.fit)
    return found.fit


def _ratio(blocks, k):
    return float(np.exp(np.median(blocks.z[k:]) - blocks.z.max()))
