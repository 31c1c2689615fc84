"""Splits of real images, their scaling, and augmentation against its definition pixel by pixel."""

import math

import numpy as np
import pytest
import torch

from bn_theory.errors import DataFileError, InvalidInputError
from bn_theory.networks.data import augment, cifar10, digits_split
from bn_theory.networks.digits import digits

EPS32 = torch.finfo(torch.float32).eps


def test_the_split_deals_every_image_once():
    split = digits_split(torch.float64, test=100)
    assert split.image == (1, 8, 8) and split.name == "digits"
    assert len(split.train_images) == 1697 == len(split.train_classes)
    images, classes = digits()
    both = torch.cat([split.train_images, split.test_images])
    # scales differ by one affine map: order by a random direction and compare up to it
    direction = torch.randn(64, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    keys = [x.flatten(1) @ direction for x in (images, both)]
    orders = [key.argsort() for key in keys]
    assert torch.equal(classes[orders[0]], torch.cat([split.train_classes, split.test_classes])[orders[1]])
    a, b = (x[order].flatten() for x, order in zip((images, both), orders, strict=True))
    slope = (b.max() - b.min()) / (a.max() - a.min())
    # values below 4, a handful of roundings each
    assert (b - b[0] - slope * (a - a[0])).abs().max() < 64 * 4 * np.finfo(float).eps


def test_scaled_by_the_training_images_alone():
    split = digits_split(torch.float64, test=600, seed=3)
    # sums of 1197 * 64 numbers of size 1 err by far less than their number times eps
    tolerance = split.train_images.numel() * np.finfo(float).eps
    assert abs(split.train_images.mean()) < tolerance
    assert abs(split.train_images.std(unbiased=False) - 1) < tolerance
    assert abs(split.test_images.mean()) > 1e3 * tolerance  # not by the test images


def test_the_split_is_a_function_of_the_seed():
    one, same, other = (digits_split(seed=seed) for seed in (5, 5, 6))
    assert torch.equal(one.train_images, same.train_images) and torch.equal(one.test_classes, same.test_classes)
    assert not torch.equal(one.test_classes, other.test_classes)
    assert one.checksum == other.checksum and len(one.checksum) == 64


def test_torchs_own_generator_is_left_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    split = digits_split()
    augment(split.train_images[:4], torch.Generator().manual_seed(0))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("test", [0, 1797])
def test_no_empty_part(test):
    with pytest.raises(InvalidInputError, match=f"from 1 to 1796 images, not {test}"):
        digits_split(test=test)


def test_augment_is_crop_and_mirror():
    images = torch.rand((40, 3, 6, 5), generator=torch.Generator().manual_seed(1))
    pad = 2
    found = augment(images, torch.Generator().manual_seed(2), pad)
    assert found.shape == images.shape and found.is_contiguous()
    seen = set()
    for image, changed in zip(images, found, strict=True):
        padded = np.pad(image.numpy(), ((0, 0), (pad, pad), (pad, pad)))
        crops = {
            (top, left, mirror): padded[:, top : top + 6, left : left + 5][..., :: -1 if mirror else 1]
            for top in range(2 * pad + 1)
            for left in range(2 * pad + 1)
            for mirror in (False, True)
        }
        matches = [key for key, crop in crops.items() if np.array_equal(crop, changed.numpy())]
        assert len(matches) == 1
        seen.add(matches[0])
    tops, lefts, mirrors = (set(column) for column in zip(*seen, strict=True))
    assert tops == lefts == set(range(2 * pad + 1)) and mirrors == {False, True}


def test_augment_draws_each_shift_alike():
    n, pad = 20000, 1
    images = torch.zeros(n, 1, 3, 3)
    images[:, 0, 1, 1] = 1  # one bright pixel in the middle: where it goes is the shift
    found = augment(images, torch.Generator().manual_seed(0), pad).mean(0)[0]
    assert torch.all(found > 0)
    # nine places of probability 1/9; five standard errors
    assert (found - 1 / 9).abs().max() < 5 * math.sqrt(8 / 81 / n)


def test_augment_without_margin_mirrors_half():
    images = torch.arange(3.0).repeat(4000, 1, 1, 1)
    mirrored = (augment(images, torch.Generator().manual_seed(0), pad=0)[:, 0, 0, 0] == 2).double().mean()
    assert abs(mirrored - 0.5) < 5 * 0.5 / math.sqrt(4000)  # five standard errors
    with pytest.raises(InvalidInputError, match="pad must be at least 0 pixels, not -1"):
        augment(images, torch.Generator(), pad=-1)


def write(folder, pixels, classes):
    """Six files of CIFAR-10's binary version."""
    for i, name in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]):
        (folder / f"{name}.bin").write_bytes(np.concatenate([classes[i][:, None], pixels[i]], axis=1).tobytes())


def test_cifar_is_scaled_by_colour(tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (6, 7, 3072), dtype=np.uint8)
    pixels[..., 1024:2048] //= 4  # green is dark
    classes = rng.integers(0, 10, (6, 7), dtype=np.uint8)
    write(tmp_path, pixels, classes)
    split = cifar10(tmp_path, torch.float64, verified=False)
    assert split.image == (3, 32, 32) and split.name == "CIFAR-10" and len(split.train_images) == 35
    raw = pixels.reshape(42, 3, -1).astype(float)
    for channel in range(3):
        train = raw[:35, channel]
        expected = (raw[:, channel] - train.mean()) / train.std()
        both = torch.cat([split.train_images, split.test_images])[:, channel].flatten(1).numpy()
        # means of 35 * 1024 numbers below 256
        assert np.max(np.abs(both - expected)) < 35 * 1024 * np.finfo(float).eps
    assert split.test_classes.tolist() == classes[5].tolist()
    single = cifar10(tmp_path, verified=False)
    # values below 4: subtraction and division
    assert (single.train_images.double() - split.train_images).abs().max() < 4 * 256 / raw.std() * EPS32


def test_a_colour_without_contrast_is_refused(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 2, 3072), dtype=np.uint8)
    pixels[..., 2048:] = 7
    write(tmp_path, pixels, np.zeros((6, 2), dtype=np.uint8))
    with pytest.raises(DataFileError, match="colour 2 has one value"):
        cifar10(tmp_path, verified=False)


def test_moving_data_keeps_them():
    split = digits_split()
    moved = split.to("cpu")
    assert moved.name == split.name and torch.equal(moved.train_images, split.train_images)
