"""Where single precision ends: steps too short for it to see.

A weight of size ``x`` takes a step only if the step is longer than half a unit in its last place, ``u x`` with
``u = 2^-24``. So a step ``s`` of a group of weights moves nothing when every ``|s_i| < u |w_i|``, and what is recorded
of such a run is rounding: with ``|w_{t+1} - w_t| < u |w_t|`` the run has come to the *floor*. As
``|w_{t+1} - w_t| = eta |grad L(v)| / |w|`` for a scale-invariant group, the smallest gradient (at unit norm) that a
learning rate resolves is

    |grad L(v)| = u |w|^2 / eta.

Derived in this package. Below it a request needs ``dtype="float64"``, whose floor is 2^29 times lower.
"""

from __future__ import annotations

import numpy as np

from bn_theory.errors import RoundingFloorError

UNIT = 2.0**-24
"""Unit roundoff of float32."""


def check_start(loss, method, states, seed, replicas) -> None:
    """Refuse a learning rate whose first step no replica of a case could take.

    Args:
        states: ``{name: array}``, groups ``(cases, replicas, d)``.

    Raises:
        RoundingFloorError: names the group, the rate and the floor. (A gradient of exactly 0 is no rounding.)
    """
    sample = loss.draw(seed, replicas, 0) if method.sampled else None
    _, full, sampled = loss.evaluate(states, sample)
    for g in loss.groups:
        rate = method.schedule(g).values(0, 1)
        gradient = np.linalg.norm((sampled if method.sampled else full)[g], axis=-1)
        length = np.linalg.norm(states[g], axis=-1)
        lost = (gradient > 0) & (rate * gradient < UNIT * length)
        if np.any(np.all(lost, axis=-1)):
            case = int(np.argmax(np.all(lost, axis=-1)))
            eta = float(np.broadcast_to(rate, lost.shape)[case, 0])
            raise RoundingFloorError(
                f"float32 cannot resolve the first step of {g!r} at learning rate {eta:g}: its length "
                f"{eta * gradient[case].max():.3g} is below the floor 2^-24 |{g}| = {UNIT * length[case].max():.3g}; "
                "use dtype='float64'"
            )


def check_records(problem, trajectory, dataset) -> None:
    """Refuse a run whose steps came to the floor between two of its records.

    Judged by the root mean square of the steps between neighbouring records, which the loop accumulates.

    Raises:
        RoundingFloorError: names the group, the step and the floor; ``dataset`` is attached.
    """
    records = problem.records
    if len(records) < 2:
        return
    count = np.diff(records)
    for i, g in enumerate(problem.loss.groups):
        square = np.diff(trajectory.sum_step2[..., i], axis=-1) / count
        floor = (UNIT**2) * trajectory.norm2[..., :-1, i]
        lost = (square > 0) & (square < floor)
        if np.any(lost):
            k = int(np.argmax(np.any(lost, axis=(0, 1))))
            case, replica = (int(x) for x in np.argwhere(lost[..., k])[0])
            raise RoundingFloorError(
                f"float32 came to its rounding floor: from step {records[k]} on the steps of {g!r} have length "
                f"{np.sqrt(square[case, replica, k]):.3g} and less, below 2^-24 |{g}| = "
                f"{np.sqrt(floor[case, replica, k]):.3g}, and move nothing; use dtype='float64', or read the records "
                "made before from the error's .dataset",
                dataset=dataset,
            )
