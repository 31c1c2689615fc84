"""Closed-form curvature and gradient bounds at unit norm for the losses of this project, in every
dimension.

* Rayleigh quotient ``w^T A w/(2|w|^2)``: with v = w/|w|, rho = v^T A v and the reflection R = I - 2 v v^T,
  the Hessian at unit norm is exactly ``R A R - rho I``: its eigenvalues are those of A minus rho.  So
  ``L_11 = lambda_max - lambda_min`` (attained at an extreme eigenvector), and ``|grad| <= (lambda_max -
  lambda_min)/2``.
* ``-<u, q>/|u|``: ``|Hess| <= (2/sqrt 3) |q|``, attained in dimension 2 or more, and ``|grad| <= |q|``.
* Bilinear ``-u^T S v/(|u||v|)``: ``L_12 <= s_max``, ``L_11, L_22 <= (2/sqrt 3) s_max``, ``|grad_i| <=
  s_max`` (s_max the largest singular value).
* BN least squares ``gamma^2/2 - gamma <b, w>/sqrt(w^T S w) + const``, S = diag(s) > 0, beta = sqrt(b^T S^-1
  b): ``L_11 <= (2/sqrt 3) |gamma| beta s_max/s_min``, ``M <= beta sqrt(s_max/s_min)``, ``|grad_w| <=
  |gamma| M``, ``L_g = 1``, and ``beta <= |b|/sqrt(s_min)``.  GD with ``0 <= eta_g <= 1`` keeps ``|gamma_t|
  <= max(|gamma_0|, beta)``, on the segments too.
* Linear noise ``sigma <z, w>/|w|``: gradient ``sigma (I - v v^T) z``, of length at most ``sigma |z|``
  (``sigma sqrt d`` for entries +-1); trace of its covariance ``sigma^2 (d - 1)`` when E z z^T = I.

Source.  Derived in this package.
"""

from functools import lru_cache

import sympy as sp

from ..proof import Assumption, Identity, Inequality, Proof, Source, Step, Summed, eq, le
from ..vectors import dot, gram, vector

_s, _r = sp.symbols("s r", real=True)


def _at_origin(expression, *variables):
    return sp.Subs(sp.Derivative(expression, *variables), (_s, _r), (0, 0))


def _unit(name) -> Step:
    return Assumption(f"|{name}| = 1", f"{name} has unit norm.", eq(gram(name, name), 1))


def _rayleigh() -> tuple[Step, ...]:
    v, x, y = map(vector, "vxy")
    unit = _unit("v")
    vx, vy, xy, xx = gram("v", "x"), gram("v", "y"), gram("x", "y"), gram("x", "x")
    rho = gram("v", "v", "A")
    point = v + _s * x + _r * y
    loss = dot(point, point, "A") / (2 * dot(point, point))
    gx, gy = (
        gram("v", "x", "A") - rho * vx,
        gram("v", "y", "A") - rho * vy,
    )  # <g, x>, <g, y> with g = A v - rho v
    rx, ry = x - (2 * vx) * v, y - (2 * vy) * v
    gradient = Identity("Rayleigh: gradient", _at_origin(loss, _s), gx, "grad = A v - rho v =: g.", rewrite=(unit,))
    hessian = Identity(
        "Rayleigh: Hessian",
        _at_origin(loss, _s, _r),
        gram("x", "y", "A") - rho * xy - 2 * (vx * gy + gx * vy),
        "Hess = A - rho I - 2 (v g^T + g v^T), as a form in arbitrary x and y.",
        rewrite=(unit,),
    )
    reflected = Identity(
        "Rayleigh: Hessian by a reflection",
        _at_origin(loss, _s, _r),
        dot(rx, ry, "A") - rho * xy,
        "Hess = R A R - rho I with R = I - 2 v v^T.",
        rewrite=(unit,),
    )
    isometry = Identity(
        "reflection",
        dot(rx, rx),
        xx,
        "|R x| = |x|: the eigenvalues of R A R are those of A.",
        rewrite=(unit,),
    )
    low, high, ray, form = sp.symbols("lambda_min lambda_max rho RARx", real=True)
    bounds = (
        Assumption(
            "spectrum of A from above",
            "y^T A y <= lambda_max |y|^2, for y = R x of length |x|.",
            le(form, high * xx),
        ),
        Assumption("spectrum of A from below", "y^T A y >= lambda_min |y|^2.", le(low * xx, form)),
        Assumption("rho from above", "The same for v.", le(ray, high)),
        Assumption("rho from below", "The same for v.", le(low, ray)),
    )
    above, below, ray_above, ray_below = bounds
    upper = Inequality(
        "Rayleigh: curvature from above",
        form - ray * xx,
        (high - low) * xx,
        ((1, above), (xx, ray_below)),
        "x^T Hess x <= (lambda_max - lambda_min) |x|^2.",
    )
    lower = Inequality(
        "Rayleigh: curvature from below", -(form - ray * xx), (high - low) * xx, ((1, below), (xx, ray_above))
    )
    # |g|^2 = v^T A^2 v - rho^2 is the variance of the spectrum under the weights v_k^2.
    k, d = sp.Symbol("k", integer=True), sp.Symbol("d", integer=True, positive=True)
    lam, up, down, weight = (
        sp.Function("lambda", real=True),
        sp.Function("p", nonnegative=True),
        sp.Function("q", nonnegative=True),
        sp.Function("v", real=True),
    )
    over = (k, 1, d)
    ceiling = Assumption(
        "eigenvalues from above", "lambda_max - lambda_k =: p(k) >= 0.", eq(high - lam(k), up(k)), (k,)
    )
    ground = Assumption(
        "eigenvalues from below", "lambda_k - lambda_min =: q(k) >= 0.", eq(lam(k) - low, down(k)), (k,)
    )
    moments = Summed(
        "second moment of the spectrum",
        lam(k) ** 2 * weight(k) ** 2,
        ((high + low) * lam(k) - high * low) * weight(k) ** 2,
        (over,),
        (
            (1, up(k) * down(k) * weight(k) ** 2),
            (-(lam(k) - low) * weight(k) ** 2, ceiling),
            (-up(k) * weight(k) ** 2, ground),
        ),
        why="(lambda_max - lambda_k)(lambda_k - lambda_min) >= 0.",
    )
    one = Assumption("weights", "v has unit norm.", eq(sp.Sum(weight(k) ** 2, over), 1))
    first = Assumption(
        "rho as a mean", "rho = v^T A v in the eigenbasis.", eq(ray, sp.Sum(lam(k) * weight(k) ** 2, over))
    )
    length = sp.Symbol("n", nonnegative=True)
    variance = Assumption(
        "gradient as a variance",
        "n^2 = |A v - rho v|^2 = v^T A^2 v - rho^2, in the eigenbasis.",
        eq(length**2, sp.Sum(lam(k) ** 2 * weight(k) ** 2, over) - ray**2),
    )
    av = vector("w") - ray * v  # w stands for A v, so that <v, w> = rho
    middle = Assumption("v^T A v", "w = A v.", eq(gram("v", "w"), ray))
    expanded = Identity(
        "squared gradient",
        dot(av, av),
        gram("w", "w") - ray**2,
        "|A v - rho v|^2 = |A v|^2 - rho^2.",
        rewrite=(unit, middle),
    )
    width = sp.Symbol("width", positive=True)
    span = Assumption(
        "spread",
        "width = lambda_max - lambda_min > 0 (for width 0 the loss is constant).",
        eq(high - low, width),
    )
    popoviciu = Inequality(
        "Rayleigh: squared gradient",
        length**2,
        width**2 / 4,
        (
            (1, variance),
            (1, moments),
            (-(high + low), first),
            (-high * low, one),
            (1, (ray - (high + low) / 2) ** 2),
            ((width + high - low) / 4, span),
        ),
        "A variance is at most a quarter of the squared range.",
    )
    slope = Inequality("Rayleigh: gradient bound", length, width / 2, ((1 / (length + width / 2), popoviciu),))
    return (
        unit,
        gradient,
        hessian,
        reflected,
        isometry,
        *bounds,
        upper,
        lower,
        ceiling,
        ground,
        moments,
        one,
        first,
        variance,
        middle,
        expanded,
        span,
        popoviciu,
        slope,
    )


def _linear() -> tuple[Step, ...]:
    """-<u, q>/|u| at a unit vector a: everything in the plane of a and q."""
    a, x, y, q = map(vector, "axyq")
    unit = _unit("a")
    aq, ax, ay, xy = gram("a", "q"), gram("a", "x"), gram("a", "y"), gram("x", "y")
    point = a + _s * x + _r * y
    loss = -dot(point, q) / sp.sqrt(dot(point, point))
    gradient = Identity(
        "linear: gradient",
        _at_origin(loss, _s),
        -dot(q - aq * a, x),
        "grad = -(I - a a^T) q.",
        rewrite=(unit,),
    )
    hessian = Identity(
        "linear: Hessian",
        _at_origin(loss, _s, _r),
        gram("q", "x") * ay + gram("q", "y") * ax + aq * (xy - 3 * ax * ay),
        "Hess = q a^T + a q^T + <a,q> (I - 3 a a^T).",
        rewrite=(unit,),
    )
    # q = mu a + kappa n with a unit n orthogonal to a; x = x0 a + x1 n + (a part of length x2 orthogonal
    # to both).
    mu, kappa, x0, x1, x2 = sp.symbols("mu kappa x0 x1 x2", real=True)
    size = sp.Symbol("q", positive=True)
    form = Identity(
        "linear: Hessian in the plane of a and q",
        2 * (mu * x0 + kappa * x1) * x0 + mu * (x0**2 + x1**2 + x2**2 - 3 * x0**2),
        2 * kappa * x0 * x1 + mu * (x1**2 + x2**2),
        "x^T Hess x, with <q,x> = mu x0 + kappa x1.",
    )
    pythagoras = Assumption("length of q", "|q|^2 = mu^2 + kappa^2, q > 0.", eq(size**2, mu**2 + kappa**2))
    top = 2 * size / sp.sqrt(3)
    signed = []
    for sign, name in ((1, "above"), (-1, "below")):
        small = Inequality(
            f"linear: component from {name}",
            sign * mu,
            size,
            (
                (1 / (2 * size), (size - sign * mu) ** 2),
                (1 / (2 * size), kappa**2),
                (-1 / (2 * size), pythagoras),
            ),
        )
        bound = Inequality(
            f"linear: curvature from {name}",
            sign * (2 * kappa * x0 * x1 + mu * (x1**2 + x2**2)),
            top * (x0**2 + x1**2 + x2**2),
            (
                (top, (x0 - sign * kappa * x1 / top) ** 2),
                (x1**2 / top, (mu - sign * size / sp.sqrt(3)) ** 2),
                (x2**2, small),
                ((2 / sp.sqrt(3) - 1) * size, x2**2),
                (-(x1**2) / top, pythagoras),
            ),
            "At most (2/sqrt 3) |q| |x|^2 in absolute value.",
        )
        signed += [small, bound]
    tight = Identity(
        "linear: attained",
        (2 * kappa * x0 * x1 + mu * x1**2).subs(
            {mu: size / sp.sqrt(3), kappa: sp.sqrt(sp.Rational(2, 3)) * size, x0: 1, x1: sp.sqrt(2)}
        ),
        top * (1 + 2),
        "At mu = |q|/sqrt 3 the direction x = (1, sqrt 2) attains the bound.",
    )
    shorter = Inequality("linear: gradient bound", size**2 - mu**2, size**2, ((1, mu**2),), "|grad|^2 = |q|^2 - mu^2.")
    return (unit, gradient, hessian, form, pythagoras, *signed, tight, shorter)


def _bilinear(linear) -> tuple[Step, ...]:
    a, b, x, y = map(vector, "abxy")
    unit_b = _unit("b")
    unit_a = linear[0]
    left, right = a + _s * x, b + _r * y
    loss = -dot(left, right, "S") / sp.sqrt(dot(left, left) * dot(right, right))
    mixed = Identity(
        "bilinear: mixed block",
        _at_origin(loss, _s, _r),
        -dot(x - gram("a", "x") * a, y - gram("b", "y") * b, "S"),
        "d2L/du dv = -(I - a a^T) S (I - b b^T), a and b the directions of u and v.",
        rewrite=(unit_a, unit_b),
    )
    part = x - gram("a", "x") * a
    projection = Identity("projection", dot(part, part), gram("x", "x") - gram("a", "x") ** 2, rewrite=(unit_a,))
    shorter = Inequality(
        "projections shorten",
        dot(part, part),
        gram("x", "x"),
        ((1, gram("a", "x") ** 2), (1, projection)),
        "so L_12 <= s_max.",
    )
    image, largest = sp.Symbol("q", positive=True), sp.Symbol("s_max", positive=True)
    singular = Assumption(
        "singular values",
        "|S b| <= s_max for a unit vector b; for fixed v the loss is -<u, q>/|u| with q = S b.",
        le(image, largest),
    )
    block = Inequality(
        "bilinear: own block",
        2 * image / sp.sqrt(3),
        2 * largest / sp.sqrt(3),
        ((2 / sp.sqrt(3), singular),),
        "L_11 <= (2/sqrt 3) s_max, by the bound for -<u, q>/|u|.",
    )
    return unit_b, mixed, projection, shorter, singular, block


def _bn_least_squares() -> tuple[Step, ...]:
    gamma, f, const = sp.symbols("gamma f const", real=True)
    loss = gamma**2 / 2 - gamma * f + const
    own = Identity("BN least squares: curvature in gamma", sp.Derivative(loss, gamma, gamma), 1, "L_g = 1.")
    slope = Identity("BN least squares: slope in gamma", sp.Derivative(loss, gamma), gamma - f)
    # y = S^1/2 w and b' = S^-1/2 b: f = <b', y>/|y|, directions x of w become S^1/2 x.
    size, moved, beta, low, high, top = sp.symbols("Y X beta s_min s_max Gamma", positive=True)
    stretched = Assumption("directions", "X = |S^1/2 x|^2 <= s_max for a unit direction x.", le(moved, high))
    shrunk = Assumption("norm in the new variable", "Y = |y|^2 = w^T S w >= s_min at |w| = 1.", le(low, size))
    curved = Inequality(
        "BN least squares: curvature in w",
        top * 2 * beta / sp.sqrt(3) * moved / size,
        top * 2 * beta / sp.sqrt(3) * high / low,
        (
            (top * 2 * beta / sp.sqrt(3) / size, stretched),
            (top * 2 * beta / sp.sqrt(3) * high / (low * size), shrunk),
        ),
        "L = -gamma <b', y>/|y| + ..: at most |gamma| (2/sqrt 3) |b'| X/Y by the bound for -<u, q>/|u| "
        "and homogeneity; "
        "|b'| = beta, |gamma| <= Gamma.",
    )
    mixed = Inequality(
        "BN least squares: mixed curvature",
        beta**2 * moved / size,
        beta**2 * high / low,
        ((beta**2 / size, stretched), (beta**2 * high / (low * size), shrunk)),
        "|d2L/dw dgamma|^2 = |grad_w f|^2 <= beta^2 X/Y: M <= beta sqrt(s_max/s_min), and |grad_w L| = "
        "|gamma| |grad_w f|.",
    )
    k, d = sp.Symbol("k", integer=True), sp.Symbol("d", integer=True, positive=True)
    b, s = sp.Function("b", real=True), sp.Function("s", positive=True)
    least = Assumption("least variance", "s_min <= s_k.", le(low, s(k)), (k,))
    simple = Summed(
        "beta through |b|",
        b(k) ** 2 / s(k),
        b(k) ** 2 / low,
        ((k, 1, d),),
        ((b(k) ** 2 / (low * s(k)), least),),
        why="beta^2 = b^T S^-1 b <= |b|^2/s_min.",
    )
    keep, rate = sp.symbols("theta eta_g", nonnegative=True)
    bound = sp.Symbol("Gamma", positive=True)
    convex = Assumption(
        "rate of gamma",
        "0 <= eta_g <= 1, theta = 1 - eta_g (on the segment: a fraction of eta_g).",
        eq(keep + rate, 1),
    )
    limits = [
        Assumption("gamma from above", "|gamma_t| <= Gamma := max(|gamma_0|, beta).", le(gamma, bound)),
        Assumption("gamma from below", "The same.", le(-gamma, bound)),
        Assumption("f from above", "|f| <= beta <= Gamma, by Cauchy-Schwarz.", le(f, bound)),
        Assumption("f from below", "The same.", le(-f, bound)),
    ]
    step = Identity(
        "step of gamma",
        gamma - rate * (gamma - f),
        keep * gamma + rate * f,
        "GD on gamma is a convex combination of gamma and f.",
        ((-gamma, convex),),
    )
    above = Inequality(
        "gamma stays bounded above",
        gamma - rate * (gamma - f),
        bound,
        ((keep, limits[0]), (rate, limits[2]), (1, step), (bound, convex)),
    )
    below = Inequality(
        "gamma stays bounded below",
        -(gamma - rate * (gamma - f)),
        bound,
        ((keep, limits[1]), (rate, limits[3]), (-1, step), (bound, convex)),
    )
    return own, slope, stretched, shrunk, curved, mixed, least, simple, convex, *limits, step, above, below


def _noise(linear) -> tuple[Step, ...]:
    a, x, z = map(vector, "axz")
    unit = linear[0]
    sigma, dimension = sp.Symbol("sigma", nonnegative=True), sp.Symbol("d", integer=True, positive=True)
    point = a + _s * x
    gradient = Identity(
        "noise: gradient",
        _at_origin(sigma * dot(z, point) / sp.sqrt(dot(point, point)), _s),
        sigma * dot(z - gram("a", "z") * a, x),
        "sigma (I - v v^T) z, v = a.",
        rewrite=(unit,),
    )
    part = z - gram("a", "z") * a
    length = Identity("noise: squared length", dot(part, part), gram("z", "z") - gram("a", "z") ** 2, rewrite=(unit,))
    entries = Assumption("entries +-1", "|z|^2 = d.", eq(gram("z", "z"), dimension))
    bounded = Inequality(
        "noise: almost sure bound",
        sigma**2 * dot(part, part),
        sigma**2 * dimension,
        ((sigma**2, length), (sigma**2, gram("a", "z") ** 2), (sigma**2, entries)),
        "|gradient noise| <= sigma sqrt(d).",
    )
    square, inner = sp.symbols("Ezz Evz", nonnegative=True)
    moments = (
        Assumption("mean squared length", "E z z^T = I: E|z|^2 = d.", eq(square, dimension)),
        Assumption("mean squared component", "E z z^T = I: E<v,z>^2 = |v|^2 = 1.", eq(inner, 1)),
    )
    spread = Identity(
        "noise: trace of the covariance",
        sigma**2 * (square - inner),
        sigma**2 * (dimension - 1),
        terms=((sigma**2, moments[0]), (-(sigma**2), moments[1])),
    )
    return gradient, length, entries, bounded, *moments, spread


@lru_cache(maxsize=1)
def prove() -> Proof:
    """The proof; see the module for the statements."""
    linear = _linear()
    return Proof(
        "arora2019.hessian_constants",
        "Curvature and gradient bounds in closed form",
        "Rayleigh: L_11 = lambda_max - lambda_min, |grad| <= (lambda_max - lambda_min)/2; bilinear: L_12 "
        "<= s_max, "
        "L_11 <= (2/sqrt 3) s_max; BN least squares: L_11 <= (2/sqrt 3) |gamma| beta s_max/s_min, "
        "M <= beta sqrt(s_max/s_min), L_g = 1; noise: |gradient| <= sigma sqrt(d), trace sigma^2 (d-1)",
        (*_rayleigh(), *linear, *_bilinear(linear), *_bn_least_squares(), *_noise(linear)),
        Source("This package", "closed-form constants at unit norm", "derived"),
    )
