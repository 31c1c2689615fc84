"""Normalisations by name, and the starts of weights, as the networks of this package use them."""

from __future__ import annotations

import math
import sys

import torch
from torch import nn

from bn_theory.errors import InvalidInputError, UnknownNameError
from bn_theory.networks.batch_renorm import BatchRenorm

NORMS = ("batch", "group", "layer", "instance", "renorm")
GROUPS = 2
"""Groups of channels of a group normalisation."""


def normalisation(
    norm: str,
    channels: int,
    side: int | None,
    *,
    eps: float = 1e-5,
    affine: bool = True,
    dtype: torch.dtype = torch.float32,
    groups: int = GROUPS,
) -> nn.Module:
    """A normalisation of the outputs of a convolution, or of a linear layer.

    Args:
        norm: ``"batch"``, ``"group"``, ``"layer"`` (over channels, height and width), ``"instance"`` or ``"renorm"``
            (batch renormalisation). After a linear layer a channel has one number a sample, of which there is no
            instance normalisation: layer normalisation takes its place.
        channels: how many. side: height and width of the images, ``None`` after a linear layer.
        eps: what is added to a variance; 0 makes scale invariance exact.
        affine: whether there are a scale ``gamma`` and a shift ``beta`` to be trained.
        groups: of channels, for ``"group"``; a divisor of ``channels``.

    Raises:
        UnknownNameError: a normalisation that does not exist.
        InvalidInputError: ``eps`` negative or not finite, channels that the groups do not divide, instances of one
            number.

    >>> normalisation("group", 8, 4).num_groups
    2
    """
    if norm not in NORMS:
        raise UnknownNameError(f"unknown normalisation {norm!r}; there are {', '.join(NORMS)}, and None")
    if not (math.isfinite(eps) and eps >= 0):
        raise InvalidInputError(f"eps must be finite and >= 0, not {eps}")
    if norm == "batch":
        # torch refuses eps = 0 here; the smallest normal number changes no variance above 2^53 times it
        kind = nn.BatchNorm1d if side is None else nn.BatchNorm2d
        return kind(channels, eps=max(eps, sys.float_info.min), affine=affine, dtype=dtype)
    if norm == "renorm":
        return BatchRenorm(channels, eps=eps, affine=affine, dtype=dtype)
    if norm == "group":
        if channels % groups:
            raise InvalidInputError(f"group normalisation of {channels} channels in {groups} groups; take a multiple")
        return nn.GroupNorm(groups, channels, eps=eps, affine=affine, dtype=dtype)
    if norm == "instance" and side is not None:
        if side == 1:
            raise InvalidInputError(
                "instance normalisation of images of 1 x 1: one number has no variance; take larger images"
            )
        return nn.InstanceNorm2d(channels, eps=eps, affine=affine, dtype=dtype)
    shape = (channels,) if side is None else (channels, side, side)
    return nn.LayerNorm(shape, eps=eps, elementwise_affine=affine, dtype=dtype)


def glorot_(weight: torch.Tensor, generator: torch.Generator) -> None:
    """Fill with ``U(-b, b)``, ``b^2 = 6/(fan_in + fan_out)`` (Glorot and Bengio, AISTATS 2010)."""
    _fill(nn.init.xavier_uniform_, weight, generator)


def he_(weight: torch.Tensor, generator: torch.Generator) -> None:
    """Fill with ``N(0, 2/fan_in)``, which keeps second moments through ReLU (He et al., ICCV 2015)."""
    _fill(lambda w, generator: nn.init.kaiming_normal_(w, nonlinearity="relu", generator=generator), weight, generator)


def orthogonal_(weight: torch.Tensor, generator: torch.Generator) -> None:
    """Fill with ``sqrt(2)`` times a random matrix of orthonormal rows, or columns where there are more rows.

    Rows are filters. The factor is ReLU's, as in :func:`he_`. Source: Saxe, McClelland and Ganguli (ICLR 2014).
    """
    _fill(lambda w, generator: nn.init.orthogonal_(w, math.sqrt(2), generator), weight, generator)


STARTS = {"glorot": glorot_, "he": he_, "orthogonal": orthogonal_}
INITS = tuple(STARTS)


def start_(weight: torch.Tensor, init: str, generator: torch.Generator) -> None:
    """Fill a weight by the start of that name.

    Raises:
        UnknownNameError: no such start.
    """
    if init not in STARTS:
        raise UnknownNameError(f"unknown start {init!r}; there are {', '.join(INITS)}")
    STARTS[init](weight, generator)


@torch.no_grad()
def _fill(fill, weight, generator):
    # drawn in float64 whatever the dtype, so that a float32 net starts at the rounded float64 one
    drawn = torch.empty(weight.shape, dtype=torch.float64)
    fill(drawn, generator=generator)
    weight.copy_(drawn)


def convolution(inside: int, outside: int, *, stride: int = 1, bias: bool = False, dtype: torch.dtype) -> nn.Conv2d:
    """A 3 x 3 convolution, padded by zeros; its weights are not set yet, a bias is 0."""
    # skip_init: the modules' own random start would draw from torch's global generator
    made = nn.utils.skip_init(nn.Conv2d, inside, outside, 3, stride=stride, padding=1, bias=bias, dtype=dtype)
    return _zero_bias(made)


def linear(inside: int, outside: int, *, bias: bool = False, dtype: torch.dtype) -> nn.Linear:
    """A linear layer; its weights are not set yet, a bias is 0."""
    return _zero_bias(nn.utils.skip_init(nn.Linear, inside, outside, bias=bias, dtype=dtype))


def _zero_bias(module):
    if module.bias is not None:
        nn.init.zeros_(module.bias)
    return module
