"""Which parameters are scale-invariant by the order of a network's layers, without evaluating it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.instancenorm import _InstanceNorm

from bn_theory.errors import InvalidInputError
from bn_theory.networks.architectures import Block, ResNet
from bn_theory.networks.batch_renorm import BatchRenorm
from bn_theory.networks.invariance import Name, check_statistics

HOMOGENEOUS = (
    nn.ReLU,
    nn.LeakyReLU,
    nn.Identity,
    nn.Flatten,
    nn.Unflatten,
    nn.MaxPool1d,
    nn.MaxPool2d,
    nn.AvgPool1d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool1d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveMaxPool2d,
)
"""Layers without parameters that pass a positive factor on: ``f(c x) = c f(x)``."""
NORMALISATIONS = (_NormBase, nn.GroupNorm, nn.LayerNorm)
WEIGHTS = (_ConvNd, nn.Linear)


@dataclass(frozen=True)
class Expected:
    """What the order of the layers says, for normalisations with ``eps = 0``.

    Attributes:
        invariant: names of tensors, and tuples of names of those that are invariant jointly.
        without_effect: biases whose gradient is 0, as a normalisation of each channel by itself takes them out.
        variant: the other trained parameters.
    """

    invariant: tuple[Name, ...]
    without_effect: tuple[str, ...]
    variant: tuple[str, ...]


def expected_groups(model: nn.Module) -> Expected:
    """Read off the layers which parameters are scale-invariant.

    In a chain of layers, everything that is multiplied by ``c > 0`` and passes nothing but homogeneous layers until a
    normalisation is undone by it:

    * the weight of a convolution or linear layer, if a normalisation follows; with its bias, jointly, unless the
      normalisation takes one mean a channel, whereupon the bias has no effect;
    * ``(gamma, beta)`` of a normalisation, jointly, if a further layer without effective bias and then a
      normalisation follow.

    A residual network's branch ends where it is added to the shortcut: a normalisation directly before that is not
    invariant by itself, and what follows it does not count. (All that is added to one stream may still be invariant
    together, if a normalisation ends it; :func:`scale_invariant_groups` tests that by ``joint=``.)

    Args:
        model: a (nested) ``torch.nn.Sequential``, or a network of :func:`resnet`.

    Raises:
        InvalidInputError: a layer of which nothing is known here, named with its place; a normalisation in eval mode.

    Source: Arora, Li and Lyu (ICLR 2019, arXiv:1812.03981), section 2, for batch normalisation; the rest is derived in
    this package (``bn-theory prove li2020.other_normalisations``).

    >>> from bn_theory.networks import vgg
    >>> found = expected_groups(vgg(channels=(4,), hidden=()))
    >>> found.invariant
    ('conv1.weight', 'last.weight', ('norm1.weight', 'norm1.bias'))
    >>> found.variant
    ('last_norm.weight', 'last_norm.bias')
    """
    check_statistics(model)
    invariant, without_effect = [], []
    for chain in _chains(model, ""):
        for i, (name, module) in enumerate(chain):
            after = chain[i + 1 :]
            if isinstance(module, WEIGHTS) and (norm := _next_normalisation(after)) is not None:
                taken_out = _each_channel(norm) and isinstance(after[0][1], NORMALISATIONS)
                if module.weight.requires_grad and (_no_bias(module) or taken_out):
                    invariant.append(_join(name, "weight"))
                elif _all_trained(module):
                    invariant.append((_join(name, "weight"), _join(name, "bias")))
                if taken_out and module.bias is not None and module.bias.requires_grad:
                    without_effect.append(_join(name, "bias"))
            if isinstance(module, NORMALISATIONS) and _undone(after):
                if _all_trained(module):
                    invariant.append(tuple(_join(name, n) for n, _ in module.named_parameters(recurse=False)))
                elif module.weight is not None and module.weight.requires_grad and _no_bias(module):
                    invariant.append(_join(name, "weight"))
    kernels = [name for name in invariant if isinstance(name, str)]
    pairs = [names for names in invariant if not isinstance(names, str)]
    known = {*kernels, *without_effect, *(name for names in pairs for name in names)}
    variant = tuple(n for n, p in model.named_parameters() if p.requires_grad and n not in known)
    return Expected((*kernels, *pairs), tuple(without_effect), variant)


def kernels(model: nn.Module) -> list[str]:
    """Names of the weights of convolutions and linear layers.

    >>> from bn_theory.networks import vgg
    >>> kernels(vgg(channels=(4,), hidden=()))
    ['conv1.weight', 'last.weight']
    """
    return [_join(name, "weight") for name, module in model.named_modules() if isinstance(module, WEIGHTS)]


def _chains(module, name):
    """The chains of named layers of a network; what a shortcut is added to ends one."""
    if isinstance(module, ResNet):
        yield [(_join(name, n), getattr(module, n)) for n in ("conv", "norm")]
        for child, block in module.blocks.named_children():
            path = _join(_join(name, "blocks"), child)
            yield [(_join(path, n), getattr(block, n)) for n in ("conv1", "norm1", "relu1", "conv2", "norm2")]
        yield [(_join(name, "last"), module.last)]
    else:
        yield list(_flat(module, name))


def _flat(module, name):
    if type(module) is nn.Sequential:
        for child, inner in module.named_children():
            yield from _flat(inner, _join(name, child))
    elif isinstance(module, (*WEIGHTS, *NORMALISATIONS, *HOMOGENEOUS)):
        yield name, module
    else:
        hint = "; only as a whole network, not inside one" if isinstance(module, (ResNet, Block)) else ""
        raise InvalidInputError(
            f"nothing is known here of layer {name or '(the model itself)'} of type {type(module).__name__}{hint}; "
            "scale_invariant_groups finds what is invariant by evaluating the loss"
        )


def _next_normalisation(layers):
    """The first normalisation, if nothing but homogeneous layers comes before it."""
    for _, module in layers:
        if isinstance(module, BatchRenorm):
            return None  # its output follows the scale where no clip is active
        if isinstance(module, NORMALISATIONS):
            return module
        if not isinstance(module, HOMOGENEOUS):
            return None
    return None


def _undone(layers):
    """Whether a factor meets a normalisation, having passed linear layers without effective bias or nothing."""
    for i, (_, module) in enumerate(layers):
        if isinstance(module, WEIGHTS):
            norm = _next_normalisation(layers[i + 1 : i + 2])
            if not _no_bias(module) and not (norm is not None and _each_channel(norm)):
                return False
        elif isinstance(module, NORMALISATIONS):
            return not isinstance(module, BatchRenorm)
        elif not isinstance(module, HOMOGENEOUS):
            return False
    return False


def _each_channel(norm):
    """Whether a normalisation has a mean for each channel, so that a bias before it has no effect."""
    return isinstance(norm, (_BatchNorm, _InstanceNorm))


def _all_trained(module):
    found = [p.requires_grad for p in module.parameters(recurse=False)]
    return len(found) > 1 and all(found)


def _no_bias(module):
    """Whether there is no bias, or a fixed one of 0."""
    return module.bias is None or (not module.bias.requires_grad and not bool(module.bias.any()))


def _join(path, name):
    return f"{path}.{name}" if path else name
