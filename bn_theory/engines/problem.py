"""What every engine takes and gives: a ``Problem`` in, a ``Trajectory`` out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from bn_theory.dynamics.methods import Method


@dataclass(frozen=True)
class Problem:
    """A checked run.

    Attributes:
        loss: ``Loss`` or ``ArrayLoss``.
        method: the update rule.
        start: ``{name: array}``, groups ``(cases, replicas, d)``, parameters ``(cases, replicas)``.
        replicas: replica numbers (they name the noise), shape ``(replicas,)``.
        seed: 64-bit seed of the noise.
        records: increasing step numbers; the last one is the last step of the run.
        advance: called with the number of steps done, for a progress bar.
        dtype: of weights, data and sums: ``"float64"``, or ``"float32"`` where an engine has it.
    """

    loss: Any
    method: Method
    start: dict[str, np.ndarray]
    replicas: np.ndarray
    seed: int
    records: np.ndarray
    advance: Callable[[int], None]
    dtype: str = "float64"

    @property
    def shape(self) -> tuple[int, int]:
        """``(cases, replicas)``."""
        return next(iter(self.start.values())).shape[:2]

    @property
    def noises(self) -> tuple[str, ...]:
        """Names of the noise symbols that this run draws."""
        return self.loss.noises if self.method.sampled else ()


@dataclass(frozen=True)
class Trajectory:
    """What was recorded, shapes ``(cases, replicas, records)`` before further axes; NaN after divergence.

    Attributes:
        loss: full loss at the record step.
        grad_norm2: squared gradient norm of the full loss at unit-norm directions, parameters included.
        min_grad_norm2, sum_grad_norm2: minimum and sum of it over **all** steps before the record.
        norm2: ``|w|^2`` per group, a last axis of groups.
        sum_step2: sum of ``|w_{t+1} - w_t|^2`` over all steps before the record, per group (for a
            projected or rescaling method: of the step before it is rescaled).
        step_grad2: ``|g_t|^2`` of the gradient that the step from the record on follows, at the weights themselves and
            without decay, per group.
        parameters: values, a last axis of parameters.
        final: ``{name: array}`` after the last step.
        diverged: first step whose result was not finite, or -1; shape ``(cases, replicas)``.
        swallowed: first step that rounding swallowed whole, or -1, where single precision makes an engine look for it.
        notes: what an engine has to say about how it ran, ``{attribute: text}``.
    """

    loss: np.ndarray
    grad_norm2: np.ndarray
    min_grad_norm2: np.ndarray
    sum_grad_norm2: np.ndarray
    norm2: np.ndarray
    sum_step2: np.ndarray
    step_grad2: np.ndarray
    parameters: np.ndarray
    final: dict[str, np.ndarray]
    diverged: np.ndarray
    notes: dict[str, str] = field(default_factory=dict)
    swallowed: np.ndarray | None = None

    @classmethod
    def empty(cls, problem: Problem) -> Trajectory:
        """All NaN, for an engine to fill."""
        cases, replicas = problem.shape
        shape = (cases, replicas, len(problem.records))
        scalars = [np.full(shape, np.nan) for _ in range(4)]
        groups = [np.full((*shape, len(problem.loss.groups)), np.nan) for _ in range(3)]
        parameters = np.full((*shape, len(problem.loss.parameters)), np.nan)
        final = {name: array.copy() for name, array in problem.start.items()}
        return cls(*scalars, *groups, parameters, final, np.full((cases, replicas), -1, dtype=np.int64))


class Engine(Protocol):
    """Something that runs a problem; ``dtypes`` are the precisions that it has."""

    name: str
    dtypes: tuple[str, ...]

    def run(self, problem: Problem) -> Trajectory:
        """Run all cases, replicas and steps."""

    def refuses(self, loss) -> str | None:
        """Why this engine cannot run the loss, or ``None``."""
