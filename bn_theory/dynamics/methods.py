"""Methods: immutable descriptions of an update rule, run by the engines.

    GD:   w <- w - eta_t grad L(w)          (the full loss)
    SGD:  w <- w - eta_t grad L_z(w)        (a fresh sample z in every step)

``projected=True`` rescales every scale-invariant group to its previous norm after each step: the same
directions of descent without the growth of the norm, hence without auto-tuning.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bn_theory.dynamics.schedules import Constant, Power, Schedule
from bn_theory.errors import InvalidInputError


@dataclass(frozen=True)
class Method:
    """What an engine runs.

    Attributes:
        schedules: ``((name, schedule), ...)`` per group and parameter; the name ``None`` is the default.
        sampled: whether a step follows a sample of the noise (SGD) or the full loss (GD).
        projected: whether scale-invariant groups are rescaled to their previous norm.
        name: for tables and attributes.
    """

    schedules: tuple[tuple[str | None, Schedule], ...]
    sampled: bool
    projected: bool
    name: str

    def schedule(self, target: str) -> Schedule:
        """The schedule of a group or parameter.

        Raises:
            InvalidInputError: no rate was given for it.
        """
        table = dict(self.schedules)
        if target in table:
            return table[target]
        if None in table:
            return table[None]
        raise InvalidInputError(f"no learning rate for {target!r}; lr= has {sorted(map(str, table))}")

    def check_targets(self, targets) -> None:
        """Refuse rates for groups or parameters that the loss does not have."""
        unknown = [name for name, _ in self.schedules if name is not None and name not in targets]
        if unknown:
            raise InvalidInputError(f"learning rates for {unknown}, but the loss has {list(targets)}")


def _per_target(lr, make):
    if isinstance(lr, dict):
        if not lr:
            raise InvalidInputError("lr={} gives no learning rate; give a number or one per group")
        return tuple((name, value if isinstance(value, Schedule) else make(name, value)) for name, value in lr.items())
    return ((None, lr if isinstance(lr, Schedule) else make(None, lr)),)


def GD(lr, *, projected: bool = False) -> Method:
    """Gradient descent on the full loss, ``w <- w - eta grad L(w)``.

    Args:
        lr: learning rate (dimensionless, > 0): a number, one per case (shape ``(cases,)``), a
            ``Schedule``, or ``{group or parameter: any of these}``.
        projected: rescale scale-invariant groups to their previous norm after each step.

    Raises:
        InvalidInputError: a rate that is not finite and positive.

    >>> import bn_theory as bn
    >>> bn.GD(lr=0.1).name
    'GD(lr=0.1)'
    """
    schedules = _per_target(lr, lambda _, value: Constant(value))
    return Method(schedules, False, projected, f"{'projected ' if projected else ''}GD(lr={_short(lr)})")


def SGD(lr, *, decay=0.0, projected: bool = False) -> Method:
    """Stochastic gradient descent with ``eta_t = lr * (t+1)**-decay``.

    Args:
        lr: as for :func:`GD`.
        decay: exponent alpha >= 0 (dimensionless), a number, one per case, or ``{group or parameter: ...}``
            where what is not named has decay 0. The rate theorem holds for alpha in [0, 1/2], with 1/2
            for the scale-variant parameters.
        projected: rescale scale-invariant groups to their previous norm after each step.

    Raises:
        InvalidInputError: a rate that is not finite and positive, a decay that is negative or not finite.

    >>> import bn_theory as bn
    >>> bn.SGD(lr=0.1, decay=0.25).name
    'SGD(lr=0.1, decay=0.25)'
    """

    def make(name, value):
        return Power(value, decay.get(name, 0.0) if isinstance(decay, dict) else decay)

    if isinstance(decay, dict) and not isinstance(lr, dict):
        lr = {name: lr for name in decay} | {None: lr}
    rates = lr if isinstance(lr, dict) else {None: lr}
    decays = decay if isinstance(decay, dict) else dict.fromkeys(rates, decay)
    if unknown := [name for name in decays if name not in rates]:
        raise InvalidInputError(f"decay for {unknown}, but lr= has {list(rates)}; give each of them a learning rate")
    if fixed := [name for name, rate in rates.items() if isinstance(rate, Schedule) and np.any(decays.get(name, 0))]:
        raise InvalidInputError(f"decay for {fixed}, whose learning rate is a schedule already")
    schedules = _per_target(lr, make)
    prefix = "projected " if projected else ""
    return Method(schedules, True, projected, f"{prefix}SGD(lr={_short(lr)}, decay={_short(decay)})")


def _short(value):
    return str(value.tolist() if hasattr(value, "tolist") else value)
