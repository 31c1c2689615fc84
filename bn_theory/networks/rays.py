"""The loss of a batch along a straight line through a network's parameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from bn_theory.errors import InvalidInputError

Direction = Mapping[str, torch.Tensor]
"""What is added to parameters, by name."""


def random_direction(like: Direction, generator: torch.Generator, orthogonal_to: Direction | None = None) -> dict:
    """A Gaussian direction with the norm of ``like`` in every tensor, orthogonal to a given one in every tensor.

    >>> found = random_direction({"w": torch.ones(2, 3)}, torch.Generator().manual_seed(0), {"w": torch.ones(2, 3)})
    >>> round(float(found["w"].norm()) ** 2, 5), abs(float(found["w"].sum())) < 1e-6
    (6.0, True)
    """
    made = {}
    for name, tensor in like.items():
        drawn = torch.randn(tensor.shape, generator=generator, dtype=torch.float64).to(tensor)
        avoided = None if orthogonal_to is None else orthogonal_to[name]
        if avoided is not None and float(avoided.norm()) > 0:
            drawn = drawn - (drawn * avoided).sum() / avoided.square().sum() * avoided
        made[name] = drawn * (tensor.norm() / drawn.norm())
    return made


def length(direction: Direction) -> float:
    """The norm of all its tensors together."""
    return math.sqrt(sum(float(t.square().sum()) for t in direction.values()))


class Ray:
    """The loss of one batch along a direction from a model's parameters; distances in units of their norm.

    ``loss(t) = L(w + t |w| u)``, ``u`` the direction at unit length and ``|w|`` the norm of the parameters that it
    changes, all together: the distance is dimensionless.
    """

    def __init__(self, model: nn.Module, images: torch.Tensor, classes: torch.Tensor, direction: Direction):
        """See the class.

        Raises:
            InvalidInputError: a direction of length 0, or one that names no parameter.
        """
        parameters = {name: p.detach() for name, p in model.named_parameters()}
        unknown = [name for name in direction if name not in parameters]
        size = length(direction)
        if unknown or not size > 0:
            raise InvalidInputError(
                f"a direction needs parameters of the model and a length above 0, not {unknown or 'a length of'} {size}"
            )
        self.model, self.images, self.classes = model, images, classes
        self.point = {name: parameters[name] for name in direction}
        factor = length(self.point) / size
        self.step = {name: factor * tensor for name, tensor in direction.items()}

    @torch.no_grad()
    def loss(self, distance: float) -> float:
        """The loss at a distance, which may be negative."""
        moved = {name: p + distance * self.step[name] for name, p in self.point.items()}
        return batch_loss(self.model, self.images, self.classes, moved).item()

    def even(self, distance: float) -> float:
        """The mean of the losses at ``+distance`` and ``-distance``: slopes drop out."""
        return (self.loss(distance) + self.loss(-distance)) / 2

    def curvature(self) -> float:
        """The second derivative of the loss in the distance at 0, ``|w|^2 u^T Hess u``."""
        t = torch.zeros((), dtype=next(iter(self.point.values())).dtype, requires_grad=True)
        moved = {name: p + t * self.step[name] for name, p in self.point.items()}
        (slope,) = torch.autograd.grad(batch_loss(self.model, self.images, self.classes, moved), t, create_graph=True)
        return float(torch.autograd.grad(slope, t)[0])

    def reach(self, rise: float, **grid) -> float:
        """The smallest distance at which the mean loss in both directions has risen by so much; see :meth:`first`."""
        aim = self.loss(0.0) + rise
        return self.first(lambda distance: self.even(distance) >= aim, **grid)

    def back(self, **grid) -> float:
        """The smallest distance at which the loss is no lower than at 0, along a direction of descent."""
        start = self.loss(0.0)
        return self.first(lambda distance: self.loss(distance) >= start, **grid)

    @staticmethod
    def first(
        reached: Callable[[float], bool], *, longest: float = 1e3, shortest: float = 1e-3, per_octave: int = 1
    ) -> float:
        """The smallest distance at which something is reached; ``longest`` if it is not.

        Distances go up from ``shortest`` by a factor ``2**(1/per_octave)`` until it is, and the last factor is then
        halved in logarithm 4 times: a relative error of at most ``2**(1/(32 per_octave)) - 1``. What begins and ends
        within one factor is missed.

        >>> round(Ray.first(lambda distance: distance > 3), 1)
        3.0
        """
        factor = 2 ** (1 / per_octave)
        far = shortest
        while not reached(far):
            if far >= longest:
                return longest
            far *= factor
        near = far / factor
        for _ in range(4):
            middle = math.sqrt(near * far)
            if reached(middle):
                far = middle
            else:
                near = middle
        return math.sqrt(near * far)


def forward(model: nn.Module, images: torch.Tensor, changed: Mapping[str, torch.Tensor] | None = None) -> torch.Tensor:
    """A model's outputs with some parameters replaced; running averages are not touched."""
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    return functional_call(model, {**buffers, **(changed or {})}, (images,))


def batch_loss(
    model: nn.Module,
    images: torch.Tensor,
    classes: torch.Tensor,
    changed: Mapping[str, torch.Tensor] | None = None,
) -> torch.Tensor:
    """Cross-entropy of a batch, with some parameters replaced; running averages are not touched."""
    return cross_entropy(forward(model, images, changed), classes)
