"""Nanoseconds per coordinate and step: the engines, a lean eager loop, and a JAX scan, interleaved in one run.

    python tests/benchmarks/engines.py                        # the reference workload, a few minutes
    python tests/benchmarks/engines.py --json results/x.json  # the same, with the machine's description
    python tests/benchmarks/engines.py --dimensions 32 --scale 0.01 --repeats 2   # a smoke run

Workload: half a Rayleigh quotient with linear Rademacher noise, SGD at a constant rate, 64 replicas,
d = 32, 128, 512, float64. Rivals:

    numba   this package, engine "numba" (everything that ``bn.run`` records and accumulates included)
    numpy   this package, engine "numpy"
    eager   a hand-written NumPy loop, nothing recorded, signs by NumPy's own generator
    jax     ``lax.scan`` under jit, nothing recorded, ``jax.random.rademacher`` with its fastest generator (rbg)
    jaxbits the same with the signs unpacked by hand from random words, 32 a word, as this package does

Every repeat times all rivals one after the other, so that what slows the machine slows all of them; the ratios are
taken within a repeat and given as min / median / max. Compilation is done before. JAX is optional:
``pip install jax``.
"""

import argparse
import json
import os
import platform
import sys
import time
from datetime import UTC, datetime
from functools import partial
from importlib import metadata

import numpy as np

import bn_theory as bn
from bn_theory.simulate import provenance

REPLICAS, SIGMA, RATE = 64, 0.1, 0.1
# At d = 128, for about a second each; more for fewer coordinates. A run of few steps would time its set-up.
STEPS = {"numba": 200_000, "numpy": 2_000, "eager": 10_000, "jax": 10_000, "jaxbits": 20_000}


def package(engine):
    """This package's engine as ``run(d) -> call(steps)``."""

    def prepare(d):
        loss = bn.with_linear_noise(bn.rayleigh(np.linspace(0.0, 1.0, d)), SIGMA)
        method = bn.SGD(lr=RATE)
        return lambda steps: bn.run(loss, method, steps=steps, replicas=REPLICAS, engine=engine, progress=False)

    return prepare


def eager(d):
    """SGD in NumPy with as few passes as the formula allows; signs from random bytes."""
    a = np.linspace(0.0, 1.0, d)

    def call(steps):
        rng = np.random.Generator(np.random.SFC64(0))
        w = rng.standard_normal((REPLICAS, d))
        w /= np.linalg.norm(w, axis=-1, keepdims=True)
        for _ in range(steps):
            bits = np.unpackbits(np.frombuffer(rng.bytes(REPLICAS * d // 8), dtype=np.uint8))
            z = (SIGMA - 2 * SIGMA * bits).reshape(REPLICAS, d)
            norm2 = np.einsum("rd,rd->r", w, w)[:, None]
            norm = np.sqrt(norm2)
            aw = a * w
            radial = np.einsum("rd,rd->r", aw, w)[:, None] / norm2**2
            radial += np.einsum("rd,rd->r", z, w)[:, None] / (norm2 * norm)
            w += RATE * (radial * w - aw / norm2 - z / norm)
        return w

    return call


def jax_scan(d, by_hand=False):
    """The same step under ``lax.scan`` and jit, in float64."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    a = jnp.linspace(0.0, 1.0, d)

    def step(carry, _):
        w, key = carry
        key, now = jax.random.split(key)
        if by_hand:
            words = jax.random.bits(now, (REPLICAS, (d + 31) // 32), dtype=jnp.uint32)
            bits = (words[..., None] >> jnp.arange(32, dtype=jnp.uint32)) & jnp.uint32(1)
            z = SIGMA * (1.0 - 2.0 * bits.reshape(REPLICAS, -1)[:, :d])
        else:
            z = SIGMA * jax.random.rademacher(now, (REPLICAS, d), dtype=jnp.float64)
        norm2 = jnp.sum(w * w, axis=-1, keepdims=True)
        norm = jnp.sqrt(norm2)
        gradient = (a - jnp.sum(a * w * w, axis=-1, keepdims=True) / norm2) * w / norm2
        gradient += (z - jnp.sum(z * w, axis=-1, keepdims=True) * w / norm2) / norm
        return (w - RATE * gradient, key), None

    def scan(w, steps):
        return jax.lax.scan(step, (w, jax.random.key(0, impl="rbg")), None, length=steps)[0][0]

    compiled = jax.jit(scan, static_argnums=1)
    start = jnp.ones((REPLICAS, d)) / np.sqrt(d)
    return lambda steps: compiled(start, steps).block_until_ready()


RIVALS = {
    "numba": package("numba"),
    "numpy": package("numpy"),
    "eager": eager,
    "jax": jax_scan,
    "jaxbits": partial(jax_scan, by_hand=True),
}


def measure(dimensions, repeats, scale, rivals):
    """``{d: {rival: [ns per coordinate and step, one per repeat]}}``."""
    result = {}
    for d in dimensions:
        calls = {name: RIVALS[name](d) for name in rivals}
        steps = {name: max(2, int(STEPS[name] * scale * 128 / d)) for name in rivals}
        for name, call in calls.items():
            call(steps[name])  # compiles; JAX once for each length
        times = {name: [] for name in rivals}
        for _ in range(repeats):
            for name, call in calls.items():
                began = time.perf_counter()
                call(steps[name])
                times[name].append((time.perf_counter() - began) * 1e9 / (REPLICAS * d * steps[name]))
        result[d] = times
    return result


def ratios(times):
    """How many times faster ``numba`` is than each rival: (min, median, max) over the repeats."""
    return {
        name: (float(np.min(r)), float(np.median(r)), float(np.max(r)))
        for name, values in times.items()
        if name != "numba" and len(r := np.array(values) / np.array(times["numba"]))
    }


def machine():
    """What the figures belong to."""
    versions = {}
    for name in ("bn_theory", "numpy", "numba", "jax", "jaxlib"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    return {
        "processor": provenance()["processor"],
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": versions,
        "date": datetime.now(UTC).date().isoformat(),
    }


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dimensions", type=int, nargs="+", default=[32, 128, 512])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--scale", type=float, default=1.0, help="factor on all numbers of steps")
    parser.add_argument("--json", metavar="PATH", help="write the figures and the machine there")
    options = parser.parse_args(arguments)
    rivals = list(RIVALS)
    try:
        metadata.version("jax")
    except metadata.PackageNotFoundError:
        print("jax is not installed and is left out; pip install jax", file=sys.stderr)
        rivals = [name for name in rivals if not name.startswith("jax")]
    figures = measure(options.dimensions, options.repeats, options.scale, rivals)
    described = machine()
    print(f"{described['processor']}, {described['cores']} cores, {described['date']}")
    print(f"{'d':>5} {'rival':>7} {'ns/coordinate/step':>24} {'times numba':>24}   (min / median / max)")
    for d, times in figures.items():
        compared = ratios(times)
        for name, values in times.items():
            ns = " / ".join(f"{x:.3g}" for x in (np.min(values), np.median(values), np.max(values)))
            by = " / ".join(f"{x:.1f}" for x in compared[name]) if name in compared else ""
            print(f"{d:>5} {name:>7} {ns:>24} {by:>24}")
    if options.json:
        report = {
            "benchmark": "engines",
            "machine": described,
            "workload": {"replicas": REPLICAS, "noise": "rademacher", "repeats": options.repeats},
            "ns_per_coordinate_and_step": {str(d): times for d, times in figures.items()},
            "ratio_to_numba_min_median_max": {str(d): ratios(times) for d, times in figures.items()},
        }
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=2)
            file.write("\n")


if __name__ == "__main__":
    main()
