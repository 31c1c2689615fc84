"""The losses, data and rates that the statements share, and rounding bounds for identities."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import sympy

import bn_theory as bn
from bn_theory.engines import choose
from bn_theory.losses.derivatives import apply

EPS = float(np.finfo(float).eps)

RATES_FULL = (1e-2, 1e-1, 0.3, 1.0, 10.0, 100.0)
RATES_QUICK = (0.1, 1.0, 10.0)


def rates(settings) -> tuple[float, ...]:
    """Learning rates of the profile."""
    return RATES_FULL if settings.full else RATES_QUICK


def run(settings, loss, method, start=None, **options):
    """``bn.run`` with the settings' seed and engine and without a bar of its own (the caller shows progress).

    Losses given as array functions have no expression to compile, whatever engine was asked for.
    """
    engine = "auto" if isinstance(loss, bn.ArrayLoss) else settings.engine
    return bn.run(loss, method, start, seed=settings.seed, engine=engine, progress=False, **options)


def on_gpu(settings, loss) -> bool:
    """Whether a run of the loss goes to a GPU."""
    return choose(settings.engine, loss).name.startswith("cupy")


@lru_cache(maxsize=1)
def diabetes():
    """scikit-learn's bundled diabetes data (442 rows, 10 columns), the target in units of its deviation."""
    from sklearn.datasets import load_diabetes

    X, y = load_diabetes(return_X_y=True)
    return X, (y - y.mean()) / y.std()


def separable_losses() -> dict[str, bn.Loss]:
    """One loss of every separable family, with and without noise, real data included."""
    spectrum = np.linspace(0.0, 1.0, 16)
    quotient = bn.rayleigh(spectrum)
    pair = bn.bilinear(np.linspace(0.1, 1.0, 6))
    return {
        "rayleigh": quotient,
        "bilinear": pair,
        "least_squares_bn, diabetes": bn.least_squares_bn(*diabetes()),
        "rayleigh with noise": bn.with_linear_noise(quotient, 0.5),
        "bilinear with noise": bn.with_linear_noise(pair, 0.3),
    }


@lru_cache(maxsize=1)
def neuron_diabetes() -> bn.ArrayLoss:
    """A batch-normalised neuron with logistic loss: diabetes progression above or below its mean."""
    X, y = diabetes()
    return bn.bn_neuron_logistic(X, np.where(y > 0, 1.0, -1.0))


@lru_cache(maxsize=1)
def minibatch_diabetes() -> bn.ArrayLoss:
    """Minibatch BN least squares on the diabetes data, four parts of 110 or 111 rows."""
    return bn.minibatch_least_squares_bn(*diabetes(), parts=4)


def broken_rayleigh(relative: float) -> bn.Loss:
    """A Rayleigh quotient whose scale invariance is broken by a relative amount: ``L(cw) = c^(-2 relative) L(w)``.

    Eigenvalues in [1, 2] keep ``L``, and with it the violation ``<w, grad L> = -2 relative L``, away from 0.
    """
    w, a = bn.weights("w"), bn.data("a")
    power = 1 + sympy.Rational(relative).limit_denominator(10**9)
    loss = bn.Loss(bn.total(a * w**2) / (2 * bn.total(w**2) ** power), a=np.linspace(1.0, 2.0, 16))
    return loss.replace(name=f"rayleigh broken by {relative:g}")


def rates_of(loss, weight_rates, parameter_rate=0.5) -> dict:
    """``lr=`` with one rate per case for every group and a fixed one for the scale-variant parameters."""
    lr = {g: np.asarray(weight_rates, dtype=float) for g in loss.groups}
    return lr | dict.fromkeys(loss.parameters, parameter_rate)


def random_state(loss, seed: int, count: int, scale=1.0) -> dict:
    """Random points of norm ``scale``, shape ``(1, count, d)``, parameters uniform in [-1, 1]."""
    from bn_theory.losses import philox

    ids = np.arange(count)
    state = {
        g: scale * philox.unit_starts(seed, ids, loss.dimensions[g], stream)[None]
        for stream, g in enumerate(loss.groups)
    }
    for stream, p in enumerate(loss.parameters, start=len(loss.groups)):
        _, v = philox.uniform_pairs(seed, ids, [0], 1, philox.START_STREAM + stream)
        state[p] = 2 * v[..., 0] - 1
    return state


def gradient_rounding(loss: bn.Loss, state, sample=None) -> dict:
    """First-order bound on the rounding error of every coordinate of the gradient, ``{group: array}``.

    Sums of d terms err by ``(d + k) u`` of the sum of their absolute values (k a small number of roundings
    per term); a coefficient ``C_j(S)`` errs by ``sum_l |dC_j/dS_l|`` times that. So, to first order in u,

        |error of dL/dw_i| <= (d + 16) u sum_j |e_j'(w_i)| ( |C_j| + sum_l |dC_j/dS_l| total|e_l| ).

    With a sample the bound is that of the sampled gradient, else of the full one.
    """
    d = loss.derivatives
    silent = set() if sample else {loss.symbols[n] for n in loss.noises}
    sums = {s: e for s, e in d.sums.items() if not e.free_symbols & silent}
    values, wide, sizes = _reduced(loss, sums, {**state, **(sample or {})})
    letter = "C" if sample else "F"
    errors = dict.fromkeys(loss.groups, 0.0)
    for s, e in sums.items():
        outer = next((o for c, o in d.coefficients.items() if c.name == f"{letter}_{s.name}"), None)
        if outer is None:
            continue
        swing = np.abs(_at(outer, values))
        for other in sums:
            slope = sympy.diff(outer, other)
            if slope != 0:
                swing = swing + np.abs(_at(slope, values)) * sizes[other]
        for g in loss.groups:
            errors[g] = errors[g] + swing[..., None] * np.abs(_at(sympy.diff(e, loss.symbols[g]), wide))
    size = max(loss.dimensions[g] for g in loss.groups)
    return {g: (size + 16) * EPS / 2 * error for g, error in errors.items()}


def value_rounding(loss: bn.Loss, state) -> np.ndarray:
    """First-order bound on the rounding error of the full loss, as for :func:`gradient_rounding`:

    ``(d + 16) u ( |Phi's terms| + sum_j |dPhi/dS_j| total|e_j| )``.
    """
    full = loss.reduced.full
    values, _, sizes = _reduced(loss, loss.reduced.clean, state)
    total = sum(np.abs(_at(term, values)) for term in sympy.Add.make_args(full))
    for s, size in sizes.items():
        total = total + np.abs(_at(sympy.diff(full, s), values)) * size
    return (max(loss.dimensions[g] for g in loss.groups) + 16) * EPS / 2 * total


def _reduced(loss, sums, arrays):
    """Values of all symbols and sums, those of a coordinate's symbols, and ``total|e_j|`` of every sum."""
    values = {loss.symbols[n]: a[:, None] if a.ndim == loss.case_ndim(n) else a for n, a in loss.data.items()}
    values |= {loss.symbols[n]: a for n, a in arrays.items()}
    wide = {s: v[..., None] if s.name in loss.parameters else v for s, v in values.items()}
    sizes = {}
    for s, e in sums.items():
        term = _at(e, wide)
        values[s], sizes[s] = np.sum(term, axis=-1), np.sum(np.abs(term), axis=-1)
    return values, wide, sizes


def _at(expression, table):
    return apply({"value": expression}, table)["value"]


def condition(loss, seed: int) -> float:
    """An estimate of ``k``: rounding moves the gradient at unit norm by at most ``k u`` in norm (``u = eps/2``).

    The largest first-order bound over 4096 random states, times 4. An estimate and not a supremum: random directions
    are short of the worst one by a factor that the 4 is meant to cover, up to 2 in each of a term's two factors.
    """
    if isinstance(loss, bn.ArrayLoss):
        # Three sums of d products in a row, each followed by a cancellation of terms of at most 2 |grad|.
        start = {p: np.ones(1) for p in loss.parameters}
        bounds = loss.facts.need("sample_gradient", start)
        return 6 * (max(loss.dimensions.values()) + 16) * sum(bounds[g] for g in loss.groups)
    state = random_state(loss, seed, 4096)
    sample = loss.draw(seed, np.arange(4096), 0) if loss.noises else None
    errors = gradient_rounding(loss, state, sample)
    return 4 * float(max(np.max(np.linalg.norm(e, axis=-1)) for e in errors.values())) / (EPS / 2)
