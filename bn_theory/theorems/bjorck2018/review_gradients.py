"""Questions 1 to 3: the radial and the input-independent part of the gradient, and the loss along them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from bn_theory.theorems import evidence as judge
from bn_theory.theorems.intervals import over_seeds

BATCH, EPOCHS, LR = 64, 2, 0.05
IMAGES = 64
RISE = 0.1
"""By how much the loss is to have risen (nats) where it is asked how far one can step."""
LONGEST = 10.0
"""Steps of ten times the weights' norm count as unlimited."""
VACUOUS = 1e-6
"""A rounding wider than this, of a part over the gradient, decides nothing."""
CURVATURE = 1 / 3
"""The curvature along the radial part is claimed to be below this fraction of that along the tangential part."""
RATE = 1.25
"""Largest rates within this factor of each other count as alike."""
FARTHER = 4.0
"""At least so many times farther one can step in a random direction than along the input-independent part."""
DRAWS = 2
"""Random directions per network, over which logarithms are averaged."""


def gradients(seeds):
    """Evidence on the VGG variant in float64 with ``eps = 0``, at the start and after training, with BN and without."""
    import torch

    from bn_theory.networks.data import digits_split

    data = digits_split(torch.float64)
    starts = {norm: [point(data, norm, seed, epochs=0) for seed in seeds] for norm in ("batch", None)}
    trained = {norm: [point(data, norm, seed, epochs=EPOCHS) for seed in seeds] for norm in ("batch", None)}
    stages = (("at the start", starts), ("trained", trained))
    for when, found in stages:
        yield from radial_and_tangential(when, found)
    yield curvatures("1. no BN, trained: curvature along the radial and the tangential part", trained[None])
    yield largest_rates("1. no BN, trained: the largest rate without the radial part", trained[None])
    yield same_for_every_layer("1. no BN: <w, grad> is the same for every layer", starts[None])
    biased = [with_biases(p) for p in starts[None]]
    yield judge.control(same_for_every_layer("1. no BN, biases: <w, grad> is the same for every layer", biased))
    for when, found in stages:
        yield from input_independent(when, found)
    yield from how_far(trained)


@dataclass(frozen=True, eq=False)
class Point:
    """One network at the point where its gradient is looked at.

    Attributes:
        model, images, classes: the batch whose gradient is split.
        splits: by name of the weight.
        seed: of the network's start, and of the directions that are drawn.
    """

    model: object
    images: object
    classes: object
    splits: dict
    seed: int

    def along(self, part: Callable) -> dict:
        """A direction: some part of every kernel's split."""
        return {name: part(split) for name, split in self.splits.items()}

    def ray(self, direction):
        """The loss along a direction."""
        from bn_theory.networks.rays import Ray

        return Ray(self.model, self.images, self.classes, direction)

    def generator(self, stream):
        """Of random directions; streams have nothing in common."""
        import torch

        word = int(np.random.SeedSequence((self.seed, stream)).generate_state(1, np.uint64)[0])
        return torch.Generator().manual_seed(word)


def point(data, norm, seed, *, epochs) -> Point:
    """The VGG variant after some epochs, and its gradient on the first images, split."""
    from bn_theory.networks import Trainer, sgd, vgg
    from bn_theory.networks.gradient_split import split_gradients

    model = vgg(norm, init="he", seed=seed)
    run = Trainer(model, sgd(model, LR), data.train_images, data.train_classes, batch=BATCH, seed=seed)
    run.steps(epochs * run.steps_per_epoch)
    images, classes = data.train_images[:IMAGES], data.train_classes[:IMAGES]
    return Point(model, images, classes, split_gradients(model, images, classes), seed)


def shown(interval) -> str:
    """A mean with its 95 % interval."""
    low, high = interval
    return f"{(low + high) / 2:.3g} (95 %: {low:.3g} to {high:.3g})"


def factor(interval) -> str:
    """The same for a ratio whose logarithm has the interval."""
    low, middle, high = (math.exp(min(x, 700)) for x in (interval[0], sum(interval) / 2, interval[1]))
    return f"{middle:.3g} (95 %: {low:.3g} to {high:.3g})"


def gradient(split):
    """The whole."""
    return split.gradient


def independent(split):
    """The input-independent part."""
    return split.independent


def radial(split):
    """The part along each filter."""
    return split.radial


def tangential(split):
    """The rest."""
    return split.tangential


def share_of(points, part, whole) -> list[float]:
    """Squared norm of a part over that of a whole, all kernels together, for every point."""
    from bn_theory.networks.rays import length

    return [(length(p.along(part)) / length(p.along(whole))) ** 2 for p in points]


def by_layer(points, part, whole) -> dict[str, float]:
    """The same for every kernel, the mean over points."""
    from bn_theory.networks.gradient_split import share

    return {
        name: float(np.mean([share(part(p.splits[name]), whole(p.splits[name])) for p in points]))
        for name in points[0].splits
    }


# Question 1


def radial_and_tangential(when, found):
    """With BN there is no radial part; without, the tangential part is the larger."""
    yield vanishes(f"1. BN, {when}: the radial part is 0", found["batch"], radial, found["batch"])
    yield judge.control(vanishes(f"1. no BN, {when}: the radial part is 0", found[None], radial, found["batch"]))
    yield mostly_tangential(f"1. no BN, {when}: the gradient is more tangential than radial", found[None], gradient)
    decay = [replace(p, splits={n: replace(s, gradient=s.weight) for n, s in p.splits.items()}) for p in found[None]]
    name = f"1. {when}: the gradient of weight decay is more tangential than radial"
    yield judge.control(mostly_tangential(name, decay, gradient))


def vanishes(name, points, part, normalised):
    """The largest filter of a part of the gradient, in units of its kernel's gradient, against rounding.

    Args:
        normalised: networks of the same sizes with BN, whose rounding is the tolerance.
    """
    rounding = "radial_rounding" if part is radial else "independent_rounding"
    largest, tolerance = 0.0, 0.0
    for split in (split for p in points for split in p.splits.values()):
        largest = judge.largest([largest, part(split).flatten(1).norm(dim=1).max() / split.gradient.norm()])
    for split in (split for p in normalised for split in p.splits.values()):
        tolerance = judge.largest([tolerance, getattr(split, rounding).max() / split.gradient.norm()])
    answer = f"The largest {part.__name__} part of a filter is {largest:.1e} of its kernel's gradient."
    found = judge.identity(name, largest, tolerance, unit="the kernel's gradient", answer=answer)
    return found if tolerance <= VACUOUS else replace(found, verdict=judge.INCONCLUSIVE)


def mostly_tangential(name, points, whole):
    """The radial share of the gradient, or of its input-independent part, is below one half."""
    from bn_theory.networks.gradient_split import radial_part

    def along_weights(split):
        return radial_part(split.weight, whole(split))

    def by_chance(split):
        return math.sqrt(split.by_chance) * whole(split)

    shares = share_of(points, along_weights, whole)
    low, high = interval = over_seeds(shares)
    chance = float(np.mean(share_of(points, by_chance, whole)))
    return judge.comparison(
        name,
        (0.5 - high, 0.5 - low),
        radial_shares=shares,
        radial_share_by_layer=by_layer(points, along_weights, whole),
        of_a_random_vector=chance,
        answer=f"The radial share is {shown(interval)}, that of a random vector {chance:.2g}.",
    )


def curvatures(name, points):
    """Whether the loss is curved more along the radial part: the claim is that it is curved less."""
    curved = [[p.ray(p.along(part)).curvature() for part in (radial, tangential)] for p in points]
    low, high = interval = over_seeds([along / across for along, across in curved])
    return judge.comparison(
        f"{name}, their ratio below {CURVATURE:.2g}",
        (CURVATURE - high, CURVATURE - low),
        radial=[along for along, _ in curved],
        tangential=[across for _, across in curved],
        answer=f"Along the radial part the loss is curved {shown(interval)} times as much as along the tangential one.",
    )


def largest_rates(name, points):
    """Whether the radial part of a step limits its rate: the claim is that without it the largest rate is alike."""
    logs = [math.log(largest_rate(p, tangential) / largest_rate(p, gradient)) for p in points]
    # each of the two rates is known to half a cell of the search, relatively: 2^(1/32) is a whole one
    cell = math.log(2) / 32
    low, high = over_seeds(logs)
    low, high = interval = low - cell, high + cell
    nearest = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
    margin = math.log(RATE)
    return judge.comparison(
        f"{name} is the same within a factor {RATE:g}",
        (margin - max(abs(low), abs(high)), margin - nearest),
        log_ratios=logs,
        answer=f"Leaving out the radial part multiplies the largest rate of a step by {factor(interval)}.",
    )


def largest_rate(p, part):
    """The smallest rate at which one step along a part of the gradient lowers the loss no more."""
    from bn_theory.networks.rays import length

    down = p.along(lambda split: -part(split))
    weights = p.along(lambda split: split.weight)
    return p.ray(down).back(longest=LONGEST) * length(weights) / length(down)


def same_for_every_layer(name, points):
    """The largest distance of a layer's ``<w, grad>`` from the derivative of the loss in the outputs' scale."""
    from bn_theory.networks.gradient_split import radial_derivatives

    found = [radial_derivatives(p.model, p.images, p.classes, seed=p.seed) for p in points]
    widest = judge.largest(one.rounding / abs(one.outputs) for one in found)
    judged = judge.identity(
        name,
        judge.largest(one.gap / one.rounding for one in found),
        1.0,
        unit="the bound of rounding, whose amplification is sampled",
        largest_relative_bound=widest,
        layers_of_first_seed=found[0].layers,
        outputs_of_first_seed=found[0].outputs,
        answer=f"<w, grad> of a layer is off d/dc L(c z) by at most {judge.largest(one.gap for one in found):.1e}.",
    )
    return judged if widest <= VACUOUS else replace(judged, verdict=judge.INCONCLUSIVE)


def with_biases(p):
    """The same start with Gaussian biases in every layer."""
    import torch

    from bn_theory.networks import vgg

    model = vgg(None, init="he", seed=p.seed, bias=True)
    for parameter in (q for q in model.parameters() if q.ndim == 1):
        torch.nn.init.normal_(parameter, generator=p.generator(3))
    return replace(p, model=model)


# Question 2


def input_independent(when, found):
    """With BN no input-independent part; without, how large it is, and that it is tangential."""
    name = f"{when}: the input-independent part is 0"
    yield vanishes(f"2. BN, {name}", found["batch"], independent, found["batch"])
    yield judge.control(vanishes(f"2. no BN, {name}", found[None], independent, found["batch"]))
    shares = share_of(found[None], independent, gradient)
    interval = over_seeds(shares)
    yield judge.measurement(
        f"2. no BN, {when}: share of the input-independent part",
        interval,
        shares=shares,
        share_by_layer=by_layer(found[None], independent, gradient),
        answer=f"Without BN the input-independent share is {shown(interval)}; directly before BN it is 0.",
    )
    name = f"2. no BN, {when}: the input-independent part is more tangential than radial"
    yield mostly_tangential(name, found[None], independent)


# Question 3


def how_far(found):
    """How far one can step until the loss has risen, against a random direction of the same norm in every kernel."""
    part = [log_reach(p, lambda p, draw: p.along(independent)) for p in found[None]]
    yield farther("3. no BN, trained: along the input-independent part", part, FARTHER)
    chance = [log_reach(p, random_like_independent) for p in found[None]]
    yield judge.control(farther("3. no BN, trained: along a random direction", chance, FARTHER))
    means = {norm: [log_reach(p, along_mean_inputs) for p in points] for norm, points in found.items()}
    yield farther("3. no BN, trained: along the mean inputs", means[None], 1.0)
    interval = over_seeds(means["batch"])
    yield judge.measurement(
        "3. BN, trained: along the mean inputs, log of how many times longer a random step may be",
        interval,
        logs=means["batch"],
        answer=f"With BN a random step may be {factor(interval)} times as long as one along the mean inputs.",
    )
    interval = over_seeds([a - b for a, b in zip(means[None], means["batch"], strict=True)])
    yield judge.comparison(
        "3. trained: against a random step, one along the mean inputs must be shorter without BN than with it",
        interval,
        answer="The ratio of a random step's length to that of one along the mean inputs is "
        f"{factor(interval)} times larger without BN.",
    )


def farther(name, logs, times):
    """A random orthogonal step may be more than so many times as long."""
    interval = over_seeds(logs)
    return judge.comparison(
        f"{name}, a random step may be more than {times:g} times as long",
        interval,
        math.log(times),
        logs=logs,
        answer=f"A random step may be {factor(interval)} times as long until the loss has risen by {RISE}.",
    )


def log_reach(p, direction):
    """log of how much farther random directions, orthogonal in every kernel, may be followed than given ones.

    Args:
        direction: ``direction(p, draw)``.
    """
    from bn_theory.networks.rays import random_direction

    logs = []
    for draw in range(DRAWS):
        given = direction(p, draw)
        other = random_direction(given, p.generator(10 + draw), given)
        far, near = (p.ray(d).reach(RISE, longest=LONGEST) for d in (other, given))
        logs.append(math.log(far / near))
    return float(np.mean(logs))


def random_like_independent(p, draw):
    """A random direction with the norms of the input-independent part."""
    from bn_theory.networks.rays import random_direction

    return random_direction(p.along(independent), p.generator(20 + draw))


def along_mean_inputs(p, draw):
    """Every filter moves along its mean input by a Gaussian amount, every kernel by its own norm."""
    import torch

    generator = p.generator(30 + draw)

    def moved(split):
        amounts = torch.randn((len(split.weight), *[1] * split.mean_input.ndim), generator=generator)
        step = amounts.to(split.weight) * split.mean_input
        return step * (split.weight.norm() / step.norm())

    return p.along(moved)
