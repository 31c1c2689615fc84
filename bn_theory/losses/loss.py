"""``Loss``: an expression with its data, that can be proved, evaluated and run."""

from __future__ import annotations

from functools import cached_property, lru_cache

import numpy as np

from bn_theory.errors import InvalidInputError, LossError, NotScaleInvariantError
from bn_theory.losses import philox
from bn_theory.losses.checks import more_facts, own_start, real_array
from bn_theory.losses.derivatives import differentiate, evaluate
from bn_theory.losses.facts import Facts
from bn_theory.losses.language import (
    NOISE_TYPES,
    Data,
    Parameter,
    RademacherNoise,
    Weights,
    checked_expression,
    reduce_expression,
)


class Loss:
    """A separable loss: a sympy expression in weights, data, noise and parameters, and the data's values.

    Noise must enter linearly, so that the *full* loss (the expectation) is the expression without it.

    Args:
        expression: built from ``bn.weights``, ``bn.data``, ``bn.noise``, ``bn.parameter``, ``bn.total`` and
            sympy functions.
        **data: one array per data symbol. Inside ``total``: shape ``(d,)`` or, with a leading case axis,
            ``(cases, d)``. Outside: a number, or shape ``(cases,)``. All dimensionless.

    Raises:
        LossError: not an expression (text is never evaluated), no weights, a symbol outside its place, data
            missing, superfluous or of a wrong shape.
        NoiseError: noise that is not linear.

    Source: derived in this package.

    >>> import bn_theory as bn
    >>> w, a = bn.weights("w"), bn.data("a")
    >>> loss = bn.Loss(bn.total(a * w**2) / (2 * bn.total(w**2)), a=[0.0, 1.0, 2.0])
    >>> loss.scale_invariant_groups
    ('w',)
    >>> float(loss.value({"w": [0.0, 3.0, 0.0]}))
    0.5
    """

    def __init__(self, expression, /, **data):
        self.expression = checked_expression(expression)
        self.reduced = reduce_expression(self.expression)
        everything = self.reduced.phi.free_symbols.union(
            *(e.free_symbols for e in (self.reduced.clean | self.reduced.noisy).values())
        )
        self.symbols = {s.name: s for s in sorted(everything, key=str) if _spoken(s)}
        self.groups = tuple(n for n, s in self.symbols.items() if isinstance(s, Weights))
        self.parameters = tuple(n for n, s in self.symbols.items() if isinstance(s, Parameter))
        self.noises = tuple(n for n, s in self.symbols.items() if isinstance(s, NOISE_TYPES))
        self.cases, self.dimensions, self.data = self._take_data(data)
        self.facts = Facts()
        self.start = {}
        self.name = str(self.expression)
        self._twin = None

    def _take_data(self, given):
        wanted = {n: s for n, s in self.symbols.items() if isinstance(s, Data)}
        for verb, names in (("missing", wanted.keys() - given), ("not in the expression", given.keys() - wanted)):
            if names:
                raise LossError(f"data {', '.join(sorted(names))} {verb}; the expression has {sorted(wanted)}")
        axis_of = {name: axis for axis in self.reduced.axes for name in axis}
        lengths: dict[tuple, int] = {}
        cases = {}
        arrays = {}
        for name, symbol in wanted.items():
            array = real_array(f"data {name!r}", given[name], LossError)
            if array.size == 0:
                raise LossError(f"data {name!r} is empty, with shape {array.shape}; give at least one number")
            if not np.all(np.isfinite(array)):
                where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
                raise LossError(f"data {name!r} must be finite; entry {where} is {array[where]}")
            if symbol.is_positive and not np.all(array > 0):
                raise LossError(f"data {name!r} was declared positive but has an entry {array.min()}")
            axis = axis_of.get(name)
            if array.ndim > (1 if axis is None else 2):
                raise LossError(f"data {name!r} has shape {array.shape}: at most a case axis before its own")
            if axis is not None and array.ndim:
                known = lengths.setdefault(axis, array.shape[-1])
                if known != array.shape[-1]:
                    raise LossError(
                        f"data {name!r} has {array.shape[-1]} coordinates where others have {known}: "
                        f"{', '.join(axis)} share their coordinates"
                    )
            if array.ndim == (1 if axis is None else 2):
                cases[name] = array.shape[0]
            arrays[name] = array
        if len(set(cases.values())) > 1:
            raise LossError(f"the case axes differ in length: {cases}")
        for name, axis in axis_of.items():
            if name in arrays and arrays[name].ndim == 0:
                if axis not in lengths:
                    raise LossError(f"data {name!r} is one number but stands inside total; give one per coordinate")
                arrays[name] = np.full(lengths[axis], arrays[name])
        dimensions = {g: lengths.get(axis_of[g]) for g in (*self.groups, *self.noises)}
        return next(iter(cases.values()), None), dimensions, arrays

    def __repr__(self):
        return f"Loss({self.name})"

    def replace(self, **changes) -> Loss:
        """A copy with other ``facts``, ``start``, ``name`` or twin (used by the families)."""
        other = object.__new__(Loss)
        other.__dict__.update(self.__dict__)
        for key, value in changes.items():
            if key not in ("facts", "start", "name", "_twin"):
                raise InvalidInputError(f"replace() got {key!r}; it takes facts, start and name")
            other.__dict__[key] = value
        return other

    def with_facts(self, **facts) -> Loss:
        """A copy that knows more constants; see :class:`bn_theory.losses.facts.Facts` for their names.

        >>> import bn_theory as bn
        >>> w = bn.weights("w")
        >>> bn.Loss(bn.total(w**4) / bn.total(w**2) ** 2).with_facts(infimum=0.25).facts.infimum
        0.25
        """
        return self.replace(facts=more_facts(self.facts, facts))

    def with_start(self, **start) -> Loss:
        """A copy with its own start: group arrays ``(d,)`` or ``(cases, d)``, parameters numbers or ``(cases,)``.

        Raises:
            InvalidInputError: an unknown name, numbers that are not finite, a shape that does not fit.

        >>> import bn_theory as bn
        >>> loss = bn.rayleigh([0.0, 1.0]).with_start(w=[[1.0, 0.0], [1.0, 1.0]])
        >>> bn.run(loss, bn.GD(lr=0.1), steps=1, record=[0]).loss.values.ravel().tolist()
        [0.0, 0.25]
        """
        return self.replace(start=self.start | own_start(self, start))

    @property
    def unnormalised(self) -> Loss:
        """The family's twin without normalisation, for controls.

        Raises:
            LossError: the loss is not of a family that has one.
        """
        if self._twin is None:
            raise LossError(f"{self.name} has no un-normalised twin: only the families know theirs")
        return self._twin()

    @cached_property
    def derivatives(self):
        """Gradients as sympy expressions (:class:`bn_theory.losses.derivatives.Derivatives`)."""
        return differentiate(
            self.reduced,
            tuple(self.symbols[g] for g in self.groups),
            tuple(self.symbols[p] for p in self.parameters),
        )

    @cached_property
    def scale_invariant_groups(self) -> tuple[str, ...]:
        """The groups for which scale invariance is proved (noise included); the rest counts as scale-variant."""
        return tuple(g for g in self.groups if _proof(self.reduced, (self.symbols[g],), g)[0] is not None)

    def prove(self, *groups: str):
        """Prove scale invariance, orthogonality and homogeneity in generic dimension.

        Args:
            *groups: names scaled by one common factor; without any, every group of weights is scaled
                by itself, one after the other. A parameter may be named in a joint group.

        Returns:
            ``proofs_check.Proof``.

        Raises:
            NotScaleInvariantError: not proved; carries the residual expression and the group.
            InvalidInputError: a name that is no group or parameter.

        Source: Arora, Li, Lyu (ICLR 2019), Lemma 2.4, and Li, Arora (ICLR 2020), Lemma 1.
        """
        unknown = set(groups) - set(self.groups) - set(self.parameters)
        if unknown:
            raise InvalidInputError(f"{sorted(unknown)} is no group or parameter; there are {self.groups}")
        proofs = []
        for names in [groups] if groups else [(g,) for g in self.groups]:
            proof, error = _proof(self.reduced, tuple(self.symbols[n] for n in names), ", ".join(names))
            if proof is None:
                raise NotScaleInvariantError(
                    f"scale invariance of {self.name} in {', '.join(names)} was not proved; "
                    f"left over: {error.residual}",
                    residual=error.residual,
                    group=names,
                )
            proofs.append(proof)
        if len(proofs) == 1:
            return proofs[0]
        from proofs_check.proof import Proof

        return Proof(
            "scale_invariance",
            f"Scale invariance of {self.name} in every group",
            f"the loss does not change when any one of {', '.join(self.groups)} is scaled by itself",
            (),
            proofs[0].source,
            tuple(proofs),
        )

    def _arrays(self, state, noise=None):
        arrays = dict(self.data)
        for name in (*self.groups, *self.parameters):
            if name not in state:
                raise InvalidInputError(f"the state lacks {name!r}; it has {sorted(state)}")
            arrays[name] = np.asarray(state[name], dtype=float)
        return arrays | dict(noise or {})

    def value(self, state):
        """The full loss at ``state = {name: array}``; leading axes broadcast."""
        return evaluate(self.derivatives, self.symbols, self._arrays(state), sampled=False)[0]

    def gradient(self, state, noise=None):
        """Gradient of the full loss at ``state``, or of the sample ``noise = {name: array}``; ``{name: array}``."""
        _, full, sample = evaluate(
            self.derivatives, self.symbols, self._arrays(state, noise), sampled=noise is not None
        )
        return full if noise is None else sample

    def sized(self, dimensions) -> Loss:
        """A copy whose groups (and the noise on their coordinates) have these sizes."""
        sizes = {axis: dimensions[n] for axis in self.reduced.axes for n in axis if n in dimensions}
        for axis, d in sizes.items():
            for n in axis:
                known = self.dimensions.get(n)
                if known is None:
                    known = dimensions.get(n)
                if known not in (None, d):
                    raise InvalidInputError(f"{n!r} has {known} coordinates where {', '.join(axis)} have {d}")
        other = self.replace()
        other.dimensions = {
            n: sizes.get(axis, self.dimensions[n]) for axis in self.reduced.axes for n in axis if n in self.dimensions
        }
        return other

    def draw(self, seed: int, replicas, steps):
        """The noise of one step, ``{name: (replicas, d)}``, or of several, with an axis of steps before."""
        return {
            n: (philox.signs if isinstance(self.symbols[n], RademacherNoise) else philox.normals)(
                seed, replicas, steps, self.dimensions[n], stream
            )
            for stream, n in enumerate(self.noises)
        }

    def evaluate(self, state, sample=None):
        """``(value, full gradient, sample gradient or None)`` for ``state`` with axes ``(cases, replicas, ...)``."""
        arrays = {n: a[:, None] if a.ndim == self.case_ndim(n) else a for n, a in self.data.items()}
        return evaluate(self.derivatives, self.symbols, arrays | state | (sample or {}), sampled=sample is not None)

    def case_ndim(self, name):
        """How many axes data have when they carry a case axis."""
        return 1 if self.symbols[name] in self.reduced.phi.free_symbols else 2


def _spoken(symbol):
    return isinstance(symbol, (Weights, Data, Parameter, *NOISE_TYPES))


def _proof(reduced, group, name):
    return _cached_proof(reduced.phi, tuple((reduced.clean | reduced.noisy).items()), group, name)


@lru_cache(maxsize=256)
def _cached_proof(phi, reductions, group, name):
    """``(proof, None)`` or ``(None, error)``: a failure is an answer too, and as slow to find."""
    from proofs_check.scale_invariance import NotProvedError, prove

    try:
        return prove(phi, dict(reductions), group, name=f"loss in {name}"), None
    except NotProvedError as error:
        return None, error
