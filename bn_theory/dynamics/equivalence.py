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

import numpy as np

from bn_theory.dynamics.equivalent import EquivalentSchedule
from bn_theory.dynamics.schedules import Constant, Schedule, Table, checked
from bn_theory.errors import InvalidInputError, NoEquivalentScheduleError
from bn_theory.losses.checks import real_array


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
