"""The two architectures of the experiments: a VGG variant in which everything is normalised, and the ResNet for CIFAR.

In both, ``norm=None`` gives the twin without normalisation: the same layers at the same start, and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from bn_theory.errors import InvalidInputError
from bn_theory.networks.layers import convolution, linear, normalisation, start_

POOL = "pool"


def vgg(
    norm: str | None = "batch",
    *,
    image: tuple[int, int, int] = (1, 8, 8),
    classes: int = 10,
    channels: Sequence[int | str] = (8, POOL, 16, 16),
    hidden: Sequence[int] = (32,),
    eps: float = 0.0,
    affine: bool = True,
    bias: bool = False,
    init: str = "glorot",
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
) -> nn.Sequential:
    """A VGG variant in which every convolution and linear layer, the last one too, is followed by a normalisation.

    ``conv1, norm1, relu1, pool1, conv2, ... -> flatten -> linear1, norm_l1, relu_l1, ... -> last, last_norm``; 3 x 3
    kernels, 2 x 2 maximum pooling. With ``eps = 0`` and batch normalisation every kernel is scale-invariant, as a whole
    and per filter, so is ``(gamma, beta)`` of every normalisation but the last, jointly; only the last one's are
    scale-variant (:func:`expected_groups` reads that off the layers).

    Args:
        norm: as in :func:`bn_theory.networks.layers.normalisation`, or ``None``.
        image: channels, height and width of the inputs ``[n, *image]``; height and width equal.
        channels: of each convolution, with ``"pool"`` in between.
        hidden: widths of the linear layers before the last.
        eps: what a normalisation adds to a variance.
        affine: whether normalisations have ``gamma`` (starts at 1) and ``beta`` (at 0).
        bias: whether convolutions and linear layers have one (starts at 0). Before a batch normalisation it does
            nothing.
        init: start of the weights, ``"glorot"``, ``"he"`` or ``"orthogonal"``.
        seed: of the start; the same in every dtype but for rounding, and with every ``norm``.
        dtype: of the parameters.

    Returns:
        torch.nn.Sequential: in train mode; its output has shape ``[n, classes]``.

    Raises:
        UnknownNameError: a normalisation or start that does not exist.
        InvalidInputError: sizes that do not fit.

    Source: the architecture of the experiments of Arora, Li and Lyu (ICLR 2019, arXiv:1812.03981), appendix D, as to
    what is normalised; sizes are free here.

    >>> [name for name, _ in vgg(channels=(4,), hidden=()).named_children()]
    ['conv1', 'norm1', 'relu1', 'flatten', 'last', 'last_norm']
    """
    inside, side, _ = _checked(image, classes)
    widths = [c for c in (*channels, *hidden) if c != POOL]
    if not all(_whole(c, 1) for c in widths):
        raise InvalidInputError(
            f"channels and hidden must be whole numbers >= 1 and {POOL!r}, not {channels}, {hidden}"
        )
    generator = torch.Generator().manual_seed(seed)
    net = nn.Sequential()

    def add(name, layer, norm_name, width, side):
        start_(layer.weight, init, generator)
        net.add_module(name, layer)
        if norm is not None:
            net.add_module(norm_name, normalisation(norm, width, side, eps=eps, affine=affine, dtype=dtype))

    convolutions = pools = 0
    for width in channels:
        if width == POOL:
            pools += 1
            if side < 2:
                raise InvalidInputError(f"image {image} is too small for {pools} times {POOL!r} in channels={channels}")
            net.add_module(f"pool{pools}", nn.MaxPool2d(2))
            side //= 2
            continue
        convolutions += 1
        layer = convolution(inside, width, bias=bias, dtype=dtype)
        add(f"conv{convolutions}", layer, f"norm{convolutions}", width, side)
        net.add_module(f"relu{convolutions}", nn.ReLU())
        inside = width
    net.add_module("flatten", nn.Flatten())
    inside *= side**2
    for i, width in enumerate(hidden, start=1):
        add(f"linear{i}", linear(inside, width, bias=bias, dtype=dtype), f"norm_l{i}", width, None)
        net.add_module(f"relu_l{i}", nn.ReLU())
        inside = width
    add("last", linear(inside, classes, bias=bias, dtype=dtype), "last_norm", classes, None)
    return net


class Block(nn.Module):
    """Two convolutions with a shortcut around them: ``relu(shortcut(x) + norm2(conv2(relu(norm1(conv1(x))))))``.

    The shortcut has no parameters: where the block halves the image it takes every second row and column, and new
    channels are zeros.
    """

    def __init__(self, inside, outside, stride, make_norm, bias, dtype):
        super().__init__()
        self.conv1 = convolution(inside, outside, stride=stride, bias=bias, dtype=dtype)
        self.norm1 = make_norm(outside)
        self.relu1 = nn.ReLU()
        self.conv2 = convolution(outside, outside, bias=bias, dtype=dtype)
        self.norm2 = make_norm(outside)
        self.relu2 = nn.ReLU()
        self.stride, self.more = stride, outside - inside

    def forward(self, x):
        """``x`` has shape ``(n, channels, height, width)``."""
        branch = self.norm2(self.conv2(self.relu1(self.norm1(self.conv1(x)))))
        kept = x[:, :, :: self.stride, :: self.stride]
        return self.relu2(branch + nn.functional.pad(kept, (0, 0, 0, 0, 0, self.more)))


class ResNet(nn.Module):
    """``conv, norm, relu -> blocks -> average over the image -> last``; made by :func:`resnet`."""

    def __init__(self, conv, norm, blocks, last):
        super().__init__()
        self.conv, self.norm, self.relu = conv, norm, nn.ReLU()
        self.blocks = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.last = last

    def forward(self, x):
        """``x`` has shape ``(n, channels, height, width)``; returns ``(n, classes)``."""
        return self.last(self.flatten(self.pool(self.blocks(self.relu(self.norm(self.conv(x)))))))


def resnet(
    depth: int = 8,
    norm: str | None = "batch",
    *,
    width: int = 8,
    image: tuple[int, int, int] = (1, 8, 8),
    classes: int = 10,
    eps: float = 1e-5,
    affine: bool = True,
    bias: bool = False,
    init: str = "he",
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
) -> ResNet:
    """The residual network for CIFAR, of any depth ``6 n + 2``, with a normalisation after every convolution or none.

    One convolution, three stages of ``n`` blocks with ``width``, ``2 width`` and ``4 width`` channels, the image halved
    at the second and third, an average over the image and a linear layer with bias. Every kernel is scale-invariant
    where a normalisation with ``eps = 0`` follows; ``last`` is not, nor are the parameters of a normalisation whose
    output is added to a shortcut.

    Args:
        depth: 8, 14, 20, ..., layers with weights.
        norm: as in :func:`bn_theory.networks.layers.normalisation`, or ``None``: ``torch.nn.Identity`` in its places.
        width: channels of the first stage. The others as in :func:`vgg`; ``bias`` is that of the convolutions.

    Returns:
        ResNet: in train mode.

    Raises:
        UnknownNameError: a normalisation or start that does not exist.
        InvalidInputError: a depth that is not ``6 n + 2``, sizes that do not fit.

    Source: He, Zhang, Ren and Sun (CVPR 2016, arXiv:1512.03385), the variant for CIFAR-10.

    >>> sum(p.ndim > 1 for p in resnet(14).parameters())
    14
    """
    inside, side, _ = _checked(image, classes)
    if not _whole(depth, 8) or depth % 6 != 2:
        near = max(8, 6 * round((depth - 2) / 6) + 2) if isinstance(depth, int) else 8
        raise InvalidInputError(f"depth must be 6 n + 2 with n >= 1, such as {near}, not {depth}")
    if side < 4:
        raise InvalidInputError(f"image {image} is too small to be halved twice; at least 4 x 4")
    if not _whole(width, 1):
        raise InvalidInputError(f"width must be a whole number >= 1, not {width}")
    sides = [side, -(-side // 2), -(-side // 4)]

    def make_norm(side):
        if norm is None:
            return lambda channels: nn.Identity()
        return lambda channels: normalisation(norm, channels, side, eps=eps, affine=affine, dtype=dtype)

    blocks, before = [], width
    for stage in range(3):
        channels = width * 2**stage
        for i in range((depth - 2) // 6):
            stride = 2 if stage and i == 0 else 1
            blocks.append(Block(before, channels, stride, make_norm(sides[stage]), bias, dtype))
            before = channels
    first = convolution(inside, width, bias=bias, dtype=dtype)
    net = ResNet(first, make_norm(side)(width), blocks, linear(before, classes, bias=True, dtype=dtype))
    generator = torch.Generator().manual_seed(seed)
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            start_(module.weight, init, generator)
    return net


def _whole(n, least):
    return isinstance(n, int) and not isinstance(n, bool) and n >= least


def _checked(image, classes):
    if len(image) != 3 or not all(_whole(n, 1) for n in image) or image[1] != image[2]:
        raise InvalidInputError(f"image must be (channels, side, side), whole numbers >= 1, not {image}")
    if not _whole(classes, 2):
        raise InvalidInputError(f"classes must be a whole number >= 2, not {classes}")
    return image
