"""How a problem is run: engines behind one protocol, chosen by name."""

from __future__ import annotations

import difflib
import warnings
from functools import lru_cache

from bn_theory.errors import DeviceError, EngineWarning, InvalidInputError, UnknownNameError

ENGINES = ("cupy", "numba", "numpy")
"""In the order in which ``auto`` prefers them."""
VARIANTS = ("cupy-thread", "cupy-block")
"""The GPU engine with a kernel of one thread, or of one block, per replica, whatever the size."""


def engine_named(name: str):
    """The engine of a name (importing only that one).

    Raises:
        UnknownNameError: no such engine.
    """
    if name == "cupy" or name in VARIANTS:
        from bn_theory.engines.cupy_ import CupyEngine

        return CupyEngine(name.partition("-")[2] or None)
    if name == "numba":
        from bn_theory.engines.numba_ import NumbaEngine

        return NumbaEngine()
    if name == "numpy":
        from bn_theory.engines.numpy_ import NumpyEngine

        return NumpyEngine()
    near = difflib.get_close_matches(str(name), ("auto", *ENGINES, *VARIANTS), n=2, cutoff=0.0)
    raise UnknownNameError(f"unknown engine {name!r}; did you mean {' or '.join(map(repr, near))}?")


def unavailable(name: str) -> str | None:
    """Why an engine cannot run on this machine, or ``None``.

    Raises:
        UnknownNameError: no such engine.
    """
    if name.partition("-")[0] == "cupy":
        from bn_theory.engines import cupy_

        return cupy_.unavailable()
    return None if name == "auto" else engine_named(name) and None


def resolved(name: str) -> str:
    """The engine that a name stands for on this machine: what ``"auto"`` takes for a loss in the language, in float64.

    Array functions run under ``"auto"`` on the readable engine, whatever this says.

    Raises:
        UnknownNameError: no such engine.

    >>> resolved("numpy")
    'numpy'
    """
    if name != "auto":
        return engine_named(name).name
    return next(engine for engine in ENGINES if unavailable(engine) is None)


def require(name: str) -> None:
    """Make sure, before any work, that an engine can run on this machine.

    Raises:
        DeviceError: it cannot; the message says what is missing and how to get it.
        UnknownNameError: no such engine.
    """
    if reason := unavailable(name):
        raise DeviceError(f"engine {name!r} cannot run: {reason}")


def choose(name: str, loss, dtype: str = "float64"):
    """The engine to run a loss on.

    ``"auto"`` takes the first of ``ENGINES`` that can: for a separable loss the GPU where there is one, for array
    functions, which may be bound to NumPy, the readable engine (ask for ``"cupy"`` by name).

    Raises:
        UnknownNameError: no such engine.
        DeviceError: a GPU was asked for and there is none.
        InvalidInputError: the engine cannot run this loss, or not in this precision.
    """
    if name == "auto":
        return next(e for e in _candidates(loss, dtype) if e.refuses(loss) is None)
    engine = engine_named(name)
    reason = engine.refuses(loss)
    if reason is None and dtype not in engine.dtypes:
        reason = f"it runs in {' and '.join(engine.dtypes)} only; {dtype} needs engine='cupy'"
    if reason:
        raise InvalidInputError(f"engine {name!r} cannot run {loss.name}: {reason}")
    require(name)
    return engine


def _candidates(loss, dtype):
    """The engines that ``auto`` considers, the preferred one first."""
    separable = hasattr(loss, "derivatives")
    if separable and unavailable("cupy") is None:
        yield engine_named("cupy")
    if dtype != "float64":
        reason = unavailable("cupy") or (
            engine_named("cupy").refuses(loss) if separable else "array functions run in float64 only"
        )
        raise InvalidInputError(f"dtype {dtype!r} runs on engine 'cupy' only: {reason}")
    if separable:
        _say_once()
    yield from map(engine_named, ENGINES[1:])


@lru_cache(maxsize=1)
def _say_once():
    """Where a GPU could be expected, say once why it is not used."""
    from bn_theory.engines import cupy_

    if reason := cupy_.worth_saying():
        warnings.warn(f"engine 'auto' uses the CPU: {reason}", EngineWarning, stacklevel=6)
