"""The compiled engine draws the bits of the readable one."""

import numpy as np
import pytest

from bn_theory.engines import numba_noise, simd
from bn_theory.losses import philox

SEEDS = (0, 2**32 + 7, 2**64 - 1)
REPLICAS = (0, 17, 2**31 + 5, 2**32 - 1)
STEPS = (0, 3, 4, 63, 64, 65, 2**31, 2**34 - 1, 2**34, 2**34 + 5, 2**46 + 2)


def key(seed):
    return tuple(map(np.uint64, philox.seed_words(seed)))


def signs(words):
    """``(..., blocks)`` words of 32 bits as signs ``(..., 32 * blocks)``."""
    bits = (np.asarray(words, dtype=np.uint64)[..., None] >> np.arange(32, dtype=np.uint64)) & np.uint64(1)
    return 1.0 - 2.0 * bits.reshape(*words.shape[:-1], -1)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("replica", REPLICAS)
def test_signs_along_coordinates(seed, replica):
    blocks, tile = 3, 4 * numba_noise.TILE
    words = np.zeros((2 * tile, blocks), dtype=np.uint32)
    for stream in (0, 5):
        for step in STEPS:
            numba_noise.draw_signs(words, step // tile, replica, stream, *key(seed))
            expected = philox.signs(seed, [replica], step, 32 * blocks, stream)[0]
            assert np.array_equal(signs(words[step % (2 * tile)]), expected)


@pytest.mark.parametrize("seed", SEEDS)
def test_signs_across_replicas(seed):
    blocks = 3
    replicas = np.resize(np.array(REPLICAS, dtype=np.uint64), 2 * simd.WIDTH)
    words = np.zeros(blocks * 8 * simd.WIDTH, dtype=np.uint64)
    for unit in (0, 1):
        lanes = replicas[unit * simd.WIDTH : (unit + 1) * simd.WIDTH]
        for stream in (0, 5):
            for step in STEPS:
                numba_noise.draw_lanes(words, step // 4, replicas, unit, stream, *key(seed))
                found = words.reshape(blocks, 8, simd.WIDTH)[:, step % 8].T
                expected = np.stack([philox.signs(seed, [int(r)], step, 32 * blocks, stream)[0] for r in lanes])
                assert np.array_equal(signs(found), expected)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("replica", REPLICAS)
def test_normals(seed, replica):
    z = np.empty(64)
    for stream in (0, 5):
        for step in STEPS:
            numba_noise.fill_normals(z, step, replica, stream, *key(seed))
            expected = philox.normals(seed, [replica], step, 64, stream)[0]
            # The uniform numbers and the angle are the same bits. Two libraries, each within 1 ulp for log (halved by
            # the root) and for cos or sin, half an ulp for the root and for the product: 2.5 ulp a side.
            assert np.all(np.abs(z - expected) <= 5 * np.spacing(np.abs(expected)))
