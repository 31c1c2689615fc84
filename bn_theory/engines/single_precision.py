"""Where single precision ends: steps that rounding swallows whole.

An entry of size ``x`` takes a step ``s`` only if ``|s|`` is at least about half a unit in its last place, ``u |x|``
with ``u = 2^-24``; a shorter one leaves it as it is. When no entry of a group of weights (or a parameter) changes
although its gradient is not zero, rounding has swallowed the step whole: the run stands still, and what is recorded of
it from there on is rounding. For a step spread over the entries like the weights themselves that floor is, with
``|w_{t+1} - w_t| = eta |grad L(v)| / |w|`` for a scale-invariant group, at a gradient (at unit norm) of

    |grad L(v)| = u |w|^2 / eta.

Entries near 0 keep their relative precision, so that a run in its eigenbasis may follow the exact one far below.

Derived in this package. Below the floor a request needs ``dtype="float64"``, whose floor is 2^29 times lower.
"""

from __future__ import annotations

import numpy as np

from bn_theory.dynamics.methods import DECAY, RATE
from bn_theory.errors import InvalidInputError, RoundingFloorError

UNIT = 2.0**-24
"""Unit roundoff of float32."""
_RANGE = np.finfo(np.float32)


def check_range(loss, states, method) -> None:
    """Refuse numbers whose squares float32 cannot hold.

    Args:
        states: ``{name: array}`` of the start.

    Raises:
        InvalidInputError: names what is out of range, and the range.
    """
    numbers = {f"data {n!r}": a for n, a in getattr(loss, "data", {}).items()}
    numbers |= {f"the start of {n!r}": a for n, a in states.items()}
    rates = {f"the learning rate of {n!r}": method.schedule(n).values(0, 1) for n in states}
    for what, array in (numbers | rates).items():
        largest = float(np.max(np.abs(array)))
        if largest**2 > float(_RANGE.max) or (what in rates and 0 < largest < float(_RANGE.tiny)):
            raise InvalidInputError(
                f"{what} has an entry of size {largest:.3g}, whose square leaves the range of float32 "
                f"({float(_RANGE.tiny):.3g} to {float(_RANGE.max):.3g}); use dtype='float64'"
            )
    for g in loss.groups:
        norm2 = np.sum(np.square(states[g]), axis=-1)
        if g in loss.scale_invariant_groups and np.any(norm2 < float(_RANGE.tiny)):
            raise InvalidInputError(
                f"the start of {g!r} has |{g}|^2 = {norm2.min():.3g}, below the range of float32 "
                f"({float(_RANGE.tiny):.3g}); start nearer to norm 1, or use dtype='float64'"
            )


def check_start(loss, method, states, seed, replicas) -> None:
    """Refuse a learning rate whose first step rounding would swallow whole in every replica of a case.

    Args:
        states: ``{name: array}``, groups ``(cases, replicas, d)``, parameters ``(cases, replicas)``.

    Raises:
        RoundingFloorError: names the group or parameter, the rate and the floor.
    """
    sample = loss.draw(seed, replicas, 0) if method.sampled else None
    _, full, sampled = loss.evaluate(states, sample)
    for name, array in states.items():
        weights = name in loss.groups
        gradient = np.broadcast_to((sampled if method.sampled else full)[name], array.shape)
        rate, decay = (method.coefficient(c, name).values(0, 1) for c in (RATE, DECAY))
        if weights:
            rate, decay = rate[..., None], decay[..., None]
        rate = np.broadcast_to(rate, array.shape)
        gradient = gradient + decay * array  # the first step, whose momentum buffer is empty
        stored = array.astype(np.float32)
        entries = (-1,) if weights else ()
        moved = np.any(stored - (rate * gradient).astype(np.float32) != stored, axis=entries)
        lost = ~moved & np.any(gradient != 0, axis=entries)  # a gradient of exactly 0 is no rounding
        cases = np.all(lost, axis=-1)
        if np.any(cases):
            case = int(np.argmax(cases))
            step, length = (np.linalg.norm(x[case].ravel()) for x in (rate * gradient, array))
            raise RoundingFloorError(
                f"float32 cannot resolve the first step of {name!r} at learning rate {rate[case].flat[0]:g}: with "
                f"length {step:.3g} against 2^-24 |{name}| = {UNIT * length:.3g} it changes no entry; "
                "use dtype='float64'"
            )


def check_run(problem, trajectory, dataset) -> None:
    """Refuse a run in which rounding swallowed a whole step.

    Raises:
        RoundingFloorError: names the step, the replica and the floor; ``dataset`` is attached.
    """
    if trajectory.swallowed is None or not np.any(trajectory.swallowed >= 0):
        return
    swallowed = trajectory.swallowed
    where = np.argwhere(swallowed >= 0)
    case, replica = min(where, key=lambda place: swallowed[tuple(place)])
    t = int(swallowed[case, replica])
    floors = []
    for i, g in enumerate(problem.loss.groups):
        rate = np.broadcast_to(problem.method.schedule(g).values(t, t + 1)[:, 0], problem.shape[0])[case]
        floors.append(f"{UNIT * trajectory.norm2[case, replica, -1, i] / rate:.3g} for {g!r}")
    raise RoundingFloorError(
        f"float32 came to its rounding floor: step {t} of replica {int(problem.replicas[replica])} changed no entry of "
        f"a group or parameter although its gradient is not 0 ({len(where)} of {swallowed.size} runs came there). The "
        f"floor 2^-24 |w|^2/eta of the gradient norm is {', '.join(floors)}; use dtype='float64', or read the records "
        "made before from the error's .dataset",
        dataset=dataset,
    )
