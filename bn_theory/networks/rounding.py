"""How many roundings follow each other in a network's forward and backward pass."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.instancenorm import _InstanceNorm

ELEMENTWISE = (nn.ReLU, nn.Identity, nn.Flatten)


def unit(dtype: torch.dtype) -> float:
    """Unit roundoff of a floating-point type: half the distance from 1 to the next number."""
    return torch.finfo(dtype).eps / 2


def longest_chain(model: nn.Module, forward: Callable[[], object]) -> int:
    """The number of additions along the longest chain from an input to a gradient, hence its roundings but for a few.

    To first order the relative error of a sum of ``n`` terms is at most ``n u`` times its condition. A gradient's chain
    goes forward through every module and back again, and the lengths add up: per convolution or linear layer its fan-in
    (output), fan-out (gradient of the input) and images times positions (gradient of the weights); per normalisation
    twice the entries of one statistic forward (mean, variance) and twice back; of another module the entries per
    sample. What a model computes outside its leaf modules is not counted, nor is the loss but for one sum over the
    model's last output. Sums in blocks, as libraries take them, err by far less: a bound, with conditions left out.

    Args:
        forward: one evaluation, e.g. a call of the model or of a closure.

    >>> net = nn.Sequential(nn.Linear(4, 2))
    >>> longest_chain(net, lambda: net(torch.zeros(8, 4)))  # fan-in 4, fan-out 2, 8 samples, and 16 outputs
    30
    """
    found = [0, 0]

    def count(module, inputs, output):
        if isinstance(output, torch.Tensor) and inputs and isinstance(inputs[0], torch.Tensor):
            found[0] += _length(module, inputs[0], output)
            found[1] = output.numel()

    handles = [m.register_forward_hook(count) for m in model.modules() if not any(m.children())]
    try:
        forward()
    finally:
        for handle in handles:
            handle.remove()
    return sum(found)


def _length(module, given, made):
    if isinstance(module, _ConvNd):
        fan_in = module.weight.numel() // module.out_channels
        fan_out = module.weight.numel() // module.in_channels
        return fan_in + fan_out + made.numel() // module.out_channels
    if isinstance(module, nn.Linear):
        return module.in_features + module.out_features + made.numel() // module.out_features
    if isinstance(module, (_NormBase, nn.GroupNorm, nn.LayerNorm)):
        return 4 * _entries(module, given)
    if isinstance(module, ELEMENTWISE):
        return 1
    return max(1, made.numel() // max(1, made.shape[0] if made.ndim else 1))


def _entries(module, given):
    """Entries that one mean is taken over."""
    if isinstance(module, nn.LayerNorm):
        return math.prod(module.normalized_shape)
    if isinstance(module, nn.GroupNorm):
        return given.numel() // (given.shape[0] * module.num_groups)
    if isinstance(module, _InstanceNorm):
        return given.numel() // (given.shape[0] * given.shape[1])
    return given.numel() // given.shape[1]
