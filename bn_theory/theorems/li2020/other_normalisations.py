"""The equivalence of weight decay and an exponential rate under batch, group, layer and instance normalisation.

Small convolutional networks on scikit-learn's digits, in float64 with ``eps = 0``, are trained on the same
mini-batches with weight decay and without it: losses must agree at every step. What is scale-invariant in them is found
by evaluating the loss. In float32 with the usual ``eps`` nothing is claimed; how far the losses part is measured.

Torch is imported when the evidence is asked for, so that the statement can be listed and proved without it.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import numpy as np

import bn_theory as bn
from bn_theory.theorems import evidence as judge
from bn_theory.theorems.intervals import over_seeds, seeds_of
from bn_theory.theorems.li2020 import derived
from bn_theory.theorems.li2020.pairs import with_rate_exponent_2t
from bn_theory.theorems.statement import Statement

FINEST = {"batch": 1, "group": 4, "layer": 8, "instance": 1}
"""Filters that share their statistics, of 8: the finest blocks of a kernel that are scale-invariant."""
LR, WEIGHT_DECAY, MOMENTUM = 0.1, 0.025, 0.9
BATCH = 32
STEPS_QUICK, STEPS_FULL = 60, 200
SEEDS_QUICK, SEEDS_FULL = 4, 5
USUAL_EPS = 1e-5
VACUOUS = 1e-6
"""Losses are of size 1: a bound on their difference that is wider than this decides nothing."""


def evidence(settings):
    """Groups and losses for the four normalisations; what float32 and the usual eps cost; controls."""
    import bn_theory.networks  # noqa: F401  (first of all, as it says what to install where torch is missing)

    for norm in FINEST:
        for affine in ("fixed", "trained"):
            yield groups_found(f"{norm}, affine {affine}: scale-invariant groups", settings, norm, affine=affine)
            for name, lr in _schedules(settings, affine).items():
                yield losses_agree(f"{norm}, affine {affine}, {name}: losses agree", settings, norm, lr, affine=affine)
        yield usual_precision(f"{norm}, float32, eps {USUAL_EPS:g}: log10 of the largest deviation", settings, norm)
    cosine = bn.Cosine(LR, _steps(settings))
    for what, norm, changed in (
        ("last layer trained and decayed", "batch", {"trained_last": True}),
        ("eps = 1e-3", "layer", {"eps": 1e-3}),
        ("no normalisation", None, {}),
    ):
        yield judge.control(groups_found(f"{what}: scale-invariant groups", settings, norm, **changed))
        yield judge.control(losses_agree(f"{what}: losses agree", settings, norm, cosine, **changed))
    wrong = losses_agree("rate eta/p_t^2: losses agree", settings, "batch", cosine, alter=with_rate_exponent_2t)
    yield judge.control(wrong)


def losses_agree(name, settings, norm, lr, *, alter=None, **net):
    """The losses of both runs at every step, in units of the bound that rounding and the run's amplification set.

    Args:
        lr: schedule of the run with decay.
        alter: for a control, what to make of the equivalent schedule.
        net: passed to ``small_net``.
    """
    from bn_theory.networks import small_net, train_pair

    schedule = bn.equivalent_schedule(lr, WEIGHT_DECAY, MOMENTUM, steps=_steps(settings))
    run = train_pair(
        partial(small_net, norm, seed=settings.seed, **net),
        _batches(settings.seed, _steps(settings)),
        lr,
        WEIGHT_DECAY,
        MOMENTUM,
        schedule=alter(schedule) if alter else schedule,
        seed=settings.seed,
    )
    widest = float(np.max(run.bound))
    found = judge.identity(
        name,
        run.error,
        1.0,
        unit="the bound of rounding, whose amplification is sampled",
        largest_deviation=float(np.max(run.deviation)),
        largest_bound=widest,
        log_growth_of_weights=run.log_growth,
        first_loss=float(run.decayed[0]),
        last_loss=float(run.decayed[-1]),
    )
    return found if widest <= VACUOUS else replace(found, verdict=judge.INCONCLUSIVE)


def groups_found(name, settings, norm, **net):
    """Every trained parameter is in a scale-invariant group, in blocks of filters exactly as fine as expected.

    The error is the largest violation of a whole group in units of its tolerance, and infinite where the groups are
    others than the expected ones.
    """
    from torch.nn.functional import cross_entropy

    from bn_theory.networks import scale_invariant_groups, small_net
    from bn_theory.networks.invariance import shown
    from bn_theory.networks.threads import one_thread

    model = small_net(norm, seed=settings.seed, **net)
    images, classes = _batches(settings.seed, 1)[0]
    with one_thread():
        found = scale_invariant_groups(model, lambda: cross_entropy(model(images), classes), seed=settings.seed)
    kernels = {f"conv{i}.weight" for i in (1, 2, 3)}
    joint = {(f"norm{i}.weight", f"norm{i}.bias") for i in (1, 2)} if net.get("affine") == "trained" else set()
    blocks = {kernel: found.blocks[kernel].size for kernel in sorted(kernels)}
    as_expected = (
        not found.variant
        and set(found.invariant) == kernels | joint
        and set(blocks.values()) == {FINEST.get(norm)}
        # of a block of several filters none may be invariant alone
        and all(len(found.blocks[k].variant) == (0 if FINEST[norm] == 1 else found.blocks[k].rows) for k in kernels)
    )
    ratios = [found.findings[n].violation / found.findings[n].tolerance for n in found.invariant]
    return judge.identity(
        name,
        judge.largest(ratios) if as_expected else math.inf,
        1.0,
        unit="the rounding tolerance",
        invariant=[shown(n) for n in found.invariant],
        variant=[f"{shown(n)}: {found.findings[n].violation:.2g}" for n in found.variant],
        filters_per_block=blocks,
    )


def usual_precision(name, settings, norm):
    """How far the losses part in float32 with the usual eps: measured over seeds, nothing predicted.

    The interval is Student's for the mean of ``log10 max_t |difference|`` over independent starts and batches. It is
    wide: runs stay within some 1e-6 until one ReLU is on in one of them and off in the other, which sets them apart ten
    to a hundred times further at the next step; some seeds meet that early, some never. What eps alone (float64) and
    rounding alone (eps = 0) do is measured in the full profile, for the first seed.
    """
    import torch

    seeds = seeds_of(settings, SEEDS_FULL if settings.full else SEEDS_QUICK)
    logs = [math.log10(_deviation(settings, norm, seed, USUAL_EPS, torch.float32)) for seed in seeds]
    apart = {}
    if settings.full:
        apart["of_eps_alone_in_float64"] = _deviation(settings, norm, settings.seed, USUAL_EPS, torch.float64)
        apart["of_rounding_alone_in_float32"] = _deviation(settings, norm, settings.seed, 0.0, torch.float32)
    return judge.measurement(
        name,
        over_seeds(logs),
        geometric_mean=10 ** float(np.mean(logs)),
        smallest=10 ** min(logs),
        largest=10 ** max(logs),
        seeds=len(logs),
        **apart,
    )


def _deviation(settings, norm, seed, eps, dtype):
    from bn_theory.networks import small_net, train_pair

    steps = _steps(settings)
    run = train_pair(
        partial(small_net, norm, eps=eps, seed=seed, dtype=dtype),
        _batches(seed, steps, dtype),
        bn.Cosine(LR, steps),
        WEIGHT_DECAY,
        MOMENTUM,
        bounded=False,
    )
    return float(np.max(run.deviation))


def _steps(settings):
    return STEPS_FULL if settings.full else STEPS_QUICK


def _schedules(settings, affine):
    """Decaying schedules: both in the full profile, one each for fixed and trained affine parameters in the quick."""
    steps = _steps(settings)
    both = {
        "cosine": bn.Cosine(LR, steps),
        "step decay": bn.StepDecay(LR, {steps // 2: 0.1, steps * 3 // 4: 0.1}),
    }
    chosen = both if settings.full else {"fixed": ("cosine",), "trained": ("step decay",)}[affine]
    return {name: both[name] for name in chosen}


def _batches(seed, steps, dtype=None):
    from bn_theory.networks.digits import digits, mini_batches

    return mini_batches(*(digits() if dtype is None else digits(dtype)), BATCH, steps, seed)


STATEMENT = Statement(
    "li2020.other_normalisations",
    "Weight decay is a rate schedule under batch, group, layer and instance normalisation alike",
    derived("exponential learning rates (section 2), for other normalisations"),
    evidence,
    extra="networks",
)
