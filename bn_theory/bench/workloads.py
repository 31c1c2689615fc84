"""What is benchmarked: losses, methods and starts by name.

``rayleigh_D``     half a Rayleigh quotient with linear Rademacher noise, SGD (the reference workload)
``bilinear``       two groups with such noise, SGD
``momentum``       the Rayleigh quotient with noise, SGD with momentum and weight decay
``least_squares``  batch-normalised least squares with gamma, GD
``gd``             the Rayleigh quotient without noise, GD
``neuron``         a batch-normalised neuron given as array functions (two products of matrices a step), GD
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import bn_theory as bn
from bn_theory.bench import formulas
from bn_theory.bench.names import REFERENCE_WORKLOADS, WORKLOADS, known
from bn_theory.dynamics.methods import Method

SIGMA, RATE, SEED = 0.1, 0.1, 0
BILINEAR_D, GD_D, MOMENTUM_D = 128, 128, 128
MOMENTUM, DECAY = 0.9, 1e-3
ROWS, COLUMNS = 256, 32
"""Of the data of ``least_squares`` and ``neuron``."""


@dataclass(frozen=True)
class Workload:
    """A loss, a method, and the same thing written by hand for the references.

    Attributes:
        name: see the module.
        loss, method: for ``bn.run``.
        rate: constant learning rate of weights and parameters.
        sigma: size of the noise; 0 without noise.
        formula, data: the gradient by hand (:mod:`bn_theory.bench.formulas`) and its arrays.
        momentum, decay: of the method; 0 without.
    """

    name: str
    loss: Any
    method: Method
    rate: float
    sigma: float
    formula: Callable
    data: Mapping[str, np.ndarray] = field(repr=False)
    momentum: float = 0.0
    decay: float = 0.0

    @property
    def coordinates(self) -> int:
        """Coordinates of all groups of one replica; parameters are not counted."""
        return sum(self.loss.dimensions[g] for g in self.loss.groups)

    def start(self, replicas: int) -> dict[str, np.ndarray]:
        """The start of every engine and reference: random points of unit norm, parameters as the loss has them."""
        rng = np.random.default_rng(SEED)
        state = {}
        for group in self.loss.groups:
            w = rng.standard_normal((replicas, self.loss.dimensions[group]))
            state[group] = w / np.linalg.norm(w, axis=-1, keepdims=True)
        return state | {name: np.full(replicas, float(self.loss.start[name])) for name in self.loss.parameters}


def workload(name: str) -> Workload:
    """The workload of a name.

    Raises:
        UnknownNameError: there is none; the message lists the nearest names.
    """
    known("workload", name, WORKLOADS)
    if name in REFERENCE_WORKLOADS:
        a = np.linspace(0.0, 1.0, int(name.removeprefix("rayleigh_")))
        loss = bn.with_linear_noise(bn.rayleigh(a), SIGMA)
        return _sgd(name, loss, formulas.rayleigh, {"a": a})
    if name == "bilinear":
        a = np.linspace(0.0, 1.0, BILINEAR_D)
        return _sgd(name, bn.with_linear_noise(bn.bilinear(a), SIGMA), formulas.bilinear, {"a": a})
    if name == "momentum":
        a = np.linspace(0.0, 1.0, MOMENTUM_D)
        loss, method = bn.with_linear_noise(bn.rayleigh(a), SIGMA), bn.SGD(RATE, momentum=MOMENTUM, weight_decay=DECAY)
        return Workload(name, loss, method, RATE, SIGMA, formulas.rayleigh, {"a": a}, MOMENTUM, DECAY)
    if name == "gd":
        a = np.linspace(0.0, 1.0, GD_D)
        return _gd(name, bn.rayleigh(a), formulas.rayleigh, {"a": a})
    rng = np.random.default_rng(SEED)
    X = rng.standard_normal((ROWS, COLUMNS))
    y = X @ rng.standard_normal(COLUMNS) + rng.standard_normal(ROWS)
    if name == "least_squares":
        loss = bn.least_squares_bn(X, y)
        return _gd(name, loss, formulas.least_squares, {"s": loss.data["s"], "b": loss.data["b"]})
    labels = np.where(y > np.median(y), 1.0, -1.0)
    data = {"rows": X - X.mean(axis=0), "labels": labels}
    return _gd(name, bn.bn_neuron_logistic(X, labels), formulas.neuron, data)


def _sgd(name, loss, formula, data):
    return Workload(name, loss, bn.SGD(lr=RATE), RATE, SIGMA, formula, data)


def _gd(name, loss, formula, data):
    return Workload(name, loss, bn.GD(lr=RATE), RATE, 0.0, formula, data)
