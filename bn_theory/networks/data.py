"""Images for experiments, split into training and test: scikit-learn's digits, CIFAR-10 from a folder; augmentation."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import torch

from bn_theory.errors import DataFileError, InvalidInputError
from bn_theory.networks import cifar10_files as reader
from bn_theory.networks.digits import digits


@dataclass(frozen=True, eq=False)
class Split:
    """Images and their classes, to train on and to test with.

    Args:
        train_images, test_images: shape ``(images, channels, height, width)``, shifted and scaled by the mean and the
            standard deviation of the training images (dimensionless).
        train_classes, test_classes: shape ``(images,)``, whole numbers from 0.
        name: of the data.
        checksum: SHA-256 of the values that were read, before they were shifted and scaled.
    """

    train_images: torch.Tensor
    train_classes: torch.Tensor
    test_images: torch.Tensor
    test_classes: torch.Tensor
    name: str
    checksum: str = ""

    @property
    def image(self) -> tuple[int, int, int]:
        """Channels, height and width of one image."""
        return tuple(self.train_images.shape[1:])

    def to(self, device) -> Split:
        """The same data on another device."""
        names = ("train_images", "train_classes", "test_images", "test_classes")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})


def digits_split(dtype: torch.dtype = torch.float32, test: int = 360, seed: int = 0) -> Split:
    """scikit-learn's 1797 handwritten digits, split at random.

    Grey values are shifted and scaled, all alike, so that the training images have mean 0 and standard deviation 1.

    Args:
        test: number of test images.
        seed: of the order in which images are dealt; the split is a function of it.

    Raises:
        InvalidInputError: no image would be left for training or for the test.

    Source: scikit-learn's ``load_digits`` (test set of the UCI "Optical Recognition of Handwritten Digits").

    >>> split = digits_split()
    >>> tuple(split.train_images.shape), tuple(split.test_images.shape)
    ((1437, 1, 8, 8), (360, 1, 8, 8))
    """
    images, classes = digits(torch.float64)
    if not 1 <= test < len(images):
        raise InvalidInputError(f"test must be from 1 to {len(images) - 1} images, not {test}")
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    held, kept = order[:test], order[test:]
    mean, scale = images[kept].mean(), images[kept].std(unbiased=False)
    images = ((images - mean) / scale).to(dtype)
    return Split(images[kept], classes[kept], images[held], classes[held], "digits", _digits_checksum())


def cifar10(folder, dtype: torch.dtype = torch.float32, *, verified: bool = True) -> Split:
    """CIFAR-10 from a folder, in its binary or its python version; nothing is ever downloaded.

    Each colour is shifted and scaled so that it has mean 0 and standard deviation 1 over the training images.

    Args:
        folder: the folder of the batches, or the one that holds it.
        verified: whether the files must be those of the distribution, by their published checksums.

    Raises:
        InvalidInputError: no such folder.
        DataFileError: a file that is missing, damaged or another one; the message names it.

    Source: A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009.
    """
    found = reader.read(folder, verified=verified)
    train, held = (torch.from_numpy(pixels) for pixels in (found.train_images, found.test_images))
    mean, scale = _by_colour(train)
    if not scale.all():
        flat = int((scale == 0).nonzero()[0])
        raise DataFileError(f"{folder}: colour {flat} has one value in all training images and cannot be scaled")
    # Scaled after the change of dtype: 50 000 images in float64 are 1.2 GB.
    mean, scale = (value.to(dtype).reshape(1, -1, 1, 1) for value in (mean, scale))
    images = [pixels.to(dtype).sub_(mean).div_(scale) for pixels in (train, held)]
    classes = [torch.from_numpy(found.train_classes).long(), torch.from_numpy(found.test_classes).long()]
    return Split(images[0], classes[0], images[1], classes[1], "CIFAR-10", found.checksum)


def augment(images: torch.Tensor, generator: torch.Generator, pad: int = 4) -> torch.Tensor:
    """Images cut out at random of themselves with a margin of zeros around, half of them mirrored left to right.

    Each image is shifted by its own whole number of pixels, uniform in ``-pad .. pad`` in both directions.

    Args:
        images: shape ``(batch, channels, height, width)``, on any device.
        generator: of the CPU, so that every device draws the same.
        pad: width of the margin in pixels.

    Returns:
        Images of the same shape, dtype and device.

    Source: the augmentation of He, Zhang, Ren and Sun, "Deep residual learning for image recognition", 2016.

    >>> images = torch.arange(9.0).reshape(1, 1, 3, 3)
    >>> augment(torch.arange(3.0).reshape(1, 1, 1, 3), torch.Generator().manual_seed(0), pad=0)
    tensor([[[[2., 1., 0.]]]])
    """
    if pad < 0:
        raise InvalidInputError(f"pad must be at least 0 pixels, not {pad}")
    count, _, height, width = images.shape
    top, left = torch.randint(0, 2 * pad + 1, (2, count, 1), generator=generator)
    mirrored = torch.rand((count, 1), generator=generator) < 0.5
    columns = torch.arange(width)
    columns = torch.where(mirrored, columns.flip(0), columns) + left
    rows = torch.arange(height) + top
    rows, columns = (index.to(images.device) for index in (rows, columns))
    padded = torch.nn.functional.pad(images, (pad,) * 4)
    image = torch.arange(count, device=images.device)[:, None, None]
    # Indices apart from each other put their dimensions first: (batch, height, width, channels).
    return padded[image, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()


def _digits_checksum():
    from sklearn.datasets import load_digits

    pixels, classes = load_digits(return_X_y=True)
    return hashlib.sha256(pixels.astype("u1").tobytes() + classes.astype("u1").tobytes()).hexdigest()


def _by_colour(pixels):
    """Mean and standard deviation of each channel of bytes, exact up to their last rounding."""
    counts = [torch.bincount(pixels[:, channel].flatten(), minlength=256) for channel in range(pixels.shape[1])]
    values = torch.arange(256, dtype=torch.float64)
    weights = torch.stack([count.double() / count.sum() for count in counts])
    mean = weights @ values
    return mean, ((weights * (values - mean[:, None]) ** 2).sum(1)).sqrt()
