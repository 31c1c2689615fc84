"""One network trained twice on the same mini-batches: with weight decay, and without it by the equivalent schedule."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from bn_theory.dynamics import EquivalentSchedule, equivalent_schedule
from bn_theory.errors import InvalidInputError
from bn_theory.networks.equivalent_lr import EquivalentLR
from bn_theory.networks.rounding import longest_chain, unit
from bn_theory.networks.threads import one_thread

DELTA = 2.0**-36
"""Relative size of the perturbation that samples a run's amplification (float64).

Far above the rounding of a step (``2^-53`` times some hundreds) and far below where the answer stops being linear: the
deviation that it makes, up to some thousand times larger, has a square that is again below rounding.
"""


@dataclass(frozen=True)
class PairedRun:
    """Losses of two runs, and how far rounding alone may set them apart.

    Attributes (all dimensionless; ``t`` counts steps from 0):
        decayed, decay_free: training loss of the mini-batch before step ``t``, shape ``(steps,)``.
        perturbed: of the run with decay whose weights are multiplied by ``1 + delta xi``, ``xi = +-1``, after every
            step; ``None`` if it was not asked for.
        bound: what rounding may set ``decay_free`` and ``decayed`` apart by, ``(steps,)``, or ``None``. An estimate:
            its amplification is sampled.
        roundings: ``K``, units in the last place by which a step may miss, per weight.
        log_growth: ``log(1/p_steps)``, by how much the decay-free weights outgrow the others.
    """

    decayed: np.ndarray
    decay_free: np.ndarray
    perturbed: np.ndarray | None
    bound: np.ndarray | None
    roundings: float
    log_growth: float

    @property
    def deviation(self) -> np.ndarray:
        """``|decay_free - decayed|``, shape ``(steps,)``."""
        return np.abs(self.decay_free - self.decayed)

    @property
    def error(self) -> float:
        """The largest deviation in units of its bound; NaN where a loss is not finite.

        Raises:
            InvalidInputError: the run was made without a bound.
        """
        if self.bound is None:
            raise InvalidInputError("bounded=False: the run has no bound; make it with bounded=True")
        return float(np.max(self.deviation / self.bound))


@one_thread()
def train_pair(
    make: Callable[[], nn.Module],
    batches: Sequence[tuple[torch.Tensor, torch.Tensor]],
    lr,
    weight_decay,
    momentum=0.0,
    *,
    schedule: EquivalentSchedule | None = None,
    variant: Sequence[str] = (),
    variant_decay: float = 0.0,
    bounded: bool = True,
    delta: float = DELTA,
    seed: int = 0,
) -> PairedRun:
    """Train two copies of a network on the same mini-batches by cross-entropy, one with decay, one without.

    The first by ``torch.optim.SGD`` with rates ``eta_t``, decay ``lambda_t``, momentum ``gamma_t``; the second by
    :class:`EquivalentLR`. If all decayed parameters are scale-invariant, the losses agree at every step but for

        bound_t = 2 (K u / delta) max_{s <= t} |perturbed_s - decayed_s|  +  2 n u max(1, |decayed_t|),

    ``u`` the unit roundoff and ``n`` the longest chain of additions (:func:`longest_chain`). Rounding moves a weight by
    at most ``K u`` of it in a step: twice by the update's product and difference, by ``n u`` of the step through the
    gradient, and by ``6 |log p| u`` of it through the rate, an exponential of logarithms;
    ``K = 2 + (n + 6 max|log p|) max_t eta_t |b_t|/|w_t|`` (largest over steps and tensors, ``b`` the buffer). What a
    perturbation of every step grows to is sampled by a third run, which gets one of ``delta``; both runs round, hence
    2. The last term is the rounding of the two evaluations themselves. It is an estimate, since one sample of random
    signs stands for the rounding errors, and the conditions of sums are left out. On one thread (:func:`one_thread`).

    Args:
        make: gives a fresh copy of the network, always from the same start, in train mode.
        batches: one ``(inputs, classes)`` per step.
        lr, weight_decay, momentum: as for :func:`bn_theory.equivalent_schedule`.
        schedule: for the run without decay; ``None`` is the equivalent one. (Another one is for controls.)
        variant: names of trained parameters that are scale-variant: the same rate, momentum and decay in both runs.
        variant_decay: their decay.
        bounded: make the third run.
        delta: its relative perturbation.
        seed: of its random signs.

    Returns:
        PairedRun: both loss curves and the bound.

    Raises:
        InvalidInputError: no batches, an unknown name in ``variant``, a model without trained parameters, or a
            ``variant_decay`` or ``delta`` that cannot be used.
        NoEquivalentScheduleError: decay and momentum carry the weights through 0.

    Source: Li and Arora (ICLR 2020, arXiv:1910.07454) for constant rates and step decay; the bound is derived in this
    package.
    """
    _check_numbers(batches, variant_decay, delta)
    given = equivalent_schedule(lr, weight_decay, momentum, steps=len(batches))
    run = _Training(make, batches, given, tuple(variant), float(variant_decay))
    model = make()  # for itself: the count moves running statistics
    n, u = longest_chain(model, lambda: model(batches[0][0])), unit(next(model.parameters()).dtype)
    if bounded and delta <= u:
        raise InvalidInputError(
            f"delta={delta} is lost in weights whose roundoff is {u:.1e}; take a larger one, or bounded=False"
        )
    largest = _LargestStep(given.eta)
    decayed = run.with_decay(largest)
    decay_free = run.without_decay(given if schedule is None else schedule)
    k = 2 + (n + 6 * float(np.max(np.abs(given.log_p)))) * largest.found
    perturbed = bound = None
    if bounded:
        generator = torch.Generator().manual_seed(seed)
        perturbed = run.with_decay(lambda optimizer, t: _perturb(optimizer, delta, generator))
        grown = np.maximum.accumulate(np.abs(perturbed - decayed))
        bound = 2 * k * u / delta * grown + 2 * n * u * np.maximum(1, np.abs(decayed))
    return PairedRun(decayed, decay_free, perturbed, bound, k, float(-given.log_p[-1]))


def _check_numbers(batches, variant_decay, delta):
    if not (math.isfinite(delta) and delta > 0):
        raise InvalidInputError(f"delta must be finite and > 0, not {delta}")
    if not (math.isfinite(variant_decay) and variant_decay >= 0):
        raise InvalidInputError(f"variant_decay must be finite and >= 0, not {variant_decay}")
    if not len(batches):
        raise InvalidInputError("there are no batches; give one per step")


@dataclass(frozen=True)
class _Training:
    """What the runs of a pair have in common; each starts from a fresh copy and returns its losses."""

    make: Callable[[], nn.Module]
    batches: Sequence[tuple[torch.Tensor, torch.Tensor]]
    given: EquivalentSchedule
    variant: tuple[str, ...]
    variant_decay: float

    def with_decay(self, after):
        """SGD with decay; ``after(optimizer, t)`` follows every step."""
        model, optimizer = self._start()

        def before(t):
            self._set(optimizer.param_groups[0], t, float(self.given.weight_decay[t]))
            self._set(optimizer.param_groups[1], t, self.variant_decay)

        return _losses(model, optimizer, self.batches, before, lambda t: after(optimizer, t))

    def without_decay(self, schedule):
        """SGD by a schedule, which leaves the scale-variant parameters alone."""
        model, optimizer = self._start()
        scheduler = EquivalentLR(optimizer, [schedule, None])

        def before(t):
            self._set(optimizer.param_groups[1], t, self.variant_decay)

        return _losses(model, optimizer, self.batches, before, lambda t: scheduler.step())

    def _start(self):
        model = self.make()
        return model, _sgd(model, self.variant, self.given.momentum[0])

    def _set(self, group, t, weight_decay):
        group.update(lr=float(self.given.eta[t]), momentum=float(self.given.momentum[t]), weight_decay=weight_decay)


class _LargestStep:
    """The largest relative step of a run (:func:`_relative_step`), called after every one."""

    def __init__(self, eta):
        self.eta, self.found = eta, 0.0

    def __call__(self, optimizer, t):
        self.found = max(self.found, _relative_step(optimizer, float(self.eta[t])))


def _sgd(model, variant, momentum):
    """SGD with two groups: the decayed parameters and the others (which may be none)."""
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    unknown = set(variant) - set(trained)
    if unknown:
        raise InvalidInputError(f"variant has {sorted(unknown)}, but the trained parameters are {sorted(trained)}")
    decayed = [p for name, p in trained.items() if name not in variant]
    if not decayed:
        raise InvalidInputError("no trained parameter is left to be decayed; take names out of variant")
    others = [p for name, p in trained.items() if name in variant]
    return torch.optim.SGD([{"params": decayed}, {"params": others}], lr=1.0, momentum=float(momentum))


def _losses(model, optimizer, batches, before, after):
    found = []
    for t, (inputs, classes) in enumerate(batches):
        before(t)
        loss = nn.functional.cross_entropy(model(inputs), classes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        after(t)
        found.append(loss.item())
    return np.array(found)


def _relative_step(optimizer, rate):
    """The largest ``eta |b|/|w|`` of a tensor, ``b`` the buffer, or the gradient where there is none."""
    found = 0.0
    for group in optimizer.param_groups:
        for p in group["params"]:
            buffer = optimizer.state.get(p, {}).get("momentum_buffer")
            step = p.grad if buffer is None else buffer
            size = torch.linalg.vector_norm(p.detach()).item()
            # a parameter that starts at 0 (a bias) has no relative step: it moves by whole steps then
            found = max(found, rate * torch.linalg.vector_norm(step).item() / size if size else 1.0)
    return found


@torch.no_grad()
def _perturb(optimizer, delta, generator):
    for group in optimizer.param_groups:
        for p in group["params"]:
            signs = 2 * torch.randint(2, p.shape, generator=generator).to(p) - 1
            p.mul_(1 + delta * signs)
