"""Training at one learning rate for all that is scale-invariant, and a fixed one for the rest."""

from __future__ import annotations

import torch
from torch import nn

from bn_theory.networks.invariance import Name, members
from bn_theory.networks.structure import expected_groups, kernels
from bn_theory.networks.training import Trainer, sgd


def swept_groups(model: nn.Module) -> tuple[Name, ...]:
    """The scale-invariant groups by the order of the layers; where there are none, the kernels.

    Raises:
        InvalidInputError: what :func:`expected_groups` refuses.

    >>> from bn_theory.networks import vgg
    >>> swept_groups(vgg(channels=(4,), hidden=())), swept_groups(vgg(None, channels=(4,), hidden=()))
    (('conv1.weight', 'last.weight', ('norm1.weight', 'norm1.bias')), ('conv1.weight', 'last.weight'))
    """
    return expected_groups(model).invariant or tuple(kernels(model))


def swept_trainer(
    model: nn.Module,
    lr: float,
    images: torch.Tensor,
    classes: torch.Tensor,
    *,
    others_lr: float,
    batch: int,
    seed: int = 0,
    projected: bool = False,
) -> Trainer:
    """SGD without momentum and decay: ``lr`` for :func:`swept_groups`, ``others_lr`` for all other parameters.

    Args:
        model, images, classes, batch, seed: as for :class:`Trainer`.
        projected: scale every swept group back to its norm after every step: its effective rate stays what it is.

    Raises:
        InvalidInputError: what :func:`sgd`, :class:`Trainer` and :func:`swept_groups` refuse.

    Source: the protocol of Arora, Li and Lyu (ICLR 2019, arXiv:1812.03981), appendix D.
    """
    groups = swept_groups(model)
    swept = {name for group in groups for name in members(group)}
    others = [name for name, p in model.named_parameters() if p.requires_grad and name not in swept]
    optimizer = sgd(model, lr, others=others, others_lr=others_lr)
    return Trainer(model, optimizer, images, classes, batch=batch, seed=seed, projected=groups if projected else ())
