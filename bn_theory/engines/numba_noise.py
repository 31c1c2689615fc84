"""Philox for the compiled engine: the bits of :mod:`bn_theory.losses.philox`, made in vector registers."""

import math

import numpy as np
from numba import njit

from bn_theory.engines.simd import WIDTH, load, splat_words, store
from bn_theory.losses.philox import MULTIPLIERS, ROUNDS, WEYL

TILE = 16
"""Draws made at once; 4 * TILE steps of signs. 16 lets two 8-lane vectors hide each other's latency."""

_M0, _M1 = np.uint64(MULTIPLIERS[0]), np.uint64(MULTIPLIERS[1])
_W0, _W1 = np.uint64(WEYL[0]), np.uint64(WEYL[1])
_LOW, _32, _16 = np.uint64(0xFFFFFFFF), np.uint64(32), np.uint64(16)
_21, _11 = np.uint64(21), np.uint64(11)


@njit(nogil=True, cache=True, inline="always")
def _philox(c0, c1, c2, c3, k0, k1):
    for _ in range(ROUNDS):
        # The masks cost nothing: they tell the compiler that a multiplication of 32 by 32 bits is enough.
        p0 = (c0 & _LOW) * _M0
        p1 = (c2 & _LOW) * _M1
        c0 = (p1 >> _32) ^ c1 ^ k0
        c1 = p1 & _LOW
        c2 = (p0 >> _32) ^ c3 ^ k1
        c3 = p0 & _LOW
        k0 = (k0 + _W0) & _LOW
        k1 = (k1 + _W1) & _LOW
    return c0, c1, c2, c3


@njit(nogil=True, cache=True)
def draw_signs(words, number, replica, stream, key0, key1):
    """The sign words of ``4 * TILE`` steps of one replica: ``words[step % (8 * TILE), block]``.

    Args:
        words: shape ``(8 * TILE, blocks)``, a block being 32 coordinates; the half of ``number``'s parity is written.
        number: ``step // (4 * TILE)``.
    """
    drawn = np.empty((4, TILE), dtype=np.uint32)
    start = (number % 2) * 4 * TILE
    for block in range(words.shape[1]):
        for q in range(TILE):
            n = np.uint64(number * TILE + q)
            c3 = (np.uint64(stream) << _16) | (n >> _32)
            r0, r1, r2, r3 = _philox(np.uint64(block), n & _LOW, np.uint64(replica), c3, key0, key1)
            drawn[0, q] = r0
            drawn[1, q] = r1
            drawn[2, q] = r2
            drawn[3, q] = r3
        for q in range(TILE):
            for k in range(4):
                words[start + 4 * q + k, block] = drawn[k, q]


@njit(nogil=True, cache=True)
def draw_lanes(words, quad, replica_of, unit, stream, key0, key1):
    """The sign words of four steps of ``WIDTH`` replicas: ``words[(block * 8 + step % 8) * WIDTH + lane]``.

    Args:
        words: one axis; for every block of 32 coordinates the half of ``quad``'s parity is written.
        quad: ``step // 4``.
        replica_of: replica numbers, the unit's at ``unit * WIDTH``.
    """
    n = np.uint64(quad)
    c1 = splat_words(n & _LOW)
    c3 = splat_words((np.uint64(stream) << _16) | (n >> _32))
    replicas = load(replica_of, unit * WIDTH)
    for block in range(words.shape[0] // (8 * WIDTH)):
        r0, r1, r2, r3 = _philox(splat_words(np.uint64(block)), c1, replicas, c3, key0, key1)
        at = (block * 8 + (quad % 2) * 4) * WIDTH
        store(words, at, r0)
        store(words, at + WIDTH, r1)
        store(words, at + 2 * WIDTH, r2)
        store(words, at + 3 * WIDTH, r3)


@njit(nogil=True, cache=True)
def fill_normals(z, step, replica, stream, key0, key1):
    """The standard normal numbers of one step (Box and Muller)."""
    n = np.uint64(step)
    c3 = (np.uint64(stream) << _16) | (n >> _32)
    for pair in range(z.shape[0] // 2):
        r0, r1, r2, r3 = _philox(np.uint64(pair), n & _LOW, np.uint64(replica), c3, key0, key1)
        u = (np.float64((r0 << _21) | (r1 >> _11)) + 1.0) * 2.0**-53
        v = np.float64((r2 << _21) | (r3 >> _11)) * 2.0**-53
        radius = math.sqrt(-2.0 * math.log(u))
        angle = 2.0 * math.pi * v
        z[2 * pair] = radius * math.cos(angle)
        z[2 * pair + 1] = radius * math.sin(angle)
