"""Philox4x32-10: noise as a function of (seed, replica, step, coordinate), the same bits on every engine.

Source: Salmon, Moraes, Dror, Shaw, *Parallel random numbers: as easy as 1, 2, 3* (SC 2011); checked
against that paper's published known-answer vectors in the tests.

Counter words (32 bits each) and key:

    c0  which 32 coordinates (signs), which coordinate pair (normals)
    c1  step // 4 (signs) or step (normals), low 32 bits
    c2  replica
    c3  stream << 16 | high 16 bits of c1's number
    key the seed's low and high 32 bits

A *stream* is one noise symbol, a start, a shuffle or a sampler, so that they never share bits. For signs, word
``step % 4`` holds 32 coordinates of one step: one draw makes 128 signs, for 32 coordinates over 4 steps,
so that no bit is wasted from ``d = 32`` on.

Every function takes ``xp=``, an array-API namespace; the default is NumPy. The words, signs, uniform numbers and
integers are the same bits in every namespace, normal numbers differ by the rounding of its logarithm and cosine.
Replica numbers are then an array of that namespace, and the results are where it is; step numbers stay on the host.
"""

from __future__ import annotations

import numpy as np
from array_api_compat import is_numpy_namespace
from array_api_compat import numpy as host

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10
# Streams by what they are for, 16 bits in all: noise counts up from 0, the others from where they are named.
START_STREAM = 0x8000  # random starts, one stream per group
SHUFFLE_STREAM = 0xC000  # the shuffle before data are cut into parts


def _word(xp):
    """How a scalar is written beside ``uint64`` arrays: NumPy 1 would make floats of them and a Python ``int``."""
    return np.uint64 if is_numpy_namespace(xp) else int


def philox(c0, c1, c2, c3, key0, key1, xp=host):
    """The four output words of Philox4x32-10 for broadcastable integer counters and one key.

    Returns:
        four ``uint64`` arrays, each below 2**32.

    >>> [hex(int(word)) for word in philox(0, 0, 0, 0, 0, 0)]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    word = _word(xp)
    mask, half, m0, m1 = word(0xFFFFFFFF), word(32), word(MULTIPLIERS[0]), word(MULTIPLIERS[1])
    c0, c1, c2, c3 = xp.broadcast_arrays(*(xp.asarray(c, dtype=xp.uint64) for c in (c0, c1, c2, c3)))
    for r in range(ROUNDS):
        k0 = word((key0 + r * WEYL[0]) & 0xFFFFFFFF)
        k1 = word((key1 + r * WEYL[1]) & 0xFFFFFFFF)
        p0 = c0 * m0
        p1 = c2 * m1
        c0, c1, c2, c3 = (p1 >> half) ^ c1 ^ k0, p1 & mask, (p0 >> half) ^ c3 ^ k1, p0 & mask
    return c0, c1, c2, c3


def seed_words(seed: int) -> tuple[int, int]:
    """The 64-bit seed as the key's two words."""
    return seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF


def _draw(seed, replicas, numbers, blocks, stream, xp):
    """The four words for every (number below 2**48, replica, block), each ``(numbers, replicas, blocks)``."""
    replicas = xp.asarray(replicas)
    device = getattr(replicas, "device", None)
    number = xp.asarray(np.asarray(numbers, dtype=np.int64), device=device)[:, None, None]
    block = xp.arange(blocks, device=device)
    c1, c3 = number & 0xFFFFFFFF, (stream << 16) | (number >> 32)
    return philox(block, c1, replicas[:, None], c3, *seed_words(seed), xp=xp)


def signs(seed: int, replicas, steps, d: int, stream: int = 0, xp=host):
    """Fair signs -1.0 or +1.0, shape ``(len(replicas), d)`` for one step, ``(len(steps), ...)`` for several.

    >>> signs(0, [0], 0, 4).tolist()
    [[-1.0, 1.0, -1.0, 1.0]]
    """
    many = np.atleast_1d(steps)
    quads, where = np.unique(many // 4, return_inverse=True)
    four = _draw(seed, replicas, quads, (d + 31) // 32, stream, xp)
    device = getattr(four[0], "device", None)
    words = xp.reshape(xp.stack(four), (4 * len(quads), *four[0].shape[1:]))
    words = xp.take(words, xp.asarray(many % 4 * len(quads) + where, device=device), axis=0)
    word = _word(xp)
    bits = (words[..., None] >> xp.arange(32, dtype=xp.uint64, device=device)) & word(1)
    bits = xp.reshape(bits, (*words.shape[:2], -1))[..., :d]
    found = 1.0 - 2.0 * xp.astype(bits, xp.float64)
    return found if np.ndim(steps) else found[0, ...]


def uniform_pairs(seed: int, replicas, numbers, pairs: int, stream: int, xp=host):
    """Two arrays of shape ``(len(numbers), len(replicas), pairs)``, uniform on (0, 1] and [0, 1) with 53 bits."""
    r = _draw(seed, replicas, numbers, pairs, stream, xp)
    word = _word(xp)
    first = xp.astype((r[0] << word(21)) | (r[1] >> word(11)), xp.float64)
    second = xp.astype((r[2] << word(21)) | (r[3] >> word(11)), xp.float64)
    return (first + 1.0) * 2.0**-53, second * 2.0**-53


def normals(seed: int, replicas, steps, d: int, stream: int = 0, xp=host):
    """Standard normal numbers by Box and Muller; shapes as for :func:`signs`."""
    u, v = uniform_pairs(seed, replicas, np.atleast_1d(steps), (d + 1) // 2, stream, xp)
    radius = xp.sqrt(-2.0 * xp.log(u))
    angle = 2.0 * np.pi * v
    both = xp.stack([radius * xp.cos(angle), radius * xp.sin(angle)], axis=-1)
    found = xp.reshape(both, (*both.shape[:2], -1))[..., :d]
    return found if np.ndim(steps) else found[0, ...]


def integers(seed: int, replicas, steps, n: int, stream: int = 0, xp=host):
    """Uniform integers ``0 .. n-1``, shape ``(len(replicas),)``, or with an axis of steps before it.

    Their bias is below ``n * 2**-53``.
    """
    _, v = uniform_pairs(seed, replicas, np.atleast_1d(steps), 1, stream, xp)
    found = xp.astype(v[..., 0] * n, xp.int64)
    found = xp.where(found < n, found, found - 1)  # rounding may reach n
    return found if np.ndim(steps) else found[0, ...]


def unit_starts(seed: int, replicas, d: int, stream: int) -> np.ndarray:
    """Random points on the unit sphere, one per replica, shape ``(len(replicas), d)``."""
    points = normals(seed, replicas, 0, d, START_STREAM + stream)
    return points / np.linalg.norm(points, axis=-1, keepdims=True)
