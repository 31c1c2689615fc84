"""Philox4x32-10: the published vectors, the layout of its counters, and fairness."""

from itertools import pairwise

import numpy as np
import pytest

from bn_theory.losses import philox

# Random123's kat_vectors for philox4x32 with 10 rounds: counter, key, output.
KNOWN_ANSWERS = [
    (
        (0x00000000, 0x00000000, 0x00000000, 0x00000000),
        (0x00000000, 0x00000000),
        (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8),
    ),
    (
        (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF),
        (0xFFFFFFFF, 0xFFFFFFFF),
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    ),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "output"), KNOWN_ANSWERS, ids=["zeros", "ones", "pi"])
def test_known_answers(counter, key, output):
    assert tuple(int(word) for word in philox.philox(*counter, *key)) == output


def test_counters_broadcast():
    words = philox.philox(np.arange(3)[:, None], 5, np.arange(2), 7, 1, 2)
    single = philox.philox(2, 5, 1, 7, 1, 2)
    assert all(word.shape == (3, 2) and word[2, 1] == one for word, one in zip(words, single, strict=True))


def test_seed_is_the_key():
    assert philox.seed_words(0x0123456789ABCDEF) == (0x89ABCDEF, 0x01234567)
    low, high = (philox.signs(seed, [0], 0, 64) for seed in (1, 1 + 2**32))
    assert not np.array_equal(low, high)


def test_signs_are_the_bits_of_the_documented_word():
    """Bit i of word step % 4 for counter (block, step // 4, replica, stream and high bits)."""
    seed, replica, stream = 2**40 + 9, 2**31 + 5, 3
    for step in (0, 1, 2, 3, 4, 2**34 + 3, 2**46 + 2):
        for block in (0, 1, 2):
            number = step // 4
            counter = (block, number % 2**32, replica, (stream << 16) | (number >> 32))
            word = int(philox.philox(*counter, *philox.seed_words(seed))[step % 4])
            expected = [1.0 - 2.0 * ((word >> i) & 1) for i in range(32)]
            found = philox.signs(seed, [replica], step, 96, stream)[0, 32 * block : 32 * block + 32]
            assert found.tolist() == expected


def test_normals_are_box_muller_of_the_documented_words():
    seed, replica, step, stream = 12, 7, 2**34 + 1, 2
    counter = (1, step % 2**32, replica, (stream << 16) | (step >> 32))
    r = [int(word) for word in philox.philox(*counter, *philox.seed_words(seed))]
    u, v = (((r[0] << 21) | (r[1] >> 11)) + 1) / 2**53, ((r[2] << 21) | (r[3] >> 11)) / 2**53
    radius, angle = np.sqrt(-2 * np.log(u)), 2 * np.pi * v
    found = philox.normals(seed, [replica], step, 4, stream)[0, 2:]
    # the same formula once more, at most 2 ulp per function
    assert np.all(np.abs(found - [radius * np.cos(angle), radius * np.sin(angle)]) <= 4 * np.spacing(radius))


@pytest.mark.parametrize("draw", [philox.signs, philox.normals], ids=["signs", "normals"])
class TestNoise:
    def test_replicas_do_not_depend_on_their_company(self, draw):
        many = draw(3, np.arange(256), 11, 37)
        assert np.array_equal(draw(3, [17], 11, 37)[0], many[17])
        assert np.array_equal(draw(3, [200, 17], 11, 37), many[[200, 17]])

    def test_several_steps_at_once(self, draw):
        steps = [5, 0, 4, 5, 2**34 + 1]
        many = draw(3, [4, 9], steps, 37, 2)
        assert many.shape == (5, 2, 37)
        for step, found in zip(steps, many, strict=True):
            assert np.array_equal(found, draw(3, [4, 9], step, 37, 2))

    def test_coordinates_do_not_depend_on_the_dimension(self, draw):
        assert np.array_equal(draw(3, [4], 11, 100)[:, :33], draw(3, [4], 11, 33))

    @pytest.mark.parametrize("step", [0, 2**20, 2**34 + 5, 2**47 - 1])
    def test_seed_replica_step_and_stream_all_matter(self, draw, step):
        base = draw(3, [4], step, 128)
        others = [
            draw(4, [4], step, 128),
            draw(3 + 2**32, [4], step, 128),
            draw(3, [5], step, 128),
            draw(3, [4 + 2**31], step, 128),
            draw(3, [4], step + 1 if step < 2**46 else step - 1, 128),
            draw(3, [4], step + 4 if step < 2**46 else step - 4, 128),
            draw(3, [4], step % 2**16 + 2**35, 128),
            draw(3, [4], step, 128, 1),
            draw(3, [4], step, 128, philox.START_STREAM),
        ]
        rows = np.concatenate([base, *others])
        # Two independent rows of 128 signs agree with probability 2**-128.
        assert len(np.unique(rows, axis=0)) == len(rows)

    def test_blocks_of_32_coordinates_differ(self, draw):
        rows = draw(3, [4], 0, 128).reshape(4, 32)
        assert len(np.unique(rows, axis=0)) == 4


CHI_SQUARE_BOUND = 5.0
"""In standard deviations: by the normal approximation (hundreds of degrees of freedom) one draw of a fair source
exceeds it with probability below 1e-6; the seed is fixed."""


def test_signs_are_fair():
    """Chi-square over coordinates, and over pairs of neighbours in coordinate, step and replica."""
    steps, replicas, d = 64, 64, 96
    z = np.stack([philox.signs(2**33 + 1, range(replicas), t, d) for t in range(steps)])
    assert set(np.unique(z)) == {-1.0, 1.0}
    for name, sums, count in [
        ("coordinate", z.sum(axis=(0, 1)), steps * replicas),
        ("step", z.sum(axis=(1, 2)), replicas * d),
        ("replica", z.sum(axis=(0, 2)), steps * d),
        ("neighbouring coordinates", (z[:, :, 1:] * z[:, :, :-1]).sum(axis=(0, 1)), steps * replicas),
        ("neighbouring steps", (z[1:] * z[:-1]).sum(axis=(1, 2)), replicas * d),
        ("neighbouring replicas", (z[:, 1:] * z[:, :-1]).sum(axis=(0, 2)), steps * d),
    ]:
        n = len(sums)
        # sums**2/count is chi-square of one degree each: mean n, variance 2 n
        chi = np.sum(sums**2) / count
        assert abs(chi - n) < CHI_SQUARE_BOUND * np.sqrt(2 * n), name


def test_normals_have_their_distribution():
    z = np.concatenate([philox.normals(5, range(64), t, 64).ravel() for t in range(16)])
    n = z.size
    # moments 1, 2 and 4 of n normal numbers have standard deviations 1, sqrt 2 and sqrt 96 over sqrt n
    for power, mean, deviation in ((1, 0, 1), (2, 1, np.sqrt(2)), (4, 3, np.sqrt(96))):
        assert abs(np.mean(z**power) - mean) < CHI_SQUARE_BOUND * deviation / np.sqrt(n)
    pairs = z.reshape(-1, 2)
    assert abs(np.mean(pairs[:, 0] * pairs[:, 1])) < CHI_SQUARE_BOUND / np.sqrt(n / 2)


def test_uniform_numbers_are_never_zero_where_a_logarithm_follows():
    u, v = philox.uniform_pairs(0, range(100), [0, 1], 100, 0)
    assert u.min() > 0 and u.max() <= 1
    assert v.min() >= 0 and v.max() < 1


def test_integers_are_uniform():
    n, count = 7, 70_000
    found = np.bincount(philox.integers(3, range(count), 2, n), minlength=n)
    assert len(found) == n
    chi = np.sum((found - count / n) ** 2) / (count / n)
    # 6 degrees of freedom: above 39.6 with probability 5e-7
    assert chi < 39.6


def test_integers_of_several_steps():
    found = philox.integers(3, range(5), [4, 2], 7)
    assert np.array_equal(found, [philox.integers(3, range(5), step, 7) for step in (4, 2)])


def test_unit_starts():
    starts = philox.unit_starts(0, range(1000), 3, 0)
    assert np.all(np.abs(np.sum(starts**2, axis=-1) - 1) <= 8 * np.finfo(float).eps)
    # uniform on the sphere: every coordinate has mean 0 and variance 1/3
    assert np.all(np.abs(starts.mean(axis=0)) < CHI_SQUARE_BOUND * np.sqrt(1 / 3000))
    assert not np.array_equal(starts, philox.unit_starts(0, range(1000), 3, 1))


def test_every_purpose_has_its_own_streams():
    """Noise, starts and shuffles of one seed and replica share no bits; a stream's number has 16 bits."""
    edges = [0, philox.START_STREAM, philox.SHUFFLE_STREAM, 2**16]
    assert all(high - low >= 2**14 for low, high in pairwise(edges))
    starts = philox.unit_starts(0, [0], 64, 0)[0]
    shuffle = philox.normals(0, [0], 0, 64, philox.SHUFFLE_STREAM)[0]
    # 64 independent numbers have one sign pattern in 2**64, and one order in 64!.
    assert not np.array_equal(np.argsort(starts), np.argsort(shuffle))
