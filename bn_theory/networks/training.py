"""Training by SGD that can stop after any step and go on: plain, or projected back to the norms before each step."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from bn_theory.errors import InvalidInputError
from bn_theory.networks.batch_renorm import BatchRenorm
from bn_theory.networks.invariance import Name, members


def sgd(
    model: nn.Module,
    lr: float,
    *,
    others_lr: float | None = None,
    others: Sequence[str] = (),
    momentum: float = 0.0,
    weight_decay: float = 0.0,
) -> torch.optim.SGD:
    """``torch.optim.SGD`` of a model's trained parameters, with a rate of their own for some of them.

    Args:
        lr: learning rate. others_lr: that of the parameters named in ``others``; ``None`` is ``lr``.
        momentum, weight_decay: of all.

    Raises:
        InvalidInputError: a name that is no trained parameter, or none trained; a rate, momentum or decay that is
            negative, not finite or beyond the parameters' dtype.
    """
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    check_names("others", others, trained)
    if not trained:
        raise InvalidInputError("the model has no trained parameter; set requires_grad on what is to be trained")
    largest = min(torch.finfo(p.dtype).max for p in trained.values())
    given = {"lr": lr, "others_lr": others_lr, "momentum": momentum, "weight_decay": weight_decay}
    for name, value in given.items():
        if value is not None and not 0 <= value <= largest:
            raise InvalidInputError(f"{name} must be from 0 to {largest:.3g}, the largest of the dtype, not {value}")
    groups = [{"params": [p for name, p in trained.items() if name not in others]}]
    if others:
        groups.append({"params": [trained[name] for name in others], "lr": lr if others_lr is None else others_lr})
    return torch.optim.SGD(groups, lr=lr, momentum=momentum, weight_decay=weight_decay)


def check_names(what: str, names, trained) -> None:
    """Raise ``InvalidInputError`` unless all names are those of trained parameters."""
    unknown = [name for name in names if name not in trained]
    if unknown:
        raise InvalidInputError(f"{what} has {unknown}, but the trained parameters are {sorted(trained)}")


class Trainer:
    """One training run by cross-entropy on mini-batches.

    Each epoch takes the images in a new order, without replacement; what is left over at its end is not used. Orders
    and augmentations are functions of ``(seed, epoch)`` and ``(seed, step)``, so that a run that was stopped, saved and
    loaded repeats the uninterrupted one bit for bit (on one kind of processor with as many threads).

    Attributes:
        losses: of the mini-batch before each step (dimensionless, natural logarithms).
        step: how many steps were made.
        diverged: the step at which the loss was not finite, which ends the run, or ``None``.

    >>> from bn_theory.networks import digits, vgg
    >>> model = vgg(channels=(2,), hidden=())
    >>> run = Trainer(model, sgd(model, 0.1), *digits(), batch=16)
    >>> run.steps(2)
    >>> len(run.losses), run.diverged
    (2, None)
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        images: torch.Tensor,
        classes: torch.Tensor,
        *,
        batch: int,
        seed: int = 0,
        projected: Sequence[Name] = (),
        augment: Callable[[torch.Tensor, torch.Generator], torch.Tensor] | None = None,
    ):
        """See the class.

        Args:
            model: in train mode, of the images' dtype, on their device.
            optimizer: of the model's parameters.
            images: shape ``(n, channels, height, width)``, finite. classes: shape ``(n,)``, whole numbers.
            batch: images a step.
            seed: of the order of images and of augmentation.
            projected: names of parameters that are scaled back, each to its norm before the step, after every step, and
                tuples of names of those that are scaled back together, to their joint norm.
            augment: ``augment(images of a batch, generator)`` gives them changed; the generator is the CPU's.

        Raises:
            InvalidInputError: images that are not finite (with the first one's index), a batch that cannot be made, a
                batch of one under batch normalisation, a normalisation in eval mode, a name that is no parameter,
                images of another dtype than the model's, classes that are not whole numbers from 0.
        """
        check_images(images, classes)
        if not 1 <= batch <= len(images):
            raise InvalidInputError(f"batch must be from 1 to the {len(images)} images, not {batch}")
        check_mode(model, batch)
        if int(classes.min()) < 0:
            raise InvalidInputError(f"classes must be numbered from 0, not {int(classes.min())}")
        trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
        groups = [members(name) for name in projected]
        check_names("projected", [name for names in groups for name in names], trained)
        if (dtypes := {p.dtype for p in trained.values()}) != {images.dtype}:
            shown = ", ".join(sorted(str(dtype) for dtype in dtypes))
            raise InvalidInputError(f"images are {images.dtype} and the model is {shown}; write images.to(...)")
        self.model, self.optimizer, self.images, self.classes = model, optimizer, images, classes
        self.batch, self.seed, self.augment = batch, seed, augment
        self.projected = [[trained[name] for name in names] for names in groups]
        self.losses: list[float] = []
        self.step = 0
        self.diverged: int | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Whole mini-batches in the data."""
        return len(self.images) // self.batch

    def steps(self, n: int) -> None:
        """Train ``n`` more steps, fewer if the loss stops being finite."""
        epoch, order = -1, None
        for _ in range(n):
            if self.diverged is not None:
                return
            if self.step // self.steps_per_epoch != epoch:
                epoch = self.step // self.steps_per_epoch
                order = torch.randperm(len(self.images), generator=self._generator(epoch, 0)).to(self.images.device)
            at = self.step % self.steps_per_epoch * self.batch
            rows = order[at : at + self.batch]
            self._step(self.images[rows], self.classes[rows])

    def gradient(self, images: torch.Tensor, classes: torch.Tensor) -> float:
        """The mini-batch loss; its gradient is left in the parameters' ``.grad``."""
        output = self.model(images)
        if int(classes.max()) >= output.shape[1]:
            raise InvalidInputError(
                f"class {int(classes.max())} is there, but the model has {output.shape[1]} outputs, for 0 to "
                f"{output.shape[1] - 1}"
            )
        loss = nn.functional.cross_entropy(output, classes)
        self.optimizer.zero_grad()
        loss.backward()
        return loss.item()

    def _step(self, images, classes):
        if self.augment is not None:
            images = self.augment(images, self._generator(self.step, 1))
        loss = self.gradient(images, classes)
        self.losses.append(loss)
        if not math.isfinite(loss):
            self.diverged = self.step
            return
        before = [_norm(group) for group in self.projected]
        self.optimizer.step()
        with torch.no_grad():
            for group, norm in zip(self.projected, before, strict=True):
                factor = norm / _norm(group)
                for p in group:
                    p.mul_(factor)
        self.step += 1

    def _generator(self, index, purpose):
        # SeedSequence mixes its words, so that neighbouring seeds and epochs have nothing in common
        word = int(np.random.SeedSequence((self.seed, index, purpose)).generate_state(1, np.uint64)[0])
        return torch.Generator().manual_seed(word)

    def state(self) -> dict[str, torch.Tensor]:
        """Everything that the next step depends on, as tensors by name: model, optimizer, losses, divergence."""
        found = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        for i, values in self.optimizer.state_dict()["state"].items():
            found |= {f"optimizer.{i}.{key}": torch.as_tensor(v) for key, v in values.items() if v is not None}
        found["losses"] = torch.tensor(self.losses, dtype=torch.float64)
        found["diverged"] = torch.tensor(-1 if self.diverged is None else self.diverged)
        return {name: tensor.detach().clone().contiguous() for name, tensor in found.items()}

    def load(self, state: dict[str, torch.Tensor]) -> None:
        """Go back to a :meth:`state`; hyperparameters are those that the optimizer was made with.

        Raises:
            InvalidInputError: a state of another model.
        """
        model = {name.removeprefix("model."): t for name, t in state.items() if name.startswith("model.")}
        try:
            self.model.load_state_dict(model)
        except RuntimeError as error:
            raise InvalidInputError(f"the saved state is of another model: {' '.join(str(error).split())}") from error
        optimizer = self.optimizer.state_dict()
        optimizer["state"] = {}
        for name, tensor in state.items():
            if name.startswith("optimizer."):
                _, i, key = name.split(".", 2)
                optimizer["state"].setdefault(int(i), {})[key] = tensor.clone()
        self.optimizer.load_state_dict(optimizer)
        self.losses = state["losses"].tolist()
        diverged = int(state["diverged"])
        self.diverged = None if diverged < 0 else diverged
        self.step = len(self.losses) - (self.diverged is not None)


@torch.no_grad()
def _norm(group):
    return torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(p) for p in group]))


def check_images(images: torch.Tensor, classes: torch.Tensor) -> None:
    """Raise ``InvalidInputError`` unless there are as many classes, whole numbers, as images, all of them finite."""
    if classes.is_floating_point() or classes.dtype == torch.bool:
        raise InvalidInputError(f"classes must be whole numbers, not {classes.dtype}; write classes.long()")
    if not len(images) or classes.shape != (len(images),):
        raise InvalidInputError(
            f"there must be one class for each of at least one image, not shapes {tuple(images.shape)} and "
            f"{tuple(classes.shape)}"
        )
    bad = torch.nonzero(~torch.isfinite(images).flatten(1).all(dim=1))
    if len(bad):
        raise InvalidInputError(
            f"image {int(bad[0])} has a number that is not finite ({len(bad)} of {len(images)} images have); leave "
            "such images out, or repair them"
        )


def check_mode(model: nn.Module, batch: int) -> None:
    """Raise ``InvalidInputError`` for statistics of the batch in eval mode, or of a batch of one."""
    for name, module in model.named_modules():
        if isinstance(module, (_BatchNorm, BatchRenorm)) and not module.training:
            raise InvalidInputError(
                f"{name} ({type(module).__name__}) is in eval mode and would be trained with frozen averages; call "
                "model.train()"
            )
    check_batch(model, batch)


def check_batch(model: nn.Module, batch: int) -> None:
    """Raise ``InvalidInputError`` for a batch of one where statistics are of the batch."""
    for name, module in model.named_modules():
        if isinstance(module, (_BatchNorm, BatchRenorm)) and module.training and batch == 1:
            raise InvalidInputError(
                f"batch 1 under {name} ({type(module).__name__}): one image has no variance between images; take 2 "
                "or more, or another normalisation"
            )


@torch.no_grad()
def evaluate(model: nn.Module, images: torch.Tensor, classes: torch.Tensor, batch: int = 512) -> tuple[float, float]:
    """Mean cross-entropy and accuracy in eval mode, so by running averages; modes are as before afterwards.

    Args:
        images: shape ``(n, channels, height, width)``. classes: shape ``(n,)``. batch: how many at a time.

    Returns:
        loss (natural logarithms) and the share of images whose largest output is that of their class.

    Raises:
        InvalidInputError: images that are not finite, or not as many classes.
    """
    check_images(images, classes)
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        loss = right = 0.0
        for x, y in zip(images.split(batch), classes.split(batch), strict=True):
            output = model(x)
            loss += nn.functional.cross_entropy(output, y, reduction="sum").item()
            right += (output.argmax(dim=1) == y).sum().item()
    finally:
        for module, mode in modes.items():
            module.training = mode
    return loss / len(images), right / len(images)
