"""The envelope of a family of decays: the supremum over the family at each time, and its exponent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize

from ..errors import InvalidInputError, TruncatedGridError
from .fit import fit_exponent
from .result import ExponentFit


@dataclass(frozen=True)
class Envelope:
    """``sup ~ amplitude / t`` over a family, and the exponent of its square root.

    Attributes:
        t: record steps, shape ``(records,)``.
        sup: supremum over the family at each record, of the squared quantity.
        argmax: the family's parameter at which it is attained, shape ``(records,)``.
        exponent: exponent of ``sqrt(sup)``, half of the exponent of ``sup``.
        interval: its interval, a range over windows and laws.
        amplitude: ``lim t * sup``.
        fit: `ExponentFit` of ``sup``.
    """

    t: np.ndarray
    sup: np.ndarray
    argmax: np.ndarray
    exponent: float
    interval: tuple[float, float]
    amplitude: float
    fit: ExponentFit

    @property
    def half_width(self):
        """Half of the width of ``interval``."""
        return 0.5 * (self.interval[1] - self.interval[0])


def envelope(values, grid, t, *, margin=2, **options):
    r"""Take the supremum of a family of decays at each time and fit the exponent of its square root.

    .. math:: \sup_\lambda f_\lambda(t) \simeq c / t , \qquad \sqrt{\sup_\lambda f_\lambda(t)} \sim t^{-1/2} ,

    with ``f_lambda(t) = min_{s<t} |grad L_lambda|^2 / Delta_lambda``. The maximum over the grid is refined by
    a parabola through ``log f`` in ``log lambda``.

    Args:
        values: ``f``, shape ``(cases, records)``, positive where the maximum is, dimensionless.
        grid: ``lambda``, shape ``(cases,)``, positive and increasing, evenly spaced in ``log lambda`` or
        nearly so. t: record steps, shape ``(records,)``.
        margin: cells next to an edge of the grid in which no maximiser may lie.
        options: passed on to `fit_exponent`, such as ``window`` and ``min_decades``.

    Returns:
        `Envelope`.

    Raises:
        InvalidInputError: for values that cannot be used.
        TruncatedGridError: when a maximiser used in the fit lies at an edge of the grid; ``edge`` is
            ``"low"`` or ``"high"`` and ``t`` the first such record.
        NoPowerLawError: as `fit_exponent`.

    Source: derived in this package.

    Example:
        >>> import numpy as np
        >>> t = np.geomspace(10, 1e5, 41)
        >>> lam = np.geomspace(1e-8, 1, 321)
        >>> flat = lam[:, None] * np.exp(-2 * lam[:, None] * t)  # its supremum is 1 / (2 e t)
        >>> env = envelope(flat, lam, t)
        >>> print(f"{env.exponent:.4f} {env.amplitude * 2 * np.e:.4f}")
        -0.5000 1.0000
    """
    values = np.asarray(values, dtype=float)
    grid = np.asarray(grid, dtype=float)
    t = np.asarray(t, dtype=float)
    if values.ndim != 2 or grid.shape != values.shape[:1] or t.shape != values.shape[1:]:
        raise InvalidInputError(
            f"values must have shape (cases, records) = ({grid.size}, {t.size}) of grid and t, got {values.shape}"
        )
    if int(margin) != margin or margin < 1:
        raise InvalidInputError(f"margin must be a whole number of cells, at least 1, got {margin!r}")
    if grid.size < 2 * margin + 3:
        raise InvalidInputError(f"the grid needs at least {2 * int(margin) + 3} cases, got {grid.size}")
    if not (np.all(np.isfinite(grid)) and grid[0] > 0 and np.all(np.diff(grid) > 0)):
        raise InvalidInputError(f"grid must be positive, finite and increasing, got {grid[0]!r} .. {grid[-1]!r}")
    if not np.all(np.isfinite(values)) or np.any(values < 0):
        bad = ~np.isfinite(values) | (values < 0)
        case, record = (int(v[0]) for v in np.nonzero(bad))
        raise InvalidInputError(f"values must be finite and >= 0, got {values[case, record]!r} at ({case}, {record})")
    top = np.argmax(values, axis=0)
    if np.any(np.max(values, axis=0) <= 0):
        k = int(np.argmax(np.max(values, axis=0) <= 0))
        raise InvalidInputError(f"every case is 0 at t = {t[k]!r}: there is no envelope to fit")
    used = np.ones(t.size, dtype=bool)
    if options.get("window") is not None:
        low, high = options["window"]
        used = (t >= low) & (t <= high)
    for edge, at in (("low", top < margin), ("high", top > grid.size - 1 - margin)):
        at = at & used
        if np.any(at):
            k = int(np.argmax(at))
            raise TruncatedGridError(
                f"at t = {t[k]:.4g} the maximiser {grid[top[k]]:.3g} lies within {margin} cells of the "
                f"{edge} end of "
                f"the grid {grid[0]:.3g} .. {grid[-1]:.3g}: the envelope is cut off there; extend the grid",
                edge=edge,
                t=float(t[k]),
            )
    # records outside the window may sit at an edge: they are moved inside and not fitted
    top = np.clip(top, 1, grid.size - 2)
    record = np.arange(t.size)
    with np.errstate(divide="ignore"):
        left, centre, right = (np.log(np.maximum(values[top + s, record], 1e-300)) for s in (-1, 0, 1))
    u = np.log(grid)
    a, b = u[top] - u[top - 1], u[top + 1] - u[top]
    rise, fall = (centre - left) / a, (right - centre) / b
    bend = (fall - rise) / (a + b)  # second divided difference, negative at a maximum
    slope = (rise * b + fall * a) / (a + b)
    shift = np.where(bend < 0, np.clip(-0.5 * slope / np.where(bend < 0, bend, -1.0), -a, b), 0.0)
    sup = np.exp(centre + shift * (slope + bend * shift))
    fit = fit_exponent(t[used], sup[used], **options)
    return Envelope(
        t=t,
        sup=sup,
        argmax=np.exp(u[top] + shift),
        exponent=0.5 * fit.exponent,
        interval=(0.5 * fit.interval[0], 0.5 * fit.interval[1]),
        amplitude=_limit(t[used], sup[used]),
        fit=fit,
    )


def _limit(t, sup):
    """``lim t sup`` from a line in ``1 / t`` over the last two decades; the next term is ``1 / t^2``."""
    late = t >= t[-1] / 100.0
    design = np.stack([np.ones(late.sum()), t[-1] / t[late]], axis=1)
    return float(np.linalg.lstsq(design, (t * sup)[late], rcond=None)[0][0])


def envelope_amplitude(theta_0):
    r"""Return the limit of ``sup * eta t / G_0`` over the losses ``(lambda / 2) w_2^2 / |w|^2`` in two
    dimensions.

    .. math:: c(\theta_0) = \max_{x > 0}
              \frac{2 x \tau^2 e^{-2x}}{(1 + \tau^2 e^{-2x})^2 \sin^2 \theta_0} , \qquad \tau = \tan \theta_0
              .

    Gradient flow at the conserved norm ``G_0 = |w|^2`` has ``tan theta(t) = tau exp(-lambda eta t / G_0)``,
    and ``x = lambda eta t / G_0``.

    Args:
        theta_0: angle between ``w`` and the minimiser at the start, in radians, ``0 <= theta_0 < pi / 4``
            (beyond, the gradient grows before it falls and the running minimum is another function).

    Returns:
        The constant, dimensionless; ``1 / e`` as ``theta_0 -> 0``.

    Raises:
        InvalidInputError: outside ``[0, pi / 4)``.

    Source: derived in this package from the gradient flow of the loss.

    Example:
        >>> print(f"{envelope_amplitude(0.1):.5f} {envelope_amplitude(0.7):.5f}")
        0.36886 0.42754
    """
    theta_0 = float(theta_0)
    if not 0.0 <= theta_0 < np.pi / 4:
        raise InvalidInputError(f"theta_0 must lie in [0, pi/4), got {theta_0!r}")
    tau2 = np.tan(theta_0) ** 2
    cos2 = np.cos(theta_0) ** 2  # tau^2 / sin^2 = 1 / cos^2, which has no 0 / 0

    def minus(x):
        fall = np.exp(-2.0 * x)
        return -2.0 * x * fall / ((1.0 + tau2 * fall) ** 2 * cos2)

    # the maximum lies at x = 1/2 for tau = 0 and below 1 for tau = 1; its value is flat to second order in x,
    # so that xatol = 1e-9 leaves 1e-18
    found = optimize.minimize_scalar(minus, bounds=(0.01, 3.0), method="bounded", options={"xatol": 1e-9})
    return float(-found.fun)
