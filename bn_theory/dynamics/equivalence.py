"""Weight decay as a learning-rate schedule: what trains a scale-invariant loss identically without it.

SGD with rates ``eta_t``, weight decay ``lambda_t`` and momentum ``gamma_t`` (:mod:`bn_theory.dynamics.methods`) is
linear in the weights but for the gradient. Let ``(p, q)`` be its solution without a gradient,

    q_{t+1} = gamma_t q_t + lambda_t p_t,    p_{t+1} = p_t - eta_t q_{t+1},    p_0 = 1, q_0 = 0.

For losses that are invariant under positive scaling of the weights, the run ``w~`` with the same samples, the same
momentum, **no** weight decay and

    eta~_t = eta_t / (p_t p_{t+1})

from the same start has ``w_t = p_t w~_t`` and ``b_t = q_t w~_t + b~_t / p_t`` at every step, as long as every
``p_t > 0``: the same function, bit for bit but for rounding. ``p`` shrinks, so that the rate grows exponentially and
``p`` leaves the floating-point numbers; everything here is computed from ``log p``.

With constant coefficients ``p_t`` follows a root of ``x^2 - (1 + gamma - lambda eta) x + gamma = 0``: the rate grows by
``a^-2`` a step, ``a`` the larger root. Started with the buffer that belongs to a root, ``p_t = a^t`` exactly.

Source: Li and Arora, *An Exponential Learning Rate Schedule for Deep Learning* (ICLR 2020, arXiv:1910.07454), for
constant rates and step decay; the form for any schedule is derived in this package (``bn-theory prove
li2020.any_schedule``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from bn_theory.dynamics.methods import GD, SGD, Method
from bn_theory.dynamics.schedules import Constant, Schedule, Table, checked, finite_rates
from bn_theory.errors import InvalidInputError, NoEquivalentScheduleError
from bn_theory.losses.checks import real_array

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


def roots(lr: float, weight_decay: float, momentum: float) -> tuple[float, ...]:
    """Roots of ``x^2 - (1 + gamma - lambda eta) x + gamma = 0``, the larger first; without momentum only that one.

    Args:
        lr, weight_decay: eta and lambda, >= 0 (dimensionless).
        momentum: gamma in [0, 1).

    Raises:
        NoEquivalentScheduleError: ``lambda eta > (1 - sqrt gamma)^2``, or 1 without momentum: no positive real roots.
        InvalidInputError: not a number, negative, or a momentum of 1 and more.

    >>> round(roots(0.1, 5e-4, 0.9)[0] ** (-2 * 391), 3)  # growth over an epoch of 391 steps
    1.481
    """
    lr, weight_decay = (_one(n, v) for n, v in (("lr", lr), ("weight_decay", weight_decay)))
    momentum = _momentum(momentum)
    return tuple(1 / (1 + y) for y in _decrements(lr, weight_decay, momentum))


def _decrements(lr, weight_decay, momentum):
    """``y = 1/a - 1`` of both roots (of the only one without momentum): these come without cancellation.

    They solve ``gamma y^2 - (1 - gamma - lambda eta) y + lambda eta = 0``.
    """
    product = lr * weight_decay
    limit = (1 - math.sqrt(momentum)) ** 2
    half = (1 - momentum - product) / 2
    larger = half + math.sqrt(max(half * half - momentum * product, 0.0))
    if product > limit or not larger > 0:
        raise NoEquivalentScheduleError(_no_roots(lr, weight_decay, momentum, limit))
    return (product / larger, larger / momentum) if momentum > 0 else (product / larger,)


def _no_roots(lr, weight_decay, momentum, limit):
    # Between (1 - sqrt gamma)^2 and (1 + sqrt gamma)^2, p_t is gamma^(t/2) times a sine of angle theta a step.
    product = lr * weight_decay
    if product < 1:
        theta = math.acos((1 + momentum - product) / (2 * math.sqrt(momentum)))
        what = f"p_t oscillates and changes sign about every {math.pi / theta:.3g} steps"
    else:
        what = f"already p_1 = 1 - weight_decay * lr = {1 - product:.3g} is not positive"
    return (
        f"weight_decay * lr = {product:g}, but only up to (1 - sqrt(momentum))^2 = {limit:g} (and below 1) there is an "
        f"equivalent rate: {what}, so that weights pass through 0 and no positive learning rate can follow them; lower "
        "lr, weight_decay or momentum"
    )


def equivalent_schedule(
    lr, weight_decay, momentum=0.0, steps: int | None = None, *, steps_per_epoch: int | None = None
) -> EquivalentSchedule:
    """The weight-decay-free schedule that trains a scale-invariant loss identically.

    ``eta~_t = eta_t/(p_t p_{t+1})`` with ``q_{t+1} = gamma_t q_t + lambda_t p_t``, ``p_{t+1} = p_t - eta_t q_{t+1}``,
    from a zero momentum buffer; computed from ``log p``.

    Args:
        lr, weight_decay, momentum: numbers, arrays ``(steps,)`` with one value a step, or schedules without cases; all
            >= 0, momentum below 1 (dimensionless).
        steps: how many; ``None`` takes the length of an array or table.
        steps_per_epoch: for ``growth_per_epoch``.

    Returns:
        EquivalentSchedule: ``.log_lr``, ``.lr``, ``.p``, growth, ``.warnings``; ``.method()`` is ready for ``bn.run``.

    Raises:
        NoEquivalentScheduleError: numbers (constant coefficients) with ``lambda eta > (1 - sqrt gamma)^2``, however few
            the steps, or a ``p_t <= 0`` under any other schedule: names the step and what to lower.
        InvalidInputError: anything negative or not finite, lengths that differ, no steps.

    Source: derived in this package; for constant rates and step decay Li and Arora (ICLR 2020, arXiv:1910.07454).

    >>> import bn_theory as bn
    >>> found = bn.equivalent_schedule(0.1, 5e-4, 0.9, steps=160 * 391, steps_per_epoch=391)
    >>> round(float(found.growth_per_epoch[-1]), 3), round(float(found.log_lr[-1]), 3)
    (1.481, 60.548)
    """
    given = {"lr": lr, "weight_decay": weight_decay, "momentum": momentum}
    schedules = {name: _schedule(name, value) for name, value in given.items()}
    steps = _length(schedules, steps)
    if steps_per_epoch is not None:
        steps_per_epoch = _whole("steps_per_epoch", steps_per_epoch)
    eta, decay, gamma = (_values(name, schedule, steps) for name, schedule in schedules.items())
    if all(isinstance(s, Constant) for s in schedules.values()):
        roots(float(eta[0]), float(decay[0]), float(gamma[0]))
    log_p = _log_p(eta, decay, gamma)
    return EquivalentSchedule(eta, decay, gamma, log_p, _none(steps), steps_per_epoch)


def texp_schedule(
    lr,
    switches,
    weight_decay,
    momentum=0.0,
    steps: int | None = None,
    *,
    corrected: bool = True,
    larger_root: bool = True,
    steps_per_epoch: int | None = None,
) -> EquivalentSchedule:
    """Tapered exponential rates: what takes the place of step decay with weight decay, phase by phase.

    In a phase with constant rate ``eta_I`` let ``a_I`` be a root of ``x^2 - (1 + gamma - lambda eta_I) x + gamma = 0``.
    The rate grows by ``a_I^-2`` a step and is multiplied by ``(eta_I/eta_{I-1})/(a_I a_{I-1})`` at a switch; ``p`` is
    the product of the roots. The momentum buffer belongs to a root: before the first step ``T`` of a phase

        b~ <- b~ - (p_T^2/eta_I) [ (1/a_I - 1) - (eta_I/eta_{I-1}) (1/a_{I-1} - 1) ] w~_T

    (before step 0, from a zero buffer, with 0 in place of the last term) makes the run identical to that with decay;
    without it they differ by ``O((lambda eta)^2)`` (and at step 0 by ``O(lambda eta)``). A correction ``-kappa w~`` is
    exactly one step of weight decay ``-gamma kappa``, and is run as that.

    Args:
        lr: rates of the phases, shape ``(phases,)`` (dimensionless), or one number.
        switches: first steps of the phases after the first, ``(phases - 1,)``, increasing, within the run.
        weight_decay, momentum: numbers (dimensionless).
        steps: of the whole run; has to be given.
        corrected: correct the buffer; ``False`` leaves it alone, also at the start.
        larger_root: ``False`` takes the smaller root in every phase (momentum > 0 only).
        steps_per_epoch: for ``growth_per_epoch``.

    Raises:
        NoEquivalentScheduleError: a phase without real roots.
        InvalidInputError: numbers or lengths that cannot be used.

    Source: Li and Arora (ICLR 2020, arXiv:1910.07454); the correction's form is derived in this package.

    >>> found = texp_schedule([0.1, 0.01], [3], 0.05, 0.5, steps=6)
    >>> found.growth_per_step.round(4).tolist()
    [1.0205, 1.0205, 0.1011, 1.002, 1.002]
    """
    rates = np.atleast_1d(np.asarray(checked("lr", lr)))
    decay, gamma = _one("weight_decay", weight_decay), _momentum(momentum)
    if gamma == 0 and not larger_root:
        raise InvalidInputError("without momentum there is one root only (the other is 0); leave larger_root=True")
    steps = _whole("steps", steps)
    switches = [_whole("a switch", s) for s in np.atleast_1d(np.asarray(switches)).tolist()]
    if len(switches) != len(rates) - 1 or sorted(set(switches)) != switches or (switches and switches[-1] >= steps):
        raise InvalidInputError(
            f"{len(rates)} phases need {len(rates) - 1} increasing switches below {steps} steps, not {switches}"
        )
    edges = [0, *switches, steps]
    chosen = [_decrements(rate, decay, gamma)[0 if larger_root else 1] for rate in rates.tolist()]
    phase = np.repeat(np.arange(len(rates)), np.diff(edges))
    log_p = np.concatenate([[0.0], _cumulated((-np.log1p(chosen))[phase].tolist())])
    log, sign = _none(steps)
    if corrected and gamma > 0:
        # x = q/p just before a phase, and what it is in the phase: q_t = p_t (1/a - 1)/eta
        before = 0.0
        for first, rate, y in zip(edges, rates.tolist(), chosen, strict=False):
            inside = y / rate
            kappa = inside - before  # times p^2
            sign[first] = -math.copysign(1.0, kappa) if kappa else 0.0
            log[first] = math.log(gamma * abs(kappa)) + 2 * log_p[first] if kappa else -math.inf
            before = inside
    eta, momenta, decays = rates[phase], np.full(steps, gamma), np.full(steps, decay)
    per_epoch = None if steps_per_epoch is None else _whole("steps_per_epoch", steps_per_epoch)
    return EquivalentSchedule(eta, decays, momenta, log_p, (log, sign), per_epoch, "TEXP schedule")


def _none(steps):
    return np.full(steps, -math.inf), np.zeros(steps)


def _log_p(eta, decay, gamma):
    """``log p_t`` for ``t = 0 .. steps``, from ``x_t = q_t/p_t``.

    Raises:
        NoEquivalentScheduleError: at the first ``p_t <= 0``.
    """
    x, logs = 0.0, []
    for t, (rate, weight, momentum) in enumerate(zip(eta.tolist(), decay.tolist(), gamma.tolist(), strict=True)):
        x = momentum * x + weight
        drop = rate * x
        if not drop < 1:
            raise NoEquivalentScheduleError(
                f"p_{t + 1} = {1 - drop:.3g} p_{t} is not positive: at step {t} (lr {rate:g}, weight decay {weight:g}, "
                f"momentum {momentum:g}) decay and momentum together carry the weights through 0, and no positive "
                "learning rate can follow them; lower lr, weight_decay or momentum around that step"
            )
        logs.append(math.log1p(-drop))
        x /= 1 - drop
    return np.concatenate([[0.0], _cumulated(logs)])


def _cumulated(terms):
    """Partial sums, each within a rounding of the exact one: Neumaier's compensation."""
    total, lost, found = 0.0, 0.0, np.empty(len(terms))
    for i, term in enumerate(terms):
        new = total + term
        lost += (total - new) + term if abs(total) >= abs(term) else (term - new) + total
        total = new
        found[i] = total + lost
    return found


def _schedule(name, value):
    if not isinstance(value, Schedule):
        value = Table(value) if real_array(name, value).ndim else Constant(_one(name, value))
    if value.cases is not None:
        raise InvalidInputError(f"{name}={value} has {value.cases} cases; give the schedule of one of them")
    return value


def _one(name, value):
    value = checked(name, value, positive=False)
    if isinstance(value, tuple):
        raise InvalidInputError(f"{name} must be one number, not {len(value)}")
    return value


def _momentum(value):
    gamma = _one("momentum", value)
    if gamma >= 1:
        raise InvalidInputError(f"momentum must be below 1, not {gamma}")
    return gamma


def _whole(name, value):
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise InvalidInputError(f"{name} must be a whole number of at least 1, not {value!r}")
    return int(value)


def _length(schedules, steps):
    lengths = {name: s.length for name, s in schedules.items() if getattr(s, "length", None) is not None}
    if steps is not None:
        steps = _whole("steps", steps)
        for name, length in lengths.items():
            if length < steps:
                raise InvalidInputError(f"{name} has {length} values, but steps is {steps}")
        return steps
    if not lengths:
        raise InvalidInputError("steps is None and nothing has a length; give steps=, or an array with a value a step")
    if len(set(lengths.values())) > 1:
        raise InvalidInputError(f"lengths differ: {', '.join(f'{n} has {k}' for n, k in lengths.items())}; give steps=")
    return next(iter(lengths.values()))


def _values(name, schedule, steps):
    values = np.array(schedule.values(0, steps)[0], dtype=float)
    bad = ~np.isfinite(values) | (values < 0) | ((values >= 1) & (name == "momentum"))
    if np.any(bad):
        t = int(np.argmax(bad))
        limit = "in [0, 1)" if name == "momentum" else "finite and >= 0"
        raise InvalidInputError(f"{name} must be {limit}, but at step {t} it is {values[t]}")
    return values
