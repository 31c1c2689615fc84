"""Gradients and activations at the start of training, with and without batch normalisation, on real networks.

Residual networks on scikit-learn's digits at the usual start, the twin without normalisation from the same weights, one
mini-batch, many seeds. The literature's direction is that without batch normalisation gradients have heavier tails, one
class is favoured in activations and in gradients, the terms of a gradient's sum cancel less, gradients from channel to
channel are of low rank and activations grow faster with depth: these orderings are comparisons here. That tails are
heavy, or that next to nothing cancels, is not claimed of networks of this size: it is measured, with the answer found.
All numbers, thresholds and definitions are this package's own. What is exact is tested as such: sums of the gradient
behind a normalisation are 0 but for rounding, a block adds between half and all of its branch's mean square, and a
convolution's output has, on average over starts, the mean square that its input and the borders give.

Gradients are those of the middle layer's kernel: all kernels of a network together mix the layers' scales, which makes
tails heavy with batch normalisation too (the kurtosis of the mixture is measured).

Torch is imported when the evidence is asked for, so that the statement can be listed and proved without it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import binom, binomtest

from bn_theory.theorems import evidence as judge
from bn_theory.theorems.bjorck2018 import paper
from bn_theory.theorems.bjorck2018.starts import BATCH, SIZES, TAIL, WIDTH, Start, growth_of, recorded, start_of
from bn_theory.theorems.evidence import Curves
from bn_theory.theorems.intervals import over_seeds, seeds_of
from bn_theory.theorems.statement import Statement

DEPTHS_QUICK, DEPTHS_FULL = (20, 38), (8, 20, 38, 56)
SEEDS_QUICK, SEEDS_FULL = 8, 16
SAMPLES, CONTROL_SEEDS = 12, 4
"""Samples in each test of the heavy-tail test, and networks in a control of bounds, in both profiles."""
RANKS = (1, 2)
"""Of the matrices with Gaussian factors to which the heavy-tail test is put."""
LEAST_BRANCH, MOST_BRANCH = 2 * (4 / 9) ** 2, 2.0
"""Mean square of a branch without normalisation over that of its input, as derived: all corners, and no border."""
LEAST_FACTOR, MOST_FACTOR = 1 + LEAST_BRANCH / 2, 1 + MOST_BRANCH
"""Mean growth of the mean square by one block without normalisation, as derived."""
OTHER_SEEDS = 500
"""What is added to a seed for other starts; more than there are seeds."""
CENTRED_DEPTHS = (8, 20)
"""Depths at which sums that must be 0 are tested, in float64 with ``eps = 0``."""
LONG = 32
"""The depth from which on faster growth without normalisation is claimed.

A block adds between 1/2 and 1 to a mean square of about 1/2 with batch normalisation, which is more than the same block
does without it: only behind some blocks is linear growth the slower one.
"""


def evidence(settings):
    """The heavy-tail test on known tails; exact identities; orderings and answers by depth; controls."""
    import bn_theory.networks  # noqa: F401  (first of all, as it says what to install where torch is missing)

    yield from heavy_tail_test(settings)
    for depth in CENTRED_DEPTHS:
        yield from centred(settings, depth)
    yield from centred_controls(settings)
    for depth in DEPTHS_FULL if settings.full else DEPTHS_QUICK:
        off, on = (starts(settings, depth, norm) for norm in (None, "batch"))
        yield from orderings(f"depth {depth}", depth, off, on)
        yield from tails(depth, off, on)
        yield from class_bias(depth, off, on)
        yield from cancellation(depth, off, on)
        yield from ranks(depth, off, on)
        yield from growth(depth, off, on)
    yield _curves(depth, off, on)
    yield from ordering_controls(settings, depth, off, on)
    yield from growth_controls(settings)


@dataclass(frozen=True)
class Ordering:
    """Something that is larger, or smaller, without batch normalisation than with it.

    Attributes:
        what: in words. value: of a ``Start``. answer: with the values ``{off}`` and ``{on}``.
        larger: whether it is the larger one without batch normalisation.
        log: whether the logarithms are compared, for what is positive and spreads over factors.
        since: the depth from which on it is claimed, and not only measured.
        steady: whether starts of one kind differ so little in it that ``SEEDS_QUICK`` pairs of them show half of what
            is claimed not to be there.
    """

    what: str
    value: Callable[[Start], float]
    answer: str
    larger: bool = True
    log: bool = False
    since: int = 0
    steady: bool = True


ORDERINGS = (
    Ordering(
        f"tail index at the top {TAIL:.0%}",
        lambda s: s.fixed_index,
        "the tail index of a kernel's gradient is {off:.2f} without batch normalisation and {on:.2f} with it",
        larger=False,
        log=True,
    ),
    Ordering(
        "kurtosis",
        lambda s: s.kurtosis,
        "the kurtosis of a kernel's gradient is {off:.1f} without batch normalisation and {on:.1f} with it",
        log=True,
    ),
    Ordering(
        "class bias of activations",
        lambda s: s.spread,
        "the mean logits' variance over classes is {off:.1f} times that over images without batch normalisation and "
        "{on:.1f} times with it",
        log=True,
        steady=False,
    ),
    Ordering(
        "class bias of gradients",
        lambda s: s.one_sided,
        "summed over images, {off:.0%} of a logit's gradient are left without batch normalisation and {on:.0%} with it",
        steady=False,
    ),
    Ordering(
        "ratio of sums",
        lambda s: s.ratio,
        "of the terms of a kernel's gradient {off:.0%} are left in their sum without batch normalisation and {on:.0%} "
        "with it",
        log=True,
    ),
    Ordering(
        "share of the first singular value",
        lambda s: s.first,
        "the first singular value has {off:.0%} of the gradient's squared norm without batch normalisation and "
        "{on:.0%} with it",
    ),
    Ordering(
        "log second moment per block",
        lambda s: s.growth.slope,
        "the log of the mean square grows by {off:.2f} a block without batch normalisation and by {on:.2f} with it",
        since=LONG,
    ),
)


def starts(settings, depth, norm):
    """One ``Start`` for every seed."""
    return [start_of(recorded(seed, depth, norm), depth) for seed in _seeds(settings)]


def orderings(where, depth, off, on, least=None):
    """Each ordering, in pairs of networks.

    Args:
        least: for a control, by how much more each is to be larger, by ``what``, and no others; all by 0 by default.
    """
    for o in ORDERINGS:
        if least is not None and o.what not in least:
            continue
        pairs = np.array([[o.value(a), o.value(b)] for a, b in zip(off, on, strict=True)])
        values = np.log(pairs) if o.log else pairs
        means = np.exp(values.mean(0)) if o.log else values.mean(0)
        difference = over_seeds((values[:, 0] - values[:, 1]) * (1 if o.larger else -1))
        order = "without over with" if o.larger else "with over without"
        name = f"{where}: {o.what}, {order} (log)" if o.log else f"{where}: {o.what}, without minus with"
        answer = o.answer.format(off=means[0], on=means[1])
        if least is not None:
            yield judge.comparison(name, difference, least[o.what])
        elif depth >= o.since:
            yield judge.comparison(name, difference, answer=answer)
        else:
            yield judge.measurement(name, difference, answer=answer)


def ordering_controls(settings, depth, off, on):
    """Controls: not even half of a measured difference is there where batch normalisation is on both sides or on none.

    With it in pairs of other starts, for what is steady enough; and without it against batch normalisation in eval
    mode, whose running averages are 0 and 1 at the start, so that it does nothing but for ``eps``.
    """
    half = {
        o.what: claim.measured / 2
        for o, claim in zip(ORDERINGS, orderings("measured", depth, off, on), strict=True)
        if depth >= o.since
    }
    others = [start_of(recorded(s + OTHER_SEEDS, depth, "batch"), depth, fitted=False) for s in _seeds(settings)]
    seeds = _seeds(settings)[:CONTROL_SEEDS]
    idle = [start_of(recorded(s, depth, "batch", training=False), depth, fitted=False) for s in seeds]
    steady = {o.what: half[o.what] for o in ORDERINGS if o.steady and o.what in half}
    for claim in orderings("with it on both sides, other starts", depth, others, on, steady):
        yield judge.control(claim)
    for claim in orderings("with it in eval mode", depth, off[:CONTROL_SEEDS], idle, half):
        yield judge.control(claim)


def _curves(depth, off, on):
    """How the entries of the middle kernel's gradient are distributed, at the largest depth."""
    return Curves(
        "gradient_histograms",
        f"Entries of the gradient of the middle kernel of a residual network of depth {depth} before its first step, "
        f"{len(off)} seeds, next to a Gaussian.",
        {
            "sizes": SIZES,
            "shares": {f"{which} batch normalisation": [s.larger for s in found] for which, found in _both(off, on)},
            "supports": [f"depth {depth}: {what}" for what in TAIL_PIECES],
        },
    )


TAIL_PIECES = (
    "kurtosis, without over with (log)",
    f"tail index at the top {TAIL:.0%}, with over without (log)",
    "heavy tails without batch normalisation",
    "heavy tails with batch normalisation",
)
"""The pieces of evidence at one depth that are about this distribution."""


def tails(depth, off, on):
    """Whether tails are heavy is measured, of the middle kernel's gradient and of all kernels together."""
    pooled = np.log([[a.pooled_kurtosis, b.pooled_kurtosis] for a, b in zip(off, on, strict=True)])
    sizes = np.exp(pooled.mean(0))
    yield judge.measurement(
        f"depth {depth}: kurtosis of all kernels together, without over with (log)",
        over_seeds(pooled[:, 0] - pooled[:, 1]),
        answer=f"the gradients of all kernels together have kurtosis {sizes[0]:.0f} without batch normalisation and "
        f"{sizes[1]:.0f} with it",
    )
    for which, found in _both(off, on):
        fits = [s.tail for s in found]
        index = np.mean([tail.index for tail in fits])
        yield judge.measurement(
            f"depth {depth}: tail index {which} batch normalisation",
            over_seeds([tail.index for tail in fits]),
            answer=f"the power law closest to the tail has index {index:.2f} {which} batch normalisation",
            mean_error_for_independent_entries=float(np.mean([tail.error for tail in fits])),
            mean_fraction=float(np.mean([tail.fraction for tail in fits])),
        )
        yield _heavy_share(f"depth {depth}: heavy tails {which} batch normalisation", fits, which)


def class_bias(depth, off, on):
    """One class favoured in the activations and, apart from it, in the gradients."""
    for which, found in _both(off, on):
        share, pushed = ([getattr(s, name) for s in found] for name in ("favoured", "pushed"))
        yield judge.measurement(
            f"depth {depth}: images taken for one class {which} batch normalisation",
            over_seeds(share),
            answer=f"{np.mean(share):.0%} of the images are taken for one class {which} batch normalisation",
        )
        yield judge.measurement(
            f"depth {depth}: share of one class in what pushes logits down, {which} batch normalisation",
            over_seeds(pushed),
            answer=f"one class has {np.mean(pushed):.0%} of the gradient that pushes logits down {which} batch "
            "normalisation",
        )


def cancellation(depth, off, on):
    """``|sum d a| / sum |d a|`` of the middle kernel, and the part of its gradient that does not know the image."""
    for which, found in _both(off, on):
        ratios = [s.ratio for s in found]
        yield judge.measurement(
            f"depth {depth}: ratio of sums {which} batch normalisation",
            over_seeds(ratios),
            answer=f"sum over sum of sizes is {np.mean(ratios):.3f} {which} batch normalisation",
        )
    # both sums of n <= BATCH * 8^2 terms err by at most n u of the sum of sizes, u of float32, each in its own order
    terms = BATCH * 64
    yield judge.bound(
        f"depth {depth}: ratio of sums, largest of all channels, taps and seeds",
        judge.largest(s.largest_ratio for s in (*off, *on)),
        2 * (terms + 2) * 2.0**-24,
    )
    left, most = np.mean([s.constant for s in off]), judge.largest(s.constant for s in on)
    yield judge.measurement(
        f"depth {depth}: gradient that knows the input's mean only, without batch normalisation",
        over_seeds([s.constant for s in off]),
        answer=f"with every input replaced by its mean {left:.0%} of the gradient's norm is left without batch "
        f"normalisation and {most:.1g} at most with it",
    )


def ranks(depth, off, on):
    """Of what rank gradients from channel to channel are."""
    for which, found in _both(off, on):
        rank = [s.rank for s in found]
        yield judge.measurement(
            f"depth {depth}: effective rank {which} batch normalisation",
            over_seeds(rank),
            answer=f"the gradient's effective rank is {np.mean(rank):.1f} of {2 * WIDTH} {which} batch normalisation",
        )


def growth(depth, off, on):
    """Second moments with depth: how fast they grow, and what is derived for every block that keeps the shape.

    At the smallest depth there is one such block, whose growth over seeds is too wide to decide anything.
    """
    deep = depth > min(DEPTHS_FULL)
    for which, found in _both(off, on):
        blocks = [s.growth for s in found]
        factor, last = math.exp(np.mean([g.slope for g in blocks])), np.mean([s.last for s in found])
        yield judge.measurement(
            f"depth {depth}: log second moment per block {which} batch normalisation",
            over_seeds([g.slope for g in blocks]),
            answer=f"mean squares grow by {factor:.2f} a block {which} batch normalisation, to 10^{last:.1f} before "
            "the last layer",
            log_mean_per_block=over_seeds([g.mean_slope for g in blocks]),
        )
        if deep:
            yield kept_inside(f"depth {depth}: half to all of the branch is added, {which} batch normalisation", blocks)
            yield layers_as_expected(
                f"depth {depth}: output of a convolution over its mean, {which} batch normalisation", blocks
            )
    if deep:
        blocks = [s.growth for s in off]
        yield branch_as_expected(f"depth {depth}: branch over its mean without batch normalisation", blocks)
        yield branch_inside(f"depth {depth}: branch 32/81 to 2 of the input without batch normalisation", blocks)
        yield factor_inside(f"depth {depth}: growth by 97/81 to 3 a block without batch normalisation", blocks)


def kept_inside(name, found):
    """The mean square grows by 1/2 to 1 of the branch's: exact in the mean over the signs of the filters."""
    return _inside(name, [s.kept for s in found], 0.5, 1.0)


def branch_inside(name, found):
    """``E[branch/input]``, a mean of ratios, is between 2 (4/9)^2 and 2.

    Derived for the branch's mean whatever the block's input is, and so for the mean of the ratio, block by block.
    """
    blocks = {k: float(np.mean([s.by_block[k] for s in found])) for k in found[0].by_block}
    values = [s.branch for s in found]
    return _inside(name, values, LEAST_BRANCH, MOST_BRANCH, branch_over_input_by_block=blocks)


def factor_inside(name, found):
    """``E[output/input]`` of a block's mean squares, a mean of ratios, is between 1 + (4/9)^2 and 3, likewise."""
    return _inside(name, [s.factor for s in found], LEAST_FACTOR, MOST_FACTOR)


def layers_as_expected(name, found):
    """A convolution's output has the mean square that its actual input, the borders and ``2/fan_in`` give."""
    return _as_expected(name, [s.layers for s in found], found[0].layers_error)


def branch_as_expected(name, found):
    """A branch has the mean square that its block's actual input, both borders and the ReLU in between give."""
    return _as_expected(name, [s.expected for s in found], found[0].expected_error)


def _as_expected(name, ratios, error):
    # the interval reaches t_0.975 <= 2.4 standard errors (8 seeds) beyond its centre, which lies within 3 of 1; the
    # standard deviation of each ratio is at most ``error``
    return judge.amplitude(name, over_seeds(ratios), 5.4 * error / math.sqrt(len(ratios)))


def _inside(name, values, low, high, **details):
    """The mean lies between: the distance from the nearer end, over the interval of seeds that must lie inside."""
    middle, half = (low + high) / 2, (high - low) / 2
    first, last = over_seeds(values)

    def distance(value):
        return half - abs(value - middle)

    distances = [distance(value) for value in (first, last, min(max(middle, first), last))]
    return judge.comparison(
        name,
        (min(distances), max(distances)),
        measured=distance(float(np.mean(values))),
        mean=float(np.mean(values)),
        interval_of_the_mean=(first, last),
        derived=(low, high),
        **details,
    )


def centred(settings, depth):
    """Behind batch normalisation with ``eps = 0`` both sums of the gradient are 0, and outputs have mean square 1."""
    kinds = ("sum of the gradient", "sum of the gradient times the normalised input")
    found = _exact(settings, depth, "batch")
    for kind, error in zip(kinds, centred_errors(found), strict=True):
        yield judge.identity(
            f"depth {depth}: {kind} is 0", error, 1.0, unit="the rounding bound", layers=len(found.norms)
        )
    yield judge.identity(f"depth {depth}: mean square 1 behind batch normalisation", unit_variance_error(found), 1.0)


def centred_controls(settings):
    """No normalisation, statistics shared by channels or kept from before, and a positive eps."""
    depth = min(CENTRED_DEPTHS)
    for what, norm, options in (
        ("no normalisation", None, {}),
        ("group normalisation", "group", {}),
        ("batch normalisation in eval mode", "batch", {"training": False}),
    ):
        error, _ = centred_errors(_exact(settings, depth, norm, **options))
        yield judge.control(judge.identity(f"{what}: sum of the gradient is 0", error, 1.0))
    _, error = centred_errors(_exact(settings, depth, "batch", eps=1e-3))
    yield judge.control(judge.identity("eps = 1e-3: sum of the gradient times the normalised input is 0", error, 1.0))


def centred_errors(recording):
    """The largest ``|sum dL/dx|`` and ``|sum dL/dx xhat|`` over channels and layers, in units of their rounding."""
    from bn_theory.networks.gradient_statistics import centred_gradients
    from bn_theory.networks.threads import one_thread

    with one_thread():
        found = [centred_gradients(norm) for norm in recording.norms.values()]
    return (
        judge.largest(_in_roundings(f.plain, f.plain_rounding) for f in found),
        judge.largest(_in_roundings(f.against, f.against_rounding) for f in found),
    )


def _in_roundings(sums, rounding):
    """The largest ``|sum|/rounding`` of a layer; a channel that no gradient reaches has 0 of 0, which says nothing."""
    reached = (rounding > 0) | (sums != 0)
    return float((sums.abs() / rounding)[reached].max()) if reached.any() else 0.0


def unit_variance_error(recording):
    """The largest ``|mean(y^2) - 1|`` over channels and layers, in units of its rounding."""
    from bn_theory.networks.gradient_statistics import unit_variance_rounding
    from bn_theory.networks.threads import one_thread

    errors = []
    with one_thread():
        for norm in recording.norms.values():
            square = norm.outputs.transpose(0, 1).flatten(1).square().mean(1)
            errors.append(((square - 1).abs() / unit_variance_rounding(norm)).max())
    return judge.largest(errors)


def growth_controls(settings):
    """Filters of another law: positive ones, ones of 1.5 times the variance, larger and smaller ones."""

    def found(change, count):
        seeds = _seeds(settings)[:count]
        return [growth_of(recorded(seed, min(DEPTHS_QUICK), None, change=change)) for seed in seeds]

    positive, twice, half = (found(change, CONTROL_SEEDS) for change in (_positive, _scaled(2), _scaled(1 / 2)))
    yield judge.control(kept_inside("positive filters: half to all of the branch is added", positive))
    for what, filters in (("twice", twice), ("half", half)):
        yield judge.control(branch_inside(f"filters {what} as large: branch 32/81 to 2 of the input", filters))
        yield judge.control(factor_inside(f"filters {what} as large: growth by 97/81 to 3 a block", filters))
    wrong = found(_scaled(math.sqrt(1.5)), len(_seeds(settings)))
    yield judge.control(layers_as_expected("variance 3/fan_in: output of a convolution over its mean", wrong))
    yield judge.control(branch_as_expected("variance 3/fan_in: branch over its mean", wrong))


def heavy_tail_test(settings):
    """The test of heavy tails on samples whose tail is known, each as large as the gradient of the middle kernel."""
    from bn_theory.networks.tails import SIGNIFICANT, tail_index

    size = 9 * (2 * WIDTH) ** 2
    draws = {
        "Pareto with index 2": lambda rng: 1 + rng.pareto(2.0, size),
        "Student with index 2": lambda rng: rng.standard_t(2, size),
        "Gaussian": lambda rng: rng.normal(size=size),
        "Laplace": lambda rng: rng.laplace(size=size),
    }
    seeds = seeds_of(settings, SAMPLES)
    samples = {name: [draw(np.random.default_rng(seed)) for seed in seeds] for name, draw in draws.items()}
    for name in ("Pareto with index 2", "Student with index 2"):
        yield mostly_heavy(f"{name}: heavy tails found", samples[name])
    indices = [tail_index(sample, TAIL) for sample in samples["Pareto with index 2"]]
    # an index errs by one over the square root of its entries; the interval reaches t_0.975 <= 2.3 standard errors of
    # the mean (12 samples) beyond its centre, which lies within 3 of the truth
    tolerance = 5.3 / math.sqrt(SAMPLES * int(TAIL * size))
    yield judge.amplitude("Pareto with index 2: index found", over_seeds([index / 2 for index in indices]), tolerance)
    yield judge.control(some_heavy("Gaussian: at least one heavy tail found", samples["Gaussian"]))
    # Laplace's tail is the exponential itself, which the test rejects by its own level in one sample of a hundred
    chance = int(binom.ppf(0.999, SAMPLES, SIGNIFICANT))
    name = "Laplace: more heavy tails found than by the test's level"
    yield judge.control(some_heavy(name, samples["Laplace"], chance))
    for rank in RANKS:
        yield low_rank(rank, seeds)


def some_heavy(name, samples, by_chance=0):
    """More of the samples than so many have a heavy tail: a count, of which there is no interval."""
    heavy = _count_heavy(samples)
    return judge.comparison(name, (heavy, heavy), by_chance, measured=heavy, heavy=heavy, of=len(samples))


def low_rank(rank, seeds):
    """How often entries of a matrix with Gaussian factors are called heavy, and how far their index spreads.

    Each entry is a sum of products of two Gaussians, whose tail is exponential; but entries of one row or column share
    a factor, and the test takes them for independent.
    """
    from bn_theory.networks.tails import fit_tail

    inside, outside = 9 * 2 * WIDTH, 2 * WIDTH
    fits = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        fits.append(fit_tail(rng.normal(size=(outside, rank)) @ rng.normal(size=(rank, inside))))
    heavy = sum(tail.heavy for tail in fits)
    spread, error = float(np.std([tail.index for tail in fits], ddof=1)), float(np.mean([t.error for t in fits]))
    return judge.measurement(
        f"rank {rank}, Gaussian factors: heavy tails found",
        _proportion(heavy, len(fits)),
        measured=heavy / len(fits),
        answer=f"{heavy} of {len(fits)} matrices of rank {rank} with Gaussian factors are called heavy; their index "
        f"has standard deviation {spread:.2f}, while {error:.2f} is what independent entries would have",
        standard_deviation_of_index=spread,
        mean_error_for_independent_entries=error,
    )


def mostly_heavy(name, samples):
    """More than half of the tails are heavy, by the exact 95 % interval of a proportion (Clopper, Pearson)."""
    heavy = _count_heavy(samples)
    share = heavy / len(samples)
    return judge.comparison(name, _proportion(heavy, len(samples)), 0.5, measured=share, heavy=heavy, of=len(samples))


def _count_heavy(samples):
    from bn_theory.networks.tails import fit_tail

    return sum(fit_tail(sample).heavy for sample in samples)


def _heavy_share(name, found, which):
    from bn_theory.networks.tails import ALTERNATIVES

    heavy = sum(tail.heavy for tail in found)
    heavier = sum(tail.heavier_than_exponential for tail in found)
    rejected = {a: sum(a in tail.power_law_rejected for tail in found) for a in ALTERNATIVES}
    return judge.measurement(
        name,
        _proportion(heavy, len(found)),
        measured=heavy / len(found),
        answer=f"{heavy} of {len(found)} gradients have a heavy tail {which} batch normalisation, and in {heavier} the "
        "exponential is rejected for a heavier one, by tests that take a gradient's entries for independent",
        power_law_rejected_for=rejected,
        mean_log_likelihood_ratio={a: float(np.mean([t.ratios[a] for t in found])) for a in ALTERNATIVES},
    )


def _proportion(successes, trials):
    found = binomtest(successes, trials).proportion_ci(0.95, "exact")
    return float(found.low), float(found.high)


def _both(off, on):
    return ("without", off), ("with", on)


def _seeds(settings):
    return seeds_of(settings, SEEDS_FULL if settings.full else SEEDS_QUICK)


def _exact(settings, depth, norm, *, eps=0.0, training=True):
    return recorded(seeds_of(settings, 1)[0], depth, norm, eps=eps, double=True, training=training)


def _positive(model):
    """Every block's second convolution gets positive filters: the branch is no longer as likely as its negative."""
    for block in model.blocks:
        block.conv2.weight.abs_()


def _scaled(factor):
    """All filters times a number."""

    def change(model):
        for name, weight in model.named_parameters():
            if "conv" in name:
                weight.mul_(factor)

    return change


STATEMENT = Statement(
    "bjorck2018.gradients_at_init",
    "At the start batch normalisation centres gradients and makes activations grow linearly, not exponentially",
    paper("gradients and activations at initialisation, with and without batch normalisation"),
    evidence,
    extra="networks",
)
