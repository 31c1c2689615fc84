"""What one network shows before its first step: the numbers that the statement on gradients at the start compares.

Torch is imported where a network is made, so that the statement can be listed and proved without it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

WIDTH, BATCH = 16, 128
SIZES = tuple(10.0 ** (k / 20) for k in range(-20, 31))
"""Sizes of an entry over the root mean square of all, 0.1 to 32, at which a gradient's distribution is recorded."""
TAIL = 0.05
"""Fraction of a gradient's entries at which tail indices are compared."""


@dataclass(frozen=True)
class Growth:
    """How second moments grow over a network's blocks that keep the shape; dimensionless, each a mean over blocks.

    Attributes:
        kept: growth of the mean square in units of the branch's.
        branch: mean square of the branch in units of the input's. by_block: the same of each block.
        expected: mean square of the branch in units of its mean over starts without normalisation, given the input.
        expected_error: largest standard deviation of ``expected`` over starts.
        layers: mean square of a convolution's output in units of its mean over starts, given the input; a mean over
            convolutions.
        layers_error: largest standard deviation of ``layers`` over starts.
        factor: mean square of the output in units of the input's.
        slope, mean_slope: growth of the logarithm of the mean square and of the mean.
    """

    kept: float
    branch: float
    by_block: dict[int, float]
    expected: float
    expected_error: float
    layers: float
    layers_error: float
    factor: float
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
        tail: the fit to its entries, or ``None``. fixed_index: tail index at the fraction ``TAIL``.
        kurtosis, pooled_kurtosis: of its entries, and of those of all kernels.
        growth: over the blocks.
        last: log10 of the mean square that enters the last layer.
        larger: share of its entries that are larger than ``SIZES`` times their root mean square.
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
    larger: tuple[float, ...]


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


def start_of(recording, depth, *, fitted=True):
    """All the numbers of one recorded network, a residual one of that depth; without ``tail`` unless ``fitted``."""
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
            tail=fit_tail(entries) if fitted else None,
            fixed_index=tail_index(entries, TAIL),
            kurtosis=kurtosis(entries),
            pooled_kurtosis=kurtosis(np.concatenate(kernels)),
            growth=growth_of(recording),
            last=math.log10(float(recording.layers["last"].inputs.double().square().mean())),
            larger=larger(entries),
        )


def larger(entries) -> tuple[float, ...]:
    """Share of the entries that are larger than ``SIZES`` times their root mean square.

    >>> found = larger(np.array([1.0, -1.0]))
    >>> [found[SIZES.index(size)] for size in (0.1, 1.0, SIZES[-1])]  # an entry is not larger than itself
    [1.0, 0.0, 0.0]
    """
    sizes = np.sort(np.abs(np.ravel(entries)))
    sizes = sizes / np.sqrt(np.mean(sizes**2))
    return tuple((1 - np.searchsorted(sizes, SIZES, side="right") / sizes.size).tolist())


def growth_of(recording):
    """The growth over the blocks of one recorded residual network."""
    from bn_theory.networks.gradient_statistics import block_moments, output_ratios
    from bn_theory.networks.threads import one_thread

    with one_thread():
        moments, layers = block_moments(recording), output_ratios(recording)
    blocks = moments.values()
    by_block = {k: b.branch / b.before for k, b in moments.items()}
    outside = [recording.layers[name].gradients.shape[1] for name in layers]
    return Growth(
        kept=float(np.mean([(b.after - b.before) / b.branch for b in blocks])),
        branch=float(np.mean(list(by_block.values()))),
        by_block=by_block,
        expected=float(np.mean([b.branch / b.expected_branch for b in blocks])),
        expected_error=_error([branch_variance(b.channels) for b in blocks]),
        layers=float(np.mean(list(layers.values()))),
        layers_error=_error([2 / channels for channels in outside]),
        factor=float(np.mean([b.after / b.before for b in blocks])),
        slope=float(np.mean([math.log(b.after / b.before) for b in blocks])),
        mean_slope=float(np.mean([math.log(b.mean_after / b.mean_before) for b in blocks])),
    )


def branch_variance(channels):
    """Bound on the variance of a branch's mean square over its mean, from Gaussian weights and a given input.

    The second layer's output, given the hidden places, varies by at most ``2 P^2/C`` about twice their weighted mean
    square P. Each of the C independent channels of P is ``sum_j a_j relu(z_j)^2`` with Gaussian z_j; as
    ``E relu(z)^4 = 6 (E relu(z)^2)^2``, its mean square is at most 6 times its squared mean, and the variance of P at
    most ``5/C``. Together: ``(2/C) (1 + 5/C) + 5/C``.
    """
    return 2 / channels * (1 + 5 / channels) + 5 / channels


def _error(variances):
    """Standard deviation of the mean of ratios that have mean 1 whatever went before: no two are correlated."""
    return math.sqrt(sum(variances)) / len(variances)
