"""Many copies of one small network at once, each with a learning rate or start of its own: a leading axis of models."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from bn_theory.errors import InvalidInputError
from bn_theory.networks.layers import glorot_

HIDDEN = ("first", "second")
"""Layers that are followed by a batch normalisation: every row of them is scale-invariant."""
LAST, BIAS = "last", "bias"
CLASSES = 10
EPS = 1e-12
"""What is added to a variance; variances here are of order 1."""


def starts(width: int, seeds: Sequence[int], copies: int = 1, inputs: int = 64, dtype=torch.float32) -> dict:
    """``copies`` times every seed's start: ``{"first": (m, width, inputs), "second": (m, width, width), "last": (m, 10,
    width), "bias": (m, 10)}``, ``m = copies * len(seeds)``, all copies of the first rate first.

    Weights are Glorot-uniform, the bias is 0; each requires a gradient.

    Args:
        width: of both hidden layers, >= 1. seeds: of the starts. copies, inputs: >= 1.

    Raises:
        InvalidInputError: a width, number of copies or of inputs below 1, no seeds.

    >>> {name: tuple(p.shape) for name, p in starts(8, [0, 1], copies=3).items()}
    {'first': (6, 8, 64), 'second': (6, 8, 8), 'last': (6, 10, 8), 'bias': (6, 10)}
    """
    for name, value in {"width": width, "copies": copies, "inputs": inputs, "number of seeds": len(seeds)}.items():
        if value < 1:
            raise InvalidInputError(f"the {name} must be at least 1, not {value}")
    found = {name: [] for name in (*HIDDEN, LAST)}
    shapes = {HIDDEN[0]: (width, inputs), HIDDEN[1]: (width, width), LAST: (CLASSES, width)}
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        for name, shape in shapes.items():
            weight = torch.empty(shape, dtype=dtype)
            glorot_(weight, generator)
            found[name].append(weight)
    made = {name: torch.stack(several).repeat(copies, 1, 1) for name, several in found.items()}
    made[BIAS] = torch.zeros(copies * len(seeds), CLASSES, dtype=dtype)
    return {name: p.requires_grad_() for name, p in made.items()}


def logits(parameters: dict, images: torch.Tensor, statistics=None, *, added: float = EPS, touch=None):
    """Outputs of every model: ``linear, batch norm, ReLU`` twice, then a linear layer with a bias.

    Args:
        parameters: of :func:`starts`.
        images: shape ``(m, n, inputs)``, or ``(n, inputs)`` for all models.
        statistics: ``[(mean, variance), ...]`` of both layers; those of ``images`` by default.
        added: to a variance; 0 makes rows exactly scale-invariant.
        touch: ``touch(x, size)`` takes the place of every intermediate x, of entries up to ``size`` before they cancel.

    Returns:
        ``(outputs (m, n, 10), statistics used)``.
    """
    touch = touch or (lambda x, size: x)
    used, x = [], images
    for i, name in enumerate(HIDDEN):
        z = touch(*_product(x, parameters[name]))
        if statistics is None:
            variance, mean = torch.var_mean(z, dim=-2, correction=0, keepdim=True)
        else:
            mean, variance = statistics[i]
        used.append((mean, variance))
        normalised = (z - mean) * torch.rsqrt(variance + added)
        x = torch.relu(touch(normalised, normalised.detach().abs()))
    outputs = touch(*_product(x, parameters[LAST]))
    return outputs + parameters[BIAS][:, None, :], used


def _product(x, weights):
    """``<w, x>`` of all rows w and samples x, and ``|w| |x|``."""
    size = (
        torch.linalg.vector_norm(x.detach(), dim=-1)[..., None]
        * torch.linalg.vector_norm(weights.detach(), dim=-1)[..., None, :]
    )
    return x @ weights.transpose(-1, -2), size


def losses(outputs: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of every model, shape ``(m,)``.

    Args:
        outputs: ``(m, n, 10)``. classes: ``(m, n)`` or ``(n,)``.
    """
    picked = classes.expand(outputs.shape[:2])[..., None]
    return (torch.logsumexp(outputs, dim=-1) - outputs.gather(-1, picked)[..., 0]).mean(dim=-1)


def accuracies(outputs: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Share of images classified right by every model, shape ``(m,)``; arguments as of :func:`losses`."""
    return (outputs.argmax(dim=-1) == classes).to(outputs.dtype).mean(dim=-1)
