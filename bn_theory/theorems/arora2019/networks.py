"""Auto rate-tuning on networks: which parameters are scale-invariant, and what follows at every step and over rates.

A reduced VGG variant in which a normalisation with ``eps = 0`` follows every kernel, on scikit-learn's digits. What is
exact is judged against rounding: which groups are scale-invariant; orthogonality and norm growth at every step of a run
for every group and every filter (also where ReLUs switch on the way: both speak of the gradient at the weights before
the step only); ``<w, grad L> = -2 eps dL/deps`` for ``eps > 0``. What is asymptotic or empirical has an interval: the
violation ``~ |w|^-2``; loss against learning rate with and without auto-tuning, in reduced form; the fall of the
gradient norm at ``V``. A network with ReLU and maxima is not twice differentiable, as the theorem on GD assumes; its
a-posteriori inequality needs the growth of the norms alone, and is checked.

In the sweep every scale-invariant group has the rate that is varied, kernels and the joint ``(gamma, beta)`` alike, and
the last ``(gamma, beta)``, which is scale-variant, a fixed one.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from bn_theory.errors import NoPowerLawError
from bn_theory.rates import fit_exponent
from bn_theory.theorems import evidence as judge
from bn_theory.theorems.arora2019 import derived
from bn_theory.theorems.arora2019 import network_runs as runs
from bn_theory.theorems.evidence import Curves
from bn_theory.theorems.intervals import over_seeds
from bn_theory.theorems.statement import Statement

RATES = (1e-2, 1.0, 1e2)
RATES_FULL = (1e-2, 1e-1, 1.0, 1e1, 1e2)
LOGGED_RATES = (0.5, 20.0)
RESOLVED = 1e-3
"""A bound on the growth's error that is wider than this part of the growth itself decides nothing."""
SHARE = 0.5
"""Rates that learn at least this share of what the best learns count as working."""


def evidence(settings):
    """Groups; eps; every step of a run; the sweep; the descent; each with its controls."""
    import bn_theory.networks  # noqa: F401  (first of all, as it says what to install where torch is missing)

    yield from _groups(settings)
    yield from _epsilon(settings)
    yield from _steps(settings)
    yield from _sweep(settings)
    yield from _descent(settings)


# --- which parameters are scale-invariant ---


def groups_found(name, settings, model, claimed=None, joint=()):
    """What the loss says is invariant is what the layers say, in blocks of filters as fine as expected.

    The error is the largest violation of a claimed group in units of its tolerance; infinite where more is invariant
    than claimed, or in other blocks.

    Args:
        claimed: ``Expected`` to be tested in place of that of the model's own layers.
        joint: further groups that are claimed to be invariant together.
    """
    import torch
    from torch.nn.functional import cross_entropy

    from bn_theory.networks import scale_invariant_groups
    from bn_theory.networks.invariance import shown
    from bn_theory.networks.structure import expected_groups
    from bn_theory.networks.threads import one_thread

    images, classes = runs.data(torch.float64, 16)
    expected = expected_groups(model) if claimed is None else claimed
    with one_thread():
        found = scale_invariant_groups(
            model, lambda: cross_entropy(model(images), classes), joint=joint, seed=settings.seed
        )
    invariant = {*expected.invariant, *expected.without_effect, *joint}
    blocks = {n: found.blocks[n].size for n in expected.invariant if n in found.blocks}
    finest = {n: _finest(model, n) for n in blocks}
    no_effect = all(found.findings[n].identity == "grad = 0" for n in expected.without_effect)
    agree = set(found.invariant) <= invariant and blocks == finest and no_effect
    ratios = [found.findings[n].violation / found.findings[n].tolerance for n in invariant]
    return judge.identity(
        name,
        judge.largest(ratios) if agree else math.inf,
        1.0,
        unit="the rounding tolerance",
        invariant=[shown(n) for n in found.invariant],
        claimed_but_not_found=sorted(shown(n) for n in invariant - set(found.invariant)),
        variant=[f"{shown(n)}: {found.findings[n].violation:.2g}" for n in found.variant],
        filters_per_block=blocks,
        without_effect=list(expected.without_effect),
    )


def _finest(model, weight):
    """Rows of a kernel that share a statistic of the normalisation behind it; ``None`` without one."""
    from torch import nn

    from bn_theory.networks.epsilon import normalisation_behind
    from bn_theory.networks.structure import NORMALISATIONS

    rows = len(model.get_parameter(weight))
    if not any(isinstance(module, NORMALISATIONS) for module in model.modules()):
        return None
    norm = normalisation_behind(model, weight)
    if isinstance(norm, nn.GroupNorm):
        return rows // norm.num_groups
    return rows if isinstance(norm, nn.LayerNorm) else 1


def _groups(settings):
    import torch

    from bn_theory.networks.architectures import resnet, vgg
    from bn_theory.networks.structure import expected_groups

    def net(norm="batch", **options):
        return vgg(norm, seed=settings.seed, **runs.SMALL, **options)

    for norm in ("batch", "group", "layer", "instance"):
        yield groups_found(f"VGG variant, {norm} normalisation: scale-invariant groups", settings, net(norm))
    yield groups_found("a bias before a batch normalisation has no effect", settings, net(bias=True))
    residual = resnet(14 if settings.full else 8, width=4, eps=0.0, seed=settings.seed, dtype=torch.float64)
    yield groups_found("ResNet: scale-invariant groups", settings, residual)
    ended, stream = _normalised_end(settings)
    claimed = expected_groups(residual if not settings.full else _small_resnet(settings))
    yield groups_found(
        "ResNet ended by a normalisation: the residual stream is one group",
        settings,
        ended,
        replace(claimed, invariant=(*claimed.invariant, "last.0.weight"), variant=()),
        [stream],
    )
    model = net()
    expected = expected_groups(model)
    last = ("last_norm.weight", "last_norm.bias")
    wrong = replace(expected, invariant=(*expected.invariant, last))
    yield judge.control(groups_found("the last (gamma, beta) taken for scale-invariant", settings, model, wrong))
    kernels = tuple(n for n in expected.invariant if isinstance(n, str))
    bare = replace(expected, invariant=kernels, variant=())
    yield judge.control(groups_found("kernels without normalisation", settings, net(None), bare))


def _small_resnet(settings):
    import torch

    from bn_theory.networks.architectures import resnet

    return resnet(8, width=4, eps=0.0, seed=settings.seed, dtype=torch.float64)


def _normalised_end(settings):
    """A ResNet whose last layer is normalised too, and the parameters that are added up in its residual stream."""
    import torch
    from torch import nn

    from bn_theory.networks.layers import linear, normalisation, start_

    model = _small_resnet(settings)
    last = linear(model.last.in_features, 10, dtype=torch.float64)
    start_(last.weight, "he", torch.Generator().manual_seed(settings.seed))
    model.last = nn.Sequential(last, normalisation("batch", 10, None, eps=0.0, affine=False, dtype=torch.float64))
    added = ["norm", *(f"blocks.{i}.norm2" for i in range(len(model.blocks)))]
    return model, tuple(f"{name}.{kind}" for name in added for kind in ("weight", "bias"))


# --- what eps leaves of it ---

EPS = (1e-5, 1e-3)
SHARES = tuple(10.0**-k for k in range(8))
"""``eps/r^2``: the scales of the weights are ``r = sqrt(eps/share)``, so that both curves bend at the same place."""
SMALL_SHARE = 1e-5
"""Up to here the exponent is judged; it differs from -2 by about ``2 eps/(r^2 s2)``, 2e-3 for variances of 0.01."""
EXPONENT_TOLERANCE = 0.02
"""Ten times that: a unit that its ReLU switches between two scales, one of thousands, shows as well."""
DERIVATIVE_TOLERANCE = 0.01
"""Losses are 1e-15 off each, their difference ``2^-7`` times a violation of at least 1e-10: 1e-3, ten times over."""


def epsilon_curve(settings, eps, scales):
    """The violation at a generic point: away from ``beta = 0``, where gamma alone would look invariant."""
    import torch

    from bn_theory.networks.architectures import vgg
    from bn_theory.networks.epsilon import epsilon_curve as curve
    from bn_theory.networks.structure import expected_groups
    from bn_theory.networks.threads import one_thread

    model = vgg(eps=eps, seed=settings.seed, **runs.SMALL)
    generator = torch.Generator().manual_seed(settings.seed)
    with torch.no_grad():
        for p in model.parameters():
            size = float(p.square().mean().sqrt()) or 1.0
            p.add_(0.1 * size * torch.randn(p.shape, generator=generator, dtype=p.dtype))
    with one_thread():
        return curve(model, *runs.data(torch.float64, 16), expected_groups(model).invariant, scales)


def stays_at_rounding(name, curve):
    """The violation is no larger than rounding at any scale."""
    ratio = judge.largest((curve.violation / curve.rounding).ravel())
    return judge.identity(name, ratio, 1.0, unit="the rounding bound", largest=float(np.max(curve.violation)))


def violation_exponent(name, curve, predicted=-2.0):
    """Local exponents of the violation in the weights' norm, over all groups, where eps is small."""
    small = np.flatnonzero(np.array(SHARES) <= 1.001 * SMALL_SHARE)
    found = curve.exponents[small[:-1]]
    interval = float(np.min(found)), float(np.max(found))
    return judge.exponent(
        name,
        interval,
        predicted,
        EXPONENT_TOLERANCE,
        EXPONENT_TOLERANCE,
        groups=list(curve.groups),
        scales=curve.scales.tolist(),
        largest_violation=np.max(curve.violation, axis=1).tolist(),
        median_violation=np.median(curve.violation, axis=1).tolist(),
        violation_at_own_norm={
            g: float(np.exp(np.interp(0.0, np.log(curve.scales), np.log(v))))
            for g, v in zip(curve.groups, curve.violation.T, strict=True)
        },
        interval_is="the range over groups and scales",
    )


def _epsilon(settings):
    for eps in EPS:
        curve = epsilon_curve(settings, eps, np.sqrt(eps / np.array(SHARES)))
        yield violation_exponent(f"eps {eps:g}: exponent of the violation in the weights' norm", curve)
        at = SHARES.index(SMALL_SHARE)
        ratio = (curve.from_eps / curve.violation)[at : at + 2]
        yield judge.amplitude(
            f"eps {eps:g}: <w, grad> is -2 eps dL/deps",
            (float(np.min(ratio)), float(np.max(ratio))),
            DERIVATIVE_TOLERANCE,
            interval_is="the range over groups and two scales",
        )
        if eps == EPS[0]:
            yield judge.control(stays_at_rounding(f"eps {eps:g}: the violation stays at rounding", curve))
            yield judge.control(violation_exponent(f"eps {eps:g}: exponent -1 in the weights' norm", curve, -1.0))
    scales = (1e-2, 1.0, 1e2)
    yield stays_at_rounding("eps 0: the violation stays at rounding", epsilon_curve(settings, 0.0, scales))


# --- every step of a run ---


def orthogonal(name, log):
    """``<w, grad>`` at every step for every group, in units of its rounding bound."""
    ratio = judge.largest([np.max(np.abs(log.inner) / log.inner_bound)])
    return judge.identity(name, ratio, 1.0, unit="the rounding bound", **_facts(log))


def grows(name, log, resolved=RESOLVED):
    """``|w'|^2 = |w|^2 + eta^2 |grad|^2`` at every step for every group, in units of its rounding bound."""
    ratio = judge.largest([np.max(log.growth_error / log.growth_bound)])
    moved = log.step2 > 0
    width = float(np.median((log.growth_bound / np.where(moved, log.step2, 1.0))[moved]))
    found = judge.identity(name, ratio, 1.0, unit="the rounding bound", bound_over_growth=width, **_facts(log))
    return found if width <= resolved else replace(found, verdict=judge.INCONCLUSIVE)


def never_faster(name, log):
    """The effective rate ``eta/|w|^2`` does not grow from any step to the next, for any group."""
    after, before = log.norm2[1:], log.norm2[:-1]
    # |w'|^2 is at least |w|^2 minus the rounding of its growth
    ratio = judge.largest([np.max(before / (after + log.growth_bound))])
    fall = log.effective_lr[-1] / log.effective_lr[0]
    return judge.bound(name, ratio, falls_at_most_to=float(np.min(fall)), falls_at_least_to=float(np.max(fall)))


def tuned_at_once(name, logs):
    """After one step at any rate ``eta/|w|^2 <= 1/(2 |grad L(V)|)``, for every group."""
    ratios, slack = {}, 0.0
    for rate, log in logs.items():
        effective = log.lr[0] / log.norm2[1]
        ratios[rate] = float(np.max(2 * effective * log.unit_grad_norm[0]))
        slack = max(slack, float(np.max(log.growth_bound[0] / log.norm2[1])))
    return judge.bound(name, judge.largest(ratios.values()), slack, by_rate={f"{k:g}": v for k, v in ratios.items()})


def keeps_norms(name, log):
    """Projected groups have the norm that they had, to rounding."""
    # One rounding of the factor's two norms, each a sum of d squares, one of the product, each step anew.
    ulps = (2 * log.sizes + 8) * log.unit
    change = np.abs(log.norm2[1:] / log.norm2[:-1] - 1)
    return judge.identity(name, judge.largest([np.max(change / ulps)]), 1.0, unit="the rounding bound")


def probable(log):
    """The log with sums whose roundings are taken for independent: ``8 sqrt(n)`` in place of ``n``.

    Higham and Mary (SIAM J. Sci. Comput. 41, 2019): with ``lambda sqrt(n)`` a bound fails with a probability of at most
    ``2 n exp(-lambda^2/2)``, 1e-9 here. In float32 the certain bound is wider than the growth.
    """
    return replace(log, chain=8 * math.sqrt(log.chain))


def _facts(log):
    steps, groups = log.inner.shape
    return {
        "steps": steps,
        "groups_and_filters": groups,
        "largest_cosine": float(np.max(log.cosine)),
        "median_bound_of_cosine": float(np.median(log.cosine_bound)),
        "roundings_in_a_chain": float(log.chain),
        "growth_of_norm2": float(np.max(log.norm2[-1] / log.norm2[0])),
        "last_loss": float(log.losses[-1]),
        "sensitivity": "sampled by one perturbation a step",
    }


def _steps(settings):
    import torch

    steps = 200 if settings.full else 50
    for rate in LOGGED_RATES:
        log = runs.logged(settings, rate, steps)
        yield orthogonal(f"rate {rate:g}: orthogonality at every step", log)
        yield grows(f"rate {rate:g}: norm growth at every step", log)
        yield never_faster(f"rate {rate:g}: the effective rate never grows", log)
    logs = {rate: runs.logged(settings, rate, 1, filters=False) for rate in RATES_FULL}
    yield tuned_at_once("one step at any rate leaves an effective rate of at most 1/(2 |grad L(V)|)", logs)
    log = runs.logged(settings, LOGGED_RATES[0], steps, dtype=torch.float32)
    yield orthogonal("float32: orthogonality at every step", log)
    # half of the growth, in the median: it tells growth from none
    yield grows("float32: norm growth at every step, roundings taken for independent", probable(log), 0.5)
    short = {"net": runs.SMALL, "filters": False}
    projected = runs.logged(settings, 1.0, 20, projected=True, groups=_kernels(), **short)
    yield keeps_norms("projected SGD: norms and effective rates stay", projected)
    controls = {
        "weight decay 1e-3": {"weight_decay": 1e-3},
        "momentum 0.9": {"momentum": 0.9},
        "eps 1e-3": {"eps": 1e-3},
        "no normalisation": {"norm": None, "groups": _kernels()},
        "the last (gamma, beta)": {"groups": [("last_norm.weight", "last_norm.bias")]},
    }
    for what, options in controls.items():
        log = runs.logged(settings, LOGGED_RATES[0] if "norm" not in options else 0.05, 20, **short, **options)
        yield judge.control(grows(f"{what}: norm growth at every step", log))
        if what in ("eps 1e-3", "no normalisation", "the last (gamma, beta)"):
            yield judge.control(orthogonal(f"{what}: orthogonality at every step", log))
    adam = runs.logged(settings, 1e-2, 20, adam=True, **short)
    yield judge.control(grows("Adam: norm growth at every step", adam))
    plain = runs.logged(settings, 1.0, 20, groups=_kernels(), **short)
    yield judge.control(keeps_norms("SGD without projection: norms stay", plain))


def _kernels():
    """Names of the kernels of the small network, with or without normalisation."""
    from bn_theory.networks.architectures import vgg
    from bn_theory.networks.structure import kernels

    return kernels(vgg(None, **runs.SMALL))


# --- the loss against the learning rate ---

FLAT = 0.9
"""What every rate must have learned of what the best has, for the loss to count as flat in the rate."""
APART = 0.5
"""By what share of the loss of guessing SGD must have learned more than what breaks down at the largest rate."""
RISE = 10.0
"""By what factor the loss must have risen in a run that is said to diverge."""


def flat(name, swept):
    """Over all rates, the least that is learned is at least 0.9 of the most, both in shares of ``log 10``."""
    share = swept.flatness
    low, high = over_seeds(share)
    mean, means = float(np.mean(share)), np.mean(swept.losses, axis=0)
    return judge.comparison(
        name,
        (low, high),
        FLAT,
        answer=(
            f"Over rates {swept.rates[0]:g} to {swept.rates[-1]:g} {swept.setting} learns at the worst rate "
            f"{100 * mean:.0f} % of what it learns at the best; its loss is {np.min(means):.2g} to {np.max(means):.2g}."
        ),
        **_table(swept),
    )


def learns_more(name, one, other):
    """At the largest rate, one setting learns more than another, by half of the loss of guessing."""
    difference = one.learned[:, -1] - other.learned[:, -1]
    low, high = over_seeds(difference)
    return judge.comparison(
        name,
        (low, high),
        APART,
        answer=(
            f"At rate {one.rates[-1]:g} {one.setting} has removed {100 * float(np.mean(one.learned[:, -1])):.0f} % of "
            f"the loss of guessing, {other.setting} {100 * float(np.mean(other.learned[:, -1])):.0f} %."
        ),
        **_table(other),
    )


def wider(name, one, other):
    """The rates that work span at least one decade more, the other's counted up to the first that fails.

    What is counted are steps between the tried rates, a decade each; beyond the outermost nothing is known.
    """
    decades = one.decades(SHARE), other.decades(SHARE, outer=True)
    low, high = over_seeds(decades[0] - decades[1])
    means = [float(np.mean(d)) for d in decades]
    return judge.comparison(
        name,
        (low, high),
        1.0 - 1e-9,  # decades are counted between rates of the sweep: one more counts as one
        answer=(
            f"Of the tried rates, those that learn {100 * SHARE:.0f} % of the best span {means[0]:.1f} decades for "
            f"{one.setting}, at most {means[1]:.1f} for {other.setting}."
        ),
    )


def diverges(name, swept):
    """At the largest rate the loss leaves the finite numbers or rises beyond RISE times its first value, on every seed.

    With batch normalisation it cannot: cross-entropy is at most ``log 10 + gamma sqrt(20)`` for a last scale ``gamma``
    (``bjorck2018.largest_rate``), 3 times the loss of guessing at its start.
    """
    peaks = swept.peaks[:, -1]
    return judge.bound(
        name, RISE / float(np.min(peaks)), peaks=[x if math.isfinite(x) else None for x in peaks.tolist()]
    )


def _table(swept):
    """Numbers by rate, for the details; means are over the runs that stayed finite."""
    finite = np.where(np.isfinite(swept.losses), swept.losses, np.nan)
    means = [float(np.nanmean(c)) if np.any(np.isfinite(c)) else None for c in finite.T]
    return {
        "rates": swept.rates.tolist(),
        "loss_by_rate": means,
        "diverged_by_rate": np.sum(~np.isfinite(swept.losses), axis=0).tolist(),
        "growth_of_norm2_by_rate": [float(x) if math.isfinite(x) else None for x in np.mean(swept.growth, axis=0)],
        "seeds": len(swept.losses),
        "loss_of_guessing": runs.GUESS,
    }


def _sweep(settings):
    rates, seeds, steps = (RATES_FULL, 3, 500) if settings.full else (RATES, 3, 400)
    plain, projected, bare = (
        runs.sweep(settings, s, rates, seeds, steps) for s in (runs.SGD, runs.PROJECTED, runs.TWIN)
    )
    yield flat("SGD: the loss is flat in the learning rate", plain)
    if settings.full:  # the quick profile's rates are too far apart to count decades between them
        yield wider("SGD works at a decade of rates more than projected SGD", plain, projected)
    yield learns_more("at the largest rate SGD learns and projected SGD does not", plain, projected)
    yield learns_more("at the largest rate SGD learns and the twin does not", plain, bare)
    yield diverges("no normalisation: diverges at the largest rate", bare)
    yield judge.control(diverges("SGD: diverges at the largest rate", plain))
    yield judge.control(flat("projected SGD: the loss is flat in the learning rate", projected))
    yield judge.control(flat("no normalisation: the loss is flat in the learning rate", bare))
    yield judge.control(learns_more("at the largest rate projected SGD learns and the twin does not", projected, bare))
    yield _curves(steps, plain, projected, bare)


def _curves(steps, *sweeps):
    """The losses of the sweep, seed by seed."""
    flat_claims = [f"{swept.setting}: the loss is flat in the learning rate" for swept in sweeps]
    return Curves(
        "learning_rate_sweep",
        f"Training loss after {steps} steps against the learning rate of all scale-invariant parameters, "
        f"{len(sweeps[0].losses)} seeds. Claimed is that SGD with normalisation learns at its worst rate more than "
        f"{FLAT:g} of what it learns at the best; neither with the norms held fixed nor without normalisation.",
        {
            "rates": sweeps[0].rates,
            "losses": {swept.setting: swept.losses for swept in sweeps},
            "supports": flat_claims,
        },
    )


# --- the descent of the gradient norm ---

RATE = -0.5
FIT_TOLERANCE = 0.002
"""That of ``arora2019.gd_rate``."""
FULL_BATCH = 64
FITS = {0.1: (1, 1000), 1.0: (100, 3000), 10.0: (100, 3000)}
"""First and last step of the fit, by rate: above the one that fits, norms grow first, and the gradient jumps."""


def a_posteriori(name, log, invariant):
    """``sum_{s<t} |grad_i L(V_s; g_s)|^2 <= (G_t^2 - G_0^2)/(2 eta^2)`` at every step for every group."""
    G, lr = log.norm2[:, :invariant], log.lr[:, :invariant]
    total = np.cumsum(log.unit_grad_norm[:, :invariant] ** 2, axis=0)
    bound = (G[1:] ** 2 - G[0] ** 2) / (2 * lr**2)
    # G_t^2 is off by 2 G_t times the growth's rounding, added up over the steps.
    off = np.cumsum(2 * G[1:] * log.growth_bound[:, :invariant], axis=0) / (2 * lr**2)
    ratio = judge.largest([np.max(total / np.maximum(bound + off, 0.0))])
    return judge.bound(name, ratio, steps=len(total), groups=invariant, last_gradient=float(_norm(log, invariant)[-1]))


def _norm(log, invariant):
    return np.sqrt(runs.squared_gradient(log, invariant))


def not_slower(name, log, invariant, first, predicted=RATE):
    """The exponent of the running minimum of the gradient norm is not above -1/2."""
    y = runs.squared_gradient(log, invariant)
    steps = len(y)
    # records from the first step of the window on, of the minimum over all steps before
    t = np.unique(np.round(np.geomspace(first, steps, 80)).astype(int))
    smallest = np.minimum.accumulate(y)[t - 1]
    # the window is named beforehand, and shorter than the three decades that the fit asks for by itself
    decades = math.log10(steps / first)
    try:
        fit = fit_exponent(t, smallest, statistic="running_min", min_decades=decades - 0.2)
    except NoPowerLawError as error:
        return judge.no_power_law(name, predicted, error, one_sided=True)
    interval = tuple(x / 2 for x in fit.interval)
    return judge.at_least_as_fast(
        name, interval, predicted, FIT_TOLERANCE, law=fit.model, from_step=first, decades=decades
    )


def sgd_exponent(name, settings):
    """The exponent of ``E |grad L(V_t; g_t)|^2``, halved, along SGD: nothing is predicted for so few steps.

    The law is a pure power over a window named beforehand, of about two decades. Where the fit refuses that, the
    interval is Student's for the slopes of the logarithms of the replicas' own traces, and the answer says so.
    """
    first, steps, replicas = (10, 1000, 12) if settings.full else (3, 200, 8)
    t = np.unique(np.round(np.geomspace(first, steps, 16)).astype(int))
    values = runs.sgd_descent(settings, 1.0, t, replicas, images=512, batch=16)
    facts, of = (
        {"replicas": replicas, "decades": math.log10(steps / first)},
        "the root mean square of the gradient norm",
    )
    try:
        fit = fit_exponent(t, values, model="pure", min_decades=math.log10(steps / first) - 0.2, seed=settings.seed)
        low, high = (x / 2 for x in fit.interval)
    except NoPowerLawError as error:
        facts |= {"refused": error.reason, "why": str(error)}
        of = "in the mean over replicas the gradient norm (the fit of its mean square refused)"
        low, high = over_seeds([np.polyfit(np.log(t), np.log(row) / 2, 1)[0] for row in values])
    answer = f"From step {first} to {steps} {of} falls with an exponent of {low:.2f} to {high:.2f}."
    ends = {"first_gradient": values[:, 0], "last_gradient": values[:, -1]}
    facts |= {what: float(np.sqrt(np.mean(v))) for what, v in ends.items()}
    return judge.measurement(name, (low, high), answer=answer, **facts)


def _descent(settings):
    for rate in (0.1, 1.0, 10.0, 100.0):
        log, invariant = runs.descent_log(settings, rate, 300 if settings.full else 60, FULL_BATCH)
        yield a_posteriori(f"GD, rate {rate:g}: sum of squared gradients by the growth of the norms", log, invariant)
    projected, invariant = runs.descent_log(settings, 10.0, 20, FULL_BATCH, projected=True)
    yield judge.control(
        a_posteriori("projected GD, rate 10: sum of squared gradients by the growth of the norms", projected, invariant)
    )
    for rate in FITS if settings.full else (0.1,):
        first, steps = FITS[rate]
        log, invariant = runs.descent_log(settings, rate, steps, FULL_BATCH, sampled=False)
        yield not_slower(f"GD, rate {rate:g}: not slower than T^-1/2", log, invariant, first)
        if rate == 0.1:
            yield judge.control(not_slower(f"GD, rate {rate:g}: not slower than T^-2", log, invariant, first, -2.0))
    yield sgd_exponent("SGD, rate 1: exponent of the gradient norm", settings)


STATEMENT = Statement(
    "arora2019.networks",
    "Networks tune their own learning rate: groups, every step, and the loss against the rate",
    derived("scale-invariant parameters (section 2) and the experiments of appendix D, reduced"),
    evidence,
    extra="networks",
)
