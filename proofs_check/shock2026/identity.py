"""Cole-Hopf: local entropy solves the viscous Hamilton-Jacobi equation, its gradient the viscous Burgers equation.

Statement.  ``nu > 0``, ``K_s`` the Gaussian kernel of variance ``2 nu s`` on R^d, ``phi = K_s * exp(-f/(2 nu))`` for f
smooth, and bounded from below or with bounded slope ``|grad f|``, so that phi is finite and smooth, and
``u = -2 nu log phi``.

* ``u_s + |grad u|^2/2 = nu Laplace u`` for s > 0, in every dimension d. With -nu for nu what is left over is
  ``2 nu Laplace u``, with 0 for nu it is ``nu Laplace u``.
* ``v = grad u`` solves the viscous Burgers equation ``v_s + (v . grad) v = nu Laplace v``.
* On the circle: for f of period 2 pi the convolution over R is that over the circle with the periodised kernel, and
  multiplies the m-th Fourier coefficient by ``exp(-nu m^2 s)``.
* That circle is the quotient of the plane without its origin by scaling: for ``L(w) = f(angle of w)`` and ``r = |w|``,
  ``|grad L|^2 = f'^2/r^2`` and ``Laplace L = f''/r^2``.
* ``f = a x^2/2`` on R has ``u = a x^2/(2 (1 + a s)) + nu log(1 + a s)``.

Source.  Derived in this package; the transformation is Cole's and Hopf's.
"""

from functools import lru_cache

import sympy as sp

from ..jets import Jet, plane
from ..proof import Assumption, Definition, Identity, Proof, Source, Summed, eq

NU, S, A = sp.symbols("nu s a", positive=True)
D = sp.Symbol("d", integer=True, positive=True)
M = sp.Symbol("m", integer=True, nonnegative=True)
X, Z, THETA = sp.symbols("x z theta", real=True)
I, J = sp.symbols("i j", integer=True)
RATE = sp.Symbol("R", real=True)
P, Q, V = (sp.Function(name, real=True) for name in ("p", "q", "v"))
ALL = (I, 1, D)
KERNEL = sp.exp(-(Z**2) / (4 * NU * S)) / sp.sqrt(4 * sp.pi * NU * S)
PAPER = "Miyagawa, arXiv:2606.18303"


@lru_cache(maxsize=1)
def prove() -> Proof:
    """The proof; see the module for the statement."""
    return Proof(
        "shock2026.identity",
        "Local entropy solves the viscous Hamilton-Jacobi equation, its gradient the viscous Burgers equation",
        "u_s + |grad u|^2/2 = nu Laplace u on R^d, and on the circle of directions of the plane",
        (*_heat(), *_hamilton_jacobi(), *_burgers(), *_circle(), *_plane(), *_quadratic()),
        Source(PAPER, "local entropy and the viscous Burgers equation", "derived"),
    )


def _heat():
    """The kernel solves the heat equation."""
    k = sp.Function("k", positive=True)
    k_s, k_2 = (sp.Function(name, real=True) for name in ("k_s", "k_2"))
    one = Identity(
        "kernel in one coordinate",
        sp.Derivative(KERNEL, S),
        NU * sp.Derivative(KERNEL, (Z, 2)),
        "The Gaussian of variance 2 nu s in one coordinate z.",
    )
    named = Assumption(
        "kernel in coordinate i",
        "The same, with k, k_s and k_2 for the kernel in coordinate i and its derivatives in s and, twice, in z.",
        eq(k_s(I), NU * k_2(I)),
        (I,),
        role="fact",
    )
    summed = Summed(
        "kernel in d coordinates",
        k_s(I) / k(I),
        NU * k_2(I) / k(I),
        (ALL,),
        ((1 / k(I), named),),
        True,
        "The kernel on R^d is the product of d of them. Divided by it, its derivative in s is the left sum and its "
        "Laplacian times nu the right one.",
    )
    total = Identity("total mass", sp.Integral(KERNEL, (Z, -sp.oo, sp.oo)), 1, "So phi tends to exp(-f/(2 nu)).")
    return one, named, summed, total


def _hamilton_jacobi():
    """From ``phi_s = nu Laplace phi`` to the equation of ``u``."""
    phi = sp.Function("phi", positive=True)(X, S)
    u = -2 * NU * sp.log(phi)
    slope = Identity("gradient", sp.Derivative(u, X), -2 * NU * sp.Derivative(phi, X) / phi, "In any coordinate x.")
    second = Identity(
        "second derivative",
        sp.Derivative(u, (X, 2)),
        -2 * NU * (sp.Derivative(phi, (X, 2)) / phi - (sp.Derivative(phi, X) / phi) ** 2),
    )
    time = Identity("derivative in s", sp.Derivative(u, S), -2 * NU * sp.Derivative(phi, S) / phi)
    heat = Assumption(
        "heat equation",
        "phi = K_s * exp(-f/(2 nu)) solves phi_s = nu Laplace phi, as its kernel does. Divided by phi: R = phi_s/phi, "
        "p(i) and q(i) are the first and second derivative in coordinate i over phi.",
        eq(RATE, NU * sp.Sum(Q(I), ALL)),
        role="fact",
    )
    first, twice = (sp.Function(name, real=True) for name in ("g", "h"))
    of_first = Definition("gradient of u", first(I), -2 * NU * P(I), "Its component i, by the step 'gradient'.")
    of_twice = Definition(
        "second derivatives of u", twice(I), -2 * NU * (Q(I) - P(I) ** 2), "In coordinate i, by 'second derivative'."
    )
    square = Summed(
        "squared gradient",
        first(I) ** 2,
        4 * NU**2 * P(I) ** 2,
        (ALL,),
        ((first(I) - 2 * NU * P(I), of_first),),
        True,
        "|grad u|^2.",
    )
    trace = Summed(
        "Laplacian",
        twice(I),
        -2 * NU * (Q(I) - P(I) ** 2),
        (ALL,),
        ((1, of_twice),),
        True,
        "Laplace u.",
    )
    left, laplacian = -2 * NU * RATE + sp.Sum(first(I) ** 2, ALL) / 2, sp.Sum(twice(I), ALL)
    together = ((-2 * NU, heat), (sp.Rational(1, 2), square), (-NU, trace))
    main = Identity(
        "viscous Hamilton-Jacobi equation",
        left,
        NU * laplacian,
        "u_s + |grad u|^2/2 = nu Laplace u.",
        together,
    )
    wrong = Identity(
        "with the wrong sign",
        left - (-NU) * laplacian,
        2 * NU * laplacian,
        "With -nu for nu 2 nu Laplace u is left over: it vanishes only where the Laplacian does.",
        together,
    )
    return slope, second, time, heat, of_first, of_twice, square, trace, main, wrong


def _burgers():
    """The gradient of the equation."""
    hessian, speed, diffusion = sp.Function("H", real=True), *sp.symbols("v_s Lambda", real=True)
    u = sp.Function("u", real=True)(X, Z)
    chain = Identity(
        "derivative of a square",
        sp.Derivative(sp.Derivative(u, X) ** 2 / 2, Z),
        sp.Derivative(u, X) * sp.Derivative(u, X, Z),
        "x for x_i and z for x_j: that of v_i^2/2 by x_j.",
    )
    differentiated = Assumption(
        "derivative of the equation",
        "The equation of u differentiated by x_j, its squares as in 'derivative of a square': v_s and Lambda are the "
        "derivative in s and the Laplacian of v_j, the v(i) are the components of grad u, H(i, j) is the derivative of "
        "v_i by x_j.",
        eq(speed + sp.Sum(V(I) * hessian(I, J), ALL), NU * diffusion),
        role="fact",
    )
    symmetric = Assumption(
        "second derivatives commute",
        "v is a gradient.",
        eq(hessian(I, J), hessian(J, I)),
        (I, J),
        role="fact",
    )
    exchange = Summed(
        "transport",
        V(I) * hessian(I, J),
        V(I) * hessian(J, I),
        (ALL,),
        ((V(I), symmetric),),
        True,
        "sum_i v_i d_j v_i = sum_i v_i d_i v_j.",
    )
    burgers = Identity(
        "viscous Burgers equation",
        speed + sp.Sum(V(I) * hessian(J, I), ALL),
        NU * diffusion,
        "v_s + (v . grad) v = nu Laplace v, component j.",
        ((1, differentiated), (-1, exchange)),
    )
    return chain, differentiated, symmetric, exchange, burgers


def _circle():
    """Periodic data."""
    unfolded = Assumption(
        "periodised kernel",
        "For f of period 2 pi the integral over R is the sum over all n of integrals over [2 pi n, 2 pi (n+1)], each "
        "that of f over one period with the kernel shifted by 2 pi n: the sum of the shifted kernels is the kernel on "
        "the circle. It solves the heat equation as each of them does.",
        role="fact",
    )
    mode = sp.exp(-NU * M**2 * S) * sp.cos(M * THETA)
    solves = Identity(
        "Fourier mode",
        sp.Derivative(mode, S),
        NU * sp.Derivative(mode, (THETA, 2)),
        "Each mode solves the heat equation.",
    )
    wave = sp.Symbol("omega", positive=True)
    multiplier = Identity(
        "multiplier",
        sp.Integral(KERNEL * sp.cos(wave * Z), (Z, -sp.oo, sp.oo)),
        sp.exp(-NU * wave**2 * S),
        "The kernel multiplies a wave of frequency omega, m on the circle, by exp(-nu m^2 s).",
    )
    return unfolded, solves, multiplier


def _plane():
    """The quotient of the plane by scaling."""
    x, y = sp.symbols("x y", positive=True)
    r2 = x**2 + y**2
    loss = plane("psi", sp.atan2(y, x), 0)
    name, angle = loss.args[0], loss.args[3]
    f_1, f_2 = sp.symbols("f' f''", real=True)
    first, second = (
        Definition(f"derivative {k} of f", symbol, Jet(name, k, 0, angle, 0), "f is psi at an angle and 0.")
        for k, symbol in ((1, f_1), (2, f_2))
    )
    gradient = Identity(
        "gradient on the quotient",
        sp.Derivative(loss, x) ** 2 + sp.Derivative(loss, y) ** 2,
        f_1**2 / r2,
        "|grad L|^2 = f'^2/r^2. Written for x, y > 0; a rotation brings any w there.",
        rewrite=(first,),
    )
    laplacian = Identity(
        "Laplacian on the quotient",
        sp.Derivative(loss, (x, 2)) + sp.Derivative(loss, (y, 2)),
        f_2 / r2,
        "Laplace L = f''/r^2: at r = 1 the Laplacian of the circle.",
        rewrite=(second,),
    )
    return first, second, gradient, laplacian


def _quadratic():
    """The closed form of a parabola."""
    closed = A * X**2 / (2 * (1 + A * S)) + NU * sp.log(1 + A * S)
    solves = Identity(
        "parabola: equation",
        sp.Derivative(closed, S) + sp.Derivative(closed, X) ** 2 / 2,
        NU * sp.Derivative(closed, (X, 2)),
    )
    start = Identity(
        "parabola: start",
        sp.Subs(closed, S, 0),
        A * X**2 / 2,
        "At s = 0.",
    )
    integral = Identity(
        "parabola: integral",
        sp.Integral(KERNEL * sp.exp(-A * (X - Z) ** 2 / (4 * NU)), (Z, -sp.oo, sp.oo)),
        sp.exp(-closed / (2 * NU)),
        "phi itself: u = -2 nu log phi is the closed form.",
    )
    return solves, start, integral
