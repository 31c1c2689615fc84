"""What this machine can do at all: fused multiply-adds and bytes a second on all cores, measured.

Two numbers bound every loop over coordinates: how many fused multiply-adds the vector units retire, and how fast
memory that fits no cache streams (``a = b + s c``, 24 bytes an element, as STREAM counts them).
"""

from __future__ import annotations

import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from threading import Barrier

import numpy as np
from llvmlite import binding, ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

ACCUMULATORS = 12
"""Independent sums: a latency of 4 or 5 cycles times two units needs 8 to 10; 16 registers hold 12 and two operands."""
SWEEPS = 4
"""Sweeps over the sums in one turn of the loop, so that counting the turns costs next to nothing."""
TRIALS, SECONDS = 80, 0.002
"""How often multiply-adds are measured and for how long. The fastest trial counts, for a limit is what nothing else
slows down: short trials fit between what else the machine does, and are long against the wake-up of a thread."""
STREAMS = 8
"""Passes over memory; the fastest counts."""
_LARGEST_ARRAY = 2**28
_BYTES = 24
_TURN = ACCUMULATORS * SWEEPS


@dataclass(frozen=True)
class Limit:
    """A measured rate.

    Attributes:
        per_second: the fastest trial's; fused multiply-adds of one double, or bytes.
        amount: what one trial did, in the same unit.
        seconds: of each trial.
        threads: how many ran at the same time.
        lanes: doubles in one vector instruction (1 where it does not apply).
    """

    per_second: float
    amount: float
    seconds: tuple[float, ...]
    threads: int
    lanes: int


@dataclass(frozen=True)
class Roofline:
    """The machine's limits: arithmetic (``fma``) and memory (``triad``), both on all cores."""

    fma: Limit
    triad: Limit


def measure_roofline(scale: float = 1.0) -> Roofline:
    """Both limits, in less than two seconds.

    Args:
        scale: factor on the length of a trial (and, below 1, on the size of the arrays); small ones make a smoke run.
    """
    return Roofline(measure_fma(scale), _triad(scale))


def measure_fma(scale: float = 1.0) -> Limit:
    """Fused multiply-adds of one double a second on all cores, in about a quarter of a second."""
    threads, width = cores(), lanes()
    kernel = fma_kernel(width)
    # |x| < 1: the sums converge to y/(1 - x), far from overflow and from subnormal numbers.
    x, y = 0.5, 1.0
    turns, seconds = 1000, 0.0
    while seconds < SECONDS * scale / 4:
        turns *= 4
        began = time.perf_counter()
        kernel(turns, x, y)
        seconds = time.perf_counter() - began
    turns = max(1, int(turns * SECONDS * scale / seconds))
    together = Barrier(threads)

    def timed(core):
        # The system would put two threads on one core while another program keeps the other one busy.
        with suppress(OSError):  # where that is forbidden the others would wait for this thread for ever
            if core is not None:
                os.sched_setaffinity(0, {core})
        together.wait()
        began = time.perf_counter()
        kernel(turns, x, y)
        return began, time.perf_counter()

    # Of the calling thread, on Linux: those of the pool end with it.
    own = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else [None] * threads
    taken = []
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(TRIALS):
            begins, ends = zip(*pool.map(timed, own), strict=True)
            taken.append(max(ends) - min(begins))
    amount = float(threads * turns * _TURN * width)
    return Limit(amount / min(taken), amount, tuple(taken), threads, width)


def faster(first: Roofline, second: Roofline) -> Roofline:
    """The higher one of each limit: what slowed the machine down during the other measurement is no limit of it."""

    def higher(name):
        return max(getattr(first, name), getattr(second, name), key=lambda limit: limit.per_second)

    return Roofline(higher("fma"), higher("triad"))


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def lanes() -> int:
    """Doubles in this machine's widest vector register that LLVM can use."""
    features = binding.get_host_cpu_features()
    widths = (("avx512f", 8), ("avx", 4))
    return next((width for name, width in widths if features.get(name)), 2)


@lru_cache(maxsize=4)
def fma_kernel(width: int):
    """``kernel(turns, x, y)``, compiled: ``ACCUMULATORS * SWEEPS`` fused multiply-adds of ``width`` doubles a turn.

    The vectors are written into the code and not left to the vectoriser, which may choose half the width. Nothing
    can be folded away: ``a <- a x + y`` with numbers known only when it runs, and the sum of all lanes is returned.
    """

    @intrinsic
    def sweep(typingctx, turns, x, y):
        def generate(context, builder, signature, arguments):
            count, *scalars = arguments
            vector, position = ir.VectorType(ir.DoubleType(), width), ir.IntType(32)
            operands = []
            for scalar in scalars:
                operand = ir.Constant(vector, ir.Undefined)
                for lane in range(width):
                    operand = builder.insert_element(operand, scalar, position(lane))
                operands.append(operand)
            # Fused where the machine can; where it cannot, a product and a sum, instead of a slow library call.
            name, kind = f"llvm.fmuladd.v{width}f64", ir.FunctionType(vector, [vector] * 3)
            fused = cgutils.get_or_insert_function(builder.module, kind, name)
            zero = ir.Constant(vector, [0.0] * width)
            sums = [cgutils.alloca_once_value(builder, zero) for _ in range(ACCUMULATORS)]
            # Different starts, for equal sums would be computed once.
            for i, place in enumerate(sums):
                start = builder.fmul(operands[0], ir.Constant(vector, [float(i)] * width))
                builder.store(start, place)
            with cgutils.for_range(builder, count):
                for _ in range(SWEEPS):
                    for place in sums:
                        builder.store(builder.call(fused, [builder.load(place), *operands]), place)
            total = builder.load(sums[0])
            for place in sums[1:]:
                total = builder.fadd(total, builder.load(place))
            result = builder.extract_element(total, position(0))
            for lane in range(1, width):
                result = builder.fadd(result, builder.extract_element(total, position(lane)))
            return result

        return types.float64(types.intp, types.float64, types.float64), generate

    @njit(types.float64(types.intp, types.float64, types.float64), nogil=True)
    def kernel(turns, x, y):
        return sweep(turns, x, y)

    return kernel


@njit(types.void(*[types.float64[::1]] * 3, types.float64), nogil=True, fastmath={"contract"})
def _stream(a, b, c, s):
    for i in range(a.shape[0]):
        a[i] = b[i] + s * c[i]


def _triad(scale):
    threads = cores()
    # Four times the last cache, as STREAM asks.
    size = max(threads, int(min(4 * last_cache_bytes(), _LARGEST_ARRAY) * min(1.0, scale)) // 8)
    arrays = [np.empty(size) for _ in range(3)]
    edges = np.linspace(0, size, threads + 1).astype(int)
    parts = [[array[low:high] for array in arrays] for low, high in pairwise(edges)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda part: [array.fill(1.0) for array in part], parts))  # gives every page its memory
        taken = []
        for _ in range(STREAMS):
            began = time.perf_counter()
            list(pool.map(lambda part: _stream(*part, 0.5), parts))
            taken.append(time.perf_counter() - began)
    amount = float(_BYTES * size)
    return Limit(amount / min(taken), amount, tuple(taken), threads, 1)


def last_cache_bytes() -> int:
    """Size of the largest cache of the first core, as Linux tells it; elsewhere 32 MiB are assumed."""
    units = {"K": 2**10, "M": 2**20, "G": 2**30}
    sizes = []
    for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        try:
            found = re.fullmatch(r"(\d+)([KMG]?)", path.read_text().strip())
        except OSError:
            continue
        if found:
            sizes.append(int(found[1]) * units.get(found[2], 1))
    return max(sizes, default=2**25)
