"""Steps of directions and gains, and what they do to lengths and angles."""

from __future__ import annotations

import numpy as np

from bn_theory.decoupling.checks import checked_rates, finite, lengths, numbers, positive, units
from bn_theory.errors import InvalidInputError


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
    x = numbers("a weight vector", x)
    size = lengths("a weight vector", x)
    norm = positive("norm", norm)
    return x / size[..., None] * norm[..., None]


def tangential(x, v) -> np.ndarray:
    """The part of x that is orthogonal to v: ``x - <x, v> v/|v|^2``.

    Args:
        x, v: shape ``(..., d)``, finite; v has no zero vector.

    Returns:
        Shape ``(..., d)``.

    Raises:
        InvalidInputError: a vector v that is zero or not finite, an x that is not finite.

    Source: derived in this package.

    >>> tangential([2.0, 1.0], [0.0, 3.0]).tolist()
    [2.0, 0.0]
    """
    x, v = finite("what is made tangential", x), numbers("a weight vector", v)
    unit = v / lengths("a weight vector", v)[..., None]
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
    eta, kept = checked_rates("eta", eta), 1 + numbers("the radial part", radial)
    if not np.all(np.isfinite(kept) & (kept > 0)):
        raise InvalidInputError(f"the radial part must be finite and above -1, not {radial!r:.80}")
    return kept / np.hypot(kept, eta)


def relative_update(d, w) -> np.ndarray:
    """``|d|/|w|``: the length of an update by that of the weights.

    Args:
        d: update, w: weights, shape ``(..., d)``; w has no zero vector.

    Raises:
        InvalidInputError: weights that are zero or not finite, an update that is not finite.

    Source: derived in this package.

    >>> float(relative_update([0.0, 1.0], [3.0, 4.0]))
    0.2
    """
    return np.linalg.norm(finite("d", d), axis=-1) / lengths("a weight vector", numbers("a weight vector", w))


def split_gradient(gradient, v, gain) -> tuple[np.ndarray, np.ndarray]:
    """Gradients by direction and gain from that by ``w = g v``: ``g`` times its tangential part, and ``<v, grad L>``.

    Args:
        gradient: ``grad L(g v)``, v: unit vectors, shape ``(..., d)``. gain: g, shape ``(...)``.

    Returns:
        ``(by direction, by gain)`` of shapes ``(..., d)`` and ``(...)``.

    Raises:
        InvalidInputError: a v that is not of unit length, a gradient or gain that is not finite.

    Source: derived in this package.

    >>> by_direction, by_gain = split_gradient([1.0, 2.0], [1.0, 0.0], 3.0)
    >>> by_direction.tolist(), float(by_gain)
    ([0.0, 6.0], 1.0)
    """
    gradient, v, gain = finite("gradient", gradient), units(v), finite("gain", gain)
    return gain[..., None] * tangential(gradient, v), np.sum(gradient * v, axis=-1)


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
        InvalidInputError: a rate that is negative or not finite, a v that is not of unit length, an update that is
            not finite, a step that leaves float64.

    Source: derived in this package.

    >>> moved([1.0, 0.0], [0.0, -5.0], 0.75, relative=True).round(3).tolist()
    [0.8, 0.6]
    """
    v, rate = units(v), checked_rates("rate", rate)
    part = tangential(finite("update", update), v)
    if relative:
        with np.errstate(over="ignore"):
            size = finite("the length of the update", np.linalg.norm(part, axis=-1, keepdims=True))
        part = np.divide(part, size, out=np.zeros_like(part), where=size != 0)
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
        InvalidInputError: a rate that is negative or not finite, a v that is not of unit length, a gradient or gain
            that is not finite.

    Source: derived in this package, after Haegele, Hernandez-Cano, Kosson and Jaggi (arXiv:2606.25971).

    >>> v, g = decoupled_step([1.0, 0.0], 2.0, [0.5, -0.375], rate=1.0, gain_rate=0.1)
    >>> v.round(3).tolist(), float(g)
    ([0.8, 0.6], 1.95)
    """
    by_direction, by_gain = split_gradient(gradient, v, gain)
    after = moved(v, by_direction, rate, relative)
    return after, np.asarray(gain, dtype=float) - checked_rates("gain_rate", gain_rate) * by_gain
