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
"""

from __future__ import annotations

import numpy as np

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10
# Streams by what they are for, 16 bits in all: noise counts up from 0, the others from where they are named.
START_STREAM = 0x8000  # random starts, one stream per group
SHUFFLE_STREAM = 0xC000  # the shuffle before data are cut into parts
_MASK = np.uint64(0xFFFFFFFF)


def philox(c0, c1, c2, c3, key0, key1):
    """The four output words of Philox4x32-10 for broadcastable integer counters and one key.

    Returns:
        four ``uint64`` arrays, each below 2**32.

    >>> [hex(int(word)) for word in philox(0, 0, 0, 0, 0, 0)]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    c0, c1, c2, c3 = np.broadcast_arrays(*(np.asarray(c, dtype=np.uint64) for c in (c0, c1, c2, c3)))
    for r in range(ROUNDS):
        k0 = np.uint64((key0 + r * WEYL[0]) & 0xFFFFFFFF)
        k1 = np.uint64((key1 + r * WEYL[1]) & 0xFFFFFFFF)
        p0 = c0 * np.uint64(MULTIPLIERS[0])
        p1 = c2 * np.uint64(MULTIPLIERS[1])
        c0, c1, c2, c3 = (
            (p1 >> np.uint64(32)) ^ c1 ^ k0,
            p1 & _MASK,
            (p0 >> np.uint64(32)) ^ c3 ^ k1,
            p0 & _MASK,
        )
    return c0, c1, c2, c3


def seed_words(seed: int) -> tuple[int, int]:
    """The 64-bit seed as the key's two words."""
    return seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF


def _counter(number, stream):
    """(c1, c3) for step-like numbers below 2**48 and a stream."""
    number = np.asarray(number, dtype=np.int64)
    return number & 0xFFFFFFFF, (stream << 16) | (number >> 32)


def _draw(seed, replicas, numbers, blocks, stream):
    """The four words for every (number, replica, block), each of shape ``(numbers, replicas, blocks)``."""
    c1, c3 = _counter(np.asarray(numbers)[:, None, None], stream)
    return philox(np.arange(blocks), c1, np.asarray(replicas)[:, None], c3, *seed_words(seed))


def signs(seed: int, replicas, steps, d: int, stream: int = 0) -> np.ndarray:
    """Fair signs -1.0 or +1.0, shape ``(len(replicas), d)`` for one step, ``(len(steps), ...)`` for several.

    >>> signs(0, [0], 0, 4).tolist()
    [[-1.0, 1.0, -1.0, 1.0]]
    """
    many = np.atleast_1d(steps)
    quads, where = np.unique(many // 4, return_inverse=True)
    words = np.stack(_draw(seed, replicas, quads, (d + 31) // 32, stream))[many % 4, where]
    bits = (words[..., None] >> np.arange(32, dtype=np.uint64)) & np.uint64(1)
    found = 1.0 - 2.0 * bits.reshape(len(many), len(replicas), -1)[..., :d].astype(np.float64)
    return found if np.ndim(steps) else found[0]


def uniform_pairs(seed: int, replicas, numbers, pairs: int, stream: int):
    """Two arrays of shape ``(len(numbers), len(replicas), pairs)``, uniform on (0, 1] and [0, 1) with 53 bits."""
    r = _draw(seed, replicas, numbers, pairs, stream)
    first = ((r[0] << np.uint64(21)) | (r[1] >> np.uint64(11))).astype(np.float64)
    second = ((r[2] << np.uint64(21)) | (r[3] >> np.uint64(11))).astype(np.float64)
    return (first + 1.0) * 2.0**-53, second * 2.0**-53


def normals(seed: int, replicas, steps, d: int, stream: int = 0) -> np.ndarray:
    """Standard normal numbers by Box and Muller; shapes as for :func:`signs`."""
    u, v = uniform_pairs(seed, replicas, np.atleast_1d(steps), (d + 1) // 2, stream)
    radius = np.sqrt(-2.0 * np.log(u))
    angle = 2.0 * np.pi * v
    both = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)
    found = both.reshape(*both.shape[:2], -1)[..., :d]
    return found if np.ndim(steps) else found[0]


def integers(seed: int, replicas, steps, n: int, stream: int = 0) -> np.ndarray:
    """Uniform integers ``0 .. n-1``, shape ``(len(replicas),)``, or with an axis of steps before it.

    Their bias is below ``n * 2**-53``.
    """
    _, v = uniform_pairs(seed, replicas, np.atleast_1d(steps), 1, stream)
    found = np.minimum((v[..., 0] * n).astype(np.int64), n - 1)
    return found if np.ndim(steps) else found[0]


def unit_starts(seed: int, replicas, d: int, stream: int) -> np.ndarray:
    """Random points on the unit sphere, one per replica, shape ``(len(replicas), d)``."""
    points = normals(seed, replicas, 0, d, START_STREAM + stream)
    return points / np.linalg.norm(points, axis=-1, keepdims=True)
