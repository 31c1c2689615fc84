"""The law written as a plain loop, and how far rounding may carry an engine away from it.

Running error analysis bounds one step, and the product of the steps' Jacobians carries every step's rounding to the
end.
"""

import numpy as np

import bn_theory as bn
from bn_theory.dynamics.methods import DECAY, MOMENTUM, RATE, RESCALING

EPS = np.finfo(float).eps
SEED, REPLICAS = 2**32 + 3, (0, 5)


def names(loss):
    return (*loss.groups, *loss.parameters)


def buffer(name):
    """The name of a momentum buffer among the states."""
    return f"buffer of {name}"


def numbers(loss, method, first, last):
    """The coefficients of some steps, ``{(coefficient, name): (steps, cases or 1, 1)}``; as arrays that broadcast with
    the coordinates of a group, ``(steps, cases or 1, 1, 1)``."""
    found = {}
    for (c, name), schedule in method.coefficients(loss).items():
        values = np.moveaxis(schedule.values(first, last), 0, 1)[..., None]
        found[c, name] = values[..., None] if name in loss.groups else values
    return found


def with_buffers(loss, method, start):
    """A start with its empty momentum buffers."""
    return start | {buffer(n): np.zeros_like(start[n]) for n in names(loss) if method.kind.momentum}


def direction(loss, method, state, gradient, eta, of=lambda x: x):
    """What a step follows for every name, and the new momentum buffers; ``of`` makes numbers of arrays."""
    followed, buffers = {}, {}
    for n in names(loss):
        followed[n] = gradient[n]
        if (DECAY, n) in eta:
            followed[n] = followed[n] + of(eta[DECAY, n]) * of(state[n])
        if (MOMENTUM, n) in eta:
            followed[n] = buffers[n] = of(eta[MOMENTUM, n]) * of(state[buffer(n)]) + followed[n]
    return followed, buffers


def draws(loss, method, first, last):
    """The samples of some steps, ``{name: (steps, 1, replicas, d)}``."""
    if not method.sampled:
        return None
    each = [loss.draw(SEED, np.array(REPLICAS), t) for t in range(first, last)]
    return {n: np.stack([e[n] for e in each])[:, None] for n in loss.noises}


def step(loss, method, state, sample, eta):
    """One update of plain arrays; leading axes of any shape."""
    _, full, sampled = loss.evaluate(state, sample)
    gradient = sampled if method.sampled else full
    followed, buffers = direction(loss, method, state, gradient, eta)
    new = {n: state[n] - eta[RATE, n] * followed[n] for n in names(loss)}
    for n in names(loss):
        if method.projected and n in loss.scale_invariant_groups:
            old2, new2 = np.sum(state[n] ** 2, -1), np.sum(new[n] ** 2, -1)
            new[n] = new[n] * np.sqrt(old2 / new2)[..., None]
        if (RESCALING, n) in eta:
            new[n] = eta[RESCALING, n] * new[n]
            if n in buffers:
                buffers[n] = buffers[n] / eta[RESCALING, n]
    return new | {buffer(n): b for n, b in buffers.items()}


def trajectory(loss, method, start, steps):
    """All states ``(steps + 1, cases, replicas, ...)`` of the oracle."""
    states = [with_buffers(loss, method, start)]
    samples = draws(loss, method, 0, steps)
    for t in range(steps):
        sample = None if samples is None else {n: z[t] for n, z in samples.items()}
        eta = {c: values[0] for c, values in numbers(loss, method, t, t + 1).items()}
        states.append(step(loss, method, states[-1], sample, eta))
    return {n: np.stack([s[n] for s in states]) for n in states[0]}


def one_step_bounds(loss, method, states, samples, eta, rounding):
    """How far two evaluations of every step may lie apart, ``{name: (steps, cases, replicas, ...)}``.

    Returns:
        ``(value, full, gradient, bounds)``: the loss, its gradient and the one that the step follows as ``Rounded``.
    """
    if samples is not None:  # two libraries' normal numbers: see test_noise_bits
        samples = {
            n: rounding.number(z, 5 * EPS * np.abs(z) if n_is_normal(loss, n) else 0.0) for n, z in samples.items()
        }
    value, full, sampled = rounding.gradient(loss, {n: states[n] for n in names(loss)}, samples)
    gradient = sampled if method.sampled else full
    bounds = {}
    followed, buffers = direction(loss, method, states, gradient, eta, rounding.number)
    for n in names(loss):
        new = rounding.number(states[n]) - rounding.number(eta[RATE, n]) * followed[n]
        if method.projected and n in loss.scale_invariant_groups:
            old = rounding.number(states[n])
            new = new * ((old * old).sum() * (new * new).sum() ** -1).wide() ** 0.5
        if (RESCALING, n) in eta:
            new = rounding.number(eta[RESCALING, n]) * new
            if n in buffers:
                buffers[n] = buffers[n] / rounding.number(eta[RESCALING, n])
        bounds[n] = new.error
    return value, full, gradient, bounds | {buffer(n): b.error for n, b in buffers.items()}


def n_is_normal(loss, name):
    return type(loss.symbols[name]).__name__ == "GaussianNoise"


def flat(loss, states):
    """The state as one vector, a last axis: groups, parameters, and momentum buffers where there are any."""
    groups = [states[n] for n in (*loss.groups, *map(buffer, loss.groups)) if n in states]
    numbers = [states[n][..., None] for n in (*loss.parameters, *map(buffer, loss.parameters)) if n in states]
    pieces = groups + numbers
    return np.concatenate([np.broadcast_to(x, (*pieces[0].shape[:-1], x.shape[-1])) for x in pieces], axis=-1)


def unflat(loss, method, x):
    """The state that :func:`flat` made a vector."""
    states, at = {}, 0
    wanted = (loss.groups, loss.parameters)
    for named in wanted:
        for name in (*named, *(buffer(n) for n in named if method.kind.momentum)):
            d = loss.dimensions.get(name.removeprefix(buffer("")))
            states[name] = x[..., at] if d is None else x[..., at : at + d]
            at += d or 1
    return states


def jacobians(loss, method, states, samples, eta):
    """d(next state)/d(state) of every step by central differences, error about eps**(2/3)."""
    x = flat(loss, states)
    h = EPS ** (1 / 3)
    columns = []
    for i in range(x.shape[-1]):
        shift = np.zeros(x.shape[-1])
        shift[i] = h
        high, low = (flat(loss, step(loss, method, unflat(loss, method, x + s * shift), samples, eta)) for s in (1, -1))
        columns.append((high - low) / (2 * h))
    return np.stack(columns, axis=-1)


def propagated(jacobian, local):
    """Bounds on the distance after every step: sum over s of ``|J_t .. J_{s+1}| e_s`` (Frobenius norms).

    One percent on top covers the differences' error and what is second order in the distances.
    """
    steps, n = jacobian.shape[0], jacobian.shape[-1]
    products = np.empty((0, *jacobian.shape[1:]))
    bounds = [np.zeros(jacobian.shape[1:-2])]
    for t in range(steps):
        products = np.concatenate([jacobian[t] @ products, np.broadcast_to(np.eye(n), (1, *jacobian.shape[1:]))])
        # the identity for the newest error: its norm is 1
        sizes = np.linalg.norm(products, axis=(-2, -1))
        sizes[-1] = 1.0
        bounds.append(1.01 * np.einsum("s...,s...->...", sizes, local[: t + 1]))
    return np.stack(bounds)


def run(loss, method, start, engine, steps, record="all"):
    return bn.run(loss, method, start, steps=steps, replicas=REPLICAS, seed=SEED, engine=engine, record=record)


def by_case(loss, array, cases):
    """A variable of the data set with its case axis put back where it has none: ``(cases, replicas, ...)``."""
    return np.asarray(array) if cases else np.asarray(array)[None]


def bounded(loss, method, start, steps, rounding, unit=EPS):
    """The oracle's states and how far an engine of a unit roundoff may be from each of them.

    Returns:
        ``(states, value, slope, bound)``: states ``{name: (steps + 1, cases, replicas, ...)}``, the full loss with its
        error and the length of its gradient at every step but the last, the bounds ``(steps + 1, cases, replicas)``.
    """
    states = trajectory(loss, method, start, steps)
    before = {n: x[:-1] for n, x in states.items()}
    samples = draws(loss, method, 0, steps)
    eta = numbers(loss, method, 0, steps)
    value, full, _, local = one_step_bounds(loss, method, before, samples, eta, rounding)
    # every error of the analysis is a multiple of float64's unit
    local = np.linalg.norm(flat(loss, local), axis=-1) * (unit / EPS)
    slope = np.linalg.norm(flat(loss, {n: full[n].value for n in names(loss)}), axis=-1)
    return states, value, slope, propagated(jacobians(loss, method, before, samples, eta), local)


def check(loss, result, states, value, slope, bound, unit=EPS):
    """Final states, norms and losses of a run with every step recorded lie within the bound."""
    final = {n: by_case(loss, result[f"final_{n}"], loss.cases) for n in names(loss)}
    expected = {n: states[n][-1] for n in final}
    distance = np.linalg.norm(flat(loss, final) - flat(loss, expected), axis=-1)
    assert np.all(distance <= bound[-1])
    for i, g in enumerate(loss.groups):
        norm2 = result.norm2.isel(group=i) if len(loss.groups) > 1 else result.norm2
        norm2 = np.moveaxis(by_case(loss, norm2, loss.cases), -1, 0)
        exact = np.sum(states[g] ** 2, axis=-1)
        limit = 2 * np.sqrt(exact) * bound + bound**2 + (loss.dimensions[g] + 2) * unit * exact
        assert np.all(np.abs(norm2 - exact) <= limit)
    losses = np.moveaxis(by_case(loss, result.loss, loss.cases), -1, 0)[:-1]
    limit = 1.01 * slope * bound[:-1] + value.error * (unit / EPS)
    assert np.all(np.abs(losses - value.value) <= limit)


def accumulated(loss, method, found, states, value, slope, bound):
    """Minimum, sum and path of a run whose every step is recorded: against its records and the oracle's states."""
    steps, grad = bound.shape[0] - 1, found.grad_norm2.values
    # before the first record there is nothing
    assert np.all(np.isinf(found.min_grad_norm2.values[..., 0])) and np.all(found.sum_grad_norm2.values[..., 0] == 0)
    # The minimum may be that of numbers one rounding away, which a fused multiply-add has spared.
    smallest = np.minimum.accumulate(grad, axis=-1)[..., :-1]
    assert np.all(np.abs(found.min_grad_norm2.values[..., 1:] - smallest) <= 4 * EPS * smallest)
    # t additions of positive numbers, each side
    sums = np.cumsum(grad, axis=-1)[..., :-1]
    assert np.all(np.abs(found.sum_grad_norm2.values[..., 1:] - sums) <= 2 * steps * EPS * sums)
    for i, g in enumerate(loss.groups):
        if (method.projected or method.rescaling) and g in loss.scale_invariant_groups:
            continue  # its steps end before the rescaling, where no state is kept
        length = np.linalg.norm(np.diff(states[g], axis=0), axis=-1)
        # |s'|^2 - |s|^2 for lengths that differ by the bounds at both ends; sums of d and of t terms round.
        away = bound[1:] + bound[:-1]
        limit = np.sum(2 * length * away + away**2, axis=0)
        limit = limit + (loss.dimensions[g] + steps + 4) * EPS * np.sum(length**2, axis=0)
        path = found.sum_step2.isel(group=i) if len(loss.groups) > 1 else found.sum_step2
        path = path.values[..., -1] if loss.cases else path.values[None, ..., -1]
        assert np.all(np.abs(path - np.sum(length**2, axis=0)) <= limit), g
