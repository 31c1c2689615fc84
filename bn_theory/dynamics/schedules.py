"""Learning-rate schedules: step number -> learning rate (dimensionless), with an optional case axis."""

from __future__ import annotations

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


def _rates(name, value, positive=True):
    array = real_array(name, value)
    if array.ndim > 1 or array.size == 0:
        raise InvalidInputError(f"{name} must be a number or have shape (cases,), not {array.shape}")
    bad = ~np.isfinite(array) | ((array <= 0) if positive else (array < 0))
    if np.any(bad):
        wrong = array[bad][0] if array.ndim else array
        raise InvalidInputError(f"{name} must be finite and {'> 0' if positive else '>= 0'}, but a value is {wrong}")
    return tuple(map(float, array)) if array.ndim else float(array)


@dataclass(frozen=True)
class Constant:
    """``eta_t = lr``, for ``lr`` a positive number or one per case.

    >>> Constant(0.5).values(0, 3).tolist()
    [[0.5, 0.5, 0.5]]
    """

    lr: float | tuple[float, ...]

    def __post_init__(self):
        object.__setattr__(self, "lr", _rates("learning rate", self.lr))

    @property
    def cases(self):
        """Length of the case axis, or ``None``."""
        return len(self.lr) if isinstance(self.lr, tuple) else None

    def values(self, first, last):
        """Rates, shape ``(cases or 1, last - first)``."""
        return np.broadcast_to(np.reshape(self.lr, (-1, 1)), (self.cases or 1, last - first))


@dataclass(frozen=True)
class Power:
    """``eta_t = lr * (t + 1)**-decay``; both positive numbers (decay may be 0) or one per case.

    >>> Power(1.0, 0.5).values(0, 4).round(4).tolist()
    [[1.0, 0.7071, 0.5774, 0.5]]
    """

    lr: float | tuple[float, ...]
    decay: float | tuple[float, ...] = 0.0

    def __post_init__(self):
        object.__setattr__(self, "lr", _rates("learning rate", self.lr))
        object.__setattr__(self, "decay", _rates("decay", self.decay, positive=False))
        if isinstance(self.lr, tuple) and isinstance(self.decay, tuple) and len(self.lr) != len(self.decay):
            raise InvalidInputError(f"lr has {len(self.lr)} cases, decay has {len(self.decay)}")

    @property
    def cases(self):
        """Length of the case axis, or ``None``."""
        return next((len(x) for x in (self.lr, self.decay) if isinstance(x, tuple)), None)

    def values(self, first, last):
        """Rates, shape ``(cases or 1, last - first)``."""
        lr, decay = (np.reshape(x, (-1, 1)) for x in (self.lr, self.decay))
        steps = np.arange(first + 1, last + 1, dtype=float)
        return np.broadcast_to(lr * steps**-decay, (self.cases or 1, last - first))
