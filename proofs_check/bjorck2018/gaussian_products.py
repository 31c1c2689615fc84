"""Singular values of a product of M Gaussian matrices: Fuss-Catalan moments, both edges, the density.

Statement.  ``W = X_M ... X_1`` with independent N x N matrices of entries N(0, 1/N); N to infinity, M fixed.

* The k-th moment of the squared singular values tends to ``binom(Mk+k, k)/(Mk+1)``.
* Their law ends at ``(M+1)^(M+1)/M^M``, with a square root.
* With an angle phi in (0, pi/(M+1)) the law has, at ``lambda = sin((M+1)phi)^(M+1)/(sin(phi) sin(M phi)^M)``, the
  density ``sin(phi)^2 sin(M phi)^(M-1)/(pi sin((M+1)phi)^M)``, and the part
  ``((M+1) phi - M sin(phi) sin((M+1)phi)/sin(M phi))/pi`` of it lies above.
* Towards 0 the density is ``sin(pi/(M+1))/pi lambda^(-M/(M+1))``: of N values one is expected below a number of size
  ``N^-(M+1)``.
* At finite N, for real entries: the first moment is exactly 1, the second
  ``(N/3)((1 + 2/N)^(M+1) - (1 - 1/N)^(M+1))``.
* A circular convolution with C channels and entries of variance ``1/(C taps)`` is, at every frequency, a C x C matrix
  of entries of variance 1/C; a product of convolutions is the product of these.

Heuristic, assumed and not proved: the limit's density counts the values down to a single one.  The smallest singular
value is then of size ``N^-((M+1)/2)`` and the condition number of size ``N^((M+1)/2)``.  Convergence of the law says
nothing about so few values.

Source.  Bjorck, Gomes, Selman, Weinberger, NeurIPS 2018, arXiv:1806.02375, on products of random matrices. The moments
are those of free multiplicative convolution (Voiculescu; Speicher); the proof as written here is derived in this
package.
"""

from functools import lru_cache

import sympy as sp

from ..proof import Assumption, Definition, Identity, Induction, Proof, Source, eq, instance

M, MOMENT = sp.symbols("M k", integer=True, positive=True)
Z, ROOT = sp.symbols("z u", positive=True)
SIZE = sp.Symbol("N", integer=True, positive=True)
EDGE = (M + 1) ** (M + 1) / M**M


@lru_cache(maxsize=1)
def prove() -> Proof:
    """The proof; see the module for the statement."""
    return Proof(
        "bjorck2018.gaussian_products",
        "Singular values of products of Gaussian matrices",
        "as N grows: Fuss-Catalan moments, upper edge (M+1)^(M+1)/M^M, density; first and second moment at finite N",
        (
            *_generating_function(),
            *_moments(),
            *_edge(),
            *_curve(),
            *_law(),
            *_soft_edge(),
            *_hard_edge(),
            *_second_moment(),
            *_zonal_moments(),
            *_convolutions(),
            *_orthogonal(),
        ),
        Source(
            "Bjorck, Gomes, Selman, Weinberger, NeurIPS 2018, arXiv:1806.02375", "products of random matrices", "paper"
        ),
    )


def fuss_catalan(k, order=M):
    """``binom(Mk+k, k)/(Mk+1)``."""
    return sp.binomial(order * k + k, k) / (order * k + 1)


def _generating_function():
    """``B(z) = sum_k m_k z^k`` solves ``B = 1 + z B^(M+1)``."""
    one, many = sp.Symbol("chi_1", positive=True), sp.Symbol("chi_M", positive=True)
    single = Assumption(
        "one matrix",
        "The moments of one matrix are the Catalan numbers: B = 1 + z B^2 (Marchenko, Pastur). With u = B - 1, "
        "chi_1(u) is the z that belongs to u.",
        eq(ROOT, one * (1 + ROOT) ** 2),
        (ROOT,),
        role="fact",
    )
    transform = Identity(
        "S-transform of one matrix",
        one * (1 + ROOT) / ROOT,
        1 / (1 + ROOT),
        "S(u) = chi(u) (1 + u)/u.",
        ((-1 / (ROOT * (1 + ROOT)), single),),
    )
    free = Assumption(
        "S-transforms multiply",
        "Independent Gaussian matrices are asymptotically free, and the S-transform of a free product is the product "
        "of the S-transforms (Voiculescu): that of M matrices is that of one to the power M.",
        eq(many * (1 + ROOT) / ROOT, (1 + ROOT) ** -M),
        (ROOT,),
        role="fact",
    )
    equation = Identity(
        "equation of the generating function",
        ROOT,
        many * (1 + ROOT) ** (M + 1),
        "u = z (1 + u)^(M+1) with z = chi_M(u); that is B = 1 + z B^(M+1).",
        ((-ROOT * (1 + ROOT) ** M, free),),
    )
    return single, transform, free, equation


def _moments():
    """The coefficients, by Lagrange's inversion, and checked again from the equation for the first ones."""
    moment = sp.Function("m", positive=True)
    lagrange = Assumption(
        "Lagrange's inversion",
        "The coefficient of z^k in the solution u of u = z (1 + u)^(M+1) is 1/k times that of u^(k-1) in "
        "(1 + u)^((M+1)k).",
        eq(moment(MOMENT), sp.binomial((M + 1) * MOMENT, MOMENT - 1) / MOMENT),
        (MOMENT,),
        role="fact",
    )
    closed = Identity("moments", moment(MOMENT), fuss_catalan(MOMENT), "The Fuss-Catalan numbers.", ((1, lagrange),))
    series = 1 + sum(_polynomial(k) * Z**k for k in (1, 2, 3))
    again = tuple(
        Identity(
            f"moment {k + 1} from the equation",
            sp.Subs(sp.Derivative(series ** (M + 1), (Z, k)), Z, 0) / sp.factorial(k),
            _polynomial(k + 1),
            f"The coefficient of z^{k} in B^(M+1) is that of z^{k + 1} in B.",
        )
        for k in (1, 2, 3)
    )
    catalan = Identity(
        "one matrix again",
        fuss_catalan(MOMENT, sp.S.One),
        sp.binomial(2 * MOMENT, MOMENT) / (MOMENT + 1),
        "M = 1: the Catalan numbers.",
    )
    return (lagrange, closed, *again, catalan)


def _polynomial(k):
    return sp.expand(sp.expand_func(sp.binomial(M * k + k, k)) / (M * k + 1)).simplify()


def _edge():
    """The law ends at the inverse of the nearest singularity of B."""
    z = ROOT / (1 + ROOT) ** (M + 1)
    slope = Identity(
        "slope of z", sp.Derivative(z, ROOT), (1 - M * ROOT) / (1 + ROOT) ** (M + 2), "z(u) turns at u = 1/M."
    )
    turn = Identity("value where it turns", sp.Subs(z, ROOT, 1 / M), 1 / EDGE, "z* = M^M/(M+1)^(M+1).")
    square_root = Identity(
        "square root",
        sp.Subs(sp.Derivative(z, (ROOT, 2)), ROOT, 1 / M),
        -M * (M / (M + 1)) ** (M + 2),
        "Not 0: u has a square-root singularity at z*.",
    )
    ends = Assumption(
        "upper edge",
        "B has nonnegative coefficients, so that its singularity nearest to 0 is the first one on the positive axis "
        "(Pringsheim), z* by 'slope of z'. Its radius of convergence is the inverse of the end of the law: "
        "(M+1)^(M+1)/M^M.",
        role="conclusion",
    )
    return slope, turn, square_root, ends


def _curve():
    """The parametrised root, in s = sin phi, t = sin M phi, w = sin (M+1) phi and the cosines."""
    s, t, w = sp.symbols("s t w", positive=True)
    c, d, e = sp.symbols("c d e", real=True)
    circle = Assumption("circle", "s = sin phi, c = cos phi.", eq(s**2 + c**2, 1), role="fact")
    sine = Assumption(
        "sine of the sum",
        "t = sin M phi, d = cos M phi, w = sin (M+1) phi; all three sines are positive for 0 < phi < pi/(M+1).",
        eq(w, s * d + c * t),
        role="fact",
    )
    cosine = Assumption("cosine of the sum", "e = cos (M+1) phi.", eq(e, c * d - s * t), role="fact")
    radius = Definition("radius", sp.Symbol("rho", positive=True), w / t, "B = rho (c + i s), a complex root.")
    point = Definition("point", sp.Symbol("lambda", positive=True), w ** (M + 1) / (s * t**M), "lambda = 1/z.")
    rho, place = radius.symbol, point.symbol
    imaginary = Identity(
        "imaginary part",
        place * rho * s,
        rho ** (M + 1) * w,
        "lambda (B - 1) = B^(M+1), where B^(M+1) = rho^(M+1) (e + i w) (de Moivre).",
        (),
        (radius, point),
    )
    real = Identity(
        "real part",
        place * (rho * c - 1),
        rho ** (M + 1) * e,
        "Both parts hold: B is a root at lambda, for every angle.",
        tuple(
            (w ** (M + 1) / t ** (M + 1) * factor, fact)
            for factor, fact in ((-1, cosine), (c / s, sine), (t / s, circle))
        ),
        (radius, point),
    )
    inversion = Assumption(
        "inversion of Stieltjes",
        "The Stieltjes transform is G = B(1/lambda)/lambda, and the density is -1/pi times its imaginary part just "
        "above the axis, where B is the root with Im B < 0: f = rho s/(pi lambda).",
        role="fact",
    )
    density = Identity(
        "density",
        rho * s / (sp.pi * place),
        s**2 * t ** (M - 1) / (sp.pi * w**M),
        "f at lambda(phi).",
        (),
        (radius, point),
    )
    p, q = c / s, d / t
    cotangents = Identity(
        "imaginary part in cotangents",
        rho * s,
        (p + q) / (1 + p**2),
        "p = cot phi, q = cot M phi.",
        ((s / t, sine), ((s * d + c * t) * s / t / (s**2 + c**2), circle)),
        (radius,),
    )
    return circle, sine, cosine, radius, point, imaginary, real, inversion, density, cotangents


def _law():
    """The curve falls in phi, the part above it in closed form, and its moments."""
    phi = sp.Symbol("phi", positive=True)
    p, q, r = sp.symbols("p q r", real=True)
    total = sp.Symbol("sigma", positive=True)
    split = Assumption(
        "sum of cotangents", "sigma = p + q = sin((M+1)phi)/(sin phi sin M phi) > 0.", eq(total, p + q), role="fact"
    )
    addition = Assumption("cotangent of the sum", "r = cot (M+1) phi.", eq(r * total, p * q - 1), role="fact")
    log_curve = (M + 1) * sp.log(sp.sin((M + 1) * phi)) - sp.log(sp.sin(phi)) - M * sp.log(sp.sin(M * phi))
    derivative = Identity(
        "slope of log lambda",
        sp.Derivative(log_curve, phi),
        (M + 1) ** 2 * sp.cot((M + 1) * phi) - sp.cot(phi) - M**2 * sp.cot(M * phi),
        "lambda(phi).",
    )
    falls = Identity(
        "lambda falls",
        p + M**2 * q - (M + 1) ** 2 * r,
        ((p - M * q) ** 2 + (M + 1) ** 2) / total,
        "-d log lambda/d phi > 0: the curve runs from the upper edge at phi = 0 down to 0 at phi = pi/(M+1), once.",
        (((p + M**2 * q) / total, split), (-((M + 1) ** 2) / total, addition)),
    )
    cot, cot_m = sp.cot(phi), sp.cot(M * phi)
    above = ((M + 1) * phi - M * (cot + cot_m) / (1 + cot**2)) / sp.pi
    mass = Identity(
        "part above",
        sp.Derivative(above, phi),
        ((cot - M * cot_m) ** 2 + (M + 1) ** 2) / (cot + cot_m) * ((cot + cot_m) / (1 + cot**2)) / sp.pi,
        "A(phi) = ((M+1) phi - M rho sin phi)/pi: its derivative is -f dlambda/dphi, by 'lambda falls', 'density' and "
        "'imaginary part in cotangents' (f lambda = rho sin(phi)/pi).",
    )
    ends = Assumption(
        "total mass",
        "A(0) = 0, and A(pi/(M+1)) = 1 as rho = 0 there: the law has no mass but this, and none at 0.",
        role="conclusion",
    )
    contour = Assumption(
        "moments by a contour",
        "(1/2 pi i) times the integral of lambda^k G along a large circle, lambda = (1+u)^(M+1)/u and "
        "G dlambda = (1+u)((M+1)/(1+u) - 1/u) du: minus a residue at u = 0, a difference of two coefficients of powers "
        "of 1 + u (Cauchy).",
        role="fact",
    )
    residue = Identity(
        "moments of the density",
        sp.binomial((M + 1) * MOMENT + 1, MOMENT) - (M + 1) * sp.binomial((M + 1) * MOMENT, MOMENT - 1),
        fuss_catalan(MOMENT),
        "The same numbers.",
    )
    half = sp.tan(phi) / (2 * sp.pi)
    known = Identity(
        "density of one matrix",
        (sp.sin(phi) ** 2 / sp.sin(2 * phi) / sp.pi) ** 2,
        half**2,
        "M = 1, lambda = 4 cos^2 phi: sqrt((4 - lambda)/lambda)/(2 pi), the law of Marchenko and Pastur.",
    )
    return split, addition, derivative, falls, mass, ends, contour, residue, known


def _soft_edge():
    """How the density vanishes at the upper edge: ``f = (a/pi) sqrt(edge - lambda)``."""
    near, near_m, gap = sp.symbols("P Q R", real=True)
    slope = Identity(
        "slope at the upper edge",
        sp.Subs((gap**2 + (M + 1) ** 2) / (near + near_m / M), (near, near_m, gap), (1, 1, 0)),
        M * (M + 1),
        "-(1/phi) d log lambda/d phi as phi tends to 0: P = phi cot phi and Q = M phi cot M phi tend to 1, "
        "R = cot phi - M cot M phi to 0. So lambda = edge (1 - M(M+1) phi^2/2 + ..).",
    )
    one, two, three = sp.symbols("a_1 a_M a_N", positive=True)
    height = Identity(
        "density at the upper edge",
        sp.Subs(one**2 * (M * two) ** (M - 1) / (sp.pi * ((M + 1) * three) ** M), (one, two, three), (1, 1, 1)),
        M ** (M - 1) / (sp.pi * (M + 1) ** M),
        "f/phi as phi tends to 0, where a_1 = sin(phi)/phi, a_M = sin(M phi)/(M phi) and a_N = "
        "sin((M+1)phi)/((M+1)phi) tend to 1.",
    )
    a, phi, drop = sp.symbols("a phi D", positive=True)
    value = M ** (M - 1) / (M + 1) ** M * sp.sqrt(2 / (M * (M + 1) * EDGE))
    constant = Definition("constant at the upper edge", a, value)
    drops = Definition(
        "distance from the edge", drop, EDGE * M * (M + 1) * phi**2 / 2, "edge - lambda, to leading order."
    )
    root = Identity(
        "square root at the upper edge",
        (M ** (M - 1) / (M + 1) ** M * phi) ** 2,
        a**2 * drop,
        "(pi f)^2 to leading order: f = (a/pi) sqrt(edge - lambda). The largest of N values fluctuates by "
        "(a N)^(-2/3).",
        (),
        (constant, drops),
    )
    check = Identity("constant of one matrix", sp.Subs(value, M, 1), sp.Rational(1, 4), "M = 1.")
    return slope, height, constant, drops, root, check


def _hard_edge():
    """The density towards 0, and the size of the smallest value that it suggests."""
    s, t, w, x = sp.symbols("s t w x", positive=True)
    place = w ** (M + 1) / (s * t**M)
    density = s**2 * t ** (M - 1) / (sp.pi * w**M)
    product = Identity(
        "density and point",
        (sp.pi * density) ** (M + 1) * place**M,
        s ** (M + 2) / t,
        "With s = sin phi, t = sin M phi, w = sin (M+1) phi: w drops out.",
    )
    limit = Identity(
        "density towards 0",
        sp.Subs(s ** (M + 2) / t, t, s),
        s ** (M + 1),
        "At phi = pi/(M+1) the sines of phi and M phi are the same: f = sin(pi/(M+1))/pi lambda^(-M/(M+1)).",
    )
    below = Identity(
        "part below",
        sp.Derivative((M + 1) * s / sp.pi * x ** (1 / (M + 1)), x),
        s / sp.pi * x ** (-M / (M + 1)),
        "F(x) = (M+1) s/pi x^(1/(M+1)), s = sin(pi/(M+1)).",
    )
    constant = sp.Symbol("c", positive=True)
    smallest = Identity(
        "where one value is expected",
        SIZE * constant * ((constant * SIZE) ** -(M + 1)) ** (1 / (M + 1)),
        1,
        "N F(x) = 1 at x = (c N)^-(M+1), c = (M+1) s/pi.",
    )
    sizes = Assumption(
        "smallest singular value",
        "Heuristic: the count by the limit's density is taken to hold down to one value, although convergence of the "
        "law says nothing at the scale 1/N. The smallest squared singular value is then of the size of that x: the "
        "smallest singular value of size N^-((M+1)/2), the condition number of size N^((M+1)/2), as the largest stays "
        "finite.",
    )
    return product, limit, below, smallest, sizes


def _second_moment():
    """Wick's rule for one more matrix: ``P`` becomes ``X P X^T``."""
    n = sp.Symbol("j", integer=True, nonnegative=True)
    two, square = sp.Function("T2", real=True), sp.Function("T11", real=True)
    first = sp.Function("T1", real=True)
    mean = Assumption(
        "mean trace",
        "T1(j) = E tr P after j matrices. E x_ia x_ib = 1/N for a = b and 0 else: E tr X P X^T = sum_i tr P/N.",
        eq(first(n + 1), SIZE * first(n) / SIZE),
        (n,),
        role="fact",
    )
    identity = Assumption("no matrix, trace", "P = 1.", eq(first(0), SIZE), role="fact")
    exact = Induction(
        "first moment at finite N", first(n), SIZE, n, ((1, identity),), ((1, mean),), why="E tr(W^T W)/N = 1 exactly."
    )
    wick = Assumption(
        "trace of the square",
        "T2 = E tr P^2, T11 = E (tr P)^2. The three pairings of tr X P X^T X P X^T give tr P^2 (both indices of X P X^T"
        " free), (tr P)^2/N and tr P^2/N.",
        eq(two(n + 1), (1 + 1 / SIZE) * two(n) + square(n) / SIZE),
        (n,),
        role="fact",
    )
    wick_square = Assumption(
        "square of the trace",
        "The three pairings of (tr X P X^T)^2 give (tr P)^2 and twice tr P^2/N.",
        eq(square(n + 1), square(n) + 2 * two(n) / SIZE),
        (n,),
        role="fact",
    )
    start = Assumption("no matrix, trace of the square", "P = 1.", eq(two(0), SIZE), role="fact")
    start_square = Assumption("no matrix, square of the trace", "P = 1.", eq(square(0), SIZE**2), role="fact")
    growth, fall = 1 + 2 / SIZE, 1 - 1 / SIZE
    up = Definition("symmetric part", sp.Function("S", real=True)(n), square(n) + 2 * two(n))
    down = Definition("antisymmetric part", sp.Function("A", real=True)(n), square(n) - two(n))
    at_up, at_down = up.symbol, down.symbol
    up_step = Identity(
        "step of the symmetric part",
        at_up.subs(n, n + 1),
        growth * at_up,
        "Each matrix multiplies it by 1 + 2/N.",
        ((1, instance(up, j=n + 1)), (-growth, up), (1, wick_square), (2, wick)),
    )
    down_step = Identity(
        "step of the antisymmetric part",
        at_down.subs(n, n + 1),
        fall * at_down,
        "Each matrix multiplies it by 1 - 1/N.",
        ((1, instance(down, j=n + 1)), (-fall, down), (1, wick_square), (-1, wick)),
    )
    up_all = Induction(
        "symmetric part of j matrices",
        at_up,
        (SIZE**2 + 2 * SIZE) * growth**n,
        n,
        ((1, instance(up, j=0)), (1, start_square), (2, start)),
        ((1, up_step),),
    )
    down_all = Induction(
        "antisymmetric part of j matrices",
        at_down,
        (SIZE**2 - SIZE) * fall**n,
        n,
        ((1, instance(down, j=0)), (1, start_square), (-1, start)),
        ((1, down_step),),
    )
    second = Identity(
        "second moment at finite N",
        two(n) / SIZE,
        SIZE * (growth ** (n + 1) - fall ** (n + 1)) / 3,
        "E tr((W^T W)^2)/N exactly, W of j = M real matrices.",
        tuple((sign / (3 * SIZE), fact) for sign, fact in ((-1, up), (1, up_all), (1, down), (-1, down_all))),
    )
    return (
        mean,
        identity,
        exact,
        wick,
        wick_square,
        start,
        start_square,
        up,
        down,
        up_step,
        down_step,
        up_all,
        down_all,
        second,
    )


ZONAL = {
    2: {(2,): (1, 3), (1, 1): (-1, 3)},
    3: {(3,): (1, 15), (2, 1): (-3, 20), (1, 1, 1): (1, 12)},
    4: {(4,): (1, 105), (3, 1): (-2, 63), (2, 2): (-1, 180), (2, 1, 1): (2, 45), (1, 1, 1, 1): (-1, 60)},
}
"""``c`` of every partition of k: numerator and denominator."""


def _zonal_moments():
    """All moments at finite N by zonal polynomials, and their limit, the Fuss-Catalan numbers once more."""
    small = sp.Symbol("h", positive=True)  # 1/N
    james = Assumption(
        "means of zonal polynomials",
        "tr P^k is a sum of zonal polynomials, one a partition of k. Its value at P = 1 is a product over the boxes, "
        "N + 2(j-1) - (i-1) for the box in row i and column j, and each X P X^T with entries of variance 1/N multiplies"
        " its mean by the same product over N^k (James 1964): N^(k-1) sum c prod (1 + (2(j-1) - (i-1))/N)^(M+1).",
        role="fact",
    )
    steps = [james]
    for k, parts in ZONAL.items():
        total = sum(
            sp.Rational(*number) * sp.prod(1 + content * small for content in _contents(kappa)) ** (M + 1)
            for kappa, number in parts.items()
        )
        steps += [
            Identity(
                f"moment {k} at finite N, power {power} of 1/N",
                sp.Subs(sp.Derivative(total, (small, power)) if power else total, small, 0),
                0,
                "The sum begins with the power k - 1 of h = 1/N.",
            )
            for power in range(k - 1)
        ]
        steps += [
            Identity(
                f"moment {k} at finite N, limit",
                sp.Subs(sp.Derivative(total, (small, k - 1)), small, 0) / sp.factorial(k - 1),
                _polynomial(k),
                "The coefficient of h^(k-1) is the Fuss-Catalan number, by another way.",
            ),
            Identity(
                f"moment {k}, matrices of one number",
                sp.Subs(total, small, 1),
                sp.factorial2(2 * k - 1) ** M,
                "N = 1: (E x^(2k))^M.",
            ),
        ]
    return tuple(steps)


def _contents(kappa):
    return [2 * j - i for i, row in enumerate(kappa) for j in range(row)]


def _convolutions():
    """A circular convolution is one matrix at every frequency."""
    taps, channels = sp.symbols("tau C", integer=True, positive=True)
    tap, place = sp.Symbol("a", integer=True), sp.Symbol("x", integer=True)
    omega, amplitude = sp.symbols("omega v", real=True)
    kernel = sp.Function("K", real=True)
    wave = Identity(
        "convolution of a wave",
        sp.Sum(kernel(tap) * sp.exp(sp.I * omega * (place - tap)) * amplitude, (tap, 1, taps)),
        sp.exp(sp.I * omega * place) * sp.Sum(kernel(tap) * sp.exp(-sp.I * omega * tap), (tap, 1, taps)) * amplitude,
        "Entry of the kernel between an input and an output channel: waves stay waves, times the symbol "
        "sum_a K(a) e^(-i omega a). The waves e^(i omega x), omega a multiple of 2 pi/length, are an orthogonal basis: "
        "the singular values of a product of convolutions are those of the products of symbols, of all frequencies.",
    )
    total = Identity(
        "variance of an entry",
        sp.Sum(1 / (channels * taps), (tap, 1, taps)),
        1 / channels,
        "Independent entries of variance 1/(C taps), each times a number of modulus 1: E|symbol|^2 = 1/C at every "
        "frequency, whatever the number of taps: a C x C Gaussian matrix.",
    )
    return wave, total


def _orthogonal():
    """The contrast: a product of orthogonal matrices."""
    n = sp.Symbol("j", integer=True, nonnegative=True)
    length = sp.Function("l", nonnegative=True)
    keeps = Assumption(
        "orthogonal matrices",
        "l(j) = |Q_j ... Q_1 y|^2, and |Q x| = |x|.",
        eq(length(n + 1), length(n)),
        (n,),
        role="fact",
    )
    stays = Induction(
        "condition number 1",
        length(n),
        length(0),
        n,
        (),
        ((1, keeps),),
        why="All singular values of a product of orthogonal matrices are 1, for every M.",
    )
    return keeps, stays
