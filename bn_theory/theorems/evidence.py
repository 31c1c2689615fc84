"""Evidence and how each kind of it is judged.

==============  ==========================================================================================
kind            supported when
==============  ==========================================================================================
``proof``       every step of the proof checks
``identity``    the error is at most a bound derived from rounding
``bound``       measured <= predicted at every recorded step of every run
``exponent``    the interval lies inside the tolerance around the prediction and is narrow enough
``amplitude``   the interval of measured/predicted lies inside ``1 +- tolerance``
``comparison``  the interval of a difference lies above what is claimed
``measurement`` there is an answer with an interval, and nothing is predicted
``control``     the controlled claim, judged by the same code, came out contradicted
==============  ==========================================================================================

An interval that is too wide to decide makes exponents, amplitudes and comparisons ``inconclusive``. A finite run
supports an asymptotic statement; it never proves it.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field, replace

from bn_theory.errors import NoPowerLawError

SUPPORTED, CONTRADICTED, INCONCLUSIVE = "supported", "contradicted", "inconclusive"
KINDS = ("proof", "identity", "bound", "exponent", "amplitude", "comparison", "measurement", "control")


@dataclass(frozen=True)
class Evidence:
    """One judged piece of evidence; numbers are dimensionless, ``None`` where a kind has none.

    Attributes:
        name: what was tested, unique within its statement.
        kind: one of ``KINDS``.
        verdict: ``"supported"``, ``"contradicted"`` or ``"inconclusive"``.
        measured, predicted: what was found and what the statement says.
        interval: 95 % interval of ``measured`` where there is one.
        tolerance: how far from the prediction still counts, as used by the kind.
        seconds: time it took, set by whoever runs the statement.
        details: further facts by name (numbers, strings, lists).
    """

    name: str
    kind: str
    verdict: str
    measured: float | None = None
    predicted: float | None = None
    interval: tuple[float, float] | None = None
    tolerance: float | None = None
    seconds: float = 0.0
    details: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Outside:
    """A configuration that violates an assumption, recognised before its run; it does not count.

    Attributes:
        case: the configuration in words.
        reason: the assumption that fails, with its numbers.
    """

    case: str
    reason: str


@dataclass(frozen=True)
class Curves:
    """What a figure of the statement draws: numbers of its runs, thinned; not judged.

    Attributes:
        figure: which, a name in ``bn_theory.report.figures.statements.DRAW``.
        caption: one sentence: what is shown, and of which run.
        data: what the figure's function takes, by name: numbers, texts, lists and arrays, a few hundred points each.
            ``supports`` in it lists the names of the evidence whose verdicts the figure shows.
    """

    figure: str
    caption: str
    data: dict


def identity(name: str, error: float, rounding: float, **details) -> Evidence:
    """An exact identity: the error must not exceed its derived rounding bound."""
    holds = error <= rounding  # False for NaN
    return Evidence(name, "identity", _verdict(holds), error, 0.0, None, rounding, details=details)


def bound(name: str, ratio: float, slack: float = 0.0, **details) -> Evidence:
    """An inequality: ``ratio`` is the largest measured/bound over all recorded steps of all runs.

    Args:
        slack: derived rounding error of the ratio.
    """
    return Evidence(name, "bound", _verdict(ratio <= 1 + slack), ratio, 1.0, None, slack, details=details)


def exponent(name: str, interval, predicted: float, tolerance: float, half_width: float, **details) -> Evidence:
    """A fitted exponent with its 95 % interval.

    Args:
        interval: ``(low, high)``.
        tolerance: the whole interval must lie in ``predicted +- tolerance``.
        half_width: an interval wider than this decides nothing in favour.
    """
    low, high = map(float, interval)
    measured = (low + high) / 2
    inside = predicted - tolerance <= low and high <= predicted + tolerance
    apart = low > predicted + tolerance or high < predicted - tolerance
    narrow = (high - low) / 2 <= half_width
    verdict = CONTRADICTED if apart else SUPPORTED if inside and narrow else INCONCLUSIVE
    details = {"half_width": (high - low) / 2, "largest_half_width": half_width} | details
    return Evidence(name, "exponent", verdict, measured, predicted, (low, high), tolerance, details=details)


def at_least_as_fast(name: str, interval, predicted: float, tolerance: float, **details) -> Evidence:
    """A one-sided exponent: decay not slower than ``t**predicted`` (exponents of decay are negative)."""
    low, high = map(float, interval)
    limit = predicted + tolerance
    verdict = CONTRADICTED if low > limit else SUPPORTED if high <= limit else INCONCLUSIVE
    return Evidence(
        name,
        "exponent",
        verdict,
        (low + high) / 2,
        predicted,
        (low, high),
        tolerance,
        details={"sided": "one"} | details,
    )


def amplitude(name: str, interval, tolerance: float, **details) -> Evidence:
    """A ratio measured/predicted with its 95 % interval, to lie inside ``1 +- tolerance``.

    Contradicted when the interval lies entirely outside; inconclusive when it straddles an end.
    """
    low, high = map(float, interval)
    if not (math.isfinite(low) and math.isfinite(high)):
        verdict = INCONCLUSIVE
    elif low > 1 + tolerance or high < 1 - tolerance:
        verdict = CONTRADICTED
    else:
        verdict = SUPPORTED if 1 - tolerance <= low and high <= 1 + tolerance else INCONCLUSIVE
    return Evidence(name, "amplitude", verdict, (low + high) / 2, 1.0, (low, high), tolerance, details=details)


def comparison(name: str, interval, above: float = 0.0, *, measured: float | None = None, **details) -> Evidence:
    """An ordering: the 95 % interval of a difference, or of the logarithm of a ratio, lies above a number.

    "a is larger than b" is ``a - b`` above 0; "a and b differ by less than m" is ``m - |a - b|`` above 0.
    Contradicted when the interval ends at or below the number; inconclusive when it straddles it or is not finite.

    Args:
        interval: ``(low, high)`` of the difference.
        above: what is claimed to lie below it (dimension of the difference); shown as ``predicted``.
        measured: the estimate; by default the interval's middle.
    """
    low, high = map(float, interval)
    if not (math.isfinite(low) and math.isfinite(high)):
        verdict = INCONCLUSIVE
    else:
        verdict = SUPPORTED if low > above else CONTRADICTED if high <= above else INCONCLUSIVE
    details = {"sided": "one"} | details
    return Evidence(name, "comparison", verdict, _estimate(measured, low, high), above, (low, high), details=details)


def measurement(name: str, interval, *, measured: float | None = None, **details) -> Evidence:
    """An answer with a 95 % interval where nothing is predicted; inconclusive if the interval is not finite.

    Args:
        measured: the estimate; by default the interval's middle.
    """
    low, high = map(float, interval)
    verdict = SUPPORTED if math.isfinite(low) and math.isfinite(high) else INCONCLUSIVE
    return Evidence(name, "measurement", verdict, _estimate(measured, low, high), None, (low, high), details=details)


def no_power_law(name: str, predicted: float, error: NoPowerLawError, one_sided: bool = False) -> Evidence:
    """The verdict on a claimed exponent of a norm where the fit of its square refused.

    A plateau contradicts it if the local exponents of the last decade, halved, lie above the prediction with their
    bands (their median does); a "plateau" that is only a wide interval decides nothing. Exponential decay
    contradicts one exponent and supports "not slower than"; so does a trace that has fallen to the rounding floor.
    One that is too short decides nothing.
    """
    verdict = INCONCLUSIVE
    details = {"refused": error.reason, "why": str(error)} | ({"sided": "one"} if one_sided else {})
    if error.reason == "plateau" and error.partial is not None:
        local = error.partial.local_exponents
        late = local.t >= local.t[-1] / 10
        lower = statistics.median((local.value - local.band)[late].tolist()) / 2
        details["local_exponent_at_least"] = lower
        verdict = CONTRADICTED if lower > predicted else INCONCLUSIVE
    elif one_sided and error.reason in ("exponential", "rounding_floor"):
        verdict = SUPPORTED
    elif error.reason == "exponential":
        verdict = CONTRADICTED
    return Evidence(name, "exponent", verdict, None, predicted, details=details)


def diverged(name: str, kind: str, error) -> Evidence:
    """The verdict on any claim about a run that left the finite numbers."""
    return Evidence(
        name, kind, CONTRADICTED, math.inf, details={"diverged_at_step": error.step, "replica": error.replica}
    )


def control(claim: Evidence) -> Evidence:
    """A control: the claim must come out contradicted where it is known to be false.

    By a number: NaN is no agreement with a claim, but no disagreement of a control either (0/0 would pass any).
    """
    flipped = {CONTRADICTED: SUPPORTED, SUPPORTED: CONTRADICTED, INCONCLUSIVE: INCONCLUSIVE}[claim.verdict]
    if claim.measured is not None and math.isnan(claim.measured):
        flipped = INCONCLUSIVE
    details = {"controlled_kind": claim.kind, "claim_verdict": claim.verdict} | claim.details
    return replace(claim, kind="control", verdict=flipped, details=details)


def largest(values) -> float:
    """The largest value; NaN wins (Python's ``max`` would drop it), so that no judge takes it for agreement."""
    numbers = [float(v) for v in values]
    return math.nan if any(map(math.isnan, numbers)) else max(numbers)


def worst(verdicts) -> str:
    """Contradicted beats inconclusive beats supported; nothing at all is inconclusive."""
    verdicts = list(verdicts)
    if CONTRADICTED in verdicts:
        return CONTRADICTED
    return SUPPORTED if verdicts and INCONCLUSIVE not in verdicts else INCONCLUSIVE


def _estimate(measured, low, high):
    return (low + high) / 2 if measured is None else float(measured)


def _verdict(holds):
    return SUPPORTED if holds else CONTRADICTED
