"""Other ways to run a workload: eager array libraries and ``jax.lax.scan``, which only step and record nothing.

``eager``         NumPy; the bits of the signs from its fastest generator
``eager_cupy``    the same in CuPy on the GPU
``jax``           ``lax.scan`` under jit on the CPU, ``jax.random.rademacher`` with its fastest generator (rbg)
``jax_bits``      the same with the signs unpacked by hand from random words, 32 a word, as this package does
``jax_gpu``, ``jax_gpu_bits``  both on the GPU
``torch``         eager PyTorch on the CPU

All of them work in float64. A library is imported only when its reference is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec

import numpy as np

from bn_theory.bench.formulas import Maths
from bn_theory.bench.names import REFERENCES, known

# Before JAX is imported: it would otherwise take most of the GPU's memory, and the others would have none.
_NO_HOARDING = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}


def unavailable(name: str) -> str | None:
    """Why a reference cannot run on this machine, or ``None``.

    Raises:
        UnknownNameError: no such reference.
    """
    known("reference", name, REFERENCES)
    module = {"eager": "numpy", "eager_cupy": "cupy", "torch": "torch"}.get(name, "jax")
    if find_spec(module) is None:
        return f"{module} is not installed"
    if name == "eager_cupy":
        return _no_cuda()
    return _no_jax_gpu() if name.startswith("jax_gpu") else None


def refuses(name: str, workload) -> str | None:
    """Why a reference does not run a workload, or ``None``."""
    if name.endswith("_bits") and not workload.sigma:
        return f"without noise it is {name.removesuffix('_bits')}"
    return None


def prepare(name: str, workload, replicas: int) -> Callable[[int], dict]:
    """``call(steps)`` runs the workload from its start and returns the state, waiting until it is there.

    Raises:
        UnknownNameError: no such reference.
    """
    known("reference", name, REFERENCES)
    makers = {"eager": _numpy, "eager_cupy": _cupy, "torch": _torch}
    return makers.get(name, partial(_jax, name))(workload, replicas)


def on_gpu(name: str) -> bool:
    """Whether a reference keeps its arrays on a GPU."""
    return name == "eager_cupy" or name.startswith("jax_gpu")


def _start(workload, replicas):
    state = workload.start(replicas)
    return {name: array if array.ndim == 2 else array[:, None] for name, array in state.items()}


def _eager(workload, maths, start, data, noise, finish=lambda: None):
    """The loop that all eager libraries share; ``noise(shape)`` gives sigma times random signs."""
    groups = tuple(workload.loss.groups)

    def call(steps):
        state = dict(start())
        buffers = {name: 0 * array for name, array in state.items()} if workload.momentum else {}
        for _ in range(steps):
            drawn = {g: noise(state[g].shape) for g in groups} if workload.sigma else None
            for name, gradient in workload.formula(maths, state, drawn, data).items():
                if workload.decay:
                    gradient += workload.decay * state[name]
                if workload.momentum:
                    buffers[name] *= workload.momentum
                    buffers[name] += gradient
                    gradient = workload.rate * buffers[name]
                else:
                    gradient *= workload.rate
                state[name] -= gradient
        finish()
        return state

    return call


def _numpy(workload, replicas):
    rng = np.random.Generator(np.random.SFC64(0))
    sigma, start = workload.sigma, _start(workload, replicas)

    def noise(shape):
        count = shape[0] * shape[1]
        bits = np.unpackbits(np.frombuffer(rng.bytes((count + 7) // 8), dtype=np.uint8), count=count)
        return (sigma - 2 * sigma * bits).reshape(shape)

    maths = Maths(lambda x, y: np.einsum("rd,rd->r", x, y)[:, None], np.sqrt, np.tanh)
    return _eager(workload, maths, lambda: {n: a.copy() for n, a in start.items()}, workload.data, noise)


def _cupy(workload, replicas):
    import cupy

    rng, sigma = cupy.random.RandomState(0), workload.sigma
    start = {name: cupy.asarray(array) for name, array in _start(workload, replicas).items()}
    data = {name: cupy.asarray(array) for name, array in workload.data.items()}

    def noise(shape):
        count = shape[0] * shape[1]
        words = rng.randint(0, 2**32, size=(count + 31) // 32, dtype=cupy.uint32)
        bits = cupy.unpackbits(words.view(cupy.uint8))[:count]
        return (sigma - 2 * sigma * bits.astype(cupy.float64)).reshape(shape)

    maths = Maths(lambda x, y: (x * y).sum(axis=-1, keepdims=True), cupy.sqrt, cupy.tanh)
    copies = partial(_copies, start, lambda array: array.copy())
    return _eager(workload, maths, copies, data, noise, cupy.cuda.get_current_stream().synchronize)


def _copies(start, copy):
    return {name: copy(array) for name, array in start.items()}


def _torch(workload, replicas):
    import torch

    generator, sigma = torch.Generator().manual_seed(0), workload.sigma
    # copies: torch would share read-only arrays, and warns of it
    start = {name: torch.tensor(array) for name, array in _start(workload, replicas).items()}
    data = {name: torch.tensor(array) for name, array in workload.data.items()}
    shifts = torch.arange(32, dtype=torch.int32)

    def noise(shape):
        count = shape[0] * shape[1]
        words = torch.empty((count + 31) // 32, 1, dtype=torch.int32)
        # The whole range: without bounds only 31 of the 32 bits are random.
        words.random_(-(2**31), 2**31, generator=generator)
        bits = (words >> shifts).bitwise_and_(1).reshape(-1)[:count]
        return bits.to(torch.float64).mul_(-2 * sigma).add_(sigma).reshape(shape)

    maths = Maths(lambda x, y: torch.linalg.vecdot(x, y)[:, None], torch.sqrt, torch.tanh)
    call = _eager(workload, maths, partial(_copies, start, torch.clone), data, noise)

    def without_gradients(steps):
        with torch.inference_mode():
            return call(steps)

    return without_gradients


def _import_jax():
    for name, value in _NO_HOARDING.items():
        os.environ.setdefault(name, value)
    import jax

    jax.config.update("jax_enable_x64", True)
    return jax


def _jax(name, workload, replicas):
    jax = _import_jax()
    from jax import numpy as jnp

    device = jax.devices("gpu" if on_gpu(name) else "cpu")[0]
    maths = Maths(lambda x, y: jnp.sum(x * y, axis=-1, keepdims=True), jnp.sqrt, jnp.tanh)
    groups, sigma = tuple(workload.loss.groups), workload.sigma

    def signs(key, shape):
        if name.endswith("_bits"):
            words = jax.random.bits(key, (shape[0], (shape[1] + 31) // 32), dtype=jnp.uint32)
            bits = (words[..., None] >> jnp.arange(32, dtype=jnp.uint32)) & jnp.uint32(1)
            return sigma * (1.0 - 2.0 * bits.reshape(shape[0], -1)[:, : shape[1]])
        return sigma * jax.random.rademacher(key, shape, dtype=jnp.float64)

    with jax.default_device(device):
        start = {n: jnp.asarray(array) for n, array in _start(workload, replicas).items()}
        data = {n: jnp.asarray(array) for n, array in workload.data.items()}

    def step(carry, _):
        state, buffers, key = carry
        noise = None
        if sigma:
            key, *keys = jax.random.split(key, 1 + len(groups))
            noise = {g: signs(k, state[g].shape) for g, k in zip(groups, keys, strict=True)}
        moves = workload.formula(maths, state, noise, data)
        if workload.decay:
            moves = {n: move + workload.decay * state[n] for n, move in moves.items()}
        if workload.momentum:
            moves = buffers = {n: workload.momentum * buffers[n] + move for n, move in moves.items()}
        return ({n: w - workload.rate * moves[n] for n, w in state.items()}, buffers, key), None

    def scan(state, steps):
        buffers = {n: jnp.zeros_like(w) for n, w in state.items()} if workload.momentum else {}
        return jax.lax.scan(step, (state, buffers, jax.random.key(0, impl="rbg")), None, length=steps)[0][0]

    compiled = jax.jit(scan, static_argnums=1)

    def call(steps):
        with jax.default_device(device):
            return jax.block_until_ready(compiled(start, steps))

    return call


def _no_cuda():
    import cupy

    try:
        return None if cupy.cuda.runtime.getDeviceCount() else "there is no CUDA device"
    except cupy.cuda.runtime.CUDARuntimeError as error:
        return f"CuPy finds no CUDA device: {error}"


def _no_jax_gpu():
    try:
        _import_jax().devices("gpu")
    except RuntimeError:
        return "JAX finds no GPU"
    return None
