"""One step of GD and SGD, with momentum, decay, projection or a change of units, in an array-API namespace.

The law of :mod:`bn_theory.dynamics.methods`, written once for arrays.

Pure functions of arrays, without a branch on a number: they run anywhere, and can be captured into a CUDA graph.
A run is ``begin``, then ``measure`` and ``diverging`` at every step, with ``advance`` between one step and the next.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from bn_theory.dynamics.methods import DECAY, MOMENTUM, RATE, RESCALING


class Carried(NamedTuple):
    """What goes from one step to the next.

    Attributes:
        state: ``{name: array}``, groups ``(cases, replicas, d)``, parameters ``(cases, replicas)``.
        smallest, grad_sum: minimum and sum of ``grad_norm2`` over all steps before.
        step_sum: ``{group: sum of the squared steps before}``.
        velocity: momentum buffers, ``{name: array}`` as ``state``; empty without momentum.
    """

    state: dict[str, Any]
    smallest: Any
    grad_sum: Any
    step_sum: dict[str, Any]
    velocity: dict[str, Any]


class Measured(NamedTuple):
    """What a step finds at its state.

    Attributes:
        value: full loss.
        grad_norm2: squared norm of its gradient at unit-norm directions.
        norm2: ``{group: |w|^2}``.
        gradient: ``{name: array}`` that the step follows.
        gradient2: ``{group: its squared norm}``.
    """

    value: Any
    grad_norm2: Any
    norm2: dict[str, Any]
    gradient: dict[str, Any]
    gradient2: dict[str, Any]


def begin(xp, loss, method, state) -> Carried:
    """Before the first step; ``state`` is kept, not copied, and no two arrays share their memory."""
    like = next(iter(state.values()))
    zero = xp.zeros_like(like[..., 0] if like.ndim == 3 else like)
    velocity = {name: xp.zeros_like(array) for name, array in state.items() if method.kind.momentum}
    return Carried(state, zero + float("inf"), zero, {g: xp.zeros_like(zero) for g in loss.groups}, velocity)


def measure(xp, loss, method, state, sample) -> Measured:
    """Evaluate the loss and its gradients at a state; ``sample`` is ``None`` for GD."""
    value, full, sampled = loss.evaluate(state, sample)
    norm2 = {g: _square(xp, state[g]) for g in loss.groups}
    # At unit norm: grad L(v) = |w| grad L(w) for a scale-invariant group; anything else counts as it is.
    invariant = loss.scale_invariant_groups
    grad_norm2 = sum(_square(xp, full[g]) * (norm2[g] if g in invariant else 1.0) for g in loss.groups)
    grad_norm2 = grad_norm2 + sum(full[p] ** 2 for p in loss.parameters)
    gradient = sampled if method.sampled else full
    return Measured(value, grad_norm2, norm2, gradient, {g: _square(xp, gradient[g]) for g in loss.groups})


def diverging(xp, diverged, measured: Measured, t):
    """``diverged`` with ``t`` where this step's numbers are the first that are not finite."""
    total = measured.value + measured.grad_norm2 + sum(measured.norm2.values())
    return xp.where((diverged < 0) & ~xp.isfinite(total), t, diverged)


def advance(xp, loss, method, carried: Carried, measured: Measured, numbers) -> Carried:
    """Take the step; ``numbers`` is ``{(coefficient, name): array (cases or 1, 1)}`` of ``Kind.coefficients``."""
    state, step_sum, velocity = {}, {}, {}
    for name, old in carried.state.items():
        weights = name not in loss.parameters
        number = {c: value[..., None] if weights else value for (c, target), value in numbers.items() if target == name}
        direction = measured.gradient[name]
        if DECAY in number:
            direction = direction + number[DECAY] * old
        if MOMENTUM in number:
            direction = velocity[name] = number[MOMENTUM] * carried.velocity[name] + direction
        state[name] = old - number[RATE] * direction
        if weights:
            step_sum[name] = carried.step_sum[name] + numbers[RATE, name] ** 2 * _square(xp, direction)
        if method.projected and name in loss.scale_invariant_groups:
            state[name] = state[name] * xp.sqrt(measured.norm2[name] / _square(xp, state[name]))[..., None]
        if RESCALING in number:
            state[name] = state[name] * number[RESCALING]
            if MOMENTUM in number:
                velocity[name] = velocity[name] * (1 / number[RESCALING])
    found, smallest = measured.grad_norm2, carried.smallest
    smallest = xp.where(found < smallest, found, smallest)  # not minimum: a NaN must not enter
    return Carried(state, smallest, carried.grad_sum + found, step_sum, velocity)


def recorded(loss, carried: Carried, measured: Measured) -> list:
    """What a record holds, in the order of :func:`records_of`."""
    scalars = [measured.value, measured.grad_norm2, carried.smallest, carried.grad_sum]
    groups = [of[g] for of in (measured.norm2, carried.step_sum, measured.gradient2) for g in loss.groups]
    return scalars + groups + [carried.state[p] for p in loss.parameters]


def records_of(loss, out) -> list:
    """The arrays ``(cases, replicas, records)`` of a ``Trajectory`` that hold what :func:`recorded` lists."""
    scalars = [out.loss, out.grad_norm2, out.min_grad_norm2, out.sum_grad_norm2]
    groups = [of[..., i] for of in (out.norm2, out.sum_step2, out.step_grad2) for i in range(len(loss.groups))]
    return scalars + groups + [out.parameters[..., i] for i in range(len(loss.parameters))]


def _square(xp, x):
    return xp.sum(x * x, axis=-1)
