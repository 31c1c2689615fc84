"""The noise of mini-batch gradients at one point, with and without batch normalisation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from bn_theory.errors import InvalidInputError
from bn_theory.networks.rays import batch_loss
from bn_theory.networks.training import check_images, check_mode


@dataclass(frozen=True)
class GradientNoise:
    """How mini-batch gradients ``g_B`` scatter around their mean at one point.

    Attributes:
        covariance: estimate of ``tr Cov(g_B)``, unbiased.
        mean_square: estimate of ``E|g_B|^2``, unbiased.
        batch, batches: images a batch, and batches that were drawn.
    """

    covariance: float
    mean_square: float
    batch: int
    batches: int

    @property
    def signal(self) -> float:
        """Unbiased estimate of ``|E g_B|^2``; negative where it is too small to be seen."""
        return self.mean_square - self.covariance

    @property
    def share(self) -> float:
        """``tr Cov(g_B)/E|g_B|^2``: the noise's share of the mean square (dimensionless, 0 to ``K/(K-1)``)."""
        return self.covariance / self.mean_square

    def per_time(self, lr: float) -> float:
        """Noise of SGD's steps per unit of time ``lr * steps``: ``E|lr (g_B - E g_B)|^2/lr = lr tr Cov(g_B)``."""
        return lr * self.covariance


def gradient_noise(
    model: nn.Module, images: torch.Tensor, classes: torch.Tensor, *, batch: int, batches: int = 16, seed: int = 0
) -> GradientNoise:
    """Noise of the gradient in all trained parameters, over ``batches`` independent draws; the model is left as it is.

    With ``g_k`` the gradients of K batches, ``tr Cov = sum_k |g_k - mean|^2/(K - 1)`` and ``E|g_B|^2 = mean |g_k|^2``.
    Each batch is drawn without replacement. Under batch normalisation the loss of a batch is no mean over images, so
    that a batch, and not an image, is the unit of the noise; ``E g_B`` depends on the batch size then.

    Args:
        images: shape ``(n, channels, height, width)``. classes: shape ``(n,)``.
        batch: images a batch; 2 or more under batch normalisation.
        batches: K, 2 or more.

    Raises:
        InvalidInputError: sizes that cannot be drawn, images that are not finite, a normalisation in eval mode.

    Source: the noise of Bjorck, Gomes, Selman and Weinberger (NeurIPS 2018, arXiv:1806.02375); estimators are textbook.

    >>> from bn_theory.networks import digits, vgg
    >>> found = gradient_noise(vgg(channels=(2,), hidden=()), *digits(), batch=8, batches=4)
    >>> 0 < found.share < 4 / 3
    True
    """
    check_images(images, classes)
    check_mode(model, batch)
    if not 1 <= batch <= len(images) or batches < 2:
        raise InvalidInputError(
            f"batch must be from 1 to the {len(images)} images and batches at least 2, not {batch} and {batches}"
        )
    trained = [p for p in model.parameters() if p.requires_grad]
    generator = torch.Generator().manual_seed(seed)
    drawn = []
    for _ in range(batches):
        rows = torch.randperm(len(images), generator=generator)[:batch].to(images.device)
        grads = torch.autograd.grad(batch_loss(model, images[rows], classes[rows]), trained)
        drawn.append(torch.cat([g.reshape(-1) for g in grads]).double())
    gradients = torch.stack(drawn)
    spread = float((gradients - gradients.mean(0)).square().sum()) / (batches - 1)
    return GradientNoise(spread, float(gradients.square().sum()) / batches, batch, batches)
