"""scikit-learn's bundled handwritten digits as tensors, and mini-batches of them: no download."""

from __future__ import annotations

import torch

from bn_theory.errors import InvalidInputError


def digits(dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    """All 1797 images and their classes.

    Grey values are shifted and scaled, all alike, to mean 0 and standard deviation 1.

    Returns:
        images, shape ``(1797, 1, 8, 8)``, dimensionless, and classes 0 to 9, shape ``(1797,)``.

    Source: scikit-learn's ``load_digits`` (test set of the UCI "Optical Recognition of Handwritten Digits").

    >>> images, classes = digits()
    >>> tuple(images.shape), tuple(classes.shape)
    ((1797, 1, 8, 8), (1797,))
    """
    from sklearn.datasets import load_digits

    pixels, classes = load_digits(return_X_y=True)
    pixels = (pixels - pixels.mean()) / pixels.std()
    return torch.from_numpy(pixels).reshape(-1, 1, 8, 8).to(dtype), torch.from_numpy(classes).long()


def mini_batches(
    images: torch.Tensor, classes: torch.Tensor, size: int, steps: int, seed: int = 0
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """``steps`` mini-batches of ``size`` images, without replacement within an epoch, shuffled anew for each.

    Incomplete batches at the end of an epoch are left out.

    Raises:
        InvalidInputError: ``size`` is not between 1 and the number of images, or there are no steps.

    >>> batches = mini_batches(*digits(), size=32, steps=3)
    >>> len(batches), tuple(batches[0][0].shape)
    (3, (32, 1, 8, 8))
    """
    if not 1 <= size <= len(images):
        raise InvalidInputError(f"size must be from 1 to the {len(images)} images, not {size}")
    if steps < 1:
        raise InvalidInputError(f"steps must be at least 1, not {steps}")
    generator = torch.Generator().manual_seed(seed)
    chosen = []
    while len(chosen) < steps:
        order = torch.randperm(len(images), generator=generator)
        chosen += [order[i : i + size] for i in range(0, len(images) - size + 1, size)]
    return [(images[rows], classes[rows]) for rows in chosen[:steps]]
