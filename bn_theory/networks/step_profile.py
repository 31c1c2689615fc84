"""The loss along a gradient step, at lengths over many decades."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from bn_theory.errors import InvalidInputError
from bn_theory.networks.rays import batch_loss
from bn_theory.networks.training import check_images, check_mode, check_names


@dataclass(frozen=True, eq=False)
class StepProfile:
    """The loss at ``w - s eta grad L(w)`` for multiples ``s`` of a step, and at its far end.

    Attributes:
        multiples: ``s``, shape ``(k,)``. lr: ``eta``.
        losses: shape ``(k,)``; infinite where the network's numbers overflow.
        start: the loss at ``w``.
        far: the loss at ``-grad L(w)``, the moved parameters replaced by it: what a scale-invariant loss tends to.
        norms2: ``|w|^2`` of each moved tensor, by its name. slopes2: ``|grad L(w)|^2`` of each.
    """

    multiples: np.ndarray
    lr: float
    losses: np.ndarray
    start: float
    far: float
    norms2: dict[str, float]
    slopes2: dict[str, float]

    @property
    def relative(self) -> np.ndarray:
        """``L(w - s eta grad L(w))/L(w)``, shape ``(k,)``."""
        return self.losses / self.start

    def slopes(self) -> np.ndarray:
        """``d log L/d log s`` between neighbouring multiples, shape ``(k - 1,)``; not finite where a loss is not."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.diff(np.log(self.losses)) / np.diff(np.log(self.multiples))


def step_profile(
    model: nn.Module,
    images: torch.Tensor,
    classes: torch.Tensor,
    multiples: Sequence[float],
    *,
    lr: float = 1.0,
    names: Sequence[str] | None = None,
) -> StepProfile:
    """Evaluate the cross-entropy of one batch along the step that its own gradient makes.

    The model, its parameters, buffers and ``.grad`` are left alone.

    Args:
        model: in train mode, of the images' dtype.
        images: shape ``(n, channels, height, width)``. classes: shape ``(n,)``.
        multiples: ``s``, increasing, > 0 (dimensionless).
        lr: ``eta``, > 0.
        names: the parameters that are moved; ``None`` for all trained ones.

    Returns:
        StepProfile: losses at every multiple.

    Raises:
        InvalidInputError: multiples that do not increase, a name that is no trained parameter, nothing to move, images
            that are not finite, a normalisation in eval mode.

    Source: derived in this package, on the subject of Bjorck, Gomes, Selman and Weinberger (NeurIPS 2018,
    arXiv:1806.02375).

    >>> from bn_theory.networks import digits, vgg
    >>> images, classes = digits()
    >>> found = step_profile(vgg(), images[:32], classes[:32], [1e-3, 1e6], names=["conv1.weight"])
    >>> bool(found.losses[0] < found.start), bool(found.losses[1] < 7)
    (True, True)
    """
    s = np.asarray(multiples, dtype=float)
    if s.ndim != 1 or not len(s) or not (np.all(np.isfinite(s)) and s[0] > 0 and np.all(np.diff(s) > 0)):
        raise InvalidInputError(f"multiples must be finite, above 0 and increasing, not {list(multiples)}")
    if not (np.isfinite(lr) and lr > 0):
        raise InvalidInputError(f"lr must be finite and > 0, not {lr}")
    check_images(images, classes)
    check_mode(model, len(images))
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    check_names("names", names or (), trained)
    moved = list(trained) if names is None else list(names)
    if not moved:
        raise InvalidInputError("there is no parameter to move; name some, or set requires_grad")

    start = batch_loss(model, images, classes)
    grads = dict(zip(moved, torch.autograd.grad(start, [trained[n] for n in moved]), strict=True))

    @torch.no_grad()
    def at(make):
        changed = {name: make(trained[name].detach(), grads[name]) for name in moved}
        value = batch_loss(model, images, classes, changed).item()
        return value if np.isfinite(value) else float("inf")

    return StepProfile(
        s,
        float(lr),
        np.array([at(lambda w, g, k=k: w - (k * lr) * g) for k in s.tolist()]),
        start.item(),
        at(lambda w, g: -g),
        {name: float(trained[name].detach().square().sum()) for name in moved},
        {name: float(grads[name].square().sum()) for name in moved},
    )
