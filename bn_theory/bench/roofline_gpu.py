"""The limits of the current CUDA device, measured as :mod:`bn_theory.bench.roofline` measures those of the cores."""

from __future__ import annotations

from bn_theory.bench.roofline import STREAMS, Limit, Roofline

CHAINS, SWEEPS, THREADS = 8, 16, 256
"""Independent sums a thread, sweeps over them a turn, threads a block."""
BLOCKS_PER_UNIT = 16
"""Blocks for every multiprocessor: more than fit at once, so that no unit is idle for long."""
_ELEMENTS = 2**26  # 512 MiB an array, beyond any cache
_TURNS = 2000

SOURCE = r"""
extern "C" __global__ void multiply_add(double *out, long long turns, double x, double y)
{
    double s[CHAINS];
#pragma unroll
    for (int i = 0; i < CHAINS; i++) s[i] = i * x + threadIdx.x;
    for (long long t = 0; t < turns; t++) {
#pragma unroll
        for (int k = 0; k < SWEEPS; k++) {
#pragma unroll
            for (int i = 0; i < CHAINS; i++) s[i] = fma(s[i], x, y);
        }
    }
    double total = 0.0;
#pragma unroll
    for (int i = 0; i < CHAINS; i++) total += s[i];
    out[blockIdx.x * (long long)blockDim.x + threadIdx.x] = total;
}
"""


def measure_gpu(scale: float = 1.0) -> Roofline:
    """Float64 fused multiply-adds and bytes a second of the current device.

    Args:
        scale: factor on the turns and (below 1) on the size of the arrays.
    """
    import cupy

    units = cupy.cuda.Device().attributes["MultiProcessorCount"]
    blocks, turns = units * BLOCKS_PER_UNIT, max(1, int(_TURNS * scale))
    options = (f"-DCHAINS={CHAINS}", f"-DSWEEPS={SWEEPS}")
    kernel = cupy.RawKernel(SOURCE, "multiply_add", options=options)
    out = cupy.empty(blocks * THREADS)
    numbers = (out, cupy.int64(turns), cupy.float64(0.5), cupy.float64(1.0))
    taken = _trials(lambda: kernel((blocks,), (THREADS,), numbers))
    amount = float(blocks * THREADS * turns * CHAINS * SWEEPS)
    fma = Limit(amount / min(taken), amount, taken, blocks * THREADS, 1)
    a, b, c = (cupy.ones(max(1, int(_ELEMENTS * min(1.0, scale)))) for _ in range(3))
    stream = cupy.ElementwiseKernel("float64 b, float64 c, float64 s", "float64 a", "a = b + s * c", "triad")
    taken = _trials(lambda: stream(b, c, 0.5, a))
    amount = float(3 * a.nbytes)
    return Roofline(fma, Limit(amount / min(taken), amount, taken, 1, 1))


def _trials(call):
    import cupy

    call()  # compiles
    taken = []
    for _ in range(STREAMS):
        begin, end = cupy.cuda.Event(), cupy.cuda.Event()
        begin.record()
        call()
        end.record()
        end.synchronize()
        taken.append(cupy.cuda.get_elapsed_time(begin, end) / 1000)
    return tuple(taken)
