"""Losses given as plain array functions, for what is not separable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from array_api_compat import is_array_api_obj, is_numpy_array
from array_api_compat import numpy as host

from bn_theory.errors import InvalidInputError, UnknownNameError
from bn_theory.losses import philox
from bn_theory.losses.checks import more_facts, own_start
from bn_theory.losses.facts import Facts

SAMPLERS = {
    "rademacher": philox.signs,
    "gaussian": philox.normals,
    "parts": philox.integers,
}


@dataclass(frozen=True)
class Sampler:
    """What one step draws per replica.

    Attributes:
        kind: ``"rademacher"`` or ``"gaussian"`` (an array ``(replicas, size)``), or ``"parts"`` (an integer
            in ``0 .. size - 1`` per replica, uniform).
        size: number of coordinates or of parts.
    """

    kind: str
    size: int

    def __post_init__(self):
        if self.kind not in SAMPLERS:
            raise UnknownNameError(f"unknown sampler {self.kind!r}; there are {', '.join(SAMPLERS)}")
        if not (isinstance(self.size, (int, np.integer)) and self.size >= 1):
            raise InvalidInputError(f"a sampler's size must be a whole number >= 1, not {self.size!r}")

    def draw(self, seed: int, replicas, steps, xp=host):
        """The sample of one step, or of several on a leading axis, for the given replica numbers (of namespace xp)."""
        return SAMPLERS[self.kind](seed, replicas, steps, self.size, xp=xp)


@dataclass(frozen=True)
class ArrayLoss:
    """A loss as two functions on arrays of any array-API namespace.

    ``value(state, sample)`` returns the loss and ``grad(state, sample)`` its gradients; ``sample=None`` means
    the full loss, the expectation over samples (it is the caller's claim that it is).

    ``state`` is the array ``(..., d)`` itself if there is one group and no parameter, else ``{name: array}``
    with parameters of shape ``(...)``; ``grad`` returns the same structure. Leading axes are
    ``(cases, replicas)``; a sample has the leading axis ``(replicas,)``.

    **Other arrays than NumPy's.** State and sample are arrays of one namespace, on one device. To run on CuPy's, a
    function stays there: it looks functions up in ``array_api_compat.array_namespace(w)``, returns arrays of that
    namespace, and takes the data that it closes over from :class:`bn_theory.losses.resident.Resident`. What leaves the
    namespace (``numpy.asarray``, ``math.sqrt``, a NumPy function or array) is an ``InvalidInputError`` that names the
    function; ``engine="numpy"`` runs it. CuPy captures a step into a CUDA graph and replays it, so that Python runs
    once and not in every step: no branch on numbers (``float(x)``, ``if x > 0``), no ``@`` (CuPy calls no cuBLAS
    during a capture; :func:`bn_theory.losses.matvec.matvec` does without), no array kept from one call to the next,
    nothing counted in Python. Where CuPy notices one of the first two, the run goes on without a graph, more slowly,
    and says so in its attributes.

    Attributes:
        functions: ``(value, grad)``.
        dimensions: ``{group: d}``.
        parameters: names of scalar parameters.
        sampler: ``Sampler`` or ``None`` (then only GD can run).
        scale_invariant_groups: the groups claimed scale-invariant (checked by running, not by proof).
        name: for tables.
        facts, start: as for ``Loss``.

    Source: derived in this package.

    >>> import numpy as np, bn_theory as bn
    >>> A = np.diag([0.0, 1.0])
    >>> def value(w, sample):
    ...     return ((w @ A) * w).sum(-1) / (w * w).sum(-1) / 2
    >>> def grad(w, sample):
    ...     return (w @ A - 2 * value(w, sample)[..., None] * w) / (w * w).sum(-1)[..., None]
    >>> loss = bn.ArrayLoss((value, grad), {"w": 2})
    >>> bool(bn.run(loss, bn.GD(lr=0.5), steps=50).grad_norm2[0, -1] < 1e-6)
    True
    """

    functions: tuple[Callable, Callable]
    dimensions: Mapping[str, int]
    parameters: tuple[str, ...] = ()
    sampler: Sampler | None = None
    scale_invariant_groups: tuple[str, ...] | None = None
    name: str = "array loss"
    facts: Facts = field(default_factory=Facts)
    start: Mapping[str, np.ndarray] = field(default_factory=dict)
    cases: None = None

    def __post_init__(self):
        if not isinstance(self.dimensions, Mapping) or not self.dimensions:
            raise InvalidInputError(
                f"an ArrayLoss needs at least one group of weights, dimensions={{'w': d}}, not {self.dimensions!r}"
            )
        for group, d in self.dimensions.items():
            if isinstance(d, bool) or not isinstance(d, (int, np.integer)) or d < 1:
                raise InvalidInputError(f"the size of {group!r} must be a whole number >= 1, not {d!r}")
        names = [*self.dimensions, *((self.parameters,) if isinstance(self.parameters, str) else self.parameters)]
        if isinstance(self.parameters, str) or len(set(names)) < len(names):
            raise InvalidInputError(
                f"parameters must be a tuple of distinct names that are no groups, such as ('gamma',), not "
                f"{self.parameters!r}"
            )
        if self.scale_invariant_groups is None:
            object.__setattr__(self, "scale_invariant_groups", tuple(self.dimensions))
        stray = set(self.scale_invariant_groups) - set(self.dimensions)
        if stray:
            raise InvalidInputError(f"scale_invariant_groups names {sorted(stray)}, which are no groups")
        if not (isinstance(self.functions, (tuple, list)) and len(self.functions) == 2) or not all(
            map(callable, self.functions)
        ):
            raise InvalidInputError(f"functions must be a pair (value, grad) of functions, not {self.functions!r}")
        if not isinstance(self.sampler, (Sampler, type(None))):
            raise InvalidInputError(f"sampler must be a bn.Sampler or None, not {self.sampler!r}")
        object.__setattr__(self, "start", own_start(self, self.start))

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups of weights."""
        return tuple(self.dimensions)

    @property
    def noises(self) -> tuple[str, ...]:
        """One anonymous noise if there is a sampler."""
        return ("sample",) if self.sampler else ()

    def sized(self, dimensions) -> ArrayLoss:
        """Itself, after a check that the sizes fit."""
        for name, d in dimensions.items():
            if self.dimensions[name] != d:
                raise InvalidInputError(f"start of {name!r} has {d} coordinates, the loss {self.dimensions[name]}")
        return self

    def with_facts(self, **facts) -> ArrayLoss:
        """A copy that knows more constants; see :class:`bn_theory.losses.facts.Facts` for their names."""
        return replace(self, facts=more_facts(self.facts, facts))

    def draw(self, seed: int, replicas, steps, xp=host):
        """The sample of one step, or of several on a leading axis, in the namespace of the replica numbers.

        Raises:
            InvalidInputError: the loss has no sampler.
        """
        if self.sampler is None:
            raise InvalidInputError(f"{self.name} has no sampler: SGD has nothing to sample, use bn.GD")
        return self.sampler.draw(seed, replicas, steps, xp)

    def _pack(self, state):
        return state if self._structured else state[self.groups[0]]

    @property
    def _structured(self):
        return len(self.groups) > 1 or bool(self.parameters)

    def _call(self, k, state, sample):
        """``value`` (0) or ``grad`` (1) of the user; on other arrays than NumPy's, what fails there is explained."""
        try:
            return self.functions[k](self._pack(state), sample)
        except (TypeError, ValueError, AttributeError) as error:
            if _on_host(state):
                raise
            raise InvalidInputError(f"{self._leaves(k, state)} ({type(error).__name__}: {error}). {_STAY}") from error

    def _leaves(self, k, state):
        kind = type(next(iter(state.values())))
        return f"{('value', 'grad')[k]} of {self.name} does not run on arrays of {kind.__module__}.{kind.__name__}"

    def value(self, state, sample=None):
        """Value at ``state = {name: array}`` (full loss without a sample)."""
        found = self._call(0, state, sample)
        return np.asarray(found) if _on_host(state) else found

    def gradient(self, state, sample=None):
        """Gradients at ``state``, ``{name: array}``."""
        found = self._call(1, state, sample)
        return found if self._structured else {self.groups[0]: found}

    def check(self, state, sample=None) -> None:
        """Evaluate once and look at names and shapes: arrays of a wrong shape would broadcast to wrong numbers.

        Args:
            state: ``{name: array}``, groups ``(cases, replicas, d)``, parameters ``(cases, replicas)``.
            sample: of one step, for the gradient of the sample.

        Raises:
            InvalidInputError: a value or gradient whose shape is not that of the state, gradients of other names, or
                a function that does not stay in the namespace of its argument.
        """
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # a run records these as divergence
            value, full, sampled = self.evaluate(state, sample)
        self._check_home(0, value, state)
        leading = next(iter(state.values())).shape[:2]
        if value.shape != leading:
            raise InvalidInputError(f"value of {self.name} returns shape {value.shape}; it must be {leading}")
        for gradients in (full, sampled):
            if gradients is None:
                continue
            if not isinstance(gradients, Mapping) or gradients.keys() != state.keys():
                found = sorted(gradients) if isinstance(gradients, Mapping) else type(gradients).__name__
                raise InvalidInputError(
                    f"grad of {self.name} must return {{name: array}} for {list(state)}, not {found}"
                )
            for name, array in state.items():
                self._check_home(1, gradients[name], state)
                shape = np.shape(gradients[name]) if _on_host(state) else gradients[name].shape
                if shape != array.shape:
                    raise InvalidInputError(
                        f"grad of {self.name} returns shape {shape} for {name!r}; it must be that of its state, "
                        f"{array.shape}"
                    )

    def _check_home(self, k, found, state):
        kind = type(next(iter(state.values())))
        if not (_on_host(state) or isinstance(found, kind)):
            raise InvalidInputError(f"{self._leaves(k, state)} (it returns {type(found).__name__}). {_STAY}")

    def evaluate(self, state, sample=None):
        """``(value, full gradients, sample gradients or None)``."""
        sampled = None if sample is None else self.gradient(state, sample)
        return self.value(state), self.gradient(state), sampled


_STAY = (
    "A function must stay in the namespace of its argument (array_api_compat.array_namespace) and take its data from "
    'bn_theory.losses.resident.Resident; engine="numpy" runs it as it is'
)


def _on_host(state):
    array = next(iter(state.values()))
    return isinstance(array, np.ndarray) or is_numpy_array(array) or not is_array_api_obj(array)
