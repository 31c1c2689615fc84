"""Products of random matrices and of circular convolutions, and what is asked of their singular values."""

from __future__ import annotations

import numpy as np

from bn_theory import fuss_catalan
from bn_theory.errors import InvalidInputError


def gaussian(rng, matrices: int, size: int, draws: int, variance: float = 1.0):
    """Independent products ``X_m ... X_1`` for ``m = 1 .. matrices``, one after the other, of the same matrices.

    Args:
        rng: ``numpy.random.Generator``.
        matrices: how many factors the last product has.
        size: N.
        draws: how many independent products.
        variance: of an entry, times N.

    Yields:
        arrays of shape ``(draws, N, N)``.

    >>> [w.shape for w in gaussian(np.random.default_rng(0), 2, 4, 3)]
    [(3, 4, 4), (3, 4, 4)]
    """
    product = None
    for _ in range(matrices):
        factor = rng.standard_normal((draws, size, size)) * np.sqrt(variance / size)
        product = factor if product is None else factor @ product
        yield product


def orthogonal(rng, matrices: int, size: int, draws: int):
    """As :func:`gaussian`, of matrices distributed uniformly over the orthogonal ones (QR of Gaussian ones)."""
    product = None
    for _ in range(matrices):
        q, r = np.linalg.qr(rng.standard_normal((draws, size, size)))
        factor = q * np.sign(np.diagonal(r, axis1=-2, axis2=-1))[..., None, :]
        product = factor if product is None else factor @ product
        yield product


def last(products) -> np.ndarray:
    """The product with all its factors."""
    for product in products:
        found = product
    return found


def kernels(rng, matrices: int, channels: int, taps: int) -> np.ndarray:
    """Gaussian kernels of ``taps x taps`` with entries of variance ``1/(channels taps^2)``.

    Returns:
        shape ``(matrices, taps, taps, channels out, channels in)``.
    """
    shape = (matrices, taps, taps, channels, channels)
    return rng.standard_normal(shape) / np.sqrt(channels * taps**2)


def convolution_values(kernel_stack, side: int) -> np.ndarray:
    """Singular values of the product of circular convolutions on ``side x side`` images, by the Fourier transform.

    At every frequency the product of the convolutions is the product of the symbols ``sum_a K(a) exp(-i omega a)``, and
    the waves are orthogonal: all singular values are those of the ``side^2`` products of small matrices.

    Args:
        kernel_stack: as from :func:`kernels`, the first is applied first.
        side: at least the kernels' size.

    Returns:
        shape ``(side^2, channels)``, descending in the last axis.

    Raises:
        InvalidInputError: a kernel that is larger than the image.
    """
    if kernel_stack.shape[1] > side:
        raise InvalidInputError(f"kernels of {kernel_stack.shape[1]} do not fit an image of side {side}")
    product = None
    for kernel in kernel_stack:
        symbol = np.fft.fft2(kernel, s=(side, side), axes=(0, 1))
        product = symbol if product is None else symbol @ product
    return np.linalg.svd(product, compute_uv=False).reshape(side**2, -1)


def dense_convolutions(kernel_stack, side: int, circular: bool = True) -> np.ndarray:
    """The same product as one matrix, from its effect on every pixel of every channel.

    Args:
        circular: images go on at the opposite edge; else they are 0 outside.

    Returns:
        shape ``(side^2 channels, side^2 channels)``.
    """
    channels = kernel_stack.shape[-1]
    images = np.eye(side**2 * channels).reshape(side, side, channels, -1)
    for kernel in kernel_stack:
        found = np.zeros_like(images)
        for a, b in np.ndindex(kernel.shape[:2]):
            moved = np.roll(images, (a, b), axis=(0, 1))
            if not circular:
                moved[:a], moved[:, :b] = 0, 0
            found += np.einsum("oi,xyin->xyon", kernel[a, b], moved)
        images = found
    return images.reshape(side**2 * channels, -1)


def distance(squared, matrices: int) -> float:
    """Largest distance between the distribution of squared singular values and the limiting law of order M.

    >>> round(distance(np.array([2.0]), 1), 4)  # 0.8183 of the law lies below 2
    0.8183
    """
    part = fuss_catalan.distribution(matrices, np.sort(np.ravel(squared)))
    n = len(part)
    return float(max(np.max(np.arange(1, n + 1) / n - part), np.max(part - np.arange(n) / n)))


def distance_of_two(first, second) -> float:
    """Largest distance between the distributions of two samples (Kolmogorov, Smirnov)."""
    points = np.sort(np.concatenate([first, second]))
    parts = [np.searchsorted(np.sort(sample), points, side="right") / len(sample) for sample in (first, second)]
    return float(np.max(np.abs(parts[0] - parts[1])))
