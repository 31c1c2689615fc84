"""Magnitude and direction of weights: ``w = g v``, v a unit vector, trained at separate rates.

A step of the direction moves it along the sphere's tangent and retracts it, ``v <- (v - eta u)/|v - eta u|``; the gain
g has a rate of its own. For a scale-invariant loss the gain is inert, and the run is plain SGD on w at the rates
``eta_t |w_t|^2`` with ``|w_{t+1}|^2 = |w_t|^2 (1 + eta_t^2 |grad L(v_t)|^2)``.

All quantities are dimensionless; vectors are along the last axis, leading axes (rates, seeds) broadcast. Proved in
``proofs_check.md_decoupling2026``. The idea: Haegele, Hernandez-Cano, Kosson and Jaggi (arXiv:2606.25971).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bn_theory.errors import InvalidInputError

BETAS = 0.9, 0.999
"""Adam's factors of the mean and of the mean square."""


def retract(x, norm=1.0) -> np.ndarray:
    """The vectors brought to a length: ``norm x/|x|``.

    Args:
        x: shape ``(..., d)``, finite, no zero vector. norm: ``(...)``, positive.

    Returns:
        Shape ``(..., d)``.

    Raises:
        InvalidInputError: a vector that is zero or not finite, or whose square leaves float64; a norm that is not
            finite and positive.

    Source: derived in this package.

    >>> retract([3.0, 4.0]).tolist()
    [0.6, 0.8]
    """
    x = np.asarray(x, dtype=float)
    size = _lengths("a weight vector", x)
    norm = np.asarray(norm, dtype=float)
    if not np.all(np.isfinite(norm) & (norm > 0)):
        raise InvalidInputError(f"norm must be finite and positive, not {norm!r:.80}")
    return x / size[..., None] * norm[..., None]


def tangential(x, v) -> np.ndarray:
    """The part of x that is orthogonal to v: ``x - <x, v> v/|v|^2``.

    Args:
        x, v: shape ``(..., d)``; v has no zero vector.

    Returns:
        Shape ``(..., d)``.

    Raises:
        InvalidInputError: a vector v that is zero or not finite.

    Source: derived in this package.

    >>> tangential([2.0, 1.0], [0.0, 3.0]).tolist()
    [2.0, 0.0]
    """
    x, v = np.asarray(x, dtype=float), np.asarray(v, dtype=float)
    unit = v / _lengths("a weight vector", v)[..., None]
    return x - np.sum(x * unit, axis=-1, keepdims=True) * unit


def turned_cosine(eta, radial=0.0) -> np.ndarray:
    """Cosine between w and ``w + d``, d of tangential size ``eta |w|`` and radial part ``radial w``.

    ``(1 + rho)/sqrt((1 + rho)^2 + eta^2)``: ``1/sqrt(1 + eta^2)`` for a tangential update, in every dimension.

    Args:
        eta: >= 0, any shape. radial: rho > -1, of a shape that fits.

    Raises:
        InvalidInputError: an eta that is negative or not finite, a rho that is not finite and above -1.

    Source: derived in this package (``bn-theory prove md_decoupling2026.identity``).

    >>> round(float(turned_cosine(0.75)), 3), float(turned_cosine(0.0))
    (0.8, 1.0)
    """
    eta, kept = checked_rates("eta", eta), 1 + np.asarray(radial, dtype=float)
    if not np.all(np.isfinite(kept) & (kept > 0)):
        raise InvalidInputError(f"the radial part must be finite and above -1, not {radial!r:.80}")
    return kept / np.hypot(kept, eta)


def relative_update(d, w) -> np.ndarray:
    """``|d|/|w|``: the length of an update by that of the weights.

    Args:
        d: update, w: weights, shape ``(..., d)``; w has no zero vector.

    Raises:
        InvalidInputError: weights that are zero or not finite.

    Source: derived in this package.

    >>> float(relative_update([0.0, 1.0], [3.0, 4.0]))
    0.2
    """
    return np.linalg.norm(np.asarray(d, dtype=float), axis=-1) / _lengths("a weight vector", np.asarray(w, dtype=float))


def split_gradient(gradient, v, gain) -> tuple[np.ndarray, np.ndarray]:
    """Gradients by direction and gain from that by ``w = g v``: ``g`` times its tangential part, and ``<v, grad L>``.

    Args:
        gradient: ``grad L(g v)``, v: unit vectors, shape ``(..., d)``. gain: g, shape ``(...)``.

    Returns:
        ``(by direction, by gain)`` of shapes ``(..., d)`` and ``(...)``.

    Raises:
        InvalidInputError: a vector v that is zero or not finite.

    Source: derived in this package.

    >>> by_direction, by_gain = split_gradient([1.0, 2.0], [1.0, 0.0], 3.0)
    >>> by_direction.tolist(), float(by_gain)
    ([0.0, 6.0], 1.0)
    """
    gradient, v = np.asarray(gradient, dtype=float), np.asarray(v, dtype=float)
    return np.asarray(gain, dtype=float)[..., None] * tangential(gradient, v), np.sum(gradient * v, axis=-1)


def moved(v, update, rate, relative: bool = False) -> np.ndarray:
    """A step of the direction: against the tangential part of ``update``, then back to unit length.

    ``retract(v - eta u)``, or with ``relative`` ``retract(v - eta u/|u|)``, which turns by ``cos = 1/sqrt(1 + eta^2)``
    wherever u is not 0 and stays where it is.

    Args:
        v: unit vectors, update: any vectors, shape ``(..., d)``. rate: eta >= 0, shape ``(...)``.
        relative: whether the rate is the step's relative size.

    Returns:
        Unit vectors, ``(..., d)``.

    Raises:
        InvalidInputError: a rate that is negative or not finite, a zero direction, a step that leaves float64.

    Source: derived in this package.

    >>> moved([1.0, 0.0], [0.0, -5.0], 0.75, relative=True).round(3).tolist()
    [0.8, 0.6]
    """
    v, rate = np.asarray(v, dtype=float), checked_rates("rate", rate)
    part = tangential(update, v)
    if relative:
        size = np.linalg.norm(part, axis=-1, keepdims=True)
        part = np.divide(part, size, out=np.zeros_like(part), where=size > 0)
    return retract(v - rate[..., None] * part)


def decoupled_step(v, gain, gradient, *, rate, gain_rate=0.0, relative: bool = False):
    """One step of gradient descent on direction and gain, ``w = g v``, at separate rates.

    ``v <- retract(v - eta g P grad L(w))`` with P the projection on the tangent, ``g <- g - eta_g <v, grad L(w)>``.

    Args:
        v: unit vectors, gradient: ``grad L(g v)``, shape ``(..., d)``. gain: g, shape ``(...)``.
        rate, gain_rate: eta and eta_g, >= 0, shape ``(...)``.
        relative: as for :func:`moved`.

    Returns:
        ``(v, g)`` after the step.

    Raises:
        InvalidInputError: a rate that is negative or not finite, a zero direction.

    Source: derived in this package, after Haegele, Hernandez-Cano, Kosson and Jaggi (arXiv:2606.25971).

    >>> v, g = decoupled_step([1.0, 0.0], 2.0, [0.5, -0.375], rate=1.0, gain_rate=0.1)
    >>> v.round(3).tolist(), float(g)
    ([0.8, 0.6], 1.95)
    """
    by_direction, by_gain = split_gradient(gradient, v, gain)
    after = moved(v, by_direction, rate, relative)
    return after, np.asarray(gain, dtype=float) - checked_rates("gain_rate", gain_rate) * by_gain


def adam_update(gradient, mean, square, step: int, eps: float = 0.0):
    """Adam's update of every entry, its two means corrected for their start at 0; what is stepped against.

    ``m <- b_1 m + (1 - b_1) g``, ``V <- b_2 V + (1 - b_2) g^2``, ``(m/(1 - b_1^t))/(sqrt(V/(1 - b_2^t)) + eps)``; 0
    where V is 0.

    Args:
        gradient, mean, square: any one shape; 0 before the first step.
        step: t, from 1.
        eps: >= 0; 0 makes the update the same for gradients of any scale.

    Returns:
        ``(update, mean, square)``.

    Raises:
        InvalidInputError: a step below 1, an eps that is negative or not finite.

    Source: Kingma and Ba (ICLR 2015, arXiv:1412.6980).

    >>> adam_update(np.array([3.0, -0.1, 0.0]), 0.0, 0.0, 1)[0].round(12).tolist()
    [1.0, -1.0, 0.0]
    """
    if isinstance(step, bool) or not isinstance(step, (int, np.integer)) or step < 1:
        raise InvalidInputError(f"step must be a whole number from 1, not {step!r}")
    eps = float(checked_rates("eps", eps))
    first, second = BETAS
    gradient = np.asarray(gradient, dtype=float)
    mean = first * mean + (1 - first) * gradient
    square = second * square + (1 - second) * gradient**2
    size = np.sqrt(square / (1 - second**step)) + eps
    update = np.divide(mean / (1 - first**step), size, out=np.zeros_like(mean), where=size > 0)
    return update, mean, square


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
    start = np.asarray(start_norm2, dtype=float)
    if not np.all(np.isfinite(start) & (start > 0)):
        raise InvalidInputError(f"start_norm2 must be finite and positive, not {start_norm2!r:.80}")
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
        InvalidInputError: as for :func:`equivalent_rates`.

    Source: derived in this package (``bn-theory prove md_decoupling2026.equivalent_schedule``).

    >>> rate, decay = norm_keeping_decay([0.75], [1.0])
    >>> round(float(rate[0]), 3), round(float(1 - rate[0] * decay[0]), 3)  # 0.75/1.25 and 1/1.25
    (0.6, 0.8)
    """
    rates, slopes = _steps(rates, gradient_norm2)
    norm2 = np.asarray(norm2, dtype=float)
    if not np.all(np.isfinite(norm2) & (norm2 > 0)):
        raise InvalidInputError(f"norm2 must be finite and positive, not {norm2!r:.80}")
    squared = rates**2 * slopes
    root = np.sqrt(1 + squared)
    # (R - 1)/eta = eta n^2/(R + 1), without cancellation
    return norm2[..., None] * rates / root, rates * slopes / (1 + root) / norm2[..., None]


def checked_rates(name: str, value) -> np.ndarray:
    """Numbers as an array, all finite and >= 0.

    Raises:
        InvalidInputError: anything else; the message begins with the name.
    """
    try:
        found = np.asarray(value, dtype=float)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"{name} must be numbers, not {value!r:.80}") from error
    bad = ~(np.isfinite(found) & (found >= 0))
    if np.any(bad):
        raise InvalidInputError(f"{name} must be finite and >= 0, but a value is {found[bad][0]}")
    return found


def _steps(rates, gradient_norm2):
    rates, slopes = checked_rates("rates", rates), checked_rates("gradient_norm2", gradient_norm2)
    if not rates.ndim or not slopes.ndim or rates.shape[-1] != slopes.shape[-1]:
        raise InvalidInputError(
            f"rates and gradient_norm2 must have one value a step along their last axis, not shapes {rates.shape} and "
            f"{slopes.shape}"
        )
    return rates, slopes


def _lengths(name, x):
    """Euclidean lengths, refused where they are 0 or not finite."""
    if not x.ndim or not x.shape[-1]:
        raise InvalidInputError(f"{name} must have the shape (..., d) with d >= 1, not {x.shape}")
    with np.errstate(over="ignore", invalid="ignore"):
        found = np.sqrt(np.sum(x * x, axis=-1))
    bad = ~(np.isfinite(found) & (found > 0))
    if np.any(bad):
        raise InvalidInputError(
            f"{name} has no direction: its length comes out as {found[bad][0]}; it must not be zero, and its square "
            "must be within float64"
        )
    return found
