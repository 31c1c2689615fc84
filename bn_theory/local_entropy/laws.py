"""How steep the gradient is before, at and after the first shock, for a small diffusivity.

Each law is the beginning of a series in powers of nu (Laplace's method) with the term that comes next, which says how
far the law is to be trusted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bn_theory.errors import InvalidInputError, OutsideAssumptionsError
from bn_theory.local_entropy import checks
from bn_theory.local_entropy.gibbs import reach
from bn_theory.local_entropy.potentials import Potential, checked
from bn_theory.local_entropy.shock import Shock

EPS = float(np.finfo(float).eps)
RATIO = math.gamma(0.75) / math.gamma(0.25)
"""``E z^2`` under the density proportional to ``exp(-z^4)``."""
GRID = 20_001


@dataclass(frozen=True)
class Law:
    """``-u_xx`` at one point for small nu: a sum of powers of nu, the last of them the term that comes next.

    ``law(nu)`` is the sum without that last term, ``law.next(nu)`` that term alone: what is left over is it, up to a
    further factor of the order of the step between the last two powers. Both take any shape of nu, all above 0.

    Attributes:
        x, s: where and when.
        terms: ``(exponent, coefficient)``, exponents increasing.
    """

    x: float
    s: float
    terms: tuple[tuple[float, float], ...]

    def __call__(self, nu):
        nu = checks.positive_array("nu", nu)
        return sum(coefficient * nu**exponent for exponent, coefficient in self.terms[:-1])

    def next(self, nu):
        """The term that comes next."""
        exponent, coefficient = self.terms[-1]
        return coefficient * checks.positive_array("nu", nu) ** exponent


def limit_before(shock: Shock, s: float) -> float:
    """``-v_x`` of the inviscid equation on the characteristic from ``y_0``: ``kappa/(1 - s kappa)``, for ``s < s*``.

    Raises:
        OutsideAssumptionsError: there is no shock, or s is not below ``s*``.
        InvalidInputError: s <= 0, not finite.
    """
    s = checks.positive("s", s)
    if not (shock.jets and s * shock.kappa < 1):
        raise OutsideAssumptionsError(f"s = {s:g} is not below a first shock, s* = {shock.time:g}")
    return shock.kappa / (1 - s * shock.kappa)


def before_law(shock: Shock, s: float) -> Law:
    """``-u_xx`` at ``y_0 + s f'(y_0)`` for ``s < s*``, ``kappa/r - (c s/r^3) nu`` up to ``O(nu^2)``.

    With ``r = 1 - s kappa`` and c, q the fourth and sixth derivatives; the next term is
    ``4 (s^2/r^4) (2 c^2 s/(3 r) - q/8) nu^2``.

    Args:
        shock: of :func:`shock_time`. s: scale below ``s*``, > 0.

    Returns:
        :class:`Law`.

    Raises:
        OutsideAssumptionsError: there is no shock, or s is not below ``s*``.
        InvalidInputError: s <= 0, not finite.

    Source: Laplace's method; derived in this package (``shock2026.shock_time``).
    """
    limit = limit_before(shock, s)
    r, c, q = 1 - s * shock.kappa, shock.jets[4], shock.jets[6]
    after = 4 * s**2 / r**4 * (2 * c**2 * s / (3 * r) - q / 8)
    return Law(shock.start + s * shock.jets[1], float(s), ((0.0, limit), (1.0, -c * s / r**3), (2.0, after)))


def shock_law(shock: Shock) -> Law:
    """``-u_xx`` at ``(x_c, s*)``, ``A nu^(-1/2) + B`` up to ``C nu^(1/2)``.

    With ``g = Gamma(3/4)/Gamma(1/4)`` and ``c, p, q, j, k`` the fourth to eighth derivatives of f at ``y_0``:

        A = kappa^2 sqrt(12/c) g
        B = -kappa - kappa^2 (4 q/(5 c^2)) (5/16 - 3 g^2/4) + kappa^2 (24 p^2/(25 c^3)) (45/128 - 39 g^2/32)
        C = kappa^2 sqrt(3) g c^(-5/2) (-2 k/35 + (39 p j/175 + q^2 (13/100 + 3 g^2/50))/c
            - (p^2 q/c^2) (21/40 + 117 g^2/500) + (p^4/c^3) (1809/8000 + 3591 g^2/20000))

    Args:
        shock: of :func:`shock_time`.

    Returns:
        :class:`Law`.

    Raises:
        OutsideAssumptionsError: there is no shock, or c is not positive.

    Source: Laplace's method; derived in this package (``shock2026.shock_time``).

    >>> import numpy as np
    >>> from bn_theory.local_entropy import circle, gibbs, shock_time
    >>> f = circle(np.cos)
    >>> law = shock_law(shock_time(f))
    >>> left = -gibbs(f, law.x, 1e-6, law.s).curvature[0] - law(1e-6)
    >>> bool(0.9 < left / law.next(1e-6) < 1.1)
    True
    """
    _needs_quartic(shock)
    c, p, q, j, k = shock.jets[4:9]
    square, g = shock.kappa**2, RATIO
    even, odd = 5 / 16 - 3 * g**2 / 4, 45 / 128 - 39 * g**2 / 32
    constant = -shock.kappa - square * 0.8 * q / c**2 * even + square * 0.96 * p**2 / c**3 * odd
    after = (
        -2 * k / 35
        + (39 * p * j / 175 + q**2 * (0.13 + 0.06 * g**2)) / c
        - p**2 * q / c**2 * (21 / 40 + 117 * g**2 / 500)
        + p**4 / c**3 * (1809 / 8000 + 3591 * g**2 / 20000)
    )
    amplitude, third = square * math.sqrt(12 / c) * g, square * math.sqrt(3) * g * c**-2.5 * after
    return Law(shock.place, shock.time, ((-0.5, amplitude), (0.0, constant), (0.5, third)))


def jump_law(potential: Potential, shock: Shock, s: float) -> Law:
    """``-u_xx`` at the centre of the shock for ``s > s*``, ``J^2/(8 nu) + B`` up to ``D nu``, f symmetric about it.

    ``J`` is the jump of ``v``: ``(y_2 - y_1)/s`` for the two global minimisers of ``f(y) + (x - y)^2/(2 s)``. With z
    half their distance, ``F_k = f^(k)`` at ``y_2`` but ``F_2 = f'' + 1/s``:

        B = -f''/(1 + s f'') - z f'''/(1 + s f'')^2
        D = (2/s^2) (2 z d_2 + d_1^2 + V_2),   d_1 = -F_3/(2 F_2^2),   V_2 = F_3^2/F_2^4 - F_4/(2 F_2^3),
        d_2 = -F_5/(8 F_2^3) + 2 F_3 F_4/(3 F_2^4) - 5 F_3^3/(8 F_2^5)

    Symmetric means that ``f(y_0 + z) - f'(y_0) z`` is even in z; the shock is then at ``y_0 + s f'(y_0)``. It is asked
    for at the minimisers, of the values and of all derivatives of the law; that they are the only global ones is asked
    for on a grid, between whose points a narrow well may be missed.

    Args:
        potential: ``f``. shock: of :func:`shock_time`. s: scale above ``s*``.

    Returns:
        :class:`Law`; its first coefficient is ``J^2/8``.

    Raises:
        OutsideAssumptionsError: s is not above ``s*``, c is not positive, f is not symmetric, or another point is as
            low.
        InvalidInputError: s not finite, no :class:`Potential`, the shock of another function.

    Source: Laplace's method; derived in this package (``shock2026.shock_time``).
    """
    s = checks.positive("s", s)
    if not s > shock.time:
        raise OutsideAssumptionsError(f"s = {s:g} is not above s* = {shock.time:g}: there is no jump yet")
    _needs_quartic(shock)
    own = [float(checked(potential).derivative(shock.start, k)) for k in range(5)]
    if not np.allclose(own, shock.jets[:5], rtol=1e-12, atol=1e-12 * max(map(abs, own))):
        raise InvalidInputError(f"the shock is that of another function than {potential.name}")
    start, slope = shock.start, shock.jets[1]
    # with u = f'(y): the outer minimisers solve f'(y_0 + z) - f'(y_0) + z/s = 0, whose slope at 0 is 1/s - kappa < 0
    z = _outer(lambda z: float(potential.derivative(start + z, 1)) - slope + z / s, shock, s)
    right = _symmetric(potential, start, slope, z)
    _lowest(potential, start, start + s * slope, z, s)
    second, third, fourth, fifth = right[2:]
    spread, curved = 1 + s * second, second + 1 / s
    constant = -second / spread - z * third / spread**2
    one = -third / (2 * curved**2)
    two = -fifth / (8 * curved**3) + 2 * third * fourth / (3 * curved**4) - 5 * third**3 / (8 * curved**5)
    wide = third**2 / curved**4 - fourth / (2 * curved**3)
    after = 2 / s**2 * (2 * z * two + one**2 + wide)
    return Law(start + s * slope, s, ((-1.0, (2 * z / s) ** 2 / 8), (0.0, constant), (1.0, after)))


def _needs_quartic(shock):
    if not (shock.kappa > 0 and shock.jets and shock.jets[4] > 0):
        raise OutsideAssumptionsError(
            f"the law needs inf f'' < 0 (here {-shock.kappa:g}) and a positive fourth derivative where it is attained "
            f"(here {shock.jets[4] if shock.jets else math.nan:g})"
        )


def _outer(equation, shock, s):
    """The first zero z > 0 of what is negative just above 0, by halving."""
    from scipy.optimize import brentq

    # beyond the quartic's own root, sqrt(6 (kappa - 1/s)/c), by small steps until the sign changes
    step = 0.05 * math.sqrt(6 * (shock.kappa - 1 / s) / shock.jets[4])
    low = step
    for _ in range(10_000):
        if equation(low + step) > 0 >= equation(low):
            return brentq(equation, low, low + step, xtol=1e-15, rtol=4 * EPS)
        low += step
    raise OutsideAssumptionsError(f"no outer minimiser was found within {low:g} of {shock.start:g}")


def _symmetric(potential, start, slope, z):
    """Derivatives of orders 0 to 5 at ``start + z``, those of ``start - z`` being their mirror images."""
    right, left = ([float(potential.derivative(start + sign * z, k)) for k in range(6)] for sign in (1, -1))
    rounded = abs(slope) * z + (abs(start) + z) * (abs(right[1]) + abs(left[1]) + abs(slope))
    for jets, sign in ((right, 1), (left, -1)):
        jets[0], jets[1] = jets[0] - sign * slope * z, jets[1] - slope
    for order, (one, mirrored) in enumerate(zip(right, left, strict=True)):
        gap = abs(one - (-1) ** order * mirrored)
        # values decide which side weighs more, to their last digit; derivatives only enter the coefficients
        values = 64 * EPS * (abs(right[0]) + abs(left[0]) + rounded)
        if gap > (values if order == 0 else 1e-9 * max(map(abs, right[1:] + left[1:]))):
            raise OutsideAssumptionsError(
                f"{potential.name} is not symmetric about {start:g} (derivative {order} differs by {gap:.2g} at a "
                f"distance of {z:g}): the shock moves"
            )
    return right


def _lowest(potential, start, x, z, s):
    """That ``start + z`` and ``start - z`` are the only global minimisers of the exponent, as far as a grid shows."""
    far = max(reach(potential, x, 0.0, s), 2 * (abs(x - start) + z))
    y = np.linspace(x - far, x + far, GRID)
    h = y[1] - y[0]

    def exponent(y):
        return checks.values_of(potential, y) + (x - y) ** 2 / (2 * s)

    phi, low = exponent(y), float(exponent(np.array([start + z]))[0])
    curved = float(np.max(np.abs(checks.values_of(lambda y: potential.derivative(y, 2), y, "f''")))) + 1 / s
    lowest = np.r_[False, (phi[1:-1] <= phi[:-2]) & (phi[1:-1] <= phi[2:]), False]
    other = lowest & (np.abs(np.abs(y - start) - z) > 2 * h)
    # between points a minimum is deeper by at most h^2/8 times the curvature
    if np.any(phi[other] <= low + curved * h**2 / 8 + 64 * EPS * np.max(np.abs(phi))):
        at = y[other][np.argmin(phi[other])]
        raise OutsideAssumptionsError(
            f"{potential.name}: the exponent at {at:.4g} is as low as at the two outer minimisers next to {start:g}: "
            "the shock is another one"
        )
