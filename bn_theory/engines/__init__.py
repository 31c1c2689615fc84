"""How a problem is run: engines behind one protocol, chosen by name."""

from __future__ import annotations

import difflib

from bn_theory.errors import InvalidInputError, UnknownNameError

ENGINES = ("numba", "numpy")
"""In the order in which ``auto`` prefers them."""


def engine_named(name: str):
    """The engine of a name (importing only that one).

    Raises:
        UnknownNameError: no such engine.
    """
    if name == "numba":
        from bn_theory.engines.numba_ import NumbaEngine

        return NumbaEngine()
    if name == "numpy":
        from bn_theory.engines.numpy_ import NumpyEngine

        return NumpyEngine()
    near = difflib.get_close_matches(str(name), ("auto", *ENGINES), n=2, cutoff=0.0)
    raise UnknownNameError(f"unknown engine {name!r}; did you mean {' or '.join(map(repr, near))}?")


def choose(name: str, loss):
    """The engine to run a loss on; ``"auto"`` takes the first that can.

    Raises:
        UnknownNameError: no such engine.
        InvalidInputError: the engine cannot run this loss.
    """
    if name == "auto":
        return next(e for e in map(engine_named, ENGINES) if e.refuses(loss) is None)
    engine = engine_named(name)
    reason = engine.refuses(loss)
    if reason:
        raise InvalidInputError(f"engine {name!r} cannot run {loss.name}: {reason}")
    return engine
