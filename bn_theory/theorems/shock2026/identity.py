"""Cole-Hopf on the circle and the line: residuals of the equations, a closed form, and a direct integration.

The local entropy is a logarithm of heat's semigroup; in the residuals its derivatives in the angle are taken from it
itself by FFT, that in ``s`` from the semigroup, so that neither equation is put in. The direct integration knows of no
logarithm: it steps ``u_s = nu u_xx - u_x^2/2`` from ``u = f``.
"""

from __future__ import annotations

import math

import numpy as np

from bn_theory.local_entropy import gibbs, line, on_circle, spectral_rounding
from bn_theory.local_entropy.spectral import derivative
from bn_theory.theorems import evidence as judge
from bn_theory.theorems.shock2026 import cases, derived
from bn_theory.theorems.statement import Statement

POINTS = 256
EPS = float(np.finfo(float).eps)
SCALES = (0.1, 1.0, 3.0)
"""``s`` over that of the first shock."""


def diffusivities(settings) -> tuple[float, ...]:
    """In units of ``max f - min f``: small enough for steep gradients, and ``exp(-f/(2 nu))`` is resolved."""
    return (0.1, 0.2, 0.5, 2.0) if settings.full else (0.1, 0.5)


def residual(f, nu, s, *, sign=1.0, diffusion=1.0, order=0, points=POINTS):
    """What is left of the equation of ``u`` (order 0) or of ``v`` (order 1), and how much rounding may leave.

        u_s + u_x^2/2 - nu u_xx            v_s + v v_x - nu v_xx

    Args:
        sign: of nu in the equation. diffusion: a factor of its last term; 0 leaves it out.

    Returns:
        ``(residual, bound)``, root mean squares over the angles; the bound to first order in the unit roundoff.
    """
    field = on_circle(f, nu, s, points)
    d = [field.u, *(derivative(field.u, k) for k in (1, 2, 3))]
    if order:
        left, last = derivative(field.u_s) + d[1] * d[2], d[3]
    else:
        left, last = field.u_s + d[1] ** 2 / 2, d[2]
    found = left - sign * diffusion * nu * last
    # An FFT errs by a share of its data's 2-norm, and k derivatives amplify by at most (n/2)^k. phi is at most 1 and so
    # errs by `unit`; u = -2 nu log phi, and u_s = -2 nu^2 phi''/phi.
    half, unit, low = points / 2, spectral_rounding(points), float(field.phi.min())
    u, v, v_x, _ = (float(np.max(np.abs(x))) for x in d)
    e = 2 * nu * unit / low + (unit + 4 * EPS) * u
    of_u_s = 2 * nu**2 * half**2 * unit / low + float(np.max(np.abs(field.u_s))) * unit / low
    if order:
        allowed = half * of_u_s + v * half**2 * e + v_x * half * e + nu * half**3 * e
    else:
        allowed = of_u_s + v * half * e + nu * half**2 * e
    return float(np.sqrt(np.mean(found**2))), allowed


def residual_claim(name, f, time, nus, **options):
    """The residual over its rounding bound, the largest of all nu and scales.

    Args:
        time: of the first shock. options: of :func:`residual`.
    """
    found = {(nu, k): residual(f, nu, k * time, **options) for nu in nus for k in SCALES}
    ratio = judge.largest(error / allowed for error, allowed in found.values())
    largest = judge.largest(error for error, _ in found.values())
    return judge.identity(
        name,
        ratio,
        1.0,
        unit="the bound of rounding",
        largest_residual=largest,
        largest_bound=max(allowed for _, allowed in found.values()),
        nus=list(map(float, nus)),
        scales_over_first_shock=list(SCALES),
    )


def parabola_claim(name, nus, *, logarithm=1.0, variance=1.0):
    """Quadrature against ``u = a x^2/(2 (1 + a s)) + nu log(1 + a s)`` and its derivatives.

    Args:
        logarithm: a factor of that term. variance: of the kernel's variance in the closed form. Controls change them.
    """
    x, worst = np.linspace(-3.0, 3.0, 13), []
    for a in (0.3, 1.0, 4.0):
        potential = line(a * cases.Y**2 / 2, lowest=0.0)
        for nu in nus:
            for s in (0.1, 1.0, 10.0):
                found, t = gibbs(potential, x, nu, s), variance * s
                u = a * x**2 / (2 * (1 + a * t)) + logarithm * nu * math.log1p(a * t)
                r = found.rounding  # relative, of every weight: so the mean moves by r deviations
                spread = np.sqrt(found.variance)
                worst += [
                    np.abs(found.u - u) / (2 * nu * r + 8 * EPS * (1 + np.abs(u))),
                    np.abs(found.v - a * x / (1 + a * t)) / (r * spread / s + 8 * EPS * (1 + np.abs(x)) / s),
                    np.abs(found.curvature - a / (1 + a * t)) / found.curvature_rounding,
                ]
    return judge.identity(name, judge.largest(np.ravel(worst)), 1.0, unit="the bound of rounding")


def integrated(f, nu, s, steps, *, points=POINTS, transport=0.5):
    """``u_s = nu u_xx - u_x^2/2`` from ``u = f`` by the classical Runge-Kutta method in Fourier space.

    The linear term is integrated exactly (an integrating factor), the square by FFT.

    Args:
        transport: the factor of ``u_x^2``.

    Returns:
        ``u`` at ``2 pi j/points``, shape ``(points,)``.
    """
    k = np.arange(points // 2 + 1)
    h, c = s / steps, np.fft.rfft(f(2 * np.pi * np.arange(points) / points))
    slope = 1j * k * (k < points // 2)
    half = np.exp(-nu * k**2 * h / 2)
    for _ in range(steps):

        def push(c):
            return -transport * h * np.fft.rfft(np.fft.irfft(slope * c, points) ** 2)

        one = push(c)
        two = push(half * (c + one / 2))
        three = push(half * c + two / 2)
        four = push(half**2 * c + half * three)
        c = half**2 * (c + one / 6) + half * (two + three) / 3 + four / 6
    return np.fft.irfft(c, points)


def integration_claim(name, f, nu, s, steps, *, evolved=None, transport=0.5):
    """The direct integration against the local entropy.

    Allowed is how far it moves when its steps are halved and its points doubled: the method is of fourth order in the
    step, so that the finer run errs by a fifteenth of that, and spectral in the points.

    Args:
        evolved: the diffusivity of the integration, by default ``nu``. transport: its factor of ``u_x^2``.
    """
    given = {"transport": transport}
    evolved = nu if evolved is None else evolved
    coarse, middle, fine = (integrated(f, evolved, s, steps * k, **given) for k in (1, 2, 4))
    finest = integrated(f, evolved, s, steps * 4, points=2 * POINTS, **given)[::2]
    field = on_circle(f, nu, s, POINTS)
    in_steps, in_points = (float(np.max(np.abs(fine - other))) for other in (middle, finest))
    # every step's square is rounded by the FFT, relative to its own size: s times that in all
    speed = float(np.max(np.abs(derivative(fine))))
    rounding = 2 * math.sqrt(POINTS) * spectral_rounding(POINTS) * (s * speed**2 * POINTS / 2 + 1)
    return judge.identity(
        name,
        float(np.max(np.abs(finest - field.u))),
        in_steps + in_points + rounding + float(np.max(field.rounding)),
        observed_order=math.log2(float(np.max(np.abs(middle - coarse))) / in_steps),
        moved_by_halving_steps=in_steps,
        moved_by_doubling_points=in_points,
        steps=4 * steps,
        nu=nu,
        s=s,
    )


def evidence(settings):
    """Both equations on the circle, the parabola on the line, a direct integration; each with what contradicts it."""
    from bn_theory.local_entropy import shock_time

    nus = diffusivities(settings)
    circles = cases.circles()
    times = {name: shock_time(f).time for name, f in circles.items()}
    swing = {name: cases.swing(f) for name, f in circles.items()}
    for name, f in circles.items():
        own = [nu * swing[name] for nu in nus]
        yield residual_claim(f"{name}: viscous Hamilton-Jacobi equation", f, times[name], own)
        yield residual_claim(f"{name}: viscous Burgers equation", f, times[name], own, order=1)
    yield parabola_claim("parabola on the line: u, its gradient and curvature", nus)
    for name, f in circles.items():
        for nu in nus[:2]:
            what = f"{name}: direct integration up to 2 s*, nu/(max f - min f) = {nu:g}"
            yield integration_claim(what, f, nu * swing[name], 2 * times[name], 100)
    f, time, nus = circles["rayleigh"], times["rayleigh"], [nu * swing["rayleigh"] for nu in nus]
    yield judge.control(residual_claim("the equation with -nu for nu", f, time, nus, sign=-1.0))
    yield judge.control(residual_claim("the equation without its Laplacian", f, time, nus, diffusion=0.0))
    yield judge.control(residual_claim("the Burgers equation without viscosity", f, time, nus, diffusion=0.0, order=1))
    yield judge.control(parabola_claim("the closed form without its logarithm", nus, logarithm=0.0))
    yield judge.control(parabola_claim("a kernel of half the variance", nus, variance=0.5))
    early = time / 2  # before the shock, where the inviscid equation has a smooth solution
    wrong = integration_claim("the inviscid equation integrated, s = s*/2", f, nus[0], early, 100, evolved=0.0)
    yield judge.control(wrong)
    wrong = integration_claim("u_x^2 for u_x^2/2 integrated, s = s*/2", f, nus[0], early, 100, transport=1.0)
    yield judge.control(wrong)


STATEMENT = Statement(
    "shock2026.identity",
    "Local entropy solves the viscous Hamilton-Jacobi equation, its gradient the viscous Burgers equation",
    derived("local entropy and the viscous Burgers equation"),
    evidence,
)
