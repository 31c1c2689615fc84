"""Adam's update of every entry."""

from __future__ import annotations

import numpy as np

from bn_theory.decoupling.checks import checked_rates, finite, numbers
from bn_theory.errors import InvalidInputError

BETAS = 0.9, 0.999
"""Adam's factors of the mean and of the mean square."""


def adam_update(gradient, mean, square, step: int, eps: float = 0.0, betas=BETAS):
    """Adam's update of every entry, its two means corrected for their start at 0; what is stepped against.

    ``m <- b_1 m + (1 - b_1) g``, ``V <- b_2 V + (1 - b_2) g^2``, ``(m/(1 - b_1^t))/(sqrt(V/(1 - b_2^t)) + eps)``; 0
    where V is 0.

    Args:
        gradient, mean, square: any one shape; 0 before the first step.
        step: t, from 1.
        eps: >= 0; 0 makes the update the same for gradients of any scale.
        betas: b_1 and b_2, each in [0, 1).

    Returns:
        ``(update, mean, square)``.

    Raises:
        InvalidInputError: a step below 1, an eps that is negative or not finite, betas outside [0, 1), a gradient, mean
            or square that is not finite or whose square leaves float64.

    Source: Kingma and Ba (ICLR 2015, arXiv:1412.6980).

    >>> adam_update(np.array([3.0, -0.1, 0.0]), 0.0, 0.0, 1)[0].round(12).tolist()
    [1.0, -1.0, 0.0]
    """
    if isinstance(step, bool) or not isinstance(step, (int, np.integer)) or step < 1:
        raise InvalidInputError(f"step must be a whole number from 1, not {step!r}")
    eps = float(checked_rates("eps", eps))
    both = checked_rates("betas", betas)
    if both.shape != (2,) or not np.all(both < 1):
        raise InvalidInputError(f"betas must be two numbers in [0, 1), not {betas!r:.80}")
    first, second = both.tolist()
    gradient = finite("gradient", gradient)
    mean = finite("mean", first * numbers("mean", mean) + (1 - first) * gradient)
    with np.errstate(over="ignore"):  # what leaves float64 would be an update of 0
        square = finite("square", second * checked_rates("square", square) + (1 - second) * gradient**2)
    size = np.sqrt(square / (1 - second**step)) + eps
    update = np.divide(mean / (1 - first**step), size, out=np.zeros_like(mean), where=size != 0)
    return update, mean, square
