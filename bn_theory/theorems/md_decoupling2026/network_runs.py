"""Training runs of :mod:`bn_theory.theorems.md_decoupling2026.networks`: digits, two batch-normalised hidden layers.

Torch is imported inside the functions, so that the statement can be listed and proved without it. Callers hold torch to
one thread.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bn_theory import decoupling
from bn_theory.theorems import workbench
from bn_theory.theorems.intervals import seeds_of
from bn_theory.theorems.md_decoupling2026.run import ADAM, DECAY, DECAYED, GAIN_RATE, SPHERE

TEST = 500
BATCH = 32
GUESS = math.log(10)
"""Cross-entropy of equal probabilities for ten classes: the loss given to a run that left the finite numbers."""
JITTER = 2.0**-30
"""Relative size of what shows how rounding is amplified: far above rounding, small enough to be linear."""
DRAWS = 4
UNIT = workbench.EPS / 2
ADAM_EPS = 1e-6
"""Adam's: above the rounding of float32 in gradients of size 1, of which it would make steps of full size where a
gradient is 0 but for rounding (a pixel that is the same in all images)."""
LEAST = 1e-6
"""Losses below it count as it: float32 resolves no less next to outputs of size 10."""


@dataclass(frozen=True, eq=False)
class Trained:
    """How the runs of one method and width ended.

    Attributes:
        losses: on all training images, in ``[LEAST, GUESS]``, shape ``(seeds, rates)``.
        test: share of the test images that are classified right, ``(seeds, rates)``.
    """

    losses: np.ndarray
    test: np.ndarray


def data(settings, dtype):
    """Images of 64 numbers and their classes: ``(training images, classes, test images, classes)``."""
    from bn_theory.networks.data import digits_split

    split = digits_split(dtype, test=TEST, seed=settings.seed)
    return split.train_images.flatten(1), split.train_classes, split.test_images.flatten(1), split.test_classes


def rows(images, seeds, steps: int):
    """Which images every seed's batches hold, drawn with replacement, shape ``(steps, seeds, BATCH)``."""
    import torch

    drawn = [
        torch.randint(images, (steps, BATCH), generator=torch.Generator().manual_seed(int(seed))) for seed in seeds
    ]
    return torch.stack(drawn, dim=1)


def trained(settings, method: str, width: int, grid, steps: int, seeds: int) -> Trained:
    """Train at every rate from every seed's start, all at once in float32; rates fall linearly to 0.

    Plain SGD has one rate for all parameters. Decoupled, the directions of all rows have it; gains and the bias have
    ``GAIN_RATE``.
    """
    import torch

    from bn_theory.networks import batched_mlp as mlp
    from bn_theory.networks.decoupled import Decoupled

    images, classes, test_images, test_classes = data(settings, torch.float32)
    numbers = seeds_of(settings, seeds)
    parameters = mlp.starts(width, numbers, len(grid))
    order = rows(len(images), numbers, steps)
    rate = torch.tensor(grid, dtype=torch.float32).repeat_interleave(seeds)[:, None, None]
    weights = [parameters[name] for name in (*mlp.HIDDEN, mlp.LAST)]
    if method in (SPHERE, ADAM):
        groups = [{"params": weights}, {"params": [parameters[mlp.BIAS]], "decoupled": False, "lr": GAIN_RATE}]
        options = {"base": torch.optim.Adam, "relative": True, "eps": ADAM_EPS} if method == ADAM else {}
        optimizer = Decoupled(groups, lr=rate, gain_lr=GAIN_RATE, leading=2, **options)
    for t in range(steps):
        now, chosen = rate * (1 - t / steps), order[t].repeat(len(grid), 1)
        outputs, _ = mlp.logits(parameters, images[chosen])
        loss = mlp.losses(outputs, classes[chosen]).sum()  # every model has its own gradient
        gradients = torch.autograd.grad(loss, list(parameters.values()))
        with torch.no_grad():
            if method in (SPHERE, ADAM):
                for p, gradient in zip(parameters.values(), gradients, strict=True):
                    p.grad = gradient
                optimizer.param_groups[0]["lr"] = now
                optimizer.param_groups[1]["lr"] = GAIN_RATE * (1 - t / steps)
                optimizer.step()
                continue
            decay = DECAY if method == DECAYED else 0.0
            for p, gradient in zip(parameters.values(), gradients, strict=True):
                p.sub_(now.reshape(-1, *(1,) * (p.ndim - 1)) * (gradient + decay * p))
    with torch.no_grad():
        outputs, statistics = mlp.logits(parameters, images)
        found = mlp.losses(outputs, classes).double()
        found = torch.nan_to_num(found, nan=GUESS, posinf=GUESS).clamp(LEAST, GUESS)
        right = mlp.accuracies(mlp.logits(parameters, test_images, statistics)[0], test_classes)
    shape = len(grid), seeds
    return Trained(*(x.reshape(shape).T.double().numpy() for x in (found, right)))


@dataclass(frozen=True, eq=False)
class Followed:
    """One model's run, step by step, in float64.

    Attributes:
        losses: of the batches, ``(steps,)``.
        v: unit vectors of every row of the layers followed, one tensor a layer with its steps, ``{layer: (steps + 1,
            rows, d)}``.
        slopes: ``|grad by direction|^2`` of a run on the sphere, else ``|grad|^2``, ``{layer: (rows, steps)}``.
        gains: ``{layer: (rows, steps + 1)}`` of a run on the sphere.
    """

    losses: np.ndarray
    v: dict
    slopes: dict
    gains: dict


def followed(
    settings, width: int, steps: int, layers, *, lr=None, rates=None, jitter=0.0, added=0.0, **options
) -> Followed:
    """Train one network; ``layers`` are on the sphere or at rates of their rows, all else by SGD at ``GAIN_RATE``.

    Every row of the layers starts at norm 1, on either side of a comparison.

    Args:
        layers: names of weights.
        lr: of the directions, for a run on the sphere; further ``options`` of ``Decoupled``.
        rates: ``{layer: (rows, steps)}``, for a plain run.
        added: to variances; with 0 the hidden rows are exactly scale-invariant.
        jitter: relative size of a random displacement of every row after every step of a plain run.
    """
    import torch

    from bn_theory.networks import batched_mlp as mlp
    from bn_theory.networks.decoupled import Decoupled

    images, classes, *_ = data(settings, torch.float64)
    order = rows(len(images), [1000 * settings.seed], steps)[:, 0]
    parameters = mlp.starts(width, [1000 * settings.seed], dtype=torch.float64)
    with torch.no_grad():
        for name in layers:
            parameters[name].div_(torch.linalg.vector_norm(parameters[name], dim=-1, keepdim=True))
    rest = [p for name, p in parameters.items() if name not in layers]
    optimizer, noise = None, torch.Generator().manual_seed(1000 * settings.seed + 1)
    if rates is None:
        plain = {"params": rest, "decoupled": False, "lr": GAIN_RATE}
        optimizer = Decoupled([{"params": [parameters[n] for n in layers]}, plain], lr=lr, leading=2, **options)
    found = Followed(np.empty(steps), *({name: [] for name in layers} for _ in range(3)))
    for t in range(steps + 1):
        for name in layers:
            w = parameters[name].detach()[0]
            size = torch.linalg.vector_norm(w, dim=-1, keepdim=True)
            v = w / size if optimizer is None else optimizer.direction(parameters[name])[0]
            gain = size if optimizer is None else optimizer.gain(parameters[name])[0]
            found.v[name].append(v.numpy().copy())
            found.gains[name].append(gain[:, 0].numpy().copy())
        if t == steps:
            break
        loss = mlp.losses(mlp.logits(parameters, images[order[t]], added=added)[0], classes[order[t]])[0]
        found.losses[t] = loss.item()
        for p, gradient in zip(parameters.values(), torch.autograd.grad(loss, list(parameters.values())), strict=True):
            p.grad = gradient
        for name in layers:
            by_w = parameters[name].grad[0].numpy()
            slope = by_w
            if optimizer is not None:
                slope, _ = decoupling.split_gradient(by_w, found.v[name][-1], found.gains[name][-1])
            found.slopes[name].append(np.sum(slope**2, axis=-1))
        if optimizer is not None:
            optimizer.step()
            continue
        with torch.no_grad():
            for p in rest:
                p.sub_(GAIN_RATE * p.grad)
            for name in layers:
                p = parameters[name]
                p.sub_(torch.from_numpy(rates[name][:, t, None]) * p.grad)
                if jitter:
                    size = torch.linalg.vector_norm(p, dim=-1, keepdim=True)
                    shift = torch.randn(p.shape, generator=noise, dtype=p.dtype)
                    p.add_(jitter * size * shift / torch.linalg.vector_norm(shift, dim=-1, keepdim=True))
    return Followed(
        found.losses,
        {name: np.array(one) for name, one in found.v.items()},
        {name: np.array(one).T for name, one in found.slopes.items()},
        {name: np.array(one).T for name, one in found.gains.items()},
    )


def row_gradients(settings, width: int, scale=1.0, added=0.0, touch=None) -> list:
    """Gradients by the hidden rows at ``scale`` times the start, whose rows have norm 1: a tensor a layer.

    Args:
        added: to variances. touch: of :func:`bn_theory.networks.batched_mlp.logits`.
    """
    import torch

    from bn_theory.networks import batched_mlp as mlp

    images, classes, *_ = data(settings, torch.float64)
    parameters = mlp.starts(width, [1000 * settings.seed], dtype=torch.float64)
    for name in mlp.HIDDEN:
        w = parameters[name].detach()
        parameters[name] = (scale * w / torch.linalg.vector_norm(w, dim=-1, keepdim=True)).requires_grad_()
    outputs, _ = mlp.logits(parameters, images[:BATCH], added=added, touch=touch)
    loss = mlp.losses(outputs, classes[:BATCH])[0]
    return list(torch.autograd.grad(loss, [parameters[name] for name in mlp.HIDDEN]))


def gradient_rounding(settings, width: int) -> float:
    """Bound of the rounding of a row's gradient at unit norm, in norm: a count of roundings times what one does.

    A product ``<w, x>`` errs by at most ``d u |w| |x|``, a mean or variance over n samples by ``2 n u``, some further
    operations by 16 u: every number of the network, and every derivative by one, by at most ``(d + 2 n + 16) u`` of
    its size before terms cancel. What that does to the gradient is measured with random errors of a known size, ``J``
    of the same, the largest of ``DRAWS``: the scale invariance of the rows is not made use of.
    """
    import torch

    generator = torch.Generator().manual_seed(1000 * settings.seed + 2)

    def signs(x):
        return 2.0 * torch.randint(2, x.shape, generator=generator).to(x.dtype) - 1

    def touch(x, size):
        # of a derivative the largest of the batch, of which a normalisation takes the mean
        x.register_hook(lambda g: g + JITTER * g.abs().amax(dim=-2, keepdim=True) * signs(g))
        return x + JITTER * size * signs(x)

    exact = row_gradients(settings, width)
    count = max(64, width) + 2 * BATCH + 16
    return (
        count * UNIT / JITTER * max(distance(row_gradients(settings, width, touch=touch), exact) for _ in range(DRAWS))
    )


def distance(gradients, others) -> float:
    """The largest distance, in norm, of one row's gradient from that in another list of all layers."""
    import torch

    return max(float(torch.linalg.vector_norm(a - b, dim=-1).max()) for a, b in zip(gradients, others, strict=True))
