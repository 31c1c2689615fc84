"""How the attention model is trained for the statement, and what is read from the records of its runs.

All decays of W_Q and W_K are at eta lambda = 0.005. By how much low-rank decay has lowered ranks after so
many steps depends on it: the less of it, the less, and with several times it the bare step of the training keeps
singular values of about its own size from falling further (see ``bn_theory.networks.modular_addition``).

Torch is imported when runs are made.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bn_theory.theorems.intervals import seeds_of


@dataclass(frozen=True)
class Setting:
    """What is trained: modulus, steps, shares of the pairs to train on, number of seeds."""

    p: int
    steps: int
    shares: tuple[float, ...]
    seeds: int

    @property
    def words(self) -> str:
        """The size in words: what a statement about accuracies is limited to."""
        return f"modulo {self.p}, after {self.steps} steps, {self.seeds} seeds"


QUICK = Setting(11, 400, (0.6, 0.7, 0.8), 5)
FULL = Setting(17, 900, (0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7), 5)
RATE, DECAY, OTHERS = 1e-2, 0.5, 0.5
"""eta of Adam, lambda of W_Q and W_K, lambda of all other parameters."""


def trained_runs(setting: Setting, seeds, decay=DECAY, kinds=None, shares=None):
    """Runs of all seeds, decays and shares, trained together.

    Args:
        seeds: of the runs. decay: lambda of W_Q and W_K. kinds: of decay, by default all. shares: by default all.
    """
    from bn_theory.networks.modular_addition import DECAYS, Run, train

    runs = [Run(seed, kind, share) for share in shares or setting.shares for kind in kinds or DECAYS for seed in seeds]
    return train(setting.p, runs, steps=setting.steps, rate=RATE, decay=decay, others=OTHERS)


def seeds(settings, setting: Setting) -> range:
    """Of the runs of a base seed."""
    return seeds_of(settings, setting.seeds)


def end(trained, what, decay, share) -> np.ndarray:
    """A recorded quantity at the end of training, one number a seed."""
    return getattr(trained, what)[trained.of(decay, share), -1]


def under(decay) -> str:
    """A decay in words."""
    return "no decay" if decay == "none" else f"{decay} decay"
