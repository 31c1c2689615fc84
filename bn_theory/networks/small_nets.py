"""Small convolutional networks for 8 x 8 images, with one of four normalisations after every convolution.

With ``eps = 0`` and a fixed last layer, every kernel is scale-invariant: per filter under batch and instance
normalisation, per group of filters under group normalisation, as a whole under layer normalisation. ReLU and average
pooling pass positive factors on, so that ``(gamma, beta)`` of every normalisation but the last are scale-invariant
jointly, the next normalisation taking their factor out. The last normalisation's are not, nor is a trained last layer.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from bn_theory.errors import InvalidInputError, UnknownNameError
from bn_theory.networks.layers import convolution, glorot_, linear, normalisation

NORMS = ("batch", "group", "layer", "instance")
AFFINE = ("fixed", "trained")
CHANNELS = (8, 8, 8)
SIDES = (8, 4, 4)
"""Height and width of the images that each convolution makes: pooled once, after the first."""


def small_net(
    norm: str | None,
    *,
    eps: float = 0.0,
    affine: str = "fixed",
    trained_last: bool = False,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
) -> nn.Sequential:
    """Three convolutions, each followed by a normalisation and ReLU, and a linear layer to ten classes.

    ``[n, 1, 8, 8] -> conv1, norm1, relu, pool -> conv2, norm2, relu -> conv3, norm3, relu -> last -> [n, 10]``; 3 x 3
    kernels, no biases but of ``last``. Weights start Glorot-uniform, ``U(-b, b)`` with ``b^2 = 6/(fan_in + fan_out)``;
    the bias of ``last`` starts at 0, ``gamma`` at 1 and ``beta`` at 0.

    Args:
        norm: ``"batch"``, ``"group"`` (2 groups of channels), ``"layer"`` (over channels, height and width),
            ``"instance"``, or ``None`` for a network without normalisation.
        eps: what a normalisation adds to a variance; 0 makes invariance exact.
        affine: ``"fixed"`` (``gamma = 1``, ``beta = 0``) or ``"trained"`` in all normalisations but the last, which
            stays fixed: its ``(gamma, beta)`` would be scale-variant.
        trained_last: whether the last linear layer is trained; it is scale-variant.
        seed: of the start; the same seed gives the same numbers in every dtype but for their rounding.
        dtype: ``torch.float64`` or ``torch.float32``.

    Returns:
        torch.nn.Sequential: in train mode, its modules named as above.

    Raises:
        UnknownNameError: a normalisation or ``affine`` that does not exist.
        InvalidInputError: ``eps`` negative or not finite.

    Source: derived in this package, after the conditions of Arora, Li and Lyu (ICLR 2019, arXiv:1812.03981), section 2.

    >>> net = small_net("batch")
    >>> [name for name, p in net.named_parameters() if p.requires_grad]
    ['conv1.weight', 'conv2.weight', 'conv3.weight']
    """
    if norm is not None and norm not in NORMS:
        raise UnknownNameError(f"unknown normalisation {norm!r}; there are {', '.join(NORMS)}, and None")
    if affine not in AFFINE:
        raise UnknownNameError(f"unknown affine {affine!r}; there are {' and '.join(AFFINE)}")
    if not (math.isfinite(eps) and eps >= 0):
        raise InvalidInputError(f"eps must be finite and >= 0, not {eps}")
    generator = torch.Generator().manual_seed(seed)
    net = nn.Sequential()
    inside = 1
    for i, (channels, side) in enumerate(zip(CHANNELS, SIDES, strict=True), start=1):
        conv = convolution(inside, channels, dtype=dtype)
        glorot_(conv.weight, generator)
        net.add_module(f"conv{i}", conv)
        if norm is not None:
            trained = affine == "trained" and i < len(CHANNELS)
            net.add_module(f"norm{i}", normalisation(norm, channels, side, eps=eps, affine=trained, dtype=dtype))
        net.add_module(f"relu{i}", nn.ReLU())
        if i == 1:
            net.add_module("pool", nn.AvgPool2d(2))
        inside = channels
    net.add_module("flatten", nn.Flatten())
    last = linear(inside * SIDES[-1] ** 2, 10, bias=True, dtype=dtype)
    glorot_(last.weight, generator)
    net.add_module("last", last.requires_grad_(trained_last))
    return net
