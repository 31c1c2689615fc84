"""What one network shows before its first step: the numbers that the statement on gradients at the start compares.

Torch is imported where a network is made, so that the statement can be listed and proved without it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

WIDTH, BATCH = 16, 128
TAIL = 0.05
"""Fraction of a gradient's entries at which tail indices are compared."""


@dataclass(frozen=True)
class Growth:
    """How second moments grow over a network's blocks that keep the shape; dimensionless, each a mean over blocks.

    Attributes:
        kept: growth of the mean square in units of the branch's.
        branch: mean square of the branch in units of the input's.
        slope, mean_slope: growth of the logarithm of the mean square and of the mean.
    """

    kept: float
    branch: float
    slope: float
    mean_slope: float


@dataclass(frozen=True)
class Start:
    """One network before its first step, as one mini-batch sees it; all numbers dimensionless.

    Attributes:
        spread: variance over classes of the mean logits in units of that over images.
        favoured: share of the images that are taken for the most frequent class.
        one_sided: share of a logit's gradient that is left when it is summed over images.
        pushed: largest share of one class in the positive part of the logits' gradients.
        ratio, largest_ratio: of a sum to the sum of sizes in the middle kernel's gradient, on average and at most.
        constant: share of that gradient that knows the layer's input by its mean only.
        first, rank: share of the first singular value in its squared norm, and effective rank.
        tail: of its entries. fixed_index: tail index at the fraction ``TAIL``.
        kurtosis, pooled_kurtosis: of its entries, and of those of all kernels.
        growth: over the blocks.
        last: log10 of the mean square that enters the last layer.
    """

    spread: float
    favoured: float
    one_sided: float
    pushed: float
    ratio: float
    largest_ratio: float
    constant: float
    first: float
    rank: float
    tail: object
    fixed_index: float
    kurtosis: float
    pooled_kurtosis: float
    growth: Growth
    last: float


def recorded(seed, depth, norm, *, eps=1e-5, double=False, change=None, training=True):
    """One mini-batch of real digits through one network.

    Args:
        seed: of the start and of the mini-batch. double: whether it runs in float64.
        change: for a control, alters the network in place before.
        training: whether the network is in train mode.
    """
    import torch

    from bn_theory.networks import digits, resnet
    from bn_theory.networks.digits import mini_batches
    from bn_theory.networks.gradient_statistics import record
    from bn_theory.networks.threads import one_thread

    dtype = torch.float64 if double else torch.float32
    model = resnet(depth, norm, width=WIDTH, eps=eps, seed=seed, dtype=dtype).train(training)
    if change is not None:
        with torch.no_grad():
            change(model)
    images, classes = mini_batches(*digits(dtype), BATCH, 1, seed)[0]
    with one_thread():
        return record(model, images, classes)


def start_of(recording, depth):
    """All the numbers of one recorded network, a residual one of that depth."""
    from bn_theory.networks import gradient_statistics as g
    from bn_theory.networks.tails import fit_tail, kurtosis, tail_index
    from bn_theory.networks.threads import one_thread

    # the last block of the first half, in the second of three stages
    middle = recording.layers[f"blocks.{(depth - 2) // 4}.conv2"]
    entries = middle.weight_gradient.double().numpy()
    kernels = [l.weight_gradient.double().numpy().ravel() for l in recording.layers.values() if l.inputs.ndim == 4]
    with one_thread():
        total, sizes = g.tap_sums(middle)
        return Start(
            spread=g.class_spread(recording.logits),
            favoured=g.favoured_class(recording.logits),
            one_sided=g.one_sided(recording.logit_gradients),
            pushed=g.favoured_gradient(recording.logit_gradients),
            ratio=g.sum_ratio(middle),
            largest_ratio=float((total.abs() / sizes)[sizes > 0].max()),
            constant=g.input_independent_share(middle),
            first=g.first_share(middle),
            rank=g.effective_rank(middle),
            tail=fit_tail(entries),
            fixed_index=tail_index(entries, TAIL),
            kurtosis=kurtosis(entries),
            pooled_kurtosis=kurtosis(np.concatenate(kernels)),
            growth=growth_of(recording),
            last=math.log10(float(recording.layers["last"].inputs.double().square().mean())),
        )


def growth_of(recording):
    """The growth over the blocks of one recorded residual network."""
    from bn_theory.networks.gradient_statistics import block_moments
    from bn_theory.networks.threads import one_thread

    with one_thread():
        blocks = block_moments(recording).values()
    return Growth(
        kept=float(np.mean([(b.after - b.before) / b.branch for b in blocks])),
        branch=float(np.mean([b.branch / b.before for b in blocks])),
        slope=float(np.mean([math.log(b.after / b.before) for b in blocks])),
        mean_slope=float(np.mean([math.log(b.mean_after / b.mean_before) for b in blocks])),
    )
