"""The largest rate that trains, with batch normalisation and without, and the loss along the gradient step.

Residual networks on scikit-learn's digits, the same start with and without normalisation, plain SGD. The largest rate
is searched down from one that fails (:func:`bn_theory.networks.trainable_rate.largest_trainable_rate`). The loss along
the step, its bound and the effective rate after a step are those of the VGG variant with ``eps = 0``, where all
parameters but the last normalisation's are scale-invariant: there the claims are exact.

Torch is imported when the evidence is asked for, so that the statement can be listed and proved without it.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from bn_theory.errors import NothingTrainsError
from bn_theory.theorems import evidence as judge
from bn_theory.theorems.bjorck2018 import derived
from bn_theory.theorems.evidence import Curves
from bn_theory.theorems.intervals import over_seeds, seeds_of
from bn_theory.theorems.statement import Statement

SEEDS_QUICK, SEEDS_FULL = {8: 4, 14: 5}, {8: 6, 14: 6, 20: 4}
"""Seeds of each depth. Much deeper networks without normalisation may train at no rate within STEPS."""
PROFILES = 4
WIDTH, BATCH, STEPS, LAST = 8, 16, 40, 10
FRACTION = 0.95
"""It trains if the last losses' mean is at most this fraction of the first one's, or of guessing's if that is less."""
LOW, HIGH, STRETCH, FACTOR = 1e-4, 16.0, 5.0, 1.5
TIMES_LARGER = 1.5
"""What is claimed of the ratio of both largest rates, at every depth."""

PROFILE_BATCH = 64
LONGEST = 10.0
"""A step of moderate length: ten times as long as the weights that it moves."""
MULTIPLES = tuple(10.0 ** (k / 2) for k in range(-4, 17))
"""Lengths of steps in units of the weights' own, 0.01 to 1e8."""
MODERATE = tuple(s for s in MULTIPLES if s <= LONGEST * (1 + 1e-12))
ORDERS = 2.0
"""How many powers of ten the loss rises further without normalisation than with it, within LONGEST."""
FAR = 2.0**200
"""A power of two, which no product rounds; next to a gradient times this the weights are lost in rounding."""
LIMIT = math.log(10) + math.sqrt(20)
"""``log C + gamma sqrt(2 C)`` of ten classes, the last normalisation's scale being ``gamma = 1``."""
RATES = tuple(10.0**k for k in range(-4, 7))
LAYERS = 5
"""Layers with weights of the VGG variant: three convolutions and two linear layers."""


def evidence(settings):
    """The largest rates by depth; runs above the twin's; loss along the step; effective rate after it; controls."""
    import bn_theory.networks  # noqa: F401  (first of all, as it says what to install where torch is missing)
    from bn_theory.networks.data import digits_split
    from bn_theory.networks.threads import one_thread

    data = digits_split(seed=settings.seed)
    counts = SEEDS_FULL if settings.full else SEEDS_QUICK
    with one_thread():
        found = {}
        for depth, count in counts.items():
            seeds = seeds_of(settings, count)
            for norm in ("batch", None):
                found[depth, norm] = [largest(data, depth, norm, seed) for seed in seeds]
                yield largest_rates(depth, norm, found[depth, norm])
            yield larger_with(depth, found[depth, "batch"], found[depth, None])
        yield from by_depth(found)
        yield _brackets(found)

        deepest = max(counts)
        seeds = seeds_of(settings, counts[deepest])
        twins = {s: FACTOR * one.fails for s, one in zip(seeds, found[deepest, None], strict=True) if one.tried}
        name = f"depth {deepest}, batch: trains at {FACTOR:g} times a rate at which the twin fails"
        if twins:
            yield trains(name, data, twins, deepest)
        own = {s: one.rate for s, one in zip(seeds, found[deepest, "batch"], strict=True) if one.tried}
        name = f"depth {deepest}, no normalisation: trains at the largest rate of batch, for some seed"
        if own:
            yield judge.control(trains(name, data, own, deepest, norm=None, over=min))

        seeds = seeds_of(settings, PROFILES)
        data = in_doubles(data)
        for depth in counts:
            for norm in ("batch", None):
                yield rise_of(depth, norm, [residual_profile(data, depth, norm, seed) for seed in seeds])
        profiles = {norm: [profile(data, norm, seed) for seed in seeds] for norm in ("batch", None)}
        yield bounded(_bounded("batch"), profiles["batch"])
        yield judge.control(bounded(_bounded("no normalisation"), profiles[None]))
        yield _along(profiles)
        yield tends_to("batch: loss far along the step is that of -grad", data, seeds[0], "batch")
        name = "no normalisation: loss far along the step is that of -grad"
        yield judge.control(tends_to(name, data, seeds[0], None))
        yield rises(profiles)
        yield degree("no normalisation: exponent of the loss far along the step", profiles[None])
        yield judge.control(degree("batch: exponent of the loss far along the step", profiles["batch"]))

        yield effective_rate("batch: effective rate after one step at most 1/(2 |grad L(v)|)", data, seeds[0])
        name = "batch, projected: effective rate after one step at most 1/(2 |grad L(v)|)"
        yield judge.control(effective_rate(name, data, seeds[0], projected=True))


def _brackets(found):
    """The searches, seed by seed."""
    depths = sorted({depth for depth, _ in found})
    return Curves(
        "trainable_rates",
        f"Largest learning rate at which a residual network trains within {STEPS} steps, seed by seed, from the rate "
        "that trains to the next tried that does not, with batch normalisation and without.",
        {
            "depths": depths,
            "brackets": {
                norm or "no normalisation": [[one.bracket for one in found[depth, norm]] for depth in depths]
                for norm in ("batch", None)
            },
            "supports": [_ratio(depth) for depth in depths],
        },
    )


def _along(profiles):
    """The loss along the step, of every seed."""
    return Curves(
        "loss_along_step",
        "Loss of the VGG variant along its gradient step, by the step's length: with batch normalisation it is bounded "
        "however long the step, without it grows like a power of the length.",
        {
            "multiples": MULTIPLES,
            "losses": {norm or "no normalisation": [one.losses for one in profiles[norm]] for norm in ("batch", None)},
            "limit": LIMIT,
            "supports": [_bounded("batch"), _bounded("no normalisation")],
        },
    )


def _bounded(network):
    return f"{network}: loss along the step at most log C + sqrt(2 C)"


def _ratio(depth):
    return f"depth {depth}: log of the ratio of the largest rates, batch over no normalisation, at its lowest"


def rule():
    """What "trains" means here."""
    from bn_theory.networks.trainable_rate import Trains

    return Trains(STEPS, LAST, FRACTION, guessing=math.log(10))


def losses(data, depth, norm, seed, rate):
    """Of a run from the start of this seed, on the training images in an order of this seed."""
    from bn_theory.networks import Trainer, resnet, sgd

    model = resnet(depth, norm, width=WIDTH, seed=seed)
    run = Trainer(model, sgd(model, rate), data.train_images, data.train_classes, batch=BATCH, seed=seed)
    run.steps(STEPS)
    return run.losses


def largest(data, depth, norm, seed):
    """The search for one network; not a number where it trains at no rate, which leaves what rests on it open."""
    from bn_theory.networks.trainable_rate import TrainableRate, largest_trainable_rate

    answer = rule()

    def at(rate):
        return answer(losses(data, depth, norm, seed, rate))

    try:
        return largest_trainable_rate(at, LOW, HIGH, stretch=STRETCH, factor=FACTOR)
    except NothingTrainsError:
        return TrainableRate(math.nan, math.nan, ())


def largest_rates(depth, norm, found):
    """The largest rate, as log10: over seeds, widened by what the search leaves open."""
    low, _ = over_seeds([math.log10(one.rate) for one in found])
    _, high = over_seeds([math.log10(one.fails) for one in found])
    what = norm or "no normalisation"
    return judge.measurement(
        f"depth {depth}, {what}: log10 of the largest rate that trains",
        (low, high),
        brackets=[f"{one.rate:.3g} trains, {one.fails:.3g} fails" for one in found],
        tried=max(len(one.tried) for one in found),
        trains_means=f"all losses finite, mean of the last {LAST} of {STEPS} at most {FRACTION} of the start's",
        answer=f"at depth {depth} with {what} the largest rate is between {10**low:.2g} and {10**high:.2g}",
    )


def larger_with(depth, normalised, twins):
    """Log of the ratio of both largest rates, each seed's pair first, at its lowest by what the searches leave open."""
    logs = [math.log(one.rate / twin.fails) for one, twin in zip(normalised, twins, strict=True)]
    low, high = over_seeds(logs)
    return judge.comparison(
        _ratio(depth),
        (low, high),
        above=math.log(TIMES_LARGER),
        ratios_at_least=[math.exp(x) for x in logs],
        answer=f"at depth {depth} batch normalisation trains at rates at least {math.exp(low):.2g} times larger",
    )


def by_depth(found):
    """The exponent of depth in the largest rate, with and without normalisation and their difference, by seed."""
    depths = sorted({depth for depth, _ in found})
    count = min(len(ones) for ones in found.values())
    middle = {key: [math.log(math.sqrt(one.rate * one.fails)) for one in ones[:count]] for key, ones in found.items()}
    centred = np.log(depths) - np.mean(np.log(depths))
    slopes = {
        norm: centred @ np.array([middle[depth, norm] for depth in depths]) / (centred @ centred)
        for norm in ("batch", None)
    }
    # a rate is within half its bracket of the middle: the slope, linear in the logarithms, within this of its value
    loose = math.log(FACTOR) / 2 * float(np.abs(centred).sum() / (centred @ centred))
    for name, values, between in (
        ("batch", slopes["batch"], loose),
        ("no normalisation", slopes[None], loose),
        ("batch minus no normalisation", slopes["batch"] - slopes[None], 2 * loose),
    ):
        low, high = over_seeds(values)
        yield judge.measurement(
            f"{name}: exponent of the depth in the largest rate",
            (low - between, high + between),
            depths=depths,
            answer=f"{name}: between the depths {', '.join(map(str, depths))} the exponent of the depth is from "
            f"{low - between:.2g} to {high + between:.2g}",
        )


def trains(name, data, rates, depth, norm="batch", over=judge.largest):
    """Last losses over what "trains" allows.

    Args:
        rates: of each seed.
        over: which seed counts; ``min`` makes the claim one about some seed instead of all.
    """
    answer = rule()
    levels = [answer.level(losses(data, depth, norm, seed, rate)) for seed, rate in rates.items()]
    return judge.bound(name, over(levels) / FRACTION, rates=list(rates.values()), levels=levels)


def in_doubles(data):
    """The same training images in double precision."""
    return replace(data, train_images=data.train_images.double())


def network(data, norm, seed):
    """The VGG variant, a batch of its own, and the names of what a step moves."""
    from bn_theory.networks import vgg
    from bn_theory.networks.digits import mini_batches

    ((images, classes),) = mini_batches(data.train_images, data.train_classes, PROFILE_BATCH, 1, seed)
    model = vgg(norm, init="he", seed=seed)
    return model, images, classes, [name for names in groups(model) for name in names]


def groups(model):
    """Tuples of names: the scale-invariant groups, or every parameter by itself where nothing is normalised."""
    from bn_theory.networks.invariance import members
    from bn_theory.networks.structure import expected_groups

    invariant = [members(name) for name in expected_groups(model).invariant]
    return invariant or [(name,) for name, _ in model.named_parameters()]


def profile(data, norm, seed, multiples=MULTIPLES):
    """The loss along the step, whose length is given in units of the moved weights' own."""
    return along_step(*network(data, norm, seed), multiples)


def residual_profile(data, depth, norm, seed):
    """The same of a residual network whose kernels are moved, within LONGEST."""
    import torch

    from bn_theory.networks import resnet
    from bn_theory.networks.digits import mini_batches

    ((images, classes),) = mini_batches(data.train_images, data.train_classes, PROFILE_BATCH, 1, seed)
    model = resnet(depth, norm, width=WIDTH, seed=seed, dtype=torch.float64)
    kernels = [name for name, p in model.named_parameters() if p.ndim == 4]
    return along_step(model, images, classes, kernels, MODERATE)


def along_step(model, images, classes, names, multiples):
    """The loss along the gradient step in the named parameters, lengths in units of their norm."""
    from bn_theory.networks.step_profile import step_profile

    unit = step_profile(model, images, classes, [1.0], names=names)
    lr = math.sqrt(sum(unit.norms2.values()) / sum(unit.slopes2.values()))
    return step_profile(model, images, classes, multiples, lr=lr, names=names)


def bounded(name, profiles):
    """Largest loss along the step, over all lengths and seeds, against ``log C + gamma sqrt(2 C)``.

    The last normalisation stands still at ``gamma = 1, beta = 0``. The bound is far from attained, so that rounding
    needs no slack.
    """
    largest_loss = judge.largest(x for one in profiles for x in one.losses)
    return judge.bound(
        name,
        largest_loss / LIMIT,
        largest_relative_loss=judge.largest(x for one in profiles for x in one.relative),
        lengths=f"{MULTIPLES[0]:g} to {MULTIPLES[-1]:g} of the weights'",
    )


def tends_to(name, data, seed, norm):
    """The loss at a step of FAR times the weights against that at ``-grad``: equal but for rounding.

    Weights are lost next to FAR times a gradient, and the power of two is taken out by every normalisation without
    rounding; what is allowed is ``n u`` of the loss all the same, for the loss's own sums.
    """
    import torch

    from bn_theory.networks.rounding import longest_chain, unit

    model, images, _, _ = network(data, norm, seed)
    found = profile(data, norm, seed, (FAR,))
    allowed = longest_chain(model, lambda: model(images)) * unit(torch.float64) * found.far
    error = abs(float(found.losses[0]) - found.far)
    return judge.identity(name, error / allowed, 1.0, unit="n u of the loss", far=found.far, start=found.start)


def highest(profile):
    """By how many powers of ten the loss rises within a moderate step, at its highest; below 0 if it only falls."""
    return float(np.log10(np.max(profile.relative[: len(MODERATE)])))


def rise_of(depth, norm, profiles):
    """The same of a residual network, over seeds. Without normalisation a step may also kill the network: no rise."""
    rises = [highest(one) for one in profiles]
    low, high = over_seeds(rises)
    name = norm or "no normalisation"
    return judge.measurement(
        f"depth {depth}, {name}: log10 of the highest loss within {LONGEST:g} times the kernels, over the start's",
        (low, high),
        by_seed=rises,
        answer=f"depth {depth}, {name}: along the gradient step the loss rises by {min(rises):.2g} to {max(rises):.2g} "
        "powers of ten on single seeds",
    )


def rises(profiles):
    """Powers of ten that the loss rises by within a moderate step: without normalisation minus with it."""
    orders = {norm: [highest(one) for one in ones] for norm, ones in profiles.items()}
    low, high = over_seeds(np.subtract(orders[None], orders["batch"]))
    return judge.comparison(
        f"log10 of the rise of the loss within {LONGEST:g} times the weights, no normalisation minus batch",
        (low, high),
        above=ORDERS,
        no_normalisation=orders[None],
        batch=orders["batch"],
        answer=f"within steps up to {LONGEST:g} times the weights the loss rises {low:.2g} to {high:.2g} powers "
        "of ten further without normalisation",
    )


def degree(name, profiles):
    """The exponent of the loss in the length of the step, at its far end, against the number of layers.

    Corrections to the leading term are of relative size 1/length, some 1e-7 here; 1e-3 is far above them and far below
    the distance to any other whole number.
    """
    slopes = [float(one.slopes()[-1]) for one in profiles]
    interval = min(slopes), max(slopes)
    return judge.exponent(name, interval, LAYERS, 1e-3, 1e-3, layers=LAYERS)


def effective_rate(name, data, seed, projected=False):
    """``eta/|w'|^2`` over ``1/(2 |grad L(v)|)`` after one step, the largest of all groups and rates.

    ``|w'|^2 >= 2 eta |w| |grad L(w)| (1 - c)``, ``c`` what rounding leaves of ``<w, grad L(w)>/(|w| |grad L(w)|)``, so
    that the ratio is at most ``1/(1 - c)``: the slack is the largest tolerance of the search for invariant groups.
    """
    from torch.nn.functional import cross_entropy

    from bn_theory.networks import scale_invariant_groups

    model, images, classes, _ = network(data, "batch", seed)
    every = groups(model)
    found = scale_invariant_groups(
        model, lambda: cross_entropy(model(images), classes), joint=every, perturbation=0, seed=seed
    )
    ratios, steps = [], []
    for rate in RATES:
        before, slopes, after = one_step(data, seed, rate, projected)
        for group in every:
            start, slope, end = (sum(values[name] for name in group) for values in (before, slopes, after))
            at_unit = math.sqrt(start * slope)  # |grad L(v)| = |w| |grad L(w)|
            ratios.append(2 * at_unit * rate / end)
            steps.append(rate * math.sqrt(slope / start))
    return judge.bound(
        name,
        judge.largest(ratios),
        slack=max(found.findings[group].tolerance for group in every),
        groups=len(every),
        rates=f"{RATES[0]:g} to {RATES[-1]:g}",
        longest_step_over_weights=max(steps),
    )


def one_step(data, seed, rate, projected):
    """A step of SGD from a fresh start: ``|w|^2`` before, ``|grad|^2`` and ``|w|^2`` after it, by parameter."""
    from bn_theory.networks import Trainer, sgd

    model, images, classes, names = network(data, "batch", seed)
    others = [name for name, _ in model.named_parameters() if name not in names]
    optimizer = sgd(model, rate, others=others, others_lr=0.0)
    run = Trainer(model, optimizer, images, classes, batch=len(images), projected=names if projected else ())
    before = norms2(model)
    run.steps(1)
    slopes = {name: float(p.grad.square().sum()) for name, p in model.named_parameters()}
    return before, slopes, norms2(model)


def norms2(model):
    """``|w|^2`` of every parameter by its name."""
    return {name: float(p.detach().square().sum()) for name, p in model.named_parameters()}


STATEMENT = Statement(
    "bjorck2018.largest_rate",
    "With batch normalisation much larger rates train, and the loss along a step is bounded",
    derived("the largest learning rate that trains, and the loss along the gradient step"),
    evidence,
    extra="networks",
)
