"""Which plain runs have the directions of training on the sphere: rates, and decays that keep the norm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bn_theory.decoupling.checks import checked_rates, finite, positive
from bn_theory.errors import InvalidInputError


@dataclass(frozen=True, eq=False)
class EquivalentRates:
    """Rates of plain SGD that make the steps of a direction, and the weights' squared norms on the way.

    Attributes:
        rates: ``eta_t |w_t|^2``, shape ``(..., steps)``.
        norm2: ``|w_t|^2``, shape ``(..., steps + 1)``.
    """

    rates: np.ndarray
    norm2: np.ndarray


def equivalent_rates(rates, gradient_norm2, start_norm2=1.0) -> EquivalentRates:
    """Plain SGD with the directions of training on the sphere: ``eta_t |w_t|^2`` with

        |w_t|^2 = |w_0|^2 prod_{k<t} (1 + eta_k^2 |grad L_k(v_k)|^2).

    Args:
        rates: eta_t of the direction, shape ``(steps,)`` or ``(..., steps)``, >= 0.
        gradient_norm2: ``|grad L_t(v_t)|^2`` of its samples, shape ``(..., steps)``.
        start_norm2: ``|w_0|^2`` of the plain run, positive, shape ``(...)``.

    Raises:
        InvalidInputError: a rate or squared gradient that is negative or not finite, a start that is not finite and
            positive; norms that leave float64 (the message names the step).

    Source: derived in this package (``bn-theory prove md_decoupling2026.equivalent_schedule``).

    >>> found = equivalent_rates([0.5, 0.5, 0.5], [4.0, 4.0, 4.0])  # relative size 1: |w|^2 doubles
    >>> found.rates.tolist(), found.norm2.tolist()
    ([0.5, 1.0, 2.0], [1.0, 2.0, 4.0, 8.0])
    """
    rates, slopes = _steps(rates, gradient_norm2)
    start = positive("start_norm2", start_norm2)
    with np.errstate(over="ignore"):
        growth = np.cumprod(1 + rates**2 * slopes, axis=-1)
        norm2 = start[..., None] * np.concatenate([np.ones_like(growth[..., :1]), growth], axis=-1)
        found = rates * norm2[..., :-1]
    if not np.all(np.isfinite(norm2)):
        step = int(np.argmax(~np.isfinite(norm2).reshape(-1, norm2.shape[-1]).all(axis=0)))
        raise InvalidInputError(
            f"|w|^2 leaves the range of float64 at step {step}; take fewer steps, or smaller rates, or continue from "
            "weights that are divided by their norm"
        )
    return EquivalentRates(found, norm2)


def norm_keeping_decay(rates, gradient_norm2, norm2=1.0) -> tuple[np.ndarray, np.ndarray]:
    """SGD with weight decay that keeps ``|w|^2 = G`` and has the directions of training on the sphere.

    With ``R_t = sqrt(1 + eta_t^2 |grad L_t(v_t)|^2)``: rates ``G eta_t/R_t``, decays ``(R_t - 1)/(G eta_t)`` in the
    step ``w <- (1 - rate decay) w - rate grad L(w)``; a rate of 0 has the decay 0.

    Args:
        rates, gradient_norm2: as for :func:`equivalent_rates`. norm2: G, positive, shape ``(...)``.

    Returns:
        ``(rates, decays)``, each ``(..., steps)``.

    Raises:
        InvalidInputError: as for :func:`equivalent_rates`; steps so large that what is returned leaves float64.

    Source: derived in this package (``bn-theory prove md_decoupling2026.equivalent_schedule``).

    >>> rate, decay = norm_keeping_decay([0.75], [1.0])
    >>> round(float(rate[0]), 3), round(float(1 - rate[0] * decay[0]), 3)  # 0.75/1.25 and 1/1.25
    (0.6, 0.8)
    """
    rates, slopes = _steps(rates, gradient_norm2)
    norm2 = positive("norm2", norm2)
    root = np.hypot(1, rates * np.sqrt(slopes))  # no square that could leave float64
    # (R - 1)/eta = eta n^2/(R + 1), without cancellation
    with np.errstate(over="ignore"):
        found = norm2[..., None] * (rates / root), rates / (1 + root) * slopes / norm2[..., None]
    return finite("a rate that keeps the norm", found[0]), finite("a decay that keeps the norm", found[1])


def _steps(rates, gradient_norm2):
    rates, slopes = checked_rates("rates", rates), checked_rates("gradient_norm2", gradient_norm2)
    if not rates.ndim or not slopes.ndim or rates.shape[-1] != slopes.shape[-1]:
        raise InvalidInputError(
            f"rates and gradient_norm2 must have one value a step along their last axis, not shapes {rates.shape} and "
            f"{slopes.shape}"
        )
    return rates, slopes
