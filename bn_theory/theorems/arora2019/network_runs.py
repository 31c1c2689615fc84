"""The networks and training runs of :mod:`bn_theory.theorems.arora2019.networks`: digits, the VGG variant, its twin.

Torch is imported inside the functions, so that the statement can be listed and proved without it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bn_theory.theorems.intervals import seeds_of

NET = {"channels": (8, "pool", 16), "hidden": (32,)}
"""The network of the learning-rate sweep and of the logged runs."""
SMALL = {"channels": (4, "pool", 8), "hidden": (16,)}
SMALLEST = {"channels": (4, "pool", 8), "hidden": ()}
"""The network of the long runs."""
BATCH = 32
OTHERS_RATE = 0.1
"""Learning rate of the scale-variant parameters, whatever that of the others."""
GUESS = math.log(10)
"""Cross-entropy of equal probabilities for ten classes: nothing learned."""
LAST = 50
"""Steps at the end of a run whose mean loss is reported."""

SGD, PROJECTED, TWIN = "SGD", "projected SGD", "no normalisation"


def data(dtype, count: int | None = None):
    """The digits, all of them or the first ``count``."""
    from bn_theory.networks.digits import digits

    images, classes = digits(dtype)
    return images[:count], classes[:count]


def logged(settings, lr, steps, *, net=None, norm="batch", eps=0.0, dtype=None, batch=BATCH, images=None, **options):
    """The log of a run by SGD: every scale-invariant group, and every filter of every kernel, at rate ``lr``.

    Args:
        net: sizes of the network.
        norm, eps: its normalisation. ``None`` is the twin.
        images: how many there are; all by default.
        options: ``momentum`` and ``weight_decay``; ``projected`` (the kernels if true); ``sampled`` of
            ``LoggedTrainer``; ``groups`` to log in place of the scale-invariant ones; ``adam`` for Adam.
    """
    import torch

    from bn_theory.networks.architectures import vgg
    from bn_theory.networks.step_log import LoggedTrainer
    from bn_theory.networks.structure import expected_groups, kernels
    from bn_theory.networks.threads import one_thread
    from bn_theory.networks.training import sgd

    dtype = torch.float64 if dtype is None else dtype
    model = vgg(norm, eps=eps, seed=settings.seed, dtype=dtype, **(NET if net is None else net))
    # What would be invariant under batch normalisation with eps = 0, asked of controls too.
    found = expected_groups(vgg("batch", **(NET if net is None else net)))
    present = dict(model.named_parameters())
    groups = options.pop("groups", None) or [
        group for group in found.invariant if all(name in present for name in ([group] if group in present else group))
    ]
    others = [name for name in found.variant if name in present]
    filters = kernels(model) if options.pop("filters", True) else ()
    trainer = {"sampled": options.pop("sampled", True)}
    if options.pop("projected", False):
        trainer["projected"] = kernels(model)
    if options.pop("adam", False):
        optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    else:
        optimizer = sgd(model, lr, others=others, others_lr=OTHERS_RATE, **options)
    with one_thread():
        run = LoggedTrainer(
            model,
            optimizer,
            *data(dtype, images),
            batch=batch,
            seed=settings.seed,
            groups=groups,
            filters=filters,
            **trainer,
        )
        run.steps(steps)
        return run.log


@dataclass(frozen=True, eq=False)
class Swept:
    """Final losses of one setting over learning rates and seeds.

    Attributes:
        setting: ``"SGD"``, ``"projected SGD"`` or ``"no normalisation"``.
        rates: ``(rates,)``.
        losses: mean training loss of the last steps, ``(seeds, rates)``; infinite for a run that diverged.
        growth: by what the swept groups' squared norms have grown altogether, ``(seeds, rates)``.
        peaks: the largest loss of the run over the first, ``(seeds, rates)``; infinite for a run that diverged.
    """

    setting: str
    rates: np.ndarray
    losses: np.ndarray
    growth: np.ndarray
    peaks: np.ndarray

    @property
    def learned(self) -> np.ndarray:
        """``1 - loss/log 10``, at least 0: the share of the loss of guessing that is gone, ``(seeds, rates)``."""
        return np.maximum(0.0, 1 - self.losses / GUESS)

    @property
    def flatness(self) -> np.ndarray:
        """The least that is learned at any rate over the most, for each seed; 0 where nothing is learned at all."""
        best = self.learned.max(axis=1)
        return np.divide(self.learned.min(axis=1), best, out=np.zeros_like(best), where=best > 0)

    def decades(self, share: float, outer: bool = False) -> np.ndarray:
        """Decades between the outermost rates that learn at least ``share`` of what the best learns, ``(seeds,)``.

        Args:
            outer: count up to the next tried rates beyond, where there are any: an upper limit within those tried.
        """
        enough = (self.learned >= share * self.learned.max(axis=1, keepdims=True)) & (self.learned > 0)
        logs, last, found = np.log10(self.rates), len(self.rates) - 1, []
        for row in enough:
            where = np.flatnonzero(row)
            if not len(where):
                found.append(0.0)
                continue
            low, high = (max(where[0] - 1, 0), min(where[-1] + 1, last)) if outer else (where[0], where[-1])
            found.append(logs[high] - logs[low])
        return np.array(found)


def sweep(settings, setting: str, rates, seeds: int, steps: int) -> Swept:
    """Train at every rate from several starts, in float32; scale-variant parameters keep ``OTHERS_RATE``."""
    found = [[_trained(setting, rate, seed, steps) for rate in rates] for seed in seeds_of(settings, seeds)]
    losses, growth, peaks = np.moveaxis(np.array(found), -1, 0)
    return Swept(setting, np.asarray(rates, dtype=float), losses, growth, peaks)


def _trained(setting, rate, seed, steps):
    """Final loss, growth of the swept groups' squared norms, and the largest loss over the first."""
    import torch

    from bn_theory.networks.architectures import vgg
    from bn_theory.networks.invariance import members
    from bn_theory.networks.rate_sweep import swept_groups, swept_trainer
    from bn_theory.networks.threads import one_thread

    model = vgg(None if setting == TWIN else "batch", seed=seed, dtype=torch.float32, **NET)
    swept = [model.get_parameter(name) for group in swept_groups(model) for name in members(group)]

    def norm2():
        return sum(p.detach().double().square().sum().item() for p in swept)

    start = norm2()
    options = {"others_lr": OTHERS_RATE, "batch": BATCH, "seed": seed, "projected": setting == PROJECTED}
    with one_thread():
        run = swept_trainer(model, rate, *data(torch.float32), **options)
        run.steps(steps)
    if run.diverged is not None:
        return math.inf, norm2() / start, math.inf
    return float(np.mean(run.losses[-LAST:])), norm2() / start, max(run.losses) / run.losses[0]


def squared_gradient(log, invariant: int) -> np.ndarray:
    """``sum_i |grad_i L(V; g)|^2 + |grad_g L|^2`` at every step: the first ``invariant`` groups at unit norm."""
    return np.sum(log.unit_grad_norm[:, :invariant] ** 2, axis=1) + np.sum(log.grad_norm[:, invariant:] ** 2, axis=1)


def descent_log(settings, lr, steps, images, **options):
    """The log of full-batch GD on the first ``images`` digits, and how many of its groups are scale-invariant."""
    from bn_theory.networks.architectures import vgg
    from bn_theory.networks.structure import expected_groups

    found = expected_groups(vgg("batch", **SMALLEST))
    groups = [*found.invariant, *found.variant]
    log = logged(
        settings, lr, steps, net=SMALLEST, images=images, batch=images, groups=groups, filters=False, **options
    )
    return log, len(found.invariant)


def sgd_descent(settings, lr, records, replicas, images, batch) -> np.ndarray:
    """``|grad L(V_t; g_t)|^2`` of the full loss along SGD, shape ``(replicas, records)``: another start for each."""
    import torch

    from bn_theory.networks.architectures import vgg
    from bn_theory.networks.step_log import LoggedTrainer
    from bn_theory.networks.structure import expected_groups
    from bn_theory.networks.threads import one_thread
    from bn_theory.networks.training import Trainer, sgd

    given = data(torch.float64, images)
    found = np.empty((replicas, len(records)))
    with one_thread():
        for row in range(replicas):
            seed = 1000 * settings.seed + row
            model = vgg("batch", seed=seed, **SMALLEST)
            expected = expected_groups(model)
            optimizer = sgd(model, lr, others=expected.variant, others_lr=OTHERS_RATE)
            run = Trainer(model, optimizer, *given, batch=batch, seed=seed)
            groups = [*expected.invariant, *expected.variant]
            for column, step in enumerate(records):
                run.steps(int(step) - run.step)
                # a step of length 0 on the full batch, for its log
                full = LoggedTrainer(model, sgd(model, 0.0), *given, batch=images, groups=groups, sampled=False)
                full.steps(1)
                found[row, column] = squared_gradient(full.log, len(expected.invariant))[0]
    return found
