"""The readable law: every engine must agree with this loop to rounding."""

from __future__ import annotations

import numpy as np

from bn_theory.engines.problem import Problem, Trajectory

TILE = 32
"""Steps whose noise is drawn together: NumPy's cost is per call, and Philox makes hundreds of calls a draw."""


class NumpyEngine:
    """All cases and replicas at once, one step after the other, in plain NumPy."""

    name = "numpy"

    def refuses(self, loss):
        """Runs every loss."""
        return None

    def run(self, problem: Problem) -> Trajectory:
        """Run the problem; see :class:`bn_theory.engines.problem.Trajectory`."""
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # divergence is recorded, not warned of
            return _run(problem)


def _run(problem):
    loss, method, out = problem.loss, problem.method, Trajectory.empty(problem)
    invariant = loss.scale_invariant_groups
    state = {name: array.copy() for name, array in problem.start.items()}
    smallest = np.full(problem.shape, np.inf)
    grad_sum = np.zeros(problem.shape)
    step_sum = {g: np.zeros(problem.shape) for g in loss.groups}
    last = int(problem.records[-1])
    record = 0
    for t in range(last + 1):
        if method.sampled and t % TILE == 0:
            tile = loss.draw(problem.seed, problem.replicas, np.arange(t, t + TILE))
        sample = _at(tile, t % TILE) if method.sampled else None
        value, full, sampled = loss.evaluate(state, sample)
        step = sampled if method.sampled else full
        norm2 = {g: _square(state[g]) for g in loss.groups}
        # At unit norm: grad L(v) = |w| grad L(w) for a scale-invariant group; anything else counts as it is.
        grad_norm2 = sum(_square(full[g]) * (norm2[g] if g in invariant else 1.0) for g in loss.groups)
        grad_norm2 = grad_norm2 + sum(full[p] ** 2 for p in loss.parameters)
        if t == problem.records[record]:
            out.loss[..., record], out.grad_norm2[..., record] = value, grad_norm2
            out.min_grad_norm2[..., record], out.sum_grad_norm2[..., record] = smallest, grad_sum
            for i, g in enumerate(loss.groups):
                out.norm2[..., record, i], out.sum_step2[..., record, i] = norm2[g], step_sum[g]
            for i, p in enumerate(loss.parameters):
                out.parameters[..., record, i] = state[p]
            record += 1
        fresh = (out.diverged < 0) & ~np.isfinite(value + grad_norm2 + sum(norm2.values()))
        out.diverged[fresh] = t
        if t == last:
            break
        smallest = np.fmin(smallest, grad_norm2)
        grad_sum = grad_sum + grad_norm2
        for name in state:
            lr = method.schedule(name).values(t, t + 1)  # (cases or 1, 1)
            if name in loss.parameters:
                state[name] = state[name] - lr * step[name]
                continue
            state[name] = state[name] - lr[..., None] * step[name]
            step_sum[name] = step_sum[name] + lr**2 * _square(step[name])
            if method.projected and name in invariant:
                state[name] *= np.sqrt(norm2[name] / _square(state[name]))[..., None]
        problem.advance(1)
    out.final.update(state)
    return out


def _at(tile, k):
    return {name: z[k] for name, z in tile.items()} if isinstance(tile, dict) else tile[k]


def _square(x):
    return np.sum(x * x, axis=-1)
