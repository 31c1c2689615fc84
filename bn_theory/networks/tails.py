"""How heavy the tail of a sample is: its index with an error, and an honest comparison of distributions.

The fits and likelihood ratios are those of the library ``powerlaw`` (Alstott, Bullmore and Plenz, PLoS ONE 2014), after
Clauset, Shalizi and Newman (SIAM Review 2009). Its tail exponent alpha is that of the density; the tail index here is
``alpha - 1``, that of ``P(|x| > r) ~ r^-index``: moments of an order at or above it are infinite.

Errors, significances and what is called heavy take the entries for independent. Those of one matrix of low rank, such
as a kernel's gradient, are not: its index then spreads by several times the error that is given.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bn_theory.errors import InvalidInputError, MissingExtraError

ALTERNATIVES = ("exponential", "lognormal", "stretched_exponential")
CANDIDATES = tuple(float(f) for f in np.geomspace(0.2, 0.01, 14))
"""Fractions of the sample among which the tail is chosen."""
FEWEST = 50
"""Entries of a tail: the index has a standard error of one over the square root, 14 %, of itself."""
SIGNIFICANT = 0.01
"""A distribution is rejected in favour of another at this level."""
HEAVY = 4.0
"""An index below it means that the fourth moment, and with it the kurtosis, is infinite."""


@dataclass(frozen=True)
class Tail:
    """The fit of a tail.

    Attributes:
        index: tail index, maximum likelihood.
        error: its standard error, ``index/sqrt(entries)``: for independent entries and a tail that was given. It knows
            nothing of the choice of the tail, nor of correlations.
        fraction: of the sample that is the tail. entries: how many those are.
        distance: Kolmogorov-Smirnov distance between tail and power law.
        ratios: for each of ``ALTERNATIVES``, the log likelihood ratio of the power law against it, divided by its
            standard deviation (Vuong): positive in favour of the power law.
        significances: the two-sided significance of each of these signs, for independent entries.
        stretching: exponent beta of the stretched exponential ``P ~ exp(-(r/s)^beta)``; 1 is the exponential.
        stretched_significance: of the exponential against the stretched one, which contains it (chi-squared, for
            independent entries).
    """

    index: float
    error: float
    fraction: float
    entries: int
    distance: float
    ratios: dict[str, float]
    significances: dict[str, float]
    stretching: float
    stretched_significance: float

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the index, by ``error``: for independent entries."""
        return self.index - 1.96 * self.error, self.index + 1.96 * self.error

    @property
    def heavier_than_exponential(self) -> bool:
        """Whether the exponential is rejected, within the stretched ones, and for one with a heavier tail."""
        return self.stretched_significance < SIGNIFICANT and self.stretching < 1

    @property
    def power_law_rejected(self) -> tuple[str, ...]:
        """The alternatives in favour of which the power law is rejected."""
        return tuple(a for a in ALTERNATIVES if self.ratios[a] < 0 and self.significances[a] < SIGNIFICANT)

    @property
    def heavy(self) -> bool:
        """Whether this is a heavy tail: all of three.

        The exponential is rejected for something heavier, the power law is not rejected for any alternative, and the
        interval of the index lies below ``HEAVY``. Each takes the entries for independent; with entries that are not, a
        light tail may be called heavy more often than ``SIGNIFICANT`` says.
        """
        return self.heavier_than_exponential and not self.power_law_rejected and self.interval[1] < HEAVY


def fit_tail(values, fractions: Sequence[float] = CANDIDATES) -> Tail:
    """Fit the tail of ``|values|``, and compare a power law with other distributions on it.

    Of the ``fractions`` that leave at least ``FEWEST`` entries the one is taken whose tail is closest to its power law
    (smallest Kolmogorov-Smirnov distance; the method of Clauset et al., on a grid instead of at every entry). A single
    fraction fixes the tail: comparisons of samples are made at the same one.

    Args:
        values: any shape, of any sign and dimension. Zeros, as dead channels make them, are left out first.
        fractions: each in (0, 1].

    Returns:
        Tail: dimensionless; it does not change when the sample is scaled. Its errors and significances are those of
        independent entries.

    Raises:
        InvalidInputError: values that are not finite, too few of them, a fraction outside (0, 1].
        MissingExtraError: ``powerlaw`` is not installed.

    Source: Clauset, Shalizi and Newman (SIAM Review 2009); Vuong (Econometrica 1989). What is called heavy is defined
    in this package.

    >>> sample = 1 + np.random.default_rng(0).pareto(2.0, size=4000)
    >>> found = fit_tail(sample)
    >>> found.interval[0] < 2 < found.interval[1], found.heavy
    (True, True)
    """
    candidates = _candidates(values, fractions)
    with warnings.catch_warnings():
        # powerlaw warns of parameters near the ends of their ranges and of overflow in densities far from the optimum
        warnings.simplefilter("ignore")
        fraction, fit = min(((f, _fit(tail)) for f, tail in candidates.items()), key=lambda found: found[1].power_law.D)
        compared = {a: fit.distribution_compare("power_law", a, normalized_ratio=True) for a in ALTERNATIVES}
        _, stretched = fit.distribution_compare("exponential", "stretched_exponential", nested=True)
    return Tail(
        index=float(fit.power_law.alpha) - 1,
        error=float(fit.power_law.standard_err),
        fraction=fraction,
        entries=int(fit.n),
        distance=float(fit.power_law.D),
        ratios={a: float(ratio) for a, (ratio, _) in compared.items()},
        significances={a: float(p) for a, (_, p) in compared.items()},
        stretching=float(fit.stretched_exponential.beta),
        stretched_significance=float(stretched),
    )


def tail_index(values, fraction: float) -> float:
    """The index of the power law that fits the largest ``fraction`` of ``|values|`` best, whatever their tail is.

    Samples are compared at one fraction. No power law need be there: a Gaussian has 6.0 at the largest twentieth, an
    exponential 3.8.

    Args, Raises, Source: as for :func:`fit_tail`.

    >>> round(tail_index(1 / np.linspace(0.001, 1, 1000), 0.1), 1)
    1.0
    """
    (tail,) = _candidates(values, (fraction,)).values()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(_fit(tail).power_law.alpha) - 1


def kurtosis(values) -> float:
    """``mean(x^4)/mean(x^2)^2`` of the values other than 0: 3 for a Gaussian of mean 0, 9 for a product of two.

    Raises:
        InvalidInputError: no value but 0, or one that is not finite.

    >>> kurtosis([1.0, -1.0, 0.0])
    1.0
    """
    x = np.asarray(values, dtype=float).ravel()
    x = x[x != 0]
    if not len(x) or not np.all(np.isfinite(x)):
        raise InvalidInputError("a kurtosis needs finite values, and not only zeros")
    squared = (x / np.abs(x).max()) ** 2
    return float(np.mean(squared**2) / np.mean(squared) ** 2)


def _candidates(values, fractions):
    """By fraction, the largest ``|values|`` in units of the smallest of them, where these are at least ``FEWEST``."""
    x = np.asarray(values, dtype=float).ravel()
    if not np.all(np.isfinite(x)):
        raise InvalidInputError("a tail needs finite values; leave out or mend NaN and infinite ones")
    if not fractions or not all(0 < f <= 1 for f in fractions):
        raise InvalidInputError(f"fractions must lie in (0, 1], not {fractions}")
    x = np.sort(np.abs(x[x != 0]))
    sizes = {f: int(f * len(x)) for f in fractions}
    if max(sizes.values()) < FEWEST:
        raise InvalidInputError(
            f"{len(x)} values other than 0 leave {max(sizes.values())} in the tail, which needs {FEWEST}: "
            "give more of them or a larger fraction"
        )
    return {f: x[-k:] / x[-k] for f, k in sizes.items() if k >= FEWEST}


def _fit(tail):
    """``tail`` starts at 1, its smallest entry."""
    try:
        import powerlaw
    except ModuleNotFoundError as error:
        if error.name != "powerlaw":
            raise
        raise MissingExtraError(
            "tails need powerlaw, which is not installed: pip install '.[networks]' in the source folder"
        ) from error
    # The library's own range of alpha ends at 3, an index of 2, at which it would clip everything lighter.
    return powerlaw.Fit(tail, xmin=1.0, parameter_ranges={"alpha": [1, None]}, verbose=0)
