"""Philox for the compiled engine: the bits of :mod:`bn_theory.losses.philox`, made in vector registers."""

import math

import numpy as np
from numba import njit

from bn_theory.losses.philox import MULTIPLIERS, ROUNDS, WEYL

TILE = 16
"""Draws made at once; 4 * TILE steps of signs. 16 lets two 8-lane vectors hide each other's latency."""

_M0, _M1 = np.uint64(MULTIPLIERS[0]), np.uint64(MULTIPLIERS[1])
_W0, _W1 = np.uint64(WEYL[0]), np.uint64(WEYL[1])
_LOW, _32, _16 = np.uint64(0xFFFFFFFF), np.uint64(32), np.uint64(16)
_21, _11 = np.uint64(21), np.uint64(11)
_ONE, _SIGN = np.uint64(0x3FF0000000000000), np.uint64(0x8000000000000000)


@njit(nogil=True, cache=True, inline="always")
def _philox(c0, c1, c2, c3, k0, k1):
    for _ in range(ROUNDS):
        p0 = c0 * _M0
        p1 = c2 * _M1
        c0 = (p1 >> _32) ^ c1 ^ k0
        c1 = p1 & _LOW
        c2 = (p0 >> _32) ^ c3 ^ k1
        c3 = p0 & _LOW
        k0 = (k0 + _W0) & _LOW
        k1 = (k1 + _W1) & _LOW
    return c0, c1, c2, c3


@njit(nogil=True, cache=True)
def fill_words(words, number, replica, stream, key0, key1):
    """Sign words of ``TILE`` consecutive draws: ``words[block, step % 4, draw]``."""
    for block in range(words.shape[0]):
        for q in range(TILE):
            n = np.uint64(number + q)
            c3 = (np.uint64(stream) << _16) | (n >> _32)
            r0, r1, r2, r3 = _philox(np.uint64(block), n & _LOW, np.uint64(replica), c3, key0, key1)
            words[block, 0, q] = r0
            words[block, 1, q] = r1
            words[block, 2, q] = r2
            words[block, 3, q] = r3


@njit(nogil=True, cache=True)
def fill_signs(bits, words, step):
    """The signs of one step from its words, as the bits of floats: 1.0 with the word's bit as its sign."""
    q = (step // 4) % TILE
    for block in range(words.shape[0]):
        word = words[block, step % 4, q]
        for i in range(32):
            bits[block * 32 + i] = _ONE | ((word << np.uint64(63 - i)) & _SIGN)


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
