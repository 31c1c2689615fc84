"""Addition modulo p by a small attention model: training with a decay of queries and keys, many runs at once.

All ``p^2`` pairs are split into a training set, a fraction of them drawn by the run's seed (from another stream of
random numbers than the start), and the test set. A run is
full batch: Adam on the mean cross-entropy of its training pairs, all other parameters with one and the same decoupled
weight decay (without it nothing was seen to generalise), and after each step a decoupled decay of W_Q and W_K,

    none        W
    radial      W (1 - eta lambda)
    low-rank    W - eta lambda p_k(W/|W|_F)       by k Newton-Schulz iterations

Both at the same eta lambda. They start with ``|W|_F^2 = d``, all singular values 1 on the average of squares: the first
steps of both are as long as each other up to what the iterations lack of 1. (With another scale of W they would not
be: a low-rank step does not scale with W, and in a scale-invariant matrix the scale is free.) The low-rank step is the
bare one, not the soft threshold: it takes up to eta lambda of a singular value that has less, which then changes its
sign from step to step and stays at about the size eta lambda. Effective ranks in training count those values.

Runs of several seeds, decays and fractions are trained together, along a first axis of all parameters. Source: derived
in this package, on the subject of Li (arXiv:2606.04405).
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from bn_theory import low_rank_decay as lrd
from bn_theory.errors import DivergedError, InvalidInputError, UnknownNameError
from bn_theory.networks.attention import DECAYED, AttentionRuns

DECAYS = ("none", "radial", "low-rank")
ITERATIONS = 10
"""Of Newton-Schulz in a step: they bring values from 0.03 of the norm to within 0.01 of 1."""

SPLIT = 38
"""Which stream of a seed's random numbers the splits are drawn from."""


@dataclass(frozen=True)
class Run:
    """One run to be trained.

    Attributes:
        seed: of the start and the split. decay: one of ``DECAYS``. fraction: of the pairs that are trained on.
    """

    seed: int
    decay: str
    fraction: float


@dataclass(frozen=True)
class Trained:
    """What was recorded; the first axis of every array is that of the runs, the second that of the records.

    Attributes:
        runs: as given. step: of the records, shape ``(records,)``.
        loss: on the training pairs.
        train, test: shares that are classified right.
        stable, effective: ranks of W_Q and W_K, their mean.
        model: after training.
    """

    runs: tuple[Run, ...]
    step: np.ndarray
    loss: np.ndarray
    train: np.ndarray
    test: np.ndarray
    stable: np.ndarray
    effective: np.ndarray
    model: AttentionRuns

    def of(self, decay: str, fraction: float) -> np.ndarray:
        """Indices of the runs of a decay and a fraction, in the order of their seeds."""
        found = [i for i, run in enumerate(self.runs) if (run.decay, run.fraction) == (decay, fraction)]
        return np.array(sorted(found, key=lambda i: self.runs[i].seed), dtype=int)


def pairs(p: int) -> tuple[torch.Tensor, torch.Tensor]:
    """All pairs, shape ``(p^2, 2)``, and their sums modulo p.

    >>> pairs(2)[1].tolist()
    [0, 1, 1, 0]
    """
    a = torch.arange(p)
    both = torch.cartesian_prod(a, a)
    return both, both.sum(1) % p


def split(p: int, fraction: float, seed: int) -> torch.Tensor:
    """Which of the ``p^2`` pairs are trained on: ``round(fraction p^2)`` of them, nested as the fraction grows.

    Raises:
        InvalidInputError: a fraction that leaves nothing to train or to test on; a seed that is no whole number >= 0.

    >>> int(split(5, 0.6, 0).sum())
    15
    """
    count = round(fraction * p * p) if math.isfinite(fraction) else 0
    if not 0 < count < p * p:
        raise InvalidInputError(f"a fraction of {fraction!r} of {p * p} pairs leaves nothing to train or to test on")
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise InvalidInputError(f"a run's seed must be a whole number >= 0, not {seed!r}")
    chosen = torch.zeros(p * p, dtype=torch.bool)
    order = np.random.default_rng((int(seed), SPLIT)).permutation(p * p)
    chosen[torch.as_tensor(order[:count])] = True
    return chosen


def train(
    p: int, runs, *, steps: int, rate: float, decay: float, others: float = 0.0, records: int = 40, **sizes
) -> Trained:
    """Train all runs together.

    The sums of matrix products may be taken in another order with another number of torch's threads: call it within
    :func:`bn_theory.networks.threads.one_thread` for the same bits everywhere.

    Args:
        p: of the addition. runs: :class:`Run`, at least one, no two alike. steps: ``>= 1``. rate: eta, of Adam.
        decay: lambda, of W_Q and W_K. others: that of all other parameters.
        records: how many, evenly over the steps (the start and the end among them).
        sizes: ``width``, ``heads``, ``hidden``, ``normalised``, ``orthogonal``, ``dtype`` of :class:`AttentionRuns`.

    Returns:
        Trained

    Raises:
        InvalidInputError: no runs, the same one twice, rates or counts out of their ranges.
        UnknownNameError: a decay that does not exist.
        DivergedError: a loss that is not finite; it names the run and the step.
    """
    runs = tuple(runs)
    _checked(runs, steps, rate, decay, records)
    _checked(runs, steps, rate, others, records)
    model = AttentionRuns(p, [run.seed for run in runs], **sizes)
    tokens, classes = pairs(p)
    mask = torch.stack([split(p, run.fraction, run.seed) for run in runs])
    weights = mask.to(model.E.dtype) / mask.sum(1, keepdim=True)
    own = [getattr(model, name) for name in DECAYED]
    rest = [value for name, value in model.named_parameters() if name not in DECAYED]
    groups = [{"params": own, "weight_decay": 0.0}, {"params": rest, "weight_decay": others}]
    optimizer = torch.optim.AdamW(groups, lr=rate)
    at = np.unique(np.round(np.linspace(0, steps, records)).astype(int))
    found = {name: [] for name in ("loss", "train", "test", "stable", "effective")}
    for step in range(steps + 1):
        logits = model(tokens)
        losses = (losses_of(logits, classes) * weights).sum(1)
        _finite(losses.detach(), runs, step)
        if step in at:
            _record(found, model, logits.detach(), losses.detach(), classes, mask)
        if step == steps:
            break
        optimizer.zero_grad()
        losses.sum().backward()
        optimizer.step()
        for W in own:
            decay_step(W, runs, rate * decay)
    arrays = {name: np.array(values).T for name, values in found.items()}
    return Trained(runs, at, model=model, **arrays)


def losses_of(logits, classes) -> torch.Tensor:
    """Cross-entropy of every pair, shape ``(runs, n)``."""
    return nn.functional.cross_entropy(
        logits.flatten(0, 1), classes.repeat(logits.shape[0]), reduction="none"
    ).unflatten(0, logits.shape[:2])  # fmt: skip


@torch.no_grad()
def decay_step(W: torch.Tensor, runs, amount: float) -> None:
    """One decoupled step of each run's own decay, in place.

    Args:
        W: shape ``(runs, m, n)``. runs: what each of them decays by. amount: eta lambda.
    """
    for decay, step in (("radial", lambda M: M), ("low-rank", newton_schulz)):
        rows = torch.tensor([i for i, run in enumerate(runs) if run.decay == decay], dtype=torch.long)
        if len(rows):
            W[rows] -= amount * step(W[rows])


def newton_schulz(W: torch.Tensor, iterations: int = ITERATIONS) -> torch.Tensor:
    """:func:`bn_theory.low_rank_decay.newton_schulz` of a stack of tensors.

    Raises:
        InvalidInputError: a matrix of zeros, which has no polar factor.

    >>> newton_schulz(torch.diag(torch.tensor([3.0, 4.0]))[None], 8).round().tolist()
    [[[1.0, 0.0], [0.0, 1.0]]]
    """
    norm = torch.linalg.norm(W, dim=(-2, -1), keepdim=True)
    if bool((norm == 0).any()):
        raise InvalidInputError("a matrix of zeros has no polar factor; leave that run out, or lower its decay")
    X = W / norm
    for _ in range(iterations):
        X = (3 * X - X @ (X.transpose(-1, -2) @ X)) / 2
    return X


def ranks(model: AttentionRuns) -> tuple[np.ndarray, np.ndarray]:
    """Stable and effective rank of every run, means of W_Q and W_K, shape ``(runs,)`` each."""
    W = torch.stack([getattr(model, name).detach() for name in DECAYED]).double()
    s = torch.linalg.svdvals(W).numpy()
    return lrd.stable_rank_of(s).mean(0), lrd.effective_rank_of(s).mean(0)


def _finite(losses, runs, step):
    """Losses are finite, and with them all logits: one of a test pair that is not makes 0 times it NaN."""
    bad = torch.nonzero(~torch.isfinite(losses)).flatten().tolist()
    if bad:
        raise DivergedError(
            f"the loss of {runs[bad[0]]} (no. {bad[0]}) is {float(losses[bad[0]])} after {step} steps; "
            f"{len(bad)} of {len(runs)} runs diverged: lower the rate",
            step=step,
            replica=bad[0],
        )


def _record(found, model, logits, losses, classes, mask):
    right = logits.argmax(-1) == classes
    found["loss"].append(losses.double().numpy())
    found["train"].append((right & mask).sum(1).numpy() / mask.sum(1).numpy())
    found["test"].append((right & ~mask).sum(1).numpy() / (~mask).sum(1).numpy())
    for name, values in zip(("stable", "effective"), ranks(model), strict=True):
        found[name].append(values)


def _checked(runs, steps, rate, decay, records):
    if not runs:
        raise InvalidInputError("no runs; give at least one Run(seed, decay, fraction)")
    twice = [run for run, count in Counter(runs).items() if count > 1]
    if twice:
        raise InvalidInputError(f"{twice[0]} is given more than once: it would count as several seeds; give it once")
    for run in runs:
        if run.decay not in DECAYS:
            raise UnknownNameError(f"unknown decay {run.decay!r}; there are {', '.join(DECAYS)}")
    for name, value in (("steps", steps), ("records", records)):
        if isinstance(value, bool) or not isinstance(value, int) or value < (1 if name == "steps" else 2):
            raise InvalidInputError(f"{name} must be a whole number, at least 1 (records: 2), not {value!r}")
    if not (math.isfinite(rate) and rate > 0):
        raise InvalidInputError(f"the learning rate must be finite and > 0, not {rate!r}")
    if not (math.isfinite(decay) and decay >= 0 and rate * decay < 1):
        raise InvalidInputError(f"lambda must be finite and >= 0, and eta lambda < 1, not {decay!r} at rate {rate!r}")
