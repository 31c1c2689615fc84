"""The losses and methods that ``bn-theory fit`` offers, from its options."""

from __future__ import annotations

import numpy as np

import bn_theory as bn
from bn_theory.csv_data import columns_named, read_csv
from bn_theory.dynamics import Power


def build(options):
    """The loss.

    Raises:
        DataFileError: the CSV file cannot be used.
        InvalidInputError: an option has a value that its family refuses.
    """
    if options.csv is not None:
        X, y, names = read_csv(options.csv, options.target)
        with columns_named(options.csv, options.target, X, names):
            return _least_squares(X, y, options)
    if options.family == "least_squares_bn":
        return _least_squares(*_made_data(options.d, options.seed), options)
    loss = {"rayleigh": _rayleigh, "power_law_rayleigh": _power_law, "bilinear": _bilinear}[options.family](options)
    return bn.with_linear_noise(loss, options.sigma) if options.method == "sgd" else loss


def method(options, loss):
    """The method; where there is a scale gamma it has its own rate, small enough for its curvature of 1.

    Raises:
        InvalidInputError: a rate or alpha that cannot be used.
    """
    rates = {name: Power(options.rate, options.alpha) for name in loss.groups}
    # The SGD theorem asks for (t+1)^-1/2 on everything that is not scale-invariant; GD keeps its rate.
    decay = 0.5 if options.method == "sgd" else 0.0
    rates |= {name: Power(options.gamma_rate, decay) for name in loss.parameters}
    return bn.SGD(lr=rates) if options.method == "sgd" else bn.GD(lr=rates)


def _rayleigh(options):
    # A gap of half the spectrum, so that runs of usual length come to their stationary law.
    return bn.rayleigh(np.r_[0.0, np.linspace(0.5, 1.0, options.d - 1)])


def _power_law(options):
    return bn.power_law_rayleigh(options.s, d=options.d)


def _bilinear(options):
    return bn.bilinear(np.r_[1.0, np.linspace(0.5, 0.0, options.d - 1)])


def _least_squares(X, y, options):
    if options.method == "sgd":
        return bn.minibatch_least_squares_bn(X, y, parts=options.parts, seed=options.seed)
    return bn.least_squares_bn(X, y)


def _made_data(d, seed):
    """Gaussian columns and a linear target with noise of its own size, 64 rows a column."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((64 * d, d))
    signal = X @ rng.standard_normal(d) / np.sqrt(d)
    return X, signal + rng.standard_normal(64 * d)
