"""bn_theory: do the theorems about batch normalisation and scale invariance hold?

The public names are loaded when they are first used: importing the package imports none of sympy,
numba, torch or matplotlib.
"""

from importlib import import_module as _import_module

_HOMES = {
    "weights": "losses.language",
    "data": "losses.language",
    "noise": "losses.language",
    "parameter": "losses.language",
    "total": "losses.language",
    "Loss": "losses.loss",
    "ArrayLoss": "losses.array_loss",
    "Sampler": "losses.array_loss",
    "rayleigh": "losses.families",
    "power_law_rayleigh": "losses.families",
    "least_squares_bn": "losses.families",
    "bilinear": "losses.families",
    "with_linear_noise": "losses.families",
    "rayleigh_dense_noise": "losses.array_families",
    "minibatch_least_squares_bn": "losses.array_families",
    "bn_neuron_logistic": "losses.array_families",
    "GD": "dynamics",
    "SGD": "dynamics",
    "Constant": "dynamics",
    "Cosine": "dynamics",
    "Exponential": "dynamics",
    "Polynomial": "dynamics",
    "Power": "dynamics",
    "StepDecay": "dynamics",
    "Table": "dynamics",
    "Warmup": "dynamics",
    "equivalent_schedule": "dynamics",
    "texp_schedule": "dynamics",
    "run": "simulate",
    "fit_exponent": "rates",
    "envelope": "rates",
    "BnTheoryError": "errors",
    "DivergedError": "errors",
    "InvalidInputError": "errors",
    "LossError": "errors",
    "NoPowerLawError": "errors",
    "NotScaleInvariantError": "errors",
}

__all__ = sorted(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module 'bn_theory' has no attribute {name!r}")
    value = getattr(_import_module(f"bn_theory.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return __all__
