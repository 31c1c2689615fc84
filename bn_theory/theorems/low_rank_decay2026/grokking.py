"""Modular addition by a small attention model with normalised queries and keys: ranks and accuracy under both decays.

W_Q and W_K decay radially, by low-rank decay at the same eta lambda = 0.005, or not at all; all else is equal, the
seeds' starts and splits included, and differences are taken seed by seed. What is claimed is exact or large: the
matrices are scale-invariant; with the loss switched off radial decay keeps their ranks and low-rank decay does not; at
the end of training, **at eta lambda = 0.005**, their effective rank is lower by a tenth and more under low-rank decay.
That holds in a window of eta lambda: with none there is no difference (the control), at a fifth of it there is less
(measured in the full profile, not claimed), and at several times it the bare step of the training, ``W - eta lambda
p``, makes singular values below eta lambda change sign at that size instead of falling further.

Which decay generalises better, and from which share of the data on, is measured with intervals over seeds and said
plainly (``.measured``). This is a toy: a dozen or two of numbers, some hundred steps, a handful of seeds; it says
nothing of larger models.

"Switched off" means decay alone. Adam itself would go on for some steps by its buffers, and while there is any
gradient, however small, its steps do not shrink with it: to Adam a training set that is fitted is no zero gradient.

Torch is imported when the evidence is asked for, so that the statement can be listed and proved without it.
"""

from __future__ import annotations

import numpy as np

from bn_theory import low_rank_decay as lrd
from bn_theory.theorems import evidence as judge
from bn_theory.theorems import workbench
from bn_theory.theorems.evidence import Curves
from bn_theory.theorems.intervals import over_seeds
from bn_theory.theorems.low_rank_decay2026 import derived, iterations, matrices, measured
from bn_theory.theorems.low_rank_decay2026.identity import in_units, lowers
from bn_theory.theorems.low_rank_decay2026.matrices import rho
from bn_theory.theorems.low_rank_decay2026.records import DECAY, FULL, QUICK, RATE, end, seeds, trained_runs
from bn_theory.theorems.statement import Statement

OFF = 100
"""Steps of decay with the loss switched off."""
MARGIN = float(np.log(1.1))
"""By how much the log of the effective rank is claimed to be lower: a tenth, far above what rounding grows to."""
WEAKER = 0.2
"""Of lambda: a second one that is measured."""


def evidence(settings):
    """Invariance, decay with the loss switched off, ranks and accuracies after training, shares; controls."""
    import bn_theory.networks  # noqa: F401  (first of all, as it says what to install where torch is missing)
    from bn_theory.networks.threads import one_thread

    setting = FULL if settings.full else QUICK
    both, last = ("radial", "low-rank"), setting.shares[-1:]
    with one_thread():
        yield invariance("W_Q", settings.seed)
        yield invariance("W_K", settings.seed)
        yield judge.control(invariance("W_Q", settings.seed, normalised=False))
        trained = trained_runs(setting, seeds(settings, setting))
        yield from switched_off_evidence(trained, settings.seed)
    yield _curves(trained, setting)
    for share in setting.shares:
        yield narrower(trained, share)
    with one_thread():
        without = trained_runs(setting, seeds(settings, setting), 0.0, both, last)
        yield judge.control(narrower(without, last[0], 0.0))
        if settings.full:
            yield how_much_narrower(
                trained_runs(setting, seeds(settings, setting), WEAKER * DECAY, both, last), last[0], WEAKER * DECAY
            )
    yield from measured.evidence(trained, setting)


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


def switched_off_evidence(trained, seed):
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


def narrower_name(share, decay=DECAY):
    """Of :func:`narrower`."""
    return f"share {share:g}, eta lambda {RATE * decay:g}: log of the effective rank, radial over low-rank decay"


def _compared(trained, share):
    one, two = (end(trained, "effective", kind, share) for kind in ("radial", "low-rank"))
    details = {
        "effective_ranks": {"radial": one.tolist(), "low-rank": two.tolist()},
        "stable_ranks": {kind: end(trained, "stable", kind, share).tolist() for kind in ("radial", "low-rank")},
        "answer": f"the mean effective rank is {one.mean():.1f} under radial and {two.mean():.1f} under low-rank decay "
        f"after {trained.step[-1]} steps.",
    }
    return over_seeds(np.log(one / two)), details


def narrower(trained, share, decay=DECAY):
    """The effective rank of W_Q and W_K is lower under low-rank decay, by a tenth and more, seed by seed.

    Args:
        decay: lambda of these runs; 0 for a control, in which all is equal up to what training makes of rounding.
    """
    interval, details = _compared(trained, share)
    return judge.comparison(narrower_name(share, decay), interval, MARGIN, **details)


def how_much_narrower(trained, share, decay):
    """The same, measured, where it is not claimed."""
    interval, details = _compared(trained, share)
    return judge.measurement(narrower_name(share, decay), interval, **details)


def _curves(trained, setting):
    """Of the largest share."""
    share = setting.shares[-1]

    def by_decay(what):
        return {decay: getattr(trained, what)[trained.of(decay, share)] for decay in ("none", "radial", "low-rank")}

    return Curves(
        "grokking",
        f"Effective rank of W_Q and W_K, and accuracy, over training: addition modulo {setting.p}, a share of "
        f"{share:g} of the pairs, {setting.seeds} seeds, eta lambda = {RATE * DECAY:g}.",
        {"step": trained.step, "width": trained.model.W_Q.shape[-1]}
        | {what: by_decay(what) for what in ("effective", "train", "test")}
        | {"supports": [narrower_name(share)]},
    )


STATEMENT = Statement(
    "low_rank_decay2026.grokking",
    "Attention with normalised queries and keys: low-rank decay at eta lambda = 0.005 lowers their rank, radial decay "
    "by itself does not",
    derived("attention with normalised queries and keys on modular addition"),
    evidence,
    extra="networks",
)
