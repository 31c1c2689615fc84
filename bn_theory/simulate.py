"""``run``: a loss and a method in, a labelled data set of records out."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import xarray as xr

from bn_theory.dynamics.methods import WORDS, Method
from bn_theory.engines import choose
from bn_theory.engines.problem import Problem, Trajectory
from bn_theory.engines.single_precision import check_range, check_run, check_start
from bn_theory.errors import DeviceError, DivergedError, InvalidInputError
from bn_theory.losses import philox
from bn_theory.losses.array_loss import ArrayLoss
from bn_theory.losses.checks import start_array
from bn_theory.progress import progress_bar
from bn_theory.provenance import environment

LOG_RECORDS_PER_DECADE = 20
DTYPES = ("float64", "float32")
_DENSE = 64  # records at most this far apart share a call of their schedule: an unused rate is cheaper than a call
_RATES = 2**16  # rates held at once per case beyond those that are kept


def run(
    loss,
    method,
    start=None,
    *,
    steps,
    replicas=1,
    seed=0,
    record="log",
    engine="auto",
    dtype="float64",
    progress=None,
) -> xr.Dataset:
    """Run a method on a loss for all cases and replicas and return what was recorded.

    Step 0 is the start; ``steps`` updates lead to step ``steps``. Variables (all dimensionless), with
    dims ``(replica, step)``, before them ``case`` where the data or rates have one, after them ``group``
    where there are several groups of weights:

    ``loss``            full loss (noise at its mean, zero)
    ``grad_norm2``      ``sum_i |grad_i L(V; g)|^2 + |grad_g L|^2`` of the full loss at unit-norm directions;
                        a group for which scale invariance is not proved counts as it is
    ``norm2``           ``|w|^2``
    ``effective_lr``    ``eta_t / |w_t|^2`` (with momentum gamma the step is up to ``1/(1 - gamma)`` times that)
    ``min_grad_norm2``, ``sum_grad_norm2``  over **all** steps before the record (inf and 0 at step 0)
    ``sum_step2``       ``sum |w_{s+1} - w_s|^2`` over all steps before the record (before projection or rescaling)
    ``step_grad2``      ``|g_t|^2`` of the gradient that step ``t`` follows (the sample's for SGD), at ``w_t`` itself,
                        without decay
    ``parameters``      values of the scalar parameters (dim ``parameter``), where there are any
    ``final_NAME``      state after the last step

    Args:
        loss: a ``Loss`` or ``ArrayLoss``.
        method: ``bn.GD(...)`` or ``bn.SGD(...)``.
        start: ``None`` for the loss's own start or a seeded random point of unit norm per replica; an array
            ``(d,)`` shared by all replicas, ``(replicas, d)`` or ``(cases, replicas, d)``; with several
            groups or with parameters ``{name: array}``, parameters as numbers, ``(replicas,)`` or
            ``(cases, replicas)``.
        steps: number of updates, >= 1.
        replicas: how many (numbered from 0), or a sequence of replica numbers: number 17 run alone is
            number 17 of 256, bit for bit.
        seed: 0 <= seed < 2**64, of the noise and of random starts.
        record: ``"log"``, ``"all"`` or a sequence of step numbers within ``0 .. steps``.
        engine: ``"auto"``, ``"cupy"`` (a GPU), ``"numba"`` or ``"numpy"``; ``"cupy-thread"`` and ``"cupy-block"``
            are the GPU engine with the kernel of that kind whatever the size.
        dtype: ``"float64"``, or ``"float32"`` on the GPU: weights, data, rates and sums over coordinates in single
            precision (unit roundoff 6e-8), what is accumulated over the steps in double. A step errs by the same
            number of roundings as in double precision, each 5e8 times larger.
        progress: ``True``, ``False``, or ``None`` for a bar on long runs in a terminal.

    Returns:
        ``xarray.Dataset`` whose attributes name versions, loss, method, seed (as text from 2**63 on, which files
        cannot hold as a number), engine and processor.

    Raises:
        DivergedError: a replica left the finite numbers; the data set with every record is attached.
        DeviceError: no GPU, or it failed; for a loss in the language what was recorded before is attached.
        DeviceMemoryError: it is too small; for a loss in the language the message names how many replicas fit.
        RoundingFloorError: rounding swallowed a whole step of a float32 run; the data set is attached.
        InvalidInputError: an argument that cannot be used.
        UnknownNameError: an engine that does not exist.

    >>> import bn_theory as bn
    >>> result = bn.run(bn.rayleigh([0.0, 1.0]), bn.GD(lr=0.5), start=[1.0, 1.0], steps=100)
    >>> bool(result.grad_norm2[0, -1] < 1e-20), bool(result.norm2[0, -1] > 2.0)
    (True, True)
    """
    steps = _whole("steps", steps, 1)
    seed = _whole("seed", seed, 0)
    if seed >= 2**64:
        raise InvalidInputError(f"seed must be below 2**64, not {seed}")
    if steps >= 2**47:
        raise InvalidInputError(f"steps must be below 2**47, not {steps}")
    if not isinstance(method, Method):
        raise InvalidInputError(f"method must come from bn.GD(...) or bn.SGD(...), not {method!r}")
    if not all(hasattr(loss, name) for name in ("groups", "parameters", "evaluate", "draw")):
        raise InvalidInputError(f"loss must be a bn.Loss or bn.ArrayLoss, not {loss!r}")
    method.check((*loss.groups, *loss.parameters), loss.scale_invariant_groups, steps)
    replica_ids = _replicas(replicas)
    records, wanted = _records(record, steps)
    cases = _cases(loss, method, start)
    states, loss = _starts(loss, start, cases or 1, replica_ids, seed)
    if dtype not in DTYPES:
        raise InvalidInputError(f"dtype must be {' or '.join(map(repr, DTYPES))}, not {dtype!r}")
    runner = choose(engine, loss, dtype)
    if isinstance(loss, ArrayLoss):
        loss.check(states, loss.draw(seed, replica_ids, 0) if method.sampled else None)
    if dtype == "float32":
        check_range(loss, states, method)
        check_start(loss, method, states, seed, replica_ids)
    with progress_bar(progress, steps, f"{method.name}") as advance:
        problem = Problem(loss, method, states, replica_ids, seed, records, advance, dtype)
        try:
            trajectory = runner.run(problem)
        except DeviceError as error:
            if error.trajectory is not None:
                error.dataset = _dataset(problem, error.trajectory, cases, runner.name, wanted)
            raise
    dataset = _dataset(problem, trajectory, cases, runner.name, wanted)
    if np.any(trajectory.diverged >= 0):
        _raise_diverged(trajectory, replica_ids, cases, dataset)
    if dtype == "float32":
        check_run(problem, trajectory, dataset)
    return dataset


def _whole(name, value, least):
    if isinstance(value, bool) or (not isinstance(value, (int, np.integer)) and not _integral_float(value)):
        raise InvalidInputError(f"{name} must be a whole number, not {value!r}")
    if value < least:
        raise InvalidInputError(f"{name} must be at least {least}, not {value!r}")
    return int(value)


def _integral_float(value):
    return isinstance(value, float) and value.is_integer()


def _replicas(replicas):
    if np.ndim(replicas) == 0:
        return np.arange(_whole("replicas", replicas, 1), dtype=np.int64)
    ids = np.array([_whole("a replica number", r, 0) for r in replicas], dtype=np.int64)
    if ids.size == 0 or len(np.unique(ids)) != ids.size or ids.max() >= 2**32:
        raise InvalidInputError(f"replica numbers must be distinct and below 2**32, not {list(replicas)}")
    return ids


def _records(record, steps):
    """Step numbers for the engine (the last step included) and which of them to keep."""
    if isinstance(record, str):
        if record == "all":
            chosen = np.arange(steps + 1)
        elif record == "log":
            count = int(np.ceil(LOG_RECORDS_PER_DECADE * np.log10(max(steps, 2)))) + 1
            chosen = np.unique(np.r_[0, np.round(np.geomspace(1, steps, count)).astype(np.int64)])
        else:
            raise InvalidInputError(f"record must be 'log', 'all' or step numbers, not {record!r}")
    else:
        try:
            chosen = np.asarray(record, dtype=np.float64)  # exact below 2**53, and steps are below 2**47
        except (TypeError, ValueError) as error:
            raise InvalidInputError(f"record must be a sequence of whole step numbers, not {record!r}") from error
        if chosen.ndim != 1 or chosen.size == 0 or not np.all(np.isfinite(chosen) & (chosen == np.floor(chosen))):
            raise InvalidInputError(f"record must be a sequence of whole step numbers, not {record!r}")
        chosen = np.unique(chosen.astype(np.int64))
        outside = chosen[(chosen < 0) | (chosen > steps)]
        if outside.size:
            raise InvalidInputError(f"record step {outside[0]} is outside of the run's 0 .. {steps}")
    records = np.unique(np.r_[chosen, steps]).astype(np.int64)
    return records, np.isin(records, chosen)


def _cases(loss, method, start):
    found = {"the data": loss.cases}
    for target in (*loss.groups, *loss.parameters):
        found[f"the learning rate of {target}"] = method.schedule(target).cases
    for name, target, schedule in method.given:
        found[f"{WORDS[name]} of {target or 'everything'}"] = schedule.cases
    given = start if isinstance(start, dict) else {} if start is None else dict.fromkeys(loss.groups[:1], start)
    # The start given here has an axis of replicas, the loss's own does not.
    for own, starts in ((False, given), (True, {k: v for k, v in loss.start.items() if k not in given})):
        for name, value in starts.items():
            shape = start_array(name, value).shape
            if len(shape) == (name in loss.groups) + (1 if own else 2):
                found[f"the start of {name}"] = shape[0]
    known = {k: v for k, v in found.items() if v is not None}
    known = {k: v for k, v in known.items() if not (k.startswith("the start") and v == 1)}
    if len(set(known.values())) > 1:
        raise InvalidInputError("the case axes differ in length: " + ", ".join(f"{k} {v}" for k, v in known.items()))
    return next(iter(known.values()), None)


def _starts(loss, start, cases, replica_ids, seed):
    """Checked copies of shape (cases, replicas, d) or (cases, replicas), and the loss with its sizes known."""
    names = (*loss.groups, *loss.parameters)
    if start is None:
        start = {}
    elif not isinstance(start, dict):
        if len(loss.groups) > 1:
            raise InvalidInputError(f"with several groups give start={{name: array}} for {', '.join(names)}")
        start = {loss.groups[0]: start}
    unknown = set(start) - set(names)
    if unknown:
        raise InvalidInputError(f"start for {sorted(unknown)}, but the loss has {list(names)}")
    replicas = len(replica_ids)
    states = {}
    start = {name: start_array(name, value) for name, value in start.items()}
    # Groups that share coordinates share their size: one start is enough to know it.
    known = loss.start | start
    told = {g: known[g].shape[-1] for g in loss.groups if loss.dimensions[g] is None and np.ndim(known.get(g)) > 0}
    if told:
        loss = loss.sized(told)
    for stream, name in enumerate(loss.groups):
        d = loss.dimensions[name]
        if name in start:
            value = start[name]
            if value.ndim == 2 and value.shape[0] != replicas and value.shape[0] == cases:
                raise InvalidInputError(
                    f"start of {name!r} has shape {value.shape}, read as (replicas, d); for one start per case give "
                    "shape (cases, 1, d)"
                )
        elif name in loss.start:
            value = loss.start[name]
            value = value[:, None, :] if value.ndim == 2 else value
        elif d is None:
            raise InvalidInputError(
                f"the size of {name!r} is unknown, no data or start share its coordinates; give start="
            )
        else:
            value = philox.unit_starts(seed, replica_ids, d, stream)
        if value.ndim == 0:
            raise InvalidInputError(f"start of {name!r} has shape (), one number; give an array of shape (d,)")
        if d is not None and value.shape[-1] != d:
            raise InvalidInputError(f"start of {name!r} has shape {value.shape}, but the data have {d} coordinates")
        states[name] = _broadcast(name, value, (cases, replicas, value.shape[-1]))
        _check_length(name, states[name], name in loss.scale_invariant_groups)
    for name in loss.parameters:
        value = np.asarray(known.get(name, 1.0))
        if name not in start and value.ndim == 1:
            value = value[:, None]
        states[name] = _broadcast(name, value, (cases, replicas))
    return states, loss.sized({name: states[name].shape[-1] for name in loss.groups})


def _check_length(name, value, invariant):
    """Lengths that are in range by themselves may leave float64 when they are squared."""
    largest = np.max(np.abs(value), axis=-1)
    if invariant and not np.all(largest > 0):
        raise InvalidInputError(f"start of {name!r} is zero: a scale-invariant loss has no value there")
    with np.errstate(over="ignore", under="ignore"):
        norm2 = np.sum(value * value, axis=-1)
    outside = ~np.isfinite(norm2) | (invariant & (norm2 < np.finfo(float).tiny))
    if np.any(outside):
        raise InvalidInputError(
            f"start of {name!r} has an entry of size {largest[outside][0]}, and |{name}|^2 leaves the range of "
            "float64; start nearer to norm 1"
        )


def _broadcast(name, value, shape):
    try:
        return np.array(np.broadcast_to(value, shape), order="C")
    except ValueError as error:
        raise InvalidInputError(f"start of {name!r} has shape {value.shape}, which does not fit {shape}") from error


def _dataset(problem, trajectory: Trajectory, cases, engine, wanted):
    loss, records = problem.loss, problem.records
    dead = (trajectory.diverged[..., None] >= 0) & (records >= trajectory.diverged[..., None])
    variables = {}
    for name in ("loss", "grad_norm2", "min_grad_norm2", "sum_grad_norm2"):
        variables[name] = (("case", "replica", "step"), np.where(dead, np.nan, getattr(trajectory, name)))
    for name in ("norm2", "sum_step2", "step_grad2"):
        array = np.where(dead[..., None], np.nan, getattr(trajectory, name))
        variables[name] = (("case", "replica", "step", "group"), array)
    shape = (problem.shape[0], len(records))
    rates = [np.broadcast_to(_rates_at(problem.method.schedule(g), records), shape) for g in loss.groups]
    rates = np.stack(rates, axis=-1)
    with np.errstate(divide="ignore"):
        effective = rates[:, None] / variables["norm2"][1]
    variables["effective_lr"] = (("case", "replica", "step", "group"), effective)
    if loss.parameters:
        array = np.where(dead[..., None], np.nan, trajectory.parameters)
        variables["parameters"] = (("case", "replica", "step", "parameter"), array)
    for name, array in trajectory.final.items():
        dims = ("case", "replica", f"{name}_coordinate")[: array.ndim]
        variables[f"final_{name}"] = (dims, array)
    coordinates = {
        "case": np.arange(problem.shape[0]),
        "replica": problem.replicas,
        "step": records,
        "group": list(loss.groups),
    }
    if loss.parameters:
        coordinates["parameter"] = list(loss.parameters)
    attributes = _attributes(problem, engine) | trajectory.notes
    dataset = xr.Dataset(variables, coordinates, attributes).isel(step=wanted)
    if cases is None:
        dataset = dataset.isel(case=0, drop=True)
    if len(loss.groups) == 1:
        dataset = dataset.isel(group=0, drop=True)
    return dataset


def _rates_at(schedule, records):
    """Rates of the records, asked for in ranges where records lie close and one by one where they do not."""
    cuts = np.flatnonzero((np.diff(records) > _DENSE) | (np.diff(records // _RATES) > 0)) + 1
    pieces = [schedule.values(int(near[0]), int(near[-1]) + 1)[:, near - near[0]] for near in np.split(records, cuts)]
    return np.concatenate(pieces, axis=1)


def _attributes(problem, engine):
    return environment() | {
        "loss": problem.loss.name,
        "expression": _text(getattr(problem.loss, "expression", "array functions")),
        "method": problem.method.name,
        "seed": problem.seed if problem.seed < 2**63 else str(problem.seed),  # netCDF has no larger integers
        "engine": engine,
        "steps": int(problem.records[-1]),
        "dtype": problem.dtype,
    }


@lru_cache(maxsize=256)
def _text(expression):
    """An expression as text: sympy takes longer over it than a short run does."""
    return str(expression)


def _raise_diverged(trajectory, replica_ids, cases, dataset):
    where = np.argwhere(trajectory.diverged >= 0)
    first = where[np.argmin(trajectory.diverged[tuple(where.T)])]
    step = int(trajectory.diverged[tuple(first)])
    replica = int(replica_ids[first[1]])
    case = None if cases is None else int(first[0])
    place = f"replica {replica}" + ("" if case is None else f" of case {case}")
    raise DivergedError(
        f"the run left the finite numbers: {place} first, at step {step} ({len(where)} of "
        f"{trajectory.diverged.size} runs did); lower the learning rate, or read the records made before "
        "from the error's .dataset",
        step=step,
        replica=replica,
        case=case,
        dataset=dataset,
    )
