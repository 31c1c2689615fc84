"""What may stand in for normalisation at the start of training: class biases that centre the outputs."""

from __future__ import annotations

import torch
from torch import nn

from bn_theory.errors import InvalidInputError


@torch.no_grad()
def centre_classes(model: nn.Module, images: torch.Tensor, last: str = "last", batch: int = 512) -> torch.Tensor:
    """Set the bias of the last layer so that the mean output of every class over some images is 0.

    ``bias <- bias - mean(z)``: no class is favoured on average any more, and differences between images stay. (With
    the start ``"orthogonal"`` of the weights, the other substitute, see :func:`bn_theory.networks.layers.orthogonal_`.)

    Args:
        images: shape ``(n, channels, height, width)``, all of them in batches of ``batch``.
        last: name of a linear layer with a bias whose outputs are the model's.

    Returns:
        torch.Tensor: the mean outputs that were removed, shape ``(classes,)``.

    Raises:
        InvalidInputError: no such layer, one without a bias, or one whose outputs are not the model's.

    Source: derived in this package (``bn-theory prove bjorck2018.review_questions``).

    >>> from bn_theory.networks import digits, vgg
    >>> images, _ = digits()
    >>> model = vgg(None, channels=(4,), hidden=(), bias=True)
    >>> removed = centre_classes(model, images)
    >>> float(model(images).detach().mean(0).abs().max()) < 1e-12
    True
    """
    layer = dict(model.named_modules()).get(last)
    if not isinstance(layer, nn.Linear) or layer.bias is None:
        linear = [name for name, m in model.named_modules() if isinstance(m, nn.Linear) and m.bias is not None]
        raise InvalidInputError(f"{last!r} is no linear layer with a bias; such layers are {linear}")
    outputs = []
    handle = layer.register_forward_hook(lambda module, inputs, output: outputs.append(output))
    try:
        total = torch.zeros_like(layer.bias)
        for part in images.split(batch):
            made = model(part)
            if made is not outputs.pop():
                raise InvalidInputError(f"something follows {last!r} in the model: its bias is not that of the outputs")
            total += made.sum(0)
    finally:
        handle.remove()
    mean = total / len(images)
    layer.bias -= mean
    return mean
