"""What a document says of the machine and the code that made it."""

from __future__ import annotations

from bn_theory.provenance import environment


def environment_of(engine: str) -> dict[str, str]:
    """Versions, commit and processor by name, and ``device``, the GPU's name, where the engine runs on one.

    Args:
        engine: the one that runs, not ``"auto"``.
    """
    found = environment()
    if engine.partition("-")[0] != "cupy":
        return found
    from bn_theory.bench.machine import gpu

    return found | {"device": gpu()["name"]}
