"""The peak memory of one call, beyond what was there before it."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

RESOLUTION = 2**20
"""Bytes below which resident memory is not known well: Linux counts pages per thread and adds them up later."""

_CLEAR, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


@dataclass(frozen=True)
class Peak:
    """Bytes, or ``None`` and the reason why they are not known."""

    bytes: int | None
    reason: str | None = None


def peak_resident(call: Callable[[], object]) -> Peak:
    """Peak resident memory during a call beyond that before it, where the system's high-water mark can be reset."""
    gc.collect()
    _give_back()
    try:
        _CLEAR.write_text("5")  # the high-water mark falls to the memory in use
        before = _high_water()
    except (OSError, ValueError) as error:
        call()
        return Peak(None, f"the system's high-water mark cannot be reset or read: {error}")
    call()
    return Peak(max(0, _high_water() - before))


def peak_pool(call: Callable[[], object]) -> Peak:
    """Peak of what a call has in use at once from CuPy's memory pools, whichever; memory from before does not count."""
    import cupy

    class Ledger(cupy.cuda.MemoryHook):
        name = "bn_theory peak"

        def __init__(self):
            self.own, self.peak = {}, 0  # sizes of what was taken during the call, by address

        def malloc_postprocess(self, **taken):
            self.own[taken["mem_ptr"]] = taken["mem_size"]
            self.peak = max(self.peak, sum(self.own.values()))

        def free_postprocess(self, **given):
            self.own.pop(given["mem_ptr"], None)

    gc.collect()
    with Ledger() as ledger:
        call()
    return Peak(ledger.peak)


def growth(peak: Peak | None, larger: Peak | None) -> float | None:
    """How many times the second peak is the first; peaks below ``RESOLUTION`` count as that."""
    if peak is None or larger is None or peak.bytes is None or larger.bytes is None:
        return None
    return max(larger.bytes, RESOLUTION) / max(peak.bytes, RESOLUTION)


def _high_water():
    for line in _STATUS.read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"{_STATUS} has no VmHWM")


def _give_back():
    """Freed memory that the C library keeps would hide what the call takes."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):  # another C library than glibc
        return
