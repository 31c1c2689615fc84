"""The synthetic regimes on which the fit is calibrated."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

COORDINATES = 15  # the squared norm of a gradient on a sphere in 16 dimensions
MEMORY = 5.0  # correlation time 5 sqrt(t): noise of trace 15 and curvature 1


def log_law(kind):
    """Return ``log law(parameters, t)`` with parameters ``(log A, p, ...)``."""

    def pure(q, t):
        return q[0] - q[1] * np.log(t)

    def corrected(q, t):
        # the third parameter is B t_0^-q at the first record, which keeps the scales of all parameters near 1
        return pure(q, t) + np.log1p(q[2] * (t / t[0]) ** -q[3])

    def floor(q, t):
        # the third parameter is E over A T^-p at the last record
        return pure(q, t) + np.log1p(q[2] * (t / t[-1]) ** q[1])

    def log(q, t):
        return pure(q, t) + q[2] * np.log(np.log(t))

    def relaxation(q, t):
        # an exponential in sqrt(t): how a rate that falls as t^-1/2 forgets the start
        return pure(q, t) + np.log1p(q[2] * np.exp(-(np.sqrt(t) - np.sqrt(t[0])) / q[3]))

    return {"pure": pure, "corrected": corrected, "floor": floor, "log": log, "relaxation": relaxation}[kind]


@dataclass(frozen=True)
class Regime:
    """One kind of data: law, records, replicas, and what the fit is told.

    ``required`` marks the regimes on which coverage and width are acceptance criteria; the others are there
    to show what cannot be had.
    """

    name: str
    kind: str
    parameters: tuple[float, ...]
    t: np.ndarray = field(repr=False)
    replicas: int = 64
    options: dict = field(default_factory=dict)
    free: tuple[int, ...] | None = None  # parameters that the oracle has to fit; default all
    required: bool = True

    @property
    def truth(self):
        """The exponent of ``t``, negative."""
        return -self.parameters[1]


def regimes():
    """Return the regimes of the calibration, by name."""
    snapshots = np.geomspace(1e2, 1e6, 40)
    long = np.geomspace(1e1, 1e6, 50)
    dense = np.arange(50.0, 1e5 + 1.0, 50.0)
    burn_in = (1.0, 0.5, 50.0, 1.7)  # first records 50 times above the law, gone after 1.5 decades
    found = [
        Regime("pure", "pure", (1.0, 0.5), snapshots),
        Regime("pure, 16 replicas", "pure", (1.0, 0.5), snapshots, replicas=16),
        Regime("pure, 256 replicas", "pure", (1.0, 0.5), snapshots, replicas=256),
        Regime("corrected", "corrected", (1.0, 0.5, 10.0, 0.8), snapshots),
        Regime("logarithm, model='log'", "log", (1.0, 0.5, 1.0), snapshots, options={"model": "log"}),
        Regime(
            "logarithm, power known",
            "log",
            (1.0, 0.5, -0.5),
            snapshots,
            options={"log_power": -0.5},
            free=(0, 1),
        ),
        Regime("floor", "floor", (1.0, 0.6, 1.0), snapshots),
        Regime("dense sampling", "pure", (1.0, 0.5), dense),
        Regime("running minimum", "pure", (1.0, 0.5), dense, options={"statistic": "running_min"}),
        Regime("burn-in, 16 replicas", "corrected", burn_in, long, replicas=16),
        Regime("burn-in, 64 replicas", "corrected", burn_in, long, replicas=64),
        Regime("burn-in, 256 replicas", "corrected", burn_in, long, replicas=256),
        Regime("transient of no law", "relaxation", (1.0, 0.5, 50.0, 5.0), long),
        Regime("logarithm, model='auto'", "log", (1.0, 0.5, 1.0), snapshots, required=False),
        Regime("correction of 0.1", "corrected", (1.0, 0.5, 0.1, 0.5), snapshots, required=False),
        Regime("correction of 0.3", "corrected", (1.0, 0.5, 0.3, 0.5), snapshots, required=False),
        Regime("correction of 1", "corrected", (1.0, 0.5, 1.0, 0.5), snapshots, required=False),
        Regime(
            "correction of 0.1, model='corrected'",
            "corrected",
            (1.0, 0.5, 0.1, 0.5),
            snapshots,
            options={"model": "corrected"},
            required=False,
        ),
    ]
    return {r.name: r for r in found}
