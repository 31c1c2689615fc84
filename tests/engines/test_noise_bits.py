"""The compiled engine draws the bits of the readable one."""

import numpy as np
import pytest

from bn_theory.engines import numba_noise
from bn_theory.losses import philox

SEEDS = (0, 2**32 + 7, 2**64 - 1)
REPLICAS = (0, 17, 2**31 + 5, 2**32 - 1)
STEPS = (0, 3, 4, 63, 64, 65, 2**31, 2**34 - 1, 2**34, 2**34 + 5, 2**46 + 2)


def key(seed):
    return tuple(map(np.uint64, philox.seed_words(seed)))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("replica", REPLICAS)
def test_signs(seed, replica):
    blocks = 3
    words = np.empty((blocks, 4, numba_noise.TILE), dtype=np.uint64)
    z = np.empty(32 * blocks)
    for stream in (0, 5):
        for step in STEPS:
            first = step // (4 * numba_noise.TILE) * numba_noise.TILE
            numba_noise.fill_words(words, first, replica, stream, *key(seed))
            numba_noise.fill_signs(z.view(np.uint64), words, step)
            assert np.array_equal(z, philox.signs(seed, [replica], step, 32 * blocks, stream)[0])


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
