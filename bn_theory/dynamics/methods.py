"""Methods: immutable descriptions of an update rule, run by the engines.

With a gradient ``g_t`` (of the full loss for GD, of a fresh sample ``z`` in every step for SGD), learning rate
``eta_t``, weight decay ``lambda_t`` and momentum ``gamma_t`` a step is

    b_{t+1} = gamma_t b_t + g_t + lambda_t w_t            b_0 = 0
    w_{t+1} = w_t - eta_t b_{t+1}

which is PyTorch's ``SGD(momentum=gamma, weight_decay=lambda)``, dampening 0, no Nesterov. In terms of the weights alone

    (w_{t+1} - w_t)/eta_t = gamma_t (w_t - w_{t-1})/eta_{t-1} - (g_t + lambda_t w_t).

``projected=True`` rescales every scale-invariant group to its previous norm after each step: the same
directions of descent without the growth of the norm, hence without auto-tuning. A *rescaling* ``s_t`` multiplies the
weights of every scale-invariant group by ``s_t`` after the step and its buffer by ``1/s_t``: a change of units that,
with later rates ``s_t^2`` times as large, changes no direction and keeps growing weights within the floating-point
range.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bn_theory.dynamics.schedules import Constant, Power, Schedule, checked
from bn_theory.errors import InvalidInputError

RATE, MOMENTUM, DECAY, RESCALING = "rate", "momentum", "decay", "rescaling"
"""The coefficients of a step, by name."""

PerTarget = tuple[tuple[str | None, Schedule], ...]
"""``((name, schedule), ...)`` per group and parameter; the name ``None`` is the default."""


@dataclass(frozen=True)
class Kind:
    """What a step consists of, whatever its coefficients: one compiled loop a kind.

    Attributes:
        sampled: whether a step follows a sample of the noise (SGD) or the full loss (GD).
        projected: whether scale-invariant groups are rescaled to their previous norm.
        momentum: whether there is a buffer.
        decay: whether weights decay.
        rescaling: whether the units of scale-invariant groups change on the way.
    """

    sampled: bool = False
    projected: bool = False
    momentum: bool = False
    decay: bool = False
    rescaling: bool = False

    @property
    def plain(self) -> bool:
        """Whether the step is along the gradient itself."""
        return not (self.momentum or self.decay)

    def coefficients(self, targets, invariant) -> tuple[tuple[str, str], ...]:
        """``(coefficient, group or parameter)`` of every number that a step reads.

        Args:
            targets: groups and parameters.
            invariant: scale-invariant groups, whose units may change.
        """
        optional = ((MOMENTUM, self.momentum), (DECAY, self.decay))
        names = (RATE, *(name for name, wanted in optional if wanted))
        scaled = invariant if self.rescaling else ()
        return (*((name, t) for name in names for t in targets), *((RESCALING, g) for g in scaled))


@dataclass(frozen=True)
class Method:
    """What an engine runs.

    Attributes:
        schedules: learning rates per group and parameter.
        sampled: whether a step follows a sample of the noise (SGD) or the full loss (GD).
        projected: whether scale-invariant groups are rescaled to their previous norm.
        name: for tables and attributes.
        momentum, weight_decay, rescaling: as ``schedules``; empty where there is none.
    """

    schedules: PerTarget
    sampled: bool
    projected: bool
    name: str
    momentum: PerTarget = ()
    weight_decay: PerTarget = ()
    rescaling: PerTarget = ()

    @property
    def kind(self) -> Kind:
        """What a step consists of."""
        return Kind(self.sampled, self.projected, bool(self.momentum), bool(self.weight_decay), bool(self.rescaling))

    def schedule(self, target: str) -> Schedule:
        """The learning rates of a group or parameter.

        Raises:
            InvalidInputError: no rate was given for it.
        """
        found = _of(self.schedules, target)
        if found is None:
            raise InvalidInputError(
                f"no learning rate for {target!r}; lr= has {sorted(str(name) for name, _ in self.schedules)}"
            )
        return found

    def coefficient(self, name: str, target: str) -> Schedule:
        """The schedule of a coefficient of a group or parameter: of the learning rate (``RATE``), ``MOMENTUM``,
        ``DECAY`` or ``RESCALING``; where none was given, the value without effect."""
        if name == RATE:
            return self.schedule(target)
        table = {MOMENTUM: self.momentum, DECAY: self.weight_decay, RESCALING: self.rescaling}[name]
        return _of(table, target) or Constant(1.0 if name == RESCALING else 0.0)

    def coefficients(self, loss) -> dict[tuple[str, str], Schedule]:
        """``{(coefficient, group or parameter): schedule}`` of everything that a step on a loss reads."""
        wanted = self.kind.coefficients((*loss.groups, *loss.parameters), loss.scale_invariant_groups)
        return {c: self.coefficient(*c) for c in wanted}

    @property
    def given(self) -> tuple[tuple[str, str | None, Schedule], ...]:
        """All schedules that were given: ``((coefficient, target, schedule), ...)``."""
        tables = {RATE: self.schedules, MOMENTUM: self.momentum, DECAY: self.weight_decay, RESCALING: self.rescaling}
        return tuple((name, target, schedule) for name, table in tables.items() for target, schedule in table)

    def check(self, targets, invariant, steps: int) -> None:
        """Refuse coefficients for groups or parameters that the loss does not have, tables that end too early, and
        values out of range: every value of a table is looked at, of other schedules the first, middle and last.

        Args:
            targets: groups and parameters of the loss.
            invariant: its scale-invariant groups.
            steps: of the run.

        Raises:
            InvalidInputError: names what does not fit.
        """
        for name, target, schedule in self.given:
            allowed = invariant if name == RESCALING else targets
            what = WORDS[name]
            if target is not None and target not in allowed:
                groups = "scale-invariant groups" if name == RESCALING else "the loss has"
                raise InvalidInputError(f"{what} for {[target]}, but {groups} {list(allowed)}")
            length = getattr(schedule, "length", None)
            if length is not None and length < steps:
                raise InvalidInputError(f"{what}: {schedule} ends after {length} steps, but the run has {steps}")
            _check_values(name, schedule, range(steps) if length is not None else {0, steps // 2, steps - 1})


WORDS = {RATE: "learning rates", MOMENTUM: "momentum", DECAY: "weight decay", RESCALING: "rescaling"}
KEYWORDS = {"lr": RATE, "momentum": MOMENTUM, "weight_decay": DECAY, "rescaling": RESCALING}


def _check_values(name, schedule, steps):
    """Rates >= 0, momentum in [0, 1), rescaling > 0, decay of any sign; all finite."""
    ranges = {RATE: ">= 0", MOMENTUM: "in [0, 1)", DECAY: "finite", RESCALING: "> 0"}
    bunches = [(0, len(steps))] if isinstance(steps, range) else [(t, t + 1) for t in sorted(steps)]
    for first, last in bunches:
        values = schedule.values(first, last)
        good = np.isfinite(values)
        if name != DECAY:
            good &= (values > 0) if name == RESCALING else (values >= 0)
        if name == MOMENTUM:
            good &= values < 1
        if not np.all(good):
            case, at = np.argwhere(~good)[0]
            raise InvalidInputError(
                f"{WORDS[name]} must be {ranges[name]}, but {schedule} has {values[case, at]} at step {first + at}"
            )


def _of(table, target):
    named = dict(table)
    return named.get(target, named.get(None))


def _per_target(name, value, make) -> PerTarget:
    if isinstance(value, dict):
        if not value:
            raise InvalidInputError(f"{name}={{}} gives no {WORDS[KEYWORDS[name]]}; give a number or one per group")
        return tuple((target, v if isinstance(v, Schedule) else make(target, v)) for target, v in value.items())
    return ((None, value if isinstance(value, Schedule) else make(None, value)),)


def _rates(lr) -> PerTarget:
    return _per_target("lr", lr, lambda _, value: Constant(checked("learning rate", value)))


def _without_effect(schedule, neutral):
    return isinstance(schedule, Constant) and schedule.lr == neutral


def _others(momentum, weight_decay, rescaling, projected) -> dict[str, PerTarget]:
    """The tables of a method beyond its rates; what has no effect is left out."""

    def momenta(_, value):
        value = checked("momentum", value, positive=False)
        if np.any(np.asarray(value) >= 1):
            raise InvalidInputError(f"momentum must be below 1, not {value}")
        return Constant(value)

    given = {
        "momentum": _per_target("momentum", momentum, momenta),
        "weight_decay": _per_target(
            "weight_decay", weight_decay, lambda _, value: Constant(checked("weight decay", value, positive=False))
        ),
        "rescaling": ()
        if rescaling is None
        else _per_target("rescaling", rescaling, lambda _, value: Constant(checked("rescaling", value))),
    }
    neutral = {"momentum": 0.0, "weight_decay": 0.0, "rescaling": 1.0}
    found = {n: t for n, t in given.items() if not all(_without_effect(s, neutral[n]) for _, s in t)}
    if projected and found:
        raise InvalidInputError(
            f"projected=True together with {' and '.join(found)} is not defined here: the buffer would keep what the "
            "projection takes from the weights; leave one of them out"
        )
    return found


def _named(name, found, arguments):
    """The method's name with what it was given."""
    shown = [f"{key}={_short(value)}" for key, value in arguments.items() if key in ("lr", "decay") or key in found]
    return f"{name}({', '.join(shown)})"


def GD(lr, *, momentum=0.0, weight_decay=0.0, rescaling=None, projected: bool = False) -> Method:
    """Gradient descent on the full loss, ``w <- w - eta grad L(w)``; with momentum and weight decay as above.

    Args:
        lr: learning rate (dimensionless, > 0): a number, one per case (shape ``(cases,)``), a
            ``Schedule``, or ``{group or parameter: any of these}``.
        momentum: gamma in [0, 1) (dimensionless), in the same forms; what a dict does not name has none.
        weight_decay: lambda >= 0 (dimensionless), in the same forms; a schedule may have any sign. A single value is
            for every group **and** parameter, as in PyTorch.
        rescaling: factors ``s_t > 0`` for scale-invariant groups, in the same forms (see the module).
        projected: rescale scale-invariant groups to their previous norm after each step; plain steps only.

    Raises:
        InvalidInputError: a rate that is not finite and positive, a momentum outside of [0, 1), a weight decay that is
            negative or not finite, a projected method with any of them. (A schedule's values are looked at by ``run``,
            which knows the steps.)

    >>> import bn_theory as bn
    >>> bn.GD(lr=0.1).name
    'GD(lr=0.1)'
    """
    found = _others(momentum, weight_decay, rescaling, projected)
    name = _named(
        f"{'projected ' if projected else ''}GD",
        found,
        {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "rescaling": rescaling},
    )
    return Method(_rates(lr), False, projected, name, **found)


def SGD(lr, *, decay=0.0, momentum=0.0, weight_decay=0.0, rescaling=None, projected: bool = False) -> Method:
    """Stochastic gradient descent with ``eta_t = lr * (t+1)**-decay``.

    Args:
        lr: as for :func:`GD`.
        decay: exponent alpha >= 0 of the *rate* (dimensionless), a number, one per case, or ``{group or parameter:
            ...}`` where what is not named has decay 0. The rate theorem holds for alpha in [0, 1/2], with 1/2
            for the scale-variant parameters.
        momentum, weight_decay, rescaling: as for :func:`GD`.
        projected: rescale scale-invariant groups to their previous norm after each step; plain steps only.

    Raises:
        InvalidInputError: as for :func:`GD`; a decay that is negative or not finite.

    >>> import bn_theory as bn
    >>> bn.SGD(lr=0.1, decay=0.25).name
    'SGD(lr=0.1, decay=0.25)'
    >>> bn.SGD(lr=bn.Cosine(0.1, 1000), momentum=0.9, weight_decay=5e-4).kind.momentum
    True
    """
    found = _others(momentum, weight_decay, rescaling, projected)
    name = _named(
        f"{'projected ' if projected else ''}SGD",
        found,
        {"lr": lr, "decay": decay, "momentum": momentum, "weight_decay": weight_decay, "rescaling": rescaling},
    )
    return Method(_decaying(lr, decay), True, projected, name, **found)


def _decaying(lr, decay) -> PerTarget:
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
    return _per_target("lr", lr, make)


def _short(value):
    return str(value.tolist() if hasattr(value, "tolist") else value)
