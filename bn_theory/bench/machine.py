"""What the figures belong to: processor, cores, versions, date, and the GPU where one took part."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from bn_theory.bench.roofline import cores
from bn_theory.provenance import processor

LIBRARIES = (
    *("bn_theory", "numpy", "scipy", "sympy", "xarray", "numba", "llvmlite", "array-api-compat"),
    *("jax", "jaxlib", "torch", "cupy", "cupy-cuda12x", "cupy-cuda13x"),
)
_DRIVER = Path("/proc/driver/nvidia/version")


def load() -> float | None:
    """Programs that wanted a core in the last minute, on average; ``None`` where the system does not count them."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return None


def environment(load_before: float | None) -> dict:
    """Processor, cores, system, Python, UTC date and time, and versions of the libraries that are installed.

    Args:
        load_before: :func:`load` before the work began.
    """
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "processor": processor(),
        "cores": cores(),
        "cores_of_machine": os.cpu_count(),
        "load_before": load_before,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": versions,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def gpu() -> dict:
    """Name, memory, compute capability, driver and CUDA versions of the current device, as CuPy tells them."""
    import cupy

    runtime = cupy.cuda.runtime
    properties = runtime.getDeviceProperties(cupy.cuda.Device().id)
    name = properties["name"]
    return {
        "name": name.decode() if isinstance(name, bytes) else str(name),
        "memory_bytes": int(properties["totalGlobalMem"]),
        "compute_capability": f"{properties['major']}.{properties['minor']}",
        "driver": _driver(),
        "cuda_of_driver": _dotted(runtime.driverGetVersion()),
        "cuda_of_runtime": _dotted(runtime.runtimeGetVersion()),
        "cupy": cupy.__version__,
    }


def _dotted(version: int) -> str:
    """CUDA's 12040 as 12.4."""
    return f"{version // 1000}.{version % 1000 // 10}"


def _driver():
    try:
        return _DRIVER.read_text().splitlines()[0].strip()
    except (OSError, IndexError):
        return None
