"""Noise of the SGD step, ``E|eta grad L - eta g_B|^2``, as the exact mean over all batches of small sets.

Gradients in floating point are rational numbers: with them the mean over all batches is formed in whole numbers, so
that the identities hold exactly, and their rounding bound is 0.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, combinations_with_replacement, product

import numpy as np

import bn_theory as bn
from bn_theory.theorems import evidence as judge
from bn_theory.theorems import workbench
from bn_theory.theorems.bjorck2018 import paper
from bn_theory.theorems.statement import Statement

WITH, WITHOUT = "with replacement", "without replacement"
PARTS = 6
ROWS_QUICK, ROWS_FULL = 7, 9
"""All batches of up to all rows: 1716 multisets of 7 from 7, 24310 of 9 from 9."""
OWN_STATISTICS = (8, (2, 3))
"""Rows, and the columns (body mass index, blood pressure), of the batches that are normalised by themselves."""


@dataclass(frozen=True)
class Gradients:
    """Gradients of n losses as whole numbers.

    Attributes:
        counts: shape ``(n, d)``, of Python integers.
        unit: what they are multiplied with.
    """

    counts: np.ndarray
    unit: Fraction

    @classmethod
    def of(cls, values) -> Gradients:
        """Floating-point gradients, shape ``(n, d)``, without rounding."""
        ratios = [[value.as_integer_ratio() for value in row] for row in np.asarray(values, dtype=float).tolist()]
        common = max(denominator for row in ratios for _, denominator in row)  # powers of 2: the largest is common
        counts = [[numerator * (common // denominator) for numerator, denominator in row] for row in ratios]
        return cls(np.array(counts, dtype=object), Fraction(1, common))

    def trace(self) -> Fraction:
        """``tr(Cov) = (1/n) sum_i |g_i - grad L|^2``."""
        n = len(self.counts)
        return Fraction(int(np.sum((n * self.counts - self.counts.sum(axis=0)) ** 2)), n**3) * self.unit**2


def batches(n: int, size: int, kind: str) -> Iterator[tuple[tuple[int, ...], int]]:
    """All batches, each with how many ordered draws make it; without replacement every subset counts once."""
    if kind == WITHOUT:
        yield from ((batch, 1) for batch in combinations(range(n), size))
        return
    for batch in combinations_with_replacement(range(n), size):
        yield batch, math.factorial(size) // math.prod(map(math.factorial, Counter(batch).values()))


def step_noise(gradients: Gradients, size: int, eta: Fraction, kind: str) -> Fraction:
    """``E|eta grad L - eta g_B|^2`` over all batches, where ``g_B`` is the mean of the batch's gradients."""
    n, total, weight = len(gradients.counts), 0, 0
    whole = gradients.counts.sum(axis=0)
    for batch, times in batches(n, size, kind):
        # n b (grad L - g_B)
        apart = size * whole - n * gradients.counts[list(batch)].sum(axis=0)
        total += times * int(np.sum(apart**2))
        weight += times
    return eta**2 * gradients.unit**2 * Fraction(total, weight * (n * size) ** 2)


def predicted(trace: Fraction, n: int, size: int, eta: Fraction, kind: str) -> Fraction:
    """``eta^2 tr(Cov)/b``, times ``(n - b)/(n - 1)`` without replacement."""
    return eta**2 * trace / size * (Fraction(n - size, n - 1) if kind == WITHOUT else 1)


def no_noise(trace, n, size, eta, kind):
    """Of the full batch, in which every loss is once."""
    return 0


def swapped(trace, n, size, eta, kind):
    """For a control: the formula of the other kind."""
    return predicted(trace, n, size, eta, WITH if kind == WITHOUT else WITHOUT)


def of_the_gradient(trace, n, size, eta, kind):
    """For a control: the rate not squared."""
    return predicted(trace, n, size, eta, kind) / eta


def inverse_square(trace, n, size, eta, kind):
    """For a control: ``1/b^2``."""
    return predicted(trace, n, size, eta, kind) / size


def noise_claim(name, gradients, rates, kind, formula=predicted, sizes=None):
    """The largest ``|measured - formula|`` over all batch sizes and rates, in units of ``eta^2 tr(Cov)/b``; exact."""
    n, trace = len(gradients.counts), gradients.trace()
    sizes = range(1, n + 1) if sizes is None else sizes
    unit_noise = {size: step_noise(gradients, size, Fraction(1), kind) for size in sizes}
    errors = [
        abs(eta**2 * noise - formula(trace, n, size, eta, kind)) * size / (eta**2 * trace)
        for size, noise in unit_noise.items()
        for eta in rates
    ]
    return judge.identity(
        name,
        float(max(errors)),
        0.0,  # whole numbers throughout
        unit="eta^2 tr(Cov)/b",
        losses=n,
        coordinates=gradients.counts.shape[1],
        batch_sizes=list(unit_noise),
        covariance_trace=float(trace),
        noise_of_one=float(unit_noise[min(unit_noise)]),
    )


def bound_claim(name, gradients, rates, formula=lambda eta, trace, size: eta**2 * trace / size):
    """``measured/(eta^2 C/b)``, C = tr(Cov), over both kinds of batches, all sizes and rates."""
    n, trace = len(gradients.counts), gradients.trace()
    ratios = {
        kind: max(
            step_noise(gradients, size, eta, kind) / formula(eta, trace, size)
            for size in range(1, n + 1)
            for eta in rates
        )
        for kind in (WITH, WITHOUT)
    }
    return judge.bound(
        name,
        float(max(ratios.values())),
        0.0,  # whole numbers throughout
        **{f"largest_ratio_{kind.replace(' ', '_')}": float(ratio) for kind, ratio in ratios.items()},
    )


def sizes_claim(name, noises, n, rounding=0.0):
    """Between two batch sizes without replacement the noise changes by ``(n - b) b'/((n - b') b)``, exactly.

    Args:
        noises: ``{batch size: noise}``; measured against the smallest size.
        rounding: of the ratios; 0 where the noises are exact.
    """
    smallest = min(noises)
    errors = [
        abs(noise / noises[smallest] * Fraction(size * (n - smallest), smallest * (n - size)) - 1)
        for size, noise in noises.items()
        if size < n
    ]
    ratios = [f"b = {size}: {float(noise / noises[smallest]):.6g}" for size, noise in noises.items()]
    return judge.identity(name, float(max(errors)), rounding, losses=n, noise_over_that_of_the_smallest=ratios)


def problems(settings) -> dict[str, Gradients]:
    """Gradients of the losses of small sets, at a random point."""
    rows = ROWS_FULL if settings.full else ROWS_QUICK
    X, y = (array[:rows] for array in workbench.diabetes())
    w = np.random.default_rng(settings.seed).standard_normal(X.shape[1])
    parts = bn.minibatch_least_squares_bn(*workbench.diabetes(), parts=PARTS)
    noisy = bn.with_linear_noise(bn.rayleigh([0.0, 0.5, 1.0]), 0.5)
    signs = np.array(list(product((-1.0, 1.0), repeat=3)))
    return {
        f"BN least squares, diabetes, {PARTS} parts with their own statistics": Gradients.of(
            sample_gradients(parts, settings.seed, np.arange(PARTS))
        ),
        "Rayleigh quotient with linear noise, all 8 signs": Gradients.of(
            sample_gradients(noisy, settings.seed, {"z": signs})
        ),
        f"least squares, {rows} rows of diabetes": Gradients.of((X @ w - y)[:, None] * X),
    }


def sample_gradients(loss, seed: int, samples) -> np.ndarray:
    """The package's gradient of every sample at one random point, all its groups and parameters in one row."""
    n = len(samples["z"]) if isinstance(samples, dict) else len(samples)
    state = {
        name: np.broadcast_to(array, (1, n, *array.shape[2:]))
        for name, array in workbench.random_state(loss, seed, 1).items()
    }
    found = loss.gradient(state, samples)
    return np.concatenate([np.reshape(found[name], (n, -1)) for name in found], axis=-1)


def own_statistics(settings) -> tuple[int, dict[int, Fraction]]:
    """Noise of BN least squares where every batch is normalised by its own mean and variance, all batches of a size."""
    n, columns = OWN_STATISTICS
    X, y = (array[:n] for array in workbench.diabetes())
    X = X[:, columns]

    def gradient(rows):
        loss = bn.minibatch_least_squares_bn(X[rows], y[rows], parts=1)
        return sample_gradients(loss, settings.seed, np.zeros(1, dtype=int))[0]

    whole = gradient(list(range(n)))
    found = {}
    for size in range(2 * len(columns), n):
        apart = [gradient(list(batch)) - whole for batch in combinations(range(n), size)]
        found[size] = Fraction(float(np.mean(np.sum(np.square(apart), axis=-1))))
    return n, found


def evidence(settings):
    """Both kinds of batches, all sizes; the bound; the full batch; controls."""
    rates = [Fraction(rate) for rate in workbench.rates(settings)]
    sets = problems(settings)
    for name, gradients in sets.items():
        for kind in (WITH, WITHOUT):
            yield noise_claim(f"{name}, {kind}", gradients, rates, kind)
        yield noise_claim(
            f"{name}, the full batch is exact", gradients, rates, WITHOUT, no_noise, [len(gradients.counts)]
        )
        yield bound_claim(f"{name}, at most eta^2 C/b", gradients, rates[:1])
    rows = list(sets.values())[-1]
    n = len(rows.counts)
    noises = {size: step_noise(rows, size, Fraction(1), WITHOUT) for size in range(1, n)}
    yield sizes_claim("from one batch size to another: rows", noises, n)
    for kind in (WITH, WITHOUT):
        yield judge.control(noise_claim(f"formula of the other kind, {kind}", rows, rates, kind, swapped))
    yield judge.control(noise_claim("eta instead of eta^2", rows, rates, WITH, of_the_gradient))
    yield judge.control(noise_claim("1/b^2 instead of 1/b", rows, rates, WITH, inverse_square))
    yield judge.control(
        bound_claim("at most eta^2 C/b^2", rows, rates[:1], lambda eta, trace, size: eta**2 * trace / size**2)
    )
    n, noises = own_statistics(settings)
    # Gradients of two coordinates in floating point err by some 1e-13 of themselves.
    yield judge.control(sizes_claim("batches normalised by their own statistics", noises, n, rounding=1e-9))


STATEMENT = Statement(
    "bjorck2018.sgd_noise",
    "The noise of the SGD step is eta^2 tr(Cov)/b, times (n-b)/(n-1) without replacement",
    paper("noise of the SGD step, (2)"),
    evidence,
)
