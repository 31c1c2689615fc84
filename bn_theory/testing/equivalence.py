"""``assert_equivalent_schedule``: training without weight decay at growing rates is training with it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bn_theory.errors import InvalidInputError
from bn_theory.testing.conclude import array, conclude, first_worst, number, ratio
from bn_theory.testing.ulps import SAFETY, perturbations
from bn_theory.theorems import evidence as judge
from bn_theory.theorems.evidence import Evidence

RUNS = 3
"""Runs that are perturbed at every step."""
VISIBLE = 1e-3
"""A bound beyond this part of what the run moves by decides nothing."""
EXACT = 2.0**-53


@dataclass(frozen=True, eq=False)
class _Compared:
    """One quantity along both runs: absolute differences and what is allowed, ``(records,)``.

    Attributes:
        what: in words.
        error, allowed: dimensionless.
        moved: by how much the quantity changes along the run with decay.
    """

    what: str
    error: np.ndarray
    allowed: np.ndarray
    moved: float


def assert_equivalent_schedule(
    schedule,
    *,
    step=None,
    start=None,
    weights=None,
    directions=None,
    losses=None,
    rates=None,
    log_rates=None,
    tolerance: float | None = None,
    perturbed=None,
    steps=None,
    log2_scale=None,
    name: str | None = None,
) -> Evidence:
    """Assert that a run without weight decay, at the rates of an equivalent schedule, is the run with it.

    By ``w_t = p_t w~_t``: equal directions and losses, and ``|w_t|/|w~_t| = p_t``, at every step. Give **one** of

    ``step``, ``start``
        Your optimiser on your loss: ``step(w, state, t, lr, weight_decay, momentum)`` makes step ``t`` and returns the
        new ``(w, state)``; ``state`` is ``None`` before the first (a momentum buffer of zeros). It is run with the
        given rates and decays, without decay at the schedule's, and, for the bound, three times more with decay and
        with weights multiplied by ``1 + eps xi`` (``xi`` -1, 0 or 1) after every step. What these part by is what your
        steps make of their own rounding (:mod:`bn_theory.testing.ulps`); the bound at step ``t`` is

            8 (1 + (2 + 3 max|log p|) max_s |w_{s+1} - w_s|/|w_s|) (the largest so far + 2^-53)

        where the bracket is the rounding of the rates, exponentials of ``log p``. A last run, without decay at the
        given rates, is a control: it must part, or nothing is shown.
    ``weights=(with, without)``
        Arrays ``(records, ...)`` of one scale-invariant group, from the same start: directions and the ratio of the
        norms.
    ``directions=(with, without)``
        The same without the norms.
    ``losses=(with, without)``
        Shape ``(records,)`` or ``(records, ...)``.
    ``rates`` or ``log_rates``
        Your learning rates, or their logarithms, shape ``(schedule.length,)``, against ``schedule.log_lr``. A rate is
        made of ``2 t + 1`` factors, each off by some roundings, or by more where it is a root of the quadratic equation
        taken by its formula: by ``u`` over the distance ``r - gamma/r`` of the roots, ``r = p_{s+1}/p_s``. Allowed is
        ``u`` times ``8 (sum_{s <= t} 1/|r_s - gamma_s/r_s| + 2 + |log rate|)``, where without momentum the sum is ``t +
        1`` and a little.

    Args:
        schedule: of :func:`bn_theory.equivalent_schedule` or ``texp_schedule`` (which has corrections of its own:
            ``step`` gets them as decays of single steps).
        tolerance: with pairs of arrays: what the directions, the logarithm of the norms' ratio, or the losses may
            differ by, > 0 (dimensionless). How much rounding grows in a run cannot be seen from two arrays.
        perturbed: in place of ``tolerance``: a third array, of the run with decay made again with weights multiplied by
            ``1 + eps xi`` after every step; the bound is made of it as above.
        steps: with pairs of arrays: their record steps, increasing; default ``0, 1, 2, ...``
        log2_scale: with weights of a run whose units changed (``schedule.rescaled().log2_scale``, or ``true_scale`` of
            ``EquivalentLR`` at the records): the true weights without decay are ``2^log2_scale`` times those given.
        name: of the evidence.

    Returns:
        Evidence: of kind ``identity``; ``measured`` is the largest difference in units of what is allowed.

    Raises:
        ClaimFailedError: the runs part (contradicted); or they do not move enough, or the control does not part from
            them (inconclusive): a longer run, larger rates or more decay.
        InvalidInputError: none or several things to compare, shapes that do not fit, no tolerance.

    Source: derived in this package; constant rates and step decay, Li and Arora (ICLR 2020, arXiv:1910.07454).

    >>> import numpy as np, bn_theory as bn
    >>> schedule = bn.equivalent_schedule(0.1, 0.01, steps=1000)
    >>> mine = 0.1 * (1 - 0.1 * 0.01) ** (-2.0 * np.arange(1000) - 1)
    >>> assert_equivalent_schedule(schedule, rates=mine).verdict
    'supported'
    """
    __tracebackhide__ = True
    if not hasattr(schedule, "log_p"):
        raise InvalidInputError(f"schedule must come from bn.equivalent_schedule(...), not {schedule!r}")
    choices = {"step": step, "weights": weights, "directions": directions, "losses": losses, "rates": rates}
    given = [what for what, value in (choices | {"log_rates": log_rates}).items() if value is not None]
    if len(given) != 1:
        raise InvalidInputError(
            f"give one of {', '.join(choices)} and log_rates to compare, not {' and '.join(given) or 'nothing'}"
        )
    pairs = given[0] in ("weights", "directions", "losses")
    for what, value in (("tolerance", tolerance), ("perturbed", perturbed), ("steps", steps)):
        if value is not None and not pairs:
            raise InvalidInputError(f"{what}= belongs to weights, directions or losses; leave it out with {given[0]}")
    if log2_scale is not None and weights is None:
        raise InvalidInputError("log2_scale= belongs to weights; leave it out")
    if (start is not None) != (step is not None):
        raise InvalidInputError("step and start belong together: give both")
    if rates is not None or log_rates is not None:
        return _rates(name or "rates of the equivalent schedule", schedule, rates, log_rates)
    name = name or "without decay as with it"
    if step is not None:
        return _stepped(name, schedule, step, start)
    compared = _pairs(schedule, given[0], choices[given[0]], tolerance, perturbed, steps, log2_scale)
    return _judged(name, *compared)


_LOOK = (
    "the rate (eta_t/(p_t p_{t+1}), not eta_t/p_t^2), the buffer of momentum (zero at the start, kept by both), decay "
    "coupled to the gradient as in torch.optim.SGD (AdamW's is another method), clipping, and whether the loss is "
    "scale-invariant in all that decays (assert_scale_invariant)"
)


def _judged(name, steps, compared, **details) -> Evidence:
    __tracebackhide__ = True
    ratios = [ratio(c.error, c.allowed) for c in compared]
    largest = [float(np.max(r)) for r in ratios]
    i = int(np.argmax(largest))  # numpy takes a NaN for the largest
    c, (at,) = compared[i], first_worst(ratios[i])
    details |= {
        "worst": c.what,
        "step": int(steps[at]),
        "difference": float(c.error[at]),
        "allowed": float(c.allowed[at]),
    }
    found = judge.identity(name, judge.largest(largest), 1.0, unit="what is allowed", **details)
    if found.verdict != judge.SUPPORTED:
        beyond = int(np.argmax(~(ratios[i] <= 1)))
        return conclude(
            found,
            f"  {c.what} differ by {c.error[at]:.3g} at step {steps[at]}, allowed is {c.allowed[at]:.2g}; first beyond "
            f"it at step {steps[beyond]}",
            f"  look at: {_LOOK}",
        )
    for c in compared:
        if np.max(c.allowed) > VISIBLE * c.moved:
            return conclude(
                replace(found, verdict=judge.INCONCLUSIVE),
                f"  {c.what} change by {c.moved:.2g} along the run and may differ by {np.max(c.allowed):.2g}: nothing "
                "is seen",
                "  look at: a longer run, larger rates, more decay; float64; a smaller tolerance",
            )
    return conclude(found)


def _rates(name, schedule, rates, log_rates) -> Evidence:
    __tracebackhide__ = True
    what, value = ("rates", rates) if log_rates is None else ("log_rates", log_rates)
    own = array(what, value).astype(float)
    if own.shape != (schedule.length,):
        raise InvalidInputError(f"{what} have shape {own.shape}, but the schedule has {schedule.length} steps")
    with np.errstate(divide="ignore", invalid="ignore"):
        own = np.log(own) if log_rates is None else own
        wanted = schedule.log_lr
        error = np.where(own == wanted, 0.0, np.abs(own - wanted))  # a rate of 0 is one
        factor = np.exp(np.diff(schedule.log_p))
        # a double root is known to the square root of u only, whatever its distance says
        apart = np.maximum(np.abs(factor - schedule.momentum / factor), np.sqrt(EXACT))
        allowed = 8 * EXACT * (np.cumsum(1 / apart) + 2 + np.where(np.isfinite(wanted), np.abs(wanted), 0.0))
    over = ratio(error, allowed)
    (at,) = first_worst(over)
    details = {"step": at, "difference": float(error[at]), "allowed": float(allowed[at]), "worst": "log of the rate"}
    found = judge.identity(name, float(over[at]), 1.0, unit="the rounding bound", **details)
    if found.verdict == judge.SUPPORTED:
        return conclude(found)
    first = int(np.argmax(~(over <= 1)))
    return conclude(
        found,
        f"  log of the rate at step {at}: {own[at]:.15g}, of the schedule {wanted[at]:.15g}; off by {error[at]:.3g}, "
        f"rounding allows {allowed[at]:.2g}; first beyond it at step {first}",
        f"  look at: {_formula(schedule, own, allowed)}",
    )


def _formula(schedule, own, allowed):
    """Which wrong formula the rates would be right for."""
    with np.errstate(divide="ignore", invalid="ignore"):
        log_eta, p = np.log(schedule.eta), schedule.log_p
        for what, wrong in (
            ("eta_t/p_t^2", log_eta - 2 * p[:-1]),
            ("eta_t/p_{t+1}^2", log_eta - 2 * p[1:]),
            ("eta_t/p_t", log_eta - p[:-1]),
            ("eta_t, the rates with decay", log_eta),
        ):
            if np.all(np.abs(own - wrong) <= allowed):
                return f"these are the rates {what}; the equivalent ones are eta_t/(p_t p_(t+1))"
    return (
        "the recursion of p (q_{t+1} = momentum q_t + decay p_t, p_{t+1} = p_t - eta_t q_{t+1}); the root: with "
        "momentum p_t tends to powers of the larger root of x^2 - (1 + momentum - decay eta) x + momentum = 0"
    )


def _pairs(schedule, kind, pair, tolerance, perturbed, steps, log2_scale):
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise InvalidInputError(f"{kind} must be a pair (with decay, without decay)")
    if (tolerance is None) == (perturbed is None):
        raise InvalidInputError(
            f"{kind} need a tolerance= that you can justify, or perturbed= (one of them): how much rounding grows in a "
            "run is not to be seen from two arrays; with step= it is measured"
        )
    if tolerance is not None:
        tolerance = number("tolerance", tolerance, positive=True)
    arrays = [array(f"{kind} {which}", a) for which, a in zip(("with decay", "without"), pair, strict=True)]
    arrays += [] if perturbed is None else [array("perturbed", perturbed)]
    if any(a.shape != arrays[0].shape for a in arrays) or arrays[0].ndim < (1 if kind == "losses" else 2):
        raise InvalidInputError(
            f"{kind} must have one shape (records, ...), not {' and '.join(str(a.shape) for a in arrays)}"
        )
    records = len(arrays[0])
    at = np.arange(records) if steps is None else np.atleast_1d(np.asarray(steps))
    if at.shape != (records,) or at.dtype.kind not in "iu" or at.min() < 0 or at.max() > schedule.length:
        raise InvalidInputError(
            f"steps must be {records} whole numbers from 0 to {schedule.length}, one for each record, not {at.tolist()}"
        )
    eps = max(float(np.finfo(a.dtype).eps) for a in arrays)
    flat = [a.reshape(records, -1).astype(float) for a in arrays]
    if kind == "losses":
        quantities = [("losses", flat, 0.0)]
    else:
        norms = [np.linalg.norm(f, axis=1, keepdims=True) for f in flat]
        with np.errstate(divide="ignore", invalid="ignore"):
            quantities = [("directions", [f / n for f, n in zip(flat, norms, strict=True)], 0.0)]
            logs = [np.log(n) for n in norms]
        if kind == "weights":
            scale = np.zeros(records) if log2_scale is None else array("log2_scale", log2_scale).astype(float)
            if scale.shape != (records,):
                raise InvalidInputError(
                    f"log2_scale has shape {scale.shape}; give one for each of the {records} records"
                )
            logs[1] = logs[1] + (np.log(2.0) * scale + schedule.log_p[at])[:, None]
            quantities.append(("logarithms of the norms", logs, float(np.max(np.abs(schedule.log_p[at])))))
    found = []
    for what, values, moved in quantities:
        error = _distance(values[1], values[0])
        if tolerance is not None:
            allowed = np.full(records, tolerance)
        else:
            allowed = _grown(schedule, _distance(values[2], values[0]), None, eps / 2)
        # losses agree for many reasons; directions, and norms that decay, have to have moved
        moved = moved or _moved(values[0])
        found.append(_Compared(what, error, allowed, moved))
    return at, found


def _moved(values):
    return float(np.max(_distance(values, values[:1])))


def _distance(one, other):
    """Euclidean, at every record."""
    with np.errstate(invalid="ignore"):
        return np.linalg.norm(one - other, axis=1)


def _grown(schedule, apart, relative_step, u):
    """What is allowed where perturbed runs have parted by ``apart`` (largest of them, at every record)."""
    # the largest relative step is not known from arrays: below 1 for all but the first steps of a run
    of_rates = (2 + 3 * float(np.max(np.abs(schedule.log_p)))) * (1.0 if relative_step is None else relative_step)
    return SAFETY * (1 + of_rates) * (np.maximum.accumulate(apart) + u)


def _stepped(name, schedule, step, start) -> Evidence:
    __tracebackhide__ = True
    if not callable(step):
        raise InvalidInputError(f"step must be a function (w, state, t, lr, weight_decay, momentum), not {step!r}")
    first = array("start", start)
    if not np.all(np.isfinite(first)) or not np.any(first):
        raise InvalidInputError("start must be finite and not zero")
    u = float(np.finfo(first.dtype).eps) / 2
    log, sign = schedule.correction
    rates = schedule.lr
    if not np.all(np.isfinite(rates)) or schedule.overflow(str(first.dtype)).first is not None:
        raise InvalidInputError(
            f"the equivalent rates or weights leave {first.dtype} within {schedule.length} steps; take a schedule with "
            "fewer"
        )

    def run(lr, decay, factors=None):
        return _trajectory(step, first, lr, decay, schedule.momentum, factors)

    with_decay = run(schedule.eta, schedule.weight_decay)
    without = run(rates, sign * np.exp(log))
    drawn = [perturbations(first.size, u, schedule.length, seed) for seed in range(RUNS)]
    again = [run(schedule.eta, schedule.weight_decay, factors) for factors in drawn]
    control = run(schedule.eta, np.zeros(schedule.length))
    norms = np.linalg.norm(with_decay, axis=1)
    longest = float(np.max(np.linalg.norm(np.diff(with_decay, axis=0), axis=1) / norms[:-1]))
    compared, parted = [], 0.0
    for what, of, shift in (
        ("directions", _directions, np.zeros(schedule.length + 1)),
        ("logarithms of the norms", _log_norms, schedule.log_p),
    ):
        base = of(with_decay)
        apart = np.max([_distance(of(a), base) for a in again], axis=0)
        allowed = _grown(schedule, apart, longest, u * (1 + float(np.max(np.abs(shift)))))
        compared.append(_Compared(what, _distance(of(without) + shift[:, None], base), allowed, _moved(base)))
        # of the logarithms a run at unchanged rates differs by p alone; its directions have to differ
        parted = parted if what != "directions" else float(np.max(ratio(_distance(of(control), base), allowed)))
    compared[1] = replace(compared[1], moved=max(compared[1].moved, float(np.max(np.abs(schedule.log_p)))))
    details = {"control_over_allowed": parted, "longest_step": longest, "length": schedule.length}
    judged = [(c.error <= c.allowed).all() for c in compared]
    if all(judged) and not parted > 1:
        found = judge.identity(name, 0.0, 1.0, **details)
        return conclude(
            replace(found, verdict=judge.INCONCLUSIVE),
            f"  the rates with decay, unchanged, train alike as well ({parted:.2g} of what is allowed): nothing is "
            "shown",
            "  look at: a longer run, larger rates, more decay",
        )
    return _judged(name, np.arange(schedule.length + 1), compared, **details)


def _trajectory(step, start, lr, decay, momentum, factors):
    """Weights before every step and after the last, ``(steps + 1, d)``, in float64."""
    w, state, kept = start.copy(), None, [start.ravel().astype(float)]
    for t in range(len(lr)):
        made = step(w, state, t, float(lr[t]), float(decay[t]), float(momentum[t]))
        if not isinstance(made, tuple) or len(made) != 2:
            raise InvalidInputError(f"step must return the new (w, state), not {type(made).__name__}")
        w, state = made
        w = array("the weights that step returns", w)
        if w.shape != start.shape or w.dtype != start.dtype:
            raise InvalidInputError(
                f"step returns weights of shape {w.shape} and type {w.dtype}; they must be as at the start, "
                f"{start.shape} and {start.dtype}"
            )
        if factors is not None:
            w = (w.ravel() * factors[t]).astype(start.dtype).reshape(start.shape)
        kept.append(w.ravel().astype(float))
    return np.array(kept)


def _directions(w):
    return w / np.linalg.norm(w, axis=1, keepdims=True)


def _log_norms(w):
    return np.log(np.linalg.norm(w, axis=1, keepdims=True))
