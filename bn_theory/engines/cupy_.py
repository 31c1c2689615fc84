"""The engine for NVIDIA GPUs, through CuPy: separable losses as one fused kernel, array functions on device arrays."""

from __future__ import annotations

import importlib.util
import os
from functools import lru_cache

import numpy as np

from bn_theory.dynamics.methods import Kind
from bn_theory.engines.cuda_source import kernel
from bn_theory.engines.fused import run_fused
from bn_theory.engines.problem import Problem, Trajectory
from bn_theory.engines.program import lower
from bn_theory.errors import DeviceError, DeviceMemoryError, LoweringError

INSTALL = "pip install '.[cuda12]' (CUDA 12) or '.[cuda13]' (CUDA 13) in the source folder"


class CupyEngine:
    """Runs on the current CUDA device.

    Args:
        kind: ``"thread"`` or ``"block"`` for that kernel; ``None`` chooses by size.
    """

    name = "cupy"
    dtypes = ("float64", "float32")

    def __init__(self, kind: str | None = None):
        self.kind = kind
        if kind:
            self.name = f"cupy-{kind}"

    def refuses(self, loss):
        """Why a kernel cannot be written for a separable loss; array functions are tried as they are."""
        if not hasattr(loss, "derivatives"):
            return "it is given as array functions, for which there is no kernel to choose" if self.kind else None
        try:
            program = lower(loss, Kind(sampled=bool(loss.noises)))
            kernel(program, [loss.dimensions[axis.groups[0]] or 1 for axis in program.axes])
        except LoweringError as error:
            return str(error)
        return None

    def run(self, problem: Problem) -> Trajectory:
        """Run the problem; see :class:`bn_theory.engines.problem.Trajectory`.

        Raises:
            DeviceError: no device, or it failed; DeviceMemoryError: it is too small.
        """
        reason = unavailable()
        if reason:
            raise DeviceError(f"engine {self.name!r} cannot run: {reason}")
        import cupy

        if hasattr(problem.loss, "derivatives"):
            return run_fused(problem, CupyDevice(cupy), self.kind)
        from bn_theory.engines.cupy_arrays import run_array_loss

        with device_errors(cupy):
            return run_array_loss(problem, cupy)


def installed() -> bool:
    """Whether cupy can be imported."""
    return importlib.util.find_spec("cupy") is not None


def driver_present() -> bool:
    """Whether the kernel of this machine has an NVIDIA driver."""
    return os.path.exists("/proc/driver/nvidia/version")


@lru_cache(maxsize=1)
def unavailable() -> str | None:
    """What is missing for this engine and how to get it, or ``None``."""
    if not installed():
        return f"cupy is not installed; {INSTALL}"
    try:
        import cupy

        count = cupy.cuda.runtime.getDeviceCount()
    except Exception as error:  # whatever a broken driver or library raises: it is not usable
        return f"cupy finds no CUDA device ({type(error).__name__}: {error}); it needs an NVIDIA GPU with its driver"
    return None if count else "cupy finds no CUDA device; it needs an NVIDIA GPU with its driver"


def worth_saying() -> str | None:
    """Why a machine that seems made for this engine cannot use it; ``None`` where nobody would expect it."""
    reason = unavailable()
    return reason if reason and (installed() or driver_present()) else None


class device_errors:
    """Turn CuPy's failures into this package's errors (a context manager)."""

    def __init__(self, cupy):
        self.cupy = cupy

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        cuda = self.cupy.cuda
        if isinstance(error, cuda.memory.OutOfMemoryError):
            raise DeviceMemoryError(
                f"the device's memory is full ({error}); run fewer replicas at once (their numbers can be run in "
                "parts: replicas=range(a, b))"
            ) from error
        if isinstance(error, cuda.compiler.CompileException):
            raise DeviceError(f"CUDA's compiler refused a kernel: {error}; run with engine='numba'") from error
        if isinstance(error, (cuda.runtime.CUDARuntimeError, cuda.driver.CUDADriverError)):
            raise DeviceError(
                f"the CUDA device failed ({error}); nothing on the host is lost. If it does not come back, restart "
                "Python, or run with engine='numba'"
            ) from error
        return False


_KINDS = {"long long": np.int64, "unsigned": np.uint32}


class CupyDevice:
    """The current CUDA device as :class:`bn_theory.engines.fused.Device`."""

    name = "cupy"

    def __init__(self, cupy):
        self.cupy = cupy
        self.errors = device_errors(cupy)

    def free_bytes(self):
        """Free memory of the device and what CuPy's pool holds unused."""
        with self.errors:
            free, _ = self.cupy.cuda.runtime.memGetInfo()
            return int(free) + self.cupy.get_default_memory_pool().free_bytes()

    def upload(self, array):
        """A copy on the device."""
        with self.errors:
            return self.cupy.asarray(array)

    def empty(self, count, dtype):
        """Room for so many numbers."""
        with self.errors:
            return self.cupy.empty(count, dtype=dtype)

    def download(self, array):
        """A copy on the host, after everything before it on the stream."""
        with self.errors:
            return self.cupy.asnumpy(array)

    def launch(self, kernel, blocks, arguments):
        """Run a kernel on the current stream and wait for it, so that its errors are its own."""
        values = [
            _KINDS[kind](a) if kind in _KINDS else a for (kind, _), a in zip(kernel.parameters, arguments, strict=True)
        ]
        with self.errors:
            _function(self.cupy, kernel.text)((blocks,), (kernel.threads,), tuple(values))
            self.cupy.cuda.get_current_stream().synchronize()


@lru_cache(maxsize=256)
def _function(cupy, text):
    """The compiled kernel; CuPy keeps its machine code on disk under a hash of the text."""
    return cupy.RawModule(code=text, options=("--std=c++17",)).get_function("bn_theory_advance")
