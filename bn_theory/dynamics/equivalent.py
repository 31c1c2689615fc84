"""What :func:`bn_theory.equivalent_schedule` returns: rates without weight decay, how they grow, where they overflow.

Rates and ``p`` are kept as logarithms (see :mod:`bn_theory.dynamics.equivalence` for what they are). Where weights grow
beyond what floating-point numbers hold the units change: ``(w, b, eta) -> (w/k, k b, eta/k^2)`` for weights, momentum
buffer and all later rates changes no direction and no function value, and rounds nothing for ``k`` a power of two.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from bn_theory.dynamics.methods import GD, SGD, Method
from bn_theory.dynamics.schedules import Table, finite_rates
from bn_theory.errors import InvalidInputError

LARGEST = {"float32": float(np.finfo(np.float32).max), "float64": float(np.finfo(np.float64).max)}
"""The largest finite number of a floating-point type."""
RESCALE_BITS = 32
"""Weights are kept within a factor 2^32 of their size at the start: their squares, and rates, then within 2^64."""


@dataclass(frozen=True)
class Overflow:
    """First steps at which a quantity of a decay-free run leaves a floating-point type, ``None`` where none does.

    The weights are taken to have entries of size 1 as long as they decay: ``w~_t`` is then of size ``1/p_t``.

    Attributes:
        lr: of the learning rate ``eta~_t``.
        weights: of ``1/p_t``.
        squares: of ``1/p_t^2``, the squared norm.
    """

    lr: int | None
    weights: int | None
    squares: int | None

    @property
    def first(self) -> int | None:
        """The earliest of them."""
        return min((step for step in (self.lr, self.weights, self.squares) if step is not None), default=None)


@dataclass(frozen=True)
class Rescaled:
    """A decay-free schedule in units that change on the way, so that nothing overflows.

    Attributes:
        lr: rates to be used at every step, ``(steps,)``, all finite.
        factors: what weights are multiplied by after every step (and the momentum buffer divided by), ``(steps,)``:
            1 but for powers of two, which round nothing.
        correction: one-step weight decays in these units, ``(steps,)``; zero but for :func:`texp_schedule`.
        log2_scale: true weights are ``2^log2_scale`` times those stored, ``(steps + 1,)``, whole numbers.
    """

    lr: np.ndarray
    factors: np.ndarray
    correction: np.ndarray
    log2_scale: np.ndarray

    @property
    def steps_with_rescaling(self) -> np.ndarray:
        """The steps after which units change."""
        return np.flatnonzero(self.factors != 1.0)


@dataclass(frozen=True, eq=False)
class EquivalentSchedule:
    """A weight-decay-free schedule that trains a scale-invariant loss identically.

    Run it by :meth:`method`. It is also a ``Schedule`` of its rates, but of nothing else: given as ``lr=`` it leaves
    out momentum, changes of units, and the corrections of the buffer.

    Attributes (all dimensionless):
        eta, weight_decay, momentum: the given schedules, ``(steps,)`` each; momentum stays, decay goes.
        log_p: ``log p_t``, shape ``(steps + 1,)``.
        correction: weight decays of single steps that stand for corrections of the buffer (:func:`texp_schedule`), as
            ``(log of their size, sign)``, each ``(steps,)``; the sign is 0 where there is none.
        steps_per_epoch: for growth per epoch, or ``None``.
        name: for tables.
    """

    eta: np.ndarray
    weight_decay: np.ndarray
    momentum: np.ndarray
    log_p: np.ndarray
    correction: tuple[np.ndarray, np.ndarray]
    steps_per_epoch: int | None = None
    name: str = "equivalent schedule"
    cases: None = field(default=None, init=False)

    @property
    def length(self) -> int:
        """Number of steps."""
        return len(self.eta)

    @property
    def log_lr(self) -> np.ndarray:
        """``log eta~_t``, shape ``(steps,)``; ``-inf`` where the rate is 0."""
        with np.errstate(divide="ignore"):
            return np.log(self.eta) + self._log_growth()

    @property
    def lr(self) -> np.ndarray:
        """``eta~_t``, shape ``(steps,)``; ``inf`` where it does not fit a float."""
        return self._lr(np.arange(self.length))

    def _lr(self, at):
        """The rates of the steps ``at``, an array of step numbers."""
        eta = self.eta[at]
        with np.errstate(over="ignore", invalid="ignore"):
            # a rate of exactly 0 stays 0 whatever it is multiplied by
            return np.where(eta == 0, 0.0, eta * np.exp(-(self.log_p[at] + self.log_p[at + 1])))

    def _log_growth(self):
        return -(self.log_p[:-1] + self.log_p[1:])

    @property
    def p(self) -> np.ndarray:
        """``p_t = w_t / w~_t``, shape ``(steps + 1,)``; 0 where it does not fit a float."""
        return np.exp(self.log_p)

    @property
    def growth_per_step(self) -> np.ndarray:
        """``eta~_{t+1} / eta~_t``, shape ``(steps - 1,)``; 0, inf or NaN where a rate is 0."""
        with np.errstate(invalid="ignore", over="ignore"):
            return np.exp(np.diff(self.log_lr))

    @property
    def growth_per_epoch(self) -> np.ndarray | None:
        """``eta~_{t+n} / eta~_t`` from one epoch's first step to the next one's, ``n`` steps an epoch; 0, inf or NaN
        where a rate is 0."""
        if self.steps_per_epoch is None:
            return None
        with np.errstate(invalid="ignore", over="ignore"):
            return np.exp(np.diff(self.log_lr[:: self.steps_per_epoch]))

    def overflow(self, dtype: str = "float64") -> Overflow:
        """First steps beyond ``"float32"`` or ``"float64"``."""
        if not isinstance(dtype, str) or dtype not in LARGEST:
            raise InvalidInputError(f"dtype must be {' or '.join(map(repr, LARGEST))}, not {dtype!r}")
        limit = math.log(LARGEST[dtype])
        return Overflow(*(_first(x > limit) for x in (self.log_lr, -self.log_p, -2 * self.log_p)))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Where float32 and float64 would overflow, and the rescaling that avoids it; empty where they do not."""
        found, rescaled = [], None
        for dtype in LARGEST:
            over = self.overflow(dtype)
            if over.first is None:
                continue
            places = (("the learning rate", over.lr), ("weights", over.weights), ("|w|^2", over.squares))
            where = ", ".join(f"{what} at step {step}" for what, step in places if step is not None)
            # p never grows: where rates start below this, a rate overflows only after weights have grown by 2^bits
            if self.eta.max() <= math.ldexp(LARGEST[dtype], -2 * RESCALE_BITS):
                rescaled = rescaled or self.rescaled()
                first = int(rescaled.steps_with_rescaling[0])
                remedy = (
                    f"after step {first}, and again whenever the weights have grown by 2^{RESCALE_BITS}, multiply "
                    f"weights by 2^-{RESCALE_BITS}, momentum buffers by 2^{RESCALE_BITS} and all later rates by "
                    f"2^-{2 * RESCALE_BITS}; the function stays the same (.method() and .rescaled() do so)"
                )
            else:
                remedy = (
                    f"lr reaches {self.eta.max():.3g} before anything has grown; start from weights divided by a "
                    "large k, with all rates divided by k^2, which trains the same function"
                )
            found.append(f"{dtype} overflows ({where}, for weights of size 1): {remedy}")
        return tuple(found)

    def rescaled(self, bits: int = RESCALE_BITS) -> Rescaled:
        """The schedule in units that change by ``2^bits`` whenever weights have grown (or shrunk) by that.

        ``(w, b, eta) -> (w/k, k b, eta/k^2)`` maps every later step onto itself and changes no direction, hence no
        function value; a one-step decay goes to ``k^2`` times itself. ``k`` is a power of two: nothing rounds.
        """
        if isinstance(bits, bool) or not isinstance(bits, (int, np.integer)) or not 1 <= bits <= 256:
            raise InvalidInputError(f"bits must be a whole number from 1 to 256, not {bits!r}")
        shifts = np.zeros(self.length + 1, dtype=np.int64)
        now = 0
        for t, size in enumerate((-self.log_p / math.log(2)).tolist()):
            if abs(size - now) >= bits:
                now = math.trunc(size / bits) * bits
            shifts[t] = now
        change = np.diff(shifts)
        scale = 2 * math.log(2) * shifts[:-1]
        with np.errstate(over="ignore", invalid="ignore"):
            lr = np.where(self.eta == 0, 0.0, self.eta * np.exp(self._log_growth() - scale))
            log, sign = self.correction
            correction = np.where(sign == 0, 0.0, sign * np.exp(log + scale))
        return Rescaled(finite_rates(lr, 0, self.name), np.ldexp(1.0, -change), correction, shifts)

    def method(self, *, sampled: bool = True, rescale: bool = True, others=None) -> Method:
        """The decay-free method for ``bn.run``: SGD (or GD) with these rates, the momentum, and changes of units.

        Args:
            sampled: SGD, or GD.
            rescale: change units where weights have grown by ``2^32``; without it the rates must fit a float.
            others: ``{name: learning rate}`` of what is not scale-invariant: it keeps its own rate and does not decay.

        Raises:
            InvalidInputError: ``rescale=False`` and a rate beyond float64.
        """
        log, sign = self.correction
        if rescale:
            found = self.rescaled()
            lr, correction, factors = found.lr, found.correction, found.factors
        else:
            lr, correction, factors = finite_rates(self.lr, 0, self.name), sign * np.exp(log), np.ones(self.length)
        if not isinstance(others, Mapping | None):
            raise InvalidInputError(f"others must be {{name: learning rate}}, not {others!r}")
        others = dict(others or {})
        extra = {"momentum": Table(self.momentum)} if np.any(self.momentum) else {}
        if np.any(sign):
            extra["weight_decay"] = {None: Table(correction)} | dict.fromkeys(others, 0.0)
        extra |= {"rescaling": Table(factors)} if np.any(factors != 1) else {}
        return (SGD if sampled else GD)({None: Table(lr)} | others if others else Table(lr), **extra)

    def values(self, first, last):
        """Rates as of a ``Schedule``, shape ``(1, last - first)``.

        Raises:
            InvalidInputError: a rate beyond float64; names the step.
        """
        at = np.minimum(np.arange(first, last), self.length - 1)
        return finite_rates(self._lr(at)[None], first, self.name)

    def __str__(self):
        return f"{self.name} of {self.length} steps"


def _first(where):
    return int(np.argmax(where)) if np.any(where) else None
