"""Modular addition by a small attention model with normalised queries and keys: ranks and accuracy under both decays.

W_Q and W_K decay radially, by low-rank decay at the same eta lambda, or not at all; all else is equal, the seeds'
starts and splits included, and differences are taken seed by seed. What is claimed is exact or large: the matrices are
scale-invariant; with the loss switched off radial decay keeps their ranks and low-rank decay does not; at the end of
training their effective rank is lower under low-rank decay. Which decay generalises better, and from which share of
the data on, is measured, with intervals over seeds, and said plainly. This is a toy: a dozen or two of numbers, some
hundred steps, a handful of seeds; it says nothing of larger models.

"Switched off" means decay alone. Adam itself would go on for some steps by its buffers, and while there is any
gradient, however small, its steps do not shrink with it: to Adam a training set that is fitted is no zero gradient.

Torch is imported when the evidence is asked for, so that the statement can be listed and proved without it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bn_theory import low_rank_decay as lrd
from bn_theory.theorems import evidence as judge
from bn_theory.theorems import workbench
from bn_theory.theorems.evidence import Curves
from bn_theory.theorems.intervals import over_seeds, seeds_of
from bn_theory.theorems.low_rank_decay2026 import derived, iterations, matrices
from bn_theory.theorems.low_rank_decay2026.identity import in_units, lowers
from bn_theory.theorems.low_rank_decay2026.matrices import rho
from bn_theory.theorems.statement import Statement


@dataclass(frozen=True)
class Setting:
    """What is trained: modulus, steps, shares of the pairs to train on, number of seeds."""

    p: int
    steps: int
    fractions: tuple[float, ...]
    seeds: int


QUICK = Setting(11, 400, (0.6, 0.8), 5)
FULL = Setting(17, 900, (0.5, 0.6, 0.7, 0.8), 5)
RATE, DECAY, OTHERS = 1e-2, 0.5, 0.5
GENERALISES = 0.5
"""Test accuracy from which a run counts as one that generalises; guessing has ``1/p``."""
ROUNDS = 1e-9
"""What a difference of shares may be by rounding alone: they have one digit."""
OFF = 100
"""Steps of decay with the loss switched off."""


def evidence(settings):
    """Invariance, decay with the loss switched off, ranks and accuracies after training, fractions; controls."""
    import bn_theory.networks  # noqa: F401  (first of all, as it says what to install where torch is missing)
    from bn_theory.networks.modular_addition import DECAYS, Run, train
    from bn_theory.networks.threads import one_thread

    setting = FULL if settings.full else QUICK
    runs = [
        Run(seed, decay, fraction)
        for fraction in setting.fractions
        for decay in DECAYS
        for seed in seeds_of(settings, setting.seeds)
    ]
    with one_thread():
        yield invariance("W_Q", settings.seed)
        yield invariance("W_K", settings.seed)
        yield judge.control(invariance("W_Q", settings.seed, normalised=False))
        trained = train(setting.p, runs, steps=setting.steps, rate=RATE, decay=DECAY, others=OTHERS)
        yield from _switched_off(trained, settings.seed)
    yield _curves(trained, setting)
    for fraction in setting.fractions:
        yield narrower(trained, fraction)
    yield judge.control(narrower(trained, setting.fractions[-1], ("low-rank", "radial")))
    for decay in DECAYS:
        for fraction in setting.fractions:
            yield accuracy(trained, decay, fraction)
    yield from _fractions(trained, setting)


# --- exact ---


def invariance(name, seed, normalised=True):
    """The loss does not change with the scale of a matrix: the violation of the identity that is nearest to failing."""
    import torch

    from bn_theory.networks import scale_invariant_groups
    from bn_theory.networks.attention import AttentionRuns
    from bn_theory.networks.modular_addition import losses_of, pairs

    sizes = {"width": 8, "heads": 2, "hidden": 16}
    model = AttentionRuns(5, [seed], normalised=normalised, dtype=torch.float64, **sizes)
    tokens, classes = pairs(5)
    found = scale_invariant_groups(model, lambda: losses_of(model(tokens), classes).mean(), seed=seed).findings[name]
    title = f"{name} is scale-invariant" + ("" if normalised else " without the normalisation of queries and keys")
    return judge.identity(title, found.violation, found.tolerance, which=found.identity)


def switched_off(model, decay, rows):
    """W_Q and W_K of some runs, before and after ``OFF`` steps of decay alone, in float64; pairs of matrices.

    Both are in units in which the largest singular value is 1 at first, as the scale of these matrices is free: half
    of it is what low-rank decay takes in all. In the training's own units it might be all there is, and the bare step
    would overshoot; so it takes at most the part ``eta lambda (3/2)^k/|W|_F`` of a small value, 0.6 and less, and more
    of a small one than of a large one, as p is concave.
    """
    import torch

    from bn_theory.networks.attention import DECAYED
    from bn_theory.networks.modular_addition import Run, decay_step

    found = []
    for name in DECAYED:
        before = getattr(model, name).detach()[torch.as_tensor(rows)].double()
        before = before / torch.linalg.matrix_norm(before, 2)[:, None, None]
        after = before.clone()
        for _ in range(OFF):
            decay_step(after, [Run(0, decay, 0.5)] * len(after), RATE * DECAY)
        found += zip(before.numpy(), after.numpy(), strict=True)
    return found


def follows(before, after) -> float:
    """Singular values after low-rank decay by iterations against the scalar recursion, over its bound."""
    form, allowed = _followed(before)
    return float(np.max(np.abs(lrd.singular_values(after) - np.sort(form)[::-1]))) / allowed


def fall(before, after):
    """By how much the effective rank is lower, and the rounding of that."""
    s, t = lrd.singular_values(before), lrd.singular_values(after)
    _, moved = _followed(before)
    rounding = matrices.effective_rank_rounding
    return float(lrd.effective_rank_of(s) - lrd.effective_rank_of(t)), rounding(s, moved) + rounding(t, moved)


def _followed(before):
    from bn_theory.networks.modular_addition import ITERATIONS

    return iterations.followed(lrd.singular_values(before), before.shape, RATE * DECAY, OFF, ITERATIONS)


def kept_rank(before, after) -> float:
    """Change of the effective rank under radial decay over its rounding: W rounds twice a step, in every entry."""
    s, t = lrd.singular_values(before), lrd.singular_values(after)
    change = abs(float(lrd.effective_rank_of(s) - lrd.effective_rank_of(t)))
    relative = 2 * rho(before) + 2 * OFF * workbench.EPS / 2
    norms = (float(np.linalg.norm(W)) for W in (before, after))
    return change / sum(
        matrices.effective_rank_rounding(values, relative * norm)
        for values, norm in zip((s, t), norms, strict=True)
    )  # fmt: skip


def _switched_off(trained, seed):
    import torch

    from bn_theory.networks.attention import AttentionRuns

    rows = np.concatenate([trained.of("radial", f) for f in sorted({one.fraction for one in trained.runs})])
    name = f"loss switched off, {OFF} steps:"
    radial = switched_off(trained.model, "radial", rows)
    yield in_units(f"{name} radial decay keeps the effective rank", [kept_rank(*one) for one in radial])
    low_rank = switched_off(trained.model, "low-rank", rows)
    yield in_units(f"{name} low-rank decay follows the scalar recursion", [follows(*one) for one in low_rank])
    yield lowers(f"{name} low-rank decay lowers it", [fall(*one) for one in low_rank])
    yield judge.control(in_units(f"{name} low-rank decay keeps it", [kept_rank(*one) for one in low_rank]))
    yield judge.control(lowers(f"{name} radial decay lowers it", [fall(*one) for one in radial]))
    equal = switched_off(AttentionRuns(5, [seed], orthogonal=True, dtype=torch.float64), "low-rank", [0])
    yield judge.control(lowers(f"{name} low-rank decay lowers it from equal singular values", [fall(*equal[0])]))


# --- after training ---


def end(trained, what, decay, fraction) -> np.ndarray:
    """A recorded quantity at the end of training, one number a seed."""
    return getattr(trained, what)[trained.of(decay, fraction), -1]


def _narrower(fraction):
    return f"share {fraction:g}: log of the effective rank, radial over low-rank decay"


def narrower(trained, fraction, order=("radial", "low-rank")):
    """The effective rank of W_Q and W_K is lower under the second decay, seed by seed."""
    one, two = (end(trained, "effective", decay, fraction) for decay in order)
    title = _narrower(fraction) if order[0] == "radial" else f"{_narrower(fraction)}, the other way round"
    return judge.comparison(
        title,
        over_seeds(np.log(one / two)),
        effective_ranks={order[0]: one.tolist(), order[1]: two.tolist()},
        stable_ranks={decay: end(trained, "stable", decay, fraction).tolist() for decay in order},
        answer=f"the mean effective rank is {one.mean():.1f} under {order[0]} and {two.mean():.1f} under {order[1]} "
        "decay.",
    )


def accuracy(trained, decay, fraction):
    """Test accuracy at the end over seeds, the training accuracy next to it."""
    test, train = (end(trained, what, decay, fraction) for what in ("test", "train"))
    low, high = over_seeds(test)
    return judge.measurement(
        f"{under(decay)}, share {fraction:g}: test accuracy",
        (low, high),
        measured=test.mean(),
        training_accuracy=float(train.mean()),
        test_accuracies=test.tolist(),
        training_loss=float(end(trained, "loss", decay, fraction).mean()),
        answer=f"trained on {fraction:.0%} of the pairs, {train.mean():.1%} of them and {test.mean():.1%} of the "
        "others are right.",
    )


def smallest_fractions(trained, decay, fractions) -> np.ndarray:
    """Of every seed the smallest share from which on its runs generalise, up to the largest; 1 where none does."""
    good = np.array([end(trained, "test", decay, fraction) >= GENERALISES for fraction in fractions])
    onwards = np.logical_and.accumulate(good[::-1], axis=0)[::-1]
    return np.where(onwards.any(0), np.asarray(fractions)[onwards.argmax(0)], 1.0)


def resolution(found, fractions) -> float:
    """By how much smallest shares may be too large, the mean over seeds.

    Of each it is what lies between it and the next one below that was tried, or 0 below the smallest.
    """
    below = np.array([0.0, *fractions])
    tried = np.array([*fractions, 1.0])
    return float(np.mean([share - below[np.argmin(np.abs(tried - share))] for share in found]))


def under(decay) -> str:
    """A decay in words."""
    return "no decay" if decay == "none" else f"{decay} decay"


def in_words(low, high) -> str:
    """Whether generalisation sets in with less data under low-rank decay, by the interval of the difference."""
    if low > ROUNDS:
        return "a widening shows at this size"
    if high < -ROUNDS:
        return "the opposite shows at this size"
    return "no widening shows at this size: the interval includes 0"


def widening(trained, fractions, other):
    """The smallest share under another decay minus that under low-rank decay, seed by seed.

    The interval is that over seeds, wider at both ends by the resolution: that of the other decay at the lower one,
    that of low-rank decay at the upper one.
    """
    shares = [smallest_fractions(trained, decay, fractions) for decay in (other, "low-rank")]
    difference = shares[0] - shares[1]
    coarse = [resolution(found, fractions) for found in shares]
    low, high = over_seeds(difference) + np.array([-coarse[0], coarse[1]])
    return judge.measurement(
        f"smallest share that generalises, {under(other)} minus low-rank decay",
        (low, high),
        measured=difference.mean(),
        differences=difference.tolist(),
        shares=list(fractions),
        resolution=coarse,
        answer=f"{in_words(low, high)} ({difference.mean():+.3f}, {low:+.3f} to {high:+.3f}), against {under(other)}.",
    )


def gain(trained, fractions, other):
    """The test accuracy under low-rank minus that under another decay, the mean over shares, seed by seed."""
    difference = np.mean(
        [end(trained, "test", "low-rank", f) - end(trained, "test", other, f) for f in fractions], axis=0
    )
    low, high = over_seeds(difference)
    return judge.measurement(
        f"test accuracy, mean over shares, low-rank minus {under(other)}",
        (low, high),
        measured=difference.mean(),
        differences=difference.tolist(),
        answer=f"low-rank decay changes the test accuracy by {difference.mean():+.1%} ({low:+.1%} to {high:+.1%}) "
        f"from that under {under(other)}.",
    )


def _fractions(trained, setting):
    for decay in ("none", "radial", "low-rank"):
        found = smallest_fractions(trained, decay, setting.fractions)
        yield judge.measurement(
            f"{under(decay)}: smallest share that generalises",
            over_seeds(found) - np.array([resolution(found, setting.fractions), 0.0]),
            measured=found.mean(),
            shares=found.tolist(),
            answer=f"from a share of {found.mean():.2f} on, on the average of seeds (1 where none tried does).",
        )
    for other in ("radial", "none"):
        yield widening(trained, setting.fractions, other)
        yield gain(trained, setting.fractions, other)


def _curves(trained, setting):
    """Of the largest share."""
    fraction = setting.fractions[-1]

    def by_decay(what):
        return {decay: getattr(trained, what)[trained.of(decay, fraction)] for decay in ("none", "radial", "low-rank")}

    return Curves(
        "grokking",
        f"Effective rank of W_Q and W_K, and accuracy, over training: addition modulo {setting.p}, a share of "
        f"{fraction:g} of the pairs, {setting.seeds} seeds.",
        {"step": trained.step, "width": trained.model.W_Q.shape[-1]}
        | {what: by_decay(what) for what in ("effective", "train", "test")}
        | {"supports": [_narrower(fraction)]},
    )


STATEMENT = Statement(
    "low_rank_decay2026.grokking",
    "Attention with normalised queries and keys: low-rank decay lowers their rank, radial decay by itself does not",
    derived("attention with normalised queries and keys on modular addition"),
    evidence,
    extra="networks",
)
