"""Fixtures for all tests: the zoo of losses, the engines, and a rounding-error oracle."""

import os
import sys
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import sympy
from hypothesis import settings

import bn_theory as bn
from bn_theory.engines import unavailable

# The plugin of the checkout, and pytest's own for testing plugins. (setup.cfg leaves out an installed copy's; with its
# addopts overridden it is there already, and a plugin cannot be there twice.)
pytest_plugins = ["pytester", *{"bn_theory.pytest_plugin"}.difference(sys.modules)]

# Derandomised: a red test is red again. No deadline: the first example may compile a loop.
settings.register_profile("suite", derandomize=True, deadline=None, max_examples=30, database=None)
settings.load_profile("suite")

# A notebook runs in a process of its own, which setup.cfg's pythonpath does not reach: it, too, must import the
# checkout and not an installed copy. (Set here, where pytest looks first; "pytest notebooks" alone needs it by hand.)
_ROOT = str(Path(__file__).resolve().parents[1])
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [_ROOT, os.environ.get("PYTHONPATH")]))

# numba's files are not made for two processes that compile the same function at once: each worker has its own.
# (Set before numba is imported, which reads it then.)
if _WORKER := os.environ.get("PYTEST_XDIST_WORKER"):
    os.environ["NUMBA_CACHE_DIR"] = str(Path(_ROOT) / ".pytest_cache" / "numba" / _WORKER)


@pytest.fixture(scope="session", autouse=True)
def cache_folder(request):
    """Compiled loops are kept between tests and sessions, in pytest's own cache unless BN_THEORY_CACHE says where."""
    if "BN_THEORY_CACHE" not in os.environ:
        cache = getattr(request.config, "cache", None)  # absent under -p no:cacheprovider
        folder = cache.mkdir("bn_theory") if cache else request.getfixturevalue("tmp_path_factory").mktemp("loops")
        os.environ["BN_THEORY_CACHE"] = str(folder)
    return os.environ["BN_THEORY_CACHE"]


@pytest.fixture(scope="session")
def device():
    """The cupy module on a machine with a GPU; elsewhere the test is skipped with what is missing."""
    if reason := unavailable("cupy"):
        pytest.skip(reason)
    import cupy

    return cupy


@pytest.fixture
def call(capsys):
    """``call(*arguments)`` of ``bn-theory`` returns exit code, stdout and stderr."""
    from bn_theory import cli

    def run(*arguments):
        try:
            code = cli.main([str(a) for a in arguments])
        except SystemExit as stop:
            code = stop.code
        return code, *capsys.readouterr()

    return run


@pytest.fixture(params=("numba", "numpy"))
def engine(request):
    """Each engine that runs separable losses."""
    return request.param


# --- the zoo: at least one loss per feature of the language, all of them small ---

EIGENVALUES = np.array([0.0, 0.3, 1.0, 0.7, 0.2])
SINGULAR = np.array([1.0, 0.25, 0.6, 0.0])


def regression(n=12, d=3, seed=5):
    """A small data set with correlated columns in different units."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)) @ rng.standard_normal((d, d)) + 3.0
    return X, X @ rng.standard_normal(d) + 0.3 * rng.standard_normal(n)


def two_axes():
    """Groups of different length, a nested total that factors, scalar data with a case axis."""
    u, v, a, b, c = bn.weights("u"), bn.weights("v"), bn.data("a"), bn.data("b"), bn.data("c")
    product = bn.total(a * u * bn.total(b * v)) / sympy.sqrt(bn.total(u**2) * bn.total(v**2))
    return bn.Loss(c * product, a=[1.0, -2.0, 0.5], b=[0.3, 1.0, -0.7, 0.2], c=[1.0, 0.5])


def inside():
    """A parameter inside a total that does not factor, noise times a parameter; not scale-invariant."""
    w, z, gamma = bn.weights("w"), bn.noise("z"), bn.parameter("gamma")
    loss = bn.total(sympy.log(1 + gamma**2 * w**2)) ** 2 / 4 + (gamma - 2) ** 2 / 2 + gamma * bn.total(z * w) / 8
    return bn.Loss(loss).sized({"w": 5})


def odd_powers():
    """Absolute values and half-integer powers: scale-invariant for positive factors."""
    w, a = bn.weights("w"), bn.data("a")
    return bn.Loss(bn.total(a * sympy.Abs(w) ** 3) / bn.total(w**2) ** sympy.Rational(3, 2), a=EIGENVALUES)


def dense_covariance(d=5, seed=3):
    """A covariance that does not commute with a diagonal Hessian."""
    B = np.random.default_rng(seed).standard_normal((d, d))
    return B @ B.T / d


SEPARABLE = {
    "rayleigh": lambda: bn.rayleigh(EIGENVALUES),
    "rayleigh_cases": lambda: bn.rayleigh(np.stack([EIGENVALUES, 3 * EIGENVALUES + 1])),
    "power_law_rayleigh": lambda: bn.power_law_rayleigh([0.5, 1.0], d=5, smallest=1e-2),
    "bilinear": lambda: bn.bilinear(SINGULAR),
    "least_squares_bn": lambda: bn.least_squares_bn(*regression()),
    "rayleigh_signs": lambda: bn.with_linear_noise(bn.rayleigh(EIGENVALUES), 0.3),
    "rayleigh_gaussian": lambda: bn.with_linear_noise(bn.rayleigh(EIGENVALUES), 0.3, kind="gaussian"),
    "bilinear_signs": lambda: bn.with_linear_noise(bn.bilinear(SINGULAR), 0.2),
    "least_squares_bn_signs": lambda: bn.with_linear_noise(bn.least_squares_bn(*regression()), [0.1, 0.4]),
    "quadratic": lambda: bn.rayleigh(EIGENVALUES).unnormalised,
    "quadratic_signs": lambda: bn.with_linear_noise(bn.rayleigh(EIGENVALUES), 0.3).unnormalised,
    "convex_bilinear": lambda: bn.bilinear(SINGULAR).unnormalised,
    "least_squares": lambda: bn.least_squares_bn(*regression()).unnormalised,
    "two_axes": two_axes,
    "inside": inside,
    "odd_powers": odd_powers,
}
INVARIANT = tuple(
    n for n in SEPARABLE if n not in ("quadratic", "quadratic_signs", "convex_bilinear", "least_squares", "inside")
)
ARRAY = {
    "rayleigh_dense_noise": lambda: _array_family("rayleigh_dense_noise", EIGENVALUES, dense_covariance()),
    "minibatch_least_squares_bn": lambda: _array_family("minibatch_least_squares_bn", *regression(40), parts=4),
    "bn_neuron_logistic": lambda: _array_family("bn_neuron_logistic", *labelled()),
}


def _array_family(name, *arguments, **keywords):
    return getattr(bn, name)(*arguments, **keywords)


def labelled(n=20):
    """A data matrix with labels -1 and +1."""
    X, y = regression(n)
    return X, np.where(y > np.median(y), 1.0, -1.0)


@lru_cache
def _build(name):
    return (SEPARABLE | ARRAY)[name]()


@pytest.fixture(scope="session")
def zoo():
    """``zoo(name)`` is a loss of the zoo, built once a session."""
    return _build


@pytest.fixture(params=SEPARABLE)
def separable_loss(request):
    """Every separable loss of the zoo."""
    return _build(request.param)


@pytest.fixture(params=INVARIANT)
def invariant_loss(request):
    """Every separable loss of the zoo that is scale-invariant in all its groups."""
    return _build(request.param)


@pytest.fixture(params=ARRAY)
def array_loss(request):
    """Every loss of the zoo that is given as array functions."""
    return _build(request.param)


@pytest.fixture(params=(*SEPARABLE, *ARRAY))
def any_loss(request):
    """Every loss of the zoo."""
    return _build(request.param)


# Loss and method, chosen so that every feature meets every method once; each pair is one compiled loop.
METHODS = {
    "GD": lambda lr, decay: bn.GD(lr=lr),
    "SGD": lambda lr, decay: bn.SGD(lr=lr, decay=decay),
    "projected GD": lambda lr, decay: bn.GD(lr=lr, projected=True),
    "projected SGD": lambda lr, decay: bn.SGD(lr=lr, decay=decay, projected=True),
    "momentum GD": lambda lr, decay: bn.GD(lr=lr / 4, momentum=bn.Table(0.5 - 0.4 * np.cos(np.arange(STEPS)))),
    "decaying SGD": lambda lr, decay: bn.SGD(lr=lr, decay=decay, weight_decay=0.02),
    "heavy GD": lambda lr, decay: bn.GD(lr=bn.Cosine(lr / 4, STEPS), momentum=0.6, weight_decay=0.01),
    "heavy SGD": lambda lr, decay: bn.SGD(
        lr=bn.StepDecay(lr / 4, {10: 1 - decay, 60: 0.5}), momentum=0.8, weight_decay=0.02, rescaling=UNITS
    ),
}
STEPS = 200
"""As long as the tables of these methods."""
UNITS = bn.Table(np.where(np.arange(STEPS) % 7 == 3, 0.5, np.where(np.arange(STEPS) % 7 == 5, 2.0, 1.0)))
"""Changes of units every few steps."""
GD_ONLY = ("rayleigh", "rayleigh_cases", "quadratic", "convex_bilinear", "least_squares", "odd_powers")
SGD_TOO = ("rayleigh_gaussian", "quadratic_signs")
PROJECTED_GD = ("bilinear", "least_squares_bn", "two_axes")
PROJECTED_SGD = ("rayleigh_signs", "bilinear_signs", "least_squares_bn_signs", "inside")
HEAVY = {
    "momentum GD": ("least_squares_bn",),
    "decaying SGD": ("inside",),
    "heavy GD": ("two_axes",),
    "heavy SGD": ("rayleigh_gaussian", "least_squares_bn_signs"),
}
PAIRS = (
    [(n, "GD") for n in (*GD_ONLY, *PROJECTED_GD, "rayleigh_signs")]
    + [(n, "SGD") for n in (*SGD_TOO, *PROJECTED_SGD, "rayleigh")]
    + [(n, "projected GD") for n in PROJECTED_GD]
    + [(n, "projected SGD") for n in PROJECTED_SGD]
    + [(n, kind) for kind, many in HEAVY.items() for n in many]
)


@pytest.fixture(params=PAIRS, ids=lambda pair: f"{pair[0]}-{pair[1].replace(' ', '_')}")
def loss_and_method(request):
    """``(loss, make)`` where ``make(lr, decay)`` is the method."""
    name, kind = request.param
    return _build(name), METHODS[kind]


@pytest.fixture(scope="session")
def points():
    """``points(loss, cases, replicas, seed=0)``: random states, groups near norm 1, parameters near 1."""

    def make(loss, cases=1, replicas=3, seed=0):
        rng = np.random.default_rng(seed)
        state = {}
        for g in loss.groups:
            x = rng.standard_normal((cases, replicas, loss.dimensions[g]))
            scale = rng.uniform(0.7, 1.4, (cases, replicas, 1))
            state[g] = scale * x / np.linalg.norm(x, axis=-1, keepdims=True)
        return state | {p: rng.uniform(0.6, 1.5, (cases, replicas)) for p in loss.parameters}

    return make


# --- running error analysis ---

EPS = np.finfo(float).eps


class Rounded:
    """A value with a bound on how far two evaluations of the same formula in float64 may lie apart.

    Each of the two errs by at most half an eps per operation, in whatever order sums and products are taken
    (so sums count the magnitudes of their terms): together one eps per operation, first order in eps.
    """

    __array_ufunc__ = None  # numpy must not take the reflected operations apart

    def __init__(self, value, error=0.0, size=None):
        self.value = np.asarray(value, dtype=float)
        self.error = np.broadcast_to(error, self.value.shape)
        self.size = np.abs(self.value) if size is None else size  # of the terms, where it is a sum

    @staticmethod
    def of(x):
        return x if isinstance(x, Rounded) else Rounded(x)

    def __add__(self, other):
        other = Rounded.of(other)
        size = self.size + other.size
        return Rounded(self.value + other.value, self.error + other.error + EPS * size, size)

    __radd__ = __add__

    def __neg__(self):
        return Rounded(-self.value, self.error, self.size)

    def __sub__(self, other):
        return self + -Rounded.of(other)

    def __rsub__(self, other):
        return Rounded.of(other) + -self

    def __mul__(self, other):
        other = Rounded.of(other)
        value = self.value * other.value
        return Rounded(
            value,
            np.abs(self.value) * other.error
            + np.abs(other.value) * self.error
            + self.error * other.error
            + EPS * np.abs(value),
        )

    __rmul__ = __mul__

    def __truediv__(self, other):
        return self * Rounded.of(other) ** -1

    def __rtruediv__(self, other):
        return Rounded.of(other) * self**-1

    def __pow__(self, q):
        value = self.value**q
        # |q| roundings by repeated multiplication, four for a square root, a reciprocal or pow
        return Rounded(value, np.abs(q * self.value ** (q - 1.0)) * self.error + (abs(q) + 4) * EPS * np.abs(value))

    def __abs__(self):
        return Rounded(np.abs(self.value), self.error)

    def sum(self):
        d = self.value.shape[-1]
        return Rounded(self.value.sum(-1), self.error.sum(-1) + d * EPS * np.abs(self.value).sum(-1))

    def wide(self):
        return Rounded(self.value[..., None], self.error[..., None])


ROUNDED_FUNCTIONS = {
    "sqrt": lambda x: Rounded.of(x) ** 0.5,
    "log": lambda x: Rounded(np.log(x.value), x.error / np.abs(x.value) + 2 * EPS * np.abs(np.log(x.value))),
    "signum": lambda x: Rounded(np.sign(x.value)),
}


@lru_cache(maxsize=4096)
def _rounded_function(symbols, expression):
    plain = sympy.sympify(expression).replace(sympy.sign, sympy.Function("signum"))
    return sympy.lambdify(symbols, plain, modules=[ROUNDED_FUNCTIONS])


def rounded_gradient(loss, state, sample=None):
    """``(value, full, sampled)`` of a separable loss as ``Rounded`` numbers, straight from its derivatives.

    State and sample are ``{name: array or Rounded}`` with axes ``(..., cases, replicas, d)``.
    """
    derivatives, values, wide = loss.derivatives, {}, {}
    for name, array in (loss.data | state | (sample or {})).items():
        symbol = loss.symbols[name]
        if name in loss.data and array.ndim == loss.case_ndim(name):
            array = array[:, None]
        values[symbol] = Rounded.of(array)
        wide[symbol] = values[symbol].wide() if name in loss.parameters else values[symbol]

    def apply(expression, table):
        expression = sympy.sympify(expression)
        used = sorted(expression.free_symbols, key=str)
        return Rounded.of(_rounded_function(tuple(used), expression)(*(table[s] for s in used)))

    for s, e in derivatives.sums.items():
        if e.free_symbols <= set(wide):
            values[s] = apply(e, wide).sum()
    for c, e in derivatives.coefficients.items():
        if e.free_symbols <= set(values):
            values[c] = apply(e, values)
            wide[c] = values[c].wide()
    value = apply(derivatives.value, values)
    found = []
    for groups, parameters in (
        (derivatives.full, derivatives.parameter_full),
        (derivatives.sample, derivatives.parameter_sample),
    )[: 1 if sample is None else 2]:
        found.append({g: apply(e, wide) for g, e in groups.items()})
        found[-1] |= {p: apply(e, values) for p, e in parameters.items()}
    return value, found[0], found[-1]


@pytest.fixture(scope="session")
def rounding():
    """The running error analysis: ``rounding.gradient(loss, state, sample)`` and ``rounding.Rounded``."""

    class Namespace:
        gradient = staticmethod(rounded_gradient)
        number = Rounded

    return Namespace
