"""Singular values of products of M Gaussian N x N matrices: Fuss-Catalan law, both edges, condition number.

Moments and edges are means over independent products. Moments are held against their exact means at N = 16, where these
are far from the limit and very many products are cheap, and the limit is a control; edges against what is asymptotic at
the same N. The law is one product of thousand by thousand. The smallest singular value fluctuates by orders of
magnitude from product to product: what is claimed of it are medians and whole distributions.
"""

from __future__ import annotations

import math

import numpy as np

from bn_theory import fuss_catalan
from bn_theory.theorems import evidence as judge
from bn_theory.theorems import workbench
from bn_theory.theorems.bjorck2018 import paper, products
from bn_theory.theorems.evidence import Curves
from bn_theory.theorems.intervals import over_seeds
from bn_theory.theorems.statement import Statement

POWERS = (1, 2, 3, 4)
ORDERS = (1, 2, 3, 4)
SMALL, SIZE = 16, 64
LARGE, LARGE_SQUARE = 256, 1000
NEIGHBOUR = 1 / 4
"""Tolerance of a moment, of the distance between its exact mean and the nearest wrong one (:func:`apart`)."""
LIMIT = 0.1
"""Tolerance of a moment against its limit, which tells the order M only: half of the least relative distance between
orders M and M + 1, (M+2)/(M+1) - 1 = 0.2 for the second moment at M = 4."""
EXPONENT = 0.2
"""Tolerance of the exponent of N: below half of the 1/2 that M and M + 1 are apart."""
SIZES = (8, 16, 32, 64)
RESAMPLED = 400
CHANNELS, SIDE, TAPS = 128, 8, 3
DOUBLES = math.log(2)
"""Growth of the logarithm of the condition number that is claimed of every further matrix; the law says log(N)/2 and
more, which is larger for every N > 4."""


def evidence(settings):
    """Moments and the largest value over many products, the law of a single one, the smallest value; controls."""
    yield from _moments(settings)
    draws = 5000 if settings.full else 1500
    histograms = {}
    for order in ORDERS:
        squared = _squared(_product(settings, 0, order, SIZE, draws))
        yield largest_claim(_largest(order), squared, order)
        histograms[order] = histogram(squared, order)
        if order == 3:
            edge = fuss_catalan.edge(order)
            yield judge.control(largest_claim(f"the edge itself at N = {SIZE}, M = {order}", squared, order, edge))
            norms = fuss_catalan.edge(1) ** order
            yield judge.control(largest_claim(f"the product of the factors' edges, M = {order}", squared, order, norms))
    yield _curves(histograms, draws)
    yield from _law(settings)
    yield from _convolutions(settings)
    yield from _smallest(settings)
    yield from _condition(settings)


def histogram(squared, order, bins=60):
    """Density of squared singular values in bins of equal ratio, down to where a hundredth of the law lies below.

    Returns:
        ``{"edges": (bins + 1,), "density": (bins,)}``; what lies outside of the bins counts in the whole.
    """
    # the part of the law below x is about x^(1/(M+1)) at small x
    edges = np.geomspace(0.01 ** (order + 1), 1.2 * fuss_catalan.edge(order), bins + 1)
    counts, _ = np.histogram(squared, edges)
    return {"edges": edges, "density": counts / (squared.size * np.diff(edges))}


def _curves(histograms, draws):
    """Of the products whose largest singular values are claimed."""
    return Curves(
        "singular_values",
        f"Squared singular values of {draws} products of M Gaussian matrices, N = {SIZE}, against the limiting "
        "density: with every matrix the spectrum spreads over more orders of magnitude.",
        {"histograms": histograms, "supports": [_largest(order) for order in histograms]},
    )


def _largest(order):
    return f"largest squared singular value, M = {order}, N = {SIZE}"


def apart(order, power, size):
    """Relative distance of the exact mean from the nearest wrong one.

    That is the limit; for the first moment, which is 1 for every N, the mean for entries of variance 1/(N - 1).
    """
    if power == 1:
        return (size / (size - 1)) ** order - 1
    return 1 - float(fuss_catalan.moment(order, power) / fuss_catalan.finite_moment(order, power, size))


def moment_claim(name, values, order, power, size, claimed=None):
    """Mean of ``tr((W^T W)^k)/N`` over products, over the exact mean at this N.

    Tolerance: a quarter of :func:`apart`.

    Args:
        values: of ``tr((W^T W)^k)/N``, one for each product.
        claimed: for controls, what is claimed instead of the exact mean.
    """
    exact = float(fuss_catalan.finite_moment(order, power, size))
    tolerance = NEIGHBOUR * apart(order, power, size)
    return _ratio(name, values, exact if claimed is None else claimed, tolerance, order, power, size)


def limit_claim(name, values, order, power, size):
    """The same over its limit, the Fuss-Catalan number; what it lacks at this N is within the tolerance."""
    return _ratio(name, values, fuss_catalan.moment(order, power), LIMIT, order, power, size)


def _ratio(name, values, predicted, tolerance, order, power, size):
    return judge.amplitude(
        name,
        over_seeds(values / predicted),
        tolerance,
        limit=fuss_catalan.moment(order, power),
        exact_at_this_size=float(fuss_catalan.finite_moment(order, power, size)),
        mean=float(np.mean(values)),
        products=len(values),
    )


def power_traces(product):
    """``tr((W^T W)^k)/N`` for k = 1 to 4, shape ``(4, products)``."""
    once = np.swapaxes(product, -1, -2) @ product
    twice = once @ once
    higher = [np.einsum("nij,nij->n", a, b) for a, b in ((once, once), (once, twice), (twice, twice))]
    return np.stack([np.trace(once, axis1=1, axis2=2), *higher]) / once.shape[-1]


def _moments(settings):
    """Against the exact means at a small N, against the limits at a large one; controls.

    So many small products make the standard error of a mean at most an eighth of :func:`apart`'s quarter, and the mean
    close to normal although its terms are not.
    """
    parts = 12 if settings.full else 4
    for order in ORDERS:
        traces = _small_traces(settings, order, parts)
        for power, values in zip(POWERS, traces, strict=True):
            yield moment_claim(f"moment {power}, M = {order}, N = {SMALL}", values, order, power, SMALL)
        name = f"limit of moment 2 for its mean, M = {order}, N = {SMALL}"  # the power of the smallest distance
        yield judge.control(moment_claim(name, traces[1], order, 2, SMALL, fuss_catalan.moment(order, 2)))
        if order == 3:
            yield from _controls_of_order(traces)
    larger = _small_traces(settings, 1, 1, variance=SMALL / (SMALL - 1))[0]
    yield judge.control(moment_claim("entries of variance 1/(N - 1), moment 1", larger, 1, 1, SMALL))
    order, count = 3, 120 if settings.full else 40
    traces = power_traces(_product(settings, 1, order, LARGE, count))
    for power in POWERS[1:]:
        name = f"moment {power} against its limit, M = {order}, N = {LARGE}"
        yield limit_claim(name, traces[power - 1], order, power, LARGE)


def _controls_of_order(traces):
    """The orders that the product of three matrices does not have."""
    for other, power in ((1, 2), (1, 3), (1, 4), (2, 2), (4, 2)):
        claimed = float(fuss_catalan.finite_moment(other, power, SMALL))
        name = f"moment {power} of three matrices, M = {other}"
        yield judge.control(moment_claim(name, traces[power - 1], 3, power, SMALL, claimed))


def _small_traces(settings, order, parts, **options):
    """Of ``parts`` times 20000 products of N = 16; in parts, as all at once would take too much memory."""
    found = [
        power_traces(
            products.last(products.gaussian(_generator(settings, 9, order, p), order, SMALL, 20_000, **options))
        )
        for p in range(parts)
    ]
    return np.concatenate(found, axis=-1)


def largest_claim(name, squared, order, predicted=None):
    """Mean of the largest squared singular value over ``edge - 1.2065 (a N)^(-2/3)``.

    Tolerance M/N: the order of the next term, as for one matrix, where N - 1/2 stands for N (Johnstone, Ma).
    """
    size = squared.shape[-1]
    value = fuss_catalan.largest(order, size) if predicted is None else predicted
    largest = np.max(squared, axis=-1)
    return judge.amplitude(
        name,
        over_seeds(largest / value),
        order / size,
        edge=fuss_catalan.edge(order),
        predicted_at_this_size=value,
        mean=float(np.mean(largest)),
        deviation_of_one=float(np.std(largest, ddof=1)),
        products=len(squared),
    )


def law_claim(name, squared, order, size, **details):
    """Distance between the distribution of squared singular values and the curve, over ``(1 + log N)/N``.

    Singular values are as rigid as those of Gaussian matrices: the number below a point is off by O(log N) at most (its
    standard deviation is of the size of sqrt(log N)/pi), and by less than 1 from finite N.
    """
    found = products.distance(squared, order)
    allowed = (1 + math.log(size)) / size
    return judge.bound(name, found / allowed, 0.0, distance=found, allowed=allowed, **details)


def _law(settings):
    """One product of thousand by thousand."""
    for order in ORDERS if settings.full else (3,):
        values = np.linalg.svd(_product(settings, 2, order, LARGE_SQUARE, 1)[0], compute_uv=False)
        squared = values**2
        seen = {
            "largest": float(squared[0]),
            "largest_predicted": fuss_catalan.largest(order, LARGE_SQUARE),
            "smallest_singular_value": float(values[-1]),
            "condition_number": float(values[0] / values[-1]),
        }
        where = f"N = {LARGE_SQUARE}, M = {order}"
        yield law_claim(f"law of one product, {where}", squared, order, LARGE_SQUARE, **seen)
        for other in (order - 1, order + 1):
            if other:
                name = f"law of M = {other} for a product with {where}"
                yield judge.control(law_claim(name, squared, other, LARGE_SQUARE))


def convolution_claim(name, stack, side, circular=True):
    """Singular values by the Fourier transform against those of the whole matrix.

    Both routes err by some ``n u`` of the largest one for n x n matrices, by the products and by the decomposition.
    """
    fast = np.sort(products.convolution_values(stack, side).ravel())
    dense = np.sort(np.linalg.svd(products.dense_convolutions(stack, side, circular), compute_uv=False))
    unit = (1 + len(stack)) * len(dense) * workbench.EPS * dense[-1]
    error = float(np.max(np.abs(fast - dense))) / unit
    return judge.identity(name, error, 1.0, unit="the bound of rounding", singular_values=len(dense))


def _convolutions(settings):
    """Multi-channel circular convolutions: at every frequency a product of Gaussian matrices."""
    tiny = products.kernels(_generator(settings, 3), 2, 3, 3)
    yield convolution_claim("convolutions by frequencies, 3 channels, 5 x 5, M = 2", tiny, 5)
    yield judge.control(convolution_claim("images that end at their edges", tiny, 5, circular=False))
    for order in ORDERS if settings.full else (2,):
        stack = products.kernels(_generator(settings, 4, order), order, CHANNELS, TAPS)
        squared = products.convolution_values(stack, SIDE) ** 2
        where = f"{order} convolutions of {TAPS} x {TAPS}, {CHANNELS} channels, {SIDE} x {SIDE}"
        yield law_claim(f"law of {where}", squared, order, CHANNELS, largest=float(squared.max()))
        yield judge.control(law_claim(f"law of M = {order + 1} for {where}", squared, order + 1, CHANNELS))


def smallest_claim(name, logs, order, rng):
    """Slope of the median of ``log sigma_min`` over ``log N``; the interval is a bootstrap over products.

    Args:
        logs: ``{N: log sigma_min of independent products}``.
        order: whose exponent is claimed.
    """
    sizes = np.log(list(logs))
    medians = np.array([np.median(values[rng.integers(len(values), size=(RESAMPLED, len(values)))], axis=-1)
                        for values in logs.values()])  # fmt: skip
    centred = sizes - sizes.mean()
    slopes = centred @ medians / (centred @ centred)
    return judge.exponent(
        name,
        np.quantile(slopes, (0.025, 0.975)),
        fuss_catalan.smallest_exponent(order),
        EXPONENT,
        EXPONENT,
        medians=[f"N = {size}: {math.exp(np.median(values)):.3g}" for size, values in logs.items()],
        quartiles_apart_by_a_factor=[f"{math.exp(np.ptp(np.quantile(v, (0.25, 0.75)))):.3g}" for v in logs.values()],
        products=min(map(len, logs.values())),
    )


def collapse_claim(name, logs, order):
    """The distribution of ``N^((M+1)/2) sigma_min`` is the same at the smallest and the largest size.

    Distance over ``2 sqrt(2/n) + 1/N``: chance exceeds the first term with probability 2 exp(-8) (Kolmogorov), and the
    limiting law is met to O(1/N) at the smaller size.
    """
    sizes = min(logs), max(logs)
    scaled = [logs[size] - fuss_catalan.smallest_exponent(order) * math.log(size) for size in sizes]
    allowed = 2 * math.sqrt(2 / min(map(len, scaled))) + 1 / sizes[0]
    found = products.distance_of_two(*scaled)
    return judge.bound(name, found / allowed, 0.0, distance=found, allowed=allowed, sizes=list(sizes))


def edelman_claim(name, scaled, size, law):
    """The distribution of ``N sigma_min`` of one matrix against a limiting law.

    Distance over ``2/sqrt(n) + 1/N``, as for two samples.

    Args:
        scaled: ``N sigma_min``. law: the part below, a function.
    """
    part, n = law(np.sort(scaled)), len(scaled)
    found = float(max(np.max(np.arange(1, n + 1) / n - part), np.max(part - np.arange(n) / n)))
    allowed = 2 / math.sqrt(n) + 1 / size
    return judge.bound(name, found / allowed, 0.0, distance=found, allowed=allowed, median=float(np.median(scaled)))


def edelman(x):
    """``P(N sigma_min <= x) = 1 - exp(-x - x^2/2)`` of one real matrix, N to infinity (Edelman 1988)."""
    return -np.expm1(-x - x**2 / 2)


def edelman_complex(x):
    """For a control, the law of complex matrices, ``1 - exp(-x^2)``."""
    return -np.expm1(-(x**2))


def _smallest(settings):
    """The smallest singular value over many products: medians over N, whole distributions."""
    draws = 4000 if settings.full else 2000
    for order in (1, 2, 3, 4) if settings.full else (1, 3):
        logs = {size: _smallest_logs(settings, order, size, draws) for size in SIZES}
        rng = _generator(settings, 6, order)
        yield smallest_claim(f"median of the smallest singular value, M = {order}", logs, order, rng)
        larger = {size: values for size, values in logs.items() if size >= 16}
        yield collapse_claim(f"distribution of the smallest singular value, M = {order}", larger, order)
        if order == 1:
            scaled = SIZE * np.exp(logs[SIZE])
            yield edelman_claim("smallest singular value of one matrix, whole law", scaled, SIZE, edelman)
            wrong = edelman_claim("law of complex matrices for a real one", scaled, SIZE, edelman_complex)
            yield judge.control(wrong)
        if order == 3:
            yield judge.control(smallest_claim("exponent of one matrix for M = 3", logs, 1, rng))
            yield judge.control(collapse_claim("distributions of M = 3 scaled as for one matrix", larger, 1))


def _smallest_logs(settings, order, size, draws):
    product = _product(settings, 5, order, size, draws)
    return np.log(np.linalg.svd(product, compute_uv=False)[:, -1])


def growth_claim(name, numbers, order):
    """Mean over products of ``log(cond of M + 1 factors) - log(cond of M)``, the same first M factors in both."""
    growth = np.log(numbers[order]) - np.log(numbers[order - 1])
    interval = over_seeds(growth)
    return judge.comparison(
        name,
        interval,
        DOUBLES,
        median_condition_numbers=[f"M = {m + 1}: {np.median(n):.3g}" for m, n in enumerate(numbers[: order + 1])],
        answer=f"one more matrix multiplies the condition number by exp({np.mean(growth):.2f}) = "
        f"{math.exp(np.mean(growth)):.3g} in the geometric mean, N = {SIZE}",
    )


def _condition(settings):
    """The condition number against M; orthogonal matrices as the contrast."""
    draws, orders = (400, 8) if settings.full else (200, 5)
    numbers = [_condition_numbers(w) for w in products.gaussian(_generator(settings, 7), orders, SIZE, draws)]
    for order in range(1, orders):
        yield growth_claim(f"condition number from M = {order} to {order + 1}", numbers, order)
    rigid = [_condition_numbers(w) for w in products.orthogonal(_generator(settings, 8), orders, SIZE, 20)]
    # Every factor is orthogonal to some N u (Householder), every product and the decomposition err by as much.
    unit = 4 * orders * SIZE * workbench.EPS
    error = judge.largest(n.max() - 1 for n in rigid) / unit
    yield judge.identity(
        f"orthogonal matrices, M = 1 .. {orders}: condition number 1", error, 1.0, unit="the bound of rounding"
    )
    gaussian = max(float(n.max()) - 1 for n in numbers) / unit
    yield judge.control(judge.identity("Gaussian matrices: condition number 1", gaussian, 1.0))
    yield judge.control(growth_claim("orthogonal matrices: condition number from M = 1 to 2", rigid, 1))


def _condition_numbers(product):
    values = np.linalg.svd(product, compute_uv=False)
    return values[:, 0] / values[:, -1]


def _product(settings, stream, order, size, draws, **options):
    rng = _generator(settings, stream, order, size)
    return products.last(products.gaussian(rng, order, size, draws, **options))


def _squared(product):
    """Squared singular values, ascending; small ones to rounding of the largest, which moments do not see."""
    return np.linalg.eigvalsh(np.swapaxes(product, -1, -2) @ product)


def _generator(settings, *stream):
    return np.random.default_rng((settings.seed, *stream))


STATEMENT = Statement(
    "bjorck2018.gaussian_products",
    "Products of Gaussian matrices: Fuss-Catalan singular values, and a condition number that grows with every factor",
    paper("products of random matrices"),
    evidence,
)
