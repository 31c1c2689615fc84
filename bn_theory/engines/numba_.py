"""The fused engine: all steps of a replica in one compiled loop, threads over replicas and cases."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np

from bn_theory.dynamics.methods import Kind
from bn_theory.engines import numba_lanes, numba_noise, simd, subnormal
from bn_theory.engines.memory import Rows, Vectors, trajectory
from bn_theory.engines.numba_source import ACROSS_REPLICAS, layout_for, source
from bn_theory.engines.problem import Problem, Trajectory
from bn_theory.engines.program import lower
from bn_theory.errors import LoweringError
from bn_theory.losses import philox
from bn_theory.losses.philox import seed_words

_TABLE = 2**17  # learning rates held at once (1 MiB), so that memory does not grow with the steps
_WORK = 2**26  # coordinate-steps between two calls of the progress bar, about a tenth of a second


class NumbaEngine:
    """Source generated from the expression, compiled once, cached on disk under its hash."""

    name = "numba"
    dtypes = ("float64",)

    def refuses(self, loss):
        """Only separable losses have an expression to compile, and only of functions that compiled Python has."""
        if not hasattr(loss, "derivatives"):
            return "it is given as array functions, not as an expression; use engine='numpy'"
        try:
            source(lower(loss, Kind(sampled=bool(loss.noises))), ACROSS_REPLICAS)
        except LoweringError as error:
            return str(error)
        return None

    def run(self, problem: Problem) -> Trajectory:
        """Run the problem; see :class:`bn_theory.engines.problem.Trajectory`."""
        loss, method = problem.loss, problem.method
        program = lower(loss, method.kind)
        sizes = np.array([loss.dimensions[axis.groups[0]] for axis in program.axes])
        layout = layout_for([d * len(axis.groups) for d, axis in zip(sizes, program.axes, strict=True)])
        advance = _compiled(source(program, layout))
        memory = (Vectors if layout == ACROSS_REPLICAS else Rows)(program, problem)
        key = tuple(map(np.uint64, seed_words(problem.seed)))
        schedules = [method.coefficient(*c) for c in program.coefficients]
        rows = sum(s.cases or 1 for s in schedules)
        work = sum(w.size for w in memory.weights)
        chunk = int(max(64, min(_TABLE // rows, _WORK // work)))
        last = int(problem.records[-1])
        threads = min(memory.units, os.cpu_count() or 1)
        # Several pieces a thread, so that one slow piece does not leave the others waiting.
        edges = np.linspace(0, memory.units, min(memory.units, 4 * threads) + 1).astype(int)
        with ThreadPoolExecutor(threads) as pool:
            for first in range(0, max(last, 1), chunk):
                end = min(first + chunk, last)
                rates = [np.ascontiguousarray(s.values(first, max(end, first + 1))) for s in schedules]
                record = int(np.searchsorted(problem.records, first))

                def piece(bounds, first=first, end=end, rates=rates, record=record):
                    advance(
                        *bounds, first, end, end == last, record, memory.cases, memory.replicas, *key,
                        problem.records, sizes, memory.slots, memory.out, *memory.weights, *memory.velocities,
                        *memory.data, *rates,
                    )  # fmt: skip

                list(pool.map(piece, pairwise(edges)))
                problem.advance(end - first)
        return trajectory(program, problem, *memory.read())


def cache_folder() -> Path:
    """Where generated sources and their machine code are kept; ``BN_THEORY_CACHE`` overrides it."""
    chosen = os.environ.get("BN_THEORY_CACHE")
    base = Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "bn_theory"
    try:
        base.mkdir(parents=True, exist_ok=True)
        if os.access(base, os.W_OK):
            return base
    except OSError:
        pass
    return Path(tempfile.mkdtemp(prefix="bn_theory_"))


@lru_cache(maxsize=256)
def _compiled(text: str):
    """The compiled ``advance`` of a source; its file is named by its hash and written whole or not at all."""
    # What is compiled into the loop from elsewhere: numba does not look into other files for changes.
    inlined = b"".join(
        Path(module.__file__).read_bytes() for module in (numba_noise, numba_lanes, simd, subnormal, philox)
    )
    name = "bn_theory_loop_" + hashlib.sha256(text.encode() + inlined).hexdigest()[:24]
    path = cache_folder() / f"{name}.py"
    if not path.exists():
        handle, draft = tempfile.mkstemp(dir=path.parent, suffix=".draft")
        with os.fdopen(handle, "w") as file:
            file.write(text)
        os.replace(draft, path)
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module.advance
