"""Schedules: step number -> learning rate, weight decay or momentum (dimensionless), with an optional case axis.

Steps count from 0. A schedule that covers a fixed number of steps has a ``length``; a longer run is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from bn_theory.errors import InvalidInputError
from bn_theory.losses.checks import real_array


@runtime_checkable
class Schedule(Protocol):
    """What the engines need of a schedule."""

    @property
    def cases(self) -> int | None:
        """Length of the case axis, or ``None`` without one."""

    def values(self, first: int, last: int) -> np.ndarray:
        """Rates of the steps ``first .. last - 1``, shape ``(cases or 1, last - first)``."""


def checked(name, value, positive=True):
    """A number, or a tuple of one per case, all finite and positive (or not negative).

    Raises:
        InvalidInputError: anything else; the message begins with the name.
    """
    array = real_array(name, value)
    if array.ndim > 1 or array.size == 0:
        raise InvalidInputError(f"{name} must be a number or have shape (cases,), not {array.shape}")
    bad = ~np.isfinite(array) | ((array <= 0) if positive else (array < 0))
    if np.any(bad):
        wrong = array[bad][0] if array.ndim else array
        raise InvalidInputError(f"{name} must be finite and {'> 0' if positive else '>= 0'}, but a value is {wrong}")
    return tuple(map(float, array)) if array.ndim else float(array)


def _column(value):
    """A number or one per case as ``(cases or 1, 1)``."""
    return np.reshape(value, (-1, 1))


def _count(*values):
    """Length of the case axis of numbers, one of which may be one per case; ``None`` without one."""
    return next((len(x) for x in values if isinstance(x, tuple)), None)


def _steps(name, value, least=1):
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise InvalidInputError(f"{name} must be a whole number of at least {least}, not {value!r}")
    return int(value)


def _number(name, value, positive=True):
    value = checked(name, value, positive)
    if isinstance(value, tuple):
        raise InvalidInputError(f"{name} must be one number, not {len(value)}")
    return value


def finite_rates(values, first, name):
    """The rates, refused where they are beyond float64.

    Raises:
        InvalidInputError: names the step.
    """
    if not np.all(np.isfinite(values)):
        step = first + int(np.argmax(~np.all(np.isfinite(np.atleast_2d(values)), axis=0)))
        raise InvalidInputError(
            f"the learning rate of {name} leaves the range of float64 at step {step}; take fewer steps, or rescale "
            "weights, momentum buffer and rate together (bn.equivalent_schedule(...).method())"
        )
    return values


@dataclass(frozen=True)
class Constant:
    """``eta_t = lr``, for ``lr`` a number >= 0 or one per case (a momentum or weight decay may be 0).

    >>> Constant(0.5).values(0, 3).tolist()
    [[0.5, 0.5, 0.5]]
    """

    lr: float | tuple[float, ...]

    def __post_init__(self):
        object.__setattr__(self, "lr", checked("a constant", self.lr, positive=False))

    @property
    def cases(self):
        """Length of the case axis, or ``None``."""
        return _count(self.lr)

    def values(self, first, last):
        """Rates, shape ``(cases or 1, last - first)``."""
        return np.broadcast_to(_column(self.lr), (self.cases or 1, last - first))


@dataclass(frozen=True)
class Power:
    """``eta_t = lr * (t + 1)**-decay``; both positive numbers (decay may be 0) or one per case.

    >>> Power(1.0, 0.5).values(0, 4).round(4).tolist()
    [[1.0, 0.7071, 0.5774, 0.5]]
    """

    lr: float | tuple[float, ...]
    decay: float | tuple[float, ...] = 0.0

    def __post_init__(self):
        object.__setattr__(self, "lr", checked("learning rate", self.lr))
        object.__setattr__(self, "decay", checked("decay", self.decay, positive=False))
        if isinstance(self.lr, tuple) and isinstance(self.decay, tuple) and len(self.lr) != len(self.decay):
            raise InvalidInputError(f"lr has {len(self.lr)} cases, decay has {len(self.decay)}")

    @property
    def cases(self):
        """Length of the case axis, or ``None``."""
        return _count(self.lr, self.decay)

    def values(self, first, last):
        """Rates, shape ``(cases or 1, last - first)``."""
        steps = np.arange(first + 1, last + 1, dtype=float)
        return _column(self.lr) * steps ** -_column(self.decay)


@dataclass(frozen=True)
class StepDecay:
    """``eta_t = lr * product of the factors of all drops at or before step t``.

    Args:
        lr: positive number or one per case (dimensionless).
        drops: ``((step, factor), ...)`` or ``{step: factor}``, steps >= 1 and factors > 0.

    >>> StepDecay(1.0, {2: 0.5, 3: 0.5}).values(0, 5).tolist()
    [[1.0, 1.0, 0.5, 0.25, 0.25]]
    """

    lr: float | tuple[float, ...]
    drops: tuple[tuple[int, float], ...]

    def __post_init__(self):
        object.__setattr__(self, "lr", checked("learning rate", self.lr))
        pairs = self.drops.items() if isinstance(self.drops, Mapping) else self.drops
        try:
            pairs = [(step, factor) for step, factor in pairs]
        except (TypeError, ValueError) as error:
            raise InvalidInputError(f"drops must be (step, factor) pairs, not {self.drops!r}") from error
        pairs = sorted((_steps("the step of a drop", s), _number("the factor of a drop", f)) for s, f in pairs)
        if len({step for step, _ in pairs}) < len(pairs):
            raise InvalidInputError(f"two drops at one step: {pairs}; multiply their factors")
        object.__setattr__(self, "drops", tuple(pairs))

    @property
    def cases(self):
        """Length of the case axis, or ``None``."""
        return _count(self.lr)

    def values(self, first, last):
        """Rates, shape ``(cases or 1, last - first)``."""
        factors = np.cumprod([1.0, *(factor for _, factor in self.drops)])
        passed = np.searchsorted([step for step, _ in self.drops], np.arange(first, last), side="right")
        return _column(self.lr) * factors[passed]


@dataclass(frozen=True)
class Cosine:
    """``eta_t = floor + (lr - floor) (1 + cos(pi t/steps))/2`` for ``t < steps``, then ``floor``.

    Args:
        lr: positive number or one per case (dimensionless).
        steps: length of the half period, >= 1.
        floor: last rate, >= 0.

    >>> Cosine(1.0, 4).values(0, 5).round(4).tolist()
    [[1.0, 0.8536, 0.5, 0.1464, 0.0]]
    """

    lr: float | tuple[float, ...]
    steps: int
    floor: float = 0.0

    def __post_init__(self):
        object.__setattr__(self, "lr", checked("learning rate", self.lr))
        object.__setattr__(self, "steps", _steps("steps", self.steps))
        object.__setattr__(self, "floor", _number("floor", self.floor, positive=False))

    @property
    def cases(self):
        """Length of the case axis, or ``None``."""
        return _count(self.lr)

    def values(self, first, last):
        """Rates, shape ``(cases or 1, last - first)``."""
        done = np.minimum(np.arange(first, last) / self.steps, 1.0)
        return self.floor + (_column(self.lr) - self.floor) * ((1 + np.cos(np.pi * done)) / 2)


@dataclass(frozen=True)
class Polynomial:
    """``eta_t = floor + (lr - floor) (1 - t/steps)^power`` for ``t < steps``, then ``floor``; power 1 is linear decay.

    Args:
        lr: positive number or one per case (dimensionless).
        steps: where the floor is reached, >= 1.
        power: > 0.
        floor: last rate, >= 0.

    >>> Polynomial(1.0, 4).values(0, 6).tolist()
    [[1.0, 0.75, 0.5, 0.25, 0.0, 0.0]]
    """

    lr: float | tuple[float, ...]
    steps: int
    power: float = 1.0
    floor: float = 0.0

    def __post_init__(self):
        object.__setattr__(self, "lr", checked("learning rate", self.lr))
        object.__setattr__(self, "steps", _steps("steps", self.steps))
        object.__setattr__(self, "power", _number("power", self.power))
        object.__setattr__(self, "floor", _number("floor", self.floor, positive=False))

    @property
    def cases(self):
        """Length of the case axis, or ``None``."""
        return _count(self.lr)

    def values(self, first, last):
        """Rates, shape ``(cases or 1, last - first)``."""
        left = np.maximum(1 - np.arange(first, last) / self.steps, 0.0)
        return self.floor + (_column(self.lr) - self.floor) * left**self.power


@dataclass(frozen=True)
class Exponential:
    """``eta_t = lr * factor^t``; a factor above 1 grows.

    Args:
        lr, factor: positive numbers or one per case (dimensionless).

    >>> Exponential(1.0, 2.0).values(0, 4).tolist()
    [[1.0, 2.0, 4.0, 8.0]]
    """

    lr: float | tuple[float, ...]
    factor: float | tuple[float, ...]

    def __post_init__(self):
        object.__setattr__(self, "lr", checked("learning rate", self.lr))
        object.__setattr__(self, "factor", checked("factor", self.factor))
        if isinstance(self.lr, tuple) and isinstance(self.factor, tuple) and len(self.lr) != len(self.factor):
            raise InvalidInputError(f"lr has {len(self.lr)} cases, factor has {len(self.factor)}")

    @property
    def cases(self):
        """Length of the case axis, or ``None``."""
        return _count(self.lr, self.factor)

    def values(self, first, last):
        """Rates, shape ``(cases or 1, last - first)``.

        Raises:
            InvalidInputError: a rate beyond float64; names the step.
        """
        with np.errstate(over="ignore"):
            found = _column(self.lr) * _column(self.factor) ** np.arange(first, last, dtype=float)
        return finite_rates(found, first, "Exponential(...)")


@dataclass(frozen=True)
class Warmup:
    """``eta_t = then_t * min(1, (t + 1)/steps)``: a linear rise onto another schedule.

    Args:
        then: a schedule, or a positive number.
        steps: length of the rise, >= 1.

    >>> Warmup(1.0, 4).values(0, 5).tolist()
    [[0.25, 0.5, 0.75, 1.0, 1.0]]
    """

    then: Schedule
    steps: int

    def __post_init__(self):
        if not isinstance(self.then, Schedule):
            object.__setattr__(self, "then", Constant(self.then))
        object.__setattr__(self, "steps", _steps("steps", self.steps))

    @property
    def cases(self):
        """Length of the case axis, or ``None``."""
        return self.then.cases

    @property
    def length(self):
        """Of the schedule that follows, where it has one."""
        return getattr(self.then, "length", None)

    def values(self, first, last):
        """Rates, shape ``(cases or 1, last - first)``."""
        return self.then.values(first, last) * np.minimum(np.arange(first + 1, last + 1) / self.steps, 1.0)


@dataclass(frozen=True, eq=False)
class Table:
    """A value for every step, given as an array.

    Args:
        table: finite numbers, shape ``(steps,)`` or ``(cases, steps)`` (dimensionless). A run may not be longer.

    Raises:
        InvalidInputError: another shape, or a number that is not finite.

    >>> Table([0.3, 0.2, 0.1]).values(1, 3).tolist()
    [[0.2, 0.1]]
    """

    table: np.ndarray

    def __post_init__(self):
        array = real_array("table", self.table)
        if array.ndim not in (1, 2) or array.size == 0:
            raise InvalidInputError(f"a table has shape (steps,) or (cases, steps), not {array.shape}")
        if not np.all(np.isfinite(array)):
            where = np.argwhere(~np.isfinite(array))[0]
            raise InvalidInputError(f"table[{', '.join(map(str, where))}] = {array[tuple(where)]} is not finite")
        array = np.array(array, dtype=float)
        array.setflags(write=False)
        object.__setattr__(self, "table", array)

    @property
    def cases(self):
        """Length of the case axis, or ``None``."""
        return len(self.table) if self.table.ndim == 2 else None

    @property
    def length(self):
        """Steps that it covers."""
        return self.table.shape[-1]

    def values(self, first, last):
        """Values, shape ``(cases or 1, last - first)``; beyond the end the last one, for the run's last record."""
        at = np.minimum(np.arange(first, last), self.length - 1)
        return np.atleast_2d(self.table)[:, at]

    def __str__(self):
        low, high = float(self.table.min()), float(self.table.max())
        return f"Table({' x '.join(map(str, self.table.shape))} values, {low:g} to {high:g})"
