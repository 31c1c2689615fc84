"""From a separable loss to the program of one step: what every engine computes, before any language.

A step is three lists of assignments, the same for every engine, in plain names:

    at_step     once a step, from the sums ``S``: the loss, and what multiplies the slopes
    gradients   once a coordinate: ``f_G`` the gradient of the full loss, ``s_G`` that of the sample
    moves       once a coordinate and parameter: from the gradient to the direction of the step, with decay and momentum
    sums        once a coordinate, with the new weights: what it adds to the sums of the next step

No derivative is written here: the expressions come from :mod:`bn_theory.losses.derivatives`. What does not
depend on the coordinate is taken out of the gradients, and what occurs twice is computed once.

Names: ``x_G`` one coordinate of the weights, ``d_N`` data, ``p_P`` a parameter and ``was_P`` its value before the
step, ``z_N`` the noise of this step and ``y_N`` of the next, ``S_k`` a sum, ``norm2_G`` a squared norm, ``h_k`` what
was taken out of a gradient, ``c_k`` and ``r_k`` what was common, ``full_P`` and ``step_P`` a parameter's gradients,
``rate_T``, ``momentum_T``, ``decay_T`` and ``rescaling_T`` the coefficients of a group or parameter in this step,
``v_G`` one coordinate of a momentum buffer and ``velocity_P`` that of a parameter, ``u_T`` gradient and decay together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import sympy

from bn_theory.dynamics.methods import DECAY, MOMENTUM, Kind
from bn_theory.engines.printers import cheap_power
from bn_theory.losses.language import Data, Parameter, RademacherNoise, Weights

Assignments = tuple[tuple[str, sympy.Expr], ...]


@dataclass(frozen=True)
class Noise:
    """One noise symbol: its name, number of stream, whether it is signs, and its axis."""

    name: str
    stream: int
    signs: bool
    axis: int


@dataclass(frozen=True)
class Axis:
    """What is done for each coordinate of the groups that share them.

    Attributes:
        groups: names of the groups of weights (at least one).
        data: names of the data per coordinate.
        gradients: assignments of ``f_G`` (and ``s_G`` for a sampled method) after what they have in common.
        common, sums: what the sums have in common, and the sums' increments.
    """

    groups: tuple[str, ...]
    data: tuple[str, ...]
    gradients: Assignments
    common: Assignments
    sums: Assignments


@dataclass(frozen=True)
class Program:
    """One step of a kind of method on a separable loss.

    Attributes:
        expression: the loss, for the head of what is generated.
        kind: of method.
        groups, invariant, parameters: names; ``invariant`` are the groups with proved scale invariance.
        scalars: names of the scalar data.
        noises: what a step draws.
        axes: what happens per coordinate.
        at_step: assignments before the coordinates, ``value`` among them.
        parameter_steps: ``((parameter, name of its full gradient, name of its step), ...)``.
    """

    expression: str
    kind: Kind
    groups: tuple[str, ...]
    invariant: tuple[str, ...]
    parameters: tuple[str, ...]
    scalars: tuple[str, ...]
    noises: tuple[Noise, ...]
    axes: tuple[Axis, ...]
    at_step: Assignments
    parameter_steps: tuple[tuple[str, str, str], ...]

    @property
    def carried(self) -> tuple[str, ...]:
        """Names of the sums that one step hands to the next."""
        return tuple(name for axis in self.axes for name, _ in axis.sums)

    @property
    def targets(self) -> tuple[str, ...]:
        """What has a learning rate."""
        return (*self.groups, *self.parameters)

    @property
    def coefficients(self) -> tuple[tuple[str, str], ...]:
        """``((coefficient, target), ...)`` that a step reads, each a number a step."""
        return self.kind.coefficients(self.targets, self.invariant)

    @property
    def followed(self) -> str:
        """Letter of the gradient that a step follows: of the full loss or of the sample."""
        return "s" if self.kind.sampled else "f"

    @property
    def squares(self) -> tuple[str, ...]:
        """What is summed over the coordinates of every group beside the sums of the next step: ``full2`` the squares
        of ``f_G``, ``step2`` of the step over its rate where that is not ``full2``, ``sample2`` of ``s_G`` where that
        is neither."""
        sampled, plain = self.kind.sampled, self.kind.plain
        apart = {"step2": sampled or not plain, "sample2": sampled and not plain}
        return ("full2", *(name for name, wanted in apart.items() if wanted))

    @property
    def step2(self) -> str:
        """Which of the squares is that of the step over its rate."""
        return "step2" if "step2" in self.squares else "full2"

    @property
    def followed2(self) -> str:
        """Which of the squares is that of the gradient that a step follows."""
        return "sample2" if "sample2" in self.squares else "step2" if self.kind.sampled else "full2"

    def move(self, target: str, gradient: sympy.Expr, weight: sympy.Expr, velocity: sympy.Expr) -> Assignments:
        """From a gradient to the direction of the step, the last one assigned: ``u = gradient + decay weight``, then
        ``velocity = momentum velocity + u``."""
        found = []
        if self.kind.decay:
            found.append((f"u_{target}", gradient + _symbol(f"{DECAY}_{target}") * weight))
            gradient = _symbol(f"u_{target}")
        if self.kind.momentum:
            found.append((str(velocity), _symbol(f"{MOMENTUM}_{target}") * velocity + gradient))
        return tuple(found)

    @property
    def data(self) -> tuple[str, ...]:
        """All data that a step reads: per coordinate first, then scalars."""
        return (*(n for axis in self.axes for n in axis.data), *self.scalars)

    @property
    def slots(self) -> tuple[str, ...]:
        """The scalars of a replica that survive between two calls of a kernel."""
        travelled = (f"travelled_{g}" for g in self.groups)
        return (
            "lowest",
            "summed",
            "diverged",
            "swallowed",
            *travelled,
            *(f"velocity_{p}" for p in self.parameters if self.kind.momentum),
            *(f"p_{p}" for p in self.parameters),
            *self.carried,
        )

    @property
    def fields(self) -> tuple[str, ...]:
        """What a record holds, in the order of :class:`bn_theory.engines.problem.Trajectory`."""
        per_group = [f"{name}_{g}" for name in ("norm2", "travelled", self.followed2) for g in self.groups]
        return ("value", "grad_norm2", "lowest", "summed", *per_group, *(f"was_{p}" for p in self.parameters))

    @property
    def grad_norm2(self) -> sympy.Expr:
        """The squared gradient norm of the full loss at unit norm; ``full2_G`` is the sum of the ``f_G**2``."""
        found = sympy.Integer(0)
        for g in self.groups:
            at_unit_norm = _symbol(f"norm2_{g}") if g in self.invariant else 1
            found += _symbol(f"full2_{g}") * at_unit_norm
        return found + sum(_symbol(full) ** 2 for _, full, _ in self.parameter_steps)


def lower(loss, kind: Kind) -> Program:
    """The program of a separable loss under a kind of method (cached).

    Without scale-invariant groups there is nothing to project or to rescale.
    """
    invariant = bool(loss.scale_invariant_groups)
    kind = replace(kind, projected=kind.projected and invariant, rescaling=kind.rescaling and invariant)
    d = loss.derivatives
    tables = (d.sums, d.coefficients, d.full, d.sample, d.parameter_full, d.parameter_sample)
    return _lower(
        loss.expression,
        d.value,
        tuple(tuple(table.items()) for table in tables),
        tuple(loss.symbols.items()),
        loss.reduced.axes,
        loss.scale_invariant_groups,
        kind,
    )


def _symbol(name):
    return sympy.Symbol(name, real=True)


@lru_cache(maxsize=256)
def _lower(expression, value, tables, symbols, axes_of_names, invariant, kind):
    sums, coefficients, full, sample, parameter_full, parameter_sample = map(dict, tables)
    symbols = dict(symbols)
    groups, data, parameters = (
        [n for n, s in symbols.items() if isinstance(s, kind)] for kind in (Weights, Data, Parameter)
    )
    noises = [n for n, s in symbols.items() if not isinstance(s, (Weights, Data, Parameter))]
    axis_of = {name: i for i, names in enumerate(axes_of_names) for name in names}

    # Plain names, by when a value is read: before the step, and for the sums of the next one.
    before = {symbols[n]: _symbol(f"{letter}_{n}") for letter, ns in (("x", groups), ("d", data)) for n in ns}
    after = before | {symbols[p]: _symbol(f"p_{p}") for p in parameters}
    after |= {symbols[n]: _symbol(f"y_{n}") for n in noises}
    before |= {symbols[p]: _symbol(f"was_{p}") for p in parameters}
    before |= {symbols[n]: _symbol(f"z_{n}") for n in noises}

    sampled = kind.sampled
    silent = set() if sampled else {symbols[n] for n in noises}
    heard = {s: e for s, e in sums.items() if not e.free_symbols & silent}
    increments, names = _increments(heard, after, symbols, groups, axis_of)
    before |= names

    at_step = {"value": value.xreplace(before)}
    scalar = {c: e.xreplace(before) for c, e in coefficients.items()}
    steps = []
    for p in parameters:
        at_step[f"full_{p}"] = parameter_full[p].xreplace(scalar).xreplace(before)
        step = f"full_{p}"
        if sampled and parameter_sample[p].xreplace(scalar) != parameter_full[p].xreplace(scalar):
            step = f"step_{p}"
            at_step[step] = parameter_sample[p].xreplace(scalar).xreplace(before)
        steps.append((p, f"full_{p}", step))

    coordinate = {_symbol(f"{letter}_{n}") for letter, ns in (("x", groups), ("z", noises)) for n in ns}
    coordinate |= {_symbol(f"d_{n}") for n in data if n in axis_of}
    outside = {}
    slopes = []
    for members in axes_of_names:
        own = [g for g in groups if g in members]
        kinds = (("f", full), ("s", sample))[: 2 if sampled else 1]
        named = {f"{letter}_{g}": gradient[g].xreplace(before) for letter, gradient in kinds for g in own}
        slopes.append(
            {n: _taken_out(slope, coordinate, scalar, outside, _symbol(f"x_{n[2:]}")) for n, slope in named.items()}
        )
    at_step |= {name: e for e, name in outside.items()}
    used = {s.name for e in at_step.values() for s in e.free_symbols}

    axes = []
    for i, members in enumerate(axes_of_names):
        own = tuple(g for g in groups if g in members)
        # A sum whose derivative is a constant may be asked for by nothing.
        wanted = {n: e for n, (axis, e) in increments.items() if axis == i and (n in used or n.startswith("norm2_"))}
        common, terms = _shared(wanted, f"e{i}_")
        gradients = sum(_shared(slopes[i], f"g{i}_"), ())
        inside = {s.name for _, e in (*gradients, *common, *terms) for s in e.free_symbols}
        read = tuple(n for n in data if n in members and f"d_{n}" in inside)
        axes.append(Axis(own, read, gradients, common, terms))
        used |= inside
    drawn = [Noise(n, stream, isinstance(symbols[n], RademacherNoise), axis_of[n]) for stream, n in enumerate(noises)]
    return Program(
        str(expression),
        kind,
        tuple(groups),
        tuple(invariant),
        tuple(parameters),
        tuple(n for n in data if n not in axis_of and f"d_{n}" in used),
        tuple(drawn) if sampled else (),
        tuple(axes),
        sum(_shared(at_step, "c"), ()),
        tuple(steps),
    )


def _increments(sums, after, symbols, groups, axis_of):
    """``{name: (axis, increment)}`` of every sum and squared norm, and ``{symbol of a sum: symbol of its name}``.

    A sum that is a squared norm (most losses have it) is not summed twice.
    """
    found = {f"norm2_{g}": (axis_of[g], _symbol(f"x_{g}") ** 2) for g in groups}
    known = {e: name for name, (_, e) in found.items()}
    names = {}
    for s, e in sums.items():
        # Every sum mentions a weight or noise, whose axis is the sum's.
        axis = next(axis_of[n] for n, symbol in symbols.items() if n in axis_of and symbol in e.free_symbols)
        e = e.xreplace(after)
        name = known.setdefault(e, s.name)
        found.setdefault(name, (axis, e))
        names[s] = _symbol(name)
    return found, names


def _taken_out(slope, coordinate, scalar, outside, x):
    """A slope with every factor that is the same for all coordinates under one name, and few multiplications.

    Args:
        slope: in coefficient symbols and per-coordinate symbols.
        coordinate: the per-coordinate symbols.
        scalar: ``{coefficient symbol: expression once a step}``.
        outside: ``{expression once a step: name}``, added to.
        x: the group's coordinate.
    """
    collected: dict[sympy.Expr, sympy.Expr] = {}
    for term in sympy.Add.make_args(sympy.expand(slope, power_base=False, power_exp=False, log=False)):
        same, varying = term.as_independent(*coordinate, as_Add=False)
        collected[varying] = collected.get(varying, sympy.Integer(0)) + same.xreplace(scalar)
    terms = []
    for varying, same in collected.items():
        if same == 0:
            continue
        if not same.is_number:
            same = _symbol(outside.setdefault(same, f"h_{len(outside)}"))
        terms.append(same * varying)
    result = sympy.Add(*terms)
    used = [x, *sorted((result.free_symbols & coordinate) - {x}, key=str)]
    # Horner's scheme turns a sum of products into fused multiply-adds; it needs a polynomial.
    return sympy.horner(result, wrt=used) if result.is_polynomial(*used) and result.has(x) else result


def _shared(named, prefix):
    """Common subexpressions of ``{name: expression}`` once, as assignments: ``(common, named)``."""
    common, reduced = sympy.cse(
        list(named.values()), symbols=(_symbol(f"{prefix}{i}") for i in range(10**9)), order="canonical", list=True
    )
    # One product of two names is free inside a fused multiply-add; kept apart it costs an instruction.
    free = {}
    kept = []
    for s, e in common:
        e = e.xreplace(free)
        if e.is_Mul and len(e.args) == 2 and all(a.is_Symbol for a in e.args):
            free[s] = e
        else:
            kept.append((s.name, e))
    return tuple(kept), tuple((name, e.xreplace(free)) for name, e in zip(named, reduced, strict=True))


def one_division(assignments: Assignments) -> Assignments:
    """The same with one division (and root) per base: its other negative powers are products of that one.

    Fewer instructions where divisions are slow, as on a GPU; a longer chain of them where nothing else is to be done
    meanwhile, as on a CPU with few coordinates.
    """
    assigned = {name for name, _ in assignments}
    powers: dict[sympy.Expr, set] = {}
    for _, e in assignments:
        for power in e.atoms(sympy.Pow):
            base = power.base
            given = not base.is_number and not assigned & {s.name for s in base.free_symbols}
            if given and cheap_power(power.exp) and power.exp < 0:
                powers.setdefault(base, set()).add(power.exp)
    found, replaced = [], {}
    for base in sorted(powers, key=sympy.default_sort_key):
        unit = sympy.Rational(-1, max(q.q for q in powers[base]))
        if powers[base] == {unit}:
            continue
        one, square = (_symbol(f"r_{len(found) // 2}{end}") for end in ("", "_2"))
        found += [(one.name, base**unit), (square.name, one**2)]
        replaced |= {base**q: square ** (q / unit // 2) * one ** (q / unit % 2) for q in powers[base]}
    return (*found, *((name, e.xreplace(replaced)) for name, e in assignments))
