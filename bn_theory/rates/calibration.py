"""Calibration of the exponent fit: does the interval cover, and is it as narrow as it can be?

``bn-theory calibrate`` prints the table and writes it.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from ..errors import InvalidInputError, NoPowerLawError, UnknownNameError
from .fit import fit_exponent
from .oracle import oracle_width
from .regimes import COORDINATES, MEMORY, log_law, regimes
from .synthetic import ou_traces, relative_covariance

COVERAGE = (0.93, 0.985)  # nominal 0.95: never under by more than 2 %, over by little
WIDTH_RATIO = 1.5  # of the oracle's width


@dataclass(frozen=True)
class CalibrationRow:
    """One regime's outcome.

    Attributes:
        regime: its name.
        replicas: independent traces in each repeat.
        repeats: synthetic data sets.
        truth: the true exponent of ``t``.
        coverage: fraction of intervals that contain ``truth``, among the fits that were not refused.
        median_width: median width of the intervals.
        oracle_width: width for an oracle that knows law, window and covariance.
        ratio: ``median_width / oracle_width``.
        bias: mean of ``exponent - truth``.
        refused: fraction of data sets refused as no power law.
        seconds: mean seconds for a fit.
        required: whether this regime counts for acceptance.
    """

    regime: str
    replicas: int
    repeats: int
    truth: float
    coverage: float
    median_width: float
    oracle_width: float
    ratio: float
    bias: float
    refused: float
    seconds: float
    required: bool

    @property
    def accepted(self):
        """Whether coverage and width are within their limits."""
        return COVERAGE[0] <= self.coverage <= COVERAGE[1] and self.ratio <= WIDTH_RATIO


def oracle_for(regime):
    """Return `oracle_width` for a regime."""
    law = log_law(regime.kind)
    free = list(range(len(regime.parameters))) if regime.free is None else list(regime.free)
    truth = np.array(regime.parameters, dtype=float)

    def reduced(q, t):
        full = truth.copy()
        full[free] = q
        return law(full, t)

    covariance = relative_covariance(regime.t, regime.replicas, coordinates=COORDINATES, memory=MEMORY)
    return oracle_width(reduced, truth[free], regime.t, covariance)


def synthetic_data(regime, seed, repeat):
    """Return ``y`` of one repeat, shape ``(replicas, records)``, from seed, regime and repeat alone."""
    name = int.from_bytes(regime.name.encode()[:16].ljust(16, b"\0"), "little")
    rng = np.random.default_rng([seed, repeat, regime.replicas, name])
    law = np.exp(log_law(regime.kind)(regime.parameters, regime.t))
    return ou_traces(law, regime.t, regime.replicas, rng, coordinates=COORDINATES, memory=MEMORY)


def _known_regimes():
    return regimes()  # `calibrate` has an argument of this name


def calibrate(repeats=1000, seed=0, regimes=None, progress=None):
    r"""Fit synthetic data of known exponent and count how often the interval contains it.

    .. math:: y_{rk} = \mathrm{law}(t_k) \, \frac1d \sum_{i \le d} x_{ri}(t_k)^2 ,

    with Ornstein-Uhlenbeck ``x`` of correlation time growing like ``sqrt(t)``, so that the mean is the law
    exactly and the fluctuation is that of a squared gradient norm under stochastic gradient descent.

    Args:
        repeats: data sets for each regime.
        seed: of data and bootstrap.
        regimes: names of regimes; default all of them.
        progress: function called with each finished `CalibrationRow`, or None.

    Returns:
        List of `CalibrationRow`.

    Raises:
        UnknownNameError: for a name that is not a regime.

    Source: derived in this package; the width of reference is the Cramer-Rao bound.

    Example:
        >>> rows = calibrate(repeats=5, regimes=["pure"])
        >>> rows[0].truth, rows[0].refused
        (-0.5, 0.0)
    """
    known = _known_regimes()
    names = list(known) if regimes is None else list(regimes)
    for name in names:
        if name not in known:
            raise UnknownNameError(f"unknown regime {name!r}; there are: {', '.join(known)}")
    if int(repeats) != repeats or repeats < 1:
        raise InvalidInputError(f"repeats must be a whole number, at least 1, got {repeats!r}")
    rows = []
    for name in names:
        regime = known[name]
        fits, seconds = [], 0.0
        for repeat in range(int(repeats)):
            y = synthetic_data(regime, seed, repeat)
            begin = time.perf_counter()
            with suppress(NoPowerLawError):
                fits.append(fit_exponent(regime.t, y, seed=repeat, **regime.options))
            seconds += time.perf_counter() - begin
        rows.append(_row(regime, fits, int(repeats), seconds))
        if progress is not None:
            progress(rows[-1])
    return rows


def _row(regime, fits, repeats, seconds):
    oracle = oracle_for(regime)
    low = np.array([f.interval[0] for f in fits])
    high = np.array([f.interval[1] for f in fits])
    centre = np.array([f.exponent for f in fits])
    width = float(np.median(high - low)) if fits else float("nan")
    return CalibrationRow(
        regime=regime.name,
        replicas=regime.replicas,
        repeats=repeats,
        truth=regime.truth,
        coverage=float(np.mean((low <= regime.truth) & (regime.truth <= high))) if fits else float("nan"),
        median_width=width,
        oracle_width=oracle,
        ratio=width / oracle,
        bias=float(np.mean(centre) - regime.truth) if fits else float("nan"),
        refused=1.0 - len(fits) / repeats,
        seconds=seconds / repeats,
        required=regime.required,
    )


def format_table(rows):
    """Return the rows as a Markdown table.

    Args:
        rows: list of `CalibrationRow`.

    Returns:
        Text, one line a row.

    Source: derived in this package.

    Example:
        >>> row = CalibrationRow("pure", 64, 1000, -0.5, 0.95, 0.012, 0.011, 1.09, 1e-5, 0.0, 0.03, True)
        >>> print(format_table([row]).splitlines()[-1])
        | pure | 64 | -0.5 | 0.950 | 0.0120 | 0.0110 | 1.09 | +0.0000 | 0.000 | 0.030 | yes |
    """
    lines = [
        "| regime | replicas | truth | coverage | median width | oracle | ratio | bias | refused | s/fit | accepted |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        verdict = ("yes" if r.accepted else "NO") if r.required else "(not required)"
        lines.append(
            f"| {r.regime} | {r.replicas} | {r.truth:g} | {r.coverage:.3f} | {r.median_width:.4f} | "
            f"{r.oracle_width:.4f} | {r.ratio:.2f} | {r.bias:+.4f} | {r.refused:.3f} | {r.seconds:.3f} | "
            f"{verdict} |"
        )
    return "\n".join(lines)
